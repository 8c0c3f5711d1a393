#include <stdlib.h>
#include <string.h>

#include "reports/hosts.h"
#include "reports/topology.h"
#include "src/cli/command.h"
#include "src/cli/subject.h"
#include "src/cli/survey.h"
#include "src/cli/together.h"
#include "src/result/result.h"
#include "src/result/topology.h"

#define ANY_CPU "0-1023" /* where it is not known what the cgroup allows */

enum form { FORM_TEXT, FORM_JSON, FORM_DOT };
static const char *const forms[] = { "text", "json", "dot", NULL };

struct conf {
    struct wm_cli_subject subject;
    int64_t ranks, form;
    bool gids, help;
};

#define AT(field) .offset = offsetof(struct conf, field)
static const struct wm_option rows[] = {
    { .name = "gids", .type = WM_OPT_FLAG, AT(gids), .help = "the scored table of RDMA addresses, and nothing else" },
    { .name = "ranks",
      .arg = "N",
      .type = WM_OPT_INT,
      AT(ranks),
      .max = 4096,
      .help = "without a launcher: show also where N ranks of this node would sit, and the ways between them" },
    { .name = "format",
      .arg = "NAME",
      .type = WM_OPT_CHOICE,
      AT(form),
      .names = forms,
      .fallback = "text",
      .help = "dot is for graphviz" },
    { .name = "help", .type = WM_OPT_FLAG, AT(help), .help = "print this" },
    { 0 },
};

enum { GROUPS = 2 };

static void set_groups(struct wm_option_group *group, struct conf *conf)
{
    group[0] = (struct wm_option_group)WM_CLI_SUBJECT_GROUP(&conf->subject);
    group[1] = (struct wm_option_group){ .title = "Options of topo", .rows = rows, .conf = conf };
}

static void print_options(FILE *to, enum wm_option_format format)
{
    struct conf conf = { 0 };
    struct wm_option_group group[GROUPS];
    set_groups(group, &conf);
    wm_options_print(to, group, GROUPS, format);
}

static int parse(struct wm_option_group *group, int argc, char **argv, struct wm_err *err)
{
    const struct conf *conf = group[1].conf;
    char **words;
    int n_words;
    if (wm_options_parse(group, GROUPS, argc, argv, &words, &n_words, err) != WM_OK)
        return err->code;
    if (n_words > 0)
        wm_fail(err, WM_EUSAGE, "", 0, "topo takes options only, and was given '%s'", words[0]);
    else if (conf->gids && conf->form != FORM_TEXT)
        wm_fail(err, WM_EUSAGE, "", 0, "--gids is a table for people: --format json holds the addresses anyway");
    else if (conf->ranks > 0 && (conf->gids || conf->form != FORM_TEXT))
        wm_fail(err, WM_EUSAGE, "", 0, "--ranks adds to the text: it goes neither with --gids nor with --format %s",
                forms[conf->form]);
    free(words);
    return err->code;
}

/* ---- one machine ---- */

/* The topology as discovered, with what differs between equal nodes, as a survey of one host. */
static json_t *as_survey(const struct wm_topo *topo)
{
    return json_pack("{s:[o]}", "kinds", wm_topology_to_json(topo, false));
}

/* reports/schema/wiremark-topology-1.schema.json; takes the topology over. */
static int print_json(json_t *topology, struct wm_err *err)
{
    json_t *document = json_pack("{s:s}", "schema", "wiremark-topology/1");
    if (document == NULL || topology == NULL || json_object_update(document, topology) != 0)
        wm_fail(err, WM_ENOMEM, "json_pack", 0, "the topology");
    else if (json_dumpf(document, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) != 0 || putchar('\n') == EOF)
        wm_fail(err, WM_EIO, "", 0, "the standard output could not be written");
    json_decref(document);
    return err->code;
}

