/** Which device, port and address the verbs transport uses. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/topo/fabric.h"
#include "src/transport/verbs.h"

enum { GIDS = 256 };

const char *wm_verbs_gid_text(enum wm_gid_type type, bool ipv4)
{
    if (type == WM_GID_ROCE_V2)
        return ipv4 ? "RoCE v2, IPv4" : "RoCE v2, IPv6";
    if (type == WM_GID_ROCE_V1)
        return "RoCE v1";
    return "InfiniBand";
}

/* ---- Addresses ---- */

static enum wm_gid_type gid_type_of(uint32_t type)
{
    switch (type) {
    case IBV_GID_TYPE_ROCE_V2:
        return WM_GID_ROCE_V2;
    case IBV_GID_TYPE_ROCE_V1:
        return WM_GID_ROCE_V1;
    case IBV_GID_TYPE_IB:
        return WM_GID_IB;
    default:
        return WM_GID_OTHER;
    }
}

static bool is_ipv4(const union ibv_gid *gid)
{
    struct in6_addr address;
    memcpy(&address, gid->raw, sizeof(address));
    return IN6_IS_ADDR_V4MAPPED(&address);
}

/* The table of the port; the raw addresses beside it. Returns how many there are. */
static int read_gids(const struct wm_verbs_port *p, struct wm_topo_gid *gid, union ibv_gid *raw)
{
    int n = 0;

    for (int i = 0; i < p->port.gid_tbl_len && n < GIDS; i++) {
        struct ibv_gid_entry entry;
        if (ibv_query_gid_ex(p->context, p->number, (uint32_t)i, &entry, 0) != 0)
            continue;
        gid[n] = (struct wm_topo_gid){ .index = i, .type = gid_type_of(entry.gid_type) };
        inet_ntop(AF_INET6, entry.gid.raw, gid[n].gid, sizeof(gid[n].gid));
        raw[n++] = entry.gid;
    }
    return n;
}

static int find_index(const struct wm_topo_gid *gid, int n, int64_t index)
{
    for (int i = 0; i < n; i++)
        if (gid[i].index == index)
            return i;
    return -1;
}

static int fail_gid(const struct wm_verbs_port *p, const struct wm_topo_gid *gid, int n, int64_t wanted,
                    struct wm_err *err)
{
    char list[240] = "";
    size_t used = 0;

    for (int i = 0; i < n && used < sizeof(list); i++)
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%d %s", i > 0 ? ", " : "", gid[i].index, gid[i].gid);
    if (wanted >= 0)
        return wm_fail(err, WM_EABSENT, "ibv_query_gid_ex", 0, "--gid-index %lld: %s has no such address; it has %s",
                       (long long)wanted, p->name, list[0] != '\0' ? list : "none");
    return wm_fail(err, WM_EABSENT, "ibv_query_gid_ex", 0,
                   "%s has no usable address (GID): give its network interface an IP address; it has %s", p->name,
                   list[0] != '\0' ? list : "none");
}

static int choose_gid(const struct wm_verbs_conf *conf, struct wm_verbs_port *p, struct wm_err *err)
{
    static _Thread_local struct wm_topo_gid gid[GIDS];
    union ibv_gid raw[GIDS];
    const int n = read_gids(p, gid, raw);
    struct wm_topo_port table = { .fabric = p->fabric, .gid = gid, .n_gids = n };
    int best = conf->gid_index >= 0 ? find_index(gid, n, conf->gid_index) : wm_gid_best(&table);

    p->gid_index = -1;
    if (best < 0 && p->port.link_layer != IBV_LINK_LAYER_ETHERNET && conf->gid_index < 0)
        return WM_OK; /* the LID is enough */
    if (best < 0)
        return fail_gid(p, gid, n, conf->gid_index, err);
    p->gid_index = gid[best].index;
    p->gid_type = gid[best].type;
    p->gid = raw[best];
    p->ipv4 = is_ipv4(&raw[best]);
    return WM_OK;
}

