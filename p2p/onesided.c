/** One-sided rows: rank 0 puts or gets, rank 1 only lends its memory. */
#include "p2p/p2p.h"

/* Also the latencies, whose window is one message. A put is complete when it is complete at the target. */
static void window_of(enum wm_step_kind kind, const struct wm_point *at, struct wm_schedule *out)
{
    bool sends = (at->rank == 0) == (kind == WM_STEP_PUT);

    wm_schedule_need(out, sends ? WM_IN : WM_OUT, wm_messages_bytes(at, 1));
    for (int w = 0; at->rank == 0 && w < at->window; w++) {
        size_t place = wm_message_at(at, 0, w);
        wm_schedule_add(out, (struct wm_step){ .kind = kind,
                                               .after = { WM_NONE, WM_NONE },
                                               .peer = 1,
                                               .from = { WM_IN, place },
                                               .to = { WM_OUT, place },
                                               .bytes = at->bytes });
    }
}

static int put_window(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    window_of(WM_STEP_PUT, at, out);
    return WM_OK;
}

static int get_window(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    window_of(WM_STEP_GET, at, out);
    return WM_OK;
}

static void fill_got(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == 1)
        wm_message_spans(at, WM_IN, 0, 1, 0, out);
}

static void expect_got(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == 0)
        wm_message_spans(at, WM_OUT, 0, 1, 0, out);
}

static const struct wm_algorithm one_put[] = { { "put", put_window }, { NULL, NULL } };
static const struct wm_algorithm one_get[] = { { "get", get_window }, { NULL, NULL } };
static const struct wm_algorithm many_puts[] = { { "window", put_window }, { NULL, NULL } };
static const struct wm_algorithm many_gets[] = { { "window", get_window }, { NULL, NULL } };

const struct wm_benchmark wm_benchmark_put_latency = {
    .name = "put-latency",
    .summary = "one put, until it is complete at the target",
    .bytes_are = "one message",
    .min_ranks = 2,
    .shared = 1u << WM_OUT,
    .algorithms = one_put,
    .fill = wm_fill_one_way,
    .expect = wm_expect_one_way,
};

const struct wm_benchmark wm_benchmark_put_bandwidth = {
    .name = "put-bandwidth",
    .summary = "a window of puts, until all are complete at the target",
    .bytes_are = "one message",
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_OUT,
    .algorithms = many_puts,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = wm_fill_one_way,
    .expect = wm_expect_one_way,
};

const struct wm_benchmark wm_benchmark_get_latency = {
    .name = "get-latency",
    .summary = "one get, until the data are here",
    .bytes_are = "one message",
    .min_ranks = 2,
    .shared = 1u << WM_IN,
    .algorithms = one_get,
    .fill = fill_got,
    .expect = expect_got,
};

const struct wm_benchmark wm_benchmark_get_bandwidth = {
    .name = "get-bandwidth",
    .summary = "a window of gets, until all data are here",
    .bytes_are = "one message",
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_IN,
    .algorithms = many_gets,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = fill_got,
    .expect = expect_got,
};
