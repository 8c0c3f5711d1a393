#include "bench/run.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/csv.h"
#include "reports/table.h"
#include "src/cli/bind.h"
#include "src/cli/command.h"
#include "src/cli/environment.h"
#include "src/cli/fabric.h"
#include "src/cli/output.h"
#include "src/cli/survey.h"
#include "src/core/units.h"
#include "src/topo/node.h"

/* A run from the command line to the exit status, on one rank. */
struct session {
    struct wm_cli_options options;
    struct wm_launch launch;
    struct wm_watch *watch;
    struct wm_world *world;
    struct wm_clock clock;
    struct wm_plan plan;
    int *host_of;
    unsigned char *gpu_ways;   /* of the plan; NULL: nobody asks */
    struct wm_bind_seat bound; /* by --bind auto */
    struct wm_survey survey;
    /* rank 0's */
    struct wm_output output;
    struct wm_journal *journal;
    struct wm_table *table;
    const char **hosts;
    _Atomic uint32_t at_hand; /* number of the comparison's first cell */
    atomic_bool finishing;    /* the document is being made of the journal: by the main thread or the watch's, once */
    const char *stopped;      /* why the run ended before its plan; NULL = it did not */
    uint64_t began_ns, told_ns;
    int ended_cells;
};

/* ---- what a finished cell goes to ---- */

static bool wants_progress(const struct session *s)
{
    const char *ci = getenv("CI");
    int64_t when = s->options.conf.progress;
    return when == WM_WHEN_ON || (when == WM_WHEN_AUTO && (ci == NULL || strcmp(ci, "true") != 0));
}

static void tell_progress(struct session *s, const struct wm_result_cell *cell)
{
    static const uint64_t every_ns = 5000000000u;
    char bytes[WM_TEXT_BYTES], time[WM_TEXT_BYTES];
    uint64_t now = wm_now_ns();
    if (!wants_progress(s) || now - s->told_ns < every_ns)
        return;
    s->told_ns = now;
    fprintf(stderr, "wiremark: %d of %d cells after %s, last %s %s\n", s->ended_cells, s->plan.n_cells,
            wm_format_ns(time, (double)(now - s->began_ns)), cell->bench,
            wm_format_bytes(bytes, (uint64_t)cell->bytes));
}

static void print_json(const struct wm_result_cell *cell)
{
    json_t *object = wm_result_cell_to_json(cell);
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    if (text != NULL)
        puts(text);
    free(text);
    json_decref(object);
}

