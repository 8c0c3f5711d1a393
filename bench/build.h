/** One rank's part of a cell as points, schedules and spans: the bridge from the plan to a row's pure builders. */
#ifndef WM_BENCH_BUILD_H
#define WM_BENCH_BUILD_H

#include "bench/plan.h"

enum wm_pass {
    WM_PASS_TIMED,    /* buffers as the arm says; runs many times */
    WM_PASS_VERIFIED, /* distinct buffers, the window capped to what WM_VERIFY_BYTES hold; runs once */
};
#define WM_VERIFY_BYTES (32u << 20)

/** Does this rank take part; in pairs: in which. */
bool wm_build_part(const struct wm_arm_spec *spec, int rank, struct wm_pair *mine);

/** Messages that one of its window may be at once: one for each peer. 1 for pairs, and for a rank alone. */
int wm_build_lanes(const struct wm_arm_spec *spec, int ranks);

/**
 * @param rank   of the world; must take part
 * @param root   for rooted rows
 * @param round  of the pattern: other data for each pass
 */
struct wm_point wm_build_point(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                               int rank, int root, enum wm_pass pass, uint32_t round);

/** The row's schedule with world ranks as peers. A rank without a part gets an empty one. Free with wm_schedule_free().
 */
int wm_build_schedule(const struct wm_arm_spec *spec, const struct wm_point *at, int rank, struct wm_schedule *out,
                      struct wm_err *err);

/** Bytes from one position of the cold ring to the next, and how many there are (1: no ring). */
struct wm_ring {
    size_t stride_bytes;
    unsigned positions;
};
struct wm_ring wm_build_ring(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_schedule *s);

#endif
