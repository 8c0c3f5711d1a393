/** How a library chose to do an arm's operation: heard in one more that nobody times. */
#ifndef WM_BENCH_HEARD_H
#define WM_BENCH_HEARD_H

#include "bench/compare.h"

/**
 * Collective over the members of c, after its wm_compare: one operation of an arm that was measured, alone, while its
 * transport listens. What the first member was told that was told anything stands in the arm. An operation that fails
 * loses the endpoint and leaves it out; the arm stays measured.
 * @return WM_OK unless the members cannot talk to each other any more
 */
int wm_hear(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err);

#endif
