#include "src/cli/fabric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/fabric.h"
#include "src/cli/variants.h"
#include "src/core/text.h"
#include "src/mem/cuda.h"
#include "src/topo/discover.h"
#include "src/topo/fabric.h"
#include "src/topo/gpu_link.h"

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

/* Those that the user names: one for each arm. */
static struct wm_text_list providers_of(const struct wm_cli_options *o, const struct wm_transport *t)
{
    const struct wm_option *row = provider_row(t);
    const void *conf = wm_cli_group_of(o, t).conf;
    struct wm_text_list names = { 0 };
    if (row != NULL && conf != NULL)
        memcpy(&names, (const char *)conf + row->offset, sizeof(names));
    return names;
}

/* A copy of a transport's conf that asks for one provider, to be freed; NULL: it has none, or there is no memory. */
static void *conf_with(const struct wm_cli_options *o, const struct wm_transport *t, const char *provider,
                       struct wm_err *err)
{
    const struct wm_option *row = provider_row(t);
    const void *conf = wm_cli_group_of(o, t).conf;
    const size_t bytes = (t->conf_bytes + sizeof(provider) - 1) / sizeof(provider) * sizeof(provider);
    struct wm_text_list one = { .n = 1 };
    if (row == NULL || provider == NULL)
        return NULL;
    char *copy = calloc(1, bytes + sizeof(provider));
    if (copy == NULL) {
        wm_fail(err, WM_ENOMEM, "calloc", 0, "options of %s", t->name);
        return NULL;
    }
    if (conf != NULL)
        memcpy(copy, conf, t->conf_bytes);
    one.value = (char **)(void *)(copy + bytes); /* behind the conf, and freed with it */
    memcpy(one.value, &provider, sizeof(provider));
    memcpy(copy + row->offset, &one, sizeof(one));
    return copy;
}

/* The user's first, else the fabric's. */
static const char *provider_for(const struct wm_cli_options *o, const struct wm_transport *t, enum wm_fabric fabric)
{
    const struct wm_text_list named = providers_of(o, t);
    return named.n > 0 ? named.value[0] : wm_fabric_row(fabric)->provider;
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

/* A copy of its own of the conf, with one value in each list: those of combination k. */
static void *narrowed(const struct wm_cli_options *o, const struct wm_transport *t, void *copy, int k,
                      struct wm_err *err)
{
    if (copy == NULL && (copy = malloc(t->conf_bytes)) != NULL)
        memcpy(copy, wm_cli_group_of(o, t).conf, t->conf_bytes);
    if (copy == NULL)
        wm_fail(err, WM_ENOMEM, "malloc", 0, "options of %s", t->name);
    else
        wm_cli_variant(t->options, copy, k);
    return copy;
}

/* Combination k of n that the transport's own lists make. `named`: the provider that the user names; else `provider` is
 * the fabric's. */
static int add_variant(struct wm_cli_options *o, const struct wm_transport *t, enum wm_fabric fabric, const char *named,
                       const char *provider, int k, int n, struct wm_err *err)
{
    struct wm_plan_transport added = {
        .transport = t, .group = wm_cli_group_of(o, t), .fabric = fabric, .provider = named
    };
    if (o->n_transports == WM_PLAN_TRANSPORTS)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--transport, --provider, --fabric and a transport's own lists make more than %d combinations",
                       WM_PLAN_TRANSPORTS);
    void *copy = conf_with(o, t, named != NULL ? named : provider, err);
    if (n > 1 && err->code == WM_OK)
        copy = narrowed(o, t, copy, k, err);
    o->copy[o->n_transports] = copy;
    if (copy != NULL)
        added.group.conf = copy;
    o->transport[o->n_transports++] = added;
    if (err->code == WM_OK && fabric != WM_FABRIC_UNKNOWN)
        wm_fabric_check_provider(named, fabric, err);
    return err->code;
}

static int add_one(struct wm_cli_options *o, const struct wm_transport *t, enum wm_fabric fabric, const char *named,
                   const char *provider, struct wm_err *err)
{
    const int n = wm_cli_variants(t->options, wm_cli_group_of(o, t).conf, err);
    for (int k = 0; k < n && err->code == WM_OK; k++)
        add_variant(o, t, fabric, named, provider, k, n, err);
    return err->code;
}

