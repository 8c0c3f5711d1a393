/** Launches against published values. An entry whose conditions are not met is never borrowed. */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"
#include "reports/reference_entry.h"
#include "src/stats/series.h"
#include "src/topo/versions.h"

struct held {
    struct wm_launch_set *set;
    const struct wm_policy *policy;
    struct wm_verdicts *out;
    int *launch, n;
    double *work;
    size_t cap;
    struct wm_err *err;
};

/* ---- conditions ---- */

static const char *fact_of(const struct wm_launch_set_item *l, const char *name)
{
    for (int i = 0; i < l->facts.n; i++)
        if (strcmp(l->facts.fact[i].name, name) == 0)
            return l->facts.fact[i].value;
    return NULL;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Is this fact of a node's kind the device? Facts are sorted: device stands before vendor of the same function. */
static bool is_device(const struct wm_launch_set_item *l, const struct wm_fact *fact,
                      const struct wm_reference_hardware *h)
{
    char vendor[400], id[32];
    if (h->pci[0] == '\0')
        return ends_in(fact->name, ".board_id") && strcmp(fact->value, h->psid) == 0;
    if (!ends_in(fact->name, "].device") || strstr(fact->name, ".pci[") == NULL)
        return false;
    snprintf(vendor, sizeof(vendor), "%.*svendor", (int)(strlen(fact->name) - strlen("device")), fact->name);
    const char *found = fact_of(l, vendor);
    if (found == NULL || strlen(found) < 2 || strlen(fact->value) < 2)
        return false;
    snprintf(id, sizeof(id), "%.8s:%.8s", found + 2, fact->value + 2); /* "0x10de", "0x2330" */
    return strcmp(id, h->pci) == 0;
}

/* Every kind of node of the launch has it, as often as asked. */
static bool has_hardware(const struct wm_launch_set_item *l, const struct wm_reference_hardware *h)
{
    int kinds = 0;
    for (int64_t n;; kinds++) {
        char prefix[48];
        bool there = false;
        snprintf(prefix, sizeof(prefix), "topology.kinds[%d].", kinds);
        n = 0;
        for (int i = 0; i < l->facts.n; i++) {
            if (strncmp(l->facts.fact[i].name, prefix, strlen(prefix)) != 0)
                continue;
            there = true;
            n += is_device(l, &l->facts.fact[i], h);
        }
        if (!there)
            return kinds > 0;
        if (h->count > 0 ? n != h->count : n == 0)
            return false;
    }
}

static bool has_name(const struct wm_launch_set_item *l, const char *machine)
{
    int named = 0;
    for (int i = 0; i < l->facts.n; i++)
        if (strncmp(l->facts.fact[i].name, "topology.kinds[", 15) == 0 && ends_in(l->facts.fact[i].name, "].machine")) {
            if (fnmatch(machine, l->facts.fact[i].value, 0) != 0)
                return false;
            named++;
        }
    return named > 0;
}

static bool is_this_machine(const struct wm_launch_set_item *l, const struct wm_reference *e)
{
    if ((e->nodes > 0 && e->nodes != l->facts.hosts) || (e->machine[0] != '\0' && !has_name(l, e->machine)))
        return false;
    for (int i = 0; i < e->n_hardware; i++)
        if (!has_hardware(l, &e->hardware[i]))
            return false;
    return true;
}

/* Launches that ran on the entry's machine. */
static int launches_there(const struct held *h, const struct wm_reference *e)
{
    int there = 0;
    for (int k = 0; k < h->n; k++)
        there += is_this_machine(&h->set->launch[h->launch[k]], e);
    return there;
}

static bool same(const char *wanted, const char *is)
{
    return wanted[0] == '\0' || strcmp(wanted, is) == 0;
}

static bool is_this_cell(const struct wm_reference *e, const struct wm_subject *s)
{
    return same(e->bench, s->bench) && same(e->transport, s->transport) && same(e->path, s->path) &&
           same(e->mem, s->mem) && same(e->algo, s->algo) && same(e->dtype, s->dtype) &&
           (e->bytes < 0 || e->bytes == s->bytes) && (e->ranks < 0 || e->ranks == s->ranks) &&
           (e->nodes < 0 || e->nodes == s->hosts);
}

/* "nccl >= 2.19" holds in every launch. *known: they say which version they have. */
static bool has_library(const struct held *h, const char *library, bool *known)
{
    char name[32], is[64], fact[80];
    *known = true;
    if (library[0] == '\0')
        return true;
    if (sscanf(library, "%31s >= %63s", name, is) != 2)
        return *known = false;
    snprintf(fact, sizeof(fact), "environment.versions.%s", name);
    for (int k = 0; k < h->n; k++) {
        const char *version = fact_of(&h->set->launch[h->launch[k]], fact);
        if (version == NULL)
            return *known = false;
        if (wm_version_compare(version, is) < 0)
            return false;
    }
    return true;
}

/* ---- one entry, one cell ---- */

static struct wm_verdict *add(struct held *h, const struct wm_reference *e)
{
    struct wm_verdict *v = wm_verdicts_add(h->out, &h->cap, wm_launch_set_text(h->set, e->name), h->err);
    if (v == NULL)
        return NULL;
    v->reference_value = e->value;
    v->reference_unit = wm_launch_set_text(h->set, e->unit);
    v->reference_source = wm_launch_set_text(h->set, e->source);
    v->reference_kind = wm_reference_kinds[e->kind];
    v->required = e->kind != WM_REFERENCE_BOUND; /* to be possible is no merit */
    v->judgement = WM_NOT_JUDGED;
    if (v->name == NULL || v->reference_unit == NULL || v->reference_source == NULL) {
        wm_fail(h->err, WM_ENOMEM, "malloc", errno, "verdicts");
        return NULL;
    }
    return v;
}

static double figure_of(const struct wm_reference *e, const struct wm_sample *s)
{
    return e->figure == WM_REFERENCE_RATE ? s->bytes_per_s : s->median_ns;
}

/* A measured value of another machine is met within the tolerance; a threshold is met or not. */
static double criterion_of(const struct held *h, const struct wm_reference *e, const char *id)
{
    double tolerance = e->kind == WM_REFERENCE_MEASURED ? wm_policy_tolerance(h->policy, id) : 0;
    return e->value * e->factor * (e->figure == WM_REFERENCE_RATE ? 1 / (1 + tolerance) : 1 + tolerance);
}

/* Launches that meet it. The median of their figures goes to *median. */
static int launches_that_meet(struct held *h, const struct wm_reference *e, int subject, double criterion,
                              double *median)
{
    int met = 0;
    for (int k = 0; k < h->n; k++) {
        double is = figure_of(e, &h->set->launch[h->launch[k]].sample[subject]);
        h->work[k] = is;
        met += e->figure == WM_REFERENCE_RATE ? is >= criterion : is <= criterion;
    }
    *median = wm_median(h->work, (size_t)h->n);
    return met;
}

/* One launch that is better than can be is a wrong measurement, whatever the others are. */
static void judge_bound(const struct held *h, struct wm_verdict *v, const struct wm_reference *e, int subject)
{
    bool above = false;
    for (int k = 0; k < h->n; k++) {
        double is = figure_of(e, &h->set->launch[h->launch[k]].sample[subject]) / e->factor;
        above |= e->figure == WM_REFERENCE_RATE ? is > e->value : is < e->value;
    }
    v->required = above;
    v->judgement = above ? WM_NOT_JUDGED : WM_PASS;
    v->why = above ? WM_WHY_ABOVE_BOUND : WM_WHY_NONE;
    v->reason = above ? "a launch is better than a bound that cannot be exceeded" : "";
}

static void judge_value(struct held *h, struct wm_verdict *v, const struct wm_reference *e, int subject)
{
    double median;
    int met = launches_that_meet(h, e, subject, criterion_of(h, e, h->set->subject[subject].id), &median);
    v->measured_value = median / e->factor;
    if (e->kind == WM_REFERENCE_BOUND) {
        judge_bound(h, v, e, subject);
    } else if (h->n < h->policy->reference_launches) {
        v->why = WM_WHY_FEW_LAUNCHES;
        v->missing_b = h->policy->reference_launches - h->n;
        v->reason =
            wm_say(h->set, "%d of %d launches: %d more are needed", h->n, h->policy->reference_launches, v->missing_b);
    } else if (met == h->n) {
        v->judgement = WM_PASS;
    } else if (met == 0) {
        v->judgement = WM_FAIL;
        v->reason = wm_say(h->set, "no launch reaches it");
    } else {
        v->why = WM_WHY_TOO_WIDE;
        v->missing_b = h->n;
        v->reason = wm_say(h->set, "%d of %d launches reach it, the others do not", met, h->n);
    }
}

static bool all_have_figure(const struct held *h, const struct wm_reference *e, int subject)
{
    for (int k = 0; k < h->n; k++)
        if (!isfinite(figure_of(e, &h->set->launch[h->launch[k]].sample[subject])))
            return false;
    return true;
}

static int judge_cell(struct held *h, const struct wm_reference *e, int subject)
{
    struct wm_verdict *v = add(h, e);
    const struct wm_sample *s;
    bool known;
    if (v == NULL)
        return h->err->code;
    v->subject = &h->set->subject[subject];
    wm_side_of(h->set, h->launch, h->n, subject, h->work, &v->b);
    v->why = wm_side_why(h->set, h->launch, h->n, subject, false, &s);
    v->reason = wm_why_text(h->set, v->why, s, "judged");
    if (v->why == WM_WHY_FAILED)
        v->judgement = WM_FAIL;
    if (v->why != WM_WHY_NONE)
        return WM_OK;
    if (!all_have_figure(h, e, subject)) {
        v->why = WM_WHY_NO_CONDITION;
        v->reason = wm_say(h->set, "the cell has no %s in each judged launch", wm_reference_figures[e->figure]);
    } else if (!has_library(h, e->library, &known)) {
        v->why = WM_WHY_NO_CONDITION;
        v->reason = wm_say(
            h->set, known ? "holds for %s, which is not here" : "holds for %s, and the result does not say its version",
            e->library);
    } else {
        judge_value(h, v, e, subject);
    }
    return WM_OK;
}

/* What a cell of the entry would be. */
static const char *wanted(struct held *h, const struct wm_reference *e)
{
    char bytes[40] = "", ranks[40] = "";
    if (e->bytes > 0)
        snprintf(bytes, sizeof(bytes), " of %lld bytes", (long long)e->bytes);
    if (e->ranks > 0)
        snprintf(ranks, sizeof(ranks), " on %lld ranks", (long long)e->ranks);
    return wm_say(h->set, "%s%s%s%s%s", e->bench, e->transport[0] == '\0' ? "" : " by ", e->transport, bytes, ranks);
}

/* An entry that no cell answers. */
static int leave_open(struct held *h, const struct wm_reference *e, enum wm_why why, const char *reason)
{
    struct wm_verdict *v = add(h, e);
    if (v == NULL)
        return h->err->code;
    v->why = why;
    v->reason = reason;
    return WM_OK;
}

static int judge_entry(struct held *h, const struct wm_reference *e)
{
    int rc = WM_OK, cells = 0, there = launches_there(h, e);
    if (there == 0)
        return WM_OK;
    if (there < h->n)
        return leave_open(
            h, e, WM_WHY_PARTLY,
            wm_say(h->set, "%d of %d launches ran on this hardware: has a device gone in the others?", there, h->n));
    for (int i = 0; i < h->set->n_subjects && rc == WM_OK; i++)
        if (is_this_cell(e, &h->set->subject[i])) {
            rc = judge_cell(h, e, i);
            cells++;
        }
    if (rc != WM_OK || cells > 0 || e->kind == WM_REFERENCE_BOUND)
        return rc;
    return leave_open(h, e, WM_WHY_ABSENT,
                      wm_say(h->set, "it holds for this hardware, and no launch measured it: run %s", wanted(h, e)));
}

/* What the policy requires and no entry judges must not pass. */
static int require_entries(struct held *h)
{
    struct wm_verdicts *out = h->out;
    const struct wm_policy *policy = h->policy;
    bool *judged = calloc((size_t)h->set->n_subjects + 1, sizeof(*judged));
    int rc = judged == NULL ? wm_fail(h->err, WM_ENOMEM, "calloc", errno, "verdicts") : WM_OK;
    for (int i = 0; i < out->n_verdicts && rc == WM_OK; i++)
        if (out->verdict[i].subject != NULL && strcmp(out->verdict[i].reference_kind, "bound") != 0)
            judged[out->verdict[i].subject - h->set->subject] = true;
    for (int i = 0; i < h->set->n_subjects && rc == WM_OK; i++)
        if (!judged[i] && wm_policy_requires(policy, h->set->subject[i].id))
            rc = wm_verdicts_open(out, &h->cap, h->set->subject[i].id, WM_WHY_UNMATCHED,
                                  "the policy requires it, and no reference whose conditions are met here is for it",
                                  h->err);
    free(judged);
    return rc == WM_OK ? wm_require_patterns(h->set, policy, out, &h->cap, h->err) : rc;
}

static int judge_all(struct held *h, struct wm_references *const *files, int n_files)
{
    int rc = WM_OK;
    for (int k = 0; k < h->set->n_launches; k++)
        if (h->set->launch[k].side == 1)
            h->launch[h->n++] = k;
    h->out->launches_b = h->n;
    for (int f = 0; f < n_files; f++)
        for (int i = 0; i < files[f]->n && rc == WM_OK; i++)
            rc = judge_entry(h, &files[f]->entry[i]);
    if (rc == WM_OK)
        rc = require_entries(h);
    if (rc == WM_OK)
        rc = wm_find(h->set, h->policy, h->out, h->err);
    return rc == WM_OK ? wm_tell_apart(h->set, h->out, h->err) : rc;
}

int wm_verdicts_judge_references(struct wm_launch_set *set, struct wm_references *const *files, int n_files,
                                 const struct wm_policy *policy, struct wm_verdicts *out, struct wm_err *err)
{
    struct held h = { .set = set, .policy = policy, .out = out, .err = err };
    int rc;
    *out = (struct wm_verdicts){ .basis = WM_BASIS_REFERENCE, .set = set };
    h.launch = calloc((size_t)set->n_launches + 1, sizeof(*h.launch));
    h.work = calloc((size_t)set->n_launches + 1, sizeof(*h.work));
    rc = h.launch == NULL || h.work == NULL ? wm_fail(err, WM_ENOMEM, "calloc", errno, "verdicts")
                                            : judge_all(&h, files, n_files);
    free(h.launch);
    free(h.work);
    if (rc == WM_OK)
        wm_verdicts_close(out, policy);
    else
        wm_verdicts_free(out);
    return rc;
}
