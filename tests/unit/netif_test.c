#include "src/topo/discover.h"

#include "tests/unit/files.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define CLASS        "sys/class/net"

static struct wm_topo_pci functions[] = {
    { .address = "0000:00:03.0", .driver = "virtio-pci", .parent = -1, .numa = -1 },
    { .address = "0000:18:00.0", .driver = "mlx5_core", .parent = -1, .numa = 1 },
    { .address = "0000:18:00.1", .driver = "mlx5_core", .parent = -1, .numa = 1 },
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
    CHECK_INT(wm_topo_read_netifs(tree, topo, &err), WM_OK);
}

static void end(struct wm_tree *tree, struct wm_topo *topo)
{
    topo->pci = NULL; /* not from the heap */
    wm_topo_free(topo);
    files_end(tree);
}

static void put_interface(const char *name, const char *type, const char *state, const char *speed)
{
    char folder[100];
    snprintf(folder, sizeof(folder), CLASS "/%s", name);
    files_put_all(folder, "type", type, "operstate", state, "speed", speed, "mtu", "1500\n", "ifindex", "4\n", "iflink",
                  "4\n", "uevent", "INTERFACE=x\nIFINDEX=4\n", NULL);
}

/* On a PCI function, with that driver. */
static void put_card(const char *name, const char *address, const char *driver, const char *speed)
{
    char link[100], target[100];
    put_interface(name, "1\n", "up\n", speed);
    snprintf(link, sizeof(link), CLASS "/%s/device", name);
    snprintf(target, sizeof(target), "../../../bus/pci/devices/%s", address);
    files_link(link, target);
    snprintf(link, sizeof(link), "sys/bus/pci/devices/%s/driver", address);
    snprintf(target, sizeof(target), "../../drivers/%s", driver);
    files_link(link, target);
}

static const struct wm_topo_netif *named(const struct wm_topo *topo, const char *name)
{
    static const struct wm_topo_netif none = { .name = "none", .rdma = -2, .pci = -2 };
    for (int i = 0; i < topo->n_netifs; i++)
        if (strcmp(topo->netif[i].name, name) == 0)
            return &topo->netif[i];
    return &none;
}

/* --- hardware --- */

static void test_card(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_card("eth2", "0000:18:00.0", "mlx5_core", "400000\n");
    files_put_all(CLASS "/eth2/statistics", "rx_errors", "0\n", "tx_dropped", "12\n", "rx_bytes", "1000\n", NULL);
    read_all(&tree, &topo);
    files_print_notes(&tree);
    CHECK_INT(tree.n_notes, 0);
    if (CHECK_INT(topo.n_netifs, 1)) {
        const struct wm_topo_netif *eth2 = &topo.netif[0];
        CHECK_TEXT(eth2->name, "eth2");
        CHECK_TEXT(eth2->driver, "mlx5_core");
        CHECK_TEXT(eth2->state, "up");
        CHECK_NEAR(eth2->bytes_per_s, 50e9, 1);
        CHECK_INT(eth2->mtu_bytes, 1500);
        CHECK_INT(eth2->pci, 1);
        CHECK_INT(eth2->numa, 1);
        CHECK(!eth2->loopback && !eth2->virtual_device);
        CHECK_TEXT(eth2->kind, "");
        CHECK_TEXT(eth2->master, "");
        CHECK_INT(eth2->rdma, -1);
        CHECK_INT(eth2->n_counters, 1);
        CHECK_TEXT(eth2->counter[0].name, "tx_dropped");
        CHECK_INT(eth2->counter[0].value, 12);
    }
    end(&tree, &topo);
}

