/* Which fabric a device belongs to: the one table of rules. */
#include "src/topo/fabric.h"

#include <string.h>

const char *const wm_fabric_names[WM_FABRICS + 1] = {
    [WM_FABRIC_UNKNOWN] = "unknown", [WM_FABRIC_NVLINK] = "nvlink", [WM_FABRIC_PCIE] = "pcie", [WM_FABRIC_IB] = "ib",
    [WM_FABRIC_ROCE] = "roce",       [WM_FABRIC_IWARP] = "iwarp",   [WM_FABRIC_EFA] = "efa",   [WM_FABRIC_OPA] = "opa",
    [WM_FABRIC_CXI] = "cxi",         [WM_FABRIC_TCP] = "tcp",       [WM_FABRIC_SHM] = "shm",
};

/* Every column that says something must fit; NULL fits all. Several words: any of them. */
struct rule {
    const char *provider, *driver, *node_type, *link_layer;
    bool network_interface;
    enum wm_fabric fabric;
    const char *examples;
};

/*
 * A provider says how the bytes go whatever the card could do. Drivers come before what a port says of itself:
 * Omni-Path calls its link layer InfiniBand. Node types come before link layers: iWARP and RoCE are both Ethernet.
 */
static const struct rule rules[] = {
    { .provider = "shm, sm2", .fabric = WM_FABRIC_SHM, .examples = "memory shared within the host" },
    { .provider = "tcp, net, sockets, udp",
      .fabric = WM_FABRIC_TCP,
      .examples = "any interface, also one of an RDMA card" },
    { .provider = "efa, efa-direct", .fabric = WM_FABRIC_EFA, .examples = "Amazon EFA" },
    { .provider = "cxi", .fabric = WM_FABRIC_CXI, .examples = "HPE Slingshot" },
    { .provider = "opx, psm2", .fabric = WM_FABRIC_OPA, .examples = "Omni-Path" },
    { .driver = "efa", .fabric = WM_FABRIC_EFA, .examples = "Amazon EFA: rdmap16s27" },
    { .driver = "hfi1, hfi2", .fabric = WM_FABRIC_OPA, .examples = "Omni-Path: hfi1_0" },
    { .driver = "cxi_ss1, cxi_core", .fabric = WM_FABRIC_CXI, .examples = "HPE Slingshot: hsn0" },
    { .node_type = "RNIC", .fabric = WM_FABRIC_IWARP, .examples = "cxgb4, irdma and qedr as iWARP, erdma, siw" },
    { .node_type = "usNIC, usNIC UDP", .fabric = WM_FABRIC_UNKNOWN, .examples = "Cisco usNIC: neither RoCE nor iWARP" },
    { .link_layer = "InfiniBand", .fabric = WM_FABRIC_IB, .examples = "ConnectX with InfiniBand: mlx5_0" },
    { .node_type = "CA",
      .link_layer = "Ethernet",
      .fabric = WM_FABRIC_ROCE,
      .examples = "ConnectX with Ethernet, bonded or a virtual function too; bnxt_re, irdma and qedr as RoCE, rxe" },
    { .driver = "mlx5_core, mlx4_core, bnxt_en",
      .link_layer = "Ethernet",
      .fabric = WM_FABRIC_ROCE,
      .examples = "cards that know RoCE only" },
    { .provider = "verbs",
      .link_layer = "Ethernet",
      .fabric = WM_FABRIC_ROCE,
      .examples = "libfabric over such a port" },
    { .network_interface = true,
      .fabric = WM_FABRIC_TCP,
      .examples = "Amazon ENA, virtio, bonds, bridges, VLANs, virtual functions without RDMA" },
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

/* Is the word, of n bytes, one of a list? */
static bool is_listed(const char *list, const char *word, size_t n)
{
    for (const char *at = list;; at += 2) {
        size_t bytes = strcspn(at, ",");
        if (bytes == n && strncmp(at, word, n) == 0)
            return true;
        at += bytes;
        if (*at == '\0')
            return false;
    }
}

static bool fits(const char *wanted, const char *word)
{
    return wanted == NULL || (word != NULL && word[0] != '\0' && is_listed(wanted, word, strlen(word)));
}

/* Of libfabric's layers the core counts, wherever it stands: "verbs;ofi_rxm". */
static bool provider_fits(const char *wanted, const char *provider)
{
    if (wanted == NULL)
        return true;
    for (const char *at = provider; at != NULL && *at != '\0'; at += *at == ';') {
        size_t n = strcspn(at, ";");
        if (n > 0 && is_listed(wanted, at, n))
            return true;
        at += n;
    }
    return false;
}

enum wm_fabric wm_fabric_of(const struct wm_fabric_facts *facts)
{
    for (int i = 0; i < RULES; i++)
        if (provider_fits(rules[i].provider, facts->provider) && fits(rules[i].driver, facts->driver) &&
            fits(rules[i].node_type, facts->node_type) && fits(rules[i].link_layer, facts->link_layer) &&
            (!rules[i].network_interface || facts->network_interface))
            return rules[i].fabric;
    return WM_FABRIC_UNKNOWN;
}

static void print_column(FILE *to, const char *text)
{
    if (text != NULL)
        fprintf(to, " %s", text);
    fputs(" |", to);
}

void wm_fabric_print_rules(FILE *to)
{
    fprintf(to, "| provider | driver | node type | link layer | interface | fabric | for example |\n"
                "|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < RULES; i++) {
        fputc('|', to);
        print_column(to, rules[i].provider);
        print_column(to, rules[i].driver);
        print_column(to, rules[i].node_type);
        print_column(to, rules[i].link_layer);
        print_column(to, rules[i].network_interface ? "yes" : NULL);
        fprintf(to, " `%s` | %s |\n", wm_fabric_names[rules[i].fabric], rules[i].examples);
    }
    fprintf(to, "| | | | | | `%s` | anything else |\n", wm_fabric_names[WM_FABRIC_UNKNOWN]);
}
