/** Ports of RDMA devices: state, rate, errors, and what RoCE needs of Ethernet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/core/units.h"
#include "src/doctor/look.h"

static bool is_active(const struct wm_topo_port *port)
{
    return strcmp(port->state, "ACTIVE") == 0;
}

/* ---- state */

struct states {
    struct wm_listing down, no_manager, unknown;
    int ports, active;
};

static void look_state(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                       void *arg)
{
    struct states *s = arg;
    (void)p;
    s->ports++;
    s->active += is_active(port);
    if (port->state[0] == '\0')
        wm_listing_add(&s->unknown, "%s:%d", d->name, port->number);
    else if (port->fabric == WM_FABRIC_IB && strcmp(port->phys_state, "LinkUp") == 0 && !is_active(port))
        wm_listing_add(&s->no_manager, "%s:%d %s", d->name, port->number, port->state);
    else if (!is_active(port))
        wm_listing_add(&s->down, "%s:%d %s%s%s", d->name, port->number, port->state,
                       port->phys_state[0] != '\0' ? "/" : "", port->phys_state);
}

static void look_ports(const struct wm_patient *p, struct wm_finding *f)
{
    struct states s = { 0 };
    wm_each_port(p, look_state, &s);
    enum wm_health bad = s.active > 0 ? WM_HEALTH_WARN : WM_HEALTH_FAIL;
    if (p->topo->n_rdma == 0)
        wm_finding_not_here(f, "no RDMA device here");
    else if (s.ports == s.unknown.n)
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "no state of a port could be read "
                       "(/sys/class/infiniband/*/ports/*/state)");
    if (s.down.n > 0)
        wm_finding_say(f, bad, "%d of %d ports are down: %s (/sys/class/infiniband/*/ports/*/{state,phys_state})",
                       s.down.n, s.ports, wm_listing_text(&s.down));
    if (s.no_manager.n > 0)
        wm_finding_say(f, bad,
                       "%d of %d InfiniBand ports have a link, but no subnet manager made them active: %s "
                       "(/sys/class/infiniband/*/ports/*/state)",
                       s.no_manager.n, s.ports, wm_listing_text(&s.no_manager));
    if (s.no_manager.n > 0 && s.down.n == 0)
        wm_finding_mend(f,
                        "start the subnet manager (systemctl start opensm, or the switch's own); sminfo shows whether "
                        "one answers");
    if (s.ports > 0 && s.active == s.ports)
        wm_finding_say(f, WM_HEALTH_OK, "all %d ports are ACTIVE (/sys/class/infiniband/*/ports/*/state)", s.active);
}

/* ---- rate */

/* Of cards by PCI id: the rate of the family's fastest model. Models of a quarter exist (ConnectX-7 at 100 Gb/s). */
static const struct {
    uint16_t device;
    int gigabit_per_s;
} mellanox[] = {
    { 0x1013, 100 }, { 0x1015, 50 },  { 0x1017, 100 }, { 0x1019, 100 }, { 0x101b, 200 }, { 0x101d, 200 },
    { 0x101f, 50 },  { 0x1021, 400 }, { 0x1023, 800 }, { 0xa2d2, 100 }, { 0xa2d6, 200 }, { 0xa2dc, 400 },
};

static double family_bytes_per_s(const struct wm_patient *p, const struct wm_topo_rdma *d)
{
    enum { VENDOR_MELLANOX = 0x15b3 };
    const struct wm_topo_pci *pci = d->pci >= 0 ? &p->topo->pci[d->pci] : NULL;
    for (size_t i = 0; pci != NULL && pci->vendor == VENDOR_MELLANOX && i < sizeof(mellanox) / sizeof(*mellanox); i++)
        if (mellanox[i].device == pci->device)
            return mellanox[i].gigabit_per_s * 1e9 / 8;
    return 0;
}

static bool same_model(const struct wm_patient *p, const struct wm_topo_rdma *a, const struct wm_topo_rdma *b)
{
    if (a->board_id[0] != '\0' || b->board_id[0] != '\0')
        return strcmp(a->board_id, b->board_id) == 0;
    if (a->pci < 0 || b->pci < 0)
        return false;
    const struct wm_topo_pci *pa = &p->topo->pci[a->pci], *pb = &p->topo->pci[b->pci];
    return pa->vendor == pb->vendor && pa->device == pb->device;
}

