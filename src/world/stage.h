/**
 * What the watch sees: before MPI_Init has returned the ranks of this host, known by the launcher's variables; after
 * wm_watch_connect() all ranks of the run.
 */
#ifndef WM_WORLD_STAGE_H
#define WM_WORLD_STAGE_H

#include "src/world/ask.h"
#include "src/world/board.h"
#include "src/world/report.h"
#include "src/world/world.h"

struct wm_stage {
    struct wm_board board;
    int own;      /* this process's line */
    int rank;     /* in the run; -1 = not known yet */
    int expected; /* local ranks that must come; 0 = the launcher did not say */
    bool joined;
    struct wm_scene scene;
    struct wm_ask ask; /* open only where there are several hosts */
};

/** Before MPI_Init. Without a launcher, or without shared memory, this process sees itself alone. */
int wm_stage_first(const struct wm_launch *launch, struct wm_stage *out, struct wm_err *err);

/** Collective: a board of exactly this run's ranks, and the channel between hosts. */
int wm_stage_join(const struct wm_world *world, struct wm_stage *out, struct wm_err *err);
void wm_stage_close(struct wm_stage *stage); /* zeroed is allowed */

static inline struct wm_board_line *wm_stage_line(const struct wm_stage *stage)
{
    return &stage->board.line[stage->own];
}

/** A sign of life, and answers for those who ask. */
void wm_stage_breathe(struct wm_stage *stage);

/** Fills scene.sight for the ranks of this host. */
void wm_stage_look_here(struct wm_stage *stage);

/** Fills all of scene.sight; `over` as in wm_ask_all(). At most budget_ns. */
void wm_stage_look_everywhere(struct wm_stage *stage, uint32_t over, uint64_t budget_ns);

/** Index in scene.sight of the lowest rank that is alive; -1 = none. */
int wm_stage_lowest_alive(const struct wm_stage *stage);

/** Is this process the lowest of its host that is alive? */
bool wm_stage_leads(const struct wm_stage *stage);

#endif
