/**
 * NVIDIA's NCCL, libnccl.so.2, opened at run time: it is 200 MB large, and one binary starts where it is not. Its
 * functions and numbers are written down here, and nccl_agrees.cu compares them with nccl.h where there is one. What
 * older versions do not have is looked up and may be missing.
 *
 * NCCL reads its variables (NCCL_NET_GDR_LEVEL, NCCL_DEBUG ...) once and keeps them, for as long as the library is
 * loaded. Settings that differ between arms of one run therefore have a library each: a copy of the file is another
 * library to the loader, with variables of its own.
 */
#ifndef WM_TRANSPORT_NCCL_LIBRARY_H
#define WM_TRANSPORT_NCCL_LIBRARY_H

#include <stddef.h>

#include "src/core/err.h"
#include "src/world/world.h"

enum wm_nccl_status { /* ncclResult_t */
                      WM_NCCL_SUCCESS = 0,
                      WM_NCCL_IN_PROGRESS = 7,
};

enum wm_nccl_number {
    WM_NCCL_MAGIC = (int)0xcafebeef, /* of a config */
    WM_NCCL_CONFIG_VERSION = 21800,
    WM_NCCL_NET_NAME_VERSION = 21700, /* the first that looks at net_name */
};

struct wm_nccl_id { /* ncclUniqueId */
    char bytes[128];
};

/* ncclConfig_t as 2.18 has it, which newer libraries complete with their defaults and older ones read the front of. */
struct wm_nccl_config {
    size_t size;
    unsigned magic, version;
    int blocking, cga_cluster_size, min_ctas, max_ctas;
    const char *net_name;
    int split_share;
};
/** Nothing is set. */
struct wm_nccl_config wm_nccl_config_unset(void);

struct ncclComm;
struct CUstream_st;

/* CALL(our name, NCCL's, is it needed, what it returns, arguments) */
#define WM_NCCL_CALLS(CALL)                                                                                            \
    CALL(get_version, ncclGetVersion, true, int, (int *out))                                                           \
    CALL(get_id, ncclGetUniqueId, true, int, (struct wm_nccl_id * out))                                                \
    CALL(init, ncclCommInitRankConfig, true, int,                                                                      \
         (struct ncclComm * *out, int ranks, struct wm_nccl_id id, int rank, struct wm_nccl_config *config))           \
    CALL(finalize, ncclCommFinalize, true, int, (struct ncclComm * comm))                                              \
    CALL(destroy, ncclCommDestroy, true, int, (struct ncclComm * comm))                                                \
    CALL(abort, ncclCommAbort, true, int, (struct ncclComm * comm))                                                    \
    CALL(error_string, ncclGetErrorString, true, const char *, (int status))                                           \
    CALL(last_error, ncclGetLastError, true, const char *, (struct ncclComm * comm))                                   \
    CALL(async_error, ncclCommGetAsyncError, true, int, (struct ncclComm * comm, int *out))                            \
    CALL(all_reduce, ncclAllReduce, true, int,                                                                         \
         (const void *in, void *out, size_t count, int type, int op, struct ncclComm *comm,                            \
          struct CUstream_st *stream))                                                                                 \
    CALL(broadcast, ncclBroadcast, true, int,                                                                          \
         (const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,                          \
          struct CUstream_st *stream))                                                                                 \
    CALL(reduce, ncclReduce, true, int,                                                                                \
         (const void *in, void *out, size_t count, int type, int op, int root, struct ncclComm *comm,                  \
          struct CUstream_st *stream))                                                                                 \
    CALL(all_gather, ncclAllGather, true, int,                                                                         \
         (const void *in, void *out, size_t count, int type, struct ncclComm *comm, struct CUstream_st *stream))       \
    CALL(reduce_scatter, ncclReduceScatter, true, int,                                                                 \
         (const void *in, void *out, size_t count, int type, int op, struct ncclComm *comm,                            \
          struct CUstream_st *stream))                                                                                 \
    CALL(send, ncclSend, true, int,                                                                                    \
         (const void *in, size_t count, int type, int peer, struct ncclComm *comm, struct CUstream_st *stream))        \
    CALL(recv, ncclRecv, true, int,                                                                                    \
         (void *out, size_t count, int type, int peer, struct ncclComm *comm, struct CUstream_st *stream))             \
    CALL(group_start, ncclGroupStart, true, int, (void))                                                               \
    CALL(group_end, ncclGroupEnd, true, int, (void))                                                                   \
    CALL(split, ncclCommSplit, false, int,                                                                             \
         (struct ncclComm * comm, int color, int key, struct ncclComm **out, struct wm_nccl_config *config))           \
    CALL(register_, ncclCommRegister, false, int, (struct ncclComm * comm, void *buffer, size_t bytes, void **handle)) \
    CALL(deregister, ncclCommDeregister, false, int, (struct ncclComm * comm, void *handle))                           \
    CALL(all_to_all, ncclAlltoAll, false, int,                                                                         \
         (const void *in, void *out, size_t count, int type, struct ncclComm *comm, struct CUstream_st *stream))       \
    CALL(gather, ncclGather, false, int,                                                                               \
         (const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,                          \
          struct CUstream_st *stream))                                                                                 \
    CALL(scatter, ncclScatter, false, int,                                                                             \
         (const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,                          \
          struct CUstream_st *stream))

#define WM_NCCL_MEMBER(name, symbol, needed, type, arguments) type(*name) arguments;
struct wm_nccl_library {
    WM_NCCL_CALLS(WM_NCCL_MEMBER)
    void *handle;
    int version;    /* 22809 */
    char file[400]; /* what was loaded */
    char log[200];  /* what it writes into once it speaks; "": the user's own choice */
    int log_fd;     /* the same to read; its name can go when NCCL has opened it */
};

/* What GPUDirect RDMA is allowed: --nccl-gdr. */
enum wm_nccl_gdr { WM_NCCL_GDR_DEFAULT, WM_NCCL_GDR_ON, WM_NCCL_GDR_OFF, WM_NCCL_GDRS };

/**
 * Local: opens the library and finds its functions; asks nothing but its version. It stays loaded.
 * @param path  NULL: libnccl.so.2, wherever the loader finds it
 * @return WM_OK, or WM_EABSENT: no such library, or one without a function that is needed
 */
int wm_nccl_library_open(const char *path, struct wm_nccl_library *out, struct wm_err *err);

/**
 * Collective: the library with variables of its own for one setting; the first caller of a setting loads it, a copy of
 * the file except for the default, which the first rank of each host makes and removes when all have opened it.
 * @param out  stays until the process ends
 * @return WM_OK; WM_EABSENT as above; WM_EUNSUP: a copy cannot be made, with the reason
 */
int wm_nccl_library_for(const struct wm_world *world, const char *path, enum wm_nccl_gdr gdr,
                        const struct wm_nccl_library **out, struct wm_err *err);

/** "2.28.9" */
const char *wm_nccl_version_text(int version, char *text, size_t bytes);

/**
 * Variables of the environment for as long as a library is asked something that reads them, and then as they were.
 * NCCL's own log goes to library->log, and its profiler is ours, unless the user has a wish of his own.
 */
struct wm_nccl_variables {
    struct {
        const char *name;
        char *before; /* NULL: it was not set */
    } item[8];
    int n;
};
void wm_nccl_variables_set(const struct wm_nccl_library *library, enum wm_nccl_gdr gdr, struct wm_nccl_variables *v);
void wm_nccl_variables_restore(struct wm_nccl_variables *v);

#endif
