#include "bench/build.h"

#include <stdlib.h>
#include <string.h>

#include "src/schedule/path.h"

bool wm_build_part(const struct wm_arm_spec *spec, int rank, struct wm_pair *mine)
{
    if (spec->round == NULL)
        return true;
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

struct wm_point wm_build_point(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                               int rank, int root, enum wm_pass pass, uint32_t round)
{
    struct wm_pair mine = { 0, 0 };
    bool pair = spec->round != NULL && wm_build_part(spec, rank, &mine);
    struct wm_point at = {
        .rank = pair ? rank != mine.from : rank,
        .ranks = pair ? 2 : plan->ranks,
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
        at.window = verified_window(cell, at.window, pair ? 1 : plan->ranks - 1);
    return at;
}

/* ---- detours ---- */

static struct wm_detour detour_of(const struct wm_arm_spec *spec)
{
    unsigned in = wm_mem_is_device(spec->memory->send), out = wm_mem_is_device(spec->memory->receive);
    return (struct wm_detour){
        .device = in << WM_IN | out << WM_OUT,
        .chunk_bytes = spec->chunk_bytes,
        .slots = spec->slots,
    };
}

static int detour_messages(const struct wm_detour *how, struct wm_schedule *s, struct wm_err *err)
{
    struct wm_schedule rewritten = { 0 };
    if (wm_detour_messages(s, how, &rewritten, err) != WM_OK) {
        wm_schedule_free(&rewritten);
        return err->code;
    }
    wm_schedule_free(s);
    *s = rewritten;
    return WM_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct wm_extent *x = a, *y = b;
    if (x->at.area != y->at.area)
        return x->at.area < y->at.area ? -1 : 1;
    return (x->at.offset > y->at.offset) - (x->at.offset < y->at.offset);
}

/* Neighbours become one: a copy each. */
static int merge(struct wm_extent *extent, int n)
{
    int last = -1;
    qsort(extent, (size_t)n, sizeof(*extent), by_place);
    for (int i = 0; i < n; i++) {
        struct wm_extent *l = &extent[last < 0 ? 0 : last];
        size_t end = l->at.offset + l->bytes, own_end = extent[i].at.offset + extent[i].bytes;
        if (last >= 0 && l->at.area == extent[i].at.area && extent[i].at.offset <= end)
            l->bytes = (own_end > end ? own_end : end) - l->at.offset;
        else
            extent[++last] = extent[i];
    }
    return last + 1;
}

static bool same_span(const struct wm_span *a, const struct wm_span *b)
{
    return a->at.area == b->at.area && a->at.offset == b->at.offset && a->bytes == b->bytes && a->first == b->first &&
           memcmp(&a->pattern, &b->pattern, sizeof(a->pattern)) == 0;
}

static bool stands_among(const struct wm_span *span, const struct wm_spans *others)
{
    for (int i = 0; i < others->n; i++)
        if (same_span(span, &others->span[i]))
            return true;
    return false;
}

/* Places of spans, but for those that stand unchanged among `known`. @param out  room for spans->n */
static int extents_of(const struct wm_spans *spans, const struct wm_spans *known, struct wm_extent *out)
{
    int n = 0;
    for (int i = 0; i < spans->n; i++)
        if (known == NULL || !stands_among(&spans->span[i], known))
            out[n++] = (struct wm_extent){ spans->span[i].at, spans->span[i].bytes };
    return merge(out, n);
}

/* What the operation reads is what is filled before it; what comes out is what is expected after and was not there. */
static int detour_whole(const struct wm_arm_spec *spec, const struct wm_point *at, const struct wm_detour *how,
                        struct wm_schedule *s, struct wm_err *err)
{
    struct wm_spans before = { 0 }, after = { 0 };
    struct wm_point once = *at;
    once.repeated = false; /* the data of a fixed point look unchanged */
    spec->bench->fill(&once, &before);
    spec->bench->expect(&once, &after);
    struct wm_extent *reads = calloc((size_t)before.n + 1, sizeof(*reads));
    struct wm_extent *leaves = calloc((size_t)after.n + 1, sizeof(*leaves));
    if (before.failed || after.failed || reads == NULL || leaves == NULL) {
        wm_fail(err, WM_ENOMEM, "realloc", 0, "spans of %s", spec->bench->name);
    } else {
        int n_reads = extents_of(&before, NULL, reads), n_leaves = extents_of(&after, &before, leaves);
        wm_detour_whole(s, how, reads, n_reads, leaves, n_leaves, err);
    }
    free(reads);
    free(leaves);
    wm_spans_free(&before);
    wm_spans_free(&after);
    return err->code;
}

static int take_path(const struct wm_arm_spec *spec, const struct wm_point *at, struct wm_schedule *s,
                     struct wm_err *err)
{
    if (spec->path < WM_PATH_STAGED)
        return WM_OK;
    struct wm_detour how = detour_of(spec);
    if (spec->bench->clock_of == WM_CLOCK_FIRST)
        return detour_messages(&how, s, err);
    return detour_whole(spec, at, &how, s, err);
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
        rc = take_path(spec, at, out, err);
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
