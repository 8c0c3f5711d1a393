/** What this process may do: memory, devices, processors, and what its MPI was told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/core/cgroup.h"
#include "src/core/units.h"
#include "src/doctor/look.h"
#include "src/topo/node.h"

/* ---- locked memory */

/* The soft limit, 0 < bytes, from a line as "Max locked memory  65536  65536  bytes"; UINT64_MAX: unlimited. */
static bool read_memlock(const struct wm_patient *p, uint64_t *bytes)
{
    static const char key[] = "Max locked memory";
    char text[8192], soft[32];
    if (!wm_tree_text(p->tree, text, sizeof(text), "proc/self/limits"))
        return false;
    const char *line = strstr(text, key);
    if (line == NULL || sscanf(line + sizeof(key) - 1, " %31s", soft) != 1)
        return false;
    char *end;
    *bytes = strcmp(soft, "unlimited") == 0 ? UINT64_MAX : strtoull(soft, &end, 10);
    return *bytes == UINT64_MAX || (end != soft && *end == '\0');
}

/* A field of proc/self/status in `base`; false where it is not there. */
static bool status_number(const struct wm_patient *p, const char *key, int base, int field, uint64_t *out)
{
    char text[8192];
    char *at = wm_tree_text(p->tree, text, sizeof(text), "proc/self/status") ? strstr(text, key) : NULL;
    if (at == NULL)
        return false;
    char *end = at + strlen(key);
    for (int i = 0; i <= field; i++) {
        char *begin = end;
        *out = strtoull(begin, &end, base);
        if (end == begin)
            return false;
    }
    return true;
}

static bool may_lock_all(const struct wm_patient *p)
{
    enum { CAP_IPC_LOCK = 14 };
    uint64_t capabilities;
    return status_number(p, "CapEff:", 16, 0, &capabilities) && (capabilities >> CAP_IPC_LOCK & 1);
}

static void look_memlock(const struct wm_patient *p, struct wm_finding *f)
{
    const uint64_t little_bytes = UINT64_C(1) << 30; /* a few buffers a rank and queue pairs to some hundred peers */
    uint64_t limit_bytes;
    char text[WM_TEXT_BYTES];
    if (p->topo->n_rdma == 0)
        wm_finding_not_here(f, "no RDMA device here");
    else if (!read_memlock(p, &limit_bytes))
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "/proc/self/limits has no readable line 'Max locked memory'");
    else if (limit_bytes == UINT64_MAX)
        wm_finding_say(f, WM_HEALTH_OK, "max locked memory is unlimited (/proc/self/limits)");
    else if (may_lock_all(p))
        wm_finding_say(f, WM_HEALTH_OK,
                       "max locked memory is %s (/proc/self/limits), but this process has CAP_IPC_LOCK: the limit does "
                       "not bind it",
                       wm_format_memory(text, limit_bytes));
    else
        wm_finding_say(f, limit_bytes < little_bytes ? WM_HEALTH_FAIL : WM_HEALTH_WARN,
                       "max locked memory is %s, not unlimited (/proc/self/limits)",
                       wm_format_memory(text, limit_bytes));
}

/* ---- device nodes */

struct nodes {
    const struct wm_patient *p;
    bool root;
    int there, open;
    struct wm_listing closed, missing;
};

/* Here the kernel is asked; of a recorded machine only the mode is known, and owners are those of the copy. */
static bool may_use(const struct nodes *n, const char *full_path, mode_t mode)
{
    if (wm_tree_is_here(n->p->tree))
        return access(full_path, R_OK | W_OK) == 0;
    return n->root || (mode & 0006) == 0006;
}

static void look_node(struct nodes *n, const char *path, bool needed, const char *of)
{
    char full[700];
    struct stat st;
    snprintf(full, sizeof(full), "%s/%s", n->p->tree->root, path);
    if (stat(full, &st) != 0) {
        if (needed && of[0] != '\0')
            wm_listing_add(&n->missing, "/%s of %s", path, of);
        else if (needed)
            wm_listing_add(&n->missing, "/%s", path);
        return;
    }
    n->there++;
    if (may_use(n, full, st.st_mode))
        n->open++;
    else
        wm_listing_add(&n->closed, "/%s (mode %04o)", path, (unsigned)st.st_mode & 07777);
}

