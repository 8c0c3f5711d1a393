#include "bench/parts.h"

#include <math.h>
#include <stdlib.h>

#include "bench/build.h"

enum part { TO_HOST, NETWORK, TO_DEVICE, PARTS };

enum { FEWEST = 5, MOST = 4096 }; /* operations of a block */
static const double block_ns = 10e6;

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

static double median_of(uint64_t *ns, unsigned n)
{
    double values[MOST];
    for (unsigned i = 0; i < n; i++)
        values[i] = (double)ns[i];
    return wm_median(values, n);
}

/* Operations of a block, from the first one's time; the same on all members. */
static unsigned count_of(double first_ns)
{
    const double n = block_ns / fmax(first_ns, 1);
    return n > MOST ? MOST : n < FEWEST ? FEWEST : (unsigned)n;
}

/* The slowest member's median time for one message, or for what the clock of the arm counts; 0 = nobody has a part. */
static int time_part(struct wm_comparison *c, struct wm_arm *arm, enum part part, int messages, struct wm_loop *loop,
                     double *out, struct wm_err *err)
{
    static const double pico = 1e3; /* whole numbers are compared */
    uint64_t ns[MOST], slowest = 0;
    unsigned n = 1;
    bool counts = messages > 0 && (part != NETWORK || arm->clock);
    for (int turn = 0; turn < 2; turn++) {
        if (wm_compare_alone(c, arm, messages > 0 ? loop : NULL, n, ns, err) != WM_OK || arm->endpoint->lost != WM_OK)
            return err->code;
        double each = counts ? fmax(median_of(ns, n) - c->bench->clock_cost_ns, 0) / messages : 0;
        slowest = (uint64_t)(each * pico);
        if (wm_world_max(c->members, &slowest, 1, WM_SPIN, err) != WM_OK)
            return err->code;
        n = count_of((double)slowest / pico * (messages > 0 ? messages : 1));
        uint64_t most = n;
        if (wm_world_max(c->members, &most, 1, WM_SPIN, err) != WM_OK)
            return err->code;
        n = (unsigned)most;
    }
    *out = slowest > 0 ? (double)slowest / pico : NAN;
    return WM_OK;
}

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
        time_part(c, arm, part, messages, &loop, out, err);
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
