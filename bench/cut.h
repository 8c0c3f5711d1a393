/**
 * The least that an operation must move, and the least time that this takes between the GPUs of one host. Pure.
 * docs/method.md has the table.
 */
#ifndef WM_BENCH_CUT_H
#define WM_BENCH_CUT_H

#include "src/schedule/schedule.h"
#include "src/topo/limit.h"

/* What one host must give to other hosts and take from them in one collective, in multiples of the cell's bytes. */
struct wm_cut {
    double out, in;
};

/* Who reduces and replicates. */
enum wm_combining {
    WM_COMBINE_AT_ENDS,    /* the members: what they combine or copy comes to them and leaves them */
    WM_COMBINE_IN_NETWORK, /* switches: NVLS in NVSwitch, SHARP in InfiniBand's */
};

/**
 * The least that any algorithm moves, whoever combines: what others need of a host must leave it once, what it needs of
 * them must come once. A GPU with its links is such a host of one rank.
 * @param kind   not alltoallv, whose parts only its counts tell; 0 for it and for the barrier
 * @param here   of `ranks` ranks on `hosts` hosts (2 or more), how many are on this one
 * @param root   is the root among them
 */
struct wm_cut wm_cut_of_host(enum wm_coll_kind kind, int here, int ranks, bool root);

/**
 * What all hosts together must give; 0 where that follows from what each must.
 * At the ends an all-reduce of n equal hosts makes one of each element's n operands by n - 1 transfers and takes the
 * result to the others by as many: 2(n-1)/n x bytes for each host (Patarasuk & Yuan 2009). In the network a host gives
 * (n-1)/n for the parts that others complete and 1/n of result for its own part: n/n = 1 x bytes once instead of
 * 2(n-1)/n, and takes as much, which is what wm_cut_of_host() says already. So NVLS (PTX ISA, multimem.ld_reduce and
 * multimem.st; that a GPU also reads its own operand of its part through the switch, 1 + 1/n, is its choice and no
 * bound), and SHARP, whose hosts give their vector once and take the result once (Graham et al., COM-HPC 2016). What
 * the other kinds move they move either way.
 */
double wm_cut_of_all(enum wm_coll_kind kind, int hosts, enum wm_combining combining);

/* What one rank gives to and takes from ranks on other hosts in one operation. */
struct wm_crossing {
    uint64_t out_bytes, in_bytes;
};
/** By the steps of its schedule; of a library's collectives only alltoallv tells. */
struct wm_crossing wm_crossing_of(const struct wm_schedule *s, const int *host_of, int ranks, int rank);

/* A collective of ranks on GPUs, all of one host. */
struct wm_gpu_coll {
    enum wm_coll_kind kind;
    enum wm_combining combining;
    const struct wm_topo *topo;
    const int *gpu; /* by rank: indexes in topo->gpu */
    int ranks, root;
    double bytes;
};

/**
 * The least time over the links between them (src/topo/gpu_gate.h): the larger of what the GPUs behind each gate must
 * give or take over it, and of what all must give over all together. For an all-reduce over equal NVLinks of L bytes a
 * second a GPU: 2(n-1)/n x bytes / L, with NVLS bytes / L.
 * @param by  out: the link that decides; NONE: no limit is known
 * @return nanoseconds; 0 = not known
 */
double wm_least_of_gpus_ns(const struct wm_gpu_coll *c, struct wm_limit *by);

#endif
