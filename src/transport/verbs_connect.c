/** Connecting the verbs transport: ranks tell each other what they are, and their queue pairs are led to each other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/transport/verbs_ep.h"

enum {
    PACKET_TRIES = 6,    /* software RoCE (rxe) takes 7 for endless */
    PACKET_TIMEOUT = 17, /* 4.096 us * 2^17 = 0.54 s a try, more on some cards: a lost peer is known within seconds */
    RECEIVER_TRIES = 6,  /* 7 would be for ever */
    RECEIVER_TIMER = 20, /* 10.24 ms between them */
    READS = 16,          /* under way on one connection */
    HOPS = 64,
};

/* What every rank tells all others. */
struct card {
    union ibv_gid gid;
    uint32_t first_packet; /* number of the first packet */
    int32_t gid_index;
    uint16_t lid;
    uint8_t mtu, gid_type, ipv4, link_layer, reads_in, reads_out;
    char name[48];
};

static const char *host_of(const struct wm_verbs_ep *e, int rank)
{
    return e->ep.world->places[rank].host;
}

static uint8_t least(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t ab = a < b ? a : b;
    return (uint8_t)(ab < c ? ab : c);
}

static struct card my_card(const struct wm_verbs_ep *e)
{
    const struct wm_verbs_port *p = &e->port;
    struct card card = {
        .gid = p->gid,
        .first_packet = (uint32_t)(wm_now_ns() ^ (uint64_t)getpid() << 8) & 0xffffff,
        .gid_index = p->gid_index,
        .lid = p->port.lid,
        .mtu = (uint8_t)(e->conf.mtu != 0 ? e->conf.mtu : (int64_t)p->port.active_mtu),
        .gid_type = (uint8_t)p->gid_type,
        .ipv4 = p->ipv4,
        .link_layer = p->port.link_layer,
        .reads_in = least((uint64_t)p->device.max_qp_rd_atom, READS, 255),
        .reads_out = least((uint64_t)p->device.max_qp_init_rd_atom, READS, 255),
    };
    memcpy(card.name, p->name, sizeof(card.name));
    return card;
}

/* Two RoCE addresses of different kinds never meet: the most reported fault there. */
static int check_card(const struct wm_verbs_ep *e, int rank, const struct card *mine, const struct card *theirs,
                      struct wm_err *err)
{
    if (mine->link_layer != theirs->link_layer)
        return wm_fail(err, WM_EABSENT, "", 0, "%s on %s is %s and %s on %s is %s: they cannot be connected",
                       mine->name, host_of(e, e->ep.world->rank),
                       mine->link_layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" : "InfiniBand", theirs->name,
                       host_of(e, rank), theirs->link_layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" : "InfiniBand");
    if (mine->link_layer != IBV_LINK_LAYER_ETHERNET ||
        (mine->gid_type == theirs->gid_type && mine->ipv4 == theirs->ipv4))
        return WM_OK;
    return wm_fail(err, WM_EABSENT, "", 0,
                   "%s on %s has address %d (%s) and %s on %s address %d (%s), which cannot reach each other: name one "
                   "kind for both with --gid-index, or give both interfaces the same kind of IP address",
                   mine->name, host_of(e, e->ep.world->rank), mine->gid_index,
                   wm_verbs_gid_text((enum wm_gid_type)mine->gid_type, mine->ipv4), theirs->name, host_of(e, rank),
                   theirs->gid_index, wm_verbs_gid_text((enum wm_gid_type)theirs->gid_type, theirs->ipv4));
}

static int fail_connect(const struct wm_verbs_ep *e, int rank, const char *state, int rc, const struct card *theirs,
                        struct wm_err *err)
{
    errno = rc;
    return wm_fail_errno(
        err, "ibv_modify_qp",
        "connect (%s) %s, address %d, to %s of rank %d on %s, address %d: look at both links and their "
        "IP addresses, or name another with --gid-index",
        state, e->port.name, e->port.gid_index, theirs->name, rank, host_of(e, rank), theirs->gid_index);
}

static int make_ready(const struct wm_verbs_ep *e, struct ibv_qp *qp)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_INIT,
        .port_num = e->port.number,
        .qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
    };
    return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int make_receive(const struct wm_verbs_ep *e, struct ibv_qp *qp, const struct card *mine,
                        const struct card *theirs, uint32_t number)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = (enum ibv_mtu)(mine->mtu < theirs->mtu ? mine->mtu : theirs->mtu),
        .dest_qp_num = number,
        .rq_psn = theirs->first_packet,
        .max_dest_rd_atomic = least(mine->reads_in, theirs->reads_out, READS),
        .min_rnr_timer = RECEIVER_TIMER,
        .ah_attr = { .dlid = theirs->lid, .sl = (uint8_t)e->conf.service_level, .port_num = e->port.number },
    };

    if (mine->gid_index >= 0 && (mine->link_layer == IBV_LINK_LAYER_ETHERNET || theirs->lid == 0)) {
        attr.ah_attr.is_global = 1;
        attr.ah_attr.grh = (struct ibv_global_route){ .dgid = theirs->gid,
                                                      .sgid_index = (uint8_t)mine->gid_index,
                                                      .hop_limit = HOPS,
                                                      .traffic_class = (uint8_t)e->conf.traffic_class };
    }
    return ibv_modify_qp(qp, &attr,
                         IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                             IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
}

