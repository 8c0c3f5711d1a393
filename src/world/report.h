/** What a person reads when a run ends early. Pure: sights in, text out; equal ranks are folded into one line. */
#ifndef WM_WORLD_REPORT_H
#define WM_WORLD_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "src/world/board.h"

/* How all ranks stand, as far as they are known. */
struct wm_scene {
    struct wm_sight *sight; /* by rank; before MPI_Init has returned by local rank, of this host only */
    int n;
    char (*host)[64]; /* names */
    int hosts;
    const char *(*cell_name)(void *arg, uint32_t cell); /* NULL: no cells yet */
    void *arg;
};

/* Text that is cut, never overrun. */
struct wm_lines {
    char *text;
    size_t bytes, used;
};
void wm_lines_add(struct wm_lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * "latency mpi 8 B (measure)", "MPI_Init": where a rank is, in words.
 * @return text
 */
char *wm_report_where(const struct wm_scene *scene, const struct wm_sight *sight, char *text, size_t bytes);

/**
 * Lines about all ranks, culprits first, each "wiremark:   rank 1 on h2 is stopped (...)".
 * @param headline  the rank whose cell is told already
 */
void wm_report_ranks(const struct wm_scene *scene, const struct wm_sight *headline, struct wm_lines *out);

/**
 * What failed first, and who waits for it: "rank 2 on h1 failed: ... (MPI_Allreduce: ...); ranks 0-1 wait for it". "" =
 * nothing failed that is not known to all.
 * @param headline  the rank whose cell is told besides
 * @param least     WM_FAULT_GAVE_UP where nobody else is to blame
 * @return text
 */
char *wm_report_fault(const struct wm_scene *scene, const struct wm_sight *headline, enum wm_fault least, char *text,
                      size_t bytes);

/**
 * The first culprit in the same words without the prefix: gone, silent host, and at a deadline also stopped or never
 * come; "" = none.
 * @return text
 */
char *wm_report_culprit(const struct wm_scene *scene, bool at_deadline, char *text, size_t bytes);

#endif
