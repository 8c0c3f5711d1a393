/**
 * How a run ends early. Everything here runs in the watch's thread while the main thread may be stuck anywhere, in MPI,
 * in malloc, in stdio: so no malloc, no stdio, and every wait is bounded.
 */
#ifndef WM_WORLD_ENDING_H
#define WM_WORLD_ENDING_H

#include <signal.h>

#include "src/world/stage.h"
#include "src/world/watch.h"

struct wm_ending {
    struct wm_stage *stage;
    const struct wm_watch_conf *conf; /* does not change any more */
    const sigset_t *signals;          /* blocked; waited for instead of sleeping */
    char text[16384];                 /* the report */
};

/** What a phase may last without progress; 0 = any time. */
uint64_t wm_phase_limit_ns(const struct wm_watch_conf *conf, uint32_t phase);

/**
 * The stage has been looked at everywhere. The lowest living rank reports and ends the run with 124; the others leave
 * it the time to do so.
 * @param alone  report in any case: the rank whose duty it is has not done it
 */
void wm_end_by_deadline(struct wm_ending *ending, bool alone) __attribute__((noreturn));

/** SIGTERM or SIGINT has come. Rank 0 completes the result and tells why, the others wait until it has. */
void wm_end_by_signal(struct wm_ending *ending, int number) __attribute__((noreturn));

/** The run is over and explained: leaves with that status, and without a word. */
void wm_end_quietly(struct wm_stage *stage, int status) __attribute__((noreturn));

#endif
