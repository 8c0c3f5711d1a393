#include "src/stats/maxt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "src/core/random.h"

enum { MOST_EXACT = 1000, DRAWN = 999 };

/* Differences under a thousandth interest nobody: keeps equal launches from dividing by nothing. */
static const double floor_scale = 1e-3;

/* ---- moderated scale: Smyth (2004), Linear models and empirical Bayes methods, section 6 ---- */

struct prior {
    double freedom, variance;
};

double wm_digamma(double x)
{
    double sum = 0;
    for (; x < 8; x++)
        sum -= 1 / x;
    double y = 1 / (x * x);
    return sum + log(x) - 1 / (2 * x) - y * (1.0 / 12 - y * (1.0 / 120 - y / 252));
}

double wm_trigamma(double x)
{
    double sum = 0;
    for (; x < 8; x++)
        sum += 1 / (x * x);
    double y = 1 / (x * x);
    return sum + 1 / x + y / 2 + y / x * (1.0 / 6 - y * (1.0 / 30 - y / 42));
}

/* The x with trigamma(x) = y, by bisection of its logarithm: trigamma falls everywhere. */
static double trigamma_inverse(double y)
{
    double low = -10, high = 20;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (wm_trigamma(exp(middle)) > y)
            low = middle;
        else
            high = middle;
    }
    return exp((low + high) / 2);
}

/* Of all tests' variances around their own means, over both sides: no label has a part in it, so that it is the same
 * under every relabelling. */
static struct prior prior_of(const double *squares, size_t tests, double freedom)
{
    double mean = 0, spread = 0, floor = floor_scale * floor_scale;
    for (size_t i = 0; i < tests; i++)
        mean += log(squares[i] / freedom + floor) / (double)tests;
    for (size_t i = 0; i < tests; i++) {
        double off = log(squares[i] / freedom + floor) - mean;
        spread += off * off;
    }
    spread = (tests > 1 ? spread / (double)(tests - 1) : 0) - wm_trigamma(freedom / 2);
    mean += log(freedom / 2) - wm_digamma(freedom / 2);
    if (spread <= 1e-6)
        return (struct prior){ 1e6, exp(mean) };
    double half = trigamma_inverse(spread);
    return (struct prior){ 2 * half, exp(mean + wm_digamma(half) - log(half)) };
}

/* ---- the statistic under one labelling ---- */

struct work {
    const double *value; /* centred */
    const double *squares;
    struct prior prior;
    size_t tests;
    int a, b;
    int *chosen; /* [b] columns that count as the second side */
};

/* The squared statistic: orders as its root does. */
static double statistic(const struct work *w, size_t i)
{
    const double *row = w->value + i * (size_t)(w->a + w->b);
    double sum = 0, inverse = 1.0 / w->a + 1.0 / w->b;
    for (int k = 0; k < w->b; k++)
        sum += row[w->chosen[k]];
    double within = w->squares[i] - sum * sum * inverse;
    within = within > 0 ? within : 0;
    double freedom = w->prior.freedom + (w->a + w->b - 2);
    double variance = (w->prior.freedom * w->prior.variance + within) / freedom;
    return sum * sum * inverse * inverse / (variance + floor_scale * floor_scale);
}

/* ---- labellings ---- */

static double labellings(int a, int b)
{
    double n = 1;
    for (int k = 1; k <= b; k++)
        n = n * (a + k) / k;
    return n;
}

double wm_maxt_smallest_p(int a, int b)
{
    return a < 1 || b < 1 ? 1 : fmin(1, 2 / labellings(a, b));
}

/* The next choice of b of n columns in lexicographic order; false after the last. */
static bool next_choice(int *chosen, int b, int n)
{
    int k = b - 1;
    while (k >= 0 && chosen[k] == n - b + k)
        k--;
    if (k < 0)
        return false;
    chosen[k]++;
    for (int i = k + 1; i < b; i++)
        chosen[i] = chosen[i - 1] + 1;
    return true;
}

