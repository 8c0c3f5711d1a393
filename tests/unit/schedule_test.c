/**
 * All ranks of every composed algorithm in one process. Steps start and complete in random order, as their dependencies
 * and the matching of messages permit and nothing else; a message reads its source, and writes its destination, at any
 * time between start and completion. The data are compared with the row's own expectation and with a plain computation
 * from the inputs. Besides, dependencies are checked as such: two steps that touch the same bytes, one of them writing,
 * must be ordered.
 */
#include <stdlib.h>

#include "bench/detour.h"
#include "src/core/random.h"
#include "src/mem/mem.h"
#include "src/schedule/path.h"
#include "tests/unit/check.h"
#include "tests/unit/rows.h"

enum { MAX_RANKS = 64 };

/* ---- one case: all ranks' schedules and memory ---- */

enum state { WAITS, STARTED, TOUCHED, COMPLETE };

struct rank {
    struct wm_point at;
    struct wm_schedule s;
    unsigned char *area[WM_AREAS], *before[WM_AREAS]; /* before: as filled */
    enum state *state;                                /* by step */
    int *match_rank, *match_step;                     /* the other half of a message */
    unsigned char **message;                          /* what a send has read */
};

struct world {
    const struct wm_benchmark *row;
    const struct wm_algorithm *algo;
    struct rank rank[MAX_RANKS];
    int ranks;
    struct wm_random random;
    char name[200];
};

static int complain(const struct world *w, const char *what, int rank, long index)
{
    static int told;
    if (told++ < 20)
        printf("%s: %s, rank %d, at %ld\n", w->name, what, rank, index);
    return 0;
}

static unsigned char *place(struct rank *r, struct wm_at at)
{
    return r->area[at.area] + at.offset;
}

static void fill_span(unsigned char *area[WM_AREAS], const struct wm_span *span, enum wm_dtype type)
{
    wm_pattern_fill(area[span->at.area] + span->at.offset, span->bytes / wm_dtype_bytes(type), type, span->pattern,
                    span->first);
}

static void allocate(struct rank *r, const struct wm_benchmark *row)
{
    struct wm_spans spans = { 0 };
    const size_t n = (size_t)r->s.n + 1;

    for (int a = 0; a < WM_AREAS; a++) {
        r->area[a] = malloc(r->s.area_bytes[a]); /* to the byte: the sanitizer finds what lies outside */
        r->before[a] = malloc(r->s.area_bytes[a]);
        memset(r->area[a], 0xa5, r->s.area_bytes[a]);
    }
    if (row->fill != NULL)
        row->fill(&r->at, &spans);
    for (int i = 0; i < spans.n; i++)
        fill_span(r->area, &spans.span[i], r->at.type);
    wm_spans_free(&spans);
    for (int a = 0; a < WM_AREAS; a++)
        memcpy(r->before[a], r->area[a], r->s.area_bytes[a]);
    r->state = calloc(n, sizeof(*r->state));
    r->match_rank = calloc(n, sizeof(*r->match_rank));
    r->match_step = calloc(n, sizeof(*r->match_step));
    r->message = calloc(n, sizeof(*r->message));
}

/* The k-th step of that kind with that peer, or -1. */
static int kth(const struct wm_schedule *s, enum wm_step_kind kind, int peer, int k)
{
    for (int i = 0; i < s->n; i++)
        if (s->step[i].kind == kind && s->step[i].peer == peer && k-- == 0)
            return i;
    return -1;
}

static int match(struct world *w, int rank)
{
    int ok = 1;
    for (int peer = 0; peer < w->ranks; peer++) {
        struct rank *r = &w->rank[rank], *p = &w->rank[peer];
        for (int k = 0;; k++) {
            int send = kth(&r->s, WM_STEP_SEND, peer, k), recv = kth(&p->s, WM_STEP_RECV, rank, k);
            if (send < 0 && recv < 0)
                break;
            if (send < 0 || recv < 0 || r->s.step[send].bytes != p->s.step[recv].bytes)
                return complain(w, "a message has no counterpart of its size", rank, k);
            if (peer == rank)
                ok = complain(w, "a rank sends to itself", rank, k);
            r->match_rank[send] = peer;
            r->match_step[send] = recv;
            p->match_rank[recv] = rank;
            p->match_step[recv] = send;
        }
    }
    return ok;
}

/* How schedules are rewritten; path HOST: they run as they are built. */
static struct wm_arm_spec detour;

static int take_detour(struct rank *r, const struct wm_benchmark *row, const struct wm_algorithm *algo,
                       struct wm_err *err)
{
    struct wm_arm_spec spec = detour;
    spec.bench = row;
    spec.algo = algo;
    return wm_detour(&spec, &r->at, &r->s, err);
}

static bool is_device(struct wm_at at)
{
    return detour.path >= WM_PATH_STAGED && ((at.area == WM_IN && wm_mem_is_device(detour.memory->send)) ||
                                             (at.area == WM_OUT && wm_mem_is_device(detour.memory->receive)));
}

