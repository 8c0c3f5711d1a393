/** Opens and closes an endpoint of transport ofi: local objects first, then the addresses of all ranks. */
#include <inttypes.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/ofi_ep.h"

/* What every rank tells the others. */
struct address {
    uint64_t bytes;
    char provider[64];
    unsigned char name[440];
};

static const char *provider_of(const struct wm_ofi_ep *e)
{
    return wm_ofi_name(e->info);
}

static int open_failed(const struct wm_ofi_ep *e, const char *call, int rc, struct wm_err *err)
{
    return wm_ofi_fail(err, WM_ESYS, call, rc, "endpoint of provider %s, domain %s, on host %s", provider_of(e),
                       e->info->domain_attr->name, e->ep.world->places[e->ep.world->rank].host);
}

static int open_objects(struct wm_ofi_ep *e, struct wm_err *err)
{
    struct fi_av_attr av = { .type = e->info->domain_attr->av_type, .count = (size_t)e->ep.world->size };
    const bool writes = e->ep.ops == &wm_ofi_written_ops || e->ep.ops == &wm_ofi_written_ops_crowded;
    struct fi_cq_attr cq = { .size = 2 * ((size_t)e->ep.slots + 1) + (writes ? wm_ofi_board_completions(e) : 0),
                             .format = writes ? FI_CQ_FORMAT_DATA : FI_CQ_FORMAT_CONTEXT };
    int rc;

    if ((rc = fi_fabric(e->info->fabric_attr, &e->fabric, NULL)) != 0)
        return open_failed(e, "fi_fabric", rc, err);
    if ((rc = fi_domain(e->fabric, e->info, &e->domain, NULL)) != 0)
        return open_failed(e, "fi_domain", rc, err);
    if ((rc = fi_av_open(e->domain, &av, &e->av, NULL)) != 0)
        return open_failed(e, "fi_av_open", rc, err);
    if ((rc = fi_cq_open(e->domain, &cq, &e->cq, NULL)) != 0)
        return open_failed(e, "fi_cq_open", rc, err);
    if ((rc = fi_endpoint(e->domain, e->info, &e->fid, NULL)) != 0)
        return open_failed(e, "fi_endpoint", rc, err);
    if (e->gpu.offered)
        wm_ofi_gpu_strict(e);
    if ((rc = fi_ep_bind(e->fid, &e->av->fid, 0)) != 0 ||
        (rc = fi_ep_bind(e->fid, &e->cq->fid, FI_TRANSMIT | FI_RECV)) != 0)
        return open_failed(e, "fi_ep_bind", rc, err);
    if ((rc = fi_enable(e->fid)) != 0)
        return open_failed(e, "fi_enable", rc, err);
    return WM_OK;
}

/* libfabric reads the variable while it makes the endpoint; afterwards it is as it was, for the result's sake and for
 * what this process starts. */
static int open_eager(struct wm_ofi_ep *e, const struct wm_ofi_conf *own, struct wm_err *err)
{
    const char *theirs = getenv(WM_OFI_EAGER_VARIABLE);
    char *before = NULL;

    if (strcmp(provider_of(e), "tcp;ofi_rxm") != 0) {
        if (own->eager_bytes != 0)
            return wm_fail(err, WM_EABSENT, "", 0,
                           "--ofi-eager is of provider tcp;ofi_rxm, and this is %s, which would not heed it: leave it "
                           "out, or name --provider 'tcp;ofi_rxm'",
                           provider_of(e));
        return open_objects(e, err);
    }
    if (theirs != NULL && (before = strdup(theirs)) == NULL)
        return wm_fail_errno(err, "strdup", WM_OFI_EAGER_VARIABLE);
    e->eager_is_ours = before == NULL || own->eager_bytes != 0;
    if (e->eager_is_ours)
        snprintf(e->eager, sizeof(e->eager), "%" PRIu64,
                 own->eager_bytes != 0 ? own->eager_bytes : (uint64_t)WM_OFI_EAGER_BYTES);
    else
        snprintf(e->eager, sizeof(e->eager), "%s", before);
    if (e->eager_is_ours)
        setenv(WM_OFI_EAGER_VARIABLE, e->eager, 1);
    open_objects(e, err);
    if (e->eager_is_ours && before != NULL)
        setenv(WM_OFI_EAGER_VARIABLE, before, 1);
    else if (e->eager_is_ours)
        unsetenv(WM_OFI_EAGER_VARIABLE);
    free(before);
    return err->code;
}

