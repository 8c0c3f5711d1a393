#include "src/schedule/chunks.h"

#include <stdlib.h>

/* Steps of the new schedule. */
struct laid {
    struct wm_range in, op, out;
};

struct layer {
    const struct wm_chunk *chunk;
    int n, slots;
    size_t place_bytes[WM_AREAS]; /* of one slot, by the operation's area */
    struct laid *laid;            /* by chunk */
    struct wm_schedule *out;
};

void wm_chunk_free(struct wm_chunk *c)
{
    wm_schedule_free(&c->op);
    free(c->before);
    free(c->after);
    *c = (struct wm_chunk){ 0 };
}

/* What stands at `at` for the operation of chunk k, on the host. */
static struct wm_at placed(const struct layer *l, int k, struct wm_at at)
{
    if (at.area != WM_IN && at.area != WM_OUT)
        return at;
    return (struct wm_at){ at.area == WM_IN ? WM_HOST_IN : WM_HOST_OUT,
                           at.offset + (size_t)(k % l->slots) * l->place_bytes[at.area] };
}

/* The chunk that had the place before; with nothing in it where there was none. */
static struct laid before_in_place(const struct layer *l, int k)
{
    return k >= l->slots ? l->laid[k - l->slots] : (struct laid){ WM_NONE, WM_NONE, WM_NONE };
}

static struct wm_range add_copies(struct layer *l, int k, bool in, struct wm_range after, struct wm_range also)
{
    const struct wm_chunk *c = &l->chunk[k];
    const struct wm_moved *moved = in ? c->before : c->after;
    struct wm_range copies = { l->out->n, l->out->n - 1 };
    for (int i = 0; i < (in ? c->n_before : c->n_after); i++) {
        struct wm_at twin = placed(l, k, (struct wm_at){ moved[i].user.area, moved[i].twin_offset });
        copies.last = wm_add_copy(l->out, in ? twin : moved[i].user, in ? moved[i].user : twin, moved[i].bytes, after);
        wm_schedule_also_after(l->out, copies.last, also);
    }
    return copies;
}

static bool is_empty(struct wm_range r)
{
    return r.first > r.last;
}

static struct wm_range shifted(struct wm_range r, int by)
{
    return is_empty(r) ? WM_NONE : (struct wm_range){ r.first + by, r.last + by };
}

/* A collective of the library is named by its index, and the new schedule counts its own. */
static void add_step(struct layer *l, const struct wm_schedule *op, struct wm_step step)
{
    if (step.kind != WM_STEP_COLL) {
        wm_schedule_add(l->out, step);
        return;
    }
    const int at = wm_add_coll(l->out, &op->coll[step.coll], NULL, 0);
    if (at < 0)
        return;
    step.coll = l->out->step[at].coll;
    l->out->step[at] = step;
}

/* The operation of chunk k: its first steps wait for its copies (or, where it has none, for its place) and for the
 * operation before. */
static struct wm_range add_operation(struct layer *l, int k)
{
    const struct wm_schedule *op = &l->chunk[k].op;
    const struct wm_range ready = is_empty(l->laid[k].in) ? before_in_place(l, k).out : l->laid[k].in;
    const int first = l->out->n;
    for (int i = 0; i < op->n; i++) {
        struct wm_step step = op->step[i];
        const bool begins = is_empty(step.after[0]) && is_empty(step.after[1]);
        step.after[0] = begins ? ready : shifted(step.after[0], first);
        step.after[1] = begins && k > 0 ? l->laid[k - 1].op : shifted(step.after[1], first);
        step.from = placed(l, k, step.from);
        step.to = placed(l, k, step.to);
        add_step(l, op, step);
    }
    return (struct wm_range){ first, l->out->n - 1 };
}

static void lay(struct layer *l)
{
    const int half = l->slots / 2, lead = half > 0 ? half : 1;
    for (int t = 0; t < l->n + lead; t++) {
        const int k = t - lead;
        if (k >= 0) {
            l->laid[k].op = add_operation(l, k);
            l->laid[k].out = add_copies(l, k, false, l->laid[k].op, WM_NONE);
        }
        if (t < l->n)
            l->laid[t].in = add_copies(l, t, true, before_in_place(l, t).op, before_in_place(l, t).out);
    }
}

static void measure(struct layer *l)
{
    for (int k = 0; k < l->n; k++)
        for (int a = 0; a < WM_AREAS; a++)
            if (l->chunk[k].op.area_bytes[a] > l->place_bytes[a])
                l->place_bytes[a] = l->chunk[k].op.area_bytes[a];
    for (int a = WM_IN; a <= WM_OUT; a++)
        l->place_bytes[a] = (l->place_bytes[a] + 63) / 64 * 64;
    wm_schedule_need(l->out, WM_WORK, l->place_bytes[WM_WORK]);
    wm_schedule_need(l->out, WM_HOST_IN, (size_t)l->slots * l->place_bytes[WM_IN]);
    wm_schedule_need(l->out, WM_HOST_OUT, (size_t)l->slots * l->place_bytes[WM_OUT]);
}

int wm_detour_chunks(const struct wm_chunk *chunk, int n, int slots, struct wm_schedule *out, struct wm_err *err)
{
    struct layer l = { .chunk = chunk, .n = n, .slots = slots < n ? slots : n, .out = out };
    l.laid = calloc((size_t)n + 1, sizeof(*l.laid));
    if (l.laid == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d chunks", n);
    out->type = chunk[0].op.type;
    out->op = chunk[0].op.op;
    measure(&l);
    lay(&l);
    free(l.laid);
    return wm_schedule_ok(out) == WM_OK ? WM_OK : wm_fail(err, WM_ENOMEM, "realloc", 0, "steps of %d chunks", n);
}
