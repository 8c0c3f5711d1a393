/** All others to rank 0 (fan-in), rank 0 to all others (fan-out): windows, each acknowledged. Lane k - 1 is rank k's.
 */
#include "p2p/p2p.h"

enum { ROOT = 0 };

static struct wm_at message(const struct wm_point *at, enum wm_area area, int peer, int w)
{
    return (struct wm_at){ area, wm_message_at(at, at->rank == ROOT ? peer - 1 : 0, w) };
}

static int lanes(const struct wm_point *at)
{
    return at->rank == ROOT ? at->ranks - 1 : 1;
}

/* Peers of this rank: first..first + lanes - 1. */
static int first_peer(const struct wm_point *at)
{
    return at->rank == ROOT ? 1 : ROOT;
}

/* Message by message, not peer by peer: nobody waits until another one's window is through. */
static void send_all(const struct wm_point *at, struct wm_schedule *out)
{
    wm_schedule_need(out, WM_IN, wm_messages_bytes(at, lanes(at)));
    for (int w = 0; w < at->window; w++)
        for (int p = first_peer(at); p < first_peer(at) + lanes(at); p++)
            wm_add_send(out, p, message(at, WM_IN, p, w), at->bytes, WM_NONE);
    const struct wm_range sent = { 0, out->n - 1 };
    for (int p = first_peer(at); p < first_peer(at) + lanes(at); p++)
        wm_add_recv(out, p, (struct wm_at){ WM_WORK, (size_t)p }, 1, sent);
}

static void receive_all(const struct wm_point *at, struct wm_schedule *out)
{
    wm_schedule_need(out, WM_OUT, wm_messages_bytes(at, lanes(at)));
    for (int w = 0; w < at->window; w++)
        for (int p = first_peer(at); p < first_peer(at) + lanes(at); p++)
            wm_add_recv(out, p, message(at, WM_OUT, p, w), at->bytes, WM_NONE);
    const struct wm_range arrived = { 0, out->n - 1 };
    for (int p = first_peer(at); p < first_peer(at) + lanes(at); p++)
        wm_add_send(out, p, (struct wm_at){ WM_WORK, 0 }, 1, arrived);
}

static int build(const struct wm_point *at, bool sends, struct wm_schedule *out)
{
    wm_schedule_need(out, WM_WORK, (size_t)at->ranks);
    if (sends)
        send_all(at, out);
    else
        receive_all(at, out);
    return WM_OK;
}

static int fan_in(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return build(at, at->rank != ROOT, out);
}

static int fan_out(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return build(at, at->rank == ROOT, out);
}

static double operations(const struct wm_point *at)
{
    return (double)at->window * (at->ranks - 1);
}

static void spans(const struct wm_point *at, bool sent, struct wm_spans *out)
{
    for (int k = 0; k < lanes(at); k++) {
        int peer = first_peer(at) + k;
        if (sent)
            wm_message_spans(at, WM_IN, k, at->rank, peer, out);
        else
            wm_message_spans(at, WM_OUT, k, peer, at->rank, out);
    }
}

static void fill_in(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank != ROOT)
        spans(at, true, out);
}

static void expect_in(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == ROOT)
        spans(at, false, out);
}

static void fill_out(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == ROOT)
        spans(at, true, out);
}

static void expect_out(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank != ROOT)
        spans(at, false, out);
}

static const struct wm_algorithm in_algorithms[] = { { "window", fan_in }, { NULL, NULL } };
static const struct wm_algorithm out_algorithms[] = { { "window", fan_out }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_fan_in = {
    .name = "fan-in",
    .summary = "all other ranks send a window to rank 0, which acknowledges each",
    .bytes_are = "one message",
    .shape = WM_GROUP,
    .min_ranks = 2,
    .windowed = true,
    .algorithms = in_algorithms,
    .operations = operations,
    .has_bandwidth = true,
    .has_message_rate = true,
    .fill = fill_in,
    .expect = expect_in,
};

const struct wm_benchmark wm_benchmark_fan_out = {
    .name = "fan-out",
    .summary = "rank 0 sends a window to every other rank, each acknowledges",
    .bytes_are = "one message",
    .shape = WM_GROUP,
    .min_ranks = 2,
    .windowed = true,
    .algorithms = out_algorithms,
    .operations = operations,
    .has_bandwidth = true,
    .has_message_rate = true,
    .fill = fill_out,
    .expect = expect_out,
};
