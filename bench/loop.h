/**
 * The only timed loops. Outside the clock: a barrier between operations of a collective, and the step to the next
 * position of a cold ring. Inside: the operation, nothing else.
 */
#ifndef WM_BENCH_LOOP_H
#define WM_BENCH_LOOP_H

#include "src/transport/program.h"

/* A clock of the device: the time of each operation by it. */
struct wm_loop_device {
    const struct wm_transport *transport;
    struct wm_ep *ep;
    double *ns; /* room for as many as are run */
};

struct wm_loop {
    struct wm_program *program; /* of the next operation; a ring, one a root when the root rotates */
    struct wm_program *barrier; /* NULL: operations follow each other */
    size_t stride_bytes;        /* cold ring; positions 1 = none */
    unsigned positions, position;
    uint64_t last_start_ns;              /* when this rank began its last operation */
    const struct wm_loop_device *device; /* where wm_loop_run() leaves the device's times; NULL: nowhere */
};

/* All return WM_OK or the code of the operation that failed; its story is in the endpoint. */

/** n operations without a clock: warm-up, and those who answer. */
int wm_loop_run(struct wm_loop *loop, uint64_t n);

/** ns[i] = duration of `batch` operations in a row; each holds one reading of the clock. */
int wm_loop_time(struct wm_loop *loop, unsigned samples, uint64_t batch, uint64_t *ns);

#endif
