#include "src/topo/discover.h"

#include "tests/unit/files.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define CLASS      "sys/class/infiniband"
#define ZERO       "0000:0000:0000:0000:0000:0000:0000:0000\n"
#define LINK_LOCAL "fe80:0000:0000:0000:0e42:a1ff:fe11:2233\n"
#define IPV4       "0000:0000:0000:0000:0000:ffff:c633:6401\n"

/* Two PCI functions that hwloc found. */
static struct wm_topo_pci functions[] = {
    { .address = "0000:18:00.0", .driver = "mlx5_core", .parent = -1, .numa = 1 },
    { .address = "0000:19:00.0", .driver = "", .parent = -1, .numa = -1 },
};

static struct wm_topo begin(struct wm_tree *tree)
{
    files_begin(tree);
    return (struct wm_topo){ .pci = functions, .n_pci = COUNT(functions) };
}

static void read_all(struct wm_tree *tree, struct wm_topo *topo)
{
    struct wm_err err = { 0 };
    CHECK_INT(wm_topo_read_rdma(tree, topo, &err), WM_OK);
}

static void end(struct wm_tree *tree, struct wm_topo *topo)
{
    topo->pci = NULL; /* not from the heap */
    wm_topo_free(topo);
    files_end(tree);
}

/* A device with one port, as most are. */
static void put_device(const char *name, const char *node_type, const char *link_layer, const char *rate)
{
    char folder[100];
    snprintf(folder, sizeof(folder), CLASS "/%s", name);
    files_put_all(folder, "node_type", node_type, "ports/1/state", "4: ACTIVE\n", "ports/1/phys_state", "5: LinkUp\n",
                  "ports/1/link_layer", link_layer, "ports/1/rate", rate, NULL);
}

/* --- rates --- */

static void test_rates(void)
{
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        { "400 Gb/sec (4X NDR)", 50e9 },
        { "2.5 Gb/sec (1X SDR)", 0.3125e9 },
        { "100 Gb/sec", 12.5e9 },
        { "0 Gb/sec (4X SDR)", 0 },
        { "", 0 },
        { "Gb/sec", 0 },
        { "-5 Gb/sec", 0 },
        { " 100 Gb/sec", 0 },
        { "100 Mb/sec", 0 },
        { "100 Gb/seconds", 0 },
        { "100 Gb/sec 4X", 0 },
        { "0x64 Gb/sec", 0 },
        { "nan Gb/sec", 0 },
        { "inf Gb/sec", 0 },
        { "1e300 Gb/sec", 0 },
        { "100 Gb/sec (4X EDR)\n400 Gb/sec", 12.5e9 },
    };
    for (int i = 0; i < COUNT(rows); i++)
        CHECK_NEAR(wm_rate_bytes_per_s(rows[i].text), rows[i].want, 1);
}

/* --- what hardware looks like --- */

static void put_roce(void)
{
    const char *device = CLASS "/mlx5_0";
    put_device("mlx5_0", "1: CA\n", "Ethernet\n", "400 Gb/sec (4X NDR)\n");
    files_link(CLASS "/mlx5_0/device", "../../../0000:18:00.0");
    files_put_all(device, "fw_ver", "28.39.1002\n", "board_id", "MT_0000000838\n", "node_guid", "a088:c203:00ab:cdef\n",
                  NULL);
    files_put_all(CLASS "/mlx5_0/ports/1", "gids/0", LINK_LOCAL, "gids/1", LINK_LOCAL, "gids/2", IPV4, "gids/3", IPV4,
                  "gids/4", ZERO, "gids/10", ZERO, "gid_attrs/types/0", "IB/RoCE v1\n", "gid_attrs/types/1",
                  "RoCE v2\n", "gid_attrs/types/2", "IB/RoCE v1\n", "gid_attrs/types/3", "RoCE v2\n",
                  "gid_attrs/ndevs/0", "eth2\n", "gid_attrs/ndevs/1", "eth2\n", "gid_attrs/ndevs/2", "eth2\n",
                  "gid_attrs/ndevs/3", "eth2\n", NULL);
    files_put_all(CLASS "/mlx5_0/ports/1", "counters/symbol_error", "0\n", "counters/link_downed", "3\n",
                  "counters/port_xmit_data", "123456\n", "hw_counters/out_of_sequence", "17\n",
                  "hw_counters/np_cnp_sent", "99\n", NULL);
    files_put("sys/class/net/eth2/mtu", "9000\n");
}

