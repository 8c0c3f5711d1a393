#include "src/mem/mem.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static void registry(void)
{
    CHECK(wm_mem_find("host") == &wm_mems[0]);
    CHECK(wm_mems[0].mem == &wm_mem_host && wm_mems[0].needs == NULL);
    CHECK(wm_mem_find("hots") == NULL);
    CHECK_TEXT(wm_mem_host.name, "host");
    CHECK(wm_mem_host.cpu_can_touch && !wm_mem_host.simulated);
    CHECK(wm_mem_host.test == NULL && wm_mem_host.copier_open == NULL && wm_mem_host.copier_close == NULL);
    struct wm_err err = { 0 };
    CHECK_INT(wm_mem_host.probe(&err), WM_OK);
}

static void allocates(void)
{
    static const size_t sizes[] = { 0, 1, 4096, 1000003 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct wm_buf buf = { 0 };
        struct wm_err err = { 0 };
        struct wm_wrong wrong = { 0 };
        struct wm_pattern poison = { .kind = WM_POISON };
        if (!CHECK_INT(wm_mem_host.alloc(-1, sizes[i], &buf, &err), WM_OK))
            continue;
        CHECK(buf.ptr != NULL && buf.dma == buf.ptr && buf.mem == &wm_mem_host);
        CHECK_INT((uintptr_t)buf.ptr % 4096, 0);
        CHECK_INT(buf.bytes, sizes[i]);
        CHECK_INT(buf.device, -1);
        CHECK_INT(wm_mem_host.check(&buf, 0, sizes[i], WM_INT8, poison, 0, &wrong, &err), WM_OK);
        CHECK_INT(wrong.elements, 0);
        wm_mem_host.free(&buf);
        CHECK(buf.ptr == NULL && buf.bytes == 0);
        wm_mem_host.free(&buf); /* nothing to do */
    }
}

static void refuses_what_is_too_much(void)
{
    struct wm_buf buf = { 0 };
    struct wm_err err = { 0 };
    CHECK_INT(wm_mem_host.alloc(-1, (size_t)1 << 62, &buf, &err), WM_ENOMEM);
    CHECK_TEXT(err.what, "no host memory for a buffer of 4.00 EiB");
    CHECK(buf.ptr == NULL);
}

static void fills_and_checks(void)
{
    struct wm_buf buf = { 0 };
    struct wm_err err = { 0 };
    struct wm_wrong wrong = { 0 };
    struct wm_pattern p = { .kind = WM_MOVED, .seed = 5, .rank = 1, .peer = 2, .round = 3 };
    if (!CHECK_INT(wm_mem_host.alloc(-1, 100000, &buf, &err), WM_OK))
        return;
    CHECK_INT(wm_mem_host.fill(&buf, 4000, 20000, WM_FLOAT, p, 0, &err), WM_OK);
    CHECK_INT(wm_mem_host.check(&buf, 4000, 20000, WM_FLOAT, p, 0, &wrong, &err), WM_OK);
    CHECK_INT(wrong.elements, 0);
    ((unsigned char *)buf.ptr)[4000 + 4 * 12345 + 2] ^= 1;
    CHECK_INT(wm_mem_host.check(&buf, 4000, 20000, WM_FLOAT, p, 0, &wrong, &err), WM_OK);
    CHECK_INT(wrong.elements, 1);
    CHECK_INT(wrong.first, 12345); /* from where the check began */
    CHECK_INT(((unsigned char *)buf.ptr)[3999], 0xa5);
    CHECK_INT(((unsigned char *)buf.ptr)[84000], 0xa5);

    CHECK_INT(wm_mem_host.fill(&buf, 4000, 24001, WM_FLOAT, p, 0, &err), WM_EBUG);
    CHECK_TEXT(err.what, "24001 elements of float from byte 4000 lie outside a host buffer of 100000 bytes");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_mem_host.check(&buf, 100001, 0, WM_FLOAT, p, 0, &wrong, &err), WM_EBUG);
    wm_mem_host.free(&buf);
}

static void copies_and_reduces(void)
{
    int32_t a[3] = { 1, 2, 3 }, b[3] = { 10, 20, 30 };
    CHECK_INT(wm_mem_host.reduce(NULL, 0, a, b, 3, WM_INT32, WM_SUM), WM_OK);
    CHECK(a[0] == 11 && a[1] == 22 && a[2] == 33);
    CHECK_INT(wm_mem_host.copy(NULL, 0, a, b, 8), WM_OK);
    CHECK(a[0] == 10 && a[1] == 20 && a[2] == 33);
}

int main(void)
{
    registry();
    allocates();
    refuses_what_is_too_much();
    fills_and_checks();
    copies_and_reduces();
    return wm_tests_end();
}
