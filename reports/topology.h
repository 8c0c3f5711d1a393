/** A node's hardware for people: a tree, the matrix of distances, addresses, the roads between ranks; and for graphviz.
 */
#ifndef WM_REPORTS_TOPOLOGY_H
#define WM_REPORTS_TOPOLOGY_H

#include <stdio.h>

#include "src/topo/limit.h"
#include "src/topo/topo.h"

/** Tree, matrix (PIX, PXB, PHB, NODE, SYS, NV#), nearest card of each GPU, and what could not be read. */
void wm_topology_text(FILE *to, const struct wm_topo *topo);
/** The scored table of RDMA addresses; the one that would be chosen is marked. */
void wm_topology_gids(FILE *to, const struct wm_topo *topo);
/** A graph in the language of graphviz. @param name  of the graph: the hosts */
void wm_topology_dot(FILE *to, const struct wm_topo *topo, const char *name);

/* A rank and where it sits. */
struct wm_topology_rank {
    const char *host;
    const char *cpus;
    struct wm_seat seat;
};
/** Where each rank sits, and for every pair the link that each path would use; equal ones on one line. */
void wm_topology_ranks(FILE *to, const struct wm_topology_rank *rank, int n);

#endif
