/** Which GPUs there are, by what names, and the one that this process uses. */
#include "src/mem/cuda_device.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "src/mem/cuda.h"

enum { DEVICES = 64 };

/* Of the process: the driver is asked once, and says the same ever after. */
static struct {
    bool asked;
    struct wm_err absent; /* why nothing can be used; WM_OK where it can */
    struct wm_cuda_driver cu;
    int count, selected; /* GPUs; the one that is meant where none is named */
    struct wm_cuda_device device[DEVICES];
} all;

/* ---- The driver ---- */

/* Kernels of a newer major version are not for this driver; within one, older drivers take them. */
static int check_version(const struct wm_cuda_driver *cu, struct wm_err *err)
{
    const int toolkit = wm_cuda_image.toolkit;
    int driver = 0, status = cu->version(&driver);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(cu, err, WM_EABSENT, "cuDriverGetVersion", status, "the driver does not say its version");
    if (driver / 1000 >= toolkit / 1000)
        return WM_OK;
    return wm_fail(err, WM_EABSENT, "", 0,
                   "the NVIDIA driver serves CUDA %d.%d at most, and this wiremark was built with CUDA %d.%d: update "
                   "the driver, or build with an older toolkit (make CUDA_HOME=DIR)",
                   driver / 1000, driver % 1000 / 10, toolkit / 1000, toolkit % 1000 / 10);
}

static int fail_none_visible(struct wm_err *err)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible != NULL)
        return wm_fail(err, WM_EABSENT, "", 0, "no GPU can be seen: CUDA_VISIBLE_DEVICES is \"%.100s\"", visible);
    return wm_fail(err, WM_EABSENT, "", 0,
                   "no GPU can be seen: see nvidia-smi -L; one in MIG mode needs an instance (nvidia-smi mig -cgi)");
}

static int open_driver(struct wm_err *err)
{
    if (wm_cuda_image.code == NULL)
        return wm_fail(err, WM_EABSENT, "", 0,
                       "this wiremark was built without CUDA: build it with the toolkit (make CUDA_HOME=DIR)");
    if (wm_cuda_driver_open(WM_CUDA_LIBRARY, &all.cu, err) != WM_OK || check_version(&all.cu, err) != WM_OK)
        return err->code;
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 0); /* as nvidia-smi counts; the user's own word stays */
    int status = all.cu.init(0);
    if (status == WM_CUDA_SUCCESS)
        status = all.cu.count(&all.count);
    if (status == WM_CUDA_NO_DEVICE || (status == WM_CUDA_SUCCESS && all.count == 0))
        return fail_none_visible(err);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(&all.cu, err, WM_EABSENT, "cuInit", status, "CUDA does not start");
    all.count = all.count < DEVICES ? all.count : DEVICES;
    return WM_OK;
}

int wm_cuda_probe(struct wm_err *err)
{
    if (!all.asked) {
        all.asked = true;
        all.absent = (struct wm_err){ .rank = -1 };
        open_driver(&all.absent);
    }
    if (all.absent.code != WM_OK && err->code == WM_OK)
        *err = all.absent;
    return err->code;
}

/* ---- Devices ---- */

static int fail_index(int index, struct wm_err *err)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    return wm_fail(err, WM_EABSENT, "", 0, "there is no GPU %d on host %s: %d can be seen, counted from 0%s%.100s",
                   index, host, all.count, visible != NULL ? ", as CUDA_VISIBLE_DEVICES says: " : "",
                   visible != NULL ? visible : "");
}

int wm_cuda_selected(void)
{
    return all.selected;
}

bool wm_cuda_simulated(void)
{
    static const char stand_in[] = "Stand-in"; /* tests/preload/cuda.c */
    char name[64] = "";
    int handle;
    return all.asked && all.absent.code == WM_OK && all.cu.device(&handle, all.selected) == WM_CUDA_SUCCESS &&
           all.cu.name(name, sizeof(name), handle) == WM_CUDA_SUCCESS &&
           strncmp(name, stand_in, sizeof(stand_in) - 1) == 0;
}

