/**
 * Messages are cut into pieces, and the pieces of a direction go round through its slots:
 *
 *   leaving:  copy device -> slot, then send (or put) the slot
 *   arriving: receive (or get) into the slot, then copy slot -> device
 *
 * The executor takes steps in order and waits where one needs another, so their order decides what overlaps. It is that
 * of a clock with a tick a piece: at tick t leaves what was copied `lead` ticks ago, piece t is copied for leaving,
 * what arrived as piece t - lead is copied, and a slot whose copy is `lead` ticks old receives again. So a slot's last
 * use lies half of a round back when it is awaited; and as arrivals lag behind departures, of two ranks that do both
 * none waits for what the other has not sent yet.
 */
#include "src/schedule/path.h"

#include <stdlib.h>

enum way { LEAVES, ARRIVES, WAYS };

/* A part of a message. */
struct piece {
    struct wm_step move; /* the message, cut, and with its slot in place of the device */
    struct wm_at device;
    int moved, copied; /* steps in the new schedule */
};

/* What goes one way: data, all through slots or all straight, then words (messages on other areas). */
struct stream {
    struct piece *piece;
    int n, cap, data;
    bool detour;
    int slots; /* that the data go round in */
    int next;  /* piece to be moved */
};

/* Messages none of which waits for another of them: what one clock runs. */
struct run {
    const struct wm_detour *how;
    struct wm_schedule *out;
    struct stream way[WAYS];
    struct wm_range after; /* in the new schedule */
};

static bool arrives(const struct wm_step *s)
{
    return s->kind == WM_STEP_RECV || s->kind == WM_STEP_GET;
}

static struct wm_at *here(struct wm_step *s)
{
    return arrives(s) ? &s->to : &s->from;
}

static bool is_data(const struct wm_step *s)
{
    const enum wm_area area = arrives(s) ? s->to.area : s->from.area;
    return area == WM_IN || area == WM_OUT;
}

static bool is_device(const struct wm_detour *how, enum wm_area area)
{
    return how->device >> area & 1;
}

/* ---- cutting ---- */

static bool add_piece(struct stream *w, const struct piece *piece)
{
    if (w->n == w->cap) {
        int cap = w->cap > 0 ? 2 * w->cap : 64;
        struct piece *more = realloc(w->piece, (size_t)cap * sizeof(*more));
        if (more == NULL)
            return false;
        w->piece = more;
        w->cap = cap;
    }
    w->piece[w->n++] = *piece;
    return true;
}

static bool cut(struct run *run, const struct wm_step *message)
{
    struct stream *w = &run->way[arrives(message) ? ARRIVES : LEAVES];
    const size_t whole = message->bytes;
    const size_t most = is_data(message) && run->how->chunk_bytes > 0 ? run->how->chunk_bytes : whole;
    size_t at = 0;

    do {
        struct piece piece = { .move = *message };
        piece.move.bytes = whole - at < most ? whole - at : most;
        piece.move.from.offset += at;
        piece.move.to.offset += at;
        piece.device = *here(&piece.move);
        if (!add_piece(w, &piece))
            return false;
        at += most;
    } while (at < whole);
    if (is_data(message)) {
        w->data = w->n;
        w->detour = is_device(run->how, w->piece[0].device.area);
    }
    return true;
}

/* ---- placing ---- */

/* A round of slots for each direction of each run: two runs may be under way at once. */
static void place_slots(struct run *run, struct stream *w)
{
    size_t *end = &run->out->area_bytes[WM_SLOTS], begin = *end, at = begin;

    w->slots = run->how->slots > 0 && run->how->slots < w->data ? run->how->slots : w->data;
    for (int i = 0; i < w->data && w->detour; i++) {
        if (i % w->slots == 0)
            at = begin;
        *here(&w->piece[i].move) = (struct wm_at){ WM_SLOTS, at };
        at += run->how->chunk_bytes > 0 ? run->how->chunk_bytes : w->piece[i].move.bytes;
        if (at > *end)
            *end = at;
    }
}

static int add(struct run *run, struct wm_step step, struct wm_range first, int second)
{
    step.after[0] = first;
    step.after[1] = wm_after(second);
    return wm_schedule_add(run->out, step);
}

