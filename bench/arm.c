#include "bench/arm.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND_TIMED = 1, ROUND_VERIFIED = 2 }; /* of the pattern: a pass never finds another one's data right */

int wm_arm_roots(const struct wm_arm *arm, const struct wm_plan *plan)
{
    return arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE ? plan->ranks : 1;
}

static int root_of(const struct wm_arm *arm, int k)
{
    return arm->spec->root == WM_ROOT_ROTATE ? k : arm->spec->root;
}

static const struct wm_layout *layout_of(const struct wm_arm *arm, const struct wm_bench *bench)
{
    return &bench->memory->layout[arm->spec->layout];
}

static struct wm_bind bind_of(const struct wm_arm *arm, const struct wm_bench *bench)
{
    const struct wm_layout *layout = layout_of(arm, bench);
    return (struct wm_bind){
        .transport = arm->endpoint->is->transport,
        .ep = arm->endpoint->ep,
        .attached = &arm->endpoint->layout[arm->spec->layout].attached,
        .mem = layout->device != NULL ? layout->device : &wm_mem_host,
        .copier = layout->copier,
    };
}

int wm_arm_program(const struct wm_arm *arm, const struct wm_bench *bench, const struct wm_schedule *s,
                   struct wm_program **out, struct wm_err *err)
{
    const struct wm_bind bind = bind_of(arm, bench);
    return wm_program_open(s, &bind, out, err);
}

int wm_arm_program_unflushed(const struct wm_arm *arm, const struct wm_bench *bench, struct wm_program **out,
                             struct wm_err *err)
{
    struct wm_bind bind = bind_of(arm, bench);
    struct wm_schedule s;
    bind.unflushed = true;
    if (wm_build_schedule(arm->spec, &arm->point, bench->rank, &s, err) == WM_OK)
        wm_program_open(&s, &bind, out, err);
    wm_schedule_free(&s);
    return err->code;
}

static int open_program(struct wm_arm *arm, const struct wm_bench *bench, const struct wm_point *at,
                        struct wm_program **out, struct wm_err *err)
{
    struct wm_schedule s;
    if (wm_build_schedule(arm->spec, at, bench->rank, &s, err) != WM_OK)
        return err->code;
    for (int a = 0; a < WM_AREAS; a++)
        if (s.area_bytes[a] > arm->touched_bytes[a])
            arm->touched_bytes[a] = s.area_bytes[a];
    wm_arm_program(arm, bench, &s, out, err);
    wm_schedule_free(&s);
    return err->code;
}

/* The programs of all roots, in a ring. */
static int open_ring(struct wm_arm *arm, const struct wm_bench *bench, struct wm_err *err)
{
    struct wm_program *last = NULL;
    for (int k = 0; k < wm_arm_roots(arm, bench->plan); k++) {
        struct wm_program *p;
        struct wm_point at =
            wm_build_point(bench->plan, arm->spec, arm->cell, bench->rank, root_of(arm, k), WM_PASS_TIMED, ROUND_TIMED);
        if (open_program(arm, bench, &at, &p, err) != WM_OK)
            return err->code;
        if (last == NULL) {
            arm->loop.program = p;
            arm->point = at;
        } else {
            p->next = last->next;
            last->next = p;
        }
        last = p;
    }
    return WM_OK;
}

static bool keeps_clock(const struct wm_arm *arm, int rank)
{
    struct wm_pair mine;
    if (arm->spec->bench->clock_of == WM_CLOCK_SLOWEST)
        return true;
    if (arm->spec->round == NULL)
        return rank == 0;
    return wm_build_part(arm->spec, rank, &mine) && mine.from == rank;
}

static int open_series(struct wm_arm *arm, const struct wm_bench *bench, struct wm_err *err)
{
    const struct wm_run_conf *conf = bench->plan->conf;
    bool back_to_back = arm->spec->bench->clock_of == WM_CLOCK_SLOWEST && arm->spec->sync == WM_SYNC_NONE;
    struct wm_series_conf series = {
        .precision = conf->precision,
        .min_samples = back_to_back ? WM_MIN_BLOCKS : (uint64_t)conf->min_samples, /* there a sample is a whole block */
        .seed = (uint64_t)conf->seed,
        .scratch = bench->scratch,
    };
    if (bench->rank == 0 && wm_series_open(&series, &arm->series, err) != WM_OK)
        return err->code;
    if (bench->rank == 0 && (arm->turn_ns = calloc(WM_TURNS, sizeof(*arm->turn_ns))) == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "medians of %d turns", WM_TURNS);
    if (arm->pairs > 1 && arm->clock && wm_series_open(&series, &arm->own, err) != WM_OK)
        return err->code;
    return WM_OK;
}

