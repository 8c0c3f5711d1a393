/** Which of the endpoints that libfabric offers transport ofi takes: pure, over the list of fi_getinfo(). */
#include <string.h>

#include "src/topo/fabric.h"
#include "src/transport/ofi_ep.h"

/* Best first, where the user names none: cards with transports of their own, then the kernel's, then one host only. */
static const char *const order[] = { "cxi", "efa", "opx", "psm3",    "psm2", "verbs",
                                     "tcp", "net", "udp", "sockets", "shm",  WM_OFI_EFA_DIRECT };
enum { CORES = sizeof(order) / sizeof(*order) };

bool wm_ofi_core_is(const char *name, const char *core)
{
    size_t length = strcspn(name, ";");
    return strlen(core) == length && strncmp(name, core, length) == 0;
}

const char *wm_ofi_name(const struct fi_info *info)
{
    const struct fi_fabric_attr *a = info->fabric_attr;
    return a->name != NULL && strcmp(a->name, WM_OFI_EFA_DIRECT) == 0 ? WM_OFI_EFA_DIRECT : a->prov_name;
}

static int place_of(const char *name)
{
    int core = 0;

    while (core < CORES && !wm_ofi_core_is(name, order[core]))
        core++;
    return core;
}

bool wm_ofi_is_known(const char *name)
{
    return place_of(name) < CORES;
}

const char *wm_ofi_device(const struct fi_info *info)
{
    const struct fid_nic *nic = info->nic;

    if (nic != NULL && nic->device_attr != NULL && nic->device_attr->name != NULL)
        return nic->device_attr->name;
    return info->domain_attr->name != NULL ? info->domain_attr->name : "";
}

enum wm_fabric wm_ofi_fabric(const struct fi_info *info)
{
    struct wm_fabric_facts facts = { .provider = wm_ofi_name(info) };
    const struct fid_nic *nic = info->nic;

    if (nic != NULL && nic->device_attr != NULL)
        facts.driver = nic->device_attr->driver;
    if (nic != NULL && nic->link_attr != NULL)
        facts.link_layer = nic->link_attr->network_type;
    return wm_fabric_of(&facts);
}

/* "mlx5_0:2" names a port, which libfabric does not: the device counts. */
static bool is_card(const char *name, const char *nic)
{
    size_t length = strcspn(nic, ":");
    return name != NULL && strlen(name) == length && strncmp(name, nic, length) == 0;
}

/* A full name is meant as it stands, a core with whatever layers make it a datagram endpoint. */
static bool is_provider(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0 || (strchr(wanted, ';') == NULL && wm_ofi_core_is(name, wanted));
}

enum wm_ofi_met wm_ofi_meets(const struct fi_info *info, const struct wm_ofi_want *want)
{
    if (want->provider != NULL && !is_provider(wm_ofi_name(info), want->provider))
        return WM_OFI_NONE;
    if (want->fabric != WM_FABRIC_UNKNOWN && wm_ofi_fabric(info) != want->fabric)
        return WM_OFI_PROVIDER;
    if (want->nic != NULL && !is_card(info->domain_attr->name, want->nic) && !is_card(wm_ofi_device(info), want->nic))
        return WM_OFI_FABRIC;
    return WM_OFI_ALL;
}

/* Lower is better. Of one core the endpoint that it has itself, then the layer over connections, then any other. */
static int rank_of(const struct fi_info *info)
{
    const char *name = wm_ofi_name(info), *layers = strchr(name, ';');
    return 3 * place_of(name) + (layers == NULL ? 0 : strcmp(layers, ";ofi_rxm") == 0 ? 1 : 2);
}

const struct fi_info *wm_ofi_pick(const struct fi_info *all, const struct wm_ofi_want *want)
{
    const struct fi_info *best = NULL;

    for (const struct fi_info *info = all; info != NULL; info = info->next)
        if (wm_ofi_meets(info, want) == WM_OFI_ALL && (best == NULL || rank_of(info) < rank_of(best)))
            best = info;
    return best;
}

int wm_ofi_contradiction(const struct wm_ofi_want *want, struct wm_err *err)
{
    enum wm_fabric fixed = want->provider != NULL
                               ? wm_fabric_of(&(struct wm_fabric_facts){ .provider = want->provider })
                               : WM_FABRIC_UNKNOWN;

    if (want->fabric == WM_FABRIC_NVLINK || want->fabric == WM_FABRIC_PCIE)
        return wm_fail(err, WM_EUSAGE, "", 0, "--fabric %s: transport ofi drives networks and shared memory, not this",
                       wm_fabric_names[want->fabric]);
    if (want->fabric != WM_FABRIC_UNKNOWN && fixed != WM_FABRIC_UNKNOWN && fixed != want->fabric)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--fabric %s and --provider %.60s contradict each other: that provider is of fabric %s",
                       wm_fabric_names[want->fabric], want->provider, wm_fabric_names[fixed]);
    return WM_OK;
}
