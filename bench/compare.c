#include "bench/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/clock.h"

static const double block_ns = 10e6, warm_ns = 1e6;
enum { BLOCK_OPERATIONS = 5, WARM_OPERATIONS = 3, CLOCK_COSTS_A_SAMPLE = 20, SINGLE_TURNS = 6, TUNING_TURNS = 12 };

/* While tuning: a candidate that takes so many times as long as the best after warm-up is not compared. */
static const double hopeless = 4;

static const struct wm_run_conf *conf_of(const struct wm_comparison *c)
{
    return c->bench->plan->conf;
}

static bool decides(const struct wm_comparison *c)
{
    return c->members->rank == 0;
}

/* Those who measure wait by spinning, those who only listen or lend their memory must not disturb them. */
static enum wm_wait waits(const struct wm_arm *arm)
{
    return arm->part && !arm->idle ? WM_SPIN : WM_SLEEP;
}

/* An operation that failed is no progress: the watch's clock goes on, so that who is stuck after it is found in time.
 * It then says what failed first. */
static void progress(const struct wm_comparison *c, const struct wm_arm *arm, int code)
{
    struct wm_err story = { .rank = -1 };
    char text[sizeof(arm->reason)];
    if (code == WM_OK) {
        wm_watch_progress(c->watch);
        return;
    }
    wm_arm_failure(arm, code, &story);
    wm_watch_fault(c->watch, code == WM_ETIMEOUT ? WM_FAULT_GAVE_UP : WM_FAULT_FAILED,
                   wm_err_text(&story, text, sizeof(text)));
}

static bool tunes(const struct wm_comparison *c)
{
    return c->tuning_ns > 0;
}

/* A phase that goes on keeps its count of blocks. */
static void phase(struct wm_comparison *c, enum wm_phase now, const struct wm_arm *arm)
{
    int a = (int)(arm - c->arm);
    uint32_t number = tunes(c) ? wm_plan_tuning_number(c->first_number, a) : c->first_number + (uint32_t)a;
    if (c->phase == now && c->phase_number == number) {
        wm_watch_progress(c->watch);
        return;
    }
    c->phase = now;
    c->phase_number = number;
    wm_watch_phase(c->watch, now, number);
}

/* ---- losing an arm ---- */

static enum wm_status status_of(enum wm_code code)
{
    return code == WM_EUNSUP || code == WM_EABSENT ? WM_SKIPPED : code == WM_ETIMEOUT ? WM_TIMEOUT : WM_FAILED;
}

static void lose_arm(struct wm_arm *arm, const struct wm_err *err)
{
    arm->status = status_of(err->code);
    wm_err_text(err, arm->reason, sizeof(arm->reason));
}

/* Operations are still open somewhere: nothing more can be measured over this endpoint, by no arm. */
static void lose_endpoint(struct wm_comparison *c, struct wm_arm *arm, const struct wm_err *err)
{
    lose_arm(arm, err);
    wm_watch_fault(c->watch, WM_FAULT_NONE, NULL); /* all know */
    arm->endpoint->lost = err->code;
    memcpy(arm->endpoint->lost_reason, arm->reason, sizeof(arm->endpoint->lost_reason));
    for (int a = 0; a < c->n_arms; a++)
        if (c->arm[a].endpoint == arm->endpoint && c->arm[a].status == WM_ARM_LIVE) {
            c->arm[a].status = WM_NOT_RUN;
            memcpy(c->arm[a].reason, arm->reason, sizeof(arm->reason));
        }
}

/* ---- operations of all members together ---- */

static bool checks(const struct wm_comparison *c, const struct wm_arm *arm)
{
    return conf_of(c)->verify && !tunes(c) && !arm->endpoint->is->transport->moves_nothing;
}

/* A cold ring among other arms is not filled anew for every block: it is larger than the cache. */
static bool keeps_data(const struct wm_comparison *c, const struct wm_arm *arm)
{
    return arm->ring.positions <= 1 || c->n_arms == 1;
}