/* Of the sweep's arms, as the table shows them. */
static int widest_arm(const struct wm_plan *plan, const struct wm_sweep *sweep)
{
    char label[256];
    int widest = 0;
    for (int a = 0; a < sweep->n_arms; a++) {
        int width = wm_table_arm_width(wm_plan_arm_label(plan, sweep, a, label, sizeof(label)));
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_cell(struct session *s, const struct wm_result_cell *cell, const struct wm_sweep *sweep, int arm,
                       const struct wm_ratio_point *ratio)
{
    char label[256];
    struct wm_table_arm of = { .to_baseline = ratio, .width = widest_arm(&s->plan, sweep) };
    switch ((enum wm_format)s->options.conf.format) {
    case WM_FORMAT_TABLE:
        of.label = wm_plan_arm_label(&s->plan, sweep, arm, label, sizeof(label));
        wm_table_cell(s->table, cell, sweep->n_arms > 1 ? &of : NULL);
        break;
    case WM_FORMAT_CSV:
        wm_csv_cell(stdout, cell);
        break;
    case WM_FORMAT_JSON:
        print_json(cell);
        break;
    case WM_FORMAT_NONE:
        break;
    }
    fflush(stdout);
}

static int take_cell(void *arg, const struct wm_result_cell *cell, const struct wm_sweep *sweep, int arm,
                     const struct wm_ratio_point *ratio, struct wm_err *err)
{
    struct session *s = arg;
    s->ended_cells++;
    if (wm_journal_cell(s->journal, cell, err) != WM_OK)
        return err->code;
    print_cell(s, cell, sweep, arm, ratio);
    tell_progress(s, cell);
    return WM_OK;
}

static int take_comparison(void *arg, const struct wm_result_comparison *comparison, bool whole, struct wm_err *err)
{
    struct session *s = arg;
    json_t *object = wm_result_comparison_to_json(comparison);
    if (object == NULL)
        return wm_fail(err, WM_ENOMEM, "json_object", 0, "comparison of %s", comparison->bench);
    if (whole)
        wm_journal_comparison(s->journal, object, err);
    else
        wm_journal_comparison_so_far(s->journal, object, err);
    json_decref(object);
    if (whole && s->table != NULL)
        wm_table_comparison(s->table, comparison);
    return err->code;
}

static void print_warning(const char *sentence)
{
    fprintf(stderr, "wiremark: warning: %s\n", sentence);
}

/* Once, also where the survey or another transport led to it before. */
static void take_warning(void *arg, const char *sentence)
{
    struct session *s = arg;
    json_t *told = s->survey.warnings;
    for (size_t i = 0; i < json_array_size(told); i++)
        if (strcmp(json_string_value(json_array_get(told, i)), sentence) == 0)
            return;
    json_array_append_new(told, wm_result_text(sentence));
    print_warning(sentence);
}

static int take_choice(void *arg, const struct wm_result_choice *choice, bool whole, struct wm_err *err)
{
    struct session *s = arg;
    if (whole && s->table != NULL)
        wm_table_choice(s->table, choice);
    if (whole)
        return WM_OK;
    json_t *object = wm_result_choice_to_json(choice);
    if (object == NULL)
        return wm_fail(err, WM_ENOMEM, "json_object", 0, "choice for %s", choice->bench);
    wm_journal_choice(s->journal, object, err);
    json_decref(object);
    return err->code;
}

/* ---- what the watch asks ---- */

static const char *cell_name(void *arg, uint32_t number)
{
    struct session *s = arg;
    static _Thread_local struct wm_result_cell cell;
    static _Thread_local char text[sizeof(cell.id) + 96];
    const struct wm_sweep *sweep;
    int size, arm, candidate;
    bool tuning = wm_plan_tuning(number, &number, &candidate);
    if (!wm_plan_cell(&s->plan, number, &sweep, &size, &arm))
        return NULL;
    wm_plan_identity(&s->plan, sweep, size, arm, &cell);
    if (!tuning)
        return cell.id;
    struct wm_arm_spec trial[WM_PLAN_TRIALS];
    char label[64] = "?";
    if (candidate < wm_plan_trials(&s->plan, &sweep->arm[arm], (size_t)cell.bytes, trial))
        wm_plan_trial_label(&sweep->arm[arm], &trial[candidate], label, sizeof(label));
    snprintf(text, sizeof(text), "%s, where %s was tried", cell.id, label);
    return text;
}

/* The cells under way when a deadline ended the run; what of them is in the journal already counts, the last line wins.
 */
static void keep_timed_out(struct session *s, const char *why)
{
    static struct wm_result_cell cell;
    const struct wm_sweep *sweep;
    struct wm_err ignored = { 0 };
    int size, arm;
    if (!wm_plan_cell(&s->plan, s->at_hand, &sweep, &size, &arm))
        return;
    for (arm = 0; arm < sweep->n_arms; arm++) {
        const struct wm_cell *planned = &sweep->cell[size * sweep->n_arms + arm];
        if (!planned->planned || planned->status != WM_NOT_RUN)
            continue;
        wm_plan_identity(&s->plan, sweep, size, arm, &cell);
        cell.status = WM_TIMEOUT;
        snprintf(cell.reason, sizeof(cell.reason), "%s", why);
        wm_journal_cell(s->journal, &cell, &ignored);
    }
}

/* Rank 0, from the watch's thread, while the run is stuck or ending: the result of what is in the journal. */
static const char *last_words(void *arg, const char *why, enum wm_watch_end by)
{
    static char words[4200];
    struct session *s = arg;
    struct wm_ending ending = { .complete = false };
    struct wm_err err = { .rank = -1 };
    if (s->journal == NULL)
        return NULL;
    if (atomic_exchange(&s->finishing, true)) { /* the run itself is at it, or done */
        snprintf(words, sizeof(words), "result in %s", s->output.path);
        return words;
    }
    if (by == WM_END_DEADLINE)
        keep_timed_out(s, why);
    wm_journal_seal(s->journal);
    if (snprintf(ending.ended_by, sizeof(ending.ended_by), "%s", why) >= (int)sizeof(ending.ended_by))
        memcpy(ending.ended_by + sizeof(ending.ended_by) - 4, "...", 4); /* a cut sentence looks cut */
    if (wm_result_finish(s->output.journal, s->output.path, &ending, true, NULL, &err) == WM_OK) {
        snprintf(words, sizeof(words), "partial result in %s", s->output.path);
    } else {
        wm_err_print(stderr, &err);
        snprintf(words, sizeof(words), "what was measured stands in %s: wiremark recover", s->output.journal);
    }
    return words;
}

/* ---- the steps of a run; each is agreed by all ranks ---- */

static int agree(struct session *s, struct wm_err *err)
{
    return wm_world_agree(s->world, WM_SPIN, err);
}

static int start(struct session *s, int *argc, char ***argv, struct wm_err *err)
{
    struct wm_watch_conf conf = { .open_timeout_ns = s->options.conf.open_timeout_ns,
                                  .timeout_ns = s->options.conf.timeout_ns };
    if (conf.open_timeout_ns == 0) /* the options could not be read: said after MPI_Init, by one rank */
        conf = (struct wm_watch_conf){ .open_timeout_ns = 300000000000u, .timeout_ns = 60000000000u };
    if (wm_watch_start(&s->launch, &conf, &s->watch, err) != WM_OK)
        return err->code;
    return wm_world_open(argc, argv, &s->launch, &s->world, err);
}

/* Of the GPU that has the least, on all ranks; 0: none is used, or nothing is known. */
static int least_free(struct session *s, uint64_t *bytes, struct wm_err *err)
{
    struct wm_cuda_gpu gpu;
    struct wm_err ignored = { .rank = -1 };
    size_t here = 0;
    if (wm_cli_gpu(&s->options, &gpu))
        wm_cuda_free_bytes(gpu.index, &here, &ignored);
    uint64_t taken = here > 0 ? UINT64_MAX - here : 0;
    if (wm_world_max(s->world, &taken, 1, WM_SPIN, err) == WM_OK)
        *bytes = taken > 0 ? UINT64_MAX - taken : 0;
    return err->code;
}

static int make_plan(struct session *s, struct wm_err *err)
{
    uint64_t free_bytes = 0;
    s->host_of = calloc((size_t)s->world->size, sizeof(*s->host_of));
    if (s->host_of == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "hosts of %d ranks", s->world->size);
    for (int r = 0; r < s->world->size; r++)
        s->host_of[r] = s->world->places[r].host_index;
    if (wm_cli_gpu_ways(&s->options, s->world, &s->gpu_ways, err) != WM_OK || least_free(s, &free_bytes, err) != WM_OK)
        return err->code;
    struct wm_plan_request request = {
        .conf = &s->options.conf,
        .groups = s->options.group,
        .n_groups = s->options.n_groups,
        .benchmarks = wm_benchmarks,
        .words = s->options.words,
        .n_words = s->options.n_words,
        .transport = s->options.transport,
        .n_transports = s->options.n_transports,
        .memory = s->options.memory,
        .n_memories = s->options.n_memories,
        .host_of = s->host_of,
        .gpu_ways = s->gpu_ways,
        .ranks = s->world->size,
        .hosts = s->world->hosts,
        .cache_bytes = wm_node_cache_bytes(),
        .free_bytes = free_bytes,
    };
    return wm_plan_make(&request, &s->plan, err);
}

static int plan_journal(struct session *s, struct wm_err *err)
{
    struct wm_result_cell *stub = malloc(sizeof(*stub));
    if (stub == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "a cell");
    for (int i = 0; i < s->plan.n_sweeps && err->code == WM_OK; i++) {
        const struct wm_sweep *sweep = &s->plan.sweep[i];
        for (int k = 0; k < sweep->n_sizes * sweep->n_arms && err->code == WM_OK; k++)
            if (sweep->cell[k].planned) {
                wm_plan_identity(&s->plan, sweep, k / sweep->n_arms, k % sweep->n_arms, stub);
                wm_journal_plan(s->journal, stub, err);
            }
    }
    free(stub);
    return err->code;
}

/* Cards that --nic named, for the result. */
static int gather_nics(struct session *s, struct wm_err *err)
{
    char mine[WM_NIC_BYTES];
    snprintf(mine, sizeof(mine), "%s", wm_cli_nic(&s->options));
    if (s->world->rank == 0 && (s->survey.nic = calloc((size_t)s->world->size, sizeof(*s->survey.nic))) == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "cards of %d ranks", s->world->size);
    if (agree(s, err) != WM_OK)
        return err->code;
    return wm_world_gather(s->world, mine, sizeof(mine), s->survey.nic, WM_SLEEP, err);
}

/* Rank 0: on which GPU each rank's memory is, as far as its node's topology shows that one. */
static int seat_on_gpus(struct session *s, struct wm_err *err)
{
    enum { ADDRESS = sizeof(((struct wm_cuda_gpu *)0)->address) };
    struct wm_cuda_gpu gpu = { .address = "" };
    char(*address)[ADDRESS] = s->world->rank == 0 ? calloc((size_t)s->world->size, sizeof(*address)) : NULL;
    if (s->world->rank == 0 && address == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "GPUs of %d ranks", s->world->size);
    if (!wm_cli_gpu(&s->options, &gpu))
        gpu.address[0] = '\0';
    if (agree(s, err) == WM_OK)
        wm_world_gather(s->world, gpu.address, ADDRESS, address, WM_SLEEP, err);
    for (int r = 0; s->world->rank == 0 && r < s->world->size && err->code == WM_OK; r++)
        s->survey.seat[r].gpu = wm_topo_find_gpu(s->survey.seat[r].topo, address[r]);
    free(address);
    return err->code;
}

/* What the machines are made of, and whether the ranks sit well there. */
static int look_around(struct session *s, struct wm_err *err)
{
    bool bound = s->options.conf.bind == WM_BINDING_AUTO;
    if (wm_survey(s->world, NULL, bound ? &s->bound : NULL, &s->survey, err) != WM_OK)
        return err->code;
    if (s->options.conf.nics.n > 0 && gather_nics(s, err) != WM_OK)
        return err->code;
    if (seat_on_gpus(s, err) != WM_OK)
        return err->code;
    for (size_t i = 0; i < json_array_size(s->survey.warnings); i++)
        print_warning(json_string_value(json_array_get(s->survey.warnings, i)));
    return WM_OK;
}

static int open_journal(struct session *s, int argc, char **argv, struct wm_err *err)
{
    json_t *head = wm_environment_head(argc, argv, &s->options.conf, s->world, s->clock, &s->survey);
    if (head == NULL)
        return wm_fail(err, WM_ENOMEM, "json_pack", 0, "head of the result");
    if (wm_journal_open(s->output.journal, head, &s->journal, err) == WM_OK && plan_journal(s, err) == WM_OK)
        wm_output_set_aside(&s->output, err);
    json_decref(head);
    return err->code;
}

static int open_table(struct session *s, struct wm_err *err)
{
    s->hosts = calloc((size_t)s->world->size, sizeof(*s->hosts));
    if (s->hosts == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "names of hosts");
    for (int r = 0; r < s->world->size; r++)
        s->hosts[r] = s->world->places[r].host;
    struct wm_table_world world = { .hosts = s->hosts, .n = s->world->size };
    if (s->options.conf.format == WM_FORMAT_TABLE)
        return wm_table_open(stdout, s->options.conf.color != 0, &world, &s->table, err);
    if (s->options.conf.format == WM_FORMAT_CSV)
        wm_csv_header(stdout);
    return WM_OK;
}

static int open_outputs(struct session *s, int argc, char **argv, struct wm_err *err)
{
    if (s->world->rank == 0 &&
        wm_output_choose(s->options.conf.output, s->options.conf.force, &s->output, err) == WM_OK) {
        s->clock = wm_clock_measure();
        if (open_journal(s, argc, argv, err) == WM_OK)
            open_table(s, err);
    }
    if (agree(s, err) != WM_OK)
        return err->code;
    return wm_world_bcast(s->world, 0, &s->clock, sizeof(s->clock), WM_SPIN, err);
}

static int measure(struct session *s, const char **stopped, struct wm_err *err)
{
    struct wm_sink sink = {
        .cell = take_cell, .comparison = take_comparison, .choice = take_choice, .warning = take_warning, .arg = s
    };
    struct wm_run_request request = {
        .world = s->world,
        .watch = s->watch,
        .plan = &s->plan,
        .clock = s->clock,
        .sink = &sink,
        .seats = s->survey.seat,
        .at_hand = &s->at_hand,
    };
    struct wm_watch_conf inform = {
        .open_timeout_ns = s->options.conf.open_timeout_ns,
        .timeout_ns = s->options.conf.timeout_ns,
        .cell_name = cell_name,
        .last_words = s->world->rank == 0 ? last_words : NULL,
        .arg = s,
    };
    wm_watch_inform(s->watch, &inform);
    s->at_hand = UINT32_MAX;
    s->began_ns = s->told_ns = wm_now_ns();
    return wm_run(&request, stopped, err);
}

/* Rank 0: the document, whatever the run came to. */
static int finish(struct session *s, const struct wm_err *ran, struct wm_err *err)
{
    struct wm_ending ending = { .complete = ran->code == WM_OK && s->stopped == NULL, .ended_by = "finished" };
    wm_table_end(s->table);
    s->table = NULL;
    if (s->journal == NULL)
        return WM_OK;
    if (ran->code != WM_OK || s->stopped != NULL)
        snprintf(ending.ended_by, sizeof(ending.ended_by), "%.390s", ran->code != WM_OK ? ran->what : s->stopped);
    if (atomic_exchange(&s->finishing, true)) /* the watch is at it, and ends the process then */
        for (;;)
            pause();
    wm_journal_seal(s->journal);
    if (wm_result_finish(s->output.journal, s->output.path, &ending, true, NULL, err) == WM_OK && ran->code == WM_OK &&
        wants_progress(s))
        fprintf(stderr, "wiremark: result in %s\n", s->output.path);
    return err->code;
}

/* The status that all ranks return: rank 0 knows what became of the cells and of the files. */
static int settle(struct session *s, const struct wm_err *ran, struct wm_err *err)
{
    uint64_t status = (uint64_t)wm_exit_status(ran->code);
    if (s->world->rank == 0) {
        int of_files = wm_exit_status((enum wm_code)finish(s, ran, err));
        if (ferror(stdout) || fflush(stdout) != 0)
            wm_fail(err, WM_EIO, "", 0, "the standard output could not be written; the result is in %s",
                    s->output.path);
        of_files = wm_exit_worse(of_files, wm_exit_status(err->code));
        status = (uint64_t)wm_exit_worse(of_files, wm_run_status(&s->plan));
        if (ran->code != WM_OK)
            status = (uint64_t)wm_exit_worse((int)status, wm_exit_status(ran->code));
        wm_cli_fail(ran);
        wm_cli_fail(err);
        if (s->output.journal != NULL && access(s->output.journal, F_OK) == 0)
            fprintf(stderr, "wiremark: what was measured stands in %s: wiremark recover\n", s->output.journal);
    }
    struct wm_err lost = { .rank = -1 };
    return wm_world_max(s->world, &status, 1, WM_SPIN, &lost) == WM_OK ? (int)status : wm_exit_status(lost.code);
}

/* An error that all ranks know: rank 0 says it, nobody leaves before. */
static int refuse(struct session *s, struct wm_err *err)
{
    struct wm_err ignored = { 0 };
    if (err->code == WM_EUSAGE || err->code == WM_EABSENT)
        err->rank = -1; /* the user's words are the same everywhere; what is one host's says its name */
    if (s->world->rank == 0) {
        wm_cli_fail(err);
        fflush(stderr);
        if (s->journal != NULL) {
            wm_journal_close(s->journal);
            s->journal = NULL;
            unlink(s->output.journal);
        }
    }
    wm_world_barrier(s->world, WM_SPIN, &ignored);
    return wm_exit_status(err->code);
}

static int print_help(const struct session *s)
{
    if (s->world->rank == 0) {
        printf("usage: mpirun -n N wiremark run [BENCHMARK...] [options]\n\n");
        wm_cli_options_print(false, stdout, WM_HELP_TEXT);
        fflush(stdout);
    }
    return 0;
}

static int run_together(struct session *s, int argc, char **argv, const struct wm_err *parsed)
{
    struct wm_err err = *parsed, ran = { .rank = -1 }, files = { .rank = -1 };
    if (err.code == WM_OK && s->options.conf.help)
        return print_help(s);
    if (agree(s, &err) != WM_OK)
        return refuse(s, &err);
    if (wm_cli_same_choice(&s->options, s->world, &err) != WM_OK)
        return refuse(s, &err);
    make_plan(s, &err);
    if (agree(s, &err) != WM_OK)
        return refuse(s, &err);
    if (wm_run_check(s->world, &s->plan, &err) != WM_OK || wm_watch_connect(s->watch, s->world, &err) != WM_OK ||
        look_around(s, &err) != WM_OK || open_outputs(s, argc, argv, &err) != WM_OK)
        return refuse(s, &err);
    measure(s, &s->stopped, &ran);
    bool together = ran.code == WM_OK || ran.code == WM_EIO || ran.code == WM_ENOMEM;
    if (together)
        return settle(s, &ran, &files);
    /* The ranks cannot talk any more: save what there is and end them all. */
    if (s->world->rank == 0)
        finish(s, &ran, &files);
    wm_cli_fail(&ran);
    wm_world_abort(s->world, wm_exit_status(ran.code));
}

static void close_session(struct session *s)
{
    wm_table_end(s->table);
    if (s->journal != NULL)
        wm_journal_close(s->journal);
    wm_survey_free(&s->survey);
    wm_plan_free(&s->plan);
    wm_output_free(&s->output);
    wm_cli_options_free(&s->options);
    free(s->host_of);
    free(s->gpu_ways);
    free(s->hosts);
}

static int run_main(int argc, char **argv)
{
    static struct session s; /* the watch's thread may look at it until the process ends */
    struct wm_err parsed = { .rank = -1 }, err = { .rank = -1 };
    wm_launch_read(&s.launch);
    wm_cli_options_parse(&s.options, false, argc, argv, &parsed);
    if (parsed.code == WM_OK && !s.options.conf.help)
        wm_cli_here(&s.options, &s.launch, &parsed);
    if (parsed.code == WM_OK && !s.options.conf.help)
        wm_cli_use_memory(&s.options, &s.launch, &parsed);
    if (parsed.code == WM_OK && s.options.conf.bind == WM_BINDING_AUTO)
        wm_cli_bind(&s.launch, &s.bound, &parsed);
    if (start(&s, &argc, &argv, &err) != WM_OK) {
        wm_watch_stop(s.watch);
        return s.launch.rank <= 0 ? wm_cli_fail(&err) : wm_exit_status(err.code);
    }
    int status = run_together(&s, argc, argv, &parsed);
    if (status != 0) { /* a launcher ends the others when the first has left with it: all is said and written already */
        signal(SIGTERM, SIG_IGN);
        wm_watch_stop(s.watch);
        s.watch = NULL;
    }
    wm_world_close(s.world);
    wm_watch_stop(s.watch);
    close_session(&s);
    return status;
}

const struct wm_command wm_command_run = {
    .name = "run",
    .arguments = "[BENCHMARK...]",
    .summary = "measure; started by mpirun on every rank",
    .ranks = true,
    .main = run_main,
};
