/** Memory of transport ofi: registered where the provider asks for it or peers reach into it. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "src/transport/ofi_ep.h"

/* What key() tells the peers. */
struct key {
    uint64_t address, key, bytes, unseen;
};

static int __attribute__((noinline, cold))
register_failed(const struct wm_ofi_ep *e, const char *call, int rc, size_t bytes, struct wm_err *err)
{
    struct rlimit limit = { 0 };
    char memlock[80] = "";

    if ((rc == -FI_ENOMEM || rc == -FI_EPERM) && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        snprintf(memlock, sizeof(memlock), "; memlock is limited to %llu bytes: raise ulimit -l",
                 (unsigned long long)limit.rlim_cur);
    return wm_ofi_fail(err, WM_ESYS, call, rc, "register %zu bytes with %s, domain %s%s", bytes,
                       e->info->fabric_attr->prov_name, e->info->domain_attr->name, memlock);
}

/* libfabric counts GPUs as the driver's handles do. */
static int register_gpu(struct wm_ofi_ep *e, void *ptr, size_t bytes, uint64_t access, struct fid_mr **mr,
                        struct wm_err *err)
{
    const struct iovec iov = { .iov_base = ptr, .iov_len = bytes };
    const struct fi_mr_attr attr = { .mr_iov = &iov,
                                     .iov_count = 1,
                                     .access = access,
                                     .requested_key = e->next_key++,
                                     .iface = FI_HMEM_CUDA,
                                     .device.cuda = e->gpu.gpu.handle };
    const bool module = FI_VERSION_LT(fi_version(), FI_VERSION(1, 20));
    int rc = fi_mr_regattr(e->domain, &attr, 0, mr);

    if (rc == 0)
        return WM_OK;
    return wm_ofi_fail(err, WM_EUNSUP, "fi_mr_regattr", rc, "provider %s refuses %zu bytes of GPU %d%s",
                       wm_ofi_name(e->info), bytes, e->gpu.gpu.index,
                       module ? "; libfabric before 1.20 reaches it by a peer memory module alone: modprobe "
                                "nvidia_peermem"
                              : "");
}

int wm_ofi_register(struct wm_ofi_ep *e, void *ptr, size_t bytes, bool shared, bool gpu, struct fid_mr **mr,
                    struct wm_err *err)
{
    const int mode = e->info->domain_attr->mr_mode;
    uint64_t access = FI_SEND | FI_RECV | FI_READ | FI_WRITE | (shared ? FI_REMOTE_READ | FI_REMOTE_WRITE : 0);

    int rc = 0;

    if (bytes == 0 || (!shared && !gpu && !(mode & FI_MR_LOCAL)))
        return WM_OK;
    if (gpu && register_gpu(e, ptr, bytes, access, mr, err) != WM_OK)
        return err->code;
    if (!gpu)
        rc = fi_mr_reg(e->domain, ptr, bytes, access, 0, e->next_key++, 0, mr, NULL);
    if (rc != 0)
        return register_failed(e, "fi_mr_reg", rc, bytes, err);
    if (!(mode & FI_MR_ENDPOINT))
        return WM_OK;
    rc = fi_mr_bind(*mr, &e->fid->fid, 0);
    if (rc != 0)
        register_failed(e, "fi_mr_bind", rc, bytes, err);
    else if ((rc = fi_mr_enable(*mr)) != 0)
        register_failed(e, "fi_mr_enable", rc, bytes, err);
    if (rc != 0) {
        fi_close(&(*mr)->fid);
        *mr = NULL;
    }
    return err->code;
}

static struct wm_region *new_region(struct wm_ofi_ep *e, size_t bytes, struct wm_err *err)
{
    struct wm_region *region = calloc(1, sizeof(*region));

    if (region == NULL) {
        wm_fail_errno(err, "calloc", "region of transport ofi");
        return NULL;
    }
    region->bytes = bytes;
    region->next = e->regions;
    e->regions = region;
    return region;
}

int wm_ofi_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_region *region = new_region(e, buf->bytes, err);

    if (region == NULL)
        return err->code;
    region->gpu = buf->mem != NULL && wm_mem_is_device(buf->mem) && !buf->mem->simulated;
    region->unseen = region->gpu && e->gpu.flush == WM_CUDA_FLUSH_CALL;
    /* Written messages go straight into a receive, whichever buffer it is in. */
    if (wm_ofi_register(e, buf->dma, buf->bytes, shared || e->board != NULL, region->gpu, &region->mr, err) != WM_OK) {
        wm_ofi_unreg(ep, region);
        return err->code;
    }
    if (region->mr != NULL) {
        region->desc = fi_mr_desc(region->mr);
        region->key = fi_mr_key(region->mr);
        region->address = e->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? (uintptr_t)buf->dma : 0;
    }
    *out = region;
    return WM_OK;
}

int wm_ofi_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES], struct wm_err *err)
{
    const bool unseen = region->gpu && wm_ofi_of(ep)->gpu.flush != WM_CUDA_FLUSH_NONE;
    struct key mine = { .address = region->address, .key = region->key, .bytes = region->bytes, .unseen = unseen };

    (void)err;
    memcpy(key, &mine, sizeof(mine));
    return WM_OK;
}

int wm_ofi_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                  struct wm_err *err)
{
    struct key theirs;
    struct wm_region *region;

    (void)peer;
    memcpy(&theirs, key, sizeof(theirs));
    region = new_region(wm_ofi_of(ep), theirs.bytes, err);
    if (region == NULL)
        return err->code;
    region->address = theirs.address;
    region->key = theirs.key;
    region->unseen = theirs.unseen != 0;
    *out = region;
    return WM_OK;
}

void wm_ofi_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_region **link = &wm_ofi_of(ep)->regions;

    while (*link != region)
        link = &(*link)->next;
    *link = region->next;
    if (region->mr != NULL)
        fi_close(&region->mr->fid);
    free(region);
}

int wm_ofi_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    const struct wm_ofi_ep *e = wm_ofi_of(ep);

    if (msg->bytes > e->info->ep_attr->max_msg_size)
        return wm_fail(err, WM_EUNSUP, "", 0, "provider %s carries at most %zu bytes in a message, not %zu",
                       e->info->fabric_attr->prov_name, e->info->ep_attr->max_msg_size, msg->bytes);
    if (e->address[msg->peer] == FI_ADDR_NOTAVAIL)
        return wm_fail(err, WM_EBUG, "", 0, "rank %d was not announced as a peer of rank %d", msg->peer,
                       ep->world->rank);
    if (msg->remote != NULL &&
        (msg->remote_at > msg->remote->bytes || msg->bytes > msg->remote->bytes - msg->remote_at))
        return wm_fail(err, WM_EBUG, "", 0, "%zu bytes at %zu of the window of rank %d, which has %zu", msg->bytes,
                       msg->remote_at, msg->peer, msg->remote->bytes);
    return WM_OK;
}
