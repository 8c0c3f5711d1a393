/**
 * Tables and CSV against tests/golden/. WM_BLESS=1 writes what is printed now over the golden files; review the diff.
 * Runs from the root of the sources.
 */
#include "reports/csv.h"
#include "reports/table.h"
#include "src/result/field.h"
#include "tests/unit/result_sample.h"

static const char *const hosts[] = { "node-a", "node-b", "node-a", "node-b" };
static const struct wm_table_world world = { hosts, 4 };

struct printed {
    char *text;
    size_t bytes;
    FILE *to;
    struct wm_table *table;
};

static void begin(struct printed *p, bool color)
{
    struct wm_err err = { 0 };
    p->to = open_memstream(&p->text, &p->bytes);
    CHECK_INT(wm_table_open(p->to, color, &world, &p->table, &err), WM_OK);
}

static void check_golden(const char *name, const char *got)
{
    char path[96];
    snprintf(path, sizeof(path), "tests/golden/%s", name);
    if (getenv("WM_BLESS") != NULL)
        sample_spit(path, got, strlen(got));
    char *want = sample_slurp(path, NULL);
    CHECK_TEXT(got, want == NULL ? "" : want);
    free(want);
}

static void end(struct printed *p, const char *name)
{
    wm_table_end(p->table);
    fclose(p->to);
    check_golden(name, p->text);
    free(p->text);
}

static struct wm_pair_result one_pair[] = { { 0, 1, NAN, NAN } };
static struct wm_pair_result two_pairs[] = { { 0, 1, NAN, NAN }, { 2, 3, NAN, NAN } };

static void test_pairs(void)
{
    struct printed p;
    struct wm_result_cell c;
    begin(&p, false);
    for (int64_t bytes = 1; bytes <= 4 << 20; bytes *= 64) {
        sample_measured(&c, "latency", bytes, 1920 + 0.11 * (double)bytes);
        c.pairs = one_pair;
        c.n_pairs = 1;
        if (bytes == 64)
            c.time_ns.p99 = NAN;
        if (bytes == 4096) {
            c.time_ns.converged = 0;
            c.time_ns.stalls = 3;
            c.noise.foreign_cpu = 0.23;
            c.noise.steal = 0.05;
        }
        if (bytes == 262144)
            c.time_ns.ci95_low = c.time_ns.ci95_high = NAN;
        wm_table_cell(p.table, &c, NULL);
    }
    for (int64_t bytes = 1024; bytes <= 4 << 20; bytes *= 64) {
        sample_measured(&c, "bandwidth", bytes, 998.4 + 0.08 * (double)bytes);
        c.pairs = two_pairs;
        c.n_pairs = 2;
        c.ranks = 4;
        c.bandwidth.alg_bytes_per_s = 2e9 * (double)bytes / c.time_ns.median;
        c.message_rate_per_s = 2e9 / c.time_ns.median;
        c.n_settings = 1;
        SET(c.settings[0].name, "window");
        SET(c.settings[0].value, bytes > 1 << 20 ? "32" : "64");
        wm_table_cell(p.table, &c, NULL);
    }
    end(&p, "table-pairs.txt");
}

static void fill_collective(struct wm_result_cell *c, const char *bench, int64_t bytes, const char *algo)
{
    sample_measured(c, bench, bytes, 20e3 + 0.5 * (double)bytes);
    c->ranks = 4;
    SET(c->algo, algo);
    SET(c->dtype, "float");
    SET(c->op, "sum");
    c->bandwidth.alg_bytes_per_s = 1e9 * (double)bytes / c->time_ns.median;
    c->bandwidth.bus_bytes_per_s = 1.5 * c->bandwidth.alg_bytes_per_s;
    c->rank_time.slowest_rank = 3;
    c->rank_time.slowest_share = 0.62;
}

static void test_collectives(void)
{
    static const enum wm_status statuses[] = {
        WM_SKIPPED, WM_MEASURED, WM_FAILED, WM_TIMEOUT, WM_NOT_RUN, WM_MEASURED
    };
    static const char *const reasons[] = { "MPI_SUM has no half type\n",
                                           "",
                                           "wrong element 7: got 3, want 4",
                                           "phase measure: no operation ended for 60 s",
                                           "",
                                           "" };
    struct printed p;
    struct wm_result_cell c;
    begin(&p, false);
    for (int i = 0; i < 6; i++) {
        fill_collective(&c, "allreduce", 4ll << 4 * i, "native");
        c.noise.oversubscribed = 1;
        c.status = statuses[i];
        SET(c.reason, reasons[i]);
        wm_table_cell(p.table, &c, NULL);
    }
    sample_measured(&c, "barrier", 0, 5e3);
    c.hosts = 1;
    c.ranks = 4;
    c.rank_time.slowest_rank = 2;
    wm_table_cell(p.table, &c, NULL);
    end(&p, "table-collectives.txt");
}

