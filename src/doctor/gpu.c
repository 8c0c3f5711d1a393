/** GPUs: whether cards reach their memory, where they sit, and their NVLinks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/doctor/look.h"

/* ---- GPU memory for cards */

/* The module that offers GPU memory to the kernel's RDMA; "" = none. */
static const char *peer_module(const struct wm_patient *p)
{
    static const char *const modules[] = { "nvidia_peermem", "nv_peer_mem", "efa_nv_peermem", NULL };
    for (int i = 0; modules[i] != NULL; i++)
        if (wm_tree_exists(p->tree, "sys/module/%s", modules[i]))
            return modules[i];
    return "";
}

/* dma-buf of GPU memory: NVIDIA's open kernel modules, and a kernel from 5.12 (ibv_reg_dmabuf_mr). "": there is; else
 * what is in its way. */
static const char *dmabuf_lacks(const struct wm_patient *p, char text[160])
{
    char kernel[96], driver[512];
    wm_patient_kernel(p, kernel, sizeof(kernel));
    if (!wm_tree_text(p->tree, driver, sizeof(driver), "proc/driver/nvidia/version"))
        snprintf(text, 160, "there is no /proc/driver/nvidia/version");
    else if (strstr(driver, "Open Kernel Module") == NULL)
        snprintf(text, 160, "the driver is not of the open kind (/proc/driver/nvidia/version)");
    else if (kernel[0] == '\0' || wm_version_compare(kernel, "5.12") < 0)
        snprintf(text, 160, "the kernel is %s, not 5.12 or newer", kernel[0] != '\0' ? kernel : "not known");
    else
        text[0] = '\0';
    return text;
}

static void say_gpu_rdma(const struct wm_patient *p, const char *module, const char *lacks, struct wm_finding *f)
{
    if (module[0] != '\0' && lacks[0] == '\0')
        wm_finding_say(f, WM_HEALTH_OK, "%s is loaded (/sys/module) and the driver offers dma-buf", module);
    else if (module[0] != '\0')
        wm_finding_say(f, WM_HEALTH_OK, "%s is loaded (/sys/module); no dma-buf: %s", module, lacks);
    else if (lacks[0] != '\0' && !wm_tree_exists(p->tree, "sys/module"))
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /sys/module");
    else if (lacks[0] != '\0')
        wm_finding_say(f, WM_HEALTH_FAIL, "neither nvidia_peermem is loaded (/sys/module) nor is there dma-buf: %s",
                       lacks);
    else if (wm_patient_fabric(p, WM_FABRIC_EFA) > 0 && wm_patient_version(p, "libfabric")[0] != '\0' &&
             wm_version_compare(wm_patient_version(p, "libfabric"), "1.20") < 0)
        wm_finding_say(f, WM_HEALTH_FAIL,
                       "there is dma-buf only, and libfabric %s registers GPU memory by a peer memory "
                       "module only (/sys/module)",
                       wm_patient_version(p, "libfabric"));
    else
        wm_finding_say(f, WM_HEALTH_OK, "the driver offers dma-buf; nvidia_peermem is not loaded (/sys/module)");
}

static void look_gpu_rdma(const struct wm_patient *p, struct wm_finding *f)
{
    char lacks[160];
    if (wm_patient_nvidia(p) == 0)
        wm_finding_not_here(f, "no NVIDIA GPU here");
    else if (wm_patient_rdma(p) == 0)
        wm_finding_not_here(f, "no RDMA device here that could read GPU memory");
    else
        say_gpu_rdma(p, peer_module(p), dmabuf_lacks(p, lacks), f);
}

/* ---- GPU and card */

/* Cards of the kind that matters: RDMA with hardware, where there is any. Returns how many; the caller frees. */
static int rdma_nics(const struct wm_topo *t, struct wm_topo_nic **out)
{
    int n, kept = 0;
    *out = wm_topo_nics_all(t, &n);
    for (int i = 0; i < n; i++)
        if ((*out)[i].rdma >= 0 && !(*out)[i].virtual_device && (*out)[i].pci >= 0)
            (*out)[kept++] = (*out)[i];
    return kept;
}

