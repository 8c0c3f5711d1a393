/**
 * NVIDIA's driver, libcuda.so.1, opened at run time, and nothing else of CUDA: no run-time library. So one binary
 * starts on nodes without a driver, needs no toolkit to be compiled but for its kernels, and tests can stand in for the
 * driver, failing calls included. Names with versions are those of the driver's interface, which newer drivers keep;
 * prototypes and numbers are written down here, and cuda_agrees.cu compares them with the toolkit's where there is one.
 */
#ifndef WM_MEM_CUDA_DRIVER_H
#define WM_MEM_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

enum wm_cuda_status { /* of all calls */
                      WM_CUDA_SUCCESS = 0,
                      WM_CUDA_OUT_OF_MEMORY = 2,
                      WM_CUDA_NO_DEVICE = 100,
                      WM_CUDA_NOT_READY = 600,
};

enum wm_cuda_number { /* flags and attributes */
                      WM_CUDA_MEM_ATTACH_GLOBAL = 1,
                      WM_CUDA_MEMHOSTALLOC_PORTABLE = 1,
                      WM_CUDA_STREAM_NON_BLOCKING = 1,
                      WM_CUDA_CAPTURE_THREAD_LOCAL = 1,
                      WM_CUDA_EVENT_DEFAULT = 0,
                      WM_CUDA_EVENT_DISABLE_TIMING = 2,
                      WM_CUDA_IPC_LAZY_PEER_ACCESS = 1,
                      WM_CUDA_ADVISE_PREFERRED_LOCATION = 3,
                      WM_CUDA_ATTRIBUTE_PROCESSORS = 16,
                      WM_CUDA_ATTRIBUTE_MANAGED = 83,
                      WM_CUDA_ATTRIBUTE_CONCURRENT_MANAGED = 89,
                      /* of memory that cards reach */
                      WM_CUDA_ATTRIBUTE_GPUDIRECT = 116,
                      WM_CUDA_ATTRIBUTE_FLUSH_OPTIONS = 117,
                      WM_CUDA_ATTRIBUTE_WRITES_ORDERING = 118,
                      WM_CUDA_ATTRIBUTE_DMABUF = 124,
                      WM_CUDA_ATTRIBUTE_HOST_NUMA = 134,
                      WM_CUDA_HANDLE_DMABUF = 1,
                      WM_CUDA_FLUSH_BY_HOST = 1,
                      WM_CUDA_ORDERED_TO_OWNER = 100,
                      WM_CUDA_FLUSH_CURRENT_CONTEXT = 0,
                      WM_CUDA_FLUSH_TO_OWNER = 100,
};

struct wm_cuda_uuid { /* CUuuid */
    char bytes[16];
};

struct wm_cuda_ipc { /* CUipcMemHandle */
    char bytes[64];
};

