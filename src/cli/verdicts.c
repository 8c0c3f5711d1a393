#include "src/cli/verdicts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/replace.h"

const char *const wm_cli_formats[] = { "text", "markdown", "csv", "json", NULL };

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

static int refuse_both_sides(const struct wm_launch_set *set, struct wm_err *err)
{
    for (int a = 0; a < set->n_launches; a++)
        for (int b = a + 1; b < set->n_launches; b++)
            if (set->launch[a].run_id == set->launch[b].run_id && set->launch[a].side != set->launch[b].side)
                return wm_fail(err, WM_EUSAGE, "", 0, "run %.60s is on both sides (%s, %s): it says nothing of itself",
                               set->launch[a].run_id, set->launch[a].path, set->launch[b].path);
    return WM_OK;
}

int wm_cli_read_side(struct wm_launch_set *set, char *const *file, int n, int side, struct wm_err *err)
{
    for (int i = 0; i < n; i++)
        if (wm_launch_set_read(set, file[i], side, err) != WM_OK)
            return err->code;
    return refuse_both_sides(set, err);
}

struct put {
    const struct wm_verdicts *v;
    enum wm_cli_format format;
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
    }
    return WM_EBUG;
}

int wm_cli_put_verdicts(const struct wm_verdicts *v, enum wm_cli_format format, bool all, const char *output,
                        struct wm_err *err)
{
    struct put p = { v, format, all };
    return output == NULL ? put(stdout, &p, err) : wm_file_replace(output, put, &p, err);
}
