/** By which card each rank's bytes leave its host: what the transports claim, once they are open. */
#ifndef WM_BENCH_SEAT_H
#define WM_BENCH_SEAT_H

#include "bench/endpoint.h"
#include "src/topo/limit.h"

/** @param given  by rank: where they sit, whatever transport is used; out: with the endpoint's claims, as far as it
 * says */
void wm_seats_claim(const struct wm_seat *given, int ranks, const struct wm_endpoint *e, struct wm_seat *out);

/**
 * What is wrong with the claimed cards, a sentence each: ranks far from theirs, two ranks on one while an equal one is
 * idle. Allocates; without memory it says nothing.
 */
void wm_seats_judge(const struct wm_seat *given, const struct wm_world *world, const struct wm_endpoint *e,
                    void (*tell)(void *arg, const char *sentence), void *arg);

#endif
