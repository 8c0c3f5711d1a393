#include "bench/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the choice ---- */

int wm_tune_base(const struct wm_trial *trial, int n, int incumbent)
{
    if (incumbent >= 0 && incumbent < n && trial[incumbent].ran)
        return incumbent;
    for (int i = 0; i < n; i++)
        if (trial[i].ran)
            return i;
    return -1;
}

int wm_tune_pick(const struct wm_trial *trial, int n, int base, double margin)
{
    int best = base;
    for (int i = 0; i < n; i++) {
        bool proven = trial[i].ci95_high < 1 - margin && 6 * trial[i].wins > 5 - 1e-9; /* not so with NaN */
        if (i == base || !trial[i].ran || !proven)
            continue;
        if (best == base || trial[i].ratio < trial[best].ratio)
            best = i;
    }
    return best;
}

/* ---- what was measured of the candidates ---- */

/* Whether it ran, alike on all members. */
static bool ran(const struct wm_arm *arm)
{
    return arm->status == WM_MEASURED;
}

static double wins(const struct wm_arm *arm, const struct wm_arm *base)
{
    unsigned n = arm->turns < base->turns ? arm->turns : base->turns, won = 0;
    for (unsigned k = 0; k < n; k++)
        won += arm->turn_ns[k] < base->turn_ns[k];
    return n > 0 ? (double)won / n : 0;
}

static struct wm_trial against(const struct wm_arm *arm, const struct wm_arm *base, uint64_t seed)
{
    struct wm_trial t = { .ran = ran(arm) && !arm->outrun, .ratio = NAN, .ci95_low = NAN, .ci95_high = NAN };
    if (!ran(arm))
        return t;
    t.wins = wins(arm, base);
    if (arm->turns > 0 && base->turns > 0)
        wm_ratio_interval(arm->turn_ns, arm->turns, base->turn_ns, base->turns, seed, &t.ratio, &t.ci95_low,
                          &t.ci95_high);
    else if (base->call_ns > 0)
        t.ratio = arm->call_ns / base->call_ns;
    return t;
}

/* The best of those that were not chosen; of outrun ones only where nobody else was left: then all their figures are
 * those of the warm-up. -1: none. */
static int runner_up(const struct wm_tuning *t, int chosen)
{
    int best = -1;
    for (int i = 0; i < t->n; i++) {
        bool known =
            ran(&t->arm[i]) && !isnan(t->trial[i].ratio) && (t->arm[i].turns > 0) == (t->arm[chosen].turns > 0);
        if (i != chosen && known && (best < 0 || t->trial[i].ratio < t->trial[best].ratio))
            best = i;
    }
    return best;
}

static void keep_left_out(struct wm_tuning *t, const struct wm_arm *arm)
{
    for (int i = 0; i < t->n_left_out; i++)
        if (strcmp(t->left_out[i].algo, arm->spec->algo->name) == 0)
            return;
    struct wm_left_out *l = &t->left_out[t->n_left_out++];
    *l = (struct wm_left_out){ .bytes = (int64_t)arm->cell->bytes, .algo = arm->spec->algo->name };
    snprintf(l->reason, sizeof(l->reason), "%s", arm->reason);
}

static void keep_point(struct wm_tuning *t, int chosen, uint64_t seed)
{
    struct wm_choice_point *p = &t->point[t->n_points++];
    int second = runner_up(t, chosen);
    *p = (struct wm_choice_point){
        .bytes = (int64_t)t->arm[chosen].cell->bytes,
        .algo = t->spec[chosen].algo->name,
        .ratio = NAN,
        .ci95_low = NAN,
        .ci95_high = NAN,
    };
    for (int i = 0; i < t->n; i++)
        if (!ran(&t->arm[i]))
            keep_left_out(t, &t->arm[i]);
    if (second < 0)
        return;
    struct wm_trial of = against(&t->arm[chosen], &t->arm[second], seed);
    p->runner_up = t->spec[second].algo->name;
    p->ratio = of.ratio;
    p->ci95_low = of.ci95_low;
    p->ci95_high = of.ci95_high;
}

/* Rank 0 decides. Where none could run, the one to beat is taken: its cell then says why. */
static int decide(struct wm_tuning *t, const struct wm_run_conf *conf)
{
    uint64_t seed = (uint64_t)conf->seed;
    for (int i = 0; i < t->n; i++)
        t->trial[i].ran = ran(&t->arm[i]) && !t->arm[i].outrun;
    int base = wm_tune_base(t->trial, t->n, t->incumbent);
    if (base < 0)
        return -1;
    for (int i = 0; i < t->n; i++)
        t->trial[i] = against(&t->arm[i], &t->arm[base], seed);
    int chosen = wm_tune_pick(t->trial, t->n, base, conf->precision);
    if (t->asked->algo == &wm_algorithm_auto)
        keep_point(t, chosen, seed);
    return chosen;
}

/* ---- one cell ---- */

/* The choice before among the candidates of this size, -1 where it is none of them. */
static int find_incumbent(const struct wm_tuning *t)
{
    for (int i = 0; t->has_choice && i < t->n; i++)
        if (t->spec[i].algo == t->chosen.algo && t->spec[i].chunk_bytes == t->chosen.chunk_bytes &&
            t->spec[i].slots == t->chosen.slots)
            return i;
    return -1;
}

