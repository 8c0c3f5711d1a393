/*
 * NCCL's topology files: what cloud providers publish for their machines (NCCL_TOPO_FILE), and what NCCL writes of the
 * one it runs on (NCCL_TOPO_DUMP_FILE). <system> holds <cpu> (a NUMA node), that nested <pci>, those <gpu> with
 * <nvlink>, or <nic> with <net>.
 *
 * Such a file shows a PCI switch as one bridge and no host bridges: what hangs below one CPU counts as below one.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/cpuset.h"
#include "src/topo/discover.h"

enum { FUNCTIONS_MAX = 16384 }; /* more PCI functions than any node has */

struct reading {
    const char *path;
    struct wm_topo *topo;
    struct wm_err *err;
    char host[40]; /* files of several hosts: only the first is read */
};

static int no_memory(struct reading *r, const char *what)
{
    return wm_fail(r->err, WM_ENOMEM, "realloc", 0, "topology: list of %s", what);
}

/* --- attributes --- */

static bool is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* "" where there is none. */
static const char *attribute(xmlNode *node, const char *name, char *text, size_t bytes)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    snprintf(text, bytes, "%s", value != NULL ? (const char *)value : "");
    xmlFree(value);
    return text;
}

/* Whole number, decimal or 0x; `otherwise` where there is none. */
static long long number(xmlNode *node, const char *name, long long otherwise)
{
    char text[40], *end;
    attribute(node, name, text, sizeof(text));
    long long value = strtoll(text, &end, 0);
    return end != text && *end == '\0' ? value : otherwise;
}

static int small(xmlNode *node, const char *name, int otherwise)
{
    long long value = number(node, name, otherwise);
    return value >= 0 && value <= 1 << 24 ? (int)value : otherwise;
}

/* --- CPUs --- */

/* The kernel's masks, "000000ff,ffff0000": the last word is CPUs 0 to 31. */
static void parse_mask(char *mask, struct wm_cpuset *out)
{
    memset(out, 0, sizeof(*out));
    for (int first = 0; mask[0] != '\0'; first += 32) {
        char *comma = strrchr(mask, ',');
        unsigned long word = strtoul(comma != NULL ? comma + 1 : mask, NULL, 16);
        for (int bit = 0; bit < 32; bit++)
            if ((word >> bit & 1) != 0)
                wm_cpuset_add(out, first + bit);
        *(comma != NULL ? comma : mask) = '\0';
    }
}

static void describe_cpus(xmlNode *cpu, struct wm_topo *topo)
{
    char vendor[40];
    if (topo->arch[0] == '\0')
        attribute(cpu, "arch", topo->arch, sizeof(topo->arch));
    if (topo->cpu_model[0] == '\0' && attribute(cpu, "vendor", vendor, sizeof(vendor))[0] != '\0')
        snprintf(topo->cpu_model, sizeof(topo->cpu_model), "%s family %d model %d", vendor, small(cpu, "familyid", 0),
                 small(cpu, "modelid", 0));
}

/* Index of the CPU's NUMA node in *out; -1 where the file does not say it. */
static int add_numa(struct reading *r, xmlNode *cpu, int *out)
{
    struct wm_topo *topo = r->topo;
    char mask[640];
    struct wm_cpuset set;
    int os_index = small(cpu, "numaid", -1);
    *out = os_index >= 0 ? wm_topo_find_numa(topo, os_index) : -1;
    if (os_index < 0 || *out >= 0)
        return WM_OK;
    if (!wm_topo_grow(&topo->numa, topo->n_numa, sizeof(*topo->numa)))
        return no_memory(r, "NUMA nodes");
    struct wm_topo_numa *numa = &topo->numa[topo->n_numa];
    attribute(cpu, "affinity", mask, sizeof(mask));
    parse_mask(mask, &set);
    numa->os_index = os_index;
    numa->package = -1;
    numa->threads = wm_cpuset_count(&set);
    wm_cpuset_text(&set, numa->cpus, sizeof(numa->cpus));
    topo->threads += numa->threads;
    *out = topo->n_numa++;
    return WM_OK;
}

