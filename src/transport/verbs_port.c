/** Which device, port and address the verbs transport uses. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/topo/fabric.h"
#include "src/transport/verbs_ep.h"

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

static int choose_gid(const struct wm_verbs_want *want, struct wm_verbs_port *p, struct wm_err *err)
{
    static _Thread_local struct wm_topo_gid gid[GIDS];
    union ibv_gid raw[GIDS];
    const int n = read_gids(p, gid, raw);
    struct wm_topo_port table = { .fabric = p->fabric, .gid = gid, .n_gids = n };
    int best = want->gid_index >= 0 ? find_index(gid, n, want->gid_index) : wm_gid_best(&table);

    p->gid_index = -1;
    if (best < 0 && p->port.link_layer != IBV_LINK_LAYER_ETHERNET && want->gid_index < 0)
        return WM_OK; /* the LID is enough */
    if (best < 0)
        return fail_gid(p, gid, n, want->gid_index, err);
    p->gid_index = gid[best].index;
    p->gid_type = gid[best].type;
    p->gid = raw[best];
    p->ipv4 = is_ipv4(&raw[best]);
    return WM_OK;
}

/* ---- Ports ---- */

/* What was seen, taken or not, for the message. */
struct seen {
    char text[320];
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
    if (s->used < sizeof(s->text))
        s->used += (size_t)vsnprintf(s->text + s->used, sizeof(s->text) - s->used, format, args);
    va_end(args);
}

/* --nic, taken apart. */
struct card {
    char name[48];  /* of a device or a network interface; "" = any */
    unsigned port;  /* 0 = any */
    unsigned netif; /* the interface's number; 0 = there is none of that name */
};

static int read_card(const struct wm_verbs_want *want, struct card *out, struct wm_err *err)
{
    const char *nic = want->nic != NULL ? want->nic : "", *colon = strrchr(nic, ':');
    char *end = NULL;
    const unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
    const bool has_port = port > 0 && port <= 255 && *end == '\0';

    *out = (struct card){ .port = has_port ? (unsigned)port : (unsigned)want->nic_port };
    snprintf(out->name, sizeof(out->name), "%.*s", has_port ? (int)(colon - nic) : (int)strlen(nic), nic);
    out->netif = out->name[0] != '\0' ? if_nametoindex(out->name) : 0;
    if (has_port && want->nic_port != 0 && (int64_t)port != want->nic_port)
        return wm_fail(err, WM_EUSAGE, "", 0, "--nic %s and --nic-port %lld name two ports: leave one of them out", nic,
                       (long long)want->nic_port);
    return WM_OK;
}

static enum wm_fabric fabric_of(const struct ibv_device *device, const struct ibv_port_attr *port)
{
    return wm_fabric_of(&(struct wm_fabric_facts){
        .provider = "verbs",
        .node_type = device->node_type == IBV_NODE_CA ? "CA" : NULL,
        .link_layer = port->link_layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" : "InfiniBand",
    });
}

/* RoCE addresses know their interface; an InfiniBand interface (IPoIB) stands in the kernel's tree below its device. */
static bool has_netif(const struct wm_verbs_port *p, const struct card *card)
{
    char path[200];

    for (int i = 0; i < p->port.gid_tbl_len && i < GIDS && card->netif != 0; i++) {
        struct ibv_gid_entry entry;
        if (ibv_query_gid_ex(p->context, p->number, (uint32_t)i, &entry, 0) == 0 && entry.ndev_ifindex == card->netif)
            return true;
    }
    snprintf(path, sizeof(path), "/sys/class/net/%s/device/infiniband/%s", card->name,
             ibv_get_device_name(p->context->device));
    return p->port.link_layer != IBV_LINK_LAYER_ETHERNET && access(path, F_OK) == 0;
}

static bool is_wanted(const struct wm_verbs_want *want, const struct card *card, const struct wm_verbs_port *p)
{
    if (p->port.state != IBV_PORT_ACTIVE || (card->port != 0 && card->port != p->number) ||
        (want->fabric != WM_FABRIC_UNKNOWN && want->fabric != p->fabric))
        return false;
    return card->name[0] == '\0' || strcmp(card->name, ibv_get_device_name(p->context->device)) == 0 ||
           has_netif(p, card);
}

