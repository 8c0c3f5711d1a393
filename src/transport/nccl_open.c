/** Opening and closing NCCL's communicators, with a deadline, and what its log says meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/transport/nccl_ep.h"

/* ---- The log ---- */

static off_t log_bytes(const struct wm_nccl_library *nccl)
{
    return nccl->log[0] != '\0' ? lseek(nccl->log_fd, 0, SEEK_END) : 0;
}

/* What this communicator added to it. */
static void read_log(struct wm_nccl_ep *e, off_t from)
{
    const off_t to = log_bytes(e->nccl);
    char *text = to > from ? calloc(1, (size_t)(to - from) + 1) : NULL;
    if (text != NULL && pread(e->nccl->log_fd, text, (size_t)(to - from), from) > 0)
        wm_nccl_log_read(text, &e->facts);
    free(text);
}

/* ---- Communicators ---- */

static int fail_open(struct wm_nccl_ep *e, const char *call, int status, struct wm_err *err)
{
    if (status == WM_NCCL_IN_PROGRESS)
        wm_fail(err, WM_ETIMEOUT, call, 0, "NCCL did not connect the ranks within --open-timeout");
    else
        wm_nccl_fail(e->nccl, e->comm, err, WM_ESYS, call, status, "NCCL cannot connect the ranks");
    wm_nccl_abort(e);
    return err->code;
}

/* In the background, so that a deadline can end it. */
static int init(struct wm_nccl_ep *e, const struct wm_nccl_id *id, const char *net, struct wm_err *err)
{
    struct wm_nccl_config config = wm_nccl_config_unset();
    config.blocking = 0;
    config.net_name = net;
    int status = e->nccl->init(&e->comm, e->base.world->size, *id, e->base.world->rank, &config);
    status = wm_nccl_settle(e, e->comm, status);
    return status == WM_NCCL_SUCCESS ? WM_OK : fail_open(e, "ncclCommInitRankConfig", status, err);
}

/* Every call on a communicator made in the background starts a thread, which costs more than small operations take. One
 * that is split from it and blocks does not. Where that cannot be had, the first one serves. */
static int split(struct wm_nccl_ep *e, const char *net, struct wm_err *err)
{
    struct wm_nccl_config config = wm_nccl_config_unset();
    struct ncclComm *own = NULL;
    if (e->nccl->split == NULL)
        return WM_OK;
    config.blocking = 1;
    config.net_name = net;
    int status = e->nccl->split(e->comm, 0, e->base.world->rank, &own, &config);
    if (status == WM_NCCL_SUCCESS) /* it says so when it has only begun: the parent knows when `own` is there */
        status = WM_NCCL_IN_PROGRESS;
    status = wm_nccl_settle(e, e->comm, status);
    if (status != WM_NCCL_SUCCESS || own == NULL)
        return fail_open(e, "ncclCommSplit", status, err);
    e->parent = e->comm;
    e->comm = own;
    return WM_OK;
}

/* A first operation connects the ranks, and NCCL says in its log how. */
static int first_operation(struct wm_nccl_ep *e, struct wm_err *err)
{
    struct wm_coll sum = { .kind = WM_COLL_ALLREDUCE, .count = 1 };
    struct wm_buf buf = { 0 };
    void *handle = NULL, *area[WM_AREAS] = { NULL };
    bool graph = e->graph;
    if (wm_mem_device.alloc(e->device->index, 64, &buf, err) != WM_OK ||
        wm_nccl_bind_coll(&e->base, &sum, WM_FLOAT, WM_SUM, &handle, err) != WM_OK)
        return err->code;
    area[WM_IN] = area[WM_OUT] = buf.ptr;
    e->graph = false;
    int rc = e->base.ops->coll(&e->base, 0, handle, area);
    if (rc == WM_OK)
        rc = e->base.ops->wait(&e->base, 0, 1);
    e->graph = graph;
    if (rc != WM_OK && e->base.err.code != WM_OK)
        *err = e->base.err;
    else if (rc != WM_OK)
        wm_fail(err, (enum wm_code)rc, "", 0, "NCCL's first operation did not end within --open-timeout");
    wm_nccl_unbind_coll(&e->base, handle);
    if (rc == WM_OK)
        wm_mem_device.free(&buf);
    return err->code;
}

