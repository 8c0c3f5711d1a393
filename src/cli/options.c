#include <stdlib.h>
#include <string.h>

#include "src/cli/command.h"
#include "src/cli/fabric.h"

/* Headings in the order of help: the run's own groups, then each transport's. */
static void lay_out(struct wm_cli_options *o, bool with_plan)
{
    o->group[o->n_groups++] =
        (struct wm_option_group){ .title = "What is measured", .rows = wm_conf_what, .conf = &o->conf };
    o->group[o->n_groups++] =
        (struct wm_option_group){ .title = "How it is measured", .rows = wm_conf_how, .conf = &o->conf };
    if (with_plan)
        o->group[o->n_groups++] =
            (struct wm_option_group){ .title = "Plan for", .rows = wm_conf_plan, .conf = &o->conf };
    o->group[o->n_groups++] =
        (struct wm_option_group){ .title = "Where it goes", .rows = wm_conf_output, .conf = &o->conf };
}

static int lay_out_transports(struct wm_cli_options *o, struct wm_err *err)
{
    for (int i = 0; wm_transports[i].name != NULL; i++) {
        const struct wm_transport *t = wm_transports[i].transport;
        if (t == NULL || t->options == NULL)
            continue;
        o->own[i] = calloc(1, t->conf_bytes);
        if (o->own[i] == NULL)
            return wm_fail(err, WM_ENOMEM, "calloc", 0, "options of %s", t->name);
        snprintf(o->title[i], sizeof(o->title[i]), "Transport %s", t->name);
        o->group[o->n_groups++] =
            (struct wm_option_group){ .title = o->title[i], .rows = t->options, .conf = o->own[i] };
    }
    return WM_OK;
}

static int lay_out_memory(struct wm_cli_options *o, struct wm_err *err)
{
    for (int i = 0; wm_mems[i].name != NULL; i++) {
        const struct wm_mem *m = wm_mems[i].mem;
        if (m == NULL || m->options == NULL)
            continue;
        o->own_of_memory[i] = calloc(1, m->conf_bytes);
        if (o->own_of_memory[i] == NULL)
            return wm_fail(err, WM_ENOMEM, "calloc", 0, "options of %s memory", m->name);
        snprintf(o->title_of_memory[i], sizeof(o->title_of_memory[i]), "Memory %s", m->name);
        o->group[o->n_groups++] =
            (struct wm_option_group){ .title = o->title_of_memory[i], .rows = m->options, .conf = o->own_of_memory[i] };
    }
    return WM_OK;
}

static int lay_out_all(struct wm_cli_options *o, bool with_plan, struct wm_err *err)
{
    lay_out(o, with_plan);
    return lay_out_transports(o, err) == WM_OK ? lay_out_memory(o, err) : (int)err->code;
}

int wm_cli_options_parse(struct wm_cli_options *o, bool with_plan, int argc, char **argv, struct wm_err *err)
{
    *o = (struct wm_cli_options){ 0 };
    if (lay_out_all(o, with_plan, err) != WM_OK ||
        wm_options_parse(o->group, o->n_groups, argc, argv, &o->words, &o->n_words, err) != WM_OK)
        return err->code;
    if (o->conf.help)
        return WM_OK;
    return wm_cli_choose(o, false, err) == WM_OK ? wm_cli_choose_memory(o, err) : (int)err->code;
}

void wm_cli_options_free(struct wm_cli_options *o)
{
    wm_options_free(o->group, o->n_groups);
    free(o->words);
    for (size_t i = 0; i < sizeof(o->own) / sizeof(*o->own); i++)
        free(o->own[i]);
    for (size_t i = 0; i < sizeof(o->own_of_memory) / sizeof(*o->own_of_memory); i++)
        free(o->own_of_memory[i]);
    wm_cli_unchoose(o);
    *o = (struct wm_cli_options){ 0 };
}

void wm_cli_options_print(bool with_plan, FILE *to, enum wm_option_format format)
{
    struct wm_cli_options o = { 0 };
    struct wm_err err = { 0 };
    if (lay_out_all(&o, with_plan, &err) == WM_OK)
        wm_options_print(to, o.group, o.n_groups, format);
    wm_cli_options_free(&o);
}
