#include "src/stats/order.h"

#include <math.h>

#include "src/core/random.h"
#include "src/stats/series.h"

static double middle(double a, double b, double c)
{
    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

static double pivot_of(const double *values, size_t n, struct wm_random *random)
{
    double a = values[wm_random_below(random, n)], b = values[wm_random_below(random, n)];
    return middle(a, b, values[wm_random_below(random, n)]);
}

/* Moves what is under the pivot to the front and returns how many that are; without a branch on the comparison, which
 * no processor could predict. */
static size_t front_under(double *values, size_t n, double pivot)
{
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        values[i] = values[front];
        values[front] = value;
        front += value < pivot;
    }
    return front;
}

static size_t front_equal(double *values, size_t n, double pivot)
{
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        values[i] = values[front];
        values[front] = value;
        front += value == pivot;
    }
    return front;
}

/* Hoare's selection (1961) with random pivots. Equal values, of which a clock of whole nanoseconds gives many, are set
 * apart together. */
double wm_select(double *values, size_t n, size_t k)
{
    struct wm_random random = { .state = n };
    for (;;) {
        double pivot = pivot_of(values, n, &random);
        size_t under = front_under(values, n, pivot);
        if (k < under) {
            n = under;
            continue;
        }
        size_t equal = front_equal(values + under, n - under, pivot);
        if (k < under + equal)
            return pivot;
        values += under + equal;
        n -= under + equal;
        k -= under + equal;
    }
}

double wm_median(double *values, size_t n)
{
    double upper = wm_select(values, n, n / 2);
    if (n % 2 != 0)
        return upper;
    double lower = values[0]; /* the largest of those that selection put before the upper one */
    for (size_t i = 1; i < n / 2; i++)
        lower = fmax(lower, values[i]);
    return lower + (upper - lower) / 2;
}

double wm_lag1(const double *values, size_t n)
{
    if (n < 3)
        return 0;
    double mean = 0, squares = 0, products = 0;
    for (size_t i = 0; i < n; i++)
        mean += values[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
        if (i > 0)
            products += (values[i] - mean) * (values[i - 1] - mean);
    }
    return squares > 0 ? products / squares : 0;
}

/* The largest r with 2 P(X < r) <= 1 - level for X binomial (n, 1/2); 0 when there is none. Sums from 20 standard
 * deviations below the mean: what lies before is under 1e-80. */
static size_t binomial_rank(size_t n, double level)
{
    double trials = (double)n, from = floor(trials / 2 - 10 * sqrt(trials));
    double x = from > 0 ? from : 0, below = 0;
    double p = exp(lgamma(trials + 1) - lgamma(x + 1) - lgamma(trials - x + 1) - trials * log(2));
    while (2 * (below + p) <= 1 - level) {
        below += p;
        p *= (trials - x) / (x + 1);
        x++;
    }
    return (size_t)x;
}

int wm_median_interval(const double *sorted, size_t n, double level, double *low, double *high)
{
    size_t rank = n == 0 ? 0 : binomial_rank(n, level);
    if (rank == 0)
        return WM_EUSAGE;
    *low = sorted[rank - 1];
    *high = sorted[n - rank];
    return WM_OK;
}
