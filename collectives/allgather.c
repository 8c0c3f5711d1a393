#include "collectives/blocks.h"
#include "collectives/collectives.h"

static void need(const struct wm_point *at, struct wm_schedule *out)
{
    wm_need_buffers(at, wm_block_bytes(at), at->bytes, out);
}

static struct wm_at block(const struct wm_point *at, int k)
{
    return wm_in_area(WM_OUT, (size_t)wm_wrap(k, at->ranks) * wm_block_bytes(at));
}

/* This rank's own block before it has been copied to its place. */
static struct wm_at own(const struct wm_point *at)
{
    return at->in_place ? block(at, at->rank) : wm_in_area(WM_IN, 0);
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_ALLGATHER, wm_block_count(at), out);
}

/* In round t block rank - t leaves and the one before it arrives; each receive is posted a round early. */
static int ring(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, r = at->rank, left = wm_wrap(r - 1, n), right = wm_wrap(r + 1, n);
    const size_t bytes = wm_block_bytes(at);
    int before = -1;

    (void)err;
    need(at, out);
    for (int t = 0; t < n - 1; t++) {
        int arrived = wm_add_recv(out, left, block(at, r - t - 1), bytes, WM_NONE);
        wm_add_send(out, right, t == 0 ? own(at) : block(at, r - t), bytes, wm_after(before));
        before = arrived;
        if (t == 0 && !at->in_place)
            wm_add_copy(out, block(at, r), own(at), bytes, WM_NONE);
    }
    return WM_OK;
}

/* `count` blocks from block k on, round the end of the vector: at most two messages. Returns the last step. */
static int around(const struct wm_point *at, bool sends, int peer, int k, int count, struct wm_range after,
                  struct wm_schedule *out)
{
    const int n = at->ranks, first = wm_wrap(k, n), straight = first + count <= n ? count : n - first;
    int last = -1;
    for (int part = 0; part < (straight < count ? 2 : 1); part++) {
        const struct wm_at from = block(at, part == 0 ? first : 0);
        const size_t bytes = (size_t)(part == 0 ? straight : count - straight) * wm_block_bytes(at);
        last = sends ? wm_add_send(out, peer, from, bytes, after) : wm_add_recv(out, peer, from, bytes, after);
    }
    return last;
}

/* Rounds of doubling distance (Bruck et al. 1997): what has been gathered goes to the rank `distance` before, the
 * blocks that follow it come from the rank `distance` after. Blocks arrive in their places: no rotation at the end. */
static int bruck(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, r = at->rank;
    const size_t bytes = wm_block_bytes(at);
    struct wm_range arrived; /* the copy of the own block and all receives but the first */

    (void)err;
    need(at, out);
    int first = wm_add_recv(out, wm_wrap(r + 1, n), block(at, r + 1), bytes, WM_NONE);
    wm_add_send(out, wm_wrap(r - 1, n), own(at), bytes, WM_NONE);
    arrived.first = at->in_place ? out->n : wm_add_copy(out, block(at, r), own(at), bytes, WM_NONE);
    for (int have = 2; have < n; have *= 2)
        around(at, false, wm_wrap(r + have, n), r + have, have < n - have ? have : n - have, WM_NONE, out);
    arrived.last = arrived.first - (at->in_place ? 1 : 0);
    for (int have = 2; have < n; have *= 2) {
        const int count = have < n - have ? have : n - have, begin = out->n;
        around(at, true, wm_wrap(r - have, n), r, count, arrived, out);
        for (int i = begin; i < out->n; i++)
            wm_schedule_also_after(out, i, wm_after(first));
        arrived.last += wm_wrap(r + have, n) + count > n ? 2 : 1; /* the messages of this round */
    }
    return WM_OK;
}

/* A rank receives the n - 1 blocks of the others, and as many leave each rank on average: (n - 1) / n of `bytes`. */
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
    for (int k = 0; k < at->ranks; k++)
        wm_spans_add(
            out, (struct wm_span){ .at = block(at, k), .bytes = wm_block_bytes(at), .pattern = wm_moved(at, k, 0) });
}

static const struct wm_algorithm algorithms[] = {
    { "native", native },
    { "ring", ring },
    { "bruck", bruck },
    { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_allgather = {
    .name = "allgather",
    .summary = "every rank's block to every rank",
    .bytes_are = "the gathered blocks of all ranks",
    .shape = WM_GROUP,
    .bytes_rule = WM_BYTES_PER_RANK,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .can_in_place = true,
    .algorithms = algorithms,
    .has_bandwidth = true,
    .bus_factor = bus_factor,
    .fill = fill,
    .expect = expect,
};
