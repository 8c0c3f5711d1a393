/* An arm's path as a rewrite of its schedule: which one a row takes, and what its data are. */
#include "bench/detour.h"

#include <stdlib.h>
#include <string.h>

#include "src/schedule/chunks.h"
#include "src/schedule/path.h"

static struct wm_detour detour_of(const struct wm_arm_spec *spec)
{
    unsigned in = wm_mem_is_device(spec->memory->send), out = wm_mem_is_device(spec->memory->receive);
    return (struct wm_detour){
        .device = in << WM_IN | out << WM_OUT,
        .chunk_bytes = spec->chunk_bytes,
        .slots = spec->slots,
    };
}

/* The new schedule in the place of the old one, or freed where it failed. */
static int replace(struct wm_schedule *s, struct wm_schedule *by, struct wm_err *err)
{
    wm_schedule_free(err->code == WM_OK ? s : by);
    if (err->code == WM_OK)
        *s = *by;
    return err->code;
}

static int detour_messages(const struct wm_arm_spec *spec, struct wm_schedule *s, struct wm_err *err)
{
    const struct wm_detour how = detour_of(spec);
    struct wm_schedule rewritten = { 0 };
    wm_detour_messages(s, &how, &rewritten, err);
    return replace(s, &rewritten, err);
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

/* What the operation reads is what is filled before it; what it leaves is what is expected after and was not there. */
struct touched {
    struct wm_extent *reads, *leaves;
    int n_reads, n_leaves;
};

static void free_touched(struct touched *t)
{
    free(t->reads);
    free(t->leaves);
}

static int find_touched(const struct wm_arm_spec *spec, const struct wm_point *at, struct touched *out,
                        struct wm_err *err)
{
    struct wm_spans before = { 0 }, after = { 0 };
    struct wm_point once = *at;
    once.repeated = false; /* the data of a fixed point look unchanged */
    spec->bench->fill(&once, &before);
    spec->bench->expect(&once, &after);
    *out = (struct touched){
        .reads = calloc((size_t)before.n + 1, sizeof(*out->reads)),
        .leaves = calloc((size_t)after.n + 1, sizeof(*out->leaves)),
    };
    if (before.failed || after.failed || out->reads == NULL || out->leaves == NULL) {
        wm_fail(err, WM_ENOMEM, "realloc", 0, "spans of %s", spec->bench->name);
        free_touched(out);
    } else {
        out->n_reads = extents_of(&before, NULL, out->reads);
        out->n_leaves = extents_of(&after, &before, out->leaves);
    }
    wm_spans_free(&before);
    wm_spans_free(&after);
    return err->code;
}

static int detour_whole(const struct wm_arm_spec *spec, const struct wm_point *at, struct wm_schedule *s,
                        struct wm_err *err)
{
    const struct wm_detour how = detour_of(spec);
    struct touched t;
    if (find_touched(spec, at, &t, err) != WM_OK)
        return err->code;
    wm_detour_whole(s, &how, t.reads, t.n_reads, t.leaves, t.n_leaves, err);
    free_touched(&t);
    return err->code;
}

/* ---- collectives by chunks ---- */

/* Where chunk k of a collective lies: the vector, or each rank's block, is cut alike. */
struct cut {
    size_t unit_bytes;  /* of the vector or block */
    size_t chunk_bytes; /* of it in every chunk but the last */
    int units;          /* blocks in a buffer of all ranks; 1 for vectors */
    int n;              /* chunks */
};

static struct cut cut_of(const struct wm_arm_spec *spec, const struct wm_point *at)
{
    const size_t element = wm_dtype_bytes(at->type), whole = spec->chunk_bytes / element * element;
    struct cut cut = { .units = spec->bench->bytes_rule == WM_BYTES_PER_RANK ? at->ranks : 1 };
    cut.unit_bytes = at->bytes / (size_t)cut.units;
    cut.chunk_bytes = whole > 0 ? whole : element;
    cut.n = (int)((cut.unit_bytes + cut.chunk_bytes - 1) / cut.chunk_bytes);
    return cut;
}

static size_t bytes_of_chunk(const struct cut *cut, int k)
{
    const size_t begin = (size_t)k * cut->chunk_bytes, left = cut->unit_bytes - begin;
    return left < cut->chunk_bytes ? left : cut->chunk_bytes;
}

/* An extent of the chunk's operation, by blocks, as places in the user's buffer. @param out  room for cut->units */
static int move_extent(const struct cut *cut, int k, struct wm_extent e, struct wm_moved *out)
{
    const size_t block = bytes_of_chunk(cut, k);
    int n = 0;
    for (size_t at = e.at.offset, end = e.at.offset + e.bytes; at < end; n++) {
        const size_t unit = at / block, stop = (unit + 1) * block < end ? (unit + 1) * block : end;
        const size_t user = unit * cut->unit_bytes + (size_t)k * cut->chunk_bytes + at % block;
        out[n] = (struct wm_moved){ { e.at.area, user }, at, stop - at };
        at = stop;
    }
    return n;
}

/* @param out  owned by the chunk */
static int move_extents(const struct cut *cut, int k, const struct wm_extent *extent, int n, struct wm_moved **out)
{
    int moved = 0;
    *out = calloc((size_t)n * (size_t)cut->units + 1, sizeof(**out));
    for (int i = 0; *out != NULL && i < n; i++)
        moved += move_extent(cut, k, extent[i], *out + moved);
    return moved;
}

static int build_chunk(const struct wm_arm_spec *spec, const struct wm_point *at, const struct cut *cut, int k,
                       struct wm_chunk *out, struct wm_err *err)
{
    struct wm_point part = *at;
    struct touched touched;
    part.bytes = bytes_of_chunk(cut, k) * (size_t)cut->units;
    out->op = (struct wm_schedule){ .type = at->type, .op = at->op };
    if (spec->algo->build(&part, &out->op, err) != WM_OK || find_touched(spec, &part, &touched, err) != WM_OK)
        return err->code;
    out->n_before = move_extents(cut, k, touched.reads, touched.n_reads, &out->before);
    out->n_after = move_extents(cut, k, touched.leaves, touched.n_leaves, &out->after);
    free_touched(&touched);
    if (out->before == NULL || out->after == NULL || wm_schedule_ok(&out->op) != WM_OK)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "chunk %d of %s", k, spec->bench->name);
    return err->code;
}

