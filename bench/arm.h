/** An arm of one comparison on one rank: its programs, its data, its samples. What alternates with others. */
#ifndef WM_BENCH_ARM_H
#define WM_BENCH_ARM_H

#include "bench/build.h"
#include "bench/endpoint.h"
#include "bench/loop.h"
#include "bench/noise.h"
#include "bench/verify.h"
#include "src/core/clock.h"
#include "src/stats/series.h"

/* What the arms of a run share on this rank. */
struct wm_bench {
    const struct wm_plan *plan;
    struct wm_memory *memory;
    int rank;
    struct wm_clock clock;
    double *scratch; /* of the arms' series */
};

enum { WM_TURN_SAMPLES = 65536, WM_SKEWS = 512, WM_TURNS = 4096 };

/* Not decided yet: how it ends is to be seen. */
#define WM_ARM_LIVE WM_STATUSES

/* What staging is made of, for one message or one collective; NaN = not measured, or no part of it on any rank. */
struct wm_parts {
    double device_to_host_ns, network_ns, host_to_device_ns;
};

struct wm_arm {
    const struct wm_arm_spec *spec;
    const struct wm_cell *cell;
    struct wm_endpoint *endpoint;
    enum wm_status status; /* WM_ARM_LIVE while it may still be measured */
    char reason[512];
    bool part;             /* this rank takes part */
    bool clock;            /* and its clock counts */
    bool idle;             /* it has nothing to do: peers reach into its memory without it */
    int pairs;             /* that talk at once; 0 for groups */
    struct wm_point point; /* of the timed pass */
    size_t touched_bytes[WM_AREAS];
    struct wm_ring ring;
    struct wm_loop loop;
    uint64_t operations; /* run on the timed programs so far: the same on all ranks */
    struct wm_verified verified;
    struct wm_series *own; /* this pair's samples, where several pairs talk at once */
    uint64_t slowest;      /* samples in which this rank was the slowest */
    /* rank 0 decides by these: */
    struct wm_series *series;
    double call_ns; /* one operation with all that stands between two */
    uint64_t batch, spent_ns;
    uint64_t check_ns; /* what its last check will take, as the verified pass did */
    bool single;       /* the time cannot hold 12 blocks */
    bool outrun;       /* on all members, while tuning: too slow after warm-up to be compared */
    double skew_ns[WM_SKEWS];
    unsigned skews;
    double *turn_ns; /* median of each turn, the k-th beside the other arms\' k-th: for ratios */
    unsigned turns;
    uint64_t turn_samples;
    struct wm_noise noise;
    struct wm_parts parts;
    double device_time_ns; /* of one message or collective by the device's clock; NaN = it has none */
    struct wm_heard heard; /* by the library itself, where it tells */
    double noflush_ns;     /* for one message or one collective; NaN = not measured, or it flushes nothing */
};

/** Local: schedules, programs and series of the timed pass. WM_EUNSUP: cannot be done, with the reason. */
int wm_arm_open(struct wm_arm *arm, const struct wm_bench *bench, struct wm_err *err);
void wm_arm_close(struct wm_arm *arm);

/** Messages by which the time of one call is divided. */
double wm_arm_operations(const struct wm_arm *arm);

/** Operations of the library's own that each of its collectives stands for: the time is divided by them, too. */
double wm_arm_repeats(const struct wm_arm *arm);

/** Local: fills the timed buffers with this arm's data. */
int wm_arm_fill(struct wm_arm *arm, struct wm_bench *bench, struct wm_err *err);

/** Local, outside the clock: checks what the last timed operation left. */
int wm_arm_check(struct wm_arm *arm, struct wm_bench *bench, struct wm_err *err);

/** The verified pass with one root: open and fill, run (the only step that talks), check and close. */
struct wm_verify_pass {
    struct wm_point point;
    struct wm_program *program;
};
int wm_arm_verify_open(struct wm_arm *arm, struct wm_bench *bench, int root, struct wm_verify_pass *pass,
                       struct wm_err *err);
int wm_arm_verify_check(struct wm_arm *arm, struct wm_bench *bench, struct wm_verify_pass *pass, struct wm_err *err);

/** Local: another schedule of this rank on the arm's buffers and endpoint; closed by wm_program_close(). */
int wm_arm_program(const struct wm_arm *arm, const struct wm_bench *bench, const struct wm_schedule *s,
                   struct wm_program **out, struct wm_err *err);

/** Local: the arm's first timed operation without what makes bytes visible to a device. */
int wm_arm_program_unflushed(const struct wm_arm *arm, const struct wm_bench *bench, struct wm_program **out,
                             struct wm_err *err);

/** How many roots the arm's operations go through: 1, or all ranks when the root rotates. */
int wm_arm_roots(const struct wm_arm *arm, const struct wm_plan *plan);

/** The story of an operation that failed on this rank. */
int wm_arm_failure(const struct wm_arm *arm, int code, struct wm_err *err);

#endif