/* Only copies may touch the device. */
static int detoured(const struct world *w)
{
    for (int k = 0; k < w->ranks; k++)
        for (int i = 0; i < w->rank[k].s.n; i++) {
            const struct wm_step *s = &w->rank[k].s.step[i];
            const bool reads = s->kind != WM_STEP_RECV, writes = s->kind != WM_STEP_SEND;
            if (s->kind != WM_STEP_COPY && ((reads && is_device(s->from)) || (writes && is_device(s->to))))
                return complain(w, "a step other than a copy touches the device", k, i);
        }
    return 1;
}

static int open_world(struct world *w, const struct wm_benchmark *row, const struct wm_algorithm *algo,
                      struct wm_point at, uint64_t seed)
{
    int ok = 1;

    *w = (struct world){ .row = row, .algo = algo, .ranks = at.ranks, .random = { seed } };
    wm_case_name(w->name, row, algo, &at);
    for (int k = 0; k < w->ranks; k++) {
        struct wm_err err = { .rank = -1 };
        struct rank *r = &w->rank[k];
        r->at = at;
        r->at.rank = k;
        r->s = (struct wm_schedule){ .type = at.type, .op = at.op };
        ok &= algo->build(&r->at, &r->s, &err) == WM_OK && wm_schedule_ok(&r->s) == WM_OK;
        ok &= take_detour(r, row, algo, &err) == WM_OK;
        allocate(r, row);
    }
    for (int k = 0; k < w->ranks && ok; k++)
        ok &= match(w, k);
    return ok;
}

static void close_world(struct world *w)
{
    for (int k = 0; k < w->ranks; k++) {
        struct rank *r = &w->rank[k];
        for (int a = 0; a < WM_AREAS; a++) {
            free(r->area[a]);
            free(r->before[a]);
        }
        for (int i = 0; i < r->s.n; i++)
            free(r->message[i]);
        free(r->state);
        free(r->match_rank);
        free(r->match_step);
        free(r->message);
        wm_schedule_free(&r->s);
    }
}

/* ---- running in random order ---- */

static bool may_start(const struct rank *r, int i)
{
    for (int k = 0; k < 2; k++)
        for (int d = r->s.step[i].after[k].first; d <= r->s.step[i].after[k].last; d++)
            if (r->state[d] != COMPLETE)
                return false;
    return true;
}

static void send_reads(struct rank *r, int i)
{
    const struct wm_step *s = &r->s.step[i];
    r->message[i] = malloc(s->bytes + 1);
    memcpy(r->message[i], place(r, s->from), s->bytes);
}

/* The step reads and writes now. False: what it needs is not there yet. */
static bool touch(struct world *w, struct rank *r, int i)
{
    const struct wm_step *s = &r->s.step[i];
    struct rank *peer = &w->rank[s->peer];

    switch (s->kind) {
    case WM_STEP_SEND:
        send_reads(r, i);
        return true;
    case WM_STEP_RECV:
        if (w->rank[r->match_rank[i]].message[r->match_step[i]] == NULL)
            return false;
        memcpy(place(r, s->to), w->rank[r->match_rank[i]].message[r->match_step[i]], s->bytes);
        return true;
    case WM_STEP_PUT:
        memcpy(place(peer, s->to), place(r, s->from), s->bytes);
        return true;
    case WM_STEP_GET:
        memcpy(place(r, s->to), place(peer, s->from), s->bytes);
        return true;
    case WM_STEP_COPY:
        memcpy(place(r, s->to), place(r, s->from), s->bytes);
        return true;
    case WM_STEP_REDUCE:
        wm_reduce_host(place(r, s->to), place(r, s->from), s->bytes / wm_dtype_bytes(r->s.type), r->s.type, r->s.op);
        return true;
    case WM_STEP_COLL:
        break;
    }
    return false;
}

static bool advance(struct world *w, struct rank *r, int i)
{
    if (r->state[i] == COMPLETE || (r->state[i] == WAITS && !may_start(r, i)))
        return false;
    if (r->state[i] == STARTED && !touch(w, r, i))
        return false;
    r->state[i]++;
    return true;
}

/* One pass over all steps in a random direction from a random place: each moves on with a chance that differs by kind
 * and from run to run, so that sometimes all sends are late, sometimes all reductions. */
static bool sweep(struct world *w, const double chance[], double least, const struct rank *without)
{
    bool moved = false;
    const int first = (int)wm_random_below(&w->random, (uint64_t)w->ranks);

    for (int k = 0; k < w->ranks; k++) {
        struct rank *r = &w->rank[(first + k) % w->ranks];
        const int n = r->s.n, start = n > 0 ? (int)wm_random_below(&w->random, (uint64_t)n) : 0;
        const int direction = wm_random_below(&w->random, 2) != 0 ? 1 : n - 1;
        for (int i = 0, at = start; i < n && r != without; i++, at = (at + direction) % n)
            if (wm_random_unit(&w->random) < chance[r->s.step[at].kind] + least)
                moved |= advance(w, r, at);
    }
    return moved;
}

