/** Hot path of transport ofi: numbered messages, posts that wait for room, completions that find their slot. */
#include "src/transport/ofi_ep.h"

#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>
#include <sched.h>

/* Completions taken at once, and held-back posts tried again, in one round of progress. */
#define COMPLETIONS 16
#define RETRIES     4

static inline void *desc_of(const struct wm_msg *msg)
{
    return msg->local != NULL ? msg->local->desc : NULL;
}

static ssize_t attempt_write(struct wm_ofi_ep *e, struct wm_ofi_slot *s, uint64_t flags)
{
    const struct wm_msg *m = s->msg;
    struct iovec from = { .iov_base = m->ptr, .iov_len = m->bytes };
    struct fi_rma_iov to = { .addr = m->remote->address + m->remote_at, .len = m->bytes, .key = m->remote->key };
    void *desc = desc_of(m);
    struct fi_msg_rma msg = { .msg_iov = &from,
                              .desc = &desc,
                              .iov_count = 1,
                              .addr = e->address[m->peer],
                              .rma_iov = &to,
                              .rma_iov_count = 1,
                              .context = &s->context };

    return fi_writemsg(e->fid, &msg, FI_COMPLETION | flags);
}

static ssize_t attempt(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    const struct wm_msg *m = s->msg;

    switch (s->kind) {
    case WM_OFI_SEND:
        return fi_tsend(e->fid, m->ptr, m->bytes, desc_of(m), e->address[m->peer], s->tag, &s->context);
    case WM_OFI_RECV:
        return fi_trecv(e->fid, m->ptr, m->bytes, desc_of(m), FI_ADDR_UNSPEC, s->tag, 0, &s->context);
    case WM_OFI_PUT:
        return attempt_write(e, s, FI_DELIVERY_COMPLETE);
    case WM_OFI_PUT_READ:
        return attempt_write(e, s, 0);
    case WM_OFI_GET:
        return fi_read(e->fid, m->ptr, m->bytes, desc_of(m), e->address[m->peer], m->remote->address + m->remote_at,
                       m->remote->key, &s->context);
    case WM_OFI_READ_BACK:
        return fi_read(e->fid, e->flushed, 1, e->flush_desc, e->address[m->peer], m->remote->address + m->remote_at,
                       m->remote->key, &s->context);
    case WM_OFI_WRITTEN:
        return wm_ofi_attempt_written(e, s);
    case WM_OFI_ADVERT:
        return wm_ofi_attempt_advert(e, s);
    case WM_OFI_BUFFER:
        return wm_ofi_attempt_buffer(e, s);
    case WM_OFI_TOLD:
        break;
    }
    return -FI_EINVAL;
}

static void hold(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    unsigned at = e->first_held + e->n_held++;
    e->held[at >= e->most_held ? at - e->most_held : at] = s;
}

static struct wm_ofi_slot *take_held(struct wm_ofi_ep *e)
{
    struct wm_ofi_slot *s = e->held[e->first_held];
    e->first_held = e->first_held + 1 == e->most_held ? 0 : e->first_held + 1;
    e->n_held--;
    return s;
}

static int post(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    ssize_t rc = attempt(e, s);

    if (__builtin_expect(rc == 0, 1))
        return WM_OK;
    if (rc != -FI_EAGAIN)
        return wm_ofi_post_failed(e, s, rc);
    hold(e, s);
    return WM_OK;
}

/* In turn, so that a peer that is slow to take messages does not keep those to others back. */
static int retry(struct wm_ofi_ep *e)
{
    unsigned n = e->n_held < RETRIES ? e->n_held : RETRIES;
    int rc = WM_OK;

    while (n-- > 0 && rc == WM_OK)
        rc = post(e, take_held(e));
    return rc;
}

static int complete(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    if (s->kind == WM_OFI_PUT_READ) {
        s->kind = WM_OFI_READ_BACK;
        return post(e, s);
    }
    s->open = false;
    return WM_OK;
}

