#include "src/core/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- small files ---- */

FILE *wm_open_below(const char *root, const char *path)
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

bool wm_number_below(const char *root, const char *folder, const char *name, uint64_t *out)
{
    char path[PATH_MAX];
    long long number;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return false;
    FILE *file = wm_open_below(root, path);
    bool found = file != NULL && fscanf(file, "%lld", &number) == 1 && number >= 0;
    if (found)
        *out = (uint64_t)number;
    if (file != NULL)
        fclose(file);
    return found;
}

/* ---- where this process is ---- */

/* Path of the cgroup as /proc/self/cgroup has it: for "" the line "0::PATH" (version 2), for "memory" or "cpu" the
 * line whose list of controllers names it (version 1). False where there is none. */
static bool cgroup_path(const char *root, const char *controller, char path[PATH_MAX])
{
    char line[PATH_MAX + 64];
    bool found = false;
    FILE *file = wm_open_below(root, "/proc/self/cgroup");
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

void wm_cgroup_visit(const char *root, const char *mount, const char *controller,
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

/* ---- processors ---- */

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
    FILE *file = wm_open_below(root, path);
    if (file == NULL)
        return;
    if (fscanf(file, "%lf %lf", &time_us, &period_us) == 2 && period_us > 0) /* "max 100000" is no number */
        lower_quota(time_us / period_us, quota);
    fclose(file);
}

static void visit_quota_v1(const char *root, const char *folder, void *quota)
{
    uint64_t time_us, period_us;
    if (wm_number_below(root, folder, "cpu.cfs_quota_us", &time_us) &&
        wm_number_below(root, folder, "cpu.cfs_period_us", &period_us) && period_us > 0)
        lower_quota((double)time_us / (double)period_us, quota);
}

double wm_cgroup_cpu_quota(const char *root)
{
    double quota = 0;
    wm_cgroup_visit(root, "/sys/fs/cgroup", "", visit_quota_v2, &quota);
    wm_cgroup_visit(root, "/sys/fs/cgroup/cpu", "cpu", visit_quota_v1, &quota);
    wm_cgroup_visit(root, "/sys/fs/cgroup/cpu,cpuacct", "cpu", visit_quota_v1, &quota);
    return quota;
}
