/** Variables of NCCL: what forces a slow way, and what names a device that is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/doctor/look.h"

/* A value from the environment, else from /etc/nccl.conf, as NCCL itself reads them; "" = not set. */
static const char *nccl_value(const struct wm_patient *p, const char *name, char value[160])
{
    char text[8192];
    size_t length = strlen(name);
    if (wm_patient_variable(p, name, value, 160))
        return value;
    if (wm_tree_text(p->tree, text, sizeof(text), "etc/nccl.conf"))
        for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
            if (strncmp(line, name, length) == 0 && line[length] == '=')
                snprintf(value, 160, "%.*s", (int)strcspn(line + length + 1, " \t\r"), line + length + 1);
    return value;
}

/* One slow way. */
struct rule {
    const char *name;
    const char *values; /* slow ones, with commas; "*": any */
    bool rdma;          /* matters only where there is an RDMA device */
    const char *consequence;
};

/* Source: NCCL's documentation of environment variables. LOC and 0 are the same level. */
static const struct rule rules[] = {
    { "NCCL_P2P_DISABLE", "1", false, "GPUs of a node go through host memory instead of NVLink or PCIe" },
    { "NCCL_P2P_LEVEL", "LOC,0", false, "GPUs of a node go through host memory instead of NVLink or PCIe" },
    { "NCCL_SHM_DISABLE", "1", false, "GPUs of a node without peer access go through the network" },
    { "NCCL_NVLS_ENABLE", "0", false, "no reductions in the NVSwitch" },
    { "NCCL_IB_DISABLE", "1", true, "between nodes TCP instead of RDMA" },
    { "NCCL_NET", "Socket,socket", true, "between nodes TCP instead of RDMA" },
    { "NCCL_NET_GDR_LEVEL", "LOC,0", true, "no GPUDirect RDMA: staged through host memory" },
    { "NCCL_IB_CUDA_SUPPORT", "0", true, "no GPUDirect RDMA: staged through host memory" },
    { "NCCL_NET_GDR_READ", "0", true, "sends are staged through host memory" },
    { "NCCL_DMABUF_ENABLE", "0", true, "no dma-buf: GPU memory needs nvidia_peermem" },
    { "NCCL_IB_PCI_RELAXED_ORDERING", "0", true, "half of the PCIe rate on AMD processors and in virtual machines" },
    { "NCCL_ALGO", "*", false, "one algorithm for all sizes and calls" },
    { "NCCL_PROTO", "*", false, "one protocol for all sizes" },
    { "NCCL_MAX_NCHANNELS", "1,2", false, "too few channels to fill NVLink or several cards" },
    { "NCCL_MAX_CTAS", "1,2", false, "too few channels to fill NVLink or several cards" },
    { "NCCL_DEBUG", "TRACE", false, "a line for each step of each call" },
    { "NCCL_CHECK_POINTERS", "1", false, "each call checks its buffers" },
    { "NCCL_LAUNCH_MODE", "GROUP", false, "calls of one process wait for each other" },
};

static void look_variables(const struct wm_patient *p, struct wm_finding *f)
{
    char value[160];
    if (p->topo->n_gpus == 0) {
        wm_finding_not_here(f, "no GPU here");
        return;
    }
    if (wm_variables_missing(p, f))
        return;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if ((rules[i].rdma && wm_patient_rdma(p) == 0) || nccl_value(p, rules[i].name, value)[0] == '\0')
            continue;
        if (strcmp(rules[i].values, "*") == 0 || wm_list_has(rules[i].values, value))
            wm_finding_say(f, WM_HEALTH_WARN, "%s=%s: %s", rules[i].name, value, rules[i].consequence);
    }
    if (f->health != WM_HEALTH_WARN)
        wm_finding_say(f, WM_HEALTH_OK, "no NCCL variable forces a slow way (/proc/self/environ, /etc/nccl.conf)");
}

/* ---- devices by name */

/* NCCL_IB_HCA and NCCL_SOCKET_IFNAME: "^" all but these, "=" exact names, else beginnings of names; "mlx5_1:1" a port.
 */
static bool names_one(const char *list, const char *name)
{
    bool except = list[0] == '^', exact;
    list += except;
    exact = list[0] == '=';
    list += exact;
    for (const char *at = list; *at != '\0'; at += *at == ',') {
        size_t whole = strcspn(at, ","), n = strcspn(at, ":,");
        bool fits = n > 0 && strncmp(at, name, n) == 0 && (!exact || name[n] == '\0');
        if (fits)
            return !except;
        at += whole;
    }
    return except;
}