static inline int progress(struct wm_ofi_ep *e)
{
    struct fi_cq_entry done[COMPLETIONS];
    ssize_t n = fi_cq_read(e->cq, done, COMPLETIONS);
    int rc = WM_OK;

    if (n > 0)
        for (ssize_t i = 0; i < n && rc == WM_OK; i++)
            rc = complete(e, done[i].op_context);
    else if (__builtin_expect(n != -FI_EAGAIN, 0))
        rc = wm_ofi_cq_failed(e, n);
    if (rc == WM_OK && e->n_held > 0)
        rc = retry(e);
    return rc;
}

/* Of an advert: the receive itself is complete when its sender has written. */
static int complete_written(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    if (s->kind == WM_OFI_BUFFER) {
        int rc = wm_ofi_take_advert(e, s);
        return rc == WM_OK ? post(e, s) : rc;
    }
    return complete(e, s);
}

/* By a peer; a write of this process to a peer may bear the flag as well. */
static inline bool is_written_here(const struct fi_cq_data_entry *done)
{
    return (done->flags & (FI_REMOTE_CQ_DATA | FI_WRITE)) == FI_REMOTE_CQ_DATA;
}

static inline int receive_written(struct wm_ofi_ep *e, uint64_t slot)
{
    if (__builtin_expect(slot > e->ep.slots || !e->slot[slot].open, 0))
        return wm_fail(&e->ep.err, WM_EBUG, "", 0, "a message for slot %llu, which expects none",
                       (unsigned long long)slot);
    e->slot[slot].open = false;
    return WM_OK;
}

static inline int progress_written(struct wm_ofi_ep *e)
{
    struct fi_cq_data_entry done[COMPLETIONS];
    ssize_t n = fi_cq_read(e->cq, done, COMPLETIONS);
    int rc = WM_OK;

    if (n > 0)
        for (ssize_t i = 0; i < n && rc == WM_OK; i++)
            rc = is_written_here(&done[i]) ? receive_written(e, done[i].data) : complete_written(e, done[i].op_context);
    else if (__builtin_expect(n != -FI_EAGAIN, 0))
        rc = wm_ofi_cq_failed(e, n);
    if (rc == WM_OK && e->n_held > 0)
        rc = retry(e);
    return rc;
}

int wm_ofi_progress(struct wm_ep *ep)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    return e->board != NULL ? progress_written(e) : progress(e);
}

/* ---- Posts ---- */

static inline struct wm_ofi_slot *begin(struct wm_ofi_ep *e, unsigned slot, enum wm_ofi_kind kind,
                                        const struct wm_msg *msg)
{
    struct wm_ofi_slot *s = &e->slot[slot];
    s->kind = kind;
    s->msg = msg;
    s->open = true;
    return s;
}

static int ofi_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_ofi_slot *s = begin(e, slot, WM_OFI_SEND, msg);

    s->tag = e->tag_of_mine | (e->sent[msg->peer]++ & e->number_mask);
    if (msg->bytes <= e->inject_bytes && !msg->device &&
        fi_tinject(e->fid, msg->ptr, msg->bytes, e->address[msg->peer], s->tag) == 0) {
        s->open = false;
        return WM_OK;
    }
    return post(e, s);
}

static int ofi_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_ofi_slot *s = begin(e, slot, WM_OFI_RECV, msg);

    s->tag = (uint64_t)msg->peer << e->number_bits | (e->received[msg->peer]++ & e->number_mask);
    return post(e, s);
}

static int written_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_ofi_slot *s = begin(e, slot, WM_OFI_WRITTEN, msg);

    s->tag = e->sent[msg->peer]++;
    return post(e, s);
}

static int written_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_ofi_slot *s = begin(e, slot, WM_OFI_ADVERT, msg);

    s->tag = e->received[msg->peer]++;
    return post(e, s);
}

static int one_sided(struct wm_ofi_ep *e, unsigned slot, enum wm_ofi_kind kind, const struct wm_msg *msg)
{
    struct wm_ofi_slot *s = begin(e, slot, kind, msg);

    s->open = msg->bytes > 0;
    return s->open ? post(e, s) : WM_OK;
}

static int ofi_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return one_sided(wm_ofi_of(ep), slot, wm_ofi_of(ep)->put_kind, msg);
}

