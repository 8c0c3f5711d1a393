/** Filling buffers before, and checking every element after, by the row's spans. Outside the clock. */
#ifndef WM_BENCH_VERIFY_H
#define WM_BENCH_VERIFY_H

#include "bench/benchmark.h"
#include "src/mem/mem.h"

/**
 * Poisons what the schedule touches of all areas but IN, then fills what must stand before.
 * @param at  byte offset in IN and OUT
 */
int wm_verify_fill(const struct wm_benchmark *bench, const struct wm_point *point, const struct wm_schedule *touched,
                   struct wm_buf *const buf[WM_AREAS], size_t at, struct wm_err *err);

struct wm_verified {
    uint64_t checked_bytes, wrong_elements;
};

/**
 * Checks what must stand there after; adds to `out`. Wrong data is WM_EDATA: err names the first wrong element, what
 * was got and wanted, and from which rank it should have come.
 * @param ranks  of the run, by the patterns' ranks; NULL: the same
 */
int wm_verify_check(const struct wm_benchmark *bench, const struct wm_point *point, struct wm_buf *const buf[WM_AREAS],
                    size_t at, const int *ranks, struct wm_verified *out, struct wm_err *err);

#endif
