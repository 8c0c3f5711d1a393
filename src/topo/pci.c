/* What sysfs says of the PCI functions that hwloc found: links, drivers, payload, ACS, names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/discover.h"

enum {
    CONFIG_BYTES = 4096,    /* of a PCI Express function */
    CONFIG_PLAIN = 256,     /* of any, and where the extended capabilities begin */
    CONFIG_UNREADABLE = 64, /* what the kernel shows to others than root */
    IDS_BYTES = 8 << 20,    /* larger than any published list of names */
    CAPABILITIES_MAX = 96,  /* more than fit: a chain that is longer goes in a circle */
    CAPABILITY_EXPRESS = 0x10,
    EXTENDED_ACS = 0x000d,
    ACS_REQUEST_REDIRECT = 0x04,
    ACS_COMPLETION_REDIRECT = 0x08,
};

/* --- addresses --- */

bool wm_topo_pci_address(const char *text, char address[16])
{
    unsigned domain = 0, bus, device, function;
    int end = -1;
    if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
        domain = 0;
        if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
            return false;
    }
    if (end < 0 || text[end] != '\0' || strpbrk(text, "+- \t") != NULL || domain > 0xfffff || device > 0x1f ||
        function > 7)
        return false;
    snprintf(address, 16, "%04x:%02x:%02x.%x", domain, bus & 0xff, device & 0x1f, function & 7);
    return true;
}

int wm_topo_find_pci(const struct wm_topo *topo, const char *address)
{
    char wanted[16];
    if (!wm_topo_pci_address(address, wanted))
        return -1;
    for (int i = 0; i < topo->n_pci; i++)
        if (strcmp(topo->pci[i].address, wanted) == 0)
            return i;
    return -1;
}

int wm_topo_find_numa(const struct wm_topo *topo, int64_t os_index)
{
    for (int i = 0; i < topo->n_numa; i++)
        if (topo->numa[i].os_index == os_index)
            return i;
    return -1;
}

/* --- GPUs among them --- */

/* 3D and VGA controllers; AMD's accelerators are display controllers of their own kind, or processing accelerators. */
static bool is_gpu(const struct wm_topo_pci *pci)
{
    uint32_t class_id = pci->class_id >> 8;
    if (pci->virtual_function)
        return false;
    if (pci->vendor == 0x10de)
        return class_id == 0x0300 || class_id == 0x0302;
    return pci->vendor == 0x1002 &&
           (class_id == 0x0300 || class_id == 0x0302 || class_id == 0x0380 || class_id == 0x1200);
}

static bool has_gpu(const struct wm_topo *topo, int pci)
{
    for (int i = 0; i < topo->n_gpus; i++)
        if (topo->gpu[i].pci == pci)
            return true;
    return false;
}

struct place {
    const char *address;
    int pci;
};

static int by_address(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->address, ((const struct place *)b)->address);
}

static bool add_gpu(struct wm_topo *topo, int pci)
{
    if (!wm_topo_grow(&topo->gpu, topo->n_gpus, sizeof(*topo->gpu)))
        return false;
    struct wm_topo_gpu *gpu = &topo->gpu[topo->n_gpus];
    gpu->pci = pci;
    gpu->index = topo->n_gpus++;
    gpu->numa = topo->pci[pci].numa;
    snprintf(gpu->name, sizeof(gpu->name), "%s", topo->pci[pci].name);
    return true;
}

int wm_topo_find_gpus(struct wm_topo *topo, struct wm_err *err)
{
    int n = 0, rc = WM_OK, known = topo->n_gpus;
    struct place *found = calloc((size_t)topo->n_pci + 1, sizeof(*found));
    if (found == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "list of %d PCI functions", topo->n_pci);
    for (int i = 0; i < topo->n_pci; i++)
        if (is_gpu(&topo->pci[i]) && (known == 0 || !has_gpu(topo, i)))
            found[n++] = (struct place){ topo->pci[i].address, i };
    qsort(found, (size_t)n, sizeof(*found), by_address);
    for (int i = 0; i < n && rc == WM_OK; i++)
        if (!add_gpu(topo, found[i].pci))
            rc = wm_fail(err, WM_ENOMEM, "realloc", 0, "list of %d GPUs", topo->n_gpus);
    free(found);
    return rc;
}

/* --- configuration space --- */

struct config {
    const unsigned char *byte;
    size_t n;
};

static unsigned le16(struct config c, size_t at)
{
    return at + 2 <= c.n ? c.byte[at] | (unsigned)c.byte[at + 1] << 8 : 0;
}

