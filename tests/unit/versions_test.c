/* Versions of kernel, driver and libraries: from files that look like the libraries, and from recorded machines. */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "src/topo/versions.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/wiremark-versions-XXXXXX";

static const char *below(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *content, size_t bytes)
{
    FILE *file = fopen(below(name), "w");
    if (CHECK(file != NULL)) {
        CHECK_INT(fwrite(content, 1, bytes, file), bytes);
        CHECK_INT(fclose(file), 0);
    }
}

static void test_compare(void)
{
    static const struct {
        const char *a, *b;
        int sign;
    } cases[] = {
        { "1.9", "1.17", -1 },
        { "1.17.0", "1.17", 0 },
        { "2.28.9", "2.28.10", -1 },
        { "44.0", "46", -1 },
        { "2.0", "1.99.99", 1 },
        { "", "0.1", -1 },
        { "1.20.0amzn1.0", "1.20", 1 },
        { "v1.2", "1.2", 0 },
        { "", "", 0 },
        { "535.129.03", "535.129.3", 0 },
        { "1.2rc1", "1.2rc2", -1 },
        { "99999999999999999999", "1", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = wm_version_compare(cases[i].a, cases[i].b), back = wm_version_compare(cases[i].b, cases[i].a);
        if (!CHECK((got > 0) - (got < 0) == cases[i].sign) || !CHECK((back > 0) - (back < 0) == -cases[i].sign))
            printf("  \"%s\" and \"%s\"\n", cases[i].a, cases[i].b);
    }
}

static void test_list(void)
{
    struct wm_versions v = { .n = 0 };
    char name[16], long_text[300];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    wm_versions_add(&v, "mpi", "");
    CHECK_INT(v.n, 0);
    wm_versions_add(&v, "mpi", long_text);
    CHECK_INT(strlen(wm_versions_of(&v, "mpi")), sizeof(v.item[0].version) - 1);
    CHECK_TEXT(wm_versions_of(&v, "ucx"), "");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        wm_versions_add(&v, name, "1");
    }
    CHECK_INT(v.n, sizeof(v.item) / sizeof(v.item[0]));
}

/* ---- libraries of this machine ---- */

static const char *ask_library(const char *name)
{
    static struct wm_versions versions;
    struct wm_tree tree;
    struct wm_err err = { .rank = -1 };
    if (!CHECK_INT(wm_tree_open("/", &tree, &err), WM_OK))
        return "";
    wm_versions_read(&tree, &versions);
    wm_tree_close(&tree);
    return wm_versions_of(&versions, name);
}

/* A library in a folder of LD_LIBRARY_PATH: name is what the linker asks for, real the file behind the link. */
static void check_file(const char *name, const char *real, const char *content, size_t bytes, const char *library,
                       const char *want)
{
    char link[256];
    snprintf(link, sizeof(link), "%s", below(name));
    write_file(real, content, bytes);
    if (strcmp(name, real) != 0)
        CHECK_INT(symlink(real, link), 0);
    CHECK_TEXT(ask_library(library), want);
    unlink(link);
    unlink(below(real));
}

#define CONTENT(text) text, sizeof(text)

static void test_libraries(void)
{
    char path[300];
    snprintf(path, sizeof(path), "/nowhere::%s", folder);
    setenv("LD_LIBRARY_PATH", path, 1);
    check_file("libibverbs.so.1", "libibverbs.so.1.14.44.0", CONTENT("x"), "rdma-core", "44.0");
    check_file("libibverbs.so.1", "libibverbs.so.1.14.39.2", CONTENT("x"), "rdma-core", "39.2");
    check_file("libibverbs.so.1", "libibverbs.so.1.14", CONTENT("x"), "rdma-core", "");
    check_file("libibverbs.so.1", "libibverbs.so.1", CONTENT("x"), "rdma-core", "");
    check_file("libnccl.so.2", "libnccl.so.2.28.9", CONTENT("NCCL version 9.9.9"), "nccl", "2.28.9");
    check_file("libnccl.so.2", "libnccl.so.2",
               CONTENT("NCCL version mismatch\0NCCL version 2.27.3+cuda12.9\0NCCL version 2.27.4"), "nccl", "2.27.3");
    check_file("libnccl.so.2", "libnccl.so.2", CONTENT("NCCL version "), "nccl", "");
    check_file("libfabric.so.1", "libfabric.so.1.20.0", CONTENT("\0GLIBC_2.2.5\0127.0.0.1\0A1.17.0\0%d.%d.%d\0x1.17.0"),
               "libfabric", "1.17.0");
    check_file("libfabric.so.1", "libfabric.so.1.20.0", CONTENT("\0001.17.0\0001.18.0"), "libfabric", "");
    check_file("libfabric.so.1", "libfabric.so.1.20.0",
               CONTENT("\0001.17\0001.2.3.4\0"
                       "1.2.x\0001..2"),
               "libfabric", "");
    check_file("libfabric.so.1", "libfabric.so.1.20.0", "", 0, "libfabric", "");
    check_file("libucp.so.0", "libucp.so.0.0.0", CONTENT("\0GLIBC_2.2.5\0A1.13.1"), "ucx", "1.13.1");
    /* Ends in the middle of what could be one. */
    check_file("libucp.so.0", "libucp.so.0.0.0", "x1.13.1", 7, "ucx", "");
    unsetenv("LD_LIBRARY_PATH");
}

