#include "src/world/cores.h"

#include <sched.h>
#include <string.h>

#include "src/core/cgroup.h"

void wm_cores_read(struct wm_cores *out)
{
    uint64_t all[128] = { 0 }; /* the kernel refuses a buffer smaller than its own mask */
    memset(out, 0, sizeof(*out));
    if (sched_getaffinity(0, sizeof(all), (cpu_set_t *)all) == 0)
        memcpy(&out->cpus, all, sizeof(out->cpus));
    else
        memset(&out->cpus, 0xff, sizeof(out->cpus));
    out->quota = wm_cgroup_cpu_quota("");
}
