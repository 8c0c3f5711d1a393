#include "src/topo/traffic.h"

#include "tests/unit/files.h"

static struct wm_topo_port ib_port = { .number = 1, .fabric = WM_FABRIC_IB };
static struct wm_topo_port efa_port = { .number = 1, .fabric = WM_FABRIC_EFA };
static struct wm_topo_port rxe_port = { .number = 1, .fabric = WM_FABRIC_ROCE, .netif = "eth1", .mtu_bytes = 9000 };
static struct wm_topo_port blind_port = { .number = 1, .fabric = WM_FABRIC_IB };
static struct wm_topo_rdma rdma[] = {
    { .name = "mlx5_0", .port = &ib_port, .n_ports = 1 },
    { .name = "rdmap0s6", .port = &efa_port, .n_ports = 1 },
    { .name = "rxe0", .port = &rxe_port, .n_ports = 1 },
    { .name = "mlx5_9", .port = &blind_port, .n_ports = 1 },
};
static struct wm_topo_netif netif[] = {
    { .name = "lo", .loopback = true, .rdma = -1 },
    { .name = "eth0", .mtu_bytes = 1500, .rdma = -1 },
    { .name = "eth1", .rdma = -1 },
    { .name = "eth2", .rdma = -1 }, /* without files */
};
static const struct wm_topo topo = { .rdma = rdma, .n_rdma = 4, .netif = netif, .n_netifs = 4 };

#define IB  "sys/class/infiniband/mlx5_0/ports/1/"
#define EFA "sys/class/infiniband/rdmap0s6/ports/1/hw_counters/"
#define RXE "sys/class/infiniband/rxe0/ports/1/hw_counters/"
#define NET "sys/class/net/"

static void write_machine(void)
{
    static const char *const files[][2] = {
        { IB "counters/port_xmit_data", "1000\n" },
        { IB "counters/port_rcv_data", "500\n" },
        { IB "counters/symbol_error", "3\n" },
        { IB "hw_counters/out_of_sequence", "7\n" },
        { IB "hw_counters/lifespan", "10\n" },
        { EFA "tx_bytes", "123456789012\n" },
        { EFA "rx_bytes", "5\n" },
        { EFA "lifespan", "20\n" },
        { RXE "sent_pkts", "11\n" },
        { RXE "rcvd_pkts", "12\n" },
        { NET "lo/statistics/tx_bytes", "1\n" },
        { NET "lo/statistics/rx_bytes", "1\n" },
        { NET "eth0/statistics/tx_bytes", "100\n" },
        { NET "eth0/statistics/rx_bytes", "200\n" },
        { NET "eth0/statistics/rx_dropped", "4\n" },
        { NET "eth1/statistics/tx_bytes", "70\n" },
        { NET "eth1/statistics/rx_bytes", "80\n" },
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        files_put(files[i][0], files[i][1]);
}

static const struct wm_traffic_counter *of(const struct wm_traffic *t, const char *device)
{
    static const struct wm_traffic_counter none;
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->counter[i].device, device) == 0)
            return &t->counter[i];
    return &none;
}

static void check_read(struct wm_tree *tree)
{
    struct wm_traffic t;
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_traffic_read(tree, &topo, &t, &err), WM_OK);
    CHECK_INT(t.n, 6); /* mlx5_9 and eth2 have no counters */
    CHECK_INT(of(&t, "mlx5_0:1")->sent, 4000);
    CHECK_INT(of(&t, "mlx5_0:1")->received, 2000);
    CHECK_INT(of(&t, "mlx5_0:1")->n_errors, 2);
    CHECK_INT((int64_t)of(&t, "rdmap0s6:1")->sent, 123456789012);
    CHECK(of(&t, "rxe0:1")->in_packets);
    CHECK_INT(of(&t, "rxe0:1")->sent, 11);
    CHECK_INT(of(&t, "rxe0:1")->mtu_bytes, 9000);
    CHECK(of(&t, "lo")->loopback);
    CHECK(of(&t, "eth1")->carries_rdma && !of(&t, "eth0")->carries_rdma);
    CHECK_INT(of(&t, "eth0")->received, 200);
    CHECK_INT((int64_t)t.lifespan_ns, 20000000);
    wm_traffic_free(&t);
}