static void look_rdma_nodes(struct nodes *n)
{
    struct wm_names names;
    wm_tree_names(n->p->tree, &names, "sys/class/infiniband_verbs");
    for (int i = 0; i < names.n; i++) {
        char device[64], path[128];
        if (strncmp(names.name[i], "uverbs", 6) != 0)
            continue;
        wm_tree_text(n->p->tree, device, sizeof(device), "sys/class/infiniband_verbs/%s/ibdev", names.name[i]);
        snprintf(path, sizeof(path), "dev/infiniband/%s", names.name[i]);
        look_node(n, path, true, device);
    }
    wm_names_free(&names);
    bool connects =
        wm_patient_fabric(n->p, WM_FABRIC_IB) + wm_patient_fabric(n->p, WM_FABRIC_ROCE) > 0; /* EFA has no use for it */
    look_node(n, "dev/infiniband/rdma_cm", connects, "librdmacm");
}

/* A container may have been given some of the GPUs only. */
static void look_gpu_nodes(struct nodes *n)
{
    int before = n->there;
    for (int i = 0; i < wm_patient_nvidia(n->p); i++) {
        char path[32];
        snprintf(path, sizeof(path), "dev/nvidia%d", i);
        look_node(n, path, false, "");
    }
    if (n->there == before)
        wm_listing_add(&n->missing, "/dev/nvidia0 and all others of the GPUs");
    look_node(n, "dev/nvidiactl", true, "");
    look_node(n, "dev/nvidia-uvm", true, "");
    look_node(n, "dev/gdrdrv", false, "");
}

static void look_device_nodes(const struct wm_patient *p, struct wm_finding *f)
{
    struct nodes n = { .p = p };
    uint64_t uid;
    n.root = status_number(p, "Uid:", 10, 1, &uid) && uid == 0;
    if (p->topo->n_rdma == 0 && wm_patient_nvidia(p) == 0) {
        wm_finding_not_here(f, "no RDMA device and no NVIDIA GPU here");
        return;
    }
    if (!wm_tree_exists(p->tree, "dev")) {
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /dev");
        return;
    }
    if (p->topo->n_rdma > 0)
        look_rdma_nodes(&n);
    if (wm_patient_nvidia(p) > 0)
        look_gpu_nodes(&n);
    if (n.closed.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "this user may not read and write %s", wm_listing_text(&n.closed));
    if (n.missing.n > 0)
        wm_finding_say(f, n.there > 0 ? WM_HEALTH_WARN : WM_HEALTH_FAIL, "there is no %s", wm_listing_text(&n.missing));
    if (n.missing.n > 0 && n.closed.n == 0)
        wm_finding_mend(f, "load the driver's modules (modprobe ib_uverbs rdma_ucm; nvidia-modprobe -u), or give the "
                           "container the devices (--device=/dev/infiniband, --gpus all)");
    if (n.closed.n == 0 && n.missing.n == 0)
        wm_finding_say(f, WM_HEALTH_OK, "all %d device nodes may be read and written (/dev)", n.open);
}

/* ---- cgroup */