/* Rate of the fastest active port among the cards of the same model. */
static double best_of_model(const struct wm_patient *p, const struct wm_topo_rdma *d)
{
    double best = 0;
    for (int i = 0; i < p->topo->n_rdma; i++)
        for (int k = 0; k < p->topo->rdma[i].n_ports && same_model(p, d, &p->topo->rdma[i]); k++)
            if (is_active(&p->topo->rdma[i].port[k]) && p->topo->rdma[i].port[k].bytes_per_s > best)
                best = p->topo->rdma[i].port[k].bytes_per_s;
    return best;
}

struct rates {
    struct wm_listing below, lanes, far;
    int known;
    struct wm_finding *f;
};

static void look_rate(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                      void *arg)
{
    struct rates *r = arg;
    if (d->virtual_device || !is_active(port) || port->bytes_per_s <= 0)
        return;
    double best = best_of_model(p, d);
    r->known++;
    wm_finding_same(r->f, "%s:%d %s", d->name, port->number, port->rate);
    if (port->bytes_per_s < 0.99 * best)
        wm_listing_add(&r->below, "%s:%d %s", d->name, port->number, port->rate);
    else if (port->fabric == WM_FABRIC_IB && strstr(port->rate, "(1X ") != NULL)
        wm_listing_add(&r->lanes, "%s:%d %s", d->name, port->number, port->rate);
    else if (port->bytes_per_s < 0.2 * family_bytes_per_s(p, d))
        wm_listing_add(&r->far, "%s:%d %s of %g Gb/s", d->name, port->number, port->rate,
                       family_bytes_per_s(p, d) * 8 / 1e9);
}

static void look_port_rate(const struct wm_patient *p, struct wm_finding *f)
{
    struct rates r = { .f = f };
    wm_each_port(p, look_rate, &r);
    if (wm_patient_rdma(p) == 0)
        wm_finding_not_here(f, "no RDMA device here");
    else if (r.known == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "no active port shows its rate (/sys/class/infiniband/*/ports/*/rate)");
    if (r.below.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "below the other ports of the same model: %s "
                       "(/sys/class/infiniband/*/ports/*/rate)",
                       wm_listing_text(&r.below));
    if (r.lanes.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "one lane instead of four: %s (/sys/class/infiniband/*/ports/*/rate)",
                       wm_listing_text(&r.lanes));
    if (r.far.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "far below what such a card can do: %s "
                       "(/sys/class/infiniband/*/ports/*/rate)",
                       wm_listing_text(&r.far));
    if (r.known > 0 && f->health == WM_HEALTH_NOT_APPLICABLE)
        wm_finding_say(f, WM_HEALTH_OK,
                       "active ports at the rate of their card: %d (/sys/class/infiniband/*/ports/*/rate)", r.known);
}

/* ---- error counters */

/* Below ports/P: those that say bytes were lost or sent again. */
static const char *const counters[] = {
    "counters/symbol_error",
    "counters/link_error_recovery",
    "counters/link_downed",
    "counters/port_rcv_errors",
    "counters/port_xmit_discards",
    "counters/local_link_integrity_errors",
    "counters/excessive_buffer_overrun_errors",
    "hw_counters/out_of_sequence",
    "hw_counters/packet_seq_err",
    "hw_counters/local_ack_timeout_err",
    "hw_counters/roce_adp_retrans",
    "hw_counters/out_of_buffer",
    "hw_counters/rx_icrc_encapsulated",
    "hw_counters/rx_drops",
    "hw_counters/retrans_timeout_events",
    "hw_counters/unresponsive_remote_events",
};
enum { COUNTERS = sizeof(counters) / sizeof(*counters), PORTS_READ = 64 };

struct readings {
    int ports, readable;
    int64_t value[PORTS_READ][COUNTERS]; /* -1: not there */
    char name[PORTS_READ][48];
};

static void read_port(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                      void *arg)
{
    struct readings *r = arg;
    if (d->virtual_device || r->ports == PORTS_READ)
        return;
    snprintf(r->name[r->ports], sizeof(r->name[0]), "%s:%d", d->name, port->number);
    for (int i = 0; i < COUNTERS; i++) {
        int64_t *value = &r->value[r->ports][i];
        if (wm_tree_number(p->tree, value, "sys/class/infiniband/%s/ports/%d/%s", d->name, port->number, counters[i]))
            r->readable++;
        else
            *value = -1;
    }
    r->ports++;
}

