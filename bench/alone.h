/** A block of operations beside an arm: in its place, after it, untouched by the other arms. */
#ifndef WM_BENCH_ALONE_H
#define WM_BENCH_ALONE_H

#include "bench/compare.h"

/**
 * Collective over the members of c, after its wm_compare: the slowest member's median time, in a block of 10 ms or 5
 * operations. An operation that fails loses the arm's endpoint; the arm stays measured.
 * @param loop      what this rank runs; NULL: nothing
 * @param counts    this rank's time counts
 * @param messages  by which the time of one operation of this rank is divided
 * @param out_ns    NaN: nobody's time counts
 * @return WM_OK unless the members cannot talk to each other any more
 */
int wm_alone_median(struct wm_comparison *c, struct wm_arm *arm, struct wm_loop *loop, bool counts, int messages,
                    double *out_ns, struct wm_err *err);

#endif
