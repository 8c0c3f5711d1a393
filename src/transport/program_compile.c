/**
 * Compiles a schedule into a straight list of instructions.
 *
 * Steps are posted in step order, each into the lowest free slot, and a wait stands as late as a dependency or the
 * lack of a slot permits. Where a schedule has more messages than slots, what arrives and what leaves have slots of
 * their own, so that neither shuts the other out; when those of the next step are all taken, messages of the other
 * direction that wait for nobody go first, with their copies, then the oldest open message is awaited. All ranks post
 * to each other in the same order of k: what the rank that is furthest behind waits for has been posted by its peer, so
 * that somebody can always go on.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/program_insn.h"

static bool is_message(enum wm_step_kind kind)
{
    return !wm_is_local(kind) && kind != WM_STEP_COLL;
}

enum way { ARRIVES, LEAVES, WAYS };

struct slot {
    int step; /* in it; -1 = free */
    int age;  /* of the post; the lowest is the oldest */
    bool wanted;
    struct wm_local local; /* who copies */
};

struct compiler {
    struct wm_program *p;
    const struct wm_schedule *s;
    struct wm_err *err;
    unsigned slots;
    int *slot_of; /* by step; -1 = not posted yet, or complete */
    bool *posted; /* by step */
    int posts;
    struct slot *net, *local;
    unsigned used[WAYS], limit[WAYS]; /* network slots */
    bool parted;                      /* something was awaited while other messages stayed open */
};

static const char *const area_names[WM_AREAS] = { "in", "out", "work", "host-in", "host-out", "slots" };

static enum way way_of(const struct wm_step *s)
{
    return s->kind == WM_STEP_RECV ? ARRIVES : LEAVES;
}

static int check_span(const struct compiler *c, int i, struct wm_at at)
{
    const struct wm_buf *buf = c->p->bind.attached->buf[at.area];
    size_t bytes = c->s->step[i].bytes, there = buf == NULL ? 0 : buf->bytes;

    if (bytes == 0 || (at.offset <= there && bytes <= there - at.offset))
        return WM_OK;
    return wm_fail(c->err, WM_EBUG, "", 0, "step %d of the schedule touches %zu bytes at %zu of area %s, which has %zu",
                   i, bytes, at.offset, area_names[at.area], there);
}

static int check_step(const struct compiler *c, int i)
{
    const struct wm_step *s = &c->s->step[i];
    int rc = WM_OK;

    if (s->kind == WM_STEP_COLL)
        return s->coll >= 0 && s->coll < c->s->colls
                   ? WM_OK
                   : wm_fail(c->err, WM_EBUG, "", 0, "step %d names collective %d of %d", i, s->coll, c->s->colls);
    if (is_message(s->kind) && (s->peer < 0 || s->peer >= c->p->bind.ep->world->size))
        return wm_fail(c->err, WM_EBUG, "", 0, "step %d names rank %d of %d", i, s->peer, c->p->bind.ep->world->size);
    for (int k = 0; k < 2; k++)
        if (s->after[k].first <= s->after[k].last && (s->after[k].first < 0 || s->after[k].last >= i))
            return wm_fail(c->err, WM_EBUG, "", 0, "step %d waits for step %d, which is not before it", i,
                           s->after[k].last);
    if (s->kind != WM_STEP_RECV && s->kind != WM_STEP_GET)
        rc = check_span(c, i, s->from);
    if (rc == WM_OK && s->kind != WM_STEP_SEND && s->kind != WM_STEP_PUT)
        rc = check_span(c, i, s->to);
    return rc;
}

static int check(const struct compiler *c)
{
    for (int a = 0; a < WM_AREAS; a++) {
        const struct wm_buf *buf = c->p->bind.attached->buf[a];
        size_t there = buf == NULL ? 0 : buf->bytes;
        if (c->s->area_bytes[a] > there)
            return wm_fail(c->err, WM_EBUG, "", 0, "the schedule needs %zu bytes in area %s, which has %zu",
                           c->s->area_bytes[a], area_names[a], there);
    }
    for (int i = 0; i < c->s->n; i++)
        if (check_step(c, i) != WM_OK)
            return c->err->code;
    return WM_OK;
}

static struct wm_insn *next_insn(struct compiler *c, enum wm_form form, int step)
{
    struct wm_insn *i = c->p->end;
    memset(i, 0, sizeof(*i));
    i->form = form;
    i->step = step;
    i->poke = -1;
    return i;
}

