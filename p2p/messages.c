#include "p2p/p2p.h"

size_t wm_message_at(const struct wm_point *at, int lane, int w)
{
    size_t message = at->distinct ? (size_t)lane * (size_t)at->window + (size_t)w : (size_t)lane;
    return message * at->bytes;
}

size_t wm_messages_bytes(const struct wm_point *at, int lanes)
{
    return wm_message_at(at, lanes, 0);
}

void wm_message_spans(const struct wm_point *at, enum wm_area area, int lane, int from, int to, struct wm_spans *out)
{
    const uint64_t words = (at->bytes + 3) / 4;
    for (int w = 0; w < (at->distinct ? at->window : 1); w++)
        wm_spans_add(out, (struct wm_span){
                              .at = { area, wm_message_at(at, lane, w) },
                              .bytes = at->bytes,
                              .pattern = { .kind = WM_MOVED,
                                           .seed = at->seed,
                                           .rank = (uint32_t)from,
                                           .peer = (uint32_t)to,
                                           .round = at->round },
                              .first = (uint64_t)w * words,
                          });
}

void wm_fill_both_ways(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_IN, 0, at->rank, 1 - at->rank, out);
}

void wm_expect_both_ways(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_OUT, 0, 1 - at->rank, at->rank, out);
}

void wm_fill_one_way(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == 0)
        wm_fill_both_ways(at, out);
}

void wm_expect_one_way(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank == 1)
        wm_expect_both_ways(at, out);
}

double wm_window_operations(const struct wm_point *at)
{
    return at->window;
}
