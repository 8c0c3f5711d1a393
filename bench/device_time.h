/** The device's own time of an operation, beside what the host sees; measured alone, after the arm. */
#ifndef WM_BENCH_DEVICE_TIME_H
#define WM_BENCH_DEVICE_TIME_H

#include "bench/compare.h"

/**
 * Collective over the members of c, after its wm_compare: of an arm that was measured over a transport whose device has
 * a clock of its own, the slowest rank's median for one message or collective. It stands in the arm. An operation that
 * fails loses the endpoint and leaves it out; the arm stays measured.
 * @return WM_OK unless the members cannot talk to each other any more
 */
int wm_device_time_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err);

#endif
