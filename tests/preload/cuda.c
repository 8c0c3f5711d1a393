/*
 * NVIDIA's driver without a GPU: named libcuda.so.1 in a folder of LD_LIBRARY_PATH, it has devices whose memory is the
 * host's and forbidden to the CPU: an address that it gives cannot be touched, its alias can, which only this file
 * knows. Streams hold their work back until an event is asked for, or they are waited for; kernels run element by
 * element. By its devices' names wiremark knows it, and calls simulated what it measures. It knows no CUDA: what it is
 * asked for is as libcuda documents it. From the environment, at each call: WM_CUDA_DEVICES (1), WM_CUDA_VERSION
 * (13000), WM_CUDA_FREE (bytes of a device's memory), WM_CUDA_DELAY (times that an event is not ready), WM_CUDA_MIG=1,
 * WM_CUDA_PLAIN=1 (the CPU may touch memory: where a library without a GPU shall carry it),
 * WM_CUDA_GPUDIRECT (1), WM_CUDA_DMABUF (1), WM_CUDA_FLUSH_OPTIONS (1) and WM_CUDA_ORDERING (0): attributes,
 * WM_CUDA_NUMA=N (-1): the node of the host next to the device, and pinned memory from another one is refused,
 * WM_CUDA_STRAY=N: from the N-th chase on a vector is another one's;
 * WM_CUDA_FAIL=NAME=STATUS[@N]: from the N-th call of this function on it fails.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "src/mem/cuda_driver.h"
#include "src/mem/cuda_kernels.h"
#include "tests/preload/cuda_work.h"

enum { OK = 0, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_CONTEXT = 201 };
enum { NOT_FOUND = 500, NOT_READY = 600 };

#define PROTOTYPE(name, symbol, type, arguments) int symbol arguments;
WM_CUDA_CALLS(PROTOTYPE)
WM_CUDA_LATER_CALLS(PROTOTYPE)
int wm_cuda_live(void);

static int live; /* contexts, modules, streams, events and memory that nobody gave back */

/** For tests: what is still held. */
int wm_cuda_live(void)
{
    return live;
}

static size_t number(const char *name, size_t fallback)
{
    const char *text = getenv(name);
    return text != NULL ? (size_t)strtoull(text, NULL, 10) : fallback;
}

/* ---- Calls that fail ---- */

static bool initialised;
static struct CUctx_st {
    int device, retained;
} contexts[8], *current;

static int planned(const char *call)
{
    static char plan[100];
    static int calls;
    const char *text = getenv("WM_CUDA_FAIL");
    size_t length = strlen(call);
    if (text == NULL || strcmp(text, plan) != 0) {
        snprintf(plan, sizeof(plan), "%s", text != NULL ? text : "");
        calls = 0;
    }
    if (strncmp(plan, call, length) != 0 || plan[length] != '=')
        return OK;
    const char *nth = strchr(plan, '@');
    return ++calls >= (nth != NULL ? atoi(nth + 1) : 1) ? atoi(plan + length + 1) : OK;
}

static int refused(const char *call)
{
    int status = planned(call);
    return status != OK ? status : initialised ? OK : NOT_INITIALIZED;
}

static int refused_in_context(const char *call)
{
    int status = refused(call);
    return status != OK ? status : current != NULL ? OK : INVALID_CONTEXT;
}

int cuGetErrorName(int status, const char **out)
{
    *out = status == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : status == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : NULL;
    return *out != NULL ? OK : 1;
}

int cuGetErrorString(int status, const char **out)
{
    *out = status == OUT_OF_MEMORY ? "out of memory" : status == 719 ? "unspecified launch failure" : NULL;
    return *out != NULL ? OK : 1;
}

/* ---- Devices ---- */

static int devices(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    return visible != NULL && visible[0] == '\0' ? 0 : (int)number("WM_CUDA_DEVICES", 1);
}

int cuInit(unsigned flags)
{
    int status = planned("cuInit");
    initialised = status == OK && flags == 0;
    return status != OK ? status : devices() == 0 ? NO_DEVICE : OK;
}

int cuDriverGetVersion(int *out)
{
    *out = (int)number("WM_CUDA_VERSION", 13000);
    return planned("cuDriverGetVersion");
}

