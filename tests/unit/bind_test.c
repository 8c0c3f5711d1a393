#include "src/topo/bind.h"

#include <stdlib.h>

#include "src/core/cpuset.h"
#include "tests/unit/check.h"

/* Two NUMA nodes of four cores with two threads each (0-3,8-11 and 4-7,12-15); each has a PCI root with one switch. */
static struct wm_topo_core core[8];
static struct wm_topo_numa numa[2] = { { .os_index = 0, .cpus = "0-3,8-11" }, { .os_index = 1, .cpus = "4-7,12-15" } };
static struct wm_topo_pci pci[] = {
    { .address = "0000:10:00.0", .parent = -1, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:11:00.0", .parent = 0, .root = 0, .numa = 0 }, /* GPU 0 */
    { .address = "0000:12:00.0", .parent = 0, .root = 0, .numa = 0 }, /* card a */
    { .address = "0000:80:00.0", .parent = -1, .root = 1, .numa = 1, .bridge = true },
    { .address = "0000:81:00.0", .parent = 3, .root = 1, .numa = 1 }, /* GPU 1 */
    { .address = "0000:82:00.0", .parent = 3, .root = 1, .numa = 1 }, /* card b */
};
static struct wm_topo_gpu gpu[2] = { { .pci = 1, .index = 0, .numa = 0 }, { .pci = 4, .index = 1, .numa = 1 } };
static struct wm_topo_port port_a = { .number = 1, .state = "ACTIVE", .fabric = WM_FABRIC_IB, .bytes_per_s = 50e9 };
static struct wm_topo_port port_b = { .number = 1, .state = "ACTIVE", .fabric = WM_FABRIC_IB, .bytes_per_s = 50e9 };
static struct wm_topo_rdma rdma[2] = {
    { .name = "mlx5_0", .pci = 2, .numa = 0, .port = &port_a, .n_ports = 1 },
    { .name = "mlx5_1", .pci = 5, .numa = 1, .port = &port_b, .n_ports = 1 },
};

static struct wm_topo machine(int gpus, int cards)
{
    for (int i = 0; i < 8; i++) {
        core[i].numa = i / 4;
        snprintf(core[i].cpus, sizeof(core[i].cpus), "%d,%d", i, i + 8);
    }
    return (struct wm_topo){ .numa = numa,
                             .n_numa = 2,
                             .core = core,
                             .n_cores = 8,
                             .pci = pci,
                             .n_pci = 6,
                             .gpu = gpu,
                             .n_gpus = gpus,
                             .rdma = rdma + (2 - cards),
                             .n_rdma = cards };
}

struct seat_case {
    int gpus, cards; /* one card: that of node 1 */
    const char *allowed;
    int local, locals;
    const char *cpus;
    int gpu, nic, numa;
};

static const struct seat_case seats[] = {
    { 2, 2, "0-15", 0, 2, "0-3,8-11", 0, 0, 0 },
    { 2, 2, "0-15", 1, 2, "4-7,12-15", 1, 1, 1 },
    { 2, 2, "0-15", 2, 4, "2-3,10-11", 0, 0, 0 }, /* more ranks than GPUs: two on each, cores apart */
    { 2, 2, "0-15", 3, 4, "6-7,14-15", 1, 1, 1 },
    { 2, 2, "0-7", 1, 2, "4-7", 1, 1, 1 },         /* one thread of each core is allowed */
    { 2, 2, "0-3", 1, 2, "2-3", 1, 1, 1 },         /* none of the GPU's node is: a share of the others */
    { 0, 1, "0-15", 0, 1, "4-7,12-15", -1, 0, 1 }, /* without GPUs the node with a card comes first */
    { 0, 2, "0-15", 1, 2, "4-7,12-15", -1, 1, 1 },
    { 0, 2, "0-15", 1, 4, "2-3,10-11", -1, 0, 0 },
    { 0, 2, "0-1", 2, 3, "0", -1, 0, 0 }, /* more ranks than cores */
    { 0, 0, "0-15", 7, 8, "7,15", -1, -1, 1 },
};

static void check_recommendations(void)
{
    for (size_t i = 0; i < sizeof(seats) / sizeof(*seats); i++) {
        const struct seat_case *c = &seats[i];
        struct wm_topo topo = machine(c->gpus, c->cards);
        struct wm_err err = { .rank = -1 };
        struct wm_bind_seat seat;
        CHECK_INT(wm_bind_recommend(&topo, c->allowed, c->local, c->locals, &seat, &err), WM_OK);
        CHECK_TEXT(seat.cpus, c->cpus);
        CHECK_INT(seat.gpu, c->gpu);
        CHECK_INT(seat.nic, c->nic);
        CHECK_INT(seat.numa, c->numa);
    }
}

/* No core is given twice while there are enough, and all are given out. */
static void check_every_core_once(void)
{
    for (int locals = 1; locals <= 8; locals++) {
        struct wm_topo topo = machine(0, 2);
        struct wm_cpuset all = { 0 };
        int given = 0;
        for (int l = 0; l < locals; l++) {
            struct wm_err err = { .rank = -1 };
            struct wm_bind_seat seat;
            struct wm_cpuset cpus;
            wm_bind_recommend(&topo, "0-15", l, locals, &seat, &err);
            CHECK(wm_cpuset_parse(seat.cpus, &cpus));
            given += wm_cpuset_count(&cpus);
            wm_cpuset_or(&all, &cpus);
        }
        CHECK_INT(wm_cpuset_count(&all), given);
        CHECK_INT(given, locals == 1 ? 8 : 16);
    }
}

struct place {
    int rank;
    const char *cpus;
    int gpu, nic;
};

struct verdict_case {
    int gpus, cards;
    double quota;
    struct place place[3];
    int n;
    const char *said; /* sentences, each ended by "\n" */
};

static const struct verdict_case verdicts[] = {
    { 2, 2, 0, { { 0, "0-3,8-11", 0, 0 }, { 1, "4-7,12-15", 1, 1 } }, 2, "" },
    { 2,
      2,
      0,
      { { 4, "0-3", 0, 1 } },
      1,
      "rank 4 has GPU 0 and card mlx5_1 on different NUMA nodes: every byte crosses the link between them\n"
      "rank 4 runs on processors 0-3, far from its card mlx5_1 on NUMA node 1\n" },
    { 2,
      2,
      0,
      { { 4, "4-7", 0, 0 } },
      1,
      "rank 4 runs on processors 4-7, far from its card mlx5_0 on NUMA node 0\n"
      "rank 4 runs on processors 4-7, far from its GPU 0 on NUMA node 0\n" },
    { 0,
      0,
      0,
      { { 0, "2", -1, -1 }, { 1, "10", -1, -1 } },
      2,
      "ranks 0 and 1 share the core of processors 2,10 while the one of 0,8 is idle: bind them apart (--bind auto)\n" },
    { 0, 0, 0, { { 0, "2", -1, -1 }, { 1, "10", -1, -1 }, { 2, "0-15", -1, -1 } }, 3, "" },
    { 0,
      2,
      0,
      { { 0, "0-3", -1, 0 }, { 1, "0-3", -1, 0 } },
      2,
      "ranks 0 and 1 share one card, mlx5_0, while mlx5_1 is idle\n" },
    { 0, 2, 0, { { 0, "0-3", -1, 0 }, { 1, "0-3", -1, 0 }, { 2, "4-7", -1, 1 } }, 3, "" },
    { 0,
      0,
      1.5,
      { { 0, "0-15", -1, -1 }, { 1, "0-15", -1, -1 } },
      2,
      "the cgroup grants 1.5 processors to 2 ranks: they take turns, and times hold the waiting\n" },
    { 0, 0, 2, { { 0, "0-15", -1, -1 }, { 1, "0-15", -1, -1 } }, 2, "" },
    { 0, 0, 0, { { 0, "0,2,4...", -1, -1 } }, 1, "" }, /* a list that was cut is not known */
};

static void keep(void *arg, const char *sentence)
{
    strcat(strcat(arg, sentence), "\n");
}

static void check_verdicts(void)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
        const struct verdict_case *c = &verdicts[i];
        struct wm_topo topo = machine(c->gpus, c->cards);
        char said[2000] = "";
        struct wm_bind_fact fact[3] = { 0 };
        for (int k = 0; k < c->n; k++) {
            fact[k] = (struct wm_bind_fact){ .rank = c->place[k].rank, .gpu = c->place[k].gpu, .nic = c->place[k].nic };
            wm_cpuset_parse(c->place[k].cpus, &fact[k].cpus);
        }
        wm_bind_judge(&topo, fact, c->n, c->quota, keep, said);
        CHECK_TEXT(said, c->said);
    }
}

static void check_apply(void)
{
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_bind_apply("1000", &err), WM_ESYS);
    CHECK_TEXT(err.what, "bind to processors 1000");
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_bind_apply("x", &err), WM_EBUG);
}

int main(void)
{
    check_recommendations();
    check_every_core_once();
    check_verdicts();
    check_apply();
    return wm_tests_end();
}
