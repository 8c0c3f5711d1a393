/* Which provider transport ofi picks of a list, on which card, and what an EFA endpoint is said to do. */
#include "tests/unit/check.h"

#ifdef HAVE_LIBFABRIC
#include <stdlib.h>
#include <string.h>

#include "src/transport/ofi_ep.h"

struct offer {
    const char *provider, *domain, *driver, *link_layer;
};

static const struct offer tcp_only[] = {
    { "tcp;ofi_rxm", "lo", NULL, NULL },   { "net", "lo", NULL, NULL },  { "net;ofi_rxm", "lo", NULL, NULL },
    { "tcp;ofi_rxm", "eth0", NULL, NULL }, { "shm", "shm", NULL, NULL }, { NULL, NULL, NULL, NULL },
};
static const struct offer native_tcp[] = {
    { "tcp;ofi_rxm", "eth0", NULL, NULL },
    { "tcp", "eth0", NULL, NULL },
    { NULL, NULL, NULL, NULL },
};
static const struct offer cluster[] = {
    { "udp;ofi_rxd", "eth0", NULL, NULL },
    { "verbs;ofi_rxd", "mlx5_2", "mlx5_core", "Ethernet" },
    { "verbs;ofi_rxm", "mlx5_2", "mlx5_core", "Ethernet" },
    { "verbs;ofi_rxm", "mlx5_0", "mlx5_core", "InfiniBand" },
    { "tcp;ofi_rxm", "eth0", NULL, NULL },
    { NULL, NULL, NULL, NULL },
};
static const struct offer cloud[] = {
    { "tcp;ofi_rxm", "eth0", NULL, NULL },
    { "efa", "rdmap0s6-rdm", "efa", "Ethernet" },
    { "efa", "rdmap0s7-rdm", "efa", "Ethernet" },
    { NULL, NULL, NULL, NULL },
};

/* Asked without tags, libfabric 2.2 offers both of its fabrics. */
static const struct offer cloud_without_tags[] = {
    { "efa-direct", "rdmap0s6-rdm", "efa", "Ethernet" },
    { "efa-direct", "rdmap0s7-rdm", "efa", "Ethernet" },
    { "efa", "rdmap0s6-rdm", "efa", "Ethernet" },
    { "tcp;ofi_rxm", "eth0", NULL, NULL },
    { NULL, NULL, NULL, NULL },
};

static char *copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static struct fi_info *info_of(const struct offer *o)
{
    struct fi_info *info = fi_allocinfo();

    const bool direct = strcmp(o->provider, "efa-direct") == 0; /* libfabric: a fabric of provider efa */
    info->fabric_attr->prov_name = strdup(direct ? "efa" : o->provider);
    info->fabric_attr->name = strdup(direct ? "efa-direct" : "anything");
    info->domain_attr->name = strdup(o->domain);
    if (o->driver != NULL) {
        info->nic = calloc(1, sizeof(*info->nic));
        info->nic->device_attr = calloc(1, sizeof(*info->nic->device_attr));
        info->nic->link_attr = calloc(1, sizeof(*info->nic->link_attr));
        info->nic->device_attr->driver = copy(o->driver);
        info->nic->device_attr->name = strndup(o->domain, strcspn(o->domain, "-"));
        info->nic->link_attr->network_type = copy(o->link_layer);
    }
    return info;
}

static void free_list(struct fi_info *all)
{
    for (struct fi_info *info = all; info != NULL; info = info->next)
        if (info->nic != NULL) { /* not libfabric's own, which would need its provider to be freed */
            free(info->nic->device_attr->driver);
            free(info->nic->device_attr->name);
            free(info->nic->device_attr);
            free(info->nic->link_attr->network_type);
            free(info->nic->link_attr);
            free(info->nic);
            info->nic = NULL;
        }
    fi_freeinfo(all);
}

static struct fi_info *list_of(const struct offer *o)
{
    struct fi_info *all = NULL, **end = &all;

    for (; o->provider != NULL; o++, end = &(*end)->next)
        *end = info_of(o);
    return all;
}

