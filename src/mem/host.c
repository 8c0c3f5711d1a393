/** Host memory: allocated by the library, touched, copied and reduced by the CPU; every call is complete on return. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/units.h"
#include "src/mem/mem.h"

static int host_probe(struct wm_err *err)
{
    (void)err;
    return WM_OK;
}

static int host_alloc(int device, size_t bytes, struct wm_buf *buf, struct wm_err *err)
{
    char text[WM_TEXT_BYTES];
    void *ptr = NULL;
    (void)device;
    int failed = posix_memalign(&ptr, (size_t)sysconf(_SC_PAGESIZE), bytes > 0 ? bytes : 1);
    if (failed != 0)
        return wm_fail(err, WM_ENOMEM, "posix_memalign", failed, "no host memory for a buffer of %s",
                       wm_format_memory(text, bytes));
    memset(ptr, 0xa5, bytes); /* WM_POISON: touches every page on this CPU's node */
    *buf = (struct wm_buf){ .mem = &wm_mem_host, .ptr = ptr, .dma = ptr, .bytes = bytes, .device = -1 };
    return WM_OK;
}

static void host_free(struct wm_buf *buf)
{
    free(buf->ptr);
    memset(buf, 0, sizeof(*buf));
}

int wm_buf_holds(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_err *err)
{
    if (offset <= buf->bytes && count <= (buf->bytes - offset) / wm_dtype_bytes(type))
        return WM_OK;
    return wm_fail(err, WM_EBUG, "", 0, "%zu elements of %s from byte %zu lie outside a %s buffer of %zu bytes", count,
                   wm_dtype_names[type], offset, buf->mem->name, buf->bytes);
}

static int host_fill(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                     uint64_t first, struct wm_err *err)
{
    if (wm_buf_holds(buf, offset, count, type, err) != WM_OK)
        return (int)err->code;
    wm_pattern_fill((char *)buf->ptr + offset, count, type, p, first);
    return WM_OK;
}

static int host_check(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                      uint64_t first, struct wm_wrong *wrong, struct wm_err *err)
{
    if (wm_buf_holds(buf, offset, count, type, err) != WM_OK)
        return (int)err->code;
    wm_pattern_check((const char *)buf->ptr + offset, count, type, p, first, 0, wrong);
    return WM_OK;
}

static int host_copy(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    (void)c;
    (void)slot;
    memcpy(to, from, bytes);
    return WM_OK;
}

static int host_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count, enum wm_dtype type,
                       enum wm_redop op)
{
    (void)c;
    (void)slot;
    wm_reduce_host(to, from, count, type, op);
    return WM_OK;
}

const struct wm_mem wm_mem_host = {
    .name = "host",
    .summary = "ordinary memory of the node",
    .cpu_can_touch = true,
    .probe = host_probe,
    .alloc = host_alloc,
    .free = host_free,
    .fill = host_fill,
    .check = host_check,
    .copy = host_copy,
    .reduce = host_reduce,
};
