/** What the files of src/world share about MPI; nobody else includes it. */
#ifndef WM_WORLD_NATIVE_H
#define WM_WORLD_NATIVE_H

#include <mpi.h>

#include "src/world/world.h"

/* An MPI count is an int: longer data go in pieces. Tests make it small. */
#ifndef WM_PIECE_BYTES
#define WM_PIECE_BYTES ((size_t)1 << 30)
#endif

static inline MPI_Comm wm_comm(const struct wm_world *world)
{
    return *(const MPI_Comm *)world->native;
}

/** Records a failed MPI call with the library's own text. Returns err->code, WM_OK for MPI_SUCCESS. */
int wm_mpi_check(int rc, const char *call, const char *what, struct wm_err *err);

/**
 * Waits for one request, spinning or sleeping; a spinning rank yields where cores are short. Returns MPI's code.
 * Whoever waits otherwise than its peers has still started the same operation as they.
 */
int wm_mpi_complete(const struct wm_world *world, MPI_Request *request, enum wm_wait wait);

/**
 * Collective over the world's communicator: who runs where. Sets hosts and crowded.
 * @param places  out, world->size of them
 */
int wm_places_gather(struct wm_world *world, struct wm_place *places, struct wm_err *err);

#endif
