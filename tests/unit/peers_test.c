#include <stdlib.h>

#include "bench/plan.h"
#include "src/cli/command.h"
#include "tests/unit/check.h"

enum { MOST_RANKS = 16 };

/* The peers of one rank of a plan, as "1 2 4", with " barrier" behind them. */
static void tell(const struct wm_plan *plan, int transport, int rank, char *text, size_t bytes)
{
    bool peer[MOST_RANKS];
    struct wm_plan_peers peers = { .peer = peer };
    struct wm_err err = { .rank = -1 };
    size_t used = 0;
    memset(peer, true, sizeof(peer));
    text[0] = '\0';
    if (!CHECK_INT(wm_plan_peers(plan, transport, rank, &peers, &err), WM_OK))
        return;
    for (int r = 0; r < plan->ranks; r++)
        if (peer[r])
            used += (size_t)snprintf(text + used, bytes - used, "%s%d", used > 0 ? " " : "", r);
    if (peers.barrier)
        snprintf(text + used, bytes - used, " barrier");
}

static void check(const char *line, int ranks, int hosts, int transport, int rank, const char *want)
{
    struct wm_cli_options o;
    struct wm_plan plan = { 0 };
    struct wm_err err = { .rank = -1 };
    char words[256], *argv[16] = { NULL }, got[128];
    int argc = 0, host_of[MOST_RANKS];
    snprintf(words, sizeof(words), "run %s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    for (int r = 0; r < ranks; r++)
        host_of[r] = r * hosts / ranks;
    wm_cli_options_parse(&o, false, argc, argv, &err);
    struct wm_plan_request request = {
        .conf = &o.conf,
        .groups = o.group,
        .n_groups = o.n_groups,
        .benchmarks = wm_benchmarks,
        .words = o.words,
        .n_words = o.n_words,
        .transport = o.transport,
        .n_transports = o.n_transports,
        .host_of = host_of,
        .ranks = ranks,
        .hosts = hosts,
        .cache_bytes = 1 << 20,
    };
    if (err.code == WM_OK)
        wm_plan_make(&request, &plan, &err);
    if (CHECK_TEXT(err.what, "")) {
        tell(&plan, transport, rank, got, sizeof(got));
        if (!CHECK_TEXT(got, want))
            printf("  rank %d of: %s\n", rank, line);
    }
    wm_plan_free(&plan);
    wm_cli_options_free(&o);
}

static void test_pairs(void)
{
    check("latency --bytes 8", 8, 2, 0, 0, "4");
    check("latency --bytes 8", 8, 2, 0, 4, "0");
    check("latency --bytes 8", 8, 2, 0, 1, "");
    check("latency bandwidth --bytes 8 --pairs 0-1,0-5", 8, 2, 0, 0, "1 5");
    check("put-latency --bytes 8 --pairs 4", 8, 1, 0, 6, "2");
    check("latency --bytes 8 --pairs all", 5, 1, 0, 2, "0 1 3 4");
}

static void test_groups(void)
{
    check("allreduce --algo ring --bytes 64 --sync none", 8, 1, 0, 3, "2 4");
    check("allreduce --algo ring --bytes 64", 8, 1, 0, 0,
          "1 2 4 6 7 barrier"); /* and those 1, 2, 4 further and before */
    check("allreduce --algo ring,recursive-doubling --bytes 64 --sync none", 8, 1, 0, 0, "1 2 4 7");
    check("allreduce --bytes 64 --sync none", 8, 1, 0, 0, "");                    /* the library's own */
    check("allreduce --algo auto --bytes 64 --sync none", 8, 1, 0, 0, "1 2 4 7"); /* each of which may be chosen */
    check("barrier", 8, 1, 0, 0, "1 2 4 6 7 barrier");
    check("alltoall --algo pairwise --bytes 64 --sync none", 6, 1, 0, 5, "0 1 2 3 4");
    check("broadcast --algo binomial --bytes 8 --sync none", 8, 1, 0, 0, "1 2 4");
    check("broadcast --algo binomial --bytes 8 --sync none --root rotate", 8, 1, 0, 0, "1 2 4 6 7");
}

static void test_transports_apart(void)
{
    check("latency --bytes 8 --transport mpi,null --pairs 0-1", 4, 1, 1, 0, "1");
    check("latency allreduce --algo allreduce:ring --bytes 64", 8, 2, 0, 0, "1 2 4 6 7 barrier");
    check("latency --bytes 8,16 --transport null", 2, 1, 0, 1, "0");
}

/* Whom a rank names names it, too. */
static void test_it_is_mutual(void)
{
    static const char *const lines[] = { "latency --bytes 8 --pairs 3", "reduce --algo all --bytes 64 --sync none",
                                         "broadcast --algo all --root rotate --bytes 64",
                                         "allgather --algo all --bytes 64", "reduce-scatter --algo all --bytes 256" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        bool peer[7][MOST_RANKS];
        struct wm_cli_options o;
        struct wm_plan plan;
        struct wm_err err = { .rank = -1 };
        char words[128], *argv[16] = { NULL };
        int argc = 0, host_of[7] = { 0 };
        snprintf(words, sizeof(words), "run %s", lines[i]);
        for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
            argv[argc++] = word;
        wm_cli_options_parse(&o, false, argc, argv, &err);
        struct wm_plan_request request = { .conf = &o.conf,
                                           .groups = o.group,
                                           .n_groups = o.n_groups,
                                           .benchmarks = wm_benchmarks,
                                           .words = o.words,
                                           .n_words = o.n_words,
                                           .transport = o.transport,
                                           .n_transports = o.n_transports,
                                           .host_of = host_of,
                                           .ranks = 7,
                                           .hosts = 1,
                                           .cache_bytes = 1 << 20 };
        wm_plan_make(&request, &plan, &err);
        if (CHECK_TEXT(err.what, "")) {
            for (int r = 0; r < 7; r++)
                wm_plan_peers(&plan, 0, r, &(struct wm_plan_peers){ .peer = peer[r] }, &err);
            for (int a = 0; a < 7; a++)
                for (int b = 0; b < 7; b++)
                    if (!CHECK_INT(peer[a][b], peer[b][a]))
                        printf("  ranks %d and %d of: %s\n", a, b, lines[i]);
            wm_plan_free(&plan);
        }
        wm_cli_options_free(&o);
    }
}

int main(void)
{
    test_pairs();
    test_groups();
    test_transports_apart();
    test_it_is_mutual();
    return wm_tests_end();
}
