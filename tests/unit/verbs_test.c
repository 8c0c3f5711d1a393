/**
 * The verbs transport on cards that do not exist: which port and address it takes, what it needs, what it asks of a
 * connection and what it says of each way to fail. libibverbs' functions are stood in for below.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/mem/cuda.h"
#include "src/mem/cuda_device.h"
#include "src/transport/verbs_ep.h"
#include "tests/unit/check.h"
#include "tests/unit/stand_in.h"

/* ---- The cards ---- */

struct port {
    enum ibv_port_state state;
    uint8_t link_layer, speed, width;
    uint32_t ifindex; /* of its RoCE addresses */
    uint16_t lid;
};

static struct card {
    struct ibv_device device;
    struct ibv_context context;
    int ports;
    struct port port[2];
} cards[4];
static struct ibv_device *list[5];
static int n_cards;

static struct ibv_device_attr capable = { .max_qp = 1000,
                                          .max_qp_wr = 1000,
                                          .max_cqe = 10000,
                                          .max_srq_wr = 1000,
                                          .max_mr_size = 1 << 30,
                                          .max_qp_rd_atom = 16,
                                          .max_qp_init_rd_atom = 16 };
static struct ibv_device_attr has;
static uint32_t most_inline;

/* What it was asked for, and how the next work request ends. */
static struct ibv_qp_attr asked;
static enum ibv_mtu active_mtu = IBV_MTU_4096;
static struct ibv_wc next_wc;
static uint64_t done[256]; /* wr_id of those that end, oldest first */
static unsigned first_done, wcs;
static unsigned wrs, signalled, reads;
static struct ibv_send_wr last_wr;
static int fail_reg, fail_open, fail_query; /* errno */

static struct card *card_of(const struct ibv_context *context)
{
    return (struct card *)(void *)context->device;
}

static int stand_in_poll(struct ibv_cq *cq, int n, struct ibv_wc *wc)
{
    (void)cq;
    if (wcs == 0 || n == 0)
        return 0;
    wcs--;
    *wc = next_wc;
    wc->wr_id = done[first_done++ % 256];
    return 1;
}

static int stand_in_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
    (void)bad;
    for (; wr != NULL; wr = wr->next) {
        wrs++;
        reads += wr->opcode == IBV_WR_RDMA_READ;
        last_wr = *wr;
        next_wc.qp_num = qp->qp_num;
        if (wr->send_flags & IBV_SEND_SIGNALED) {
            signalled++;
            done[(first_done + wcs++) % 256] = wr->wr_id;
        }
    }
    return 0;
}

static int stand_in_give(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    (void)srq;
    (void)wr;
    (void)bad;
    return 0;
}

#undef ibv_get_device_list
#undef ibv_query_port
#undef ibv_reg_mr
struct ibv_device **ibv_get_device_list(int *n)
{
    for (int i = 0; i < n_cards; i++)
        list[i] = &cards[i].device;
    *n = n_cards;
    return list;
}

void ibv_free_device_list(struct ibv_device **devices)
{
    (void)devices;
}

const char *ibv_get_device_name(struct ibv_device *device)
{
    return device->name;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
    struct card *card = (struct card *)(void *)device;
    errno = fail_open;
    if (fail_open != 0)
        return NULL;
    card->context = (struct ibv_context){
        .device = device,
        .ops = { .poll_cq = stand_in_poll, .post_send = stand_in_send, .post_srq_recv = stand_in_give }
    };
    return &card->context;
}

int ibv_close_device(struct ibv_context *context)
{
    (void)context;
    return 0;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
    *attr = has;
    attr->phys_port_cnt = (uint8_t)card_of(context)->ports;
    return 0;
}

int ibv_query_port(struct ibv_context *context, uint8_t number, struct _compat_ibv_port_attr *out)
{
    const struct port *port = &card_of(context)->port[number - 1];
    struct ibv_port_attr attr = { .state = port->state,
                                  .active_mtu = active_mtu,
                                  .gid_tbl_len = 3,
                                  .max_msg_sz = 1u << 30,
                                  .lid = port->lid,
                                  .active_width = port->width,
                                  .active_speed = port->speed,
                                  .link_layer = port->link_layer };
    memcpy(out, &attr, sizeof(attr));
    return fail_query; /* errno stays what it was */
}

