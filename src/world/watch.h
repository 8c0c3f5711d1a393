/**
 * The only authority over deadlines, signals and lost ranks. One thread a process, started before MPI_Init, with no
 * MPI in it. It keeps a board, a line a rank, in memory shared by the ranks of a host; hosts ask each other over TCP,
 * and only when something is wrong. docs/operating.md tells what a user sees.
 *
 * At the deadline of a phase it raises `expired`: loops that poll return WM_ETIMEOUT, the arm is lost, the run goes on.
 * A process that does not leave the phase within 5 s more is stuck in a call that cannot be interrupted: the lowest
 * living rank says who stands still (alive time old: stopped; process gone: killed; fresh: waits in the phase), rank 0
 * writes its last words, all leave with 124.
 */
#ifndef WM_WATCH_H
#define WM_WATCH_H

#include <stdatomic.h>

#include "src/world/board.h"
#include "src/world/world.h"

enum wm_phase {
    WM_PHASE_START,
    WM_PHASE_OPEN,
    WM_PHASE_WARMUP,
    WM_PHASE_MEASURE,
    WM_PHASE_VERIFY,
    WM_PHASE_RECORD,
    WM_PHASE_IDLE, /* waits while others work: no deadline of its own */
    WM_PHASE_LOOK, /* topo and doctor: at the nodes, and the gathering of it */
    WM_PHASE_END,
    WM_PHASES
};

enum wm_watch_end { WM_END_SIGNAL, WM_END_DEADLINE };

struct wm_watch_conf {
    uint64_t open_timeout_ns; /* START (MPI_Init) and OPEN */
    uint64_t timeout_ns;      /* every other phase, counted from its begin or the last wm_watch_progress() */
    bool no_journal;          /* nothing is measured: the report points at no file */
    /* Text of a cell for the report; called from the thread. NULL result: no cell. */
    const char *(*cell_name)(void *arg, uint32_t cell);
    /* Rank 0 only: complete the partial result from what is on disk within 0.5 s; called from the thread, once, when
     * the run ends by a signal, a lost rank or a deadline. `why` is one line, as in the result's ended_by.
     * Returns what the last line says of the result, "partial result in r.json", or NULL. */
    const char *(*last_words)(void *arg, const char *why, enum wm_watch_end by);
    void *arg;
};

struct wm_watch;

/** Before MPI_Init. Blocks SIGTERM and SIGINT in this and all later threads: the watch's thread takes them. */
int wm_watch_start(const struct wm_launch *launch, const struct wm_watch_conf *conf, struct wm_watch **out,
                   struct wm_err *err);

/** Collective, after wm_world_open: hosts learn each other's addresses; the board's shared name is removed. */
int wm_watch_connect(struct wm_watch *watch, const struct wm_world *world, struct wm_err *err);

/** Sets what the plan made known: cell names and last words (conf.arg). Before the first measured cell. */
void wm_watch_inform(struct wm_watch *watch, const struct wm_watch_conf *conf);

/* Written per phase and per block, never per operation. */
void wm_watch_phase(struct wm_watch *watch, enum wm_phase phase, uint32_t cell);
void wm_watch_progress(struct wm_watch *watch); /* an operation or block is complete: the deadline starts anew */

/**
 * An operation failed on this rank while others may be stuck in it: if the run ends by that, this is the first thing
 * that is told. The first of them counts, until all ranks know: WM_FAULT_NONE.
 */
void wm_watch_fault(struct wm_watch *watch, enum wm_fault kind, const char *text);

/** What polling loops look at; cleared when the next phase begins. */
const atomic_bool *wm_watch_expired(const struct wm_watch *watch);

/** Ends the thread; SIGTERM and SIGINT are what they were. NULL is allowed. */
void wm_watch_stop(struct wm_watch *watch);

#endif
