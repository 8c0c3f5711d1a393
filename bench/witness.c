#include "bench/witness.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/limit.h"
#include "src/core/clock.h"
#include "src/result/result.h"
#include "src/topo/discover.h"
#include "src/topo/gpu_meter.h"

enum { MOST_COUNTERS = 12, BLOCK_OPERATIONS = 5 };
static const double block_ns = 20e6, told_share = 0.05;
static const uint64_t idle_ns = 50000000;

/* What one rank a host tells rank 0. */
struct testimony {
    char host[64]; /* its name; "": another rank speaks for it */
    struct wm_judgement judgement;
    struct wm_claim claim;               /* this rank's own */
    bool has_part;                       /* bytes of this rank cross between hosts, or may */
    uint64_t sent_bytes, received_bytes; /* at least */
    int n;
    struct told {
        char device[48], errors[480];
        bool in_packets;
        uint64_t sent, received;
    } counter[MOST_COUNTERS];
};

void wm_witnesses_open(struct wm_witnesses *w, const struct wm_plan *plan, int rank)
{
    *w = (struct wm_witnesses){ .plan = plan, .rank = rank };
}

void wm_witnesses_close(struct wm_witnesses *w)
{
    if (w->looked) {
        wm_traffic_free(&w->idle);
        wm_topo_free(&w->topo);
        wm_tree_close(&w->tree);
    }
    w->looked = false;
    wm_gpu_meter_close(w->meter);
    w->meter = NULL;
}

void wm_evidence_clear(struct wm_evidence *evidence)
{
    json_decref(evidence->claims);
    json_decref(evidence->counters);
    *evidence = (struct wm_evidence){ 0 };
}

/* ---- one host ---- */

static void sleep_ns(uint64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    nanosleep(&t, NULL);
}

/* What its ranks say they use, each word once. */
struct road {
    struct wm_claim *claim;
    int n;
};

static bool is_same_claim(const struct wm_claim *a, const struct wm_claim *b)
{
    return a->fabric == b->fabric && strcmp(a->device, b->device) == 0 && strcmp(a->provider, b->provider) == 0 &&
           strcmp(a->how, b->how) == 0;
}

static void add_claim(struct road *road, const struct wm_claim *claim)
{
    for (int i = 0; i < road->n; i++)
        if (is_same_claim(&road->claim[i], claim))
            return;
    road->claim[road->n++] = *claim;
}

static int read_counters(struct wm_witnesses *w, struct wm_traffic *out, struct wm_err *err)
{
    if (wm_traffic_read(&w->tree, &w->topo, out, err) == WM_OK)
        wm_gpu_meter_read(w->meter, out, err);
    return err->code;
}

/* How much moves while nothing runs. */
static int look_idle(struct wm_witnesses *w, struct wm_err *err)
{
    struct wm_traffic before = { 0 }, after = { 0 };
    wm_traffic_free(&w->idle);
    if (read_counters(w, &before, err) == WM_OK) {
        uint64_t begin = wm_now_ns();
        sleep_ns(before.lifespan_ns > idle_ns ? before.lifespan_ns : idle_ns);
        if (read_counters(w, &after, err) == WM_OK)
            wm_traffic_since(&before, &after, &w->idle, err);
        w->idle_ns = wm_now_ns() - begin;
    }
    wm_traffic_free(&before);
    wm_traffic_free(&after);
    return err->code;
}

/* Its cards and interfaces. */
static int open_host(struct wm_witnesses *w, struct wm_err *err)
{
    if (wm_tree_open("/", &w->tree, err) != WM_OK)
        return err->code;
    w->looked = true;
    if (wm_topo_read_rdma(&w->tree, &w->topo, err) != WM_OK || wm_topo_read_netifs(&w->tree, &w->topo, err) != WM_OK)
        wm_witnesses_close(w);
    return err->code;
}