/* With a rotating root the last operation's root depends on the count, and a cold ring among other arms holds anybody's
 * data: then the last check needs one more operation, untimed, on data filled for it. */
static bool needs_one_more(const struct wm_comparison *c, const struct wm_arm *arm)
{
    return wm_arm_roots(arm, c->bench->plan) > 1 || !keeps_data(c, arm);
}

/* Every member gets the story of one that failed, which it then names by its rank in the run. */
static int agree(const struct wm_comparison *c, enum wm_wait wait, struct wm_err *story)
{
    if (wm_world_agree(c->members, wait, story) != WM_OK && story->rank >= 0)
        story->rank = c->member[story->rank];
    return story->code;
}

/* All learn whether something failed somewhere, with its story; a story that this rank has already is kept. */
static int agree_on(struct wm_comparison *c, struct wm_arm *arm, int code, struct wm_err *story)
{
    if (code != WM_OK)
        wm_arm_failure(arm, code, story);
    return agree(c, waits(arm), story);
}

/* What works in place would find its own result the next time. */
static int run_once(struct wm_ep *ep, struct wm_program *program)
{
    const unsigned repeats = ep->repeats;
    ep->repeats = repeats > 0 ? 1 : 0;
    int code = wm_program_run(program);
    ep->repeats = repeats;
    return code;
}

static int run_verified_once(struct wm_comparison *c, struct wm_arm *arm, int root, struct wm_err *story)
{
    struct wm_verify_pass pass;
    uint64_t begin = wm_now_ns();
    *story = (struct wm_err){ .rank = -1 };
    wm_arm_verify_open(arm, c->bench, root, &pass, story);
    if (agree(c, waits(arm), story) != WM_OK) {
        wm_program_close(pass.program);
        return story->code;
    }
    int code = pass.program != NULL ? run_once(arm->endpoint->ep, pass.program) : WM_OK;
    progress(c, arm, code);
    if (agree_on(c, arm, code, story) != WM_OK) {
        lose_endpoint(c, arm, story); /* its operations may be open still: the program stays */
        return story->code;
    }
    if (!needs_one_more(c, arm))
        begin = wm_now_ns();
    wm_arm_verify_check(arm, c->bench, &pass, story);
    agree(c, waits(arm), story);
    arm->check_ns = wm_now_ns() - begin;
    return story->code;
}

static void verify(struct wm_comparison *c, struct wm_arm *arm)
{
    struct wm_err story;
    if (!checks(c, arm))
        return;
    phase(c, WM_PHASE_VERIFY, arm);
    for (int k = 0; k < wm_arm_roots(arm, c->bench->plan) && arm->status == WM_ARM_LIVE; k++)
        if (run_verified_once(c, arm, k, &story) != WM_OK)
            lose_arm(arm, &story);
    c->owner = -1;
}

/* The time of one operation with all that stands between two, by runs that double until they take a millisecond. */
static void calibrate(struct wm_comparison *c, struct wm_arm *arm)
{
    struct wm_err story;
    uint64_t n = 1, calls = 0;
    phase(c, WM_PHASE_WARMUP, arm);
    for (int tries = 0; tries < 64; tries++) {
        uint64_t begin = wm_now_ns();
        int code = arm->part ? wm_loop_run(&arm->loop, n) : WM_OK;
        uint64_t v[2] = { arm->part ? wm_now_ns() - begin : 0, (uint64_t)code };
        progress(c, arm, code);
        story = (struct wm_err){ .rank = -1 };
        if (wm_world_max(c->members, v, 2, waits(arm), &story) != WM_OK) {
            lose_endpoint(c, arm, &story);
            return;
        }
        if (v[1] != WM_OK && agree_on(c, arm, code, &story) != WM_OK) {
            lose_endpoint(c, arm, &story);
            return;
        }
        arm->operations += n;
        arm->call_ns = (double)v[0] / (double)n;
        calls++;
        if (calls > 1 && ((double)v[0] >= warm_ns || n >= 1u << 22))
            return;
        double want = 1.2 * warm_ns / fmax(arm->call_ns, 0.25);
        n = calls == 1 ? 1 : want < 1 ? 1 : want > 16.0 * (double)n ? 16 * n : (uint64_t)want + 1;
        if (arm->call_ns > warm_ns && calls > 1)
            return;
    }
}