/* Two arms, interleaved, and what their comparison came to. */
static void test_arms(void)
{
    struct printed p;
    struct wm_result_cell c;
    struct wm_ratio_point points[] = { { 4096, 1.02, 0.98, 1.06 },
                                       { 65536, 1.31, 1.28, 1.34 },
                                       { 1048576, 1.9, NAN, NAN } };
    struct wm_ratio_point *by_arm[] = { points };
    const char *arms[] = { "transport=mpi algo=native", "transport=sim algo=recursive-doubling" };
    CHECK_INT(wm_table_arm_width(arms[0]), 10);
    CHECK_INT(wm_table_arm_width(arms[1]), 22);
    begin(&p, false);
    for (int k = 0; k < 3; k++) {
        for (int a = 0; a < 2; a++) {
            struct wm_table_arm arm = { arms[a], a == 0 ? NULL : &points[k], wm_table_arm_width(arms[1]) };
            fill_collective(&c, "allreduce", points[k].bytes, a == 0 ? "native" : "recursive-doubling");
            SET(c.transport, a == 0 ? "mpi" : "sim");
            c.simulated = a == 1;
            c.time_ns.median *= a == 0 ? 1 : points[k].ratio;
            c.time_ns.p999 = 1;
            wm_table_cell(p.table, &c, &arm);
        }
    }
    struct wm_table_arm lost = { arms[1], NULL, wm_table_arm_width(arms[1]) };
    c.bytes = 1 << 24;
    c.status = WM_TIMEOUT;
    SET(c.reason, "phase open: 300 s");
    wm_table_cell(p.table, &c, &lost);
    const char *varies[] = { "transport", "algo" };
    int n_points[] = { 3 };
    int64_t crossover_bytes[] = { 65536 };
    struct wm_result_comparison comparison = { .bench = "allreduce",
                                               .baseline = arms[0],
                                               .varies = varies,
                                               .n_varies = 2,
                                               .arms = arms,
                                               .n_arms = 2,
                                               .interleaved = true,
                                               .points = by_arm,
                                               .n_points = n_points,
                                               .crossover_bytes = crossover_bytes };
    wm_table_comparison(p.table, &comparison);
    crossover_bytes[0] = -1;
    comparison.interleaved = false;
    comparison.not_interleaved_reason = "both arms need 3 GiB, 2 GiB are free";
    wm_table_comparison(p.table, &comparison);
    n_points[0] = 0;
    wm_table_comparison(p.table, &comparison);
    end(&p, "table-arms.txt");
}

/* What the detour costs: the closing sentences, whatever of direct, staged and pipelined was measured. */
static void test_staging(void)
{
    struct printed p;
    const struct wm_ratio_point none = { 0, NAN, NAN, NAN };
    const struct wm_result_staging staging[] = {
        { "", 4 << 20, { 0, 2.104, 2.01, 2.22 }, { 0, 1.1, 1.0, 1.2 }, { 0, 1.9, 1.8, 2 }, 0, 0 },
        { "mem=device", 4 << 20, { 0, 2.104, NAN, NAN }, none, none, 0, 0 },
        { "", 64, none, { 0, 1.25, 1.2, 1.3 }, none, 0, 0 },
        { "", 65536, none, none, { 0, 1.75, 1.7, 1.8 }, 0, 0 },
        { "mem=device", 4 << 20, { 0, 1.0, 0.99, 1.01 }, none, none, 4, 3 },
        { "mem=device", 4 << 20, { 0, 1.0, 0.99, 1.01 }, none, none, 4, 2 },
    };
    const struct wm_result_comparison comparison = { .bench = "latency",
                                                     .n_arms = 1,
                                                     .interleaved = true,
                                                     .staging = staging,
                                                     .n_staging = sizeof(staging) / sizeof(*staging) };
    begin(&p, false);
    wm_table_comparison(p.table, &comparison);
    end(&p, "table-staging.txt");
}

/* What auto chose: in the notes of each row, and in one line below. */
static void test_auto(void)
{
    struct printed p;
    struct wm_result_cell c;
    struct wm_choice_point points[] = {
        { 4096, "native", NULL, NAN, NAN, NAN }, { 8192, "ring", NULL, NAN, NAN, NAN },
        { 16384, "tree", NULL, NAN, NAN, NAN },  { 32768, "tree", NULL, NAN, NAN, NAN },
        { 65536, "ring", NULL, NAN, NAN, NAN },
    };
    struct wm_left_out left_out[] = { { 4096, "chain", "no form\nin place" } };
    struct wm_result_choice choice = { .label = "", .point = points, .n_points = 5 };
    begin(&p, false);
    for (int k = 0; k < 5; k++) {
        fill_collective(&c, "allreduce", points[k].bytes, "auto");
        SET(c.algo_chosen, points[k].algo);
        wm_table_cell(p.table, &c, NULL);
    }
    wm_table_choice(p.table, &choice);
    choice.n_points = 2;
    choice.label = "transport=mpi";
    wm_table_choice(p.table, &choice);
    choice.n_points = 1;
    choice.label = "transport=mpi algo=auto";
    choice.left_out = left_out;
    choice.n_left_out = 1;
    wm_table_choice(p.table, &choice);
    points[1].algo = "native";
    choice.n_points = 2;
    choice.label = "";
    choice.n_left_out = 0;
    wm_table_choice(p.table, &choice);
    end(&p, "table-auto.txt");
}

