#include "reports/page_columns.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/field.h"

#define MOST_FIELDS 80
#define BIN_RATIO   1.01

struct column {
    struct wm_page_buffer values; /* each followed by a comma */
    bool any;
    json_t *texts; /* in the order in which they first appear */
    json_t *known; /* their places in it */
};

struct wm_page_columns {
    struct wm_page_economy economy;
    int cells;
    bool no_memory;
    struct column column[MOST_FIELDS];
};

static int no_memory(struct wm_err *err)
{
    return wm_fail(err, WM_ENOMEM, "", 0, "the page's columns");
}

static bool is_text(const struct wm_field *f)
{
    return f->type == WM_FIELD_TEXT || f->type == WM_FIELD_STATUS || f->type == WM_FIELD_SETTINGS ||
           f->type == WM_FIELD_JSON;
}

static bool is_left_out(const struct wm_page_columns *c, const struct wm_field *f)
{
    return f->type == WM_FIELD_RAW || (c->economy.counters && strcmp(f->name, "counters") == 0);
}

/* The place of a text among those of its column. */
static void put_text(struct wm_page_columns *c, struct column *column, const char *text)
{
    json_t *place = json_object_get(column->known, text);
    json_int_t at = place != NULL ? json_integer_value(place) : (json_int_t)json_array_size(column->texts);
    if (place == NULL)
        c->no_memory |= json_array_append_new(column->texts, json_string(text)) != 0 ||
                        json_object_set_new(column->known, text, json_integer(at)) != 0;
    wm_page_appendf(&column->values, "%" JSON_INTEGER_FORMAT, at);
}

static void put_json_text(struct wm_page_columns *c, struct column *column, const json_t *value)
{
    char *text = json_dumps(value, WM_RESULT_JSON);
    if (text != NULL)
        put_text(c, column, text);
    c->no_memory |= text == NULL;
    free(text);
}

static void put_settings(struct wm_page_columns *c, struct column *column, const struct wm_result_cell *cell)
{
    json_t *settings = json_object();
    for (int i = 0; i < cell->n_settings; i++)
        c->no_memory |=
            json_object_set_new(settings, cell->settings[i].name, json_string(cell->settings[i].value)) != 0;
    put_json_text(c, column, settings);
    json_decref(settings);
}

static void put_real(struct wm_page_buffer *to, double value, int digits)
{
    if (isfinite(value))
        wm_page_appendf(to, "%.*g", digits, value);
    else
        wm_page_append_text(to, "null");
}

static void put_pairs(struct wm_page_buffer *to, const struct wm_result_cell *cell, int digits)
{
    for (int i = 0; i < cell->n_pairs; i++) {
        const struct wm_pair_result *p = &cell->pairs[i];
        wm_page_appendf(to, "%s%d,%d,", i == 0 ? "[" : ",", p->from, p->to);
        put_real(to, p->median_ns, digits);
        wm_page_append_text(to, ",");
        put_real(to, p->bytes_per_s, digits);
    }
    wm_page_append_text(to, "]");
}

/* Bins stand in a geometric row: how many steps lie between two of them. */
static long steps_between(double from_ns, double to_ns)
{
    return from_ns > 0 && to_ns > from_ns ? lround(log(to_ns / from_ns) / log(BIN_RATIO)) : 0;
}

static void put_histogram(struct wm_page_buffer *to, const struct wm_result_cell *cell, int most_bins)
{
    int join = most_bins > 0 ? (cell->n_histogram + most_bins - 1) / most_bins : 1;
    const struct wm_bin *bin = cell->histogram, *before = NULL;
    for (int i = 0; i < cell->n_histogram; i += join) {
        uint64_t count = 0;
        for (int k = i; k < i + join && k < cell->n_histogram; k++)
            count += bin[k].count;
        if (before == NULL)
            wm_page_appendf(to, "[%.6g,%" PRIu64, bin[i].low_ns, count);
        else
            wm_page_appendf(to, ",%ld,%" PRIu64, steps_between(before->low_ns, bin[i].low_ns), count);
        before = &bin[i];
    }
    wm_page_append_text(to, "]");
}

