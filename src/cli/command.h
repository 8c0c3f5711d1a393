/** Subcommands: a row and a file each. */
#ifndef WM_CLI_COMMAND_H
#define WM_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/conf.h"
#include "bench/plan.h"

struct wm_command {
    const char *name, *arguments, *summary;
    bool ranks; /* all ranks take part, through MPI where there is a launcher; of the others only rank 0 speaks */
    /* argv[0] is the subcommand's name. Returns the exit status. */
    int (*main)(int argc, char **argv);
    /* Prints its options; NULL = none. */
    void (*options)(FILE *to, enum wm_option_format format);
};

extern const struct wm_command wm_command_run, wm_command_plan, wm_command_list, wm_command_topo, wm_command_doctor,
    wm_command_recover, wm_command_compare, wm_command_gate, wm_command_bless, wm_command_report, wm_command_help;
extern const struct wm_command *const wm_commands[]; /* ended by NULL */

/** The table of benchmarks, ended by NULL. */
extern const struct wm_benchmark *const wm_benchmarks[];

const char *wm_version_text(void);       /* "0.1.0" */
const char *wm_version_commit(void);     /* "" where not known */
const char *wm_version_components(void); /* what make found */

/** The options of `run` and `plan` with the defaults filled in: the groups, their confs and the transports chosen. */
struct wm_cli_options {
    struct wm_run_conf conf;
    struct wm_option_group group[24];
    int n_groups;
    void *own[16]; /* confs of the transports, by registry row */
    char title[16][32];
    void *own_of_memory[8]; /* confs of the kinds of memory, by registry row */
    char title_of_memory[8][32];
    char **words; /* benchmarks */
    int n_words;
    struct wm_plan_transport transport[WM_PLAN_TRANSPORTS];
    int n_transports;
    struct wm_plan_memory memory[WM_PLAN_MEMORIES];
    int n_memories;
    void *copy[WM_PLAN_TRANSPORTS]; /* confs with another provider than the user's; NULL where there is none */
};

/**
 * Local and silent; asks nothing of this machine. Where --fabric chooses the transport it is the first that is built
 * in: wm_cli_here() (src/cli/fabric.h) looks which can be used. @return WM_OK, WM_EUSAGE, WM_EABSENT (a transport that
 * is not built in), WM_ENOMEM
 */
int wm_cli_options_parse(struct wm_cli_options *o, bool with_plan, int argc, char **argv, struct wm_err *err);
void wm_cli_options_free(struct wm_cli_options *o);
void wm_cli_options_print(bool with_plan, FILE *to, enum wm_option_format format);

/**
 * Fills o->memory from --mem (src/cli/memory.c); asks nothing of this machine.
 * @return WM_OK; WM_EUSAGE: unknown, named twice, two devices that cannot meet, options of a kind that is not used;
 *         WM_EABSENT: not built in
 */
int wm_cli_choose_memory(struct wm_cli_options *o, struct wm_err *err);

/** Before MPI starts: this rank's GPU, and whether all of the memory can be used. WM_EABSENT with the reason. */
struct wm_launch;
int wm_cli_use_memory(const struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err);

/** Prints err unless it is empty; returns its exit status. */
int wm_cli_fail(const struct wm_err *err);

#endif
