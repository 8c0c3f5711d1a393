/** Two sides of launches come to verdicts. docs/verdicts.md says each rule and its source. */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"
#include "src/core/units.h"
#include "src/stats/maxt.h"
#include "src/stats/series.h"
#include "src/stats/shift.h"

const char *const wm_change_names[] = { "", "same", "faster", "slower", "inconclusive", NULL };
const char *const wm_judgement_names[] = { "pass", "fail", "not-judged", NULL };
const char *const wm_why_names[] = {
    "",          "absent",       "unmatched",   "failed",          "timeout",      "skipped",  "not-run",
    "simulated", "contradicted", "above-bound", "partly-measured", "few-launches", "too-wide", "unknown-condition",
    NULL
};

enum { MOST_MISSING = 1000 };

/* No mend makes a fabric so much faster: other units, or not the same was measured. */
static const double most_faster = 100;

struct judge {
    struct wm_launch_set *set;
    const struct wm_policy *policy;
    struct wm_verdicts *out;
    int *launch[2], n[2]; /* of each side */
    int *row;             /* of each subject in the test; -1: not tested */
    double *value;        /* [rows][n[0] + n[1]] logarithms of medians; curves behind the cells */
    int rows, cell_rows;
    double *p;
    size_t rank; /* of the shift's interval */
    double level;
    double *work;
    struct wm_err *err;
};

static int no_memory(struct judge *j)
{
    return wm_fail(j->err, WM_ENOMEM, "calloc", errno, "verdicts on %d cells", j->set->n_subjects);
}

double wm_policy_tolerance(const struct wm_policy *policy, const char *name)
{
    for (int i = 0; i < policy->n_rules; i++)
        if (isfinite(policy->rule[i].tolerance) && fnmatch(policy->rule[i].pattern, name, 0) == 0)
            return policy->rule[i].tolerance;
    return policy->tolerance;
}

static double excluded_of(const struct wm_policy *policy, double tolerance)
{
    return policy->excluded > 0 ? fmax(policy->excluded, tolerance) : 2 * tolerance;
}

/* ---- the test of all cells and curves ---- */

/* Simulated figures may be compared; they are no ground for a judgement. */
static enum wm_why why_of_side(const struct judge *j, int side, int subject, const struct wm_sample **s)
{
    return wm_side_why(j->set, j->launch[side], j->n[side], subject, j->out->basis == WM_BASIS_COMPARE, s);
}

static bool testable(const struct judge *j, int subject)
{
    const struct wm_sample *s;
    return why_of_side(j, 0, subject, &s) == WM_WHY_NONE && why_of_side(j, 1, subject, &s) == WM_WHY_NONE;
}

static double *row_of(const struct judge *j, int row)
{
    return j->value + (size_t)row * (size_t)(j->n[0] + j->n[1]);
}

static void fill_row(const struct judge *j, int subject, double *row)
{
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < j->n[side]; k++)
            *row++ = log(j->set->launch[j->launch[side][k]].sample[subject].median_ns);
}

/* A curve: the mean of its sizes' logarithms. Its row is -1 where fewer than two sizes can be tested. */
static void fill_curves(struct judge *j, int *curve_row, int *sizes)
{
    int n = j->n[0] + j->n[1];
    for (int i = 0; i < j->set->n_subjects; i++)
        sizes[j->set->subject[i].curve] += j->row[i] >= 0;
    for (int c = 0; c < j->set->n_curves; c++)
        curve_row[c] = sizes[c] >= 2 ? j->rows++ : -1;
    for (int i = 0; i < j->set->n_subjects; i++) {
        int c = j->set->subject[i].curve;
        if (j->row[i] < 0 || curve_row[c] < 0)
            continue;
        for (int k = 0; k < n; k++)
            row_of(j, curve_row[c])[k] += row_of(j, j->row[i])[k] / sizes[c];
    }
}

