/** The environment of a launch as a flat list of facts, so that two can be told apart. */
#ifndef WM_REPORTS_FACTS_H
#define WM_REPORTS_FACTS_H

#include <jansson.h>

#include "reports/sample.h"

/**
 * Leaves of tool, environment, topology and world of a document's head, sorted by name. Members of lists are named by
 * their rank, address or name. Left out is what differs between equal machines and equal runs: names of hosts (ranks
 * say instead on which host of their order they are), identifiers of pieces of hardware, the measured clock.
 * @param item  its facts are filled in, texts interned in the set
 */
int wm_facts_read(struct wm_launch_set *set, const json_t *head, struct wm_launch_set_item *item, struct wm_err *err);

#endif
