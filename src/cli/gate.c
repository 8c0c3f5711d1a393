#include <fnmatch.h>
#include <stdlib.h>

#include "reports/reference.h"
#include "src/cli/command.h"
#include "src/cli/verdicts.h"

struct gate_conf {
    char *baseline, *reference, *policy, *lint, *output, *write;
    double tolerance;
    int64_t format;
    bool all, help;
};

static const struct wm_option rows[] = {
    { .name = "baseline",
      .arg = "FILE...",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, baseline),
      .help = "what the results are held against: a baseline made by bless, or results, a launch each" },
    { .name = "reference",
      .arg = "FILE...",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, reference),
      .help = "published values; those whose hardware is this machine's are required" },
    { .name = "policy",
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, policy),
      .help = "what is required, with which tolerance, and which findings are fatal" },
    { .name = "tolerance",
      .arg = "SHARE",
      .fallback = "3%",
      .type = WM_OPT_SHARE,
      .min = 0.001,
      .max = 10,
      .offset = offsetof(struct gate_conf, tolerance),
      .help = "a slow-down that is let pass, however significant; a policy's own counts only where this is not given" },
    { .name = "format",
      .arg = "FORMAT",
      .fallback = "text",
      .type = WM_OPT_CHOICE,
      .names = wm_cli_formats,
      .offset = offsetof(struct gate_conf, format),
      .help = "what is written; summary is for GitHub: below 1 MiB, and behind what the file holds" },
    { .name = "output",
      .letter = 'o',
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, output),
      .help = "written whole or not at all; without it the standard output" },
    { .name = "write",
      .arg = "FORMAT:FILE...",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, write),
      .help = "more formats, each to a file of its own, whole or not at all; FILE - is the standard output" },
    { .name = "all",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct gate_conf, all),
      .help = "text, markdown and summary list also what passed" },
    { .name = "lint-reference",
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct gate_conf, lint),
      .help = "judge nothing; look for values in FILE that cannot be, units that slipped, sources that are missing" },
    { .name = "help", .type = WM_OPT_FLAG, .offset = offsetof(struct gate_conf, help), .help = "print this" },
    { 0 },
};

static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of gate", .rows = rows };
    wm_options_print(to, &group, 1, format);
}

/* What is to be judged, as the command line says. */
struct gate {
    const struct gate_conf *conf;
    bool tolerance_given;
    char **result;
    int n_results;
    const struct wm_cli_files *baseline, *reference;
    struct wm_cli_output output;
    int status; /* out */
};

static int lint(const char *path, int *status, struct wm_err *err)
{
    struct wm_references *r = NULL;
    if (wm_references_read(path, &r, err) != WM_OK)
        return err->code;
    int faults = wm_references_lint(r, stdout);
    printf("%s: %d entries, %d fault%s\n", path, wm_references_count(r), faults, faults == 1 ? "" : "s");
    *status = faults > 0;
    wm_references_free(r);
    return WM_OK;
}

static int judge_references(const struct gate *g, struct wm_launch_set *set, const struct wm_policy *policy,
                            struct wm_verdicts *v, struct wm_err *err)
{
    int n = g->reference->n;
    struct wm_references **file = calloc((size_t)n + 1, sizeof(struct wm_references *));
    if (file == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "references");
    for (int i = 0; i < n && err->code == WM_OK; i++)
        wm_references_read(g->reference->file[i], &file[i], err);
    if (err->code == WM_OK)
        wm_verdicts_judge_references(set, file, n, policy, v, err);
    for (int i = 0; i < n; i++)
        wm_references_free(file[i]);
    free(file);
    return err->code;
}

static int read_policy(const struct gate *g, struct wm_policy *policy, struct wm_err *err)
{
    wm_policy_default(policy);
    if (g->conf->policy != NULL && wm_policy_read(g->conf->policy, policy, err) != WM_OK)
        return err->code;
    if (g->tolerance_given)
        policy->tolerance = g->conf->tolerance;
    return WM_OK;
}

