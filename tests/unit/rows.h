/** All benchmark rows, and points to try them at. */
#ifndef WM_TESTS_ROWS_H
#define WM_TESTS_ROWS_H

#include "collectives/collectives.h"
#include "p2p/p2p.h"

static const struct wm_benchmark *const wm_pair_rows[] = {
    &wm_benchmark_latency,     &wm_benchmark_bandwidth,     &wm_benchmark_bibandwidth, &wm_benchmark_message_rate,
    &wm_benchmark_put_latency, &wm_benchmark_put_bandwidth, &wm_benchmark_get_latency, &wm_benchmark_get_bandwidth,
};
static const struct wm_benchmark *const wm_fan_rows[] = { &wm_benchmark_fan_in, &wm_benchmark_fan_out };
static const struct wm_benchmark *const wm_alone_rows[] = { &wm_benchmark_copy_to_device,
                                                            &wm_benchmark_copy_from_device, &wm_benchmark_copy_both,
                                                            &wm_benchmark_copy_local, &wm_benchmark_copy_latency };
static const struct wm_benchmark *const wm_reach_rows[] = { &wm_benchmark_copy_write, &wm_benchmark_copy_read,
                                                            &wm_benchmark_copy_latency_peer };
static const struct wm_benchmark *const wm_reach_all_rows[] = { &wm_benchmark_copy_all_to_one,
                                                                &wm_benchmark_copy_one_to_all };
static const struct wm_benchmark *const wm_collective_rows[] = {
    &wm_benchmark_allreduce, &wm_benchmark_alltoall,       &wm_benchmark_alltoallv, &wm_benchmark_broadcast,
    &wm_benchmark_allgather, &wm_benchmark_reduce_scatter, &wm_benchmark_reduce,    &wm_benchmark_gather,
    &wm_benchmark_scatter,   &wm_benchmark_barrier,
};
#define WM_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* One case by name, for messages: "allreduce ring, 5 ranks, root 0, 40 bytes of float sum, in place". */
static inline const char *wm_case_name(char text[200], const struct wm_benchmark *row, const struct wm_algorithm *algo,
                                       const struct wm_point *at)
{
    snprintf(text, 200, "%s %s, %d ranks, root %d, window %d, %zu bytes of %s %s, chunk %zu%s%s%s", row->name,
             algo->name, at->ranks, at->root, at->window, at->bytes, wm_dtype_names[at->type], wm_redop_names[at->op],
             at->chunk, at->in_place ? ", in place" : "", at->distinct ? ", distinct" : "",
             at->repeated ? ", repeated" : "");
    return text;
}

#endif
