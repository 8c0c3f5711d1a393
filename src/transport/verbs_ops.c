/** The hot path of the verbs transport. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/transport/verbs_ep.h"

enum { POLLED = 16 };

/* The 32 bits beside a message: its kind, credits that come back with it, and the slot that it is for. */
enum kind { EAGER, ADVERT, RETURN, LARGE };
#define KIND_SHIFT   30
#define CREDIT_SHIFT 20
#define CREDIT_MASK  0x3ffu
#define SLOT_MASK    0xfffffu

/* Whose a completion is: the upper half of wr_id; the lower is a slot, a rank or a buffer. */
enum whose { OF_SLOT, OF_CONTROL, OF_BUFFER };

static struct wm_verbs_ep *verbs_of(struct wm_ep *ep)
{
    return (struct wm_verbs_ep *)ep;
}

static uint64_t id_of(enum whose whose, uint32_t index)
{
    return (uint64_t)whose << 32 | index;
}

/* ---- Queues of slots ---- */

static void push(struct wm_verbs_ep *e, struct wm_verbs_fifo *f, uint32_t slot)
{
    if (f->n++ == 0)
        f->first = slot;
    else
        e->slot[f->last].next = slot;
    f->last = slot;
}

static uint32_t pop(struct wm_verbs_ep *e, struct wm_verbs_fifo *f)
{
    uint32_t slot = f->first;
    f->first = e->slot[slot].next;
    f->n--;
    return slot;
}

/* ---- Posting ---- */

static int fail_post(struct wm_verbs_ep *e, const char *call, int rc, const char *what)
{
    errno = rc;
    return wm_fail_errno(&e->ep.err, call, "%s on %s", what, e->port.name);
}

int wm_verbs_give(struct wm_verbs_ep *e, uint32_t index)
{
    struct ibv_sge sge = { .addr = (uintptr_t)(e->buffers + (size_t)index * WM_VERBS_EAGER_BYTES),
                           .length = WM_VERBS_EAGER_BYTES,
                           .lkey = e->mr->lkey };
    struct ibv_recv_wr wr = { .wr_id = id_of(OF_BUFFER, index), .sg_list = &sge, .num_sge = 1 }, *bad;
    int rc = ibv_post_srq_recv(e->srq, &wr, &bad);
    return rc == 0 ? WM_OK : fail_post(e, "ibv_post_srq_recv", rc, "give a buffer to the receive queue");
}

static uint32_t immediate(struct wm_verbs_peer *p, enum kind kind, uint32_t slot)
{
    uint32_t owed = p->owed;
    p->owed = 0;
    return htonl((uint32_t)kind << KIND_SHIFT | owed << CREDIT_SHIFT | slot);
}

/* Notes a slot's work requests as under way; says whether the last of them reports its completion: the first on an idle
 * connection (latency: nothing else comes), then every n-th, and all that take more than one place. */
static bool depart(struct wm_verbs_ep *e, struct wm_verbs_qp *q, uint32_t slot)
{
    struct wm_verbs_slot *s = &e->slot[slot];
    const bool idle = q->under_way.n == 0;

    push(e, &q->under_way, slot);
    q->room -= s->pieces;
    s->nth = ++q->posted;
    q->quiet = idle ? 1 : q->quiet + 1;
    if (!idle && s->pieces == 1 && q->quiet < e->most_quiet)
        return false;
    if (!idle)
        q->quiet = 0;
    q->told = s->nth;
    return true;
}

/* One completion tells of all that went before it. */
static void arrive(struct wm_verbs_ep *e, struct wm_verbs_qp *q, uint32_t slot)
{
    for (uint32_t first = slot + 1; first != slot && q->under_way.n > 0;) {
        first = pop(e, &q->under_way);
        q->room += e->slot[first].pieces;
        e->slot[first].state = WM_VERBS_DONE;
    }
}

