#include "src/cli/environment.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "src/cli/command.h"
#include "src/core/random.h"
#include "src/result/result.h"
#include "src/topo/versions.h"

extern char **environ;

static json_t *tool(void)
{
    json_t *o = json_pack("{s:s, s:s}", "version", wm_version_text(), "components", wm_version_components());
    if (wm_version_commit()[0] != '\0')
        json_object_set_new(o, "commit", json_string(wm_version_commit()));
    return o;
}

static void run_id(char text[17])
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct wm_random random = { .state = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec };
    FILE *f = fopen("/dev/urandom", "rb");
    if (f != NULL) {
        uint64_t more;
        if (fread(&more, sizeof(more), 1, f) == 1)
            random.state ^= more;
        fclose(f);
    }
    snprintf(text, 17, "%016llx", (unsigned long long)wm_random_next(&random));
}

static json_t *run(int argc, char **argv, const struct wm_run_conf *conf)
{
    char id[17], now[32];
    json_t *args = json_array();
    run_id(id);
    for (int i = 0; i < argc; i++)
        json_array_append_new(args, wm_result_text(argv[i]));
    return json_pack("{s:s, s:s, s:o, s:I, s:f}", "id", id, "started_utc", wm_utc_text(now, -1), "argv", args, "seed",
                     (json_int_t)conf->seed, "precision", conf->precision);
}

/* The NUMA node of its processors, and the devices that --bind auto chose. */
static void add_seat(json_t *rank, const struct wm_seat *seat, struct wm_chosen chosen)
{
    struct wm_topo_nic nic[64];
    int n = chosen.nic >= 0 ? wm_topo_nics(seat->topo, nic, 64) : 0;
    if (seat->numa >= 0)
        json_object_set_new(rank, "numa", json_integer(seat->topo->numa[seat->numa].os_index));
    if (chosen.gpu >= 0)
        json_object_set_new(rank, "gpu", json_integer(seat->topo->gpu[chosen.gpu].index));
    if (chosen.nic >= 0 && chosen.nic < n && chosen.nic < 64)
        json_object_set_new(rank, "nic", wm_result_text(nic[chosen.nic].name));
}

static json_t *ranks(const struct wm_world *world, const struct wm_survey *survey)
{
    json_t *list = json_array();
    for (int r = 0; r < world->size; r++) {
        const struct wm_place *p = &world->places[r];
        json_t *rank = json_pack("{s:i, s:o, s:i, s:o}", "rank", r, "host", wm_result_text(p->host), "local_rank",
                                 p->local_rank, "cpus", wm_result_text(p->cpus));
        if (rank != NULL)
            add_seat(rank, &survey->seat[r], survey->chosen[r]);
        if (rank != NULL && survey->nic != NULL && survey->nic[r][0] != '\0')
            json_object_set_new(rank, "nic", wm_result_text(survey->nic[r]));
        json_array_append_new(list, rank);
    }
    json_t *o = json_pack("{s:o}", "ranks", list);
    if (json_array_size(survey->warnings) > 0)
        json_object_set(o, "warnings", survey->warnings);
    return o;
}

static bool is_ours(const char *name)
{
    static const char *const prefixes[] = { "OMPI_", "MPICH_", "UCX_", "FI_", "NCCL_", "CUDA_", "SLURM_" };
    static const char *const secrets[] = { "TOKEN", "KEY", "SECRET", "JWT", "PASS" };
    bool ours = false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        ours |= strncmp(name, prefixes[i], strlen(prefixes[i])) == 0;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
        ours = ours && strcasestr(name, secrets[i]) == NULL;
    return ours;
}

static json_t *variables(void)
{
    json_t *o = json_object();
    for (char **v = environ; *v != NULL; v++) {
        char name[128];
        const char *value = strchr(*v, '=');
        if (value == NULL || (size_t)(value - *v) >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(value - *v), *v);
        if (is_ours(name))
            json_object_set_new(o, name, wm_result_text(value + 1));
    }
    return o;
}

/* Libraries and drivers of rank 0's host. */
static json_t *versions(void)
{
    struct wm_tree tree;
    struct wm_versions found = { 0 };
    struct wm_err ignored = { .rank = -1 };
    json_t *o = json_object();
    if (wm_tree_open("/", &tree, &ignored) != WM_OK)
        return o;
    wm_versions_read(&tree, &found);
    for (int i = 0; i < found.n; i++)
        json_object_set_new(o, found.item[i].name, wm_result_text(found.item[i].version));
    wm_tree_close(&tree);
    return o;
}

static json_t *environment(struct wm_clock clock)
{
    struct utsname kernel;
    char mpi[160], text[256];
    memset(&kernel, 0, sizeof(kernel));
    uname(&kernel);
    snprintf(text, sizeof(text), "%.80s %.80s %.60s", kernel.sysname, kernel.release, kernel.machine);
    return json_pack("{s:o, s:o, s:o, s:{s:f, s:I}, s:o}", "kernel", wm_result_text(text), "mpi",
                     wm_result_text(wm_world_mpi_version(mpi, sizeof(mpi))), "versions", versions(), "clock", "cost_ns",
                     clock.cost_ns, "resolution_ns", (json_int_t)clock.resolution_ns, "variables", variables());
}

json_t *wm_environment_head(int argc, char **argv, const struct wm_run_conf *conf, const struct wm_world *world,
                            struct wm_clock clock, const struct wm_survey *survey)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:O}", "schema", WM_RESULT_SCHEMA, "tool", tool(), "run",
                     run(argc, argv, conf), "world", ranks(world, survey), "environment", environment(clock),
                     "topology", survey->topology);
}
