/* The least time of cells of GPU memory: copies of one rank, operations between the GPUs of one host, and what the
 * detour through host memory adds to what the cards say. */
#include "bench/gpu_least.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/core/units.h"
#include "src/topo/gpu_gate.h"
#include "src/topo/way.h"

enum { GPUS = 64 };

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- rank 0 alone ---- */

/* Each copy crosses the link of the GPU once; those of both ways at once cross it in both directions, which do not
 * share anything. 64 MiB over 58.4 GB/s take 1.15 ms at least, whether as many come back or not. */
void wm_least_alone(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const struct wm_plan_memory *memory = arm->spec->memory;
    struct wm_limit limit;
    if (l->given == NULL || !arm->spec->bench->has_bandwidth ||
        wm_mem_is_device(memory->send) == wm_mem_is_device(memory->receive))
        return;
    wm_limit_to_host(&l->seat[0], &limit);
    wm_at_least(least, (double)arm->cell->bytes / limit.bytes_per_s * 1e9, limit.kind, "%s%s",
                wm_least_both_ways(arm) ? "both ways, " : "", limit.source);
}

/* ---- the GPUs of one host ---- */

/* The GPU of each rank; false where one is not known. */
static bool find_gpus(const struct wm_limits *l, int gpu[GPUS])
{
    const int ranks = l->plan->ranks;
    for (int r = 0; r < ranks && ranks <= GPUS; r++) {
        gpu[r] = l->seat[r].topo != NULL ? l->seat[r].gpu : -1;
        if (gpu[r] < 0)
            return false;
    }
    return ranks <= GPUS;
}

/* Only NVSwitch may combine; whether it does is the library's affair. */
static enum wm_combining combining(const struct wm_topo *topo)
{
    for (int i = 0; i < topo->n_nvlinks; i++)
        if (topo->nvlink[i].to < 0)
            return WM_COMBINE_IN_NETWORK;
    return WM_COMBINE_AT_ENDS;
}

/* Of an operation with any root: that of the root with which it is the fastest. */
static void library_least(const struct wm_limits *l, const struct wm_arm *arm, enum wm_coll_kind kind, const int *gpu,
                          struct wm_least *least)
{
    const struct wm_topo *topo = l->seat[0].topo;
    const bool rotates = arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE;
    const int first = arm->spec->bench->rooted && !rotates ? arm->spec->root : 0, n = rotates ? l->plan->ranks : 1;
    struct wm_gpu_coll c = {
        kind, combining(topo), topo, gpu, l->plan->ranks, first, (double)arm->cell->bytes,
    };
    struct wm_limit by, fastest_by = { .kind = WM_LIMIT_NONE };
    double fastest_ns = INFINITY;
    for (; c.root < first + n; c.root++) {
        const double ns = wm_least_of_gpus_ns(&c, &by);
        if (ns < fastest_ns) {
            fastest_ns = ns;
            fastest_by = by;
        }
    }
    wm_at_least(least, fastest_ns, fastest_by.kind, "between %d GPUs; %s", l->plan->ranks, fastest_by.source);
}

/* What goes through a gate: as the ranks inside tell it, and as the others do. Of puts and gets only one side tells. */
struct flow {
    struct wm_crossing inside, outside;
};

static void add(struct wm_crossing *sum, struct wm_crossing more)
{
    sum->out_bytes += more.out_bytes;
    sum->in_bytes += more.in_bytes;
}

static void count_through(const struct wm_limits *l, const struct wm_arm *arm, const struct wm_gpu_gate *gate,
                          int gates, struct flow *flow)
{
    const int ranks = l->plan->ranks;
    for (int r = 0; r < ranks; r++) {
        struct wm_schedule s;
        int side[GPUS];
        if (wm_least_schedule(l->plan, arm, arm->spec->algo, r, &s) != WM_OK)
            continue;
        for (int g = 0; g < gates; g++) {
            for (int k = 0; k < ranks; k++)
                side[k] = (int)(gate[g].inside >> k & 1);
            add(side[r] != 0 ? &flow[g].inside : &flow[g].outside, wm_crossing_of(&s, side, ranks, r));
        }
        wm_schedule_free(&s);
    }
}

