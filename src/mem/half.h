/**
 * IEEE 754 binary16 and bfloat16 as bits, on the host and in a device's kernels. No branches, so that loops over them
 * vectorise; to the nearest, ties to even; a NaN stays a (quiet) NaN.
 */
#ifndef WM_MEM_HALF_H
#define WM_MEM_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/mem/pattern.h"

WM_BOTH static inline uint32_t wm_bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

WM_BOTH static inline float wm_float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* a where `which`, else b; by a mask, since compilers make a branch of ?: and then leave the loop as it is. */
WM_BOTH static inline uint32_t wm_either(int which, uint32_t a, uint32_t b)
{
    uint32_t mask = 0u - (uint32_t)which;
    return (a & mask) | (b & ~mask);
}

/* The exponent is moved by a multiplication, which also normalises subnormal numbers: 112 = 127 - 15. */
WM_BOTH static inline float wm_float_of_half(uint16_t h)
{
    uint32_t bits = wm_bits_of_float(wm_float_of_bits((h & 0x7fffu) << 13) * 0x1p112f);
    uint32_t special = (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0; /* infinity or NaN */
    uint32_t quiet = (h & 0x7fffu) > 0x7c00u ? 0x400000u : 0;
    return wm_float_of_bits(bits | special | quiet | (h & 0x8000u) << 16);
}

/* Adding a number whose last place is the half's last place lets the addition itself round, subnormal numbers
 * included (after Giesen). The integer behind the sum is then the half. */
WM_BOTH static inline uint16_t wm_half_of_float(float x)
{
    uint32_t bits = wm_bits_of_float(x), size = bits & 0x7fffffffu;
    uint32_t tiny = wm_bits_of_float(wm_float_of_bits(size) + 0.5f) - 0x3f000000u;
    uint32_t normal = (size - (112u << 23) + 0xfffu + (size >> 13 & 1)) >> 13;
    uint32_t nan = 0x7e00u | (size >> 13 & 0x3ffu);
    uint32_t half = wm_either(size < 0x38800000u, tiny, normal); /* under 2^-14 */
    half = wm_either(size >= 0x477ff000u, 0x7c00u, half);        /* from 65520 on: infinity */
    half = wm_either(size > 0x7f800000u, nan, half);
    return (uint16_t)(half | (bits >> 16 & 0x8000u));
}

/* The same for 0 and for what is a normal half already, without rounding. */
WM_BOTH static inline uint16_t wm_half_of_small(float x)
{
    uint32_t bits = wm_bits_of_float(x * 0x1p-112f);
    return (uint16_t)((bits >> 13 & 0x7fffu) | (bits >> 16 & 0x8000u));
}

WM_BOTH static inline float wm_float_of_bfloat16(uint16_t b)
{
    return wm_float_of_bits((uint32_t)b << 16);
}

WM_BOTH static inline uint16_t wm_bfloat16_of_float(float x)
{
    uint32_t bits = wm_bits_of_float(x);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded);
}

/** wm_reduce_host() for WM_HALF by the processor's own conversions; false, and nothing done, where it has none. */
bool wm_reduce_half_f16c(void *to, const void *from, size_t count, enum wm_redop op);
void wm_reduce_half_portable(void *to, const void *from, size_t count, enum wm_redop op);

#endif