/* ---- turns ---- */

enum turn_kind { TURN_STOP, TURN_BLOCK, TURN_CHECK };

/* What rank 0 tells the members to do next. */
struct turn {
    int32_t kind, arm;
    uint64_t warm, batch;
    uint32_t samples, pad;
};

static uint64_t at_least(double operations, uint64_t least)
{
    return operations > (double)least ? (uint64_t)ceil(operations) : least;
}

static bool back_to_back(const struct wm_arm *arm)
{
    return arm->spec->bench->clock_of == WM_CLOCK_SLOWEST && arm->spec->sync == WM_SYNC_NONE;
}

/* No turn may come near the watch's deadline. */
static uint64_t bounded(const struct wm_comparison *c, const struct wm_arm *arm, uint64_t operations)
{
    double most = (double)conf_of(c)->timeout_ns / 4 / fmax(arm->call_ns, 0.25);
    return (double)operations <= most ? operations : at_least(floor(most), 1);
}

/* One turn of a candidate with its warm-up; the candidate's first warm-up had the rest of its time. */
static double tuning_turn_ns(const struct wm_comparison *c)
{
    return 0.85 * (double)c->tuning_ns / c->turns;
}

static void plan_samples(struct wm_comparison *c, struct wm_arm *arm)
{
    double call = fmax(arm->call_ns, 0.25);
    double block =
        (double)at_least(block_ns / call, BLOCK_OPERATIONS) + (double)at_least(warm_ns / call, WARM_OPERATIONS);
    double left = (double)conf_of(c)->cell_time_ns - (double)arm->spent_ns;
    double floor_ns = CLOCK_COSTS_A_SAMPLE * c->bench->clock.cost_ns;
    arm->single = tunes(c) || WM_MIN_BLOCKS * block * call > left;
    arm->batch = 1;
    if (back_to_back(arm) && tunes(c))
        arm->batch = bounded(c, arm, at_least(tuning_turn_ns(c) / 2 / call, BLOCK_OPERATIONS));
    else if (back_to_back(arm) && !arm->single)
        arm->batch = at_least(block_ns / call, BLOCK_OPERATIONS);
    else if (arm->loop.barrier == NULL && arm->ring.positions <= 1 && call < floor_ns)
        arm->batch = at_least(floor_ns / call, 1);
}

static size_t blocks_so_far(const struct wm_arm *arm)
{
    const double *medians;
    return wm_series_blocks(arm->series, &medians);
}

/* What is left of the cell's time holds the blocks that are still missing: on a disturbed machine they get shorter. */
static uint64_t block_samples(const struct wm_arm *arm, double left_ns, double sample_ns)
{
    uint64_t whole = back_to_back(arm) ? 1 : at_least(block_ns / sample_ns, BLOCK_OPERATIONS);
    size_t blocks = blocks_so_far(arm), missing = blocks < WM_MIN_BLOCKS ? WM_MIN_BLOCKS - blocks : 1;
    double fit = left_ns / (double)missing / sample_ns;
    return fit > (double)whole ? whole : at_least(floor(fit), 1);
}

/* Every sample is a block of its own: all in one turn, or in six where arms alternate (a ratio needs six pairs). */
static uint64_t single_samples(const struct wm_comparison *c, const struct wm_arm *arm, double left_ns,
                               double sample_ns)
{
    uint64_t whole = at_least(left_ns / sample_ns, WM_MIN_OPERATIONS);
    if (c->n_arms == 1)
        return whole;
    return arm->turns == 0 ? (whole + SINGLE_TURNS - 1) / SINGLE_TURNS : arm->turn_samples;
}

