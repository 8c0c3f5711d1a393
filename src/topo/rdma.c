/* RDMA devices and their ports, as /sys/class/infiniband shows them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/discover.h"
#include "src/topo/fabric.h"

/* "sys/class/infiniband/mlx5_0/ports/1" */
#define FOLDER_BYTES 120

enum { RATE_MAX = 1000000, /* Gb/s: more is no rate */ PORT_MAX = 255, GID_INDEX_MAX = 1 << 16 };

/* --- what files hold --- */

static bool parse_rate(const char *text, double *bytes_per_s)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) || tolower((unsigned char)text[1]) == 'x')
        return false;
    double gb_per_s = strtod(text, &end);
    static const char unit[] = " Gb/sec";
    if (strncmp(end, unit, sizeof(unit) - 1) != 0 || gb_per_s > RATE_MAX)
        return false;
    end += sizeof(unit) - 1;
    *bytes_per_s = gb_per_s * 1e9 / 8;
    return *end == '\0' || strncmp(end, " (", 2) == 0;
}

double wm_rate_bytes_per_s(const char *text)
{
    double bytes_per_s = 0;
    return parse_rate(text, &bytes_per_s) ? bytes_per_s : 0;
}

/*
 * What InfiniBand's encoding leaves of the printed rate. The kernel (drivers/infiniband/core/sysfs.c, rate_show) prints
 * 2.5, 5 and 10 Gb/s a lane for SDR, DDR and QDR, which is what the lanes signal, in 8b/10b; 14 for FDR, which signals
 * 14.0625 in 64b/66b; 10, 25, 50, 100 and 200 for FDR10 and what came after EDR, which is the data already. Ethernet's
 * ports borrow the words for data rates. Older kernels have no word for SDR: "10 Gb/sec (4X)".
 */
static double data_share(const char *rate)
{
    static const struct {
        const char *ending;
        double share;
    } encoded[] = {
        { "X)", 0.8 }, { " SDR)", 0.8 }, { " DDR)", 0.8 }, { " QDR)", 0.8 }, { " FDR)", 14.0625 * 64 / 66 / 14 }
    };
    size_t n = strlen(rate);
    for (size_t i = 0; i < sizeof(encoded) / sizeof(encoded[0]); i++) {
        size_t bytes = strlen(encoded[i].ending);
        if (n > bytes && strcmp(rate + n - bytes, encoded[i].ending) == 0)
            return encoded[i].share;
    }
    return 1;
}

/* "4: ACTIVE" -> "ACTIVE" */
static void read_word(struct wm_tree *tree, char *out, size_t bytes, const char *folder, const char *file)
{
    char path[FOLDER_BYTES + 40], text[80];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (!wm_tree_line(tree, text, sizeof(text), "%s", path))
        return;
    size_t digits = strspn(text, "0123456789");
    const char *word = text + digits + 2;
    if (digits == 0 || strncmp(text + digits, ": ", 2) != 0 || word[0] == '\0' || strlen(word) >= bytes)
        wm_tree_note(tree, path, "holds no number and word: %s", text);
    else
        memcpy(out, word, strlen(word) + 1);
}

int wm_topo_read_counters(struct wm_tree *tree, const char *folder, const char *const *files,
                          struct wm_topo_counter *out, int cap)
{
    int n = 0;
    for (int i = 0; files[i] != NULL && n < cap; i++) {
        int64_t value;
        const char *slash = strrchr(files[i], '/');
        if (!wm_tree_number(tree, &value, "%s/%s", folder, files[i]) || value <= 0)
            continue;
        snprintf(out[n].name, sizeof(out[n].name), "%s", slash != NULL ? slash + 1 : files[i]);
        out[n++].value = (uint64_t)value;
    }
    return n;
}

/* --- where a device stands --- */

