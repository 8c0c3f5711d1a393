#include <stdlib.h>

#include "src/core/random.h"
#include "src/mem/half.h"
#include "src/mem/mem.h"
#include "src/mem/pattern_values.h"
#include "tests/unit/check.h"

static struct wm_wrong check(const void *data, size_t count, enum wm_dtype type, struct wm_pattern p, uint64_t first)
{
    struct wm_wrong wrong = { 0 };
    wm_pattern_check(data, count, type, p, first, 0, &wrong);
    return wrong;
}

/* --- moved data --- */

static const struct wm_pattern moved = { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 4, .round = 5 };

/* Any part of a stream, at any address and of any type, is that part; nothing beside it is written. */
static void parts_of_one_stream(void)
{
    enum { WORDS = 5000 };
    static const struct {
        size_t word, bytes;
    } parts[] = { { 0, 20000 }, { 0, 1 }, { 0, 3 }, { 1, 4096 }, { 3, 4099 }, { 1023, 8 }, { 1024, 4097 }, { 7, 0 } };
    unsigned char *whole = malloc(4 * WORDS), *part = malloc(4 * WORDS + 16);
    wm_pattern_fill(whole, WORDS, WM_FLOAT, moved, 100);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (size_t shift = 1; shift < 8; shift += 3) {
            size_t bytes = parts[i].bytes;
            memset(part, 0x11, 4 * WORDS + 16);
            wm_pattern_fill(part + shift, bytes, WM_INT8, moved, 100 + parts[i].word);
            CHECK(memcmp(part + shift, whole + 4 * parts[i].word, bytes) == 0);
            CHECK(part[shift - 1] == 0x11 && part[shift + bytes] == 0x11);
            CHECK_INT(check(part + shift, bytes, WM_INT8, moved, 100 + parts[i].word).elements, 0);
            if (bytes % 8 == 0)
                CHECK_INT(check(part + shift, bytes / 8, WM_DOUBLE, moved, 100 + parts[i].word).elements, 0);
        }
    }
    free(whole);
    free(part);
}

/* The bulk functions say what the formula of one word says, also where the index outgrows 32 bits. */
static void bulk_is_the_formula(void)
{
    static const uint64_t firsts[] = { 0, 0xfffffffd, 0xfffffc00, UINT64_C(0x1fffffffe), UINT64_C(1) << 40 };
    uint32_t words[2000];
    for (size_t k = 0; k < sizeof(firsts) / sizeof(firsts[0]); k++) {
        struct wm_values v = wm_values_of(moved, WM_INT32);
        int wrong = 0;
        wm_pattern_fill(words, 2000, WM_INT32, moved, firsts[k]);
        for (uint64_t i = 0; i < 2000; i++) {
            struct wm_values at = wm_values_at(v, (uint32_t)((firsts[k] + i) >> 32));
            wrong += words[i] != (uint32_t)wm_value(&at, (uint32_t)(firsts[k] + i));
        }
        CHECK_INT(wrong, 0);
        CHECK_INT(check(words, 2000, WM_INT32, moved, firsts[k]).elements, 0);
    }
}

/* Swapped, stale and shifted data: every word differs, and hardly a byte is equal by chance. */
static void other_streams_differ(void)
{
    enum { WORDS = 4096 };
    static const struct {
        const char *what;
        struct wm_pattern p;
        uint64_t first;
    } others[] = {
        { "seed", { .kind = WM_MOVED, .seed = 8, .rank = 3, .peer = 4, .round = 5 }, 0 },
        { "rank", { .kind = WM_MOVED, .seed = 9, .rank = 2, .peer = 4, .round = 5 }, 0 },
        { "peer", { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 5, .round = 5 }, 0 },
        { "swapped", { .kind = WM_MOVED, .seed = 9, .rank = 4, .peer = 3, .round = 5 }, 0 },
        { "stale", { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 4, .round = 4 }, 0 },
        { "shifted by a word", { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 4, .round = 5 }, 1 },
        { "shifted far", { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 4, .round = 5 }, 65536 },
        { "shifted by 16 GiB", { .kind = WM_MOVED, .seed = 9, .rank = 3, .peer = 4, .round = 5 }, UINT64_C(1) << 32 },
        { "never written", { .kind = WM_POISON }, 0 },
    };
    uint32_t words[WORDS];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        wm_pattern_fill(words, WORDS, WM_FLOAT, others[i].p, others[i].first);
        if (!CHECK_INT(check(words, WORDS, WM_FLOAT, moved, 0).elements, WORDS))
            printf("%s\n", others[i].what);
        size_t bytes = check(words, 4 * WORDS, WM_INT8, moved, 0).elements; /* 255 of 256 of them: 16320 +- 8 */
        CHECK(bytes > 4 * WORDS - 64 - 50 && bytes < 4 * WORDS - 64 + 50);
    }
}

