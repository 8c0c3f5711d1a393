/**
 * Inside of transport mpi: mpi.c is its table, its messages and its windows, mpi_coll.c the library's collectives with
 * the types that count above INT_MAX, mpi_library.c what the library says.
 */
#ifndef WM_MPI_EP_H
#define WM_MPI_EP_H

#include <mpi.h>

#include "src/transport/transport.h"

struct wm_mpi_target; /* a window of a peer: mpi.c's own */

struct wm_mpi_ep {
    struct wm_ep ep;
    MPI_Comm comm;
    MPI_Request *request;          /* by slot */
    MPI_Status *status;            /* by slot; looked at after an error */
    bool *receives;                /* by slot: what its last request is */
    struct wm_mpi_target **target; /* by slot: put or got there and not flushed for this slot yet */
    unsigned targets;              /* slots that have one */
    struct wm_region *windows;
    uint64_t next_window;
};

static inline struct wm_mpi_ep *wm_mpi_of(struct wm_ep *ep)
{
    return (struct wm_mpi_ep *)ep;
}

/* ---- mpi_library.c ---- */

/** A call of the library that returned rc: its class and text, and `format` for what was tried. Returns `code`. */
int wm_mpi_fail(struct wm_err *err, enum wm_code code, int rc, const char *call, const char *format, ...)
    __attribute__((noinline, cold, format(printf, 5, 6)));

/** "Open MPI 4.1.4", "MPICH 4.0.2". Returns text. */
const char *wm_mpi_version(char *text, size_t bytes);

/* ---- mpi_coll.c ---- */

/** n elements in a row, n above INT_MAX too; the second commits it. The library's status. */
int wm_mpi_make_row(size_t n, MPI_Datatype unit, MPI_Datatype *out);
int wm_mpi_make_committed_row(size_t n, MPI_Datatype unit, MPI_Datatype *out);

int wm_mpi_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS]);
int wm_mpi_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op, void **handle,
                     struct wm_err *err);
void wm_mpi_unbind_coll(struct wm_ep *ep, void *handle);

#endif