/* The host, and where they are wanted its GPUs; what failed is tried again the next time. */
static int look(struct wm_witnesses *w, bool gpus, struct wm_err *err)
{
    if (w->idle_known && (w->metered || !gpus))
        return WM_OK;
    if (!w->looked && open_host(w, err) != WM_OK)
        return err->code;
    if (gpus && !w->metered)
        w->meter = wm_gpu_meter_open();
    w->metered |= gpus;
    w->idle_known = look_idle(w, err) == WM_OK;
    return err->code;
}

/* The idle rise as it would be in ns. */
static void scale(const struct wm_traffic *idle, double factor, struct wm_traffic *out)
{
    for (int i = 0; i < idle->n; i++) {
        out->counter[i] = idle->counter[i];
        out->counter[i].sent = (uint64_t)((double)idle->counter[i].sent * factor);
        out->counter[i].received = (uint64_t)((double)idle->counter[i].received * factor);
    }
    out->n = idle->n;
}

static void keep_errors(struct told *told, const struct wm_traffic_counter *c)
{
    for (int i = 0; i < c->n_errors; i++) {
        size_t used = strlen(told->errors);
        snprintf(told->errors + used, sizeof(told->errors) - used, "%s%s %llu", used > 0 ? ", " : "", c->error[i].name,
                 (unsigned long long)c->error[i].count);
    }
}

/* Counters that carried a share worth telling, or errors. */
static void keep_counters(struct testimony *t, const struct wm_traffic *moved)
{
    double least = told_share * (double)(t->sent_bytes > t->received_bytes ? t->sent_bytes : t->received_bytes);
    for (int i = 0; i < moved->n && t->n < MOST_COUNTERS; i++) {
        const struct wm_traffic_counter *c = &moved->counter[i];
        double packet_bytes = c->in_packets ? (c->mtu_bytes > 0 ? c->mtu_bytes : 1500) : 1;
        if ((double)(c->sent > c->received ? c->sent : c->received) * packet_bytes < least && c->n_errors == 0)
            continue;
        struct told *told = &t->counter[t->n++];
        memcpy(told->device, c->device, sizeof(told->device));
        told->in_packets = c->in_packets;
        told->sent = c->sent;
        told->received = c->received;
        keep_errors(told, c);
    }
}

static void testify(struct wm_witnesses *w, const struct wm_traffic *moved, uint64_t ns, enum wm_fabric wanted,
                    const struct road *road, struct testimony *t)
{
    struct wm_traffic idle = { .counter = calloc((size_t)w->idle.n + 1, sizeof(*idle.counter)) };
    if (idle.counter != NULL)
        scale(&w->idle, (double)ns / (double)(w->idle_ns > 0 ? w->idle_ns : 1), &idle);
    struct wm_witness witness = {
        .host = t->host,
        .least_sent_bytes = t->sent_bytes,
        .least_received_bytes = t->received_bytes,
        .moved = moved,
        .idle = &idle,
        .claim = road->claim,
        .n_claims = road->n,
    };
    wm_evidence_judge(&witness, 1, wanted, &t->judgement);
    if (t->judgement.verdict != WM_VERDICT_NONE)
        keep_counters(t, moved);
    wm_traffic_free(&idle);
}

/* ---- what must move ---- */

static int first_on_host(const struct wm_witnesses *w, const struct wm_comparison *c, int host)
{
    int m = 0;
    while (w->plan->host_of[c->member[m]] != host)
        m++;
    return m;
}

/* A library's collective: the least that any algorithm moves, a rotating root on this host as often as its ranks are.
 */
static void library_must(const struct wm_witnesses *w, const struct wm_arm *arm, enum wm_coll_kind kind, int host,
                         double calls, struct testimony *t)
{
    int here = 0;
    for (int r = 0; r < w->plan->ranks; r++)
        here += w->plan->host_of[r] == host;
    bool rotates = arm->spec->bench->rooted && arm->spec->root == WM_ROOT_ROTATE;
    double root_here = rotates ? (double)here / w->plan->ranks
                               : w->plan->host_of[arm->spec->bench->rooted ? arm->spec->root : 0] == host;
    struct wm_cut with = wm_cut_of_host(kind, here, w->plan->ranks, true);
    struct wm_cut without = wm_cut_of_host(kind, here, w->plan->ranks, false);
    double bytes = calls * (double)arm->cell->bytes;
    t->sent_bytes = (uint64_t)(bytes * (root_here * with.out + (1 - root_here) * without.out));
    t->received_bytes = (uint64_t)(bytes * (root_here * with.in + (1 - root_here) * without.in));
}

