#include "bench/device_time.h"

#include <math.h>

enum { FEWEST = 12, MOST = 512 }; /* operations of the block */
static const double block_ns = 10e6;

/* The same on all members. */
static int agree_count(struct wm_comparison *c, const struct wm_arm *arm, uint64_t *n, struct wm_err *err)
{
    const double fit = block_ns / fmax(arm->call_ns, 1);
    *n = fit > MOST ? MOST : fit < FEWEST ? FEWEST : (uint64_t)fit;
    return wm_world_max(c->members, n, 1, WM_SPIN, err);
}

int wm_device_time_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    static const double pico = 1e3; /* whole numbers are compared */
    double ns[MOST];
    uint64_t n = 0, slowest = 0;
    struct wm_loop loop = arm->loop;
    arm->device_time_ns = NAN;
    if (arm->status != WM_MEASURED || arm->endpoint->lost != WM_OK || arm->spec->bench->shape == WM_ALONE ||
        arm->endpoint->is->transport->device_begin == NULL)
        return WM_OK;
    loop.device = &(struct wm_loop_device){ arm->endpoint->is->transport, arm->endpoint->ep, ns };
    if (agree_count(c, arm, &n, err) != WM_OK ||
        wm_compare_alone(c, arm, arm->part ? &loop : NULL, n, NULL, err) != WM_OK || arm->endpoint->lost != WM_OK)
        return err->code;
    if (arm->part)
        slowest = (uint64_t)(wm_median(ns, (size_t)n) / wm_arm_operations(arm) / wm_arm_repeats(arm) * pico);
    if (wm_world_max(c->members, &slowest, 1, WM_SPIN, err) != WM_OK)
        return err->code;
    arm->device_time_ns = slowest > 0 ? (double)slowest / pico : NAN;
    return WM_OK;
}
