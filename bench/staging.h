/**
 * What the detour through the host costs: arms that differ in their path alone, held against each other size by size.
 * Rank 0 only.
 */
#ifndef WM_BENCH_STAGING_H
#define WM_BENCH_STAGING_H

#include "bench/arm.h"
#include "src/result/result.h"

/* What one size says of "direct is staged in secret". */
struct wm_suspicion {
    double expected; /* time(staged) / time(direct) by the parts of staged, if direct has no copies; NaN = not known */
    bool suspected;  /* direct is too slow for one without copies */
};

/**
 * Pure. Copies that come on top of the network make staged slower by their share; where messages overlap, only by what
 * the slowest part exceeds the network. Where that makes less than 1.2, nothing is judged. Suspected: what is seen is
 * beyond doubt nearer to 1 than to what is expected, as ratios go (a library that stages in secret may do it better).
 * @param seen      time(staged) / time(direct) with its interval
 * @param overlaps  several messages are on their way at once
 */
struct wm_suspicion wm_staging_suspect(const struct wm_parts *parts, bool overlaps, const struct wm_ratio_point *seen);

/* Arms of a sweep that differ in their path alone; -1 = there is none. */
struct wm_staging_group {
    int direct, staged, pipelined;
    struct wm_result_staging result; /* of the largest size at which two of them were measured */
    int judged, suspected;           /* sizes at which something should be seen */
};

struct wm_staging {
    const struct wm_sweep *sweep;
    struct wm_staging_group *group;
    struct wm_result_staging *result; /* by group, while a comparison is written */
    int n;
};

int wm_staging_open(struct wm_staging *s, const struct wm_sweep *sweep, struct wm_err *err);
void wm_staging_close(struct wm_staging *s);

/** After the arms of one size were measured and their parts were, too. */
void wm_staging_keep(struct wm_staging *s, const struct wm_arm *arms, uint64_t seed);

/** What the sizes came to: borrowed from s. @param n  out */
const struct wm_result_staging *wm_staging_results(struct wm_staging *s, const struct wm_plan *plan, int *n);

#endif
