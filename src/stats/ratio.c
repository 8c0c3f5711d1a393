#include <math.h>
#include <stdlib.h>

#include "src/core/random.h"
#include "src/stats/order.h"
#include "src/stats/series.h"

enum { RESAMPLES = 2000, FEWEST_PAIRS = 6 };

struct pairs {
    const double *other, *base;
    size_t n;
    double *work; /* 2 n: both arms of one resample */
};

static double ratio_of_medians(const struct pairs *p)
{
    return wm_median(p->work, p->n) / wm_median(p->work + p->n, p->n);
}

static double plain_ratio(const struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        p->work[i] = p->other[i];
        p->work[p->n + i] = p->base[i];
    }
    return ratio_of_medians(p);
}

/* Pairs are drawn, never the arms apart: what slowed both blocks of a pair cancels. */
static double resampled_ratio(const struct pairs *p, struct wm_random *random)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t drawn = wm_random_below(random, p->n);
        p->work[i] = p->other[drawn];
        p->work[p->n + i] = p->base[drawn];
    }
    return ratio_of_medians(p);
}

int wm_ratio_interval(const double *other, size_t n_other, const double *base, size_t n_base, uint64_t seed,
                      double *ratio, double *low, double *high)
{
    struct pairs p = { .other = other, .base = base, .n = n_other < n_base ? n_other : n_base };
    struct wm_random random = { .state = seed };
    *ratio = *low = *high = NAN;
    if (p.n == 0)
        return WM_EUSAGE;
    p.work = malloc((2 * p.n + RESAMPLES) * sizeof(double));
    if (p.work == NULL)
        return WM_ENOMEM;
    *ratio = plain_ratio(&p);
    if (p.n >= FEWEST_PAIRS) {
        double *drawn = p.work + 2 * p.n;
        for (int i = 0; i < RESAMPLES; i++)
            drawn[i] = resampled_ratio(&p, &random);
        *low = wm_select(drawn, RESAMPLES, RESAMPLES / 40 - 1);
        *high = wm_select(drawn, RESAMPLES, RESAMPLES - RESAMPLES / 40);
    }
    free(p.work);
    return p.n >= FEWEST_PAIRS ? WM_OK : WM_EUSAGE;
}
