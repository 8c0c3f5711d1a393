#include "bench/cut.h"

#include <stdlib.h>

#include "src/topo/gpu_gate.h"

/* ---- between hosts ---- */

/* Each row: what does this host have that others need, and what do others have that it needs. Combining or copying on a
 * host makes one of many, so that what crosses counts once, however many ranks are behind it. */
struct wm_cut wm_cut_of_host(enum wm_coll_kind kind, int here, int ranks, bool root)
{
    const double own = (double)here / ranks, others = 1 - own;
    switch (kind) {
    case WM_COLL_ALLREDUCE: /* its operands, combined, leave; the result, or what completes it, comes */
        return (struct wm_cut){ 1, 1 };
    case WM_COLL_REDUCE_SCATTER: /* operands for the blocks of others leave; what completes its own blocks comes */
        return (struct wm_cut){ others, own };
    case WM_COLL_ALLGATHER: /* its blocks leave once, the others' come once */
        return (struct wm_cut){ own, others };
    case WM_COLL_ALLTOALL: /* a block from each of its ranks to each rank elsewhere, and back */
        return (struct wm_cut){ here * others, here * others };
    case WM_COLL_BROADCAST:
        return root ? (struct wm_cut){ 1, 0 } : (struct wm_cut){ 0, 1 };
    case WM_COLL_REDUCE:
        return root ? (struct wm_cut){ 0, 1 } : (struct wm_cut){ 1, 0 };
    case WM_COLL_GATHER:
        return root ? (struct wm_cut){ 0, others } : (struct wm_cut){ own, 0 };
    case WM_COLL_SCATTER:
        return root ? (struct wm_cut){ others, 0 } : (struct wm_cut){ 0, own };
    case WM_COLL_ALLTOALLV:
    case WM_COLL_BARRIER:
        break;
    }
    return (struct wm_cut){ 0, 0 };
}

double wm_cut_of_all(enum wm_coll_kind kind, int hosts, enum wm_combining combining)
{
    if (combining == WM_COMBINE_IN_NETWORK)
        return 0;
    switch (kind) {
    case WM_COLL_ALLREDUCE: /* each element meets its hosts - 1 counterparts, and as often the result goes out */
        return 2.0 * (hosts - 1);
    case WM_COLL_REDUCE_SCATTER:
    case WM_COLL_REDUCE:
    case WM_COLL_ALLGATHER:
    case WM_COLL_BROADCAST: /* half of that: one tree of hosts for each element */
        return hosts - 1;
    default:
        return 0;
    }
}

static void count_alltoallv(const struct wm_coll *coll, size_t element_bytes, const int *host_of, int ranks, int rank,
                            struct wm_crossing *sum)
{
    for (int r = 0; r < ranks; r++)
        if (host_of[r] != host_of[rank]) {
            sum->out_bytes += coll->send_counts[r] * element_bytes;
            sum->in_bytes += coll->recv_counts[r] * element_bytes;
        }
}

struct wm_crossing wm_crossing_of(const struct wm_schedule *s, const int *host_of, int ranks, int rank)
{
    struct wm_crossing sum = { 0, 0 };
    for (int i = 0; i < s->n; i++) {
        const struct wm_step *step = &s->step[i];
        const bool sends = step->kind == WM_STEP_SEND || step->kind == WM_STEP_PUT;
        const bool receives = step->kind == WM_STEP_RECV || step->kind == WM_STEP_GET;
        if (step->kind == WM_STEP_COLL && s->coll[step->coll].send_counts != NULL)
            count_alltoallv(&s->coll[step->coll], wm_dtype_bytes(s->type), host_of, ranks, rank, &sum);
        if ((!sends && !receives) || host_of[step->peer] == host_of[rank])
            continue;
        *(sends ? &sum.out_bytes : &sum.in_bytes) += step->bytes;
    }
    return sum;
}

/* ---- the GPUs of one host ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void at_least(double *ns, double other_ns, const struct wm_limit *limit, struct wm_limit *by)
{
    if (!(other_ns > 1.0001 * *ns))
        return;
    *ns = other_ns;
    *by = *limit;
}

/* All links together, where each GPU's own are known. @param first  out: one of them */
static double all_gpus_ns(const struct wm_gpu_coll *c, const struct wm_gpu_gate *gate, int gates,
                          const struct wm_limit **first)
{
    double sum = 0;
    int alone = 0;
    for (int g = gates - 1; g >= 0; g--)
        if ((gate[g].inside & (gate[g].inside - 1)) == 0) {
            sum += gate[g].limit.bytes_per_s;
            *first = &gate[g].limit;
            alone++;
        }
    return alone == c->ranks && alone > 1 ? wm_cut_of_all(c->kind, c->ranks, c->combining) * c->bytes / sum * 1e9 : 0;
}

double wm_least_of_gpus_ns(const struct wm_gpu_coll *c, struct wm_limit *by)
{
    struct wm_gpu_gate *gate = calloc((size_t)(c->ranks + c->topo->n_pci), sizeof(*gate));
    int gates = gate != NULL ? wm_gpu_gates(c->topo, c->gpu, c->ranks, gate) : 0;
    double ns = 0;
    *by = (struct wm_limit){ .kind = WM_LIMIT_NONE };
    for (int g = 0; g < gates; g++) {
        const uint64_t inside = gate[g].inside;
        struct wm_cut cut =
            wm_cut_of_host(c->kind, __builtin_popcountll(inside), c->ranks, (inside >> c->root & 1) != 0);
        at_least(&ns, larger(cut.out, cut.in) * c->bytes / gate[g].limit.bytes_per_s * 1e9, &gate[g].limit, by);
    }
    const struct wm_limit *first = NULL;
    const double together_ns = all_gpus_ns(c, gate, gates, &first);
    at_least(&ns, together_ns, first, by);
    free(gate);
    return ns;
}
