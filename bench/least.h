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
int wm_least_schedule(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo, int rank,
                      struct wm_schedule *out);

/** Which of the library's collectives an algorithm is; false where it is composed. */
bool wm_least_library(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo,
                      enum wm_coll_kind *kind);

/** More bytes count than one message has: as many go the other way. */
bool wm_least_both_ways(const struct wm_arm *arm);

#endif
