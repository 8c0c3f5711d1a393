/** A uniform sample of a stream of unknown length (Vitter 1985, algorithm R; in the form with skips, algorithm L of
 * Li 1994, which draws random numbers only for what it keeps). */
#ifndef WM_STATS_RESERVOIR_H
#define WM_STATS_RESERVOIR_H

#include <stddef.h>
#include <stdint.h>

#include "src/core/random.h"
#include "src/stats/series.h"

struct wm_reservoir {
    float ns[WM_RAW_SAMPLES];
    uint16_t block[WM_RAW_SAMPLES]; /* from which block each comes */
    size_t kept;
    uint64_t seen;
    uint64_t next; /* index in the stream of the next one to keep, once full */
    double w;      /* of algorithm L: the largest of the kept ones' random keys */
    struct wm_random random;
};

void wm_reservoir_init(struct wm_reservoir *r, uint64_t seed);
void wm_reservoir_add(struct wm_reservoir *r, const double *ns, size_t n, unsigned block);

/** Neighbouring blocks become one: block numbers are halved. */
void wm_reservoir_merge_blocks(struct wm_reservoir *r);

#endif
