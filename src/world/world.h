/**
 * The ranks of a run, their hosts, and what they tell each other outside the clock. MPI is behind this header:
 * only src/world and the mpi transport see mpi.h.
 * Every function marked collective is called by all ranks of that world in the same order.
 */
#ifndef WM_WORLD_H
#define WM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/cpuset.h"
#include "src/core/err.h"
#include "src/world/launch.h"

struct wm_place {
    char host[64]; /* the kernel's host name */
    char cpus[64]; /* affinity as a list, "0-3,8"; cut with "..." */
    struct wm_cpuset cpu_set;
    int host_index; /* hosts are numbered by their lowest rank */
    int local_rank; /* among the run's ranks on this host */
    int cpu_count;
    int pid;
};

struct wm_world {
    int rank, size; /* without a launcher: 0 of 1 */
    int hosts;
    bool crowded;                  /* some host has more ranks than usable cores (affinity, cgroup quota) */
    const struct wm_place *places; /* by rank */
    void *native;                  /* MPI_Comm *, a duplicate; NULL in a solo world */
};

/** How a rank waits while others work: spinning costs nothing to those who measure with it, sleeping nothing to others.
 */
enum wm_wait { WM_SPIN, WM_SLEEP };

/** No launcher, no MPI_Init. */
int wm_world_solo(struct wm_world **out, struct wm_err *err);

/**
 * Collective: MPI_Init, hosts and places. Refuses (WM_EUSAGE) when MPI_Comm_size differs from what the
 * launcher's environment says: two MPIs mixed, n singletons.
 */
int wm_world_open(int *argc, char ***argv, const struct wm_launch *launch, struct wm_world **out, struct wm_err *err);
void wm_world_close(struct wm_world *world); /* collective; finalises MPI for the first world */

/** "Open MPI v4.1.4 ..." in one line; works before and without MPI_Init. */
const char *wm_world_mpi_version(char *text, size_t bytes);

/**
 * Collective over the listed ranks only (ascending, this rank among them). Ranks are renumbered 0..n-1 in list order.
 * places, hosts and crowded are those of the members.
 */
int wm_world_part(const struct wm_world *world, const int *ranks, int n, struct wm_world **out, struct wm_err *err);
void wm_world_part_close(struct wm_world *part); /* collective over its members */

/* Collective; 0 or an error of the library in err. */
int wm_world_barrier(const struct wm_world *world, enum wm_wait wait, struct wm_err *err);
int wm_world_bcast(const struct wm_world *world, int root, void *data, size_t bytes, enum wm_wait wait,
                   struct wm_err *err);
int wm_world_max(const struct wm_world *world, uint64_t *values, size_t n, enum wm_wait wait, struct wm_err *err);
int wm_world_sum(const struct wm_world *world, uint64_t *values, size_t n, enum wm_wait wait, struct wm_err *err);
/** Everyone's `bytes`, in rank order, to everyone. */
int wm_world_allgather(const struct wm_world *world, const void *mine, size_t bytes, void *all, struct wm_err *err);
/** Everyone's `bytes`, in rank order, to rank 0 (all: NULL elsewhere). Sleeping or spinning by `wait`. */
int wm_world_gather(const struct wm_world *world, const void *mine, size_t bytes, void *all, enum wm_wait wait,
                    struct wm_err *err);

/**
 * Local, for all worlds of the process: work that is done over and over while a rank waits in a collective of this
 * header, such as serving peers that reach into its memory. One entry for each arg; work NULL takes it out again.
 * @return false when there is no room for another one
 */
bool wm_world_meanwhile(int (*work)(void *arg), void *arg);

/**
 * Collective: if any rank failed, every rank gets that error (of the lowest rank among the worst; a failure outranks a
 * skip (WM_EUNSUP)), with err->rank set to its rank in this world. Returns err->code. Ranks wait by `wait`: after a
 * comparison in which only some ranks took part, the others sleep here.
 */
int wm_world_agree(const struct wm_world *world, enum wm_wait wait, struct wm_err *err);

/**
 * Collective: relates each rank's CLOCK_MONOTONIC to rank 0's by minimum round trips (Cristian 1989) along a binomial
 * tree of hosts; ranks of one host share a clock.
 * @param offset_ns       out: add it to this rank's time to get rank 0's
 * @param uncertainty_ns  out: half the round trips of the way to rank 0, summed; 0 on rank 0's host
 */
int wm_world_clock_offset(const struct wm_world *world, int64_t *offset_ns, uint64_t *uncertainty_ns,
                          struct wm_err *err);

/** MPI_Abort where MPI is up, else _exit. Does not return. */
void wm_world_abort(const struct wm_world *world, int status) __attribute__((noreturn));

#endif
