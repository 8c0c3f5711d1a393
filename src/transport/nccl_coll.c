/** NCCL's collectives, and those that older versions do by grouped sends and receives. */
#include <stdlib.h>
#include <string.h>

#include "src/transport/nccl_ep.h"

enum { NCCL_BYTES = 0 /* ncclInt8 */ };

static const int types[WM_DTYPES] = {
    [WM_INT8] = 0, [WM_INT32] = 2, [WM_INT64] = 4, [WM_FLOAT] = 7, [WM_DOUBLE] = 8, [WM_HALF] = 6, [WM_BFLOAT16] = 9,
};
static const int ops[WM_REDOPS] = { [WM_SUM] = 0, [WM_PROD] = 1, [WM_MAX] = 2, [WM_MIN] = 3 };

/* ---- One each ---- */

static int run_allreduce(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->all_reduce(in, out, c->count, c->type, c->op, e->comm, e->stream);
}

static int run_broadcast(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    (void)in;
    return e->nccl->broadcast(out, out, c->count, c->type, c->root, e->comm, e->stream);
}

static int run_reduce(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->reduce(in, out, c->count, c->type, c->op, c->root, e->comm, e->stream);
}

static int run_allgather(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->all_gather(in, out, c->count, c->type, e->comm, e->stream);
}

static int run_reduce_scatter(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->reduce_scatter(in, out, c->count, c->type, c->op, e->comm, e->stream);
}

static int run_alltoall(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->all_to_all(in, out, c->count, c->type, e->comm, e->stream);
}

static int run_gather(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->gather(in, out, c->count, c->type, c->root, e->comm, e->stream);
}

static int run_scatter(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    return e->nccl->scatter(in, out, c->count, c->type, c->root, e->comm, e->stream);
}

/* ---- Grouped sends and receives, as nccl-tests do it ---- */

static int send_to(struct wm_nccl_ep *e, int peer, const char *from, size_t bytes)
{
    return e->nccl->send(from, bytes, NCCL_BYTES, peer, e->comm, e->stream);
}

static int recv_from(struct wm_nccl_ep *e, int peer, char *to, size_t bytes)
{
    return e->nccl->recv(to, bytes, NCCL_BYTES, peer, e->comm, e->stream);
}

static bool goes_on(int status)
{
    return status == WM_NCCL_SUCCESS || status == WM_NCCL_IN_PROGRESS;
}

/* The group is ended whatever happened in it. */
static int end_group(struct wm_nccl_ep *e, int status)
{
    int ended = e->nccl->group_end();
    return goes_on(status) ? ended : status;
}

static int group_alltoall(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    int status = e->nccl->group_start();
    for (int r = 0; r < c->ranks && goes_on(status); r++) {
        status = send_to(e, r, in + (size_t)r * c->block_bytes, c->block_bytes);
        if (goes_on(status))
            status = recv_from(e, r, out + (size_t)r * c->block_bytes, c->block_bytes);
    }
    return end_group(e, status);
}

static int group_alltoallv(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    int status = e->nccl->group_start();
    for (int r = 0; r < c->ranks && goes_on(status); r++) {
        if (c->bytes_to[r] > 0)
            status = send_to(e, r, in, c->bytes_to[r]);
        if (goes_on(status) && c->bytes_from[r] > 0)
            status = recv_from(e, r, out, c->bytes_from[r]);
        in += c->bytes_to[r];
        out += c->bytes_from[r];
    }
    return end_group(e, status);
}

static int group_gather(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    int status = e->nccl->group_start();
    bool in_its_place = false;
    for (int r = 0; r < c->ranks && e->base.world->rank == c->root && goes_on(status); r++) {
        char *to = out + (size_t)r * c->block_bytes;
        if (r == c->root && to == in)
            in_its_place = true;
        else
            status = recv_from(e, r, to, c->block_bytes);
    }
    if (!in_its_place && goes_on(status))
        status = send_to(e, c->root, in, c->block_bytes);
    return end_group(e, status);
}

static int group_scatter(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    int status = e->nccl->group_start();
    bool in_its_place = false;
    for (int r = 0; r < c->ranks && e->base.world->rank == c->root && goes_on(status); r++) {
        char *from = in + (size_t)r * c->block_bytes;
        if (r == c->root && from == out)
            in_its_place = true;
        else
            status = send_to(e, r, from, c->block_bytes);
    }
    if (!in_its_place && goes_on(status))
        status = recv_from(e, c->root, out, c->block_bytes);
    return end_group(e, status);
}

/* ---- Enqueueing ---- */

