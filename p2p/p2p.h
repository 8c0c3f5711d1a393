/** The rows between two ranks, and between one and all others; the parts that they share. */
#ifndef WM_P2P_H
#define WM_P2P_H

#include "bench/benchmark.h"

extern const struct wm_benchmark wm_benchmark_latency, wm_benchmark_bandwidth, wm_benchmark_bibandwidth,
    wm_benchmark_message_rate, wm_benchmark_put_latency, wm_benchmark_put_bandwidth, wm_benchmark_get_latency,
    wm_benchmark_get_bandwidth, wm_benchmark_fan_in, wm_benchmark_fan_out, wm_benchmark_copy_to_device,
    wm_benchmark_copy_from_device, wm_benchmark_copy_both, wm_benchmark_copy_local, wm_benchmark_copy_write,
    wm_benchmark_copy_read, wm_benchmark_copy_all_to_one, wm_benchmark_copy_one_to_all, wm_benchmark_copy_latency,
    wm_benchmark_copy_latency_peer;

/* Buffers hold a lane for each peer: one message, or all of the window where each has a place of its own. */

/** Byte offset of message w in a lane. */
size_t wm_message_at(const struct wm_point *at, int lane, int w);
/** Bytes of all lanes. */
size_t wm_messages_bytes(const struct wm_point *at, int lanes);
/** What stands in a lane: the messages from one rank to another, each with other data where it has its own place. */
void wm_message_spans(const struct wm_point *at, enum wm_area area, int lane, int from, int to, struct wm_spans *out);

/** The whole of a row whose messages go both ways, or from rank 0 to rank 1 only. */
void wm_fill_both_ways(const struct wm_point *at, struct wm_spans *out);
void wm_expect_both_ways(const struct wm_point *at, struct wm_spans *out);
void wm_fill_one_way(const struct wm_point *at, struct wm_spans *out);
void wm_expect_one_way(const struct wm_point *at, struct wm_spans *out);

/** Messages in one operation of a windowed row. */
double wm_window_operations(const struct wm_point *at);

#endif
