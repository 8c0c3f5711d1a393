/** A subcommand on all ranks of a launch. */
#ifndef WM_CLI_TOGETHER_H
#define WM_CLI_TOGETHER_H

#include "src/world/launch.h"
#include "src/world/world.h"

/* Collective: returns an exit status, or leaves its error in err; rank 0 prints. */
typedef int wm_cli_work(void *arg, const struct wm_world *world, struct wm_err *err);

/**
 * Starts the watch and MPI, runs `work` unless some rank came with an error already (err), lets rank 0 say what went
 * wrong and ends MPI. All ranks return the same exit status, once rank 0 has said everything. A rank that stands still
 * is named, and ends them all with 124.
 * @param timeout_ns  for MPI to start, and then for the work; 0 = a minute each
 */
int wm_cli_together(const struct wm_launch *launch, int *argc, char ***argv, uint64_t timeout_ns, wm_cli_work *work,
                    void *arg, struct wm_err *err);

#endif
