/**
 * Inside of transport ofi: libfabric's reliable datagram endpoints (FI_EP_RDM) with tagged messages and remote memory
 * access, one endpoint a process. ofi.c is its table, ofi_choose.c asks libfabric for what is there and ofi_pick.c
 * picks of it, ofi_open.c opens and closes, ofi_mem.c registers memory, ofi_gpu.c that of GPUs, ofi_ops.c is the hot
 * path, ofi_written.c has messages for endpoints without tags, ofi_efa.c tells what an EFA endpoint does, ofi_fail.c
 * what went wrong.
 */
#ifndef WM_OFI_EP_H
#define WM_OFI_EP_H

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include "src/mem/cuda_card.h"
#include "src/transport/transport.h"

#define WM_OFI_EFA_DIRECT "efa-direct" /* a fabric of provider efa, asked for by this name */

enum wm_ofi_messages { WM_OFI_MESSAGES_AUTO, WM_OFI_MESSAGES_TAGGED, WM_OFI_MESSAGES_WRITTEN };
enum wm_ofi_put { WM_OFI_PUT_AUTO, WM_OFI_PUT_DELIVERY, WM_OFI_PUT_FLUSH };

/* ofi_rxm asks before it sends what is longer: a rendezvous. Its own 16 KiB are those of its buffers, of which tcp
 * needs none to send or receive into; MPI libraries ask over TCP from 64 KiB on. */
#define WM_OFI_EAGER_VARIABLE "FI_OFI_RXM_EAGER_LIMIT"
enum { WM_OFI_EAGER_BYTES = 128 << 10 };

struct wm_ofi_conf {
    /* "tcp", "tcp;ofi_rxm": the first counts, others are arms of their own; none = the best that is there */
    struct wm_text_list providers;
    int64_t messages;     /* enum wm_ofi_messages */
    int64_t put;          /* enum wm_ofi_put */
    uint64_t eager_bytes; /* of layer ofi_rxm over tcp; 0 = WM_OFI_EAGER_VARIABLE, else WM_OFI_EAGER_BYTES */
};

enum wm_ofi_kind {
    WM_OFI_SEND,
    WM_OFI_RECV,
    WM_OFI_PUT,
    WM_OFI_GET,
    /* A put is complete by itself (PUT), or when a byte of it has been read back: PUT_READ, then READ_BACK. */
    WM_OFI_PUT_READ,
    WM_OFI_READ_BACK,
    /* of written messages: */
    WM_OFI_WRITTEN, /* a send */
    WM_OFI_ADVERT,  /* a receive, of which the sender is told */
    WM_OFI_TOLD,    /* the telling */
    WM_OFI_BUFFER,  /* waits for what peers tell */
};

/* An operation under way. Its context is the library's from post to completion, and comes back with that. */
struct wm_ofi_slot {
    struct fi_context2 context;
    enum wm_ofi_kind kind;
    bool open;
    const struct wm_msg *msg; /* the program's; alive while the slot is open */
    uint64_t tag;
};

/* Made by reg (memory of this process) or by import (a peer's). */
struct wm_region {
    struct fid_mr *mr; /* NULL: nothing was registered */
    void *desc;
    uint64_t address, key;
    size_t bytes;
    bool gpu;               /* memory of this process' GPU */
    bool unseen;            /* a GPU's, which sees what comes only after a flush, which there is */
    struct wm_region *next; /* all of the endpoint's */
};

/* What an endpoint does with a GPU's memory. */
struct wm_ofi_gpu {
    bool offered;          /* the provider has FI_HMEM */
    bool taken;            /* and promises all that is asked for */
    struct wm_err refused; /* else why not */
    struct wm_cuda_card gpu;
    enum wm_cuda_flush flush;
};

