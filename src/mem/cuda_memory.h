/** Between the files of GPU memory. */
#ifndef WM_MEM_CUDA_MEMORY_H
#define WM_MEM_CUDA_MEMORY_H

#include <stdbool.h>

#include "src/mem/mem.h"

/** Does this address lie in a buffer of a GPU, device or managed memory? The hot path asks. */
bool wm_cuda_owns(const void *at);

/* What the tables of device and managed memory share; cuda_copier.c. */
int wm_cuda_copier_open(int device, unsigned slots, const void *own, struct wm_copier **out, struct wm_err *err);
void wm_cuda_copier_close(struct wm_copier *c);
wm_copy_call wm_cuda_copy, wm_cuda_copy_by_kernel, wm_cuda_copy_by_chase;
int wm_cuda_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count, enum wm_dtype type,
                   enum wm_redop op);
int wm_cuda_test(struct wm_copier *c, unsigned slot);
void wm_cuda_why(const struct wm_copier *c, struct wm_err *err);

#endif
