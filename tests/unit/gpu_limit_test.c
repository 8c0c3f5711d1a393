/** Limits of the recorded machines, and of collectives between the GPUs of one host, against values computed by hand.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cut.h"
#include "src/topo/gpu_gate.h"
#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* 16 GT/s x 16 lanes / 8 x 128/130, packets of 256 bytes with 20 more. */
#define PCIE_4_X16 (32e9 * 128 / 130 * 256 / 276)

/* ---- recorded machines ---- */

static const struct {
    const char *machine;
    enum wm_fabric fabric;
    const char *device;
    enum wm_limit_kind kind;
    double bytes_per_s;
} cards[] = {
    { "dgx-h100", WM_FABRIC_IB, "", WM_LIMIT_LINK, 400e9 },   /* 8 x 400 Gb/s */
    { "dgx-h100", WM_FABRIC_ROCE, "", WM_LIMIT_LINK, 100e9 }, /* 4 x 200 Gb/s, two on each link of 58.4 GB/s */
    { "dgx-h100", WM_FABRIC_UNKNOWN, "", WM_LIMIT_LINK, 500e9 },
    { "dgx-h100", WM_FABRIC_IB, "mlx5_3:1", WM_LIMIT_LINK, 50e9 },
    { "p4d.24xlarge", WM_FABRIC_EFA, "", WM_LIMIT_LINK, 50e9 }, /* 4 x 100 Gb/s, each on 14.6 GB/s */
    { "p4d.24xlarge", WM_FABRIC_EFA, "rdmap16s27", WM_LIMIT_LINK, 12.5e9 },
    { "p4d.24xlarge", WM_FABRIC_UNKNOWN, "", WM_LIMIT_ESTIMATE, 50e9 }, /* nobody knows what its ENA have */
    { "p4d.24xlarge", WM_FABRIC_TCP, "", WM_LIMIT_NONE, 0 },
    { "p5.48xlarge", WM_FABRIC_EFA, "", WM_LIMIT_LINK, 400e9 }, /* 32 x 100 Gb/s, four on each switch's 58.4 GB/s */
    { "roce-degraded", WM_FABRIC_ROCE, "", WM_LIMIT_LINK, 8e9 * 128 / 130 * 256 / 276 }, /* 100 Gb/s on 3.0 x8 */
    { "roce-degraded", WM_FABRIC_ROCE, "mlx5_1", WM_LIMIT_NONE, 0 },                     /* down */
    { "acs-on", WM_FABRIC_ROCE, "", WM_LIMIT_LINK, 200e9 },
    { "plain-vm", WM_FABRIC_UNKNOWN, "", WM_LIMIT_NONE, 0 },
};

static const struct {
    const char *machine;
    enum wm_coll_kind kind;
    enum wm_combining combining;
    double gb, ms; /* of `gb` GB a rank */
    const char *source;
} gpus[] = {
#define H100 "GPU 0: NVLink, 18 links of 25.000 GB/s"
    { "dgx-h100", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 4.5, 17.5, H100 },  /* 2 x 7/8 over 450 GB/s */
    { "dgx-h100", WM_COLL_ALLREDUCE, WM_COMBINE_IN_NETWORK, 4.5, 10, H100 }, /* once */
    { "dgx-h100", WM_COLL_REDUCE_SCATTER, WM_COMBINE_AT_ENDS, 4.5, 8.75, H100 },
    { "dgx-h100", WM_COLL_REDUCE_SCATTER, WM_COMBINE_IN_NETWORK, 4.5, 8.75, H100 },
    { "dgx-h100", WM_COLL_ALLGATHER, WM_COMBINE_AT_ENDS, 4.5, 8.75, H100 },
    { "dgx-h100", WM_COLL_ALLTOALL, WM_COMBINE_AT_ENDS, 4.5, 8.75, H100 },
    { "dgx-h100", WM_COLL_BROADCAST, WM_COMBINE_AT_ENDS, 4.5, 10, H100 },
    { "dgx-h100", WM_COLL_GATHER, WM_COMBINE_AT_ENDS, 4.5, 8.75, H100 },
    { "p5.48xlarge", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 4.5, 17.5, H100 },
    { "p4d.24xlarge", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 3, 17.5, "GPU 0: NVLink, 12 links of 25.000 GB/s" },
    /* Without NVLink: two GPUs move the vector once, four 2 x 3/4 of it, over PCIe 4.0 x16. */
    { "roce-degraded", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 1, 1e12 / PCIE_4_X16, "PCIe 4.0 x16 at 0000:01:00.0" },
    { "acs-on", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 1, 1.5e12 / PCIE_4_X16, "PCIe 4.0 x16 at 0000:03:00.0" },
    { "acs-on", WM_COLL_ALLREDUCE, WM_COMBINE_IN_NETWORK, 1, 1e12 / PCIE_4_X16, "PCIe 4.0 x16 at 0000:03:00.0" },
    { "plain-vm", WM_COLL_ALLREDUCE, WM_COMBINE_AT_ENDS, 1, 0, "" },
};

