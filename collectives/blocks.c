#include "collectives/blocks.h"

#include <errno.h>

enum { MAX_SEGMENTS = 32 }; /* of one block: what may be in flight to one rank at once */

struct wm_blocks wm_blocks_of(const struct wm_point *at, int n)
{
    const size_t element_bytes = wm_dtype_bytes(at->type);
    return (struct wm_blocks){ at->bytes / element_bytes, element_bytes, n };
}

/* Edge k of n near-equal parts of `count`, rounded down. */
static size_t edge(size_t count, int k, int n)
{
    const size_t parts = (size_t)n, part = (size_t)k;
    return count / parts * part + count % parts * part / parts;
}

struct wm_piece wm_blocks_piece(const struct wm_blocks *b, int first, int n)
{
    size_t low = edge(b->count, first, b->n), high = edge(b->count, first + n, b->n);
    return (struct wm_piece){ low * b->element_bytes, (high - low) * b->element_bytes };
}

struct wm_piece wm_blocks_segment(const struct wm_blocks *b, int k, int segments, int q)
{
    size_t begin = edge(b->count, k, b->n), count = edge(b->count, k + 1, b->n) - begin;
    size_t low = begin + edge(count, q, segments), high = begin + edge(count, q + 1, segments);
    return (struct wm_piece){ low * b->element_bytes, (high - low) * b->element_bytes };
}

size_t wm_blocks_most(const struct wm_blocks *b)
{
    return (b->count + (size_t)b->n - 1) / (size_t)b->n * b->element_bytes;
}

int wm_blocks_segments(const struct wm_blocks *b, const struct wm_point *at, size_t default_bytes)
{
    const size_t chunk = at->chunk > 0 ? at->chunk : default_bytes;
    const size_t segments = (wm_blocks_most(b) + chunk - 1) / chunk;
    return segments < 1 ? 1 : segments > MAX_SEGMENTS ? MAX_SEGMENTS : (int)segments;
}

void wm_need_buffers(const struct wm_point *at, size_t in_bytes, size_t out_bytes, struct wm_schedule *out)
{
    wm_schedule_need(out, wm_input(at), in_bytes);
    wm_schedule_need(out, WM_OUT, out_bytes);
}

int wm_build_native(const struct wm_point *at, enum wm_coll_kind kind, size_t count, struct wm_schedule *out)
{
    wm_add_coll(out, &(struct wm_coll){ .kind = kind, .count = count, .root = at->root, .in_place = at->in_place },
                NULL, 0);
    return WM_OK;
}

struct wm_pattern wm_moved(const struct wm_point *at, int from, int to)
{
    return (struct wm_pattern){
        .kind = WM_MOVED, .seed = at->seed, .rank = (uint32_t)from, .peer = (uint32_t)to, .round = at->round
    };
}

/* In place and without a new fill, an operation reduces its own results: only a fixed point can be checked. */
static struct wm_pattern reduction(const struct wm_point *at, enum wm_pattern_kind kind)
{
    return (struct wm_pattern){
        .kind = at->in_place && at->repeated ? WM_IDENTITY : kind,
        .seed = at->seed,
        .rank = (uint32_t)at->rank,
        .round = at->round,
        .ranks = (uint32_t)at->ranks,
        .op = at->op,
    };
}

void wm_operand_span(const struct wm_point *at, struct wm_spans *out)
{
    wm_spans_add(
        out, (struct wm_span){ .at = { wm_input(at), 0 }, .bytes = at->bytes, .pattern = reduction(at, WM_OPERAND) });
}

void wm_reduced_span(const struct wm_point *at, size_t bytes, uint64_t first, struct wm_spans *out)
{
    wm_spans_add(out, (struct wm_span){
                          .at = { WM_OUT, 0 }, .bytes = bytes, .pattern = reduction(at, WM_REDUCED), .first = first });
}

int wm_no_memory(struct wm_err *err, int ranks)
{
    return wm_fail(err, WM_ENOMEM, "malloc", errno, "no memory to build the schedule of %d ranks", ranks);
}
