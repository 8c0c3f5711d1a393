/** Inside a program: its instructions, which program_compile.c makes and program.c runs. */
#ifndef WM_PROGRAM_INSN_H
#define WM_PROGRAM_INSN_H

#include "src/transport/program.h"

enum wm_form {
    WM_INSN_BLOCK,
    WM_INSN_POST,
    WM_INSN_WAIT,
    WM_INSN_FLUSH,
    WM_INSN_COPY,
    WM_INSN_REDUCE,
    WM_INSN_WAIT_LOCAL,
    WM_INSN_COLL
};

struct wm_local {
    const struct wm_mem *mem;
    struct wm_copier *copier;
    wm_copy_call *copy;
    char *to;
    const char *from;
    size_t n; /* WM_INSN_COPY: bytes; WM_INSN_REDUCE: elements */
};

struct wm_insn {
    enum wm_form form;
    int step; /* WM_INSN_WAIT: none, -1 */
    unsigned slot;
    unsigned n; /* WM_INSN_WAIT: that many slots */
    int poke;   /* WM_INSN_WAIT_LOCAL: a network slot to be driven meanwhile; -1 = none */
    union {
        int (*block)(struct wm_ep *ep, const struct wm_msg *msg);
        int (*post)(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg);
        int (*flush)(struct wm_ep *ep, const struct wm_region *region);
    } call;
    union {
        struct wm_msg msg;
        struct wm_local local;
        const struct wm_region *region; /* WM_INSN_FLUSH */
        struct {
            void *handle;
            void *area[WM_AREAS];
        } coll;
    } on;
};

static inline bool wm_is_local(enum wm_step_kind kind)
{
    return kind == WM_STEP_COPY || kind == WM_STEP_REDUCE;
}

/** Where a put or get reaches to at the peer. */
static inline struct wm_at wm_remote_side(const struct wm_step *s)
{
    return s->kind == WM_STEP_GET ? s->from : s->to;
}

/** Writes the addresses of its step, as the buffers and their offsets are now, into an instruction. */
void wm_program_place(const struct wm_program *p, struct wm_insn *i);

#endif
