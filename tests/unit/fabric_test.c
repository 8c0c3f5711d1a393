#include "src/topo/fabric.h"

#include <stdlib.h>

#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void test_rules(void)
{
    static const struct {
        const char *what;
        struct wm_fabric_facts facts;
        enum wm_fabric want;
    } rows[] = {
        { "ConnectX, InfiniBand", { "mlx5_core", "CA", "InfiniBand", NULL, false }, WM_FABRIC_IB },
        { "ConnectX, Ethernet", { "mlx5_core", "CA", "Ethernet", NULL, false }, WM_FABRIC_ROCE },
        { "ConnectX without a node type", { "mlx5_core", "", "Ethernet", NULL, false }, WM_FABRIC_ROCE },
        { "TrueScale", { "ib_qib", "CA", "InfiniBand", NULL, false }, WM_FABRIC_IB },
        { "Broadcom", { "bnxt_en", "CA", "Ethernet", NULL, false }, WM_FABRIC_ROCE },
        { "irdma as RoCE", { "ice", "CA", "Ethernet", NULL, false }, WM_FABRIC_ROCE },
        { "irdma as iWARP", { "ice", "RNIC", "Ethernet", NULL, false }, WM_FABRIC_IWARP },
        { "irdma, node type not known", { "ice", NULL, "Ethernet", NULL, false }, WM_FABRIC_UNKNOWN },
        { "Chelsio", { "cxgb4", "RNIC", "Ethernet", NULL, false }, WM_FABRIC_IWARP },
        { "rxe", { "", "CA", "Ethernet", NULL, false }, WM_FABRIC_ROCE },
        { "siw", { "", "RNIC", "Ethernet", NULL, false }, WM_FABRIC_IWARP },
        { "EFA", { "efa", "unspecified", "Unspecified", NULL, false }, WM_FABRIC_EFA },
        { "Omni-Path", { "hfi1", "CA", "InfiniBand", NULL, false }, WM_FABRIC_OPA },
        { "Slingshot's interface", { "cxi_ss1", NULL, NULL, NULL, true }, WM_FABRIC_CXI },
        { "usNIC", { "enic", "usNIC UDP", "Ethernet", NULL, false }, WM_FABRIC_UNKNOWN },
        { "ENA", { "ena", NULL, NULL, NULL, true }, WM_FABRIC_TCP },
        { "virtio", { "virtio_net", NULL, NULL, NULL, true }, WM_FABRIC_TCP },
        { "bond, driver not known", { "", NULL, NULL, NULL, true }, WM_FABRIC_TCP },
        { "a virtual function's interface", { "mlx5_core", NULL, NULL, NULL, true }, WM_FABRIC_TCP },
        { "tcp over a RoCE card", { "mlx5_core", "CA", "Ethernet", "tcp;ofi_rxm", false }, WM_FABRIC_TCP },
        { "net", { NULL, NULL, NULL, "net", false }, WM_FABRIC_TCP },
        { "sockets", { NULL, NULL, NULL, "sockets", false }, WM_FABRIC_TCP },
        { "udp", { NULL, NULL, NULL, "udp;ofi_rxd", false }, WM_FABRIC_TCP },
        { "udp, layers the other way round", { NULL, NULL, NULL, "ofi_rxd;udp", false }, WM_FABRIC_TCP },
        { "shm", { NULL, NULL, NULL, "shm", false }, WM_FABRIC_SHM },
        { "efa", { NULL, NULL, NULL, "efa", false }, WM_FABRIC_EFA },
        { "efa-direct", { NULL, NULL, NULL, "efa-direct", false }, WM_FABRIC_EFA },
        { "efa2 is not efa", { NULL, NULL, NULL, "efa2", false }, WM_FABRIC_UNKNOWN },
        { "ef is not efa", { NULL, NULL, NULL, "ef", false }, WM_FABRIC_UNKNOWN },
        { "a word of a list with its comma", { NULL, NULL, NULL, "tcp, net", false }, WM_FABRIC_UNKNOWN },
        { "cxi", { NULL, NULL, NULL, "cxi", false }, WM_FABRIC_CXI },
        { "opx", { NULL, NULL, NULL, "opx", false }, WM_FABRIC_OPA },
        { "verbs, link layer InfiniBand", { .provider = "verbs;ofi_rxm", .link_layer = "InfiniBand" }, WM_FABRIC_IB },
        { "verbs, link layer Ethernet", { .provider = "verbs", .link_layer = "Ethernet" }, WM_FABRIC_ROCE },
        { "verbs over iWARP", { .provider = "verbs", .link_layer = "Ethernet", .node_type = "RNIC" }, WM_FABRIC_IWARP },
        { "verbs alone", { .provider = "verbs" }, WM_FABRIC_UNKNOWN },
        { "another provider", { .provider = "gni" }, WM_FABRIC_UNKNOWN },
        { "nothing known", { 0 }, WM_FABRIC_UNKNOWN },
        { "empty words", { "", "", "", "", false }, WM_FABRIC_UNKNOWN },
        { "a link layer to come", { "new", "CA", "Quantum", NULL, false }, WM_FABRIC_UNKNOWN },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        enum wm_fabric got = wm_fabric_of(&rows[i].facts);
        if (got != rows[i].want)
            printf("%s:\n", rows[i].what);
        CHECK_TEXT(wm_fabric_names[got], wm_fabric_names[rows[i].want]);
    }
}