/* --- cards --- */

/* Amazon's Elastic Fabric Adapter. Its driver names it by its place, and so do we where the file does not. */
static bool is_efa(const struct wm_topo_pci *pci)
{
    return pci->vendor == 0x1d0f && (pci->device & 0xfff0) == 0xefa0;
}

/* rdma-core's persistent names: "rdmap16s27" is 0000:10:1b.0. */
static void efa_name(const char *address, char *name, size_t bytes)
{
    unsigned domain = 0, bus = 0, device = 0;
    char prefix[16] = "rdma";
    sscanf(address, "%x:%x:%x", &domain, &bus, &device);
    if (domain != 0)
        snprintf(prefix, sizeof(prefix), "rdmaP%u", domain);
    snprintf(name, bytes, "%sp%us%u", prefix, bus, device);
}

/* Index of the device of that name in *out, added where it is new. */
static int rdma_of(struct reading *r, const char *name, int pci, int *out)
{
    struct wm_topo *topo = r->topo;
    for (*out = 0; *out < topo->n_rdma; ++*out)
        if (strcmp(topo->rdma[*out].name, name) == 0)
            return WM_OK;
    if (!wm_topo_grow(&topo->rdma, topo->n_rdma, sizeof(*topo->rdma)))
        return no_memory(r, "RDMA devices");
    struct wm_topo_rdma *rdma = &topo->rdma[topo->n_rdma++];
    snprintf(rdma->name, sizeof(rdma->name), "%s", name);
    rdma->pci = pci;
    rdma->numa = pci >= 0 ? topo->pci[pci].numa : -1;
    if (pci >= 0 && is_efa(&topo->pci[pci]))
        snprintf(rdma->driver, sizeof(rdma->driver), "efa");
    return WM_OK;
}

/* Class 0x0207 is an InfiniBand port, 0x0200 an Ethernet port. */
static void name_fabric(const struct wm_topo *topo, int pci, struct wm_topo_port *port)
{
    const struct wm_topo_pci *function = pci >= 0 ? &topo->pci[pci] : NULL;
    if (function != NULL && is_efa(function)) {
        snprintf(port->link_layer, sizeof(port->link_layer), "Unspecified");
        port->fabric = WM_FABRIC_EFA;
    } else if (function != NULL && function->class_id >> 8 == 0x0207) {
        snprintf(port->link_layer, sizeof(port->link_layer), "InfiniBand");
        port->fabric = WM_FABRIC_IB;
    } else if (function != NULL && function->class_id >> 8 == 0x0200 && function->vendor == 0x15b3) {
        snprintf(port->link_layer, sizeof(port->link_layer), "Ethernet");
        port->fabric = WM_FABRIC_ROCE;
    }
}

/* The state stays open: the file says what the machine has, not how it is. */
static int add_port(struct reading *r, int rdma_index, int port_number, long long mb_per_s)
{
    struct wm_topo_rdma *rdma = &r->topo->rdma[rdma_index];
    for (int i = 0; i < rdma->n_ports; i++)
        if (rdma->port[i].number == port_number)
            return WM_OK;
    if (!wm_topo_grow(&rdma->port, rdma->n_ports, sizeof(*rdma->port)))
        return no_memory(r, "ports");
    struct wm_topo_port *port = &rdma->port[rdma->n_ports++];
    port->number = port_number;
    if (mb_per_s > 0) {
        port->bytes_per_s = (double)mb_per_s * 1e6 / 8;
        snprintf(port->rate, sizeof(port->rate), "%g Gb/sec", (double)mb_per_s / 1000);
    }
    name_fabric(r->topo, rdma->pci, port);
    return WM_OK;
}

/* NCCL lists what its network plugin offers: ports of RDMA devices, or interfaces (then `guid` is a small number). */
static bool is_rdma(const struct wm_topo *topo, int pci, unsigned long long guid)
{
    return guid >> 32 != 0 || (pci >= 0 && (topo->pci[pci].class_id >> 8 == 0x0207 || is_efa(&topo->pci[pci])));
}

