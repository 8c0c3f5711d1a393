#include "src/stats/reservoir.h"

#include <math.h>

static double log_unit(struct wm_random *random)
{
    return log(1 - wm_random_unit(random)); /* of (0, 1] */
}

/* Chooses the next to keep after the one at index `last`. */
static void skip(struct wm_reservoir *r, uint64_t last)
{
    r->w *= exp(log_unit(&r->random) / WM_RAW_SAMPLES);
    double skipped = floor(log_unit(&r->random) / log1p(-r->w));
    r->next = last + 1 + (skipped < 0x1p62 ? (uint64_t)skipped : (uint64_t)1 << 62);
}

void wm_reservoir_init(struct wm_reservoir *r, uint64_t seed)
{
    r->kept = 0;
    r->seen = 0;
    r->w = 1;
    r->random.state = seed;
    skip(r, WM_RAW_SAMPLES - 1);
}

static void put(struct wm_reservoir *r, size_t slot, double ns, unsigned block)
{
    r->ns[slot] = (float)ns;
    r->block[slot] = (uint16_t)block;
}

void wm_reservoir_add(struct wm_reservoir *r, const double *ns, size_t n, unsigned block)
{
    for (size_t i = 0; i < n && r->kept < WM_RAW_SAMPLES; i++)
        put(r, r->kept++, ns[i], block);
    for (; r->next < r->seen + n; skip(r, r->next))
        put(r, wm_random_below(&r->random, WM_RAW_SAMPLES), ns[r->next - r->seen], block);
    r->seen += n;
}

void wm_reservoir_merge_blocks(struct wm_reservoir *r)
{
    for (size_t i = 0; i < r->kept; i++)
        r->block[i] /= 2;
}
