/**
 * Copies between the memories of GPUs of one host. Each process opens its peers' allocations by CUDA IPC (64 bytes that
 * name an allocation, cuIpcGetMemHandle), and puts and gets are copies that it queues by itself: by a copy engine
 * (cuMemcpyAsync), or by a kernel on the processors where the message says so. The other process takes no part.
 */
#include <stdlib.h>
#include <string.h>

#include "src/mem/cuda.h"
#include "src/mem/cuda_device.h"
#include "src/topo/gpu_link.h"
#include "src/transport/transport.h"

/* Copies to one peer are in order; those to several run at once, each over its own way. */
enum { STREAMS = 16 };

/* What a rank tells the others about the area that is being shared. */
struct note {
    uint64_t at, shift_bytes, bytes; /* address there; from the allocation's beginning; 0 bytes: it has none */
};

/* Who a rank is. */
struct who {
    char uuid[48], address[16];
};

struct wm_region {
    struct wm_region *next;          /* of the endpoint */
    char *at;                        /* in this process; NULL: not reached */
    unsigned long long base, opened; /* of our own allocation; of another process', as it was opened here; 0 = none */
};

struct slot {
    struct CUevent_st *done;
    bool open;
};

struct cuda_ep {
    struct wm_ep ep;
    struct wm_ops ops;
    const bool *peers; /* NULL = all */
    const struct wm_cuda_device *device;
    struct CUstream_st *stream[STREAMS];
    struct CUevent_st *begin, *joined, *end; /* of the device's own clock */
    struct slot *slot;
    struct wm_region *regions;
    struct note *note; /* by rank: of the area that was shared last */
    struct who *who;   /* by rank */
    enum wm_fabric fabric;
    char links[96]; /* how this GPU and its peers' are joined, for the claim */
};

static struct cuda_ep *cuda_of(struct wm_ep *ep)
{
    return (struct cuda_ep *)ep;
}

/* ---- The hot path ---- */

static int __attribute__((noinline, cold)) failed(struct cuda_ep *e, const char *call, int status)
{
    return wm_cuda_fail(e->device->cu, &e->ep.err, WM_ESYS, call, status, "a copy between GPUs failed on GPU %d",
                        e->device->index);
}

static int queue(struct cuda_ep *e, struct CUstream_st *stream, char *to, const char *from, const struct wm_msg *msg)
{
    int status;
    if (msg->by == WM_BY_ENGINE) {
        status = e->device->cu->copy((uintptr_t)to, (uintptr_t)from, msg->bytes, stream);
        return status == WM_CUDA_SUCCESS ? WM_OK : failed(e, "cuMemcpyAsync", status);
    }
    const enum wm_cuda_kernel kernel = msg->by == WM_BY_CHASE ? WM_CUDA_CHASE : WM_CUDA_MOVE;
    status = wm_cuda_device_move(e->device, kernel, to, from, msg->bytes, stream);
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(e, "cuLaunchKernel", status);
}

/* Other libraries may have made another context current. */
static int copy(struct cuda_ep *e, unsigned slot, char *to, const char *from, const struct wm_msg *msg)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    struct CUstream_st *stream = e->stream[msg->peer % STREAMS];
    int status = cu->context_set(e->device->context);
    if (status != WM_CUDA_SUCCESS)
        return failed(e, "cuCtxSetCurrent", status);
    if (msg->bytes > 0 && queue(e, stream, to, from, msg) != WM_OK)
        return e->ep.err.code;
    status = cu->event_record(e->slot[slot].done, stream);
    if (status != WM_CUDA_SUCCESS)
        return failed(e, "cuEventRecord", status);
    e->slot[slot].open = true;
    return WM_OK;
}

static int cuda_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return copy(cuda_of(ep), slot, msg->remote->at + msg->remote_at, msg->ptr, msg);
}

static int cuda_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return copy(cuda_of(ep), slot, msg->ptr, msg->remote->at + msg->remote_at, msg);
}

