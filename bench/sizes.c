/** Which sizes a row is measured at. */
#include "bench/making.h"

#include <stdlib.h>
#include <string.h>

#include "src/core/units.h"

static int compare_bytes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int listed_sizes(struct wm_maker *m)
{
    if (wm_given(m, "min-bytes") || wm_given(m, "max-bytes"))
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--bytes lists the sizes: leave out --min-bytes and --max-bytes");
    memcpy(m->bytes, m->conf->bytes.value, (size_t)m->conf->bytes.n * sizeof(*m->bytes));
    qsort(m->bytes, (size_t)m->conf->bytes.n, sizeof(*m->bytes), compare_bytes);
    m->n_bytes = m->conf->bytes.n;
    return WM_OK;
}

static int ranged_sizes(struct wm_maker *m, uint64_t low, uint64_t high)
{
    char a[WM_TEXT_BYTES], b[WM_TEXT_BYTES];
    if (low > high)
        return wm_fail(m->err, WM_EUSAGE, "", 0, "no size to measure: --min-bytes %s is above --max-bytes %s",
                       wm_format_bytes(a, low), wm_format_bytes(b, high));
    m->n_bytes = 0;
    for (uint64_t bytes = low; bytes <= high; bytes = bytes ? 2 * bytes : 1)
        m->bytes[m->n_bytes++] = bytes;
    return WM_OK;
}

/* A row's own largest size, halved until all that it may take of a GPU fits into a quarter of what is free there: two
 * messages for each peer, as they are verified, in and out. */
static uint64_t fitting(const struct wm_maker *m, const struct wm_benchmark *b)
{
    const uint64_t peers = b->shape == WM_GROUP && m->plan->ranks > 1 ? (uint64_t)m->plan->ranks - 1 : 1;
    uint64_t bytes = b->usual_max_bytes;
    while (m->request->free_bytes > 0 && bytes > b->usual_min_bytes && 4 * peers * bytes > m->request->free_bytes / 4)
        bytes /= 2;
    return bytes;
}

int wm_plan_sizes(struct wm_maker *m, const struct wm_benchmark *b)
{
    if (m->conf->bytes.n > 0)
        return listed_sizes(m);
    if (b->usual_max_bytes > 0 && !wm_given(m, "min-bytes") && !wm_given(m, "max-bytes"))
        return ranged_sizes(m, b->usual_min_bytes, fitting(m, b));
    return ranged_sizes(m, m->conf->min_bytes, m->conf->max_bytes);
}
