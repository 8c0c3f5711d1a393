#include "bench/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/compare.h"
#include "bench/device_time.h"
#include "bench/heard.h"
#include "bench/limit.h"
#include "bench/noflush.h"
#include "bench/parts.h"
#include "bench/ratios.h"
#include "bench/record.h"
#include "bench/staging.h"
#include "bench/tune.h"
#include "src/core/units.h"
#include "src/topo/node.h"

enum { LEAST_SLOTS = 256 };

/* One run on one rank. */
struct run {
    const struct wm_run_request *is;
    struct wm_plan *plan;
    const struct wm_world *world;
    struct wm_bench bench;
    struct wm_endpoint *endpoint; /* by transport of the plan */
    struct wm_memory memory;
    struct wm_limits limits;
    struct wm_witnesses witnesses;
    struct wm_random random;
    const struct wm_world *part; /* of the last comparison, kept: the next often has the same members */
    struct wm_world *own_part;   /* the same when it is not the whole world */
    int *member, *last_member;
    bool *peer; /* by rank, while an endpoint is opened */
    int n_members, n_last;
    uint64_t began_ns;
    uint32_t number;               /* of the comparison's first cell, for the watch */
    double *median_ns, *member_ns; /* by rank: of pairs, while they are recorded */
    struct wm_err
        failed; /* of this rank alone, outside of what all do together; the others learn of it in the rejoin */
    const char *wants_stop; /* why this rank asks all to end; NULL = it does not */
    bool stop;              /* all know */
};

/* ---- memory ---- */

/* @param asked  bytes of each rank's buffers */
static int check_memory(const struct wm_world *world, const uint64_t *asked, struct wm_err *err)
{
    const struct wm_place *here = &world->places[world->rank];
    uint64_t sum = 0, available = wm_node_available_bytes();
    char all[WM_TEXT_BYTES], there[WM_TEXT_BYTES];
    int beside = 0;
    for (int r = 0; r < world->size; r++)
        if (world->places[r].host_index == here->host_index) {
            sum += asked[r];
            beside++;
        }
    if (available > 0 && sum > available)
        wm_fail(
            err, WM_EUSAGE, "", 0,
            "not enough memory on host %s: %s of buffers for its %d ranks, and %s are available; lower --max-bytes, "
            "--window or --max-inflight",
            here->host, wm_format_memory(all, sum), beside, wm_format_memory(there, available));
    return err->code;
}

int wm_run_check(const struct wm_world *world, const struct wm_plan *plan, struct wm_err *err)
{
    uint64_t mine = 0, *asked = calloc((size_t)world->size, sizeof(*asked));
    if (asked == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "needs of %d ranks", world->size);
    else
        wm_plan_host_bytes(plan, world->rank, &mine, err);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), asked, err) == WM_OK) {
        check_memory(world, asked, err);
        wm_world_agree(world, WM_SPIN, err);
    }
    free(asked);
    return err->code;
}

/* ---- members of a comparison ---- */

/* All arms' members, and rank 0, which decides and records. */
static void choose_members(struct run *run, const struct wm_sweep *sweep, const struct wm_arm *arms)
{
    run->n_members = 0;
    for (int r = 0; r < run->world->size; r++) {
        bool in = r == 0;
        for (int a = 0; a < sweep->n_arms && !in; a++)
            in = arms[a].status == WM_ARM_LIVE && wm_build_part(&sweep->arm[a], r, NULL);
        if (in)
            run->member[run->n_members++] = r;
    }
}

static bool is_member(const struct run *run)
{
    for (int i = 0; i < run->n_members; i++)
        if (run->member[i] == run->world->rank)
            return true;
    return false;
}

static int open_part(struct run *run, struct wm_err *err)
{
    size_t bytes = (size_t)run->n_members * sizeof(*run->member);
    if (run->n_members == run->n_last && memcmp(run->member, run->last_member, bytes) == 0)
        return WM_OK;
    wm_world_part_close(run->own_part);
    run->own_part = NULL;
    run->part = NULL;
    run->n_last = run->n_members;
    memcpy(run->last_member, run->member, bytes);
    if (!is_member(run))
        return WM_OK;
    if (run->n_members == run->world->size) {
        run->part = run->world;
        return WM_OK;
    }
    if (wm_world_part(run->world, run->member, run->n_members, &run->own_part, err) == WM_OK)
        run->part = run->own_part;
    return err->code;
}

