#include "bench/parts.h"

#include <math.h>
#include <stdlib.h>

#include "bench/alone.h"
#include "bench/build.h"

enum part { TO_HOST, NETWORK, TO_DEVICE, PARTS };

/* ---- one part of the schedule ---- */

static bool is_device(const struct wm_arm_spec *spec, enum wm_area area)
{
    return (area == WM_IN && wm_mem_is_device(spec->memory->send)) ||
           (area == WM_OUT && wm_mem_is_device(spec->memory->receive));
}

struct wanted {
    const struct wm_arm_spec *spec;
    enum part part;
};

static bool is_wanted(const struct wm_step *s, const void *arg)
{
    const struct wanted *w = arg;
    enum part part = NETWORK;
    if (s->kind == WM_STEP_COPY && is_device(w->spec, s->from.area))
        part = TO_HOST;
    else if (s->kind == WM_STEP_COPY && is_device(w->spec, s->to.area))
        part = TO_DEVICE;
    return part == w->part;
}

/* This rank's steps of one part. @return messages that they are for; 0: none */
static int build_part(const struct wm_comparison *c, const struct wm_arm *arm, enum part part, struct wm_schedule *out,
                      struct wm_err *err)
{
    const struct wanted wanted = { arm->spec, part };
    *out = (struct wm_schedule){ 0 };
    if (!arm->part || wm_build_schedule(arm->spec, &arm->point, c->bench->rank, out, err) != WM_OK)
        return 0;
    wm_schedule_keep(out, is_wanted, &wanted);
    if (out->n == 0)
        return 0;
    return arm->spec->bench->clock_of == WM_CLOCK_FIRST && part != NETWORK ? out->n : 1;
}

/* ---- one block ---- */

static int measure(struct wm_comparison *c, struct wm_arm *arm, enum part part, double *out, struct wm_err *err)
{
    struct wm_err story = { .rank = -1 };
    struct wm_schedule s;
    struct wm_loop loop = { .positions = 1, .barrier = part == NETWORK ? arm->loop.barrier : NULL };
    int messages = build_part(c, arm, part, &s, &story);
    if (messages > 0)
        wm_arm_program(arm, c->bench, &s, &loop.program, &story);
    wm_schedule_free(&s);
    if (wm_world_agree(c->members, WM_SPIN, &story) == WM_OK)
        wm_alone_median(c, arm, messages > 0 ? &loop : NULL, part != NETWORK || arm->clock, messages, out, err);
    if (arm->endpoint->lost == WM_OK) /* else its operations may be open still */
        wm_program_close(loop.program);
    return err->code;
}

int wm_parts_measure(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    double *part[PARTS] = { &arm->parts.device_to_host_ns, &arm->parts.network_ns, &arm->parts.host_to_device_ns };
    arm->parts = (struct wm_parts){ NAN, NAN, NAN };
    if (arm->status != WM_MEASURED || arm->spec->path != WM_PATH_STAGED)
        return WM_OK;
    for (int k = 0; k < PARTS && err->code == WM_OK && arm->endpoint->lost == WM_OK; k++)
        measure(c, arm, (enum part)k, part[k], err);
    arm->parts.network_ns /= wm_arm_operations(arm);
    return err->code;
}