static bool is_complete(const struct rank *r)
{
    for (int i = 0; i < r->s.n; i++)
        if (r->state[i] != COMPLETE)
            return false;
    return true;
}

/* Until nothing moves any more; one rank may stand still. False: somebody is not through. */
static bool run(struct world *w, const struct rank *without)
{
    double chance[WM_STEP_COLL + 1];
    bool through = true;

    for (int k = 0; k <= WM_STEP_COLL; k++)
        chance[k] = wm_random_below(&w->random, 3) == 0 ? 0.05 : 0.8;
    while (sweep(w, chance, 0, without) || sweep(w, chance, 1, without))
        ;
    for (int k = 0; k < w->ranks; k++)
        through &= is_complete(&w->rank[k]);
    return through;
}

static void again(struct world *w)
{
    for (int k = 0; k < w->ranks; k++)
        for (int i = 0; i < w->rank[k].s.n; i++) {
            w->rank[k].state[i] = WAITS;
            free(w->rank[k].message[i]);
            w->rank[k].message[i] = NULL;
        }
}

/* ---- what must have come out: a plain computation from the inputs ---- */

static const unsigned char *input_of(const struct world *w, int rank)
{
    return w->rank[rank].before[w->rank[rank].at.in_place ? WM_OUT : WM_IN];
}

/* Adds to *compared. `rank`'s OUT at `offset` against bytes of the inputs. */
static int same(const struct world *w, int rank, size_t offset, const unsigned char *want, size_t bytes,
                size_t *compared)
{
    const unsigned char *got = w->rank[rank].area[WM_OUT] + offset;
    *compared += bytes;
    for (size_t i = 0; i < bytes; i++)
        if (got[i] != want[i])
            return complain(w, "a byte of the result is wrong", rank, (long)(offset + i));
    return 1;
}

static int same_reduction(const struct world *w, int rank, size_t *compared)
{
    const struct wm_point *at = &w->rank[rank].at;
    const size_t block = at->bytes / (size_t)at->ranks;
    unsigned char *sum = malloc(at->bytes);
    int ok = 1;

    memcpy(sum, input_of(w, 0), at->bytes);
    for (int k = 1; k < w->ranks; k++)
        wm_reduce_host(sum, input_of(w, k), at->bytes / wm_dtype_bytes(at->type), at->type, at->op);
    if (w->row == &wm_benchmark_reduce_scatter)
        ok = same(w, rank, 0, sum + (size_t)rank * block, block, compared);
    else if (w->row == &wm_benchmark_allreduce || rank == at->root)
        ok = same(w, rank, 0, sum, at->bytes, compared);
    free(sum);
    return ok;
}

static int same_gather(const struct world *w, int rank, size_t *compared)
{
    const struct wm_point *at = &w->rank[rank].at;
    const size_t block = at->bytes / (size_t)at->ranks;
    int ok = 1;

    for (int k = 0; k < w->ranks && (w->row == &wm_benchmark_allgather || rank == at->root); k++) {
        bool among = at->in_place && (w->row == &wm_benchmark_allgather || k == at->root);
        ok &= same(w, rank, (size_t)k * block, input_of(w, k) + (among ? (size_t)k * block : 0), block, compared);
    }
    return ok;
}

static int same_scatter(const struct world *w, int rank, size_t *compared)
{
    const struct wm_point *at = &w->rank[rank].at;
    const size_t block = at->bytes / (size_t)at->ranks, from = (size_t)rank * block;
    return same(w, rank, at->in_place && rank == at->root ? from : 0, input_of(w, at->root) + from, block, compared);
}

/* Elements from one rank to another, as the library's own algorithm is told. */
static size_t count_of(const struct world *w, int from, int to, bool sent)
{
    struct wm_point at = w->rank[sent ? from : to].at;
    struct wm_schedule s = { 0 };
    struct wm_err err = { 0 };
    at.rank = sent ? from : to;
    wm_benchmark_algorithm(w->row, "native")->build(&at, &s, &err);
    const struct wm_coll *coll = &s.coll[0];
    size_t count = coll->kind == WM_COLL_ALLTOALL ? coll->count
                   : sent                         ? coll->send_counts[to]
                                                  : coll->recv_counts[from];
    wm_schedule_free(&s);
    return count;
}

static int same_exchange(const struct world *w, int rank, size_t *compared)
{
    const size_t element = wm_dtype_bytes(w->rank[rank].at.type);
    size_t to = 0;
    int ok = 1;

    for (int k = 0; k < w->ranks; k++) {
        size_t from = 0, bytes = count_of(w, k, rank, false) * element;
        for (int before = 0; before < rank; before++)
            from += count_of(w, k, before, true) * element;
        if (count_of(w, k, rank, true) * element != bytes)
            ok = complain(w, "the two sides of an exchange disagree", rank, k);
        ok &= same(w, rank, to, input_of(w, k) + from, bytes, compared);
        to += bytes;
    }
    return ok;
}

