/**
 * What NCCL's log says, and NCCL's library: opened, refused, and copied so that each setting has variables of its own,
 * with the stand-in of tests/preload/nccl.c and, where it is installed, with the real one.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/transport/nccl_library.h"
#include "src/transport/nccl_log.h"
#include "tests/unit/check.h"

/* ---- The log: lines as NCCL 2.28 writes them ---- */

static void reads_the_log(void)
{
    static const struct {
        const char *text;
        struct wm_nccl_facts want;
        const char *said;
    } cases[] = {
        { "", { .channels = 0 }, "" },
        { "node1:77:81 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>\n"
          "node1:77:81 [0] NCCL INFO Using network IB\n"
          "node1:77:81 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA\n"
          "node1:77:81 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/1(0)/GDRDMA/Shared\n"
          "node1:77:81 [0] NCCL INFO Channel 01/0 : 0[0] -> 1[0] [send] via NET/IB/0\n"
          "node1:77:81 [0] NCCL INFO 16 coll channels, 16 collnet channels, 0 nvls channels, 16 p2p channels, 2 p2p "
          "channels per peer\n",
          { .network = "IB",
            .devices = "[0]mlx5_0:1/RoCE [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>",
            .by_net = 3,
            .by_net_gdr = 2,
            .channels = 16 },
          "16 channels, GPUDirect RDMA on 2 of 3 connections by network" },
        { "node1:77:81 [0] NCCL INFO Using network AWS Libfabric\r\n", { .network = "AWS Libfabric" }, "" },
        { "n:1:2 [3] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read\n"
          "n:1:2 [3] NCCL INFO Channel 01/0 : 0[0] -> 1[1] via P2P/IPC\n"
          "n:1:2 [3] NCCL INFO Channel 02 : 0[0] -> 1[1] via SHM/direct/direct\n"
          "n:1:2 [3] NCCL INFO 1 coll channels, 0 collnet channels, 0 nvls channels, 2 p2p channels",
          { .by_p2p = 2, .by_shm = 1, .channels = 1 },
          "1 channel, 2 from GPU to GPU (P2P), 1 through host memory (SHM)" },
        { "Using network IB\nn:1:2 [0] NCCL WARN Using network Socket\nn NCCL INFO Channel 00/02 : 0 1\n"
          "n NCCL INFO Channel 00/0 : 0[0] -> 1[1] via\nn NCCL INFO  coll channels",
          { .channels = 0 },
          "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_nccl_facts got = { .channels = 0 };
        char text[200];
        wm_nccl_log_read(cases[i].text, &got);
        CHECK_TEXT(got.network, cases[i].want.network);
        CHECK_TEXT(got.devices, cases[i].want.devices);
        CHECK_INT(got.by_p2p, cases[i].want.by_p2p);
        CHECK_INT(got.by_shm, cases[i].want.by_shm);
        CHECK_INT(got.by_net, cases[i].want.by_net);
        CHECK_INT(got.by_net_gdr, cases[i].want.by_net_gdr);
        CHECK_INT(got.channels, cases[i].want.channels);
        CHECK_TEXT(wm_nccl_log_text(&got, text, sizeof(text)), cases[i].said);
    }
}

static void says_its_version(void)
{
    char text[32];
    CHECK_TEXT(wm_nccl_version_text(22809, text, sizeof(text)), "2.28.9");
    CHECK_TEXT(wm_nccl_version_text(21506, text, sizeof(text)), "2.15.6");
    CHECK_TEXT(wm_nccl_version_text(2804, text, sizeof(text)), "2.8.4");
}

/* ---- The library ---- */

static void refuses(const char *older)
{
    struct wm_nccl_library library;
    struct wm_err err = { .rank = -1 }, other = { .rank = -1 }, none = { .rank = -1 };
    CHECK_INT(wm_nccl_library_open("/nowhere/libnccl.so.2", &library, &err), WM_EABSENT);
    CHECK_HAS(err.what, "no NCCL: /nowhere/libnccl.so.2");
    CHECK_HAS(err.what, "or name it with --nccl-lib PATH");
    CHECK_INT(wm_nccl_library_open("libm.so.6", &library, &other), WM_EABSENT);
    CHECK_HAS(other.what, "libm.so.6 has no function nccl");
    CHECK_HAS(other.what, "2.14 or newer is needed");
    CHECK_INT(wm_nccl_library_open(older, &library, &none), WM_OK);
    CHECK_INT(library.version, 21506);
    CHECK(library.split == NULL && library.all_to_all == NULL && library.register_ == NULL && library.send != NULL);
}

static bool is_there(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0;
}

/* Copies are libraries of their own, and nothing of them is left in the folder. */
static void copies(const char *path, enum wm_nccl_gdr a, enum wm_nccl_gdr b)
{
    const struct wm_nccl_library *first = NULL, *second = NULL, *again = NULL;
    struct wm_world *world = NULL;
    struct wm_err err = { .rank = -1 };
    CHECK_INT(wm_world_solo(&world, &err), WM_OK);
    CHECK_INT(wm_nccl_library_for(world, path, a, &first, &err), WM_OK);
    CHECK_INT(wm_nccl_library_for(world, path, b, &second, &err), WM_OK);
    CHECK_INT(wm_nccl_library_for(world, path, b, &again, &err), WM_OK);
    CHECK_TEXT(err.what, "");
    if (CHECK(first != NULL && second != NULL)) {
        CHECK(second == again && first->handle != second->handle && first->init != second->init);
        CHECK_INT(first->version, second->version);
        CHECK_INT(is_there(first->file), a == WM_NCCL_GDR_DEFAULT);
        CHECK(!is_there(second->file) && strstr(second->file, "wiremark-nccl-") != NULL);
    }
    wm_world_close(world);
}

static void has_no_room(const char *path)
{
    const struct wm_nccl_library *library = NULL;
    struct wm_world *world = NULL;
    struct wm_err err = { .rank = -1 };
    setenv("TMPDIR", "/proc/none", 1);
    CHECK_INT(wm_world_solo(&world, &err), WM_OK);
    CHECK_INT(wm_nccl_library_for(world, path, WM_NCCL_GDR_ON, &library, &err), WM_EUNSUP);
    CHECK_HAS(err.what, "no copy of NCCL can be made for --nccl-gdr in /proc/none: No such file or directory");
    CHECK(library == NULL);
    wm_world_close(world);
    unsetenv("TMPDIR");
}

static void restores_variables(void)
{
    struct wm_nccl_library library = { .log = "/tmp/some" };
    struct wm_nccl_variables v;
    setenv("NCCL_NET_GDR_LEVEL", "PHB", 1);
    unsetenv("NCCL_DEBUG");
    wm_nccl_variables_set(&library, WM_NCCL_GDR_OFF, &v);
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "LOC");
    CHECK_TEXT(getenv("NCCL_DEBUG"), "INFO");
    CHECK_TEXT(getenv("NCCL_DEBUG_FILE"), "/tmp/some");
    wm_nccl_variables_restore(&v);
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "PHB");
    CHECK(getenv("NCCL_DEBUG") == NULL && getenv("NCCL_DEBUG_FILE") == NULL);
    library.log[0] = '\0';
    wm_nccl_variables_set(&library, WM_NCCL_GDR_DEFAULT, &v);
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "PHB");
    CHECK(getenv("NCCL_DEBUG") == NULL);
    wm_nccl_variables_restore(&v);
    unsetenv("NCCL_NET_GDR_LEVEL");
}

/* The real one is 200 MB large: one copy. */
static void copies_the_real_one(void)
{
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("skipped: no libnccl.so.2 here\n");
        wm_skipped++;
        return;
    }
    copies(NULL, WM_NCCL_GDR_DEFAULT, WM_NCCL_GDR_OFF);
}

static char *beside(const char *file, char path[PATH_MAX])
{
    char self[PATH_MAX], built[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    snprintf(built, sizeof(built), "%.3000s/../preload/%s", dirname(self), file);
    return realpath(built, path);
}

int main(void)
{
    char stand_in[PATH_MAX], older[PATH_MAX];
    reads_the_log();
    says_its_version();
    restores_variables();
    setenv("NCCL_DEBUG", "WARN", 1); /* no log of ours */
    if (beside("nccl.so", stand_in) != NULL && beside("nccl_old.so", older) != NULL) {
        refuses(older);
        has_no_room(stand_in);
        copies(stand_in, WM_NCCL_GDR_DEFAULT, WM_NCCL_GDR_OFF);
        copies(stand_in, WM_NCCL_GDR_ON, WM_NCCL_GDR_OFF);
    } else {
        wm_skipped++;
    }
    copies_the_real_one();
    return wm_tests_end();
}
