#include "collectives/collectives.h"
#include "p2p/p2p.h"
#include "src/cli/command.h"

const struct wm_benchmark *const wm_benchmarks[] = {
    &wm_benchmark_latency,        &wm_benchmark_bandwidth,     &wm_benchmark_bibandwidth,
    &wm_benchmark_message_rate,   &wm_benchmark_put_latency,   &wm_benchmark_put_bandwidth,
    &wm_benchmark_get_latency,    &wm_benchmark_get_bandwidth, &wm_benchmark_fan_in,
    &wm_benchmark_fan_out,        &wm_benchmark_allreduce,     &wm_benchmark_alltoall,
    &wm_benchmark_alltoallv,      &wm_benchmark_broadcast,     &wm_benchmark_allgather,
    &wm_benchmark_reduce_scatter, &wm_benchmark_reduce,        &wm_benchmark_gather,
    &wm_benchmark_scatter,        &wm_benchmark_barrier,       NULL,
};
