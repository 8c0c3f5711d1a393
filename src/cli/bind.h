/** --bind: this rank on its processors before MPI starts. */
#ifndef WM_CLI_BIND_H
#define WM_CLI_BIND_H

#include "src/topo/bind.h"
#include "src/world/launch.h"

/**
 * Looks at this machine, takes the recommendation for this local rank among the processors that the cgroup allows
 * (whatever the launcher bound it to) and binds the process. A card that is an RDMA device is told to UCX by
 * UCX_NET_DEVICES, unless the user did; the variable stands in the result.
 * @return WM_OK, WM_ESYS, WM_ENOMEM
 */
int wm_cli_bind(const struct wm_launch *launch, struct wm_bind_seat *out, struct wm_err *err);

#endif
