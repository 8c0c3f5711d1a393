/** The arms of a sweep against its first one, over the sizes. Rank 0 only. */
#ifndef WM_BENCH_RATIOS_H
#define WM_BENCH_RATIOS_H

#include "bench/arm.h"

enum { WM_ARM_LABEL_BYTES = 256 };

struct wm_ratios {
    const struct wm_sweep *sweep;
    struct wm_ratio_point *of_size; /* [n_arms - 1]: of the size kept last; NaN = none */
    struct wm_ratio_point **point;  /* [n_arms - 1][n_points] */
    int *n_points;
    int64_t *crossover_bytes;
    char (*label)[WM_ARM_LABEL_BYTES];
    char (*identity)[WM_ID_BYTES];
    const char **labels, **of, *varies[8];
};

int wm_ratios_open(struct wm_ratios *r, const struct wm_sweep *sweep, struct wm_err *err);
void wm_ratios_close(struct wm_ratios *r);

/** time(other) / time(base) with its interval; NaN where one of them was not measured. */
struct wm_ratio_point wm_ratio_of(const struct wm_arm *base, const struct wm_arm *other, uint64_t seed);

/** After the comparison of one size, while its arms' samples are there. */
void wm_ratios_keep(struct wm_ratios *r, const struct wm_arm *arms, uint64_t seed);

/** What the sizes came to; borrows from r. WM_ENOMEM. */
int wm_ratios_comparison(struct wm_ratios *r, const struct wm_plan *plan, struct wm_result_comparison *out,
                         struct wm_err *err);

#endif
