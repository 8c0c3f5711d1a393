#include "src/cli/fabric.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/fabric.h"
#include "src/core/text.h"
#include "src/topo/discover.h"
#include "src/topo/fabric.h"

static bool given(const struct wm_cli_options *o, const char *name)
{
    return wm_option_given(o->group, o->n_groups, name);
}

struct wm_option_group wm_cli_group_of(const struct wm_cli_options *o, const struct wm_transport *t)
{
    for (int g = 0; g < o->n_groups; g++)
        if (o->group[g].rows == t->options && t->options != NULL)
            return o->group[g];
    return (struct wm_option_group){ .title = t->name };
}

/* ---- the provider, which is an option of one transport ---- */

static const struct wm_option *provider_row(const struct wm_transport *t)
{
    for (int i = 0; t->options != NULL && t->options[i].name != NULL; i++)
        if (strcmp(t->options[i].name, "provider") == 0)
            return &t->options[i];
    return NULL;
}

static const char *provider_of(const struct wm_transport *t, const void *conf)
{
    const struct wm_option *row = provider_row(t);
    const char *name = NULL;
    if (row != NULL && conf != NULL)
        memcpy(&name, (const char *)conf + row->offset, sizeof(name));
    return name;
}

/* A copy of a transport's conf that asks for the fabric's provider, to be freed; NULL where the user's stays. */
static void *conf_for(const struct wm_transport *t, const void *conf, enum wm_fabric fabric, struct wm_err *err)
{
    const struct wm_option *row = provider_row(t);
    const char *provider = wm_fabric_row(fabric)->provider;
    if (row == NULL || provider == NULL || provider_of(t, conf) != NULL)
        return NULL;
    char *copy = calloc(1, t->conf_bytes);
    if (copy == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", 0, "options of %s", t->name);
        return NULL;
    }
    if (conf != NULL)
        memcpy(copy, conf, t->conf_bytes);
    memcpy(copy + row->offset, &provider, sizeof(provider));
    return copy;
}

/* ---- choosing ---- */

static int unknown_transport(const char *name, struct wm_err *err)
{
    const char *names[32] = { NULL };
    char hint[128];
    for (int i = 0; i < 31 && wm_transports[i].name != NULL; i++)
        names[i] = wm_transports[i].name;
    return wm_fail(err, WM_EUSAGE, "", 0, "--transport: unknown transport '%s'%s; wiremark list shows all", name,
                   wm_did_you_mean(hint, sizeof(hint), name, names));
}

static int add(struct wm_cli_options *o, const struct wm_transport *t, enum wm_fabric fabric, void *copy,
               struct wm_err *err)
{
    struct wm_plan_transport added = { .transport = t, .group = wm_cli_group_of(o, t), .fabric = fabric };
    if (o->n_transports == WM_PLAN_TRANSPORTS) {
        free(copy);
        return wm_fail(err, WM_EUSAGE, "", 0, "--transport and --fabric make more than %d combinations",
                       WM_PLAN_TRANSPORTS);
    }
    o->copy[o->n_transports] = copy;
    if (copy != NULL)
        added.group.conf = copy;
    o->transport[o->n_transports++] = added;
    return fabric == WM_FABRIC_UNKNOWN
               ? WM_OK
               : wm_fabric_check_provider(provider_of(t, wm_cli_group_of(o, t).conf), fabric, err);
}

/* A transport that the user named, with each fabric that he named. */
static int add_named(struct wm_cli_options *o, const char *name, struct wm_err *err)
{
    const struct wm_transport_row *row = wm_transport_find(name);
    if (row == NULL)
        return unknown_transport(name, err);
    if (row->transport == NULL)
        return wm_fail(err, WM_EABSENT, "", 0, "--transport %s: not built in, it needs %s when wiremark is built", name,
                       row->needs);
    for (int k = 0; k < o->n_transports; k++)
        if (o->transport[k].transport == row->transport)
            return wm_fail(err, WM_EUSAGE, "", 0, "--transport: %s is named twice", name);
    if (o->conf.fabrics.n == 0)
        return add(o, row->transport, WM_FABRIC_UNKNOWN, NULL, err);
    for (int i = 0; i < o->conf.fabrics.n && err->code == WM_OK; i++) {
        enum wm_fabric fabric = wm_fabric_of_word(o->conf.fabrics.value[i]);
        if (wm_fabric_check(name, fabric, err) == WM_OK)
            add(o, row->transport, fabric, NULL, err);
    }
    return err->code;
}

int wm_cli_probe(const struct wm_cli_options *o, const char *transport, enum wm_fabric fabric, struct wm_err *err)
{
    const struct wm_transport_row *row = wm_transport_find(transport);
    if (row == NULL || row->transport == NULL)
        return wm_fail(err, WM_EABSENT, "", 0, "not built in, it needs %s", row != NULL ? row->needs : "other memory");
    if (row->transport->probe == NULL)
        return WM_OK;
    const void *conf = wm_cli_group_of(o, row->transport).conf;
    void *copy = conf_for(row->transport, conf, fabric, err);
    if (err->code == WM_OK)
        row->transport->probe(copy != NULL ? copy : conf, err);
    free(copy);
    return err->code;
}

static bool is_built_in(const char *transport)
{
    const struct wm_transport_row *row = wm_transport_find(transport);
    return row != NULL && row->transport != NULL;
}

