/** Failures of transport ofi as stories: what was tried, what libfabric and its provider say, what to look at. */
#include <rdma/fi_errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/ofi_ep.h"

int wm_ofi_fail(struct wm_err *err, enum wm_code code, const char *call, ssize_t rc, const char *format, ...)
{
    char what[sizeof(err->what)];
    bool first = err->code == WM_OK;
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    wm_fail(err, code, call, (int)-rc, "%s", what);
    if (first)
        snprintf(err->native_text, sizeof(err->native_text), "%s", fi_strerror((int)-rc));
    return err->code;
}

/* "send of 8 bytes to rank 1 over tcp;ofi_rxm" */
static const char *describe(char *text, size_t bytes, const struct wm_ofi_ep *e, const struct wm_ofi_slot *s)
{
    static const char *const words[] = { "send of %zu bytes to rank %d over %s",
                                         "receive of %zu bytes from rank %d over %s",
                                         "put of %zu bytes to rank %d over %s",
                                         "get of %zu bytes from rank %d over %s",
                                         "put of %zu bytes to rank %d over %s",
                                         "read that completes a put of %zu bytes to rank %d over %s",
                                         "send of %zu bytes to rank %d over %s",
                                         "receive of %zu bytes from rank %d over %s",
                                         "advert of the receive of %zu bytes to rank %d over %s" };
    const char *provider = wm_ofi_name(e->info);

    if (s == NULL || s->msg == NULL)
        snprintf(text, bytes, "a message of rank %d over %s", e->ep.world->rank, provider);
    else
        snprintf(text, bytes, words[s->kind], s->msg->bytes, s->msg->peer, provider);
    return text;
}

int wm_ofi_post_failed(struct wm_ofi_ep *e, const struct wm_ofi_slot *s, ssize_t rc)
{
    static const char *const calls[] = { "fi_tsend", "fi_trecv",    "fi_writemsg", "fi_read", "fi_writemsg",
                                         "fi_read",  "fi_writemsg", "fi_send",     "fi_send", "fi_recv" };
    char text[160];

    return wm_ofi_fail(&e->ep.err, WM_ESYS, calls[s->kind], rc, "%s", describe(text, sizeof(text), e, s));
}

static const char *look_at(int code)
{
    switch (code) {
    case FI_ETRUNC:
        return "the message is longer than its receive";
    case FI_EACCES:
    case FI_EPERM:
    case FI_EKEYREJECTED:
        return "the peer's memory is not registered for this, or no longer";
    case FI_ENOMEM:
    case FI_ENOSPC:
    case FI_EOVERRUN:
        return "out of memory or queue entries: look at ulimit -l and the provider's queue sizes (fi_info -e)";
    case FI_ECANCELED:
        return "it was cancelled, as when an endpoint closes";
    default:
        return "look whether the peer lives and its address can be reached (interface, firewall, link)";
    }
}

int wm_ofi_cq_failed(struct wm_ofi_ep *e, ssize_t rc)
{
    char provider_says[120] = "", text[160];
    struct fi_cq_err_entry entry = { 0 };
    ssize_t n;

    if (rc != -FI_EAVAIL)
        return wm_ofi_fail(&e->ep.err, WM_ESYS, "fi_cq_read", rc, "completions of rank %d over %s", e->ep.world->rank,
                           e->info->fabric_attr->prov_name);
    n = fi_cq_readerr(e->cq, &entry, 0);
    if (n == -FI_EAGAIN)
        return WM_OK;
    if (n < 0)
        return wm_ofi_fail(&e->ep.err, WM_ESYS, "fi_cq_readerr", n, "completions of rank %d over %s", e->ep.world->rank,
                           e->info->fabric_attr->prov_name);
    entry.err = abs(entry.err); /* some providers give it negative */
    const char *says = fi_cq_strerror(e->cq, entry.prov_errno, entry.err_data, provider_says, sizeof(provider_says));
    return wm_ofi_fail(&e->ep.err, WM_ESYS, "fi_cq_readerr", -entry.err, "%s failed: %s (provider's error %d): %s",
                       describe(text, sizeof(text), e, entry.op_context), says != NULL ? says : "no text",
                       entry.prov_errno, look_at(entry.err));
}
