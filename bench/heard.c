#include "bench/heard.h"

#include <stdlib.h>

static bool says_something(const struct wm_heard *heard)
{
    return heard->algorithm[0] != '\0' || heard->protocol[0] != '\0' || heard->channels > 0;
}

static int put_together(struct wm_comparison *c, const struct wm_heard *mine, struct wm_heard *out, struct wm_err *err)
{
    struct wm_heard *all = c->members->rank == 0 ? calloc((size_t)c->members->size, sizeof(*all)) : NULL;
    if (c->members->rank == 0 && all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "choices of %d ranks", c->members->size);
    if (wm_world_agree(c->members, WM_SPIN, err) == WM_OK &&
        wm_world_gather(c->members, mine, sizeof(*mine), all, WM_SPIN, err) == WM_OK && all != NULL)
        for (int m = c->members->size - 1; m >= 0; m--)
            if (says_something(&all[m]))
                *out = all[m];
    free(all);
    return err->code;
}

int wm_hear(struct wm_comparison *c, struct wm_arm *arm, struct wm_err *err)
{
    const struct wm_endpoint *e = arm->endpoint;
    const struct wm_transport *transport = e->is->transport;
    struct wm_heard mine = { .channels = 0 };
    arm->heard = mine;
    if (arm->status != WM_MEASURED || e->lost != WM_OK || transport->listen == NULL || arm->cell->bytes == 0)
        return WM_OK;
    if (arm->part)
        transport->listen(e->ep);
    wm_compare_alone(c, arm, arm->part ? &arm->loop : NULL, 1, NULL, err);
    if (arm->part)
        transport->heard(e->ep, &mine);
    if (err->code != WM_OK || e->lost != WM_OK)
        return err->code;
    return put_together(c, &mine, &arm->heard, err);
}
