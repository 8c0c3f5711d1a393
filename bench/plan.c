#include "bench/plan.h"

#include <stdlib.h>

#include "bench/build.h"

const struct wm_algorithm wm_algorithm_auto = { .name = "auto" };

const char *const wm_path_names[WM_PATHS + 1] = { "host", "direct", "staged", "pipelined", NULL };

const struct wm_mem *wm_plan_device(const struct wm_plan_memory *m)
{
    return wm_mem_is_device(m->receive) ? m->receive : wm_mem_is_device(m->send) ? m->send : NULL;
}

void wm_plan_free(struct wm_plan *plan)
{
    for (int i = 0; i < plan->n_sweeps; i++) {
        free(plan->sweep[i].arm);
        free(plan->sweep[i].cell);
    }
    for (int i = 0; i < plan->n_pairings; i++)
        wm_pairing_free(&plan->pairing[i]);
    free(plan->sweep);
    free(plan->pairing);
    free(plan->memory);
    *plan = (struct wm_plan){ 0 };
}

bool wm_plan_cell(const struct wm_plan *plan, uint32_t number, const struct wm_sweep **sweep, int *size, int *arm)
{
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *s = &plan->sweep[i];
        if (number >= s->first_number && number < s->first_number + (uint32_t)(s->n_sizes * s->n_arms)) {
            *sweep = s;
            *size = (int)(number - s->first_number) / s->n_arms;
            *arm = (int)(number - s->first_number) % s->n_arms;
            return true;
        }
    }
    return false;
}

int wm_plan_members(const struct wm_plan *plan, const struct wm_arm_spec *spec, int *out)
{
    int n = 0;
    for (int r = 0; r < plan->ranks; r++)
        if (wm_build_part(spec, r, NULL))
            out[n++] = r;
    return n;
}