/* A rule that is misspelt leaves its cells with the general tolerance. */
static void warn_of_idle_rules(const struct gate *g, const struct wm_policy *policy, const struct wm_launch_set *set)
{
    for (int i = 0; i < policy->n_rules; i++) {
        struct wm_err idle = { .rank = -1 };
        bool found = false;
        for (int k = 0; k < set->n_subjects && !found; k++)
            found = fnmatch(policy->rule[i].pattern, set->subject[k].id, 0) == 0;
        for (int k = 0; k < set->n_curves && !found; k++)
            found = fnmatch(policy->rule[i].pattern, set->curve[k].name, 0) == 0;
        wm_fail(&idle, WM_EUSAGE, "", 0, "warning: %s: no cell matches the rule for '%.160s'", g->conf->policy,
                policy->rule[i].pattern);
        if (!found)
            wm_err_print(stderr, &idle);
    }
}

static int judge(struct gate *g, const struct wm_policy *policy, struct wm_launch_set *set, struct wm_err *err)
{
    struct wm_verdicts v = { 0 };
    if (wm_cli_read_side(set, g->baseline->file, g->baseline->n, 0, err) == WM_OK &&
        wm_cli_read_side(set, g->result, g->n_results, 1, err) == WM_OK) {
        if (g->baseline->n > 0)
            wm_verdicts_judge(set, WM_BASIS_BASELINE, policy, &v, err);
        else
            judge_references(g, set, policy, &v, err);
    }
    if (err->code == WM_OK) {
        g->status = v.exit_status;
        warn_of_idle_rules(g, policy, set);
        wm_cli_put_verdicts(&v, &g->output, err);
    }
    wm_verdicts_free(&v);
    return err->code;
}

static int run(struct gate *g, struct wm_err *err)
{
    struct wm_launch_set set;
    struct wm_policy policy;
    if (g->conf->help) {
        printf("usage: wiremark gate RESULT... (--baseline FILE... | --reference FILE...) [--policy FILE]\n\n");
        options(stdout, WM_HELP_TEXT);
        return WM_OK;
    }
    if (g->conf->lint != NULL && (g->n_results > 0 || g->baseline->n > 0 || g->reference->n > 0))
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--lint-reference judges nothing: it takes no results, no --baseline and no --reference");
    if (g->conf->lint != NULL)
        return lint(g->conf->lint, &g->status, err);
    if (g->n_results == 0 || (g->baseline->n > 0) == (g->reference->n > 0))
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "gate takes results and either --baseline or --reference: wiremark gate run*.json --baseline "
                       "baseline.json");
    if (wm_cli_output_check(&g->output, true, err) != WM_OK || read_policy(g, &policy, err) != WM_OK ||
        wm_launch_set_open(&set, err) != WM_OK)
        return err->code;
    judge(g, &policy, &set, err);
    wm_launch_set_close(&set);
    wm_policy_free(&policy);
    return err->code;
}

static int gate_main(int argc, char **argv)
{
    struct gate_conf conf = { 0 };
    struct wm_option_group group = { .title = "Options of gate", .rows = rows, .conf = &conf };
    struct wm_cli_files lists[] = { { .option = "baseline" }, { .option = "reference" }, { .option = "write" }, { 0 } };
    struct wm_err err = { .rank = -1 };
    struct gate g = { .conf = &conf, .baseline = &lists[0], .reference = &lists[1] };
    char **rest = NULL;
    int n_rest = 0;
    if (wm_cli_files_take(lists, argc, argv, &n_rest, &rest, &err) == WM_OK &&
        wm_options_parse(&group, 1, n_rest, rest, &g.result, &g.n_results, &err) == WM_OK) {
        g.tolerance_given = wm_option_given(&group, 1, "tolerance");
        g.output = (struct wm_cli_output){ conf.format, conf.all, conf.output, &lists[2] };
        run(&g, &err);
    }
    wm_options_free(&group, 1);
    wm_cli_files_free(lists);
    free(g.result);
    free(rest);
    return wm_exit_worse(g.status, wm_cli_fail(&err));
}

const struct wm_command wm_command_gate = {
    .name = "gate",
    .arguments = "RESULT...",
    .summary = "pass, fail or not judged, against a baseline or published values; the exit status says which",
    .main = gate_main,
    .options = options,
};
