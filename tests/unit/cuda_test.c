/**
 * GPU memory on GPUs that do not exist: the memory kinds pinned, device and managed, their copies and reductions, the
 * choice of a GPU and what is said of each way to fail, with the driver of tests/preload/cuda.c. The linker finds that
 * one in LD_LIBRARY_PATH, so the test starts itself anew with a folder of it there. Where there is a GPU, what needs no
 * faults runs on it, too.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/random.h"
#include "src/mem/cuda.h"
#include "src/mem/cuda_card.h"
#include "src/mem/cuda_device.h"
#include "src/mem/mem.h"
#include "tests/unit/check.h"

enum { BYTES = 1 << 16, SLOTS = 8 };

static const struct wm_mem *const gpu_kinds[] = { &wm_mem_device, &wm_mem_managed };

static int (*live)(void); /* what the driver still holds; tests/preload/cuda.c. NULL: the driver is NVIDIA's */

static bool find_live(void)
{
    void *library = dlopen(WM_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL); /* stays open, and so keeps count */
    void *address = library != NULL ? dlsym(library, "wm_cuda_live") : NULL;
    memcpy(&live, &address, sizeof(live));
    return live != NULL;
}

static void close_all(void)
{
    wm_cuda_close();
    if (live != NULL)
        CHECK_INT(live(), 0);
}

struct place {
    struct wm_buf gpu, host;
    struct wm_copier *copier;
};

static bool open_place(struct place *p, const struct wm_mem *mem)
{
    struct wm_err err = { .rank = -1 };
    memset(p, 0, sizeof(*p));
    CHECK_INT(mem->alloc(-1, BYTES, &p->gpu, &err), WM_OK);
    CHECK_INT(wm_mem_pinned.alloc(-1, BYTES, &p->host, &err), WM_OK);
    CHECK_INT(mem->copier_open(-1, SLOTS, NULL, &p->copier, &err), WM_OK);
    return CHECK_TEXT(err.what, "");
}

static void close_place(struct place *p)
{
    p->gpu.mem->copier_close(p->copier);
    p->gpu.mem->free(&p->gpu);
    wm_mem_pinned.free(&p->host);
    CHECK(p->gpu.ptr == NULL && p->host.ptr == NULL);
    close_all();
}

static void copy_now(struct place *p, void *to, const void *from, size_t bytes)
{
    int rc;
    CHECK_INT(p->gpu.mem->copy(p->copier, 0, to, from, bytes), WM_OK);
    while ((rc = p->gpu.mem->test(p->copier, 0)) == WM_EAGAIN)
        ;
    CHECK_INT(rc, WM_OK);
}

/* ---- Memory ---- */

static int end_of_touch(volatile char *at)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *at = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void allocates(void)
{
    static const size_t sizes[] = { 0, 1, 65536, 1000003 };
    const struct wm_pattern poison = { .kind = WM_POISON };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct wm_buf buf = { 0 };
            struct wm_err err = { .rank = -1 };
            struct wm_wrong wrong = { 0 };
            CHECK_INT(gpu_kinds[k]->alloc(-1, sizes[i], &buf, &err), WM_OK);
            CHECK(buf.ptr != NULL && buf.dma == buf.ptr && buf.mem == gpu_kinds[k] && !buf.mem->cpu_can_touch);
            CHECK_INT((uintptr_t)buf.ptr % 65536, 0);
            CHECK_INT(buf.bytes, sizes[i]);
            CHECK_INT(buf.device, 0);
            CHECK_INT(buf.mem->check(&buf, 0, sizes[i], WM_INT8, poison, 0, &wrong, &err), WM_OK);
            CHECK_INT(wrong.elements, 0);
            if (live != NULL) /* the stand-in's memory is forbidden: nothing above touched it */
                CHECK(end_of_touch(buf.ptr) != 0);
            buf.mem->free(&buf);
            CHECK(buf.ptr == NULL);
            gpu_kinds[k]->free(&buf); /* nothing to do */
        }
    close_all();
}

static void pinned_is_the_hosts(void)
{
    const struct wm_pattern p = { .kind = WM_MOVED, .seed = 1 };
    struct wm_buf buf = { 0 };
    struct wm_err err = { .rank = -1 };
    struct wm_wrong wrong = { 0 };
    int x[2] = { 1, 2 };
    CHECK(wm_mem_pinned.cpu_can_touch && wm_mem_pinned.test == NULL && wm_mem_pinned.copier_open == NULL);
    CHECK_INT(wm_mem_pinned.alloc(-1, 5000, &buf, &err), WM_OK);
    CHECK_INT((uintptr_t)buf.ptr % 4096, 0);
    CHECK_INT(((unsigned char *)buf.ptr)[4999], 0xa5);
    CHECK_INT(wm_mem_pinned.fill(&buf, 8, 100, WM_DOUBLE, p, 0, &err), WM_OK);
    ((char *)buf.ptr)[20] ^= 1;
    CHECK_INT(wm_mem_pinned.check(&buf, 8, 100, WM_DOUBLE, p, 0, &wrong, &err), WM_OK);
    CHECK_INT(wrong.elements, 1);
    CHECK_INT(wrong.first, 1);
    CHECK_INT(wm_mem_pinned.copy(NULL, 0, buf.ptr, x, sizeof(x)), WM_OK);
    CHECK_INT(wm_mem_pinned.reduce(NULL, 0, buf.ptr, x, 2, WM_INT32, WM_SUM), WM_OK);
    CHECK_INT(((int *)buf.ptr)[1], 4);
    CHECK_INT(wm_mem_pinned.fill(&buf, 4999, 1, WM_FLOAT, p, 0, &err), WM_EBUG);
    CHECK_HAS(err.what, "outside a pinned buffer of 5000 bytes");
    wm_mem_pinned.free(&buf);
    close_all();
}

