/**
 * Why a machine is slower than it could be, or cannot do something at all: a table of checks, each of them a row and a
 * pure function of what discovery found and the machine's files. Judges one node; src/cli puts nodes together.
 */
#ifndef WM_DOCTOR_H
#define WM_DOCTOR_H

#include <stdbool.h>

#include "src/topo/topo.h"
#include "src/topo/versions.h"

enum wm_health {
    WM_HEALTH_OK,
    WM_HEALTH_WARN,
    WM_HEALTH_FAIL,
    WM_HEALTH_UNKNOWN,
    WM_HEALTH_NOT_APPLICABLE,
    WM_HEALTHS
};
extern const char *const wm_health_names[WM_HEALTHS + 1]; /* "ok", "warn", "fail", "unknown", "not applicable" */

struct wm_patient {
    struct wm_tree *tree; /* its files; proc/self/environ, proc/self/limits, proc/self/cgroup are this process's */
    const struct wm_topo *topo;
    const struct wm_versions *versions; /* with "mpi" as the caller knows it */
    const char *mpi_cuda;               /* "yes", "no": what the MPI says of itself; "" = not asked */
};

struct wm_finding {
    const struct wm_check *check;
    enum wm_health health;
    char read[600]; /* what was read, and where: "Max locked memory 65536 bytes (proc/self/limits)" */
    char mend[600]; /* what to do; the row's words where the check has none of its own; "" when ok */
    /* What must be equal on all nodes of a cluster; "" = nothing. */
    char same[600];
};

struct wm_check {
    const char *id;      /* "memlock" */
    const char *subject; /* what it looks at, a few words: "locked memory" */
    const char *reads;   /* files, variables and libraries that it asks: "/proc/self/limits" */
    const char *why;     /* why it matters, one sentence */
    const char *mend;    /* what to do when it is not ok, one sentence */
    bool required;       /* unknown is then no pass: exit 3 */
    void (*look)(const struct wm_patient *patient, struct wm_finding *out);
};

/* A family a file, src/doctor/{process,system,pci,rdma,efa,gpu,nccl}.c: rows ended by id == NULL. Ended by NULL. */
extern const struct wm_check *const wm_checks[];

/** Rows of all families, numbered through. */
int wm_checks_count(void);
const struct wm_check *wm_check_at(int index);
const struct wm_check *wm_check_find(const char *id); /* NULL: there is none */

/** What one row says of a node. */
void wm_doctor_one(const struct wm_check *check, const struct wm_patient *patient, struct wm_finding *out);

/** 1 when one fails, 3 when a required one is unknown, else 0. */
int wm_doctor_status(const struct wm_finding *finding, int n);

/* ---- what the checks share ---- */

/** Raises health to `to` (ok < warn < unknown < fail) and adds a sentence to read, "; " between them. */
void wm_finding_say(struct wm_finding *f, enum wm_health to, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A variable of this process, from proc/self/environ; "" = not set. */
bool wm_patient_variable(const struct wm_patient *p, const char *name, char *out, size_t bytes);

#endif
