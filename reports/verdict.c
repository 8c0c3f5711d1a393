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

/* What a policy requires and nobody has must not pass for being nowhere. */
static int require_patterns(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out,
                            struct wm_err *err)
{
    struct wm_verdict *list = realloc(out->verdict, (size_t)(out->n_verdicts + policy->n_required + 1) * sizeof(*list));
    if (list == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", errno, "verdicts");
    out->verdict = list;
    for (int i = 0; i < policy->n_required; i++) {
        bool found = false;
        for (int k = 0; k < set->n_subjects && !found; k++)
            found = fnmatch(policy->required[i], set->subject[k].id, 0) == 0;
        if (found)
            continue;
        struct wm_verdict *v = &list[out->n_verdicts++];
        *v = wm_verdict_blank(wm_launch_set_text(set, policy->required[i]));
        if (v->name == NULL)
            return wm_fail(err, WM_ENOMEM, "malloc", errno, "verdicts");
        v->required = true;
        v->judgement = WM_NOT_JUDGED;
        v->change = WM_INCONCLUSIVE;
        v->why = WM_WHY_ABSENT;
        v->reason = "the policy requires it, and no cell of either side matches it";
    }
    return WM_OK;
}

int wm_verdicts_judge(struct wm_launch_set *set, enum wm_basis basis, const struct wm_policy *policy,
                      struct wm_verdicts *out, struct wm_err *err)
{
    *out = (struct wm_verdicts){ .basis = basis, .set = set };
    int rc = wm_judge_sides(set, policy, out, err);
    if (rc == WM_OK && basis != WM_BASIS_COMPARE)
        rc = require_patterns(set, policy, out, err);
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
