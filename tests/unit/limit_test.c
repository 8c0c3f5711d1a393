/**
 * Limits against values computed by hand: PCI links, cards, ways between devices, cells of pairs and of collectives.
 * The machines are structs: what discovery makes of files is tested elsewhere.
 */
#include "bench/limit.h"
#include "collectives/collectives.h"
#include "p2p/p2p.h"
#include "src/topo/copy.h"
#include "tests/unit/check.h"

#include <stdlib.h>

#define AT_GPU "0000:1b:00.0"
#define NDR    "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more"

#define TEXT(array, text) snprintf((array), sizeof(array), "%s", (text))

/* ---- PCI links ---- */

static void test_pci(void)
{
    static const struct {
        double gt_per_s;
        int width, payload_bytes;
        double want_bytes_per_s;
    } links[] = {
        { 2.5, 1, 256, 2.5e9 / 8 * 0.8 * 256 / 276 },
        { 5, 8, 128, 4e9 * 128 / 148 },
        { 8, 16, 256, 16e9 * 128 / 130 * 256 / 276 }, /* PCIe 3.0 x16: 14.6 GB/s */
        { 8, 16, 0, 16e9 * 128 / 130 * 4096 / 4116 },
        { 16, 8, 256, 16e9 * 128 / 130 * 256 / 276 }, /* 4.0 x8 is the same */
        { 16, 16, 512, 32e9 * 128 / 130 * 512 / 532 },
        { 32, 16, 256, 64e9 * 128 / 130 * 256 / 276 },
        { 64, 16, 256, 128e9 * 236 / 256 * 256 / 268 }, /* 6.0: flits */
        { 0, 16, 256, 0 },
        { 16, 0, 256, 0 },
    };
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        CHECK_NEAR(wm_pci_bytes_per_s(links[i].gt_per_s, links[i].width, links[i].payload_bytes),
                   links[i].want_bytes_per_s, 1);
    CHECK_NEAR(wm_pci_bytes_per_s(8, 16, 256), 14.61e9, 0.01e9);
    CHECK_NEAR(wm_pci_bytes_per_s(32, 16, 256), 58.45e9, 0.01e9);
    CHECK_NEAR(wm_pci_bytes_per_s(64, 16, 256), 112.7e9, 0.1e9);
}

/* ---- a machine: two GPUs and two cards, a switch for each GPU and card ---- */

enum { PORT_A, UP_A, DOWN_GPU_A, GPU_A, DOWN_NIC_A, NIC_A, PORT_B, UP_B, DOWN_GPU_B, GPU_B, DOWN_NIC_B, NIC_B, PCIS };

struct machine {
    struct wm_topo topo;
    struct wm_topo_numa numa[2];
    struct wm_topo_pci pci[PCIS];
    struct wm_topo_gpu gpu[2];
    struct wm_topo_rdma rdma[2];
    struct wm_topo_port port[2];
    struct wm_topo_nvlink nvlink[2];
    struct wm_topo_netif netif[3];
};

static void put_pci(struct machine *m, int at, int parent, const char *address, uint32_t class_id, double gt_per_s)
{
    m->pci[at] = (struct wm_topo_pci){
        .parent = parent,
        .root = at >= PORT_B,
        .numa = at >= PORT_B,
        .class_id = class_id,
        .bridge = class_id == 0x060400,
        .link = { gt_per_s, gt_per_s, 16, 16, 0 },
        .payload_bytes = 256,
    };
    TEXT(m->pci[at].address, address);
}

static void put_side(struct machine *m, int first, const char *const address[6], double gt_per_s)
{
    put_pci(m, first, -1, address[0], 0x060400, gt_per_s);
    put_pci(m, first + UP_A, first, address[1], 0x060400, gt_per_s);
    put_pci(m, first + DOWN_GPU_A, first + UP_A, address[2], 0x060400, gt_per_s);
    put_pci(m, first + GPU_A, first + DOWN_GPU_A, address[3], 0x030200, gt_per_s);
    put_pci(m, first + DOWN_NIC_A, first + UP_A, address[4], 0x060400, gt_per_s);
    put_pci(m, first + NIC_A, first + DOWN_NIC_A, address[5], 0x020700, gt_per_s);
}

static void put_card(struct machine *m, int i, const char *name, const char *rate, double bytes_per_s,
                     enum wm_fabric fabric)
{
    m->port[i] = (struct wm_topo_port){ .number = 1, .bytes_per_s = bytes_per_s, .fabric = fabric };
    TEXT(m->port[i].state, "ACTIVE");
    TEXT(m->port[i].rate, rate);
    m->rdma[i] = (struct wm_topo_rdma){ .pci = i == 0 ? NIC_A : NIC_B, .numa = i, .port = &m->port[i], .n_ports = 1 };
    TEXT(m->rdma[i].name, name);
}

/* Two sides of a DGX H100: 18 NVLinks a GPU, PCIe 5.0, NDR. */
static void make_machine(struct machine *m)
{
    static const char *const a[] = { "0000:17:01.0", "0000:18:00.0", "0000:19:00.0",
                                     "0000:1b:00.0", "0000:19:01.0", "0000:1c:00.0" };
    static const char *const b[] = { "0000:97:01.0", "0000:98:00.0", "0000:99:00.0",
                                     "0000:9b:00.0", "0000:99:01.0", "0000:9c:00.0" };
    *m = (struct machine){ 0 };
    put_side(m, PORT_A, a, 32);
    put_side(m, PORT_B, b, 32);
    put_card(m, 0, "mlx5_0", "400 Gb/sec (4X NDR)", 50e9, WM_FABRIC_IB);
    put_card(m, 1, "mlx5_1", "400 Gb/sec (4X NDR)", 50e9, WM_FABRIC_IB);
    for (int g = 0; g < 2; g++) {
        m->gpu[g] = (struct wm_topo_gpu){
            .pci = g == 0 ? GPU_A : GPU_B, .index = g, .numa = g, .nvlinks = 18, .nvlink_bytes_per_s = 26.562e9
        };
        m->nvlink[g] = (struct wm_topo_nvlink){ .from = g, .to = -1, .links = 18 };
    }
    m->topo = (struct wm_topo){ .numa = m->numa,
                                .n_numa = 2,
                                .pci = m->pci,
                                .n_pci = PCIS,
                                .gpu = m->gpu,
                                .n_gpus = 2,
                                .rdma = m->rdma,
                                .n_rdma = 2,
                                .nvlink = m->nvlink,
                                .n_nvlinks = 2 };
}

static struct wm_seat seat(const struct machine *m, int host, int gpu, int nic)
{
    return (struct wm_seat){ .topo = &m->topo, .host = host, .gpu = gpu, .nic = nic, .numa = -1 };
}

static void check_pair(struct wm_seat a, struct wm_seat b, enum wm_road road, double bytes_per_s, const char *source)
{
    struct wm_limit limit;
    wm_limit_pair(&a, &b, road, &limit);
    CHECK_INT(limit.kind, bytes_per_s > 0 ? WM_LIMIT_LINK : WM_LIMIT_NONE);
    CHECK_NEAR(limit.bytes_per_s, bytes_per_s, 1e-6 * bytes_per_s);
    CHECK_TEXT(limit.source, source);
}

static void check_described(struct wm_seat a, struct wm_seat b, enum wm_road road, const char *want)
{
    char text[256];
    wm_limit_describe(&a, &b, road, text, sizeof(text));
    CHECK_TEXT(text, want);
}

static void test_nvlink(void)
{
    struct machine m;
    make_machine(&m);
    const struct wm_seat a = seat(&m, 0, 0, 0), b = seat(&m, 0, 1, 1);
    check_pair(a, b, WM_ROAD_DIRECT, 450e9, "NVLink, 18 links of 25.000 GB/s");
    check_described(a, b, WM_ROAD_DIRECT, "NVLink, 18 links: 450 GB/s");
    check_pair(a, a, WM_ROAD_DIRECT, 0, "both ranks use GPU 0: no link between them");
    m.gpu[1].nvlink_bytes_per_s = 0;
    check_pair(a, b, WM_ROAD_DIRECT, 0, "the speed of NVLinks is not known");
    m.topo.n_nvlinks = 0;
    check_pair(a, b, WM_ROAD_DIRECT, wm_pci_bytes_per_s(32, 16, 256), "PCIe 5.0 x16 at 0000:1b:00.0");
    check_described(a, b, WM_ROAD_DIRECT, "PCIe, SYS: 58.4 GB/s");
    m.pci[PORT_B].link.gt_per_s = 16;
    check_pair(a, b, WM_ROAD_DIRECT, wm_pci_bytes_per_s(16, 16, 256),
               "PCIe 4.0 x16 at 0000:97:01.0, which can be 5.0 x16");
    check_pair(a, seat(&m, 0, -1, 0), WM_ROAD_DIRECT, wm_pci_bytes_per_s(32, 16, 256),
               "GPU 0: PCIe 5.0 x16 at 0000:1b:00.0");
    check_pair(seat(&m, 0, -1, 0), seat(&m, 0, -1, 1), WM_ROAD_DIRECT, 0,
               "host memory of one host: no link between the ranks");
}