static int add_interface(struct reading *r, const char *name, int pci, long long mb_per_s)
{
    struct wm_topo *topo = r->topo;
    if (!wm_topo_grow(&topo->netif, topo->n_netifs, sizeof(*topo->netif)))
        return no_memory(r, "interfaces");
    struct wm_topo_netif *netif = &topo->netif[topo->n_netifs++];
    snprintf(netif->name, sizeof(netif->name), "%s", name);
    netif->pci = pci;
    netif->numa = pci >= 0 ? topo->pci[pci].numa : -1;
    netif->rdma = -1;
    netif->loopback = strcmp(name, "lo") == 0;
    netif->bytes_per_s = mb_per_s > 0 ? (double)mb_per_s * 1e6 / 8 : 0;
    return WM_OK;
}

static int add_net(struct reading *r, xmlNode *net, int pci)
{
    char name[32], guid_text[40];
    int rdma, rc;
    long long mb_per_s = number(net, "speed", 0);
    unsigned long long guid = strtoull(attribute(net, "guid", guid_text, sizeof(guid_text)), NULL, 0);
    if (attribute(net, "name", name, sizeof(name))[0] == '\0')
        return WM_OK;
    if (!is_rdma(r->topo, pci, guid))
        return add_interface(r, name, pci, mb_per_s);
    rc = rdma_of(r, name, pci, &rdma);
    if (rc == WM_OK)
        rc = add_port(r, rdma, small(net, "port", 1), mb_per_s);
    if (rc == WM_OK && guid != 0)
        snprintf(r->topo->rdma[rdma].node_guid, sizeof(r->topo->rdma[rdma].node_guid), "%04llx:%04llx:%04llx:%04llx",
                 guid >> 48, guid >> 32 & 0xffff, guid >> 16 & 0xffff, guid & 0xffff);
    return rc;
}

static int add_nic(struct reading *r, xmlNode *nic, int pci)
{
    int rc = WM_OK;
    for (xmlNode *net = nic->children; net != NULL && rc == WM_OK; net = net->next)
        if (is(net, "net"))
            rc = add_net(r, net, pci);
    return rc;
}

/* An EFA that the file shows as a PCI function only, as the published ones do. */
static int add_efa(struct reading *r, int pci)
{
    char name[32];
    int rdma;
    for (int i = 0; i < r->topo->n_rdma; i++)
        if (r->topo->rdma[i].pci == pci)
            return WM_OK;
    efa_name(r->topo->pci[pci].address, name, sizeof(name));
    int rc = rdma_of(r, name, pci, &rdma);
    return rc == WM_OK ? add_port(r, rdma, 1, 0) : rc;
}

/* --- GPUs --- */

/* One link, one way: NVIDIA's figures for Pascal, Volta, Ampere, Hopper, Blackwell, by compute capability. */
static double nvlink_bytes_per_s(int sm)
{
    static const struct {
        int sm;
        double bytes_per_s;
    } rates[] = { { 100, 50e9 }, { 90, 26.562e9 }, { 86, 14.062e9 }, { 70, 25e9 }, { 60, 20e9 } };
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        if (sm >= rates[i].sm)
            return rates[i].bytes_per_s;
    return 0;
}

static int gpu_at(const struct wm_topo *topo, int pci)
{
    for (int i = 0; pci >= 0 && i < topo->n_gpus; i++)
        if (topo->gpu[i].pci == pci)
            return i;
    return -1;
}

/* RCCL's files hold GPUs whose class is none of a GPU's, hence this and not the class. */
static int add_gpu(struct reading *r, xmlNode *gpu, int pci)
{
    struct wm_topo *topo = r->topo;
    if (gpu_at(topo, pci) >= 0)
        return WM_OK;
    if (!wm_topo_grow(&topo->gpu, topo->n_gpus, sizeof(*topo->gpu)))
        return no_memory(r, "GPUs");
    struct wm_topo_gpu *out = &topo->gpu[topo->n_gpus];
    out->index = small(gpu, "dev", topo->n_gpus);
    out->pci = pci;
    out->numa = topo->pci[pci].numa;
    out->nvlink_bytes_per_s = nvlink_bytes_per_s(small(gpu, "sm", 0));
    topo->n_gpus++;
    return WM_OK;
}

