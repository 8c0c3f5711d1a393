/** Order statistics of this folder: selection in linear time, without sorting. */
#ifndef WM_STATS_ORDER_H
#define WM_STATS_ORDER_H

#include <stddef.h>

/**
 * The value of 0-based rank k < n in ascending order. Reorders values: none before the k-th is larger, none after it
 * smaller. Expected linear time on any input.
 */
double wm_select(double *values, size_t n, size_t k);

#endif
