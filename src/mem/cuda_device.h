/** GPUs as the memory kinds use them: a context and the kernels of each, opened when first needed. */
#ifndef WM_MEM_CUDA_DEVICE_H
#define WM_MEM_CUDA_DEVICE_H

#include <stdbool.h>

#include "src/mem/cuda_driver.h"
#include "src/mem/cuda_kernels.h"

#define WM_CUDA_LIBRARY "libcuda.so.1"

struct wm_cuda_device {
    const struct wm_cuda_driver *cu;
    int index, handle; /* as CUDA counts; the driver's */
    unsigned processors;
    int numa;                 /* the node of the host that is next to it; -1: not known */
    bool managed, concurrent; /* has managed memory; the CPU may touch it while the GPU works */
    struct CUctx_st *context;
    struct CUmod_st *module;
    struct CUfunc_st *kernel[WM_CUDA_KERNELS];
    struct CUstream_st *stream; /* of what is not timed */
    unsigned long long tally;   /* struct wm_cuda_tally in its memory */
};

/* The kernels' code as nvcc made it (a fat binary) and the toolkit's version, 1000 * major + 10 * minor; no code: built
 * without CUDA. In registry.c; tests set their own. */
extern struct wm_cuda_image {
    const void *code;
    int toolkit;
} wm_cuda_image;

/** The device with its context, made current; index < 0 is the selected one, or the first. NULL: err says why. */
struct wm_cuda_device *wm_cuda_device(int index, struct wm_err *err);

/** Loads its kernels, where they are not yet. */
int wm_cuda_device_kernels(struct wm_cuda_device *device, struct wm_err *err);

/** Starts a kernel of `threads` or fewer, as many as the device holds at once; its loops do the rest. The driver's
 * status. The hot path's, too. */
int wm_cuda_device_launch(const struct wm_cuda_device *device, enum wm_cuda_kernel kernel, void *argument,
                          unsigned long long threads, struct CUstream_st *stream);

/** Starts a copy by a kernel: WM_CUDA_MOVE or WM_CUDA_CHASE. As wm_cuda_device_launch(). */
int wm_cuda_device_move(const struct wm_cuda_device *device, enum wm_cuda_kernel kernel, void *to, const void *from,
                        size_t bytes, struct CUstream_st *stream);

#endif