/* Over each provider that the user names, else that of the fabric. */
static int add(struct wm_cli_options *o, const struct wm_transport *t, enum wm_fabric fabric, const char *provider,
               struct wm_err *err)
{
    const struct wm_text_list named = providers_of(o, t);
    for (int i = 0; i < named.n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(named.value[i], named.value[k]) == 0)
                return wm_fail(err, WM_EUSAGE, "", 0, "--provider: %.60s is named twice", named.value[i]);
    if (named.n == 0)
        return add_one(o, t, fabric, NULL, provider, err);
    for (int i = 0; i < named.n && err->code == WM_OK; i++)
        add_one(o, t, fabric, named.value[i], NULL, err);
    return err->code;
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
    void *copy = conf_with(o, row->transport, provider_for(o, row->transport, fabric), err);
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
    for (int i = 0; i < WM_FABRIC_TRANSPORTS && row->alone[i] != NULL; i++) {
        struct wm_err probe = { .rank = -1 };
        size_t used = strlen(why);
        if (here || !is_built_in(row->alone[i]))
            wm_cli_probe(o, row->alone[i], fabric, &probe);
        if (probe.code == WM_OK) {
            const struct wm_transport *t = wm_transport_find(row->alone[i])->transport;
            return add(o, t, fabric, row->provider, err);
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

static const struct wm_benchmark *row_of(const char *name)
{
    int k = 0;
    while (wm_benchmarks[k] != NULL && strcmp(wm_benchmarks[k]->name, name) != 0)
        k++;
    return wm_benchmarks[k];
}

/* Where all that is measured is copies of GPUs the transport of such copies is the usual one. */
static const char *usual_transport(const struct wm_cli_options *o)
{
    for (int i = 0; i < o->n_words; i++)
        if (row_of(o->words[i]) == NULL || row_of(o->words[i])->memory == NULL)
            return NULL;
    for (int i = 0; i < o->conf.mems.n; i++)
        if (strstr(o->conf.mems.value[i], "simulated") != NULL)
            return "sim";
    return o->n_words > 0 ? "cuda" : NULL;
}

int wm_cli_choose(struct wm_cli_options *o, bool here, struct wm_err *err)
{
    bool by_fabric = o->conf.fabrics.n > 0 && !given(o, "transport");
    wm_cli_unchoose(o);
    for (int i = 0; by_fabric && i < o->conf.fabrics.n && err->code == WM_OK; i++)
        add_first(o, wm_fabric_of_word(o->conf.fabrics.value[i]), here, err);
    const char *usual = by_fabric || given(o, "transport") ? NULL : usual_transport(o);
    if (usual != NULL)
        add_named(o, usual, err);
    for (int i = 0; !by_fabric && usual == NULL && i < o->conf.transports.n && err->code == WM_OK; i++)
        add_named(o, o->conf.transports.value[i], err);
    if (err->code == WM_OK && refuse_idle_options(o, err) == WM_OK)
        wm_cli_check_nics(o, err);
    return err->code;
}

/* ---- this machine ---- */

static bool joins_gpus(const struct wm_cli_options *o)
{
    bool joins = false;
    for (int i = 0; i < o->conf.fabrics.n; i++)
        joins |= wm_fabric_row(wm_fabric_of_word(o->conf.fabrics.value[i]))->joins_gpus;
    return joins;
}

/* @param gpus  also those, by NVML, which takes its time */
static int read_devices(bool gpus, struct wm_topo *topo, struct wm_err *err)
{
    struct wm_tree tree;
    if (wm_tree_open("/", &tree, err) != WM_OK)
        return err->code;
    if (wm_topo_read_rdma(&tree, topo, err) == WM_OK)
        wm_topo_read_netifs(&tree, topo, err);
    if (err->code == WM_OK && gpus)
        wm_topo_read_nvml(&tree, topo, err);
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
    if (read_devices(joins_gpus(o), &topo, err) == WM_OK)
        for (int i = 0; i < o->conf.fabrics.n && err->code == WM_OK; i++)
            look_for(&topo, wm_fabric_of_word(o->conf.fabrics.value[i]), err);
    wm_topo_free(&topo);
    return err->code;
}

static void drop(struct wm_cli_options *o, int at)
{
    free(o->copy[at]);
    o->n_transports--;
    for (int i = at; i < o->n_transports; i++) {
        o->transport[i] = o->transport[i + 1];
        o->copy[i] = o->copy[i + 1];
    }
    o->copy[o->n_transports] = NULL;
}

/* The first that comes to the same provider as this one; -1: none does. */
static int find_equal(const struct wm_cli_options *o, int at)
{
    const struct wm_plan_transport *t = &o->transport[at];
    char mine[64], other[64];
    if (t->provider == NULL || t->transport->full_name(t->group.conf, t->fabric, mine, sizeof(mine))[0] == '\0')
        return -1;
    for (int i = 0; i < at; i++) {
        const struct wm_plan_transport *b = &o->transport[i];
        if (b->transport == t->transport && b->fabric == t->fabric &&
            strcmp(b->transport->full_name(b->group.conf, b->fabric, other, sizeof(other)), mine) == 0)
            return i;
    }
    return -1;
}

/* "tcp" may be "tcp;ofi_rxm" here: their cells would be equal. */
static void drop_equals(struct wm_cli_options *o, const struct wm_launch *launch)
{
    for (int i = 1; i < o->n_transports;) {
        const int equal = find_equal(o, i);
        if (equal < 0) {
            i++;
            continue;
        }
        if (launch->rank <= 0)
            fprintf(stderr, "wiremark: warning: --provider: %s and %s are the same provider here, measured once\n",
                    o->transport[equal].provider, o->transport[i].provider);
        drop(o, i);
    }
}

/* ---- GPUs of other ranks ---- */

struct gpu {
    char uuid[48]; /* "" = none is chosen */
};

bool wm_cli_gpu(const struct wm_cli_options *o, struct wm_cuda_gpu *out)
{
    struct wm_err ignored = { .rank = -1 };
    bool any = false;
    for (int i = 0; i < o->n_memories; i++)
        any |= o->memory[i].send->choose != NULL || o->memory[i].receive->choose != NULL;
    return any && wm_cuda_describe(wm_cuda_selected(), out, &ignored) == WM_OK;
}

static void tell_gpu(const struct wm_cli_options *o, struct gpu *out)
{
    struct wm_cuda_gpu gpu;
    if (wm_cli_gpu(o, &gpu))
        memcpy(out->uuid, gpu.uuid, sizeof(out->uuid));
}

/* From this rank's to each one's of its host. */
static void find_ways(const struct wm_world *world, const struct gpu *gpu, unsigned char *ways)
{
    struct wm_gpu_links links;
    wm_gpu_links_open(&links);
    for (int r = 0; r < world->size; r++)
        if (world->places[r].host_index == world->places[world->rank].host_index)
            ways[r] = (unsigned char)wm_gpu_links_fabric(&links, gpu[world->rank].uuid, gpu[r].uuid);
    wm_gpu_links_close(&links);
}

int wm_cli_gpu_ways(const struct wm_cli_options *o, const struct wm_world *world, unsigned char **out,
                    struct wm_err *err)
{
    const size_t ranks = (size_t)world->size;
    struct gpu mine = { .uuid = "" }, *gpu;
    unsigned char *row, *all;
    *out = NULL;
    if (!joins_gpus(o))
        return WM_OK;
    gpu = calloc(ranks, sizeof(*gpu));
    row = calloc(ranks, 1);
    all = calloc(ranks, ranks);
    if (gpu == NULL || row == NULL || all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "the GPUs of %zu ranks", ranks);
    tell_gpu(o, &mine);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), gpu, err) == WM_OK) {
        find_ways(world, gpu, row);
        wm_world_allgather(world, row, ranks, all, err);
    }
    free(gpu);
    free(row);
    if (err->code == WM_OK)
        *out = all;
    else
        free(all);
    return err->code;
}

