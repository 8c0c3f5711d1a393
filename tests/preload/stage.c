/*
 * A network that stages device memory in secret: put before the MPI with LD_PRELOAD. Every blocking message that this
 * process sends from, or receives into, the simulated device takes WM_STAGE_NS longer.
 */
#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_device(const void *p)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    uintptr_t begin, end;
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
        found = strstr(line, "memfd:wiremark-device") != NULL &&
                sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2 && (uintptr_t)p >= begin &&
                (uintptr_t)p < end;
    if (maps != NULL)
        fclose(maps);
    return found;
}

static void stage(const void *buf)
{
    const char *text = getenv("WM_STAGE_NS");
    const long ns = text != NULL ? atol(text) : 0;
    const struct timespec t = { ns / 1000000000, ns % 1000000000 };
    if (is_device(buf))
        nanosleep(&t, NULL);
}

int MPI_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
    stage(buf);
    return PMPI_Send(buf, count, type, dest, tag, comm);
}

int MPI_Recv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    int rc = PMPI_Recv(buf, count, type, source, tag, comm, status);
    stage(buf);
    return rc;
}
