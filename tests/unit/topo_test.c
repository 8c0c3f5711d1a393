#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/topo/discover.h"
#include "tests/unit/check.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define DGX2         "tests/recorded/nvidiaDGX2.xml"
#define P4D          "tests/recorded/p4d-24xl-topo.xml"

static char folder[] = "/tmp/wiremark-topo-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

/* A file below the folder, with the folders on its way. */
static const char *put(const char *file, const char *text)
{
    static char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *out = fopen(path, "wb");
    CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
    return path;
}

static struct wm_topo of_file(const char *xml)
{
    struct wm_topo topo;
    struct wm_err err = { 0 };
    if (!CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .xml = xml }, &topo, &err), WM_OK))
        wm_err_print(stdout, &err);
    return topo;
}

#ifdef HAVE_LIBXML2
static struct wm_topo of_text(const char *text)
{
    return of_file(put("topo.xml", text));
}
#endif

static enum wm_distance between(const struct wm_topo *topo, int gpu_a, int gpu_b)
{
    return wm_topo_distance(topo, topo->gpu[gpu_a].pci, topo->gpu[gpu_b].pci);
}

/* --- hwloc's file of a DGX-2 (written by hwloc 3) --- */

static void test_dgx2(void)
{
    struct wm_topo topo = of_file(DGX2);
    CHECK_TEXT(topo.source, "hwloc XML " DGX2);
    CHECK_TEXT(topo.machine, "NVIDIA DGX-2H");
    CHECK_TEXT(topo.cpu_model, "Intel(R) Xeon(R) Platinum 8174 CPU @ 3.10GHz");
    CHECK_INT(topo.packages, 2);
    CHECK_INT(topo.cores, 4);
    CHECK_INT(topo.threads, 4);
    CHECK_INT(topo.n_cores, 4);
    if (CHECK_INT(topo.n_numa, 2)) {
        CHECK_TEXT(topo.numa[1].cpus, "24-25");
        CHECK_INT(topo.numa[0].memory_bytes, 810234351616);
        CHECK_INT(topo.numa[1].package, 1);
    }
    CHECK_INT(topo.n_pci, 56); /* 16 GPUs and the 40 bridges above them; the NVSwitches and theirs are left out */
    CHECK_INT(topo.n_rdma + topo.n_netifs, 0);
    CHECK_INT(topo.n_notes, 0);
    wm_topo_free(&topo);
    CHECK_INT(topo.n_pci, 0);
    CHECK(topo.pci == NULL);
}

static void test_dgx2_gpus(void)
{
    struct wm_topo topo = of_file(DGX2);
    if (!CHECK_INT(topo.n_gpus, 16))
        return;
    for (int i = 0; i < 16; i++) {
        CHECK_TEXT(topo.gpu[i].name, "Tesla V100-SXM3-32GB-H");
        CHECK_INT(topo.gpu[i].index, i);
        CHECK_INT(topo.gpu[i].numa, i / 8);
        CHECK_INT(topo.gpu[i].nvlinks, 6);
        CHECK_NEAR(topo.gpu[i].nvlink_bytes_per_s, 25e9, 0);
        CHECK_NEAR(topo.pci[topo.gpu[i].pci].link.bytes_per_s, 15.753846e9, 1e3);
    }
    CHECK_TEXT(topo.gpu[15].uuid, "GPU-bb4648d3-e72b-4bac-a32f-4c9f3e4eb547");
    CHECK_TEXT(topo.pci[topo.gpu[2].pci].address, "0000:39:00.0");
    CHECK_INT(wm_topo_nvlinks(&topo, 0, 15), 6);
    wm_topo_free(&topo);
}

/* By hand from the file: 34 and 36 on one switch (32:00.0), 39 on another below the same switch above, 57 below
 * another root of the same package, b7 on the other package. */
static void test_dgx2_distances(void)
{
    struct wm_topo topo = of_file(DGX2);
    if (!CHECK_INT(topo.n_gpus, 16))
        return;
    for (int a = 0; a < 16; a++)
        for (int b = 0; b < 16; b++) {
            enum wm_distance want = a == b           ? WM_DISTANCE_SELF
                                    : a / 2 == b / 2 ? WM_DISTANCE_PIX
                                    : a / 4 == b / 4 ? WM_DISTANCE_PXB
                                    : a / 8 == b / 8 ? WM_DISTANCE_NODE
                                                     : WM_DISTANCE_SYS;
            CHECK_TEXT(wm_distance_names[between(&topo, a, b)], wm_distance_names[want]);
        }
    wm_topo_free(&topo);
}

