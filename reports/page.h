/**
 * Results as one page for a browser, which holds all it needs and asks no network: the verdict in plain JSON at the
 * top, so that it stands there at once, then the cells as compressed columns. reports/page/ has its sources.
 */
#ifndef WM_REPORTS_PAGE_H
#define WM_REPORTS_PAGE_H

#include <stddef.h>

#include "src/core/err.h"

/* The page without its data, as it was bundled when wiremark was built. Data go between the parts. */
struct wm_page_template {
    const char *head, *middle, *foot;
    size_t head_bytes, middle_bytes, foot_bytes;
};

/** Not built in: needs names what the build lacked. */
struct wm_page_row {
    const char *needs; /* NULL = it is there */
    /**
     * Reads the results and replaces path (src/result/replace.h). @return as wm_result_read() and wm_file_replace(), or
     * WM_EUSAGE where a result has two cells of one id
     */
    int (*write)(const char *path, char *const *results, int n_results, struct wm_err *err);
};
extern const struct wm_page_row wm_page_row; /* reports/registry.c */

#endif
