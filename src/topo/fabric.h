/** Which fabric a device belongs to: one table of rules (src/topo/fabric.c), printed in docs/transports.md. */
#ifndef WM_TOPO_FABRIC_H
#define WM_TOPO_FABRIC_H

#include <stdio.h>

#include "src/topo/topo.h"

/* What is known of a device; NULL or "" = not known. */
struct wm_fabric_facts {
    const char *driver;     /* kernel driver: "mlx5_core", "efa", "ena" */
    const char *node_type;  /* of an RDMA device: "CA", "RNIC" */
    const char *link_layer; /* of its port */
    const char *provider;   /* libfabric's: "efa", "verbs;ofi_rxm", "tcp" */
    bool network_interface; /* an Ethernet interface without RDMA */
};

/** The first rule that fits; WM_FABRIC_UNKNOWN when none does. */
enum wm_fabric wm_fabric_of(const struct wm_fabric_facts *facts);

/** The rules as a Markdown table, in the order in which they are tried. */
void wm_fabric_print_rules(FILE *to);

/* ---- what is on a node ---- */

/** Names of the devices that are up and of this fabric, "mlx5_0:1, mlx5_1:1"; returns how many there are. */
int wm_fabric_devices(const struct wm_topo *topo, enum wm_fabric fabric, char *text, size_t bytes);

/** All GPUs, ports and interfaces with their fabrics, "mlx5_0:1 (ib, DOWN), eth0 (tcp)"; returns how many there are. */
int wm_fabric_inventory(const struct wm_topo *topo, char *text, size_t bytes);

/* What --nic names: a port of an RDMA device, or an interface, also one of an RDMA device and the loopback. */
struct wm_fabric_card {
    char name[48]; /* "mlx5_0:1", "eth0" */
    enum wm_fabric fabric;
    bool rdma;
};
/** "mlx5_0" (its first port that is up), "mlx5_0:2" or "eth0". False: there is no such card. */
bool wm_fabric_find_card(const struct wm_topo *topo, const char *name, struct wm_fabric_card *out);

/* ---- RoCE and InfiniBand address tables ---- */

/**
 * How well a GID suits: address family of the fabric 100, global scope 10, RoCE v2 2, RoCE v1 1 (perftest's way); 0 for
 * an all-zero one. @param prefer_ipv4  IPv4-mapped addresses are of the wanted family (RoCE over IPv4)
 */
int wm_gid_score(const struct wm_topo_gid *gid, enum wm_fabric fabric, bool prefer_ipv4);
/** Index in port->gid of the best, the lowest among equals; -1 = none is usable. */
int wm_gid_best(const struct wm_topo_port *port);

#endif
