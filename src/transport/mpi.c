/**
 * The MPI library's own two-sided, one-sided and collective operations, called as a user would call them.
 * Blocking calls, flushes and collectives cannot look at the deadline: the watch ends a run that is stuck in one.
 */
#include <dlfcn.h>
#include <mpi.h>

#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/transport.h"

#define TAG 0

/* A window of a peer, as an origin sees it. */
struct target {
    MPI_Win win;
    int peer;
    bool open; /* operations since the last flush */
};

/* Made by reg (a window of all ranks, with this rank's part of it) or by import (one peer's part). */
struct wm_region {
    MPI_Win win;
    uint64_t id; /* counts the endpoint's windows: the same on all ranks */
    size_t bytes;
    struct target *target;  /* import only */
    struct wm_region *next; /* reg only: the endpoint's windows */
};

struct mpi_ep {
    struct wm_ep ep;
    MPI_Comm comm;
    MPI_Request *request;   /* by slot */
    MPI_Status *status;     /* by slot; looked at after an error */
    bool *receives;         /* by slot: what its last request is */
    struct target **target; /* by slot: put or got there and not flushed for this slot yet */
    unsigned targets;       /* slots that have one */
    struct wm_region *windows;
    uint64_t next_window;
};

/* What key() tells the peers. */
struct key {
    uint64_t id, bytes;
};

static struct mpi_ep *mpi_of(struct wm_ep *ep)
{
    return (struct mpi_ep *)ep;
}

/* "Open MPI 4.1.4", "MPICH 4.0.2" from "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." */
static const char *mpi_version(char *text, size_t bytes)
{
    char all[MPI_MAX_LIBRARY_VERSION_STRING] = "", name[64] = "";
    int n = 0;

    MPI_Get_library_version(all, &n);
    size_t name_end = strcspn(all, "0123456789"), number_end = name_end + strspn(all + name_end, "0123456789.abrc");
    for (const char *word = all; word < all + name_end; word += strcspn(word, " \t")) {
        word += strspn(word, " \t");
        size_t length = strcspn(word, " \t");
        if (word + length < all + name_end && strncmp(word, "Version:", 8) != 0)
            snprintf(name + strlen(name), sizeof(name) - strlen(name), "%.*s ", (int)length, word);
    }
    snprintf(text, bytes, "%s%.*s", name, (int)(number_end - name_end), all + name_end);
    return text;
}

/* ---- Errors ---- */

static int __attribute__((noinline, cold, format(printf, 5, 6)))
mpi_fail(struct wm_err *err, enum wm_code code, int rc, const char *call, const char *format, ...)
{
    char what[sizeof(err->what)], text[MPI_MAX_ERROR_STRING] = "";
    int class = rc, n = 0;
    bool first = err->code == WM_OK;
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    MPI_Error_class(rc, &class);
    MPI_Error_string(rc, text, &n);
    text[strcspn(text, "\n")] = '\0';
    char *stack = strstr(text, ", error stack"); /* MPICH: its lines would follow */
    if (stack != NULL)
        *stack = '\0';
    wm_fail(err, code, call, class, "%s", what);
    if (first)
        snprintf(err->native_text, sizeof(err->native_text), "%.*s", (int)sizeof(err->native_text) - 1, text);
    return code;
}

static int __attribute__((noinline, cold))
message_failed(struct wm_ep *ep, int rc, const char *call, const struct wm_msg *msg)
{
    return mpi_fail(&ep->err, WM_ESYS, rc, call, "%zu bytes between rank %d and rank %d", msg->bytes, ep->world->rank,
                    msg->peer);
}

/* What is too long for its receive names its sender; the status of a send says nothing of its receiver. */
static int __attribute__((noinline, cold))
wait_failed(struct mpi_ep *e, int rc, const char *call, unsigned first, unsigned n)
{
    const MPI_Status *bad = &e->status[first];
    int class = rc;

    MPI_Error_class(rc, &class);
    if (class == MPI_ERR_IN_STATUS) {
        while (bad < &e->status[first + n - 1] && (bad->MPI_ERROR == MPI_SUCCESS || bad->MPI_ERROR == MPI_ERR_PENDING))
            bad++;
        rc = bad->MPI_ERROR;
        MPI_Error_class(rc, &class);
    }
    if (class == MPI_ERR_TRUNCATE)
        return mpi_fail(&e->ep.err, WM_ESYS, rc, call, "a message from rank %d to rank %d", bad->MPI_SOURCE,
                        e->ep.world->rank);
    return mpi_fail(&e->ep.err, WM_ESYS, rc, call, "a message of rank %d", e->ep.world->rank);
}

