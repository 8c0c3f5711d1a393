/** What staging is made of: the copies and the network, each measured alone, after the arm. */
#ifndef WM_BENCH_PARTS_H
#define WM_BENCH_PARTS_H

#include "bench/compare.h"

/**
 * Collective over the members of c, after its wm_compare: of a staged arm that was measured, each part runs in a block
 * of its own, untouched by the others: the copies on every rank (the slowest rank's median counts), then the operation
 * on host memory. They stand in the arm. An operation that fails loses the endpoint and leaves the part out; the arm
 * stays measured.
 * @return WM_OK unless the members cannot talk to each other any more
 */
int wm_parts_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err);

#endif
