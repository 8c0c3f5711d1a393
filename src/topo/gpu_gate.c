#include "src/topo/gpu_gate.h"

#include <stdio.h>

#include "src/topo/way.h"

/* The GPUs of one collective. */
struct group {
    const struct wm_topo *topo;
    const int *gpu;
    int n;
};

static uint64_t bit(int i)
{
    return UINT64_C(1) << i;
}

static uint64_t everybody(const struct group *g)
{
    return ~UINT64_C(0) >> (64 - g->n);
}

/* All that NVLink leads to from some of them, in one step. */
static uint64_t joined(const struct group *g, uint64_t from)
{
    uint64_t to = from;
    for (int i = 0; i < g->n; i++)
        for (int k = 0; k < g->n; k++)
            if ((from & bit(i)) != 0 && wm_topo_nvlinks(g->topo, g->gpu[i], g->gpu[k]) > 0)
                to |= bit(k);
    return to;
}

static bool all_joined(const struct group *g)
{
    bool all = true;
    for (int i = 0; i < g->n && all; i++)
        all = joined(g, bit(i)) == everybody(g);
    return all;
}

static int nvlink_gates(const struct group *g, struct wm_gpu_gate *out)
{
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        const struct wm_topo_gpu *gpu = &g->topo->gpu[g->gpu[i]];
        char whose[24];
        snprintf(whose, sizeof(whose), "GPU %d: ", gpu->index);
        out[n].inside = bit(i);
        wm_nvlink_say(wm_topo_nvlinks_of(g->topo, g->gpu[i]), gpu->nvlink_bytes_per_s, whose, &out[n].limit);
        n += out[n].limit.kind != WM_LIMIT_NONE;
    }
    return n;
}

static uint64_t behind(const struct group *g, int pci)
{
    uint64_t inside = 0;
    for (int i = 0; i < g->n; i++)
        if (wm_pci_is_above(g->topo, pci, g->topo->gpu[g->gpu[i]].pci))
            inside |= bit(i);
    return inside;
}

/* Past PCI. */
static bool reach_processor(const struct group *g, uint64_t inside)
{
    for (int i = 0; i < g->n; i++)
        if ((inside & bit(i)) != 0 && g->topo->gpu[g->gpu[i]].cpu_links > 0)
            return true;
    return false;
}

/* Of links with the same GPUs behind them the narrowest stands for all; among equals the one next to the GPUs. */
static int keep(struct wm_gpu_gate *out, int n, const struct wm_gpu_gate *gate)
{
    int i = 0;
    while (i < n && out[i].inside != gate->inside)
        i++;
    if (i == n || gate->limit.bytes_per_s <= out[i].limit.bytes_per_s)
        out[i] = *gate;
    return i == n ? n + 1 : n;
}

static int pci_gates(const struct group *g, struct wm_gpu_gate *out)
{
    int n = 0;
    for (int p = 0; p < g->topo->n_pci; p++) {
        struct wm_gpu_gate gate = { .inside = behind(g, p) };
        if (gate.inside == 0 || gate.inside == everybody(g) || joined(g, gate.inside) != gate.inside ||
            reach_processor(g, gate.inside))
            continue;
        struct wm_way way = wm_way_link(g->topo, p);
        wm_way_say(g->topo, &way, "", &gate.limit);
        if (gate.limit.kind != WM_LIMIT_NONE)
            n = keep(out, n, &gate);
    }
    return n;
}

int wm_gpu_gates(const struct wm_topo *topo, const int *gpu, int n, struct wm_gpu_gate *out)
{
    const struct group g = { .topo = topo, .gpu = gpu, .n = n };
    if (n < 2 || n > 64)
        return 0;
    return all_joined(&g) ? nvlink_gates(&g, out) : pci_gates(&g, out);
}