int wm_cli_here(struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err)
{
    if (o->conf.fabrics.n > 0 && (look_for_fabrics(o, err) != WM_OK || wm_cli_choose(o, true, err) != WM_OK))
        return err->code;
    drop_equals(o, launch);
    return o->conf.nics.n > 0 ? wm_cli_choose_nics(o, launch, err) : WM_OK;
}

/* Collective: do the providers that were named come to equally many everywhere? */
static int check_ways(const struct wm_cli_options *o, const struct wm_world *world, struct wm_err *err)
{
    uint64_t most = (uint64_t)o->n_transports;
    if (wm_world_max(world, &most, 1, WM_SPIN, err) != WM_OK)
        return err->code;
    if (most != (uint64_t)o->n_transports)
        wm_fail(err, WM_EABSENT, "", 0,
                "--provider: on host %s two of these are the same provider, and elsewhere they are not; give full "
                "names, as wiremark list shows them",
                world->places[world->rank].host);
    return wm_world_agree(world, WM_SPIN, err);
}

int wm_cli_same_choice(const struct wm_cli_options *o, const struct wm_world *world, struct wm_err *err)
{
    uint64_t most[WM_PLAN_TRANSPORTS] = { 0 };
    if (check_ways(o, world, err) != WM_OK)
        return err->code;
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
