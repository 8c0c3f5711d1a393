/** One test of many quantities at once, by relabelling launches. docs/verdicts.md says why so, with sources. */
#ifndef WM_STATS_MAXT_H
#define WM_STATS_MAXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

struct wm_maxt {
    /* [tests][a + b], the first a of each row of one side, the others of the other; logarithms of times. Centred in
     * place. */
    double *value;
    size_t tests;
    int a, b;
    uint64_t seed;     /* of the drawn relabellings */
    long relabellings; /* out: counted, the true labels among them */
    bool exact;        /* out: these are all that there are */
};

/**
 * Westfall-Young step-down max-T (1993, algorithm 4.1), two-sided: p[i] is the probability, over relabellings of
 * launches, that the largest statistic of those tests that stand no higher reaches test i's. Rejecting where p <= 0.05
 * holds the probability of any false rejection at 5 %, whatever the tests' dependence. The statistic is a difference of
 * means over a scale moderated across tests (Smyth 2004), computed anew under each relabelling. All relabellings where
 * they are at most 1,000, else 999 drawn with the seed and the true one.
 * @param p  out, [tests]
 * @return WM_OK, WM_ENOMEM; WM_EUSAGE: a side has no launch
 */
int wm_maxt(struct wm_maxt *m, double *p, struct wm_err *err);

/** The smallest p that a launches against b can reach: 2 of all their relabellings. */
double wm_maxt_smallest_p(int a, int b);

/** Digamma and trigamma functions, x > 0 (Abramowitz & Stegun 6.3.18, 6.4.12 after the recurrences). */
double wm_digamma(double x);
double wm_trigamma(double x);

#endif
