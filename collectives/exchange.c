#include "collectives/exchange.h"

#include <stdlib.h>

#include "src/core/random.h"

enum { AHEAD = 4 /* rounds of the pairwise exchange in flight */ };

/* ---- parts ---- */

/* weight[1..n]: of parts 0..n - 1, n^2 in all. The own part has n, the others 2, 4 ... 2 (n - 1), shuffled (Fisher &
 * Yates by Durstenfeld 1964). */
static void shuffle_weights(size_t *weight, int n, uint32_t seed)
{
    struct wm_random random = { seed };

    weight[1] = (size_t)n;
    for (int k = 1; k < n; k++) {
        int other = 1 + (int)wm_random_below(&random, (uint64_t)k);
        weight[k + 1] = weight[other + 1];
        weight[other + 1] = 2 * (size_t)k;
    }
}

int wm_exchange_open(const struct wm_point *at, bool skewed, struct wm_exchange *out)
{
    const size_t count = at->bytes / wm_dtype_bytes(at->type), n = (size_t)at->ranks;
    size_t *edge = malloc((n + 1) * sizeof(*edge)), sum = 0;

    *out = (struct wm_exchange){ at, edge };
    if (edge == NULL)
        return WM_ENOMEM;
    edge[0] = 0;
    if (skewed)
        shuffle_weights(edge, at->ranks, at->seed);
    for (size_t k = 1; k <= n; k++) {
        sum += skewed ? edge[k] : n;
        edge[k] = (size_t)((unsigned __int128)count * sum / (n * n));
    }
    return WM_OK;
}

void wm_exchange_close(struct wm_exchange *x)
{
    free(x->edge);
    x->edge = NULL;
}

/* Parts first .. first + n - 1 on the ring of all parts, in bytes. */
static size_t run_bytes(const struct wm_exchange *x, int first, int n)
{
    const int ranks = x->at->ranks, begin = wm_wrap(first, ranks), end = begin + n;
    size_t elements =
        end <= ranks ? x->edge[end] - x->edge[begin] : x->edge[ranks] - x->edge[begin] + x->edge[end - ranks];
    return elements * wm_dtype_bytes(x->at->type);
}

struct wm_piece wm_exchange_sent(const struct wm_exchange *x, int rank, int to)
{
    const int first = x->at->in_place ? rank : -rank; /* part for rank 0 */
    return (struct wm_piece){ run_bytes(x, first, to), run_bytes(x, first + to, 1) };
}

struct wm_piece wm_exchange_received(const struct wm_exchange *x, int rank, int from)
{
    if (x->at->in_place)
        return wm_exchange_sent(x, rank, from);
    return (struct wm_piece){ run_bytes(x, rank - from + 1, from), run_bytes(x, rank - from, 1) };
}

static struct wm_at send_place(const struct wm_exchange *x, int to)
{
    return wm_in_area(wm_input(x->at), wm_exchange_sent(x, x->at->rank, to).at);
}

static struct wm_at recv_place(const struct wm_exchange *x, int from)
{
    return wm_in_area(WM_OUT, wm_exchange_received(x, x->at->rank, from).at);
}

static void copy_own(const struct wm_exchange *x, struct wm_schedule *out)
{
    const int r = x->at->rank;
    if (!x->at->in_place)
        wm_add_copy(out, recv_place(x, r), send_place(x, r), wm_exchange_sent(x, r, r).bytes, WM_NONE);
}

/* ---- pairwise ---- */

struct turn {
    int arrived, sent;
};

/* In round t the part for rank + t leaves and the one from rank - t arrives: no two ranks send to the same one. In
 * place a part waits in WORK until the one whose place it takes has gone. */
