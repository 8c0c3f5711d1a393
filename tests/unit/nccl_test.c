/**
 * What NCCL's log says, what its profiler is told, and NCCL's library: opened, refused, and copied so that each setting
 * has variables of its own, with the stand-in of tests/preload/nccl.c and, where it is installed, with the real one.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/transport/nccl_library.h"
#include "src/transport/nccl_log.h"
#include "src/transport/nccl_profiler.h"
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

/* ---- The profiler, found and called as NCCL does ---- */

struct profiler {
    const char *name;
    void *begin;
    int (*event)(void *context, void **handle, const void *event);
    int (*end_event)(void *handle);
    int (*state)(void *handle, int state, const void *values);
    int (*end)(void *context);
};

static int begin(const struct profiler *p, int version, void **context, int *mask)
{
    if (version == 3)
        return ((int (*)(void **, int *))p->begin)(context, mask);
    if (version == 4)
        return ((int (*)(void **, int *, const char *, uint64_t, int, int, int, void *))p->begin)(context, mask, "", 1,
                                                                                                  2, 3, 4, NULL);
    return ((int (*)(void **, uint64_t, int *, const char *, int, int, int, void *))p->begin)(context, 1, mask, "", 2,
                                                                                              3, 4, NULL);
}

/* An event as it lies in memory; where NCCL writes nothing there is rubbish. */
static void lay_out(unsigned char event[128], int version, int type, const char *algorithm, const char *protocol,
                    unsigned char channels)
{
    const size_t at = version == 3 ? 104 : 88;
    const uint64_t wide = (uint64_t)type;
    memset(event, 0xee, 128);
    memcpy(event, &wide, version == 5 ? sizeof(wide) : 1);
    event[type == 4 ? 60 : version == 3 ? 96 : 80] = channels;
    if (type == 2) {
        memcpy(event + at, &algorithm, sizeof(algorithm));
        memcpy(event + at + 8, &protocol, sizeof(protocol));
    }
}

static void hears(void)
{
    enum { GROUP = 1, COLLECTIVE = 2, MESSAGE = 4, CALL = 256 };
    static const struct {
        int version;
        struct {
            int type;
            const char *algorithm, *protocol;
            unsigned char channels;
        } event[3];
        struct wm_heard want;
    } cases[] = {
        { 5, { { COLLECTIVE, "NVLS_TREE", "LL128", 24 } }, { "NVLS_TREE", "LL128", 24 } },
        { 4, { { COLLECTIVE, "COLLNET_DIRECT", "SIMPLE", 16 } }, { "COLLNET_DIRECT", "SIMPLE", 16 } },
        { 3, { { COLLECTIVE, "RING", "SIMPLE", 16 } }, { "RING", "SIMPLE", 0 } },
        { 5, { { COLLECTIVE, "RING", "LL", 2 }, { COLLECTIVE, "TREE", "LL", 3 } }, { "RING", "LL", 2 } },
        { 5, { { MESSAGE, "", "", 2 }, { MESSAGE, "", "", 4 }, { MESSAGE, "", "", 3 } }, { "", "", 4 } },
        { 4, { { MESSAGE, "", "", 2 } }, { "", "", 2 } },
        { 3, { { MESSAGE, "", "", 2 } }, { "", "", 0 } },
        { 5, { { MESSAGE, "", "", 9 }, { COLLECTIVE, "RING", "LL", 2 } }, { "RING", "LL", 2 } },
        { 5, { { COLLECTIVE, "Unknown", "Unknown", 8 } }, { "", "", 8 } },
        { 5, { { CALL, "", "", 8 }, { GROUP, "", "", 8 } }, { "", "", 0 } },
        { 5, { { COLLECTIVE, NULL, NULL, 1 } }, { "", "", 1 } },
    };
    void *self = dlopen(NULL, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_nccl_profile profile = { .mask = NULL };
        struct wm_heard got;
        char name[32];
        void *context = NULL;
        int mask = 77;
        snprintf(name, sizeof(name), "ncclProfiler_v%d", cases[i].version);
        const struct profiler *p = dlsym(self, name);
        if (!CHECK(p != NULL))
            continue;
        CHECK_TEXT(p->name, "wiremark");
        wm_nccl_profile_of_new(&profile);
        CHECK_INT(begin(p, cases[i].version, &context, &mask), 0);
        wm_nccl_profile_of_new(NULL);
        CHECK(context != NULL);
        CHECK_INT(mask, 0);
        wm_nccl_profile_listen(&profile);
        CHECK_INT(mask, COLLECTIVE | MESSAGE);
        for (int k = 0; k < 3 && cases[i].event[k].type != 0; k++) {
            unsigned char event[128];
            void *handle = &handle;
            lay_out(event, cases[i].version, cases[i].event[k].type, cases[i].event[k].algorithm,
                    cases[i].event[k].protocol, cases[i].event[k].channels);
            CHECK_INT(p->event(context, &handle, event), 0);
            CHECK_INT(handle != NULL, cases[i].event[k].type == GROUP);
        }
        wm_nccl_profile_heard(&profile, &got);
        CHECK_INT(mask, 0);
        CHECK_TEXT(got.algorithm, cases[i].want.algorithm);
        CHECK_TEXT(got.protocol, cases[i].want.protocol);
        CHECK_INT(got.channels, cases[i].want.channels);
        CHECK_INT(p->end(context), 0);
    }
    dlclose(self);
}

