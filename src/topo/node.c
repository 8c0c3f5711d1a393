#include "src/topo/node.h"

#include <hwloc.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/cgroup.h"

enum { CACHE_UNKNOWN_BYTES = 32 << 20 };

/* --- memory --- */

/* Number behind `key` at the beginning of a line; false where there is none. */
static bool read_key(const char *root, const char *path, const char *key, uint64_t *out)
{
    char line[512];
    size_t n = strlen(key);
    bool found = false;
    FILE *file = wm_open_below(root, path);
    while (!found && file != NULL && fgets(line, sizeof(line), file) != NULL) {
        unsigned long long number;
        found = strncmp(line, key, n) == 0 && sscanf(line + n, " %llu", &number) == 1;
        if (found)
            *out = number;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* What a cgroup may still take: its limit less its use, page cache that it would give back not counted as used. */
static void lower_by_limit(const char *root, const char *folder, const char *limit_name, const char *use_name,
                           const char *cache_key, uint64_t *available)
{
    char stat[2 * PATH_MAX];
    uint64_t limit, use, cache = 0;
    if (!wm_number_below(root, folder, limit_name, &limit) || !wm_number_below(root, folder, use_name, &use))
        return;
    snprintf(stat, sizeof(stat), "%s/memory.stat", folder);
    read_key(root, stat, cache_key, &cache);
    use -= cache < use ? cache : use;
    uint64_t left = limit > use ? limit - use : 1; /* 0 would mean unknown */
    if (left < *available)
        *available = left;
}

static void visit_memory_v2(const char *root, const char *folder, void *available)
{
    lower_by_limit(root, folder, "memory.max", "memory.current", "inactive_file", available);
}

static void visit_memory_v1(const char *root, const char *folder, void *available)
{
    lower_by_limit(root, folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", available);
}

uint64_t wm_node_available_bytes_at(const char *root)
{
    uint64_t kib, available = UINT64_MAX;
    if (read_key(root, "/proc/meminfo", "MemAvailable:", &kib))
        available = kib * 1024;
    wm_cgroup_visit(root, "/sys/fs/cgroup", "", visit_memory_v2, &available);
    wm_cgroup_visit(root, "/sys/fs/cgroup/memory", "memory", visit_memory_v1, &available);
    /* Without MemAvailable, version 1's "no limit" (2^63 less a page) must not pass for a figure. */
    return available >= UINT64_C(1) << 62 ? 0 : available;
}

uint64_t wm_node_available_bytes(void)
{
    return wm_node_available_bytes_at("");
}

/* --- processors --- */

int wm_node_cpu_time_at(const char *root, struct wm_node_cpu_time *out)
{
    /* user nice system idle iowait irq softirq steal; guest times are in user already */
    unsigned long long ticks[8] = { 0 };
    FILE *file = wm_open_below(root, "/proc/stat");
    if (file == NULL)
        return -1;
    int n = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2], &ticks[3],
                   &ticks[4], &ticks[5], &ticks[6], &ticks[7]);
    fclose(file);
    if (n < 4)
        return -1;
    *out = (struct wm_node_cpu_time){ .idle = ticks[3] + ticks[4], .steal = ticks[7] };
    for (int i = 0; i < 8; i++)
        out->total += ticks[i];
    return 0;
}

int wm_node_cpu_time(struct wm_node_cpu_time *out)
{
    return wm_node_cpu_time_at("", out);
}

/* --- cache --- */

/* Largest cache of the highest level that the topology knows; 0 = none. */
static size_t largest_cache(hwloc_topology_t topology)
{
    static const hwloc_obj_type_t levels[] = { HWLOC_OBJ_L5CACHE, HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L3CACHE,
                                               HWLOC_OBJ_L2CACHE };
    hwloc_uint64_t largest = 0;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]) && largest == 0; i++)
        for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(topology, levels[i], o)) != NULL;)
            largest = o->attr->cache.size > largest ? o->attr->cache.size : largest;
    return (size_t)largest;
}

size_t wm_node_cache_bytes(void)
{
    hwloc_topology_t topology;
    size_t bytes = 0;
    if (hwloc_topology_init(&topology) != 0)
        return CACHE_UNKNOWN_BYTES;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE); /* no devices: they take long */
    hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) == 0)
        bytes = largest_cache(topology);
    hwloc_topology_destroy(topology);
    return bytes > 0 ? bytes : CACHE_UNKNOWN_BYTES;
}
