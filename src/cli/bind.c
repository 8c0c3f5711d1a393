#include "src/cli/bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MPI libraries over UCX read it when they start. */
static void tell_ucx(const struct wm_topo *topo, int nic)
{
    struct wm_topo_nic card[64];
    char text[64];
    if (nic < 0 || nic >= wm_topo_nics(topo, card, 64) || nic >= 64 || card[nic].rdma < 0)
        return;
    const struct wm_topo_rdma *rdma = &topo->rdma[card[nic].rdma];
    int port = 0;
    while (port + 1 < rdma->n_ports && strcmp(rdma->port[port].state, "ACTIVE") != 0)
        port++;
    snprintf(text, sizeof(text), "%s:%d", rdma->name, rdma->n_ports > 0 ? rdma->port[port].number : 1);
    setenv("UCX_NET_DEVICES", text, 0);
}

int wm_cli_bind(const struct wm_launch *launch, struct wm_bind_seat *out, struct wm_err *err)
{
    static const struct wm_topo_request here;
    struct wm_topo topo = { 0 };
    char allowed[WM_CPUS_TEXT];
    int local = launch->local_rank >= 0 ? launch->local_rank : 0;
    int locals = launch->local_size > local ? launch->local_size : local + 1;
    if (wm_topo_discover(&here, &topo, err) != WM_OK)
        return err->code;
    if (wm_bind_allowed(allowed, sizeof(allowed), err) == WM_OK &&
        wm_bind_recommend(&topo, allowed, local, locals, out, err) == WM_OK && out->cpus[0] != '\0' &&
        wm_bind_apply(out->cpus, err) == WM_OK)
        tell_ucx(&topo, out->nic);
    wm_topo_free(&topo);
    return err->code;
}
