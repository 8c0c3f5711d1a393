/** What differs around the cells: versions, links, mapping, variables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"

enum { MOST_DIFFERENCES = 200 };

static const char *value_of(const struct wm_launch_set_item *item, const char *name)
{
    int low = 0, high = item->facts.n - 1;
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(name, item->facts.fact[middle].name);
        if (order == 0)
            return item->facts.fact[middle].value;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Texts are interned, so that pointers tell them apart. */
static int note(struct wm_verdicts *out, const char *name, const char *baseline, const char *judged, bool within,
                struct wm_err *err)
{
    for (int i = 0; i < out->n_differences; i++)
        if (out->difference[i].name == name)
            return WM_OK;
    if (out->n_differences == MOST_DIFFERENCES) {
        out->differences_left_out++;
        return WM_OK;
    }
    struct wm_difference *list = realloc(out->difference, (size_t)(out->n_differences + 1) * sizeof(*list));
    if (list == NULL)
        return wm_fail(err, WM_ENOMEM, "realloc", errno, "differences");
    out->difference = list;
    list[out->n_differences++] = (struct wm_difference){ name, baseline, judged, within };
    return WM_OK;
}

/* Every fact of one in the other, both ways. */
static int tell_two(const struct wm_launch_set_item *a, const struct wm_launch_set_item *b, struct wm_verdicts *out,
                    struct wm_err *err)
{
    bool within = a->side == b->side;
    int rc = WM_OK;
    for (int i = 0; i < a->facts.n && rc == WM_OK; i++) {
        const char *other = value_of(b, a->facts.fact[i].name);
        if (other != a->facts.fact[i].value)
            rc = note(out, a->facts.fact[i].name, a->facts.fact[i].value, other, within, err);
    }
    for (int i = 0; i < b->facts.n && rc == WM_OK; i++)
        if (value_of(a, b->facts.fact[i].name) == NULL)
            rc = note(out, b->facts.fact[i].name, NULL, b->facts.fact[i].value, within, err);
    return rc;
}

static const struct wm_launch_set_item *first_of(const struct wm_launch_set *set, int side)
{
    for (int k = 0; k < set->n_launches; k++)
        if (set->launch[k].side == side)
            return &set->launch[k];
    return NULL;
}

int wm_tell_apart(struct wm_launch_set *set, struct wm_verdicts *out, struct wm_err *err)
{
    const struct wm_launch_set_item *a = first_of(set, 0), *b = first_of(set, 1);
    int rc = a == NULL || b == NULL ? WM_OK : tell_two(a, b, out, err);
    bool changed = out->n_differences > 0;
    for (int k = 0; k < set->n_launches && rc == WM_OK; k++) {
        const struct wm_launch_set_item *first = set->launch[k].side == 0 ? a : b;
        if (&set->launch[k] != first)
            rc = tell_two(first, &set->launch[k], out, err);
    }
    for (int i = 0; i < out->n_verdicts; i++)
        out->verdict[i].config_changed |= changed;
    for (int i = 0; i < out->n_curves; i++)
        out->curve[i].config_changed |= changed;
    return rc;
}
