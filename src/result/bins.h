/** A histogram read from a line of JSON without a tree of it: most of a cell is its histogram. */
#ifndef WM_RESULT_BINS_H
#define WM_RESULT_BINS_H

#include "src/result/result.h"

struct wm_bins {
    struct wm_bin *bin; /* n; until the next cut, or wm_bins_free() */
    int n;
    bool there; /* the line had one */
    size_t cap; /* private */
};

/**
 * Takes `"histogram":[[1.5,20],...],` out of a line. What is not a list of a number and a count each stays, for the
 * parser of JSON to take or refuse; and so does all without memory.
 * @param text  n bytes, behind them no digit and no bracket, and a 0 some time
 * @return bytes that are left of the text
 */
size_t wm_bins_cut(struct wm_bins *b, char *text, size_t n);
void wm_bins_free(struct wm_bins *b);

#endif