static const struct pick {
    const struct offer *offers;
    struct wm_ofi_want want;
    const char *provider, *domain; /* NULL: none */
} picks[] = {
    { tcp_only, { .provider = NULL }, "tcp;ofi_rxm", "lo" },
    { tcp_only, { .provider = "net" }, "net", "lo" },
    { tcp_only, { .provider = "net;ofi_rxm" }, "net;ofi_rxm", "lo" },
    { tcp_only, { .provider = "tcp", .nic = "eth0" }, "tcp;ofi_rxm", "eth0" },
    { tcp_only, { .provider = "net", .nic = "eth0" }, NULL, NULL },
    { tcp_only, { .provider = "tc" }, NULL, NULL },
    { tcp_only, { .provider = "shm;ofi_rxm" }, NULL, NULL },
    { tcp_only, { .fabric = WM_FABRIC_SHM }, "shm", "shm" },
    { tcp_only, { .fabric = WM_FABRIC_TCP, .provider = "net" }, "net", "lo" },
    { tcp_only, { .fabric = WM_FABRIC_EFA }, NULL, NULL },
    { native_tcp, { .provider = "tcp" }, "tcp", "eth0" },
    { native_tcp, { .provider = "tcp;ofi_rxm" }, "tcp;ofi_rxm", "eth0" },
    { cluster, { .provider = NULL }, "verbs;ofi_rxm", "mlx5_2" },
    { cluster, { .fabric = WM_FABRIC_ROCE }, "verbs;ofi_rxm", "mlx5_2" },
    { cluster, { .fabric = WM_FABRIC_IB }, "verbs;ofi_rxm", "mlx5_0" },
    { cluster, { .fabric = WM_FABRIC_IB, .nic = "mlx5_0:1" }, "verbs;ofi_rxm", "mlx5_0" },
    { cluster, { .fabric = WM_FABRIC_IB, .nic = "mlx5_2" }, NULL, NULL },
    { cluster, { .fabric = WM_FABRIC_TCP }, "tcp;ofi_rxm", "eth0" },
    { cluster, { .provider = "verbs;ofi_rxd" }, "verbs;ofi_rxd", "mlx5_2" },
    { cluster, { .nic = "mlx5_0" }, "verbs;ofi_rxm", "mlx5_0" },
    { cloud, { .provider = NULL }, "efa", "rdmap0s6-rdm" },
    { cloud, { .fabric = WM_FABRIC_EFA, .nic = "rdmap0s7-rdm" }, "efa", "rdmap0s7-rdm" },
    { cloud, { .fabric = WM_FABRIC_EFA, .nic = "rdmap0s7" }, "efa", "rdmap0s7-rdm" },
    { cloud, { .fabric = WM_FABRIC_ROCE }, NULL, NULL },
    { cloud, { .provider = "efa-direct" }, NULL, NULL },
    { cloud_without_tags, { .provider = "efa-direct" }, "efa-direct", "rdmap0s6-rdm" },
    { cloud_without_tags, { .provider = "efa-direct", .nic = "rdmap0s7" }, "efa-direct", "rdmap0s7-rdm" },
    { cloud_without_tags, { .provider = "efa-direct", .fabric = WM_FABRIC_EFA }, "efa-direct", "rdmap0s6-rdm" },
    { cloud_without_tags, { .provider = "efa" }, "efa", "rdmap0s6-rdm" },
    { cloud_without_tags, { .provider = NULL }, "efa", "rdmap0s6-rdm" },
    { cloud_without_tags, { .provider = "tcp" }, "tcp;ofi_rxm", "eth0" },
};

static void test_picks(void)
{
    for (size_t i = 0; i < sizeof(picks) / sizeof(*picks); i++) {
        struct fi_info *all = list_of(picks[i].offers);
        const struct fi_info *got = wm_ofi_pick(all, &picks[i].want);
        if (CHECK_INT(got != NULL, picks[i].provider != NULL) && got != NULL) {
            CHECK_TEXT(wm_ofi_name(got), picks[i].provider);
            CHECK_TEXT(got->domain_attr->name, picks[i].domain);
        } else if (got == NULL && picks[i].provider != NULL) {
            printf("  pick %zu\n", i);
        }
        free_list(all);
    }
}