static void copy_to_slot(struct run *run, int i)
{
    const struct stream *w = &run->way[LEAVES];
    struct piece *piece = &w->piece[i];
    const struct wm_step copy = {
        .kind = WM_STEP_COPY, .to = piece->move.from, .from = piece->device, .bytes = piece->move.bytes
    };
    piece->copied = add(run, copy, run->after, i >= w->slots ? w->piece[i - w->slots].moved : -1);
}

static void copy_from_slot(struct run *run, int i)
{
    struct piece *piece = &run->way[ARRIVES].piece[i];
    const struct wm_step copy = {
        .kind = WM_STEP_COPY, .to = piece->device, .from = piece->move.to, .bytes = piece->move.bytes
    };
    piece->copied = add(run, copy, wm_after(piece->moved), -1);
}

static void move_next(struct run *run, enum way way)
{
    struct stream *w = &run->way[way];
    const int i = w->next++;
    struct piece *piece = &w->piece[i];
    const bool through_slot = w->detour && i < w->data, reuses = through_slot && way == ARRIVES && i >= w->slots;

    piece->moved = add(run, piece->move, through_slot && way == LEAVES ? wm_after(piece->copied) : run->after,
                       reuses ? w->piece[i - w->slots].copied : -1);
}

static void move_data_below(struct run *run, enum way way, int end)
{
    const struct stream *w = &run->way[way];
    while (w->next < w->data && w->next < end)
        move_next(run, way);
}

/* See the top of this file. */
static void run_clock(struct run *run)
{
    const struct stream *leaving = &run->way[LEAVES], *arriving = &run->way[ARRIVES];
    const int last = leaving->data > arriving->data ? leaving->data : arriving->data;
    const int half = run->how->slots / 2, lead = half > 0 ? half : 1;

    move_data_below(run, ARRIVES, arriving->slots);
    for (int t = 0; t < last + lead; t++) {
        move_data_below(run, LEAVES, t - lead + 1);
        if (leaving->detour && t < leaving->data)
            copy_to_slot(run, t);
        if (arriving->detour && t >= lead && t - lead < arriving->data)
            copy_from_slot(run, t - lead);
        if (t >= lead + half)
            move_data_below(run, ARRIVES, arriving->slots + t - lead - half + 1);
    }
}

/* Words come after all data: what waits for the data does not wait for them. */
static void say_words(struct run *run)
{
    for (int way = WAYS - 1; way >= 0; way--)
        while (run->way[way].next < run->way[way].n)
            move_next(run, (enum way)way);
}

static void clear(struct run *run)
{
    for (int k = 0; k < WAYS; k++)
        free(run->way[k].piece);
}

/* ---- messages ---- */

static int refuse(const struct wm_step *s, const struct wm_detour *how, struct wm_err *err)
{
    if (s->kind == WM_STEP_COPY || s->kind == WM_STEP_REDUCE || s->kind == WM_STEP_COLL)
        return wm_fail(err, WM_EBUG, "", 0, "only messages go by pieces");
    if ((s->kind == WM_STEP_PUT && is_device(how, s->to.area)) ||
        (s->kind == WM_STEP_GET && is_device(how, s->from.area)))
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "a one-sided operation on the device memory of the other side cannot be staged: nobody there "
                       "knows when to copy");
    return WM_OK;
}

static bool follows_a_word(const struct run *run, const struct wm_step *s)
{
    const struct stream *w = &run->way[arrives(s) ? ARRIVES : LEAVES];
    return is_data(s) && w->n > w->data;
}

/* Steps first..*end - 1 of `in`: as far as none waits for another of them, and no data follow a word. */
static int take_run(const struct wm_schedule *in, int first, int *end, struct run *run, struct wm_range *waits,
                    struct wm_err *err)
{
    *waits = WM_NONE;
    for (*end = first; *end < in->n; (*end)++) {
        const struct wm_step *s = &in->step[*end];
        struct wm_range after = wm_hull(s->after[0], s->after[1]);
        if ((after.first <= after.last && after.last >= first) || follows_a_word(run, s))
            return WM_OK;
        if (refuse(s, run->how, err) != WM_OK)
            return (int)err->code;
        if (!cut(run, s))
            return wm_fail(err, WM_ENOMEM, "realloc", 0, "pieces of %d messages", in->n);
        *waits = wm_hull(*waits, after);
    }
    return WM_OK;
}

