/** Documents of ours with a list of cells, one a line: results and baselines. */
#ifndef WM_RESULT_DOCUMENT_H
#define WM_RESULT_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "src/core/err.h"

/* Each returns WM_OK, or what ends the reading; with a message in err where the caller's reader has none of its own. */
struct wm_document_reader {
    const char *const *schemas; /* that are taken, ended by NULL */
    const char *what;           /* "a wiremark result": for messages */
    /* Once, before the cells: what stands before them, its `schema` known to be one of those. NULL: not wanted. */
    int (*head)(const json_t *head, void *arg, struct wm_err *err);
    /* Each cell, in order. @param where  "night.json:12" */
    int (*cell)(json_t *cell, const char *where, void *arg, struct wm_err *err);
    /* Once, after them, the document without its cells. NULL: not wanted. */
    int (*rest)(const json_t *document, void *arg, struct wm_err *err);
    void *arg;
    /* Leaves out histograms and raw samples, which are most of a cell and take most of the time, unread where cells
     * stand a line each. */
    bool lean;
};

/** As wm_result_read(): constant memory where the document stands as wiremark wrote it. */
int wm_document_read(const char *path, const struct wm_document_reader *reader, struct wm_err *err);

#endif
