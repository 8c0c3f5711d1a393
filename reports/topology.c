#include "reports/topology.h"

#include <stdlib.h>
#include <string.h>

#include "src/core/units.h"
#include "src/topo/fabric.h"

struct view {
    FILE *to;
    const struct wm_topo *topo;
    struct wm_topo_nic *nic;
    int n_nics;
    bool *shown; /* by PCI function: a device of interest, or above one */
};

static bool open_view(struct view *v, FILE *to, const struct wm_topo *topo)
{
    *v = (struct view){ .to = to, .topo = topo };
    v->shown = calloc((size_t)topo->n_pci + 1, sizeof(*v->shown));
    if (v->shown == NULL) {
        fprintf(to, "no memory to show the topology\n");
        return false;
    }
    v->nic = wm_topo_nics_all(topo, &v->n_nics);
    return true;
}

static void close_view(struct view *v)
{
    free(v->nic);
    free(v->shown);
}

/* ---- words ---- */

/* "PCIe 5.0 x16", and what it could be where that is more; "" where nothing is known. */
static const char *link_text(const struct wm_pci_link *link, char *text, size_t bytes)
{
    bool slow = link->max_gt_per_s > link->gt_per_s, narrow = link->max_width > link->width;
    char name[32];
    text[0] = '\0';
    if (link->gt_per_s > 0 && link->width > 0)
        snprintf(text, bytes, "%s", wm_pci_link_name(link->gt_per_s, link->width, name));
    if (text[0] != '\0' && (slow || narrow))
        snprintf(
            text + strlen(text), bytes - strlen(text), " (could be %s)",
            wm_pci_link_name(slow ? link->max_gt_per_s : link->gt_per_s, narrow ? link->max_width : link->width, name) +
                sizeof("PCIe"));
    return text;
}

/* Adds ", words" to a line; nothing where there are none. */
static void add(FILE *to, const char *words)
{
    if (words[0] != '\0')
        fprintf(to, ", %s", words);
}

static void print_gpu(FILE *to, const struct wm_topo *topo, const struct wm_topo_gpu *gpu)
{
    char text[96], rate[WM_TEXT_BYTES];
    fprintf(to, "GPU %d", gpu->index);
    add(to, gpu->name);
    if (gpu->memory_bytes > 0)
        add(to, wm_format_memory(rate, gpu->memory_bytes));
    if (gpu->pci >= 0)
        add(to, link_text(&topo->pci[gpu->pci].link, text, sizeof(text)));
    if (gpu->nvlinks > 0) {
        fprintf(to, ", %d NVLinks", gpu->nvlinks);
        if (gpu->nvlink_bytes_per_s > 0)
            fprintf(to, " of %s", wm_format_rate(rate, gpu->nvlink_bytes_per_s));
    }
    if (gpu->cpu_link_bytes_per_s > 0)
        fprintf(to, ", NVLink to the processor of %s", wm_format_rate(rate, gpu->cpu_link_bytes_per_s));
    if (gpu->nvlink_inactive > 0)
        fprintf(to, ", %d NVLinks down", gpu->nvlink_inactive);
}

static void print_port(FILE *to, const struct wm_topo_port *port, bool several)
{
    fprintf(to, ", ");
    if (several)
        fprintf(to, "port %d ", port->number);
    fprintf(to, "%s", wm_fabric_names[port->fabric]);
    if (port->rate[0] != '\0')
        fprintf(to, " %s", port->rate);
    if (port->state[0] != '\0')
        fprintf(to, " %s", port->state);
    if (port->netif[0] != '\0')
        fprintf(to, " (%s)", port->netif);
}

