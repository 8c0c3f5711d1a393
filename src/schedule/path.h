/**
 * Where device memory takes the detour through the host: a schedule on device areas becomes one that moves host memory,
 * with copies in it. Pure. (`direct` leaves a schedule as it is.)
 *
 * All ranks of an operation rewrite theirs with the same chunk, also those whose own memory is the host's: messages are
 * cut alike on both sides.
 */
#ifndef WM_PATH_H
#define WM_PATH_H

#include "src/core/err.h"
#include "src/schedule/schedule.h"

struct wm_detour {
    unsigned device;    /* bit by area: which of WM_IN and WM_OUT is device memory */
    size_t chunk_bytes; /* a message goes in pieces of this; 0 = whole (staged) */
    int slots;          /* pieces that are on their way at once in one direction; 0 = every piece has room of its own */
};

/**
 * Point-to-point: every message from WM_IN or into WM_OUT goes by pieces through WM_SLOTS, copies running ahead of the
 * network by half of the slots. Messages on other areas stay as they are.
 * @param out  an empty schedule; area_bytes[WM_SLOTS] says what the pieces need
 * @return WM_OK; WM_EUNSUP: a put into, or a get from, a peer's device memory (nobody there knows when to copy);
 *         WM_ENOMEM
 */
int wm_detour_messages(const struct wm_schedule *in, const struct wm_detour *how, struct wm_schedule *out,
                       struct wm_err *err);

struct wm_extent {
    struct wm_at at;
    size_t bytes;
};

/**
 * Collectives: what stands in device areas is copied to their host twins, the whole operation runs there, and what
 * comes out is copied back.
 * @param s  rewritten where it stands
 * @param before,after  what the operation reads of, and leaves in, WM_IN and WM_OUT on this rank
 * @return WM_OK, or WM_ENOMEM with s as it was
 */
int wm_detour_whole(struct wm_schedule *s, const struct wm_detour *how, const struct wm_extent *before, int n_before,
                    const struct wm_extent *after, int n_after, struct wm_err *err);

#endif