/* ---- one comparison ---- */

/* What is still to be measured over an endpoint that is lost is not. */
static void settle_lost(struct wm_arm *arm)
{
    const struct wm_endpoint *e = arm->endpoint;
    if (arm->status != WM_ARM_LIVE || e->lost == WM_OK)
        return;
    arm->status = e->lost == WM_EUNSUP || e->lost == WM_EABSENT ? WM_SKIPPED : WM_NOT_RUN;
    snprintf(arm->reason, sizeof(arm->reason), "%s", e->lost_reason);
}

static void begin_arm(struct run *run, const struct wm_sweep *sweep, int size, int a, struct wm_arm *arm)
{
    *arm = (struct wm_arm){
        .spec = &sweep->arm[a],
        .cell = &sweep->cell[size * sweep->n_arms + a],
        .endpoint = &run->endpoint[sweep->arm[a].transport],
        .status = WM_ARM_LIVE,
    };
    if (!arm->cell->planned)
        arm->status = WM_NOT_RUN;
    settle_lost(arm);
}

/* A window both ways and its acknowledgements at once, and what a large group keeps open anyway. */
static unsigned slots(const struct wm_plan *plan)
{
    int window = 0;
    for (int i = 0; i < plan->n_sweeps; i++)
        for (int a = 0; a < plan->sweep[i].n_arms; a++)
            if (plan->sweep[i].arm[a].window > window)
                window = plan->sweep[i].arm[a].window;
    return 2 * window + 2 > LEAST_SLOTS ? (unsigned)(2 * window + 2) : LEAST_SLOTS;
}

/* Collective over the world. A transport that is opened talks to those whom the whole plan needs. */
static void open_endpoint(struct run *run, int t)
{
    struct wm_plan_peers peers = { .peer = run->peer };
    struct wm_endpoint *e = &run->endpoint[t];
    struct wm_endpoint_conf conf = {
        .world = run->world,
        .watch = run->is->watch,
        .memory = &run->memory,
        .slots = slots(run->plan),
        .peers = &peers,
    };
    struct wm_err err = { .rank = -1 };
    wm_plan_peers(run->plan, t, run->world->rank, &peers, &err);
    if (wm_world_agree(run->world, WM_SPIN, &err) == WM_OK) {
        wm_endpoint_open(e, &conf);
        return;
    }
    e->lost = err.code;
    wm_err_text(&err, e->lost_reason, sizeof(e->lost_reason));
}

static void open_endpoints(struct run *run, const struct wm_sweep *sweep, int size)
{
    for (int a = 0; a < sweep->n_arms; a++) {
        struct wm_endpoint *e = &run->endpoint[sweep->arm[a].transport];
        if (!sweep->cell[size * sweep->n_arms + a].planned || e->ep != NULL || e->lost != WM_OK)
            continue;
        wm_watch_phase(run->is->watch, WM_PHASE_OPEN, run->number);
        open_endpoint(run, sweep->arm[a].transport);
        if (run->world->rank == 0 && e->lost == WM_OK && run->is->seats != NULL)
            wm_seats_judge(run->is->seats, run->world, e, run->is->sink->warning, run->is->sink->arg);
    }
    wm_watch_phase(run->is->watch, WM_PHASE_WARMUP, run->number); /* opening has a longer deadline than what follows */
}

/* Collective over the world: who was not there learns which endpoints were lost; all learn whether to go on. */
static int rejoin(struct run *run, struct wm_err *err)
{
    uint64_t flags[WM_PLAN_TRANSPORTS + 1] = { 0 };
    int n = run->plan->n_transports;
    bool member = is_member(run);
    wm_watch_phase(run->is->watch, member ? WM_PHASE_RECORD : WM_PHASE_IDLE, run->number);
    for (int t = 0; t < n; t++)
        flags[t] = (uint64_t)run->endpoint[t].lost;
    flags[n] = run->wants_stop != NULL;
    if (wm_world_max(run->world, flags, (size_t)n + 1, member ? WM_SPIN : WM_SLEEP, err) != WM_OK)
        return err->code;
    for (int t = 0; t < n; t++)
        if (run->endpoint[t].lost == WM_OK)
            run->endpoint[t].lost = (enum wm_code)flags[t];
    run->stop = flags[n] != 0;
    return WM_OK;
}

