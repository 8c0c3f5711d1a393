/**
 * Metrics: OpenMetrics 1.0 (GitLab's metrics report) and the textfile of Prometheus' node exporter. Families, labels
 * and digits are the same from night to night; all samples of a family stand together, so items are walked once for
 * each.
 */
#include <math.h>
#include <string.h>

#include "reports/export.h"

static double time_of(const struct wm_item *item)
{
    return item->verdict->b.median_ns / 1e9;
}

static double rate_of(const struct wm_item *item)
{
    return item->verdict->b.bytes_per_s;
}

static double ratio_of(const struct wm_item *item)
{
    return item->verdict->ratio;
}

/* As an exit status. */
static double verdict_of(const struct wm_item *item)
{
    static const double values[WM_OUTCOMES] = { 0, 1, 3, NAN };
    return values[item->outcome];
}

static const struct family {
    const char *name, *unit, *help;
    double (*value)(const struct wm_item *item); /* not finite: no sample */
    bool gate_only;
} families[] = {
    { "wiremark_verdict", "", "0 passed, 1 failed, 3 required and not judged", verdict_of, true },
    { "wiremark_time_seconds", "seconds", "median over the judged launches", time_of, false },
    { "wiremark_rate_bytes_per_second", "bytes_per_second", "bandwidth, median over the judged launches", rate_of,
      false },
    { "wiremark_time_ratio", "ratio", "time, judged over baseline: above 1 is slower", ratio_of, false },
};
enum { FAMILIES = sizeof(families) / sizeof(*families) };

static bool escape(const struct wm_export *x, uint32_t c)
{
    if (c == '\n')
        fputs("\\n", x->to);
    else if (c == '\r') /* readers that know more than one line break would end here */
        fputs("\xe2\x90\x8d", x->to);
    else if (c == '"' || c == '\\')
        fprintf(x->to, "\\%c", (int)c);
    else
        return false;
    return true;
}

static void family(const struct wm_export *x, const char *name, const char *unit, const char *help)
{
    fprintf(x->to, "# TYPE %s gauge\n", name);
    if (unit[0] != '\0' && x->format == &wm_export_openmetrics)
        fprintf(x->to, "# UNIT %s %s\n", name, unit);
    fprintf(x->to, "# HELP %s %s\n", name, help);
}

static void put_ledger(const struct wm_export *x)
{
    const struct wm_ledger *l = &x->v->ledger;
    const struct {
        const char *state;
        int n;
    } rows[] = { { "required", l->required }, { "judged", l->judged },         { "passed", l->passed },
                 { "failed", l->failed },     { "not_judged", l->not_judged }, { "not_required", l->not_required } };
    family(x, "wiremark_exit_status", "", "0 passed, 1 a regression, 3 something required is not judged");
    fprintf(x->to, "wiremark_exit_status %d\n", x->v->exit_status);
    family(x, "wiremark_cells", "", "cells, or entries of references, by what became of them");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(x->to, "wiremark_cells{state=\"%s\"} %d\n", rows[i].state, rows[i].n);
    family(x, "wiremark_not_judged", "", "of the required cells, by the reason");
    for (int i = 1; i < WM_WHYS; i++)
        fprintf(x->to, "wiremark_not_judged{why=\"%s\"} %d\n", wm_why_names[i], l->why[i]);
}

static void put_findings(const struct wm_export *x)
{
    int n[WM_FINDINGS] = { 0 };
    for (int i = 0; i < x->v->n_findings; i++)
        n[x->v->finding[i].kind]++;
    family(x, "wiremark_findings", "", "findings that need no reference");
    for (int i = 0; i < WM_FINDINGS; i++)
        fprintf(x->to, "wiremark_findings{kind=\"%s\"} %d\n", wm_finding_names[i], n[i]);
}

static void head(struct wm_export *x)
{
    const struct wm_verdicts *v = x->v;
    if (v->basis != WM_BASIS_COMPARE)
        put_ledger(x);
    family(x, "wiremark_launches", "", "launches of each side");
    fprintf(x->to, "wiremark_launches{side=\"baseline\"} %d\nwiremark_launches{side=\"judged\"} %d\n", v->launches_a,
            v->launches_b);
    family(x, "wiremark_differences", "", "differences of configuration between the sides");
    fprintf(x->to, "wiremark_differences %d\n", v->n_differences + v->differences_left_out);
    put_findings(x);
}

static void label(const struct wm_export *x, const char *name, const char *text)
{
    fprintf(x->to, ",%s=\"", name);
    wm_export_text(x, text);
    fputc('"', x->to);
}

static void row(struct wm_export *x, const struct wm_item *item)
{
    const struct family *f = &families[x->pass];
    double value = item->verdict == NULL ? NAN : f->value(item);
    if (!isfinite(value) || (f->gate_only && x->v->basis == WM_BASIS_COMPARE))
        return;
    if (x->rows++ == 0)
        family(x, f->name, f->unit, f->help);
    fprintf(x->to, "%s{kind=\"%s\"", f->name, item->kind);
    label(x, "name", item->name);
    if (item->cell[0] != '\0')
        label(x, "cell", item->cell);
    if (item->copy > 1)
        fprintf(x->to, ",copy=\"%d\"", item->copy);
    fprintf(x->to, "} %.6g\n", value);
}

static void open_foot(struct wm_export *x)
{
    fputs("# EOF\n", x->to);
}

static void textfile_foot(struct wm_export *x)
{
    const char *name = "wiremark_completion_timestamp_seconds";
    family(x, name, "seconds", "when the verdict was written: alert on its age");
    fprintf(x->to, "%s %lld\n", name, (long long)x->now);
}

const struct wm_export_format wm_export_openmetrics = { .name = "openmetrics",
                                                        .by_name = true,
                                                        .passes = FAMILIES,
                                                        .escape = escape,
                                                        .head = head,
                                                        .row = row,
                                                        .foot = open_foot };
const struct wm_export_format wm_export_prometheus = { .name = "prometheus",
                                                       .by_name = true,
                                                       .passes = FAMILIES,
                                                       .escape = escape,
                                                       .head = head,
                                                       .row = row,
                                                       .foot = textfile_foot };
