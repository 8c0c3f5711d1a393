/** Figures for ReFrame, a line each, and for github-action-benchmark, an object each. */
#include <math.h>
#include <string.h>

#include "reports/export.h"

/* ---- ReFrame: "name value unit" in ASCII, so that a regular expression finds it ---- */

/* A space in a name becomes a comma; what is neither a letter, a digit nor of an id, percent and its UTF-8 in hex. */
static bool escape_word(const struct wm_export *x, uint32_t c)
{
    char bytes[4];
    if (c == ' ') {
        fputc(',', x->to);
        return true;
    }
    if (c < 0x80 && ((c | 32) - 'a' < 26 || c - '0' < 10 || strchr("=.:_+/-", (int)c) != NULL))
        return false;
    int n = wm_export_utf8(c, bytes);
    for (int i = 0; i < n; i++)
        fprintf(x->to, "%%%02X", (unsigned char)bytes[i]);
    return true;
}

static void reframe_head(struct wm_export *x)
{
    static const char *const words[] = { "pass", "fail", "", "not-judged" };
    const struct wm_ledger *l = &x->v->ledger;
    fprintf(x->to, "wiremark-gate: %s, %d of %d required judged, %d failed\n", words[x->v->exit_status], l->judged,
            l->required, l->failed);
}

static void metric(const struct wm_export *x, const struct wm_item *item, const char *what, double value, int digits,
                   const char *unit)
{
    if (!isfinite(value))
        return;
    fprintf(x->to, "%s:", what);
    wm_export_name(x, item);
    fprintf(x->to, " %.*f %s\n", digits, value, unit);
}

static void reframe_row(struct wm_export *x, const struct wm_item *item)
{
    if (item->verdict == NULL)
        return;
    metric(x, item, "time", item->verdict->b.median_ns, 3, "ns");
    metric(x, item, "rate", item->verdict->b.bytes_per_s, 0, "B/s");
    metric(x, item, "ratio", item->verdict->ratio, 6, "1");
}

static void no_foot(struct wm_export *x)
{
    (void)x;
}

/* ---- github-action-benchmark: customSmallerIsBetter, customBiggerIsBetter ---- */

/* Names become parts of web pages there. */
static bool escape_json(const struct wm_export *x, uint32_t c)
{
    if (c == '"' || c == '\\')
        fprintf(x->to, "\\%c", (int)c);
    else if (c == '\n' || c == '\r' || c == '<' || c == '>' || c == '&')
        fprintf(x->to, "\\u%04x", (unsigned)c);
    else
        return false;
    return true;
}

static void list_head(struct wm_export *x)
{
    fputc('[', x->to);
}

static void put_entry(struct wm_export *x, const struct wm_item *item, double value, const char *unit,
                      const char *range)
{
    fprintf(x->to, "%s\n{\"name\": \"", x->rows++ == 0 ? "" : ",");
    wm_export_name(x, item);
    fprintf(x->to, "\", \"unit\": \"%s\", \"value\": %.9g, \"range\": \"%s\", \"extra\": \"%d launches", unit, value,
            range, item->verdict->b.launches);
    if (isfinite(item->verdict->ratio))
        fprintf(x->to, ", time ratio to the baseline %.4f", item->verdict->ratio);
    fputs("\"}", x->to);
}

static void smaller_row(struct wm_export *x, const struct wm_item *item)
{
    char range[64] = "";
    const struct wm_side *b = item->verdict == NULL ? NULL : &item->verdict->b;
    if (b == NULL || !isfinite(b->median_ns))
        return;
    if (isfinite(b->low_ns) && isfinite(b->high_ns))
        snprintf(range, sizeof(range), "%.6g to %.6g", b->low_ns, b->high_ns);
    put_entry(x, item, b->median_ns, "ns", range);
}

/* The interval of a rate: the same bytes over the interval of the time. */
static void bigger_row(struct wm_export *x, const struct wm_item *item)
{
    char range[64] = "";
    const struct wm_side *b = item->verdict == NULL ? NULL : &item->verdict->b;
    if (b == NULL || !isfinite(b->bytes_per_s))
        return;
    double bytes = b->bytes_per_s * b->median_ns;
    if (isfinite(bytes) && b->low_ns > 0 && isfinite(b->high_ns))
        snprintf(range, sizeof(range), "%.6g to %.6g", bytes / b->high_ns, bytes / b->low_ns);
    put_entry(x, item, b->bytes_per_s, "B/s", range);
}

static void list_foot(struct wm_export *x)
{
    fputs("\n]\n", x->to);
}

const struct wm_export_format wm_export_reframe = { .name = "reframe",
                                                    .gate_only = true,
                                                    .by_name = true,
                                                    .passes = 1,
                                                    .escape = escape_word,
                                                    .head = reframe_head,
                                                    .row = reframe_row,
                                                    .foot = no_foot };
const struct wm_export_format wm_export_smaller = { .name = "smaller-is-better",
                                                    .by_name = true,
                                                    .passes = 1,
                                                    .escape = escape_json,
                                                    .head = list_head,
                                                    .row = smaller_row,
                                                    .foot = list_foot };
const struct wm_export_format wm_export_bigger = { .name = "bigger-is-better",
                                                   .by_name = true,
                                                   .passes = 1,
                                                   .escape = escape_json,
                                                   .head = list_head,
                                                   .row = bigger_row,
                                                   .foot = list_foot };
