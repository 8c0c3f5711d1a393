#include "bench/plan.h"

#include <stdlib.h>

#include "bench/build.h"
#include "src/cli/command.h"
#include "tests/unit/check.h"

enum { MAX_WORDS = 32 };

/* A plan from a command line, as the program makes it. */
struct made {
    struct wm_cli_options options;
    struct wm_plan plan;
    struct wm_err err;
    char text[512], *argv[MAX_WORDS];
    int host_of[64];
};

static uint64_t free_bytes; /* of the request */

static enum wm_code make_with(struct made *m, int ranks, int hosts, const unsigned char *gpu_ways, const char *line)
{
    int argc = 0;
    memset(m, 0, sizeof(*m));
    snprintf(m->text, sizeof(m->text), "run %s", line);
    for (char *word = strtok(m->text, " "); word != NULL && argc < MAX_WORDS - 1; word = strtok(NULL, " "))
        m->argv[argc++] = word;
    for (int r = 0; r < ranks; r++)
        m->host_of[r] = r * hosts / ranks;
    if (wm_cli_options_parse(&m->options, false, argc, m->argv, &m->err) != WM_OK)
        return m->err.code;
    struct wm_plan_request request = {
        .conf = &m->options.conf,
        .groups = m->options.group,
        .n_groups = m->options.n_groups,
        .benchmarks = wm_benchmarks,
        .words = m->options.words,
        .n_words = m->options.n_words,
        .transport = m->options.transport,
        .n_transports = m->options.n_transports,
        .memory = m->options.memory,
        .n_memories = m->options.n_memories,
        .host_of = m->host_of,
        .gpu_ways = gpu_ways,
        .ranks = ranks,
        .hosts = hosts,
        .cache_bytes = 1 << 20,
        .free_bytes = free_bytes,
    };
    wm_plan_make(&request, &m->plan, &m->err);
    return m->err.code;
}

static enum wm_code make(struct made *m, int ranks, int hosts, const char *line)
{
    return make_with(m, ranks, hosts, NULL, line);
}

static void drop(struct made *m)
{
    wm_plan_free(&m->plan);
    wm_cli_options_free(&m->options);
}

/* ---- what is planned ---- */

/* A row takes those of the kinds that it can be of, and nothing of it is an arm more. */
static void test_rows_choose_among_memory(void)
{
    static const struct {
        const char *line;
        int arms[2], varies[2];
    } rows[] = {
        { "copy-h2d copy-d2h --mem host:simulated,simulated:host --bytes 8", { 1, 1 }, { 0, 0 } },
        { "copy-local latency --mem simulated,host --path direct,staged --bytes 8", { 1, 3 }, { 0, 2 } },
        { "copy-local copy-write --mem simulated --algo ce,sm --transport mpi,sim --bytes 8", { 2, 4 }, { 1, 2 } },
    };
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(*rows)); i++) {
        struct made m;
        CHECK_INT(make(&m, 2, 1, rows[i].line), WM_OK);
        for (int k = 0; k < 2 && m.err.code == WM_OK; k++) {
            CHECK_INT(m.plan.sweep[k].n_arms, rows[i].arms[k]);
            CHECK_INT(m.plan.sweep[k].n_varies, rows[i].varies[k]);
        }
        drop(&m);
    }
}

/* Copies of GPUs have sizes of their own where the user gives none, as far as memory goes: two messages for each peer,
 * in and out, in a quarter of what is free. */
static void test_sizes_of_rows(void)
{
    enum { M = 1 << 20 };
    static const struct {
        const char *line;
        uint64_t free_bytes;
        size_t first, last;
    } rows[] = {
        { "copy-h2d --mem host:simulated", 0, 1 * M, 256 * M },
        { "copy-h2d --mem host:simulated", UINT64_C(80) << 30, 1 * M, 256 * M },
        { "copy-h2d --mem host:simulated", UINT64_C(4) << 30, 1 * M, 256 * M }, /* 4 x 256 MiB of 4 GiB */
        { "copy-h2d --mem host:simulated", (UINT64_C(4) << 30) - 1, 1 * M, 128 * M },
        { "copy-all-to-one --mem simulated", UINT64_C(4) << 30, 1 * M, 64 * M }, /* from 3 peers: 12 x 64 MiB */
        { "copy-h2d --mem host:simulated", 1, 1 * M, 1 * M },
        { "copy-latency --mem simulated", 0, M / 16, 64 * M },
        { "copy-latency-peer --mem simulated", 0, M / 16, 4 * M },
        { "copy-h2d --mem host:simulated --min-bytes 64", 0, 64, 4 * M },
        { "copy-h2d --mem host:simulated --max-bytes 1G", 1, 1, 1024 * M },
        { "copy-h2d --mem host:simulated --bytes 8,512M", 1, 8, 512 * M },
        { "latency copy-h2d --mem host:simulated", 0, 1, 4 * M }, /* of the first */
        { "copy-h2d latency --mem host:simulated", 0, 1 * M, 256 * M },
    };
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(*rows)); i++) {
        struct made m;
        free_bytes = rows[i].free_bytes;
        CHECK_INT(make(&m, 4, 1, rows[i].line), WM_OK);
        const struct wm_sweep *sweep = &m.plan.sweep[0];
        if (!(CHECK_INT(sweep->cell[0].bytes, rows[i].first) &
              CHECK_INT(sweep->cell[(sweep->n_sizes - 1) * sweep->n_arms].bytes, rows[i].last)))
            printf("%s, row %d\n", rows[i].line, i);
        drop(&m);
    }
    free_bytes = 0;
}