/* A target that is no GPU of the file is a switch (in a virtual machine its address is hidden). */
static int add_nvlink(struct reading *r, xmlNode *link, int from)
{
    struct wm_topo *topo = r->topo;
    char target[32];
    int links = small(link, "count", 0);
    int to = gpu_at(topo, wm_topo_find_pci(topo, attribute(link, "target", target, sizeof(target))));
    if (links == 0 || links > 1024)
        return WM_OK;
    topo->gpu[from].nvlinks += links;
    for (int i = 0; i < topo->n_nvlinks; i++)
        if (topo->nvlink[i].from == from && topo->nvlink[i].to == to) {
            topo->nvlink[i].links += links;
            return WM_OK;
        }
    if (!wm_topo_grow(&topo->nvlink, topo->n_nvlinks, sizeof(*topo->nvlink)))
        return no_memory(r, "NVLinks");
    topo->nvlink[topo->n_nvlinks++] = (struct wm_topo_nvlink){ from, to, links };
    return WM_OK;
}

/* --- the PCI tree --- */

static void read_link(xmlNode *node, struct wm_pci_link *link)
{
    char text[40];
    double gt_per_s = 0;
    sscanf(attribute(node, "link_speed", text, sizeof(text)), "%lf GT/s", &gt_per_s);
    if (gt_per_s > 0 && gt_per_s < 1000)
        link->gt_per_s = gt_per_s;
    int width = small(node, "link_width", 0);
    link->width = width <= 32 ? width : 0;
}

static int add_function(struct reading *r, xmlNode *node, struct wm_topo_pci place, int *out)
{
    struct wm_topo *topo = r->topo;
    char busid[40];
    if (!wm_topo_pci_address(attribute(node, "busid", busid, sizeof(busid)), place.address))
        return wm_fail(r->err, WM_EUSAGE, "", 0, "%s:%ld: <pci> has the busid \"%s\", not one as \"0000:18:00.0\"",
                       r->path, xmlGetLineNo(node), busid);
    if (topo->n_pci == FUNCTIONS_MAX)
        return wm_fail(r->err, WM_EUSAGE, "", 0, "%s:%ld: more than %d PCI functions", r->path, xmlGetLineNo(node),
                       FUNCTIONS_MAX);
    if (!wm_topo_grow(&topo->pci, topo->n_pci, sizeof(*topo->pci)))
        return no_memory(r, "PCI functions");
    place.class_id = (uint32_t)small(node, "class", 0);
    place.vendor = (uint16_t)(small(node, "vendor", 0) & 0xffff);
    place.device = (uint16_t)(small(node, "device", 0) & 0xffff);
    place.bridge = place.class_id >> 8 == 0x0604;
    read_link(node, &place.link);
    *out = topo->n_pci++;
    topo->pci[*out] = place;
    return WM_OK;
}

static int add_pci(struct reading *r, xmlNode *node, int parent, int root, int numa);

/* What is below a <cpu> (pci = -1) or a <pci>. */
static int add_below(struct reading *r, xmlNode *node, int pci, int root, int numa)
{
    int rc = WM_OK;
    for (xmlNode *child = node->children; child != NULL && rc == WM_OK; child = child->next)
        if (is(child, "pci"))
            rc = add_pci(r, child, pci, root, numa);
        else if (is(child, "gpu") && pci >= 0)
            rc = add_gpu(r, child, pci);
        else if (is(child, "nic"))
            rc = add_nic(r, child, pci);
    return rc;
}

static int add_pci(struct reading *r, xmlNode *node, int parent, int root, int numa)
{
    int self = -1,
        rc = add_function(r, node, (struct wm_topo_pci){ .parent = parent, .root = root, .numa = numa }, &self);
    if (rc == WM_OK)
        rc = add_below(r, node, self, root, numa);
    if (rc == WM_OK && is_efa(&r->topo->pci[self]))
        rc = add_efa(r, self);
    return rc;
}

