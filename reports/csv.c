#include "reports/csv.h"

#include <inttypes.h>
#include <string.h>

#include "src/result/field.h"

static bool has_column(const struct wm_field *f)
{
    return f->type != WM_FIELD_JSON && f->type != WM_FIELD_PAIRS && f->type != WM_FIELD_HISTOGRAM &&
           f->type != WM_FIELD_RAW;
}

/* A text with a comma, a quote or a line break stands in quotes, quotes in it twice. */
static void put_text(FILE *to, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"')
            fputc('"', to);
        fputc(*c, to);
    }
    fputc('"', to);
}

static void put_settings(FILE *to, const struct wm_result_cell *cell)
{
    char text[sizeof(cell->settings) + sizeof(cell->settings) / sizeof(cell->settings[0]) * 2] = "";
    size_t n = 0;
    for (int i = 0; i < cell->n_settings; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%s", i == 0 ? "" : " ", cell->settings[i].name,
                              cell->settings[i].value);
    put_text(to, text);
}

static void put_field(FILE *to, const struct wm_field *f, const struct wm_result_cell *cell)
{
    const void *at = (const char *)cell + f->offset;
    if (f->type == WM_FIELD_TEXT)
        put_text(to, at);
    else if (f->type == WM_FIELD_INT)
        fprintf(to, "%d", *(const int *)at);
    else if (f->type == WM_FIELD_INT64)
        fprintf(to, "%" PRId64, *(const int64_t *)at);
    else if (f->type == WM_FIELD_REAL)
        fprintf(to, "%.15g", *(const double *)at);
    else if (f->type == WM_FIELD_BOOL)
        fputs(*(const bool *)at ? "true" : "false", to);
    else if (f->type == WM_FIELD_FLAG)
        fputs(*(const int *)at ? "true" : "false", to);
    else if (f->type == WM_FIELD_STATUS)
        fputs(wm_status_names[*(const enum wm_status *)at], to);
    else if (f->type == WM_FIELD_SETTINGS)
        put_settings(to, cell);
}

void wm_csv_header(FILE *to)
{
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++)
        if (has_column(f))
            fprintf(to, "%s%s%s%s", f == wm_fields ? "" : ",", f->group ? f->group : "", f->group ? "." : "", f->name);
    fputc('\n', to);
}

void wm_csv_cell(FILE *to, const struct wm_result_cell *cell)
{
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++) {
        if (!has_column(f))
            continue;
        if (f != wm_fields)
            fputc(',', to);
        if (wm_field_present(f, cell))
            put_field(to, f, cell);
    }
    fputc('\n', to);
}