/* ---- Fill and check ---- */

/* At an odd address, as the host's function fills it. */
static void one_fill(struct place *p, struct wm_pattern pattern, enum wm_dtype type, size_t offset)
{
    enum { COUNT = 1000 };
    const size_t bytes = COUNT * wm_dtype_bytes(type);
    struct wm_err err = { .rank = -1 };
    unsigned char want[COUNT * 8];
    CHECK_INT(p->gpu.mem->fill(&p->gpu, offset, COUNT, type, pattern, 77, &err), WM_OK);
    copy_now(p, p->host.ptr, p->gpu.dma, BYTES);
    wm_pattern_fill(want, COUNT, type, pattern, 77);
    CHECK(memcmp((char *)p->host.ptr + offset, want, bytes) == 0);
}

/* Spoils bytes and finds what the host's check finds. */
static void one_check(struct place *p, struct wm_pattern pattern, enum wm_dtype type, size_t offset, size_t spoiled)
{
    enum { COUNT = 1000 };
    const size_t bytes = wm_dtype_bytes(type);
    struct wm_err err = { .rank = -1 };
    struct wm_wrong got = { 0 }, want = { 0 };
    char *host = (char *)p->host.ptr + offset;
    wm_pattern_fill(host, COUNT, type, pattern, 5);
    host[spoiled * bytes] ^= 0x40;
    host[(COUNT - 1) * bytes] ^= 1;
    copy_now(p, p->gpu.dma, p->host.ptr, BYTES);
    wm_pattern_check(host, COUNT, type, pattern, 5, 0, &want);
    CHECK_INT(p->gpu.mem->check(&p->gpu, offset, COUNT, type, pattern, 5, &got, &err), WM_OK);
    CHECK_INT(got.elements, want.elements);
    CHECK_INT(got.first, spoiled);
    CHECK_TEXT(got.got, want.got);
    CHECK_TEXT(got.want, want.want);
    CHECK_INT(p->gpu.mem->check(&p->gpu, offset, COUNT, type, pattern, 5, &got, &err), WM_OK);
    CHECK_INT(got.elements, 2 * want.elements);
    CHECK_INT(got.first, spoiled); /* the first ever found stays */
}

static void fills_and_checks(void)
{
    static const struct wm_pattern patterns[] = {
        { .kind = WM_MOVED, .seed = 5, .rank = 1, .peer = 2, .round = 3 },
        { .kind = WM_OPERAND, .seed = 5, .rank = 1, .ranks = 6, .op = WM_SUM },
        { .kind = WM_REDUCED, .seed = 5, .ranks = 6, .op = WM_PROD },
        { .kind = WM_REDUCED, .seed = 5, .ranks = 6, .op = WM_MIN },
        { .kind = WM_IDENTITY, .op = WM_MAX },
        { .kind = WM_POISON },
    };
    static const size_t offsets[] = { 0, 64, 3 }, spoiled[] = { 0, 1, 2, 3, 257, 998 };
    for (int k = 0; k < 2; k++) {
        struct place p;
        if (!open_place(&p, gpu_kinds[k]))
            return;
        for (size_t n = 0; n < sizeof(patterns) / sizeof(patterns[0]); n++)
            for (int type = 0; type < WM_DTYPES; type++) {
                one_fill(&p, patterns[n], (enum wm_dtype)type, offsets[(n + (size_t)type) % 3]);
                for (size_t s = 0; s < sizeof(spoiled) / sizeof(spoiled[0]); s++)
                    one_check(&p, patterns[n], (enum wm_dtype)type, offsets[s % 3], spoiled[s]);
            }
        struct wm_err err = { .rank = -1 };
        CHECK_INT(p.gpu.mem->fill(&p.gpu, BYTES, 1, WM_FLOAT, patterns[0], 0, &err), WM_EBUG);
        close_place(&p);
    }
}

/* ---- Copies and reductions ---- */

