#include "src/result/topology.h"

#include <math.h>
#include <string.h>

#include "src/result/field.h"
#include "src/result/topology_rows.h"

static const char *const acs_names[] = { "", "off", "redirects" };
static const char *const gid_names[] = { "", "IB", "RoCE v1", "RoCE v2" };

#define AT(s, member)       .offset = offsetof(struct s, member), .bytes = sizeof(((struct s *)0)->member)
#define ROW(s, name_, t, m) .name = (name_), .type = WM_TOPOLOGY_##t, AT(s, m)
#define NAMES(list, n)      .names = (list), .n_names = (n)
#define ARRAY(s, array_, n, e)                                                                                         \
    .array = offsetof(struct s, array_), .count = offsetof(struct s, n), .element_bytes = sizeof(struct e)

static const struct wm_topology_row numa_rows[] = {
    { ROW(wm_topo_numa, "os_index", INT, os_index), .absent = -1, .required = true },
    { ROW(wm_topo_numa, "memory_bytes", BYTES, memory_bytes), .kind = WM_KIND_ROUNDED },
    { ROW(wm_topo_numa, "cpus", TEXT, cpus) },
    { ROW(wm_topo_numa, "cores", INT, cores) },
    { ROW(wm_topo_numa, "threads", INT, threads) },
    { ROW(wm_topo_numa, "package", INT, package), .absent = -1 },
    { 0 },
};

static const struct wm_topology_row core_rows[] = {
    { ROW(wm_topo_core, "numa", NUMA, numa) },
    { ROW(wm_topo_core, "cpus", TEXT, cpus), .required = true },
    { 0 },
};

static const struct wm_topology_row pci_rows[] = {
    { ROW(wm_topo_pci, "address", TEXT, address), .required = true },
    { ROW(wm_topo_pci, "name", TEXT, name) },
    { ROW(wm_topo_pci, "driver", TEXT, driver) },
    { ROW(wm_topo_pci, "class", HEX, class_id) },
    { ROW(wm_topo_pci, "vendor", HEX, vendor) },
    { ROW(wm_topo_pci, "device", HEX, device) },
    { ROW(wm_topo_pci, "parent", PCI, parent) },
    { ROW(wm_topo_pci, "root", INT, root), .absent = -1 },
    { ROW(wm_topo_pci, "numa", NUMA, numa) },
    { ROW(wm_topo_pci, "bridge", TRUE, bridge) },
    { ROW(wm_topo_pci, "virtual_function", TRUE, virtual_function) },
    { ROW(wm_topo_pci, "link_gt_per_s", REAL, link.gt_per_s) },
    { ROW(wm_topo_pci, "link_max_gt_per_s", REAL, link.max_gt_per_s) },
    { ROW(wm_topo_pci, "link_width", INT, link.width) },
    { ROW(wm_topo_pci, "link_max_width", INT, link.max_width) },
    { ROW(wm_topo_pci, "link_bytes_per_s", REAL, link.bytes_per_s) },
    { ROW(wm_topo_pci, "payload_bytes", INT, payload_bytes) },
    { ROW(wm_topo_pci, "acs", NAME, acs), NAMES(acs_names, 3) },
    { ROW(wm_topo_pci, "iommu_group", TEXT, iommu_group) },
    { 0 },
};

static const struct wm_topology_row gpu_rows[] = {
    { ROW(wm_topo_gpu, "index", INT, index), .absent = -1 },
    { ROW(wm_topo_gpu, "name", TEXT, name) },
    { ROW(wm_topo_gpu, "uuid", TEXT, uuid), .kind = WM_KIND_LEFT_OUT },
    { ROW(wm_topo_gpu, "driver", TEXT, driver) },
    { ROW(wm_topo_gpu, "pci", PCI, pci) },
    { ROW(wm_topo_gpu, "numa", NUMA, numa) },
    { ROW(wm_topo_gpu, "memory_bytes", BYTES, memory_bytes) },
    { ROW(wm_topo_gpu, "nvlinks", INT, nvlinks) },
    { ROW(wm_topo_gpu, "nvlink_inactive", INT, nvlink_inactive) },
    { ROW(wm_topo_gpu, "nvlink_bytes_per_s", REAL, nvlink_bytes_per_s) },
    { ROW(wm_topo_gpu, "nvlink_domain", TEXT, nvlink_domain) },
    { ROW(wm_topo_gpu, "cpu_links", INT, cpu_links) },
    { ROW(wm_topo_gpu, "cpu_link_bytes_per_s", REAL, cpu_link_bytes_per_s) },
    { 0 },
};

