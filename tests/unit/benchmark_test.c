/** Rows: byte rules, completeness, operations, what algorithms send in all, the skew of alltoallv. */
#include <ctype.h>
#include <stdlib.h>

#include "collectives/exchange.h"
#include "tests/unit/check.h"
#include "tests/unit/rows.h"

/* ---- byte rules ---- */

static void test_bytes(void)
{
    static const struct {
        const struct wm_benchmark *row;
        size_t bytes;
        enum wm_dtype type;
        int ranks;
        size_t want;
    } cases[] = {
        { &wm_benchmark_latency, 0, WM_INT8, 2, 0 },
        { &wm_benchmark_latency, 7, WM_INT8, 2, 7 },
        { &wm_benchmark_latency, 7, WM_INT32, 2, 4 },
        { &wm_benchmark_bandwidth, 3, WM_DOUBLE, 2, 0 },
        { &wm_benchmark_allreduce, 1023, WM_FLOAT, 5, 1020 },
        { &wm_benchmark_allreduce, 5, WM_HALF, 5, 4 },
        { &wm_benchmark_broadcast, 4095, WM_INT64, 3, 4088 },
        { &wm_benchmark_alltoall, 1024, WM_INT8, 3, 1023 },
        { &wm_benchmark_alltoall, 1024, WM_FLOAT, 3, 1020 },
        { &wm_benchmark_alltoallv, 11, WM_FLOAT, 3, 0 },
        { &wm_benchmark_allgather, 12, WM_FLOAT, 3, 12 },
        { &wm_benchmark_gather, 100, WM_DOUBLE, 4, 96 },
        { &wm_benchmark_scatter, 31, WM_DOUBLE, 4, 0 },
        { &wm_benchmark_reduce_scatter, (size_t)5 << 30, WM_FLOAT, 3, ((size_t)5 << 30) - 8 },
        { &wm_benchmark_barrier, 1024, WM_INT8, 4, 0 },
    };
    for (int k = 0; k < WM_COUNT(cases); k++)
        CHECK_INT(wm_benchmark_bytes(cases[k].row, cases[k].bytes, cases[k].type, cases[k].ranks), cases[k].want);
}

/* ---- rows ---- */

static int all_rows(const struct wm_benchmark *rows[])
{
    int n = 0;
    for (int k = 0; k < WM_COUNT(wm_pair_rows); k++)
        rows[n++] = wm_pair_rows[k];
    for (int k = 0; k < WM_COUNT(wm_fan_rows); k++)
        rows[n++] = wm_fan_rows[k];
    for (int k = 0; k < WM_COUNT(wm_collective_rows); k++)
        rows[n++] = wm_collective_rows[k];
    for (int k = 0; k < WM_COUNT(wm_alone_rows); k++)
        rows[n++] = wm_alone_rows[k];
    for (int k = 0; k < WM_COUNT(wm_reach_rows); k++)
        rows[n++] = wm_reach_rows[k];
    for (int k = 0; k < WM_COUNT(wm_reach_all_rows); k++)
        rows[n++] = wm_reach_all_rows[k];
    return n;
}

/* Names are words of options and of results. */
static bool is_word(const char *name)
{
    for (; *name != '\0'; name++)
        if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '-')
            return false;
    return true;
}

static void check_row(const struct wm_benchmark *row)
{
    const size_t end = strlen(row->summary) - 1;

    CHECK(is_word(row->name));
    CHECK(islower((unsigned char)row->summary[0]) && row->summary[end] != '.');
    CHECK(strlen(row->bytes_are) > 0);
    CHECK_INT(row->min_ranks, row->shape == WM_ALONE ? 1 : 2);
    CHECK((row->memory != NULL) == (row->to != WM_ANYWHERE));
    CHECK(!row->time_is_of_a_part || (row->operations != NULL && !row->has_bandwidth));
    CHECK((row->fill == NULL) == (row->expect == NULL));
    CHECK((row->expect == NULL) == (row->bytes_rule == WM_BYTES_NONE));
    CHECK(!row->windowed || row->operations != NULL);
    CHECK(row->shape == WM_GROUP || row->clock_of == WM_CLOCK_FIRST);
    CHECK(row->algorithms[0].name != NULL);
    for (const struct wm_algorithm *a = row->algorithms; a->name != NULL; a++) {
        CHECK(is_word(a->name));
        CHECK(wm_benchmark_algorithm(row, a->name) == a);
    }
    CHECK(wm_benchmark_algorithm(row, "nonsense") == NULL);
}