/* Each gate as its schedules load it, the heavier direction. */
static void counted_least(const struct wm_limits *l, const struct wm_arm *arm, const struct wm_gpu_gate *gate,
                          int gates, struct wm_least *least)
{
    const double operations = wm_arm_operations(arm);
    struct flow *flow = calloc((size_t)gates + 1, sizeof(*flow));
    if (flow != NULL)
        count_through(l, arm, gate, gates, flow);
    for (int g = 0; flow != NULL && g < gates; g++) {
        const struct flow *f = &flow[g];
        const double out = larger((double)f->inside.out_bytes, (double)f->outside.in_bytes) / operations;
        const double in = larger((double)f->inside.in_bytes, (double)f->outside.out_bytes) / operations;
        wm_at_least(least, larger(out, in) / gate[g].limit.bytes_per_s * 1e9, gate[g].limit.kind,
                    "%.3g x bytes %s; %.180s", larger(out, in) / (double)arm->cell->bytes,
                    out >= in ? "leave" : "enter", gate[g].limit.source);
    }
    free(flow);
}

/*
 * What NCCL and copies between GPUs take between these is known: NVLink where it joins each to each, else PCI. Another
 * library may take what it likes, so that nothing is said of it.
 *
 * Four GPUs on NVLinks of 100 GB/s each: copy-all-to-one of 1 GB brings 3 messages through the links of the first, of
 * which each counts as one: 10 ms a message. Of the library's all-reduce 2 x 3/4 of 1 GB leave each: 15 ms.
 */
void wm_least_between_gpus(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const bool rotates = arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE;
    const struct wm_plan_memory *memory = arm->spec->memory;
    const struct wm_algorithm *algo = rotates ? &arm->spec->bench->algorithms[0] : arm->spec->algo;
    const struct wm_topo *topo = l->seat[0].topo;
    enum wm_coll_kind kind;
    int gpu[GPUS];
    if (!arm->endpoint->is->transport->device_only || !wm_mem_is_device(memory->send) ||
        !wm_mem_is_device(memory->receive) || !find_gpus(l, gpu))
        return;
    const bool library = wm_least_library(l->plan, arm, algo, &kind);
    if (library && kind != WM_COLL_ALLTOALLV) {
        library_least(l, arm, kind, gpu, least);
    } else if (!rotates) {
        struct wm_gpu_gate *gate = calloc((size_t)(l->plan->ranks + topo->n_pci), sizeof(*gate));
        const int gates = gate != NULL ? wm_gpu_gates(topo, gpu, l->plan->ranks, gate) : 0;
        counted_least(l, arm, gate, gates, least);
        free(gate);
    }
}

/* ---- through host memory ---- */

/* Of one call, by what its time is divided. */
struct load {
    double to_host, to_device; /* bytes, of one operation */
};

static struct load load_of(const struct wm_limits *l, const struct wm_arm *arm, int rank)
{
    const double operations = wm_arm_operations(arm);
    return (struct load){ (double)l->moves[rank].to_host_bytes / operations,
                          (double)l->moves[rank].to_device_bytes / operations };
}

/* The shortest that any rank's data take to its host before the network has something to carry, and from it after the
 * network has brought the last: of ranks that nothing is known of, and of those that take nothing, none. */
struct ends {
    double head_ns, tail_ns;
};

/* A rank whose whole operation is staged copies in before, and out after, everything else that it does. */
static void own_links(const struct wm_limits *l, const struct wm_arm *arm, bool in_turn, struct ends *ends,
                      struct wm_least *least)
{
    *ends = (struct ends){ .head_ns = INFINITY, .tail_ns = INFINITY };
    for (int r = 0; r < l->plan->ranks; r++) {
        const struct load load = load_of(l, arm, r);
        struct wm_limit limit;
        wm_limit_to_host(&l->seat[r], &limit);
        const double ns = limit.kind != WM_LIMIT_NONE ? 1e9 / limit.bytes_per_s : 0; /* a byte */
        const double there_ns = load.to_host * ns, back_ns = load.to_device * ns;
        if (load.to_host > 0)
            ends->head_ns = fmin(ends->head_ns, there_ns);
        ends->tail_ns = fmin(ends->tail_ns, back_ns);
        wm_at_least(least, in_turn ? there_ns + back_ns : larger(there_ns, back_ns), limit.kind, "%.3g x bytes; %.180s",
                    (in_turn ? load.to_host + load.to_device : larger(load.to_host, load.to_device)) /
                        (double)arm->cell->bytes,
                    limit.source);
    }
    if (!isfinite(ends->head_ns))
        ends->head_ns = 0;
}

