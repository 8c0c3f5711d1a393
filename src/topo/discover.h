/** The parts of discovery, for src/topo alone: each adds what it finds to a topology, and notes what it could not read.
 */
#ifndef WM_TOPO_DISCOVER_H
#define WM_TOPO_DISCOVER_H

#include "src/topo/topo.h"

/* All return WM_OK or WM_ENOMEM; those with a file also WM_EABSENT and WM_EUSAGE. */

/** CPUs, NUMA nodes and the PCI tree by hwloc: of this machine, below the tree's root, or of an XML file (xml). */
int wm_topo_read_hwloc(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err);
/** The same, with GPUs, cards and NVLinks, of a topology file of NCCL. */
int wm_topo_read_nccl(const char *xml, struct wm_topo *topo, struct wm_err *err);
/** GPUs as pci[] shows them (class 0x0300 and 0x0302 of NVIDIA and AMD), in order of addresses. */
int wm_topo_find_gpus(struct wm_topo *topo, struct wm_err *err);
/** Link, driver, payload, ACS and IOMMU group of what stands in pci[]. */
int wm_topo_read_pci(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err);
/** /sys/class/infiniband. Device whose PCI function is not in pci[] (hwloc without PCI) have pci = -1. */
int wm_topo_read_rdma(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err);
/** /sys/class/net; after wm_topo_read_rdma. */
int wm_topo_read_netifs(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err);
/**
 * Names, UUIDs, memory and NVLinks of GPUs: by libnvidia-ml.so.1 opened now (this machine), or from nvml.json below a
 * recorded machine's root. GPUs are matched by PCI address; those that only NVML knows are added.
 */
int wm_topo_read_nvml(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err);

/** Index in pci[] of an address in any spelling (upper case, with or without domain); -1 = none. */
int wm_topo_find_pci(const struct wm_topo *topo, const char *address);

/** Makes room for one more element of an array of `count`; the new one is zeroed. False: no memory. */
bool wm_topo_grow(void *array_pointer, int count, size_t element_bytes);

/** "400 Gb/sec (4X NDR)" -> 50e9; 0 where it is no rate. */
double wm_rate_bytes_per_s(const char *text);

#endif
