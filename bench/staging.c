#include "bench/staging.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ratios.h"

static bool differ_in_path_only(const struct wm_arm_spec *a, const struct wm_arm_spec *b)
{
    return a->algo == b->algo && a->transport == b->transport && a->memory == b->memory && a->type == b->type &&
           a->op == b->op && a->root == b->root && a->window == b->window && a->buffers == b->buffers &&
           a->sync == b->sync && a->round == b->round;
}

static int any_of(const struct wm_staging_group *g)
{
    return g->direct >= 0 ? g->direct : g->staged >= 0 ? g->staged : g->pipelined;
}

static struct wm_staging_group *group_of(struct wm_staging *s, const struct wm_sweep *sweep, int arm)
{
    for (int g = 0; g < s->n; g++) {
        if (differ_in_path_only(&sweep->arm[any_of(&s->group[g])], &sweep->arm[arm]))
            return &s->group[g];
    }
    s->group[s->n] = (struct wm_staging_group){ .direct = -1, .staged = -1, .pipelined = -1 };
    return &s->group[s->n++];
}

int wm_staging_open(struct wm_staging *s, const struct wm_sweep *sweep, struct wm_err *err)
{
    *s = (struct wm_staging){
        .sweep = sweep,
        .group = calloc((size_t)sweep->n_arms, sizeof(*s->group)),
        .result = calloc((size_t)sweep->n_arms, sizeof(*s->result)),
    };
    if (s->group == NULL || s->result == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d arms of %s", sweep->n_arms, sweep->bench->name);
    for (int a = 0; a < sweep->n_arms; a++) {
        const enum wm_path path = sweep->arm[a].path;
        if (path == WM_PATH_HOST)
            continue;
        struct wm_staging_group *group = group_of(s, sweep, a);
        *(path == WM_PATH_DIRECT ? &group->direct : path == WM_PATH_STAGED ? &group->staged : &group->pipelined) = a;
    }
    return WM_OK;
}

void wm_staging_close(struct wm_staging *s)
{
    free(s->group);
    free(s->result);
    *s = (struct wm_staging){ 0 };
}

struct wm_suspicion wm_staging_suspect(const struct wm_parts *parts, bool overlaps, const struct wm_ratio_point *seen)
{
    static const double least = 1.2;
    const double in = isfinite(parts->device_to_host_ns) ? parts->device_to_host_ns : 0;
    const double out = isfinite(parts->host_to_device_ns) ? parts->host_to_device_ns : 0;
    const double slowest = fmax(fmax(in, out), parts->network_ns);
    const double expected = (overlaps ? slowest : in + parts->network_ns + out) / parts->network_ns;
    const bool is_judged = isfinite(expected) && expected >= least && isfinite(seen->ci95_low);
    return (struct wm_suspicion){
        .expected = is_judged ? expected : NAN,
        .suspected = is_judged && seen->ci95_high < sqrt(expected),
    };
}

static bool is_measured(const struct wm_arm *arms, int a)
{
    return a >= 0 && arms[a].cell->planned && arms[a].status == WM_MEASURED;
}

static struct wm_ratio_point ratio(const struct wm_arm *arms, int base, int other, uint64_t seed)
{
    if (is_measured(arms, base) && is_measured(arms, other))
        return wm_ratio_of(&arms[base], &arms[other], seed);
    return (struct wm_ratio_point){ .ratio = NAN, .ci95_low = NAN, .ci95_high = NAN };
}

static void keep_group(struct wm_staging_group *g, const struct wm_arm *arms, uint64_t seed)
{
    const struct wm_ratio_point staged = ratio(arms, g->direct, g->staged, seed);
    const struct wm_ratio_point pipelined = ratio(arms, g->direct, g->pipelined, seed);
    const struct wm_ratio_point gain = ratio(arms, g->pipelined, g->staged, seed);
    if (!isfinite(staged.ratio) && !isfinite(pipelined.ratio) && !isfinite(gain.ratio))
        return;
    const int any = is_measured(arms, g->direct) ? g->direct : g->staged;
    g->result.bytes = (int64_t)arms[any].cell->bytes;
    g->result.staged = staged;
    g->result.pipelined = pipelined;
    g->result.gain = gain;
    if (!isfinite(staged.ratio))
        return;
    const struct wm_suspicion s = wm_staging_suspect(&arms[g->staged].parts, arms[g->staged].cell->window > 1, &staged);
    g->judged += isfinite(s.expected);
    g->suspected += s.suspected;
}

void wm_staging_keep(struct wm_staging *s, const struct wm_arm *arms, uint64_t seed)
{
    for (int g = 0; g < s->n; g++)
        keep_group(&s->group[g], arms, seed);
}

/* The label of an arm without its path. */
static void name_group(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm, char *out, size_t bytes)
{
    char label[WM_ARM_LABEL_BYTES], *rest = label;
    size_t used = 0;
    wm_plan_arm_label(plan, sweep, arm, label, sizeof(label));
    out[0] = '\0';
    for (char *word = strtok_r(rest, " ", &rest); word != NULL && used < bytes; word = strtok_r(NULL, " ", &rest))
        if (strncmp(word, "path=", 5) != 0)
            used += (size_t)snprintf(out + used, bytes - used, "%s%s", used > 0 ? " " : "", word);
}

static int members(const struct wm_staging_group *g)
{
    return (g->direct >= 0) + (g->staged >= 0) + (g->pipelined >= 0);
}

const struct wm_result_staging *wm_staging_results(struct wm_staging *s, const struct wm_plan *plan, int *n)
{
    *n = 0;
    for (int g = 0; g < s->n; g++) {
        struct wm_staging_group *group = &s->group[g];
        if (group->result.bytes == 0 || members(group) < 2)
            continue;
        name_group(plan, s->sweep, any_of(group), group->result.of, sizeof(group->result.of));
        group->result.judged_sizes = group->judged;
        group->result.suspected_sizes = group->suspected;
        s->result[(*n)++] = group->result;
    }
    return s->result;
}
