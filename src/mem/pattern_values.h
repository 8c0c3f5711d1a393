/**
 * The formulas of src/mem/pattern.h, one word or one small integer at a time: plain C, for the host's loops
 * (pattern.c) and for a device's kernels alike. Indexes are 64 bits wide; the low half runs in the loop, the high
 * half is part of the key (wm_values_at), so that the loop is 32-bit arithmetic and vectorises.
 */
#ifndef WM_MEM_PATTERN_VALUES_H
#define WM_MEM_PATTERN_VALUES_H

#include "src/mem/pattern.h"

enum {
    WM_PATTERN_MAX_RANKS = 65536, /* 16 bits of hash times ranks must fit 32 bits */
    WM_PATTERN_MIN_SCALE = 4,     /* of c(i): with less the sums of many ranks would all be alike */
    WM_PATTERN_MAX_SCALE = 64,
    WM_PATTERN_SPREAD = 20,    /* of min and max: values of different ranks */
    WM_PATTERN_MAX_POWER = 30, /* of prod: values fit int32_t */
};

enum wm_form {
    WM_FORM_WORDS,
    WM_FORM_WEIGHTS,
    WM_FORM_WINDOW,
    WM_FORM_POWERS,
    WM_FORM_LOWEST,
    WM_FORM_HIGHEST,
    WM_FORM_CONSTANT
};

/* All of a pattern that does not depend on the index. */
struct wm_values {
    enum wm_form form;
    bool reduced; /* the result, not one rank's operand */
    uint32_t key[2];
    uint32_t rank, ranks;
    uint32_t rank_bits; /* of the highest rank; at least 1 */
    uint32_t odd_bits;  /* powers: bit b is set where an odd number of ranks have bit b */
    uint32_t scale;     /* weights: c(i) is 1..scale */
    uint32_t low, span; /* window: m(i) is low..low+span-1; powers: k(i) is 0..span-1 */
    int32_t constant;
};

/* --- hashes --- */

