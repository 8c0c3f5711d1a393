/**
 * A transport is one const table, filled by name in its own file: src/transport/null.c is the shortest.
 * The registry (registry.c) keeps a row also for what was not built in, so that `list`, "did you mean" and exit 3
 * know its name.
 */
#ifndef WM_TRANSPORT_H
#define WM_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/core/err.h"
#include "src/core/option.h"
#include "src/mem/mem.h"
#include "src/schedule/schedule.h"
#include "src/topo/topo.h"
#include "src/world/world.h"

struct wm_ep;
struct wm_region; /* a buffer registered with one endpoint; opaque, the transport's own */

/* One message, resolved outside the clock and constant inside it. */
struct wm_msg {
    int peer;
    void *ptr; /* local address */
    size_t bytes;
    const struct wm_region *local, *remote; /* remote: put and get only; NULL where the transport has no reg */
    size_t local_at, remote_at;             /* byte offsets in the regions */
    bool device;                            /* memory of a device may be at either end: alike on both */
    enum wm_copy_by by;                     /* put and get: step.by; by kernels where the transport has them */
    uint64_t native;                        /* the transport's own, set by bind: an MPI_Datatype, a tag ... */
    int native_count;
};

/**
 * Hot path: no log, no allocation, no lock, no branch on configuration. A failure is a code here and its story in
 * ep->err. The k-th send posted to a rank meets that rank's k-th receive posted for us; a transport without order
 * numbers its messages. Every loop looks at *ep->expired and returns WM_ETIMEOUT.
 */
struct wm_ops {
    int (*send)(struct wm_ep *ep, const struct wm_msg *msg); /* blocking, as a user would write it */
    int (*recv)(struct wm_ep *ep, const struct wm_msg *msg);
    int (*post_send)(struct wm_ep *ep, unsigned slot,
                     const struct wm_msg *msg); /* may be held back until the next test or wait */
    int (*post_recv)(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg);
    int (*put)(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg); /* complete = complete at the target */
    int (*get)(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg);
    /* Where needs_flush() says so. put_flushed: a put that is complete when the target's device may read it. flush:
     * blocking, after receives and gets; the device may then read what has come into its memory. */
    int (*put_flushed)(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg);
    int (*flush)(struct wm_ep *ep, const struct wm_region *region);
    int (*test)(struct wm_ep *ep, unsigned slot); /* WM_OK, WM_EAGAIN or an error; drives progress */
    int (*wait)(struct wm_ep *ep, unsigned first,
                unsigned n); /* slots first..first+n-1; wm_wait_by_test() unless the library has better */
    /* A library's own collective: bind_coll() made the handle; areas are the dma addresses. */
    int (*coll)(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS]);
};

/* First member of each backend's own struct. */
struct wm_ep {
    const struct wm_ops *ops;
    const struct wm_world *world;
    const atomic_bool *expired;
    unsigned slots;   /* posts that may be open at once */
    bool coll_blocks; /* coll() is complete on return, or only after test() */
    bool crowded;     /* more ranks than cores: loops yield. Chosen at open, by other ops */
    unsigned repeats; /* operations that one coll() stands for, 0 and 1 being one; set to 1 while data are verified */
    struct wm_err err;
};

struct wm_ep_conf {
    const struct wm_world *world;
    const atomic_bool *expired;
    unsigned slots;
    const void *own;       /* the transport's own conf, filled from its options */
    const bool *peers;     /* by rank: those that planned operations of this rank talk to; NULL = all */
    enum wm_fabric fabric; /* devices of this fabric only: --fabric; UNKNOWN = any */
    const char *nic;       /* this rank's card, "mlx5_0", "mlx5_0:2" or "eth0": --nic; NULL = the transport chooses */
    bool device;           /* it will be handed memory of this rank's GPU */
};

/* What an endpoint says it uses on this host; judged against the kernel's counters. */
struct wm_claim {
    enum wm_fabric fabric; /* UNKNOWN: it cannot say (MPI) */
    char device[48];       /* "mlx5_0:1", "eth0"; "" = any of that fabric */
    char provider[64];     /* full name: "tcp;ofi_rxm"; "" = none */
    char how[240];         /* "RC queue pairs", "FI_EP_RDM, tagged" */
};

/* What a library told of an operation: how it chose to do it. "", 0: it did not say. */
struct wm_heard {
    char algorithm[24], protocol[16]; /* "RING", "SIMPLE" */
    int channels;
};

#define WM_KEY_BYTES 64