/* --- hwloc's files with network devices, of both versions --- */

#define HEAD                                                                                                           \
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" allowed_cpuset=\"0x3\" "           \
    "nodeset=\"0x1\" complete_nodeset=\"0x1\" allowed_nodeset=\"0x1\" gp_index=\"1\">"                                 \
    "<info name=\"Architecture\" value=\"aarch64\"/>"                                                                  \
    "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" nodeset=\"0x1\" "                 \
    "complete_nodeset=\"0x1\" gp_index=\"2\" local_memory=\"1024\"/>"                                                  \
    "<object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\" "                       \
    "complete_nodeset=\"0x1\" gp_index=\"3\"/>"                                                                        \
    "<object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x1\" "                       \
    "complete_nodeset=\"0x1\" gp_index=\"4\"/>"                                                                        \
    "<object type=\"Bridge\" gp_index=\"5\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"0000:[00-02]\">"              \
    "<object type=\"PCIDev\" gp_index=\"6\" pci_busid=\"0000:00:02.0\" "                                               \
    "pci_type=\"0207 [15b3:1021] [0000:0000] 00 00\" pci_link_speed=\"63.015385\">"                                    \
    "<info name=\"PCIVendor\" value=\"Mellanox\"/><info name=\"PCIDevice\" value=\"MT2910\"/>"
#define DEVICES(net, fabric)                                                                                           \
    "<object type=\"OSDev\" gp_index=\"7\" name=\"ib0\" osdev_type=\"" net "\">"                                       \
    "<info name=\"Address\" value=\"00:11\"/></object>"                                                                \
    "<object type=\"OSDev\" gp_index=\"8\" name=\"mlx5_0\" osdev_type=\"" fabric "\">"                                 \
    "<info name=\"NodeGUID\" value=\"a088:c203:0001:0002\"/><info name=\"Port1State\" value=\"4\"/></object>"
#define TAIL "</object></object></object></topology>"

static void test_devices_of_a_file(const char *text)
{
    struct wm_topo topo = of_file(put("devices.xml", text));
    CHECK_TEXT(topo.arch, "aarch64");
    CHECK_INT(topo.cores, 0); /* the file has none */
    CHECK_INT(topo.threads, 2);
    if (CHECK_INT(topo.n_pci, 1))
        CHECK_TEXT(topo.pci[0].name, "Mellanox MT2910");
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 1)) {
        CHECK_TEXT(topo.rdma[0].name, "mlx5_0");
        CHECK_TEXT(topo.rdma[0].node_guid, "a088:c203:0001:0002");
        CHECK_INT(topo.rdma[0].pci, 0);
        CHECK_TEXT(topo.rdma[0].port[0].state, "ACTIVE");
        CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_IB);
    }
    if (CHECK_INT(topo.n_netifs, 1)) {
        CHECK_TEXT(topo.netif[0].name, "ib0");
        CHECK_INT(topo.netif[0].rdma, 0);
    }
    wm_topo_free(&topo);
}

static void test_versions(void)
{
    test_devices_of_a_file("<topology version=\"2.0\">" HEAD DEVICES("2", "3") TAIL);
    test_devices_of_a_file("<topology version=\"3.0\">" HEAD DEVICES("16", "48") TAIL);
}

/* --- NCCL's files --- */

#ifdef HAVE_LIBXML2

