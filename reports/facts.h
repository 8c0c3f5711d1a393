/** The environment of a launch as a flat list of facts, so that two can be told apart. */
#ifndef WM_REPORTS_FACTS_H
#define WM_REPORTS_FACTS_H

#include <jansson.h>

#include "reports/intern.h"
#include "src/core/err.h"

/* A leaf of a launch's document: "environment.versions.nccl" is "2.28.9". */
struct wm_fact {
    const char *name, *value; /* interned */
};

struct wm_facts {
    struct wm_fact *fact; /* sorted by name; freed by the owner */
    int n;
    int ranks, hosts; /* of the launch's world */
};

/**
 * Leaves of tool, environment, topology and world of a document's head, sorted by name. Members of lists are named by
 * their rank, address or name. Left out is what differs between equal machines and equal runs: names of hosts (ranks
 * say instead on which host of their order they are), identifiers of pieces of hardware, the measured clock.
 * @param path  of the file, for errors
 * @param out   empty
 */
int wm_facts_read(struct wm_intern *texts, const json_t *head, const char *path, struct wm_facts *out,
                  struct wm_err *err);

#endif
