/**
 * The kernels of cuda_kernels.cu as they stand, on the host: CUDA's words mean nothing here, and the threads of a grid
 * run one after the other. What a processor of a GPU does with them it cannot show.
 */
#include <initializer_list>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __CUDACC__
#define __host__
#define __device__
#define __global__

static struct {
    unsigned x;
} blockIdx, threadIdx, blockDim, gridDim;

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

static void atomicAdd(unsigned long long *to, unsigned long long n)
{
    *to += n;
}

static void atomicMin(unsigned long long *to, unsigned long long n)
{
    *to = n < *to ? n : *to;
}

/* What the chase has loaded, vectors and single bytes apart, in its order. */
static struct {
    const void *vector[5000], *byte[16];
    size_t vectors, bytes;
} loaded;

static uint4 __ldcv(const uint4 *at)
{
    loaded.vector[loaded.vectors++] = at;
    return *at;
}

static unsigned char __ldcv(const unsigned char *at)
{
    loaded.byte[loaded.bytes++] = at;
    return *at;
}

extern "C" {
#include "src/mem/mem.h"
}
#include "src/mem/cuda_kernels.cu"
#include "tests/unit/check.h"

enum { BYTES = 1 << 14 };
alignas(64) static unsigned char x[BYTES], y[BYTES], want[BYTES];

template <class Kernel> static void on_grid(unsigned blocks, Kernel kernel)
{
    gridDim.x = blocks;
    blockDim.x = 32;
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++)
            kernel();
}

/* Exponents of the middle: no NaN, which may carry anything. */
static void shuffle(void)
{
    static uint32_t state = 1;
    for (int i = 0; i < BYTES; i++) {
        state = wm_pattern_mix(state, (uint32_t)i);
        x[i] = state & 0x3f;
        y[i] = state >> 8 & 0x3f;
    }
    memcpy(want, x, BYTES);
}

/* Whole vectors, what is left of them, and addresses on which no element lies; not a byte beside. */
static void reduces(enum wm_dtype type, enum wm_redop op)
{
    for (size_t to : { 0, 16, 8, 3 })
        for (size_t from : { 0, 8, 1 })
            for (size_t count : { 0, 1, 17, 1000 }) {
                const struct wm_cuda_reduction r = { x + to, y + from, count, type, op };
                shuffle();
                wm_reduce_host(want + to, y + from, count, type, op);
                on_grid(count % 2 ? 1 : 3, [&] { wm_cuda_reduce(r); });
                if (!CHECK(memcmp(x, want, BYTES) == 0))
                    printf("%s %s of %zu at %zu from %zu\n", wm_dtype_names[type], wm_redop_names[op], count, to, from);
            }
}

static struct wm_cuda_stretch stretch_of(struct wm_pattern p, enum wm_dtype type, size_t at, size_t count)
{
    struct wm_cuda_stretch s = {};
    s.elements.kind = p.kind;
    s.elements.type = type;
    s.elements.bytes = (uint32_t)wm_dtype_bytes(type);
    s.elements.first = 77;
    s.elements.values = wm_values_of(p, type);
    s.at = x + at;
    s.count = count;
    return s;
}

static void fills_and_checks(enum wm_pattern_kind kind, enum wm_dtype type)
{
    for (size_t at : { 0, 8, 3 })
        for (size_t count : { 0, 1, 1000 }) {
            const struct wm_pattern p = { kind, 9, 1, 3, 4, 6, (enum wm_redop)(at % 4) };
            struct wm_cuda_stretch s = stretch_of(p, type, at, count);
            struct wm_cuda_tally tally = { 0, ULLONG_MAX };
            s.tally = &tally;
            shuffle();
            wm_pattern_fill(want + at, count, type, p, 77);
            on_grid(2, [&] { wm_cuda_fill(s); });
            CHECK(memcmp(x, want, BYTES) == 0);
            on_grid(2, [&] { wm_cuda_check(s); });
            CHECK_INT(tally.wrong, 0);
            if (count < 100)
                continue;
            x[at + 99 * s.elements.bytes] ^= 1;
            x[at + 14 * s.elements.bytes - 1] ^= 0x80;
            on_grid(2, [&] { wm_cuda_check(s); });
            CHECK_INT(tally.wrong, 2);
            CHECK_INT(tally.first, 13);
        }
}

