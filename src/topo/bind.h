/**
 * Who should sit where: a node's ranks over its GPUs, cores and cards by locality. Pure but for wm_bind_apply().
 */
#ifndef WM_TOPO_BIND_H
#define WM_TOPO_BIND_H

#include "src/core/cpuset.h"
#include "src/topo/topo.h"

struct wm_bind_seat {
    char cpus[WM_CPUS_TEXT]; /* cores of this rank, "0-7"; "" = leave as it is */
    int gpu;                 /* index in topo->gpu, -1 = none */
    int nic;                 /* index of wm_topo_nics(), -1 = none */
    int numa;                /* index in topo->numa, -1 = not known */
};

/**
 * The recommendation for local rank `local` of `locals`: GPUs in order, one a rank (again from the first when there
 * are more ranks than GPUs); a share of the cores of that GPU's NUMA node, or, without GPUs, NUMA nodes with a card
 * first, dealt out evenly; the nearest card. Cores are taken from `allowed` only ("0-1", what the cgroup lets us use).
 * Whole cores while they last; two ranks share one only when there are more ranks than cores.
 */
int wm_bind_recommend(const struct wm_topo *topo, const char *allowed, int local, int locals, struct wm_bind_seat *out,
                      struct wm_err *err);

/** The processors that the cgroup lets this process use, whatever the launcher bound it to; that stays as it is. */
int wm_bind_allowed(char *cpus, size_t bytes, struct wm_err *err);

/** This process (and threads it starts later) on those CPUs. */
int wm_bind_apply(const char *cpus, struct wm_err *err);

/* Where a rank really is. */
struct wm_bind_fact {
    int rank;
    struct wm_cpuset cpus; /* its affinity; empty = not known */
    int gpu, nic;          /* as used; -1 = none or not known */
};

/**
 * What is wrong with the places of one node's ranks, each a sentence with ranks and devices: a rank far from its card
 * or GPU (SYS), two ranks on one core while another is idle, two on one card while an equal one is idle, a quota of the
 * cgroup below the number of ranks. @param tell  called once for each; texts are the caller's to copy
 */
void wm_bind_judge(const struct wm_topo *topo, const struct wm_bind_fact *fact, int n, double quota_cores,
                   void (*tell)(void *arg, const char *sentence), void *arg);
/** Of that only what concerns cards and GPUs: when a transport has said which it uses. */
void wm_bind_judge_devices(const struct wm_topo *topo, const struct wm_bind_fact *fact, int n,
                           void (*tell)(void *arg, const char *sentence), void *arg);

#endif
