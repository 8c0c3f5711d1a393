/** Medians, intervals, percentiles, the reservoir and ratios, against values computed by hand. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "src/core/random.h"
#include "src/stats/histogram.h"
#include "src/stats/series.h"
#include "src/stats/spread.h"
#include "tests/unit/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct wm_series *open_series(double precision, uint64_t min_samples, uint64_t seed)
{
    struct wm_series_conf conf = { .precision = precision, .min_samples = min_samples, .seed = seed };
    struct wm_series *s = NULL;
    struct wm_err err = { .rank = -1 };
    if (wm_series_open(&conf, &s, &err) != WM_OK) {
        printf("no memory for a series\n");
        exit(1);
    }
    return s;
}

/* One block of n samples first, first + step ... */
static void add_run(struct wm_series *s, size_t n, double first, double step)
{
    double *ns = malloc(n * sizeof(*ns));
    for (size_t i = 0; i < n; i++)
        ns[i] = first + step * (double)i;
    wm_series_add(s, ns, n);
    free(ns);
}

static void add_one(struct wm_series *s, double ns)
{
    wm_series_add(s, &ns, 1);
}

static struct wm_summary summary_of(struct wm_series *s)
{
    struct wm_summary summary;
    wm_series_summary(s, &summary);
    return summary;
}

static void test_median(void)
{
    static const struct {
        double values[8];
        size_t n;
        double want;
    } cases[] = {
        { { 5 }, 1, 5 },
        { { 3, 1, 2 }, 3, 2 },
        { { 4, 1, 3, 2 }, 4, 2.5 },
        { { 1, 2, 1, 1 }, 4, 1 },
        { { 7, 7, 7, 7, 7, 7 }, 6, 7 },
        { { 8, 1, 7, 2, 6, 3, 5, 4 }, 8, 4.5 },
        { { 1, 100, 1, 100, 100, 1, 100 }, 7, 100 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double values[8];
        memcpy(values, cases[i].values, sizeof(values));
        CHECK_NEAR(wm_median(values, cases[i].n), cases[i].want, 0);
    }
}

/* Numbers 0..n-1 in a random order, and the same with each value 16 times. */
static void test_median_of_many(void)
{
    enum { N = 4096 };
    double values[N], ties[N];
    struct wm_random random = { .state = 3 };
    for (int i = 0; i < N; i++)
        values[i] = i;
    for (int i = N - 1; i > 0; i--) {
        uint64_t other = wm_random_below(&random, (uint64_t)i + 1);
        double t = values[i];
        values[i] = values[other];
        values[other] = t;
    }
    for (int i = 0; i < N; i++)
        ties[i] = floor(values[i] / 16);
    CHECK_NEAR(wm_median(values, N), (N - 1) / 2.0, 0);
    CHECK_NEAR(wm_median(ties, N), (N / 16 - 1) / 2.0, 0);
}

/*
 * The r-th smallest and the r-th largest hold the median with probability 1 - 2 P(X < r), X binomial (n, 1/2):
 *   n = 6     P(X < 1) = 1/64                        0.031 <= 0.05, r = 2 gives 0.219: r = 1
 *   n = 12    P(X < 3) = (1 + 12 + 66)/4096          0.039, r = 4 gives 0.146: r = 3
 *   n = 12    at 0.99: P(X < 2) = 13/4096            0.006, r = 3 gives 0.039: r = 2
 *   n = 17    P(X < 5) = (1 + 17 + 136 + 680 + 2380)/131072   0.049: r = 5
 *   n = 1000  the tables' 469 and 532
 */
static void test_median_interval(void)
{
    static const struct {
        size_t n;
        double level;
        int rc;
        double low, high;
    } cases[] = {
        { 0, 0.95, WM_EUSAGE, -1, -1 }, { 5, 0.95, WM_EUSAGE, -1, -1 }, { 6, 0.95, WM_OK, 1, 6 },
        { 7, 0.99, WM_EUSAGE, -1, -1 }, { 12, 0.95, WM_OK, 3, 10 },     { 12, 0.99, WM_OK, 2, 11 },
        { 17, 0.95, WM_OK, 5, 13 },     { 100, 0.95, WM_OK, 40, 61 },   { 1000, 0.95, WM_OK, 469, 532 },
    };
    static double sorted[1000];
    for (size_t i = 0; i < COUNT(sorted); i++)
        sorted[i] = (double)i + 1;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double low = -1, high = -1;
        CHECK_INT(wm_median_interval(sorted, cases[i].n, cases[i].level, &low, &high), cases[i].rc);
        CHECK_NEAR(low, cases[i].low, 0);
        CHECK_NEAR(high, cases[i].high, 0);
    }
}

