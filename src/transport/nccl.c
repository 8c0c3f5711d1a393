/** NVIDIA's NCCL: its own collectives, and its sends and receives in groups, on memory of GPUs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/mem/cuda.h"
#include "src/topo/fabric.h"
#include "src/transport/nccl_ep.h"

static const char *const gdr_names[] = { "default", "on", "off", NULL };
static const char *const off_on[] = { "off", "on", NULL };

static const struct wm_option nccl_options[] = {
    { .name = "nccl-lib",
      .arg = "PATH",
      .help = "NCCL's library; without it libnccl.so.2, wherever the loader finds it",
      .type = WM_OPT_TEXT,
      .aside = true,
      .offset = offsetof(struct wm_nccl_conf, library) },
    { .name = "nccl-net",
      .arg = "NAME",
      .help = "network that NCCL must use (IB, Socket, or a plug-in's name): another one fails instead of falling back",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct wm_nccl_conf, net) },
    { .name = "nccl-gdr",
      .arg = "NAME[,NAME...]",
      .help = "GPUDirect RDMA of NCCL at any distance (on), never (off), or as it finds it best (default); each has a "
              "copy of the library, which keeps such settings",
      .fallback = "default",
      .type = WM_OPT_CHOICES,
      .offset = offsetof(struct wm_nccl_conf, gdr),
      .names = gdr_names },
    { .name = "enqueue",
      .arg = "N[,N...]",
      .help = "collectives of NCCL that are enqueued before one wait, by which the time is divided: nccl-tests' way",
      .fallback = "1",
      .type = WM_OPT_INTS,
      .offset = offsetof(struct wm_nccl_conf, enqueue),
      .min = 1,
      .max = 4096 },
    { .name = "nccl-graph",
      .arg = "off|on[,...]",
      .help = "replay NCCL's collectives as a CUDA graph",
      .fallback = "off",
      .type = WM_OPT_CHOICES,
      .offset = offsetof(struct wm_nccl_conf, graph),
      .names = off_on },
    { .name = "nccl-register",
      .arg = "off|on[,...]",
      .help = "register the buffers with NCCL's communicator",
      .fallback = "off",
      .type = WM_OPT_CHOICES,
      .offset = offsetof(struct wm_nccl_conf, registered),
      .names = off_on },
    { .name = NULL },
};

static int nccl_probe(const void *own, struct wm_err *err)
{
    const struct wm_nccl_conf *conf = own;
    struct wm_nccl_library library;
    if (wm_nccl_library_open(conf != NULL ? conf->library : NULL, &library, err) != WM_OK)
        return err->code;
    return wm_cuda_probe(err);
}

/* NCCL takes the variable before what it is told. */
static int nccl_check(const void *own, int ranks, struct wm_err *err)
{
    const struct wm_nccl_conf *conf = own;
    const char *named = getenv("NCCL_NET");
    (void)ranks;
    if (conf->net == NULL || named == NULL || named[0] == '\0' || strcasecmp(named, conf->net) == 0)
        return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0,
                   "--nccl-net %.60s: NCCL_NET in the environment says %.60s, which NCCL would take: unset it, or name "
                   "the same",
                   conf->net, named);
}

/* Device and managed memory of any GPU of NVIDIA's. */
static int nccl_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    (void)ep;
    if (mem == &wm_mem_device || mem == &wm_mem_managed)
        return WM_OK;
    return wm_fail(err, WM_EUNSUP, "", 0, "transport nccl moves memory of GPUs alone, not %s memory", mem->name);
}

/* ---- Registered buffers ---- */

struct wm_region {
    void *handle;
};

static int nccl_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    *out = NULL;
    if (shared)
        return wm_fail(err, WM_EUNSUP, "", 0, "transport nccl has no put and no get");
    if (!e->registers || buf->bytes == 0)
        return WM_OK;
    if (e->nccl->register_ == NULL || e->nccl->deregister == NULL) {
        char version[32];
        return wm_fail(err, WM_EUNSUP, "", 0, "--nccl-register: NCCL %s registers no buffers, 2.19 and newer do",
                       wm_nccl_version_text(e->nccl->version, version, sizeof(version)));
    }
    struct wm_region *region = calloc(1, sizeof(*region));
    if (region == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "region of transport nccl");
    int status = e->nccl->register_(e->comm, buf->dma, buf->bytes, &region->handle);
    if (status != WM_NCCL_SUCCESS) {
        free(region);
        return wm_nccl_fail(e->nccl, e->comm, err, WM_EUNSUP, "ncclCommRegister", status, "%zu bytes of %s memory",
                            buf->bytes, buf->mem->name);
    }
    if (region->handle == NULL) { /* it says success, too, where it does nothing */
        free(region);
        return wm_fail(err, WM_EUNSUP, "ncclCommRegister", 0,
                       "--nccl-register: NCCL registers nothing here: see NCCL_LOCAL_REGISTER and "
                       "NCCL_P2P_USE_CUDA_MEMCPY");
    }
    *out = region;
    return WM_OK;
}