static void judge_hca(const struct wm_patient *p, struct wm_finding *f)
{
    char value[160];
    if (wm_patient_rdma(p) == 0 || nccl_value(p, "NCCL_IB_HCA", value)[0] == '\0')
        return;
    for (int i = 0; i < p->topo->n_rdma; i++)
        if (names_one(value, p->topo->rdma[i].name))
            return;
    wm_finding_say(f, WM_HEALTH_FAIL, "NCCL_IB_HCA=%s names no RDMA device of this node: NCCL goes by TCP", value);
}

static void judge_interface(const struct wm_patient *p, struct wm_finding *f)
{
    char value[160];
    if (p->topo->n_netifs == 0 || nccl_value(p, "NCCL_SOCKET_IFNAME", value)[0] == '\0')
        return;
    for (int i = 0; i < p->topo->n_netifs; i++)
        if (names_one(value, p->topo->netif[i].name))
            return;
    wm_finding_say(f, WM_HEALTH_FAIL, "NCCL_SOCKET_IFNAME=%s names no interface of this node: NCCL cannot start",
                   value);
}

static const struct wm_topo_gid *gid_at(const struct wm_topo_port *port, int index)
{
    for (int i = 0; i < port->n_gids; i++)
        if (port->gid[i].index == index)
            return &port->gid[i];
    return NULL;
}

struct wanted {
    int index;
    struct wm_listing absent, old;
};

static void look_index(const struct wm_patient *p, const struct wm_topo_rdma *d, const struct wm_topo_port *port,
                       void *arg)
{
    struct wanted *w = arg;
    (void)p;
    if (port->fabric != WM_FABRIC_ROCE || d->virtual_device || port->n_gids == 0)
        return;
    const struct wm_topo_gid *gid = gid_at(port, w->index);
    if (gid == NULL || gid->gid[strspn(gid->gid, "0:")] == '\0')
        wm_listing_add(&w->absent, "%s:%d", d->name, port->number);
    else if (gid->type != WM_GID_ROCE_V2)
        wm_listing_add(&w->old, "%s:%d", d->name, port->number);
}

static void judge_gid_index(const struct wm_patient *p, struct wm_finding *f)
{
    struct wanted w = { 0 };
    char value[160], *end;
    if (nccl_value(p, "NCCL_IB_GID_INDEX", value)[0] == '\0')
        return;
    w.index = (int)strtol(value, &end, 10);
    if (*end != '\0' || w.index < 0) /* -1: NCCL chooses */
        return;
    wm_each_port(p, look_index, &w);
    if (w.absent.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL,
                       "NCCL_IB_GID_INDEX=%s is empty on %s "
                       "(/sys/class/infiniband/*/ports/*/gids): no connection",
                       value, wm_listing_text(&w.absent));
    if (w.old.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "NCCL_IB_GID_INDEX=%s is no RoCE v2 address on %s "
                       "(/sys/class/infiniband/*/ports/*/gid_attrs/types)",
                       value, wm_listing_text(&w.old));
}

static void look_devices(const struct wm_patient *p, struct wm_finding *f)
{
    if (p->topo->n_gpus == 0) {
        wm_finding_not_here(f, "no GPU here");
        return;
    }
    if (wm_variables_missing(p, f))
        return;
    judge_hca(p, f);
    judge_interface(p, f);
    judge_gid_index(p, f);
    if (f->health == WM_HEALTH_NOT_APPLICABLE)
        wm_finding_say(f, WM_HEALTH_OK,
                       "no NCCL variable names a device that is not there (/proc/self/environ, "
                       "/etc/nccl.conf)");
}

const struct wm_check wm_checks_nccl[] = {
    { .id = "nccl-variables",
      .subject = "NCCL variables that force a slow way",
      .reads = "NCCL_* in /proc/self/environ and /etc/nccl.conf",
      .why = "settings that once helped to find a fault, or suited another machine, cost bandwidth ever after",
      .mend = "unset the variable in the job script, its image and /etc/nccl.conf; where it is meant, note it with the "
              "result",
      .look = look_variables },
    { .id = "nccl-devices",
      .subject = "NCCL variables that name devices",
      .reads = "NCCL_IB_HCA, NCCL_SOCKET_IFNAME, NCCL_IB_GID_INDEX in /proc/self/environ and /etc/nccl.conf",
      .why = "a name or address index of another machine leaves NCCL without its cards: it goes by TCP, or not at all",
      .mend = "unset it, or name devices of this node (wiremark topo --gids)",
      .look = look_devices },
    { 0 },
};