/* The last part of a path that is a PCI address; the path is cut. */
static bool last_address(char *path, char address[16])
{
    for (;;) {
        char *slash = strrchr(path, '/');
        if (wm_topo_pci_address(slash != NULL ? slash + 1 : path, address))
            return true;
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
}

bool wm_topo_device_address(struct wm_tree *tree, const char *device, char address[16])
{
    char target[512];
    if (!wm_tree_link(tree, target, sizeof(target), "%s/device", device))
        return false;
    return last_address(target, address) ||
           (wm_tree_link(tree, target, sizeof(target), "%s", device) && last_address(target, address));
}

static int numa_of(struct wm_tree *tree, const struct wm_topo *topo, int pci, const char *device)
{
    int64_t node;
    if (pci >= 0)
        return topo->pci[pci].numa;
    return wm_tree_number(tree, &node, "%s/device/numa_node", device) ? wm_topo_find_numa(topo, node) : -1;
}

/* Software that speaks RDMA over another's card. Its `device`, where it has one, is that card. */
static bool is_software(struct wm_tree *tree, const char *device)
{
    char text[65];
    return wm_tree_exists(tree, "%s/parent", device) || /* rxe */
           (wm_tree_line(tree, text, sizeof(text), "%s/node_desc", device) &&
            strcmp(text, "Software iWARP stack") == 0);
}

static void place(struct wm_tree *tree, const struct wm_topo *topo, const char *device, struct wm_topo_rdma *rdma)
{
    char address[16];
    bool has_address = wm_topo_device_address(tree, device, address);
    rdma->virtual_device = is_software(tree, device) || (!has_address && !wm_tree_exists(tree, "%s/device", device));
    if (rdma->virtual_device)
        return;
    if (has_address && wm_topo_find_pci(topo, address) >= 0)
        rdma->pci = wm_topo_find_pci(topo, address);
    rdma->numa = numa_of(tree, topo, rdma->pci, device);
    if (rdma->pci >= 0) /* a subfunction's own driver is not the card's */
        memcpy(rdma->driver, topo->pci[rdma->pci].driver, sizeof(rdma->driver));
    if (rdma->driver[0] == '\0')
        wm_tree_link_name(tree, rdma->driver, sizeof(rdma->driver), "%s/device/driver", device);
}

/* --- addresses --- */

/* "IB/RoCE v1" is the first type of either; where neither is spoken the types mean nothing. */
static enum wm_gid_type gid_type(const char *text, enum wm_fabric fabric)
{
    if (fabric == WM_FABRIC_ROCE && strcmp(text, "RoCE v2") == 0)
        return WM_GID_ROCE_V2;
    if (strcmp(text, "IB/RoCE v1") != 0)
        return WM_GID_OTHER;
    return fabric == WM_FABRIC_ROCE ? WM_GID_ROCE_V1 : fabric == WM_FABRIC_IB ? WM_GID_IB : WM_GID_OTHER;
}

/* False: an unused row of the table, or none that can be read. */
static bool read_gid(struct wm_tree *tree, const char *folder, const char *index, const struct wm_topo_port *port,
                     struct wm_topo_gid *gid)
{
    static const struct in6_addr zero;
    struct in6_addr address;
    char path[FOLDER_BYTES + 80], type[32] = "";
    snprintf(path, sizeof(path), "%s/gids/%s", folder, index);
    if (!wm_tree_line(tree, gid->gid, sizeof(gid->gid), "%s", path))
        return false;
    if (inet_pton(AF_INET6, gid->gid, &address) != 1) {
        wm_tree_note(tree, path, "holds no address: %s", gid->gid);
        return false;
    }
    if (memcmp(&address, &zero, sizeof(zero)) == 0)
        return false;
    wm_tree_line(tree, type, sizeof(type), "%s/gid_attrs/types/%s", folder, index);
    gid->type = gid_type(type, port->fabric);
    if (strcmp(port->link_layer, "Ethernet") == 0) /* of InfiniBand's rows the kernel refuses to show it */
        wm_tree_line(tree, gid->netif, sizeof(gid->netif), "%s/gid_attrs/ndevs/%s", folder, index);
    return true;
}

/* The number that a name is, up to most; -1: it is none. */
static int number_of(const char *name, int most)
{
    size_t n = strlen(name);
    if (n == 0 || n > 9 || name[strspn(name, "0123456789")] != '\0' || atoi(name) > most)
        return -1;
    return atoi(name);
}

static int read_gids(struct wm_tree *tree, const char *folder, struct wm_topo_port *port, struct wm_err *err)
{
    struct wm_names names;
    int rc = WM_OK;
    wm_tree_names(tree, &names, "%s/gids", folder);
    for (int i = 0; i < names.n && rc == WM_OK; i++) {
        struct wm_topo_gid gid = { .index = number_of(names.name[i], GID_INDEX_MAX) };
        if (gid.index < 0 || !read_gid(tree, folder, names.name[i], port, &gid))
            continue;
        if (wm_topo_grow(&port->gid, port->n_gids, sizeof(*port->gid)))
            port->gid[port->n_gids++] = gid;
        else
            rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "addresses of %s", folder);
    }
    wm_names_free(&names);
    return rc;
}

