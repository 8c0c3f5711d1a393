#include "bench/benchmark.h"

#include <stdlib.h>
#include <string.h>

void wm_spans_add(struct wm_spans *s, struct wm_span span)
{
    if (span.bytes == 0)
        return;
    if (s->n == s->cap) {
        int cap = s->cap > 0 ? 2 * s->cap : 16;
        struct wm_span *more = realloc(s->span, (size_t)cap * sizeof(*more));
        if (more == NULL) {
            s->failed = true;
            return;
        }
        s->span = more;
        s->cap = cap;
    }
    s->span[s->n++] = span;
}

void wm_spans_free(struct wm_spans *s)
{
    free(s->span);
    *s = (struct wm_spans){ 0 };
}

size_t wm_benchmark_bytes(const struct wm_benchmark *b, size_t bytes, enum wm_dtype type, int ranks)
{
    size_t unit = wm_dtype_bytes(type);

    switch (b->bytes_rule) {
    case WM_BYTES_NONE:
        return 0;
    case WM_BYTES_PER_RANK:
        unit *= (size_t)ranks;
        break;
    case WM_BYTES_WHOLE:
        break;
    }
    return bytes - bytes % unit;
}

int wm_benchmark_algorithms(const struct wm_benchmark *b)
{
    int n = 0;
    while (b->algorithms[n].name != NULL)
        n++;
    return n;
}

const struct wm_algorithm *wm_benchmark_algorithm(const struct wm_benchmark *b, const char *name)
{
    const struct wm_algorithm *a = b->algorithms;
    while (a->name != NULL && strcmp(a->name, name) != 0)
        a++;
    return a->name != NULL ? a : NULL;
}
