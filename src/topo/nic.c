/* Network cards in one numbering: RDMA devices, and interfaces that are no RDMA device's. */
#include "src/topo/topo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/fabric.h"

/* --- the list --- */

struct listed {
    struct wm_topo_nic nic;
    const char *address; /* "" = no PCI function of its own */
};

/* A file that is no running machine's does not say the state of ports: "" is not down. */
static bool port_is_up(const struct wm_topo_port *port)
{
    return port->state[0] == '\0' || strcmp(port->state, "ACTIVE") == 0;
}

static struct wm_topo_nic of_rdma(const struct wm_topo *topo, int i)
{
    const struct wm_topo_rdma *rdma = &topo->rdma[i];
    struct wm_topo_nic nic = { .rdma = i, .netif = -1, .pci = rdma->pci, .numa = rdma->numa, .name = rdma->name };
    nic.virtual_device = rdma->virtual_device;
    if (rdma->n_ports > 0)
        nic.fabric = rdma->port[0].fabric;
    for (int p = 0; p < rdma->n_ports; p++) {
        if (!port_is_up(&rdma->port[p]))
            continue;
        if (!nic.up)
            nic.fabric = rdma->port[p].fabric;
        nic.up = true;
        nic.bytes_per_s += rdma->port[p].bytes_per_s;
    }
    return nic;
}

static struct wm_topo_nic of_netif(const struct wm_topo *topo, int i)
{
    const struct wm_topo_netif *netif = &topo->netif[i];
    struct wm_fabric_facts facts = { .driver = netif->driver, .network_interface = true };
    struct wm_topo_nic nic = { .rdma = -1, .netif = i, .pci = netif->pci, .numa = netif->numa, .name = netif->name };
    nic.virtual_device = netif->virtual_device;
    nic.fabric = wm_fabric_of(&facts);
    nic.up = netif->state[0] == '\0' || strcmp(netif->state, "up") == 0 || strcmp(netif->state, "unknown") == 0;
    nic.bytes_per_s = nic.up ? netif->bytes_per_s : 0;
    return nic;
}

static int by_place(const void *a_, const void *b_)
{
    const struct listed *a = a_, *b = b_;
    if (a->nic.virtual_device != b->nic.virtual_device)
        return a->nic.virtual_device - b->nic.virtual_device;
    if ((a->address[0] == '\0') != (b->address[0] == '\0'))
        return a->address[0] == '\0' ? 1 : -1;
    int order = strcmp(a->address, b->address);
    return order != 0 ? order : strcmp(a->nic.name, b->nic.name);
}

static void list(const struct wm_topo *topo, struct listed *out, int *n, struct wm_topo_nic nic)
{
    bool has_pci = nic.pci >= 0 && nic.pci < topo->n_pci;
    out[(*n)++] = (struct listed){ .nic = nic, .address = has_pci ? topo->pci[nic.pci].address : "" };
}

int wm_topo_nics(const struct wm_topo *topo, struct wm_topo_nic *out, int cap)
{
    int n = 0;
    struct listed *all = calloc((size_t)(topo->n_rdma + topo->n_netifs) + 1, sizeof(*all));
    if (all == NULL)
        return 0;
    for (int i = 0; i < topo->n_rdma; i++)
        list(topo, all, &n, of_rdma(topo, i));
    for (int i = 0; i < topo->n_netifs; i++)
        if (topo->netif[i].rdma < 0 && !topo->netif[i].loopback)
            list(topo, all, &n, of_netif(topo, i));
    qsort(all, (size_t)n, sizeof(*all), by_place);
    for (int i = 0; i < n && i < cap; i++)
        out[i] = all[i].nic;
    free(all);
    return n;
}

struct wm_topo_nic *wm_topo_nics_all(const struct wm_topo *topo, int *n)
{
    *n = wm_topo_nics(topo, NULL, 0);
    struct wm_topo_nic *nic = *n > 0 ? calloc((size_t)*n, sizeof(*nic)) : NULL;
    *n = nic != NULL ? wm_topo_nics(topo, nic, *n) : 0;
    return nic;
}

/* --- by name --- */

static int named(const struct wm_topo_nic *nic, int n, const char *name)
{
    int i = 0;
    while (i < n && strcmp(nic[i].name, name) != 0)
        i++;
    return i < n ? i : -1;
}

/* The port of an RDMA device whose interface that is; 0 = it does not say. */
static int port_of_netif(const struct wm_topo_rdma *rdma, const char *netif)
{
    for (int p = 0; p < rdma->n_ports && rdma->n_ports > 1; p++)
        if (strcmp(rdma->port[p].netif, netif) == 0)
            return rdma->port[p].number;
    return 0;
}

