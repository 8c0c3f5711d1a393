#include "src/topo/discover.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* --- files below a folder of their own --- */

static char root[] = "/tmp/wiremark-pci-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void put_bytes(const char *address, const char *file, const void *bytes, size_t n)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s/%s", root, address, file);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *out = fopen(path, "wb");
    CHECK(out != NULL && fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
}

static void put(const char *address, const char *file, const char *text)
{
    char folder[100];
    snprintf(folder, sizeof(folder), "sys/bus/pci/devices/%s", address);
    put_bytes(folder, file, text, strlen(text));
}

static void put_link(const char *address, const char *file, const char *target)
{
    char path[300];
    put(address, "uevent", "x\n");
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, address, file);
    CHECK_INT(symlink(target, path), 0);
}

static void begin(struct wm_tree *tree)
{
    struct wm_err err = { 0 };
    snprintf(root, sizeof(root), "/tmp/wiremark-pci-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    CHECK_INT(wm_tree_open(root, tree, &err), WM_OK);
}

static void end(struct wm_tree *tree)
{
    wm_tree_close(tree);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void read_all(struct wm_tree *tree, struct wm_topo *topo)
{
    struct wm_err err = { 0 };
    CHECK_INT(wm_topo_read_pci(tree, topo, &err), WM_OK);
}

/* --- addresses --- */

static void test_addresses(void)
{
    static const struct {
        const char *text, *want; /* NULL: it is none */
    } rows[] = {
        { "0000:18:00.0", "0000:18:00.0" },
        { "18:00.0", "0000:18:00.0" },
        { "00000000:AF:00.1", "0000:af:00.1" },
        { "10000:e1:1f.7", "10000:e1:1f.7" },
        { "ffff:ff:01.0", "ffff:ff:01.0" },
        { "", NULL },
        { "0000:18:00", NULL },
        { "0000:18:20.0", NULL },
        { "0000:18:00.8", NULL },
        { "0000:18:00.0 ", NULL },
        { "0000:18:00.0:1", NULL },
        { "-1:00.0", NULL },
        { "fffffff:ffff:ff", NULL },
        { "mlx5_0", NULL },
        { " 18:00.0", NULL },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        char got[16] = "";
        bool is_one = wm_topo_pci_address(rows[i].text, got);
        if (!CHECK_INT(is_one, rows[i].want != NULL) || (is_one && !CHECK_TEXT(got, rows[i].want)))
            printf("    \"%s\"\n", rows[i].text);
    }
}

static void test_find(void)
{
    struct wm_topo_pci two[] = { { .address = "0000:18:00.0" }, { .address = "0000:af:00.1" } };
    struct wm_topo_numa nodes[] = { { .os_index = 0 }, { .os_index = 8 } };
    struct wm_topo topo = { .pci = two, .n_pci = 2, .numa = nodes, .n_numa = 2 };
    CHECK_INT(wm_topo_find_pci(&topo, "00000000:AF:00.1"), 1);
    CHECK_INT(wm_topo_find_pci(&topo, "18:00.0"), 0);
    CHECK_INT(wm_topo_find_pci(&topo, "18:00.1"), -1);
    CHECK_INT(wm_topo_find_pci(&topo, "eth0"), -1);
    CHECK_INT(wm_topo_find_numa(&topo, 8), 1);
    CHECK_INT(wm_topo_find_numa(&topo, -1), -1);
}

static void test_gpus(void)
{
    struct wm_topo_pci functions[] = {
        { .address = "0000:af:00.0", .vendor = 0x10de, .class_id = 0x030200, .numa = 1, .name = "NVIDIA X" },
        { .address = "0000:18:00.0", .vendor = 0x10de, .class_id = 0x030000 },
        { .address = "0000:02:00.0", .vendor = 0x1a03, .class_id = 0x030000 }, /* the board's own display */
        { .address = "0000:18:00.1", .vendor = 0x10de, .class_id = 0x040300 }, /* its sound */
        { .address = "0000:18:00.4", .vendor = 0x10de, .class_id = 0x030200, .virtual_function = true },
        { .address = "0000:c1:00.0", .vendor = 0x1002, .class_id = 0x120000 },
        { .address = "0000:05:00.0", .vendor = 0x10de, .class_id = 0x068000 }, /* NVSwitch */
    };
    struct wm_topo topo = { .pci = functions, .n_pci = COUNT(functions) };
    struct wm_err err = { 0 };
    CHECK_INT(wm_topo_find_gpus(&topo, &err), WM_OK);
    CHECK_INT(wm_topo_find_gpus(&topo, &err), WM_OK); /* adds none twice */
    if (CHECK_INT(topo.n_gpus, 3)) {
        CHECK_INT(topo.gpu[0].pci, 1);
        CHECK_INT(topo.gpu[1].pci, 0);
        CHECK_INT(topo.gpu[1].numa, 1);
        CHECK_INT(topo.gpu[1].index, 1);
        CHECK_TEXT(topo.gpu[1].name, "NVIDIA X");
        CHECK_INT(topo.gpu[2].pci, 5);
    }
    free(topo.gpu);
}

/* --- files of a function --- */

static void test_links(void)
{
    static const struct {
        const char *what, *speed, *width, *max_speed, *max_width;
        struct wm_pci_link want;
    } rows[] = {
        { "full", "32.0 GT/s PCIe\n", "16\n", "32.0 GT/s PCIe\n", "16\n", { 32, 32, 16, 16, 0 } },
        { "degraded", "8.0 GT/s PCIe\n", "8\n", "16.0 GT/s PCIe\n", "16\n", { 8, 16, 8, 16, 0 } },
        { "an old kernel's words", "2.5 GT/s\n", "4\n", "5 GT/s\n", "4\n", { 2.5, 5, 4, 4, 0 } },
        { "no link", "Unknown\n", "63\n", "Unknown\n", "255\n", { 0, 0, 0, 0, 0 } },
        { "rubbish", "fast\n", "-1\n", "1e9 GT/s\n", "x\n", { 0, 0, 0, 0, 0 } },
        { "present unknown", "Unknown\n", "0\n", "16.0 GT/s PCIe\n", "16\n", { 0, 16, 0, 16, 0 } },
        { "no files", NULL, NULL, NULL, NULL, { 0, 0, 0, 0, 0 } },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_tree tree;
        struct wm_topo_pci pci = { .address = "0000:18:00.0" };
        struct wm_topo topo = { .pci = &pci, .n_pci = 1 };
        begin(&tree);
        put(pci.address, "class", "0x020700\n");
        if (rows[i].speed != NULL) {
            put(pci.address, "current_link_speed", rows[i].speed);
            put(pci.address, "current_link_width", rows[i].width);
            put(pci.address, "max_link_speed", rows[i].max_speed);
            put(pci.address, "max_link_width", rows[i].max_width);
        }
        read_all(&tree, &topo);
        bool same = CHECK_NEAR(pci.link.gt_per_s, rows[i].want.gt_per_s, 0);
        same &= CHECK_NEAR(pci.link.max_gt_per_s, rows[i].want.max_gt_per_s, 0);
        same &= CHECK_INT(pci.link.width, rows[i].want.width);
        same &= CHECK_INT(pci.link.max_width, rows[i].want.max_width);
        if (!same)
            printf("    %s\n", rows[i].what);
        end(&tree);
    }
}

static void test_function(void)
{
    struct wm_tree tree;
    struct wm_topo_numa nodes[] = { { .os_index = 0 }, { .os_index = 1 } };
    struct wm_topo_pci two[] = { { .address = "0000:18:00.1", .numa = 0 },
                                 { .address = "0000:19:00.0", .class_id = 0x020000, .numa = 0 } };
    struct wm_topo topo = { .pci = two, .n_pci = 2, .numa = nodes, .n_numa = 2 };
    begin(&tree);
    put(two[0].address, "class", "0x020700\n");
    put(two[0].address, "vendor", "0x15b3\n");
    put(two[0].address, "device", "0x101e\n");
    put(two[0].address, "numa_node", "1\n");
    put_link(two[0].address, "driver", "../../../bus/pci/drivers/mlx5_core");
    put_link(two[0].address, "iommu_group", "../../../kernel/iommu_groups/42");
    put_link(two[0].address, "physfn", "../0000:18:00.0");
    put("0000:18:00.0", "class", "0x020700\n");
    put(two[1].address, "numa_node", "-1\n");
    read_all(&tree, &topo);
    CHECK_INT(two[0].class_id, 0x020700);
    CHECK_INT(two[0].vendor, 0x15b3);
    CHECK_INT(two[0].device, 0x101e);
    CHECK_INT(two[1].class_id, 0x020000);
    CHECK_INT(two[0].numa, 1);
    CHECK_TEXT(two[0].driver, "mlx5_core");
    CHECK_TEXT(two[0].iommu_group, "42");
    CHECK(two[0].virtual_function);
    CHECK_INT(two[1].numa, 0); /* the kernel does not know: what hwloc said stays */
    CHECK_TEXT(two[1].driver, "");
    CHECK(!two[1].virtual_function);
    end(&tree);
}

/* --- configuration space --- */

struct space {
    unsigned char byte[4096];
};

static void express(struct space *s, unsigned payload_code)
{
    s->byte[0x06] = 0x10;
    s->byte[0x34] = 0x40;
    s->byte[0x40] = 0x01; /* power management first */
    s->byte[0x41] = 0x60;
    s->byte[0x60] = 0x10;
    s->byte[0x68] = (unsigned char)(payload_code << 5);
}

static void extended(struct space *s, size_t at, unsigned id, size_t next)
{
    s->byte[at] = (unsigned char)id;
    s->byte[at + 2] = (unsigned char)(1 | (next & 0xf) << 4);
    s->byte[at + 3] = (unsigned char)(next >> 4);
}

static void acs(struct space *s, unsigned char control)
{
    express(s, 1);
    extended(s, 0x100, 0x01, 0x148); /* error reporting first */
    extended(s, 0x148, 0x0d, 0);
    s->byte[0x148 + 6] = control;
}

static void acs_none(struct space *s)
{
    acs(s, 0);
}
static void acs_validates(struct space *s)
{
    acs(s, 0x01);
}
static void acs_forwards(struct space *s)
{
    acs(s, 0x10);
}
static void acs_redirects(struct space *s)
{
    acs(s, 0x1d);
}
static void acs_completions(struct space *s)
{
    acs(s, 0x08);
}
static void plain(struct space *s)
{
    (void)s;
}
static void no_acs(struct space *s)
{
    express(s, 2);
}
static void in_circles(struct space *s)
{
    s->byte[0x06] = 0x10;
    s->byte[0x34] = 0x40;
    s->byte[0x40] = 0x01;
    s->byte[0x41] = 0x40;
}
static void extended_in_circles(struct space *s)
{
    express(s, 7); /* no such payload */
    extended(s, 0x100, 0x01, 0x100);
}
static void all_ones(struct space *s)
{
    memset(s, 0xff, sizeof(*s));
}

static void test_config(void)
{
    static const struct {
        const char *what;
        void (*fill)(struct space *s);
        size_t bytes;
        int payload_bytes;
        enum wm_acs acs;
    } rows[] = {
        { "all redirects", acs_redirects, 4096, 256, WM_ACS_REDIRECTS },
        { "completions only", acs_completions, 4096, 256, WM_ACS_REDIRECTS },
        { "off", acs_none, 4096, 256, WM_ACS_OFF },
        { "source validation only", acs_validates, 4096, 256, WM_ACS_OFF },
        { "upstream forwarding only", acs_forwards, 4096, 256, WM_ACS_OFF },
        { "no such capability", no_acs, 4096, 512, WM_ACS_OFF },
        { "not PCI Express", plain, 256, 0, WM_ACS_OFF },
        { "extended part not readable", acs_redirects, 256, 256, WM_ACS_UNKNOWN },
        { "as others than root see it", acs_redirects, 64, 0, WM_ACS_UNKNOWN },
        { "cut short", acs_redirects, 20, 0, WM_ACS_UNKNOWN },
        { "capabilities in circles", in_circles, 4096, 0, WM_ACS_OFF },
        { "extended capabilities in circles", extended_in_circles, 4096, 0, WM_ACS_OFF },
        { "fallen off the bus", all_ones, 4096, 0, WM_ACS_UNKNOWN },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_tree tree;
        struct space space = { { 0 } };
        struct wm_topo_pci pci = { .address = "0000:17:00.0", .bridge = true };
        struct wm_topo topo = { .pci = &pci, .n_pci = 1 };
        begin(&tree);
        rows[i].fill(&space);
        put_bytes("sys/bus/pci/devices/0000:17:00.0", "config", space.byte, rows[i].bytes);
        read_all(&tree, &topo);
        bool same = CHECK_INT(pci.payload_bytes, rows[i].payload_bytes);
        if (!(CHECK_INT(pci.acs, rows[i].acs) && same))
            printf("    %s\n", rows[i].what);
        end(&tree);
    }
}

/* What needs root is said once, not for each function. */
static void test_hidden_config(void)
{
    struct wm_tree tree;
    struct wm_topo_pci two[] = { { .address = "0000:17:00.0", .bridge = true }, { .address = "0000:18:00.0" } };
    struct wm_topo topo = { .pci = two, .n_pci = 2 };
    struct space space = { { 0 } };
    begin(&tree);
    put_bytes("sys/bus/pci/devices/0000:17:00.0", "config", space.byte, 64);
    put_bytes("sys/bus/pci/devices/0000:18:00.0", "config", space.byte, 64);
    read_all(&tree, &topo);
    if (CHECK_INT(tree.n_notes, 1)) {
        CHECK_TEXT(tree.notes[0].path, "sys/bus/pci/devices/*/config");
        CHECK_TEXT(tree.notes[0].reason, "only the first 64 bytes of 2 functions: ACS and payload size need root");
    }
    end(&tree);
}

/* --- names --- */

static const char ids[] = "# a comment\n"
                          "10de  NVIDIA Corporation\n"
                          "\t2330  GH100 [H100 SXM5 80GB]\n"
                          "\t\t10de 16c1  a subsystem\n"
                          "\t2331  GH100 [H100 PCIe]\n"
                          "1234  Another\n"
                          "\t2330  Not this one\n"
                          "15b3  Mellanox Technologies\n"
                          "\t1021  MT2910 Family [ConnectX-7]\n"
                          "C 02  Network controller\n"
                          "\t00  Ethernet controller\n";

static void test_names(void)
{
    struct wm_tree tree;
    struct wm_topo_pci functions[] = {
        { .address = "0000:18:00.0", .vendor = 0x15b3, .device = 0x1021 },
        { .address = "0000:1b:00.0", .vendor = 0x10de, .device = 0x2330 },
        { .address = "0000:2b:00.0", .vendor = 0x10de, .device = 0x2330 },
        { .address = "0000:3b:00.0", .vendor = 0x10de, .device = 0x9999 },
        { .address = "0000:4b:00.0", .vendor = 0x10de, .device = 0x2331, .name = "from hwloc" },
    };
    struct wm_topo topo = { .pci = functions, .n_pci = COUNT(functions) };
    begin(&tree);
    put_bytes("usr/share/hwdata", "pci.ids", ids, sizeof(ids) - 1);
    read_all(&tree, &topo);
    CHECK_TEXT(functions[0].name, "Mellanox Technologies MT2910 Family [ConnectX-7]");
    CHECK_TEXT(functions[1].name, "NVIDIA Corporation GH100 [H100 SXM5 80GB]");
    CHECK_TEXT(functions[2].name, "NVIDIA Corporation GH100 [H100 SXM5 80GB]");
    CHECK_TEXT(functions[3].name, "");
    CHECK_TEXT(functions[4].name, "from hwloc");
    end(&tree);
}

int main(void)
{
    test_addresses();
    test_find();
    test_gpus();
    test_links();
    test_function();
    test_config();
    test_hidden_config();
    test_names();
    return wm_tests_end();
}