struct wm_ofi_ep {
    struct wm_ep ep;
    struct fi_info *info;
    struct fid_fabric *fabric;
    struct fid_domain *domain;
    struct fid_av *av;
    struct fid_cq *cq;
    struct fid_ep *fid;
    fi_addr_t *address;        /* by rank */
    uint64_t *sent, *received; /* by rank: messages numbered so far */
    struct wm_ofi_slot *slot;  /* ep.slots and one more for the blocking calls */
    struct wm_ofi_slot **held; /* a ring of most_held: posts that the library had no room for */
    unsigned first_held, n_held, most_held;
    uint64_t tag_of_mine, number_mask; /* a tag is the sender and the message's number */
    unsigned number_bits;
    /* Sends up to here are complete once the library has them: only where no later progress of this process is needed
     * to deliver them. */
    size_t inject_bytes;
    char eager[24];            /* the eager limit in words of WM_OFI_EAGER_VARIABLE; "" = there is none to set */
    bool eager_is_ours;        /* not the variable's */
    enum wm_ofi_kind put_kind; /* WM_OFI_PUT with FI_DELIVERY_COMPLETE, or WM_OFI_PUT_READ */
    char *flushed;             /* where that read goes */
    struct fid_mr *flush_mr;
    void *flush_desc;
    struct wm_ofi_board *board; /* of written messages; NULL: they are tagged */
    uint64_t next_key;
    struct wm_region *regions;
    struct wm_ofi_gpu gpu;
};

static inline struct wm_ofi_ep *wm_ofi_of(struct wm_ep *ep)
{
    return (struct wm_ofi_ep *)ep;
}

/* ---- ofi_choose.c ---- */

/** Are messages written, not tagged? */
bool wm_ofi_writes(const struct wm_ofi_conf *conf);
/** Pure: WM_EUSAGE where options contradict each other. */
int wm_ofi_check(const struct wm_ofi_conf *conf, struct wm_err *err);

/**
 * What the user names, or the best that is there. The caller frees it (fi_freeinfo).
 * @param fabric  devices of this fabric only; UNKNOWN = any
 * @param nic     this card only: a domain, device or interface; NULL = any
 * @return WM_OK, WM_EABSENT with the names of what is there, WM_EUSAGE where fabric and provider contradict each other,
 *         WM_ENOMEM
 */
int wm_ofi_choose(const struct wm_ofi_conf *conf, enum wm_fabric fabric, const char *nic, struct fi_info **out,
                  struct wm_err *err);

/** The same provider once more with FI_HMEM: takes the place of *info. False: it has none; *rc is what fi_getinfo()
 * says.
 */
bool wm_ofi_choose_hmem(struct fi_info **info, int *rc);

/** Full names of the providers that can be used here, "tcp;ofi_rxm, shm"; "" = none. Returns text. */
const char *wm_ofi_usable(char *text, size_t bytes);

/* ---- ofi_pick.c: pure ---- */

struct wm_ofi_want {
    const char *provider;  /* NULL = any */
    enum wm_fabric fabric; /* UNKNOWN = any */
    const char *nic;       /* NULL = any */
};

/* Which of the wishes an info meets, each with those before it. */
enum wm_ofi_met { WM_OFI_NONE, WM_OFI_PROVIDER, WM_OFI_FABRIC, WM_OFI_NIC, WM_OFI_ALL = WM_OFI_NIC };

/** The provider's full name, "tcp;ofi_rxm"; fabric efa-direct of provider efa goes by its own name. */
const char *wm_ofi_name(const struct fi_info *info);

/** Is the core of a provider's full name this one? "tcp;ofi_rxm" and "tcp" are of core tcp. */
bool wm_ofi_core_is(const char *name, const char *core);
/** Is its core one that this transport knows of, whether this libfabric has it or not? */
bool wm_ofi_is_known(const char *name);
/** The card: the device's name where libfabric knows it, else the domain's ("eth0", "rdmap0s6-rdm"). */
const char *wm_ofi_device(const struct fi_info *info);
enum wm_fabric wm_ofi_fabric(const struct fi_info *info);
enum wm_ofi_met wm_ofi_meets(const struct fi_info *info, const struct wm_ofi_want *want);
/** The best of a list that meets all, or NULL. */
const struct fi_info *wm_ofi_pick(const struct fi_info *all, const struct wm_ofi_want *want);
/** Provider and fabric that can never go together, or a fabric that libfabric does not drive: WM_EUSAGE. */
int wm_ofi_contradiction(const struct wm_ofi_want *want, struct wm_err *err);

/* ---- ofi_efa.c ---- */

/* What is known of an endpoint of provider efa; NULL and UNKNOWN = not known. */
enum wm_ofi_emulated { WM_OFI_UNKNOWN, WM_OFI_BY_DEVICE, WM_OFI_EMULATED };
struct wm_ofi_efa {
    const char *fabric; /* fabric_attr->name: "efa" or "efa-direct" */
    enum wm_ofi_emulated read, write;
    /* values of the variables */
    const char *use_device_rdma, *fork_safe, *ibv_fork_safe, *use_huge_page, *enable_shm_transfer;
};

