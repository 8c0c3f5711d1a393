#include "src/stats/series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "src/stats/histogram.h"
#include "src/stats/order.h"
#include "src/stats/reservoir.h"
#include "src/stats/spread.h"

enum { STALL_MEDIANS = 10, STALL_NS = 100000 };

struct wm_series {
    struct wm_series_conf conf;
    double min_ns, max_ns, sum_ns, sum_lost_ns; /* sum_lost: what rounding took from sum (Kahan 1965) */
    uint64_t added;                             /* blocks, as the caller gave them */
    uint64_t look;                              /* from which count of them wm_series_enough looks again */
    unsigned per_block;                         /* added blocks to one kept block: 1, 2, 4 ... */
    size_t blocks;                              /* kept and full */
    double pending_ns;                          /* sum of the medians in the block that is not full yet */
    bool converged;
    double median_ns[WM_MAX_BLOCKS];
    struct wm_histogram histogram;
    struct wm_reservoir reservoir;
    double *work, *excess; /* scratch: WM_RAW_SAMPLES, WM_MAX_BLOCKS */
    double own_scratch[];
};

int wm_series_open(const struct wm_series_conf *conf, struct wm_series **out, struct wm_err *err)
{
    size_t bytes = sizeof(struct wm_series) + (conf->scratch == NULL ? WM_SERIES_SCRATCH * sizeof(double) : 0);
    struct wm_series *s = malloc(bytes);
    if (s == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", errno, "%zu bytes for the samples of one cell", bytes);
    s->conf = *conf;
    s->work = conf->scratch == NULL ? s->own_scratch : conf->scratch;
    s->excess = s->work + WM_RAW_SAMPLES;
    s->min_ns = INFINITY;
    s->max_ns = -INFINITY;
    s->sum_ns = s->sum_lost_ns = 0;
    s->added = 0;
    s->look = WM_MIN_BLOCKS;
    s->per_block = 1;
    s->blocks = 0;
    s->pending_ns = 0;
    s->converged = false;
    wm_histogram_init(&s->histogram);
    wm_reservoir_init(&s->reservoir, conf->seed);
    *out = s;
    return WM_OK;
}

void wm_series_close(struct wm_series *s)
{
    free(s);
}

static void count_sample(struct wm_series *s, double ns)
{
    double summand = ns - s->sum_lost_ns, sum = s->sum_ns + summand;
    s->sum_lost_ns = (sum - s->sum_ns) - summand;
    s->sum_ns = sum;
    if (ns < s->min_ns)
        s->min_ns = ns;
    if (ns > s->max_ns)
        s->max_ns = ns;
    wm_histogram_add(&s->histogram, ns);
}

static void merge_neighbours(struct wm_series *s)
{
    s->blocks /= 2;
    for (size_t i = 0; i < s->blocks; i++)
        s->median_ns[i] = (s->median_ns[2 * i] + s->median_ns[2 * i + 1]) / 2;
    wm_reservoir_merge_blocks(&s->reservoir);
    s->per_block *= 2;
}

static void count_block(struct wm_series *s, double median_ns)
{
    s->added++;
    s->pending_ns += median_ns;
    if (s->added % s->per_block != 0)
        return;
    s->median_ns[s->blocks++] = s->pending_ns / s->per_block;
    s->pending_ns = 0;
    if (s->blocks == WM_MAX_BLOCKS)
        merge_neighbours(s);
}

void wm_series_add(struct wm_series *s, double *ns, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        count_sample(s, ns[i]);
    wm_reservoir_add(&s->reservoir, ns, n, (unsigned)s->blocks);
    count_block(s, wm_median(ns, n));
}

/* Copies the reservoir to `work`, which selection reorders. */
static double *sample(struct wm_series *s)
{
    for (size_t i = 0; i < s->reservoir.kept; i++)
        s->work[i] = (double)s->reservoir.ns[i];
    return s->work;
}

/* By block: samples under the median less half of the block's. Those equal to it count as under it in the share that
 * makes the whole come out at half: a clock of whole nanoseconds gives many of them. Returns the number of blocks. */
static size_t find_excess(struct wm_series *s, double median_ns)
{
    const struct wm_reservoir *r = &s->reservoir;
    size_t blocks = s->blocks + (s->added % s->per_block != 0);
    double under = 0, equal = 0;
    for (size_t i = 0; i < r->kept; i++) {
        under += (double)r->ns[i] < median_ns;
        equal += (double)r->ns[i] == median_ns;
    }
    double share = equal > 0 ? ((double)r->kept / 2 - under) / equal : 0;
    for (size_t i = 0; i < blocks; i++)
        s->excess[i] = 0;
    for (size_t i = 0; i < r->kept; i++) {
        double ns = (double)r->ns[i];
        s->excess[r->block[i]] += (ns < median_ns ? 1 : ns == median_ns ? share : 0) - 0.5;
    }
    return blocks;
}

/* False, and nothing written, where the samples carry no interval. `work` holds the sample, parted by
 * wm_median(). */
static bool find_interval(struct wm_series *s, double median_ns, double *low_ns, double *high_ns, unsigned *merged)
{
    size_t blocks = find_excess(s, median_ns);
    if (blocks < WM_MIN_BLOCKS)
        return false;
    double n = (double)s->reservoir.kept;
    unsigned level = 0;
    double spread = wm_rank_spread(s->excess, blocks, n, &level);
    double below = floor(n * (0.5 - spread)), above = ceil(n * (0.5 + spread));
    if (below < 1 || above > n - 1)
        return false;
    size_t half = s->reservoir.kept / 2; /* the median parted the smaller ones from the others */
    *low_ns = wm_select(s->work, half, (size_t)below - 1);
    *high_ns = wm_select(s->work + half, s->reservoir.kept - half, (size_t)above - half);
    *merged = level;
    return true;
}

/* The first count after this one at which to look: 12, 17, 24, 34 ... */
static uint64_t look_after(uint64_t count)
{
    double look = WM_MIN_BLOCKS;
    while ((uint64_t)llround(look) <= count)
        look *= sqrt(2);
    return (uint64_t)llround(look);
}

bool wm_series_enough(struct wm_series *s)
{
    if (s->added < s->look)
        return false;
    s->look = look_after(s->added);
    if (s->reservoir.seen < s->conf.min_samples)
        return false;
    double median_ns = wm_median(sample(s), s->reservoir.kept), low_ns, high_ns;
    unsigned merged;
    if (find_interval(s, median_ns, &low_ns, &high_ns, &merged))
        s->converged = s->converged || (high_ns - low_ns) / 2 <= s->conf.precision * median_ns;
    return s->converged;
}

/* NaN where fewer than 10 samples lie beyond it. Not under the median, which the histogram knows only to 1 %. */
static double percentile(const struct wm_series *s, double p, double median_ns)
{
    if ((double)s->histogram.total * (1 - p) < 10 - 1e-6)
        return NAN;
    return fmin(fmax(wm_histogram_quantile(&s->histogram, p), median_ns), s->max_ns);
}

static double deviation(struct wm_series *s, double median_ns)
{
    for (size_t i = 0; i < s->reservoir.kept; i++)
        s->work[i] = fabs(s->work[i] - median_ns);
    return wm_median(s->work, s->reservoir.kept);
}

/* A float of the reservoir may be rounded past the extremes, which are exact. */
static double within(const struct wm_series *s, double ns)
{
    return fmin(fmax(ns, s->min_ns), s->max_ns);
}

void wm_series_summary(struct wm_series *s, struct wm_summary *out)
{
    *out = (struct wm_summary){ NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, 0, 0, s->converged };
    out->samples = s->histogram.total;
    if (out->samples == 0)
        return;
    double median_ns = wm_median(sample(s), s->reservoir.kept);
    if (find_interval(s, median_ns, &out->ci95_low_ns, &out->ci95_high_ns, &out->blocks)) {
        out->ci95_low_ns = within(s, out->ci95_low_ns);
        out->ci95_high_ns = within(s, out->ci95_high_ns);
    }
    out->mad_ns = deviation(s, median_ns);
    out->median_ns = within(s, median_ns);
    out->min_ns = s->min_ns;
    out->max_ns = s->max_ns;
    out->mean_ns = within(s, s->sum_ns / (double)out->samples);
    out->p90_ns = percentile(s, 0.9, out->median_ns);
    out->p99_ns = percentile(s, 0.99, out->median_ns);
    out->p999_ns = percentile(s, 0.999, out->median_ns);
    out->stalls = wm_histogram_from(&s->histogram, fmax(STALL_MEDIANS * median_ns, median_ns + STALL_NS));
}

size_t wm_series_blocks(const struct wm_series *s, const double **median_ns)
{
    *median_ns = s->median_ns;
    return s->blocks;
}

size_t wm_series_raw(const struct wm_series *s, const float **ns)
{
    *ns = s->reservoir.ns;
    return s->reservoir.kept;
}

void wm_series_histogram(const struct wm_series *s, void (*each)(void *arg, double low_ns, uint64_t count), void *arg)
{
    for (unsigned bin = 0; bin < WM_BINS; bin++)
        if (s->histogram.count[bin] > 0)
            each(arg, s->histogram.edge[bin], s->histogram.count[bin]);
}
