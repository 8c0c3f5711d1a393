#include <stdlib.h>
#include <string.h>

#include "src/cli/command.h"
#include "src/core/units.h"
#include "src/topo/node.h"

/* Its own; run's options are plan's too. */
static void options(FILE *to, enum wm_option_format format)
{
    struct wm_option_group group = { .title = "Options of plan, beside those of run", .rows = wm_conf_plan };
    wm_options_print(to, &group, 1, format);
}

/* Among what is chosen before cells; chunks as at the largest size. */
static void print_trials(const struct wm_plan *plan, const struct wm_arm_spec *spec, size_t bytes)
{
    struct wm_arm_spec trial[WM_PLAN_TRIALS];
    int n = wm_plan_trials(plan, spec, bytes, trial);
    if (n > 1 && spec->algo != &wm_algorithm_auto)
        printf("  (tries %d pairs of chunk and slots for each class of sizes)", n);
    for (int i = 0; n > 1 && spec->algo == &wm_algorithm_auto && i < n; i++)
        printf("%s%s%s",
               i == 0      ? "  (tries "
               : i + 1 < n ? ", "
                           : " and ",
               trial[i].algo->name, i + 1 < n ? "" : " before each cell)");
}

static void print_sweep(const struct wm_plan *plan, const struct wm_sweep *sweep)
{
    char first[WM_TEXT_BYTES] = "-", last[WM_TEXT_BYTES] = "-", label[256];
    for (int a = 0; a < sweep->n_arms; a++) {
        int cells = 0, left_out = 0, largest = -1;
        for (int s = 0; s < sweep->n_sizes; s++) {
            const struct wm_cell *cell = &sweep->cell[s * sweep->n_arms + a];
            left_out += !cell->planned;
            if (!cell->planned)
                continue;
            wm_format_bytes(cells++ == 0 ? first : last, cell->bytes);
            largest = s;
        }
        if (cells == 1)
            memcpy(last, first, sizeof(last));
        printf("%-15s %5d  %8s  %8s  %s", sweep->bench->name, cells, first, last, sweep->arm[a].algo->name);
        print_trials(plan, &sweep->arm[a], largest >= 0 ? sweep->cell[largest * sweep->n_arms + a].bytes : 0);
        if (sweep->n_arms > 1)
            printf("  %s", wm_plan_arm_label(plan, sweep, a, label, sizeof(label)));
        if (sweep->arm[a].round_number > 0)
            printf("  round %d", sweep->arm[a].round_number);
        if (largest >= 0 && sweep->cell[largest * sweep->n_arms + a].window < sweep->arm[a].window)
            printf("  (window down to %d by --max-inflight)", sweep->cell[largest * sweep->n_arms + a].window);
        if (left_out > 0)
            printf("  (%d sizes left out: less than an element for each place, or equal to another)", left_out);
        printf("\n");
    }
}

/* The largest rank's and the largest host's. */
static int largest_needs(const struct wm_plan *plan, uint64_t *a_rank, uint64_t *a_host, struct wm_err *err)
{
    uint64_t host = 0, bytes;
    *a_rank = *a_host = 0;
    for (int r = 0; r < plan->ranks; r++) {
        if (wm_plan_host_bytes(plan, r, &bytes, err) != WM_OK)
            return err->code;
        host = (r > 0 && plan->host_of[r] == plan->host_of[r - 1] ? host : 0) + bytes;
        *a_rank = bytes > *a_rank ? bytes : *a_rank;
        *a_host = host > *a_host ? host : *a_host;
    }
    return WM_OK;
}

static int print_plan(const struct wm_plan *plan, struct wm_err *err)
{
    char text[WM_TEXT_BYTES], all[WM_TEXT_BYTES];
    uint64_t a_rank, a_host;
    if (largest_needs(plan, &a_rank, &a_host, err) != WM_OK)
        return err->code;
    printf("%-15s %5s  %8s  %8s  %s\n", "benchmark", "cells", "from", "to", "algorithm");
    for (int i = 0; i < plan->n_sweeps; i++)
        print_sweep(plan, &plan->sweep[i]);
    printf("\n%d cell%s for %d rank%s on %d host%s\n", plan->n_cells, plan->n_cells == 1 ? "" : "s", plan->ranks,
           plan->ranks == 1 ? "" : "s", plan->hosts, plan->hosts == 1 ? "" : "s");
    printf("buffers: up to %s a rank, %s a host (%d ranks)\n", wm_format_memory(text, a_rank),
           wm_format_memory(all, a_host), (plan->ranks + plan->hosts - 1) / plan->hosts);
    printf(
        "time: at most about %s by --cell-time; where an operation takes longer than a twelfth of it, 12 operations\n",
        wm_format_ns(text, (double)wm_plan_time_ns(plan)));
    return WM_OK;
}

static int make_and_print(struct wm_cli_options *o, struct wm_err *err)
{
    struct wm_plan plan;
    int ranks = (int)o->conf.ranks, hosts = (int)o->conf.hosts;
    if (hosts > ranks)
        return wm_fail(err, WM_EUSAGE, "", 0, "--hosts %d: there are only %d ranks", hosts, ranks);
    int *host_of = calloc((size_t)ranks, sizeof(*host_of));
    if (host_of == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d ranks", ranks);
    for (int r = 0; r < ranks; r++)
        host_of[r] = (int)((int64_t)r * hosts / ranks);
    struct wm_plan_request request = {
        .conf = &o->conf,
        .groups = o->group,
        .n_groups = o->n_groups,
        .benchmarks = wm_benchmarks,
        .words = o->words,
        .n_words = o->n_words,
        .transport = o->transport,
        .n_transports = o->n_transports,
        .memory = o->memory,
        .n_memories = o->n_memories,
        .host_of = host_of,
        .ranks = ranks,
        .hosts = hosts,
        .cache_bytes = wm_node_cache_bytes(),
    };
    if (wm_plan_make(&request, &plan, err) == WM_OK) {
        print_plan(&plan, err);
        wm_plan_free(&plan);
    }
    free(host_of);
    return err->code;
}

static int plan_main(int argc, char **argv)
{
    struct wm_cli_options o;
    struct wm_err err = { .rank = -1 };
    if (wm_cli_options_parse(&o, true, argc, argv, &err) == WM_OK) {
        if (o.conf.help) {
            printf("usage: wiremark plan [BENCHMARK...] [options of run] [--ranks N] [--hosts M]\n\n");
            wm_cli_options_print(true, stdout, WM_HELP_TEXT);
        } else {
            make_and_print(&o, &err);
        }
    }
    wm_cli_options_free(&o);
    return wm_cli_fail(&err);
}

const struct wm_command wm_command_plan = {
    .name = "plan",
    .arguments = "[BENCHMARK...]",
    .summary = "what run would measure: cells, memory, longest time; measures nothing",
    .main = plan_main,
    .options = options,
};
