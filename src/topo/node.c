#include "src/topo/node.h"

#include <fcntl.h>
#include <hwloc.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHE_UNKNOWN_BYTES = 32 << 20 };

/* --- small files --- */

/* Regular files only: a pipe in a recorded tree would wait for ever. */
static FILE *open_below(const char *root, const char *path)
{
    char full[PATH_MAX];
    int n = snprintf(full, sizeof(full), "%s%s", root, path);
    int fd = n < (int)sizeof(full) ? open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    struct stat status;
    FILE *file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

/* First number of a file of one line; false where the file is missing or says "max" or less than 0: no limit. */
static bool read_number(const char *root, const char *folder, const char *name, uint64_t *out)
{
    char path[PATH_MAX];
    long long number;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return false;
    FILE *file = open_below(root, path);
    bool found = file != NULL && fscanf(file, "%lld", &number) == 1 && number >= 0;
    if (found)
        *out = (uint64_t)number;
    if (file != NULL)
        fclose(file);
    return found;
}

/* Number behind `key` at the beginning of a line; false where there is none. */
static bool read_key(const char *root, const char *path, const char *key, uint64_t *out)
{
    char line[512];
    size_t n = strlen(key);
    bool found = false;
    FILE *file = open_below(root, path);
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

/* --- this process's cgroup --- */

/* Path of the cgroup as /proc/self/cgroup has it: for "" the line "0::PATH" (version 2), for "memory" or "cpu" the
 * line whose list of controllers names it (version 1). False where there is none. */
static bool cgroup_path(const char *root, const char *controller, char path[PATH_MAX])
{
    char line[PATH_MAX + 64];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/cgroup");
    while (!found && file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *rest = line, *id = strsep(&rest, ":"), *list = strsep(&rest, ":"), *name;
        if (rest == NULL || (controller[0] == '\0') != (strcmp(id, "0") == 0 && list[0] == '\0'))
            continue;
        rest[strcspn(rest, "\n")] = '\0';
        found = controller[0] == '\0';
        while (!found && (name = strsep(&list, ",")) != NULL)
            found = strcmp(name, controller) == 0;
        found = found && snprintf(path, PATH_MAX, "%s", rest) < PATH_MAX;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Calls visit(folder) for the cgroup and all that enclose it, up to the mount. In a container the path may name a
 * cgroup that is not visible: then only the folders that are there say anything. */
static void visit_cgroups(const char *root, const char *mount, const char *controller,
                          void (*visit)(const char *root, const char *folder, void *arg), void *arg)
{
    char path[PATH_MAX], folder[2 * PATH_MAX];
    if (!cgroup_path(root, controller, path))
        return;
    for (;;) {
        char *slash = strrchr(path, '/');
        if (slash != NULL && slash[1] == '\0') { /* "/": the mount itself */
            *slash = '\0';
            continue;
        }
        snprintf(folder, sizeof(folder), "%s%s", mount, path);
        visit(root, folder, arg);
        if (slash == NULL)
            return;
        *slash = '\0';
    }
}

/* --- memory --- */

/* What a cgroup may still take: its limit less its use, page cache that it would give back not counted as used. */
static void lower_by_limit(const char *root, const char *folder, const char *limit_name, const char *use_name,
                           const char *cache_key, uint64_t *available)
{
    char stat[2 * PATH_MAX];
    uint64_t limit, use, cache = 0;
    if (!read_number(root, folder, limit_name, &limit) || !read_number(root, folder, use_name, &use))
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
    visit_cgroups(root, "/sys/fs/cgroup", "", visit_memory_v2, &available);
    visit_cgroups(root, "/sys/fs/cgroup/memory", "memory", visit_memory_v1, &available);
    /* Without MemAvailable, version 1's "no limit" (2^63 less a page) must not pass for a figure. */
    return available >= UINT64_C(1) << 62 ? 0 : available;
}

uint64_t wm_node_available_bytes(void)
{
    return wm_node_available_bytes_at("");
}

/* --- processors --- */

static void lower_quota(double cores, double *quota)
{
    if (cores > 0 && (*quota <= 0 || cores < *quota))
        *quota = cores;
}

static void visit_quota_v2(const char *root, const char *folder, void *quota)
{
    char path[2 * PATH_MAX];
    double time_us, period_us;
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    FILE *file = open_below(root, path);
    if (file == NULL)
        return;
    if (fscanf(file, "%lf %lf", &time_us, &period_us) == 2 && period_us > 0) /* "max 100000" is no number */
        lower_quota(time_us / period_us, quota);
    fclose(file);
}

static void visit_quota_v1(const char *root, const char *folder, void *quota)
{
    uint64_t time_us, period_us;
    if (read_number(root, folder, "cpu.cfs_quota_us", &time_us) &&
        read_number(root, folder, "cpu.cfs_period_us", &period_us) && period_us > 0)
        lower_quota((double)time_us / (double)period_us, quota);
}

double wm_node_cpu_quota_at(const char *root)
{
    double quota = 0;
    visit_cgroups(root, "/sys/fs/cgroup", "", visit_quota_v2, &quota);
    visit_cgroups(root, "/sys/fs/cgroup/cpu", "cpu", visit_quota_v1, &quota);
    visit_cgroups(root, "/sys/fs/cgroup/cpu,cpuacct", "cpu", visit_quota_v1, &quota);
    return quota;
}

double wm_node_cpu_quota(void)
{
    return wm_node_cpu_quota_at("");
}

int wm_node_cpu_time_at(const char *root, struct wm_node_cpu_time *out)
{
    /* user nice system idle iowait irq softirq steal; guest times are in user already */
    unsigned long long ticks[8] = { 0 };
    FILE *file = open_below(root, "/proc/stat");
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