static void test_table(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    wm_fabric_print_rules(to);
    fclose(to);
    CHECK_HAS(text, "| provider | driver | node type | link layer | interface | fabric | for example |\n|---|");
    CHECK_HAS(text, "| | efa | | | | `efa` | Amazon EFA: rdmap16s27 |\n");
    CHECK_HAS(text, "| | | | InfiniBand | | `ib` |");
    CHECK_HAS(text, "| | | | | | `unknown` | anything else |\n");
    CHECK(strstr(text, "| opx") < strstr(text, "| | | RNIC"));
    CHECK(strstr(text, "|  |") == NULL);
    for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        int bars = 0;
        for (char *c = line; *c != '\n'; c++)
            bars += *c == '|';
        CHECK_INT(bars, 8);
    }
    free(text);
    for (int i = 0; i < WM_FABRICS; i++)
        CHECK(wm_fabric_names[i] != NULL);
    CHECK(wm_fabric_names[WM_FABRICS] == NULL);
}

/* --- addresses --- */

#define LINK_LOCAL "fe80:0000:0000:0000:0e42:a1ff:fe11:2233"
#define GLOBAL     "2001:0db8:0000:0000:0e42:a1ff:fe11:2233"
#define IPV4       "0000:0000:0000:0000:0000:ffff:c633:6401"
#define IPV4_LINK  "0000:0000:0000:0000:0000:ffff:a9fe:0101"
#define ZERO       "0000:0000:0000:0000:0000:0000:0000:0000"

static void test_scores(void)
{
    static const struct {
        const char *gid;
        enum wm_gid_type type;
        enum wm_fabric fabric;
        bool prefer_ipv4;
        int want;
    } rows[] = {
        { IPV4, WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 112 },
        { IPV4, WM_GID_ROCE_V1, WM_FABRIC_ROCE, true, 111 },
        { IPV4, WM_GID_ROCE_V2, WM_FABRIC_ROCE, false, 12 },
        { IPV4_LINK, WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 102 },
        { GLOBAL, WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 12 },
        { GLOBAL, WM_GID_ROCE_V2, WM_FABRIC_ROCE, false, 112 },
        { LINK_LOCAL, WM_GID_ROCE_V2, WM_FABRIC_ROCE, false, 102 },
        { LINK_LOCAL, WM_GID_ROCE_V1, WM_FABRIC_ROCE, true, 1 },
        { "febf::1", WM_GID_ROCE_V1, WM_FABRIC_ROCE, true, 1 },
        { "fec0::1", WM_GID_ROCE_V1, WM_FABRIC_ROCE, true, 11 },
        { LINK_LOCAL, WM_GID_IB, WM_FABRIC_IB, true, 100 },
        { GLOBAL, WM_GID_IB, WM_FABRIC_IB, true, 110 },
        { LINK_LOCAL, WM_GID_OTHER, WM_FABRIC_EFA, true, 100 },
        { ZERO, WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 0 },
        { "", WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 0 },
        { "no address", WM_GID_ROCE_V2, WM_FABRIC_ROCE, true, 0 },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_topo_gid gid = { .type = rows[i].type };
        snprintf(gid.gid, sizeof(gid.gid), "%s", rows[i].gid);
        if (!CHECK_INT(wm_gid_score(&gid, rows[i].fabric, rows[i].prefer_ipv4), rows[i].want))
            printf("row %d: %s\n", i, rows[i].gid);
    }
}

static void test_best(void)
{
    struct wm_topo_gid roce[] = {
        { 0, LINK_LOCAL, WM_GID_ROCE_V1, "eth0" }, { 1, LINK_LOCAL, WM_GID_ROCE_V2, "eth0" },
        { 2, GLOBAL, WM_GID_ROCE_V2, "eth0" },     { 3, IPV4, WM_GID_ROCE_V1, "eth0" },
        { 4, IPV4, WM_GID_ROCE_V2, "eth0" },       { 5, IPV4, WM_GID_ROCE_V2, "eth0.7" },
    };
    struct wm_topo_gid ib[] = { { 0, LINK_LOCAL, WM_GID_IB, "" } }, zero[] = { { 0, ZERO, WM_GID_ROCE_V2, "" } };
    struct wm_topo_port port = { .fabric = WM_FABRIC_ROCE, .gid = roce, .n_gids = COUNT(roce) };
    CHECK_INT(wm_gid_best(&port), 4); /* the lowest among equals */
    port.n_gids = 4;
    CHECK_INT(wm_gid_best(&port), 3);
    port.n_gids = 3; /* no IPv4 at all */
    CHECK_INT(wm_gid_best(&port), 2);
    port.n_gids = 2;
    CHECK_INT(wm_gid_best(&port), 1);
    port.n_gids = 0;
    CHECK_INT(wm_gid_best(&port), -1);
    port = (struct wm_topo_port){ .fabric = WM_FABRIC_ROCE, .gid = zero, .n_gids = 1 };
    CHECK_INT(wm_gid_best(&port), -1);
    port = (struct wm_topo_port){ .fabric = WM_FABRIC_IB, .gid = ib, .n_gids = 1 };
    CHECK_INT(wm_gid_best(&port), 0);
}

int main(void)
{
    test_rules();
    test_table();
    test_scores();
    test_best();
    return wm_tests_end();
}
