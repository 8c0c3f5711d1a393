/**
 * Cells as columns, the way a page carries them: rounded numbers, each distinct text once. The columns are those of
 * wm_fields, without raw samples.
 */
#ifndef WM_REPORTS_PAGE_COLUMNS_H
#define WM_REPORTS_PAGE_COLUMNS_H

#include "reports/page_buffer.h"
#include "src/result/result.h"

struct wm_page_columns;

/* What a page of very many cells leaves out, to stay a file that a browser opens at once. */
struct wm_page_economy {
    int digits;    /* of numbers */
    int most_bins; /* of a histogram: neighbours are joined; 0 = all */
    bool counters; /* evidence.counters are left out */
};

/** WM_ENOMEM. */
int wm_page_columns_open(struct wm_page_columns **out, const struct wm_page_economy *economy, struct wm_err *err);
/** WM_ENOMEM. */
int wm_page_columns_add(struct wm_page_columns *c, const struct wm_result_cell *cell, struct wm_err *err);
int wm_page_columns_count(const struct wm_page_columns *c);
/**
 * Appends {"id": {"texts": [...], "of": [0, 1, ...]}, "time_ns.median": [...], ...} and begins anew. Absent values are
 * null, in `of` -1; columns without a value are left out, and `of` where each text is that of the cell at its place.
 * A histogram is [low_ns, count, step, count, ...]: steps of 1 %, from one bin to the next; pairs are [from, to,
 * median_ns, bytes_per_s, ...].
 */
int wm_page_columns_take(struct wm_page_columns *c, struct wm_page_buffer *to, struct wm_err *err);
void wm_page_columns_close(struct wm_page_columns *c);

#endif
