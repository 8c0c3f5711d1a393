/**
 * Messages without tags: a receive tells its sender where it is (an advert), and the send is a write to that place
 * whose immediate data are the receive's slot. Nothing has to come in order, and nothing polls data. For endpoints that
 * have remote memory access but no tags (fabric efa-direct), and for whoever wants to compare.
 */
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <stdlib.h>
#include <string.h>

#include "src/transport/ofi_ep.h"

enum { LEAST_BUFFERS = 16, MOST_BUFFERS = 512 };

/* Where a receive is; what goes over the network. */
struct advert {
    uint64_t address, key, bytes;
    uint32_t number, slot; /* of the message between the two ranks, and of the receiver's endpoint */
    int32_t rank;          /* the receiver */
    bool there;            /* in a table: not used yet */
};

/* Registered as one piece. */
struct wm_ofi_board {
    struct fid_mr *mr;
    void *desc;
    uint64_t address, key; /* of `nothing`, for peers */
    char *nothing;         /* a byte that messages without any are */
    unsigned buffers, places;
    struct wm_ofi_slot *buffer, *told; /* contexts of receives of adverts; of sends of them, by slot */
    struct advert *in, *out;           /* by buffer; by slot */
    struct advert **table;             /* by rank: places adverts, by number; NULL: no peer */
    void *memory;
};

static struct advert *place_of(const struct wm_ofi_board *b, int rank, uint64_t number)
{
    return &b->table[rank][number & (b->places - 1)];
}

/* ---- Hot path ---- */

ssize_t wm_ofi_attempt_advert(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    struct wm_ofi_board *b = e->board;
    const struct wm_msg *m = s->msg;
    const size_t slot = (size_t)(s - e->slot);
    struct wm_ofi_slot *told = &b->told[slot];
    struct advert *out = &b->out[slot];

    if (told->open) /* the advert of the receive before is on its way still */
        return -FI_EAGAIN;
    *out = (struct advert){ .address = m->bytes > 0 ? m->local->address + m->local_at : b->address,
                            .key = m->bytes > 0 ? m->local->key : b->key,
                            .bytes = m->bytes,
                            .number = (uint32_t)s->tag,
                            .slot = (uint32_t)slot,
                            .rank = e->ep.world->rank };
    told->msg = m;
    ssize_t rc = fi_send(e->fid, out, sizeof(*out), b->desc, e->address[m->peer], &told->context);
    told->open = rc == 0;
    return rc;
}

ssize_t wm_ofi_attempt_written(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    const struct wm_ofi_board *b = e->board;
    const struct wm_msg *m = s->msg;
    struct advert *to = place_of(b, m->peer, s->tag);
    struct iovec from = { .iov_base = m->bytes > 0 ? m->ptr : b->nothing, .iov_len = m->bytes > 0 ? m->bytes : 1 };
    struct fi_rma_iov there = { .addr = to->address, .len = from.iov_len, .key = to->key };
    void *desc = m->bytes > 0 ? m->local->desc : b->desc;
    struct fi_msg_rma msg = { .msg_iov = &from,
                              .desc = &desc,
                              .iov_count = 1,
                              .addr = e->address[m->peer],
                              .rma_iov = &there,
                              .rma_iov_count = 1,
                              .context = &s->context,
                              .data = to->slot };

    if (!to->there || to->number != (uint32_t)s->tag)
        return -FI_EAGAIN;
    if (to->bytes != m->bytes)
        return -FI_EMSGSIZE;
    ssize_t rc = fi_writemsg(e->fid, &msg, FI_COMPLETION | FI_REMOTE_CQ_DATA);
    to->there = rc != 0;
    return rc;
}

ssize_t wm_ofi_attempt_buffer(struct wm_ofi_ep *e, struct wm_ofi_slot *s)
{
    struct wm_ofi_board *b = e->board;

    return fi_recv(e->fid, &b->in[s - b->buffer], sizeof(*b->in), b->desc, FI_ADDR_UNSPEC, &s->context);
}

