/** A file line by line, with what an error message needs. */
#ifndef WM_RESULT_LINES_H
#define WM_RESULT_LINES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "src/core/err.h"

struct wm_lines {
    const char *path; /* stays the caller's */
    FILE *file;
    char *text;     /* this line with its newline, if it has one; until the next call */
    size_t bytes;   /* of this line */
    size_t cap;     /* private */
    long number;    /* of this line, from 1 */
    off_t at, next; /* where this line, and the next one, starts in the file */
};

/** WM_EABSENT: no such file; WM_EUSAGE: it cannot be read. */
int wm_lines_open(struct wm_lines *in, const char *path, struct wm_err *err);
/** *more is false at the end of the file. */
int wm_lines_next(struct wm_lines *in, bool *more, struct wm_err *err);
/** The line that starts at this place of the file. */
int wm_lines_at(struct wm_lines *in, off_t at, struct wm_err *err);
/** Nothing follows this line. */
bool wm_lines_last(struct wm_lines *in);
void wm_lines_close(struct wm_lines *in);

#endif