/* ---- Two-sided ---- */

static inline MPI_Datatype type_of(const struct wm_msg *msg)
{
    MPI_Datatype type;
    memcpy(&type, &msg->native, sizeof(type));
    return type;
}

static int mpi_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = MPI_Send(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, mpi_of(ep)->comm);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Send", msg);
}

static int mpi_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = MPI_Recv(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, mpi_of(ep)->comm, MPI_STATUS_IGNORE);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Recv", msg);
}

static int mpi_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mpi_ep *e = mpi_of(ep);
    e->receives[slot] = false;
    int rc = MPI_Isend(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, e->comm, &e->request[slot]);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Isend", msg);
}

static int mpi_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mpi_ep *e = mpi_of(ep);
    e->receives[slot] = true;
    int rc = MPI_Irecv(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, e->comm, &e->request[slot]);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Irecv", msg);
}

/* ---- One-sided: windows are locked for all once; a flush makes an operation complete at the target ---- */

static int mpi_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mpi_ep *e = mpi_of(ep);
    struct target *t = msg->remote->target;

    t->open = true;
    e->target[slot] = t;
    e->targets++;
    int rc = MPI_Put(msg->ptr, msg->native_count, type_of(msg), t->peer, (MPI_Aint)msg->remote_at, msg->native_count,
                     type_of(msg), t->win);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Put", msg);
}

static int mpi_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mpi_ep *e = mpi_of(ep);
    struct target *t = msg->remote->target;

    t->open = true;
    e->target[slot] = t;
    e->targets++;
    int rc = MPI_Get(msg->ptr, msg->native_count, type_of(msg), t->peer, (MPI_Aint)msg->remote_at, msg->native_count,
                     type_of(msg), t->win);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Get", msg);
}

/* One flush a peer, whatever the number of slots: the first one completes the others. */
static int flush(struct mpi_ep *e, unsigned first, unsigned n)
{
    for (unsigned slot = first; slot < first + n; slot++) {
        struct target *t = e->target[slot];
        if (t == NULL)
            continue;
        int rc = t->open ? MPI_Win_flush(t->peer, t->win) : MPI_SUCCESS;
        if (rc != MPI_SUCCESS)
            return mpi_fail(&e->ep.err, WM_ESYS, rc, "MPI_Win_flush", "window of rank %d", t->peer);
        t->open = false;
        e->target[slot] = NULL;
        e->targets--;
    }
    return WM_OK;
}

/* ---- Waiting ---- */

static int mpi_test(struct wm_ep *ep, unsigned slot)
{
    struct mpi_ep *e = mpi_of(ep);
    int done;

    if (e->targets > 0 && e->target[slot] != NULL)
        return flush(e, slot, 1);
    int rc = MPI_Test(&e->request[slot], &done, &e->status[slot]);
    if (rc != MPI_SUCCESS)
        return wait_failed(e, rc, "MPI_Test", slot, 1);
    return done ? WM_OK : WM_EAGAIN;
}

/* Polls one request while the library makes progress, and asks about all of them when that one is complete: a poll
 * costs the same for one message and for a window. The last one, as it is mostly the last to complete. */
static inline int wait_all(struct wm_ep *ep, unsigned first, unsigned n, bool yields)
{
    struct mpi_ep *e = mpi_of(ep);
    int rc = e->targets > 0 ? flush(e, first, n) : WM_OK, done = 0;

    if (rc != WM_OK)
        return rc;
    while ((rc = mpi_test(ep, first + n - 1)) == WM_EAGAIN) {
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        if (yields)
            sched_yield();
    }
    if (rc != WM_OK || n == 1)
        return rc;
    for (;;) {
        rc = MPI_Testall((int)n - 1, &e->request[first], &done, &e->status[first]);
        if (rc != MPI_SUCCESS)
            return wait_failed(e, rc, "MPI_Testall", first, n - 1);
        if (done)
            return WM_OK;
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        if (yields)
            sched_yield();
    }
}

