/** How fast one core copies: what shared memory between two ranks is held against. An estimate, not a bound. */
#ifndef WM_TOPO_COPY_H
#define WM_TOPO_COPY_H

#include <stddef.h>
#include <stdint.h>

/* Messages that are copied one after the other, again and again. */
struct wm_copy {
    char *to;
    const char *from;    /* as long as `to`, and not overlapping it */
    size_t bytes;        /* of one message */
    size_t stride_bytes; /* from one message to the next, on both sides */
    size_t messages;     /* then from the first again */
};

/**
 * Bytes a second at which the calling core copies; 0 where there is nothing to copy. Of batches that last a sixteenth
 * of `budget_ns` the fastest counts: a core that was taken away meanwhile copies no slower. Shorter batches before
 * have warmed the caches as far as these hold the messages. Takes the budget, or two of the first 256 KiB of a message
 * where that is longer.
 */
double wm_copy_bytes_per_s(const struct wm_copy *copy, uint64_t budget_ns);

#endif
