#include "bench/evidence.h"

#include <stdio.h>
#include <string.h>

const char *const wm_verdict_names[WM_VERDICTS + 1] = { "", "unproven", "proven", "contradicted", NULL };

static const double moved_share = 0.9, idle_share = 0.1, other_share = 0.5, above_idle = 10;
enum { USUAL_MTU_BYTES = 1500 };

/* Which way a host's bytes went: what had to leave and arrive in units of the counter. */
static double share_of(uint64_t moved, uint64_t least_bytes, const struct wm_traffic_counter *c)
{
    double mtu_bytes = c->mtu_bytes > 0 ? c->mtu_bytes : USUAL_MTU_BYTES;
    double least = c->in_packets ? (double)least_bytes / mtu_bytes : (double)least_bytes;
    return (double)moved / (least > 1 ? least : 1);
}

/* The lesser of what it sent and received, each against what had to be. */
static double share(const struct wm_witness *w, const struct wm_traffic_counter *c)
{
    double sent = share_of(c->sent, w->least_sent_bytes, c);
    double received = share_of(c->received, w->least_received_bytes, c);
    if (w->least_sent_bytes == 0)
        return received;
    return w->least_received_bytes == 0 || sent < received ? sent : received;
}

static bool has_part(const struct wm_witness *w)
{
    return w->least_sent_bytes + w->least_received_bytes > 0;
}

static const struct wm_traffic_counter *find(const struct wm_traffic *t, const char *device)
{
    for (int i = 0; t != NULL && i < t->n; i++)
        if (strcmp(t->counter[i].device, device) == 0)
            return &t->counter[i];
    return NULL;
}

/* A claim of "mlx5_0" is of any of its ports: "mlx5_0:1". */
static bool is_device(const char *counted, const char *claimed)
{
    const size_t n = strlen(claimed);
    return strncmp(counted, claimed, n) == 0 &&
           (counted[n] == '\0' || (counted[n] == ':' && strchr(claimed, ':') == NULL));
}

/* Can the counters of RDMA devices be read, and did they stand still? */
static bool rdma_stood_still(const struct wm_witness *w)
{
    bool told = false;
    for (int i = 0; w->moved != NULL && i < w->moved->n; i++) {
        const struct wm_traffic_counter *c = &w->moved->counter[i];
        told |= c->rdma;
        if (c->rdma && share(w, c) >= idle_share)
            return false;
    }
    return told;
}

/* Is a counter of the road that is claimed, or wanted? An interface below an RDMA device may have counted its packets:
 * nothing but a claim makes it one, unless the device stood still. */
static bool on_road(const struct wm_witness *w, const struct wm_traffic_counter *c, enum wm_fabric wanted)
{
    static const struct wm_claim silence = { .fabric = WM_FABRIC_UNKNOWN };
    const struct wm_claim *claim = w->n_claims > 0 ? w->claim : &silence;
    for (int i = 0; i == 0 || i < w->n_claims; i++) {
        enum wm_fabric fabric = claim[i].fabric != WM_FABRIC_UNKNOWN ? claim[i].fabric : wanted;
        if (claim[i].device[0] != '\0' ? is_device(c->device, claim[i].device)
                                       : c->fabric == fabric && (!c->carries_rdma || rdma_stood_still(w)))
            return true;
    }
    return false;
}

static bool claims_nothing(const struct wm_witness *w)
{
    for (int i = 0; i < w->n_claims; i++)
        if (w->claim[i].fabric != WM_FABRIC_UNKNOWN || w->claim[i].device[0] != '\0')
            return false;
    return true;
}

/* Did other traffic of the counter matter beside this one's? */
static bool drowned(const struct wm_witness *w, const struct wm_traffic_counter *c)
{
    const struct wm_traffic_counter *idle = find(w->idle, c->device);
    return idle != NULL && ((w->least_sent_bytes > 0 && (double)idle->sent * above_idle > (double)c->sent) ||
                            (w->least_received_bytes > 0 && (double)idle->received * above_idle > (double)c->received));
}

/* What one host's counters say. */
struct testimony {
    const struct wm_traffic_counter *best, *other; /* on the road, and beside it */
    double best_share, other_share;
    double road_share; /* of all counters of the road together: rails */
};

