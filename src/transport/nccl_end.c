/** How calls of NCCL end: in the background, with an error, or with the communicator. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/transport/nccl_ep.h"

int wm_nccl_fail(const struct wm_nccl_library *nccl, struct ncclComm *comm, struct wm_err *err, enum wm_code code,
                 const char *call, int status, const char *format, ...)
{
    char what[200];
    va_list args;
    if (err->code != WM_OK)
        return (int)err->code;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    const char *last = nccl->last_error(comm), *text = nccl->error_string(status);
    bool told = last != NULL && last[0] != '\0';
    wm_fail(err, code, call, status, "%s%s%.180s", what, told ? ": " : "", told ? last : "");
    for (char *c = err->what; *c != '\0'; c++) /* one line */
        if (*c == '\n')
            *c = c[1] != '\0' ? ' ' : '\0';
    snprintf(err->native_text, sizeof(err->native_text), "%s", text != NULL ? text : "unknown status");
    return (int)err->code;
}

int wm_nccl_settle(struct wm_nccl_ep *e, struct ncclComm *comm, int status)
{
    while (status == WM_NCCL_IN_PROGRESS && !atomic_load_explicit(e->base.expired, memory_order_relaxed)) {
        int asked = e->nccl->async_error(comm, &status);
        if (asked != WM_NCCL_SUCCESS)
            return asked;
        if (status == WM_NCCL_IN_PROGRESS)
            sched_yield();
    }
    return status;
}

void wm_nccl_drop_graphs(struct wm_nccl_ep *e, struct wm_nccl_coll *c)
{
    struct wm_nccl_coll **at = &e->graphed;
    if (c->graphs == NULL)
        return;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    while (c->graphs != NULL) {
        struct wm_nccl_graph *g = c->graphs;
        c->graphs = g->next;
        e->device->cu->graph_exec_destroy(g->exec);
        free(g);
    }
}

/* NCCL waits for the graphs of a communicator before it ends it, and does so for one that is aborted, too. */
void wm_nccl_abort(struct wm_nccl_ep *e)
{
    while (e->graphed != NULL)
        wm_nccl_drop_graphs(e, e->graphed);
    if (e->comm != NULL)
        e->nccl->abort(e->comm);
    if (e->parent != NULL)
        e->nccl->abort(e->parent);
    e->comm = e->parent = NULL;
}