static int same_messages(const struct world *w, int rank, size_t *compared)
{
    const size_t lane = w->rank[rank].at.bytes * (w->rank[rank].at.distinct ? (size_t)w->rank[rank].at.window : 1);
    const bool both = w->row == &wm_benchmark_latency || w->row == &wm_benchmark_bibandwidth;
    const bool get = w->row == &wm_benchmark_get_latency || w->row == &wm_benchmark_get_bandwidth ||
                     w->row == &wm_benchmark_copy_read || w->row == &wm_benchmark_copy_latency_peer;
    int ok = 1;

    const bool in = w->row == &wm_benchmark_fan_in || w->row == &wm_benchmark_copy_all_to_one;
    const bool out = w->row == &wm_benchmark_fan_out || w->row == &wm_benchmark_copy_one_to_all;
    const bool alone = w->row->shape == WM_ALONE, back = w->row == &wm_benchmark_copy_both;
    for (int k = 1; k < w->ranks && in && rank == 0; k++)
        ok &= same(w, 0, (size_t)(k - 1) * lane, input_of(w, k), lane, compared);
    if (out && rank > 0)
        ok = same(w, rank, 0, input_of(w, 0) + (size_t)(rank - 1) * lane, lane, compared);
    if (w->row->shape == WM_PAIR && (both || rank == (get ? 0 : 1)))
        ok = same(w, rank, 0, input_of(w, 1 - rank), lane, compared);
    if (alone)
        ok = same(w, rank, 0, input_of(w, rank), lane, compared);
    if (back) { /* the other lane comes back to IN */
        const struct rank *r = &w->rank[rank];
        ok &= memcmp(r->area[WM_IN] + lane, r->before[WM_OUT] + lane, lane) == 0 ||
              complain(w, "what came back is not what stood there", rank, 0);
        *compared += lane;
    }
    return ok;
}

static int same_as_plain(const struct world *w, int rank, size_t *compared)
{
    const struct wm_point *at = &w->rank[rank].at;

    if (w->row->reduces)
        return same_reduction(w, rank, compared);
    if (w->row == &wm_benchmark_allgather || w->row == &wm_benchmark_gather)
        return same_gather(w, rank, compared);
    if (w->row == &wm_benchmark_scatter)
        return same_scatter(w, rank, compared);
    if (w->row == &wm_benchmark_broadcast)
        return same(w, rank, 0, w->rank[at->root].before[WM_OUT], at->bytes, compared);
    if (w->row == &wm_benchmark_alltoall || w->row == &wm_benchmark_alltoallv)
        return same_exchange(w, rank, compared);
    return w->row == &wm_benchmark_barrier || same_messages(w, rank, compared);
}

/* The row's own expectation; it must speak of exactly as much as the plain computation. */
static int as_expected(const struct world *w, int rank, size_t compared)
{
    const struct rank *r = &w->rank[rank];
    struct wm_spans spans = { 0 };
    size_t bytes = 0;
    int ok = 1;

    if (w->row->expect != NULL)
        w->row->expect(&r->at, &spans);
    for (int i = 0; i < spans.n; i++) {
        const struct wm_span *s = &spans.span[i];
        struct wm_wrong wrong = { 0 };
        wm_pattern_check(r->area[s->at.area] + s->at.offset, s->bytes / wm_dtype_bytes(r->at.type), r->at.type,
                         s->pattern, s->first, 0, &wrong);
        if (wrong.elements > 0)
            ok = complain(w, "an element is not what the row expects", rank, (long)wrong.first);
        bytes += s->bytes;
    }
    wm_spans_free(&spans);
    return bytes == compared ? ok
                             : complain(w, "the row's expectation covers another number of bytes", rank, (long)bytes);
}

static int data_ok(const struct world *w)
{
    int ok = 1;
    for (int k = 0; k < w->ranks && ok; k++) {
        size_t compared = 0;
        ok = same_as_plain(w, k, &compared) && as_expected(w, k, compared);
    }
    return ok;
}

/* ---- dependencies as such ---- */

struct touched {
    struct wm_at at;
    size_t bytes;
    bool writes;
};

static int touches(const struct wm_step *s, struct touched t[2])
{
    int n = 0;
    if (s->kind != WM_STEP_RECV && s->kind != WM_STEP_GET)
        t[n++] = (struct touched){ s->from, s->bytes, false };
    if (s->kind != WM_STEP_SEND && s->kind != WM_STEP_PUT)
        t[n++] = (struct touched){ s->to, s->bytes, true };
    return n;
}

static bool conflict(const struct wm_step *a, const struct wm_step *b)
{
    struct touched x[2], y[2];
    for (int i = touches(a, x) - 1; i >= 0; i--)
        for (int k = touches(b, y) - 1; k >= 0; k--)
            if ((x[i].writes || y[k].writes) && x[i].at.area == y[k].at.area &&
                x[i].at.offset < y[k].at.offset + y[k].bytes && y[k].at.offset < x[i].at.offset + x[i].bytes)
                return true;
    return false;
}

