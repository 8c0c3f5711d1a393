#include <stdlib.h>

#include "collectives/collectives.h"
#include "collectives/tree.h"

/* A chunk goes on to the next rank while the following ones arrive. */
enum { CHUNK_BYTES = 512 << 10, AHEAD = 8 /* receives posted before their turn */ };

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    wm_schedule_need(out, WM_OUT, at->bytes);
    return wm_build_native(at, WM_COLL_BROADCAST, at->bytes / wm_dtype_bytes(at->type), out);
}

/* ---- linear ---- */

/* The root sends everything to each rank itself: n - 1 times `bytes` leave it, but nobody forwards. */
static int linear(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_at all = { WM_OUT, 0 };

    (void)err;
    wm_schedule_need(out, WM_OUT, at->bytes);
    if (at->rank != at->root)
        wm_add_recv(out, at->root, all, at->bytes, WM_NONE);
    for (int k = 1; at->rank == at->root && k < at->ranks; k++)
        wm_add_send(out, wm_to_rank(at, k), all, at->bytes, WM_NONE);
    return WM_OK;
}

/* ---- binomial tree ---- */

/* The farthest child first: where neighbouring ranks share a host, a message crosses between two hosts only once. */
static int binomial(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int self = wm_from_root(at, at->rank), span = wm_tree_span(self, at->ranks);
    const struct wm_at all = { WM_OUT, 0 };
    int arrived = -1;

    (void)err;
    wm_schedule_need(out, WM_OUT, at->bytes);
    if (self > 0)
        arrived = wm_add_recv(out, wm_to_rank(at, self - span), all, at->bytes, WM_NONE);
    for (int half = span / 2; half > 0; half /= 2)
        if (self + half < at->ranks)
            wm_add_send(out, wm_to_rank(at, self + half), all, at->bytes, wm_after(arrived));
    return WM_OK;
}

/* ---- scatter, then all-gather ---- */

/* Blocks self..end - 1 come from the parent, all but the own one go on to the children. Returns the receive, or -1. */
static int scatter(const struct wm_point *at, const struct wm_blocks *blocks, struct wm_schedule *out)
{
    const int n = at->ranks, self = wm_from_root(at, at->rank), span = wm_tree_span(self, n);
    int arrived = -1;

    if (self > 0) {
        struct wm_piece p = wm_blocks_piece(blocks, self, wm_tree_size(self, n));
        arrived = wm_add_recv(out, wm_to_rank(at, self - span), wm_in_area(WM_OUT, p.at), p.bytes, WM_NONE);
    }
    for (int half = span / 2; half > 0; half /= 2) {
        const int child = self + half;
        if (child >= n)
            continue;
        struct wm_piece p = wm_blocks_piece(blocks, child, wm_tree_size(child, n));
        wm_add_send(out, wm_to_rank(at, child), wm_in_area(WM_OUT, p.at), p.bytes, wm_after(arrived));
    }
    return arrived;
}

static bool has_from_scatter(int self, int block, int ranks)
{
    return self <= block && block < self + wm_tree_size(self, ranks);
}

/* A binomial scatter of n blocks and a ring that gathers them everywhere (Barnett, Payne & van de Geijn 1991). A block
 * that the next rank has from the scatter is not sent again: nothing arrives on data that are there. */
static int scatter_allgather(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, self = wm_from_root(at, at->rank), next = wm_wrap(self + 1, n);
    const struct wm_blocks blocks = wm_blocks_of(at, n);
    int *arrived = malloc((size_t)n * sizeof(*arrived)); /* by block */

    if (arrived == NULL)
        return wm_no_memory(err, n);
    wm_schedule_need(out, WM_OUT, at->bytes);
    arrived[self] = scatter(at, &blocks, out);
    for (int k = 0; k < n; k++)
        arrived[k] = arrived[self];
    for (int t = 0; t < n - 1; t++) {
        const int leaves = wm_wrap(self - t, n), arrives = wm_wrap(leaves - 1, n);
        struct wm_piece p = wm_blocks_piece(&blocks, arrives, 1);
        if (!has_from_scatter(self, arrives, n))
            arrived[arrives] =
                wm_add_recv(out, wm_to_rank(at, wm_wrap(self - 1, n)), wm_in_area(WM_OUT, p.at), p.bytes, WM_NONE);
        p = wm_blocks_piece(&blocks, leaves, 1);
        if (!has_from_scatter(next, leaves, n))
            wm_add_send(out, wm_to_rank(at, next), wm_in_area(WM_OUT, p.at), p.bytes, wm_after(arrived[leaves]));
    }
    free(arrived);
    return WM_OK;
}

/* ---- chain ---- */

/* Chunk k of the whole, or nothing behind the last. */
static struct wm_piece chunk_of(const struct wm_point *at, size_t chunk, size_t k)
{
    const size_t begin = k * chunk < at->bytes ? k * chunk : at->bytes;
    return (struct wm_piece){ begin, at->bytes - begin < chunk ? at->bytes - begin : chunk };
}

static int chain(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const size_t chunk = at->chunk > 0 ? at->chunk : CHUNK_BYTES, chunks = (at->bytes + chunk - 1) / chunk;
    const int self = wm_from_root(at, at->rank);
    int arrived[AHEAD] = { 0 };

    (void)err;
    wm_schedule_need(out, WM_OUT, at->bytes);
    for (size_t k = 0; k < chunks + AHEAD; k++) {
        const struct wm_piece early = chunk_of(at, chunk, k), p = chunk_of(at, chunk, k < AHEAD ? chunks : k - AHEAD);
        const int ready = self > 0 ? arrived[k % AHEAD] : -1;
        if (k >= AHEAD && p.bytes > 0 && self < at->ranks - 1)
            wm_add_send(out, wm_to_rank(at, self + 1), wm_in_area(WM_OUT, p.at), p.bytes, wm_after(ready));
        if (self > 0 && early.bytes > 0)
            arrived[k % AHEAD] =
                wm_add_recv(out, wm_to_rank(at, self - 1), wm_in_area(WM_OUT, early.at), early.bytes, WM_NONE);
    }
    return WM_OK;
}

/* ---- the row ---- */

/* All data must leave the root once, and a pipeline needs no more: `bytes` over time is what the root's link carries.
 */
static double bus_factor(int ranks)
{
    (void)ranks;
    return 1;
}

static void whole(const struct wm_point *at, struct wm_spans *out)
{
    wm_spans_add(out,
                 (struct wm_span){ .at = { WM_OUT, 0 }, .bytes = at->bytes, .pattern = wm_moved(at, at->root, 0) });
}

static void fill(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == at->root)
        whole(at, out);
}

static const struct wm_algorithm algorithms[] = {
    { "native", native }, { "linear", linear }, { "binomial", binomial }, { "scatter-allgather", scatter_allgather },
    { "chain", chain },   { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_broadcast = {
    .name = "broadcast",
    .summary = "the root's data to every rank",
    .bytes_are = "the data of the root",
    .shape = WM_GROUP,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .rooted = true,
    .algorithms = algorithms,
    .has_bandwidth = true,
    .bus_factor = bus_factor,
    .fill = fill,
    .expect = whole,
};
