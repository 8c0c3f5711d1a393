/* The kinds of topology files: what was built in, and what was not. */
#include "src/topo/discover.h"

const struct wm_topo_xml_kind wm_topo_xml_kinds[] = {
    { "topology", "hwloc XML", NULL, wm_topo_read_hwloc },
#ifdef HAVE_LIBXML2
    { "system", "NCCL XML", NULL, wm_topo_read_nccl },
#else
    { "system", "NCCL XML", "libxml2", NULL },
#endif
    { NULL, NULL, NULL, NULL },
};