/* ---- records: rank 0, with the members' help ---- */

static int collect(struct wm_comparison *c, struct wm_arm *arm, struct run *run, struct wm_record_extra *extra,
                   struct wm_err *err)
{
    *extra = (struct wm_record_extra){
        .slowest_rank = -1,
        .slowest_share = NAN,
        .clock_uncertainty_ns = c->clock_uncertainty_ns,
        .oversubscribed = run->world->crowded,
    };
    if (c->members->hosts > 1 && wm_world_max(c->members, &extra->clock_uncertainty_ns, 1, WM_SPIN, err) != WM_OK)
        return err->code;
    if (wm_compare_slowest(c, arm, &extra->slowest_rank, &extra->slowest_share, err) != WM_OK)
        return err->code;
    if (extra->slowest_rank >= 0)
        extra->slowest_rank = run->member[extra->slowest_rank];
    if (wm_limits_count(&run->limits, c->members, run->member, arm, run->world->rank, err) != WM_OK ||
        wm_witness(&run->witnesses, c, arm, &extra->evidence, err) != WM_OK || wm_parts_measure(c, arm, err) != WM_OK ||
        wm_device_time_measure(c, arm, err) != WM_OK || wm_noflush_measure(c, arm, err) != WM_OK ||
        wm_hear(c, arm, err) != WM_OK)
        return err->code;
    if (arm->pairs <= 1 || arm->status != WM_MEASURED)
        return WM_OK;
    if (wm_compare_pairs(c, arm, run->member_ns, err) != WM_OK || run->world->rank != 0)
        return err->code;
    for (int i = 0; i < arm->pairs; i++)
        for (int m = 0; m < run->n_members; m++)
            if (run->member[m] == arm->spec->round->pair[i].from)
                run->median_ns[i] = run->member_ns[m];
    extra->pair_median_ns = run->median_ns;
    return WM_OK;
}

/* Rank 0 alone: what goes wrong is kept until all meet again. */
static void fail_alone(struct run *run, const char *why)
{
    if (run->failed.code != WM_OK && run->wants_stop == NULL)
        run->wants_stop = why;
}

/* --require-proven: a road that the counters do not prove is a failure. */
static void require_proof(const struct run *run, struct wm_cell *planned, const struct wm_record_extra *extra,
                          struct wm_result_cell *cell)
{
    const struct wm_judgement *j = &extra->evidence.judgement;
    if (!run->plan->conf->require_proven || cell->status != WM_MEASURED || j->verdict == WM_PROVEN)
        return;
    planned->status = cell->status = WM_FAILED;
    snprintf(cell->reason, sizeof(cell->reason), "the fabric is not proven: %s",
             j->verdict != WM_VERDICT_NONE ? j->reason : "no byte has to leave a host that counters could tell of");
}

/* --fabric: bytes that went another way are a failure; the figures stay, for they are of that way. */
static void require_fabric(const struct run *run, struct wm_cell *planned, const struct wm_arm *arm,
                           const struct wm_record_extra *extra, struct wm_result_cell *cell)
{
    enum wm_fabric wanted = run->plan->transport[arm->spec->transport].fabric;
    const struct wm_judgement *j = &extra->evidence.judgement;
    if (wanted == WM_FABRIC_UNKNOWN || cell->status != WM_MEASURED || j->verdict != WM_CONTRADICTED ||
        j->fabric == wanted)
        return;
    planned->status = cell->status = WM_FAILED;
    snprintf(cell->reason, sizeof(cell->reason), "--fabric %s: the bytes went another way: %s", wm_fabric_names[wanted],
             j->reason);
}