static void test_roce(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_roce();
    read_all(&tree, &topo);
    files_print_notes(&tree);
    CHECK_INT(tree.n_notes, 0);
    if (!CHECK_INT(topo.n_rdma, 1) || !CHECK_INT(topo.rdma[0].n_ports, 1))
        return;
    const struct wm_topo_rdma *rdma = &topo.rdma[0];
    const struct wm_topo_port *port = &rdma->port[0];
    CHECK_TEXT(rdma->name, "mlx5_0");
    CHECK_TEXT(rdma->driver, "mlx5_core");
    CHECK_TEXT(rdma->node_type, "CA");
    CHECK_TEXT(rdma->firmware, "28.39.1002");
    CHECK_TEXT(rdma->board_id, "MT_0000000838");
    CHECK_TEXT(rdma->node_guid, "a088:c203:00ab:cdef");
    CHECK_INT(rdma->pci, 0);
    CHECK_INT(rdma->numa, 1);
    CHECK(!rdma->virtual_device);
    CHECK_INT(port->number, 1);
    CHECK_TEXT(port->state, "ACTIVE");
    CHECK_TEXT(port->phys_state, "LinkUp");
    CHECK_TEXT(port->link_layer, "Ethernet");
    CHECK_TEXT(port->rate, "400 Gb/sec (4X NDR)");
    CHECK_NEAR(port->bytes_per_s, 50e9, 1);
    CHECK_INT(port->fabric, WM_FABRIC_ROCE);
    CHECK_TEXT(port->netif, "eth2");
    CHECK_INT(port->mtu_bytes, 9000);
    if (CHECK_INT(port->n_gids, 4)) {
        CHECK_INT(port->gid[0].type, WM_GID_ROCE_V1);
        CHECK_INT(port->gid[3].type, WM_GID_ROCE_V2);
        CHECK_INT(port->gid[3].index, 3);
        CHECK_TEXT(port->gid[3].gid, "0000:0000:0000:0000:0000:ffff:c633:6401");
        CHECK_TEXT(port->gid[3].netif, "eth2");
    }
    if (CHECK_INT(port->n_counters, 2)) {
        CHECK_TEXT(port->counter[0].name, "link_downed");
        CHECK_INT(port->counter[0].value, 3);
        CHECK_TEXT(port->counter[1].name, "out_of_sequence");
        CHECK_INT(port->counter[1].value, 17);
    }
    end(&tree, &topo);
}

/* InfiniBand's rows of addresses have no interface, and the kernel refuses to show it. */
static void test_infiniband(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_device("mlx5_0", "1: CA\n", "InfiniBand\n", "200 Gb/sec (4X HDR)\n");
    files_link(CLASS "/mlx5_0/device", "../../../0000:18:00.0");
    files_put_all(CLASS "/mlx5_0", "ports/1/gids/0", LINK_LOCAL, "ports/1/gid_attrs/types/0", "IB/RoCE v1\n",
                  "ports/1/gid_attrs/ndevs/0", "", "ports/2/state", "1: DOWN\n", "ports/2/link_layer", "InfiniBand\n",
                  NULL);
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 2)) {
        CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_IB);
        CHECK_INT(topo.rdma[0].port[0].gid[0].type, WM_GID_IB);
        CHECK_TEXT(topo.rdma[0].port[0].netif, "");
        CHECK_TEXT(topo.rdma[0].port[1].state, "DOWN");
        CHECK_INT(topo.rdma[0].port[1].number, 2);
        CHECK_NEAR(topo.rdma[0].port[1].bytes_per_s, 0, 0);
    }
    end(&tree, &topo);
}

