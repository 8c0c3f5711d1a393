#include "reports/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reports/page_buffer.h"
#include "reports/page_columns.h"
#include "src/result/field.h"
#include "src/result/replace.h"
#include "src/result/result.h"

extern const struct wm_page_template wm_page_template;
int wm_page_write(const char *path, char *const *results, int n_results, struct wm_err *err);

#define CHUNK_CELLS 4096

/* Results of more than this many bytes together, some 20,000 cells, are carried without what is rarely looked at. */
#define ECONOMY_BYTES (32L << 20)
static const struct wm_page_economy usual = { .digits = 6 };
static const struct wm_page_economy economy = { .digits = 5, .most_bins = 12, .counters = true };

/* What the verdict needs and coverage does not say. */
enum count {
    SIMULATED,
    PROVEN,
    UNPROVEN,
    CONTRADICTED,
    ABOVE_LIMIT,
    NOT_CONVERGED,
    OVERSUBSCRIBED,
    WRONG_DATA,
    COUNTS
};
static const char *const count_names[COUNTS] = { "simulated",   "proven",        "unproven",       "contradicted",
                                                 "above_limit", "not_converged", "oversubscribed", "wrong_data" };

struct page {
    struct wm_page_buffer data; /* script elements, one a chunk */
    json_t *summary;            /* a list: a member a result */
    struct wm_page_economy economy;
};

struct reading {
    struct page *page;
    struct wm_page_columns *columns;
    const char *path;
    json_t *ids;
    int count[COUNTS];
    int status[WM_STATUSES];
    struct wm_err *err;
};

static int put_chunk(struct page *page, const struct wm_page_buffer *json, struct wm_err *err)
{
    wm_page_append_text(&page->data, "<script type=\"text/plain\" class=\"data\">");
    int rc = wm_page_append_packed(&page->data, json, err);
    wm_page_append_text(&page->data, "</script>\n");
    return rc;
}

static int flush_cells(struct reading *r)
{
    struct wm_page_buffer json = { 0 };
    wm_page_appendf(&json, "{\"result\":%zu,\"cells\":%d,\"columns\":", json_array_size(r->page->summary),
                    wm_page_columns_count(r->columns));
    int rc = wm_page_columns_take(r->columns, &json, r->err);
    wm_page_append_text(&json, "}");
    if (rc == WM_OK)
        rc = put_chunk(r->page, &json, r->err);
    wm_page_buffer_clear(&json);
    return rc;
}

static void count_cell(struct reading *r, const struct wm_result_cell *cell)
{
    const bool is[COUNTS] = {
        [SIMULATED] = cell->simulated,
        [PROVEN] = strcmp(cell->evidence.verdict, "proven") == 0,
        [UNPROVEN] = strcmp(cell->evidence.verdict, "unproven") == 0,
        [CONTRADICTED] = strcmp(cell->evidence.verdict, "contradicted") == 0,
        [ABOVE_LIMIT] = strcmp(cell->limit.kind, "estimate") != 0 && isgreater(cell->limit.share, 1),
        [NOT_CONVERGED] = cell->time_ns.converged == 0,
        [OVERSUBSCRIBED] = cell->noise.oversubscribed == 1,
        [WRONG_DATA] = cell->verify.wrong_elements > 0,
    };
    for (int i = 0; i < COUNTS; i++)
        r->count[i] += is[i];
    r->status[cell->status]++;
}

/* An id may hold anything; a message goes to a terminal. */
static int twice(const struct reading *r, const char *id)
{
    char text[200];
    size_t n = 0;
    for (; id[n] != '\0' && n < sizeof(text) - 1; n++)
        text[n] = id[n] < ' ' || id[n] == 127 ? '?' : id[n];
    text[n] = '\0';
    return wm_fail(r->err, WM_EUSAGE, "", 0, "%s: two cells have the id %s", r->path, text);
}

static int take_cell(const struct wm_result_cell *cell, void *arg)
{
    struct reading *r = arg;
    if (json_object_get(r->ids, cell->id) != NULL)
        return twice(r, cell->id);
    if (json_object_set_new(r->ids, cell->id, json_true()) != 0)
        return wm_fail(r->err, WM_ENOMEM, "json_object_set", 0, "ids of %s", r->path);
    count_cell(r, cell);
    int rc = wm_page_columns_add(r->columns, cell, r->err);
    return rc == WM_OK && wm_page_columns_count(r->columns) == CHUNK_CELLS ? flush_cells(r) : rc;
}