/* By hand from the file: two GPUs and a card on each switch, two switches on each CPU. */
static void test_p4d(const char *file, const char *gpu_device)
{
    struct wm_topo topo = of_file(file);
    CHECK_TEXT(topo.arch, "x86_64");
    CHECK_INT(topo.threads, 96);
    if (CHECK_INT(topo.n_numa, 2)) {
        CHECK_TEXT(topo.numa[0].cpus, "0-23,48-71");
        CHECK_TEXT(topo.numa[1].cpus, "24-47,72-95");
    }
    CHECK_INT(topo.n_pci, 16);
    if (!CHECK_INT(topo.n_gpus, 8) || !CHECK_INT(topo.n_rdma, 4))
        return;
    for (int a = 0; a < 8; a++)
        for (int b = 0; b < 8; b++) {
            enum wm_distance want = a == b           ? WM_DISTANCE_SELF
                                    : a / 2 == b / 2 ? WM_DISTANCE_PIX
                                    : a / 4 == b / 4 ? WM_DISTANCE_PHB
                                                     : WM_DISTANCE_SYS;
            CHECK_TEXT(wm_distance_names[between(&topo, a, b)], wm_distance_names[want]);
        }
    struct wm_topo_nic nic[4];
    CHECK_INT(wm_topo_nics(&topo, nic, 4), 4);
    for (int gpu = 0; gpu < 8; gpu++) {
        int nearest = wm_topo_nearest_nic(&topo, nic, 4, gpu, -1);
        CHECK_INT(nearest, gpu / 2);
        CHECK_INT(wm_topo_distance(&topo, topo.gpu[gpu].pci, nic[nearest].pci), WM_DISTANCE_PIX);
    }
    char device[8];
    snprintf(device, sizeof(device), "%04x", topo.pci[topo.gpu[7].pci].device);
    CHECK_TEXT(device, gpu_device);
    CHECK_TEXT(nic[3].name, "rdmap160s27"); /* 0xa0, 0x1b */
    CHECK_INT(nic[3].fabric, WM_FABRIC_EFA);
    CHECK_TEXT(topo.rdma[0].driver, "efa");
    CHECK_NEAR(topo.pci[topo.rdma[0].pci].link.gt_per_s, 8, 0);
    CHECK_INT(topo.pci[topo.rdma[0].pci].link.width, 16);
    wm_topo_free(&topo);
}

/* A file of places only. */
static void test_g5(void)
{
    struct wm_topo topo = of_file("tests/recorded/g5.48xl-topo.xml");
    CHECK_INT(topo.n_pci, 9);
    CHECK_INT(topo.n_gpus + topo.n_rdma, 0);
    if (CHECK_INT(topo.n_numa, 2)) {
        CHECK_TEXT(topo.numa[0].cpus, "");
        CHECK_INT(topo.pci[wm_topo_find_pci(&topo, "0000:00:15.0")].numa, 1);
    }
    wm_topo_free(&topo);
}

/* As NCCL writes it: of two hosts, the first; GPUs of another maker's class; ports, interfaces, NVLinks to switches and
 * between GPUs, one of them named before its target. */
static const char dump[] =
    "<system version=\"1\">\n"
    "  <cpu host_hash=\"0xa\" numaid=\"0\" affinity=\"00000000,0000ffff\" arch=\"x86_64\" vendor=\"AuthenticAMD\" "
    "familyid=\"143\" modelid=\"49\">\n"
    "    <pci busid=\"0000:01:00.0\" class=\"0x060400\" vendor=\"0x1000\" device=\"0xc030\" link_speed=\"32.0 GT/s "
    "PCIe\" link_width=\"16\">\n"
    "      <pci busid=\"0000:03:00.0\" class=\"0x030200\" vendor=\"0x10de\" device=\"0x2330\" link_speed=\"32.0 GT/s "
    "PCIe\" link_width=\"16\">\n"
    "        <gpu dev=\"1\" sm=\"90\" rank=\"1\" gdr=\"1\">\n"
    "          <nvlink target=\"0000:08:00.0\" count=\"4\" tclass=\"0x068000\"/>\n"
    "          <nvlink target=\"fffffff:ffff:ff\" count=\"5\" tclass=\"0x068000\"/>\n"
    "          <nvlink target=\"0000:05:00.0\" count=\"2\" tclass=\"0x030200\"/>\n"
    "        </gpu>\n"
    "      </pci>\n"
    "      <pci busid=\"0000:04:00.0\" class=\"0x020700\" vendor=\"0x15b3\" device=\"0x1021\" link_speed=\"\" "
    "link_width=\"255\">\n"
    "        <nic>\n"
    "          <net name=\"mlx5_0\" dev=\"0\" speed=\"400000\" port=\"1\" guid=\"0x5e7ca70003e1a258\" gdr=\"1\"/>\n"
    "          <net name=\"mlx5_0\" dev=\"1\" speed=\"100000\" port=\"2\" guid=\"0x5e7ca70003e1a258\" gdr=\"1\"/>\n"
    "        </nic>\n"
    "      </pci>\n"
    "    </pci>\n"
    "    <pci busid=\"0000:05:00.0\" class=\"0x038000\" vendor=\"0x1d94\" device=\"0x55b7\"><gpu dev=\"0\" "
    "sm=\"90\"/></pci>\n"
    "    <pci busid=\"0000:06:00.0\" class=\"0x020000\" vendor=\"0x8086\" device=\"0x1572\">\n"
    "      <nic><net name=\"eno1\" dev=\"2\" speed=\"10000\" port=\"0\" guid=\"0x2\"/></nic>\n"
    "    </pci>\n"
    "    <nic><net name=\"docker0\" speed=\"10000\" guid=\"0x3\"/></nic>\n"
    "  </cpu>\n"
    "  <cpu host_hash=\"0xb\" numaid=\"0\"><pci busid=\"0000:03:00.0\" class=\"0x030200\" vendor=\"0x10de\"/></cpu>\n"
    "</system>\n";