/* b of n columns, each choice as likely as any other (Knuth, algorithm 3.4.2S). */
static void draw_choice(int *chosen, int b, int n, struct wm_random *random)
{
    int taken = 0;
    for (int k = 0; k < n && taken < b; k++)
        if (wm_random_below(random, (uint64_t)(n - k)) < (uint64_t)(b - taken))
            chosen[taken++] = k;
}

/* ---- counting ---- */

struct ranked {
    double observed;
    size_t test;
    long reached;
};

static int by_observed(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->observed != y->observed)
        return x->observed < y->observed ? 1 : -1;
    return x->test < y->test ? -1 : 1;
}

/* From the smallest up: the largest statistic of those that stand no higher. Equal ones differ by their rounding. */
static void count(const struct work *w, struct ranked *ranked)
{
    double largest = 0;
    for (size_t i = w->tests; i-- > 0;) {
        double here = statistic(w, ranked[i].test);
        largest = here > largest ? here : largest;
        ranked[i].reached += largest >= ranked[i].observed * (1 - 1e-9);
    }
}

static void count_all(struct wm_maxt *m, struct work *w, struct ranked *ranked)
{
    struct wm_random random = { .state = m->seed };
    int n = m->a + m->b;
    m->exact = labellings(m->a, m->b) <= MOST_EXACT;
    m->relabellings = 0;
    if (m->exact) {
        for (int k = 0; k < m->b; k++)
            w->chosen[k] = k;
        do {
            count(w, ranked);
            m->relabellings++;
        } while (next_choice(w->chosen, m->b, n));
        return;
    }
    count(w, ranked); /* the true one */
    for (m->relabellings = 1; m->relabellings <= DRAWN; m->relabellings++) {
        draw_choice(w->chosen, m->b, n, &random);
        count(w, ranked);
    }
}

static void center(struct wm_maxt *m, double *squares)
{
    size_t n = (size_t)(m->a + m->b);
    for (size_t i = 0; i < m->tests; i++) {
        double *row = m->value + i * n, mean = 0;
        squares[i] = 0;
        for (size_t k = 0; k < n; k++)
            mean += row[k] / (double)n;
        for (size_t k = 0; k < n; k++) {
            row[k] -= mean;
            squares[i] += row[k] * row[k];
        }
    }
}

static void run(struct wm_maxt *m, struct work *w, struct ranked *ranked, double *p)
{
    double largest = 0;
    for (int k = 0; k < m->b; k++)
        w->chosen[k] = m->a + k;
    for (size_t i = 0; i < m->tests; i++)
        ranked[i] = (struct ranked){ .observed = statistic(w, i), .test = i };
    qsort(ranked, m->tests, sizeof(*ranked), by_observed);
    count_all(m, w, ranked);
    for (size_t i = 0; i < m->tests; i++) {
        largest = fmax(largest, (double)ranked[i].reached / (double)m->relabellings);
        p[ranked[i].test] = largest;
    }
}

int wm_maxt(struct wm_maxt *m, double *p, struct wm_err *err)
{
    if (m->a < 1 || m->b < 1)
        return wm_fail(err, WM_EUSAGE, "", 0, "a test of %d launches against %d: each side needs one", m->a, m->b);
    double *squares = calloc(m->tests + 1, sizeof(*squares));
    struct ranked *ranked = calloc(m->tests + 1, sizeof(*ranked));
    int *chosen = calloc((size_t)m->b, sizeof(*chosen));
    if (squares == NULL || ranked == NULL || chosen == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", errno, "a test of %zu cells", m->tests);
    } else if (m->tests > 0) {
        struct work w = { m->value, squares, { 0, 0 }, m->tests, m->a, m->b, chosen };
        center(m, squares);
        w.prior = prior_of(squares, m->tests, fmax(1, m->a + m->b - 1));
        run(m, &w, ranked, p);
    }
    free(squares);
    free(ranked);
    free(chosen);
    return err->code;
}
