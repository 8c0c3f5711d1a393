/* Who a cell is: its names, its place and its id. The id is what launches are matched by: no host or device in it. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench/plan.h"
#include "src/core/units.h"
#include "src/mem/cuda.h"

static const int default_window = 64;

static void set(struct wm_result_cell *cell, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void set(struct wm_result_cell *cell, const char *name, const char *format, ...)
{
    va_list args;
    if (cell->n_settings == (int)(sizeof(cell->settings) / sizeof(cell->settings[0])))
        return;
    struct wm_setting *s = &cell->settings[cell->n_settings++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    va_start(args, format);
    vsnprintf(s->value, sizeof(s->value), format, args);
    va_end(args);
}

/* Of an arm a list has one value; what is the default is not said. */
static const char *list_text(const struct wm_option *row, const struct wm_int_list *list, char *text, size_t bytes)
{
    text[0] = '\0';
    if (list->n == 1 && row->type == WM_OPT_CHOICES)
        snprintf(text, bytes, "%s", row->names[list->value[0]]);
    else if (list->n == 1 && row->type == WM_OPT_INTS)
        snprintf(text, bytes, "%lld", (long long)list->value[0]);
    return text;
}

static void set_list(struct wm_result_cell *cell, const struct wm_option *row, const struct wm_int_list *list)
{
    char text[WM_TEXT_BYTES];
    list_text(row, list, text, sizeof(text));
    if (text[0] != '\0' && (row->fallback == NULL || strcmp(text, row->fallback) != 0))
        set(cell, row->name, "%s", text);
}

/* The value of an option of a transport, or of a kind of memory, as a user would write it. */
static void set_option(struct wm_result_cell *cell, const struct wm_option *row, const void *conf)
{
    const char *field = (const char *)conf + row->offset;
    char text[WM_TEXT_BYTES];
    switch (row->type) {
    case WM_OPT_FLAG:
        set(cell, row->name, "on");
        break;
    case WM_OPT_INT:
        set(cell, row->name, "%lld", (long long)*(const int64_t *)field);
        break;
    case WM_OPT_BYTES:
        set(cell, row->name, "%s", wm_format_bytes(text, *(const uint64_t *)field));
        break;
    case WM_OPT_TIME_NS:
        set(cell, row->name, "%lluns", (unsigned long long)*(const uint64_t *)field);
        break;
    case WM_OPT_SHARE:
        set(cell, row->name, "%g", *(const double *)field);
        break;
    case WM_OPT_CHOICE:
        set(cell, row->name, "%s", row->names[*(const int64_t *)field]);
        break;
    case WM_OPT_TEXT:
        set(cell, row->name, "%s", *(char *const *)field);
        break;
    case WM_OPT_TEXTS: /* a factor: one word an arm */
        set(cell, row->name, "%s", ((const struct wm_text_list *)(const void *)field)->value[0]);
        break;
    default:
        set_list(cell, row, (const struct wm_int_list *)field);
    }
}

static void set_own_options(struct wm_result_cell *cell, const struct wm_option_group *group)
{
    for (int i = 0; group->rows != NULL && group->rows[i].name != NULL; i++)
        if (group->given >> i & 1 && !group->rows[i].aside)
            set_option(cell, &group->rows[i], group->conf);
}

static void set_run_options(struct wm_result_cell *cell, const struct wm_run_conf *conf, enum wm_fabric fabric,
                            const struct wm_arm_spec *spec, int window)
{
    char text[WM_TEXT_BYTES];
    if (fabric != WM_FABRIC_UNKNOWN)
        set(cell, "fabric", "%s", wm_fabric_names[fabric]);
    if (spec->path == WM_PATH_PIPELINED && conf->chunk_bytes > 0)
        set(cell, "chunk", "%s", wm_format_bytes(text, conf->chunk_bytes));
    if (spec->path == WM_PATH_PIPELINED && conf->slots > 0)
        set(cell, "slots", "%lld", (long long)conf->slots);
    if (spec->in_place)
        set(cell, "in-place", "on");
    if (spec->bench->rooted && spec->root == WM_ROOT_ROTATE)
        set(cell, "root", "rotate");
    else if (spec->bench->rooted && spec->root != 0)
        set(cell, "root", "%d", spec->root);
    if (spec->pairs != NULL)
        set(cell, "pairs", "%s", spec->pairs);
    if (spec->round_number > 0)
        set(cell, "round", "%d", spec->round_number);
    if (spec->bench->windowed && window != default_window)
        set(cell, "window", "%d", window);
    if (spec->buffers != WM_BUFFERS_HOT && spec->bench->bytes_rule != WM_BYTES_NONE)
        set(cell, "buffers", "%s", wm_buffers_names[spec->buffers]);
    if (spec->bench->clock_of == WM_CLOCK_SLOWEST && spec->sync != WM_SYNC_BARRIER)
        set(cell, "sync", "%s", wm_sync_names[spec->sync]);
}

