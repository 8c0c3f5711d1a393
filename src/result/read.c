/**
 * Reads documents. One that stands as wiremark wrote it goes cell by cell; one that another tool has laid out anew is
 * loaded whole. What is not cells is collected in `text` and parsed at the end.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/document.h"
#include "src/result/lines.h"
#include "src/result/result.h"

static const char cells_begin[] = "\"cells\": [\n";

struct document {
    struct wm_lines in;
    const struct wm_document_reader *reader;
    char *text; /* the file, or the file without its cells */
    size_t bytes, cap;
    long cell_lines; /* left out of text */
    bool headed;     /* the reader has the head */
};

static int keep(struct document *d, const char *text, size_t bytes, struct wm_err *err)
{
    if (d->bytes + bytes > d->cap) {
        size_t cap = 2 * (d->bytes + bytes);
        char *grown = realloc(d->text, cap);
        if (grown == NULL)
            return wm_fail(err, WM_ENOMEM, "realloc", errno, "%s", d->in.path);
        d->text = grown;
        d->cap = cap;
    }
    memcpy(d->text + d->bytes, text, bytes);
    d->bytes += bytes;
    return WM_OK;
}

static int keep_rest(struct document *d, struct wm_err *err)
{
    bool more = true;
    for (;;) {
        int rc = wm_lines_next(&d->in, &more, err);
        if (rc != WM_OK || !more)
            return rc;
        rc = keep(d, d->in.text, d->in.bytes, err);
        if (rc != WM_OK)
            return rc;
    }
}

static bool is_journal(const struct document *d)
{
    static const char start[] = "{\"head\":";
    return d->bytes >= sizeof(start) - 1 && memcmp(d->text, start, sizeof(start) - 1) == 0;
}

/* Up to the line that begins the cells; *found is false when there is none: text then is the whole file. */
static int keep_head(struct document *d, bool *found, struct wm_err *err)
{
    bool more = true;
    *found = false;
    while (!*found) {
        int rc = wm_lines_next(&d->in, &more, err);
        if (rc != WM_OK || !more)
            return rc;
        rc = keep(d, d->in.text, d->in.bytes, err);
        if (rc != WM_OK)
            return rc;
        if (is_journal(d))
            return wm_fail(err, WM_EUSAGE, "", 0, "%s is a journal: wiremark recover %s -o RESULT makes a result of it",
                           d->in.path, d->in.path);
        *found = strcmp(d->in.text, cells_begin) == 0;
    }
    return WM_OK;
}

static const char *not_ours(const struct document *d, char text[80])
{
    snprintf(text, 80, "not %s", d->reader->what);
    return text;
}

static int damaged(const struct document *d, long line, json_error_t *bad, struct wm_err *err)
{
    char text[80];
    bool cut = json_error_code(bad) == json_error_premature_end_of_input;
    return wm_fail(err, WM_EUSAGE, "", 0, "%s:%ld: %s: %s", d->in.path, line,
                   cut ? "the file is truncated" : not_ours(d, text), bad->text);
}

static bool takes(const struct document *d, const char *schema)
{
    for (int i = 0; d->reader->schemas[i] != NULL; i++)
        if (strcmp(schema, d->reader->schemas[i]) == 0)
            return true;
    return false;
}