static int cannot(const struct compiler *c, const char *what)
{
    return wm_fail(c->err, WM_EUNSUP, "", 0, "transport %s has no %s", c->p->bind.transport->name, what);
}

static bool needs_flush(const struct compiler *c, const struct wm_region *region)
{
    const struct wm_transport *t = c->p->bind.transport;
    return !c->p->bind.unflushed && region != NULL && t->needs_flush != NULL && t->needs_flush(region);
}

/* What came by this step its device may not see yet. */
static bool leaves_unseen(const struct compiler *c, int step)
{
    const struct wm_step *s = &c->s->step[step];
    return (s->kind == WM_STEP_RECV || s->kind == WM_STEP_GET) && s->bytes > 0 &&
           needs_flush(c, c->p->bind.attached->region[s->to.area]);
}

/* One is enough for all that has come: it is for the device, not for the bytes. */
static void emit_flush(struct compiler *c, int step)
{
    struct wm_insn *i = next_insn(c, WM_INSN_FLUSH, step);
    i->call.flush = c->p->bind.ep->ops->flush;
    i->on.region = c->p->bind.attached->region[c->s->step[step].to.area];
    c->p->end++;
}

static int emit_message(struct compiler *c, enum wm_form form, int step, unsigned slot)
{
    static const char *const words[] = { "send", "receive", "put", "get" };
    const struct wm_transport *t = c->p->bind.transport;
    const struct wm_ops *ops = c->p->bind.ep->ops;
    struct wm_insn *i = next_insn(c, form, step);
    const struct wm_step *s = &c->s->step[step];
    bool one_sided = s->kind == WM_STEP_PUT || s->kind == WM_STEP_GET;

    i->slot = slot;
    if (form == WM_INSN_BLOCK)
        i->call.block = s->kind == WM_STEP_SEND ? ops->send : ops->recv;
    else
        i->call.post = s->kind == WM_STEP_SEND   ? ops->post_send
                       : s->kind == WM_STEP_RECV ? ops->post_recv
                       : s->kind == WM_STEP_PUT  ? ops->put
                                                 : ops->get;
    if (form == WM_INSN_POST && i->call.post == NULL)
        return cannot(c, words[s->kind]);
    if (s->by != WM_BY_ENGINE && !t->copies_by_kernel)
        return cannot(c, s->by == WM_BY_CHASE ? "kernel that loads: --algo chase is for transport cuda"
                                              : "kernel that copies: --algo sm is for transport cuda");
    wm_program_place(c->p, i);
    if (one_sided && t->reg != NULL && i->on.msg.remote == NULL)
        return wm_fail(c->err, WM_EBUG, "", 0, "step %d reaches into area %s of rank %d, which is not shared", step,
                       area_names[wm_remote_side(s).area], s->peer);
    if (s->kind == WM_STEP_PUT && s->bytes > 0 && needs_flush(c, i->on.msg.remote))
        i->call.post = ops->put_flushed;
    if (t->bind_msg != NULL && t->bind_msg(c->p->bind.ep, &i->on.msg, c->err) != WM_OK)
        return c->err->code;
    c->p->end++;
    return WM_OK;
}

/* A kernel reads and writes both sides itself. */
static wm_copy_call *copy_call(const struct wm_mem *mem, const struct wm_step *s, bool gpu_can_touch)
{
    if (s->by == WM_BY_ENGINE)
        return mem->copy;
    return !gpu_can_touch ? NULL : s->by == WM_BY_CHASE ? mem->copy_by_chase : mem->copy_by_kernel;
}

/* Who copies: the memory kind itself where the CPU can touch both sides, else the binding's. */
static int choose_copier(const struct compiler *c, int step, struct wm_local *out)
{
    static const char *const by[] = { "", " by a kernel", " by a kernel's loads" };
    const struct wm_bind *b = &c->p->bind;
    const struct wm_step *s = &c->s->step[step];
    const struct wm_mem *to = b->attached->buf[s->to.area]->mem, *from = b->attached->buf[s->from.area]->mem;

    out->mem = to->cpu_can_touch && from->cpu_can_touch ? to : b->mem;
    if (out->mem != NULL)
        out->copy = copy_call(out->mem, s, to->gpu_can_touch && from->gpu_can_touch);
    if (out->mem == NULL || (s->kind == WM_STEP_COPY ? out->copy == NULL : out->mem->reduce == NULL))
        return wm_fail(c->err, WM_EUNSUP, "", 0, "nothing here can %s from %s to %s memory%s",
                       s->kind == WM_STEP_COPY ? "copy" : "reduce", from->name, to->name, by[s->by]);
    out->copier = out->mem == b->mem ? b->copier : NULL;
    return WM_OK;
}

