/**
 * The MPI library's own two-sided, one-sided and collective operations, called as a user would call them.
 * Blocking calls, flushes and collectives cannot look at the deadline: the watch ends a run that is stuck in one.
 */
#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/mpi_ep.h"

#define TAG 0

/* A window of a peer, as an origin sees it. */
struct wm_mpi_target {
    MPI_Win win;
    int peer;
    bool open; /* operations since the last flush */
};

/* Made by reg (a window of all ranks, with this rank's part of it) or by import (one peer's part). */
struct wm_region {
    MPI_Win win;
    uint64_t id; /* counts the endpoint's windows: the same on all ranks */
    size_t bytes;
    struct wm_mpi_target *target; /* import only */
    struct wm_region *next;       /* reg only: the endpoint's windows */
};

/* What key() tells the peers. */
struct key {
    uint64_t id, bytes;
};

/* ---- Errors ---- */

static int __attribute__((noinline, cold))
message_failed(struct wm_ep *ep, int rc, const char *call, const struct wm_msg *msg)
{
    return wm_mpi_fail(&ep->err, WM_ESYS, rc, call, "%zu bytes between rank %d and rank %d", msg->bytes,
                       ep->world->rank, msg->peer);
}

/* What is too long for its receive names its sender; the status of a send says nothing of its receiver. */
static int __attribute__((noinline, cold))
wait_failed(struct wm_mpi_ep *e, int rc, const char *call, unsigned first, unsigned n)
{
    const MPI_Status *bad = &e->status[first];
    int class = rc;

    MPI_Error_class(rc, &class);
    if (class == MPI_ERR_IN_STATUS) {
        while (bad < &e->status[first + n - 1] && (bad->MPI_ERROR == MPI_SUCCESS || bad->MPI_ERROR == MPI_ERR_PENDING))
            bad++;
        rc = bad->MPI_ERROR;
        MPI_Error_class(rc, &class);
    }
    if (class == MPI_ERR_TRUNCATE)
        return wm_mpi_fail(&e->ep.err, WM_ESYS, rc, call, "a message from rank %d to rank %d", bad->MPI_SOURCE,
                           e->ep.world->rank);
    return wm_mpi_fail(&e->ep.err, WM_ESYS, rc, call, "a message of rank %d", e->ep.world->rank);
}

/* ---- Two-sided ---- */

static inline MPI_Datatype type_of(const struct wm_msg *msg)
{
    MPI_Datatype type;
    memcpy(&type, &msg->native, sizeof(type));
    return type;
}

static int mpi_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = MPI_Send(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, wm_mpi_of(ep)->comm);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Send", msg);
}

static int mpi_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc =
        MPI_Recv(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, wm_mpi_of(ep)->comm, MPI_STATUS_IGNORE);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Recv", msg);
}

static int mpi_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    e->receives[slot] = false;
    int rc = MPI_Isend(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, e->comm, &e->request[slot]);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Isend", msg);
}

static int mpi_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    e->receives[slot] = true;
    int rc = MPI_Irecv(msg->ptr, msg->native_count, type_of(msg), msg->peer, TAG, e->comm, &e->request[slot]);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Irecv", msg);
}

/* ---- One-sided: windows are locked for all once; a flush makes an operation complete at the target ---- */

static int mpi_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    struct wm_mpi_target *t = msg->remote->target;

    t->open = true;
    e->target[slot] = t;
    e->targets++;
    int rc = MPI_Put(msg->ptr, msg->native_count, type_of(msg), t->peer, (MPI_Aint)msg->remote_at, msg->native_count,
                     type_of(msg), t->win);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Put", msg);
}

static int mpi_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    struct wm_mpi_target *t = msg->remote->target;

    t->open = true;
    e->target[slot] = t;
    e->targets++;
    int rc = MPI_Get(msg->ptr, msg->native_count, type_of(msg), t->peer, (MPI_Aint)msg->remote_at, msg->native_count,
                     type_of(msg), t->win);
    return rc == MPI_SUCCESS ? WM_OK : message_failed(ep, rc, "MPI_Get", msg);
}