static json_t *counts_of(const struct reading *r)
{
    json_t *counts = json_object();
    for (int i = 0; i < COUNTS; i++)
        json_object_set_new(counts, count_names[i], json_integer(r->count[i]));
    for (int i = 0; i < WM_STATUSES; i++)
        json_object_set_new(counts, wm_status_names[i], json_integer(r->status[i]));
    return counts;
}

/* What the first lines of the page say, before any cell is unpacked. */
static int summarize(struct reading *r, const json_t *document)
{
    static const char *const members[] = { "tool", "run", "coverage", "ended_utc", "ended_by", "complete" };
    const char *slash = strrchr(r->path, '/');
    json_t *summary = json_object();
    int bad = json_object_set_new(summary, "file", wm_result_text(slash == NULL ? r->path : slash + 1));
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (json_object_get(document, members[i]) != NULL)
            bad |= json_object_set(summary, members[i], json_object_get(document, members[i]));
    bad |= json_object_set_new(summary, "counts", counts_of(r));
    bad |= json_object_set_new(summary, "economy", json_boolean(r->page->economy.counters));
    bad |= json_array_append_new(r->page->summary, summary);
    return bad ? wm_fail(r->err, WM_ENOMEM, "json_object_set", 0, "the page's summary") : WM_OK;
}

static int append_dumped(const char *text, size_t bytes, void *to)
{
    wm_page_append(to, text, bytes);
    return 0;
}

static int take_rest(const json_t *document, void *arg)
{
    struct reading *r = arg;
    struct wm_page_buffer json = { 0 };
    int rc = wm_page_columns_count(r->columns) > 0 ? flush_cells(r) : WM_OK;
    wm_page_appendf(&json, "{\"result\":%zu,\"document\":", json_array_size(r->page->summary));
    json_dump_callback(document, append_dumped, &json, WM_RESULT_JSON);
    wm_page_append_text(&json, "}");
    if (rc == WM_OK)
        rc = put_chunk(r->page, &json, r->err);
    wm_page_buffer_clear(&json);
    return rc == WM_OK ? summarize(r, document) : rc;
}

static int read_result(struct page *page, const char *path, struct wm_err *err)
{
    struct reading r = { .page = page, .path = path, .ids = json_object(), .err = err };
    const struct wm_result_reader reader = { .cell = take_cell, .rest = take_rest, .arg = &r };
    int rc = wm_page_columns_open(&r.columns, &page->economy, err);
    if (rc == WM_OK)
        rc = wm_result_read(path, &reader, err);
    wm_page_columns_close(r.columns);
    json_decref(r.ids);
    return rc;
}

/* "<" would let a text end the element that it stands in; in JSON it stands in texts only. */
static int put_harmless(const char *text, size_t bytes, void *to)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '<')
            wm_page_append_text(to, "\\u003c");
        else
            wm_page_append(to, text + i, 1);
    return 0;
}

static int write_page(FILE *to, void *arg, struct wm_err *err)
{
    const struct page *page = arg;
    const struct wm_page_template *t = &wm_page_template;
    struct wm_page_buffer summary = { 0 };
    json_dump_callback(page->summary, put_harmless, &summary, WM_RESULT_JSON);
    int rc = summary.lost ? wm_fail(err, WM_ENOMEM, "realloc", 0, "the page's summary") : WM_OK;
    if (rc == WM_OK)
        rc = wm_put(to, t->head, t->head_bytes, err);
    if (rc == WM_OK)
        rc = wm_put(to, summary.text, summary.bytes, err);
    if (rc == WM_OK)
        rc = wm_put(to, t->middle, t->middle_bytes, err);
    if (rc == WM_OK)
        rc = wm_put(to, page->data.text, page->data.bytes, err);
    if (rc == WM_OK)
        rc = wm_put(to, t->foot, t->foot_bytes, err);
    wm_page_buffer_clear(&summary);
    return rc;
}

static bool is_large(char *const *results, int n)
{
    off_t bytes = 0;
    struct stat is;
    for (int i = 0; i < n; i++)
        bytes += stat(results[i], &is) == 0 ? is.st_size : 0;
    return bytes > ECONOMY_BYTES;
}

int wm_page_write(const char *path, char *const *results, int n_results, struct wm_err *err)
{
    struct page page = { .summary = json_array(), .economy = is_large(results, n_results) ? economy : usual };
    int rc = page.summary == NULL ? wm_fail(err, WM_ENOMEM, "json_array", 0, "the page") : WM_OK;
    for (int i = 0; i < n_results && rc == WM_OK; i++)
        rc = read_result(&page, results[i], err);
    if (rc == WM_OK)
        rc = wm_file_replace(path, write_page, &page, err);
    wm_page_buffer_clear(&page.data);
    json_decref(page.summary);
    return rc;
}
