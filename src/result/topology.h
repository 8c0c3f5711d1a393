/** A node's topology as JSON, and back: what the result keeps of each distinct kind of node. */
#ifndef WM_RESULT_TOPOLOGY_H
#define WM_RESULT_TOPOLOGY_H

#include <jansson.h>

#include "src/topo/topo.h"

/**
 * New reference or NULL: no memory. Unknown fields are absent, rates in bytes_per_s, PCI devices refer to each other by
 * address. @param kind_only  without what differs between equal nodes: UUIDs, GUIDs, GIDs, notes, source
 */
json_t *wm_topology_to_json(const struct wm_topo *topo, bool kind_only);
/** WM_EUSAGE with the field's name; fields of later versions are passed over. Free with wm_topo_free(). */
int wm_topology_from_json(const json_t *object, struct wm_topo *out, struct wm_err *err);

#endif
