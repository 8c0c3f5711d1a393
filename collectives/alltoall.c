/** alltoall and alltoallv: the same operation with equal and with skewed parts. */
#include <stdlib.h>

#include "collectives/collectives.h"
#include "collectives/exchange.h"

static int native(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    wm_need_buffers(at, at->bytes, at->bytes, out);
    return wm_build_native(at, WM_COLL_ALLTOALL, wm_block_count(at), out);
}

static int native_skewed(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const size_t n = (size_t)at->ranks, element_bytes = wm_dtype_bytes(at->type);
    const struct wm_coll coll = { .kind = WM_COLL_ALLTOALLV, .in_place = at->in_place };
    size_t *counts = malloc(2 * n * sizeof(*counts));
    struct wm_exchange x;
    int rc = wm_exchange_open(at, true, &x);

    if (rc != WM_OK || counts == NULL) {
        rc = wm_no_memory(err, at->ranks);
        goto out;
    }
    wm_need_buffers(at, at->bytes, at->bytes, out);
    for (int k = 0; k < at->ranks; k++) {
        counts[k] = wm_exchange_sent(&x, at->rank, k).bytes / element_bytes;
        counts[n + (size_t)k] = wm_exchange_received(&x, at->rank, k).bytes / element_bytes;
    }
    wm_add_coll(out, &coll, counts, at->ranks);
out:
    wm_exchange_close(&x);
    free(counts);
    return rc;
}

typedef int build_fn(const struct wm_exchange *x, struct wm_schedule *out, struct wm_err *err);

static int compose(const struct wm_point *at, bool skewed, build_fn *build, struct wm_schedule *out, struct wm_err *err)
{
    struct wm_exchange x;
    if (wm_exchange_open(at, skewed, &x) != WM_OK)
        return wm_no_memory(err, at->ranks);
    int rc = build(&x, out, err);
    wm_exchange_close(&x);
    return rc;
}

static int pairwise(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    return compose(at, false, wm_build_pairwise, out, err);
}

static int bruck(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    return compose(at, false, wm_build_bruck, out, err);
}

static int pairwise_skewed(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    return compose(at, true, wm_build_pairwise, out, err);
}

static int bruck_skewed(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    return compose(at, true, wm_build_bruck, out, err);
}

static void fill(const struct wm_point *at, struct wm_spans *out)
{
    wm_exchange_fill(at, false, out);
}

static void expect(const struct wm_point *at, struct wm_spans *out)
{
    wm_exchange_expect(at, false, out);
}

static void fill_skewed(const struct wm_point *at, struct wm_spans *out)
{
    wm_exchange_fill(at, true, out);
}

static void expect_skewed(const struct wm_point *at, struct wm_spans *out)
{
    wm_exchange_expect(at, true, out);
}

static const struct wm_algorithm equal_parts[] = {
    { "native", native },
    { "pairwise", pairwise },
    { "bruck", bruck },
    { NULL, NULL },
};

static const struct wm_algorithm skewed_parts[] = {
    { "native", native_skewed },
    { "pairwise", pairwise_skewed },
    { "bruck", bruck_skewed },
    { NULL, NULL },
};

const struct wm_benchmark wm_benchmark_alltoall = {
    .name = "alltoall",
    .summary = "a block from every rank to every rank",
    .bytes_are = "the blocks of one rank for all ranks",
    .shape = WM_GROUP,
    .bytes_rule = WM_BYTES_PER_RANK,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .can_in_place = true,
    .algorithms = equal_parts,
    .has_bandwidth = true,
    .bus_factor = wm_exchange_bus_factor,
    .fill = fill,
    .expect = expect,
};

const struct wm_benchmark wm_benchmark_alltoallv = {
    .name = "alltoallv",
    .summary = "a part from every rank to every rank, of sizes skewed by the seed up to twice the mean",
    .bytes_are = "the parts of one rank for all ranks",
    .shape = WM_GROUP,
    .uneven = true,
    .bytes_rule = WM_BYTES_PER_RANK,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .can_in_place = true,
    .algorithms = skewed_parts,
    .has_bandwidth = true,
    .bus_factor = wm_exchange_bus_factor,
    .fill = fill_skewed,
    .expect = expect_skewed,
};
