#include <math.h>
#include <stdlib.h>

#include "src/core/random.h"
#include "src/mem/half.h"
#include "src/mem/mem.h"
#include "tests/unit/check.h"

/* --- an independent reading of the formats: by value, in double --- */

/* sign, exponent bits, mantissa bits: value of a small floating-point number. */
static double value_of(uint16_t bits, int mantissa_bits, int bias)
{
    int exponent = (bits & 0x7fff) >> mantissa_bits, top = 0x7fff >> mantissa_bits;
    int mantissa = bits & ((1 << mantissa_bits) - 1);
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == top)
        return mantissa == 0 ? sign * INFINITY : NAN;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

/* To the nearest, ties to even, of a value that is not NaN: rint() in units of the last place. */
static uint16_t round_to(double x, int mantissa_bits, int bias)
{
    int exponent, top = 0x7fff >> mantissa_bits;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double size = fabs(x);
    if (isinf(x))
        return (uint16_t)(sign | top << mantissa_bits);
    frexp(size, &exponent);
    exponent = size == 0 || exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    long units = (long)rint(ldexp(size, mantissa_bits - exponent)); /* may carry into the next exponent: bits go on */
    long bits = ((long)(exponent + bias - 1) << mantissa_bits) + units;
    return (uint16_t)(sign | (bits < (long)top << mantissa_bits ? bits : (long)top << mantissa_bits));
}

static uint16_t half_of(double x)
{
    return round_to(x, 10, 15);
}

static uint16_t bfloat16_of(double x)
{
    return round_to(x, 7, 127);
}

static double half_value(uint16_t h)
{
    return value_of(h, 10, 15);
}

static double bfloat16_value(uint16_t b)
{
    return value_of(b, 7, 127);
}

/* --- conversions --- */

static void every_half(void)
{
    int wrong = 0;
    for (int i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        double want = half_value(h), want_b = bfloat16_value(h);
        float got = wm_float_of_half(h), got_b = wm_float_of_bfloat16(h);
        bool ok = isnan(want) ? isnan(got) && !!signbit(got) == h >> 15 : got == (float)want;
        ok = ok && (isnan(want_b) ? isnan(got_b) : got_b == (float)want_b && !signbit(got_b) == !signbit(want_b));
        /* back again: the same bits, but a NaN becomes a quiet one */
        uint16_t back = wm_half_of_float(got), back_b = wm_bfloat16_of_float(got_b);
        ok = ok && back == (isnan(want) ? h | 0x200 : h) && back_b == (isnan(want_b) ? h | 0x40 : h);
        if (!ok && wrong++ == 0)
            printf("0x%04x: half %g, want %g, back 0x%04x; bfloat16 %g, want %g, back 0x%04x\n", (unsigned)h,
                   (double)got, want, back, (double)got_b, want_b, back_b);
    }
    CHECK_INT(wrong, 0);
}

/* At, just below and just above the middle between every two neighbours, and random floats. */
static void rounding(void)
{
    int wrong = 0;
    for (int i = 0; i < 0x7c00; i++) {
        float middle =
            (float)((half_value((uint16_t)i) + (i + 1 < 0x7c00 ? half_value((uint16_t)(i + 1)) : 65536)) / 2);
        float near[] = { middle, nextafterf(middle, 0), nextafterf(middle, INFINITY), -middle };
        for (int k = 0; k < 4; k++)
            wrong += wm_half_of_float(near[k]) != half_of((double)near[k]);
    }
    CHECK_INT(wrong, 0);
    wrong = 0;
    for (int i = 0; i < 0x7f80; i++) {
        double next = i + 1 < 0x7f80 ? bfloat16_value((uint16_t)(i + 1)) : 0x1p128;
        float middle = (float)((bfloat16_value((uint16_t)i) + next) / 2);
        float near[] = { middle, nextafterf(middle, 0), nextafterf(middle, INFINITY), -middle };
        for (int k = 0; k < 4; k++)
            wrong += wm_bfloat16_of_float(near[k]) != bfloat16_of((double)near[k]);
    }
    CHECK_INT(wrong, 0);
    wrong = 0;
    struct wm_random random = { 1 };
    for (int i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)wm_random_next(&random);
        float x = wm_float_of_bits(bits);
        if (isnan(x))
            wrong += (wm_half_of_float(x) & 0x7e00) != 0x7e00 || (wm_bfloat16_of_float(x) & 0x7fc0) != 0x7fc0;
        else
            wrong += wm_half_of_float(x) != half_of((double)x) || wm_bfloat16_of_float(x) != bfloat16_of((double)x);
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(wm_half_of_small(0), 0);
    CHECK_INT(wm_half_of_small(-32768), 0xf800);
    CHECK_INT(wm_half_of_small(2047), half_of(2047));
}

/* --- reductions --- */

union number {
    uint64_t bits;
    int8_t int8;
    int32_t int32;
    int64_t int64;
    float single;
    double twice;
    uint16_t bits16;
};

static double combine(double x, double y, enum wm_redop op)
{
    if (op == WM_SUM)
        return x + y;
    if (op == WM_PROD)
        return x * y;
    if (isnan(x) || isnan(y))
        return NAN;
    return (op == WM_MIN ? y < x : y > x) ? y : x;
}

