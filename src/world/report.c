#include "src/world/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/world/watch.h"

#define MOST_GROUPS 24 /* lines of a report; the rest is counted */

static const char *const phase_names[WM_PHASES] = {
    [WM_PHASE_START] = "MPI_Init",  [WM_PHASE_OPEN] = "open",     [WM_PHASE_WARMUP] = "warm-up",
    [WM_PHASE_MEASURE] = "measure", [WM_PHASE_VERIFY] = "verify", [WM_PHASE_RECORD] = "record",
    [WM_PHASE_IDLE] = "idle",       [WM_PHASE_END] = "end",
};

/* Culprits first, and among them those that can be named best. */
static const enum wm_sight_state order[] = { WM_SEEN_GONE, WM_SEEN_STOPPED, WM_SEEN_NEVER, WM_SEEN_NOTHING,
                                             WM_SEEN_ALIVE };

void wm_lines_add(struct wm_lines *lines, const char *format, ...)
{
    va_list ap;
    int n;
    va_start(ap, format);
    n = vsnprintf(lines->text + lines->used, lines->bytes - lines->used, format, ap);
    va_end(ap);
    if (n > 0)
        lines->used += (size_t)n;
    if (lines->used >= lines->bytes)
        lines->used = lines->bytes - 1;
}

static const char *phase_name(uint32_t phase)
{
    return phase < WM_PHASES ? phase_names[phase] : "?";
}

static const char *cell_of(const struct wm_scene *scene, const struct wm_sight *s)
{
    bool has_cell = s->phase >= WM_PHASE_WARMUP && s->phase <= WM_PHASE_RECORD;
    return has_cell && scene->cell_name != NULL ? scene->cell_name(scene->arg, s->cell) : NULL;
}

char *wm_report_where(const struct wm_scene *scene, const struct wm_sight *sight, char *text, size_t bytes)
{
    const char *cell = cell_of(scene, sight);
    if (cell != NULL)
        snprintf(text, bytes, "%s (%s)", cell, phase_name(sight->phase));
    else
        snprintf(text, bytes, "%s", phase_name(sight->phase));
    return text;
}

/** Do two ranks stand alike, so that one line tells of both? */
static bool alike(const struct wm_sight *a, const struct wm_sight *b)
{
    if (a->state != b->state)
        return false;
    if (a->state == WM_SEEN_ALIVE)
        return a->phase == b->phase && a->cell == b->cell && a->block == b->block;
    return a->host == b->host;
}

/* What one group's line is made of. */
struct group {
    const struct wm_sight *first;
    int ranks;
    bool one_host;
    char list[160]; /* "0, 2-63" */
};

static void add_run(struct wm_lines *list, int from, int to)
{
    if (list->used + 32 > list->bytes) {
        if (list->used < 4 || strcmp(list->text + list->used - 3, "...") != 0)
            wm_lines_add(list, ", ...");
        return;
    }
    wm_lines_add(list, to > from ? "%s%d-%d" : "%s%d", list->used > 0 ? ", " : "", from, to);
}

static void gather_group(const struct wm_scene *scene, int first, struct group *g)
{
    struct wm_lines list = { g->list, sizeof(g->list), 0 };
    int from = -1, to = -1;
    *g = (struct group){ .first = &scene->sight[first], .one_host = true };
    for (int i = first; i < scene->n; i++) {
        const struct wm_sight *s = &scene->sight[i];
        int label = s->rank >= 0 ? s->rank : i;
        if (!alike(s, g->first))
            continue;
        g->ranks++;
        g->one_host &= s->host == g->first->host;
        if (from >= 0 && label != to + 1)
            add_run(&list, from, to);
        from = from < 0 || label != to + 1 ? label : from;
        to = label;
    }
    add_run(&list, from, to);
}