static int has(const struct wm_cuda_device *d, int attribute)
{
    int value = 0;
    return d->cu->attribute(&value, attribute, d->handle) == WM_CUDA_SUCCESS ? value : 0;
}

static int open_device(int index, struct wm_cuda_device *out, struct wm_err *err)
{
    struct wm_cuda_device d = { .cu = &all.cu, .index = index };
    const char *call = "cuDeviceGet";
    int status = d.cu->device(&d.handle, index);
    if (status == WM_CUDA_SUCCESS) {
        call = "cuDevicePrimaryCtxRetain";
        status = d.cu->context_retain(&d.context, d.handle);
    }
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d.cu, err, WM_ESYS, call, status, "GPU %d cannot be used", index);
    if (d.cu->attribute(&d.numa, WM_CUDA_ATTRIBUTE_HOST_NUMA, d.handle) != WM_CUDA_SUCCESS)
        d.numa = -1; /* drivers older than CUDA 12.2 */
    d.processors = (unsigned)has(&d, WM_CUDA_ATTRIBUTE_PROCESSORS);
    d.managed = has(&d, WM_CUDA_ATTRIBUTE_MANAGED) != 0;
    d.concurrent = has(&d, WM_CUDA_ATTRIBUTE_CONCURRENT_MANAGED) != 0;
    *out = d;
    return WM_OK;
}

struct wm_cuda_device *wm_cuda_device(int index, struct wm_err *err)
{
    if (wm_cuda_probe(err) != WM_OK)
        return NULL;
    index = index >= 0 ? index : all.selected;
    if (index >= all.count) {
        fail_index(index, err);
        return NULL;
    }
    struct wm_cuda_device *d = &all.device[index];
    if (d->context == NULL && open_device(index, d, err) != WM_OK)
        return NULL;
    int status = d->cu->context_set(d->context);
    if (status != WM_CUDA_SUCCESS)
        wm_cuda_fail(d->cu, err, WM_ESYS, "cuCtxSetCurrent", status, "GPU %d cannot be used", index);
    return status == WM_CUDA_SUCCESS ? d : NULL;
}

static void close_device(struct wm_cuda_device *d)
{
    if (d->context == NULL)
        return;
    d->cu->context_set(d->context);
    if (d->tally != 0)
        d->cu->mem_free(d->tally);
    if (d->stream != NULL)
        d->cu->stream_destroy(d->stream);
    if (d->module != NULL)
        d->cu->module_unload(d->module);
    d->cu->context_set(NULL);
    d->cu->context_release(d->handle);
    memset(d, 0, sizeof(*d));
}

void wm_cuda_close(void)
{
    for (int i = 0; i < DEVICES; i++)
        close_device(&all.device[i]);
    wm_cuda_driver_close(&all.cu);
    all.asked = false;
    all.count = 0;
    all.selected = 0;
}

/* ---- Kernels ---- */

int wm_cuda_device_kernels(struct wm_cuda_device *d, struct wm_err *err)
{
    static const char *const names[] = WM_CUDA_KERNEL_NAMES;
    const char *call = "cuModuleLoadData";
    int status = WM_CUDA_SUCCESS;
    if (d->tally != 0)
        return WM_OK;
    if (d->module == NULL)
        status = d->cu->module_load(&d->module, wm_cuda_image.code);
    for (int k = 0; k < WM_CUDA_KERNELS && status == WM_CUDA_SUCCESS; k++) {
        call = "cuModuleGetFunction";
        status = d->cu->module_function(&d->kernel[k], d->module, names[k]);
    }
    if (status == WM_CUDA_SUCCESS && d->stream == NULL) {
        call = "cuStreamCreate";
        status = d->cu->stream_create(&d->stream, WM_CUDA_STREAM_NON_BLOCKING);
    }
    if (status == WM_CUDA_SUCCESS) {
        call = "cuMemAlloc";
        status = d->cu->mem_alloc(&d->tally, sizeof(struct wm_cuda_tally));
    }
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "the kernels of GPU %d cannot be loaded", d->index);
    return WM_OK;
}

