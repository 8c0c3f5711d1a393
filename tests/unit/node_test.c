#include "src/topo/node.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/core/cgroup.h"
#include "tests/unit/check.h"

/* A machine as a list of files; written below a temporary folder for each row. */
struct file {
    const char *path, *text;
};

static const struct {
    const char *what;
    struct file files[10];
    uint64_t available_bytes;
    double quota;
    struct wm_node_cpu_time time; /* total 0: none */
} machines[] = {
    { .what = "nothing at all", .files = { { NULL, NULL } } },
    { .what = "no cgroup",
      .files = { { "proc/meminfo", "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n" },
                 { "proc/stat", "cpu  1 2 3 40 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n" } },
      .available_bytes = 8000 * 1024,
      .time = { .total = 72, .idle = 45, .steal = 8 } },
    { .what = "an old kernel's /proc",
      .files = { { "proc/meminfo", "MemTotal:       16000 kB\nMemFree:         1000 kB\n" },
                 { "proc/stat", "cpu  1 2 3 4\nintr 5\n" } },
      .time = { .total = 10, .idle = 4 } },
    { .what = "garbage",
      .files = { { "proc/meminfo", "MemAvailable: lots\n" },
                 { "proc/stat", "cpu words\n" },
                 { "proc/self/cgroup", "0\n::::\n0::\n\n" },
                 { "sys/fs/cgroup/memory.max", "many\n" },
                 { "sys/fs/cgroup/memory.current", "" },
                 { "sys/fs/cgroup/cpu.max", "\n" } } },
    { .what = "version 2, limits on the way up",
      .files = { { "proc/meminfo", "MemAvailable:    8000 kB\n" },
                 { "proc/self/cgroup", "0::/slurm/job7/step0\n" },
                 { "sys/fs/cgroup/slurm/job7/step0/memory.max", "max\n" },
                 { "sys/fs/cgroup/slurm/job7/step0/memory.current", "100\n" },
                 { "sys/fs/cgroup/slurm/job7/step0/cpu.max", "max 100000\n" },
                 { "sys/fs/cgroup/slurm/job7/memory.max", "5000000\n" },
                 { "sys/fs/cgroup/slurm/job7/memory.current", "1500000\n" },
                 { "sys/fs/cgroup/slurm/job7/memory.stat", "anon 1\ninactive_file 500000\nactive_file 7\n" },
                 { "sys/fs/cgroup/slurm/job7/cpu.max", "150000 100000\n" },
                 { "sys/fs/cgroup/slurm/cpu.max", "400000 100000\n" } },
      .available_bytes = 4000000,
      .quota = 1.5 },
    { .what = "version 2, a container's own root",
      .files = { { "proc/meminfo", "MemAvailable:    8000 kB\n" },
                 { "proc/self/cgroup", "0::/\n" },
                 { "sys/fs/cgroup/memory.max", "3000000\n" },
                 { "sys/fs/cgroup/memory.current", "1000000\n" },
                 { "sys/fs/cgroup/cpu.max", "50000 100000\n" } },
      .available_bytes = 2000000,
      .quota = 0.5 },
    { .what = "version 2, nothing left",
      .files = { { "proc/meminfo", "MemAvailable:    8000 kB\n" },
                 { "proc/self/cgroup", "0::/a\n" },
                 { "sys/fs/cgroup/a/memory.max", "1000\n" },
                 { "sys/fs/cgroup/a/memory.current", "2000\n" } },
      .available_bytes = 1 },
    { .what = "version 2, the machine has less than the cgroup",
      .files = { { "proc/meminfo", "MemAvailable:    8 kB\n" },
                 { "proc/self/cgroup", "0::/a\n" },
                 { "sys/fs/cgroup/a/memory.max", "1000000\n" },
                 { "sys/fs/cgroup/a/memory.current", "2000\n" } },
      .available_bytes = 8192 },
    { .what = "version 1",
      .files = { { "proc/meminfo", "MemAvailable:    8000 kB\n" },
                 { "proc/self/cgroup",
                   "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n" },
                 { "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "4000000\n" },
                 { "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "3000000\n" },
                 { "sys/fs/cgroup/memory/docker/abc/memory.stat", "cache 9\ntotal_inactive_file 1000000\n" },
                 { "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n" },
                 { "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n" } },
      .available_bytes = 2000000,
      .quota = 2.5 },
    { .what = "version 1 without limits, seen from a container",
      .files = { { "proc/self/cgroup", "11:memory:/docker/abc\n4:cpu:/docker/abc\n0::/docker/abc\n" },
                 { "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n" },
                 { "sys/fs/cgroup/memory/memory.usage_in_bytes", "3000000\n" },
                 { "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n" },
                 { "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } } },
};

static void write_file(const char *root, const struct file *file)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", root, file->path);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *to = fopen(path, "w");
    if (CHECK(to != NULL)) {
        fputs(file->text, to);
        fclose(to);
    }
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void recorded_machines(void)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        char root[] = "/tmp/wiremark-node-XXXXXX";
        struct wm_node_cpu_time time = { 0 };
        if (!CHECK(mkdtemp(root) != NULL))
            return;
        for (int k = 0; k < 10 && machines[i].files[k].path != NULL; k++)
            write_file(root, &machines[i].files[k]);
        int ok = CHECK_INT(wm_node_available_bytes_at(root), machines[i].available_bytes);
        ok &= CHECK_NEAR(wm_cgroup_cpu_quota(root), machines[i].quota, 1e-12);
        ok &= CHECK_INT(wm_node_cpu_time_at(root, &time), machines[i].time.total > 0 ? 0 : -1);
        ok &= CHECK_INT(time.total, machines[i].time.total);
        ok &= CHECK_INT(time.idle, machines[i].time.idle);
        ok &= CHECK_INT(time.steal, machines[i].time.steal);
        if (!ok)
            printf("machine: %s\n", machines[i].what);
        nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static void this_machine(void)
{
    struct wm_node_cpu_time time = { 0 };
    size_t cache = wm_node_cache_bytes();
    CHECK(wm_node_available_bytes() > 1 << 20);
    CHECK(wm_cgroup_cpu_quota("") >= 0);
    CHECK(cache >= 64 << 10 && cache < (size_t)16 << 30);
    CHECK_INT(wm_node_cpu_time(&time), 0);
    CHECK(time.total > 0 && time.idle <= time.total && time.steal <= time.total);
}

int main(void)
{
    recorded_machines();
    this_machine();
    return wm_tests_end();
}
