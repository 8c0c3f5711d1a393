/** A line a rank in memory shared by the ranks of a host: who is where, and who still lives. */
#ifndef WM_WORLD_BOARD_H
#define WM_WORLD_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/core/err.h"

#define WM_BOARD_LINES 4096 /* ranks of a host */

enum wm_line_state {
    WM_LINE_FREE, /* its rank has not come yet */
    WM_LINE_HELD,
    WM_LINE_ENDED, /* left in good order */
};

/* A cache line each: a rank writes its own without disturbing the others. */
struct wm_board_line {
    _Alignas(64) _Atomic uint64_t alive_ns; /* by the watch's thread, every 100 ms */
    _Atomic uint64_t moved_ns;              /* by the rank: its last phase or progress */
    _Atomic uint32_t state, phase, cell, block;
    _Atomic int32_t rank, pid;
};

#define WM_FAULT_BYTES 232

enum wm_fault {
    WM_FAULT_NONE,
    WM_FAULT_GAVE_UP, /* at its deadline: most often another rank's fault seen from here */
    WM_FAULT_FAILED,
};

/* Why an operation failed on a rank, as long as the others may not know: written when it happens, never else. */
struct wm_board_fault {
    _Alignas(64) _Atomic uint32_t kind; /* set after the rest */
    uint32_t cell;
    uint64_t since_ns;
    char text[WM_FAULT_BYTES];
};

struct wm_board_head {
    _Alignas(64) _Atomic uint32_t over; /* 0, or the exit status of a run that has been explained: leave quietly */
    _Atomic uint64_t busy_elsewhere_ns; /* until then ranks on other hosts are within their deadlines */
};

struct wm_board {
    struct wm_board_head *head;
    struct wm_board_line *line;
    struct wm_board_fault *fault; /* by line */
    int lines;
    size_t mapped_bytes;
    char name[256]; /* of the shared memory object; "" = private, or removed */
};

/** Memory of this process (and children) alone: no launcher, or no shared memory to be had. */
int wm_board_private(int lines, struct wm_board *out, struct wm_err *err);

/** Whoever comes first creates it; all give the same name and number of lines. */
int wm_board_shared(const char *name, int lines, struct wm_board *out, struct wm_err *err);

void wm_board_unlink(struct wm_board *board); /* the name only; the memory stays */
void wm_board_close(struct wm_board *board);  /* unmaps; NULL-safe, zeroed is allowed */

/** This process takes the line, in phase 0, alive now. False: somebody holds it. */
bool wm_board_hold(struct wm_board *board, int line, int rank);

/**
 * Notes on this process's own line what failed in its present cell; what is noted already stays.
 * @param kind  WM_FAULT_NONE: forget it, the others know; text may be NULL
 */
void wm_board_note(struct wm_board *board, int line, enum wm_fault kind, const char *text);

enum wm_sight_state {
    WM_SEEN_NOTHING, /* its host did not answer */
    WM_SEEN_NEVER,   /* has not come */
    WM_SEEN_ALIVE,
    WM_SEEN_STOPPED, /* exists, no sign of life */
    WM_SEEN_GONE,    /* its process does not exist */
    WM_SEEN_ENDED,
};

/* How a rank stands; also what hosts send each other. Ages, for clocks of hosts differ. */
struct wm_sight {
    int32_t rank; /* -1 = not known yet */
    int32_t host; /* index */
    int32_t pid;  /* 0 = not known */
    uint32_t state, phase, cell, block;
    uint32_t alive_age_ms, moved_age_ms;      /* WM_AGE_UNKNOWN: it could not be asked */
    uint32_t fault, fault_cell, fault_age_ms; /* enum wm_fault: what failed there and is not known to all */
    char fault_text[WM_FAULT_BYTES];
};
#define WM_AGE_UNKNOWN UINT32_MAX

void wm_board_look(const struct wm_board *board, int line, uint64_t now_ns, struct wm_sight *out);

/** The first line whose process is alive; -1 = none. */
int wm_board_lowest_alive(const struct wm_board *board, uint64_t now_ns);

#endif