int wm_cuda_device_launch(const struct wm_cuda_device *d, enum wm_cuda_kernel kernel, void *argument,
                          unsigned long long threads, struct CUstream_st *stream)
{
    const unsigned long long most = 8ull * (d->processors > 0 ? d->processors : 1); /* 2048 threads each */
    const unsigned long long blocks = threads / WM_CUDA_THREADS + 1;
    void *arguments[] = { argument };
    return d->cu->launch(d->kernel[kernel], (unsigned)(blocks < most ? blocks : most), 1, 1, WM_CUDA_THREADS, 1, 1, 0,
                         stream, arguments, NULL);
}

int wm_cuda_device_move(const struct wm_cuda_device *d, enum wm_cuda_kernel kernel, void *to, const void *from,
                        size_t bytes, struct CUstream_st *stream)
{
    enum { VECTOR = 16 }; /* bytes that a thread takes at once */
    struct wm_cuda_move move = { .to = to, .from = from, .bytes = bytes, .zero = 0 };
    return wm_cuda_device_launch(d, kernel, &move, kernel == WM_CUDA_CHASE ? 1 : bytes / VECTOR, stream);
}

/* ---- Names ---- */

static void put_uuid(char text[48], const char *prefix, const struct wm_cuda_uuid *uuid)
{
    int n = snprintf(text, 48, "%s", prefix);
    for (int i = 0; i < 16; i++)
        n += snprintf(text + n, 48 - (size_t)n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                      (unsigned)(unsigned char)uuid->bytes[i]);
}

