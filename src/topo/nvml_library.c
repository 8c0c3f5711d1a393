/*
 * libnvidia-ml.so.1, opened at run time: the binary starts where there is no driver. Prototypes and numbers are those
 * of NVML's public reference; a function that an older driver lacks leaves its field absent.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/discover.h"
#include "src/topo/gpu_meter.h"
#include "src/topo/nvml.h"

#define LIBRARY "libnvidia-ml.so.1"

enum { SUCCESS = 0, DRIVER_NOT_LOADED = 9, STATE_COMPLETED = 3 };
enum { REMOTE_GPU = 0, REMOTE_NPU = 1, REMOTE_SWITCH = 2 };
/* Field values; speeds are in 1e6 bytes per second of one way. Hopper answers the first only, Volta the second. */
enum { FIELD_LINK_SPEED = 164, FIELD_COMMON_SPEED = 90 };
/* Links to the processor of the same package: how many, is one active, 1e6 bytes per second of one way. */
enum { FIELD_C2C_COUNT = 170, FIELD_C2C_ACTIVE = 171, FIELD_C2C_SPEED = 172 };
/* What NVLinks carried, in KiB, of all links together where the scope says so; and PCIe, in bytes. */
enum { FIELD_NVLINK_SENT = 138, FIELD_NVLINK_RECEIVED = 139, FIELD_PCIE_SENT = 197, FIELD_PCIE_RECEIVED = 198 };
static const unsigned all_links = 0xffffffff;
enum { VALUE_DOUBLE = 0, VALUE_UINT = 1, VALUE_ULONG = 2, VALUE_ULONG_LONG = 3 };

typedef struct device *device_t;

struct pci_info {
    char legacy_id[16];
    unsigned domain, bus, device, pci_id, subsystem_id;
    char id[32];
};
struct memory_info {
    unsigned long long total, free, used;
};
struct field_value {
    unsigned field, scope;
    long long timestamp, latency_us;
    int type, status;
    union {
        double real;
        unsigned uint;
        unsigned long ulong;
        unsigned long long ulong_long;
    } value;
};
struct fabric_info {
    unsigned char cluster[16];
    int status;
    unsigned clique;
    unsigned char state;
};
/* "V2": the same with a version before and a health mask behind. */
struct fabric_info_v2 {
    unsigned version;
    struct fabric_info info;
    unsigned health;
};

struct library {
    void *handle;
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int status);
    int (*driver_version)(char *text, unsigned bytes);
    int (*count)(unsigned *out);
    int (*by_index)(unsigned index, device_t *out);
    int (*name)(device_t device, char *text, unsigned bytes);
    int (*uuid)(device_t device, char *text, unsigned bytes);
    int (*pci)(device_t device, struct pci_info *out);
    int (*memory)(device_t device, struct memory_info *out);
    int (*mig_mode)(device_t device, unsigned *current, unsigned *pending);
    int (*link_state)(device_t device, unsigned link, unsigned *active);
    int (*link_remote)(device_t device, unsigned link, struct pci_info *out);
    int (*link_remote_type)(device_t device, unsigned link, unsigned *out);
    int (*field_values)(device_t device, int n, struct field_value *values);
    int (*fabric)(device_t device, struct fabric_info *out);
    int (*fabric_v2)(device_t device, struct fabric_info_v2 *out);
};

