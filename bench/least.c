#include "bench/least.h"

#include <stdarg.h>
#include <stdio.h>

#include "bench/build.h"

void wm_at_least(struct wm_least *least, double ns, enum wm_limit_kind kind, const char *format, ...)
{
    va_list args;
    if (kind == WM_LIMIT_NONE || !(ns > 1.0001 * least->ns))
        return;
    least->ns = ns;
    least->kind = kind;
    va_start(args, format);
    vsnprintf(least->source, sizeof(least->source), format, args);
    va_end(args);
}

int wm_least_schedule(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo, int rank,
                      struct wm_schedule *out)
{
    struct wm_err ignored = { 0 };
    struct wm_arm_spec spec = *arm->spec;
    spec.algo = algo;
    struct wm_point at =
        wm_build_point(plan, &spec, arm->cell, rank, spec.root == WM_ROOT_ROTATE ? 0 : spec.root, WM_PASS_TIMED, 0);
    return wm_build_schedule(&spec, &at, rank, out, &ignored);
}

bool wm_least_both_ways(const struct wm_arm *arm)
{
    const struct wm_point at = { .ranks = 2, .window = arm->cell->window, .bytes = arm->cell->bytes };
    const struct wm_benchmark *bench = arm->spec->bench;
    return bench->counted_bytes != NULL && bench->counted_bytes(&at) > (double)arm->cell->bytes;
}

bool wm_least_library(const struct wm_plan *plan, const struct wm_arm *arm, const struct wm_algorithm *algo,
                      enum wm_coll_kind *kind)
{
    struct wm_schedule s;
    bool found = false;
    if (wm_least_schedule(plan, arm, algo, 0, &s) != WM_OK)
        return false;
    for (int i = 0; i < s.n && !found; i++)
        if (s.step[i].kind == WM_STEP_COLL) {
            *kind = s.coll[s.step[i].coll].kind;
            found = true;
        }
    wm_schedule_free(&s);
    return found;
}
