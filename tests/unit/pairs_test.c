#include "bench/pairs.h"
#include "tests/unit/check.h"

static const int one_host[8] = { 0 };
static const int two_hosts[8] = { 0, 0, 1, 1, 2, 2, 3, 3 };

static void check_one(const char *text, const int *host_of, int ranks, int from, int to)
{
    struct wm_pairing p;
    struct wm_err err = { 0 };
    CHECK_INT(wm_pairing_make(text, host_of, ranks, &p, &err), WM_OK);
    CHECK_INT(p.rounds, 1);
    CHECK_INT(p.round[0].n, 1);
    CHECK_INT(p.round[0].pair[0].from, from);
    CHECK_INT(p.round[0].pair[0].to, to);
    wm_pairing_free(&p);
}

static void check_refused(const char *text, const int *host_of, int ranks, enum wm_code code, const char *part)
{
    struct wm_pairing p;
    struct wm_err err = { 0 };
    CHECK_INT(wm_pairing_make(text, host_of, ranks, &p, &err), code);
    CHECK_HAS(err.what, part);
    CHECK(p.round == NULL);
}

static void test_single_pairs(void)
{
    check_one(NULL, one_host, 4, 0, 1);
    check_one(NULL, two_hosts, 8, 0, 2); /* the first rank on another host */
    check_one("3-1", one_host, 4, 3, 1); /* the first named holds the clock */
    check_one("same-host", two_hosts, 8, 0, 1);
    check_one("1", one_host, 2, 0, 1);
}

static void test_many_pairs(void)
{
    struct wm_pairing p;
    struct wm_err err = { 0 };
    CHECK_INT(wm_pairing_make("3", one_host, 7, &p, &err), WM_OK);
    CHECK_INT(p.round[0].n, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(p.round[0].pair[i].from, i);
        CHECK_INT(p.round[0].pair[i].to, i + 3);
    }
    wm_pairing_free(&p);
    static const int dealt[4] = { 0, 1, 0, 1 }; /* by a launcher that goes round the hosts: pairs still cross */
    CHECK_INT(wm_pairing_make("2", dealt, 4, &p, &err), WM_OK);
    CHECK_INT(p.round[0].pair[0].from, 0);
    CHECK_INT(p.round[0].pair[0].to, 1);
    CHECK_INT(p.round[0].pair[1].from, 2);
    CHECK_INT(p.round[0].pair[1].to, 3);
    wm_pairing_free(&p);
}

/* Every pair meets exactly once, and nobody is in two pairs of a round. */
static void test_tournament(int ranks)
{
    struct wm_pairing p;
    struct wm_err err = { 0 };
    int met[9][9] = { 0 }, pairs = 0;
    CHECK_INT(wm_pairing_make("all", one_host, ranks, &p, &err), WM_OK);
    for (int r = 0; r < p.rounds; r++) {
        int busy[9] = { 0 };
        for (int i = 0; i < p.round[r].n; i++) {
            struct wm_pair pair = p.round[r].pair[i];
            CHECK(pair.from < pair.to && pair.to < ranks);
            met[pair.from][pair.to]++;
            busy[pair.from]++;
            busy[pair.to]++;
            pairs++;
        }
        for (int k = 0; k < ranks; k++)
            CHECK(busy[k] <= 1);
    }
    CHECK_INT(pairs, ranks * (ranks - 1) / 2);
    for (int a = 0; a < ranks; a++)
        for (int b = a + 1; b < ranks; b++)
            CHECK_INT(met[a][b], 1);
    wm_pairing_free(&p);
}

static void test_refusals(void)
{
    static const int apart[3] = { 0, 1, 2 };
    check_refused("0-9", one_host, 4, WM_EUSAGE, "there is no rank 9, the run has ranks 0 to 3");
    check_refused("2-2", one_host, 4, WM_EUSAGE, "two different ranks");
    check_refused("3", one_host, 4, WM_EUSAGE, "1 to 2 pairs");
    check_refused("0", one_host, 4, WM_EUSAGE, "1 to 2 pairs");
    check_refused("0-1x", one_host, 4, WM_EUSAGE, "expected A-B");
    check_refused("-1-2", one_host, 4, WM_EUSAGE, "expected A-B");
    check_refused("99999999999-0", one_host, 4, WM_EUSAGE, "");
    check_refused("00-1", one_host, 4, WM_EUSAGE, "expected A-B");
    check_refused("01", one_host, 4, WM_EUSAGE, "expected A-B");
    check_refused("", one_host, 4, WM_EUSAGE, "expected A-B");
    check_refused("same-host", apart, 3, WM_EABSENT, "no host has two ranks");
}

int main(void)
{
    test_single_pairs();
    test_many_pairs();
    for (int ranks = 2; ranks <= 8; ranks++)
        test_tournament(ranks);
    test_refusals();
    return wm_tests_end();
}
