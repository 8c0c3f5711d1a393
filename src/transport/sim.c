/**
 * A network with settable faults: data really move, through the mpi transport, but a wire of this file's own decides
 * when. A message leaves when the simulated wire has delivered it: it waits for the wire to be free, takes bytes / rate
 * on it and arrives a delay later. Nothing here is a measurement of anything: cells are marked simulated.
 */
#include <sched.h>
#include <stdlib.h>

#include "src/core/clock.h"
#include "src/core/random.h"
#include "src/transport/transport.h"

#define STALL_NS      200000000u
#define REORDER_POLLS 16 /* what is held back in random order waits for fewer polls than that */

enum fault { FAULT_NONE, FAULT_FLIP, FAULT_DROP, FAULT_STALL, FAULT_ERROR };
static const char *const fault_names[] = { "none", "flip", "drop", "stall", "error", NULL };

struct sim_conf {
    uint64_t delay_ns, rate, native_delay_ns;
    bool reorder;
    int64_t fault, fault_at, fault_rank;
};

static const struct wm_option sim_options[] = {
    { .name = "sim-delay",
      .arg = "TIME",
      .help = "time that a message of transport sim is under way, beside its time on the wire",
      .type = WM_OPT_TIME_NS,
      .offset = offsetof(struct sim_conf, delay_ns),
      .max = 60e9 },
    { .name = "sim-rate",
      .arg = "SIZE",
      .help = "bytes a second that the wire of a rank of transport sim carries; 0 is no limit",
      .type = WM_OPT_BYTES,
      .offset = offsetof(struct sim_conf, rate),
      .max = 0x1p60 },
    { .name = "sim-native-delay",
      .arg = "TIME",
      .help = "further time that each of the library's own collectives takes on transport sim",
      .type = WM_OPT_TIME_NS,
      .offset = offsetof(struct sim_conf, native_delay_ns),
      .max = 60e9 },
    { .name = "sim-reorder",
      .help = "let transport sim deliver messages between different ranks, and report completions, in random order",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct sim_conf, reorder) },
    { .name = "sim-fault",
      .arg = "FAULT",
      .help = "fault of transport sim: flip a received byte, drop a sent message, stall or fail an operation",
      .fallback = "none",
      .type = WM_OPT_CHOICE,
      .offset = offsetof(struct sim_conf, fault),
      .names = fault_names },
    { .name = "sim-fault-at",
      .arg = "N",
      .help = "the fault hits the Nth message that it can hit, counted by rank and endpoint; 0 is every one",
      .fallback = "1",
      .type = WM_OPT_INT,
      .offset = offsetof(struct sim_conf, fault_at),
      .max = 1e15 },
    { .name = "sim-fault-rank",
      .arg = "RANK",
      .help = "the rank that has the fault",
      .fallback = "0",
      .type = WM_OPT_INT,
      .offset = offsetof(struct sim_conf, fault_rank),
      .max = 1e9 },
    { .name = NULL },
};

enum state { IDLE, HELD, POSTED, ARRIVED };

typedef int post_fn(struct wm_ep *inner, unsigned slot, const struct wm_msg *msg);

struct sim_slot {
    enum state state;
    post_fn *post;
    struct wm_msg msg;
    uint64_t due_ns, due_poll;     /* HELD: not posted before */
    uint64_t ready_ns, ready_poll; /* ARRIVED: not reported before */
    bool dropped, flipped, stalled;
};

struct sim_ep {
    struct wm_ep ep;
    struct wm_ops ops;
    struct wm_ep *inner;
    struct sim_conf conf;
    struct wm_random random;
    struct sim_slot *slot;
    unsigned *held; /* slots whose messages wait for the wire, oldest first */
    unsigned n_held;
    uint64_t wire_free_ns, polls, hits;
};

struct sim_coll {
    void *inner;
    uint64_t bytes;
    bool arrives; /* this rank finds something new at the begin of OUT */
};

static const struct wm_transport *const carrier = &wm_transport_mpi;

static struct sim_ep *sim_of(struct wm_ep *ep)
{
    return (struct sim_ep *)ep;
}

/* Hands on what the carrier said; its story becomes ours. */
static int pass(struct sim_ep *e, int rc)
{
    if (rc != WM_OK && rc != WM_EAGAIN && e->ep.err.code == WM_OK)
        e->ep.err = e->inner->err;
    return rc;
}