static unsigned free_slot(const struct compiler *c, const struct slot *slots)
{
    unsigned k = 0;
    while (k < c->slots && slots[k].step >= 0)
        k++;
    return k;
}

static void take(struct compiler *c, struct slot *slots, unsigned k, int step)
{
    slots[k] = (struct slot){ .step = step, .age = c->posts++ };
    c->slot_of[step] = (int)k;
    if (slots == c->net)
        c->used[way_of(&c->s->step[step])]++;
}

static void release(struct compiler *c, struct slot *slots, unsigned k)
{
    if (slots == c->net)
        c->used[way_of(&c->s->step[slots[k].step])]--;
    c->slot_of[slots[k].step] = -1;
    slots[k] = (struct slot){ .step = -1 };
}

static void want(struct compiler *c, int step)
{
    if (c->slot_of[step] >= 0)
        (wm_is_local(c->s->step[step].kind) ? c->local : c->net)[c->slot_of[step]].wanted = true;
}

/* Neighbours go into one WM_INSN_WAIT: a whole window is one MPI_Testall. */
static void emit_network_waits(struct compiler *c)
{
    struct wm_insn *run = NULL;
    int unseen = -1;

    for (unsigned k = 0; k < c->slots; k++) {
        if (!c->net[k].wanted)
            continue;
        if (leaves_unseen(c, c->net[k].step))
            unseen = c->net[k].step;
        if (run == NULL || run->slot + run->n != k) {
            run = next_insn(c, WM_INSN_WAIT, -1);
            run->slot = k;
            c->p->end++;
        }
        run->n++;
        release(c, c->net, k);
    }
    if (unseen >= 0)
        emit_flush(c, unseen);
    c->parted |= run != NULL && c->used[ARRIVES] + c->used[LEAVES] > 0;
}

static void emit_local_waits(struct compiler *c)
{
    int poke = -1;

    for (unsigned k = 0; k < c->slots && poke < 0; k++)
        if (c->net[k].step >= 0)
            poke = (int)k;
    for (unsigned k = 0; k < c->slots; k++) {
        if (!c->local[k].wanted)
            continue;
        c->parted |= poke >= 0; /* driving the network ends a group early */
        struct wm_insn *i = next_insn(c, WM_INSN_WAIT_LOCAL, c->local[k].step);
        i->slot = k;
        i->poke = poke;
        i->on.local = c->local[k].local;
        c->p->end++;
        release(c, c->local, k);
    }
}

/* The network first: it is driven by the waits themselves, a stream of copies is not. */
static void emit_waits(struct compiler *c)
{
    emit_network_waits(c);
    emit_local_waits(c);
}

static void await_dependencies(struct compiler *c, int step)
{
    const struct wm_range *after = c->s->step[step].after;

    for (int k = 0; k < 2; k++)
        for (int d = after[k].first; d <= after[k].last; d++)
            want(c, d);
    emit_waits(c);
}

static void await_oldest(struct compiler *c, struct slot *slots)
{
    int oldest = -1;

    for (unsigned k = 0; k < c->slots; k++)
        if (slots[k].step >= 0 && (oldest < 0 || slots[k].age < slots[oldest].age))
            oldest = (int)k;
    assert(oldest >= 0);
    slots[oldest].wanted = true;
    emit_waits(c);
}

static int emit_local(struct compiler *c, int step)
{
    const struct wm_step *s = &c->s->step[step];
    struct wm_insn *i;
    unsigned slot = 0;
    struct wm_local local = { 0 };

    if (s->bytes == 0)
        return WM_OK;
    if (choose_copier(c, step, &local) != WM_OK)
        return c->err->code;
    local.n = s->kind == WM_STEP_COPY ? s->bytes : s->bytes / wm_dtype_bytes(c->s->type);
    if (local.mem->test != NULL) {
        if (free_slot(c, c->local) == c->slots)
            await_oldest(c, c->local);
        slot = free_slot(c, c->local);
        take(c, c->local, slot, step);
        c->local[slot].local = local;
    }
    i = next_insn(c, s->kind == WM_STEP_COPY ? WM_INSN_COPY : WM_INSN_REDUCE, step);
    i->slot = slot;
    i->on.local = local;
    wm_program_place(c->p, i);
    c->p->end++;
    return WM_OK;
}