/* 0 is link-local, 1 an IPv4 address of RoCE v2, 2 empty. */
int _ibv_query_gid_ex(struct ibv_context *context, uint32_t port, uint32_t index, struct ibv_gid_entry *entry,
                      uint32_t flags, size_t bytes)
{
    const struct port *p = &card_of(context)->port[port - 1];
    (void)flags;
    if (index >= 2)
        return ENODATA;
    memset(entry, 0, bytes);
    entry->ndev_ifindex = p->ifindex;
    entry->gid_type = p->link_layer == IBV_LINK_LAYER_ETHERNET ? IBV_GID_TYPE_ROCE_V2 : IBV_GID_TYPE_IB;
    if (index == 0)
        memcpy(entry->gid.raw, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    else
        memcpy(entry->gid.raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\1", 16);
    return 0;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
    static struct ibv_pd pd;
    pd.context = context;
    return &pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
    (void)pd;
    return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int entries, void *cookie, struct ibv_comp_channel *channel,
                             int vector)
{
    static struct ibv_cq cq;
    (void)entries, (void)cookie, (void)channel, (void)vector;
    cq.context = context;
    return &cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
    (void)cq;
    return 0;
}

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
    static struct ibv_srq srq;
    (void)attr;
    srq.context = pd->context;
    return &srq;
}

int ibv_destroy_srq(struct ibv_srq *srq)
{
    (void)srq;
    return 0;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t bytes, int access)
{
    (void)pd, (void)address, (void)bytes, (void)access;
    errno = fail_reg;
    return fail_reg != 0 ? NULL : calloc(1, sizeof(struct ibv_mr));
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t bytes, uint64_t iova, unsigned access)
{
    (void)iova;
    return ibv_reg_mr(pd, address, bytes, (int)access);
}

/* A card without dma-buf says so before it looks for the file; one with it looks. */
static int no_dmabuf, fail_dmabuf; /* errno */
static struct {
    uint64_t offset, iova;
    size_t bytes, file_bytes;
    int fd, access;
} dmabuf;

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova, int fd, int access)
{
    struct stat file = { .st_size = 0 };
    errno = no_dmabuf != 0 ? no_dmabuf : fstat(fd, &file) != 0 ? EBADF : fail_dmabuf;
    (void)pd;
    if (errno != 0)
        return NULL;
    dmabuf.offset = offset;
    dmabuf.iova = iova;
    dmabuf.bytes = length;
    dmabuf.file_bytes = (size_t)file.st_size;
    dmabuf.fd = fd;
    dmabuf.access = access;
    struct ibv_mr *mr = calloc(1, sizeof(*mr));
    mr->rkey = 99;
    return mr;
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
    free(mr);
    return 0;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
    static struct ibv_qp qp;
    if (attr->cap.max_inline_data > most_inline)
        return NULL;
    qp.context = pd->context;
    qp.qp_num = 77;
    return &qp;
}

int ibv_destroy_qp(struct ibv_qp *qp)
{
    (void)qp;
    return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
    (void)qp;
    if (mask & IBV_QP_RNR_RETRY) {
        asked.rnr_retry = attr->rnr_retry;
        asked.retry_cnt = attr->retry_cnt;
        asked.timeout = attr->timeout;
    }
    if (mask & IBV_QP_AV) {
        asked.ah_attr = attr->ah_attr;
        asked.path_mtu = attr->path_mtu;
    }
    return 0;
}

static struct card card(const char *name, int ports, struct port port)
{
    struct card card = { .ports = ports, .port = { port, port } };
    card.device.node_type = IBV_NODE_CA;
    card.device.transport_type = IBV_TRANSPORT_IB;
    snprintf(card.device.name, sizeof(card.device.name), "%s", name);
    return card;
}

#define IB(s)                                                                                                          \
    ((struct port){                                                                                                    \
        .state = IBV_PORT_ACTIVE, .link_layer = IBV_LINK_LAYER_INFINIBAND, .speed = (s), .width = 2, .lid = 9 })
#define ROCE(s)                                                                                                        \
    ((struct port){ .state = IBV_PORT_ACTIVE, .link_layer = IBV_LINK_LAYER_ETHERNET, .speed = (s), .width = 2 })
#define DOWN ((struct port){ .state = IBV_PORT_DOWN, .link_layer = IBV_LINK_LAYER_INFINIBAND, .speed = 1, .width = 2 })

static void plug_none(void)
{
    n_cards = 0;
    has = capable;
    most_inline = 128;
    wcs = 0;
    wrs = signalled = reads = 0;
    next_wc = (struct ibv_wc){ .status = IBV_WC_SUCCESS };
}

static void plug(struct card c)
{
    cards[n_cards++] = c;
}

/* mlx5_0: InfiniBand, one port; mlx5_1: RoCE, two ports, the second belongs to the loopback interface; mlx5_2: down. */
static void plug_three(void)
{
    plug_none();
    plug(card("mlx5_0", 1, IB(32)));
    plug(card("mlx5_1", 2, ROCE(32)));
    cards[1].port[1].ifindex = 1;
    plug(card("mlx5_2", 1, DOWN));
}

/* ---- Which port ---- */

static void takes(struct wm_verbs_want want, const char *name, int gid_index)
{
    struct wm_verbs_port port = { 0 };
    struct wm_err err = { .rank = -1 };

    if (CHECK_INT(wm_verbs_port_open(&want, &port, &err), WM_OK)) {
        CHECK_TEXT(port.name, name);
        CHECK_INT(port.gid_index, gid_index);
    } else {
        printf("  wanted %s: %s\n", name, err.what);
    }
    wm_verbs_port_close(&port);
}

static void refuses(struct wm_verbs_want want, enum wm_code code, const char *text)
{
    struct wm_verbs_port port = { 0 };
    struct wm_err err = { .rank = -1 };

    CHECK_INT(wm_verbs_port_open(&want, &port, &err), code);
    CHECK_TEXT(err.what, text);
}

