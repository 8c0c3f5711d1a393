/**
 * The one formula of test data; plain C that nvcc takes too.
 *
 * Moved data (WM_MOVED) is a stream of 32-bit words from (seed, rank, peer, round, word index): swapped, stale, short
 * and shifted data differ. Reduced data are small integers v(rank, i), chosen so that every partial result of the
 * operator over any set of ranks in any order is exact in the type (limits in pattern.c):
 *   sum   c(i) (1 + rank mod 3) where c times the sum of the weights fits, else c(i) for min(ranks, limit) of the
 *         ranks (which, depends on i) and 0 for the rest
 *   prod  2 for k(i) of the ranks, 1 for the rest, and the sign of one rank
 *   min, max   base(i) + min((rank + h(i)) mod ranks, 20)
 * Their results have closed forms, so that a check costs the same at 2 and at 4096 ranks.
 */
#ifndef WM_MEM_PATTERN_H
#define WM_MEM_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "src/core/dtype.h"

#ifdef __CUDACC__
#define WM_BOTH __host__ __device__
#else
#define WM_BOTH
#endif

enum wm_pattern_kind {
    WM_MOVED,    /* words */
    WM_OPERAND,  /* one rank's input of a reduction */
    WM_REDUCED,  /* its result over all ranks */
    WM_IDENTITY, /* the operator's fixed point x op x = x: 0 for sum, 1 for prod, c(i) for min and max */
    WM_POISON,   /* 0xA5 bytes: what an untouched byte shows */
};

struct wm_pattern {
    enum wm_pattern_kind kind;
    uint32_t seed, rank, peer, round; /* peer: for moved data between two ranks, else 0 */
    uint32_t ranks;                   /* of the reduction */
    enum wm_redop op;
};

#endif
