/** What the launcher's environment says, before MPI_Init. */
#ifndef WM_WORLD_LAUNCH_H
#define WM_WORLD_LAUNCH_H

#include <stdbool.h>

struct wm_launch {
    bool launched;  /* a launcher's variable is set */
    int rank, size; /* -1 = not said */
    int local_rank, local_size;
    char job[96];      /* the same for all ranks of a host in one launch, different between launches */
    char launcher[32]; /* "Open MPI", "MPICH", "Slurm": for messages */
};

/** Reads OMPI_COMM_WORLD_*, PMI_*, MPI_LOCALRANKID, PMIX_*, SLURM_*; never fails. */
void wm_launch_read(struct wm_launch *out);

#endif