static int post_control(struct wm_verbs_ep *e, int rank, enum kind kind, const struct wm_verbs_advert *advert)
{
    struct wm_verbs_peer *p = &e->peer[rank];
    struct wm_verbs_advert *from = &p->control[p->control_at];
    struct ibv_sge sge = { .addr = (uintptr_t)from, .length = sizeof(*from), .lkey = e->mr->lkey };
    struct ibv_send_wr *bad, wr = { .wr_id = id_of(OF_CONTROL, (uint32_t)rank),
                                    .sg_list = &sge,
                                    .num_sge = advert != NULL,
                                    .opcode = IBV_WR_SEND_WITH_IMM,
                                    .send_flags = IBV_SEND_SIGNALED };

    if (advert != NULL)
        *from = *advert;
    if (advert == NULL || sizeof(*from) <= e->max_inline)
        wr.send_flags |= IBV_SEND_INLINE;
    wr.imm_data = immediate(p, kind, 0);
    p->control_at = (p->control_at + 1) % WM_VERBS_CONTROL;
    p->control_room--;
    int rc = ibv_post_send(p->qp[0].qp, &wr, &bad);
    return rc == 0 ? WM_OK : fail_post(e, "ibv_post_send", rc, "post a control message");
}

static int post_eager(struct wm_verbs_ep *e, uint32_t slot)
{
    struct wm_verbs_slot *s = &e->slot[slot];
    struct wm_verbs_peer *p = &e->peer[s->msg.peer];
    const struct wm_region *from = s->msg.local;
    struct ibv_sge sge = { .length = (uint32_t)s->msg.bytes };
    struct ibv_send_wr *bad, wr = {
        .wr_id = id_of(OF_SLOT, slot), .sg_list = &sge, .num_sge = s->msg.bytes > 0, .opcode = IBV_WR_SEND_WITH_IMM
    };

    if (s->msg.bytes > 0) {
        sge.addr = from->address + s->msg.local_at;
        sge.lkey = from->mr->lkey;
        if (from->cpu && s->msg.bytes <= e->max_inline)
            wr.send_flags |= IBV_SEND_INLINE;
    }
    wr.imm_data = immediate(p, EAGER, 0);
    p->credits--;
    s->qp = 0;
    s->pieces = 1;
    if (depart(e, &p->qp[0], slot))
        wr.send_flags |= IBV_SEND_SIGNALED;
    int rc = ibv_post_send(p->qp[0].qp, &wr, &bad);
    return rc == 0 ? WM_OK : fail_post(e, "ibv_post_send", rc, "post a SEND");
}

/* Where a slot's bytes go to or come from at the peer. */
struct there {
    enum ibv_wr_opcode opcode, last; /* of all pieces but the last, and of that */
    uint64_t address;
    uint32_t rkey, immediate;
    bool read_back; /* a byte, after all pieces: counts as one of them */
};

/* One byte of what was written just now: the peer's card reads it after its writes, and a read on its bus pushes them
 * before it. */
static int post_read_back(struct wm_verbs_ep *e, uint32_t slot, struct ibv_qp *qp, const struct there *t, bool tells)
{
    struct ibv_sge sge = { .addr = (uintptr_t)e->spare, .length = 1, .lkey = e->mr->lkey };
    struct ibv_send_wr *bad, wr = { .wr_id = id_of(OF_SLOT, slot),
                                    .sg_list = &sge,
                                    .num_sge = 1,
                                    .opcode = IBV_WR_RDMA_READ,
                                    .send_flags = tells ? IBV_SEND_SIGNALED : 0,
                                    .wr.rdma = { .remote_addr = t->address, .rkey = t->rkey } };
    int rc = ibv_post_send(qp, &wr, &bad);
    return rc == 0 ? WM_OK : fail_post(e, "ibv_post_send", rc, "post the READ that completes a put");
}

