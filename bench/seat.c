#include "bench/seat.h"

#include <stdlib.h>

#include "src/topo/bind.h"

void wm_seats_claim(const struct wm_seat *given, int ranks, const struct wm_endpoint *e, struct wm_seat *out)
{
    for (int r = 0; r < ranks; r++) {
        out[r] = given[r];
        if (e->claim != NULL)
            wm_seat_claim(&out[r], e->claim[r].fabric, e->claim[r].device);
    }
}

/* The ranks of one host; returns how many. */
static int facts_of(const struct wm_world *world, const struct wm_seat *seat, int host, struct wm_bind_fact *out)
{
    int n = 0;
    for (int r = 0; r < world->size; r++)
        if (world->places[r].host_index == host && seat[r].topo != NULL)
            out[n++] = (struct wm_bind_fact){
                .rank = r, .cpus = world->places[r].cpu_set, .gpu = seat[r].gpu, .nic = seat[r].nic
            };
    return n;
}

void wm_seats_judge(const struct wm_seat *given, const struct wm_world *world, const struct wm_endpoint *e,
                    void (*tell)(void *arg, const char *sentence), void *arg)
{
    struct wm_seat *seat = calloc((size_t)world->size, sizeof(*seat));
    struct wm_bind_fact *fact = calloc((size_t)world->size, sizeof(*fact));
    if (seat != NULL && fact != NULL && e->claim != NULL) {
        wm_seats_claim(given, world->size, e, seat);
        for (int h = 0; h < world->hosts; h++) {
            int n = facts_of(world, seat, h, fact);
            if (n > 0)
                wm_bind_judge_devices(seat[fact[0].rank].topo, fact, n, tell, arg);
        }
    }
    free(seat);
    free(fact);
}
