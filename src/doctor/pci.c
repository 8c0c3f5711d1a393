/** The PCI tree: links, and what turns peer traffic away from the shortest way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/doctor/look.h"

/* What moves bytes, by index in pci[]: GPUs, RDMA devices, network interfaces with a card. */
struct endpoints {
    bool *is, *gpu;
    int n, n_gpus, n_rdma;
};

static void mark(struct endpoints *e, int pci, bool gpu)
{
    if (pci < 0 || e->is[pci])
        return;
    e->is[pci] = true;
    e->gpu[pci] = gpu;
    e->n++;
    e->n_gpus += gpu;
}

/* False: no memory, said in f. */
static bool find_endpoints(const struct wm_topo *t, bool with_netifs, struct endpoints *e, struct wm_finding *f)
{
    *e = (struct endpoints){ 0 };
    e->is = calloc((size_t)t->n_pci + 1, 2 * sizeof(bool));
    if (e->is == NULL) {
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "no memory for %d PCI functions", t->n_pci);
        return false;
    }
    e->gpu = e->is + t->n_pci + 1;
    for (int i = 0; i < t->n_gpus; i++)
        mark(e, t->gpu[i].pci, true);
    for (int i = 0; i < t->n_rdma; i++) {
        int before = e->n;
        mark(e, t->rdma[i].pci, false);
        e->n_rdma += e->n - before;
    }
    for (int i = 0; with_netifs && i < t->n_netifs; i++)
        if (!t->netif[i].virtual_device)
            mark(e, t->netif[i].pci, false);
    return true;
}

static int depth_of(const struct wm_topo *t, int pci)
{
    int depth = 0;
    for (int i = t->pci[pci].parent; i >= 0; i = t->pci[i].parent)
        depth++;
    return depth;
}

/* ---- links */

struct links {
    struct wm_listing narrow, slow, idle, slot;
    int known;
};

/* "0000:18:00.0 x8 of x16" */
static void add_width(struct wm_listing *list, const struct wm_topo_pci *d, int can)
{
    wm_listing_add(list, "%s x%d of x%d", d->address, d->link.width, can);
}

static void add_speed(struct wm_listing *list, const struct wm_topo_pci *d, double can)
{
    wm_listing_add(list, "%s %.4g of %.4g GT/s", d->address, d->link.gt_per_s, can);
}

/*
 * The link of a device upwards, and what its slot can do. Below a root there stand, in turn, ports that lead down (root
 * ports, downstream ports of switches) and what they lead to (cards, upstream ports): of a port that leads down sysfs
 * shows the link below it, which is the same link from its other end.
 */
static void look_link(const struct wm_topo *t, int pci, bool gpu, struct links *out)
{
    const struct wm_topo_pci *d = &t->pci[pci];
    int depth = depth_of(t, pci);
    if (d->link.gt_per_s <= 0 || d->link.width <= 0 || (d->bridge && depth % 2 == 0))
        return;
    const struct wm_pci_link *slot = depth % 2 == 1 ? &t->pci[d->parent].link : NULL;
    int width = d->link.max_width;
    double speed = d->link.max_gt_per_s;
    if (slot != NULL && slot->max_width > 0 && slot->max_width < width)
        width = slot->max_width;
    if (slot != NULL && slot->max_gt_per_s > 0 && slot->max_gt_per_s < speed)
        speed = slot->max_gt_per_s;
    out->known++;
    if (d->link.width < width)
        add_width(&out->narrow, d, width);
    if (d->link.gt_per_s < speed)
        add_speed(gpu ? &out->idle : &out->slow, d, speed);
    if (d->link.width >= width && d->link.max_width > width)
        add_width(&out->slot, d, d->link.max_width);
    if (d->link.gt_per_s >= speed && d->link.max_gt_per_s > speed)
        add_speed(&out->slot, d, d->link.max_gt_per_s);
}

static void look_links_above(const struct wm_topo *t, int pci, bool gpu, bool *seen, struct links *out)
{
    look_link(t, pci, gpu, out);
    for (int i = t->pci[pci].parent; i >= 0 && !seen[i]; i = t->pci[i].parent) {
        seen[i] = true;
        look_link(t, i, false, out);
    }
}

