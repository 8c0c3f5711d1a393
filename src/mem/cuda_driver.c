#include "src/mem/cuda_driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct symbol {
    const char *name;
    size_t member;
    bool may_lack;
} symbols[] = {
#define SYMBOL(name, symbol, type, arguments) { #symbol, offsetof(struct wm_cuda_driver, name), false },
#define LATER(name, symbol, type, arguments)  { #symbol, offsetof(struct wm_cuda_driver, name), true },
    WM_CUDA_CALLS(SYMBOL) WM_CUDA_LATER_CALLS(LATER)
};

/* It stays loaded for good: once started, the driver has threads of its own, whose code must not go. */
int wm_cuda_driver_open(const char *library, struct wm_cuda_driver *out, struct wm_err *err)
{
    struct wm_cuda_driver driver = { .library = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) };
    if (driver.library == NULL) {
        const char *text = dlerror();
        return wm_fail(err, WM_EABSENT, "", 0,
                       "no NVIDIA driver: %s; install it, or give the container its GPUs (--gpus all)",
                       text != NULL ? text : library);
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *address = dlsym(driver.library, symbols[i].name);
        if (address == NULL && !symbols[i].may_lack) {
            dlclose(driver.library);
            return wm_fail(err, WM_EABSENT, "", 0, "%s has no function %s: the driver is too old, update it", library,
                           symbols[i].name);
        }
        memcpy((char *)&driver + symbols[i].member, &address, sizeof(address));
    }
    *out = driver;
    return WM_OK;
}

void wm_cuda_driver_close(struct wm_cuda_driver *driver)
{
    if (driver->library != NULL)
        dlclose(driver->library);
    memset(driver, 0, sizeof(*driver));
}

/* ---- Errors ---- */

/* What an operator can do, by status. */
static const struct advice {
    int from, to;
    const char *text;
} advices[] = {
    { 34, 34, "this libcuda.so.1 is the toolkit's stub: take its folder out of LD_LIBRARY_PATH" },
    { 46, 46, "another process holds the GPU in exclusive compute mode; nvidia-smi -c DEFAULT lets more in" },
    { 200, 200, "update the driver, or build wiremark with the driver's version of CUDA" },
    { 209, 209, "update the driver, or build wiremark with a CUDA toolkit that knows this GPU" },
    { 214, 214, "the GPU's memory is damaged: see nvidia-smi -q -d ECC" },
    { 217, 217, "no way leads from one GPU's memory to the other's: nvidia-smi topo -p2p w says why" },
    { 218, 223, "update the driver, or build wiremark with the driver's version of CUDA" },
    { 304, 304, "see whether /dev/nvidia* are there and may be opened" },
    { 700, 700, "no process can use this context any more: start anew" },
    { 702, 702, "a display's watchdog ended it: use a GPU without a display" },
    { 714, 719, "the GPU may be lost: dmesg | grep Xid says why" },
    { 801, 801, "CUDA IPC does not work on parts of a GPU (MIG), under vGPU and WSL" },
    { 802, 802, "the NVLink switches are not set up: start nvidia-fabricmanager" },
    { 803, 803, "the driver's library and its kernel module differ: reload the module, or boot anew" },
    { 804, 804, "this GPU takes no forward compatibility: take cuda-compat out of LD_LIBRARY_PATH" },
    { 805, 810, "see the log of nvidia-cuda-mps-control" },
    { 999, 999, "see dmesg, and whether nvidia-smi works" },
};

static const char *advice_of(int status)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (status >= advices[i].from && status <= advices[i].to)
            return advices[i].text;
    return NULL;
}

int wm_cuda_fail(const struct wm_cuda_driver *driver, struct wm_err *err, enum wm_code code, const char *call,
                 int status, const char *format, ...)
{
    const char *name = NULL, *text = NULL, *advice = advice_of(status);
    char what[sizeof(err->what)];
    va_list args;
    if (err->code != WM_OK)
        return (int)err->code;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    wm_fail(err, status == WM_CUDA_OUT_OF_MEMORY ? WM_ENOMEM : code, call, status, "%s%s%s", what,
            advice != NULL ? "; " : "", advice != NULL ? advice : "");
    driver->error_name(status, &name);
    driver->error_string(status, &text);
    snprintf(err->native_text, sizeof(err->native_text), "%s%s%s", name != NULL ? name : "unknown status",
             text != NULL ? ": " : "", text != NULL ? text : "");
    return (int)err->code;
}
