/** When is a direct path suspected of being staged in secret? */
#include <math.h>

#include "bench/staging.h"
#include "tests/unit/check.h"

static void test_suspicion(void)
{
    static const struct {
        struct wm_parts parts;
        bool overlaps;
        struct wm_ratio_point seen;
        double expected; /* 0: not judged */
        bool suspected;
    } rows[] = {
        /* copies as long as the network: 3 times the time, unless direct has them, too */
        { { 10, 10, 10 }, false, { 0, 3.0, 2.9, 3.1 }, 3, false },
        { { 10, 10, 10 }, false, { 0, 1.0, 0.9, 1.1 }, 3, true },
        { { 10, 10, 10 }, false, { 0, 1.1, 1.05, 1.15 }, 3, true }, /* it stages better */
        { { 10, 10, 10 }, false, { 0, 2.0, 1.5, 2.5 }, 3, false },  /* slower than expected, and yet no staging */
        { { 10, 10, 10 }, false, { 0, 1.5, 0.4, 9.0 }, 3, false },  /* nobody knows */
        { { 10, 10, 10 }, false, { 0, 1.0, NAN, NAN }, 0, false },  /* too few pairs */
        { { 10, 10, NAN }, false, { 0, 1.0, 0.9, 1.1 }, 2, true },  /* one side is host memory */
        { { 1, 10, 0.5 }, false, { 0, 1.0, 0.9, 1.1 }, 0, false },  /* copies that hardly show */
        /* in a window the copies hide behind the network, or it behind them */
        { { 10, 10, 10 }, true, { 0, 1.0, 0.9, 1.1 }, 0, false },
        { { 20, 10, 10 }, true, { 0, 1.0, 0.9, 1.1 }, 2, true },
        { { 10, 10, 20 }, true, { 0, 2.0, 1.9, 2.1 }, 2, false },
        { { NAN, NAN, NAN }, false, { 0, 1.0, 0.9, 1.1 }, 0, false },
    };
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(*rows)); i++) {
        struct wm_suspicion s = wm_staging_suspect(&rows[i].parts, rows[i].overlaps, &rows[i].seen);
        if (!CHECK(rows[i].expected > 0 ? fabs(s.expected - rows[i].expected) < 1e-9 : isnan(s.expected)) ||
            !CHECK(s.suspected == rows[i].suspected))
            printf("  in row %d\n", i);
    }
}

static void test_result(void)
{
    static const struct {
        int judged, suspected;
        bool is;
    } rows[] = { { 0, 0, false }, { 1, 1, true }, { 4, 2, false }, { 4, 3, true } };
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(*rows)); i++) {
        struct wm_result_staging s = { .judged_sizes = rows[i].judged, .suspected_sizes = rows[i].suspected };
        CHECK(wm_result_suspected(&s) == rows[i].is);
    }
}

int main(void)
{
    test_suspicion();
    test_result();
    return wm_tests_end();
}
