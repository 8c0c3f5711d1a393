/** Ways through the PCI tree and their narrowest links. */
#ifndef WM_TOPO_WAY_H
#define WM_TOPO_WAY_H

#include "src/topo/bound.h"
#include "src/topo/topo.h"

/** The bridge above, -1 below a root. A parent stands before its children; anything else would be a loop. */
int wm_pci_parent(const struct wm_topo *topo, int pci);
/** Is the bridge on the device's way up, or itself that device? */
bool wm_pci_is_above(const struct wm_topo *topo, int bridge, int pci);

/* The narrowest link of a way. */
struct wm_way {
    double bytes_per_s; /* 0 = none is known */
    int pci;            /* whose link it is */
    struct wm_pci_link link;
};

/** From a device up to the bridge `top`, which is not crossed; -1: to the host. The device and the port above it are
 * the two ends of one link; of an idle GPU it counts with the speed that it can have. */
struct wm_way wm_way_up(const struct wm_topo *topo, int pci, int top);
/** One link alone, from a device or bridge to what is above it; a GPU's from either of its ends. */
struct wm_way wm_way_link(const struct wm_topo *topo, int pci);
/** To the bridge that it has in common with another device, -1 or where ACS redirects to the host. */
struct wm_way wm_way_between(const struct wm_topo *topo, int pci, int other);

const char *wm_way_name(const struct wm_way *way, char text[32]);
/** @param whose  "GPU 3: ", or "" */
void wm_way_say(const struct wm_topo *topo, const struct wm_way *way, const char *whose, struct wm_limit *out);

#endif
