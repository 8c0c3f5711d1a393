/** Opening and closing the verbs transport: what the ranks need is summed, then queues, then connections. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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
    HINT = 160,
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

/* ---- What is needed ---- */

struct need {
    int peers;
    uint64_t receives, completions, queue_pairs, bytes;
    uint64_t host_queue_pairs; /* of all ranks of this host that share the card */
    int host_ranks;
};

static size_t eager_bytes(uint64_t receives)
{
    return (size_t)receives * WM_VERBS_EAGER_BYTES;
}

static struct need sum_up(const struct wm_verbs_conf *conf, int peers, unsigned slots)
{
    const uint64_t n = (uint64_t)peers, control = WM_VERBS_CONTROL;
    struct need need = { .peers = peers };

    need.receives = n * (WM_VERBS_CREDITS + WM_VERBS_ADVERTS + WM_VERBS_RETURNS) + slots;
    need.queue_pairs = n * (uint64_t)conf->qps;
    need.completions = need.receives + n * ((uint64_t)(conf->qps * conf->tx_depth) + control);
    need.bytes = eager_bytes(need.receives) + n * control * sizeof(struct wm_verbs_advert);
    return need;
}

static bool may_lock_all(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective >> CAP_IPC_LOCK & 1);
}

static int check_lock(const struct need *need, struct wm_err *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need->bytes ||
        may_lock_all())
        return WM_OK;
    return wm_fail(
        err, WM_EABSENT, "", 0,
        "transport verbs has to lock %llu bytes for %d peers and then the buffers, and this process may lock "
        "%llu: raise the limit of locked memory (ulimit -l unlimited)",
        (unsigned long long)need->bytes, need->peers, (unsigned long long)limit.rlim_cur);
}

/* What to add where a call that locks memory failed, its errno being as it left it: "" where that was not why. */
static const char *lock_hint(char *text, size_t bytes)
{
    const int code = errno;
    struct rlimit limit;

    text[0] = '\0';
    if (code == ENOMEM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && !may_lock_all())
        snprintf(text, bytes,
                 "; this process may lock %llu bytes in all: raise the limit of locked memory (ulimit -l unlimited)",
                 (unsigned long long)limit.rlim_cur);
    errno = code;
    return text;
}

int wm_verbs_fail_lock(struct wm_err *err, const char *call, size_t bytes, const char *what)
{
    char hint[HINT];
    lock_hint(hint, sizeof(hint));
    return wm_fail_errno(err, call, "register %zu bytes of %s%s", bytes, what, hint);
}

/* ---- What the card has ---- */

/* What a rank takes of a card that it shares with others of its host. */
struct share {
    char name[48];
    uint64_t queue_pairs;
};

static bool same_card(const char *a, const char *b) /* "mlx5_0:1" and "mlx5_0:2" are one */
{
    return strcspn(a, ":") == strcspn(b, ":") && strncmp(a, b, strcspn(a, ":")) == 0;
}

/* Collective: queue pairs of all ranks of this host on this rank's card. */
static int sum_host(const struct wm_verbs_ep *e, struct need *need, struct wm_err *err)
{
    const struct wm_world *world = e->ep.world;
    struct share mine = { .queue_pairs = need->queue_pairs }, *all = calloc((size_t)world->size, sizeof(*all));

    memcpy(mine.name, e->port.name, sizeof(mine.name));
    if (all == NULL)
        wm_fail_errno(err, "calloc", "needs of %d ranks", world->size);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), all, err) == WM_OK)
        for (int rank = 0; rank < world->size; rank++)
            if (world->places[rank].host_index == world->places[world->rank].host_index &&
                same_card(all[rank].name, mine.name)) {
                need->host_queue_pairs += all[rank].queue_pairs;
                need->host_ranks++;
            }
    free(all);
    return err->code;
}

