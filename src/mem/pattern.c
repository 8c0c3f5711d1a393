#include <stdio.h>
#include <string.h>

#include "src/core/compiler.h"
#include "src/mem/half.h"
#include "src/mem/mem.h"
#include "src/mem/pattern_values.h"

/* Data are made block by block in the first-level cache, then copied or compared as bytes: destinations need no
 * alignment, and equal data cost no look at single elements. Loops have a fixed length, which -O2 vectorises too. */
enum { BLOCK = 1024 /* words, or elements */ };

union block { /* as the largest type needs it */
    uint32_t word[BLOCK];
    int32_t small[BLOCK];
    uint8_t int8[BLOCK];
    uint16_t bits16[BLOCK];
    int64_t int64[BLOCK];
    float floats[BLOCK];
    double doubles[BLOCK];
};

#define FOR_BLOCK(expression)                                                                                          \
    for (uint32_t i = 0; i < BLOCK; i++)                                                                               \
    out[i] = (expression)

static WM_CLONES void make_words(const struct wm_values *values, uint32_t first, uint32_t *restrict out)
{
    const struct wm_values v = *values; /* a copy, which `out` cannot be part of */
    FOR_BLOCK(wm_pattern_hash(&v, first + i));
}

static WM_CLONES void make_operands(const struct wm_values *values, uint32_t first, int32_t *restrict out)
{
    const struct wm_values v = *values;
    if (v.form == WM_FORM_WEIGHTS)
        FOR_BLOCK(wm_value_weights(&v, first + i));
    else if (v.form == WM_FORM_WINDOW)
        FOR_BLOCK(wm_value_window(&v, first + i));
    else if (v.form == WM_FORM_POWERS)
        FOR_BLOCK(wm_value_powers(&v, first + i));
    else if (v.form == WM_FORM_LOWEST)
        FOR_BLOCK(wm_value_base(&v, first + i) + wm_value_distance(&v, first + i));
    else if (v.form == WM_FORM_HIGHEST)
        FOR_BLOCK(wm_value_base(&v, first + i) - wm_value_distance(&v, first + i));
    else
        FOR_BLOCK(v.constant);
}

static WM_CLONES void make_results(const struct wm_values *values, uint32_t first, int32_t *restrict out)
{
    const struct wm_values v = *values;
    if (v.form == WM_FORM_WEIGHTS)
        FOR_BLOCK(wm_value_weights_sum(&v, first + i));
    else if (v.form == WM_FORM_WINDOW)
        FOR_BLOCK(wm_value_window_sum(&v, first + i));
    else if (v.form == WM_FORM_POWERS)
        FOR_BLOCK(wm_value_powers_product(&v, first + i));
    else
        FOR_BLOCK(wm_value_base(&v, first + i));
}

/* --- small integers as elements: exact, by the choice of the values --- */

static WM_CLONES void to_int8(const int32_t *restrict in, uint8_t *restrict out)
{
    FOR_BLOCK((uint8_t)in[i]);
}

static WM_CLONES void to_int64(const int32_t *restrict in, int64_t *restrict out)
{
    FOR_BLOCK(in[i]);
}

static WM_CLONES void to_float(const int32_t *restrict in, float *restrict out)
{
    FOR_BLOCK((float)in[i]);
}

static WM_CLONES void to_double(const int32_t *restrict in, double *restrict out)
{
    FOR_BLOCK(in[i]);
}

static WM_CLONES void to_half(const int32_t *restrict in, uint16_t *restrict out)
{
    FOR_BLOCK(wm_half_of_small((float)in[i]));
}

static WM_CLONES void to_bfloat16(const int32_t *restrict in, uint16_t *restrict out)
{
    FOR_BLOCK((uint16_t)(wm_bits_of_float((float)in[i]) >> 16));
}

static void make_elements(const int32_t *in, enum wm_dtype type, union block *out)
{
    switch (type) {
    case WM_INT8:
        to_int8(in, out->int8);
        break;
    case WM_INT64:
        to_int64(in, out->int64);
        break;
    case WM_FLOAT:
        to_float(in, out->floats);
        break;
    case WM_DOUBLE:
        to_double(in, out->doubles);
        break;
    case WM_HALF:
        to_half(in, out->bits16);
        break;
    case WM_BFLOAT16:
        to_bfloat16(in, out->bits16);
        break;
    case WM_INT32:
    case WM_DTYPES:
        memcpy(out->small, in, sizeof(out->small));
        break;
    }
}

/* --- a stream of blocks --- */

struct stream {
    struct wm_values values;
    enum wm_pattern_kind kind;
    enum wm_dtype type;
    size_t unit_bytes; /* of what the index counts: words of moved data, else elements */
    uint64_t index;
};

