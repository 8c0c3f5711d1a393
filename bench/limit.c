#include "bench/limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gpu_least.h"
#include "src/core/units.h"
#include "src/topo/copy.h"

enum { WIDEST_COPY_BYTES = 16 << 20 }; /* of source or target, where the arms' buffers do not serve */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- gates ---- */

/* A host's cards together, as far as its ranks use them. */
static void add_to_host(struct wm_host_gates *host, int gate, const struct wm_limit *limit)
{
    bool known = limit->kind != WM_LIMIT_NONE;
    if (host->gates++ == 0) {
        host->first_gate = gate;
        host->kind = limit->kind;
        host->bytes_per_s = limit->bytes_per_s;
    } else if (!known || host->kind == WM_LIMIT_NONE) {
        host->kind = WM_LIMIT_NONE;
        host->bytes_per_s = 0;
    } else {
        host->bytes_per_s += limit->bytes_per_s;
        host->kind = limit->kind == WM_LIMIT_ESTIMATE ? WM_LIMIT_ESTIMATE : host->kind;
    }
}

static bool same_card(const struct wm_seat *a, const struct wm_seat *b)
{
    return a->nic == b->nic && a->port == b->port && (a->nic >= 0 || a->fabric == b->fabric);
}

static int find_gate(struct wm_limits *l, int rank)
{
    const struct wm_seat *seat = &l->seat[rank];
    const int host = l->plan->host_of[rank];
    int g = 0;
    while (g < l->n_gates && (l->gate[g].host != host || !same_card(&l->seat[l->gate[g].first_rank], seat)))
        g++;
    if (g == l->n_gates) {
        l->gate[g] = (struct wm_gate){ .host = host, .first_rank = rank };
        wm_limit_cards(seat, &l->gate[g].limit);
        add_to_host(&l->host[host], g, &l->gate[g].limit);
        l->n_gates++;
    }
    return g;
}

/* Rank 0: the gates are those of the cards that the endpoint claims. */
static void find_gates(struct wm_limits *l, const struct wm_endpoint *e)
{
    if (l->given == NULL || l->open == e)
        return;
    l->open = e;
    l->n_gates = 0;
    memset(l->host, 0, (size_t)l->plan->hosts * sizeof(*l->host));
    wm_seats_claim(l->given, l->plan->ranks, e, l->seat);
    for (int r = 0; r < l->plan->ranks; r++) {
        struct wm_host_gates *host = &l->host[l->plan->host_of[r]];
        if (host->ranks++ == 0)
            host->first_rank = r;
        l->gate_of[r] = find_gate(l, r);
    }
}

int wm_limits_open(struct wm_limits *l, const struct wm_plan *plan, int rank, const struct wm_seat *seats,
                   struct wm_err *err)
{
    const size_t ranks = (size_t)plan->ranks;
    *l = (struct wm_limits){ .plan = plan, .given = rank == 0 ? seats : NULL };
    if (rank != 0)
        return WM_OK;
    l->moves = calloc(ranks, sizeof(*l->moves));
    l->of_member = calloc(ranks, sizeof(*l->of_member));
    l->seat = calloc(ranks, sizeof(*l->seat));
    l->gate_of = calloc(ranks, sizeof(*l->gate_of));
    l->gate = calloc(ranks, sizeof(*l->gate));
    l->host = calloc((size_t)plan->hosts, sizeof(*l->host));
    if (l->moves == NULL || l->of_member == NULL || l->seat == NULL || l->gate_of == NULL || l->gate == NULL ||
        l->host == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "limits of %d ranks", plan->ranks);
    return WM_OK;
}

void wm_limits_close(struct wm_limits *l)
{
    free(l->moves);
    free(l->of_member);
    free(l->seat);
    free(l->gate_of);
    free(l->gate);
    free(l->host);
    free(l->copy);
    *l = (struct wm_limits){ 0 };
}

static void empty_gates(struct wm_limits *l)
{
    for (int g = 0; g < l->n_gates; g++) {
        l->gate[g].out_bytes = l->gate[g].in_bytes = 0;
        l->gate[g].senders = l->gate[g].receivers = 0;
    }
}

