#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/baseline.h"
#include "src/cli/command.h"
#include "src/cli/verdicts.h"

struct bless_conf {
    char *output;
    bool force, help;
};

static const struct wm_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct bless_conf, output),
      .help = "the baseline to write" },
    { .name = "force",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct bless_conf, force),
      .help = "overwrite it when it exists" },
    { .name = "help", .type = WM_OPT_FLAG, .offset = offsetof(struct bless_conf, help), .help = "print this" },
    { 0 },
};

static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of bless", .rows = rows };
    wm_options_print(to, &group, 1, format);
}

/* What keeps this cell of this launch from being a measure for others; NULL: nothing. */
static const char *fault(const struct wm_sample *s)
{
    if (!s->here)
        return "is not there, and another launch has it";
    if (s->contradicted)
        return "is contradicted by its evidence";
    if (s->status != WM_MEASURED)
        return "was not measured";
    if (s->simulated)
        return "is simulated";
    return s->limit_binds && s->limit_share > 1 ? "is above its limit, which cannot be" : NULL;
}

static int check_launch(const struct wm_launch_set *set, const struct wm_launch_set_item *l, struct wm_err *err)
{
    const char *why = NULL, *first = NULL;
    int faults = 0;
    if (!l->complete)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: the run did not come to its end: measure again", l->path);
    for (int i = 0; i < set->n_subjects; i++) {
        const char *this = fault(&l->sample[i]);
        faults += this != NULL;
        if (this != NULL && first == NULL) {
            first = set->subject[i].id;
            why = this;
        }
    }
    if (first == NULL)
        return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0, "%s: cell '%.160s' %s (%d such cell%s): not a baseline", l->path, first, why,
                   faults, faults == 1 ? "" : "s");
}

static int check(const struct wm_launch_set *set, struct wm_err *err)
{
    if (set->n_subjects == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: no cells: not a baseline", set->launch[0].path);
    for (int k = 0; k < set->n_launches; k++)
        if (check_launch(set, &set->launch[k], err) != WM_OK)
            return err->code;
    return WM_OK;
}

static int bless(const struct bless_conf *conf, char **results, int n, struct wm_err *err)
{
    struct wm_launch_set set;
    if (!conf->force && access(conf->output, F_OK) == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s exists: name another with --output, or overwrite it with --force",
                       conf->output);
    if (wm_launch_set_open(&set, err) != WM_OK)
        return err->code;
    if (wm_cli_read_side(&set, results, n, 0, err) == WM_OK && set.n_launches != n)
        wm_fail(err, WM_EUSAGE, "", 0, "bless takes results: a baseline is blessed already");
    if (err->code == WM_OK && check(&set, err) == WM_OK && wm_baseline_write(conf->output, results, n, err) == WM_OK)
        printf("%s: %d launch%s of %d cell%s%s\n", conf->output, n, n == 1 ? "" : "es", set.n_subjects,
               set.n_subjects == 1 ? "" : "s",
               n < 4 ? "; 4 and more, against as many, are needed for a verdict with them" : "");
    wm_launch_set_close(&set);
    return err->code;
}

static int run(struct bless_conf *conf, char **words, int n_words, struct wm_err *err)
{
    if (conf->help) {
        printf("usage: wiremark bless RESULT... --output BASELINE\n\n");
        options(stdout, WM_HELP_TEXT);
        return WM_OK;
    }
    if (n_words == 0 || conf->output == NULL)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "bless takes results and where to write: wiremark bless run*.json -o baseline.json");
    return bless(conf, words, n_words, err);
}

static int bless_main(int argc, char **argv)
{
    struct bless_conf conf = { 0 };
    struct wm_option_group group = { .title = "Options of bless", .rows = rows, .conf = &conf };
    struct wm_err err = { .rank = -1 };
    char **words = NULL;
    int n_words = 0;
    if (wm_options_parse(&group, 1, argc, argv, &words, &n_words, &err) == WM_OK)
        run(&conf, words, n_words, &err);
    wm_options_free(&group, 1);
    free(words);
    return wm_cli_fail(&err);
}

const struct wm_command wm_command_bless = {
    .name = "bless",
    .arguments = "RESULT...",
    .summary = "make a baseline of several launches, for gate and compare",
    .main = bless_main,
    .options = options,
};