static void test_dump_gpus(void)
{
    struct wm_topo topo = of_text(dump);
    CHECK_TEXT(topo.cpu_model, "AuthenticAMD family 143 model 49");
    CHECK_INT(topo.threads, 16);
    CHECK_INT(topo.n_pci, 5);
    if (!CHECK_INT(topo.n_gpus, 2))
        return;
    CHECK_INT(topo.gpu[0].index, 1);
    CHECK_TEXT(topo.pci[topo.gpu[0].pci].address, "0000:03:00.0");
    CHECK_INT(topo.gpu[0].nvlinks, 11);
    CHECK_NEAR(topo.gpu[0].nvlink_bytes_per_s, 26.562e9, 0);
    CHECK_INT(topo.gpu[1].index, 0);
    CHECK_INT(topo.gpu[1].nvlinks, 0);
    CHECK_INT(wm_topo_nvlinks(&topo, 1, 0), 2);
    if (CHECK_INT(topo.n_nvlinks, 2)) {
        CHECK_INT(topo.nvlink[0].to, -1); /* both switches in one */
        CHECK_INT(topo.nvlink[0].links, 9);
        CHECK_INT(topo.nvlink[1].to, 1);
    }
    CHECK_NEAR(topo.pci[0].link.gt_per_s, 32, 0);
    CHECK_INT(topo.pci[2].link.width, 0); /* 255: none */
    wm_topo_free(&topo);
}

static void test_dump_cards(void)
{
    struct wm_topo topo = of_text(dump);
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 2)) {
        CHECK_TEXT(topo.rdma[0].name, "mlx5_0");
        CHECK_TEXT(topo.rdma[0].node_guid, "5e7c:a700:03e1:a258");
        CHECK_TEXT(topo.rdma[0].port[0].rate, "400 Gb/sec");
        CHECK_NEAR(topo.rdma[0].port[0].bytes_per_s, 50e9, 0);
        CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_IB);
        CHECK_INT(topo.rdma[0].port[1].number, 2);
    }
    if (CHECK_INT(topo.n_netifs, 2)) {
        CHECK_TEXT(topo.netif[0].name, "eno1");
        CHECK_NEAR(topo.netif[0].bytes_per_s, 1.25e9, 0);
        CHECK_INT(topo.netif[1].pci, -1);
    }
    wm_topo_free(&topo);
}

#define BOMB  "<!DOCTYPE system [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><system><cpu arch=\"&b;\"/></system>"
#define LINE3 "<system>\n<cpu>\n<pci busid=\"zz\"/></cpu></system>"

static void test_nccl_errors(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "<system>\n<cpu>\n</system>", "topo.xml:3: Premature end of data in tag system line 1" },
        { "<system>\n<cpu", "topo.xml:2: " },
        { LINE3, "topo.xml:3: <pci> has the busid \"zz\", not one as \"0000:18:00.0\"" },
        { "<system><cpu><pci/></cpu></system>", "topo.xml:1: <pci> has the busid \"\"" },
        { BOMB, "topo.xml declares entities, which no topology file does" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_topo topo;
        struct wm_err err = { 0 };
        struct wm_topo_request request = { .xml = put("topo.xml", rows[i].text) };
        CHECK_INT(wm_topo_discover(&request, &topo, &err), WM_EUSAGE);
        CHECK_HAS(err.what, rows[i].want);
        CHECK_INT(topo.n_pci, 0);
    }
    struct wm_topo empty = of_text("<system version=\"1\"/>");
    CHECK_INT(empty.n_pci + empty.n_numa, 0);
    wm_topo_free(&empty);
}