/* In place NCCL wants a rank's own block where it stands among the others. */
static void choose_buffers(const struct wm_nccl_coll *c, int rank, char **in, char **out)
{
    const size_t own = (size_t)rank * c->block_bytes;
    if (!c->in_place)
        return;
    *in = *out;
    if (c->run == run_allgather || ((c->run == run_gather || c->run == group_gather) && rank == c->root))
        *in += own;
    else if ((c->run == run_scatter || c->run == group_scatter) && rank == c->root)
        *out += own;
}

static int enqueue_now(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out)
{
    int status = WM_NCCL_SUCCESS;
    choose_buffers(c, e->base.world->rank, &in, &out);
    for (unsigned k = 0; k < e->base.repeats && status == WM_NCCL_SUCCESS; k++) {
        status = c->run(e, c, in, out);
        if (status == WM_NCCL_IN_PROGRESS)
            status = wm_nccl_settle(e, e->comm, status);
    }
    return status;
}

/* ---- Graphs: what was captured of one pair of buffers, replayed ---- */

static int cuda_failed(struct wm_nccl_ep *e, const char *call, int status)
{
    wm_cuda_fail(e->device->cu, &e->base.err, WM_ESYS, call, status, "NCCL's operations cannot be replayed as a graph");
    return -1;
}

/* The capture is ended whatever happened in it. */
static int capture(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out, struct CUgraph_st **graph)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    int status = cu->capture_begin(e->stream, WM_CUDA_CAPTURE_THREAD_LOCAL);
    if (status != WM_CUDA_SUCCESS)
        return cuda_failed(e, "cuStreamBeginCapture", status);
    int said = enqueue_now(e, c, in, out);
    status = cu->capture_end(e->stream, graph);
    if (said != WM_NCCL_SUCCESS)
        return said;
    return status == WM_CUDA_SUCCESS ? WM_NCCL_SUCCESS : cuda_failed(e, "cuStreamEndCapture", status);
}

/* Connections are made by the first operation outside of a capture; what works in place cannot have two. */
static int __attribute__((noinline, cold))
make_graph(struct wm_nccl_ep *e, struct wm_nccl_coll *c, char *in, char *out, struct wm_nccl_graph **made)
{
    struct CUgraph_st *graph = NULL;
    struct wm_nccl_graph *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        wm_fail(&e->base.err, WM_ENOMEM, "calloc", 0, "a graph");
        return -1;
    }
    *g = (struct wm_nccl_graph){
        .next = c->graphs, .in = in, .out = out, .repeats = e->base.repeats, .heard = e->listens
    };
    int status = c->graphs == NULL && !c->in_place ? enqueue_now(e, c, in, out) : WM_NCCL_SUCCESS;
    if (status == WM_NCCL_SUCCESS)
        status = capture(e, c, in, out, &graph);
    if (status == WM_NCCL_SUCCESS) {
        int rc = e->device->cu->graph_make(&g->exec, graph, 0);
        status = rc == WM_CUDA_SUCCESS ? WM_NCCL_SUCCESS : cuda_failed(e, "cuGraphInstantiateWithFlags", rc);
    }
    if (graph != NULL)
        e->device->cu->graph_destroy(graph);
    if (status != WM_NCCL_SUCCESS) {
        free(g);
        return status;
    }
    if (c->graphs == NULL) {
        c->next = e->graphed;
        e->graphed = c;
    }
    *made = c->graphs = g;
    return WM_NCCL_SUCCESS;
}

static int replay(struct wm_nccl_ep *e, struct wm_nccl_coll *c, char *in, char *out)
{
    struct wm_nccl_graph *g = c->graphs;
    while (g != NULL && (g->in != in || g->out != out || g->repeats != e->base.repeats || g->heard != e->listens))
        g = g->next;
    if (g == NULL) {
        int status = make_graph(e, c, in, out, &g);
        if (status != WM_NCCL_SUCCESS)
            return status;
    }
    int status = e->device->cu->graph_launch(g->exec, e->stream);
    return status == WM_CUDA_SUCCESS ? WM_NCCL_SUCCESS : cuda_failed(e, "cuGraphLaunch", status);
}

int wm_nccl_enqueue(struct wm_nccl_ep *e, struct wm_nccl_coll *c, void *in, void *out)
{
    return e->graph ? replay(e, c, in, out) : enqueue_now(e, c, in, out);
}

/* ---- Binding ---- */

