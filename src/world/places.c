#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/world/cores.h"
#include "src/world/native.h"

/* What a rank tells the others about where it runs. */
struct record {
    char host[64];
    char boot[40]; /* of the kernel: two machines may both call themselves localhost */
    struct wm_cores cores;
    int pid;
};

static void read_boot(char *boot, size_t bytes)
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f == NULL)
        return;
    if (fgets(boot, (int)bytes, f) == NULL)
        boot[0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    fclose(f);
}

static void record_self(struct record *r)
{
    memset(r, 0, sizeof(*r));
    if (gethostname(r->host, sizeof(r->host) - 1) != 0)
        snprintf(r->host, sizeof(r->host), "localhost");
    read_boot(r->boot, sizeof(r->boot));
    wm_cores_read(&r->cores);
    r->pid = getpid();
}

static bool same_host(const struct record *a, const struct record *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0;
}

/* A host as seen while counting. */
struct tally {
    int first; /* its lowest rank */
    int ranks;
    struct wm_cores cores; /* union of the ranks' masks, smallest quota */
};

static int find_host(const struct record *all, int rank, const struct tally *hosts, int n, int likely)
{
    if (likely < n && same_host(&all[rank], &all[hosts[likely].first]))
        return likely;
    for (int h = 0; h < n; h++)
        if (same_host(&all[rank], &all[hosts[h].first]))
            return h;
    return n;
}

static void count(struct tally *host, const struct wm_cores *cores)
{
    host->ranks++;
    wm_cpuset_or(&host->cores.cpus, &cores->cpus);
    if (cores->quota > 0 && (host->cores.quota <= 0 || cores->quota < host->cores.quota))
        host->cores.quota = cores->quota;
}

static bool short_of_cores(const struct tally *host)
{
    return host->ranks > wm_cpuset_count(&host->cores.cpus) ||
           (host->cores.quota > 0 && host->ranks > host->cores.quota);
}

static void place(struct wm_world *world, struct wm_place *places, const struct record *all, struct tally *hosts)
{
    int h = 0;
    world->hosts = 0;
    world->crowded = false;
    for (int r = 0; r < world->size; r++) {
        struct wm_place *p = &places[r];
        h = find_host(all, r, hosts, world->hosts, h);
        if (h == world->hosts)
            hosts[world->hosts++] = (struct tally){ .first = r };
        snprintf(p->host, sizeof(p->host), "%s", all[r].host);
        wm_cpuset_text(&all[r].cores.cpus, p->cpus, sizeof(p->cpus));
        p->cpu_set = all[r].cores.cpus;
        p->cpu_count = wm_cpuset_count(&all[r].cores.cpus);
        p->host_index = h;
        p->local_rank = hosts[h].ranks;
        p->pid = all[r].pid;
        count(&hosts[h], &all[r].cores);
    }
    for (h = 0; h < world->hosts; h++)
        world->crowded |= short_of_cores(&hosts[h]);
}

int wm_places_gather(struct wm_world *world, struct wm_place *places, struct wm_err *err)
{
    struct record mine, *all = calloc((size_t)world->size, sizeof(*all));
    struct tally *hosts = calloc((size_t)world->size, sizeof(*hosts));
    if (all == NULL || hosts == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for the places of %d ranks", world->size);
    record_self(&mine);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), all, err) == WM_OK)
        place(world, places, all, hosts);
    free(hosts);
    free(all);
    return err->code;
}