static void test_efa(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_device("rdmap25s0", "7: unspecified\n", "Unspecified\n", "100 Gb/sec (4X EDR)\n");
    files_link(CLASS "/rdmap25s0/device", "../../../0000:19:00.0");
    files_link("sys/0000:19:00.0/driver", "../bus/pci/drivers/efa");
    files_put_all(CLASS "/rdmap25s0/ports/1", "gids/0", LINK_LOCAL, "gid_attrs/types/0", "IB/RoCE v1\n",
                  "hw_counters/rx_drops", "5\n", NULL);
    read_all(&tree, &topo);
    files_print_notes(&tree);
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 1)) {
        CHECK_TEXT(topo.rdma[0].driver, "efa");
        CHECK_TEXT(topo.rdma[0].node_type, "unspecified");
        CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_EFA);
        CHECK_INT(topo.rdma[0].port[0].gid[0].type, WM_GID_OTHER);
        CHECK_TEXT(topo.rdma[0].port[0].counter[0].name, "rx_drops");
        CHECK_INT(topo.rdma[0].pci, 1);
        CHECK_INT(topo.rdma[0].numa, -1);
    }
    CHECK_INT(tree.n_notes, 0);
    end(&tree, &topo);
}

/* Software over a card's interface: without a device, with a parent, or with the card itself as its device. */
static void test_software(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_device("rxe0", "1: CA\n", "Ethernet\n", "10 Gb/sec (4X SDR)\n");
    files_put(CLASS "/rxe0/parent", "eth7\n");
    files_put("sys/class/net/eth7/mtu", "1500\n");
    put_device("rxe1", "1: CA\n", "Ethernet\n", "10 Gb/sec (4X SDR)\n");
    files_put(CLASS "/rxe1/parent", "eth2\n");
    files_link(CLASS "/rxe1/device", "../../../0000:18:00.0");
    put_device("siw0", "4: RNIC\n", "Ethernet\n", "2.5 Gb/sec (1X SDR)\n");
    files_put(CLASS "/siw0/node_desc", "Software iWARP stack\n");
    files_link(CLASS "/siw0/device", "../../../0000:18:00.0");
    put_device("soft2", "4: RNIC\n", "Ethernet\n", "2.5 Gb/sec (1X SDR)\n");
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    CHECK_INT(topo.n_rdma, 4);
    for (int i = 0; i < topo.n_rdma; i++) {
        CHECK(topo.rdma[i].virtual_device);
        CHECK_INT(topo.rdma[i].pci, -1);
        CHECK_TEXT(topo.rdma[i].driver, "");
        CHECK_INT(topo.rdma[i].port[0].fabric, i < 2 ? WM_FABRIC_ROCE : WM_FABRIC_IWARP);
    }
    CHECK_TEXT(topo.rdma[0].port[0].netif, "eth7");
    CHECK_INT(topo.rdma[0].port[0].mtu_bytes, 1500);
    end(&tree, &topo);
}

/* A subfunction stands on an auxiliary device of its card; another card has no PCI function at all. */
static void test_devices_between(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    files_put_all("sys/devices/pci0000:17/0000:18:00.0/mlx5_core.sf.4/infiniband/mlx5_8", "node_type", "1: CA\n",
                  "ports/1/state", "4: ACTIVE\n", "ports/1/link_layer", "Ethernet\n", NULL);
    files_link("sys/devices/pci0000:17/0000:18:00.0/mlx5_core.sf.4/infiniband/mlx5_8/device",
               "../../../mlx5_core.sf.4");
    files_link("sys/devices/pci0000:17/0000:18:00.0/mlx5_core.sf.4/driver", "../../bus/auxiliary/drivers/mlx5_core.sf");
    files_link(CLASS "/mlx5_8", "../../devices/pci0000:17/0000:18:00.0/mlx5_core.sf.4/infiniband/mlx5_8");
    put_device("hns_0", "1: CA\n", "Ethernet\n", "100 Gb/sec (4X EDR)\n");
    files_put_all(CLASS "/hns_0/device", "numa_node", "0\n", "net/eth4/dev_port", "0\n", NULL);
    read_all(&tree, &topo);
    if (CHECK_INT(topo.n_rdma, 2)) {
        CHECK_TEXT(topo.rdma[0].name, "hns_0");
        CHECK(!topo.rdma[0].virtual_device);
        CHECK_INT(topo.rdma[0].pci, -1);
        CHECK_TEXT(topo.rdma[0].port[0].netif, "eth4");
        CHECK_INT(topo.rdma[1].pci, 0);
        CHECK_TEXT(topo.rdma[1].driver, "mlx5_core");
        CHECK(!topo.rdma[1].virtual_device);
    }
    CHECK_INT(tree.n_notes, 0);
    end(&tree, &topo);
}

