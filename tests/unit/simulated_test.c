/** The simulated device: the CPU cannot touch it, and its engines move data when their time has passed, in order. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/mem/mem.h"
#include "tests/unit/check.h"

enum { BYTES = 1 << 16 };

/* As the kind's own option rows lay it out. */
static void *conf_of(uint64_t rate, uint64_t delay_ns)
{
    char *conf = calloc(1, wm_mem_simulated.conf_bytes);
    for (const struct wm_option *row = wm_mem_simulated.options; row->name != NULL; row++)
        memcpy(conf + row->offset, strcmp(row->name, "sim-device-rate") == 0 ? &rate : &delay_ns, sizeof(rate));
    return conf;
}

struct place {
    struct wm_buf device, host;
    struct wm_copier *copier;
};

static void open_place(struct place *p, uint64_t rate, uint64_t delay_ns)
{
    struct wm_err err = { .rank = -1 };
    void *conf = conf_of(rate, delay_ns);
    CHECK_INT(wm_mem_simulated.alloc(0, BYTES, &p->device, &err), WM_OK);
    CHECK_INT(wm_mem_host.alloc(-1, BYTES, &p->host, &err), WM_OK);
    CHECK_INT(wm_mem_simulated.copier_open(0, 8, conf, &p->copier, &err), WM_OK);
    free(conf);
}

static void close_place(struct place *p)
{
    wm_mem_simulated.copier_close(p->copier);
    wm_mem_simulated.free(&p->device);
    wm_mem_host.free(&p->host);
}

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

static void a_touch_crashes(void)
{
    struct place p;
    open_place(&p, 0, 0);
    CHECK(!wm_mem_simulated.cpu_can_touch && wm_mem_simulated.simulated);
    CHECK(p.device.ptr != p.device.dma);
    CHECK(end_of_touch(p.device.ptr) != 0);
    CHECK(end_of_touch((char *)p.device.ptr + BYTES - 1) != 0);
    CHECK_INT(end_of_touch(p.device.dma), 0);
    close_place(&p);
    CHECK(p.device.ptr == NULL && p.device.dma == NULL);
}

static void fills_and_checks(void)
{
    struct place p;
    struct wm_err err = { .rank = -1 };
    struct wm_wrong wrong = { 0 };
    const struct wm_pattern pattern = { .kind = WM_MOVED, .seed = 5, .rank = 1, .peer = 2, .round = 3 };
    open_place(&p, 0, 0);
    CHECK_INT(wm_mem_simulated.fill(&p.device, 400, 2000, WM_FLOAT, pattern, 0, &err), WM_OK);
    CHECK_INT(wm_mem_simulated.check(&p.device, 400, 2000, WM_FLOAT, pattern, 0, &wrong, &err), WM_OK);
    CHECK_INT(wrong.elements, 0);
    ((char *)p.device.dma)[444] ^= 1;
    CHECK_INT(wm_mem_simulated.check(&p.device, 400, 2000, WM_FLOAT, pattern, 0, &wrong, &err), WM_OK);
    CHECK_INT(wrong.elements, 1);
    CHECK_INT(wrong.first, 11);
    CHECK_INT(wm_mem_simulated.fill(&p.device, BYTES, 1, WM_FLOAT, pattern, 0, &err), WM_EBUG);
    close_place(&p);
}

static void end(const struct place *p, unsigned slot)
{
    int rc;
    while ((rc = wm_mem_simulated.test(p->copier, slot)) == WM_EAGAIN)
        ;
    CHECK_INT(rc, WM_OK);
}

/* Until the time has passed nothing has moved: who reads too early reads what was there before. */
static void moves_when_its_time_has_passed(void)
{
    struct place p;
    char *host, *device;
    open_place(&p, 0, 20000000);
    host = p.host.ptr;
    device = p.device.dma;
    memset(host, 7, BYTES);
    memset(device, 9, BYTES);
    CHECK_INT(wm_mem_simulated.copy(p.copier, 0, device, host, 100), WM_OK);
    CHECK_INT(wm_mem_simulated.copy(p.copier, 1, host + 1000, device + 1000, 100), WM_OK);
    CHECK_INT(wm_mem_simulated.test(p.copier, 0), WM_EAGAIN);
    CHECK(device[0] == 9 && host[1000] == 7);
    end(&p, 1);
    CHECK(host[1000] == 9 && host[1099] == 9 && host[1100] == 7);
    end(&p, 0);
    CHECK(device[0] == 7 && device[99] == 7 && device[100] == 9);
    CHECK_INT(wm_mem_simulated.test(p.copier, 0), WM_OK); /* and stays so */
    close_place(&p);
}

/* One engine works in the order of the posts: the last of a chain of copies over each other wins, whichever slot is
 * asked first. */
static void an_engine_keeps_its_order(void)
{
    struct place p;
    open_place(&p, (uint64_t)1 << 40, 1000);
    for (int k = 0; k < 8; k++)
        ((char *)p.host.ptr)[k] = (char)k;
    for (unsigned k = 0; k < 8; k++)
        CHECK_INT(wm_mem_simulated.copy(p.copier, 7 - k, p.device.dma, (char *)p.host.ptr + k, 1), WM_OK);
    end(&p, 0); /* the last post */
    CHECK_INT(((char *)p.device.dma)[0], 7);
    for (unsigned k = 0; k < 8; k++)
        CHECK_INT(wm_mem_simulated.test(p.copier, k), WM_OK);
    close_place(&p);
}

static void reduces(void)
{
    struct place p;
    int32_t *to, *from;
    open_place(&p, 0, 1000);
    to = p.device.dma;
    from = to + 100;
    for (int k = 0; k < 10; k++) {
        to[k] = k;
        from[k] = 100 * k;
    }
    CHECK_INT(wm_mem_simulated.reduce(p.copier, 3, to, from, 10, WM_INT32, WM_SUM), WM_OK);
    end(&p, 3);
    for (int k = 0; k < 10; k++)
        CHECK_INT(to[k], 101 * k);
    close_place(&p);
}

static void refuses_what_is_too_much(void)
{
    struct wm_buf buf = { 0 };
    struct wm_err err = { .rank = -1 };
    wm_mem_simulated.alloc(0, (size_t)1 << 62, &buf, &err);
    CHECK(err.code != WM_OK);
    CHECK_HAS(err.what, "no simulated device memory of 4.00 EiB");
    CHECK(buf.dma == NULL);
    wm_mem_simulated.free(&buf);
}

int main(void)
{
    a_touch_crashes();
    fills_and_checks();
    moves_when_its_time_has_passed();
    an_engine_keeps_its_order();
    reduces();
    refuses_what_is_too_much();
    return wm_tests_end();
}
