/**
 * Copies and reductions of GPU memory: a stream each for what comes to the GPU, what leaves it and what stays, so that
 * both directions and the kernels run at once; an event a slot says when it is done.
 */
#include <stdlib.h>

#include "src/mem/cuda_device.h"
#include "src/mem/cuda_memory.h"

enum way { TO_DEVICE, FROM_DEVICE, ON_DEVICE, WAYS };

struct wm_copier {
    const struct wm_cuda_device *device;
    struct CUstream_st *stream[WAYS];
    const char *failed_call; /* the first that failed; NULL = none */
    int failed_status;
    unsigned slots;
    struct slot {
        struct CUevent_st *done;
        bool open;
    } slot[];
};

static int open_parts(struct wm_copier *c, const char **call)
{
    const struct wm_cuda_driver *cu = c->device->cu;
    int status = WM_CUDA_SUCCESS;
    *call = "cuStreamCreate";
    for (int w = 0; w < WAYS && status == WM_CUDA_SUCCESS; w++)
        status = cu->stream_create(&c->stream[w], WM_CUDA_STREAM_NON_BLOCKING);
    for (unsigned s = 0; s < c->slots && status == WM_CUDA_SUCCESS; s++) {
        *call = "cuEventCreate";
        status = cu->event_create(&c->slot[s].done, WM_CUDA_EVENT_DISABLE_TIMING);
    }
    return status;
}

int wm_cuda_copier_open(int device, unsigned slots, const void *own, struct wm_copier **out, struct wm_err *err)
{
    struct wm_cuda_device *d = wm_cuda_device(device, err);
    const char *call = "";
    (void)own;
    if (d == NULL || wm_cuda_device_kernels(d, err) != WM_OK)
        return err->code;
    struct wm_copier *c = calloc(1, sizeof(*c) + slots * sizeof(c->slot[0]));
    if (c == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "copies of GPU %d", d->index);
    c->device = d;
    c->slots = slots;
    int status = open_parts(c, &call);
    if (status != WM_CUDA_SUCCESS) {
        wm_cuda_copier_close(c);
        return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "GPU %d cannot be made ready for copies", d->index);
    }
    *out = c;
    return WM_OK;
}

/* What is still on its way ends first: buffers are given back after this. */
void wm_cuda_copier_close(struct wm_copier *c)
{
    if (c == NULL)
        return;
    const struct wm_cuda_driver *cu = c->device->cu;
    cu->context_set(c->device->context);
    for (int w = 0; w < WAYS; w++)
        if (c->stream[w] != NULL) {
            cu->stream_synchronize(c->stream[w]);
            cu->stream_destroy(c->stream[w]);
        }
    for (unsigned s = 0; s < c->slots; s++)
        if (c->slot[s].done != NULL)
            cu->event_destroy(c->slot[s].done);
    free(c);
}

/* ---- The hot path ---- */

static int __attribute__((noinline, cold)) failed(struct wm_copier *c, const char *call, int status)
{
    if (c->failed_call == NULL) {
        c->failed_call = call;
        c->failed_status = status;
    }
    return status == WM_CUDA_OUT_OF_MEMORY ? WM_ENOMEM : WM_ESYS;
}

/* Other libraries may have made another context current: naming ours costs tens of nanoseconds, a copy microseconds. */
static int begin(struct wm_copier *c)
{
    int status = c->device->cu->context_set(c->device->context);
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(c, "cuCtxSetCurrent", status);
}

static int end(struct wm_copier *c, unsigned slot, enum way way, const char *call, int status)
{
    if (status != WM_CUDA_SUCCESS)
        return failed(c, call, status);
    status = c->device->cu->event_record(c->slot[slot].done, c->stream[way]);
    if (status != WM_CUDA_SUCCESS)
        return failed(c, "cuEventRecord", status);
    c->slot[slot].open = true;
    return WM_OK;
}

int wm_cuda_copy(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    const enum way way = !wm_cuda_owns(to) ? FROM_DEVICE : !wm_cuda_owns(from) ? TO_DEVICE : ON_DEVICE;
    int rc = begin(c);
    if (rc != WM_OK)
        return rc;
    return end(c, slot, way, "cuMemcpyAsync",
               c->device->cu->copy((uintptr_t)to, (uintptr_t)from, bytes, c->stream[way]));
}

static int move(struct wm_copier *c, unsigned slot, enum wm_cuda_kernel kernel, void *to, const void *from,
                size_t bytes)
{
    int rc = begin(c);
    if (rc != WM_OK)
        return rc;
    return end(c, slot, ON_DEVICE, "cuLaunchKernel",
               wm_cuda_device_move(c->device, kernel, to, from, bytes, c->stream[ON_DEVICE]));
}

int wm_cuda_copy_by_kernel(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    return move(c, slot, WM_CUDA_MOVE, to, from, bytes);
}

int wm_cuda_copy_by_chase(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    return move(c, slot, WM_CUDA_CHASE, to, from, bytes);
}

int wm_cuda_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count, enum wm_dtype type,
                   enum wm_redop op)
{
    enum { VECTOR = 16 }; /* bytes that a thread takes at once */
    struct wm_cuda_reduction r = { .to = to, .from = from, .count = count, .type = type, .op = op };
    const unsigned long long threads = count * wm_dtype_bytes(type) / VECTOR + 1;
    int rc = begin(c);
    if (rc != WM_OK)
        return rc;
    return end(c, slot, ON_DEVICE, "cuLaunchKernel",
               wm_cuda_device_launch(c->device, WM_CUDA_REDUCE, &r, threads, c->stream[ON_DEVICE]));
}

int wm_cuda_test(struct wm_copier *c, unsigned slot)
{
    if (!c->slot[slot].open)
        return WM_OK;
    int status = c->device->cu->event_query(c->slot[slot].done);
    if (status == WM_CUDA_NOT_READY)
        return WM_EAGAIN;
    c->slot[slot].open = false;
    return status == WM_CUDA_SUCCESS ? WM_OK : failed(c, "cuEventQuery", status);
}

void wm_cuda_why(const struct wm_copier *c, struct wm_err *err)
{
    if (c->failed_call != NULL)
        wm_cuda_fail(c->device->cu, err, WM_ESYS, c->failed_call, c->failed_status,
                     "a copy or reduction of GPU %d failed", c->device->index);
}
