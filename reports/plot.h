/** Single plots of results as SVG files, drawn by gnuplot: a time and a bandwidth over the size for each benchmark. */
#ifndef WM_REPORTS_PLOT_H
#define WM_REPORTS_PLOT_H

#include <stdbool.h>
#include <stdio.h>

#include "src/core/err.h"

/**
 * Writes FOLDER/BENCHMARK-time.svg and FOLDER/BENCHMARK-bandwidth.svg, where there are such figures, and names each on
 * `said`. The folder is made when it does not exist. @param replace  files that exist; without it they are an error,
 * and nothing is written
 * @return as wm_result_read(), or WM_EABSENT (no gnuplot), WM_EUSAGE (a file exists; nothing to draw), WM_EIO, WM_ESYS
 */
int wm_plot_write(const char *folder, char *const *results, int n_results, bool replace, FILE *said,
                  struct wm_err *err);

#endif
