#include "src/topo/bind.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/cpuset.h"

/* ---- where things are ---- */

static bool usable(const struct wm_topo_nic *nic)
{
    return nic->up && !nic->virtual_device;
}

/* The hardware threads of a core that may be used; false when there are none. */
static bool core_cpus(const struct wm_topo_core *core, const struct wm_cpuset *allowed, struct wm_cpuset *out)
{
    if (!wm_cpuset_parse(core->cpus, out))
        return false;
    wm_cpuset_and(out, allowed);
    return wm_cpuset_count(out) > 0;
}

/* Cores of a NUMA node (-1: of all) that may be used, as indexes; returns how many. */
static int usable_cores(const struct wm_topo *topo, int numa, const struct wm_cpuset *allowed, int *out)
{
    struct wm_cpuset cpus;
    int n = 0;
    for (int i = 0; i < topo->n_cores; i++)
        if ((numa < 0 || topo->core[i].numa == numa) && core_cpus(&topo->core[i], allowed, &cpus))
            out[n++] = i;
    return n;
}

/* ---- the recommendation ---- */

struct deal {
    const struct wm_topo *topo;
    struct wm_cpuset allowed;
    const struct wm_topo_nic *nic;
    int n_nics;
    int *core;  /* room for all */
    int *order; /* NUMA nodes with usable cores, those with a card first */
    int n_order;
};

static bool has_card(const struct deal *d, int numa)
{
    for (int i = 0; i < d->n_nics; i++)
        if (usable(&d->nic[i]) && d->nic[i].numa == numa)
            return true;
    return false;
}

static void order_nodes(struct deal *d)
{
    for (int with = 1; with >= 0; with--)
        for (int i = 0; i < d->topo->n_numa; i++)
            if (has_card(d, i) == (with == 1) && usable_cores(d->topo, i, &d->allowed, d->core) > 0)
                d->order[d->n_order++] = i;
}

static int gpu_of(const struct deal *d, int local)
{
    return d->topo->n_gpus > 0 ? local % d->topo->n_gpus : -1;
}

/* Ranks in blocks over the nodes; with fewer ranks than nodes the first ones get one each. */
static int numa_of(const struct deal *d, int local, int locals)
{
    int gpu = gpu_of(d, local);
    if (gpu >= 0 && d->topo->gpu[gpu].numa >= 0)
        return d->topo->gpu[gpu].numa;
    if (d->n_order == 0)
        return -1;
    return d->order[locals < d->n_order ? local : (int)((long)local * d->n_order / locals)];
}

/* Which of the ranks on its node this one is, and of how many. */
static void place_on_node(const struct deal *d, int local, int locals, int numa, int *place, int *places)
{
    *place = *places = 0;
    for (int l = 0; l < locals; l++) {
        bool same = numa_of(d, l, locals) == numa;
        *place += same && l < local;
        *places += same;
    }
}

static void choose_cpus(struct deal *d, int local, int locals, int numa, struct wm_bind_seat *out)
{
    struct wm_cpuset all = { 0 }, cpus;
    int place, places, cores = usable_cores(d->topo, numa, &d->allowed, d->core);
    place_on_node(d, local, locals, numa, &place, &places);
    if (cores == 0 && numa >= 0) { /* the cgroup leaves none there: those of other nodes, among all ranks */
        cores = usable_cores(d->topo, -1, &d->allowed, d->core);
        place = local;
        places = locals;
    }
    if (cores == 0)
        return;
    int first = cores >= places ? (int)((long)place * cores / places) : place % cores;
    int last = cores >= places ? (int)((long)(place + 1) * cores / places) - 1 : first;
    for (int i = first; i <= last; i++)
        if (core_cpus(&d->topo->core[d->core[i]], &d->allowed, &cpus))
            wm_cpuset_or(&all, &cpus);
    wm_cpuset_text(&all, out->cpus, sizeof(out->cpus));
}