static void look_gpu_nic(const struct wm_patient *p, struct wm_finding *f)
{
    const struct wm_topo *t = p->topo;
    struct wm_topo_nic *nic;
    struct wm_listing far = { 0 };
    int n = rdma_nics(t, &nic), judged = 0;
    for (int g = 0; g < t->n_gpus && n > 0; g++) {
        int nearest = wm_topo_nearest_nic(t, nic, n, g, -1);
        if (nearest < 0 || t->gpu[g].pci < 0)
            continue;
        judged++;
        if (wm_topo_distance(t, t->gpu[g].pci, nic[nearest].pci) == WM_DISTANCE_SYS)
            wm_listing_add(&far, "GPU %d and %s", t->gpu[g].index, nic[nearest].name);
    }
    if (t->n_gpus == 0)
        wm_finding_not_here(f, "no GPU here");
    else if (n == 0)
        wm_finding_not_here(f, "no RDMA device on PCI here");
    else if (judged == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "it is not known where the GPUs sit");
    else if (far.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "the nearest card is on another socket (SYS): %s (PCI tree in /sys/devices)",
                       wm_listing_text(&far));
    else
        wm_finding_say(f, WM_HEALTH_OK, "each of %d GPUs has a card on its own socket (PCI tree in /sys/devices)",
                       judged);
    free(nic);
}

/* ---- NVLink */

static void look_nvlink(const struct wm_patient *p, struct wm_finding *f)
{
    const struct wm_topo *t = p->topo;
    struct wm_listing fewer = { 0 }, inactive = { 0 };
    int most = 0;
    for (int g = 0; g < t->n_gpus; g++)
        most = t->gpu[g].nvlinks > most ? t->gpu[g].nvlinks : most;
    for (int g = 0; g < t->n_gpus; g++) {
        if (t->gpu[g].nvlinks < most)
            wm_listing_add(&fewer, "GPU %d has %d of %d", t->gpu[g].index, t->gpu[g].nvlinks, most);
        else if (t->gpu[g].nvlink_inactive > 0)
            wm_listing_add(&inactive, "GPU %d %d", t->gpu[g].index, t->gpu[g].nvlink_inactive);
    }
    if (wm_patient_nvidia(p) == 0)
        wm_finding_not_here(f, "no NVIDIA GPU here");
    else if (most == 0 && inactive.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "no NVLink is active: %s are down (NVML); right where no bridge is fitted",
                       wm_listing_text(&inactive));
    else if (most == 0)
        wm_finding_not_here(f, "no NVLink here, or NVML was not there to ask");
    else if (fewer.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "fewer active NVLinks than the other GPUs: %s (NVML)",
                       wm_listing_text(&fewer));
    else if (inactive.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "inactive NVLinks: %s (NVML)", wm_listing_text(&inactive));
    else
        wm_finding_say(f, WM_HEALTH_OK, "%d NVLinks are active on each GPU (NVML)", most);
}

/* ---- fabric manager */

/* Seen on PCI, or, where discovery left them out as mere bridges, by their driver. */
static int nvswitches(const struct wm_patient *p)
{
    struct wm_names names;
    int on_pci = 0, by_driver = 0;
    for (int i = 0; i < p->topo->n_pci; i++)
        on_pci += p->topo->pci[i].vendor == WM_VENDOR_NVIDIA && p->topo->pci[i].class_id >> 8 == 0x0680;
    wm_tree_names(p->tree, &names, "sys/bus/pci/drivers/nvidia-nvswitch");
    for (int i = 0; i < names.n; i++)
        by_driver += strchr(names.name[i], ':') != NULL;
    wm_names_free(&names);
    return on_pci > by_driver ? on_pci : by_driver;
}

static bool links_to_switches(const struct wm_topo *t)
{
    for (int i = 0; i < t->n_nvlinks; i++)
        if (t->nvlink[i].to < 0)
            return true;
    return false;
}

