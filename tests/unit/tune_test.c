/** The choice of --algo auto as a pure function: who is to be beaten, and who beats it. */
#include "bench/tune.h"

#include "tests/unit/check.h"

/* A row is three trials. */
/* clang-format off */
#define GONE                   { false, NAN, NAN, NAN, 0 }
#define BASE                   { true, 1, 1, 1, 0 }
#define IS(r, low, up)         { true, r, low, up, 1 }
#define WON(r, low, up, share) { true, r, low, up, share }

static void test_base(void)
{
    static const struct {
        const char *what;
        struct wm_trial trial[3];
        int incumbent, base;
    } rows[] = {
        { "the incumbent", { BASE, BASE, BASE }, 1, 1 },
        { "none yet: the first", { BASE, BASE, BASE }, -1, 0 },
        { "none yet, the first cannot", { GONE, BASE, BASE }, -1, 1 },
        { "the incumbent cannot at this size", { BASE, BASE, GONE }, 2, 0 },
        { "nobody can", { GONE, GONE, GONE }, 1, -1 },
        { "no such incumbent", { BASE, BASE, BASE }, 3, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (!CHECK_INT(wm_tune_base(rows[i].trial, 3, rows[i].incumbent), rows[i].base))
            printf("  %s\n", rows[i].what);
}

static void test_pick(void)
{
    static const struct {
        const char *what;
        struct wm_trial trial[3];
        int base, pick;
    } rows[] = {
        { "nobody is faster", { BASE, IS(1.5, 1.4, 1.6), IS(1.1, 1.0, 1.2) }, 0, 0 },
        { "one is", { BASE, IS(0.5, 0.4, 0.6), IS(1.1, 1.0, 1.2) }, 0, 1 },
        { "the faster of two", { BASE, IS(0.5, 0.4, 0.6), IS(0.3, 0.2, 0.5) }, 0, 2 },
        { "in any place", { IS(0.3, 0.2, 0.5), IS(0.5, 0.4, 0.6), BASE }, 2, 0 },
        { "faster by its median alone: the interval holds 1", { BASE, IS(0.5, 0.4, 1.01), GONE }, 0, 0 },
        { "wholly faster, but by less than the margin", { BASE, IS(0.97, 0.96, 0.985), GONE }, 0, 0 },
        { "just at the margin", { BASE, IS(0.97, 0.96, 0.98), GONE }, 0, 0 },
        { "just beyond the margin", { BASE, IS(0.97, 0.96, 0.9799), GONE }, 0, 1 },
        { "the best median is no proof, the second's interval is",
          { BASE, IS(0.2, 0.1, 1.5), IS(0.8, 0.7, 0.9) },
          0,
          2 },
        { "a tie of two challengers: the first", { BASE, IS(0.5, 0.4, 0.6), IS(0.5, 0.4, 0.6) }, 0, 1 },
        { "no interval", { BASE, IS(0.5, NAN, NAN), GONE }, 0, 0 },
        { "nothing known", { BASE, IS(NAN, NAN, NAN), GONE }, 0, 0 },
        { "who did not run is not chosen", { BASE, { false, 0.1, 0.1, 0.1, 1 }, GONE }, 0, 0 },
        { "won five turns of six", { BASE, WON(0.5, 0.4, 0.6, 5. / 6), GONE }, 0, 1 },
        { "won ten turns of twelve", { BASE, WON(0.5, 0.4, 0.6, 10. / 12), GONE }, 0, 1 },
        { "a burst: the interval is good, the turns are not", { BASE, WON(0.5, 0.4, 0.6, 9. / 12), GONE }, 0, 0 },
        { "alone", { GONE, BASE, GONE }, 1, 1 },
        { "the base has no figures of its own", { IS(NAN, NAN, NAN), IS(1.2, 1.1, 1.3), GONE }, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (!CHECK_INT(wm_tune_pick(rows[i].trial, 3, rows[i].base, 0.02), rows[i].pick))
            printf("  %s\n", rows[i].what);
}
/* clang-format on */

/* Over sizes: what a noisy tie would do, and a crossover. */
static void test_incumbent_over_sizes(void)
{
    static const struct {
        double ratio, low, high; /* of 1 to 0 */
        int chosen;
    } sizes[] = {
        { 1.2, 1.1, 1.3, 0 },   { 1.02, 0.9, 1.1, 0 },   { 0.97, 0.9, 1.02, 0 }, { 0.99, 0.97, 0.995, 0 },
        { 0.7, 0.65, 0.75, 1 }, { 0.98, 0.95, 1.02, 1 }, { 1.01, 1.0, 1.02, 1 }, { 0.5, 0.4, 0.6, 1 },
    };
    int incumbent = -1;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        struct wm_trial trial[2] = { BASE, BASE };
        int base = wm_tune_base(trial, 2, incumbent), other = 1 - base;
        double r = sizes[k].ratio, low = sizes[k].low, high = sizes[k].high;
        trial[other] = base == 0 ? (struct wm_trial){ true, r, low, high, r < 1 }
                                 : (struct wm_trial){ true, 1 / r, 1 / high, 1 / low, r > 1 };
        incumbent = wm_tune_pick(trial, 2, base, 0.02);
        if (!CHECK_INT(incumbent, sizes[k].chosen))
            printf("  at size %zu\n", k);
    }
}

int main(void)
{
    test_base();
    test_pick();
    test_incumbent_over_sizes();
    return wm_tests_end();
}
