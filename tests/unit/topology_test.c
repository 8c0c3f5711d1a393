/* A topology as JSON and back: one filled by hand with every member, the recorded machines, and what is no topology. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/result/topology.h"
#include "tests/unit/check.h"

#define GOLDEN "tests/golden/topology.json"

static const char *const machines[] = {
    "dgx-h100", "roce-degraded", "p4d.24xlarge", "p5.48xlarge", "acs-on", "plain-vm",
};
enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

/* ---- every member at least once; only the arrays that a member refers to are of more than one element ---- */

static struct wm_topo_numa numa[] = {
    { .os_index = 0, .memory_bytes = 1081927086080, .cpus = "0-31,64-95", .cores = 32, .threads = 64, .package = 0 },
    { .os_index = 8, .memory_bytes = 1000, .cpus = "32-63", .cores = 32, .threads = 32, .package = 1 },
};
static struct wm_topo_pci pci[] = {
    { .address = "0000:15:01.0",
      .class_id = 0x060400,
      .vendor = 0x8086,
      .device = 0x352a,
      .parent = -1,
      .root = 0,
      .numa = 0,
      .bridge = true,
      .link = { .gt_per_s = 32, .max_gt_per_s = 32, .width = 16, .max_width = 16 },
      .acs = WM_ACS_OFF },
    { .address = "0000:18:00.0",
      .name = "Mellanox ConnectX-7",
      .driver = "mlx5_core",
      .class_id = 0x020700,
      .vendor = 0x15b3,
      .device = 0x1021,
      .parent = 0,
      .root = 0,
      .numa = 1,
      .virtual_function = true,
      .link = { .gt_per_s = 8, .max_gt_per_s = 32, .width = 8, .max_width = 16, .bytes_per_s = 7.877e9 },
      .payload_bytes = 512,
      .acs = WM_ACS_REDIRECTS,
      .iommu_group = "17" },
    { .address = "0000:1b:00.0", .parent = -1, .root = -1, .numa = -1 },
};
static struct wm_topo_gpu gpu[] = {
    { .name = "NVIDIA H100 80GB HBM3",
      .uuid = "GPU-5d3c7d00",
      .driver = "535.129.03",
      .pci = 2,
      .index = 0,
      .numa = 1,
      .memory_bytes = 85520809984,
      .nvlinks = 18,
      .nvlink_bytes_per_s = 26.562e9,
      .nvlink_domain = "0a0b0c0d-0102-0304-0506-070809101112.1",
      .nvlink_inactive = 2,
      .cpu_links = 10,
      .cpu_link_bytes_per_s = 447.12e9 },
    { .pci = -1, .index = -1, .numa = -1 },
};
static struct wm_topo_nvlink nvlink[] = { { .from = 0, .to = 1, .links = 6 }, { .from = 1, .to = -1, .links = 12 } };
static struct wm_topo_gid gid[] = {
    { .index = 0, .gid = "fe80:0000:0000:0000:a288:c2ff:fe00:0001", .type = WM_GID_ROCE_V1, .netif = "eth0" },
    { .index = 3, .gid = "0000:0000:0000:0000:0000:ffff:c000:0214", .type = WM_GID_ROCE_V2, .netif = "eth0" },
    { .index = 4, .gid = "fe80:0000:0000:0000:a288:c2ff:fe00:0002" },
};
static struct wm_topo_port port[] = {
    { .number = 1,
      .state = "ACTIVE",
      .phys_state = "LinkUp",
      .link_layer = "Ethernet",
      .rate = "100 Gb/sec (4X EDR)",
      .bytes_per_s = 12.5e9,
      .fabric = WM_FABRIC_ROCE,
      .netif = "eth0",
      .mtu_bytes = 9000,
      .gid = gid,
      .n_gids = 3,
      .counter = { { "symbol_error", 12 }, { "out_of_sequence", 9007199254740993 } },
      .n_counters = 2 },
    { .number = 2, .state = "DOWN" },
};
static struct wm_topo_rdma rdma[] = {
    { .name = "rxe0", .pci = -1, .numa = -1, .virtual_device = true },
    { .name = "mlx5_0",
      .driver = "mlx5_core",
      .node_type = "CA",
      .firmware = "28.39.1002",
      .board_id = "MT_0000000838",
      .node_guid = "a088:c203:0000:0000",
      .pci = 1,
      .numa = 0,
      .port = port,
      .n_ports = 2 },
};
static struct wm_topo_netif netif[] = {
    { .name = "eth0",
      .driver = "mlx5_core",
      .state = "up",
      .bytes_per_s = 12.5e9,
      .mtu_bytes = 9000,
      .pci = 1,
      .numa = 0,
      .master = "bond0",
      .rdma = 1 },
    { .name = "lo", .pci = -1, .numa = -1, .rdma = -1, .loopback = true, .virtual_device = true },
    { .name = "veth1a2b", .pci = -1, .numa = -1, .rdma = -1, .virtual_device = true, .kind = "veth" },
};
static struct wm_note note[] = { { .path = "sys/class/net/eth0/speed", .reason = "is empty" } };

