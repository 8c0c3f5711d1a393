#include "src/world/cores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "max 100000" or "150000 100000", or, in version 1, one number a file. */
static double read_limit(const char *directory, bool unified)
{
    char path[600];
    double quota = 0, period = 0;
    FILE *f;
    snprintf(path, sizeof(path), "%s/%s", directory, unified ? "cpu.max" : "cpu.cfs_quota_us");
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, unified ? "%lf %lf" : "%lf", &quota, &period) < 1)
        quota = 0;
    fclose(f);
    if (!unified) {
        snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", directory);
        f = fopen(path, "r");
        if (f == NULL || fscanf(f, "%lf", &period) != 1)
            period = 0;
        if (f != NULL)
            fclose(f);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double smaller(double a, double b)
{
    return b > 0 && (a <= 0 || b < a) ? b : a;
}

static double limit_of_way(const char *mount, const char *group, bool unified)
{
    char path[512];
    double least = 0;
    size_t root = strlen(mount);
    if (snprintf(path, sizeof(path), "%s%s", mount, group) >= (int)sizeof(path))
        return 0;
    for (;;) {
        char *slash;
        least = smaller(least, read_limit(path, unified));
        slash = strrchr(path, '/');
        if (slash == NULL || slash < path + root)
            return least;
        *slash = '\0';
    }
}

/** Is "cpu" one of "cpu,cpuacct"? */
static bool names_cpu(const char *controllers)
{
    for (const char *at = controllers; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
    return false;
}

double wm_cores_quota(const char *membership, const char *mount)
{
    char line[512], root[300];
    double least = 0;
    FILE *f = fopen(membership, "r");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL) { /* hierarchy:controllers:/group */
        char *controllers = strchr(line, ':'), *group;
        if (controllers == NULL || (group = strchr(++controllers, ':')) == NULL)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (*controllers == '\0') {
            least = smaller(least, limit_of_way(mount, group, true));
        } else if (names_cpu(controllers)) {
            snprintf(root, sizeof(root), "%s/cpu", mount);
            least = smaller(least, limit_of_way(root, group, false));
        }
    }
    fclose(f);
    return least;
}

void wm_cores_read(struct wm_cores *out)
{
    uint64_t all[128] = { 0 }; /* the kernel refuses a buffer smaller than its own mask */
    memset(out, 0, sizeof(*out));
    if (sched_getaffinity(0, sizeof(all), (cpu_set_t *)all) == 0)
        memcpy(&out->cpus, all, sizeof(out->cpus));
    else
        memset(&out->cpus, 0xff, sizeof(out->cpus));
    out->quota = wm_cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
}