static void through_gate(struct wm_limits *l, int rank, double out_bytes, double in_bytes)
{
    struct wm_gate *gate = &l->gate[l->gate_of[rank]];
    gate->out_bytes += out_bytes;
    gate->in_bytes += in_bytes;
    gate->senders += out_bytes > 0;
    gate->receivers += in_bytes > 0;
}

/* The direction in which more goes through. */
static bool mostly_out(const struct wm_gate *gate)
{
    return gate->out_bytes >= gate->in_bytes;
}

static int users(const struct wm_gate *gate)
{
    return mostly_out(gate) ? gate->senders : gate->receivers;
}

/* "4 ranks share mlx5_0: ..." */
static void cards_text(const struct wm_limit *limit, int ranks, char text[sizeof(limit->source) + 32])
{
    char share[32] = "";
    if (ranks > 1)
        snprintf(share, sizeof(share), "%d ranks share ", ranks);
    snprintf(text, sizeof(limit->source) + 32, "%s%s", share, limit->source);
}

/* ---- between hosts: pairs ---- */

static struct wm_seat seat_of(const struct wm_limits *l, int rank, const struct wm_mem *mem)
{
    struct wm_seat seat = l->seat[rank];
    seat.host = l->plan->host_of[rank];
    if (!wm_mem_is_device(mem))
        seat.gpu = -1;
    return seat;
}

/* What one message of a pair gives to the cards on both sides, on average: a ping-pong gives them half a message each
 * way. */
static void pair_through_gates(struct wm_limits *l, const struct wm_arm *arm, struct wm_pair pair)
{
    const double operations = wm_arm_operations(arm);
    struct wm_schedule s;
    if (wm_least_schedule(l->plan, arm, arm->spec->algo, pair.from, &s) != WM_OK)
        return;
    struct wm_crossing sum = wm_crossing_of(&s, l->plan->host_of, l->plan->ranks, pair.from);
    through_gate(l, pair.from, (double)sum.out_bytes / operations, (double)sum.in_bytes / operations);
    through_gate(l, pair.to, (double)sum.in_bytes / operations, (double)sum.out_bytes / operations);
    wm_schedule_free(&s);
}

/* One way: a whole message is staged at a time, so that its parts follow each other; of several at once, and of chunks,
 * the slowest part decides. */
static void way_limit(const struct wm_limits *l, const struct wm_arm *arm, int from, int to, struct wm_limit *out)
{
    const struct wm_plan_memory *memory = arm->spec->memory;
    const struct wm_seat a = seat_of(l, from, memory->send), b = seat_of(l, to, memory->receive);
    struct wm_limit part[WM_DETOUR_PARTS];
    if (arm->spec->path < WM_PATH_STAGED) {
        wm_limit_pair(&a, &b, WM_ROAD_DIRECT, out);
        return;
    }
    const int n = wm_limit_detour(&a, &b, part);
    if (n > 0)
        wm_limit_in_turn(part, n, arm->spec->path == WM_PATH_STAGED ? arm->cell->window : 0, out);
    else
        *out = part[0];
}

/* The faster way of both: what is got comes, and what is sent goes. */
static void pair_limit(const struct wm_limits *l, const struct wm_arm *arm, struct wm_pair pair, struct wm_limit *out)
{
    struct wm_limit back;
    way_limit(l, arm, pair.from, pair.to, out);
    way_limit(l, arm, pair.to, pair.from, &back);
    if (back.kind != WM_LIMIT_NONE && out->kind != WM_LIMIT_NONE && back.bytes_per_s > 1.0001 * out->bytes_per_s)
        *out = back;
}

