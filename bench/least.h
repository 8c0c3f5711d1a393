/** Between the files of limits: the least time of an operation, and where it comes from. */
#ifndef WM_BENCH_LEAST_H
#define WM_BENCH_LEAST_H

#include "bench/limit.h"

/* The least time that one operation, as the cell counts them, can take. */
struct wm_least {
    double ns; /* 0 = no limit is known */
    enum wm_limit_kind kind;
    char source[sizeof(((struct wm_result_cell *)0)->limit.source)];
};

/** One more reason why it takes that long; the longest counts, the first among equals. */
void wm_at_least(struct wm_least *least, double ns, enum wm_limit_kind kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The schedule of an algorithm of the arm's row, on one rank; with a rotating root, that of its first operation. */
int wm_limits_build(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo, int rank,
                    struct wm_schedule *out);

/** Which of the library's collectives an algorithm is; false where it is composed. */
bool wm_limits_library(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo,
                       enum wm_coll_kind *kind);

/** More bytes count than one message has: as many go the other way. */
bool wm_limits_both_ways(const struct wm_arm *arm);

/* ---- GPU memory: gpu_least.c. Rank 0, with the seats as the endpoint claims them ---- */

/** Copies of rank 0 alone, between its GPU's memory and the host's. */
void wm_least_alone(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

/** Operations of all ranks, of one host and on GPUs, by transports that move memory of GPUs alone. */
void wm_least_between_gpus(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

/** Operations of all ranks through host memory. @param least  in: what the cards say; out: with the copies */
void wm_least_of_detour(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

#endif