static void write_cell(struct run *run, const struct wm_sweep *sweep, int size, int a, const struct wm_arm *arm,
                       const struct wm_record_extra *extra, const struct wm_ratio_point *ratio)
{
    const struct wm_sink *sink = run->is->sink;
    struct wm_result_cell *cell = malloc(sizeof(*cell));
    if (cell == NULL) {
        wm_fail(&run->failed, WM_ENOMEM, "malloc", 0, "a cell");
    } else {
        wm_plan_identity(run->plan, sweep, size, a, cell);
        if (wm_record(arm, run->plan, extra, cell, &run->failed) == WM_OK) {
            wm_limits_cell(&run->limits, arm, run->memory.layout[arm->spec->layout].buf, cell);
            if (arm->spec->algo != sweep->arm[a].algo)
                snprintf(cell->algo_chosen, sizeof(cell->algo_chosen), "%s", arm->spec->algo->name);
            require_fabric(run, &sweep->cell[size * sweep->n_arms + a], arm, extra, cell);
            require_proof(run, &sweep->cell[size * sweep->n_arms + a], extra, cell);
            sink->cell(sink->arg, cell, sweep, a, ratio, &run->failed);
        }
        wm_record_clear(cell);
        free(cell);
    }
    fail_alone(run, "the result could not be written");
}

/* @param ratios  of the arms after the first, at this size; rank 0 */
static int record_arms(struct run *run, struct wm_comparison *c, const struct wm_sweep *sweep, int size,
                       const struct wm_ratio_point *ratios, struct wm_err *err)
{
    for (int a = 0; a < c->n_arms && err->code == WM_OK; a++) {
        struct wm_record_extra extra = { 0 };
        if (!c->arm[a].cell->planned)
            continue;
        sweep->cell[size * sweep->n_arms + a].status = c->arm[a].status;
        if (collect(c, &c->arm[a], run, &extra, err) == WM_OK && run->world->rank == 0 && run->failed.code == WM_OK)
            write_cell(run, sweep, size, a, &c->arm[a], &extra, a > 0 ? &ratios[a - 1] : NULL);
        wm_evidence_clear(&extra.evidence);
    }
    return err->code;
}

/* ---- sweeps ---- */

/* What a sweep keeps over its sizes. */
struct keeping {
    struct wm_arm *arm;
    struct wm_tuning *tuning; /* by arm */
    struct wm_ratios ratios;  /* rank 0 */
    struct wm_staging staging;
};

static void look_at_the_clock(struct run *run)
{
    uint64_t limit_ns = run->plan->conf->total_time_ns;
    if (run->world->rank == 0 && limit_ns > 0 && wm_now_ns() - run->began_ns > limit_ns && run->wants_stop == NULL)
        run->wants_stop = "--total-time was used up";
}

/* Rank 0 alone, where arms are compared. */
static void write_comparison(struct run *run, struct keeping *keep, bool whole)
{
    if (run->world->rank != 0 || keep->ratios.sweep->n_arms < 2 || run->failed.code != WM_OK)
        return;
    struct wm_result_comparison comparison;
    if (wm_ratios_comparison(&keep->ratios, run->plan, &comparison, &run->failed) != WM_OK)
        return fail_alone(run, "the result could not be written");
    comparison.staging = wm_staging_results(&keep->staging, run->plan, &comparison.n_staging);
    run->is->sink->comparison(run->is->sink->arg, &comparison, whole, &run->failed);
    fail_alone(run, "the result could not be written");
}

/* Rank 0 alone: of one arm. */
static void write_choice(struct run *run, const struct wm_sweep *sweep, int a, const struct wm_tuning *t, bool whole)
{
    char of[WM_ID_BYTES], label[WM_ARM_LABEL_BYTES];
    if (wm_plan_arm_identity(run->plan, sweep, a, of, &run->failed) != WM_OK)
        return;
    struct wm_result_choice choice = {
        .of = of,
        .bench = sweep->bench->name,
        .transport = run->plan->transport[sweep->arm[a].transport].transport->name,
        .label = wm_plan_arm_label(run->plan, sweep, a, label, sizeof(label)),
        .point = t->point,
        .n_points = t->n_points,
        .left_out = t->left_out,
        .n_left_out = t->n_left_out,
    };
    run->is->sink->choice(run->is->sink->arg, &choice, whole, &run->failed);
}

