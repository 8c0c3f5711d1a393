/* How far apart two devices are. Parents stand before their children in pci[], so every way up ends. */
#include "src/topo/topo.h"

#include <string.h>

const char *const wm_distance_names[] = { "X", "NV", "PIX", "PXB", "PHB", "NODE", "SYS", "?", NULL };

static bool is_pci(const struct wm_topo *topo, int i)
{
    return i >= 0 && i < topo->n_pci;
}

/* The bridge above; -1 below a root, and where the index is none (a topology that was read back from a file). */
static int above(const struct wm_topo *topo, int i)
{
    int parent = topo->pci[i].parent;
    return parent < i ? parent : -1;
}

/* Climbs from both sides to the lowest bridge that both have above them, which may be one of the two; -1 = none.
 * *a and *b end as the last functions below it, with the bridges passed on each side. */
static int common_bridge(const struct wm_topo *topo, int *a, int *b, int *bridges_a, int *bridges_b)
{
    int up_a = *a, up_b = *b;
    *bridges_a = *bridges_b = -1; /* the device itself is no bridge passed */
    while (up_a != up_b && (up_a >= 0 || up_b >= 0)) {
        bool climb_a = up_a > up_b; /* the one that stands later cannot be above the other */
        int *up = climb_a ? &up_a : &up_b;
        *(climb_a ? a : b) = *up;
        (*(climb_a ? bridges_a : bridges_b))++;
        *up = above(topo, *up);
    }
    return up_a;
}

static bool same_bus(const struct wm_topo *topo, int a, int b)
{
    const char *bus_a = topo->pci[a].address, *bus_b = topo->pci[b].address;
    const char *end = strrchr(bus_a, ':');
    return end != NULL && strncmp(bus_a, bus_b, (size_t)(end - bus_a) + 1) == 0;
}

/* One switch is a bridge up and a bridge down to each device, so one bridge on each side below the common one still is
 * the same switch. NCCL's files show a switch as one bridge, which is seen by the different buses of what hangs below
 * it: there, any further bridge is a further switch. */
static enum wm_distance below_one_bridge(const struct wm_topo *topo, int a, int b, int bridges_a, int bridges_b)
{
    int allowed = same_bus(topo, a, b) ? 1 : 0;
    return bridges_a <= allowed && bridges_b <= allowed ? WM_DISTANCE_PIX : WM_DISTANCE_PXB;
}

static enum wm_distance between_roots(const struct wm_topo *topo, const struct wm_topo_pci *a,
                                      const struct wm_topo_pci *b)
{
    if (a->root >= 0 && a->root == b->root)
        return WM_DISTANCE_PHB;
    if (topo->n_numa == 1)
        return WM_DISTANCE_NODE;
    if (a->numa < 0 || b->numa < 0)
        return WM_DISTANCE_UNKNOWN;
    return a->numa == b->numa ? WM_DISTANCE_NODE : WM_DISTANCE_SYS;
}

enum wm_distance wm_topo_distance(const struct wm_topo *topo, int a, int b)
{
    int bridges_a, bridges_b, low_a = a, low_b = b;
    if (!is_pci(topo, a) || !is_pci(topo, b))
        return WM_DISTANCE_UNKNOWN;
    if (a == b)
        return WM_DISTANCE_SELF;
    int common = common_bridge(topo, &low_a, &low_b, &bridges_a, &bridges_b);
    if (common < 0)
        return between_roots(topo, &topo->pci[a], &topo->pci[b]);
    if (common == a || common == b) /* a bridge and what is below it: bridges between the two */
        return bridges_a + bridges_b <= 0 ? WM_DISTANCE_PIX : WM_DISTANCE_PXB;
    return below_one_bridge(topo, low_a, low_b, bridges_a, bridges_b);
}

/* Links from one GPU to another, or to switches (to = -1), in that direction. */
static int links(const struct wm_topo *topo, int from, int to)
{
    int n = 0;
    for (int i = 0; i < topo->n_nvlinks; i++)
        if (topo->nvlink[i].from == from && topo->nvlink[i].to == to)
            n += topo->nvlink[i].links;
    return n;
}

/* The same links may be listed from each end. */
static int straight_links(const struct wm_topo *topo, int gpu_a, int gpu_b)
{
    int there = links(topo, gpu_a, gpu_b), back = links(topo, gpu_b, gpu_a);
    return there > back ? there : back;
}

int wm_topo_nvlinks_of(const struct wm_topo *topo, int gpu)
{
    int n = links(topo, gpu, -1);
    for (int other = 0; other < topo->n_gpus; other++)
        n += other != gpu ? straight_links(topo, gpu, other) : 0;
    return n;
}

int wm_topo_nvlinks(const struct wm_topo *topo, int gpu_a, int gpu_b)
{
    if (gpu_a < 0 || gpu_b < 0 || gpu_a == gpu_b)
        return 0;
    int straight = straight_links(topo, gpu_a, gpu_b);
    if (straight > 0)
        return straight;
    int switch_a = links(topo, gpu_a, -1), switch_b = links(topo, gpu_b, -1);
    return switch_a < switch_b ? switch_a : switch_b;
}

int wm_topo_find_gpu(const struct wm_topo *topo, const char *address)
{
    for (int g = 0; topo != NULL && g < topo->n_gpus; g++)
        if (is_pci(topo, topo->gpu[g].pci) && strcmp(topo->pci[topo->gpu[g].pci].address, address) == 0)
            return g;
    return -1;
}