static int cuda_test(struct wm_ep *ep, unsigned slot)
{
    struct cuda_ep *e = cuda_of(ep);
    if (!e->slot[slot].open)
        return WM_OK;
    int status = e->device->cu->event_query(e->slot[slot].done);
    if (status == WM_CUDA_NOT_READY)
        return WM_EAGAIN;
    e->slot[slot].open = false;
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(e, "cuEventQuery", status);
}

static const struct wm_ops cuda_ops = {
    .put = cuda_put,
    .get = cuda_get,
    .test = cuda_test,
    .wait = wm_wait_by_test,
};

/* ---- The device's own clock: the first stream sees the beginning before the others, and their ends ---- */

static int cuda_device_begin(struct wm_ep *ep)
{
    struct cuda_ep *e = cuda_of(ep);
    const struct wm_cuda_driver *cu = e->device->cu;
    int status = cu->context_set(e->device->context);
    if (status == WM_CUDA_SUCCESS)
        status = cu->event_record(e->begin, e->stream[0]);
    for (int s = 1; s < STREAMS && status == WM_CUDA_SUCCESS; s++)
        status = cu->stream_wait(e->stream[s], e->begin, 0);
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(e, "cuEventRecord", status);
}

static int await_end(struct cuda_ep *e)
{
    int status;
    while ((status = e->device->cu->event_query(e->end)) == WM_CUDA_NOT_READY)
        if (atomic_load_explicit(e->ep.expired, memory_order_relaxed))
            return WM_ETIMEOUT;
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(e, "cuEventQuery", status);
}

static int cuda_device_end(struct wm_ep *ep, double *ns)
{
    struct cuda_ep *e = cuda_of(ep);
    const struct wm_cuda_driver *cu = e->device->cu;
    float ms = 0;
    int status = cu->context_set(e->device->context);
    for (int s = 1; s < STREAMS && status == WM_CUDA_SUCCESS; s++) {
        status = cu->event_record(e->joined, e->stream[s]);
        if (status == WM_CUDA_SUCCESS)
            status = cu->stream_wait(e->stream[0], e->joined, 0);
    }
    if (status == WM_CUDA_SUCCESS)
        status = cu->event_record(e->end, e->stream[0]);
    if (status != WM_CUDA_SUCCESS)
        return failed(e, "cuEventRecord", status);
    int rc = await_end(e);
    if (rc != WM_OK)
        return rc;
    status = cu->event_elapsed(&ms, e->begin, e->end);
    if (status != WM_CUDA_SUCCESS)
        return failed(e, "cuEventElapsedTime", status);
    *ns = (double)ms * 1e6;
    return WM_OK;
}

/* ---- Registration ---- */

static int cuda_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    (void)ep;
    if (!mem->simulated)
        return WM_OK; /* what of it peers can reach is known when it is shared */
    return wm_fail(err, WM_EUNSUP, "", 0, "it copies by GPUs, and the %s device is none", mem->name);
}

static int cuda_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    struct cuda_ep *e = cuda_of(ep);
    const bool is_there = buf->mem != NULL;
    struct wm_region *region = calloc(1, sizeof(*region));
    struct note mine = { 0 };
    if (region == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "a region of GPU memory");
    else if (shared && is_there && buf->mem != &wm_mem_device)
        wm_fail(err, WM_EUNSUP, "", 0, "CUDA IPC shares device memory between processes, and no %s memory",
                buf->mem->name);
    else if (is_there) {
        region->at = buf->dma;
        region->base = (uintptr_t)buf->native;
        mine = (struct note){ .at = (uintptr_t)buf->dma,
                              .shift_bytes = (uintptr_t)buf->dma - (uintptr_t)buf->native,
                              .bytes = buf->bytes };
    }
    if (shared)
        wm_world_allgather(ep->world, &mine, sizeof(mine), e->note, err);
    if (err->code != WM_OK) {
        free(region);
        return err->code;
    }
    region->next = e->regions;
    *out = e->regions = region;
    return WM_OK;
}