static void pairs_least(struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const char *ways = wm_least_both_ways(arm) ? "both ways, " : "";
    char cards[sizeof(least->source)];
    empty_gates(l);
    for (int i = 0; i < arm->spec->round->n; i++) {
        const struct wm_pair pair = arm->spec->round->pair[i];
        struct wm_limit limit;
        pair_limit(l, arm, pair, &limit);
        if (limit.kind == WM_LIMIT_NONE && arm->spec->path >= WM_PATH_STAGED) {
            least->ns = 0; /* of a way with an unknown part the cards are no bound to compare with */
            return;
        }
        wm_at_least(least, (double)arm->cell->bytes / limit.bytes_per_s * 1e9, limit.kind, "%s%s", ways, limit.source);
        pair_through_gates(l, arm, pair);
    }
    for (int g = 0; g < l->n_gates; g++) {
        const struct wm_gate *gate = &l->gate[g];
        cards_text(&gate->limit, users(gate), cards);
        wm_at_least(least, larger(gate->out_bytes, gate->in_bytes) / gate->limit.bytes_per_s * 1e9, gate->limit.kind,
                    "%s%s", ways, cards);
    }
}

/* ---- between hosts: all ranks ---- */

static bool on_device(const struct wm_arm_spec *spec, enum wm_area area)
{
    return (area == WM_IN && wm_mem_is_device(spec->memory->send)) ||
           (area == WM_OUT && wm_mem_is_device(spec->memory->receive));
}

/* Between hosts, and through host memory. */
static bool is_counted(const struct wm_limits *l, const struct wm_arm *arm)
{
    const struct wm_transport *transport = arm->endpoint->is->transport;
    return arm->spec->bench->shape == WM_GROUP && (l->plan->hosts > 1 || arm->spec->path >= WM_PATH_STAGED) &&
           arm->status == WM_MEASURED && arm->cell->bytes > 0 && !transport->simulated && !transport->moves_nothing;
}

struct wm_moves wm_moves_of(const struct wm_plan *plan, const struct wm_arm *arm, int rank)
{
    struct wm_moves moves = { 0 };
    struct wm_schedule s;
    if (wm_least_schedule(plan, arm, arm->spec->algo, rank, &s) != WM_OK)
        return moves;
    moves.crossing = wm_crossing_of(&s, plan->host_of, plan->ranks, rank);
    for (int i = 0; i < s.n; i++) {
        const struct wm_step *step = &s.step[i];
        if (step->kind != WM_STEP_COPY)
            continue;
        moves.to_host_bytes += on_device(arm->spec, step->from.area) ? step->bytes : 0;
        moves.to_device_bytes += on_device(arm->spec, step->to.area) ? step->bytes : 0;
    }
    wm_schedule_free(&s);
    return moves;
}

int wm_limits_count(struct wm_limits *l, const struct wm_world *members, const int *member, const struct wm_arm *arm,
                    int rank, struct wm_err *err)
{
    if (!is_counted(l, arm))
        return WM_OK;
    const struct wm_moves mine = wm_moves_of(l->plan, arm, rank);
    if (wm_world_gather(members, &mine, sizeof(mine), l->of_member, WM_SPIN, err) != WM_OK || rank != 0)
        return err->code;
    for (int m = 0; m < members->size; m++)
        l->moves[member[m]] = l->of_member[m];
    return WM_OK;
}

bool wm_crossing_of_arm(const struct wm_plan *plan, const struct wm_arm *arm, int rank, struct wm_crossing *out,
                        enum wm_coll_kind *kind)
{
    struct wm_schedule s;
    *out = (struct wm_crossing){ 0, 0 };
    if (!arm->part || wm_least_schedule(plan, arm, arm->spec->algo, rank, &s) != WM_OK)
        return false;
    *out = wm_crossing_of(&s, plan->host_of, plan->ranks, rank);
    wm_schedule_free(&s);
    return arm->spec->round == NULL && wm_least_library(plan, arm, arm->spec->algo, kind);
}