/* One flush a peer, whatever the number of slots: the first one completes the others. */
static int flush(struct wm_mpi_ep *e, unsigned first, unsigned n)
{
    for (unsigned slot = first; slot < first + n; slot++) {
        struct wm_mpi_target *t = e->target[slot];
        if (t == NULL)
            continue;
        int rc = t->open ? MPI_Win_flush(t->peer, t->win) : MPI_SUCCESS;
        if (rc != MPI_SUCCESS)
            return wm_mpi_fail(&e->ep.err, WM_ESYS, rc, "MPI_Win_flush", "window of rank %d", t->peer);
        t->open = false;
        e->target[slot] = NULL;
        e->targets--;
    }
    return WM_OK;
}

/* ---- Waiting ---- */

static int mpi_test(struct wm_ep *ep, unsigned slot)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    int done;

    if (e->targets > 0 && e->target[slot] != NULL)
        return flush(e, slot, 1);
    int rc = MPI_Test(&e->request[slot], &done, &e->status[slot]);
    if (rc != MPI_SUCCESS)
        return wait_failed(e, rc, "MPI_Test", slot, 1);
    return done ? WM_OK : WM_EAGAIN;
}

/* Polls one request while the library makes progress, and asks about all of them when that one is complete: a poll
 * costs the same for one message and for a window. The last one, as it is mostly the last to complete. */
static inline int wait_all(struct wm_ep *ep, unsigned first, unsigned n, bool yields)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    int rc = e->targets > 0 ? flush(e, first, n) : WM_OK, done = 0;

    if (rc != WM_OK)
        return rc;
    while ((rc = mpi_test(ep, first + n - 1)) == WM_EAGAIN) {
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        if (yields)
            sched_yield();
    }
    if (rc != WM_OK || n == 1)
        return rc;
    for (;;) {
        rc = MPI_Testall((int)n - 1, &e->request[first], &done, &e->status[first]);
        if (rc != MPI_SUCCESS)
            return wait_failed(e, rc, "MPI_Testall", first, n - 1);
        if (done)
            return WM_OK;
        if (atomic_load_explicit(ep->expired, memory_order_relaxed))
            return WM_ETIMEOUT;
        if (yields)
            sched_yield();
    }
}

static int mpi_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_all(ep, first, n, false);
}

static int mpi_wait_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    return wait_all(ep, first, n, true);
}

/* ---- Messages above INT_MAX ---- */

static int mpi_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    MPI_Datatype type = MPI_BYTE;

    if (msg->remote != NULL &&
        (msg->remote_at > msg->remote->bytes || msg->bytes > msg->remote->bytes - msg->remote_at))
        return wm_fail(err, WM_EBUG, "", 0, "%zu bytes at %zu of the window of rank %d, which has %zu", msg->bytes,
                       msg->remote_at, msg->peer, msg->remote->bytes);
    msg->native_count = (int)msg->bytes;
    if (msg->bytes > INT_MAX) {
        int rc = wm_mpi_make_committed_row(msg->bytes, MPI_BYTE, &type);
        if (rc != MPI_SUCCESS)
            return wm_mpi_fail(err, WM_ESYS, rc, "MPI_Type_create_struct", "a message of %zu bytes to rank %d",
                               msg->bytes, msg->peer);
        msg->native_count = 1;
    }
    (void)ep;
    memcpy(&msg->native, &type, sizeof(type));
    return WM_OK;
}

static void mpi_unbind_msg(struct wm_ep *ep, struct wm_msg *msg)
{
    MPI_Datatype type = type_of(msg);
    (void)ep;
    if (msg->bytes > INT_MAX)
        MPI_Type_free(&type);
}

/* ---- Windows ---- */

static void free_window(struct wm_region *region)
{
    MPI_Win_unlock_all(region->win);
    MPI_Win_free(&region->win);
}