static int cuda_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES],
                    struct wm_err *err)
{
    struct cuda_ep *e = cuda_of(ep);
    struct wm_cuda_ipc handle = { { 0 } };
    int status = WM_CUDA_SUCCESS;
    _Static_assert(sizeof(handle) == WM_KEY_BYTES, "a key holds a handle");
    if (region->at != NULL && ep->world->size > 1) {
        e->device->cu->context_set(e->device->context);
        status = e->device->cu->ipc_get(&handle, region->base);
    }
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(e->device->cu, err, WM_EUNSUP, "cuIpcGetMemHandle", status,
                            "memory of GPU %d cannot be shared with other processes", e->device->index);
    memcpy(key, &handle, sizeof(handle));
    return WM_OK;
}

/* Opens the allocation of another process of this host. */
static int open_peer(struct cuda_ep *e, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region *region,
                     struct wm_err *err)
{
    const struct wm_place *places = e->ep.world->places, *here = &places[e->ep.world->rank];
    struct wm_cuda_ipc handle;
    if (places[peer].host_index != here->host_index)
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "rank %d is on host %s, and copies by CUDA end at the host: name ranks of one host, as with "
                       "--pairs same-host",
                       peer, places[peer].host);
    memcpy(&handle, key, sizeof(handle));
    e->device->cu->context_set(e->device->context);
    int status = e->device->cu->ipc_open(&region->opened, handle, WM_CUDA_IPC_LAZY_PEER_ACCESS);
    if (status != WM_CUDA_SUCCESS) {
        region->opened = 0;
        return wm_cuda_fail(e->device->cu, err, WM_EUNSUP, "cuIpcOpenMemHandle", status,
                            "GPU %s cannot reach the memory of rank %d on GPU %s", e->who[e->ep.world->rank].address,
                            peer, e->who[peer].address);
    }
    region->at = (char *)(uintptr_t)(region->opened + e->note[peer].shift_bytes);
    return WM_OK;
}

static int cuda_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                       struct wm_err *err)
{
    struct cuda_ep *e = cuda_of(ep);
    const bool self = peer == ep->world->rank;
    struct wm_region *region;
    *out = NULL;
    if (e->note[peer].bytes == 0 || (!self && e->peers != NULL && !e->peers[peer]))
        return WM_OK;
    region = calloc(1, sizeof(*region));
    if (region == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "a region of GPU memory");
    if (self)
        region->at = (char *)(uintptr_t)e->note[peer].at; /* a process does not open what is its own */
    else if (open_peer(e, peer, key, region, err) != WM_OK) {
        free(region);
        return err->code;
    }
    region->next = e->regions;
    *out = e->regions = region;
    return WM_OK;
}

static void cuda_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct cuda_ep *e = cuda_of(ep);
    struct wm_region **at = &e->regions;
    while (*at != region)
        at = &(*at)->next;
    *at = region->next;
    if (region->opened != 0) {
        e->device->cu->context_set(e->device->context);
        e->device->cu->ipc_close(region->opened);
    }
    free(region);
}

/* ---- What it says of itself ---- */

static int cuda_probe(const void *own, struct wm_err *err)
{
    (void)own;
    return wm_cuda_probe(err);
}

static const char *cuda_version(char *text, size_t bytes)
{
    struct wm_err err = { .rank = -1 };
    int version = 0;
    const struct wm_cuda_device *d = wm_cuda_device(-1, &err);
    if (d != NULL && d->cu->version(&version) == WM_CUDA_SUCCESS)
        snprintf(text, bytes, "CUDA %d.%d", version / 1000, version % 1000 / 10);
    else
        snprintf(text, bytes, "CUDA");
    return text;
}

static void cuda_claim(struct wm_ep *ep, struct wm_claim *out)
{
    const struct cuda_ep *e = cuda_of(ep);
    *out = (struct wm_claim){ .fabric = e->fabric };
    snprintf(out->device, sizeof(out->device), "%.40s%s%s", e->who[ep->world->rank].uuid,
             e->fabric != WM_FABRIC_UNKNOWN ? ":" : "",
             e->fabric != WM_FABRIC_UNKNOWN ? wm_fabric_names[e->fabric] : ""); /* as its counters are named */
    snprintf(out->provider, sizeof(out->provider), "CUDA IPC");
    snprintf(out->how, sizeof(out->how), "copies from process to process%s", e->links);
}

