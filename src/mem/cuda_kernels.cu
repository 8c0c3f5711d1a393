/**
 * Kernels of GPU memory: loops over a grid of any size, and one of a single thread. What they compute for an element is
 * element.h's, which tests run on the host; here is only which thread takes which element and how it is loaded.
 */
#include "src/mem/cuda_kernels.h"

/* ---- Elements in memory ---- */

template <class T> static __device__ T load(const unsigned char *at)
{
    T x;
    if ((size_t)at % sizeof(T) == 0)
        return *(const T *)at;
    memcpy(&x, at, sizeof(x)); /* byte by byte */
    return x;
}

template <class T> static __device__ void store(unsigned char *at, T x)
{
    if ((size_t)at % sizeof(T) == 0)
        *(T *)at = x;
    else
        memcpy(at, &x, sizeof(x));
}

static __device__ uint64_t load_bits(const unsigned char *at, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        return *at;
    case 2:
        return load<uint16_t>(at);
    case 4:
        return load<uint32_t>(at);
    default:
        return load<uint64_t>(at);
    }
}

static __device__ void store_bits(unsigned char *at, uint64_t bits, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        *at = (unsigned char)bits;
        break;
    case 2:
        store<uint16_t>(at, (uint16_t)bits);
        break;
    case 4:
        store<uint32_t>(at, (uint32_t)bits);
        break;
    default:
        store<uint64_t>(at, bits);
        break;
    }
}