static int mpi_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_all(ep, first, n, false);
}

static int mpi_wait_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_all(ep, first, n, true);
}

/* ---- Types above INT_MAX ---- */

/* n elements in a row, n above INT_MAX too: blocks of 2^30 and a rest. Not committed. */
static int make_row(size_t n, MPI_Datatype unit, MPI_Datatype *out)
{
    const size_t block_elements = (size_t)1 << 30;
    const int blocks = (int)(n / block_elements), rest = (int)(n % block_elements);
    MPI_Aint low, extent;
    MPI_Datatype block = MPI_DATATYPE_NULL;

    if (blocks == 0)
        return MPI_Type_contiguous(rest, unit, out);
    int rc = MPI_Type_get_extent(unit, &low, &extent);
    if (rc == MPI_SUCCESS)
        rc = MPI_Type_contiguous((int)block_elements, unit, &block);
    if (rc != MPI_SUCCESS)
        return rc;
    rc = MPI_Type_create_struct(2, (int[]){ blocks, rest }, (MPI_Aint[]){ 0, extent * (MPI_Aint)(n - (size_t)rest) },
                                (MPI_Datatype[]){ block, unit }, out);
    MPI_Type_free(&block);
    return rc;
}

static int make_committed_row(size_t n, MPI_Datatype unit, MPI_Datatype *out)
{
    int rc = make_row(n, unit, out);
    return rc == MPI_SUCCESS ? MPI_Type_commit(out) : rc;
}

static int mpi_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    MPI_Datatype type = MPI_BYTE;

    if (msg->remote != NULL &&
        (msg->remote_at > msg->remote->bytes || msg->bytes > msg->remote->bytes - msg->remote_at))
        return wm_fail(err, WM_EBUG, "", 0, "%zu bytes at %zu of the window of rank %d, which has %zu", msg->bytes,
                       msg->remote_at, msg->peer, msg->remote->bytes);
    msg->native_count = (int)msg->bytes;
    if (msg->bytes > INT_MAX) {
        int rc = make_committed_row(msg->bytes, MPI_BYTE, &type);
        if (rc != MPI_SUCCESS)
            return mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_struct", "a message of %zu bytes to rank %d", msg->bytes,
                            msg->peer);
        msg->native_count = 1;
    }
    (void)ep;
    memcpy(&msg->native, &type, sizeof(type));
    return WM_OK;
}

static void mpi_unbind_msg(struct wm_ep *ep, struct wm_msg *msg)
{
    MPI_Datatype type = type_of(msg);
    (void)ep;
    if (msg->bytes > INT_MAX)
        MPI_Type_free(&type);
}

/* ---- Collectives ---- */

enum { IN_PLACE = -1 }; /* beside the areas */

struct mpi_coll {
    const struct coll_kind *kind;
    int (*run)(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm);
    int send, recv;    /* an area, or IN_PLACE */
    MPI_Datatype type; /* of count: the elements' own, or made here */
    bool type_made;
    int count;
    int64_t elements; /* of the vector, for the functions with large counts */
    MPI_Op op;
    int root;
    int ranks;
    struct { /* alltoallv */
        int *counts, *at;
        MPI_Datatype *types;
    } to, from;
};

struct coll_kind {
    const char *call;
    int (*run)(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm);
    int (*run_large)(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm); /* NULL: by made types */
    bool reduces;
    bool by_rank; /* count is that of one rank's block */
};

static inline void *buffer(int which, void *const area[WM_AREAS])
{
    return which == IN_PLACE ? MPI_IN_PLACE : area[which];
}

static int run_allreduce(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Allreduce(buffer(c->send, area), area[c->recv], c->count, c->type, c->op, comm);
}

static int run_alltoall(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Alltoall(buffer(c->send, area), c->count, c->type, area[c->recv], c->count, c->type, comm);
}

static int run_alltoallv(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Alltoallv(buffer(c->send, area), c->to.counts, c->to.at, c->type, area[c->recv], c->from.counts,
                         c->from.at, c->type, comm);
}

/* Places above INT_MAX stand in the types. */
static int run_alltoallw(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Alltoallw(buffer(c->send, area), c->to.counts, c->to.at, c->to.types, area[c->recv], c->from.counts,
                         c->from.at, c->from.types, comm);
}

