/**
 * One operation of one rank as data: what is sent, received, put, got, copied and reduced, and what waits for what.
 * Pure: built from (benchmark, algorithm, rank, ranks, bytes ...) without MPI, clock or addresses, so that
 * a test can run all ranks of it in one process, in any order of completion.
 */
#ifndef WM_SCHEDULE_H
#define WM_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/dtype.h"

enum wm_step_kind { WM_STEP_SEND, WM_STEP_RECV, WM_STEP_PUT, WM_STEP_GET, WM_STEP_COPY, WM_STEP_REDUCE, WM_STEP_COLL };

/* Buffers by role, not by address. IN, OUT: the user's. WORK: scratch. HOST_IN, HOST_OUT: host twins of device
 * areas and SLOTS: bounce slots; both are made by path rewrites only. */
enum wm_area { WM_IN, WM_OUT, WM_WORK, WM_HOST_IN, WM_HOST_OUT, WM_SLOTS, WM_AREAS };

struct wm_at {
    enum wm_area area;
    size_t offset; /* bytes */
};

/* Steps first..last; first > last = none. */
struct wm_range {
    int first, last;
};
#define WM_NONE ((struct wm_range){ 0, -1 })

/** From the first to the last of both. */
static inline struct wm_range wm_hull(struct wm_range a, struct wm_range b)
{
    if (a.first > a.last)
        return b;
    if (b.first > b.last)
        return a;
    return (struct wm_range){ a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last };
}

/** After one step, or after nothing when there is none (-1). */
static inline struct wm_range wm_after(int step)
{
    return step < 0 ? WM_NONE : (struct wm_range){ step, step };
}

/* Who does a COPY, PUT or GET: a GPU's copy engines (or whoever else there is); its processors, many loads on their way
 * at once; one thread of them, each load waiting for the one before. */
enum wm_copy_by { WM_BY_ENGINE, WM_BY_KERNEL, WM_BY_CHASE };

enum wm_coll_kind {
    WM_COLL_ALLREDUCE,
    WM_COLL_ALLTOALL,
    WM_COLL_ALLTOALLV,
    WM_COLL_BROADCAST,
    WM_COLL_ALLGATHER,
    WM_COLL_REDUCE_SCATTER,
    WM_COLL_REDUCE,
    WM_COLL_GATHER,
    WM_COLL_SCATTER,
    WM_COLL_BARRIER,
};

/* A whole collective of the library. Input stands in IN, output goes to OUT at offset 0; broadcast works in OUT alone.
 * In place: input stands in OUT where the MPI standard wants it with MPI_IN_PLACE, IN is unused. */
struct wm_coll {
    enum wm_coll_kind kind;
    size_t
        count; /* elements: of the vector, or of one block for alltoall, allgather, gather, scatter, reduce-scatter */
    int root;
    bool in_place;
    const size_t *send_counts, *recv_counts; /* alltoallv: elements to and from each rank, packed in rank order;
                                                owned by the schedule */
};

struct wm_step {
    enum wm_step_kind kind;
    struct wm_range after[2]; /* earlier steps (lower index) that must be complete before this one starts */
    int peer; /* SEND, RECV, PUT, GET: rank. The k-th SEND step to a rank meets its k-th RECV step from us */
    struct wm_at to, from; /* SEND reads `from`, RECV writes `to`; COPY from -> to, REDUCE to = to op from;
                              PUT: `from` here to `to` at the peer; GET: `from` at the peer to `to` here */
    size_t bytes;          /* REDUCE: of the operand. Zero is allowed everywhere */
    enum wm_copy_by by;    /* COPY, PUT, GET */
    int coll;              /* COLL: index in the schedule's colls; IN is `from`, OUT is `to` */
};

struct wm_schedule {
    struct wm_step *step;
    int n, cap;
    struct wm_coll *coll;
    int colls;
    size_t *counts;              /* what the colls' counts point into */
    size_t area_bytes[WM_AREAS]; /* what this rank touches, or lets others touch by put and get */
    enum wm_dtype type;          /* of REDUCE and COLL */
    enum wm_redop op;
    bool failed; /* an add found no memory: checked once, by wm_schedule_ok() */
};

/* Adds never fail at the call: memory that was not there is remembered in `failed`. The result is the step's index. */
int wm_schedule_add(struct wm_schedule *s, struct wm_step step);

/* The usual steps, for builders that read well. `after`: WM_NONE, wm_after(i) or a range. */
int wm_add_send(struct wm_schedule *s, int peer, struct wm_at from, size_t bytes, struct wm_range after);
int wm_add_recv(struct wm_schedule *s, int peer, struct wm_at to, size_t bytes, struct wm_range after);
int wm_add_copy(struct wm_schedule *s, struct wm_at to, struct wm_at from, size_t bytes, struct wm_range after);
int wm_add_reduce(struct wm_schedule *s, struct wm_at to, struct wm_at from, size_t bytes, struct wm_range after);
/* Copies `coll`; `counts` (2 x ranks: send then receive, or NULL) is copied too. */
int wm_add_coll(struct wm_schedule *s, const struct wm_coll *coll, const size_t *counts, int ranks);
/* One more dependency of step i (its second range). */
void wm_schedule_also_after(struct wm_schedule *s, int i, struct wm_range after);

/** Widens area a to at least `bytes`. */
void wm_schedule_need(struct wm_schedule *s, enum wm_area a, size_t bytes);

/**
 * Leaves out the steps that are not wanted; who waited for one of these waits for what it had waited for. Areas stay as
 * large as they are.
 */
void wm_schedule_keep(struct wm_schedule *s, bool (*wanted)(const struct wm_step *step, const void *arg),
                      const void *arg);

/** 0, or WM_ENOMEM where an add found no memory. */
int wm_schedule_ok(const struct wm_schedule *s);

void wm_schedule_free(struct wm_schedule *s);

/** Bytes that this rank's SEND and PUT steps give to others, GET steps fetched counted at the getter. For the cut of
 *  a set of ranks: sum over peers for which crosses(peer, arg). COLL steps count 0. */
uint64_t wm_schedule_sent_bytes(const struct wm_schedule *s, bool (*crosses)(int peer, void *arg), void *arg);

/** Dissemination barrier (Hensgen, Finkel & Manber 1988): ceil(log2 n) rounds of one byte. Also the harness's own
 *  barrier between iterations, over the transport under test. */
void wm_build_barrier(int rank, int ranks, struct wm_schedule *out);

#endif
