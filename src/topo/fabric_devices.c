/* By which devices a fabric is on a node. */
#include <string.h>

#include "src/topo/fabric.h"

struct list {
    char *text;
    size_t bytes, used;
    int n;
    bool full;
};

static struct list new_list(char *text, size_t bytes)
{
    text[0] = '\0';
    return (struct list){ .text = text, .bytes = bytes };
}

/* Names that do not fit are counted all the same, and the text says that it goes on. */
static void add(struct list *l, const char *name)
{
    static const char more[] = ", ...";
    const char *comma = l->n++ > 0 ? ", " : "";
    if (l->full)
        return;
    l->full = l->used + strlen(comma) + strlen(name) + sizeof(more) > l->bytes;
    l->used +=
        (size_t)snprintf(l->text + l->used, l->bytes - l->used, "%s%s", l->full ? more : comma, l->full ? "" : name);
}

static bool port_is_up(const struct wm_topo_port *port)
{
    return port->state[0] == '\0' || strcmp(port->state, "ACTIVE") == 0;
}

static bool netif_is_up(const struct wm_topo_netif *netif)
{
    return netif->state[0] == '\0' || strcmp(netif->state, "up") == 0 || strcmp(netif->state, "unknown") == 0;
}

static enum wm_fabric of_netif(const struct wm_topo_netif *netif)
{
    struct wm_fabric_facts facts = { .driver = netif->driver, .network_interface = true };
    return wm_fabric_of(&facts);
}

static void add_gpus(struct list *l, const struct wm_topo *topo)
{
    char text[32];
    for (int i = 0; i < topo->n_gpus; i++) {
        snprintf(text, sizeof(text), "GPU %d", topo->gpu[i].index);
        add(l, text);
    }
}

int wm_fabric_devices(const struct wm_topo *topo, enum wm_fabric fabric, char *text, size_t bytes)
{
    struct list l = new_list(text, bytes);
    char name[48];
    if (fabric == WM_FABRIC_SHM)
        add(&l, "memory of the host");
    if (fabric == WM_FABRIC_PCIE || (fabric == WM_FABRIC_NVLINK && topo->n_nvlinks > 0))
        add_gpus(&l, topo);
    for (int i = 0; i < topo->n_rdma; i++)
        for (int p = 0; p < topo->rdma[i].n_ports; p++) {
            const struct wm_topo_port *port = &topo->rdma[i].port[p];
            snprintf(name, sizeof(name), "%s:%d", topo->rdma[i].name, port->number);
            if (port->fabric == fabric && port_is_up(port))
                add(&l, name);
        }
    for (int i = 0; i < topo->n_netifs; i++)
        if (of_netif(&topo->netif[i]) == fabric && netif_is_up(&topo->netif[i]))
            add(&l, topo->netif[i].name);
    return l.n;
}

int wm_fabric_inventory(const struct wm_topo *topo, char *text, size_t bytes)
{
    struct list l = new_list(text, bytes);
    char name[80];
    for (int i = 0; i < topo->n_rdma; i++)
        for (int p = 0; p < topo->rdma[i].n_ports; p++) {
            const struct wm_topo_port *port = &topo->rdma[i].port[p];
            snprintf(name, sizeof(name), "%s:%d (%s%s%s)", topo->rdma[i].name, port->number,
                     wm_fabric_names[port->fabric], port_is_up(port) ? "" : ", ", port_is_up(port) ? "" : port->state);
            add(&l, name);
        }
    for (int i = 0; i < topo->n_netifs; i++) {
        const struct wm_topo_netif *netif = &topo->netif[i];
        snprintf(name, sizeof(name), "%s (%s%s)", netif->name, wm_fabric_names[of_netif(netif)],
                 netif_is_up(netif) ? "" : ", down");
        add(&l, name);
    }
    for (int i = 0; i < topo->n_gpus; i++) {
        snprintf(name, sizeof(name), "GPU %d (%s)", topo->gpu[i].index,
                 wm_topo_nvlinks_of(topo, i) > 0 ? "nvlink, pcie" : "pcie");
        add(&l, name);
    }
    return l.n;
}

/* "mlx5_0:2" names port 2 of mlx5_0; without a number it is the first that is up. */
static bool find_rdma(const struct wm_topo *topo, const char *name, struct wm_fabric_card *out)
{
    size_t length = strcspn(name, ":");
    for (int i = 0; i < topo->n_rdma; i++) {
        const struct wm_topo_rdma *rdma = &topo->rdma[i];
        int p = 0;
        if (strlen(rdma->name) != length || strncmp(rdma->name, name, length) != 0)
            continue;
        if (name[length] == ':') {
            char number[16] = "";
            for (; p < rdma->n_ports; p++) {
                snprintf(number, sizeof(number), "%d", rdma->port[p].number);
                if (strcmp(number, name + length + 1) == 0)
                    break;
            }
        } else {
            while (p + 1 < rdma->n_ports && !port_is_up(&rdma->port[p]))
                p++;
        }
        if (p >= rdma->n_ports)
            return false;
        *out = (struct wm_fabric_card){ .fabric = rdma->port[p].fabric, .rdma = true };
        snprintf(out->name, sizeof(out->name), "%s:%d", rdma->name, rdma->port[p].number);
        return true;
    }
    return false;
}

bool wm_fabric_find_card(const struct wm_topo *topo, const char *name, struct wm_fabric_card *out)
{
    if (find_rdma(topo, name, out))
        return true;
    for (int i = 0; i < topo->n_netifs; i++)
        if (strcmp(topo->netif[i].name, name) == 0) {
            *out = (struct wm_fabric_card){ .fabric = of_netif(&topo->netif[i]) };
            snprintf(out->name, sizeof(out->name), "%s", name);
            return true;
        }
    return false;
}
