/** gnuplot, found when it is needed. */
#ifndef WM_REPORTS_GNUPLOT_H
#define WM_REPORTS_GNUPLOT_H

#include <stdio.h>

#include "src/core/err.h"

/** WM_EABSENT: it is not there. */
int wm_gnuplot_find(struct wm_err *err);

/** Runs what `script` holds, from its beginning, and replaces path by the SVG that it prints. WM_ESYS: with what it
 * said. */
int wm_gnuplot_svg(FILE *script, const char *path, struct wm_err *err);

/** A text in gnuplot's single quotes: nothing in it is a command, an escape or a new line. */
void wm_gnuplot_quote(FILE *to, const char *text);

#endif