/* 1..5: deviations -2 -1 0 1 2, products of neighbours 2 + 0 + 0 + 2, squares 10. 1 -1 1 -1: -3 / 4. */
static void test_lag1(void)
{
    static const double rising[] = { 1, 2, 3, 4, 5 }, swinging[] = { 1, -1, 1, -1 }, still[] = { 2, 2, 2, 2 };
    CHECK_NEAR(wm_lag1(rising, 5), 0.4, 1e-12);
    CHECK_NEAR(wm_lag1(swinging, 4), -0.75, 1e-12);
    CHECK_NEAR(wm_lag1(still, 4), 0, 0);
    CHECK_NEAR(wm_lag1(rising, 2), 0, 0);
}

/*
 * 1..100 ns, low and high in turn, as single operations: neighbours cancel, so that every merged level has variance 0
 * and gets that of independent samples, 0.25 / 100. The widest is that of 6 merged blocks: t(5) = 2.5706, half width
 * 2.5706 x 0.05 = 0.1285 of the ranks; floor(100 x 0.3715) = 37, and one above ceil(100 x 0.6285) = 63.
 */
static void test_interval_of_alternating(void)
{
    struct wm_series *s = open_series(0.02, 200, 1);
    for (int i = 0; i < 50; i++) {
        add_one(s, 1 + i);
        add_one(s, 100 - i);
    }
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, 50.5, 0);
    CHECK_NEAR(summary.ci95_low_ns, 37, 0);
    CHECK_NEAR(summary.ci95_high_ns, 64, 0);
    CHECK_INT(summary.blocks, 6);
    CHECK_INT(summary.samples, 100);
    CHECK(!summary.converged);
    wm_series_close(s);
}

/*
 * 12 blocks of 100 samples, each wholly under (+50) or over (-50) the median; 1200 samples in all.
 *   + + - - + + - - ...  12 blocks: variance (12 x 2500) (12/11) / 1200^2 = 1/44; lag-1 (6 - 5) / 12 = 1/12, corrected
 *                        (1/12 + 1/12) / (1 - 4/12) = 1/4, times (1 + 1/4) / (1 - 1/4): 0.0379; t(11) = 2.2010: 0.4284
 *                        6 blocks of +-100: (6 x 10000) (6/5) / 1200^2 = 0.05; t(5) = 2.5706: 0.5748
 *   + + + - - - ...      12 blocks: lag-1 (8 - 3) / 12 = 5/12, corrected 3/4, 1/44 times 7; t(11): 0.8779
 *                        6 blocks + 0 - + 0 -: (4 x 10000) (6/5) / 1200^2 = 1/30: 0.4693
 *   13 x 0               as independent samples have it: 0.25 / 1300; 13 blocks t(12) = 2.1788: 0.0302
 *                        6 blocks t(5): 0.0356
 */
static void test_rank_spread(void)
{
    static const struct {
        const char *signs;
        double samples, want;
        unsigned merged;
    } cases[] = {
        { "++--++--++--", 1200, 0.5748, 6 },
        { "+++---+++---", 1200, 0.8779, 12 },
        { "0000000000000", 1300, 0.03565, 6 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double excess[16];
        unsigned merged = 0;
        size_t n = strlen(cases[i].signs);
        for (size_t k = 0; k < n; k++)
            excess[k] = cases[i].signs[k] == '+' ? 50 : cases[i].signs[k] == '-' ? -50 : 0;
        CHECK_NEAR(wm_rank_spread(excess, n, cases[i].samples, &merged), cases[i].want, 1e-4);
        CHECK_INT(merged, cases[i].merged);
    }
}

/* The first of those signs, as times: over half of the ranks to each side is no interval. */
static void test_no_interval_from_blocks_that_disagree(void)
{
    struct wm_series *s = open_series(0.02, 200, 1);
    for (int i = 0; i < 12; i++)
        add_run(s, 100, i / 2 % 2 == 0 ? 10 : 20, 0);
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, 15, 0);
    CHECK_NEAR(summary.ci95_low_ns, NAN, 0);
    CHECK_NEAR(summary.ci95_high_ns, NAN, 0);
    CHECK_INT(summary.blocks, 0);
    CHECK(!wm_series_enough(s));
    wm_series_close(s);
}

