/**
 * Memory of GPUs: device, managed, and host memory pinned for them. The CPU touches device and managed memory in no
 * case: managed pages would move to the host, and what is measured would be another thing.
 */
#include "src/mem/cuda_memory.h"

#include <limits.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/core/units.h"
#include "src/mem/cuda.h"
#include "src/mem/cuda_device.h"

/* Pages of GPUs, and whole ones of the host: what registrations want. */
enum { PAGE = 1 << 16, POISON = 0xa5 };

/* ---- Which addresses are a GPU's ---- */

enum { RANGES = 256 };
static struct range {
    const char *begin, *end;
} ranges[RANGES];
static int n_ranges; /* those before it may be in use */

static struct range *range_of(const void *at)
{
    for (int i = 0; i < n_ranges; i++)
        if ((const char *)at >= ranges[i].begin && (const char *)at < ranges[i].end)
            return &ranges[i];
    return NULL;
}

bool wm_cuda_owns(const void *at)
{
    return range_of(at) != NULL;
}

static struct range *free_range(void)
{
    int i = 0;
    while (i < n_ranges && ranges[i].begin != NULL)
        i++;
    if (i == RANGES)
        return NULL;
    n_ranges = i < n_ranges ? n_ranges : i + 1;
    return &ranges[i];
}

/* ---- Device and managed memory ---- */

static size_t whole_pages(size_t bytes)
{
    return (bytes / PAGE + 1) * PAGE;
}

static int fail_room(const struct wm_cuda_device *d, const char *call, int status, const char *kind, size_t bytes,
                     struct wm_err *err)
{
    char wanted[WM_TEXT_BYTES], left[WM_TEXT_BYTES];
    size_t free_bytes = 0, total = 0;
    d->cu->mem_info(&free_bytes, &total);
    return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "no %s memory of %s on GPU %d, where %s are free", kind,
                        wm_format_memory(wanted, bytes), d->index, wm_format_memory(left, free_bytes));
}

/* Outside the clock: one thing after the other. */
static int finish(const struct wm_cuda_device *d, const char *call, int status, const char *what, struct wm_err *err)
{
    if (status == WM_CUDA_SUCCESS) {
        call = "cuStreamSynchronize";
        status = d->cu->stream_synchronize(d->stream);
    }
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, call, status, "GPU %d cannot %s its memory", d->index, what);
    return WM_OK;
}

/* Poisons what was allocated, which touches every page, and keeps its range. Frees it where that fails. */
static int take(struct wm_cuda_device *d, const struct wm_mem *mem, unsigned long long base, size_t whole,
                struct wm_buf *buf, size_t bytes, struct wm_err *err)
{
    struct range *range = free_range();
    char *at = (char *)(uintptr_t)((base + PAGE - 1) / PAGE * PAGE);
    int rc;
    if (range == NULL)
        rc = wm_fail(err, WM_ENOMEM, "", 0, "more than %d buffers on GPUs", RANGES);
    else
        rc = finish(d, "cuMemsetD8Async", d->cu->set((uintptr_t)at, POISON, whole, d->stream), "write", err);
    if (rc != WM_OK) {
        d->cu->mem_free(base);
        return rc;
    }
    *range = (struct range){ at, at + whole };
    *buf = (struct wm_buf){
        .mem = mem, .ptr = at, .dma = at, .bytes = bytes, .device = d->index, .native = (void *)(uintptr_t)base
    };
    return WM_OK;
}

static struct wm_cuda_device *device_with_kernels(int device, struct wm_err *err)
{
    struct wm_cuda_device *d = wm_cuda_device(device, err);
    return d != NULL && wm_cuda_device_kernels(d, err) == WM_OK ? d : NULL;
}

static int device_alloc(int device, size_t bytes, struct wm_buf *buf, struct wm_err *err)
{
    struct wm_cuda_device *d = device_with_kernels(device, err);
    const size_t whole = whole_pages(bytes);
    unsigned long long base = 0;
    if (d == NULL)
        return err->code;
    int status = d->cu->mem_alloc(&base, whole + PAGE);
    if (status != WM_CUDA_SUCCESS)
        return fail_room(d, "cuMemAlloc", status, "device", bytes, err);
    return take(d, &wm_mem_device, base, whole, buf, bytes, err);
}

