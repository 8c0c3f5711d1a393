/** The table of a cell's fields. docs/result.md and the schema say in words what each means. */
#include "src/result/field.h"

#include <math.h>

#define AT(member)     offsetof(struct wm_result_cell, member), sizeof(((struct wm_result_cell *)0)->member)
#define IDENTITY       WM_FIELD_IDENTITY
#define NEEDED         (WM_FIELD_IDENTITY | WM_FIELD_REQUIRED)
#define TIME(name)     "time_ns", #name, WM_FIELD_REAL, 0, AT(time_ns.name)
#define TIME_INT(name) "time_ns", #name, WM_FIELD_INT64, 0, AT(time_ns.name)

/* clang-format off: a table */
const struct wm_field wm_fields[] = {
    { NULL, "id", WM_FIELD_TEXT, NEEDED, AT(id) },
    { NULL, "bench", WM_FIELD_TEXT, NEEDED, AT(bench) },
    { NULL, "transport", WM_FIELD_TEXT, NEEDED, AT(transport) },
    { NULL, "provider", WM_FIELD_TEXT, IDENTITY, AT(provider) },
    { NULL, "fabric", WM_FIELD_TEXT, IDENTITY, AT(fabric) },
    { NULL, "path", WM_FIELD_TEXT, IDENTITY, AT(path) },
    { NULL, "mem", WM_FIELD_TEXT, IDENTITY, AT(mem) },
    { NULL, "bytes", WM_FIELD_INT64, NEEDED, AT(bytes) },
    { NULL, "block_bytes", WM_FIELD_INT64, IDENTITY, AT(block_bytes) },
    { NULL, "ranks", WM_FIELD_INT, NEEDED, AT(ranks) },
    { NULL, "hosts", WM_FIELD_INT, NEEDED, AT(hosts) },
    { NULL, "placement", WM_FIELD_TEXT, IDENTITY, AT(placement) },
    { NULL, "algo", WM_FIELD_TEXT, IDENTITY, AT(algo) },
    { NULL, "algo_chosen", WM_FIELD_TEXT, 0, AT(algo_chosen) },
    { NULL, "dtype", WM_FIELD_TEXT, IDENTITY, AT(dtype) },
    { NULL, "op", WM_FIELD_TEXT, IDENTITY, AT(op) },
    { NULL, "settings", WM_FIELD_SETTINGS, IDENTITY, AT(settings) },
    { NULL, "simulated", WM_FIELD_BOOL, NEEDED, AT(simulated) },
    { NULL, "status", WM_FIELD_STATUS, WM_FIELD_REQUIRED, AT(status) },
    { NULL, "reason", WM_FIELD_TEXT, 0, AT(reason) },
    { TIME(median) },
    { TIME(ci95_low) },
    { TIME(ci95_high) },
    { TIME(min) },
    { TIME(mean) },
    { TIME(mad) },
    { TIME(p90) },
    { TIME(p99) },
    { TIME(p999) },
    { TIME(max) },
    { TIME_INT(samples) },
    { TIME_INT(batch) },
    { "time_ns", "converged", WM_FIELD_FLAG, 0, AT(time_ns.converged) },
    { TIME_INT(stalls) },
    { "parts_ns", "device_to_host", WM_FIELD_REAL, 0, AT(parts_ns.device_to_host) },
    { "parts_ns", "network", WM_FIELD_REAL, 0, AT(parts_ns.network) },
    { "parts_ns", "host_to_device", WM_FIELD_REAL, 0, AT(parts_ns.host_to_device) },
    { NULL, "device_time_ns", WM_FIELD_REAL, 0, AT(device_time_ns) },
    { NULL, "noflush_ns", WM_FIELD_REAL, 0, AT(noflush_ns) },
    { "pipeline", "chunk_bytes", WM_FIELD_INT64, 0, AT(chunk_bytes) },
    { "pipeline", "slots", WM_FIELD_INT, 0, AT(slots) },
    { "rank_time", "slowest_rank", WM_FIELD_INT, 0, AT(rank_time.slowest_rank) },
    { "rank_time", "slowest_share", WM_FIELD_REAL, 0, AT(rank_time.slowest_share) },
    { "rank_time", "skew_ns", WM_FIELD_REAL, 0, AT(rank_time.skew_ns) },
    { "bandwidth", "alg_bytes_per_s", WM_FIELD_REAL, 0, AT(bandwidth.alg_bytes_per_s) },
    { "bandwidth", "bus_bytes_per_s", WM_FIELD_REAL, 0, AT(bandwidth.bus_bytes_per_s) },
    { NULL, "message_rate_per_s", WM_FIELD_REAL, 0, AT(message_rate_per_s) },
    { NULL, "pairs", WM_FIELD_PAIRS, 0, AT(pairs) },
    { NULL, "histogram", WM_FIELD_HISTOGRAM, 0, AT(histogram) },
    { NULL, "raw_ns", WM_FIELD_RAW, 0, AT(raw_ns) },
    { "verify", "checked_bytes", WM_FIELD_INT64, 0, AT(verify.checked_bytes) },
    { "verify", "wrong_elements", WM_FIELD_INT64, 0, AT(verify.wrong_elements) },
    { "limit", "bytes_per_s", WM_FIELD_REAL, 0, AT(limit.bytes_per_s) },
    { "limit", "share", WM_FIELD_REAL, 0, AT(limit.share) },
    { "limit", "kind", WM_FIELD_TEXT, 0, AT(limit.kind) },
    { "limit", "source", WM_FIELD_TEXT, 0, AT(limit.source) },
    { "evidence", "verdict", WM_FIELD_TEXT, 0, AT(evidence.verdict) },
    { "evidence", "fabric", WM_FIELD_TEXT, 0, AT(evidence.fabric) },
    { "evidence", "reason", WM_FIELD_TEXT, 0, AT(evidence.reason) },
    { "evidence", "algorithm", WM_FIELD_TEXT, 0, AT(evidence.algorithm) },
    { "evidence", "protocol", WM_FIELD_TEXT, 0, AT(evidence.protocol) },
    { "evidence", "channels", WM_FIELD_INT, 0, AT(evidence.channels) },
    { "evidence", "claims", WM_FIELD_JSON, 0, AT(evidence.claims) },
    { "evidence", "counters", WM_FIELD_JSON, 0, AT(evidence.counters) },
    { "noise", "foreign_cpu", WM_FIELD_REAL, 0, AT(noise.foreign_cpu) },
    { "noise", "steal", WM_FIELD_REAL, 0, AT(noise.steal) },
    { "noise", "involuntary_switches", WM_FIELD_INT64, 0, AT(noise.involuntary_switches) },
    { "noise", "oversubscribed", WM_FIELD_FLAG, 0, AT(noise.oversubscribed) },
    { 0 },
};
/* clang-format on */