/* Is this the message that the fault hits? Counts those that it could hit. */
static bool hit(struct sim_ep *e, enum fault fault)
{
    if (e->conf.fault != (int64_t)fault || e->conf.fault_rank != e->ep.world->rank)
        return false;
    e->hits++;
    return e->conf.fault_at == 0 || e->hits == (uint64_t)e->conf.fault_at;
}

static int fail_as_asked(struct sim_ep *e)
{
    return wm_fail(&e->ep.err, WM_ESYS, "", 0, "operation %llu of rank %d failed, as --sim-fault error asks",
                   (unsigned long long)e->hits, e->ep.world->rank);
}

static uint64_t wire_ns(const struct sim_ep *e, uint64_t bytes)
{
    return e->conf.rate == 0 ? 0 : (uint64_t)((double)bytes * 1e9 / (double)e->conf.rate);
}

static uint64_t some_polls(struct sim_ep *e)
{
    return e->conf.reorder ? wm_random_below(&e->random, REORDER_POLLS) : 0;
}

static void flip(void *ptr, size_t bytes)
{
    ((unsigned char *)ptr)[bytes / 2] ^= 1;
}

/* ---- The wire ---- */

static int release(struct sim_ep *e, unsigned slot)
{
    struct sim_slot *s = &e->slot[slot];

    s->state = s->dropped ? ARRIVED : POSTED;
    return s->dropped ? WM_OK : pass(e, s->post(e->inner, slot, &s->msg));
}

/* Messages to one rank never pass each other. */
static bool blocked(const struct sim_ep *e, unsigned k)
{
    for (unsigned i = 0; i < k; i++)
        if (e->slot[e->held[i]].msg.peer == e->slot[e->held[k]].msg.peer)
            return true;
    return false;
}

/* Posts what the wire has delivered. */
static int progress(struct sim_ep *e, uint64_t now_ns)
{
    int rc = WM_OK;

    e->polls++;
    for (unsigned k = 0; k < e->n_held && rc == WM_OK;) {
        unsigned slot = e->held[k];
        const struct sim_slot *s = &e->slot[slot];
        if (s->due_ns > now_ns)
            return WM_OK;
        if (s->due_poll > e->polls || blocked(e, k)) {
            k++;
            continue;
        }
        e->n_held--;
        for (unsigned i = k; i < e->n_held; i++)
            e->held[i] = e->held[i + 1];
        rc = release(e, slot);
    }
    return rc;
}

static int hold(struct sim_ep *e, unsigned slot, uint64_t bytes)
{
    struct sim_slot *s = &e->slot[slot];
    uint64_t now_ns = wm_now_ns(), start_ns = now_ns > e->wire_free_ns ? now_ns : e->wire_free_ns;

    e->wire_free_ns = start_ns + wire_ns(e, bytes);
    s->due_ns = e->wire_free_ns + e->conf.delay_ns;
    s->due_poll = e->polls + some_polls(e);
    s->state = HELD;
    e->held[e->n_held++] = slot;
    return progress(e, now_ns);
}

static struct sim_slot *begin(struct sim_ep *e, unsigned slot, const struct wm_msg *msg)
{
    struct sim_slot *s = &e->slot[slot];
    *s = (struct sim_slot){ .msg = *msg, .stalled = hit(e, FAULT_STALL) };
    return s;
}

/* What leaves this rank, and may be lost on its way. */
static int push(struct sim_ep *e, unsigned slot, const struct wm_msg *msg, post_fn *post)
{
    struct sim_slot *s = begin(e, slot, msg);

    s->post = post;
    s->dropped = hit(e, FAULT_DROP);
    return hit(e, FAULT_ERROR) ? fail_as_asked(e) : hold(e, slot, msg->bytes);
}

static int sim_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return push(sim_of(ep), slot, msg, sim_of(ep)->inner->ops->post_send);
}

static int sim_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return push(sim_of(ep), slot, msg, sim_of(ep)->inner->ops->put);
}

static int sim_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct sim_ep *e = sim_of(ep);
    struct sim_slot *s = begin(e, slot, msg);

    s->post = e->inner->ops->get;
    s->flipped = msg->bytes > 0 && hit(e, FAULT_FLIP);
    return hit(e, FAULT_ERROR) ? fail_as_asked(e) : hold(e, slot, msg->bytes);
}

