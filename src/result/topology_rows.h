/** The members of a topology in JSON, listed once: writer and reader are driven by these rows, in this order. */
#ifndef WM_RESULT_TOPOLOGY_ROWS_H
#define WM_RESULT_TOPOLOGY_ROWS_H

#include "src/result/topology.h"

/* What stands at `offset`, and what says that it is absent. */
enum wm_topology_type {
    WM_TOPOLOGY_TEXT,  /* char[]: "" */
    WM_TOPOLOGY_INT,   /* int: the row's `absent` */
    WM_TOPOLOGY_BYTES, /* uint64_t: 0 */
    WM_TOPOLOGY_REAL,  /* double: 0, or not finite */
    WM_TOPOLOGY_TRUE,  /* bool: false */
    WM_TOPOLOGY_HEX,   /* unsigned of `bytes` bytes, "0x10de": 0 */
    WM_TOPOLOGY_NAME,  /* an enum with `names`: 0 */
    /* An int that is an index in an array of the topology: negative. In JSON: */
    WM_TOPOLOGY_NUMA, /* the kernel's number of the NUMA node */
    WM_TOPOLOGY_PCI,  /* the PCI address */
    WM_TOPOLOGY_RDMA, /* the device's name */
    WM_TOPOLOGY_GPU,  /* the place in gpus[] */
};

/* In a node's kind. */
enum wm_topology_kind {
    WM_KIND_SAME,
    WM_KIND_LEFT_OUT, /* it differs between equal nodes */
    WM_KIND_ROUNDED,  /* to whole GiB: the kernel keeps a few pages more or less for itself at each start */
};

struct wm_topology_row {
    const char *name;
    enum wm_topology_type type;
    size_t offset, bytes;
    int absent;
    bool required;
    const char *const *names;
    int n_names;
    enum wm_topology_kind kind;
};

/* An array of structures, whose members are rows and further arrays. */
struct wm_topology_list {
    const char *name;
    const struct wm_topology_row *rows;   /* ended by name == NULL */
    const struct wm_topology_list *inner; /* ended by name == NULL; NULL = none */
    size_t array, count, element_bytes;   /* offsets of the pointer and of the int in what holds the array */
    size_t room; /* the array itself stands at its offset, with room for so many; 0 = a pointer to it */
    enum wm_topology_kind kind;
    bool (*of_this_node_only)(const void *element); /* left out of a kind; NULL = none is */
};

extern const struct wm_topology_row wm_topology_rows[];   /* of struct wm_topo itself */
extern const struct wm_topology_list wm_topology_lists[]; /* a list refers only to itself and to those before it */

#endif