/* A drift through the whole cell leaves nothing independent. */
static void test_no_interval_from_drift(void)
{
    struct wm_series *s = open_series(1, 12, 1);
    for (int i = 0; i < 100; i++)
        add_one(s, 1000 + i);
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, 1049.5, 0);
    CHECK_NEAR(summary.ci95_low_ns, NAN, 0);
    CHECK(!wm_series_enough(s));
    wm_series_close(s);
}

static void test_no_interval_under_12_blocks(void)
{
    struct wm_series *s = open_series(0.02, 11, 1);
    for (int i = 0; i < 11; i++)
        add_run(s, 100, 10, 0);
    CHECK_NEAR(summary_of(s).ci95_low_ns, NAN, 0);
    CHECK(!wm_series_enough(s));
    add_run(s, 100, 10, 0);
    CHECK_NEAR(summary_of(s).ci95_low_ns, 10, 0);
    CHECK(wm_series_enough(s));
    CHECK(summary_of(s).converged);
    wm_series_close(s);
}

/* Nothing measured: everything is absent, nothing is 0. */
static void test_empty(void)
{
    struct wm_series *s = open_series(0.02, 200, 1);
    const double *blocks;
    const float *raw;
    wm_series_add(s, NULL, 0);
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, NAN, 0);
    CHECK_NEAR(summary.min_ns, NAN, 0);
    CHECK_NEAR(summary.max_ns, NAN, 0);
    CHECK_NEAR(summary.mean_ns, NAN, 0);
    CHECK_NEAR(summary.mad_ns, NAN, 0);
    CHECK_INT(summary.samples, 0);
    CHECK_INT(wm_series_blocks(s, &blocks), 0);
    CHECK_INT(wm_series_raw(s, &raw), 0);
    wm_series_close(s);
}

/* 1 1 2 2 4 6 9: median 2, deviations 1 1 0 0 2 4 7 with median 1, mean 25 / 7. */
static void test_plain_figures(void)
{
    double ns[] = { 9, 1, 2, 6, 1, 4, 2 };
    struct wm_series *s = open_series(0.02, 200, 1);
    wm_series_add(s, ns, COUNT(ns));
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, 2, 0);
    CHECK_NEAR(summary.mad_ns, 1, 0);
    CHECK_NEAR(summary.mean_ns, 25.0 / 7, 1e-12);
    CHECK_NEAR(summary.min_ns, 1, 0);
    CHECK_NEAR(summary.max_ns, 9, 0);
    wm_series_close(s);
}

/* 2^53 + 1 + 1 + ...: a plain sum never leaves 2^53. */
static void test_mean_is_compensated(void)
{
    struct wm_series *s = open_series(0.02, 200, 1);
    add_one(s, 0x1p53);
    for (int i = 0; i < 1023; i++)
        add_one(s, 1);
    CHECK_NEAR(summary_of(s).mean_ns, 0x1p43 + 1023.0 / 1024, 1e-3);
    wm_series_close(s);
}

/* 2^24 + 1 is no float: the reservoir rounds it, the summary must stay between the exact extremes. */
static void test_rounding_stays_within_extremes(void)
{
    struct wm_series *s = open_series(0.02, 12, 1);
    for (int i = 0; i < 12; i++)
        add_run(s, 10, 16777217, 0);
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, 16777217, 0);
    CHECK_NEAR(summary.ci95_low_ns, 16777217, 0);
    CHECK_NEAR(summary.ci95_high_ns, 16777217, 0);
    CHECK_NEAR(summary.p90_ns, 16777217, 0);
    wm_series_close(s);
}