int cuDeviceGetCount(int *out)
{
    *out = devices();
    return refused("cuDeviceGetCount");
}

/* Handles are not indexes: 10 is device 0. */
int cuDeviceGet(int *out, int index)
{
    int status = refused("cuDeviceGet");
    *out = 10 + index;
    return status != OK ? status : index < devices() ? OK : INVALID_DEVICE;
}

int cuDeviceGetName(char *out, int bytes, int device)
{
    snprintf(out, (size_t)bytes, "Stand-in %d", device - 10);
    return refused("cuDeviceGetName");
}

/* Devices 0 and 1 begin alike. */
static void write_uuid(struct wm_cuda_uuid *out, int device, int kind)
{
    memset(out, 0, sizeof(*out));
    out->bytes[0] = (char)(device - 10 < 2 ? 0xab : 0xcd);
    out->bytes[1] = (char)(device - 10);
    out->bytes[15] = (char)kind;
}

int cuDeviceGetUuid(struct wm_cuda_uuid *out, int device)
{
    write_uuid(out, device, 0xee);
    return refused("cuDeviceGetUuid");
}

int cuDeviceGetUuid_v2(struct wm_cuda_uuid *out, int device)
{
    write_uuid(out, device, number("WM_CUDA_MIG", 0) != 0 ? 0x11 : 0xee);
    return refused("cuDeviceGetUuid_v2");
}

int cuDeviceGetPCIBusId(char *out, int bytes, int device)
{
    snprintf(out, (size_t)bytes, "0000:%02X:00.0", 0xa0 + device - 10);
    return refused("cuDeviceGetPCIBusId");
}

int cuDeviceTotalMem_v2(size_t *out, int device)
{
    (void)device;
    *out = number("WM_CUDA_FREE", 1 << 30);
    return refused("cuDeviceTotalMem_v2");
}

/* Of memory for cards. */
static int card_attribute(int attribute)
{
    switch (attribute) {
    case WM_CUDA_ATTRIBUTE_GPUDIRECT:
        return (int)number("WM_CUDA_GPUDIRECT", 1);
    case WM_CUDA_ATTRIBUTE_FLUSH_OPTIONS:
        return (int)number("WM_CUDA_FLUSH_OPTIONS", 1);
    case WM_CUDA_ATTRIBUTE_WRITES_ORDERING:
        return (int)number("WM_CUDA_ORDERING", 0);
    default:
        return (int)number("WM_CUDA_DMABUF", 1);
    }
}

int cuDeviceGetAttribute(int *out, int attribute, int device)
{
    (void)device;
    if (attribute >= WM_CUDA_ATTRIBUTE_GPUDIRECT && attribute <= WM_CUDA_ATTRIBUTE_DMABUF)
        *out = card_attribute(attribute);
    else if (attribute == WM_CUDA_ATTRIBUTE_HOST_NUMA)
        *out = (int)number("WM_CUDA_NUMA", -1);
    else
        *out = attribute == WM_CUDA_ATTRIBUTE_PROCESSORS ? 2 : getenv("WM_CUDA_UNMANAGED") == NULL;
    return refused("cuDeviceGetAttribute");
}

/* ---- Contexts and modules ---- */

int cuDevicePrimaryCtxRetain(struct CUctx_st **out, int device)
{
    int status = refused("cuDevicePrimaryCtxRetain");
    if (status != OK)
        return status;
    *out = &contexts[device - 10];
    (*out)->device = device;
    (*out)->retained++;
    live++;
    return OK;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    contexts[device - 10].retained--;
    live--;
    return OK;
}

int cuCtxSetCurrent(struct CUctx_st *context)
{
    int status = refused("cuCtxSetCurrent");
    if (status == OK)
        current = context;
    return status;
}

static struct CUmod_st {
    int loaded;
} module_;
static struct CUfunc_st {
    const char *name;
} functions[WM_CUDA_KERNELS] = {
    { "wm_cuda_fill" }, { "wm_cuda_check" }, { "wm_cuda_reduce" }, { "wm_cuda_move" }, { "wm_cuda_chase" }
};

int cuModuleLoadData(struct CUmod_st **out, const void *image)
{
    int status = refused_in_context("cuModuleLoadData");
    if (status != OK)
        return status;
    *out = &module_;
    live++;
    return image != NULL ? OK : 1;
}

