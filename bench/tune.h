/**
 * --algo auto, and chunk and slots of --path pipelined where they are left open: before a cell is measured, what it can
 * be made by is measured shortly against each other, by the same alternating blocks as any comparison, on the same
 * buffers, unverified. The choice of the size before stays unless another one is faster beyond doubt. What was measured
 * for the choice is never the cell's result.
 */
#ifndef WM_BENCH_TUNE_H
#define WM_BENCH_TUNE_H

#include "bench/compare.h"

/* What trying a candidate came to. */
struct wm_trial {
    bool ran;                          /* and was not outrun after its warm-up */
    double ratio, ci95_low, ci95_high; /* its time over that of the candidate to beat; NaN = not known */
    double wins;                       /* share of the paired turns in which it was faster */
};

/** Pure. The candidate to beat: the incumbent if it ran, else the first that did; -1: none did. */
int wm_tune_base(const struct wm_trial *trial, int n, int incumbent);

/**
 * Pure. The fastest of those whose whole interval lies more than `margin` (a share) below the base's time and that won
 * five turns of six, else the base: noise changes nothing, and neither does a gain that the measurement would not
 * resolve. The turns are counted because a burst of noise may carry medians of few turns with it, interval and all.
 */
int wm_tune_pick(const struct wm_trial *trial, int n, int base, double margin);

/* An arm of a sweep for which something is chosen, over its sizes; on every rank. */
struct wm_tuning {
    const struct wm_arm_spec *asked; /* NULL: there is nothing to choose */
    struct wm_arm_spec chosen;       /* at the size before */
    bool has_choice;                 /* by measurement */
    int size_class;                  /* that chunks were chosen for */
    /* at this size: */
    struct wm_arm_spec *spec; /* the candidates */
    struct wm_arm *arm;
    int n;
    int incumbent; /* the choice of the size before; -1 = none of them */
    /* rank 0's: what the sizes came to, where algorithms were chosen */
    struct wm_trial *trial;
    struct wm_choice_point *point;
    struct wm_left_out *left_out; /* at most one a candidate */
    int n_points, n_left_out;
};

/** An arm for which nothing is to be chosen costs nothing. */
int wm_tuning_open(struct wm_tuning *t, const struct wm_plan *plan, const struct wm_sweep *sweep, int arm,
                   struct wm_err *err);
void wm_tuning_close(struct wm_tuning *t);

/**
 * Collective over the members of c, before its wm_compare. Where the arm is to be measured it leaves with what was
 * chosen in its spec; where a candidate broke its endpoint, with that story and no longer live.
 * WM_OK unless the members cannot talk to each other any more.
 */
int wm_tune(struct wm_tuning *t, const struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err);

#endif
