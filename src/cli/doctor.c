/** `wiremark doctor`: one rank a node looks, rank 0 puts the nodes together. */
#include <dlfcn.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "reports/doctor.h"
#include "src/cli/command.h"
#include "src/cli/subject.h"
#include "src/cli/together.h"
#include "src/core/text.h"
#include "src/doctor/doctor.h"

struct conf {
    struct wm_cli_subject subject;
    struct wm_text_list check;
    bool all, json, list, help;
};

#define AT(field) .offset = offsetof(struct conf, field)
static const struct wm_option rows[] = {
    { .name = "check", .arg = "ID[,ID...]", .type = WM_OPT_TEXTS, AT(check), .help = "these checks only" },
    { .name = "all",
      .type = WM_OPT_FLAG,
      AT(all),
      .help = "show also what is ok, not applicable, or unknown without being required" },
    { .name = "json", .type = WM_OPT_FLAG, AT(json), .help = "all findings as JSON" },
    { .name = "list",
      .type = WM_OPT_FLAG,
      AT(list),
      .help = "what each check reads, why, and the mend; looks at nothing" },
    { .name = "help", .type = WM_OPT_FLAG, AT(help), .help = "print this" },
    { 0 },
};

enum { GROUPS = 2 };

static void set_groups(struct wm_option_group *group, struct conf *conf)
{
    group[0] = (struct wm_option_group)WM_CLI_SUBJECT_GROUP(&conf->subject);
    group[1] = (struct wm_option_group){ .title = "Options of doctor", .rows = rows, .conf = conf };
}

static void options(FILE *to, enum wm_option_format format)
{
    struct conf conf = { 0 };
    struct wm_option_group group[GROUPS];
    set_groups(group, &conf);
    wm_options_print(to, group, GROUPS, format);
}

/* ---- which checks */

struct chosen {
    const struct wm_check **check;
    int n;
};

static int unknown_check(const char *id, struct wm_err *err)
{
    const char **ids = calloc((size_t)wm_checks_count() + 1, sizeof(*ids));
    char hint[128];
    if (ids == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "names of the checks");
    for (int i = 0; i < wm_checks_count(); i++)
        ids[i] = wm_check_at(i)->id;
    wm_fail(err, WM_EUSAGE, "", 0, "--check: there is no check '%s'%s; wiremark doctor --list shows all", id,
            wm_did_you_mean(hint, sizeof(hint), id, ids));
    free(ids);
    return err->code;
}

