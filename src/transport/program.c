/** Runs programs: the timed call, and the addresses that its instructions work on. */
#include "src/transport/program.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/program_insn.h"

/* ---- Running ---- */

static int wait_local(const struct wm_program *p, const struct wm_insn *i)
{
    struct wm_ep *ep = p->bind.ep;
    int rc;

    while ((rc = i->on.local.mem->test(i->on.local.copier, i->slot)) == WM_EAGAIN) {
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        rc = i->poke >= 0 ? ep->ops->test(ep, (unsigned)i->poke) : WM_OK;
        if (rc != WM_OK && rc != WM_EAGAIN)
            return rc;
    }
    return rc;
}

/* The first step of a WM_INSN_WAIT that is still open, or -1. */
static int first_open(const struct wm_program *p, const struct wm_insn *wait)
{
    struct wm_ep *ep = p->bind.ep;
    unsigned slot = wait->slot;

    while (slot < wait->slot + wait->n && ep->ops->test(ep, slot) != WM_EAGAIN)
        slot++;
    for (const struct wm_insn *i = wait; slot < wait->slot + wait->n && i > p->insn;) {
        i--;
        if ((i->form == WM_INSN_POST || i->form == WM_INSN_COLL) && i->slot == slot)
            return i->step;
    }
    return -1;
}

/* "the receive of 8 bytes from rank 1 (step 3)" */
static const char *describe(char *text, size_t bytes, const struct wm_step *steps, int i)
{
    static const char *const verb[] = { "send of", "receive of", "put of", "get of", "copy of", "reduction of" };
    static const char *const towards[] = { "to", "from", "to", "from" };

    if (i < 0)
        snprintf(text, bytes, "an operation");
    else if (steps[i].kind == WM_STEP_COLL)
        snprintf(text, bytes, "the library's collective (step %d)", i);
    else if (wm_is_local(steps[i].kind))
        snprintf(text, bytes, "the %s %zu bytes (step %d)", verb[steps[i].kind], steps[i].bytes, i);
    else
        snprintf(text, bytes, "the %s %zu bytes %s rank %d (step %d)", verb[steps[i].kind], steps[i].bytes,
                 towards[steps[i].kind], steps[i].peer, i);
    return text;
}

/* Out of the way of the loop. A transport that failed has told its story already; the first one stays. */
static int __attribute__((noinline, cold)) failed(struct wm_program *p, const struct wm_insn *i, int rc)
{
    char text[120];
    int step = i->form == WM_INSN_WAIT ? first_open(p, i) : i->step;

    describe(text, sizeof(text), p->steps, step);
    if (rc != WM_ETIMEOUT && (i->form == WM_INSN_COPY || i->form == WM_INSN_REDUCE || i->form == WM_INSN_WAIT_LOCAL) &&
        i->on.local.mem->why != NULL)
        i->on.local.mem->why(i->on.local.copier, &p->bind.ep->err);
    if (rc == WM_ETIMEOUT)
        return wm_fail(&p->bind.ep->err, WM_ETIMEOUT, "", 0, "the deadline passed while %s was open", text);
    wm_fail(&p->bind.ep->err, (enum wm_code)rc, "", 0, "%s failed", text);
    return rc;
}

int wm_program_run(struct wm_program *p)
{
    struct wm_ep *ep = p->bind.ep;
    const struct wm_insn *end = p->end;

    for (const struct wm_insn *i = p->insn; i < end; i++) {
        const struct wm_local *local = &i->on.local;
        int rc = WM_EBUG;
        switch (i->form) {
        case WM_INSN_BLOCK:
            rc = i->call.block(ep, &i->on.msg);
            break;
        case WM_INSN_POST:
            rc = i->call.post(ep, i->slot, &i->on.msg);
            break;
        case WM_INSN_WAIT:
            rc = ep->ops->wait(ep, i->slot, i->n);
            break;
        case WM_INSN_FLUSH:
            rc = i->call.flush(ep, i->on.region);
            break;
        case WM_INSN_COPY:
            rc = local->copy(local->copier, i->slot, local->to, local->from, local->n);
            break;
        case WM_INSN_REDUCE:
            rc = local->mem->reduce(local->copier, i->slot, local->to, local->from, local->n, p->type, p->op);
            break;
        case WM_INSN_WAIT_LOCAL:
            rc = wait_local(p, i);
            break;
        case WM_INSN_COLL:
            rc = ep->ops->coll(ep, i->slot, i->on.coll.handle, i->on.coll.area);
            break;
        }
        if (__builtin_expect(rc != WM_OK, 0))
            return failed(p, i, rc);
    }
    return WM_OK;
}

