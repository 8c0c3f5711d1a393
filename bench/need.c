/* Buffers that a plan needs: the largest of each area over all cells and passes. */
#include "bench/build.h"

static void widen(struct wm_plan_need *need, const struct wm_schedule *s, struct wm_ring ring)
{
    for (int a = 0; a < WM_AREAS; a++) {
        size_t bytes = s->area_bytes[a];
        if (ring.positions > 1 && (a == WM_IN || a == WM_OUT))
            bytes = ring.stride_bytes * ring.positions;
        if (bytes > need->area_bytes[a])
            need->area_bytes[a] = bytes;
    }
}

static int need_of_cell(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                        int rank, struct wm_plan_need *need, struct wm_err *err)
{
    int other = (rank + 1) % plan->ranks;
    int roots[2] = { spec->root == WM_ROOT_ROTATE ? rank : spec->root, other };
    int n_roots = spec->root == WM_ROOT_ROTATE ? 2 : 1;
    for (int pass = WM_PASS_TIMED; pass <= WM_PASS_VERIFIED; pass++)
        for (int i = 0; i < n_roots; i++) {
            struct wm_schedule s;
            struct wm_err skip = { 0 };
            struct wm_point at = wm_build_point(plan, spec, cell, rank, roots[i], (enum wm_pass)pass, 0);
            int rc = wm_build_schedule(spec, &at, rank, &s, &skip);
            if (rc == WM_EUNSUP)
                return WM_OK; /* the run says so, cell by cell */
            if (rc != WM_OK) {
                *err = skip;
                return rc;
            }
            widen(need, &s, pass == WM_PASS_TIMED ? wm_build_ring(plan, spec, &s) : (struct wm_ring){ 0, 1 });
            wm_schedule_free(&s);
        }
    return WM_OK;
}

static int need_of_candidates(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                              int rank, struct wm_plan_need *need, struct wm_err *err)
{
    struct wm_arm_spec tried = *spec;
    int n, rc = WM_OK;
    const struct wm_algorithm *algo = wm_plan_candidates(spec, &n);
    for (int i = 0; i < n && rc == WM_OK; i++) {
        tried.algo = &algo[i];
        rc = need_of_cell(plan, &tried, cell, rank, need, err);
    }
    return rc;
}

int wm_plan_need(const struct wm_plan *plan, int rank, struct wm_plan_need *out, struct wm_err *err)
{
    *out = (struct wm_plan_need){ .area_bytes[WM_WORK] = 64 }; /* the barrier's byte */
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *sweep = &plan->sweep[i];
        out->shared |= sweep->bench->shared;
        for (int k = 0; k < sweep->n_sizes * sweep->n_arms; k++) {
            const struct wm_arm_spec *spec = &sweep->arm[k % sweep->n_arms];
            if (sweep->cell[k].planned && wm_build_part(spec, rank, NULL) &&
                need_of_candidates(plan, spec, &sweep->cell[k], rank, out, err) != WM_OK)
                return err->code;
        }
    }
    return WM_OK;
}