static void counts_and_names_what_is_wrong(void)
{
    unsigned char data[20000];
    struct wm_wrong wrong = { 0 };
    wm_pattern_fill(data, sizeof(data), WM_INT8, moved, 0);
    uint16_t right;
    memcpy(&right, data + 9000, 2);
    data[9001] ^= 0x80;
    data[9002] ^= 1;
    data[19999] ^= 1;
    CHECK_INT(check(data, sizeof(data), WM_INT8, moved, 0).elements, 3);
    CHECK_INT(check(data, sizeof(data) / 8, WM_INT64, moved, 0).elements, 2);
    wm_pattern_check(data, sizeof(data) / 2, WM_HALF, moved, 0, 100, &wrong);
    CHECK_INT(wrong.elements, 3);
    CHECK_INT(wrong.first, 100 + 4500);
    char text[32];
    snprintf(text, sizeof(text), "0x%04x", (unsigned)right ^ 0x8000u);
    CHECK_TEXT(wrong.got, text);
    snprintf(text, sizeof(text), "0x%04x", right);
    CHECK_TEXT(wrong.want, text);
    /* later finds are counted; the first one stays */
    wm_pattern_check(data, sizeof(data) / 2, WM_HALF, moved, 0, 0, &wrong);
    CHECK_INT(wrong.elements, 6);
    CHECK_INT(wrong.first, 4600);
}

/* --- reduced data --- */

/* An element as a double, exactly: all values here are small. */
static double value(const void *data, size_t i, enum wm_dtype type)
{
    switch (type) {
    case WM_INT8:
        return ((const int8_t *)data)[i];
    case WM_INT32:
        return ((const int32_t *)data)[i];
    case WM_INT64:
        return (double)((const int64_t *)data)[i];
    case WM_FLOAT:
        return (double)((const float *)data)[i];
    case WM_DOUBLE:
        return ((const double *)data)[i];
    case WM_HALF:
        return (double)wm_float_of_half(((const uint16_t *)data)[i]);
    default:
        return (double)wm_float_of_bfloat16(((const uint16_t *)data)[i]);
    }
}

/* The result of really reducing: ranks in a random order, in a random tree. parts[k] holds rank k's operand and is
 * overwritten; the result stands in *out. */
static void *reduce_at_random(unsigned char **parts, int n, size_t count, enum wm_dtype type, enum wm_redop op,
                              struct wm_random *random)
{
    while (n > 1) {
        int a = (int)wm_random_below(random, (uint64_t)n), b = (int)wm_random_below(random, (uint64_t)n - 1);
        b += b >= a;
        wm_reduce_host(parts[a], parts[b], count, type, op);
        unsigned char *spent = parts[b];
        parts[b] = parts[n - 1];
        parts[n - 1] = spent;
        n--;
    }
    return parts[0];
}

static const struct wm_pattern operand = { .kind = WM_OPERAND, .seed = 11, .round = 2 };

static struct wm_pattern with(enum wm_pattern_kind kind, int rank, int ranks, enum wm_redop op)
{
    struct wm_pattern p = operand;
    p.kind = kind;
    p.rank = (uint32_t)rank;
    p.ranks = (uint32_t)ranks;
    p.op = op;
    return p;
}

static void fill_operands(unsigned char **parts, unsigned char *room, int ranks, size_t count, enum wm_dtype type,
                          enum wm_redop op)
{
    for (int r = 0; r < ranks; r++) {
        parts[r] = room + (size_t)r * count * wm_dtype_bytes(type);
        wm_pattern_fill(parts[r], count, type, with(WM_OPERAND, r, ranks, op), 77);
    }
}

