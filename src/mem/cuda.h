/**
 * GPUs of NVIDIA: which one this process uses. The memory kinds pinned, device and managed stand on it. One thread, the
 * main one; all errors name the driver's call, its status and what to do.
 */
#ifndef WM_MEM_CUDA_H
#define WM_MEM_CUDA_H

#include <stdbool.h>
#include <stddef.h>

#include "src/core/err.h"

struct wm_cuda_gpu {
    int index, visible; /* among those that CUDA_VISIBLE_DEVICES leaves; how many those are */
    char name[64];
    char uuid[48];     /* "GPU-..." as nvidia-smi -L shows it; "MIG-..." for a part of a GPU, which `mig` says too */
    char address[16];  /* on PCI, "0000:3b:00.0" as sysfs names it; of the whole GPU where this is a part */
    bool mig, managed; /* managed: has managed memory */
    size_t total_bytes;
};

/** WM_OK where there is a GPU that can be used, else WM_EABSENT: not built in, no driver, an older one than the
 * toolkit, no GPU to be seen. Asks the driver once. */
int wm_cuda_probe(struct wm_err *err);

/**
 * Chooses this process' GPU and makes its primary context current, which libraries on CUDA's run-time share; before
 * MPI_Init, so that the MPI sees it. May be called again. GPUs are counted in the order of their PCI addresses, as
 * nvidia-smi does, unless CUDA_DEVICE_ORDER says otherwise.
 * @param wanted  "auto", or a list of indexes, UUIDs ("GPU-" or "MIG-" and as many digits as tell them apart) and PCI
 *                addresses, split at commas; the GPU is word local_rank of it, counted round and round; auto counts
 *                round all GPUs
 * @param local_rank  below 0 counts as 0
 * @return WM_OK; WM_EUSAGE for a word that names no GPU by its form; WM_EABSENT as wm_cuda_probe(), or for one that is
 *         not there; WM_ESYS where the GPU cannot be used (held by another process, lost)
 */
int wm_cuda_select(const char *wanted, int local_rank, struct wm_cuda_gpu *out, struct wm_err *err);

/** The index of the GPU that wm_cuda_select() chose, else 0. */
int wm_cuda_selected(void);

/** The GPU that is selected is none: the driver is the tests' stand-in, and what it measures nothing. Opens no driver.
 */
bool wm_cuda_simulated(void);

/** Of a GPU that is there; leaves the selection as it is. */
int wm_cuda_describe(int index, struct wm_cuda_gpu *out, struct wm_err *err);

/** Memory that nobody has taken on this GPU, now; index < 0 is the selected one, or the first. */
int wm_cuda_free_bytes(int index, size_t *free_bytes, struct wm_err *err);

/** Gives back contexts and the library, after all buffers and copiers. */
void wm_cuda_close(void);

#endif