static const struct wm_topo by_hand = {
    .source = "this machine",
    .machine = "DGXH100",
    .cpu_model = "Intel\xff Xeon", /* no UTF-8 */
    .arch = "x86_64",
    .packages = 2,
    .cores = 64,
    .threads = 96,
    .numa = numa,
    .n_numa = 2,
    .pci = pci,
    .n_pci = 3,
    .gpu = gpu,
    .n_gpus = 2,
    .nvlink = nvlink,
    .n_nvlinks = 2,
    .rdma = rdma,
    .n_rdma = 2,
    .netif = netif,
    .n_netifs = 3,
    .note = note,
    .n_notes = 1,
    .notes_left_out = 7,
};

static json_t *member(const json_t *object, const char *list, size_t i, const char *name)
{
    return json_object_get(json_array_get(json_object_get(object, list), i), name);
}

static void check_absent(const json_t *object, const char *list, size_t i, const char *name)
{
    if (!CHECK(json_is_object(json_array_get(json_object_get(object, list), i))) ||
        !CHECK(member(object, list, i, name) == NULL))
        printf("  %s[%zu].%s\n", list, i, name);
}

static void test_members(void)
{
    json_t *object = wm_topology_to_json(&by_hand, false);
    CHECK_TEXT(json_string_value(json_object_get(object, "cpu_model")), "Intel? Xeon");
    CHECK_INT(json_integer_value(member(object, "numa", 1, "os_index")), 8);
    CHECK_TEXT(json_string_value(member(object, "pci", 1, "parent")), "0000:15:01.0");
    CHECK_INT(json_integer_value(member(object, "pci", 1, "numa")), 8);
    CHECK_TEXT(json_string_value(member(object, "pci", 1, "class")), "0x020700");
    CHECK_TEXT(json_string_value(member(object, "pci", 1, "vendor")), "0x15b3");
    CHECK_TEXT(json_string_value(member(object, "pci", 1, "acs")), "redirects");
    CHECK(json_is_true(member(object, "pci", 0, "bridge")));
    CHECK_TEXT(json_string_value(member(object, "gpus", 0, "pci")), "0000:1b:00.0");
    CHECK_TEXT(json_string_value(member(object, "netifs", 0, "rdma")), "mlx5_0");
    CHECK_TEXT(json_string_value(member(json_array_get(json_object_get(object, "rdma"), 1), "ports", 0, "fabric")),
               "roce");
    CHECK_INT(json_object_size(json_array_get(json_object_get(object, "pci"), 2)), 1);
    check_absent(object, "nvlinks", 1, "to");
    check_absent(object, "gpus", 1, "index");
    check_absent(object, "pci", 0, "virtual_function");
    check_absent(object, "rdma", 0, "ports");
    json_decref(object);
}

/* WM_BLESS=1 writes it; topology_schema_check.py validates it. */
static void test_golden(void)
{
    json_t *got =
        json_pack("{s:[o, o]}", "kinds", wm_topology_to_json(&by_hand, false), wm_topology_to_json(&by_hand, true));
    json_object_set_new(json_array_get(json_object_get(got, "kinds"), 1), "hosts", json_pack("[s, s]", "h1", "h2"));
    if (getenv("WM_BLESS") != NULL)
        CHECK_INT(json_dump_file(got, GOLDEN, JSON_INDENT(1) | JSON_REAL_PRECISION(15)), 0);
    json_t *golden = json_load_file(GOLDEN, 0, NULL);
    char *text = json_dumps(got, JSON_INDENT(1)), *want = json_dumps(golden, JSON_INDENT(1));
    CHECK_TEXT(text, want != NULL ? want : "");
    free(text);
    free(want);
    json_decref(golden);
    json_decref(got);
}

