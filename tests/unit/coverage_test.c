/**
 * How often does the interval hold the true median? Simulated with the stopping rule, which looks often and stops when
 * the interval is short, and so prefers intervals that are short by chance. Prints the table of docs/method.md.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "src/core/random.h"
#include "src/stats/series.h"
#include "tests/unit/check.h"

#ifdef WM_SANITIZED
enum { RUNS = 200 }; /* too few to tell 0.93 from 0.95: here for the sanitizers */
static const double allowance = 0.06;
#else
enum { RUNS = 2000 };
static const double allowance = 0;
#endif

static const double precision = 0.02, two_pi = 6.283185307179586, second_mode = 1.5, second_share = 0.3;
enum { MIN_SAMPLES = 200, MOST_BLOCK_SAMPLES = 200 };

enum kind { INDEPENDENT, AUTOREGRESSIVE, MIXED, SWITCHING };

/* A stationary source of times. Log-normal of median 1000 ns: e^(sigma x) with x normal, independent or AR(1) with
 * `rho`. MIXED: 30 % of the samples are 1.5 times as long. SWITCHING: the same in periods, `cycle` samples from one
 * to the next of the same mode, lengths geometric. */
struct source {
    enum kind kind;
    double sigma, rho, cycle;
    struct wm_random random;
    double x;
    bool second;
};

static double normal(struct wm_random *r)
{
    double radius = sqrt(-2 * log(1 - wm_random_unit(r)));
    return radius * cos(two_pi * wm_random_unit(r));
}

static struct source source_open(const struct source *like, uint64_t seed)
{
    struct wm_random scrambled = { .state = seed }; /* neighbouring seeds would give overlapping sequences */
    struct source s = *like;
    s.random.state = wm_random_next(&scrambled);
    s.x = normal(&s.random);
    s.second = wm_random_unit(&s.random) < second_share;
    return s;
}

static double source_next(struct source *s)
{
    double share = s->second ? second_share : 1 - second_share;
    s->x = s->rho * s->x + sqrt(1 - s->rho * s->rho) * normal(&s->random);
    if (s->kind == MIXED)
        s->second = wm_random_unit(&s->random) < second_share;
    else if (s->kind == SWITCHING && wm_random_unit(&s->random) < 1 / (share * s->cycle))
        s->second = !s->second;
    return 1000 * exp(s->sigma * s->x) * (s->second && s->kind >= MIXED ? second_mode : 1);
}

/* Share of the samples under m x 1000 ns. */
static double distribution(const struct source *s, double m)
{
    double first = erfc(-log(m) / s->sigma / sqrt(2)) / 2;
    double second = erfc(-log(m / second_mode) / s->sigma / sqrt(2)) / 2;
    return s->kind < MIXED ? first : (1 - second_share) * first + second_share * second;
}

static double true_median(const struct source *s)
{
    double low = 0.1, high = 10;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (distribution(s, middle) < 0.5)
            low = middle;
        else
            high = middle;
    }
    return 1000 * low;
}

struct counts {
    int intervals, held, converged;
    double blocks;
};

static void run_series(const struct source *like, size_t block_samples, unsigned most_blocks, uint64_t seed,
                       double truth, struct counts *counts)
{
    struct wm_series_conf conf = { .precision = precision, .min_samples = MIN_SAMPLES, .seed = seed };
    struct source source = source_open(like, seed);
    struct wm_series *series;
    struct wm_summary summary;
    struct wm_err err = { .rank = -1 };
    double ns[MOST_BLOCK_SAMPLES];
    unsigned blocks = 0;
    if (wm_series_open(&conf, &series, &err) != WM_OK)
        return;
    do {
        for (size_t i = 0; i < block_samples; i++)
            ns[i] = source_next(&source);
        wm_series_add(series, ns, block_samples);
    } while (++blocks < most_blocks && !wm_series_enough(series));
    wm_series_summary(series, &summary);
    wm_series_close(series);
    counts->intervals += !isnan(summary.ci95_low_ns);
    counts->held += summary.ci95_low_ns <= truth && truth <= summary.ci95_high_ns;
    counts->converged += summary.converged;
    counts->blocks += blocks;
}

enum claim { CLAIMED, BEYOND }; /* BEYOND: too short for its correlation; printed, and said in docs/method.md */

struct row {
    const char *name;
    struct source source;
    size_t block_samples;
    unsigned most_blocks; /* 17: a cell of 0.2 s with blocks of 10 ms */
    enum claim claim;
};

#define LOGNORMAL(s)                                                                                                   \
    {                                                                                                                  \
        .kind = INDEPENDENT, .sigma = (s)                                                                              \
    }
#define AR(r, s)                                                                                                       \
    {                                                                                                                  \
        .kind = AUTOREGRESSIVE, .rho = (r), .sigma = (s)                                                               \
    }
#define MODES(s)                                                                                                       \
    {                                                                                                                  \
        .kind = MIXED, .sigma = (s)                                                                                    \
    }
#define PERIODS(samples, s)                                                                                            \
    {                                                                                                                  \
        .kind = SWITCHING, .cycle = (samples), .sigma = (s)                                                            \
    }

