/**
 * Memory of GPUs for network cards, which reach it past the CPU: what the driver says of it, its dma-buf, and what has
 * to happen before a GPU may read what a card wrote. Of kind device alone: managed memory moves.
 */
#ifndef WM_MEM_CUDA_CARD_H
#define WM_MEM_CUDA_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

struct wm_buf;
struct wm_mem;
struct wm_cuda_device;

/* What makes bytes of a card visible to the GPU. */
enum wm_cuda_flush {
    WM_CUDA_FLUSH_NONE, /* nothing: they come in order */
    WM_CUDA_FLUSH_CALL, /* wm_cuda_flush() */
    WM_CUDA_FLUSH_READ, /* a read by the same card, which pushes them before it */
};

struct wm_cuda_card {
    struct wm_cuda_device *device;
    int index, handle;   /* as CUDA counts; the driver's, CUdevice */
    bool gpudirect;      /* attribute 116: cards reach it at all */
    bool dmabuf;         /* attribute 124 */
    bool has_handle;     /* the driver has cuMemGetHandleForAddressRange */
    bool has_flush;      /* and cuFlushGPUDirectRDMAWrites */
    int flush_options;   /* attribute 117 */
    int writes_ordering; /* attribute 118 */
};

/** Of the GPU that this process uses. Attributes that the driver does not know are 0. */
int wm_cuda_card(struct wm_cuda_card *out, struct wm_err *err);

/** Pure: by the attributes. */
enum wm_cuda_flush wm_cuda_flush_of(const struct wm_cuda_card *gpu);

/** Can cards be given this kind? WM_EUNSUP with the reason. */
int wm_cuda_card_takes(const struct wm_mem *mem, struct wm_err *err);

struct wm_cuda_dmabuf {
    int fd;          /* the caller closes it */
    uint64_t offset; /* of the buffer in it */
};

/** The pages of a buffer as a dma-buf. WM_EUNSUP with the driver's call and status. */
int wm_cuda_dmabuf(const struct wm_cuda_card *gpu, const struct wm_buf *buf, struct wm_cuda_dmabuf *out,
                   struct wm_err *err);

/** Hot path: all that cards have written into the GPU's memory so far is visible to it. */
int wm_cuda_flush(struct wm_cuda_device *device, struct wm_err *err);

#endif
