#include <stdlib.h>

#include "collectives/blocks.h"
#include "collectives/collectives.h"

enum { RING_SEGMENT_BYTES = 1 << 20, MAX_ROUNDS = 32 };

static void need(const struct wm_point *at, struct wm_schedule *out)
{
    wm_need_buffers(at, at->bytes, at->bytes, out);
}

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    need(at, out);
    return wm_build_native(at, WM_COLL_ALLREDUCE, at->bytes / wm_dtype_bytes(at->type), out);
}

/* ---- ring ---- */

/* One segment of a block on its way round, as this rank sees it. */
struct packet {
    int ready; /* the step after which it can go on */
    int sent;
};

/* Reduce-scatter, then all-gather, each once round the ring (Patarasuk & Yuan 2009). In round t block rank - t leaves
 * and block rank - t - 1 arrives; a segment is reduced and sent on while the next ones arrive. Out of place blocks
 * arrive where they stay and meet the input there: nothing is copied. */
static int ring(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int n = at->ranks, left = wm_wrap(at->rank - 1, n), right = wm_wrap(at->rank + 1, n);
    const struct wm_blocks blocks = wm_blocks_of(at, n);
    const int segments = wm_blocks_segments(&blocks, at, RING_SEGMENT_BYTES);
    const int half = (n - 1) * segments, all = 2 * half;
    struct packet *packet = malloc((size_t)all * sizeof(*packet));

    if (packet == NULL)
        return wm_no_memory(err, n);
    need(at, out);
    wm_schedule_need(out, WM_WORK, at->in_place ? at->bytes : 0);
    for (int k = 0; k < all + segments; k++) {
        const int leaves = wm_wrap(at->rank - k / segments, n), arrives = wm_wrap(leaves - 1, n), before = k - segments;
        struct wm_piece p = wm_blocks_segment(&blocks, arrives, segments, k % segments);
        if (k < half)
            packet[k].ready =
                wm_add_recv(out, left, wm_in_area(at->in_place ? WM_WORK : WM_OUT, p.at), p.bytes, WM_NONE);
        else if (k < all)
            packet[k].ready =
                wm_add_recv(out, left, wm_in_area(WM_OUT, p.at), p.bytes, wm_after(packet[k - half].sent));
        p = wm_blocks_segment(&blocks, leaves, segments, k % segments); /* it arrived one round before */
        if (before >= 0 && before < half)
            packet[before].ready =
                wm_add_reduce(out, wm_in_area(WM_OUT, p.at), wm_in_area(at->in_place ? WM_WORK : WM_IN, p.at), p.bytes,
                              wm_after(packet[before].ready));
        if (k < all)
            packet[k].sent = wm_add_send(out, right, wm_in_area(before < 0 ? wm_input(at) : WM_OUT, p.at), p.bytes,
                                         wm_after(before < 0 ? -1 : packet[before].ready));
    }
    free(packet);
    return WM_OK;
}

/* ---- powers of two ---- */

/* The largest power of two of the ranks works; each of the rest gives its vector to a neighbour and gets the result
 * (Rabenseifner, Thakur & Gropp 2005). */
struct fold {
    int size;    /* ranks that work */
    int self;    /* among them; -1: this rank is one of the rest */
    int partner; /* who gives its vector to us, or to whom we give ours; -1: nobody */
    int rest;
};

static struct fold fold_of(const struct wm_point *at)
{
    struct fold f = { .size = 1, .partner = -1 };
    while (f.size * 2 <= at->ranks)
        f.size *= 2;
    f.rest = at->ranks - f.size;
    f.self = at->rank - f.rest;
    if (at->rank < 2 * f.rest) {
        f.self = at->rank % 2 == 0 ? -1 : at->rank / 2;
        f.partner = at->rank ^ 1;
    }
    return f;
}

static int log2_of(int power)
{
    int log2 = 0;
    while (power >> log2 > 1)
        log2++;
    return log2;
}

static int rank_in(const struct fold *f, int self)
{
    return self < f->rest ? 2 * self + 1 : self + f->rest;
}

/* One of the rest: in place the result comes where the input stood. */
static int give_and_get(const struct wm_point *at, const struct fold *f, struct wm_schedule *out)
{
    int sent = wm_add_send(out, f->partner, wm_in_area(wm_input(at), 0), at->bytes, WM_NONE);
    wm_add_recv(out, f->partner, wm_in_area(WM_OUT, 0), at->bytes, at->in_place ? wm_after(sent) : WM_NONE);
    return WM_OK;
}

/* ---- recursive doubling ---- */