static const struct row rows[] = {
    { "independent", LOGNORMAL(0.05), 1, 17, CLAIMED },
    { "independent", LOGNORMAL(0.05), 1, 400, CLAIMED },
    { "independent", LOGNORMAL(0.05), 5, 17, CLAIMED },
    { "independent", LOGNORMAL(0.2), 5, 400, CLAIMED },
    { "independent", LOGNORMAL(0.05), 20, 17, CLAIMED },
    { "independent", LOGNORMAL(0.2), 20, 400, CLAIMED },
    { "independent", LOGNORMAL(0.2), 200, 17, CLAIMED },
    { "independent", LOGNORMAL(0.2), 200, 400, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.05), 1, 17, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.05), 1, 400, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.05), 5, 17, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.05), 5, 400, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.05), 20, 17, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.2), 20, 400, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.2), 200, 17, CLAIMED },
    { "AR(1) 0.5", AR(0.5, 0.2), 200, 400, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.05), 1, 17, BEYOND },
    { "AR(1) 0.9", AR(0.9, 0.02), 1, 400, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.05), 5, 17, BEYOND },
    { "AR(1) 0.9", AR(0.9, 0.05), 5, 400, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.02), 20, 17, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.05), 20, 400, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.05), 200, 17, CLAIMED },
    { "AR(1) 0.9", AR(0.9, 0.1), 200, 400, CLAIMED },
    { "two modes, independent", MODES(0.05), 1, 17, CLAIMED },
    { "two modes, independent", MODES(0.05), 1, 400, CLAIMED },
    { "two modes, independent", MODES(0.05), 5, 17, CLAIMED },
    { "two modes, independent", MODES(0.05), 5, 400, CLAIMED },
    { "two modes, independent", MODES(0.05), 20, 17, CLAIMED },
    { "two modes, independent", MODES(0.05), 20, 400, CLAIMED },
    { "two modes, independent", MODES(0.2), 200, 17, CLAIMED },
    { "two modes, independent", MODES(0.2), 200, 400, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 1, 400, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 5, 17, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 5, 400, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 20, 17, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 20, 400, CLAIMED },
    { "two modes, cycle 10", PERIODS(10, 0.05), 200, 17, CLAIMED },
    { "two modes, cycle 20", PERIODS(20, 0.05), 20, 400, CLAIMED },
    { "two modes, cycle 50", PERIODS(50, 0.05), 20, 400, BEYOND },
    { "two modes, cycle 50", PERIODS(50, 0.05), 200, 17, CLAIMED },
    { "two modes, cycle 100", PERIODS(100, 0.05), 20, 400, BEYOND },
    { "two modes, cycle 100", PERIODS(100, 0.05), 200, 17, CLAIMED },
    { "two modes, cycle 100", PERIODS(100, 0.05), 200, 400, CLAIMED },
};

static void test_coverage(void)
{
    printf("samples                 block  blocks at most  covered  wrong  with interval  converged  blocks\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct counts n = { 0 };
        double truth = true_median(&row->source);
        for (uint64_t run = 0; run < RUNS; run++)
            run_series(&row->source, row->block_samples, row->most_blocks, i << 32 | run, truth, &n);
        double covered = (double)n.held / n.intervals;
        printf("%-24s %4zu  %14u  %7.3f  %5.3f  %13.2f  %9.2f  %6.0f%s\n", row->name, row->block_samples,
               row->most_blocks, covered, (double)(n.intervals - n.held) / RUNS, (double)n.intervals / RUNS,
               (double)n.converged / RUNS, n.blocks / RUNS, row->claim == BEYOND ? "  (beyond)" : "");
        fflush(stdout);
        if (row->claim == CLAIMED)
            CHECK(covered >= 0.93 - allowance);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The interval that takes iterations for independent: the median's order statistics over all of them. */
static bool naive_run(const struct source *like, uint64_t seed, double truth)
{
    enum { BLOCK = 20, MOST = 400 * BLOCK };
    static double ns[MOST], sorted[MOST];
    struct source source = source_open(like, seed);
    double low = 0, high = 0, look = WM_MIN_BLOCKS;
    for (size_t n = 0; n < MOST;) {
        for (size_t i = 0; i < BLOCK; i++)
            ns[n++] = source_next(&source);
        if (n < BLOCK * (size_t)lround(look))
            continue;
        look *= sqrt(2);
        memcpy(sorted, ns, n * sizeof(*ns));
        qsort(sorted, n, sizeof(*sorted), ascending);
        wm_median_interval(sorted, n, 0.95, &low, &high);
        if (high - low <= 2 * precision * sorted[n / 2])
            break;
    }
    return low <= truth && truth <= high;
}

/* The simulation can fail: it finds the naive interval out. */
static void test_naive_interval_fails(void)
{
    const struct source source = AR(0.9, 0.05);
    int held = 0;
    for (uint64_t run = 0; run < RUNS; run++)
        held += naive_run(&source, run, true_median(&source));
    printf("naive interval over iterations, AR(1) 0.9: covered %.3f\n", (double)held / RUNS);
    CHECK((double)held / RUNS < 0.7);
}

int main(void)
{
    test_coverage();
    test_naive_interval_fails();
    return wm_tests_end();
}
