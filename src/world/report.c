#include "src/world/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/world/watch.h"

#define MOST_GROUPS 24 /* lines of a report; the rest is counted */

static const char *const phase_names[WM_PHASES] = {
    [WM_PHASE_START] = "MPI_Init", [WM_PHASE_OPEN] = "open",
    [WM_PHASE_WARMUP] = "warm-up", [WM_PHASE_MEASURE] = "measure",
    [WM_PHASE_VERIFY] = "verify",  [WM_PHASE_RECORD] = "record",
    [WM_PHASE_IDLE] = "idle",      [WM_PHASE_LOOK] = "the look at the nodes",
    [WM_PHASE_END] = "end",
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

/* Ascending numbers as "0, 2-63". */
struct runs {
    struct wm_lines list;
    int from, to; /* the run that is not written yet; from < 0 = none */
};

static void write_run(struct runs *r)
{
    struct wm_lines *list = &r->list;
    if (r->from < 0)
        return;
    if (list->used + 32 > list->bytes) {
        if (list->used < 4 || strcmp(list->text + list->used - 3, "...") != 0)
            wm_lines_add(list, ", ...");
        return;
    }
    wm_lines_add(list, r->to > r->from ? "%s%d-%d" : "%s%d", list->used > 0 ? ", " : "", r->from, r->to);
}

static void add_number(struct runs *r, int number)
{
    if (r->from < 0 || number != r->to + 1) {
        write_run(r);
        r->from = number;
    }
    r->to = number;
}

static void gather_group(const struct wm_scene *scene, int first, struct group *g)
{
    struct runs runs = { { g->list, sizeof(g->list), 0 }, -1, -1 };
    *g = (struct group){ .first = &scene->sight[first], .one_host = true };
    for (int i = first; i < scene->n; i++) {
        const struct wm_sight *s = &scene->sight[i];
        if (!alike(s, g->first))
            continue;
        g->ranks++;
        g->one_host &= s->host == g->first->host;
        add_number(&runs, s->rank >= 0 ? s->rank : i);
    }
    write_run(&runs);
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

/** The gravest one, and of those the first; NULL = none. */
static const struct wm_sight *first_fault(const struct wm_scene *scene, enum wm_fault least)
{
    const struct wm_sight *first = NULL;
    for (int i = 0; i < scene->n; i++) {
        const struct wm_sight *s = &scene->sight[i];
        if (s->fault != WM_FAULT_NONE && s->fault >= least &&
            (first == NULL || s->fault > first->fault ||
             (s->fault == first->fault && s->fault_age_ms > first->fault_age_ms)))
            first = s;
    }
    return first;
}

/** Does this rank stand in the operation that failed elsewhere, or has it given up there? */
static bool waits_for(const struct wm_sight *s, const struct wm_sight *failed)
{
    return s->state == WM_SEEN_ALIVE && s->fault < failed->fault && s->cell == failed->fault_cell &&
           s->phase >= WM_PHASE_OPEN && s->phase < WM_PHASE_RECORD;
}

char *wm_report_fault(const struct wm_scene *scene, const struct wm_sight *headline, enum wm_fault least, char *text,
                      size_t bytes)
{
    const struct wm_sight *failed = first_fault(scene, least);
    struct wm_lines out = { text, bytes, 0 };
    char list[160] = "";
    struct runs waiting = { { list, sizeof(list), 0 }, -1, -1 };
    const char *cell = NULL;
    int ranks = 0;
    text[0] = '\0';
    if (failed == NULL)
        return text;
    for (int i = 0; i < scene->n; i++) {
        if (waits_for(&scene->sight[i], failed)) {
            add_number(&waiting, scene->sight[i].rank);
            ranks++;
        }
    }
    write_run(&waiting);
    wm_lines_add(&out, "rank %d on %s %s: %s", failed->rank, scene->host[failed->host],
                 failed->fault == WM_FAULT_FAILED ? "failed" : "gave up", failed->fault_text);
    if (scene->cell_name != NULL && headline->cell != failed->fault_cell)
        cell = scene->cell_name(scene->arg, failed->fault_cell);
    if (cell != NULL)
        wm_lines_add(&out, " in %s", cell);
    if (ranks > 0)
        wm_lines_add(&out, ranks > 1 ? "; ranks %s wait for it" : "; rank %s waits for it", list);
    return text;
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
