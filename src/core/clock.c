#include "src/core/clock.h"

#include <stdlib.h>

enum { SERIES = 101, READINGS = 100 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Time of READINGS readings; narrows *resolution_ns to the smallest step between two of them. */
static uint64_t read_series(uint64_t *resolution_ns)
{
    uint64_t begin = wm_now_ns(), last = begin;
    for (int i = 0; i < READINGS; i++) {
        uint64_t now = wm_now_ns();
        if (now > last && now - last < *resolution_ns)
            *resolution_ns = now - last;
        last = now;
    }
    return last - begin;
}

struct wm_clock wm_clock_measure(void)
{
    double cost_ns[SERIES];
    uint64_t resolution_ns = UINT64_MAX;
    for (int i = 0; i < SERIES; i++)
        cost_ns[i] = (double)read_series(&resolution_ns) / READINGS;
    qsort(cost_ns, SERIES, sizeof(cost_ns[0]), ascending);
    if (resolution_ns == UINT64_MAX) { /* a clock so coarse that it stood still all the time */
        uint64_t begin = wm_now_ns(), now = begin;
        while (now == begin)
            now = wm_now_ns();
        resolution_ns = now - begin;
    }
    return (struct wm_clock){ .cost_ns = cost_ns[SERIES / 2], .resolution_ns = resolution_ns };
}