static void test_nccl(void)
{
    test_p4d(P4D, "20b0");
    test_p4d("tests/recorded/p4de-24xl-topo.xml", "20b2");
    test_g5();
    test_dump_gpus();
    test_dump_cards();
    test_nccl_errors();
}

#else

static void test_nccl(void)
{
    struct wm_topo topo;
    struct wm_err err = { 0 };
    CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .xml = P4D }, &topo, &err), WM_EUNSUP);
    CHECK_TEXT(err.what, P4D ": reading NCCL XML needs libxml2, which was not built in");
}

#endif

/* --- files that are none --- */

static void test_errors(void)
{
    static const struct {
        const char *text, *want;
        enum wm_code code;
    } rows[] = {
        { "<?xml version=\"1.0\"?><!-- <system> --><html><system/></html>",
          "begins with <html>: it is neither hwloc's topology file (<topology>) nor NCCL's (<system>)", WM_EUSAGE },
        { "", "bad.xml is empty: hwloc's topology file (<topology>) or NCCL's", WM_EUSAGE },
        { "root:x:0:0\n", "bad.xml is no XML: ", WM_EUSAGE },
        { "<!-- no end", "bad.xml is cut off before its first element: ", WM_EUSAGE },
        { "<topology version=\"2.0\"><object type=\"Machine\"", "bad.xml is cut off: it has no </topology>",
          WM_EUSAGE },
        { "<topology version=\"4.0\"></topology>", "cannot read this file", WM_EUSAGE },
        { "<topology></topology>", "cannot read this file", WM_EUSAGE },
    };
    struct wm_topo topo;
    for (int i = 0; i < COUNT(rows); i++) {
        struct wm_err err = { 0 };
        struct wm_topo_request request = { .xml = put("bad.xml", rows[i].text) };
        CHECK_INT(wm_topo_discover(&request, &topo, &err), rows[i].code);
        CHECK_HAS(err.what, rows[i].want);
        CHECK_HAS(err.what, "bad.xml");
    }
    struct wm_err absent = { 0 }, is_folder = { 0 }, no_root = { 0 };
    CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .xml = "/nowhere/x.xml" }, &topo, &absent), WM_EABSENT);
    CHECK_HAS(absent.what, "no topology file /nowhere/x.xml");
    CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .xml = folder }, &topo, &is_folder), WM_EUSAGE);
    CHECK_HAS(is_folder.what, "is a folder; a topology file is needed");
    CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .sysfs_root = "/nowhere" }, &topo, &no_root), WM_EABSENT);
    CHECK_HAS(no_root.what, "/nowhere");
    struct wm_err no_machine = { 0 };
    char path[340];
    snprintf(path, sizeof(path), "%s/nothing", folder);
    CHECK_INT(mkdir(path, 0755), 0);
    CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .sysfs_root = path }, &topo, &no_machine), WM_EABSENT);
    CHECK_HAS(no_machine.what, "/nothing is no recorded machine: of sys/devices, ");
}

/* --- a machine's files --- */

static struct wm_topo of_root(const char *root)
{
    struct wm_topo topo;
    struct wm_err err = { 0 };
    if (!CHECK_INT(wm_topo_discover(&(struct wm_topo_request){ .sysfs_root = root }, &topo, &err), WM_OK))
        wm_err_print(stdout, &err);
    return topo;
}