#define WANT(...) ((struct wm_verbs_want){ .gid_index = -1, __VA_ARGS__ })

static void test_port(void)
{
    plug_none();
    refuses(WANT(.nic_port = 0), WM_EABSENT, "no RDMA device here (/sys/class/infiniband)");
    plug_three();
    takes(WANT(.fabric = WM_FABRIC_IB), "mlx5_0:1", 0);
    takes(WANT(.fabric = WM_FABRIC_ROCE), "mlx5_1:1", 1);
    takes(WANT(.nic = "mlx5_1"), "mlx5_1:1", 1);
    takes(WANT(.nic = "mlx5_1:2"), "mlx5_1:2", 1);
    takes(WANT(.nic = "mlx5_1:2", .nic_port = 2), "mlx5_1:2", 1);
    takes(WANT(.nic = "mlx5_1", .nic_port = 2), "mlx5_1:2", 1);
    takes(WANT(.nic_port = 2), "mlx5_1:2", 1);
    takes(WANT(.nic = "lo"), "mlx5_1:2", 1);
    takes(((struct wm_verbs_want){ .nic = "mlx5_1" }), "mlx5_1:1", 0);
    refuses(WANT(.nic = "mlx5_1:2", .nic_port = 1), WM_EUSAGE,
            "--nic mlx5_1:2 and --nic-port 1 name two ports: leave one of them out");
#define THREE "there are mlx5_0:1 ib active, mlx5_1:1 roce active, mlx5_1:2 roce active, mlx5_2:1 ib down"
    refuses(WANT(.fabric = WM_FABRIC_EFA), WM_EABSENT,
            "no RDMA port here is active and what is asked for: --fabric efa; " THREE);
    refuses(WANT(.nic = "mlx5_2"), WM_EABSENT,
            "no RDMA port here is active and what is asked for: --nic mlx5_2; " THREE);
    refuses(WANT(.fabric = WM_FABRIC_IB, .nic = "mlx5_1", .nic_port = 7), WM_EABSENT,
            "no RDMA port here is active and what is asked for: --fabric ib --nic mlx5_1 --nic-port 7; " THREE);
    refuses(((struct wm_verbs_want){ .nic = "mlx5_1", .gid_index = 9 }), WM_EABSENT,
            "--gid-index 9: mlx5_1:1 has no such address; it has 0 fe80::1, 1 ::ffff:198.51.100.1");
    plug_none();
    plug(card("mlx5_2", 1, DOWN));
    refuses(WANT(.nic_port = 0), WM_EABSENT, "no RDMA port here is active; there are mlx5_2:1 ib down");
    cards[0].device.transport_type = IBV_TRANSPORT_IWARP;
    refuses(WANT(.nic_port = 0), WM_EABSENT,
            "no RDMA port here is active; there are mlx5_2 (iWARP: use transport ofi)");
    plug_none();
    plug(card("mlx5_0", 1, IB(32)));
    snprintf(cards[0].device.dev_name, sizeof(cards[0].device.dev_name), "uverbs0");
    fail_open = EACCES;
    refuses(WANT(.nic_port = 0), WM_EABSENT,
            "no RDMA port here is active; there are mlx5_0 (ibv_open_device: Permission denied: is "
            "/dev/infiniband/uverbs0 here, and may this user read and write it?)");
    fail_open = 0;
    fail_query = ENODEV;
    refuses(WANT(.nic_port = 0), WM_EABSENT,
            "no RDMA port here is active; there are mlx5_0:1 (ibv_query_port: No such device)");
    fail_query = 0;
}

static void say_local(struct card *c, const char *folder, const char *name, const char *cpus)
{
    char path[600];
    snprintf(c->device.ibdev_path, sizeof(c->device.ibdev_path), "%s/%s", folder, name);
    mkdir(c->device.ibdev_path, 0700);
    snprintf(path, sizeof(path), "%s/device", c->device.ibdev_path);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/device/local_cpulist", c->device.ibdev_path);
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fprintf(file, "%s\n", cpus);
        fclose(file);
    }
}

static void forget_local(const struct card *c)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/device/local_cpulist", c->device.ibdev_path);
    unlink(path);
    snprintf(path, sizeof(path), "%s/device", c->device.ibdev_path);
    rmdir(path);
    rmdir(c->device.ibdev_path);
}

/* Near goes before fast, fast before slow; equals are dealt out. */
static void test_nearest(void)
{
    char folder[] = "/tmp/wm-verbs-XXXXXX";
    struct wm_cpuset first = { 0 }, second = { 0 };

    wm_cpuset_add(&first, 1);
    wm_cpuset_add(&second, 5);
    plug_none();
    plug(card("slow_far", 1, ROCE(1)));
    plug(card("fast_far", 1, ROCE(128)));
    plug(card("near_a", 1, ROCE(32)));
    plug(card("near_b", 1, ROCE(32)));
    if (!CHECK(mkdtemp(folder) != NULL))
        return;
    say_local(&cards[0], folder, "slow_far", "0-3");
    say_local(&cards[1], folder, "fast_far", "0-3");
    say_local(&cards[2], folder, "near_a", "4-7");
    say_local(&cards[3], folder, "near_b", "4-7");
    takes(WANT(.nic_port = 0), "fast_far:1", 1);
    takes(WANT(.cpus = &first, .turn = 3), "fast_far:1", 1);
    takes(WANT(.cpus = &second), "near_a:1", 1);
    takes(WANT(.cpus = &second, .turn = 1), "near_b:1", 1);
    takes(WANT(.cpus = &second, .turn = 2), "near_a:1", 1);
    for (int i = 0; i < n_cards; i++)
        forget_local(&cards[i]);
    rmdir(folder);
}