static void print_nic(FILE *to, const struct wm_topo *topo, const struct wm_topo_nic *nic)
{
    char text[96], rate[WM_TEXT_BYTES];
    fprintf(to, "%s", nic->name);
    if (nic->rdma >= 0) {
        const struct wm_topo_rdma *rdma = &topo->rdma[nic->rdma];
        for (int p = 0; p < rdma->n_ports; p++)
            print_port(to, &rdma->port[p], rdma->n_ports > 1);
        add(to, rdma->virtual_device ? "no hardware of its own" : "");
    } else {
        const struct wm_topo_netif *netif = &topo->netif[nic->netif];
        add(to, netif->kind[0] != '\0' ? netif->kind : netif->driver);
        add(to, wm_fabric_names[nic->fabric]);
        if (netif->bytes_per_s > 0)
            fprintf(to, " %s", wm_format_rate(rate, netif->bytes_per_s));
        if (netif->state[0] != '\0')
            fprintf(to, " %s", netif->state);
        if (netif->master[0] != '\0')
            fprintf(to, ", part of %s", netif->master);
    }
    if (nic->pci >= 0)
        add(to, link_text(&topo->pci[nic->pci].link, text, sizeof(text)));
}

/* ---- the tree ---- */

static void show_with_parents(struct view *v, int pci)
{
    for (; pci >= 0 && !v->shown[pci]; pci = v->topo->pci[pci].parent)
        v->shown[pci] = true;
}

static void choose(struct view *v)
{
    for (int i = 0; i < v->topo->n_gpus; i++)
        show_with_parents(v, v->topo->gpu[i].pci);
    for (int i = 0; i < v->n_nics; i++)
        show_with_parents(v, v->nic[i].pci);
}

static void print_devices_of(const struct view *v, int pci, int depth)
{
    for (int i = 0; i < v->topo->n_gpus; i++)
        if (v->topo->gpu[i].pci == pci) {
            fprintf(v->to, "%*s%s  ", 2 * depth, "", v->topo->pci[pci].address);
            print_gpu(v->to, v->topo, &v->topo->gpu[i]);
            fprintf(v->to, "\n");
        }
    for (int i = 0; i < v->n_nics; i++)
        if (v->nic[i].pci == pci) {
            fprintf(v->to, "%*s%s  ", 2 * depth, "", v->topo->pci[pci].address);
            print_nic(v->to, v->topo, &v->nic[i]);
            fprintf(v->to, "\n");
        }
}

static int shown_children(const struct view *v, int pci)
{
    int n = 0;
    for (int i = pci + 1; i < v->topo->n_pci; i++)
        n += v->shown[i] && v->topo->pci[i].parent == pci;
    return n;
}

/* By the bridge itself, or by the ports of its switch. */
static bool redirects(const struct view *v, int bridge)
{
    bool any = v->topo->pci[bridge].acs == WM_ACS_REDIRECTS;
    for (int i = bridge + 1; i < v->topo->n_pci && !any; i++)
        any = v->shown[i] && v->topo->pci[i].parent == bridge && v->topo->pci[i].acs == WM_ACS_REDIRECTS;
    return any;
}

/* A bridge with one thing below it says nothing and is left out. */
static void print_below(const struct view *v, int parent, int numa, int depth)
{
    char text[96];
    for (int i = parent + 1; i < v->topo->n_pci; i++) {
        const struct wm_topo_pci *pci = &v->topo->pci[i];
        if (!v->shown[i] || pci->parent != parent || (parent < 0 && pci->numa != numa))
            continue;
        bool fork = shown_children(v, i) > 1;
        if (fork) {
            fprintf(v->to, "%*s%s  PCI bridge", 2 * depth, "", pci->address);
            add(v->to, link_text(&pci->link, text, sizeof(text)));
            add(v->to, redirects(v, i) ? "ACS sends traffic between its devices up to the root" : "");
            fprintf(v->to, "\n");
        }
        print_devices_of(v, i, depth);
        print_below(v, i, numa, depth + (fork ? 1 : 0));
    }
}

static bool any_root_on(const struct view *v, int numa)
{
    for (int i = 0; i < v->topo->n_pci; i++)
        if (v->shown[i] && v->topo->pci[i].parent < 0 && v->topo->pci[i].numa == numa)
            return true;
    return false;
}

static void print_head(const struct view *v)
{
    const struct wm_topo *t = v->topo;
    uint64_t bytes = 0;
    char text[WM_TEXT_BYTES];
    for (int i = 0; i < t->n_numa; i++)
        bytes += t->numa[i].memory_bytes;
    fprintf(v->to, "%s", t->machine[0] != '\0' ? t->machine : "machine");
    if (t->packages > 0)
        fprintf(v->to, ": %d x %s, %d cores, %d threads", t->packages,
                t->cpu_model[0] != '\0' ? t->cpu_model : "processor", t->cores, t->threads);
    if (bytes > 0)
        add(v->to, wm_format_memory(text, bytes));
    fprintf(v->to, "\n");
}