static void say_links(struct links *l, struct wm_finding *f)
{
    if (l->narrow.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "narrower than both ends can be: %s (current_link_width)",
                       wm_listing_text(&l->narrow));
    if (l->slow.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL, "slower than both ends can be: %s (current_link_speed)",
                       wm_listing_text(&l->slow));
    if (l->idle.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "GPUs below their speed, as idle ones may be: %s (current_link_speed)",
                       wm_listing_text(&l->idle));
    if (l->slot.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN, "the slot allows less than the card: %s (max_link_width, max_link_speed)",
                       wm_listing_text(&l->slot));
    if (l->idle.n > 0 && l->narrow.n + l->slow.n + l->slot.n == 0)
        wm_finding_mend(f, "run doctor again while the GPUs are busy (a training step, or nvidia-smi dmon beside one); "
                           "if it stays, reseat the "
                           "GPU or its riser");
    if (l->slot.n > 0 && l->narrow.n + l->slow.n == 0)
        wm_finding_mend(f, "move the card to a slot of its width and generation, or take the slot's rate as the limit");
}

static void look_pci_link(const struct wm_patient *p, struct wm_finding *f)
{
    struct endpoints e;
    struct links l = { 0 };
    bool *seen = calloc((size_t)p->topo->n_pci + 1, sizeof(*seen));
    if (seen == NULL || !find_endpoints(p->topo, true, &e, f)) {
        free(seen);
        return;
    }
    for (int i = 0; i < p->topo->n_pci; i++)
        if (e.is[i])
            look_links_above(p->topo, i, e.gpu[i], seen, &l);
    if (e.n == 0)
        wm_finding_not_here(f, "no GPU and no network card on PCI here");
    else if (l.known == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "no GPU or card shows its link (current_link_speed, current_link_width in "
                       "/sys/bus/pci/devices/*)%s",
                       wm_tree_exists(p->tree, "sys/bus/pci") ? ": virtual machines hide it" : "");
    say_links(&l, f);
    if (f->health == WM_HEALTH_NOT_APPLICABLE && e.n > 0)
        wm_finding_say(f, WM_HEALTH_OK,
                       "%d links of GPUs and cards are as wide and fast as they can be "
                       "(/sys/bus/pci/devices/*/current_link_*)",
                       l.known);
    free(e.is);
    free(seen);
}

/* ---- ACS */

struct bridges {
    struct wm_listing in_switch, at_root, unknown;
    int n;
};

static void look_bridges_above(const struct wm_topo *t, int pci, bool *seen, struct bridges *out)
{
    for (int i = t->pci[pci].parent; i >= 0 && !seen[i]; i = t->pci[i].parent) {
        seen[i] = true;
        out->n++;
        if (t->pci[i].acs == WM_ACS_REDIRECTS)
            wm_listing_add(t->pci[i].parent < 0 ? &out->at_root : &out->in_switch, "%s", t->pci[i].address);
        else if (t->pci[i].acs == WM_ACS_UNKNOWN)
            wm_listing_add(&out->unknown, "%s", t->pci[i].address);
    }
}

static void say_acs(struct bridges *b, struct wm_finding *f)
{
    if (b->n == 0)
        wm_finding_not_here(f, "no PCI bridge above the GPUs and cards is visible");
    if (b->in_switch.n > 0)
        wm_finding_say(f, WM_HEALTH_FAIL,
                       "ACS redirects peer traffic at %d ports of PCI switches: %s (ACS control in "
                       "/sys/bus/pci/devices/*/config)",
                       b->in_switch.n, wm_listing_text(&b->in_switch));
    if (b->at_root.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "ACS redirects peer traffic at %d root ports: %s (ACS control in "
                       "/sys/bus/pci/devices/*/config)",
                       b->at_root.n, wm_listing_text(&b->at_root));
    if (b->unknown.n > 0 && b->in_switch.n + b->at_root.n == 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN,
                       "the ACS control of %d bridges could not be read (only root may read past "
                       "64 bytes of /sys/bus/pci/devices/*/config)",
                       b->unknown.n);
    if (f->health == WM_HEALTH_NOT_APPLICABLE && b->n > 0)
        wm_finding_say(f, WM_HEALTH_OK,
                       "none of %d bridges above GPUs and cards redirects peer traffic "
                       "(/sys/bus/pci/devices/*/config)",
                       b->n);
}

static void look_pci_acs(const struct wm_patient *p, struct wm_finding *f)
{
    struct endpoints e;
    struct bridges b = { 0 };
    bool *seen = calloc((size_t)p->topo->n_pci + 1, sizeof(*seen));
    if (seen == NULL || !find_endpoints(p->topo, false, &e, f)) {
        free(seen);
        return;
    }
    for (int i = 0; i < p->topo->n_pci; i++)
        if (e.is[i])
            look_bridges_above(p->topo, i, seen, &b);
    if (e.n_gpus == 0)
        wm_finding_not_here(f, "no GPU on PCI here, whose traffic could be turned away");
    else if (e.n < 2)
        wm_finding_not_here(f, "one GPU, and no other GPU or card to talk to");
    else
        say_acs(&b, f);
    free(e.is);
    free(seen);
}