/* ---- An endpoint that talks to itself ---- */

static struct wm_verbs_conf conf_now;
static atomic_bool expired;
static struct wm_world *world;

static const struct wm_verbs_conf plain = { .gid_index = -1, .qps = 1, .tx_depth = 16 };

static int open_ep(struct wm_ep **ep, struct wm_err *err)
{
    struct wm_ep_conf conf = { .world = world, .expired = &expired, .slots = 64, .own = &conf_now };
    *err = (struct wm_err){ .rank = -1 };
    return wm_transport_verbs.open(&conf, ep, err);
}

static void test_connection(void)
{
    struct wm_ep *ep = NULL;
    struct wm_err err;

    plug_three();
    conf_now = plain;
    conf_now.traffic_class = 96;
    conf_now.service_level = 3;
    if (!CHECK_INT(open_ep(&ep, &err), WM_OK)) {
        wm_err_print(stdout, &err);
        return;
    }
    CHECK_INT(asked.rnr_retry, 6); /* 7 is for ever */
    CHECK_INT(asked.retry_cnt, 6); /* 7 is for ever with rxe */
    CHECK(asked.timeout > 0);
    CHECK_INT(asked.ah_attr.sl, 3);
    CHECK_INT(((struct wm_verbs_ep *)ep)->max_inline, 128);
    wm_transport_verbs.close(ep);
    conf_now.nic_port = 2; /* RoCE: global, with the traffic class */
    if (CHECK_INT(open_ep(&ep, &err), WM_OK)) {
        CHECK(asked.ah_attr.is_global && asked.ah_attr.grh.traffic_class == 96);
        CHECK_INT(asked.ah_attr.grh.sgid_index, 1);
        wm_transport_verbs.close(ep);
    }
}

/* Packets as both ports carry them, as the user wants them, and larger than the port's. */
static void test_mtu(void)
{
    struct wm_ep *ep = NULL;
    struct wm_err err;

    plug_three();
    conf_now = plain;
    active_mtu = IBV_MTU_2048;
    if (CHECK_INT(open_ep(&ep, &err), WM_OK)) {
        CHECK_INT(asked.path_mtu, IBV_MTU_2048);
        wm_transport_verbs.close(ep);
    }
    conf_now.mtu = IBV_MTU_1024;
    if (CHECK_INT(open_ep(&ep, &err), WM_OK)) {
        CHECK_INT(asked.path_mtu, IBV_MTU_1024);
        wm_transport_verbs.close(ep);
    }
    conf_now.mtu = IBV_MTU_4096;
    CHECK_INT(open_ep(&ep, &err), WM_EABSENT);
    CHECK_HAS(err.what, "--mtu 4096: mlx5_0:1 carries packets of 2048 bytes at most");
    active_mtu = IBV_MTU_4096;
}

static void test_limits(void)
{
    struct wm_ep *ep = NULL;
    struct wm_err err;
    const struct {
        struct ibv_device_attr has;
        const char *says;
    } rows[] = {
        { { .max_qp = 1 }, "1 peers need 2 queue pairs (max_qp), and mlx5_0:1 has 1: lower --qps" },
        { { .max_cqe = 100 }, "entries in a completion queue (max_cqe), and mlx5_0:1 has 100: lower --tx-depth" },
        { { .max_srq_wr = 90 }, "1 peers need 98 entries in a shared receive queue (max_srq_wr), and mlx5_0:1 has 90" },
        { { .max_qp_wr = 20 }, "entries in a send queue (max_qp_wr), and mlx5_0:1 has 20: lower --tx-depth" },
        { { .max_mr_size = 4096 }, "bytes in one memory region (max_mr_size), and mlx5_0:1 has 4096" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        plug_three();
        conf_now = plain;
        conf_now.qps = 2;
#define LESS(field) has.field = rows[i].has.field != 0 ? rows[i].has.field : capable.field
        LESS(max_qp);
        LESS(max_cqe);
        LESS(max_srq_wr);
        LESS(max_qp_wr);
        LESS(max_mr_size);
        CHECK_INT(open_ep(&ep, &err), WM_EABSENT);
        CHECK_HAS(err.what, rows[i].says);
    }
    plug_three();
    conf_now = plain;
    fail_reg = EPERM;
    CHECK_INT(open_ep(&ep, &err), WM_ESYS);
    CHECK_TEXT(err.call, "ibv_reg_mr");
    CHECK_HAS(err.what, "the receive queue");
    fail_reg = 0;
}

static int put_once(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_msg msg = { .peer = 0, .bytes = 64, .local = region, .remote = region };
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_transport_verbs.bind_msg(ep, &msg, &err), WM_OK);
    int rc = ep->ops->put(ep, 0, &msg);
    return rc == WM_OK ? ep->ops->test(ep, 0) : rc;
}