/* More managed memory than is free pages in and out without end, and can hang a GPU: refused before it is asked for. */
static int check_managed(const struct wm_cuda_device *d, size_t bytes, struct wm_err *err)
{
    size_t free_bytes = 0, total = 0;
    int status = d->cu->mem_info(&free_bytes, &total);
    if (!d->managed)
        return wm_fail(err, WM_EUNSUP, "", 0, "GPU %d has no managed memory", d->index);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, "cuMemGetInfo", status, "the free memory of GPU %d is not known",
                            d->index);
    if (whole_pages(bytes) + PAGE > free_bytes)
        return fail_room(d, "", WM_CUDA_OUT_OF_MEMORY, "managed", bytes, err);
    return WM_OK;
}

static int managed_alloc(int device, size_t bytes, struct wm_buf *buf, struct wm_err *err)
{
    struct wm_cuda_device *d = device_with_kernels(device, err);
    const size_t whole = whole_pages(bytes);
    unsigned long long base = 0;
    if (d == NULL || check_managed(d, bytes, err) != WM_OK)
        return err->code;
    int status = d->cu->mem_alloc_managed(&base, whole + PAGE, WM_CUDA_MEM_ATTACH_GLOBAL);
    if (status != WM_CUDA_SUCCESS)
        return fail_room(d, "cuMemAllocManaged", status, "managed", bytes, err);
    if (d->concurrent)
        status = d->cu->mem_advise(base, whole + PAGE, WM_CUDA_ADVISE_PREFERRED_LOCATION, d->handle);
    if (status != WM_CUDA_SUCCESS) {
        d->cu->mem_free(base);
        return wm_cuda_fail(d->cu, err, WM_ESYS, "cuMemAdvise", status, "managed memory cannot be kept on GPU %d",
                            d->index);
    }
    return take(d, &wm_mem_managed, base, whole, buf, bytes, err);
}

static void gpu_free(struct wm_buf *buf)
{
    struct range *range = buf->ptr != NULL ? range_of(buf->ptr) : NULL;
    struct wm_err ignored = { .rank = -1 };
    if (range != NULL) {
        const struct wm_cuda_device *d = wm_cuda_device(buf->device, &ignored);
        if (d != NULL)
            d->cu->mem_free((uintptr_t)buf->native);
        *range = (struct range){ 0 };
    }
    memset(buf, 0, sizeof(*buf));
}

/* ---- Fill and check, by kernels ---- */

static struct wm_cuda_stretch stretch_of(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type,
                                         struct wm_pattern p, uint64_t first)
{
    return (struct wm_cuda_stretch){ .elements = wm_elements_of(p, type, first),
                                     .at = (unsigned char *)buf->ptr + offset,
                                     .count = count };
}

static int gpu_fill(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                    uint64_t first, struct wm_err *err)
{
    if (wm_buf_holds(buf, offset, count, type, err) != WM_OK)
        return err->code;
    const struct wm_cuda_device *d = wm_cuda_device(buf->device, err);
    struct wm_cuda_stretch s = stretch_of(buf, offset, count, type, p, first);
    if (d == NULL)
        return err->code;
    return finish(d, "cuLaunchKernel", wm_cuda_device_launch(d, WM_CUDA_FILL, &s, count, d->stream), "fill", err);
}

static int copy_now(const struct wm_cuda_device *d, const void *to, const void *from, size_t bytes, struct wm_err *err)
{
    int status = d->cu->copy((uintptr_t)to, (uintptr_t)from, bytes, d->stream);
    return finish(d, "cuMemcpyAsync", status, "copy", err);
}