/** told: a rank whose cell stands in the headline, or NULL. */
static void say_alive(const struct wm_scene *scene, const struct group *g, const struct wm_sight *told,
                      struct wm_lines *out)
{
    const char *cell = cell_of(scene, g->first);
    wm_lines_add(out, g->ranks > 1 ? " wait in %s" : " waits in %s", phase_name(g->first->phase));
    if (g->first->phase > WM_PHASE_OPEN && g->first->phase < WM_PHASE_RECORD)
        wm_lines_add(out, ", block %u", g->first->block);
    if (cell != NULL && (told == NULL || told->cell != g->first->cell))
        wm_lines_add(out, " of %s", cell);
}

/** " (no sign of life for 63 s; process 4711)", as far as it is known. */
static void say_process(const struct wm_sight *s, bool one, struct wm_lines *out)
{
    bool stopped = s->state == WM_SEEN_STOPPED, pid = one && s->pid > 0;
    if (stopped && s->alive_age_ms == WM_AGE_UNKNOWN)
        wm_lines_add(out, " (the host answers, the process does not");
    else if (stopped)
        wm_lines_add(out, " (no sign of life for %.3g s", s->alive_age_ms / 1e3);
    if (pid)
        wm_lines_add(out, "%sprocess %d", stopped ? "; " : " (", s->pid);
    if (stopped || pid)
        wm_lines_add(out, ")");
}

static void say_group(const struct wm_scene *scene, const struct group *g, const struct wm_sight *told,
                      struct wm_lines *out)
{
    const struct wm_sight *s = g->first;
    const char *plural = g->ranks > 1 ? "s" : "", *are = g->ranks > 1 ? "are" : "is";
    if (s->state == WM_SEEN_NOTHING) {
        wm_lines_add(out, "host %s (rank%s %s) does not answer", scene->host[s->host], plural, g->list);
        return;
    }
    wm_lines_add(out, "%srank%s %s", s->rank < 0 ? "local " : "", plural, g->list);
    if (g->one_host)
        wm_lines_add(out, " on %s", scene->host[s->host]);
    if (s->state == WM_SEEN_ALIVE) {
        say_alive(scene, g, told, out);
    } else if (s->state == WM_SEEN_NEVER) {
        wm_lines_add(out, " never came to MPI_Init");
    } else {
        wm_lines_add(out, " %s %s", are, s->state == WM_SEEN_GONE ? "gone" : "stopped");
        say_process(s, g->ranks == 1, out);
    }
}

/** The first rank of this state that is like none of the groups already told; n = none. */
static int next_group(const struct wm_scene *scene, enum wm_sight_state state, const struct group *told, int n_told,
                      int from)
{
    for (int i = from; i < scene->n; i++) {
        bool known = scene->sight[i].state != state;
        for (int g = n_told - 1; g >= 0 && !known; g--)
            known = alike(&scene->sight[i], told[g].first);
        if (!known)
            return i;
    }
    return scene->n;
}

void wm_report_ranks(const struct wm_scene *scene, const struct wm_sight *headline, struct wm_lines *out)
{
    struct group told[MOST_GROUPS];
    int n = 0;
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        int i = next_group(scene, order[k], told, n, 0);
        while (i < scene->n && n < MOST_GROUPS) {
            gather_group(scene, i, &told[n]);
            wm_lines_add(out, "wiremark:   ");
            say_group(scene, &told[n++], headline, out);
            wm_lines_add(out, "\n");
            i = next_group(scene, order[k], told, n, i + 1);
        }
        if (i < scene->n) {
            wm_lines_add(out, "wiremark:   others stand elsewhere\n");
            return;
        }
    }
}

char *wm_report_culprit(const struct wm_scene *scene, bool at_deadline, char *text, size_t bytes)
{
    struct wm_lines out = { text, bytes, 0 };
    struct group g;
    text[0] = '\0';
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]) && order[k] != WM_SEEN_ALIVE; k++) {
        bool counts = at_deadline || order[k] == WM_SEEN_GONE || order[k] == WM_SEEN_NOTHING;
        int i = counts ? next_group(scene, order[k], NULL, 0, 0) : scene->n;
        if (i == scene->n)
            continue;
        gather_group(scene, i, &g);
        say_group(scene, &g, NULL, &out);
        break;
    }
    return text;
}
