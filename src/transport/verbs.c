/** RDMA on InfiniBand and RoCE through libibverbs: reliable connections, driven directly. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/verbs_ep.h"

/* Indexes are those of enum ibv_mtu. */
static const char *const mtu_names[] = { "auto", "256", "512", "1024", "2048", "4096", NULL };

/* Indexes are those of enum wm_verbs_gdr. */
static const char *const gdr_names[] = { "auto", "dmabuf", "peermem", NULL };

static const struct wm_option verbs_options[] = {
    { .name = "nic-port",
      .arg = "N",
      .help = "port of the device that transport verbs uses; 0 is any active one",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, nic_port),
      .max = 255 },
    { .name = "gid-index",
      .arg = "N",
      .help = "index of the port's address (GID) for transport verbs; -1 chooses by kind and scope",
      .fallback = "-1",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, gid_index),
      .min = -1,
      .max = 255 },
    { .name = "qps",
      .arg = "N",
      .help = "queue pairs to each peer of transport verbs; large, put and got messages take them in turn",
      .fallback = "1",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, qps),
      .min = 1,
      .max = 64 },
    { .name = "tx-depth",
      .arg = "N",
      .help = "work requests that a queue pair of transport verbs holds",
      .fallback = "128",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, tx_depth),
      .min = 1,
      .max = 32768 },
    { .name = "mtu",
      .arg = "BYTES",
      .help = "largest packet of transport verbs; auto is what both ports carry",
      .fallback = "auto",
      .type = WM_OPT_CHOICE,
      .offset = offsetof(struct wm_verbs_conf, mtu),
      .names = mtu_names },
    { .name = "traffic-class",
      .arg = "N",
      .help = "traffic class of transport verbs (for RoCE: DSCP and ECN)",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, traffic_class),
      .max = 255 },
    { .name = "service-level",
      .arg = "N",
      .help = "service level of transport verbs (for RoCE: the priority)",
      .type = WM_OPT_INT,
      .offset = offsetof(struct wm_verbs_conf, service_level),
      .max = 15 },
    { .name = "gdr",
      .arg = "HOW[,HOW]",
      .help = "how transport verbs registers memory of GPUs: as a dma-buf, or through a peer memory module of the "
              "kernel; auto is the first of the two that there is, and the result says which",
      .fallback = "auto",
      .type = WM_OPT_CHOICES,
      .offset = offsetof(struct wm_verbs_conf, gdr),
      .names = gdr_names },
    { .name = NULL },
};

/* What key() tells the peers. */
struct key {
    uint64_t address, bytes;
    uint32_t rkey, unseen;
};

static struct wm_verbs_ep *verbs_of(struct wm_ep *ep)
{
    return (struct wm_verbs_ep *)ep;
}

/* ---- Registration ---- */

static bool is_gpu(const struct wm_buf *buf)
{
    return buf->mem != NULL && wm_mem_is_device(buf->mem) && !buf->mem->simulated;
}

static struct ibv_mr *register_memory(struct wm_verbs_ep *e, const struct wm_buf *buf, struct wm_err *err)
{
    const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;

    if (is_gpu(buf))
        return wm_verbs_gdr_register(e, buf, access, err);
    struct ibv_mr *mr = ibv_reg_mr(e->pd, buf->dma, buf->bytes, access);
    if (mr == NULL)
        wm_verbs_fail_lock(err, "ibv_reg_mr", buf->bytes, "memory");
    return mr;
}

static int verbs_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out,
                     struct wm_err *err)
{
    struct wm_verbs_ep *e = verbs_of(ep);
    struct wm_region *region = calloc(1, sizeof(*region));

    (void)shared; /* large messages are written by the peer, too */
    if (buf->bytes > e->port.device.max_mr_size) {
        free(region);
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "%s registers at most %llu bytes at once (max_mr_size), not %zu: lower --max-bytes",
                       e->port.name, (unsigned long long)e->port.device.max_mr_size, buf->bytes);
    }
    if (region == NULL)
        return wm_fail_errno(err, "calloc", "region of transport verbs");
    if (buf->bytes > 0) {
        region->mr = register_memory(e, buf, err);
        if (region->mr == NULL) {
            free(region);
            return err->code;
        }
        region->rkey = region->mr->rkey;
    }
    region->address = (uintptr_t)buf->dma;
    region->bytes = buf->bytes;
    region->cpu = buf->mem != NULL && buf->mem->cpu_can_touch;
    region->unseen = is_gpu(buf) && e->gpu.how != NULL;
    region->next = e->regions;
    e->regions = region;
    *out = region;
    return WM_OK;
}

static void verbs_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_region **link = &verbs_of(ep)->regions;

    while (*link != region)
        link = &(*link)->next;
    *link = region->next;
    if (region->mr != NULL)
        ibv_dereg_mr(region->mr);
    free(region);
}

static int verbs_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES],
                     struct wm_err *err)
{
    struct key mine = {
        .address = region->address, .bytes = region->bytes, .rkey = region->rkey, .unseen = region->unseen
    };

    (void)ep;
    (void)err;
    memcpy(key, &mine, sizeof(mine));
    return WM_OK;
}