static bool crosses(const struct wm_crossing *c)
{
    return c->out_bytes + c->in_bytes > 0;
}

/* Collective: what `calls` calls of the arm must move between this rank's host and others, and by which road its ranks
 * say that they do. road->claim is the caller's to free, also after an error. */
static int must_move(struct wm_witnesses *w, const struct wm_comparison *c, const struct wm_arm *arm, uint64_t calls,
                     struct testimony *t, struct road *road, struct wm_err *err)
{
    const size_t members = (size_t)c->members->size;
    struct wm_crossing mine = { 0 }, *all = calloc(members, sizeof(*all));
    enum wm_coll_kind kind = WM_COLL_BARRIER;
    int host = w->plan->host_of[w->rank];
    bool library = wm_crossing_of_arm(w->plan, arm, w->rank, &mine, &kind);
    road->claim = calloc(members, sizeof(*road->claim));
    if (all == NULL || road->claim == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "evidence of %d ranks", c->members->size);
    if (wm_world_agree(c->members, WM_SPIN, err) != WM_OK ||
        wm_world_allgather(c->members, &mine, sizeof(mine), all, err) != WM_OK) {
        free(all);
        return err->code;
    }
    for (int m = 0; m < c->members->size; m++)
        if (w->plan->host_of[c->member[m]] == host) {
            t->sent_bytes += calls * all[m].out_bytes;
            t->received_bytes += calls * all[m].in_bytes;
            if (arm->endpoint->claim != NULL && (library || crosses(&all[m])))
                add_claim(road, &arm->endpoint->claim[c->member[m]]);
        }
    t->has_part = library || crosses(&mine);
    if (library && kind != WM_COLL_ALLTOALLV)
        library_must(w, arm, kind, host, (double)calls, t);
    free(all);
    return WM_OK;
}

/* Collective: what this rank's puts and gets must move over the links of its GPU, whoever else is on the host. Where
 * the GPU and those of its peers are not joined by one fabric there is nothing to be told by its counters. */
static int gpu_must_move(const struct wm_witnesses *w, const struct wm_comparison *c, const struct wm_arm *arm,
                         uint64_t calls, struct testimony *t, struct road *road, struct wm_err *err)
{
    struct wm_plan apart = *w->plan;
    struct wm_crossing mine = { 0 };
    enum wm_coll_kind kind;
    int *own = calloc((size_t)apart.ranks, sizeof(*own));
    for (int r = 0; own != NULL && r < apart.ranks; r++)
        own[r] = r;
    apart.host_of = own;
    road->claim = calloc(1, sizeof(*road->claim));
    if (own == NULL || road->claim == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "evidence of %d ranks", apart.ranks);
    else if (arm->part && arm->endpoint->said.fabric != WM_FABRIC_UNKNOWN)
        wm_crossing_of_arm(&apart, arm, w->rank, &mine, &kind);
    t->sent_bytes = calls * mine.out_bytes;
    t->received_bytes = calls * mine.in_bytes;
    t->has_part = crosses(&mine);
    if (road->claim != NULL)
        add_claim(road, &arm->endpoint->said);
    free(own);
    return wm_world_agree(c->members, WM_SPIN, err);
}

/* ---- the block ---- */

static bool moves_bytes(const struct wm_arm *arm)
{
    const struct wm_transport *transport = arm->endpoint->is->transport;
    return arm->status == WM_MEASURED && arm->endpoint->lost == WM_OK && arm->cell->bytes > 0 &&
           arm->spec->bench->shape != WM_ALONE && !transport->simulated && !transport->moves_nothing;
}

