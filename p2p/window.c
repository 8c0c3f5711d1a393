/** Windows of messages between two ranks: bandwidth, bibandwidth, message-rate. */
#include "p2p/p2p.h"

/* The receiver acknowledges the whole window with one byte: the sender's time ends when the data are there. */
static int one_way(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const bool sends = at->rank == 0;
    const struct wm_range window = { 0, at->window - 1 };
    const struct wm_at byte = { WM_WORK, 0 };

    (void)err;
    wm_schedule_need(out, sends ? WM_IN : WM_OUT, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_WORK, 1);
    for (int w = 0; w < at->window; w++)
        if (sends)
            wm_add_send(out, 1, (struct wm_at){ WM_IN, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
        else
            wm_add_recv(out, 0, (struct wm_at){ WM_OUT, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
    if (sends)
        wm_add_recv(out, 1, byte, 1, window);
    else
        wm_add_send(out, 0, byte, 1, window);
    return WM_OK;
}

static int both_ways(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int peer = 1 - at->rank;

    (void)err;
    wm_schedule_need(out, WM_IN, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_OUT, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_WORK, 2);
    for (int w = 0; w < at->window; w++)
        wm_add_recv(out, peer, (struct wm_at){ WM_OUT, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
    wm_add_recv(out, peer, (struct wm_at){ WM_WORK, 0 }, 1, WM_NONE);
    for (int w = 0; w < at->window; w++)
        wm_add_send(out, peer, (struct wm_at){ WM_IN, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
    wm_add_send(out, peer, (struct wm_at){ WM_WORK, 1 }, 1, (struct wm_range){ 0, at->window - 1 });
    return WM_OK;
}

/* The same with nothing under way while it waits: for transports that end what was posted together only. */
static int both_in_phases(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const int peer = 1 - at->rank;
    const struct wm_range window = { 0, 2 * at->window - 1 };

    (void)err;
    wm_schedule_need(out, WM_IN, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_OUT, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_WORK, 2);
    for (int w = 0; w < at->window; w++) {
        wm_add_recv(out, peer, (struct wm_at){ WM_OUT, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
        wm_add_send(out, peer, (struct wm_at){ WM_IN, wm_message_at(at, 0, w) }, at->bytes, WM_NONE);
    }
    wm_add_recv(out, peer, (struct wm_at){ WM_WORK, 0 }, 1, window);
    wm_add_send(out, peer, (struct wm_at){ WM_WORK, 1 }, 1, window);
    return WM_OK;
}

static double both_counted(const struct wm_point *at)
{
    return 2 * (double)at->bytes;
}

static const struct wm_algorithm one[] = { { "window", one_way }, { NULL, NULL } };
static const struct wm_algorithm both[] = { { "window", both_ways }, { "phases", both_in_phases }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_bandwidth = {
    .name = "bandwidth",
    .summary = "a window of messages one way, then one acknowledgement",
    .bytes_are = "one message",
    .min_ranks = 2,
    .windowed = true,
    .algorithms = one,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = wm_fill_one_way,
    .expect = wm_expect_one_way,
};

const struct wm_benchmark wm_benchmark_message_rate = {
    .name = "message-rate",
    .summary = "messages per second one way, by windows with one acknowledgement each",
    .bytes_are = "one message",
    .min_ranks = 2,
    .windowed = true,
    .algorithms = one,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .has_message_rate = true,
    .fill = wm_fill_one_way,
    .expect = wm_expect_one_way,
};

const struct wm_benchmark wm_benchmark_bibandwidth = {
    .name = "bibandwidth",
    .summary = "a window of messages both ways at once, each acknowledged; both directions count",
    .bytes_are = "one message",
    .min_ranks = 2,
    .windowed = true,
    .algorithms = both,
    .operations = wm_window_operations,
    .counted_bytes = both_counted,
    .has_bandwidth = true,
    .fill = wm_fill_both_ways,
    .expect = wm_expect_both_ways,
};