/* As in --mem. */
static void name_memory(const struct wm_plan_memory *m, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s%s%s", m->send->name, m->send != m->receive ? ":" : "",
             m->send != m->receive ? m->receive->name : "");
}

static int count_hosts(const int *host_of, const int *ranks, int n)
{
    int hosts = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < i && host_of[ranks[k]] != host_of[ranks[i]])
            k++;
        hosts += k == i;
    }
    return hosts;
}

/* Of pairs: whether each stays on a host. Of a group: one host, one rank on each, or between. */
static const char *placement(const struct wm_plan *plan, const struct wm_arm_spec *spec, int members, int hosts)
{
    int same = 0;
    if (spec->round == NULL)
        return hosts == 1 ? "same-host" : hosts == members ? "cross-host" : "mixed";
    for (int i = 0; i < spec->round->n; i++)
        same += plan->host_of[spec->round->pair[i].from] == plan->host_of[spec->round->pair[i].to];
    return same == spec->round->n ? "same-host" : same == 0 ? "cross-host" : "mixed";
}

static void place(const struct wm_plan *plan, const struct wm_arm_spec *spec, struct wm_result_cell *out)
{
    int *ranks = calloc((size_t)plan->ranks, sizeof(*ranks));
    if (spec->bench->shape == WM_ALONE) {
        out->ranks = out->hosts = 1;
    } else if (spec->round == NULL || ranks == NULL) {
        out->ranks = plan->ranks;
        out->hosts = plan->hosts;
    } else {
        out->ranks = wm_plan_members(plan, spec, ranks);
        out->hosts = count_hosts(plan->host_of, ranks, out->ranks);
    }
    free(ranks);
    snprintf(out->placement, sizeof(out->placement), "%s", placement(plan, spec, out->ranks, out->hosts));
}

static void write_id(struct wm_result_cell *c)
{
    size_t used = (size_t)snprintf(c->id, sizeof(c->id), "bench=%s transport=%s path=%s mem=%s bytes=%lld", c->bench,
                                   c->transport, c->path, c->mem, (long long)c->bytes);
    const char *parts[][2] = { { "dtype", c->dtype }, { "op", c->op }, { "algo", c->algo } };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && used < sizeof(c->id); i++)
        if (parts[i][1][0] != '\0')
            used += (size_t)snprintf(c->id + used, sizeof(c->id) - used, " %s=%s", parts[i][0], parts[i][1]);
    if (used < sizeof(c->id))
        used += (size_t)snprintf(c->id + used, sizeof(c->id) - used, " ranks=%d hosts=%d placement=%s", c->ranks,
                                 c->hosts, c->placement);
    for (int i = 0; i < c->n_settings && used < sizeof(c->id); i++)
        used +=
            (size_t)snprintf(c->id + used, sizeof(c->id) - used, " %s=%s", c->settings[i].name, c->settings[i].value);
}

/* What copies where no transport does is named as the transport of such copies. */
static const char *transport_of(const struct wm_arm_spec *spec, const struct wm_plan_transport *t)
{
    if (spec->bench->shape != WM_ALONE)
        return t->transport->name;
    return spec->memory->send->simulated || spec->memory->receive->simulated ? "sim" : "cuda";
}

static bool is_simulated(const struct wm_mem *mem)
{
    return mem->simulated || (mem != &wm_mem_host && wm_cuda_simulated());
}