static void test_completions(void)
{
    static const struct {
        enum ibv_wc_status status;
        const char *says;
    } rows[] = {
        { IBV_WC_RETRY_EXC_ERR, "no answer: look at the peer, the link and the address (--gid-index)" },
        { IBV_WC_RNR_RETRY_EXC_ERR, "the peer's receive queue stayed empty" },
        { IBV_WC_REM_ACCESS_ERR, "the peer's device refused it: its memory" },
        { IBV_WC_REM_INV_REQ_ERR, "the peer's device refused it: the request" },
        { IBV_WC_REM_OP_ERR, "the peer's device refused it: it could not" },
        { IBV_WC_LOC_PROT_ERR, "this device refused its own memory" },
        { IBV_WC_LOC_LEN_ERR, "longer than its receive" },
        { IBV_WC_LOC_QP_OP_ERR, "this device refused the work request" },
        { IBV_WC_WR_FLUSH_ERR, "the connection had failed before" },
        { IBV_WC_FATAL_ERR, "the kernel's log" },
    };
    static unsigned char bytes[64];
    struct wm_buf buf = { .ptr = bytes, .dma = bytes, .bytes = sizeof(bytes) };
    struct wm_ep *ep = NULL;
    struct wm_region *region = NULL;
    struct wm_err err;

    for (size_t i = 0; i <= sizeof(rows) / sizeof(*rows); i++) {
        const bool good = i == sizeof(rows) / sizeof(*rows);
        plug_three();
        conf_now = plain;
        if (!CHECK_INT(open_ep(&ep, &err), WM_OK))
            return;
        CHECK_INT(wm_transport_verbs.reg(ep, &buf, true, &region, &err), WM_OK);
        next_wc = (struct ibv_wc){ .status = good ? IBV_WC_SUCCESS : rows[i].status, .vendor_err = 0x81 };
        CHECK_INT(put_once(ep, region), good ? WM_OK : WM_ESYS);
        if (!good) {
            CHECK_HAS(ep->err.what, rows[i].says);
            CHECK_HAS(ep->err.what, "mlx5_0:1 with rank 0 on ");
            CHECK_HAS(ep->err.what, "vendor code 0x81");
            CHECK_TEXT(ep->err.native_text, ibv_wc_status_str(rows[i].status));
        }
        wm_transport_verbs.abandon(ep);
    }
}

/* Of a window every eighth work request tells; of one that is not a multiple, an empty WRITE behind it. */
static void test_window(void)
{
    static const struct {
        unsigned puts, wrs, signalled;
        int64_t tx_depth;
    } rows[] = { { 1, 1, 1, 64 },  { 8, 8, 2, 64 },   { 64, 64, 9, 64 },
                 { 9, 10, 3, 64 }, { 64, 64, 64, 4 }, { 40, 40, 6, 16 } };
    static unsigned char bytes[64];
    struct wm_buf buf = { .ptr = bytes, .dma = bytes, .bytes = sizeof(bytes) };
    struct wm_msg msg = { .bytes = 64 };
    struct wm_ep *ep = NULL;
    struct wm_region *region = NULL;
    struct wm_err err;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        plug_three();
        conf_now = plain;
        conf_now.tx_depth = rows[i].tx_depth;
        if (!CHECK_INT(open_ep(&ep, &err), WM_OK))
            return;
        CHECK_INT(wm_transport_verbs.reg(ep, &buf, true, &region, &err), WM_OK);
        msg.local = msg.remote = region;
        CHECK_INT(wm_transport_verbs.bind_msg(ep, &msg, &err), WM_OK);
        for (unsigned k = 0; k < rows[i].puts; k++)
            CHECK_INT(ep->ops->put(ep, k, &msg), WM_OK);
        for (unsigned k = 0, tries = 0; k < rows[i].puts && tries < 1000; tries++)
            k += ep->ops->test(ep, k) == WM_OK;
        CHECK_INT(wrs, rows[i].wrs);
        CHECK_INT(signalled, rows[i].signalled);
        CHECK_INT(((struct wm_verbs_ep *)ep)->peer[0].qp[0].room, rows[i].tx_depth);
        wm_transport_verbs.close(ep);
    }
}

/* ---- Memory of GPUs ---- */

#define CAPABLE .gpu = { .gpudirect = true, .dmabuf = true, .has_handle = true }, .card = "mlx5_0:1", .has_call = true
#define NO_MODULE                                                                                                      \
    "no module nvidia_peermem or nv_mem (/sys/module, /sys/kernel/mm/memory_peers): modprobe nvidia_peermem"
#define NONE_HERE "mlx5_0:1 takes none (ibv_reg_dmabuf_mr: Operation not supported)"

