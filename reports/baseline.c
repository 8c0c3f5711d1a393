#include "reports/baseline.h"

#include <jansson.h>
#include <stdlib.h>

#include "src/result/document.h"
#include "src/result/field.h"
#include "src/result/replace.h"

struct writing {
    char *const *results;
    int n, launch;
    FILE *to;
    bool first;
};

static int put_json(FILE *to, const char *before, json_t *value, struct wm_err *err)
{
    char *text = value == NULL ? NULL : json_dumps(value, WM_RESULT_JSON);
    int rc = text == NULL ? wm_fail(err, WM_ENOMEM, "json_dumps", 0, "baseline") : wm_put_text(to, before, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, text, err);
    free(text);
    return rc;
}

static int put_head(const json_t *head, void *arg, struct wm_err *err)
{
    static const char *const parts[] = { "tool", "run", "world", "environment", "topology", NULL };
    struct writing *w = arg;
    json_t *launch = json_object();
    int bad = launch == NULL;
    for (int i = 0; parts[i] != NULL && !bad; i++)
        if (json_object_get(head, parts[i]) != NULL)
            bad = json_object_set(launch, parts[i], json_object_get(head, parts[i]));
    int rc = bad ? wm_fail(err, WM_ENOMEM, "json_object", 0, "baseline")
                 : put_json(w->to, w->launch == 0 ? "\n" : ",\n", launch, err);
    json_decref(launch);
    return rc;
}

static int put_cell(json_t *cell, const char *where, void *arg, struct wm_err *err)
{
    static const char *const left_out[] = { "histogram", "raw_ns", "pairs", "noise", NULL };
    struct writing *w = arg;
    json_t *evidence = json_object_get(cell, "evidence"), *numbered = json_pack("{s:i}", "launch", w->launch);
    (void)where;
    for (int i = 0; left_out[i] != NULL; i++)
        json_object_del(cell, left_out[i]);
    json_object_del(evidence, "claims");
    json_object_del(evidence, "counters");
    int bad = numbered == NULL || json_object_update(numbered, cell) != 0;
    int rc = bad ? wm_fail(err, WM_ENOMEM, "json_object", 0, "baseline")
                 : put_json(w->to, w->first ? "\n" : ",\n", numbered, err);
    w->first = false;
    json_decref(numbered);
    return rc;
}

static int pass_cell(json_t *cell, const char *where, void *arg, struct wm_err *err)
{
    (void)cell, (void)where, (void)arg, (void)err;
    return WM_OK;
}

static int each(struct writing *w, struct wm_document_reader *reader, struct wm_err *err)
{
    int rc = WM_OK;
    for (w->launch = 0; w->launch < w->n && rc == WM_OK; w->launch++)
        rc = wm_document_read(w->results[w->launch], reader, err);
    return rc;
}

static int write_all(FILE *to, void *arg, struct wm_err *err)
{
    static const char *const schemas[] = { WM_RESULT_SCHEMA, NULL };
    struct writing *w = arg;
    char now[32], head[160];
    struct wm_document_reader heads = {
        .schemas = schemas, .what = "a wiremark result", .head = put_head, .cell = pass_cell, .arg = w
    };
    struct wm_document_reader cells = { .schemas = schemas, .what = "a wiremark result", .cell = put_cell, .arg = w };
    w->to = to;
    w->first = true;
    snprintf(head, sizeof(head), "{\n\"schema\": \"%s\",\n\"made_utc\": \"%s\",\n\"launches\": [", WM_BASELINE_SCHEMA,
             wm_utc_text(now, -1));
    int rc = wm_put_text(to, head, err);
    if (rc == WM_OK)
        rc = each(w, &heads, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, "\n],\n\"cells\": [", err);
    if (rc == WM_OK)
        rc = each(w, &cells, err);
    return rc == WM_OK ? wm_put_text(to, "\n]\n}\n", err) : rc;
}

int wm_baseline_write(const char *path, char *const *results, int n, struct wm_err *err)
{
    struct writing w = { .results = results, .n = n };
    return wm_file_replace(path, write_all, &w, err);
}
