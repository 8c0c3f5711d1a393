#include "src/core/err.h"

#include <errno.h>
#include <stdlib.h>

#include "src/core/clock.h"
#include "src/core/dtype.h"
#include "tests/unit/check.h"

static void printed(const struct wm_err *err, char text[1024])
{
    FILE *file = tmpfile();
    size_t n = 0;
    if (CHECK(file != NULL)) {
        wm_err_print(file, err);
        rewind(file);
        n = fread(text, 1, 1023, file);
        fclose(file);
    }
    text[n] = '\0';
}

static void first_failure_wins(void)
{
    struct wm_err err = { 0 };
    CHECK_INT(wm_fail(&err, WM_EIO, "write", 28, "write %d bytes", 5), WM_EIO);
    CHECK_INT(wm_fail(&err, WM_EBUG, "other", 1, "something else"), WM_EIO);
    errno = ENOENT;
    CHECK_INT(wm_fail_errno(&err, "open", "again"), WM_EIO);
    CHECK_INT(err.native, 28);
    CHECK_INT(err.rank, -1);
    CHECK_TEXT(err.call, "write");
    CHECK_TEXT(err.native_text, "");
    CHECK_TEXT(err.what, "write 5 bytes");
}

static void errno_is_kept(void)
{
    struct wm_err err = { 0 };
    errno = ENOENT;
    CHECK_INT(wm_fail_errno(&err, "open", "read %s", "topology"), WM_ESYS);
    CHECK_INT(err.native, ENOENT);
    CHECK_TEXT(err.native_text, "No such file or directory");
    CHECK_TEXT(err.what, "read topology");
}

static void prints_one_line(void)
{
    char text[1024];
    struct wm_err err = { .code = WM_ESYS, .rank = -1, .what = "what" };
    printed(&err, text);
    CHECK_TEXT(text, "wiremark: what\n");
    err.rank = 3;
    strcpy(err.call, "call");
    printed(&err, text);
    CHECK_TEXT(text, "wiremark: rank 3: what (call)\n");
    strcpy(err.native_text, "native text");
    printed(&err, text);
    CHECK_TEXT(text, "wiremark: rank 3: what (call: native text)\n");
    err.call[0] = '\0';
    err.rank = 0;
    printed(&err, text);
    CHECK_TEXT(text, "wiremark: rank 0: what (native text)\n");
}

static void long_text_is_cut_visibly(void)
{
    struct wm_err err = { 0 };
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    wm_fail(&err, WM_EBUG, text, 0, "%s", text);
    CHECK_INT(strlen(err.what), sizeof(err.what) - 1);
    CHECK_TEXT(err.what + sizeof(err.what) - 5, "x...");
    CHECK_INT(strlen(err.call), sizeof(err.call) - 1);
}

static void exit_statuses(void)
{
    static const struct {
        enum wm_code code;
        int status;
    } rows[] = { { WM_OK, 0 },     { WM_EDATA, 1 },   { WM_ENOMEM, 1 }, { WM_ESYS, 1 },   { WM_EBUG, 1 },
                 { WM_EUSAGE, 2 }, { WM_EABSENT, 3 }, { WM_EIO, 3 },    { WM_EUNSUP, 3 }, { WM_ETIMEOUT, 124 } };
    static const int order[] = { 0, 3, 1, 124, 2 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_INT(wm_exit_status(rows[i].code), rows[i].status);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            CHECK_INT(wm_exit_worse(order[i], order[j]), order[i > j ? i : j]);
    CHECK_INT(wm_exit_worse(137, 3), 137);
    CHECK_INT(wm_exit_worse(124, 137), 124);
}

static void clock_is_measured(void)
{
    struct wm_clock clock = wm_clock_measure();
    uint64_t a = wm_now_ns(), b = wm_now_ns();
    CHECK(clock.cost_ns >= 0);
    CHECK(clock.resolution_ns > 0);
    CHECK(b >= a);
}

static void types_have_names_and_sizes(void)
{
    static const struct {
        const char *name;
        size_t bytes;
    } rows[WM_DTYPES] = { { "int8", 1 },   { "int32", 4 }, { "int64", 8 },   { "float", 4 },
                          { "double", 8 }, { "half", 2 },  { "bfloat16", 2 } };
    static const char *const ops[WM_REDOPS] = { "sum", "min", "max", "prod" };
    for (int i = 0; i < WM_DTYPES; i++) {
        CHECK_TEXT(wm_dtype_names[i], rows[i].name);
        CHECK_INT(wm_dtype_bytes((enum wm_dtype)i), rows[i].bytes);
    }
    for (int i = 0; i < WM_REDOPS; i++)
        CHECK_TEXT(wm_redop_names[i], ops[i]);
    CHECK(wm_dtype_names[WM_DTYPES] == NULL && wm_redop_names[WM_REDOPS] == NULL);
}

int main(void)
{
    first_failure_wins();
    errno_is_kept();
    prints_one_line();
    long_text_is_cut_visibly();
    exit_statuses();
    clock_is_measured();
    types_have_names_and_sizes();
    return wm_tests_end();
}
