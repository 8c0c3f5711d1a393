#include "src/world/world.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/world/native.h"

/* What stands behind a struct wm_world. */
struct opened {
    struct wm_world world;
    MPI_Comm comm;
    struct wm_place places[];
};

static struct opened *inside(struct wm_world *world)
{
    return (struct opened *)world; /* its first member */
}

static struct opened *allocate(int rank, int size, struct wm_err *err)
{
    struct opened *o = calloc(1, sizeof(*o) + (size_t)size * sizeof(o->places[0]));
    if (o == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for a world of %d ranks", size);
        return NULL;
    }
    o->comm = MPI_COMM_NULL;
    o->world = (struct wm_world){ .rank = rank, .size = size, .hosts = 1, .places = o->places };
    return o;
}

int wm_world_solo(struct wm_world **out, struct wm_err *err)
{
    struct opened *o = allocate(0, 1, err);
    if (o == NULL)
        return err->code;
    if (wm_places_gather(&o->world, o->places, err) != WM_OK) {
        free(o);
        return err->code;
    }
    *out = &o->world;
    return WM_OK;
}

/** Takes over comm (frees it on failure); collective over its members. */
static int adopt(MPI_Comm comm, struct wm_world **out, struct wm_err *err)
{
    struct opened *o;
    int rank = 0, size = 1, rc = MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_rank(comm, &rank);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_size(comm, &size);
    wm_mpi_check(rc, "MPI_Comm_rank", "find this rank", err);
    o = err->code == WM_OK ? allocate(rank, size, err) : NULL;
    if (o == NULL) {
        MPI_Comm_free(&comm);
        return err->code;
    }
    o->comm = comm;
    o->world.native = &o->comm;
    if (wm_places_gather(&o->world, o->places, err) != WM_OK) {
        wm_world_part_close(&o->world);
        return err->code;
    }
    *out = &o->world;
    return WM_OK;
}

/**
 * Each process then believes to be alone. One must say it: a launcher ends all at the first status that is not 0, so
 * the others give the launcher's rank 0 time to speak.
 */
static int refuse(const struct wm_launch *launch, int size, struct wm_err *err)
{
    const struct timespec half_second = { .tv_nsec = 500000000 };
    bool slurm = strcmp(launch->launcher, "Slurm") == 0;
    if (launch->rank > 0)
        nanosleep(&half_second, NULL);
    return wm_fail(err, WM_EUSAGE, "", 0, "the launcher started %d ranks but MPI sees %d: %s", launch->size, size,
                   slurm ? "srun does not speak with the MPI that this binary was built with; use its mpirun, or "
                           "srun --mpi=pmix (Open MPI), --mpi=pmi2 (MPICH)"
                         : "this binary was built with another MPI than the launcher's; use its mpirun");
}

static int open_world(const struct wm_launch *launch, struct wm_world **out, struct wm_err *err)
{
    MPI_Comm comm;
    int size = 0, rc = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (wm_mpi_check(rc, "MPI_Comm_size", "count the ranks", err) != WM_OK)
        return err->code;
    if (launch->size > 0 && launch->size != size)
        return refuse(launch, size, err);
    rc = MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    if (wm_mpi_check(rc, "MPI_Comm_dup", "make a communicator of our own", err) != WM_OK)
        return err->code;
    return adopt(comm, out, err);
}

/* As a plain MPI_Init: the watch's thread never calls MPI, and what is measured is what a program without threads gets.
 * With FUNNELED Open MPI 4.1 takes locks that cost 70 ns a message (docs/method.md). */
int wm_world_open(int *argc, char ***argv, const struct wm_launch *launch, struct wm_world **out, struct wm_err *err)
{
    int rc = MPI_Init(argc, argv);
    *out = NULL;
    if (wm_mpi_check(rc, "MPI_Init", "start MPI", err) != WM_OK)
        return err->code;
    if (open_world(launch, out, err) != WM_OK)
        MPI_Finalize();
    return err->code;
}

void wm_world_part_close(struct wm_world *part)
{
    if (part == NULL)
        return;
    if (inside(part)->comm != MPI_COMM_NULL)
        MPI_Comm_free(&inside(part)->comm);
    free(part);
}

void wm_world_close(struct wm_world *world)
{
    bool mpi = world != NULL && world->native != NULL;
    wm_world_part_close(world);
    if (mpi)
        MPI_Finalize();
}

int wm_world_part(const struct wm_world *world, const int *ranks, int n, struct wm_world **out, struct wm_err *err)
{
    MPI_Group all = MPI_GROUP_NULL, some = MPI_GROUP_NULL;
    MPI_Comm comm = MPI_COMM_NULL;
    int rc;
    *out = NULL;
    if (world->native == NULL)
        return wm_world_solo(out, err);
    rc = MPI_Comm_group(wm_comm(world), &all);
    if (rc == MPI_SUCCESS)
        rc = MPI_Group_incl(all, n, ranks, &some);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_create_group(wm_comm(world), some, 0, &comm);
    if (wm_mpi_check(rc, "MPI_Comm_create_group", "make a communicator of some ranks", err) == WM_OK)
        adopt(comm, out, err);
    if (some != MPI_GROUP_NULL)
        MPI_Group_free(&some);
    if (all != MPI_GROUP_NULL)
        MPI_Group_free(&all);
    return err->code;
}

const char *wm_world_mpi_version(char *text, size_t bytes)
{
    char full[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(full, &length);
    full[strcspn(full, "\n")] = '\0';
    for (char *c = full; *c != '\0'; c++)
        if (*c == '\t')
            *c = ' ';
    snprintf(text, bytes, "%.*s", (int)bytes - 1, full);
    return text;
}

void wm_world_abort(const struct wm_world *world, int status)
{
    int up = 0, down = 1;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    if (up && !down)
        MPI_Abort(world != NULL && world->native != NULL ? wm_comm(world) : MPI_COMM_WORLD, status);
    _exit(status);
}
