/** Verdicts for people: a terminal, or Markdown. What is worst stands first; what differs around the cells before it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/verdict.h"
#include "src/core/units.h"
#include "src/result/replace.h"
#include "src/stats/maxt.h"

/* How texts from files are put so that they can neither steer a terminal nor be taken for markup. */
struct page {
    FILE *to;
    bool markdown;
};

/* Characters of UTF-8 that turn the direction of writing or break a line: U+2028 to U+202E, U+2066 to U+2069. */
static bool turns(const unsigned char *c)
{
    return c[0] == 0xe2 &&
           ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

static void put_name(const struct page *p, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7f)
            fputc('?', p->to);
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* control characters of ISO 8859 in UTF-8 */
            fputc('?', p->to), c++;
        else if (turns(c))
            fputc('?', p->to), c += 2;
        else if (c[0] == '#' && c[1] == '#' && c[2] == '[') /* commands of workflows' logs, anywhere in a line */
            fputc('?', p->to);
        else if (p->markdown && strchr("|`<>&*_[]\\#@~!", *c) != NULL)
            fprintf(p->to, "&#%d;", *c);
        else
            fputc(*c, p->to);
    }
}

static void heading(const struct page *p, const char *text)
{
    fprintf(p->to, p->markdown ? "\n### %s\n\n" : "\n%s\n", text);
}

static const char *item(const struct page *p)
{
    return p->markdown ? "- " : "  ";
}

static const char *plural(int n)
{
    return n == 1 ? "" : "es";
}

/* ---- what stands first ---- */

static const char *outcome(const struct wm_verdicts *v)
{
    return v->exit_status == 0 ? "PASS" : v->exit_status == 1 ? "FAIL" : "NOT JUDGED";
}

static void put_counts(const struct page *p, const struct wm_verdicts *v)
{
    int n[WM_CHANGES] = { 0 };
    for (int i = 0; i < v->n_verdicts; i++)
        n[v->verdict[i].change]++;
    fprintf(p->to, "%d cells: %d slower, %d inconclusive, %d the same, %d faster\n", v->n_verdicts, n[WM_SLOWER],
            n[WM_INCONCLUSIVE], n[WM_SAME], n[WM_FASTER]);
}

static void put_coverage(const struct page *p, const struct wm_verdicts *v)
{
    const struct wm_ledger *l = &v->ledger;
    bool first = true;
    fprintf(p->to, "%s%s%s: %d of %d required %s judged: %d passed, %d failed; %d not judged", p->markdown ? "**" : "",
            outcome(v), p->markdown ? "**" : "", l->judged, l->required,
            v->basis == WM_BASIS_REFERENCE ? "entries" : "cells", l->passed, l->failed, l->not_judged);
    for (int i = 1; i < WM_WHYS; i++)
        if (l->why[i] > 0) {
            fprintf(p->to, "%s%d %s", first ? " (" : ", ", l->why[i], wm_why_names[i]);
            first = false;
        }
    fprintf(p->to, "%s; %d not required\n", first ? "" : ")", l->not_required);
    if (l->required == 0)
        fprintf(p->to, "%snothing is required: %s\n", p->markdown ? "\n" : "",
                v->basis == WM_BASIS_REFERENCE ? "no reference is for this hardware" : "the baseline has no cells");
}

static void put_test(const struct page *p, const struct wm_verdicts *v)
{
    const char *gap = p->markdown ? "\n" : "";
    if (v->basis == WM_BASIS_REFERENCE)
        fprintf(p->to, "%s%d judged launch%s\n", gap, v->launches_b, plural(v->launches_b));
    else
        fprintf(p->to, "%s%d baseline launch%s, %d judged; ", gap, v->launches_a, plural(v->launches_a), v->launches_b);
    if (v->basis != WM_BASIS_REFERENCE && v->relabellings > 0)
        fprintf(p->to, "%ld relabellings%s; any false alarm in this file: %g %%; tolerance %g %%\n", v->relabellings,
                v->exact ? ", all there are" : "", 100 * v->family_error, 100 * v->tolerance);
    else if (v->basis != WM_BASIS_REFERENCE)
        fprintf(p->to, "%s\n",
                wm_maxt_smallest_p(v->launches_a, v->launches_b) > v->family_error * (1 + 1e-9)
                    ? "too few for a verdict"
                    : "no cell is measured in all of them");
    if (v->exit_status == 1 && isfinite(v->tolerance_to_pass))
        fprintf(p->to, "%sa tolerance of %.1f %% would have passed\n", gap, ceil(1000 * v->tolerance_to_pass) / 10);
    if (v->missing_a + v->missing_b > 0)
        fprintf(p->to, "%smore launches would decide what is open: %d of the baseline, %d judged\n", gap, v->missing_a,
                v->missing_b);
}

