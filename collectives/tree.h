/**
 * The binomial tree of ranks as seen from the root, which is 0: what broadcast, gather and scatter share. A rank's
 * subtree are the ranks from itself on, less than `span` of them; its children are self + span / 2, self + span / 4 ...
 * where they exist, its parent is self - span. The root's span is a power of two.
 */
#ifndef WM_TREE_H
#define WM_TREE_H

#include "collectives/blocks.h"

int wm_tree_span(int self, int ranks);

/** Ranks in the subtree of `self`, itself included. */
int wm_tree_size(int self, int ranks);

/* Blocks by rank on their way along the tree. */
struct wm_tree_blocks {
    enum wm_area all; /* at the root: the blocks of all ranks, in rank order */
    enum wm_area own; /* elsewhere: this rank's block, at offset 0 */
};

/** Where block `relative` stands on this rank: a rank with children keeps its subtree's in WORK. */
struct wm_at wm_tree_block(const struct wm_point *at, const struct wm_tree_blocks *blocks, int relative);

/** Adds the messages that bring the blocks of the subtree of `child` from or to `peer`, both as seen from the root:
 * one, or two where rank order wraps. */
void wm_tree_send(const struct wm_point *at, const struct wm_tree_blocks *blocks, int peer, int child,
                  struct wm_range after, struct wm_schedule *out);
void wm_tree_recv(const struct wm_point *at, const struct wm_tree_blocks *blocks, int peer, int child,
                  struct wm_schedule *out);

/** Room in WORK for a subtree's blocks: the same on all ranks, as the root may rotate. */
void wm_tree_need(const struct wm_point *at, struct wm_schedule *out);

#endif
