/** All-to-all with parts of any size that all ranks know: the builders behind alltoall (equal parts) and alltoallv. */
#ifndef WM_EXCHANGE_H
#define WM_EXCHANGE_H

#include "collectives/blocks.h"

/**
 * Part k of a rank's send buffer is for the rank k places further on the ring of ranks, so that every rank sends and
 * receives the same total. In place it is for the rank k - rank: then what two ranks give each other is of equal size,
 * as MPI_IN_PLACE wants it. Buffers hold the parts in the order of their ranks.
 */
struct wm_exchange {
    const struct wm_point *at;
    size_t *edge; /* n + 1 edges of the parts, in elements; owned by this */
};

/** Equal parts; or with `skewed` the own part is the mean, the others 2/n, 4/n ... of it, in an order by the seed. */
int wm_exchange_open(const struct wm_point *at, bool skewed, struct wm_exchange *out);
void wm_exchange_close(struct wm_exchange *x);

/** The part that `rank` gives to `to`: its place in rank's send buffer. */
struct wm_piece wm_exchange_sent(const struct wm_exchange *x, int rank, int to);
/** The part that `rank` gets from `from`: its place in rank's receive buffer. */
struct wm_piece wm_exchange_received(const struct wm_exchange *x, int rank, int from);

int wm_build_pairwise(const struct wm_exchange *x, struct wm_schedule *out, struct wm_err *err);
int wm_build_bruck(const struct wm_exchange *x, struct wm_schedule *out, struct wm_err *err);

void wm_exchange_fill(const struct wm_point *at, bool skewed, struct wm_spans *out);
void wm_exchange_expect(const struct wm_point *at, bool skewed, struct wm_spans *out);

/* A rank keeps its own part, 1 / n of `bytes`, and sends the rest. */
double wm_exchange_bus_factor(int ranks);

#endif
