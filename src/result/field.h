/**
 * The fields of a cell, listed once: JSON writer, JSON reader and CSV are driven by this table, in this order.
 */
#ifndef WM_RESULT_FIELD_H
#define WM_RESULT_FIELD_H

#include "src/result/result.h"

/* What stands at `offset`, and what says that it is absent. */
enum wm_field_type {
    WM_FIELD_TEXT,   /* char[]: "" */
    WM_FIELD_INT,    /* int: negative */
    WM_FIELD_INT64,  /* int64_t: negative */
    WM_FIELD_REAL,   /* double: not finite */
    WM_FIELD_BOOL,   /* bool: always there */
    WM_FIELD_FLAG,   /* int 0 or 1, a JSON boolean: negative */
    WM_FIELD_STATUS, /* enum wm_status: always there */
    /* Lists; offset is not used. Absent when they have no member. */
    WM_FIELD_SETTINGS,
    WM_FIELD_JSON, /* json_t *, an array */
    WM_FIELD_PAIRS,
    WM_FIELD_HISTOGRAM,
    WM_FIELD_RAW,
};

enum wm_field_flag {
    WM_FIELD_REQUIRED = 1, /* no cell without it */
    WM_FIELD_IDENTITY = 2, /* known when the cell is planned */
};

struct wm_field {
    const char *group; /* the object that it stands in: "time_ns"; NULL = the cell itself */
    const char *name;
    enum wm_field_type type;
    unsigned flags;
    size_t offset, bytes; /* in struct wm_result_cell */
};
extern const struct wm_field wm_fields[]; /* ended by name == NULL; the fields of a group stand together */

bool wm_field_present(const struct wm_field *field, const struct wm_result_cell *cell);

/** Name of a required field that the cell lacks, or NULL. */
const char *wm_result_cell_lacks(const struct wm_result_cell *cell);

/** The cell's fields that have all of `flags`; 0 = all of them. New reference, or NULL: no memory. */
json_t *wm_result_cell_fields(const struct wm_result_cell *cell, unsigned flags);

/** JSON as wiremark writes it: one line, 15 significant digits. */
#define WM_RESULT_JSON (JSON_COMPACT | JSON_REAL_PRECISION(15))

/** Bytes of the well-formed UTF-8 sequence at s, 0 where there is none (RFC 3629: no overlong forms, no surrogates). */
size_t wm_utf8_sequence(const unsigned char *s, size_t n);
/** As wm_result_text(), of n bytes. */
json_t *wm_result_textn(const char *text, size_t n);

#endif