/* Communicators of others, and a library that never asked. */
static void hears_nothing(void)
{
    struct wm_nccl_profile profile = { .mask = NULL };
    struct wm_heard got = { .channels = 9 };
    void *self = dlopen(NULL, RTLD_NOW | RTLD_LOCAL), *context = &got, *handle = &got;
    const struct profiler *p = dlsym(self, "ncclProfiler_v5");
    unsigned char event[128];
    int mask = 77;
    wm_nccl_profile_listen(&profile);
    if (CHECK(p != NULL)) {
        CHECK_INT(begin(p, 5, &context, &mask), 0);
        CHECK(context == NULL);
        CHECK_INT(mask, 0);
        lay_out(event, 5, 2, "RING", "LL", 2);
        CHECK_INT(p->event(context, &handle, event), 0);
        CHECK(handle == NULL);
    }
    wm_nccl_profile_heard(&profile, &got);
    CHECK_TEXT(got.algorithm, "");
    CHECK_INT(got.channels, 0);
    dlclose(self);
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
    unsetenv("NCCL_PROFILER_PLUGIN");
    wm_nccl_variables_set(&library, WM_NCCL_GDR_OFF, &v);
    CHECK_TEXT(getenv("NCCL_PROFILER_PLUGIN"), "STATIC_PLUGIN");
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "LOC");
    CHECK_TEXT(getenv("NCCL_DEBUG"), "INFO");
    CHECK_TEXT(getenv("NCCL_DEBUG_FILE"), "/tmp/some");
    wm_nccl_variables_restore(&v);
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "PHB");
    CHECK(getenv("NCCL_DEBUG") == NULL && getenv("NCCL_DEBUG_FILE") == NULL);
    CHECK(getenv("NCCL_PROFILER_PLUGIN") == NULL);
    library.log[0] = '\0';
    setenv("NCCL_PROFILER_PLUGIN", "own", 1);
    wm_nccl_variables_set(&library, WM_NCCL_GDR_DEFAULT, &v);
    CHECK_TEXT(getenv("NCCL_NET_GDR_LEVEL"), "PHB");
    CHECK(getenv("NCCL_DEBUG") == NULL);
    CHECK_TEXT(getenv("NCCL_PROFILER_PLUGIN"), "own");
    wm_nccl_variables_restore(&v);
    unsetenv("NCCL_PROFILER_PLUGIN");
    unsetenv("NCCL_NET_GDR_LEVEL");
}

/* The names that it looks for are ours. */
static void looks_for_our_names(void)
{
    static const int first_version = 22602;
    const char *names[] = { "NCCL_PROFILER_PLUGIN", "STATIC_PLUGIN", "ncclProfiler_v3" };
    struct wm_nccl_library library;
    struct wm_err err = { .rank = -1 };
    struct stat file;
    if (wm_nccl_library_open(NULL, &library, &err) != WM_OK || library.version < first_version)
        return;
    int fd = open(library.file, O_RDONLY | O_CLOEXEC);
    CHECK_INT(fstat(fd, &file), 0);
    const size_t bytes = (size_t)file.st_size;
    const void *text = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (CHECK(text != MAP_FAILED)) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            CHECK(memmem(text, bytes, names[i], strlen(names[i]) + 1) != NULL);
        munmap((void *)text, bytes);
    }
    close(fd);
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
    looks_for_our_names();
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
    hears();
    hears_nothing();
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
