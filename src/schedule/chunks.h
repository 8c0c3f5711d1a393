/**
 * Collectives of device memory by chunks: each chunk is copied to host memory, goes through the operation alone, and is
 * copied back, while others are on their way. Pure.
 *
 * At most `slots` chunks have a place on the host. Chunk t is copied in when what stood in its place has left; half of
 * the slots later its operation runs, after that of the chunk before, so that all ranks have the same order.
 */
#ifndef WM_CHUNKS_H
#define WM_CHUNKS_H

#include "src/core/err.h"
#include "src/schedule/schedule.h"

/* Data that the operation reads or leaves: where they stand for the user and where for the operation. */
struct wm_moved {
    struct wm_at user;  /* in WM_IN or WM_OUT */
    size_t twin_offset; /* in the same area of the chunk's operation */
    size_t bytes;
};

struct wm_chunk {
    struct wm_schedule op; /* of the chunk alone, on WM_IN, WM_OUT and WM_WORK from offset 0, without counts; owned */
    struct wm_moved *before, *after; /* owned */
    int n_before, n_after;
};
void wm_chunk_free(struct wm_chunk *c);

/**
 * @param chunk  the same number of chunks on all ranks, with the same operations
 * @param out    an empty schedule. WM_IN and WM_OUT are the user's: their area_bytes are the caller's to say
 * @return WM_OK or WM_ENOMEM
 */
int wm_detour_chunks(const struct wm_chunk *chunk, int n, int slots, struct wm_schedule *out, struct wm_err *err);

#endif
