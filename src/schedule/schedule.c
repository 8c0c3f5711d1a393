#include "src/schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "src/core/err.h"

static bool grow(struct wm_schedule *s)
{
    int cap = s->cap > 0 ? 2 * s->cap : 16;
    struct wm_step *more = realloc(s->step, (size_t)cap * sizeof(*more));
    if (more == NULL)
        return false;
    s->step = more;
    s->cap = cap;
    return true;
}

int wm_schedule_add(struct wm_schedule *s, struct wm_step step)
{
    if (s->n == s->cap && !grow(s)) {
        s->failed = true;
        return -1;
    }
    s->step[s->n] = step;
    return s->n++;
}

static int add(struct wm_schedule *s, struct wm_step step, size_t bytes, struct wm_range after)
{
    step.bytes = bytes;
    step.after[0] = after;
    step.after[1] = WM_NONE;
    return wm_schedule_add(s, step);
}

int wm_add_send(struct wm_schedule *s, int peer, struct wm_at from, size_t bytes, struct wm_range after)
{
    return add(s, (struct wm_step){ .kind = WM_STEP_SEND, .peer = peer, .from = from }, bytes, after);
}

int wm_add_recv(struct wm_schedule *s, int peer, struct wm_at to, size_t bytes, struct wm_range after)
{
    return add(s, (struct wm_step){ .kind = WM_STEP_RECV, .peer = peer, .to = to }, bytes, after);
}

int wm_add_copy(struct wm_schedule *s, struct wm_at to, struct wm_at from, size_t bytes, struct wm_range after)
{
    return add(s, (struct wm_step){ .kind = WM_STEP_COPY, .to = to, .from = from }, bytes, after);
}

int wm_add_reduce(struct wm_schedule *s, struct wm_at to, struct wm_at from, size_t bytes, struct wm_range after)
{
    return add(s, (struct wm_step){ .kind = WM_STEP_REDUCE, .to = to, .from = from }, bytes, after);
}

int wm_add_coll(struct wm_schedule *s, const struct wm_coll *coll, const size_t *counts, int ranks)
{
    const size_t n = 2 * (size_t)ranks;
    struct wm_coll *more = realloc(s->coll, ((size_t)s->colls + 1) * sizeof(*more));
    size_t *copy = counts != NULL && s->counts == NULL ? malloc(n * sizeof(*copy)) : NULL;

    if (more != NULL)
        s->coll = more;
    if (more == NULL || (counts != NULL && copy == NULL)) {
        free(copy);
        s->failed = true;
        return -1;
    }
    s->coll[s->colls] = *coll;
    if (copy != NULL) {
        memcpy(copy, counts, n * sizeof(*copy));
        s->counts = copy;
        s->coll[s->colls].send_counts = copy;
        s->coll[s->colls].recv_counts = copy + ranks;
    }
    return add(s,
               (struct wm_step){ .kind = WM_STEP_COLL, .from = { WM_IN, 0 }, .to = { WM_OUT, 0 }, .coll = s->colls++ },
               0, WM_NONE);
}

void wm_schedule_also_after(struct wm_schedule *s, int i, struct wm_range after)
{
    if (i >= 0 && i < s->n)
        s->step[i].after[1] = after;
}

/* Of old steps, what they are in the new schedule. */
static struct wm_range hull_of(const struct wm_range *now, struct wm_range old)
{
    struct wm_range all = WM_NONE;
    for (int i = old.first; i <= old.last; i++)
        all = wm_hull(all, now[i]);
    return all;
}

void wm_schedule_keep(struct wm_schedule *s, bool (*wanted)(const struct wm_step *step, const void *arg),
                      const void *arg)
{
    struct wm_range *now = malloc(((size_t)s->n + 1) * sizeof(*now)); /* by old step */
    int n = 0;
    s->failed |= now == NULL;
    for (int i = 0; now != NULL && i < s->n; i++) {
        struct wm_step step = s->step[i];
        for (int k = 0; k < 2; k++)
            step.after[k] = hull_of(now, step.after[k]);
        bool stays = wanted(&step, arg);
        now[i] = stays ? (struct wm_range){ n, n } : wm_hull(step.after[0], step.after[1]);
        if (stays)
            s->step[n++] = step;
    }
    s->n = now != NULL ? n : s->n;
    free(now);
}

void wm_schedule_need(struct wm_schedule *s, enum wm_area a, size_t bytes)
{
    if (bytes > s->area_bytes[a])
        s->area_bytes[a] = bytes;
}

int wm_schedule_ok(const struct wm_schedule *s)
{
    return s->failed ? WM_ENOMEM : WM_OK;
}

void wm_schedule_free(struct wm_schedule *s)
{
    free(s->step);
    free(s->coll);
    free(s->counts);
    *s = (struct wm_schedule){ 0 };
}

uint64_t wm_schedule_sent_bytes(const struct wm_schedule *s, bool (*crosses)(int peer, void *arg), void *arg)
{
    uint64_t sum = 0;
    for (int i = 0; i < s->n; i++) {
        const struct wm_step *step = &s->step[i];
        bool moves = step->kind == WM_STEP_SEND || step->kind == WM_STEP_PUT || step->kind == WM_STEP_GET;
        if (moves && crosses(step->peer, arg))
            sum += step->bytes;
    }
    return sum;
}
