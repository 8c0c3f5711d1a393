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

/* ---- Memory of GPUs, with a domain and an endpoint that write down what they are asked ---- */

static struct fi_mr_attr asked;
static struct iovec asked_iov;
static int answers, p2p; /* what calls return; the value of FI_OPT_FI_HMEM_P2P */

static int stand_in_regattr(struct fid *domain, const struct fi_mr_attr *attr, uint64_t flags, struct fid_mr **mr)
{
    static struct fid_mr one;
    (void)domain;
    asked = *attr;
    asked_iov = *attr->mr_iov;
    *mr = answers == 0 && flags == 0 ? &one : NULL;
    return answers;
}

static int stand_in_reg(struct fid *domain, const void *at, size_t bytes, uint64_t access, uint64_t offset,
                        uint64_t key, uint64_t flags, struct fid_mr **mr, void *context)
{
    const struct iovec iov = { .iov_base = (char *)(uintptr_t)at, .iov_len = bytes };
    const struct fi_mr_attr attr = {
        .mr_iov = &iov, .access = access, .offset = offset, .requested_key = key, .context = context
    };
    return stand_in_regattr(domain, &attr, flags, mr);
}

static int stand_in_setopt(struct fid *ep, int level, int name, const void *value, size_t bytes)
{
    (void)ep;
    if (level == FI_OPT_ENDPOINT && name == FI_OPT_FI_HMEM_P2P && bytes == sizeof(p2p))
        memcpy(&p2p, value, sizeof(p2p));
    return answers;
}

static struct fi_ops_mr mr_ops = { .size = sizeof(mr_ops), .reg = stand_in_reg, .regattr = stand_in_regattr };
static struct fi_ops_ep ep_ops = { .size = sizeof(ep_ops), .setopt = stand_in_setopt };
static struct fid_domain domain = { .mr = &mr_ops };
static struct fid_ep endpoint = { .ops = &ep_ops };

static struct wm_ofi_ep gpu_ep(const struct offer *offer)
{
    struct wm_ofi_ep e = { .info = info_of(offer), .domain = &domain, .fid = &endpoint, .next_key = 40 };
    endpoint.fid.fclass = FI_CLASS_EP;
    e.gpu = (struct wm_ofi_gpu){ .offered = true, .taken = true, .refused = { .rank = -1 } };
    e.gpu.gpu = (struct wm_cuda_card){ .index = 1, .handle = 11 };
    answers = 0;
    p2p = -1;
    return e;
}

static void free_ep(struct wm_ofi_ep *e)
{
    e->info->next = NULL;
    free_list(e->info);
}

/* As CUDA memory, by the driver's handle; also where nobody else reaches into it and the provider wants no local keys.
 */
static void test_gpu_registration(void)
{
    struct wm_ofi_ep e = gpu_ep(&cloud[1]);
    struct wm_err err = { .rank = -1 };
    struct fid_mr *mr = NULL;
    char bytes[100];

    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), false, true, &mr, &err), WM_OK);
    CHECK(mr != NULL && asked_iov.iov_base == bytes && asked_iov.iov_len == sizeof(bytes) && asked.iov_count == 1);
    CHECK(asked.iface == FI_HMEM_CUDA && asked.device.cuda == 11 && asked.requested_key == 40);
    CHECK_INT(asked.access, FI_SEND | FI_RECV | FI_READ | FI_WRITE);
    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), true, true, &mr, &err), WM_OK);
    CHECK_INT(asked.access, FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE);
    CHECK_INT(asked.requested_key, 41);
    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), true, false, &mr, &err), WM_OK);
    CHECK(asked.iface == FI_HMEM_SYSTEM && asked.requested_key == 42);
    mr = NULL;
    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), false, false, &mr, &err), WM_OK);
    CHECK(mr == NULL);
    answers = -FI_EFAULT;
    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), true, true, &mr, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "provider efa refuses 100 bytes of GPU 1");
    CHECK(strcmp(err.call, "fi_mr_regattr") == 0 && strcmp(err.native_text, "Bad address") == 0);
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_ofi_register(&e, bytes, sizeof(bytes), true, false, &mr, &err), WM_ESYS);
    free_ep(&e);
}

