/** The parts of wm_verdicts_judge(); private to the verdicts. */
#ifndef WM_REPORTS_JUDGE_H
#define WM_REPORTS_JUDGE_H

#include "reports/verdict.h"

/** Cells and curves of side 1 against side 0; fills verdict, curve and the test's facts. */
int wm_judge_sides(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out,
                   struct wm_err *err);

/** What the judged launches show without any reference; fills finding. */
int wm_find(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out, struct wm_err *err);

/** How the sides' environments differ; fills difference. */
int wm_tell_apart(struct wm_launch_set *set, struct wm_verdicts *out, struct wm_err *err);

/* ---- reports/side.c ---- */

/** A text that lives as long as the set; "" without memory. */
const char *wm_say(struct wm_launch_set *set, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Why a side has no figures for a cell that could be judged; *which: the sample that says so, or NULL.
 * @param simulated_counts  a simulated figure is one */
enum wm_why wm_side_why(const struct wm_launch_set *set, const int *launch, int n, int subject, bool simulated_counts,
                        const struct wm_sample **which);
/** In words. @param side  "judged", "baseline" */
const char *wm_why_text(struct wm_launch_set *set, enum wm_why why, const struct wm_sample *s, const char *side);
/** @param work  room for n */
void wm_side_of(const struct wm_launch_set *set, const int *launch, int n, int subject, double *work,
                struct wm_side *side);

/** Nothing known of it. */
struct wm_verdict wm_verdict_blank(const char *name);

/** Room for one more behind the others, blank. @param cap  places of the list; NULL is returned without memory */
struct wm_verdict *wm_verdicts_add(struct wm_verdicts *out, size_t *cap, const char *name, struct wm_err *err);
/** Adds one that is required and not judged. @param name,reason  live as long as the set */
int wm_verdicts_open(struct wm_verdicts *out, size_t *cap, const char *name, enum wm_why why, const char *reason,
                     struct wm_err *err);
/** What a policy requires and no cell is must not pass for being nowhere: one that is not judged for each pattern. */
int wm_require_patterns(struct wm_launch_set *set, const struct wm_policy *policy, struct wm_verdicts *out, size_t *cap,
                        struct wm_err *err);

/** Does one of the policy's patterns ask for this id? */
bool wm_policy_requires(const struct wm_policy *policy, const char *id);
double wm_policy_tolerance(const struct wm_policy *policy, const char *name);

/** The fewest more launches with which a against b could become significant. */
void wm_launches_missing(int a, int b, double family_error, int *missing_a, int *missing_b);

/** Sorts, counts the ledger and sets the exit status. */
void wm_verdicts_close(struct wm_verdicts *v, const struct wm_policy *policy);

#endif
