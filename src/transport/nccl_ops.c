/**
 * The hot path of transport nccl: posts gather into one group, which is launched at the next test or wait; one stream,
 * an event a launch.
 */

#include "src/transport/nccl_ep.h"

enum { POLLS_A_LOOK = 4096 /* tests of an unfinished launch for each question after errors */ };
enum { NCCL_INT8 = 0 };

static struct wm_nccl_ep *nccl_of(struct wm_ep *ep)
{
    return (struct wm_nccl_ep *)ep;
}

/* ---- Failing: out of the way ---- */

static int __attribute__((noinline, cold)) cuda_failed(struct wm_nccl_ep *e, const char *call, int status)
{
    return wm_cuda_fail(e->device->cu, &e->base.err, WM_ESYS, call, status, "an operation of NCCL on GPU %d failed",
                        e->device->index);
}

static int __attribute__((noinline, cold)) nccl_failed(struct wm_nccl_ep *e, const char *call, int status)
{
    if (status == WM_NCCL_IN_PROGRESS)
        return wm_fail(&e->base.err, WM_ETIMEOUT, call, 0, "the deadline passed before NCCL had begun an operation");
    wm_nccl_fail(e->nccl, e->comm, &e->base.err, WM_ESYS, call, status, "an operation of NCCL failed");
    return e->base.err.code;
}

/* Asked for now and then while a launch is not done. */
static int __attribute__((noinline, cold)) look_for_errors(struct wm_nccl_ep *e)
{
    int status = WM_NCCL_SUCCESS;
    if (e->comm == NULL || e->nccl->async_error(e->comm, &status) != WM_NCCL_SUCCESS)
        return WM_EAGAIN;
    if (status == WM_NCCL_SUCCESS || status == WM_NCCL_IN_PROGRESS)
        return WM_EAGAIN;
    nccl_failed(e, "ncclCommGetAsyncError", status);
    wm_nccl_abort(e); /* its kernels would spin for ever */
    return e->base.err.code;
}

/* ---- Launching ---- */

static int is_done(struct wm_nccl_ep *e, uint64_t launch)
{
    if (launch <= e->ended)
        return WM_OK;
    int status = e->device->cu->event_query(e->done[launch % WM_NCCL_LAUNCHES]);
    if (__builtin_expect(status == WM_CUDA_SUCCESS, 1)) {
        e->ended = launch;
        e->polls = 0;
        return WM_OK;
    }
    if (status != WM_CUDA_NOT_READY)
        return cuda_failed(e, "cuEventQuery", status);
    return ++e->polls % POLLS_A_LOOK == 0 ? look_for_errors(e) : WM_EAGAIN;
}

/* The events go round: the one that comes next is free. */
static int make_room(struct wm_nccl_ep *e)
{
    int rc = WM_OK;
    while (e->launched - e->ended >= WM_NCCL_LAUNCHES - 1 && rc == WM_OK) {
        rc = is_done(e, e->ended + 1);
        if (rc == WM_EAGAIN)
            rc = atomic_load_explicit(e->base.expired, memory_order_relaxed) ? WM_ETIMEOUT : WM_OK;
    }
    return rc;
}

/* Other libraries may have made another context current. */
static int begin(struct wm_nccl_ep *e)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    int rc = make_room(e);
    if (rc != WM_OK)
        return rc;
    if (e->comm == NULL)
        return wm_fail(&e->base.err, WM_ESYS, "", 0, "NCCL's communicator was ended before");
    int status = cu->context_set(e->device->context);
    if (status != WM_CUDA_SUCCESS)
        return cuda_failed(e, "cuCtxSetCurrent", status);
    if (__builtin_expect(e->timing && !e->timed, 0)) {
        e->timed = true;
        status = cu->event_record(e->from, e->stream);
    }
    return status == WM_CUDA_SUCCESS ? WM_OK : cuda_failed(e, "cuEventRecord", status);
}

static int end(struct wm_nccl_ep *e)
{
    const struct wm_cuda_driver *cu = e->device->cu;
    int status = cu->event_record(e->done[(e->launched + 1) % WM_NCCL_LAUNCHES], e->stream);
    if (status == WM_CUDA_SUCCESS && __builtin_expect(e->timing, 0))
        status = cu->event_record(e->to, e->stream);
    if (status != WM_CUDA_SUCCESS)
        return cuda_failed(e, "cuEventRecord", status);
    e->launched++;
    return WM_OK;
}

