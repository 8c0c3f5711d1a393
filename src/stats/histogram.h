/** Counts of times in bins of 1 %: bin k holds [1.01^k, 1.01^(k+1)) ns; the first also what is shorter, the last also
 * what is longer. */
#ifndef WM_STATS_HISTOGRAM_H
#define WM_STATS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    WM_BINS = 3010,       /* up to 1.01^3010 = 1.02e13 ns, 2.8 hours */
    WM_BIN_OCTAVES = 44,  /* 2^44 ns lies beyond the last bin */
    WM_BIN_GUESSES = 128, /* an octave; each is narrower than a bin */
};

struct wm_histogram {
    uint64_t count[WM_BINS], total;
    double edge[WM_BINS + 1];                        /* bin k is [edge[k], edge[k + 1]) */
    uint16_t guess[WM_BIN_OCTAVES * WM_BIN_GUESSES]; /* bin of the lowest value with these leading bits */
};

void wm_histogram_init(struct wm_histogram *h);
void wm_histogram_add(struct wm_histogram *h, double ns);

/** The value below which the share p of the counts lies, within 1 %: geometric interpolation in its bin. total > 0. */
double wm_histogram_quantile(const struct wm_histogram *h, double p);

/** Counts of the bins that begin at `ns` or later. */
uint64_t wm_histogram_from(const struct wm_histogram *h, double ns);

#endif