static void test_gdr_choice(void)
{
    static const struct {
        enum wm_verbs_gdr wanted;
        struct wm_verbs_gdr_facts facts;
        enum wm_verbs_gdr takes; /* AUTO: refuses */
        const char *says;
    } rows[] = {
        { WM_VERBS_GDR_AUTO, { CAPABLE, .probed = EBADF, .module = "nvidia_peermem" }, WM_VERBS_GDR_DMABUF, "" },
        { WM_VERBS_GDR_PEERMEM, { CAPABLE, .probed = EBADF, .module = "nvidia_peermem" }, WM_VERBS_GDR_PEERMEM, "" },
        { WM_VERBS_GDR_DMABUF, { CAPABLE, .probed = EBADF }, WM_VERBS_GDR_DMABUF, "" },
        { WM_VERBS_GDR_AUTO, { CAPABLE, .probed = EOPNOTSUPP, .module = "nv_mem" }, WM_VERBS_GDR_PEERMEM, "" },
        { WM_VERBS_GDR_DMABUF,
          { CAPABLE, .probed = EOPNOTSUPP, .module = "nv_mem" },
          WM_VERBS_GDR_AUTO,
          "--gdr dmabuf: " NONE_HERE },
        { WM_VERBS_GDR_DMABUF,
          { CAPABLE, .probed = EPROTONOSUPPORT },
          WM_VERBS_GDR_AUTO,
          "--gdr dmabuf: mlx5_0:1 takes none (ibv_reg_dmabuf_mr: Protocol not supported)" },
        { WM_VERBS_GDR_AUTO,
          { CAPABLE, .probed = EOPNOTSUPP },
          WM_VERBS_GDR_AUTO,
          "no GPU memory: dma-buf: " NONE_HERE "; peermem: " NO_MODULE },
        { WM_VERBS_GDR_PEERMEM, { CAPABLE, .probed = EBADF }, WM_VERBS_GDR_AUTO, "--gdr peermem: " NO_MODULE },
        { WM_VERBS_GDR_DMABUF,
          { .gpu = { .index = 3, .has_handle = true }, .card = "mlx5_0:1", .has_call = true, .probed = EBADF },
          WM_VERBS_GDR_AUTO,
          "--gdr dmabuf: GPU 3 offers none (DMA_BUF_SUPPORTED is 0): it takes the driver's open kernel modules and "
          "Linux "
          "5.12" },
        { WM_VERBS_GDR_DMABUF,
          { .gpu = { .dmabuf = true }, .card = "mlx5_0:1", .has_call = true, .probed = EBADF },
          WM_VERBS_GDR_AUTO,
          "--gdr dmabuf: the NVIDIA driver has no cuMemGetHandleForAddressRange: 515 or newer has" },
        { WM_VERBS_GDR_DMABUF,
          { .gpu = { .dmabuf = true, .has_handle = true }, .card = "mlx5_0:1" },
          WM_VERBS_GDR_AUTO,
          "--gdr dmabuf: this libibverbs has no ibv_reg_dmabuf_mr: rdma-core 34 or newer has" },
        { WM_VERBS_GDR_PEERMEM,
          { .card = "mlx5_0:1", .module = "nvidia_peermem" },
          WM_VERBS_GDR_AUTO,
          "--gdr peermem: GPU 0 has no GPUDirect RDMA (GPU_DIRECT_RDMA_SUPPORTED is 0)" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_err err = { .rank = -1 };
        enum wm_verbs_gdr got = WM_VERBS_GDR_AUTO;
        CHECK_INT(wm_verbs_gdr_choose(rows[i].wanted, &rows[i].facts, &got, &err),
                  rows[i].takes != WM_VERBS_GDR_AUTO ? WM_OK : WM_EUNSUP);
        CHECK_INT(got, rows[i].takes);
        CHECK_TEXT(err.what, rows[i].says);
    }
}

/* On a machine's files in a folder. */
static void test_gdr_module(void)
{
    static const struct {
        const char *folders[5], *says;
    } rows[] = {
        { { "sys", "sys/module", "sys/module/nvidia_peermem" }, "nvidia_peermem (/sys/module)" },
        { { "sys", "sys/module", "sys/module/nvidia" }, "" },
        { { "sys", "sys/kernel", "sys/kernel/mm", "sys/kernel/mm/memory_peers", "sys/kernel/mm/memory_peers/nv_mem" },
          "nv_mem (/sys/kernel/mm/memory_peers)" },
        { { "sys", "sys/kernel", "sys/kernel/mm", "sys/kernel/mm/memory_peers",
            "sys/kernel/mm/memory_peers/nv_mem_nc" },
          "nv_mem_nc (/sys/kernel/mm/memory_peers)" },
    };
    char path[600], text[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char root[] = "/tmp/wm-module-XXXXXX";
        struct wm_err err = { .rank = -1 };
        struct wm_tree tree;
        int n = 0;
        if (!CHECK(mkdtemp(root) != NULL))
            return;
        for (; n < 5 && rows[i].folders[n] != NULL; n++) {
            snprintf(path, sizeof(path), "%s/%s", root, rows[i].folders[n]);
            CHECK_INT(mkdir(path, 0700), 0);
        }
        CHECK_INT(wm_tree_open(root, &tree, &err), WM_OK);
        CHECK_TEXT(wm_verbs_gdr_module(&tree, text, sizeof(text)), rows[i].says);
        wm_tree_close(&tree);
        while (n-- > 0) {
            snprintf(path, sizeof(path), "%s/%s", root, rows[i].folders[n]);
            rmdir(path);
        }
        rmdir(root);
    }
}

static int (*flushes)(void); /* tests/preload/cuda.c */

static struct wm_verbs_ep *open_gpu_ep(const char *ordering, const char *options)
{
    struct wm_ep_conf conf = { .world = world, .expired = &expired, .slots = 64, .own = &conf_now, .device = true };
    struct wm_err err = { .rank = -1 };
    struct wm_ep *ep = NULL;

    setenv("WM_CUDA_ORDERING", ordering, 1);
    setenv("WM_CUDA_FLUSH_OPTIONS", options, 1);
    plug_three();
    CHECK_INT(wm_transport_verbs.open(&conf, &ep, &err), WM_OK);
    CHECK_TEXT(err.what, "");
    return (struct wm_verbs_ep *)ep;
}

/* Registered as a dma-buf: whole pages of the host, the buffer's own address, a file that is closed afterwards. */
static void test_gpu_registration(void)
{
    struct wm_verbs_ep *e = open_gpu_ep("0", "1");
    struct wm_err err = { .rank = -1 };
    struct wm_region *region = NULL;
    struct wm_claim claim;
    struct wm_buf buf = { 0 };

    CHECK_INT(wm_transport_verbs.takes(&e->ep, &wm_mem_device, &err), WM_OK);
    wm_transport_verbs.claim(&e->ep, &claim);
    CHECK_TEXT(claim.how,
               "RC queue pairs, GID 0 (InfiniBand); GPU memory by dma-buf, flushed by cuFlushGPUDirectRDMAWrites");
    CHECK_INT(wm_mem_device.alloc(-1, 5000, &buf, &err), WM_OK);
    CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_OK);
    CHECK_INT(dmabuf.iova, (uintptr_t)buf.dma);
    CHECK_INT(dmabuf.offset, 0);
    CHECK_INT(dmabuf.bytes, 5000);
    CHECK_INT(dmabuf.file_bytes, 8192);
    CHECK_INT(dmabuf.access, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
    CHECK(fcntl(dmabuf.fd, F_GETFD) == -1 && errno == EBADF);
    CHECK(!region->cpu && region->rkey == 99);
    wm_transport_verbs.unreg(&e->ep, region);
    fail_dmabuf = EFAULT;
    CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_EUNSUP);
    CHECK_TEXT(err.what, "--gdr dmabuf: mlx5_0:1 refuses 5000 bytes of GPU 0");
    CHECK(strcmp(err.call, "ibv_reg_dmabuf_mr") == 0 && strcmp(err.native_text, "Bad address") == 0);
    fail_dmabuf = 0;
    e->gpu.mode = WM_VERBS_GDR_PEERMEM;
    err = (struct wm_err){ .rank = -1 };
    fail_reg = EFAULT;
    CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "--gdr peermem: mlx5_0:1 refuses 5000 bytes of GPU 0: does the module belong");
    CHECK(strcmp(err.call, "ibv_reg_mr") == 0 && strcmp(err.native_text, "Bad address") == 0);
    fail_reg = 0;
    err = (struct wm_err){ .rank = -1 };
    dmabuf.bytes = 0;
    CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_OK);
    CHECK_INT(dmabuf.bytes, 0);
    wm_mem_device.free(&buf);
    wm_transport_verbs.close(&e->ep);
    wm_cuda_close();
}

