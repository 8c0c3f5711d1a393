#include "collectives/tree.h"

int wm_tree_span(int self, int ranks)
{
    int span = 1;
    while (span < ranks && (self & span) == 0)
        span *= 2;
    return span;
}

int wm_tree_size(int self, int ranks)
{
    const int span = wm_tree_span(self, ranks);
    return self + span < ranks ? span : ranks - self;
}

struct wm_at wm_tree_block(const struct wm_point *at, const struct wm_tree_blocks *blocks, int relative)
{
    const int self = wm_from_root(at, at->rank);
    const size_t bytes = wm_block_bytes(at);

    if (self == 0)
        return wm_in_area(blocks->all, (size_t)wm_to_rank(at, relative) * bytes);
    if (wm_tree_size(self, at->ranks) == 1)
        return wm_in_area(blocks->own, 0);
    return wm_in_area(WM_WORK, (size_t)(relative - self) * bytes);
}

static void add_messages(const struct wm_point *at, const struct wm_tree_blocks *blocks, bool sends, int peer,
                         int child, struct wm_range after, struct wm_schedule *out)
{
    const int end = child + wm_tree_size(child, at->ranks), wraps = at->ranks - at->root; /* rank 0 */

    for (int first = child, next; first < end; first = next) {
        next = first < wraps && wraps < end ? wraps : end;
        const size_t bytes = (size_t)(next - first) * wm_block_bytes(at);
        if (sends)
            wm_add_send(out, wm_to_rank(at, peer), wm_tree_block(at, blocks, first), bytes, after);
        else
            wm_add_recv(out, wm_to_rank(at, peer), wm_tree_block(at, blocks, first), bytes, after);
    }
}

void wm_tree_send(const struct wm_point *at, const struct wm_tree_blocks *blocks, int peer, int child,
                  struct wm_range after, struct wm_schedule *out)
{
    add_messages(at, blocks, true, peer, child, after, out);
}

void wm_tree_recv(const struct wm_point *at, const struct wm_tree_blocks *blocks, int peer, int child,
                  struct wm_schedule *out)
{
    add_messages(at, blocks, false, peer, child, WM_NONE, out);
}

void wm_tree_need(const struct wm_point *at, struct wm_schedule *out)
{
    wm_schedule_need(out, WM_WORK, (size_t)(at->ranks / 2) * wm_block_bytes(at));
}
