/**
 * The hardware of one node as data: what discovery finds, what topo shows, limits and doctor read, and the result
 * keeps. No pointers between parts, only indexes, so that it can be sent, compared and read back.
 * Absent means not known: texts "", numbers 0 (or -1 where 0 has a meaning), rates 0.
 */
#ifndef WM_TOPO_H
#define WM_TOPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"
#include "src/topo/tree.h"

/* The names that users give to what carries bytes; the rules are in src/topo/fabric.c. */
enum wm_fabric {
    WM_FABRIC_UNKNOWN,
    WM_FABRIC_NVLINK,
    WM_FABRIC_PCIE,
    WM_FABRIC_IB,
    WM_FABRIC_ROCE,
    WM_FABRIC_IWARP,
    WM_FABRIC_EFA,
    WM_FABRIC_OPA, /* Omni-Path */
    WM_FABRIC_CXI, /* Slingshot */
    WM_FABRIC_TCP,
    WM_FABRIC_SHM,
    WM_FABRICS
};
extern const char *const wm_fabric_names[WM_FABRICS + 1]; /* "unknown", "nvlink", ... NULL */

/* A PCI link's state; transfers a second are in units of 1e9 ("GT/s"), 0 = not known. */
struct wm_pci_link {
    double gt_per_s, max_gt_per_s;
    int width, max_width;
    /* One way, encoding taken off, where the source gives only this (hwloc's XML); 0 = see the others. */
    double bytes_per_s;
};

enum wm_acs { WM_ACS_UNKNOWN, WM_ACS_OFF, WM_ACS_REDIRECTS }; /* REDIRECTS: peer traffic goes up to the root */

struct wm_topo_numa {
    int os_index;
    uint64_t memory_bytes;
    char cpus[640]; /* "0-31,64-95": hardware threads; long where firmware numbers sockets in turn, "0,2,4" */
    int cores, threads;
    int package;
};

struct wm_topo_core {
    int numa;      /* index in numa[], -1 = not known */
    char cpus[32]; /* its hardware threads: "0,64" */
};

struct wm_topo_pci {
    char address[16]; /* "0000:18:00.0" */
    char name[80];    /* of vendor and device, where the machine's list of them is there */
    char driver[32];
    uint32_t class_id; /* 0x060400: a bridge */
    uint16_t vendor, device;
    int parent; /* index of the bridge above, which stands before; -1 = below a root */
    int root;   /* number of its PCI root (host bridge), -1 = not known */
    int numa;   /* index in numa[], -1 = not known */
    bool bridge;
    bool virtual_function;
    struct wm_pci_link link; /* towards its parent */
    int payload_bytes;       /* largest payload of a packet as set up; 0 = not known */
    enum wm_acs acs;         /* of bridges */
    char iommu_group[16];
};

struct wm_topo_gpu {
    char name[80];   /* "NVIDIA H100 80GB HBM3" */
    char uuid[64];   /* or MIG id; differs between equal nodes: not part of a node's kind */
    char driver[32]; /* version */
    int pci;         /* index in pci[], -1 = not known */
    int index;       /* as NVML counts; without NVML in order of PCI addresses */
    int numa;
    uint64_t memory_bytes;
    int nvlinks;                 /* active */
    double nvlink_bytes_per_s;   /* of one link, one way */
    char nvlink_domain[48];      /* cluster UUID and clique of a rack-wide domain */
    int nvlink_inactive;         /* present but down */
    int cpu_links;               /* active, to the processor: NVLink-C2C, or NVLinks (POWER); 0 = PCI is the way */
    double cpu_link_bytes_per_s; /* of these all together, one way; 0 = not known */
};

/* Active links between two GPUs, or between a GPU and switches (to = -1: every GPU on a switch reaches every other). */
struct wm_topo_nvlink {
    int from, to; /* indexes in gpu[] */
    int links;
};

enum wm_gid_type { WM_GID_OTHER, WM_GID_IB, WM_GID_ROCE_V1, WM_GID_ROCE_V2 };

struct wm_topo_gid {
    int index;
    char gid[40]; /* "fe80:0000:0000:0000:..." as in sysfs */
    enum wm_gid_type type;
    char netif[32];
};

/* What went wrong on a link since its counter began; not part of a node's kind. */
struct wm_topo_counter {
    char name[40]; /* "symbol_error", "rx_dropped" */
    uint64_t value;
};
#define WM_TOPO_PORT_COUNTERS  24
#define WM_TOPO_NETIF_COUNTERS 12

struct wm_topo_port {
    int number;
    char state[16];      /* "ACTIVE", "DOWN", "INIT", "ARMED" */
    char phys_state[24]; /* "LinkUp", "Disabled", "Polling" */
    char link_layer[24]; /* "InfiniBand", "Ethernet", "Unspecified" */
    char rate[40];       /* "400 Gb/sec (4X NDR)" */
    double bytes_per_s;  /* of that rate, encoding taken off: 4X QDR carries 4e9 */
    enum wm_fabric fabric;
    char netif[32]; /* Ethernet interface of the port */
    int mtu_bytes;  /* of that interface */
    struct wm_topo_gid *gid;
    int n_gids;
    struct wm_topo_counter counter[WM_TOPO_PORT_COUNTERS]; /* those that are not 0 */
    int n_counters;
};

/* An RDMA device: InfiniBand, RoCE, iWARP, EFA, Omni-Path ... */
struct wm_topo_rdma {
    char name[32];      /* "mlx5_0" */
    char driver[32];    /* of its PCI function; "rdma_rxe" and "siw" have none */
    char node_type[16]; /* "CA", "RNIC", "unspecified" */
    char firmware[40], board_id[40];
    char node_guid[40]; /* not part of a node's kind */
    int pci, numa;
    bool virtual_device; /* no hardware of its own (rxe, siw): its rate is no physical bound */
    struct wm_topo_port *port;
    int n_ports;
};

