/** The rows of src/core/option.h as help text, Markdown, man page and completion. */
#include <string.h>

#include "src/core/option.h"

enum { WIDTH = 80, COLUMN = 26 /* where help begins */ };

/* Text built piece by piece; what does not fit is cut. Longer than any row's sentence. */
struct text {
    char at[2048];
    size_t n;
};

static void put(struct text *t, const char *piece)
{
    size_t n = strlen(piece), room = sizeof(t->at) - 1 - t->n;
    n = n < room ? n : room;
    memcpy(t->at + t->n, piece, n);
    t->n += n;
    t->at[t->n] = '\0';
}

/* The sentence of a row with the words it accepts: "element type: int8, float". */
static void put_meaning(struct text *t, const struct wm_option *row)
{
    put(t, row->help);
    for (int i = 0; row->names != NULL && row->names[i] != NULL; i++) {
        put(t, i == 0 ? ": " : ", ");
        put(t, row->names[i]);
    }
}

/* --- help text --- */

/* Words from `column` on, wrapped before WIDTH; continued lines begin at COLUMN. */
static void print_wrapped(FILE *to, const char *text, int column)
{
    for (bool first = true; *text != '\0'; first = false) {
        int n = (int)strcspn(text, " ");
        if (first) {
            column += fprintf(to, "%.*s", n, text);
        } else if (column + 1 + n > WIDTH) {
            fprintf(to, "\n%*s%.*s", COLUMN, "", n, text);
            column = COLUMN + n;
        } else {
            column += fprintf(to, " %.*s", n, text);
        }
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

static void print_text_row(FILE *to, const struct wm_option *row)
{
    struct text head = { .n = 0 }, body = { .n = 0 };
    char letter[] = { '-', row->letter, ',', ' ', '\0' };
    put(&head, row->letter != 0 ? letter : "");
    put(&head, "--");
    put(&head, row->name);
    put(&head, row->arg != NULL ? " " : "");
    put(&head, row->arg != NULL ? row->arg : "");
    put_meaning(&body, row);
    if (row->fallback != NULL) {
        put(&body, " (default ");
        put(&body, row->fallback);
        put(&body, ")");
    }
    int column = fprintf(to, "  %s", head.at);
    if (column + 2 > COLUMN)
        fprintf(to, "\n%*s", COLUMN, "");
    else
        fprintf(to, "%*s", COLUMN - column, "");
    print_wrapped(to, body.at, COLUMN);
}

static void print_text_group(FILE *to, const struct wm_option_group *group)
{
    fprintf(to, "%s:\n", group->title);
    for (const struct wm_option *row = group->rows; row->name != NULL; row++)
        print_text_row(to, row);
}

/* --- Markdown --- */

static void print_markdown(FILE *to, const char *text, bool code)
{
    for (; *text != '\0'; text++) {
        if (*text == '|' || (!code && strchr("\\`*_<", *text) != NULL))
            fputc('\\', to);
        fputc(*text, to);
    }
}

static void print_markdown_row(FILE *to, const struct wm_option *row)
{
    struct text body = { .n = 0 };
    put_meaning(&body, row);
    fputs("| `", to);
    if (row->letter != 0)
        fprintf(to, "-%c`, `", row->letter);
    fprintf(to, "--%s%s", row->name, row->arg != NULL ? " " : "");
    print_markdown(to, row->arg != NULL ? row->arg : "", true);
    fputs("` | ", to);
    if (row->fallback != NULL) {
        fputc('`', to);
        print_markdown(to, row->fallback, true);
        fputc('`', to);
    }
    fputs(" | ", to);
    print_markdown(to, body.at, false);
    fputs(" |\n", to);
}

static void print_markdown_group(FILE *to, const struct wm_option_group *group)
{
    fprintf(to, "### %s\n\n| option | default | meaning |\n|---|---|---|\n", group->title);
    for (const struct wm_option *row = group->rows; row->name != NULL; row++)
        print_markdown_row(to, row);
}

/* --- man page --- */

/* A hyphen that may be copied into a shell, a backslash that is one, and no line that begins like a request. */
static void print_roff(FILE *to, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", to);
        else if (*text == '\\')
            fputs("\\e", to);
        else
            fputc(*text, to);
    }
}

static void print_man_row(FILE *to, const struct wm_option *row)
{
    struct text body = { .n = 0 };
    fputs(".TP\n", to);
    if (row->letter != 0)
        fprintf(to, "\\fB\\-%c\\fR, ", row->letter);
    fputs("\\fB\\-\\-", to);
    print_roff(to, row->name);
    fputs("\\fR", to);
    if (row->arg != NULL) {
        fputs(" \\fI", to);
        print_roff(to, row->arg);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put_meaning(&body, row);
    print_roff(to, body.at);
    if (row->fallback != NULL) {
        fputs(" (default ", to);
        print_roff(to, row->fallback);
        fputc(')', to);
    }
    fputc('\n', to);
}

static void print_man_group(FILE *to, const struct wm_option_group *group)
{
    fputs(".SS ", to);
    print_roff(to, group->title);
    fputc('\n', to);
    for (const struct wm_option *row = group->rows; row->name != NULL; row++)
        print_man_row(to, row);
}

/* --- completion --- */

static void print_names(FILE *to, const struct wm_option_group *group)
{
    for (const struct wm_option *row = group->rows; row->name != NULL; row++)
        fprintf(to, "--%s\n", row->name);
}

void wm_options_print(FILE *to, const struct wm_option_group *groups, int n_groups, enum wm_option_format format)
{
    for (int g = 0; g < n_groups; g++) {
        if (g > 0 && (format == WM_HELP_TEXT || format == WM_HELP_MARKDOWN))
            fputc('\n', to);
        switch (format) {
        case WM_HELP_TEXT:
            print_text_group(to, &groups[g]);
            break;
        case WM_HELP_MARKDOWN:
            print_markdown_group(to, &groups[g]);
            break;
        case WM_HELP_MAN:
            print_man_group(to, &groups[g]);
            break;
        case WM_HELP_COMPLETION:
            print_names(to, &groups[g]);
            break;
        }
    }
}
