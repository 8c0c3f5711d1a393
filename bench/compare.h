/**
 * One comparison: the cells of one size, an arm each, in alternating blocks. Collective over its members, of which rank
 * 0 of the run is always one: it decides what comes next, the others follow.
 */
#ifndef WM_BENCH_COMPARE_H
#define WM_BENCH_COMPARE_H

#include "bench/arm.h"
#include "src/core/random.h"
#include "src/world/watch.h"

struct wm_comparison {
    struct wm_bench *bench;
    const struct wm_world *members;
    const int *member; /* their ranks in the run */
    struct wm_watch *watch;
    struct wm_arm *arm;
    int n_arms;
    uint32_t first_number;    /* cell number of arm 0, for the watch; of the only cell while it is tuned */
    uint64_t tuning_ns;       /* 0, or the arms are candidates for one cell: each has this time, nothing is verified */
    int incumbent;            /* while tuning: the candidate that is compared even where it seems hopeless */
    struct wm_random *random; /* of the order; rank 0's is used */
    /* private */
    int owner;                 /* whose data stands in the buffers; -1 = nobody's */
    uint64_t *own_ns, *all_ns; /* of one turn */
    double *sample_ns, *sorted_ns;
    int *order; /* of arms in this round */
    enum wm_phase phase;
    uint32_t phase_number;
    unsigned turns; /* of each arm, while tuning */
    int64_t clock_offset_ns;
    uint64_t clock_uncertainty_ns;
};

/**
 * Every arm leaves with a status: measured, failed, timeout or skipped. What the library of an arm broke is written in
 * its endpoint (`lost`). WM_OK unless the members cannot talk to each other any more.
 * While tuning, a measured arm has as many turns as the others, or none: it was outrun, or left alone by that.
 */
int wm_compare(struct wm_comparison *c, struct wm_err *err);

/** Collective over the members, after wm_compare: per-pair medians to rank 0. @param median_ns  room for members x 1 */
int wm_compare_pairs(struct wm_comparison *c, const struct wm_arm *arm, double *median_ns, struct wm_err *err);

/** Collective: the rank that was slowest most often, and in which share of the samples; -1 = not asked for. */
int wm_compare_slowest(struct wm_comparison *c, const struct wm_arm *arm, int *rank, double *share, struct wm_err *err);

/**
 * Collective, after wm_compare: n calls in the place of one measured arm's, alone. One that fails loses its endpoint,
 * the arm stays measured. WM_OK unless the members cannot talk to each other any more.
 * @param loop  what this rank runs: the arm's own, or one of its own making on the same endpoint; NULL: nothing
 * @param ns    out: the time of each call; NULL: untimed. Of a rank that runs nothing it is 0
 */
int wm_compare_alone(struct wm_comparison *c, struct wm_arm *arm, struct wm_loop *loop, uint64_t n, uint64_t *ns,
                     struct wm_err *err);

#endif
