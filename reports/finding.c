/** What needs no reference to be wrong. docs/verdicts.md says each rule and its source. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"
#include "src/core/units.h"

const char *const wm_finding_names[] = { "above-bound", "falling", "asymmetry", "composed", "staged", NULL };

/* By how much something must stand out: bandwidths dip where a protocol changes. */
static const double falls_by = 0.10, asymmetric_by = 0.10, slower_by = 0.05;

struct known {
    int subject;
    struct wm_side side;
    double share, asymmetry;
};

struct finder {
    struct wm_launch_set *set;
    const struct wm_policy *policy;
    struct wm_verdicts *out;
    const struct wm_subject *subject;
    struct known *known; /* measured cells, sorted by what they are */
    int n;
    struct wm_err *err;
};

static int found(struct finder *f, enum wm_finding_kind kind, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int found(struct finder *f, enum wm_finding_kind kind, const char *name, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct wm_verdicts *out = f->out;
    struct wm_finding *list = realloc(out->finding, (size_t)(out->n_findings + 1) * sizeof(*list));
    if (list == NULL)
        return wm_fail(f->err, WM_ENOMEM, "realloc", errno, "findings");
    out->finding = list;
    struct wm_finding finding = { kind, name, wm_launch_set_text(f->set, text), f->policy->fatal[kind] };
    if (finding.text == NULL)
        return wm_fail(f->err, WM_ENOMEM, "malloc", errno, "findings");
    list[out->n_findings++] = finding;
    return WM_OK;
}

static const char *id_of(const struct finder *f, const struct known *k)
{
    return f->subject[k->subject].id;
}

/* ---- cells by what they are: texts are interned, so that pointers order them ---- */

static int order(const void *a, const void *b)
{
    return (a > b) - (a < b);
}

/* Without benchmark, path, type and operator, which the searches below vary. */
static int by_place(const struct wm_subject *a, const struct wm_subject *b)
{
    const void *texts[][2] = { { a->transport, b->transport },
                               { a->mem, b->mem },
                               { a->placement, b->placement },
                               { a->settings, b->settings },
                               { a->algo, b->algo } };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (texts[i][0] != texts[i][1])
            return order(texts[i][0], texts[i][1]);
    if (a->ranks != b->ranks)
        return a->ranks - b->ranks;
    if (a->hosts != b->hosts)
        return a->hosts - b->hosts;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct finder *f = arg;
    const struct wm_subject *x = &f->subject[((const struct known *)a)->subject];
    const struct wm_subject *y = &f->subject[((const struct known *)b)->subject];
    int place = x->bench != y->bench ? order(x->bench, y->bench) : by_place(x, y);
    return place != 0 ? place : order(x->id, y->id);
}

/* The first cell of this benchmark at this place, or n. */
static int first_at(const struct finder *f, const char *bench, const struct wm_subject *place)
{
    int low = 0, high = f->n;
    while (low < high) {
        int middle = (low + high) / 2;
        const struct wm_subject *s = &f->subject[f->known[middle].subject];
        if ((s->bench != bench ? order(s->bench, bench) : by_place(s, place)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* @param path,dtype,op  NULL: any */
static const struct known *find(const struct finder *f, const char *bench, const struct wm_subject *place,
                                const char *path, const char *dtype, const char *op)
{
    for (int i = first_at(f, bench, place); i < f->n; i++) {
        const struct wm_subject *s = &f->subject[f->known[i].subject];
        if (s->bench != bench || by_place(s, place) != 0)
            break;
        if ((path == NULL || s->path == path) && (dtype == NULL || s->dtype == dtype) && (op == NULL || s->op == op))
            return &f->known[i];
    }
    return NULL;
}

/* ---- the rules ---- */

static int above_bound(struct finder *f, const struct known *k)
{
    if (!(k->share > 1))
        return WM_OK;
    return found(f, WM_FINDING_ABOVE_BOUND, id_of(f, k), "reached %.4g times its limit, which cannot be exceeded",
                 k->share);
}

static int asymmetry(struct finder *f, const struct known *k)
{
    if (!(k->asymmetry > 1 + asymmetric_by))
        return WM_OK;
    return found(f, WM_FINDING_ASYMMETRY, id_of(f, k), "a pair of ranks takes %.2f times as long one way as the other",
                 k->asymmetry);
}

/* Traeff, Gropp & Thakur (2010): a library's all-reduce must not lose to its own reduce followed by its broadcast. */
static int composed(struct finder *f, const struct known *k)
{
    const struct wm_subject *s = &f->subject[k->subject];
    char text[3][WM_TEXT_BYTES];
    if (strcmp(s->bench, "allreduce") != 0 || strcmp(s->algo, "native") != 0)
        return WM_OK;
    const char *reduce_name = wm_launch_set_text(f->set, "reduce"),
               *broadcast_name = wm_launch_set_text(f->set, "broadcast");
    const struct known *reduce = find(f, reduce_name, s, s->path, s->dtype, s->op);
    const struct known *broadcast = find(f, broadcast_name, s, s->path, NULL, NULL);
    if (reduce == NULL || broadcast == NULL ||
        !(k->side.low_ns > (reduce->side.high_ns + broadcast->side.high_ns) * (1 + slower_by)))
        return WM_OK;
    return found(f, WM_FINDING_COMPOSED, id_of(f, k), "takes %s, but reduce (%s) and broadcast (%s) together take less",
                 wm_format_ns(text[0], k->side.median_ns), wm_format_ns(text[1], reduce->side.median_ns),
                 wm_format_ns(text[2], broadcast->side.median_ns));
}

static int staged(struct finder *f, const struct known *k)
{
    const struct wm_subject *s = &f->subject[k->subject];
    char text[2][WM_TEXT_BYTES];
    if (strcmp(s->path, "direct") != 0)
        return WM_OK;
    const struct known *other = find(f, s->bench, s, wm_launch_set_text(f->set, "staged"), s->dtype, s->op);
    if (other == NULL || !(k->side.low_ns >= other->side.high_ns))
        return WM_OK;
    return found(f, WM_FINDING_STAGED, id_of(f, k),
                 "direct takes %s, no less than staged through host memory (%s): is it direct?",
                 wm_format_ns(text[0], k->side.median_ns), wm_format_ns(text[1], other->side.median_ns));
}

/* What bench says of all sizes together: it knows what the copies of staged alone take, and when they should show. */
static int suspected(struct finder *f)
{
    int rc = WM_OK;
    for (int c = 0; c < f->set->n_curves && rc == WM_OK; c++)
        if (f->set->curve[c].suspected)
            rc =
                found(f, WM_FINDING_STAGED, f->set->curve[c].name,
                      "a judged launch found direct hardly faster than staged at most of the sizes at which the copies "
                      "alone should show (suspected_fallback): is it direct?");
    return rc;
}

/* Rates of the interval's ends: bytes_per_s stands for the median time. */
static double slowest(const struct known *k)
{
    return k->side.bytes_per_s * k->side.median_ns / k->side.high_ns;
}

static double fastest(const struct known *k)
{
    return k->side.bytes_per_s * k->side.median_ns / k->side.low_ns;
}

/* The deepest fall below what a smaller size reached, once a curve. Cells of a curve stand together and by size only
 * where nothing else differs, which is what a curve is. */
static int falling(struct finder *f)
{
    struct best {
        const struct known *peak, *low, *from;
    } *curve = calloc((size_t)f->set->n_curves + 1, sizeof(*curve));
    char text[4][WM_TEXT_BYTES];
    int rc = curve == NULL ? wm_fail(f->err, WM_ENOMEM, "calloc", errno, "findings") : WM_OK;
    for (int i = 0; i < f->n && rc == WM_OK; i++) {
        const struct known *k = &f->known[i];
        struct best *b = &curve[f->subject[k->subject].curve];
        if (!isfinite(k->side.bytes_per_s))
            continue;
        if (b->peak != NULL && fastest(k) < slowest(b->peak) * (1 - falls_by) &&
            (b->low == NULL || k->side.bytes_per_s < b->low->side.bytes_per_s)) {
            b->low = k;
            b->from = b->peak;
        }
        if (b->peak == NULL || k->side.bytes_per_s > b->peak->side.bytes_per_s)
            b->peak = k;
    }
    for (int c = 0; c < f->set->n_curves && rc == WM_OK; c++)
        if (curve[c].low != NULL)
            rc = found(f, WM_FINDING_FALLING, id_of(f, curve[c].low), "%s at %s, after %s at %s",
                       wm_format_rate(text[0], curve[c].low->side.bytes_per_s),
                       wm_format_bytes(text[1], (uint64_t)f->subject[curve[c].low->subject].bytes),
                       wm_format_rate(text[2], curve[c].from->side.bytes_per_s),
                       wm_format_bytes(text[3], (uint64_t)f->subject[curve[c].from->subject].bytes));
    free(curve);
    return rc;
}

/* ---- all together ---- */

static void know(struct finder *f, const int *launch, int n, double *work)
{
    for (int i = 0; i < f->set->n_subjects; i++) {
        struct known k = { .subject = i, .share = NAN, .asymmetry = NAN };
        wm_side_of(f->set, launch, n, i, work, &k.side);
        for (int l = 0; l < n; l++) {
            const struct wm_sample *s = &f->set->launch[launch[l]].sample[i];
            if (s->here && s->limit_binds)
                k.share = fmax(k.share, s->limit_share);
            if (s->here)
                k.asymmetry = fmax(k.asymmetry, s->asymmetry);
        }
        if (k.side.launches > 0)
            f->known[f->n++] = k;
    }
    qsort_r(f->known, (size_t)f->n, sizeof(*f->known), compare, f);
}

static int look(struct finder *f)
{
    static int (*const rules[])(struct finder *, const struct known *) = { above_bound, asymmetry, composed, staged };
    int rc = WM_OK;
    for (size_t r = 0; r < sizeof(rules) / sizeof(*rules); r++)
        for (int i = 0; i < f->n && rc == WM_OK; i++)
            rc = rules[r](f, &f->known[i]);
    if (rc == WM_OK)
        rc = suspected(f);
    return rc == WM_OK ? falling(f) : rc;
}

int wm_find(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out, struct wm_err *err)
{
    struct finder f = { .set = set, .policy = policy, .out = out, .subject = set->subject, .err = err };
    int *launch = calloc((size_t)set->n_launches + 1, sizeof(*launch)), n = 0, rc;
    double *work = calloc((size_t)set->n_launches + 1, sizeof(*work));
    f.known = calloc((size_t)set->n_subjects + 1, sizeof(*f.known));
    if (launch == NULL || work == NULL || f.known == NULL) {
        rc = wm_fail(err, WM_ENOMEM, "calloc", errno, "findings");
    } else {
        for (int k = 0; k < set->n_launches; k++)
            if (set->launch[k].side == 1)
                launch[n++] = k;
        know(&f, launch, n, work);
        rc = look(&f);
    }
    free(launch);
    free(work);
    free(f.known);
    return rc;
}