#define MEMBER(member) offsetof(struct library, member)
static const struct symbol {
    const char *name, *older; /* the same function in an older driver, with a structure that begins alike */
    size_t member;
    bool required;
} symbols[] = {
    { "nvmlInit_v2", "nvmlInit", MEMBER(init), true },
    { "nvmlShutdown", NULL, MEMBER(shutdown), true },
    { "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount", MEMBER(count), true },
    { "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex", MEMBER(by_index), true },
    { "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", MEMBER(pci), true },
    { "nvmlErrorString", NULL, MEMBER(error_string), false },
    { "nvmlSystemGetDriverVersion", NULL, MEMBER(driver_version), false },
    { "nvmlDeviceGetName", NULL, MEMBER(name), false },
    { "nvmlDeviceGetUUID", NULL, MEMBER(uuid), false },
    { "nvmlDeviceGetMemoryInfo", NULL, MEMBER(memory), false },
    { "nvmlDeviceGetMigMode", NULL, MEMBER(mig_mode), false },
    { "nvmlDeviceGetNvLinkState", NULL, MEMBER(link_state), false },
    { "nvmlDeviceGetNvLinkRemotePciInfo_v2", "nvmlDeviceGetNvLinkRemotePciInfo", MEMBER(link_remote), false },
    { "nvmlDeviceGetNvLinkRemoteDeviceType", NULL, MEMBER(link_remote_type), false },
    { "nvmlDeviceGetFieldValues", NULL, MEMBER(field_values), false },
    { "nvmlDeviceGetGpuFabricInfo", NULL, MEMBER(fabric), false },
    { "nvmlDeviceGetGpuFabricInfoV", NULL, MEMBER(fabric_v2), false },
};

/* The name of a required function that is not there, or NULL. */
static const char *resolve(struct library *nvml)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *address = dlsym(nvml->handle, symbols[i].name);
        if (address == NULL && symbols[i].older != NULL)
            address = dlsym(nvml->handle, symbols[i].older);
        if (address == NULL && symbols[i].required)
            return symbols[i].name;
        memcpy((char *)nvml + symbols[i].member, &address, sizeof(address));
    }
    return NULL;
}

static const char *why(const struct library *nvml, int status)
{
    const char *text = nvml->error_string != NULL ? nvml->error_string(status) : NULL;
    return text != NULL ? text : "no text";
}

static void write_address(char out[16], const struct pci_info *pci)
{
    snprintf(out, 16, "%04x:%02x:%02x.0", pci->domain & 0xffffffu, pci->bus & 0xffu, pci->device & 0x1fu);
}

static double number(const struct field_value *value)
{
    switch (value->type) {
    case VALUE_DOUBLE:
        return value->value.real;
    case VALUE_UINT:
        return value->value.uint;
    case VALUE_ULONG:
        return (double)value->value.ulong;
    case VALUE_ULONG_LONG:
        return (double)value->value.ulong_long;
    default:
        return 0;
    }
}

static double link_speed(const struct library *nvml, device_t device, unsigned link)
{
    struct field_value ask[] = { { .field = FIELD_LINK_SPEED, .scope = link }, { .field = FIELD_COMMON_SPEED } };
    if (nvml->field_values == NULL || nvml->field_values(device, 2, ask) != SUCCESS)
        return 0;
    for (int i = 0; i < 2; i++)
        if (ask[i].status == SUCCESS && number(&ask[i]) > 0)
            return number(&ask[i]) * 1e6;
    return 0;
}

static enum wm_nvml_remote remote_type(const struct library *nvml, device_t device, unsigned link)
{
    unsigned type;
    if (nvml->link_remote_type == NULL || nvml->link_remote_type(device, link, &type) != SUCCESS)
        return WM_NVML_UNKNOWN;
    return type == REMOTE_GPU      ? WM_NVML_GPU
           : type == REMOTE_SWITCH ? WM_NVML_SWITCH
           : type == REMOTE_NPU    ? WM_NVML_CPU
                                   : WM_NVML_UNKNOWN;
}

/* Links are counted from 0; the first that there is not ends them. */
static void ask_links(const struct library *nvml, device_t device, struct wm_nvml_gpu *out)
{
    unsigned active;
    while (nvml->link_state != NULL && out->n_links < WM_NVML_LINKS &&
           nvml->link_state(device, (unsigned)out->n_links, &active) == SUCCESS) {
        unsigned number = (unsigned)out->n_links;
        struct wm_nvml_link *link = &out->link[out->n_links++];
        struct pci_info remote = { .domain = 0 };
        link->active = active == 1;
        if (!link->active)
            continue;
        link->bytes_per_s = link_speed(nvml, device, number);
        link->remote = remote_type(nvml, device, number);
        if (nvml->link_remote != NULL && nvml->link_remote(device, number, &remote) == SUCCESS)
            write_address(link->remote_address, &remote);
    }
}