/* ---- Opening and closing ---- */

/* What joins this GPU to those of its peers. */
struct joints {
    int same, others; /* peers on this GPU, and on others */
    enum wm_fabric fabric;
    bool mixed;
};

static bool reaches(const struct cuda_ep *e, int peer)
{
    const struct wm_world *world = e->ep.world;
    return peer != world->rank && world->places[peer].host_index == world->places[world->rank].host_index &&
           (e->peers == NULL || e->peers[peer]);
}

/* --fabric is held to: nothing is measured over another way, or over one that nobody knows. */
static int see_peer(struct cuda_ep *e, const struct wm_gpu_links *links, int peer, enum wm_fabric wanted,
                    struct joints *j, struct wm_err *err)
{
    const struct who *mine = &e->who[e->ep.world->rank], *its = &e->who[peer];
    const bool same = strcmp(its->uuid, mine->uuid) == 0;
    const enum wm_fabric now = wm_gpu_links_fabric(links, mine->uuid, its->uuid);
    if (wanted != WM_FABRIC_UNKNOWN && now != wanted)
        return wm_fail(err, WM_EABSENT, "", 0, "--fabric %s: from GPU %s to that of rank %d, %s, it found %s",
                       wm_fabric_names[wanted], mine->address, peer, its->address,
                       same                       ? "one and the same GPU"
                       : now == WM_FABRIC_UNKNOWN ? "a way of which NVML says nothing"
                                                  : wm_fabric_names[now]);
    j->same += same;
    if (same)
        return WM_OK;
    j->mixed |= j->others++ > 0 && now != j->fabric;
    j->fabric = now;
    return WM_OK;
}

static void write_links(struct cuda_ep *e, const struct joints *j)
{
    e->fabric = j->same > 0 || j->mixed ? WM_FABRIC_UNKNOWN : j->fabric;
    if (j->same > 0 && j->others == 0)
        snprintf(e->links, sizeof(e->links), ", all ranks on one GPU: nothing leaves it");
    else if (j->same > 0)
        snprintf(e->links, sizeof(e->links), ", %d of the ranks on this GPU", j->same + 1);
    else if (j->mixed)
        snprintf(e->links, sizeof(e->links), ", to %d GPUs by several ways", j->others);
    else if (j->fabric != WM_FABRIC_UNKNOWN)
        snprintf(e->links, sizeof(e->links), ", over %s as NVML says", wm_fabric_names[j->fabric]);
}

static int see_links(struct cuda_ep *e, enum wm_fabric wanted, struct wm_err *err)
{
    struct wm_gpu_links links;
    struct joints j = { .fabric = WM_FABRIC_UNKNOWN };
    wm_gpu_links_open(&links);
    for (int r = 0; r < e->ep.world->size && err->code == WM_OK; r++)
        if (reaches(e, r))
            see_peer(e, &links, r, wanted, &j, err);
    wm_gpu_links_close(&links);
    write_links(e, &j);
    return err->code;
}

static int open_parts(struct cuda_ep *e, const char **call)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    struct CUevent_st **clock[] = { &e->begin, &e->joined, &e->end };
    int status = WM_CUDA_SUCCESS;
    *call = "cuStreamCreate";
    for (int s = 0; s < STREAMS && status == WM_CUDA_SUCCESS; s++)
        status = cu->stream_create(&e->stream[s], WM_CUDA_STREAM_NON_BLOCKING);
    for (unsigned s = 0; s < e->ep.slots && status == WM_CUDA_SUCCESS; s++) {
        *call = "cuEventCreate";
        status = cu->event_create(&e->slot[s].done, WM_CUDA_EVENT_DISABLE_TIMING);
    }
    for (int k = 0; k < 3 && status == WM_CUDA_SUCCESS; k++)
        status = cu->event_create(clock[k], WM_CUDA_EVENT_DEFAULT);
    return status;
}