/* Of 1000, 2000 ... n x 1000 ns: p is n x p thousand, within a bin of 1 %; absent where fewer than 10 lie beyond. */
static void test_percentiles(void)
{
    static const struct {
        size_t n;
        bool p90, p99, p999;
    } cases[] = {
        { 99, false, false, false },  { 100, true, false, false }, { 999, true, false, false },
        { 1000, true, true, false },  { 9999, true, true, false }, { 10000, true, true, true },
        { 100000, true, true, true },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wm_series *s = open_series(0.02, 200, 1);
        double unit = 1000 * (double)cases[i].n;
        add_run(s, cases[i].n, 1000, 1000);
        struct wm_summary summary = summary_of(s);
        CHECK_NEAR(summary.p90_ns, cases[i].p90 ? 0.9 * unit : NAN, 0.01 * unit);
        CHECK_NEAR(summary.p99_ns, cases[i].p99 ? 0.99 * unit : NAN, 0.01 * unit);
        CHECK_NEAR(summary.p999_ns, cases[i].p999 ? 0.999 * unit : NAN, 0.01 * unit);
        CHECK(!(summary.p99_ns < summary.p90_ns) && !(summary.p999_ns > summary.max_ns));
        wm_series_close(s);
    }
}

/* The bin of a value by its leading bits is that of its edges, at each edge and just under it. */
static void test_histogram_edges(void)
{
    struct wm_histogram *h = malloc(sizeof(*h));
    int wrong = 0;
    wm_histogram_init(h);
    for (int k = 0; k < WM_BINS; k++) {
        wm_histogram_add(h, h->edge[k]);
        wm_histogram_add(h, nextafter(h->edge[k + 1], 0));
    }
    for (int k = 0; k < WM_BINS; k++) {
        wrong += h->count[k] != 2;
        wrong += fabs(h->edge[k] / pow(1.01, k) - 1) > 1e-12;
    }
    CHECK_INT(wrong, 0);
    CHECK(h->edge[WM_BINS] > 1e13);
    wm_histogram_add(h, 0);
    wm_histogram_add(h, 0.99);
    wm_histogram_add(h, 1e14);
    CHECK_INT(h->count[0], 4);
    CHECK_INT(h->count[WM_BINS - 1], 3);
    CHECK_INT(h->total, 2 * WM_BINS + 3);
    free(h);
}

struct bins {
    int n;
    double low_ns[4];
    uint64_t count[4];
};

static void keep_bin(void *arg, double low_ns, uint64_t count)
{
    struct bins *bins = arg;
    if (bins->n < 4) {
        bins->low_ns[bins->n] = low_ns;
        bins->count[bins->n] = count;
    }
    bins->n++;
}

/* 1.01^2 = 1.0201 <= 1.025 < 1.01^3 = 1.0303; 1.01^231 = 9.96 <= 10 < 1.01^232 = 10.06. */
static void test_histogram_of_series(void)
{
    double ns[] = { 10, 1.025, 0.3, 10, 10 };
    struct bins bins = { 0 };
    struct wm_series *s = open_series(0.02, 200, 1);
    wm_series_add(s, ns, COUNT(ns));
    wm_series_histogram(s, keep_bin, &bins);
    CHECK_INT(bins.n, 3);
    CHECK_NEAR(bins.low_ns[0], 1, 0);
    CHECK_NEAR(bins.low_ns[1], 1.0201, 1e-9);
    CHECK_NEAR(bins.low_ns[2], pow(1.01, 231), 1e-9);
    CHECK_INT(bins.count[0], 1);
    CHECK_INT(bins.count[1], 1);
    CHECK_INT(bins.count[2], 3);
    wm_series_close(s);
}

