#include "collectives/blocks.h"
#include "collectives/collectives.h"

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return wm_build_native(at, WM_COLL_BARRIER, 0, out);
}

static int dissemination(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    wm_build_barrier(at->rank, at->ranks, out);
    return WM_OK;
}

static const struct wm_algorithm algorithms[] = {
    { "native", native },
    { "dissemination", dissemination },
    { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_barrier = {
    .name = "barrier",
    .summary = "no rank leaves before all have come",
    .bytes_are = "nothing",
    .shape = WM_GROUP,
    .bytes_rule = WM_BYTES_NONE,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .algorithms = algorithms,
};
