/*
 * A collective that fails on one rank alone: put before the MPI with LD_PRELOAD. From the WM_FAIL_AT-th call on
 * (counted from 0) MPI_Allreduce returns an error in rank WM_FAIL_RANK, in every rank where it is not set, without
 * telling the other ranks, which wait for it.
 */
#include <mpi.h>
#include <stdlib.h>

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : fallback;
}

static int here(void)
{
    long rank = number("OMPI_COMM_WORLD_RANK", number("PMI_RANK", -1));
    return rank == number("WM_FAIL_RANK", rank);
}

int MPI_Allreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    static long seen;
    if (here() && seen++ >= number("WM_FAIL_AT", 0))
        return MPI_ERR_INTERN;
    return PMPI_Allreduce(send, recv, count, type, op, comm);
}