/* Pairs of steps that touch the same bytes in no order. With `shared_places` messages may arrive on each other. */
static int hazards(const struct wm_schedule *s, bool shared_places)
{
    const size_t n = (size_t)s->n;
    bool *before = calloc(n * n + 1, sizeof(*before)); /* [b * n + a]: a is complete when b starts */
    int found = 0;

    for (size_t b = 0; b < n; b++)
        for (int k = 0; k < 2; k++)
            for (int d = s->step[b].after[k].first; d <= s->step[b].after[k].last; d++) {
                before[b * n + (size_t)d] = true;
                for (size_t a = 0; a < (size_t)d; a++)
                    before[b * n + a] |= before[(size_t)d * n + a];
            }
    for (size_t b = 0; b < n; b++)
        for (size_t a = 0; a < b; a++) {
            bool arrive = s->step[a].kind == s->step[b].kind &&
                          (s->step[a].kind == WM_STEP_RECV || s->step[a].kind == WM_STEP_GET ||
                           (s->step[a].kind == WM_STEP_COPY && s->step[a].to.area <= WM_OUT &&
                            s->step[a].to.area == s->step[b].to.area));
            found += !before[b * n + a] && !(shared_places && arrive) && conflict(&s->step[a], &s->step[b]);
        }
    free(before);
    return found;
}

static bool within(const struct wm_schedule *s, int i)
{
    struct touched t[2];
    for (int k = touches(&s->step[i], t) - 1; k >= 0; k--)
        if (t[k].at.offset + t[k].bytes > s->area_bytes[t[k].at.area])
            return false;
    return true;
}

static int bounded(const struct world *w)
{
    for (int k = 0; k < w->ranks; k++)
        for (int i = 0; i < w->rank[k].s.n; i++)
            if (!within(&w->rank[k].s, i))
                return complain(w, "a step reaches beyond its area", k, i);
    return 1;
}

static int ordered(const struct world *w)
{
    bool shared_places = w->row->windowed && !w->rank[0].at.distinct;
    for (int k = 0; k < w->ranks; k++)
        if (hazards(&w->rank[k].s, shared_places) > 0)
            return complain(w, "steps touch the same bytes in no order", k, hazards(&w->rank[k].s, shared_places));
    return 1;
}

/* ---- cases ---- */

static int cases;

static int try_point(const struct wm_benchmark *row, const struct wm_algorithm *algo, struct wm_point at)
{
    static struct world w;
    int ok = open_world(&w, row, algo, at, (uint64_t)++cases) && bounded(&w) && ordered(&w) && detoured(&w);

    for (int round = 0; ok && round < (at.repeated ? 2 : 1); round++) {
        again(&w);
        ok = run(&w, NULL) || complain(&w, "not all steps complete", 0, 0);
        ok = ok && data_ok(&w);
    }
    if (!ok)
        printf("failed: %s\n", w.name);
    close_world(&w);
    return ok;
}

static int try_roots(const struct wm_benchmark *row, const struct wm_algorithm *algo, struct wm_point at)
{
    int ok = 1;
    if (!row->rooted)
        return try_point(row, algo, at);
    for (at.root = 0; at.root < at.ranks; at.root += at.ranks <= 5 ? 1 : at.ranks / 3)
        ok &= try_point(row, algo, at);
    return ok;
}

static int try_places(const struct wm_benchmark *row, const struct wm_algorithm *algo, struct wm_point at)
{
    int ok = try_roots(row, algo, at);
    at.repeated = true;
    ok &= try_roots(row, algo, at);
    if (!row->can_in_place)
        return ok;
    at.in_place = true;
    ok &= try_roots(row, algo, at);
    at.repeated = false;
    return ok & try_roots(row, algo, at);
}

/* Sizes around the edges of blocks: fewer elements than ranks, uneven and even blocks; with segments of a few elements.
 */
static int try_sizes(const struct wm_benchmark *row, const struct wm_algorithm *algo, int ranks)
{
    const size_t n = (size_t)ranks, whole[] = { 1, n - 1, n, n + 1, 37 * n + 5 }, by_rank[] = { 1, 2, 37 };
    const bool blocks = row->bytes_rule == WM_BYTES_PER_RANK;
    const bool segments = strcmp(algo->name, "ring") == 0 || strcmp(algo->name, "chain") == 0;
    int ok = 1;

    for (int k = 0; k < (blocks ? WM_COUNT(by_rank) : WM_COUNT(whole)); k++) {
        struct wm_point at = { .ranks = ranks, .window = 1, .seed = (uint32_t)cases + 7, .round = (uint32_t)k };
        at.type = (enum wm_dtype)(cases % WM_DTYPES);
        at.op = (enum wm_redop)(cases % WM_REDOPS);
        at.bytes = (blocks ? by_rank[k] * n : whole[k]) * wm_dtype_bytes(at.type);
        at.bytes = row->bytes_rule == WM_BYTES_NONE ? 0 : at.bytes;
        ok &= try_places(row, algo, at);
        at.chunk = 16;
        ok &= !segments || try_places(row, algo, at);
    }
    return ok;
}

