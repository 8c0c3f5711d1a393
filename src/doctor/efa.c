/** The Elastic Fabric Adapter: driver, the device's RDMA, and libfabric's variables about it. */
#include <string.h>

#include "src/doctor/look.h"

/* True, and said, where there is no such device. */
static bool no_efa(const struct wm_patient *p, struct wm_finding *f)
{
    if (wm_patient_fabric(p, WM_FABRIC_EFA) > 0)
        return false;
    wm_finding_not_here(f, "no EFA device here");
    return true;
}

/* PCI id of the first; 0 = not known. */
static unsigned device_id(const struct wm_patient *p)
{
    for (int i = 0; i < p->topo->n_rdma; i++)
        if (wm_rdma_has(&p->topo->rdma[i], WM_FABRIC_EFA) && p->topo->rdma[i].pci >= 0)
            return p->topo->pci[p->topo->rdma[i].pci].device;
    return 0;
}

/* Source: release notes of the driver (amzn-drivers, kernel/linux/efa/RELEASENOTES.md). */
static const struct {
    const char *below;
    bool with_gpu;
    const char *lacks;
} drivers[] = {
    { "1.5.0", false, "RDMA read: the device moves messages only" },
    { "1.6.0", true, "GPUDirect RDMA" },
    { "1.16.0", true, "dma-buf: GPU memory needs a peer memory module" },
    { "2.4.0", false, "RDMA write: libfabric emulates it by messages" },
};

static void look_efa_driver(const struct wm_patient *p, struct wm_finding *f)
{
    char version[64], kernel[96];
    enum { WITHOUT_RDMA = 0xefa0 };
    if (no_efa(p, f))
        return;
    if (!wm_tree_text(p->tree, version, sizeof(version), "sys/module/efa/version")) {
        wm_patient_kernel(p, kernel, sizeof(kernel));
        if (wm_tree_exists(p->tree, "sys/module/efa"))
            wm_finding_say(f, WM_HEALTH_OK, "the kernel's own driver, of %s (no /sys/module/efa/version)", kernel);
        else
            wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no /sys/module/efa");
        return;
    }
    version[strspn(version, "0123456789.")] = '\0'; /* "2.4.0g" */
    wm_finding_same(f, "efa %s", version);
    for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
        if (wm_version_compare(version, drivers[i].below) < 0 && (!drivers[i].with_gpu || wm_patient_nvidia(p) > 0) &&
            device_id(p) != WITHOUT_RDMA) {
            wm_finding_say(f, WM_HEALTH_WARN, "the driver is %s; before %s it has no %s (/sys/module/efa/version)",
                           version, drivers[i].below, drivers[i].lacks);
            return;
        }
    wm_finding_say(f, WM_HEALTH_OK, "the driver is %s (/sys/module/efa/version)", version);
}

/*
 * Whether the device's RDMA is used: with the interface of libfabric 1.18 where the hardware can, before that not on
 * 0xefa0 and 0xefa1 unless the variable says so (prov/efa, efa_env.c).
 */
static void look_efa_rdma(const struct wm_patient *p, struct wm_finding *f)
{
    char value[16];
    const char *libfabric = wm_patient_version(p, "libfabric");
    unsigned id = device_id(p);
    if (no_efa(p, f) || wm_variables_missing(p, f))
        return;
    bool set = wm_patient_variable(p, "FI_EFA_USE_DEVICE_RDMA", value, sizeof(value));
    bool old = libfabric[0] != '\0' && wm_version_compare(libfabric, "1.18") < 0;
    if (set && (strcmp(value, "0") == 0 || strcmp(value, "false") == 0 || strcmp(value, "no") == 0))
        wm_finding_say(f, WM_HEALTH_WARN,
                       "FI_EFA_USE_DEVICE_RDMA=%s switches the device's RDMA off (/proc/self/environ)", value);
    else if (set)
        wm_finding_say(f, WM_HEALTH_OK, "FI_EFA_USE_DEVICE_RDMA=%s (/proc/self/environ)", value);
    else if (old && (id == 0xefa0 || id == 0xefa1))
        wm_finding_say(
            f, wm_patient_nvidia(p) > 0 ? WM_HEALTH_WARN : WM_HEALTH_OK,
            "FI_EFA_USE_DEVICE_RDMA is not set, and libfabric %s leaves the RDMA of device 0x%x off without it",
            libfabric, id);
    else
        wm_finding_say(f, WM_HEALTH_OK,
                       "FI_EFA_USE_DEVICE_RDMA is not set: libfabric uses what the device can "
                       "(/proc/self/environ)");
}

/* ---- variables that contradict each other or the device */

static bool is_on(const char *value)
{
    return strcmp(value, "1") == 0 || strcmp(value, "true") == 0 || strcmp(value, "yes") == 0 ||
           strcmp(value, "on") == 0;
}

