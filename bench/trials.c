/* What is tried before a cell is measured: algorithms for auto, chunk and slots of a pipelined path. */
#include <stdio.h>

#include "bench/plan.h"
#include "src/core/units.h"

/* Of --path pipelined, tried where they are left open; the first stand where nothing is to be tried. Others use 128K
 * for a network, 512K for NVLink and host memory, and 4M (docs/method.md). */
static const size_t usual_chunks[] = { WM_USUAL_CHUNK_BYTES, 128 << 10, 2 << 20 };
static const int usual_slots[] = { WM_USUAL_SLOTS, 16 };
enum { USUAL_CHUNKS = 3, USUAL_SLOTS = 2, MOST_CHUNKS_BYTES = 32 << 20 }; /* of all slots of one direction */

/* Other slots matter where several chunks are on their way, another chunk where it cuts otherwise than the first. */
static bool is_worth_trying(const struct wm_arm_spec *first, const struct wm_arm_spec *trial, size_t bytes)
{
    const bool several = bytes > trial->chunk_bytes || trial->window > 1;
    const size_t finer = trial->chunk_bytes < first->chunk_bytes ? trial->chunk_bytes : first->chunk_bytes;
    return trial->chunk_bytes * (size_t)trial->slots <= MOST_CHUNKS_BYTES &&
           (trial->slots == first->slots || several) && (trial->chunk_bytes == first->chunk_bytes || bytes > finer);
}

static int chunk_trials(const struct wm_run_conf *c, const struct wm_arm_spec *spec, size_t bytes,
                        struct wm_arm_spec *out)
{
    const int chunks = c->chunk_bytes > 0 ? 1 : USUAL_CHUNKS, slots = c->slots > 0 ? 1 : USUAL_SLOTS;
    int n = 0;
    for (int i = 0; i < chunks * slots; i++) {
        struct wm_arm_spec trial = *spec;
        if (c->chunk_bytes == 0)
            trial.chunk_bytes = usual_chunks[i / slots];
        if (c->slots == 0)
            trial.slots = usual_slots[i % slots];
        if (i > 0 && !is_worth_trying(spec, &trial, bytes))
            continue;
        if (out != NULL)
            out[n] = trial;
        n++;
    }
    return n;
}

int wm_plan_trials(const struct wm_plan *plan, const struct wm_arm_spec *spec, size_t bytes, struct wm_arm_spec *out)
{
    const int n = spec->algo == &wm_algorithm_auto ? wm_benchmark_algorithms(spec->bench) : 1;
    if (n == 1 && spec->path == WM_PATH_PIPELINED)
        return chunk_trials(plan->conf, spec, bytes, out);
    for (int i = 0; out != NULL && i < n; i++) {
        out[i] = *spec;
        out[i].algo = n > 1 ? &spec->bench->algorithms[i] : spec->algo;
    }
    return n;
}

int wm_plan_size_class(size_t bytes)
{
    int n = 0;
    for (; bytes >= 4; bytes /= 4)
        n++;
    return n;
}

const char *wm_plan_trial_label(const struct wm_arm_spec *asked, const struct wm_arm_spec *trial, char *text,
                                size_t bytes)
{
    char chunk[WM_TEXT_BYTES];
    if (asked->algo != trial->algo)
        snprintf(text, bytes, "%s", trial->algo->name);
    else
        snprintf(text, bytes, "chunks of %s, %d at once", wm_format_bytes(chunk, trial->chunk_bytes), trial->slots);
    return text;
}

/* Cells' numbers stay below the bits of candidates. */
enum { CANDIDATE_SHIFT = 26 };

uint32_t wm_plan_tuning_number(uint32_t cell, int candidate)
{
    return (uint32_t)(candidate + 1) << CANDIDATE_SHIFT | cell;
}

bool wm_plan_tuning(uint32_t number, uint32_t *cell, int *candidate)
{
    *cell = number & ((1u << CANDIDATE_SHIFT) - 1);
    *candidate = (int)(number >> CANDIDATE_SHIFT) - 1;
    return *candidate >= 0 && *candidate < WM_PLAN_TRIALS;
}
/* Trials before a cell; chunks are tried once for each class of sizes. */
static int trials_before(const struct wm_plan *plan, const struct wm_sweep *sweep, int size, int arm)
{
    const struct wm_arm_spec *spec = &sweep->arm[arm];
    const struct wm_cell *cell = &sweep->cell[size * sweep->n_arms + arm];
    const int n = wm_plan_trials(plan, spec, cell->bytes, NULL);
    if (n == 1)
        return 0;
    for (int s = 0; s < size && spec->algo != &wm_algorithm_auto; s++) {
        const struct wm_cell *before = &sweep->cell[s * sweep->n_arms + arm];
        if (before->planned && wm_plan_size_class(before->bytes) == wm_plan_size_class(cell->bytes))
            return 0;
    }
    return n;
}

uint64_t wm_plan_time_ns(const struct wm_plan *plan)
{
    uint64_t shares = 0; /* of a cell's time */
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *sweep = &plan->sweep[i];
        for (int k = 0; k < sweep->n_sizes * sweep->n_arms; k++)
            if (sweep->cell[k].planned)
                shares += WM_TUNING_SHARE + (uint64_t)trials_before(plan, sweep, k / sweep->n_arms, k % sweep->n_arms);
    }
    return shares * plan->conf->cell_time_ns / WM_TUNING_SHARE;
}
