#include "src/topo/topo.h"

#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/*
 * Two NUMA nodes. Node 0: root 0 with a switch (1: up, 2 and 4: down) to 3 and 5, and a second switch (6: up, 7: down)
 * to 8, all below root port 0; root 1 with 9 (of two functions, 10) straight below it.
 * Node 1: root 2 as NCCL's files show it: switch 11 with 12, and switch 13 with 14, by buses of their own.
 * 15: nobody knows where it is.
 */
static struct wm_topo_pci functions[] = {
    { .address = "0000:10:01.0", .parent = -1, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:11:00.0", .parent = 0, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:12:00.0", .parent = 1, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:13:00.0", .parent = 2, .root = 0, .numa = 0 },
    { .address = "0000:12:01.0", .parent = 1, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:14:00.0", .parent = 4, .root = 0, .numa = 0 },
    { .address = "0000:11:01.0", .parent = 0, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:15:00.0", .parent = 6, .root = 0, .numa = 0, .bridge = true },
    { .address = "0000:16:00.0", .parent = 7, .root = 0, .numa = 0 },
    { .address = "0000:20:00.0", .parent = -1, .root = 1, .numa = 0 },
    { .address = "0000:20:00.1", .parent = -1, .root = 1, .numa = 0 },
    { .address = "0000:80:00.0", .parent = -1, .root = 2, .numa = 1, .bridge = true },
    { .address = "0000:82:00.0", .parent = 11, .root = 2, .numa = 1 },
    { .address = "0000:83:00.0", .parent = 11, .root = 2, .numa = 1, .bridge = true },
    { .address = "0000:85:00.0", .parent = 13, .root = 2, .numa = 1 },
    { .address = "0000:f0:00.0", .parent = -1, .root = -1, .numa = -1 },
};
static struct wm_topo_numa nodes[] = { { .os_index = 0 }, { .os_index = 1 } };
static const struct wm_topo machine = {
    .pci = functions, .n_pci = COUNT(functions), .numa = nodes, .n_numa = COUNT(nodes)
};

static const struct {
    const char *what;
    int a, b;
    enum wm_distance want;
} pairs[] = {
    { "itself", 3, 3, WM_DISTANCE_SELF },
    { "ports of one switch", 3, 5, WM_DISTANCE_PIX },
    { "two switches below one root port", 3, 8, WM_DISTANCE_PXB },
    { "a device and the bridge above it", 3, 2, WM_DISTANCE_PIX },
    { "a device and the root port two bridges up", 3, 0, WM_DISTANCE_PXB },
    { "another root of the same node", 3, 9, WM_DISTANCE_NODE },
    { "two functions straight below a root", 9, 10, WM_DISTANCE_PHB },
    { "the other node", 3, 12, WM_DISTANCE_SYS },
    { "switches as NCCL shows them: below each other", 12, 14, WM_DISTANCE_PXB },
    { "an unknown place", 3, 15, WM_DISTANCE_UNKNOWN },
    { "no device", 3, -1, WM_DISTANCE_UNKNOWN },
    { "no such device", 3, 99, WM_DISTANCE_UNKNOWN },
};

static void test_pairs(void)
{
    for (int i = 0; i < COUNT(pairs); i++) {
        enum wm_distance there = wm_topo_distance(&machine, pairs[i].a, pairs[i].b);
        enum wm_distance back = wm_topo_distance(&machine, pairs[i].b, pairs[i].a);
        if (!CHECK_TEXT(wm_distance_names[there], wm_distance_names[pairs[i].want]) || !CHECK_INT(back, there))
            printf("    %s\n", pairs[i].what);
    }
}

static void test_one_node(void)
{
    struct wm_topo one = machine;
    one.n_numa = 1;
    CHECK_INT(wm_topo_distance(&one, 3, 15), WM_DISTANCE_NODE);
}

/* A file that was read back may say anything. */
static void test_nonsense(void)
{
    struct wm_topo_pci circle[] = { { .address = "x", .parent = 1, .root = -1, .numa = -1 },
                                    { .address = "y", .parent = 7, .root = -1, .numa = -1 } };
    struct wm_topo topo = { .pci = circle, .n_pci = 2, .numa = nodes, .n_numa = 2 };
    CHECK_INT(wm_topo_distance(&topo, 0, 1), WM_DISTANCE_UNKNOWN);
}

static void test_numa(void)
{
}

static void test_nvlinks(void)
{
    struct wm_topo_nvlink links[] = {
        { 0, 1, 4 }, { 1, 0, 4 }, { 2, 0, 2 }, { 3, -1, 18 }, { 4, -1, 12 }, { 4, -1, 4 }
    };
    struct wm_topo topo = { .nvlink = links, .n_nvlinks = COUNT(links), .n_gpus = 5 };
    CHECK_INT(wm_topo_nvlinks(&topo, 0, 1), 4); /* the same four from both ends */
    CHECK_INT(wm_topo_nvlinks(&topo, 0, 2), 2); /* named by one end only */
    CHECK_INT(wm_topo_nvlinks(&topo, 1, 2), 0);
    CHECK_INT(wm_topo_nvlinks(&topo, 3, 4), 16); /* through switches: the lesser of 18 and 16 */
    CHECK_INT(wm_topo_nvlinks(&topo, 0, 3), 0);
    CHECK_INT(wm_topo_nvlinks(&topo, 3, 3), 0);
    CHECK_INT(wm_topo_nvlinks(&topo, -1, -1), 0);
}

static void test_gpu_at_an_address(void)
{
    struct wm_topo_gpu gpu[] = { { .pci = -1 }, { .pci = 5 }, { .pci = 8 } };
    struct wm_topo topo = machine;
    topo.gpu = gpu;
    topo.n_gpus = COUNT(gpu);
    CHECK_INT(wm_topo_find_gpu(&topo, "0000:16:00.0"), 2);
    CHECK_INT(wm_topo_find_gpu(&topo, "0000:14:00.0"), 1);
    CHECK_INT(wm_topo_find_gpu(&topo, "0000:13:00.0"), -1); /* no GPU */
    CHECK_INT(wm_topo_find_gpu(&topo, ""), -1);
    CHECK_INT(wm_topo_find_gpu(NULL, "0000:14:00.0"), -1);
}

int main(void)
{
    test_pairs();
    test_one_node();
    test_nonsense();
    test_numa();
    test_nvlinks();
    test_gpu_at_an_address();
    return wm_tests_end();
}
