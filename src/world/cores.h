/** Which logical processors a process may use, and how much of them. */
#ifndef WM_WORLD_CORES_H
#define WM_WORLD_CORES_H

#include "src/core/cpuset.h"

struct wm_cores {
    struct wm_cpuset cpus;
    double quota; /* processors' worth of time that the cgroup grants; 0 = no limit */
};

/** The calling thread's affinity and its cgroup's quota; what cannot be read does not limit. */
void wm_cores_read(struct wm_cores *out);

/**
 * The smallest quota on the way from a process's cgroup to the root, versions 1 and 2.
 * @param membership  "/proc/self/cgroup"
 * @param mount       "/sys/fs/cgroup"
 * @return processors, 0 = no limit
 */
double wm_cores_quota(const char *membership, const char *mount);

#endif