static int send_group(struct wm_nccl_ep *e)
{
    const struct wm_nccl_library *nccl = e->nccl;
    int status = nccl->group_start();
    for (unsigned i = 0; i < e->n_posts && status == WM_NCCL_SUCCESS; i++) {
        const struct wm_nccl_post *p = &e->post[i];
        status = p->sends ? nccl->send(p->at, p->bytes, NCCL_INT8, p->peer, e->comm, e->stream)
                          : nccl->recv(p->at, p->bytes, NCCL_INT8, p->peer, e->comm, e->stream);
    }
    int ended = nccl->group_end();
    return status == WM_NCCL_SUCCESS || status == WM_NCCL_IN_PROGRESS ? ended : status;
}

static int launch_posts(struct wm_nccl_ep *e)
{
    int rc = begin(e);
    if (rc != WM_OK)
        return rc;
    int status = send_group(e);
    if (status == WM_NCCL_IN_PROGRESS)
        status = wm_nccl_settle(e, e->comm, status);
    e->n_posts = 0;
    return status == WM_NCCL_SUCCESS ? end(e) : nccl_failed(e, "ncclGroupEnd", status);
}

/* ---- What programs call ---- */

static int post(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg, bool sends)
{
    struct wm_nccl_ep *e = nccl_of(ep);
    e->post[e->n_posts++] =
        (struct wm_nccl_post){ .at = msg->ptr, .bytes = msg->bytes, .peer = msg->peer, .sends = sends };
    e->launch_of[slot] = e->launched + 1;
    return WM_OK;
}

static int nccl_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, slot, msg, true);
}

static int nccl_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, slot, msg, false);
}

static int nccl_test(struct wm_ep *ep, unsigned slot)
{
    struct wm_nccl_ep *e = nccl_of(ep);
    if (e->n_posts > 0) {
        int rc = launch_posts(e);
        if (rc != WM_OK)
            return rc;
    }
    return is_done(e, e->launch_of[slot]);
}

/* What did not end in time never will: its kernels are taken from the GPU, for the arms that go on. */
static int given_up(struct wm_ep *ep, int rc)
{
    if (rc == WM_ETIMEOUT)
        wm_nccl_abort(nccl_of(ep));
    return rc;
}

static int nccl_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    int rc = wm_wait_by_test(ep, first, n);
    return __builtin_expect(rc == WM_OK, 1) ? WM_OK : given_up(ep, rc);
}

static int nccl_wait_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    int rc = wm_wait_by_test_yield(ep, first, n);
    return __builtin_expect(rc == WM_OK, 1) ? WM_OK : given_up(ep, rc);
}

static int nccl_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    struct wm_nccl_ep *e = nccl_of(ep);
    int rc = e->n_posts > 0 ? launch_posts(e) : WM_OK;
    if (rc == WM_OK)
        rc = begin(e);
    if (rc != WM_OK)
        return rc;
    struct wm_nccl_coll *c = handle;
    int status = wm_nccl_enqueue(e, c, area[WM_IN], area[WM_OUT]);
    if (__builtin_expect(status != WM_NCCL_SUCCESS, 0))
        return e->base.err.code != WM_OK ? (int)e->base.err.code : nccl_failed(e, c->call, status);
    e->launch_of[slot] = e->launched + 1;
    return end(e);
}

const struct wm_ops wm_nccl_ops = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = nccl_post_send,
    .post_recv = nccl_post_recv,
    .test = nccl_test,
    .wait = nccl_wait,
    .coll = nccl_coll,
};

/* More ranks than cores. */
const struct wm_ops wm_nccl_ops_crowded = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = nccl_post_send,
    .post_recv = nccl_post_recv,
    .test = nccl_test,
    .wait = nccl_wait_yield,
    .coll = nccl_coll,
};

/* ---- The device's own time: from before the first launch to after the last ---- */

int wm_nccl_device_begin(struct wm_ep *ep)
{
    struct wm_nccl_ep *e = nccl_of(ep);
    e->timing = true;
    e->timed = false;
    return WM_OK;
}

int wm_nccl_device_end(struct wm_ep *ep, double *ns)
{
    struct wm_nccl_ep *e = nccl_of(ep);
    float ms = 0;
    int status = WM_CUDA_SUCCESS;
    e->timing = false;
    *ns = 0;
    if (!e->timed)
        return WM_OK;
    while ((status = e->device->cu->event_query(e->to)) == WM_CUDA_NOT_READY)
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return given_up(ep, WM_ETIMEOUT);
    if (status != WM_CUDA_SUCCESS)
        return cuda_failed(e, "cuEventQuery", status);
    status = e->device->cu->event_elapsed(&ms, e->from, e->to);
    *ns = (double)ms * 1e6;
    return status == WM_CUDA_SUCCESS ? WM_OK : cuda_failed(e, "cuEventElapsedTime", status);
}