static void put_differences(const struct page *p, const struct wm_verdicts *v)
{
    if (v->n_differences == 0)
        return;
    heading(p, "configuration changed: what is slower below may come from it, not from the hardware");
    for (int i = 0; i < v->n_differences; i++) {
        const struct wm_difference *d = &v->difference[i];
        fputs(item(p), p->to);
        put_name(p, d->name);
        fputs(": ", p->to);
        put_name(p, d->baseline == NULL ? "(none)" : d->baseline);
        fputs(" -> ", p->to);
        put_name(p, d->judged == NULL ? "(none)" : d->judged);
        fputs(d->within_side ? " (among launches of one side)\n" : "\n", p->to);
    }
    if (v->differences_left_out > 0)
        fprintf(p->to, "%sand %d more\n", item(p), v->differences_left_out);
}

static void put_findings(const struct page *p, const struct wm_verdicts *v)
{
    if (v->n_findings == 0)
        return;
    heading(p, "findings that need no reference");
    for (int i = 0; i < v->n_findings; i++) {
        const struct wm_finding *f = &v->finding[i];
        fprintf(p->to, "%s%s%s: ", item(p), f->fatal ? "FATAL " : "", wm_finding_names[f->kind]);
        put_name(p, f->name);
        fputs(": ", p->to);
        put_name(p, f->text);
        fputc('\n', p->to);
    }
}

/* ---- verdicts ---- */

static const char *word(const struct wm_verdicts *v, const struct wm_verdict *x)
{
    static const char *const words[WM_JUDGEMENTS] = { "pass", "FAIL", "not judged" };
    return v->basis == WM_BASIS_COMPARE ? wm_change_names[x->change] : words[x->judgement];
}

static const char *time_of(const struct wm_side *s, char text[WM_TEXT_BYTES])
{
    return isfinite(s->median_ns) ? wm_format_ns(text, s->median_ns) : "-";
}

/* "1.00 us (0.99 us to 1.02 us)" */
static void side_text(const struct wm_side *s, char out[128])
{
    char median[WM_TEXT_BYTES], low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    int n = snprintf(out, 128, "%s", time_of(s, median));
    if (isfinite(s->low_ns) && isfinite(s->high_ns) && s->launches > 0)
        snprintf(out + n, 128 - (size_t)n, " (%s to %s)", wm_format_ns(low, s->low_ns), wm_format_ns(high, s->high_ns));
}

static void ratio_text(const struct wm_verdict *v, char out[128])
{
    int n = snprintf(out, 128, "-");
    if (isfinite(v->ratio))
        n = snprintf(out, 128, "%.3f", v->ratio);
    if (isfinite(v->ratio) && isfinite(v->ratio_low))
        n += snprintf(out + n, 128 - (size_t)n, " (%.3f to %.3f)", v->ratio_low, v->ratio_high);
    if (v->change == WM_SAME)
        snprintf(out + n, 128 - (size_t)n, ", within %.1f %%", 100 * v->within);
}

/* In the reference's unit. */
static const char *measured_text(const struct wm_verdict *v, char out[128])
{
    if (isfinite(v->measured_value))
        snprintf(out, 128, "%g %s", v->measured_value, v->reference_unit);
    else
        snprintf(out, 128, "nothing measured");
    return out;
}

static bool listed(const struct wm_verdicts *v, const struct wm_verdict *x, bool all)
{
    if (all)
        return true;
    if (v->basis == WM_BASIS_COMPARE)
        return x->change != WM_SAME;
    return x->required && x->judgement != WM_PASS;
}

static void put_plain(const struct page *p, const struct wm_verdicts *v, const struct wm_verdict *x)
{
    char a[128], b[128], ratio[128];
    fprintf(p->to, "%-13s", word(v, x));
    put_name(p, x->name);
    side_text(&x->a, a);
    side_text(&x->b, b);
    ratio_text(x, ratio);
    if (isfinite(x->reference_value)) {
        fprintf(p->to, "\n             %s, wanted %g %s (%s, ", measured_text(x, b), x->reference_value,
                x->reference_unit, x->reference_kind);
        put_name(p, x->reference_source);
        fputc(')', p->to);
    } else if (x->curve != NULL)
        fprintf(p->to, "\n             all sizes together %s", ratio);
    else if (x->a.launches + x->b.launches > 0)
        fprintf(p->to, "\n             %s -> %s, ratio %s", a, b, ratio);
    if (isfinite(x->p))
        fprintf(p->to, ", effect %+.2f, p %.2g", x->effect, x->p);
    if (x->change == WM_SLOWER)
        fputs(x->config_changed ? "; config changed" : "; same configuration: hardware slower", p->to);
    if (x->reason[0] != '\0')
        fputs("\n             ", p->to), put_name(p, x->reason);
    fputc('\n', p->to);
}

