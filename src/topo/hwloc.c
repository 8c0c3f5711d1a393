/* CPUs, NUMA nodes and the PCI tree by hwloc. Nothing but files is read: the plugins that ask GPU libraries stay out.
 */
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "src/core/cpuset.h"
#include "src/topo/discover.h"

static int no_memory(struct wm_err *err, const char *what)
{
    return wm_fail(err, WM_ENOMEM, "realloc", 0, "topology: list of %s", what);
}

/* --- CPUs and NUMA nodes --- */

static const char *info(hwloc_obj_t object, const char *name)
{
    const char *value = object != NULL ? hwloc_obj_get_info_by_name(object, name) : NULL;
    return value != NULL ? value : "";
}

static void cpus_text(hwloc_const_cpuset_t from, char *text, size_t bytes)
{
    struct wm_cpuset set = { 0 };
    for (int cpu = hwloc_bitmap_first(from); cpu >= 0 && cpu < WM_CPUS; cpu = hwloc_bitmap_next(from, cpu))
        wm_cpuset_add(&set, cpu);
    wm_cpuset_text(&set, text, bytes);
}

/* Number of the package around an object; -1 = not known. */
static int package_of(hwloc_topology_t h, hwloc_obj_t object)
{
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(h, HWLOC_OBJ_PACKAGE, object);
    return package != NULL ? (int)package->logical_index : -1;
}

/* Index of the only NUMA node of a set; -1 = several, or none. hwloc's logical order is that of numa[]. */
static int only_numa(hwloc_topology_t h, hwloc_const_nodeset_t set)
{
    if (set == NULL || hwloc_bitmap_weight(set) != 1)
        return -1;
    hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(h, (unsigned)hwloc_bitmap_first(set));
    return node != NULL ? (int)node->logical_index : -1;
}

static int add_numa_nodes(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_NUMANODE, o)) != NULL;) {
        if (!wm_topo_grow(&topo->numa, topo->n_numa, sizeof(*topo->numa)))
            return no_memory(err, "NUMA nodes");
        struct wm_topo_numa *numa = &topo->numa[topo->n_numa++];
        numa->os_index = (int)o->os_index;
        numa->memory_bytes = o->attr->numanode.local_memory;
        cpus_text(o->cpuset, numa->cpus, sizeof(numa->cpus));
        numa->cores = hwloc_get_nbobjs_inside_cpuset_by_type(h, o->cpuset, HWLOC_OBJ_CORE);
        numa->threads = hwloc_bitmap_weight(o->cpuset);
        numa->package = package_of(h, o);
    }
    return WM_OK;
}

static int add_cores(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_CORE, o)) != NULL;) {
        if (!wm_topo_grow(&topo->core, topo->n_cores, sizeof(*topo->core)))
            return no_memory(err, "cores");
        struct wm_topo_core *core = &topo->core[topo->n_cores++];
        core->numa = only_numa(h, o->nodeset);
        cpus_text(o->cpuset, core->cpus, sizeof(core->cpus));
    }
    topo->cores = topo->n_cores;
    return WM_OK;
}

static int add_cpus(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    hwloc_obj_t root = hwloc_get_root_obj(h), package = hwloc_get_obj_by_type(h, HWLOC_OBJ_PACKAGE, 0);
    const char *model = info(package, "CPUModel")[0] != '\0' ? info(package, "CPUModel") : info(root, "CPUModel");
    snprintf(topo->cpu_model, sizeof(topo->cpu_model), "%s", model);
    snprintf(topo->arch, sizeof(topo->arch), "%s", info(root, "Architecture"));
    snprintf(topo->machine, sizeof(topo->machine), "%s", info(root, "DMIProductName"));
    topo->packages = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_PACKAGE);
    topo->threads = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_PU);
    int rc = add_numa_nodes(h, topo, err);
    return rc == WM_OK ? add_cores(h, topo, err) : rc;
}

