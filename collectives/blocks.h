/** What the collectives share: blocks of a vector, areas, the library's own algorithm, data of reductions. */
#ifndef WM_BLOCKS_H
#define WM_BLOCKS_H

#include "bench/benchmark.h"

/* A vector cut into n near-equal blocks of whole elements; some are empty where there are fewer elements than blocks.
 */
struct wm_blocks {
    size_t count; /* elements of the whole */
    size_t element_bytes;
    int n;
};

struct wm_piece {
    size_t at, bytes;
};

struct wm_blocks wm_blocks_of(const struct wm_point *at, int n);
/** Blocks first..first + n - 1, which are neighbours. */
struct wm_piece wm_blocks_piece(const struct wm_blocks *b, int first, int n);
/** Segment q of the `segments` near-equal ones of block k. */
struct wm_piece wm_blocks_segment(const struct wm_blocks *b, int k, int segments, int q);
/** Bytes of the largest block. */
size_t wm_blocks_most(const struct wm_blocks *b);
/** In how many segments a block goes through a pipeline: the point's chunk decides, else default_bytes. */
int wm_blocks_segments(const struct wm_blocks *b, const struct wm_point *at, size_t default_bytes);

/* Ranks as seen from the root, which is 0. */
static inline int wm_from_root(const struct wm_point *at, int rank)
{
    return (rank - at->root + at->ranks) % at->ranks;
}

static inline int wm_to_rank(const struct wm_point *at, int relative)
{
    return (relative + at->root) % at->ranks;
}

/* k modulo n, never negative. */
static inline int wm_wrap(int k, int n)
{
    return (k % n + n) % n;
}

static inline struct wm_at wm_in_area(enum wm_area area, size_t offset)
{
    return (struct wm_at){ area, offset };
}

/** Where this rank's input stands. */
static inline enum wm_area wm_input(const struct wm_point *at)
{
    return at->in_place ? WM_OUT : WM_IN;
}

/** Needs of a rank: its input and its output, which are one buffer in place. */
void wm_need_buffers(const struct wm_point *at, size_t in_bytes, size_t out_bytes, struct wm_schedule *out);

/** The library's own collective over `count` elements. */
int wm_build_native(const struct wm_point *at, enum wm_coll_kind kind, size_t count, struct wm_schedule *out);

/** For WM_BYTES_PER_RANK: bytes of one of the n blocks. */
static inline size_t wm_block_bytes(const struct wm_point *at)
{
    return at->bytes / (size_t)at->ranks;
}

/** For WM_BYTES_PER_RANK: elements of one block. */
static inline size_t wm_block_count(const struct wm_point *at)
{
    return wm_block_bytes(at) / wm_dtype_bytes(at->type);
}

/** Moved data, as one rank gives it to another; `to` is 0 where all get the same. */
struct wm_pattern wm_moved(const struct wm_point *at, int from, int to);
/** A vector at offset 0 of an area: this rank's operand, or elements first.. of the result. */
void wm_operand_span(const struct wm_point *at, struct wm_spans *out);
void wm_reduced_span(const struct wm_point *at, size_t bytes, uint64_t first, struct wm_spans *out);

int wm_no_memory(struct wm_err *err, int ranks);

#endif
