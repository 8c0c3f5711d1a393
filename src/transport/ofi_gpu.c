/**
 * Memory of GPUs over libfabric: FI_HMEM with peer to peer required, so that a provider that would copy through the
 * host says so instead, and the flush before a GPU may read what a card wrote.
 */
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <string.h>

#include "src/transport/ofi_ep.h"

/* An option of an enum: only the version of the headers tells whether they have it. */
#define WITH_CUDA_API FI_VERSION_GE(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), FI_VERSION(1, 18))

static void refuse(struct wm_ofi_ep *e, const char *call, int rc, const char *what)
{
    e->gpu.taken = false;
    wm_ofi_fail(&e->gpu.refused, WM_EUNSUP, call, rc, "provider %s %s", wm_ofi_name(e->info), what);
}

void wm_ofi_gpu_choose(struct wm_ofi_ep *e)
{
    struct wm_ofi_gpu *g = &e->gpu;
    const bool efa = wm_ofi_core_is(wm_ofi_name(e->info), "efa");
    int rc = 0;

    g->refused = (struct wm_err){ .rank = -1 };
    if (wm_cuda_card(&g->gpu, &g->refused) != WM_OK) {
        g->refused.code = WM_EUNSUP;
        return;
    }
    g->flush = wm_cuda_flush_of(&g->gpu);
    g->offered = g->taken = wm_ofi_choose_hmem(&e->info, &rc);
    if (!g->offered)
        refuse(e, "fi_getinfo", rc == 0 ? -FI_ENODATA : rc,
               efa ? "offers no memory of GPUs (FI_HMEM): FI_EFA_USE_DEVICE_RDMA=1, and a libfabric with CUDA"
                   : "offers no memory of GPUs (FI_HMEM)");
}

/* Of libfabric's own calls into CUDA none is needed then; a provider that never makes any does not know the option. */
static void forbid_cuda(struct wm_ofi_ep *e)
{
#if WITH_CUDA_API
    bool permitted = false;
    if (FI_VERSION_LT(fi_version(), FI_VERSION(1, 18)))
        return;
    int rc = fi_setopt(&e->fid->fid, FI_OPT_ENDPOINT, FI_OPT_CUDA_API_PERMITTED, &permitted, sizeof(permitted));
    if (rc != 0 && rc != -FI_ENOPROTOOPT)
        refuse(e, "fi_setopt", rc, "cannot do without calls into CUDA (FI_OPT_CUDA_API_PERMITTED)");
#else
    (void)e;
#endif
}

void wm_ofi_gpu_strict(struct wm_ofi_ep *e)
{
    int p2p = FI_HMEM_P2P_REQUIRED;
    int rc = fi_setopt(&e->fid->fid, FI_OPT_ENDPOINT, FI_OPT_FI_HMEM_P2P, &p2p, sizeof(p2p));
    struct wm_ofi_efa efa = { .write = WM_OFI_UNKNOWN };

    if (rc != 0) {
        refuse(e, "fi_setopt", rc, "does not promise to leave the host out (FI_HMEM_P2P_REQUIRED)");
        return;
    }
    forbid_cuda(e);
    if (wm_ofi_core_is(wm_ofi_name(e->info), "efa"))
        wm_ofi_efa_look(e, &efa);
    if (efa.write != WM_OFI_EMULATED)
        return;
    e->gpu.taken = false;
    wm_fail(&e->gpu.refused, WM_EUNSUP, "", 0,
            "provider efa emulates writes by messages here (FI_OPT_EFA_EMULATED_WRITE), which pass the host");
}

int wm_ofi_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    const struct wm_ofi_gpu *g = &wm_ofi_of(ep)->gpu;

    if (wm_cuda_card_takes(mem, err) == WM_OK && !g->taken)
        *err = g->refused;
    return err->code;
}

bool wm_ofi_needs_flush(const struct wm_region *region)
{
    return region->unseen;
}

int wm_ofi_flush(struct wm_ep *ep, const struct wm_region *region)
{
    (void)region;
    return wm_cuda_flush(wm_ofi_of(ep)->gpu.gpu.device, &ep->err);
}

const char *wm_ofi_gpu_tell(const struct wm_ofi_gpu *gpu, char *text, size_t bytes)
{
    static const char *const flushes[] = { "in order without a flush", "flushed by cuFlushGPUDirectRDMAWrites",
                                           "which no flush makes visible" };

    text[0] = '\0';
    if (gpu->taken)
        snprintf(text, bytes, "; GPU memory by FI_HMEM, peer to peer, %s", flushes[gpu->flush]);
    return text;
}
