#include "src/core/cgroup.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/check.h"

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (CHECK(f != NULL)) {
        fputs(text, f);
        fclose(f);
    }
}

struct quota_case {
    const char *membership, *outer, *inner; /* /proc/self/cgroup; cpu.max of /a and of /a/b */
    double cores;
};

/* A made-up /sys/fs/cgroup: the smallest limit on the way counts, wherever it stands. */
static void check_quota(void)
{
    static const struct quota_case quotas[] = {
        { "0::/a/b\n", "max 100000", "max 100000", 0 },
        { "0::/a/b\n", "max 100000", "150000 100000", 1.5 },
        { "0::/a/b\n", "200000 100000", "max 100000", 2 },
        { "0::/a/b\n", "50000 100000", "150000 100000", 0.5 },
        { "0::/a\n", "200000 100000", "100000 100000", 2 },
        { "0::/\n", "200000 100000", "100000 100000", 0 },
        { "0::/x/y\n", "200000 100000", "max 100000", 0 },
        { "junk\n", "200000 100000", "max 100000", 0 },
        { "1:name=systemd:/a/b\n", "1 1", "1 1", 0 },
        { "3:cpuset:/\n2:cpu,cpuacct:/v\n", "max", "max", 3 },
        { "2:cpuset,cpu:/v\n0::/a/b\n", "100000 100000", "max 100000", 1 },
    };
    char root[] = "/tmp/wiremark-cgroup-XXXXXX", path[160], membership[128];
    if (!CHECK(mkdtemp(root) != NULL))
        return;
    snprintf(path, sizeof(path), "cd %s && mkdir -p proc/self sys/fs/cgroup/a/b sys/fs/cgroup/cpu/v", root);
    CHECK_INT(system(path), 0);
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cpu/v/cpu.cfs_quota_us", root);
    write_file(path, "300000\n");
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cpu/v/cpu.cfs_period_us", root);
    write_file(path, "100000\n");
    snprintf(membership, sizeof(membership), "%s/proc/self/cgroup", root);
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
        write_file(membership, quotas[i].membership);
        snprintf(path, sizeof(path), "%s/sys/fs/cgroup/a/cpu.max", root);
        write_file(path, quotas[i].outer);
        snprintf(path, sizeof(path), "%s/sys/fs/cgroup/a/b/cpu.max", root);
        write_file(path, quotas[i].inner);
        CHECK_NEAR(wm_cgroup_cpu_quota(root), quotas[i].cores, 1e-9);
    }
    CHECK_NEAR(wm_cgroup_cpu_quota("/nowhere"), 0, 0);
    snprintf(path, sizeof(path), "rm -r %s", root);
    CHECK_INT(system(path), 0);
}

int main(void)
{
    check_quota();
    return wm_tests_end();
}