static int run_broadcast(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Bcast(area[c->recv], c->count, c->type, c->root, comm);
}

static int run_allgather(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Allgather(buffer(c->send, area), c->count, c->type, area[c->recv], c->count, c->type, comm);
}

static int run_reduce_scatter(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Reduce_scatter_block(buffer(c->send, area), area[c->recv], c->count, c->type, c->op, comm);
}

static int run_reduce(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Reduce(buffer(c->send, area), area[c->recv], c->count, c->type, c->op, c->root, comm);
}

static int run_gather(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Gather(buffer(c->send, area), c->count, c->type, area[c->recv], c->count, c->type, c->root, comm);
}

static int run_scatter(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Scatter(area[c->send], c->count, c->type, buffer(c->recv, area), c->count, c->type, c->root, comm);
}

static int run_barrier(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    (void)c;
    (void)area;
    return MPI_Barrier(comm);
}

#if MPI_VERSION >= 4
static int run_allreduce_large(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Allreduce_c(buffer(c->send, area), area[c->recv], c->elements, c->type, c->op, comm);
}

static int run_reduce_scatter_large(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Reduce_scatter_block_c(buffer(c->send, area), area[c->recv], c->elements, c->type, c->op, comm);
}

static int run_reduce_large(const struct mpi_coll *c, void *const area[WM_AREAS], MPI_Comm comm)
{
    return MPI_Reduce_c(buffer(c->send, area), area[c->recv], c->elements, c->type, c->op, c->root, comm);
}
#else
#define run_allreduce_large      NULL
#define run_reduce_scatter_large NULL
#define run_reduce_large         NULL
#endif

static const struct coll_kind coll_kinds[] = {
    [WM_COLL_ALLREDUCE] = { .call = "MPI_Allreduce",
                            .run = run_allreduce,
                            .run_large = run_allreduce_large,
                            .reduces = true },
    [WM_COLL_ALLTOALL] = { .call = "MPI_Alltoall", .run = run_alltoall, .by_rank = true },
    [WM_COLL_ALLTOALLV] = { .call = "MPI_Alltoallv", .run = run_alltoallv, .run_large = run_alltoallw },
    [WM_COLL_BROADCAST] = { .call = "MPI_Bcast", .run = run_broadcast },
    [WM_COLL_ALLGATHER] = { .call = "MPI_Allgather", .run = run_allgather, .by_rank = true },
    [WM_COLL_REDUCE_SCATTER] = { .call = "MPI_Reduce_scatter_block",
                                 .run = run_reduce_scatter,
                                 .run_large = run_reduce_scatter_large,
                                 .reduces = true,
                                 .by_rank = true },
    [WM_COLL_REDUCE] = { .call = "MPI_Reduce", .run = run_reduce, .run_large = run_reduce_large, .reduces = true },
    [WM_COLL_GATHER] = { .call = "MPI_Gather", .run = run_gather, .by_rank = true },
    [WM_COLL_SCATTER] = { .call = "MPI_Scatter", .run = run_scatter, .by_rank = true },
    [WM_COLL_BARRIER] = { .call = "MPI_Barrier", .run = run_barrier },
};

static int mpi_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    const struct mpi_coll *c = handle;
    int rc = c->run(c, area, mpi_of(ep)->comm);
    (void)slot;
    return rc == MPI_SUCCESS ? WM_OK
                             : mpi_fail(&ep->err, WM_ESYS, rc, c->kind->call, "collective of %d ranks", c->ranks);
}

static int find_type(enum wm_dtype type, MPI_Datatype *out, struct wm_err *err)
{
    const MPI_Datatype types[WM_DTYPES] = {
        [WM_INT8] = MPI_INT8_T,           [WM_INT32] = MPI_INT32_T, [WM_INT64] = MPI_INT64_T,
        [WM_FLOAT] = MPI_FLOAT,           [WM_DOUBLE] = MPI_DOUBLE, [WM_HALF] = MPI_DATATYPE_NULL,
        [WM_BFLOAT16] = MPI_DATATYPE_NULL
    };

    if (types[type] == MPI_DATATYPE_NULL)
        return wm_fail(err, WM_EUNSUP, "", 0, "MPI has no %s type: use a composed algorithm", wm_dtype_names[type]);
    *out = types[type];
    return WM_OK;
}