static int emit_coll(struct compiler *c, int step, unsigned slot)
{
    struct wm_insn *i = next_insn(c, WM_INSN_COLL, step);

    i->slot = slot;
    i->on.coll.handle = c->p->handles[c->s->step[step].coll];
    wm_program_place(c->p, i);
    c->p->end++;
    return WM_OK;
}

/* A collective that is complete on return takes no slot. */
static bool takes_slot(const struct compiler *c, int step)
{
    enum wm_step_kind kind = c->s->step[step].kind;
    return is_message(kind) || (kind == WM_STEP_COLL && !c->p->bind.ep->coll_blocks);
}

static bool has_room(const struct compiler *c, int step)
{
    enum way way = way_of(&c->s->step[step]);
    return !takes_slot(c, step) || (c->used[way] < c->limit[way] && c->used[ARRIVES] + c->used[LEAVES] < c->slots);
}

/* For nothing but what this process does itself: its copies and reductions end whatever the others do. */
static bool waits_for_nobody(const struct compiler *c, int step)
{
    const struct wm_range *after = c->s->step[step].after;

    for (int k = 0; k < 2; k++)
        for (int d = after[k].first; d <= after[k].last; d++)
            if (!c->posted[d] || (c->slot_of[d] >= 0 && !wm_is_local(c->s->step[d].kind)))
                return false;
    return true;
}

/* The next step that can go before `step`, or -1: a message of the other direction, or what such a message may wait
 * for. Messages of one direction never pass each other, and none passes a collective. */
static int one_past(const struct compiler *c, int step)
{
    enum way way = way_of(&c->s->step[step]);
    bool stuck = false; /* the other direction, too */

    for (int i = step + 1; i < c->s->n && c->s->step[i].kind != WM_STEP_COLL; i++) {
        bool message = is_message(c->s->step[i].kind);
        if (c->posted[i] || (message && (stuck || way_of(&c->s->step[i]) == way)))
            continue;
        if (has_room(c, i) && waits_for_nobody(c, i))
            return i;
        stuck |= message;
    }
    return -1;
}

static int emit_step(struct compiler *c, int step)
{
    enum wm_step_kind kind = c->s->step[step].kind;
    unsigned slot = 0;

    c->posted[step] = true;
    if (wm_is_local(kind))
        return emit_local(c, step);
    if (takes_slot(c, step)) {
        slot = free_slot(c, c->net);
        take(c, c->net, slot, step);
    }
    return kind == WM_STEP_COLL ? emit_coll(c, step, slot) : emit_message(c, WM_INSN_POST, step, slot);
}

static int emit_posts(struct compiler *c)
{
    int rc = WM_OK;

    for (int i = 0; i < c->s->n && rc == WM_OK;) {
        int next = i;
        if (c->posted[i]) {
            i++;
            continue;
        }
        await_dependencies(c, i);
        if (!has_room(c, i))
            next = one_past(c, i);
        if (next < 0) {
            await_oldest(c, c->net);
            continue;
        }
        await_dependencies(c, next);
        rc = emit_step(c, next);
    }
    for (int i = 0; i < c->s->n && rc == WM_OK; i++)
        want(c, i);
    emit_waits(c);
    return rc;
}

/* The same for both directions where both are long: a direction that may run ahead of the other does so on every rank,
 * until all wait for what nobody has posted yet. */
static void set_limits(struct compiler *c)
{
    unsigned n[WAYS] = { 0 }, half = c->slots / 2;

    for (int i = 0; i < c->s->n; i++)
        if (takes_slot(c, i))
            n[way_of(&c->s->step[i])]++;
    c->limit[ARRIVES] = c->limit[LEAVES] = c->slots;
    if (n[ARRIVES] + n[LEAVES] <= c->slots || half == 0)
        return;
    c->limit[ARRIVES] = n[LEAVES] <= half ? c->slots - n[LEAVES] : half;
    c->limit[LEAVES] = n[ARRIVES] <= half ? c->slots - n[ARRIVES] : half;
}

static bool covers(struct wm_range after, int step)
{
    return after.first <= step && step <= after.last;
}

/* Each send, receive or copy after the one before: what a user would write with blocking calls. */
static bool is_chain(const struct compiler *c)
{
    const struct wm_ops *ops = c->p->bind.ep->ops;

    for (int i = 0; i < c->s->n; i++) {
        const struct wm_step *s = &c->s->step[i];
        if (s->kind != WM_STEP_SEND && s->kind != WM_STEP_RECV && s->kind != WM_STEP_COPY)
            return false;
        if (i > 0 && !covers(s->after[0], i - 1) && !covers(s->after[1], i - 1))
            return false;
    }
    return ops->send != NULL && ops->recv != NULL;
}

