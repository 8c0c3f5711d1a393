/**
 * From options to cells. Pure: no MPI, no transport is opened, so that `wiremark plan` shows what `run` would do.
 *
 * A sweep is one benchmark over its sizes: the cells of one size, an arm each, are one comparison and alternate.
 */
#ifndef WM_BENCH_PLAN_H
#define WM_BENCH_PLAN_H

#include "bench/benchmark.h"
#include "bench/conf.h"
#include "bench/pairs.h"
#include "src/result/result.h"
#include "src/transport/transport.h"

enum { WM_NIC_BYTES = 48 };

/* One transport of the run with its own options, over one fabric where the user named some. */
struct wm_plan_transport {
    const struct wm_transport *transport;
    struct wm_option_group group; /* conf: owned by the caller; rows NULL where it has none */
    enum wm_fabric fabric;        /* --fabric; UNKNOWN: not named */
    const char *provider;         /* --provider; NULL: not named, or it has none */
    char nic[WM_NIC_BYTES];       /* --nic: this rank's card, "mlx5_0:1"; "": the transport chooses */
};

enum { WM_PLAN_TRANSPORTS = 16, WM_PLAN_MEMORIES = 16 };

/* What every rank sends from and receives into: a word of --mem. */
struct wm_plan_memory {
    const struct wm_mem *send, *receive;
    const char *implied;          /* --mem was not given: for rows with this memory of their own alone; else NULL */
    struct wm_option_group group; /* of the device's own options; conf: owned by the caller; rows NULL: it has none */
};

/** The kind that is device memory, of which there is one at most; NULL: both sides are the host's. */
const struct wm_mem *wm_plan_device(const struct wm_plan_memory *m);

/* How device memory meets the transport. */
enum wm_path {
    WM_PATH_HOST,      /* there is none */
    WM_PATH_DIRECT,    /* the transport is handed it */
    WM_PATH_STAGED,    /* copied to host memory and from it, whole */
    WM_PATH_PIPELINED, /* the same by chunks, while others are on their way */
    WM_PATHS,
};
extern const char *const wm_path_names[WM_PATHS + 1];

/* One arm: every factor of its cells but the size. */
struct wm_arm_spec {
    const struct wm_benchmark *bench;
    const struct wm_algorithm *algo;
    int transport; /* index in the plan */
    const struct wm_plan_memory *memory;
    enum wm_path path;
    size_t chunk_bytes; /* pipelined: of a message, or of the vector or block of a collective */
    int slots;          /* pipelined: chunks on their way at once in one direction */
    int layout;         /* arms with the same one share their buffers: see wm_plan_layouts() */
    enum wm_dtype type;
    enum wm_redop op;
    int root; /* WM_ROOT_ROTATE or a rank */
    int window;
    enum wm_buffers buffers;
    enum wm_sync sync;
    bool in_place;
    const char *pairs;            /* the user's text; NULL = default */
    const struct wm_round *round; /* pairs that talk; NULL for groups */
    int round_number;             /* 1.. where there are several, else 0 */
};
#define WM_ROOT_ROTATE (-1)

/* --algo auto: before each cell, the row's algorithms are measured shortly against each other and one is chosen
 * (bench/tune.h). An arm of the plan with it cannot be built; the arm that is measured has the chosen one. */
extern const struct wm_algorithm wm_algorithm_auto;
enum { WM_TUNING_SHARE = 10 }; /* of --cell-time each candidate has a tenth */

struct wm_cell {
    bool planned; /* false: this size rounds to 0 or to the size before */
    size_t bytes; /* rounded by the row's rule */
    int window;   /* after --max-inflight */
    enum wm_status status;
};

struct wm_sweep {
    const struct wm_benchmark *bench;
    struct wm_arm_spec *arm;
    int n_arms;
    int n_sizes;
    struct wm_cell *cell;  /* [size * n_arms + arm] */
    uint32_t first_number; /* of cell[0]; cells are numbered through the whole plan */
    char varies[8][16];    /* names of the factors in which the arms differ */
    int n_varies;
};

struct wm_plan {
    const struct wm_run_conf *conf;
    const int *host_of; /* by rank */
    int ranks, hosts;
    struct wm_plan_transport *transport;
    int n_transports;
    struct wm_plan_memory *memory; /* those asked for, then the host's, for what has no data */
    int n_memories;
    struct wm_sweep *sweep;
    int n_sweeps;
    int n_cells;                /* planned */
    struct wm_pairing *pairing; /* what the arms' rounds point into; one a --pairs text */
    int n_pairings;
    size_t cache_bytes; /* --buffers cold: the ring is larger than twice this */
};

struct wm_plan_request {
    const struct wm_run_conf *conf;
    const struct wm_option_group *groups; /* to know what the user gave */
    int n_groups;
    const struct wm_benchmark *const *benchmarks; /* ended by NULL; the table of all */
    char **words;                                 /* benchmarks by name; none: the default set */
    int n_words;
    struct wm_plan_transport *transport; /* as in conf->transports, in order */
    int n_transports;
    const struct wm_plan_memory *memory; /* as in conf->mems, in order; none: the host's */
    int n_memories;
    const int *host_of;
    const unsigned char *gpu_ways; /* [a * ranks + b]: enum wm_fabric that joins their GPUs; NULL = nothing is known */
    int ranks, hosts;
    size_t cache_bytes;
    uint64_t free_bytes; /* of the GPU that has the least; the same on all ranks; 0 = not known */
};

