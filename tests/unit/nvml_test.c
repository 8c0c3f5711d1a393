/*
 * GPUs by NVML: from a record, and from a library that answers what the record says (tests/preload/nvml.c). The linker
 * reads LD_LIBRARY_PATH when a process starts, so that this program starts itself once for each library.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/topo/discover.h"
#include "src/topo/nvml.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/wiremark-nvml-XXXXXX"; /* nvml.json, new/ and old/ libnvidia-ml.so.1 */

/* Two GPUs joined by two links, one of which is down on GPU 1; GPU 0 also has a link to a switch and one to a CPU.
 * GPU 2 is lost; GPU 3 is cut into MIG instances and belongs to a rack's NVLink domain. */
static const char machine[] =
    "{\"driver\": \"535.129.03\", \"gpus\": ["
    "{\"name\": \"NVIDIA A\", \"uuid\": \"GPU-0\", \"pci\": \"00000000:1B:00.0\", \"memory_bytes\": 85520809984,"
    " \"nvlinks\": ["
    "{\"active\": true, \"mb_per_s\": 26562, \"remote\": \"gpu\", \"remote_pci\": \"00000000:43:00.0\"},"
    "{\"active\": true, \"mb_per_s\": 25781, \"remote\": \"gpu\", \"remote_pci\": \"00000000:43:00.0\"},"
    "{\"active\": true, \"mb_per_s\": 26562, \"remote\": \"switch\", \"remote_pci\": \"00000000:05:00.0\"},"
    "{\"active\": true, \"mb_per_s\": 26562, \"remote\": \"cpu\", \"remote_pci\": \"00000000:07:00.0\"}]},"
    "{\"name\": \"NVIDIA A\", \"uuid\": \"GPU-1\", \"pci\": \"00000000:43:00.0\", \"memory_bytes\": 85520809984,"
    " \"nvlinks\": ["
    "{\"active\": true, \"mb_per_s\": 26562, \"remote\": \"gpu\", \"remote_pci\": \"00000000:1B:00.0\"},"
    "{\"active\": false}],"
    " \"fabric\": {\"state\": \"in progress\", \"status\": 0,"
    " \"cluster_uuid\": \"0a0b0c0d-0102-0304-0506-070809101112\", \"clique\": 7}},"
    "{\"lost\": true},"
    "{\"name\": \"NVIDIA B\", \"uuid\": \"GPU-3\", \"pci\": \"00000009:01:00.0\", \"mig\": true,"
    " \"c2c\": [{\"active\": true, \"mb_per_s\": 44712}, {\"active\": false, \"mb_per_s\": 44712},"
    " {\"active\": true, \"mb_per_s\": 44712}],"
    " \"fabric\": {\"state\": \"completed\", \"status\": 0,"
    " \"cluster_uuid\": \"0a0b0c0d-0102-0304-0506-070809101112\", \"clique\": 4294967295}}]}";

