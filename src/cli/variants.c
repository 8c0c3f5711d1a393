#include "src/cli/variants.h"

static struct wm_int_list *list_of(const struct wm_option *row, const void *conf)
{
    bool is_list = row->type == WM_OPT_INTS || row->type == WM_OPT_CHOICES;
    return is_list && conf != NULL ? (struct wm_int_list *)((char *)conf + row->offset) : NULL;
}

static int refuse_twice(const struct wm_option *row, const struct wm_int_list *list, struct wm_err *err)
{
    for (int i = 0; i < list->n; i++)
        for (int k = i + 1; k < list->n; k++)
            if (list->value[i] == list->value[k])
                return wm_fail(err, WM_EUSAGE, "", 0, "--%s: %lld is named twice", row->name,
                               (long long)list->value[i]);
    return WM_OK;
}

int wm_cli_variants(const struct wm_option *rows, const void *conf, struct wm_err *err)
{
    int n = 1;
    for (const struct wm_option *row = rows; row != NULL && row->name != NULL; row++) {
        const struct wm_int_list *list = list_of(row, conf);
        if (list == NULL || list->n == 0)
            continue;
        refuse_twice(row, list, err);
        n *= list->n;
    }
    return n;
}

void wm_cli_variant(const struct wm_option *rows, void *copy, int k)
{
    for (const struct wm_option *row = rows; row != NULL && row->name != NULL; row++) {
        struct wm_int_list *list = list_of(row, copy);
        if (list == NULL || list->n == 0)
            continue;
        int at = k % list->n;
        k /= list->n;
        *list = (struct wm_int_list){ .value = list->value + at, .n = 1 };
    }
}
