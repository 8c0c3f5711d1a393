/**
 * One element of test data and one step of a reduction, as bits: plain C, which a device's kernels run for each element
 * and tests compare on the host with wm_pattern_fill() and wm_reduce_host(). Where type and op are constants nothing
 * of the choices remains. Bits above the element's own are 0.
 */
#ifndef WM_MEM_ELEMENT_H
#define WM_MEM_ELEMENT_H

#include "src/mem/half.h"
#include "src/mem/pattern_values.h"

/* A stream of pattern data, as wm_pattern_fill() takes it. */
struct wm_elements {
    struct wm_values values;
    uint64_t first; /* index of the first: of an element, for WM_MOVED of a 32-bit word */
    enum wm_pattern_kind kind;
    enum wm_dtype type;
    uint32_t bytes; /* of one element */
};

static inline struct wm_elements wm_elements_of(struct wm_pattern p, enum wm_dtype type, uint64_t first)
{
    struct wm_elements e = { .first = first, .kind = p.kind, .type = type, .bytes = (uint32_t)wm_dtype_bytes(type) };
    if (p.kind != WM_POISON)
        e.values = wm_values_of(p, type);
    return e;
}

WM_BOTH static inline uint64_t wm_bits_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

WM_BOTH static inline double wm_double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* --- pattern data --- */

WM_BOTH static inline uint32_t wm_element_word(const struct wm_elements *e, uint64_t index)
{
    const struct wm_values v = wm_values_at(e->values, (uint32_t)(index >> 32));
    return wm_pattern_hash(&v, (uint32_t)index);
}

/* Words in the order of their bytes in memory, whatever the type: elements of 8 bytes hold two, smaller ones a part. */
WM_BOTH static inline uint64_t wm_element_moved(const struct wm_elements *e, uint64_t i)
{
    if (e->bytes == 8)
        return wm_element_word(e, e->first + 2 * i) | (uint64_t)wm_element_word(e, e->first + 2 * i + 1) << 32;
    const uint64_t at = i * e->bytes;
    const uint32_t mask = e->bytes == 4 ? 0xffffffffu : (1u << 8 * e->bytes) - 1;
    return wm_element_word(e, e->first + at / 4) >> 8 * (uint32_t)(at % 4) & mask;
}

/* A small integer, exact in the type. */
WM_BOTH static inline uint64_t wm_element_of_int(int32_t x, enum wm_dtype type)
{
    switch (type) {
    case WM_INT8:
        return (uint8_t)x;
    case WM_INT64:
        return (uint64_t)(int64_t)x;
    case WM_FLOAT:
        return wm_bits_of_float((float)x);
    case WM_DOUBLE:
        return wm_bits_of_double((double)x);
    case WM_HALF:
        return wm_half_of_small((float)x);
    case WM_BFLOAT16:
        return wm_bits_of_float((float)x) >> 16;
    default:
        return (uint32_t)x;
    }
}

/** Element i of the stream, i from 0. */
WM_BOTH static inline uint64_t wm_element_bits(const struct wm_elements *e, uint64_t i)
{
    if (e->kind == WM_POISON)
        return UINT64_C(0xa5a5a5a5a5a5a5a5) >> (64 - 8 * e->bytes);
    if (e->kind == WM_MOVED)
        return wm_element_moved(e, i);
    const uint64_t index = e->first + i;
    const struct wm_values v = wm_values_at(e->values, (uint32_t)(index >> 32));
    return wm_element_of_int(wm_value(&v, (uint32_t)index), e->type);
}

/* --- reductions --- */

/* A NaN in y replaces x, a NaN in x compares false and stays: the difference from fmin() is meant. */
WM_BOTH static inline float wm_lower(float x, float y)
{
    return ((y < x) | (y != y)) ? y : x;
}

WM_BOTH static inline float wm_higher(float x, float y)
{
    return ((y > x) | (y != y)) ? y : x;
}

WM_BOTH static inline float wm_combine_float(float x, float y, enum wm_redop op)
{
    return op == WM_SUM ? x + y : op == WM_PROD ? x * y : op == WM_MIN ? wm_lower(x, y) : wm_higher(x, y);
}

WM_BOTH static inline double wm_combine_double(double x, double y, enum wm_redop op)
{
    if (op == WM_SUM || op == WM_PROD)
        return op == WM_SUM ? x + y : x * y;
    return ((op == WM_MIN ? y < x : y > x) | (y != y)) ? y : x;
}

/* Sums and products wrap: x and y are sign-extended, and the caller keeps the element's own bits. */
WM_BOTH static inline uint64_t wm_combine_int(int64_t x, int64_t y, enum wm_redop op)
{
    if (op == WM_SUM || op == WM_PROD)
        return op == WM_SUM ? (uint64_t)x + (uint64_t)y : (uint64_t)x * (uint64_t)y;
    return (uint64_t)((op == WM_MIN ? y < x : y > x) ? y : x);
}

/** x op y, with the rounding and the NaNs of wm_reduce_host(). */
WM_BOTH static inline uint64_t wm_element_reduce(uint64_t x, uint64_t y, enum wm_dtype type, enum wm_redop op)
{
    switch (type) {
    case WM_INT8:
        return (uint8_t)wm_combine_int((int8_t)x, (int8_t)y, op);
    case WM_INT32:
        return (uint32_t)wm_combine_int((int32_t)x, (int32_t)y, op);
    case WM_FLOAT:
        return wm_bits_of_float(wm_combine_float(wm_float_of_bits((uint32_t)x), wm_float_of_bits((uint32_t)y), op));
    case WM_DOUBLE:
        return wm_bits_of_double(wm_combine_double(wm_double_of_bits(x), wm_double_of_bits(y), op));
    case WM_HALF:
        return wm_half_of_float(wm_combine_float(wm_float_of_half((uint16_t)x), wm_float_of_half((uint16_t)y), op));
    case WM_BFLOAT16:
        return wm_bfloat16_of_float(
            wm_combine_float(wm_float_of_bfloat16((uint16_t)x), wm_float_of_bfloat16((uint16_t)y), op));
    default:
        return wm_combine_int((int64_t)x, (int64_t)y, op);
    }
}

#endif