/* wm_maxt() centres what it is given: a copy. */
static int test_all(struct judge *j)
{
    size_t bytes = (size_t)j->rows * (size_t)(j->n[0] + j->n[1]) * sizeof(double);
    struct wm_maxt m = {
        .value = malloc(bytes + 1), .tests = (size_t)j->rows, .a = j->n[0], .b = j->n[1], .seed = j->policy->seed
    };
    if (m.value == NULL)
        return no_memory(j);
    memcpy(m.value, j->value, bytes);
    int rc = wm_maxt(&m, j->p, j->err);
    j->out->relabellings = m.relabellings;
    j->out->exact = m.exact;
    j->out->seed = m.seed;
    free(m.value);
    return rc;
}

static int prepare_rows(struct judge *j, int *curve_row)
{
    size_t most = (size_t)j->set->n_subjects + (size_t)j->set->n_curves, n = (size_t)(j->n[0] + j->n[1]);
    int *sizes = calloc((size_t)j->set->n_curves + 1, sizeof(*sizes));
    j->value = calloc(most * n + 1, sizeof(*j->value));
    j->p = calloc(most + 1, sizeof(*j->p));
    if (sizes == NULL || j->value == NULL || j->p == NULL) {
        free(sizes);
        return no_memory(j);
    }
    for (int i = 0; i < j->set->n_subjects; i++) {
        j->row[i] = testable(j, i) ? j->rows++ : -1;
        if (j->row[i] >= 0)
            fill_row(j, i, row_of(j, j->row[i]));
    }
    j->cell_rows = j->rows;
    fill_curves(j, curve_row, sizes);
    free(sizes);
    return WM_OK;
}

/* ---- from figures to a verdict ---- */

void wm_launches_missing(int a, int b, double family_error, int *missing_a, int *missing_b)
{
    int more_a = a, more_b = b;
    while (wm_maxt_smallest_p(more_a, more_b) > family_error * (1 + 1e-9))
        *(more_a < more_b ? &more_a : &more_b) += 1;
    *missing_a = more_a - a;
    *missing_b = more_b - b;
}

/* The interval narrows with the root of the launches; it must become narrower than what separates it from a decision.
 */
static void launches_to_narrow(const struct judge *j, struct wm_verdict *v, double tolerance, double excluded)
{
    double half = (log(v->ratio_high) - log(v->ratio_low)) / 2;
    double gap = v->ratio > 1 + tolerance ? log(v->ratio) : log(1 + excluded) - log(v->ratio);
    int most = j->n[0] > j->n[1] ? j->n[0] : j->n[1];
    double need = ceil(most * (half / gap) * (half / gap));
    int wanted = need > MOST_MISSING ? MOST_MISSING : (int)need;
    wanted = wanted > most ? wanted : most + 1;
    v->missing_a = wanted - j->n[0];
    v->missing_b = wanted - j->n[1];
}

static void decide(const struct judge *j, struct wm_verdict *v)
{
    double tolerance = wm_policy_tolerance(j->policy, v->name), excluded = excluded_of(j->policy, tolerance);
    bool significant = v->p <= j->policy->family_error * (1 + 1e-9);
    v->judgement = WM_PASS;
    v->within = fmax(v->ratio_high - 1, 1 / v->ratio_low - 1);
    if (significant && v->ratio > 1 + tolerance) {
        v->change = WM_SLOWER;
        v->judgement = WM_FAIL;
        v->reason = wm_say(j->set, "%.1f %% slower, which launches do by chance with probability %.2g at most",
                           100 * (v->ratio - 1), v->p);
    } else if (significant && v->ratio < 1 / (1 + tolerance)) {
        v->change = WM_FASTER;
    } else if (v->within <= excluded) {
        v->change = WM_SAME;
    } else {
        v->change = WM_INCONCLUSIVE;
        launches_to_narrow(j, v, tolerance, excluded);
    }
    if (v->ratio < 1 / most_faster) {
        v->judgement = WM_NOT_JUDGED;
        v->why = WM_WHY_ABOVE_BOUND;
        v->reason =
            wm_say(j->set, "%.3g times as fast as its baseline: other units, or not the same work?", 1 / v->ratio);
    }
    if (v->change == WM_INCONCLUSIVE && v->ratio_high > 1 + excluded) {
        v->judgement = WM_NOT_JUDGED;
        v->why = WM_WHY_TOO_WIDE;
        v->reason = wm_say(
            j->set, "the launches scatter: its ratio may be up to %.3f, and a slow-down of %.1f %% is not excluded",
            v->ratio_high, 100 * excluded);
    }
}