/* A device carries so many bytes in one message; the pieces go over one connection, so the last one ends them all. */
static int post_pieces(struct wm_verbs_ep *e, uint32_t slot, struct there t)
{
    struct wm_verbs_slot *s = &e->slot[slot];
    struct wm_verbs_qp *q = &e->peer[s->msg.peer].qp[s->qp];
    const struct wm_region *here = s->msg.local;
    const uint64_t most = e->port.port.max_msg_sz;
    const bool fits = here != NULL && here->cpu && s->msg.bytes <= e->max_inline && t.opcode != IBV_WR_RDMA_READ;
    const bool tells = depart(e, q, slot);

    for (uint64_t at = 0, left = s->pieces - t.read_back; left > 0; left--) {
        uint64_t bytes = left == 1 ? s->msg.bytes - at : most;
        struct ibv_sge sge = { .length = (uint32_t)bytes };
        struct ibv_send_wr *bad, wr = { .wr_id = id_of(OF_SLOT, slot),
                                        .sg_list = &sge,
                                        .num_sge = bytes > 0,
                                        .opcode = left == 1 ? t.last : t.opcode,
                                        .imm_data = t.immediate,
                                        .wr.rdma = { .remote_addr = t.address + at, .rkey = t.rkey } };
        if (left == 1 && tells && !t.read_back)
            wr.send_flags |= IBV_SEND_SIGNALED;
        if (fits)
            wr.send_flags |= IBV_SEND_INLINE;
        if (bytes > 0) {
            sge.addr = here->address + s->msg.local_at + at;
            sge.lkey = here->mr->lkey;
        }
        int rc = ibv_post_send(q->qp, &wr, &bad);
        if (rc != 0)
            return fail_post(e, "ibv_post_send", rc, t.opcode == IBV_WR_RDMA_READ ? "post a READ" : "post a WRITE");
        at += bytes;
    }
    return t.read_back ? post_read_back(e, slot, q->qp, &t, tells) : WM_OK;
}

/* Has the queue pair whose turn it is room for this slot? Then it is the slot's. */
static bool take_turn(struct wm_verbs_ep *e, struct wm_verbs_peer *p, uint32_t slot)
{
    if (p->qp[p->turn].room < e->slot[slot].pieces)
        return false;
    e->slot[slot].qp = p->turn;
    p->turn = p->turn + 1 == (unsigned)e->conf.qps ? 0 : p->turn + 1;
    return true;
}

static int post_large(struct wm_verbs_ep *e, struct wm_verbs_peer *p, uint32_t slot)
{
    const struct wm_verbs_advert a = p->advert[p->advert_at];
    const struct wm_msg *msg = &e->slot[slot].msg;

    p->advert_at = (p->advert_at + 1) % WM_VERBS_ADVERTS;
    p->adverts--;
    if (a.bytes != msg->bytes)
        return wm_fail(&e->ep.err, WM_EBUG, "", 0, "rank %d sends %zu bytes to rank %d, which expects %llu",
                       e->ep.world->rank, msg->bytes, msg->peer, (unsigned long long)a.bytes);
    return post_pieces(e, slot,
                       (struct there){ .opcode = IBV_WR_RDMA_WRITE,
                                       .last = IBV_WR_RDMA_WRITE_WITH_IMM,
                                       .address = a.address,
                                       .rkey = a.rkey,
                                       .immediate = htonl((uint32_t)LARGE << KIND_SHIFT | a.slot) });
}

static int post_one_sided(struct wm_verbs_ep *e, uint32_t slot)
{
    const struct wm_msg *msg = &e->slot[slot].msg;
    enum ibv_wr_opcode opcode = (enum ibv_wr_opcode)e->slot[slot].msg.native_count;
    const bool read_back = e->slot[slot].pieces > msg->native;

    return post_pieces(e, slot,
                       (struct there){ .opcode = opcode,
                                       .last = opcode,
                                       .address = msg->remote->address + msg->remote_at,
                                       .rkey = msg->remote->rkey,
                                       .read_back = read_back });
}

static int post_advert(struct wm_verbs_ep *e, int rank, uint32_t slot)
{
    const struct wm_msg *msg = &e->slot[slot].msg;
    struct wm_verbs_advert advert = {
        .address = msg->local->address + msg->local_at, .bytes = msg->bytes, .rkey = msg->local->rkey, .slot = slot
    };
    e->peer[rank].advertised++;
    return post_control(e, rank, ADVERT, &advert);
}

