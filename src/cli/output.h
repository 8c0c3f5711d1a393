/** Where a run's result goes: every refusal stands before the first measurement. */
#ifndef WM_CLI_OUTPUT_H
#define WM_CLI_OUTPUT_H

#include <stdbool.h>

#include "src/core/err.h"

struct wm_output {
    char *path, *journal; /* owned */
    bool by_default;      /* the name was not given: an older file is renamed */
};

/**
 * Local; rank 0's. Changes nothing.
 * @param named  --output, or NULL
 * @return WM_OK; WM_EUSAGE: exists without force, a journal is left over, its folder is missing or not writable
 */
int wm_output_choose(const char *named, bool force, struct wm_output *out, struct wm_err *err);

/** Renames an older default file to wiremark-result-STARTED.json. */
int wm_output_set_aside(const struct wm_output *out, struct wm_err *err);

void wm_output_free(struct wm_output *out);

#endif