/* Within a host GPUs count what their puts and gets move, each for itself. */
static bool between_gpus(const struct wm_comparison *c, const struct wm_arm *arm)
{
    const struct wm_transport *transport = arm->endpoint->is->transport;
    return c->members->hosts == 1 && transport->device_only && transport->ops->put != NULL && moves_bytes(arm);
}

static bool to_be_proven(const struct wm_comparison *c, const struct wm_arm *arm)
{
    return (c->members->hosts > 1 && moves_bytes(arm)) || between_gpus(c, arm);
}

/* Within a host MPI may take any way, and says nothing. */
static void judge_unseen(const struct wm_arm *arm, struct wm_judgement *out)
{
    const struct wm_endpoint *e = arm->endpoint;
    if (arm->spec->bench->shape == WM_ALONE || e->is->fabric == WM_FABRIC_UNKNOWN ||
        e->said.fabric != WM_FABRIC_UNKNOWN || arm->status != WM_MEASURED || arm->cell->bytes == 0)
        return;
    out->verdict = WM_UNPROVEN;
    snprintf(out->reason, sizeof(out->reason), "within a host no counter tells which way %s took",
             e->is->transport->name);
}

/* Collective: counters around the block; moved is filled on ranks that look. */
static int observe(struct wm_witnesses *w, struct wm_comparison *c, struct wm_arm *arm, uint64_t calls, bool looks,
                   struct wm_traffic *moved, uint64_t *ns, struct wm_err *err)
{
    struct wm_traffic before = { 0 }, after = { 0 };
    struct wm_err why = { .rank = -1 };
    if (looks && look(w, between_gpus(c, arm), &why) == WM_OK) {
        sleep_ns(w->idle.lifespan_ns);
        read_counters(w, &before, &why);
    }
    uint64_t begin = wm_now_ns();
    int rc = wm_compare_alone(c, arm, arm->part ? &arm->loop : NULL, calls, NULL, err);
    if (looks && rc == WM_OK && why.code == WM_OK) {
        sleep_ns(before.lifespan_ns);
        if (read_counters(w, &after, &why) == WM_OK)
            wm_traffic_since(&before, &after, moved, &why);
    }
    *ns = wm_now_ns() - begin;
    wm_traffic_free(&before);
    wm_traffic_free(&after);
    return rc;
}

/* ---- rank 0 ---- */

static json_t *claim_to_json(const char *host, const struct wm_claim *claim)
{
    json_t *o = json_pack("{s:o}", "host", wm_result_text(host));
    if (claim->fabric != WM_FABRIC_UNKNOWN)
        json_object_set_new(o, "fabric", json_string(wm_fabric_names[claim->fabric]));
    if (claim->device[0] != '\0')
        json_object_set_new(o, "device", wm_result_text(claim->device));
    if (claim->provider[0] != '\0')
        json_object_set_new(o, "provider", wm_result_text(claim->provider));
    if (claim->how[0] != '\0')
        json_object_set_new(o, "how", wm_result_text(claim->how));
    return o;
}

static json_t *counter_to_json(const struct testimony *t, const struct told *told)
{
    json_t *o = json_pack("{s:o, s:o, s:s, s:I, s:I}", "host", wm_result_text(t->host), "device",
                          wm_result_text(told->device), "unit", told->in_packets ? "packets" : "bytes", "sent",
                          (json_int_t)told->sent, "received", (json_int_t)told->received);
    if (told->errors[0] != '\0')
        json_object_set_new(o, "errors", wm_result_text(told->errors));
    return o;
}

/* Has no rank of this host before it said the same? */
static bool is_news(const struct wm_world *members, const struct testimony *all, int m)
{
    for (int k = 0; k < m; k++)
        if (all[k].has_part && members->places[k].host_index == members->places[m].host_index &&
            is_same_claim(&all[k].claim, &all[m].claim))
            return false;
    return true;
}