static const struct wm_topology_row nvlink_rows[] = {
    { ROW(wm_topo_nvlink, "from", GPU, from), .required = true },
    { ROW(wm_topo_nvlink, "to", GPU, to) },
    { ROW(wm_topo_nvlink, "links", INT, links) },
    { 0 },
};

static const struct wm_topology_row counter_rows[] = {
    { ROW(wm_topo_counter, "name", TEXT, name), .required = true },
    { ROW(wm_topo_counter, "value", BYTES, value), .required = true },
    { 0 },
};

static const struct wm_topology_row gid_rows[] = {
    { ROW(wm_topo_gid, "index", INT, index), .absent = -1, .required = true },
    { ROW(wm_topo_gid, "gid", TEXT, gid), .required = true },
    { ROW(wm_topo_gid, "type", NAME, type), NAMES(gid_names, 4) },
    { ROW(wm_topo_gid, "netif", TEXT, netif) },
    { 0 },
};

static const struct wm_topology_row port_rows[] = {
    { ROW(wm_topo_port, "number", INT, number), .absent = -1, .required = true },
    { ROW(wm_topo_port, "state", TEXT, state) },
    { ROW(wm_topo_port, "phys_state", TEXT, phys_state) },
    { ROW(wm_topo_port, "link_layer", TEXT, link_layer) },
    { ROW(wm_topo_port, "rate", TEXT, rate) },
    { ROW(wm_topo_port, "bytes_per_s", REAL, bytes_per_s) },
    { ROW(wm_topo_port, "fabric", NAME, fabric), NAMES(wm_fabric_names, WM_FABRICS) },
    { ROW(wm_topo_port, "netif", TEXT, netif) },
    { ROW(wm_topo_port, "mtu_bytes", INT, mtu_bytes) },
    { 0 },
};

static const struct wm_topology_row rdma_rows[] = {
    { ROW(wm_topo_rdma, "name", TEXT, name), .required = true },
    { ROW(wm_topo_rdma, "driver", TEXT, driver) },
    { ROW(wm_topo_rdma, "node_type", TEXT, node_type) },
    { ROW(wm_topo_rdma, "firmware", TEXT, firmware) },
    { ROW(wm_topo_rdma, "board_id", TEXT, board_id) },
    { ROW(wm_topo_rdma, "node_guid", TEXT, node_guid), .kind = WM_KIND_LEFT_OUT },
    { ROW(wm_topo_rdma, "pci", PCI, pci) },
    { ROW(wm_topo_rdma, "numa", NUMA, numa) },
    { ROW(wm_topo_rdma, "virtual_device", TRUE, virtual_device) },
    { 0 },
};

static const struct wm_topology_row netif_rows[] = {
    { ROW(wm_topo_netif, "name", TEXT, name), .required = true },
    { ROW(wm_topo_netif, "driver", TEXT, driver) },
    { ROW(wm_topo_netif, "state", TEXT, state) },
    { ROW(wm_topo_netif, "bytes_per_s", REAL, bytes_per_s) },
    { ROW(wm_topo_netif, "mtu_bytes", INT, mtu_bytes) },
    { ROW(wm_topo_netif, "pci", PCI, pci) },
    { ROW(wm_topo_netif, "numa", NUMA, numa) },
    { ROW(wm_topo_netif, "loopback", TRUE, loopback) },
    { ROW(wm_topo_netif, "virtual_device", TRUE, virtual_device) },
    { ROW(wm_topo_netif, "master", TEXT, master) },
    { ROW(wm_topo_netif, "kind", TEXT, kind) },
    { ROW(wm_topo_netif, "rdma", RDMA, rdma) },
    { 0 },
};

static const struct wm_topology_row note_rows[] = {
    { ROW(wm_note, "path", TEXT, path) },
    { ROW(wm_note, "reason", TEXT, reason) },
    { 0 },
};

