#include "src/topo/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/discover.h"

enum { WORD_BYTES = 4 }; /* port_xmit_data and port_rcv_data count words of four bytes */

/* Pairs of counters by which a port tells what it carried; the first pair that is there counts. */
static const struct {
    const char *folder, *sent, *received;
    int unit_bytes; /* 0 = packets */
} pairs[] = {
    { "hw_counters", "tx_bytes", "rx_bytes", 1 }, /* efa */
    { "counters", "port_xmit_data", "port_rcv_data", WORD_BYTES },
    { "hw_counters", "sent_pkts", "rcvd_pkts", 0 }, /* rxe */
};

/* Errors and signs of trouble, wherever a driver keeps them. */
static const struct {
    const char *folder, *name;
} errors[] = {
    { "counters", "symbol_error" },
    { "counters", "link_downed" },
    { "counters", "port_xmit_discards" },
    { "counters", "port_rcv_errors" },
    { "hw_counters", "out_of_sequence" },
    { "hw_counters", "packet_seq_err" },
    { "hw_counters", "implied_nak_seq_err" },
    { "hw_counters", "duplicate_request" },
    { "hw_counters", "local_ack_timeout_err" },
    { "hw_counters", "rnr_nak_retry_err" },
    { "hw_counters", "out_of_buffer" },
    { "hw_counters", "np_cnp_sent" },
    { "hw_counters", "rp_cnp_handled" },
    { "hw_counters", "np_ecn_marked_roce_packets" },
    { "hw_counters", "roce_adp_retrans" },
    { "hw_counters", "rx_drops" },
    { "hw_counters", "retrans_pkts" },
    { "hw_counters", "retrans_timeout_events" },
    { "hw_counters", "impaired_remote_conn_events" },
    { "hw_counters", "unresponsive_remote_events" },
    { "hw_counters", "to_retransmits" }, /* bnxt_re */
    { "hw_counters", "seq_err_naks_rcvd" },
    { "hw_counters", "max_retry_exceeded" },
    { "hw_counters", "oos_drop_count" },
    { "hw_counters", "rx_roce_discards" },
    { "hw_counters", "tx_roce_discards" },
    { "hw_counters", "tx_cnp_pkts" },
    { "hw_counters", "rx_cnp_pkts" },
    { "hw_counters", "cnpSent" }, /* irdma */
    { "hw_counters", "cnpHandled" },
    { "hw_counters", "completer_retry_err" }, /* rxe */
    { "hw_counters", "send_rnr_err" },
    { "hw_counters", "out_of_seq_request" },
    { "hw_counters", "rcvd_seq_err" },
};

static const char *const netif_errors[] = { "rx_errors", "tx_errors", "rx_dropped", "tx_dropped" };

static bool read_count(struct wm_tree *tree, const char *folder, const char *name, uint64_t *out)
{
    int64_t value;
    if (!wm_tree_exists(tree, "%s/%s", folder, name) || !wm_tree_number(tree, &value, "%s/%s", folder, name) ||
        value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

static struct wm_traffic_counter *add(struct wm_traffic *t)
{
    return wm_topo_grow(&t->counter, t->n, sizeof(*t->counter)) ? &t->counter[t->n] : NULL;
}

static void keep_error(struct wm_traffic_counter *c, const char *name, uint64_t count)
{
    if (c->n_errors == (int)(sizeof(c->error) / sizeof(c->error[0])))
        return;
    struct wm_traffic_error *e = &c->error[c->n_errors++];
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->count = count;
}

/* ---- ports of RDMA devices ---- */

static bool read_bytes(struct wm_tree *tree, const char *port, struct wm_traffic_counter *c)
{
    char folder[160];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", port, pairs[i].folder);
        if (!read_count(tree, folder, pairs[i].sent, &c->sent) ||
            !read_count(tree, folder, pairs[i].received, &c->received))
            continue;
        c->in_packets = pairs[i].unit_bytes == 0;
        c->sent *= c->in_packets ? 1 : (uint64_t)pairs[i].unit_bytes;
        c->received *= c->in_packets ? 1 : (uint64_t)pairs[i].unit_bytes;
        return true;
    }
    return false;
}

static void read_errors(struct wm_tree *tree, const char *port, struct wm_traffic_counter *c)
{
    char folder[160];
    uint64_t count;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", port, errors[i].folder);
        if (read_count(tree, folder, errors[i].name, &count))
            keep_error(c, errors[i].name, count);
    }
}