bool wm_field_present(const struct wm_field *field, const struct wm_result_cell *cell)
{
    const void *at = (const char *)cell + field->offset;
    switch (field->type) {
    case WM_FIELD_TEXT:
        return *(const char *)at != '\0';
    case WM_FIELD_INT:
    case WM_FIELD_FLAG:
        return *(const int *)at >= 0;
    case WM_FIELD_INT64:
        return *(const int64_t *)at >= 0;
    case WM_FIELD_REAL:
        return isfinite(*(const double *)at);
    case WM_FIELD_BOOL:
    case WM_FIELD_STATUS:
        return true;
    case WM_FIELD_SETTINGS:
        return cell->n_settings > 0;
    case WM_FIELD_JSON:
        return json_array_size(*(json_t *const *)at) > 0;
    case WM_FIELD_PAIRS:
        return cell->n_pairs > 0;
    case WM_FIELD_HISTOGRAM:
        return cell->n_histogram > 0;
    case WM_FIELD_RAW:
        return cell->n_raw > 0;
    }
    return false;
}

const char *wm_result_cell_lacks(const struct wm_result_cell *cell)
{
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++)
        if ((f->flags & WM_FIELD_REQUIRED) != 0 && !wm_field_present(f, cell))
            return f->name;
    return NULL;
}