/* Where a capability begins in the first 256 bytes; 0 = it has none. */
static size_t capability(struct config c, unsigned id)
{
    if ((le16(c, 6) & 0x10) == 0) /* status: there is a list */
        return 0;
    size_t at = c.byte[0x34] & 0xfcu;
    for (int i = 0; i < CAPABILITIES_MAX && at >= 0x40 && at + 2 <= c.n; i++) {
        if (c.byte[at] == id)
            return at;
        at = c.byte[at + 1] & 0xfcu;
    }
    return 0;
}

static size_t extended_capability(struct config c, unsigned id)
{
    size_t at = CONFIG_PLAIN;
    for (int i = 0; i < CONFIG_BYTES / 8 && at >= CONFIG_PLAIN && at + 4 <= c.n; i++) {
        unsigned head = le16(c, at);
        if (head == id)
            return at;
        if (head == 0 || head == 0xffff) /* no list */
            return 0;
        at = le16(c, at + 2) >> 4 & 0xffcu;
    }
    return 0;
}

static int payload_bytes(struct config c)
{
    size_t express = capability(c, CAPABILITY_EXPRESS);
    unsigned code = le16(c, express + 8) >> 5 & 7; /* device control */
    return express > 0 && express + 10 <= c.n && code <= 5 ? 128 << code : 0;
}

/* Requests or completions sent up to the root. Upstream forwarding alone only passes on what others redirected, and
 * source validation (often on by itself) redirects nothing. */
static enum wm_acs acs_of(struct config c)
{
    if (c.n < CONFIG_PLAIN)
        return WM_ACS_UNKNOWN;
    if (capability(c, CAPABILITY_EXPRESS) == 0)
        return WM_ACS_OFF;
    if (c.n < CONFIG_BYTES)
        return WM_ACS_UNKNOWN;
    size_t acs = extended_capability(c, EXTENDED_ACS);
    unsigned control = acs > 0 ? le16(c, acs + 6) : 0;
    return (control & (ACS_REQUEST_REDIRECT | ACS_COMPLETION_REDIRECT)) != 0 ? WM_ACS_REDIRECTS : WM_ACS_OFF;
}

/* Returns false where the kernel showed the part for everybody only. */
static bool read_config(struct wm_tree *tree, struct wm_topo_pci *pci)
{
    unsigned char byte[CONFIG_BYTES];
    size_t wanted = pci->bridge ? CONFIG_BYTES : CONFIG_PLAIN;
    struct config c = { byte, wm_tree_bytes(tree, byte, wanted, "sys/bus/pci/devices/%s/config", pci->address) };
    if (c.n < CONFIG_UNREADABLE || le16(c, 0) == 0xffff)
        return true; /* not there, cut short, or a device that answers no more */
    pci->payload_bytes = payload_bytes(c);
    if (pci->bridge)
        pci->acs = acs_of(c);
    return c.n >= CONFIG_PLAIN;
}

/* --- the other files of a function --- */

/* "32.0 GT/s PCIe", "Unknown" */
static double read_speed(struct wm_tree *tree, const char *address, const char *file)
{
    char text[40];
    double gt_per_s = 0;
    if (wm_tree_text(tree, text, sizeof(text), "sys/bus/pci/devices/%s/%s", address, file))
        sscanf(text, "%lf GT/s", &gt_per_s);
    return gt_per_s > 0 && gt_per_s < 1000 ? gt_per_s : 0;
}

/* The kernel says 0 or 63 (or 255) where a function has no link of its own. */
static int read_width(struct wm_tree *tree, const char *address, const char *file)
{
    int64_t width;
    bool known = wm_tree_number(tree, &width, "sys/bus/pci/devices/%s/%s", address, file);
    return known && width > 0 && width <= 32 ? (int)width : 0;
}

static void read_link(struct wm_tree *tree, struct wm_topo_pci *pci)
{
    struct wm_pci_link link = { .gt_per_s = read_speed(tree, pci->address, "current_link_speed"),
                                .max_gt_per_s = read_speed(tree, pci->address, "max_link_speed"),
                                .width = read_width(tree, pci->address, "current_link_width"),
                                .max_width = read_width(tree, pci->address, "max_link_width") };
    if (link.gt_per_s > 0 && link.width > 0)
        pci->link = link;
    else if (link.max_gt_per_s > 0 || link.max_width > 0) { /* keep what another source said of the present */
        pci->link.max_gt_per_s = link.max_gt_per_s;
        pci->link.max_width = link.max_width;
    }
}

/* hwloc knows these; some of NCCL's files only know addresses. */
static void read_identity(struct wm_tree *tree, struct wm_topo_pci *pci)
{
    int64_t number;
    if (wm_tree_number(tree, &number, "sys/bus/pci/devices/%s/class", pci->address) && number > 0)
        pci->class_id = (uint32_t)number & 0xffffff;
    if (wm_tree_number(tree, &number, "sys/bus/pci/devices/%s/vendor", pci->address) && number > 0)
        pci->vendor = (uint16_t)(number & 0xffff);
    if (wm_tree_number(tree, &number, "sys/bus/pci/devices/%s/device", pci->address) && number > 0)
        pci->device = (uint16_t)(number & 0xffff);
    pci->bridge = pci->bridge || pci->class_id >> 8 == 0x0604;
}