/* A node's kind: what differs between equal nodes is not in it. */
static void test_kind(void)
{
    json_t *kind = wm_topology_to_json(&by_hand, true);
    const json_t *device = json_array_get(json_object_get(kind, "rdma"), 1);
    CHECK(json_object_get(kind, "source") == NULL);
    CHECK(json_object_get(kind, "notes") == NULL);
    CHECK(json_object_get(kind, "notes_left_out") == NULL);
    check_absent(kind, "gpus", 0, "uuid");
    check_absent(kind, "rdma", 1, "node_guid");
    check_absent(device, "ports", 0, "gids");
    check_absent(device, "ports", 0, "counters");
    CHECK_INT(json_array_size(json_object_get(kind, "netifs")), 2);
    CHECK_INT(json_integer_value(member(kind, "numa", 0, "memory_bytes")), 1082331758592); /* 1008 GiB */
    CHECK_INT(json_integer_value(member(kind, "numa", 1, "memory_bytes")), 1 << 30);
    CHECK_TEXT(json_string_value(member(kind, "gpus", 0, "nvlink_domain")), "0a0b0c0d-0102-0304-0506-070809101112.1");

    struct wm_topo_gpu other_gpu[2] = { gpu[0], gpu[1] };
    struct wm_topo_numa other_numa[2] = { numa[0], numa[1] };
    struct wm_topo other = by_hand;
    snprintf(other_gpu[0].uuid, sizeof(other_gpu[0].uuid), "GPU-of-another-node");
    other_numa[0].memory_bytes -= 8 << 20;
    other.gpu = other_gpu;
    other.numa = other_numa;
    json_t *same = wm_topology_to_json(&other, true);
    CHECK(json_equal(kind, same));
    json_decref(same);
    other_gpu[0].nvlinks = 17;
    json_t *differs = wm_topology_to_json(&other, true);
    CHECK(!json_equal(kind, differs));
    json_decref(differs);
    json_decref(kind);
}

/* To JSON, to text, back, and to JSON again: nothing is lost. */
static void check_round_trip(const json_t *object, struct wm_topo *out)
{
    struct wm_err err = { .rank = -1 };
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_t *read = text != NULL ? json_loads(text, 0, NULL) : NULL;
    CHECK_INT(wm_topology_from_json(read, out, &err), WM_OK);
    CHECK_TEXT(err.what, "");
    json_t *again = wm_topology_to_json(out, false);
    char *same = json_dumps(again, JSON_COMPACT | JSON_REAL_PRECISION(15));
    CHECK_TEXT(same, text != NULL ? text : "");
    free(same);
    free(text);
    json_decref(read);
    json_decref(again);
}

static void check_by_hand(const struct wm_topo *t)
{
    CHECK_INT(t->n_numa, 2);
    CHECK_INT(t->n_pci, 3);
    CHECK_INT(t->n_gpus, 2);
    CHECK_INT(t->n_nvlinks, 2);
    CHECK_INT(t->n_netifs, 3);
    CHECK_INT(t->notes_left_out, 7);
    if (t->n_pci != 3 || !CHECK_INT(t->n_rdma, 2) || !CHECK_INT(t->rdma[1].n_ports, 2) ||
        !CHECK_INT(t->rdma[1].port[0].n_gids, 3))
        return;
    CHECK_INT(memcmp(t->numa, numa, sizeof(numa)), 0);
    CHECK_INT(t->pci[1].parent, 0);
    CHECK_INT(t->pci[1].numa, 1);
    CHECK_INT(t->pci[1].class_id, 0x020700);
    CHECK_INT(t->pci[1].device, 0x1021);
    CHECK_NEAR(t->pci[1].link.bytes_per_s, 7.877e9, 0);
    CHECK_INT(t->pci[2].root, -1);
    CHECK_INT(memcmp(&t->gpu[1], &gpu[1], sizeof(gpu[1])), 0);
    CHECK_INT(t->nvlink[1].to, -1);
    CHECK_INT(t->rdma[0].virtual_device, 1);
    CHECK_INT(t->rdma[1].port[0].fabric, WM_FABRIC_ROCE);
    CHECK_INT(t->rdma[1].port[0].gid[1].type, WM_GID_ROCE_V2);
    CHECK_INT(t->rdma[1].port[0].gid[2].type, WM_GID_OTHER);
    CHECK_INT(t->rdma[1].port[0].n_counters, 2);
    CHECK_INT(memcmp(t->rdma[1].port[0].counter, port[0].counter, sizeof(port[0].counter)), 0);
    CHECK_INT(t->rdma[1].port[1].n_counters, 0);
    CHECK_INT(t->netif[0].rdma, 1);
    CHECK_INT(t->netif[1].rdma, -1);
    CHECK_TEXT(t->note[0].reason, "is empty");
}

