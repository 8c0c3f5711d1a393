/**
 * What NCCL itself chose for an operation: algorithm, protocol, channels. NCCL tells it to a profiler, a table of
 * functions that it looks up by name in a library: with NCCL_PROFILER_PLUGIN=STATIC_PLUGIN in the program itself, which
 * therefore exports ours (nccl_profiler.list). It calls us for what a mask says; ours is 0 but between listen and
 * heard, so that nothing is told in a timed pass. The interface's third to fifth version: NCCL 2.26 and newer.
 */
#ifndef WM_TRANSPORT_NCCL_PROFILER_H
#define WM_TRANSPORT_NCCL_PROFILER_H

#include "src/transport/transport.h"

/* Of one endpoint: all its communicators report here. It must stay where it is as long as they live. */
struct wm_nccl_profile {
    int *mask; /* NCCL's; NULL: it has no profiler of ours */
    struct wm_heard heard;
};

/** Communicators that are made from here on are p's; NULL: nobody's. */
void wm_nccl_profile_of_new(struct wm_nccl_profile *p);

void wm_nccl_profile_listen(struct wm_nccl_profile *p);

/** What was heard since, of the first collective; where there was none, the most channels of a message. */
void wm_nccl_profile_heard(struct wm_nccl_profile *p, struct wm_heard *out);

#endif
