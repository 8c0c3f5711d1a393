#include "reports/export.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/core/units.h"
#include "src/result/field.h"
#include "src/result/replace.h"

const struct wm_export_format *const wm_export_formats[] = {
    &wm_export_junit,   &wm_export_github,  &wm_export_openmetrics, &wm_export_prometheus,
    &wm_export_reframe, &wm_export_smaller, &wm_export_bigger,      NULL,
};

const struct wm_export_format *wm_export_find(const char *name)
{
    for (const struct wm_export_format *const *f = wm_export_formats; *f != NULL; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

/* ---- texts ---- */

/* No character, none that a text needs, or one that breaks a line or turns the direction of writing. */
static bool unfit(uint32_t c)
{
    return (c >= 0x80 && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
           (c & 0xfffe) == 0xfffe;
}

/* What no format can hold, or what steers a terminal, becomes what can be seen: U+2400 on are pictures of controls. */
static uint32_t visible(uint32_t c)
{
    if (c < 0x20 && c != '\n' && c != '\r')
        return 0x2400 + c;
    return c == 0x7f ? 0x2421 : unfit(c) ? 0xfffd : c;
}

/* The next character; *text moves behind it. */
static uint32_t next(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    if (s[0] >= 0x20 && s[0] < 0x7f) { /* nearly all */
        ++*text;
        return s[0];
    }
    size_t n = wm_utf8_sequence(s, strnlen(*text, 4));
    uint32_t c = n <= 1 ? s[0] : s[0] & (0x7fu >> n);
    *text += n == 0 ? 1 : n;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (s[i] & 0x3f);
    return n == 0 ? 0xfffd : visible(c);
}

int wm_export_utf8(uint32_t c, char bytes[4])
{
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    uint32_t mark = more == 0 ? 0 : 0xff00u >> (more + 1) & 0xff;
    bytes[0] = (char)(mark | c >> 6 * more);
    for (int i = 1; i <= more; i++)
        bytes[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return more + 1;
}

void wm_export_text(const struct wm_export *x, const char *text)
{
    char bytes[4] = "";
    while (*text != '\0') {
        uint32_t c = next(&text);
        if (!x->format->escape(x, c))
            for (int i = 0, n = wm_export_utf8(c, bytes); i < n; i++)
                putc_unlocked(bytes[i], x->to);
    }
}

void wm_export_name(const struct wm_export *x, const struct wm_item *item)
{
    char copy[32] = "";
    wm_export_text(x, item->name);
    if (item->cell[0] != '\0') {
        wm_export_text(x, ": ");
        wm_export_text(x, item->cell);
    }
    if (item->copy > 1)
        snprintf(copy, sizeof(copy), " (%d)", item->copy);
    wm_export_text(x, copy);
}

static void figures_of_reference(const struct wm_export *x, const struct wm_verdict *v)
{
    char text[128];
    snprintf(text, sizeof(text), "%.6g", v->measured_value);
    wm_export_text(x, isfinite(v->measured_value) ? text : "not measured");
    snprintf(text, sizeof(text), ", wanted %.6g %.20s (%.20s, ", v->reference_value, v->reference_unit,
             v->reference_kind);
    wm_export_text(x, text);
    wm_export_text(x, v->reference_source);
    wm_export_text(x, ")");
}

void wm_export_figures(const struct wm_export *x, const struct wm_item *item)
{
    const struct wm_verdict *v = item->verdict;
    char text[128], a[WM_TEXT_BYTES], b[WM_TEXT_BYTES];
    if (v != NULL && isfinite(v->reference_value))
        figures_of_reference(x, v);
    if (v == NULL || !isfinite(v->ratio))
        return;
    if (isfinite(v->a.median_ns) && isfinite(v->b.median_ns)) {
        snprintf(text, sizeof(text), "%s -> %s, ", wm_format_ns(a, v->a.median_ns), wm_format_ns(b, v->b.median_ns));
        wm_export_text(x, text);
    }
    snprintf(text, sizeof(text), "ratio %.3f (%.3f to %.3f)", v->ratio, v->ratio_low, v->ratio_high);
    wm_export_text(x, text);
    snprintf(text, sizeof(text), ", p %.2g", v->p);
    wm_export_text(x, isfinite(v->p) ? text : "");
}

const char *wm_item_reason(const struct wm_item *item)
{
    const struct wm_verdict *v = item->verdict;
    if (item->finding != NULL)
        return item->finding->text;
    if (v->reason != NULL && v->reason[0] != '\0')
        return v->reason;
    return v->why != WM_WHY_NONE ? wm_why_names[v->why] : wm_judgement_names[v->judgement];
}

void wm_export_outcome(const struct wm_export *x)
{
    const struct wm_ledger *l = &x->v->ledger;
    const char *what = x->v->basis == WM_BASIS_REFERENCE ? "entries" : "cells";
    char text[256];
    snprintf(text, sizeof(text), "%s: %d of %d required %s judged, %d passed, %d failed, %d not judged%s",
             x->v->exit_status == 0   ? "PASS"
             : x->v->exit_status == 1 ? "FAIL"
                                      : "NOT JUDGED",
             l->judged, l->required, what, l->passed, l->failed, l->not_judged,
             l->required == 0 ? "; nothing is required" : "");
    wm_export_text(x, text);
}

/* ---- items ---- */

/* A curve that is not judged decides nothing: its cells do. */
static enum wm_outcome outcome_of(const struct wm_verdict *v)
{
    if (v->judgement == WM_PASS)
        return WM_OUTCOME_PASS;
    if (!v->required || (v->curve != NULL && v->judgement == WM_NOT_JUDGED))
        return WM_OUTCOME_SKIP;
    return v->judgement == WM_FAIL ? WM_OUTCOME_FAIL : WM_OUTCOME_ERROR;
}

static void add_verdicts(struct wm_export *x, const char *kind, const struct wm_verdict *list, int n)
{
    for (int i = 0; i < n; i++) {
        struct wm_item *item = &x->item[x->n_items++];
        *item = (struct wm_item){ kind, list[i].name, "", &list[i], NULL, outcome_of(&list[i]), 1 };
        if (x->v->basis == WM_BASIS_REFERENCE && list[i].subject != NULL)
            item->cell = list[i].subject->id;
        x->count[item->outcome]++;
    }
}

static void add_findings(struct wm_export *x)
{
    for (int i = 0; i < x->v->n_findings; i++) {
        const struct wm_finding *f = &x->v->finding[i];
        enum wm_outcome outcome = f->fatal ? WM_OUTCOME_FAIL : WM_OUTCOME_SKIP;
        x->item[x->n_items++] = (struct wm_item){ "finding", f->name, "", NULL, f, outcome, 1 };
        x->count[outcome]++;
    }
}

/* As they will be read: what becomes the same text is the same. */
static int compare_texts(const char *a, const char *b)
{
    uint32_t c = 0, d = 0;
    while (*a == *b && (signed char)*a > 0) /* ids begin alike; ASCII */
        a++, b++;
    while (c == d && *a != '\0' && *b != '\0') {
        c = next(&a);
        d = next(&b);
        c = c == '\r' ? 0x240d : c;
        d = d == '\r' ? 0x240d : d;
    }
    return c != d ? (c > d) - (c < d) : (*a != '\0') - (*b != '\0');
}

static int compare_items(const struct wm_item *a, const struct wm_item *b)
{
    int way = strcmp(a->kind, b->kind);
    way = way != 0 ? way : compare_texts(a->name, b->name);
    return way != 0 ? way : compare_texts(a->cell, b->cell);
}

static int by_name(const void *a, const void *b)
{
    const struct wm_item *x = *(struct wm_item *const *)a, *y = *(struct wm_item *const *)b;
    int way = compare_items(x, y);
    return way != 0 ? way : (x > y) - (x < y);
}

/* Entries of two files, patterns of a policy may have one name: no reader of metrics takes a name twice. */
static void number_copies(struct wm_export *x)
{
    for (int i = 0; i < x->n_items; i++)
        x->by_name[i] = &x->item[i];
    qsort(x->by_name, (size_t)x->n_items, sizeof(*x->by_name), by_name);
    for (int i = 1; i < x->n_items; i++)
        if (compare_items(x->by_name[i - 1], x->by_name[i]) == 0)
            x->by_name[i]->copy = x->by_name[i - 1]->copy + 1;
}

static int collect(struct wm_export *x, struct wm_err *err)
{
    const struct wm_verdicts *v = x->v;
    size_t n = (size_t)v->n_curves + (size_t)v->n_verdicts + (size_t)v->n_findings + 1;
    x->item = calloc(n, sizeof(*x->item));
    x->by_name = calloc(n, sizeof(*x->by_name));
    if (x->item == NULL || x->by_name == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", errno, "verdicts");
    add_verdicts(x, "curve", v->curve, v->n_curves);
    add_verdicts(x, v->basis == WM_BASIS_REFERENCE ? "reference" : "cell", v->verdict, v->n_verdicts);
    add_findings(x);
    number_copies(x);
    return WM_OK;
}

int wm_export(FILE *to, const struct wm_verdicts *v, const struct wm_export_format *format, struct wm_err *err)
{
    struct wm_export x = { .to = to, .v = v, .format = format, .now = (int64_t)time(NULL) };
    if (collect(&x, err) == WM_OK) {
        format->head(&x);
        for (x.pass = 0; x.pass < format->passes; x.pass++) {
            x.rows = 0;
            for (int i = 0; i < x.n_items; i++)
                format->row(&x, format->by_name ? x.by_name[i] : &x.item[i]);
        }
        format->foot(&x);
    }
    free(x.item);
    free(x.by_name);
    if (err->code == WM_OK && ferror(to))
        return wm_fail_io(err, "fwrite", "write", "the verdicts");
    return err->code;
}