static void host_least(const struct wm_limits *l, int h, struct wm_cut cut, double bytes, struct wm_least *least)
{
    const struct wm_host_gates *host = &l->host[h];
    const struct wm_limit *first = &l->gate[host->first_gate].limit;
    const double most = larger(cut.out, cut.in);
    char cards[sizeof(least->source)], more[32] = "";
    cards_text(first, host->gates == 1 ? host->ranks : 0, cards);
    if (host->gates > 1)
        snprintf(more, sizeof(more), " and %d more cards", host->gates - 1);
    wm_at_least(least, most * bytes / host->bytes_per_s * 1e9, host->kind,
                "at least %.3g x bytes %s the host of rank %d; %.180s%s", most, cut.out >= cut.in ? "leave" : "enter",
                host->first_rank, cards, more);
}

static void all_hosts_least(const struct wm_limits *l, enum wm_coll_kind kind, double bytes, struct wm_least *least)
{
    double sum = 0, share = wm_cut_of_all(kind, l->plan->hosts, WM_COMBINE_AT_ENDS);
    enum wm_limit_kind weakest = WM_LIMIT_LINK;
    for (int h = 0; h < l->plan->hosts; h++) {
        if (l->host[h].kind == WM_LIMIT_NONE)
            return;
        if (l->host[h].kind == WM_LIMIT_ESTIMATE)
            weakest = WM_LIMIT_ESTIMATE;
        sum += l->host[h].bytes_per_s;
    }
    wm_at_least(least, share * bytes / sum * 1e9, weakest,
                "at least %.3g x bytes cross between %d hosts; all their cards together, %.180s among them", share,
                l->plan->hosts, l->gate[0].limit.source);
}

static void library_least(const struct wm_limits *l, enum wm_coll_kind kind, int root, double bytes,
                          struct wm_least *least)
{
    for (int h = 0; h < l->plan->hosts; h++) {
        bool has_root = h == l->plan->host_of[root];
        host_least(l, h, wm_cut_of_host(kind, l->host[h].ranks, l->plan->ranks, has_root), bytes, least);
    }
    all_hosts_least(l, kind, bytes, least);
}

/* Of an operation with any root: that of the root with which it is the fastest. */
static void rotating_least(const struct wm_limits *l, enum wm_coll_kind kind, double bytes, struct wm_least *least)
{
    for (int root = 0; root < l->plan->ranks; root++) {
        struct wm_least one = { 0 };
        library_least(l, kind, root, bytes, &one);
        if (root == 0 || one.ns < least->ns)
            *least = one;
    }
}

static void counted_least(struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const double operations = wm_arm_operations(arm);
    empty_gates(l);
    for (int r = 0; r < l->plan->ranks; r++)
        through_gate(l, r, (double)l->moves[r].crossing.out_bytes, (double)l->moves[r].crossing.in_bytes);
    for (int g = 0; g < l->n_gates; g++) {
        const struct wm_gate *gate = &l->gate[g];
        const double most = larger(gate->out_bytes, gate->in_bytes) / operations;
        char cards[sizeof(least->source)];
        cards_text(&gate->limit, users(gate), cards);
        wm_at_least(least, most / gate->limit.bytes_per_s * 1e9, gate->limit.kind,
                    "%.3g x bytes %s the host of rank %d; %.190s", most / (double)arm->cell->bytes,
                    mostly_out(gate) ? "leave" : "enter", gate->first_rank, cards);
    }
}

static void hosts_least(struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const bool rotates = arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE;
    const struct wm_algorithm *algo = rotates ? &arm->spec->bench->algorithms[0] : arm->spec->algo;
    const double bytes = (double)arm->cell->bytes;
    enum wm_coll_kind kind;
    bool library = wm_least_library(l->plan, arm, algo, &kind);
    if (library && rotates)
        rotating_least(l, kind, bytes, least);
    else if (library && kind != WM_COLL_ALLTOALLV)
        library_least(l, kind, arm->spec->bench->rooted ? arm->spec->root : 0, bytes, least);
    else if (!rotates)
        counted_least(l, arm, least);
}

/* GPU memory that a library is handed may leave the host by NVLink. */
static bool passes_cards(const struct wm_limits *l, const struct wm_arm *arm)
{
    for (int r = 0; r < l->plan->ranks && arm->spec->path == WM_PATH_DIRECT; r++) {
        const struct wm_seat *seat = &l->seat[r];
        if (seat->topo != NULL && seat->gpu >= 0 && seat->topo->gpu[seat->gpu].nvlink_domain[0] != '\0')
            return false;
    }
    return true;
}

