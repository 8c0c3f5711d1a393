/** The one clock: CLOCK_MONOTONIC in nanoseconds. */
#ifndef WM_CORE_CLOCK_H
#define WM_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t wm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct wm_clock {
    double cost_ns;         /* of one reading: median of 101 series of 100 */
    uint64_t resolution_ns; /* smallest non-zero difference seen */
};

/** Measures the clock itself; takes about a millisecond. */
struct wm_clock wm_clock_measure(void);

#endif
