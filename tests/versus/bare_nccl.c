/* A bare loop over ncclAllReduce on one GPU, to hold the same operation of `--transport nccl` against: 8 bytes, from
 * one buffer into another, by the driver and NCCL alone. What the GPU does is the same in both; the difference is what
 * a call costs the host. Status 77 where there is no GPU.
 * usage: bare_nccl CALLS [PATH]    prints nanoseconds a call, the median of 100 blocks of about 10 ms; CALLS of them
 *                                  before each wait, PATH of libnccl.so.2 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 100, BYTES = 8, NCCL_INT8 = 0, NCCL_SUM = 0, NO_GPU = 77 };
struct id {
    char bytes[128];
};
static int (*init)(unsigned), (*device_get)(int *, int), (*context_of)(void **, int), (*context_set)(void *);
static int (*mem_alloc)(uintptr_t *, size_t), (*stream_create)(void **, unsigned), (*stream_wait)(void *);
static int (*id_get)(struct id *), (*comm_init)(void **, int, struct id, int);
static int (*all_reduce)(const void *, void *, size_t, int, int, void *, void *);
static uintptr_t in, out;
static void *stream, *comm;

static void must(int status, const char *call)
{
    if (status == 0)
        return;
    fprintf(stderr, "bare_nccl: %s: status %d\n", call, status);
    exit(1);
}

static void *library(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fprintf(stderr, "bare_nccl: %s\n", dlerror());
        exit(NO_GPU);
    }
    return handle;
}

/* `to`: a pointer to a function's pointer. */
static void find(void *handle, const char *name, void *to)
{
    void *at = dlsym(handle, name);
    must(at == NULL, name);
    memcpy(to, &at, sizeof(at));
}

static void find_all(const char *nccl_path)
{
    void *cuda = library("libcuda.so.1"), *nccl = library(nccl_path);
    find(cuda, "cuInit", &init);
    find(cuda, "cuDeviceGet", &device_get);
    find(cuda, "cuDevicePrimaryCtxRetain", &context_of);
    find(cuda, "cuCtxSetCurrent", &context_set);
    find(cuda, "cuMemAlloc_v2", &mem_alloc);
    find(cuda, "cuStreamCreate", &stream_create);
    find(cuda, "cuStreamSynchronize", &stream_wait);
    find(nccl, "ncclGetUniqueId", &id_get);
    find(nccl, "ncclCommInitRank", &comm_init);
    find(nccl, "ncclAllReduce", &all_reduce);
}

static void open_all(void)
{
    struct id id;
    int device;
    void *context;
    if (init(0) != 0 || device_get(&device, 0) != 0) {
        fprintf(stderr, "bare_nccl: no GPU\n");
        exit(NO_GPU);
    }
    must(context_of(&context, device), "cuDevicePrimaryCtxRetain");
    must(context_set(context), "cuCtxSetCurrent");
    must(mem_alloc(&in, BYTES), "cuMemAlloc");
    must(mem_alloc(&out, BYTES), "cuMemAlloc");
    must(stream_create(&stream, 1 /* it does not wait for the default stream */), "cuStreamCreate");
    must(id_get(&id), "ncclGetUniqueId");
    must(comm_init(&comm, 1, id, 0), "ncclCommInitRank");
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Of `n` waits for `calls` operations each. */
static double elapsed_ns(int n, int calls)
{
    const double begin = now_ns();
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < calls; c++)
            must(all_reduce((void *)in, (void *)out, BYTES, NCCL_INT8, NCCL_SUM, comm, stream), "ncclAllReduce");
        must(stream_wait(stream), "cuStreamSynchronize");
    }
    return now_ns() - begin;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const int calls = argc > 1 ? atoi(argv[1]) : 1;
    double block_ns[BLOCKS];
    if (calls < 1 || argc > 3) {
        fprintf(stderr, "usage: bare_nccl CALLS [PATH]\n");
        return 2;
    }
    find_all(argc > 2 ? argv[2] : "libnccl.so.2");
    open_all();
    elapsed_ns(100, calls);
    const int n = (int)(1e7 / (elapsed_ns(20, calls) / 20)) + 1;
    for (int b = 0; b < BLOCKS; b++)
        block_ns[b] = elapsed_ns(n, calls) / n / calls;
    qsort(block_ns, BLOCKS, sizeof(*block_ns), ascending);
    printf("%.1f\n", block_ns[BLOCKS / 2]);
    return 0;
}
