/** Versions of what moves bytes on this machine: kernel, drivers and libraries. */
#ifndef WM_TOPO_VERSIONS_H
#define WM_TOPO_VERSIONS_H

#include "src/topo/tree.h"

struct wm_version {
    char name[32], version[96]; /* "libfabric" "1.17.0" */
};
struct wm_versions {
    struct wm_version item[24];
    int n;
};

/**
 * This machine: kernel, NVIDIA driver, and libfabric, rdma-core, NCCL, UCX by the libraries that would be loaded (a
 * name that cannot be found is left out). Below another root: its kernel and driver, and the lines "name version" of
 * the file `versions` there.
 */
void wm_versions_read(struct wm_tree *tree, struct wm_versions *out);
void wm_versions_add(struct wm_versions *v, const char *name, const char *version);
/** "" when not known. */
const char *wm_versions_of(const struct wm_versions *v, const char *name);
/** a < b: negative, as numbers part by part: "1.9" < "1.17". */
int wm_version_compare(const char *a, const char *b);

#endif
