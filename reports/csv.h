/**
 * Results as comma-separated values (RFC 4180, lines end in a line feed): a line a cell, a column a scalar field, named
 * as in the document ("time_ns.median"), an empty text where the field is absent. Settings stand in one column as
 * "name=value name=value"; lists (pairs, histogram, raw samples) are only in the JSON.
 */
#ifndef WM_REPORTS_CSV_H
#define WM_REPORTS_CSV_H

#include <stdio.h>

#include "src/result/result.h"

void wm_csv_header(FILE *to);
void wm_csv_cell(FILE *to, const struct wm_result_cell *cell);

#endif
