#include <stdlib.h>
#include <sys/stat.h>

#include "reports/page.h"
#include "reports/plot.h"
#include "src/cli/command.h"

struct report_conf {
    char *output, *svg;
    bool force, help;
};

static const struct wm_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct report_conf, output),
      .help = "the page to write; without it, and without --svg, report.html" },
    { .name = "svg",
      .arg = "DIR",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct report_conf, svg),
      .help = "single plots, drawn by gnuplot: time and bandwidth of each benchmark over the size" },
    { .name = "force",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct report_conf, force),
      .help = "overwrite what exists" },
    { .name = "help", .type = WM_OPT_FLAG, .offset = offsetof(struct report_conf, help), .help = "print this" },
    { 0 },
};

static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of report", .rows = rows };
    wm_options_print(to, &group, 1, format);
}

static int write_page(const struct report_conf *conf, char **results, int n_results, struct wm_err *err)
{
    const char *output = conf->output != NULL ? conf->output : "report.html";
    struct stat is;
    if (wm_page_row.write == NULL)
        return wm_fail(err, WM_EABSENT, "", 0,
                       "this wiremark was built without the page, which needs %s: build it anew with make "
                       "WITH_REPORT=yes, which says what is missing",
                       wm_page_row.needs);
    bool exists = stat(output, &is) == 0;
    if (!conf->force && exists && S_ISREG(is.st_mode))
        return wm_fail(err, WM_EUSAGE, "", 0, "%s exists: name another with --output, or overwrite it with --force",
                       output);
    if (wm_page_row.write(output, results, n_results, err) == WM_OK && (!exists || S_ISREG(is.st_mode)))
        printf("report in %s\n", output);
    return err->code;
}

static int run(const struct report_conf *conf, char **words, int n_words, struct wm_err *err)
{
    if (conf->help) {
        printf("usage: wiremark report RESULT... [--output FILE] [--svg DIR]\n\n");
        options(stdout, WM_HELP_TEXT);
        return WM_OK;
    }
    if (n_words == 0)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "report takes one or more results: wiremark report wiremark-result.json --output report.html");
    if ((conf->output != NULL || conf->svg == NULL) && write_page(conf, words, n_words, err) != WM_OK)
        return err->code;
    return conf->svg == NULL ? WM_OK : wm_plot_write(conf->svg, words, n_words, conf->force, stdout, err);
}

static int report_main(int argc, char **argv)
{
    struct report_conf conf = { 0 };
    struct wm_option_group group = { .title = "Options of report", .rows = rows, .conf = &conf };
    struct wm_err err = { .rank = -1 };
    char **words = NULL;
    int n_words = 0;
    if (wm_options_parse(&group, 1, argc, argv, &words, &n_words, &err) == WM_OK)
        run(&conf, words, n_words, &err);
    wm_options_free(&group, 1);
    free(words);
    return wm_cli_fail(&err);
}

const struct wm_command wm_command_report = {
    .name = "report",
    .arguments = "RESULT...",
    .summary = "results as one page for a browser: verdict, curves, comparisons, pairs, every cell",
    .main = report_main,
    .options = options,
};