/* A fourth of the turn warms up, with one operation at least unless these are slow. */
static struct turn tuning_turn(const struct wm_comparison *c, struct wm_arm *arm)
{
    double call = fmax(arm->call_ns, 0.25), sample = call * (double)arm->batch, turn_ns = tuning_turn_ns(c);
    uint64_t samples = at_least(floor(0.75 * turn_ns / sample), 1);
    return (struct turn){
        .kind = TURN_BLOCK,
        .arm = (int32_t)(arm - c->arm),
        .batch = arm->batch,
        .samples = samples > WM_TURN_SAMPLES ? WM_TURN_SAMPLES : (uint32_t)samples,
        .warm = at_least(floor(0.25 * turn_ns / call), c->turns == TUNING_TURNS),
    };
}

static struct turn block_turn(const struct wm_comparison *c, struct wm_arm *arm)
{
    if (tunes(c))
        return tuning_turn(c, arm);
    double call = fmax(arm->call_ns, 0.25), left = (double)conf_of(c)->cell_time_ns - (double)arm->spent_ns;
    double sample = call * (double)arm->batch;
    struct turn turn = { .kind = TURN_BLOCK, .arm = (int32_t)(arm - c->arm), .batch = arm->batch };
    uint64_t samples = arm->single ? single_samples(c, arm, left, sample) : block_samples(arm, left, sample);
    samples = bounded(c, arm, samples * arm->batch) / arm->batch;
    arm->turn_samples = samples;
    turn.samples = (uint32_t)(samples < 1 ? 1 : samples > WM_TURN_SAMPLES ? WM_TURN_SAMPLES : samples);
    turn.warm = bounded(c, arm, at_least(warm_ns / call, WARM_OPERATIONS));
    return turn;
}

/* Samples of a turn as seen by all: the slowest rank of each; the tail tells failures and how far starts lay apart. */
enum { TAIL_CODE, TAIL_LOOPS, TAIL_START, TAIL_START_COMPLEMENT, TAIL };

/* This arm's data in the buffers; nobody begins before all are ready, for peers may put or get. Candidates for one cell
 * have the same data, and what another one left of them is right for all but a check. */
static int own_buffers(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *story)
{
    bool owns = c->owner == arm - c->arm;
    c->owner = (int)(arm - c->arm);
    if (owns || tunes(c) || !keeps_data(c, arm) || arm->endpoint->is->transport->moves_nothing)
        return WM_OK;
    wm_arm_fill(arm, c->bench, story);
    return agree(c, waits(arm), story);
}

/* @param loops_ns  out: of the operations alone, for the size of the next block */
static int run_block(struct wm_comparison *c, struct wm_arm *arm, const struct turn *turn, uint64_t *loops_ns,
                     struct wm_err *story)
{
    *story = (struct wm_err){ .rank = -1 };
    int code = own_buffers(c, arm, story);
    uint64_t begin = wm_now_ns();
    if (code == WM_OK && arm->part)
        code = wm_loop_run(&arm->loop, turn->warm);
    progress(c, arm, code);
    if (code == WM_OK && arm->clock)
        code = wm_loop_time(&arm->loop, turn->samples, turn->batch, c->own_ns);
    else if (code == WM_OK && arm->part)
        code = wm_loop_run(&arm->loop, turn->samples * turn->batch);
    *loops_ns = arm->part ? wm_now_ns() - begin : 0;
    if (!arm->clock)
        memset(c->own_ns, 0, turn->samples * sizeof(*c->own_ns));
    progress(c, arm, code);
    return code;
}

/* Then nobody else's times are needed. */
static bool only_rank_0_has_a_clock(const struct wm_arm *arm)
{
    if (arm->spec->bench->clock_of != WM_CLOCK_FIRST)
        return false;
    return arm->spec->round == NULL || (arm->pairs == 1 && arm->spec->round->pair[0].from == 0);
}