static const int rank_counts[] = { 2, 3, 4, 5, 6, 7, 8, 9, 16, 17 };

static bool is_native(const struct wm_algorithm *algo)
{
    return strcmp(algo->name, "native") == 0;
}

static void test_collectives(void)
{
    for (int b = 0; b < WM_COUNT(wm_collective_rows); b++)
        for (const struct wm_algorithm *algo = wm_collective_rows[b]->algorithms; algo->name != NULL; algo++)
            for (int k = 0; k < WM_COUNT(rank_counts) && !is_native(algo); k++)
                CHECK(try_sizes(wm_collective_rows[b], algo, rank_counts[k]));
}

/* Partial results in any order must be exact in every type under every operator. */
static void test_types_and_operators(void)
{
    const struct wm_benchmark *const rows[] = { &wm_benchmark_allreduce, &wm_benchmark_reduce_scatter,
                                                &wm_benchmark_reduce };

    for (int b = 0; b < WM_COUNT(rows); b++)
        for (const struct wm_algorithm *algo = rows[b]->algorithms; algo->name != NULL; algo++)
            for (int k = 0; k < WM_DTYPES * WM_REDOPS && !is_native(algo); k++) {
                struct wm_point at = { .ranks = 7, .window = 1, .seed = 3, .type = k / WM_REDOPS, .op = k % WM_REDOPS };
                at.bytes = 21 * wm_dtype_bytes(at.type);
                CHECK(try_places(rows[b], algo, at));
            }
}

static int try_windows(const struct wm_benchmark *row, int ranks, size_t bytes)
{
    int ok = 1;
    for (int window = 1; window <= (row->windowed ? 9 : 1); window += 4)
        for (int distinct = 0; distinct < 2; distinct++) {
            struct wm_point at = { .ranks = ranks, .window = window, .distinct = distinct, .bytes = bytes, .seed = 5 };
            for (const struct wm_algorithm *algo = row->algorithms; algo->name != NULL; algo++)
                ok &= try_point(row, algo, at);
        }
    return ok;
}

static void test_messages(void)
{
    const size_t bytes[] = { 0, 1, 7, 64 };

    for (int k = 0; k < WM_COUNT(bytes); k++) {
        for (int b = 0; b < WM_COUNT(wm_pair_rows); b++)
            CHECK(try_windows(wm_pair_rows[b], 2, bytes[k]));
        for (int b = 0; b < WM_COUNT(wm_fan_rows); b++)
            for (int ranks = 2; ranks < 6; ranks++)
                CHECK(try_windows(wm_fan_rows[b], ranks, bytes[k]));
        for (int b = 0; b < WM_COUNT(wm_alone_rows); b++)
            CHECK(try_windows(wm_alone_rows[b], 1, bytes[k]));
        for (int b = 0; b < WM_COUNT(wm_reach_rows); b++)
            CHECK(try_windows(wm_reach_rows[b], 2, bytes[k]));
        for (int b = 0; b < WM_COUNT(wm_reach_all_rows); b++)
            for (int ranks = 2; ranks < 6; ranks++)
                CHECK(try_windows(wm_reach_all_rows[b], ranks, bytes[k]));
    }
}

/* Chunks of c: messages of 0, 1, c - 1, c, c + 1 and kc + 1 bytes; rounds of fewer and of more slots than pieces. */
static void test_detours_of_messages(void)
{
    const size_t bytes[] = { 0, 1, 7, 8, 9, 8 * 5 + 1, 64 };
    const struct wm_plan_memory sides[] = { { &wm_mem_simulated, &wm_mem_host, NULL, { 0 } },
                                            { &wm_mem_host, &wm_mem_simulated, NULL, { 0 } },
                                            { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } } };

    for (int k = 0; k < WM_COUNT(bytes) * WM_COUNT(sides); k++)
        for (int slots = 0; slots < 7; slots++) {
            const struct wm_plan_memory *mem = &sides[k % WM_COUNT(sides)];
            detour = (struct wm_arm_spec){ .path = slots > 0 ? WM_PATH_PIPELINED : WM_PATH_STAGED,
                                           .memory = mem,
                                           .chunk_bytes = slots > 0 ? 8 : 0,
                                           .slots = slots };
            for (int b = 0; b < WM_COUNT(wm_pair_rows); b++) {
                bool put = strncmp(wm_pair_rows[b]->name, "put", 3) == 0,
                     get = strncmp(wm_pair_rows[b]->name, "get", 3) == 0;
                if ((put && wm_mem_is_device(mem->receive)) || (get && wm_mem_is_device(mem->send)))
                    continue;
                CHECK(try_windows(wm_pair_rows[b], 2, bytes[k / WM_COUNT(sides)]));
            }
            for (int b = 0; b < WM_COUNT(wm_fan_rows); b++)
                CHECK(try_windows(wm_fan_rows[b], 4, bytes[k / WM_COUNT(sides)]));
        }
    detour = (struct wm_arm_spec){ 0 };
}