/* Such libraries install handlers when they are loaded; asking for a version must not. */
static void test_handlers(void)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGSEGV, SIGABRT, SIGHUP };
    struct sigaction before[5], after;
    for (int i = 0; i < 5; i++)
        sigaction(signals[i], NULL, &before[i]);
    ask_library("libfabric");
    for (int i = 0; i < 5; i++) {
        sigaction(signals[i], NULL, &after);
        CHECK(before[i].sa_handler == after.sa_handler);
    }
}

static void test_here(void)
{
    struct utsname kernel;
    CHECK_INT(uname(&kernel), 0);
    CHECK_TEXT(ask_library("kernel"), kernel.release);
}

/* ---- a recorded machine ---- */

static void make_folders(void)
{
    static const char *const folders[] = { "proc", "proc/sys", "proc/sys/kernel", "proc/driver", "proc/driver/nvidia" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        CHECK_INT(mkdir(below(folders[i]), 0700), 0);
}

static void remove_folders(void)
{
    static const char *const all[] = { "versions",
                                       "proc/driver/nvidia/version",
                                       "proc/sys/kernel/osrelease",
                                       "proc/driver/nvidia",
                                       "proc/driver",
                                       "proc/sys/kernel",
                                       "proc/sys",
                                       "proc" };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        CHECK_INT(remove(below(all[i])), 0);
}

static void check_recorded(const char *driver_text, const char *driver, int notes)
{
    struct wm_versions versions;
    struct wm_tree tree;
    struct wm_err err = { .rank = -1 };
    write_file("proc/driver/nvidia/version", driver_text, strlen(driver_text));
    if (!CHECK_INT(wm_tree_open(folder, &tree, &err), WM_OK))
        return;
    wm_versions_read(&tree, &versions);
    CHECK_TEXT(wm_versions_of(&versions, "nvidia"), driver);
    CHECK_TEXT(wm_versions_of(&versions, "kernel"), "5.15.0-1042-nvidia");
    CHECK_TEXT(wm_versions_of(&versions, "libfabric"), "1.22.0 amzn1");
    CHECK_TEXT(wm_versions_of(&versions, "rdma-core"), "44.0");
    CHECK_TEXT(wm_versions_of(&versions, "nothing"), "");
    CHECK_INT(versions.n, driver[0] != '\0' ? 4 : 3);
    CHECK_INT(tree.n_notes, notes);
    wm_tree_close(&tree);
}

static void test_recorded(void)
{
    static const char release[] = "5.15.0-1042-nvidia\n";
    static const char lines[] = "libfabric 1.22.0 amzn1\n\n rdma\nnothing\nrdma-core\t 44.0\n";
    make_folders();
    write_file("proc/sys/kernel/osrelease", release, strlen(release));
    write_file("versions", lines, strlen(lines));
    check_recorded("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n"
                   "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)\n",
                   "535.129.03", 0);
    check_recorded("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (x@y)\n",
                   "550.54.15", 0);
    check_recorded("NVRM version: none\n", "", 1);
    remove_folders();
}

int main(void)
{
    if (!CHECK(mkdtemp(folder) != NULL))
        return wm_tests_end();
    test_compare();
    test_list();
    test_libraries();
    test_handlers();
    test_here();
    test_recorded();
    CHECK_INT(rmdir(folder), 0);
    return wm_tests_end();
}