/* Not before it is ready, in any order of asking; both directions and the device's own. */
static void copies_when_ready(void)
{
    struct place p;
    if (!open_place(&p, &wm_mem_device))
        return;
    char *host = p.host.ptr, *gpu = p.gpu.dma;
    for (int i = 0; i < 100; i++)
        host[i] = (char)i;
    setenv("WM_CUDA_DELAY", "2", 1);
    CHECK_INT(wm_mem_device.test(p.copier, 5), WM_OK); /* nothing begun */
    CHECK_INT(wm_mem_device.copy(p.copier, 5, gpu, host, 50), WM_OK);
    CHECK_INT(wm_mem_device.copy(p.copier, 1, gpu + 50, host + 50, 50), WM_OK);
    CHECK_INT(wm_mem_device.test(p.copier, 1), WM_EAGAIN);
    CHECK_INT(wm_mem_device.test(p.copier, 1), WM_EAGAIN);
    CHECK_INT(wm_mem_device.test(p.copier, 1), WM_OK);
    CHECK_INT(wm_mem_device.test(p.copier, 1), WM_OK); /* and stays so */
    CHECK_INT(wm_mem_device.test(p.copier, 5), WM_EAGAIN);
    CHECK_INT(wm_mem_device.test(p.copier, 5), WM_EAGAIN);
    CHECK_INT(wm_mem_device.test(p.copier, 5), WM_OK);
    setenv("WM_CUDA_DELAY", "0", 1);
    copy_now(&p, gpu + 1000, gpu, 100);
    CHECK_INT(wm_mem_device.copy(p.copier, 2, host + 500, gpu + 1000, 100), WM_OK);
    CHECK_INT(wm_mem_device.copy(p.copier, 3, gpu + 3000, host, 100), WM_OK); /* another stream */
    CHECK_INT(wm_mem_device.test(p.copier, 3), WM_OK);
    CHECK_INT((unsigned char)host[500], 0xa5); /* that of slot 2 has not run */
    CHECK_INT(wm_mem_device.test(p.copier, 2), WM_OK);
    CHECK(memcmp(host, host + 500, 100) == 0);
    CHECK_INT(wm_mem_device.copy(p.copier, 4, gpu, host, BYTES), WM_OK); /* closed while open: ends first */
    unsetenv("WM_CUDA_DELAY");
    close_place(&p);
}

/* By all processors and by one thread; not a byte beside. A chase from host memory, too. */
static void copies_by_kernels(void)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 4097, BYTES / 4 };
    struct place p;
    if (!open_place(&p, &wm_mem_device))
        return;
    unsigned char *host = p.host.ptr, *back = host + BYTES / 2;
    char *gpu = p.gpu.dma, *to = gpu + BYTES / 2;
    for (size_t i = 0; i < BYTES / 4; i++)
        host[i] = (unsigned char)(i * 7 + i / 251);
    copy_now(&p, gpu, host, BYTES / 4);
    wm_copy_call *const calls[] = { wm_mem_device.copy_by_kernel, wm_mem_device.copy_by_chase };
    for (int k = 0; k < 6; k++)
        for (int by = 0; by < 3; by++) {
            const size_t bytes = sizes[k];
            int rc = calls[by > 0](p.copier, 2, to, by == 2 ? (const char *)host : gpu, bytes);
            while (rc == WM_OK && (rc = wm_mem_device.test(p.copier, 2)) == WM_EAGAIN)
                rc = WM_OK;
            CHECK_INT(rc, WM_OK);
            copy_now(&p, back, to, BYTES / 4 + 1);
            CHECK(memcmp(back, host, bytes) == 0);
            CHECK_INT(back[bytes], 0xa5);
            memset(back, 0xa5, BYTES / 4 + 1);
            copy_now(&p, to, back, BYTES / 4 + 1);
        }
    close_place(&p);
}

static void one_reduction(struct place *p, enum wm_dtype type, enum wm_redop op, size_t to, size_t from, size_t count)
{
    static struct wm_random random = { 3 };
    const size_t bytes = count * wm_dtype_bytes(type), second = BYTES / 2;
    unsigned char *host = p->host.ptr, want[BYTES / 4];
    char *gpu = p->gpu.dma;
    for (size_t i = 0; i < BYTES; i++) /* exponents of the middle: no NaN, which may carry anything */
        host[i] = (unsigned char)(wm_random_next(&random) & 0x3f);
    memcpy(want, host + to, bytes);
    wm_reduce_host(want, host + second + from, count, type, op);
    copy_now(p, gpu, host, BYTES);
    CHECK_INT(p->gpu.mem->reduce(p->copier, 6, gpu + to, gpu + second + from, count, type, op), WM_OK);
    int rc;
    while ((rc = p->gpu.mem->test(p->copier, 6)) == WM_EAGAIN)
        ;
    CHECK_INT(rc, WM_OK);
    unsigned char edge[2] = { host[to - 1], host[to + bytes] };
    copy_now(p, host, gpu, BYTES);
    CHECK(memcmp(host + to, want, bytes) == 0);
    CHECK(edge[0] == host[to - 1] && edge[1] == host[to + bytes]);
}

static void reduces(void)
{
    struct place p;
    if (!open_place(&p, &wm_mem_managed))
        return;
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++) {
            one_reduction(&p, (enum wm_dtype)type, (enum wm_redop)op, 64, 0, 1000);
            one_reduction(&p, (enum wm_dtype)type, (enum wm_redop)op, 8, 24, 1);
            one_reduction(&p, (enum wm_dtype)type, (enum wm_redop)op, 3, 1, 37);
        }
    close_place(&p);
}

