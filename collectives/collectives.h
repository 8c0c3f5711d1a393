/** The rows over all ranks. */
#ifndef WM_COLLECTIVES_H
#define WM_COLLECTIVES_H

#include "bench/benchmark.h"

extern const struct wm_benchmark wm_benchmark_allreduce, wm_benchmark_alltoall, wm_benchmark_alltoallv,
    wm_benchmark_broadcast, wm_benchmark_allgather, wm_benchmark_reduce_scatter, wm_benchmark_reduce,
    wm_benchmark_gather, wm_benchmark_scatter, wm_benchmark_barrier;

#endif
