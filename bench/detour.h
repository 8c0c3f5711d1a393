/** Paths: an arm's schedule on device memory becomes the one that its path takes. Pure. */
#ifndef WM_BENCH_DETOUR_H
#define WM_BENCH_DETOUR_H

#include "bench/plan.h"

/**
 * Rewrites what the row's builder made; direct and host leave it. Messages of point-to-point rows are staged each;
 * a collective as a whole, or chunk by chunk of its vector or of each rank's block.
 * @return WM_OK; WM_EUNSUP: this row has no such path, with the reason; WM_ENOMEM
 */
int wm_detour(const struct wm_arm_spec *spec, const struct wm_point *at, struct wm_schedule *s, struct wm_err *err);

#endif