/* In the order of the table, whatever the user's. */
static int choose(const struct wm_text_list *wanted, struct chosen *out, struct wm_err *err)
{
    for (int i = 0; i < wanted->n; i++)
        if (wm_check_find(wanted->value[i]) == NULL)
            return unknown_check(wanted->value[i], err);
    out->check = calloc((size_t)wm_checks_count() + 1, sizeof(*out->check));
    if (out->check == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d checks", wm_checks_count());
    for (int c = 0; c < wm_checks_count(); c++) {
        bool here = wanted->n == 0;
        for (int i = 0; i < wanted->n; i++)
            here = here || strcmp(wanted->value[i], wm_check_at(c)->id) == 0;
        if (here)
            out->check[out->n++] = wm_check_at(c);
    }
    return WM_OK;
}

static int parse(struct wm_option_group *group, int argc, char **argv, struct chosen *chosen, struct wm_err *err)
{
    const struct conf *conf = group[1].conf;
    char **words;
    int n_words;
    if (wm_options_parse(group, GROUPS, argc, argv, &words, &n_words, err) != WM_OK)
        return err->code;
    if (n_words > 0)
        wm_fail(err, WM_EUSAGE, "", 0, "doctor takes options only, and was given '%s'", words[0]);
    else
        choose(&conf->check, chosen, err);
    free(words);
    return err->code;
}

/* ---- one node */

struct node {
    char host[96], machine[160];
    struct wm_finding *finding; /* chosen->n */
};

/* What the MPI says of itself; "" before it is started, and where it has no such function. */
static const char *mpi_cuda(bool started)
{
    int (*query)(void) = NULL;
    *(void **)&query = dlsym(RTLD_DEFAULT, "MPIX_Query_cuda_support");
    if (!started || query == NULL)
        return "";
    return query() ? "yes" : "no";
}

/* The files that go with an XML file alone: none, whatever machine we are on. */
static int open_tree(const struct conf *conf, struct wm_tree *tree, struct wm_err *err)
{
    if (conf->subject.sysfs_root == NULL && conf->subject.xml != NULL) {
        *tree = (struct wm_tree){ .root = "/dev/null" };
        return WM_OK;
    }
    return wm_tree_open(conf->subject.sysfs_root != NULL ? conf->subject.sysfs_root : "/", tree, err);
}

/* A recorded machine has the name that it was recorded with, else its folder's. */
static void name_node(const struct conf *conf, struct wm_tree *tree, const struct wm_topo *topo, struct node *out)
{
    const char *given = conf->subject.sysfs_root != NULL ? conf->subject.sysfs_root : conf->subject.xml;
    if (!wm_tree_text(tree, out->host, sizeof(out->host), "proc/sys/kernel/hostname")) {
        char *path = strdup(given != NULL ? given : "here");
        snprintf(out->host, sizeof(out->host), "%s", path != NULL ? basename(path) : "here");
        free(path);
    }
    snprintf(out->machine, sizeof(out->machine), "%s", topo->machine[0] != '\0' ? topo->machine : out->host);
}

static void examine(const struct chosen *chosen, struct wm_tree *tree, const struct wm_topo *topo, bool mpi_started,
                    struct node *out)
{
    struct wm_versions versions = { 0 };
    char mpi[96];
    bool here = wm_tree_is_here(tree);
    wm_versions_read(tree, &versions);
    if (here)
        wm_versions_add(&versions, "mpi", wm_world_mpi_version(mpi, sizeof(mpi)));
    struct wm_patient patient = { .tree = tree,
                                  .topo = topo,
                                  .versions = &versions,
                                  .mpi_cuda = here ? mpi_cuda(mpi_started) : wm_versions_of(&versions, "mpi-cuda") };
    for (int i = 0; i < chosen->n; i++)
        wm_doctor_one(chosen->check[i], &patient, &out->finding[i]);
}

static int look(const struct conf *conf, const struct chosen *chosen, bool mpi_started, struct node *out,
                struct wm_err *err)
{
    struct wm_topo_request request = wm_cli_subject_request(&conf->subject);
    struct wm_topo topo = { 0 };
    struct wm_tree tree;
    out->finding = calloc((size_t)chosen->n + 1, sizeof(*out->finding));
    if (out->finding == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d findings", chosen->n);
    if (open_tree(conf, &tree, err) != WM_OK)
        return err->code;
    if (wm_topo_discover(&request, &topo, err) == WM_OK) {
        name_node(conf, &tree, &topo, out);
        examine(chosen, &tree, &topo, mpi_started, out);
        wm_topo_free(&topo);
    }
    wm_tree_close(&tree);
    return err->code;
}

/* ---- from node to node: texts, one after the other, each ended by a zero; the health before each finding */

static char *pack(const struct node *node, int n, size_t *bytes)
{
    char *all = NULL;
    FILE *to = open_memstream(&all, bytes);
    if (to == NULL)
        return NULL;
    fprintf(to, "%s%c%s%c", node->host, 0, node->machine, 0);
    for (int i = 0; i < n; i++) {
        const struct wm_finding *f = &node->finding[i];
        fprintf(to, "%c%s%c%s%c%s%c", 'a' + (int)f->health, f->read, 0, f->mend, 0, f->same, 0);
    }
    return fclose(to) == 0 ? all : NULL;
}

/* Copies a text and returns what stands behind it. */
static const char *take(const char *at, char *out, size_t bytes)
{
    snprintf(out, bytes, "%s", at);
    return at + strlen(at) + 1;
}

static int unpack(const char *at, const struct chosen *chosen, struct node *out, struct wm_err *err)
{
    out->finding = calloc((size_t)chosen->n + 1, sizeof(*out->finding));
    if (out->finding == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d findings", chosen->n);
    at = take(at, out->host, sizeof(out->host));
    at = take(at, out->machine, sizeof(out->machine));
    for (int i = 0; i < chosen->n; i++) {
        struct wm_finding *f = &out->finding[i];
        f->check = chosen->check[i];
        f->health = (enum wm_health)(*at++ - 'a');
        at = take(at, f->read, sizeof(f->read));
        at = take(at, f->mend, sizeof(f->mend));
        at = take(at, f->same, sizeof(f->same));
    }
    return WM_OK;
}

static void free_nodes(struct node *nodes, int n)
{
    for (int i = 0; nodes != NULL && i < n; i++)
        free(nodes[i].finding);
    free(nodes);
}

/* Collective over one rank a node; *out on its rank 0 only. */
static int gather(const struct wm_world *leaders, const struct node *mine, const struct chosen *chosen,
                  struct node **out, struct wm_err *err)
{
    size_t bytes = 0;
    char *packed = pack(mine, chosen->n, &bytes), *all = NULL;
    uint64_t most = bytes;
    if (packed == NULL)
        wm_fail(err, WM_ENOMEM, "open_memstream", 0, "findings of this node");
    if (wm_world_agree(leaders, WM_SLEEP, err) != WM_OK || wm_world_max(leaders, &most, 1, WM_SLEEP, err) != WM_OK)
        goto out;
    char *padded = realloc(packed, most);
    if (padded != NULL) {
        packed = padded;
        memset(packed + bytes, 0, most - bytes);
    }
    if (leaders->rank == 0) {
        all = malloc(most * (size_t)leaders->size);
        *out = calloc((size_t)leaders->size, sizeof(**out));
    }
    if (padded == NULL || (leaders->rank == 0 && (all == NULL || *out == NULL)))
        wm_fail(err, WM_ENOMEM, "calloc", 0, "findings of %d nodes", leaders->size);
    if (wm_world_agree(leaders, WM_SLEEP, err) == WM_OK &&
        wm_world_gather(leaders, packed, most, all, WM_SLEEP, err) == WM_OK && leaders->rank == 0)
        for (int i = 0; i < leaders->size && err->code == WM_OK; i++)
            unpack(all + (size_t)i * most, chosen, &(*out)[i], err);
out:
    free(packed);
    free(all);
    return err->code;
}

/* ---- all of them */

static int print_report(const struct conf *conf, const struct chosen *chosen, struct node *nodes, int n,
                        struct wm_err *err)
{
    struct wm_doctor_node *all = calloc((size_t)n, sizeof(*all));
    int status = 0;
    if (all == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d nodes", n);
        return wm_exit_status(err->code);
    }
    for (int i = 0; i < n; i++) {
        all[i] = (struct wm_doctor_node){ .host = nodes[i].host, .finding = nodes[i].finding };
        status = wm_exit_worse(status, wm_doctor_status(nodes[i].finding, chosen->n));
    }
    struct wm_doctor_report report = {
        .machine = nodes[0].machine, .node = all, .n_nodes = n, .n_findings = chosen->n
    };
    if (conf->json)
        wm_doctor_print_json(stdout, &report, err);
    else
        wm_doctor_print(stdout, &report, conf->all);
    if (fflush(stdout) != 0 || ferror(stdout))
        wm_fail(err, WM_EIO, "", 0, "the standard output could not be written");
    free(all);
    return wm_exit_worse(status, wm_exit_status(err->code));
}

static int alone(const struct conf *conf, const struct chosen *chosen, struct wm_err *err)
{
    struct node *node = calloc(1, sizeof(*node));
    int status = 0;
    if (node == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "this node");
    else if (look(conf, chosen, false, node, err) == WM_OK)
        status = print_report(conf, chosen, node, 1, err);
    free_nodes(node, 1);
    return wm_exit_worse(status, wm_exit_status(err->code));
}

/* The lowest rank of each host, ascending; the caller frees. */
static int *leaders_of(const struct wm_world *world, int *n)
{
    int *rank = calloc((size_t)world->size, sizeof(*rank));
    *n = 0;
    for (int r = 0; rank != NULL && r < world->size; r++)
        if (world->places[r].local_rank == 0)
            rank[(*n)++] = r;
    return rank;
}

/* Collective over one rank a node. */
static int look_and_gather(const struct conf *conf, const struct chosen *chosen, const struct wm_world *leaders,
                           const char *host, struct wm_err *err)
{
    struct node mine = { 0 }, *nodes = NULL;
    int status = 0;
    if (look(conf, chosen, true, &mine, err) != WM_OK) {
        size_t at = strlen(err->what);
        snprintf(err->what + at, sizeof(err->what) - at, " (on %s)", host);
    }
    if (wm_cli_subject_is_here(&conf->subject))
        snprintf(mine.host, sizeof(mine.host), "%s", host);
    if (wm_world_agree(leaders, WM_SLEEP, err) == WM_OK && gather(leaders, &mine, chosen, &nodes, err) == WM_OK &&
        leaders->rank == 0)
        status = print_report(conf, chosen, nodes, leaders->size, err);
    free_nodes(nodes, leaders->size);
    free(mine.finding);
    return status;
}

/* What needs no look at the machine. False: there is more to do. */
static bool answer(const struct conf *conf)
{
    if (conf->help) {
        printf("usage: wiremark doctor [options]\n       mpirun -n N wiremark doctor [options]    all nodes of N "
               "ranks\n\n");
        options(stdout, WM_HELP_TEXT);
    } else if (conf->list) {
        wm_doctor_print_checks(stdout);
    }
    return conf->help || conf->list;
}

struct job {
    const struct conf *conf;
    const struct chosen *chosen;
};

/* Collective over all ranks. */
static int work(void *arg, const struct wm_world *world, struct wm_err *err)
{
    const struct job *job = arg;
    struct wm_world *part = NULL;
    int n, *leader, status = 0;
    if (job->conf->help || job->conf->list) {
        if (world->rank == 0)
            answer(job->conf);
        return 0;
    }
    leader = leaders_of(world, &n);
    if (leader == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d ranks", world->size);
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK && world->places[world->rank].local_rank == 0 &&
        wm_world_part(world, leader, n, &part, err) == WM_OK)
        status = look_and_gather(job->conf, job->chosen, part, world->places[world->rank].host, err);
    wm_world_part_close(part);
    free(leader);
    return status;
}

static int doctor_main(int argc, char **argv)
{
    struct conf conf = { 0 };
    struct wm_option_group group[GROUPS];
    struct chosen chosen = { 0 };
    struct wm_err err = { .rank = -1 };
    struct wm_launch launch;
    int status = 0;
    wm_launch_read(&launch);
    set_groups(group, &conf);
    parse(group, argc, argv, &chosen, &err);
    if (launch.launched) {
        status = wm_cli_together(&launch, &argc, &argv, conf.subject.timeout_ns, work, &(struct job){ &conf, &chosen },
                                 &err);
    } else {
        if (err.code == WM_OK && !answer(&conf))
            status = alone(&conf, &chosen, &err);
        status = wm_exit_worse(status, wm_cli_fail(&err));
    }
    wm_options_free(group, GROUPS);
    free(chosen.check);
    return status;
}

const struct wm_command wm_command_doctor = {
    .name = "doctor",
    .arguments = "[options]",
    .summary = "why something is slow or not available, and the mend; under mpirun: all nodes, differences first",
    .ranks = true,
    .main = doctor_main,
    .options = options,
};
