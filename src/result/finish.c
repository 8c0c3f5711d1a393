/**
 * A journal becomes a document. The first reading checks every line and remembers, for each cell, where the line stands
 * that has the last word on it; the second copies these lines, in the order of the plan.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/result/field.h"
#include "src/result/lines.h"
#include "src/result/replace.h"

struct places {
    off_t *at;
    size_t n, cap;
};

struct journal_index {
    struct wm_lines in;
    json_t *head;        /* without `unavailable` */
    json_t *unavailable; /* the head's, or NULL */
    json_t *ids;         /* id -> index in cells */
    struct places cells; /* in the order in which ids first appear */
    struct places comparisons;
    json_t *chosen; /* what a choice is of -> index in choices */
    struct places choices;
    off_t so_far;               /* of the comparison that has not ended, as far as it came; 0 = none */
    size_t counts[WM_STATUSES]; /* WM_NOT_RUN: also those that never ended */
    bool cut;                   /* the last line is incomplete and left out */
    const struct wm_ending *ending;
};

static int places_add(struct places *p, off_t at, struct wm_err *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 256 : 2 * p->cap;
        off_t *grown = realloc(p->at, cap * sizeof(*grown));
        if (grown == NULL)
            return wm_fail(err, WM_ENOMEM, "realloc", errno, "places of %zu cells", cap);
        p->at = grown;
        p->cap = cap;
    }
    p->at[p->n++] = at;
    return WM_OK;
}

static void index_free(struct journal_index *index)
{
    wm_lines_close(&index->in);
    json_decref(index->head);
    json_decref(index->unavailable);
    json_decref(index->ids);
    json_decref(index->chosen);
    free(index->cells.at);
    free(index->comparisons.at);
    free(index->choices.at);
}

/* ---- first reading ---- */

static int not_a_journal(const struct journal_index *index, const char *why, struct wm_err *err)
{
    return wm_fail(err, WM_EUSAGE, "", 0, "%s:%ld: not a line of a journal: %s", index->in.path, index->in.number, why);
}

static int take_head(struct journal_index *index, const json_t *head, struct wm_err *err)
{
    const char *schema = json_string_value(json_object_get(head, "schema"));
    if (index->head != NULL)
        return not_a_journal(index, "a second head", err);
    if (schema == NULL || strcmp(schema, WM_RESULT_SCHEMA) != 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:%ld: schema \"%s\" is not " WM_RESULT_SCHEMA, index->in.path,
                       index->in.number, schema == NULL ? "" : schema);
    index->head = json_copy((json_t *)head);
    if (index->head == NULL)
        return wm_fail(err, WM_ENOMEM, "json_copy", 0, "head of %s", index->in.path);
    index->unavailable = json_incref(json_object_get(head, "unavailable"));
    json_object_del(index->head, "unavailable");
    return WM_OK;
}

/* `ended`: this line says how the cell ended, else only that it is planned. */
static int take_cell(struct journal_index *index, json_t *object, bool ended, struct wm_err *err)
{
    struct wm_result_cell cell;
    struct wm_err why = { 0 };
    if (!ended && json_object_set_new(object, "status", json_string(wm_status_names[WM_NOT_RUN])) != 0)
        return wm_fail(err, WM_ENOMEM, "json_string", 0, "cell of %s", index->in.path);
    if (wm_result_cell_from_json(object, &cell, &why) != WM_OK)
        return not_a_journal(index, why.what, err);
    enum wm_status status = cell.status;
    wm_result_cell_clear(&cell);

    const char *id = json_string_value(json_object_get(object, "id"));
    const json_t *known = json_object_get(index->ids, id);
    if (known == NULL) {
        index->counts[status]++;
        if (json_object_set_new(index->ids, id, json_integer((json_int_t)(index->cells.n << 3 | status))) != 0)
            return wm_fail(err, WM_ENOMEM, "json_object_set", 0, "ids of %s", index->in.path);
        return places_add(&index->cells, ended ? index->in.at : -index->in.at, err);
    }
    if (!ended)
        return WM_OK;
    json_int_t entry = json_integer_value(known);
    index->counts[entry & 7]--;
    index->counts[status]++;
    index->cells.at[entry >> 3] = index->in.at;
    json_integer_set((json_t *)known, (entry & ~(json_int_t)7) | status);
    return WM_OK;
}

static int end_comparison(struct journal_index *index, off_t at, struct wm_err *err)
{
    index->so_far = 0;
    return places_add(&index->comparisons, at, err);
}

