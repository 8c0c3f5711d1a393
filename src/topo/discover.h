/** The parts of discovery, for src/topo alone: each adds what it finds to a topology, and notes what it could not read.
 */
#ifndef WM_TOPO_DISCOVER_H
#define WM_TOPO_DISCOVER_H

#include "src/topo/topo.h"

/* All return WM_OK or WM_ENOMEM; those with a file also WM_EABSENT and WM_EUSAGE. */

/** CPUs, NUMA nodes and the PCI tree by hwloc: of this machine, below the tree's root, or of an XML file (xml). */
int wm_topo_read_hwloc(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err);
/** The same, with GPUs, cards and NVLinks, of a topology file of NCCL. */
int wm_topo_read_nccl(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err);
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

/** The one spelling of a PCI address, "0000:18:00.0", of any ("18:0.0", "00000000:18:00.0"); false: it is none. */
bool wm_topo_pci_address(const char *text, char address[16]);
/** Index in pci[] of an address in any spelling (upper case, with or without domain); -1 = none. */
int wm_topo_find_pci(const struct wm_topo *topo, const char *address);

/**
 * Makes room for one more element of an array of `count` that only this function allocates; the new one is zeroed.
 * The room doubles, so that a count that fell may grow again. False: no memory, and the array is as it was.
 */
bool wm_topo_grow(void *array_pointer, int count, size_t element_bytes);

/** Index in numa[] of the kernel's number of a NUMA node; -1 = none. */
int wm_topo_find_numa(const struct wm_topo *topo, int64_t os_index);

/** A new text with a file's bytes and a zero behind them, for the readers of XML. WM_EABSENT, WM_ESYS, WM_EUSAGE: too
 * large, WM_ENOMEM. */
int wm_topo_load_file(const char *path, char **text, size_t *bytes, struct wm_err *err);

/* A kind of topology file. The table ends with root == NULL and keeps a row for what was not built in. */
struct wm_topo_xml_kind {
    const char *root;    /* element that only this kind begins with */
    const char *title;   /* "hwloc XML" */
    const char *missing; /* library that it needs and that was not built in; NULL = read() is there */
    int (*read)(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err);
};
extern const struct wm_topo_xml_kind wm_topo_xml_kinds[];

/**
 * Address of the PCI function of a device's folder ("sys/class/net/eth0"), also of one that stands on a device between
 * (virtio, a subfunction). False: it has none, or shows none.
 */
bool wm_topo_device_address(struct wm_tree *tree, const char *device, char address[16]);
/** Numbers in files of a folder ("counters/symbol_error"; ended by NULL) that are not 0; returns how many. */
int wm_topo_read_counters(struct wm_tree *tree, const char *folder, const char *const *files,
                          struct wm_topo_counter *out, int cap);

/** "400 Gb/sec (4X NDR)" -> 50e9; 0 where it is no rate. */
double wm_rate_bytes_per_s(const char *text);

#endif