static int share_block(struct wm_comparison *c, struct wm_arm *arm, const struct turn *turn, int code,
                       uint64_t loops_ns, struct wm_err *story)
{
    uint64_t *tail = c->all_ns + turn->samples, *from = only_rank_0_has_a_clock(arm) ? tail : c->all_ns;
    memcpy(c->all_ns, c->own_ns, turn->samples * sizeof(*c->own_ns));
    tail[TAIL_CODE] = (uint64_t)code;
    tail[TAIL_LOOPS] = loops_ns;
    tail[TAIL_START] = arm->clock ? arm->loop.last_start_ns + (uint64_t)c->clock_offset_ns : 0;
    tail[TAIL_START_COMPLEMENT] = arm->clock ? ~tail[TAIL_START] : 0;
    if (wm_world_max(c->members, from, (size_t)(tail + TAIL - from), waits(arm), story) != WM_OK)
        return story->code;
    return tail[TAIL_CODE] != WM_OK ? agree_on(c, arm, code, story) : WM_OK;
}

/* What takes no longer than a reading of the clock counts as the least that it can tell. */
static double sample_ns(const struct wm_comparison *c, const struct wm_arm *arm, uint64_t ns, uint64_t batch)
{
    const struct wm_clock *clock = &c->bench->clock;
    double clocks = back_to_back(arm) && arm->ring.positions > 1 ? (double)batch : 1; /* readings inside the sample */
    double net = (double)ns - clocks * clock->cost_ns;
    return fmax(net, (double)clock->resolution_ns) / (double)batch / wm_arm_operations(arm) / wm_arm_repeats(arm);
}

static double median_of(const double *values, double *scratch, size_t n)
{
    memcpy(scratch, values, n * sizeof(*values));
    return wm_median(scratch, n);
}

static void keep_samples(struct wm_comparison *c, struct wm_arm *arm, const struct turn *turn, struct wm_series *series,
                         const uint64_t *ns)
{
    for (uint32_t i = 0; i < turn->samples; i++)
        c->sample_ns[i] = sample_ns(c, arm, ns[i], turn->batch);
    if (series == arm->series && arm->turns < WM_TURNS) /* before the series reorders them */
        arm->turn_ns[arm->turns++] = median_of(c->sample_ns, c->sorted_ns, turn->samples);
    if (!arm->single)
        wm_series_add(series, c->sample_ns, turn->samples);
    for (uint32_t i = 0; arm->single && i < turn->samples; i++)
        wm_series_add(series, &c->sample_ns[i], 1);
}

static void keep_block(struct wm_comparison *c, struct wm_arm *arm, const struct turn *turn)
{
    const uint64_t *tail = c->all_ns + turn->samples;
    uint64_t operations = turn->warm + turn->samples * turn->batch;
    arm->operations += operations;
    arm->call_ns = (double)tail[TAIL_LOOPS] / (double)operations;
    if (arm->own != NULL)
        keep_samples(c, arm, turn, arm->own, c->own_ns);
    for (uint32_t i = 0; arm->spec->bench->clock_of == WM_CLOCK_SLOWEST && i < turn->samples; i++)
        arm->slowest += c->own_ns[i] == c->all_ns[i];
    if (!decides(c))
        return;
    keep_samples(c, arm, turn, arm->series, c->all_ns);
    if (arm->loop.barrier != NULL)
        arm->skew_ns[arm->skews++ % WM_SKEWS] = (double)(tail[TAIL_START] - ~tail[TAIL_START_COMPLEMENT]);
}

static void take_block(struct wm_comparison *c, struct wm_arm *arm, const struct turn *turn)
{
    struct wm_err story;
    phase(c, WM_PHASE_MEASURE, arm);
    uint64_t loops_ns;
    int code = run_block(c, arm, turn, &loops_ns, &story);
    if (share_block(c, arm, turn, code, loops_ns, &story) == WM_OK)
        keep_block(c, arm, turn);
    else
        lose_endpoint(c, arm, &story);
}

