/*
 * A rank that stands still: put before the MPI with LD_PRELOAD. At the WM_STOP_AT-th MPI_Iallreduce (counted from 0)
 * rank WM_STOP_RANK stops itself, as a debugger or an operator's SIGSTOP would.
 */
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : fallback;
}

int MPI_Iallreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request)
{
    static long seen;
    long rank = number("OMPI_COMM_WORLD_RANK", number("PMI_RANK", -1));
    if (rank == number("WM_STOP_RANK", -2) && seen++ == number("WM_STOP_AT", 0))
        raise(SIGSTOP);
    return PMPI_Iallreduce(send, recv, count, type, op, comm, request);
}
