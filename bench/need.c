/* Buffers that a plan needs: the largest of each area over all cells and passes, by layout. */
#include "bench/build.h"

int wm_plan_layouts(const struct wm_plan *plan)
{
    return 2 * plan->n_memories;
}

const struct wm_mem *wm_plan_area(const struct wm_plan_layout *layout, enum wm_area area)
{
    const struct wm_plan_memory *m = layout->memory;
    const struct wm_mem *device = wm_plan_device(m);
    const struct wm_mem *staging = device != NULL && device->staging != NULL ? device->staging : &wm_mem_host;
    switch (area) {
    case WM_IN:
        return m->send;
    case WM_OUT:
        return m->receive;
    case WM_WORK: /* reductions combine it with what is received */
        return layout->detour ? staging : m->receive;
    case WM_HOST_IN:
    case WM_HOST_OUT:
    case WM_SLOTS:
        return layout->detour ? staging : NULL;
    case WM_AREAS:
        break;
    }
    return NULL;
}

static void widen(struct wm_plan_layout *layout, const struct wm_schedule *s, struct wm_ring ring)
{
    for (int a = 0; a < WM_AREAS; a++) {
        size_t bytes = s->area_bytes[a];
        if (ring.positions > 1 && (a == WM_IN || a == WM_OUT))
            bytes = ring.stride_bytes * ring.positions;
        if (bytes > layout->area_bytes[a])
            layout->area_bytes[a] = bytes;
    }
}

static int need_of_cell(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                        int rank, struct wm_plan_layout *layout, struct wm_err *err)
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
            widen(layout, &s, pass == WM_PASS_TIMED ? wm_build_ring(plan, spec, &s) : (struct wm_ring){ 0, 1 });
            wm_schedule_free(&s);
        }
    return WM_OK;
}

static int need_of_trials(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                          int rank, struct wm_plan_layout *layout, struct wm_err *err)
{
    struct wm_arm_spec trial[WM_PLAN_TRIALS];
    int n = wm_plan_trials(plan, spec, cell->bytes, trial), rc = WM_OK;
    for (int i = 0; i < n && rc == WM_OK; i++)
        rc = need_of_cell(plan, &trial[i], cell, rank, layout, err);
    return rc;
}

int wm_plan_need(const struct wm_plan *plan, int rank, struct wm_plan_layout *out, struct wm_err *err)
{
    for (int i = 0; i < wm_plan_layouts(plan); i++)
        out[i] = (struct wm_plan_layout){ .memory = &plan->memory[i / 2], .detour = i % 2 };
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *sweep = &plan->sweep[i];
        for (int k = 0; k < sweep->n_sizes * sweep->n_arms; k++) {
            const struct wm_arm_spec *spec = &sweep->arm[k % sweep->n_arms];
            struct wm_plan_layout *layout = &out[spec->layout];
            if (!sweep->cell[k].planned)
                continue;
            layout->used = true; /* on all ranks: registering is collective */
            layout->shared |= sweep->bench->shared;
            if (wm_build_part(spec, rank, NULL) &&
                need_of_trials(plan, spec, &sweep->cell[k], rank, layout, err) != WM_OK)
                return err->code;
        }
    }
    return WM_OK;
}

/* ---- buffers ---- */

static void add_buffer(struct wm_plan_buffer *out, int *n, const struct wm_mem *mem, enum wm_area area, size_t bytes)
{
    int k = 0;
    while (k < *n && (out[k].mem != mem || out[k].area != area))
        k++;
    if (k == *n)
        out[(*n)++] = (struct wm_plan_buffer){ .mem = mem, .area = area };
    if (bytes > out[k].bytes)
        out[k].bytes = bytes;
}

int wm_plan_buffers(const struct wm_plan_layout *layouts, int n_layouts, struct wm_plan_buffer *out)
{
    enum { LEAST_BYTES = 64 };
    int n = 0;
    for (int i = 0; i < n_layouts; i++)
        for (int a = 0; a < WM_AREAS && layouts[i].used; a++) {
            const struct wm_mem *mem = wm_plan_area(&layouts[i], (enum wm_area)a);
            size_t bytes = layouts[i].area_bytes[a];
            if (mem != NULL)
                add_buffer(out, &n, mem, (enum wm_area)a, bytes > LEAST_BYTES ? bytes : LEAST_BYTES);
        }
    return n;
}

int wm_plan_host_bytes(const struct wm_plan *plan, int rank, uint64_t *bytes, struct wm_err *err)
{
    struct wm_plan_layout layout[2 * (WM_PLAN_MEMORIES + 1)];
    struct wm_plan_buffer buffer[2 * (WM_PLAN_MEMORIES + 1) * WM_AREAS];
    *bytes = 0;
    if (wm_plan_need(plan, rank, layout, err) != WM_OK)
        return err->code;
    int n = wm_plan_buffers(layout, wm_plan_layouts(plan), buffer);
    for (int i = 0; i < n; i++)
        if (!wm_mem_is_device(buffer[i].mem) || buffer[i].mem->simulated)
            *bytes += buffer[i].bytes;
    return WM_OK;
}