static void print_tree(const struct view *v)
{
    char text[WM_TEXT_BYTES];
    for (int i = 0; i < v->topo->n_numa; i++) {
        const struct wm_topo_numa *numa = &v->topo->numa[i];
        fprintf(v->to, "NUMA node %d", numa->os_index);
        if (numa->cpus[0] != '\0')
            fprintf(v->to, ": processors %s", numa->cpus);
        if (numa->memory_bytes > 0)
            add(v->to, wm_format_memory(text, numa->memory_bytes));
        fprintf(v->to, "\n");
        print_below(v, -1, i, 1);
    }
    if (any_root_on(v, -1)) {
        fprintf(v->to, "on no NUMA node that is known\n");
        print_below(v, -1, -1, 1);
    }
}

static void print_others(const struct view *v)
{
    bool any = false;
    for (int i = 0; i < v->topo->n_gpus; i++)
        if (v->topo->gpu[i].pci < 0) {
            fprintf(v->to, any ? "  " : "not on the PCI bus\n  ");
            any = true;
            print_gpu(v->to, v->topo, &v->topo->gpu[i]);
            fprintf(v->to, "\n");
        }
    for (int i = 0; i < v->n_nics; i++) {
        if (v->nic[i].pci >= 0)
            continue;
        fprintf(v->to, any ? "  " : "not on the PCI bus\n  ");
        print_nic(v->to, v->topo, &v->nic[i]);
        fprintf(v->to, "\n");
        any = true;
    }
}

/* ---- the matrix ---- */

static const char *between_gpus(const struct view *v, int a, int b, char *text, size_t bytes)
{
    int links = a != b ? wm_topo_nvlinks(v->topo, a, b) : 0;
    enum wm_distance d =
        a == b ? WM_DISTANCE_SELF : wm_topo_distance(v->topo, v->topo->gpu[a].pci, v->topo->gpu[b].pci);
    if (links > 0)
        snprintf(text, bytes, "NV%d", links);
    else
        snprintf(text, bytes, "%s", wm_distance_names[d]);
    return text;
}

static void print_numa(const struct view *v, int numa)
{
    if (numa >= 0)
        fprintf(v->to, " %6d\n", v->topo->numa[numa].os_index);
    else
        fprintf(v->to, " %6s\n", "?");
}

static int label_width(const struct view *v)
{
    size_t width = 6;
    for (int i = 0; i < v->n_nics; i++)
        if (v->nic[i].pci >= 0 && strlen(v->nic[i].name) > width)
            width = strlen(v->nic[i].name);
    return (int)width;
}

/* A square of more rows is read by nobody; the JSON has all that it is made of. */
enum { MATRIX_ROWS = 64 };

static int matrix_rows(const struct view *v)
{
    int n = v->topo->n_gpus;
    for (int i = 0; i < v->n_nics; i++)
        n += v->nic[i].pci >= 0;
    return n;
}

static void print_matrix(const struct view *v)
{
    char text[32];
    int width = label_width(v);
    if (matrix_rows(v) > MATRIX_ROWS) {
        fprintf(v->to, "\nno matrix: %d GPUs and cards, and it is shown up to %d (--format json has them all)\n",
                matrix_rows(v), MATRIX_ROWS);
        return;
    }
    fprintf(v->to, "\n%-*s", width, "");
    for (int g = 0; g < v->topo->n_gpus; g++) {
        snprintf(text, sizeof(text), "GPU%d", v->topo->gpu[g].index);
        fprintf(v->to, " %5s", text);
    }
    fprintf(v->to, " %6s\n", "NUMA");
    for (int a = 0; a < v->topo->n_gpus; a++) {
        snprintf(text, sizeof(text), "GPU%d", v->topo->gpu[a].index);
        fprintf(v->to, "%-*s", width, text);
        for (int b = 0; b < v->topo->n_gpus; b++)
            fprintf(v->to, " %5s", between_gpus(v, a, b, text, sizeof(text)));
        print_numa(v, v->topo->gpu[a].numa);
    }
    for (int i = 0; i < v->n_nics; i++) {
        if (v->nic[i].pci < 0)
            continue;
        fprintf(v->to, "%-*s", width, v->nic[i].name);
        for (int g = 0; g < v->topo->n_gpus; g++)
            fprintf(v->to, " %5s", wm_distance_names[wm_topo_distance(v->topo, v->nic[i].pci, v->topo->gpu[g].pci)]);
        print_numa(v, v->nic[i].numa);
    }
}

