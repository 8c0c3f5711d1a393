/**
 * Options as rows over getopt_long. Parser, --help, README's table, the man page and shell completion
 * come from the same rows. Abbreviations are refused; a word that is unknown names its nearest.
 */
#ifndef WM_CORE_OPTION_H
#define WM_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/core/err.h"

struct wm_bytes_list {
    uint64_t *value;
    int n;
};
struct wm_int_list {
    int64_t *value;
    int n;
};
struct wm_text_list {
    char **value;
    int n;
};

/* The field at `offset` has the type named behind each. */
enum wm_option_type {
    WM_OPT_FLAG,       /* bool; takes no argument */
    WM_OPT_INT,        /* int64_t, min..max */
    WM_OPT_INTS,       /* struct wm_int_list */
    WM_OPT_BYTES,      /* uint64_t, min..max */
    WM_OPT_BYTES_LIST, /* struct wm_bytes_list */
    WM_OPT_TIME_NS,    /* uint64_t nanoseconds; min and max are in nanoseconds */
    WM_OPT_SHARE,      /* double, 2% is 0.02 */
    WM_OPT_CHOICE,     /* int64_t: index in names */
    WM_OPT_CHOICES,    /* struct wm_int_list of indexes; a name twice is an error */
    WM_OPT_TEXT,       /* char * */
    WM_OPT_TEXTS,      /* struct wm_text_list, split at commas */
};

struct wm_option {        /* a row; a table ends with name == NULL */
    const char *name;     /* without dashes: "min-bytes" */
    const char *arg;      /* "SIZE", "NAME[,NAME...]"; NULL for a flag */
    const char *help;     /* one sentence, no capital, no full stop */
    const char *fallback; /* default, parsed like the user's text; NULL = zero, false, empty or NULL */
    enum wm_option_type type;
    size_t offset;            /* of the field in the owner's conf struct */
    double min, max;          /* inclusive, checked when max > min */
    const char *const *names; /* CHOICE and CHOICES: ended by NULL */
    char letter;              /* 'o' for -o; 0 = no short form */
    bool aside;               /* a place on this machine: no part of what a cell is */
};

/** One owner of rows: the run itself, or a transport, whose rows fill its own conf. */
struct wm_option_group {
    const char *title; /* "Measuring"; heading of help and man page */
    const struct wm_option *rows;
    void *conf;     /* zeroed by the owner; the parser allocates lists and texts in it */
    uint64_t given; /* out: bit i = the user gave row i (not the default); 64 rows at most */
};

/**
 * Fills every conf with the user's words, and with defaults where they say nothing. --help is a row of the caller's
 * own. Prints nothing and leaves argv as it is. On failure the confs hold no lists or texts and *words is NULL.
 * @param argv       argv[0] is skipped; options end at "--"
 * @param words,n_words  out: what is not an option, in order; points into argv, array owned by the caller (free)
 * @return WM_OK or WM_EUSAGE: unknown (with nearest), abbreviated, missing or superfluous argument, out of range,
 *         unknown choice (with nearest), given twice; WM_EBUG for rows that contradict themselves
 */
int wm_options_parse(struct wm_option_group *groups, int n_groups, int argc, char **argv, char ***words, int *n_words,
                     struct wm_err *err);

/** Frees lists and texts in the confs and clears those fields; the confs stay the caller's. May be called twice. */
void wm_options_free(struct wm_option_group *groups, int n_groups);

/** Did the user give this option? WM_EBUG aborts the program: an unknown name is a mistake in the code. */
bool wm_option_given(const struct wm_option_group *groups, int n_groups, const char *name);

enum wm_option_format { WM_HELP_TEXT, WM_HELP_MARKDOWN, WM_HELP_MAN, WM_HELP_COMPLETION };

/** Prints all rows: aligned text for --help, a Markdown table for README, man(7) for the man page, bare --names. */
void wm_options_print(FILE *to, const struct wm_option_group *groups, int n_groups, enum wm_option_format format);

#endif