/* Posts to one peer whatever was held back and now may go. */
static int go_on(struct wm_verbs_ep *e, int rank)
{
    struct wm_verbs_peer *p = &e->peer[rank];
    int rc = WM_OK;

    while (rc == WM_OK && p->large_receives.n > 0 && p->advertised < WM_VERBS_ADVERTS && p->control_room > 0)
        rc = post_advert(e, rank, pop(e, &p->large_receives));
    while (rc == WM_OK && p->eager_sends.n > 0 && p->credits > 0 && p->qp[0].room > 0)
        rc = post_eager(e, pop(e, &p->eager_sends));
    while (rc == WM_OK && p->large_sends.n > 0 && p->adverts > 0 && take_turn(e, p, p->large_sends.first))
        rc = post_large(e, p, pop(e, &p->large_sends));
    while (rc == WM_OK && p->one_sided.n > 0 && take_turn(e, p, p->one_sided.first))
        rc = post_one_sided(e, pop(e, &p->one_sided));
    if (rc == WM_OK && p->owed >= WM_VERBS_CREDITS / 2 && p->control_room > 0)
        rc = post_control(e, rank, RETURN, NULL);
    return rc;
}

/* ---- Completions ---- */

static const char *what_to_look_at(enum ibv_wc_status status)
{
    switch (status) {
    case IBV_WC_RETRY_EXC_ERR:
        return "no answer: look at the peer, the link and the address (--gid-index), for RoCE at UDP port 4791 and at "
               "lost packets";
    case IBV_WC_RNR_RETRY_EXC_ERR:
        return "the peer's receive queue stayed empty: is its process stopped?";
    case IBV_WC_REM_ACCESS_ERR:
        return "the peer's device refused it: its memory is not registered any more, or not for this";
    case IBV_WC_REM_INV_REQ_ERR:
        return "the peer's device refused it: the request is longer than the receive or the reads that it takes";
    case IBV_WC_REM_OP_ERR:
        return "the peer's device refused it: it could not carry it out; look at the kernel's log there";
    case IBV_WC_LOC_PROT_ERR:
    case IBV_WC_LOC_ACCESS_ERR:
        return "this device refused its own memory: look at the kernel's log for the mapping of its buffers";
    case IBV_WC_LOC_LEN_ERR:
        return "the message is longer than its receive, or than the port carries";
    case IBV_WC_LOC_QP_OP_ERR:
    case IBV_WC_LOC_EEC_OP_ERR:
        return "this device refused the work request: is its link up? Look at the kernel's log, too";
    case IBV_WC_WR_FLUSH_ERR:
        return "the connection had failed before: look at what the peer says";
    default:
        return "look at the kernel's log of the device";
    }
}

static int fail_completion(struct wm_verbs_ep *e, const struct ibv_wc *wc)
{
    struct wm_err *err = &e->ep.err;
    const int peer = e->name[wm_verbs_name_at(e, wc->qp_num)].peer;
    const bool first = err->code == WM_OK;

    wm_fail(err, WM_ESYS, "ibv_poll_cq", (int)wc->status, "%s with rank %d on %s, vendor code 0x%x: %s", e->port.name,
            peer, peer >= 0 ? e->ep.world->places[peer].host : "?", wc->vendor_err, what_to_look_at(wc->status));
    if (first)
        snprintf(err->native_text, sizeof(err->native_text), "%s", ibv_wc_status_str(wc->status));
    return err->code;
}

/* The bytes of an eager message into its receive; the buffer goes back. */
static int deliver(struct wm_verbs_ep *e, struct wm_verbs_peer *p, uint32_t slot, uint32_t buffer, uint32_t bytes)
{
    struct wm_verbs_slot *s = &e->slot[slot];

    if (s->msg.bytes != bytes)
        return wm_fail(&e->ep.err, WM_EBUG, "", 0, "rank %d sent %u bytes to rank %d, which expects %zu", s->msg.peer,
                       bytes, e->ep.world->rank, s->msg.bytes);
    if (bytes > 0) /* NOLINTNEXTLINE: an address of this process */
        memcpy((void *)(uintptr_t)(s->msg.local->address + s->msg.local_at),
               e->buffers + (size_t)buffer * WM_VERBS_EAGER_BYTES, bytes);
    s->state = WM_VERBS_DONE;
    p->owed++;
    return wm_verbs_give(e, buffer);
}