/* The highest bits that the provider keeps for itself are zero in its format; below them stand the sender and 32 bits
 * of the number, fewer where there is no room: it only has to tell the messages under way apart. */
static int divide_tag(struct wm_ofi_ep *e, struct wm_err *err)
{
    const uint64_t format = e->info->ep_attr->mem_tag_format;
    const int bits = format == 0 ? 0 : 64 - __builtin_clzll(format);
    int rank_bits = 1;

    while (e->ep.world->size > 1 << rank_bits)
        rank_bits++;
    const int left = bits - rank_bits;
    if (left < 63 && (uint64_t)1 << (left > 0 ? left : 0) < 4 * (uint64_t)(e->ep.slots + 1))
        return wm_fail(err, WM_EUNSUP, "", 0, "provider %s has tags of %d bits: too few for %d ranks", provider_of(e),
                       bits, e->ep.world->size);
    e->number_bits = left < 32 ? (unsigned)left : 32;
    e->number_mask = ((uint64_t)1 << e->number_bits) - 1;
    e->tag_of_mine = (uint64_t)e->ep.world->rank << e->number_bits;
    return WM_OK;
}

static int allocate(struct wm_ofi_ep *e, bool writes, struct wm_err *err)
{
    const size_t ranks = (size_t)e->ep.world->size, slots = (size_t)e->ep.slots + 1;

    e->address = malloc(ranks * sizeof(*e->address));
    e->sent = calloc(ranks, sizeof(*e->sent));
    e->received = calloc(ranks, sizeof(*e->received));
    e->slot = calloc(slots, sizeof(*e->slot));
    e->most_held = (unsigned)slots + (writes ? wm_ofi_board_completions(e) : 0);
    e->held = calloc(e->most_held, sizeof(struct wm_ofi_slot *));
    e->flushed = calloc(1, 1);
    if (e->address == NULL || e->sent == NULL || e->received == NULL || e->slot == NULL || e->held == NULL ||
        e->flushed == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "ofi endpoint of %zu ranks and %zu slots", ranks, slots);
    for (size_t r = 0; r < ranks; r++)
        e->address[r] = FI_ADDR_NOTAVAIL;
    return WM_OK;
}

static int open_local(struct wm_ofi_ep *e, const struct wm_ep_conf *conf, struct wm_err *err)
{
    static const struct wm_ofi_conf plain;
    const struct wm_ofi_conf *own = conf->own != NULL ? conf->own : &plain;

    const bool writes = wm_ofi_writes(own);

    if (allocate(e, writes, err) != WM_OK || wm_ofi_choose(own, conf->fabric, conf->nic, &e->info, err) != WM_OK)
        return err->code;
    if (strncmp(provider_of(e), "shm", 3) == 0 && e->ep.world->hosts > 1)
        return wm_fail(err, WM_EABSENT, "", 0, "provider %s reaches ranks of one host only, and there are %d hosts",
                       provider_of(e), e->ep.world->hosts);
    if (conf->device)
        wm_ofi_gpu_choose(e);
    e->put_kind = e->info->tx_attr->op_flags & FI_DELIVERY_COMPLETE ? WM_OFI_PUT : WM_OFI_PUT_READ;
    e->info->tx_attr->op_flags = 0; /* for puts alone, not for sends */
    if (writes)
        e->ep.ops = e->ep.crowded ? &wm_ofi_written_ops_crowded : &wm_ofi_written_ops;
    if (strcmp(provider_of(e), "shm") == 0) /* it writes them into the peer's memory: a tenth less time */
        e->inject_bytes = e->info->tx_attr->inject_size;
    if ((!writes && divide_tag(e, err) != WM_OK) || open_eager(e, own, err) != WM_OK ||
        (writes && wm_ofi_board_open(e, conf->peers, err) != WM_OK))
        return err->code;
    if (wm_ofi_register(e, e->flushed, 1, false, false, &e->flush_mr, err) != WM_OK)
        return err->code;
    e->flush_desc = e->flush_mr != NULL ? fi_mr_desc(e->flush_mr) : NULL;
    return WM_OK;
}

