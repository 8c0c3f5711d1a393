/** The least time of operations on GPU memory. On rank 0, with the seats as the endpoint claims them. */
#ifndef WM_BENCH_GPU_LEAST_H
#define WM_BENCH_GPU_LEAST_H

#include "bench/least.h"

/** Copies of rank 0 alone, between its GPU's memory and the host's. */
void wm_least_alone(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

/** Operations of all ranks, of one host and on GPUs, by transports that move memory of GPUs alone. */
void wm_least_between_gpus(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

/** Operations of all ranks through host memory. @param least  in: what the cards say; out: with the copies */
void wm_least_of_detour(const struct wm_limits *l, const struct wm_arm *arm, struct wm_least *least);

#endif