static void print_legend(const struct view *v)
{
    if (v->topo->n_gpus == 0 || matrix_rows(v) > MATRIX_ROWS)
        return;
    fprintf(v->to, "X itself, NV# that many NVLinks, PIX one PCI bridge at most, PXB several, PHB a host bridge,\n"
                   "NODE host bridges of one NUMA node, SYS the link between NUMA nodes\n");
}

static void print_nearest(const struct view *v)
{
    if (v->topo->n_gpus == 0 || v->n_nics == 0)
        return;
    fprintf(v->to, "\nnearest card\n");
    for (int g = 0; g < v->topo->n_gpus; g++) {
        const struct wm_topo_gpu *gpu = &v->topo->gpu[g];
        int nic = wm_topo_nearest_nic(v->topo, v->nic, v->n_nics, g, gpu->numa);
        fprintf(v->to, "  GPU%-3d ", gpu->index);
        if (nic < 0)
            fprintf(v->to, "none\n");
        else
            fprintf(v->to, "%s (%s)\n", v->nic[nic].name,
                    wm_distance_names[wm_topo_distance(v->topo, gpu->pci, v->nic[nic].pci)]);
    }
}

static void print_notes(const struct view *v)
{
    if (v->topo->n_notes > 0)
        fprintf(v->to, "\nnot read\n");
    for (int i = 0; i < v->topo->n_notes; i++)
        fprintf(v->to, "  %s: %s\n", v->topo->note[i].path, v->topo->note[i].reason);
    if (v->topo->notes_left_out > 0)
        fprintf(v->to, "  and %d more\n", v->topo->notes_left_out);
}

void wm_topology_text(FILE *to, const struct wm_topo *topo)
{
    struct view v;
    if (!open_view(&v, to, topo))
        return;
    choose(&v);
    print_head(&v);
    print_tree(&v);
    print_others(&v);
    print_matrix(&v);
    print_legend(&v);
    print_nearest(&v);
    print_notes(&v);
    close_view(&v);
}

/* ---- addresses ---- */

static void print_gids(FILE *to, const struct wm_topo_rdma *rdma, const struct wm_topo_port *port)
{
    static const char *const types[] = { "other", "IB", "RoCE v1", "RoCE v2" };
    int best = wm_gid_best(port);
    for (int i = 0; i < port->n_gids; i++) {
        const struct wm_topo_gid *gid = &port->gid[i];
        fprintf(to, "%-10s %4d %6d  %-39s  %-8s %-15s %5d%s\n", rdma->name, port->number, gid->index, gid->gid,
                types[gid->type], gid->netif, wm_gid_score(gid, port->fabric, true), i == best ? " *" : "");
    }
}

void wm_topology_gids(FILE *to, const struct wm_topo *topo)
{
    int n = 0;
    fprintf(to, "%-10s %4s %6s  %-39s  %-8s %-15s %5s\n", "device", "port", "index", "GID", "type", "interface",
            "score");
    for (int i = 0; i < topo->n_rdma; i++)
        for (int p = 0; p < topo->rdma[i].n_ports; p++) {
            n += topo->rdma[i].port[p].n_gids;
            print_gids(to, &topo->rdma[i], &topo->rdma[i].port[p]);
        }
    fprintf(to, n > 0 ? "* would be chosen\n" : "no RDMA device here has an address\n");
}

/* ---- ranks ---- */

/* Pairs of ranks whose bytes go the same way. */
struct way {
    char text[256];
    int pairs;
    char some[96]; /* "0-1 0-2 ..." */
};

/*
 * Ranks that sit alike, whatever their hosts, go the same ways: each way is described once for two kinds of seats, not
 * for each of n squared pairs.
 */