static void ask_c2c(const struct library *nvml, device_t device, struct wm_nvml_gpu *out)
{
    struct field_value count = { .field = FIELD_C2C_COUNT };
    if (nvml->field_values == NULL || nvml->field_values(device, 1, &count) != SUCCESS || count.status != SUCCESS)
        return;
    for (unsigned i = 0; i < number(&count) && i < WM_NVML_LINKS; i++) {
        struct field_value ask[] = { { .field = FIELD_C2C_ACTIVE, .scope = i },
                                     { .field = FIELD_C2C_SPEED, .scope = i } };
        if (nvml->field_values(device, 2, ask) != SUCCESS || ask[0].status != SUCCESS || !(number(&ask[0]) > 0))
            continue;
        wm_nvml_add_cpu_link(ask[1].status == SUCCESS ? number(&ask[1]) * 1e6 : 0, &out->c2c_links,
                             &out->c2c_bytes_per_s);
    }
}

static void ask_fabric(const struct library *nvml, device_t device, struct wm_nvml_gpu *out)
{
    struct fabric_info_v2 asked = { .version = (unsigned)sizeof(asked) | 2u << 24 };
    int status = -1;
    if (nvml->fabric_v2 != NULL)
        status = nvml->fabric_v2(device, &asked);
    if (status != SUCCESS && nvml->fabric != NULL)
        status = nvml->fabric(device, &asked.info);
    if (status == SUCCESS && asked.info.state == STATE_COMPLETED && asked.info.status == SUCCESS)
        wm_nvml_domain(out->domain, asked.info.cluster, asked.info.clique);
}

static void ask_gpu(const struct library *nvml, device_t device, struct wm_nvml_gpu *out)
{
    struct pci_info pci = { .domain = 0 };
    struct memory_info memory;
    unsigned current, pending;
    if (nvml->name == NULL || nvml->name(device, out->name, sizeof(out->name)) != SUCCESS)
        out->name[0] = '\0';
    if (nvml->uuid == NULL || nvml->uuid(device, out->uuid, sizeof(out->uuid)) != SUCCESS)
        out->uuid[0] = '\0';
    if (nvml->pci(device, &pci) == SUCCESS)
        write_address(out->address, &pci);
    if (nvml->memory != NULL && nvml->memory(device, &memory) == SUCCESS)
        out->memory_bytes = memory.total;
    out->mig = nvml->mig_mode != NULL && nvml->mig_mode(device, &current, &pending) == SUCCESS && current == 1;
    ask_links(nvml, device, out);
    ask_c2c(nvml, device, out);
    ask_fabric(nvml, device, out);
}

/* A GPU that is lost keeps its place, so that the others keep their index. */
static int ask_gpus(const struct library *nvml, struct wm_tree *tree, struct wm_nvml *out, struct wm_err *err)
{
    unsigned n = 0;
    char driver[32] = "";
    int status = nvml->count(&n);
    if (status != SUCCESS)
        wm_tree_note(tree, LIBRARY, "cannot count GPUs: %s", why(nvml, status));
    if (status != SUCCESS || n == 0)
        return WM_OK;
    out->gpu = calloc(n, sizeof(*out->gpu));
    if (out->gpu == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%u GPUs", n);
    if (nvml->driver_version == NULL || nvml->driver_version(driver, sizeof(driver)) != SUCCESS)
        driver[0] = '\0';
    for (; out->n_gpus < (int)n; out->n_gpus++) {
        struct wm_nvml_gpu *gpu = &out->gpu[out->n_gpus];
        device_t device;
        snprintf(gpu->driver, sizeof(gpu->driver), "%s", driver);
        status = nvml->by_index((unsigned)out->n_gpus, &device);
        if (status == SUCCESS)
            ask_gpu(nvml, device, gpu);
        else
            wm_tree_note(tree, LIBRARY, "GPU %d: %s", out->n_gpus, why(nvml, status));
    }
    return WM_OK;
}

int wm_nvml_ask(struct wm_tree *tree, bool expected, struct wm_nvml *out, struct wm_err *err)
{
    struct library nvml = { .handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL) };
    int rc = WM_OK;
    if (nvml.handle == NULL) {
        const char *text = dlerror();
        if (expected)
            wm_tree_note(tree, LIBRARY, "cannot be opened: %s", text != NULL ? text : "no text");
        return WM_OK;
    }
    const char *missing = resolve(&nvml);
    int status = missing == NULL ? nvml.init() : -1;
    if (missing != NULL)
        wm_tree_note(tree, LIBRARY, "has no function %s", missing);
    else if (status != SUCCESS && (expected || status != DRIVER_NOT_LOADED))
        wm_tree_note(tree, LIBRARY, "cannot be started: %s", why(&nvml, status));
    if (status == SUCCESS) {
        rc = ask_gpus(&nvml, tree, out, err);
        nvml.shutdown();
    }
    dlclose(nvml.handle);
    return rc;
}