static void write_choices(struct run *run, const struct wm_sweep *sweep, const struct keeping *keep, bool whole)
{
    for (int a = 0; run->world->rank == 0 && a < sweep->n_arms && run->failed.code == WM_OK; a++)
        if (keep->tuning[a].n_points > 0)
            write_choice(run, sweep, a, &keep->tuning[a], whole);
    fail_alone(run, "the result could not be written");
}

/* Every arm that says auto gets its algorithm, one after the other. */
static int tune(const struct wm_comparison *c, struct keeping *keep, struct wm_err *err)
{
    for (int a = 0; a < c->n_arms && err->code == WM_OK; a++) {
        wm_tune(&keep->tuning[a], c, &c->arm[a], err);
        for (int i = 0; i < c->n_arms; i++)
            settle_lost(&c->arm[i]);
    }
    return err->code;
}

static int compare_members(struct run *run, const struct wm_sweep *sweep, int size, struct keeping *keep,
                           struct wm_err *err)
{
    struct wm_comparison c = {
        .bench = &run->bench,
        .members = run->part,
        .member = run->member,
        .watch = run->is->watch,
        .arm = keep->arm,
        .n_arms = sweep->n_arms,
        .first_number = run->number,
        .random = &run->random,
    };
    if (tune(&c, keep, err) != WM_OK || wm_compare(&c, err) != WM_OK)
        return err->code;
    wm_watch_phase(run->is->watch, WM_PHASE_RECORD, run->number);
    if (run->world->rank == 0)
        wm_ratios_keep(&keep->ratios, keep->arm, (uint64_t)run->plan->conf->seed);
    if (record_arms(run, &c, sweep, size, keep->ratios.of_size, err) == WM_OK) {
        if (run->world->rank == 0)
            wm_staging_keep(&keep->staging, keep->arm, (uint64_t)run->plan->conf->seed);
        write_comparison(run, keep, false);
        write_choices(run, sweep, keep, false);
    }
    return err->code;
}

static int one_size(struct run *run, const struct wm_sweep *sweep, int size, struct keeping *keep, struct wm_err *err)
{
    run->number = sweep->first_number + (uint32_t)(size * sweep->n_arms);
    open_endpoints(run, sweep, size);
    for (int a = 0; a < sweep->n_arms; a++)
        begin_arm(run, sweep, size, a, &keep->arm[a]);
    choose_members(run, sweep, keep->arm);
    if (open_part(run, err) != WM_OK)
        return err->code;
    *run->is->at_hand = run->number;
    if (run->part != NULL)
        compare_members(run, sweep, size, keep, err);
    *run->is->at_hand = UINT32_MAX;
    for (int a = 0; a < sweep->n_arms; a++)
        wm_arm_close(&keep->arm[a]);
    look_at_the_clock(run);
    return err->code == WM_OK ? rejoin(run, err) : (int)err->code;
}

