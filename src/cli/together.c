#include "src/cli/together.h"

#include <signal.h>
#include <stdio.h>

#include "src/cli/command.h"
#include "src/world/watch.h"

#define MINUTE_NS 60000000000u

static int begin(const struct wm_launch *launch, int *argc, char ***argv, uint64_t timeout_ns, struct wm_watch **watch,
                 struct wm_world **world, struct wm_err *err)
{
    struct wm_watch_conf conf = { .no_journal = true };
    conf.timeout_ns = conf.open_timeout_ns = timeout_ns > 0 ? timeout_ns : MINUTE_NS;
    if (wm_watch_start(launch, &conf, watch, err) != WM_OK || wm_world_open(argc, argv, launch, world, err) != WM_OK)
        return err->code;
    wm_watch_phase(*watch, WM_PHASE_LOOK, UINT32_MAX);
    return WM_OK;
}

/* An error that one rank came with, in its words or in its machine, is told before any of the ways between them. */
static int together(struct wm_world *world, struct wm_watch *watch, wm_cli_work *work, void *arg, struct wm_err *err)
{
    uint64_t status = 0;
    struct wm_err lost = { .rank = -1 };
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK && wm_watch_connect(watch, world, err) == WM_OK)
        status = (uint64_t)work(arg, world, err);
    wm_world_agree(world, WM_SLEEP, err);
    if (world->rank == 0) {
        err->rank = -1; /* the user's words are the same everywhere, and what is one host's names it */
        wm_cli_fail(err);
        fflush(stdout);
    }
    status = (uint64_t)wm_exit_worse((int)status, wm_exit_status(err->code));
    wm_world_max(world, &status, 1, WM_SLEEP, &lost);
    wm_watch_phase(watch, WM_PHASE_END, UINT32_MAX);
    return (int)status;
}

int wm_cli_together(const struct wm_launch *launch, int *argc, char ***argv, uint64_t timeout_ns, wm_cli_work *work,
                    void *arg, struct wm_err *err)
{
    struct wm_err opened = { .rank = -1 };
    struct wm_watch *watch = NULL;
    struct wm_world *world = NULL;
    if (begin(launch, argc, argv, timeout_ns, &watch, &world, &opened) != WM_OK) {
        wm_watch_stop(watch);
        return launch->rank <= 0 ? wm_cli_fail(&opened) : wm_exit_status(opened.code);
    }
    int status = together(world, watch, work, arg, err);
    if (status != 0) { /* a launcher ends the others when the first has left with it: all is said already */
        signal(SIGTERM, SIG_IGN);
        wm_watch_stop(watch);
        watch = NULL;
    }
    wm_world_close(world);
    wm_watch_stop(watch);
    return status;
}
