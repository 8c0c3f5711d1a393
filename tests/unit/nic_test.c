#include "src/topo/topo.h"

#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Two NUMA nodes; on each a switch (0 and 5) with two GPUs and two cards; GPU 4 (10) is straight below a root of node 0
 * with a plain interface (11). */
static struct wm_topo_pci functions[] = {
    { .address = "0000:10:00.0", .parent = -1, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:11:00.0", .parent = 0, .root = 0, .numa = 0 },
    { .address = "0000:11:01.0", .parent = 0, .root = 0, .numa = 0 },
    { .address = "0000:11:02.0", .parent = 0, .root = 0, .numa = 0 },
    { .address = "0000:11:03.0", .parent = 0, .root = 0, .numa = 0 },
    { .address = "0000:80:00.0", .parent = -1, .root = 1, .numa = 1, .bridge = true },
    { .address = "0000:81:00.0", .parent = 5, .root = 1, .numa = 1 },
    { .address = "0000:81:01.0", .parent = 5, .root = 1, .numa = 1 },
    { .address = "0000:81:02.0", .parent = 5, .root = 1, .numa = 1 },
    { .address = "0000:81:03.0", .parent = 5, .root = 1, .numa = 1 },
    { .address = "0000:40:00.0", .parent = -1, .root = 2, .numa = 0 },
    { .address = "0000:40:01.0", .parent = -1, .root = 2, .numa = 0 },
};
static struct wm_topo_numa nodes[] = { { .os_index = 0 }, { .os_index = 1 } };
static struct wm_topo_gpu gpus[] = {
    { .pci = 1, .numa = 0 }, { .pci = 2, .numa = 0 },  { .pci = 6, .numa = 1 },
    { .pci = 7, .numa = 1 }, { .pci = 10, .numa = 0 },
};
static struct wm_topo_port up[] = {
    { .number = 1, .state = "ACTIVE", .bytes_per_s = 25e9, .fabric = WM_FABRIC_IB },
};
static struct wm_topo_port two_up[] = {
    { .number = 1, .state = "DOWN", .bytes_per_s = 1, .fabric = WM_FABRIC_IB },
    { .number = 2, .state = "ACTIVE", .bytes_per_s = 25e9, .fabric = WM_FABRIC_ROCE },
};
static struct wm_topo_port down[] = {
    { .number = 1, .state = "DOWN", .bytes_per_s = 25e9, .fabric = WM_FABRIC_IB },
};
static struct wm_topo_rdma cards[] = {
    { .name = "rxe0", .pci = -1, .numa = -1, .virtual_device = true, .port = up, .n_ports = 1 },
    { .name = "mlx5_3", .pci = 9, .numa = 1, .port = down, .n_ports = 1 },
    { .name = "mlx5_2", .pci = 8, .numa = 1, .port = two_up, .n_ports = 2 },
    { .name = "mlx5_1", .pci = 4, .numa = 0, .port = up, .n_ports = 1 },
    { .name = "mlx5_0", .pci = 3, .numa = 0, .port = up, .n_ports = 1 },
};
static struct wm_topo_netif interfaces[] = {
    { .name = "lo", .pci = -1, .numa = -1, .rdma = -1, .loopback = true, .state = "unknown" },
    { .name = "ib0", .pci = 3, .numa = 0, .rdma = 4, .state = "up" },
    { .name = "docker0", .pci = -1, .numa = -1, .rdma = -1, .virtual_device = true, .state = "down" },
    { .name = "eno1", .pci = 11, .numa = 0, .rdma = -1, .state = "up", .bytes_per_s = 1.25e9 },
    { .name = "eno2", .pci = 11, .numa = 0, .rdma = -1, .state = "down", .bytes_per_s = 1.25e9 },
};
static const struct wm_topo machine = { .pci = functions,
                                        .n_pci = COUNT(functions),
                                        .numa = nodes,
                                        .n_numa = 2,
                                        .gpu = gpus,
                                        .n_gpus = COUNT(gpus),
                                        .rdma = cards,
                                        .n_rdma = COUNT(cards),
                                        .netif = interfaces,
                                        .n_netifs = COUNT(interfaces) };

static void test_list(void)
{
    static const struct {
        const char *name;
        enum wm_fabric fabric;
        double bytes_per_s;
        bool up;
    } want[] = {
        { "mlx5_0", WM_FABRIC_IB, 25e9, true },   { "mlx5_1", WM_FABRIC_IB, 25e9, true },
        { "eno1", WM_FABRIC_TCP, 1.25e9, true },  { "eno2", WM_FABRIC_TCP, 0, false },
        { "mlx5_2", WM_FABRIC_ROCE, 25e9, true }, { "mlx5_3", WM_FABRIC_IB, 0, false },
        { "docker0", WM_FABRIC_TCP, 0, false },   { "rxe0", WM_FABRIC_IB, 25e9, true },
    };
    struct wm_topo_nic nic[16];
    int n = wm_topo_nics(&machine, nic, COUNT(nic));
    CHECK_INT(n, COUNT(want));
    for (int i = 0; i < n && i < COUNT(want); i++) {
        CHECK_TEXT(nic[i].name, want[i].name);
        CHECK_INT(nic[i].fabric, want[i].fabric);
        CHECK_NEAR(nic[i].bytes_per_s, want[i].bytes_per_s, 0);
        CHECK_INT(nic[i].up, want[i].up);
        CHECK((nic[i].rdma < 0) != (nic[i].netif < 0));
    }
}

static void test_little_room(void)
{
    struct wm_topo_nic nic[3] = { [2] = { .name = "untouched" } };
    CHECK_INT(wm_topo_nics(&machine, nic, 2), 8);
    CHECK_TEXT(nic[1].name, "mlx5_1");
    CHECK_TEXT(nic[2].name, "untouched");
    CHECK_INT(wm_topo_nics(&(struct wm_topo){ 0 }, NULL, 0), 0);
}

static void test_nearest(void)
{
    static const struct {
        const char *what, *want;
        int gpu, numa;
    } rows[] = {
        { "first of two beside two cards", "mlx5_0", 0, -1 },
        { "second of two beside two cards", "mlx5_1", 1, -1 },
        { "the other card is down", "mlx5_2", 2, -1 },
        { "the other card is down, too", "mlx5_2", 3, -1 },
        { "no plain interface while there is RDMA", "mlx5_0", 4, -1 },
        { "NUMA node 0", "mlx5_0", -1, 0 },
        { "NUMA node 1", "mlx5_2", -1, 1 },
        { "no such GPU: the best there is", "mlx5_0", 99, -1 },
    };
    struct wm_topo_nic nic[16];
    int n = wm_topo_nics(&machine, nic, COUNT(nic));
    for (int i = 0; i < COUNT(rows); i++) {
        int got = wm_topo_nearest_nic(&machine, nic, n, rows[i].gpu, rows[i].numa);
        if (!CHECK(got >= 0) || !CHECK_TEXT(nic[got].name, rows[i].want))
            printf("    %s\n", rows[i].what);
    }
    CHECK_INT(wm_topo_nearest_nic(&machine, nic, 0, 0, -1), -1);
}

/* Distance before speed, speed before the order of addresses, and what is up before all of these. */
static void test_merit(void)
{
    struct wm_topo_nic nic[] = {
        { .name = "far", .rdma = 0, .pci = 8, .numa = 1, .bytes_per_s = 100e9, .up = true },
        { .name = "node", .rdma = 1, .pci = 3, .numa = 0, .bytes_per_s = 25e9, .up = true },
        { .name = "faster", .rdma = 2, .pci = 4, .numa = 0, .bytes_per_s = 50e9, .up = true },
        { .name = "root", .rdma = -1, .pci = 11, .numa = 0, .bytes_per_s = 1e9, .up = true },
    };
    CHECK_INT(wm_topo_nearest_nic(&machine, nic, COUNT(nic), 4, -1), 2);
    nic[2].up = false;
    CHECK_INT(wm_topo_nearest_nic(&machine, nic, COUNT(nic), 4, -1), 1);
    nic[1].virtual_device = true;
    CHECK_INT(wm_topo_nearest_nic(&machine, nic, COUNT(nic), 4, -1), 0);
    nic[0].up = false;
    CHECK_INT(wm_topo_nearest_nic(&machine, nic, COUNT(nic), 4, -1), 3);
}

/* Without a card on their own root, three GPUs take turns with two cards of their node. */
static void test_turns_on_a_node(void)
{
    struct wm_topo_pci far[] = { { .address = "0000:01:00.0", .root = 0, .parent = -1, .numa = 0 },
                                 { .address = "0000:02:00.0", .root = 1, .parent = -1, .numa = 0 },
                                 { .address = "0000:03:00.0", .root = 2, .parent = -1, .numa = 0 },
                                 { .address = "0000:04:00.0", .root = 3, .parent = -1, .numa = 0 },
                                 { .address = "0000:05:00.0", .root = 4, .parent = -1, .numa = 0 } };
    struct wm_topo_gpu three[] = { { .pci = 0 }, { .pci = 1 }, { .pci = 2 } };
    struct wm_topo_rdma two[] = { { .name = "a", .pci = 3, .port = up, .n_ports = 1 },
                                  { .name = "b", .pci = 4, .port = up, .n_ports = 1 } };
    struct wm_topo topo = {
        .pci = far, .n_pci = 5, .gpu = three, .n_gpus = 3, .numa = nodes, .n_numa = 2, .rdma = two, .n_rdma = 2
    };
    struct wm_topo_nic nic[2];
    int n = wm_topo_nics(&topo, nic, 2);
    for (int gpu = 0; gpu < 3; gpu++)
        CHECK_INT(wm_topo_nearest_nic(&topo, nic, n, gpu, -1), gpu % 2);
}

/* rxe0 stands on eno1, ib0 belongs to mlx5_0; mlx5_2 has two ports, the others one. */
static void test_names(void)
{
    static const struct {
        const char *device, *want;
        int port;
    } rows[] = {
        { "mlx5_0", "mlx5_0", 0 },   { "mlx5_0:1", "mlx5_0", 0 }, { "mlx5_2:2", "mlx5_2", 2 },
        { "mlx5_2:x", NULL, 0 },     { "eno1", "eno1", 0 },       { "ib0", "mlx5_0", 0 },
        { "rxe0:1", "eno1", 0 },     { "lo", NULL, 0 },           { "", NULL, 0 },
        { "mlx5_2:0", NULL, 0 },     { "mlx5_9", NULL, 0 },       { "enp2", "mlx5_2", 2 },
        { "docker0", "docker0", 0 },
    };
    struct wm_topo_port on_eno1 = up[0], ports[2] = { two_up[0], two_up[1] };
    struct wm_topo_rdma rdma[COUNT(cards)];
    struct wm_topo_netif netif[COUNT(interfaces)];
    struct wm_topo topo = machine;
    struct wm_topo_nic nic[16];
    memcpy(rdma, cards, sizeof(cards));
    memcpy(netif, interfaces, sizeof(interfaces));
    snprintf(on_eno1.netif, sizeof(on_eno1.netif), "eno1");
    snprintf(ports[1].netif, sizeof(ports[1].netif), "enp2");
    snprintf(netif[4].name, sizeof(netif[4].name), "enp2");
    netif[4].rdma = 2;
    rdma[0].port = &on_eno1;
    rdma[2].port = ports;
    topo.rdma = rdma;
    topo.netif = netif;
    wm_topo_nics(&topo, nic, COUNT(nic));
    for (int i = 0; i < COUNT(rows); i++) {
        int port = -1, found = wm_topo_find_nic(&topo, rows[i].device, &port);
        int ok = CHECK((found >= 0) == (rows[i].want != NULL));
        if (found >= 0 && rows[i].want != NULL)
            ok &= CHECK_TEXT(nic[found].name, rows[i].want) & CHECK_INT(port, rows[i].port);
        if (!ok)
            printf("device: '%s'\n", rows[i].device);
    }
}

int main(void)
{
    test_list();
    test_names();
    test_little_room();
    test_nearest();
    test_merit();
    test_turns_on_a_node();
    return wm_tests_end();
}
