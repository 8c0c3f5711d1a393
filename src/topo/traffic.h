/**
 * What a node's ports and interfaces have carried so far, by the kernel's counters: the proof of which road bytes took.
 * Counters only ever rise; what matters is the difference of two readings.
 */
#ifndef WM_TOPO_TRAFFIC_H
#define WM_TOPO_TRAFFIC_H

#include "src/topo/topo.h"

struct wm_traffic_error {
    char name[40]; /* "local_ack_timeout_err" */
    uint64_t count;
};

struct wm_traffic_counter {
    char device[48]; /* "mlx5_0:1", "eth0" */
    enum wm_fabric fabric;
    bool rdma;         /* a port of an RDMA device; else a network interface */
    bool carries_rdma; /* an interface whose statistics also count the packets of an RDMA device (RoCE, rxe, siw) */
    bool in_packets;   /* sent and received count packets: the device counts no bytes */
    bool loopback;
    int mtu_bytes; /* 0 = not known */
    uint64_t sent, received;
    struct wm_traffic_error error[24];
    int n_errors;
};

struct wm_traffic {
    struct wm_traffic_counter *counter;
    int n;
    uint64_t lifespan_ns; /* some counters are as old as this: wait so long before a reading that must be fresh */
};

/**
 * Ports of the RDMA devices and interfaces of `topo`, in its order. Those whose counters cannot be read (a container
 * sees none of them) are left out. Sources: Linux Documentation/ABI/stable/sysfs-class-infiniband (port_xmit_data
 * counts 4 bytes), efa's hw_counters.
 */
int wm_traffic_read(struct wm_tree *tree, const struct wm_topo *topo, struct wm_traffic *out, struct wm_err *err);
void wm_traffic_free(struct wm_traffic *traffic);

/**
 * after - before, device by device; those that are not in both, or ran over, are left out; errors that did not rise
 * too. WM_ENOMEM.
 */
int wm_traffic_since(const struct wm_traffic *before, const struct wm_traffic *after, struct wm_traffic *out,
                     struct wm_err *err);

#endif
