/*
 * Arbitrary bytes for everything that reads a machine: texts, files of a tree, links, names, PCI configuration space,
 * NVML's record, NCCL's topology files, a topology in JSON. The first letter of an input chooses the reader.
 *
 * With libFuzzer (-DWM_LIBFUZZER -fsanitize=fuzzer) the inputs are its own; `topo_fuzz --seeds DIR` of the plain
 * program writes the first ones for it. The plain program tries these and a fixed number of variations, the same at
 * each start.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/result/topology.h"
#include "src/topo/discover.h"
#include "src/topo/fabric.h"
#include "src/topo/versions.h"
#include "tests/fuzz/fuzz.h"

/* --- a tree of one card, of which an input replaces one file --- */

enum { CONFIG_BYTES = 4096 };

static char folder[64], root[80]; /* root lies in folder, beside what it must not lead to */

static const struct {
    const char *path, *text;
} files[] = {
    { "sys/class/infiniband/mlx5_0/node_type", "1: CA\n" },
    { "sys/class/infiniband/mlx5_0/fw_ver", "28.39.1002\n" },
    { "sys/class/infiniband/mlx5_0/node_desc", "here\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/phys_state", "5: LinkUp\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/link_layer", "Ethernet\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/gids/3", "0000:0000:0000:0000:0000:ffff:c633:6401\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/types/3", "RoCE v2\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/3", "eth2\n" },
    { "sys/class/infiniband/mlx5_0/ports/1/counters/link_downed", "3\n" },
    { "sys/class/net/eth2/type", "1\n" },
    { "sys/class/net/eth2/operstate", "up\n" },
    { "sys/class/net/eth2/speed", "400000\n" },
    { "sys/class/net/eth2/mtu", "9000\n" },
    { "sys/class/net/eth2/uevent", "DEVTYPE=vlan\nINTERFACE=eth2\n" },
    { "sys/class/net/eth2/device/numa_node", "0\n" },
    { "sys/bus/pci/devices/0000:18:00.0/config", "" },
    { "sys/bus/pci/devices/0000:18:00.0/class", "0x020000\n" },
    { "sys/bus/pci/devices/0000:18:00.0/current_link_speed", "32.0 GT/s PCIe\n" },
    { "sys/bus/pci/devices/0000:18:00.0/current_link_width", "16\n" },
    { "usr/share/misc/pci.ids", "15b3  Mellanox Technologies\n\t1021  MT2910 Family [ConnectX-7]\nC 00  Old\n" },
    { "nvml.json", "{\"gpus\": []}\n" },
    { "versions", "libfabric 1.17.0\n" },
    { "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n" },
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void remove_tree(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    return path;
}

static void put(const char *name, const void *bytes, size_t n)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    MUST(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
}

static void make_tree(void)
{
    bool shared = access("/dev/shm", W_OK) == 0;
    if (folder[0] != '\0')
        return;
    snprintf(folder, sizeof(folder), "%s/wiremark-fuzz-XXXXXX", shared ? "/dev/shm" : "/tmp");
    MUST(mkdtemp(folder) != NULL);
    atexit(remove_tree);
    snprintf(root, sizeof(root), "%s/root", folder);
    for (size_t i = 0; i < COUNT(files); i++)
        put(files[i].path, files[i].text, strlen(files[i].text));
    put("../secret", "outside", strlen("outside"));
}

/* --- what a reading must be like --- */

static void check_json(const struct wm_topo *topo)
{
    struct wm_topo back;
    struct wm_err err = { 0 };
    json_t *json = wm_topology_to_json(topo, false);
    MUST(json != NULL); /* all texts are UTF-8 */
    if (wm_topology_from_json(json, &back, &err) == WM_OK)
        wm_topo_free(&back);
    else
        wm_err_print(stderr, &err), abort();
    json_decref(json);
}

static void check_topo(const struct wm_topo *topo)
{
    for (int i = 0; i < topo->n_rdma; i++) {
        const struct wm_topo_rdma *rdma = &topo->rdma[i];
        MUST(rdma->name[0] != '\0' && rdma->pci >= -1 && rdma->pci < topo->n_pci);
        for (int p = 0; p < rdma->n_ports; p++) {
            int best = wm_gid_best(&rdma->port[p]);
            MUST(rdma->port[p].bytes_per_s >= 0 && rdma->port[p].bytes_per_s < 1e15);
            MUST(best >= -1 && best < rdma->port[p].n_gids);
            MUST(rdma->port[p].n_counters >= 0 && rdma->port[p].n_counters <= WM_TOPO_PORT_COUNTERS);
        }
    }
    for (int i = 0; i < topo->n_netifs; i++) {
        MUST(topo->netif[i].name[0] != '\0' && topo->netif[i].rdma < topo->n_rdma);
        MUST(topo->netif[i].pci >= -1 && topo->netif[i].pci < topo->n_pci && topo->netif[i].mtu_bytes >= 0);
    }
    for (int i = 0; i < topo->n_pci; i++)
        MUST(topo->pci[i].parent < i);
    for (int i = 0; i < topo->n_gpus; i++)
        MUST(topo->gpu[i].pci >= -1 && topo->gpu[i].pci < topo->n_pci);
    check_json(topo);
}

static void add_function(struct wm_topo *topo, const char *address, bool bridge)
{
    MUST(wm_topo_grow(&topo->pci, topo->n_pci, sizeof(*topo->pci)));
    struct wm_topo_pci *pci = &topo->pci[topo->n_pci++];
    *pci = (struct wm_topo_pci){ .parent = topo->n_pci - 2, .numa = -1, .vendor = 0x15b3, .device = 0x1021 };
    pci->bridge = bridge;
    snprintf(pci->address, sizeof(pci->address), "%s", address);
}

static void read_tree(void)
{
    struct wm_tree tree;
    struct wm_topo topo = { 0 };
    struct wm_versions versions = { 0 };
    struct wm_err err = { 0 };
    MUST(wm_tree_open(root, &tree, &err) == WM_OK);
    add_function(&topo, "0000:17:00.0", true);
    add_function(&topo, "0000:18:00.0", false);
    MUST(wm_topo_read_pci(&tree, &topo, &err) == WM_OK);
    MUST(wm_topo_find_gpus(&topo, &err) == WM_OK);
    MUST(wm_topo_read_rdma(&tree, &topo, &err) == WM_OK);
    MUST(wm_topo_read_netifs(&tree, &topo, &err) == WM_OK);
    MUST(wm_topo_read_nvml(&tree, &topo, &err) == WM_OK);
    wm_versions_read(&tree, &versions);
    MUST(tree.n_notes <= WM_TREE_NOTES && versions.n <= (int)COUNT(versions.item));
    check_topo(&topo);
    wm_topo_free(&topo);
    wm_tree_close(&tree);
}

/* --- readers, each with the bytes behind the letter --- */

/* The text with a zero behind it; the caller's to free. */
static char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void try_text(const uint8_t *data, size_t size)
{
    char address[16], again[16], *text = text_of(data, size);
    struct wm_topo_gid gid = { .type = WM_GID_ROCE_V2 };
    struct wm_fabric_facts facts = { .driver = text, .provider = text, .link_layer = text };
    double bytes_per_s = wm_rate_bytes_per_s(text);
    MUST(bytes_per_s >= 0 && bytes_per_s < 1e15);
    snprintf(gid.gid, sizeof(gid.gid), "%s", text);
    int score = wm_gid_score(&gid, WM_FABRIC_ROCE, true);
    MUST(score >= 0 && score <= 112);
    MUST(wm_fabric_of(&facts) < WM_FABRICS);
    if (wm_topo_pci_address(text, address))
        MUST(wm_topo_pci_address(address, again) && strcmp(address, again) == 0);
    MUST((wm_version_compare(text, "1.17.0") < 0) == (wm_version_compare("1.17.0", text) > 0));
    MUST(wm_version_compare(text, text) == 0);
    free(text);
}

/* The second byte chooses the file. */
static void try_file(const uint8_t *data, size_t size)
{
    size_t i = size > 0 ? data[0] % COUNT(files) : 0;
    put(files[i].path, data + (size > 0), size - (size > 0));
    read_tree();
    put(files[i].path, files[i].text, strlen(files[i].text));
}

/* What the bytes say is poked into a good configuration space: offset (two bytes), value, and again. */
static void try_config(const uint8_t *data, size_t size)
{
    static const char path[] = "sys/bus/pci/devices/0000:17:00.0/config";
    uint8_t space[CONFIG_BYTES] = { 0 };
    space[6] = 0x10;
    space[0x34] = 0x60;
    space[0x60] = 0x10;
    space[0x68] = 0x20;
    space[0x100] = 0x01;
    space[0x102] = 0x82, space[0x103] = 0x14; /* the next one stands at 0x148 */
    space[0x148] = 0x0d;
    space[0x14e] = 0x1d;
    for (size_t i = 0; i + 2 < size; i += 3)
        space[(data[i] << 8 | data[i + 1]) % CONFIG_BYTES] = data[i + 2];
    put(path, space, size % 3 == 1 ? (size_t)data[size - 1] * 16 : CONFIG_BYTES);
    read_tree();
    unlink(path_of(path));
}

/* A link that leads anywhere leads nowhere but below the root. */
static void try_link(const uint8_t *data, size_t size)
{
    char text[64], *target = text_of(data, size);
    struct wm_tree tree;
    struct wm_err err = { 0 };
    MUST(wm_tree_open(root, &tree, &err) == WM_OK);
    if (symlink(target, path_of("sys/class/net/link")) == 0) {
        wm_tree_text(&tree, text, sizeof(text), "sys/class/net/link");
        MUST(strcmp(text, "outside") != 0);
        wm_tree_text(&tree, text, sizeof(text), "sys/class/net/link/secret");
        MUST(strcmp(text, "outside") != 0);
        read_tree();
        unlink(path_of("sys/class/net/link"));
    }
    wm_tree_close(&tree);
    free(target);
}

/* As the name of an interface, of an RDMA device and of a port. */
static void try_name(const uint8_t *data, size_t size)
{
    static const char *const places[] = { "sys/class/net/%s", "sys/class/infiniband/%s",
                                          "sys/class/infiniband/mlx5_0/ports/%s" };
    char path[400], *name = text_of(data, size < 255 ? size : 255);
    bool usable = name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    for (size_t i = 0; usable && i < COUNT(places); i++) {
        snprintf(path, sizeof(path), places[i], name);
        if (mkdir(path_of(path), 0755) == 0) {
            read_tree();
            rmdir(path_of(path));
        }
    }
    free(name);
}

/* hwloc's own reader is not ours to try. */
static void try_xml(const uint8_t *data, size_t size)
{
    char path[40], *text = text_of(data, size);
    struct wm_topo topo;
    struct wm_err err = { 0 };
    int fd = memfd_create("topology", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct wm_topo_request request = { .xml = path };
    if (strstr(text, "<topology") == NULL && wm_topo_discover(&request, &topo, &err) == WM_OK) {
        check_topo(&topo);
        wm_topo_free(&topo);
    }
    close(fd);
    free(text);
}

static void try_json(const uint8_t *data, size_t size)
{
    struct wm_topo topo;
    struct wm_err err = { 0 };
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (json != NULL && wm_topology_from_json(json, &topo, &err) == WM_OK) {
        check_topo(&topo);
        wm_topo_free(&topo);
    }
    json_decref(json);
}

static const struct fuzz_reader readers[] = {
    { 'T', try_text, 400 }, { 'F', try_file, 20 }, { 'C', try_config, 20 }, { 'L', try_link, 20 },
    { 'N', try_name, 10 },  { 'X', try_xml, 60 },  { 'J', try_json, 400 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_tree();
    fuzz_one(readers, COUNT(readers), data, size);
    return 0;
}

#ifndef WM_LIBFUZZER

static const struct fuzz_seed seeds[] = {
    SEED("T400 Gb/sec (4X NDR)"),
    SEED("T0x1p9 Gb/sec"),
    SEED("T1e999 Gb/sec (1X SDR)"),
    SEED("Tfe80:0000:0000:0000:0e42:a1ff:fe11:2233"),
    SEED("T0000:0000:0000:0000:0000:ffff:a9fe:0101"),
    SEED("T0000:18:00.0"),
    SEED("T00000000:FF:1f.7"),
    SEED("Tverbs;ofi_rxm"),
    SEED("T1.17.0rc2-5~bpo"),
    SEED("F\0"
         "1: CA\n"),
    SEED("F\3"
         "4: ACTIVE\n"),
    SEED("F\6"
         "400 Gb/sec (4X NDR)\n100 Gb/sec\n"),
    SEED("F\7"
         "fe80:0000:0000:0000:0e42:a1ff:fe11:2233\n"),
    SEED("F\x0a"
         "18446744073709551616\n"),
    SEED("F\x0d"
         "-1\n"),
    SEED("F\x0f"
         "DEVTYPE=bond\nDEVTYPE=\n"),
    SEED("F\x11"
         "\xb3\x15\x21\x10\x06\x04\x10\0\x01\0\0\x02"),
    SEED("F\x12"
         "0x020700\n"),
    SEED("F\x13"
         "64.0 GT/s PCIe\n"),
    SEED("F\x15"
         "10de  NVIDIA\n\t2330  H100\n15b3  Mellanox\n\t1021  ConnectX-7\n\t\t1021 0001  x\n"),
    SEED("F\x16"
         "{\"gpus\": [{\"name\": \"H100\", \"uuid\": \"GPU-1\", \"address\": \"00000000:18:00.0\", "
         "\"links\": [{\"active\": true}]}]}"),
    SEED("F\x17"
         "nccl 2.28.9\nlibfabric\nucx  1.16\n"),
    SEED("F\x18"
         "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"),
    SEED("C\0\x61\x40\0\x60\x01"),
    SEED("C\x01\x4a\x11\x01\x4b\x10"),
    SEED("C\x04"),
    SEED("L../../../../secret"),
    SEED("L/../secret"),
    SEED("L/sys/class/net/link"),
    SEED("Llink/link"),
    SEED("L../../.."),
    SEED("N1"),
    SEED("Neth10"),
    SEED("N\xff\xfe\x1b[2J"),
    SEED("X<?xml version=\"1.0\"?><system version=\"1\"><cpu numaid=\"0\" affinity=\"ffff,ffffffff\" arch=\"x86_64\">"
         "<pci busid=\"0000:10:00.0\" class=\"0x060400\" link_speed=\"16 GT/s\" link_width=\"16\">"
         "<pci busid=\"0000:18:00.0\" class=\"0x030200\"><gpu dev=\"0\" sm=\"90\" rank=\"0\"><nvlink "
         "target=\"0000:19:00.0\" count=\"4\" tclass=\"0x068000\"/></gpu></pci><pci busid=\"0000:1a:00.0\" "
         "class=\"0x020700\"><nic><net name=\"mlx5_0\" dev=\"0\" speed=\"400000\" port=\"1\" "
         "guid=\"0x1234567890abcdef\" "
         "/></nic></pci></pci></cpu></system>"),
    SEED("X<!-- --><!DOCTYPE system SYSTEM \"x\"><system><cpu/><pci/></system>"),
    SEED("J{\"rdma\": [{\"name\": \"mlx5_0\", \"ports\": [{\"number\": 1, \"gids\": [{\"index\": 0, \"gid\": "
         "\"fe80::1\"}]}"
         "]}], \"netifs\": [{\"name\": \"eth0\", \"rdma\": \"mlx5_0\"}], \"pci\": [{\"address\": \"0000:18:00.0\"}]}"),
    SEED("J{\"gpus\": [{\"index\": 0}], \"nvlinks\": [{\"from\": 0, \"to\": 0, \"links\": 18}], \"numa\": [{}]}"),
};

int main(int argc, char **argv)
{
    return fuzz_main(argc, argv, readers, COUNT(readers), seeds, COUNT(seeds));
}

#endif