/* A port that is wanted; of several the nearest, then the fastest is taken. */
struct candidate {
    struct ibv_device *device;
    uint8_t port;
    bool near;
    unsigned rate;
};

static bool is_near(const struct ibv_device *device, const struct wm_cpuset *cpus)
{
    char path[sizeof(device->ibdev_path) + 32], list[256] = "";
    struct wm_cpuset local;
    FILE *file = NULL;

    snprintf(path, sizeof(path), "%s/device/local_cpulist", device->ibdev_path);
    if (cpus == NULL || (file = fopen(path, "re")) == NULL)
        return false;
    if (fgets(list, sizeof(list), file) == NULL)
        list[0] = '\0';
    fclose(file);
    list[strcspn(list, "\n")] = '\0';
    if (!wm_cpuset_parse(list, &local))
        return false;
    wm_cpuset_and(&local, cpus);
    return wm_cpuset_count(&local) > 0;
}

/* Only to compare: a lane's rate in units of 2.5 Gb/s times the lanes, both as libibverbs numbers them. */
static unsigned rate_of(const struct ibv_port_attr *port)
{
    static const unsigned speed[] = { 1, 2, 4, 4, 6, 10, 20, 40 }, lanes[] = { 1, 4, 8, 12, 2 };
    unsigned s = 0, w = 0;

    while (s + 1 < sizeof(speed) / sizeof(*speed) && port->active_speed >> (s + 1) != 0)
        s++;
    while (w + 1 < sizeof(lanes) / sizeof(*lanes) && port->active_width >> (w + 1) != 0)
        w++;
    return speed[s] * lanes[w];
}

struct search {
    const struct wm_verbs_want *want;
    struct card card;
    struct seen seen;
    struct candidate found[64];
    int n;
};

/* 0 or an errno, which the library returns without setting it. */
static int query_port(struct wm_verbs_port *p, unsigned number)
{
    const char *name = ibv_get_device_name(p->context->device);

    p->number = (uint8_t)number;
    snprintf(p->name, sizeof(p->name), "%s:%u", name, number);
    int rc = ibv_query_port(p->context, p->number, &p->port);
    if (rc == 0)
        p->fabric = fabric_of(p->context->device, &p->port);
    return rc;
}

static void look_at_ports(struct search *s, struct wm_verbs_port *p)
{
    for (unsigned number = 1; number <= p->device.phys_port_cnt; number++) {
        int rc = query_port(p, number);
        if (rc != 0) {
            see(&s->seen, "%s (ibv_query_port: %s)", p->name, strerror(rc));
            continue;
        }
        see(&s->seen, "%s %s %s", p->name, wm_fabric_names[p->fabric], ibv_port_state_str(p->port.state));
        if (is_wanted(s->want, &s->card, p) && s->n < (int)(sizeof(s->found) / sizeof(*s->found)))
            s->found[s->n++] = (struct candidate){ .device = p->context->device,
                                                   .port = p->number,
                                                   .near = is_near(p->context->device, s->want->cpus),
                                                   .rate = rate_of(&p->port) };
    }
}

/* 0 or an errno. */
static int open_device(struct ibv_device *device, struct wm_verbs_port *p)
{
    errno = 0;
    p->context = ibv_open_device(device);
    if (p->context == NULL)
        return errno != 0 ? errno : ENODEV; /* not every provider says why */
    int rc = ibv_query_device(p->context, &p->device);
    if (rc != 0)
        wm_verbs_port_close(p);
    return rc;
}

static void look_at_device(struct search *s, struct ibv_device *device)
{
    const char *name = ibv_get_device_name(device);
    struct wm_verbs_port p = { 0 };
    int rc;

    if (device->transport_type != IBV_TRANSPORT_IB)
        see(&s->seen, "%s (%s)", name,
            device->transport_type == IBV_TRANSPORT_IWARP ? "iWARP: use transport ofi" : "no reliable connections");
    else if ((rc = open_device(device, &p)) != 0)
        see(&s->seen, "%s (ibv_open_device: %s: is /dev/infiniband/%s here, and may this user read and write it?)",
            name, strerror(rc), device->dev_name);
    else
        look_at_ports(s, &p);
    wm_verbs_port_close(&p);
}