static __device__ uint64_t my_first(void)
{
    return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ uint64_t my_step(void)
{
    return (uint64_t)gridDim.x * blockDim.x;
}

/* ---- Fill and check: outside the clock ---- */

extern "C" __global__ void wm_cuda_fill(const struct wm_cuda_stretch s)
{
    for (uint64_t i = my_first(); i < s.count; i += my_step())
        store_bits(s.at + i * s.elements.bytes, wm_element_bits(&s.elements, i), s.elements.bytes);
}

extern "C" __global__ void wm_cuda_check(const struct wm_cuda_stretch s)
{
    unsigned long long wrong = 0, first = 0;
    for (uint64_t i = my_first(); i < s.count; i += my_step())
        if (load_bits(s.at + i * s.elements.bytes, s.elements.bytes) != wm_element_bits(&s.elements, i))
            first = wrong++ == 0 ? i : first;
    if (wrong > 0) {
        atomicAdd(&s.tally->wrong, wrong);
        atomicMin(&s.tally->first, first);
    }
}

/* ---- Reduction: part of what is timed, so whole vectors of 16 bytes where both sides lie on them ---- */

enum { VECTOR = 16 };

template <class T, enum wm_dtype TYPE, enum wm_redop OP>
static __device__ void reduce_one(unsigned char *to, const unsigned char *from)
{
    store<T>(to, (T)wm_element_reduce(load<T>(to), load<T>(from), TYPE, OP));
}

template <class T, enum wm_dtype TYPE, enum wm_redop OP>
static __device__ void reduce_vector(uint4 *to, const uint4 *from)
{
    union {
        uint4 all;
        T lane[VECTOR / sizeof(T)];
    } x, y;
    x.all = *to;
    y.all = *from;
#pragma unroll
    for (unsigned k = 0; k < VECTOR / sizeof(T); k++)
        x.lane[k] = (T)wm_element_reduce(x.lane[k], y.lane[k], TYPE, OP);
    *to = x.all;
}

template <class T, enum wm_dtype TYPE, enum wm_redop OP>
static __device__ void reduce(const struct wm_cuda_reduction &r)
{
    const bool whole = ((size_t)r.to | (size_t)r.from) % VECTOR == 0;
    const uint64_t vectors = whole ? r.count * sizeof(T) / VECTOR : 0;
    for (uint64_t i = my_first(); i < vectors; i += my_step())
        reduce_vector<T, TYPE, OP>((uint4 *)r.to + i, (const uint4 *)r.from + i);
    for (uint64_t i = vectors * (VECTOR / sizeof(T)) + my_first(); i < r.count; i += my_step())
        reduce_one<T, TYPE, OP>(r.to + i * sizeof(T), r.from + i * sizeof(T));
}

template <class T, enum wm_dtype TYPE> static __device__ void reduce_type(const struct wm_cuda_reduction &r)
{
    if (r.op == WM_SUM)
        reduce<T, TYPE, WM_SUM>(r);
    else if (r.op == WM_PROD)
        reduce<T, TYPE, WM_PROD>(r);
    else if (r.op == WM_MIN)
        reduce<T, TYPE, WM_MIN>(r);
    else
        reduce<T, TYPE, WM_MAX>(r);
}

extern "C" __global__ void wm_cuda_reduce(const struct wm_cuda_reduction r)
{
    switch (r.type) {
    case WM_INT8:
        reduce_type<uint8_t, WM_INT8>(r);
        break;
    case WM_INT32:
        reduce_type<uint32_t, WM_INT32>(r);
        break;
    case WM_INT64:
        reduce_type<uint64_t, WM_INT64>(r);
        break;
    case WM_FLOAT:
        reduce_type<uint32_t, WM_FLOAT>(r);
        break;
    case WM_DOUBLE:
        reduce_type<uint64_t, WM_DOUBLE>(r);
        break;
    case WM_HALF:
        reduce_type<uint16_t, WM_HALF>(r);
        break;
    case WM_BFLOAT16:
        reduce_type<uint16_t, WM_BFLOAT16>(r);
        break;
    case WM_DTYPES:
        break;
    }
}

/* ---- Copy: whole vectors of 16 bytes where both sides lie on them, four on their way at once ---- */

enum { UNROLL = 4 };

extern "C" __global__ void wm_cuda_move(const struct wm_cuda_move m)
{
    const bool whole = ((size_t)m.to | (size_t)m.from) % VECTOR == 0;
    const uint64_t vectors = whole ? m.bytes / VECTOR : 0, step = my_step();
    uint4 *to = (uint4 *)m.to;
    const uint4 *from = (const uint4 *)m.from;
    uint64_t i = my_first();
    for (; i + (UNROLL - 1) * step < vectors; i += UNROLL * step) {
        uint4 x[UNROLL];
#pragma unroll
        for (int k = 0; k < UNROLL; k++)
            x[k] = from[i + k * step];
#pragma unroll
        for (int k = 0; k < UNROLL; k++)
            to[i + k * step] = x[k];
    }
    for (; i < vectors; i += step)
        to[i] = from[i];
    for (i = vectors * VECTOR + my_first(); i < m.bytes; i += step)
        m.to[i] = m.from[i];
}

/* ---- Chase: one thread, one load at a time. What is timed is how long each takes to come back ---- */

/* The number after `at` in an order that has each one below n once, from 0 on: a full period modulo a power of two of n
 * or more (Hull & Dobell 1962; Knuth's factors of MMIX, of which the low bits count), without what is not below n. */
static __device__ uint64_t walk(uint64_t at, uint64_t n, uint64_t ones)
{
    do
        at = (at * 6364136223846793005u + 1442695040888963407u) & ones;
    while (at >= n);
    return at;
}

/* That power less one. */
static __device__ uint64_t all_ones_below(uint64_t n)
{
    uint64_t ones = 0;
    while (ones + 1 < n)
        ones = 2 * ones + 1;
    return ones;
}

/* Past the first cache, which would hide peers' and the host's memory; `value` is 0, but first it has to be there. */
template <class T> static __device__ T load_after(const T *at, unsigned value)
{
    return __ldcv((const T *)((size_t)at | value));
}

/* Less than a vector: its loads go out together, as one. */
static __device__ void chase_rest(unsigned char *to, const unsigned char *from, unsigned bytes, unsigned value)
{
    unsigned char x[VECTOR];
#pragma unroll
    for (unsigned i = 0; i < VECTOR; i++)
        x[i] = i < bytes ? load_after(from + i, value) : 0;
#pragma unroll
    for (unsigned i = 0; i < VECTOR; i++)
        if (i < bytes)
            to[i] = x[i];
}

struct chase {
    const uint4 *from;
    uint4 *to;
    uint64_t n, ones, at, next;
    unsigned zero;
};

/* Its address needs one bit operation on a word of the last. That one is stored, and the next place is found, while it
 * is on its way. */
static __device__ void chase_one(struct chase *c, uint4 *x, const uint4 *last)
{
    *x = load_after(c->from + c->next, last->x & c->zero);
    c->to[c->at] = *last;
    c->at = c->next;
    c->next = walk(c->next, c->n, c->ones);
}

/* @return the last that came; n > 0 */
static __device__ uint4 chase_all(struct chase *c)
{
    uint4 x = load_after(c->from, 0), y;
    uint64_t k = 1;
    c->next = walk(0, c->n, c->ones);
    for (; k + 1 < c->n; k += 2) { /* in turn: to move what came from one place to another would mean to wait for it */
        chase_one(c, &y, &x);
        chase_one(c, &x, &y);
    }
    if (k < c->n) {
        chase_one(c, &y, &x);
        x = y;
    }
    c->to[c->at] = x;
    return x;
}

extern "C" __global__ void wm_cuda_chase(const struct wm_cuda_move m)
{
    const uint64_t n = m.bytes / VECTOR;
    struct chase c = { (const uint4 *)m.from, (uint4 *)m.to, n, all_ones_below(n), 0, 0, m.zero };
    uint4 x = {};
    if (my_first() != 0)
        return;
    if (n > 0)
        x = chase_all(&c);
    chase_rest(m.to + n * VECTOR, m.from + n * VECTOR, m.bytes % VECTOR, x.x & m.zero);
}