/* ---- Addresses ---- */

static struct wm_at local_side(const struct wm_step *s)
{
    return s->kind == WM_STEP_RECV || s->kind == WM_STEP_GET ? s->to : s->from;
}

static char *address(const struct wm_program *p, struct wm_at at)
{
    const struct wm_buf *buf = p->bind.attached->buf[at.area];
    return buf == NULL ? NULL : (char *)buf->dma + p->area_at[at.area] + at.offset;
}

static void place_message(const struct wm_program *p, struct wm_msg *msg, const struct wm_step *s)
{
    const struct wm_attached *attached = p->bind.attached;
    struct wm_at here = local_side(s), there = wm_remote_side(s);

    msg->peer = s->peer;
    msg->bytes = s->bytes;
    msg->device = attached->device;
    msg->by = s->by;
    msg->ptr = address(p, here);
    msg->local = attached->region[here.area];
    msg->local_at = p->area_at[here.area] + here.offset;
    if (s->kind == WM_STEP_PUT || s->kind == WM_STEP_GET) {
        msg->remote = attached->remote[there.area] ? attached->remote[there.area][s->peer] : NULL;
        msg->remote_at = p->area_at[there.area] + there.offset;
    }
}

/* The library's collective knows its buffers as IN and OUT, wherever the step has them. */
static void place_coll(const struct wm_program *p, struct wm_insn *i, const struct wm_step *s)
{
    for (int a = 0; a < WM_AREAS; a++)
        i->on.coll.area[a] = address(p, (struct wm_at){ (enum wm_area)a, 0 });
    i->on.coll.area[WM_IN] = address(p, s->from);
    i->on.coll.area[WM_OUT] = address(p, s->to);
}

void wm_program_place(const struct wm_program *p, struct wm_insn *i)
{
    const struct wm_step *s = &p->steps[i->step];

    if (i->form == WM_INSN_BLOCK || i->form == WM_INSN_POST) {
        place_message(p, &i->on.msg, s);
    } else if (i->form == WM_INSN_COLL) {
        place_coll(p, i, s);
    } else if (i->form == WM_INSN_COPY || i->form == WM_INSN_REDUCE) {
        i->on.local.to = address(p, s->to);
        i->on.local.from = address(p, s->from);
    }
}

void wm_program_move(struct wm_program *p, size_t in_at, size_t out_at)
{
    const struct wm_buf *const *buf = p->bind.attached->buf;

    assert(buf[WM_IN] == NULL || in_at + p->area_bytes[WM_IN] <= buf[WM_IN]->bytes);
    assert(buf[WM_OUT] == NULL || out_at + p->area_bytes[WM_OUT] <= buf[WM_OUT]->bytes);
    p->area_at[WM_IN] = in_at;
    p->area_at[WM_OUT] = out_at;
    for (struct wm_insn *i = p->insn; i < p->end; i++)
        wm_program_place(p, i);
}

void wm_program_close(struct wm_program *p)
{
    if (p == NULL)
        return;
    const struct wm_bind *b = &p->bind;
    for (struct wm_insn *i = p->insn; i < p->end; i++)
        if ((i->form == WM_INSN_BLOCK || i->form == WM_INSN_POST) && b->transport->unbind_msg != NULL)
            b->transport->unbind_msg(b->ep, &i->on.msg);
    for (int k = 0; k < p->colls; k++)
        if (b->transport->unbind_coll != NULL)
            b->transport->unbind_coll(b->ep, p->handles[k]);
    free(p->handles);
    free(p->steps);
    free(p->insn);
    free(p);
}

static bool flushes(const struct wm_program *p)
{
    const struct wm_ops *ops = p->bind.ep->ops;
    for (const struct wm_insn *i = p->insn; i < p->end; i++)
        if (i->form == WM_INSN_FLUSH ||
            (i->form == WM_INSN_POST && ops->put_flushed != NULL && i->call.post == ops->put_flushed))
            return true;
    return false;
}

bool wm_program_ring_flushes(const struct wm_program *p)
{
    const struct wm_program *at = p;
    bool any = false;

    do {
        any = any || flushes(at);
        at = at->next;
    } while (at != p);
    return any;
}

bool wm_program_ring_is_empty(const struct wm_program *p)
{
    const struct wm_program *at = p;

    do {
        if (at->insn != at->end)
            return false;
        at = at->next;
    } while (at != p);
    return true;
}

void wm_program_ring_close(struct wm_program *p)
{
    struct wm_program *next = p;

    while (p != NULL) {
        struct wm_program *this = next;
        next = this->next;
        wm_program_close(this);
        if (next == p)
            return;
    }
}