/* The run that begins at step `first`, into the new schedule. @param now  by old step: the new ones that it became */
static int add_run(const struct wm_schedule *in, int first, int *end, struct run *run, struct wm_range *now,
                   struct wm_err *err)
{
    struct wm_range waits, data = { run->out->n, 0 }, words;
    int rc = take_run(in, first, end, run, &waits, err);

    if (waits.first <= waits.last)
        run->after = (struct wm_range){ now[waits.first].first, now[waits.last].last };
    if (rc != WM_OK)
        return rc;
    for (int k = 0; k < WAYS; k++)
        place_slots(run, &run->way[k]);
    run_clock(run);
    data.last = run->out->n - 1;
    say_words(run);
    words = (struct wm_range){ data.last + 1, run->out->n - 1 };
    for (int i = first; i < *end; i++)
        now[i] = is_data(&in->step[i]) ? data : words;
    return WM_OK;
}

int wm_detour_messages(const struct wm_schedule *in, const struct wm_detour *how, struct wm_schedule *out,
                       struct wm_err *err)
{
    struct wm_range *now = calloc((size_t)in->n + 1, sizeof(*now));
    int rc = now != NULL ? WM_OK : wm_fail(err, WM_ENOMEM, "calloc", 0, "steps of %d messages", in->n);

    out->type = in->type;
    out->op = in->op;
    for (int a = 0; a < WM_AREAS; a++)
        wm_schedule_need(out, (enum wm_area)a, in->area_bytes[a]);
    for (int first = 0, end = 0; first < in->n && rc == WM_OK; first = end) {
        struct run run = { .how = how, .out = out, .after = WM_NONE };
        rc = add_run(in, first, &end, &run, now, err);
        clear(&run);
    }
    free(now);
    if (rc == WM_OK && wm_schedule_ok(out) != WM_OK)
        rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "steps of %d messages", in->n);
    return rc;
}

/* ---- whole operations ---- */

static struct wm_at twin(const struct wm_detour *how, struct wm_at at)
{
    if (is_device(how, at.area))
        at.area = at.area == WM_IN ? WM_HOST_IN : WM_HOST_OUT;
    return at;
}

/* Copies of what stands in device areas, one after the other in the schedule. @return their steps */
static struct wm_range copy_extents(const struct wm_detour *how, const struct wm_extent *extent, int n, bool in,
                                    struct wm_range after, struct wm_schedule *out)
{
    struct wm_range copies = { out->n, out->n - 1 };
    for (int i = 0; i < n; i++) {
        const struct wm_at device = extent[i].at, host = twin(how, device);
        if (is_device(how, device.area) && extent[i].bytes > 0)
            copies.last = wm_add_copy(out, in ? host : device, in ? device : host, extent[i].bytes, after);
    }
    return copies;
}

static struct wm_range shifted(struct wm_range r, int by)
{
    return r.first > r.last ? WM_NONE : (struct wm_range){ r.first + by, r.last + by };
}

/* Step i on the host, after the copies where it waits for nothing else. */
static struct wm_step moved_to_host(const struct wm_detour *how, struct wm_step s, struct wm_range copies)
{
    const int by = copies.last - copies.first + 1;
    s.after[0] = shifted(s.after[0], by);
    s.after[1] = shifted(s.after[1], by);
    if (s.after[0].first > s.after[0].last)
        s.after[0] = copies;
    s.from = twin(how, s.from);
    s.to = twin(how, s.to);
    return s;
}

int wm_detour_whole(struct wm_schedule *s, const struct wm_detour *how, const struct wm_extent *before, int n_before,
                    const struct wm_extent *after, int n_after, struct wm_err *err)
{
    struct wm_schedule whole = { 0 };
    struct wm_range copies = copy_extents(how, before, n_before, true, WM_NONE, &whole), all;

    for (int i = 0; i < s->n; i++)
        wm_schedule_add(&whole, moved_to_host(how, s->step[i], copies));
    all = (struct wm_range){ 0, whole.n - 1 };
    copy_extents(how, after, n_after, false, all, &whole);
    if (whole.failed) {
        wm_schedule_free(&whole);
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "steps of a staged operation");
    }
    free(s->step);
    s->step = whole.step;
    s->n = whole.n;
    s->cap = whole.cap;
    for (int a = WM_IN; a <= WM_OUT; a++)
        if (is_device(how, (enum wm_area)a))
            wm_schedule_need(s, a == WM_IN ? WM_HOST_IN : WM_HOST_OUT, s->area_bytes[a]);
    return WM_OK;
}