static void look_cgroup(const struct wm_patient *p, struct wm_finding *f)
{
    const uint64_t little_bytes = UINT64_C(1) << 30;
    char text[WM_TEXT_BYTES];
    double cores = wm_cgroup_cpu_quota(p->tree->root);
    uint64_t left_bytes = wm_node_available_bytes_at(p->tree->root);
    if (!wm_tree_exists(p->tree, "proc/self/cgroup")) {
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no /proc/self/cgroup");
        return;
    }
    if (cores > 0 && (p->topo->threads <= 0 || cores < p->topo->threads))
        wm_finding_say(f, WM_HEALTH_WARN,
                       "the cgroup grants %.3g processors' time of %d (cpu.max below /sys/fs/cgroup)", cores,
                       p->topo->threads);
    if (left_bytes > 0 && left_bytes < little_bytes)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "%s of memory are left to this process (memory.max below /sys/fs/cgroup, /proc/meminfo)",
                       wm_format_memory(text, left_bytes));
    if (f->health != WM_HEALTH_WARN)
        wm_finding_say(f, WM_HEALTH_OK, "no quota of processor time, and memory to work with (/proc/self/cgroup)");
}

/* ---- the MPI */

static void say_not_asked(const struct wm_patient *p, struct wm_finding *f)
{
    if (wm_tree_is_here(p->tree)) {
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "the MPI was not asked: it answers once it runs");
        wm_finding_mend(f, "mpirun -n 1 wiremark doctor --check mpi-cuda");
    } else {
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "the MPI of a recording cannot be asked");
        wm_finding_mend(f, "add a line 'mpi-cuda yes' or 'mpi-cuda no' to the recording's file versions");
    }
}

static void look_mpi_cuda(const struct wm_patient *p, struct wm_finding *f)
{
    if (wm_patient_nvidia(p) == 0)
        wm_finding_not_here(f, "no NVIDIA GPU here");
    else if (strcmp(p->mpi_cuda, "yes") == 0)
        wm_finding_say(f, WM_HEALTH_OK, "the MPI takes GPU memory (MPIX_Query_cuda_support)");
    else if (strcmp(p->mpi_cuda, "no") == 0)
        wm_finding_say(f, WM_HEALTH_WARN, "the MPI was built without CUDA (MPIX_Query_cuda_support says 0)");
    else
        say_not_asked(p, f);
}

/* A list of components that keeps all of `fast` out. "^a,b": all but these. */
static bool leaves_out(const char *list, const char *const *fast)
{
    bool except = list[0] == '^', none = true, all = true;
    for (int i = 0; fast[i] != NULL; i++) {
        bool named = wm_list_has(list + except, fast[i]);
        none = none && !named;
        all = all && named;
    }
    return except ? all : none;
}

static void judge_list(const struct wm_patient *p, struct wm_finding *f, const char *name, const char *const *fast,
                       const char *consequence)
{
    char value[256];
    if (wm_patient_variable(p, name, value, sizeof(value)) && value[0] != '\0' && leaves_out(value, fast))
        wm_finding_say(f, WM_HEALTH_WARN, "%s=%s %s", name, value, consequence);
}

static void judge_ucx_devices(const struct wm_patient *p, struct wm_finding *f)
{
    char value[256];
    if (!wm_patient_variable(p, "UCX_NET_DEVICES", value, sizeof(value)) || value[0] == '\0' || value[0] == '^' ||
        wm_list_has(value, "all") || strpbrk(value, "*?[") != NULL)
        return;
    for (int i = 0; i < p->topo->n_rdma; i++)
        if (wm_list_has(value, p->topo->rdma[i].name))
            return;
    wm_finding_say(f, WM_HEALTH_WARN, "UCX_NET_DEVICES=%s names no RDMA device of this node: UCX goes by TCP", value);
}