static int make_send(struct ibv_qp *qp, const struct card *mine, const struct card *theirs)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_RTS,
        .timeout = PACKET_TIMEOUT,
        .retry_cnt = PACKET_TRIES,
        .rnr_retry = RECEIVER_TRIES,
        .sq_psn = mine->first_packet,
        .max_rd_atomic = least(mine->reads_out, theirs->reads_in, READS),
    };
    return ibv_modify_qp(qp, &attr,
                         IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                             IBV_QP_MAX_QP_RD_ATOMIC);
}

static int connect_peer(struct wm_verbs_ep *e, int rank, const struct card *mine, const struct card *theirs,
                        const uint32_t *numbers, struct wm_err *err)
{
    if (check_card(e, rank, mine, theirs, err) != WM_OK)
        return err->code;
    for (int i = 0; i < e->conf.qps; i++) {
        struct ibv_qp *qp = e->peer[rank].qp[i].qp;
        int rc = make_ready(e, qp);
        if (rc != 0)
            return fail_connect(e, rank, "INIT", rc, theirs, err);
        rc = make_receive(e, qp, mine, theirs, numbers[i]);
        if (rc != 0)
            return fail_connect(e, rank, "RTR", rc, theirs, err);
        rc = make_send(qp, mine, theirs);
        if (rc != 0)
            return fail_connect(e, rank, "RTS", rc, theirs, err);
    }
    return WM_OK;
}

/* A card that reads what it wrote itself: nobody else is asked. */
int wm_verbs_open_loop(struct wm_verbs_ep *e, struct wm_err *err)
{
    const struct card self = my_card(e);
    struct ibv_qp_init_attr init = {
        .cap = { .max_send_wr = 1, .max_send_sge = 1, .max_recv_wr = 1, .max_recv_sge = 1 }, .qp_type = IBV_QPT_RC
    };
    int rc;

    e->gpu.cq = ibv_create_cq(e->port.context, 1, NULL, NULL, 0);
    if (e->gpu.cq == NULL)
        return wm_fail_errno(err, "ibv_create_cq", "completions of the read that flushes, on %s", e->port.name);
    init.send_cq = init.recv_cq = e->gpu.cq;
    e->gpu.qp = ibv_create_qp(e->pd, &init);
    if (e->gpu.qp == NULL)
        return wm_fail_errno(err, "ibv_create_qp", "the read that flushes, on %s", e->port.name);
    if ((rc = make_ready(e, e->gpu.qp)) != 0 ||
        (rc = make_receive(e, e->gpu.qp, &self, &self, e->gpu.qp->qp_num)) != 0 ||
        (rc = make_send(e->gpu.qp, &self, &self)) != 0) {
        errno = rc;
        return wm_fail_errno(err, "ibv_modify_qp", "connect %s with itself for the read that flushes", e->port.name);
    }
    return WM_OK;
}

static void list_numbers(const struct wm_verbs_ep *e, uint32_t *mine)
{
    for (int rank = 0; rank < e->ep.world->size; rank++)
        for (int i = 0; i < e->conf.qps && e->peer[rank].qp != NULL; i++)
            mine[rank * e->conf.qps + i] = e->peer[rank].qp[i].qp->qp_num;
}

int wm_verbs_connect(struct wm_verbs_ep *e, struct wm_err *err)
{
    const struct wm_world *world = e->ep.world;
    const size_t ranks = (size_t)world->size, row = ranks * (size_t)e->conf.qps;
    struct card mine = my_card(e), *cards = calloc(ranks, sizeof(*cards));
    uint32_t *numbers = calloc(row, sizeof(*numbers)), *all = calloc(ranks * row, sizeof(*all));

    if (cards == NULL || numbers == NULL || all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "the addresses of %zu ranks", ranks);
    else
        list_numbers(e, numbers);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), cards, err) == WM_OK &&
        wm_world_allgather(world, numbers, row * sizeof(*numbers), all, err) == WM_OK)
        for (int rank = 0; rank < world->size && err->code == WM_OK; rank++)
            if (e->peer[rank].qp != NULL)
                connect_peer(e, rank, &mine, &cards[rank],
                             &all[(size_t)rank * row + (size_t)(world->rank * e->conf.qps)], err);
    free(cards);
    free(numbers);
    free(all);
    return wm_world_agree(world, WM_SPIN, err); /* nobody sends before all can receive */
}