int wm_build_pairwise(const struct wm_exchange *x, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_point *at = x->at;
    const int n = at->ranks, r = at->rank;
    struct turn *turn = malloc((size_t)n * sizeof(*turn));

    if (turn == NULL)
        return wm_no_memory(err, n);
    wm_need_buffers(at, at->bytes, at->bytes, out);
    wm_schedule_need(out, WM_WORK, at->in_place ? at->bytes : 0);
    for (int t = 1; t < n; t++) {
        const struct turn before = t > AHEAD ? turn[t - AHEAD] : (struct turn){ -1, -1 };
        const int to = wm_wrap(r + t, n), from = wm_wrap(r - t, n);
        struct wm_at place = recv_place(x, from);
        place.area = at->in_place ? WM_WORK : WM_OUT;
        turn[t].arrived =
            wm_add_recv(out, from, place, wm_exchange_received(x, r, from).bytes, wm_after(before.arrived));
        turn[t].sent = wm_add_send(out, to, send_place(x, to), wm_exchange_sent(x, r, to).bytes, wm_after(before.sent));
    }
    copy_own(x, out);
    for (int t = 1; t < n && at->in_place; t++) {
        const int from = wm_wrap(r - t, n);
        struct wm_at to = recv_place(x, from), waits = { WM_WORK, to.offset };
        int copied = wm_add_copy(out, to, waits, wm_exchange_received(x, r, from).bytes, wm_after(turn[t].arrived));
        wm_schedule_also_after(out, copied, wm_after(turn[n - t].sent)); /* what stood there */
    }
    free(turn);
    return WM_OK;
}

/* ---- Bruck ---- */

/* Before the round of bit b, every rank holds for each distance d = 1 .. n - 1 one part that has d places to go in all
 * and has gone the lower bits of d: the part of rank - (d mod b). */
struct held {
    struct wm_at at;
    int arrived; /* -1: it is this rank's own */
};

static size_t held_bytes(const struct wm_exchange *x, int holder, int distance, int bit)
{
    const int n = x->at->ranks, origin = wm_wrap(holder - (distance & (bit - 1)), n);
    return wm_exchange_sent(x, origin, wm_wrap(origin + distance, n)).bytes;
}

/* Bytes that leave `holder` in the round of this bit. */
static size_t round_bytes(const struct wm_exchange *x, int holder, int bit)
{
    size_t sum = 0;
    for (int d = bit; d < x->at->ranks; d++)
        if (d & bit)
            sum += held_bytes(x, holder, d, bit);
    return sum;
}

/* Packs what leaves at the front of WORK, once the message before has gone, and sends it. Returns the send. */
static int pack_and_send(const struct wm_exchange *x, int bit, int sent, const struct held *held,
                         struct wm_schedule *out)
{
    const int n = x->at->ranks, r = x->at->rank, first = out->n;
    size_t bytes = 0;

    for (int d = bit; d < n; d++) {
        size_t part = (d & bit) != 0 ? held_bytes(x, r, d, bit) : 0;
        if (part == 0)
            continue;
        int packed = wm_add_copy(out, wm_in_area(WM_WORK, bytes), held[d].at, part, wm_after(held[d].arrived));
        wm_schedule_also_after(out, packed, wm_after(sent));
        bytes += part;
    }
    int packet =
        wm_add_send(out, wm_wrap(r + bit, n), wm_in_area(WM_WORK, 0), bytes, (struct wm_range){ first, out->n - 1 });
    wm_schedule_also_after(out, packet, wm_after(sent));
    return packet;
}

/* Parts arrive in WORK from `base` on. */
static void receive(const struct wm_exchange *x, int bit, size_t base, struct held *next, struct wm_schedule *out)
{
    const int n = x->at->ranks, from = wm_wrap(x->at->rank - bit, n);
    const int arrived = wm_add_recv(out, from, wm_in_area(WM_WORK, base), round_bytes(x, from, bit), WM_NONE);

    for (int d = bit; d < n; d++)
        if (d & bit) {
            next[d] = (struct held){ wm_in_area(WM_WORK, base), arrived };
            base += held_bytes(x, from, d, bit);
        }
}

/* What arrived for good in the round of this bit: the distances of which it is the highest. */
static void keep(const struct wm_exchange *x, int bit, const struct held *held, struct wm_range after,
                 struct wm_schedule *out)
{
    const int n = x->at->ranks, r = x->at->rank;