static void test_rows(void)
{
    const struct wm_benchmark *rows[32];
    const int n = all_rows(rows);

    CHECK_INT(n, 30);
    for (int k = 0; k < n; k++) {
        check_row(rows[k]);
        for (int other = 0; other < k; other++)
            CHECK(strcmp(rows[k]->name, rows[other]->name) != 0);
    }
    for (int k = 0; k < WM_COUNT(wm_collective_rows); k++) {
        CHECK_TEXT(wm_collective_rows[k]->algorithms[0].name, "native");
        CHECK_INT(wm_collective_rows[k]->clock_of, WM_CLOCK_SLOWEST);
        CHECK((wm_collective_rows[k]->bus_factor != NULL) == wm_collective_rows[k]->has_bandwidth);
    }
}

static void test_operations(void)
{
    const struct wm_point at = { .ranks = 5, .window = 64, .bytes = 100 };

    CHECK_NEAR(wm_benchmark_latency.operations(&at), 2, 0);
    CHECK(wm_benchmark_put_latency.operations == NULL && wm_benchmark_get_latency.operations == NULL);
    CHECK_NEAR(wm_benchmark_bandwidth.operations(&at), 64, 0);
    CHECK_NEAR(wm_benchmark_bibandwidth.operations(&at), 64, 0);
    CHECK_NEAR(wm_benchmark_bibandwidth.counted_bytes(&at), 200, 0);
    CHECK(wm_benchmark_bandwidth.counted_bytes == NULL);
    CHECK_NEAR(wm_benchmark_copy_to_device.operations(&at), 64, 0);
    CHECK_NEAR(wm_benchmark_copy_both.counted_bytes(&at), 200, 0);
    CHECK_NEAR(wm_benchmark_copy_all_to_one.operations(&at), 256, 0);
    CHECK(wm_benchmark_copy_local.counted_bytes == NULL);
    CHECK_NEAR(wm_benchmark_copy_latency.operations(&at), 7, 0); /* vectors of 16 bytes; the last one holds 4 */
    CHECK(wm_benchmark_copy_latency_peer.operations == wm_benchmark_copy_latency.operations);
    CHECK_NEAR(wm_benchmark_copy_latency.operations(&(struct wm_point){ .bytes = 1 << 16 }), 4096, 0);
    CHECK_NEAR(wm_benchmark_copy_latency.operations(&(struct wm_point){ .bytes = 0 }), 1, 0);
    CHECK_NEAR(wm_benchmark_get_bandwidth.operations(&at), 64, 0);
    CHECK_NEAR(wm_benchmark_fan_in.operations(&at), 256, 0);
    CHECK_NEAR(wm_benchmark_fan_out.operations(&at), 256, 0);
    CHECK_NEAR(wm_benchmark_allreduce.bus_factor(4), 1.5, 1e-12);
    CHECK_NEAR(wm_benchmark_alltoallv.bus_factor(4), 0.75, 1e-12);
    CHECK_NEAR(wm_benchmark_reduce_scatter.bus_factor(5), 0.8, 1e-12);
    CHECK_NEAR(wm_benchmark_broadcast.bus_factor(9), 1, 0);
    CHECK(!wm_benchmark_latency.has_bandwidth && wm_benchmark_message_rate.has_message_rate);
}

