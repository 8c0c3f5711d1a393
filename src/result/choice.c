/** What --algo auto chose, as JSON. */
#include <math.h>
#include <string.h>

#include "src/result/field.h"

int wm_result_choice_next(const struct wm_result_choice *c, int k)
{
    while (k > 0 && k < c->n_points && strcmp(c->point[k].algo, c->point[k - 1].algo) == 0)
        k++;
    return k < c->n_points ? k : c->n_points;
}

static json_t *point_to_json(const struct wm_choice_point *p, const char *bytes_name)
{
    const struct {
        const char *name;
        double value;
    } real[] = { { "ratio", p->ratio }, { "ci95_low", p->ci95_low }, { "ci95_high", p->ci95_high } };
    json_t *object = json_object();
    int bad = json_object_set_new(object, bytes_name, json_integer(p->bytes));
    bad |= json_object_set_new(object, "algo", wm_result_text(p->algo));
    if (p->runner_up != NULL)
        bad |= json_object_set_new(object, "runner_up", wm_result_text(p->runner_up));
    for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++)
        if (isfinite(real[i].value))
            bad |= json_object_set_new(object, real[i].name, json_real(real[i].value));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *left_out_to_json(const struct wm_left_out *l)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "algo", wm_result_text(l->algo));
    bad |= json_object_set_new(object, "from_bytes", json_integer(l->bytes));
    bad |= json_object_set_new(object, "reason", wm_result_text(l->reason));
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}

json_t *wm_result_choice_to_json(const struct wm_result_choice *c)
{
    json_t *object = json_object(), *crossovers = json_array(), *points = json_array(), *left_out = json_array();
    int bad = json_object_set_new(object, "of", wm_result_text(c->of));
    bad |= json_object_set_new(object, "bench", wm_result_text(c->bench));
    bad |= json_object_set_new(object, "transport", wm_result_text(c->transport));
    for (int k = wm_result_choice_next(c, 0); k < c->n_points; k = wm_result_choice_next(c, k + 1))
        bad |= json_array_append_new(crossovers, point_to_json(&c->point[k], "from_bytes"));
    for (int k = 0; k < c->n_points; k++)
        bad |= json_array_append_new(points, point_to_json(&c->point[k], "bytes"));
    for (int i = 0; i < c->n_left_out; i++)
        bad |= json_array_append_new(left_out, left_out_to_json(&c->left_out[i]));
    bad |= json_object_set_new(object, "crossovers", crossovers);
    bad |= json_object_set_new(object, "points", points);
    bad |= json_object_set_new(object, "left_out", left_out);
    if (bad == 0)
        return object;
    json_decref(object);
    return NULL;
}