/* The kernel keeps 15 characters of "nv-fabricmanager". */
static bool manager_runs(const struct wm_patient *p)
{
    struct wm_names names;
    char comm[32];
    bool runs = wm_tree_exists(p->tree, "run/nvidia-fabricmanager/nv-fabricmanager.pid");
    wm_tree_names(p->tree, &names, "proc");
    for (int i = 0; i < names.n && !runs; i++)
        runs = names.name[i][0] >= '0' && names.name[i][0] <= '9' &&
               wm_tree_text(p->tree, comm, sizeof(comm), "proc/%s/comm", names.name[i]) &&
               strncmp(comm, "nv-fabricmanager", 15) == 0;
    wm_names_free(&names);
    return runs;
}

/* A container has processes of its own and sees no others. */
static bool sees_all_processes(const struct wm_patient *p)
{
    char comm[32];
    return wm_tree_text(p->tree, comm, sizeof(comm), "proc/1/comm") &&
           (strcmp(comm, "systemd") == 0 || strcmp(comm, "init") == 0);
}

static void look_fabric_manager(const struct wm_patient *p, struct wm_finding *f)
{
    int switches = nvswitches(p);
    if (switches == 0 && links_to_switches(p->topo) && !wm_tree_exists(p->tree, "sys/bus/pci"))
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "NVLinks lead to switches, and there is no folder /sys/bus/pci");
    else if (switches == 0 && links_to_switches(p->topo))
        wm_finding_not_here(f, "the NVSwitches are not this machine's: its hypervisor runs the fabric manager");
    else if (switches == 0)
        wm_finding_not_here(f, "no NVSwitch here");
    else if (manager_runs(p))
        wm_finding_say(f, WM_HEALTH_OK,
                       "nv-fabricmanager runs for %d NVSwitches (/proc/*/comm, /run/nvidia-fabricmanager)", switches);
    else if (sees_all_processes(p))
        wm_finding_say(f, WM_HEALTH_FAIL, "there are %d NVSwitches, and no process nv-fabricmanager (/proc/*/comm)",
                       switches);
    else
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "there are %d NVSwitches, and only the processes of this container can be "
                       "seen (/proc/1/comm is not init)",
                       switches);
}

const struct wm_check wm_checks_gpu[] = {
    { .id = "gpu-rdma",
      .subject = "GPU memory for RDMA",
      .reads = "/sys/module/{nvidia_peermem,nv_peer_mem,efa_nv_peermem}, /proc/driver/nvidia/version, "
               "/proc/sys/kernel/osrelease",
      .why = "without a peer memory module or dma-buf no card can reach GPU memory, and all transports stage through "
             "the host (verbs, NCCL from 2.13 and UCX take either; libfabric's EFA before 1.20 only the module)",
      .mend =
          "modprobe nvidia_peermem (comes with the driver, needs ib_core loaded before), or install the driver with "
          "its open kernel modules on a kernel from 5.12",
      .required = true,
      .look = look_gpu_rdma },
    { .id = "gpu-nic-socket",
      .subject = "GPU and card on one socket",
      .reads = "the PCI tree and NUMA nodes, as wiremark topo shows them",
      .why = "bytes between sockets cross the processors' link, which peer traffic passes at a fraction of its rate",
      .mend = "move a card to that socket, or give jobs only GPUs with a card beside them (wiremark topo shows the "
              "matrix)",
      .look = look_gpu_nic },
    { .id = "nvlink",
      .subject = "NVLinks that are down",
      .reads = "NVML: nvmlDeviceGetNvLinkState of each link",
      .why = "each link that is down takes its share of the bandwidth between GPUs, and collectives go at the pace of "
             "the worst GPU",
      .mend = "nvidia-smi nvlink -s and -e show state and errors; start the fabric manager, reset the GPUs (nvidia-smi "
              "-r), then have the board or bridge looked at",
      .look = look_nvlink },
    { .id = "fabric-manager",
      .subject = "fabric manager of NVSwitches",
      .reads = "/proc/*/comm, /run/nvidia-fabricmanager, /sys/bus/pci/drivers/nvidia-nvswitch",
      .why = "the switches route nothing until it has set them up: CUDA fails (error 802) or GPUs go by PCIe",
      .mend = "systemctl enable --now nvidia-fabricmanager, in exactly the driver's version",
      .look = look_fabric_manager },
    { 0 },
};
