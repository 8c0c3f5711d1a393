/** A baseline: several launches that were looked at and taken for good, nothing of them merged. */
#ifndef WM_REPORTS_BASELINE_H
#define WM_REPORTS_BASELINE_H

#include "src/core/err.h"

#define WM_BASELINE_SCHEMA "wiremark-baseline/1"

/**
 * Writes n results as one baseline, whole or not at all: heads of all launches, then their cells, a cell of a launch a
 * line, without histograms, samples and counters. The results were read before by wm_launch_set_read().
 * @return WM_EIO, or what reading says
 */
int wm_baseline_write(const char *path, char *const *results, int n, struct wm_err *err);

#endif