/* A rack whose GPUs reach other hosts by NVLink: what the card allows is no bound then. */
static void test_nvlink_domain(void)
{
    struct machine m;
    make_machine(&m);
    TEXT(m.gpu[0].nvlink_domain, "c0ffee.1");
    TEXT(m.gpu[1].nvlink_domain, "c0ffee.1");
    check_pair(seat(&m, 0, 0, 0), seat(&m, 1, 1, 1), WM_ROAD_DIRECT, 450e9, "NVLink, 18 links of 25.000 GB/s");
    check_described(seat(&m, 0, 0, 0), seat(&m, 1, 1, 1), WM_ROAD_DIRECT, "NVLink across hosts, 18 links");
    TEXT(m.gpu[1].nvlink_domain, "c0ffee.2");
    check_pair(seat(&m, 0, 0, 0), seat(&m, 1, 1, 1), WM_ROAD_DIRECT, 50e9,
               "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more");
}

static void test_card(void)
{
    static const char ndr[] = "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more";
    struct machine m;
    make_machine(&m);
    const struct wm_seat a = seat(&m, 0, -1, 0), b = seat(&m, 1, -1, 0);
    check_pair(a, b, WM_ROAD_DIRECT, 50e9, ndr);
    check_described(a, b, WM_ROAD_DIRECT, "mlx5_0, InfiniBand 400 Gb/s");
    check_described(a, seat(&m, 1, -1, 1), WM_ROAD_DIRECT,
                    "mlx5_0, InfiniBand 400 Gb/s -> mlx5_1, InfiniBand 400 Gb/s");
    check_described(a, seat(&m, 0, -1, 0), WM_ROAD_DIRECT, "host memory");
    /* A link that came up with half of its lanes is narrower than the card. */
    m.pci[NIC_A].link = (struct wm_pci_link){ 32, 32, 8, 16, 0 };
    check_pair(a, b, WM_ROAD_DIRECT, wm_pci_bytes_per_s(32, 8, 256),
               "mlx5_0: PCIe 5.0 x8 at 0000:1c:00.0, which can be 5.0 x16; 400 Gb/sec (4X NDR) would allow more");
    /* What hwloc's XML has: a product without speed and lanes. */
    m.pci[NIC_A].link = (struct wm_pci_link){ .bytes_per_s = 15.753846e9 };
    check_pair(a, b, WM_ROAD_DIRECT, 15.753846e9 * 256 / 276,
               "mlx5_0: a PCI link of 15.8 GB/s at 0000:1c:00.0; 400 Gb/sec (4X NDR) would allow more");
    for (int i = 0; i < PCIS; i++)
        m.pci[i].link = (struct wm_pci_link){ 0 };
    check_pair(a, b, WM_ROAD_DIRECT, 50e9, "mlx5_0: 400 Gb/sec (4X NDR)");
}

/* One of the two sides differs; the narrower one counts. */
static void test_sides(void)
{
    struct machine wide, narrow;
    make_machine(&wide);
    make_machine(&narrow);
    put_card(&narrow, 0, "rdmap16s27", "100 Gb/sec (4X EDR)", 12.5e9, WM_FABRIC_EFA);
    check_pair(seat(&wide, 0, -1, 0), seat(&narrow, 1, -1, 0), WM_ROAD_DIRECT, 12.5e9,
               "rdmap16s27: 100 Gb/sec (4X EDR); PCIe 5.0 x16 allows more");
    put_card(&narrow, 0, "rdmap16s27", "200 Gb/sec (4X HDR)", 25e9, WM_FABRIC_EFA);
    check_pair(seat(&narrow, 1, -1, 0), seat(&wide, 0, -1, 0), WM_ROAD_DIRECT, 25e9,
               "rdmap16s27: 200 Gb/sec (4X HDR); PCIe 5.0 x16 allows more");
    check_described(seat(&narrow, 1, 0, 0), seat(&wide, 0, 0, 0), WM_ROAD_DIRECT,
                    "PIX to rdmap16s27, EFA 200 Gb/s -> PIX to mlx5_0, InfiniBand 400 Gb/s");
    struct wm_seat unknown = { .host = 1, .gpu = -1, .nic = -1 };
    check_pair(seat(&wide, 0, -1, 0), unknown, WM_ROAD_DIRECT, 50e9,
               "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more");
    struct wm_seat nowhere = { .host = 0, .gpu = -1, .nic = -1 };
    check_pair(nowhere, unknown, WM_ROAD_DIRECT, 0, "the hardware of host 0 is not known");
}

static void test_no_bound(void)
{
    struct machine m;
    make_machine(&m);
    const struct wm_seat a = seat(&m, 0, -1, 0), b = seat(&m, 1, -1, 0);
    m.rdma[0].virtual_device = true; /* listed behind mlx5_1 now */
    check_pair(seat(&m, 0, -1, 1), seat(&m, 1, -1, 1), WM_ROAD_DIRECT, 0, "mlx5_0 has no hardware of its own");
    check_pair(a, b, WM_ROAD_DIRECT, 50e9, "mlx5_1: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more");
    make_machine(&m);
    TEXT(m.port[0].state, "DOWN");
    check_pair(a, b, WM_ROAD_DIRECT, 0, "mlx5_0 is down");
    check_described(a, b, WM_ROAD_DIRECT, "mlx5_0 (down), InfiniBand");
    make_machine(&m);
    m.port[0].bytes_per_s = 0;
    check_pair(a, b, WM_ROAD_DIRECT, 0, "the speed of mlx5_0 is not known");
    m.topo.n_rdma = 0;
    check_pair(seat(&m, 0, -1, -1), seat(&m, 1, -1, -1), WM_ROAD_DIRECT, 0, "no card with hardware of its own is up");
    m.netif[0] = (struct wm_topo_netif){
        .name = "eth0", .state = "up", .virtual_device = true, .bytes_per_s = 1.25e9, .pci = -1, .rdma = -1
    };
    m.topo.netif = m.netif;
    m.topo.n_netifs = 1;
    check_pair(seat(&m, 0, -1, -1), seat(&m, 1, -1, -1), WM_ROAD_DIRECT, 0, "no card with hardware of its own is up");
}

/* GPU memory: the direct way turns at the switch, the staged one goes up to the host and is crossed once more. */
static void test_staged(void)
{
    static const char ndr[] = "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more";
    struct machine m;
    make_machine(&m);
    const struct wm_seat a = seat(&m, 0, 0, 0), b = seat(&m, 1, 0, 0);
    check_pair(a, b, WM_ROAD_DIRECT, 50e9, ndr);
    check_pair(a, b, WM_ROAD_STAGED, 50e9, ndr);
    check_described(a, b, WM_ROAD_DIRECT, "PIX to mlx5_0, InfiniBand 400 Gb/s");
    check_described(a, b, WM_ROAD_STAGED, "host memory, then mlx5_0, InfiniBand 400 Gb/s");
    m.pci[PORT_A].link.gt_per_s = m.pci[UP_A].link.gt_per_s = 16; /* the switch's way up */
    check_pair(a, b, WM_ROAD_DIRECT, 50e9, ndr);
    check_pair(a, b, WM_ROAD_STAGED, wm_pci_bytes_per_s(16, 16, 256),
               "mlx5_0: PCIe 4.0 x16 at 0000:18:00.0, which can be 5.0 x16; 400 Gb/sec (4X NDR) would allow more");
    m.pci[DOWN_GPU_A].acs = WM_ACS_REDIRECTS; /* peers meet at the root */
    check_pair(a, b, WM_ROAD_DIRECT, wm_pci_bytes_per_s(16, 16, 256),
               "mlx5_0: PCIe 4.0 x16 at 0000:18:00.0, which can be 5.0 x16; 400 Gb/sec (4X NDR) would allow more");
    m.pci[DOWN_GPU_A].acs = WM_ACS_UNKNOWN;
    m.pci[DOWN_NIC_A].acs = WM_ACS_REDIRECTS;
    check_pair(b, a, WM_ROAD_DIRECT, wm_pci_bytes_per_s(16, 16, 256),
               "mlx5_0: PCIe 4.0 x16 at 0000:18:00.0, which can be 5.0 x16; 400 Gb/sec (4X NDR) would allow more");
    make_machine(&m);
    m.pci[GPU_A].link.width = 4;
    for (int road = WM_ROAD_DIRECT; road <= WM_ROAD_STAGED; road++)
        check_pair(a, b, (enum wm_road)road, wm_pci_bytes_per_s(32, 4, 256),
                   "GPU 0: PCIe 5.0 x4 at 0000:1b:00.0, which can be 5.0 x16");
    check_pair(seat(&m, 0, 0, -1), b, WM_ROAD_DIRECT, wm_pci_bytes_per_s(32, 4, 256),
               "GPU 0: PCIe 5.0 x4 at 0000:1b:00.0, which can be 5.0 x16");
}

