/**
 * Memory of GPUs on cards: which of the two ways of registering it there is, and the flush before a GPU may read what a
 * card wrote. Nothing falls back silently: what is missing is named, and the transport takes no GPU memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/transport/verbs_ep.h"

/* rdma-core has it from version 34 on: older ones leave it NULL. */
struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova, int fd, int access)
    __attribute__((weak));

enum { REASON = 190 };

/* ---- Which way ---- */

/* What keeps dma-buf from being used; "" = nothing. */
static const char *dmabuf_lacks(const struct wm_verbs_gdr_facts *f, char text[REASON])
{
    text[0] = '\0';
    if (!f->gpu.has_handle)
        snprintf(text, REASON, "the NVIDIA driver has no cuMemGetHandleForAddressRange: 515 or newer has");
    else if (!f->gpu.dmabuf)
        snprintf(
            text, REASON,
            "GPU %d offers none (DMA_BUF_SUPPORTED is 0): it takes the driver's open kernel modules and Linux 5.12",
            f->gpu.index);
    else if (!f->has_call)
        snprintf(text, REASON, "this libibverbs has no ibv_reg_dmabuf_mr: rdma-core 34 or newer has");
    else if (f->probed != EBADF)
        snprintf(text, REASON, "%s takes none (ibv_reg_dmabuf_mr: %s)", f->card, strerror(f->probed));
    return text;
}

static const char *peermem_lacks(const struct wm_verbs_gdr_facts *f, char text[REASON])
{
    text[0] = '\0';
    if (!f->gpu.gpudirect)
        snprintf(text, REASON, "GPU %d has no GPUDirect RDMA (GPU_DIRECT_RDMA_SUPPORTED is 0)", f->gpu.index);
    else if (f->module[0] == '\0')
        snprintf(text, REASON,
                 "no module nvidia_peermem or nv_mem (/sys/module, /sys/kernel/mm/memory_peers): modprobe "
                 "nvidia_peermem");
    return text;
}

int wm_verbs_gdr_choose(enum wm_verbs_gdr wanted, const struct wm_verbs_gdr_facts *facts, enum wm_verbs_gdr *out,
                        struct wm_err *err)
{
    char dmabuf[REASON], peermem[REASON];

    dmabuf_lacks(facts, dmabuf);
    peermem_lacks(facts, peermem);
    if (wanted != WM_VERBS_GDR_PEERMEM && dmabuf[0] == '\0')
        *out = WM_VERBS_GDR_DMABUF;
    else if (wanted != WM_VERBS_GDR_DMABUF && peermem[0] == '\0')
        *out = WM_VERBS_GDR_PEERMEM;
    else if (wanted == WM_VERBS_GDR_DMABUF)
        return wm_fail(err, WM_EUNSUP, "", 0, "--gdr dmabuf: %s", dmabuf);
    else if (wanted == WM_VERBS_GDR_PEERMEM)
        return wm_fail(err, WM_EUNSUP, "", 0, "--gdr peermem: %s", peermem);
    else
        return wm_fail(err, WM_EUNSUP, "", 0, "no GPU memory: dma-buf: %s; peermem: %s", dmabuf, peermem);
    return WM_OK;
}

/* ---- What there is ---- */

const char *wm_verbs_gdr_module(struct wm_tree *tree, char *text, size_t bytes)
{
    static const char *const places[][2] = {
        { "sys/module", "nvidia_peermem" },
        { "sys/kernel/mm/memory_peers", "nv_mem" },
        { "sys/kernel/mm/memory_peers", "nv_mem_nc" },
    };

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places) && text[0] == '\0'; i++)
        if (wm_tree_exists(tree, "%s/%s", places[i][0], places[i][1]))
            snprintf(text, bytes, "%s (/%s)", places[i][1], places[i][0]);
    return text;
}

/* Without a file: a kernel and card that take dma-buf get as far as to look for it. */
static int probe(struct ibv_pd *pd)
{
    struct ibv_mr *mr;

    errno = 0;
    mr = ibv_reg_dmabuf_mr(pd, 0, 0, 0, -1, 0);
    if (mr != NULL)
        ibv_dereg_mr(mr);
    return mr != NULL ? EBADF : errno;
}

static int find_facts(struct wm_verbs_ep *e, struct wm_verbs_gdr_facts *f, struct wm_err *err)
{
    struct wm_tree tree;

    *f = (struct wm_verbs_gdr_facts){ .card = e->port.name, .has_call = ibv_reg_dmabuf_mr != NULL };
    if (wm_cuda_card(&f->gpu, err) != WM_OK || wm_tree_open("/", &tree, err) != WM_OK)
        return err->code;
    if (f->has_call)
        f->probed = probe(e->pd);
    wm_verbs_gdr_module(&tree, f->module, sizeof(f->module));
    wm_tree_close(&tree);
    return WM_OK;
}

/* ---- The flush ---- */

static int flush_by_call(struct wm_ep *ep, const struct wm_region *region)
{
    (void)region;
    return wm_cuda_flush(((struct wm_verbs_ep *)ep)->gpu.gpu.device, &ep->err);
}

static int __attribute__((noinline, cold)) read_failed(struct wm_verbs_ep *e, const char *call, int rc)
{
    errno = rc;
    return wm_fail_errno(&e->ep.err, call, "read of a byte of GPU memory by its own card %s, which flushes",
                         e->port.name);
}