static void nccl_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    if (e->comm != NULL)
        e->nccl->deregister(e->comm, region->handle);
    free(region);
}

/* ---- What it says ---- */

/* Of messages there are windows. */
static int nccl_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    const struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    (void)msg;
    if (ep->repeats > 1)
        return wm_fail(err, WM_EUNSUP, "", 0,
                       "--enqueue is for NCCL's own collectives; messages are enqueued together by --window");
    if (e->graph)
        return wm_fail(err, WM_EUNSUP, "", 0, "--nccl-graph is for NCCL's own collectives");
    return WM_OK;
}

static enum wm_fabric fabric_of(const struct wm_nccl_facts *f)
{
    if (f->by_net == 0 && f->by_shm > 0)
        return WM_FABRIC_SHM;
    if (f->by_net == 0 || strcmp(f->network, "IB") == 0)
        return f->by_net > 0 && strstr(f->devices, "/RoCE") != NULL ? WM_FABRIC_ROCE
               : f->by_net > 0 && strstr(f->devices, "/IB") != NULL ? WM_FABRIC_IB
                                                                    : WM_FABRIC_UNKNOWN;
    if (strcmp(f->network, "Socket") == 0)
        return WM_FABRIC_TCP;
    return strstr(f->network, "Libfabric") != NULL ? WM_FABRIC_EFA : WM_FABRIC_UNKNOWN;
}

static void nccl_claim(struct wm_ep *ep, struct wm_claim *out)
{
    const struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    const struct wm_nccl_facts *f = &e->facts;
    char version[32], facts[160];
    *out = (struct wm_claim){ .fabric = fabric_of(f) };
    snprintf(out->provider, sizeof(out->provider), "%s", f->network);
    wm_nccl_log_text(f, facts, sizeof(facts));
    snprintf(out->how, sizeof(out->how), "NCCL %s%s%s",
             wm_nccl_version_text(e->nccl->version, version, sizeof(version)), facts[0] != '\0' ? ", " : "", facts);
}

/* A graph keeps what was to be told when it was captured: one that is heard is another. */
static void nccl_listen(struct wm_ep *ep)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    e->listens = true;
    wm_nccl_profile_listen(&e->profile);
}

static void nccl_heard(struct wm_ep *ep, struct wm_heard *out)
{
    struct wm_nccl_ep *e = (struct wm_nccl_ep *)ep;
    wm_nccl_profile_heard(&e->profile, out);
    e->listens = false;
}

static const char *nccl_version(char *text, size_t bytes)
{
    struct wm_nccl_library library;
    struct wm_err err = { .rank = -1 };
    char version[32];
    text[0] = '\0';
    if (wm_nccl_library_open(NULL, &library, &err) == WM_OK)
        snprintf(text, bytes, "NCCL %s", wm_nccl_version_text(library.version, version, sizeof(version)));
    return text;
}

const struct wm_transport wm_transport_nccl = {
    .name = "nccl",
    .summary = "NVIDIA's NCCL between GPUs",
    .options = nccl_options,
    .conf_bytes = sizeof(struct wm_nccl_conf),
    .ops = &wm_nccl_ops,
    .device_only = true,
    .whole_groups = true,
    .probe = nccl_probe,
    .check = nccl_check,
    .open = wm_nccl_open,
    .takes = nccl_takes,
    .reg = nccl_reg,
    .unreg = nccl_unreg,
    .bind_msg = nccl_bind_msg,
    .bind_coll = wm_nccl_bind_coll,
    .unbind_coll = wm_nccl_unbind_coll,
    .device_begin = wm_nccl_device_begin,
    .device_end = wm_nccl_device_end,
    .claim = nccl_claim,
    .listen = nccl_listen,
    .heard = nccl_heard,
    .version = nccl_version,
    .close = wm_nccl_close,
    .abandon = wm_nccl_abandon,
};
