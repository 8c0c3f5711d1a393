/** What the user asked for: the options of `run` and `plan` as one struct, filled from the rows in conf.c. */
#ifndef WM_BENCH_CONF_H
#define WM_BENCH_CONF_H

#include "src/core/option.h"

enum wm_buffers { WM_BUFFERS_HOT, WM_BUFFERS_DISTINCT, WM_BUFFERS_COLD };
enum wm_sync { WM_SYNC_BARRIER, WM_SYNC_NONE };
enum wm_format { WM_FORMAT_TABLE, WM_FORMAT_CSV, WM_FORMAT_JSON, WM_FORMAT_NONE };
enum wm_binding { WM_BINDING_NONE, WM_BINDING_AUTO };
enum wm_when { WM_WHEN_AUTO, WM_WHEN_ON, WM_WHEN_OFF };

extern const char *const wm_buffers_names[], *const wm_sync_names[], *const wm_path_words[];

struct wm_run_conf {
    /* what */
    struct wm_text_list transports, nics, mems, algos, pairs, roots;
    struct wm_int_list paths;                                /* indexes of wm_path_words; empty: direct */
    struct wm_int_list fabrics;                              /* indexes of wm_fabric_words; empty: not named */
    struct wm_int_list dtypes, ops, windows, buffers, syncs; /* dtypes empty: float for reductions, int8 elsewhere */
    struct wm_bytes_list bytes;                              /* empty: powers of two from min to max */
    uint64_t min_bytes, max_bytes, max_inflight_bytes;
    uint64_t chunk_bytes;
    int64_t slots;
    char *gpu;
    bool in_place;
    /* how */
    double precision;
    uint64_t cell_time_ns, total_time_ns, timeout_ns, open_timeout_ns;
    int64_t min_samples, seed, verify, bind;
    bool raw_samples, require_proven;
    /* where to */
    char *output;
    int64_t format, progress, color;
    bool force, help;
    /* plan only */
    int64_t ranks, hosts;
};

/* Rows by heading; each group's conf is a struct wm_run_conf. */
extern const struct wm_option wm_conf_what[], wm_conf_how[], wm_conf_output[], wm_conf_plan[];

#endif