static int take_eager(struct wm_verbs_ep *e, struct wm_verbs_peer *p, uint32_t buffer, uint32_t bytes)
{
    if (p->eager_receives.n > 0)
        return deliver(e, p, pop(e, &p->eager_receives), buffer, bytes);
    unsigned at = (p->early_at + p->n_early++) % WM_VERBS_CREDITS;
    p->early[at].buffer = buffer;
    p->early[at].bytes = bytes;
    return WM_OK;
}

static int take_message(struct wm_verbs_ep *e, const struct ibv_wc *wc)
{
    const uint32_t imm = ntohl(wc->imm_data), buffer = (uint32_t)wc->wr_id;
    const int rank = e->name[wm_verbs_name_at(e, wc->qp_num)].peer;
    struct wm_verbs_peer *p = &e->peer[rank];
    int rc = WM_OK;

    p->credits += imm >> CREDIT_SHIFT & CREDIT_MASK;
    switch (imm >> KIND_SHIFT) {
    case EAGER:
        rc = take_eager(e, p, buffer, wc->byte_len);
        return rc == WM_OK ? go_on(e, rank) : rc;
    case ADVERT:
        memcpy(&p->advert[(p->advert_at + p->adverts++) % WM_VERBS_ADVERTS],
               e->buffers + (size_t)buffer * WM_VERBS_EAGER_BYTES, sizeof(p->advert[0]));
        break;
    case LARGE:
        e->slot[imm & SLOT_MASK].state = WM_VERBS_DONE;
        p->advertised--;
        break;
    default:
        break;
    }
    rc = wm_verbs_give(e, buffer);
    return rc == WM_OK ? go_on(e, rank) : rc;
}

static int take_completion(struct wm_verbs_ep *e, const struct ibv_wc *wc)
{
    const uint32_t index = (uint32_t)wc->wr_id;

    if (wc->status != IBV_WC_SUCCESS)
        return fail_completion(e, wc);
    if (wc->wr_id >> 32 == OF_BUFFER)
        return take_message(e, wc);
    if (wc->wr_id >> 32 == OF_CONTROL) {
        e->peer[index].control_room++;
        return go_on(e, (int)index);
    }
    const int rank = e->slot[index].msg.peer;
    arrive(e, &e->peer[rank].qp[e->slot[index].qp], index);
    return go_on(e, rank);
}

static int progress(struct wm_verbs_ep *e)
{
    struct ibv_wc wc[POLLED];
    int n = ibv_poll_cq(e->cq, POLLED, wc);

    if (n < 0)
        return fail_post(e, "ibv_poll_cq", errno, "poll the completion queue");
    for (int i = 0; i < n; i++) {
        int rc = take_completion(e, &wc[i]);
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

/* ---- Operations ---- */

static struct wm_verbs_slot *begin(struct wm_verbs_ep *e, unsigned slot, const struct wm_msg *msg)
{
    struct wm_verbs_slot *s = &e->slot[slot];
    s->state = WM_VERBS_OPEN;
    s->msg = *msg;
    s->pieces = (unsigned)msg->native;
    s->nth = 0;
    return s;
}

/* What comes into the receive queue's buffers is copied from there by the CPU, which cannot reach a device's memory. */
static bool is_eager(const struct wm_msg *msg)
{
    return msg->bytes == 0 || (msg->bytes <= WM_VERBS_EAGER_BYTES && !msg->device);
}

static int verbs_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_verbs_ep *e = verbs_of(ep);
    struct wm_verbs_peer *p = &e->peer[msg->peer];

    begin(e, slot, msg);
    push(e, is_eager(msg) ? &p->eager_sends : &p->large_sends, slot);
    return go_on(e, msg->peer);
}

static int verbs_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_verbs_ep *e = verbs_of(ep);
    struct wm_verbs_peer *p = &e->peer[msg->peer];
    int rc = WM_OK;

    begin(e, slot, msg);
    if (!is_eager(msg)) {
        push(e, &p->large_receives, slot);
    } else if (p->n_early == 0) {
        push(e, &p->eager_receives, slot);
        return WM_OK;
    } else {
        rc = deliver(e, p, slot, p->early[p->early_at].buffer, p->early[p->early_at].bytes);
        p->early_at = (p->early_at + 1) % WM_VERBS_CREDITS;
        p->n_early--;
    }
    return rc == WM_OK ? go_on(e, msg->peer) : rc;
}