static void look_mpi_variables(const struct wm_patient *p, struct wm_finding *f)
{
    static const char *const pml[] = { "ucx", "cm", NULL };
    static const char *const btl[] = { "uct", "openib", "ofi", "usnic", NULL };
    /* aliases and names of UCX 1.1x: ib is every InfiniBand transport, srd is EFA's */
    static const char *const tls[] = { "all",     "ib", "rc",   "rc_v", "rc_x",     "rc_verbs", "rc_mlx5", "dc", "dc_x",
                                       "dc_mlx5", "ud", "ud_v", "ud_x", "ud_verbs", "ud_mlx5",  "srd",     NULL };
    static const char *const providers[] = { "verbs", "efa", "psm3", "opx", "cxi", "verbs;ofi_rxm", NULL };
    char value[256];
    if (p->topo->n_rdma == 0) {
        wm_finding_not_here(f, "no RDMA device here: TCP is the fastest way between nodes");
        return;
    }
    if (wm_variables_missing(p, f))
        return;
    judge_list(p, f, "OMPI_MCA_pml", pml, "leaves out UCX and libfabric's MTL, which drive the RDMA devices");
    if (wm_patient_variable(p, "OMPI_MCA_btl", value, sizeof(value)) && wm_list_has(value, "tcp"))
        judge_list(p, f, "OMPI_MCA_btl", btl, "leaves TCP as the only way between nodes where ob1 is chosen");
    judge_list(p, f, "UCX_TLS", tls, "leaves out every RDMA transport of UCX");
    judge_ucx_devices(p, f);
    if (wm_patient_fabric(p, WM_FABRIC_EFA) == 0) /* else it is the business of efa-variables */
        judge_list(p, f, "FI_PROVIDER", providers, "leaves out libfabric's RDMA providers");
    if (f->health != WM_HEALTH_WARN)
        wm_finding_say(f, WM_HEALTH_OK,
                       "no variable of Open MPI, UCX or libfabric leaves the RDMA devices out "
                       "(/proc/self/environ)");
}

const struct wm_check wm_checks_process[] = {
    { .id = "memlock",
      .subject = "locked memory",
      .reads = "/proc/self/limits, /proc/self/status",
      .why = "RDMA pins every buffer and queue in memory; registration fails, or libraries fall back to TCP, where the "
             "limit is small",
      .mend = "for logins 'echo \"* - memlock unlimited\" > /etc/security/limits.d/rdma.conf'; for jobs "
              "LimitMEMLOCK=infinity in the unit of slurmd or of the container engine (docker: --ulimit memlock=-1)",
      .required = true,
      .look = look_memlock },
    { .id = "device-nodes",
      .subject = "permissions of device nodes",
      .reads = "/dev/infiniband/*, /dev/nvidia*, /dev/gdrdrv, /sys/class/infiniband_verbs",
      .why = "without them the driver cannot be opened, and libraries quietly take another way",
      .mend = "install the udev rules of rdma-core and of the NVIDIA driver (mode 0666), or add the user to the "
              "devices' group: udevadm trigger shows the effect",
      .required = true,
      .look = look_device_nodes },
    { .id = "cgroup",
      .subject = "limits of the cgroup",
      .reads = "/proc/self/cgroup, cpu.max and memory.max below /sys/fs/cgroup, /proc/meminfo",
      .why = "a process beyond its quota is stopped for the rest of each period (100 ms): polling ranks show it as "
             "latencies of tens of milliseconds",
      .mend = "ask for whole cores instead of a quota: docker --cpuset-cpus, Kubernetes' static CPU manager, Slurm's "
              "ConstrainCores; ask for more memory",
      .look = look_cgroup },
    { .id = "mpi-cuda",
      .subject = "GPU memory in MPI calls",
      .reads = "MPIX_Query_cuda_support of the MPI",
      .why = "an MPI without CUDA cannot be given GPU memory: the direct path of the mpi transport is not there, only "
             "the staged one",
      .mend = "use an MPI built with CUDA (Open MPI: "
              "--with-cuda or UCX built --with-cuda; ompi_info -a | grep cuda)",
      .look = look_mpi_cuda },
    { .id = "mpi-variables",
      .subject = "variables that keep MPI off RDMA",
      .reads = "OMPI_MCA_pml, OMPI_MCA_btl, UCX_TLS, UCX_NET_DEVICES, FI_PROVIDER in /proc/self/environ",
      .why = "a setting that was left over from a test sends all traffic through TCP, at a fraction of the rate",
      .mend = "unset the variable, in the job script and in what it sources (grep -r in /etc/profile.d, modules, "
              "~/.openmpi/mca-params.conf)",
      .look = look_mpi_variables },
    { 0 },
};
