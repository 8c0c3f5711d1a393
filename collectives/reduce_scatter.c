#include <stdlib.h>

#include "collectives/blocks.h"
#include "collectives/collectives.h"

enum { RING_SEGMENT_BYTES = 1 << 20, AHEAD = 4 /* receives of the pairwise algorithm posted before their turn */ };

static void need(const struct wm_point *at, struct wm_schedule *out)
{
    wm_need_buffers(at, at->bytes, wm_block_bytes(at), out);
}

static struct wm_at block(const struct wm_point *at, int k)
{
    return wm_in_area(wm_input(at), (size_t)wm_wrap(k, at->ranks) * wm_block_bytes(at));
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_REDUCE_SCATTER, wm_block_count(at), out);
}

/* In place the result goes to the front when nobody needs the input any more. */
static void to_front(const struct wm_point *at, struct wm_at result, struct wm_schedule *out)
{
    if (result.area != WM_OUT || result.offset > 0)
        wm_add_copy(out, wm_in_area(WM_OUT, 0), result, wm_block_bytes(at), (struct wm_range){ 0, out->n - 1 });
}

/* ---- ring ---- */

struct packet {
    int ready, sent;
};

/* Where a segment of round t is received and reduced: three places in turn, the result itself in the last round. */
static struct wm_at place(const struct wm_point *at, int t, size_t in_block)
{
    if (t == at->ranks - 2 && !at->in_place)
        return wm_in_area(WM_OUT, in_block);
    return wm_in_area(WM_WORK, (size_t)(t % 3) * wm_block_bytes(at) + in_block);
}

/* In round t the sum so far of block rank - t - 1 leaves and that of block rank - t - 2 arrives, which in the last
 * round is this rank's own. A segment is reduced and sent on while the next ones arrive. */
static int ring(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, left = wm_wrap(at->rank - 1, n), right = wm_wrap(at->rank + 1, n);
    const struct wm_blocks blocks = wm_blocks_of(at, n);
    const int segments = wm_blocks_segments(&blocks, at, RING_SEGMENT_BYTES), all = (n - 1) * segments;
    struct packet *packet = malloc((size_t)all * sizeof(*packet));

    if (packet == NULL)
        return wm_no_memory(err, n);
    need(at, out);
    wm_schedule_need(out, WM_WORK, 3 * wm_block_bytes(at));
    for (int k = 0; k < all + segments; k++) {
        const int t = k / segments, before = k - segments;
        const struct wm_piece p = wm_blocks_segment(&blocks, 0, segments, k % segments);
        struct wm_at own = block(at, at->rank - t - 1);
        own.offset += p.at;
        if (k < all) /* round t - 2 sent from there */
            packet[k].ready = wm_add_recv(out, left, place(at, t, p.at), p.bytes,
                                          wm_after(t < 3 ? -1 : packet[k - 2 * segments].sent));
        if (before >= 0)
            packet[before].ready =
                wm_add_reduce(out, place(at, t - 1, p.at), own, p.bytes, wm_after(packet[before].ready));
        if (k < all)
            packet[k].sent = wm_add_send(out, right, t == 0 ? own : place(at, t - 1, p.at), p.bytes,
                                         wm_after(t == 0 ? -1 : packet[before].ready));
    }
    to_front(at, place(at, n - 2, 0), out);
    free(packet);
    return WM_OK;
}

/* ---- pairwise ---- */

/* In round t the block of rank + t goes straight to its owner and ours comes from rank - t. Out of place the first one
 * arrives where the result stays. */
static int pairwise(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, r = at->rank;
    const size_t bytes = wm_block_bytes(at);
    const struct wm_at result = at->in_place ? block(at, r) : wm_in_area(WM_OUT, 0);
    int arrived[AHEAD] = { 0 }, reduced = -1;
    struct wm_at from[AHEAD] = { { WM_WORK, 0 } };

    (void)err;
    need(at, out);
    wm_schedule_need(out, WM_WORK, AHEAD * bytes);
    for (int t = 1; t < n + AHEAD; t++) {
        const int slot = t % AHEAD;
        if (t > AHEAD) { /* this slot's operand */
            int before = reduced;
            reduced = wm_add_reduce(out, result, from[slot], bytes, wm_after(arrived[slot]));
            wm_schedule_also_after(out, reduced, wm_after(before));
        }
        if (t >= n)
            continue;
        const bool stays = t == 1 && !at->in_place;
        from[slot] = stays ? block(at, r) : wm_in_area(WM_WORK, (size_t)slot * bytes);
        arrived[slot] = wm_add_recv(out, wm_wrap(r - t, n), stays ? result : from[slot], bytes, wm_after(reduced));
        wm_add_send(out, wm_wrap(r + t, n), block(at, r + t), bytes, WM_NONE);
    }
    to_front(at, result, out);
    return WM_OK;
}

/* ---- the row ---- */

/* A rank needs n - 1 operands for each element of its block, and as much leaves it: (n - 1) / n of its vector. */
static double bus_factor(int ranks)
{
    return (double)(ranks - 1) / ranks;
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    wm_reduced_span(at, wm_block_bytes(at), (uint64_t)at->rank * wm_block_count(at), out);
}

static const struct wm_algorithm algorithms[] = {
    { "native", native },
    { "ring", ring },
    { "pairwise", pairwise },
    { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_reduce_scatter = {
    .name = "reduce-scatter",
    .summary = "element-wise reduction of one vector per rank, a block of the result to each",
    .bytes_are = "the vector of one rank",
    .shape = WM_GROUP,
    .bytes_rule = WM_BYTES_PER_RANK,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .reduces = true,
    .can_in_place = true,
    .algorithms = algorithms,
    .has_bandwidth = true,
    .bus_factor = bus_factor,
    .fill = wm_operand_span,
    .expect = expect,
};
