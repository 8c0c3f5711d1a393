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
    for (int i = 0; i < t->n_algos; i++) {
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
        .algo = t->algo[chosen].name,
        .ratio = NAN,
        .ci95_low = NAN,
        .ci95_high = NAN,
    };
    for (int i = 0; i < t->n_algos; i++)
        if (!ran(&t->arm[i]))
            keep_left_out(t, &t->arm[i]);
    if (second < 0)
        return;
    struct wm_trial of = against(&t->arm[chosen], &t->arm[second], seed);
    p->runner_up = t->algo[second].name;
    p->ratio = of.ratio;
    p->ci95_low = of.ci95_low;
    p->ci95_high = of.ci95_high;
}

/* Rank 0 decides. Where none could run, the one to beat is taken: its cell then says why. */
static int decide(struct wm_tuning *t, const struct wm_run_conf *conf)
{
    uint64_t seed = (uint64_t)conf->seed;
    for (int i = 0; i < t->n_algos; i++)
        t->trial[i].ran = ran(&t->arm[i]) && !t->arm[i].outrun;
    int base = wm_tune_base(t->trial, t->n_algos, t->incumbent);
    if (base < 0)
        return -1;
    for (int i = 0; i < t->n_algos; i++)
        t->trial[i] = against(&t->arm[i], &t->arm[base], seed);
    int chosen = wm_tune_pick(t->trial, t->n_algos, base, conf->precision);
    keep_point(t, chosen, seed);
    return chosen;
}

/* ---- one cell ---- */

static void begin_candidates(struct wm_tuning *t, const struct wm_arm *arm)
{
    for (int i = 0; i < t->n_algos; i++) {
        t->spec[i] = *t->asked;
        t->spec[i].algo = &t->algo[i];
        t->arm[i] = (struct wm_arm){
            .spec = &t->spec[i],
            .cell = arm->cell,
            .endpoint = arm->endpoint,
            .status = WM_ARM_LIVE,
        };
    }
}

/* A candidate left operations open: the cell ends as that candidate did. */
static void lose(const struct wm_tuning *t, struct wm_arm *arm)
{
    int i = 0;
    while (i + 1 < t->n_algos &&
           (t->arm[i].status == WM_NOT_RUN || strcmp(t->arm[i].reason, arm->endpoint->lost_reason) != 0))
        i++;
    arm->status = t->arm[i].status;
    snprintf(arm->reason, sizeof(arm->reason), "%s, tried for auto: %.450s", t->algo[i].name, t->arm[i].reason);
    memcpy(arm->endpoint->lost_reason, arm->reason, sizeof(arm->reason));
}

static void take_choice(struct wm_tuning *t, int32_t chosen, struct wm_arm *arm)
{
    int algo = chosen >= 0 ? chosen : t->incumbent >= 0 ? t->incumbent : 0;
    if (chosen >= 0)
        t->incumbent = chosen;
    t->chosen = t->spec[algo];
    arm->spec = &t->chosen;
}

int wm_tune(struct wm_tuning *t, const struct wm_comparison *of, struct wm_arm *arm, struct wm_err *err)
{
    const struct wm_run_conf *conf = of->bench->plan->conf;
    struct wm_comparison c = {
        .bench = of->bench,
        .members = of->members,
        .member = of->member,
        .watch = of->watch,
        .arm = t->arm,
        .n_arms = t->n_algos,
        .first_number = of->first_number + (uint32_t)(arm - of->arm),
        .random = of->random,
        .tuning_ns = conf->cell_time_ns / WM_TUNING_SHARE,
        .incumbent = t->incumbent >= 0 ? t->incumbent : 0,
    };
    if (t->asked == NULL || arm->status != WM_ARM_LIVE)
        return WM_OK;
    begin_candidates(t, arm);
    int32_t chosen = -1;
    if (wm_compare(&c, err) == WM_OK) {
        if (c.members->rank == 0 && arm->endpoint->lost == WM_OK)
            chosen = decide(t, conf);
        wm_world_bcast(c.members, 0, &chosen, sizeof(chosen), WM_SPIN, err);
    }
    if (arm->endpoint->lost != WM_OK)
        lose(t, arm);
    else
        take_choice(t, chosen, arm);
    for (int i = 0; i < t->n_algos; i++)
        wm_arm_close(&t->arm[i]);
    return err->code;
}

int wm_tuning_open(struct wm_tuning *t, const struct wm_arm_spec *spec, int sizes, struct wm_err *err)
{
    int n;
    *t = (struct wm_tuning){ .algo = wm_plan_candidates(spec, &n), .incumbent = -1 };
    if (n == 1)
        return WM_OK;
    t->asked = spec;
    t->n_algos = n;
    t->spec = calloc((size_t)n, sizeof(*t->spec));
    t->arm = calloc((size_t)n, sizeof(*t->arm));
    t->trial = calloc((size_t)n, sizeof(*t->trial));
    t->left_out = calloc((size_t)n, sizeof(*t->left_out));
    t->point = calloc((size_t)sizes, sizeof(*t->point));
    if (t->spec == NULL || t->arm == NULL || t->trial == NULL || t->left_out == NULL || t->point == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d algorithms of %s", n, spec->bench->name);
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