/* --- the PCI tree --- */

/* Network, InfiniBand by its other class, display and 3D, processing accelerators. */
static bool wanted_class(unsigned class_id)
{
    return class_id >> 8 == 0x02 || class_id == 0x0c06 || class_id >> 8 == 0x03 || class_id >> 8 == 0x12;
}

static bool to_host(hwloc_obj_t object)
{
    return object->type == HWLOC_OBJ_BRIDGE && object->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_HOST;
}

static int numa_of(hwloc_topology_t h, hwloc_obj_t object)
{
    hwloc_obj_t place = hwloc_get_non_io_ancestor_obj(h, object);
    return place != NULL ? only_numa(h, place->nodeset) : -1;
}

static struct wm_topo_pci pci_of(hwloc_topology_t h, hwloc_obj_t object, int parent, int root)
{
    const struct hwloc_pcidev_attr_s *attr = &object->attr->pcidev;
    const char *vendor = info(object, "PCIVendor"), *device = info(object, "PCIDevice");
    struct wm_topo_pci pci = { .class_id = (uint32_t)attr->class_id << 8,
                               .vendor = attr->vendor_id,
                               .device = attr->device_id,
                               .parent = parent,
                               .root = root,
                               .numa = numa_of(h, object),
                               .bridge = object->type == HWLOC_OBJ_BRIDGE };
    snprintf(pci.address, sizeof(pci.address), "%04x:%02x:%02x.%x", (unsigned)attr->domain & 0xfffff,
             (unsigned)attr->bus & 0xff, (unsigned)attr->dev & 0x1f, (unsigned)attr->func & 7);
    snprintf(pci.name, sizeof(pci.name), "%s%s%s", vendor, vendor[0] != '\0' && device[0] != '\0' ? " " : "", device);
    pci.link.bytes_per_s = attr->linkspeed > 0 ? (double)attr->linkspeed * 1e9 : 0;
    return pci;
}

static int add_pci(hwloc_topology_t h, hwloc_obj_t object, int parent, int root, struct wm_topo *topo,
                   struct wm_err *err);

/* A bridge stands before what is below it, and goes again when nothing below it was kept. */
static int add_below(hwloc_topology_t h, hwloc_obj_t object, int parent, int root, struct wm_topo *topo,
                     struct wm_err *err)
{
    int rc = WM_OK;
    for (hwloc_obj_t child = object->io_first_child; child != NULL && rc == WM_OK; child = child->next_sibling)
        rc = add_pci(h, child, parent, root, topo, err);
    return rc;
}

static int add_pci(hwloc_topology_t h, hwloc_obj_t object, int parent, int root, struct wm_topo *topo,
                   struct wm_err *err)
{
    bool bridge = object->type == HWLOC_OBJ_BRIDGE;
    if (to_host(object))
        return add_below(h, object, parent, root, topo, err);
    if (!bridge && (object->type != HWLOC_OBJ_PCI_DEVICE || !wanted_class(object->attr->pcidev.class_id)))
        return WM_OK;
    if (!wm_topo_grow(&topo->pci, topo->n_pci, sizeof(*topo->pci)))
        return no_memory(err, "PCI functions");
    int self = topo->n_pci++;
    topo->pci[self] = pci_of(h, object, parent, root);
    int rc = bridge ? add_below(h, object, self, root, topo, err) : WM_OK;
    if (bridge && topo->n_pci == self + 1)
        topo->n_pci = self;
    return rc;
}

static bool below_nothing(hwloc_obj_t object)
{
    return object->parent == NULL ||
           (object->parent->type != HWLOC_OBJ_BRIDGE && object->parent->type != HWLOC_OBJ_PCI_DEVICE);
}