/* Each holds all sizes so far: the last counts. */
static int take_choice(struct journal_index *index, const json_t *choice, struct wm_err *err)
{
    const char *of = json_string_value(json_object_get(choice, "of"));
    const json_t *known = json_object_get(index->chosen, of == NULL ? "" : of);
    if (of == NULL)
        return not_a_journal(index, "choice: of is missing", err);
    if (known != NULL) {
        index->choices.at[json_integer_value(known)] = index->in.at;
        return WM_OK;
    }
    if (json_object_set_new(index->chosen, of, json_integer((json_int_t)index->choices.n)) != 0)
        return wm_fail(err, WM_ENOMEM, "json_object_set", 0, "choices of %s", index->in.path);
    return places_add(&index->choices, index->in.at, err);
}

static int take_line(struct journal_index *index, json_t *line, struct wm_err *err)
{
    const char *kind = json_object_iter_key(json_object_iter(line));
    json_t *value = json_object_iter_value(json_object_iter(line));
    if (json_object_size(line) != 1 || !json_is_object(value))
        return not_a_journal(index, "want one object in an object", err);
    if (strcmp(kind, "head") == 0)
        return take_head(index, value, err);
    if (index->head == NULL)
        return not_a_journal(index, "the head is not the first line", err);
    if (strcmp(kind, "planned") == 0 || strcmp(kind, "cell") == 0)
        return take_cell(index, value, kind[0] == 'c', err);
    if (strcmp(kind, "comparison") == 0)
        return end_comparison(index, index->in.at, err);
    if (strcmp(kind, "choice") == 0)
        return take_choice(index, value, err);
    if (strcmp(kind, "comparison_so_far") != 0)
        return not_a_journal(index, "unknown kind", err);
    index->so_far = index->in.at;
    return WM_OK;
}

static int read_line(struct journal_index *index, struct wm_err *err)
{
    json_error_t bad;
    json_t *line = json_loadb(index->in.text, index->in.bytes, JSON_REJECT_DUPLICATES, &bad);
    if (line == NULL || index->in.text[index->in.bytes - 1] != '\n') {
        json_decref(line);
        index->cut = wm_lines_last(&index->in);
        return index->cut ? WM_OK : not_a_journal(index, bad.text, err);
    }
    int rc = take_line(index, line, err);
    json_decref(line);
    return rc;
}

static int index_read(struct journal_index *index, const char *journal, struct wm_err *err)
{
    bool more = true;
    int rc = wm_lines_open(&index->in, journal, err);
    index->ids = json_object();
    index->chosen = json_object();
    while (rc == WM_OK && !index->cut) {
        rc = wm_lines_next(&index->in, &more, err);
        if (rc != WM_OK || !more)
            break;
        rc = read_line(index, err);
    }
    if (rc == WM_OK && index->head == NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s holds no complete head: nothing was recorded, it can be removed",
                       journal);
    return rc == WM_OK && index->so_far != 0 ? end_comparison(index, index->so_far, err) : rc;
}

/* ---- second reading: the document ---- */

static int put_json(FILE *to, const json_t *value, struct wm_err *err)
{
    char *text = json_dumps(value, WM_RESULT_JSON | JSON_ENCODE_ANY);
    if (text == NULL)
        return wm_fail(err, WM_ENOMEM, "json_dumps", 0, "write the result");
    int rc = wm_put_text(to, text, err);
    free(text);
    return rc;
}

/* Takes over `value`. A member a line; `end` follows it. */
static int put_member(FILE *to, const char *name, json_t *value, const char *end, struct wm_err *err)
{
    json_t *key = json_string(name);
    int rc = put_json(to, key, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, ": ", err);
    if (rc == WM_OK)
        rc = put_json(to, value, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, end, err);
    json_decref(key);
    json_decref(value);
    return rc;
}

static int put_head(FILE *to, const json_t *head, struct wm_err *err)
{
    const char *name;
    json_t *value;
    int rc = wm_put_text(to, "{\n", err);
    if (rc == WM_OK)
        rc = put_member(to, "schema", json_string(WM_RESULT_SCHEMA), ",\n", err);
    json_object_foreach((json_t *)head, name, value)
    {
        if (rc == WM_OK && strcmp(name, "schema") != 0)
            rc = put_member(to, name, json_incref(value), ",\n", err);
    }
    return rc;
}

/* The value of a line {"kind":value}, as it stands there; its form was checked by the first reading. */
static int put_value_of_line(FILE *to, const struct wm_lines *in, struct wm_err *err)
{
    const char *colon = memchr(in->text, ':', in->bytes);
    size_t from = colon == NULL ? 0 : (size_t)(colon - in->text) + 1, end = in->bytes;
    while (end > from && in->text[end - 1] != '}')
        end--;
    end -= end > from;
    while (from < end && isspace((unsigned char)in->text[from]))
        from++;
    return wm_put(to, in->text + from, end - from, err);
}

