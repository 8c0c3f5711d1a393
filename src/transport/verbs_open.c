/** Opening and closing the verbs transport: what the ranks need is summed, then queues; verbs_connect.c connects. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/transport/verbs_ep.h"

enum { HINT = 160, SPARE = 64 };

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
    need.bytes = eager_bytes(need.receives) + n * control * sizeof(struct wm_verbs_advert) + SPARE;
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
    e->spare = e->buffers + need->bytes - SPARE;
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
    if (err->code == WM_OK && conf->device)
        wm_verbs_gdr_open(e);
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
    if (e->gpu.qp != NULL)
        ibv_destroy_qp(e->gpu.qp);
    if (e->gpu.cq != NULL)
        ibv_destroy_cq(e->gpu.cq);
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
    e->gpu.refused = (struct wm_err){ .rank = -1 };
    wm_fail(&e->gpu.refused, WM_EUNSUP, "", 0, "it was not opened for memory of a GPU");
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
        rc = wm_verbs_connect(e, err);
    free(peers);
    if (rc == WM_OK)
        *out = &e->ep;
    else if (e != NULL)
        free_endpoint(e);
    return rc;
}