/* ---- what is no topology ---- */

static void test_errors(void)
{
    static const struct {
        const char *json, *what;
    } bad[] = {
        { "[]", "topology is not an object" },
        { "{\"cores\": \"8\"}", "topology: cores is not a whole number of 32 bits" },
        { "{\"cores\": 4294967296}", "topology: cores is not a whole number of 32 bits" },
        { "{\"arch\": 5}", "topology: arch is not a text" },
        { "{\"arch\": \"0123456789abcdef\"}", "topology: arch is longer than 15 bytes" },
        { "{\"arch\": \"a\\u0000b\"}", "holds a zero" },
        { "{\"pci\": {}}", "topology: pci is not a list" },
        { "{\"pci\": [7]}", "topology: pci[0].it is not an object" },
        { "{\"pci\": [{}]}", "topology: pci[0].address is missing" },
        { "{\"pci\": [{\"address\": \"a\", \"parent\": \"a\"}]}",
          "topology: pci[0].parent refers to nothing that stands before it" },
        { "{\"pci\": [{\"address\": \"a\"}, {\"address\": \"b\", \"parent\": \"b\"}]}",
          "topology: pci[1].parent refers to nothing that stands before it" },
        { "{\"pci\": [{\"address\": \"a\", \"numa\": 0}]}", "topology: pci[0].numa refers to nothing" },
        { "{\"pci\": [{\"address\": \"a\", \"vendor\": \"0x10000\"}]}",
          "topology: pci[0].vendor is not a number such as" },
        { "{\"pci\": [{\"address\": \"a\", \"class\": \"6\"}]}", "topology: pci[0].class is not a number such as" },
        { "{\"pci\": [{\"address\": \"a\", \"class\": \"0x\"}]}", "topology: pci[0].class is not a number such as" },
        { "{\"pci\": [{\"address\": \"a\", \"bridge\": 1}]}", "topology: pci[0].bridge is neither true nor false" },
        { "{\"pci\": [{\"address\": \"a\", \"link_gt_per_s\": -1}]}",
          "pci[0].link_gt_per_s is not a number from 0 on" },
        { "{\"pci\": [{\"address\": \"a\", \"acs\": 1}]}", "topology: pci[0].acs is not a text" },
        { "{\"gpus\": [{\"memory_bytes\": -1}]}", "topology: gpus[0].memory_bytes is not a count of bytes" },
        { "{\"gpus\": [{}], \"nvlinks\": [{\"from\": 1}]}", "topology: nvlinks[0].from refers to nothing" },
        { "{\"gpus\": [{}], \"nvlinks\": [{\"from\": -1}]}", "topology: nvlinks[0].from refers to nothing" },
        { "{\"rdma\": [{\"name\": \"a\", \"ports\": [{\"number\": 1}, {\"number\": 2, \"gids\": [{\"index\": 0}]}]}]}",
          "topology: rdma[0].ports[1].gids[0].gid is missing" },
        { "{\"netifs\": [{\"name\": \"a\", \"counters\": [{\"name\": \"b\"}]}]}",
          "topology: netifs[0].counters[0].value is missing" },
        { "{\"netifs\": [{\"name\": \"a\", \"counters\": [{},{},{},{},{},{},{},{},{},{},{},{},{}]}]}",
          "netifs[0].counters has more than 12 members" },
        { "{\"netifs\": [{\"name\": \"a\", \"rdma\": \"b\"}]}", "topology: netifs[0].rdma refers to nothing" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wm_topo topo;
        struct wm_err err = { .rank = -1 };
        json_t *object = json_loads(bad[i].json, JSON_ALLOW_NUL, NULL);
        CHECK(object != NULL);
        CHECK_INT(wm_topology_from_json(object, &topo, &err), WM_EUSAGE);
        CHECK_HAS(err.what, bad[i].what);
        CHECK_INT(topo.n_pci + topo.n_gpus + topo.n_rdma, 0);
        json_decref(object);
    }
}

/* Members and names of later versions are passed over. */
static void test_later_version(void)
{
    struct wm_topo topo;
    struct wm_err err = { .rank = -1 };
    json_t *object = json_loads("{\"new\": [], \"rdma\": [{\"name\": \"x\", \"colour\": 1, \"ports\": [{\"number\": 1,"
                                " \"fabric\": \"warp\"}]}]}",
                                0, NULL);
    CHECK_INT(wm_topology_from_json(object, &topo, &err), WM_OK);
    if (CHECK_INT(topo.n_rdma, 1) && CHECK_INT(topo.rdma[0].n_ports, 1))
        CHECK_INT(topo.rdma[0].port[0].fabric, WM_FABRIC_UNKNOWN);
    CHECK_INT(topo.rdma[0].pci, -1);
    wm_topo_free(&topo);
    json_decref(object);
}

/* ---- recorded machines ---- */

/* Runs a command without a shell; its exit status. */
static int run(char *const argv[])
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static json_t *recorded(const char *folder, const char *machine)
{
    char root[256];
    struct wm_topo topo;
    struct wm_err err = { .rank = -1 };
    snprintf(root, sizeof(root), "%s/%s", folder, machine);
    char *const make[] = { "python3", "tests/recorded/make", (char *)machine, root, NULL };
    struct wm_topo_request request = { .sysfs_root = root };
    if (!CHECK_INT(run(make), 0) || !CHECK_INT(wm_topo_discover(&request, &topo, &err), WM_OK))
        return NULL;
    snprintf(topo.source, sizeof(topo.source), "files below %s", machine); /* not where it was made */
    json_t *object = wm_topology_to_json(&topo, false);
    wm_topo_free(&topo);
    return object;
}

/* {"kinds": [...]}, as the result has it, through a validator that is not ours. */
static void check_schema(const char *folder, json_t *kinds)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/topology.json", folder);
    char *const check[] = { "scripts/python", "tests/unit/topology_schema_check.py", path, NULL };
    json_t *topology = json_pack("{s:O}", "kinds", kinds);
    CHECK_INT(json_dump_file(topology, path, JSON_INDENT(1) | JSON_REAL_PRECISION(15)), 0);
    json_decref(topology);
    int status = run(check);
    if (status == 77)
        wm_skipped++;
    else
        CHECK_INT(status, 0);
}

static void test_recorded(void)
{
    char folder[] = "/tmp/wiremark-topology-XXXXXX";
    char *const drop[] = { "rm", "-r", folder, NULL };
    json_t *all = json_array();
    if (!CHECK(mkdtemp(folder) != NULL))
        return;
    for (int i = 0; i < MACHINES; i++) {
        struct wm_topo topo;
        json_t *object = recorded(folder, machines[i]);
        if (!CHECK(object != NULL))
            continue;
        check_round_trip(object, &topo);
        wm_topo_free(&topo);
        json_array_append_new(all, object);
    }
    check_schema(folder, all);
    json_decref(all);
    CHECK_INT(run(drop), 0);
}

int main(void)
{
    struct wm_topo topo;
    json_t *object = wm_topology_to_json(&by_hand, false);
    test_members();
    test_golden();
    test_kind();
    check_round_trip(object, &topo);
    check_by_hand(&topo);
    wm_topo_free(&topo);
    json_decref(object);
    test_errors();
    test_later_version();
    test_recorded();
    return wm_tests_end();
}