/* Its own where the library has it. */
static const struct row {
    wm_nccl_run *own, *grouped;
    size_t member; /* of struct wm_nccl_library, for own */
    const char *call;
} rows[] = {
#define OWN(run, member, call)                                                                                         \
    {                                                                                                                  \
        run, NULL, offsetof(struct wm_nccl_library, member), call                                                      \
    }
#define GROUPED(run, grouped, member, call)                                                                            \
    {                                                                                                                  \
        run, grouped, offsetof(struct wm_nccl_library, member), call                                                   \
    }
    [WM_COLL_ALLREDUCE] = OWN(run_allreduce, all_reduce, "ncclAllReduce"),
    [WM_COLL_ALLTOALL] = GROUPED(run_alltoall, group_alltoall, all_to_all, "ncclAlltoAll"),
    [WM_COLL_ALLTOALLV] = OWN(group_alltoallv, group_end, "ncclGroupEnd"),
    [WM_COLL_BROADCAST] = OWN(run_broadcast, broadcast, "ncclBroadcast"),
    [WM_COLL_ALLGATHER] = OWN(run_allgather, all_gather, "ncclAllGather"),
    [WM_COLL_REDUCE_SCATTER] = OWN(run_reduce_scatter, reduce_scatter, "ncclReduceScatter"),
    [WM_COLL_REDUCE] = OWN(run_reduce, reduce, "ncclReduce"),
    [WM_COLL_GATHER] = GROUPED(run_gather, group_gather, gather, "ncclGather"),
    [WM_COLL_SCATTER] = GROUPED(run_scatter, group_scatter, scatter, "ncclScatter"),
};

static bool has(const struct wm_nccl_library *nccl, size_t member)
{
    void *address;
    memcpy(&address, (const char *)nccl + member, sizeof(address));
    return address != NULL;
}

static int refuse(const struct wm_coll *coll, struct wm_err *err)
{
    if (coll->kind == WM_COLL_BARRIER)
        return wm_fail(err, WM_EUNSUP, "", 0, "NCCL has no barrier: take --algo dissemination with another transport");
    if (coll->in_place && (coll->kind == WM_COLL_ALLTOALL || coll->kind == WM_COLL_ALLTOALLV))
        return wm_fail(err, WM_EUNSUP, "", 0, "NCCL has no all-to-all in place: leave out --in-place");
    if (coll->in_place && coll->kind == WM_COLL_REDUCE_SCATTER)
        return wm_fail(
            err, WM_EUNSUP, "", 0,
            "NCCL leaves the result of a reduce-scatter in place in the rank's own block, where MPI has it at "
            "the front: leave out --in-place");
    return WM_OK;
}

static size_t *bytes_of(const size_t *counts, int ranks, size_t element_bytes)
{
    size_t *bytes = calloc((size_t)ranks, sizeof(*bytes));
    for (int r = 0; bytes != NULL && r < ranks; r++)
        bytes[r] = counts[r] * element_bytes;
    return bytes;
}

int wm_nccl_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op, void **handle,
                      struct wm_err *err)
{
    const struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    const int ranks = ep->world->size;
    if (refuse(coll, err) != WM_OK)
        return err->code;
    const struct row *row = &rows[coll->kind];
    struct wm_nccl_coll *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return wm_fail_errno(err, "calloc", "collective of transport nccl");
    const bool own = has(e->nccl, row->member);
    *c = (struct wm_nccl_coll){
        .run = own ? row->own : row->grouped,
        .call = own ? row->call : "ncclGroupEnd",
        .count = coll->count,
        .block_bytes = coll->count * wm_dtype_bytes(type),
        .type = types[type],
        .op = ops[op],
        .root = coll->root,
        .ranks = ranks,
        .in_place = coll->in_place,
    };
    if (coll->kind == WM_COLL_ALLTOALLV) {
        c->bytes_to = bytes_of(coll->send_counts, ranks, wm_dtype_bytes(type));
        c->bytes_from = bytes_of(coll->recv_counts, ranks, wm_dtype_bytes(type));
        if (c->bytes_to == NULL || c->bytes_from == NULL) {
            wm_nccl_unbind_coll(ep, c);
            return wm_fail(err, WM_ENOMEM, "calloc", 0, "counts of %d ranks", ranks);
        }
    }
    *handle = c;
    return WM_OK;
}

void wm_nccl_unbind_coll(struct wm_ep *ep, void *handle)
{
    struct wm_nccl_coll *c = handle;
    if (c == NULL)
        return;
    wm_nccl_drop_graphs((struct wm_nccl_ep *)ep, c);
    free(c->bytes_to);
    free(c->bytes_from);
    free(c);
}