/* An idle GPU's link is slow until it is used. */
static void test_sleeping_gpu(void)
{
    struct machine m;
    make_machine(&m);
    m.pci[GPU_A].link.gt_per_s = m.pci[DOWN_GPU_A].link.gt_per_s = 2.5;
    check_pair(seat(&m, 0, 0, 0), seat(&m, 0, -1, 0), WM_ROAD_DIRECT, wm_pci_bytes_per_s(32, 16, 256),
               "GPU 0: PCIe 5.0 x16 at 0000:1b:00.0");
    m.pci[UP_A].link.gt_per_s = 2.5; /* not the GPU's link */
    check_pair(seat(&m, 0, 0, 0), seat(&m, 0, -1, 0), WM_ROAD_DIRECT, wm_pci_bytes_per_s(2.5, 16, 256),
               "GPU 0: PCIe 1.0 x16 at 0000:18:00.0, which can be 5.0 x16");
}

static void check_cards(const struct machine *m, enum wm_limit_kind kind, double bytes_per_s, const char *source)
{
    struct wm_seat any = seat(m, 0, -1, -1);
    struct wm_limit limit;
    wm_limit_cards(&any, &limit);
    CHECK_INT(limit.kind, kind);
    CHECK_NEAR(limit.bytes_per_s, bytes_per_s, 1e-6 * bytes_per_s);
    CHECK_TEXT(limit.source, source);
}

static void test_cards_together(void)
{
    struct machine m;
    make_machine(&m);
    check_cards(&m, WM_LIMIT_LINK, 100e9, "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together");
    /* Both behind one switch. */
    m.pci[DOWN_NIC_B].parent = UP_A;
    check_cards(&m, WM_LIMIT_LINK, wm_pci_bytes_per_s(32, 16, 256),
                "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together; their PCI links allow less than their ports");
    /* Two functions of one card share its link, whatever is above. */
    make_machine(&m);
    TEXT(m.pci[NIC_B].address, "0000:1c:00.1");
    m.pci[NIC_B].parent = m.pci[NIC_A].parent;
    TEXT(m.pci[DOWN_NIC_B].address, "0000:aa:00.0");
    m.pci[DOWN_NIC_A].link.width = 0;
    m.pci[UP_A].link.width = m.pci[PORT_A].link.width = 32;
    for (int p = NIC_A + 1; p < NIC_B; p++)
        m.pci[p].parent = m.pci[NIC_A].parent; /* siblings, in no order */
    check_cards(&m, WM_LIMIT_LINK, wm_pci_bytes_per_s(32, 16, 256),
                "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together; their PCI links allow less than their ports");
    /* A card of unknown speed may carry more: no bound. */
    make_machine(&m);
    m.port[1].bytes_per_s = 0;
    check_cards(&m, WM_LIMIT_ESTIMATE, 50e9, "mlx5_0 (400 Gb/sec (4X NDR)) together, without mlx5_1 of unknown speed");
    m.rdma[1].virtual_device = true;
    check_cards(&m, WM_LIMIT_LINK, 50e9, "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more");
    m.port[0].bytes_per_s = 0;
    check_cards(&m, WM_LIMIT_NONE, 0, "the speed of mlx5_0 is not known");
}

/* What InfiniBand encodes in 8b/10b, and what the kernel calls SDR. */
static void test_encoded_rates(void)
{
    struct machine m;
    make_machine(&m);
    put_card(&m, 0, "mlx4_0", "40 Gb/sec (4X QDR)", 4e9, WM_FABRIC_IB);
    m.topo.n_rdma = 1;
    check_cards(&m, WM_LIMIT_LINK, 4e9, "mlx4_0: 40 Gb/sec (4X QDR), 32 Gb/s of data; PCIe 5.0 x16 allows more");
    put_card(&m, 0, "mlx4_0", "10 Gb/sec (4X SDR)", 1e9, WM_FABRIC_IB);
    check_cards(&m, WM_LIMIT_ESTIMATE, 1e9,
                "mlx4_0: 10 Gb/sec (4X SDR), 8 Gb/s of data; PCIe 5.0 x16 allows more "
                "(SDR, or a speed that the kernel does not know)");
    put_card(&m, 0, "mlx5_0", "2.5 Gb/sec (1X SDR)", 0.3125e9, WM_FABRIC_ROCE); /* Ethernet's 1 Gb/s */
    check_cards(&m, WM_LIMIT_LINK, 0.3125e9, "mlx5_0: 2.5 Gb/sec (1X SDR); PCIe 5.0 x16 allows more");
}

/* A card with a physical function and two virtual ones behind one port: one wire. */
static void test_virtual_functions(void)
{
    struct machine m;
    struct wm_topo_rdma cards[3];
    make_machine(&m);
    for (int i = 0; i < 3; i++)
        cards[i] = m.rdma[0];
    TEXT(cards[1].name, "mlx5_1");
    TEXT(cards[2].name, "mlx5_2");
    m.pci[DOWN_GPU_B] = m.pci[GPU_B] = m.pci[NIC_A];
    cards[1].pci = DOWN_GPU_B;
    cards[2].pci = GPU_B;
    TEXT(m.pci[DOWN_GPU_B].address, "0000:1c:00.1");
    TEXT(m.pci[GPU_B].address, "0000:1c:00.2");
    m.pci[DOWN_GPU_B].virtual_function = m.pci[GPU_B].virtual_function = true;
    m.topo.rdma = cards;
    m.topo.n_rdma = 3;
    check_cards(&m, WM_LIMIT_LINK, 50e9, NDR); /* all together are the one wire */
    const struct wm_seat virtual = seat(&m, 0, -1, 1);
    struct wm_limit limit;
    wm_limit_cards(&virtual, &limit);
    CHECK_INT(limit.kind, WM_LIMIT_ESTIMATE);
    CHECK_NEAR(limit.bytes_per_s, 50e9, 1);
    CHECK_TEXT(limit.source, "mlx5_1: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more "
                             "(a virtual function: others share its wire)");
    m.pci[DOWN_NIC_A].link.width = 8; /* narrower than the wire: what shares that link cannot pass more */
    wm_limit_cards(&virtual, &limit);
    CHECK_INT(limit.kind, WM_LIMIT_LINK);
    CHECK_NEAR(limit.bytes_per_s, wm_pci_bytes_per_s(32, 8, 256), 1);
    make_machine(&m);
    m.pci[NIC_A].virtual_function = true; /* alone on its function */
    check_cards(&m, WM_LIMIT_LINK, 100e9, "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together");
    m.pci[GPU_A].virtual_function = true;
    m.pci[GPU_A].parent = DOWN_NIC_A;
    check_cards(&m, WM_LIMIT_ESTIMATE, 100e9,
                "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together; mlx5_0: a virtual "
                "function: others share its wire");
}

/* Whatever a file made of the tree, walking it ends. */
static void test_loops(void)
{
    struct machine m;
    struct wm_limit limit;
    make_machine(&m);
    m.pci[PORT_A].parent = NIC_A;
    m.pci[PORT_B].parent = PORT_B;
    wm_limit_pci(&m.topo, GPU_A, NIC_B, &limit);
    CHECK_TEXT(limit.source, "PCIe 5.0 x16 at 0000:1b:00.0");
    wm_limit_pci(&m.topo, -1, NIC_B, &limit);
    CHECK_TEXT(limit.source, "the speed of its PCI link is not known");
    check_cards(&m, WM_LIMIT_LINK, 100e9, "mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together");
}

/* ---- what collectives must move ---- */