/* Each on its own, in any order, though another library left another context current. */
static void two_devices(void)
{
    struct wm_buf a = { 0 }, b = { 0 };
    struct wm_copier *c[2] = { NULL, NULL };
    struct wm_err err = { .rank = -1 };
    setenv("WM_CUDA_DEVICES", "2", 1);
    CHECK_INT(wm_mem_device.alloc(1, 100, &b, &err), WM_OK);
    CHECK_INT(wm_mem_device.copier_open(1, 1, NULL, &c[1], &err), WM_OK);
    CHECK_INT(wm_mem_device.alloc(0, 100, &a, &err), WM_OK);
    CHECK_INT(wm_mem_device.copier_open(0, 1, NULL, &c[0], &err), WM_OK);
    CHECK_INT(a.device, 0);
    CHECK_INT(b.device, 1);
    CHECK_INT(wm_mem_device.copy(c[1], 0, b.dma, a.dma, 100), WM_OK);
    CHECK_INT(wm_mem_device.reduce(c[1], 0, b.dma, a.dma, 10, WM_FLOAT, WM_SUM), WM_OK);
    CHECK_INT(wm_mem_device.test(c[1], 0), WM_OK);
    wm_mem_device.copier_close(c[1]);
    wm_mem_device.copier_close(c[0]);
    wm_mem_device.copier_close(NULL);
    wm_mem_device.free(&b);
    wm_mem_device.free(&a);
    unsetenv("WM_CUDA_DEVICES");
    close_all();
}

/* ---- Which GPU ---- */

static void selects(void)
{
    static const struct {
        const char *wanted;
        int local_rank, index, code;
        const char *what;
    } cases[] = {
        { "auto", 0, 0, WM_OK, "" },
        { "auto", -1, 0, WM_OK, "" },
        { "auto", 2, 2, WM_OK, "" },
        { "auto", 4, 1, WM_OK, "" },
        { "2", 0, 2, WM_OK, "" },
        { "2,0", 1, 0, WM_OK, "" },
        { "2,0", 2, 2, WM_OK, "" },
        { "GPU-cd02", 0, 2, WM_OK, "" },
        { "gpu-AB01,2", 0, 1, WM_OK, "" },
        { "0,GPU-ab010000-0000-0000-0000-0000000000ee", 1, 1, WM_OK, "" },
        { "0000:A1:00.0", 0, 1, WM_OK, "" },
        { "3", 0, 0, WM_EABSENT, "there is no GPU 3 on host " },
        { "0,7", 3, 0, WM_EABSENT, "3 can be seen, counted from 0" },
        { "GPU-ab", 0, 0, WM_EUSAGE, "--gpu: GPU-ab is the beginning of more than one GPU's UUID" },
        { "GPU-ee", 0, 0, WM_EABSENT, "there are GPU-ab000000-0000-0000-0000-0000000000ee, GPU-ab01" },
        { "0000:b1:00.0", 0, 0, WM_EABSENT, "there is no GPU 0000:b1:00.0 on host " },
        { "first", 0, 0, WM_EUSAGE, "--gpu: 'first' is no GPU: name it by index, by UUID" },
        { "0,auto", 0, 0, WM_EUSAGE, "--gpu: 'auto' is no GPU" },
        { "0,,1", 0, 0, WM_EUSAGE, "--gpu: '' is no GPU" },
        { "", 0, 0, WM_EUSAGE, "--gpu: '' is no GPU" },
        { "-1", 0, 0, WM_EUSAGE, "--gpu: '-1' is no GPU" },
        { "99999999999", 0, 0, WM_EUSAGE, "--gpu: '99999999999' is no GPU" },
    };
    setenv("WM_CUDA_DEVICES", "3", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_cuda_gpu gpu = { .index = -7 };
        struct wm_err err = { .rank = -1 };
        CHECK_INT(wm_cuda_select(cases[i].wanted, cases[i].local_rank, &gpu, &err), cases[i].code);
        CHECK_HAS(err.what, cases[i].what);
        CHECK_INT(gpu.index, cases[i].code == WM_OK ? cases[i].index : -7);
        CHECK_INT(wm_cuda_selected(), cases[i].code == WM_OK ? cases[i].index : 0);
        close_all();
    }
    unsetenv("WM_CUDA_DEVICES");
}

