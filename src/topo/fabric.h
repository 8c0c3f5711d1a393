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

/* ---- RoCE and InfiniBand address tables ---- */

/**
 * How well a GID suits: address family of the fabric 100, global scope 10, RoCE v2 2, RoCE v1 1 (perftest's way); 0 for
 * an all-zero one. @param prefer_ipv4  IPv4-mapped addresses are of the wanted family (RoCE over IPv4)
 */
int wm_gid_score(const struct wm_topo_gid *gid, enum wm_fabric fabric, bool prefer_ipv4);
/** Index in port->gid of the best, the lowest among equals; -1 = none is usable. */
int wm_gid_best(const struct wm_topo_port *port);

#endif