static void group_least(struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    if (l->plan->hosts > 1 && passes_cards(l, arm))
        hosts_least(l, arm, least);
    if (l->plan->hosts == 1 && arm->spec->path == WM_PATH_DIRECT)
        wm_least_between_gpus(l, arm, least);
    if (arm->spec->path >= WM_PATH_STAGED)
        wm_least_of_detour(l, arm, least);
}

/* ---- within a host ---- */

static bool within_hosts(const struct wm_limits *l, const struct wm_arm *arm)
{
    const struct wm_round *round = arm->spec->round;
    for (int i = 0; round != NULL && i < round->n; i++)
        if (l->plan->host_of[round->pair[i].from] != l->plan->host_of[round->pair[i].to])
            return false;
    return round != NULL || l->plan->hosts == 1;
}

/* What the cell's messages are to memory: `window` of them or one, at full length where the arms' buffers serve. These
 * may lie on other ranks: `to` is NULL then. */
static struct wm_copy copy_of(const struct wm_arm *arm, struct wm_buf *const buf[WM_AREAS])
{
    const size_t bytes = arm->cell->bytes;
    const size_t messages = arm->spec->buffers == WM_BUFFERS_DISTINCT ? (size_t)arm->cell->window : 1;
    struct wm_copy copy = { .bytes = bytes, .stride_bytes = bytes, .messages = messages };
    if (buf[WM_IN]->bytes >= bytes * messages && buf[WM_OUT]->bytes >= bytes * messages) {
        copy.from = buf[WM_IN]->ptr;
        copy.to = buf[WM_OUT]->ptr;
    }
    return copy;
}

/* From one half of a cold ring to the other. */
static struct wm_copy copy_in_ring(const struct wm_arm *arm, struct wm_buf *const buf[WM_AREAS])
{
    struct wm_copy copy = { .bytes = arm->cell->bytes,
                            .stride_bytes = arm->ring.stride_bytes,
                            .messages = arm->ring.positions / 2 };
    const size_t half = copy.stride_bytes * copy.messages;
    for (int a = WM_IN; a <= WM_OUT && copy.to == NULL; a++)
        if (copy.bytes <= copy.stride_bytes && buf[a]->bytes >= 2 * half) {
            copy.from = buf[a]->ptr;
            copy.to = (char *)buf[a]->ptr + half;
        }
    return copy;
}

static size_t set_bytes(const struct wm_copy *copy)
{
    return copy->stride_bytes * copy->messages;
}

/* Buffers for it alone, which are not to take longer than the copying. */
static void shorten(struct wm_copy *copy)
{
    if (copy->bytes > WIDEST_COPY_BYTES)
        copy->bytes = copy->stride_bytes = WIDEST_COPY_BYTES;
    if (copy->messages > WIDEST_COPY_BYTES / copy->bytes)
        copy->messages = WIDEST_COPY_BYTES / copy->bytes;
}

static uint64_t copy_budget_ns(const struct wm_plan *plan)
{
    const uint64_t share_ns = plan->conf->cell_time_ns / 100, most_ns = 1000000, least_ns = 50000;
    return share_ns > most_ns ? most_ns : share_ns < least_ns ? least_ns : share_ns;
}

/* 0: no memory. */
static double measure_apart(const struct wm_plan *plan, struct wm_copy copy)
{
    struct wm_buf to = { 0 }, from = { 0 };
    struct wm_err ignored = { 0 };
    double rate = 0;
    if (wm_mem_host.alloc(-1, set_bytes(&copy), &from, &ignored) == WM_OK &&
        wm_mem_host.alloc(-1, set_bytes(&copy), &to, &ignored) == WM_OK) {
        copy.from = from.ptr;
        copy.to = to.ptr;
        rate = wm_copy_bytes_per_s(&copy, copy_budget_ns(plan));
    }
    if (to.mem != NULL)
        to.mem->free(&to);
    if (from.mem != NULL)
        from.mem->free(&from);
    return rate;
}