static int open_keeping(const struct run *run, const struct wm_sweep *sweep, struct keeping *keep, struct wm_err *err)
{
    keep->arm = calloc((size_t)sweep->n_arms, sizeof(*keep->arm));
    keep->tuning = calloc((size_t)sweep->n_arms, sizeof(*keep->tuning));
    if (keep->arm == NULL || keep->tuning == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d arms of %s", sweep->n_arms, sweep->bench->name);
    for (int a = 0; a < sweep->n_arms; a++)
        if (wm_tuning_open(&keep->tuning[a], run->plan, sweep, a, err) != WM_OK)
            return err->code;
    if (run->world->rank != 0 || wm_ratios_open(&keep->ratios, sweep, err) != WM_OK)
        return err->code;
    return wm_staging_open(&keep->staging, sweep, err);
}

static int one_sweep(struct run *run, const struct wm_sweep *sweep, struct wm_err *err)
{
    struct keeping keep = { 0 };
    open_keeping(run, sweep, &keep, err);
    if (wm_world_agree(run->world, WM_SPIN, err) == WM_OK)
        for (int s = 0; s < sweep->n_sizes && err->code == WM_OK && !run->stop; s++)
            one_size(run, sweep, s, &keep, err);
    if (err->code == WM_OK) {
        write_choices(run, sweep, &keep, true);
        write_comparison(run, &keep, true);
    }
    for (int a = 0; keep.tuning != NULL && a < sweep->n_arms; a++)
        wm_tuning_close(&keep.tuning[a]);
    free(keep.tuning);
    wm_staging_close(&keep.staging);
    wm_ratios_close(&keep.ratios);
    free(keep.arm);
    return err->code;
}

static int open_run(struct run *run, struct wm_err *err)
{
    run->endpoint = calloc((size_t)run->plan->n_transports, sizeof(*run->endpoint));
    run->member = calloc((size_t)run->world->size, sizeof(*run->member));
    run->peer = calloc((size_t)run->world->size, sizeof(*run->peer));
    run->last_member = calloc((size_t)run->world->size, sizeof(*run->last_member));
    run->median_ns = calloc((size_t)run->world->size, sizeof(*run->median_ns));
    run->member_ns = calloc((size_t)run->world->size, sizeof(*run->member_ns));
    run->bench.scratch = malloc(WM_SERIES_SCRATCH * sizeof(*run->bench.scratch));
    if (run->endpoint == NULL || run->member == NULL || run->last_member == NULL || run->median_ns == NULL ||
        run->member_ns == NULL || run->bench.scratch == NULL || run->peer == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "endpoints and members of %d ranks", run->world->size);
    wm_limits_open(&run->limits, run->plan, run->world->rank, run->is->seats, err);
    wm_witnesses_open(&run->witnesses, run->plan, run->world->rank);
    if (wm_world_agree(run->world, WM_SPIN, err) != WM_OK)
        return err->code;
    for (int t = 0; t < run->plan->n_transports; t++)
        run->endpoint[t].is = &run->plan->transport[t];
    wm_memory_open(run->plan, run->world->rank, slots(run->plan), &run->memory, err);
    run->bench.memory = &run->memory;
    return wm_world_agree(run->world, WM_SPIN, err);
}

static void close_run(struct run *run, bool together)
{
    if (together)
        wm_world_part_close(run->own_part);
    for (int t = 0; together && run->endpoint != NULL && t < run->plan->n_transports; t++)
        wm_endpoint_close(&run->endpoint[t]);
    wm_memory_close(&run->memory);
    wm_limits_close(&run->limits);
    wm_witnesses_close(&run->witnesses);
    free(run->endpoint);
    free(run->member);
    free(run->last_member);
    free(run->peer);
    free(run->median_ns);
    free(run->member_ns);
    free(run->bench.scratch);
}

int wm_run(const struct wm_run_request *request, const char **stopped, struct wm_err *err)
{
    struct run run = {
        .is = request,
        .plan = request->plan,
        .world = request->world,
        .bench = { .plan = request->plan, .rank = request->world->rank, .clock = request->clock },
        .random = { .state = (uint64_t)request->plan->conf->seed },
        .began_ns = wm_now_ns(),
        .failed = { .rank = -1 },
    };
    bool together = open_run(&run, err) == WM_OK;
    for (int i = 0; together && i < run.plan->n_sweeps && err->code == WM_OK && !run.stop; i++)
        one_sweep(&run, &run.plan->sweep[i], err);
    together = err->code == WM_OK;
    wm_watch_phase(request->watch, WM_PHASE_END, UINT32_MAX);
    close_run(&run, together);
    *stopped = run.wants_stop;
    if (together && run.failed.code != WM_OK)
        *err = run.failed;
    return err->code;
}

int wm_run_status(const struct wm_plan *plan)
{
    static const int of[WM_STATUSES] = { [WM_FAILED] = 1, [WM_TIMEOUT] = 124, [WM_SKIPPED] = 3, [WM_NOT_RUN] = 3 };
    int status = 0;
    for (int i = 0; i < plan->n_sweeps; i++)
        for (int k = 0; k < plan->sweep[i].n_sizes * plan->sweep[i].n_arms; k++)
            if (plan->sweep[i].cell[k].planned)
                status = wm_exit_worse(status, of[plan->sweep[i].cell[k].status]);
    return status;
}