static int put_not_run(FILE *to, const struct journal_index *index, struct wm_err *err)
{
    char reason[sizeof(((struct wm_result_cell *)0)->reason)];
    json_t *line = json_loadb(index->in.text, index->in.bytes, 0, NULL), *cell = json_object_get(line, "planned");
    snprintf(reason, sizeof(reason), "the run ended first (%s)", index->ending->ended_by);
    int bad = json_object_set_new(cell, "status", json_string(wm_status_names[WM_NOT_RUN]));
    bad |= json_object_set_new(cell, "reason", wm_result_text(reason));
    int rc = bad ? wm_fail(err, WM_ENOMEM, "json_object_set", 0, "write the result") : put_json(to, cell, err);
    json_decref(line);
    return rc;
}

/* A place below 0 is the line of a plan: the head stands at 0. */
static int put_places(FILE *to, const char *name, struct journal_index *index, const struct places *places,
                      struct wm_err *err)
{
    int rc = wm_put_text(to, "\"", err);
    if (rc == WM_OK)
        rc = wm_put_text(to, name, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, "\": [\n", err);
    for (size_t i = 0; i < places->n && rc == WM_OK; i++) {
        bool ended = places->at[i] >= 0;
        rc = wm_lines_at(&index->in, ended ? places->at[i] : -places->at[i], err);
        if (rc == WM_OK)
            rc = ended ? put_value_of_line(to, &index->in, err) : put_not_run(to, index, err);
        if (rc == WM_OK)
            rc = wm_put_text(to, i + 1 < places->n ? ",\n" : "\n", err);
    }
    return rc == WM_OK ? wm_put_text(to, "],\n", err) : rc;
}

static json_t *coverage_of(const struct journal_index *index)
{
    const json_t *unavailable = index->ending->unavailable ? index->ending->unavailable : index->unavailable;
    json_t *coverage = json_object();
    int bad = json_object_set_new(coverage, "planned", json_integer((json_int_t)index->cells.n));
    for (int i = 0; i < WM_STATUSES; i++)
        bad |= json_object_set_new(coverage, wm_status_names[i], json_integer((json_int_t)index->counts[i]));
    bad |= json_object_set_new(coverage, "unavailable",
                               json_is_array(unavailable) ? json_deep_copy(unavailable) : json_array());
    if (!bad)
        return coverage;
    json_decref(coverage);
    return NULL;
}

static int put_foot(FILE *to, const struct journal_index *index, struct wm_err *err)
{
    char now[32];
    const struct wm_ending *ending = index->ending;
    const char *ended_utc = ending->ended_utc[0] == '\0' ? wm_utc_text(now, -1) : ending->ended_utc;
    int rc = put_member(to, "coverage", coverage_of(index), ",\n", err);
    if (rc == WM_OK)
        rc = put_member(to, "ended_utc", wm_result_text(ended_utc), ",\n", err);
    if (rc == WM_OK)
        rc = put_member(to, "ended_by", wm_result_text(ending->ended_by), ",\n", err);
    if (rc == WM_OK)
        rc = put_member(to, "complete", json_boolean(ending->complete), "\n}\n", err);
    return rc;
}

static int put_document(FILE *to, void *arg, struct wm_err *err)
{
    struct journal_index *index = arg;
    int rc = put_head(to, index->head, err);
    if (rc == WM_OK)
        rc = put_places(to, "cells", index, &index->cells, err);
    if (rc == WM_OK)
        rc = put_places(to, "comparisons", index, &index->comparisons, err);
    if (rc == WM_OK && index->choices.n > 0)
        rc = put_places(to, "choices", index, &index->choices, err);
    return rc == WM_OK ? put_foot(to, index, err) : rc;
}

int wm_result_finish(const char *journal, const char *output, const struct wm_ending *ending, bool remove_journal,
                     bool *cut, struct wm_err *err)
{
    struct journal_index index = { .ending = ending };
    int rc = index_read(&index, journal, err);
    if (rc == WM_OK)
        rc = wm_file_replace(output, put_document, &index, err);
    if (rc == WM_OK && cut != NULL)
        *cut = index.cut;
    index_free(&index);
    if (rc == WM_OK && remove_journal && unlink(journal) != 0)
        rc = wm_fail_io(err, "unlink", "the result is written; remove", journal);
    return rc;
}
