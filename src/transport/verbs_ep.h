/** Inside the verbs transport: a reliable connection (RC) to each peer, one receive queue and one completion queue. */
#ifndef WM_VERBS_EP_H
#define WM_VERBS_EP_H

#include <infiniband/verbs.h>

#include "src/mem/cuda_card.h"
#include "src/topo/tree.h"
#include "src/transport/transport.h"

/*
 * A message of at most WM_VERBS_EAGER_BYTES is a SEND into a buffer of the peer's receive queue, for which the sender
 * holds a credit. A larger one, and any from or into a device's memory, waits until the receiver has told the address
 * of the posted receive (an advert), and is a WRITE with immediate to it: no copy. Both ranks know the size, so that
 * both take the same way, and each way keeps its order. What an immediate carries says who is meant; nothing polls
 * data.
 */
enum {
    WM_VERBS_EAGER_BYTES = 4096,
    WM_VERBS_CREDITS = 16,                   /* eager messages under way to one peer */
    WM_VERBS_ADVERTS = 16,                   /* receives that one peer knows of */
    WM_VERBS_RETURNS = 2,                    /* messages that only return credits: each at least half of them */
    WM_VERBS_CONTROL = WM_VERBS_ADVERTS + 4, /* adverts and returns whose completion is not seen yet */
    WM_VERBS_QUIET = 8,                      /* of so many work requests in a row one reports its completion */
};

struct wm_verbs_conf {
    int64_t nic_port, gid_index, qps, tx_depth, mtu, traffic_class, service_level;
    struct wm_int_list gdr; /* one enum wm_verbs_gdr an endpoint; none: auto */
};

/* How a GPU's memory is registered. */
enum wm_verbs_gdr { WM_VERBS_GDR_AUTO, WM_VERBS_GDR_DMABUF, WM_VERBS_GDR_PEERMEM };

/** A port of a device, open, and the address that it is reached by. */
struct wm_verbs_port {
    struct ibv_context *context;
    struct ibv_device_attr device;
    struct ibv_port_attr port;
    char name[48]; /* "mlx5_0:1" */
    uint8_t number;
    enum wm_fabric fabric;
    int gid_index; /* -1: none, as on InfiniBand without a router */
    enum wm_gid_type gid_type;
    union ibv_gid gid;
    bool ipv4;
    bool software; /* no card: this host's processors do its work */
};

/** Which port is wanted. */
struct wm_verbs_want {
    enum wm_fabric fabric;        /* UNKNOWN = any */
    const char *nic;              /* "mlx5_0", "mlx5_0:2", "eth0"; NULL = any */
    int64_t nic_port, gid_index;  /* as in the options: 0 and -1 = not said */
    const struct wm_cpuset *cpus; /* that this rank may use; NULL = not known: no card is near */
    int turn;                     /* the n-th rank of this host takes the n-th of equally good ports */
};

/**
 * Local: opens, of the active ports that are wanted and that reliable connections can be made over, the nearest, then
 * the fastest, and chooses its address.
 * @return WM_OK; WM_EABSENT with what was looked for and what is there; WM_EUSAGE: nic and nic_port contradict
 */
int wm_verbs_port_open(const struct wm_verbs_want *want, struct wm_verbs_port *out, struct wm_err *err);
void wm_verbs_port_close(struct wm_verbs_port *port);
/** "IPv4 RoCE v2" */
const char *wm_verbs_gid_text(enum wm_gid_type type, bool ipv4);

struct wm_region {
    struct ibv_mr *mr; /* NULL: a peer's, or nothing to register */
    uint64_t address, bytes;
    uint32_t rkey;
    bool cpu;    /* in host memory: may go inline */
    bool unseen; /* a GPU's, which sees what comes only after a flush */
    struct wm_region *next;
};

/** What is known of one GPU and one card. */
struct wm_verbs_gdr_facts {
    struct wm_cuda_card gpu;
    const char *card; /* "mlx5_0:1" */
    bool has_call;    /* this libibverbs has ibv_reg_dmabuf_mr */
    int probed;       /* errno of that call without a file: EBADF where kernel and card take dma-buf */
    char module[64];  /* that offers GPU memory to the kernel's RDMA, with its place; "" = none */
};

/** What an endpoint does with a GPU's memory. */
struct wm_verbs_gpu {
    struct wm_cuda_card gpu;
    enum wm_verbs_gdr mode; /* the one that was taken; AUTO: none */
    struct wm_err refused;  /* why none */
    enum wm_cuda_flush flush;
    int (*how)(struct wm_ep *ep, const struct wm_region *region); /* the flush; NULL: none is needed */
    /* The read that flushes: a connection of this card with itself. */
    struct ibv_cq *cq;
    struct ibv_qp *qp;
};

/** What a receiver tells: where the next large message for it goes. */
struct wm_verbs_advert {
    uint64_t address, bytes;
    uint32_t rkey, slot;
};

struct wm_verbs_fifo { /* of slots, linked by slot.next */
    uint32_t first, last, n;
};