/* The first wrong element and those before it in its word, which are right, judged and told as the host's are. */
static int tell_first(const struct wm_cuda_device *d, const struct wm_cuda_stretch *s, struct wm_pattern p, size_t at,
                      struct wm_wrong *wrong, struct wm_err *err)
{
    const size_t bytes = s->elements.bytes, in_word = bytes < 4 && p.kind == WM_MOVED ? at % (4 / bytes) : 0;
    const size_t begin = at - in_word;
    const uint64_t index = p.kind == WM_MOVED ? begin * bytes / 4 : begin;
    unsigned char host[8];
    if (copy_now(d, host, s->at + begin * bytes, (in_word + 1) * bytes, err) != WM_OK)
        return err->code;
    wm_pattern_check(host, in_word + 1, s->elements.type, p, s->elements.first + index, begin, wrong);
    if (wrong->elements == 0)
        return wm_fail(err, WM_EBUG, "", 0, "GPU %d finds element %zu wrong, which the host finds right", d->index, at);
    return WM_OK;
}

static int gpu_check(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                     uint64_t first, struct wm_wrong *wrong, struct wm_err *err)
{
    if (wm_buf_holds(buf, offset, count, type, err) != WM_OK)
        return err->code;
    const struct wm_cuda_device *d = wm_cuda_device(buf->device, err);
    struct wm_cuda_tally tally = { .first = ULLONG_MAX };
    struct wm_wrong story = { 0 };
    if (d == NULL)
        return err->code;
    struct wm_cuda_stretch s = stretch_of(buf, offset, count, type, p, first);
    s.tally = (struct wm_cuda_tally *)(uintptr_t)d->tally;
    if (copy_now(d, s.tally, &tally, sizeof(tally), err) != WM_OK ||
        finish(d, "cuLaunchKernel", wm_cuda_device_launch(d, WM_CUDA_CHECK, &s, count, d->stream), "check", err) != 0 ||
        copy_now(d, &tally, s.tally, sizeof(tally), err) != WM_OK)
        return err->code;
    if (tally.wrong == 0)
        return WM_OK;
    if (wrong->elements == 0) {
        if (tell_first(d, &s, p, (size_t)tally.first, &story, err) != WM_OK)
            return err->code;
        *wrong = story;
        wrong->elements = 0;
    }
    wrong->elements += (size_t)tally.wrong;
    return WM_OK;
}

/* ---- Pinned memory: the host's, but for where it comes from ---- */

enum { NODES = 1024, NODE_BITS = 8 * sizeof(unsigned long) };

/* From which NUMA nodes this thread takes pages. */
struct policy {
    int mode;
    unsigned long nodes[NODES / NODE_BITS];
    bool known;
};

/* Pages come from there as long as there are any. Where a container forbids it they come from where the thread runs. */
static void prefer_node(int node, struct policy *before)
{
    struct policy near = { .mode = MPOL_PREFERRED };
    before->known =
        node >= 0 && node < NODES && syscall(SYS_get_mempolicy, &before->mode, before->nodes, NODES, NULL, 0) == 0;
    if (!before->known)
        return;
    near.nodes[node / NODE_BITS] = 1ul << node % NODE_BITS;
    syscall(SYS_set_mempolicy, near.mode, near.nodes, NODES);
}

static void prefer_as_before(const struct policy *before)
{
    if (before->known)
        syscall(SYS_set_mempolicy, before->mode, before->nodes, NODES);
}

static int pinned_alloc(int device, size_t bytes, struct wm_buf *buf, struct wm_err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const struct wm_cuda_device *d = wm_cuda_device(device, err);
    char text[WM_TEXT_BYTES];
    struct policy before;
    void *base = NULL;
    if (d == NULL)
        return err->code;
    prefer_node(d->numa, &before);
    int status = d->cu->host_alloc(&base, (bytes / page + 2) * page, WM_CUDA_MEMHOSTALLOC_PORTABLE);
    prefer_as_before(&before);
    if (status != WM_CUDA_SUCCESS)
        return wm_cuda_fail(d->cu, err, WM_ESYS, "cuMemHostAlloc", status, "no pinned host memory of %s for GPU %d",
                            wm_format_memory(text, bytes), d->index);
    void *at = (void *)(((uintptr_t)base + page - 1) / page * page); /* the driver aligns to less */
    memset(at, POISON, bytes);
    *buf = (struct wm_buf){
        .mem = &wm_mem_pinned, .ptr = at, .dma = at, .bytes = bytes, .device = d->index, .native = base
    };
    return WM_OK;
}

