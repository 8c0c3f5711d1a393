/** The node as a whole: processors, clock, memory, and what is installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/units.h"
#include "src/doctor/look.h"

/* Names "cpu0", "cpu1" ... in a folder of other things. */
static bool is_cpu(const char *name)
{
    return strncmp(name, "cpu", 3) == 0 && name[3] >= '0' && name[3] <= '9';
}

/* ---- governor */

static void look_governor(const struct wm_patient *p, struct wm_finding *f)
{
    struct wm_names names;
    char governor[32], other[32] = "";
    int fast = 0, slow = 0;
    wm_tree_names(p->tree, &names, "sys/devices/system/cpu");
    for (int i = 0; i < names.n; i++) {
        if (!is_cpu(names.name[i]) ||
            !wm_tree_text(p->tree, governor, sizeof(governor), "sys/devices/system/cpu/%s/cpufreq/scaling_governor",
                          names.name[i]))
            continue;
        if (strcmp(governor, "performance") == 0) {
            fast++;
        } else {
            slow++;
            snprintf(other, sizeof(other), "%s", governor);
        }
    }
    if (names.n == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /sys/devices/system/cpu");
    else if (slow > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "the governor is '%s' on %d of %d CPUs (cpufreq/scaling_governor in "
                       "/sys/devices/system/cpu/cpu*)",
                       other, slow, slow + fast);
    else if (fast > 0)
        wm_finding_say(f, WM_HEALTH_OK, "the governor is 'performance' on all %d CPUs (cpufreq/scaling_governor)",
                       fast);
    else
        wm_finding_not_here(f, "the kernel does not govern the frequency here (no cpufreq in /sys/devices/system/cpu)");
    wm_names_free(&names);
}

/* ---- C-states */

/* Of one CPU: all have the same. The deepest state that is not disabled. */
static void look_idle_states(const struct wm_patient *p, struct wm_finding *f)
{
    const int64_t long_us = 20; /* C1 and C1E take 1 to 10; C6 takes 100 and more */
    struct wm_names names;
    int64_t deepest_us = -1;
    char deepest[32] = "";
    wm_tree_names(p->tree, &names, "sys/devices/system/cpu/cpu0/cpuidle");
    for (int i = 0; i < names.n; i++) {
        int64_t us, disabled = 0;
        if (!wm_tree_number(p->tree, &us, "sys/devices/system/cpu/cpu0/cpuidle/%s/latency", names.name[i]))
            continue;
        wm_tree_number(p->tree, &disabled, "sys/devices/system/cpu/cpu0/cpuidle/%s/disable", names.name[i]);
        if (disabled != 0 || us <= deepest_us)
            continue;
        deepest_us = us;
        wm_tree_text(p->tree, deepest, sizeof(deepest), "sys/devices/system/cpu/cpu0/cpuidle/%s/name", names.name[i]);
    }
    if (!wm_tree_exists(p->tree, "sys/devices/system/cpu"))
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /sys/devices/system/cpu");
    else if (deepest_us < 0)
        wm_finding_not_here(f, "the kernel shows no idle states here (no cpuidle/state* in "
                               "/sys/devices/system/cpu/cpu0)");
    else
        wm_finding_say(f, deepest_us > long_us ? WM_HEALTH_WARN : WM_HEALTH_OK,
                       "the deepest idle state is %s, which takes %lld us to leave "
                       "(/sys/devices/system/cpu/cpu0/cpuidle)",
                       deepest, (long long)deepest_us);
    wm_names_free(&names);
}

/* ---- memory */

static void look_numa_balancing(const struct wm_patient *p, struct wm_finding *f)
{
    int64_t on;
    if (!wm_tree_exists(p->tree, "proc/sys/kernel"))
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /proc/sys/kernel");
    else if (!wm_tree_number(p->tree, &on, "proc/sys/kernel/numa_balancing"))
        wm_finding_not_here(f, "this kernel does not balance (no /proc/sys/kernel/numa_balancing)");
    else if (p->topo->n_numa < 2)
        wm_finding_not_here(f, "there is one NUMA node");
    else
        wm_finding_say(f, on != 0 ? WM_HEALTH_WARN : WM_HEALTH_OK,
                       "automatic NUMA balancing is %s (/proc/sys/kernel/numa_balancing is %lld)",
                       on != 0 ? "on" : "off", (long long)on);
}

static bool meminfo_kib(const char *text, const char *key, uint64_t *kib)
{
    const char *at = strstr(text, key);
    unsigned long long number;
    if (at == NULL || sscanf(at + strlen(key), " %llu", &number) != 1)
        return false;
    *kib = number;
    return true;
}

static void look_swap(const struct wm_patient *p, struct wm_finding *f)
{
    const uint64_t much_kib = 64 << 10; /* what was not touched since boot; below that it says nothing */
    char text[8192], used[WM_TEXT_BYTES];
    uint64_t all_kib, free_kib;
    if (!wm_tree_text(p->tree, text, sizeof(text), "proc/meminfo") || !meminfo_kib(text, "SwapTotal:", &all_kib) ||
        !meminfo_kib(text, "SwapFree:", &free_kib) || free_kib > all_kib)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "/proc/meminfo does not say how much swap is in use");
    else if (all_kib == 0)
        wm_finding_say(f, WM_HEALTH_OK, "there is no swap (/proc/meminfo)");
    else if (all_kib - free_kib >= much_kib)
        wm_finding_say(f, WM_HEALTH_WARN, "%s of swap are in use (/proc/meminfo)",
                       wm_format_memory(used, (all_kib - free_kib) * 1024));
    else
        wm_finding_say(f, WM_HEALTH_OK, "swap is not in use (/proc/meminfo)");
}

