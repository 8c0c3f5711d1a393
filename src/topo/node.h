/** This node in a few numbers. */
#ifndef WM_TOPO_NODE_H
#define WM_TOPO_NODE_H

#include <stddef.h>
#include <stdint.h>

/** MemAvailable of this node, or what the cgroup still allows, whichever is less, in bytes; 0 = unknown. */
uint64_t wm_node_available_bytes(void);

/** Size of the last-level cache by hwloc, in bytes; 32 MiB where it cannot say. */
size_t wm_node_cache_bytes(void);

/** Times of this node's CPUs since boot, in clock ticks of all CPUs: for noise{}. 0, or -1 where /proc/stat has none.
 */
struct wm_node_cpu_time {
    uint64_t total, idle, steal;
};
int wm_node_cpu_time(struct wm_node_cpu_time *out);

/* The same of a machine recorded as files below `root` (proc/meminfo, proc/self/cgroup, sys/fs/cgroup ...). */
uint64_t wm_node_available_bytes_at(const char *root);
int wm_node_cpu_time_at(const char *root, struct wm_node_cpu_time *out);

#endif