static int64_t combine_int(int64_t x, int64_t y, enum wm_redop op)
{
    if (op == WM_SUM)
        return (int64_t)((uint64_t)x + (uint64_t)y);
    if (op == WM_PROD)
        return (int64_t)((uint64_t)x * (uint64_t)y);
    return op == WM_MIN ? (x < y ? x : y) : (x > y ? x : y);
}

static union number want_of(union number x, union number y, enum wm_dtype type, enum wm_redop op)
{
    union number r = { .bits = 0 };
    switch (type) {
    case WM_INT8:
        r.int8 = (int8_t)(uint8_t)combine_int(x.int8, y.int8, op);
        break;
    case WM_INT32:
        r.int32 = (int32_t)(uint32_t)combine_int(x.int32, y.int32, op);
        break;
    case WM_INT64:
        r.int64 = combine_int(x.int64, y.int64, op);
        break;
    case WM_FLOAT: /* double is wide enough for one operation on floats, then rounded once */
        r.single = (float)combine((double)x.single, (double)y.single, op);
        break;
    case WM_DOUBLE:
        r.twice = combine(x.twice, y.twice, op);
        break;
    case WM_HALF:
        r.bits16 = half_of(combine(half_value(x.bits16), half_value(y.bits16), op));
        break;
    default: /* by way of float, as bfloat16 units do: products under 2^-126 are rounded there first */
        r.bits16 = bfloat16_of((double)(float)combine(bfloat16_value(x.bits16), bfloat16_value(y.bits16), op));
        break;
    }
    return r;
}

static bool is_nan(union number x, enum wm_dtype type)
{
    switch (type) {
    case WM_FLOAT:
        return isnan(x.single);
    case WM_DOUBLE:
        return isnan(x.twice);
    case WM_HALF:
        return isnan(half_value(x.bits16));
    case WM_BFLOAT16:
        return isnan(bfloat16_value(x.bits16));
    default:
        return false;
    }
}

static union number load(const unsigned char *at, size_t bytes)
{
    union number x = { .bits = 0 };
    memcpy(&x, at, bytes);
    return x;
}

/* `count` random elements of all bits at odd addresses, a quarter of them equal: bit for bit, and not one byte more. */
static void one_case(enum wm_dtype type, enum wm_redop op, size_t count, struct wm_random *random)
{
    size_t bytes = wm_dtype_bytes(type), all = count * bytes;
    unsigned char *room = malloc(4 * all + 16), *to = room + 1, *from = to + all + 3, *before = from + all + 3;
    int wrong = 0;
    for (size_t i = 0; i < 4 * all + 16; i++)
        room[i] = (unsigned char)wm_random_next(random);
    if (op != WM_PROD) /* equal exponents, or sums of random floats are mostly one of the two */
        memcpy(from, to, all / 4);
    memcpy(before, to, all);
    unsigned char edge[2] = { to[-1], to[all] };
    wm_reduce_host(to, from, count, type, op);
    for (size_t i = 0; i < count; i++) {
        union number x = load(before + i * bytes, bytes), y = load(from + i * bytes, bytes);
        union number got = load(to + i * bytes, bytes), want = { .bits = 0 };
        bool either = is_nan(x, type) || is_nan(y, type);
        if (!either)
            want = want_of(x, y, type, op);
        bool ok = either || is_nan(want, type) ? is_nan(got, type) : got.bits == want.bits;
        if (!ok && op >= WM_MIN && op <= WM_MAX && !either) /* +0 and -0 are equal: either is right */
            ok = got.bits == x.bits || got.bits == y.bits ? (want.bits & ~got.bits) << 1 == 0 : false;
        if (!ok && wrong++ == 0)
            printf("%s %s element %zu: 0x%llx, want 0x%llx\n", wm_dtype_names[type], wm_redop_names[op], i,
                   (unsigned long long)got.bits, (unsigned long long)want.bits);
    }
    CHECK_INT(wrong, 0);
    CHECK(edge[0] == to[-1] && edge[1] == to[all]);
    free(room);
}

static void all_types_and_operators(void)
{
    static const size_t counts[] = { 0, 1, 7, 8, 9, 127, 128, 129, 1000, 5003 };
    struct wm_random random = { 7 };
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++)
            for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                one_case((enum wm_dtype)type, (enum wm_redop)op, counts[i], &random);
}

/* The processor's conversions and the portable ones agree bit for bit, but for what a NaN carries. */
static void both_ways_of_halves(void)
{
    enum { COUNT = 4099 };
    struct wm_random random = { 3 };
    int differ = 0;
    for (int op = 0; op < WM_REDOPS; op++) {
        uint16_t y[COUNT], a[COUNT], b[COUNT];
        for (int i = 0; i < COUNT; i++) {
            a[i] = b[i] = (uint16_t)wm_random_next(&random);
            y[i] = (uint16_t)wm_random_next(&random);
        }
        if (!wm_reduce_half_f16c(a, y, COUNT, (enum wm_redop)op)) {
            wm_skipped++;
            return;
        }
        wm_reduce_half_portable(b, y, COUNT, (enum wm_redop)op);
        for (int i = 0; i < COUNT; i++)
            differ += a[i] != b[i] && !(isnan(half_value(a[i])) && isnan(half_value(b[i])));
    }
    CHECK_INT(differ, 0);
}

int main(void)
{
    every_half();
    rounding();
    all_types_and_operators();
    both_ways_of_halves();
    return wm_tests_end();
}