static int verbs_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                        struct wm_err *err)
{
    struct wm_verbs_ep *e = verbs_of(ep);
    struct wm_region *region = calloc(1, sizeof(*region));
    struct key theirs;

    if (region == NULL)
        return wm_fail_errno(err, "calloc", "memory of rank %d", peer);
    memcpy(&theirs, key, sizeof(theirs));
    *region = (struct wm_region){ .address = theirs.address,
                                  .bytes = theirs.bytes,
                                  .rkey = theirs.rkey,
                                  .unseen = theirs.unseen != 0,
                                  .next = e->regions };
    e->regions = region;
    *out = region;
    return WM_OK;
}

static int verbs_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    const struct wm_verbs_ep *e = verbs_of(ep);

    if (wm_cuda_card_takes(mem, err) == WM_OK && e->gpu.mode == WM_VERBS_GDR_AUTO)
        *err = e->gpu.refused;
    return err->code;
}

static bool verbs_needs_flush(const struct wm_region *region)
{
    return region->unseen;
}

/* ---- Messages ---- */

static int check_message(const struct wm_verbs_ep *e, const struct wm_msg *msg, uint64_t pieces, struct wm_err *err)
{
    if (e->peer[msg->peer].qp == NULL)
        return wm_fail(err, WM_EBUG, "", 0, "rank %d is not connected to rank %d", e->ep.world->rank, msg->peer);
    if (msg->bytes > 0 && (msg->local == NULL || msg->local->mr == NULL))
        return wm_fail(err, WM_EBUG, "", 0, "%zu bytes with rank %d are not registered", msg->bytes, msg->peer);
    if (msg->remote != NULL &&
        (msg->remote_at > msg->remote->bytes || msg->bytes > msg->remote->bytes - msg->remote_at))
        return wm_fail(err, WM_EBUG, "", 0, "bytes %zu to %zu of the window of rank %d, which has %llu", msg->remote_at,
                       msg->remote_at + msg->bytes, msg->peer, (unsigned long long)msg->remote->bytes);
    if (pieces > (uint64_t)e->conf.tx_depth)
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "a message of %zu bytes is %llu work requests of %u bytes on %s, and --tx-depth is %lld",
                       msg->bytes, (unsigned long long)pieces, e->port.port.max_msg_sz, e->port.name,
                       (long long)e->conf.tx_depth);
    return WM_OK;
}

/* How many messages of the device it takes stands in `native`. */
static int verbs_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    const struct wm_verbs_ep *e = verbs_of(ep);
    const uint64_t most = e->port.port.max_msg_sz, pieces = msg->bytes == 0 ? 1 : (msg->bytes + most - 1) / most;

    msg->native = pieces;
    return check_message(e, msg, pieces + (msg->remote != NULL && msg->remote->unseen), err);
}

/* ---- What it is ---- */

static void verbs_claim(struct wm_ep *ep, struct wm_claim *out)
{
    const struct wm_verbs_ep *e = verbs_of(ep);
    const struct wm_verbs_port *p = &e->port;
    char gpu[120];

    wm_verbs_gdr_tell(&e->gpu, gpu, sizeof(gpu));
    *out = (struct wm_claim){ .fabric = p->fabric };
    memcpy(out->device, p->name, sizeof(out->device));
    if (p->gid_index >= 0)
        snprintf(out->how, sizeof(out->how), "RC queue pairs, GID %d (%s)%s", p->gid_index,
                 wm_verbs_gid_text(p->gid_type, p->ipv4), gpu);
    else
        snprintf(out->how, sizeof(out->how), "RC queue pairs, LID %u%s", p->port.lid, gpu);
}

static int verbs_probe(const void *own, struct wm_err *err)
{
    static const struct wm_verbs_conf any = { .gid_index = -1 };
    const struct wm_verbs_conf *conf = own != NULL ? own : &any;
    const struct wm_verbs_want want = { .nic_port = conf->nic_port, .gid_index = conf->gid_index };
    struct wm_verbs_port port;

    if (wm_verbs_port_open(&want, &port, err) != WM_OK)
        return err->code;
    wm_verbs_port_close(&port);
    return WM_OK;
}

/* The library says its version only in its file's name. */
static const char *verbs_version(char *text, size_t bytes)
{
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "ibv_open_device");
    char *path = symbol != NULL && dladdr(symbol, &info) != 0 ? realpath(info.dli_fname, NULL) : NULL;
    const char *name = path != NULL && strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : "libibverbs";

    snprintf(text, bytes, "%s", name);
    free(path);
    return text;
}

const struct wm_transport wm_transport_verbs = {
    .name = "verbs",
    .summary = "RDMA on InfiniBand and RoCE by reliable connections, through libibverbs alone",
    .options = verbs_options,
    .conf_bytes = sizeof(struct wm_verbs_conf),
    .ops = &wm_verbs_ops,
    .untended = true,
    .probe = verbs_probe,
    .open = wm_verbs_open,
    .takes = verbs_takes,
    .reg = verbs_reg,
    .key = verbs_key,
    .import = verbs_import,
    .unreg = verbs_unreg,
    .needs_flush = verbs_needs_flush,
    .bind_msg = verbs_bind_msg,
    .claim = verbs_claim,
    .version = verbs_version,
    .close = wm_verbs_close,
    .abandon = wm_verbs_abandon,
};