static int one_more(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *story)
{
    arm->point.root = arm->spec->root == WM_ROOT_ROTATE
                          ? (int)(arm->operations % (uint64_t)wm_arm_roots(arm, c->bench->plan))
                          : arm->point.root;
    wm_arm_fill(arm, c->bench, story);
    if (agree(c, waits(arm), story) != WM_OK)
        return story->code;
    int code = arm->part ? wm_loop_run(&arm->loop, 1) : WM_OK;
    arm->operations++;
    progress(c, arm, code);
    if (agree_on(c, arm, code, story) != WM_OK)
        lose_endpoint(c, arm, story);
    return story->code;
}

/* The end of an arm: its last timed buffers are checked before another arm's data come into them. */
static void take_check(struct wm_comparison *c, struct wm_arm *arm)
{
    struct wm_err story = { .rank = -1 };
    phase(c, WM_PHASE_VERIFY, arm);
    if (checks(c, arm) && (!needs_one_more(c, arm) || one_more(c, arm, &story) == WM_OK)) {
        wm_arm_check(arm, c->bench, &story);
        agree(c, waits(arm), &story);
    }
    if (story.code != WM_OK)
        lose_arm(arm, &story);
    else
        arm->status = WM_MEASURED;
}

/* ---- rank 0's decisions ---- */

static bool enough(const struct wm_comparison *c, struct wm_arm *arm)
{
    if (tunes(c))
        return arm->turns >= c->turns;
    if (blocks_so_far(arm) < WM_MIN_BLOCKS)
        return false;
    if (wm_series_enough(arm->series))
        return true;
    if (arm->single && c->n_arms > 1 && arm->turns < SINGLE_TURNS)
        return false;
    double next = arm->single ? arm->call_ns : (block_ns + warm_ns);
    return (double)arm->spent_ns + next > (double)conf_of(c)->cell_time_ns;
}