/* The first transport for a fabric that can be used; why not: each one's reason. */
static int add_first(struct wm_cli_options *o, enum wm_fabric fabric, bool here, struct wm_err *err)
{
    const struct wm_fabric_row *row = wm_fabric_row(fabric);
    char why[320] = "";
    if (row->joins_gpus)
        return wm_fabric_check(row->alone[0], fabric, err);
    for (int i = 0; i < WM_FABRIC_TRANSPORTS && row->alone[i] != NULL; i++) {
        struct wm_err probe = { .rank = -1 };
        size_t used = strlen(why);
        if (here || !is_built_in(row->alone[i]))
            wm_cli_probe(o, row->alone[i], fabric, &probe);
        if (probe.code == WM_OK) {
            const struct wm_transport *t = wm_transport_find(row->alone[i])->transport;
            void *copy = conf_for(t, wm_cli_group_of(o, t).conf, fabric, err);
            return err->code == WM_OK ? add(o, t, fabric, copy, err) : (int)err->code;
        }
        snprintf(why + used, sizeof(why) - used, "%stransport %s: %.120s", used > 0 ? "; " : "", row->alone[i],
                 probe.what);
    }
    return wm_fail(err, WM_EABSENT, "", 0, "--fabric %s: %s", wm_fabric_names[fabric], why);
}

void wm_cli_unchoose(struct wm_cli_options *o)
{
    for (int i = 0; i < o->n_transports; i++) {
        free(o->copy[i]);
        o->copy[i] = NULL;
    }
    o->n_transports = 0;
}

/* Options of a transport that is not measured would change nothing. */
static int refuse_idle_options(const struct wm_cli_options *o, struct wm_err *err)
{
    for (int i = 0; wm_transports[i].name != NULL; i++) {
        const struct wm_transport *t = wm_transports[i].transport;
        bool used = false;
        for (int k = 0; k < o->n_transports; k++)
            used |= o->transport[k].transport == t;
        if (t == NULL || t->options == NULL || used)
            continue;
        struct wm_option_group group = wm_cli_group_of(o, t);
        for (int r = 0; t->options[r].name != NULL; r++)
            if (group.given >> r & 1)
                return wm_fail(err, WM_EUSAGE, "", 0, "--%s has no effect without --transport %s", t->options[r].name,
                               t->name);
    }
    return WM_OK;
}

int wm_cli_choose(struct wm_cli_options *o, bool here, struct wm_err *err)
{
    bool by_fabric = o->conf.fabrics.n > 0 && !given(o, "transport");
    wm_cli_unchoose(o);
    for (int i = 0; by_fabric && i < o->conf.fabrics.n && err->code == WM_OK; i++)
        add_first(o, wm_fabric_of_word(o->conf.fabrics.value[i]), here, err);
    for (int i = 0; !by_fabric && i < o->conf.transports.n && err->code == WM_OK; i++)
        add_named(o, o->conf.transports.value[i], err);
    if (err->code == WM_OK && refuse_idle_options(o, err) == WM_OK)
        wm_cli_check_nics(o, err);
    return err->code;
}

/* ---- this machine ---- */

static int read_devices(struct wm_topo *topo, struct wm_err *err)
{
    struct wm_tree tree;
    if (wm_tree_open("/", &tree, err) != WM_OK)
        return err->code;
    if (wm_topo_read_rdma(&tree, topo, err) == WM_OK)
        wm_topo_read_netifs(&tree, topo, err);
    wm_tree_close(&tree);
    return err->code;
}

static int look_for(const struct wm_topo *topo, enum wm_fabric fabric, struct wm_err *err)
{
    char names[64], found[200], host[64] = "";
    if (wm_fabric_devices(topo, fabric, names, sizeof(names)) > 0)
        return WM_OK;
    gethostname(host, sizeof(host) - 1);
    int n = wm_fabric_inventory(topo, found, sizeof(found));
    return wm_fail(err, WM_EABSENT, "", 0, "--fabric %s: looked for %s on host %s and found %s",
                   wm_fabric_names[fabric], wm_fabric_row(fabric)->looked_for, host,
                   n > 0 ? found : "no port and no interface");
}

static int look_for_fabrics(const struct wm_cli_options *o, struct wm_err *err)
{
    struct wm_topo topo = { 0 };
    if (read_devices(&topo, err) == WM_OK)
        for (int i = 0; i < o->conf.fabrics.n && err->code == WM_OK; i++)
            look_for(&topo, wm_fabric_of_word(o->conf.fabrics.value[i]), err);
    wm_topo_free(&topo);
    return err->code;
}

int wm_cli_here(struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err)
{
    if (o->conf.fabrics.n > 0 && (look_for_fabrics(o, err) != WM_OK || wm_cli_choose(o, true, err) != WM_OK))
        return err->code;
    return o->conf.nics.n > 0 ? wm_cli_choose_nics(o, launch, err) : WM_OK;
}

int wm_cli_same_choice(const struct wm_cli_options *o, const struct wm_world *world, struct wm_err *err)
{
    uint64_t most[WM_PLAN_TRANSPORTS] = { 0 };
    for (int t = 0; t < o->n_transports; t++)
        while (wm_transports[most[t]].transport != o->transport[t].transport)
            most[t]++;
    uint64_t mine[WM_PLAN_TRANSPORTS];
    memcpy(mine, most, sizeof(mine));
    if (wm_world_max(world, most, WM_PLAN_TRANSPORTS, WM_SPIN, err) != WM_OK)
        return err->code;
    for (int t = 0; t < o->n_transports && err->code == WM_OK; t++)
        if (mine[t] != most[t])
            wm_fail(err, WM_EABSENT, "", 0,
                    "--fabric %s: host %s would use transport %s and others %s, for not all can be used everywhere; "
                    "name one with --transport",
                    wm_fabric_names[o->transport[t].fabric], world->places[world->rank].host,
                    wm_transports[mine[t]].name, wm_transports[most[t]].name);
    return wm_world_agree(world, WM_SPIN, err);
}
