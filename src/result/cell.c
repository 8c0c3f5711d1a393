/** A cell as a struct and as JSON, both ways through the table of fields. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/field.h"

enum { MAX_SETTINGS = sizeof(((struct wm_result_cell *)0)->settings) / sizeof(struct wm_setting) };

void wm_result_cell_init(struct wm_result_cell *cell)
{
    memset(cell, 0, sizeof(*cell));
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++) {
        void *at = (char *)cell + f->offset;
        if (f->type == WM_FIELD_INT || f->type == WM_FIELD_FLAG)
            *(int *)at = -1;
        else if (f->type == WM_FIELD_INT64)
            *(int64_t *)at = -1;
        else if (f->type == WM_FIELD_REAL)
            *(double *)at = NAN;
    }
    cell->status = WM_NOT_RUN;
}

void wm_result_cell_clear(struct wm_result_cell *cell)
{
    free(cell->pairs);
    free(cell->histogram);
    free(cell->raw_ns);
    json_decref(cell->evidence.claims);
    json_decref(cell->evidence.counters);
    wm_result_cell_init(cell);
}

/* ---- to JSON ---- */

/* The number with so many significant digits: where more would be noise, 15 of them only make the file larger. */
static json_t *rounded(double value, int digits)
{
    char text[40];
    snprintf(text, sizeof(text), "%.*g", digits, value);
    return json_real(strtod(text, NULL));
}