static int flush_by_read(struct wm_ep *ep, const struct wm_region *region)
{
    struct wm_verbs_ep *e = (struct wm_verbs_ep *)ep;
    struct ibv_sge sge = { .addr = (uintptr_t)e->spare, .length = 1, .lkey = e->mr->lkey };
    struct ibv_send_wr *bad, wr = { .sg_list = &sge,
                                    .num_sge = 1,
                                    .opcode = IBV_WR_RDMA_READ,
                                    .send_flags = IBV_SEND_SIGNALED,
                                    .wr.rdma = { .remote_addr = region->address, .rkey = region->rkey } };
    struct ibv_wc wc;
    int n, rc = ibv_post_send(e->gpu.qp, &wr, &bad);

    if (rc != 0)
        return read_failed(e, "ibv_post_send", rc);
    while ((n = ibv_poll_cq(e->gpu.cq, 1, &wc)) == 0)
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
    if (n < 0)
        return read_failed(e, "ibv_poll_cq", errno);
    if (wc.status == IBV_WC_SUCCESS)
        return WM_OK;
    return wm_fail(&ep->err, WM_ESYS, "ibv_poll_cq", (int)wc.status,
                   "read of a byte of GPU memory by its own card %s, which flushes: %s", e->port.name,
                   ibv_wc_status_str(wc.status));
}

static int choose_flush(struct wm_verbs_ep *e, struct wm_err *err)
{
    e->gpu.flush = wm_cuda_flush_of(&e->gpu.gpu);
    if (e->gpu.flush == WM_CUDA_FLUSH_CALL)
        e->gpu.how = flush_by_call;
    if (e->gpu.flush != WM_CUDA_FLUSH_READ)
        return WM_OK;
    e->gpu.how = flush_by_read;
    return wm_verbs_open_loop(e, err);
}

/* ---- Opening and registering ---- */

void wm_verbs_gdr_open(struct wm_verbs_ep *e)
{
    const struct wm_int_list *list = &e->conf.gdr;
    const enum wm_verbs_gdr wanted = list->n > 0 ? (enum wm_verbs_gdr)list->value[0] : WM_VERBS_GDR_AUTO;
    struct wm_verbs_gpu *g = &e->gpu;
    struct wm_verbs_gdr_facts facts;
    enum wm_verbs_gdr mode = WM_VERBS_GDR_AUTO;
    struct wm_err err = { .rank = -1 };

    if (find_facts(e, &facts, &err) == WM_OK) {
        g->gpu = facts.gpu;
        wm_verbs_gdr_choose(wanted, &facts, &mode, &err);
    }
    if (err.code == WM_OK && choose_flush(e, &err) == WM_OK)
        g->mode = mode;
    err.code = err.code == WM_OK ? WM_OK : WM_EUNSUP; /* costs what hands it GPU memory, nothing else */
    g->refused = err;
}

static struct ibv_mr *register_dmabuf(struct wm_verbs_ep *e, const struct wm_buf *buf, int access, struct wm_err *err)
{
    struct wm_cuda_dmabuf d;
    struct ibv_mr *mr;

    if (wm_cuda_dmabuf(&e->gpu.gpu, buf, &d, err) != WM_OK)
        return NULL;
    mr = ibv_reg_dmabuf_mr(e->pd, d.offset, buf->bytes, (uintptr_t)buf->dma, d.fd, access);
    if (mr == NULL)
        wm_fail_errno(err, "ibv_reg_dmabuf_mr", "--gdr dmabuf: %s refuses %zu bytes of GPU %d", e->port.name,
                      buf->bytes, e->gpu.gpu.index);
    close(d.fd);
    return mr;
}

struct ibv_mr *wm_verbs_gdr_register(struct wm_verbs_ep *e, const struct wm_buf *buf, int access, struct wm_err *err)
{
    struct ibv_mr *mr;

    if (e->gpu.mode == WM_VERBS_GDR_DMABUF) {
        mr = register_dmabuf(e, buf, access, err);
    } else {
        mr = ibv_reg_mr(e->pd, buf->dma, buf->bytes, access);
        if (mr == NULL)
            wm_fail_errno(err, "ibv_reg_mr",
                          "--gdr peermem: %s refuses %zu bytes of GPU %d: does the module belong to this driver and "
                          "this kernel's RDMA (dmesg)?",
                          e->port.name, buf->bytes, e->gpu.gpu.index);
    }
    if (mr == NULL)
        err->code = WM_EUNSUP; /* a direct cell that cannot be direct is left out, not failed */
    return mr;
}

const char *wm_verbs_gdr_tell(const struct wm_verbs_gpu *gpu, char *text, size_t bytes)
{
    static const char *const modes[] = { "", "dma-buf", "a peer memory module" };
    static const char *const flushes[] = { "in order without a flush", "flushed by cuFlushGPUDirectRDMAWrites",
                                           "flushed by a READ of the card itself" };

    text[0] = '\0';
    if (gpu->mode != WM_VERBS_GDR_AUTO)
        snprintf(text, bytes, "; GPU memory by %s, %s", modes[gpu->mode], flushes[gpu->flush]);
    return text;
}
