/**
 * Started by mpirun -n N: watch_check MODE [RANK] [TIMEOUT_S [OPEN_TIMEOUT_S]] gets into trouble as told; who started
 * it looks at the exit status and the words on stderr. start RANK     stops before MPI_Init stop RANK      stops in a
 * cell, the others wait for it inside MPI kill RANK      is killed there absent RANK    lives, and never comes to where
 * the others wait poll RANK      stops; the others poll the flag, give up and meet again idle RANK      waits longer
 * than the deadline while the others work: nothing may happen well           ends in good order
 */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/world/watch.h"
#include "tests/unit/check.h"

struct setting {
    const char *mode;
    int rank;
    uint64_t timeout_ns, open_timeout_ns;
};

static const char *cell_name(void *arg, uint32_t cell)
{
    (void)arg;
    return cell == 7 ? "latency mpi 8 B" : "another cell";
}

static const char *last_words(void *arg, const char *why)
{
    (void)arg;
    dprintf(STDERR_FILENO, "last words: %s\n", why);
    return "partial.json";
}

static void doze_s(double s)
{
    struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };
    nanosleep(&t, NULL);
}

static void trouble(const struct setting *set, struct wm_watch *watch, const struct wm_world *world)
{
    struct wm_err err = { 0 };
    const atomic_bool *expired = wm_watch_expired(watch);
    bool me = world->rank == set->rank;
    double timeout_s = (double)set->timeout_ns / 1e9;
    wm_watch_phase(watch, WM_PHASE_MEASURE, 7);
    wm_watch_progress(watch);
    if (me && (strcmp(set->mode, "stop") == 0 || strcmp(set->mode, "poll") == 0))
        raise(SIGSTOP);
    if (me && strcmp(set->mode, "kill") == 0)
        raise(SIGKILL);
    while (me && strcmp(set->mode, "absent") == 0)
        doze_s(1);
    if (strcmp(set->mode, "poll") == 0) {
        while (!*expired)
            doze_s(0.01);
        wm_watch_phase(watch, WM_PHASE_RECORD, 7);
    }
    for (int i = 0; i < 10 && !me && strcmp(set->mode, "idle") == 0; i++) {
        doze_s(timeout_s * 0.3);
        wm_watch_progress(watch);
    }
    for (int i = 0; i < 9 && !me && strcmp(set->mode, "idle") == 0; i++) {
        doze_s(timeout_s * 0.3);
        wm_watch_phase(watch, WM_PHASE_VERIFY, 7);
    }
    wm_world_barrier(world, me ? WM_SLEEP : WM_SPIN, &err);
    wm_watch_phase(watch, WM_PHASE_END, 0);
}

int main(int argc, char **argv)
{
    struct setting set = { .mode = argc > 1 ? argv[1] : "well", .rank = argc > 2 ? atoi(argv[2]) : -1 };
    struct wm_watch_conf conf = { 0 };
    struct wm_launch launch;
    struct wm_world *world = NULL;
    struct wm_watch *watch = NULL;
    struct wm_err err = { 0 };
    set.timeout_ns = (uint64_t)((argc > 3 ? atof(argv[3]) : 3) * 1e9);
    set.open_timeout_ns = (uint64_t)((argc > 4 ? atof(argv[4]) : 20) * 1e9);
    conf.timeout_ns = set.timeout_ns;
    conf.open_timeout_ns = set.open_timeout_ns;
    wm_launch_read(&launch);
    if (wm_watch_start(&launch, &conf, &watch, &err) == WM_OK && strcmp(set.mode, "start") == 0 &&
        launch.rank == set.rank)
        raise(SIGSTOP);
    if (err.code == WM_OK && wm_world_open(&argc, &argv, &launch, &world, &err) == WM_OK &&
        wm_watch_connect(watch, world, &err) == WM_OK) {
        conf.cell_name = cell_name;
        conf.last_words = last_words;
        wm_watch_inform(watch, &conf);
        if (world->rank == 0)
            dprintf(STDERR_FILENO, "ready\n");
        trouble(&set, watch, world);
    }
    if (err.code != WM_OK)
        wm_err_print(stderr, &err);
    wm_world_close(world);
    wm_watch_stop(watch);
    return wm_exit_status(err.code);
}