static int sim_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct sim_ep *e = sim_of(ep);
    struct sim_slot *s = begin(e, slot, msg);

    s->flipped = msg->bytes > 0 && hit(e, FAULT_FLIP);
    if (hit(e, FAULT_ERROR))
        return fail_as_asked(e);
    s->state = POSTED;
    return pass(e, e->inner->ops->post_recv(e->inner, slot, &s->msg));
}

static int sim_test(struct wm_ep *ep, unsigned slot)
{
    struct sim_ep *e = sim_of(ep);
    struct sim_slot *s = &e->slot[slot];
    uint64_t now_ns = wm_now_ns();
    int rc = progress(e, now_ns);

    if (rc == WM_OK && s->state == POSTED) {
        rc = pass(e, e->inner->ops->test(e->inner, slot));
        if (rc == WM_OK) {
            s->state = ARRIVED;
            s->ready_ns = s->stalled ? now_ns + STALL_NS : 0;
            s->ready_poll = e->polls + some_polls(e);
            if (s->flipped)
                flip(s->msg.ptr, s->msg.bytes);
        }
    }
    if (rc != WM_OK)
        return rc;
    if (s->state == HELD || (s->state == ARRIVED && (now_ns < s->ready_ns || e->polls < s->ready_poll)))
        return WM_EAGAIN;
    s->state = IDLE;
    return WM_OK;
}

/* ---- Collectives ---- */

static int pause_until(struct sim_ep *e, uint64_t due_ns)
{
    for (uint64_t now_ns; (now_ns = wm_now_ns()) < due_ns;) {
        int rc = progress(e, now_ns);
        if (rc != WM_OK)
            return rc;
        if (atomic_load_explicit(e->ep.expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        if (e->ep.crowded)
            sched_yield();
    }
    return WM_OK;
}

static int sim_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    struct sim_ep *e = sim_of(ep);
    const struct sim_coll *c = handle;

    if (hit(e, FAULT_ERROR))
        return fail_as_asked(e);
    int rc = pause_until(e, wm_now_ns() + wire_ns(e, c->bytes) + e->conf.delay_ns + e->conf.native_delay_ns);
    if (rc == WM_OK)
        rc = pass(e, e->inner->ops->coll(e->inner, slot, c->inner, area));
    if (rc == WM_OK && c->arrives && hit(e, FAULT_FLIP))
        flip(area[WM_OUT], 1);
    if (rc == WM_OK && hit(e, FAULT_STALL))
        rc = pause_until(e, wm_now_ns() + STALL_NS);
    return rc;
}

/* Bytes of the larger buffer of this rank. */
static uint64_t coll_bytes(const struct wm_coll *coll, enum wm_dtype type, int ranks)
{
    uint64_t elements = coll->count;

    if (coll->kind == WM_COLL_BARRIER)
        return 0;
    if (coll->kind == WM_COLL_ALLTOALL || coll->kind == WM_COLL_ALLGATHER || coll->kind == WM_COLL_GATHER ||
        coll->kind == WM_COLL_SCATTER || coll->kind == WM_COLL_REDUCE_SCATTER)
        elements *= (uint64_t)ranks;
    if (coll->kind == WM_COLL_ALLTOALLV) {
        elements = 0;
        for (int r = 0; r < ranks; r++)
            elements += coll->send_counts[r];
    }
    return elements * wm_dtype_bytes(type);
}

static bool coll_arrives(const struct wm_coll *coll, int rank)
{
    switch (coll->kind) {
    case WM_COLL_BARRIER:
        return false;
    case WM_COLL_REDUCE:
    case WM_COLL_GATHER:
        return rank == coll->root;
    case WM_COLL_BROADCAST:
        return rank != coll->root;
    case WM_COLL_SCATTER:
        return rank != coll->root || !coll->in_place;
    default:
        return true;
    }
}

static void sim_unbind_coll(struct wm_ep *ep, void *handle)
{
    struct sim_coll *c = handle;

    if (c != NULL && c->inner != NULL)
        carrier->unbind_coll(sim_of(ep)->inner, c->inner);
    free(c);
}

static int sim_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op,
                         void **handle, struct wm_err *err)
{
    struct sim_coll *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return wm_fail_errno(err, "calloc", "collective of transport sim");
    c->bytes = coll_bytes(coll, type, ep->world->size);
    c->arrives = c->bytes > 0 && coll_arrives(coll, ep->world->rank);
    int rc = carrier->bind_coll(sim_of(ep)->inner, coll, type, op, &c->inner, err);
    if (rc != WM_OK) {
        sim_unbind_coll(ep, c);
        return rc;
    }
    *handle = c;
    return WM_OK;
}