static void shuffle(struct wm_comparison *c, int *order)
{
    for (int i = 0; i < c->n_arms; i++)
        order[i] = i;
    for (int i = c->n_arms - 1; i > 0; i--) {
        int k = (int)wm_random_below(c->random, (uint64_t)i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
}

/* One turn of all members; false when the members cannot talk any more. */
static bool take(struct wm_comparison *c, const struct turn *decided, enum wm_wait wait, struct turn *turn,
                 struct wm_err *err)
{
    *turn = *decided;
    if (wm_world_bcast(c->members, 0, turn, sizeof(*turn), wait, err) != WM_OK)
        return false;
    if (turn->kind == TURN_BLOCK)
        take_block(c, &c->arm[turn->arm], turn);
    else if (turn->kind == TURN_CHECK)
        take_check(c, &c->arm[turn->arm]);
    return true;
}

/* After a block. */
static bool finish_if_enough(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    struct turn turn = { .kind = TURN_CHECK, .arm = (int32_t)(arm - c->arm) };
    if (arm->status != WM_ARM_LIVE || !enough(c, arm))
        return true;
    return take(c, &turn, waits(arm), &turn, err);
}

static bool lead_round(struct wm_comparison *c, bool *left, struct wm_err *err)
{
    shuffle(c, c->order);
    *left = false;
    for (int i = 0; i < c->n_arms; i++) {
        struct wm_arm *arm = &c->arm[c->order[i]];
        if (arm->status != WM_ARM_LIVE)
            continue;
        uint64_t begin = wm_now_ns();
        struct turn turn = block_turn(c, arm);
        if (!take(c, &turn, waits(arm), &turn, err))
            return false;
        arm->spent_ns += wm_now_ns() - begin;
        if (!finish_if_enough(c, arm, err))
            return false;
        *left |= arm->status == WM_ARM_LIVE;
    }
    return true;
}

static int lead(struct wm_comparison *c, struct wm_err *err)
{
    struct turn stop = { .kind = TURN_STOP };
    bool left = false;
    for (int a = 0; a < c->n_arms; a++)
        left |= c->arm[a].status == WM_ARM_LIVE;
    while (left && lead_round(c, &left, err))
        ;
    if (err->code == WM_OK)
        take(c, &stop, WM_SPIN, &stop, err);
    return err->code;
}

static int follow(struct wm_comparison *c, struct wm_err *err)
{
    struct turn turn = { .kind = TURN_BLOCK };
    enum wm_wait wait = WM_SPIN;
    while (turn.kind != TURN_STOP && take(c, &turn, wait, &turn, err))
        wait = turn.kind != TURN_STOP ? waits(&c->arm[turn.arm]) : WM_SPIN;
    return err->code;
}

static void prepare(struct wm_comparison *c, struct wm_arm *arm)
{
    struct wm_err story = { .rank = -1 };
    uint64_t begin = wm_now_ns();
    if (arm->status != WM_ARM_LIVE)
        return;
    wm_arm_open(arm, c->bench, &story);
    if (agree(c, WM_SPIN, &story) != WM_OK) {
        lose_arm(arm, &story);
        return;
    }
    verify(c, arm);
    if (arm->status == WM_ARM_LIVE) {
        bool filled = tunes(c) && c->owner >= 0;
        c->owner = (int)(arm - c->arm);
        if (!filled && !arm->endpoint->is->transport->moves_nothing)
            wm_arm_fill(arm, c->bench, &story);
        if (agree(c, waits(arm), &story) != WM_OK)
            lose_arm(arm, &story);
        else
            calibrate(c, arm);
    }
    arm->spent_ns = wm_now_ns() - begin + arm->check_ns;
    if (arm->status == WM_ARM_LIVE && !tunes(c))
        plan_samples(c, arm);
}

/* While tuning, on all members alike: turns of two operations fit the time, or there are as many as a ratio needs. */
static void plan_tuning(struct wm_comparison *c)
{
    c->turns = TUNING_TURNS;
    for (int a = 0; a < c->n_arms; a++)
        if (c->arm[a].status == WM_ARM_LIVE && 2 * TUNING_TURNS * c->arm[a].call_ns > (double)c->tuning_ns)
            c->turns = SINGLE_TURNS;
    for (int a = 0; a < c->n_arms; a++)
        if (c->arm[a].status == WM_ARM_LIVE)
            plan_samples(c, &c->arm[a]);
}

/* While tuning, on all members alike: who is left out after warm-up, and whether anybody is left to be compared with.
 */
static void leave_out(struct wm_comparison *c)
{
    int live = 0;
    double best_ns = INFINITY;
    for (int a = 0; a < c->n_arms; a++)
        if (c->arm[a].status == WM_ARM_LIVE)
            best_ns = fmin(best_ns, c->arm[a].call_ns);
    for (int a = 0; a < c->n_arms; a++) {
        struct wm_arm *arm = &c->arm[a];
        arm->outrun = arm->status == WM_ARM_LIVE && a != c->incumbent && arm->call_ns > hopeless * best_ns;
        live += arm->status == WM_ARM_LIVE && !arm->outrun;
    }
    for (int a = 0; a < c->n_arms; a++)
        if (c->arm[a].status == WM_ARM_LIVE && (c->arm[a].outrun || live == 1))
            c->arm[a].status = WM_MEASURED;
}

static int open_scratch(struct wm_comparison *c, struct wm_err *err)
{
    c->own_ns = malloc(WM_TURN_SAMPLES * sizeof(*c->own_ns));
    c->all_ns = malloc((WM_TURN_SAMPLES + TAIL) * sizeof(*c->all_ns));
    c->sample_ns = malloc(WM_TURN_SAMPLES * sizeof(*c->sample_ns));
    c->sorted_ns = malloc(WM_TURN_SAMPLES * sizeof(*c->sorted_ns));
    c->order = calloc((size_t)c->n_arms, sizeof(*c->order));
    if (c->own_ns == NULL || c->all_ns == NULL || c->sample_ns == NULL || c->sorted_ns == NULL || c->order == NULL)
        wm_fail(err, WM_ENOMEM, "malloc", 0, "samples of one block");
    return agree(c, WM_SPIN, err);
}

static int relate_clocks(struct wm_comparison *c, struct wm_err *err)
{
    bool wanted = c->members->hosts > 1 && c->arm[0].spec->bench->clock_of == WM_CLOCK_SLOWEST;
    return wanted ? wm_world_clock_offset(c->members, &c->clock_offset_ns, &c->clock_uncertainty_ns, err) : WM_OK;
}

/* What was checked, over all members. */
static int sum_verified(struct wm_comparison *c, struct wm_err *err)
{
    for (int a = 0; a < c->n_arms && err->code == WM_OK; a++) {
        uint64_t sums[2] = { c->arm[a].verified.checked_bytes, c->arm[a].verified.wrong_elements };
        if (wm_world_sum(c->members, sums, 2, WM_SPIN, err) == WM_OK)
            c->arm[a].verified = (struct wm_verified){ sums[0], sums[1] };
    }
    return err->code;
}

int wm_compare(struct wm_comparison *c, struct wm_err *err)
{
    struct wm_noise_mark mark;
    struct wm_noise noise = { NAN, NAN, -1 };
    c->owner = -1;
    c->phase = WM_PHASES;
    wm_noise_begin(&mark);
    if (open_scratch(c, err) == WM_OK && relate_clocks(c, err) == WM_OK) {
        for (int a = 0; a < c->n_arms; a++)
            prepare(c, &c->arm[a]);
        if (tunes(c)) {
            leave_out(c);
            plan_tuning(c);
        }
        if ((decides(c) ? lead(c, err) : follow(c, err)) == WM_OK && sum_verified(c, err) == WM_OK)
            wm_noise_end(&mark, c->members, WM_SPIN, &noise, err);
    }
    for (int a = 0; a < c->n_arms; a++)
        c->arm[a].noise = noise;
    free(c->own_ns);
    free(c->all_ns);
    free(c->sample_ns);
    free(c->sorted_ns);
    free(c->order);
    return err->code;
}

/* ---- what the other members know ---- */

int wm_compare_pairs(struct wm_comparison *c, const struct wm_arm *arm, double *median_ns, struct wm_err *err)
{
    struct wm_summary summary = { .median_ns = NAN };
    if (arm->own != NULL)
        wm_series_summary(arm->own, &summary);
    return wm_world_gather(c->members, &summary.median_ns, sizeof(double), decides(c) ? median_ns : NULL, WM_SPIN, err);
}

int wm_compare_slowest(struct wm_comparison *c, const struct wm_arm *arm, int *rank, double *share, struct wm_err *err)
{
    enum { RANK_BITS = 24 };
    uint64_t most = arm->slowest << RANK_BITS | (uint64_t)c->members->rank;
    *rank = -1;
    *share = NAN;
    if (arm->spec->bench->clock_of != WM_CLOCK_SLOWEST || arm->status != WM_MEASURED)
        return WM_OK;
    if (wm_world_max(c->members, &most, 1, WM_SPIN, err) != WM_OK || !decides(c))
        return err->code;
    struct wm_summary summary;
    wm_series_summary(arm->series, &summary);
    *rank = (int)(most & ((1u << RANK_BITS) - 1));
    *share = (double)(most >> RANK_BITS) / (double)summary.samples;
    return WM_OK;
}

int wm_compare_alone(struct wm_comparison *c, struct wm_arm *arm, struct wm_loop *loop, uint64_t n, uint64_t *ns,
                     struct wm_err *err)
{
    struct wm_err story = { .rank = -1 };
    enum wm_status status = arm->status;
    phase(c, WM_PHASE_WARMUP, arm);
    if (wm_world_barrier(c->members, waits(arm), err) != WM_OK)
        return err->code;
    int code = WM_OK;
    if (ns != NULL)
        memset(ns, 0, n * sizeof(*ns));
    if (loop != NULL)
        code = ns != NULL ? wm_loop_time(loop, (unsigned)n, 1, ns) : wm_loop_run(loop, n);
    progress(c, arm, code);
    if (agree_on(c, arm, code, &story) != WM_OK) {
        lose_endpoint(c, arm, &story);
        arm->status = status;
    }
    return WM_OK;
}
