/** How uncertain the rank of a median is when samples depend on their neighbours. docs/method.md has the formulas. */
#ifndef WM_STATS_SPREAD_H
#define WM_STATS_SPREAD_H

#include <stddef.h>

/**
 * Half width, as a share of the samples, of the 95 % interval of the median's rank.
 * @param excess   by block, in order: samples under the median less half of the block's samples; overwritten
 * @param blocks   at least WM_MIN_BLOCKS
 * @param samples  of all blocks
 * @param merged   out: blocks after merging at the level that set the result
 */
double wm_rank_spread(double *excess, size_t blocks, double samples, unsigned *merged);

#endif