static void hear(const struct wm_witness *w, enum wm_fabric wanted, struct testimony *t)
{
    memset(t, 0, sizeof(*t));
    for (int i = 0; w->moved != NULL && i < w->moved->n; i++) {
        const struct wm_traffic_counter *c = &w->moved->counter[i];
        double s = share(w, c);
        if (on_road(w, c, wanted)) {
            t->road_share += s;
            if (t->best == NULL || s > t->best_share) {
                t->best = c;
                t->best_share = s;
            }
        } else if (!c->carries_rdma && (t->other == NULL || s > t->other_share)) {
            t->other = c;
            t->other_share = s;
        }
    }
}

/* Where nothing is claimed or wanted: the fabric of the counters that moved, RDMA's own before an interface that may
 * have counted the same packets. That one counts for TCP only where RDMA's can be read, and stood still. */
static enum wm_fabric fabric_that_moved(const struct wm_witness *w)
{
    enum wm_fabric fabric = WM_FABRIC_UNKNOWN;
    double most = 0;
    bool rdma_told = false;
    for (int pass = 0; pass < 3 && most < moved_share && w->moved != NULL; pass++)
        for (int i = 0; i < w->moved->n; i++) {
            const struct wm_traffic_counter *c = &w->moved->counter[i];
            int of = c->rdma ? 0 : c->carries_rdma ? 2 : 1;
            double s = share(w, c);
            rdma_told |= c->rdma;
            if (of != pass || s <= most || (of == 2 && (!rdma_told || most >= idle_share)))
                continue;
            most = s;
            fabric = c->fabric;
        }
    return fabric;
}

static void judge_one(const struct wm_witness *w, enum wm_fabric wanted, struct wm_judgement *out)
{
    struct testimony t;
    const enum wm_fabric asked = wanted;
    if (claims_nothing(w) && wanted == WM_FABRIC_UNKNOWN)
        wanted = fabric_that_moved(w);
    hear(w, wanted, &t);
    bool proven = t.best != NULL && t.road_share >= moved_share;
    out->verdict = WM_UNPROVEN;
    if (w->moved == NULL || w->moved->n == 0)
        snprintf(out->reason, sizeof(out->reason), "%s: no counter can be read there", w->host);
    else if (!proven && t.other != NULL && t.road_share < idle_share && t.other_share >= other_share) {
        out->verdict = WM_CONTRADICTED;
        out->fabric = t.other->fabric;
        snprintf(out->reason, sizeof(out->reason), "%s: %s carried %.0f %% of the bytes, %s %.0f %%", w->host,
                 t.other->device, 100 * t.other_share, t.best != NULL ? t.best->device : "the road asked for",
                 100 * t.road_share);
    } else if (t.best == NULL)
        snprintf(out->reason, sizeof(out->reason), "%s: no counter of the device that was used can be read", w->host);
    else if (!proven)
        snprintf(out->reason, sizeof(out->reason), "%s: %s moved %.0f %% of the bytes", w->host, t.best->device,
                 100 * t.road_share);
    else if (drowned(w, t.best))
        snprintf(out->reason, sizeof(out->reason), "%s: other traffic on %s is more than a tenth of this", w->host,
                 t.best->device);
    else {
        out->verdict = WM_PROVEN;
        out->fabric = t.best->fabric;
        if (asked != WM_FABRIC_UNKNOWN && out->fabric != asked) {
            out->verdict = WM_CONTRADICTED;
            snprintf(out->reason, sizeof(out->reason), "%s: %s, which is %s, carried %.0f %% of the bytes", w->host,
                     t.best->device, wm_fabric_names[out->fabric], 100 * t.road_share);
        }
    }
}

static int weight(enum wm_verdict v)
{
    static const int of[WM_VERDICTS] = {
        [WM_VERDICT_NONE] = 0, [WM_PROVEN] = 1, [WM_UNPROVEN] = 2, [WM_CONTRADICTED] = 3
    };
    return of[v];
}

void wm_evidence_join(struct wm_judgement *of, const struct wm_judgement *with)
{
    if (weight(with->verdict) > weight(of->verdict))
        *of = *with;
}

void wm_evidence_judge(const struct wm_witness *witness, int n, enum wm_fabric wanted, struct wm_judgement *out)
{
    *out = (struct wm_judgement){ .verdict = WM_VERDICT_NONE };
    for (int i = 0; i < n; i++) {
        struct wm_judgement one = { .verdict = WM_VERDICT_NONE };
        if (has_part(&witness[i]))
            judge_one(&witness[i], wanted, &one);
        wm_evidence_join(out, &one);
    }
}