/* ---- clock */

/* Those that are read without a system call, at nanosecond resolution. Others are slow, not wrong: a warning. */
static void look_clock_source(const struct wm_patient *p, struct wm_finding *f)
{
    static const char *const fast[] = {
        "tsc", "arch_sys_counter",  "kvm-clock", "hyperv_clocksource_tsc_page", "timebase",
        "tod", "riscv_clocksource", NULL
    };
    char clock[64];
    if (!wm_tree_text(p->tree, clock, sizeof(clock),
                      "sys/devices/system/clocksource/clocksource0/current_clocksource")) {
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "there is no "
                       "/sys/devices/system/clocksource/clocksource0/current_clocksource");
        return;
    }
    enum wm_health health = WM_HEALTH_WARN;
    for (int i = 0; fast[i] != NULL; i++)
        if (strcmp(clock, fast[i]) == 0)
            health = WM_HEALTH_OK;
    wm_finding_say(f, health, "the clock source is %s (/sys/devices/system/clocksource/clocksource0)", clock);
}

/* ---- what is installed */

/*
 * Sources: libfabric's release notes and fabric/fi_endpoint.h (FI_OPT_FI_HMEM_P2P 1.14,
 * FI_OPT_EFA_USE_DEVICE_RDMA 1.18, FI_MR_DMABUF 1.20); rdma-core's symbol versions (ibv_reg_dmabuf_mr IBVERBS_1.12,
 * efadv's RDMA write in 46); NCCL's release notes (dma-buf 2.13, all-to-all and gather as calls of its own 2.28).
 */
static const struct {
    const char *library, *below;
    bool with_efa; /* matters on EFA only */
    const char *consequence;
} fall_backs[] = {
    { "libfabric", "1.14", false, "cannot refuse to stage GPU memory through the host, so it does so unseen" },
    { "libfabric", "1.18", true, "cannot be told to use the device's RDMA, and copies by the CPU without a word" },
    { "libfabric", "1.20", true, "registers GPU memory by nvidia_peermem only: no dma-buf" },
    { "rdma-core", "34", false, "has no ibv_reg_dmabuf_mr: GPU memory needs nvidia_peermem" },
    { "rdma-core", "46", true, "does not show EFA's RDMA write: libfabric emulates it by messages" },
    { "nccl", "2.13", false, "has no dma-buf: GPU memory needs nvidia_peermem" },
};

static void look_library_versions(const struct wm_patient *p, struct wm_finding *f)
{
    bool efa = wm_patient_fabric(p, WM_FABRIC_EFA) > 0;
    const char *said = "";
    int known = 0;
    if (wm_patient_nvidia(p) == 0 || wm_patient_rdma(p) == 0) {
        wm_finding_not_here(f, "no GPU with an RDMA device here: none of the known versions falls back");
        return;
    }
    for (size_t i = 0; i < sizeof(fall_backs) / sizeof(*fall_backs); i++) {
        const char *library = fall_backs[i].library, *version = wm_patient_version(p, library);
        known += version[0] != '\0';
        if (version[0] == '\0' || strcmp(said, library) == 0 || (fall_backs[i].with_efa && !efa) ||
            wm_version_compare(version, fall_backs[i].below) >= 0)
            continue;
        said = library; /* the oldest limit that it misses says enough */
        wm_finding_say(f, WM_HEALTH_WARN, "%s %s is older than %s and %s", library, version, fall_backs[i].below,
                       fall_backs[i].consequence);
    }
    if (known == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "neither libfabric nor rdma-core nor NCCL was found");
    else if (f->health != WM_HEALTH_WARN)
        wm_finding_say(f, WM_HEALTH_OK, "libfabric, rdma-core and NCCL, where they were found, are new enough");
}

static void look_versions(const struct wm_patient *p, struct wm_finding *f)
{
    char kernel[96];
    wm_patient_kernel(p, kernel, sizeof(kernel));
    if (kernel[0] != '\0')
        wm_finding_same(f, "kernel %s", kernel);
    for (int i = 0; p->versions != NULL && i < p->versions->n; i++)
        if (strcmp(p->versions->item[i].name, "kernel") != 0)
            wm_finding_same(f, "%s %s", p->versions->item[i].name, p->versions->item[i].version);
    if (f->same[0] != '\0')
        wm_finding_say(f, WM_HEALTH_OK, "%s", f->same);
    else
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "neither the kernel's nor any library's version could be read");
}