/* ---- What the carrier does ---- */

static int sim_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    return carrier->reg(sim_of(ep)->inner, buf, shared, out, err);
}

static int sim_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES],
                   struct wm_err *err)
{
    return carrier->key(sim_of(ep)->inner, region, key, err);
}

static int sim_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                      struct wm_err *err)
{
    return carrier->import(sim_of(ep)->inner, peer, key, out, err);
}

static void sim_unreg(struct wm_ep *ep, struct wm_region *region)
{
    carrier->unreg(sim_of(ep)->inner, region);
}

static int sim_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    return carrier->bind_msg(sim_of(ep)->inner, msg, err);
}

static void sim_unbind_msg(struct wm_ep *ep, struct wm_msg *msg)
{
    carrier->unbind_msg(sim_of(ep)->inner, msg);
}

static const char *sim_version(char *text, size_t bytes)
{
    char inner[96];
    snprintf(text, bytes, "over %s", carrier->version(inner, sizeof(inner)));
    return text;
}

static int sim_probe(const void *own, struct wm_err *err)
{
    (void)own;
    return carrier->probe(NULL, err);
}

static int sim_check(const void *own, int ranks, struct wm_err *err)
{
    const struct sim_conf *conf = own;
    if (conf->fault_rank < ranks)
        return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0, "--sim-fault-rank %lld: there are %d ranks, 0 to %d",
                   (long long)conf->fault_rank, ranks, ranks - 1);
}

/* ---- Opening and closing ---- */

static const struct wm_ops sim_ops = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = sim_post_send,
    .post_recv = sim_post_recv,
    .put = sim_put,
    .get = sim_get,
    .test = sim_test,
    .wait = wm_wait_by_test,
    .coll = sim_coll,
};

static void sim_free(struct sim_ep *e)
{
    free(e->slot);
    free(e->held);
    free(e);
}

static void sim_close(struct wm_ep *ep)
{
    if (ep == NULL)
        return;
    carrier->close(sim_of(ep)->inner);
    sim_free(sim_of(ep));
}

static void sim_abandon(struct wm_ep *ep)
{
    if (ep == NULL)
        return;
    carrier->abandon(sim_of(ep)->inner);
    sim_free(sim_of(ep));
}

static int sim_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct sim_ep *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return wm_fail_errno(err, "calloc", "sim endpoint");
    e->slot = calloc(conf->slots, sizeof(*e->slot));
    e->held = calloc(conf->slots, sizeof(*e->held));
    if (e->slot == NULL || e->held == NULL) {
        sim_free(e);
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "sim endpoint of %u slots", conf->slots);
    }
    struct wm_ep_conf inner = *conf;
    inner.own = NULL;
    if (carrier->open(&inner, &e->inner, err) != WM_OK) {
        sim_free(e);
        return err->code;
    }
    e->ops = sim_ops;
    if (conf->world->crowded)
        e->ops.wait = wm_wait_by_test_yield;
    e->ep = (struct wm_ep){ .ops = &e->ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .coll_blocks = true,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    if (conf->own != NULL)
        e->conf = *(const struct sim_conf *)conf->own;
    e->random.state = (uint64_t)conf->world->rank;
    *out = &e->ep;
    return WM_OK;
}

const struct wm_transport wm_transport_sim = {
    .name = "sim",
    .summary = "the mpi transport behind a simulated wire: settable delay, rate, order and faults",
    .options = sim_options,
    .conf_bytes = sizeof(struct sim_conf),
    .ops = &sim_ops,
    .simulated = true,
    .probe = sim_probe,
    .check = sim_check,
    .open = sim_open,
    .reg = sim_reg,
    .key = sim_key,
    .import = sim_import,
    .unreg = sim_unreg,
    .bind_msg = sim_bind_msg,
    .unbind_msg = sim_unbind_msg,
    .bind_coll = sim_bind_coll,
    .unbind_coll = sim_unbind_coll,
    .version = sim_version,
    .close = sim_close,
    .abandon = sim_abandon,
};