/* Host bridges in hwloc's order, and whatever an XML file has without one. */
static int add_all_pci(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    static const hwloc_obj_type_t types[] = { HWLOC_OBJ_BRIDGE, HWLOC_OBJ_PCI_DEVICE };
    int rc = WM_OK, roots = 0;
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
        for (hwloc_obj_t o = NULL; rc == WM_OK && (o = hwloc_get_next_obj_by_type(h, types[t], o)) != NULL;)
            if (below_nothing(o))
                rc = add_pci(h, o, -1, to_host(o) ? roots++ : -1, topo, err);
    return rc;
}

/* --- what only an XML file knows of devices: sysfs and NVML say it of a machine --- */

static int pci_index(const struct wm_topo *topo, hwloc_obj_t device)
{
    char address[16];
    hwloc_obj_t o = device->parent;
    if (o == NULL || o->type != HWLOC_OBJ_PCI_DEVICE)
        return -1;
    snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", (unsigned)o->attr->pcidev.domain & 0xfffff,
             (unsigned)o->attr->pcidev.bus & 0xff, (unsigned)o->attr->pcidev.dev & 0x1f,
             (unsigned)o->attr->pcidev.func & 7);
    return wm_topo_find_pci(topo, address);
}

static int gpu_index(const struct wm_topo *topo, hwloc_obj_t device)
{
    int pci = device != NULL && device->type == HWLOC_OBJ_OS_DEVICE ? pci_index(topo, device) : -1;
    for (int i = 0; pci >= 0 && i < topo->n_gpus; i++)
        if (topo->gpu[i].pci == pci)
            return i;
    return -1;
}

/* Keeps `text` where the new one says nothing. */
static void take(char *text, size_t bytes, const char *value)
{
    if (value[0] != '\0')
        snprintf(text, bytes, "%s", value);
}

static void describe_gpu(struct wm_topo_gpu *gpu, hwloc_obj_t device)
{
    unsigned number;
    take(gpu->name, sizeof(gpu->name), info(device, "GPUModel"));
    take(gpu->uuid, sizeof(gpu->uuid), info(device, "NVIDIAUUID"));
    if (info(device, "CUDAGlobalMemorySize")[0] != '\0') /* KiB */
        gpu->memory_bytes = strtoull(info(device, "CUDAGlobalMemorySize"), NULL, 10) << 10;
    if (device->name != NULL && sscanf(device->name, "nvml%u", &number) == 1 && number < 4096)
        gpu->index = (int)number;
}

/* hwloc gives the state as the kernel's number. */
static void describe_port(hwloc_obj_t device, bool infiniband, int number, struct wm_topo_port *port)
{
    static const char *const states[] = { "", "DOWN", "INIT", "ARMED", "ACTIVE" };
    char name[24];
    snprintf(name, sizeof(name), "Port%dState", number);
    long state = strtol(info(device, name), NULL, 10);
    port->number = number;
    snprintf(port->state, sizeof(port->state), "%s", states[state > 0 && state <= 4 ? state : 0]);
    snprintf(port->link_layer, sizeof(port->link_layer), "%s", infiniband ? "InfiniBand" : "");
    port->fabric = infiniband ? WM_FABRIC_IB : WM_FABRIC_UNKNOWN;
}

static int add_rdma(struct wm_topo *topo, hwloc_obj_t device, struct wm_err *err)
{
    char name[24];
    if (!wm_topo_grow(&topo->rdma, topo->n_rdma, sizeof(*topo->rdma)))
        return no_memory(err, "RDMA devices");
    struct wm_topo_rdma *rdma = &topo->rdma[topo->n_rdma++];
    snprintf(rdma->name, sizeof(rdma->name), "%s", device->name);
    snprintf(rdma->node_guid, sizeof(rdma->node_guid), "%s", info(device, "NodeGUID"));
    rdma->pci = pci_index(topo, device);
    rdma->numa = rdma->pci >= 0 ? topo->pci[rdma->pci].numa : -1;
    bool infiniband = rdma->pci >= 0 && topo->pci[rdma->pci].class_id >> 8 == 0x0207;
    for (int number = 1; number <= 16; number++) {
        snprintf(name, sizeof(name), "Port%dState", number);
        if (info(device, name)[0] == '\0')
            break;
        if (!wm_topo_grow(&rdma->port, rdma->n_ports, sizeof(*rdma->port)))
            return no_memory(err, "ports");
        describe_port(device, infiniband, number, &rdma->port[rdma->n_ports++]);
    }
    return WM_OK;
}

