/** Verdicts as JSON, a verdict a line, and as comma-separated values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/column.h"
#include "src/core/units.h"
#include "src/result/field.h"
#include "src/result/replace.h"

static const void *at(const struct wm_verdict *v, const struct wm_column *c)
{
    return (const char *)v + c->offset;
}

static const char *text_of(const struct wm_verdict *v, const struct wm_column *c)
{
    const char *text =
        c->type == WM_COLUMN_NAME ? c->names[*(const unsigned *)at(v, c)] : *(const char *const *)at(v, c);
    return text == NULL ? "" : text;
}

static bool absent(const struct wm_verdict *v, const struct wm_column *c)
{
    switch (c->type) {
    case WM_COLUMN_TEXT:
    case WM_COLUMN_NAME:
        return text_of(v, c)[0] == '\0';
    case WM_COLUMN_COUNT:
        return *(const int *)at(v, c) == 0;
    case WM_COLUMN_REAL:
        return !isfinite(*(const double *)at(v, c));
    default:
        return false;
    }
}

/* ---- JSON ---- */

static json_t *real(double value)
{
    char text[40];
    snprintf(text, sizeof(text), "%.9g", value);
    return json_real(strtod(text, NULL));
}

static json_t *column_to_json(const struct wm_verdict *v, const struct wm_column *c)
{
    if (c->type == WM_COLUMN_TEXT || c->type == WM_COLUMN_NAME)
        return wm_result_text(text_of(v, c));
    if (c->type == WM_COLUMN_BOOL)
        return json_boolean(*(const bool *)at(v, c));
    return c->type == WM_COLUMN_REAL ? real(*(const double *)at(v, c)) : json_integer(*(const int *)at(v, c));
}

static json_t *verdict_to_json(const struct wm_verdict *v)
{
    json_t *object = json_object();
    int bad = object == NULL;
    for (const struct wm_column *c = wm_columns; c->name != NULL && !bad; c++) {
        json_t *group = c->group == NULL ? object : json_object_get(object, c->group);
        if (absent(v, c))
            continue;
        if (group == NULL)
            bad = json_object_set_new(object, c->group, group = json_object());
        if (!bad)
            bad = json_object_set_new(group, c->name, column_to_json(v, c));
    }
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

/* Takes the reference. */
static int put(FILE *to, const char *before, json_t *value, struct wm_err *err)
{
    char *text = value == NULL ? NULL : json_dumps(value, WM_RESULT_JSON | JSON_ENCODE_ANY);
    int rc = text == NULL ? wm_fail(err, WM_ENOMEM, "json_dumps", 0, "verdicts") : wm_put_text(to, before, err);
    if (rc == WM_OK)
        rc = wm_put_text(to, text, err);
    free(text);
    json_decref(value);
    return rc;
}

static int put_verdicts(FILE *to, const char *before, const struct wm_verdict *list, int n, struct wm_err *err)
{
    int rc = wm_put_text(to, before, err);
    for (int i = 0; i < n && rc == WM_OK; i++)
        rc = put(to, i == 0 ? "\n" : ",\n", verdict_to_json(&list[i]), err);
    return rc == WM_OK ? wm_put_text(to, "\n],\n", err) : rc;
}

static json_t *ledger_to_json(const struct wm_ledger *l)
{
    json_t *why = json_object();
    for (int i = 1; i < WM_WHYS; i++)
        if (l->why[i] > 0)
            json_object_set_new(why, wm_why_names[i], json_integer(l->why[i]));
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "required", l->required, "judged", l->judged, "passed",
                     l->passed, "failed", l->failed, "not_judged", l->not_judged, "not_required", l->not_required,
                     "not_judged_why", why);
}

static json_t *difference_to_json(const struct wm_difference *d)
{
    json_t *object = json_pack("{s:o, s:b}", "name", wm_result_text(d->name), "within_a_side", d->within_side);
    if (d->baseline != NULL)
        json_object_set_new(object, "baseline", wm_result_text(d->baseline));
    if (d->judged != NULL)
        json_object_set_new(object, "judged", wm_result_text(d->judged));
    return object;
}

static json_t *finding_to_json(const struct wm_finding *f)
{
    return json_pack("{s:s, s:o, s:o, s:b}", "kind", wm_finding_names[f->kind], "name", wm_result_text(f->name), "text",
                     wm_result_text(f->text), "fatal", f->fatal);
}

static json_t *launches_to_json(const struct wm_verdicts *v, int side)
{
    json_t *list = json_array();
    for (int k = 0; k < v->set->n_launches; k++) {
        const struct wm_launch_set_item *l = &v->set->launch[k];
        if (l->side == side)
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:b}", "file", wm_result_text(l->path), "run",
                                                  wm_result_text(l->run_id), "started_utc",
                                                  wm_result_text(l->started_utc), "complete", l->complete));
    }
    return list;
}

