/** What this process's cgroup says: the only reader, for whoever asks before or after MPI starts, here or of a record.
 */
#ifndef WM_CORE_CGROUP_H
#define WM_CORE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** A regular file below a root ("" is this machine), or NULL: a pipe in a recorded tree would wait for ever. */
FILE *wm_open_below(const char *root, const char *path);
/** First number of a file of one line; false where it is missing or says "max" or less than 0: no limit. */
bool wm_number_below(const char *root, const char *folder, const char *name, uint64_t *out);

/**
 * Calls visit(folder) for the cgroup and all that enclose it, up to the mount. In a container the path may name a
 * cgroup that is not visible: then only the folders that are there say anything.
 * @param controller  "" is version 2; "memory" or "cpu" the hierarchy of version 1 that has it
 */
void wm_cgroup_visit(const char *root, const char *mount, const char *controller,
                     void (*visit)(const char *root, const char *folder, void *arg), void *arg);

/**
 * Whole processors' worth of time that the cgroup grants (1.5 -> 1.5), the least on the way to the mount, versions 1
 * and 2; 0 = no limit, or none that can be read.
 * @param root  "" = this machine; else a folder with its proc/self/cgroup and sys/fs/cgroup
 */
double wm_cgroup_cpu_quota(const char *root);

#endif