/* Over 10 medians and over the median + 100 us, whichever is later. */
static void test_stalls(void)
{
    static const struct {
        double usual_ns, other_ns;
        int want;
    } cases[] = {
        { 1000, 50e3, 0 },   /* 50 medians, but short */
        { 1000, 105e3, 1 },  /* over 101 us */
        { 100e3, 900e3, 0 }, /* long, but 9 medians */
        { 100e3, 1.1e6, 1 }, /* over 1 ms */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wm_series *s = open_series(0.02, 200, 1);
        add_run(s, 100, cases[i].usual_ns, 0);
        add_one(s, cases[i].other_ns);
        struct wm_summary summary = summary_of(s);
        CHECK_INT(summary.stalls, cases[i].want);
        CHECK_INT(summary.samples, 101);
        CHECK_NEAR(summary.max_ns, cases[i].other_ns, 0);
        wm_series_close(s);
    }
}

/* All are kept up to 65536; of 16 times as many, each 64th of the stream keeps 1024, standard deviation 31. */
static void test_reservoir_is_uniform(void)
{
    enum { PARTS = 64, PART = 16 * WM_RAW_SAMPLES / PARTS };
    struct wm_series *s = open_series(0.02, 200, 7);
    const float *raw;
    int in_part[PARTS] = { 0 };
    double chi2 = 0;
    add_run(s, WM_RAW_SAMPLES, 0, 1);
    CHECK_INT(wm_series_raw(s, &raw), WM_RAW_SAMPLES);
    CHECK(raw[0] == 0 && raw[WM_RAW_SAMPLES - 1] == WM_RAW_SAMPLES - 1);
    for (int i = 1; i < 16; i++)
        add_run(s, WM_RAW_SAMPLES, (double)i * WM_RAW_SAMPLES, 1);
    CHECK_INT(wm_series_raw(s, &raw), WM_RAW_SAMPLES);
    for (int i = 0; i < WM_RAW_SAMPLES; i++)
        in_part[(int)raw[i] / PART]++;
    for (int i = 0; i < PARTS; i++)
        chi2 += (in_part[i] - 1024) * (in_part[i] - 1024) / 1024.0;
    CHECK(chi2 < 120 && chi2 > 25); /* 63 degrees of freedom: mean 63, standard deviation 11 */
    wm_series_close(s);
}

/* The order of blocks matters to nobody but the reservoir: the same seed keeps the same samples. */
static void test_reservoir_is_seeded(void)
{
    struct wm_series *s[3] = { open_series(0.02, 200, 7), open_series(0.02, 200, 7), open_series(0.02, 200, 8) };
    const float *raw[3];
    for (int i = 0; i < 3; i++) {
        add_run(s[i], 3 * WM_RAW_SAMPLES, 0, 1);
        wm_series_raw(s[i], &raw[i]);
    }
    CHECK(memcmp(raw[0], raw[1], WM_RAW_SAMPLES * sizeof(float)) == 0);
    CHECK(memcmp(raw[0], raw[2], WM_RAW_SAMPLES * sizeof(float)) != 0);
    for (int i = 0; i < 3; i++)
        wm_series_close(s[i]);
}

/* At 4096 blocks neighbours become one, the mean of their medians; later blocks are then two each. */
static void test_blocks_are_merged_for_good(void)
{
    struct wm_series *s = open_series(0.02, 1u << 30, 1);
    const double *blocks;
    for (int i = 0; i < WM_MAX_BLOCKS - 1; i++)
        add_one(s, 1 + i);
    CHECK_INT(wm_series_blocks(s, &blocks), WM_MAX_BLOCKS - 1);
    CHECK_NEAR(blocks[0], 1, 0);
    add_one(s, WM_MAX_BLOCKS);
    CHECK_INT(wm_series_blocks(s, &blocks), WM_MAX_BLOCKS / 2);
    CHECK_NEAR(blocks[0], 1.5, 0);
    CHECK_NEAR(blocks[2047], 4095.5, 0);
    add_one(s, 10);
    CHECK_INT(wm_series_blocks(s, &blocks), 2048);
    add_one(s, 20);
    CHECK_INT(wm_series_blocks(s, &blocks), 2049);
    CHECK_NEAR(blocks[2048], 15, 0);
    for (int i = 0; i < 100000; i++)
        add_one(s, 2000);
    CHECK(wm_series_blocks(s, &blocks) < WM_MAX_BLOCKS);
    CHECK_INT(summary_of(s).samples, 104098);
    CHECK(!isnan(summary_of(s).ci95_low_ns));
    wm_series_close(s);
}

