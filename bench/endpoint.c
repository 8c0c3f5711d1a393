#include "bench/endpoint.h"

#include <stdio.h>

enum { SLOTS = 128 }; /* posts that may be open at once */

static int open_barrier(struct wm_endpoint *e, const struct wm_world *world, struct wm_err *err)
{
    struct wm_schedule s = { 0 };
    struct wm_bind bind = { .transport = e->is->transport, .ep = e->ep, .attached = &e->attached, .mem = &wm_mem_host };
    wm_build_barrier(world->rank, world->size, &s);
    if (wm_schedule_ok(&s) != WM_OK)
        wm_fail(err, WM_ENOMEM, "realloc", 0, "schedule of the barrier");
    else if (wm_program_open(&s, &bind, &e->barrier, err) == WM_OK)
        e->barrier->next = e->barrier;
    wm_schedule_free(&s);
    return err->code;
}

static void lose(struct wm_endpoint *e, const struct wm_err *err)
{
    e->lost = err->code;
    snprintf(e->lost_reason, sizeof(e->lost_reason), "%s could not be opened: %.300s%s%s", e->is->transport->name,
             err->what, err->native_text[0] ? ": " : "", err->native_text);
}

void wm_endpoint_open(struct wm_endpoint *e, const struct wm_world *world, const atomic_bool *expired,
                      const struct wm_buf buf[WM_AREAS], unsigned shared)
{
    struct wm_ep_conf conf = { .world = world, .expired = expired, .slots = SLOTS, .own = e->is->group.conf };
    const struct wm_buf *attached[WM_AREAS] = { 0 };
    struct wm_err story = { .rank = -1 };
    for (int a = WM_IN; a <= WM_WORK; a++)
        attached[a] = &buf[a];
    e->is->transport->open(&conf, &e->ep, &story);
    if (wm_world_agree(world, WM_SPIN, &story) == WM_OK) {
        wm_attach(e->is->transport, e->ep, attached, shared, &e->attached, &story);
        if (story.code == WM_OK)
            open_barrier(e, world, &story);
        wm_world_agree(world, WM_SPIN, &story);
    }
    if (story.code != WM_OK)
        lose(e, &story);
}

void wm_endpoint_close(struct wm_endpoint *e)
{
    wm_program_close(e->barrier);
    if (e->ep == NULL)
        return;
    if (e->lost == WM_OK) {
        wm_detach(e->is->transport, e->ep, &e->attached);
        e->is->transport->close(e->ep);
    } else if (e->is->transport->abandon != NULL) {
        e->is->transport->abandon(e->ep);
    }
}