static void put_value(struct wm_page_columns *c, struct column *column, const struct wm_field *f,
                      const struct wm_result_cell *cell)
{
    const void *at = (const char *)cell + f->offset;
    struct wm_page_buffer *to = &column->values;
    if (f->type == WM_FIELD_TEXT)
        put_text(c, column, at);
    else if (f->type == WM_FIELD_STATUS)
        put_text(c, column, wm_status_names[*(const enum wm_status *)at]);
    else if (f->type == WM_FIELD_SETTINGS)
        put_settings(c, column, cell);
    else if (f->type == WM_FIELD_JSON)
        put_json_text(c, column, *(json_t *const *)at);
    else if (f->type == WM_FIELD_INT || f->type == WM_FIELD_FLAG)
        wm_page_appendf(to, "%d", *(const int *)at);
    else if (f->type == WM_FIELD_INT64)
        wm_page_appendf(to, "%" PRId64, *(const int64_t *)at);
    else if (f->type == WM_FIELD_BOOL)
        wm_page_append_text(to, *(const bool *)at ? "1" : "0");
    else if (f->type == WM_FIELD_REAL)
        put_real(to, *(const double *)at, c->economy.digits);
    else if (f->type == WM_FIELD_PAIRS)
        put_pairs(to, cell, c->economy.digits);
    else if (f->type == WM_FIELD_HISTOGRAM)
        put_histogram(to, cell, c->economy.most_bins);
}

static int begin(struct column *column)
{
    column->values.bytes = 0;
    column->any = false;
    json_decref(column->texts);
    json_decref(column->known);
    column->texts = json_array();
    column->known = json_object();
    return column->texts != NULL && column->known != NULL ? 0 : -1;
}

int wm_page_columns_open(struct wm_page_columns **out, const struct wm_page_economy *economy, struct wm_err *err)
{
    struct wm_page_columns *c = calloc(1, sizeof(*c));
    int bad = c == NULL;
    for (int i = 0; !bad && wm_fields[i].name != NULL; i++)
        bad = i == MOST_FIELDS || begin(&c->column[i]) != 0;
    if (bad) {
        wm_page_columns_close(c);
        return no_memory(err);
    }
    c->economy = *economy;
    *out = c;
    return WM_OK;
}

int wm_page_columns_add(struct wm_page_columns *c, const struct wm_result_cell *cell, struct wm_err *err)
{
    for (int i = 0; wm_fields[i].name != NULL; i++) {
        const struct wm_field *f = &wm_fields[i];
        struct column *column = &c->column[i];
        bool is_there = wm_field_present(f, cell) && !is_left_out(c, f);
        if (is_there)
            put_value(c, column, f, cell);
        else
            wm_page_append_text(&column->values, is_text(f) ? "-1" : "null");
        wm_page_append_text(&column->values, ",");
        column->any |= is_there;
    }
    c->cells++;
    return c->no_memory ? no_memory(err) : WM_OK;
}

int wm_page_columns_count(const struct wm_page_columns *c)
{
    return c->cells;
}

static int append_dumped(const char *text, size_t bytes, void *to)
{
    wm_page_append(to, text, bytes);
    return 0;
}

static void take_column(struct column *column, const struct wm_field *f, int cells, struct wm_page_buffer *to)
{
    wm_page_appendf(to, "\"%s%s%s\":", f->group ? f->group : "", f->group ? "." : "", f->name);
    if (is_text(f)) {
        wm_page_append_text(to, "{\"texts\":");
        json_dump_callback(column->texts, append_dumped, to, WM_RESULT_JSON);
        if (json_array_size(column->texts) == (size_t)cells) {
            wm_page_append_text(to, "}");
            return;
        }
        wm_page_append_text(to, ",\"of\":");
    }
    wm_page_append_text(to, "[");
    wm_page_append(to, column->values.text, column->values.bytes - 1);
    wm_page_append_text(to, is_text(f) ? "]}" : "]");
}

int wm_page_columns_take(struct wm_page_columns *c, struct wm_page_buffer *to, struct wm_err *err)
{
    const char *comma = "{";
    for (int i = 0; wm_fields[i].name != NULL; i++) {
        struct column *column = &c->column[i];
        if (column->any) {
            wm_page_append_text(to, comma);
            take_column(column, &wm_fields[i], c->cells, to);
            comma = ",";
        }
        c->no_memory |= column->values.lost || begin(column) != 0;
    }
    wm_page_append_text(to, c->cells == 0 ? "{}" : "}");
    c->cells = 0;
    return c->no_memory ? no_memory(err) : WM_OK;
}

void wm_page_columns_close(struct wm_page_columns *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < MOST_FIELDS; i++) {
        wm_page_buffer_clear(&c->column[i].values);
        json_decref(c->column[i].texts);
        json_decref(c->column[i].known);
    }
    free(c);
}