static void test_cuts(void)
{
    /* 8 ranks on two hosts, 2 here; or on four hosts. */
    static const struct {
        enum wm_coll_kind kind;
        bool root;
        double out, in, all_of_4;
    } cuts[] = {
        { WM_COLL_ALLREDUCE, false, 1, 1, 6 },       { WM_COLL_REDUCE_SCATTER, false, 0.75, 0.25, 3 },
        { WM_COLL_ALLGATHER, false, 0.25, 0.75, 3 }, { WM_COLL_ALLTOALL, false, 1.5, 1.5, 0 },
        { WM_COLL_BROADCAST, true, 1, 0, 3 },        { WM_COLL_BROADCAST, false, 0, 1, 3 },
        { WM_COLL_REDUCE, true, 0, 1, 3 },           { WM_COLL_REDUCE, false, 1, 0, 3 },
        { WM_COLL_GATHER, true, 0, 0.75, 0 },        { WM_COLL_GATHER, false, 0.25, 0, 0 },
        { WM_COLL_SCATTER, true, 0.75, 0, 0 },       { WM_COLL_SCATTER, false, 0, 0.25, 0 },
        { WM_COLL_BARRIER, false, 0, 0, 0 },         { WM_COLL_ALLTOALLV, false, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct wm_cut cut = wm_cut_of_host(cuts[i].kind, 2, 8, cuts[i].root);
        CHECK_NEAR(cut.out, cuts[i].out, 1e-12);
        CHECK_NEAR(cut.in, cuts[i].in, 1e-12);
        CHECK_NEAR(wm_cut_of_all(cuts[i].kind, 4, WM_COMBINE_AT_ENDS), cuts[i].all_of_4, 1e-12);
        CHECK_NEAR(wm_cut_of_all(cuts[i].kind, 4, WM_COMBINE_IN_NETWORK), 0, 0);
    }
}

/* ---- cells ---- */

static const struct wm_algorithm *algorithm(const struct wm_benchmark *bench, const char *name)
{
    return name == NULL ? bench->algorithms : wm_benchmark_algorithm(bench, name);
}

/* One arm of one benchmark at one size, on ranks that stand on hosts as host_of says. */
struct stage {
    struct machine machine;
    struct wm_run_conf conf;
    struct wm_plan plan;
    struct wm_plan_transport transport;
    struct wm_endpoint endpoint;
    struct wm_plan_memory memory;
    struct wm_arm_spec spec;
    struct wm_cell cell;
    struct wm_arm arm;
    struct wm_seat seat[8];
    struct wm_limits limits;
    struct wm_result_cell result;
    struct wm_buf buf[WM_AREAS];
    struct wm_buf *by_area[WM_AREAS];
};

static void set_stage(struct stage *s, const struct wm_benchmark *bench, const char *algo, const int *host_of,
                      int ranks, size_t bytes)
{
    *s = (struct stage){ .conf = { .cell_time_ns = 1000000 } };
    make_machine(&s->machine);
    s->plan = (struct wm_plan){ .conf = &s->conf, .host_of = host_of, .ranks = ranks };
    for (int r = 0; r < ranks; r++) {
        s->plan.hosts = host_of[r] >= s->plan.hosts ? host_of[r] + 1 : s->plan.hosts;
        s->seat[r] = seat(&s->machine, host_of[r], r % 2, 0); /* the GPU does not matter to host memory */
    }
    s->transport.transport = &wm_transport_mpi;
    s->endpoint.is = &s->transport;
    s->memory = (struct wm_plan_memory){ .send = &wm_mem_host, .receive = &wm_mem_host };
    s->spec = (struct wm_arm_spec){
        .bench = bench, .algo = algorithm(bench, algo), .window = 4, .type = WM_FLOAT, .memory = &s->memory
    };
    s->cell = (struct wm_cell){ .planned = true, .bytes = bytes, .window = bench->windowed ? 4 : 1 };
    s->arm = (struct wm_arm){ .spec = &s->spec, .cell = &s->cell, .endpoint = &s->endpoint, .status = WM_MEASURED };
    s->arm.point.ranks = bench->shape == WM_PAIR ? 2 : ranks;
}

static struct wm_buf *const *by_area(struct stage *s)
{
    for (int a = 0; a < WM_AREAS; a++)
        s->by_area[a] = &s->buf[a];
    return s->by_area;
}

/* What all ranks would count, and what becomes of the cell when its median is median_ns. */
static void measure(struct stage *s, bool known, double median_ns)
{
    const struct wm_benchmark *bench = s->spec.bench;
    struct wm_err err = { 0 };
    CHECK_INT(wm_limits_open(&s->limits, &s->plan, 0, known ? s->seat : NULL, &err), WM_OK);
    for (int r = 0; r < s->plan.ranks && s->spec.round == NULL; r++)
        s->limits.moves[r] = wm_moves_of(&s->plan, &s->arm, r);
    wm_result_cell_init(&s->result);
    TEXT(s->result.mem, "host");
    TEXT(s->result.path, "host");
    s->result.bytes = (int64_t)s->cell.bytes;
    s->result.time_ns.median = median_ns;
    if (bench->has_bandwidth) {
        struct wm_point at = { .ranks = s->arm.point.ranks, .window = s->cell.window, .bytes = s->cell.bytes };
        double counted = bench->counted_bytes != NULL ? bench->counted_bytes(&at) : (double)s->cell.bytes;
        int pairs = s->spec.round != NULL ? s->spec.round->n : 1;
        s->result.bandwidth.alg_bytes_per_s = counted * pairs / median_ns * 1e9;
        if (bench->bus_factor != NULL)
            s->result.bandwidth.bus_bytes_per_s =
                s->result.bandwidth.alg_bytes_per_s * bench->bus_factor(s->plan.ranks);
    }
    s->result.simulated = s->endpoint.is->transport->simulated;
    wm_limits_cell(&s->limits, &s->arm, by_area(s), &s->result);
    wm_limits_close(&s->limits);
}

static void check_limit(const struct stage *s, double bytes_per_s, double share, const char *source)
{
    CHECK_TEXT(s->result.limit.kind, "link");
    CHECK_NEAR(s->result.limit.bytes_per_s, bytes_per_s, 1e-6 * bytes_per_s);
    CHECK_NEAR(s->result.limit.share, share, 1e-6 * share);
    CHECK_TEXT(s->result.limit.source, source);
}

static void check_no_limit(const struct stage *s)
{
    CHECK(isnan(s->result.limit.bytes_per_s) && isnan(s->result.limit.share));
    CHECK_TEXT(s->result.limit.kind, "");
    CHECK_TEXT(s->result.limit.source, "");
}

static const int two_and_two[] = { 0, 0, 1, 1 };

static void test_pair_cells(void)
{
    struct wm_pair pairs[] = { { 0, 2 }, { 1, 3 }, { 0, 1 } };
    struct wm_round one = { &pairs[0], 1 }, both = { &pairs[0], 2 }, inside = { &pairs[2], 1 };
    struct stage s;
    /* 1 MB in 25 us is 40 GB/s of 50. */
    set_stage(&s, &wm_benchmark_bandwidth, NULL, two_and_two, 4, 1000000);
    s.spec.round = &one;
    measure(&s, true, 25000);
    check_limit(&s, 50e9, 0.8, NDR);
    s.machine.pci[GPU_A].link.width = 1; /* its memory has no part in it */
    measure(&s, true, 25000);
    check_limit(&s, 50e9, 0.8, NDR);
    measure(&s, true, 10000); /* cannot be: flagged, never hidden */
    check_limit(&s, 50e9, 2, NDR);
    measure(&s, false, 25000);
    check_no_limit(&s);
    s.spec.round = &both;
    measure(&s, true, 50000);
    check_limit(&s, 50e9, 0.8, "2 ranks share " NDR);
    s.seat[1].nic = s.seat[3].nic = 1; /* a card each */
    measure(&s, true, 25000);
    check_limit(&s, 100e9, 0.8, NDR);
    set_stage(&s, &wm_benchmark_bibandwidth, NULL, two_and_two, 4, 1000000);
    s.spec.round = &one;
    measure(&s, true, 25000);
    check_limit(&s, 100e9, 0.8, "both ways, " NDR);
    set_stage(&s, &wm_benchmark_get_bandwidth, NULL, two_and_two, 4, 1000000);
    s.spec.round = &both;
    measure(&s, true, 50000);
    check_limit(&s, 50e9, 0.8, "2 ranks share " NDR);
    set_stage(&s, &wm_benchmark_latency, NULL, two_and_two, 4, 1000);
    s.spec.round = &one;
    measure(&s, true, 2000); /* 0.5 GB/s one way */
    check_limit(&s, 50e9, 0.01, NDR);
    s.spec.round = &both; /* one's ping may meet the other's pong: no more than with one pair */
    measure(&s, true, 2000);
    check_limit(&s, 50e9, 0.01, NDR);
    s.spec.round = &one;
    s.transport.transport = &wm_transport_sim;
    measure(&s, true, 2000);
    check_no_limit(&s);
    s.transport.transport = &wm_transport_mpi;
    s.spec.round = &inside;
    measure(&s, true, 2000);
    CHECK_TEXT(s.result.limit.kind, "estimate");
}

static void test_fan_cells(void)
{
    struct stage s;
    /* Of three messages to rank 0, two come over the card: 2/3 of a message for each, on average. */
    set_stage(&s, &wm_benchmark_fan_in, NULL, two_and_two, 4, 3000000);
    measure(&s, true, 80000);
    check_limit(&s, 75e9, 0.5, "0.667 x bytes enter the host of rank 0; " NDR);
    set_stage(&s, &wm_benchmark_fan_out, NULL, two_and_two, 4, 3000000);
    measure(&s, true, 40000);
    check_limit(&s, 75e9, 1, "0.667 x bytes leave the host of rank 0; " NDR);
}

#define SHARED "2 ranks share " NDR

static void test_collective_cells(void)
{
    static const struct {
        const struct wm_benchmark *bench;
        const char *algo;
        double crossing; /* x bytes, over 50 GB/s */
        const char *source;
    } cells[] = {
        { &wm_benchmark_allreduce, "native", 1, "at least 1 x bytes leave the host of rank 0; " SHARED },
        /* The ring leaves and enters each host by one rank, 2 x 3/4 of the vector. */
        { &wm_benchmark_allreduce, "ring", 1.5, "1.5 x bytes leave the host of rank 0; " NDR },
        { &wm_benchmark_reduce_scatter, "native", 0.5, "at least 0.5 x bytes leave the host of rank 0; " SHARED },
        { &wm_benchmark_allgather, "native", 0.5, "at least 0.5 x bytes leave the host of rank 0; " SHARED },
        { &wm_benchmark_alltoall, "native", 1, "at least 1 x bytes leave the host of rank 0; " SHARED },
        { &wm_benchmark_alltoall, "pairwise", 1, "1 x bytes leave the host of rank 0; " SHARED },
        { &wm_benchmark_broadcast, "native", 1, "at least 1 x bytes leave the host of rank 0; " SHARED },
        { &wm_benchmark_broadcast, "binomial", 1, "1 x bytes leave the host of rank 0; " NDR },
        { &wm_benchmark_reduce, "native", 1, "at least 1 x bytes enter the host of rank 0; " SHARED },
        { &wm_benchmark_gather, "native", 0.5, "at least 0.5 x bytes enter the host of rank 0; " SHARED },
        { &wm_benchmark_scatter, "native", 0.5, "at least 0.5 x bytes leave the host of rank 0; " SHARED },
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        struct stage s;
        const struct wm_benchmark *bench = cells[i].bench;
        set_stage(&s, bench, cells[i].algo, two_and_two, 4, 1 << 20);
        double least_ns = cells[i].crossing * (1 << 20) / 50;
        measure(&s, true, 4 * least_ns);
        check_limit(&s, (1 << 20) / least_ns * 1e9 * (bench->bus_factor != NULL ? bench->bus_factor(4) : 1), 0.25,
                    cells[i].source);
    }
}

/* Three hosts of one rank: over all, 4 x bytes must cross 150 GB/s, more than 1 x bytes over 50 GB/s. */
static void test_all_hosts(void)
{
    static const int apart[] = { 0, 1, 2 };
    struct stage s;
    set_stage(&s, &wm_benchmark_allreduce, "native", apart, 3, 3 << 20);
    measure(&s, true, (4 << 20) / 50.0);
    check_limit(&s, 50e9, 1, "at least 4 x bytes cross between 3 hosts; all their cards together, " NDR " among them");
}

/* Three ranks and one: a root there has more to send than one here; what any root must is the less. */
static void test_rotating_root(void)
{
    static const int three_and_one[] = { 0, 0, 0, 1 };
    struct stage s;
    set_stage(&s, &wm_benchmark_scatter, "binomial", three_and_one, 4, 1 << 20);
    s.spec.root = 3;
    measure(&s, true, (1 << 20) / 50.0);
    check_limit(&s, 50e9, 0.75, "0.75 x bytes enter the host of rank 0; 2 ranks share " NDR);
    s.spec.root = WM_ROOT_ROTATE;
    measure(&s, true, (1 << 20) / 50.0);
    check_limit(&s, 150e9, 0.25, "at least 0.25 x bytes leave the host of rank 0; 3 ranks share " NDR);
}

/* One host is slower: it decides, whichever has the root. */
static void test_unequal_hosts(void)
{
    struct machine slow;
    struct stage s;
    make_machine(&slow);
    put_card(&slow, 0, "mlx5_0", "100 Gb/sec (4X EDR)", 12.5e9, WM_FABRIC_IB);
    set_stage(&s, &wm_benchmark_scatter, "native", two_and_two, 4, 1 << 20);
    s.seat[2].topo = s.seat[3].topo = &slow.topo;
    measure(&s, true, (1 << 20) / 25.0);
    check_limit(&s, 25e9 * 3 / 4, 1,
                "at least 0.5 x bytes enter the host of rank 2; 2 ranks share mlx5_0: 100 Gb/sec (4X EDR); "
                "PCIe 5.0 x16 allows more");
    s.spec.root = WM_ROOT_ROTATE;
    measure(&s, true, (1 << 20) / 25.0);
    CHECK_NEAR(s.result.limit.share, 1, 1e-6);
    s.seat[2].topo = s.seat[3].topo = NULL; /* what is not known there does not hide what is known here */
    s.spec.root = 0;
    measure(&s, true, (1 << 20) / 50.0);
    check_limit(&s, 100e9 * 3 / 4, 0.5, "at least 0.5 x bytes leave the host of rank 0; " SHARED);
}

/* Parts of alltoallv are not equal: counted from its counts, the same by either algorithm. */
static void test_alltoallv(void)
{
    struct stage s;
    double share[2];
    for (int i = 0; i < 2; i++) {
        set_stage(&s, &wm_benchmark_alltoallv, i == 0 ? "native" : "pairwise", two_and_two, 4, 1 << 20);
        measure(&s, true, 1e6);
        CHECK_HAS(s.result.limit.source, "2 ranks share " NDR);
        share[i] = s.result.limit.share;
    }
    CHECK(share[0] > 0);
    CHECK_NEAR(share[0], share[1], 1e-12);
}

/* Cards that are not known, and a barrier, leave nothing to say. */
static void test_absent_cells(void)
{
    struct stage s;
    set_stage(&s, &wm_benchmark_allreduce, "native", two_and_two, 4, 4096);
    measure(&s, false, 1000);
    check_no_limit(&s);
    s.machine.topo.n_rdma = 0;
    measure(&s, true, 1000);
    check_no_limit(&s);
    set_stage(&s, &wm_benchmark_barrier, "native", two_and_two, 4, 0);
    measure(&s, true, 1000);
    check_no_limit(&s);
    set_stage(&s, &wm_benchmark_allreduce, "native", two_and_two, 4, 4096);
    s.arm.status = WM_SKIPPED;
    measure(&s, true, 1000);
    check_no_limit(&s);
}

/* ---- cards that a transport claims ---- */

struct claimed {
    struct wm_claim claim[4]; /* by rank: two hosts of two */
    double bytes_per_s;       /* of two messages at once, one from each rank of host 0; 0 = no limit */
    const char *source;
};

#define IB(name)                                                                                                       \
    {                                                                                                                  \
        .fabric = WM_FABRIC_IB, .device = name                                                                         \
    }
#define TCP(name)                                                                                                      \
    {                                                                                                                  \
        .fabric = WM_FABRIC_TCP, .device = name                                                                        \
    }
#define ETH "eth0: 10 Gb/s; PCIe 5.0 x16 allows more"

/* Two cards of 50 GB/s a host, the second with two ports; and an interface of 1.25 GB/s, with a bond over it. */
static const struct claimed claimed[] = {
    { { { 0 }, { 0 }, { 0 }, { 0 } }, 101.25e9, "2 ranks share mlx5_0 (400 Gb/sec (4X NDR)) and 2 more together" },
    { { IB("mlx5_0"), IB("mlx5_0:1"), IB("mlx5_0"), IB("mlx5_1") }, 50e9, "2 ranks share " NDR }, /* it has one port */
    { { IB("mlx5_0:1"), IB("mlx5_0:1"), IB("mlx5_0:1"), IB("mlx5_0:1") }, 50e9, "2 ranks share " NDR },
    { { IB("mlx5_0"), IB("mlx5_0"), IB("mlx5_0"), IB("mlx5_1") }, 50e9, "2 ranks share " NDR },
    { { IB("mlx5_0"), IB("mlx5_1"), IB("mlx5_0"), IB("mlx5_1") }, 100e9, NDR },
    { { IB(""), IB(""), IB(""), IB("") }, 100e9, "2 ranks share mlx5_0 (400 Gb/sec (4X NDR)) and 1 more together" },
    { { TCP("eth0"), TCP("eth0"), TCP("eth0"), TCP("eth0") }, 1.25e9, "2 ranks share " ETH },
    { { TCP(""), TCP(""), TCP(""), TCP("") }, 51.25e9, "2 ranks share eth0 (10 Gb/s) and 1 more together" },
    { { TCP("bond0"), TCP("bond0"), TCP("bond0"), TCP("bond0") },
      51.25e9,
      "2 ranks share eth0 (10 Gb/s) and 1 more together" },
    { { TCP("ib1"), TCP("ib1"), TCP("ib1"), TCP("ib1") },
      50e9,
      "2 ranks share mlx5_1: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more" },
    /* Not listed, of no card, or of a kind that nobody has here: nothing is known, and no other card's rate is taken.
     */
    { { TCP("lo"), TCP("lo"), TCP("lo"), TCP("lo") }, 0, "" },
    { { { .fabric = WM_FABRIC_SHM },
        { .fabric = WM_FABRIC_SHM },
        { .fabric = WM_FABRIC_SHM },
        { .fabric = WM_FABRIC_SHM } },
      0,
      "" },
    { { { .fabric = WM_FABRIC_EFA },
        { .fabric = WM_FABRIC_EFA },
        { .fabric = WM_FABRIC_EFA },
        { .fabric = WM_FABRIC_EFA } },
      0,
      "" },
};

static void put_interface(struct machine *m, int i, const char *name, const char *kind, int rdma)
{
    m->netif[i] = (struct wm_topo_netif){ .state = "up", .bytes_per_s = 1.25e9, .pci = GPU_B, .numa = 0, .rdma = rdma };
    TEXT(m->netif[i].name, name);
    TEXT(m->netif[i].kind, kind);
    m->topo.netif = m->netif;
    m->topo.n_netifs = i + 1;
}

static void put_interfaces(struct machine *m)
{
    put_interface(m, 0, "eth0", "", -1);
    put_interface(m, 1, "bond0", "bond", -1);
    m->netif[1].virtual_device = true;
    m->netif[1].pci = -1;
    put_interface(m, 2, "ib1", "", 1);
}

static void test_claims(void)
{
    struct wm_pair pairs[] = { { 0, 2 }, { 1, 3 } };
    struct wm_round both = { pairs, 2 };
    struct stage s;
    for (size_t i = 0; i < sizeof(claimed) / sizeof(claimed[0]); i++) {
        struct wm_claim claim[4];
        memcpy(claim, claimed[i].claim, sizeof(claim));
        set_stage(&s, &wm_benchmark_bandwidth, NULL, two_and_two, 4, 1000000);
        put_interfaces(&s.machine);
        s.spec.round = &both;
        for (int r = 0; r < 4; r++)
            s.seat[r].nic = WM_NIC_ANY;
        s.endpoint.claim = claim;
        measure(&s, true, 2e6 / claimed[i].bytes_per_s * 1e9);
        if (claimed[i].bytes_per_s > 0)
            check_limit(&s, claimed[i].bytes_per_s, 1, claimed[i].source);
        else
            check_no_limit(&s);
    }
}

/* Collectives too, and each of two transports of one run with its own cards. */
static void test_claims_of_transports(void)
{
    struct wm_claim claim[4] = { IB("mlx5_0"), IB("mlx5_0"), IB("mlx5_0"), IB("mlx5_0") };
    struct wm_err err = { 0 };
    struct stage s;
    struct wm_endpoint other;
    set_stage(&s, &wm_benchmark_allreduce, "native", two_and_two, 4, 1 << 20);
    other = s.endpoint;
    s.endpoint.claim = claim;
    for (int r = 0; r < 4; r++)
        s.seat[r].nic = WM_NIC_ANY;
    measure(&s, true, (1 << 20) / 50.0);
    check_limit(&s, 75e9, 1, "at least 1 x bytes leave the host of rank 0; 2 ranks share " NDR);
    CHECK_INT(wm_limits_open(&s.limits, &s.plan, 0, s.seat, &err), WM_OK);
    for (int turn = 0; turn < 4; turn++) {
        s.arm.endpoint = turn % 2 == 0 ? &s.endpoint : &other;
        wm_limits_cell(&s.limits, &s.arm, by_area(&s), &s.result);
        CHECK_NEAR(s.result.limit.bytes_per_s, turn % 2 == 0 ? 75e9 : 150e9, 1);
    }
    wm_limits_close(&s.limits);
}

/* GPU memory through host memory: 1/58.4 to the host, 1/50 over the cards and 1/58.4 to the GPU, after each other or,
 * of many, at once. */
static void test_detour_cells(void)
{
    static const double gpu = 64e9 * 128 / 130 * 256 / 276, card = 50e9;
    const double turn_s = 2 / gpu + 1 / card; /* a byte */
    const struct wm_plan_memory to_host = { .send = &wm_mem_device, .receive = &wm_mem_host };
    struct wm_pair across = { 0, 2 }, inside = { 0, 1 };
    struct wm_round round = { &across, 1 };
    struct stage s;
    set_stage(&s, &wm_benchmark_latency, NULL, two_and_two, 4, 1000000);
    s.memory = (struct wm_plan_memory){ .send = &wm_mem_device, .receive = &wm_mem_device };
    s.spec.round = &round;
    s.spec.path = WM_PATH_STAGED;
    measure(&s, true, 1e15 * turn_s);
    check_limit(&s, 1 / turn_s, 1,
                "GPU 0: PCIe 5.0 x16 at " AT_GPU ", then " NDR ", then GPU 0: PCIe 5.0 x16 at " AT_GPU);
    s.spec.path = WM_PATH_PIPELINED;
    measure(&s, true, 40000);
    check_limit(&s, card, 0.5, NDR);
    s.spec.path = WM_PATH_DIRECT;
    measure(&s, true, 40000);
    check_limit(&s, card, 0.5, NDR);
    s.spec.memory = &to_host; /* the other side's GPU has no part in it */
    s.spec.path = WM_PATH_STAGED;
    measure(&s, true, 1e15 / gpu + 1e15 / card);
    check_limit(&s, 1 / (1 / gpu + 1 / card), 1, "GPU 0: PCIe 5.0 x16 at " AT_GPU ", then " NDR);
    s.machine.pci[GPU_A].link = (struct wm_pci_link){ 0 };
    s.machine.pci[DOWN_GPU_A].link = s.machine.pci[UP_A].link = s.machine.pci[PORT_A].link = s.machine.pci[GPU_A].link;
    measure(&s, true, 40000);
    check_no_limit(&s);
    set_stage(&s, &wm_benchmark_bandwidth, NULL, two_and_two, 4, 1000000); /* a window of 4 */
    s.memory = (struct wm_plan_memory){ .send = &wm_mem_device, .receive = &wm_mem_device };
    s.spec.round = &round;
    s.spec.path = WM_PATH_STAGED;
    measure(&s, true, 1e15 * (1 / card + 2 / gpu / 4));
    check_limit(&s, 1 / (1 / card + 2 / gpu / 4), 1,
                "GPU 0: PCIe 5.0 x16 at " AT_GPU ", then " NDR ", then GPU 0: PCIe 5.0 x16 at " AT_GPU);
    round.pair = &inside; /* host memory is no link */
    measure(&s, true, 1e15 * (1 / gpu + 1 / gpu / 4));
    check_limit(&s, 1 / (1 / gpu + 1 / gpu / 4), 1,
                "GPU 0: PCIe 5.0 x16 at " AT_GPU ", then GPU 1: PCIe 5.0 x16 at 0000:9b:00.0");
}

/* ---- GPU memory of one rank ---- */

#define GPU_RATE (64e9 * 128 / 130 * 256 / 276) /* 58.4 GB/s: PCIe 5.0 x16 by packets of 256 bytes */

static void set_device(struct stage *s, const struct wm_mem *from, const struct wm_mem *to)
{
    s->memory = (struct wm_plan_memory){ .send = from, .receive = to };
    s->spec.path = WM_PATH_DIRECT;
}

/* 58.4 MB in 2 ms, where 1 would do; of both ways at once twice that counts in the same time. */
static void test_copies_of_one_rank(void)
{
    static const int alone[] = { 0 };
    const size_t bytes = 58449, per_ms = 1000; /* 58.449 bytes a ns */
    const double least_ns = (double)(bytes * per_ms) / GPU_RATE * 1e9;
    struct stage s;
    set_stage(&s, &wm_benchmark_copy_to_device, NULL, alone, 1, bytes * per_ms);
    set_device(&s, &wm_mem_host, &wm_mem_device);
    measure(&s, true, 2e6);
    CHECK_NEAR(s.result.limit.share, 0.5, 1e-4);
    check_limit(&s, GPU_RATE, least_ns / 2e6, "GPU 0: PCIe 5.0 x16 at " AT_GPU);
    s.spec.bench = &wm_benchmark_copy_both;
    s.spec.algo = wm_benchmark_copy_both.algorithms;
    measure(&s, true, 2e6);
    check_limit(&s, 2 * GPU_RATE, least_ns / 2e6, "both ways, GPU 0: PCIe 5.0 x16 at " AT_GPU);
    s.machine.gpu[0].cpu_links = 10;
    s.machine.gpu[0].cpu_link_bytes_per_s = 450e9; /* 58.4 MB over 450 GB/s: 130 us */
    measure(&s, true, 260e3);
    CHECK_NEAR(s.result.limit.share, 0.4995, 1e-4);
    CHECK_TEXT(s.result.limit.source, "both ways, GPU 0: NVLink to the processor, 450 GB/s");
    s.machine.gpu[0].cpu_link_bytes_per_s = 0; /* they are there: PCI is no bound */
    measure(&s, true, 260e3);
    check_no_limit(&s);
    s.machine.gpu[0].cpu_links = 0;
    measure(&s, false, 2e6);
    check_no_limit(&s);
    s.seat[0].gpu = -1;
    measure(&s, true, 2e6);
    check_no_limit(&s);
    s.seat[0].gpu = 0;
    for (int p = 0; p < PCIS; p++)
        s.machine.pci[p].link = (struct wm_pci_link){ 0 };
    measure(&s, true, 2e6);
    check_no_limit(&s);
    set_stage(&s, &wm_benchmark_copy_local, NULL, alone, 1, bytes);
    set_device(&s, &wm_mem_device, &wm_mem_device);
    measure(&s, true, 2000);
    check_no_limit(&s);
}

/* ---- between the GPUs of one host ---- */

struct four {
    struct stage s;
    struct wm_topo_gpu gpu[4];
    struct wm_topo_nvlink nvlink[6];
};

/* 18 NVLinks of 25 GB/s each, to switches, or 6 to each of the others. */
static void set_four(struct four *f, const struct wm_benchmark *bench, const char *algo,
                     const struct wm_transport *transport, bool switches)
{
    static const int together[] = { 0, 0, 0, 0 };
    struct wm_topo *topo = &f->s.machine.topo;
    set_stage(&f->s, bench, algo, together, 4, 4500000000);
    set_device(&f->s, &wm_mem_device, &wm_mem_device);
    f->s.transport.transport = transport;
    topo->gpu = f->gpu;
    topo->n_gpus = 4;
    topo->nvlink = f->nvlink;
    topo->n_nvlinks = 0;
    for (int g = 0; g < 4; g++) {
        f->s.seat[g].gpu = g;
        f->gpu[g] = (struct wm_topo_gpu){ .pci = -1, .index = g, .nvlinks = 18, .nvlink_bytes_per_s = 25e9 };
        if (switches)
            f->nvlink[topo->n_nvlinks++] = (struct wm_topo_nvlink){ g, -1, 18 };
        for (int k = g + 1; k < 4 && !switches; k++)
            f->nvlink[topo->n_nvlinks++] = (struct wm_topo_nvlink){ g, k, 6 };
    }
}

#define NV "GPU 0: NVLink, 18 links of 25.000 GB/s"

/* 4.5 GB over 450 GB/s take 10 ms. An all-reduce needs 2 x 3/4 of that where GPUs combine, once where switches do;
 * three messages into one GPU count as one each. */
static void test_gpus_of_one_host(void)
{
    static const struct {
        const struct wm_benchmark *bench;
        const char *algo;
        const struct wm_transport *transport;
        bool switches;
        double least_ms;
        const char *source;
    } cells[] = {
        { &wm_benchmark_allreduce, "native", &wm_transport_nccl, true, 10, "between 4 GPUs; " NV },
        { &wm_benchmark_allreduce, "native", &wm_transport_nccl, false, 15, "between 4 GPUs; " NV },
        { &wm_benchmark_allreduce, "ring", &wm_transport_nccl, true, 15, "1.5 x bytes leave; " NV },
        { &wm_benchmark_broadcast, "native", &wm_transport_nccl, true, 10, "between 4 GPUs; " NV },
        { &wm_benchmark_alltoall, "native", &wm_transport_nccl, true, 7.5, "between 4 GPUs; " NV },
        { &wm_benchmark_alltoall, "pairwise", &wm_transport_nccl, true, 7.5, "0.75 x bytes leave; " NV },
        { &wm_benchmark_copy_all_to_one, "ce", &wm_transport_cuda, true, 10, "1 x bytes enter; " NV },
        { &wm_benchmark_copy_one_to_all, "sm", &wm_transport_cuda, false, 10, "1 x bytes leave; " NV },
        { &wm_benchmark_allreduce, "native", &wm_transport_mpi, true, 0, NULL }, /* it may go any way */
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        struct four f;
        const struct wm_benchmark *bench = cells[i].bench;
        set_four(&f, bench, cells[i].algo, cells[i].transport, cells[i].switches);
        measure(&f.s, true, 4e6 * cells[i].least_ms + 1);
        if (cells[i].source == NULL) {
            check_no_limit(&f.s);
            continue;
        }
        measure(&f.s, true, 4e6 * cells[i].least_ms);
        check_limit(&f.s, 4500 / cells[i].least_ms * 1e9 * (bench->bus_factor != NULL ? bench->bus_factor(4) : 1), 0.25,
                    cells[i].source);
    }
}

static void test_gpus_without_limit(void)
{
    struct four f;
    set_four(&f, &wm_benchmark_allreduce, "native", &wm_transport_nccl, true);
    f.s.seat[3].gpu = 2; /* two ranks share one, and NVLink does not join these */
    measure(&f.s, true, 1e9);
    check_no_limit(&f.s);
    f.s.seat[3].gpu = -1;
    measure(&f.s, true, 1e9);
    check_no_limit(&f.s);
    f.s.seat[3].gpu = 3;
    f.s.machine.topo.n_nvlinks = 0; /* and no way over PCI is known */
    measure(&f.s, true, 1e9);
    check_no_limit(&f.s);
    measure(&f.s, false, 1e9);
    check_no_limit(&f.s);
    set_four(&f, &wm_benchmark_allreduce, "native", &wm_transport_nccl, false);
    f.s.machine.topo.n_nvlinks = 5; /* GPUs 2 and 3 are not joined: NVLink is not the only way */
    measure(&f.s, true, 1e9);
    check_no_limit(&f.s);
}

/* Ranks 0 and 2 on one, 1 and 3 on the other: of three messages one stays. */
static void test_two_ranks_on_a_gpu(void)
{
    static const int together[] = { 0, 0, 0, 0 };
    struct stage s;
    set_stage(&s, &wm_benchmark_copy_one_to_all, NULL, together, 4, 3000000);
    set_device(&s, &wm_mem_device, &wm_mem_device);
    s.transport.transport = &wm_transport_cuda;
    s.machine.topo.n_nvlinks = 0;
    measure(&s, true, 4e15 / GPU_RATE); /* 2 MB at least, on average, and 4 MB were possible */
    check_limit(&s, 1.5 * GPU_RATE, 0.5, "0.667 x bytes leave; PCIe 5.0 x16 at " AT_GPU);
}

/* With any root a scatter sends 3/4 from it. */
static void test_rotating_root_of_gpus(void)
{
    struct four f;
    set_four(&f, &wm_benchmark_scatter, "native", &wm_transport_nccl, true);
    f.s.spec.root = WM_ROOT_ROTATE;
    f.gpu[3].nvlink_bytes_per_s = 5e9; /* 90 GB/s: 1/4 of 4.5 GB enter it in 12.5 ms, or 3/4 leave it */
    measure(&f.s, true, 25e6);
    check_limit(&f.s, 0.75 * 4.5e9 / 12.5e-3, 0.5, "between 4 GPUs; GPU 3: NVLink, 18 links of 5.000 GB/s");
}

/* ---- collectives through host memory ---- */

static void set_detour(struct stage *s, const struct wm_benchmark *bench, const int *host_of, enum wm_path path)
{
    set_stage(s, bench, "native", host_of, 4, 1000000000);
    set_device(s, &wm_mem_device, &wm_mem_device);
    s->spec.path = path;
    s->spec.chunk_bytes = 100000000;
    s->spec.slots = 4;
}

static void check_share(struct stage *s, double least_ms, const char *source)
{
    measure(s, true, 2e6 * least_ms);
    CHECK_TEXT(s->result.limit.kind, "link");
    CHECK_NEAR(s->result.limit.share, 0.5, 1e-5);
    CHECK_TEXT(s->result.limit.source, source);
}

#define ON_CARDS "at least 1 x bytes leave the host of rank 0; 2 ranks share " NDR

/* 1 GB over a GPU's 58.449 GB/s takes 17.10892 ms, over a host's card of 50 GB/s 20 ms. */
static void test_collectives_through_hosts(void)
{
    static const int pairs_apart[] = { 0, 0, 1, 1 };
    struct stage s;
    set_detour(&s, &wm_benchmark_allreduce, pairs_apart, WM_PATH_STAGED);
    check_share(&s, 54.21783, "34.2 ms of copies before and after; " ON_CARDS);
    s.spec.sync = WM_SYNC_NONE; /* one operation's copies may meet another's network */
    check_share(&s, 34.21783, "2 x bytes; GPU 0: PCIe 5.0 x16 at " AT_GPU);
    set_detour(&s, &wm_benchmark_allreduce, pairs_apart, WM_PATH_PIPELINED);
    check_share(&s, 20, ON_CARDS);
    s.seat[1].gpu = 0; /* 2 GB to one GPU and from it */
    check_share(&s, 34.21783, "2 x bytes; 2 ranks share PCIe 5.0 x16 at " AT_GPU);
    set_detour(&s, &wm_benchmark_broadcast, pairs_apart, WM_PATH_STAGED); /* the root has nothing to copy out */
    check_share(&s, 37.10892, "17.1 ms of copies before; " ON_CARDS);
    set_detour(&s, &wm_benchmark_reduce, pairs_apart, WM_PATH_STAGED); /* and here all others */
    check_share(&s, 37.10892,
                "17.1 ms of copies before; at least 1 x bytes enter the host of rank 0; 2 ranks share " NDR);
    set_detour(&s, &wm_benchmark_scatter, pairs_apart, WM_PATH_STAGED);
    s.spec.root = WM_ROOT_ROTATE; /* copies are not counted: 1/2 x bytes over the card */
    check_share(&s, 10, "at least 0.5 x bytes leave the host of rank 0; 2 ranks share " NDR);
    set_detour(&s, &wm_benchmark_allreduce, pairs_apart, WM_PATH_STAGED);
    for (int r = 0; r < 4; r++) /* no GPU is known: what the cards say stands */
        s.seat[r].gpu = -1;
    check_share(&s, 20, ON_CARDS);
}

/* The cards have no part then. */
static void test_collectives_through_one_host(void)
{
    static const int together[] = { 0, 0, 0, 0 };
    struct stage s;
    set_detour(&s, &wm_benchmark_allreduce, together, WM_PATH_STAGED);
    s.plan.ranks = 2;
    check_share(&s, 34.21783, "2 x bytes; GPU 0: PCIe 5.0 x16 at " AT_GPU);
    s.spec.path = WM_PATH_PIPELINED;
    check_share(&s, 17.10892, "1 x bytes; GPU 0: PCIe 5.0 x16 at " AT_GPU);
    s.plan.ranks = 4; /* two ranks a GPU */
    check_share(&s, 34.21783, "2 x bytes; 2 ranks share PCIe 5.0 x16 at " AT_GPU);
    s.seat[0].gpu = s.seat[2].gpu = -1; /* what is known of the others binds */
    check_share(&s, 34.21783, "2 x bytes; 2 ranks share PCIe 5.0 x16 at 0000:9b:00.0");
    s.seat[1].gpu = s.seat[3].gpu = -1;
    measure(&s, true, 1e9);
    check_no_limit(&s);
}

/* In one NVLink domain of several hosts the cards are no bound of what a library is handed. */
static void test_cards_beside_nvlink(void)
{
    static const int apart[] = { 0, 0, 1, 1 };
    struct stage s;
    set_detour(&s, &wm_benchmark_allreduce, apart, WM_PATH_DIRECT);
    check_share(&s, 20, ON_CARDS);
    TEXT(s.machine.gpu[1].nvlink_domain, "c0ffee.1");
    measure(&s, true, 1e9);
    check_no_limit(&s);
    s.spec.path = WM_PATH_PIPELINED;
    check_share(&s, 20, ON_CARDS);
}

static void append(void *text, const char *sentence)
{
    size_t used = strlen(text);
    snprintf((char *)text + used, 600 - used, "%s\n", sentence);
}

/* Before anything is measured. */
static void test_judging_claims(void)
{
    struct wm_claim claim[3] = { IB("mlx5_0"), IB("mlx5_0:1"), IB("mlx5_0") };
    struct wm_place place[3] = { { .host_index = 0 }, { .host_index = 0 }, { .host_index = 1 } };
    const struct wm_world world = { .size = 3, .hosts = 2, .places = place };
    struct wm_endpoint endpoint = { .claim = claim };
    struct wm_seat given[3];
    struct machine m;
    char said[600] = "";
    make_machine(&m);
    TEXT(m.numa[0].cpus, "0-3");
    TEXT(m.numa[1].cpus, "4-7");
    for (int r = 0; r < 3; r++)
        given[r] = seat(&m, place[r].host_index, -1, WM_NIC_ANY);
    wm_cpuset_parse("4-5", &place[2].cpu_set);
    wm_seats_judge(given, &world, &endpoint, append, said);
    CHECK_TEXT(said, "ranks 0 and 1 share one card, mlx5_0, while mlx5_1 is idle\n"
                     "rank 2 runs on processors 4-5, far from its card mlx5_0 on NUMA node 0\n");
    said[0] = '\0';
    endpoint.claim = NULL;
    wm_seats_judge(given, &world, &endpoint, append, said);
    CHECK_TEXT(said, "");
}

/* ---- the copy rate ---- */

static void test_estimates(void)
{
    static const int together[] = { 0, 0, 0, 0 };
    struct wm_pair pair = { 0, 1 };
    struct wm_round round = { &pair, 1 };
    struct stage s;
    set_stage(&s, &wm_benchmark_bandwidth, NULL, together, 4, 65536);
    s.spec.round = &round;
    measure(&s, false, 1000);
    CHECK_TEXT(s.result.limit.kind, "estimate");
    CHECK_TEXT(s.result.limit.source, "copy rate of one core on the host of rank 0: 64.0 KiB at a time, working set "
                                      "128 KiB, hot buffers");
    CHECK_NEAR(s.result.limit.share * s.result.limit.bytes_per_s, 65.536e9, 1);
    s.spec.buffers = WM_BUFFERS_DISTINCT;
    measure(&s, false, 1000);
    CHECK_HAS(s.result.limit.source, "working set 512 KiB, distinct buffers");
    s.cell.bytes = 1 << 30; /* more than is taken for this alone */
    measure(&s, false, 1000);
    CHECK_HAS(s.result.limit.source, "16.0 MiB at a time, working set 32.0 MiB, distinct buffers");
    set_stage(&s, &wm_benchmark_allreduce, "ring", together, 4, 4096);
    measure(&s, false, 1000);
    CHECK_TEXT(s.result.limit.kind, "estimate");
    CHECK_NEAR(s.result.limit.share * s.result.limit.bytes_per_s, 1.5 * 4096e6, 1);
}

/* Buffers that are there already serve at any length. */
static void test_estimate_in_place(void)
{
    static const int together[] = { 0, 0 };
    struct wm_pair pair = { 0, 1 };
    struct wm_round round = { &pair, 1 };
    struct stage s;
    char in[400], out[401] = { 0 };
    memset(in, 1, sizeof(in));
    set_stage(&s, &wm_benchmark_bandwidth, NULL, together, 2, 100);
    s.spec.round = &round;
    s.spec.buffers = WM_BUFFERS_DISTINCT;
    s.buf[WM_IN] = (struct wm_buf){ .ptr = in, .bytes = sizeof(in) };
    s.buf[WM_OUT] = (struct wm_buf){ .ptr = out, .bytes = sizeof(out) };
    measure(&s, false, 1000);
    CHECK_HAS(s.result.limit.source, "100 B at a time, working set 800 B, distinct buffers");
    CHECK_INT(memcmp(in, out, 100), 0); /* the first message at least */
    CHECK_INT(out[400], 0);
}

/* A cold ring is there already: its halves are copied, nothing beyond. */
static void test_cold_estimate(void)
{
    enum { STRIDE = 128, POSITIONS = 65 };
    static const int together[] = { 0, 0 };
    struct wm_pair pair = { 0, 1 };
    struct wm_round round = { &pair, 1 };
    struct stage s;
    char *ring = malloc(STRIDE * POSITIONS);
    set_stage(&s, &wm_benchmark_latency, NULL, together, 2, 100);
    s.spec.round = &round;
    s.spec.buffers = WM_BUFFERS_COLD;
    s.arm.ring = (struct wm_ring){ .stride_bytes = STRIDE, .positions = POSITIONS };
    measure(&s, false, 1000);
    check_no_limit(&s); /* this rank has none */
    s.buf[WM_OUT] = (struct wm_buf){ .ptr = ring, .bytes = STRIDE * POSITIONS };
    memset(ring, 1, STRIDE * 32);
    memset(ring + STRIDE * 32, 2, STRIDE * (POSITIONS - 32));
    measure(&s, false, 1000);
    CHECK_HAS(s.result.limit.source, "100 B at a time, working set 8.00 KiB, cold buffers");
    CHECK_INT(ring[STRIDE * 32], 1);
    CHECK_INT(ring[STRIDE * 32 + 99], 1);
    CHECK_INT(ring[STRIDE * 32 + 100], 2);
    CHECK_INT(ring[STRIDE * 31], 1);
    CHECK_INT(ring[STRIDE * 64], 2);
    free(ring);
}

static void test_copy(void)
{
    char to[300] = { 0 }, from[300];
    memset(from, 7, sizeof(from));
    struct wm_copy copy = { to, from, 60, 100, 3 };
    CHECK(wm_copy_bytes_per_s(&copy, 10000) > 0);
    for (int i = 0; i < 300; i++) /* how many of the messages depends on how long it took */
        CHECK(to[i] == 7 ? i % 100 < 60 : to[i] == 0 && i >= 60);
    CHECK(wm_copy_bytes_per_s(&(struct wm_copy){ to, from, 0, 100, 3 }, 10000) == 0);
    CHECK(wm_copy_bytes_per_s(&(struct wm_copy){ to, from, 60, 100, 0 }, 10000) == 0);
}

int main(void)
{
    test_detour_cells();
    test_copies_of_one_rank();
    test_gpus_of_one_host();
    test_gpus_without_limit();
    test_two_ranks_on_a_gpu();
    test_rotating_root_of_gpus();
    test_collectives_through_hosts();
    test_collectives_through_one_host();
    test_cards_beside_nvlink();
    test_pci();
    test_nvlink();
    test_nvlink_domain();
    test_card();
    test_sides();
    test_no_bound();
    test_staged();
    test_sleeping_gpu();
    test_cards_together();
    test_encoded_rates();
    test_virtual_functions();
    test_loops();
    test_cuts();
    test_pair_cells();
    test_fan_cells();
    test_collective_cells();
    test_all_hosts();
    test_rotating_root();
    test_unequal_hosts();
    test_alltoallv();
    test_absent_cells();
    test_claims();
    test_claims_of_transports();
    test_judging_claims();
    test_estimates();
    test_estimate_in_place();
    test_cold_estimate();
    test_copy();
    return wm_tests_end();
}
