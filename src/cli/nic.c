#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cli/fabric.h"
#include "src/core/text.h"
#include "src/topo/bind.h"
#include "src/topo/fabric.h"

enum { MOST_CARDS = 64 };

static bool is(const struct wm_plan_transport *t, const char *name)
{
    return strcmp(t->transport->name, name) == 0;
}

static bool uses_card(const struct wm_plan_transport *t)
{
    return t->fabric != WM_FABRIC_SHM && (is(t, "verbs") || is(t, "ofi") || is(t, "mpi"));
}

int wm_cli_check_nics(const struct wm_cli_options *o, struct wm_err *err)
{
    const struct wm_text_list *names = &o->conf.nics;
    bool used = false;
    for (int t = 0; t < o->n_transports; t++)
        used |= uses_card(&o->transport[t]);
    if (names->n > 0 && !used)
        return wm_fail(err, WM_EUSAGE, "", 0, "--nic has no effect: nothing that is measured uses a network card");
    for (int i = 0; i < names->n && names->n > 1; i++)
        if (strcmp(names->value[i], "auto") == 0)
            return wm_fail(err, WM_EUSAGE, "", 0, "--nic auto stands alone: leave out the names, or auto");
    for (int i = 0; i < names->n; i++)
        if (strlen(names->value[i]) >= WM_NIC_BYTES)
            return wm_fail(err, WM_EUSAGE, "", 0, "--nic: %.60s... is too long for a card's name", names->value[i]);
    return WM_OK;
}

const char *wm_cli_nic(const struct wm_cli_options *o)
{
    for (int t = 0; t < o->n_transports; t++)
        if (o->transport[t].nic[0] != '\0')
            return o->transport[t].nic;
    return "";
}

/* ---- which one ---- */

static int fail_absent(const struct wm_topo *topo, const char *what, struct wm_err *err)
{
    char found[200], host[64] = "";
    gethostname(host, sizeof(host) - 1);
    int n = wm_fabric_inventory(topo, found, sizeof(found));
    return wm_fail(err, WM_EABSENT, "", 0, "--nic %s: there is no such card on host %s; there are %s", what, host,
                   n > 0 ? found : "none");
}

/* The cards that a transport can take for its fabric; returns how many. */
static int suitable(const struct wm_topo *topo, const struct wm_plan_transport *t, struct wm_topo_nic *out)
{
    struct wm_topo_nic all[MOST_CARDS];
    int n = wm_topo_nics(topo, all, MOST_CARDS), kept = 0;
    for (int i = 0; i < n && i < MOST_CARDS; i++)
        if ((t->fabric == WM_FABRIC_UNKNOWN || all[i].fabric == t->fabric) && (!is(t, "verbs") || all[i].rdma >= 0))
            out[kept++] = all[i];
    return kept;
}

static int nearest(const struct wm_topo *topo, const struct wm_launch *launch, struct wm_plan_transport *t,
                   struct wm_err *err)
{
    struct wm_topo_nic nic[MOST_CARDS];
    struct wm_bind_seat seat;
    char allowed[WM_CPUS_TEXT];
    int local = launch->local_rank >= 0 ? launch->local_rank : 0;
    int locals = launch->local_size > local ? launch->local_size : local + 1;
    if (wm_bind_allowed(allowed, sizeof(allowed), err) != WM_OK ||
        wm_bind_recommend(topo, allowed, local, locals, &seat, err) != WM_OK)
        return err->code;
    int n = suitable(topo, t, nic);
    int best = wm_topo_nearest_nic(topo, nic, n, seat.gpu, seat.numa);
    if (best < 0)
        return fail_absent(topo, t->fabric != WM_FABRIC_UNKNOWN ? wm_fabric_names[t->fabric] : "auto", err);
    snprintf(t->nic, sizeof(t->nic), "%s", nic[best].name);
    return WM_OK;
}

static int named(const struct wm_topo *topo, const char *name, struct wm_plan_transport *t, struct wm_err *err)
{
    struct wm_fabric_card card;
    if (!wm_fabric_find_card(topo, name, &card))
        return fail_absent(topo, name, err);
    if (t->fabric != WM_FABRIC_UNKNOWN && card.fabric != t->fabric)
        return wm_fail(err, WM_EUSAGE, "", 0, "--nic %s --fabric %s: %s is of fabric %s; name another card or fabric%s",
                       name, wm_fabric_names[t->fabric], name, wm_fabric_names[card.fabric],
                       card.rdma && t->fabric == WM_FABRIC_TCP ? ", as the interface of this one" : "");
    if (is(t, "verbs") && !card.rdma)
        return wm_fail(err, WM_EUSAGE, "", 0, "--nic %s --transport verbs: %s is an interface and no RDMA device", name,
                       name);
    snprintf(t->nic, sizeof(t->nic), "%s", name);
    return WM_OK;
}

/* ---- what an MPI library is told ---- */

static void set_variable(const char *variable, const char *value, const struct wm_launch *launch)
{
    const char *is = getenv(variable);
    if (is == NULL)
        setenv(variable, value, 1);
    else if (strcmp(is, value) != 0 && launch->rank <= 0)
        fprintf(stderr, "wiremark: warning: %s=%s is set and decides, not --nic %s\n", variable, is, value);
}

static void tell_mpi(const struct wm_topo *topo, const char *nic, const struct wm_launch *launch)
{
    struct wm_fabric_card card;
    if (!wm_fabric_find_card(topo, nic, &card))
        return;
    set_variable("UCX_NET_DEVICES", card.name, launch);
    if (!card.rdma)
        set_variable("OMPI_MCA_btl_tcp_if_include", card.name, launch);
}

int wm_cli_choose_nics(struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err)
{
    static const struct wm_topo_request here;
    const struct wm_text_list *names = &o->conf.nics;
    struct wm_topo topo = { 0 };
    const char *mine = names->value[(launch->local_rank > 0 ? launch->local_rank : 0) % names->n];
    if (wm_topo_discover(&here, &topo, err) != WM_OK)
        return err->code;
    for (int i = 0; i < o->n_transports && err->code == WM_OK; i++) {
        struct wm_plan_transport *t = &o->transport[i];
        if (!uses_card(t))
            continue;
        int rc = strcmp(mine, "auto") == 0 ? nearest(&topo, launch, t, err) : named(&topo, mine, t, err);
        if (rc == WM_OK && is(t, "mpi"))
            tell_mpi(&topo, t->nic, launch);
    }
    wm_topo_free(&topo);
    return err->code;
}
