#include "src/stats/spread.h"

#include <math.h>

#include "src/stats/series.h"

enum { FEWEST_MERGED = 6 };

/* Student's t at 0.975 by Fisher and Cornish's expansion about the normal (1960); within 0.0003 for df >= 5. */
static double student(double df)
{
    return 1.959964 + (2.372271 + (2.822499 + (2.555850 + 1.589534 / df) / df) / df) / df;
}

/* By how much neighbours' correlation widens the variance of a mean: (1 + rho) / (1 - rho), a first-order process.
 * The estimate of rho is corrected for its bias of -(1 + 4 rho) / n (Marriott & Pope 1954). */
static double dependence(const double *values, size_t n)
{
    double rho = (wm_lag1(values, n) + 1 / (double)n) / (1 - 4 / (double)n);
    rho = fmin(fmax(rho, 0), 0.98);
    return (1 + rho) / (1 - rho);
}

static double spread_of_level(const double *excess, size_t n, double samples)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += excess[i] * excess[i];
    double variance = squares * (double)n / (double)(n - 1) / (samples * samples);
    if (n >= WM_MIN_BLOCKS)
        variance *= dependence(excess, n);
    variance = fmax(variance, 0.25 / samples); /* never better than independent samples */
    return student((double)(n - 1)) * sqrt(variance);
}

/* Pairs of neighbours become one; an odd last one joins the last pair. */
static size_t merge(double *excess, size_t n)
{
    for (size_t i = 0; i < n / 2; i++)
        excess[i] = excess[2 * i] + excess[2 * i + 1];
    if (n % 2 != 0)
        excess[n / 2 - 1] += excess[n - 1];
    return n / 2;
}

double wm_rank_spread(double *excess, size_t blocks, double samples, unsigned *merged)
{
    double widest = 0;
    for (size_t n = blocks; n >= FEWEST_MERGED; n = merge(excess, n)) {
        double spread = spread_of_level(excess, n, samples);
        if (spread > widest) {
            widest = spread;
            *merged = (unsigned)n;
        }
    }
    return widest;
}