/* --- a file --- */

static int add_cpu(struct reading *r, xmlNode *cpu, int root)
{
    char host[sizeof(r->host)];
    int numa;
    attribute(cpu, "host_hash", host, sizeof(host));
    if (root == 0)
        memcpy(r->host, host, sizeof(host));
    if (strcmp(host, r->host) != 0)
        return WM_OK;
    describe_cpus(cpu, r->topo);
    int rc = add_numa(r, cpu, &numa);
    return rc == WM_OK ? add_below(r, cpu, -1, root, numa) : rc;
}

/* NVLinks come last: their targets may stand anywhere. `pci` counts <pci> elements in the order of add_pci(). */
static int add_nvlinks(struct reading *r, xmlNode *node, int *pci, int self)
{
    int rc = WM_OK, gpu = is(node, "gpu") ? gpu_at(r->topo, self) : -1;
    for (xmlNode *child = node->children; child != NULL && rc == WM_OK; child = child->next)
        if (is(child, "nvlink") && gpu >= 0)
            rc = add_nvlink(r, child, gpu);
        else if (is(child, "pci"))
            rc = add_nvlinks(r, child, pci, (*pci)++);
        else if (is(child, "gpu"))
            rc = add_nvlinks(r, child, pci, self);
    return rc;
}

static bool same_host(struct reading *r, xmlNode *cpu)
{
    char host[sizeof(r->host)];
    return strcmp(attribute(cpu, "host_hash", host, sizeof(host)), r->host) == 0;
}

static int add_system(struct reading *r, xmlNode *system)
{
    int rc = WM_OK, root = 0, pci = 0;
    if (system == NULL || !is(system, "system"))
        return wm_fail(r->err, WM_EUSAGE, "", 0, "%s: not a topology file of NCCL: it does not begin with <system>",
                       r->path);
    for (xmlNode *cpu = system->children; cpu != NULL && rc == WM_OK; cpu = cpu->next)
        if (is(cpu, "cpu"))
            rc = add_cpu(r, cpu, root++);
    for (xmlNode *cpu = system->children; cpu != NULL && rc == WM_OK; cpu = cpu->next)
        if (is(cpu, "cpu") && same_host(r, cpu))
            rc = add_nvlinks(r, cpu, &pci, -1);
    return rc == WM_OK ? wm_topo_find_gpus(r->topo, r->err) : rc;
}

static int parse_error(struct reading *r, const xmlError *e)
{
    char text[160];
    snprintf(text, sizeof(text), "%s", e != NULL && e->message != NULL ? e->message : "no XML");
    text[strcspn(text, "\n")] = '\0';
    return wm_fail(r->err, WM_EUSAGE, "", 0, "%s:%d: %s", r->path, e != NULL ? e->line : 0, text);
}

/* Nothing is fetched and no entity is expanded: a file that declares its own is no topology file. */
static int parse(struct reading *r, const char *text, size_t bytes)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    if (strstr(text, "<!ENTITY") != NULL)
        return wm_fail(r->err, WM_EUSAGE, "", 0, "%s declares entities, which no topology file does", r->path);
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL)
        return no_memory(r, "elements");
    xmlDoc *document = xmlCtxtReadMemory(context, text, (int)bytes, r->path, NULL, options);
    int rc =
        document != NULL ? add_system(r, xmlDocGetRootElement(document)) : parse_error(r, xmlCtxtGetLastError(context));
    xmlFreeDoc(document);
    xmlFreeParserCtxt(context);
    return rc;
}

int wm_topo_read_nccl(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err)
{
    (void)tree; /* the file is read whole or not at all: nothing to note */
    struct reading r = { .path = xml, .topo = topo, .err = err };
    size_t bytes;
    char *text;
    int rc = wm_topo_load_file(xml, &text, &bytes, err);
    if (rc != WM_OK)
        return rc;
    rc = parse(&r, text, bytes);
    free(text);
    return rc;
}
