/* One side of one cell over its launches: its figures, or why it has none. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reports/judge.h"
#include "src/stats/series.h"

static enum wm_why why_of_sample(const struct wm_sample *s, bool simulated_counts)
{
    static const enum wm_why of_status[WM_STATUSES] = { [WM_FAILED] = WM_WHY_FAILED,
                                                        [WM_TIMEOUT] = WM_WHY_TIMEOUT,
                                                        [WM_SKIPPED] = WM_WHY_SKIPPED,
                                                        [WM_NOT_RUN] = WM_WHY_NOT_RUN };
    if (s->status != WM_MEASURED)
        return of_status[s->status];
    if (s->contradicted)
        return WM_WHY_CONTRADICTED;
    if (s->simulated && !simulated_counts)
        return WM_WHY_SIMULATED;
    return s->limit_binds && s->limit_share > 1 ? WM_WHY_ABOVE_BOUND : WM_WHY_NONE;
}

/* Of several reasons the one that says most: in the order of enum wm_why, failed first. */
enum wm_why wm_side_why(const struct wm_launch_set *set, const int *launch, int n, int subject, bool simulated_counts,
                        const struct wm_sample **which)
{
    enum wm_why why = WM_WHY_NONE;
    int here = 0;
    *which = NULL;
    for (int k = 0; k < n; k++) {
        const struct wm_sample *s = &set->launch[launch[k]].sample[subject];
        enum wm_why this = s->here ? why_of_sample(s, simulated_counts) : WM_WHY_NONE;
        here += s->here;
        if (this != WM_WHY_NONE && (why == WM_WHY_NONE || this < why)) {
            why = this;
            *which = s;
        }
    }
    if (here == 0)
        return WM_WHY_ABSENT;
    return why == WM_WHY_NONE && here < n ? WM_WHY_PARTLY : why;
}

const char *wm_say(struct wm_launch_set *set, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *kept = wm_launch_set_text(set, text);
    return kept == NULL ? "" : kept;
}

const char *wm_why_text(struct wm_launch_set *set, enum wm_why why, const struct wm_sample *s, const char *side)
{
    const char *reason = s == NULL ? "" : s->reason, *colon = reason[0] == '\0' ? "" : ": ";
    switch (why) {
    case WM_WHY_ABSENT:
        return wm_say(set, "no %s launch has it", side);
    case WM_WHY_FAILED:
        return wm_say(set, "it failed in a %s launch%s%s", side, colon, reason);
    case WM_WHY_TIMEOUT:
        return wm_say(set, "it timed out in a %s launch%s%s", side, colon, reason);
    case WM_WHY_SKIPPED:
        return wm_say(set, "it was skipped in a %s launch%s%s", side, colon, reason);
    case WM_WHY_NOT_RUN:
        return wm_say(set, "a %s launch ended before it%s%s", side, colon, reason);
    case WM_WHY_SIMULATED:
        return wm_say(set, "a %s launch simulated it: nothing was measured", side);
    case WM_WHY_CONTRADICTED:
        return wm_say(set, "its evidence contradicts what it claims in a %s launch%s%s", side, colon, reason);
    case WM_WHY_ABOVE_BOUND:
        return wm_say(set, "a %s launch reached %.4g times its limit, which cannot be", side,
                      s == NULL ? 0 : s->limit_share);
    case WM_WHY_PARTLY:
        return wm_say(set, "only some of the %s launches measured it", side);
    default:
        return "";
    }
}

/* ---- figures of a side ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* n > 0 medians, sorted here. */
static void side_of_values(double *median_ns, int n, struct wm_side *side)
{
    side->launches = n;
    qsort(median_ns, (size_t)n, sizeof(*median_ns), by_value);
    side->median_ns = n % 2 != 0 ? median_ns[n / 2] : (median_ns[n / 2 - 1] + median_ns[n / 2]) / 2;
    side->level = 0.95;
    if (n > 1 && wm_median_interval(median_ns, (size_t)n, 0.95, &side->low_ns, &side->high_ns) != WM_OK) {
        side->low_ns = median_ns[0];
        side->high_ns = median_ns[n - 1];
        side->level = 1 - ldexp(1, 1 - n); /* that the median lies between the extremes of n */
    }
}

void wm_side_of(const struct wm_launch_set *set, const int *launch, int n, int subject, double *work,
                struct wm_side *side)
{
    const struct wm_sample *only = NULL;
    int measured = 0, rates = 0;
    *side = (struct wm_side){ .median_ns = NAN, .low_ns = NAN, .high_ns = NAN, .bytes_per_s = NAN };
    for (int k = 0; k < n; k++) {
        const struct wm_sample *s = &set->launch[launch[k]].sample[subject];
        if (s->here && s->status == WM_MEASURED && isfinite(s->bytes_per_s))
            work[rates++] = s->bytes_per_s;
    }
    if (rates > 0)
        side->bytes_per_s = wm_median(work, (size_t)rates);
    for (int k = 0; k < n; k++) {
        const struct wm_sample *s = &set->launch[launch[k]].sample[subject];
        if (!s->here || s->status != WM_MEASURED)
            continue;
        work[measured++] = s->median_ns;
        only = s;
    }
    if (measured > 0)
        side_of_values(work, measured, side);
    if (measured == 1) {
        side->low_ns = only->ci95_low_ns;
        side->high_ns = only->ci95_high_ns;
        side->level = isfinite(only->ci95_low_ns) ? 0.95 : 0;
    }
}