/* Ranks 1 and 3 alone are joined by NVLink. */
static void test_pairs_are_those_that_a_fabric_joins(void)
{
    enum { NV = WM_FABRIC_NVLINK, PCI = WM_FABRIC_PCIE };
    static const unsigned char ways[16] = { 0, PCI, PCI, PCI, PCI, 0, PCI, NV, PCI, PCI, 0, PCI, PCI, NV, PCI, 0 };
    static const unsigned char none[16] = { 0 };
    static const struct {
        const char *line;
        const unsigned char *ways;
        enum wm_code code;
        int from, to;
        const char *part;
    } rows[] = {
        { "latency --mem simulated --transport mpi --fabric nvlink", ways, WM_OK, 1, 3, "" },
        { "latency --mem simulated --transport mpi --fabric pcie", ways, WM_OK, 0, 1, "" },
        { "latency --mem simulated --transport mpi --fabric nvlink --pairs same-host", ways, WM_OK, 1, 3, "" },
        { "latency --mem simulated --transport mpi --fabric nvlink --pairs 3-1", ways, WM_OK, 3, 1, "" },
        { "latency --mem simulated --transport mpi --fabric nvlink --pairs 0-1", ways, WM_EABSENT, 0, 0,
          "--fabric nvlink does not join the GPUs of ranks 0 and 1" },
        { "latency --mem simulated --transport mpi --fabric nvlink", none, WM_EABSENT, 0, 0,
          "looked for two ranks on GPUs that it joins, and found none among 4 ranks" },
        { "latency --mem simulated --transport mpi --fabric nvlink", NULL, WM_OK, 0, 1, "" }, /* of another machine */
        { "latency --transport mpi --fabric nvlink", ways, WM_EUSAGE, 0, 0,
          "latency would move host memory: take --mem" },
    };
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(*rows)); i++) {
        struct made m;
        CHECK_INT(make_with(&m, 4, 1, rows[i].ways, rows[i].line), rows[i].code);
        CHECK_HAS(m.err.what, rows[i].part);
        if (m.err.code == WM_OK) {
            CHECK_INT(m.plan.sweep[0].arm[0].round->pair[0].from, rows[i].from);
            CHECK_INT(m.plan.sweep[0].arm[0].round->pair[0].to, rows[i].to);
        }
        drop(&m);
    }
}

/* Copies of one rank are rank 0's, whoever else is there. */
static void test_one_rank_alone(void)
{
    struct made m;
    CHECK_INT(make(&m, 1, 1, "copy-both --mem host:simulated --bytes 1K --window 4 --buffers distinct"), WM_OK);
    const struct wm_arm_spec *spec = &m.plan.sweep[0].arm[0];
    struct wm_schedule s;
    struct wm_point at = wm_build_point(&m.plan, spec, &m.plan.sweep[0].cell[0], 0, 0, WM_PASS_TIMED, 0);
    CHECK(wm_build_part(spec, 0, NULL) && !wm_build_part(spec, 1, NULL));
    CHECK_INT(at.ranks, 1);
    CHECK_INT(wm_build_schedule(spec, &at, 0, &s, &m.err), WM_OK);
    CHECK_INT(s.n, 8);
    CHECK_INT((int)s.area_bytes[WM_IN], 8 * 1024);
    wm_schedule_free(&s);
    drop(&m);
}

