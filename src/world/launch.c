/** The innermost launcher wins: mpirun inside a batch job sees that job's variables too. */
#include "src/world/launch.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** A count or rank from the environment; -1 where it is absent or no number. */
static int number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long value;
    if (text == NULL || !isdigit((unsigned char)*text))
        return -1;
    value = strtol(text, &end, 10);
    return *end == '\0' && value <= INT_MAX ? (int)value : -1;
}

static int first_number(const char *a, const char *b)
{
    int value = number(a);
    return value >= 0 ? value : number(b);
}

static const char *text_or(const char *name, const char *fallback)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? text : fallback;
}

/** Name, parent and start (clock ticks since boot) of a process. */
struct process {
    char name[32];
    int parent;
    unsigned long long start;
};

static int process_read(int pid, struct process *out)
{
    char path[64], text[1024];
    size_t got;
    FILE *f;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (f == NULL)
        return -1;
    got = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[got] = '\0';
    char *open = strchr(text, '('), *shut = strrchr(text, ')');
    if (open == NULL || shut == NULL || shut < open)
        return -1;
    snprintf(out->name, sizeof(out->name), "%.*s", (int)(shut - open - 1), open + 1);
    /* state, parent, then 17 fields (group ... itrealvalue), then the start */
    return sscanf(shut + 1, " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                  &out->parent, &out->start) == 2
               ? 0
               : -1;
}

/**
 * Hydra names no job in the environment. Its proxy is the one process above all ranks of this host; a rank may have
 * a wrapper script between itself and it.
 */
static void hydra_job(char *job, size_t bytes)
{
    int first = getppid(), pid = first;
    struct process p;
    while (pid > 1 && process_read(pid, &p) == 0) {
        if (strncmp(p.name, "hydra_pmi_proxy", 15) == 0) {
            snprintf(job, bytes, "hydra-%d-%llu", pid, p.start);
            return;
        }
        pid = p.parent;
    }
    if (process_read(first, &p) == 0)
        snprintf(job, bytes, "hydra-%d-%llu", first, p.start);
}

/** FNV-1a: makes a job name, which may come again after years, one of this launch's server address. */
static unsigned hash(const char *text)
{
    unsigned h = 2166136261u;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

static void pmix_job(char *job, size_t bytes)
{
    const char *server = text_or("OMPI_MCA_orte_local_daemon_uri", text_or("PMIX_SERVER_URI2", ""));
    const char *space = text_or("PMIX_NAMESPACE", text_or("OMPI_MCA_ess_base_jobid", ""));
    if (*space != '\0')
        snprintf(job, bytes, "%.70s-%08x", space, hash(server));
}

/** The tasks of this node in "2(x3),1". */
static int slurm_local_size(void)
{
    const char *at = text_or("SLURM_STEP_TASKS_PER_NODE", "");
    int node = number("SLURM_NODEID"), tasks, times, used;
    while (node >= 0 && sscanf(at, "%d%n", &tasks, &used) == 1) {
        at += used;
        times = 1;
        if (sscanf(at, "(x%d)%n", &times, &used) == 1)
            at += used;
        if (node < times)
            return tasks;
        node -= times;
        if (*at++ != ',')
            break;
    }
    return -1;
}

static void slurm_job(char *job, size_t bytes)
{
    snprintf(job, bytes, "slurm-%.30s.%.30s.%.10s", text_or("SLURM_JOB_ID", "0"), text_or("SLURM_STEP_ID", "0"),
             text_or("SLURM_RESTART_COUNT", "0"));
}

static void named(struct wm_launch *out, const char *launcher)
{
    out->launched = true;
    snprintf(out->launcher, sizeof(out->launcher), "%s", launcher);
}

static bool read_open_mpi(struct wm_launch *out)
{
    if (number("OMPI_COMM_WORLD_SIZE") < 0 || number("OMPI_COMM_WORLD_RANK") < 0)
        return false;
    named(out, "Open MPI");
    out->rank = number("OMPI_COMM_WORLD_RANK");
    out->size = number("OMPI_COMM_WORLD_SIZE");
    out->local_rank = number("OMPI_COMM_WORLD_LOCAL_RANK");
    out->local_size = number("OMPI_COMM_WORLD_LOCAL_SIZE");
    pmix_job(out->job, sizeof(out->job));
    return true;
}

/* A step, not the batch script around it: a script has the job's SLURM_NTASKS and SLURM_PROCID=0, but no step. */
static bool in_slurm_step(void)
{
    return number("SLURM_STEP_ID") >= 0 && number("SLURM_STEP_NUM_TASKS") > 0 && number("SLURM_PROCID") >= 0;
}

static void read_slurm(struct wm_launch *out)
{
    named(out, "Slurm");
    out->rank = number("SLURM_PROCID");
    /* of a heterogeneous step each part tells its own size only */
    out->size = getenv("SLURM_HET_SIZE") == NULL ? number("SLURM_STEP_NUM_TASKS") : -1;
    out->local_rank = number("SLURM_LOCALID");
    out->local_size = slurm_local_size();
    slurm_job(out->job, sizeof(out->job));
}

static bool read_pmi(struct wm_launch *out)
{
    if (number("PMI_SIZE") < 0 || number("PMI_RANK") < 0)
        return false;
    if (in_slurm_step() && number("SLURM_STEP_NUM_TASKS") == number("PMI_SIZE") &&
        number("SLURM_PROCID") == number("PMI_RANK") && number("MPI_LOCALRANKID") < 0) {
        read_slurm(out); /* srun --mpi=pmi2 */
        return true;
    }
    named(out, "MPICH");
    out->rank = number("PMI_RANK");
    out->size = number("PMI_SIZE");
    out->local_rank = first_number("MPI_LOCALRANKID", "PMI_LOCAL_RANK");
    out->local_size = first_number("MPI_LOCALNRANKS", "PMI_LOCAL_SIZE");
    hydra_job(out->job, sizeof(out->job));
    return true;
}

static bool read_pmix(struct wm_launch *out)
{
    if (number("PMIX_RANK") < 0)
        return false;
    named(out, "PMIx");
    out->rank = number("PMIX_RANK");
    pmix_job(out->job, sizeof(out->job));
    return true;
}

void wm_launch_read(struct wm_launch *out)
{
    *out = (struct wm_launch){ .rank = -1, .size = -1, .local_rank = -1, .local_size = -1 };
    if (read_open_mpi(out) || read_pmi(out))
        return;
    if (in_slurm_step())
        read_slurm(out);
    else
        read_pmix(out);
}
