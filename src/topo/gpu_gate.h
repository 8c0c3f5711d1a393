/** What separates the GPUs of one host from each other: the links that a collective of theirs must cross. Pure. */
#ifndef WM_TOPO_GPU_GATE_H
#define WM_TOPO_GPU_GATE_H

#include "src/topo/limit.h"

/* All ways between the GPUs behind it and the others. */
struct wm_gpu_gate {
    uint64_t inside;       /* bit i: gpu[i] lies behind it */
    struct wm_limit limit; /* of its link or links, one way */
};

/**
 * Where NVLink joins each of the GPUs to each: the NVLinks of each GPU. (No library that is known uses PCI beside them;
 * where it joins some only, all do.) Else the PCI links that have some of the GPUs on each side, no NVLink from one
 * side to the other, and none to the processor. What has no known speed is left out.
 * @param gpu  n indexes in topo->gpu, 2 to 64; one that comes twice has no NVLink to itself
 * @param out  room for n + topo->n_pci
 * @return how many; 0 = nothing is known, or n is out of range
 */
int wm_gpu_gates(const struct wm_topo *topo, const int *gpu, int n, struct wm_gpu_gate *out);

#endif
