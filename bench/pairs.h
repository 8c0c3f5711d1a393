/** --pairs: which ranks talk. Pure. */
#ifndef WM_BENCH_PAIRS_H
#define WM_BENCH_PAIRS_H

#include "src/core/err.h"

struct wm_pair {
    int from, to; /* world ranks: `from` starts and holds the clock */
};

struct wm_round { /* pairs that talk at once */
    struct wm_pair *pair;
    int n;
};

struct wm_pairing {
    struct wm_round *round; /* measured one after the other; one but for `all` */
    int rounds;
};

/**
 * @param text       NULL: rank 0 and the first rank on another host, or rank 1;
 *                   "A-B"; "N": the i-th rank with the (i + ranks/2)-th for i < N, counted host by host, at once;
 * "all": each pair, in rounds of a tournament; "same-host": the first two ranks that share a host
 * @param host_of    host index by rank
 * @param out        freed by wm_pairing_free()
 * @return WM_OK, WM_EUSAGE (grammar, no such rank, more pairs than ranks/2), WM_EABSENT (no two ranks share a host),
 * WM_ENOMEM
 */
int wm_pairing_make(const char *text, const int *host_of, int ranks, struct wm_pairing *out, struct wm_err *err);
void wm_pairing_free(struct wm_pairing *p);

#endif