static int read_port(struct wm_tree *tree, const struct wm_topo_rdma *rdma, const struct wm_topo_port *port,
                     struct wm_traffic *out, struct wm_err *err)
{
    char folder[120];
    uint64_t lifespan_ms;
    struct wm_traffic_counter *c = add(out);
    if (c == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "traffic counters");
    snprintf(folder, sizeof(folder), "sys/class/infiniband/%s/ports/%d", rdma->name, port->number);
    if (!read_bytes(tree, folder, c))
        return WM_OK;
    snprintf(c->device, sizeof(c->device), "%s:%d", rdma->name, port->number);
    c->fabric = port->fabric;
    c->rdma = true;
    c->mtu_bytes = port->mtu_bytes;
    read_errors(tree, folder, c);
    snprintf(folder + strlen(folder), sizeof(folder) - strlen(folder), "/hw_counters");
    if (read_count(tree, folder, "lifespan", &lifespan_ms) && lifespan_ms * 1000000u > out->lifespan_ns)
        out->lifespan_ns = lifespan_ms * 1000000u;
    out->n++;
    return WM_OK;
}

/* ---- interfaces ---- */

static bool carries_rdma(const struct wm_topo *topo, const struct wm_topo_netif *netif)
{
    for (int i = 0; i < topo->n_rdma; i++)
        for (int p = 0; p < topo->rdma[i].n_ports; p++)
            if (strcmp(topo->rdma[i].port[p].netif, netif->name) == 0)
                return true;
    return netif->rdma >= 0;
}

static int read_netif(struct wm_tree *tree, const struct wm_topo *topo, const struct wm_topo_netif *netif,
                      struct wm_traffic *out, struct wm_err *err)
{
    char folder[120];
    uint64_t count;
    struct wm_traffic_counter *c = add(out);
    if (c == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "traffic counters");
    snprintf(folder, sizeof(folder), "sys/class/net/%s/statistics", netif->name);
    if (!read_count(tree, folder, "tx_bytes", &c->sent) || !read_count(tree, folder, "rx_bytes", &c->received))
        return WM_OK;
    snprintf(c->device, sizeof(c->device), "%s", netif->name);
    c->fabric = WM_FABRIC_TCP;
    c->carries_rdma = carries_rdma(topo, netif);
    c->loopback = netif->loopback;
    c->mtu_bytes = netif->mtu_bytes;
    for (size_t i = 0; i < sizeof(netif_errors) / sizeof(*netif_errors); i++)
        if (read_count(tree, folder, netif_errors[i], &count))
            keep_error(c, netif_errors[i], count);
    out->n++;
    return WM_OK;
}

int wm_traffic_read(struct wm_tree *tree, const struct wm_topo *topo, struct wm_traffic *out, struct wm_err *err)
{
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < topo->n_rdma; i++)
        for (int p = 0; p < topo->rdma[i].n_ports && err->code == WM_OK; p++)
            read_port(tree, &topo->rdma[i], &topo->rdma[i].port[p], out, err);
    for (int i = 0; i < topo->n_netifs && err->code == WM_OK; i++)
        read_netif(tree, topo, &topo->netif[i], out, err);
    return err->code;
}

void wm_traffic_free(struct wm_traffic *traffic)
{
    free(traffic->counter);
    memset(traffic, 0, sizeof(*traffic));
}

/* ---- differences ---- */

static const struct wm_traffic_counter *find(const struct wm_traffic *t, const char *device)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->counter[i].device, device) == 0)
            return &t->counter[i];
    return NULL;
}

static uint64_t error_of(const struct wm_traffic_counter *c, const char *name)
{
    for (int i = 0; i < c->n_errors; i++)
        if (strcmp(c->error[i].name, name) == 0)
            return c->error[i].count;
    return 0;
}

static void subtract(const struct wm_traffic_counter *before, const struct wm_traffic_counter *after,
                     struct wm_traffic_counter *out)
{
    *out = *after;
    out->sent -= before->sent;
    out->received -= before->received;
    out->n_errors = 0;
    for (int i = 0; i < after->n_errors; i++) {
        uint64_t was = error_of(before, after->error[i].name);
        if (after->error[i].count > was)
            keep_error(out, after->error[i].name, after->error[i].count - was);
    }
}

int wm_traffic_since(const struct wm_traffic *before, const struct wm_traffic *after, struct wm_traffic *out,
                     struct wm_err *err)
{
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < after->n; i++) {
        const struct wm_traffic_counter *a = &after->counter[i], *b = find(before, a->device);
        if (b == NULL || a->sent < b->sent || a->received < b->received)
            continue;
        struct wm_traffic_counter *c = add(out);
        if (c == NULL)
            return wm_fail(err, WM_ENOMEM, "realloc", 0, "traffic counters");
        subtract(b, a, c);
        out->n++;
    }
    return WM_OK;
}