static json_t *settings_to_json(const struct wm_result_cell *cell)
{
    json_t *object = json_object();
    int bad = object == NULL;
    for (int i = 0; i < cell->n_settings && i < MAX_SETTINGS && !bad; i++) {
        const struct wm_setting *s = &cell->settings[i];
        json_t *name = wm_result_textn(s->name, strnlen(s->name, sizeof(s->name)));
        json_t *value = wm_result_textn(s->value, strnlen(s->value, sizeof(s->value)));
        bad = name == NULL || json_object_set(object, json_string_value(name), value) != 0;
        json_decref(name);
        json_decref(value);
    }
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *pair_to_json(const struct wm_pair_result *p)
{
    json_t *object = json_pack("{s:i, s:i}", "from", p->from, "to", p->to);
    int bad = object == NULL;
    if (isfinite(p->median_ns))
        bad |= json_object_set_new(object, "median_ns", json_real(p->median_ns));
    if (isfinite(p->bytes_per_s))
        bad |= json_object_set_new(object, "bytes_per_s", json_real(p->bytes_per_s));
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *bin_to_json(const struct wm_bin *bin)
{
    return json_pack("[o, I]", rounded(bin->low_ns, 6), (json_int_t)bin->count);
}

static size_t list_length(const struct wm_field *f, const struct wm_result_cell *cell)
{
    if (f->type == WM_FIELD_PAIRS)
        return (size_t)cell->n_pairs;
    return f->type == WM_FIELD_HISTOGRAM ? (size_t)cell->n_histogram : cell->n_raw;
}

static json_t *list_to_json(const struct wm_field *f, const struct wm_result_cell *cell)
{
    json_t *array = json_array();
    int bad = array == NULL;
    for (size_t i = 0, n = list_length(f, cell); i < n && !bad; i++) {
        if (f->type == WM_FIELD_PAIRS)
            bad = json_array_append_new(array, pair_to_json(&cell->pairs[i]));
        else if (f->type == WM_FIELD_HISTOGRAM)
            bad = json_array_append_new(array, bin_to_json(&cell->histogram[i]));
        else if (isfinite(cell->raw_ns[i]))
            bad = json_array_append_new(array, rounded((double)cell->raw_ns[i], 9));
    }
    if (!bad)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *field_to_json(const struct wm_field *f, const struct wm_result_cell *cell)
{
    const void *at = (const char *)cell + f->offset;
    switch (f->type) {
    case WM_FIELD_TEXT:
        return wm_result_textn(at, strnlen(at, f->bytes));
    case WM_FIELD_INT:
        return json_integer(*(const int *)at);
    case WM_FIELD_INT64:
        return json_integer(*(const int64_t *)at);
    case WM_FIELD_REAL:
        return json_real(*(const double *)at);
    case WM_FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case WM_FIELD_FLAG:
        return json_boolean(*(const int *)at);
    case WM_FIELD_STATUS:
        return json_string(wm_status_names[*(const enum wm_status *)at]);
    case WM_FIELD_SETTINGS:
        return settings_to_json(cell);
    case WM_FIELD_JSON:
        return json_incref(*(json_t *const *)at);
    case WM_FIELD_PAIRS:
    case WM_FIELD_HISTOGRAM:
    case WM_FIELD_RAW:
        return list_to_json(f, cell);
    }
    return NULL;
}

/* The object that the field stands in, made when its first field comes. */
static json_t *group_of(json_t *cell, const struct wm_field *f)
{
    if (f->group == NULL)
        return cell;
    json_t *group = json_object_get(cell, f->group);
    if (group == NULL) {
        group = json_object();
        if (json_object_set_new(cell, f->group, group) != 0)
            return NULL;
    }
    return group;
}

json_t *wm_result_cell_fields(const struct wm_result_cell *cell, unsigned flags)
{
    json_t *object = json_object();
    int bad = object == NULL;
    for (const struct wm_field *f = wm_fields; f->name != NULL && !bad; f++)
        if ((f->flags & flags) == flags && wm_field_present(f, cell))
            bad = json_object_set_new(group_of(object, f), f->name, field_to_json(f, cell));
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

json_t *wm_result_cell_to_json(const struct wm_result_cell *cell)
{
    return wm_result_cell_fields(cell, 0);
}

/* ---- from JSON ---- */

static int wrong(const struct wm_field *f, const char *want, struct wm_err *err)
{
    return wm_fail(err, WM_EUSAGE, "", 0, "cell: %s%s%s is not %s", f->group ? f->group : "", f->group ? "." : "",
                   f->name, want);
}

static int text_from_json(char *to, size_t bytes, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL || json_string_length(value) >= bytes)
        return -1;
    memcpy(to, text, json_string_length(value) + 1);
    return 0;
}

/* A count: a whole number from 0 to max. */
static int count_from_json(const json_t *value, int64_t max, int64_t *to)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return -1;
    *to = json_integer_value(value);
    return 0;
}

static int status_from_json(const json_t *value, enum wm_status *to)
{
    const char *text = json_string_value(value);
    for (int i = 0; text != NULL && i < WM_STATUSES; i++) {
        if (strcmp(text, wm_status_names[i]) == 0) {
            *to = (enum wm_status)i;
            return 0;
        }
    }
    return -1;
}

static int settings_from_json(const struct wm_field *f, json_t *value, struct wm_result_cell *cell, struct wm_err *err)
{
    const char *name;
    json_t *member;
    if (!json_is_object(value) || json_object_size(value) > MAX_SETTINGS)
        return wrong(f, "an object of at most 24 settings", err);
    json_object_foreach(value, name, member)
    {
        struct wm_setting *s = &cell->settings[cell->n_settings];
        size_t length = strlen(name);
        if (length >= sizeof(s->name) || text_from_json(s->value, sizeof(s->value), member) != 0)
            return wrong(f, "an object of short texts", err);
        memcpy(s->name, name, length + 1);
        cell->n_settings++;
    }
    return WM_OK;
}

static double real_or_absent(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int pair_from_json(const json_t *value, struct wm_pair_result *to)
{
    int64_t from = -1, rank = -1;
    if (count_from_json(json_object_get(value, "from"), INT_MAX, &from) != 0 ||
        count_from_json(json_object_get(value, "to"), INT_MAX, &rank) != 0)
        return -1;
    *to = (struct wm_pair_result){ .from = (int)from,
                                   .to = (int)rank,
                                   .median_ns = real_or_absent(json_object_get(value, "median_ns")),
                                   .bytes_per_s = real_or_absent(json_object_get(value, "bytes_per_s")) };
    return 0;
}

static int bin_from_json(const json_t *value, struct wm_bin *to)
{
    int64_t count = 0;
    if (json_array_size(value) != 2 || !json_is_number(json_array_get(value, 0)) ||
        count_from_json(json_array_get(value, 1), INT64_MAX, &count) != 0)
        return -1;
    *to = (struct wm_bin){ json_number_value(json_array_get(value, 0)), (uint64_t)count };
    return 0;
}

static int raw_from_json(const json_t *value, float *to)
{
    *to = (float)json_number_value(value);
    return json_is_number(value) ? 0 : -1;
}

/* Arrays are allocated here and belong to the cell from then on: wm_result_cell_clear(). */
static int list_from_json(const struct wm_field *f, const json_t *value, struct wm_result_cell *cell,
                          struct wm_err *err)
{
    static const size_t element_bytes[] = { [WM_FIELD_PAIRS] = sizeof(struct wm_pair_result),
                                            [WM_FIELD_HISTOGRAM] = sizeof(struct wm_bin),
                                            [WM_FIELD_RAW] = sizeof(float) };
    size_t n = json_array_size(value);
    int bad = !json_is_array(value) || n > INT_MAX;
    void *list = calloc(n + 1, element_bytes[f->type]);
    if (list == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%zu elements of %s", n, f->name);
    memcpy((char *)cell + f->offset, &list, sizeof(list));
    for (size_t i = 0; i < n && !bad; i++) {
        const json_t *element = json_array_get(value, i);
        bad = f->type == WM_FIELD_PAIRS       ? pair_from_json(element, &cell->pairs[i])
              : f->type == WM_FIELD_HISTOGRAM ? bin_from_json(element, &cell->histogram[i])
                                              : raw_from_json(element, &cell->raw_ns[i]);
    }
    if (bad)
        return wrong(f, "a list as this schema has it", err);
    if (f->type == WM_FIELD_PAIRS)
        cell->n_pairs = (int)n;
    else if (f->type == WM_FIELD_HISTOGRAM)
        cell->n_histogram = (int)n;
    else
        cell->n_raw = n;
    return WM_OK;
}

static int field_from_json(const struct wm_field *f, json_t *value, struct wm_result_cell *cell, struct wm_err *err)
{
    void *at = (char *)cell + f->offset;
    int64_t count = 0;
    switch (f->type) {
    case WM_FIELD_TEXT:
        return text_from_json(at, f->bytes, value) == 0 ? WM_OK : wrong(f, "a text that fits", err);
    case WM_FIELD_INT:
        if (count_from_json(value, INT_MAX, &count) != 0)
            return wrong(f, "a whole number of at least 0", err);
        *(int *)at = (int)count;
        return WM_OK;
    case WM_FIELD_INT64:
        return count_from_json(value, INT64_MAX, at) == 0 ? WM_OK : wrong(f, "a whole number of at least 0", err);
    case WM_FIELD_REAL:
        *(double *)at = json_number_value(value);
        return json_is_number(value) ? WM_OK : wrong(f, "a number", err);
    case WM_FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? WM_OK : wrong(f, "true or false", err);
    case WM_FIELD_FLAG:
        *(int *)at = json_is_true(value);
        return json_is_boolean(value) ? WM_OK : wrong(f, "true or false", err);
    case WM_FIELD_STATUS:
        return status_from_json(value, at) == 0 ? WM_OK
                                                : wrong(f, "one of measured, failed, timeout, skipped, not_run", err);
    case WM_FIELD_SETTINGS:
        return settings_from_json(f, value, cell, err);
    case WM_FIELD_JSON:
        if (!json_is_array(value))
            return wrong(f, "a list", err);
        *(json_t **)at = json_incref(value);
        return WM_OK;
    case WM_FIELD_PAIRS:
    case WM_FIELD_HISTOGRAM:
    case WM_FIELD_RAW:
        return list_from_json(f, value, cell, err);
    }
    return WM_EBUG;
}

static int take_field(const struct wm_field *f, const json_t *object, struct wm_result_cell *cell, struct wm_err *err)
{
    const json_t *group = f->group == NULL ? object : json_object_get(object, f->group);
    if (group != NULL && !json_is_object(group))
        return wm_fail(err, WM_EUSAGE, "", 0, "cell: %s is not an object", f->group);
    json_t *value = json_object_get(group, f->name);
    if (value != NULL)
        return field_from_json(f, value, cell, err);
    if ((f->flags & WM_FIELD_REQUIRED) != 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "cell: %s is missing", f->name);
    return WM_OK;
}

int wm_result_cell_from_json(const json_t *object, struct wm_result_cell *cell, struct wm_err *err)
{
    wm_result_cell_init(cell);
    if (!json_is_object(object))
        return wm_fail(err, WM_EUSAGE, "", 0, "cell: not an object");
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++) {
        int rc = take_field(f, object, cell, err);
        if (rc != WM_OK) {
            wm_result_cell_clear(cell);
            return rc;
        }
    }
    if (cell->id[0] != '\0')
        return WM_OK;
    wm_result_cell_clear(cell);
    return wm_fail(err, WM_EUSAGE, "", 0, "cell: id is empty");
}
