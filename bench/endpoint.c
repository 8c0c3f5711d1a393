#include "bench/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What carries the barrier. */
static const struct wm_transport *barrier_transport(const struct wm_endpoint *e)
{
    return e->is->transport->device_only ? &wm_transport_mpi : e->is->transport;
}

static struct wm_ep *barrier_ep(const struct wm_endpoint *e)
{
    return e->is->transport->device_only ? e->barrier_ep : e->ep;
}

static int bind_barrier(struct wm_endpoint *e, const struct wm_world *world, struct wm_err *err)
{
    struct wm_schedule s = { 0 };
    struct wm_bind bind = {
        .transport = barrier_transport(e), .ep = barrier_ep(e), .attached = &e->barrier_attached, .mem = &wm_mem_host
    };
    wm_build_barrier(world->rank, world->size, &s);
    if (wm_schedule_ok(&s) != WM_OK)
        wm_fail(err, WM_ENOMEM, "realloc", 0, "schedule of the barrier");
    else if (wm_program_open(&s, &bind, &e->barrier, err) == WM_OK)
        e->barrier->next = e->barrier;
    wm_schedule_free(&s);
    return err->code;
}

/* Collective. @param own  what the transport itself was opened with */
static int open_barrier(struct wm_endpoint *e, const struct wm_ep_conf *own, struct wm_err *err)
{
    const struct wm_buf *buf[WM_AREAS] = { [WM_WORK] = &e->barrier_buf };
    const struct wm_ep_conf conf = { .world = own->world, .expired = own->expired, .slots = own->slots };
    wm_mem_host.alloc(-1, 64, &e->barrier_buf, err);
    if (e->is->transport->device_only)
        wm_transport_mpi.open(&conf, &e->barrier_ep, err);
    if (wm_world_agree(own->world, WM_SPIN, err) == WM_OK &&
        wm_attach(barrier_transport(e), barrier_ep(e), buf, 0, &e->barrier_attached, err) == WM_OK)
        bind_barrier(e, own->world, err);
    return wm_world_agree(own->world, WM_SPIN, err);
}

/* Of several hosts the one whose rank tells it is named: what lacks there is there to be mended. */
static void tell(const struct wm_endpoint *e, const struct wm_world *world, const char *what, const struct wm_err *err,
                 char *text, size_t bytes)
{
    const bool named = world->hosts > 1 && err->rank >= 0 && err->rank < world->size;
    char story[WM_ERR_TEXT_BYTES];
    snprintf(text, bytes, "%s %s%s%s: %s", e->is->transport->name, what, named ? " on host " : "",
             named ? world->places[err->rank].host : "", wm_err_text(err, story, sizeof(story)));
}

static bool cannot(const struct wm_err *err)
{
    return err->code == WM_EABSENT || err->code == WM_EUNSUP;
}

/* The areas that the transport is handed: on a detour only those of the host. */
static unsigned visible(const struct wm_layout *layout, const struct wm_buf *buf[WM_AREAS])
{
    unsigned seen = 0;
    for (int a = 0; a < WM_AREAS; a++) {
        bool hidden = layout->buf[a] == NULL || (layout->detour && wm_mem_is_device(layout->buf[a]->mem));
        buf[a] = hidden ? NULL : layout->buf[a];
        seen |= (unsigned)!hidden << a;
    }
    return seen;
}

/* With the areas that peers reach into; without them where the library cannot: its other cells still run. */
static int attach(struct wm_endpoint *e, const struct wm_layout *layout, struct wm_endpoint_layout *out,
                  struct wm_err *err)
{
    const struct wm_buf *buf[WM_AREAS];
    unsigned shared = visible(layout, buf) & layout->shared;
    wm_attach(e->is->transport, e->ep, buf, shared, &out->attached, err);
    if (shared == 0 || !cannot(err))
        return err->code;
    out->unshared = err->code;
    tell(e, e->ep->world, "cannot put or get", err, out->unshared_reason, sizeof(out->unshared_reason));
    *err = (struct wm_err){ .rank = -1 };
    return wm_attach(e->is->transport, e->ep, buf, 0, &out->attached, err);
}

/* Collective. Memory that some rank could not have, or that the library does not take, costs the layout's cells. */
static void open_layout(struct wm_endpoint *e, const struct wm_world *world, const struct wm_layout *layout,
                        struct wm_endpoint_layout *out)
{
    struct wm_err story = { .rank = -1 };
    if (!layout->used)
        return;
    if (layout->lost != WM_OK)
        wm_fail(&story, layout->lost, "", 0, "%s", layout->lost_reason);
    if (wm_world_agree(world, WM_SPIN, &story) == WM_OK && attach(e, layout, out, &story) == WM_OK)
        memcpy(out->attached.buf, layout->buf, sizeof(layout->buf)); /* copies reach all of it */
    out->lost = story.code;
    if (story.code != WM_OK)
        tell(e, world, "cannot use the memory", &story, out->lost_reason, sizeof(out->lost_reason));
}

