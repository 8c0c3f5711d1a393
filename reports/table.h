/**
 * The human table: rows come as cells end. Cells that differ in nothing but their size stand in one block, whose first
 * line says what was measured between whom; then one row a size, or one row an arm of each size.
 */
#ifndef WM_REPORTS_TABLE_H
#define WM_REPORTS_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "src/core/err.h"
#include "src/result/result.h"

struct wm_table_world {
    const char *const *hosts; /* name of each rank's host; stays the caller's until wm_table_end() */
    int n;                    /* ranks */
};

/* One arm of a comparison. */
struct wm_table_arm {
    const char *label;                        /* "transport=mpi algo=native": its varying factors only */
    const struct wm_ratio_point *to_baseline; /* at the cell's size; NULL for the baseline, or not known */
    int width;                                /* the largest wm_table_arm_width() of all arms: rows come one by one */
};

/** Columns that the arm of this label takes in the table, which shows its values: 10 for "mpi native". */
int wm_table_arm_width(const char *label);

struct wm_table;

/** `world` is copied, its names are not. WM_ENOMEM. */
int wm_table_open(FILE *to, bool color, const struct wm_table_world *world, struct wm_table **out, struct wm_err *err);

/**
 * One row. Cells of one comparison come size by size, the baseline first within each.
 * @param arm  NULL: the cell stands alone
 */
void wm_table_cell(struct wm_table *t, const struct wm_result_cell *cell, const struct wm_table_arm *arm);

/** What the comparison whose cells stand above came to: a line for each arm after the baseline. */
void wm_table_comparison(struct wm_table *t, const struct wm_result_comparison *comparison);

/** What auto chose for the cells above: "auto: native up to 4 KiB, ring from 8 KiB". */
void wm_table_choice(struct wm_table *t, const struct wm_result_choice *choice);

/** Flushes and frees; NULL is allowed. */
void wm_table_end(struct wm_table *t);

#endif