/* All that a link of the PCI tree of one host carries. */
struct link_load {
    struct load load;
    int ranks;
};

/* Of the rank's GPU, where that is on this host and has no other way to the processor; else -1. */
static int pci_of(const struct wm_limits *l, int rank, int host)
{
    const struct wm_seat *seat = &l->seat[rank];
    return l->plan->host_of[rank] == host && wm_limit_by_pci(seat) ? seat->topo->gpu[seat->gpu].pci : -1;
}

static void load_links(const struct wm_limits *l, const struct wm_arm *arm, int host, struct link_load *link)
{
    for (int r = 0; r < l->plan->ranks; r++) {
        const struct load load = load_of(l, arm, r);
        for (int p = pci_of(l, r, host); p >= 0; p = wm_pci_parent(l->seat[r].topo, p)) {
            link[p].load.to_host += load.to_host;
            link[p].load.to_device += load.to_device;
            link[p].ranks += load.to_host + load.to_device > 0;
        }
    }
}

/* Directions apart: while one rank's data come another's may go. */
static void shared_link(const struct wm_topo *topo, int p, const struct link_load *link, double bytes,
                        struct wm_least *least)
{
    const double most = larger(link->load.to_host, link->load.to_device);
    const struct wm_way way = wm_way_link(topo, p);
    struct wm_limit limit;
    if (link->ranks < 2 || !(way.bytes_per_s > 0))
        return;
    wm_way_say(topo, &way, "", &limit);
    wm_at_least(least, most / limit.bytes_per_s * 1e9, limit.kind, "%.3g x bytes; %d ranks share %.160s", most / bytes,
                link->ranks, limit.source);
}

/* From each GPU up: among equals the nearest to the first counts. */
static void shared_links(const struct wm_limits *l, const struct wm_arm *arm, int host, struct wm_least *least)
{
    const struct wm_topo *topo = l->seat[l->host[host].first_rank].topo;
    struct link_load *link = topo != NULL ? calloc((size_t)topo->n_pci + 1, sizeof(*link)) : NULL;
    if (link == NULL)
        return;
    load_links(l, arm, host, link);
    for (int r = 0; r < l->plan->ranks; r++)
        for (int p = pci_of(l, r, host); p >= 0; p = wm_pci_parent(topo, p))
            shared_link(topo, p, &link[p], (double)arm->cell->bytes, least);
    free(link);
}

/*
 * Each rank's data cross the link of its GPU to the host and back, and where ranks share a link it carries the sum.
 * Staged, a rank's own copies follow each other: in, the operation, out. Nothing goes over a card before some rank has
 * copied in, nor is anything ready before the last that came over it is copied out by somebody: where a barrier makes
 * all begin together, the shortest copy in and the shortest copy out stand before and behind what the cards take.
 * Pipelined, or with rows whose messages overlap, or without a barrier, everything goes at once: the slowest decides.
 *
 * An all-reduce of 1 GB on two hosts, a card of 50 GB/s and GPUs on 25 GB/s each: 40 ms in, 20 ms over the card, 40 ms
 * out are 100 ms staged; pipelined the GPU's link decides, full duplex: 40 ms.
 */
void wm_least_of_detour(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least)
{
    const bool in_turn = arm->spec->path == WM_PATH_STAGED && arm->spec->bench->clock_of == WM_CLOCK_SLOWEST;
    const struct wm_least cards = *least;
    struct ends ends;
    char copies[WM_TEXT_BYTES];
    if (arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE) /* only one root's operation is counted */
        return;
    own_links(l, arm, in_turn, &ends, least);
    if (in_turn && arm->spec->sync == WM_SYNC_BARRIER && cards.ns > 0 && ends.head_ns + ends.tail_ns > 0)
        wm_at_least(least, ends.head_ns + cards.ns + ends.tail_ns, cards.kind, "%s of copies %s; %.150s",
                    wm_format_ns(copies, ends.head_ns + ends.tail_ns),
                    ends.tail_ns <= 0   ? "before"
                    : ends.head_ns <= 0 ? "after"
                                        : "before and after",
                    cards.source);
    for (int h = 0; h < l->plan->hosts; h++)
        shared_links(l, arm, h, least);
}
