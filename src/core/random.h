/** Seeded random numbers: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). Same seed, same sequence, everywhere. */
#ifndef WM_CORE_RANDOM_H
#define WM_CORE_RANDOM_H

#include <stdint.h>

struct wm_random {
    uint64_t state; /* any value is a good seed */
};

static inline uint64_t wm_random_next(struct wm_random *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/** Uniform in [0, n), n > 0; the bias of the multiplication is below 2^-32 for n < 2^32. */
static inline uint64_t wm_random_below(struct wm_random *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)wm_random_next(r) * n) >> 64);
}

/** Uniform in [0, 1). */
static inline double wm_random_unit(struct wm_random *r)
{
    return (double)(wm_random_next(r) >> 11) * 0x1p-53;
}

#endif