/* Collective. */
static int open_layouts(struct wm_endpoint *e, const struct wm_endpoint_conf *conf, struct wm_err *err)
{
    e->layout = calloc((size_t)conf->memory->n, sizeof(*e->layout));
    if (e->layout == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d layouts of buffers", conf->memory->n);
    if (wm_world_agree(conf->world, WM_SPIN, err) != WM_OK)
        return err->code;
    e->n_layouts = conf->memory->n;
    for (int i = 0; i < e->n_layouts; i++)
        open_layout(e, conf->world, &conf->memory->layout[i], &e->layout[i]);
    return WM_OK;
}

/* Peers may put into this rank, or get from it, while it waits for them elsewhere. */
static int serve(void *arg)
{
    struct wm_endpoint *e = arg;
    return e->lost == WM_OK ? e->is->transport->progress(e->ep) : WM_OK;
}

/* What it says that it uses, which must be what the user named. */
static int hear(struct wm_endpoint *e, struct wm_err *err)
{
    if (e->is->transport->claim == NULL)
        return WM_OK;
    e->is->transport->claim(e->ep, &e->said);
    if (e->is->fabric == WM_FABRIC_UNKNOWN || e->said.fabric == WM_FABRIC_UNKNOWN || e->said.fabric == e->is->fabric)
        return WM_OK;
    return wm_fail(err, WM_EABSENT, "", 0, "--fabric %s: it found %s (%s)", wm_fabric_names[e->is->fabric],
                   wm_fabric_names[e->said.fabric], e->said.provider[0] != '\0' ? e->said.provider : e->said.device);
}

/* Collective: what each rank says it uses. */
static int gather_claims(struct wm_endpoint *e, const struct wm_world *world, struct wm_err *err)
{
    if (e->is->transport->claim == NULL)
        return WM_OK;
    if ((e->claim = calloc((size_t)world->size, sizeof(*e->claim))) == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "claims of %d ranks", world->size);
    return wm_world_agree(world, WM_SPIN, err) == WM_OK
               ? wm_world_allgather(world, &e->said, sizeof(e->said), e->claim, err)
               : (int)err->code;
}

/* Is it handed memory of a GPU by any layout? The same on all ranks. */
static bool meets_device(const struct wm_memory *memory)
{
    for (int i = 0; i < memory->n; i++) {
        const struct wm_layout *l = &memory->layout[i];
        if (l->used && !l->detour && l->device != NULL && !l->device->simulated)
            return true;
    }
    return false;
}

void wm_endpoint_open(struct wm_endpoint *e, const struct wm_endpoint_conf *conf)
{
    struct wm_ep_conf ep = {
        .world = conf->world,
        .expired = wm_watch_expired(conf->watch),
        .slots = conf->slots,
        .own = e->is->group.conf,
        .peers = conf->peers->peer,
        .fabric = e->is->fabric,
        .nic = e->is->nic[0] != '\0' ? e->is->nic : NULL,
        .device = meets_device(conf->memory),
    };
    struct wm_err story = { .rank = -1 };
    if (e->is->transport->open(&ep, &e->ep, &story) != WM_OK || hear(e, &story) != WM_OK) {
        tell(e, conf->world, "could not be opened", &story, e->lost_reason, sizeof(e->lost_reason));
        wm_watch_fault(conf->watch, WM_FAULT_FAILED, e->lost_reason); /* the others may be stuck in it */
    }
    wm_world_agree(conf->world, WM_SPIN, &story);
    wm_watch_fault(conf->watch, WM_FAULT_NONE, NULL);
    if (story.code == WM_OK && e->is->transport->progress != NULL)
        wm_world_meanwhile(serve, e);
    if (story.code == WM_OK && open_layouts(e, conf, &story) == WM_OK &&
        (!conf->peers->barrier || open_barrier(e, &ep, &story) == WM_OK))
        gather_claims(e, conf->world, &story);
    if (story.code != WM_OK) {
        e->lost = story.code;
        tell(e, conf->world, "could not be opened", &story, e->lost_reason, sizeof(e->lost_reason));
    }
}

static void close_library(struct wm_endpoint *e)
{
    wm_world_meanwhile(NULL, e);
    if (e->lost == WM_OK) {
        wm_detach(barrier_transport(e), barrier_ep(e), &e->barrier_attached);
        if (e->barrier_ep != NULL)
            wm_transport_mpi.close(e->barrier_ep);
        for (int i = 0; i < e->n_layouts; i++)
            wm_detach(e->is->transport, e->ep, &e->layout[i].attached);
        e->is->transport->close(e->ep);
    } else if (e->is->transport->abandon != NULL) {
        e->is->transport->abandon(e->ep);
    }
}

void wm_endpoint_close(struct wm_endpoint *e)
{
    wm_program_close(e->barrier);
    free(e->claim);
    if (e->ep != NULL)
        close_library(e);
    if (e->barrier_buf.mem != NULL)
        e->barrier_buf.mem->free(&e->barrier_buf);
    free(e->layout);
}
