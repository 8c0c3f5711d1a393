#include "bench/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double counted_bytes(const struct wm_arm *arm)
{
    const struct wm_benchmark *b = arm->spec->bench;
    struct wm_point at = { .ranks = arm->point.ranks, .window = arm->cell->window, .bytes = arm->cell->bytes };
    return b->counted_bytes != NULL ? b->counted_bytes(&at) : (double)arm->cell->bytes;
}

static void record_time(const struct wm_arm *arm, struct wm_result_cell *cell)
{
    struct wm_summary s;
    wm_series_summary(arm->series, &s);
    cell->time_ns.median = s.median_ns;
    cell->time_ns.ci95_low = s.ci95_low_ns;
    cell->time_ns.ci95_high = s.ci95_high_ns;
    cell->time_ns.min = s.min_ns;
    cell->time_ns.mean = s.mean_ns;
    cell->time_ns.mad = s.mad_ns;
    cell->time_ns.p90 = s.p90_ns;
    cell->time_ns.p99 = s.p99_ns;
    cell->time_ns.p999 = s.p999_ns;
    cell->time_ns.max = s.max_ns;
    cell->time_ns.samples = (int64_t)s.samples;
    cell->time_ns.batch = (int64_t)arm->batch;
    cell->time_ns.stalls = (int64_t)s.stalls;
    cell->time_ns.converged = s.converged && !arm->single; /* the time could not hold 12 blocks */
}

static void record_rates(const struct wm_arm *arm, const struct wm_plan *plan, struct wm_result_cell *cell)
{
    const struct wm_benchmark *b = arm->spec->bench;
    double median = cell->time_ns.median, pairs = arm->pairs > 0 ? arm->pairs : 1;
    if (!(median > 0))
        return;
    if (b->has_bandwidth && arm->cell->bytes > 0)
        cell->bandwidth.alg_bytes_per_s = counted_bytes(arm) * pairs / median * 1e9;
    if (b->has_bandwidth && b->bus_factor != NULL && arm->cell->bytes > 0 && plan->ranks > 1)
        cell->bandwidth.bus_bytes_per_s = cell->bandwidth.alg_bytes_per_s * b->bus_factor(plan->ranks);
    if (b->has_message_rate)
        cell->message_rate_per_s = pairs / median * 1e9;
}