int wm_cuda_describe(int index, struct wm_cuda_gpu *out, struct wm_err *err)
{
    struct wm_cuda_gpu gpu = { .index = index };
    struct wm_cuda_uuid own, whole;
    int handle = 0, managed = 0;
    if (wm_cuda_probe(err) != WM_OK)
        return err->code;
    if (index < 0 || index >= all.count)
        return fail_index(index, err);
    const struct wm_cuda_driver *cu = &all.cu;
    const char *call = "cuDeviceGet";
    int status = cu->device(&handle, index);
    if (status == WM_CUDA_SUCCESS && (status = cu->uuid(&own, handle)) != WM_CUDA_SUCCESS)
        call = "cuDeviceGetUuid";
    if (status == WM_CUDA_SUCCESS && (status = cu->total(&gpu.total_bytes, handle)) != WM_CUDA_SUCCESS)
        call = "cuDeviceTotalMem";
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(cu, err, WM_ESYS, call, status, "GPU %d says nothing of itself", index);
    gpu.visible = all.count;
    /* the older call names the GPU that an instance is a part of */
    gpu.mig = cu->gpu_uuid(&whole, handle) == WM_CUDA_SUCCESS && memcmp(&own, &whole, sizeof(own)) != 0;
    put_uuid(gpu.uuid, gpu.mig ? "MIG-" : "GPU-", &own);
    if (cu->name(gpu.name, sizeof(gpu.name), handle) != WM_CUDA_SUCCESS)
        gpu.name[0] = '\0';
    if (cu->pci(gpu.address, sizeof(gpu.address), handle) != WM_CUDA_SUCCESS)
        gpu.address[0] = '\0';
    for (char *c = gpu.address; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    gpu.managed = cu->attribute(&managed, WM_CUDA_ATTRIBUTE_MANAGED, handle) == WM_CUDA_SUCCESS && managed != 0;
    *out = gpu;
    return WM_OK;
}

/* ---- Choosing ---- */

enum form { INDEX, UUID, ADDRESS, OTHER };

static enum form form_of(const char *word)
{
    if (word[0] != '\0' && word[strspn(word, "0123456789")] == '\0' && strlen(word) < 6)
        return INDEX;
    if (strncasecmp(word, "GPU-", 4) == 0 || strncasecmp(word, "MIG-", 4) == 0)
        return UUID;
    return strchr(word, ':') != NULL && word[strspn(word, "0123456789abcdefABCDEF:.")] == '\0' ? ADDRESS : OTHER;
}

/* Of a list, word number n, counted round and round. A word that names no GPU by its form fails, wherever it stands. */
static int pick_word(const char *wanted, int n, char word[80], struct wm_err *err)
{
    int words = 1, at = 0;
    for (const char *c = wanted; *c != '\0'; c++)
        words += *c == ',';
    for (const char *begin = wanted, *end; begin != NULL; begin = *end != '\0' ? end + 1 : NULL, at++) {
        char one[80];
        end = begin + strcspn(begin, ",");
        snprintf(one, sizeof(one), "%.*s", (int)(end - begin), begin);
        if (form_of(one) == OTHER)
            return wm_fail(err, WM_EUSAGE, "", 0,
                           "--gpu: '%s' is no GPU: name it by index, by UUID (GPU-... or MIG-..., as nvidia-smi -L) or "
                           "by PCI address, or say auto",
                           one);
        if (at == n % words)
            snprintf(word, 80, "%s", one);
    }
    return WM_OK;
}

static int fail_unknown(const char *word, struct wm_err *err)
{
    char list[300] = "", host[64] = "";
    gethostname(host, sizeof(host) - 1);
    for (int i = 0, n = 0; i < all.count && n < (int)sizeof(list); i++) {
        struct wm_cuda_gpu gpu;
        struct wm_err none = { .rank = -1 };
        if (wm_cuda_describe(i, &gpu, &none) == WM_OK)
            n += snprintf(list + n, sizeof(list) - (size_t)n, "%s%s", n > 0 ? ", " : "", gpu.uuid);
    }
    return wm_fail(err, WM_EABSENT, "", 0, "there is no GPU %s on host %s; there are %s", word, host, list);
}

/* By UUID or address: the one that begins with the word. */
static int find_named(const char *word, int *out, struct wm_err *err)
{
    int found = -1;
    for (int i = 0; i < all.count; i++) {
        struct wm_cuda_gpu gpu;
        if (wm_cuda_describe(i, &gpu, err) != WM_OK)
            return err->code;
        const bool fits =
            form_of(word) == UUID ? strncasecmp(gpu.uuid, word, strlen(word)) == 0 : strcasecmp(gpu.address, word) == 0;
        if (fits && found >= 0 && form_of(word) == UUID)
            return wm_fail(err, WM_EUSAGE, "", 0, "--gpu: %s is the beginning of more than one GPU's UUID", word);
        found = fits && found < 0 ? i : found;
    }
    *out = found;
    return found >= 0 ? WM_OK : fail_unknown(word, err);
}

static int find(const char *wanted, int local_rank, int *out, struct wm_err *err)
{
    char word[80] = "";
    if (strcmp(wanted, "auto") == 0) {
        *out = local_rank % all.count;
        return WM_OK;
    }
    if (pick_word(wanted, local_rank, word, err) != WM_OK)
        return err->code;
    if (form_of(word) != INDEX)
        return find_named(word, out, err);
    *out = atoi(word);
    return *out < all.count ? WM_OK : fail_index(*out, err);
}

int wm_cuda_select(const char *wanted, int local_rank, struct wm_cuda_gpu *out, struct wm_err *err)
{
    struct wm_cuda_gpu gpu;
    int index = 0;
    if (wm_cuda_probe(err) != WM_OK || find(wanted, local_rank > 0 ? local_rank : 0, &index, err) != WM_OK ||
        wm_cuda_describe(index, &gpu, err) != WM_OK || wm_cuda_device(index, err) == NULL)
        return err->code;
    all.selected = index;
    *out = gpu;
    return WM_OK;
}

int wm_cuda_free_bytes(int index, size_t *free_bytes, struct wm_err *err)
{
    const struct wm_cuda_device *d = wm_cuda_device(index, err);
    size_t total;
    if (d == NULL)
        return err->code;
    int status = d->cu->mem_info(free_bytes, &total);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, "cuMemGetInfo", status, "the free memory of GPU %d is not known",
                            d->index);
    return WM_OK;
}
