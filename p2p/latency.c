#include "p2p/p2p.h"

/* Rank 1 answers. Send and receive form a chain: each becomes a blocking call. */
static int ping_pong(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_at in = { WM_IN, 0 }, to = { WM_OUT, 0 };
    const int peer = 1 - at->rank;

    (void)err;
    wm_schedule_need(out, WM_IN, at->bytes);
    wm_schedule_need(out, WM_OUT, at->bytes);
    if (at->rank == 0) {
        int ping = wm_add_send(out, peer, in, at->bytes, WM_NONE);
        wm_add_recv(out, peer, to, at->bytes, wm_after(ping));
    } else {
        int ping = wm_add_recv(out, peer, to, at->bytes, WM_NONE);
        wm_add_send(out, peer, in, at->bytes, wm_after(ping));
    }
    return WM_OK;
}

static double both_ways(const struct wm_point *at)
{
    (void)at;
    return 2;
}

static const struct wm_algorithm algorithms[] = { { "ping-pong", ping_pong }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_latency = {
    .name = "latency",
    .summary = "half the round trip of one message",
    .bytes_are = "one message",
    .min_ranks = 2,
    .algorithms = algorithms,
    .operations = both_ways,
    .fill = wm_fill_both_ways,
    .expect = wm_expect_both_ways,
};