/* ---- Addresses ---- */

static int tell_address(const struct wm_ofi_ep *e, struct address *mine, struct wm_err *err)
{
    size_t bytes = sizeof(mine->name);
    int rc = fi_getname(&e->fid->fid, mine->name, &bytes);

    if (rc != 0)
        return open_failed(e, "fi_getname", rc, err);
    mine->bytes = bytes;
    snprintf(mine->provider, sizeof(mine->provider), "%s", provider_of(e));
    return WM_OK;
}

static int insert_peer(struct wm_ofi_ep *e, int rank, const struct address *theirs, struct wm_err *err)
{
    const struct wm_place *place = &e->ep.world->places[rank];

    if (strcmp(theirs->provider, provider_of(e)) != 0)
        return wm_fail(err, WM_EABSENT, "", 0,
                       "rank %d on host %s has provider %s, and rank %d has %s: name one that all have with --provider",
                       rank, place->host, theirs->provider, e->ep.world->rank, provider_of(e));
    int rc = fi_av_insert(e->av, theirs->name, 1, &e->address[rank], 0, NULL);
    if (rc == 1)
        return WM_OK;
    return wm_ofi_fail(err, WM_ESYS, "fi_av_insert", rc < 0 ? rc : -FI_EADDRNOTAVAIL,
                       "address of rank %d on host %s, provider %s", rank, place->host, provider_of(e));
}

/* Collective; what a rank lacks it says afterwards. */
static int exchange(struct wm_ofi_ep *e, const bool *peers, struct wm_err *err)
{
    const int ranks = e->ep.world->size;
    struct address mine = { .bytes = 0 }, *all = calloc((size_t)ranks, sizeof(*all));

    if (all == NULL)
        wm_fail_errno(err, "calloc", "addresses of %d ranks", ranks);
    else if (err->code == WM_OK)
        tell_address(e, &mine, err);
    if (wm_world_agree(e->ep.world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(e->ep.world, &mine, sizeof(mine), all, err) == WM_OK)
        for (int r = 0; r < ranks && err->code == WM_OK; r++)
            if (peers == NULL || peers[r])
                insert_peer(e, r, &all[r], err);
    free(all);
    return wm_world_agree(e->ep.world, WM_SPIN, err);
}

/* ---- Opening and closing ---- */

int wm_ofi_open(const struct wm_ep_conf *conf, struct wm_ep **out, struct wm_err *err)
{
    struct wm_ofi_ep *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return wm_fail_errno(err, "calloc", "ofi endpoint");
    e->ep = (struct wm_ep){ .ops = conf->world->crowded ? &wm_ofi_ops_crowded : &wm_ofi_ops,
                            .world = conf->world,
                            .expired = conf->expired,
                            .slots = conf->slots,
                            .coll_blocks = true,
                            .crowded = conf->world->crowded,
                            .err = { .rank = -1 } };
    wm_fail(&e->gpu.refused, WM_EUNSUP, "", 0, "it was not opened for memory of a GPU");
    open_local(e, conf, err);
    if (exchange(e, conf->peers, err) != WM_OK) {
        wm_ofi_close(&e->ep);
        return err->code;
    }
    *out = &e->ep;
    return WM_OK;
}

static void close_fid(struct fid *fid)
{
    fi_close(fid);
}

void wm_ofi_close(struct wm_ep *ep)
{
    struct wm_ofi_ep *e = wm_ofi_of(ep);

    if (e == NULL)
        return;
    while (e->regions != NULL) /* after an error: nobody has given them back */
        wm_ofi_unreg(ep, e->regions);
    if (e->flush_mr != NULL)
        close_fid(&e->flush_mr->fid);
    wm_ofi_board_unregister(e);
    if (e->fid != NULL)
        close_fid(&e->fid->fid);
    if (e->cq != NULL)
        close_fid(&e->cq->fid);
    if (e->av != NULL)
        close_fid(&e->av->fid);
    if (e->domain != NULL)
        close_fid(&e->domain->fid);
    if (e->fabric != NULL)
        close_fid(&e->fabric->fid);
    wm_ofi_board_free(e);
    fi_freeinfo(e->info);
    free(e->address);
    free(e->sent);
    free(e->received);
    free(e->slot);
    free(e->held);
    free(e->flushed);
    free(e);
}
