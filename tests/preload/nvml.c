/*
 * NVIDIA's management library without a driver: named libnvidia-ml.so.1 in a folder of LD_LIBRARY_PATH, it answers from
 * the file WM_NVML_FILE, which is a recorded machine's nvml.json. Its prototypes and structures are written down here
 * anew, from NVML's public reference, so that a mistake in ours shows. A GPU with "lost": true answers nothing.
 * WM_NVML_INIT is what nvmlInit returns; functions and field numbers named in WM_NVML_LACKS are not supported.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };

typedef int nvmlReturn_t;
typedef json_t *nvmlDevice_t;

typedef struct {
    char busIdLegacy[16];
    unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;
typedef struct {
    unsigned long long total, free, used;
} nvmlMemory_t;
typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned int valueType;
    nvmlReturn_t nvmlReturn;
    union {
        double dVal;
        unsigned int uiVal;
        unsigned long long ullVal;
    } value;
} nvmlFieldValue_t;
typedef struct {
    unsigned char clusterUuid[16];
    nvmlReturn_t status;
    unsigned int cliqueId;
    unsigned char state;
} nvmlGpuFabricInfo_t;
typedef struct {
    unsigned int version;
    unsigned char clusterUuid[16];
    nvmlReturn_t status;
    unsigned int cliqueId;
    unsigned char state;
    unsigned int healthMask;
} nvmlGpuFabricInfo_v2_t;

/* An older driver: fewer functions, some by older names. */
#ifdef WM_OLD_DRIVER
#define nvmlInit_v2                         nvmlInit
#define nvmlDeviceGetCount_v2               nvmlDeviceGetCount
#define nvmlDeviceGetHandleByIndex_v2       nvmlDeviceGetHandleByIndex
#define nvmlDeviceGetPciInfo_v3             nvmlDeviceGetPciInfo_v2
#define nvmlDeviceGetNvLinkRemotePciInfo_v2 nvmlDeviceGetNvLinkRemotePciInfo
#endif

nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlShutdown(void);
const char *nvmlErrorString(nvmlReturn_t result);
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count);
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device);
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length);
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length);
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci);
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, unsigned int *active);
nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci);
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length);
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending);
nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, unsigned int *type);
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values);
nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info);
nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v2_t *info);

static json_t *machine;

static nvmlReturn_t give_text(const json_t *object, const char *member, char *out, unsigned int length)
{
    const char *text = json_string_value(json_object_get(object, member));
    if (text == NULL)
        return NOT_SUPPORTED;
    if (strlen(text) >= length)
        return 7; /* insufficient size */
    memcpy(out, text, strlen(text) + 1);
    return OK;
}

static nvmlReturn_t give_pci(const char *address, nvmlPciInfo_t *out)
{
    memset(out, 0xee, sizeof(*out));
    if (address == NULL || sscanf(address, "%x:%x:%x.", &out->domain, &out->bus, &out->device) != 3)
        return NOT_SUPPORTED;
    snprintf(out->busIdLegacy, sizeof(out->busIdLegacy), "%04X:%02X:%02X.0", out->domain & 0xffff, out->bus & 0xff,
             out->device & 0xff);
    snprintf(out->busId, sizeof(out->busId), "%08X:%02X:%02X.0", out->domain, out->bus, out->device);
    return OK;
}

static const json_t *link_of(nvmlDevice_t device, unsigned int link)
{
    return json_array_get(json_object_get(device, "nvlinks"), link);
}

nvmlReturn_t nvmlInit_v2(void)
{
    const char *status = getenv("WM_NVML_INIT"), *path = getenv("WM_NVML_FILE");
    if (status != NULL)
        return atoi(status);
    machine = path != NULL ? json_load_file(path, 0, NULL) : NULL;
    return machine != NULL ? OK : DRIVER_NOT_LOADED;
}

nvmlReturn_t nvmlShutdown(void)
{
    json_decref(machine);
    machine = NULL;
    return OK;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    return result == DRIVER_NOT_LOADED ? "Driver Not Loaded"
           : result == GPU_IS_LOST     ? "GPU is lost"
           : result == 4               ? "Insufficient Permissions"
                                       : "Unknown Error";
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    *count = (unsigned int)json_array_size(json_object_get(machine, "gpus"));
    return OK;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    *device = json_array_get(json_object_get(machine, "gpus"), index);
    if (*device == NULL)
        return INVALID_ARGUMENT;
    return json_is_true(json_object_get(*device, "lost")) ? GPU_IS_LOST : OK;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    return give_text(device, "name", name, length);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    return give_text(device, "uuid", uuid, length);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    return give_pci(json_string_value(json_object_get(device, "pci")), pci);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    memory->total = (unsigned long long)json_integer_value(json_object_get(device, "memory_bytes"));
    memory->free = memory->used = memory->total / 2;
    return OK;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, unsigned int *active)
{
    if (link_of(device, link) == NULL)
        return INVALID_ARGUMENT;
    *active = (unsigned int)json_is_true(json_object_get(link_of(device, link), "active"));
    return OK;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
    return give_pci(json_string_value(json_object_get(link_of(device, link), "remote_pci")), pci);
}

#ifndef WM_OLD_DRIVER