static void list_errors(const struct readings *before, const struct readings *after, struct wm_listing *rising,
                        struct wm_listing *standing)
{
    for (int port = 0; port < after->ports; port++)
        for (int i = 0; i < COUNTERS; i++) {
            int64_t now = after->value[port][i], then = before->value[port][i];
            const char *name = strchr(counters[i], '/') + 1;
            if (then >= 0 && now > then)
                wm_listing_add(rising, "%s %s %lld to %lld", after->name[port], name, (long long)then, (long long)now);
            else if (now > 0)
                wm_listing_add(standing, "%s %s %lld", after->name[port], name, (long long)now);
        }
}

/* Counters of mlx5 are cached for 10 ms by the kernel. Of a recorded machine there is one reading. */
static void read_twice(const struct wm_patient *p, struct readings *before, struct readings *after)
{
    const struct timespec pause = { .tv_nsec = 150000000 };
    wm_each_port(p, read_port, before);
    *after = *before;
    if (!wm_tree_is_here(p->tree) || before->readable == 0)
        return;
    nanosleep(&pause, NULL);
    *after = (struct readings){ 0 };
    wm_each_port(p, read_port, after);
}

static void say_errors(const struct wm_patient *p, const struct readings *before, const struct readings *after,
                       struct wm_finding *f)
{
    struct wm_listing rising = { 0 }, standing = { 0 };
    bool here = wm_tree_is_here(p->tree);
    list_errors(before, after, &rising, &standing);
    if (rising.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "errors rise within 0.15 s: %s (/sys/class/infiniband/*/ports/*)",
                       wm_listing_text(&rising));
    else if (standing.n > 0 && !here)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "errors were counted: %s (/sys/class/infiniband/*/ports/*); whether they rise "
                       "cannot be seen in a recording",
                       wm_listing_text(&standing));
    else if (standing.n > 0)
        wm_finding_say(f, WM_HEALTH_OK,
                       "errors were counted since the counters began, and none was added within 0.15 s "
                       "(/sys/class/infiniband/*/ports/*)");
    else
        wm_finding_say(f, WM_HEALTH_OK,
                       "no errors on %d ports (/sys/class/infiniband/*/ports/*/{counters,hw_counters})", after->ports);
}

static void look_errors(const struct wm_patient *p, struct wm_finding *f)
{
    struct readings *r = calloc(2, sizeof(*r));
    if (r != NULL)
        read_twice(p, &r[0], &r[1]);
    if (wm_patient_rdma(p) == 0)
        wm_finding_not_here(f, "no RDMA device here");
    else if (r == NULL || r[0].readable == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "no counter can be read (/sys/class/infiniband/*/ports/*/counters): a "
                       "container's network namespace hides them");
    else
        say_errors(p, &r[0], &r[1], f);
    free(r);
}

/* ---- RoCE */

static bool is_zero(const char *gid)
{
    return gid[strspn(gid, "0:")] == '\0';
}

struct gids {
    struct wm_listing none, old;
    int ports, good;
};

static void look_gids(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                      void *arg)
{
    struct gids *g = arg;
    int v1 = 0, v2 = 0;
    (void)p;
    if (port->fabric != WM_FABRIC_ROCE || !is_active(port))
        return;
    for (int i = 0; i < port->n_gids; i++) {
        v1 += port->gid[i].type == WM_GID_ROCE_V1 && !is_zero(port->gid[i].gid);
        v2 += port->gid[i].type == WM_GID_ROCE_V2 && !is_zero(port->gid[i].gid);
    }
    g->ports++;
    g->good += v2 > 0;
    if (v2 == 0)
        wm_listing_add(v1 > 0 ? &g->old : &g->none, "%s:%d", d->name, port->number);
}

static void look_roce_gid(const struct wm_patient *p, struct wm_finding *f)
{
    struct gids g = { 0 };
    wm_each_port(p, look_gids, &g);
    if (wm_patient_fabric(p, WM_FABRIC_ROCE) == 0)
        wm_finding_not_here(f, "no RoCE device here");
    else if (g.ports == 0)
        wm_finding_not_here(f, "no RoCE port is active");
    if (g.old.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "no RoCE v2 address, only v1: %s "
                       "(/sys/class/infiniband/*/ports/*/gid_attrs/types)",
                       wm_listing_text(&g.old));
    if (g.none.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "no address at all: %s (/sys/class/infiniband/*/ports/*/gids)",
                       wm_listing_text(&g.none));
    if (g.ports > 0 && g.good == g.ports)
        wm_finding_say(f, WM_HEALTH_OK,
                       "all %d RoCE ports have a RoCE v2 address "
                       "(/sys/class/infiniband/*/ports/*/gid_attrs/types)",
                       g.good);
}

