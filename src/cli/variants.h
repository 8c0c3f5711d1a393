/** Lists among a transport's own options: each combination of their values is an arm. */
#ifndef WM_CLI_VARIANTS_H
#define WM_CLI_VARIANTS_H

#include "src/core/option.h"

/** How many combinations the lists of a conf make: 1 where there is none. WM_EUSAGE in err for a value given twice. */
int wm_cli_variants(const struct wm_option *rows, const void *conf, struct wm_err *err);

/** Leaves one value in each list of a copy of that conf, those of combination k; the values stay the original's. */
void wm_cli_variant(const struct wm_option *rows, void *copy, int k);

#endif