/* Containers' ends of a wire: they come and go, with random names. */
static bool is_veth(const void *netif)
{
    return strcmp(((const struct wm_topo_netif *)netif)->kind, "veth") == 0;
}

static const struct wm_topology_list of_port[] = {
    { "gids", gid_rows, NULL, ARRAY(wm_topo_port, gid, n_gids, wm_topo_gid), .kind = WM_KIND_LEFT_OUT },
    { "counters", counter_rows, NULL, ARRAY(wm_topo_port, counter, n_counters, wm_topo_counter),
      .room = WM_TOPO_PORT_COUNTERS, .kind = WM_KIND_LEFT_OUT },
    { 0 },
};
static const struct wm_topology_list of_rdma[] = {
    { "ports", port_rows, of_port, ARRAY(wm_topo_rdma, port, n_ports, wm_topo_port) },
    { 0 },
};
static const struct wm_topology_list of_netif[] = {
    { "counters", counter_rows, NULL, ARRAY(wm_topo_netif, counter, n_counters, wm_topo_counter),
      .room = WM_TOPO_NETIF_COUNTERS, .kind = WM_KIND_LEFT_OUT },
    { 0 },
};

const struct wm_topology_list wm_topology_lists[] = {
    { "numa", numa_rows, NULL, ARRAY(wm_topo, numa, n_numa, wm_topo_numa) },
    { "core_threads", core_rows, NULL, ARRAY(wm_topo, core, n_cores, wm_topo_core) },
    { "pci", pci_rows, NULL, ARRAY(wm_topo, pci, n_pci, wm_topo_pci) },
    { "gpus", gpu_rows, NULL, ARRAY(wm_topo, gpu, n_gpus, wm_topo_gpu) },
    { "nvlinks", nvlink_rows, NULL, ARRAY(wm_topo, nvlink, n_nvlinks, wm_topo_nvlink) },
    { "rdma", rdma_rows, of_rdma, ARRAY(wm_topo, rdma, n_rdma, wm_topo_rdma) },
    { "netifs", netif_rows, of_netif, ARRAY(wm_topo, netif, n_netifs, wm_topo_netif), .of_this_node_only = is_veth },
    { "notes", note_rows, NULL, ARRAY(wm_topo, note, n_notes, wm_note), .kind = WM_KIND_LEFT_OUT },
    { 0 },
};

const struct wm_topology_row wm_topology_rows[] = {
    { ROW(wm_topo, "source", TEXT, source), .kind = WM_KIND_LEFT_OUT },
    { ROW(wm_topo, "machine", TEXT, machine) },
    { ROW(wm_topo, "cpu_model", TEXT, cpu_model) },
    { ROW(wm_topo, "arch", TEXT, arch) },
    { ROW(wm_topo, "packages", INT, packages) },
    { ROW(wm_topo, "cores", INT, cores) },
    { ROW(wm_topo, "threads", INT, threads) },
    { ROW(wm_topo, "notes_left_out", INT, notes_left_out), .kind = WM_KIND_LEFT_OUT },
    { 0 },
};

/* ---- to JSON ---- */

struct writer {
    const struct wm_topo *topo;
    bool kind_only, failed;
};

/* Whole GiB, never 0: that would say absent. */
static uint64_t rounded(uint64_t bytes)
{
    uint64_t gib = (uint64_t)1 << 30, whole = (bytes + gib / 2) / gib;
    return bytes > 0 && whole == 0 ? gib : whole * gib;
}

static json_t *hexadecimal(const void *at, size_t bytes)
{
    char digits[16];
    uint32_t value = bytes == sizeof(uint16_t) ? *(const uint16_t *)at : *(const uint32_t *)at;
    snprintf(digits, sizeof(digits), "0x%0*x", bytes == sizeof(uint16_t) ? 4 : 6, value);
    return json_string(digits);
}

static json_t *reference(const struct wm_topo *topo, enum wm_topology_type type, int index)
{
    if (type == WM_TOPOLOGY_NUMA)
        return index < topo->n_numa ? json_integer(topo->numa[index].os_index) : NULL;
    if (type == WM_TOPOLOGY_PCI)
        return index < topo->n_pci ? wm_result_text(topo->pci[index].address) : NULL;
    if (type == WM_TOPOLOGY_RDMA)
        return index < topo->n_rdma ? wm_result_text(topo->rdma[index].name) : NULL;
    return index < topo->n_gpus ? json_integer(index) : NULL;
}

