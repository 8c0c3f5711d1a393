#include "collectives/blocks.h"
#include "collectives/collectives.h"

static void need(const struct wm_point *at, struct wm_schedule *out)
{
    wm_need_buffers(at, at->bytes, at->rank == at->root ? at->bytes : 0, out);
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_REDUCE, at->bytes / wm_dtype_bytes(at->type), out);
}

enum { MAX_CHILDREN = 32 };

/* A node of the tree: the children's vectors come, the sum goes to the parent. */
struct node {
    struct wm_at input, sum;
    bool sum_is_input; /* the root, in place */
    int child[MAX_CHILDREN], children, parent;
};

static struct node node_of(const struct wm_point *at)
{
    const int self = wm_from_root(at, at->rank);
    struct node node = { .input = { wm_input(at), 0 }, .sum = { self == 0 ? WM_OUT : WM_WORK, 0 }, .parent = -1 };
    int distance = 1;

    for (; distance < at->ranks && (self & distance) == 0; distance *= 2)
        if (self + distance < at->ranks)
            node.child[node.children++] = wm_to_rank(at, self + distance);
    if (self > 0)
        node.parent = wm_to_rank(at, self - distance);
    node.sum_is_input = self == 0 && at->in_place;
    return node;
}

/* The first child's vector arrives where the sum will be and meets the input there; the others arrive in two places in
 * turn, one ahead of the reductions. */
static int binomial(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct node node = node_of(at);
    struct wm_at to[MAX_CHILDREN];
    int arrived[MAX_CHILDREN], reduced[MAX_CHILDREN + 1] = { -1 }; /* reduced[k]: before child k's */

    (void)err;
    need(at, out);
    wm_schedule_need(out, WM_WORK, 3 * at->bytes); /* the same on all ranks: the root may rotate */
    for (int k = 0; k <= node.children; k++) {
        const bool first = k == 0 && !node.sum_is_input;
        if (k < node.children) {
            to[k] = first ? node.sum : wm_in_area(WM_WORK, (size_t)(1 + k % 2) * at->bytes);
            arrived[k] = wm_add_recv(out, node.child[k], to[k], at->bytes, wm_after(k < 2 ? -1 : reduced[k - 1]));
        }
        if (k > 0) {
            const bool meets = k == 1 && !node.sum_is_input;
            reduced[k] =
                wm_add_reduce(out, node.sum, meets ? node.input : to[k - 1], at->bytes, wm_after(arrived[k - 1]));
            wm_schedule_also_after(out, reduced[k], wm_after(reduced[k - 1]));
        }
    }
    if (node.parent >= 0)
        wm_add_send(out, node.parent, node.children > 0 ? node.sum : node.input, at->bytes,
                    wm_after(reduced[node.children]));
    return WM_OK;
}

/* Every other rank's vector must leave it once, whole, or reduced with others on its way: `bytes` over time is what one
 * rank's link carries. */
static double bus_factor(int ranks)
{
    (void)ranks;
    return 1;
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == at->root)
        wm_reduced_span(at, at->bytes, 0, out);
}

static const struct wm_algorithm algorithms[] = { { "native", native }, { "binomial", binomial }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_reduce = {
    .name = "reduce",
    .summary = "element-wise reduction of one vector per rank, result at the root",
    .bytes_are = "the vector of one rank",
    .shape = WM_GROUP,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .reduces = true,
    .rooted = true,
    .can_in_place = true,
    .algorithms = algorithms,
    .has_bandwidth = true,
    .bus_factor = bus_factor,
    .fill = wm_operand_span,
    .expect = expect,
};
