/* --mem: from words to rows of the memory table. */
#include <string.h>

#include "src/cli/command.h"
#include "src/core/text.h"
#include "src/world/launch.h"

static int unknown(const char *name, struct wm_err *err)
{
    const char *names[16] = { NULL };
    char hint[128];
    for (int i = 0; i < 15 && wm_mems[i].name != NULL; i++)
        names[i] = wm_mems[i].name;
    return wm_fail(err, WM_EUSAGE, "", 0, "--mem: unknown memory '%s'%s; wiremark list shows all", name,
                   wm_did_you_mean(hint, sizeof(hint), name, names));
}

static int find(const char *name, const struct wm_mem **out, struct wm_err *err)
{
    const struct wm_mem_row *row = wm_mem_find(name);
    if (row == NULL)
        return unknown(name, err);
    if (row->mem == NULL)
        return wm_fail(err, WM_EABSENT, "", 0, "--mem %s: not built in, it needs %s when wiremark is built", name,
                       row->needs);
    *out = row->mem;
    return WM_OK;
}

static struct wm_option_group group_of(const struct wm_cli_options *o, const struct wm_mem *mem)
{
    for (int g = 0; mem != NULL && mem->options != NULL && g < o->n_groups; g++)
        if (o->group[g].rows == mem->options)
            return o->group[g];
    return (struct wm_option_group){ 0 };
}

/* "S" or "S:R". */
static int parse(const struct wm_cli_options *o, const char *word, struct wm_plan_memory *out, struct wm_err *err)
{
    char send[32];
    const char *colon = strchr(word, ':');
    size_t n = colon != NULL ? (size_t)(colon - word) : strlen(word);
    snprintf(send, sizeof(send), "%.*s", n < sizeof(send) ? (int)n : (int)sizeof(send) - 1, word);
    if (find(send, &out->send, err) != WM_OK || find(colon != NULL ? colon + 1 : send, &out->receive, err) != WM_OK)
        return err->code;
    if (wm_mem_is_device(out->send) && wm_mem_is_device(out->receive) &&
        out->send->simulated != out->receive->simulated)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--mem %s: a simulated device and a real one cannot meet in one operation", word);
    out->group = group_of(o, wm_plan_device(out));
    return WM_OK;
}

static int refuse_idle(const struct wm_cli_options *o, struct wm_err *err)
{
    for (int i = 0; wm_mems[i].name != NULL; i++) {
        const struct wm_mem *mem = wm_mems[i].mem;
        struct wm_option_group group = group_of(o, mem);
        bool used = false;
        for (int k = 0; k < o->n_memories; k++)
            used |= o->memory[k].send == mem || o->memory[k].receive == mem;
        for (int r = 0; !used && group.rows != NULL && group.rows[r].name != NULL; r++)
            if (group.given >> r & 1)
                return wm_fail(err, WM_EUSAGE, "", 0, "--%s has no effect without --mem %s", group.rows[r].name,
                               mem->name);
    }
    return WM_OK;
}

static bool chooses(const struct wm_plan_memory *m)
{
    return m->send->choose != NULL || m->receive->choose != NULL;
}

static int check_gpu(const struct wm_cli_options *o, struct wm_err *err)
{
    bool any = false;
    for (int i = 0; i < o->n_memories; i++)
        any |= chooses(&o->memory[i]);
    if (!any && wm_option_given(o->group, o->n_groups, "gpu"))
        return wm_fail(err, WM_EUSAGE, "", 0, "--gpu has no effect: --mem names no memory of a GPU");
    return WM_OK;
}

/* Without --mem: the host's, but the GPU's where a transport moves nothing else. */
static struct wm_text_list chosen_words(const struct wm_cli_options *o)
{
    static char device[] = "device", *of_gpus[] = { device };
    bool device_only = false;
    for (int i = 0; i < o->n_transports; i++)
        device_only |= o->transport[i].transport->device_only;
    if (device_only && !wm_option_given(o->group, o->n_groups, "mem"))
        return (struct wm_text_list){ .value = of_gpus, .n = 1 };
    return o->conf.mems;
}

/* Rows have memory of their own, where the user names none. */
static int imply(struct wm_cli_options *o, const char *word, struct wm_err *err)
{
    struct wm_plan_memory *m = &o->memory[o->n_memories];
    for (int k = 0; k < o->n_memories; k++)
        if (o->memory[k].implied != NULL && strcmp(o->memory[k].implied, word) == 0)
            return WM_OK;
    if (o->n_memories == WM_PLAN_MEMORIES || parse(o, word, m, err) != WM_OK)
        return err->code;
    m->implied = word;
    o->n_memories++;
    return WM_OK;
}

static int imply_all(struct wm_cli_options *o, struct wm_err *err)
{
    for (int i = 0; i < o->n_words && err->code == WM_OK; i++)
        for (int k = 0; wm_benchmarks[k] != NULL; k++)
            if (strcmp(wm_benchmarks[k]->name, o->words[i]) == 0 && wm_benchmarks[k]->memory != NULL)
                imply(o, wm_benchmarks[k]->memory, err);
    return err->code;
}

int wm_cli_choose_memory(struct wm_cli_options *o, struct wm_err *err)
{
    const struct wm_text_list list = chosen_words(o), *words = &list;
    if (words->n > WM_PLAN_MEMORIES)
        return wm_fail(err, WM_EUSAGE, "", 0, "--mem: more than %d kinds", WM_PLAN_MEMORIES);
    for (o->n_memories = 0; o->n_memories < words->n; o->n_memories++) {
        struct wm_plan_memory *m = &o->memory[o->n_memories];
        if (parse(o, words->value[o->n_memories], m, err) != WM_OK)
            return err->code;
        for (int k = 0; k < o->n_memories; k++)
            if (o->memory[k].send == m->send && o->memory[k].receive == m->receive)
                return wm_fail(err, WM_EUSAGE, "", 0, "--mem: %s is named twice", words->value[o->n_memories]);
    }
    if (!wm_option_given(o->group, o->n_groups, "mem") && imply_all(o, err) != WM_OK)
        return err->code;
    return refuse_idle(o, err) == WM_OK ? check_gpu(o, err) : (int)err->code;
}

static int use(const struct wm_mem *mem, const char *gpu, int local_rank, struct wm_err *err)
{
    struct wm_err story = { .rank = -1 };
    if (mem->choose != NULL)
        mem->choose(gpu, local_rank, &story);
    if (story.code == WM_OK && mem->probe != NULL)
        mem->probe(&story);
    return story.code == WM_OK ? WM_OK : wm_fail(err, story.code, "", 0, "--mem %s: %s", mem->name, story.what);
}

int wm_cli_use_memory(const struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err)
{
    for (int i = 0; i < o->n_memories && err->code == WM_OK; i++)
        if (use(o->memory[i].send, o->conf.gpu, launch->local_rank, err) == WM_OK)
            use(o->memory[i].receive, o->conf.gpu, launch->local_rank, err);
    return err->code;
}