/* CALL(our name, the driver's, its type in cudaTypedefs.h, arguments) */
#define WM_CUDA_CALLS(CALL)                                                                                            \
    CALL(error_name, cuGetErrorName, PFN_cuGetErrorName_v6000, (int status, const char **out))                         \
    CALL(error_string, cuGetErrorString, PFN_cuGetErrorString_v6000, (int status, const char **out))                   \
    CALL(init, cuInit, PFN_cuInit_v2000, (unsigned flags))                                                             \
    CALL(version, cuDriverGetVersion, PFN_cuDriverGetVersion_v2020, (int *out))                                        \
    CALL(count, cuDeviceGetCount, PFN_cuDeviceGetCount_v2000, (int *out))                                              \
    CALL(device, cuDeviceGet, PFN_cuDeviceGet_v2000, (int *out, int index))                                            \
    CALL(name, cuDeviceGetName, PFN_cuDeviceGetName_v2000, (char *out, int bytes, int device))                         \
    CALL(gpu_uuid, cuDeviceGetUuid, PFN_cuDeviceGetUuid_v9020, (struct wm_cuda_uuid * out, int device))                \
    CALL(uuid, cuDeviceGetUuid_v2, PFN_cuDeviceGetUuid_v11040, (struct wm_cuda_uuid * out, int device))                \
    CALL(pci, cuDeviceGetPCIBusId, PFN_cuDeviceGetPCIBusId_v4010, (char *out, int bytes, int device))                  \
    CALL(total, cuDeviceTotalMem_v2, PFN_cuDeviceTotalMem_v3020, (size_t * out, int device))                           \
    CALL(attribute, cuDeviceGetAttribute, PFN_cuDeviceGetAttribute_v2000, (int *out, int attribute, int device))       \
    CALL(context_retain, cuDevicePrimaryCtxRetain, PFN_cuDevicePrimaryCtxRetain_v7000,                                 \
         (struct CUctx_st * *out, int device))                                                                         \
    CALL(context_release, cuDevicePrimaryCtxRelease_v2, PFN_cuDevicePrimaryCtxRelease_v11000, (int device))            \
    CALL(context_set, cuCtxSetCurrent, PFN_cuCtxSetCurrent_v4000, (struct CUctx_st * context))                         \
    CALL(module_load, cuModuleLoadData, PFN_cuModuleLoadData_v2000, (struct CUmod_st * *out, const void *image))       \
    CALL(module_unload, cuModuleUnload, PFN_cuModuleUnload_v2000, (struct CUmod_st * module))                          \
    CALL(module_function, cuModuleGetFunction, PFN_cuModuleGetFunction_v2000,                                          \
         (struct CUfunc_st * *out, struct CUmod_st * module, const char *name))                                        \
    CALL(mem_info, cuMemGetInfo_v2, PFN_cuMemGetInfo_v3020, (size_t * free, size_t * total))                           \
    CALL(mem_alloc, cuMemAlloc_v2, PFN_cuMemAlloc_v3020, (unsigned long long *out, size_t bytes))                      \
    CALL(mem_alloc_managed, cuMemAllocManaged, PFN_cuMemAllocManaged_v6000,                                            \
         (unsigned long long *out, size_t bytes, unsigned flags))                                                      \
    CALL(mem_free, cuMemFree_v2, PFN_cuMemFree_v3020, (unsigned long long at))                                         \
    CALL(mem_advise, cuMemAdvise, PFN_cuMemAdvise_v8000,                                                               \
         (unsigned long long at, size_t bytes, int advice, int device))                                                \
    CALL(host_alloc, cuMemHostAlloc, PFN_cuMemHostAlloc_v2020, (void **out, size_t bytes, unsigned flags))             \
    CALL(host_free, cuMemFreeHost, PFN_cuMemFreeHost_v2000, (void *at))                                                \
    CALL(copy, cuMemcpyAsync, PFN_cuMemcpyAsync_v4000,                                                                 \
         (unsigned long long to, unsigned long long from, size_t bytes, struct CUstream_st *stream))                   \
    CALL(set, cuMemsetD8Async, PFN_cuMemsetD8Async_v3020,                                                              \
         (unsigned long long to, unsigned char byte, size_t bytes, struct CUstream_st *stream))                        \
    CALL(stream_create, cuStreamCreate, PFN_cuStreamCreate_v2000, (struct CUstream_st * *out, unsigned flags))         \
    CALL(stream_destroy, cuStreamDestroy_v2, PFN_cuStreamDestroy_v4000, (struct CUstream_st * stream))                 \
    CALL(stream_synchronize, cuStreamSynchronize, PFN_cuStreamSynchronize_v2000, (struct CUstream_st * stream))        \
    CALL(event_create, cuEventCreate, PFN_cuEventCreate_v2000, (struct CUevent_st * *out, unsigned flags))             \
    CALL(event_destroy, cuEventDestroy_v2, PFN_cuEventDestroy_v4000, (struct CUevent_st * event))                      \
    CALL(event_record, cuEventRecord, PFN_cuEventRecord_v2000,                                                         \
         (struct CUevent_st * event, struct CUstream_st * stream))                                                     \
    CALL(event_query, cuEventQuery, PFN_cuEventQuery_v2000, (struct CUevent_st * event))                               \
    CALL(launch, cuLaunchKernel, PFN_cuLaunchKernel_v4000,                                                             \
         (struct CUfunc_st * function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,            \
          unsigned block_y, unsigned block_z, unsigned shared_bytes, struct CUstream_st *stream, void **arguments,     \
          void **extra))                                                                                               \
    CALL(event_elapsed, cuEventElapsedTime, PFN_cuEventElapsedTime_v2000,                                              \
         (float *ms, struct CUevent_st *from, struct CUevent_st *to))                                                  \
    CALL(capture_begin, cuStreamBeginCapture_v2, PFN_cuStreamBeginCapture_v10010,                                      \
         (struct CUstream_st * stream, int mode))                                                                      \
    CALL(capture_end, cuStreamEndCapture, PFN_cuStreamEndCapture_v10000,                                               \
         (struct CUstream_st * stream, struct CUgraph_st * *out))                                                      \
    CALL(graph_make, cuGraphInstantiateWithFlags, PFN_cuGraphInstantiateWithFlags_v11040,                              \
         (struct CUgraphExec_st * *out, struct CUgraph_st * graph, unsigned long long flags))                          \
    CALL(graph_launch, cuGraphLaunch, PFN_cuGraphLaunch_v10000,                                                        \
         (struct CUgraphExec_st * graph, struct CUstream_st * stream))                                                 \
    CALL(graph_exec_destroy, cuGraphExecDestroy, PFN_cuGraphExecDestroy_v10000, (struct CUgraphExec_st * graph))       \
    CALL(graph_destroy, cuGraphDestroy, PFN_cuGraphDestroy_v10000, (struct CUgraph_st * graph))                        \
    /* between processes */                                                                                            \
    CALL(ipc_get, cuIpcGetMemHandle, PFN_cuIpcGetMemHandle_v4010, (struct wm_cuda_ipc * out, unsigned long long at))   \
    CALL(ipc_open, cuIpcOpenMemHandle_v2, PFN_cuIpcOpenMemHandle_v11000,                                               \
         (unsigned long long *out, struct wm_cuda_ipc handle, unsigned flags))                                         \
    CALL(ipc_close, cuIpcCloseMemHandle, PFN_cuIpcCloseMemHandle_v4010, (unsigned long long at))                       \
    CALL(stream_wait, cuStreamWaitEvent, PFN_cuStreamWaitEvent_v3020,                                                  \
         (struct CUstream_st * stream, struct CUevent_st * event, unsigned flags))

