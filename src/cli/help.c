#include <string.h>

#include "src/cli/command.h"
#include "src/topo/fabric.h"

static void print_commands(FILE *to, const char *format)
{
    for (int i = 0; wm_commands[i] != NULL; i++)
        fprintf(to, format, wm_commands[i]->name, wm_commands[i]->arguments, wm_commands[i]->summary);
}

static void overview(void)
{
    printf("wiremark measures how close to the wire an interconnect is: point-to-point and collectives, with "
           "confidence.\n\n"
           "usage: mpirun -n N wiremark run [BENCHMARK...] [options]\n"
           "       wiremark SUBCOMMAND [arguments]\n\n");
    print_commands(stdout, "  %-8s %-15s %s\n");
    printf("\n  --version prints the version and what was built in; SUBCOMMAND --help prints its options\n");
}

static void exit_statuses(FILE *to, const char *format)
{
    static const char *const rows[][2] = {
        { "0", "everything asked for was measured; gate: passed" },
        { "1", "wrong data, or a cell failed; gate: a regression" },
        { "2", "the command line is wrong: nothing was measured or written" },
        { "3", "something named is not on this machine, was not measured, or not judged" },
        { "124", "timed out" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        fprintf(to, format, rows[i][0], rows[i][1]);
}

static void man(void)
{
    printf(".TH WIREMARK 1 \"\" \"wiremark %s\" \"User Commands\"\n", wm_version_text());
    printf(".SH NAME\nwiremark \\- measure the interconnect of a GPU cluster\n");
    printf(".SH SYNOPSIS\n.B mpirun \\-n\n.I N\n.B wiremark run\n.RI [ BENCHMARK ...]\n.RI [ options ]\n.br\n"
           ".B wiremark\n.I SUBCOMMAND\n.RI [ arguments ]\n");
    printf(
        ".SH DESCRIPTION\n"
        "Point-to-point latency and bandwidth and collectives between the ranks of an MPI launch, measured until the\n"
        "median is known to the wanted precision, every element checked, written as JSON.\n"
        "Without a\n.I BENCHMARK\nthe default set is measured: latency bandwidth allreduce alltoall broadcast.\n");
    printf(".SH SUBCOMMANDS\n");
    print_commands(stdout, ".TP\n.B %s %s\n%s\n");
    printf(".SH OPTIONS OF RUN AND PLAN\n");
    wm_cli_options_print(false, stdout, WM_HELP_MAN);
    for (int i = 0; wm_commands[i] != NULL; i++)
        if (wm_commands[i]->options != NULL)
            wm_commands[i]->options(stdout, WM_HELP_MAN);
    printf(".SH EXIT STATUS\n");
    exit_statuses(stdout, ".TP\n.B %s\n%s\n");
    printf(".SH FILES\n.TP\n.I wiremark\\-result.json\nthe result, where \\-\\-output names no other\n"
           ".TP\n.I wiremark\\-result.json.journal\nthe cells of a run that has not ended; see\n.B wiremark recover\n");
}

static void completion(void)
{
    printf("# bash completion of wiremark\n_wiremark()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} words\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"--version --help");
    print_commands(stdout, " %1$s");
    printf("\"\n    else\n        case ${COMP_WORDS[1]} in\n        run | plan)\n            words=\"");
    for (int i = 0; wm_benchmarks[i] != NULL; i++)
        printf("%s ", wm_benchmarks[i]->name);
    wm_cli_options_print(true, stdout, WM_HELP_COMPLETION);
    printf("\" ;;\n        recover)\n            words=\"");
    wm_command_recover.options(stdout, WM_HELP_COMPLETION);
    printf("\" ;;\n        *) words= ;;\n        esac\n    fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
           "complete -o default -F _wiremark wiremark\n");
}

static int of_command(const char *name)
{
    for (int i = 0; wm_commands[i] != NULL; i++)
        if (strcmp(wm_commands[i]->name, name) == 0) {
            char *argv[] = { (char *)wm_commands[i]->name, (char *)"--help", NULL };
            return wm_commands[i] == &wm_command_help ? (overview(), 0) : wm_commands[i]->main(2, argv);
        }
    struct wm_err err = { .rank = -1 };
    wm_fail(&err, WM_EUSAGE, "", 0, "help: there is no subcommand '%s'; wiremark help shows all", name);
    return wm_cli_fail(&err);
}

static int help_main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (what[0] == '\0' || strcmp(what, "--help") == 0)
        overview();
    else if (strcmp(what, "--man") == 0)
        man();
    else if (strcmp(what, "--markdown") == 0)
        wm_cli_options_print(false, stdout, WM_HELP_MARKDOWN);
    else if (strcmp(what, "--fabrics") == 0)
        wm_fabric_print_rules(stdout);
    else if (strcmp(what, "--completion") == 0)
        completion();
    else
        return of_command(what);
    return 0;
}

const struct wm_command wm_command_help = {
    .name = "help",
    .arguments = "[SUBCOMMAND]",
    .summary = "print this, or the options of a subcommand",
    .main = help_main,
};