/* Two ports on one function: each has the interface that counts it. */
static void test_two_ports(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_device("mlx4_0", "1: CA\n", "Ethernet\n", "40 Gb/sec (4X QDR)\n");
    files_put_all(CLASS "/mlx4_0", "ports/2/state", "4: ACTIVE\n", "ports/2/link_layer", "Ethernet\n",
                  "device/net/ens1/dev_port", "0\n", "device/net/ens1d1/dev_port", "1\n", NULL);
    read_all(&tree, &topo);
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 2)) {
        CHECK_TEXT(topo.rdma[0].port[0].netif, "ens1");
        CHECK_TEXT(topo.rdma[0].port[1].netif, "ens1d1");
    }
    end(&tree, &topo);
}

/* 8b/10b up to QDR, FDR's 14 is 14.0625 in 64b/66b; Ethernet's words mean data. */
static void test_data_rates(void)
{
    static const struct {
        const char *rate, *link_layer;
        double want_gb_per_s;
    } rows[] = {
        { "10 Gb/sec (4X)\n", "InfiniBand\n", 8 },        { "10 Gb/sec (4X SDR)\n", "InfiniBand\n", 8 },
        { "20 Gb/sec (4X DDR)\n", "InfiniBand\n", 16 },   { "40 Gb/sec (4X QDR)\n", "InfiniBand\n", 32 },
        { "40 Gb/sec (4X FDR10)\n", "InfiniBand\n", 40 }, { "56 Gb/sec (4X FDR)\n", "InfiniBand\n", 54.5454545 },
        { "100 Gb/sec (4X EDR)\n", "InfiniBand\n", 100 }, { "400 Gb/sec (4X NDR)\n", "InfiniBand\n", 400 },
        { "800 Gb/sec (4X XDR)\n", "InfiniBand\n", 800 }, { "40 Gb/sec (4X QDR)\n", "Ethernet\n", 40 },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_tree tree;
        struct wm_topo topo = begin(&tree);
        put_device("mlx4_0", "1: CA\n", rows[i].link_layer, rows[i].rate);
        read_all(&tree, &topo);
        if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 1))
            CHECK_NEAR(topo.rdma[0].port[0].bytes_per_s * 8e-9, rows[i].want_gb_per_s, 1e-6);
        end(&tree, &topo);
    }
}

/* The tree's word outranks a file's, but for the place that the tree does not show. */
static void test_known_before(void)
{
    struct wm_tree tree;
    struct wm_err err = { 0 };
    struct wm_topo topo = begin(&tree);
    CHECK(wm_topo_grow(&topo.rdma, 0, sizeof(*topo.rdma)));
    topo.n_rdma = 1;
    topo.rdma[0].pci = 1;
    snprintf(topo.rdma[0].name, sizeof(topo.rdma[0].name), "mlx5_0");
    CHECK(wm_topo_grow(&topo.rdma[0].port, 0, sizeof(*topo.rdma[0].port)));
    topo.rdma[0].n_ports = 1;
    CHECK(wm_topo_grow(&topo.rdma[0].port[0].gid, 0, sizeof(struct wm_topo_gid)));
    topo.rdma[0].port[0].n_gids = 1;
    put_device("mlx5_0", "1: CA\n", "InfiniBand\n", "200 Gb/sec (4X HDR)\n");
    CHECK_INT(wm_topo_read_rdma(&tree, &topo, &err), WM_OK);
    CHECK_INT(topo.n_rdma, 1);
    CHECK_INT(topo.rdma[0].pci, 1);
    CHECK_INT(topo.rdma[0].n_ports, 1);
    CHECK_INT(topo.rdma[0].port[0].n_gids, 0);
    CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_IB);
    end(&tree, &topo);
}

/* --- what is wrong with a file --- */