    for (int d = bit; d < 2 * bit && d < n; d++) {
        const int from = wm_wrap(r - d, n);
        size_t part = wm_exchange_received(x, r, from).bytes;
        if (part == 0)
            continue;
        int kept = wm_add_copy(out, recv_place(x, from), held[d].at, part, wm_after(held[d].arrived));
        wm_schedule_also_after(out, kept, after);
    }
}

/* log2 n messages instead of n - 1, each part moved as often as its distance has bits (Bruck et al. 1997). Parts are
 * read where they stand: no rotation before or after. In place nothing is written before all own parts are packed. */
static void build_bruck(const struct wm_exchange *x, struct held *held, struct held *next, struct wm_schedule *out)
{
    const struct wm_point *at = x->at;
    const int n = at->ranks;
    size_t base = 0;
    int sent = -1;

    for (int bit = 1; bit < n; bit *= 2)
        base = round_bytes(x, at->rank, bit) > base ? round_bytes(x, at->rank, bit) : base;
    for (int d = 1; d < n; d++)
        held[d] = next[d] = (struct held){ send_place(x, wm_wrap(at->rank + d, n)), -1 };
    for (int bit = 1; bit < n; bit *= 2) {
        receive(x, bit, base, next, out);
        base += round_bytes(x, wm_wrap(at->rank - bit, n), bit);
        sent = pack_and_send(x, bit, sent, held, out);
        if (bit == 1)
            copy_own(x, out);
        else if (!at->in_place)
            keep(x, bit / 2, held, WM_NONE, out);
        for (int d = 1; d < n; d++)
            held[d] = next[d];
    }
    for (int bit = 1; bit < n; bit *= 2)
        if (at->in_place || 2 * bit >= n)
            keep(x, bit, held, at->in_place ? wm_after(sent) : WM_NONE, out);
    wm_schedule_need(out, WM_WORK, base);
}

int wm_build_bruck(const struct wm_exchange *x, struct wm_schedule *out, struct wm_err *err)
{
    const size_t n = (size_t)x->at->ranks;
    struct held *held = malloc(2 * n * sizeof(*held));

    if (held == NULL)
        return wm_no_memory(err, x->at->ranks);
    wm_need_buffers(x->at, x->at->bytes, x->at->bytes, out);
    build_bruck(x, held, held + n, out);
    free(held);
    return WM_OK;
}

/* ---- data ---- */

double wm_exchange_bus_factor(int ranks)
{
    return (double)(ranks - 1) / ranks;
}

/* In place and without a new fill, what comes back must be what was sent. */
static struct wm_pattern data(const struct wm_point *at, int from, int to)
{
    if (at->in_place && at->repeated && from > to)
        return wm_moved(at, to, from);
    return wm_moved(at, from, to);
}

void wm_exchange_fill(const struct wm_point *at, bool skewed, struct wm_spans *out)
{
    struct wm_exchange x;
    const int r = at->rank;

    if (wm_exchange_open(at, skewed, &x) != WM_OK)
        out->failed = true;
    for (int k = 0; k < at->ranks && !out->failed; k++)
        wm_spans_add(out, (struct wm_span){ .at = send_place(&x, k),
                                            .bytes = wm_exchange_sent(&x, r, k).bytes,
                                            .pattern = data(at, r, k) });
    wm_exchange_close(&x);
}

void wm_exchange_expect(const struct wm_point *at, bool skewed, struct wm_spans *out)
{
    struct wm_exchange x;
    const int r = at->rank;

    if (wm_exchange_open(at, skewed, &x) != WM_OK)
        out->failed = true;
    for (int k = 0; k < at->ranks && !out->failed; k++)
        wm_spans_add(out, (struct wm_span){ .at = recv_place(&x, k),
                                            .bytes = wm_exchange_received(&x, r, k).bytes,
                                            .pattern = data(at, k, r) });
    wm_exchange_close(&x);
}