static void too_few(const struct judge *j, struct wm_verdict *v)
{
    v->judgement = WM_NOT_JUDGED;
    v->change = WM_INCONCLUSIVE;
    v->why = WM_WHY_FEW_LAUNCHES;
    wm_launches_missing(j->n[0], j->n[1], j->policy->family_error, &v->missing_a, &v->missing_b);
    v->reason =
        wm_say(j->set,
               "too few launches: %d against %d can reach p = %.2g at best; missing are %d of the baseline and %d "
               "judged",
               j->n[0], j->n[1], wm_maxt_smallest_p(j->n[0], j->n[1]), v->missing_a, v->missing_b);
}

/* What the rows of a cell or a curve come to. */
static void judge_row(struct judge *j, struct wm_verdict *v, int row)
{
    struct wm_shift shift;
    const double *value = row_of(j, row);
    wm_shift(value, j->n[0], value + j->n[0], j->n[1], j->rank, j->work, &shift);
    v->ratio = exp(shift.shift);
    v->ratio_low = exp(shift.low);
    v->ratio_high = exp(shift.high);
    v->ratio_level = j->level;
    v->effect = shift.delta;
    if (j->rank == 0)
        return too_few(j, v);
    v->p = j->p[row];
    decide(j, v);
}

struct wm_verdict wm_verdict_blank(const char *name)
{
    struct wm_verdict v = { .name = name, .reason = "" };
    v.ratio = v.ratio_low = v.ratio_high = v.p = v.within = v.limit_bytes_per_s = v.limit_share = NAN;
    v.a.median_ns = v.a.low_ns = v.a.high_ns = v.a.bytes_per_s = NAN;
    v.b = v.a;
    v.reference_value = v.measured_value = v.effect = NAN;
    return v;
}

static void not_judged(struct judge *j, struct wm_verdict *v, int subject)
{
    const struct wm_sample *a, *b;
    enum wm_why why_a = why_of_side(j, 0, subject, &a), why_b = why_of_side(j, 1, subject, &b);
    v->judgement = why_b == WM_WHY_FAILED ? WM_FAIL : WM_NOT_JUDGED;
    v->change = WM_INCONCLUSIVE;
    if (why_b != WM_WHY_NONE) {
        v->why = why_b;
        v->reason = wm_why_text(j->set, why_b, b, "judged");
    } else {
        v->why = why_a == WM_WHY_ABSENT ? WM_WHY_UNMATCHED : why_a;
        v->reason = wm_why_text(j->set, why_a, a, "baseline");
    }
}

static void limits_of(const struct judge *j, struct wm_verdict *v, int subject)
{
    for (int k = 0; k < j->n[1]; k++) {
        const struct wm_sample *s = &j->set->launch[j->launch[1][k]].sample[subject];
        if (!s->here || !isfinite(s->limit_share))
            continue;
        v->limit_bytes_per_s = s->limit_bytes_per_s;
        v->limit_share = fmax(v->limit_share, s->limit_share);
    }
}

/* The provider, fabric or algorithm that carried it differs between the sides. */
static bool carried_otherwise(const struct judge *j, int subject)
{
    const struct wm_sample *a = NULL;
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < j->n[side]; k++) {
            const struct wm_sample *s = &j->set->launch[j->launch[side][k]].sample[subject];
            if (!s->here)
                continue;
            if (a != NULL && (a->provider != s->provider || a->fabric != s->fabric || a->algo_chosen != s->algo_chosen))
                return true;
            a = s;
        }
    return false;
}

static bool required(const struct judge *j, int subject)
{
    const struct wm_policy *policy = j->policy;
    if (j->out->basis == WM_BASIS_COMPARE)
        return false;
    if (wm_policy_requires(policy, j->set->subject[subject].id))
        return true;
    for (int k = 0; policy->n_required == 0 && k < j->n[0]; k++)
        if (j->set->launch[j->launch[0][k]].sample[subject].here)
            return true;
    return false;
}

