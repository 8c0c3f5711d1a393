/** What the flush costs that a GPU needs before it may read what a card wrote. */
#ifndef WM_BENCH_NOFLUSH_H
#define WM_BENCH_NOFLUSH_H

#include "bench/compare.h"

/**
 * Collective over the members of c, after its wm_compare: of a direct arm that was measured and whose operations flush
 * on any rank, the same operations without flushes, in a block of their own. Their time stands in the arm, beside the
 * arm's own, which holds the flush. An operation that fails loses the endpoint; the arm stays measured.
 * @return WM_OK unless the members cannot talk to each other any more
 */
int wm_noflush_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err);

#endif
