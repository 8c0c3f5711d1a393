/**
 * Memory kinds: a const table each. host; pinned, device and managed by CUDA; and a simulated device, for tests.
 */
#ifndef WM_MEM_H
#define WM_MEM_H

#include <stdbool.h>

#include "src/core/err.h"
#include "src/core/option.h"
#include "src/mem/pattern.h"

struct wm_mem;

struct wm_buf { /* owned by who allocated it */
    const struct wm_mem *mem;
    void *ptr; /* never dereferenced by the CPU unless mem->cpu_can_touch */
    void *dma; /* what a transport may be handed; == ptr but for the simulated device */
    size_t bytes;
    int device; /* index; -1 = none */
    void *native;
};

struct wm_copier; /* a stream and its events, one for each slot */

struct wm_wrong {    /* what a check found */
    size_t elements; /* wrong ones */
    size_t first;    /* index of the first, in elements of the type, from where the check began */
    char got[32], want[32];
};

/* Hot path. Complete when test() says WM_OK; NULL test: complete on return. */
typedef int wm_copy_call(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes);

struct wm_mem {
    const char *name, *summary;
    const struct wm_option *options; /* its own rows; NULL = none */
    size_t conf_bytes;               /* of the conf that they fill */
    bool cpu_can_touch, simulated;
    bool gpu_can_touch;           /* by the loads and stores of kernels: pageable host memory need not be so */
    const struct wm_mem *staging; /* host memory that detours of it go through; NULL: host */
    /* Before MPI starts: the device that this process uses, by the words of --gpu and its place among the ranks of the
     * host. NULL: there is nothing to choose. */
    int (*choose)(const char *wanted, int local_rank, struct wm_err *err);
    int (*probe)(struct wm_err *err); /* WM_OK, or WM_EABSENT with the reason */
    int (*alloc)(int device, size_t bytes, struct wm_buf *buf,
                 struct wm_err *err); /* page-aligned, every page touched */
    void (*free)(struct wm_buf *buf);
    /* count elements of type from byte `offset`; `first` is the pattern's index of the first of them. */
    int (*fill)(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                uint64_t first, struct wm_err *err);
    /* Adds to wrong->elements; first, got and want are set by the first one ever found. WM_OK also when wrong. */
    int (*check)(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_pattern p,
                 uint64_t first, struct wm_wrong *wrong, struct wm_err *err);
    /* `own`: the conf, filled from its options. NULL: none needed. */
    int (*copier_open)(int device, unsigned slots, const void *own, struct wm_copier **out, struct wm_err *err);
    void (*copier_close)(struct wm_copier *c);
    /* One side of a copy, or all of a reduction, is this kind. */
    wm_copy_call *copy;
    /* The same by kernels of the device, where gpu_can_touch both sides: with all its processors; by one thread, in a
     * scattered order, each load of 16 bytes waiting for the one before (both sides lie on 16 bytes). NULL: it has
     * none.
     */
    wm_copy_call *copy_by_kernel, *copy_by_chase;
    /* Hot path, complete as copies are. */
    int (*reduce)(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count, enum wm_dtype type,
                  enum wm_redop op);
    int (*test)(struct wm_copier *c, unsigned slot); /* WM_OK, WM_EAGAIN or an error */
    /* The story of the first copy, reduction or test that failed, as wm_fail() does; nothing where none did. NULL: they
     * cannot fail. */
    void (*why)(const struct wm_copier *c, struct wm_err *err);
};

struct wm_mem_row { /* the registry keeps a row for what was not built in */
    const char *name, *needs;
    const struct wm_mem *mem; /* NULL: not built in */
};
extern const struct wm_mem_row wm_mems[]; /* ended by name == NULL */
extern const struct wm_mem wm_mem_host, wm_mem_simulated;
extern const struct wm_mem wm_mem_pinned, wm_mem_device, wm_mem_managed; /* cuda.h; in the registry where built in */

/**
 * Host memory against a pattern, element by element: the check behind wm_mem_host.check, for others to use.
 * @param first          the pattern's index of the first element (see wm_pattern_fill)
 * @param first_element  what wrong->first counts from: above 0 where a check goes piece by piece
 */
void wm_pattern_check(const void *data, size_t count, enum wm_dtype type, struct wm_pattern p, uint64_t first,
                      size_t first_element, struct wm_wrong *wrong);

/** Is it on the far side of a bus: paths (direct, staged, pipelined) are for such memory. */
static inline bool wm_mem_is_device(const struct wm_mem *mem)
{
    return !mem->cpu_can_touch;
}

/** WM_EBUG where count elements from byte `offset` do not lie in the buffer: for fill and check. */
int wm_buf_holds(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type, struct wm_err *err);

/** Row of a name, or NULL. */
const struct wm_mem_row *wm_mem_find(const char *name);

/** Reduction of host memory, vectorised: to[i] = to[i] op from[i]. half and bfloat16 round to nearest even;
 * integers wrap; min and max keep a NaN of either side. No alignment needed; to and from do not overlap. */
void wm_reduce_host(void *to, const void *from, size_t count, enum wm_dtype type, enum wm_redop op);

#endif