static int add_netif(struct wm_topo *topo, hwloc_obj_t device, struct wm_err *err)
{
    if (!wm_topo_grow(&topo->netif, topo->n_netifs, sizeof(*topo->netif)))
        return no_memory(err, "interfaces");
    struct wm_topo_netif *netif = &topo->netif[topo->n_netifs++];
    snprintf(netif->name, sizeof(netif->name), "%s", device->name);
    netif->pci = pci_index(topo, device);
    netif->numa = netif->pci >= 0 ? topo->pci[netif->pci].numa : -1;
    netif->loopback = strcmp(device->name, "lo") == 0;
    netif->virtual_device = netif->pci < 0;
    netif->rdma = -1;
    for (int i = 0; netif->pci >= 0 && i < topo->n_rdma; i++)
        if (topo->rdma[i].pci == netif->pci)
            netif->rdma = i;
    return WM_OK;
}

/* What a device is shows in what hwloc says of it; its types are numbered differently from version to version. */
static int add_devices(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    int rc = wm_topo_find_gpus(topo, err);
    for (hwloc_obj_t o = NULL; rc == WM_OK && (o = hwloc_get_next_osdev(h, o)) != NULL;) {
        int gpu = gpu_index(topo, o);
        if (gpu >= 0)
            describe_gpu(&topo->gpu[gpu], o);
        else if (o->name != NULL && info(o, "NodeGUID")[0] != '\0')
            rc = add_rdma(topo, o, err);
    }
    for (hwloc_obj_t o = NULL; rc == WM_OK && (o = hwloc_get_next_osdev(h, o)) != NULL;) /* after all RDMA devices */
        if (o->name != NULL && info(o, "Address")[0] != '\0')
            rc = add_netif(topo, o, err);
    return rc;
}

/* --- NVLinks of an XML file --- */

/* hwloc gives the sum of the links of two devices in MB/s; one link of V100 or A100, H100, P100 (one way). */
static double link_bytes_per_s(uint64_t mb_per_s)
{
    static const unsigned rates[] = { 25000, 26562, 20000 };
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        if (mb_per_s % rates[i] == 0)
            return rates[i] * 1e6;
    return (double)mb_per_s * 1e6;
}

static int add_nvlink(struct wm_topo *topo, int from, int to, uint64_t mb_per_s, struct wm_err *err)
{
    double rate = link_bytes_per_s(mb_per_s);
    int links = (int)((double)mb_per_s * 1e6 / rate + 0.5);
    topo->gpu[from].nvlinks += links;
    topo->gpu[from].nvlink_bytes_per_s = rate;
    for (int i = 0; i < topo->n_nvlinks; i++)
        if (topo->nvlink[i].from == from && topo->nvlink[i].to == to) {
            topo->nvlink[i].links += links;
            return WM_OK;
        }
    if (!wm_topo_grow(&topo->nvlink, topo->n_nvlinks, sizeof(*topo->nvlink)))
        return no_memory(err, "NVLinks");
    topo->nvlink[topo->n_nvlinks++] = (struct wm_topo_nvlink){ from, to, links };
    return WM_OK;
}