static MPI_Op find_op(enum wm_redop op)
{
    const MPI_Op ops[WM_REDOPS] = { [WM_SUM] = MPI_SUM, [WM_MIN] = MPI_MIN, [WM_MAX] = MPI_MAX, [WM_PROD] = MPI_PROD };
    return ops[op];
}

/* The MPI standard puts MPI_IN_PLACE at the root alone; the other ranks name the one buffer that they have. */
static void choose_buffers(struct mpi_coll *c, const struct wm_coll *coll, int rank)
{
    bool rooted = coll->kind == WM_COLL_REDUCE || coll->kind == WM_COLL_GATHER || coll->kind == WM_COLL_SCATTER;
    bool swaps = !rooted || rank == coll->root;

    c->send = WM_IN;
    c->recv = WM_OUT;
    if (!coll->in_place)
        return;
    c->send = swaps ? IN_PLACE : (int)WM_OUT;
    if (coll->kind == WM_COLL_SCATTER) {
        c->send = WM_OUT;
        c->recv = swaps ? IN_PLACE : (int)WM_OUT;
    }
}

/* More elements than an int counts, in one block or in all of them: blocks become elements of a made type, as large
 * ones as divide them evenly while the library can still cut a message into segments, else one a block. */
static int make_block_type(struct mpi_coll *c, size_t elements, struct wm_err *err)
{
    const size_t segment = 65536;
    size_t unit = elements & -elements; /* the largest power of two that divides it */
    MPI_Datatype made = MPI_DATATYPE_NULL;

    if (unit > segment)
        unit = segment;
    if (elements / unit > (size_t)(INT_MAX / c->ranks))
        unit = elements;
    int rc = make_committed_row(unit, c->type, &made);
    if (rc != MPI_SUCCESS)
        return mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_struct", "a type of %zu elements", unit);
    c->type = made;
    c->type_made = true;
    c->count = (int)(elements / unit);
    return WM_OK;
}

static int bind_count(struct mpi_coll *c, size_t elements, struct wm_err *err)
{
    size_t all = elements * (c->kind->by_rank ? (size_t)c->ranks : 1);
    char version[64];

    c->count = (int)elements;
    c->elements = (int64_t)elements;
    if (all <= INT_MAX)
        return WM_OK;
    if (!c->kind->reduces)
        return make_block_type(c, elements, err);
    if (c->kind->run_large == NULL)
        return wm_fail(err, WM_EUNSUP, "", 0, "%s of %s cannot count %zu elements (needs MPI 4)", c->kind->call,
                       mpi_version(version, sizeof(version)), all);
    c->run = c->kind->run_large;
    return WM_OK;
}

/* Counts and places of one direction; returns whether an int counts them all. */
static bool pack_counts(const size_t *elements, int ranks, int *counts, int *at)
{
    size_t sum = 0;

    for (int r = 0; r < ranks; r++) {
        if (elements[r] > INT_MAX || sum > INT_MAX)
            return false;
        counts[r] = (int)elements[r];
        at[r] = (int)sum;
        sum += elements[r];
    }
    return true;
}

/* The same with a type for each rank's block, whose place stands in it. */
static int pack_types(const size_t *elements, int ranks, MPI_Datatype unit, int *counts, int *at, MPI_Datatype *types)
{
    MPI_Aint low, bytes, place = 0;
    int rc = MPI_Type_get_extent(unit, &low, &bytes);

    for (int r = 0; r < ranks && rc == MPI_SUCCESS; r++) {
        MPI_Datatype row = MPI_DATATYPE_NULL;
        at[r] = 0;
        counts[r] = elements[r] > 0;
        if (elements[r] == 0)
            continue;
        rc = make_row(elements[r], unit, &row);
        if (rc != MPI_SUCCESS)
            break;
        rc = MPI_Type_create_hindexed(1, (int[]){ 1 }, &place, row, &types[r]);
        MPI_Type_free(&row);
        if (rc == MPI_SUCCESS)
            rc = MPI_Type_commit(&types[r]);
        place += bytes * (MPI_Aint)elements[r];
    }
    return rc;
}

static void free_types(MPI_Datatype *types, int ranks)
{
    for (int r = 0; types != NULL && r < ranks; r++)
        if (types[r] != MPI_BYTE)
            MPI_Type_free(&types[r]);
    free(types);
}