static void describes(void)
{
    struct wm_cuda_gpu gpu;
    struct wm_buf buf = { 0 };
    struct wm_err err = { .rank = -1 };
    size_t free_bytes = 0;
    setenv("WM_CUDA_DEVICES", "2", 1);
    CHECK_INT(wm_cuda_select("1", 0, &gpu, &err), WM_OK);
    CHECK_INT(gpu.visible, 2);
    CHECK_TEXT(gpu.name, "Stand-in 1");
    CHECK_TEXT(gpu.uuid, "GPU-ab010000-0000-0000-0000-0000000000ee");
    CHECK_TEXT(gpu.address, "0000:a1:00.0");
    CHECK(!gpu.mig && gpu.managed);
    CHECK_INT(gpu.total_bytes, 1 << 30);
    CHECK_INT(wm_mem_device.alloc(-1, 1 << 20, &buf, &err), WM_OK);
    CHECK_INT(buf.device, 1); /* the selected one */
    CHECK_INT(wm_cuda_free_bytes(-1, &free_bytes, &err), WM_OK);
    CHECK(free_bytes < (1 << 30) - (1 << 20) && free_bytes > (1 << 30) - (2 << 20));
    wm_mem_device.free(&buf);
    setenv("WM_CUDA_MIG", "1", 1);
    CHECK_INT(wm_cuda_describe(0, &gpu, &err), WM_OK);
    CHECK(gpu.mig);
    CHECK_TEXT(gpu.uuid, "MIG-ab000000-0000-0000-0000-000000000011");
    CHECK_INT(wm_cuda_select("MIG-ab01", 0, &gpu, &err), WM_OK);
    CHECK_INT(gpu.index, 1);
    unsetenv("WM_CUDA_MIG");
    unsetenv("WM_CUDA_DEVICES");
    CHECK_TEXT(getenv("CUDA_DEVICE_ORDER"), "PCI_BUS_ID");
    close_all();
}

/* ---- What cannot be ---- */

static void absent(void)
{
    static const struct {
        const char *variable, *value, *what, *native;
    } cases[] = {
        { "WM_CUDA_VERSION", "12040",
          "the NVIDIA driver serves CUDA 12.4 at most, and this wiremark was built with CUDA 13.0: update the driver",
          "" },
        { "WM_CUDA_DEVICES", "0", "no GPU can be seen: see nvidia-smi -L; one in MIG mode needs an instance", "" },
        { "CUDA_VISIBLE_DEVICES", "", "no GPU can be seen: CUDA_VISIBLE_DEVICES is \"\"", "" },
        { "WM_CUDA_FAIL", "cuInit=100", "no GPU can be seen", "" },
        { "WM_CUDA_FAIL", "cuInit=802", "CUDA does not start; the NVLink switches are not set up", "unknown status" },
        { "WM_CUDA_FAIL", "cuInit=34", "this libcuda.so.1 is the toolkit's stub", "" },
        { "WM_CUDA_FAIL", "cuInit=803", "library and its kernel module differ", "" },
        { "WM_CUDA_FAIL", "cuInit=999", "see dmesg, and whether nvidia-smi works", "" },
        { "WM_CUDA_FAIL", "cuDeviceGetCount=719", "CUDA does not start", "CUDA_ERROR_LAUNCH_FAILED: unspecified" },
        { "WM_CUDA_FAIL", "cuDriverGetVersion=999", "the driver does not say its version", "" },
    };
    const struct wm_mem *kinds[] = { &wm_mem_pinned, &wm_mem_device, &wm_mem_managed };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv(cases[i].variable, cases[i].value, 1);
        for (int k = 0; k < 3; k++) {
            struct wm_err probe = { .rank = -1 }, err = { .rank = -1 };
            struct wm_buf buf = { 0 };
            CHECK_INT(kinds[k]->probe(&probe), WM_EABSENT);
            CHECK_HAS(probe.what, cases[i].what);
            CHECK_HAS(probe.native_text, cases[i].native);
            CHECK_INT(kinds[k]->alloc(0, 100, &buf, &err), WM_EABSENT); /* the same, not asked again */
            CHECK_TEXT(err.what, probe.what);
        }
        unsetenv(cases[i].variable);
        close_all();
    }
}

static void absent_of_one_kind(void)
{
    struct wm_err err = { .rank = -1 };
    struct wm_buf buf = { 0 };
    CHECK_INT(wm_mem_managed.probe(&err), WM_OK);
    CHECK_INT(wm_mem_device.alloc(1, 100, &buf, &err), WM_EABSENT);
    CHECK_HAS(err.what, "there is no GPU 1 on host ");
    CHECK_HAS(err.what, ": 1 can be seen, counted from 0");
    close_all();
    setenv("WM_CUDA_UNMANAGED", "1", 1);
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_mem_managed.probe(&err), WM_EABSENT);
    CHECK_TEXT(err.what, "GPU 0 (Stand-in 0) has no managed memory");
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_mem_managed.alloc(-1, 100, &buf, &err), WM_EUNSUP);
    CHECK_TEXT(err.what, "GPU 0 has no managed memory");
    unsetenv("WM_CUDA_UNMANAGED");
    close_all();
    wm_cuda_image.code = NULL;
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_cuda_probe(&err), WM_EABSENT);
    CHECK_HAS(err.what, "built without CUDA");
    wm_cuda_image.code = "code";
    close_all();
}