/* Only what is shared can be reached by others; rank 1 says what it lends. */
static void test_one_sided(void)
{
    static const struct {
        const struct wm_benchmark *row;
        enum wm_step_kind kind;
        enum wm_area lent;
        int steps;
    } cases[] = {
        { &wm_benchmark_put_latency, WM_STEP_PUT, WM_OUT, 1 },
        { &wm_benchmark_get_latency, WM_STEP_GET, WM_IN, 1 },
        { &wm_benchmark_put_bandwidth, WM_STEP_PUT, WM_OUT, 4 },
        { &wm_benchmark_get_bandwidth, WM_STEP_GET, WM_IN, 4 },
        { &wm_benchmark_copy_write, WM_STEP_PUT, WM_OUT, 4 },
        { &wm_benchmark_copy_read, WM_STEP_GET, WM_IN, 4 },
        { &wm_benchmark_copy_latency_peer, WM_STEP_GET, WM_IN, 1 },
    };
    for (int k = 0; k < WM_COUNT(cases); k++) {
        struct wm_point at = { .ranks = 2, .window = cases[k].steps, .distinct = true, .bytes = 10 };
        struct wm_schedule first = { 0 }, second = { 0 };
        struct wm_err err = { 0 };
        cases[k].row->algorithms[0].build(&at, &first, &err);
        at.rank = 1;
        cases[k].row->algorithms[0].build(&at, &second, &err);
        CHECK_INT(cases[k].row->shared, 1 << cases[k].lent);
        CHECK_INT(first.n, cases[k].steps);
        CHECK_INT(first.step[0].kind, cases[k].kind);
        CHECK_INT(second.n, 0);
        CHECK_INT(second.area_bytes[cases[k].lent], 10 * cases[k].steps);
        wm_schedule_free(&first);
        wm_schedule_free(&second);
    }
}

/* ---- what is sent ---- */

static bool to_all(int peer, void *arg)
{
    (void)peer;
    (void)arg;
    return true;
}

static bool to_upper(int peer, void *arg)
{
    return peer >= *(const int *)arg;
}

static uint64_t sent(const struct wm_benchmark *row, const char *algo, struct wm_point at, bool crosses(int, void *),
                     void *arg)
{
    struct wm_schedule s = { .type = at.type };
    struct wm_err err = { 0 };
    if (!CHECK_INT(wm_benchmark_algorithm(row, algo)->build(&at, &s, &err), WM_OK))
        return 0;
    uint64_t bytes = wm_schedule_sent_bytes(&s, crosses, arg);
    wm_schedule_free(&s);
    return bytes;
}

static uint64_t sent_by_all(const struct wm_benchmark *row, const char *algo, struct wm_point at)
{
    uint64_t sum = 0;
    for (at.rank = 0; at.rank < at.ranks; at.rank++)
        sum += sent(row, algo, at, to_all, NULL);
    return sum;
}

/* Totals over all ranks, in units of `bytes`. */
static void test_sent_bytes(void)
{
    static const struct {
        const struct wm_benchmark *row;
        const char *algo;
        int ranks;
        double want;
    } cases[] = {
        { &wm_benchmark_allreduce, "ring", 8, 14 },               /* 8 ranks: 2 (n - 1) / n each */
        { &wm_benchmark_allreduce, "ring", 5, 8 },                /* also where blocks are uneven */
        { &wm_benchmark_allreduce, "rabenseifner", 8, 14 },       /* the same */
        { &wm_benchmark_allreduce, "rabenseifner", 5, 6 + 2 },    /* 4 ranks, and one gives and gets */
        { &wm_benchmark_allreduce, "recursive-doubling", 8, 24 }, /* log2 n each */
        { &wm_benchmark_allreduce, "recursive-doubling", 6, 8 + 4 },
        { &wm_benchmark_reduce_scatter, "ring", 5, 4 },
        { &wm_benchmark_reduce_scatter, "pairwise", 5, 4 },
        { &wm_benchmark_allgather, "ring", 5, 4 },
        { &wm_benchmark_allgather, "bruck", 5, 4 },
        { &wm_benchmark_alltoall, "pairwise", 5, 4 },
        { &wm_benchmark_alltoall, "bruck", 8, 12 }, /* n/2 parts in each of 3 rounds */
        { &wm_benchmark_alltoallv, "pairwise", 5, 4 },
        { &wm_benchmark_broadcast, "linear", 5, 4 },
        { &wm_benchmark_broadcast, "binomial", 5, 4 },
        { &wm_benchmark_broadcast, "chain", 5, 4 },
        { &wm_benchmark_broadcast, "scatter-allgather", 4, 3 }, /* every rank gets each block once */
        { &wm_benchmark_reduce, "binomial", 5, 4 },
        { &wm_benchmark_gather, "binomial", 4, 1 }, /* ranks 1 and 3 one block, rank 2 two */
        { &wm_benchmark_scatter, "binomial", 4, 1 },
    };
    for (int k = 0; k < WM_COUNT(cases); k++) {
        struct wm_point at = { .ranks = cases[k].ranks, .window = 1, .type = WM_FLOAT, .seed = 11 };
        at.bytes = (size_t)at.ranks * (size_t)at.ranks * 400;
        double got = (double)sent_by_all(cases[k].row, cases[k].algo, at) / (double)at.bytes;
        if (!CHECK_NEAR(got, cases[k].want, 1e-9))
            printf("   of %s %s\n", cases[k].row->name, cases[k].algo);
    }
}