static int detour_chunks(const struct wm_arm_spec *spec, const struct wm_point *at, const struct cut *cut,
                         struct wm_schedule *s, struct wm_err *err)
{
    struct wm_schedule rewritten = { 0 };
    struct wm_chunk *chunk = calloc((size_t)cut->n, sizeof(*chunk));
    if (chunk == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d chunks of %s", cut->n, spec->bench->name);
    for (int k = 0; k < cut->n && err->code == WM_OK; k++)
        build_chunk(spec, at, cut, k, &chunk[k], err);
    for (int a = WM_IN; a <= WM_OUT; a++)
        wm_schedule_need(&rewritten, (enum wm_area)a, s->area_bytes[a]);
    if (err->code == WM_OK)
        wm_detour_chunks(chunk, cut->n, spec->slots, &rewritten, err);
    for (int k = 0; chunk != NULL && k < cut->n; k++)
        wm_chunk_free(&chunk[k]);
    free(chunk);
    return replace(s, &rewritten, err);
}

/* ---- which ---- */

static int detour_collective(const struct wm_arm_spec *spec, const struct wm_point *at, struct wm_schedule *s,
                             struct wm_err *err)
{
    const struct cut cut = spec->path == WM_PATH_PIPELINED ? cut_of(spec, at) : (struct cut){ .n = 1 };
    if (cut.n <= 1)
        return detour_whole(spec, at, s, err);
    if (spec->bench->uneven)
        return wm_fail(err, WM_EUNSUP, "", 0, "%s cannot go by chunks: its blocks differ in length", spec->bench->name);
    return detour_chunks(spec, at, &cut, s, err);
}

int wm_detour(const struct wm_arm_spec *spec, const struct wm_point *at, struct wm_schedule *s, struct wm_err *err)
{
    if (spec->path < WM_PATH_STAGED)
        return WM_OK;
    if (spec->bench->shared != 0 && spec->bench->clock_of != WM_CLOCK_FIRST)
        return wm_fail(err, WM_EUNSUP, "", 0, "%s reaches into device memory of others, and cannot be staged",
                       spec->bench->name);
    if (spec->bench->clock_of == WM_CLOCK_FIRST)
        return detour_messages(spec, s, err);
    return detour_collective(spec, at, s, err);
}
