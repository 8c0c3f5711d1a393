/** What was compared with what, as JSON. */
#include <math.h>

#include "src/result/field.h"

static json_t *texts(const char *const *text, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        if (json_array_append_new(array, wm_result_text(text[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *point_to_json(const struct wm_ratio_point *p)
{
    const struct {
        const char *name;
        double value;
    } real[] = { { "ratio", p->ratio }, { "ci95_low", p->ci95_low }, { "ci95_high", p->ci95_high } };
    json_t *object = json_object();
    int bad = json_object_set_new(object, "bytes", json_integer(p->bytes));
    for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++)
        if (isfinite(real[i].value))
            bad |= json_object_set_new(object, real[i].name, json_real(real[i].value));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *points_to_json(const struct wm_ratio_point *point, int n)
{
    json_t *array = json_array();
    for (int k = 0; k < n; k++) {
        if (json_array_append_new(array, point_to_json(&point[k])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

bool wm_result_suspected(const struct wm_result_staging *s)
{
    return s->judged_sizes > 0 && 2 * s->suspected_sizes > s->judged_sizes;
}

static bool any_suspected(const struct wm_result_comparison *c)
{
    for (int i = 0; i < c->n_staging; i++)
        if (wm_result_suspected(&c->staging[i]))
            return true;
    return false;
}

json_t *wm_result_comparison_to_json(const struct wm_result_comparison *c)
{
    json_t *object = json_object(), *points = json_array(), *crossover = json_array();
    int bad = json_object_set_new(object, "bench", wm_result_text(c->bench));
    bad |= json_object_set_new(object, "baseline", wm_result_text(c->baseline));
    bad |= json_object_set_new(object, "varies", texts(c->varies, c->n_varies));
    bad |= json_object_set_new(object, "arms", texts(c->arms, c->n_arms));
    if (c->of != NULL)
        bad |= json_object_set_new(object, "of", texts(c->of, c->n_arms));
    bad |= json_object_set_new(object, "interleaved", json_boolean(c->interleaved));
    if (c->not_interleaved_reason != NULL)
        bad |= json_object_set_new(object, "not_interleaved_reason", wm_result_text(c->not_interleaved_reason));
    for (int a = 0; a < c->n_arms - 1; a++) {
        int64_t bytes = c->crossover_bytes == NULL ? -1 : c->crossover_bytes[a];
        bad |= json_array_append_new(points, points_to_json(c->points[a], c->n_points[a]));
        bad |= json_array_append_new(crossover, bytes < 0 ? json_null() : json_integer(bytes));
    }
    bad |= json_object_set_new(object, "points", points);
    bad |= json_object_set_new(object, "crossover_bytes", crossover);
    if (c->n_staging > 0)
        bad |= json_object_set_new(object, "suspected_fallback", json_boolean(any_suspected(c)));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}