static double copy_rate(struct wm_limits *l, const struct wm_copy *copy)
{
    for (int i = 0; i < l->n_copies; i++)
        if (l->copy[i].bytes == copy->bytes && l->copy[i].set_bytes == set_bytes(copy))
            return l->copy[i].bytes_per_s;
    double rate = copy->to != NULL ? wm_copy_bytes_per_s(copy, copy_budget_ns(l->plan)) : measure_apart(l->plan, *copy);
    struct wm_copy_rate *more = realloc(l->copy, ((size_t)l->n_copies + 1) * sizeof(*more));
    if (more != NULL) {
        l->copy = more;
        l->copy[l->n_copies++] = (struct wm_copy_rate){ copy->bytes, set_bytes(copy), rate };
    }
    return rate;
}

static void copy_least(struct wm_limits *l, const struct wm_arm *arm, struct wm_buf *const buf[WM_AREAS],
                       struct wm_least *least)
{
    const struct wm_benchmark *bench = arm->spec->bench;
    const bool cold = arm->spec->buffers == WM_BUFFERS_COLD;
    double factor = bench->bus_factor != NULL ? bench->bus_factor(l->plan->ranks) : 1;
    char message[WM_TEXT_BYTES], set[WM_TEXT_BYTES];
    struct wm_copy copy = cold ? copy_in_ring(arm, buf) : copy_of(arm, buf);
    if (copy.to == NULL && cold)
        return;
    if (copy.to == NULL)
        shorten(&copy);
    double rate = copy_rate(l, &copy);
    if (rate > 0)
        wm_at_least(least, factor * (double)arm->cell->bytes / rate * 1e9, WM_LIMIT_ESTIMATE,
                    "copy rate of one core on the host of rank 0: %s at a time, working set %s, %s buffers",
                    wm_format_memory(message, copy.bytes), wm_format_memory(set, 2 * set_bytes(&copy)),
                    wm_buffers_names[arm->spec->buffers]);
}

/* ---- the cell ---- */

static double figure_of(const struct wm_result_cell *cell)
{
    if (isfinite(cell->bandwidth.bus_bytes_per_s))
        return cell->bandwidth.bus_bytes_per_s;
    if (isfinite(cell->bandwidth.alg_bytes_per_s))
        return cell->bandwidth.alg_bytes_per_s;
    return (double)cell->bytes / cell->time_ns.median * 1e9;
}

void wm_limits_cell(struct wm_limits *l, const struct wm_arm *arm, struct wm_buf *const buf[WM_AREAS],
                    struct wm_result_cell *cell)
{
    const struct wm_transport *transport = arm->endpoint->is->transport;
    const struct wm_plan_memory *memory = arm->spec->memory;
    const bool host_memory = !wm_mem_is_device(memory->send) && !wm_mem_is_device(memory->receive);
    struct wm_least least = { 0 };
    if (arm->status != WM_MEASURED || arm->cell->bytes == 0 || !(cell->time_ns.median > 0) || cell->simulated ||
        transport->moves_nothing || arm->spec->bench->time_is_of_a_part)
        return;
    find_gates(l, arm->endpoint);
    if (arm->spec->bench->shape == WM_ALONE)
        wm_least_alone(l, arm, &least);
    else if (within_hosts(l, arm) && host_memory)
        copy_least(l, arm, buf, &least);
    else if (l->given != NULL && arm->spec->round != NULL)
        pairs_least(l, arm, &least);
    else if (l->given != NULL)
        group_least(l, arm, &least);
    if (!(least.ns > 0))
        return;
    cell->limit.share = least.ns / cell->time_ns.median;
    cell->limit.bytes_per_s = figure_of(cell) / cell->limit.share;
    snprintf(cell->limit.kind, sizeof(cell->limit.kind), "%s", wm_limit_kind_names[least.kind]);
    snprintf(cell->limit.source, sizeof(cell->limit.source), "%s", least.source);
}
