/** What the host hands the kernels of cuda_kernels.cu: one structure each, by value. */
#ifndef WM_MEM_CUDA_KERNELS_H
#define WM_MEM_CUDA_KERNELS_H

#include "src/mem/element.h"

struct wm_cuda_tally {               /* what a check adds to, in device memory */
    unsigned long long wrong, first; /* elements; index of the first, at the start ULLONG_MAX */
};

/* Kernels fill and check. */
struct wm_cuda_stretch {
    struct wm_elements elements;
    unsigned char *at; /* of the first element; no alignment needed */
    unsigned long long count;
    struct wm_cuda_tally *tally; /* check only */
};

/* Kernel reduce: to[i] = to[i] op from[i]. */
struct wm_cuda_reduction {
    unsigned char *to;
    const unsigned char *from;
    unsigned long long count;
    enum wm_dtype type;
    enum wm_redop op;
};

/* Kernels move and chase: copies by the processors instead of a copy engine. Move needs no alignment; of a chase both
 * sides lie on vectors. */
struct wm_cuda_move {
    unsigned char *to;
    const unsigned char *from;
    unsigned long long bytes;
    unsigned zero; /* chase only: 0, which neither compiler nor processor knows */
};

enum wm_cuda_kernel { WM_CUDA_FILL, WM_CUDA_CHECK, WM_CUDA_REDUCE, WM_CUDA_MOVE, WM_CUDA_CHASE, WM_CUDA_KERNELS };

#define WM_CUDA_KERNEL_NAMES                                                                                           \
    {                                                                                                                  \
        "wm_cuda_fill", "wm_cuda_check", "wm_cuda_reduce", "wm_cuda_move", "wm_cuda_chase"                             \
    }

enum { WM_CUDA_THREADS = 256 }; /* of a block, for all of them */

#endif
