/**
 * The side channel: when something is wrong, hosts ask each other over TCP how their ranks stand. Silent while all is
 * well. Every wait is bounded, nothing is allocated once it is open, and who asks answers others meanwhile.
 */
#ifndef WM_WORLD_ASK_H
#define WM_WORLD_ASK_H

#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>

#include "src/world/board.h"
#include "src/world/world.h"

#define WM_ASK_ADDRESSES 4

/* Request and answer begin alike; sights follow the answer. */
struct wm_ask_message {
    uint8_t token[16]; /* of this run: a stranger gets no answer */
    uint32_t host;     /* index of the host that is asked: an address may exist on several (bridges) */
    uint32_t value;    /* request: 0, or the exit status of a run that is over; answer: number of sights */
};

struct wm_ask_host {
    struct in_addr address[WM_ASK_ADDRESSES];
    int addresses;
    int first, ranks; /* its part of `member` and `inbox` */
    /* of the inquiry under way */
    int fd;
    int called; /* index in `member` of the process that fd leads to */
    bool connecting, answered;
    int tries;
    size_t got_bytes;
    struct wm_ask_message head;
};

struct wm_ask {
    uint8_t token[16];
    int listener; /* -1: closed */
    int self;     /* index of this host */
    int hosts, ranks;
    struct wm_ask_host *host;
    int32_t *member;        /* ranks, host by host */
    in_port_t *port;        /* by rank, in network order */
    int32_t *pid;           /* by rank */
    uint8_t *refused;       /* like member: addresses at which its port is closed */
    uint8_t *silent;        /* like member: its kernel took the call, the process said nothing */
    struct wm_sight *inbox; /* host by host */
    struct pollfd *poll;    /* hosts + 1 */
    int *polled;            /* host of each poll entry */
};

/** Collective. Opens this process's port and learns the others'. */
int wm_ask_open(struct wm_ask *ask, const struct wm_world *world, const uint8_t token[16], struct wm_err *err);
void wm_ask_close(struct wm_ask *ask); /* zeroed is allowed */

/** Answers whoever has asked; never waits longer than 0.2 s. A request that the run is over is noted on the board. */
void wm_ask_serve(struct wm_ask *ask, const struct wm_board *board);

/**
 * Asks all other hosts at once; of a host any process may answer, they are tried in turn.
 * @param over       0, or an exit status: tells that the run is over
 * @param own        this process's line, kept alive meanwhile
 * @param budget_ns  for all; one try takes at most round_ns
 * @param sight      out, by rank: of other hosts' ranks; where nobody of a host answered: WM_SEEN_GONE if the
 *                   process's port is closed, WM_SEEN_STOPPED if it is open and mute, else WM_SEEN_NOTHING
 */
void wm_ask_all(struct wm_ask *ask, const struct wm_board *board, struct wm_board_line *own, uint32_t over,
                uint64_t budget_ns, uint64_t round_ns, struct wm_sight *sight);

#endif
