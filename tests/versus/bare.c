/* The least that measures the same: bare MPI calls, one buffer a side, the median of 60 blocks of about 10 ms.
 * usage: bare latency|bandwidth BYTES    prints nanoseconds a message */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 60, WINDOW = 64 };
static int rank, peer, bytes;
static char *in, *out, ack;
static MPI_Request request[WINDOW];

static void latency(void)
{
    if (rank == 0)
        MPI_Send(in, bytes, MPI_BYTE, peer, 0, MPI_COMM_WORLD);
    MPI_Recv(out, bytes, MPI_BYTE, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank == 1)
        MPI_Send(in, bytes, MPI_BYTE, peer, 0, MPI_COMM_WORLD);
}

static void bandwidth(void)
{
    for (int i = 0; i < WINDOW; i++)
        if (rank == 0)
            MPI_Isend(in, bytes, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &request[i]);
        else
            MPI_Irecv(out, bytes, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &request[i]);
    MPI_Waitall(WINDOW, request, MPI_STATUSES_IGNORE);
    if (rank == 0)
        MPI_Recv(&ack, 1, MPI_BYTE, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    else
        MPI_Send(&ack, 1, MPI_BYTE, peer, 0, MPI_COMM_WORLD);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds(void (*operation)(void), int n)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = MPI_Wtime();
    for (int i = 0; i < n; i++)
        operation();
    return MPI_Wtime() - begin;
}

int main(int argc, char **argv)
{
    double block[BLOCKS];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    peer = 1 - rank;
    bytes = argc == 3 ? atoi(argv[2]) : 8;
    void (*operation)(void) = argc == 3 && strcmp(argv[1], "bandwidth") == 0 ? bandwidth : latency;
    double messages = operation == bandwidth ? WINDOW : 2;
    if (posix_memalign((void **)&in, 4096, (size_t)bytes) || posix_memalign((void **)&out, 4096, (size_t)bytes))
        return 1;
    memset(in, 1, (size_t)bytes);
    memset(out, 2, (size_t)bytes);
    seconds(operation, 100);
    int n = (int)(0.01 / (seconds(operation, 20) / 20)) + 5;
    MPI_Bcast(&n, 1, MPI_INT, 0, MPI_COMM_WORLD);
    for (int b = 0; b < BLOCKS; b++)
        block[b] = seconds(operation, n) / n / messages * 1e9;
    qsort(block, BLOCKS, sizeof(*block), ascending);
    if (rank == 0)
        printf("%.3f\n", block[BLOCKS / 2]);
    MPI_Finalize();
    return 0;
}
