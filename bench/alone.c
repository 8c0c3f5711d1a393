#include "bench/alone.h"

#include <math.h>

enum { FEWEST = 5, MOST = 4096 }; /* operations of a block */
static const double block_ns = 10e6;

static double median_of(uint64_t *ns, unsigned n)
{
    double values[MOST];
    for (unsigned i = 0; i < n; i++)
        values[i] = (double)ns[i];
    return wm_median(values, n);
}

/* Operations of a block, from the first one's time; the same on all members. */
static unsigned count_of(double first_ns)
{
    const double n = block_ns / fmax(first_ns, 1);
    return n > MOST ? MOST : n < FEWEST ? FEWEST : (unsigned)n;
}

int wm_alone_median(struct wm_comparison *c, struct wm_arm *arm, struct wm_loop *loop, bool counts, int messages,
                    double *out_ns, struct wm_err *err)
{
    static const double pico = 1e3; /* whole numbers are compared */
    uint64_t ns[MOST], slowest = 0;
    unsigned n = 1;
    counts = counts && loop != NULL;
    for (int turn = 0; turn < 2; turn++) {
        if (wm_compare_alone(c, arm, loop, n, ns, err) != WM_OK || arm->endpoint->lost != WM_OK)
            return err->code;
        double each = counts ? fmax(median_of(ns, n) - c->bench->clock.cost_ns, 0) / messages : 0;
        slowest = (uint64_t)(each * pico);
        if (wm_world_max(c->members, &slowest, 1, WM_SPIN, err) != WM_OK)
            return err->code;
        n = count_of((double)slowest / pico * (loop != NULL ? messages : 1));
        uint64_t most = n;
        if (wm_world_max(c->members, &most, 1, WM_SPIN, err) != WM_OK)
            return err->code;
        n = (unsigned)most;
    }
    *out_ns = slowest > 0 ? (double)slowest / pico : NAN;
    return WM_OK;
}
