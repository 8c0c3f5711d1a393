/* Whom a rank talks to over one transport, from the plan: connections cost memory on the card. */
#include <string.h>

#include "bench/build.h"

static int mark(const struct wm_schedule *s, int rank, int ranks, bool *peers)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->step[i].kind == WM_STEP_SEND || s->step[i].kind == WM_STEP_RECV || s->step[i].kind == WM_STEP_PUT ||
            s->step[i].kind == WM_STEP_GET)
            peers[s->step[i].peer] = true;
    peers[rank] = false;
    for (int r = 0; r < ranks; r++)
        n += peers[r];
    return n;
}

static void mark_all(int rank, int ranks, bool *peers)
{
    memset(peers, true, (size_t)ranks * sizeof(*peers));
    peers[rank] = false;
}

/* Those of one algorithm, with every root. The passes differ in buffers, not in peers. */
static int mark_algorithm(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell,
                          int rank, bool *peers, struct wm_err *err)
{
    int roots = spec->bench->rooted && spec->root == WM_ROOT_ROTATE ? plan->ranks : 1;
    for (int k = 0; k < roots; k++) {
        struct wm_schedule s;
        struct wm_err skip = { .rank = -1 };
        int root = roots > 1 ? k : spec->root;
        struct wm_point at = wm_build_point(plan, spec, cell, rank, root, WM_PASS_TIMED, 0);
        if (wm_build_schedule(spec, &at, rank, &s, &skip) == WM_EUNSUP)
            return WM_OK; /* the run says so, cell by cell */
        if (skip.code != WM_OK) {
            *err = skip;
            return err->code;
        }
        int n = mark(&s, rank, plan->ranks, peers);
        wm_schedule_free(&s);
        if (n == plan->ranks - 1)
            break;
    }
    return WM_OK;
}

static int mark_cell(const struct wm_plan *plan, const struct wm_arm_spec *spec, const struct wm_cell *cell, int rank,
                     bool *peers, struct wm_err *err)
{
    struct wm_pair mine;
    struct wm_arm_spec trial[WM_PLAN_TRIALS];
    if (spec->round != NULL) {
        if (wm_build_part(spec, rank, &mine))
            peers[mine.from == rank ? mine.to : mine.from] = true;
        return WM_OK;
    }
    if (spec->bench->shared != 0) { /* the target of a put has no step that says so */
        mark_all(rank, plan->ranks, peers);
        return WM_OK;
    }
    int n = wm_plan_trials(plan, spec, cell->bytes, trial);
    for (int i = 0; i < n && err->code == WM_OK; i++)
        mark_algorithm(plan, &trial[i], cell, rank, peers, err);
    return err->code;
}

static void mark_barrier(int rank, int ranks, bool *peers, struct wm_err *err)
{
    struct wm_schedule s = { 0 };
    wm_build_barrier(rank, ranks, &s);
    if (wm_schedule_ok(&s) == WM_OK)
        mark(&s, rank, ranks, peers);
    else
        wm_fail(err, WM_ENOMEM, "realloc", 0, "schedule of the barrier");
    wm_schedule_free(&s);
}

int wm_plan_peers(const struct wm_plan *plan, int transport, int rank, struct wm_plan_peers *out, struct wm_err *err)
{
    out->barrier = false;
    memset(out->peer, false, (size_t)plan->ranks * sizeof(*out->peer));
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *sweep = &plan->sweep[i];
        for (int k = 0; k < sweep->n_sizes * sweep->n_arms && err->code == WM_OK; k++) {
            const struct wm_arm_spec *spec = &sweep->arm[k % sweep->n_arms];
            if (!sweep->cell[k].planned || spec->transport != transport)
                continue;
            out->barrier |= spec->bench->clock_of == WM_CLOCK_SLOWEST && spec->sync == WM_SYNC_BARRIER;
            mark_cell(plan, spec, &sweep->cell[k], rank, out->peer, err);
        }
    }
    if (out->barrier)
        mark_barrier(rank, plan->ranks, out->peer, err);
    return err->code;
}