int cuModuleUnload(struct CUmod_st *module)
{
    live--;
    return module == &module_ ? OK : 1;
}

int cuModuleGetFunction(struct CUfunc_st **out, struct CUmod_st *module, const char *name)
{
    int status = refused_in_context("cuModuleGetFunction");
    if (status != OK || module != &module_)
        return status != OK ? status : 1;
    for (int k = 0; k < WM_CUDA_KERNELS; k++)
        if (strcmp(functions[k].name, name) == 0) {
            *out = &functions[k];
            return OK;
        }
    return NOT_FOUND;
}

/* ---- Memory ---- */

enum { RANGES = 1024, SHIFT = 512 /* no page's beginning, as with small pieces of a real device */ };
static struct range {
    char *given, *alias;
    size_t bytes, whole;
    int fd;      /* its memory, for other processes */
    bool opened; /* another process' */
} ranges[RANGES];
static size_t used;

static char *alias_of(const void *at)
{
    for (int i = 0; i < RANGES; i++)
        if (ranges[i].given != NULL && (const char *)at >= ranges[i].given &&
            (const char *)at < ranges[i].given + ranges[i].whole)
            return ranges[i].alias + ((const char *)at - ranges[i].given);
    return (char *)(uintptr_t)at; /* the host's */
}

int cuMemGetInfo_v2(size_t *free, size_t *total)
{
    *total = number("WM_CUDA_FREE", 1 << 30);
    *free = *total - used;
    return refused_in_context("cuMemGetInfo_v2");
}

static struct range *free_range(void)
{
    int i = 0;
    while (i < RANGES - 1 && ranges[i].given != NULL)
        i++;
    return &ranges[i];
}

static struct range *range_at(unsigned long long at)
{
    int i = 0;
    while (i < RANGES && (ranges[i].given == NULL || (uintptr_t)ranges[i].given + SHIFT != at))
        i++;
    return i < RANGES ? &ranges[i] : NULL;
}

static void map(struct range *range, int fd, size_t whole)
{
    const int access = number("WM_CUDA_PLAIN", 0) != 0 ? PROT_READ | PROT_WRITE : PROT_NONE;
    *range = (struct range){ .given = mmap(NULL, whole, access, MAP_SHARED, fd, 0),
                             .alias = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                             .whole = whole,
                             .fd = fd };
    live++;
}

static void unmap(struct range *range)
{
    munmap(range->given, range->whole);
    munmap(range->alias, range->whole);
    close(range->fd);
    used -= range->bytes;
    *range = (struct range){ 0 };
    live--;
}

static int give(unsigned long long *out, size_t bytes, int status)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = ((bytes + SHIFT) / page + 1) * page;
    if (status != OK || bytes == 0 || bytes > number("WM_CUDA_FREE", 1 << 30) - used)
        return status != OK ? status : OUT_OF_MEMORY;
    struct range *range = free_range();
    int fd = memfd_create("stand-in", MFD_CLOEXEC);
    if (ftruncate(fd, (off_t)whole) != 0)
        return OUT_OF_MEMORY;
    map(range, fd, whole);
    range->bytes = bytes;
    used += bytes;
    *out = (uintptr_t)range->given + SHIFT;
    return OK;
}

int cuMemAlloc_v2(unsigned long long *out, size_t bytes)
{
    return give(out, bytes, refused_in_context("cuMemAlloc_v2"));
}

int cuMemAllocManaged(unsigned long long *out, size_t bytes, unsigned flags)
{
    return give(out, bytes, flags == 1 ? refused_in_context("cuMemAllocManaged") : 1);
}

int cuMemFree_v2(unsigned long long at)
{
    struct range *range = range_at(at);
    if (range == NULL || range->opened)
        return 1;
    unmap(range);
    return OK;
}

int cuMemAdvise(unsigned long long at, size_t bytes, int advice, int device)
{
    (void)at;
    (void)bytes;
    return advice == 3 && device >= 10 ? refused_in_context("cuMemAdvise") : 1;
}

/* Aligned to this, and no more: the driver cuts small ones out of larger pieces. */
enum { HOST_ALIGNMENT = 512 };