/* What the arms vary stands in their column: neither in the first line nor in the notes. */
static void test_arms_of_a_setting(void)
{
    struct printed p;
    begin(&p, false);
    for (int a = 0; a < 2; a++) {
        struct wm_ratio_point point = { 1024, 123.4, 99.96, 130.2 };
        struct wm_table_arm arm = { a == 0 ? "window=1" : "window=64", a == 0 ? NULL : &point, 2 };
        struct wm_result_cell c;
        sample_measured(&c, "bandwidth", 1024, a == 0 ? 500 : 400);
        c.n_settings = 2;
        SET(c.settings[0].name, "window");
        SET(c.settings[0].value, a == 0 ? "1" : "64");
        SET(c.settings[1].name, "buffers");
        SET(c.settings[1].value, "cold");
        c.pairs = one_pair;
        c.n_pairs = 1;
        wm_table_cell(p.table, &c, &arm);
    }
    end(&p, "table-setting.txt");
}

static void set_limit(struct wm_result_cell *c, const char *kind, double bytes_per_s, const char *source)
{
    c->bandwidth.alg_bytes_per_s = 1e9 * (double)c->bytes / c->time_ns.median;
    c->limit.bytes_per_s = bytes_per_s;
    c->limit.share = c->bandwidth.alg_bytes_per_s / bytes_per_s;
    SET(c->limit.kind, kind);
    SET(c->limit.source, source);
}

/* Bounds, of which three cells are above; then estimates, which are no bounds, in two arms. */
static void test_limits(void)
{
    static const double medians[] = { 800, 1000, 5000, 20000, 80000, 330000 };
    struct printed p;
    struct wm_result_cell c;
    begin(&p, true);
    for (int i = 0; i < 6; i++) {
        sample_measured(&c, "bandwidth", 16ll << 3 * i, medians[i]);
        set_limit(&c, "link", 12.5e9, "mlx5_0: 100 Gb/sec (4X EDR)");
        if (i == 1)
            c.limit.share = NAN;
        if (i >= 3)
            c.limit.share = 1.02 + 0.01 * (i == 4);
        wm_table_cell(p.table, &c, NULL);
    }
    for (int i = 0; i < 4; i++) {
        struct wm_ratio_point point = { 1 << (10 + 10 * (i / 2)), 1, 0.99, 1.01 };
        struct wm_table_arm arm = { i % 2 == 0 ? "window=1" : "window=64", i % 2 == 0 ? NULL : &point, 2 };
        sample_measured(&c, "bandwidth", point.bytes, 100 * medians[i]);
        set_limit(&c, i == 3 ? "link" : "estimate", 0.1e9 * (1 + 100 * (i / 2)),
                  i == 3 ? "veth" : "copy rate of one core");
        wm_table_cell(p.table, &c, &arm);
    }
    end(&p, "table-limits.txt");
}

static void test_marks_and_color(void)
{
    struct printed p;
    struct wm_result_cell c;
    begin(&p, true);
    sample_measured(&c, "latency", 8, 431);
    SET(c.transport, "null");
    wm_table_cell(p.table, &c, NULL);
    SET(c.transport, "sim");
    SET(c.provider, "evil\033[2Jname");
    SET(c.path, "staged");
    SET(c.mem, "device:device");
    c.simulated = true;
    c.pairs = (struct wm_pair_result[]){ { 0, 9, NAN, NAN } }; /* a rank that the world does not have */
    c.n_pairs = 1;
    wm_table_cell(p.table, &c, NULL);
    c.status = WM_FAILED;
    c.n_pairs = 0;
    SET(c.reason, "\033[31mred");
    wm_table_cell(p.table, &c, NULL);
    end(&p, "table-marks.txt");
}

static void test_csv(void)
{
    struct wm_result_cell c;
    char *text;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    wm_csv_header(to);
    sample_full(&c);
    wm_csv_cell(to, &c);
    sample_stub(&c, "barrier", 0);
    c.status = WM_SKIPPED;
    SET(c.reason, "no, \"never\"");
    wm_csv_cell(to, &c);
    fclose(to);
    check_golden("cells.csv", text);
    free(text);
}

int main(void)
{
    test_pairs();
    test_collectives();
    test_arms();
    test_staging();
    test_auto();
    test_arms_of_a_setting();
    test_limits();
    test_marks_and_color();
    test_csv();
    return wm_tests_end();
}
