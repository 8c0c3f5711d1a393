#include "bench/build.h"

#include "bench/detour.h"

bool wm_build_part(const struct wm_arm_spec *spec, int rank, struct wm_pair *mine)
{
    if (spec->round == NULL)
        return spec->bench->shape != WM_ALONE || rank == 0;
    for (int i = 0; i < spec->round->n; i++) {
        struct wm_pair pair = spec->round->pair[i];
        if (pair.from == rank || pair.to == rank) {
            if (mine != NULL)
                *mine = pair;
            return true;
        }
    }
    return false;
}

static int verified_window(const struct wm_cell *cell, int window, int peers)
{
    size_t fit = cell->bytes > 0 ? WM_VERIFY_BYTES / cell->bytes / (size_t)peers : (size_t)window;
    size_t least = peers > 1 ? 1 : 2; /* two messages at least where they can be swapped cheaply */
    size_t capped = fit > least ? fit : least;
    return capped < (size_t)window ? (int)capped : window;
}

int wm_build_lanes(const struct wm_arm_spec *spec, int ranks)
{
    return spec->bench->shape == WM_GROUP && ranks > 1 ? ranks - 1 : 1;
}

struct wm_point wm_build_point(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                               int rank, int root, enum wm_pass pass, uint32_t round)
{
    struct wm_pair mine = { 0, 0 };
    bool pair = spec->round != NULL && wm_build_part(spec, rank, &mine);
    const int peers = wm_build_lanes(spec, plan->ranks);
    struct wm_point at = {
        .rank = pair ? rank != mine.from : rank,
        .ranks = pair                             ? 2
                 : spec->bench->shape == WM_ALONE ? 1
                                                  : plan->ranks,
        .root = root,
        .window = cell->window,
        .in_place = spec->in_place,
        .distinct = pass == WM_PASS_VERIFIED || spec->buffers == WM_BUFFERS_DISTINCT,
        .repeated = pass == WM_PASS_TIMED,
        .bytes = cell->bytes,
        .type = spec->type,
        .op = spec->op,
        .seed = (uint32_t)plan->conf->seed,
        .round = round,
    };
    if (pair) /* the builder knows ranks 0 and 1 only: two pairs must not carry the same data */
        at.seed += ((uint32_t)mine.from * 65537u + (uint32_t)mine.to) * 2654435761u;
    if (pass == WM_PASS_VERIFIED)
        at.window = verified_window(cell, at.window, peers);
    return at;
}

int wm_build_schedule(const struct wm_arm_spec *spec, const struct wm_point *at, int rank, struct wm_schedule *out,
                      struct wm_err *err)
{
    struct wm_pair mine = { 0, 0 };
    *out = (struct wm_schedule){ .type = at->type, .op = at->op };
    if (!wm_build_part(spec, rank, &mine))
        return WM_OK;
    int rc = spec->algo->build(at, out, err);
    if (rc == WM_OK && wm_schedule_ok(out) == WM_OK)
        rc = wm_detour(spec, at, out, err);
    if (rc == WM_OK && wm_schedule_ok(out) != WM_OK)
        rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "schedule of %s %s", spec->bench->name, spec->algo->name);
    for (int i = 0; rc == WM_OK && spec->round != NULL && i < out->n; i++)
        out->step[i].peer = out->step[i].peer == 0 ? mine.from : mine.to;
    if (rc != WM_OK)
        wm_schedule_free(out);
    return rc;
}

struct wm_ring wm_build_ring(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_schedule *s)
{
    size_t larger = s->area_bytes[WM_IN] > s->area_bytes[WM_OUT] ? s->area_bytes[WM_IN] : s->area_bytes[WM_OUT];
    struct wm_ring ring = { .stride_bytes = (larger + 63) / 64 * 64, .positions = 1 };
    if (spec->buffers == WM_BUFFERS_COLD && ring.stride_bytes > 0)
        ring.positions = (unsigned)(2 * plan->cache_bytes / ring.stride_bytes + 2);
    return ring;
}
