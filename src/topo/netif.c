/* Network interfaces, as /sys/class/net shows them. */
#include <stdio.h>
#include <string.h>

#include "src/topo/discover.h"

enum {
    TYPE_ETHERNET = 1,
    TYPE_LOOPBACK = 772,
    SPEED_MAX = 100000000, /* Mbit/s; -1 and 4294967295 are the kernel's "unknown" */
};

/* --- what kind of interface --- */

/* "DEVTYPE=vlan" */
static void device_type(struct wm_tree *tree, const char *folder, char *kind, size_t bytes)
{
    static const char key[] = "DEVTYPE=";
    char uevent[1024], *rest = uevent, *line;
    if (!wm_tree_text(tree, uevent, sizeof(uevent), "%s/uevent", folder))
        return;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            snprintf(kind, bytes, "%s", line + sizeof(key) - 1);
}

/* One end of a pair is Ethernet, has no hardware, and its link leads to another interface. */
static bool is_veth(struct wm_tree *tree, const char *folder, int64_t type)
{
    int64_t self, peer;
    return type == TYPE_ETHERNET && wm_tree_number(tree, &self, "%s/ifindex", folder) &&
           wm_tree_number(tree, &peer, "%s/iflink", folder) && peer > 0 && peer != self;
}

static void find_kind(struct wm_tree *tree, const char *folder, int64_t type, struct wm_topo_netif *netif)
{
    static const char *const kinds[][2] = { { "bonding", "bond" }, { "bridge", "bridge" }, { "tun_flags", "tun" } };
    device_type(tree, folder, netif->kind, sizeof(netif->kind));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && netif->kind[0] == '\0'; i++)
        if (wm_tree_exists(tree, "%s/%s", folder, kinds[i][0]))
            snprintf(netif->kind, sizeof(netif->kind), "%s", kinds[i][1]);
    if (netif->kind[0] == '\0' && netif->virtual_device && is_veth(tree, folder, type))
        snprintf(netif->kind, sizeof(netif->kind), "veth");
}

/* --- where it stands --- */

static void place(struct wm_tree *tree, const struct wm_topo *topo, const char *folder, struct wm_topo_netif *netif)
{
    char address[16];
    int64_t node;
    bool has_address = wm_topo_device_address(tree, folder, address);
    netif->virtual_device = !has_address && !wm_tree_exists(tree, "%s/device", folder);
    if (netif->virtual_device)
        return;
    if (has_address && wm_topo_find_pci(topo, address) >= 0)
        netif->pci = wm_topo_find_pci(topo, address);
    if (netif->pci >= 0)
        netif->numa = topo->pci[netif->pci].numa;
    else if (wm_tree_number(tree, &node, "%s/device/numa_node", folder))
        netif->numa = wm_topo_find_numa(topo, node);
    wm_tree_link_name(tree, netif->driver, sizeof(netif->driver), "%s/device/driver", folder);
}

static bool has_port(const struct wm_topo_rdma *rdma, const char *netif)
{
    for (int i = 0; i < rdma->n_ports && netif[0] != '\0'; i++)
        if (strcmp(rdma->port[i].netif, netif) == 0)
            return true;
    return false;
}

/*
 * The RDMA hardware behind an interface: what has it as a port, also as a part of a bond, or shares its PCI function.
 * Software over an interface (rxe, siw) does not take the interface's place.
 */
static int rdma_of(const struct wm_topo *topo, const struct wm_topo_netif *netif)
{
    int same_function = -1;
    for (int i = 0; i < topo->n_rdma; i++) {
        const struct wm_topo_rdma *rdma = &topo->rdma[i];
        if (rdma->virtual_device)
            continue;
        if (has_port(rdma, netif->name) || has_port(rdma, netif->master))
            return i;
        if (same_function < 0 && netif->pci >= 0 && rdma->pci == netif->pci)
            same_function = i;
    }
    return same_function;
}

/* --- one interface --- */

/* The kernel refuses to say it of interfaces that have none; of hardware that is a fact worth a note. */
static void read_speed(struct wm_tree *tree, const char *folder, struct wm_topo_netif *netif)
{
    int64_t mbit_per_s;
    if (netif->loopback || (netif->virtual_device && strcmp(netif->state, "up") != 0))
        return;
    if (!wm_tree_number(tree, &mbit_per_s, "%s/speed", folder) || mbit_per_s <= 0 || mbit_per_s == UINT32_MAX)
        return;
    if (mbit_per_s <= SPEED_MAX)
        netif->bytes_per_s = (double)mbit_per_s * 1e6 / 8;
    else
        wm_tree_note(tree, folder, "no interface has a speed of %lld Mbit/s", (long long)mbit_per_s);
}