/* Do pages come from the node that is said to be next to the GPU? Where none is, from anywhere. */
static bool is_near(void)
{
    const long node = number("WM_CUDA_NUMA", -1);
    unsigned long nodes[16] = { 0 };
    int mode = MPOL_DEFAULT;
    syscall(SYS_get_mempolicy, &mode, nodes, 1024, NULL, 0);
    return node < 0 || (mode == MPOL_PREFERRED && nodes[0] == 1ul << node);
}

int cuMemHostAlloc(void **out, size_t bytes, unsigned flags)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at;
    int status = refused_in_context("cuMemHostAlloc");
    if (status != OK || flags != 1 || !is_near())
        return status != OK ? status : 1;
    if (posix_memalign((void **)&at, page, bytes + page) != 0)
        return OUT_OF_MEMORY;
    *out = at + HOST_ALIGNMENT;
    live++;
    return OK;
}

int cuMemFreeHost(void *at)
{
    free((char *)at - HOST_ALIGNMENT);
    live--;
    return OK;
}

/* ---- Streams: work in order, done when it is asked for ---- */

enum kind { COPY, SET, FILL, CHECK, REDUCE, MOVE, CHASE, FOREIGN };
struct work {
    enum kind kind;
    char *to;
    const char *from;
    size_t bytes;
    unsigned char byte;
    struct wm_cuda_stretch stretch;
    struct wm_cuda_reduction reduction;
    struct wm_cuda_foreign *foreign;
    struct wm_cuda_move move;
};
enum { WORKS = 256 };
struct CUstream_st {
    struct CUctx_st *context;
    struct work work[WORKS];
    size_t done, queued;        /* ever */
    struct CUgraph_st *capture; /* what is queued goes there; NULL: nowhere */
};
/* What was captured, and its executable, which is the same. */
struct CUgraph_st {
    struct work work[WORKS];
    int n, held;
};
struct CUevent_st {
    struct CUstream_st *stream;
    size_t until;
    size_t not_ready;
    bool timed;
    double ms;
};

static uint64_t load(const char *at, size_t bytes)
{
    uint64_t bits = 0;
    memcpy(&bits, at, bytes);
    return bits;
}

static void run_fill(const struct wm_cuda_stretch *s)
{
    char *at = alias_of(s->at);
    for (uint64_t i = 0; i < s->count; i++) {
        const uint64_t bits = wm_element_bits(&s->elements, i);
        memcpy(at + i * s->elements.bytes, &bits, s->elements.bytes);
    }
}

static void run_check(const struct wm_cuda_stretch *s)
{
    const char *at = alias_of(s->at);
    struct wm_cuda_tally *tally = (void *)alias_of(s->tally);
    for (uint64_t i = 0; i < s->count; i++)
        if (load(at + i * s->elements.bytes, s->elements.bytes) != wm_element_bits(&s->elements, i)) {
            tally->wrong++;
            tally->first = i < tally->first ? i : tally->first;
        }
}

static void run_reduce(const struct wm_cuda_reduction *r)
{
    static const size_t sizes[] = { 1, 4, 8, 4, 8, 2, 2 };
    const size_t bytes = sizes[r->type];
    char *to = alias_of(r->to);
    const char *from = alias_of(r->from);
    for (uint64_t i = 0; i < r->count; i++) {
        const uint64_t bits =
            wm_element_reduce(load(to + i * bytes, bytes), load(from + i * bytes, bytes), r->type, r->op);
        memcpy(to + i * bytes, &bits, bytes);
    }
}

/* In an order of its own. From the WM_CUDA_STRAY-th one on each takes a vector from a wrong place, as a chase that
 * loses its way does. */
static void run_chase(const struct wm_cuda_move *m)
{
    static size_t chases;
    const size_t stray = number("WM_CUDA_STRAY", 0);
    char *to = alias_of(m->to), *from = alias_of(m->from);
    for (size_t at = (m->bytes + 15) / 16 * 16; at > 0; at -= 16)
        memcpy(to + at - 16, from + at - 16, m->bytes < at ? m->bytes % 16 : 16);
    if (stray > 0 && ++chases >= stray && m->bytes >= 32)
        memcpy(to, from + 16, 16);
}