/* ---- what GPUs have carried ---- */

enum { METERED = 64 };

struct wm_gpu_meter {
    struct library nvml;
    int n;
    struct metered {
        device_t device;
        char uuid[64];
    } gpu[METERED];
};

static void find_devices(struct wm_gpu_meter *m)
{
    unsigned n = 0;
    if (m->nvml.count(&n) != SUCCESS)
        return;
    for (unsigned i = 0; i < n && m->n < METERED; i++) {
        struct metered *g = &m->gpu[m->n];
        m->n +=
            m->nvml.by_index(i, &g->device) == SUCCESS && m->nvml.uuid(g->device, g->uuid, sizeof(g->uuid)) == SUCCESS;
    }
}

struct wm_gpu_meter *wm_gpu_meter_open(void)
{
    struct wm_gpu_meter *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->nvml.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (m->nvml.handle != NULL && resolve(&m->nvml) == NULL && m->nvml.uuid != NULL && m->nvml.field_values != NULL &&
        m->nvml.init() == SUCCESS) {
        find_devices(m);
        return m;
    }
    if (m->nvml.handle != NULL)
        dlclose(m->nvml.handle);
    free(m);
    return NULL;
}

void wm_gpu_meter_close(struct wm_gpu_meter *m)
{
    if (m == NULL)
        return;
    m->nvml.shutdown();
    dlclose(m->nvml.handle);
    free(m);
}

/* A pair of fields that the GPU answers becomes a counter. */
static int read_pair(const struct wm_gpu_meter *m, const struct metered *g, enum wm_fabric fabric,
                     struct wm_traffic *out, struct wm_err *err)
{
    const bool nvlink = fabric == WM_FABRIC_NVLINK;
    const uint64_t unit_bytes = nvlink ? 1024 : 1;
    struct field_value ask[] = {
        { .field = nvlink ? FIELD_NVLINK_SENT : FIELD_PCIE_SENT, .scope = nvlink ? all_links : 0 },
        { .field = nvlink ? FIELD_NVLINK_RECEIVED : FIELD_PCIE_RECEIVED, .scope = nvlink ? all_links : 0 },
    };
    if (m->nvml.field_values(g->device, 2, ask) != SUCCESS || ask[0].status != SUCCESS || ask[1].status != SUCCESS)
        return WM_OK;
    if (!wm_topo_grow(&out->counter, out->n, sizeof(*out->counter)))
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "traffic counters");
    struct wm_traffic_counter *c = &out->counter[out->n++];
    snprintf(c->device, sizeof(c->device), "%.40s:%s", g->uuid, wm_fabric_names[fabric]);
    c->fabric = fabric;
    c->sent = (uint64_t)number(&ask[0]) * unit_bytes;
    c->received = (uint64_t)number(&ask[1]) * unit_bytes;
    return WM_OK;
}

int wm_gpu_meter_read(const struct wm_gpu_meter *m, struct wm_traffic *out, struct wm_err *err)
{
    for (int i = 0; m != NULL && i < m->n && err->code == WM_OK; i++)
        if (read_pair(m, &m->gpu[i], WM_FABRIC_NVLINK, out, err) == WM_OK)
            read_pair(m, &m->gpu[i], WM_FABRIC_PCIE, out, err);
    return err->code;
}
