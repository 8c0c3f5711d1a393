#include <stdint.h>

#include "src/core/compiler.h"
#include "src/mem/element.h"
#include "src/mem/mem.h"

/* Elements anywhere in memory, of whatever type they were stored as. */
#define ANYWHERE __attribute__((aligned(1), may_alias))
typedef uint8_t any_int8 ANYWHERE;
typedef uint32_t any_int32 ANYWHERE;
typedef uint64_t any_int64 ANYWHERE;
typedef float any_float ANYWHERE;
typedef double any_double ANYWHERE;
typedef uint16_t any_bits16 ANYWHERE;

/* Inner loops have a fixed length, which -O2 vectorises too. */
enum { CHUNK = 128 };
#define EACH(expression)                                                                                               \
    do {                                                                                                               \
        for (; n >= CHUNK; n -= CHUNK, x += CHUNK, y += CHUNK)                                                         \
            for (int i = 0; i < CHUNK; i++)                                                                            \
                x[i] = (expression);                                                                                   \
        for (size_t i = 0; i < n; i++)                                                                                 \
            x[i] = (expression);                                                                                       \
    } while (0)

/* Sums and products of integers in unsigned arithmetic: they wrap, as the libraries' do, instead of being undefined. */
static WM_CLONES void reduce_int8(any_int8 *restrict x, const any_int8 *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH((uint8_t)(x[i] + y[i]));
    else if (op == WM_PROD)
        EACH((uint8_t)(x[i] * y[i]));
    else if (op == WM_MIN)
        EACH((int8_t)y[i] < (int8_t)x[i] ? y[i] : x[i]);
    else
        EACH((int8_t)y[i] > (int8_t)x[i] ? y[i] : x[i]);
}

static WM_CLONES void reduce_int32(any_int32 *restrict x, const any_int32 *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(x[i] + y[i]);
    else if (op == WM_PROD)
        EACH(x[i] * y[i]);
    else if (op == WM_MIN)
        EACH((int32_t)y[i] < (int32_t)x[i] ? y[i] : x[i]);
    else
        EACH((int32_t)y[i] > (int32_t)x[i] ? y[i] : x[i]);
}

static WM_CLONES void reduce_int64(any_int64 *restrict x, const any_int64 *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(x[i] + y[i]);
    else if (op == WM_PROD)
        EACH(x[i] * y[i]);
    else if (op == WM_MIN)
        EACH((int64_t)y[i] < (int64_t)x[i] ? y[i] : x[i]);
    else
        EACH((int64_t)y[i] > (int64_t)x[i] ? y[i] : x[i]);
}

static WM_CLONES void reduce_float(any_float *restrict x, const any_float *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(x[i] + y[i]);
    else if (op == WM_PROD)
        EACH(x[i] * y[i]);
    else if (op == WM_MIN)
        EACH(wm_lower(x[i], y[i]));
    else
        EACH(wm_higher(x[i], y[i]));
}

static WM_CLONES void reduce_double(any_double *restrict x, const any_double *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(x[i] + y[i]);
    else if (op == WM_PROD)
        EACH(x[i] * y[i]);
    else if (op == WM_MIN)
        EACH(((y[i] < x[i]) | (y[i] != y[i])) ? y[i] : x[i]);
    else
        EACH(((y[i] > x[i]) | (y[i] != y[i])) ? y[i] : x[i]);
}

/* In float and rounded once more: as if rounded once, since 24 bits are at least 2 * 11 + 2 (Figueroa 1995). */
#define HALF(operation)     wm_half_of_float(operation(wm_float_of_half(x[i]), wm_float_of_half(y[i])))
#define BFLOAT16(operation) wm_bfloat16_of_float(operation(wm_float_of_bfloat16(x[i]), wm_float_of_bfloat16(y[i])))

static inline float add(float x, float y)
{
    return x + y;
}

static inline float multiply(float x, float y)
{
    return x * y;
}

static WM_CLONES void reduce_half(any_bits16 *restrict x, const any_bits16 *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(HALF(add));
    else if (op == WM_PROD)
        EACH(HALF(multiply));
    else if (op == WM_MIN)
        EACH(HALF(wm_lower));
    else
        EACH(HALF(wm_higher));
}

void wm_reduce_half_portable(void *to, const void *from, size_t count, enum wm_redop op)
{
    reduce_half(to, from, count, op);
}

static WM_CLONES void reduce_bfloat16(any_bits16 *restrict x, const any_bits16 *restrict y, size_t n, enum wm_redop op)
{
    if (op == WM_SUM)
        EACH(BFLOAT16(add));
    else if (op == WM_PROD)
        EACH(BFLOAT16(multiply));
    else if (op == WM_MIN)
        EACH(BFLOAT16(wm_lower));
    else
        EACH(BFLOAT16(wm_higher));
}

void wm_reduce_host(void *to, const void *from, size_t count, enum wm_dtype type, enum wm_redop op)
{
    switch (type) {
    case WM_INT8:
        reduce_int8(to, from, count, op);
        break;
    case WM_INT32:
        reduce_int32(to, from, count, op);
        break;
    case WM_INT64:
        reduce_int64(to, from, count, op);
        break;
    case WM_FLOAT:
        reduce_float(to, from, count, op);
        break;
    case WM_DOUBLE:
        reduce_double(to, from, count, op);
        break;
    case WM_HALF:
        if (!wm_reduce_half_f16c(to, from, count, op))
            wm_reduce_half_portable(to, from, count, op);
        break;
    case WM_BFLOAT16:
        reduce_bfloat16(to, from, count, op);
        break;
    case WM_DTYPES:
        break;
    }
}