static const char *below(const char *name)
{
    static char path[2][PATH_MAX];
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

static const char *reason_of(const struct wm_tree *tree, const char *path)
{
    for (int i = 0; i < tree->n_notes; i++)
        if (strcmp(tree->notes[i].path, path) == 0)
            return tree->notes[i].reason;
    return "";
}

/* pci[]: a bridge, then NVIDIA GPUs at 1b, 43 and 61; NVML knows no GPU at 61. gpu[]: these three. */
static void plant(struct wm_topo *topo)
{
    static const char *const addresses[] = { "0000:15:01.0", "0000:1b:00.0", "0000:43:00.0", "0000:61:00.0" };
    *topo = (struct wm_topo){ 0 };
    for (int i = 0; i < 4; i++) {
        if (!CHECK(wm_topo_grow(&topo->pci, topo->n_pci, sizeof(*topo->pci))))
            return;
        struct wm_topo_pci *pci = &topo->pci[topo->n_pci++];
        snprintf(pci->address, sizeof(pci->address), "%s", addresses[i]);
        pci->parent = -1;
        pci->numa = i % 2;
        pci->vendor = 0x10de;
        pci->bridge = i == 0;
    }
    for (int i = 0; i < 3; i++) {
        if (!CHECK(wm_topo_grow(&topo->gpu, topo->n_gpus, sizeof(*topo->gpu))))
            return;
        topo->gpu[topo->n_gpus++] = (struct wm_topo_gpu){ .pci = i + 1, .index = i, .numa = (i + 1) % 2 };
    }
}

/* What must come of `machine`, by the record and by the library alike. */
static void check_machine(const struct wm_topo *topo, const struct wm_tree *tree, bool has_all)
{
    if (!CHECK_INT(topo->n_gpus, 4))
        return;
    const struct wm_topo_gpu *a = &topo->gpu[0], *b = &topo->gpu[1], *unseen = &topo->gpu[2], *far = &topo->gpu[3];
    CHECK_TEXT(a->name, "NVIDIA A");
    CHECK_TEXT(a->uuid, "GPU-0");
    CHECK_TEXT(a->driver, has_all ? "535.129.03" : "");
    CHECK_INT(a->memory_bytes, 85520809984);
    CHECK_INT(a->nvlinks, 4);
    CHECK_INT(a->nvlink_inactive, 0);
    CHECK_NEAR(a->nvlink_bytes_per_s, has_all ? 25.781e9 : 0, 1);
    CHECK_INT(a->pci, 1);
    CHECK_INT(a->numa, 1);
    CHECK_INT(b->index, 1);
    CHECK_INT(b->nvlinks, 1);
    CHECK_INT(b->nvlink_inactive, 1);
    CHECK_TEXT(b->nvlink_domain, "");
    CHECK_INT(a->cpu_links, has_all); /* an NVLink */
    CHECK_NEAR(a->cpu_link_bytes_per_s, has_all ? 25e9 : 0, 1);
    CHECK_INT(b->cpu_links, 0);
    CHECK_INT(far->cpu_links, has_all ? 2 : 0); /* 44.712 GB/s each */
    CHECK_NEAR(far->cpu_link_bytes_per_s, has_all ? 89.424e9 : 0, 1);
    CHECK_INT(unseen->index, -1);
    CHECK_TEXT(unseen->name, "");
    CHECK_TEXT(reason_of(tree, "0000:61:00.0"), "NVML does not show this GPU");
    CHECK_INT(far->index, 3);
    CHECK_INT(far->pci, -1);
    CHECK_INT(far->numa, -1);
    CHECK_TEXT(far->uuid, "GPU-3");
    CHECK_TEXT(far->nvlink_domain, has_all ? "0a0b0c0d-0102-0304-0506-070809101112.4294967295" : "");
    CHECK_TEXT(reason_of(tree, "0009:01:00.0"),
               has_all ? "this GPU is cut into MIG instances; the figures are the whole's" : "");
    if (!CHECK_INT(topo->n_nvlinks, 2))
        return;
    CHECK_INT(topo->nvlink[0].from, 0);
    CHECK_INT(topo->nvlink[0].to, 1);
    CHECK_INT(topo->nvlink[0].links, 2);
    CHECK_INT(topo->nvlink[1].to, -1);
    /* Who does not know what the CPU is takes it for a switch. */
    CHECK_INT(topo->nvlink[1].links, has_all ? 1 : 2);
}

/* Reads a machine without GPUs of its own, or with those of plant(). */
static int read_root(const char *root, bool planted, struct wm_topo *topo, struct wm_tree *tree)
{
    struct wm_err err = { .rank = -1 };
    if (planted)
        plant(topo);
    else
        *topo = (struct wm_topo){ 0 };
    if (!CHECK_INT(wm_tree_open(root, tree, &err), WM_OK))
        return WM_EBUG;
    int rc = wm_topo_read_nvml(tree, topo, &err);
    CHECK_INT(rc, err.code);
    return rc;
}

static void drop(struct wm_topo *topo, struct wm_tree *tree)
{
    wm_topo_free(topo);
    wm_tree_close(tree);
}

static void test_record(void)
{
    struct wm_topo topo;
    struct wm_tree tree;
    write_file("nvml.json", machine, strlen(machine));
    if (CHECK_INT(read_root(folder, true, &topo, &tree), WM_OK))
        CHECK_INT(tree.n_notes, 2);
    check_machine(&topo, &tree, true);
    drop(&topo, &tree);
}

static void test_domain(void)
{
    static const unsigned char none[16], some[16] = { 0xff, [15] = 1 };
    char text[48] = "x";
    wm_nvml_domain(text, none, 3);
    CHECK_TEXT(text, "");
    wm_nvml_domain(text, some, 3);
    CHECK_TEXT(text, "ff000000-0000-0000-0000-000000000001.3");
}

/* Records that are none: no crash, no GPU, or only what is sound, and a note. */
static void test_bad_records(void)
{
    static const struct {
        const char *content;
        int n_gpus;
        const char *note;
    } bad[] = {
        { "{", 0, "is no JSON: line 1" },
        { "\xff\xfe\x01", 0, "is no JSON" },
        { "[]", 0, "has no list named gpus" },
        { "{\"gpus\": {}}", 0, "has no list named gpus" },
        { "{\"gpus\": []}", 0, "" },
        { "{\"gpus\": [7, null, \"x\"]}", 0, "" },
        { "{\"gpus\": [{\"name\": 3, \"uuid\": \"u\", \"pci\": \"zz\", \"memory_bytes\": -1, \"nvlinks\": 8}]}", 1,
          "" },
        { "{\"gpus\": [{\"uuid\": \"u\", \"nvlinks\": [3, {\"active\": 1, \"mb_per_s\": \"x\", \"remote\": 4}]}]}", 1,
          "" },
        { "{\"gpus\": [{\"uuid\": \"u\", \"fabric\": {\"state\": \"completed\", \"cluster_uuid\": \"0-g\"}}]}", 1, "" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wm_topo topo;
        struct wm_tree tree;
        write_file("nvml.json", bad[i].content, strlen(bad[i].content));
        CHECK_INT(read_root(folder, false, &topo, &tree), WM_OK);
        CHECK_INT(topo.n_gpus, bad[i].n_gpus);
        CHECK_HAS(reason_of(&tree, "nvml.json"), bad[i].note);
        if (topo.n_gpus == 1) {
            CHECK_TEXT(topo.gpu[0].uuid, "u");
            CHECK_INT(topo.gpu[0].pci, -1);
            CHECK_INT(topo.gpu[0].nvlinks, 0);
            CHECK_TEXT(topo.gpu[0].nvlink_domain, "");
        }
        drop(&topo, &tree);
    }
}

/* More than anything has: 300 GPUs, each with 60 links and a name of 200 letters. */
static void write_large_record(FILE *file)
{
    fprintf(file, "{\"gpus\": [");
    for (int gpu = 0; gpu < 300; gpu++) {
        fprintf(file, "%s{\"name\": \"%0200d\", \"nvlinks\": [", gpu > 0 ? "," : "", gpu);
        for (int link = 0; link < 60; link++)
            fprintf(file, "%s{\"active\": true}", link > 0 ? "," : "");
        fprintf(file, "]}");
    }
    fprintf(file, "]}");
}

static void test_large_record(void)
{
    struct wm_topo topo;
    struct wm_tree tree;
    FILE *file = fopen(below("nvml.json"), "w");
    if (CHECK(file != NULL)) {
        write_large_record(file);
        CHECK_INT(fclose(file), 0);
    }
    CHECK_INT(read_root(folder, false, &topo, &tree), WM_OK);
    if (CHECK_INT(topo.n_gpus, 256)) {
        CHECK_INT(topo.gpu[255].nvlinks, WM_NVML_LINKS);
        CHECK_INT(strlen(topo.gpu[255].name), sizeof(topo.gpu->name) - 1);
    }
    CHECK_TEXT(reason_of(&tree, "nvml.json"), "300 GPUs: only the first 256 are taken");
    drop(&topo, &tree);
}

static void test_no_record(void)
{
    struct wm_topo topo;
    struct wm_tree tree;
    CHECK_INT(unlink(below("nvml.json")), 0);
    CHECK_INT(read_root(folder, false, &topo, &tree), WM_OK);
    CHECK_INT(topo.n_gpus, 0);
    CHECK_INT(tree.n_notes, 0);
    drop(&topo, &tree);
}

/* Of links to the processor the sum, unless one's speed is not known. */
static void test_sums_of_links(void)
{
    static const struct {
        double gb_per_s[3], sum;
    } rows[] = { { { 1, 2, 4 }, 7 }, { { 0, 2, 4 }, 0 }, { { 1, 0, 4 }, 0 }, { { 1, 2, 0 }, 0 } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double sum = 0;
        int links = 0;
        for (int k = 0; k < 3; k++)
            wm_nvml_add_cpu_link(rows[i].gb_per_s[k] * 1e9, &links, &sum);
        CHECK_INT(links, 3);
        CHECK_NEAR(sum, rows[i].sum * 1e9, 0);
    }
}

/* ---- in a process of its own, with a library of its own ---- */

static void child_asks(bool has_all)
{
    struct wm_topo topo;
    struct wm_tree tree;
    CHECK_INT(read_root("/", true, &topo, &tree), WM_OK);
    check_machine(&topo, &tree, has_all);
    CHECK_TEXT(reason_of(&tree, "libnvidia-ml.so.1"), "GPU 2: GPU is lost");
    drop(&topo, &tree);
}

/* Without functions that not every driver has: only their fields are absent. */
static void child_lacks(void)
{
    static const struct {
        const char *lacks;
        double bytes_per_s;
        const char *domain;
    } cases[] = {
        { "164", 26.562e9, "0a0b0c0d-0102-0304-0506-070809101112.4294967295" },
        { "164,90", 0, "0a0b0c0d-0102-0304-0506-070809101112.4294967295" },
        { "nvmlDeviceGetFieldValues,nvmlDeviceGetGpuFabricInfoV", 0,
          "0a0b0c0d-0102-0304-0506-070809101112.4294967295" },
        { "nvmlDeviceGetGpuFabricInfoV,nvmlDeviceGetGpuFabricInfo", 25.781e9, "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_topo topo;
        struct wm_tree tree;
        setenv("WM_NVML_LACKS", cases[i].lacks, 1);
        CHECK_INT(read_root("/", true, &topo, &tree), WM_OK);
        if (CHECK_INT(topo.n_gpus, 4)) {
            CHECK_NEAR(topo.gpu[0].nvlink_bytes_per_s, cases[i].bytes_per_s, 1);
            CHECK_TEXT(topo.gpu[3].nvlink_domain, cases[i].domain);
        }
        drop(&topo, &tree);
    }
    unsetenv("WM_NVML_LACKS");
}

/* A driver that is not loaded is worth a note only where a GPU stands. */
static void child_fails(void)
{
    static const struct {
        const char *status;
        bool gpus;
        const char *note;
    } cases[] = {
        { "9", true, "cannot be started: Driver Not Loaded" },
        { "9", false, "" },
        { "4", false, "cannot be started: Insufficient Permissions" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_topo topo;
        struct wm_tree tree;
        setenv("WM_NVML_INIT", cases[i].status, 1);
        CHECK_INT(read_root("/", cases[i].gpus, &topo, &tree), WM_OK);
        CHECK_INT(topo.n_gpus, cases[i].gpus ? 3 : 0);
        CHECK_TEXT(reason_of(&tree, "libnvidia-ml.so.1"), cases[i].note);
        drop(&topo, &tree);
    }
}

static void child_broken(void)
{
    struct wm_topo topo;
    struct wm_tree tree;
    CHECK_INT(read_root("/", true, &topo, &tree), WM_OK);
    CHECK_INT(topo.n_gpus, 3);
    CHECK_INT(topo.gpu[2].index, 2);
    CHECK_HAS(reason_of(&tree, "libnvidia-ml.so.1"), "cannot be opened: ");
    drop(&topo, &tree);
    CHECK_INT(read_root("/", false, &topo, &tree), WM_OK);
    CHECK_INT(tree.n_notes, 0);
    drop(&topo, &tree);
}

static int run_child(const char *self, const char *scenario, const char *library)
{
    char folders[PATH_MAX];
    snprintf(folders, sizeof(folders), "%s", below(library));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_LIBRARY_PATH", folders, 1);
        setenv("WM_NVML_FILE", below("nvml.json"), 1);
        execl(self, self, scenario, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_library(const char *self, const char *library, const char *source)
{
    static const char *const scenarios[] = { "all", "lacks", "fails" };
    char path[PATH_MAX], built[PATH_MAX], link[PATH_MAX];
    bool old = strcmp(library, "old") == 0;
    snprintf(path, sizeof(path), "%s", self);
    snprintf(built, sizeof(built), "%.3000s/../preload/%s", dirname(path), source);
    snprintf(link, sizeof(link), "%s/libnvidia-ml.so.1", below(library));
    if (realpath(built, path) == NULL) {
        printf("skipped: %s is not built\n", built);
        wm_skipped++;
        return;
    }
    CHECK_INT(mkdir(below(library), 0700), 0);
    CHECK_INT(symlink(path, link), 0);
    write_file("nvml.json", machine, strlen(machine));
    if (old)
        CHECK_INT(run_child(self, "old", library), 0);
    for (size_t i = 0; !old && i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        CHECK_INT(run_child(self, scenarios[i], library), 0);
    unlink(link);
    rmdir(below(library));
}

static void test_broken_library(const char *self)
{
    CHECK_INT(mkdir(below("broken"), 0700), 0);
    write_file("broken/libnvidia-ml.so.1", "no library", 10);
    CHECK_INT(run_child(self, "broken", "broken"), 0);
    unlink(below("broken/libnvidia-ml.so.1"));
    rmdir(below("broken"));
}

static void run_scenario(const char *scenario)
{
    if (strcmp(scenario, "all") == 0 || strcmp(scenario, "old") == 0)
        child_asks(strcmp(scenario, "all") == 0);
    else if (strcmp(scenario, "lacks") == 0)
        child_lacks();
    else if (strcmp(scenario, "fails") == 0)
        child_fails();
    else if (strcmp(scenario, "broken") == 0)
        child_broken();
}

int main(int argc, char **argv)
{
    char self[PATH_MAX];
    if (argc > 1) {
        run_scenario(argv[1]);
        return wm_failed != 0 || wm_passed == 0;
    }
    if (!CHECK(mkdtemp(folder) != NULL) || !CHECK(realpath("/proc/self/exe", self) != NULL))
        return wm_tests_end();
    test_sums_of_links();
    test_domain();
    test_record();
    test_bad_records();
    test_large_record();
    test_library(self, "new", "nvml.so");
    test_library(self, "old", "nvml_old.so");
    test_broken_library(self);
    test_no_record();
    rmdir(folder);
    return wm_tests_end();
}