struct ways {
    const struct wm_topology_rank *rank;
    int n;
    int *kind;  /* by rank */
    int *first; /* by kind: its first rank */
    int kinds;
    int *known; /* by [same host][kind][kind]: 1 + index in way[]; 0 = not described yet */
    struct way *way;
    int n_ways, left_out;
};

enum { WAYS_MOST = 64 };

static bool sit_alike(const struct wm_seat *a, const struct wm_seat *b)
{
    return a->topo == b->topo && a->gpu == b->gpu && a->nic == b->nic && a->numa == b->numa;
}

static void find_kinds(struct ways *w)
{
    for (int r = 0; r < w->n; r++) {
        int k = 0;
        while (k < w->kinds && !sit_alike(&w->rank[w->first[k]].seat, &w->rank[r].seat))
            k++;
        if (k == w->kinds)
            w->first[w->kinds++] = r;
        w->kind[r] = k;
    }
}

/* Index in way[], WAYS_MOST where there are too many different ones. */
static int way_of(struct ways *w, int a, int b, enum wm_road road)
{
    char text[256];
    int same = w->rank[a].seat.host == w->rank[b].seat.host, i = 0;
    int *known = &w->known[(same * w->kinds + w->kind[a]) * w->kinds + w->kind[b]];
    if (*known > 0)
        return *known - 1;
    wm_limit_describe(&w->rank[a].seat, &w->rank[b].seat, road, text, sizeof(text));
    while (i < w->n_ways && strcmp(w->way[i].text, text) != 0)
        i++;
    if (i == w->n_ways && i < WAYS_MOST)
        snprintf(w->way[w->n_ways++].text, sizeof(w->way->text), "%s", text);
    *known = i + 1;
    return i;
}

static void keep_pair(struct way *way, int a, int b)
{
    size_t used = way->pairs < 24 ? strlen(way->some) : sizeof(way->some); /* more never fit */
    if (used + 24 < sizeof(way->some))
        snprintf(way->some + used, sizeof(way->some) - used, "%s%d-%d", used > 0 ? " " : "", a, b);
    else if (used < sizeof(way->some) && way->some[used - 1] != '.')
        snprintf(way->some + used, sizeof(way->some) - used, " ...");
    way->pairs++;
}

static void find_ways(struct ways *w, enum wm_road road)
{
    for (int a = 0; a < w->n; a++)
        for (int b = a + 1; b < w->n; b++) {
            int i = way_of(w, a, b, road);
            if (i < WAYS_MOST)
                keep_pair(&w->way[i], a, b);
            else
                w->left_out++;
        }
}

static void print_ways(FILE *to, const struct wm_topology_rank *rank, int n, enum wm_road road, const char *name)
{
    struct ways w = { .rank = rank, .n = n };
    w.kind = calloc(2 * (size_t)n, sizeof(*w.kind));
    w.way = calloc(WAYS_MOST, sizeof(*w.way));
    if (w.kind != NULL && w.way != NULL) {
        w.first = w.kind + n;
        find_kinds(&w);
        w.known = calloc(2 * (size_t)w.kinds * (size_t)w.kinds, sizeof(*w.known));
    }
    if (w.known != NULL)
        find_ways(&w, road);
    for (int i = 0; i < w.n_ways; i++)
        fprintf(to, "  %-7s %6d %s  %-24s %s\n", i == 0 ? name : "", w.way[i].pairs,
                w.way[i].pairs == 1 ? "pair " : "pairs", w.way[i].some, w.way[i].text);
    if (w.left_out > 0)
        fprintf(to, "  %-7s %6d pairs more, by still other ways\n", "", w.left_out);
    free(w.known);
    free(w.way);
    free(w.kind);
}

static const char *seat_text(const struct wm_topology_rank *r, char *text, size_t bytes)
{
    const struct wm_topo *topo = r->seat.topo;
    struct wm_topo_nic nic[256];
    int n = topo != NULL && r->seat.nic >= 0 ? wm_topo_nics(topo, nic, 256) : 0;
    size_t used = (size_t)snprintf(text, bytes, "processors %s", r->cpus[0] != '\0' ? r->cpus : "any");
    if (topo != NULL && r->seat.gpu >= 0)
        used += (size_t)snprintf(text + used, bytes - used, ", GPU %d", topo->gpu[r->seat.gpu].index);
    if (r->seat.nic >= 0 && r->seat.nic < n && r->seat.nic < 256)
        snprintf(text + used, bytes - used, ", card %s", nic[r->seat.nic].name);
    return text;
}

