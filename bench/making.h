/** While a plan is made: what its files share. maker.c reads the request, factors.c what a benchmark's words mean,
 * sweep.c makes arms and cells of their combinations. */
#ifndef WM_BENCH_MAKING_H
#define WM_BENCH_MAKING_H

#include "bench/plan.h"

struct wm_maker {
    const struct wm_plan_request *request;
    const struct wm_run_conf *conf;
    struct wm_plan *plan;
    const struct wm_benchmark **bench; /* chosen */
    int n_bench;
    bool by_name;     /* the user named them */
    bool leaves_algo; /* no word of --algo means the benchmark at hand */
    bool implied;     /* some of the memory is what rows have of their own: --mem was not given */
    uint64_t *bytes;  /* requested sizes, ascending; of the row at hand after wm_plan_sizes() */
    int n_bytes;
    struct wm_err *err;
};

/* ---- which options matter to whom ---- */

static inline bool wm_takes_root(const struct wm_benchmark *b)
{
    return b->rooted;
}
static inline bool wm_takes_op(const struct wm_benchmark *b)
{
    return b->reduces;
}
static inline bool wm_takes_window(const struct wm_benchmark *b)
{
    return b->windowed;
}
static inline bool wm_takes_pairs(const struct wm_benchmark *b)
{
    return b->shape == WM_PAIR;
}
/* Copies of one rank go over no transport: nothing that is said of transports matters to them. */
static inline bool wm_takes_transport(const struct wm_benchmark *b)
{
    return b->shape != WM_ALONE;
}
static inline bool wm_takes_sync(const struct wm_benchmark *b)
{
    return b->clock_of == WM_CLOCK_SLOWEST;
}
static inline bool wm_takes_in_place(const struct wm_benchmark *b)
{
    return b->can_in_place;
}
static inline bool wm_takes_bytes(const struct wm_benchmark *b)
{
    return b->bytes_rule != WM_BYTES_NONE;
}

static inline bool wm_asks_direct(const struct wm_maker *m, int path)
{
    return m->conf->paths.n == 0 || WM_PATH_DIRECT + m->conf->paths.value[path] == WM_PATH_DIRECT;
}

/* Did the user say it? */
static inline bool wm_given(const struct wm_maker *m, const char *option)
{
    return wm_option_given(m->request->groups, m->request->n_groups, option);
}

/* Does the fabric join the GPUs of these ranks? */
static inline bool wm_joined(const struct wm_maker *m, enum wm_fabric fabric, int a, int b)
{
    return m->request->gpu_ways[a * m->plan->ranks + b] == (unsigned char)fabric;
}

/* ---- sizes.c ---- */

/** The sizes for a row, into m->bytes: the user's, its own, or those of most rows. */
int wm_plan_sizes(struct wm_maker *m, const struct wm_benchmark *b);

/* ---- factors.c ---- */

enum { WM_PLAN_ALGORITHMS = 32 };

/** Where there is nothing to choose, auto is the only one, under its own name. */
const struct wm_algorithm *wm_plan_automatic(const struct wm_benchmark *b);

/** Those of a benchmark. @param list  room for WM_PLAN_ALGORITHMS */
int wm_plan_choose_algorithms(struct wm_maker *m, const struct wm_benchmark *b, const struct wm_algorithm **list,
                              int *n);

/** Every word of --algo must mean something to some benchmark of this run. */
int wm_plan_check_algorithms(struct wm_maker *m);

/** Of a word of --root: a rank, or WM_ROOT_ROTATE. */
int wm_plan_parse_root(struct wm_maker *m, const char *text, int *root);

/** One a text of --pairs. */
int wm_plan_pairings(struct wm_maker *m);

/* ---- sweep.c ---- */

/** The sweeps of all benchmarks, with their arms and cells. */
int wm_plan_sweeps(struct wm_maker *m);

#endif