/* Closed form = brute force, bit for bit. With a rank left out or one that stands in for another the result differs:
 * `least` of the elements for a rank left out, some element for any replaced one. */
static void one_reduction(enum wm_dtype type, enum wm_redop op, int ranks, size_t count, double least,
                          struct wm_random *random)
{
    size_t bytes = count * wm_dtype_bytes(type);
    unsigned char *room = malloc((size_t)ranks * bytes), **parts = malloc((size_t)ranks * sizeof(*parts));
    struct wm_pattern result = with(WM_REDUCED, 0, ranks, op);
    for (int tree = 0; tree < 2; tree++) {
        fill_operands(parts, room, ranks, count, type, op);
        void *got = reduce_at_random(parts, ranks, count, type, op, random);
        struct wm_wrong wrong = check(got, count, type, result, 77);
        if (!CHECK_INT(wrong.elements, 0))
            printf("%s %s %d ranks: element %zu: %s, want %s\n", wm_dtype_names[type], wm_redop_names[op], ranks,
                   wrong.first, wrong.got, wrong.want);
    }
    int lost = (int)wm_random_below(random, (uint64_t)ranks);
    if (ranks > 1) {
        fill_operands(parts, room, ranks, count, type, op);
        parts[lost] = parts[ranks - 1];
        void *got = reduce_at_random(parts, ranks - 1, count, type, op, random);
        double seen = (double)check(got, count, type, result, 77).elements / (double)count;
        if (!CHECK(seen >= least))
            printf("%s %s %d ranks: rank %d left out: seen at %.3f, want %.3f\n", wm_dtype_names[type],
                   wm_redop_names[op], ranks, lost, seen, least);
    }
    free(room);
    free(parts);
}

/* Elements at which the value of rank a differs from that of rank b. */
static double share_of_difference(enum wm_dtype type, enum wm_redop op, int ranks, int a, int b)
{
    enum { COUNT = 8192 };
    double data[COUNT];
    wm_pattern_fill(data, COUNT, type, with(WM_OPERAND, a, ranks, op), 0);
    return (double)check(data, COUNT, type, with(WM_OPERAND, b, ranks, op), 0).elements / COUNT;
}

/* At how many elements a rank left out must show, at the least. */
static double least_seen(enum wm_dtype type, enum wm_redop op, int ranks)
{
    double limit = wm_pattern_limit(type);
    if (op == WM_MIN || op == WM_MAX)
        return 0.5 / ranks; /* one rank alone holds the result; exactly 1 / ranks on average */
    if (op == WM_PROD)
        return 0.25; /* the sign, in half of them, and the few elements tried at many ranks scatter */
    if (8 * ranks <= limit)
        return 1;
    return 0.5 * (ranks < limit ? ranks : limit) / ranks; /* a window of at least half of the limit */
}

static void reductions(void)
{
    static const int ranks[] = { 1, 2, 3, 5, 8, 63, 64, 65, 127, 128, 300, 1025, 4096 };
    struct wm_random random = { 5 };
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++)
            for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
                int n = ranks[i];
                size_t count = n <= 8 ? 3000 : n <= 300 ? 400 : 60;
                enum wm_redop o = (enum wm_redop)op;
                /* Few elements of many ranks show nothing reliable for what shows at 1 / ranks of them. */
                double least = least_seen((enum wm_dtype)type, o, n);
                one_reduction((enum wm_dtype)type, o, n, count, least * (double)count < 10 ? 0 : least, &random);
            }
}

static void ranks_are_told_apart(void)
{
    static const struct {
        int ranks, a, b;
    } pairs[] = { { 2, 0, 1 },   { 3, 0, 2 },        { 8, 0, 3 },         { 8, 1, 7 },    { 64, 0, 32 },
                  { 300, 0, 3 }, { 4096, 17, 4000 }, { 65536, 0, 65535 }, { 65536, 4, 5 } };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int n = pairs[i].ranks, a = pairs[i].a, b = pairs[i].b, bits = 1;
        while ((n - 1) >> bits != 0)
            bits++;
        CHECK(share_of_difference(WM_FLOAT, WM_SUM, n, a, b) > 0.8 / bits);
        CHECK(share_of_difference(WM_INT8, WM_PROD, n, a, b) > 0.8 / bits);
        CHECK(share_of_difference(WM_INT64, WM_MIN, n, a, b) > 0.8 / n);
        CHECK(share_of_difference(WM_INT64, WM_MAX, n, a, b) > 0.8 / n);
    }
    CHECK(share_of_difference(WM_INT8, WM_SUM, 300, 0, 150) > 0.3);
}

