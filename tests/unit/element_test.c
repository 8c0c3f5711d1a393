/** What a device's kernels compute for each element, on the host: bit for bit what the host's own loops give. */
#include <math.h>
#include <stdlib.h>

#include "src/core/random.h"
#include "src/mem/element.h"
#include "src/mem/mem.h"
#include "tests/unit/check.h"

enum { COUNT = 5000 };

static uint64_t load(const unsigned char *at, size_t bytes)
{
    uint64_t bits = 0;
    for (size_t i = bytes; i-- > 0;)
        bits = bits << 8 | at[i];
    return bits;
}

/* --- pattern data --- */

static void one_pattern(struct wm_pattern p, enum wm_dtype type, uint64_t first)
{
    const struct wm_elements e = wm_elements_of(p, type, first);
    static unsigned char want[COUNT * 8];
    int wrong = 0;
    wm_pattern_fill(want, COUNT, type, p, first);
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t got = wm_element_bits(&e, i), right = load(want + i * e.bytes, e.bytes);
        if (got != right && wrong++ == 0)
            printf("kind %d %s op %s, %u ranks, element %llu of %llx: got 0x%llx, want 0x%llx\n", (int)p.kind,
                   wm_dtype_names[type], wm_redop_names[p.op], p.ranks, (unsigned long long)i,
                   (unsigned long long)first, (unsigned long long)got, (unsigned long long)right);
    }
    CHECK_INT(wrong, 0);
}

/* Also where the index passes 2^32, and with more ranks than a sum's weights serve. */
static void every_pattern(void)
{
    static const uint64_t firsts[] = { 0, 77, (UINT64_C(1) << 32) - 1001, (UINT64_C(5) << 32) + 3 };
    static const uint32_t ranks[] = { 1, 2, 3, 8, 200, 65536 };
    for (int kind = WM_MOVED; kind <= WM_POISON; kind++)
        for (int type = 0; type < WM_DTYPES; type++)
            for (int op = 0; op < WM_REDOPS; op++)
                for (size_t k = 0; k < sizeof(ranks) / sizeof(ranks[0]); k++) {
                    struct wm_pattern p = { (enum wm_pattern_kind)kind, 9, ranks[k] - 1, 3, 4, ranks[k],
                                            (enum wm_redop)op };
                    one_pattern(p, (enum wm_dtype)type, firsts[k % 4]);
                    one_pattern(p, (enum wm_dtype)type, firsts[(k + 2) % 4]);
                }
}

/* --- reductions --- */

static bool is_nan(uint64_t bits, enum wm_dtype type)
{
    switch (type) {
    case WM_FLOAT:
        return isnan(wm_float_of_bits((uint32_t)bits));
    case WM_DOUBLE:
        return isnan(wm_double_of_bits(bits));
    case WM_HALF:
        return (bits & 0x7fff) > 0x7c00;
    case WM_BFLOAT16:
        return (bits & 0x7fff) > 0x7f80;
    default:
        return false;
    }
}

/* Of x op y: what a NaN carries may differ, as it does between processors. */
static void one_reduction(unsigned char *x, unsigned char *y, enum wm_dtype type, enum wm_redop op)
{
    const size_t bytes = wm_dtype_bytes(type);
    static unsigned char before[COUNT * 8];
    int wrong = 0;
    memcpy(before, x, COUNT * bytes);
    wm_reduce_host(x, y, COUNT, type, op);
    for (size_t at = 0; at < COUNT * bytes; at += bytes) {
        uint64_t a = load(before + at, bytes), b = load(y + at, bytes), want = load(x + at, bytes);
        uint64_t got = wm_element_reduce(a, b, type, op);
        if (got != want && !(is_nan(got, type) && is_nan(want, type)) && wrong++ == 0)
            printf("%s %s of 0x%llx and 0x%llx: got 0x%llx, want 0x%llx\n", wm_dtype_names[type], wm_redop_names[op],
                   (unsigned long long)a, (unsigned long long)b, (unsigned long long)got, (unsigned long long)want);
    }
    CHECK_INT(wrong, 0);
}

/* Zeros, ones, the ends of the types, infinities, NaNs, subnormal numbers of each type, at both sides. */
static const uint64_t special[] = {
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x8000,
    0x3c00,
    0x7bff,
    0x7c00,
    0xfc00,
    0x7e01,
    0x03ff,
    0x3f80,
    0x7f80,
    0x7fc1,
    0x7f7f,
    0x007f,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x3f800000,
    0x7f800000,
    0xff800000,
    0x7fc00000,
    0x00000007,
    0x7f7fffff,
    UINT64_C(0x7fffffffffffffff),
    UINT64_C(0x8000000000000000),
    UINT64_C(0xffffffffffffffff),
    UINT64_C(0x3ff0000000000000),
    UINT64_C(0x7ff0000000000000),
    UINT64_C(0x7ff8000000000000),
    UINT64_C(0x7fefffffffffffff),
};
enum { SPECIALS = sizeof(special) / sizeof(special[0]) };

static void store(unsigned char *at, uint64_t bits, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(bits >> 8 * i);
}

static void every_reduction(void)
{
    static unsigned char x[COUNT * 8], y[COUNT * 8];
    struct wm_random random = { 11 };
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++) {
            const size_t bytes = wm_dtype_bytes((enum wm_dtype)type);
            for (size_t i = 0; i < sizeof(x); i++) {
                x[i] = (unsigned char)wm_random_next(&random);
                y[i] = (unsigned char)wm_random_next(&random);
            }
            for (size_t i = 0; i < SPECIALS * SPECIALS; i++) {
                store(x + i * bytes, special[i / SPECIALS], bytes);
                store(y + i * bytes, special[i % SPECIALS], bytes);
            }
            one_reduction(x, y, (enum wm_dtype)type, (enum wm_redop)op);
        }
}

int main(void)
{
    every_pattern();
    every_reduction();
    return wm_tests_end();
}
