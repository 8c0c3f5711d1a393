/** The MPI library's own collectives, and types that count above INT_MAX. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/mpi_ep.h"

/* ---- Types above INT_MAX ---- */

/* Blocks of 2^30 and a rest. */
int wm_mpi_make_row(size_t n, MPI_Datatype unit, MPI_Datatype *out)
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

int wm_mpi_make_committed_row(size_t n, MPI_Datatype unit, MPI_Datatype *out)
{
    int rc = wm_mpi_make_row(n, unit, out);
    return rc == MPI_SUCCESS ? MPI_Type_commit(out) : rc;
}

/* ---- Calls ---- */

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

int wm_mpi_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    const struct mpi_coll *c = handle;
    int rc = c->run(c, area, wm_mpi_of(ep)->comm);
    (void)slot;
    return rc == MPI_SUCCESS ? WM_OK
                             : wm_mpi_fail(&ep->err, WM_ESYS, rc, c->kind->call, "collective of %d ranks", c->ranks);
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
    int rc = wm_mpi_make_committed_row(unit, c->type, &made);
    if (rc != MPI_SUCCESS)
        return wm_mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_struct", "a type of %zu elements", unit);
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
                       wm_mpi_version(version, sizeof(version)), all);
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
        rc = wm_mpi_make_row(elements[r], unit, &row);
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
        return wm_mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_hindexed", "types of %d ranks", c->ranks);
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

void wm_mpi_unbind_coll(struct wm_ep *ep, void *handle)
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
                       wm_mpi_version(version, sizeof(version)));
#endif
    (void)coll;
    (void)err;
    return WM_OK;
}

int wm_mpi_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op, void **handle,
                     struct wm_err *err)
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
        wm_mpi_unbind_coll(ep, c);
        return rc;
    }
    *handle = c;
    return WM_OK;
}