static void test_contradictions(void)
{
    static const struct {
        struct wm_ofi_want want;
        const char *says; /* NULL: they go together */
    } cases[] = {
        { { .provider = "tcp" }, NULL },
        { { .fabric = WM_FABRIC_TCP, .provider = "tcp" }, NULL },
        { { .fabric = WM_FABRIC_TCP, .provider = "udp;ofi_rxd" }, NULL },
        { { .fabric = WM_FABRIC_IB, .provider = "verbs" }, NULL },
        { { .fabric = WM_FABRIC_ROCE, .provider = "psm3" }, NULL },
        { { .fabric = WM_FABRIC_EFA, .provider = "tcp;ofi_rxm" },
          "--fabric efa and --provider tcp;ofi_rxm contradict each other: that provider is of fabric tcp" },
        { { .fabric = WM_FABRIC_TCP, .provider = "shm" },
          "--fabric tcp and --provider shm contradict each other: that provider is of fabric shm" },
        { { .fabric = WM_FABRIC_NVLINK },
          "--fabric nvlink: transport ofi drives networks and shared memory, not this" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct wm_err err = { .rank = -1 };
        CHECK_INT(wm_ofi_contradiction(&cases[i].want, &err), cases[i].says != NULL ? WM_EUSAGE : WM_OK);
        CHECK_TEXT(err.what, cases[i].says != NULL ? cases[i].says : "");
    }
}

static void test_efa(void)
{
    static const struct {
        struct wm_ofi_efa efa;
        const char *says;
    } cases[] = {
        { { .fabric = "efa", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE },
          "fabric efa; reads and writes by the device; within a host shared memory" },
        { { .fabric = "efa-direct", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_EMULATED },
          "fabric efa-direct; reads by the device, writes emulated by messages" },
        { { .fabric = "efa", .read = WM_OFI_EMULATED, .write = WM_OFI_EMULATED, .use_device_rdma = "no" },
          "fabric efa; reads and writes emulated by messages; FI_EFA_USE_DEVICE_RDMA switches the device's RDMA off; "
          "within a host shared memory" },
        { { .fabric = "efa", .use_device_rdma = "0" },
          "fabric efa; reads and writes emulated by messages; FI_EFA_USE_DEVICE_RDMA switches the device's RDMA off; "
          "within a host shared memory" },
        { { .fabric = "efa", .use_device_rdma = "1" },
          "fabric efa; reads and writes by the device or emulated: this libfabric does not say; within a host shared "
          "memory" },
        { { .fabric = "efa", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE, .fork_safe = "True" },
          "fabric efa; reads and writes by the device; within a host shared memory; FI_EFA_FORK_SAFE: slower "
          "registration, no huge pages inside" },
        { { .fabric = "efa", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE, .fork_safe = "0" },
          "fabric efa; reads and writes by the device; within a host shared memory" },
        { { .fabric = "efa", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE, .ibv_fork_safe = "0" },
          "fabric efa; reads and writes by the device; within a host shared memory; RDMAV_FORK_SAFE: slower "
          "registration, no huge pages inside" },
        { { .fabric = "efa", .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE, .enable_shm_transfer = "0" },
          "fabric efa; reads and writes by the device" },
        { { .read = WM_OFI_BY_DEVICE, .write = WM_OFI_BY_DEVICE, .use_huge_page = "off" },
          "fabric not known; reads and writes by the device; FI_EFA_USE_HUGE_PAGE off: small pages inside" },
    };
    char text[200], little[12];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        CHECK_TEXT(wm_ofi_efa_tell(&cases[i].efa, text, sizeof(text)), cases[i].says);
    CHECK_TEXT(wm_ofi_efa_tell(&cases[0].efa, little, sizeof(little)), "fabric efa;");
}

int main(void)
{
    test_picks();
    test_contradictions();
    test_efa();
    return wm_tests_end();
}
#else
int main(void)
{
    printf("libfabric is not built in\n");
    return 77;
}
#endif