/* --- ports --- */

/* Errors, not events: congestion marks and pauses are no sign of a fault. */
static const char *const error_counters[] = {
    "counters/symbol_error",
    "counters/link_error_recovery",
    "counters/link_downed",
    "counters/port_rcv_errors",
    "counters/port_rcv_remote_physical_errors",
    "counters/port_xmit_discards",
    "counters/local_link_integrity_errors",
    "counters/excessive_buffer_overrun_errors",
    "counters/VL15_dropped",
    "hw_counters/out_of_sequence",
    "hw_counters/packet_seq_err",
    "hw_counters/local_ack_timeout_err",
    "hw_counters/rnr_nak_retry_err",
    "hw_counters/out_of_buffer",
    "hw_counters/implied_nak_seq_err",
    "hw_counters/duplicate_request",
    "hw_counters/roce_adp_retrans",
    "hw_counters/rx_icrc_encapsulated",
    "hw_counters/rx_drops",
    "hw_counters/retrans_timeout_events",
    "hw_counters/impaired_remote_conn_events",
    "hw_counters/unresponsive_remote_events",
    NULL,
};
_Static_assert(sizeof(error_counters) / sizeof(error_counters[0]) - 1 <= WM_TOPO_PORT_COUNTERS, "all have room");

static void read_rate(struct wm_tree *tree, const char *folder, struct wm_topo_port *port)
{
    if (!wm_tree_line(tree, port->rate, sizeof(port->rate), "%s/rate", folder) ||
        parse_rate(port->rate, &port->bytes_per_s))
        return;
    char path[FOLDER_BYTES + 10];
    snprintf(path, sizeof(path), "%s/rate", folder);
    wm_tree_note(tree, path, "holds no rate: %s", port->rate);
    port->rate[0] = '\0';
    port->bytes_per_s = 0;
}

/* Interfaces of the card; of several the one with this port's number. dev_port counts from 0. */
static void find_netif(struct wm_tree *tree, const char *device, struct wm_topo_port *port)
{
    struct wm_names names;
    int64_t number;
    wm_tree_names(tree, &names, "%s/device/net", device);
    for (int i = 0; i < names.n && port->netif[0] == '\0'; i++)
        if (strlen(names.name[i]) < sizeof(port->netif) &&
            (names.n == 1 || (wm_tree_number(tree, &number, "%s/device/net/%s/dev_port", device, names.name[i]) &&
                              number + 1 == port->number)))
            memcpy(port->netif, names.name[i], strlen(names.name[i]) + 1);
    wm_names_free(&names);
}

static void read_netif(struct wm_tree *tree, const char *device, struct wm_topo_port *port)
{
    int64_t mtu_bytes;
    if (strcmp(port->link_layer, "Ethernet") != 0)
        return;
    for (int i = 0; i < port->n_gids && port->netif[0] == '\0'; i++)
        memcpy(port->netif, port->gid[i].netif, sizeof(port->netif));
    if (port->netif[0] == '\0')
        wm_tree_line(tree, port->netif, sizeof(port->netif), "%s/parent", device);
    if (port->netif[0] == '\0')
        find_netif(tree, device, port);
    if (port->netif[0] != '\0' && wm_tree_number(tree, &mtu_bytes, "sys/class/net/%s/mtu", port->netif) &&
        mtu_bytes > 0 && mtu_bytes <= INT32_MAX)
        port->mtu_bytes = (int)mtu_bytes;
}

static int read_port(struct wm_tree *tree, const char *device, const struct wm_topo_rdma *rdma,
                     struct wm_topo_port *port, struct wm_err *err)
{
    char folder[FOLDER_BYTES];
    struct wm_fabric_facts facts = { .driver = rdma->driver, .node_type = rdma->node_type };
    snprintf(folder, sizeof(folder), "%s/ports/%d", device, port->number);
    if (!wm_tree_exists(tree, "%s/state", folder))
        wm_tree_note(tree, folder, "has no file state: the port may be up or down");
    read_word(tree, port->state, sizeof(port->state), folder, "state");
    read_word(tree, port->phys_state, sizeof(port->phys_state), folder, "phys_state");
    wm_tree_line(tree, port->link_layer, sizeof(port->link_layer), "%s/link_layer", folder);
    read_rate(tree, folder, port);
    facts.link_layer = port->link_layer;
    port->fabric = wm_fabric_of(&facts);
    if (port->fabric == WM_FABRIC_IB)
        port->bytes_per_s *= data_share(port->rate);
    int rc = read_gids(tree, folder, port, err);
    read_netif(tree, device, port);
    port->n_counters = wm_topo_read_counters(tree, folder, error_counters, port->counter, WM_TOPO_PORT_COUNTERS);
    return rc;
}

