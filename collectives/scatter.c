#include "collectives/collectives.h"
#include "collectives/tree.h"

/* In place the root's blocks stand in OUT and its own stays among them. */
static void need(const struct wm_point *at, struct wm_schedule *out)
{
    const bool root = at->rank == at->root;
    wm_need_buffers(at, root ? at->bytes : 0, wm_block_bytes(at), out);
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_SCATTER, wm_block_count(at), out);
}

/* The blocks of a subtree come together, those of the children's subtrees go on, large subtrees first. */
static int binomial(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_tree_blocks blocks = { .all = wm_input(at), .own = WM_OUT };
    const int n = at->ranks, self = wm_from_root(at, at->rank), span = wm_tree_span(self, n);
    const struct wm_at from = wm_tree_block(at, &blocks, self), to = { WM_OUT, 0 };

    (void)err;
    need(at, out);
    wm_tree_need(at, out);
    if (self > 0)
        wm_tree_recv(at, &blocks, self - span, self, out);
    const struct wm_range arrived = { 0, out->n - 1 };
    for (int half = span / 2; half > 0; half /= 2)
        if (self + half < n)
            wm_tree_send(at, &blocks, self + half, self + half, arrived, out);
    if (from.area != WM_OUT)
        wm_add_copy(out, to, from, wm_block_bytes(at), arrived);
    return WM_OK;
}

/* The root's link must carry the blocks of the n - 1 others: (n - 1) / n of `bytes`. */
static double bus_factor(int ranks)
{
    return (double)(ranks - 1) / ranks;
}

static void add_block(const struct wm_point *at, struct wm_at place, int to, struct wm_spans *out)
{
    wm_spans_add(out,
                 (struct wm_span){ .at = place, .bytes = wm_block_bytes(at), .pattern = wm_moved(at, at->root, to) });
}

static void fill(const struct wm_point *at, struct wm_spans *out)
{
    for (int k = 0; at->rank == at->root && k < at->ranks; k++)
        add_block(at, wm_in_area(wm_input(at), (size_t)k * wm_block_bytes(at)), k, out);
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    const bool stays = at->in_place && at->rank == at->root;
    add_block(at, wm_in_area(WM_OUT, stays ? (size_t)at->rank * wm_block_bytes(at) : 0), at->rank, out);
}

static const struct wm_algorithm algorithms[] = { { "native", native }, { "binomial", binomial }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_scatter = {
    .name = "scatter",
    .summary = "a block of the root's to each rank",
    .bytes_are = "the root's blocks for all ranks",
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
