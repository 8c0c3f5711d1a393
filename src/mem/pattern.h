/**
 * The one formula of test data; the functions of one element stand in pattern_values.h, plain C that nvcc takes too.
 *
 * Moved data (WM_MOVED) is a stream of 32-bit words from (seed, rank, peer, round, word index): swapped, stale, short
 * and shifted data differ. The stream does not depend on the element type; its last word may be cut.
 *
 * Reduced data are small integers v(rank, i), chosen so that every partial result of the operator over any set of
 * ranks in any order is exact in the type. Below, s is one bit of the rank (which one, and whether it is flipped,
 * depends on i), and place = (rank + h(i)) mod ranks.
 *   sum   c(i) (1 + s), c from 1 to at most 64, where 8 times the ranks are within the integers that the type holds
 *         exactly (int8 127, bfloat16 256, half 2048, float 2^24); else 1 where place < m(i), 0 elsewhere, with m
 *         from half of min(ranks, that limit) to all of it
 *   prod  2 where place < k(i), else 1, negative where s: powers of two up to 2^6 (int8), 2^15 (half), 2^30
 *   min   base(i) + min(place, 20): one rank alone holds the result
 *   max   base(i) - min(place, 20)
 * Two ranks differ at some i, whichever they are. The results have closed forms, so that a check costs the same at 2
 * and at 65536 ranks, the most that the formulas are made for.
 */
#ifndef WM_MEM_PATTERN_H
#define WM_MEM_PATTERN_H

#include <stdbool.h>
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
    WM_IDENTITY, /* the operator's fixed point x op x = x: 0 for sum, 1 for prod, 7 for min and max */
    WM_POISON,   /* 0xA5 bytes: what an untouched byte shows */
};

struct wm_pattern {
    enum wm_pattern_kind kind;
    uint32_t seed, rank, peer, round; /* peer: for moved data between two ranks, else 0 */
    uint32_t ranks;                   /* of the reduction */
    enum wm_redop op;
};

/** Writes count elements; `first` is the index of the first: of an element, for WM_MOVED of a 32-bit word. `to` needs
 * no alignment. wm_pattern_check() stands in mem.h. */
void wm_pattern_fill(void *to, size_t count, enum wm_dtype type, struct wm_pattern p, uint64_t first);

#endif
