/** From what an arm measured to a cell of the result. Rank 0 only. */
#ifndef WM_BENCH_RECORD_H
#define WM_BENCH_RECORD_H

#include "bench/arm.h"
#include "bench/witness.h"

/* What only the members together know. */
struct wm_record_extra {
    int slowest_rank; /* of the world; -1 = not asked for */
    double slowest_share;
    const double *pair_median_ns; /* by pair; NULL = one pair or none */
    uint64_t clock_uncertainty_ns;
    bool oversubscribed;
    struct wm_evidence evidence; /* stays the caller's */
};

/** Adds to an identity (wm_plan_identity). Arrays are allocated; free with wm_record_clear(). */
int wm_record(const struct wm_arm *arm, const struct wm_plan *plan, const struct wm_record_extra *extra,
              struct wm_result_cell *cell, struct wm_err *err);
void wm_record_clear(struct wm_result_cell *cell);

#endif