/* Nothing of the machine that the test runs on may show. */
static void test_empty_tree(void)
{
    char path[340];
    snprintf(path, sizeof(path), "%s/empty", folder);
    CHECK_INT(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/empty/sys", folder);
    CHECK_INT(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/empty/sys/class", folder);
    CHECK_INT(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/empty", folder);
    struct wm_topo topo = of_root(path);
    CHECK_HAS(topo.source, "files below ");
    CHECK_INT(topo.packages + topo.cores + topo.threads + topo.n_numa + topo.n_cores, 0);
    CHECK_INT(topo.n_pci + topo.n_gpus + topo.n_rdma + topo.n_netifs, 0);
    CHECK_TEXT(topo.machine, "");
    CHECK_TEXT(topo.arch, "");
    bool said = false;
    for (int i = 0; i < topo.n_notes; i++)
        said |= strncmp(topo.note[i].path, "sys", 3) == 0 && strstr(topo.note[i].reason, "CPU") != NULL;
    CHECK(said);
    wm_topo_free(&topo);
}

static void put_pci(const char *address, const char *class_id, const char *config, size_t n)
{
    char path[120];
    snprintf(path, sizeof(path), "tree/sys/bus/pci/devices/%s/class", address);
    put(path, class_id);
    snprintf(path, sizeof(path), "tree/sys/bus/pci/devices/%s/vendor", address);
    put(path, "0x10de\n");
    snprintf(path, sizeof(path), "tree/sys/bus/pci/devices/%s/config", address);
    FILE *out = fopen(put(path, ""), "wb");
    CHECK(out != NULL && fwrite(config, 1, n, out) == n && fclose(out) == 0);
}

static void test_tree(void)
{
    char bridge[64] = { [0x0e] = 1, [0x19] = 0x18, [0x1a] = 0x20 }, leaf[64] = { 0 }, path[340];
    put("tree/sys/devices/system/cpu/online", "0-1\n");
    put("tree/sys/devices/system/cpu/cpu0/topology/core_cpus", "00000003\n");
    put("tree/sys/devices/system/cpu/cpu0/topology/package_cpus", "00000003\n");
    put("tree/sys/devices/system/cpu/cpu0/topology/core_id", "0\n");
    put("tree/sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    put("tree/sys/devices/system/cpu/cpu1/topology/core_cpus", "00000003\n");
    put("tree/sys/devices/system/cpu/cpu1/topology/package_cpus", "00000003\n");
    put("tree/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A CPU\n");
    put("tree/sys/class/dmi/id/product_name", "p5.48xlarge\n");
    put_pci("0000:17:00.0", "0x060400\n", bridge, sizeof(bridge));
    put_pci("0000:18:00.0", "0x030200\n", leaf, sizeof(leaf));
    put_pci("0000:18:01.0", "0x010802\n", leaf, sizeof(leaf)); /* a disk */
    snprintf(path, sizeof(path), "%s/tree", folder);
    setenv("HWLOC_FSROOT", "/nowhere", 1);
    struct wm_topo topo = of_root(path);
    CHECK_TEXT(getenv("HWLOC_FSROOT"), "/nowhere"); /* put back */
    CHECK(getenv("HWLOC_COMPONENTS") == NULL);
    unsetenv("HWLOC_FSROOT");
    CHECK_TEXT(topo.machine, "p5.48xlarge");
    CHECK_TEXT(topo.arch, "x86_64");
    CHECK_TEXT(topo.cpu_model, "A CPU");
    CHECK_INT(topo.threads, 2);
    if (CHECK_INT(topo.n_cores, 1))
        CHECK_TEXT(topo.core[0].cpus, "0-1");
    if (CHECK_INT(topo.n_pci, 2)) {
        CHECK(topo.pci[0].bridge);
        CHECK_INT(topo.pci[1].parent, 0);
        CHECK_INT(topo.pci[1].class_id, 0x030200);
    }
    CHECK_INT(topo.n_gpus, 1);
    wm_topo_free(&topo);
}

static void test_this_machine(void)
{
    struct wm_topo topo = of_root(NULL);
    CHECK_TEXT(topo.source, "this machine");
    CHECK(topo.threads > 0);
    CHECK(topo.n_numa > 0);
    CHECK(topo.arch[0] != '\0');
    for (int i = 0; i < topo.n_pci; i++)
        CHECK(topo.pci[i].parent < i);
    wm_topo_free(&topo);
}

static void test_grow(void)
{
    int *number = NULL, n = 0;
    for (; n < 100 && wm_topo_grow(&number, n, sizeof(*number)); n++)
        number[n] += n + 1; /* zeroed */
    n = 30;                 /* fell, and grows again */
    for (; n < 100 && wm_topo_grow(&number, n, sizeof(*number)); n++)
        number[n] += n + 1;
    for (int i = 0; i < n; i++)
        CHECK_INT(number[i], i + 1);
    CHECK_INT(n, 100);
    free(number);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL);
    test_dgx2();
    test_dgx2_gpus();
    test_dgx2_distances();
    test_versions();
    test_nccl();
    test_errors();
    test_empty_tree();
    test_tree();
    test_this_machine();
    test_grow();
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return wm_tests_end();
}
