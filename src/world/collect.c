/**
 * Collectives outside the clock. All are nonblocking MPI operations waited for in one place, so that ranks that spin
 * and ranks that sleep meet in the same operation.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "src/core/clock.h"
#include "src/world/native.h"

int wm_mpi_check(int rc, const char *call, const char *what, struct wm_err *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int class = rc, length = 0;
    if (rc == MPI_SUCCESS)
        return WM_OK;
    MPI_Error_class(rc, &class);
    MPI_Error_string(rc, text, &length);
    text[strcspn(text, "\n")] = '\0';
    if (err->code != WM_OK)
        return err->code;
    wm_fail(err, WM_ESYS, call, class, "%s", what);
    snprintf(err->native_text, sizeof(err->native_text), "%.*s", (int)sizeof(err->native_text) - 1, text);
    return err->code;
}

/* A sixteenth of the time waited so far: a short wait loses little, a long one costs the others nothing. */
static void nap(uint64_t waited_ns)
{
    uint64_t ns = waited_ns / 16;
    struct timespec t = { 0 };
    ns = ns < 50000 ? 50000 : ns;
    t.tv_nsec = (long)(ns > 10000000 ? 10000000 : ns);
    nanosleep(&t, NULL);
}

static struct {
    int (*work)(void *arg);
    void *arg;
} meanwhile[16];
static int n_meanwhile;

bool wm_world_meanwhile(int (*work)(void *arg), void *arg)
{
    const int room = (int)(sizeof(meanwhile) / sizeof(*meanwhile));
    int i = 0;
    while (i < n_meanwhile && meanwhile[i].arg != arg)
        i++;
    if (work == NULL && i < n_meanwhile)
        meanwhile[i] = meanwhile[--n_meanwhile];
    if (work == NULL || i == room)
        return work == NULL;
    meanwhile[i].work = work;
    meanwhile[i].arg = arg;
    n_meanwhile += i == n_meanwhile;
    return true;
}

/* What goes wrong in it is told by the next operation there. */
static void work_meanwhile(void)
{
    for (int i = 0; i < n_meanwhile; i++)
        meanwhile[i].work(meanwhile[i].arg);
}

int wm_mpi_complete(const struct wm_world *world, MPI_Request *request, enum wm_wait wait)
{
    uint64_t begin_ns = wm_now_ns();
    int done = 0, rc;
    if (wait == WM_SPIN && !world->crowded && n_meanwhile == 0)
        return MPI_Wait(request, MPI_STATUS_IGNORE);
    for (;;) {
        rc = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS || done)
            return rc;
        work_meanwhile();
        if (wait == WM_SPIN && world->crowded)
            sched_yield();
        else if (wait == WM_SLEEP)
            nap(wm_now_ns() - begin_ns);
    }
}

static int finish(const struct wm_world *world, int rc, MPI_Request *request, enum wm_wait wait, const char *call,
                  struct wm_err *err)
{
    if (rc == MPI_SUCCESS)
        rc = wm_mpi_complete(world, request, wait);
    return wm_mpi_check(rc, call, "coordinate the ranks", err);
}

int wm_world_barrier(const struct wm_world *world, enum wm_wait wait, struct wm_err *err)
{
    MPI_Request request;
    int rc;
    if (world->native == NULL)
        return WM_OK;
    rc = MPI_Ibarrier(wm_comm(world), &request);
    return finish(world, rc, &request, wait, "MPI_Ibarrier", err);
}

static size_t piece(size_t left)
{
    return left < WM_PIECE_BYTES ? left : WM_PIECE_BYTES;
}

int wm_world_bcast(const struct wm_world *world, int root, void *data, size_t bytes, enum wm_wait wait,
                   struct wm_err *err)
{
    if (world->native == NULL)
        return WM_OK;
    for (size_t at = 0; at < bytes; at += piece(bytes - at)) {
        MPI_Request request;
        int rc = MPI_Ibcast((char *)data + at, (int)piece(bytes - at), MPI_BYTE, root, wm_comm(world), &request);
        rc = finish(world, rc, &request, wait, "MPI_Ibcast", err);
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

static int reduce(const struct wm_world *world, uint64_t *values, size_t n, MPI_Op op, enum wm_wait wait,
                  struct wm_err *err)
{
    if (world->native == NULL)
        return WM_OK;
    for (size_t at = 0; at < n; at += piece(n - at)) {
        MPI_Request request;
        int rc =
            MPI_Iallreduce(MPI_IN_PLACE, values + at, (int)piece(n - at), MPI_UINT64_T, op, wm_comm(world), &request);
        rc = finish(world, rc, &request, wait, "MPI_Iallreduce", err);
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

int wm_world_max(const struct wm_world *world, uint64_t *values, size_t n, enum wm_wait wait, struct wm_err *err)
{
    return reduce(world, values, n, MPI_MAX, wait, err);
}

int wm_world_sum(const struct wm_world *world, uint64_t *values, size_t n, enum wm_wait wait, struct wm_err *err)
{
    return reduce(world, values, n, MPI_SUM, wait, err);
}

/** One piece of every rank's block; blocks stand `stride` bytes apart at the receiver. */
static int gather_piece(const struct wm_world *world, const char *mine, size_t bytes, char *all, size_t stride,
                        bool to_all, enum wm_wait wait, struct wm_err *err)
{
    MPI_Datatype whole = MPI_DATATYPE_NULL, spread = MPI_DATATYPE_NULL;
    MPI_Request request;
    int n = (int)bytes, rc = MPI_Type_contiguous(n, MPI_BYTE, &whole);
    if (rc == MPI_SUCCESS)
        rc = MPI_Type_create_resized(whole, 0, (MPI_Aint)stride, &spread);
    if (rc == MPI_SUCCESS)
        rc = MPI_Type_commit(&spread);
    if (rc == MPI_SUCCESS && to_all)
        rc = MPI_Iallgather(mine, n, MPI_BYTE, all, 1, spread, wm_comm(world), &request);
    else if (rc == MPI_SUCCESS)
        rc = MPI_Igather(mine, n, MPI_BYTE, all, 1, spread, 0, wm_comm(world), &request);
    rc = finish(world, rc, &request, wait, to_all ? "MPI_Iallgather" : "MPI_Igather", err);
    if (spread != MPI_DATATYPE_NULL)
        MPI_Type_free(&spread);
    if (whole != MPI_DATATYPE_NULL)
        MPI_Type_free(&whole);
    return rc;
}

static int gather(const struct wm_world *world, const void *mine, size_t bytes, void *all, bool to_all,
                  enum wm_wait wait, struct wm_err *err)
{
    if (world->native == NULL) {
        memcpy(all, mine, bytes);
        return WM_OK;
    }
    for (size_t at = 0; at < bytes; at += piece(bytes - at)) {
        char *to = all == NULL ? NULL : (char *)all + at;
        int rc = gather_piece(world, (const char *)mine + at, piece(bytes - at), to, bytes, to_all, wait, err);
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

int wm_world_allgather(const struct wm_world *world, const void *mine, size_t bytes, void *all, struct wm_err *err)
{
    return gather(world, mine, bytes, all, true, WM_SPIN, err);
}

int wm_world_gather(const struct wm_world *world, const void *mine, size_t bytes, void *all, enum wm_wait wait,
                    struct wm_err *err)
{
    return gather(world, mine, bytes, all, false, wait, err);
}
