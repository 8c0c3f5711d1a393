#include "bench/noflush.h"

#include <math.h>

#include "bench/alone.h"

static int measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    struct wm_err story = { .rank = -1 };
    struct wm_loop loop = { .positions = arm->loop.positions,
                            .stride_bytes = arm->loop.stride_bytes,
                            .barrier = arm->loop.barrier };
    if (arm->part)
        wm_arm_program_unflushed(arm, c->bench, &loop.program, &story);
    if (wm_world_agree(c->members, WM_SPIN, &story) == WM_OK)
        wm_alone_median(c, arm, arm->part ? &loop : NULL, arm->clock, 1, &arm->noflush_ns, err);
    if (arm->endpoint->lost == WM_OK) /* else its operations may be open still */
        wm_program_close(loop.program);
    return err->code;
}

int wm_noflush_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    uint64_t flushes = arm->part && arm->loop.program != NULL && wm_program_ring_flushes(arm->loop.program);
    arm->noflush_ns = NAN;
    if (arm->status != WM_MEASURED || arm->spec->path != WM_PATH_DIRECT || arm->endpoint->lost != WM_OK)
        return WM_OK;
    if (wm_world_max(c->members, &flushes, 1, WM_SPIN, err) == WM_OK && flushes != 0)
        measure(c, arm, err);
    arm->noflush_ns /= wm_arm_operations(arm);
    return err->code;
}
