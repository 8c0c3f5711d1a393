#include "src/stats/histogram.h"

#include <math.h>
#include <string.h>

enum { MANTISSA_BITS = 52, GUESS_BITS = 7, EXPONENT_OF_1 = 1023 };

_Static_assert(1 << GUESS_BITS == WM_BIN_GUESSES, "one guess for each value of the leading bits");

/* Exponent and leading mantissa bits of ns in [1, 2^44): a logarithm for nothing. */
static size_t leading_bits(double ns)
{
    uint64_t bits;
    memcpy(&bits, &ns, sizeof(bits));
    return (size_t)((bits >> (MANTISSA_BITS - GUESS_BITS)) - ((uint64_t)EXPONENT_OF_1 << GUESS_BITS));
}

/* A running product in long double is exact to the last bit of a double, and far cheaper than 3000 powers. */
static void set_edges(struct wm_histogram *h)
{
    long double edge = 1;
    for (int k = 0; k <= WM_BINS; k++, edge *= 1.01L)
        h->edge[k] = (double)edge;
}

void wm_histogram_init(struct wm_histogram *h)
{
    memset(h, 0, sizeof(*h));
    set_edges(h);
    unsigned bin = 0;
    double octave_ns = 1;
    for (size_t i = 0; i < WM_BIN_OCTAVES; i++, octave_ns *= 2)
        for (size_t k = 0; k < WM_BIN_GUESSES; k++) {
            double lowest_ns = octave_ns * (1 + (double)k / WM_BIN_GUESSES);
            while (bin < WM_BINS - 1 && h->edge[bin + 1] <= lowest_ns)
                bin++;
            h->guess[i * WM_BIN_GUESSES + k] = (uint16_t)bin;
        }
}

static unsigned bin_of(const struct wm_histogram *h, double ns)
{
    if (!(ns >= 1))
        return 0;
    if (ns >= h->edge[WM_BINS])
        return WM_BINS - 1;
    unsigned bin = h->guess[leading_bits(ns)];
    return bin + (bin < WM_BINS - 1 && h->edge[bin + 1] <= ns);
}

void wm_histogram_add(struct wm_histogram *h, double ns)
{
    h->count[bin_of(h, ns)]++;
    h->total++;
}

double wm_histogram_quantile(const struct wm_histogram *h, double p)
{
    double wanted = p * (double)h->total, before = 0;
    unsigned bin = 0;
    while (bin < WM_BINS - 1 && before + (double)h->count[bin] < wanted)
        before += (double)h->count[bin++];
    double share = h->count[bin] > 0 ? (wanted - before) / (double)h->count[bin] : 0;
    return h->edge[bin] * pow(1.01, share);
}

uint64_t wm_histogram_from(const struct wm_histogram *h, double ns)
{
    uint64_t count = 0;
    for (unsigned bin = WM_BINS; bin-- > 0 && h->edge[bin] >= ns;)
        count += h->count[bin];
    return count;
}