static int mpi_reg(struct wm_ep *ep, const struct wm_buf *buf, bool shared, struct wm_region **out, struct wm_err *err)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);
    struct wm_region *region;

    *out = NULL;
    if (!shared)
        return WM_OK;
    region = calloc(1, sizeof(*region));
    if (region == NULL)
        return wm_fail_errno(err, "calloc", "window of transport mpi");
    int rc = MPI_Win_create(buf->dma, (MPI_Aint)buf->bytes, 1, MPI_INFO_NULL, e->comm, &region->win);
    if (rc != MPI_SUCCESS) {
        free(region);
        return wm_mpi_fail(err, WM_EABSENT, rc, "MPI_Win_create",
                           "the MPI library makes no window for one-sided operations here; with Open MPI try "
                           "OMPI_MCA_osc=^ucx, or OMPI_MCA_btl_vader_single_copy_mechanism=emulated on one host");
    }
    MPI_Win_set_errhandler(region->win, MPI_ERRORS_RETURN);
    rc = MPI_Win_lock_all(MPI_MODE_NOCHECK, region->win);
    if (rc != MPI_SUCCESS) {
        wm_mpi_fail(err, WM_ESYS, rc, "MPI_Win_lock_all", "window of %zu bytes", buf->bytes);
        MPI_Win_free(&region->win);
        free(region);
        return err->code;
    }
    region->bytes = buf->bytes;
    region->id = e->next_window++;
    region->next = e->windows;
    e->windows = region;
    *out = region;
    return WM_OK;
}

static int mpi_key(struct wm_ep *ep, const struct wm_region *region, unsigned char key[WM_KEY_BYTES],
                   struct wm_err *err)
{
    struct key mine = { .id = region->id, .bytes = region->bytes };

    (void)ep;
    (void)err;
    memcpy(key, &mine, sizeof(mine));
    return WM_OK;
}

static int mpi_import(struct wm_ep *ep, int peer, const unsigned char key[WM_KEY_BYTES], struct wm_region **out,
                      struct wm_err *err)
{
    const struct wm_region *window = wm_mpi_of(ep)->windows;
    struct wm_region *region = calloc(1, sizeof(*region));
    struct wm_mpi_target *target = calloc(1, sizeof(*target));
    struct key theirs;

    memcpy(&theirs, key, sizeof(theirs));
    while (window != NULL && window->id != theirs.id)
        window = window->next;
    if (region == NULL || target == NULL || window == NULL) {
        bool missing = window == NULL;
        free(region);
        free(target);
        return missing ? wm_fail(err, WM_EBUG, "", 0, "rank %d shares a window that rank %d does not have", peer,
                                 ep->world->rank)
                       : wm_fail(err, WM_ENOMEM, "calloc", 0, "window of rank %d", peer);
    }
    *target = (struct wm_mpi_target){ .win = window->win, .peer = peer };
    *region = (struct wm_region){ .win = window->win, .id = theirs.id, .bytes = theirs.bytes, .target = target };
    *out = region;
    return WM_OK;
}

static void mpi_unreg(struct wm_ep *ep, struct wm_region *region)
{
    struct wm_region **link = &wm_mpi_of(ep)->windows;

    if (region->target == NULL) {
        while (*link != region)
            link = &(*link)->next;
        *link = region->next;
        free_window(region);
    }
    free(region->target);
    free(region);
}

/* ---- Opening and closing ---- */

static const struct wm_ops mpi_ops = {
    .send = mpi_send,
    .recv = mpi_recv,
    .post_send = mpi_post_send,
    .post_recv = mpi_post_recv,
    .put = mpi_put,
    .get = mpi_get,
    .test = mpi_test,
    .wait = mpi_wait,
    .coll = wm_mpi_coll,
};

/* More ranks than cores: nobody may keep a core while it waits, not even in a blocking call. */
static const struct wm_ops mpi_ops_crowded = {
    .send = wm_send_by_post,
    .recv = wm_recv_by_post,
    .post_send = mpi_post_send,
    .post_recv = mpi_post_recv,
    .put = mpi_put,
    .get = mpi_get,
    .test = mpi_test,
    .wait = mpi_wait_yield,
    .coll = wm_mpi_coll,
};

/* Whether the library gives its core away itself in every poll that finds nothing, as Open MPI does where mpirun knows
 * of more ranks than cores: a second yield of ours would only make each poll longer. */
static bool library_yields(void)
{
    MPI_T_cvar_handle handle;
    int provided, index, count, yields = 0;

    if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS)
        return false;
    if (MPI_T_cvar_get_index("mpi_yield_when_idle", &index) == MPI_SUCCESS &&
        MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) == MPI_SUCCESS) {
        if (count != 1 || MPI_T_cvar_read(handle, &yields) != MPI_SUCCESS)
            yields = 0;
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
    return yields != 0;
}

static int mpi_probe(const void *own, struct wm_err *err)
{
    (void)own;
    (void)err;
    return WM_OK;
}