/* One file of a good port is replaced; the field is absent, the rest stands, and the reason is noted. */
static void test_bad_files(void)
{
    static const struct {
        const char *file, *bytes;
        size_t n; /* 0: a text */
        const char *reason;
    } rows[] = {
        { "node_type", "CA\n", 0, "holds no number and word: CA" },
        { "node_type", "1: a word that is much too long\n", 0,
          "holds no number and word: 1: a word that is much too long" },
        { "ports/1/state", "", 0, "is empty" },
        { "ports/1/state", "ACTIVE\n", 0, "holds no number and word: ACTIVE" },
        { "ports/1/state", "4: \n", 0, "holds no number and word: 4:" },
        { "ports/1/state", "4\n", 0, "holds no number and word: 4" },
        { "ports/1/state", "4: ACTIVE\n1: DOWN\n", 0, "holds several lines, where one is expected" },
        { "ports/1/phys_state", "5: Link\0Up\n", 11, "holds no text" },
        { "ports/1/link_layer", "\x1b[2J", 0, "holds no text" },
        { "ports/1/link_layer", "Ethernet over something long\n", 0, "holds more than the 23 bytes that are expected" },
        { "ports/1/rate", "400 Gb/sec (4X NDR)\n100 Gb/sec (4X EDR)\n", 0,
          "holds several lines, where one is expected" },
        { "ports/1/rate", "400 Gb/sec\n100 Gb/sec\n", 0, "holds several lines, where one is expected" },
        { "ports/1/rate", "fast\n", 0, "holds no rate: fast" },
        { "ports/1/gids/0", "fe80::gg\n", 0, "holds no address: fe80::gg" },
        { "ports/1/gids/0", "\xff\xff\xff\xff", 0, "holds no text" },
        { "ports/1/counters/link_downed", "many\n", 0, "holds no whole number: many" },
        { "fw_ver", "\0\0\0\0", 4, "holds no text" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_tree tree;
        struct wm_topo topo = begin(&tree);
        char path[100];
        put_roce();
        snprintf(path, sizeof(path), CLASS "/mlx5_0/%s", rows[i].file);
        files_put_bytes(path, rows[i].bytes, rows[i].n > 0 ? rows[i].n : strlen(rows[i].bytes));
        read_all(&tree, &topo);
        if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 1)) {
            const struct wm_topo_rdma *rdma = &topo.rdma[0];
            const struct wm_topo_port *port = &rdma->port[0];
            CHECK_TEXT(files_note(&tree, path), rows[i].reason);
            CHECK_INT(tree.n_notes, 1);
            CHECK_TEXT(rdma->node_type, strcmp(rows[i].file, "node_type") == 0 ? "" : "CA");
            CHECK_TEXT(rdma->firmware, strcmp(rows[i].file, "fw_ver") == 0 ? "" : "28.39.1002");
            CHECK_TEXT(port->state, strcmp(rows[i].file, "ports/1/state") == 0 ? "" : "ACTIVE");
            CHECK_TEXT(port->phys_state, strcmp(rows[i].file, "ports/1/phys_state") == 0 ? "" : "LinkUp");
            CHECK_TEXT(port->link_layer, strcmp(rows[i].file, "ports/1/link_layer") == 0 ? "" : "Ethernet");
            CHECK_TEXT(port->rate, strcmp(rows[i].file, "ports/1/rate") == 0 ? "" : "400 Gb/sec (4X NDR)");
            CHECK_NEAR(port->bytes_per_s, strcmp(rows[i].file, "ports/1/rate") == 0 ? 0 : 50e9, 1);
            CHECK_INT(port->n_gids, strcmp(rows[i].file, "ports/1/gids/0") == 0 ? 3 : 4);
            CHECK_INT(port->n_counters, strstr(rows[i].file, "link_downed") != NULL ? 1 : 2);
            CHECK_INT(port->fabric,
                      strcmp(rows[i].file, "ports/1/link_layer") == 0 ? WM_FABRIC_UNKNOWN : WM_FABRIC_ROCE);
        }
        end(&tree, &topo);
    }
}

static void test_missing_state(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_roce();
    unlink(files_path(CLASS "/mlx5_0/ports/1/state"));
    unlink(files_path(CLASS "/mlx5_0/ports/1/rate"));
    read_all(&tree, &topo);
    CHECK_TEXT(files_note(&tree, CLASS "/mlx5_0/ports/1"), "has no file state: the port may be up or down");
    CHECK_INT(tree.n_notes, 1);
    CHECK_TEXT(topo.rdma[0].port[0].state, "");
    CHECK_NEAR(topo.rdma[0].port[0].bytes_per_s, 0, 0);
    end(&tree, &topo);
}