/* ---- IOMMU */

static bool passes_through(const struct wm_patient *p)
{
    char line[4096];
    return wm_tree_text(p->tree, line, sizeof(line), "proc/cmdline") &&
           (strstr(line, "iommu=pt") != NULL || strstr(line, "iommu.passthrough=1") != NULL);
}

struct groups {
    struct wm_listing translated, unknown;
    int grouped;
    char type[24]; /* of the last translated one */
};

static void look_group(const struct wm_patient *p, const struct wm_topo_pci *d, struct groups *out)
{
    char type[24];
    if (d->iommu_group[0] == '\0')
        return;
    out->grouped++;
    if (!wm_tree_text(p->tree, type, sizeof(type), "sys/kernel/iommu_groups/%s/type", d->iommu_group)) {
        if (!passes_through(p)) /* kernels before 4.11 show no type */
            wm_listing_add(&out->unknown, "%s", d->address);
    } else if (strcmp(type, "identity") != 0) {
        wm_listing_add(&out->translated, "%s", d->address);
        snprintf(out->type, sizeof(out->type), "%s", type);
    }
}

static void say_iommu(const struct wm_patient *p, struct groups *g, struct wm_finding *f)
{
    if (g->translated.n > 0)
        wm_finding_say(f, WM_HEALTH_WARN,
                       "the IOMMU translates (type %s in /sys/kernel/iommu_groups/*/type) for %s; "
                       "/proc/cmdline has %s",
                       g->type, wm_listing_text(&g->translated), passes_through(p) ? "iommu=pt" : "no iommu=pt");
    if (g->unknown.n > 0)
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "no type in /sys/kernel/iommu_groups for %s",
                       wm_listing_text(&g->unknown));
    if (f->health != WM_HEALTH_NOT_APPLICABLE)
        return;
    if (g->grouped > 0)
        wm_finding_say(f, WM_HEALTH_OK,
                       "the IOMMU passes %d GPUs and cards through (identity in "
                       "/sys/kernel/iommu_groups/*/type, or iommu=pt)",
                       g->grouped);
    else if (wm_tree_exists(p->tree, "sys/kernel"))
        wm_finding_say(f, WM_HEALTH_OK,
                       "no GPU or card is in an IOMMU group: it is off, or outside of this virtual "
                       "machine");
    else
        wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is no folder /sys/kernel");
}

static void look_pci_iommu(const struct wm_patient *p, struct wm_finding *f)
{
    struct endpoints e;
    struct groups g = { 0 };
    if (!find_endpoints(p->topo, false, &e, f))
        return;
    for (int i = 0; i < p->topo->n_pci; i++)
        if (e.is[i])
            look_group(p, &p->topo->pci[i], &g);
    if (e.n == 0)
        wm_finding_not_here(f, "no GPU and no RDMA device on PCI here");
    else
        say_iommu(p, &g, f);
    free(e.is);
}

const struct wm_check wm_checks_pci[] = {
    { .id = "pci-link",
      .subject = "width and speed of PCI links",
      .reads = "/sys/bus/pci/devices/*/{current,max}_link_{speed,width} of GPUs, cards and the switches above them",
      .why =
          "a link at half of its width or a generation below carries half of the bytes, and the card behind it cannot "
          "reach its rate",
      .mend =
          "reseat the card or riser, look for errors with lspci -vv (LnkSta, downgraded) and dmesg, update the BIOS; "
          "then power the node off and on",
      .look = look_pci_link },
    { .id = "pci-acs",
      .subject = "ACS on PCI bridges",
      .reads = "ACS control in /sys/bus/pci/devices/*/config of the bridges above GPUs and cards",
      .why = "with ACS, bytes between a GPU and a card below one switch go up to the processor and down again: half of "
             "the bandwidth of GPUDirect, or hangs",
      .mend = "switch ACS off in the BIOS, or setpci -s BRIDGE ECAP_ACS+0x6.w=0000 for each bridge at every boot",
      .required = true,
      .look = look_pci_acs },
    { .id = "pci-iommu",
      .subject = "IOMMU before GPUs and cards",
      .reads = "/sys/kernel/iommu_groups/*/type, /proc/cmdline",
      .why = "a translating IOMMU sends peer traffic through the root complex and adds look-ups to every DMA",
      .mend = "add iommu=pt to the kernel's command line (with intel_iommu=on where it is needed), or switch the IOMMU "
              "off in the BIOS",
      .look = look_pci_iommu },
    { 0 },
};
