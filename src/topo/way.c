#include "src/topo/way.h"

#include <stdio.h>
#include <string.h>

int wm_pci_parent(const struct wm_topo *topo, int pci)
{
    int parent = topo->pci[pci].parent;
    return parent < pci ? parent : -1;
}

bool wm_pci_is_above(const struct wm_topo *topo, int bridge, int pci)
{
    while (pci > bridge)
        pci = wm_pci_parent(topo, pci);
    return pci == bridge;
}

static int common_bridge(const struct wm_topo *topo, int a, int b)
{
    int bridge = a;
    while (bridge >= 0 && !wm_pci_is_above(topo, bridge, b))
        bridge = wm_pci_parent(topo, bridge);
    return bridge;
}

static bool redirected(const struct wm_topo *topo, int pci, int top)
{
    for (int p = pci; p >= 0 && p != top; p = wm_pci_parent(topo, p))
        if (topo->pci[p].acs == WM_ACS_REDIRECTS)
            return true;
    return false;
}

/* Where the way from a device to another leaves the device's branch: a bridge, or -1 for the host. */
static int turning_point(const struct wm_topo *topo, int pci, int other)
{
    int top = other >= 0 ? common_bridge(topo, pci, other) : -1;
    return redirected(topo, pci, top) || redirected(topo, other, top) ? -1 : top;
}

static bool is_gpu(const struct wm_topo_pci *pci)
{
    return pci->class_id >> 16 == 0x03;
}

/* @param sleeps  a link that slows down while it idles: the speed that it can have counts */
static void cross(const struct wm_topo *topo, int pci, bool sleeps, struct wm_way *way)
{
    struct wm_pci_link link = topo->pci[pci].link;
    if (sleeps && link.max_gt_per_s > link.gt_per_s)
        link.gt_per_s = link.max_gt_per_s;
    double rate = wm_pci_link_bytes_per_s(&topo->pci[pci], &link);
    if (rate > 0 && (!(way->bytes_per_s > 0) || rate < way->bytes_per_s))
        *way = (struct wm_way){ rate, pci, link };
}

struct wm_way wm_way_up(const struct wm_topo *topo, int pci, int top)
{
    struct wm_way way = { .pci = -1 };
    const int port = pci < 0 ? -1 : wm_pci_parent(topo, pci);
    for (int p = pci; p >= 0 && p != top; p = wm_pci_parent(topo, p))
        cross(topo, p, is_gpu(&topo->pci[pci]) && (p == pci || p == port), &way);
    return way;
}

/* Itself, or all that is below that port. */
static bool ends_at_gpu(const struct wm_topo *topo, int pci)
{
    int below = 0, gpus = 0;
    for (int p = pci + 1; p < topo->n_pci; p++)
        if (wm_pci_parent(topo, p) == pci) {
            below++;
            gpus += is_gpu(&topo->pci[p]);
        }
    return is_gpu(&topo->pci[pci]) || (below == 1 && gpus == 1);
}

struct wm_way wm_way_link(const struct wm_topo *topo, int pci)
{
    struct wm_way way = { .pci = -1 };
    cross(topo, pci, ends_at_gpu(topo, pci), &way);
    return way;
}

struct wm_way wm_way_between(const struct wm_topo *topo, int pci, int other)
{
    return wm_way_up(topo, pci, pci >= 0 ? turning_point(topo, pci, other) : -1);
}

const char *wm_way_name(const struct wm_way *way, char text[32])
{
    if (way->link.gt_per_s > 0 && way->link.width > 0)
        return wm_pci_link_name(way->link.gt_per_s, way->link.width, text);
    snprintf(text, 32, "a PCI link of %.3g GB/s", way->link.bytes_per_s * 1e-9);
    return text;
}

void wm_way_say(const struct wm_topo *topo, const struct wm_way *way, const char *whose, struct wm_limit *out)
{
    char name[32], best[32], can[64] = "";
    if (!(way->bytes_per_s > 0)) {
        wm_limit_say(out, WM_LIMIT_NONE, 0, "%sthe speed of its PCI link is not known", whose);
        return;
    }
    if (way->link.max_width > way->link.width || way->link.max_gt_per_s > way->link.gt_per_s)
        snprintf(can, sizeof(can), ", which can be %s",
                 wm_pci_link_name(way->link.max_gt_per_s, way->link.max_width, best) + sizeof("PCIe"));
    wm_limit_say(out, WM_LIMIT_LINK, way->bytes_per_s, "%s%s at %.15s%s", whose, wm_way_name(way, name),
                 topo->pci[way->pci].address, can);
}
