/**
 * A device that is none: memory that the CPU must not touch, and engines that copy and reduce after a while. One memfd
 * mapped twice: `ptr` is there and forbidden, so that a CPU touch crashes; `dma` is what copies and transports use.
 * Data move when an engine's time for them has passed, not before: what is read too early is wrong. Nothing here is a
 * measurement of anything: cells are marked simulated.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/core/units.h"
#include "src/mem/mem.h"

struct simulated_conf {
    uint64_t rate, delay_ns;
};

static const struct wm_option options[] = {
    { .name = "sim-device-rate",
      .arg = "SIZE",
      .help = "bytes a second that each engine of the simulated device copies; 0 is no limit",
      .type = WM_OPT_BYTES,
      .offset = offsetof(struct simulated_conf, rate),
      .max = 0x1p60 },
    { .name = "sim-device-delay",
      .arg = "TIME",
      .help = "time that a copy of the simulated device takes beside its bytes",
      .type = WM_OPT_TIME_NS,
      .offset = offsetof(struct simulated_conf, delay_ns),
      .max = 60e9 },
    { .name = NULL },
};

/* ---- memory ---- */

/* What is device memory is known by its address, as with a real one's unified addresses. */
enum { RANGES = 64 };
static struct range {
    const char *begin, *end;
} ranges[RANGES];

static struct range *range_of(const void *p)
{
    for (int i = 0; i < RANGES; i++)
        if ((const char *)p >= ranges[i].begin && (const char *)p < ranges[i].end)
            return &ranges[i];
    return NULL;
}

static struct range *free_range(void)
{
    int i = 0;
    while (i < RANGES && ranges[i].begin != NULL)
        i++;
    return i < RANGES ? &ranges[i] : NULL;
}

static int simulated_probe(struct wm_err *err)
{
    (void)err;
    return WM_OK;
}

static void *map(int fd, size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    return p != MAP_FAILED ? p : NULL;
}

static int simulated_alloc(int device, size_t bytes, struct wm_buf *buf, struct wm_err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes / page + 1) * page;
    struct range *range = free_range();
    struct wm_buf made = { .mem = &wm_mem_simulated, .bytes = bytes, .device = device };
    char text[WM_TEXT_BYTES];
    int fd = memfd_create("wiremark-device", MFD_CLOEXEC);

    if (range != NULL && fd >= 0 && ftruncate(fd, (off_t)whole) == 0) {
        made.ptr = map(fd, whole, PROT_NONE);
        made.dma = map(fd, whole, PROT_READ | PROT_WRITE);
    }
    if (fd < 0 || made.ptr == NULL || made.dma == NULL) {
        wm_fail_errno(err, "memfd_create", "no simulated device memory of %s", wm_format_memory(text, bytes));
        if (made.ptr != NULL)
            munmap(made.ptr, whole);
    } else {
        memset(made.dma, 0xa5, whole); /* WM_POISON: touches every page */
        *range = (struct range){ made.dma, (char *)made.dma + whole };
        *buf = made;
    }
    if (fd >= 0)
        close(fd);
    return (int)err->code;
}

static void simulated_free(struct wm_buf *buf)
{
    struct range *range = buf->dma != NULL ? range_of(buf->dma) : NULL;
    if (range != NULL) {
        const size_t whole = (size_t)(range->end - range->begin);
        munmap(buf->ptr, whole);
        munmap(buf->dma, whole);
        *range = (struct range){ 0 };
    }
    memset(buf, 0, sizeof(*buf));
}

/* The host's way, as a kernel of the device would: through the alias. */
static struct wm_buf as_host(const struct wm_buf *buf)
{
    return (struct wm_buf){ .mem = &wm_mem_host, .ptr = buf->dma, .dma = buf->dma, .bytes = buf->bytes, .device = -1 };
}

static int simulated_fill(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type,
                          struct wm_pattern p, uint64_t first, struct wm_err *err)
{
    const struct wm_buf alias = as_host(buf);
    return wm_mem_host.fill(&alias, offset, count, type, p, first, err);
}

static int simulated_check(const struct wm_buf *buf, size_t offset, size_t count, enum wm_dtype type,
                           struct wm_pattern p, uint64_t first, struct wm_wrong *wrong, struct wm_err *err)
{
    const struct wm_buf alias = as_host(buf);
    return wm_mem_host.check(&alias, offset, count, type, p, first, wrong, err);
}