int wm_arm_open(struct wm_arm *arm, const struct wm_bench *bench, struct wm_err *err)
{
    arm->pairs = arm->spec->round != NULL ? arm->spec->round->n : 0;
    arm->part = wm_build_part(arm->spec, bench->rank, NULL);
    arm->clock = arm->part && keeps_clock(arm, bench->rank);
    const struct wm_endpoint_layout *layout = &arm->endpoint->layout[arm->spec->layout];
    if (layout->lost != WM_OK)
        return wm_fail(err, layout->lost, "", 0, "%.390s", layout->lost_reason);
    if (arm->spec->bench->shared != 0 && layout->unshared != WM_OK)
        return wm_fail(err, layout->unshared, "", 0, "%.390s", layout->unshared_reason);
    if (open_series(arm, bench, err) != WM_OK || !arm->part)
        return err->code;
    if (open_ring(arm, bench, err) != WM_OK)
        return err->code;
    struct wm_schedule touched = { 0 };
    memcpy(touched.area_bytes, arm->touched_bytes, sizeof(touched.area_bytes));
    arm->ring = wm_build_ring(bench->plan, arm->spec, &touched);
    arm->loop.stride_bytes = arm->ring.stride_bytes;
    arm->loop.positions = arm->ring.positions;
    if (arm->spec->bench->clock_of == WM_CLOCK_SLOWEST && arm->spec->sync == WM_SYNC_BARRIER)
        arm->loop.barrier = arm->endpoint->barrier;
    arm->idle = arm->endpoint->is->transport->untended && arm->loop.barrier == NULL &&
                wm_program_ring_is_empty(arm->loop.program);
    return WM_OK;
}

void wm_arm_close(struct wm_arm *arm)
{
    wm_program_ring_close(arm->loop.program);
    wm_series_close(arm->series);
    wm_series_close(arm->own);
    arm->loop.program = NULL;
    free(arm->turn_ns);
    arm->series = arm->own = NULL;
    arm->turn_ns = NULL;
}

double wm_arm_operations(const struct wm_arm *arm)
{
    struct wm_point at = { .ranks = arm->point.ranks ? arm->point.ranks : 2,
                           .window = arm->cell->window,
                           .bytes = arm->cell->bytes };
    return arm->spec->bench->operations != NULL ? arm->spec->bench->operations(&at) : 1;
}

double wm_arm_repeats(const struct wm_arm *arm)
{
    const struct wm_ep *ep = arm->endpoint->ep;
    return ep != NULL && ep->repeats > 1 ? ep->repeats : 1;
}

static int fill_at(struct wm_arm *arm, struct wm_bench *bench, size_t at, struct wm_err *err)
{
    struct wm_schedule touched = { 0 };
    memcpy(touched.area_bytes, arm->touched_bytes, sizeof(touched.area_bytes));
    return wm_verify_fill(arm->spec->bench, &arm->point, &touched, layout_of(arm, bench)->buf, at, err);
}

int wm_arm_fill(struct wm_arm *arm, struct wm_bench *bench, struct wm_err *err)
{
    if (!arm->part)
        return WM_OK;
    for (unsigned k = 0; k < arm->ring.positions && err->code == WM_OK; k++)
        fill_at(arm, bench, k * arm->ring.stride_bytes, err);
    return err->code;
}

/* Ranks of the run behind those that the row's patterns speak of; NULL: the same. */
static const int *ranks_of_pair(const struct wm_arm *arm, int rank, int pair[2])
{
    struct wm_pair mine;
    if (arm->spec->round == NULL || !wm_build_part(arm->spec, rank, &mine))
        return NULL;
    pair[0] = mine.from;
    pair[1] = mine.to;
    return pair;
}

int wm_arm_check(struct wm_arm *arm, struct wm_bench *bench, struct wm_err *err)
{
    int pair[2];
    const int *ranks = ranks_of_pair(arm, bench->rank, pair);
    return arm->part ? wm_verify_check(arm->spec->bench, &arm->point, layout_of(arm, bench)->buf,
                                       arm->loop.position * arm->ring.stride_bytes, ranks, &arm->verified, err)
                     : WM_OK;
}

int wm_arm_verify_open(struct wm_arm *arm, struct wm_bench *bench, int root, struct wm_verify_pass *pass,
                       struct wm_err *err)
{
    struct wm_schedule s;
    *pass = (struct wm_verify_pass){ 0 };
    if (!arm->part)
        return WM_OK;
    pass->point = wm_build_point(bench->plan, arm->spec, arm->cell, bench->rank, root_of(arm, root), WM_PASS_VERIFIED,
                                 ROUND_VERIFIED + (uint32_t)root);
    if (wm_build_schedule(arm->spec, &pass->point, bench->rank, &s, err) != WM_OK)
        return err->code;
    if (wm_verify_fill(arm->spec->bench, &pass->point, &s, layout_of(arm, bench)->buf, 0, err) == WM_OK)
        wm_arm_program(arm, bench, &s, &pass->program, err);
    wm_schedule_free(&s);
    return err->code;
}

int wm_arm_verify_check(struct wm_arm *arm, struct wm_bench *bench, struct wm_verify_pass *pass, struct wm_err *err)
{
    int pair[2];
    const int *ranks = ranks_of_pair(arm, bench->rank, pair);
    if (!arm->part)
        return WM_OK;
    wm_program_close(pass->program);
    pass->program = NULL;
    return wm_verify_check(arm->spec->bench, &pass->point, layout_of(arm, bench)->buf, 0, ranks, &arm->verified, err);
}

int wm_arm_failure(const struct wm_arm *arm, int code, struct wm_err *err)
{
    if (code == WM_OK || err->code != WM_OK)
        return err->code;
    const struct wm_endpoint *e = arm->endpoint;
    if (e->ep->err.code == (enum wm_code)code)
        *err = e->ep->err;
    else if (e->barrier_ep != NULL && e->barrier_ep->err.code == (enum wm_code)code)
        *err = e->barrier_ep->err;
    else if (code == WM_ETIMEOUT)
        wm_fail(err, WM_ETIMEOUT, "", 0, "no operation was complete within --timeout");
    else
        wm_fail(err, (enum wm_code)code, "", 0, "an operation of %s failed", e->is->transport->name);
    err->rank = -1;
    return err->code;
}