static int read_ports(struct wm_tree *tree, const char *device, struct wm_topo_rdma *rdma, struct wm_err *err)
{
    struct wm_names names;
    int rc = WM_OK;
    wm_tree_names(tree, &names, "%s/ports", device);
    for (int i = 0; i < names.n && rc == WM_OK; i++) {
        int number = number_of(names.name[i], PORT_MAX);
        if (number < 0)
            continue;
        if (!wm_topo_grow(&rdma->port, rdma->n_ports, sizeof(*rdma->port))) {
            rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "ports of %s", device);
            break;
        }
        rdma->port[rdma->n_ports].number = number;
        rc = read_port(tree, device, rdma, &rdma->port[rdma->n_ports++], err);
    }
    wm_names_free(&names);
    return rc;
}

/* --- devices --- */

static void forget_ports(struct wm_topo_rdma *rdma)
{
    for (int i = 0; i < rdma->n_ports; i++)
        free(rdma->port[i].gid);
    free(rdma->port);
}

/* What another source said of the device gives way, but for its place in the PCI tree. NULL: no memory. */
static struct wm_topo_rdma *device_named(struct wm_topo *topo, const char *name)
{
    struct wm_topo_rdma fresh = { .pci = -1, .numa = -1 };
    int i = 0;
    while (i < topo->n_rdma && strcmp(topo->rdma[i].name, name) != 0)
        i++;
    if (i < topo->n_rdma) {
        fresh.pci = topo->rdma[i].pci;
        forget_ports(&topo->rdma[i]);
    } else if (wm_topo_grow(&topo->rdma, topo->n_rdma, sizeof(*topo->rdma))) {
        topo->n_rdma++;
    } else {
        return NULL;
    }
    snprintf(fresh.name, sizeof(fresh.name), "%s", name);
    topo->rdma[i] = fresh;
    return &topo->rdma[i];
}

static int read_device(struct wm_tree *tree, const char *name, struct wm_topo *topo, struct wm_err *err)
{
    char device[FOLDER_BYTES - 20];
    snprintf(device, sizeof(device), "sys/class/infiniband/%s", name);
    if (!wm_tree_exists(tree, "%s", device)) {
        wm_tree_note(tree, device, "the device disappeared");
        return WM_OK;
    }
    if (!wm_tree_exists(tree, "%s/ports", device) && !wm_tree_exists(tree, "%s/node_type", device)) {
        wm_tree_note(tree, device, "has neither ports nor a node type: no RDMA device");
        return WM_OK;
    }
    if (strlen(name) >= sizeof(topo->rdma->name)) {
        wm_tree_note(tree, device, "a name of %zu bytes, more than %zu: left out", strlen(name),
                     sizeof(topo->rdma->name) - 1);
        return WM_OK;
    }
    struct wm_topo_rdma *rdma = device_named(topo, name);
    if (rdma == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "list of %d RDMA devices", topo->n_rdma);
    place(tree, topo, device, rdma);
    read_word(tree, rdma->node_type, sizeof(rdma->node_type), device, "node_type");
    wm_tree_line(tree, rdma->firmware, sizeof(rdma->firmware), "%s/fw_ver", device);
    wm_tree_line(tree, rdma->board_id, sizeof(rdma->board_id), "%s/board_id", device);
    wm_tree_line(tree, rdma->node_guid, sizeof(rdma->node_guid), "%s/node_guid", device);
    return read_ports(tree, device, rdma, err);
}

int wm_topo_read_rdma(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    struct wm_names names;
    int rc = WM_OK;
    wm_tree_names(tree, &names, "sys/class/infiniband");
    for (int i = 0; i < names.n && rc == WM_OK; i++)
        rc = read_device(tree, names.name[i], topo, err);
    wm_names_free(&names);
    return rc;
}