/* The first yes among the calls after each block. */
static int first_yes(struct wm_series *s, size_t block_samples, int from, int to)
{
    for (int blocks = 1; blocks <= to; blocks++) {
        add_run(s, block_samples, 1000, 0);
        if (blocks >= from && wm_series_enough(s))
            return blocks;
    }
    return 0;
}

/* Single operations 1 2 3 ... ns, eight under and eight over the median in turn. After 4096 of them the blocks under
 * the interval are pairs: each adds 1 or -1. */
static void test_interval_after_merging(void)
{
    struct wm_series *s = open_series(0.02, 200, 1);
    double excess[WM_MAX_BLOCKS / 2];
    unsigned merged = 0;
    for (int i = 0; i < WM_MAX_BLOCKS; i++)
        add_one(s, i / 16 * 8 + i % 8 + 1 + (i / 8 % 2 == 0 ? 0 : WM_MAX_BLOCKS / 2));
    for (int i = 0; i < WM_MAX_BLOCKS / 2; i++)
        excess[i] = i / 4 % 2 == 0 ? 1 : -1;
    double spread = wm_rank_spread(excess, WM_MAX_BLOCKS / 2, WM_MAX_BLOCKS, &merged);
    struct wm_summary summary = summary_of(s);
    CHECK_NEAR(summary.median_ns, WM_MAX_BLOCKS / 2 + 0.5, 0);
    CHECK_NEAR(summary.ci95_low_ns, floor(WM_MAX_BLOCKS * (0.5 - spread)), 0);
    CHECK_NEAR(summary.ci95_high_ns, ceil(WM_MAX_BLOCKS * (0.5 + spread)) + 1, 0);
    CHECK_INT(summary.blocks, merged);
    CHECK_INT(merged, 512); /* runs of eight operations are then blocks of their own */
    wm_series_close(s);
}

static void test_looks(void)
{
    static const struct {
        uint64_t min_samples;
        size_t block_samples;
        int from, to, want;
    } cases[] = {
        { 200, 200, 1, 100, 12 },  { 200, 1, 1, 300, 272 }, /* 12 17 24 34 48 68 96 136 192 272 */
        { 2500, 200, 1, 100, 17 }, { 3401, 200, 1, 100, 24 }, { 5000, 200, 1, 100, 34 },
        { 5000, 200, 1, 33, 0 },   { 200, 200, 14, 100, 14 }, /* a look that was not asked for is made up */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wm_series *s = open_series(0.02, cases[i].min_samples, 1);
        CHECK_INT(first_yes(s, cases[i].block_samples, cases[i].from, cases[i].to), cases[i].want);
        CHECK_INT(summary_of(s).converged, cases[i].want != 0);
        wm_series_close(s);
    }
}

/* 900 to 1100 ns evenly, 1212 samples as good as independent: t(5) x 0.5 / sqrt(1212) = 0.0369 of the ranks to each
 * side, of 200 ns: 7.4 ns, 0.74 % of the median. */
static void test_precision_decides(void)
{
    static const struct {
        double precision;
        bool want;
    } cases[] = { { 0.007, false }, { 0.0085, true } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wm_series *s = open_series(cases[i].precision, 200, 1);
        for (int k = 0; k < 12; k++)
            add_run(s, 101, 900 + k % 2, 2);
        CHECK_INT(wm_series_enough(s), cases[i].want);
        wm_series_close(s);
    }
}

/*
 * Base 1, other 1 1 1 3 3 3: a resample's median is 1, 2 or 3 by how many 3s it drew; P(fewer than three) = 22/64, so
 * that both 2.5 % tails lie at 1 and 3.
 */