static void close_parts(struct cuda_ep *e)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    struct CUevent_st *clock[] = { e->begin, e->joined, e->end };
    cu->context_set(e->device->context);
    for (int s = 0; s < STREAMS; s++)
        if (e->stream[s] != NULL)
            cu->stream_destroy(e->stream[s]);
    for (unsigned s = 0; e->slot != NULL && s < e->ep.slots; s++)
        if (e->slot[s].done != NULL)
            cu->event_destroy(e->slot[s].done);
    for (int k = 0; k < 3; k++)
        if (clock[k] != NULL)
            cu->event_destroy(clock[k]);
}

/* Local: queued copies go on by themselves. */
static void cuda_abandon(struct wm_ep *ep)
{
    if (ep == NULL)
        return;
    struct cuda_ep *e = cuda_of(ep);
    while (e->regions != NULL)
        cuda_unreg(ep, e->regions);
    if (e->device != NULL)
        close_parts(e);
    free(e->slot);
    free(e->note);
    free(e->who);
    free(e);
}

/* No rank gives memory back that another one has open. */
static void cuda_close(struct wm_ep *ep)
{
    struct wm_err ignored = { .rank = -1 };
    if (ep == NULL)
        return;
    wm_world_barrier(ep->world, WM_SPIN, &ignored);
    cuda_abandon(ep);
}

static int open_device(struct cuda_ep *e, struct who *mine, struct wm_err *err)
{
    struct wm_cuda_device *d = wm_cuda_device(-1, err);
    struct wm_cuda_gpu gpu;
    const char *call = "";
    if (d == NULL || wm_cuda_device_kernels(d, err) != WM_OK || wm_cuda_describe(d->index, &gpu, err) != WM_OK)
        return err->code;
    e->device = d;
    memcpy(mine->uuid, gpu.uuid, sizeof(mine->uuid));
    memcpy(mine->address, gpu.address, sizeof(mine->address));
    int status = open_parts(e, &call);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "GPU %d cannot be made ready for copies", d->index);
    return WM_OK;
}

static struct cuda_ep *new_ep(const struct wm_ep_conf *conf)
{
    struct cuda_ep *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->ops = cuda_ops;
    if (conf->world->crowded)
        e->ops.wait = wm_wait_by_test_yield;
    e->ep = (struct wm_ep){ .ops = &e->ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    e->slot = calloc(conf->slots, sizeof(*e->slot));
    e->note = calloc((size_t)conf->world->size, sizeof(*e->note));
    e->who = calloc((size_t)conf->world->size, sizeof(*e->who));
    if (e->slot == NULL || e->note == NULL || e->who == NULL) {
        cuda_abandon(&e->ep);
        return NULL;
    }
    return e;
}

static int cuda_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct cuda_ep *e = new_ep(conf);
    struct who mine = { .uuid = "" };
    if (e == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "cuda endpoint of %u slots", conf->slots);
    else
        open_device(e, &mine, err);
    if (wm_world_agree(conf->world, WM_SPIN, err) != WM_OK ||
        wm_world_allgather(conf->world, &mine, sizeof(mine), e->who, err) != WM_OK) {
        cuda_abandon(e != NULL ? &e->ep : NULL);
        return err->code;
    }
    e->peers = conf->peers;
    if (see_links(e, conf->fabric, err) != WM_OK) {
        cuda_abandon(&e->ep);
        return err->code;
    }
    *out = &e->ep;
    return WM_OK;
}

const struct wm_transport wm_transport_cuda = {
    .name = "cuda",
    .summary = "copies between the GPUs of a host, by CUDA IPC",
    .ops = &cuda_ops,
    .untended = true,
    .device_only = true,
    .copies_by_kernel = true,
    .probe = cuda_probe,
    .open = cuda_open,
    .takes = cuda_takes,
    .reg = cuda_reg,
    .key = cuda_key,
    .import = cuda_import,
    .unreg = cuda_unreg,
    .device_begin = cuda_device_begin,
    .device_end = cuda_device_end,
    .claim = cuda_claim,
    .version = cuda_version,
    .close = cuda_close,
    .abandon = cuda_abandon,
};
