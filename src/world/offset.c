/** Clocks of hosts, related along a binomial tree: host h measures against the host with h's lowest set bit cleared. */
#include <stdlib.h>

#include "src/core/clock.h"
#include "src/world/native.h"

#define ROUND_TRIPS 10
#define TAG         1

struct relation {
    int64_t offset_ns; /* to rank 0's clock */
    uint64_t uncertainty_ns;
};

/* What a parent answers: its clock now, and how that clock stands to rank 0's. */
struct answer {
    uint64_t now_ns;
    struct relation parent;
};

static int receive(const struct wm_world *w, void *data, int bytes, int from)
{
    MPI_Request request;
    int rc = MPI_Irecv(data, bytes, MPI_BYTE, from, TAG, wm_comm(w), &request);
    return rc == MPI_SUCCESS ? wm_mpi_complete(w, &request, WM_SPIN) : rc;
}

static int serve_child(const struct wm_world *w, int child, const struct relation *mine)
{
    int rc = MPI_SUCCESS;
    for (int i = 0; i < ROUND_TRIPS && rc == MPI_SUCCESS; i++) {
        char ping;
        struct answer a = { .parent = *mine };
        rc = receive(w, &ping, 1, child);
        a.now_ns = wm_now_ns();
        if (rc == MPI_SUCCESS)
            rc = MPI_Send(&a, sizeof(a), MPI_BYTE, child, TAG, wm_comm(w));
    }
    return rc;
}

/* The shortest round trip bounds the error best: the parent's reading lies somewhere within it (Cristian 1989). */
static int ask_parent(const struct wm_world *w, int parent, struct relation *mine)
{
    uint64_t least_ns = UINT64_MAX;
    int rc = MPI_SUCCESS;
    for (int i = 0; i < ROUND_TRIPS && rc == MPI_SUCCESS; i++) {
        char ping = 0;
        struct answer a;
        uint64_t sent_ns = wm_now_ns(), trip_ns;
        rc = MPI_Send(&ping, 1, MPI_BYTE, parent, TAG, wm_comm(w));
        if (rc == MPI_SUCCESS)
            rc = receive(w, &a, sizeof(a), parent);
        trip_ns = wm_now_ns() - sent_ns;
        if (rc != MPI_SUCCESS || trip_ns >= least_ns)
            continue;
        least_ns = trip_ns;
        mine->offset_ns = a.parent.offset_ns + (int64_t)(a.now_ns - (sent_ns + trip_ns / 2));
        mine->uncertainty_ns = a.parent.uncertainty_ns + (trip_ns + 1) / 2;
    }
    return rc;
}

/** Lowest rank of a host. */
static int leader(const struct wm_world *w, int host)
{
    int r = 0;
    while (w->places[r].host_index != host)
        r++;
    return r;
}

static int relate(const struct wm_world *w, struct relation *mine)
{
    int host = w->places[w->rank].host_index, rc = MPI_SUCCESS;
    int reach = host == 0 ? 1 : host & -host; /* children: host + each smaller power of two */
    if (host == 0)
        while (reach < w->hosts)
            reach *= 2;
    else
        rc = ask_parent(w, leader(w, host & (host - 1)), mine);
    for (int bit = reach / 2; bit > 0 && rc == MPI_SUCCESS; bit /= 2)
        if (host + bit < w->hosts)
            rc = serve_child(w, leader(w, host + bit), mine);
    return rc;
}

int wm_world_clock_offset(const struct wm_world *world, int64_t *offset_ns, uint64_t *uncertainty_ns,
                          struct wm_err *err)
{
    struct relation mine = { 0 }, *all = NULL;
    int first = leader(world, world->places[world->rank].host_index);
    if (world->hosts > 1) {
        all = calloc((size_t)world->size, sizeof(*all));
        if (all == NULL)
            wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for the clocks of %d ranks", world->size);
        if (wm_world_agree(world, WM_SPIN, err) == WM_OK && world->rank == first)
            wm_mpi_check(relate(world, &mine), "MPI_Send", "relate the clocks of two hosts", err);
        if (err->code == WM_OK && wm_world_allgather(world, &mine, sizeof(mine), all, err) == WM_OK)
            mine = all[first];
        free(all);
    }
    *offset_ns = mine.offset_ns;
    *uncertainty_ns = mine.uncertainty_ns;
    return err->code;
}