void wm_topology_ranks(FILE *to, const struct wm_topology_rank *rank, int n)
{
    char text[400];
    bool gpus = false;
    fprintf(to, "\nranks as --bind auto places them\n");
    for (int r = 0; r < n; r++) {
        fprintf(to, "  %4d  %s: %s\n", r, rank[r].host, seat_text(&rank[r], text, sizeof(text)));
        gpus |= rank[r].seat.gpu >= 0;
    }
    if (n < 2)
        return;
    fprintf(to, "\nthe way between two ranks\n");
    struct wm_topology_rank *host = malloc((size_t)n * sizeof(*host));
    if (host == NULL)
        return;
    memcpy(host, rank, (size_t)n * sizeof(*host));
    for (int r = 0; r < n; r++)
        host[r].seat.gpu = -1;
    print_ways(to, host, n, WM_ROAD_DIRECT, "host");
    if (gpus) {
        print_ways(to, rank, n, WM_ROAD_DIRECT, "direct");
        print_ways(to, rank, n, WM_ROAD_STAGED, "staged");
    }
    free(host);
}

/* ---- graphviz ---- */

static void dot_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void dot_bus(const struct view *v)
{
    char text[96];
    for (int i = 0; i < v->topo->n_pci; i++) {
        const struct wm_topo_pci *pci = &v->topo->pci[i];
        if (!v->shown[i])
            continue;
        fprintf(v->to, "  pci%d [label=", i);
        dot_quoted(v->to, pci->address);
        fprintf(v->to, "];\n");
        if (pci->parent >= 0)
            fprintf(v->to, "  pci%d -- pci%d", pci->parent, i);
        else if (pci->numa >= 0)
            fprintf(v->to, "  numa%d -- pci%d", pci->numa, i);
        else
            continue;
        fprintf(v->to, " [label=\"%s\"];\n", link_text(&pci->link, text, sizeof(text)));
    }
}

static void dot_gpus(const struct view *v)
{
    for (int i = 0; i < v->topo->n_gpus; i++) {
        fprintf(v->to, "  gpu%d [shape=box, label=\"GPU %d\"];\n", i, v->topo->gpu[i].index);
        if (v->topo->gpu[i].pci >= 0)
            fprintf(v->to, "  pci%d -- gpu%d;\n", v->topo->gpu[i].pci, i);
        for (int k = i + 1; k < v->topo->n_gpus; k++) {
            int links = wm_topo_nvlinks(v->topo, i, k);
            if (links > 0)
                fprintf(v->to, "  gpu%d -- gpu%d [style=bold, label=\"NV%d\"];\n", i, k, links);
        }
    }
}

static void dot_nics(const struct view *v)
{
    for (int i = 0; i < v->n_nics; i++) {
        fprintf(v->to, "  nic%d [shape=ellipse, label=", i);
        dot_quoted(v->to, v->nic[i].name);
        fprintf(v->to, "];\n");
        if (v->nic[i].pci >= 0)
            fprintf(v->to, "  pci%d -- nic%d [label=\"%s\"];\n", v->nic[i].pci, i, wm_fabric_names[v->nic[i].fabric]);
    }
}

void wm_topology_dot(FILE *to, const struct wm_topo *topo, const char *name)
{
    struct view v;
    if (!open_view(&v, to, topo))
        return;
    choose(&v);
    fprintf(to, "graph ");
    dot_quoted(to, name);
    fprintf(to, " {\n  node [shape=plaintext];\n");
    for (int i = 0; i < topo->n_numa; i++)
        fprintf(to, "  numa%d [shape=box3d, label=\"NUMA node %d\"];\n", i, topo->numa[i].os_index);
    dot_bus(&v);
    dot_gpus(&v);
    dot_nics(&v);
    fprintf(to, "}\n");
    close_view(&v);
}