static MPI_Datatype *new_types(int ranks)
{
    MPI_Datatype *types = malloc((size_t)ranks * sizeof(*types));

    for (int r = 0; types != NULL && r < ranks; r++)
        types[r] = MPI_BYTE;
    return types;
}

static int bind_large_alltoallv(struct mpi_coll *c, const struct wm_coll *coll, struct wm_err *err)
{
    c->to.types = new_types(c->ranks);
    c->from.types = new_types(c->ranks);
    if (c->to.types == NULL || c->from.types == NULL)
        return wm_fail_errno(err, "malloc", "types of %d ranks", c->ranks);
    int rc = pack_types(coll->send_counts, c->ranks, c->type, c->to.counts, c->to.at, c->to.types);
    if (rc == MPI_SUCCESS)
        rc = pack_types(coll->recv_counts, c->ranks, c->type, c->from.counts, c->from.at, c->from.types);
    if (rc != MPI_SUCCESS)
        return mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_hindexed", "types of %d ranks", c->ranks);
    c->run = c->kind->run_large;
    return WM_OK;
}

static int bind_alltoallv(struct mpi_coll *c, const struct wm_coll *coll, struct wm_err *err)
{
    const size_t n = (size_t)c->ranks;

    c->to.counts = calloc(2 * n, sizeof(int));
    c->from.counts = calloc(2 * n, sizeof(int));
    if (c->to.counts == NULL || c->from.counts == NULL)
        return wm_fail_errno(err, "calloc", "counts of %d ranks", c->ranks);
    c->to.at = c->to.counts + n;
    c->from.at = c->from.counts + n;
    bool small = pack_counts(coll->send_counts, c->ranks, c->to.counts, c->to.at);
    small = pack_counts(coll->recv_counts, c->ranks, c->from.counts, c->from.at) && small;
    return small ? WM_OK : bind_large_alltoallv(c, coll, err);
}

static int bind_elements(struct mpi_coll *c, const struct wm_coll *coll, enum wm_dtype type, struct wm_err *err)
{
    if (find_type(type, &c->type, err) != WM_OK)
        return err->code;
    return coll->kind == WM_COLL_ALLTOALLV ? bind_alltoallv(c, coll, err) : bind_count(c, coll->count, err);
}

static void mpi_unbind_coll(struct wm_ep *ep, void *handle)
{
    struct mpi_coll *c = handle;

    (void)ep;
    if (c == NULL)
        return;
    free_types(c->to.types, c->ranks);
    free_types(c->from.types, c->ranks);
    free(c->to.counts);
    free(c->from.counts);
    if (c->type_made)
        MPI_Type_free(&c->type);
    free(c);
}

/* MPICH before 4.2.1 may read from the address MPI_IN_PLACE when the root is not rank 0 (pmodels/mpich#6540, #6916). */
static int check_library(const struct wm_coll *coll, struct wm_err *err)
{
#if defined(MPICH_NUMVERSION) && MPICH_NUMVERSION < 40201300
    char version[64];
    if (coll->kind == WM_COLL_REDUCE && coll->in_place && coll->root != 0)
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "MPI_Reduce of %s may crash in place at a root other than rank 0 (mended in MPICH 4.2.1)",
                       mpi_version(version, sizeof(version)));
#endif
    (void)coll;
    (void)err;
    return WM_OK;
}

static int mpi_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op,
                         void **handle, struct wm_err *err)
{
    struct mpi_coll *c = calloc(1, sizeof(*c));
    int rc = check_library(coll, err);

    if (c == NULL)
        return wm_fail_errno(err, "calloc", "collective of transport mpi");
    c->kind = &coll_kinds[coll->kind];
    c->run = c->kind->run;
    c->root = coll->root;
    c->ranks = ep->world->size;
    c->op = find_op(op);
    choose_buffers(c, coll, ep->world->rank);
    if (rc == WM_OK && coll->kind != WM_COLL_BARRIER)
        rc = bind_elements(c, coll, type, err);
    if (rc != WM_OK) {
        mpi_unbind_coll(ep, c);
        return rc;
    }
    *handle = c;
    return WM_OK;
}

/* ---- Windows ---- */

static void free_window(struct wm_region *region)
{
    MPI_Win_unlock_all(region->win);
    MPI_Win_free(&region->win);
}