void wm_plan_identity(const struct wm_plan *plan, const struct wm_sweep *sweep, int size, int arm,
                      struct wm_result_cell *out)
{
    const struct wm_arm_spec *spec = &sweep->arm[arm];
    const struct wm_cell *cell = &sweep->cell[size * sweep->n_arms + arm];
    const struct wm_plan_transport *t = &plan->transport[spec->transport];
    const bool alone = spec->bench->shape == WM_ALONE;
    wm_result_cell_init(out);
    snprintf(out->bench, sizeof(out->bench), "%s", spec->bench->name);
    snprintf(out->transport, sizeof(out->transport), "%s", transport_of(spec, t));
    snprintf(out->path, sizeof(out->path), "%s", wm_path_names[spec->path]);
    name_memory(spec->memory, out->mem, sizeof(out->mem));
    snprintf(out->algo, sizeof(out->algo), "%s", spec->algo->name);
    out->bytes = (int64_t)cell->bytes;
    if (spec->bench->bytes_rule == WM_BYTES_PER_RANK)
        out->block_bytes = (int64_t)(cell->bytes / (size_t)plan->ranks);
    if (spec->bench->bytes_rule != WM_BYTES_NONE)
        snprintf(out->dtype, sizeof(out->dtype), "%s", wm_dtype_names[spec->type]);
    if (spec->bench->reduces)
        snprintf(out->op, sizeof(out->op), "%s", wm_redop_names[spec->op]);
    out->simulated =
        (!alone && t->transport->simulated) || is_simulated(spec->memory->send) || is_simulated(spec->memory->receive);
    out->status = WM_NOT_RUN;
    place(plan, spec, out);
    set_run_options(out, plan->conf, alone ? WM_FABRIC_UNKNOWN : t->fabric, spec, cell->window);
    if (!alone)
        set_own_options(out, &t->group);
    set_own_options(out, &spec->memory->group);
    write_id(out);
}

int wm_plan_arm_identity(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm, char of[WM_ID_BYTES],
                         struct wm_err *err)
{
    struct wm_result_cell *cell = malloc(sizeof(*cell));
    if (cell == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "a cell");
    wm_plan_identity(plan, sweep, 0, arm, cell);
    const char *bytes = strstr(cell->id, " bytes=");
    const char *after = bytes == NULL ? "" : bytes + 1 + strcspn(bytes + 1, " ");
    int before = bytes == NULL ? (int)strlen(cell->id) : (int)(bytes - cell->id);
    snprintf(of, WM_ID_BYTES, "%.*s%s", before, cell->id, after);
    free(cell);
    return WM_OK;
}

/* ---- labels of arms ---- */

/* A factor that is an option of transports; nothing of those that do not have it. */
static void own_text(const struct wm_plan_transport *t, const char *factor, char *text, size_t bytes)
{
    snprintf(text, bytes, "-");
    for (const struct wm_option *row = t->transport->options; row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, factor) == 0)
            list_text(row, (const struct wm_int_list *)((const char *)t->group.conf + row->offset), text, bytes);
}

static void factor_text(const struct wm_plan *plan, const struct wm_arm_spec *spec, const char *factor, char *text,
                        size_t bytes)
{
    if (strcmp(factor, "transport") == 0)
        snprintf(text, bytes, "%s", plan->transport[spec->transport].transport->name);
    else if (strcmp(factor, "mem") == 0)
        name_memory(spec->memory, text, bytes);
    else if (strcmp(factor, "path") == 0)
        snprintf(text, bytes, "%s", wm_path_names[spec->path]);
    else if (strcmp(factor, "fabric") == 0)
        snprintf(text, bytes, "%s", wm_fabric_names[plan->transport[spec->transport].fabric]);
    else if (strcmp(factor, "provider") == 0)
        snprintf(text, bytes, "%s",
                 plan->transport[spec->transport].provider != NULL ? plan->transport[spec->transport].provider : "-");
    else if (strcmp(factor, "dtype") == 0)
        snprintf(text, bytes, "%s", wm_dtype_names[spec->type]);
    else if (strcmp(factor, "op") == 0)
        snprintf(text, bytes, "%s", wm_redop_names[spec->op]);
    else if (strcmp(factor, "algo") == 0)
        snprintf(text, bytes, "%s", spec->algo->name);
    else if (strcmp(factor, "root") == 0 && spec->root == WM_ROOT_ROTATE)
        snprintf(text, bytes, "rotate");
    else if (strcmp(factor, "root") == 0)
        snprintf(text, bytes, "%d", spec->root);
    else if (strcmp(factor, "pairs") == 0)
        snprintf(text, bytes, "%s", spec->pairs != NULL ? spec->pairs : "default");
    else if (strcmp(factor, "window") == 0)
        snprintf(text, bytes, "%d", spec->window);
    else if (strcmp(factor, "buffers") == 0)
        snprintf(text, bytes, "%s", wm_buffers_names[spec->buffers]);
    else if (strcmp(factor, "sync") == 0)
        snprintf(text, bytes, "%s", wm_sync_names[spec->sync]);
    else
        own_text(&plan->transport[spec->transport], factor, text, bytes);
}

const char *wm_plan_arm_label(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm, char *text,
                              size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < sweep->n_varies && used < bytes; i++) {
        char value[64];
        factor_text(plan, &sweep->arm[arm], sweep->varies[i], value, sizeof(value));
        used += (size_t)snprintf(text + used, bytes - used, "%s%s=%s", used ? " " : "", sweep->varies[i], value);
    }
    return text;
}
