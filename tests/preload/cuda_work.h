/* Another library's work on a stream of the stand-in for NVIDIA's driver (cuda.c), in the place of kernels. */
#ifndef WM_TESTS_CUDA_WORK_H
#define WM_TESTS_CUDA_WORK_H

#include <stdbool.h>

struct CUstream_st;

struct wm_cuda_foreign {
    bool (*step)(struct wm_cuda_foreign *work);    /* true when it is done, and ready to begin anew */
    void (*release)(struct wm_cuda_foreign *work); /* never again */
    int held, queued;                              /* by graphs; in streams */
};

/** In the stream's order; `work` is the stream's until release(). */
int wm_cuda_work(struct CUstream_st *stream, struct wm_cuda_foreign *work);

/** Where a device's address can be read and written; any other one is as it is. */
void *wm_cuda_alias(const void *at);

#endif