static struct stream stream_open(struct wm_pattern p, enum wm_dtype type, uint64_t first)
{
    struct stream s = { .kind = p.kind, .type = type, .index = first };
    s.unit_bytes = p.kind == WM_MOVED ? sizeof(uint32_t) : wm_dtype_bytes(type);
    if (p.kind != WM_POISON)
        s.values = wm_values_of(p, type);
    return s;
}

/* The next at most `bytes_left` bytes in *out; returns how many. A block ends where the index's low half wraps. */
static size_t stream_next(struct stream *s, size_t bytes_left, union block *out)
{
    struct wm_values v = wm_values_at(s->values, (uint32_t)(s->index >> 32));
    uint32_t first = (uint32_t)s->index;
    int32_t small[BLOCK];
    uint64_t n = (UINT64_C(1) << 32) - first;
    n = n < BLOCK ? n : BLOCK;
    s->index += n;
    if (s->kind == WM_POISON) {
        memset(out, 0xa5, sizeof(*out));
    } else if (s->kind == WM_MOVED) {
        make_words(&v, first, out->word);
    } else {
        if (v.reduced)
            make_results(&v, first, small);
        else
            make_operands(&v, first, small);
        make_elements(small, s->type, out);
    }
    size_t bytes = (size_t)n * s->unit_bytes;
    return bytes < bytes_left ? bytes : bytes_left;
}

void wm_pattern_fill(void *to, size_t count, enum wm_dtype type, struct wm_pattern p, uint64_t first)
{
    struct stream s = stream_open(p, type, first);
    union block block;
    unsigned char *at = to;
    for (size_t left = count * wm_dtype_bytes(type), n; left > 0; left -= n, at += n) {
        n = stream_next(&s, left, &block);
        memcpy(at, &block, n);
    }
}

/* --- what is wrong --- */

/* Moved data are bits, whatever the type: in hexadecimal, the highest byte first. */
static void format_bits(char text[32], const unsigned char *at, size_t bytes)
{
    uint64_t bits = 0;
    for (size_t i = bytes; i-- > 0;)
        bits = bits << 8 | at[i];
    snprintf(text, 32, "0x%0*llx", (int)(2 * bytes), (unsigned long long)bits);
}

static void format_value(char text[32], const unsigned char *at, enum wm_dtype type)
{
    union {
        int8_t int8;
        int32_t int32;
        int64_t int64;
        float single;
        double twice;
        uint16_t bits16;
    } v = { .int64 = 0 };
    memcpy(&v, at, wm_dtype_bytes(type));
    switch (type) {
    case WM_INT8:
        snprintf(text, 32, "%d", v.int8);
        break;
    case WM_INT32:
        snprintf(text, 32, "%d", v.int32);
        break;
    case WM_INT64:
        snprintf(text, 32, "%lld", (long long)v.int64);
        break;
    case WM_DOUBLE:
        snprintf(text, 32, "%.17g", v.twice);
        break;
    case WM_FLOAT:
        snprintf(text, 32, "%.9g", (double)v.single);
        break;
    case WM_HALF:
        snprintf(text, 32, "%.9g", (double)wm_float_of_half(v.bits16));
        break;
    case WM_BFLOAT16:
    case WM_DTYPES:
        snprintf(text, 32, "%.9g", (double)wm_float_of_bfloat16(v.bits16));
        break;
    }
}

static void add_wrong(struct wm_wrong *wrong, const struct stream *s, const unsigned char *got,
                      const unsigned char *want, size_t element)
{
    if (wrong->elements++ > 0)
        return;
    wrong->first = element;
    if (s->kind == WM_MOVED || s->kind == WM_POISON) {
        format_bits(wrong->got, got, wm_dtype_bytes(s->type));
        format_bits(wrong->want, want, wm_dtype_bytes(s->type));
    } else {
        format_value(wrong->got, got, s->type);
        format_value(wrong->want, want, s->type);
    }
}

/* Of a block that differs: element by element. `element` is the index of its first one. */
static void walk(struct wm_wrong *wrong, const struct stream *s, const unsigned char *got, const union block *want,
                 size_t bytes, size_t element)
{
    size_t step = wm_dtype_bytes(s->type);
    for (size_t at = 0; at < bytes; at += step, element++)
        if (memcmp(got + at, (const unsigned char *)want + at, step) != 0)
            add_wrong(wrong, s, got + at, (const unsigned char *)want + at, element);
}

void wm_pattern_check(const void *data, size_t count, enum wm_dtype type, struct wm_pattern p, uint64_t first,
                      size_t first_element, struct wm_wrong *wrong)
{
    struct stream s = stream_open(p, type, first);
    union block want;
    size_t step = wm_dtype_bytes(type);
    const unsigned char *got = data;
    for (size_t at = 0, bytes = count * step, n; at < bytes; at += n) {
        n = stream_next(&s, bytes - at, &want);
        if (memcmp(got + at, &want, n) != 0)
            walk(wrong, &s, got + at, &want, n, first_element + at / step);
    }
}
