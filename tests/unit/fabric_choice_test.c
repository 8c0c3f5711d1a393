#include "bench/fabric.h"

#include "src/cli/command.h"
#include "src/topo/fabric.h"
#include "tests/unit/check.h"

/* ---- what can be asked for ---- */

static void test_every_word_has_its_row(void)
{
    for (int i = 0; wm_fabric_words[i] != NULL; i++) {
        CHECK_TEXT(wm_fabric_names[wm_fabric_of_word(i)], wm_fabric_words[i]);
        CHECK(wm_fabric_row(wm_fabric_of_word(i)) != NULL);
    }
    CHECK(wm_fabric_row(WM_FABRIC_CXI) == NULL);
}

static void test_combinations(void)
{
    static const struct {
        const char *transport;
        enum wm_fabric fabric;
        enum wm_code code;
        const char *part;
    } rows[] = {
        { "verbs", WM_FABRIC_IB, WM_OK, "" },
        { "verbs", WM_FABRIC_ROCE, WM_OK, "" },
        { "ofi", WM_FABRIC_EFA, WM_OK, "" },
        { "ofi", WM_FABRIC_SHM, WM_OK, "" },
        { "mpi", WM_FABRIC_ROCE, WM_OK, "" },
        { "mpi", WM_FABRIC_TCP, WM_OK, "" },
        { "verbs", WM_FABRIC_SHM, WM_EUSAGE,
          "--fabric shm --transport verbs: verbs does not use shm; take --transport mpi or ofi" },
        { "verbs", WM_FABRIC_EFA, WM_EUSAGE, "take --transport ofi or mpi" },
        { "null", WM_FABRIC_ROCE, WM_EUSAGE, "null does not use roce; take --transport verbs or ofi or mpi" },
        { "sim", WM_FABRIC_TCP, WM_EUSAGE, "take --transport ofi or mpi" },
        { "ofi", WM_FABRIC_NVLINK, WM_EUSAGE, "nvlink joins the memories of GPUs, which ofi does not move" },
        { "mpi", WM_FABRIC_NVLINK, WM_OK, "" },
        { "cuda", WM_FABRIC_PCIE, WM_OK, "" },
        { "cuda", WM_FABRIC_ROCE, WM_EUSAGE, "cuda does not use roce; take --transport verbs or ofi or mpi" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_err err = { .rank = -1 };
        CHECK_INT(wm_fabric_check(rows[i].transport, rows[i].fabric, &err), rows[i].code);
        CHECK_HAS(err.what, rows[i].part);
    }
}

static void test_providers(void)
{
    static const struct {
        const char *provider;
        enum wm_fabric fabric;
        enum wm_code code;
    } rows[] = {
        { NULL, WM_FABRIC_EFA, WM_OK },
        { "efa", WM_FABRIC_UNKNOWN, WM_OK },
        { "efa", WM_FABRIC_EFA, WM_OK },
        { "tcp;ofi_rxm", WM_FABRIC_TCP, WM_OK },
        { "net", WM_FABRIC_TCP, WM_OK },
        { "verbs;ofi_rxm", WM_FABRIC_IB, WM_OK },
        { "verbs;ofi_rxd", WM_FABRIC_ROCE, WM_OK },
        { "psm3", WM_FABRIC_ROCE, WM_OK },
        { "tcp", WM_FABRIC_ROCE, WM_EUSAGE },
        { "shm", WM_FABRIC_TCP, WM_EUSAGE },
        { "verbs", WM_FABRIC_TCP, WM_EUSAGE },
        { "efa", WM_FABRIC_IB, WM_EUSAGE },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_err err = { .rank = -1 };
        if (!CHECK_INT(wm_fabric_check_provider(rows[i].provider, rows[i].fabric, &err), rows[i].code))
            printf("  %s over %s\n", rows[i].provider, wm_fabric_names[rows[i].fabric]);
        if (err.code != WM_OK)
            CHECK_HAS(err.what, "this provider uses another fabric");
    }
}

/* ---- what is chosen, of what this build has ---- */

static bool built_in(const char *name)
{
    return wm_transport_find(name)->transport != NULL;
}

static enum wm_code parse(struct wm_cli_options *o, const char *line, struct wm_err *err)
{
    static char text[256];
    char *argv[16] = { NULL };
    int argc = 0;
    snprintf(text, sizeof(text), "run %s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    *err = (struct wm_err){ .rank = -1 };
    return (enum wm_code)wm_cli_options_parse(o, false, argc, argv, err);
}

static void check_chosen(const char *fabric, const char *first, const char *second)
{
    struct wm_cli_options o;
    struct wm_err err;
    char line[64];
    const char *want = built_in(first) ? first : second != NULL && built_in(second) ? second : NULL;
    snprintf(line, sizeof(line), "--fabric %s", fabric);
    enum wm_code code = parse(&o, line, &err);
    if (want == NULL) {
        CHECK_INT(code, WM_EABSENT);
        CHECK_HAS(err.what, "not built in, it needs");
    } else if (CHECK_INT(code, WM_OK) && CHECK_INT(o.n_transports, 1)) {
        CHECK_TEXT(o.transport[0].transport->name, want);
        CHECK_TEXT(wm_fabric_names[o.transport[0].fabric], fabric);
    }
    wm_cli_options_free(&o);
}

static void test_choices(void)
{
    check_chosen("ib", "verbs", "ofi");
    check_chosen("roce", "verbs", "ofi");
    check_chosen("efa", "ofi", NULL);
    check_chosen("tcp", "ofi", "mpi");
    check_chosen("shm", "mpi", NULL);
}

static void test_lists_are_combined(void)
{
    struct wm_cli_options o;
    struct wm_err err;
    if (CHECK_INT(parse(&o, "--fabric tcp,ib --transport mpi", &err), WM_OK) && CHECK_INT(o.n_transports, 2)) {
        CHECK_INT(o.transport[0].fabric, WM_FABRIC_TCP);
        CHECK_INT(o.transport[1].fabric, WM_FABRIC_IB);
        CHECK(o.transport[1].transport == &wm_transport_mpi);
    }
    wm_cli_options_free(&o);
    CHECK_INT(parse(&o, "--fabric tcp,shm --transport mpi,null", &err), WM_EUSAGE);
    CHECK_HAS(err.what, "null does not use tcp");
    wm_cli_options_free(&o);
    CHECK_INT(parse(&o, "--fabric nvlink --transport sim", &err), WM_EUSAGE);
    CHECK_HAS(err.what, "which sim does not move");
    wm_cli_options_free(&o);
    if (wm_transport_find("cuda")->transport == NULL) {
        CHECK_INT(parse(&o, "--fabric nvlink", &err), WM_EABSENT);
        CHECK_HAS(err.what, "transport cuda: not built in, it needs the CUDA toolkit");
    } else if (CHECK_INT(parse(&o, "--fabric nvlink", &err), WM_OK)) {
        CHECK(o.transport[0].transport == &wm_transport_cuda);
    }
    wm_cli_options_free(&o);
}

static void test_cards_need_a_use(void)
{
    static const char *const lines[][2] = {
        { "--nic eth0 --transport null", "--nic has no effect" },
        { "--nic eth0 --fabric shm", "--nic has no effect" },
        { "--nic auto,eth0", "--nic auto stands alone" },
        { "--nic 0123456789012345678901234567890123456789012345678", "too long for a card's name" },
    };
    struct wm_cli_options o;
    struct wm_err err;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        CHECK_INT(parse(&o, lines[i][0], &err), WM_EUSAGE);
        CHECK_HAS(err.what, lines[i][1]);
        wm_cli_options_free(&o);
    }
}

/* ---- what is on a node ---- */

static struct wm_topo_port ports[] = {
    { .number = 1, .state = "ACTIVE", .fabric = WM_FABRIC_IB },
    { .number = 1, .state = "DOWN", .fabric = WM_FABRIC_ROCE },
    { .number = 2, .state = "ACTIVE", .fabric = WM_FABRIC_ROCE },
};
static struct wm_topo_rdma rdma[] = {
    { .name = "mlx5_0", .port = &ports[0], .n_ports = 1 },
    { .name = "mlx5_1", .port = &ports[1], .n_ports = 2 },
};
static struct wm_topo_netif netif[] = {
    { .name = "eth0", .state = "up" },
    { .name = "eth1", .state = "down" },
    { .name = "hsn0", .driver = "cxi_ss1", .state = "up" },
    { .name = "lo", .state = "unknown", .loopback = true },
};
static struct wm_topo_gpu gpu[] = { { .index = 0 }, { .index = 1 } };
static const struct wm_topo node = {
    .rdma = rdma,
    .n_rdma = 2,
    .netif = netif,
    .n_netifs = 4,
    .gpu = gpu,
    .n_gpus = 2,
};

static void test_devices(void)
{
    static const struct {
        enum wm_fabric fabric;
        int n;
        const char *text;
    } rows[] = {
        { WM_FABRIC_IB, 1, "mlx5_0:1" },       { WM_FABRIC_ROCE, 1, "mlx5_1:2" },          { WM_FABRIC_EFA, 0, "" },
        { WM_FABRIC_TCP, 2, "eth0, lo" },      { WM_FABRIC_SHM, 1, "memory of the host" }, { WM_FABRIC_NVLINK, 0, "" },
        { WM_FABRIC_PCIE, 2, "GPU 0, GPU 1" },
    };
    char text[100], tight[20];
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CHECK_INT(wm_fabric_devices(&node, rows[i].fabric, text, sizeof(text)), rows[i].n);
        CHECK_TEXT(text, rows[i].text);
    }
    char all[200];
    CHECK_INT(wm_fabric_inventory(&node, all, sizeof(all)), 9);
    CHECK_TEXT(all, "mlx5_0:1 (ib), mlx5_1:1 (roce, DOWN), mlx5_1:2 (roce), eth0 (tcp), eth1 (tcp, down), hsn0 (cxi), "
                    "lo (tcp), GPU 0 (pcie), GPU 1 (pcie)");
    CHECK_INT(wm_fabric_inventory(&node, tight, sizeof(tight)), 9);
    CHECK_TEXT(tight, "mlx5_0:1 (ib), ...");
}

