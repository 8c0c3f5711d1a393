/** Cells and files for the tests of results. */
#ifndef WM_TESTS_RESULT_SAMPLE_H
#define WM_TESTS_RESULT_SAMPLE_H

#include <stdlib.h>
#include <unistd.h>

#include "src/result/result.h"
#include "tests/unit/check.h"

#define SET(array, text) snprintf((array), sizeof(array), "%s", (text))

/* What a plan knows of a cell. */
static inline void sample_stub(struct wm_result_cell *c, const char *bench, int64_t bytes)
{
    wm_result_cell_init(c);
    snprintf(c->id, sizeof(c->id), "bench=%s transport=mpi bytes=%lld", bench, (long long)bytes);
    SET(c->bench, bench);
    SET(c->transport, "mpi");
    SET(c->path, "host");
    SET(c->mem, "host:host");
    SET(c->placement, "cross-host");
    SET(c->dtype, "int8");
    c->bytes = bytes;
    c->ranks = 2;
    c->hosts = 2;
}

/* A measured cell: median_ns and an interval and tails around it. */
static inline void sample_measured(struct wm_result_cell *c, const char *bench, int64_t bytes, double median_ns)
{
    sample_stub(c, bench, bytes);
    c->status = WM_MEASURED;
    c->time_ns.median = median_ns;
    c->time_ns.ci95_low = 0.99 * median_ns;
    c->time_ns.ci95_high = 1.02 * median_ns;
    c->time_ns.min = 0.9 * median_ns;
    c->time_ns.mean = 1.05 * median_ns;
    c->time_ns.mad = 0.03 * median_ns;
    c->time_ns.p90 = 1.1 * median_ns;
    c->time_ns.p99 = 1.3 * median_ns;
    c->time_ns.max = 3 * median_ns;
    c->time_ns.samples = 5000;
    c->time_ns.batch = 1;
    c->time_ns.converged = 1;
    c->time_ns.stalls = 0;
    c->verify.checked_bytes = bytes;
    c->verify.wrong_elements = 0;
}

/* Every field present. The lists are static: they are not freed with wm_result_cell_clear(). */
static inline void sample_full(struct wm_result_cell *c)
{
    static struct wm_pair_result pairs[2] = { { 0, 2, 1920.5, 1.5e9 }, { 1, 3, NAN, NAN } };
    static struct wm_bin bins[2] = { { 1897.25, 12 }, { 1916.22, 4988 } };
    static json_t *claims, *counters;
    static float raw[3] = { 1900.5f, 0.1f, 16777217.0f };
    sample_measured(c, "allreduce", 4096, 1920.123456789012);
    SET(c->provider, "tcp;ofi_rxm");
    SET(c->fabric, "tcp");
    SET(c->algo, "auto");
    SET(c->algo_chosen, "ring");
    SET(c->dtype, "float");
    SET(c->op, "sum");
    SET(c->reason, "none \"at\" all\n");
    c->block_bytes = 2048;
    c->n_settings = 2;
    SET(c->settings[0].name, "window");
    SET(c->settings[0].value, "16");
    SET(c->settings[1].name, "buffers");
    SET(c->settings[1].value, "cold");
    c->time_ns.p999 = 2500;
    c->rank_time.slowest_rank = 1;
    c->parts_ns.device_to_host = 400.5;
    c->parts_ns.network = 1200;
    c->parts_ns.host_to_device = 310;
    c->device_time_ns = 1500.5;
    c->noflush_ns = 1850.5;
    c->chunk_bytes = 524288;
    c->slots = 4;
    c->rank_time.slowest_share = 0.625;
    c->rank_time.skew_ns = 120;
    c->bandwidth.alg_bytes_per_s = 2.133e9;
    c->bandwidth.bus_bytes_per_s = 3.2e9;
    c->message_rate_per_s = 1e6;
    SET(c->evidence.verdict, "contradicted");
    SET(c->evidence.fabric, "tcp");
    SET(c->evidence.reason, "h1: eth0 carried 104 % of the bytes, mlx5_0:1 0 %");
    SET(c->evidence.algorithm, "NVLS_TREE");
    SET(c->evidence.protocol, "LL128");
    c->evidence.channels = 24;
    if (claims == NULL)
        claims = json_pack("[{s:s, s:s, s:s}]", "host", "h1", "fabric", "ib", "how", "RC queue pairs");
    if (counters == NULL)
        counters = json_pack("[{s:s, s:s, s:s, s:i, s:i}]", "host", "h1", "device", "eth0", "unit", "bytes", "sent",
                             4321, "received", 4000);
    c->evidence.claims = claims;
    c->evidence.counters = counters;
    c->pairs = pairs;
    c->n_pairs = 2;
    c->histogram = bins;
    c->n_histogram = 2;
    c->raw_ns = raw;
    c->n_raw = 3;
    c->limit.bytes_per_s = 4e9;
    c->limit.share = 0.8;
    SET(c->limit.kind, "link");
    SET(c->limit.source, "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more");
    c->noise.foreign_cpu = 0.02;
    c->noise.steal = 0;
    c->noise.involuntary_switches = 7;
    c->noise.oversubscribed = 0;
}

static inline json_t *sample_head(void)
{
    return json_pack(
        "{s:s, s:{s:s, s:s}, s:{s:s, s:s, s:[s,s], s:i, s:f}, s:{s:[{s:i,s:s,s:i},{s:i,s:s,s:i}]}, s:{s:s}, "
        "s:[{s:s,s:s}]}",
        "schema", WM_RESULT_SCHEMA, "tool", "version", "0.1.0", "commit", "abc1234", "run", "id", "r1", "started_utc",
        "2026-11-22T16:12:40Z", "argv", "wiremark", "run", "seed", 1, "precision", 0.02, "world", "ranks", "rank", 0,
        "host", "h1", "local_rank", 0, "rank", 1, "host", "h2", "local_rank", 0, "environment", "mpi",
        "Open MPI v4.1.4", "unavailable", "name", "verbs", "reason", "not built in");
}

/* A folder of the test's own; remove with sample_folder_remove(). */
static inline const char *sample_folder(void)
{
    static char folder[64];
    snprintf(folder, sizeof(folder), "/tmp/wiremark-test-XXXXXX");
    return mkdtemp(folder);
}

static inline void sample_folder_remove(const char *folder)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
}

/* Whole file with a final NUL, or NULL; the caller frees. */
static inline char *sample_slurp(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t n = 0;
    if (file == NULL)
        return NULL;
    ssize_t got = getdelim(&text, &n, EOF, file);
    fclose(file);
    if (got < 0) {
        free(text);
        text = strdup("");
        got = 0;
    }
    if (bytes != NULL)
        *bytes = (size_t)got;
    return text;
}

static inline void sample_spit(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fwrite(text, 1, bytes, file) == bytes);
    if (file != NULL)
        fclose(file);
}

#endif