static int put_head(FILE *to, const struct wm_verdicts *v, struct wm_err *err)
{
    static const char *const bases[] = { "compare", "baseline", "reference" };
    json_t *test = json_pack("{s:o, s:I, s:b, s:I, s:o}", "family_error", real(v->family_error), "relabellings",
                             (json_int_t)v->relabellings, "exact", v->exact, "seed", (json_int_t)v->seed, "tolerance",
                             real(v->tolerance));
    if (isfinite(v->tolerance_to_pass))
        json_object_set_new(test, "tolerance_to_pass", real(v->tolerance_to_pass));
    json_t *differences = json_array(), *findings = json_array();
    for (int i = 0; i < v->n_differences; i++)
        json_array_append_new(differences, difference_to_json(&v->difference[i]));
    for (int i = 0; i < v->n_findings; i++)
        json_array_append_new(findings, finding_to_json(&v->finding[i]));
    const struct {
        const char *before;
        json_t *value;
    } parts[] = {
        { "{\n\"schema\": ", json_string("wiremark-verdicts/1") },
        { ",\n\"basis\": ", json_string(bases[v->basis]) },
        { ",\n\"exit_status\": ", json_integer(v->exit_status) },
        { ",\n\"coverage\": ", ledger_to_json(&v->ledger) },
        { ",\n\"curves_coverage\": ", ledger_to_json(&v->curve_ledger) },
        { ",\n\"test\": ", test },
        { ",\n\"missing\": ",
          json_pack("{s:i, s:i}", "baseline_launches", v->missing_a, "judged_launches", v->missing_b) },
        { ",\n\"baseline\": ", launches_to_json(v, 0) },
        { ",\n\"judged\": ", launches_to_json(v, 1) },
        { ",\n\"differences\": ", differences },
        { ",\n\"differences_left_out\": ", json_integer(v->differences_left_out) },
        { ",\n\"findings\": ", findings },
    };
    int rc = WM_OK;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (rc == WM_OK)
            rc = put(to, parts[i].before, parts[i].value, err);
        else
            json_decref(parts[i].value);
    }
    return rc;
}

int wm_verdicts_json(FILE *to, const struct wm_verdicts *v, struct wm_err *err)
{
    int rc = put_head(to, v, err);
    if (rc == WM_OK)
        rc = put_verdicts(to, ",\n\"curves\": [", v->curve, v->n_curves, err);
    if (rc == WM_OK)
        rc = put_verdicts(to, "\"verdicts\": [", v->verdict, v->n_verdicts, err);
    return rc == WM_OK ? wm_put_text(to, "\"complete\": true\n}\n", err) : rc;
}

/* ---- CSV, RFC 4180 with line feeds ---- */

/* A spreadsheet would take it for a formula. */
static bool is_formula(const char *text)
{
    return text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
}

static void put_csv_text(FILE *to, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL && !is_formula(text)) {
        fputs(text, to);
        return;
    }
    fputs(is_formula(text) ? "\"'" : "\"", to);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void put_csv(FILE *to, const struct wm_verdict *v)
{
    for (const struct wm_column *c = wm_columns; c->name != NULL; c++) {
        if (c != wm_columns)
            fputc(',', to);
        if (absent(v, c))
            continue;
        if (c->type == WM_COLUMN_TEXT || c->type == WM_COLUMN_NAME)
            put_csv_text(to, text_of(v, c));
        else if (c->type == WM_COLUMN_BOOL)
            fputs(*(const bool *)at(v, c) ? "true" : "false", to);
        else if (c->type == WM_COLUMN_REAL)
            fprintf(to, "%.9g", *(const double *)at(v, c));
        else
            fprintf(to, "%d", *(const int *)at(v, c));
    }
    fputc('\n', to);
}

int wm_verdicts_csv(FILE *to, const struct wm_verdicts *v, struct wm_err *err)
{
    for (const struct wm_column *c = wm_columns; c->name != NULL; c++)
        fprintf(to, "%s%s%s%s", c == wm_columns ? "" : ",", c->group ? c->group : "", c->group ? "." : "", c->name);
    fputc('\n', to);
    for (int i = 0; i < v->n_curves; i++)
        put_csv(to, &v->curve[i]);
    for (int i = 0; i < v->n_verdicts; i++)
        put_csv(to, &v->verdict[i]);
    return ferror(to) ? wm_fail_io(err, "fwrite", "write", "the verdicts") : WM_OK;
}
