#include "src/mem/cuda_card.h"

#include <unistd.h>

#include "src/mem/cuda_device.h"
#include "src/mem/mem.h"

static int attribute(const struct wm_cuda_device *d, int which)
{
    int value = 0;
    return d->cu->attribute(&value, which, d->handle) == WM_CUDA_SUCCESS ? value : 0;
}

int wm_cuda_card(struct wm_cuda_card *out, struct wm_err *err)
{
    struct wm_cuda_device *d = wm_cuda_device(-1, err);
    if (d == NULL)
        return err->code;
    *out = (struct wm_cuda_card){
        .device = d,
        .index = d->index,
        .handle = d->handle,
        .gpudirect = attribute(d, WM_CUDA_ATTRIBUTE_GPUDIRECT) != 0,
        .dmabuf = attribute(d, WM_CUDA_ATTRIBUTE_DMABUF) != 0,
        .has_handle = d->cu->address_handle != NULL,
        .has_flush = d->cu->flush_writes != NULL,
        .flush_options = attribute(d, WM_CUDA_ATTRIBUTE_FLUSH_OPTIONS),
        .writes_ordering = attribute(d, WM_CUDA_ATTRIBUTE_WRITES_ORDERING),
    };
    return WM_OK;
}

enum wm_cuda_flush wm_cuda_flush_of(const struct wm_cuda_card *gpu)
{
    if (gpu->writes_ordering >= WM_CUDA_ORDERED_TO_OWNER)
        return WM_CUDA_FLUSH_NONE;
    return gpu->has_flush && (gpu->flush_options & WM_CUDA_FLUSH_BY_HOST) != 0 ? WM_CUDA_FLUSH_CALL
                                                                               : WM_CUDA_FLUSH_READ;
}

int wm_cuda_card_takes(const struct wm_mem *mem, struct wm_err *err)
{
    if (mem == &wm_mem_device)
        return WM_OK;
    return wm_fail(err, WM_EUNSUP, "", 0,
                   "%s memory moves between GPU and node, and no card can be given it: use --mem device, or --path "
                   "staged or pipelined",
                   mem->name);
}

/* Whole pages of the host, as the driver wants them: those of a buffer are its own. */
int wm_cuda_dmabuf(const struct wm_cuda_card *gpu, const struct wm_buf *buf, struct wm_cuda_dmabuf *out,
                   struct wm_err *err)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)buf->dma;
    const uint64_t begin = at / page * page, end = (at + buf->bytes + page - 1) / page * page;
    const struct wm_cuda_driver *cu = gpu->device->cu;
    int fd = -1, status = cu->context_set(gpu->device->context);
    if (status == WM_CUDA_SUCCESS)
        status = cu->address_handle(&fd, begin, end - begin, WM_CUDA_HANDLE_DMABUF, 0);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(cu, err, WM_EUNSUP, "cuMemGetHandleForAddressRange", status,
                            "no dma-buf of %zu bytes of GPU %d", buf->bytes, gpu->index);
    *out = (struct wm_cuda_dmabuf){ fd, at - begin };
    return WM_OK;
}

static int __attribute__((noinline, cold))
flush_failed(const struct wm_cuda_device *d, const char *call, int status, struct wm_err *err)
{
    return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "what a card wrote into GPU %d cannot be made visible to it",
                        d->index);
}

/* Other libraries may have made another context current. */
int wm_cuda_flush(struct wm_cuda_device *d, struct wm_err *err)
{
    int status = d->cu->context_set(d->context);
    if (status != WM_CUDA_SUCCESS)
        return flush_failed(d, "cuCtxSetCurrent", status, err);
    status = d->cu->flush_writes(WM_CUDA_FLUSH_CURRENT_CONTEXT, WM_CUDA_FLUSH_TO_OWNER);
    return status == WM_CUDA_SUCCESS ? WM_OK : flush_failed(d, "cuFlushGPUDirectRDMAWrites", status, err);
}