struct wm_verbs_slot {
    enum { WM_VERBS_IDLE, WM_VERBS_OPEN, WM_VERBS_DONE } state;
    uint32_t next;
    unsigned qp;     /* index of the queue pair it went over */
    unsigned pieces; /* work requests */
    uint64_t nth;    /* of those that went over it; 0: has not gone yet */
    struct wm_msg msg;
};

/* Work requests end in their order, so that one completion tells of all before it. */
struct wm_verbs_qp {
    struct ibv_qp *qp;
    unsigned room; /* work requests that fit */
    struct wm_verbs_fifo under_way;
    uint64_t posted, told; /* how many went over it, and the last that will report its completion */
    unsigned quiet;        /* since that one */
};

struct wm_verbs_peer {
    struct wm_verbs_qp *qp; /* NULL: not connected */
    unsigned turn;          /* the queue pair that the next large message takes */
    unsigned credits, owed; /* eager messages it can take; those we took and have not said so */
    unsigned control_room, control_at;
    struct wm_verbs_advert *control; /* what they were sent from; registered */
    struct wm_verbs_advert advert[WM_VERBS_ADVERTS];
    unsigned advert_at, adverts; /* ring of those not used yet */
    unsigned advertised;         /* our receives that it knows of */
    struct {
        uint32_t buffer, bytes;
    } early[WM_VERBS_CREDITS]; /* ring: eager messages before their receive */
    unsigned early_at, n_early;
    struct wm_verbs_fifo eager_sends, large_sends, eager_receives, large_receives, one_sided;
};

struct wm_verbs_name { /* of a queue pair: whose it is */
    uint32_t number;
    int peer; /* -1: none */
};

struct wm_verbs_ep {
    struct wm_ep ep;
    struct wm_verbs_conf conf;
    struct wm_verbs_port port;
    struct ibv_pd *pd;
    struct ibv_cq *cq;
    struct ibv_srq *srq;
    struct ibv_mr *mr;
    unsigned char *buffers; /* of the receive queue, then what control messages are sent from */
    unsigned receives;
    uint32_t max_inline;
    unsigned most_quiet; /* WM_VERBS_QUIET, or 1 where the queue is short */
    struct wm_verbs_slot *slot;
    struct wm_verbs_peer *peer; /* by rank */
    struct wm_verbs_name *name; /* hashed by number, a power of two of them */
    uint32_t names;
    struct wm_region *regions;
    unsigned char *spare; /* a byte behind the buffers: what is read for its order alone goes there */
    struct wm_verbs_gpu gpu;
};

extern const struct wm_ops wm_verbs_ops, wm_verbs_ops_crowded;

int wm_verbs_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err);
/**
 * Collective: tells all ranks what this one is and the numbers of its queue pairs, and connects those to each peer.
 * Fails on all ranks alike; nobody sends before all can receive.
 */
int wm_verbs_connect(struct wm_verbs_ep *e, struct wm_err *err);
void wm_verbs_close(struct wm_ep *ep);
void wm_verbs_abandon(struct wm_ep *ep);

/* ---- verbs_gdr.c ---- */

/** Pure: the mode that is wanted, or of both the first that there is. WM_EUNSUP: what is missing, and the mend. */
int wm_verbs_gdr_choose(enum wm_verbs_gdr wanted, const struct wm_verbs_gdr_facts *facts, enum wm_verbs_gdr *out,
                        struct wm_err *err);
/** The kernel module that offers GPU memory to cards, "nvidia_peermem (/sys/module)"; "" = none. Returns text. */
const char *wm_verbs_gdr_module(struct wm_tree *tree, char *text, size_t bytes);
/** Local: finds out what this GPU and this card can do, into e->gpu. What they cannot is no error: `refused`. */
void wm_verbs_gdr_open(struct wm_verbs_ep *e);
/** NULL: err says why, WM_EUNSUP. */
struct ibv_mr *wm_verbs_gdr_register(struct wm_verbs_ep *e, const struct wm_buf *buf, int access, struct wm_err *err);
/** "; GPU memory by dma-buf, flushed by cuFlushGPUDirectRDMAWrites"; "" where it takes none. Returns text. */
const char *wm_verbs_gdr_tell(const struct wm_verbs_gpu *gpu, char *text, size_t bytes);

/** In verbs_connect.c: the connection with itself. Local. */
int wm_verbs_open_loop(struct wm_verbs_ep *e, struct wm_err *err);

/** Gives buffer `index` to the receive queue. */
int wm_verbs_give(struct wm_verbs_ep *e, uint32_t index);

/** Why memory could not be locked: the call's errno, with what the limit is where it is that. */
int wm_verbs_fail_lock(struct wm_err *err, const char *call, size_t bytes, const char *what);

/** Place of a queue pair's number in the table of names: its own, or the free one where it belongs. */
static inline uint32_t wm_verbs_name_at(const struct wm_verbs_ep *e, uint32_t number)
{
    uint32_t at = number & (e->names - 1);
    while (e->name[at].peer >= 0 && e->name[at].number != number)
        at = (at + 1) & (e->names - 1);
    return at;
}

#endif