/* ---- Ports ---- */

/* What was seen and not taken, for the message. */
struct seen {
    char text[240];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void see(struct seen *s, const char *format, ...)
{
    va_list args;

    if (s->used >= sizeof(s->text) - 2)
        return;
    if (s->used > 0)
        s->used += (size_t)snprintf(s->text + s->used, sizeof(s->text) - s->used, ", ");
    va_start(args, format);
    s->used += (size_t)vsnprintf(s->text + s->used, sizeof(s->text) - s->used, format, args);
    va_end(args);
}

static enum wm_fabric fabric_of(const struct ibv_device *device, const struct ibv_port_attr *port)
{
    return wm_fabric_of(&(struct wm_fabric_facts){
        .provider = "verbs",
        .node_type = device->node_type == IBV_NODE_CA ? "CA" : NULL,
        .link_layer = port->link_layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" : "InfiniBand",
    });
}

static bool take_port(const struct wm_verbs_conf *conf, struct wm_verbs_port *p, struct seen *seen)
{
    const char *name = ibv_get_device_name(p->context->device);

    for (unsigned n = 1; n <= p->device.phys_port_cnt; n++) {
        if (ibv_query_port(p->context, (uint8_t)n, &p->port) != 0) {
            see(seen, "%s:%u (%s)", name, n, strerror(errno));
            continue;
        }
        if (p->port.state == IBV_PORT_ACTIVE && (conf->nic_port == 0 || conf->nic_port == n)) {
            p->number = (uint8_t)n;
            p->fabric = fabric_of(p->context->device, &p->port);
            snprintf(p->name, sizeof(p->name), "%s:%u", name, n);
            return true;
        }
        see(seen, "%s:%u %s", name, n, ibv_port_state_str(p->port.state));
    }
    return false;
}

static bool take_device(const struct wm_verbs_conf *conf, struct ibv_device *device, struct wm_verbs_port *p,
                        struct seen *seen)
{
    const char *name = ibv_get_device_name(device);

    if (device->transport_type != IBV_TRANSPORT_IB) {
        see(seen, "%s (%s)", name,
            device->transport_type == IBV_TRANSPORT_IWARP ? "iWARP: use transport ofi" : "no reliable connections");
        return false;
    }
    p->context = ibv_open_device(device);
    if (p->context == NULL) {
        see(seen, "%s (cannot be opened: %s)", name, strerror(errno));
        return false;
    }
    if (ibv_query_device(p->context, &p->device) == 0 && take_port(conf, p, seen))
        return true;
    wm_verbs_port_close(p);
    return false;
}

int wm_verbs_port_open(const struct wm_verbs_conf *conf, struct wm_verbs_port *out, struct wm_err *err)
{
    struct wm_verbs_port p = { 0 };
    struct seen seen = { "", 0 };
    int n = 0;
    bool found = false;
    struct ibv_device **devices = ibv_get_device_list(&n);

    for (int i = 0; devices != NULL && i < n && !found; i++)
        found = take_device(conf, devices[i], &p, &seen);
    if (devices != NULL)
        ibv_free_device_list(devices);
    if (n == 0)
        return wm_fail(err, WM_EABSENT, "", 0, "no RDMA device here (/sys/class/infiniband)");
    if (!found && conf->nic_port != 0)
        return wm_fail(err, WM_EABSENT, "", 0, "--nic-port %lld: no RDMA device here has it active; there are %s",
                       (long long)conf->nic_port, seen.text);
    if (!found)
        return wm_fail(err, WM_EABSENT, "", 0, "no RDMA device here has an active port; there are %s", seen.text);
    if (choose_gid(conf, &p, err) != WM_OK) {
        wm_verbs_port_close(&p);
        return err->code;
    }
    *out = p;
    return WM_OK;
}

void wm_verbs_port_close(struct wm_verbs_port *port)
{
    if (port->context != NULL)
        ibv_close_device(port->context);
    port->context = NULL;
}