static bool run_foreign(struct wm_cuda_foreign *work)
{
    if (!work->step(work))
        return false;
    if (--work->queued == 0 && work->held == 0)
        work->release(work);
    return true;
}

/* A machine's counters, sent and received by device, in the file WM_CUDA_METER: the stand-in for NVML reads them. */
static void meter(int device, const char *to, const char *from, size_t bytes)
{
    const char *path = getenv("WM_CUDA_METER");
    static uint64_t *counts;
    if (path != NULL && counts == NULL) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        counts = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
        close(fd);
    }
    for (int i = 0; counts != NULL && i < RANGES; i++) {
        const struct range *r = &ranges[i];
        if (!r->opened)
            continue;
        if (to >= r->given && to < r->given + r->whole)
            __atomic_fetch_add(&counts[2 * device], bytes, __ATOMIC_RELAXED);
        if (from >= r->given && from < r->given + r->whole)
            __atomic_fetch_add(&counts[2 * device + 1], bytes, __ATOMIC_RELAXED);
    }
}

/* Is it done? */
static bool run(const struct work *w, int device)
{
    if (w->kind == FOREIGN)
        return run_foreign(w->foreign);
    if (w->kind == COPY)
        meter(device, w->to, w->from, w->bytes);
    if (w->kind == MOVE || w->kind == CHASE)
        meter(device, (const char *)w->move.to, (const char *)w->move.from, w->move.bytes);
    if (w->kind == COPY)
        memcpy(alias_of(w->to), alias_of(w->from), w->bytes);
    else if (w->kind == SET)
        memset(alias_of(w->to), w->byte, w->bytes);
    else if (w->kind == FILL)
        run_fill(&w->stretch);
    else if (w->kind == CHECK)
        run_check(&w->stretch);
    else if (w->kind == MOVE)
        memcpy(alias_of(w->move.to), alias_of(w->move.from), w->move.bytes);
    else if (w->kind == CHASE)
        run_chase(&w->move);
    else
        run_reduce(&w->reduction);
    return true;
}

static bool run_until(struct CUstream_st *stream, size_t until)
{
    while (stream->done < until && run(&stream->work[stream->done % WORKS], stream->context->device - 10))
        stream->done++;
    return stream->done >= until;
}

/* Work for a stream of another context than the current one is refused, as the driver does with kernels. */
static int queue(struct CUstream_st *stream, struct work work, int status)
{
    if (status == OK && stream->context != current)
        status = INVALID_CONTEXT;
    if (status != OK)
        return status;
    if (stream->capture != NULL) {
        struct CUgraph_st *graph = stream->capture;
        if (graph->n == WORKS)
            return OUT_OF_MEMORY;
        if (work.kind == FOREIGN)
            work.foreign->held++;
        graph->work[graph->n++] = work;
        return OK;
    }
    while (stream->queued - stream->done == WORKS)
        run_until(stream, stream->done + 1);
    if (work.kind == FOREIGN)
        work.foreign->queued++;
    stream->work[stream->queued++ % WORKS] = work;
    return OK;
}

int cuMemcpyAsync(unsigned long long to, unsigned long long from, size_t bytes, struct CUstream_st *stream)
{
    const struct work work = {
        .kind = COPY, .to = (char *)(uintptr_t)to, .from = (char *)(uintptr_t)from, .bytes = bytes
    };
    return queue(stream, work, refused_in_context("cuMemcpyAsync"));
}

int cuMemsetD8Async(unsigned long long to, unsigned char byte, size_t bytes, struct CUstream_st *stream)
{
    const struct work work = { .kind = SET, .to = (char *)(uintptr_t)to, .byte = byte, .bytes = bytes };
    return queue(stream, work, refused_in_context("cuMemsetD8Async"));
}

int cuLaunchKernel(struct CUfunc_st *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, struct CUstream_st *stream,
                   void **arguments, void **extra)
{
    static const enum kind kinds[] = { FILL, CHECK, REDUCE, MOVE, CHASE };
    struct work work = { .kind = kinds[function - functions] };
    if (grid_x == 0 || grid_x > 16 || grid_y != 1 || grid_z != 1 || block_x == 0 || block_x > 1024 || block_y != 1 ||
        block_z != 1 || shared_bytes != 0 || extra != NULL)
        return 1;
    if (work.kind == REDUCE)
        memcpy(&work.reduction, arguments[0], sizeof(work.reduction));
    else if (work.kind == MOVE || work.kind == CHASE)
        memcpy(&work.move, arguments[0], sizeof(work.move));
    else
        memcpy(&work.stretch, arguments[0], sizeof(work.stretch));
    const size_t sides = (size_t)work.move.to | (size_t)work.move.from;
    if (work.kind == CHASE && (work.move.zero != 0 || grid_x != 1 || sides % 16 != 0))
        return 1;
    return queue(stream, work, refused_in_context("cuLaunchKernel"));
}

