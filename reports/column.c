#include "reports/column.h"

#include <stddef.h>

#define AT(member) offsetof(struct wm_verdict, member), NULL

/* clang-format off: a table */
const struct wm_column wm_columns[] = {
    { NULL, "name", WM_COLUMN_TEXT, AT(name) },
    { NULL, "curve_of", WM_COLUMN_TEXT, AT(curve) },
    { NULL, "judgement", WM_COLUMN_NAME, offsetof(struct wm_verdict, judgement), wm_judgement_names },
    { NULL, "change", WM_COLUMN_NAME, offsetof(struct wm_verdict, change), wm_change_names },
    { NULL, "why", WM_COLUMN_NAME, offsetof(struct wm_verdict, why), wm_why_names },
    { NULL, "reason", WM_COLUMN_TEXT, AT(reason) },
    { NULL, "required", WM_COLUMN_BOOL, AT(required) },
    { NULL, "config_changed", WM_COLUMN_BOOL, AT(config_changed) },
    { "baseline", "launches", WM_COLUMN_INT, AT(a.launches) },
    { "baseline", "median_ns", WM_COLUMN_REAL, AT(a.median_ns) },
    { "baseline", "low_ns", WM_COLUMN_REAL, AT(a.low_ns) },
    { "baseline", "high_ns", WM_COLUMN_REAL, AT(a.high_ns) },
    { "baseline", "level", WM_COLUMN_REAL, AT(a.level) },
    { "baseline", "bytes_per_s", WM_COLUMN_REAL, AT(a.bytes_per_s) },
    { "judged", "launches", WM_COLUMN_INT, AT(b.launches) },
    { "judged", "median_ns", WM_COLUMN_REAL, AT(b.median_ns) },
    { "judged", "low_ns", WM_COLUMN_REAL, AT(b.low_ns) },
    { "judged", "high_ns", WM_COLUMN_REAL, AT(b.high_ns) },
    { "judged", "level", WM_COLUMN_REAL, AT(b.level) },
    { "judged", "bytes_per_s", WM_COLUMN_REAL, AT(b.bytes_per_s) },
    { "ratio", "value", WM_COLUMN_REAL, AT(ratio) },
    { "ratio", "low", WM_COLUMN_REAL, AT(ratio_low) },
    { "ratio", "high", WM_COLUMN_REAL, AT(ratio_high) },
    { NULL, "effect", WM_COLUMN_REAL, AT(effect) },
    { NULL, "p", WM_COLUMN_REAL, AT(p) },
    { NULL, "within", WM_COLUMN_REAL, AT(within) },
    { "missing", "baseline_launches", WM_COLUMN_COUNT, AT(missing_a) },
    { "missing", "judged_launches", WM_COLUMN_COUNT, AT(missing_b) },
    { "limit", "bytes_per_s", WM_COLUMN_REAL, AT(limit_bytes_per_s) },
    { "limit", "share", WM_COLUMN_REAL, AT(limit_share) },
    { "reference", "value", WM_COLUMN_REAL, AT(reference_value) },
    { "reference", "measured", WM_COLUMN_REAL, AT(measured_value) },
    { "reference", "unit", WM_COLUMN_TEXT, AT(reference_unit) },
    { "reference", "kind", WM_COLUMN_TEXT, AT(reference_kind) },
    { "reference", "source", WM_COLUMN_TEXT, AT(reference_source) },
    { 0 },
};
/* clang-format on */