static int emit_chain(struct compiler *c)
{
    int rc = WM_OK;

    for (int i = 0; i < c->s->n && rc == WM_OK; i++) {
        rc = is_message(c->s->step[i].kind) ? emit_message(c, WM_INSN_BLOCK, i, 0) : emit_local(c, i);
        if (rc == WM_OK && leaves_unseen(c, i))
            emit_flush(c, i);
        want(c, i);
        emit_local_waits(c);
    }
    return rc;
}

static int compile(struct compiler *c)
{
    const size_t n = (size_t)c->s->n;
    int rc = WM_ENOMEM;

    c->slot_of = malloc((n + 1) * sizeof(*c->slot_of));
    c->posted = calloc(n + 1, sizeof(*c->posted));
    c->net = malloc(c->slots * sizeof(*c->net));
    c->local = malloc(c->slots * sizeof(*c->local));
    if (c->slot_of == NULL || c->posted == NULL || c->net == NULL || c->local == NULL) {
        wm_fail_errno(c->err, "malloc", "program of %d steps", c->s->n);
    } else {
        memset(c->slot_of, -1, n * sizeof(*c->slot_of));
        for (unsigned k = 0; k < c->slots; k++)
            c->net[k] = c->local[k] = (struct slot){ .step = -1 };
        set_limits(c);
        rc = is_chain(c) ? emit_chain(c) : emit_posts(c);
        if (rc == WM_OK && c->parted && c->p->bind.transport->whole_groups)
            rc = wm_fail(
                c->err, WM_EUNSUP, "", 0,
                "transport %s ends what was posted together only, and an algorithm that waits for one message while "
                "others are under way could wait for ever: take another --algo",
                c->p->bind.transport->name);
    }
    free(c->slot_of);
    free(c->posted);
    free(c->net);
    free(c->local);
    return rc;
}

static int bind_colls(struct compiler *c)
{
    const struct wm_bind *b = &c->p->bind;
    const struct wm_schedule *s = c->s;

    if (s->colls > 0 && (b->ep->ops->coll == NULL || b->transport->bind_coll == NULL))
        return wm_fail(c->err, WM_EUNSUP, "", 0, "transport %s has no collectives of its own: use a composed algorithm",
                       b->transport->name);
    for (; c->p->colls < s->colls; c->p->colls++)
        if (b->transport->bind_coll(b->ep, &s->coll[c->p->colls], s->type, s->op, &c->p->handles[c->p->colls],
                                    c->err) != WM_OK)
            return c->err->code;
    return WM_OK;
}

/* Room for one instruction, one wait and one flush a step; the steps are copied. */
static struct wm_program *new_program(const struct wm_schedule *s, const struct wm_bind *bind)
{
    const size_t n = (size_t)s->n;
    struct wm_program *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->next = p;
    p->bind = *bind;
    p->type = s->type;
    p->op = s->op;
    memcpy(p->area_bytes, s->area_bytes, sizeof(p->area_bytes));
    p->insn = p->end = malloc((3 * n + 1) * sizeof(*p->insn));
    p->steps = malloc((n + 1) * sizeof(*p->steps));
    p->handles = calloc((size_t)s->colls + 1, sizeof(*p->handles));
    if (p->insn == NULL || p->steps == NULL || p->handles == NULL) {
        wm_program_close(p);
        return NULL;
    }
    if (n > 0)
        memcpy(p->steps, s->step, n * sizeof(*p->steps));
    return p;
}

int wm_program_open(const struct wm_schedule *s, const struct wm_bind *bind, struct wm_program **out,
                    struct wm_err *err)
{
    struct compiler c = { .s = s, .err = err, .slots = bind->ep->slots };
    int rc;

    if (s->failed)
        return wm_fail(err, WM_ENOMEM, "", 0, "no memory for the schedule");
    if (c.slots == 0)
        return wm_fail(err, WM_EBUG, "", 0, "the endpoint of transport %s has no slots", bind->transport->name);
    c.p = new_program(s, bind);
    if (c.p == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "program of %d steps", s->n);
    rc = check(&c);
    if (rc == WM_OK)
        rc = bind_colls(&c);
    if (rc == WM_OK)
        rc = compile(&c);
    if (rc != WM_OK) {
        wm_program_close(c.p);
        return rc;
    }
    *out = c.p;
    return WM_OK;
}
