/** What joins two GPUs of this node, as NVML says: NVLink, or PCIe where there is none. */
#ifndef WM_TOPO_GPU_LINK_H
#define WM_TOPO_GPU_LINK_H

#include "src/topo/topo.h"

struct wm_gpu_links {
    struct wm_topo topo; /* GPUs and their links alone */
};

/** Never fails: where NVML cannot be asked nothing is known. */
void wm_gpu_links_open(struct wm_gpu_links *out);
void wm_gpu_links_close(struct wm_gpu_links *links);

/** By UUIDs, "GPU-...". UNKNOWN: one of the two is not known (or a part of a GPU), or both are one. */
enum wm_fabric wm_gpu_links_fabric(const struct wm_gpu_links *links, const char *a, const char *b);

#endif
