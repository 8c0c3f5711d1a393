#include "src/stats/shift.h"

#include <math.h>
#include <string.h>

#include "src/stats/order.h"
#include "src/stats/series.h"

enum { EXACT = 80, MOST_SUM = EXACT * EXACT / 4 + 1 };

/* Pascal's way: each of the n_a + n_b values, from the smallest, is b's with the probability that leaves the rest
 * equally likely. share[j][u]: j values of b so far, u pairs in which a's is smaller. */
static size_t exact_rank(int n_a, int n_b, double tail, double *below)
{
    static _Thread_local double share[EXACT + 1][MOST_SUM];
    memset(share, 0, sizeof(share));
    share[0][0] = 1;
    for (int i = 0; i < n_a + n_b; i++)
        for (int j = i < n_b ? i : n_b; j >= 0; j--) {
            int a_before = i - j;
            double is_b = (double)(n_b - j) / (n_a + n_b - i);
            for (int u = j * a_before; a_before <= n_a && u >= 0; u--) {
                double here = share[j][u];
                if (j < n_b)
                    share[j + 1][u + a_before] += here * is_b;
                share[j][u] = here * (1 - is_b);
            }
        }
    size_t rank = 0;
    *below = 0;
    while (*below + share[n_b][rank] <= tail * (1 + 1e-9)) /* 1 - level has rounded */
        *below += share[n_b][rank++];
    return rank;
}

static size_t normal_rank(double n_a, double n_b, double tail, double *below)
{
    double mean = n_a * n_b / 2, deviation = sqrt(n_a * n_b * (n_a + n_b + 1) / 12);
    double rank = floor(mean - deviation * 6);
    rank = rank < 0 ? 0 : rank;
    while (0.5 * erfc((mean - (rank + 0.5)) / deviation / sqrt(2)) <= tail)
        rank++;
    *below = 0.5 * erfc((mean - (rank - 0.5)) / deviation / sqrt(2));
    return (size_t)rank;
}

size_t wm_shift_rank(int n_a, int n_b, double level, double *actual)
{
    double below = 0;
    *actual = 0;
    if (n_a < 1 || n_b < 1)
        return 0;
    size_t rank = n_a + n_b <= EXACT ? exact_rank(n_a, n_b, (1 - level) / 2, &below)
                                     : normal_rank(n_a, n_b, (1 - level) / 2, &below);
    if (rank > 0)
        *actual = 1 - 2 * below;
    return rank;
}

void wm_shift(const double *a, int n_a, const double *b, int n_b, size_t rank, double *work, struct wm_shift *out)
{
    size_t n = 0;
    long larger = 0;
    for (int i = 0; i < n_a; i++)
        for (int j = 0; j < n_b; j++) {
            larger += (b[j] > a[i]) - (b[j] < a[i]);
            work[n++] = b[j] - a[i];
        }
    *out = (struct wm_shift){ wm_median(work, n), (double)NAN, (double)NAN, (double)larger / (double)n };
    if (rank > 0) {
        out->low = wm_select(work, n, rank - 1);
        out->high = wm_select(work, n, n - rank);
    }
}