/**
 * @return WM_OK; WM_EUSAGE: unknown names (with the nearest), combinations that are impossible by definition, options
 *         without effect on any benchmark, no size left, too few ranks; WM_EABSENT; WM_ENOMEM
 */
int wm_plan_make(const struct wm_plan_request *request, struct wm_plan *out, struct wm_err *err);
void wm_plan_free(struct wm_plan *plan);

/** Sweep and position of a cell number; false when there is none. */
bool wm_plan_cell(const struct wm_plan *plan, uint32_t number, const struct wm_sweep **sweep, int *size, int *arm);

/** The number by which the watch knows a candidate that is tried for a cell; and back: false for a number of a cell. */
uint32_t wm_plan_tuning_number(uint32_t cell, int candidate);
bool wm_plan_tuning(uint32_t number, uint32_t *cell, int *candidate);

/** Identity of a cell: id, names, sizes, ranks, placement, settings; status not_run. Nothing measured. */
void wm_plan_identity(const struct wm_plan *plan, const struct wm_sweep *sweep, int size, int arm,
                      struct wm_result_cell *out);

/** An arm's cells at all sizes: their id without its bytes. Allocates. WM_ENOMEM. */
int wm_plan_arm_identity(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm, char of[WM_ID_BYTES],
                         struct wm_err *err);

/** "transport=sim algo=ring": the factors in which the arms differ. */
const char *wm_plan_arm_label(const struct wm_plan *plan, const struct wm_sweep *sweep, int arm, char *text,
                              size_t bytes);

enum { WM_PLAN_TRIALS = 32, WM_USUAL_CHUNK_BYTES = 512 << 10, WM_USUAL_SLOTS = 4 };

/**
 * What an arm is tried as before a cell of this size is measured: with each of the row's algorithms for auto, else,
 * where
 * --path pipelined leaves chunk or slots open, with each of the usual ones. @param out  room for WM_PLAN_TRIALS; NULL:
 * only count. @return how many; 1: there is nothing to choose
 */
int wm_plan_trials(const struct wm_plan *plan, const struct wm_arm_spec *spec, size_t bytes, struct wm_arm_spec *out);

/** Sizes of one class have the same chunk and slots: those between two powers of 4. */
int wm_plan_size_class(size_t bytes);

/** What a trial differs in: "ring", or "chunks of 512K, 4 at once". */
const char *wm_plan_trial_label(const struct wm_arm_spec *asked, const struct wm_arm_spec *trial, char *text,
                                size_t bytes);

/** Ranks that take part in an arm, ascending. @param out  room for plan->ranks; @return how many */
int wm_plan_members(const struct wm_plan *plan, const struct wm_arm_spec *spec, int *out);

/* Arms whose memory and detour are the same have one layout of buffers. */
struct wm_plan_layout {
    const struct wm_plan_memory *memory;
    bool detour;                 /* staged or pipelined: the transport sees host memory only */
    bool used;                   /* by a planned cell, of whatever ranks */
    size_t area_bytes[WM_AREAS]; /* largest over all cells, for one rank */
    unsigned shared;             /* areas that peers put into or get from, over all cells */
};
int wm_plan_layouts(const struct wm_plan *plan);

/** The kind of memory of an area in a layout; NULL: it has no such area. */
const struct wm_mem *wm_plan_area(const struct wm_plan_layout *layout, enum wm_area area);

/** @param out  room for wm_plan_layouts() */
int wm_plan_need(const struct wm_plan *plan, int rank, struct wm_plan_layout *out, struct wm_err *err);

/* One buffer that a rank allocates: layouts share those of the same area and kind. */
struct wm_plan_buffer {
    const struct wm_mem *mem;
    enum wm_area area;
    size_t bytes;
};

/** Of what a rank needs, the buffers. @param out  room for WM_AREAS a layout; @return how many */
int wm_plan_buffers(const struct wm_plan_layout *layouts, int n_layouts, struct wm_plan_buffer *out);

/** Bytes of host memory in all buffers of a rank; the simulated device's are the host's, too. */
int wm_plan_host_bytes(const struct wm_plan *plan, int rank, uint64_t *bytes, struct wm_err *err);

/* Whom one rank talks to over one transport of the plan. */
struct wm_plan_peers {
    bool *peer;   /* by rank; room for plan->ranks, the caller's */
    bool barrier; /* the barrier between operations runs over this transport; its peers are among them */
};

/**
 * The peers of pairs, of the schedules of collectives with every algorithm and root that is planned, and of the barrier
 * between their operations.
 */
int wm_plan_peers(const struct wm_plan *plan, int transport, int rank, struct wm_plan_peers *out, struct wm_err *err);

/** Longest time: what the cells may take by --cell-time, in nanoseconds, and what is tried for auto before them (a slow
 * network takes longer: 12 operations each). */
uint64_t wm_plan_time_ns(const struct wm_plan *plan);

#endif