static void test_no_devices(void)
{
    char path[100];
    static const char long_name[] = "a_device_with_a_name_of_40_characters_xx";
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    files_link(CLASS "/gone", "../../devices/pci0000:17/0000:18:00.0/infiniband/gone");
    files_link(CLASS "/loop", "loop");
    files_put(CLASS "/file", "not a folder\n");
    files_folder(CLASS "/empty");
    files_pipe(CLASS "/pipe");
    put_device(long_name, "1: CA\n", "Ethernet\n", "100 Gb/sec\n");
    read_all(&tree, &topo);
    CHECK_INT(topo.n_rdma, 0);
    CHECK_TEXT(files_note(&tree, CLASS "/gone"), "the device disappeared");
    CHECK_TEXT(files_note(&tree, CLASS "/loop"), "a loop of links");
    CHECK_TEXT(files_note(&tree, CLASS "/file"), "has neither ports nor a node type: no RDMA device");
    CHECK_TEXT(files_note(&tree, CLASS "/empty"), "has neither ports nor a node type: no RDMA device");
    CHECK_TEXT(files_note(&tree, CLASS "/pipe"), "has neither ports nor a node type: no RDMA device");
    snprintf(path, sizeof(path), CLASS "/%s", long_name);
    CHECK_TEXT(files_note(&tree, path), "a name of 40 bytes, more than 31: left out");
    end(&tree, &topo);
}

static void test_odd_entries(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_roce();
    files_put_all(CLASS "/mlx5_0/ports", "x/state", "4: ACTIVE\n", "-1/state", "4: ACTIVE\n", "256/state",
                  "4: ACTIVE\n", "99999999999/state", "4: ACTIVE\n", "1/gids/x", IPV4, "1/gids/70000", IPV4, NULL);
    files_pipe(CLASS "/mlx5_0/ports/3/state");
    files_folder(CLASS "/mlx5_0/ports/3/rate");
    files_link(CLASS "/mlx5_0/ports/3/link_layer", "../3/link_layer");
    read_all(&tree, &topo);
    if (CHECK_INT(topo.rdma[0].n_ports, 2)) {
        CHECK_INT(topo.rdma[0].port[0].n_gids, 4);
        CHECK_TEXT(topo.rdma[0].port[1].state, "");
        CHECK_TEXT(topo.rdma[0].port[1].rate, "");
        CHECK_TEXT(topo.rdma[0].port[1].link_layer, "");
        CHECK_INT(topo.rdma[0].port[1].fabric, WM_FABRIC_UNKNOWN);
    }
    CHECK_TEXT(files_note(&tree, CLASS "/mlx5_0/ports/3/state"), "is a pipe, not a file");
    CHECK_TEXT(files_note(&tree, CLASS "/mlx5_0/ports/3/rate"), "is a folder, not a file");
    CHECK_TEXT(files_note(&tree, CLASS "/mlx5_0/ports/3/link_layer"), "a loop of links");
    end(&tree, &topo);
}

static void test_many(void)
{
    char name[80];
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    for (int i = 0; i < WM_TREE_ENTRIES + 3; i++) {
        snprintf(name, sizeof(name), CLASS "/mlx5_%d/ports/1/state", i);
        files_put(name, "4: ACTIVE\n");
    }
    read_all(&tree, &topo);
    CHECK_INT(topo.n_rdma, WM_TREE_ENTRIES);
    CHECK_TEXT(topo.rdma[WM_TREE_ENTRIES - 1].name, "mlx5_4095");
    CHECK_TEXT(topo.rdma[WM_TREE_ENTRIES - 1].port[0].state, "ACTIVE");
    CHECK_TEXT(files_note(&tree, CLASS), "4099 entries: only the first 4096 are read");
    CHECK_INT(tree.n_notes, 1);
    end(&tree, &topo);
}

int main(void)
{
    test_rates();
    test_roce();
    test_infiniband();
    test_efa();
    test_software();
    test_devices_between();
    test_two_ports();
    test_data_rates();
    test_known_before();
    test_bad_files();
    test_missing_state();
    test_no_devices();
    test_odd_entries();
    test_many();
    return wm_tests_end();
}