static void put_row(const struct page *p, const struct wm_verdicts *v, const struct wm_verdict *x)
{
    char a[128], b[128], ratio[128];
    side_text(&x->a, a);
    side_text(&x->b, b);
    ratio_text(x, ratio);
    if (isfinite(x->reference_value)) {
        snprintf(a, sizeof(a), "%g %s (%s)", x->reference_value, x->reference_unit, x->reference_kind);
        measured_text(x, b);
    }
    fprintf(p->to, "| %s | ", word(v, x));
    put_name(p, x->name);
    fprintf(p->to, " | %s | %s | %s | ", a, b, ratio);
    if (isfinite(x->p))
        fprintf(p->to, "%.2g", x->p);
    fputs(" | ", p->to);
    if (x->change == WM_SLOWER)
        fputs(x->config_changed ? "config changed; " : "hardware slower; ", p->to);
    put_name(p, x->reason);
    fputs(" |\n", p->to);
}

static void put_header(const struct page *p, const struct wm_verdicts *v)
{
    fputs(v->basis == WM_BASIS_REFERENCE ? "| verdict | name | wanted | judged |"
                                         : "| verdict | name | baseline | judged |",
          p->to);
    fputs(" time ratio | p | why |\n|---|---|---|---|---|---|---|\n", p->to);
}

static void put_list(const struct page *p, const struct wm_verdicts *v, const struct wm_verdict *list, int n, bool all,
                     const char *title)
{
    bool begun = false;
    for (int i = 0; i < n; i++) {
        if (!listed(v, &list[i], all))
            continue;
        if (!begun)
            heading(p, title);
        if (!begun && p->markdown)
            put_header(p, v);
        begun = true;
        if (p->markdown)
            put_row(p, v, &list[i]);
        else
            put_plain(p, v, &list[i]);
    }
}

static int put_page(const struct page *p, const struct wm_verdicts *v, bool all, struct wm_err *err)
{
    if (v->basis == WM_BASIS_COMPARE)
        put_counts(p, v);
    else
        put_coverage(p, v);
    put_test(p, v);
    put_differences(p, v);
    put_list(p, v, v->curve, v->n_curves, all, "curves: all sizes of a benchmark together");
    put_list(p, v, v->verdict, v->n_verdicts, all, v->basis == WM_BASIS_REFERENCE ? "references" : "cells");
    put_findings(p, v);
    return ferror(p->to) ? wm_fail_io(err, "fwrite", "write", "the verdicts") : WM_OK;
}

int wm_verdicts_text(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err)
{
    struct page p = { .to = to };
    return put_page(&p, v, all, err);
}

int wm_verdicts_markdown(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err)
{
    struct page p = { .to = to, .markdown = true };
    return put_page(&p, v, all, err);
}

/* What the file has already, as far as a file has a size. */
static size_t bytes_there(FILE *to)
{
    off_t end = fseeko(to, 0, SEEK_END) == 0 ? ftello(to) : -1;
    return end > 0 ? (size_t)end : 0;
}

/* Up to the end of a line: whole rows. */
static int put_start(FILE *to, const char *text, size_t n, struct wm_err *err)
{
    enum { LIMIT = 1048576 - 256 };
    char more[128];
    size_t there = bytes_there(to), room = there < LIMIT ? LIMIT - there : 0, left_out = 0, kept = n;
    while (kept > room || (kept < n && kept > 0 && text[kept - 1] != '\n'))
        left_out += text[--kept] == '\n';
    if ((there > 0 && wm_put_text(to, "\n", err) != WM_OK) || wm_put(to, text, kept, err) != WM_OK || kept == n)
        return err->code;
    snprintf(more, sizeof(more), "\n%zu more lines are left out: a summary is below 1 MiB\n", left_out);
    return wm_put_text(to, more, err);
}

int wm_verdicts_summary(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err)
{
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);
    if (memory == NULL)
        return wm_fail(err, WM_ENOMEM, "open_memstream", errno, "the summary");
    wm_verdicts_markdown(memory, v, all, err);
    if (fclose(memory) != 0 && err->code == WM_OK)
        wm_fail(err, WM_ENOMEM, "fclose", errno, "the summary");
    if (err->code == WM_OK)
        put_start(to, text, n, err);
    free(text);
    return err->code;
}
