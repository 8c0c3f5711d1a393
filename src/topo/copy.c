#include "src/topo/copy.h"

#include <stdatomic.h>
#include <string.h>

#include "src/core/clock.h"

enum { LEAST_BATCHES = 3 };
enum { PIECE_BYTES = 256 << 10 }; /* a large message is copied by pieces, so that the time can be kept */

/* Where the next piece is. */
struct place {
    size_t message, at;
};

static size_t copy_piece(const struct wm_copy *copy, struct place *place)
{
    size_t left = copy->bytes - place->at, bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
    size_t offset = place->message * copy->stride_bytes + place->at;
    memcpy(copy->to + offset, copy->from + offset, bytes);
    atomic_signal_fence(memory_order_seq_cst); /* the compiler must not leave out what nobody reads */
    place->at += bytes;
    if (place->at == copy->bytes) {
        place->at = 0;
        place->message = place->message + 1 < copy->messages ? place->message + 1 : 0;
    }
    return bytes;
}

struct batch {
    uint64_t bytes, ns;
};

static struct batch copy_batch(const struct wm_copy *copy, uint64_t pieces, struct place *place)
{
    struct batch batch = { 0, 0 };
    uint64_t begin = wm_now_ns();
    for (uint64_t i = 0; i < pieces; i++)
        batch.bytes += copy_piece(copy, place);
    batch.ns = wm_now_ns() - begin;
    return batch;
}

double wm_copy_bytes_per_s(const struct wm_copy *copy, uint64_t budget_ns)
{
    const uint64_t begin = wm_now_ns();
    struct place place = { 0, 0 };
    uint64_t pieces = 1, counted = 0;
    double best = 0;
    if (copy->bytes == 0 || copy->messages == 0)
        return 0;
    do {
        struct batch batch = copy_batch(copy, pieces, &place);
        if (batch.ns < budget_ns / 16)
            pieces *= 2;
        else if (++counted > 0 && (double)batch.bytes > best * (double)batch.ns)
            best = (double)batch.bytes / (double)batch.ns;
    } while (wm_now_ns() - begin < budget_ns || counted < LEAST_BATCHES); /* one alone may hold an interruption */
    return best * 1e9;
}
