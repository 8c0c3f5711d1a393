/**
 * Launches to judge: results (a launch each) and baselines (several) read cell by cell, a cell of a launch a small
 * record. Memory is the cells' identities once and about 100 bytes a cell and launch; histograms and raw samples are
 * passed over. All texts are interned: equal texts are one pointer, and live as long as the set.
 */
#ifndef WM_REPORTS_SAMPLE_H
#define WM_REPORTS_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reports/facts.h"
#include "src/core/err.h"
#include "src/result/result.h"

/* What a cell is; the same in every launch that has it. "" where it does not apply. */
struct wm_subject {
    const char *id, *bench, *transport, *path, *mem, *placement, *algo, *dtype, *op;
    const char *settings; /* "window=8 dtype=double" */
    int64_t bytes;
    int ranks, hosts;
    int curve; /* index of the curve that it is a size of */
};

/* One cell in one launch. */
struct wm_sample {
    double median_ns, ci95_low_ns, ci95_high_ns; /* NaN: not measured, no interval */
    double bytes_per_s;                          /* bus bandwidth, else bandwidth; NaN: none is defined */
    double limit_bytes_per_s, limit_share;       /* NaN: no limit */
    double asymmetry;                            /* largest ratio of a pair's times both ways, from 1; NaN: none */
    const char *reason;                          /* of the status or of the evidence; "" */
    const char *provider, *fabric;
    const char *algo_chosen; /* by auto, or by the library: algorithm and protocol */
    unsigned char status;    /* enum wm_status */
    bool here;               /* the launch's file has this cell */
    bool simulated;          /* sim, or simulated memory; not null */
    bool contradicted;
    bool limit_binds; /* kind link or measured: cannot be exceeded */
};

struct wm_launch_set_item {
    const char *path; /* of the file; a baseline's launches share it */
    const char *run_id, *started_utc;
    bool complete;
    uint64_t
        digest; /* of the times of its cells, in any order; 0: too little of them is there to tell launches apart */
    struct wm_facts facts;
    struct wm_sample *sample; /* [set->n_subjects] */
    size_t cap;               /* private */
    int side;                 /* 0: baseline, A; 1: judged, B */
};

struct wm_curve {
    const char *name; /* the cells' id without its bytes */
    const char *bench;
    int sizes;      /* cells of it */
    bool suspected; /* a judged launch says of it: direct may be staged in secret */
};

struct wm_intern;
struct wm_launch_set {
    struct wm_subject *subject; /* in the order in which they were first read */
    int n_subjects;
    struct wm_curve *curve;
    int n_curves;
    struct wm_launch_set_item *launch;
    int n_launches;
    struct wm_intern *texts; /* private, as is what follows */
    size_t subject_cap, curve_cap;
};

/** All empty. WM_ENOMEM. */
int wm_launch_set_open(struct wm_launch_set *set, struct wm_err *err);
/**
 * Reads a result or a baseline and appends its launches to one side. Errors name file and line: WM_EABSENT no file;
 * WM_EUSAGE not ours, truncated, another schema version, a cell twice, the same run twice on a side, units that
 * contradict each other (a median outside of its extremes, a bandwidth that its time does not give), a cell that says
 * something else of itself than in another file. After an error the set is only good for closing.
 */
int wm_launch_set_read(struct wm_launch_set *set, const char *path, int side, struct wm_err *err);
void wm_launch_set_close(struct wm_launch_set *set);

/** The one pointer of this text; NULL: no memory. */
const char *wm_launch_set_text(struct wm_launch_set *set, const char *text);

#endif