/* One step of a chain over fields: for a given h, different x give different results. */
WM_BOTH static inline uint32_t wm_pattern_mix(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

/* Two rounds of multiply and shift (the steps of Wellons' lowbias32). One-to-one in i: no word of a stream comes twice
 * within 2^32, so data shifted by any distance differ in every word. */
WM_BOTH static inline uint32_t wm_pattern_hash(const struct wm_values *v, uint32_t i)
{
    uint32_t x = (i + v->key[0]) * 0x7feb352du;
    x = ((x ^ x >> 15) + v->key[1]) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* Bits of the hash as a number in [0, n): bits * n must fit 32 bits. */
WM_BOTH static inline uint32_t wm_pattern_below(uint32_t bits, unsigned width, uint32_t n)
{
    return bits * n >> width;
}

/* --- numbers of ranks --- */

/* How many of the numbers 0..n-1 have bit b set. */
WM_BOTH static inline uint32_t wm_pattern_ones(uint32_t n, uint32_t b)
{
    uint32_t half = 1u << b, rest = n & (2 * half - 1);
    return (n >> b >> 1 << b) + (rest > half ? rest - half : 0);
}

/* Place of the rank on a ring of all ranks, turned by 16 bits of hash. */
WM_BOTH static inline uint32_t wm_pattern_place(const struct wm_values *v, uint32_t bits)
{
    uint32_t place = v->rank + wm_pattern_below(bits, 16, v->ranks);
    return place >= v->ranks ? place - v->ranks : place;
}

/* --- values: one function a form --- */

/* c (1 + s), where s is one bit of the rank, flipped or not: two ranks differ at a share of 1 / rank_bits at least. */
WM_BOTH static inline int32_t wm_value_weights(const struct wm_values *v, uint32_t i)
{
    uint32_t x = wm_pattern_hash(v, i), flip = x >> 31;
    uint32_t c = 1 + wm_pattern_below(x & 0xffff, 16, v->scale);
    uint32_t b = wm_pattern_below(x >> 16 & 0xff, 8, v->rank_bits);
    return (int32_t)(c * (1 + ((v->rank >> b ^ flip) & 1)));
}

WM_BOTH static inline int32_t wm_value_weights_sum(const struct wm_values *v, uint32_t i)
{
    uint32_t x = wm_pattern_hash(v, i), flip = x >> 31;
    uint32_t c = 1 + wm_pattern_below(x & 0xffff, 16, v->scale);
    uint32_t b = wm_pattern_below(x >> 16 & 0xff, 8, v->rank_bits);
    uint32_t ones = wm_pattern_ones(v->ranks, b);
    return (int32_t)(c * (v->ranks + (flip != 0 ? v->ranks - ones : ones)));
}

/* 1 for m(i) neighbouring ranks of the ring, else 0. */
WM_BOTH static inline int32_t wm_value_window_sum(const struct wm_values *v, uint32_t i)
{
    return (int32_t)(v->low + wm_pattern_below(wm_pattern_hash(v, i) & 0x7fff, 15, v->span));
}

WM_BOTH static inline int32_t wm_value_window(const struct wm_values *v, uint32_t i)
{
    uint32_t x = wm_pattern_hash(v, i);
    return wm_pattern_place(v, x >> 16) < v->low + wm_pattern_below(x & 0x7fff, 15, v->span);
}

/* -x where odd is 1, x where it is 0. */
WM_BOTH static inline int32_t wm_pattern_signed(uint32_t x, uint32_t odd)
{
    return (int32_t)((x ^ (0 - odd)) + odd);
}

/* 2 for k(i) neighbouring ranks of the ring, else 1; negative by one bit of the rank, flipped or not. */
WM_BOTH static inline int32_t wm_value_powers(const struct wm_values *v, uint32_t i)
{
    uint32_t x = wm_pattern_hash(v, i), flip = x >> 15;
    uint32_t k = wm_pattern_below(x & 0xff, 8, v->span);
    uint32_t b = wm_pattern_below(x >> 8 & 0x7f, 7, v->rank_bits);
    return wm_pattern_signed(1 + (uint32_t)(wm_pattern_place(v, x >> 16) < k), (v->rank >> b ^ flip) & 1);
}

/* Flipping turns the sign of every rank's value: of an odd number of ranks that turns the product's. */
WM_BOTH static inline int32_t wm_value_powers_product(const struct wm_values *v, uint32_t i)
{
    uint32_t x = wm_pattern_hash(v, i), flip = x >> 15;
    uint32_t k = wm_pattern_below(x & 0xff, 8, v->span);
    uint32_t b = wm_pattern_below(x >> 8 & 0x7f, 7, v->rank_bits);
    return wm_pattern_signed(1u << k, (v->odd_bits >> b ^ (flip & v->ranks)) & 1);
}

WM_BOTH static inline int32_t wm_value_base(const struct wm_values *v, uint32_t i)
{
    return (int32_t)wm_pattern_below(wm_pattern_hash(v, i) & 0xffff, 16, 101) - 50;
}

/* How far a rank's value lies from base(i): 0 for one rank alone. */
WM_BOTH static inline int32_t wm_value_distance(const struct wm_values *v, uint32_t i)
{
    uint32_t place = wm_pattern_place(v, wm_pattern_hash(v, i) >> 16);
    return (int32_t)(place < WM_PATTERN_SPREAD ? place : WM_PATTERN_SPREAD);
}

/* Value at an index whose high half is in v (wm_values_at): for kernels; loops on the host choose the form once. */
WM_BOTH static inline int32_t wm_value(const struct wm_values *v, uint32_t i)
{
    switch (v->form) {
    case WM_FORM_WEIGHTS:
        return v->reduced ? wm_value_weights_sum(v, i) : wm_value_weights(v, i);
    case WM_FORM_WINDOW:
        return v->reduced ? wm_value_window_sum(v, i) : wm_value_window(v, i);
    case WM_FORM_POWERS:
        return v->reduced ? wm_value_powers_product(v, i) : wm_value_powers(v, i);
    case WM_FORM_LOWEST:
        return wm_value_base(v, i) + (v->reduced ? 0 : wm_value_distance(v, i));
    case WM_FORM_HIGHEST:
        return wm_value_base(v, i) - (v->reduced ? 0 : wm_value_distance(v, i));
    case WM_FORM_WORDS:
        return (int32_t)wm_pattern_hash(v, i);
    case WM_FORM_CONSTANT:
        break;
    }
    return v->constant;
}

/* --- preparing, once for all elements --- */

/* Largest n for which all integers up to n are exact in the type (as far as int32_t goes). */
WM_BOTH static inline uint32_t wm_pattern_limit(enum wm_dtype type)
{
    switch (type) {
    case WM_INT8:
        return 127;
    case WM_HALF:
        return 2048; /* 11 bits */
    case WM_BFLOAT16:
        return 256; /* 8 bits */
    case WM_FLOAT:
        return 1u << 24;
    default:
        return 0x7fffffffu;
    }
}

/* Largest k for which 2^k and -2^k are values of the type, and of int32_t. */
WM_BOTH static inline uint32_t wm_pattern_max_power(enum wm_dtype type)
{
    return type == WM_INT8 ? 6 : type == WM_HALF ? 15 : WM_PATTERN_MAX_POWER;
}

/* No partial sum exceeds ranks * 2 * scale, or in a window its ranks, and that is within the limit. */
WM_BOTH static inline void wm_values_sum(struct wm_values *v, uint32_t limit)
{
    uint32_t most = v->ranks < limit ? v->ranks : limit;
    uint32_t scale = limit / (2 * v->ranks);
    v->form = scale >= WM_PATTERN_MIN_SCALE ? WM_FORM_WEIGHTS : WM_FORM_WINDOW;
    v->scale = scale < WM_PATTERN_MAX_SCALE ? scale : WM_PATTERN_MAX_SCALE;
    v->low = most / 2 + 1;
    v->span = most - v->low + 1;
}

WM_BOTH static inline void wm_values_product(struct wm_values *v, uint32_t max_power)
{
    v->form = WM_FORM_POWERS;
    v->span = 1 + (v->ranks < max_power ? v->ranks : max_power);
    for (uint32_t b = 0; b < v->rank_bits; b++)
        v->odd_bits |= (wm_pattern_ones(v->ranks, b) & 1) << b;
}

WM_BOTH static inline void wm_values_identity(struct wm_values *v, enum wm_redop op)
{
    v->form = WM_FORM_CONSTANT;
    v->constant = op == WM_SUM ? 0 : op == WM_PROD ? 1 : 7;
}

/* What p says of elements of this type, before wm_values_at(); not for WM_POISON. 1 to WM_PATTERN_MAX_RANKS ranks (0
 * counts as 1). */
WM_BOTH static inline struct wm_values wm_values_of(struct wm_pattern p, enum wm_dtype type)
{
    struct wm_values v = {
        WM_FORM_WORDS, p.kind == WM_REDUCED, { 0, 0 }, p.rank, p.ranks > 0 ? p.ranks : 1, 1, 0, 0, 0, 0, 0
    };
    uint32_t h = wm_pattern_mix(wm_pattern_mix(0x9e3779b9u, p.seed), p.round);
    if (p.kind == WM_MOVED)
        h = wm_pattern_mix(wm_pattern_mix(h, p.rank), p.peer);
    v.key[0] = h;
    while (v.rank_bits < 16 && (v.ranks - 1) >> v.rank_bits != 0)
        v.rank_bits++;
    if (p.kind == WM_IDENTITY)
        wm_values_identity(&v, p.op);
    else if (p.kind != WM_MOVED && p.op == WM_SUM)
        wm_values_sum(&v, wm_pattern_limit(type));
    else if (p.kind != WM_MOVED && p.op == WM_PROD)
        wm_values_product(&v, wm_pattern_max_power(type));
    else if (p.kind != WM_MOVED)
        v.form = p.op == WM_MIN ? WM_FORM_LOWEST : WM_FORM_HIGHEST;
    return v;
}

/* The same for indexes with this high half. */
WM_BOTH static inline struct wm_values wm_values_at(struct wm_values v, uint32_t index_high)
{
    v.key[0] = wm_pattern_mix(v.key[0], index_high);
    v.key[1] = wm_pattern_mix(v.key[0], 0x632be59bu);
    return v;
}

#endif