/* Peer to peer is required; a provider that does not promise it is handed nothing. */
static void test_gpu_strict(void)
{
    static const struct {
        int answers;
        enum wm_cuda_flush flush;
        const char *refuses, *says; /* what takes() says, and the claim */
    } cases[] = {
        { 0, WM_CUDA_FLUSH_CALL, "", "; GPU memory by FI_HMEM, peer to peer, flushed by cuFlushGPUDirectRDMAWrites" },
        { 0, WM_CUDA_FLUSH_NONE, "", "; GPU memory by FI_HMEM, peer to peer, in order without a flush" },
        { 0, WM_CUDA_FLUSH_READ, "", "; GPU memory by FI_HMEM, peer to peer, which no flush makes visible" },
        { -FI_EOPNOTSUPP, WM_CUDA_FLUSH_CALL,
          "provider verbs;ofi_rxd does not promise to leave the host out (FI_HMEM_P2P_REQUIRED)", "" },
    };
    char text[160];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct wm_ofi_ep e = gpu_ep(&cluster[1]);
        struct wm_err err = { .rank = -1 };
        answers = cases[i].answers;
        e.gpu.flush = cases[i].flush;
        wm_ofi_gpu_strict(&e);
        CHECK_INT(p2p, FI_HMEM_P2P_REQUIRED);
        CHECK_INT(wm_ofi_takes(&e.ep, &wm_mem_device, &err), cases[i].answers == 0 ? WM_OK : WM_EUNSUP);
        CHECK_TEXT(err.what, cases[i].refuses);
        CHECK_TEXT(err.call, cases[i].answers == 0 ? "" : "fi_setopt");
        CHECK_TEXT(wm_ofi_gpu_tell(&e.gpu, text, sizeof(text)), cases[i].says);
        err = (struct wm_err){ .rank = -1 };
        CHECK_INT(wm_ofi_takes(&e.ep, &wm_mem_managed, &err), WM_EUNSUP);
        CHECK_HAS(err.what, "managed memory moves");
        free_ep(&e);
    }
}

/* A region says whether its GPU needs a flush: here where there is one, to the peers in any case. */
static void test_gpu_flush(void)
{
    static const struct {
        enum wm_cuda_flush flush;
        bool here, there;
    } cases[] = {
        { WM_CUDA_FLUSH_NONE, false, false },
        { WM_CUDA_FLUSH_CALL, true, true },
        { WM_CUDA_FLUSH_READ, false, true },
    };
    char bytes[64];
    struct wm_buf buf = { .mem = &wm_mem_device, .ptr = bytes, .dma = bytes, .bytes = sizeof(bytes) };

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
        struct wm_ofi_ep e = gpu_ep(&cloud[1]);
        struct wm_region *mine = NULL, *theirs = NULL;
        unsigned char key[WM_KEY_BYTES] = { 0 };
        struct wm_err err = { .rank = -1 };
        const bool gpu = i % 2 == 0;
        answers = -FI_EFAULT; /* nothing may be left behind that was not registered */
        buf.mem = gpu ? &wm_mem_device : &wm_mem_host;
        CHECK_INT(wm_ofi_reg(&e.ep, &buf, true, &mine, &err), gpu ? WM_EUNSUP : WM_ESYS);
        CHECK(e.regions == NULL);
        answers = 0;
        err = (struct wm_err){ .rank = -1 };
        buf.bytes = 0; /* what has no bytes is registered nowhere */
        e.gpu.flush = cases[i / 2].flush;
        CHECK_INT(wm_ofi_reg(&e.ep, &buf, true, &mine, &err), WM_OK);
        buf.bytes = sizeof(bytes);
        CHECK_INT(wm_ofi_needs_flush(mine), gpu && cases[i / 2].here);
        CHECK_INT(wm_ofi_key(&e.ep, mine, key, &err), WM_OK);
        CHECK_INT(wm_ofi_import(&e.ep, 0, key, &theirs, &err), WM_OK);
        CHECK_INT(wm_ofi_needs_flush(theirs), gpu && cases[i / 2].there);
        wm_ofi_unreg(&e.ep, theirs);
        wm_ofi_unreg(&e.ep, mine);
        free_ep(&e);
    }
}

int main(void)
{
    test_picks();
    test_contradictions();
    test_efa();
    test_gpu_registration();
    test_gpu_strict();
    test_gpu_flush();
    return wm_tests_end();
}
#else
int main(void)
{
    printf("libfabric is not built in\n");
    return 77;
}
#endif