struct wm_transport {
    const char *name, *summary;
    const struct wm_option *options; /* its own rows; NULL = none */
    size_t conf_bytes;               /* of the conf that they fill */
    const struct wm_ops *ops;        /* what is NULL it cannot do: binding a program says so, nobody calls it */
    bool simulated;                  /* marked so in every cell, refused by the gate */
    bool moves_nothing;              /* null: nothing arrives, nothing can be verified */
    bool untended;                   /* a put or get needs nothing of the target's process: it sleeps meanwhile */
    bool device_only;                /* moves memory of GPUs alone: barriers between its operations are MPI's */
    bool whole_groups;     /* what is posted before a wait ends together only: schedules that post ahead are refused */
    bool copies_by_kernel; /* puts and gets by kernels of the GPU, where a message says so */
    int (*probe)(const void *own,
                 struct wm_err *err); /* local, no world: usable here? WM_OK or WM_EABSENT with the reason */
    /* Pure: what of its own options only the number of ranks can judge. NULL = nothing. WM_EUSAGE with the option. */
    int (*check)(const void *own, int ranks, struct wm_err *err);
    int (*open)(const struct wm_ep_conf *conf, struct wm_ep **ep, struct wm_err *err); /* collective over conf->world */
    /* Local: may it be handed device memory of this kind? WM_EUNSUP with the reason. NULL: none but the simulated,
     * which is the host's behind its forbidden address. */
    int (*takes)(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err);
    /* Registration; NULL = not needed. Collective, in the same order on all ranks. `shared`: peers put into it or get
     * from it. */
    int (*reg)(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err);
    int (*key)(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES], struct wm_err *err);
    int (*import)(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                  struct wm_err *err);
    void (*unreg)(struct wm_ep *ep, struct wm_region *region);
    /* Has a region of this process, or of a peer, memory whose device sees what a card wrote only after a flush? NULL:
     * the library sees to that, or there is nothing to see to. Asked when programs are bound. */
    bool (*needs_flush)(const struct wm_region *region);
    /* Completes a message's native fields outside the clock; NULL = nothing to do. WM_EUNSUP: cannot be counted. */
    int (*bind_msg)(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err);
    void (*unbind_msg)(struct wm_ep *ep, struct wm_msg *msg);
    /* Local. WM_EUNSUP with the reason: no such type, too many elements ... */
    int (*bind_coll)(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op, void **handle,
                     struct wm_err *err);
    void (*unbind_coll)(struct wm_ep *ep, void *handle);
    /* Local, outside the clock: the device's own time for all that is posted between the two calls; end waits for it.
     * NULL: it has no such clock. */
    int (*device_begin)(struct wm_ep *ep);
    int (*device_end)(struct wm_ep *ep, double *ns);
    void (*claim)(struct wm_ep *ep, struct wm_claim *out); /* local; NULL: it says nothing */
    /* Local, outside the clock: what the library itself chooses for the operations between the two calls, which are the
     * timed ones otherwise. NULL: it does not tell. */
    void (*listen)(struct wm_ep *ep);
    void (*heard)(struct wm_ep *ep, struct wm_heard *out);
    const char *(*version)(char *text, size_t bytes); /* "Open MPI 4.1.4"; for environment and list */
    /* Local: the full name of the provider that its own options and the fabric come to here, "tcp;ofi_rxm"; "" = none.
     * Two arms of one name would measure one thing twice. NULL: it has no providers. */
    const char *(*full_name)(const void *own, enum wm_fabric fabric, char *text, size_t bytes);
    const char *(*parts)(char *text, size_t bytes); /* what of it can be used here, for list; NULL = it has no parts */
    /* Local: serves peers that reach into this process while it waits elsewhere. NULL: the library needs no help. */
    int (*progress)(struct wm_ep *ep);
    void (*close)(struct wm_ep *ep); /* collective; NULL is allowed */
    void (*abandon)(
        struct wm_ep *ep); /* local: after an error, with posts still open; frees what can be freed. NULL: leak */
};

struct wm_transport_row {
    const char *name, *needs;             /* needs: the component that was not there when this was built */
    const struct wm_transport *transport; /* NULL: not built in */
};
extern const struct wm_transport_row wm_transports[]; /* ended by name == NULL */
extern const struct wm_transport wm_transport_null, wm_transport_sim, wm_transport_mpi, wm_transport_ofi,
    wm_transport_verbs, wm_transport_cuda, wm_transport_nccl;

/** Row of a name, or NULL. */
const struct wm_transport_row *wm_transport_find(const char *name);

/* Written once for all: */
int wm_wait_by_test(struct wm_ep *ep, unsigned first, unsigned n);       /* spins */
int wm_wait_by_test_yield(struct wm_ep *ep, unsigned first, unsigned n); /* the same with sched_yield() */
int wm_send_by_post(struct wm_ep *ep, const struct wm_msg *msg);         /* slot 0 */
int wm_recv_by_post(struct wm_ep *ep, const struct wm_msg *msg);

#endif
