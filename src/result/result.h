/**
 * The result as data: no MPI, no transport. bench fills it, reports read it; docs/result.md explains each field.
 * Absent means not measured: doubles are NaN, counts negative, texts "" (or NULL); nothing of it is written then.
 * One cell is one line of JSON, in the journal and in the document alike.
 */
#ifndef WM_RESULT_H
#define WM_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/core/err.h"

#define WM_RESULT_SCHEMA "wiremark-result/1"

enum wm_status { WM_MEASURED, WM_FAILED, WM_TIMEOUT, WM_SKIPPED, WM_NOT_RUN, WM_STATUSES };
extern const char *const wm_status_names[WM_STATUSES + 1]; /* measured failed timeout skipped not_run */

struct wm_setting {
    char name[32], value[64]; /* an option not at its default, or a fact of the cell such as a window that shrank */
};

struct wm_pair_result {
    int from, to; /* ranks */
    double median_ns, bytes_per_s;
};

struct wm_bin {
    double low_ns;
    uint64_t count;
};

enum { WM_ID_BYTES = 512 };

/* One cell. Everything inside; arrays are owned by whoever filled them. */
struct wm_result_cell {
    char id[WM_ID_BYTES];
    char bench[32], transport[32], provider[64], fabric[16], path[16], mem[32];
    int64_t bytes, block_bytes;
    int ranks, hosts;
    char placement[16]; /* same-host, cross-host, mixed */
    char algo[32], dtype[16], op[8];
    char algo_chosen[32]; /* what auto came to */
    struct wm_setting settings[24];
    int n_settings;
    bool simulated;
    enum wm_status status;
    char reason[512];
    struct {
        double median, ci95_low, ci95_high, min, mean, mad, p90, p99, p999, max;
        int64_t samples, batch, stalls;
        int converged; /* 0, 1; -1 = absent */
    } time_ns;
    struct { /* of a staged message or collective, each measured alone */
        double device_to_host, network, host_to_device;
    } parts_ns;
    double device_time_ns; /* of one operation, by the device's own clock */
    double noflush_ns;     /* the median without the flush that a GPU needs */
    int64_t chunk_bytes;   /* of --path pipelined */
    int slots;             /* -1 = absent */
    struct {
        int slowest_rank; /* -1 = absent */
        double slowest_share, skew_ns;
    } rank_time;
    struct {
        double alg_bytes_per_s, bus_bytes_per_s;
    } bandwidth;
    double message_rate_per_s;
    struct wm_pair_result *pairs;
    int n_pairs;
    struct wm_bin *histogram;
    int n_histogram;
    float *raw_ns; /* --raw-samples */
    size_t n_raw;
    struct {
        int64_t checked_bytes, wrong_elements; /* -1 = not verified */
    } verify;
    struct {
        double bytes_per_s;
        double share; /* that the bus bandwidth is of it, else the bandwidth, else bytes over the median */
        char kind[16], source[256]; /* link, measured: cannot be exceeded; estimate: can */
    } limit;
    struct {
        char verdict[16]; /* "proven", "unproven", "contradicted"; "" = not looked at */
        char fabric[16];  /* that carried the bytes, where the counters say so */
        char reason[256]; /* why not proven */
        /* What the library itself chose, where it tells: "RING", "SIMPLE"; channels -1 = it does not. */
        char algorithm[24], protocol[16];
        int channels;
        /* Arrays as JSON, owned as the other arrays are: what the transport says it used, what counters moved, by host.
         */
        json_t *claims, *counters;
    } evidence;
    struct {
        double foreign_cpu, steal; /* share of the node's CPU time that was others' or stolen while the cell ran */
        int64_t involuntary_switches;
        int oversubscribed; /* 0, 1; -1 = absent */
    } noise;
};

/** All absent. */
void wm_result_cell_init(struct wm_result_cell *cell);
/** Frees what wm_result_cell_from_json() allocated; not for cells that bench filled. */
void wm_result_cell_clear(struct wm_result_cell *cell);

/**
 * New reference, or NULL: no memory. Files hold 15 significant digits (bins 6, raw samples 9): what is read and written
 * again is the same text.
 */
json_t *wm_result_cell_to_json(const struct wm_result_cell *cell);
/** WM_EUSAGE with the field's name where it is not a cell (wrong type, unknown status ...). Fields of later versions
 * are passed over. */
int wm_result_cell_from_json(const json_t *object, struct wm_result_cell *cell, struct wm_err *err);

/* Arms of one comparison over its sizes. points[a][k]: arm a + 1 against the baseline at size k. */
struct wm_ratio_point {
    int64_t bytes;
    double ratio, ci95_low, ci95_high; /* time(arm) / time(baseline): above 1, the baseline is faster */
};
/* Arms that differ in their path alone, at the largest size: above 1, the first is faster. NaN = not compared. */
struct wm_result_staging {
    char of[128]; /* the factors beside the path in which the sets differ: "mem=device"; "" */
    int64_t bytes;
    struct wm_ratio_point staged, pipelined; /* their time over direct's */
    struct wm_ratio_point gain;              /* staged's time over pipelined's */
    int judged_sizes;                        /* at which the copies alone should make staged slower than direct */
    int suspected_sizes;                     /* of these, where direct is too slow for one without copies */
};
/** Is direct staged in secret: at most of the sizes at which it should be seen, and there is one. */
bool wm_result_suspected(const struct wm_result_staging *s);
struct wm_result_comparison {
    const char *bench;
    const char *baseline;      /* label of arm 0: "transport=mpi algo=native", its varying factors only */
    const char *const *varies; /* names of the factors; n_varies */
    int n_varies;
    const char *const *arms; /* labels, the baseline first */
    const char *const *of;   /* of each arm its cells' id without its bytes; NULL: not known */
    int n_arms;
    bool interleaved;
    const char *not_interleaved_reason; /* NULL when interleaved */
    struct wm_ratio_point **points;     /* [n_arms - 1][n_points[a]] */
    int *n_points;
    int64_t *crossover_bytes;                /* [n_arms - 1]; -1 = none */
    const struct wm_result_staging *staging; /* of each set of arms that differ in their path alone */
    int n_staging;
};
json_t *wm_result_comparison_to_json(const struct wm_result_comparison *c);

