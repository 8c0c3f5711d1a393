/**
 * Annotations of GitHub's workflow commands. A step shows 10 of a kind and drops the others unseen: the first says how
 * many there are, the worst follow.
 */
#include "reports/export.h"

enum { SHOWN = 10 };

/* Properties end at a comma and values of properties at a colon: there both are escaped, too. */
static bool escape(const struct wm_export *x, uint32_t c)
{
    if (c != '%' && c != '\n' && c != '\r' && !(x->strict && (c == ':' || c == ',')))
        return false;
    fprintf(x->to, "%%%02X", (unsigned)c);
    return true;
}

static void title(struct wm_export *x, const char *command)
{
    fprintf(x->to, "::%s title=", command);
    x->strict = true;
}

static void message(struct wm_export *x)
{
    x->strict = false;
    fputs("::", x->to);
}

static void head(struct wm_export *x)
{
    const struct wm_verdicts *v = x->v;
    char text[128];
    title(x, v->exit_status == 0 ? "notice" : "error");
    wm_export_text(x, "wiremark gate");
    message(x);
    wm_export_outcome(x);
    snprintf(text, sizeof(text), "; %d curves failed, %d findings, %d differences of configuration",
             v->curve_ledger.failed, v->n_findings, v->n_differences + v->differences_left_out);
    wm_export_text(x, text);
    fputc('\n', x->to);
}

/* Passes: what failed as errors, beside the one of the head; what is not judged, then findings, as warnings. */
static void row(struct wm_export *x, const struct wm_item *item)
{
    static const struct {
        const char *command, *word;
        enum wm_outcome outcome;
        bool finding_too;
        int shown;
    } kinds[] = { { "error", "FAIL", WM_OUTCOME_FAIL, false, SHOWN - 1 },
                  { "warning", "not judged", WM_OUTCOME_ERROR, true, SHOWN } };
    bool found = kinds[x->pass].finding_too && item->finding != NULL && !item->finding->fatal;
    if ((item->outcome != kinds[x->pass].outcome && !found) || x->rows == kinds[x->pass].shown)
        return;
    x->rows++;
    title(x, kinds[x->pass].command);
    wm_export_text(x, item->finding != NULL ? wm_finding_names[item->finding->kind] : kinds[x->pass].word);
    wm_export_text(x, ": ");
    wm_export_name(x, item);
    message(x);
    wm_export_text(x, wm_item_reason(item));
    wm_export_text(x, "\n");
    wm_export_figures(x, item);
    fputc('\n', x->to);
}

static void foot(struct wm_export *x)
{
    (void)x;
}

const struct wm_export_format wm_export_github = {
    .name = "github", .gate_only = true, .passes = 2, .escape = escape, .head = head, .row = row, .foot = foot
};