static void read_mtu(struct wm_tree *tree, const char *folder, struct wm_topo_netif *netif)
{
    int64_t mtu_bytes;
    if (!wm_tree_number(tree, &mtu_bytes, "%s/mtu", folder))
        return;
    if (mtu_bytes > 0 && mtu_bytes <= INT32_MAX)
        netif->mtu_bytes = (int)mtu_bytes;
    else
        wm_tree_note(tree, folder, "no interface has an MTU of %lld bytes", (long long)mtu_bytes);
}

static void read_interface(struct wm_tree *tree, const struct wm_topo *topo, const char *folder, int64_t type,
                           struct wm_topo_netif *netif)
{
    static const char *const errors[] = {
        "rx_errors",      "tx_errors",       "rx_dropped",       "tx_dropped", "rx_missed_errors",  "rx_crc_errors",
        "rx_over_errors", "rx_frame_errors", "rx_length_errors", "collisions", "tx_carrier_errors", NULL,
    };
    char statistics[FILENAME_MAX];
    netif->loopback = type == TYPE_LOOPBACK;
    place(tree, topo, folder, netif);
    find_kind(tree, folder, type, netif);
    wm_tree_link_name(tree, netif->master, sizeof(netif->master), "%s/master", folder);
    read_speed(tree, folder, netif);
    read_mtu(tree, folder, netif);
    netif->rdma = rdma_of(topo, netif);
    snprintf(statistics, sizeof(statistics), "%s/statistics", folder);
    netif->n_counters = wm_topo_read_counters(tree, statistics, errors, netif->counter, WM_TOPO_NETIF_COUNTERS);
}

/* What another source said of the interface gives way, but for its place in the PCI tree. NULL: no memory. */
static struct wm_topo_netif *interface_named(struct wm_topo *topo, const char *name)
{
    struct wm_topo_netif fresh = { .pci = -1, .numa = -1, .rdma = -1 };
    int i = 0;
    while (i < topo->n_netifs && strcmp(topo->netif[i].name, name) != 0)
        i++;
    if (i < topo->n_netifs)
        fresh.pci = topo->netif[i].pci;
    else if (wm_topo_grow(&topo->netif, topo->n_netifs, sizeof(*topo->netif)))
        topo->n_netifs++;
    else
        return NULL;
    snprintf(fresh.name, sizeof(fresh.name), "%s", name);
    topo->netif[i] = fresh;
    return &topo->netif[i];
}

static int read_one(struct wm_tree *tree, const char *name, struct wm_topo *topo, struct wm_err *err)
{
    char folder[100], state[sizeof(topo->netif->state)];
    int64_t type = -1;
    snprintf(folder, sizeof(folder), "sys/class/net/%s", name);
    if (strcmp(name, "bonding_masters") == 0) /* the one file among the folders */
        return WM_OK;
    if (!wm_tree_exists(tree, "%s", folder)) {
        wm_tree_note(tree, folder, "the interface disappeared");
        return WM_OK;
    }
    if (strlen(name) >= sizeof(topo->netif->name)) {
        wm_tree_note(tree, folder, "a name of %zu bytes, more than %zu: left out", strlen(name),
                     sizeof(topo->netif->name) - 1);
        return WM_OK;
    }
    bool has_type = wm_tree_number(tree, &type, "%s/type", folder);
    if (!wm_tree_line(tree, state, sizeof(state), "%s/operstate", folder) && !has_type) {
        wm_tree_note(tree, folder, "has neither type nor state: no interface");
        return WM_OK;
    }
    struct wm_topo_netif *netif = interface_named(topo, name);
    if (netif == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "list of %d interfaces", topo->n_netifs);
    memcpy(netif->state, state, sizeof(netif->state));
    read_interface(tree, topo, folder, type, netif);
    return WM_OK;
}

int wm_topo_read_netifs(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    struct wm_names names;
    int rc = WM_OK;
    wm_tree_names(tree, &names, "sys/class/net");
    for (int i = 0; i < names.n && rc == WM_OK; i++)
        rc = read_one(tree, names.name[i], topo, err);
    wm_names_free(&names);
    return rc;
}
