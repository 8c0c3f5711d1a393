/**
 * JUnit XML as Jenkins, GitLab and windyroad's description have it: one suite, a case an item. A failure is below its
 * criterion, an error could not be judged, skipped is what decides nothing.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "reports/export.h"
#include "src/result/field.h"

static bool escape(const struct wm_export *x, uint32_t c)
{
    if (c != '<' && c != '>' && c != '&' && c != '"' && c != '\'' && c != '\n' && c != '\r')
        return false;
    fprintf(x->to, "&#%u;", (unsigned)c);
    return true;
}

static void attribute(const struct wm_export *x, const char *name, const char *text)
{
    fprintf(x->to, " %s=\"", name);
    wm_export_text(x, text);
    fputc('"', x->to);
}

static double seconds(const struct wm_item *item)
{
    return item->verdict != NULL && isfinite(item->verdict->b.median_ns) ? item->verdict->b.median_ns / 1e9 : 0;
}

/* A time that is one, as it stands in the file; NULL otherwise. */
static const char *checked_time(const char *utc, char again[32])
{
    struct tm tm = { 0 };
    const char *end = utc == NULL ? NULL : strptime(utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return end != NULL && *end == '\0' && strcmp(wm_utc_text(again, (int64_t)timegm(&tm)), utc) == 0 ? again : NULL;
}

/* When the last of the judged launches began, else now; without the zone, which the description does not know. */
static void put_timestamp(const struct wm_export *x)
{
    const struct wm_launch_set *set = x->v->set;
    char last[32] = "", text[32];
    for (int i = 0; i < set->n_launches; i++)
        if (set->launch[i].side == 1 && checked_time(set->launch[i].started_utc, text) != NULL &&
            strcmp(text, last) > 0)
            memcpy(last, text, sizeof(last));
    if (last[0] == '\0')
        wm_utc_text(last, x->now);
    fprintf(x->to, " timestamp=\"%.19s\"", last);
}

static void number(const struct wm_export *x, const char *name, double value)
{
    fprintf(x->to, "<property name=\"%s\" value=\"%.6g\"/>\n", name, value);
}

static void put_properties(const struct wm_export *x)
{
    const struct wm_verdicts *v = x->v;
    fputs("<properties>\n", x->to);
    number(x, "exit_status", v->exit_status);
    number(x, "baseline_launches", v->launches_a);
    number(x, "judged_launches", v->launches_b);
    number(x, "tolerance", v->tolerance);
    for (int i = 0; i < v->n_differences; i++) {
        const struct wm_difference *d = &v->difference[i];
        fputs("<property name=\"changed ", x->to);
        wm_export_text(x, d->name);
        fputs("\" value=\"", x->to);
        wm_export_text(x, d->baseline == NULL ? "(none)" : d->baseline);
        wm_export_text(x, " -> ");
        wm_export_text(x, d->judged == NULL ? "(none)" : d->judged);
        fputs("\"/>\n", x->to);
    }
    fputs("</properties>\n", x->to);
}

/* Nothing required is nothing judged, and must not be an empty suite that passed. */
static void put_coverage(const struct wm_export *x)
{
    bool none = x->v->ledger.required == 0;
    fputs("<testcase classname=\"wiremark.gate\" name=\"coverage\" time=\"0.000000000\">", x->to);
    fputs(none ? "<error type=\"unmatched\" message=\"" : "<system-out>", x->to);
    wm_export_outcome(x);
    fputs(none ? "\"/></testcase>\n" : "</system-out></testcase>\n", x->to);
}

static void head(struct wm_export *x)
{
    int none = x->v->ledger.required == 0;
    double all_s = 0;
    for (int i = 0; i < x->n_items; i++)
        all_s += seconds(&x->item[i]);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
          "<testsuite id=\"0\" name=\"wiremark gate\" package=\"wiremark\" hostname=\"localhost\"",
          x->to);
    put_timestamp(x);
    fprintf(x->to, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.9f\">\n", x->n_items + 1,
            x->count[WM_OUTCOME_FAIL], x->count[WM_OUTCOME_ERROR] + none, x->count[WM_OUTCOME_SKIP], all_s);
    put_properties(x);
    put_coverage(x);
}

static const char *type_of(const struct wm_item *item)
{
    if (item->finding != NULL)
        return wm_finding_names[item->finding->kind];
    if (item->verdict->why != WM_WHY_NONE)
        return wm_why_names[item->verdict->why];
    return item->verdict->change == WM_SLOWER ? "slower" : "criterion";
}

static void put_ending(const struct wm_export *x, const struct wm_item *item)
{
    static const char *const tags[WM_OUTCOMES] = { NULL, "failure", "error", "skipped" };
    const char *tag = tags[item->outcome];
    fprintf(x->to, "<%s", tag);
    if (item->outcome != WM_OUTCOME_SKIP)
        attribute(x, "type", type_of(item));
    attribute(x, "message", wm_item_reason(item));
    fputc('>', x->to);
    if (item->outcome != WM_OUTCOME_SKIP)
        wm_export_figures(x, item);
    fprintf(x->to, "</%s>", tag);
}

static void row(struct wm_export *x, const struct wm_item *item)
{
    const struct wm_subject *subject = item->verdict == NULL ? NULL : item->verdict->subject;
    fprintf(x->to, "<testcase classname=\"wiremark.%s", item->kind);
    if (item->finding != NULL || subject != NULL) {
        fputc('.', x->to);
        wm_export_text(x, item->finding != NULL ? wm_finding_names[item->finding->kind] : subject->bench);
    }
    fputs("\" name=\"", x->to);
    wm_export_name(x, item);
    fprintf(x->to, "\" time=\"%.9f\">", seconds(item));
    if (item->outcome != WM_OUTCOME_PASS)
        put_ending(x, item);
    fputs("</testcase>\n", x->to);
}

static void foot(struct wm_export *x)
{
    fputs("<system-out>", x->to);
    wm_export_outcome(x);
    fputs("</system-out>\n<system-err></system-err>\n</testsuite>\n</testsuites>\n", x->to);
}

const struct wm_export_format wm_export_junit = {
    .name = "junit", .gate_only = true, .passes = 1, .escape = escape, .head = head, .row = row, .foot = foot
};
