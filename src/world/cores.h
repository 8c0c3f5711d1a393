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

#endif