static int run(char *const argv[])
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool read_machine(const char *folder, const char *machine, struct wm_topo *topo)
{
    char root[256];
    struct wm_err err = { .rank = -1 };
    snprintf(root, sizeof(root), "%s/%s", folder, machine);
    char *const make[] = { "python3", "tests/recorded/make", (char *)machine, root, NULL };
    const struct wm_topo_request request = { .sysfs_root = root };
    return CHECK_INT(run(make), 0) && CHECK_INT(wm_topo_discover(&request, topo, &err), WM_OK);
}

static void check_cards(const char *machine, const struct wm_topo *topo)
{
    for (int i = 0; i < COUNT(cards); i++) {
        struct wm_seat seat = { .topo = topo, .gpu = -1, .nic = WM_NIC_ANY, .numa = -1 };
        struct wm_limit limit;
        if (strcmp(cards[i].machine, machine) != 0)
            continue;
        wm_seat_claim(&seat, cards[i].fabric, cards[i].device);
        wm_limit_cards(&seat, &limit);
        if (!(CHECK_INT(limit.kind, cards[i].kind) & CHECK_NEAR(limit.bytes_per_s, cards[i].bytes_per_s, 1)))
            printf("%s, row %d: %s\n", machine, i, limit.source);
    }
}

static void check_gpus(const char *machine, const struct wm_topo *topo)
{
    int gpu[64];
    for (int g = 0; g < topo->n_gpus && g < 64; g++)
        gpu[g] = g;
    for (int i = 0; i < COUNT(gpus); i++) {
        struct wm_gpu_coll c = { gpus[i].kind, gpus[i].combining, topo, gpu, topo->n_gpus, 0, gpus[i].gb * 1e9 };
        struct wm_limit by;
        if (strcmp(gpus[i].machine, machine) != 0)
            continue;
        if (!(CHECK_NEAR(wm_least_of_gpus_ns(&c, &by), gpus[i].ms * 1e6, 1) & CHECK_TEXT(by.source, gpus[i].source)))
            printf("%s, row %d\n", machine, i);
    }
}

static void test_recorded(void)
{
    static const char *const machines[] = { "dgx-h100",    "roce-degraded", "p4d.24xlarge",
                                            "p5.48xlarge", "acs-on",        "plain-vm" };
    char folder[] = "/tmp/wiremark-limit-XXXXXX";
    char *const drop[] = { "rm", "-r", folder, NULL };
    if (!CHECK(mkdtemp(folder) != NULL))
        return;
    for (int i = 0; i < COUNT(machines); i++) {
        struct wm_topo topo;
        if (!read_machine(folder, machines[i], &topo))
            continue;
        check_cards(machines[i], &topo);
        check_gpus(machines[i], &topo);
        wm_topo_free(&topo);
    }
    CHECK_INT(run(drop), 0);
}

/* ---- four GPUs, two behind each switch, whose way up has half the lanes ---- */

struct machine {
    struct wm_topo topo;
    struct wm_topo_pci pci[6];
    struct wm_topo_gpu gpu[4];
    struct wm_topo_nvlink nvlink[6];
};

static void make_machine(struct machine *m)
{
    static const int parent[] = { -1, 0, 0, -1, 3, 3 }, function[] = { 1, 2, 4, 5 };
    *m = (struct machine){ .topo = { .n_pci = 6, .n_gpus = 4 } };
    m->topo.pci = m->pci;
    m->topo.gpu = m->gpu;
    m->topo.nvlink = m->nvlink;
    for (int p = 0; p < 6; p++) {
        m->pci[p] = (struct wm_topo_pci){ .parent = parent[p], .payload_bytes = 256, .numa = -1 };
        m->pci[p].class_id = parent[p] < 0 ? 0x060400 : 0x030200;
        m->pci[p].link = (struct wm_pci_link){ 16, 16, parent[p] < 0 ? 8 : 16, 16, 0 };
        snprintf(m->pci[p].address, sizeof(m->pci[p].address), "0000:0%d:00.0", p);
    }
    for (int g = 0; g < 4; g++)
        m->gpu[g] = (struct wm_topo_gpu){ .pci = function[g], .index = g, .numa = -1, .nvlink_bytes_per_s = 25e9 };
}

static void join(struct machine *m, int from, int to, int links)
{
    m->nvlink[m->topo.n_nvlinks++] = (struct wm_topo_nvlink){ from, to, links };
}

