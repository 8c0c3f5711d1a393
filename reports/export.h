/**
 * Verdicts as the programs of others want them, line by line: each format is an entry of one table, of an escape and a
 * head, a row and a foot. docs/verdicts.md says what each holds.
 */
#ifndef WM_REPORTS_EXPORT_H
#define WM_REPORTS_EXPORT_H

#include <stdint.h>

#include "reports/verdict.h"

/* What an item comes to for who reads only that: as the exit status has it. */
enum wm_outcome {
    WM_OUTCOME_PASS,
    WM_OUTCOME_FAIL,  /* below its criterion, and required */
    WM_OUTCOME_ERROR, /* required and not judged */
    WM_OUTCOME_SKIP,  /* decides nothing, and did not pass */
    WM_OUTCOMES
};

/* A curve, a cell, a reference entry at a cell, or a finding. Items that read the same differ in `copy`, from 1. */
struct wm_item {
    const char *kind; /* curve cell reference finding */
    const char *name;
    const char *cell;                 /* a reference's, which several may meet; "" */
    const struct wm_verdict *verdict; /* NULL: a finding */
    const struct wm_finding *finding; /* NULL: a verdict */
    enum wm_outcome outcome;
    int copy;
};

struct wm_export {
    FILE *to;
    const struct wm_verdicts *v;
    const struct wm_export_format *format;
    struct wm_item *item;     /* curves, then cells or references, then findings: each worst first */
    struct wm_item **by_name; /* the same: an order that does not change from night to night */
    int n_items;
    int count[WM_OUTCOMES];
    int pass;    /* of format->passes */
    int rows;    /* that the format wrote in this pass: it counts */
    bool strict; /* github: within a property; else nothing */
    int64_t now; /* seconds since 1970 */
};

struct wm_export_format {
    const char *name;
    bool gate_only; /* says nothing where nothing is judged */
    bool by_name;   /* rows in the order of names; else worst first */
    int passes;     /* over all items */
    /* Writes a character that cannot stand for itself; false: it can. Control characters but \n, \r are none of it. */
    bool (*escape)(const struct wm_export *x, uint32_t c);
    void (*head)(struct wm_export *x);
    void (*row)(struct wm_export *x, const struct wm_item *item);
    void (*foot)(struct wm_export *x);
};

extern const struct wm_export_format wm_export_junit, wm_export_github, wm_export_openmetrics, wm_export_prometheus,
    wm_export_reframe, wm_export_smaller, wm_export_bigger;
extern const struct wm_export_format *const wm_export_formats[]; /* ended by NULL */

/** NULL: none of this name. */
const struct wm_export_format *wm_export_find(const char *name);

/** Writes all of it. A comparison has nothing to say in a format of gate's. WM_EIO, WM_ENOMEM. */
int wm_export(FILE *to, const struct wm_verdicts *v, const struct wm_export_format *format, struct wm_err *err);

/* ---- for the formats ---- */

/** Text from anywhere, escaped; control characters as their pictures, what is not UTF-8 as U+FFFD. */
void wm_export_text(const struct wm_export *x, const char *text);
/** A character as UTF-8. @return its bytes */
int wm_export_utf8(uint32_t c, char bytes[4]);
/** "name", "name (2)", "reference: cell". */
void wm_export_name(const struct wm_export *x, const struct wm_item *item);
/** Its figures in words: "1.50 us -> 1.58 us, ratio 1.052 (1.041 to 1.060), p 0.0079"; "" where there are none. */
void wm_export_figures(const struct wm_export *x, const struct wm_item *item);
/** Why: of a verdict or a finding; never empty for what did not pass. */
const char *wm_item_reason(const struct wm_item *item);
/** "PASS: 46 of 46 required cells judged, 46 passed, 0 failed, 0 not judged" */
void wm_export_outcome(const struct wm_export *x);

#endif
