/**
 * What a cell's figure is held against: the least time that its operation can take over the links it must cross, and
 * within a host, where host memory has no link, the copy rate of one core. docs/method.md has the formulas.
 */
#ifndef WM_BENCH_LIMIT_H
#define WM_BENCH_LIMIT_H

#include "bench/arm.h"
#include "bench/cut.h"
#include "bench/seat.h"
#include "src/topo/limit.h"

/** One call of an arm. True: it is a library's collective, *kind, of which the steps say nothing. */
bool wm_crossing_of_arm(const struct wm_plan *plan, const struct wm_arm *arm, int rank, struct wm_crossing *out,
                        enum wm_coll_kind *kind);

/* What one call of an arm moves of one rank's: to and from ranks on other hosts, and between GPU and host memory. */
struct wm_moves {
    struct wm_crossing crossing;
    uint64_t to_host_bytes, to_device_bytes;
};
struct wm_moves wm_moves_of(const struct wm_plan *plan, const struct wm_arm *arm, int rank);

/* The card, or the cards together, by which some ranks of a host leave it. */
struct wm_gate {
    int host, first_rank; /* its seat says by which card */
    struct wm_limit limit;
    double out_bytes, in_bytes; /* of the operation at hand */
    int senders, receivers;     /* ranks that have a part in these */
};

/* Cards of one host. */
struct wm_host_gates {
    int ranks, first_rank, gates, first_gate;
    double bytes_per_s; /* 0 = not known */
    enum wm_limit_kind kind;
};

struct wm_copy_rate {
    size_t bytes, set_bytes;
    double bytes_per_s;
};

/* What a run keeps; everything but `plan` is rank 0's. */
struct wm_limits {
    const struct wm_plan *plan;
    const struct wm_seat *given;    /* by rank; NULL: the hardware is not known */
    const struct wm_endpoint *open; /* of which are the claims in: */
    struct wm_seat *seat;           /* by rank */
    struct wm_moves *moves, *of_member;
    int *gate_of; /* by rank */
    struct wm_gate *gate;
    int n_gates;
    struct wm_host_gates *host;
    struct wm_copy_rate *copy; /* measured so far */
    int n_copies;
};

/** Local. @param seats  by rank, on rank 0; NULL elsewhere, or when nothing is known. They stay the caller's */
int wm_limits_open(struct wm_limits *l, const struct wm_plan *plan, int rank, const struct wm_seat *seats,
                   struct wm_err *err);
void wm_limits_close(struct wm_limits *l);

/** Collective over the members of a comparison, outside the clock: what the arm's operation moves. */
int wm_limits_count(struct wm_limits *l, const struct wm_world *members, const int *member, const struct wm_arm *arm,
                    int rank, struct wm_err *err);

/**
 * Rank 0, after wm_limits_count(), with times and bandwidths already in the cell. Leaves `limit` absent where there is
 * none. Where the copy rate is not known yet it is measured, in a hundredth of the cell's time.
 * @param buf  the arms' buffers, which are written to
 */
void wm_limits_cell(struct wm_limits *l, const struct wm_arm *arm, struct wm_buf *const buf[WM_AREAS],
                    struct wm_result_cell *cell);

#endif