struct mtus {
    struct wm_listing small, unknown;
    int ports;
    struct wm_finding *f;
};

/* The largest of 256 .. 4096 that fits into the interface's MTU with headers of up to 104 bytes (RoCE v2, IPv6, VLAN):
 * the kernel's iboe_get_mtu(). */
static int path_mtu(int mtu_bytes)
{
    int path = 256;
    while (path < 4096 && path * 2 + 104 <= mtu_bytes)
        path *= 2;
    return path;
}

static void look_mtu(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                     void *arg)
{
    struct mtus *m = arg;
    (void)p;
    if (port->fabric != WM_FABRIC_ROCE || d->virtual_device || !is_active(port))
        return;
    m->ports++;
    if (port->mtu_bytes <= 0) {
        wm_listing_add(&m->unknown, "%s:%d", d->name, port->number);
        return;
    }
    wm_finding_same(m->f, "%s:%d MTU %d", d->name, port->number, port->mtu_bytes);
    if (port->mtu_bytes < 4200)
        wm_listing_add(&m->small, "%s MTU %d (%s:%d sends packets of %d bytes)", port->netif, port->mtu_bytes, d->name,
                       port->number, path_mtu(port->mtu_bytes));
}

static void look_roce_mtu(const struct wm_patient *p, struct wm_finding *f)
{
    struct mtus m = { .f = f };
    wm_each_port(p, look_mtu, &m);
    if (wm_patient_fabric(p, WM_FABRIC_ROCE) == 0)
        wm_finding_not_here(f, "no RoCE device here");
    else if (m.ports == 0)
        wm_finding_not_here(f, "no RoCE port is active");
    else if (m.small.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "%s (/sys/class/net/*/mtu)", wm_listing_text(&m.small));
    else if (m.unknown.n > 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "the interface of %s or its MTU is not known (/sys/class/net/*/mtu)",
                       wm_listing_text(&m.unknown));
    else
        wm_finding_say(f, WM_HEALTH_OK,
                       "the interfaces of all %d RoCE ports have an MTU for packets of 4096 bytes "
                       "(/sys/class/net/*/mtu)",
                       m.ports);
}

struct congestion {
    struct wm_listing ecn_off, trust_pcp, silent;
    int ports;
};

/* On for any priority. `side` is roce_np (tells the sender) or roce_rp (slows down); false and absent: not shown. */
static bool ecn_on(const struct wm_patient *p, const char *netif, const char *side, bool *shown)
{
    struct wm_names names;
    bool on = false;
    wm_tree_names(p->tree, &names, "sys/class/net/%s/ecn/%s/enable", netif, side);
    for (int i = 0; i < names.n; i++) {
        int64_t value;
        if (!wm_tree_number(p->tree, &value, "sys/class/net/%s/ecn/%s/enable/%s", netif, side, names.name[i]))
            continue;
        *shown = true;
        on = on || value != 0;
    }
    wm_names_free(&names);
    return on;
}

static void look_port_congestion(const struct wm_patient *p, const struct wm_topo_rdma *d,
                                 const struct wm_topo_port *port, void *arg)
{
    struct congestion *c = arg;
    char trust[32];
    bool shown = false;
    if (port->fabric != WM_FABRIC_ROCE || d->virtual_device || !is_active(port) || port->netif[0] == '\0')
        return;
    c->ports++;
    bool notifies = ecn_on(p, port->netif, "roce_np", &shown), reacts = ecn_on(p, port->netif, "roce_rp", &shown);
    if (shown && !(notifies && reacts))
        wm_listing_add(&c->ecn_off, "%s", port->netif);
    if (wm_tree_text(p->tree, trust, sizeof(trust), "sys/class/net/%s/qos/trust", port->netif)) {
        if (strcmp(trust, "pcp") == 0)
            wm_listing_add(&c->trust_pcp, "%s", port->netif);
    } else if (!shown) {
        wm_listing_add(&c->silent, "%s", port->netif);
    }
}

