/*
 * A network that flips a byte: put before the MPI with LD_PRELOAD. The WM_FLIP_AT-th message of WM_FLIP_BYTES or more
 * that this process receives has a byte changed; WM_FLIP_RANK says in which rank, by the launcher's variables.
 */
#include <dlfcn.h>
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
    return rank == number("WM_FLIP_RANK", 1);
}

int MPI_Recv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    static long seen;
    int size = 0, rc = PMPI_Recv(buf, count, type, source, tag, comm, status);
    PMPI_Type_size(type, &size);
    long bytes = (long)count * size;
    if (rc == MPI_SUCCESS && here() && bytes >= number("WM_FLIP_BYTES", 8) && seen++ == number("WM_FLIP_AT", 0))
        ((unsigned char *)buf)[bytes / 2] ^= 0x10;
    return rc;
}