static int record_pairs(const struct wm_arm *arm, const double *median_ns, struct wm_result_cell *cell,
                        struct wm_err *err)
{
    if (arm->pairs == 0)
        return WM_OK;
    cell->pairs = calloc((size_t)arm->pairs, sizeof(*cell->pairs));
    if (cell->pairs == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d pairs", arm->pairs);
    cell->n_pairs = arm->pairs;
    for (int i = 0; i < arm->pairs; i++) {
        double median = median_ns != NULL ? median_ns[i] : cell->time_ns.median;
        bool rate = arm->spec->bench->has_bandwidth && median > 0 && arm->cell->bytes > 0;
        cell->pairs[i] = (struct wm_pair_result){
            .from = arm->spec->round->pair[i].from,
            .to = arm->spec->round->pair[i].to,
            .median_ns = median,
            .bytes_per_s = rate ? counted_bytes(arm) / median * 1e9 : NAN,
        };
    }
    return WM_OK;
}

struct bins {
    struct wm_bin *bin;
    int n, cap;
};

static void count_bin(void *arg, double low_ns, uint64_t count)
{
    struct bins *b = arg;
    (void)low_ns;
    (void)count;
    b->cap++;
}

static void keep_bin(void *arg, double low_ns, uint64_t count)
{
    struct bins *b = arg;
    b->bin[b->n++] = (struct wm_bin){ low_ns, count };
}

static int record_histogram(const struct wm_arm *arm, struct wm_result_cell *cell, struct wm_err *err)
{
    struct bins bins = { 0 };
    wm_series_histogram(arm->series, count_bin, &bins);
    bins.bin = calloc((size_t)bins.cap + 1, sizeof(*bins.bin));
    if (bins.bin == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "histogram of %d bins", bins.cap);
    wm_series_histogram(arm->series, keep_bin, &bins);
    cell->histogram = bins.bin;
    cell->n_histogram = bins.n;
    return WM_OK;
}

static int record_raw(const struct wm_arm *arm, struct wm_result_cell *cell, struct wm_err *err)
{
    const float *raw;
    size_t n = wm_series_raw(arm->series, &raw);
    cell->raw_ns = malloc((n + 1) * sizeof(*raw));
    if (cell->raw_ns == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "%zu raw samples", n);
    memcpy(cell->raw_ns, raw, n * sizeof(*raw));
    cell->n_raw = n;
    return WM_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How far apart the ranks began; nothing where the clocks are not known better than that. */
static double skew(const struct wm_arm *arm, uint64_t uncertainty_ns)
{
    double sorted[WM_SKEWS];
    size_t n = arm->skews < WM_SKEWS ? arm->skews : WM_SKEWS;
    if (n == 0)
        return NAN;
    memcpy(sorted, arm->skew_ns, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_doubles);
    return sorted[n / 2] > (double)uncertainty_ns ? sorted[n / 2] : NAN;
}

static void record_noise(const struct wm_arm *arm, const struct wm_record_extra *extra, struct wm_result_cell *cell)
{
    cell->noise.foreign_cpu = arm->noise.foreign_cpu;
    cell->noise.steal = arm->noise.steal;
    cell->noise.involuntary_switches = arm->noise.involuntary_switches;
    cell->noise.oversubscribed = extra->oversubscribed;
}

static void record_evidence(const struct wm_evidence *evidence, struct wm_result_cell *cell)
{
    const struct wm_judgement *j = &evidence->judgement;
    snprintf(cell->evidence.verdict, sizeof(cell->evidence.verdict), "%s", wm_verdict_names[j->verdict]);
    snprintf(cell->evidence.reason, sizeof(cell->evidence.reason), "%s", j->reason);
    if (j->fabric != WM_FABRIC_UNKNOWN)
        snprintf(cell->evidence.fabric, sizeof(cell->evidence.fabric), "%s", wm_fabric_names[j->fabric]);
    cell->evidence.claims = json_incref(evidence->claims);
    cell->evidence.counters = json_incref(evidence->counters);
}

static void record_heard(const struct wm_heard *heard, struct wm_result_cell *cell)
{
    snprintf(cell->evidence.algorithm, sizeof(cell->evidence.algorithm), "%s", heard->algorithm);
    snprintf(cell->evidence.protocol, sizeof(cell->evidence.protocol), "%s", heard->protocol);
    if (heard->channels > 0)
        cell->evidence.channels = heard->channels;
}

/* What the counters say carried the bytes, else what the transport is by its own making. */
static void record_way(const struct wm_arm *arm, const struct wm_evidence *evidence, struct wm_result_cell *cell)
{
    const struct wm_endpoint *e = arm->endpoint;
    const struct wm_claim *said = e->claim != NULL && arm->spec->round != NULL
                                      ? &e->claim[arm->spec->round->pair[0].from] /* this rank may have no part */
                                      : &e->said;
    enum wm_fabric fabric = evidence->judgement.fabric;
    if (fabric == WM_FABRIC_UNKNOWN)
        fabric = said->fabric;
    if (fabric != WM_FABRIC_UNKNOWN)
        snprintf(cell->fabric, sizeof(cell->fabric), "%s", wm_fabric_names[fabric]);
    snprintf(cell->provider, sizeof(cell->provider), "%s", said->provider);
}

int wm_record(const struct wm_arm *arm, const struct wm_plan *plan, const struct wm_record_extra *extra,
              struct wm_result_cell *cell, struct wm_err *err)
{
    cell->status = arm->status;
    snprintf(cell->reason, sizeof(cell->reason), "%s", arm->reason);
    if (arm->verified.checked_bytes > 0 || arm->verified.wrong_elements > 0) {
        cell->verify.checked_bytes = (int64_t)arm->verified.checked_bytes;
        cell->verify.wrong_elements = (int64_t)arm->verified.wrong_elements;
    }
    record_noise(arm, extra, cell);
    if (arm->spec->bench->shape != WM_ALONE)
        record_way(arm, &extra->evidence, cell);
    if (arm->status != WM_MEASURED)
        return WM_OK;
    record_time(arm, cell);
    record_rates(arm, plan, cell);
    cell->parts_ns.device_to_host = arm->parts.device_to_host_ns;
    cell->parts_ns.network = arm->parts.network_ns;
    cell->parts_ns.host_to_device = arm->parts.host_to_device_ns;
    cell->device_time_ns = arm->device_time_ns;
    cell->noflush_ns = arm->noflush_ns;
    if (arm->spec->path == WM_PATH_PIPELINED) {
        cell->chunk_bytes = (int64_t)arm->spec->chunk_bytes;
        cell->slots = arm->spec->slots;
    }
    record_evidence(&extra->evidence, cell);
    record_heard(&arm->heard, cell);
    cell->rank_time.slowest_rank = extra->slowest_rank;
    cell->rank_time.slowest_share = extra->slowest_share;
    cell->rank_time.skew_ns = skew(arm, extra->clock_uncertainty_ns);
    if (record_pairs(arm, extra->pair_median_ns, cell, err) != WM_OK || record_histogram(arm, cell, err) != WM_OK)
        return err->code;
    return plan->conf->raw_samples ? record_raw(arm, cell, err) : WM_OK;
}

void wm_record_clear(struct wm_result_cell *cell)
{
    free(cell->pairs);
    free(cell->histogram);
    free(cell->raw_ns);
    json_decref(cell->evidence.claims);
    json_decref(cell->evidence.counters);
    cell->evidence.claims = cell->evidence.counters = NULL;
    cell->pairs = NULL;
    cell->histogram = NULL;
    cell->raw_ns = NULL;
}