/* Its `device` is the virtio device on top of the PCI function, which only the folder's own place shows. */
static void test_virtio(void)
{
    const char *folder = "sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0";
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    files_put_all(folder, "type", "1\n", "operstate", "up\n", "speed", "-1\n", "mtu", "1500\n", NULL);
    files_link("sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/device", "../../../virtio2");
    files_link("sys/devices/pci0000:00/0000:00:03.0/virtio2/driver", "../../../../bus/virtio/drivers/virtio_net");
    files_link(CLASS "/eth0", "../../devices/pci0000:00/0000:00:03.0/virtio2/net/eth0");
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    CHECK_INT(named(&topo, "eth0")->pci, 0);
    CHECK_INT(named(&topo, "eth0")->numa, -1);
    CHECK_TEXT(named(&topo, "eth0")->driver, "virtio_net");
    CHECK(!named(&topo, "eth0")->virtual_device);
    CHECK_NEAR(named(&topo, "eth0")->bytes_per_s, 0, 0);
    end(&tree, &topo);
}

static void test_speeds(void)
{
    static const struct {
        const char *text;
        double want;
        const char *reason;
    } rows[] = {
        { "100000\n", 12.5e9, "" },
        { "-1\n", 0, "" },
        { "0\n", 0, "" },
        { "4294967295\n", 0, "" },
        { "fast\n", 0, "holds no whole number: fast" },
        { "100000\n25000\n", 0, "holds no whole number: 100000?25000" },
        { "", 0, "is empty" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_tree tree;
        struct wm_topo topo = begin(&tree);
        put_card("eth2", "0000:18:00.0", "mlx5_core", rows[i].text);
        read_all(&tree, &topo);
        CHECK_NEAR(named(&topo, "eth2")->bytes_per_s, rows[i].want, 1);
        CHECK_TEXT(files_note(&tree, CLASS "/eth2/speed"), rows[i].reason);
        end(&tree, &topo);
    }
}

/* --- what has no hardware --- */

static void test_kinds(void)
{
    static const struct {
        const char *name, *type, *uevent, *file, *iflink, *kind;
        bool loopback;
    } rows[] = {
        { "lo", "772\n", "INTERFACE=lo\n", NULL, "4\n", "", true },
        { "bond0", "1\n", "DEVTYPE=bond\nINTERFACE=bond0\n", "bonding/mode", "4\n", "bond", false },
        { "team0", "1\n", "INTERFACE=bond1\n", "bonding/mode", "4\n", "bond", false },
        { "br0", "1\n", "INTERFACE=br0\n", "bridge/bridge_id", "4\n", "bridge", false },
        { "eth0.7", "1\n", "INTERFACE=eth0.7\nDEVTYPE=vlan", NULL, "2\n", "vlan", false },
        { "tun0", "65534\n", "INTERFACE=tun0\n", "tun_flags", "4\n", "tun", false },
        { "veth1", "1\n", "INTERFACE=veth1\n", NULL, "9\n", "veth", false },
        { "dummy0", "1\n", "INTERFACE=dummy0\n", NULL, "4\n", "", false },
        { "sit0", "776\n", "INTERFACE=sit0\n", NULL, "0\n", "", false },
        { "odd0", "1\n", "DEVTYPE=a_name_of_very_many_letters\n", NULL, "4\n", "a_name_of_very_", false },
    };
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    for (int i = 0; i < COUNT(rows); i++) {
        char path[100];
        put_interface(rows[i].name, rows[i].type, "unknown\n", "10000\n");
        snprintf(path, sizeof(path), CLASS "/%s", rows[i].name);
        files_put_all(path, "uevent", rows[i].uevent, "iflink", rows[i].iflink,
                      rows[i].file != NULL ? rows[i].file : "x", "x", NULL);
    }
    files_put(CLASS "/bonding_masters", "bond0\n");
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    CHECK_INT(topo.n_netifs, COUNT(rows));
    for (int i = 0; i < COUNT(rows); i++) {
        const struct wm_topo_netif *got = named(&topo, rows[i].name);
        CHECK_TEXT(got->name, rows[i].name);
        CHECK_TEXT(got->kind, rows[i].kind);
        CHECK_INT(got->loopback, rows[i].loopback);
        CHECK(got->virtual_device);
        CHECK_TEXT(got->driver, "");
        CHECK_INT(got->pci, -1);
    }
    end(&tree, &topo);
}

/* A virtual interface that is down has no speed, and nothing is missing; one that is up may have one. */
static void test_virtual_speed(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_interface("bond0", "1\n", "up\n", "50000\n");
    put_interface("dummy0", "1\n", "down\n", "nothing\n");
    put_interface("lo", "772\n", "up\n", "nothing\n");
    read_all(&tree, &topo);
    CHECK_INT(tree.n_notes, 0);
    CHECK_NEAR(named(&topo, "bond0")->bytes_per_s, 6.25e9, 1);
    CHECK_NEAR(named(&topo, "dummy0")->bytes_per_s, 0, 0);
    end(&tree, &topo);
}

/* --- interfaces of RDMA devices --- */

static void put_rdma(const char *name, const char *address, const char *netif)
{
    char folder[100], link[140], target[100];
    snprintf(folder, sizeof(folder), "sys/class/infiniband/%s", name);
    files_put_all(folder, "node_type", "1: CA\n", "ports/1/state", "4: ACTIVE\n", "ports/1/link_layer", "Ethernet\n",
                  "ports/1/gids/0", "fe80::1\n", "ports/1/gid_attrs/types/0", "RoCE v2\n", "ports/1/gid_attrs/ndevs/0",
                  netif, NULL);
    if (address[0] == '\0')
        return;
    snprintf(link, sizeof(link), "%s/device", folder);
    snprintf(target, sizeof(target), "../../../bus/pci/devices/%s", address);
    files_link(link, target);
}

static void test_rdma(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    put_rdma("mlx5_bond_0", "0000:18:00.0", "bond0\n");
    put_rdma("rxe0", "", "eth9\n");
    put_card("eth2", "0000:18:00.0", "mlx5_core", "100000\n");
    put_card("eth3", "0000:18:00.1", "mlx5_core", "100000\n");
    files_link(CLASS "/eth3/master", "../bond0");
    put_interface("bond0", "1\n", "up\n", "200000\n");
    put_interface("bond0.7", "1\n", "up\n", "200000\n");
    put_card("eth9", "0000:00:03.0", "ena", "-1\n");
    read_all(&tree, &topo);
    CHECK_INT(topo.n_rdma, 2);
    CHECK_INT(named(&topo, "bond0")->rdma, 0); /* its port */
    CHECK_INT(named(&topo, "eth2")->rdma, 0);  /* the same function */
    CHECK_INT(named(&topo, "eth3")->rdma, 0);  /* a part of the bond */
    CHECK_INT(named(&topo, "bond0.7")->rdma, -1);
    CHECK_INT(named(&topo, "eth9")->rdma, -1); /* software does not take its place */
    CHECK_TEXT(named(&topo, "eth3")->master, "bond0");
    CHECK_TEXT(topo.rdma[1].port[0].netif, "eth9");
    end(&tree, &topo);
}

/* --- bad trees --- */

static void test_bad(void)
{
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    files_link(CLASS "/eth0", "../../devices/pci0000:00/0000:00:03.0/net/eth0");
    files_link(CLASS "/eth1", "eth1");
    files_put(CLASS "/eth2", "a file\n");
    files_folder(CLASS "/eth3");
    files_pipe(CLASS "/eth4/operstate");
    files_put(CLASS "/eth4/type", "1\n");
    files_put_bytes(CLASS "/eth5/operstate", "u\0p", 3);
    files_put(CLASS "/eth5/type", "ether\n");
    put_interface("a_name_that_no_interface_can_have", "1\n", "up\n", "1000\n");
    put_interface("eth6", "1\n", "going up and down again\n", "1000\n");
    files_put(CLASS "/eth6/mtu", "-3\n");
    files_folder(CLASS "/eth6/device");
    files_folder(CLASS "/eth6/device/driver");
    files_link(CLASS "/eth6/master", "../bonds/a_bond_whose_name_is_longer_than_any");
    read_all(&tree, &topo);
    CHECK_TEXT(files_note(&tree, CLASS "/eth0"), "the interface disappeared");
    CHECK_TEXT(files_note(&tree, CLASS "/eth1"), "a loop of links");
    CHECK_TEXT(files_note(&tree, CLASS "/eth2"), "has neither type nor state: no interface");
    CHECK_TEXT(files_note(&tree, CLASS "/eth3"), "has neither type nor state: no interface");
    CHECK_TEXT(files_note(&tree, CLASS "/eth4/operstate"), "is a pipe, not a file");
    CHECK_TEXT(files_note(&tree, CLASS "/eth5/operstate"), "holds no text");
    CHECK_TEXT(files_note(&tree, CLASS "/eth5/type"), "holds no whole number: ether");
    CHECK_TEXT(files_note(&tree, CLASS "/a_name_that_no_interface_can_have"),
               "a name of 33 bytes, more than 31: left out");
    CHECK_TEXT(files_note(&tree, CLASS "/eth6/operstate"), "holds more than the 15 bytes that are expected");
    CHECK_TEXT(files_note(&tree, CLASS "/eth6/device/driver"), "is no link");
    CHECK_TEXT(files_note(&tree, CLASS "/eth6/master"),
               "points to a name of 36 bytes, more than the 31 that are expected");
    CHECK_TEXT(files_note(&tree, CLASS "/eth6"), "no interface has an MTU of -3 bytes");
    CHECK_INT(tree.n_notes, 14);
    if (CHECK_INT(topo.n_netifs, 2)) {
        CHECK_TEXT(topo.netif[0].name, "eth4");
        CHECK_TEXT(topo.netif[0].state, "");
        CHECK_TEXT(topo.netif[1].name, "eth6");
        CHECK_TEXT(topo.netif[1].state, "");
        CHECK_TEXT(topo.netif[1].driver, "");
        CHECK_TEXT(topo.netif[1].master, "");
        CHECK_INT(topo.netif[1].mtu_bytes, 0);
        CHECK(!topo.netif[1].virtual_device);
    }
    end(&tree, &topo);
}

static void test_many(void)
{
    char name[80];
    struct wm_tree tree;
    struct wm_topo topo = begin(&tree);
    for (int i = 0; i < WM_TREE_ENTRIES + 1; i++) {
        snprintf(name, sizeof(name), CLASS "/eth%d/operstate", i);
        files_put(name, "up\n");
    }
    read_all(&tree, &topo);
    CHECK_INT(topo.n_netifs, WM_TREE_ENTRIES);
    CHECK_TEXT(topo.netif[WM_TREE_ENTRIES - 1].name, "eth4095");
    CHECK_TEXT(files_note(&tree, CLASS), "4097 entries: only the first 4096 are read");
    CHECK_INT(tree.n_notes, 1);
    end(&tree, &topo);
}

/* This machine: whatever it has, its loopback interface is found and nothing goes wrong. */
static void test_here(void)
{
    struct wm_tree tree;
    struct wm_topo topo = { 0 };
    struct wm_err err = { 0 };
    CHECK_INT(wm_tree_open("/", &tree, &err), WM_OK);
    read_all(&tree, &topo);
    if (wm_tree_exists(&tree, CLASS "/lo")) {
        CHECK(named(&topo, "lo")->loopback);
        CHECK(named(&topo, "lo")->virtual_device);
        CHECK_NEAR(named(&topo, "lo")->bytes_per_s, 0, 0);
        CHECK(named(&topo, "lo")->mtu_bytes > 0);
        CHECK_TEXT(files_note(&tree, CLASS "/lo/speed"), "");
    }
    wm_topo_free(&topo);
    wm_tree_close(&tree);
}

int main(void)
{
    test_card();
    test_virtio();
    test_speeds();
    test_kinds();
    test_virtual_speed();
    test_rdma();
    test_bad();
    test_many();
    test_here();
    return wm_tests_end();
}
