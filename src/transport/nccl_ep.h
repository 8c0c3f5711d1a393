/** Between the files of transport nccl. */
#ifndef WM_TRANSPORT_NCCL_EP_H
#define WM_TRANSPORT_NCCL_EP_H

#include "src/mem/cuda_device.h"
#include "src/transport/nccl_library.h"
#include "src/transport/nccl_log.h"
#include "src/transport/nccl_profiler.h"
#include "src/transport/transport.h"

/* An arm's: each list has one value. */
struct wm_nccl_conf {
    char *library, *net;
    struct wm_int_list gdr, enqueue, graph, registered;
};

/* Launches that may be open at once: the oldest is awaited before one more. */
enum { WM_NCCL_LAUNCHES = 64 };

struct wm_nccl_post {
    void *at;
    size_t bytes;
    int peer;
    bool sends;
};

struct wm_nccl_ep {
    struct wm_ep base;
    const struct wm_nccl_library *nccl;
    const struct wm_cuda_device *device;
    enum wm_nccl_gdr gdr;
    bool graph, registers;
    struct ncclComm *comm;   /* of the operations; NULL: aborted */
    struct ncclComm *parent; /* that it was split from; NULL: it was not */
    struct CUstream_st *stream;
    struct CUevent_st *done[WM_NCCL_LAUNCHES];
    struct CUevent_st *from, *to; /* of the device's own time */
    bool timing, timed;           /* device_begin() was called; something was launched since */
    uint64_t launched, ended;     /* launches ever; the stream keeps their order */
    uint64_t *launch_of;          /* by slot; 0: none */
    struct wm_nccl_post *post;    /* held back, n of them, until the next test or wait */
    unsigned n_posts;
    unsigned polls;               /* since the last launch ended: errors are asked for now and then */
    struct wm_nccl_coll *graphed; /* those that have graphs */
    struct wm_nccl_facts facts;
    struct wm_nccl_profile profile;
    bool listens; /* graphs that are heard are captured anew */
};

struct wm_nccl_coll;
typedef int wm_nccl_run(struct wm_nccl_ep *e, const struct wm_nccl_coll *c, char *in, char *out);

/* What was captured of one pair of buffers. */
struct wm_nccl_graph {
    struct wm_nccl_graph *next;
    const void *in, *out;
    unsigned repeats;
    bool heard;
    struct CUgraphExec_st *exec;
};

/* A collective bound to the endpoint. */
struct wm_nccl_coll {
    wm_nccl_run *run;
    const char *call; /* NCCL's name of it */
    size_t count, block_bytes;
    int type, op, root, ranks;
    bool in_place;
    size_t *bytes_to, *bytes_from; /* alltoallv: by rank */
    struct wm_nccl_graph *graphs;  /* what was captured so far, by buffers */
    struct wm_nccl_coll *next;     /* of those that have graphs */
};

extern const struct wm_ops wm_nccl_ops, wm_nccl_ops_crowded;

/* ---- nccl_end.c ---- */

/** Fails with the status' text and NCCL's last words. */
int wm_nccl_fail(const struct wm_nccl_library *nccl, struct ncclComm *comm, struct wm_err *err, enum wm_code code,
                 const char *call, int status, const char *format, ...) __attribute__((format(printf, 7, 8)));

/** What a call on the communicator came to, waited for where it goes on in the background: WM_NCCL_SUCCESS ..., or
 * WM_NCCL_IN_PROGRESS when the deadline passed. */
int wm_nccl_settle(struct wm_nccl_ep *e, struct ncclComm *comm, int status);

/** Gives back the graphs of a collective. */
void wm_nccl_drop_graphs(struct wm_nccl_ep *e, struct wm_nccl_coll *c);

/** Ends the communicator at once, whatever it does. */
void wm_nccl_abort(struct wm_nccl_ep *e);

int wm_nccl_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err);
void wm_nccl_close(struct wm_ep *ep);
void wm_nccl_abandon(struct wm_ep *ep);

int wm_nccl_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op, void **handle,
                      struct wm_err *err);
void wm_nccl_unbind_coll(struct wm_ep *ep, void *handle);

/* Hot path of whole collectives; nccl_coll.c. Enqueues on the stream: WM_NCCL_SUCCESS ... */
int wm_nccl_enqueue(struct wm_nccl_ep *e, struct wm_nccl_coll *c, void *in, void *out);

int wm_nccl_device_begin(struct wm_ep *ep);
int wm_nccl_device_end(struct wm_ep *ep, double *ns);

#endif
