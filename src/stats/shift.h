/** How far apart two small samples stand, without assuming a distribution. */
#ifndef WM_STATS_SHIFT_H
#define WM_STATS_SHIFT_H

#include <stddef.h>

/**
 * Which order statistics of the n_a * n_b differences bound the shift between two samples: the rank-th smallest and the
 * rank-th largest, from the exact distribution of Mann and Whitney's U (1947), normal where n_a + n_b > 80.
 * @param level   confidence asked for, e.g. 0.95
 * @param actual  out: the level that the rank has; 0 without one
 * @return the rank, from 1; 0: the samples are too small for an interval of this level
 */
size_t wm_shift_rank(int n_a, int n_b, double level, double *actual);

struct wm_shift {
    double shift, low, high; /* of b over a; low and high NaN when rank is 0 */
    double delta;            /* Cliff (1993): how often b's values are larger, less how often smaller; -1 to 1 */
};
/**
 * Hodges & Lehmann (1963): the median of all differences, and Moses' interval.
 * @param rank  of wm_shift_rank() for these sizes
 * @param work  n_a * n_b; overwritten
 */
void wm_shift(const double *a, int n_a, const double *b, int n_b, size_t rank, double *work, struct wm_shift *out);

#endif