/* From each GPU to other GPUs, and to anything that is none: a switch. */
static int add_nvlinks_of(const struct hwloc_distances_s *d, struct wm_topo *topo, struct wm_err *err)
{
    int rc = WM_OK;
    for (unsigned i = 0; i < d->nbobjs; i++) {
        int from = gpu_index(topo, d->objs[i]);
        for (unsigned j = 0; from >= 0 && j < d->nbobjs && rc == WM_OK; j++) {
            uint64_t mb_per_s = d->values[i * d->nbobjs + j];
            if (i != j && mb_per_s > 0 && mb_per_s < 10000000)
                rc = add_nvlink(topo, from, gpu_index(topo, d->objs[j]), mb_per_s, err);
        }
    }
    return rc;
}

static int add_nvlinks(hwloc_topology_t h, struct wm_topo *topo, struct wm_err *err)
{
    struct hwloc_distances_s *d = NULL;
    unsigned n = 1;
    if (hwloc_distances_get_by_name(h, "NVLinkBandwidth", &n, &d, 0) != 0 || n == 0)
        return WM_OK;
    int rc = add_nvlinks_of(d, topo, err);
    hwloc_distances_release(h, d);
    return rc;
}

/* --- files of hwloc 3 for hwloc 2 --- */

/* The one type of hwloc 2 (a number) for the set of bits of hwloc 3. */
static char old_device_type(unsigned long bits)
{
    static const struct {
        unsigned long bit;
        char type;
    } types[] = { { 32, '3' }, { 16, '2' }, { 4, '1' }, { 8, '5' }, { 64, '4' } }; /* fabric network GPU coproc DMA */
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if ((bits & types[i].bit) != 0)
            return types[i].type;
    return '0'; /* storage and memory */
}

/* hwloc 2 refuses what hwloc 3 writes, though all that is read here is the same but for two attributes: the version,
 * and the types of devices. Both shrink or keep their length, so that they are changed where they stand. */
static void as_version_2(char *text)
{
    static const char mark[] = "<topology version=\"3.", type[] = "osdev_type=\"";
    char *at = strstr(text, mark);
    if (at == NULL || hwloc_get_api_version() >= 0x30000)
        return;
    at[sizeof(mark) - 3] = '2';
    while ((at = strstr(at, type)) != NULL) {
        at += sizeof(type) - 1;
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || at[digits] != '"')
            continue;
        char old = old_device_type(strtoul(at, NULL, 10));
        memset(at, ' ', digits + 1);
        at[0] = old;
        at[1] = '"';
    }
}

/* --- loading --- */

/* Variables that decide what hwloc looks at, put back afterwards. */
struct variable {
    const char *name;
    char *old;
};

