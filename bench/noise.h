/** Who else used the CPUs while a comparison ran. */
#ifndef WM_BENCH_NOISE_H
#define WM_BENCH_NOISE_H

#include "src/topo/node.h"
#include "src/world/world.h"

struct wm_noise_mark {
    struct wm_node_cpu_time node;
    bool node_known;
    uint64_t own_cpu_ns, own_switches;
};

struct wm_noise {
    double foreign_cpu, steal;    /* shares of rank 0's node; NaN = unknown */
    int64_t involuntary_switches; /* of all members */
};

/** Local. */
void wm_noise_begin(struct wm_noise_mark *mark);

/** Collective over the members; the result is rank 0's. */
int wm_noise_end(const struct wm_noise_mark *mark, const struct wm_world *world, enum wm_wait wait,
                 struct wm_noise *out, struct wm_err *err);

#endif
