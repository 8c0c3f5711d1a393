#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/cli/command.h"
#include "src/core/text.h"
#include "src/world/launch.h"

const struct wm_command *const wm_commands[] = { &wm_command_run,     &wm_command_plan,   &wm_command_list,
                                                 &wm_command_topo,    &wm_command_doctor, &wm_command_recover,
                                                 &wm_command_compare, &wm_command_gate,   &wm_command_bless,
                                                 &wm_command_report,  &wm_command_help,   NULL };

int wm_cli_fail(const struct wm_err *err)
{
    if (err->code != WM_OK)
        wm_err_print(stderr, err);
    return wm_exit_status(err->code);
}

/* Under a launcher one rank speaks for all. */
static void be_silent(void)
{
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere < 0)
        return;
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
}

/* A launcher ends all ranks when one leaves with a failure: let rank 0 finish its sentence. */
static int leave_after_rank_0(int status)
{
    struct timespec second = { .tv_sec = 1 };
    if (status != 0)
        nanosleep(&second, NULL);
    return status;
}

static const struct wm_command *find(const char *name)
{
    for (int i = 0; wm_commands[i] != NULL; i++)
        if (strcmp(wm_commands[i]->name, name) == 0)
            return wm_commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[sizeof(wm_commands) / sizeof(*wm_commands)] = { NULL };
    char hint[128];
    struct wm_err err = { .rank = -1 };
    for (size_t i = 0; wm_commands[i] != NULL; i++)
        names[i] = wm_commands[i]->name;
    wm_fail(&err, WM_EUSAGE, "", 0, "unknown subcommand '%s'%s; wiremark help shows all", name,
            wm_did_you_mean(hint, sizeof(hint), name, names));
    return wm_cli_fail(&err);
}

/* What was printed has to have arrived; run looks itself. */
static int wrote_all(const struct wm_command *command, int status)
{
    struct wm_err err = { .rank = -1 };
    if (command != &wm_command_run && (fflush(stdout) != 0 || ferror(stdout)))
        wm_fail(&err, WM_EIO, "", 0, "the standard output could not be written");
    return wm_exit_worse(status, wm_cli_fail(&err));
}

static int dispatch(int argc, char **argv)
{
    char *help[] = { (char *)"help", NULL };
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0) {
        printf("wiremark %s%s%s%s\n%s\n", wm_version_text(), wm_version_commit()[0] ? " (" : "", wm_version_commit(),
               wm_version_commit()[0] ? ")" : "", wm_version_components());
        return 0;
    }
    if (name[0] == '\0' || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        int status = wm_command_help.main(1, help);
        return argc > 1 ? status : 2;
    }
    const struct wm_command *command = find(name);
    return command != NULL ? wrote_all(command, command->main(argc - 1, argv + 1)) : unknown(name);
}

/* Providers of libfabric (psm) handle these before main, and leave files with backtraces behind. */
static void take_signals_back(void)
{
    static const int signals[] = { SIGINT, SIGTERM };
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if (signal(signals[i], SIG_DFL) == SIG_IGN)
            signal(signals[i], SIG_IGN); /* as the parent wants it */
}

int main(int argc, char **argv)
{
    struct wm_launch launch;
    const struct wm_command *command = argc > 1 ? find(argv[1]) : NULL;
    take_signals_back();
    wm_launch_read(&launch);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk: an error, not an end */
    if (launch.rank <= 0 || (command != NULL && command->ranks))
        return dispatch(argc, argv);
    be_silent();
    return leave_after_rank_0(dispatch(argc, argv));
}