struct wm_topo_netif {
    char name[32], driver[32];
    char state[16];     /* operstate: "up", "down", "unknown" */
    double bytes_per_s; /* of its speed; 0 = not known */
    int mtu_bytes;
    int pci, numa;
    bool loopback;
    bool virtual_device; /* bridge, veth, bond ...: its speed is no physical bound */
    char master[32];     /* bond or bridge above it */
    char kind[16];       /* "bond", "bridge", "vlan", "veth", ""; from uevent's DEVTYPE, bonding/, bridge/ */
    /* Index in rdma[] of the hardware whose port it is, or that shares its PCI function; -1 = none. */
    int rdma;
    struct wm_topo_counter counter[WM_TOPO_NETIF_COUNTERS]; /* those that are not 0 */
    int n_counters;
};

struct wm_topo {
    char source[64];  /* "this machine", "files below DIR", "hwloc XML FILE", "NCCL XML FILE" */
    char machine[96]; /* product name of the board, or of the instance ("p5.48xlarge") */
    char cpu_model[96], arch[16];
    int packages, cores, threads;
    struct wm_topo_numa *numa;
    int n_numa;
    struct wm_topo_core *core;
    int n_cores;
    struct wm_topo_pci *pci;
    int n_pci;
    struct wm_topo_gpu *gpu;
    int n_gpus;
    struct wm_topo_nvlink *nvlink;
    int n_nvlinks;
    struct wm_topo_rdma *rdma;
    int n_rdma;
    struct wm_topo_netif *netif;
    int n_netifs;
    struct wm_note *note;
    int n_notes, notes_left_out; /* what could not be read, and why */
};

struct wm_topo_request {
    const char *sysfs_root; /* NULL or "/" = this machine */
    const char *xml;        /* hwloc's or NCCL's file instead of hwloc's own discovery; NULL = none */
};

/**
 * Discovery: hwloc (or the XML file), then what sysfs says below the root (not with an XML file alone), then NVML.
 * What is missing is absent, with the reason in note[].
 * @return WM_OK; WM_EABSENT: no such root or file; WM_EUSAGE: the file is neither hwloc's nor NCCL's; WM_ENOMEM;
 *         WM_EUNSUP: this kind of file was not built in
 */
int wm_topo_discover(const struct wm_topo_request *request, struct wm_topo *out, struct wm_err *err);
void wm_topo_free(struct wm_topo *topo);

/* ---- how far apart two devices are; the field's words (nvidia-smi topo -m, NCCL) ---- */

enum wm_distance {
    WM_DISTANCE_SELF,
    WM_DISTANCE_NV,   /* NVLink: NV<links> */
    WM_DISTANCE_PIX,  /* at most one PCI bridge */
    WM_DISTANCE_PXB,  /* several PCI bridges, not the host bridge */
    WM_DISTANCE_PHB,  /* a PCI host bridge */
    WM_DISTANCE_NODE, /* host bridges of one NUMA node */
    WM_DISTANCE_SYS,  /* the link between NUMA nodes */
    WM_DISTANCE_UNKNOWN,
};
extern const char *const wm_distance_names[]; /* "X", "NV", "PIX", ... "?" */

/** Two PCI functions, as indexes in pci[] (-1: unknown). */
enum wm_distance wm_topo_distance(const struct wm_topo *topo, int a, int b);
/** NVLinks between two GPUs, through switches too: the lesser of what both have; 0 = none. */
int wm_topo_nvlinks(const struct wm_topo *topo, int gpu_a, int gpu_b);
/** All of one GPU, whatever they lead to. */
int wm_topo_nvlinks_of(const struct wm_topo *topo, int gpu);

/** The GPU at a PCI address, "0000:3b:00.0"; -1 = there is none. */
int wm_topo_find_gpu(const struct wm_topo *topo, const char *address);

/* A network card for --nic: an RDMA device, or an interface that is no RDMA device's. One numbering for both. */
struct wm_topo_nic {
    int rdma, netif; /* one is -1 */
    int pci, numa;
    const char *name;
    enum wm_fabric fabric;
    double bytes_per_s; /* sum of the ports that are up; 0 = not known */
    bool up, virtual_device;
};
/** Fills up to `cap`; physical ones first, in order of PCI addresses, loopback left out; returns how many there are. */
int wm_topo_nics(const struct wm_topo *topo, struct wm_topo_nic *out, int cap);
/** All of them, to be freed. NULL, and *n 0: there are none, or no memory. */
struct wm_topo_nic *wm_topo_nics_all(const struct wm_topo *topo, int *n);
/**
 * The card of a device as users and transports name it: "mlx5_0", "mlx5_0:2" (one port of it), "eth0". An interface of
 * an RDMA device is that card; software that speaks RDMA over an interface (rxe, siw) is the interface's card.
 * @param port  out: the number of that one, of several; 0 = all of them
 * @return index of wm_topo_nics(), -1 = there is none
 */
int wm_topo_find_nic(const struct wm_topo *topo, const char *device, int *port);

/**
 * Nearest of the given cards to a GPU (or to a NUMA node when gpu < 0): physical before virtual, up before down, RDMA
 * before plain interfaces, then the least distance, then the faster; among equals they are dealt out in turn by the
 * GPU's place among its equals, so that two GPUs beside two cards get one each. -1 = none.
 */
int wm_topo_nearest_nic(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, int gpu, int numa);

#endif