/* The card of an interface, its own or an RDMA device's. */
static int by_netif(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, const char *name, int *port)
{
    int found = named(nic, n, name);
    for (int i = 0; i < topo->n_netifs && found < 0; i++) {
        const int rdma = topo->netif[i].rdma;
        if (rdma < 0 || strcmp(topo->netif[i].name, name) != 0)
            continue;
        *port = port_of_netif(&topo->rdma[rdma], name);
        found = named(nic, n, topo->rdma[rdma].name);
    }
    return found;
}

int wm_topo_find_nic(const struct wm_topo *topo, const char *device, int *port)
{
    char name[64], *end = NULL;
    int n;
    snprintf(name, sizeof(name), "%s", device);
    char *colon = strrchr(name, ':');
    long number = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    *port = 0;
    if (number > 0 && number < 256 && *end == '\0') {
        *colon = '\0';
        *port = (int)number;
    }
    struct wm_topo_nic *nic = wm_topo_nics_all(topo, &n);
    int found = by_netif(topo, nic, n, name, port);
    const struct wm_topo_rdma *rdma = found >= 0 && nic[found].rdma >= 0 ? &topo->rdma[nic[found].rdma] : NULL;
    if (rdma != NULL && rdma->n_ports < 2)
        *port = 0;
    if (rdma != NULL && rdma->virtual_device && rdma->n_ports > 0 && rdma->port[0].netif[0] != '\0') {
        *port = 0;
        int below = by_netif(topo, nic, n, rdma->port[0].netif, port);
        found = below >= 0 ? below : found;
    }
    free(nic);
    return found;
}

/* --- the nearest --- */

/* What a card is like from one place; the lesser is the better. */
struct merit {
    bool virtual_device, down;
    bool plain; /* no RDMA: a management port on the GPU's own root is not what its bytes should take */
    enum wm_distance distance;
    double bytes_per_s;
};

static struct merit merit_of(const struct wm_topo *topo, const struct wm_topo_nic *nic, int gpu, int numa)
{
    struct merit m = {
        .virtual_device = nic->virtual_device, .down = !nic->up, .plain = nic->rdma < 0, .bytes_per_s = nic->bytes_per_s
    };
    m.distance = gpu >= 0 ? wm_topo_distance(topo, topo->gpu[gpu].pci, nic->pci) : WM_DISTANCE_UNKNOWN;
    if (gpu >= 0)
        numa = topo->gpu[gpu].numa;
    if (m.distance == WM_DISTANCE_UNKNOWN && numa >= 0 && nic->numa >= 0)
        m.distance = numa == nic->numa ? WM_DISTANCE_NODE : WM_DISTANCE_SYS;
    return m;
}

static int compare(struct merit a, struct merit b)
{
    if (a.virtual_device != b.virtual_device)
        return a.virtual_device - b.virtual_device;
    if (a.down != b.down)
        return a.down - b.down;
    if (a.plain != b.plain)
        return a.plain - b.plain;
    if (a.distance != b.distance)
        return a.distance < b.distance ? -1 : 1;
    return (a.bytes_per_s < b.bytes_per_s) - (a.bytes_per_s > b.bytes_per_s);
}

/* The first of the best; *equals counts them. */
static int best_of(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, int gpu, int numa, int *equals)
{
    int best = -1;
    struct merit best_merit = { 0 };
    *equals = 0;
    for (int i = 0; i < n; i++) {
        struct merit m = merit_of(topo, &nic[i], gpu, numa);
        int order = best < 0 ? -1 : compare(m, best_merit);
        if (order < 0) {
            best = i;
            best_merit = m;
            *equals = 0;
        }
        *equals += order <= 0;
    }
    return best;
}

static bool beside(const struct wm_topo *topo, int gpu_a, int gpu_b)
{
    int a = topo->gpu[gpu_a].pci, b = topo->gpu[gpu_b].pci;
    return a >= 0 && b >= 0 && a < topo->n_pci && b < topo->n_pci && topo->pci[a].parent >= 0 &&
           topo->pci[a].parent == topo->pci[b].parent;
}

/* How many GPUs before this one have the same cards as their best. Those on one bridge are equal without a look. */
static int place_among_equals(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, int gpu, int first,
                              int equals)
{
    int place = 0;
    for (int g = 0; g < gpu; g++) {
        int g_equals;
        if (beside(topo, g, gpu) || (best_of(topo, nic, n, g, -1, &g_equals) == first && g_equals == equals))
            place++;
    }
    return place;
}

int wm_topo_nearest_nic(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, int gpu, int numa)
{
    int equals;
    gpu = gpu < topo->n_gpus ? gpu : -1;
    int first = best_of(topo, nic, n, gpu, numa, &equals);
    if (first < 0 || gpu < 0 || equals == 1)
        return first;
    struct merit wanted = merit_of(topo, &nic[first], gpu, numa);
    int turn = place_among_equals(topo, nic, n, gpu, first, equals) % equals;
    for (int i = first; i < n; i++)
        if (compare(merit_of(topo, &nic[i], gpu, numa), wanted) == 0 && turn-- == 0)
            return i;
    return first;
}