/* Every call that memory and copies need, failing: one error that names it, and nothing left behind. */
static void each_call_fails(void)
{
    static const struct {
        const char *fail, *call, *what;
        int kind, code;
    } cases[] = {
        { "cuDeviceGet=101", "cuDeviceGet", "GPU 0 cannot be used", 0, WM_ESYS },
        { "cuDevicePrimaryCtxRetain=46", "cuDevicePrimaryCtxRetain", "exclusive compute mode", 0, WM_ESYS },
        { "cuDevicePrimaryCtxRetain=2", "cuDevicePrimaryCtxRetain", "GPU 0 cannot be used", 0, WM_ENOMEM },
        { "cuCtxSetCurrent=709", "cuCtxSetCurrent", "GPU 0 cannot be used", 0, WM_ESYS },
        { "cuModuleLoadData=209", "cuModuleLoadData", "with a CUDA toolkit that knows this GPU", 0, WM_ESYS },
        { "cuModuleLoadData=222", "cuModuleLoadData", "with the driver's version of CUDA", 0, WM_ESYS },
        { "cuModuleGetFunction=500@2", "cuModuleGetFunction", "kernels of GPU 0 cannot be loaded", 0, WM_ESYS },
        { "cuStreamCreate=2", "cuStreamCreate", "kernels of GPU 0 cannot be loaded", 0, WM_ENOMEM },
        { "cuMemAlloc_v2=2", "cuMemAlloc", "kernels of GPU 0 cannot be loaded", 0, WM_ENOMEM },
        { "cuMemAlloc_v2=2@2", "cuMemAlloc", "no device memory of 64.0 KiB on GPU 0, where ", 0, WM_ENOMEM },
        { "cuMemsetD8Async=719", "cuMemsetD8Async", "GPU 0 cannot write its memory; the GPU may be lost", 0, WM_ESYS },
        { "cuStreamSynchronize=214", "cuStreamSynchronize", "the GPU's memory is damaged", 0, WM_ESYS },
        { "cuStreamCreate=719@3", "cuStreamCreate", "GPU 0 cannot be made ready for copies", 0, WM_ESYS },
        { "cuEventCreate=2@5", "cuEventCreate", "GPU 0 cannot be made ready for copies", 0, WM_ENOMEM },
        { "cuMemGetInfo_v2=999", "cuMemGetInfo", "the free memory of GPU 0 is not known", 1, WM_ESYS },
        { "cuMemAllocManaged=801", "cuMemAllocManaged", "no managed memory of 64.0 KiB on GPU 0", 1, WM_ESYS },
        { "cuMemAdvise=101", "cuMemAdvise", "managed memory cannot be kept on GPU 0", 1, WM_ESYS },
        { "cuMemHostAlloc=2", "cuMemHostAlloc", "no pinned host memory of 64.0 KiB for GPU 0", 2, WM_ENOMEM },
        { "cuLaunchKernel=719", "cuLaunchKernel", "GPU 0 cannot fill its memory; the GPU may be lost", 0, WM_ESYS },
    };
    const struct wm_mem *kinds[] = { &wm_mem_device, &wm_mem_managed, &wm_mem_pinned };
    const struct wm_pattern p = { .kind = WM_MOVED };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct wm_mem *mem = kinds[cases[i].kind];
        struct wm_buf buf = { 0 };
        struct wm_copier *copier = NULL;
        struct wm_err err = { .rank = -1 };
        setenv("WM_CUDA_FAIL", cases[i].fail, 1);
        if (mem->alloc(-1, BYTES, &buf, &err) == WM_OK && mem->copier_open != NULL &&
            mem->copier_open(-1, SLOTS, NULL, &copier, &err) == WM_OK)
            mem->fill(&buf, 0, 100, WM_FLOAT, p, 0, &err);
        unsetenv("WM_CUDA_FAIL");
        CHECK_INT(err.code, cases[i].code);
        CHECK_TEXT(err.call, cases[i].call);
        CHECK_HAS(err.what, cases[i].what);
        CHECK(err.native > 0 && err.native_text[0] != '\0');
        wm_mem_device.copier_close(copier);
        mem->free(&buf);
        close_all();
    }
}

/* The stand-in refuses pinned memory whose pages would come from elsewhere. */
static void pinned_next_to_the_gpu(void)
{
    struct wm_err err = { .rank = -1 };
    struct wm_buf buf = { 0 };
    unsigned long nodes[16] = { 0 };
    int mode = -1;
    if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) != 0) {
        wm_skipped++; /* nobody may choose where pages come from */
        return;
    }
    setenv("WM_CUDA_NUMA", "0", 1);
    CHECK_INT(wm_mem_pinned.alloc(-1, 1 << 16, &buf, &err), WM_OK);
    CHECK_INT(syscall(SYS_get_mempolicy, &mode, nodes, 1024, NULL, 0), 0);
    CHECK_INT(mode, MPOL_DEFAULT); /* as before */
    wm_mem_pinned.free(&buf);
    unsetenv("WM_CUDA_NUMA");
    close_all();
}

