#include "src/cli/survey.h"

#include <stdlib.h>
#include <string.h>

#include "src/core/cgroup.h"
#include "src/core/cpuset.h"
#include "src/result/result.h"
#include "src/result/topology.h"

/* What a rank tells of itself; the text of its node's kind follows for those that rank 0 asks. */
struct brief {
    uint64_t hash, bytes; /* of the text; 0: this rank did not look */
    double quota;
    int gpu, nic; /* of --bind auto; -1 = none */
};

/* ---- one node ---- */

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash_of(const char *text, size_t bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

/* The kind of this node as text, to be freed. What the user named must be there; a node that cannot be looked at is a
 * kind with the reason in its notes. NULL: err says why. */
static char *look(const struct wm_topo_request *request, struct wm_err *err)
{
    static const struct wm_topo_request here;
    bool named = request != NULL && (request->sysfs_root != NULL || request->xml != NULL);
    struct wm_topo topo = { 0 };
    struct wm_err why = { .rank = -1 };
    if (wm_topo_discover(named ? request : &here, &topo, named ? err : &why) != WM_OK) {
        if (named)
            return NULL;
        topo = (struct wm_topo){ 0 };
    }
    json_t *kind = wm_topology_to_json(&topo, true);
    if (kind != NULL && why.code != WM_OK)
        json_object_set_new(kind, "notes", json_pack("[{s:s}]", "reason", why.what));
    char *text = kind != NULL ? json_dumps(kind, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(kind);
    wm_topo_free(&topo);
    if (text == NULL)
        wm_fail(err, WM_ENOMEM, "json_dumps", 0, "the topology of this node");
    return text;
}

static bool looks(const struct wm_world *world)
{
    return world->places[world->rank].local_rank == 0;
}

/* ---- all nodes ---- */

/* Rank 0: the first rank with each distinct kind. out: room for one a host; returns how many. */
static int representatives(const struct wm_world *world, const struct brief *all, int *out, int *kind_of_host)
{
    int n = 0;
    for (int r = 0; r < world->size; r++) {
        int k = 0;
        if (all[r].bytes == 0)
            continue;
        while (k < n && (all[out[k]].hash != all[r].hash || all[out[k]].bytes != all[r].bytes))
            k++;
        if (k == n)
            out[n++] = r;
        kind_of_host[world->places[r].host_index] = k;
    }
    return n;
}

static int add_kind(struct wm_survey *s, const char *text, size_t bytes, struct wm_err *err)
{
    json_t *object = json_loadb(text, bytes, 0, NULL);
    int rc = object != NULL ? wm_topology_from_json(object, &s->kind[s->n_kinds], err)
                            : wm_fail(err, WM_EBUG, "json_loadb", 0, "the topology of a node");
    if (rc != WM_OK) {
        json_decref(object);
        return rc;
    }
    s->n_kinds++;
    return json_array_append_new(json_object_get(s->topology, "kinds"), object) == 0
               ? WM_OK
               : wm_fail(err, WM_ENOMEM, "json_array_append_new", 0, "the topology of a node");
}

/* One kind from the rank that has it to rank 0. Collective. */
static int bring(const struct wm_world *world, int from, size_t bytes, const char *mine, struct wm_survey *s,
                 struct wm_err *err)
{
    char *text = world->rank == from ? (char *)mine : malloc(bytes);
    if (text == NULL)
        wm_fail(err, WM_ENOMEM, "malloc", 0, "the topology of a node, %zu bytes", bytes);
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK &&
        wm_world_bcast(world, from, text, bytes, WM_SLEEP, err) == WM_OK && world->rank == 0)
        add_kind(s, text, bytes, err);
    if (text != mine)
        free(text);
    return err->code;
}

static int bring_all(const struct wm_world *world, const struct brief *all, const char *mine, struct wm_survey *s,
                     struct wm_err *err)
{
    int n = 0, *from = calloc((size_t)world->hosts, sizeof(*from));
    if (from == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d hosts", world->hosts);
    if (wm_world_agree(world, WM_SLEEP, err) != WM_OK)
        return err->code;
    if (world->rank == 0)
        n = representatives(world, all, from, s->kind_of_host);
    wm_world_bcast(world, 0, &n, sizeof(n), WM_SLEEP, err);
    for (int k = 0; k < n && err->code == WM_OK; k++) {
        uint64_t asked[2] = { (uint64_t)from[k], world->rank == 0 ? all[from[k]].bytes : 0 };
        if (wm_world_bcast(world, 0, asked, sizeof(asked), WM_SLEEP, err) == WM_OK)
            bring(world, (int)asked[0], asked[1], mine, s, err);
    }
    free(from);
    return err->code;
}

static int make_room(const struct wm_world *world, struct wm_survey *s, struct wm_err *err)
{
    s->kind = calloc((size_t)world->hosts, sizeof(*s->kind));
    s->kind_of_host = calloc((size_t)world->hosts, sizeof(*s->kind_of_host));
    s->quota = calloc((size_t)world->hosts, sizeof(*s->quota));
    s->seat = calloc((size_t)world->size, sizeof(*s->seat));
    s->chosen = calloc((size_t)world->size, sizeof(*s->chosen));
    s->topology = json_pack("{s:[]}", "kinds");
    s->warnings = json_array();
    if (s->kind == NULL || s->kind_of_host == NULL || s->quota == NULL || s->seat == NULL || s->chosen == NULL ||
        s->topology == NULL || s->warnings == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "topology of %d hosts", world->hosts);
    return WM_OK;
}

/* ---- what rank 0 makes of it ---- */

static int numa_of(const struct wm_topo *topo, const struct wm_cpuset *cpus)
{
    struct wm_cpuset of_node;
    if (wm_cpuset_count(cpus) == 0)
        return -1;
    for (int i = 0; i < topo->n_numa; i++) {
        if (!wm_cpuset_parse(topo->numa[i].cpus, &of_node))
            continue;
        wm_cpuset_and(&of_node, cpus);
        if (wm_cpuset_count(&of_node) == wm_cpuset_count(cpus))
            return i;
    }
    return -1; /* on several nodes */
}

static void seat_ranks(const struct wm_world *world, const struct brief *all, struct wm_survey *s)
{
    for (int r = 0; r < world->size; r++) {
        const struct wm_place *p = &world->places[r];
        const struct wm_topo *topo = &s->kind[s->kind_of_host[p->host_index]];
        s->seat[r] = (struct wm_seat){
            .topo = topo, .host = p->host_index, .gpu = -1, .nic = -1, .numa = numa_of(topo, &p->cpu_set)
        };
        s->chosen[r] = (struct wm_chosen){ all[r].gpu, all[r].nic };
        if (s->quota[p->host_index] <= 0 || (all[r].quota > 0 && all[r].quota < s->quota[p->host_index]))
            s->quota[p->host_index] = all[r].quota;
    }
}

static void name_hosts(const struct wm_world *world, const struct wm_survey *s)
{
    json_t *kinds = json_object_get(s->topology, "kinds");
    for (int r = 0; r < world->size; r++) {
        const struct wm_place *p = &world->places[r];
        json_t *kind = json_array_get(kinds, (size_t)s->kind_of_host[p->host_index]);
        if (json_object_get(kind, "hosts") == NULL)
            json_object_set_new(kind, "hosts", json_array());
        if (p->local_rank == 0)
            json_array_append_new(json_object_get(kind, "hosts"), wm_result_text(p->host));
    }
}

static void keep_warning(void *warnings, const char *sentence)
{
    json_array_append_new(warnings, wm_result_text(sentence));
}

/* Rank 0: the judgement on each host's ranks. */
static int judge(const struct wm_world *world, struct wm_survey *s, struct wm_err *err)
{
    struct wm_bind_fact *fact = calloc((size_t)world->size, sizeof(*fact));
    if (fact == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "places of %d ranks", world->size);
    for (int h = 0; h < world->hosts; h++) {
        int n = 0;
        for (int r = 0; r < world->size; r++) {
            const struct wm_place *p = &world->places[r];
            if (p->host_index != h)
                continue;
            fact[n++] = (struct wm_bind_fact){
                .rank = r, .cpus = p->cpu_set, .gpu = s->chosen[r].gpu, .nic = s->chosen[r].nic
            };
        }
        wm_bind_judge(&s->kind[s->kind_of_host[h]], fact, n, s->quota[h], keep_warning, s->warnings);
    }
    free(fact);
    return WM_OK;
}

int wm_survey(const struct wm_world *world, const struct wm_topo_request *request, const struct wm_bind_seat *bound,
              struct wm_survey *out, struct wm_err *err)
{
    struct brief mine = { .quota = wm_cgroup_cpu_quota(""),
                          .gpu = bound != NULL ? bound->gpu : -1,
                          .nic = bound != NULL ? bound->nic : -1 };
    struct brief *all = world->rank == 0 ? calloc((size_t)world->size, sizeof(*all)) : NULL;
    char *text = looks(world) ? look(request, err) : NULL;
    memset(out, 0, sizeof(*out));
    if (world->rank == 0 && all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "the topology of %d ranks", world->size);
    else if (world->rank == 0)
        make_room(world, out, err);
    if (text != NULL) {
        mine.bytes = strlen(text);
        mine.hash = hash_of(text, mine.bytes);
    }
    if (wm_world_agree(world, WM_SLEEP, err) == WM_OK &&
        wm_world_gather(world, &mine, sizeof(mine), all, WM_SLEEP, err) == WM_OK &&
        bring_all(world, all, text, out, err) == WM_OK && world->rank == 0) {
        seat_ranks(world, all, out);
        name_hosts(world, out);
        judge(world, out, err);
    }
    free(text);
    free(all);
    return wm_world_agree(world, WM_SLEEP, err);
}

void wm_survey_free(struct wm_survey *survey)
{
    for (int k = 0; k < survey->n_kinds; k++)
        wm_topo_free(&survey->kind[k]);
    free(survey->kind);
    free(survey->kind_of_host);
    free(survey->quota);
    free(survey->seat);
    free(survey->chosen);
    free(survey->nic);
    json_decref(survey->topology);
    json_decref(survey->warnings);
    memset(survey, 0, sizeof(*survey));
}
