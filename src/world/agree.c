#include <stdbool.h>
#include <stdint.h>

#include "src/world/world.h"

/**
 * Which error of several ranks is the one to tell. A deadline that passed is most often another rank's failure seen
 * from here, so the cause outranks it; what the user must mend in his words comes first.
 */
static uint64_t weight(enum wm_code code)
{
    switch (code) {
    case WM_OK:
        return 0;
    case WM_EUNSUP:
        return 1;
    case WM_ETIMEOUT:
        return 2;
    case WM_EABSENT:
    case WM_EIO:
        return 3;
    case WM_EUSAGE:
        return 5;
    default:
        return 4;
    }
}

int wm_world_agree(const struct wm_world *world, enum wm_wait wait, struct wm_err *err)
{
    /* The heavier wins; among equals who has it of itself, not of another rank by an agreement before; then the lower
     * rank. */
    const bool own_story = err->code != WM_OK && (err->rank < 0 || err->rank == world->rank);
    uint64_t worst = weight(err->code) << 33 | (uint64_t)own_story << 32 | (UINT32_MAX - (uint32_t)world->rank);
    struct wm_err own = { 0 };
    int root;
    if (wm_world_max(world, &worst, 1, wait, &own) != WM_OK) {
        if (err->code == WM_OK)
            *err = own;
        return err->code;
    }
    if (worst >> 33 == 0)
        return WM_OK;
    root = (int)(UINT32_MAX - (uint32_t)worst);
    if (root == world->rank)
        err->rank = root;
    if (wm_world_bcast(world, root, err, sizeof(*err), wait, &own) != WM_OK && err->code == WM_OK)
        *err = own;
    return err->code;
}
