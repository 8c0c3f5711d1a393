#include "src/schedule/schedule.h"

/* Round k: a byte to the rank 2^k further, one from the rank 2^k before. A send waits for all earlier rounds, so that
 * after the last round everybody has heard of everybody. Byte 0 is sent, byte 1 + k arrives in round k. */
void wm_build_barrier(int rank, int ranks, struct wm_schedule *out)
{
    const int first = out->n;
    int rounds = 0;

    for (long distance = 1; distance < ranks; distance *= 2, rounds++) {
        int from = (int)((rank - distance + ranks) % ranks);
        wm_add_recv(out, from, (struct wm_at){ WM_WORK, 1 + (size_t)rounds }, 1, WM_NONE);
    }
    for (int k = 0; k < rounds; k++) {
        int to = (int)((rank + (1L << k)) % ranks);
        wm_add_send(out, to, (struct wm_at){ WM_WORK, 0 }, 1, (struct wm_range){ first, first + k - 1 });
    }
    wm_schedule_need(out, WM_WORK, 1 + (size_t)rounds);
}