/* The variables stand while NCCL reads them. What is made in the background is used once there: from NCCL 2.22 on the
 * first operation connects the ranks, and over a network that cannot be reached only one in the background ends by a
 * deadline. */
static int connect(struct wm_nccl_ep *e, const struct wm_nccl_id *id, const char *net, struct wm_err *err)
{
    struct wm_nccl_variables variables;
    off_t from = log_bytes(e->nccl);
    wm_nccl_variables_set(e->nccl, e->gdr, &variables);
    wm_nccl_profile_of_new(&e->profile);
    if (init(e, id, net, err) == WM_OK)
        first_operation(e, err);
    read_log(e, from);
    from = log_bytes(e->nccl);
    if (err->code == WM_OK && split(e, net, err) == WM_OK && e->parent != NULL)
        first_operation(e, err);
    wm_nccl_profile_of_new(NULL);
    wm_nccl_variables_restore(&variables);
    if (e->parent != NULL) /* its connections carry nothing */
        e->facts.by_net = e->facts.by_net_gdr = e->facts.by_p2p = e->facts.by_shm = 0;
    read_log(e, from);
    return err->code;
}

/* ---- The endpoint ---- */

static int fail_cuda(const struct wm_nccl_ep *e, const char *call, int status, struct wm_err *err)
{
    return wm_cuda_fail(e->device->cu, err, WM_ESYS, call, status, "GPU %d cannot be made ready for NCCL",
                        e->device->index);
}

static int open_stream(struct wm_nccl_ep *e, struct wm_err *err)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    int status = cu->stream_create(&e->stream, WM_CUDA_STREAM_NON_BLOCKING);
    if (status != WM_CUDA_SUCCESS)
        return fail_cuda(e, "cuStreamCreate", status, err);
    for (int i = 0; i < WM_NCCL_LAUNCHES && status == WM_CUDA_SUCCESS; i++)
        status = cu->event_create(&e->done[i], WM_CUDA_EVENT_DISABLE_TIMING);
    if (status == WM_CUDA_SUCCESS)
        status = cu->event_create(&e->from, 0);
    if (status == WM_CUDA_SUCCESS)
        status = cu->event_create(&e->to, 0);
    return status == WM_CUDA_SUCCESS ? WM_OK : fail_cuda(e, "cuEventCreate", status, err);
}

static int64_t value_of(const struct wm_int_list *list)
{
    return list->n > 0 ? list->value[0] : 0;
}

static struct wm_nccl_ep *new_ep(const struct wm_ep_conf *conf, struct wm_err *err)
{
    const struct wm_nccl_conf *own = conf->own;
    struct wm_nccl_ep *e = calloc(1, sizeof(*e));
    if (e != NULL) {
        e->launch_of = calloc(conf->slots, sizeof(*e->launch_of));
        e->post = calloc(conf->slots, sizeof(*e->post));
    }
    if (e == NULL || e->launch_of == NULL || e->post == NULL) {
        wm_nccl_abandon(e != NULL ? &e->base : NULL);
        wm_fail(err, WM_ENOMEM, "calloc", 0, "nccl endpoint");
        return NULL;
    }
    e->base = (struct wm_ep){
        .ops = conf->world->crowded ? &wm_nccl_ops_crowded : &wm_nccl_ops,
        .world = conf->world,
        .expired = conf->expired,
        .slots = conf->slots,
        .crowded = conf->world->crowded,
        .repeats = 1,
        .err = { .rank = -1 },
    };
    e->gdr = (enum wm_nccl_gdr)value_of(&own->gdr);
    e->graph = value_of(&own->graph) != 0;
    e->registers = value_of(&own->registered) != 0;
    return e;
}