/* What others than this run hold is not known. */
static int check_device(const struct wm_verbs_ep *e, const struct need *need, struct wm_err *err)
{
    const struct ibv_device_attr *d = &e->port.device;
    const struct {
        uint64_t need, have;
        const char *what, *mend;
    } limits[] = {
        { need->host_queue_pairs, (uint64_t)d->max_qp, "queue pairs (max_qp)",
          "lower --qps or the number of ranks a host" },
        { need->completions, (uint64_t)d->max_cqe, "entries in a completion queue (max_cqe)",
          "lower --tx-depth, --qps or the number of ranks" },
        { need->receives, (uint64_t)d->max_srq_wr, "entries in a shared receive queue (max_srq_wr)",
          "lower the number of ranks" },
        { (uint64_t)e->conf.tx_depth + WM_VERBS_CONTROL, (uint64_t)d->max_qp_wr, "entries in a send queue (max_qp_wr)",
          "lower --tx-depth" },
        { need->bytes, d->max_mr_size, "bytes in one memory region (max_mr_size)", "lower the number of ranks" },
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        if (limits[i].need > limits[i].have)
            return wm_fail(err, WM_EABSENT, "", 0, "%d peers%s need %llu %s, and %s has %llu: %s", need->peers,
                           i == 0 && need->host_ranks > 1 ? ", for all ranks of this host," : "",
                           (unsigned long long)limits[i].need, limits[i].what, e->port.name,
                           (unsigned long long)limits[i].have, limits[i].mend);
    return check_lock(need, err);
}

/* ---- Queues ---- */

static int allocate(struct wm_verbs_ep *e, const struct need *need, struct wm_err *err)
{
    const size_t page = 4096, ranks = (size_t)e->ep.world->size;

    e->receives = (unsigned)need->receives;
    for (e->names = 16; e->names < 4 * need->queue_pairs;)
        e->names *= 2;
    e->slot = calloc(e->ep.slots, sizeof(*e->slot));
    e->name = calloc(e->names, sizeof(*e->name));
    e->buffers = aligned_alloc(page, (need->bytes + page - 1) / page * page);
    if (e->slot == NULL || e->name == NULL || e->buffers == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "verbs endpoint of %zu ranks", ranks);
    memset(e->buffers, 0, need->bytes);
    for (uint32_t i = 0; i < e->names; i++)
        e->name[i].peer = -1;
    return WM_OK;
}

static int open_queues(struct wm_verbs_ep *e, const struct need *need, struct wm_err *err)
{
    struct ibv_srq_init_attr srq = { .attr = { .max_wr = e->receives, .max_sge = 1 } };
    char hint[HINT];

    e->pd = ibv_alloc_pd(e->port.context);
    if (e->pd == NULL)
        return wm_fail_errno(err, "ibv_alloc_pd", "protection domain on %s", e->port.name);
    e->cq = ibv_create_cq(e->port.context, (int)need->completions, NULL, NULL, 0);
    if (e->cq == NULL)
        return wm_fail_errno(err, "ibv_create_cq", "completion queue of %llu entries on %s%s",
                             (unsigned long long)need->completions, e->port.name, lock_hint(hint, sizeof(hint)));
    e->srq = ibv_create_srq(e->pd, &srq);
    if (e->srq == NULL)
        return wm_fail_errno(err, "ibv_create_srq", "shared receive queue of %u entries on %s%s", e->receives,
                             e->port.name, lock_hint(hint, sizeof(hint)));
    e->mr = ibv_reg_mr(e->pd, e->buffers, need->bytes, IBV_ACCESS_LOCAL_WRITE);
    if (e->mr == NULL)
        return wm_verbs_fail_lock(err, "ibv_reg_mr", need->bytes, "the receive queue");
    for (unsigned i = 0; i < e->receives; i++)
        if (wm_verbs_give(e, i) != WM_OK) {
            *err = e->ep.err;
            return err->code;
        }
    return WM_OK;
}

/* How much goes inline is found by asking for less and less: devices refuse what is too much. */
static struct ibv_qp *create_qp(struct wm_verbs_ep *e, unsigned depth)
{
    static const uint32_t inlines[] = { 512, 256, 128, 64, 32, 0 };
    struct ibv_qp *qp = NULL;

    for (size_t i = 0; qp == NULL && i < sizeof(inlines) / sizeof(*inlines); i++) {
        if (e->max_inline < inlines[i])
            continue;
        struct ibv_qp_init_attr init = {
            .send_cq = e->cq,
            .recv_cq = e->cq,
            .srq = e->srq,
            .cap = { .max_send_wr = depth, .max_send_sge = 1, .max_inline_data = inlines[i] },
            .qp_type = IBV_QPT_RC,
        };
        qp = ibv_create_qp(e->pd, &init);
        if (qp != NULL)
            e->max_inline = inlines[i];
    }
    return qp;
}

static void reset_fifos(struct wm_verbs_peer *p)
{
    struct wm_verbs_fifo *const fifo[] = { &p->eager_sends, &p->large_sends, &p->eager_receives, &p->large_receives,
                                           &p->one_sided };
    for (size_t i = 0; i < sizeof(fifo) / sizeof(*fifo); i++)
        *fifo[i] = (struct wm_verbs_fifo){ 0 };
}

static int open_peer(struct wm_verbs_ep *e, int rank, int nth, struct wm_err *err)
{
    struct wm_verbs_peer *p = &e->peer[rank];
    unsigned char *control = e->buffers + eager_bytes(e->receives);
    const unsigned depth = (unsigned)e->conf.tx_depth;
    char hint[HINT];

    p->qp = calloc((size_t)e->conf.qps, sizeof(*p->qp));
    if (p->qp == NULL)
        return wm_fail_errno(err, "calloc", "queue pairs to rank %d", rank);
    p->credits = WM_VERBS_CREDITS;
    p->control_room = WM_VERBS_CONTROL;
    p->control = (struct wm_verbs_advert *)control + nth * WM_VERBS_CONTROL;
    reset_fifos(p);
    for (int i = 0; i < e->conf.qps; i++) {
        p->qp[i].room = depth;
        p->qp[i].qp = create_qp(e, depth + WM_VERBS_CONTROL);
        if (p->qp[i].qp == NULL)
            return wm_fail_errno(err, "ibv_create_qp", "queue pair %d of %d to rank %d, %u entries, on %s%s", i + 1,
                                 (int)e->conf.qps, rank, depth + WM_VERBS_CONTROL, e->port.name,
                                 lock_hint(hint, sizeof(hint)));
        e->name[wm_verbs_name_at(e, p->qp[i].qp->qp_num)] = (struct wm_verbs_name){ p->qp[i].qp->qp_num, rank };
    }
    return WM_OK;
}

/* ---- Connecting ---- */

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

static void list_numbers(const struct wm_verbs_ep *e, uint32_t *mine)
{
    for (int rank = 0; rank < e->ep.world->size; rank++)
        for (int i = 0; i < e->conf.qps && e->peer[rank].qp != NULL; i++)
            mine[rank * e->conf.qps + i] = e->peer[rank].qp[i].qp->qp_num;
}

/* Collective: all ranks tell what they are and the numbers of their queue pairs, and connect. */
static int connect_all(struct wm_verbs_ep *e, struct wm_err *err)
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

/* ---- Opening ---- */

/* Collective: both sides of a connection have to know of it, also where only one of them named the other. */
static int find_peers(const struct wm_ep_conf *conf, bool **out, struct wm_err *err)
{
    const struct wm_world *world = conf->world;
    const size_t ranks = (size_t)world->size;
    bool *mine = calloc(ranks, sizeof(*mine)), *all = calloc(ranks * ranks, sizeof(*all));

    if (mine == NULL || all == NULL)
        wm_fail_errno(err, "calloc", "peers of %zu ranks", ranks);
    for (size_t i = 0; mine != NULL && i < ranks; i++)
        mine[i] = conf->peers == NULL || conf->peers[i];
    int rc = wm_world_agree(world, WM_SPIN, err);
    if (rc == WM_OK)
        rc = wm_world_allgather(world, mine, ranks * sizeof(*mine), all, err);
    for (size_t i = 0; rc == WM_OK && i < ranks; i++)
        mine[i] = mine[i] || all[i * ranks + (size_t)world->rank];
    free(all);
    if (rc == WM_OK)
        *out = mine;
    else
        free(mine);
    return rc;
}

static int count(const bool *peers, int ranks)
{
    int n = 0;
    for (int i = 0; i < ranks; i++)
        n += peers[i];
    return n;
}

static int check_conf(const struct wm_verbs_ep *e, struct wm_err *err)
{
    if (e->conf.mtu > (int64_t)e->port.port.active_mtu)
        return wm_fail(err, WM_EABSENT, "", 0, "--mtu %d: %s carries packets of %d bytes at most", 128 << e->conf.mtu,
                       e->port.name, 128 << e->port.port.active_mtu);
    if (e->ep.slots >= 1u << 20)
        return wm_fail(err, WM_EUNSUP, "", 0, "transport verbs has at most %u posts open at once, not %u",
                       (1u << 20) - 1, e->ep.slots);
    return WM_OK;
}

/* Collective up to what all ranks of a host take of their card. */
static int open_local(struct wm_verbs_ep *e, const struct wm_ep_conf *conf, const bool *peers, struct wm_err *err)
{
    const struct wm_world *world = conf->world;
    const struct wm_place *place = &world->places[world->rank];
    const struct wm_verbs_want want = { .fabric = conf->fabric,
                                        .nic = conf->nic,
                                        .nic_port = e->conf.nic_port,
                                        .gid_index = e->conf.gid_index,
                                        .cpus = &place->cpu_set,
                                        .turn = place->local_rank };
    struct need need = sum_up(&e->conf, count(peers, world->size), e->ep.slots);

    if (wm_verbs_port_open(&want, &e->port, err) == WM_OK)
        check_conf(e, err);
    if (e->port.software) /* who spins takes the time of those who move the bytes */
        e->ep.ops = &wm_verbs_ops_crowded;
    if (sum_host(e, &need, err) != WM_OK || check_device(e, &need, err) != WM_OK || allocate(e, &need, err) != WM_OK ||
        open_queues(e, &need, err) != WM_OK)
        return err->code;
    for (int rank = 0, nth = 0; rank < world->size && err->code == WM_OK; rank++)
        if (peers[rank])
            open_peer(e, rank, nth++, err);
    return err->code;
}

/* The connections first: then nothing writes into memory any more. */
static void free_endpoint(struct wm_verbs_ep *e)
{
    for (int rank = 0; e->peer != NULL && rank < e->ep.world->size; rank++) {
        struct wm_verbs_qp *qp = e->peer[rank].qp;
        for (int i = 0; qp != NULL && i < e->conf.qps; i++)
            if (qp[i].qp != NULL)
                ibv_destroy_qp(qp[i].qp);
        free(qp);
    }
    for (struct wm_region *next, *r = e->regions; r != NULL; r = next) {
        next = r->next;
        if (r->mr != NULL)
            ibv_dereg_mr(r->mr);
        free(r);
    }
    if (e->srq != NULL)
        ibv_destroy_srq(e->srq);
    if (e->cq != NULL)
        ibv_destroy_cq(e->cq);
    if (e->mr != NULL)
        ibv_dereg_mr(e->mr);
    if (e->pd != NULL)
        ibv_dealloc_pd(e->pd);
    wm_verbs_port_close(&e->port);
    free(e->buffers);
    free(e->peer);
    free(e->slot);
    free(e->name);
    free(e);
}

void wm_verbs_abandon(struct wm_ep *ep)
{
    if (ep != NULL)
        free_endpoint((struct wm_verbs_ep *)ep);
}

/* A receiver knows of a message before its acknowledgement has left: it may not go before the sender has that. */
void wm_verbs_close(struct wm_ep *ep)
{
    struct wm_err ignored = { .rank = -1 };

    if (ep == NULL)
        return;
    wm_world_barrier(ep->world, WM_SPIN, &ignored);
    free_endpoint((struct wm_verbs_ep *)ep);
}

static struct wm_verbs_ep *new_endpoint(const struct wm_ep_conf *conf, struct wm_err *err)
{
    struct wm_verbs_ep *e = calloc(1, sizeof(*e));

    if (e != NULL)
        e->peer = calloc((size_t)conf->world->size, sizeof(*e->peer));
    if (e == NULL || e->peer == NULL) {
        wm_fail_errno(err, "calloc", "verbs endpoint of %d ranks", conf->world->size);
        free(e);
        return NULL;
    }
    e->conf = *(const struct wm_verbs_conf *)conf->own;
    e->max_inline = UINT32_MAX;
    e->most_quiet = e->conf.tx_depth >= 2 * WM_VERBS_QUIET ? WM_VERBS_QUIET : 1; /* those left leave room */
    e->ep = (struct wm_ep){ .ops = conf->world->crowded ? &wm_verbs_ops_crowded : &wm_verbs_ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    return e;
}

int wm_verbs_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct wm_verbs_ep *e = new_endpoint(conf, err);
    bool *peers = NULL;
    int rc = find_peers(conf, &peers, err); /* fails on all ranks where one has no endpoint */

    if (rc == WM_OK) {
        open_local(e, conf, peers, err);
        rc = wm_world_agree(conf->world, WM_SPIN, err);
    }
    if (rc == WM_OK)
        rc = connect_all(e, err);
    free(peers);
    if (rc == WM_OK)
        *out = &e->ep;
    else if (e != NULL)
        free_endpoint(e);
    return rc;
}