/* What --algo auto chose for the cells that differ in their size alone. */
struct wm_choice_point {
    int64_t bytes;
    const char *algo, *runner_up;      /* runner_up NULL: no other could run */
    double ratio, ci95_low, ci95_high; /* time(algo) / time(runner_up), before the cell was measured */
};
struct wm_left_out {
    int64_t bytes; /* of the first cell that it could not run */
    const char *algo;
    char reason[512];
};
struct wm_result_choice {
    const char *of; /* the cells' id without its bytes */
    const char *bench, *transport;
    const char *label;                   /* of the arm; "" where nothing was compared. For reports alone */
    const struct wm_choice_point *point; /* by size, ascending */
    int n_points;
    const struct wm_left_out *left_out;
    int n_left_out;
};
json_t *wm_result_choice_to_json(const struct wm_result_choice *c);
/** The first point at or after k whose algorithm is not that of the one before; n_points: none. */
int wm_result_choice_next(const struct wm_result_choice *c, int k);

/**
 * The journal: JSON lines, each flushed to the kernel when written and synced at most once a second, so that a killed
 * run loses no finished cell. First line {"head": {...}}, then {"planned": {stub}} for each planned cell (its identity
 * only), then {"cell": ...}, {"comparison": ...} as they end; before the latter, after each size, {"comparison_so_far":
 * ...}, of which the last counts where the run ended before the comparison did; {"choice": ...} after each size that
 * auto chose for, of which the last with the same `of` counts. It stands beside the output:
 * OUTPUT.journal. head holds the document's top level up to `topology`: schema, tool, run, world, environment; and
 * `unavailable`, a list of {name, reason}, which goes to the document's coverage.
 */
struct wm_journal;
/** WM_EUSAGE: it exists (names recover), or its folder is not there or not writable; WM_EIO: the disk is full. */
int wm_journal_open(const char *path, const json_t *head, struct wm_journal **out, struct wm_err *err);
/* After the first write that fails every later one returns the same WM_EIO; what stands in the file is complete lines.
 * WM_EBUG: the cell lacks a part of its identity. */
int wm_journal_plan(struct wm_journal *j, const struct wm_result_cell *stub, struct wm_err *err);
int wm_journal_cell(struct wm_journal *j, const struct wm_result_cell *cell, struct wm_err *err); /* thread-safe */
int wm_journal_comparison(struct wm_journal *j, const json_t *comparison, struct wm_err *err);
int wm_journal_comparison_so_far(struct wm_journal *j, const json_t *comparison, struct wm_err *err);
int wm_journal_choice(struct wm_journal *j, const json_t *choice, struct wm_err *err);
/** From any thread: no line is written after this returns; later writes return WM_EIO quietly ("the run is ending"). */
void wm_journal_seal(struct wm_journal *j);
void wm_journal_close(struct wm_journal *j); /* the file stays */

/** How a run ended, for the document's foot. */
struct wm_ending {
    bool complete;
    char ended_by[400];        /* "finished", "SIGTERM", "rank 3 on h2 is gone (process 4711)", "recovered" */
    char ended_utc[32];        /* "2026-11-22T16:12:40Z"; "" = now; recover uses the journal's last write */
    const json_t *unavailable; /* array of {name, reason}; NULL = take the head's */
};

/**
 * Head + cells + foot: the one way in which a result document comes to be, at the end of a run, at a signal and by
 * `recover`. Cells stand in the order of the plan; planned cells that never ended are written as not_run; of two lines
 * on one id the last counts. Streams: memory is the set of ids.
 * Written to a temporary file beside output, fsync, rename; the journal is removed only then, when remove_journal.
 * An output that exists and is no regular file (/dev/stdout) is written directly.
 * A last line that was cut off in the journal is left out and said in *cut (may be NULL).
 * @return WM_EIO disk full or not writable (output untouched), WM_EUSAGE not a journal (file:line in err)
 */
int wm_result_finish(const char *journal, const char *output, const struct wm_ending *ending, bool remove_journal,
                     bool *cut, struct wm_err *err);

/** What stands beside the cells of a document; json members are borrowed while `each` runs, NULL when absent. */
struct wm_result_reader {
    /* Called once per cell, in order; non-zero ends the reading and is returned. */
    int (*cell)(const struct wm_result_cell *cell, void *arg);
    /* Called once, after the cells, with the document without them. */
    int (*rest)(const json_t *document, void *arg);
    void *arg;
};
/** Cell by cell in constant memory. Errors name file and line: WM_EUSAGE not ours, truncated, other schema version;
 * WM_EABSENT no file. */
int wm_result_read(const char *path, const struct wm_result_reader *reader, struct wm_err *err);

/** A JSON text of any bytes: what is not UTF-8 becomes '?'. For host names and variables. NULL: no memory. */
json_t *wm_result_text(const char *text);

/** Now (-1), or a given time, as "2026-11-22T16:12:40Z"; text holds 32 bytes and is returned. */
const char *wm_utc_text(char text[32], int64_t unix_seconds);

#endif