static void conclude(const struct wm_world *members, const struct testimony *all, struct wm_evidence *out)
{
    out->claims = json_array();
    out->counters = json_array();
    for (int m = 0; m < members->size; m++) {
        const struct testimony *t = &all[m];
        if (t->has_part && t->claim.how[0] != '\0' && is_news(members, all, m))
            json_array_append_new(out->claims, claim_to_json(members->places[m].host, &t->claim));
        if (t->host[0] == '\0')
            continue;
        wm_evidence_join(&out->judgement, &t->judgement);
        for (int i = 0; i < t->n; i++)
            json_array_append_new(out->counters, counter_to_json(t, &t->counter[i]));
    }
}

static int put_together(struct wm_comparison *c, const struct testimony *mine, struct wm_evidence *out,
                        struct wm_err *err)
{
    struct testimony *all = c->members->rank == 0 ? calloc((size_t)c->members->size, sizeof(*all)) : NULL;
    if (c->members->rank == 0 && all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "evidence of %d ranks", c->members->size);
    if (wm_world_agree(c->members, WM_SPIN, err) == WM_OK &&
        wm_world_gather(c->members, mine, sizeof(*mine), all, WM_SPIN, err) == WM_OK && all != NULL)
        conclude(c->members, all, out);
    free(all);
    return err->code;
}

/* How a GPU's memory was registered is the evidence of direct. */
static bool registers(const struct wm_arm *arm)
{
    return arm->spec->path == WM_PATH_DIRECT && !wm_plan_device(arm->spec->memory)->simulated &&
           arm->endpoint->is->transport->needs_flush != NULL;
}

/* From GPU to GPU or through the host's memory: within a host only the library knows. */
static bool only_says(const struct wm_arm *arm)
{
    return (arm->endpoint->is->transport->device_only || registers(arm)) &&
           arm->endpoint->is->transport->claim != NULL && arm->status == WM_MEASURED && arm->cell->bytes > 0;
}

static int hear_claims(struct wm_comparison *c, const struct wm_arm *arm, struct testimony *mine,
                       struct wm_evidence *out, struct wm_err *err)
{
    mine->claim = arm->endpoint->said;
    mine->has_part = mine->host[0] != '\0';
    mine->judgement.verdict = WM_UNPROVEN;
    snprintf(mine->judgement.reason, sizeof(mine->judgement.reason), "within a host no counter tells which way %s took",
             arm->endpoint->is->transport->name);
    return put_together(c, mine, out, err);
}

int wm_witness(struct wm_witnesses *w, struct wm_comparison *c, struct wm_arm *arm, struct wm_evidence *out,
               struct wm_err *err)
{
    int host = w->plan->host_of[w->rank];
    const bool gpus = between_gpus(c, arm);
    bool looks = gpus || first_on_host(w, c, host) == c->members->rank;
    struct testimony mine = { .n = 0 };
    struct wm_traffic moved = { 0 };
    struct road road = { 0 };
    double calls_in_block = block_ns / (arm->call_ns > 1 ? arm->call_ns : 1);
    uint64_t ns, calls = calls_in_block > BLOCK_OPERATIONS ? (uint64_t)calls_in_block : BLOCK_OPERATIONS;
    *out = (struct wm_evidence){ 0 };
    if (looks)
        memcpy(mine.host, c->members->places[c->members->rank].host, sizeof(mine.host));
    if (!to_be_proven(c, arm)) {
        if (c->members->hosts == 1)
            judge_unseen(arm, &out->judgement);
        return only_says(arm) ? hear_claims(c, arm, &mine, out, err) : WM_OK;
    }
    int rc = wm_world_bcast(c->members, 0, &calls, sizeof(calls), WM_SPIN, err);
    if (rc == WM_OK)
        rc = gpus ? gpu_must_move(w, c, arm, calls, &mine, &road, err) : must_move(w, c, arm, calls, &mine, &road, err);
    if (rc == WM_OK)
        rc = observe(w, c, arm, calls, looks, &moved, &ns, err);
    if (looks && rc == WM_OK)
        testify(w, &moved, ns, arm->endpoint->is->fabric, &road, &mine);
    mine.claim = arm->endpoint->said;
    free(road.claim);
    wm_traffic_free(&moved);
    if (rc == WM_OK && arm->endpoint->lost == WM_OK)
        rc = put_together(c, &mine, out, err);
    return rc;
}