static void judge_cell(struct judge *j, int subject, struct wm_verdict *v)
{
    *v = wm_verdict_blank(j->set->subject[subject].id);
    v->subject = &j->set->subject[subject];
    v->required = required(j, subject);
    v->config_changed = carried_otherwise(j, subject);
    wm_side_of(j->set, j->launch[0], j->n[0], subject, j->work, &v->a);
    wm_side_of(j->set, j->launch[1], j->n[1], subject, j->work, &v->b);
    limits_of(j, v, subject);
    if (v->a.launches > 0 && v->b.launches > 0)
        v->ratio = v->b.median_ns / v->a.median_ns;
    if (j->row[subject] < 0)
        not_judged(j, v, subject);
    else
        judge_row(j, v, j->row[subject]);
}

/* A curve is required where all of its cells are. curve_row becomes its place among the verdicts. */
static void judge_curves(struct judge *j, int *curve_row)
{
    for (int c = 0; c < j->set->n_curves; c++) {
        struct wm_verdict *v = &j->out->curve[j->out->n_curves];
        if (curve_row[c] < 0)
            continue;
        *v = wm_verdict_blank(j->set->curve[c].name);
        v->curve = j->set->curve[c].bench;
        v->a.launches = j->n[0];
        v->b.launches = j->n[1];
        v->required = true;
        judge_row(j, v, curve_row[c]);
        curve_row[c] = j->out->n_curves++;
    }
    for (int i = 0; i < j->out->n_verdicts; i++) {
        int place = curve_row[j->out->verdict[i].subject->curve];
        if (place >= 0)
            j->out->curve[place].required &= j->out->verdict[i].required;
    }
}

/* ---- all together ---- */

static int take_sides(struct judge *j)
{
    for (int side = 0; side < 2; side++)
        if ((j->launch[side] = calloc((size_t)j->set->n_launches + 1, sizeof(int))) == NULL)
            return no_memory(j);
    for (int k = 0; k < j->set->n_launches; k++) {
        int side = j->set->launch[k].side;
        j->launch[side][j->n[side]++] = k;
    }
    j->out->launches_a = j->n[0];
    j->out->launches_b = j->n[1];
    j->rank = wm_shift_rank(j->n[0], j->n[1], 1 - j->policy->family_error, &j->level);
    j->row = calloc((size_t)j->set->n_subjects + 1, sizeof(*j->row));
    j->work = calloc((size_t)j->n[0] * (size_t)j->n[1] + (size_t)j->set->n_launches + 1, sizeof(*j->work));
    j->out->verdict = calloc((size_t)j->set->n_subjects + 1, sizeof(*j->out->verdict));
    j->out->curve = calloc((size_t)j->set->n_curves + 1, sizeof(*j->out->curve));
    return j->row == NULL || j->work == NULL || j->out->verdict == NULL || j->out->curve == NULL ? no_memory(j) : WM_OK;
}

static int judge_all(struct judge *j, int *curve_row)
{
    int rc = prepare_rows(j, curve_row);
    if (rc == WM_OK && j->rank > 0)
        rc = test_all(j);
    if (rc != WM_OK)
        return rc;
    for (int i = 0; i < j->set->n_subjects; i++)
        judge_cell(j, i, &j->out->verdict[j->out->n_verdicts++]);
    judge_curves(j, curve_row);
    return WM_OK;
}

int wm_judge_sides(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out,
                   struct wm_err *err)
{
    struct judge j = { .set = set, .policy = policy, .out = out, .err = err };
    int *curve_row = calloc((size_t)set->n_curves + 1, sizeof(*curve_row));
    int rc = curve_row == NULL ? no_memory(&j) : take_sides(&j);
    if (rc == WM_OK)
        rc = judge_all(&j, curve_row);
    free(j.launch[0]);
    free(j.launch[1]);
    free(j.row);
    free(j.value);
    free(j.p);
    free(j.work);
    free(curve_row);
    return rc;
}
