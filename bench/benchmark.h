/**
 * A benchmark is a row and pure builders, not a program: loop, warm-up, clock, statistics, verification and output
 * exist once, in bench/. The rows stand in p2p/ and collectives/; their table is src/cli/benchmarks.c.
 */
#ifndef WM_BENCHMARK_H
#define WM_BENCHMARK_H

#include "src/core/err.h"
#include "src/mem/pattern.h"
#include "src/schedule/schedule.h"

/* What a row is asked to build: one rank's part of one operation. */
struct wm_point {
    int rank, ranks; /* within the operation; in a pair 0 starts and 1 answers */
    int root;
    int window; /* messages in flight; 1 where the row has no window */
    bool in_place;
    bool distinct; /* each message of the window has a place of its own: message w at w * bytes */
    bool repeated; /* the operation runs many times on the same buffers without a new fill: what runs in place
                      must be a fixed point (WM_IDENTITY, symmetric blocks) */
    size_t bytes;  /* the cell's bytes, rounded by wm_benchmark_bytes(): the larger of this rank's send and receive
                      buffer,  or one message: see bytes_are */
    size_t chunk;  /* of pipelined algorithms; 0 = their own choice */
    enum wm_dtype type;
    enum wm_redop op;
    uint32_t seed, round; /* of the pattern; seed also of alltoallv's skew */
};

/* Elements that stand, or must stand, somewhere. Verification and filling are one function each over these. */
struct wm_span {
    struct wm_at at;
    size_t bytes;              /* whole elements of the point's type */
    struct wm_pattern pattern; /* kind MOVED, OPERAND, REDUCED or IDENTITY */
    uint64_t first;            /* the pattern's index of the first element; for MOVED of the first 32-bit word */
};

struct wm_spans {
    struct wm_span *span;
    int n, cap;
    bool failed; /* an add found no memory */
};
void wm_spans_add(struct wm_spans *s, struct wm_span span);
void wm_spans_free(struct wm_spans *s);

struct wm_algorithm {
    const char *name; /* "native", "ring", "ping-pong" */
    /* Adds steps and area sizes to an empty schedule. Never fails but for memory (wm_schedule_ok); WM_EUNSUP with the
     * reason where the algorithm cannot be built for this point (e.g. no in-place form). */
    int (*build)(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err);
};

enum wm_shape {
    WM_PAIR,  /* two ranks, or several such pairs at once: --pairs */
    WM_GROUP, /* all ranks */
    WM_ALONE, /* rank 0 by itself: its copies, over no transport */
};

enum wm_bytes_rule {
    WM_BYTES_WHOLE,    /* rounded down to whole elements */
    WM_BYTES_PER_RANK, /* rounded down to whole elements for each of n blocks; block_bytes = bytes / n */
    WM_BYTES_NONE,     /* barrier: planned once, with 0 bytes */
};

/* What memory a buffer must be in. */
enum wm_whereabouts { WM_ANYWHERE, WM_ON_HOST, WM_ON_DEVICE };

enum wm_clock_of {
    WM_CLOCK_FIRST,   /* rank 0 of the pair or group sees the end of the operation */
    WM_CLOCK_SLOWEST, /* every rank's time counts, the slowest is the operation's */
};

struct wm_benchmark {
    const char *name, *summary;
    const char *bytes_are; /* "one message", "the vector of one rank": printed by list, stored in the result */
    enum wm_shape shape;
    enum wm_bytes_rule bytes_rule;
    enum wm_clock_of clock_of;
    int min_ranks;
    bool reduces;  /* has --op; default dtype float */
    bool rooted;   /* has --root */
    bool windowed; /* has --window */
    bool can_in_place;
    bool uneven;                             /* the blocks of one buffer differ in length */
    unsigned shared;                         /* bit by area: peers put into it or get from it */
    enum wm_whereabouts from, to;            /* of IN and OUT */
    const char *memory;                      /* --mem where none is given; NULL = the host's. Copies of GPUs have one */
    size_t usual_min_bytes, usual_max_bytes; /* sizes where the user gives none; 0 = those that most rows have */
    const struct wm_algorithm *algorithms;   /* ended by name == NULL; the first is the default */
    /* Messages in the timed call, by which its time is divided: 2 for a ping-pong, the window for bandwidth. NULL: 1.
     */
    double (*operations)(const struct wm_point *at);
    /* Bytes that count for bandwidth in one such message: 2 x bytes both ways. NULL: bytes; none for latency rows. */
    double (*counted_bytes)(const struct wm_point *at);
    bool time_is_of_a_part;               /* of `bytes`, whatever they are: no limit is known of it */
    bool has_bandwidth, has_message_rate; /* which figures make sense beside the time */
    double (*bus_factor)(int ranks);      /* its derivation stands above the function; NULL = no bus bandwidth */
    /* What stands where before and after, for this rank. Pure. NULL: nothing is moved (barrier). */
    void (*fill)(const struct wm_point *at, struct wm_spans *out);
    void (*expect)(const struct wm_point *at, struct wm_spans *out);
};

/** bytes as the row's rule rounds them for this type and rank count; 0 = no such cell. */
size_t wm_benchmark_bytes(const struct wm_benchmark *b, size_t bytes, enum wm_dtype type, int ranks);

/** How many algorithms it has. */
int wm_benchmark_algorithms(const struct wm_benchmark *b);

/** The algorithm of that name, or NULL. */
const struct wm_algorithm *wm_benchmark_algorithm(const struct wm_benchmark *b, const char *name);

#endif