/* How a region of a GPU is flushed, and what a put into a peer's is. */
static void test_gpu_flush(void)
{
    static const struct {
        const char *ordering, *options, *says;
        bool needs;
        int calls, reads;
    } rows[] = {
        { "0", "1", "flushed by cuFlushGPUDirectRDMAWrites", true, 1, 0 },
        { "0", "2", "flushed by a READ of the card itself", true, 0, 1 },
        { "100", "0", "in order without a flush", false, 0, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_verbs_ep *e = open_gpu_ep(rows[i].ordering, rows[i].options);
        struct wm_msg msg = { .bytes = 64 };
        struct wm_err err = { .rank = -1 };
        struct wm_region *region = NULL, *there = NULL;
        unsigned char key[WM_KEY_BYTES] = { 0 };
        struct wm_claim claim;
        struct wm_buf buf = { 0 };
        const int before = flushes();

        wm_transport_verbs.claim(&e->ep, &claim);
        CHECK_HAS(claim.how, rows[i].says);
        CHECK_INT(wm_mem_device.alloc(-1, 4096, &buf, &err), WM_OK);
        CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_OK);
        wm_transport_verbs.key(&e->ep, region, key, &err);
        CHECK_INT(wm_transport_verbs.import(&e->ep, 0, key, &there, &err), WM_OK);
        CHECK_INT(wm_transport_verbs.needs_flush(region), rows[i].needs);
        CHECK_INT(wm_transport_verbs.needs_flush(there), rows[i].needs);
        if (rows[i].needs)
            CHECK_INT(e->ep.ops->flush(&e->ep, region), WM_OK);
        CHECK_INT(flushes() - before, rows[i].calls);
        CHECK_INT(reads, rows[i].reads);
        if (rows[i].reads > 0)
            CHECK(last_wr.wr.rdma.remote_addr == (uintptr_t)buf.dma && last_wr.wr.rdma.rkey == 99);
        msg.local = region;
        msg.remote = there;
        wrs = reads = signalled = 0;
        CHECK_INT(wm_transport_verbs.bind_msg(&e->ep, &msg, &err), WM_OK);
        CHECK_INT(e->ep.ops->put_flushed(&e->ep, 0, &msg), WM_OK);
        CHECK(wrs == 2 && reads == 1 && signalled == 1 && last_wr.opcode == IBV_WR_RDMA_READ);
        CHECK_INT(e->ep.ops->test(&e->ep, 0), WM_OK);
        CHECK_INT(e->peer[0].qp[0].room, conf_now.tx_depth);
        wm_mem_device.free(&buf);
        wm_transport_verbs.close(&e->ep);
        wm_cuda_close();
    }
}