static int mpi_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    struct mpi_ep *e = mpi_of(ep);
    struct wm_region *region;

    *out = NULL;
    if (!shared)
        return WM_OK;
    region = calloc(1, sizeof(*region));
    if (region == NULL)
        return wm_fail_errno(err, "calloc", "window of transport mpi");
    int rc = MPI_Win_create(buf->dma, (MPI_Aint)buf->bytes, 1, MPI_INFO_NULL, e->comm, &region->win);
    if (rc != MPI_SUCCESS) {
        free(region);
        return mpi_fail(err, WM_EABSENT, rc, "MPI_Win_create",
                        "the MPI library makes no window for one-sided operations here; with Open MPI try "
                        "OMPI_MCA_osc=^ucx, or OMPI_MCA_btl_vader_single_copy_mechanism=emulated on one host");
    }
    MPI_Win_set_errhandler(region->win, MPI_ERRORS_RETURN);
    rc = MPI_Win_lock_all(MPI_MODE_NOCHECK, region->win);
    if (rc != MPI_SUCCESS) {
        mpi_fail(err, WM_ESYS, rc, "MPI_Win_lock_all", "window of %zu bytes", buf->bytes);
        MPI_Win_free(&region->win);
        free(region);
        return err->code;
    }
    region->bytes = buf->bytes;
    region->id = e->next_window++;
    region->next = e->windows;
    e->windows = region;
    *out = region;
    return WM_OK;
}

static int mpi_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES],
                   struct wm_err *err)
{
    struct key mine = { .id = region->id, .bytes = region->bytes };

    (void)ep;
    (void)err;
    memcpy(key, &mine, sizeof(mine));
    return WM_OK;
}

static int mpi_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                      struct wm_err *err)
{
    const struct wm_region *window = mpi_of(ep)->windows;
    struct wm_region *region = calloc(1, sizeof(*region));
    struct target *target = calloc(1, sizeof(*target));
    struct key theirs;

    memcpy(&theirs, key, sizeof(theirs));
    while (window != NULL && window->id != theirs.id)
        window = window->next;
    if (region == NULL || target == NULL || window == NULL) {
        bool missing = window == NULL;
        free(region);
        free(target);
        return missing ? wm_fail(err, WM_EBUG, "", 0, "rank %d shares a window that rank %d does not have", peer,
                                 ep->world->rank)
                       : wm_fail(err, WM_ENOMEM, "calloc", 0, "window of rank %d", peer);
    }
    *target = (struct target){ .win = window->win, .peer = peer };
    *region = (struct wm_region){ .win = window->win, .id = theirs.id, .bytes = theirs.bytes, .target = target };
    *out = region;
    return WM_OK;
}

static void mpi_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_region **link = &mpi_of(ep)->windows;

    if (region->target == NULL) {
        while (*link != region)
            link = &(*link)->next;
        *link = region->next;
        free_window(region);
    }
    free(region->target);
    free(region);
}

/* ---- Opening and closing ---- */

static const struct wm_ops mpi_ops = {
    .send = mpi_send,
    .recv = mpi_recv,
    .post_send = mpi_post_send,
    .post_recv = mpi_post_recv,
    .put = mpi_put,
    .get = mpi_get,
    .test = mpi_test,
    .wait = mpi_wait,
    .coll = mpi_coll,
};

/* More ranks than cores: nobody may keep a core while it waits, not even in a blocking call. */
static const struct wm_ops mpi_ops_crowded = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = mpi_post_send,
    .post_recv = mpi_post_recv,
    .put = mpi_put,
    .get = mpi_get,
    .test = mpi_test,
    .wait = mpi_wait_yield,
    .coll = mpi_coll,
};

/* Whether the library gives its core away itself in every poll that finds nothing, as Open MPI does where mpirun knows
 * of more ranks than cores: a second yield of ours would only make each poll longer. */
static bool library_yields(void)
{
    MPI_T_cvar_handle handle;
    int provided, index, count, yields = 0;

    if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS)
        return false;
    if (MPI_T_cvar_get_index("mpi_yield_when_idle", &index) == MPI_SUCCESS &&
        MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) == MPI_SUCCESS) {
        if (count != 1 || MPI_T_cvar_read(handle, &yields) != MPI_SUCCESS)
            yields = 0;
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
    return yields != 0;
}