static void read_function(struct wm_tree *tree, struct wm_topo *topo, struct wm_topo_pci *pci)
{
    int64_t number;
    if (pci->class_id == 0)
        read_identity(tree, pci);
    if (wm_tree_number(tree, &number, "sys/bus/pci/devices/%s/numa_node", pci->address) &&
        wm_topo_find_numa(topo, number) >= 0)
        pci->numa = wm_topo_find_numa(topo, number);
    wm_tree_link_name(tree, pci->driver, sizeof(pci->driver), "sys/bus/pci/devices/%s/driver", pci->address);
    wm_tree_link_name(tree, pci->iommu_group, sizeof(pci->iommu_group), "sys/bus/pci/devices/%s/iommu_group",
                      pci->address);
    pci->virtual_function = wm_tree_exists(tree, "sys/bus/pci/devices/%s/physfn", pci->address);
    read_link(tree, pci);
}

/* --- names --- */

/* Names are looked up for all functions in one pass through the list, which is in ascending order of vendors only. */
struct wanted {
    uint32_t kind; /* vendor << 16 | device */
    int pci;
};

static int by_kind(const void *a_, const void *b_)
{
    const struct wanted *a = a_, *b = b_;
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : a->pci - b->pci;
}

/* First of those that are not less than kind. */
static int first_wanted(const struct wanted *wanted, int n, uint32_t kind)
{
    int low = 0;
    while (low < n) {
        int middle = low + (n - low) / 2;
        if (wanted[middle].kind < kind)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* "10de  NVIDIA Corporation", and below it "\t2330  GH100 [H100 SXM5 80GB]"; lines with two tabs are subsystems. */
static void name_all(struct wm_topo *topo, const struct wanted *wanted, int n, char *list)
{
    char *line, *vendor_name = NULL;
    uint32_t vendor = 0;
    while ((line = strsep(&list, "\n")) != NULL && strncmp(line, "C ", 2) != 0) { /* classes come last */
        char *end, *id = line + (line[0] == '\t');
        uint32_t number = (uint32_t)strtoul(id, &end, 16);
        if (end != id + 4 || strncmp(end, "  ", 2) != 0)
            continue;
        if (id == line) {
            vendor = number << 16;
            int first = first_wanted(wanted, n, vendor);
            vendor_name = first < n && wanted[first].kind >> 16 == number ? end + 2 : NULL;
            continue;
        }
        if (vendor_name == NULL)
            continue;
        for (int i = first_wanted(wanted, n, vendor | number); i < n && wanted[i].kind == (vendor | number); i++)
            snprintf(topo->pci[wanted[i].pci].name, sizeof(topo->pci->name), "%s %s", vendor_name, end + 2);
    }
}

static char *read_names(struct wm_tree *tree)
{
    static const char *const places[] = { "usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids" };
    char *list = malloc(IDS_BYTES + 1);
    for (size_t i = 0; list != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
        size_t n = wm_tree_bytes(tree, list, IDS_BYTES, "%s", places[i]);
        list[n] = '\0';
        if (n > 0)
            return list;
    }
    free(list);
    return NULL;
}

static int read_all_names(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    int n = 0;
    struct wanted *wanted = calloc((size_t)topo->n_pci + 1, sizeof(*wanted));
    if (wanted == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "names of %d PCI functions", topo->n_pci);
    for (int i = 0; i < topo->n_pci; i++)
        if (topo->pci[i].name[0] == '\0' && topo->pci[i].vendor != 0)
            wanted[n++] = (struct wanted){ (uint32_t)topo->pci[i].vendor << 16 | topo->pci[i].device, i };
    qsort(wanted, (size_t)n, sizeof(*wanted), by_kind);
    char *list = n > 0 ? read_names(tree) : NULL;
    if (list != NULL)
        name_all(topo, wanted, n, list);
    free(list);
    free(wanted);
    return WM_OK;
}

int wm_topo_read_pci(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    int hidden = 0;
    for (int i = 0; i < topo->n_pci; i++) {
        read_function(tree, topo, &topo->pci[i]);
        hidden += !read_config(tree, &topo->pci[i]);
    }
    if (hidden > 0)
        wm_tree_note(tree, "sys/bus/pci/devices/*/config",
                     "only the first %d bytes of %d functions: ACS and payload size need root", CONFIG_UNREADABLE,
                     hidden);
    return read_all_names(tree, topo, err);
}