static bool is_absent(const struct wm_topology_row *row, const void *at)
{
    switch (row->type) {
    case WM_TOPOLOGY_TEXT:
        return *(const char *)at == '\0';
    case WM_TOPOLOGY_INT:
        return *(const int *)at == row->absent;
    case WM_TOPOLOGY_BYTES:
        return *(const uint64_t *)at == 0;
    case WM_TOPOLOGY_REAL:
        return !isfinite(*(const double *)at) || *(const double *)at == 0;
    case WM_TOPOLOGY_TRUE:
        return !*(const bool *)at;
    case WM_TOPOLOGY_HEX:
        return row->bytes == sizeof(uint16_t) ? *(const uint16_t *)at == 0 : *(const uint32_t *)at == 0;
    case WM_TOPOLOGY_NAME:
        return *(const int *)at <= 0 || *(const int *)at >= row->n_names;
    default:
        return *(const int *)at < 0;
    }
}

static json_t *value_of(const struct writer *w, const struct wm_topology_row *row, const void *at)
{
    uint64_t bytes = row->type == WM_TOPOLOGY_BYTES ? *(const uint64_t *)at : 0;
    switch (row->type) {
    case WM_TOPOLOGY_TEXT:
        return wm_result_textn(at, strnlen(at, row->bytes));
    case WM_TOPOLOGY_INT:
        return json_integer(*(const int *)at);
    case WM_TOPOLOGY_BYTES:
        return json_integer((json_int_t)(w->kind_only && row->kind == WM_KIND_ROUNDED ? rounded(bytes) : bytes));
    case WM_TOPOLOGY_REAL:
        return json_real(*(const double *)at);
    case WM_TOPOLOGY_TRUE:
        return json_true();
    case WM_TOPOLOGY_HEX:
        return hexadecimal(at, row->bytes);
    case WM_TOPOLOGY_NAME:
        return json_string(row->names[*(const int *)at]);
    default:
        return reference(w->topo, row->type, *(const int *)at);
    }
}

static void write_rows(struct writer *w, const struct wm_topology_row *row, const void *base, json_t *object)
{
    for (; row->name != NULL; row++) {
        const void *at = (const char *)base + row->offset;
        if ((w->kind_only && row->kind == WM_KIND_LEFT_OUT) || (!row->required && is_absent(row, at)))
            continue;
        if (json_object_set_new(object, row->name, value_of(w, row, at)) != 0)
            w->failed = true;
    }
}

static void write_list(struct writer *w, const struct wm_topology_list *list, const void *base, json_t *object)
{
    const char *at = (const char *)base + list->array, *element = at;
    int n = *(const int *)((const char *)base + list->count);
    if (list->room == 0)
        memcpy(&element, at, sizeof(element));
    if (n == 0 || (w->kind_only && list->kind == WM_KIND_LEFT_OUT))
        return;
    json_t *array = json_array();
    for (int i = 0; i < n && !w->failed; i++, element += list->element_bytes) {
        if (w->kind_only && list->of_this_node_only != NULL && list->of_this_node_only(element))
            continue;
        json_t *member = json_object();
        write_rows(w, list->rows, element, member);
        for (const struct wm_topology_list *inner = list->inner; inner != NULL && inner->name != NULL; inner++)
            write_list(w, inner, element, member);
        w->failed = w->failed || json_array_append_new(array, member) != 0;
    }
    if (json_object_set_new(object, list->name, array) != 0)
        w->failed = true;
}

json_t *wm_topology_to_json(const struct wm_topo *topo, bool kind_only)
{
    struct writer w = { .topo = topo, .kind_only = kind_only };
    json_t *object = json_object();
    write_rows(&w, wm_topology_rows, topo, object);
    for (const struct wm_topology_list *list = wm_topology_lists; list->name != NULL; list++)
        write_list(&w, list, topo, object);
    if (object != NULL && !w.failed)
        return object;
    json_decref(object);
    return NULL;
}