static void out_of_memory(void)
{
    struct wm_err err = { .rank = -1 };
    struct wm_buf buf = { 0 };
    setenv("WM_CUDA_FREE", "1048576", 1);
    CHECK_INT(wm_mem_device.alloc(-1, 2 << 20, &buf, &err), WM_ENOMEM);
    CHECK_HAS(err.what, "no device memory of 2.00 MiB on GPU 0, where ");
    CHECK_TEXT(err.native_text, "CUDA_ERROR_OUT_OF_MEMORY: out of memory");
    CHECK_INT(err.native, 2);
    err = (struct wm_err){ .rank = -1 };
    setenv("WM_CUDA_FAIL", "cuMemAllocManaged=1", 1); /* it is not even asked for */
    CHECK_INT(wm_mem_managed.alloc(-1, 2 << 20, &buf, &err), WM_ENOMEM);
    CHECK_HAS(err.what, "no managed memory of 2.00 MiB on GPU 0, where ");
    CHECK(buf.ptr == NULL);
    unsetenv("WM_CUDA_FAIL");
    unsetenv("WM_CUDA_FREE");
    close_all();
}

/* In mid-copy: codes on the way, the story afterwards, of the first failure. */
static void lost(void)
{
    static const struct {
        const char *fail, *call;
    } cases[] = {
        { "cuEventQuery=719@2", "cuEventQuery" },     { "cuMemcpyAsync=719", "cuMemcpyAsync" },
        { "cuLaunchKernel=719", "cuLaunchKernel" },   { "cuEventRecord=719", "cuEventRecord" },
        { "cuCtxSetCurrent=719", "cuCtxSetCurrent" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct place p;
        struct wm_err err = { .rank = -1 };
        int rc = WM_OK;
        if (!open_place(&p, &wm_mem_device))
            return;
        wm_mem_device.why(p.copier, &err);
        CHECK_INT(err.code, WM_OK);
        setenv("WM_CUDA_FAIL", cases[i].fail, 1);
        for (unsigned s = 0; s < 3 && rc == WM_OK; s++) {
            rc = wm_mem_device.copy(p.copier, s, p.gpu.dma, p.host.ptr, 100);
            rc = rc == WM_OK ? wm_mem_device.reduce(p.copier, s, p.gpu.dma, p.gpu.dma, 10, WM_FLOAT, WM_SUM) : rc;
            rc = rc == WM_OK ? wm_mem_device.test(p.copier, s) : rc;
        }
        CHECK_INT(rc, WM_ESYS);
        wm_mem_device.copy(p.copier, 7, p.gpu.dma, p.host.ptr, 100); /* whatever comes then */
        unsetenv("WM_CUDA_FAIL");
        wm_mem_device.why(p.copier, &err);
        CHECK_TEXT(err.call, cases[i].call);
        CHECK_HAS(err.what, "a copy or reduction of GPU 0 failed; the GPU may be lost: dmesg | grep Xid says why");
        CHECK_TEXT(err.native_text, "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure");
        close_place(&p);
    }
}

/* ---- For cards ---- */

static void flush_by_attributes(void)
{
    static const struct {
        struct wm_cuda_card gpu;
        enum wm_cuda_flush want;
    } cases[] = {
        { { .has_flush = true, .flush_options = 1 }, WM_CUDA_FLUSH_CALL },
        { { .has_flush = true, .flush_options = 3, .writes_ordering = 99 }, WM_CUDA_FLUSH_CALL },
        { { .has_flush = true, .flush_options = 2 }, WM_CUDA_FLUSH_READ }, /* by memory operations of streams only */
        { { .flush_options = 1 }, WM_CUDA_FLUSH_READ },
        { { .has_flush = true, .flush_options = 1, .writes_ordering = 100 }, WM_CUDA_FLUSH_NONE },
        { { .writes_ordering = 200 }, WM_CUDA_FLUSH_NONE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(wm_cuda_flush_of(&cases[i].gpu), cases[i].want);
}

static void for_cards(void)
{
    struct wm_err err = { .rank = -1 };
    struct wm_cuda_card gpu;
    struct wm_cuda_dmabuf d = { -1, 1 };
    struct wm_buf buf = { 0 };
    struct stat file;
    setenv("WM_CUDA_ORDERING", "0", 1);
    setenv("WM_CUDA_DMABUF", "0", 1);
    CHECK_INT(wm_cuda_card(&gpu, &err), WM_OK);
    CHECK(gpu.handle == 10 && gpu.index == 0 && gpu.gpudirect && !gpu.dmabuf && gpu.has_handle && gpu.has_flush);
    CHECK(gpu.flush_options == 1 && gpu.writes_ordering == 0);
    CHECK_INT(wm_mem_device.alloc(-1, 5000, &buf, &err), WM_OK);
    CHECK_INT(wm_cuda_dmabuf(&gpu, &buf, &d, &err), WM_OK);
    CHECK(d.offset == 0 && fstat(d.fd, &file) == 0 && file.st_size == 8192);
    close(d.fd);
    CHECK_INT(wm_cuda_flush(gpu.device, &err), WM_OK);
    setenv("WM_CUDA_FAIL", "cuFlushGPUDirectRDMAWrites=719", 1);
    CHECK_INT(wm_cuda_flush(gpu.device, &err), WM_ESYS);
    CHECK_HAS(err.what, "what a card wrote into GPU 0 cannot be made visible to it");
    CHECK_TEXT(err.call, "cuFlushGPUDirectRDMAWrites");
    err = (struct wm_err){ .rank = -1 };
    setenv("WM_CUDA_FAIL", "cuMemGetHandleForAddressRange=801", 1);
    CHECK_INT(wm_cuda_dmabuf(&gpu, &buf, &d, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "no dma-buf of 5000 bytes of GPU 0");
    CHECK(err.native == 801 && strcmp(err.call, "cuMemGetHandleForAddressRange") == 0);
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_cuda_card_takes(&wm_mem_device, &err), WM_OK);
    CHECK_INT(wm_cuda_card_takes(&wm_mem_managed, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "managed memory moves between GPU and node, and no card can be given it");
    unsetenv("WM_CUDA_FAIL");
    unsetenv("WM_CUDA_DMABUF");
    unsetenv("WM_CUDA_ORDERING");
    wm_mem_device.free(&buf);
    close_all();
}

/* ---- Starting ---- */

static void no_library(void)
{
    struct wm_cuda_driver cu = { 0 };
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_cuda_driver_open("libcuda-that-is-not.so.1", &cu, &err), WM_EABSENT);
    CHECK_HAS(err.what, "no NVIDIA driver: libcuda-that-is-not.so.1: cannot open shared object file");
    err = (struct wm_err){ .rank = -1 };
    CHECK_INT(wm_cuda_driver_open("libm.so.6", &cu, &err), WM_EABSENT);
    CHECK_TEXT(err.what, "libm.so.6 has no function cuGetErrorName: the driver is too old, update it");
}

/* What nvcc made is a fat binary; rows of the registry go with it. */
static void built_in(void)
{
    static const unsigned char magic[] = { 0x50, 0xed, 0x55, 0xba };
    const bool built = wm_cuda_image.code != NULL;
    CHECK(!built || (memcmp(wm_cuda_image.code, magic, sizeof(magic)) == 0 && wm_cuda_image.toolkit >= 11040));
    CHECK((wm_mem_find("device")->mem == &wm_mem_device) == built);
    CHECK((wm_mem_find("pinned")->needs == NULL) == built);
    CHECK((wm_mem_find("managed")->mem != NULL) == built);
}

static void with_the_stand_in(void)
{
    if (!CHECK(find_live()))
        return;
    wm_cuda_image = (struct wm_cuda_image){ "code", 13000 };
    allocates();
    pinned_is_the_hosts();
    fills_and_checks();
    copies_when_ready();
    copies_by_kernels();
    reduces();
    two_devices();
    selects();
    describes();
    absent();
    absent_of_one_kind();
    each_call_fails();
    pinned_next_to_the_gpu();
    out_of_memory();
    lost();
    flush_by_attributes();
    for_cards();
}

/* Prints the GPU, so that a log says on what it ran. */
static int with_a_gpu(void)
{
    struct wm_cuda_gpu gpu;
    struct wm_err err = { .rank = -1 };
    char text[WM_ERR_TEXT_BYTES];
    if (wm_cuda_select("auto", 0, &gpu, &err) != WM_OK) {
        printf("no GPU: %s\n", wm_err_text(&err, text, sizeof(text)));
        return err.code == WM_EABSENT ? 77 : 1;
    }
    printf("on %s, %s\n", gpu.name, gpu.uuid);
    allocates();
    pinned_is_the_hosts();
    fills_and_checks();
    copies_by_kernels();
    reduces();
    printf("%s: %d checks passed, %d failed\n", gpu.name, wm_passed, wm_failed);
    return wm_failed != 0 || wm_passed == 0;
}

static int start_anew(const char *self, const char *word, const char *folder)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (folder != NULL) {
            setenv("LD_LIBRARY_PATH", folder, 1);
            unsetenv("CUDA_VISIBLE_DEVICES");
            unsetenv("CUDA_DEVICE_ORDER");
        }
        execl(self, self, word, (char *)NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
    char self[PATH_MAX], path[PATH_MAX], built[PATH_MAX], folder[] = "/tmp/wiremark-cuda-XXXXXX", link[PATH_MAX];
    if (argc > 1 && strcmp(argv[1], "gpu") == 0)
        return with_a_gpu();
    if (argc > 1) {
        with_the_stand_in();
        printf("stand-in: %d checks passed, %d failed\n", wm_passed, wm_failed);
        return wm_failed != 0 || wm_passed == 0;
    }
    no_library();
    built_in();
    if (!CHECK(realpath("/proc/self/exe", self) != NULL) || !CHECK(mkdtemp(folder) != NULL))
        return wm_tests_end();
    snprintf(path, sizeof(path), "%s", self);
    snprintf(built, sizeof(built), "%.3000s/../preload/cuda.so", dirname(path));
    snprintf(link, sizeof(link), "%s/libcuda.so.1", folder);
    if (realpath(built, path) != NULL && CHECK_INT(symlink(path, link), 0))
        CHECK_INT(start_anew(self, "stand-in", folder), 0);
    else
        wm_skipped++;
    unlink(link);
    rmdir(folder);
    int status = start_anew(self, "gpu", NULL);
    wm_skipped += status == 77;
    CHECK(status == 0 || status == 77);
    return wm_tests_end();
}
