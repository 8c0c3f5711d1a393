/** Moves nothing and says at once that it is done: what is left in the time is the harness. */
#include <stdlib.h>

#include "src/transport/transport.h"

static int null_block(struct wm_ep *ep, const struct wm_msg *msg)
{
    (void)ep;
    (void)msg;
    return WM_OK;
}

static int null_post(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    (void)ep;
    (void)slot;
    (void)msg;
    return WM_OK;
}

static int null_test(struct wm_ep *ep, unsigned slot)
{
    (void)ep;
    (void)slot;
    return WM_OK;
}

static int null_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    (void)ep;
    (void)first;
    (void)n;
    return WM_OK;
}

static int null_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    (void)ep;
    (void)slot;
    (void)handle;
    (void)area;
    return WM_OK;
}

static const struct wm_ops null_ops = {
    .send = null_block,
    .recv = null_block,
    .post_send = null_post,
    .post_recv = null_post,
    .put = null_post,
    .get = null_post,
    .test = null_test,
    .wait = null_wait,
    .coll = null_coll,
};

static int null_probe(const void *own, struct wm_err *err)
{
    (void)own;
    (void)err;
    return WM_OK;
}

static int null_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct wm_ep *ep = calloc(1, sizeof(*ep));
    if (ep == NULL)
        return wm_fail_errno(err, "calloc", "null endpoint");
    ep->ops = &null_ops;
    ep->world = conf->world;
    ep->expired = conf->expired;
    ep->slots = conf->slots;
    ep->coll_blocks = true;
    ep->crowded = conf->world->crowded;
    ep->err.rank = -1;
    *out = ep;
    return WM_OK;
}

static int null_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op,
                          void **handle, struct wm_err *err)
{
    (void)ep;
    (void)coll;
    (void)type;
    (void)op;
    (void)err;
    *handle = NULL;
    return WM_OK;
}

static void null_unbind_coll(struct wm_ep *ep, void *handle)
{
    (void)ep;
    (void)handle;
}

static const char *null_version(char *text, size_t bytes)
{
    snprintf(text, bytes, "built in");
    return text;
}

static void null_close(struct wm_ep *ep)
{
    free(ep);
}

const struct wm_transport wm_transport_null = {
    .name = "null",
    .summary = "moves nothing; the harness's own cost",
    .ops = &null_ops,
    .moves_nothing = true,
    .probe = null_probe,
    .open = null_open,
    .bind_coll = null_bind_coll,
    .unbind_coll = null_unbind_coll,
    .version = null_version,
    .close = null_close,
    .abandon = null_close,
};
