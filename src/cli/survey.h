/**
 * The hardware of all nodes of a run: one rank a node looks, rank 0 keeps each distinct kind of node once. Before
 * anything is measured; nothing of it runs inside a timed loop.
 */
#ifndef WM_CLI_SURVEY_H
#define WM_CLI_SURVEY_H

#include <jansson.h>

#include "bench/plan.h"
#include "src/topo/bind.h"
#include "src/topo/limit.h"
#include "src/topo/topo.h"
#include "src/world/world.h"

/* Rank 0's; empty elsewhere. */
struct wm_survey {
    struct wm_topo *kind; /* distinct kinds of nodes, in order of their first host */
    int n_kinds;
    int *kind_of_host; /* by host number */
    double *quota;     /* processors that the cgroup grants, by host; 0 = no limit */
    /* By rank, into `kind`: where its memory is. By which card its bytes leave the host only a transport knows. */
    struct wm_seat *seat;
    struct wm_chosen {
        int gpu, nic; /* by rank: what --bind auto chose, as in struct wm_seat */
    } * chosen;
    char (*nic)[WM_NIC_BYTES]; /* by rank: the card that --nic named; NULL: it was not given. Filled by the caller */
    json_t *topology;          /* {"kinds": [{"hosts": [...], ...}]} for the result */
    json_t *warnings;          /* sentences: ranks far from their devices, on one core, ... */
};

/**
 * Collective. A node that cannot be looked at is a kind without devices, with the reason in its notes.
 * @param request  NULL: the nodes themselves
 * @param bound    this rank's seat by --bind auto, or NULL: then only the NUMA node of its processors is known
 */
int wm_survey(const struct wm_world *world, const struct wm_topo_request *request, const struct wm_bind_seat *bound,
              struct wm_survey *out, struct wm_err *err);
void wm_survey_free(struct wm_survey *survey);

#endif