static void test_ratio_by_hand(void)
{
    static const double one[] = { 1, 1, 1, 1, 1, 1 }, split[] = { 1, 3, 1, 3, 1, 3 };
    static const double base[] = { 1, 2, 3, 4, 5, 6 }, twice[] = { 2, 4, 6, 8, 10, 12, 1000 };
    double ratio, low, high;
    CHECK_INT(wm_ratio_interval(split, 6, one, 6, 1, &ratio, &low, &high), WM_OK);
    CHECK_NEAR(ratio, 2, 0);
    CHECK_NEAR(low, 1, 0);
    CHECK_NEAR(high, 3, 0);
    CHECK_INT(wm_ratio_interval(twice, 7, base, 6, 1, &ratio, &low, &high), WM_OK);
    CHECK_NEAR(ratio, 2, 0);
    CHECK_NEAR(low, 2, 0);
    CHECK_NEAR(high, 2, 0);
}

static void test_ratio_needs_pairs(void)
{
    static const double base[] = { 1, 2, 3, 4, 5 }, thrice[] = { 3, 6, 9, 12, 15, 18 };
    double ratio, low = 0, high = 0;
    CHECK_INT(wm_ratio_interval(thrice, 6, base, 5, 1, &ratio, &low, &high), WM_EUSAGE);
    CHECK_NEAR(ratio, 3, 0);
    CHECK_NEAR(low, NAN, 0);
    CHECK_NEAR(high, NAN, 0);
    CHECK_INT(wm_ratio_interval(thrice, 0, base, 5, 1, &ratio, &low, &high), WM_EUSAGE);
    CHECK_NEAR(ratio, NAN, 0);
}

static double normal(struct wm_random *r)
{
    double radius = sqrt(-2 * log(1 - wm_random_unit(r)));
    return radius * cos(6.283185307179586 * wm_random_unit(r));
}

enum { PAIRS = 17 };

/* Blocks of two arms that alternate: a drift of 20 % that both share, 2 % of their own, a true ratio of 1.1. */
static void draw_arms(struct wm_random *r, double other[PAIRS], double base[PAIRS])
{
    double drift = normal(r);
    for (int i = 0; i < PAIRS; i++) {
        drift = 0.9 * drift + sqrt(1 - 0.81) * normal(r);
        base[i] = 1000 * exp(0.2 * drift + 0.02 * normal(r));
        other[i] = 1100 * exp(0.2 * drift + 0.02 * normal(r));
    }
}

/* The interval holds the ratio, and is short because of the pairs: with one arm turned round it is many times wider. */
static void test_ratio_of_drifting_pairs(void)
{
    enum { RUNS = 1000 };
    struct wm_random random = { .state = 5 };
    int held = 0;
    double width = 0, unpaired_width = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        double other[PAIRS], base[PAIRS], turned[PAIRS], ratio, low, high;
        draw_arms(&random, other, base);
        wm_ratio_interval(other, PAIRS, base, PAIRS, run, &ratio, &low, &high);
        held += low <= 1.1 && 1.1 <= high;
        width += (high - low) / RUNS;
        if (run % 10 != 0)
            continue;
        for (int i = 0; i < PAIRS; i++)
            turned[i] = base[PAIRS - 1 - i];
        wm_ratio_interval(other, PAIRS, turned, PAIRS, run, &ratio, &low, &high);
        unpaired_width += 10 * (high - low) / RUNS;
    }
    printf("ratio of %d drifting pairs: covered %.3f, width %.3f, unpaired %.3f\n", PAIRS, (double)held / RUNS, width,
           unpaired_width);
    CHECK((double)held / RUNS >= 0.93);
    CHECK(unpaired_width > 3 * width);
}

int main(void)
{
    test_median();
    test_median_of_many();
    test_median_interval();
    test_lag1();
    test_interval_of_alternating();
    test_rank_spread();
    test_no_interval_from_blocks_that_disagree();
    test_no_interval_from_drift();
    test_no_interval_under_12_blocks();
    test_empty();
    test_plain_figures();
    test_mean_is_compensated();
    test_rounding_stays_within_extremes();
    test_percentiles();
    test_histogram_edges();
    test_histogram_of_series();
    test_stalls();
    test_reservoir_is_uniform();
    test_reservoir_is_seeded();
    test_blocks_are_merged_for_good();
    test_interval_after_merging();
    test_looks();
    test_precision_decides();
    test_ratio_by_hand();
    test_ratio_needs_pairs();
    test_ratio_of_drifting_pairs();
    return wm_tests_end();
}