static void free_endpoint(struct wm_mpi_ep *e)
{
    free(e->request);
    free(e->status);
    free(e->receives);
    free(e->target);
    free(e);
}

/* Local. Receives that nothing has come for are taken back, so that nothing writes into the buffers any more; sends,
 * windows and the communicator are left to the library. */
static void mpi_abandon(struct wm_ep *ep)
{
    struct wm_mpi_ep *e = wm_mpi_of(ep);

    if (e == NULL)
        return;
    for (unsigned slot = 0; slot < ep->slots; slot++) {
        if (e->request[slot] == MPI_REQUEST_NULL || !e->receives[slot])
            continue;
        MPI_Cancel(&e->request[slot]);
        MPI_Request_free(&e->request[slot]);
    }
    free_endpoint(e);
}

static void mpi_close(struct wm_ep *ep)
{
    if (ep == NULL)
        return;
    if (wm_mpi_of(ep)->comm != MPI_COMM_NULL)
        MPI_Comm_free(&wm_mpi_of(ep)->comm);
    free_endpoint(wm_mpi_of(ep));
}

static int mpi_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct wm_mpi_ep *e = calloc(1, sizeof(*e));
    const size_t slots = conf->slots;

    if (e == NULL)
        return wm_fail_errno(err, "calloc", "mpi endpoint");
    e->comm = MPI_COMM_NULL;
    e->request = malloc(slots * sizeof(*e->request));
    e->status = calloc(slots, sizeof(*e->status));
    e->receives = calloc(slots, sizeof(*e->receives));
    e->target = calloc(slots, sizeof(*e->target));
    if (e->request == NULL || e->status == NULL || e->receives == NULL || e->target == NULL) {
        mpi_close(&e->ep);
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "mpi endpoint of %zu slots", slots);
    }
    e->ep = (struct wm_ep){ .ops = conf->world->crowded && !library_yields() ? &mpi_ops_crowded : &mpi_ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .coll_blocks = true,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    for (size_t i = 0; i < slots; i++)
        e->request[i] = MPI_REQUEST_NULL;
    if (conf->world->native == NULL) {
        mpi_close(&e->ep);
        return wm_fail(err, WM_EABSENT, "", 0,
                       "transport mpi needs a launcher: start it as in mpirun -n 2 wiremark run");
    }
    int rc = MPI_Comm_dup(*(MPI_Comm *)conf->world->native, &e->comm);
    if (rc != MPI_SUCCESS) {
        wm_mpi_fail(err, WM_ESYS, rc, "MPI_Comm_dup", "communicator of %d ranks", conf->world->size);
        mpi_close(&e->ep);
        return err->code;
    }
    MPI_Comm_set_errhandler(e->comm, MPI_ERRORS_RETURN);
    *out = &e->ep;
    return WM_OK;
}

/* What the library says of itself; evidence and the staged arm show what it does. The function is an extension of Open
 * MPI and of libraries that follow it. */
static int mpi_takes(struct wm_ep *ep, const struct wm_mem *mem, struct wm_err *err)
{
    int (*says)(void);
    (void)ep;
    *(void **)&says = dlsym(RTLD_DEFAULT, "MPIX_Query_cuda_support");
    if (says != NULL && says() == 1)
        return WM_OK;
    return wm_fail(err, WM_EUNSUP, says != NULL ? "MPIX_Query_cuda_support" : "", 0,
                   "this MPI library %s, and cannot be handed %s memory: use one built for CUDA, or --path staged or "
                   "pipelined",
                   says != NULL ? "is not CUDA-aware" : "does not say whether it is CUDA-aware", mem->name);
}

const struct wm_transport wm_transport_mpi = {
    .name = "mpi",
    .summary = "the MPI library's own point-to-point, one-sided and collective operations",
    .ops = &mpi_ops,
    .probe = mpi_probe,
    .open = mpi_open,
    .takes = mpi_takes,
    .reg = mpi_reg,
    .key = mpi_key,
    .import = mpi_import,
    .unreg = mpi_unreg,
    .bind_msg = mpi_bind_msg,
    .unbind_msg = mpi_unbind_msg,
    .bind_coll = wm_mpi_bind_coll,
    .unbind_coll = wm_mpi_unbind_coll,
    .version = wm_mpi_version,
    .close = mpi_close,
    .abandon = mpi_abandon,
};