/* ---- engines: one that brings, one that takes away, one that computes; each does its work in order ---- */

enum engine { TO_DEVICE, FROM_DEVICE, ON_DEVICE, ENGINES };

struct work {
    bool open, reduces;
    enum engine engine;
    void *to;
    const void *from;
    size_t n; /* bytes, or elements of a reduction */
    enum wm_dtype type;
    enum wm_redop op;
    uint64_t done_ns;
    int next; /* slot of the same engine's next work; -1 = none yet */
};

struct wm_copier {
    struct simulated_conf conf;
    unsigned slots;
    struct {
        uint64_t free_ns;
        int first, last; /* slots of its open work, oldest first; -1 = none */
    } engine[ENGINES];
    struct work work[];
};

static int simulated_copier_open(int device, unsigned slots, const void *own, struct wm_copier **out,
                                 struct wm_err *err)
{
    struct wm_copier *c = calloc(1, sizeof(*c) + slots * sizeof(c->work[0]));
    (void)device;
    if (c == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "engines of the simulated device");
    if (own != NULL)
        c->conf = *(const struct simulated_conf *)own;
    c->slots = slots;
    for (int e = 0; e < ENGINES; e++)
        c->engine[e].first = c->engine[e].last = -1;
    *out = c;
    return WM_OK;
}

static void simulated_copier_close(struct wm_copier *c)
{
    free(c);
}

static int begin(struct wm_copier *c, unsigned slot, struct work work, size_t bytes)
{
    const uint64_t now = wm_now_ns(), rate = c->conf.rate;
    const uint64_t free_ns = c->engine[work.engine].free_ns, start = free_ns > now ? free_ns : now;
    int *last = &c->engine[work.engine].last;

    work.open = true;
    work.next = -1;
    work.done_ns = start + c->conf.delay_ns + (rate > 0 ? (uint64_t)((double)bytes / (double)rate * 1e9) : 0);
    c->work[slot] = work;
    c->engine[work.engine].free_ns = work.done_ns;
    if (*last >= 0)
        c->work[*last].next = (int)slot;
    else
        c->engine[work.engine].first = (int)slot;
    *last = (int)slot;
    return WM_OK;
}

static void end_oldest(struct wm_copier *c, enum engine engine)
{
    struct work *w = &c->work[c->engine[engine].first];

    if (w->reduces)
        wm_reduce_host(w->to, w->from, w->n, w->type, w->op);
    else
        memcpy(w->to, w->from, w->n);
    w->open = false;
    c->engine[engine].first = w->next;
    if (w->next < 0)
        c->engine[engine].last = -1;
}

static int simulated_copy(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    const enum engine engine = range_of(to) == NULL ? FROM_DEVICE : range_of(from) == NULL ? TO_DEVICE : ON_DEVICE;
    return begin(c, slot, (struct work){ .engine = engine, .to = to, .from = from, .n = bytes }, bytes);
}

static int simulated_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count,
                            enum wm_dtype type, enum wm_redop op)
{
    const struct work work = {
        .reduces = true, .engine = ON_DEVICE, .to = to, .from = from, .n = count, .type = type, .op = op
    };
    return begin(c, slot, work, count * wm_dtype_bytes(type));
}

static int simulated_test(struct wm_copier *c, unsigned slot)
{
    struct work *w = &c->work[slot];
    const uint64_t now = wm_now_ns();

    while (w->open && c->work[c->engine[w->engine].first].done_ns <= now)
        end_oldest(c, w->engine);
    return w->open ? WM_EAGAIN : WM_OK;
}

const struct wm_mem wm_mem_simulated = {
    .name = "simulated",
    .summary = "a simulated device: no GPU, and nothing of it is a measurement",
    .options = options,
    .conf_bytes = sizeof(struct simulated_conf),
    .simulated = true,
    .probe = simulated_probe,
    .alloc = simulated_alloc,
    .free = simulated_free,
    .fill = simulated_fill,
    .check = simulated_check,
    .copier_open = simulated_copier_open,
    .copier_close = simulated_copier_close,
    .copy = simulated_copy,
    .reduce = simulated_reduce,
    .test = simulated_test,
};