static int ofi_put_flushed(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return one_sided(wm_ofi_of(ep), slot, WM_OFI_PUT_READ, msg);
}

static int ofi_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return one_sided(wm_ofi_of(ep), slot, WM_OFI_GET, msg);
}

/* ---- Waiting ---- */

static inline int test(struct wm_ofi_ep *e, unsigned slot, int (*drive)(struct wm_ofi_ep *e))
{
    int rc = e->slot[slot].open ? drive(e) : WM_OK;

    return rc != WM_OK || !e->slot[slot].open ? rc : WM_EAGAIN;
}

static int ofi_test(struct wm_ep *ep, unsigned slot)
{
    return test(wm_ofi_of(ep), slot, progress);
}

static int written_test(struct wm_ep *ep, unsigned slot)
{
    return test(wm_ofi_of(ep), slot, progress_written);
}

/* What drives and whether it yields is known where this is inlined. */
static inline __attribute__((always_inline)) int wait_for(struct wm_ep *ep, unsigned first, unsigned n, bool yields,
                                                          int (*drive)(struct wm_ofi_ep *e))
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);

    for (const struct wm_ofi_slot *s = &e->slot[first]; s < &e->slot[first + n]; s++)
        while (s->open) {
            if (atomic_load_explicit(ep->expired, memory_order_relaxed))
                return WM_ETIMEOUT;
            if (yields)
                sched_yield();
            int rc = drive(e);
            if (rc != WM_OK)
                return rc;
        }
    return WM_OK;
}

static int ofi_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_for(ep, first, n, false, progress);
}

static int ofi_wait_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_for(ep, first, n, true, progress);
}

static int written_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_for(ep, first, n, false, progress_written);
}

static int written_wait_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_for(ep, first, n, true, progress_written);
}

/* Blocking: a post and a wait in a slot of their own. */
static int ofi_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = ofi_post_send(ep, ep->slots, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, ep->slots, 1);
}

static int ofi_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = ofi_post_recv(ep, ep->slots, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, ep->slots, 1);
}

static int written_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = written_post_send(ep, ep->slots, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, ep->slots, 1);
}

static int written_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = written_post_recv(ep, ep->slots, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, ep->slots, 1);
}

const struct wm_ops wm_ofi_ops = {
    .send = ofi_send,
    .recv = ofi_recv,
    .post_send = ofi_post_send,
    .post_recv = ofi_post_recv,
    .put = ofi_put,
    .get = ofi_get,
    .put_flushed = ofi_put_flushed,
    .flush = wm_ofi_flush,
    .test = ofi_test,
    .wait = ofi_wait,
};

/* More ranks than cores: nobody may keep a core while it waits, and what it waits for is seldom there before the others
 * have had it: each look costs a system call over sockets, so they go first (a fifth to a third of the time of a small
 * collective of 4 ranks on 2 cores). */
const struct wm_ops wm_ofi_ops_crowded = {
    .send = ofi_send,
    .recv = ofi_recv,
    .post_send = ofi_post_send,
    .post_recv = ofi_post_recv,
    .put = ofi_put,
    .get = ofi_get,
    .put_flushed = ofi_put_flushed,
    .flush = wm_ofi_flush,
    .test = ofi_test,
    .wait = ofi_wait_yield,
};

const struct wm_ops wm_ofi_written_ops = {
    .send = written_send,
    .recv = written_recv,
    .post_send = written_post_send,
    .post_recv = written_post_recv,
    .put = ofi_put,
    .get = ofi_get,
    .put_flushed = ofi_put_flushed,
    .flush = wm_ofi_flush,
    .test = written_test,
    .wait = written_wait,
};

const struct wm_ops wm_ofi_written_ops_crowded = {
    .send = written_send,
    .recv = written_recv,
    .post_send = written_post_send,
    .post_recv = written_post_recv,
    .put = ofi_put,
    .get = ofi_get,
    .put_flushed = ofi_put_flushed,
    .flush = wm_ofi_flush,
    .test = written_test,
    .wait = written_wait_yield,
};
