/** What compare, gate and bless share: lists of files behind an option, formats, and where verdicts go. */
#ifndef WM_CLI_VERDICTS_H
#define WM_CLI_VERDICTS_H

#include "reports/verdict.h"
#include "src/core/option.h"

/* Files that follow an option up to the next one: "--to a.json b.json --all". */
struct wm_cli_files {
    const char *option; /* "to" */
    char **file;        /* the first is the option's own argument; points into argv, array owned by the list */
    int n;
};

/**
 * Takes the files behind the first one of each such option out of argv, so that the parser of rows sees one argument.
 * @param lists  ended by option == NULL; their arrays are to be freed by wm_cli_files_free()
 * @param rest   out: argv without them, ended by NULL; owned by the caller
 */
int wm_cli_files_take(struct wm_cli_files *lists, int argc, char **argv, int *n_rest, char ***rest, struct wm_err *err);
void wm_cli_files_free(struct wm_cli_files *lists);

/* What follows these are the line formats of reports/export.h, by their names. */
enum wm_cli_format { WM_CLI_TEXT, WM_CLI_MARKDOWN, WM_CLI_CSV, WM_CLI_JSON, WM_CLI_SUMMARY };
extern const char *const wm_cli_formats[];

/* Where verdicts go, and as what. */
struct wm_cli_output {
    int64_t format;                    /* index in wm_cli_formats */
    bool all;                          /* also what passed */
    const char *file;                  /* NULL: the standard output */
    const struct wm_cli_files *others; /* each "FORMAT:FILE", FILE "-" the standard output */
};

/** Before anything is read: WM_EUSAGE, a format that is none, or gate's alone while compare asks; a missing file. */
int wm_cli_output_check(const struct wm_cli_output *output, bool gate, struct wm_err *err);

/** All files of one side. A run that stands on both sides is refused, and so is a copy of one under another id. */
int wm_cli_read_side(struct wm_launch_set *set, char *const *file, int n, int side, struct wm_err *err);

/** To all of them, each file whole or not at all, the others first. After the first that fails nothing is written. */
int wm_cli_put_verdicts(const struct wm_verdicts *v, const struct wm_cli_output *output, struct wm_err *err);

#endif