static void set_variable(struct variable *v, const char *name, const char *value)
{
    const char *old = getenv(name);
    v->name = name;
    v->old = old != NULL ? strdup(old) : NULL;
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void put_back(struct variable *v)
{
    if (v->old != NULL)
        setenv(v->name, v->old, 1);
    else
        unsetenv(v->name);
    free(v->old);
}

static int load_with_variables(hwloc_topology_t h, const char *root, bool xml)
{
    enum { FSROOT, COMPONENTS, HIDE, LIBXML, VARIABLES };
    struct variable v[VARIABLES];
    set_variable(&v[FSROOT], "HWLOC_FSROOT", root[0] != '\0' ? root : NULL);
    set_variable(&v[COMPONENTS], "HWLOC_COMPONENTS", xml ? "stop" : "linux,stop");
    set_variable(&v[HIDE], "HWLOC_HIDE_ERRORS", "2"); /* we say it ourselves */
    set_variable(&v[LIBXML], "HWLOC_XML_VERBOSE", NULL);
    int rc = hwloc_topology_load(h);
    for (int i = 0; i < VARIABLES; i++)
        put_back(&v[i]);
    return rc;
}

/* The node's hardware whole, whatever this process may use of it; for an XML file with its devices. */
static void set_filters(hwloc_topology_t h, bool xml)
{
    hwloc_topology_set_flags(h, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    hwloc_topology_set_all_types_filter(h, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(h, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(h, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(h, HWLOC_OBJ_BRIDGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(h, HWLOC_OBJ_PCI_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (xml)
        hwloc_topology_set_type_filter(h, HWLOC_OBJ_OS_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL);
}

static int load_xml(hwloc_topology_t h, const char *xml, struct wm_err *err)
{
    size_t bytes;
    char *text;
    int rc = wm_topo_load_file(xml, &text, &bytes, err);
    if (rc != WM_OK)
        return rc;
    as_version_2(text);
    if (strstr(text, "</topology>") == NULL)
        rc = wm_fail(err, WM_EUSAGE, "", 0, "%s is cut off: it has no </topology>", xml);
    else if (hwloc_topology_set_xmlbuffer(h, text, (int)bytes + 1) != 0 || load_with_variables(h, "", true) != 0)
        rc = wm_fail(err, WM_EUSAGE, "hwloc_topology_load", 0, "%s: hwloc %s cannot read this file; does lstopo -i?",
                     xml, HWLOC_VERSION);
    free(text);
    return rc;
}

/* --- a machine --- */

/* Where hwloc found no CPUs it makes one up. */
static void forget_cpus(struct wm_tree *tree, struct wm_topo *topo)
{
    topo->packages = topo->cores = topo->threads = topo->n_numa = topo->n_cores = 0;
    for (int i = 0; i < topo->n_pci; i++)
        topo->pci[i].numa = -1;
    wm_tree_note(tree, "sys/devices/system/cpu", "no CPU topology here");
}

static void read_arch(struct wm_tree *tree, struct wm_topo *topo)
{
    struct utsname name;
    char text[4097];
    if (wm_tree_is_here(tree) && uname(&name) == 0) {
        snprintf(topo->arch, sizeof(topo->arch), "%.15s", name.machine);
        return;
    }
    text[wm_tree_bytes(tree, text, sizeof(text) - 1, "proc/cpuinfo")] = '\0';
    if (topo->arch[0] == '\0' && strstr(text, "vendor_id") != NULL)
        snprintf(topo->arch, sizeof(topo->arch), "x86_64");
    else if (topo->arch[0] == '\0' && strstr(text, "CPU implementer") != NULL)
        snprintf(topo->arch, sizeof(topo->arch), "aarch64");
}

static int read_machine(hwloc_topology_t h, struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    if (load_with_variables(h, tree->root, false) != 0) {
        wm_tree_note(tree, "sys", "hwloc %s finds neither CPUs nor PCI functions here", HWLOC_VERSION);
        return WM_OK;
    }
    int rc = add_cpus(h, topo, err);
    if (rc == WM_OK)
        rc = add_all_pci(h, topo, err);
    for (int i = 0; i < topo->n_pci; i++)
        topo->pci[i].link.bytes_per_s = 0; /* sysfs says speed and width */
    if (!wm_tree_exists(tree, "sys/devices/system/cpu/cpu0/topology"))
        forget_cpus(tree, topo);
    read_arch(tree, topo);
    return rc;
}

static int read_file(hwloc_topology_t h, const char *xml, struct wm_topo *topo, struct wm_err *err)
{
    int rc = load_xml(h, xml, err);
    if (rc == WM_OK)
        rc = add_cpus(h, topo, err);
    if (rc == WM_OK)
        rc = add_all_pci(h, topo, err);
    if (rc == WM_OK)
        rc = add_devices(h, topo, err);
    return rc == WM_OK ? add_nvlinks(h, topo, err) : rc;
}

int wm_topo_read_hwloc(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err)
{
    hwloc_topology_t h;
    if (hwloc_topology_init(&h) != 0)
        return wm_fail(err, WM_ENOMEM, "hwloc_topology_init", 0, "topology");
    set_filters(h, xml != NULL);
    int rc = xml != NULL ? read_file(h, xml, topo, err) : read_machine(h, tree, topo, err);
    hwloc_topology_destroy(h);
    return rc;
}
