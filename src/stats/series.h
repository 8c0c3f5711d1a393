/**
 * The samples of one cell: a reservoir for the median and its interval, a histogram for the percentiles, block medians
 * for comparisons. docs/method.md has the formulas. Memory, 0.5 MB and as much for scratch, is allocated at open; add
 * and look allocate nothing.
 */
#ifndef WM_STATS_SERIES_H
#define WM_STATS_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

enum {
    WM_MIN_BLOCKS = 12,     /* before the first look, and under any interval */
    WM_MIN_OPERATIONS = 12, /* before any cell may end */
    WM_RAW_SAMPLES = 65536, /* kept at most, a uniform reservoir (Vitter 1985) */
    WM_MAX_BLOCKS = 4096,   /* at this count neighbours are merged for good */
    WM_SERIES_SCRATCH = WM_RAW_SAMPLES + WM_MAX_BLOCKS,
};

struct wm_series_conf {
    double precision; /* half width of the interval over the median: 0.02 */
    uint64_t min_samples;
    uint64_t seed;   /* of the reservoir */
    double *scratch; /* WM_SERIES_SCRATCH of them, the caller's, for series that take turns; NULL: its own */
};

struct wm_series;
int wm_series_open(const struct wm_series_conf *conf, struct wm_series **out, struct wm_err *err);
void wm_series_close(struct wm_series *s);

/** One block of consecutive samples, each the time of one operation in nanoseconds (a batch's mean when batched).
 * Reorders ns. */
void wm_series_add(struct wm_series *s, double *ns, size_t n);

/**
 * Is it time to stop? Looks at block counts 12, 17, 24, 34 ... (factor sqrt 2), or at the first call after one of them;
 * at other calls the answer is no. Yes takes min_samples samples and an interval whose half width is within the
 * precision. `converged` in the summary remembers a yes. Costs about a millisecond: not for inside a timed loop.
 */
bool wm_series_enough(struct wm_series *s);

/**
 * What was not measured, or what the samples do not carry, is NaN: percentile p needs 10/(1-p) samples; an interval
 * needs 12 blocks, and samples that depend on each other so little that its ends are still among them. median_ns is the
 * median of all samples (of the reservoir where there are more than it holds) and lies in its interval. Percentiles are
 * within 1 %; the other figures are exact.
 */
struct wm_summary {
    double median_ns, ci95_low_ns, ci95_high_ns;
    double min_ns, mean_ns, mad_ns, p90_ns, p99_ns, p999_ns, max_ns;
    uint64_t samples, stalls;
    unsigned blocks; /* merged blocks at the level that set the interval; 0 without one */
    bool converged;
};
void wm_series_summary(struct wm_series *s, struct wm_summary *out);

/**
 * Block medians in order, for paired comparisons; stays the series'. At WM_MAX_BLOCKS neighbours are merged for good
 * into the mean of their medians, and later blocks are kept two by two, then four by four: always at the same counts,
 * so that the blocks of two alternating series stay pairs. Where one series ended before such a count and the other
 * after it, equal numbers no longer mean equal times, and a ratio's interval gains nothing from pairing.
 */
size_t wm_series_blocks(const struct wm_series *s, const double **median_ns);

/** The reservoir, in no order; stays the series'. */
size_t wm_series_raw(const struct wm_series *s, const float **ns);

/** Histogram: bins of 1 %, bin k holds [1.01^k, 1.01^(k+1)) ns; the first also what is shorter, the last, from 1e13 ns,
 * what is longer. Calls each for non-empty bins, ascending. */
void wm_series_histogram(const struct wm_series *s, void (*each)(void *arg, double low_ns, uint64_t count), void *arg);

/* ---- local mathematics, on their own for tests and for reports ---- */

/**
 * Distribution-free confidence interval of the median by order statistics (Hoefler & Belli, SC'15, rule 6), ranks from
 * the exact binomial distribution, so that coverage is at least `level`.
 * @param sorted  n values, ascending; stays the caller's
 * @return 0, or WM_EUSAGE when n is too small for the level (n < 6 at 0.95); low and high are written only on success
 */
int wm_median_interval(const double *sorted, size_t n, double level, double *low, double *high);

/** Median of n > 0 values; reorders them. */
double wm_median(double *values, size_t n);

/** Lag-1 autocorrelation; 0 for n < 3 or no variance. */
double wm_lag1(const double *values, size_t n);

/**
 * Ratio of two arms' times from paired blocks: median(other) / median(base) with a bootstrap interval over pairs
 * (Efron 1979; percentile, 2000 resamples, seeded). Pairs are the first min(n) blocks of both.
 * Allocates 16 KB and 16 bytes a pair while it runs.
 * @return 0; WM_EUSAGE for fewer than 6 pairs: ratio is written, the interval is NaN; WM_ENOMEM: all are NaN
 */
int wm_ratio_interval(const double *other, size_t n_other, const double *base, size_t n_base, uint64_t seed,
                      double *ratio, double *low, double *high);

#endif
