/**
 * The evidence of a cell: each arm runs an untimed block alone between two readings of the kernel's counters, which one
 * rank a host takes; rank 0 puts the hosts' verdicts together.
 */
#ifndef WM_BENCH_WITNESS_H
#define WM_BENCH_WITNESS_H

#include <jansson.h>

#include "bench/compare.h"
#include "bench/evidence.h"

/* What a rank keeps over the run. */
struct wm_witnesses {
    const struct wm_plan *plan;
    int rank;                   /* in the run */
    struct wm_gpu_meter *meter; /* NULL: no GPU's counters were asked for, or none can be read */
    bool metered;               /* they were asked for */
    bool looked;                /* tree and topo are filled */
    bool idle_known;            /* and idle: this rank can testify for its host */
    struct wm_tree tree;
    struct wm_topo topo;    /* cards and interfaces only */
    struct wm_traffic idle; /* what their counters rose by in idle_ns while nothing ran */
    uint64_t idle_ns;
};

/** Local. */
void wm_witnesses_open(struct wm_witnesses *w, const struct wm_plan *plan, int rank);
void wm_witnesses_close(struct wm_witnesses *w);

/* For the cell; arrays are new references of rank 0, NULL elsewhere and where nothing was looked at. */
struct wm_evidence {
    struct wm_judgement judgement; /* verdict NONE: not looked at (one host, simulated, nothing moved) */
    json_t *claims, *counters;
};
void wm_evidence_clear(struct wm_evidence *evidence);

/**
 * Collective over the members of a comparison, after it. @return WM_OK unless the members cannot talk to each other any
 * more; an operation that fails here loses the endpoint, and the cell stays measured
 */
int wm_witness(struct wm_witnesses *w, struct wm_comparison *c, struct wm_arm *arm, struct wm_evidence *out,
               struct wm_err *err);

#endif