/* Rank 0's, to all. */
static int share_id(struct wm_nccl_ep *e, const char *net, struct wm_nccl_id *id, struct wm_err *err)
{
    memset(id, 0, sizeof(*id));
    if (net != NULL && e->nccl->version < WM_NCCL_NET_NAME_VERSION) {
        char version[32];
        wm_fail(err, WM_EUNSUP, "", 0, "--nccl-net: NCCL %s does not let itself be told its network, 2.17 and newer do",
                wm_nccl_version_text(e->nccl->version, version, sizeof(version)));
    } else if (e->base.world->rank == 0) {
        struct wm_nccl_variables variables;
        wm_nccl_variables_set(e->nccl, e->gdr, &variables);
        int status = e->nccl->get_id(id);
        if (status != WM_NCCL_SUCCESS)
            wm_nccl_fail(e->nccl, NULL, err, WM_ESYS, "ncclGetUniqueId", status, "NCCL does not start");
        wm_nccl_variables_restore(&variables);
    }
    if (wm_world_agree(e->base.world, WM_SPIN, err) != WM_OK)
        return err->code;
    return wm_world_bcast(e->base.world, 0, id, sizeof(*id), WM_SPIN, err);
}

int wm_nccl_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    const struct wm_nccl_conf *own = conf->own;
    struct wm_nccl_id id;
    struct wm_nccl_ep *e = new_ep(conf, err);
    if (e != NULL && (e->device = wm_cuda_device(-1, err)) != NULL)
        open_stream(e, err);
    if (wm_world_agree(conf->world, WM_SPIN, err) == WM_OK &&
        wm_nccl_library_for(conf->world, own->library, e->gdr, &e->nccl, err) == WM_OK &&
        share_id(e, own->net, &id, err) == WM_OK)
        connect(e, &id, own->net, err);
    if (e != NULL && e->nccl != NULL && e->nccl->log[0] != '\0')
        unlink(e->nccl->log); /* NCCL has it open */
    if (err->code == WM_OK) {
        e->base.repeats = (unsigned)value_of(&own->enqueue);
        *out = &e->base;
        return WM_OK;
    }
    wm_nccl_abandon(e != NULL ? &e->base : NULL);
    return err->code;
}

/* Waits in the background, too, for the others; what does not end in time is aborted. */
static void end_comm(struct wm_nccl_ep *e, struct ncclComm *comm)
{
    if (comm == NULL)
        return;
    if (wm_nccl_settle(e, comm, e->nccl->finalize(comm)) == WM_NCCL_SUCCESS)
        e->nccl->destroy(comm);
    else
        e->nccl->abort(comm);
}

static void free_ep(struct wm_nccl_ep *e)
{
    if (e->device != NULL) {
        const struct wm_cuda_driver *cu = e->device->cu;
        cu->context_set(e->device->context);
        for (int i = 0; i < WM_NCCL_LAUNCHES; i++)
            if (e->done[i] != NULL)
                cu->event_destroy(e->done[i]);
        if (e->from != NULL)
            cu->event_destroy(e->from);
        if (e->to != NULL)
            cu->event_destroy(e->to);
        if (e->stream != NULL)
            cu->stream_destroy(e->stream);
    }
    free(e->launch_of);
    free(e->post);
    free(e);
}

void wm_nccl_close(struct wm_ep *ep)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    if (e == NULL)
        return;
    end_comm(e, e->comm);
    end_comm(e, e->parent);
    free_ep(e);
}

/* With operations open: they are aborted, and the stream is empty then. */
void wm_nccl_abandon(struct wm_ep *ep)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    if (e == NULL)
        return;
    wm_nccl_abort(e);
    free_ep(e);
}
