#include "bench/evidence.h"

#include "tests/unit/check.h"

/* A host's counters while 1,000,000 bytes had to leave it and as many to come, or only one of the two. */
#define IB(moved)                                                                                                      \
    {                                                                                                                  \
        .device = "mlx5_0:1", .fabric = WM_FABRIC_IB, .rdma = true, .sent = moved, .received = moved                   \
    }
#define ROCE(moved)                                                                                                    \
    {                                                                                                                  \
        .device = "mlx5_1:1", .fabric = WM_FABRIC_ROCE, .rdma = true, .sent = moved, .received = moved                 \
    }
#define RXE(packets)                                                                                                   \
    {                                                                                                                  \
        .device = "rxe0:1", .fabric = WM_FABRIC_ROCE, .rdma = true, .in_packets = true, .mtu_bytes = 1000,             \
        .sent = packets, .received = packets                                                                           \
    }
#define ETH(moved)                                                                                                     \
    {                                                                                                                  \
        .device = "eth0", .fabric = WM_FABRIC_TCP, .sent = moved, .received = moved                                    \
    }
#define ETH_RDMA(moved)                                                                                                \
    {                                                                                                                  \
        .device = "eth1", .fabric = WM_FABRIC_TCP, .carries_rdma = true, .sent = moved, .received = moved              \
    }

struct judge_case {
    const char *name;
    struct wm_traffic_counter moved[3];
    int n;
    struct wm_claim claim;
    enum wm_fabric wanted;
    uint64_t idle;                       /* of the first counter */
    uint64_t least_sent, least_received; /* 0, 0: both a million */
    enum wm_verdict verdict;
    enum wm_fabric fabric;
    const char *reason;
};