int wm_bind_recommend(const struct wm_topo *topo, const char *allowed, int local, int locals, struct wm_bind_seat *out,
                      struct wm_err *err)
{
    struct deal d = { .topo = topo };
    memset(out, 0, sizeof(*out));
    if (!wm_cpuset_parse(allowed, &d.allowed))
        return wm_fail(err, WM_EUSAGE, "", 0, "'%s' is no list of processors", allowed);
    struct wm_topo_nic *nic = wm_topo_nics_all(topo, &d.n_nics);
    d.nic = nic;
    d.core = calloc((size_t)topo->n_cores + 1, sizeof(*d.core));
    d.order = calloc((size_t)topo->n_numa + 1, sizeof(*d.order));
    if (d.core == NULL || d.order == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", 0, "cores of a node");
        goto out;
    }
    order_nodes(&d);
    out->gpu = gpu_of(&d, local);
    out->numa = numa_of(&d, local, locals);
    out->nic = wm_topo_nearest_nic(topo, nic, d.n_nics, out->gpu, out->numa);
    choose_cpus(&d, local, locals, out->numa, out);
out:
    free(nic);
    free(d.core);
    free(d.order);
    return err->code;
}

/* The kernel cuts a mask down to what the cgroup allows. */
int wm_bind_allowed(char *cpus, size_t bytes, struct wm_err *err)
{
    uint64_t before[128] = { 0 }, all[128];
    struct wm_cpuset set;
    memset(all, 0xff, sizeof(all));
    if (sched_getaffinity(0, sizeof(before), (cpu_set_t *)before) != 0 ||
        sched_setaffinity(0, sizeof(all), (const cpu_set_t *)all) != 0)
        return wm_fail_errno(err, "sched_setaffinity", "ask for the processors that may be used");
    memset(all, 0, sizeof(all));
    if (sched_getaffinity(0, sizeof(all), (cpu_set_t *)all) != 0)
        wm_fail_errno(err, "sched_getaffinity", "ask for the processors that may be used");
    if (sched_setaffinity(0, sizeof(before), (const cpu_set_t *)before) != 0)
        wm_fail_errno(err, "sched_setaffinity", "go back to the processors of the launcher");
    memcpy(&set, all, sizeof(set));
    wm_cpuset_text(&set, cpus, bytes);
    return err->code;
}

int wm_bind_apply(const char *cpus, struct wm_err *err)
{
    uint64_t mask[128] = { 0 }; /* of the kernel's size */
    struct wm_cpuset set;
    if (!wm_cpuset_parse(cpus, &set) || wm_cpuset_count(&set) == 0)
        return wm_fail(err, WM_EBUG, "", 0, "'%s' is no list of processors", cpus);
    memcpy(mask, &set, sizeof(set));
    if (sched_setaffinity(0, sizeof(mask), (const cpu_set_t *)mask) != 0)
        return wm_fail_errno(err, "sched_setaffinity", "bind to processors %s", cpus);
    return WM_OK;
}

/* ---- the judgement ---- */

struct judge {
    const struct wm_topo *topo;
    const struct wm_bind_fact *fact;
    int n;
    struct wm_topo_nic *nic;
    int n_nics;
    void (*say)(void *arg, const char *sentence);
    void *arg;
};

__attribute__((format(printf, 2, 3))) static void say(const struct judge *j, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    j->say(j->arg, text);
}

/* Has the rank no processor at all on that NUMA node (an index)? */
static bool away_from(const struct judge *j, int i, int numa)
{
    struct wm_cpuset of_node;
    if (numa < 0 || wm_cpuset_count(&j->fact[i].cpus) == 0 || !wm_cpuset_parse(j->topo->numa[numa].cpus, &of_node))
        return false;
    wm_cpuset_and(&of_node, &j->fact[i].cpus);
    return wm_cpuset_count(&of_node) == 0;
}

static void judge_distance(const struct judge *j, int i)
{
    const struct wm_bind_fact *f = &j->fact[i];
    const struct wm_topo_gpu *gpu = f->gpu >= 0 ? &j->topo->gpu[f->gpu] : NULL;
    const struct wm_topo_nic *nic = f->nic >= 0 && f->nic < j->n_nics ? &j->nic[f->nic] : NULL;
    char cpus[64];
    wm_cpuset_text(&f->cpus, cpus, sizeof(cpus));
    if (gpu != NULL && nic != NULL && wm_topo_distance(j->topo, gpu->pci, nic->pci) == WM_DISTANCE_SYS)
        say(j, "rank %d has GPU %d and card %s on different NUMA nodes: every byte crosses the link between them",
            f->rank, gpu->index, nic->name);
    if (nic != NULL && away_from(j, i, nic->numa))
        say(j, "rank %d runs on processors %s, far from its card %s on NUMA node %d", f->rank, cpus, nic->name,
            j->topo->numa[nic->numa].os_index);
    if (gpu != NULL && away_from(j, i, gpu->numa))
        say(j, "rank %d runs on processors %s, far from its GPU %d on NUMA node %d", f->rank, cpus, gpu->index,
            j->topo->numa[gpu->numa].os_index);
}