static int one_sided(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg, enum ibv_wr_opcode opcode)
{
    struct wm_verbs_ep *e = verbs_of(ep);

    begin(e, slot, msg)->msg.native_count = (int)opcode;
    push(e, &e->peer[msg->peer].one_sided, slot);
    return go_on(e, msg->peer);
}

/* On a reliable connection a WRITE completes when the responder has acknowledged its last packet (Shanley, InfiniBand
 * Network Architecture, chapter 18), and what the target hears from this card later comes behind the bytes: memory is
 * registered without relaxed ordering. */
static int verbs_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return one_sided(ep, slot, msg, IBV_WR_RDMA_WRITE);
}

/* One work request more than the message has pieces: a READ behind them. */
static int verbs_put_flushed(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_verbs_ep *e = verbs_of(ep);

    begin(e, slot, msg)->msg.native_count = (int)IBV_WR_RDMA_WRITE;
    e->slot[slot].pieces++;
    push(e, &e->peer[msg->peer].one_sided, slot);
    return go_on(e, msg->peer);
}

static int verbs_flush(struct wm_ep *ep, const struct wm_region *region)
{
    return verbs_of(ep)->gpu.how(ep, region);
}

static int verbs_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return one_sided(ep, slot, msg, IBV_WR_RDMA_READ);
}

/* Somebody waits for a slot that went quietly, and nothing after it will tell: an empty WRITE behind it does. */
static int prompt(struct wm_verbs_ep *e, const struct wm_verbs_slot *s)
{
    struct wm_verbs_qp *q = &e->peer[s->msg.peer].qp[s->qp];
    struct ibv_send_wr *bad, wr = { .wr_id = id_of(OF_SLOT, q->under_way.last),
                                    .opcode = IBV_WR_RDMA_WRITE,
                                    .send_flags = IBV_SEND_SIGNALED };

    if (s->nth <= q->told || q->room == 0)
        return WM_OK;
    q->told = q->posted;
    q->quiet = 0;
    q->room--;
    e->slot[q->under_way.last].pieces++;
    int rc = ibv_post_send(q->qp, &wr, &bad);
    return rc == 0 ? WM_OK : fail_post(e, "ibv_post_send", rc, "post an empty WRITE");
}

static int verbs_test(struct wm_ep *ep, unsigned slot)
{
    struct wm_verbs_ep *e = verbs_of(ep);
    struct wm_verbs_slot *s = &e->slot[slot];

    if (s->state == WM_VERBS_OPEN) {
        int rc = progress(e);
        if (rc == WM_OK && s->nth != 0 && s->state == WM_VERBS_OPEN)
            rc = prompt(e, s);
        if (rc != WM_OK)
            return rc;
    }
    if (s->state == WM_VERBS_OPEN)
        return WM_EAGAIN;
    s->state = WM_VERBS_IDLE;
    return WM_OK;
}

const struct wm_ops wm_verbs_ops = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = verbs_post_send,
    .post_recv = verbs_post_recv,
    .put = verbs_put,
    .get = verbs_get,
    .put_flushed = verbs_put_flushed,
    .flush = verbs_flush,
    .test = verbs_test,
    .wait = wm_wait_by_test,
};

const struct wm_ops wm_verbs_ops_crowded = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = verbs_post_send,
    .post_recv = verbs_post_recv,
    .put = verbs_put,
    .get = verbs_get,
    .put_flushed = verbs_put_flushed,
    .flush = verbs_flush,
    .test = verbs_test,
    .wait = wm_wait_by_test_yield,
};
