/** Waits and blocking calls built from posts, for transports that have nothing better. */
#include <sched.h>

#include "src/transport/transport.h"

int wm_wait_by_test(struct wm_ep *ep, unsigned first, unsigned n)
{
    for (unsigned slot = first; slot < first + n; slot++) {
        int rc;
        while ((rc = ep->ops->test(ep, slot)) == WM_EAGAIN)
            if (atomic_load_explicit(ep->expired, memory_order_relaxed))
                return WM_ETIMEOUT;
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

int wm_wait_by_test_yield(struct wm_ep *ep, unsigned first, unsigned n)
{
    for (unsigned slot = first; slot < first + n; slot++) {
        int rc;
        while ((rc = ep->ops->test(ep, slot)) == WM_EAGAIN) {
            if (atomic_load_explicit(ep->expired, memory_order_relaxed))
                return WM_ETIMEOUT;
            sched_yield();
        }
        if (rc != WM_OK)
            return rc;
    }
    return WM_OK;
}

int wm_send_by_post(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = ep->ops->post_send(ep, 0, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, 0, 1);
}

int wm_recv_by_post(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = ep->ops->post_recv(ep, 0, msg);
    return rc != WM_OK ? rc : ep->ops->wait(ep, 0, 1);
}