/* The same of functions that older drivers lack: NULL then. */
#define WM_CUDA_LATER_CALLS(CALL)                                                                                      \
    CALL(address_handle, cuMemGetHandleForAddressRange, PFN_cuMemGetHandleForAddressRange_v11070,                      \
         (void *out, unsigned long long at, size_t bytes, int type, unsigned long long flags))                         \
    CALL(flush_writes, cuFlushGPUDirectRDMAWrites, PFN_cuFlushGPUDirectRDMAWrites_v11030, (int target, int scope))

struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;

#define WM_CUDA_MEMBER(name, symbol, type, arguments) int(*name) arguments;
struct wm_cuda_driver {
    WM_CUDA_CALLS(WM_CUDA_MEMBER)
    WM_CUDA_LATER_CALLS(WM_CUDA_MEMBER)
    void *library;
};

/**
 * Opens the library and finds all functions; asks nothing of it.
 * @return WM_OK, or WM_EABSENT: no such library, or one without a function that is needed
 */
int wm_cuda_driver_open(const char *library, struct wm_cuda_driver *out, struct wm_err *err);
void wm_cuda_driver_close(struct wm_cuda_driver *driver);

/**
 * As wm_fail(), with the status' name and text, and with what to do about it where that is known.
 * @param code  WM_ENOMEM takes its place where the status says so
 */
int wm_cuda_fail(const struct wm_cuda_driver *driver, struct wm_err *err, enum wm_code code, const char *call,
                 int status, const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
