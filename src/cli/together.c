#include "src/cli/together.h"

#include <signal.h>
#include <stdio.h>

#include "src/cli/command.h"

int wm_cli_together(const struct wm_launch *launch, int *argc, char ***argv, wm_cli_work *work, void *arg,
                    struct wm_err *err)
{
    struct wm_err opened = { .rank = -1 };
    struct wm_world *world;
    if (wm_world_open(argc, argv, launch, &world, &opened) != WM_OK)
        return launch->rank <= 0 ? wm_cli_fail(&opened) : wm_exit_status(opened.code);
    uint64_t status = 0;
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK)
        status = (uint64_t)work(arg, world, err);
    wm_world_agree(world, WM_SLEEP, err);
    if (world->rank == 0) {
        err->rank = -1; /* the user's words are the same everywhere, and what is one host's names it */
        wm_cli_fail(err);
        fflush(stdout);
    }
    status = (uint64_t)wm_exit_worse((int)status, wm_exit_status(err->code));
    wm_world_max(world, &status, 1, WM_SLEEP, &opened);
    if (status != 0) /* a launcher ends the others when the first has left with it: all is said already */
        signal(SIGTERM, SIG_IGN);
    wm_world_close(world);
    return (int)status;
}
