#include "bench/verify.h"

#include <stdio.h>

static int poison(struct wm_buf *buf, size_t at, size_t bytes, struct wm_err *err)
{
    struct wm_pattern p = { .kind = WM_POISON };
    return bytes > 0 ? buf->mem->fill(buf, at, bytes, WM_INT8, p, 0, err) : WM_OK;
}

static int spans_ok(const struct wm_benchmark *bench, const struct wm_spans *spans, struct wm_err *err)
{
    return spans->failed ? wm_fail(err, WM_ENOMEM, "realloc", 0, "spans of %s", bench->name) : WM_OK;
}

/* IN and OUT move with the cold ring, the other areas stand still. */
static size_t place(struct wm_at where, size_t at)
{
    return where.offset + (where.area == WM_IN || where.area == WM_OUT ? at : 0);
}

static int poison_all(const struct wm_schedule *touched, struct wm_buf *const buf[WM_AREAS], size_t at,
                      struct wm_err *err)
{
    for (int a = WM_OUT; a < WM_AREAS && err->code == WM_OK; a++)
        if (buf[a] != NULL)
            poison(buf[a], place((struct wm_at){ (enum wm_area)a, 0 }, at), touched->area_bytes[a], err);
    return err->code;
}

int wm_verify_fill(const struct wm_benchmark *bench, const struct wm_point *point, const struct wm_schedule *touched,
                   struct wm_buf *const buf[WM_AREAS], size_t at, struct wm_err *err)
{
    struct wm_spans spans = { 0 };
    if (bench->fill == NULL)
        return WM_OK;
    if (poison_all(touched, buf, at, err) != WM_OK)
        return err->code;
    bench->fill(point, &spans);
    spans_ok(bench, &spans, err);
    for (int i = 0; i < spans.n && err->code == WM_OK; i++) {
        const struct wm_span *s = &spans.span[i];
        const struct wm_buf *to = buf[s->at.area];
        to->mem->fill(to, place(s->at, at), s->bytes / wm_dtype_bytes(point->type), point->type, s->pattern, s->first,
                      err);
    }
    wm_spans_free(&spans);
    return err->code;
}

static int wrong_data(const struct wm_span *s, const struct wm_point *point, const int *ranks,
                      const struct wm_wrong *wrong, struct wm_err *err)
{
    char what[48] = "the reduction";
    if (s->pattern.kind == WM_MOVED)
        snprintf(what, sizeof(what), "the data of rank %u",
                 ranks != NULL ? (unsigned)ranks[s->pattern.rank] : s->pattern.rank);
    return wm_fail(
        err, WM_EDATA, "", 0,
        "wrong data: %zu of %zu %s elements of %s (at byte %zu) are wrong, the first at index %zu: got %s, want %s",
        wrong->elements, s->bytes / wm_dtype_bytes(point->type), wm_dtype_names[point->type], what, s->at.offset,
        wrong->first, wrong->got, wrong->want);
}

int wm_verify_check(const struct wm_benchmark *bench, const struct wm_point *point, struct wm_buf *const buf[WM_AREAS],
                    size_t at, const int *ranks, struct wm_verified *out, struct wm_err *err)
{
    struct wm_spans spans = { 0 };
    if (bench->expect == NULL)
        return WM_OK;
    bench->expect(point, &spans);
    spans_ok(bench, &spans, err);
    for (int i = 0; i < spans.n && (err->code == WM_OK || err->code == WM_EDATA); i++) {
        const struct wm_span *s = &spans.span[i];
        const struct wm_buf *in = buf[s->at.area];
        struct wm_wrong wrong = { 0 };
        size_t count = s->bytes / wm_dtype_bytes(point->type);
        in->mem->check(in, place(s->at, at), count, point->type, s->pattern, s->first, &wrong, err);
        out->checked_bytes += s->bytes;
        out->wrong_elements += wrong.elements;
        if (wrong.elements > 0)
            wrong_data(s, point, ranks, &wrong, err);
    }
    wm_spans_free(&spans);
    return err->code;
}