static void try_collectives(int ranks)
{
    for (int b = 0; b < WM_COUNT(wm_collective_rows); b++) /* the barrier, which moves nothing, has no path */
        for (const struct wm_algorithm *algo = wm_collective_rows[b]->algorithms; algo->name != NULL; algo++)
            if (!is_native(algo) && wm_collective_rows[b]->fill != NULL &&
                !(detour.path == WM_PATH_PIPELINED && wm_collective_rows[b]->uneven))
                CHECK(try_sizes(wm_collective_rows[b], algo, ranks));
}

/* As a whole, and by chunks with rounds of fewer and of more places than chunks. The memory of one side may be the
 * host's. */
static void test_detours_of_collectives(void)
{
    static const struct {
        struct wm_plan_memory memory;
        enum wm_path path;
        size_t chunk_bytes;
        int slots, ranks;
    } rows[] = {
        { { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_STAGED, 0, 0, 2 },
        { { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_STAGED, 0, 0, 3 },
        { { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_STAGED, 0, 0, 5 },
        { { &wm_mem_simulated, &wm_mem_host, NULL, { 0 } }, WM_PATH_STAGED, 0, 0, 3 },
        { { &wm_mem_host, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_STAGED, 0, 0, 3 },
        { { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_PIPELINED, 24, 1, 2 },
        { { &wm_mem_simulated, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_PIPELINED, 24, 3, 3 },
        { { &wm_mem_simulated, &wm_mem_host, NULL, { 0 } }, WM_PATH_PIPELINED, 40, 2, 3 },
        { { &wm_mem_host, &wm_mem_simulated, NULL, { 0 } }, WM_PATH_PIPELINED, 40, 100, 3 },
    };

    for (int i = 0; i < WM_COUNT(rows); i++) {
        detour = (struct wm_arm_spec){
            .path = rows[i].path, .memory = &rows[i].memory, .chunk_bytes = rows[i].chunk_bytes, .slots = rows[i].slots
        };
        try_collectives(rows[i].ranks);
    }
    detour = (struct wm_arm_spec){ 0 };
}

/* What cannot be, and what a round of slots costs. */
static void test_detour_bounds(void)
{
    const struct wm_point at = { .ranks = 2, .window = 16, .bytes = 100 };
    const struct wm_detour pipelined = { .device = 1u << WM_IN | 1u << WM_OUT, .chunk_bytes = 8, .slots = 4 },
                           staged = { .device = 1u << WM_IN };
    struct wm_schedule s = { 0 }, out = { 0 };
    struct wm_err err = { .rank = -1 };

    CHECK_INT(wm_benchmark_put_bandwidth.algorithms[0].build(&at, &s, &err), WM_OK);
    CHECK_INT(wm_detour_messages(&s, &pipelined, &out, &err), WM_EUNSUP);
    CHECK(strstr(err.what, "nobody there knows when to copy") != NULL);
    wm_schedule_free(&s);
    wm_schedule_free(&out);
    CHECK_INT(wm_benchmark_bandwidth.algorithms[0].build(&at, &s, &err), WM_OK);
    CHECK_INT(wm_detour_messages(&s, &pipelined, &out, &err), WM_OK);
    CHECK_INT(out.area_bytes[WM_SLOTS], 4 * 8);
    CHECK_INT(out.n, 2 * 16 * 13 + 1);
    wm_schedule_free(&out);
    CHECK_INT(wm_detour_messages(&s, &staged, &out, &err), WM_OK);
    CHECK_INT(out.area_bytes[WM_SLOTS], 16 * 100);
    CHECK_INT(out.n, 2 * 16 + 1);
    wm_schedule_free(&s);
    wm_schedule_free(&out);
}

/* While one rank has not come, nobody may leave. */
static void test_barrier(void)
{
    static struct world w;

    for (int k = 0; k < WM_COUNT(rank_counts); k++)
        for (int late = 0; late < rank_counts[k]; late++) {
            struct wm_point at = { .ranks = rank_counts[k], .window = 1 };
            CHECK(open_world(&w, &wm_benchmark_barrier, wm_benchmark_algorithm(&wm_benchmark_barrier, "dissemination"),
                             at, 1));
            CHECK(!run(&w, &w.rank[late]));
            for (int r = 0; r < w.ranks; r++)
                CHECK(!is_complete(&w.rank[r]));
            CHECK(run(&w, NULL));
            close_world(&w);
        }
}

/* What the library is asked for. */
static void test_native(void)
{
    static const struct {
        const struct wm_benchmark *row;
        enum wm_coll_kind kind;
        size_t count;   /* of 60 floats over 5 ranks */
        size_t in, out; /* needs of rank 1, which is not the root */
    } rows[] = {
        { &wm_benchmark_allreduce, WM_COLL_ALLREDUCE, 60, 240, 240 },
        { &wm_benchmark_alltoall, WM_COLL_ALLTOALL, 12, 240, 240 },
        { &wm_benchmark_alltoallv, WM_COLL_ALLTOALLV, 0, 240, 240 },
        { &wm_benchmark_broadcast, WM_COLL_BROADCAST, 60, 0, 240 },
        { &wm_benchmark_allgather, WM_COLL_ALLGATHER, 12, 48, 240 },
        { &wm_benchmark_reduce_scatter, WM_COLL_REDUCE_SCATTER, 12, 240, 48 },
        { &wm_benchmark_reduce, WM_COLL_REDUCE, 60, 240, 0 },
        { &wm_benchmark_gather, WM_COLL_GATHER, 12, 48, 0 },
        { &wm_benchmark_scatter, WM_COLL_SCATTER, 12, 0, 48 },
        { &wm_benchmark_barrier, WM_COLL_BARRIER, 0, 0, 0 },
    };

    for (int k = 0; k < WM_COUNT(rows); k++)
        for (int in_place = 0; in_place <= (rows[k].row->can_in_place ? 1 : 0); in_place++) {
            struct wm_point at = {
                .rank = 1, .ranks = 5, .root = 3, .bytes = 240, .type = WM_FLOAT, .in_place = in_place
            };
            struct wm_schedule s = { .type = WM_FLOAT };
            struct wm_err err = { 0 };
            const size_t larger = rows[k].in > rows[k].out ? rows[k].in : rows[k].out;
            CHECK_INT(rows[k].row->algorithms[0].build(&at, &s, &err), WM_OK);
            if (!CHECK(s.n == 1 && s.colls == 1 && s.step[0].kind == WM_STEP_COLL && s.step[0].coll == 0))
                continue;
            CHECK_INT(s.coll[0].kind, rows[k].kind);
            CHECK_INT(s.coll[0].count, rows[k].count);
            CHECK_INT(s.coll[0].in_place, in_place);
            CHECK(!rows[k].row->rooted || s.coll[0].root == 3);
            CHECK_INT(s.area_bytes[WM_IN], in_place ? 0 : rows[k].in);
            CHECK_INT(s.area_bytes[WM_OUT], in_place ? larger : rows[k].out);
            wm_schedule_free(&s);
        }
}

static int open_faulty(struct world *w, int step, uint64_t seed)
{
    const struct wm_point at = {
        .ranks = 4, .window = 1, .in_place = true, .type = WM_INT32, .bytes = 4 * 4 * 10, .chunk = 16
    };
    open_world(w, &wm_benchmark_allreduce, wm_benchmark_algorithm(&wm_benchmark_allreduce, "ring"), at, seed);
    struct wm_step *s = &w->rank[1].s.step[step];
    int planted = s->after[0].first <= s->after[0].last;
    s->after[0] = WM_NONE;
    return planted;
}

/* Some order of completion leaves wrong data. */
static int goes_wrong(struct world *w, int step)
{
    int wrong = 0;
    for (uint64_t seed = 1; seed <= 400 && !wrong; seed++) {
        open_faulty(w, step, seed);
        run(w, NULL);
        for (int r = 0; r < w->ranks; r++) {
            struct wm_wrong bad = { 0 };
            const struct wm_pattern sum = { .kind = WM_REDUCED, .ranks = (uint32_t)w->ranks, .op = WM_SUM };
            wm_pattern_check(w->rank[r].area[WM_OUT], 40, WM_INT32, sum, 0, 0, &bad);
            wrong |= bad.elements > 0;
        }
        close_world(w);
    }
    return wrong;
}

/* A dependency taken away from a ring, one at a time: the check of dependencies finds each; so do the data, but for
 * receives, whose data cannot come before what they overwrite has been read: the sum of it is what arrives. */
static void test_planted_faults(void)
{
    static struct world w;

    CHECK_INT(open_faulty(&w, 0, 1), 0);
    const int steps = w.rank[1].s.n;
    CHECK_INT(hazards(&w.rank[1].s, false), 0);
    close_world(&w);
    for (int i = 0; i < steps; i++) {
        int planted = open_faulty(&w, i, 1), found = hazards(&w.rank[1].s, false);
        enum wm_step_kind kind = w.rank[1].s.step[i].kind;
        close_world(&w);
        CHECK_INT(found > 0, planted);
        CHECK(!planted || kind == WM_STEP_RECV || goes_wrong(&w, i));
    }
}

int main(void)
{
    test_native();
    test_messages();
    test_detours_of_messages();
    test_detours_of_collectives();
    test_detour_bounds();
    test_barrier();
    test_collectives();
    test_types_and_operators();
    test_planted_faults();
    printf("%d cases\n", cases);
    return wm_tests_end();
}