struct round {
    struct wm_at sum; /* of all rounds so far: what this one receives, reduced with the sum before */
    int arrived, ready, sent;
};

/* Three buffers in turn, so that a receive is posted while the sum of the round before is still being made and sent.
 * Out of place the last one is OUT; in place OUT holds the input, which is the sum before round 0. */
static struct wm_at sum_after(const struct wm_point *at, int k, int rounds)
{
    const int turn = at->in_place ? (k + 1) % 3 : (rounds - 1 - k) % 3;
    return turn == 0 ? wm_in_area(WM_OUT, 0) : wm_in_area(WM_WORK, (size_t)(turn - 1) * at->bytes);
}

/* What the last round left, where it belongs; also to one of the rest. */
static void hand_out(const struct wm_point *at, const struct fold *f, struct round last, struct wm_schedule *out)
{
    if (last.sum.area != WM_OUT)
        last.ready = wm_add_copy(out, wm_in_area(WM_OUT, 0), last.sum, at->bytes, (struct wm_range){ 0, out->n - 1 });
    if (f->partner >= 0)
        wm_add_send(out, f->partner, wm_in_area(WM_OUT, 0), at->bytes, wm_after(last.ready));
}

/* In round k whole sums are exchanged with the rank whose number differs in bit k. A rank that works for one of the
 * rest begins with a round in which it only receives. */
static int recursive_doubling(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct fold f = fold_of(at);
    const int folded = f.partner >= 0 ? 1 : 0, rounds = folded + log2_of(f.size);
    struct round before[MAX_ROUNDS] = { { wm_in_area(wm_input(at), 0), -1, -1, -1 } }, *r = before + 2;

    (void)err;
    need(at, out);
    if (f.self < 0)
        return give_and_get(at, &f, out);
    wm_schedule_need(out, WM_WORK, 2 * at->bytes);
    r[-1] = r[-2];
    for (int k = 0; k <= rounds; k++) {
        const int peer = k < folded ? f.partner : rank_in(&f, f.self ^ 1 << (k - folded));
        if (k < rounds) { /* the buffer held the sum that round k - 2 sent and reduced */
            r[k].sum = sum_after(at, k, rounds);
            r[k].arrived = wm_add_recv(out, peer, r[k].sum, at->bytes, wm_after(r[k - 2].sent));
            wm_schedule_also_after(out, r[k].arrived, wm_after(r[k - 2].ready));
        }
        if (k > 0) {
            r[k - 1].ready = wm_add_reduce(out, r[k - 1].sum, r[k - 2].sum, at->bytes, wm_after(r[k - 1].arrived));
            wm_schedule_also_after(out, r[k - 1].ready, wm_after(r[k - 2].ready));
        }
        if (k < rounds)
            r[k].sent = k < folded ? -1 : wm_add_send(out, peer, r[k - 1].sum, at->bytes, wm_after(r[k - 1].ready));
    }
    hand_out(at, &f, r[rounds - 1], out);
    return WM_OK;
}

/* ---- Rabenseifner ---- */

/* With `mask` ranks on each side: the blocks that a rank keeps when its group halves, and has before they join. */
static struct wm_piece kept(const struct wm_blocks *b, int self, int mask)
{
    return wm_blocks_piece(b, self & ~(mask - 1), mask);
}

/* Takes the vector of one of the rest into OUT. Returns the step after which OUT is the input, or -1. */
static int take_in(const struct wm_point *at, const struct fold *f, struct wm_schedule *out)
{
    const struct wm_at vector = wm_in_area(WM_OUT, 0), other = wm_in_area(at->in_place ? WM_WORK : WM_IN, 0);
    if (f->partner < 0)
        return -1;
    wm_schedule_need(out, other.area, at->bytes);
    int arrived = wm_add_recv(out, f->partner, at->in_place ? other : vector, at->bytes, WM_NONE);
    return wm_add_reduce(out, vector, other, at->bytes, wm_after(arrived));
}

struct halving {
    struct wm_blocks blocks;
    struct fold fold;
    enum wm_area input;   /* OUT also after take_in() */
    int ready;            /* the step after which what is kept is reduced so far; -1 = it is the input */
    int sent[MAX_ROUNDS]; /* by bit of the rank */
};

/* A reduction that follows when its operand is here. */
struct due {
    struct wm_at to, from;
    size_t bytes;
    int arrived;
};

static int reduce_due(const struct due *d, int ready, struct wm_schedule *out)
{
    int step = wm_add_reduce(out, d->to, d->from, d->bytes, wm_after(d->arrived));
    wm_schedule_also_after(out, step, wm_after(ready));
    return step;
}