static void test_counts(void)
{
    static const struct {
        const char *line;
        int ranks, hosts, sweeps, cells;
    } rows[] = {
        { "", 2, 1, 5, 23 + 23 + 21 + 22 + 23 }, /* allreduce from 4 B (float), alltoall from 2 B */
        { "latency --bytes 8,1,8", 2, 1, 1, 2 }, /* equal sizes once */
        { "latency --min-bytes 0 --max-bytes 4", 2, 1, 1, 4 },
        { "alltoall --min-bytes 1 --max-bytes 8", 3, 1, 1, 2 }, /* 4 -> 3, 8 -> 6 */
        { "allreduce --algo all --bytes 64", 2, 1, 1, 4 },
        { "allreduce --algo ring,native --dtype float,half --bytes 64", 4, 1, 1, 4 },
        { "barrier", 4, 1, 1, 1 },
        { "bandwidth --bytes 8,4M --window 64,128", 2, 1, 1, 3 }, /* at 4M both shrink to 64 */
        { "latency --pairs all --bytes 8", 5, 1, 5, 5 },
        { "latency --pairs 0-1,1-2 --bytes 8", 3, 1, 1, 2 },
        { "allreduce alltoall --algo ring,pairwise --bytes 64", 2, 1, 2, 2 },
        { "allreduce alltoall --algo allreduce:ring --bytes 64", 2, 1, 2, 2 },
        { "allreduce alltoall --algo allreduce:all --bytes 64", 2, 1, 2, 5 },
        { "allreduce alltoall latency barrier --algo auto --bytes 64", 2, 1, 4, 4 },
        { "allreduce latency --algo all,auto --bytes 64", 2, 1, 2, 5 + 1 }, /* latency has nothing to choose */
        { "allreduce alltoall --algo native,allreduce:auto --bytes 64", 2, 1, 2, 2 + 1 },
        { "latency --transport sim --sim-fault-rank 1 --bytes 8", 2, 1, 1, 1 },
        { "latency --transport mpi,null --bytes 8", 2, 1, 1, 2 },
        { "latency --transport mpi --fabric tcp,ib --bytes 8", 2, 1, 1, 2 },
        { "broadcast --root 0,1,rotate --bytes 8", 2, 1, 1, 3 },
        { "latency barrier --mem simulated --path staged,direct --bytes 8", 2, 1, 2, 2 + 1 },
        { "latency --mem host,simulated --path direct,staged,pipelined --bytes 8", 2, 1, 1, 1 + 3 },
        { "latency --mem host,simulated,host:simulated --bytes 8", 2, 1, 1, 3 },
        { "allreduce --op sum,max --sync barrier,none --buffers hot,cold --bytes 8", 2, 1, 1, 8 },
        { "allreduce --transport nccl --enqueue 1,4 --nccl-gdr on,off --bytes 8", 2, 1, 1, 4 },
        { "allreduce --transport mpi,nccl --path direct,staged --bytes 8", 2, 1, 1, 2 + 1 }, /* nccl has no detour */
        { "allreduce --transport mpi,nccl --mem host,device --bytes 8", 2, 1, 1, 2 + 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        if (strstr(rows[i].line, "nccl") != NULL && wm_transport_find("nccl")->transport == NULL)
            continue; /* built without CUDA */
        if (!CHECK(make(&m, rows[i].ranks, rows[i].hosts, rows[i].line) == WM_OK))
            printf("  %s: %s\n", rows[i].line, m.err.what);
        if (!CHECK_INT(m.plan.n_sweeps, rows[i].sweeps) || !CHECK_INT(m.plan.n_cells, rows[i].cells))
            printf("  in: %s\n", rows[i].line);
        drop(&m);
    }
}

static void test_refusals(void)
{
    static const struct {
        const char *line;
        int ranks;
        enum wm_code code;
        const char *part;
    } rows[] = {
        { "latencey", 2, WM_EUSAGE, "unknown benchmark 'latencey' (did you mean latency?)" },
        { "latency latency", 2, WM_EUSAGE, "named twice" },
        { "latency", 1, WM_EUSAGE, "latency needs 2 ranks and this run has 1" },
        { "", 1, WM_EUSAGE, "needs 2 ranks" },
        { "latency --min-bytes 4M --max-bytes 1K", 2, WM_EUSAGE, "--min-bytes 4M is above --max-bytes 1K" },
        { "latency --bytes 8 --min-bytes 4", 2, WM_EUSAGE, "leave out --min-bytes" },
        { "latency --op max", 2, WM_EUSAGE, "--op has no effect" },
        { "latency --mem simulted", 2, WM_EUSAGE, "unknown memory 'simulted' (did you mean simulated?)" },
        { "latency --mem simulated:hst", 2, WM_EUSAGE, "unknown memory 'hst' (did you mean host?)" },
        { "latency --mem simulated:", 2, WM_EUSAGE, "unknown memory ''" },
        { "latency --mem host,host:host", 2, WM_EUSAGE, "--mem: host:host is named twice" },
        { "barrier --mem simulated", 2, WM_EUSAGE, "--mem has no effect" },
        { "copy-h2d --mem simulated", 1, WM_EUSAGE,
          "copies from host or pinned memory to a device's: no word of --mem" },
        { "copy-local --mem host:simulated", 1, WM_EUSAGE, "no word of --mem is of that kind; take --mem device" },
        { "copy-local --mem simulated --path staged", 1, WM_EUSAGE, "--path has no effect: none of these" },
        { "copy-write --mem simulated", 1, WM_EUSAGE, "copy-write needs 2 ranks and this run has 1" },
        { "latency --path staged", 2, WM_EUSAGE, "--path has no effect: --mem names no memory of a device" },
        { "latency --mem simulated --chunk 64K", 2, WM_EUSAGE, "--chunk has no effect without --path pipelined" },
        { "latency --mem simulated --path direct,staged --slots 2", 2, WM_EUSAGE, "--slots has no effect" },
        { "latency --sim-device-rate 1G", 2, WM_EUSAGE, "--sim-device-rate has no effect without --mem simulated" },
        { "latency --root 1", 2, WM_EUSAGE, "--root has no effect" },
        { "allreduce --pairs 0-1", 2, WM_EUSAGE, "--pairs has no effect" },
        { "allreduce --window 4", 2, WM_EUSAGE, "--window has no effect" },
        { "latency --in-place", 2, WM_EUSAGE, "--in-place has no effect" },
        { "latency --sync none", 2, WM_EUSAGE, "--sync has no effect" },
        { "barrier --bytes 8", 2, WM_EUSAGE, "--bytes has no effect" },
        { "latency --sim-delay 1us", 2, WM_EUSAGE, "--sim-delay has no effect without --transport sim" },
        { "broadcast --root 7", 2, WM_EUSAGE, "expected a rank from 0 to 1, or rotate" },
        { "broadcast --root 0,00", 2, WM_EUSAGE, "--root 00: expected a rank" },
        { "broadcast --root 0,0", 2, WM_EUSAGE, "0 is named twice" },
        { "allreduce --algo rign", 2, WM_EUSAGE, "no benchmark of this run has it (did you mean ring?)" },
        { "allreduce alltoall --algo ring", 2, WM_EUSAGE, "alltoall has no such algorithm; it has native" },
        { "allreduce --algo ring,all", 2, WM_EUSAGE, "--algo: all names ring of allreduce a second time" },
        { "allreduce --algo all,ring", 2, WM_EUSAGE, "--algo: ring names ring of allreduce a second time" },
        { "allreduce --algo ring,allreduce:ring", 2, WM_EUSAGE,
          "--algo: allreduce:ring names ring of allreduce a second time" },
        { "allreduce --algo ring,ring", 2, WM_EUSAGE, "--algo: ring is named twice" },
        { "allreduce --algo auot", 2, WM_EUSAGE, "no benchmark of this run has it (did you mean auto?)" },
        { "allreduce --algo auto,allreduce:auto", 2, WM_EUSAGE,
          "allreduce:auto names auto of allreduce a second time" },
        { "latency --algo all,all", 2, WM_EUSAGE, "--algo: all is named twice" },
        { "latency --algo allreduce:all", 2, WM_EUSAGE, "--algo allreduce:all: no benchmark of this run has it" },
        { "latency --transport sim --sim-fault-rank 2", 2, WM_EUSAGE, "--sim-fault-rank 2: there are 2 ranks, 0 to 1" },
        { "latency --transport mpi,sim --sim-fault drop --sim-fault-rank 1000000000", 3, WM_EUSAGE,
          "--sim-fault-rank 1000000000: there are 3 ranks, 0 to 2" },
        { "bandwidth --window 4,4", 2, WM_EUSAGE, "--window: 4 is named twice" },
        { "allreduce --bytes 3", 2, WM_EUSAGE, "no size to measure for allreduce" },
        { "latency --pairs all,0-1", 4, WM_EUSAGE, "--pairs all stands alone" },
        { "latency --transport mip", 2, WM_EUSAGE, "unknown transport 'mip' (did you mean mpi?)" },
        { "latency --transport mpi,mpi", 2, WM_EUSAGE, "mpi is named twice" },
        { "latency --dtype flaot", 2, WM_EUSAGE, "float" },
        { "allreduce --op summ", 2, WM_EUSAGE, "sum" },
        { "latency --precision 0", 2, WM_EUSAGE, "--precision" },
        { "latency --bytes 1Q", 2, WM_EUSAGE, "1Q" },
        { "latency --bytes -8", 2, WM_EUSAGE, "-8" },
        { "latency --bytes 99999999999999999999", 2, WM_EUSAGE,
          "--bytes: \"99999999999999999999\" is out of range, want from 0 to 1T" },
        { "latency --seed 18446744073709551615", 2, WM_EUSAGE,
          "--seed: \"18446744073709551615\" is out of range, want from 0 to 4294967295" },
        { "latency --byt 8", 2, WM_EUSAGE, "--bytes" },
        { "latency --fabric rocee", 2, WM_EUSAGE, "did you mean roce?" },
        { "latency --fabric tcp,tcp", 2, WM_EUSAGE, "tcp is given twice" },
        { "latency --fabric roce --transport sim", 2, WM_EUSAGE, "sim does not use roce" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        if (!CHECK_INT(make(&m, rows[i].ranks, 1, rows[i].line), rows[i].code) || !CHECK_HAS(m.err.what, rows[i].part))
            printf("  in: %s\n", rows[i].line);
        drop(&m);
    }
}

/* ---- who a cell is ---- */

static void check_id(int ranks, int hosts, const char *line, int size, int arm, const char *id)
{
    static struct wm_result_cell cell;
    struct made m;
    if (CHECK(make(&m, ranks, hosts, line) == WM_OK)) {
        wm_plan_identity(&m.plan, &m.plan.sweep[0], size, arm, &cell);
        CHECK_TEXT(cell.id, id);
    } else {
        printf("  %s: %s\n", line, m.err.what);
    }
    drop(&m);
}

static void test_identities(void)
{
    check_id(2, 1, "latency --bytes 8", 0, 0,
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=1 "
             "placement=same-host");
    check_id(4, 2, "latency --bytes 8", 0, 0,
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=2 "
             "placement=cross-host");
    check_id(4, 2, "allreduce --bytes 64 --algo auto", 0, 0,
             "bench=allreduce transport=mpi path=host mem=host bytes=64 dtype=float op=sum algo=auto ranks=4 hosts=2 "
             "placement=mixed");
    check_id(2, 1, "latency --bytes 8 --algo auto", 0, 0,
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=1 "
             "placement=same-host");
    check_id(4, 2, "allreduce --bytes 64 --op max --in-place --sync none --algo ring", 0, 0,
             "bench=allreduce transport=mpi path=host mem=host bytes=64 dtype=float op=max algo=ring ranks=4 hosts=2 "
             "placement=mixed in-place=on sync=none");
    check_id(2, 1, "bandwidth --bytes 16M --window 8,64", 0, 1,
             "bench=bandwidth transport=mpi path=host mem=host bytes=16777216 dtype=int8 algo=window ranks=2 hosts=1 "
             "placement=same-host window=16"); /* 64 shrinks to keep 256M in flight */
    check_id(4, 1, "latency --pairs all --bytes 8", 0, 0,
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=4 hosts=1 "
             "placement=same-host pairs=all round=1");
    check_id(2, 1, "latency --transport sim --sim-delay 5us --bytes 8", 0, 0,
             "bench=latency transport=sim path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=1 "
             "placement=same-host sim-delay=5000ns");
    check_id(3, 2, "copy-h2d --mem host:simulated --transport mpi,sim --sim-delay 5us --bytes 8", 0, 0,
             "bench=copy-h2d transport=sim path=direct mem=host:simulated bytes=8 dtype=int8 algo=ce ranks=1 hosts=1 "
             "placement=same-host"); /* copies of one rank go over no transport */
    check_id(2, 1, "copy-local --mem simulated --algo sm --bytes 8", 0, 0,
             "bench=copy-local transport=sim path=direct mem=simulated bytes=8 dtype=int8 algo=sm ranks=1 hosts=1 "
             "placement=same-host");
    check_id(2, 1, "copy-write --mem simulated --bytes 8", 0, 0,
             "bench=copy-write transport=sim path=direct mem=simulated bytes=8 dtype=int8 algo=ce ranks=2 hosts=1 "
             "placement=same-host");
    check_id(2, 2, "broadcast --root rotate --bytes 8", 0, 0,
             "bench=broadcast transport=mpi path=host mem=host bytes=8 dtype=int8 algo=native ranks=2 hosts=2 "
             "placement=cross-host root=rotate");
}

static void test_ids_name_the_fabric_asked_for(void)
{
    check_id(2, 2, "latency --transport mpi --fabric tcp,ib --bytes 8", 0, 1,
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=2 "
             "placement=cross-host fabric=ib");
    check_id(2, 2, "latency --nic eth0 --bytes 8", 0, 0, /* and never a card */
             "bench=latency transport=mpi path=host mem=host bytes=8 dtype=int8 algo=ping-pong ranks=2 hosts=2 "
             "placement=cross-host");
}

static void test_arms_are_named_by_their_ways(void)
{
    static const struct {
        const char *line, *varies[2], *label;
    } rows[] = {
        { "latency --bytes 8 --transport mpi --fabric tcp,ib", { "fabric" }, "fabric=ib" },
        { "latency --bytes 8 --transport mpi,null", { "transport" }, "transport=null" },
        { "latency --bytes 8 --transport mpi --fabric tcp,ib --dtype int8", { "fabric" }, "fabric=ib" },
        { "latency --bytes 8 --transport mpi --fabric tcp,ib --buffers hot,cold",
          { "fabric", "buffers" },
          "fabric=tcp buffers=cold" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        char label[64];
        if (CHECK(make(&m, 2, 1, rows[i].line) == WM_OK)) {
            for (int v = 0; v < m.plan.sweep[0].n_varies; v++)
                CHECK_TEXT(m.plan.sweep[0].varies[v], rows[i].varies[v]);
            CHECK_INT(m.plan.sweep[0].n_varies, 1 + (rows[i].varies[1] != NULL));
            CHECK_TEXT(wm_plan_arm_label(&m.plan, &m.plan.sweep[0], 1, label, sizeof(label)), rows[i].label);
        }
        drop(&m);
    }
}

static void test_shared_memory_ends_at_the_host(void)
{
    static const struct {
        const char *line, *part;
        int hosts;
    } rows[] = {
        { "latency --fabric shm", "--fabric shm ends at the host, and latency goes between hosts: name ranks of one",
          2 },
        { "allreduce --fabric shm --bytes 64", "allreduce goes between hosts: start all ranks on one host", 2 },
        { "latency --fabric tcp,shm --transport mpi", "latency goes between hosts", 2 },
        { "latency --fabric shm --pairs same-host", "", 2 },
        { "allreduce --fabric shm --bytes 64", "", 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        CHECK_INT(make(&m, 4, rows[i].hosts, rows[i].line), rows[i].part[0] != '\0' ? WM_EUSAGE : WM_OK);
        CHECK_HAS(m.err.what, rows[i].part);
        drop(&m);
    }
}

/* Two cells of one plan never share an id: launches are matched by it. */
static void test_ids_are_unique(void)
{
    static struct wm_result_cell cell;
    static char ids[512][512];
    struct made m;
    int n = 0;
    CHECK(
        make(
            &m, 4, 2,
            "latency bandwidth allreduce broadcast --algo all --dtype int8,float --op sum,max --root 0,1 --window 4,64 "
            "--buffers hot,cold --sync none,barrier --pairs 0-1,0-2 --bytes 8 --fabric tcp,ib --transport mpi") ==
        WM_OK);
    for (int i = 0; i < m.plan.n_sweeps; i++)
        for (int k = 0; k < m.plan.sweep[i].n_sizes * m.plan.sweep[i].n_arms && n < 512; k++) {
            wm_plan_identity(&m.plan, &m.plan.sweep[i], k / m.plan.sweep[i].n_arms, k % m.plan.sweep[i].n_arms, &cell);
            memcpy(ids[n++], cell.id, sizeof(ids[0]));
        }
    qsort(ids, (size_t)n, sizeof(ids[0]), (int (*)(const void *, const void *))strcmp);
    for (int i = 1; i < n; i++)
        CHECK(strcmp(ids[i - 1], ids[i]) != 0);
    CHECK(n > 100);
    drop(&m);
}

static void test_numbers_lead_back_to_cells(void)
{
    struct made m;
    CHECK(make(&m, 2, 1, "latency allreduce --algo all --bytes 64,128") == WM_OK);
    uint32_t number = 0;
    for (int i = 0; i < m.plan.n_sweeps; i++)
        for (int s = 0; s < m.plan.sweep[i].n_sizes; s++)
            for (int a = 0; a < m.plan.sweep[i].n_arms; a++) {
                const struct wm_sweep *sweep = NULL;
                int size = -1, arm = -1;
                CHECK(wm_plan_cell(&m.plan, number++, &sweep, &size, &arm));
                CHECK(sweep == &m.plan.sweep[i] && size == s && arm == a);
            }
    const struct wm_sweep *none;
    int size, arm;
    CHECK(!wm_plan_cell(&m.plan, number, &none, &size, &arm));
    drop(&m);
}

/* ---- memory ---- */

static void test_needs(void)
{
    struct made m;
    struct wm_plan_layout need[4];
    CHECK(make(&m, 2, 1, "latency --bytes 1M") == WM_OK);
    CHECK_INT(wm_plan_need(&m.plan, 0, need, &m.err), WM_OK);
    CHECK_INT(need->area_bytes[WM_IN], 1 << 20);
    CHECK_INT(need->area_bytes[WM_OUT], 1 << 20);
    drop(&m);
    CHECK(make(&m, 2, 1, "bandwidth --bytes 4M") == WM_OK); /* the verified pass holds 32M, not 64 messages */
    CHECK_INT(wm_plan_need(&m.plan, 0, need, &m.err), WM_OK);
    CHECK_INT(need->area_bytes[WM_IN], 32 << 20);
    drop(&m);
    CHECK(make(&m, 2, 1, "bandwidth --bytes 4M --buffers distinct") == WM_OK);
    CHECK_INT(wm_plan_need(&m.plan, 0, need, &m.err), WM_OK);
    CHECK_INT(need->area_bytes[WM_IN], 256 << 20);
    drop(&m);
    CHECK(make(&m, 2, 1, "latency --bytes 64 --buffers cold") == WM_OK);
    CHECK_INT(wm_plan_need(&m.plan, 0, need, &m.err), WM_OK);
    CHECK(need->area_bytes[WM_IN] > 2u << 20); /* twice the cache of this plan */
    drop(&m);
    CHECK(make(&m, 2, 1, "put-latency --bytes 64") == WM_OK);
    CHECK_INT(wm_plan_need(&m.plan, 0, need, &m.err), WM_OK);
    CHECK_INT(need->shared, 1u << WM_OUT);
    drop(&m);
}

/* Which kind of memory each area is, and what the detours need of it. Only the host's are counted for the host; the
 * simulated device's are the host's, too. */
static void test_layouts(void)
{
    static const struct {
        const char *line;
        int layout; /* the used one */
        const char *mem[WM_AREAS];
        size_t bytes[WM_AREAS];
    } rows[] = {
        { "latency --bytes 1M", 0, { "host", "host", "host" }, { 1 << 20, 1 << 20 } },
        { "latency --bytes 1M --mem simulated", 0, { "simulated", "simulated", "simulated" }, { 1 << 20, 1 << 20 } },
        { "latency --bytes 1M --mem host:simulated", 0, { "host", "simulated", "simulated" }, { 1 << 20, 1 << 20 } },
        { "latency --bytes 1M --mem simulated:host", 0, { "simulated", "host", "host" }, { 1 << 20, 1 << 20 } },
        { "latency --bytes 1M --mem simulated --path staged",
          1,
          { "simulated", "simulated", "host", "host", "host", "host" },
          { 1 << 20, 1 << 20, 0, 0, 0, 2 << 20 } },
        { "latency --bytes 1M --mem simulated:host --path pipelined --chunk 64K --slots 2",
          1,
          { "simulated", "host", "host", "host", "host", "host" },
          { 1 << 20, 1 << 20, 0, 0, 0, 128 << 10 } },
        { "allreduce --bytes 1M --mem simulated --path staged",
          1,
          { "simulated", "simulated", "host", "host", "host", "host" },
          { 1 << 20, 1 << 20, 0, 1 << 20, 1 << 20 } },
        { "barrier", 2, { "host", "host", "host" }, { 0 } },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        struct wm_plan_layout layout[4];
        if (!CHECK(make(&m, 2, 1, rows[i].line) == WM_OK) ||
            !CHECK_INT(wm_plan_need(&m.plan, 0, layout, &m.err), WM_OK))
            printf("  %s: %s\n", rows[i].line, m.err.what);
        for (int k = 0; k < wm_plan_layouts(&m.plan); k++)
            CHECK(layout[k].used == (k == rows[i].layout));
        for (int a = 0; a < WM_AREAS; a++) {
            const struct wm_mem *mem = wm_plan_area(&layout[rows[i].layout], (enum wm_area)a);
            if (!CHECK_TEXT(mem != NULL ? mem->name : "", rows[i].mem[a] != NULL ? rows[i].mem[a] : "") ||
                !CHECK_INT(layout[rows[i].layout].area_bytes[a], rows[i].bytes[a]))
                printf("  area %d in: %s\n", a, rows[i].line);
        }
        drop(&m);
    }
}

/* Layouts share the buffers of the same area and kind, at the larger size. */
static void test_buffers_are_shared(void)
{
    struct made m;
    struct wm_plan_layout layout[6];
    struct wm_plan_buffer buffer[6 * WM_AREAS];
    uint64_t bytes;
    CHECK(make(&m, 2, 1, "latency --bytes 1M --mem simulated,host --path direct,staged") == WM_OK);
    CHECK_INT(wm_plan_need(&m.plan, 0, layout, &m.err), WM_OK);
    CHECK_INT(wm_plan_buffers(layout, wm_plan_layouts(&m.plan), buffer), 3 + 4 + 2); /* the host's WORK once */
    CHECK_INT(wm_plan_host_bytes(&m.plan, 0, &bytes, &m.err), WM_OK);
    CHECK_INT(bytes, (2 + 2 + 2) * (1 << 20) + 4 * 64);
    drop(&m);
}

/* auto needs what the largest of its candidates does. */
static void test_auto_needs_the_largest(void)
{
    struct made all, chosen, native;
    struct wm_plan_layout of_all[4], of_auto[4], of_native[4];
    CHECK(make(&all, 4, 1, "allreduce --bytes 1M --algo all") == WM_OK);
    CHECK(make(&chosen, 4, 1, "allreduce --bytes 1M --algo auto") == WM_OK);
    CHECK(make(&native, 4, 1, "allreduce --bytes 1M") == WM_OK);
    CHECK_INT(wm_plan_need(&all.plan, 1, of_all, &all.err), WM_OK);
    CHECK_INT(wm_plan_need(&chosen.plan, 1, of_auto, &chosen.err), WM_OK);
    CHECK_INT(wm_plan_need(&native.plan, 1, of_native, &native.err), WM_OK);
    for (int a = 0; a < WM_AREAS; a++)
        CHECK_INT(of_auto->area_bytes[a], of_all->area_bytes[a]);
    CHECK(of_auto->area_bytes[WM_WORK] > of_native->area_bytes[WM_WORK]);
    drop(&all);
    drop(&chosen);
    drop(&native);
}

/* ---- time ---- */

static void test_time(void)
{
    static const struct {
        const char *line;
        uint64_t ms;
    } rows[] = {
        { "allreduce --bytes 64,128 --cell-time 100ms", 200 },
        { "allreduce --bytes 64,128 --cell-time 100ms --algo auto", 200 + 2 * 4 * 10 },
        { "allreduce --bytes 64 --cell-time 100ms --algo all,auto", 500 + 4 * 10 },
        { "latency --bytes 8 --cell-time 100ms --algo auto", 100 },
        { "latency --bytes 8,4M --mem simulated --path pipelined --cell-time 100ms", 200 + 6 * 10 },
        { "latency --bytes 4M,5M --mem simulated --path pipelined --cell-time 100ms", 200 + 6 * 10 }, /* one class */
        { "alltoall --bytes 1,8 --cell-time 100ms", 100 }, /* 1 is not planned */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        CHECK(make(&m, 2, 1, rows[i].line) == WM_OK);
        if (!CHECK_INT(wm_plan_time_ns(&m.plan), rows[i].ms * 1000000))
            printf("  in: %s\n", rows[i].line);
        drop(&m);
    }
}

/* ---- candidates ---- */

/* Chunks and slots are tried where they make a difference, and only those that the user left open. */
static void test_chunks_to_try(void)
{
    static const struct {
        const char *line;
        size_t bytes;
        const char *labels[8];
    } rows[] = {
        { "latency", 8, { "chunks of 512K, 4 at once" } },
        { "latency",
          256 << 10,
          { "chunks of 512K, 4 at once", "chunks of 128K, 4 at once", "chunks of 128K, 16 at once" } },
        { "latency",
          4 << 20,
          { "chunks of 512K, 4 at once", "chunks of 512K, 16 at once", "chunks of 128K, 4 at once",
            "chunks of 128K, 16 at once", "chunks of 2M, 4 at once", "chunks of 2M, 16 at once" } },
        { "bandwidth", 8, { "chunks of 512K, 4 at once", "chunks of 512K, 16 at once" } },
        { "latency --chunk 1M", 4 << 20, { "chunks of 1M, 4 at once", "chunks of 1M, 16 at once" } },
        { "latency --slots 2",
          4 << 20,
          { "chunks of 512K, 2 at once", "chunks of 128K, 2 at once", "chunks of 2M, 2 at once" } },
        { "latency --chunk 1M --slots 2", 4 << 20, { "chunks of 1M, 2 at once" } },
        { "allreduce --algo auto", 4 << 20, { "native", "ring", "recursive-doubling", "rabenseifner" } },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct made m;
        struct wm_arm_spec trial[WM_PLAN_TRIALS];
        char line[128], label[64];
        snprintf(line, sizeof(line), "%s --mem simulated --path pipelined", rows[i].line);
        CHECK(make(&m, 2, 1, line) == WM_OK);
        const struct wm_arm_spec *asked = &m.plan.sweep[0].arm[0];
        int n = wm_plan_trials(&m.plan, asked, rows[i].bytes, trial), k = 0;
        CHECK_INT(wm_plan_trials(&m.plan, asked, rows[i].bytes, NULL), n);
        for (; k < n && rows[i].labels[k] != NULL; k++)
            CHECK_TEXT(wm_plan_trial_label(asked, &trial[k], label, sizeof(label)), rows[i].labels[k]);
        if (!CHECK(k == n && rows[i].labels[k] == NULL))
            printf("  %d trials in: %s at %zu bytes\n", n, line, rows[i].bytes);
        drop(&m);
    }
    CHECK_INT(wm_plan_size_class(0), 0);
    CHECK(wm_plan_size_class(256 << 10) == wm_plan_size_class((1 << 20) - 1));
    CHECK(wm_plan_size_class(256 << 10) != wm_plan_size_class(1 << 20));
}

static void test_candidates(void)
{
    struct made m;
    struct wm_arm_spec trial[WM_PLAN_TRIALS];
    int candidate;
    uint32_t cell;
    CHECK(make(&m, 2, 1, "allreduce --bytes 8 --algo ring,auto") == WM_OK);
    CHECK_INT(wm_plan_trials(&m.plan, &m.plan.sweep[0].arm[0], 8, trial), 1);
    CHECK_TEXT(trial[0].algo->name, "ring");
    CHECK_INT(wm_plan_trials(&m.plan, &m.plan.sweep[0].arm[1], 8, trial), 4);
    CHECK_TEXT(trial[0].algo->name, "native");
    CHECK(!wm_plan_tuning(17, &cell, &candidate));
    CHECK_INT(cell, 17);
    CHECK(!wm_plan_tuning(UINT32_MAX, &cell, &candidate));
    CHECK(wm_plan_tuning(wm_plan_tuning_number(17, 0), &cell, &candidate));
    CHECK_INT(cell, 17);
    CHECK_INT(candidate, 0);
    CHECK(wm_plan_tuning(wm_plan_tuning_number(70000, 5), &cell, &candidate));
    CHECK_INT(cell, 70000);
    CHECK_INT(candidate, 5);
    drop(&m);
}

int main(void)
{
    test_layouts();
    test_buffers_are_shared();
    test_auto_needs_the_largest();
    test_time();
    test_chunks_to_try();
    test_candidates();
    test_rows_choose_among_memory();
    test_sizes_of_rows();
    test_one_rank_alone();
    test_pairs_are_those_that_a_fabric_joins();
    test_counts();
    test_refusals();
    test_identities();
    test_ids_name_the_fabric_asked_for();
    test_arms_are_named_by_their_ways();
    test_shared_memory_ends_at_the_host();
    test_ids_are_unique();
    test_numbers_lead_back_to_cells();
    test_needs();
    return wm_tests_end();
}