static void test_cut(void)
{
    struct wm_point at = { .ranks = 4, .window = 8, .type = WM_FLOAT, .bytes = 4096 };
    int half = 2;

    /* In the ring, rank 1 alone sends from the lower to the upper half. */
    CHECK_INT(sent(&wm_benchmark_allreduce, "ring", at, to_upper, &half), 0);
    at.rank = 1;
    CHECK_INT(sent(&wm_benchmark_allreduce, "ring", at, to_upper, &half), 6144);
    /* All-to-all: each lower rank sends two blocks up. */
    CHECK_INT(sent(&wm_benchmark_alltoall, "pairwise", at, to_upper, &half), 2048);
    /* The library's own count nothing. */
    CHECK_INT(sent(&wm_benchmark_alltoall, "native", at, to_all, NULL), 0);
    /* A window and its acknowledgement; puts; gets where they arrive. */
    at = (struct wm_point){ .ranks = 2, .window = 8, .bytes = 100 };
    CHECK_INT(sent(&wm_benchmark_bandwidth, "window", at, to_all, NULL), 800);
    CHECK_INT(sent(&wm_benchmark_put_bandwidth, "window", at, to_all, NULL), 800);
    CHECK_INT(sent(&wm_benchmark_get_bandwidth, "window", at, to_all, NULL), 800);
    at.rank = 1;
    CHECK_INT(sent(&wm_benchmark_bandwidth, "window", at, to_all, NULL), 1);
    CHECK_INT(sent(&wm_benchmark_bibandwidth, "window", at, to_all, NULL), 801);
}

/* ---- alltoallv ---- */

static void check_skew(int ranks, size_t bytes, bool in_place)
{
    const struct wm_point at = { .ranks = ranks, .bytes = bytes, .type = WM_FLOAT, .in_place = in_place, .seed = 4 };
    struct wm_exchange x;
    size_t own = 0, least = bytes, most = 0;

    CHECK_INT(wm_exchange_open(&at, true, &x), WM_OK);
    for (int r = 0; r < ranks; r++) {
        size_t out = 0, in = 0;
        for (int k = 0; k < ranks; k++) {
            struct wm_piece s = wm_exchange_sent(&x, r, k), d = wm_exchange_received(&x, r, k);
            CHECK_INT(s.at, out);
            CHECK_INT(d.at, in);
            CHECK_INT(s.bytes, wm_exchange_received(&x, k, r).bytes);
            CHECK(!in_place || s.bytes == d.bytes);
            CHECK_INT(s.bytes % 4, 0);
            out += s.bytes;
            in += d.bytes;
            least = s.bytes < least ? s.bytes : least;
            most = s.bytes > most ? s.bytes : most;
        }
        CHECK_INT(out, bytes);
        CHECK_INT(in, bytes);
        own += wm_exchange_sent(&x, r, r).bytes;
    }
    CHECK(in_place || bytes % ((size_t)ranks * 4) != 0 || own == bytes);
    CHECK(ranks == 2 || most >= least + 4);
    CHECK(ranks < 5 || bytes > (size_t)ranks * 4 || least == 0);
    wm_exchange_close(&x);
}

