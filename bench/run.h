/** A run: the plan carried out, cell by cell, by all ranks together. */
#ifndef WM_BENCH_RUN_H
#define WM_BENCH_RUN_H

#include "bench/plan.h"
#include "src/core/clock.h"
#include "src/topo/limit.h"
#include "src/world/watch.h"

/* Where finished cells go; called on rank 0 only. A code other than WM_OK ends the run (the disk is full). */
struct wm_sink {
    /* ratio: of this arm to the first at the cell's size, NULL for the first; its numbers are NaN when there is none.
     */
    int (*cell)(void *arg, const struct wm_result_cell *cell, const struct wm_sweep *sweep, int arm,
                const struct wm_ratio_point *ratio, struct wm_err *err);
    /* whole: its sweep has ended; before, after each size, it holds the sizes so far. */
    int (*comparison)(void *arg, const struct wm_result_comparison *comparison, bool whole, struct wm_err *err);
    /* What auto chose for an arm: after each size all sizes so far, and once more, whole, when its sweep has ended. */
    int (*choice)(void *arg, const struct wm_result_choice *choice, bool whole, struct wm_err *err);
    /* Before the first cell of a transport: what is wrong with the cards that it uses. */
    void (*warning)(void *arg, const char *sentence);
    void *arg;
};

struct wm_run_request {
    const struct wm_world *world;
    struct wm_watch *watch;
    struct wm_plan *plan; /* the cells' status is written */
    struct wm_clock clock;
    const struct wm_sink *sink;
    const struct wm_seat *seats; /* by rank, on rank 0: what cells are held against; NULL = nothing is known */
    _Atomic uint32_t *at_hand;   /* out: number of the first cell of the comparison under way; UINT32_MAX = none */
};

/**
 * Collective. Memory and transports are opened here and closed here.
 * @param stopped  out: why the run ended before its plan, on the rank that decided so (0); NULL = it did not
 * @return WM_OK when every cell was tried, whatever became of it (wm_run_status() says); else why the run could not go
 * on
 */
int wm_run(const struct wm_run_request *request, const char **stopped, struct wm_err *err);

/** Collective, before anything is allocated or written: WM_EUSAGE with the figures where the buffers do not fit a host.
 */
int wm_run_check(const struct wm_world *world, const struct wm_plan *plan, struct wm_err *err);

/** Exit status that the cells' statuses ask for: failed 1, timeout 124, skipped or not run 3; all measured 0. */
int wm_run_status(const struct wm_plan *plan);

#endif