/* Equally good ones are dealt out to the ranks of a host in turn. */
static const struct candidate *choose(const struct search *s)
{
    const struct candidate *best = NULL;
    int equal = 0;

    for (int i = 0; i < s->n; i++) {
        const struct candidate *c = &s->found[i];
        const bool better = best == NULL || (c->near != best->near ? c->near : c->rate > best->rate);
        if (better)
            best = c;
        equal = better ? 1 : equal + (c->near == best->near && c->rate == best->rate);
    }
    for (int i = 0, nth = equal > 0 ? s->want->turn % equal : 0; i < s->n; i++)
        if (s->found[i].near == best->near && s->found[i].rate == best->rate && nth-- == 0)
            return &s->found[i];
    return NULL;
}

/* The first device that the kernel has, whether libibverbs can drive it or not; "" = none. */
static void kernels_device(char *name, size_t bytes)
{
    DIR *folder = opendir("/sys/class/infiniband");

    name[0] = '\0';
    for (struct dirent *entry; folder != NULL && name[0] == '\0' && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(name, bytes, "%.63s", entry->d_name);
    if (folder != NULL)
        closedir(folder);
}

static int fail_no_device(struct wm_err *err)
{
    char name[64];

    kernels_device(name, sizeof(name));
    if (name[0] == '\0')
        return wm_fail(err, WM_EABSENT, "", 0, "no RDMA device here (/sys/class/infiniband)");
    return wm_fail(err, WM_EABSENT, "ibv_get_device_list", 0,
                   "the kernel has the RDMA device %s, and libibverbs no driver for it: install ibverbs-providers "
                   "(rdma-core), with its /etc/libibverbs.d",
                   name);
}

static int fail_search(const struct search *s, int devices, struct wm_err *err)
{
    const struct wm_verbs_want *want = s->want;
    char asked[120] = "";
    size_t used = 0;

    if (devices == 0)
        return fail_no_device(err);
    if (want->fabric != WM_FABRIC_UNKNOWN)
        used += (size_t)snprintf(asked, sizeof(asked), " --fabric %s", wm_fabric_names[want->fabric]);
    if (want->nic != NULL)
        used += (size_t)snprintf(asked + used, sizeof(asked) - used, " --nic %.48s", want->nic);
    if (want->nic_port != 0)
        snprintf(asked + used, sizeof(asked) - used, " --nic-port %lld", (long long)want->nic_port);
    return wm_fail(err, WM_EABSENT, "", 0, "no RDMA port here is active%s%s; there are %s",
                   asked[0] != '\0' ? " and what is asked for:" : "", asked, s->seen.text);
}

/* The kernel names the interface below a software device (rxe). */
static bool is_software(const struct ibv_device *device)
{
    char path[sizeof(device->ibdev_path) + 16];

    snprintf(path, sizeof(path), "%s/parent", device->ibdev_path);
    return access(path, F_OK) == 0;
}

static int open_candidate(const struct wm_verbs_want *want, const struct candidate *c, struct wm_verbs_port *out,
                          struct wm_err *err)
{
    struct wm_verbs_port p = { 0 };

    errno = open_device(c->device, &p);
    if (errno != 0)
        return wm_fail_errno(err, "ibv_open_device", "open %s", ibv_get_device_name(c->device));
    errno = query_port(&p, c->port);
    if (errno != 0)
        wm_fail_errno(err, "ibv_query_port", "port %s", p.name);
    else
        choose_gid(want, &p, err);
    p.software = is_software(c->device);
    if (err->code != WM_OK)
        wm_verbs_port_close(&p);
    else
        *out = p;
    return err->code;
}

int wm_verbs_port_open(const struct wm_verbs_want *want, struct wm_verbs_port *out, struct wm_err *err)
{
    struct search s = { .want = want };
    int n = 0;

    if (read_card(want, &s.card, err) != WM_OK)
        return err->code;
    struct ibv_device **devices = ibv_get_device_list(&n);
    for (int i = 0; devices != NULL && i < n; i++)
        look_at_device(&s, devices[i]);
    const struct candidate *chosen = choose(&s);
    if (chosen == NULL)
        fail_search(&s, n, err);
    else
        open_candidate(want, chosen, out, err);
    if (devices != NULL)
        ibv_free_device_list(devices);
    return err->code;
}

void wm_verbs_port_close(struct wm_verbs_port *port)
{
    if (port->context != NULL)
        ibv_close_device(port->context);
    port->context = NULL;
}