/* The one core that a rank may use; -1 = several. */
static int only_core(const struct judge *j, int i)
{
    int only = -1;
    for (int c = 0; c < j->topo->n_cores; c++) {
        struct wm_cpuset cpus;
        if (!core_cpus(&j->topo->core[c], &j->fact[i].cpus, &cpus))
            continue;
        if (only >= 0)
            return -1;
        only = c;
    }
    return only;
}

/* A core that no rank may use; -1 = none. */
static int idle_core(const struct judge *j)
{
    for (int c = 0; c < j->topo->n_cores; c++) {
        struct wm_cpuset cpus;
        bool used = false;
        for (int i = 0; i < j->n && !used; i++)
            used = wm_cpuset_count(&j->fact[i].cpus) == 0 || core_cpus(&j->topo->core[c], &j->fact[i].cpus, &cpus);
        if (!used)
            return c;
    }
    return -1;
}

static void judge_cores(const struct judge *j)
{
    int idle = idle_core(j);
    for (int a = 0; a < j->n && idle >= 0; a++) {
        int core = only_core(j, a);
        for (int b = a + 1; b < j->n && core >= 0; b++)
            if (only_core(j, b) == core) {
                say(j,
                    "ranks %d and %d share the core of processors %s while the one of %s is idle: bind them apart "
                    "(--bind auto)",
                    j->fact[a].rank, j->fact[b].rank, j->topo->core[core].cpus, j->topo->core[idle].cpus);
                return;
            }
    }
}

static bool card_used(const struct judge *j, int nic)
{
    for (int i = 0; i < j->n; i++)
        if (j->fact[i].nic == nic)
            return true;
    return false;
}

/* A card as good as this one that no rank uses; -1 = none. */
static int idle_equal(const struct judge *j, int nic)
{
    const struct wm_topo_nic *mine = &j->nic[nic];
    for (int k = 0; k < j->n_nics; k++)
        if (usable(&j->nic[k]) && j->nic[k].fabric == mine->fabric && j->nic[k].bytes_per_s >= mine->bytes_per_s &&
            !card_used(j, k))
            return k;
    return -1;
}

static void judge_cards(const struct judge *j)
{
    for (int a = 0; a < j->n; a++) {
        int nic = j->fact[a].nic, idle = nic >= 0 && nic < j->n_nics ? idle_equal(j, nic) : -1;
        for (int b = a + 1; b < j->n && idle >= 0; b++)
            if (j->fact[b].nic == nic) {
                say(j, "ranks %d and %d share one card, %s, while %s is idle", j->fact[a].rank, j->fact[b].rank,
                    j->nic[nic].name, j->nic[idle].name);
                return;
            }
    }
}

void wm_bind_judge_devices(const struct wm_topo *topo, const struct wm_bind_fact *fact, int n,
                           void (*tell)(void *arg, const char *sentence), void *arg)
{
    struct judge j = { .topo = topo, .fact = fact, .n = n, .say = tell, .arg = arg };
    j.nic = wm_topo_nics_all(topo, &j.n_nics);
    for (int i = 0; i < n; i++)
        judge_distance(&j, i);
    judge_cards(&j);
    free(j.nic);
}

void wm_bind_judge(const struct wm_topo *topo, const struct wm_bind_fact *fact, int n, double quota_cores,
                   void (*tell)(void *arg, const char *sentence), void *arg)
{
    const struct judge j = { .topo = topo, .fact = fact, .n = n, .say = tell, .arg = arg };
    if (quota_cores > 0 && quota_cores < n)
        say(&j, "the cgroup grants %.3g processors to %d ranks: they take turns, and times hold the waiting",
            quota_cores, n);
    judge_cores(&j);
    wm_bind_judge_devices(topo, fact, n, tell, arg);
}