/* A put and its read take two places: more than there are is said when it is bound. */
static void test_gpu_put_in_a_short_queue(void)
{
    struct wm_region there = { .bytes = 64, .unseen = true };
    struct wm_msg msg = { .bytes = 64, .remote = &there };
    struct wm_err err = { .rank = -1 };
    struct wm_region *region = NULL;
    static unsigned char bytes[64];
    struct wm_buf buf = { .ptr = bytes, .dma = bytes, .bytes = sizeof(bytes) };

    conf_now.tx_depth = 1;
    struct wm_verbs_ep *e = open_gpu_ep("0", "1");
    CHECK_INT(wm_transport_verbs.reg(&e->ep, &buf, true, &region, &err), WM_OK);
    msg.local = region;
    CHECK_INT(wm_transport_verbs.bind_msg(&e->ep, &msg, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "a message of 64 bytes is 2 work requests");
    conf_now = plain;
    wm_transport_verbs.close(&e->ep);
    wm_cuda_close();
}

static void test_gpu_refused(void)
{
    struct wm_err err = { .rank = -1 };
    struct wm_claim claim;
    struct wm_verbs_ep *e = open_gpu_ep("0", "1");

    CHECK_INT(wm_transport_verbs.takes(&e->ep, &wm_mem_managed, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "managed memory moves between GPU and node");
    wm_transport_verbs.close(&e->ep);
    no_dmabuf = EOPNOTSUPP;
    e = open_gpu_ep("0", "1");
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_transport_verbs.takes(&e->ep, &wm_mem_device, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "no GPU memory: dma-buf: " NONE_HERE "; peermem: ");
    wm_transport_verbs.claim(&e->ep, &claim);
    CHECK_TEXT(claim.how, "RC queue pairs, GID 0 (InfiniBand)");
    wm_transport_verbs.close(&e->ep);
    no_dmabuf = 0;
    int64_t peermem = WM_VERBS_GDR_PEERMEM;
    conf_now.gdr = (struct wm_int_list){ .value = &peermem, .n = 1 };
    e = open_gpu_ep("0", "1");
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_transport_verbs.takes(&e->ep, &wm_mem_device, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "--gdr peermem: ");
    wm_transport_verbs.close(&e->ep);
    conf_now = plain;
    setenv("WM_CUDA_DEVICES", "0", 1);
    wm_cuda_close();
    e = open_gpu_ep("0", "1"); /* the endpoint serves hosts all the same */
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_transport_verbs.takes(&e->ep, &wm_mem_device, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "no GPU can be seen");
    wm_transport_verbs.close(&e->ep);
    wm_cuda_close();
    unsetenv("WM_CUDA_DEVICES");
}

static void with_the_stand_in(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    void *address = library != NULL ? dlsym(library, "wm_cuda_flushes") : NULL;

    memcpy(&flushes, &address, sizeof(flushes));
    if (!CHECK(flushes != NULL))
        return;
    wm_cuda_image = (struct wm_cuda_image){ "code", 13000 };
    conf_now = plain;
    test_gpu_registration();
    test_gpu_flush();
    test_gpu_put_in_a_short_queue();
    test_gpu_refused();
}

int main(int argc, char **argv)
{
    struct wm_err err = { .rank = -1 };

    if (wm_world_solo(&world, &err) != WM_OK)
        return 1;
    if (argc > 1 && strcmp(argv[1], "stand-in") == 0) {
        with_the_stand_in();
        wm_world_close(world);
        return wm_tests_end();
    }
    test_port();
    test_nearest();
    test_connection();
    test_mtu();
    test_limits();
    test_completions();
    test_window();
    test_gdr_choice();
    test_gdr_module();
    wm_world_close(world);
    int status = wm_start_with_stand_in("stand-in");
    wm_skipped += status == 77;
    CHECK(status == 0 || status == 77);
    return wm_tests_end();
}
