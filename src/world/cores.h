/** Which logical processors a process may use, and how much of them. */
#ifndef WM_WORLD_CORES_H
#define WM_WORLD_CORES_H

#include <stddef.h>
#include <stdint.h>

#define WM_CPU_WORDS 16 /* 1024 logical processors; those above are not counted */

struct wm_cores {
    uint64_t mask[WM_CPU_WORDS];
    double quota; /* processors' worth of time that the cgroup grants; 0 = no limit */
};

/** The calling thread's affinity and its cgroup's quota; what cannot be read does not limit. */
void wm_cores_read(struct wm_cores *out);

int wm_cores_count(const uint64_t mask[WM_CPU_WORDS]);

/** "0-3,8"; what does not fit ends with "...". Returns text. */
char *wm_cores_text(const uint64_t mask[WM_CPU_WORDS], char *text, size_t bytes);

/**
 * The smallest quota on the way from a process's cgroup to the root, versions 1 and 2.
 * @param membership  "/proc/self/cgroup"
 * @param mount       "/sys/fs/cgroup"
 * @return processors, 0 = no limit
 */
double wm_cores_quota(const char *membership, const char *mount);

#endif