/* Results vary with the element and with the round, so that shifted and stale results show. */
static void results_vary(void)
{
    enum { COUNT = 4096 };
    double data[COUNT];
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++)
            for (int ranks = 2; ranks <= 2048; ranks *= 4) {
                struct wm_pattern p = with(WM_REDUCED, 0, ranks, (enum wm_redop)op), stale = p;
                stale.round--;
                wm_pattern_fill(data, COUNT, (enum wm_dtype)type, p, 0);
                CHECK(check(data, COUNT, (enum wm_dtype)type, p, 1).elements > COUNT / 2);
                CHECK(check(data, COUNT, (enum wm_dtype)type, stale, 0).elements > COUNT / 2);
            }
}

/* No partial sum of any set of ranks leaves the integers that the type holds exactly, and the whole is the closed form,
 * up to the most ranks: all values have one sign, so the sum over all is the largest partial sum. */
static void sums_of_many_ranks_are_exact(void)
{
    enum { COUNT = 16 };
    static const int ranks[] = { 63, 64, 127, 128, 129, 1024, 1025, 2048, 2049, 65535, 65536 };
    for (int type = 0; type < WM_DTYPES; type++)
        for (size_t k = 0; k < sizeof(ranks) / sizeof(ranks[0]); k++) {
            double sums[COUNT] = { 0 }, data[COUNT];
            int wrong = 0;
            for (int r = 0; r < ranks[k]; r++) {
                struct wm_values v =
                    wm_values_at(wm_values_of(with(WM_OPERAND, r, ranks[k], WM_SUM), (enum wm_dtype)type), 0);
                for (uint32_t i = 0; i < COUNT; i++) {
                    wrong += wm_value(&v, i) < 0;
                    sums[i] += wm_value(&v, i);
                }
            }
            wm_pattern_fill(data, COUNT, (enum wm_dtype)type, with(WM_REDUCED, 0, ranks[k], WM_SUM), 0);
            for (size_t i = 0; i < COUNT; i++)
                wrong +=
                    sums[i] != value(data, i, (enum wm_dtype)type) || sums[i] > wm_pattern_limit((enum wm_dtype)type);
            CHECK_INT(wrong, 0);
        }
}

/* Products: the powers of two alone, then with signs, stay within the type at the most ranks. */
static void products_of_many_ranks_are_exact(void)
{
    enum { RANKS = 65536, COUNT = 64 };
    double products[COUNT], data[COUNT];
    int wrong = 0;
    for (int i = 0; i < COUNT; i++)
        products[i] = 1;
    for (int r = 0; r < RANKS; r++) {
        struct wm_values v = wm_values_at(wm_values_of(with(WM_OPERAND, r, RANKS, WM_PROD), WM_HALF), 0);
        for (uint32_t i = 0; i < COUNT; i++) {
            products[i] *= wm_value(&v, i);
            wrong += fabs(products[i]) > 32768;
        }
    }
    wm_pattern_fill(data, COUNT, WM_HALF, with(WM_REDUCED, 0, RANKS, WM_PROD), 0);
    for (size_t i = 0; i < COUNT; i++)
        wrong += products[i] != value(data, i, WM_HALF);
    CHECK_INT(wrong, 0);
}

/* Every result is a number of its type: as an element it is what the formula says in 32 bits. */
static void results_fit_their_types(void)
{
    enum { COUNT = 2000 };
    static double data[COUNT];
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++)
            for (int ranks = 1; ranks <= 65536; ranks *= 4) {
                struct wm_pattern p = with(WM_REDUCED, 0, ranks, (enum wm_redop)op);
                struct wm_values v = wm_values_at(wm_values_of(p, (enum wm_dtype)type), 0);
                int wrong = 0;
                wm_pattern_fill(data, COUNT, (enum wm_dtype)type, p, 0);
                for (uint32_t i = 0; i < COUNT; i++)
                    wrong += value(data, i, (enum wm_dtype)type) != wm_value(&v, i);
                CHECK_INT(wrong, 0);
            }
}

