#include "bench/ratios.h"

#include <math.h>
#include <stdlib.h>

int wm_ratios_open(struct wm_ratios *r, const struct wm_sweep *sweep, struct wm_err *err)
{
    size_t arms = (size_t)sweep->n_arms, sizes = (size_t)sweep->n_sizes;
    *r = (struct wm_ratios){
        .sweep = sweep,
        .of_size = calloc(arms, sizeof(*r->of_size)),
        .point = calloc(arms, sizeof(*r->point)),
        .n_points = calloc(arms, sizeof(*r->n_points)),
        .crossover_bytes = calloc(arms, sizeof(*r->crossover_bytes)),
        .label = calloc(arms, sizeof(*r->label)),
        .labels = calloc(arms, sizeof(*r->labels)),
        .identity = calloc(arms, sizeof(*r->identity)),
        .of = calloc(arms, sizeof(*r->of)),
    };
    bool ok =
        r->of_size && r->point && r->n_points && r->crossover_bytes && r->label && r->labels && r->identity && r->of;
    for (size_t a = 0; ok && a + 1 < arms; a++)
        ok = (r->point[a] = calloc(sizes, sizeof(**r->point))) != NULL;
    return ok ? WM_OK : wm_fail(err, WM_ENOMEM, "calloc", 0, "%zu arms of %s", arms, sweep->bench->name);
}

void wm_ratios_close(struct wm_ratios *r)
{
    for (int a = 0; r->point != NULL && a < r->sweep->n_arms; a++)
        free(r->point[a]);
    free(r->of_size);
    free(r->point);
    free(r->n_points);
    free(r->crossover_bytes);
    free(r->label);
    free(r->labels);
    free(r->identity);
    free(r->of);
    *r = (struct wm_ratios){ 0 };
}

struct wm_ratio_point wm_ratio_of(const struct wm_arm *base, const struct wm_arm *other, uint64_t seed)
{
    struct wm_ratio_point p = { .bytes = (int64_t)other->cell->bytes, .ratio = NAN, .ci95_low = NAN, .ci95_high = NAN };
    if (base->status == WM_MEASURED && other->status == WM_MEASURED)
        wm_ratio_interval(other->turn_ns, other->turns, base->turn_ns, base->turns, seed, &p.ratio, &p.ci95_low,
                          &p.ci95_high);
    return p;
}

void wm_ratios_keep(struct wm_ratios *r, const struct wm_arm *arms, uint64_t seed)
{
    for (int a = 0; a + 1 < r->sweep->n_arms; a++) {
        r->of_size[a] = wm_ratio_of(&arms[0], &arms[a + 1], seed);
        if (!isnan(r->of_size[a].ratio))
            r->point[a][r->n_points[a]++] = r->of_size[a];
    }
}

/* The smallest size from which on every larger one's interval lies above 1. */
static int64_t crossover(const struct wm_ratio_point *point, int n)
{
    int64_t bytes = -1;
    for (int k = n - 1; k >= 0 && point[k].ci95_low > 1; k--)
        bytes = point[k].bytes;
    return bytes;
}

int wm_ratios_comparison(struct wm_ratios *r, const struct wm_plan *plan, struct wm_result_comparison *out,
                         struct wm_err *err)
{
    const struct wm_sweep *sweep = r->sweep;
    for (int i = 0; i < sweep->n_varies; i++)
        r->varies[i] = sweep->varies[i];
    for (int a = 0; a < sweep->n_arms; a++) {
        r->labels[a] = wm_plan_arm_label(plan, sweep, a, r->label[a], sizeof(r->label[a]));
        r->of[a] = r->identity[a];
        if (wm_plan_arm_identity(plan, sweep, a, r->identity[a], err) != WM_OK)
            return err->code;
    }
    for (int a = 0; a + 1 < sweep->n_arms; a++)
        r->crossover_bytes[a] = crossover(r->point[a], r->n_points[a]);
    *out = (struct wm_result_comparison){
        .bench = sweep->bench->name,
        .baseline = r->labels[0],
        .varies = r->varies,
        .n_varies = sweep->n_varies,
        .arms = r->labels,
        .of = r->of,
        .n_arms = sweep->n_arms,
        .interleaved = true,
        .points = r->point,
        .n_points = r->n_points,
        .crossover_bytes = r->crossover_bytes,
    };
    return WM_OK;
}