static void test_cards(void)
{
    static const struct {
        const char *name, *is;
        enum wm_fabric fabric;
        bool rdma;
    } rows[] = {
        { "mlx5_0", "mlx5_0:1", WM_FABRIC_IB, true },
        { "mlx5_1", "mlx5_1:2", WM_FABRIC_ROCE, true },
        { "mlx5_1:1", "mlx5_1:1", WM_FABRIC_ROCE, true },
        { "eth1", "eth1", WM_FABRIC_TCP, false },
        { "hsn0", "hsn0", WM_FABRIC_CXI, false },
        { "mlx5_1:3", NULL, 0, false },
        { "mlx5", NULL, 0, false },
        { "eth", NULL, 0, false },
        { "mlx5_1:", NULL, 0, false },
        { "", NULL, 0, false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_fabric_card card;
        bool found = wm_fabric_find_card(&node, rows[i].name, &card);
        if (!CHECK_INT(found, rows[i].is != NULL) || !found)
            continue;
        CHECK_TEXT(card.name, rows[i].is);
        CHECK_INT(card.fabric, rows[i].fabric);
        CHECK_INT(card.rdma, rows[i].rdma);
    }
}

int main(void)
{
    test_every_word_has_its_row();
    test_combinations();
    test_providers();
    test_choices();
    test_lists_are_combined();
    test_cards_need_a_use();
    test_devices();
    test_cards();
    return wm_tests_end();
}