/* clang-format off: a table */
static const struct judge_case cases[] = {
    { "all by the claimed card",
      { IB(1010000), ETH(2000) },
      2,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "a claim of the card is of its ports",
      { IB(1010000), ETH(2000) },
      2,
      { WM_FABRIC_IB, "mlx5_0", "", "" },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "a claim of another card is not",
      { IB(1010000), ETH(0) },
      2,
      { WM_FABRIC_IB, "mlx5_", "", "" },
      0,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_IB,
      "h1: mlx5_0:1 carried 101 % of the bytes, the road asked for 0 %" },
    { "just enough",
      { IB(900001), ETH(0) },
      2,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "not enough",
      { IB(880000), ETH(0) },
      2,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: mlx5_0:1 moved 88 % of the bytes" },
    { "fell back to TCP",
      { IB(1000), ETH(1100000) },
      2,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_TCP,
      "h1: eth0 carried 110 % of the bytes, mlx5_0:1 0 %" },
    { "half and half",
      { IB(500000), ETH(500000) },
      2,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: mlx5_0:1 moved 50 % of the bytes" },
    { "another card of the fabric",
      { ROCE(1000),
        { .device = "mlx5_2:1", .fabric = WM_FABRIC_ROCE, .rdma = true, .sent = 1000000, .received = 1000000 } },
      2,
      { WM_FABRIC_ROCE, "mlx5_1:1", "", "" },
      0,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_ROCE,
      "h1: mlx5_2:1 carried 100 % of the bytes, mlx5_1:1 0 %" },
    { "two rails together",
      { IB(500000),
        { .device = "mlx5_3:1", .fabric = WM_FABRIC_IB, .rdma = true, .sent = 500000, .received = 500000 } },
      2,
      { .fabric = WM_FABRIC_IB },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "packets of rxe, and the interface below it",
      { RXE(1010), ETH_RDMA(1080000) },
      2,
      { WM_FABRIC_ROCE, "rxe0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_ROCE,
      "" },
    { "the interface that carries RDMA never contradicts",
      { RXE(10), ETH_RDMA(1080000) },
      2,
      { WM_FABRIC_ROCE, "rxe0:1", "", "" },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: rxe0:1 moved 1 % of the bytes" },
    { "MPI over TCP, asked for RoCE",
      { RXE(0), ETH(1100000) },
      2,
      { 0 },
      WM_FABRIC_ROCE,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_TCP,
      "h1: eth0 carried 110 % of the bytes, rxe0:1 0 %" },
    { "MPI, nothing asked for: InfiniBand",
      { IB(1010000), ETH(900) },
      2,
      { 0 },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "MPI, nothing asked for: TCP", { IB(0), ETH(1100000) }, 2, { 0 }, 0, 0, 0, 0, WM_PROVEN, WM_FABRIC_TCP, "" },
    { "MPI, nothing asked for: TCP over a RoCE card",
      { ROCE(0), ETH_RDMA(1100000) },
      2,
      { 0 },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_TCP,
      "" },
    { "MPI, nothing asked for: RoCE",
      { ROCE(1010000), ETH_RDMA(0) },
      2,
      { 0 },
      0,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_ROCE,
      "" },
    { "an interface that might be carrying RDMA, whose port cannot be read",
      { ETH_RDMA(1100000) },
      1,
      { 0 },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: no counter of the device that was used can be read" },
    { "the claimed device has no counter",
      { ETH(900) },
      1,
      { WM_FABRIC_EFA, "rdmap0s6:1", "", "" },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: no counter of the device that was used can be read" },
    { "other traffic",
      { IB(1200000) },
      1,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      130000,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: other traffic on mlx5_0:1 is more than a tenth of this" },
    { "a little other traffic",
      { IB(1200000) },
      1,
      { WM_FABRIC_IB, "mlx5_0:1", "", "" },
      0,
      110000,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_IB,
      "" },
    { "only sending",
      { { .device = "eth0", .fabric = WM_FABRIC_TCP, .sent = 1100000, .received = 9000 } },
      1,
      { 0 },
      0,
      0,
      1000000,
      0,
      WM_PROVEN,
      WM_FABRIC_TCP,
      "" },
    { "sent, and nothing came",
      { { .device = "eth0", .fabric = WM_FABRIC_TCP, .sent = 1100000, .received = 9000 } },
      1,
      { 0 },
      0,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: eth0 moved 1 % of the bytes" },
    { "asked for and taken, nothing claimed",
      { ETH(1100000), IB(0) },
      2,
      { 0 },
      WM_FABRIC_TCP,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_TCP,
      "" },
    { "asked for, and MPI went by TCP",
      { ROCE(0), ETH(1100000) },
      2,
      { 0 },
      WM_FABRIC_ROCE,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_TCP,
      "h1: eth0 carried 110 % of the bytes, mlx5_1:1 0 %" },
    { "asked for, and no device of it has a counter",
      { ETH(1100000) },
      1,
      { 0 },
      WM_FABRIC_ROCE,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_TCP,
      "h1: eth0 carried 110 % of the bytes, the road asked for 0 %" },
    { "claimed and proven, and not what was asked for",
      { ETH(1100000), IB(0) },
      2,
      { WM_FABRIC_TCP, "eth0", "", "" },
      WM_FABRIC_IB,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_TCP,
      "h1: eth0, which is tcp, carried 110 % of the bytes" },
    { "TCP asked for, RDMA below it taken",
      { RXE(1000), ETH_RDMA(1100000) },
      2,
      { 0 },
      WM_FABRIC_TCP,
      0,
      0,
      0,
      WM_CONTRADICTED,
      WM_FABRIC_ROCE,
      "h1: rxe0:1 carried 100 % of the bytes, the road asked for 0 %" },
    { "TCP asked for and taken beside a card that stood still",
      { RXE(1), ETH_RDMA(1100000) },
      2,
      { 0 },
      WM_FABRIC_TCP,
      0,
      0,
      0,
      WM_PROVEN,
      WM_FABRIC_TCP,
      "" },
    { "RoCE asked for, TCP over its own interface",
      { RXE(1), ETH_RDMA(1100000) },
      2,
      { 0 },
      WM_FABRIC_ROCE,
      0,
      0,
      0,
      WM_UNPROVEN,
      0,
      "h1: rxe0:1 moved 0 % of the bytes" },
    { "no counters", { { .device = "" } }, 0, { 0 }, 0, 0, 0, 0, WM_UNPROVEN, 0, "h1: no counter can be read there" },
};
/* clang-format on */

static void check_cases(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct judge_case *c = &cases[i];
        struct wm_traffic_counter moved[3], idle[3];
        struct wm_traffic now = { .counter = moved, .n = c->n }, before = { .counter = idle, .n = c->n };
        memcpy(moved, c->moved, sizeof(moved));
        memcpy(idle, c->moved, sizeof(idle));
        for (int k = 0; k < 3; k++)
            idle[k].sent = idle[k].received = k == 0 ? c->idle : 0;
        bool both = c->least_sent + c->least_received == 0;
        struct wm_witness w = { .host = "h1",
                                .least_sent_bytes = both ? 1000000 : c->least_sent,
                                .least_received_bytes = both ? 1000000 : c->least_received,
                                .moved = &now,
                                .idle = &before,
                                .claim = &c->claim,
                                .n_claims = 1 };
        struct wm_judgement got;
        wm_evidence_judge(&w, 1, c->wanted, &got);
        if (!CHECK_TEXT(wm_verdict_names[got.verdict], wm_verdict_names[c->verdict]) ||
            !CHECK_TEXT(got.reason, c->reason) || !CHECK_TEXT(wm_fabric_names[got.fabric], wm_fabric_names[c->fabric]))
            fprintf(stderr, "in: %s\n", c->name);
    }
}

static void check_hosts(void)
{
    struct wm_traffic_counter good = IB(1000000), bad[] = { IB(0), ETH(1000000) };
    struct wm_traffic one = { .counter = &good, .n = 1 }, two = { .counter = bad, .n = 2 };
    struct wm_claim claim = { .fabric = WM_FABRIC_IB, .device = "mlx5_0:1" };
    struct wm_witness w[] = {
        { .host = "h1", .least_sent_bytes = 1000000, .moved = &one, .claim = &claim, .n_claims = 1 },
        { .host = "h2", .least_received_bytes = 1000000, .moved = &two, .claim = &claim, .n_claims = 1 },
        { .host = "h3", .moved = NULL, .claim = &claim, .n_claims = 1 }, /* no part in it */
    };
    struct wm_judgement got;
    wm_evidence_judge(w, 3, WM_FABRIC_UNKNOWN, &got);
    CHECK_TEXT(wm_verdict_names[got.verdict], "contradicted");
    CHECK_TEXT(got.reason, "h2: eth0 carried 100 % of the bytes, mlx5_0:1 0 %");
    wm_evidence_judge(&w[2], 1, WM_FABRIC_UNKNOWN, &got);
    CHECK_INT(got.verdict, WM_VERDICT_NONE);
}

/* Ranks of one host that use a card each: the cards together are the road. */
static void check_rails(void)
{
    struct wm_traffic_counter half[] = { IB(500000), ETH(0), ROCE(500000) };
    struct wm_traffic moved = { .counter = half, .n = 3 };
    const struct wm_claim claims[] = { { .fabric = WM_FABRIC_IB, .device = "mlx5_0:1" },
                                       { .fabric = WM_FABRIC_ROCE, .device = "mlx5_1:1" } };
    const struct rail_case {
        const struct wm_claim *claim;
        int n;
        const char *verdict, *reason;
    } rows[] = {
        { claims, 2, "proven", "" },
        { claims, 1, "unproven", "h1: mlx5_0:1 moved 50 % of the bytes" },
        { NULL, 0, "unproven", "h1: mlx5_0:1 moved 50 % of the bytes" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wm_witness w = { .host = "h1",
                                .least_sent_bytes = 1000000,
                                .least_received_bytes = 1000000,
                                .moved = &moved,
                                .claim = rows[i].claim,
                                .n_claims = rows[i].n };
        struct wm_judgement got;
        wm_evidence_judge(&w, 1, WM_FABRIC_UNKNOWN, &got);
        CHECK_TEXT(wm_verdict_names[got.verdict], rows[i].verdict);
        CHECK_TEXT(got.reason, rows[i].reason);
    }
}

int main(void)
{
    check_cases();
    check_rails();
    check_hosts();
    return wm_tests_end();
}