static int mpi_probe(const void *own, struct wm_err *err)
{
    (void)own;
    (void)err;
    return WM_OK;
}

static void free_endpoint(struct mpi_ep *e)
{
    free(e->request);
    free(e->status);
    free(e->receives);
    free(e->target);
    free(e);
}

/* Local. Receives that nothing has come for are taken back, so that nothing writes into the buffers any more; sends,
 * windows and the communicator are left to the library. */
static void mpi_abandon(struct wm_ep *ep)
{
    struct mpi_ep *e = mpi_of(ep);

    if (e == NULL)
        return;
    for (unsigned slot = 0; slot < ep->slots; slot++) {
        if (e->request[slot] == MPI_REQUEST_NULL || !e->receives[slot])
            continue;
        MPI_Cancel(&e->request[slot]);
        MPI_Request_free(&e->request[slot]);
    }
    free_endpoint(e);
}

static void mpi_close(struct wm_ep *ep)
{
    if (ep == NULL)
        return;
    if (mpi_of(ep)->comm != MPI_COMM_NULL)
        MPI_Comm_free(&mpi_of(ep)->comm);
    free_endpoint(mpi_of(ep));
}

static int mpi_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct mpi_ep *e = calloc(1, sizeof(*e));
    const size_t slots = conf->slots;

    if (e == NULL)
        return wm_fail_errno(err, "calloc", "mpi endpoint");
    e->comm = MPI_COMM_NULL;
    e->request = malloc(slots * sizeof(*e->request));
    e->status = calloc(slots, sizeof(*e->status));
    e->receives = calloc(slots, sizeof(*e->receives));
    e->target = calloc(slots, sizeof(*e->target));
    if (e->request == NULL || e->status == NULL || e->receives == NULL || e->target == NULL) {
        mpi_close(&e->ep);
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "mpi endpoint of %zu slots", slots);
    }
    e->ep = (struct wm_ep){ .ops = conf->world->crowded && !library_yields() ? &mpi_ops_crowded : &mpi_ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .coll_blocks = true,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    for (size_t i = 0; i < slots; i++)
        e->request[i] = MPI_REQUEST_NULL;
    if (conf->world->native == NULL) {
        mpi_close(&e->ep);
        return wm_fail(err, WM_EABSENT, "", 0,
                       "transport mpi needs a launcher: start it as in mpirun -n 2 wiremark run");
    }
    int rc = MPI_Comm_dup(*(MPI_Comm *)conf->world->native, &e->comm);
    if (rc != MPI_SUCCESS) {
        mpi_fail(err, WM_ESYS, rc, "MPI_Comm_dup", "communicator of %d ranks", conf->world->size);
        mpi_close(&e->ep);
        return err->code;
    }
    MPI_Comm_set_errhandler(e->comm, MPI_ERRORS_RETURN);
    *out = &e->ep;
    return WM_OK;
}

/* What the library says of itself; evidence and the staged arm show what it does. The function is an extension of Open
 * MPI and of libraries that follow it. */
static int mpi_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    int (*says)(void);
    (void)ep;
    *(void **)&says = dlsym(RTLD_DEFAULT, "MPIX_Query_cuda_support");
    if (says != NULL && says() == 1)
        return WM_OK;
    return wm_fail(err, WM_EUNSUP, says != NULL ? "MPIX_Query_cuda_support" : "", 0,
                   "this MPI library %s, and cannot be handed %s memory: use one built for CUDA, or --path staged or "
                   "pipelined",
                   says != NULL ? "is not CUDA-aware" : "does not say whether it is CUDA-aware", mem->name);
}

const struct wm_transport wm_transport_mpi = {
    .name = "mpi",
    .summary = "the MPI library's own point-to-point, one-sided and collective operations",
    .ops = &mpi_ops,
    .probe = mpi_probe,
    .open = mpi_open,
    .takes = mpi_takes,
    .reg = mpi_reg,
    .key = mpi_key,
    .import = mpi_import,
    .unreg = mpi_unreg,
    .bind_msg = mpi_bind_msg,
    .unbind_msg = mpi_unbind_msg,
    .bind_coll = mpi_bind_coll,
    .unbind_coll = mpi_unbind_coll,
    .version = mpi_version,
    .close = mpi_close,
    .abandon = mpi_abandon,
};