static void check_difference(struct wm_tree *tree)
{
    struct wm_traffic before, after, rise;
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_traffic_read(tree, &topo, &before, &err), WM_OK);
    files_put(IB "counters/port_xmit_data", "1010");
    files_put(IB "hw_counters/out_of_sequence", "9");
    files_put(NET "eth0/statistics/tx_bytes", "90"); /* started anew */
    CHECK_INT(remove(files_path(NET "eth1/statistics/tx_bytes")), 0);
    CHECK_INT(wm_traffic_read(tree, &topo, &after, &err), WM_OK);
    CHECK_INT(wm_traffic_since(&before, &after, &rise, &err), WM_OK);
    CHECK_INT(rise.n, 4); /* all but eth0 and eth1 */
    CHECK_INT(of(&rise, "mlx5_0:1")->sent, 40);
    CHECK_INT(of(&rise, "mlx5_0:1")->received, 0);
    if (CHECK_INT(of(&rise, "mlx5_0:1")->n_errors, 1)) {
        CHECK_TEXT(of(&rise, "mlx5_0:1")->error[0].name, "out_of_sequence");
        CHECK_INT(of(&rise, "mlx5_0:1")->error[0].count, 2);
    }
    wm_traffic_free(&before);
    wm_traffic_free(&after);
    wm_traffic_free(&rise);
}

/* Whatever a driver calls them: each that rises is told by its name, with by how much. */
static void check_errors(struct wm_tree *tree)
{
    static const char *const rising[] = {
        "counters/link_downed",          "counters/port_xmit_discards",    "counters/port_rcv_errors",
        "hw_counters/out_of_sequence",   "hw_counters/packet_seq_err",     "hw_counters/local_ack_timeout_err",
        "hw_counters/rnr_nak_retry_err", "hw_counters/np_cnp_sent",        "hw_counters/rp_cnp_handled",
        "hw_counters/roce_adp_retrans",  "hw_counters/retrans_pkts",       "hw_counters/retrans_timeout_events",
        "hw_counters/to_retransmits",    "hw_counters/oos_drop_count",     "hw_counters/rx_roce_discards",
        "hw_counters/cnpHandled",        "hw_counters/completer_retry_err"
    };
    const int n = sizeof(rising) / sizeof(*rising);
    struct wm_traffic before, after, rise;
    struct wm_err err = { .rank = -1 };
    char path[120];
    for (int value = 1; value <= 5; value += 4) {
        for (int i = 0; i < n; i++) {
            snprintf(path, sizeof(path), IB "%s", rising[i]);
            files_put(path, value == 1 ? "1" : "5");
        }
        CHECK_INT(wm_traffic_read(tree, &topo, value == 1 ? &before : &after, &err), WM_OK);
    }
    CHECK_INT(wm_traffic_since(&before, &after, &rise, &err), WM_OK);
    const struct wm_traffic_counter *c = of(&rise, "mlx5_0:1");
    CHECK_INT(c->n_errors, n);
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < c->n_errors && strcmp(c->error[k].name, strchr(rising[i], '/') + 1) != 0)
            k++;
        if (!CHECK_INT(k < c->n_errors ? (int64_t)c->error[k].count : -1, 4))
            printf("  of %s\n", rising[i]);
    }
    wm_traffic_free(&before);
    wm_traffic_free(&after);
    wm_traffic_free(&rise);
}

int main(void)
{
    struct wm_tree tree;
    files_begin(&tree);
    write_machine();
    check_read(&tree);
    check_difference(&tree);
    check_errors(&tree);
    files_end(&tree);
    return wm_tests_end();
}