static void check_least(const struct machine *m, enum wm_coll_kind kind, int root, double want_ns, const char *source)
{
    static const int all[] = { 0, 1, 2, 3 };
    const struct wm_gpu_coll c = { kind, WM_COMBINE_AT_ENDS, &m->topo, all, 4, root, 1e9 };
    struct wm_limit by;
    CHECK_NEAR(wm_least_of_gpus_ns(&c, &by), want_ns, 1);
    CHECK_TEXT(by.source, source);
}

#define SWITCH_A "PCIe 4.0 x8 at 0000:00:00.0, which can be 4.0 x16"
#define SWITCH_B "PCIe 4.0 x8 at 0000:03:00.0, which can be 4.0 x16"

static void test_pci(void)
{
    const double ns = 1e18 / PCIE_4_X16; /* 1 GB over the link of a GPU; twice that over a switch's */
    struct machine m;
    make_machine(&m);
    check_least(&m, WM_COLL_ALLREDUCE, 0, 2 * ns, SWITCH_A);
    check_least(&m, WM_COLL_ALLTOALL, 0, 2 * ns, SWITCH_A); /* 2 x 1/2 */
    check_least(&m, WM_COLL_ALLGATHER, 0, ns, SWITCH_A);
    check_least(&m, WM_COLL_GATHER, 0, ns, SWITCH_A); /* 1/2 comes from behind the other switch */
    check_least(&m, WM_COLL_SCATTER, 3, ns, SWITCH_A);
    check_least(&m, WM_COLL_BARRIER, 0, 0, "");
    m.pci[0].link.width = m.pci[3].link.width = 32; /* now the GPUs' own links decide, all together */
    check_least(&m, WM_COLL_ALLREDUCE, 0, 1.5 * ns, "PCIe 4.0 x16 at 0000:01:00.0");
    check_least(&m, WM_COLL_GATHER, 2, 0.75 * ns, "PCIe 4.0 x16 at 0000:04:00.0");
    m.pci[1].link = (struct wm_pci_link){ 2.5, 16, 16, 16, 0 }; /* asleep */
    check_least(&m, WM_COLL_ALLREDUCE, 0, 1.5 * ns, "PCIe 4.0 x16 at 0000:01:00.0");
    m.pci[1].link = (struct wm_pci_link){ 0 }; /* of one nothing is known: the others' own still bind */
    check_least(&m, WM_COLL_ALLREDUCE, 0, ns, "PCIe 4.0 x16 at 0000:02:00.0");
}

static void test_nvlink(void)
{
    struct machine m;
    make_machine(&m);
    join(&m, 0, 1, 4); /* bridges over pairs: between the pairs PCI remains, at the switches alone */
    join(&m, 2, 3, 4);
    check_least(&m, WM_COLL_ALLREDUCE, 0, 2e18 / PCIE_4_X16, SWITCH_A);
    check_least(&m, WM_COLL_BROADCAST, 0, 2e18 / PCIE_4_X16, SWITCH_A);
    m.pci[0].link = m.pci[3].link = (struct wm_pci_link){ 0 };
    check_least(&m, WM_COLL_ALLREDUCE, 0, 0, "");
    join(&m, 1, 2, 2); /* a chain: what has no NVLink goes over PCI, and nobody knows how much */
    check_least(&m, WM_COLL_ALLREDUCE, 0, 0, "");
    join(&m, 0, 2, 2);
    join(&m, 0, 3, 2);
    join(&m, 1, 3, 2); /* now each has 4 + 2 + 2 links, 200 GB/s, all together 800 */
    check_least(&m, WM_COLL_ALLREDUCE, 0, 6e18 / 800e9, "GPU 0: NVLink, 8 links of 25.000 GB/s");
    check_least(&m, WM_COLL_ALLTOALL, 0, 0.75e18 / 200e9, "GPU 0: NVLink, 8 links of 25.000 GB/s");
    m.gpu[0].nvlink_bytes_per_s = 0;
    check_least(&m, WM_COLL_ALLREDUCE, 0, 1e18 / 200e9, "GPU 1: NVLink, 8 links of 25.000 GB/s");
}

/* Where GPUs reach the processor past PCI, PCI says nothing of them. */
static void test_links_to_the_processor(void)
{
    struct machine m;
    make_machine(&m);
    m.gpu[0].cpu_links = m.gpu[3].cpu_links = 10;
    check_least(&m, WM_COLL_ALLTOALL, 0, 0.75e18 / PCIE_4_X16, "PCIe 4.0 x16 at 0000:02:00.0");
    m.gpu[1].cpu_links = m.gpu[2].cpu_links = 10;
    check_least(&m, WM_COLL_ALLTOALL, 0, 0, "");
}

