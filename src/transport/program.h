/** A schedule bound to an endpoint and buffers: what the timed loop runs. */
#ifndef WM_PROGRAM_H
#define WM_PROGRAM_H

#include "src/transport/transport.h"

/** Buffers of one endpoint by area; regions where the transport registers. */
struct wm_attached {
    const struct wm_buf *buf[WM_AREAS]; /* NULL = area not there */
    struct wm_region *region[WM_AREAS];
    struct wm_region **remote[WM_AREAS]; /* by rank of the endpoint's world; NULL unless shared */
    bool device;                         /* device memory is among what the transport is handed */
};

/**
 * Collective over ep->world: registers the buffers and exchanges keys for the areas in `shared` (bit by area).
 * Buffers stay the caller's and outlive the attachment.
 */
int wm_attach(const struct wm_transport *t, struct wm_ep *ep, const struct wm_buf *const buf[WM_AREAS], unsigned shared,
              struct wm_attached *out, struct wm_err *err);
void wm_detach(const struct wm_transport *t, struct wm_ep *ep, struct wm_attached *attached); /* collective */

struct wm_bind {
    const struct wm_transport *transport;
    struct wm_ep *ep;
    const struct wm_attached *attached;
    const struct wm_mem *mem; /* does COPY and REDUCE on areas that the CPU cannot touch */
    struct wm_copier *copier;
    bool
        unflushed; /* leave out what makes bytes visible to a device: to see what it takes, never for data that count */
};

struct wm_program {
    struct wm_program *next; /* a ring, for the timed loop: itself when it is alone */
    /* private: program.c and program_compile.c */
    struct wm_insn *insn, *end;
    struct wm_bind bind;
    struct wm_step *steps;
    void **handles; /* of the library's collectives, by index in the schedule's colls */
    int colls;
    enum wm_dtype type;
    enum wm_redop op;
    size_t area_at[WM_AREAS], area_bytes[WM_AREAS];
};

/**
 * Local. The schedule may be freed afterwards. Offsets are checked against the buffers (WM_EBUG).
 * A chain of SENDs and RECVs, each after the one before, becomes the blocking calls that a user would write;
 * anything else posts in step order and waits where a dependency or a slot asks for it.
 * @return WM_OK, WM_ENOMEM, WM_EBUG, or WM_EUNSUP with the reason (no such op, too many elements ...)
 */
int wm_program_open(const struct wm_schedule *s, const struct wm_bind *bind, struct wm_program **out,
                    struct wm_err *err);
void wm_program_close(struct wm_program *p);      /* this one; NULL is allowed */
void wm_program_ring_close(struct wm_program *p); /* all of its ring */

/** The timed call: one operation. A failure's story is in ep->err. */
int wm_program_run(struct wm_program *p);

/** Does any program of the ring make bytes visible to a device? */
bool wm_program_ring_flushes(const struct wm_program *p);

/** Has this rank nothing to do in any program of the ring? */
bool wm_program_ring_is_empty(const struct wm_program *p);

/** Outside the clock: moves IN and OUT to byte offset `at` of their buffers (--buffers cold). */
void wm_program_move(struct wm_program *p, size_t in_at, size_t out_at);

#endif
