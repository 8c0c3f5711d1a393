#include <stdlib.h>
#include <unistd.h>

#include "src/world/cores.h"
#include "src/world/launch.h"
#include "tests/unit/check.h"

#define MOST_VARIABLES 10

struct launch_case {
    const char *name;
    const char *variables[MOST_VARIABLES]; /* "NAME=value" */
    bool launched;
    int rank, size, local_rank, local_size;
    const char *launcher, *job; /* job: its beginning */
};

/* clang-format off */
static const struct launch_case cases[] = {
    { "a shell", { 0 }, false, -1, -1, -1, -1, "", "" },
    { "mpirun of Open MPI",
      { "OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_LOCAL_RANK=1",
        "OMPI_COMM_WORLD_LOCAL_SIZE=2", "PMIX_NAMESPACE=77", "PMIX_RANK=3", "PMIX_SERVER_URI2=77.0;tcp4://h:1" },
      true, 3, 4, 1, 2, "Open MPI", "77-" },
    { "hydra",
      { "PMI_RANK=0", "PMI_SIZE=8", "MPI_LOCALRANKID=0", "MPI_LOCALNRANKS=8" },
      true, 0, 8, 0, 8, "MPICH", "hydra-" },
    { "an sbatch script",
      { "SLURM_JOB_ID=5", "SLURM_NTASKS=4", "SLURM_PROCID=0", "SLURM_LOCALID=0" },
      false, -1, -1, -1, -1, "", "" },
    { "mpirun inside an sbatch script",
      { "SLURM_JOB_ID=5", "SLURM_NTASKS=64", "SLURM_PROCID=0", "OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=2",
        "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_LOCAL_SIZE=2", "PMIX_NAMESPACE=9" },
      true, 1, 2, 1, 2, "Open MPI", "9-" },
    { "mpirun whose daemons were started by srun",
      { "SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID=1", "PMI_RANK=5", "PMI_SIZE=8",
        "MPI_LOCALRANKID=1", "MPI_LOCALNRANKS=4" },
      true, 5, 8, 1, 4, "MPICH", "hydra-" },
    { "srun --mpi=pmix",
      { "SLURM_JOB_ID=12", "SLURM_STEP_ID=3", "SLURM_STEP_NUM_TASKS=7", "SLURM_PROCID=6", "SLURM_LOCALID=0",
        "SLURM_STEP_TASKS_PER_NODE=2(x3),1", "SLURM_NODEID=3", "PMIX_RANK=6" },
      true, 6, 7, 0, 1, "Slurm", "slurm-12.3.0" },
    { "srun --mpi=pmi2",
      { "SLURM_JOB_ID=12", "SLURM_STEP_ID=4", "SLURM_STEP_NUM_TASKS=7", "SLURM_PROCID=5", "SLURM_LOCALID=1",
        "SLURM_STEP_TASKS_PER_NODE=2(x3),1", "SLURM_NODEID=2", "PMI_RANK=5", "PMI_SIZE=7" },
      true, 5, 7, 1, 2, "Slurm", "slurm-12.4.0" },
    { "one part of a heterogeneous step",
      { "SLURM_STEP_ID=3", "SLURM_STEP_NUM_TASKS=7", "SLURM_PROCID=6", "SLURM_LOCALID=0", "SLURM_HET_SIZE=2" },
      true, 6, -1, 0, -1, "Slurm", "slurm-" },
    { "some PMIx launcher",
      { "PMIX_RANK=2", "PMIX_NAMESPACE=job" },
      true, 2, -1, -1, -1, "PMIx", "job-" },
    { "words for numbers",
      { "OMPI_COMM_WORLD_RANK=one", "OMPI_COMM_WORLD_SIZE=2", "PMI_SIZE=-4", "PMI_RANK=99999999999" },
      false, -1, -1, -1, -1, "", "" },
};
/* clang-format on */

/** The variables go when the next case begins: the environment holds exactly those of a case. */
static void set_environment(const struct launch_case *c)
{
    clearenv();
    for (int i = 0; i < MOST_VARIABLES && c->variables[i] != NULL; i++) {
        char text[128];
        char *value;
        snprintf(text, sizeof(text), "%s", c->variables[i]);
        value = strchr(text, '=');
        *value++ = '\0';
        setenv(text, value, 1);
    }
}

static void check_launches(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct launch_case *c = &cases[i];
        struct wm_launch got;
        int failed = wm_failed;
        set_environment(c);
        wm_launch_read(&got);
        CHECK_INT(got.launched, c->launched);
        CHECK_INT(got.rank, c->rank);
        CHECK_INT(got.size, c->size);
        CHECK_INT(got.local_rank, c->local_rank);
        CHECK_INT(got.local_size, c->local_size);
        CHECK_TEXT(got.launcher, c->launcher);
        CHECK(strncmp(got.job, c->job, strlen(c->job)) == 0);
        CHECK((c->job[0] == '\0') == (got.job[0] == '\0'));
        if (wm_failed != failed)
            printf("  in the case: %s\n", c->name);
    }
}

/* Job names come again; the launch's server tells them apart. */
static void check_job_differs(void)
{
    struct wm_launch a, b;
    set_environment(&cases[1]);
    wm_launch_read(&a);
    setenv("PMIX_SERVER_URI2", "77.0;tcp4://h:2", 1);
    wm_launch_read(&b);
    CHECK(strcmp(a.job, b.job) != 0);
    setenv("PMIX_SERVER_URI2", "77.0;tcp4://h:1", 1);
    wm_launch_read(&b);
    CHECK_TEXT(b.job, a.job);
}

int main(void)
{
    char *path = strdup(getenv("PATH") != NULL ? getenv("PATH") : "/bin:/usr/bin");
    struct wm_cores here;
    check_launches();
    check_job_differs();
    setenv("PATH", path, 1);
    free(path);
    wm_cores_read(&here);
    CHECK(wm_cpuset_count(&here.cpus) >= 1);
    return wm_tests_end();
}