int wm_ofi_take_advert(struct wm_ofi_ep *e, const struct wm_ofi_slot *s)
{
    struct wm_ofi_board *b = e->board;
    const struct advert *in = &b->in[s - b->buffer];
    const bool is_peer = in->rank >= 0 && in->rank < e->ep.world->size && b->table[in->rank] != NULL;
    struct advert *to = is_peer ? place_of(b, in->rank, in->number) : NULL;

    if (to == NULL || to->there)
        return wm_fail(&e->ep.err, WM_EBUG, "", 0, "rank %d tells rank %d of receive %u, which has no place here",
                       in->rank, e->ep.world->rank, in->number);
    *to = *in;
    to->there = true;
    return WM_OK;
}

/* ---- Opening and closing ---- */

static unsigned count_buffers(const struct wm_ofi_ep *e, unsigned peers)
{
    const size_t most = e->info->rx_attr->size, want = (size_t)peers * (e->ep.slots + 1);
    size_t n = want < LEAST_BUFFERS ? LEAST_BUFFERS : want > MOST_BUFFERS ? MOST_BUFFERS : want;

    return (unsigned)(most > 0 && n > most ? most : n);
}

static int allocate(struct wm_ofi_ep *e, const bool *peers, struct wm_err *err)
{
    struct wm_ofi_board *b = e->board = calloc(1, sizeof(*b));
    const size_t slots = (size_t)e->ep.slots + 1, ranks = (size_t)e->ep.world->size;
    unsigned n = 0;

    for (size_t r = 0; r < ranks; r++)
        n += peers == NULL || peers[r];
    if (b != NULL) {
        b->buffers = count_buffers(e, n);
        for (b->places = 16; b->places < 4 * slots;)
            b->places *= 2;
        b->told = calloc(slots, sizeof(*b->told));
        b->buffer = calloc(b->buffers, sizeof(*b->buffer));
        b->table = calloc(ranks, sizeof(*b->table));
        b->memory = calloc(b->buffers + slots + 1, sizeof(*b->in));
    }
    if (b == NULL || b->told == NULL || b->buffer == NULL || b->table == NULL || b->memory == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "written messages of %zu ranks and %zu slots", ranks, slots);
    for (size_t r = 0; r < ranks; r++)
        if ((peers == NULL || peers[r]) && (b->table[r] = calloc(b->places, sizeof(**b->table))) == NULL)
            return wm_fail(err, WM_ENOMEM, "calloc", 0, "adverts of rank %zu", r);
    b->in = b->memory;
    b->out = b->in + b->buffers;
    b->nothing = (char *)(b->out + slots);
    return WM_OK;
}

int wm_ofi_board_open(struct wm_ofi_ep *e, const bool *peers, struct wm_err *err)
{
    if (allocate(e, peers, err) != WM_OK)
        return err->code;
    struct wm_ofi_board *b = e->board;
    const size_t bytes = (b->buffers + (size_t)e->ep.slots + 2) * sizeof(*b->in);
    if (wm_ofi_register(e, b->memory, bytes, true, false, &b->mr, err) != WM_OK)
        return err->code;
    b->desc = fi_mr_desc(b->mr);
    b->key = fi_mr_key(b->mr);
    b->address = e->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? (uintptr_t)b->nothing
                                                                 : (uint64_t)(b->nothing - (char *)b->memory);
    for (size_t slot = 0; slot <= e->ep.slots; slot++)
        b->told[slot].kind = WM_OFI_TOLD;
    for (unsigned i = 0; i < b->buffers; i++) {
        b->buffer[i].kind = WM_OFI_BUFFER;
        ssize_t rc = wm_ofi_attempt_buffer(e, &b->buffer[i]);
        if (rc != 0)
            return wm_ofi_fail(err, WM_ESYS, "fi_recv", rc, "buffer %u of %u for adverts", i, b->buffers);
    }
    return WM_OK;
}

unsigned wm_ofi_board_completions(const struct wm_ofi_ep *e)
{
    return MOST_BUFFERS + 2 * (e->ep.slots + 1); /* its own, and the messages that peers write */
}

void wm_ofi_board_unregister(struct wm_ofi_ep *e)
{
    if (e->board != NULL && e->board->mr != NULL)
        fi_close(&e->board->mr->fid);
}

void wm_ofi_board_free(struct wm_ofi_ep *e)
{
    struct wm_ofi_board *b = e->board;

    if (b == NULL)
        return;
    for (int r = 0; b->table != NULL && r < e->ep.world->size; r++)
        free(b->table[r]);
    free(b->table);
    free(b->told);
    free(b->buffer);
    free(b->memory);
    free(b);
    e->board = NULL;
}
