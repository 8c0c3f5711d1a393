/** Published values to hold a machine to: entries with their source, and the conditions without which they say nothing.
 */
#ifndef WM_REPORTS_REFERENCE_H
#define WM_REPORTS_REFERENCE_H

#include "reports/verdict.h"

#define WM_REFERENCE_SCHEMA "wiremark-reference/1"

struct wm_references;

/** WM_EUSAGE with file and line: an unknown key, a missing source, a unit that does not fit. Free with
 * wm_references_free(). */
int wm_references_read(const char *path, struct wm_references **out, struct wm_err *err);
void wm_references_free(struct wm_references *r); /* NULL is allowed */

/**
 * Looks for values that cannot be: above what the named hardware carries, far off their siblings. Prints a line each.
 * @return how many
 */
int wm_references_lint(const struct wm_references *r, FILE *to);
int wm_references_count(const struct wm_references *r);

/** Side 1 of the set against all files' entries. WM_ENOMEM. */
int wm_verdicts_judge_references(struct wm_launch_set *set, struct wm_references *const *files, int n_files,
                                 const struct wm_policy *policy, struct wm_verdicts *out, struct wm_err *err);

#endif