int cuStreamCreate(struct CUstream_st **out, unsigned flags)
{
    int status = refused_in_context("cuStreamCreate");
    if (status != OK || flags != 1)
        return status != OK ? status : 1;
    *out = calloc(1, sizeof(**out));
    (*out)->context = current;
    live++;
    return OK;
}

int cuStreamDestroy_v2(struct CUstream_st *stream)
{
    if (stream->done < stream->queued) /* still at work on what the caller now gives back: stays in `live` */
        return OK;
    free(stream);
    live--;
    return OK;
}

int cuStreamSynchronize(struct CUstream_st *stream)
{
    int status = refused_in_context("cuStreamSynchronize");
    while (status == OK && !run_until(stream, stream->queued))
        ;
    stream->done = stream->queued; /* a lost device does nothing any more */
    return status;
}

int cuEventCreate(struct CUevent_st **out, unsigned flags)
{
    int status = refused_in_context("cuEventCreate");
    if (status != OK || (flags & ~2u) != 0)
        return status != OK ? status : 1;
    *out = calloc(1, sizeof(**out));
    (*out)->timed = flags == 0;
    live++;
    return OK;
}

int cuEventDestroy_v2(struct CUevent_st *event)
{
    free(event);
    live--;
    return OK;
}

int cuEventRecord(struct CUevent_st *event, struct CUstream_st *stream)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *event = (struct CUevent_st){ stream, stream->queued, number("WM_CUDA_DELAY", 0), event->timed,
                                  (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6 };
    return refused_in_context("cuEventRecord");
}

int cuEventQuery(struct CUevent_st *event)
{
    int status = refused("cuEventQuery");
    if (status != OK || event->stream == NULL)
        return status;
    if (event->not_ready > 0) {
        event->not_ready--;
        return NOT_READY;
    }
    return run_until(event->stream, event->until) ? OK : NOT_READY;
}

/* ---- Times, graphs, and the work of other libraries ---- */

int cuEventElapsedTime(float *ms, struct CUevent_st *from, struct CUevent_st *to)
{
    int status = refused("cuEventElapsedTime");
    if (status != OK || !from->timed || !to->timed)
        return status != OK ? status : 400;
    *ms = (float)(to->ms - from->ms) + 1e-3f; /* never nothing */
    return OK;
}

int cuStreamBeginCapture_v2(struct CUstream_st *stream, int mode)
{
    int status = refused_in_context("cuStreamBeginCapture_v2");
    if (status != OK || mode < 0 || mode > 2 || stream->capture != NULL)
        return status != OK ? status : 1;
    stream->capture = calloc(1, sizeof(*stream->capture));
    stream->capture->held = 1;
    live++;
    return OK;
}

int cuStreamEndCapture(struct CUstream_st *stream, struct CUgraph_st **out)
{
    *out = stream->capture;
    stream->capture = NULL;
    return refused_in_context("cuStreamEndCapture");
}

int cuGraphInstantiateWithFlags(struct CUgraphExec_st **out, struct CUgraph_st *graph, unsigned long long flags)
{
    int status = refused_in_context("cuGraphInstantiateWithFlags");
    if (status != OK || flags != 0)
        return status != OK ? status : 1;
    graph->held++;
    live++;
    *out = (struct CUgraphExec_st *)graph;
    return OK;
}

int cuGraphLaunch(struct CUgraphExec_st *exec, struct CUstream_st *stream)
{
    const struct CUgraph_st *graph = (struct CUgraph_st *)exec;
    int status = refused_in_context("cuGraphLaunch");
    for (int i = 0; i < graph->n && status == OK; i++)
        status = queue(stream, graph->work[i], OK);
    return status;
}