static int lacks(const char *name)
{
    const char *list = getenv("WM_NVML_LACKS"), *at = list != NULL ? strstr(list, name) : NULL;
    size_t n = strlen(name);
    for (; at != NULL; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return 1;
    return 0;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    return give_text(machine, "driver", version, length);
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    *current = *pending = (unsigned int)json_is_true(json_object_get(device, "mig"));
    return OK;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, unsigned int *type)
{
    const char *remote = json_string_value(json_object_get(link_of(device, link), "remote"));
    if (remote == NULL || lacks("nvmlDeviceGetNvLinkRemoteDeviceType"))
        return NOT_SUPPORTED;
    *type = strcmp(remote, "gpu") == 0 ? 0 : strcmp(remote, "cpu") == 0 ? 1 : strcmp(remote, "switch") == 0 ? 2 : 255;
    return OK;
}

/* Bytes that the stand-in for the driver says this GPU sent (0) or received (1), over the road WM_METER_ROAD. */
static nvmlReturn_t give_count(nvmlDevice_t device, const char *road, int which, nvmlFieldValue_t *out)
{
    const char *path = getenv("WM_CUDA_METER"), *taken = getenv("WM_METER_ROAD");
    const int nvlink = strcmp(road, "nvlink") == 0;
    unsigned long long count = 0;
    long index = 0;
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (file == NULL)
        return NOT_SUPPORTED;
    while (json_array_get(json_object_get(machine, "gpus"), (size_t)index) != device)
        index++;
    if (fseek(file, (2 * index + which) * 8, SEEK_SET) != 0 || fread(&count, 8, 1, file) != 1)
        count = 0;
    fclose(file);
    if (nvlink && out->scopeId != 0xffffffff)
        return INVALID_ARGUMENT;
    count = taken != NULL && strcmp(taken, road) == 0 ? count : 0;
    out->valueType = 3;
    out->value.ullVal = nvlink ? count / 1024 : count;
    return OK;
}

/* Fields 170 to 172: how many links to the processor, is link `scopeId` active, its speed. */
static void give_c2c(nvmlDevice_t device, nvmlFieldValue_t *out)
{
    const json_t *links = json_object_get(device, "c2c"), *link = json_array_get(links, out->scopeId);
    unsigned int value = (unsigned int)json_array_size(links);
    if (out->fieldId == 171)
        value = (unsigned int)json_is_true(json_object_get(link, "active"));
    else if (out->fieldId == 172)
        value = (unsigned int)json_integer_value(json_object_get(link, "mb_per_s"));
    out->nvmlReturn = links == NULL ? NOT_SUPPORTED : out->fieldId != 170 && link == NULL ? INVALID_ARGUMENT : OK;
    out->valueType = 1;
    out->value.uiVal = value;
}

static void give_field(nvmlDevice_t device, nvmlFieldValue_t *out)
{
    if (out->fieldId >= 170 && out->fieldId <= 172) {
        give_c2c(device, out);
        return;
    }
    if (out->fieldId == 138 || out->fieldId == 139) {
        out->nvmlReturn = give_count(device, "nvlink", out->fieldId == 139, out);
        return;
    }
    if (out->fieldId == 197 || out->fieldId == 198) {
        out->nvmlReturn = give_count(device, "pcie", out->fieldId == 198, out);
        return;
    }
    char number[16];
    unsigned int link = out->fieldId == 164 ? out->scopeId : 0;
    json_int_t speed = json_integer_value(json_object_get(link_of(device, link), "mb_per_s"));
    snprintf(number, sizeof(number), "%u", out->fieldId);
    out->nvmlReturn = (out->fieldId == 164 || out->fieldId == 90) && speed > 0 && !lacks(number) ? OK : NOT_SUPPORTED;
    out->value.ullVal = 0xeeeeeeeeeeeeeeee;
    if (out->nvmlReturn == OK) {
        out->valueType = out->fieldId == 164 ? 1 : 3; /* unsigned int, unsigned long long */
        if (out->valueType == 1)
            out->value.uiVal = (unsigned int)speed;
        else
            out->value.ullVal = (unsigned long long)speed;
    }
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    if (lacks("nvmlDeviceGetFieldValues"))
        return NOT_SUPPORTED;
    for (int i = 0; i < count; i++)
        give_field(device, &values[i]);
    return OK;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
    const json_t *fabric = json_object_get(device, "fabric");
    const char *state = json_string_value(json_object_get(fabric, "state"));
    const char *uuid = json_string_value(json_object_get(fabric, "cluster_uuid"));
    if (state == NULL || uuid == NULL || lacks("nvmlDeviceGetGpuFabricInfo"))
        return NOT_SUPPORTED;
    for (int i = 0; i < 16; i++) {
        uuid += *uuid == '-';
        sscanf(uuid, "%2hhx", &info->clusterUuid[i]);
        uuid += 2;
    }
    info->status = (nvmlReturn_t)json_integer_value(json_object_get(fabric, "status"));
    info->cliqueId = (unsigned int)json_integer_value(json_object_get(fabric, "clique"));
    info->state = strcmp(state, "completed") == 0 ? 3 : 2;
    return OK;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v2_t *info)
{
    nvmlGpuFabricInfo_t older;
    if (info->version != ((unsigned int)sizeof(*info) | 2u << 24))
        return INVALID_ARGUMENT;
    if (lacks("nvmlDeviceGetGpuFabricInfoV") || nvmlDeviceGetGpuFabricInfo(device, &older) != OK)
        return NOT_SUPPORTED;
    memcpy(info->clusterUuid, older.clusterUuid, sizeof(older.clusterUuid));
    info->status = older.status;
    info->cliqueId = older.cliqueId;
    info->state = older.state;
    info->healthMask = 0;
    return OK;
}

#endif