/** Asks the endpoint (fi_getopt, from libfabric 1.18 on) and the environment. */
void wm_ofi_efa_look(const struct wm_ofi_ep *e, struct wm_ofi_efa *out);
/** Pure: what it does and what that means, for the claim. Returns text. */
const char *wm_ofi_efa_tell(const struct wm_ofi_efa *efa, char *text, size_t bytes);

/* ---- ofi_open.c ---- */

int wm_ofi_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err);
void wm_ofi_close(struct wm_ep *ep);

/* ---- ofi_mem.c ---- */

/** Registers memory for use by this process and, when shared, by its peers. *mr stays NULL where none is needed.
 * @param gpu  it is memory of this process' GPU: always registered as such; WM_EUNSUP where it cannot be */
int wm_ofi_register(struct wm_ofi_ep *e, void *ptr, size_t bytes, bool shared, bool gpu, struct fid_mr **mr,
                    struct wm_err *err);
int wm_ofi_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err);
int wm_ofi_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES], struct wm_err *err);
int wm_ofi_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                  struct wm_err *err);
void wm_ofi_unreg(struct wm_ep *ep, struct wm_region *region);
int wm_ofi_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err);

/* ---- ofi_gpu.c ---- */

/** Before the endpoint is made: asks for FI_HMEM, and what this GPU needs. What there is not is no error: `refused`. */
void wm_ofi_gpu_choose(struct wm_ofi_ep *e);
/** When it is made, before it is enabled: no detour through the host, by the provider's promise. */
void wm_ofi_gpu_strict(struct wm_ofi_ep *e);
int wm_ofi_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err);
bool wm_ofi_needs_flush(const struct wm_region *region);
int wm_ofi_flush(struct wm_ep *ep, const struct wm_region *region);
/** "; GPU memory by FI_HMEM ..."; "" where it takes none. Returns text. */
const char *wm_ofi_gpu_tell(const struct wm_ofi_gpu *gpu, char *text, size_t bytes);

/* ---- ofi_ops.c ---- */

extern const struct wm_ops wm_ofi_ops, wm_ofi_ops_crowded, wm_ofi_written_ops, wm_ofi_written_ops_crowded;

/** Drives the library: completions, held-back posts, and what peers want from this process. WM_OK or an error. */
int wm_ofi_progress(struct wm_ep *ep);

/* ---- ofi_written.c ---- */

/* A negative fi_errno; -FI_EAGAIN: later. */
ssize_t wm_ofi_attempt_advert(struct wm_ofi_ep *e, struct wm_ofi_slot *s);
ssize_t wm_ofi_attempt_written(struct wm_ofi_ep *e, struct wm_ofi_slot *s);
ssize_t wm_ofi_attempt_buffer(struct wm_ofi_ep *e, struct wm_ofi_slot *s);
/** What a peer told stands in the buffer of this slot, which may be given back then. */
int wm_ofi_take_advert(struct wm_ofi_ep *e, const struct wm_ofi_slot *s);

/** Local, once the endpoint is enabled; what it left is freed by the two below. */
int wm_ofi_board_open(struct wm_ofi_ep *e, const bool *peers, struct wm_err *err);
/** Places in a completion queue that it needs beside those of the slots. */
unsigned wm_ofi_board_completions(const struct wm_ofi_ep *e);
void wm_ofi_board_unregister(struct wm_ofi_ep *e); /* before the domain is closed */
void wm_ofi_board_free(struct wm_ofi_ep *e);       /* after the endpoint is */

/* ---- ofi_fail.c ---- */

/** A call of libfabric that returned a negative fi_errno. */
int wm_ofi_fail(struct wm_err *err, enum wm_code code, const char *call, ssize_t rc, const char *format, ...)
    __attribute__((noinline, cold, format(printf, 5, 6)));
int wm_ofi_post_failed(struct wm_ofi_ep *e, const struct wm_ofi_slot *s, ssize_t rc) __attribute__((noinline, cold));
/** fi_cq_read() returned rc: the story of what is in the error queue. WM_OK: nothing that matters. */
int wm_ofi_cq_failed(struct wm_ofi_ep *e, ssize_t rc) __attribute__((noinline, cold));

#endif
