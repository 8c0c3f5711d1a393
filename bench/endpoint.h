/** A transport of the run, open from its first cell to its last. */
#ifndef WM_BENCH_ENDPOINT_H
#define WM_BENCH_ENDPOINT_H

#include "bench/memory.h"
#include "src/transport/program.h"
#include "src/world/watch.h"

/* The buffers of one layout, as the transport knows them. */
struct wm_endpoint_layout {
    struct wm_attached attached;
    enum wm_code lost; /* WM_OK, or why the transport cannot be handed them */
    char lost_reason[512];
    enum wm_code unshared; /* WM_OK, or why peers cannot put or get: costs the one-sided cells only */
    char unshared_reason[512];
};

struct wm_endpoint {
    const struct wm_plan_transport *is;
    struct wm_ep *ep;                  /* NULL before it is opened */
    struct wm_endpoint_layout *layout; /* by index in the plan */
    int n_layouts;
    struct wm_ep *barrier_ep;  /* MPI's, where this transport moves no host memory; else NULL */
    struct wm_buf barrier_buf; /* host memory, whatever the cells' is */
    struct wm_attached barrier_attached;
    struct wm_program *barrier; /* between iterations of collectives, over this transport where it can be */
    enum wm_code lost;          /* WM_OK, or why its cells cannot run any more */
    char lost_reason[512];
    struct wm_claim said;   /* what this rank's endpoint says that it uses; fabric UNKNOWN: it cannot say */
    struct wm_claim *claim; /* by rank; NULL before it is opened, and where the transport says nothing */
};

/** What all endpoints of a run are opened with. */
struct wm_endpoint_conf {
    const struct wm_world *world;
    struct wm_watch *watch;
    const struct wm_memory *memory; /* its buffers are attached; they stay the caller's */
    unsigned slots;                 /* posts that may be open at once */
    const struct wm_plan_peers *peers;
};

/**
 * Collective over the world. A transport that cannot be opened costs its cells, not the run: it is `lost`; so is a
 * layout whose memory it cannot be handed.
 */
void wm_endpoint_open(struct wm_endpoint *e, const struct wm_endpoint_conf *conf);

/** Collective over the world, at the end. A lost one has open operations and is left behind. */
void wm_endpoint_close(struct wm_endpoint *e);

#endif