static void begin_candidates(struct wm_tuning *t, const struct wm_plan *plan, const struct wm_arm *arm)
{
    t->n = wm_plan_trials(plan, t->asked, arm->cell->bytes, t->spec);
    t->incumbent = find_incumbent(t);
    for (int i = 0; i < t->n; i++)
        t->arm[i] = (struct wm_arm){
            .spec = &t->spec[i],
            .cell = arm->cell,
            .endpoint = arm->endpoint,
            .status = WM_ARM_LIVE,
        };
}

/* Chunks are tried once for each class of sizes, algorithms at each size. */
static bool is_chosen_already(struct wm_tuning *t, const struct wm_arm *arm)
{
    const int size_class = wm_plan_size_class(arm->cell->bytes);
    const bool known = t->has_choice && t->size_class == size_class && t->asked->algo != &wm_algorithm_auto;
    t->size_class = size_class;
    return known;
}

/* A candidate left operations open: the cell ends as that candidate did. */
static void lose(const struct wm_tuning *t, struct wm_arm *arm)
{
    int i = 0;
    while (i + 1 < t->n &&
           (t->arm[i].status == WM_NOT_RUN || strcmp(t->arm[i].reason, arm->endpoint->lost_reason) != 0))
        i++;
    arm->status = t->arm[i].status;
    char label[64];
    snprintf(arm->reason, sizeof(arm->reason), "%s, tried before the cell: %.430s",
             wm_plan_trial_label(t->asked, &t->spec[i], label, sizeof(label)), t->arm[i].reason);
    memcpy(arm->endpoint->lost_reason, arm->reason, sizeof(arm->reason));
}

static void take_choice(struct wm_tuning *t, int32_t chosen)
{
    t->chosen = t->spec[chosen >= 0 ? chosen : t->incumbent >= 0 ? t->incumbent : 0];
    t->has_choice |= chosen >= 0;
}

/* Rank 0's choice among t->n candidates, which were compared; -1: none could run. */
static int32_t choose(struct wm_tuning *t, struct wm_comparison *c, const struct wm_arm *arm, struct wm_err *err)
{
    int32_t chosen = -1;
    if (wm_compare(c, err) == WM_OK) {
        if (c->members->rank == 0 && arm->endpoint->lost == WM_OK)
            chosen = decide(t, c->bench->plan->conf);
        wm_world_bcast(c->members, 0, &chosen, sizeof(chosen), WM_SPIN, err);
    }
    return chosen;
}

static void try_candidates(struct wm_tuning *t, const struct wm_comparison *of, struct wm_arm *arm, struct wm_err *err)
{
    struct wm_comparison c = {
        .bench = of->bench,
        .members = of->members,
        .member = of->member,
        .watch = of->watch,
        .arm = t->arm,
        .n_arms = t->n,
        .first_number = of->first_number + (uint32_t)(arm - of->arm),
        .random = of->random,
        .tuning_ns = of->bench->plan->conf->cell_time_ns / WM_TUNING_SHARE,
        .incumbent = t->incumbent >= 0 ? t->incumbent : 0,
    };
    int32_t chosen = choose(t, &c, arm, err);
    if (arm->endpoint->lost != WM_OK)
        lose(t, arm);
    else
        take_choice(t, chosen);
    for (int i = 0; i < t->n; i++)
        wm_arm_close(&t->arm[i]);
}

int wm_tune(struct wm_tuning *t, const struct wm_comparison *of, struct wm_arm *arm, struct wm_err *err)
{
    if (t->asked == NULL || arm->status != WM_ARM_LIVE)
        return WM_OK;
    if (!is_chosen_already(t, arm)) {
        begin_candidates(t, of->bench->plan, arm);
        if (t->n > 1)
            try_candidates(t, of, arm, err);
        else
            take_choice(t, 0);
    }
    if (arm->status == WM_ARM_LIVE) /* no candidate broke its endpoint */
        arm->spec = &t->chosen;
    return err->code;
}

/* Is there a size at which there is something to choose? */
static bool has_trials(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm)
{
    for (int s = 0; s < sweep->n_sizes; s++)
        if (wm_plan_trials(plan, &sweep->arm[arm], sweep->cell[s * sweep->n_arms + arm].bytes, NULL) > 1)
            return true;
    return false;
}

int wm_tuning_open(struct wm_tuning *t, const struct wm_plan *plan, const struct wm_sweep *sweep, int arm,
                   struct wm_err *err)
{
    *t = (struct wm_tuning){ .incumbent = -1 };
    if (!has_trials(plan, sweep, arm))
        return WM_OK;
    t->asked = &sweep->arm[arm];
    t->spec = calloc(WM_PLAN_TRIALS, sizeof(*t->spec));
    t->arm = calloc(WM_PLAN_TRIALS, sizeof(*t->arm));
    t->trial = calloc(WM_PLAN_TRIALS, sizeof(*t->trial));
    t->left_out = calloc(WM_PLAN_TRIALS, sizeof(*t->left_out));
    t->point = calloc((size_t)sweep->n_sizes, sizeof(*t->point));
    if (t->spec == NULL || t->arm == NULL || t->trial == NULL || t->left_out == NULL || t->point == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "trials of %s", sweep->bench->name);
    return WM_OK;
}

void wm_tuning_close(struct wm_tuning *t)
{
    free(t->spec);
    free(t->arm);
    free(t->trial);
    free(t->left_out);
    free(t->point);
    *t = (struct wm_tuning){ 0 };
}
