/**
 * Each check both ways: on a healthy machine all are ok; each planted fault is found by its check, in its words, and by
 * no other. The machine has one of each: InfiniBand, RoCE, EFA, two GPUs behind switches, NVSwitch.
 */
#include "src/doctor/doctor.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/doctor/look.h"
#include "tests/unit/check.h"

/* ---- a machine: files below a temporary folder, and what discovery makes of them */

enum { PCI_GPU0 = 3, PCI_IB = 5, PCI_GPU1 = 9, PCI_ROCE = 11, PCI_EFA = 13, PCIS = 15 };
enum { RDMA_IB, RDMA_ROCE, RDMA_EFA, RDMAS };

struct machine {
    char root[64];
    struct wm_tree tree;
    struct wm_topo topo;
    struct wm_topo_numa numa[2];
    struct wm_topo_pci pci[PCIS];
    struct wm_topo_gpu gpu[2];
    struct wm_topo_rdma rdma[RDMAS];
    struct wm_topo_port port[RDMAS];
    struct wm_topo_gid gid[RDMAS][2];
    struct wm_topo_netif netif[1];
    struct wm_versions versions;
    const char *mpi_cuda;
};

static void put(struct machine *m, const char *path, const char *text, size_t bytes)
{
    char full[256];
    snprintf(full, sizeof(full), "%s/%s", m->root, path);
    for (char *slash = full + strlen(m->root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdir(full, 0755);
    }
    FILE *file = fopen(full, "w");
    if (CHECK(file != NULL) && bytes > 0)
        CHECK_INT(fwrite(text, 1, bytes, file), bytes);
    if (file != NULL)
        fclose(file);
}

static void text(struct machine *m, const char *path, const char *words)
{
    put(m, path, words, strlen(words));
}

static void variables(struct machine *m, const char *list)
{
    char all[512];
    int n = snprintf(all, sizeof(all), "PATH=/bin%c%s%c", 0, list, 0);
    for (int i = 0; i < n; i++) /* several stand with '|' between them */
        all[i] = all[i] == '|' ? '\0' : all[i];
    put(m, "proc/self/environ", all, (size_t)n);
}

static int delete_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void delete_below(struct machine *m, const char *path)
{
    char full[256];
    snprintf(full, sizeof(full), "%s/%s", m->root, path);
    nftw(full, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void node(struct machine *m, const char *path, mode_t mode)
{
    char full[256];
    text(m, path, "");
    snprintf(full, sizeof(full), "%s/%s", m->root, path);
    chmod(full, mode);
}

static const char *const files[][2] = {
    { "proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
                          "Max locked memory         unlimited            unlimited            bytes     \n" },
    { "proc/self/status", "Name:\twiremark\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n" },
    { "proc/self/cgroup", "0::/job\n" },
    { "sys/fs/cgroup/job/cpu.max", "max 100000\n" },
    { "proc/meminfo",
      "MemTotal: 100000000 kB\nMemAvailable: 90000000 kB\nSwapTotal: 8000000 kB\nSwapFree: 7999000 kB\n" },
    { "proc/cmdline", "root=/dev/sda1 intel_iommu=on iommu=pt\n" },
    { "proc/sys/kernel/osrelease", "5.15.0-89-generic\n" },
    { "proc/sys/kernel/numa_balancing", "0\n" },
    { "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15\n" },
    { "proc/1/comm", "systemd\n" },
    { "proc/412/comm", "nv-fabricmanage\n" },
    { "sys/module/nvidia_peermem/refcnt", "1\n" },
    { "sys/module/efa/version", "2.13.0g\n" },
    { "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n" },
    { "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n" },
    { "sys/devices/system/cpu/cpufreq/boost", "1\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state0/name", "POLL\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state0/latency", "0\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state1/name", "C1\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state2/name", "C6\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "133\n" },
    { "sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "1\n" },
    { "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n" },
    { "sys/kernel/iommu_groups/7/type", "identity\n" },
    { "sys/class/infiniband_verbs/abi_version", "6\n" },
    { "sys/class/infiniband_verbs/uverbs0/ibdev", "mlx5_0\n" },
    { "sys/class/infiniband_verbs/uverbs1/ibdev", "mlx5_1\n" },
    { "sys/class/infiniband_verbs/uverbs2/ibdev", "rdmap33s0\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/counters/symbol_error", "0\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/counters/port_xmit_wait", "123456\n" },
    { "sys/class/infiniband/mlx5_1/ports/1/hw_counters/out_of_sequence", "0\n" },
    { "sys/class/infiniband/rdmap33s0/ports/1/hw_counters/rx_drops", "0\n" },
    { "sys/class/net/eth2/ecn/roce_np/enable/3", "1\n" },
    { "sys/class/net/eth2/ecn/roce_rp/enable/3", "1\n" },
    { "sys/class/net/eth2/qos/trust", "dscp\n" },
};
static const char *const nodes[] = { "dev/infiniband/uverbs0",
                                     "dev/infiniband/uverbs1",
                                     "dev/infiniband/uverbs2",
                                     "dev/infiniband/rdma_cm",
                                     "dev/nvidia0",
                                     "dev/nvidia1",
                                     "dev/nvidiactl",
                                     "dev/nvidia-uvm",
                                     "dev/gdrdrv" };

static void pci_one(struct machine *m, int i, const char *address, int parent, uint32_t class_id, uint32_t ids)
{
    struct wm_topo_pci *d = &m->pci[i];
    *d = (struct wm_topo_pci){ .parent = parent,
                               .root = i >= 6 && i < 12,
                               .numa = i >= 6 && i < 12,
                               .class_id = class_id,
                               .vendor = (uint16_t)(ids >> 16),
                               .device = (uint16_t)ids,
                               .bridge = class_id >> 8 == 0x0604,
                               .link = { .gt_per_s = 32, .max_gt_per_s = 32, .width = 16, .max_width = 16 },
                               .acs = WM_ACS_OFF,
                               .iommu_group = "7" };
    snprintf(d->address, sizeof(d->address), "%s", address);
}

/* A root port, a switch, and two devices below it: 6 functions. */
static void pci_switch(struct machine *m, int first, const char *bus, uint32_t gpu_class, uint32_t gpu, uint32_t nic)
{
    static const char *const tails[] = { "0:01.0", "1:00.0", "2:00.0", "3:00.0", "2:01.0", "4:00.0" };
    static const int parents[] = { -1, 0, 1, 2, 1, 4 };
    for (int i = 0; i < 6; i++) {
        char address[16];
        snprintf(address, sizeof(address), "%s%s", bus, tails[i]);
        pci_one(m, first + i, address, parents[i] < 0 ? -1 : first + parents[i],
                i == 3   ? gpu_class
                : i == 5 ? 0x020000
                         : 0x060400,
                i == 3   ? gpu
                : i == 5 ? nic
                         : 0x1000c010);
    }
}

static void pci_all(struct machine *m)
{
    pci_switch(m, 0, "0000:1", 0x030200, 0x10de2330, 0x15b31021);
    pci_switch(m, 6, "0000:8", 0x030200, 0x10de2330, 0x15b3101d);
    pci_one(m, 12, "0000:20:01.0", -1, 0x060400, 0x8086352a);
    pci_one(m, PCI_EFA, "0000:21:00.0", 12, 0x020000, 0x1d0fefa2);
    pci_one(m, 14, "0000:05:00.0", -1, 0x068000, 0x10de22a3);
}

static void rdma_one(struct machine *m, int i, const char *name, int pci, enum wm_fabric fabric, const char *layer,
                     const char *rate, double bytes_per_s, const char *gid, enum wm_gid_type type)
{
    m->gid[i][0] = (struct wm_topo_gid){ .index = 0, .type = type == WM_GID_ROCE_V2 ? WM_GID_ROCE_V1 : type };
    m->gid[i][1] = (struct wm_topo_gid){ .index = 3, .type = type };
    m->port[i] = (struct wm_topo_port){ .number = 1,
                                        .state = "ACTIVE",
                                        .phys_state = "LinkUp",
                                        .fabric = fabric,
                                        .bytes_per_s = bytes_per_s,
                                        .gid = m->gid[i],
                                        .n_gids = 2 };
    m->rdma[i] = (struct wm_topo_rdma){ .pci = pci, .numa = m->pci[pci].numa, .port = &m->port[i], .n_ports = 1 };
    for (int k = 0; k < 2; k++)
        snprintf(m->gid[i][k].gid, sizeof(m->gid[i][k].gid), "%s", gid);
    snprintf(m->rdma[i].name, sizeof(m->rdma[i].name), "%s", name);
    snprintf(m->port[i].link_layer, sizeof(m->port[i].link_layer), "%s", layer);
    snprintf(m->port[i].rate, sizeof(m->port[i].rate), "%s", rate);
}

static void rdma_all(struct machine *m)
{
    rdma_one(m, RDMA_IB, "mlx5_0", PCI_IB, WM_FABRIC_IB, "InfiniBand", "400 Gb/sec (4X NDR)", 50e9,
             "fe80:0000:0000:0000:a088:c203:0000:0001", WM_GID_IB);
    rdma_one(m, RDMA_ROCE, "mlx5_1", PCI_ROCE, WM_FABRIC_ROCE, "Ethernet", "200 Gb/sec (4X HDR)", 25e9,
             "0000:0000:0000:0000:0000:ffff:c000:0207", WM_GID_ROCE_V2);
    rdma_one(m, RDMA_EFA, "rdmap33s0", PCI_EFA, WM_FABRIC_EFA, "Unspecified", "100 Gb/sec (4X EDR)", 12.5e9,
             "fe80:0000:0000:0000:04a1:b2ff:fe00:0001", WM_GID_IB);
    snprintf(m->port[RDMA_ROCE].netif, sizeof(m->port[RDMA_ROCE].netif), "eth2");
    m->port[RDMA_ROCE].mtu_bytes = 9000;
    m->netif[0] = (struct wm_topo_netif){ .name = "eth2", .state = "up", .pci = PCI_ROCE, .rdma = RDMA_ROCE };
}

static void build(struct machine *m)
{
    *m = (struct machine){ .root = "/tmp/doctor_test.XXXXXX", .mpi_cuda = "yes" };
    struct wm_err err = { 0 };
    CHECK(mkdtemp(m->root) != NULL);
    CHECK_INT(wm_tree_open(m->root, &m->tree, &err), WM_OK);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        text(m, files[i][0], files[i][1]);
    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
        node(m, nodes[i], 0666);
    variables(m, "NCCL_DEBUG=INFO|UCX_NET_DEVICES=mlx5_0:1,eth2|FI_PROVIDER=efa|OMPI_MCA_btl=^openib");
    pci_all(m);
    rdma_all(m);
    for (int i = 0; i < 2; i++) {
        m->numa[i] = (struct wm_topo_numa){ .os_index = i, .cores = 32, .threads = 64, .package = i };
        m->gpu[i] = (struct wm_topo_gpu){
            .name = "NVIDIA H100", .pci = i == 0 ? PCI_GPU0 : PCI_GPU1, .index = i, .numa = i, .nvlinks = 18
        };
    }
    m->topo = (struct wm_topo){ .machine = "test",
                                .cpu_model = "Xeon",
                                .packages = 2,
                                .cores = 64,
                                .threads = 128,
                                .numa = m->numa,
                                .n_numa = 2,
                                .pci = m->pci,
                                .n_pci = PCIS,
                                .gpu = m->gpu,
                                .n_gpus = 2,
                                .rdma = m->rdma,
                                .n_rdma = RDMAS,
                                .netif = m->netif,
                                .n_netifs = 1 };
    wm_versions_add(&m->versions, "libfabric", "1.22.0");
    wm_versions_add(&m->versions, "rdma-core", "52.0");
    wm_versions_add(&m->versions, "nccl", "2.28.9");
}

static void tear_down(struct machine *m)
{
    wm_tree_close(&m->tree);
    nftw(m->root, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct wm_patient patient_of(struct machine *m)
{
    return (struct wm_patient){ .tree = &m->tree, .topo = &m->topo, .versions = &m->versions, .mpi_cuda = m->mpi_cuda };
}

/* ---- faults that are no file and no variable */

static void set_version(struct machine *m, const char *name, const char *version)
{
    for (int i = 0; i < m->versions.n; i++)
        if (strcmp(m->versions.item[i].name, name) == 0)
            snprintf(m->versions.item[i].version, sizeof(m->versions.item[i].version), "%s", version);
}

static void memory_for_some(struct machine *m)
{
    text(m, "proc/self/limits", "Max locked memory         8388608              8388608              bytes\n");
    text(m, "proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000004000\n");
}
static void closed_verbs(struct machine *m)
{
    node(m, "dev/infiniband/uverbs1", 0600);
}
static void open_to_root(struct machine *m)
{
    node(m, "dev/infiniband/uverbs1", 0600);
    text(m, "proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
}
static void no_verbs_node(struct machine *m)
{
    delete_below(m, "dev/infiniband/uverbs1");
}
static void no_gpu_nodes(struct machine *m)
{
    delete_below(m, "dev/nvidia0");
    delete_below(m, "dev/nvidia1");
}
static void no_nodes(struct machine *m)
{
    delete_below(m, "dev");
    text(m, "dev/null", "");
}
static void no_dev(struct machine *m)
{
    delete_below(m, "dev");
}
static void closed_uvm(struct machine *m)
{
    node(m, "dev/nvidia-uvm", 0660);
}
static void quota(struct machine *m)
{
    text(m, "sys/fs/cgroup/job/cpu.max", "1600000 100000\n");
}
static void mpi_without_cuda(struct machine *m)
{
    m->mpi_cuda = "no";
}
static void mpi_not_asked(struct machine *m)
{
    m->mpi_cuda = "";
}
static void old_libfabric(struct machine *m)
{
    set_version(m, "libfabric", "1.13.2");
}
static void libfabric_117(struct machine *m)
{
    set_version(m, "libfabric", "1.17.0");
}
static void old_verbs(struct machine *m)
{
    set_version(m, "rdma-core", "33.1");
}
static void old_nccl(struct machine *m)
{
    set_version(m, "nccl", "2.9.9");
}
static void no_versions(struct machine *m)
{
    m->versions.n = 0;
}
static void nothing_to_know(struct machine *m)
{
    m->versions.n = 0;
    delete_below(m, "proc/sys/kernel/osrelease");
}
static void narrow(struct machine *m)
{
    m->pci[PCI_ROCE].link.width = 8;
}
static void slow_uplink(struct machine *m)
{
    m->pci[7].link.gt_per_s = 16;
}
static void old_slot(struct machine *m)
{
    m->pci[PCI_EFA].link.gt_per_s = m->pci[12].link.max_gt_per_s = m->pci[12].link.gt_per_s = 16;
}
static void narrow_slot(struct machine *m)
{
    m->pci[PCI_EFA].link.width = m->pci[12].link.width = m->pci[12].link.max_width = 8;
}
static void idle_gpu(struct machine *m)
{
    m->pci[PCI_GPU0].link.gt_per_s = m->pci[2].link.gt_per_s = 2.5;
}
static void narrow_card_in_wide_slot(struct machine *m)
{
    m->pci[PCI_IB].link = (struct wm_pci_link){ .gt_per_s = 16, .max_gt_per_s = 16, .width = 8, .max_width = 8 };
    m->pci[4].link = (struct wm_pci_link){ .gt_per_s = 16, .max_gt_per_s = 32, .width = 8, .max_width = 16 };
}
static void no_links(struct machine *m)
{
    for (int i = 0; i < PCIS; i++)
        m->pci[i].link = (struct wm_pci_link){ 0 };
}
static void acs_in_switch(struct machine *m)
{
    m->pci[2].acs = m->pci[4].acs = WM_ACS_REDIRECTS;
}
static void acs_at_root(struct machine *m)
{
    m->pci[0].acs = WM_ACS_REDIRECTS;
}
static void acs_unread(struct machine *m)
{
    for (int i = 0; i < PCIS; i++)
        m->pci[i].acs = WM_ACS_UNKNOWN;
}
static void no_iommu_types(struct machine *m)
{
    delete_below(m, "sys/kernel/iommu_groups/7/type");
    text(m, "proc/cmdline", "root=/dev/sda1\n");
}
static void old_kernel_passes_through(struct machine *m)
{
    delete_below(m, "sys/kernel/iommu_groups/7/type");
}
static void port_down(struct machine *m)
{
    snprintf(m->port[RDMA_EFA].state, 16, "DOWN");
    snprintf(m->port[RDMA_EFA].phys_state, 24, "Polling");
}
static void all_ports_down(struct machine *m)
{
    for (int i = 0; i < RDMAS; i++) {
        snprintf(m->port[i].state, 16, "DOWN");
        snprintf(m->port[i].phys_state, 24, "Disabled");
    }
}
static void no_manager(struct machine *m)
{
    snprintf(m->port[RDMA_IB].state, 16, "INIT");
}
static void no_states(struct machine *m)
{
    for (int i = 0; i < RDMAS; i++)
        m->port[i].state[0] = '\0';
}
static void one_lane(struct machine *m)
{
    snprintf(m->port[RDMA_IB].rate, 40, "100 Gb/sec (1X NDR)");
    m->port[RDMA_IB].bytes_per_s = 12.5e9;
}
static void far_below(struct machine *m)
{
    snprintf(m->port[RDMA_ROCE].rate, 40, "25 Gb/sec (1X EDR)");
    m->port[RDMA_ROCE].bytes_per_s = 25e9 / 8;
}
static void below_its_twin(struct machine *m)
{
    snprintf(m->rdma[RDMA_IB].board_id, 40, "MT_0000000838");
    snprintf(m->rdma[RDMA_EFA].board_id, 40, "MT_0000000838");
}
static void no_counters(struct machine *m)
{
    delete_below(m, "sys/class/infiniband");
}
static void only_v1(struct machine *m)
{
    m->gid[RDMA_ROCE][1].type = WM_GID_ROCE_V1;
}
static void no_gids(struct machine *m)
{
    m->port[RDMA_ROCE].n_gids = 0;
}
static void zero_gids(struct machine *m)
{
    for (int k = 0; k < 2; k++)
        snprintf(m->gid[RDMA_ROCE][k].gid, 40, "0000:0000:0000:0000:0000:0000:0000:0000");
}
static void small_mtu(struct machine *m)
{
    m->port[RDMA_ROCE].mtu_bytes = 1500;
}
static void mtu_2200(struct machine *m)
{
    m->port[RDMA_ROCE].mtu_bytes = 2200;
}
static void no_mtu(struct machine *m)
{
    m->port[RDMA_ROCE].mtu_bytes = 0;
}
static void silent_driver(struct machine *m)
{
    delete_below(m, "sys/class/net/eth2");
}
static void no_efa_module(struct machine *m)
{
    delete_below(m, "sys/module/efa");
}
static void efa1_with_117(struct machine *m)
{
    m->pci[PCI_EFA].device = 0xefa1;
    set_version(m, "libfabric", "1.17.0");
}
static void neither_peermem_nor_dmabuf(struct machine *m)
{
    delete_below(m, "sys/module/nvidia_peermem");
    text(m, "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03\n");
}
static void old_kernel_without_peermem(struct machine *m)
{
    delete_below(m, "sys/module/nvidia_peermem");
    text(m, "proc/sys/kernel/osrelease", "5.4.0-100-generic\n");
}
static void dmabuf_only_for_117(struct machine *m)
{
    delete_below(m, "sys/module/nvidia_peermem");
    set_version(m, "libfabric", "1.17.0");
}
static void dmabuf_only(struct machine *m)
{
    delete_below(m, "sys/module/nvidia_peermem");
}
static void no_modules(struct machine *m)
{
    delete_below(m, "sys/module");
    delete_below(m, "proc/driver");
}
static void far_card(struct machine *m)
{
    m->topo.n_rdma = 1; /* the other two stand on the second socket, or nowhere near */
    m->rdma[RDMA_IB].numa = 0;
}
static void lost_links(struct machine *m)
{
    m->gpu[1].nvlinks = 16;
    m->gpu[1].nvlink_inactive = 2;
}
static void links_down_everywhere(struct machine *m)
{
    m->gpu[0].nvlinks = m->gpu[1].nvlinks = 16;
    m->gpu[0].nvlink_inactive = m->gpu[1].nvlink_inactive = 2;
}
static void no_bridge_fitted(struct machine *m)
{
    m->gpu[0].nvlinks = m->gpu[1].nvlinks = 0;
    m->gpu[0].nvlink_inactive = m->gpu[1].nvlink_inactive = 12;
}
static void no_manager_process(struct machine *m)
{
    delete_below(m, "proc/412");
}
static void in_a_container(struct machine *m)
{
    delete_below(m, "proc/412");
    text(m, "proc/1/comm", "bash\n");
}
static void manager_by_its_file(struct machine *m)
{
    delete_below(m, "proc/412");
    text(m, "run/nvidia-fabricmanager/nv-fabricmanager.pid", "88\n");
}
static void switches_of_the_hypervisor(struct machine *m)
{
    static struct wm_topo_nvlink to_switches[] = { { .from = 0, .to = -1, .links = 18 } };
    m->topo.n_pci = 14; /* without the NVSwitch */
    text(m, "sys/bus/pci/devices/0000:10:01.0/vendor", "0x1000\n");
    m->topo.nvlink = to_switches;
    m->topo.n_nvlinks = 1;
}
static void switch_by_its_driver(struct machine *m)
{
    m->topo.n_pci = 14;
    text(m, "sys/bus/pci/drivers/nvidia-nvswitch/0000:05:00.0", "");
    text(m, "sys/bus/pci/drivers/nvidia-nvswitch/bind", "");
    delete_below(m, "proc/412");
}
static void lost_gpu(struct machine *m)
{
    m->topo.n_gpus = 1;
}

#define OK      WM_HEALTH_OK
#define WARN    WM_HEALTH_WARN
#define FAIL    WM_HEALTH_FAIL
#define UNKNOWN WM_HEALTH_UNKNOWN
#define NOT     WM_HEALTH_NOT_APPLICABLE

#define CPU  "sys/devices/system/cpu/cpu0/"
#define PORT "sys/class/infiniband/mlx5_0/ports/1/"

/* One thing that is not as on the healthy machine. */
static const struct {
    const char *check;
    enum wm_health health;
    const char *words;          /* in what was read */
    const char *file, *content; /* a file that holds something else */
    const char *variables;      /* those of the process, with '|' between them */
    void (*plant)(struct machine *m);
    const char *also; /* another check that sees it, too */
} rows[] = {
    { "memlock", FAIL, "max locked memory is 64.0 KiB, not unlimited (/proc/self/limits)", .file = "proc/self/limits",
      .content = "Max locked memory         65536                65536                bytes\n" },
    { "memlock", WARN, "is 4.00 GiB", .file = "proc/self/limits",
      .content = "Max locked memory         4294967296  4294967296  bytes\n" },
    { "memlock", UNKNOWN, "no readable line", .file = "proc/self/limits", .content = "Max open files 1 1 files\n" },
    { "memlock", UNKNOWN, "no readable line", .file = "proc/self/limits",
      .content = "Max locked memory   lots   lots  bytes\n" },
    { "memlock", OK, "CAP_IPC_LOCK", .plant = memory_for_some },
    { "device-nodes", FAIL, "may not read and write /dev/infiniband/uverbs1 (mode 0600)", .plant = closed_verbs },
    { "device-nodes", FAIL, "/dev/nvidia-uvm (mode 0660)", .plant = closed_uvm },
    { "device-nodes", OK, "all 9 device nodes", .plant = open_to_root },
    { "device-nodes", WARN, "there is no /dev/infiniband/uverbs1 of mlx5_1", .plant = no_verbs_node },
    { "device-nodes", WARN, "there is no /dev/nvidia0 and all others of the GPUs", .plant = no_gpu_nodes },
    { "device-nodes", FAIL, "/dev/infiniband/rdma_cm of librdmacm", .plant = no_nodes },
    { "device-nodes", UNKNOWN, "no folder /dev", .plant = no_dev },
    { "cgroup", WARN, "grants 16 processors' time of 128", .plant = quota },
    { "cgroup", WARN, "977 KiB of memory are left", .file = "proc/meminfo",
      .content = "MemAvailable: 977 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n" },
    { "mpi-cuda", WARN, "built without CUDA", .plant = mpi_without_cuda },
    { "mpi-cuda", UNKNOWN, "of a recording cannot be asked", .plant = mpi_not_asked },
    { "mpi-variables", WARN, "OMPI_MCA_pml=ob1 leaves out UCX", .variables = "OMPI_MCA_pml=ob1" },
    { "mpi-variables", WARN, "OMPI_MCA_pml=^ucx,cm leaves out UCX", .variables = "OMPI_MCA_pml=^ucx,cm" },
    { "mpi-variables", OK, "no variable", .variables = "OMPI_MCA_pml=^ucx" },
    { "mpi-variables", WARN, "OMPI_MCA_btl=tcp,self leaves TCP", .variables = "OMPI_MCA_btl=tcp,self" },
    { "mpi-variables", OK, "no variable", .variables = "OMPI_MCA_btl=^tcp" },
    { "mpi-variables", WARN, "UCX_TLS=tcp,sm leaves out every RDMA transport", .variables = "UCX_TLS=tcp,sm" },
    { "mpi-variables", OK, "no variable", .variables = "UCX_TLS=rc_x,sm,cuda_copy" },
    { "mpi-variables", WARN, "UCX_NET_DEVICES=eth0 names no RDMA device", .variables = "UCX_NET_DEVICES=eth0" },
    { "governor", WARN, "'powersave' on 1 of 2 CPUs", .file = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
      .content = "powersave\n" },
    { "idle-states", WARN, "deepest idle state is C6, which takes 133 us", .file = CPU "cpuidle/state2/disable",
      .content = "0\n" },
    { "numa-balancing", WARN, "automatic NUMA balancing is on", .file = "proc/sys/kernel/numa_balancing",
      .content = "1\n" },
    { "swap", WARN, "977 MiB of swap are in use", .file = "proc/meminfo",
      .content = "MemAvailable: 90000000 kB\nSwapTotal: 8000000 kB\nSwapFree: 7000000 kB\n" },
    { "swap", OK, "there is no swap", .file = "proc/meminfo",
      .content = "MemAvailable: 90000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n" },
    { "swap", UNKNOWN, "does not say", .file = "proc/meminfo", .content = "MemAvailable: 90000000 kB\n" },
    { "clock-source", WARN, "the clock source is hpet",
      .file = "sys/devices/system/clocksource/clocksource0/current_clocksource", .content = "hpet\n" },
    { "clock-source", OK, "arch_sys_counter", .file = "sys/devices/system/clocksource/clocksource0/current_clocksource",
      .content = "arch_sys_counter\n" },
    { "library-versions", WARN, "libfabric 1.13.2 is older than 1.14", .plant = old_libfabric,
      .also = "efa-device-rdma" },
    { "library-versions", WARN, "libfabric 1.17.0 is older than 1.18", .plant = libfabric_117 },
    { "library-versions", WARN, "rdma-core 33.1 is older than 34 and has no ibv_reg_dmabuf_mr", .plant = old_verbs },
    { "library-versions", WARN, "nccl 2.9.9 is older than 2.13", .plant = old_nccl },
    { "library-versions", UNKNOWN, "neither libfabric nor rdma-core nor NCCL", .plant = no_versions },
    { "versions", UNKNOWN, "could be read", .plant = nothing_to_know, .also = "library-versions" },
    { "versions", OK, "kernel 6.1.0; libfabric 1.22.0", .file = "proc/sys/kernel/osrelease", .content = "6.1.0\n" },
    { "hardware", OK, "GPUs 1 x NVIDIA H100; RDMA-devices 3", .plant = lost_gpu },
    { "pci-link", FAIL, "narrower than both ends can be: 0000:84:00.0 x8 of x16", .plant = narrow },
    { "pci-link", FAIL, "slower than both ends can be: 0000:81:00.0 16 of 32 GT/s", .plant = slow_uplink },
    { "pci-link", WARN, "the slot allows less than the card: 0000:21:00.0 16 of 32 GT/s", .plant = old_slot },
    { "pci-link", WARN, "the slot allows less than the card: 0000:21:00.0 x8 of x16", .plant = narrow_slot },
    { "pci-link", WARN, "as idle ones may be: 0000:13:00.0 2.5 of 32 GT/s", .plant = idle_gpu },
    { "pci-link", OK, "links of GPUs and cards", .plant = narrow_card_in_wide_slot },
    { "pci-link", UNKNOWN, "no GPU or card shows its link", .plant = no_links },
    { "pci-acs", FAIL, "at 2 ports of PCI switches: 0000:12:00.0, 0000:12:01.0", .plant = acs_in_switch },
    { "pci-acs", WARN, "at 1 root ports: 0000:10:01.0", .plant = acs_at_root },
    { "pci-acs", UNKNOWN, "could not be read (only root", .plant = acs_unread },
    { "pci-iommu", WARN, "type DMA-FQ in", .file = "sys/kernel/iommu_groups/7/type", .content = "DMA-FQ\n" },
    { "pci-iommu", UNKNOWN, "no type in /sys/kernel/iommu_groups", .plant = no_iommu_types },
    { "pci-iommu", OK, "passes 5 GPUs and cards through", .plant = old_kernel_passes_through },
    { "ports", WARN, "1 of 3 ports are down: rdmap33s0:1 DOWN/Polling", .plant = port_down },
    { "ports", FAIL, "3 of 3 ports are down: mlx5_0:1 DOWN/Disabled, ", .plant = all_ports_down, .also = "*" },
    { "ports", WARN, "no subnet manager made them active: mlx5_0:1 INIT", .plant = no_manager },
    { "ports", UNKNOWN, "no state of a port", .plant = no_states, .also = "*" },
    { "port-rate", WARN, "one lane instead of four: mlx5_0:1 100 Gb/sec (1X NDR)", .plant = one_lane },
    { "port-rate", WARN, "far below what such a card can do: mlx5_1:1 25 Gb/sec (1X EDR) of 200 Gb/s",
      .plant = far_below },
    { "port-rate", WARN, "below the other ports of the same model: rdmap33s0:1", .plant = below_its_twin },
    { "port-rate", UNKNOWN, "no active port shows its rate", .plant = all_ports_down, .also = "*" },
    { "error-counters", WARN, "errors were counted: mlx5_0:1 symbol_error 12", .file = PORT "counters/symbol_error",
      .content = "12\n" },
    { "error-counters", WARN, "mlx5_0:1 local_ack_timeout_err 3", .file = PORT "hw_counters/local_ack_timeout_err",
      .content = "3\n" },
    { "error-counters", OK, "no errors on 3 ports", .file = PORT "hw_counters/np_cnp_sent", .content = "1234\n" },
    { "error-counters", UNKNOWN, "no counter can be read", .plant = no_counters },
    { "roce-gid", WARN, "no RoCE v2 address, only v1: mlx5_1:1", .plant = only_v1 },
    { "roce-gid", FAIL, "no address at all: mlx5_1:1", .plant = no_gids },
    { "roce-gid", FAIL, "no address at all: mlx5_1:1", .plant = zero_gids },
    { "roce-mtu", WARN, "eth2 MTU 1500 (mlx5_1:1 sends packets of 1024 bytes)", .plant = small_mtu },
    { "roce-mtu", WARN, "packets of 2048 bytes", .plant = mtu_2200 },
    { "roce-mtu", UNKNOWN, "is not known", .plant = no_mtu },
    { "roce-congestion", WARN, "ECN is off for every priority on eth2",
      .file = "sys/class/net/eth2/ecn/roce_np/enable/3", .content = "0\n" },
    { "roce-congestion", WARN, "qos/trust is pcp", .file = "sys/class/net/eth2/qos/trust", .content = "pcp\n" },
    { "roce-congestion", UNKNOWN, "neither ecn/ nor qos/", .plant = silent_driver },
    { "efa-driver", WARN, "the driver is 1.9.0; before 1.16.0 it has no dma-buf", .file = "sys/module/efa/version",
      .content = "1.9.0g\n" },
    { "efa-driver", WARN, "before 2.4.0 it has no RDMA write", .file = "sys/module/efa/version", .content = "2.1.1\n" },
    { "efa-driver", UNKNOWN, "no /sys/module/efa", .plant = no_efa_module },
    { "efa-device-rdma", WARN, "FI_EFA_USE_DEVICE_RDMA=0 switches", .variables = "FI_EFA_USE_DEVICE_RDMA=0" },
    { "efa-device-rdma", WARN, "libfabric 1.17.0 leaves the RDMA of device 0xefa1 off", .plant = efa1_with_117,
      .also = "library-versions" },
    { "efa-device-rdma", OK, "FI_EFA_USE_DEVICE_RDMA=1", .variables = "FI_EFA_USE_DEVICE_RDMA=1" },
    { "efa-variables", FAIL, "FI_PROVIDER=tcp leaves efa out", .variables = "FI_PROVIDER=tcp" },
    { "efa-variables", FAIL, "FI_PROVIDER=^efa leaves efa out", .variables = "FI_PROVIDER=^efa" },
    { "efa-variables", OK, "against EFA", .variables = "FI_PROVIDER=^tcp" },
    { "efa-variables", WARN, "FI_HMEM=system leaves cuda out", .variables = "FI_HMEM=system" },
    { "efa-variables", WARN, "FI_HMEM_DISABLE_P2P=1", .variables = "FI_HMEM_DISABLE_P2P=1" },
    { "efa-variables", WARN, "FI_EFA_FORK_SAFE=1 on kernel 5.4.0", .file = "proc/sys/kernel/osrelease",
      .content = "5.4.0\n", .variables = "FI_EFA_FORK_SAFE=1" },
    { "efa-variables", OK, "against EFA", .variables = "FI_EFA_FORK_SAFE=1" },
    { "efa-variables", WARN, "FI_EFA_ENABLE_SHM_TRANSFER=0", .variables = "FI_EFA_ENABLE_SHM_TRANSFER=0" },
    { "efa-variables", WARN, "FI_MR_CACHE_MAX_COUNT=0", .variables = "FI_MR_CACHE_MAX_COUNT=0" },
    { "gpu-rdma", FAIL, "nor is there dma-buf: the driver is not of the open kind",
      .plant = neither_peermem_nor_dmabuf },
    { "gpu-rdma", FAIL, "the kernel is 5.4.0-100-generic, not 5.12", .plant = old_kernel_without_peermem },
    { "gpu-rdma", FAIL, "dma-buf only, and libfabric 1.17.0", .plant = dmabuf_only_for_117,
      .also = "library-versions" },
    { "gpu-rdma", OK, "nvidia_peermem is not loaded", .plant = dmabuf_only },
    { "gpu-rdma", UNKNOWN, "no folder /sys/module", .plant = no_modules, .also = "efa-driver" },
    { "gpu-nic-socket", WARN, "on another socket (SYS): GPU 1 and mlx5_0", .plant = far_card, .also = "*" },
    { "nvlink", FAIL, "GPU 1 has 16 of 18", .plant = lost_links },
    { "nvlink", WARN, "inactive NVLinks: GPU 0 2, GPU 1 2", .plant = links_down_everywhere },
    { "nvlink", WARN, "no NVLink is active", .plant = no_bridge_fitted },
    { "fabric-manager", FAIL, "no process nv-fabricmanager", .plant = no_manager_process },
    { "fabric-manager", UNKNOWN, "only the processes of this container", .plant = in_a_container },
    { "fabric-manager", OK, "runs for 1 NVSwitches", .plant = manager_by_its_file },
    { "fabric-manager", NOT, "its hypervisor runs the fabric manager", .plant = switches_of_the_hypervisor },
    { "fabric-manager", FAIL, "there are 1 NVSwitches, and no process", .plant = switch_by_its_driver },
    { "nccl-variables", WARN, "NCCL_P2P_DISABLE=1: ", .variables = "NCCL_P2P_DISABLE=1" },
    { "nccl-variables", OK, "no NCCL variable", .variables = "NCCL_P2P_DISABLE=0" },
    { "nccl-variables", WARN, "NCCL_IB_DISABLE=1: ", .variables = "NCCL_IB_DISABLE=1" },
    { "nccl-variables", WARN, "NCCL_NET=Socket: ", .variables = "NCCL_NET=Socket" },
    { "nccl-variables", WARN, "NCCL_SHM_DISABLE=1: ", .variables = "NCCL_SHM_DISABLE=1" },
    { "nccl-variables", WARN, "NCCL_NET_GDR_LEVEL=LOC: ", .variables = "NCCL_NET_GDR_LEVEL=LOC" },
    { "nccl-variables", WARN, "NCCL_NET_GDR_LEVEL=0: ", .variables = "NCCL_NET_GDR_LEVEL=0" },
    { "nccl-variables", WARN, "NCCL_ALGO=Ring: ", .variables = "NCCL_ALGO=Ring" },
    { "nccl-variables", WARN, "NCCL_PROTO=LL: ", .variables = "NCCL_PROTO=LL|NCCL_DEBUG=INFO" },
    { "nccl-variables", WARN, "NCCL_IB_DISABLE=1: ", .file = "etc/nccl.conf",
      .content = "# ours\nNCCL_IB_DISABLE=1\n" },
    { "nccl-devices", FAIL, "NCCL_IB_HCA=ib0 names no RDMA device", .variables = "NCCL_IB_HCA=ib0" },
    { "nccl-devices", FAIL, "NCCL_IB_HCA==mlx5 names no", .variables = "NCCL_IB_HCA==mlx5" },
    { "nccl-devices", OK, "no NCCL variable", .variables = "NCCL_IB_HCA=^mlx5_3|NCCL_SOCKET_IFNAME=eth" },
    { "nccl-devices", OK, "no NCCL variable", .variables = "NCCL_IB_HCA=mlx5_0:1,mlx5_1" },
    { "nccl-devices", FAIL, "NCCL_SOCKET_IFNAME=ens5 names no interface", .variables = "NCCL_SOCKET_IFNAME=ens5" },
    { "nccl-devices", FAIL, "NCCL_IB_GID_INDEX=9 is empty on mlx5_1:1", .variables = "NCCL_IB_GID_INDEX=9" },
    { "nccl-devices", WARN, "NCCL_IB_GID_INDEX=0 is no RoCE v2 address on mlx5_1:1",
      .variables = "NCCL_IB_GID_INDEX=0" },
    { "nccl-devices", OK, "no NCCL variable", .variables = "NCCL_IB_GID_INDEX=3" },
};
enum { ROWS = sizeof(rows) / sizeof(*rows) };

static struct wm_finding *examine(struct machine *m)
{
    struct wm_finding *f = calloc((size_t)wm_checks_count(), sizeof(*f));
    struct wm_patient p = patient_of(m);
    for (int i = 0; i < wm_checks_count(); i++)
        wm_doctor_one(wm_check_at(i), &p, &f[i]);
    return f;
}

static void test_healthy(void)
{
    struct machine m;
    build(&m);
    struct wm_finding *f = examine(&m);
    for (int i = 0; i < wm_checks_count(); i++) {
        if (!CHECK_INT(f[i].health, OK))
            printf("    %s: %s\n", f[i].check->id, f[i].read);
        CHECK(f[i].read[0] != '\0');
        CHECK_TEXT(f[i].mend, "");
    }
    CHECK_INT(wm_doctor_status(f, wm_checks_count()), 0);
    free(f);
    tear_down(&m);
}

static void plant(struct machine *m, int r)
{
    if (rows[r].file != NULL)
        text(m, rows[r].file, rows[r].content);
    if (rows[r].variables != NULL)
        variables(m, rows[r].variables);
    if (rows[r].plant != NULL)
        rows[r].plant(m);
}

static void test_fault(int r)
{
    struct machine m;
    build(&m);
    plant(&m, r);
    struct wm_finding *f = examine(&m);
    bool found = false;
    for (int i = 0; i < wm_checks_count(); i++) {
        bool also = rows[r].also != NULL && (rows[r].also[0] == '*' || strcmp(rows[r].also, f[i].check->id) == 0);
        if (strcmp(f[i].check->id, rows[r].check) == 0) {
            found = true;
            int good = CHECK_INT(f[i].health, rows[r].health);
            good = CHECK_HAS(f[i].read, rows[r].words) && good;
            good = CHECK((f[i].mend[0] != '\0') ==
                         (rows[r].health == WARN || rows[r].health == FAIL || rows[r].health == UNKNOWN)) &&
                   good;
            if (!good)
                printf("    row %d: %s\n", r, rows[r].check);
        } else if (!also && !CHECK_INT(f[i].health, OK)) {
            printf("    row %d, %s planted, %s says: %s\n", r, rows[r].check, f[i].check->id, f[i].read);
        }
    }
    CHECK(found);
    free(f);
    tear_down(&m);
}

static void test_each_check_has_a_fault(void)
{
    for (int i = 0; i < wm_checks_count(); i++) {
        bool has = false;
        for (int r = 0; r < ROWS; r++)
            has = has || (strcmp(rows[r].check, wm_check_at(i)->id) == 0 &&
                          (rows[r].health == WARN || rows[r].health == FAIL));
        /* these two find nothing on one node: nodes are compared, which doctor_report_test plants */
        has = has || strcmp(wm_check_at(i)->id, "versions") == 0 || strcmp(wm_check_at(i)->id, "hardware") == 0;
        if (!CHECK(has))
            printf("    %s has no planted fault\n", wm_check_at(i)->id);
    }
}

/* A laptop: nothing is wrong with what is not there. */
static void test_bare(void)
{
    struct machine m;
    build(&m);
    m.topo = (struct wm_topo){ .threads = 8, .n_numa = 1, .numa = m.numa };
    delete_below(&m, "dev");
    delete_below(&m, "sys/module");
    delete_below(&m, "sys/class");
    delete_below(&m, "sys/devices/system/cpu/cpu0");
    delete_below(&m, "sys/devices/system/cpu/cpu1");
    m.versions.n = 0;
    variables(&m, "OMPI_MCA_btl=tcp,self");
    struct wm_finding *f = examine(&m);
    int not_applicable = 0;
    for (int i = 0; i < wm_checks_count(); i++) {
        not_applicable += f[i].health == NOT;
        if (!CHECK(f[i].health == OK || f[i].health == NOT || f[i].health == UNKNOWN))
            printf("    %s: %s\n", f[i].check->id, f[i].read);
        if (strcmp(f[i].check->id, "memlock") == 0)
            CHECK_TEXT(f[i].read, "no RDMA device here");
        CHECK(f[i].read[0] != '\0');
    }
    CHECK(not_applicable >= 20);
    CHECK_INT(wm_doctor_status(f, wm_checks_count()), 0);
    free(f);
    tear_down(&m);
}

/* A topology file alone: what is needed and cannot be known is said, and is no pass. */
static void test_no_files(void)
{
    struct machine m;
    build(&m);
    nftw(m.root, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    struct wm_finding *f = examine(&m);
    for (int i = 0; i < wm_checks_count(); i++)
        if (!CHECK(f[i].health != FAIL))
            printf("    %s: %s\n", f[i].check->id, f[i].read);
    for (int i = 0; i < wm_checks_count(); i++) { /* what discovery knows without files may still be judged */
        static const char *const of_files[] = { "memlock",  "mpi-variables",  "idle-states",   "numa-balancing",
                                                "swap",     "error-counters", "efa-variables", "efa-device-rdma",
                                                "gpu-rdma", "nccl-variables", "nccl-devices",  NULL };
        for (int k = 0; of_files[k] != NULL; k++)
            if (strcmp(of_files[k], f[i].check->id) == 0 && !CHECK_INT(f[i].health, UNKNOWN))
                printf("    %s: %s\n", f[i].check->id, f[i].read);
    }
    CHECK_INT(wm_doctor_status(f, wm_checks_count()), 3);
    free(f);
    wm_tree_close(&m.tree);
}

static void test_rows(void)
{
    for (int i = 0; i < wm_checks_count(); i++) {
        const struct wm_check *c = wm_check_at(i);
        CHECK(wm_check_find(c->id) == c);
        CHECK(c->subject[0] && c->reads[0] && c->why[0] && c->mend[0] && c->look != NULL);
        CHECK(strspn(c->id, "abcdefghijklmnopqrstuvwxyz-") == strlen(c->id) && strlen(c->id) <= 16);
        CHECK(c->why[strlen(c->why) - 1] != '.' && c->mend[strlen(c->mend) - 1] != '.');
    }
    CHECK(wm_check_at(wm_checks_count()) == NULL);
    CHECK(wm_check_find("memlok") == NULL);
}

static void test_saying(void)
{
    static const struct wm_check required = { .id = "a", .required = true }, other = { .id = "b" };
    struct wm_finding f = { .check = &required, .health = NOT };
    wm_finding_say(&f, OK, "one %d", 1);
    wm_finding_say(&f, UNKNOWN, "two");
    wm_finding_say(&f, WARN, "three\n\xff");
    CHECK_INT(f.health, UNKNOWN);
    CHECK_TEXT(f.read, "one 1; two; three??");
    CHECK_INT(wm_doctor_status(&f, 1), 3);
    f.check = &other;
    CHECK_INT(wm_doctor_status(&f, 1), 0);
    for (int i = 0; i < 100; i++)
        wm_finding_say(&f, FAIL, "twenty characters ..");
    CHECK_INT(strlen(f.read), sizeof(f.read) - 1);
    CHECK_TEXT(f.read + sizeof(f.read) - 4, "...");
    CHECK_INT(wm_doctor_status(&f, 1), 1);
}

static void test_listing(void)
{
    struct wm_listing few = { 0 }, many = { 0 };
    wm_listing_add(&few, "mlx5_%d", 0);
    wm_listing_add(&few, "mlx5_%d", 1);
    CHECK_TEXT(wm_listing_text(&few), "mlx5_0, mlx5_1");
    for (int i = 0; i < 4096; i++)
        wm_listing_add(&many, "mlx5_%d", i);
    CHECK_HAS(wm_listing_text(&many), "mlx5_0, mlx5_1, ");
    CHECK_HAS(wm_listing_text(&many), " more");
    CHECK(strlen(many.text) < sizeof(many.text));
}

static void test_variables(void)
{
    struct machine m;
    char value[8];
    build(&m);
    variables(&m, "A=1|AB=2|EMPTY=|LONG=123456789");
    struct wm_patient p = patient_of(&m);
    CHECK(wm_patient_variable(&p, "AB", value, sizeof(value)));
    CHECK_TEXT(value, "2");
    CHECK(wm_patient_variable(&p, "EMPTY", value, sizeof(value)));
    CHECK_TEXT(value, "");
    CHECK(!wm_patient_variable(&p, "B", value, sizeof(value)));
    CHECK(wm_patient_variable(&p, "LONG", value, sizeof(value)));
    CHECK_TEXT(value, "1234567");
    tear_down(&m);
}

int main(void)
{
    test_rows();
    test_saying();
    test_listing();
    test_variables();
    test_healthy();
    for (int r = 0; r < ROWS; r++)
        test_fault(r);
    test_each_check_has_a_fault();
    test_bare();
    test_no_files();
    return wm_tests_end();
}