static void look_roce_congestion(const struct wm_patient *p, struct wm_finding *f)
{
    struct congestion c = { 0 };
    wm_each_port(p, look_port_congestion, &c);
    if (wm_patient_fabric(p, WM_FABRIC_ROCE) == 0)
        wm_finding_not_here(f, "no RoCE device here");
    else if (c.ports == 0)
        wm_finding_not_here(f, "no RoCE port is active");
    if (c.ecn_off.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "ECN is off for every priority on %s "
                       "(/sys/class/net/*/ecn/roce_{np,rp}/enable)",
                       wm_listing_text(&c.ecn_off));
    if (c.trust_pcp.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "%s takes the priority from VLAN tags (qos/trust is pcp): packets without one, as "
                       "RoCE v2 sends them, share the queue of everything else",
                       wm_listing_text(&c.trust_pcp));
    if (f->health == WM_HEALTH_WARN || c.ports == 0)
        return;
    if (c.silent.n == c.ports)
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "the driver shows neither ecn/ nor qos/ in /sys/class/net/*: NVIDIA's own "
                       "does; ask mlnx_qos -i INTERFACE, and the switches");
    else
        wm_finding_say(f, WM_HEALTH_OK,
                       "interfaces with ECN on and priorities from DSCP: %d (/sys/class/net/*/{ecn,qos})",
                       c.ports - c.silent.n);
}

const struct wm_check wm_checks_rdma[] = {
    { .id = "ports",
      .subject = "state of the ports",
      .reads = "/sys/class/infiniband/*/ports/*/{state,phys_state}",
      .why = "a port that is down carries nothing: libraries use the remaining ones, at less bandwidth, or TCP",
      .mend = "look at cable and switch port (ibstat, mlxlink -d DEVICE, ip link); switch a port on with ip link set "
              "INTERFACE up (RoCE) or ibportstate -D 0 PORT enable (InfiniBand)",
      .required = true,
      .look = look_ports },
    { .id = "port-rate",
      .subject = "rate of the ports",
      .reads = "/sys/class/infiniband/*/ports/*/rate, board_id, PCI id of the card",
      .why = "a cable, a module or a switch port of a lower rate, or lost lanes, set the limit of everything behind it",
      .mend = "compare cable, module and switch port with those of a port at full rate (mlxlink -d DEVICE -m; ethtool "
              "INTERFACE); reseat or replace the cable",
      .look = look_port_rate },
    { .id = "error-counters",
      .subject = "errors on the wire",
      .reads = "/sys/class/infiniband/*/ports/*/{counters,hw_counters}, twice, 0.15 s apart",
      .why = "lost packets are sent again after a time-out: bandwidth falls and single messages take milliseconds",
      .mend = "symbol and link errors: clean, reseat or replace the cable (mlxlink -d DEVICE -c); discards, sequence "
              "errors and time-outs: congestion control (PFC, ECN); perfquery -x shows which side",
      .look = look_errors },
    { .id = "roce-gid",
      .subject = "addresses of RoCE ports",
      .reads = "/sys/class/infiniband/*/ports/*/{gids,gid_attrs}",
      .why = "RoCE v1 is not routed and gets no DSCP priority; without an address no connection can be made, the most "
             "reported RoCE fault",
      .mend = "give the interface an IP address and the driver RoCE v2 (cma_roce_mode -d DEVICE -m 2); wiremark topo "
              "--gids shows the table",
      .look = look_roce_gid },
    { .id = "roce-mtu",
      .subject = "MTU under RoCE",
      .reads = "/sys/class/net/*/mtu of the ports' interfaces",
      .why = "the packet size of RoCE is the largest power of two below the interface's MTU: 1024 bytes at 1500, a "
             "quarter of the possible, and more packets a second than the card may handle",
      .mend = "ip link set INTERFACE mtu 9000 (4200 at least) on all nodes and switch ports",
      .look = look_roce_mtu },
    { .id = "roce-congestion",
      .subject = "hints of PFC and ECN under RoCE",
      .reads = "/sys/class/net/*/ecn/roce_{np,rp}/enable/*, /sys/class/net/*/qos/trust",
      .why =
          "RoCE expects a network that does not drop; without ECN or a queue of its own one busy receiver makes many "
          "senders retransmit",
      .mend = "mlnx_qos -i INTERFACE --trust dscp --pfc 0,0,0,1,0,0,0,0; echo 1 > "
              "/sys/class/net/INTERFACE/ecn/roce_np/enable/3, and roce_rp; the same on the switches",
      .look = look_roce_congestion },
    { 0 },
};
