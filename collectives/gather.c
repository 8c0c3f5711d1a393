#include "collectives/collectives.h"
#include "collectives/tree.h"

static void need(const struct wm_point *at, struct wm_schedule *out)
{
    const bool root = at->rank == at->root;
    wm_need_buffers(at, wm_block_bytes(at), root ? at->bytes : 0, out);
}

/* This rank's own block before anything moves. */
static struct wm_at own(const struct wm_point *at)
{
    const bool in_its_place = at->in_place && at->rank == at->root;
    return wm_in_area(wm_input(at), in_its_place ? (size_t)at->rank * wm_block_bytes(at) : 0);
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_GATHER, wm_block_count(at), out);
}

/* The blocks of each child's subtree come, small subtrees first, and go on to the parent together. */
static int binomial(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_tree_blocks blocks = { .all = WM_OUT, .own = wm_input(at) };
    const int n = at->ranks, self = wm_from_root(at, at->rank), span = wm_tree_span(self, n);
    const struct wm_at from = own(at), to = wm_tree_block(at, &blocks, self);

    (void)err;
    need(at, out);
    wm_tree_need(at, out);
    for (int half = 1; half < span; half *= 2)
        if (self + half < n)
            wm_tree_recv(at, &blocks, self + half, self + half, out);
    if (from.area != to.area || from.offset != to.offset)
        wm_add_copy(out, to, from, wm_block_bytes(at), WM_NONE);
    if (self > 0)
        wm_tree_send(at, &blocks, self - span, self, (struct wm_range){ 0, out->n - 1 }, out);
    return WM_OK;
}

/* The root's link must carry the blocks of the n - 1 others: (n - 1) / n of `bytes`. */
static double bus_factor(int ranks)
{
    return (double)(ranks - 1) / ranks;
}

static void fill(const struct wm_point *at, struct wm_spans *out)
{
    wm_spans_add(out,
                 (struct wm_span){ .at = own(at), .bytes = wm_block_bytes(at), .pattern = wm_moved(at, at->rank, 0) });
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    const size_t bytes = wm_block_bytes(at);
    for (int k = 0; at->rank == at->root && k < at->ranks; k++)
        wm_spans_add(out, (struct wm_span){
                              .at = { WM_OUT, (size_t)k * bytes }, .bytes = bytes, .pattern = wm_moved(at, k, 0) });
}

static const struct wm_algorithm algorithms[] = { { "native", native }, { "binomial", binomial }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_gather = {
    .name = "gather",
    .summary = "every rank's block to the root",
    .bytes_are = "the gathered blocks of all ranks",
    .shape = WM_GROUP,
    .bytes_rule = WM_BYTES_PER_RANK,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .rooted = true,
    .can_in_place = true,
    .algorithms = algorithms,
    .has_bandwidth = true,
    .bus_factor = bus_factor,
    .fill = fill,
    .expect = expect,
};