/* ---- the chase ---- */

static int compare(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return (x > y) - (x < y);
}

/* Each once: in order they are neighbours. */
static bool is_each_once(const unsigned char *from, size_t n)
{
    bool once = loaded.vectors == n;
    qsort(loaded.vector, loaded.vectors, sizeof(loaded.vector[0]), compare);
    for (size_t i = 0; once && i < n; i++)
        once = loaded.vector[i] == from + i * VECTOR;
    return once;
}

/* Steps within a line of 128 bytes or to one beside it, and steps as long as the one before. */
static size_t foreseen_steps(void)
{
    size_t foreseen = 0;
    long before = 0;
    for (size_t i = 1; i < loaded.vectors; i++) {
        const long step = (const char *)loaded.vector[i] - (const char *)loaded.vector[i - 1];
        foreseen += labs(step) <= 128 || step == before;
        before = step;
    }
    return foreseen;
}

static void chases(void)
{
    alignas(64) static unsigned char from[4096 * VECTOR + VECTOR], to[sizeof(from) + 64];
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (unsigned char)wm_pattern_mix((uint32_t)i, 5);
    for (size_t n : { 0, 1, 2, 3, 4, 5, 7, 8, 9, 1000, 4095, 4096 })
        for (size_t rest : { 0, 1, 7, 15 }) {
            const struct wm_cuda_move m = { to + 32, from, n * VECTOR + rest, 0 };
            bool right = true;
            memset(to, 0xa5, sizeof(to));
            memset(&loaded, 0, sizeof(loaded));
            on_grid(1, [&] { wm_cuda_chase(m); });
            for (size_t i = 0; i < sizeof(to); i++)
                right &= to[i] == (i >= 32 && i < 32 + m.bytes ? from[i - 32] : 0xa5);
            const bool scattered = n < 1000 || foreseen_steps() < n / 20;
            if (!(CHECK(right) & CHECK(scattered) & CHECK(is_each_once(from, n)) & CHECK_INT(loaded.bytes, rest)))
                printf("%zu vectors and %zu bytes\n", n, rest);
        }
}

/* `zero` stands for all bits here, and each vector holds one that leads astray: so each load shows the word before. */
static void each_waits_for_the_one_before(void)
{
    alignas(4096) static unsigned char from[256 * VECTOR], to[256 * VECTOR];
    const struct wm_cuda_move m = { to, from, 4 * VECTOR + 2, 128 * VECTOR };
    memset(&loaded, 0, sizeof(loaded));
    on_grid(1, [&] { wm_cuda_chase(m); });
    for (size_t i = 0; i < loaded.vectors; i++)
        CHECK((const unsigned char *)loaded.vector[i] < from + 4 * VECTOR);
    memset(from, 0xff, sizeof(from));
    memset(&loaded, 0, sizeof(loaded));
    on_grid(1, [&] { wm_cuda_chase(m); });
    CHECK_INT(loaded.vectors, 4);
    for (size_t i = 0; i < loaded.vectors; i++)
        CHECK(((const unsigned char *)loaded.vector[i] >= from + 128 * VECTOR) == (i > 0));
    CHECK(loaded.bytes == 2 && (const unsigned char *)loaded.byte[0] == from + 132 * VECTOR);
}

int main(void)
{
    for (int type = 0; type < WM_DTYPES; type++) {
        for (int op = 0; op < WM_REDOPS; op++)
            reduces((enum wm_dtype)type, (enum wm_redop)op);
        for (int kind = WM_MOVED; kind <= WM_POISON; kind++)
            fills_and_checks((enum wm_pattern_kind)kind, (enum wm_dtype)type);
    }
    chases();
    each_waits_for_the_one_before();
    return wm_tests_end();
}