static void pinned_free(struct wm_buf *buf)
{
    struct wm_err ignored = { .rank = -1 };
    const struct wm_cuda_device *d = buf->ptr != NULL ? wm_cuda_device(buf->device, &ignored) : NULL;
    if (d != NULL)
        d->cu->host_free(buf->native);
    memset(buf, 0, sizeof(*buf));
}

static int pinned_fill(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                       uint64_t first, struct wm_err *err)
{
    return wm_mem_host.fill(buf, offset, count, type, p, first, err);
}

static int pinned_check(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                        uint64_t first, struct wm_wrong *wrong, struct wm_err *err)
{
    return wm_mem_host.check(buf, offset, count, type, p, first, wrong, err);
}

static int pinned_copy(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    return wm_mem_host.copy(c, slot, to, from, bytes);
}

static int pinned_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count,
                         enum wm_dtype type, enum wm_redop op)
{
    return wm_mem_host.reduce(c, slot, to, from, count, type, op);
}

/* ---- The tables ---- */

static int choose_gpu(const char *wanted, int local_rank, struct wm_err *err)
{
    struct wm_cuda_gpu gpu;
    return wm_cuda_select(wanted, local_rank, &gpu, err);
}

/* Of the GPU that this process uses. */
static int managed_probe(struct wm_err *err)
{
    struct wm_cuda_gpu gpu;
    if (wm_cuda_probe(err) == WM_OK && wm_cuda_describe(wm_cuda_selected(), &gpu, err) == WM_OK && !gpu.managed)
        return wm_fail(err, WM_EABSENT, "", 0, "GPU %d (%s) has no managed memory", gpu.index, gpu.name);
    return err->code;
}

const struct wm_mem wm_mem_pinned = {
    .name = "pinned",
    .summary = "memory of the node, page-locked for the GPU",
    .cpu_can_touch = true,
    .gpu_can_touch = true,
    .choose = choose_gpu,
    .probe = wm_cuda_probe,
    .alloc = pinned_alloc,
    .free = pinned_free,
    .fill = pinned_fill,
    .check = pinned_check,
    .copy = pinned_copy,
    .reduce = pinned_reduce,
};

const struct wm_mem wm_mem_device = {
    .name = "device",
    .summary = "memory of the GPU",
    .gpu_can_touch = true,
    .staging = &wm_mem_pinned,
    .choose = choose_gpu,
    .probe = wm_cuda_probe,
    .alloc = device_alloc,
    .free = gpu_free,
    .fill = gpu_fill,
    .check = gpu_check,
    .copier_open = wm_cuda_copier_open,
    .copier_close = wm_cuda_copier_close,
    .copy = wm_cuda_copy,
    .copy_by_kernel = wm_cuda_copy_by_kernel,
    .copy_by_chase = wm_cuda_copy_by_chase,
    .reduce = wm_cuda_reduce,
    .test = wm_cuda_test,
    .why = wm_cuda_why,
};

const struct wm_mem wm_mem_managed = {
    .name = "managed",
    .summary = "memory that GPU and node share by address, kept on the GPU",
    .gpu_can_touch = true,
    .staging = &wm_mem_pinned,
    .choose = choose_gpu,
    .probe = managed_probe,
    .alloc = managed_alloc,
    .free = gpu_free,
    .fill = gpu_fill,
    .check = gpu_check,
    .copier_open = wm_cuda_copier_open,
    .copier_close = wm_cuda_copier_close,
    .copy = wm_cuda_copy,
    .copy_by_kernel = wm_cuda_copy_by_kernel,
    .copy_by_chase = wm_cuda_copy_by_chase,
    .reduce = wm_cuda_reduce,
    .test = wm_cuda_test,
    .why = wm_cuda_why,
};
