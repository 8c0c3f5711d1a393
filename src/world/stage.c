#include "src/world/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "src/core/clock.h"

#define ROUND_NS 500000000u /* one try to reach a host; its processes look every 100 ms */

static int allocate_scene(struct wm_scene *scene, int ranks, int hosts, struct wm_err *err)
{
    scene->sight = calloc((size_t)ranks, sizeof(*scene->sight));
    scene->host = calloc((size_t)hosts, sizeof(*scene->host));
    if (scene->sight == NULL || scene->host == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for the watchdog of %d ranks", ranks);
    scene->n = ranks;
    scene->hosts = hosts;
    return WM_OK;
}

/** Takes this process's line, or where the launcher tells none the first free one. False: it is held. */
static bool hold_line(struct wm_stage *stage, int line)
{
    int last = line >= 0 ? line : stage->board.lines - 1;
    for (int i = line >= 0 ? line : 0; i <= last; i++) {
        if (wm_board_hold(&stage->board, i, stage->rank)) {
            stage->own = i;
            return true;
        }
    }
    return false;
}

/** False: there is no shared memory to be had. Deadlines work without, the report knows less. */
static bool share_board(const struct wm_launch *launch, struct wm_stage *stage)
{
    char name[256];
    struct wm_err ignored = { 0 };
    if (!launch->launched || launch->job[0] == '\0' || launch->local_rank >= WM_BOARD_LINES)
        return false;
    snprintf(name, sizeof(name), "/wiremark-%s-%s", stage->scene.host[0], launch->job);
    for (char *c = name + 1; *c != '\0'; c++)
        if (*c == '/')
            *c = '_';
    /* A line that is held belongs to an earlier run of the same name, killed before it could remove the board. */
    for (int i = 0; i < 3 && wm_board_shared(name, WM_BOARD_LINES, &stage->board, &ignored) == WM_OK; i++) {
        if (hold_line(stage, launch->local_rank))
            return true;
        wm_board_close(&stage->board);
    }
    return false;
}

int wm_stage_first(const struct wm_launch *launch, struct wm_stage *out, struct wm_err *err)
{
    int ranks = !launch->launched ? 1 : launch->local_size > 0 ? launch->local_size : WM_BOARD_LINES;
    memset(out, 0, sizeof(*out));
    out->ask.listener = -1;
    out->rank = launch->launched ? launch->rank : 0;
    out->expected = launch->local_size > 0 ? launch->local_size : 0;
    if (allocate_scene(&out->scene, ranks < WM_BOARD_LINES ? ranks : WM_BOARD_LINES, 1, err) != WM_OK)
        return err->code;
    gethostname(out->scene.host[0], sizeof(out->scene.host[0]) - 1);
    if (share_board(launch, out))
        return WM_OK;
    out->scene.n = 1;
    if (wm_board_private(1, &out->board, err) == WM_OK)
        hold_line(out, 0);
    return err->code;
}

static void name_hosts(const struct wm_world *world, struct wm_scene *scene)
{
    for (int r = 0; r < world->size; r++) {
        const struct wm_place *p = &world->places[r];
        scene->sight[r].rank = r;
        scene->sight[r].host = p->host_index;
        if (p->local_rank == 0)
            memcpy(scene->host[p->host_index], p->host, sizeof(p->host));
    }
}

static int local_size(const struct wm_world *world)
{
    int n = 0;
    for (int r = 0; r < world->size; r++)
        n += world->places[r].host_index == world->places[world->rank].host_index;
    return n;
}

/** The lowest rank of a host creates the board, the others find it; then its name goes. */
static int join_board(const struct wm_world *world, const uint8_t token[16], struct wm_stage *out, struct wm_err *err)
{
    const struct wm_place *self = &world->places[world->rank];
    int lines = local_size(world);
    char name[256];
    int used = snprintf(name, sizeof(name), "/wiremark-%s-%d-", self->host, self->host_index);
    for (int i = 0; i < 16; i++)
        used += snprintf(name + used, sizeof(name) - (size_t)used, "%02x", token[i]);
    if (self->local_rank == 0)
        wm_board_shared(name, lines, &out->board, err);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK && self->local_rank != 0)
        wm_board_shared(name, lines, &out->board, err);
    if (err->code == WM_OK && !hold_line(out, self->local_rank))
        wm_fail(err, WM_EBUG, "", 0, "line %d of the progress board is held by another process", self->local_rank);
    wm_world_agree(world, WM_SPIN, err);
    wm_board_unlink(&out->board);
    return err->code;
}

int wm_stage_join(const struct wm_world *world, struct wm_stage *out, struct wm_err *err)
{
    uint8_t token[16];
    memset(out, 0, sizeof(*out));
    out->ask.listener = -1;
    out->rank = world->rank;
    out->expected = world->size;
    out->joined = true;
    if (world->rank == 0 && getrandom(token, sizeof(token), 0) != (ssize_t)sizeof(token))
        wm_fail_errno(err, "getrandom", "no random numbers for the watchdog");
    if (err->code == WM_OK)
        allocate_scene(&out->scene, world->size, world->hosts, err);
    if (wm_world_agree(world, WM_SPIN, err) != WM_OK ||
        wm_world_bcast(world, 0, token, sizeof(token), WM_SPIN, err) != WM_OK)
        return err->code;
    name_hosts(world, &out->scene);
    if (join_board(world, token, out, err) == WM_OK && world->hosts > 1)
        wm_ask_open(&out->ask, world, token, err);
    return err->code;
}

void wm_stage_close(struct wm_stage *stage)
{
    wm_ask_close(&stage->ask);
    wm_board_close(&stage->board);
    free(stage->scene.sight);
    free(stage->scene.host);
    memset(stage, 0, sizeof(*stage));
}

void wm_stage_breathe(struct wm_stage *stage)
{
    wm_stage_line(stage)->alive_ns = wm_now_ns();
    wm_ask_serve(&stage->ask, &stage->board);
}

/** The sight that shows a line of the own board. */
static struct wm_sight *sight_of_line(struct wm_stage *stage, int line)
{
    const struct wm_ask *ask = &stage->ask;
    if (ask->hosts == 0)
        return &stage->scene.sight[line]; /* one host: lines are ranks, or local ranks */
    return &stage->scene.sight[ask->member[ask->host[ask->self].first + line]];
}

void wm_stage_look_here(struct wm_stage *stage)
{
    uint64_t now_ns = wm_now_ns();
    int last = stage->board.lines < stage->scene.n ? stage->board.lines : stage->scene.n;
    for (int i = 0; i < last; i++) {
        struct wm_sight *s = sight_of_line(stage, i);
        int host = s->host;
        wm_board_look(&stage->board, i, now_ns, s);
        s->host = host;
        if (s->state == WM_SEEN_NEVER && i >= stage->expected)
            s->state = WM_SEEN_ENDED;
    }
}

void wm_stage_look_everywhere(struct wm_stage *stage, uint32_t over, uint64_t budget_ns)
{
    wm_stage_look_here(stage);
    if (stage->ask.hosts > 0)
        wm_ask_all(&stage->ask, &stage->board, wm_stage_line(stage), over, budget_ns,
                   budget_ns < ROUND_NS ? budget_ns : ROUND_NS, stage->scene.sight);
}

int wm_stage_lowest_alive(const struct wm_stage *stage)
{
    for (int i = 0; i < stage->scene.n; i++)
        if (stage->scene.sight[i].state == WM_SEEN_ALIVE)
            return i;
    return -1;
}

bool wm_stage_leads(const struct wm_stage *stage)
{
    return wm_board_lowest_alive(&stage->board, wm_now_ns()) == stage->own;
}