/* "firmware 28.39.1002 on 12 devices", once for each version, at its first device. */
static void list_firmware(const struct wm_topo *t, int device, struct wm_finding *f)
{
    const char *firmware = t->rdma[device].firmware;
    int n = 0;
    for (int i = 0; i < t->n_rdma; i++) {
        bool same = strcmp(t->rdma[i].firmware, firmware) == 0;
        if (same && i < device)
            return;
        n += same;
    }
    if (firmware[0] != '\0')
        wm_finding_same(f, "firmware %s on %d", firmware, n);
}

static void look_hardware(const struct wm_patient *p, struct wm_finding *f)
{
    const struct wm_topo *t = p->topo;
    if (t->cpu_model[0] != '\0')
        wm_finding_same(f, "processors %d x %s", t->packages, t->cpu_model);
    if (t->threads > 0)
        wm_finding_same(f, "hardware-threads %d", t->threads);
    wm_finding_same(f, "NUMA-nodes %d", t->n_numa);
    wm_finding_same(f, "GPUs %d%s%s", t->n_gpus, t->n_gpus > 0 ? " x " : "", t->n_gpus > 0 ? t->gpu[0].name : "");
    wm_finding_same(f, "RDMA-devices %d", t->n_rdma);
    for (int i = 0; i < t->n_rdma; i++)
        list_firmware(t, i, f);
    wm_finding_say(f, WM_HEALTH_OK, "%s", f->same);
}

const struct wm_check wm_checks_system[] = {
    { .id = "governor",
      .subject = "frequency of the processors",
      .reads = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
      .why = "a core that is clocked down posts and polls slower: small messages take up to twice the time, and times "
             "wander while it speeds up",
      .mend = "cpupower frequency-set -g performance (and tuned-adm profile latency-performance to keep it)",
      .look = look_governor },
    { .id = "idle-states",
      .subject = "sleep of the processors",
      .reads = "/sys/devices/system/cpu/cpu0/cpuidle/state*/{latency,disable,name}",
      .why = "a core that waits for an interrupt (TCP, blocking progress, launchers) adds the time to leave that state "
             "to the message; loops that poll do not",
      .mend = "cpupower idle-set -D 20, or intel_idle.max_cstate=1 processor.max_cstate=1 on the kernel's command line",
      .look = look_idle_states },
    { .id = "numa-balancing",
      .subject = "moving of pages between NUMA nodes",
      .reads = "/proc/sys/kernel/numa_balancing",
      .why = "the kernel unmaps pages to see who touches them: page faults and moves come in the middle of a "
             "measurement",
      .mend = "sysctl -w kernel.numa_balancing=0 (and a file in /etc/sysctl.d to keep it)",
      .look = look_numa_balancing },
    { .id = "swap",
      .subject = "swap in use",
      .reads = "/proc/meminfo",
      .why = "memory was short: what is not pinned may be on a disk, and its next use takes milliseconds",
      .mend = "find what filled the memory (ps --sort=-rss), then swapoff -a && swapon -a; sysctl -w vm.swappiness=1",
      .look = look_swap },
    { .id = "clock-source",
      .subject = "clock of the kernel",
      .reads = "/sys/devices/system/clocksource/clocksource0/current_clocksource",
      .why = "reading a slow clock costs 0.3 to 3 us and a system call, as much as a small message; the kernel chooses "
             "one when it distrusts the processor's counter",
      .mend = "look for 'Marking clocksource tsc as unstable' in dmesg and update the firmware; tsc=reliable on the "
              "kernel's command line where the counters are known to agree",
      .look = look_clock_source },
    { .id = "library-versions",
      .subject = "versions known to fall back",
      .reads = "libfabric, rdma-core and NCCL as they would be loaded",
      .why = "these versions work, but take GPU memory through the host or the CPU where newer ones do not",
      .mend = "install the version that is named, or put a newer build first in LD_LIBRARY_PATH",
      .look = look_library_versions },
    { .id = "versions",
      .subject = "versions on all nodes",
      .reads = "/proc/sys/kernel/osrelease, /sys/module/nvidia/version, libraries as they would be loaded",
      .why = "nodes with different kernels, drivers or libraries choose different ways and settings, and the slowest "
             "decides for all",
      .mend = "bring the node that differs to the versions of the others",
      .look = look_versions },
    { .id = "hardware",
      .subject = "equipment of all nodes",
      .reads = "processors, GPUs and RDMA devices as wiremark topo shows them, with firmware",
      .why =
          "a node with a lost GPU or card, or with other firmware, holds back every collective in which it takes part",
      .mend = "look for the missing device with lspci and dmesg, update its firmware, or take the node out",
      .look = look_hardware },
    { 0 },
};