/* The text as JSON of one of the reader's schemas. */
static int parse(const struct document *d, json_t **out, struct wm_err *err)
{
    json_error_t bad;
    if (d->bytes == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:1: not %s: the file is empty", d->in.path, d->reader->what);
    json_t *document = json_loadb(d->text, d->bytes, JSON_REJECT_DUPLICATES, &bad);
    if (document == NULL)
        return damaged(d, bad.line > 1 ? bad.line + d->cell_lines : bad.line, &bad, err);
    const char *schema = json_string_value(json_object_get(document, "schema"));
    if (schema != NULL && takes(d, schema)) {
        *out = document;
        return WM_OK;
    }
    int rc = schema == NULL
                 ? wm_fail(err, WM_EUSAGE, "", 0, "%s:1: not %s: it names no schema", d->in.path, d->reader->what)
                 : wm_fail(err, WM_EUSAGE, "", 0, "%s:1: schema \"%.80s\" is not %s%s%s, which this wiremark reads",
                           d->in.path, schema, d->reader->schemas[0], d->reader->schemas[1] == NULL ? "" : " or ",
                           d->reader->schemas[1] == NULL ? "" : d->reader->schemas[1]);
    json_decref(document);
    return rc;
}

static int give_head(struct document *d, const json_t *head, struct wm_err *err)
{
    return d->reader->head == NULL ? 0 : d->reader->head(head, d->reader->arg, err);
}

/* The cells are not read before the head is known to be ours. */
static int check_head(struct document *d, struct wm_err *err)
{
    json_t *head = NULL;
    size_t bytes = d->bytes;
    int rc = keep(d, "]}", 2, err);
    if (rc == WM_OK)
        rc = parse(d, &head, err);
    if (rc == WM_OK)
        rc = give_head(d, head, err);
    json_decref(head);
    d->bytes = bytes;
    return rc;
}

static int give_cell(struct document *d, json_t *object, const char *where, struct wm_err *err)
{
    char at[300];
    snprintf(at, sizeof(at), "%s:%s", d->in.path, where);
    return d->reader->cell(object, at, d->reader->arg, err);
}

static int give_rest(struct document *d, json_t *document, struct wm_err *err)
{
    json_object_del(document, "cells");
    return d->reader->rest == NULL ? 0 : d->reader->rest(document, d->reader->arg, err);
}

static int read_whole(struct document *d, struct wm_err *err)
{
    json_t *document = NULL, *cell;
    size_t i;
    int rc = keep_rest(d, err);
    if (rc == WM_OK)
        rc = parse(d, &document, err);
    if (rc != WM_OK)
        return rc;
    const json_t *cells = json_object_get(document, "cells");
    if (!json_is_array(cells))
        rc = wm_fail(err, WM_EUSAGE, "", 0, "%s:1: not %s: it has no list of cells", d->in.path, d->reader->what);
    else if (!d->headed)
        rc = give_head(d, document, err);
    json_array_foreach(cells, i, cell)
    {
        char where[40];
        snprintf(where, sizeof(where), " cells[%zu]", i);
        if (rc == WM_OK)
            rc = give_cell(d, cell, where, err);
    }
    if (rc == WM_OK)
        rc = give_rest(d, document, err);
    json_decref(document);
    return rc;
}

/* A line without newline and comma. */
static size_t bare_length(const struct wm_lines *in)
{
    size_t n = in->bytes;
    while (n > 0 && strchr("\n\r,", in->text[n - 1]) != NULL)
        n--;
    return n;
}

/* Takes a list of numbers out of a line: `"name":[...],`. Within a text of JSON such a name would have a backslash
 * before its second quote. What is no list of numbers stays, for the parser to refuse. */
static size_t cut_list(char *text, size_t n, const char *name)
{
    char *from = memmem(text, n, name, strlen(name)), *end = text + n;
    if (from == NULL)
        return n;
    char *to = from + strlen(name);
    for (int depth = 1; depth > 0; to++) {
        if (to == end || (!isdigit((unsigned char)*to) && (*to == 0 || strchr(".,-+eE[]", *to) == NULL)))
            return n;
        depth += (*to == '[') - (*to == ']');
    }
    if (to < end && *to == ',')
        to++;
    else if (from > text && from[-1] == ',')
        from--;
    memmove(from, to, (size_t)(end - to));
    return n - (size_t)(to - from);
}

/* *whole: the first cell fills more than one line; text then holds the file up to here. */
static int read_cell_line(struct document *d, bool *whole, struct wm_err *err)
{
    char where[24];
    json_error_t bad;
    const size_t bare = bare_length(&d->in);
    size_t n = bare;
    if (d->reader->lean) {
        n = cut_list(d->in.text, n, "\"histogram\":[");
        n = cut_list(d->in.text, n, "\"raw_ns\":[");
    }
    json_t *object = json_loadb(d->in.text, n, JSON_REJECT_DUPLICATES, &bad);
    snprintf(where, sizeof(where), "%ld", d->in.number);
    if (object == NULL && n != bare) { /* the line as it was */
        if (wm_lines_at(&d->in, d->in.at, err) != WM_OK)
            return err->code;
        d->in.number--;
    }
    if (object == NULL && d->cell_lines == 0) {
        *whole = true;
        return keep(d, d->in.text, d->in.bytes, err);
    }
    if (object == NULL)
        return damaged(d, d->in.number, &bad, err);
    d->cell_lines++;
    int rc = give_cell(d, object, where, err);
    json_decref(object);
    return rc;
}

static int read_cells(struct document *d, bool *whole, struct wm_err *err)
{
    bool more = true;
    *whole = false;
    for (;;) {
        int rc = wm_lines_next(&d->in, &more, err);
        if (rc == WM_OK && !more)
            return wm_fail(err, WM_EUSAGE, "", 0, "%s:%ld: the file is truncated", d->in.path, d->in.number);
        if (rc != WM_OK)
            return rc;
        if (d->in.text[0] == ']')
            return keep(d, d->in.text, d->in.bytes, err);
        rc = read_cell_line(d, whole, err);
        if (rc != WM_OK || *whole)
            return rc;
    }
}

static int read_by_cell(struct document *d, struct wm_err *err)
{
    bool whole = false;
    json_t *document = NULL;
    int rc = check_head(d, err);
    if (rc == WM_OK)
        rc = read_cells(d, &whole, err);
    if (rc != WM_OK)
        return rc;
    d->headed = true;
    if (whole)
        return read_whole(d, err);
    rc = keep_rest(d, err);
    if (rc == WM_OK)
        rc = parse(d, &document, err);
    if (rc == WM_OK)
        rc = give_rest(d, document, err);
    json_decref(document);
    return rc;
}

int wm_document_read(const char *path, const struct wm_document_reader *reader, struct wm_err *err)
{
    struct document d = { .reader = reader };
    bool found = false;
    int rc = wm_lines_open(&d.in, path, err);
    if (rc == WM_OK)
        rc = keep_head(&d, &found, err);
    if (rc == WM_OK)
        rc = found ? read_by_cell(&d, err) : read_whole(&d, err);
    wm_lines_close(&d.in);
    free(d.text);
    return rc;
}

/* ---- results ---- */

static int take_cell(json_t *object, const char *where, void *arg, struct wm_err *err)
{
    const struct wm_result_reader *reader = arg;
    struct wm_result_cell cell;
    struct wm_err why = { 0 };
    if (wm_result_cell_from_json(object, &cell, &why) != WM_OK)
        return wm_fail(err, why.code, "", 0, "%s: %s", where, why.what);
    int rc = reader->cell == NULL ? 0 : reader->cell(&cell, reader->arg);
    wm_result_cell_clear(&cell);
    return rc;
}

static int take_rest(const json_t *document, void *arg, struct wm_err *err)
{
    const struct wm_result_reader *reader = arg;
    (void)err;
    return reader->rest == NULL ? 0 : reader->rest(document, reader->arg);
}

int wm_result_read(const char *path, const struct wm_result_reader *reader, struct wm_err *err)
{
    static const char *const schemas[] = { WM_RESULT_SCHEMA, NULL };
    struct wm_result_reader copy = *reader;
    struct wm_document_reader document = {
        .schemas = schemas, .what = "a wiremark result", .cell = take_cell, .rest = take_rest, .arg = &copy
    };
    return wm_document_read(path, &document, err);
}