static void test_range(void)
{
    static const int all[] = { 0, 1, 2, 3 };
    struct wm_gpu_gate gate[16];
    struct machine m;
    make_machine(&m);
    CHECK_INT(wm_gpu_gates(&m.topo, all, 1, gate), 0);
    CHECK_INT(wm_gpu_gates(&m.topo, all, 65, gate), 0);
    CHECK_INT(wm_gpu_gates(&m.topo, all, 4, gate), 6);
    CHECK_INT(wm_gpu_gates(&m.topo, &all[1], 2, gate),
              2); /* one behind each switch: the narrower link stands for both */
    CHECK_TEXT(gate[0].limit.source, SWITCH_A);
    m.gpu[2].pci = -1;
    CHECK_INT(wm_gpu_gates(&m.topo, &all[1], 2, gate), 1);
}

/* Through host memory: each GPU's way there is as wide as its switch's, 16 GB/s less overhead, whatever NVLink there
 * is. */
static void test_detour(void)
{
    static const struct {
        int from, to;
        int parts, messages;
        double rate; /* of a switch's way up */
    } rows[] = {
        { 0, 2, 2, 1, 1.0 / 2 }, /* after each other */
        { 0, 2, 2, 4, 4.0 / 5 }, /* the first of 4 has a way of its own */
        { 0, 2, 2, 0, 1 },       /* the slower of both */
        { 1, 1, 2, 1, 1.0 / 2 }, /* two ranks on one GPU */
        { 3, -1, 1, 1, 1 },      { -1, 3, 1, 7, 1 }, { -1, -1, 0, 1, 0 },
    };
    struct wm_limit part[WM_DETOUR_PARTS], limit;
    struct machine m;
    make_machine(&m);
    join(&m, 0, 2, 4);
    for (int i = 0; i < COUNT(rows); i++) {
        const struct wm_seat a = { .topo = &m.topo, .gpu = rows[i].from, .nic = WM_NIC_ANY },
                             b = { .topo = &m.topo, .gpu = rows[i].to, .nic = WM_NIC_ANY };
        const int n = wm_limit_detour(&a, &b, part);
        CHECK_INT(n, rows[i].parts);
        if (n > 0) {
            wm_limit_in_turn(part, n, rows[i].messages, &limit);
            CHECK_INT(limit.kind, WM_LIMIT_LINK);
            CHECK_NEAR(limit.bytes_per_s, rows[i].rate * PCIE_4_X16 / 2, 1);
        }
    }
    const struct wm_seat a = { .topo = &m.topo, .gpu = 0 }, b = { .topo = &m.topo, .gpu = 2 };
    CHECK_INT(wm_limit_detour(&a, &b, part), 2);
    wm_limit_in_turn(part, 2, 1, &limit);
    CHECK_TEXT(limit.source, "GPU 0: " SWITCH_A ", then GPU 2: " SWITCH_B);
    m.pci[3].link = m.pci[4].link = (struct wm_pci_link){ 0 };
    CHECK_INT(wm_limit_detour(&a, &b, part), 0);
    CHECK_INT(part[0].kind, WM_LIMIT_NONE);
}

static void test_estimate_of_one_part(void)
{
    struct wm_limit part[2], out;
    wm_limit_say(&part[0], WM_LIMIT_LINK, 10e9, "a link");
    wm_limit_say(&part[1], WM_LIMIT_ESTIMATE, 40e9, "a guess");
    wm_limit_in_turn(part, 2, 1, &out);
    CHECK_INT(out.kind, WM_LIMIT_ESTIMATE);
    CHECK_NEAR(out.bytes_per_s, 8e9, 1);
    CHECK_TEXT(out.source, "a link, then a guess");
    wm_limit_in_turn(part, 2, 0, &out);
    CHECK_INT(out.kind, WM_LIMIT_LINK); /* that of the slowest */
    CHECK_NEAR(out.bytes_per_s, 10e9, 1);
}

static void test_shown_speeds(void)
{
    CHECK_NEAR(wm_nvlink_data_bytes_per_s(26.562e9), 25e9, 0); /* as NVML cuts it */
    CHECK_NEAR(wm_nvlink_data_bytes_per_s(25.781e9), 25e9, 0);
    CHECK_NEAR(wm_nvlink_data_bytes_per_s(53.125e9), 50e9, 0);
    CHECK_NEAR(wm_nvlink_data_bytes_per_s(25e9), 25e9, 0);
    CHECK_NEAR(wm_nvlink_data_bytes_per_s(0), 0, 0);
}

int main(void)
{
    test_recorded();
    test_pci();
    test_nvlink();
    test_links_to_the_processor();
    test_range();
    test_detour();
    test_estimate_of_one_part();
    test_shown_speeds();
    return wm_tests_end();
}
