#include "src/topo/gpu_link.h"

#include <string.h>

#include "src/topo/discover.h"

void wm_gpu_links_open(struct wm_gpu_links *out)
{
    struct wm_err ignored = { .rank = -1 };
    struct wm_tree tree;
    *out = (struct wm_gpu_links){ 0 };
    if (wm_tree_open("/", &tree, &ignored) != WM_OK)
        return;
    wm_topo_read_nvml(&tree, &out->topo, &ignored);
    wm_tree_close(&tree);
}

void wm_gpu_links_close(struct wm_gpu_links *links)
{
    wm_topo_free(&links->topo);
}

static int find(const struct wm_topo *topo, const char *uuid)
{
    int i = 0;
    while (i < topo->n_gpus && strcmp(topo->gpu[i].uuid, uuid) != 0)
        i++;
    return i < topo->n_gpus ? i : -1;
}

enum wm_fabric wm_gpu_links_fabric(const struct wm_gpu_links *links, const char *a, const char *b)
{
    const int from = find(&links->topo, a), to = find(&links->topo, b);
    if (from < 0 || to < 0 || from == to)
        return WM_FABRIC_UNKNOWN;
    return wm_topo_nvlinks(&links->topo, from, to) > 0 ? WM_FABRIC_NVLINK : WM_FABRIC_PCIE;
}