/* Seat of one of a node's ranks by the recommendation. */
static int recommend(const struct wm_topo *topo, const char *allowed, int local, int locals, struct wm_bind_seat *seat,
                     struct wm_topology_rank *out, struct wm_err *err)
{
    wm_bind_recommend(topo, allowed, local, locals, seat, err);
    out->cpus = seat->cpus;
    out->seat.topo = topo;
    out->seat.gpu = seat->gpu;
    out->seat.nic = seat->nic;
    out->seat.numa = seat->numa;
    return err->code;
}

static int show_ranks_of_one(const struct wm_topo *topo, bool here, int n, struct wm_err *err)
{
    char allowed[WM_CPUS_TEXT] = ANY_CPU;
    struct wm_topology_rank *rank = calloc((size_t)n, sizeof(*rank));
    struct wm_bind_seat *seat = calloc((size_t)n, sizeof(*seat));
    if (rank == NULL || seat == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d ranks", n);
    else if (here)
        wm_bind_allowed(allowed, sizeof(allowed), err);
    for (int r = 0; r < n && err->code == WM_OK; r++) {
        rank[r].host = "here";
        recommend(topo, allowed, r, n, &seat[r], &rank[r], err);
    }
    if (err->code == WM_OK)
        wm_topology_ranks(stdout, rank, n);
    free(rank);
    free(seat);
    return err->code;
}

static int show_one(const struct conf *conf, struct wm_err *err)
{
    struct wm_topo_request request = wm_cli_subject_request(&conf->subject);
    struct wm_topo topo = { 0 };
    if (wm_topo_discover(&request, &topo, err) != WM_OK) {
        wm_topo_free(&topo);
        return err->code;
    }
    if (conf->gids)
        wm_topology_gids(stdout, &topo);
    else if (conf->form == FORM_DOT)
        wm_topology_dot(stdout, &topo, topo.machine[0] != '\0' ? topo.machine : "node");
    else if (conf->form == FORM_JSON) {
        json_t *topology = as_survey(&topo);
        print_json(topology, err);
        json_decref(topology);
    } else {
        wm_topology_text(stdout, &topo);
        if (conf->ranks > 0)
            show_ranks_of_one(&topo, wm_cli_subject_is_here(&conf->subject), (int)conf->ranks, err);
    }
    wm_topo_free(&topo);
    return err->code;
}

/* ---- all nodes of a launch; rank 0 prints ---- */

/* Hosts of a kind, shortened: "h[1-3,7]". */
static void names_of(const struct wm_survey *survey, int kind, char *text, size_t bytes)
{
    json_t *hosts = json_object_get(json_array_get(json_object_get(survey->topology, "kinds"), (size_t)kind), "hosts");
    const char **name = calloc(json_array_size(hosts) + 1, sizeof(*name));
    text[0] = '\0';
    for (size_t i = 0; name != NULL && i < json_array_size(hosts); i++)
        name[i] = json_string_value(json_array_get(hosts, i));
    if (name != NULL)
        wm_hosts_text(name, (int)json_array_size(hosts), text, bytes);
    free(name);
}

static int locals_on(const struct wm_world *world, int host)
{
    int n = 0;
    for (int r = 0; r < world->size; r++)
        n += world->places[r].host_index == host;
    return n;
}

static int show_ranks(const struct wm_world *world, const struct wm_survey *survey, char (*allowed)[WM_CPUS_TEXT],
                      struct wm_err *err)
{
    struct wm_topology_rank *rank = calloc((size_t)world->size, sizeof(*rank));
    struct wm_bind_seat *seat = calloc((size_t)world->size, sizeof(*seat));
    if (rank == NULL || seat == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d ranks", world->size);
    for (int r = 0; r < world->size && err->code == WM_OK; r++) {
        const struct wm_place *p = &world->places[r];
        rank[r].host = p->host;
        rank[r].seat.host = p->host_index;
        recommend(survey->seat[r].topo, allowed[r], p->local_rank, locals_on(world, p->host_index), &seat[r], &rank[r],
                  err);
    }
    if (err->code == WM_OK)
        wm_topology_ranks(stdout, rank, world->size);
    free(rank);
    free(seat);
    return err->code;
}

static int show_all(const struct conf *conf, const struct wm_world *world, const struct wm_survey *survey,
                    char (*allowed)[WM_CPUS_TEXT], struct wm_err *err)
{
    char hosts[1000] = "";
    if (conf->form == FORM_JSON)
        return print_json(survey->topology, err);
    for (int k = 0; k < survey->n_kinds; k++) {
        names_of(survey, k, hosts, sizeof(hosts));
        if (conf->form == FORM_DOT) {
            wm_topology_dot(stdout, &survey->kind[k], hosts);
            continue;
        }
        printf("%s%s\n", k > 0 ? "\n" : "", hosts);
        wm_topology_text(stdout, &survey->kind[k]);
    }
    return conf->form == FORM_TEXT ? show_ranks(world, survey, allowed, err) : WM_OK;
}

/* What each rank's cgroup lets it use, on rank 0, to be freed; of a recorded machine all. Collective. */
static int ask_allowed(const struct conf *conf, const struct wm_world *world, char (**all)[WM_CPUS_TEXT],
                       struct wm_err *err)
{
    char mine[WM_CPUS_TEXT] = ANY_CPU;
    *all = world->rank == 0 ? calloc((size_t)world->size, sizeof(**all)) : NULL;
    if (world->rank == 0 && *all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "processors of %d ranks", world->size);
    else if (wm_cli_subject_is_here(&conf->subject))
        wm_bind_allowed(mine, sizeof(mine), err);
    if (wm_world_agree(world, WM_SLEEP, err) != WM_OK)
        return err->code;
    return wm_world_gather(world, mine, sizeof(mine), *all, WM_SLEEP, err);
}

static int work(void *arg, const struct wm_world *world, struct wm_err *err)
{
    const struct conf *conf = arg;
    struct wm_topo_request request = wm_cli_subject_request(&conf->subject);
    struct wm_survey survey;
    char(*allowed)[WM_CPUS_TEXT] = NULL;
    if (conf->help) {
        if (world->rank == 0)
            print_options(stdout, WM_HELP_TEXT);
        return 0;
    }
    if (conf->gids)
        wm_fail(err, WM_EUSAGE, "", 0, "--gids shows one node's addresses: run it without a launcher there");
    else if (conf->ranks > 0)
        wm_fail(err, WM_EUSAGE, "", 0, "--ranks is for one node without a launcher: here are the ranks of the launch");
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK && ask_allowed(conf, world, &allowed, err) == WM_OK &&
        wm_survey(world, &request, NULL, &survey, err) == WM_OK) {
        if (world->rank == 0)
            show_all(conf, world, &survey, allowed, err);
        wm_survey_free(&survey);
    }
    free(allowed);
    return 0;
}

static int topo_main(int argc, char **argv)
{
    struct conf conf = { 0 };
    struct wm_option_group group[GROUPS];
    struct wm_err err = { .rank = -1 };
    struct wm_launch launch;
    int status;
    wm_launch_read(&launch);
    set_groups(group, &conf);
    parse(group, argc, argv, &err);
    if (launch.launched) {
        status = wm_cli_together(&launch, &argc, &argv, conf.subject.timeout_ns, work, &conf, &err);
    } else {
        if (err.code == WM_OK && conf.help)
            print_options(stdout, WM_HELP_TEXT);
        else if (err.code == WM_OK)
            show_one(&conf, &err);
        status = wm_cli_fail(&err);
    }
    wm_options_free(group, GROUPS);
    return status;
}

const struct wm_command wm_command_topo = {
    .name = "topo",
    .arguments = "[options]",
    .summary = "what this machine is made of: GPUs, cards, links, distances; under mpirun: all nodes, and the ways "
               "between ranks",
    .ranks = true,
    .main = topo_main,
    .options = print_options,
};
