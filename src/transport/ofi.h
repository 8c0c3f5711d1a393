/**
 * Inside of transport ofi: libfabric's reliable datagram endpoints (FI_EP_RDM) with tagged messages and remote memory
 * access, one endpoint a process. ofi.c is its table, ofi_choose.c picks the provider, ofi_open.c opens and closes,
 * ofi_mem.c registers memory, ofi_ops.c is the hot path, ofi_fail.c tells what went wrong.
 */
#ifndef WM_TRANSPORT_OFI_H
#define WM_TRANSPORT_OFI_H

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include "src/transport/transport.h"

enum wm_ofi_put { WM_OFI_PUT_AUTO, WM_OFI_PUT_DELIVERY, WM_OFI_PUT_FLUSH };

struct wm_ofi_conf {
    char *provider; /* "tcp", "tcp;ofi_rxm"; NULL = the best that is there */
    int64_t put;    /* enum wm_ofi_put */
};

enum wm_ofi_kind { WM_OFI_SEND, WM_OFI_RECV, WM_OFI_PUT, WM_OFI_GET, WM_OFI_FLUSH };

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
    struct wm_region *next; /* all of the endpoint's */
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
    struct wm_ofi_slot **held; /* a ring of ep.slots + 1: posts that the library had no room for */
    unsigned first_held, n_held;
    uint64_t tag_of_mine, number_mask; /* a tag is the sender and the message's number */
    unsigned number_bits;
    /* Sends up to here are complete once the library has them: only where no later progress of this process is needed
     * to deliver them. */
    size_t inject_bytes;
    uint64_t put_flags; /* FI_DELIVERY_COMPLETE, or 0: each write is followed by a read */
    char *flushed;      /* where that read goes */
    struct fid_mr *flush_mr;
    void *flush_desc;
    uint64_t next_key;
    struct wm_region *regions;
};

static inline struct wm_ofi_ep *wm_ofi_of(struct wm_ep *ep)
{
    return (struct wm_ofi_ep *)ep;
}

/* ---- ofi_choose.c ---- */

/**
 * The provider that the user names, or the best that is there. The caller frees it (fi_freeinfo).
 * @return WM_OK, WM_EABSENT with the names of what is there, WM_ENOMEM
 */
int wm_ofi_choose(const struct wm_ofi_conf *conf, struct fi_info **out, struct wm_err *err);

/* ---- ofi_open.c ---- */

int wm_ofi_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err);
void wm_ofi_close(struct wm_ep *ep);

/* ---- ofi_mem.c ---- */

/** Registers memory for use by this process and, when shared, by its peers. *mr stays NULL where none is needed. */
int wm_ofi_register(struct wm_ofi_ep *e, void *ptr, size_t bytes, bool shared, struct fid_mr **mr, struct wm_err *err);
int wm_ofi_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err);
int wm_ofi_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES], struct wm_err *err);
int wm_ofi_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                  struct wm_err *err);
void wm_ofi_unreg(struct wm_ep *ep, struct wm_region *region);
int wm_ofi_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err);

/* ---- ofi_ops.c ---- */

extern const struct wm_ops wm_ofi_ops, wm_ofi_ops_crowded;

/** Drives the library: completions, held-back posts, and what peers want from this process. WM_OK or an error. */
int wm_ofi_progress(struct wm_ep *ep);

/* ---- ofi_fail.c ---- */

/** A call of libfabric that returned a negative fi_errno. */
int wm_ofi_fail(struct wm_err *err, enum wm_code code, const char *call, ssize_t rc, const char *format, ...)
    __attribute__((noinline, cold, format(printf, 5, 6)));
int wm_ofi_post_failed(struct wm_ofi_ep *e, const struct wm_ofi_slot *s, ssize_t rc) __attribute__((noinline, cold));
/** fi_cq_read() returned rc: the story of what is in the error queue. WM_OK: nothing that matters. */
int wm_ofi_cq_failed(struct wm_ofi_ep *e, ssize_t rc) __attribute__((noinline, cold));

#endif