static bool variable(const struct wm_patient *p, const char *name, char value[256])
{
    return wm_patient_variable(p, name, value, 256) && value[0] != '\0';
}

static void judge_providers(const struct wm_patient *p, struct wm_finding *f)
{
    char value[256];
    if (variable(p, "FI_PROVIDER", value) && wm_list_has(value + (value[0] == '^'), "efa") == (value[0] == '^'))
        wm_finding_say(f, WM_HEALTH_FAIL, "FI_PROVIDER=%s leaves efa out: libfabric goes by TCP", value);
}

static void judge_memory(const struct wm_patient *p, struct wm_finding *f)
{
    char value[256];
    if (wm_patient_nvidia(p) > 0 && variable(p, "FI_HMEM", value) && !wm_list_has(value, "cuda"))
        wm_finding_say(f, WM_HEALTH_WARN, "FI_HMEM=%s leaves cuda out: libfabric does not know GPU memory", value);
    if (variable(p, "FI_HMEM_DISABLE_P2P", value) && is_on(value))
        wm_finding_say(f, WM_HEALTH_WARN, "FI_HMEM_DISABLE_P2P=%s stages GPU memory through the host", value);
    if (variable(p, "FI_MR_CACHE_MAX_COUNT", value) && strcmp(value, "0") == 0)
        wm_finding_say(f, WM_HEALTH_WARN, "FI_MR_CACHE_MAX_COUNT=0 registers memory anew for every message");
}

/* From 5.13 on the kernel copies pinned pages when a process forks, and the variables do nothing (rdma-core 35,
 * ibv_is_fork_initialized). */
static void judge_fork(const struct wm_patient *p, struct wm_finding *f)
{
    static const char *const names[] = { "FI_EFA_FORK_SAFE", "RDMAV_FORK_SAFE", "IBV_FORK_SAFE", NULL };
    char value[256], kernel[96];
    wm_patient_kernel(p, kernel, sizeof(kernel));
    if (kernel[0] == '\0' || wm_version_compare(kernel, "5.13") >= 0)
        return;
    for (int i = 0; names[i] != NULL; i++)
        if (variable(p, names[i], value) && strcmp(value, "0") != 0)
            wm_finding_say(f, WM_HEALTH_WARN,
                           "%s=%s on kernel %s makes each registration walk the process's pages, and "
                           "fails with huge pages; kernels from 5.13 do without",
                           names[i], value, kernel);
}

static void look_efa_variables(const struct wm_patient *p, struct wm_finding *f)
{
    char value[256];
    if (no_efa(p, f) || wm_variables_missing(p, f))
        return;
    judge_providers(p, f);
    judge_memory(p, f);
    judge_fork(p, f);
    if (variable(p, "FI_EFA_ENABLE_SHM_TRANSFER", value) && !is_on(value))
        wm_finding_say(f, WM_HEALTH_WARN,
                       "FI_EFA_ENABLE_SHM_TRANSFER=%s sends messages between ranks of one node through "
                       "the device",
                       value);
    if (f->health == WM_HEALTH_NOT_APPLICABLE)
        wm_finding_say(f, WM_HEALTH_OK, "no FI_* variable is against EFA (/proc/self/environ)");
}

const struct wm_check wm_checks_efa[] = {
    { .id = "efa-driver",
      .subject = "version of the EFA driver",
      .reads = "/sys/module/efa/version",
      .why = "older drivers lack RDMA read, RDMA write or dma-buf, and libfabric copies by the CPU in their place",
      .mend = "run the current EFA installer (aws-efa-installer) and load the driver anew: modprobe -r efa && modprobe "
              "efa; modinfo efa shows the version",
      .look = look_efa_driver },
    { .id = "efa-device-rdma",
      .subject = "RDMA of the EFA device",
      .reads = "FI_EFA_USE_DEVICE_RDMA in /proc/self/environ, version of libfabric, PCI id",
      .why = "without it libfabric refuses GPU memory or copies it through the host (FI_HMEM answers ENODATA)",
      .mend =
          "export FI_EFA_USE_DEVICE_RDMA=1 where the instance can (p4d, p5 and newer), or unset it with libfabric 1.18",
      .look = look_efa_rdma },
    { .id = "efa-variables",
      .subject = "variables against EFA",
      .reads = "FI_PROVIDER, FI_HMEM*, FI_MR_CACHE_MAX_COUNT, FI_EFA_FORK_SAFE, RDMAV_FORK_SAFE, "
               "FI_EFA_ENABLE_SHM_TRANSFER in /proc/self/environ",
      .why = "a variable that contradicts the device is obeyed without a word: TCP or a copy takes its place",
      .mend = "unset the variable in the job script and in what it sources",
      .look = look_efa_variables },
    { 0 },
};