/* The half that others keep leaves, the one that we keep arrives: the first of all where it stays, to meet the input
 * there, the others in WORK. Each receive is posted before the round before is reduced. */
static void halve(struct halving *h, struct wm_schedule *out)
{
    const int rounds = log2_of(h->fold.size), self = h->fold.self;
    const struct wm_range taken = wm_after(h->ready);
    struct due due = { .arrived = -1 };
    size_t work = 0;

    for (int b = rounds - 1; b >= 0; b--) {
        const int mask = 1 << b, peer = rank_in(&h->fold, self ^ mask);
        const struct wm_piece mine = kept(&h->blocks, self, mask), theirs = kept(&h->blocks, self ^ mask, mask);
        const bool stays = b == rounds - 1 && h->input == WM_IN;
        const struct wm_at place = wm_in_area(WM_OUT, mine.at), scratch = wm_in_area(WM_WORK, work);
        struct due next = { .to = place, .from = stays ? wm_in_area(WM_IN, mine.at) : scratch, .bytes = mine.bytes };
        next.arrived = wm_add_recv(out, peer, stays ? place : scratch, mine.bytes, taken);
        if (due.arrived >= 0)
            h->ready = reduce_due(&due, h->ready, out);
        h->sent[b] =
            wm_add_send(out, peer, wm_in_area(stays ? WM_IN : WM_OUT, theirs.at), theirs.bytes, wm_after(h->ready));
        due = next;
        work += stays ? 0 : mine.bytes;
    }
    h->ready = reduce_due(&due, h->ready, out);
    wm_schedule_need(out, WM_WORK, work);
}

/* The halves join again, in the opposite order; all receives are posted behind the first send. Returns the receives. */
static struct wm_range join(const struct halving *h, struct wm_schedule *out)
{
    const int rounds = log2_of(h->fold.size), self = h->fold.self;
    const struct wm_range arrived = { out->n + 1, out->n + rounds };

    for (int b = 0; b < rounds; b++) {
        const struct wm_piece mine = kept(&h->blocks, self, 1 << b);
        int sent = wm_add_send(out, rank_in(&h->fold, self ^ 1 << b), wm_in_area(WM_OUT, mine.at), mine.bytes,
                               wm_after(h->ready));
        if (b > 0)
            wm_schedule_also_after(out, sent, (struct wm_range){ arrived.first, arrived.first + b - 1 });
        for (int c = 0; b == 0 && c < rounds; c++) {
            const struct wm_piece theirs = kept(&h->blocks, self ^ 1 << c, 1 << c);
            wm_add_recv(out, rank_in(&h->fold, self ^ 1 << c), wm_in_area(WM_OUT, theirs.at), theirs.bytes,
                        wm_after(h->sent[c]));
        }
    }
    return arrived;
}

/* Reduce-scatter by recursive halving, all-gather by recursive doubling (Rabenseifner 2004). */
static int rabenseifner(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    struct halving h = { .fold = fold_of(at) };

    (void)err;
    need(at, out);
    if (h.fold.self < 0)
        return give_and_get(at, &h.fold, out);
    h.blocks = wm_blocks_of(at, h.fold.size);
    h.ready = take_in(at, &h.fold, out);
    h.input = h.ready < 0 ? wm_input(at) : WM_OUT;
    halve(&h, out);
    struct wm_range arrived = join(&h, out);
    if (h.fold.partner >= 0) {
        int sent = wm_add_send(out, h.fold.partner, wm_in_area(WM_OUT, 0), at->bytes, arrived);
        wm_schedule_also_after(out, sent, wm_after(h.ready));
    }
    return WM_OK;
}

/* ---- the row ---- */

/* Every element must meet its n - 1 counterparts and the results must come back: with the work spread evenly each rank
 * sends 2 (n - 1) / n of its vector, and no algorithm sends less (Patarasuk & Yuan 2009). */
static double bus_factor(int ranks)
{
    return 2.0 * (ranks - 1) / ranks;
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    wm_reduced_span(at, at->bytes, 0, out);
}

static const struct wm_algorithm algorithms[] = {
    { "native", native },
    { "ring", ring },
    { "recursive-doubling", recursive_doubling },
    { "rabenseifner", rabenseifner },
    { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_allreduce = {
    .name = "allreduce",
    .summary = "element-wise reduction of one vector per rank, result everywhere",
    .bytes_are = "the vector of one rank",
    .shape = WM_GROUP,
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
