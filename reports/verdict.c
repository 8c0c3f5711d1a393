#include "reports/verdict.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"

void wm_verdicts_free(struct wm_verdicts *v)
{
    free(v->verdict);
    free(v->curve);
    free(v->finding);
    free(v->difference);
    *v = (struct wm_verdicts){ 0 };
}

/* Worst first: what failed, what is not judged, then by how much slower; what is required before what is not. */
static int by_badness(const void *a, const void *b)
{
    static const int order[WM_JUDGEMENTS] = { [WM_FAIL] = 0, [WM_NOT_JUDGED] = 1, [WM_PASS] = 2 };
    const struct wm_verdict *x = a, *y = b;
    double ratio_x = isfinite(x->ratio) ? x->ratio : 0, ratio_y = isfinite(y->ratio) ? y->ratio : 0;
    if (x->required != y->required)
        return x->required ? -1 : 1;
    if (x->judgement != y->judgement)
        return order[x->judgement] - order[y->judgement];
    if (ratio_x != ratio_y)
        return ratio_x < ratio_y ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void enter(struct wm_ledger *ledger, const struct wm_verdict *v)
{
    ledger->not_required += !v->required;
    if (!v->required)
        return;
    ledger->required++;
    ledger->judged += v->judgement != WM_NOT_JUDGED;
    ledger->passed += v->judgement == WM_PASS;
    ledger->failed += v->judgement == WM_FAIL;
    ledger->not_judged += v->judgement == WM_NOT_JUDGED;
    if (v->judgement == WM_NOT_JUDGED)
        ledger->why[v->why]++;
}

/* The tolerance under which it would neither fail nor be too wide. */
static double tolerance_for(const struct wm_verdict *v, const struct wm_policy *policy)
{
    double point = v->ratio - 1, wide = policy->excluded > 0 ? 0 : (v->ratio_high - 1) / 2;
    return point > wide ? point : wide;
}

static void add_up(struct wm_verdicts *v, const struct wm_verdict *list, int n, struct wm_ledger *ledger,
                   const struct wm_policy *policy)
{
    for (int i = 0; i < n; i++) {
        enter(ledger, &list[i]);
        if (!list[i].required && v->basis != WM_BASIS_COMPARE)
            continue;
        if (v->basis != WM_BASIS_COMPARE && list[i].judgement == WM_PASS) /* as good as decided */
            continue;
        v->missing_a = list[i].missing_a > v->missing_a ? list[i].missing_a : v->missing_a;
        v->missing_b = list[i].missing_b > v->missing_b ? list[i].missing_b : v->missing_b;
        if (list[i].change == WM_SLOWER)
            v->tolerance_to_pass = fmax(v->tolerance_to_pass, tolerance_for(&list[i], policy));
    }
}

static bool found_fatal(const struct wm_verdicts *v)
{
    for (int i = 0; i < v->n_findings; i++)
        if (v->finding[i].fatal)
            return true;
    return false;
}

void wm_verdicts_close(struct wm_verdicts *v, const struct wm_policy *policy)
{
    if (v->n_verdicts > 0)
        qsort(v->verdict, (size_t)v->n_verdicts, sizeof(*v->verdict), by_badness);
    if (v->n_curves > 0)
        qsort(v->curve, (size_t)v->n_curves, sizeof(*v->curve), by_badness);
    v->tolerance = policy->tolerance;
    v->family_error = policy->family_error;
    v->tolerance_to_pass = NAN;
    add_up(v, v->verdict, v->n_verdicts, &v->ledger, policy);
    add_up(v, v->curve, v->n_curves, &v->curve_ledger, policy);
    if (v->basis == WM_BASIS_COMPARE)
        v->exit_status = 0;
    else if (v->ledger.failed > 0 || v->curve_ledger.failed > 0 || found_fatal(v))
        v->exit_status = 1;
    else
        v->exit_status = v->ledger.required == 0 || v->ledger.not_judged > 0 ? 3 : 0;
}

struct wm_verdict *wm_verdicts_add(struct wm_verdicts *out, size_t *cap, const char *name, struct wm_err *err)
{
    if ((size_t)out->n_verdicts == *cap) {
        size_t more = *cap == 0 ? 64 : 2 * *cap;
        struct wm_verdict *list = realloc(out->verdict, more * sizeof(*list));
        if (list == NULL) {
            wm_fail(err, WM_ENOMEM, "realloc", errno, "verdicts");
            return NULL;
        }
        out->verdict = list;
        *cap = more;
    }
    struct wm_verdict *v = &out->verdict[out->n_verdicts++];
    *v = wm_verdict_blank(name);
    return v;
}

int wm_verdicts_open(struct wm_verdicts *out, size_t *cap, const char *name, enum wm_why why, const char *reason,
                     struct wm_err *err)
{
    struct wm_verdict *v = wm_verdicts_add(out, cap, name, err);
    if (v == NULL)
        return err->code;
    if (name == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", errno, "verdicts");
    v->required = true;
    v->judgement = WM_NOT_JUDGED;
    v->change = WM_INCONCLUSIVE;
    v->why = why;
    v->reason = reason;
    return WM_OK;
}

int wm_require_patterns(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out, size_t *cap,
                        struct wm_err *err)
{
    int rc = WM_OK;
    for (int i = 0; i < policy->n_required && rc == WM_OK; i++) {
        bool found = false;
        for (int k = 0; k < set->n_subjects && !found; k++)
            found = fnmatch(policy->required[i], set->subject[k].id, 0) == 0;
        if (!found)
            rc = wm_verdicts_open(out, cap, wm_launch_set_text(set, policy->required[i]), WM_WHY_ABSENT,
                                  "the policy requires it, and no cell matches it", err);
    }
    return rc;
}

/* What an unfinished baseline lacks it cannot ask for. */
static int require_whole_baseline(struct wm_launch_set *set, struct wm_verdicts *out, size_t *cap, struct wm_err *err)
{
    int rc = WM_OK;
    for (int k = 0; k < set->n_launches && rc == WM_OK; k++)
        if (set->launch[k].side == 0 && !set->launch[k].complete)
            rc = wm_verdicts_open(out, cap, set->launch[k].path, WM_WHY_NOT_RUN,
                                  "this launch of the baseline did not come to its end, and what it lacks is not "
                                  "required: measure it again",
                                  err);
    return rc;
}

int wm_verdicts_judge(struct wm_launch_set *set, enum wm_basis basis, const struct wm_policy *policy,
                      struct wm_verdicts *out, struct wm_err *err)
{
    *out = (struct wm_verdicts){ .basis = basis, .set = set };
    size_t cap = (size_t)set->n_subjects + 1; /* of wm_judge_sides() */
    int rc = wm_judge_sides(set, policy, out, err);
    if (rc == WM_OK && basis != WM_BASIS_COMPARE)
        rc = wm_require_patterns(set, policy, out, &cap, err);
    if (rc == WM_OK && basis == WM_BASIS_BASELINE && policy->n_required == 0)
        rc = require_whole_baseline(set, out, &cap, err);
    if (rc == WM_OK)
        rc = wm_find(set, policy, out, err);
    if (rc == WM_OK)
        rc = wm_tell_apart(set, out, err);
    if (rc == WM_OK)
        wm_verdicts_close(out, policy);
    else
        wm_verdicts_free(out);
    return rc;
}
