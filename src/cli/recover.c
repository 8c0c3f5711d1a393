#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cli/command.h"
#include "src/result/result.h"

struct recover_conf {
    char *output;
    bool force, help;
};

static const struct wm_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      .offset = offsetof(struct recover_conf, output),
      .help = "the result to write; without it the journal's name less .journal" },
    { .name = "force",
      .type = WM_OPT_FLAG,
      .offset = offsetof(struct recover_conf, force),
      .help = "overwrite it when it exists" },
    { .name = "help", .type = WM_OPT_FLAG, .offset = offsetof(struct recover_conf, help), .help = "print this" },
    { 0 },
};

static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of recover", .rows = rows };
    wm_options_print(to, &group, 1, format);
}

/* FILE.journal becomes FILE; owned by the caller. */
static char *default_output(const char *journal, struct wm_err *err)
{
    static const char suffix[] = ".journal";
    size_t length = strlen(journal), cut = sizeof(suffix) - 1;
    if (length <= cut || strcmp(journal + length - cut, suffix) != 0) {
        wm_fail(err, WM_EUSAGE, "", 0, "%s does not end in .journal: name the result with --output", journal);
        return NULL;
    }
    char *output = strndup(journal, length - cut);
    if (output == NULL)
        wm_fail(err, WM_ENOMEM, "strndup", 0, "name of the result");
    return output;
}

static int recover(const char *journal, const char *output, bool force, struct wm_err *err)
{
    struct wm_ending ending = { .complete = false, .ended_by = "recovered" };
    bool cut = false;
    if (access(journal, R_OK) != 0)
        return wm_fail(err, WM_EABSENT, "", 0, "there is no journal %s that can be read", journal);
    if (!force && access(output, F_OK) == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s exists: name another with --output, or overwrite it with --force",
                       output);
    if (wm_result_finish(journal, output, &ending, false, &cut, err) != WM_OK)
        return err->code;
    printf("%s written from %s%s\n", output, journal, cut ? ", whose last line was cut off and is left out" : "");
    printf("the journal is still there: remove it when the result is good\n");
    return WM_OK;
}

static int run(struct recover_conf *conf, char **words, int n_words, struct wm_err *err)
{
    if (conf->help) {
        printf("usage: wiremark recover JOURNAL [--output FILE]\n\n");
        options(stdout, WM_HELP_TEXT);
        return WM_OK;
    }
    if (n_words != 1)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "recover takes one journal: wiremark recover wiremark-result.json.journal");
    char *output = conf->output != NULL ? strdup(conf->output) : default_output(words[0], err);
    if (output != NULL)
        recover(words[0], output, conf->force, err);
    else
        wm_fail(err, WM_ENOMEM, "strdup", 0, "name of the result");
    free(output);
    return err->code;
}

static int recover_main(int argc, char **argv)
{
    struct recover_conf conf = { 0 };
    struct wm_option_group group = { .title = "Options of recover", .rows = rows, .conf = &conf };
    struct wm_err err = { .rank = -1 };
    char **words = NULL;
    int n_words = 0;
    if (wm_options_parse(&group, 1, argc, argv, &words, &n_words, &err) == WM_OK)
        run(&conf, words, n_words, &err);
    wm_options_free(&group, 1);
    free(words);
    return wm_cli_fail(&err);
}

const struct wm_command wm_command_recover = {
    .name = "recover",
    .arguments = "JOURNAL",
    .summary = "make a result from the journal of a run that did not end",
    .main = recover_main,
    .options = options,
};
