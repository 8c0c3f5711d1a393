/** The buffers of a run on one rank, by layout: arms with the same memory and detour share theirs. */
#ifndef WM_BENCH_MEMORY_H
#define WM_BENCH_MEMORY_H

#include "bench/plan.h"

struct wm_layout {
    bool used;                    /* the others stay empty */
    bool detour;                  /* the transport sees the host's areas only */
    unsigned shared;              /* bit by area: peers put into it or get from it */
    struct wm_buf *buf[WM_AREAS]; /* NULL: no such area */
    const struct wm_mem *device;  /* does copies and reductions where the CPU cannot; NULL: there is no device */
    struct wm_copier *copier;
    enum wm_code lost; /* WM_OK, or why its arms cannot run */
    char lost_reason[512];
};

struct wm_memory {
    struct wm_layout *layout; /* by index in the plan */
    int n;
    struct wm_buf *buffer; /* what they share */
    int n_buffers;
};

/**
 * Local. Memory of a device that cannot be had costs its layouts, the host's is an error.
 * @param slots  copies that may be open at once
 */
int wm_memory_open(const struct wm_plan *plan, int rank, unsigned slots, struct wm_memory *out, struct wm_err *err);
void wm_memory_close(struct wm_memory *m);

#endif
