/** Ways through the PCI tree and the saying of limits: what the files of src/topo/limit.h share. */
#ifndef WM_TOPO_WAY_H
#define WM_TOPO_WAY_H

#include "src/topo/limit.h"

/** The format may quote out's own source. */
void wm_limit_say(struct wm_limit *out, enum wm_limit_kind kind, double bytes_per_s, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** The narrower of both; what is not known does not count. */
void wm_limit_narrow(struct wm_limit *out, const struct wm_limit *other);

/** The bridge above, -1 below a root. A parent stands before its children; anything else would be a loop. */
int wm_pci_parent(const struct wm_topo *topo, int pci);
/** Is the bridge on the device's way up, or itself that device? */
bool wm_pci_is_above(const struct wm_topo *topo, int bridge, int pci);
double wm_pci_link_bytes_per_s(const struct wm_topo_pci *pci, const struct wm_pci_link *link);

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
/** @param shown_bytes_per_s  of one link; 0 = not known */
void wm_nvlink_say(int links, double shown_bytes_per_s, const char *whose, struct wm_limit *out);

#endif