static void test_skew(void)
{
    for (int ranks = 2; ranks < 18; ranks += ranks < 9 ? 1 : 4)
        for (int in_place = 0; in_place < 2; in_place++) {
            check_skew(ranks, (size_t)ranks * 4, in_place);
            check_skew(ranks, (size_t)ranks * 4000, in_place);
        }
}

static void test_skew_by_seed(void)
{
    struct wm_point at = { .ranks = 8, .bytes = 8 * 4000, .type = WM_FLOAT };
    int different = 0;

    for (uint32_t seed = 1; seed < 9; seed++) {
        struct wm_exchange x, same, other;
        at.seed = seed;
        wm_exchange_open(&at, true, &x);
        wm_exchange_open(&at, true, &same);
        at.seed = seed + 1;
        wm_exchange_open(&at, true, &other);
        CHECK(memcmp(x.edge, same.edge, 9 * sizeof(*x.edge)) == 0);
        different += memcmp(x.edge, other.edge, 9 * sizeof(*x.edge)) != 0;
        wm_exchange_close(&x);
        wm_exchange_close(&same);
        wm_exchange_close(&other);
    }
    CHECK_INT(different, 8);
}

/* ---- spans ---- */

static void test_spans(void)
{
    const struct wm_point at = { .ranks = 2, .window = 3, .distinct = true, .bytes = 6, .seed = 9, .round = 2 };
    struct wm_spans spans = { 0 };

    wm_spans_add(&spans, (struct wm_span){ .bytes = 0 });
    CHECK_INT(spans.n, 0);
    wm_benchmark_bandwidth.fill(&at, &spans);
    CHECK_INT(spans.n, 3);
    for (int w = 0; w < spans.n; w++) {
        CHECK_INT(spans.span[w].at.offset, 6 * w);
        CHECK_INT(spans.span[w].bytes, 6);
        CHECK_INT(spans.span[w].first, 2 * w); /* messages of 6 bytes: two words, the second cut */
        CHECK(spans.span[w].pattern.rank == 0 && spans.span[w].pattern.peer == 1 && spans.span[w].pattern.round == 2);
    }
    wm_spans_free(&spans);
    CHECK(spans.span == NULL && spans.n == 0);
}

/* In place without a new fill: data that the operation leaves as they are. */
static void test_fixed_points(void)
{
    struct wm_point at = { .rank = 2, .ranks = 4, .bytes = 64, .type = WM_FLOAT, .in_place = true, .repeated = true };
    struct wm_spans in = { 0 }, out = { 0 };

    wm_benchmark_allreduce.fill(&at, &in);
    wm_benchmark_allreduce.expect(&at, &out);
    CHECK(in.n == 1 && in.span[0].pattern.kind == WM_IDENTITY && in.span[0].at.area == WM_OUT);
    CHECK(out.n == 1 && out.span[0].pattern.kind == WM_IDENTITY);
    wm_spans_free(&in);
    wm_spans_free(&out);
    wm_benchmark_alltoall.fill(&at, &in);
    wm_benchmark_alltoall.expect(&at, &out);
    for (int k = 0; k < 4; k++) {
        CHECK_INT(in.span[k].pattern.rank, out.span[k].pattern.rank);
        CHECK_INT(in.span[k].pattern.peer, out.span[k].pattern.peer);
    }
    at.repeated = false;
    wm_spans_free(&in);
    wm_benchmark_alltoall.fill(&at, &in);
    CHECK(in.span[0].pattern.rank == 2 && in.span[0].pattern.peer == 0);
    wm_spans_free(&in);
    wm_spans_free(&out);
}

int main(void)
{
    test_bytes();
    test_rows();
    test_operations();
    test_one_sided();
    test_sent_bytes();
    test_cut();
    test_skew();
    test_skew_by_seed();
    test_spans();
    test_fixed_points();
    return wm_tests_end();
}
