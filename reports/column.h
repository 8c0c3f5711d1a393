/** The fields of a verdict, listed once: JSON and CSV are driven by this table, in this order. */
#ifndef WM_REPORTS_COLUMN_H
#define WM_REPORTS_COLUMN_H

#include "reports/verdict.h"

enum wm_column_type {
    WM_COLUMN_TEXT, /* const char *: NULL or "" is absent */
    WM_COLUMN_NAME, /* an enum whose names stand in `names`: "" is absent */
    WM_COLUMN_INT,
    WM_COLUMN_COUNT, /* int: 0 is absent */
    WM_COLUMN_REAL,  /* double: what is not finite is absent */
    WM_COLUMN_BOOL,
};

struct wm_column {
    const char *group; /* the object that it stands in; NULL: the verdict itself */
    const char *name;
    enum wm_column_type type;
    size_t offset;
    const char *const *names;
};
extern const struct wm_column wm_columns[]; /* ended by name == NULL; those of a group stand together */

#endif
