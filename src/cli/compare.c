#include <stdlib.h>

#include "src/cli/command.h"
#include "src/cli/verdicts.h"

struct compare_conf {
    char *to, *output, *write;
    double tolerance;
    int64_t format;
    bool all, help;
};

static const struct wm_option rows[] = {
    { .name = "to",
      .arg = "FILE...",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct compare_conf, to),
      .help = "results of the other side, a launch each, or baselines" },
    { .name = "tolerance",
      .arg = "SHARE",
      .fallback = "3%",
      .type = WM_OPT_SHARE,
      .min = 0.001,
      .max = 10,
      .offset = offsetof(struct compare_conf, tolerance),
      .help = "a change that matters: what is significant and larger is slower or faster" },
    { .name = "format",
      .arg = "FORMAT",
      .fallback = "text",
      .type = WM_OPT_CHOICE,
      .names = wm_cli_formats,
      .offset = offsetof(struct compare_conf, format),
      .help = "what is written; summary is for GitHub: below 1 MiB, and behind what the file holds" },
    { .name = "output",
      .letter = 'o',
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct compare_conf, output),
      .help = "written whole or not at all; without it the standard output" },
    { .name = "write",
      .arg = "FORMAT:FILE...",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct compare_conf, write),
      .help = "more formats, each to a file of its own, whole or not at all; FILE - is the standard output" },
    { .name = "all",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct compare_conf, all),
      .help = "text, markdown and summary list also what is the same" },
    { .name = "help", .type = WM_OPT_FLAG, .offset = offsetof(struct compare_conf, help), .help = "print this" },
    { 0 },
};

static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of compare", .rows = rows };
    wm_options_print(to, &group, 1, format);
}

static int compare(const struct compare_conf *conf, char *const *a, int n_a, const struct wm_cli_files *lists,
                   struct wm_err *err)
{
    const struct wm_cli_output output = { conf->format, conf->all, conf->output, &lists[1] };
    struct wm_launch_set set;
    struct wm_policy policy;
    struct wm_verdicts v = { 0 };
    wm_policy_default(&policy);
    policy.tolerance = conf->tolerance;
    if (wm_cli_output_check(&output, false, err) != WM_OK || wm_launch_set_open(&set, err) != WM_OK)
        return err->code;
    if (wm_cli_read_side(&set, a, n_a, 0, err) == WM_OK &&
        wm_cli_read_side(&set, lists[0].file, lists[0].n, 1, err) == WM_OK &&
        wm_verdicts_judge(&set, WM_BASIS_COMPARE, &policy, &v, err) == WM_OK)
        wm_cli_put_verdicts(&v, &output, err);
    wm_verdicts_free(&v);
    wm_launch_set_close(&set);
    return err->code;
}

static int run(const struct compare_conf *conf, char **words, int n_words, const struct wm_cli_files *lists,
               struct wm_err *err)
{
    if (conf->help) {
        printf("usage: wiremark compare A... --to B... [--format FORMAT]\n\n");
        options(stdout, WM_HELP_TEXT);
        return WM_OK;
    }
    if (n_words == 0 || lists[0].n == 0)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "compare takes results on both sides: wiremark compare before*.json --to after*.json");
    return compare(conf, words, n_words, lists, err);
}

static int compare_main(int argc, char **argv)
{
    struct compare_conf conf = { 0 };
    struct wm_option_group group = { .title = "Options of compare", .rows = rows, .conf = &conf };
    struct wm_cli_files lists[] = { { .option = "to" }, { .option = "write" }, { 0 } };
    struct wm_err err = { .rank = -1 };
    char **words = NULL, **rest = NULL;
    int n_words = 0, n_rest = 0;
    if (wm_cli_files_take(lists, argc, argv, &n_rest, &rest, &err) == WM_OK &&
        wm_options_parse(&group, 1, n_rest, rest, &words, &n_words, &err) == WM_OK)
        run(&conf, words, n_words, lists, &err);
    wm_options_free(&group, 1);
    wm_cli_files_free(lists);
    free(words);
    free(rest);
    return wm_cli_fail(&err);
}

const struct wm_command wm_command_compare = {
    .name = "compare",
    .arguments = "A... --to B...",
    .summary = "two sides of launches: each cell slower, faster, the same or undecided",
    .main = compare_main,
    .options = options,
};
