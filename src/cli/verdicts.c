#include "src/cli/verdicts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reports/export.h"
#include "src/core/text.h"
#include "src/result/replace.h"

const char *const wm_cli_formats[] = { "text",    "markdown",          "csv",
                                       "json",    "summary",           "junit",
                                       "github",  "openmetrics",       "prometheus",
                                       "reframe", "smaller-is-better", "bigger-is-better",
                                       NULL };

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* The list whose option this word is. *own: its argument stands in the same word. */
static struct wm_cli_files *list_of(struct wm_cli_files *lists, const char *word, char **own)
{
    *own = NULL;
    for (struct wm_cli_files *l = lists; l->option != NULL && strncmp(word, "--", 2) == 0; l++) {
        size_t n = strlen(l->option);
        if (strncmp(word + 2, l->option, n) != 0 || (word[2 + n] != '\0' && word[2 + n] != '='))
            continue;
        if (word[2 + n] == '=')
            *own = (char *)word + 3 + n;
        return l;
    }
    return NULL;
}

int wm_cli_files_take(struct wm_cli_files *lists, int argc, char **argv, int *n_rest, char ***rest, struct wm_err *err)
{
    struct wm_cli_files *open = NULL;
    bool first = false; /* of those behind this occurrence of the option: its own argument */
    *n_rest = 0;
    *rest = calloc((size_t)argc + 1, sizeof(**rest));
    for (struct wm_cli_files *l = lists; l->option != NULL; l++)
        if ((l->file = calloc((size_t)argc + 1, sizeof(*l->file))) == NULL)
            return wm_fail(err, WM_ENOMEM, "calloc", errno, "the command line");
    if (*rest == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", errno, "the command line");
    for (int i = 0; i < argc; i++) {
        char *own;
        if (is_option(argv[i])) {
            open = list_of(lists, argv[i], &own);
            if (open != NULL && own != NULL)
                open->file[open->n++] = own;
            first = own == NULL;
            (*rest)[(*n_rest)++] = argv[i];
            continue;
        }
        if (open != NULL)
            open->file[open->n++] = argv[i];
        if (open == NULL || first)
            (*rest)[(*n_rest)++] = argv[i];
        first = false;
    }
    return WM_OK;
}

void wm_cli_files_free(struct wm_cli_files *lists)
{
    for (struct wm_cli_files *l = lists; l->option != NULL; l++)
        free(l->file);
}

/* One launch as two. */
static int refuse_twin(const struct wm_launch_set_item *a, const struct wm_launch_set_item *b, struct wm_err *err)
{
    if (a->run_id == b->run_id && a->side != b->side)
        return wm_fail(err, WM_EUSAGE, "", 0, "run %.60s is on both sides (%s, %s): it says nothing of itself",
                       a->run_id, a->path, b->path);
    if (a->run_id != b->run_id && a->digest == b->digest && a->digest != 0)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "%s (run %.60s) and %s (run %.60s) hold the same times in every cell: a copy of a launch is "
                       "no other launch",
                       a->path, a->run_id, b->path, b->run_id);
    return WM_OK;
}

static int refuse_twins(const struct wm_launch_set *set, struct wm_err *err)
{
    for (int a = 0; a < set->n_launches; a++)
        for (int b = a + 1; b < set->n_launches; b++)
            if (refuse_twin(&set->launch[a], &set->launch[b], err) != WM_OK)
                return err->code;
    return WM_OK;
}

int wm_cli_read_side(struct wm_launch_set *set, char *const *file, int n, int side, struct wm_err *err)
{
    for (int i = 0; i < n; i++)
        if (wm_launch_set_read(set, file[i], side, err) != WM_OK)
            return err->code;
    return refuse_twins(set, err);
}

/* ---- where verdicts go ---- */

/* Index in wm_cli_formats of the n characters, or -1. */
static int64_t format_of(const char *name, size_t n)
{
    for (int64_t i = 0; wm_cli_formats[i] != NULL; i++)
        if (strlen(wm_cli_formats[i]) == n && strncmp(wm_cli_formats[i], name, n) == 0)
            return i;
    return -1;
}

static int check_format(int64_t format, bool gate, struct wm_err *err)
{
    const struct wm_export_format *line = wm_export_find(wm_cli_formats[format]);
    if (line == NULL || !line->gate_only || gate)
        return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0, "format %s says what passed, and compare judges nothing: use gate",
                   line->name);
}

static int check_other(const char *word, bool gate, struct wm_err *err)
{
    char hint[128], name[40];
    size_t n = strcspn(word, ":");
    int64_t format = format_of(word, n);
    snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name) - 1), word);
    if (format < 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "--write: unknown format '%s'%s", name,
                       wm_did_you_mean(hint, sizeof(hint), name, wm_cli_formats));
    if (word[n] == '\0' || word[n + 1] == '\0')
        return wm_fail(err, WM_EUSAGE, "", 0, "--write %s: wanted is %s:FILE, or %s:- for the standard output", name,
                       name, name);
    return check_format(format, gate, err);
}

int wm_cli_output_check(const struct wm_cli_output *output, bool gate, struct wm_err *err)
{
    check_format(output->format, gate, err);
    for (int i = 0; i < output->others->n && err->code == WM_OK; i++)
        check_other(output->others->file[i], gate, err);
    return err->code;
}

struct put {
    const struct wm_verdicts *v;
    int64_t format;
    bool all;
};

static int put(FILE *to, void *arg, struct wm_err *err)
{
    const struct put *p = arg;
    switch (p->format) {
    case WM_CLI_TEXT:
        return wm_verdicts_text(to, p->v, p->all, err);
    case WM_CLI_MARKDOWN:
        return wm_verdicts_markdown(to, p->v, p->all, err);
    case WM_CLI_CSV:
        return wm_verdicts_csv(to, p->v, err);
    case WM_CLI_JSON:
        return wm_verdicts_json(to, p->v, err);
    case WM_CLI_SUMMARY:
        return wm_verdicts_summary(to, p->v, p->all, err);
    default:
        return wm_export(to, p->v, wm_export_find(wm_cli_formats[p->format]), err);
    }
}

/* GitHub's summary is one file for all that a step has to say. */
static int put_file(const char *file, struct put *p, struct wm_err *err)
{
    int rc = p->format == WM_CLI_SUMMARY ? wm_file_append(file, put, p, err) : wm_file_replace(file, put, p, err);
    if (rc == WM_EIO)
        snprintf(err->what, sizeof(err->what), "write %s", file); /* whoever found it knows only the stream */
    return err->code;
}

int wm_cli_put_verdicts(const struct wm_verdicts *v, const struct wm_cli_output *output, struct wm_err *err)
{
    struct put p = { v, output->format, output->all };
    for (int i = 0; i < output->others->n && err->code == WM_OK; i++) {
        const char *word = output->others->file[i], *file = strchr(word, ':') + 1;
        struct put other = { v, format_of(word, strcspn(word, ":")), output->all };
        if (strcmp(file, "-") == 0)
            put(stdout, &other, err);
        else
            put_file(file, &other, err);
    }
    if (err->code != WM_OK)
        return err->code;
    return output->file == NULL ? put(stdout, &p, err) : put_file(output->file, &p, err);
}