/* x op x = x, the same everywhere: an operation in place may run on it any number of times. */
static void identities(void)
{
    static const double want[WM_REDOPS] = { [WM_SUM] = 0, [WM_PROD] = 1, [WM_MIN] = 7, [WM_MAX] = 7 };
    for (int type = 0; type < WM_DTYPES; type++)
        for (int op = 0; op < WM_REDOPS; op++) {
            double a[100], b[100];
            struct wm_pattern p = with(WM_IDENTITY, 1, 0, (enum wm_redop)op);
            wm_pattern_fill(a, 100, (enum wm_dtype)type, p, 3);
            p.rank = 2;
            wm_pattern_fill(b, 100, (enum wm_dtype)type, p, 50);
            wm_reduce_host(a, b, 100, (enum wm_dtype)type, (enum wm_redop)op);
            CHECK_INT(check(a, 100, (enum wm_dtype)type, p, 0).elements, 0);
            CHECK_NEAR(value(a, 99, (enum wm_dtype)type), want[op], 0);
        }
}

static void values_are_printed_as_numbers(void)
{
    static const char *const want[WM_DTYPES] = { "-50", "-50", "-50", "-50", "-50", "-50", "-50" };
    for (int type = 0; type < WM_DTYPES; type++) {
        double data[64];
        struct wm_pattern p = with(WM_IDENTITY, 0, 2, WM_MIN);
        struct wm_wrong wrong = { 0 };
        union {
            int8_t int8;
            int32_t int32;
            int64_t int64;
            float single;
            double twice;
            uint16_t bits16;
        } x = { 0 };
        wm_pattern_fill(data, 64, (enum wm_dtype)type, p, 0);
        if (type == WM_INT8)
            x.int8 = -50;
        else if (type == WM_INT32)
            x.int32 = -50;
        else if (type == WM_INT64)
            x.int64 = -50;
        else if (type == WM_FLOAT)
            x.single = -50;
        else if (type == WM_DOUBLE)
            x.twice = -50;
        else
            x.bits16 = type == WM_HALF ? 0xd240 : 0xc248;
        memcpy((char *)data + 40 * wm_dtype_bytes((enum wm_dtype)type), &x, wm_dtype_bytes((enum wm_dtype)type));
        wm_pattern_check(data, 64, (enum wm_dtype)type, p, 0, 0, &wrong);
        CHECK_INT(wrong.elements, 1);
        CHECK_INT(wrong.first, 40);
        CHECK_TEXT(wrong.got, want[type]);
        CHECK_TEXT(wrong.want, "7");
    }
}

/* The bulk functions of reduced data, too, say what the formula of one element says. */
static void bulk_is_the_formula_of_values(void)
{
    int32_t data[1500];
    for (int kind = WM_OPERAND; kind <= WM_IDENTITY; kind++)
        for (int op = 0; op < WM_REDOPS; op++)
            for (int ranks = 1; ranks <= 65536; ranks *= 4) {
                struct wm_pattern p = with((enum wm_pattern_kind)kind, ranks / 2, ranks, (enum wm_redop)op);
                struct wm_values v = wm_values_at(wm_values_of(p, WM_INT32), 0);
                int wrong = 0;
                wm_pattern_fill(data, 1500, WM_INT32, p, 1000);
                for (uint32_t i = 0; i < 1500; i++)
                    wrong += data[i] != wm_value(&v, 1000 + i);
                CHECK_INT(wrong, 0);
            }
}

int main(void)
{
    parts_of_one_stream();
    bulk_is_the_formula();
    other_streams_differ();
    counts_and_names_what_is_wrong();
    reductions();
    ranks_are_told_apart();
    results_vary();
    sums_of_many_ranks_are_exact();
    products_of_many_ranks_are_exact();
    results_fit_their_types();
    identities();
    values_are_printed_as_numbers();
    bulk_is_the_formula_of_values();
    return wm_tests_end();
}
