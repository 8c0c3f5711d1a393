/** The table of transports. */
#include <string.h>

#include "src/transport/transport.h"

const struct wm_transport_row wm_transports[] = {
    { "null", NULL, &wm_transport_null },
    { "sim", NULL, &wm_transport_sim },
    { "mpi", NULL, &wm_transport_mpi },
#ifdef HAVE_VERBS
    { "verbs", NULL, &wm_transport_verbs },
#else
    { "verbs", "libibverbs", NULL },
#endif
#ifdef HAVE_LIBFABRIC
    { "ofi", NULL, &wm_transport_ofi },
#else
    { "ofi", "libfabric", NULL },
#endif
#ifdef HAVE_CUDA
    { "cuda", NULL, &wm_transport_cuda },
    { "nccl", NULL, &wm_transport_nccl },
#else
    { "cuda", "the CUDA toolkit (make CUDA_HOME=DIR)", NULL },
    { "nccl", "the CUDA toolkit (make CUDA_HOME=DIR)", NULL },
#endif
    { NULL, NULL, NULL },
};

const struct wm_transport_row *wm_transport_find(const char *name)
{
    for (const struct wm_transport_row *row = wm_transports; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