int cuGraphDestroy(struct CUgraph_st *graph)
{
    live--;
    if (--graph->held > 0)
        return OK;
    for (int i = 0; i < graph->n; i++)
        if (graph->work[i].kind == FOREIGN && --graph->work[i].foreign->held == 0 &&
            graph->work[i].foreign->queued == 0)
            graph->work[i].foreign->release(graph->work[i].foreign);
    free(graph);
    return OK;
}

int cuGraphExecDestroy(struct CUgraphExec_st *exec)
{
    return cuGraphDestroy((struct CUgraph_st *)exec);
}

int wm_cuda_work(struct CUstream_st *stream, struct wm_cuda_foreign *work)
{
    struct CUctx_st *before = current;
    current = stream->context;
    int status = queue(stream, (struct work){ .kind = FOREIGN, .foreign = work }, OK);
    current = before;
    return status;
}

void *wm_cuda_alias(const void *at)
{
    return alias_of(at);
}

/* What was recorded in the other stream is done before what follows in this one. */
int cuStreamWaitEvent(struct CUstream_st *stream, struct CUevent_st *event, unsigned flags)
{
    int status = refused_in_context("cuStreamWaitEvent");
    if (status == OK && event->stream != NULL)
        run_until(event->stream, event->until);
    return status != OK ? status : stream != NULL && flags == 0 ? OK : 1;
}

/* ---- Between processes: a handle names the memory's file, by the process that has it open ---- */

struct handle {
    int pid, fd;
};

int cuIpcGetMemHandle(struct wm_cuda_ipc *out, unsigned long long at)
{
    int status = refused_in_context("cuIpcGetMemHandle");
    struct range *range = range_at(at);
    if (status != OK || range == NULL || range->opened)
        return status != OK ? status : 1;
    const struct handle handle = { getpid(), range->fd };
    memset(out, 0, sizeof(*out));
    memcpy(out, &handle, sizeof(handle));
    return OK;
}

int cuIpcOpenMemHandle_v2(unsigned long long *out, struct wm_cuda_ipc in, unsigned flags)
{
    int status = refused_in_context("cuIpcOpenMemHandle_v2");
    struct handle handle;
    char path[64];
    struct stat file;
    memcpy(&handle, &in, sizeof(handle));
    if (status != OK || flags != 1)
        return status != OK ? status : 1;
    if (handle.pid == getpid()) /* not where it comes from */
        return INVALID_CONTEXT;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", handle.pid, handle.fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) != 0)
        return 1;
    struct range *range = free_range();
    map(range, fd, (size_t)file.st_size);
    range->opened = true;
    *out = (uintptr_t)range->given + SHIFT;
    return OK;
}

int cuIpcCloseMemHandle(unsigned long long at)
{
    struct range *range = range_at(at);
    if (range == NULL || !range->opened)
        return 1;
    unmap(range);
    return OK;
}

/* ---- Memory for cards ---- */

int wm_cuda_flushes(void);
static int flushes;

/** For tests: calls of cuFlushGPUDirectRDMAWrites. */
int wm_cuda_flushes(void)
{
    return flushes;
}

/* A file of its own: who maps it finds that it is one. */
int cuMemGetHandleForAddressRange(void *out, unsigned long long at, size_t bytes, int type, unsigned long long flags)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int status = refused_in_context("cuMemGetHandleForAddressRange");
    if (status != OK)
        return status;
    if (type != 1 || flags != 0 || at % page != 0 || bytes % page != 0 || bytes == 0)
        return 1;
    for (int i = 0; i < RANGES; i++)
        if (ranges[i].given != NULL && at >= (uintptr_t)ranges[i].given &&
            at + bytes <= (uintptr_t)ranges[i].given + ranges[i].whole) {
            int fd = memfd_create("stand-in dma-buf", MFD_CLOEXEC);
            memcpy(out, &fd, sizeof(fd));
            return fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 ? OK : OUT_OF_MEMORY;
        }
    return 1;
}

int cuFlushGPUDirectRDMAWrites(int target, int scope)
{
    int status = refused_in_context("cuFlushGPUDirectRDMAWrites");
    if (status != OK || target != 0 || scope != 100)
        return status != OK ? status : 1;
    flushes++;
    return OK;
}
