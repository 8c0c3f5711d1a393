/** Registers the buffers of an endpoint and tells the peers where they may put and get. */
#include <stdlib.h>
#include <string.h>

#include "src/transport/program.h"

struct key { /* what one rank tells the others about one area */
    unsigned char bytes[WM_KEY_BYTES];
};

static int register_area(const struct wm_transport *t, struct wm_ep *ep, enum wm_area a, bool shared,
                         struct wm_attached *out, struct wm_err *err)
{
    static const struct wm_buf nothing = { .device = -1 };
    const struct wm_buf *buf = out->buf[a];

    if (buf == NULL && !shared)
        return WM_OK;
    /* A shared area is registered by all ranks together, also by those that have nothing in it. */
    return t->reg(ep, buf != NULL ? buf : &nothing, shared, &out->region[a], err);
}

static int import_keys(const struct wm_transport *t, struct wm_ep *ep, const struct key *keys,
                       struct wm_region **remote, struct wm_err *err)
{
    for (int peer = 0; peer < ep->world->size; peer++) {
        int rc = t->import(ep, peer, keys[peer].bytes, &remote[peer], err);
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

/* Collective whatever goes wrong here: a rank without memory says so afterwards. */
static int exchange_area(const struct wm_transport *t, struct wm_ep *ep, enum wm_area a, struct wm_attached *out,
                         struct wm_err *err)
{
    const size_t ranks = (size_t)ep->world->size;
    struct key mine = { { 0 } }, *keys = calloc(ranks, sizeof(*keys));
    int rc;

    out->remote[a] = calloc(ranks, sizeof(*out->remote[a]));
    if (keys == NULL || out->remote[a] == NULL)
        wm_fail_errno(err, "calloc", "the keys of %zu ranks", ranks);
    else if (out->region[a] != NULL)
        t->key(ep, out->region[a], mine.bytes, err);
    if (wm_world_agree(ep->world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(ep->world, &mine, sizeof(mine), keys, err) == WM_OK)
        import_keys(t, ep, keys, out->remote[a], err);
    rc = wm_world_agree(ep->world, WM_SPIN, err);
    free(keys);
    return rc;
}

static int check_memory(const struct wm_transport *t, struct wm_ep *ep, const struct wm_buf *buf, struct wm_err *err)
{
    if (buf == NULL || (!t->device_only && (!wm_mem_is_device(buf->mem) || buf->mem->simulated)))
        return WM_OK;
    if (t->takes != NULL)
        return t->takes(ep, buf->mem, err);
    return wm_fail(err, WM_EUNSUP, "", 0, "transport %s cannot be handed %s memory: use --path staged or pipelined",
                   t->name, buf->mem->name);
}

int wm_attach(const struct wm_transport *t, struct wm_ep *ep, const struct wm_buf *const buf[WM_AREAS], unsigned shared,
              struct wm_attached *out, struct wm_err *err)
{
    struct wm_attached attached = { 0 };
    int rc = WM_OK;

    for (int a = 0; a < WM_AREAS && rc == WM_OK; a++) {
        attached.buf[a] = buf[a];
        attached.device |= buf[a] != NULL && wm_mem_is_device(buf[a]->mem);
        rc = check_memory(t, ep, buf[a], err);
    }
    rc = wm_world_agree(ep->world, WM_SPIN, err);
    for (int a = 0; a < WM_AREAS && t->reg != NULL && rc == WM_OK; a++) {
        bool is_shared = shared >> a & 1;
        register_area(t, ep, (enum wm_area)a, is_shared, &attached, err);
        rc = wm_world_agree(ep->world, WM_SPIN, err);
        if (rc == WM_OK && is_shared)
            rc = exchange_area(t, ep, (enum wm_area)a, &attached, err);
    }
    if (rc != WM_OK)
        wm_detach(t, ep, &attached);
    else
        *out = attached;
    return rc;
}

void wm_detach(const struct wm_transport *t, struct wm_ep *ep, struct wm_attached *attached)
{
    for (int a = WM_AREAS - 1; a >= 0; a--) {
        for (int peer = 0; attached->remote[a] != NULL && peer < ep->world->size; peer++)
            if (attached->remote[a][peer] != NULL)
                t->unreg(ep, attached->remote[a][peer]);
        free(attached->remote[a]);
        if (attached->region[a] != NULL)
            t->unreg(ep, attached->region[a]);
    }
    memset(attached, 0, sizeof(*attached));
}
