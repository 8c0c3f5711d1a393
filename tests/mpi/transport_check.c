/**
 * The mpi, sim and ofi transports between real ranks, every byte looked at.
 * ranks: 2 3 4
 * ranks: 2 3 4 with ofi (skipped where it is not built in, and each provider that is not there)
 * In the software RoCE lab (tests/roce) with verbs.
 * ranks: 2 with large   (one message and two broadcasts above 2 GiB; skipped where the memory is not free)
 * Rank 0 prints "N passed, N failed, N skipped"; the exit status is the same on all ranks.
 */
#include <mpi.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/topo/node.h"
#include "src/transport/program.h"
#include "tests/unit/check.h"

#define SLOTS 16

static struct wm_world *world;
static atomic_bool expired;

/* ---- What the library is asked, counted ---- */

static int flushes;

int MPI_Win_flush(int rank, MPI_Win win)
{
    flushes++;
    return PMPI_Win_flush(rank, win);
}

/* ---- An open transport with two buffers ---- */

struct bed {
    const struct wm_transport *t;
    struct wm_ep *ep;
    struct wm_buf buf[2]; /* IN, OUT */
    struct wm_attached attached;
};

/* What open_bed() asks for beside the options. */
static enum wm_fabric wanted_fabric;
static const char *wanted_nic;
static const bool *wanted_peers;

/* Options as a user gives them: "--sim-delay", "5ms", ..., ended by NULL. */
static int open_bed(struct bed *b, const struct wm_transport *t, size_t bytes, unsigned shared, char **options,
                    struct wm_err *err)
{
    char *argv[12] = { "transport_check" };
    int argc = 1;
    void *own = calloc(1, t->conf_bytes + 1);
    struct wm_option_group group = { .rows = t->options, .conf = own };
    const int n_groups = t->options != NULL;
    char **words = NULL;
    int n_words = 0;

    memset(b, 0, sizeof(*b));
    b->t = t;
    while (options != NULL && *options != NULL)
        argv[argc++] = *options++;
    if (n_groups > 0 && wm_options_parse(&group, n_groups, argc, argv, &words, &n_words, err) != WM_OK)
        wm_err_print(stdout, err);
    free(words);
    atomic_store(&expired, false);
    struct wm_ep_conf conf = { .world = world,
                               .expired = &expired,
                               .slots = SLOTS,
                               .own = own,
                               .peers = wanted_peers,
                               .fabric = wanted_fabric,
                               .nic = wanted_nic };
    const struct wm_buf *bufs[WM_AREAS] = { [WM_IN] = &b->buf[0], [WM_OUT] = &b->buf[1] };
    int rc = t->open(&conf, &b->ep, err);
    for (int i = 0; i < 2 && rc == WM_OK; i++)
        rc = wm_mem_host.alloc(-1, bytes, &b->buf[i], err);
    if (rc == WM_OK)
        rc = wm_attach(t, b->ep, bufs, shared, &b->attached, err);
    wm_options_free(&group, n_groups);
    free(own);
    return rc;
}

static void free_buffers(struct bed *b)
{
    for (int i = 0; i < 2; i++)
        if (b->buf[i].ptr != NULL)
            wm_mem_host.free(&b->buf[i]);
}

static void close_bed(struct bed *b)
{
    if (b->ep != NULL) {
        wm_detach(b->t, b->ep, &b->attached);
        b->t->close(b->ep);
    }
    free_buffers(b);
}

/* After a failure some posts are open for ever. */
static void abandon_bed(struct bed *b)
{
    struct wm_err err = { .rank = -1 };
    wm_world_barrier(world, WM_SPIN, &err);
    b->t->abandon(b->ep);
    free_buffers(b);
}

static int run(struct bed *b, struct wm_schedule *s, struct wm_err *err)
{
    struct wm_bind bind = { .transport = b->t, .ep = b->ep, .attached = &b->attached, .mem = &wm_mem_host };
    struct wm_program *p = NULL;
    int rc = wm_program_open(s, &bind, &p, err);

    if (rc == WM_OK && (rc = wm_program_run(p)) != WM_OK)
        *err = b->ep->err;
    wm_program_close(p);
    wm_schedule_free(s);
    return rc;
}

/* Runs it and expects that it works. */
static int runs(struct bed *b, struct wm_schedule *s, const char *name)
{
    struct wm_err err = { .rank = world->rank };
    int rc = run(b, s, &err);
    if (!wm_check_int(rc, WM_OK, __FILE__, __LINE__, name))
        wm_err_print(stdout, &err);
    return rc;
}

static struct wm_at in(size_t at)
{
    return (struct wm_at){ WM_IN, at };
}

static struct wm_at out(size_t at)
{
    return (struct wm_at){ WM_OUT, at };
}

static void add_one_sided(struct wm_schedule *s, enum wm_step_kind kind, int peer, struct wm_at to, struct wm_at from,
                          size_t bytes)
{
    wm_schedule_add(
        s, (struct wm_step){
               .kind = kind, .peer = peer, .to = to, .from = from, .bytes = bytes, .after = { WM_NONE, WM_NONE } });
}

/* Peers may still want something of this rank's transport. */
static void barrier(const struct bed *b)
{
    MPI_Request request;
    int done = 0, rc = WM_OK;

    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
        if (b->t->progress != NULL && rc == WM_OK)
            rc = b->t->progress(b->ep);
    CHECK_INT(rc, WM_OK);
}

static int right(void)
{
    return (world->rank + 1) % world->size;
}

static int left(void)
{
    return (world->rank + world->size - 1) % world->size;
}

/* ---- Bytes: from rank to rank, number k, place i ---- */

static unsigned char byte(int from, int to, int k, size_t i)
{
    return (unsigned char)((unsigned)from * 61 + (unsigned)to * 17 + (unsigned)k * 7 + (unsigned)i * 3 + 1);
}

static void fill(struct bed *b, size_t at, int from, int to, int k, size_t bytes)
{
    unsigned char *p = (unsigned char *)b->buf[0].ptr + at;
    for (size_t i = 0; i < bytes; i++)
        p[i] = byte(from, to, k, i);
}

static int wrong(const struct bed *b, size_t at, int from, int to, int k, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)b->buf[1].ptr + at;
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += p[i] != byte(from, to, k, i);
    return n;
}

/* ---- Two-sided ---- */

static void test_shift(struct bed *b)
{
    static const size_t sizes[] = { 0, 1, 8, 1000, 65536, 1 << 20 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct wm_schedule s = { 0 };
        fill(b, 0, world->rank, right(), (int)i, sizes[i]);
        wm_add_recv(&s, left(), out(0), sizes[i], WM_NONE);
        wm_add_send(&s, right(), in(0), sizes[i], WM_NONE);
        runs(b, &s, "shift");
        CHECK_INT(wrong(b, 0, left(), world->rank, (int)i, sizes[i]), 0);
    }
}

static void test_ping_pong(struct bed *b)
{
    struct wm_schedule s = { 0 };
    fill(b, 0, world->rank, !world->rank, 5, 100000);
    if (world->rank == 0) {
        int sent = wm_add_send(&s, 1, in(0), 100000, WM_NONE);
        wm_add_recv(&s, 1, out(0), 100000, wm_after(sent));
    } else if (world->rank == 1) {
        int got = wm_add_recv(&s, 0, out(0), 100000, WM_NONE);
        wm_add_send(&s, 0, in(0), 100000, wm_after(got));
    }
    runs(b, &s, "ping-pong");
    if (world->rank < 2)
        CHECK_INT(wrong(b, 0, !world->rank, world->rank, 5, 100000), 0);
}

/* Many more messages than slots, to all ranks and from all, this one too; some need the receiver (128 KiB). */
static void test_window(struct bed *b, int n, size_t bytes)
{
    struct wm_schedule s = { 0 };
    for (int k = 0; k < n; k++)
        for (int d = 0; d < world->size; d++) {
            int from = (world->rank + world->size - d) % world->size;
            wm_add_recv(&s, from, out((size_t)(k * world->size + from) * bytes), bytes, WM_NONE);
        }
    for (int k = 0; k < n; k++)
        for (int d = 0; d < world->size; d++) {
            int to = (world->rank + d) % world->size;
            size_t at = (size_t)(k * world->size + to) * bytes;
            fill(b, at, world->rank, to, k, bytes);
            wm_add_send(&s, to, in(at), bytes, WM_NONE);
        }
    runs(b, &s, "window");
    for (int k = 0; k < n; k++)
        for (int from = 0; from < world->size; from++)
            CHECK_INT(wrong(b, (size_t)(k * world->size + from) * bytes, from, world->rank, k, bytes), 0);
}

/* ---- One-sided ---- */

static void test_put(struct bed *b)
{
    const size_t bytes = 300;
    struct wm_schedule s = { 0 };

    for (int k = 0; k < 10; k++)
        for (int to = 0; to < world->size; to++) {
            size_t at = (size_t)(k * world->size + to) * bytes;
            size_t there = (size_t)(k * world->size + world->rank) * bytes;
            fill(b, at, world->rank, to, k, bytes);
            add_one_sided(&s, WM_STEP_PUT, to, out(there), in(at), bytes);
        }
    memset(b->buf[1].ptr, 0, b->buf[1].bytes);
    barrier(b);
    flushes = 0;
    runs(b, &s, "puts");
    barrier(b);
    for (int k = 0; k < 10; k++)
        for (int from = 0; from < world->size; from++)
            CHECK_INT(wrong(b, (size_t)(k * world->size + from) * bytes, from, world->rank, k, bytes), 0);
    barrier(b);
}

/* A window that fits the slots is one wait, and that is one flush for each peer. */
static void test_flushes(struct bed *b)
{
    struct wm_schedule s = { 0 };
    for (int k = 0; k < SLOTS; k++)
        add_one_sided(&s, k % 2 ? WM_STEP_PUT : WM_STEP_GET, k % 4 < 2 ? 0 : 1, k % 2 ? out(64) : in(64),
                      k % 2 ? in(0) : out(0), 8);
    flushes = 0;
    runs(b, &s, "one flush a peer");
    CHECK_INT(flushes, 2);
    barrier(b);
}

static void test_get(struct bed *b)
{
    const size_t bytes = 70000;
    struct wm_schedule s = { 0 };

    for (int to = 0; to < world->size; to++) /* OUT is what the others may look into */
        for (size_t i = 0; i < bytes; i++)
            ((unsigned char *)b->buf[1].ptr)[(size_t)to * bytes + i] = byte(world->rank, to, 3, i);
    barrier(b);
    for (int from = 0; from < world->size; from++)
        add_one_sided(&s, WM_STEP_GET, from, in((size_t)from * bytes), out((size_t)world->rank * bytes), bytes);
    runs(b, &s, "gets");
    barrier(b);
    memcpy(b->buf[1].ptr, b->buf[0].ptr, bytes * (size_t)world->size);
    for (int from = 0; from < world->size; from++)
        CHECK_INT(wrong(b, (size_t)from * bytes, from, world->rank, 3, bytes), 0);
    barrier(b);
}

static void test_beyond_the_window(struct bed *b)
{
    struct wm_schedule s = { 0 };
    struct wm_err err = { .rank = -1 };
    add_one_sided(&s, WM_STEP_PUT, 0, out(b->buf[1].bytes - 4), in(0), 8);
    CHECK_INT(run(b, &s, &err), WM_EBUG);
    CHECK_HAS(err.what, "of the window of rank 0, which has 8388608");
}

static void test_one_sided(const struct wm_transport *t, char **options)
{
    struct wm_err err = { .rank = -1 };
    struct bed b;
    int rc = open_bed(&b, t, 8 << 20, 1u << WM_OUT, options, &err);

    if (rc == WM_EABSENT) { /* no component of the library can do it between these ranks */
        CHECK_HAS(err.what, "makes no window for one-sided operations here");
        wm_skipped++;
    } else if (CHECK_INT(rc, WM_OK)) {
        test_put(&b);
        if (t == &wm_transport_mpi)
            test_flushes(&b);
        test_get(&b);
        test_beyond_the_window(&b);
    }
    close_bed(&b);
}

/* ---- Collectives ---- */

static void set(void *data, enum wm_dtype type, size_t i, int v)
{
    switch (type) {
    case WM_INT8:
        ((int8_t *)data)[i] = (int8_t)v;
        break;
    case WM_INT32:
        ((int32_t *)data)[i] = v;
        break;
    case WM_INT64:
        ((int64_t *)data)[i] = v;
        break;
    case WM_FLOAT:
        ((float *)data)[i] = (float)v;
        break;
    default:
        ((double *)data)[i] = v;
        break;
    }
}

static double get(const void *data, enum wm_dtype type, size_t i)
{
    switch (type) {
    case WM_INT8:
        return ((const int8_t *)data)[i];
    case WM_INT32:
        return ((const int32_t *)data)[i];
    case WM_INT64:
        return (double)((const int64_t *)data)[i];
    case WM_FLOAT:
        return (double)((const float *)data)[i];
    default:
        return ((const double *)data)[i];
    }
}

/* What rank gives at place i: small, so that sums and products over some ranks fit into 8 bits. */
static int given(int rank, size_t i)
{
    return 1 + (rank + (int)(i % 7)) % 2;
}

static int reduced(enum wm_redop op, size_t i)
{
    int all = given(0, i);
    for (int r = 1; r < world->size; r++) {
        int v = given(r, i);
        all = op == WM_SUM ? all + v : op == WM_PROD ? all * v : op == WM_MIN ? (v < all ? v : all) : v > all ? v : all;
    }
    return all;
}

/* What rank `from` has for rank `to` in its place i; distinct as far as 8 bits go. */
static int moved(int from, int to, size_t i)
{
    return (from * 29 + to * 11 + (int)(i % 50)) % 120 + 1;
}

struct coll_case {
    enum wm_coll_kind kind;
    enum wm_dtype type;
    enum wm_redop op;
    size_t count;
    int root;
    bool in_place;
    size_t *send_counts, *recv_counts;
};

/* Counts of the all-to-all-v; in place it must be the same both ways. */
static size_t v_count(const struct coll_case *c, int from, int to)
{
    return c->in_place ? c->count * (size_t)((from + to) % 3) : c->count * (size_t)((from + 2 * to) % 4);
}

static bool by_block(enum wm_coll_kind kind)
{
    return kind == WM_COLL_ALLTOALL || kind == WM_COLL_ALLGATHER || kind == WM_COLL_GATHER || kind == WM_COLL_SCATTER ||
           kind == WM_COLL_ALLTOALLV;
}

static size_t block(const struct coll_case *c, bool sent, int peer)
{
    if (c->kind == WM_COLL_ALLTOALLV)
        return sent ? v_count(c, world->rank, peer) : v_count(c, peer, world->rank);
    return c->count;
}

/* Writes what this rank gives where the operation reads it. */
static void give(const struct coll_case *c, struct bed *b)
{
    void *data = b->buf[c->in_place || c->kind == WM_COLL_BROADCAST].ptr;
    const int n = world->size, me = world->rank;
    bool reads_all =
        c->kind == WM_COLL_ALLTOALL || c->kind == WM_COLL_ALLTOALLV || (c->kind == WM_COLL_SCATTER && me == c->root);
    size_t at = 0;

    for (int i = 0; i < 2; i++)
        memset(b->buf[i].ptr, 0x5a, b->buf[i].bytes);
    if (!by_block(c->kind) && c->kind != WM_COLL_BROADCAST)
        for (size_t i = 0; i < c->count * (size_t)(c->kind == WM_COLL_REDUCE_SCATTER ? n : 1); i++)
            set(data, c->type, i, given(me, i));
    else if (c->kind == WM_COLL_BROADCAST)
        for (size_t i = 0; i < c->count && me == c->root; i++)
            set(data, c->type, i, moved(me, 0, i));
    else if (reads_all)
        for (int to = 0; to < n; at += block(c, true, to++))
            for (size_t i = 0; i < block(c, true, to); i++)
                set(data, c->type, at + i, moved(me, to, i));
    else if (c->kind != WM_COLL_SCATTER) {
        bool own_place = c->in_place && (c->kind == WM_COLL_ALLGATHER || me == c->root);
        for (size_t i = 0; i < c->count; i++)
            set(data, c->type, (own_place ? (size_t)me * c->count : 0) + i, moved(me, 0, i));
    }
}

static int differ(const struct coll_case *c, const struct bed *b, size_t at, size_t i, int want)
{
    return get(b->buf[1].ptr, c->type, at + i) != want;
}

/* Elements that are not what the MPI standard says they are. */
static int wrong_elements(const struct coll_case *c, const struct bed *b)
{
    const int n = world->size, me = world->rank;
    size_t at = 0;
    int bad = 0;

    switch (c->kind) {
    case WM_COLL_ALLREDUCE:
    case WM_COLL_REDUCE:
        for (size_t i = 0; i < c->count && (c->kind == WM_COLL_ALLREDUCE || me == c->root); i++)
            bad += differ(c, b, 0, i, reduced(c->op, i));
        break;
    case WM_COLL_REDUCE_SCATTER:
        for (size_t i = 0; i < c->count; i++)
            bad += differ(c, b, 0, i, reduced(c->op, (size_t)me * c->count + i));
        break;
    case WM_COLL_BROADCAST:
        for (size_t i = 0; i < c->count; i++)
            bad += differ(c, b, 0, i, moved(c->root, 0, i));
        break;
    case WM_COLL_SCATTER:
        at = c->in_place && me == c->root ? (size_t)me * c->count : 0;
        for (size_t i = 0; i < c->count; i++)
            bad += differ(c, b, at, i, moved(c->root, me, i));
        break;
    case WM_COLL_BARRIER:
        break;
    default: /* a block of everyone */
        for (int from = 0; from < n && (c->kind != WM_COLL_GATHER || me == c->root); at += block(c, false, from++))
            for (size_t i = 0; i < block(c, false, from); i++) {
                bool to_each = c->kind == WM_COLL_ALLTOALL || c->kind == WM_COLL_ALLTOALLV;
                bad += differ(c, b, at, i, moved(from, to_each ? me : 0, i));
            }
        break;
    }
    return bad;
}

static struct wm_schedule coll_schedule(const struct coll_case *c)
{
    struct wm_schedule s = { .type = c->type, .op = c->op };
    struct wm_coll coll = { .kind = c->kind, .count = c->count, .root = c->root, .in_place = c->in_place };
    size_t *counts = calloc(2 * (size_t)world->size, sizeof(*counts));

    for (int r = 0; r < world->size; r++) {
        counts[r] = block(c, true, r);
        counts[world->size + r] = block(c, false, r);
    }
    wm_add_coll(&s, &coll, c->kind == WM_COLL_ALLTOALLV ? counts : NULL, world->size);
    free(counts);
    return s;
}

static void test_coll(struct bed *b, const struct coll_case *c)
{
    struct wm_schedule s = coll_schedule(c);
    struct wm_err err = { .rank = world->rank };
    char name[100];

    snprintf(name, sizeof(name), "collective %d of %zu %s %s, root %d%s", (int)c->kind, c->count,
             wm_dtype_names[c->type], wm_redop_names[c->op], c->root, c->in_place ? ", in place" : "");
    give(c, b);
    int rc = run(b, &s, &err);
    if (rc == WM_EUNSUP && c->kind == WM_COLL_REDUCE && strstr(err.what, "may crash in place") != NULL) {
        wm_skipped++; /* a known fault of this version of the library */
        return;
    }
    if (!wm_check_int(rc, WM_OK, __FILE__, __LINE__, name))
        wm_err_print(stdout, &err);
    wm_check_int(wrong_elements(c, b), 0, __FILE__, __LINE__, name);
}

static void test_collectives(struct bed *b)
{
    struct coll_case c = { .kind = WM_COLL_ALLREDUCE };
    static const size_t counts[] = { 0, 1, 1000 };

    for (int kind = WM_COLL_ALLREDUCE; kind <= WM_COLL_BARRIER; kind++)
        for (int type = WM_INT8; type <= WM_DOUBLE; type++)
            for (int variant = 0; variant < 2 * (int)(sizeof(counts) / sizeof(*counts)); variant++) {
                c.kind = (enum wm_coll_kind)kind;
                c.type = (enum wm_dtype)type;
                c.op = (enum wm_redop)((type + variant) % WM_REDOPS);
                c.count = counts[variant / 2];
                c.in_place = variant % 2;
                c.root = (type + variant) % world->size;
                test_coll(b, &c);
            }
}

static void test_no_half(struct bed *b)
{
    static const struct {
        enum wm_dtype type;
        const char *want;
    } cases[] = { { WM_HALF, "MPI has no half type: use a composed algorithm" },
                  { WM_BFLOAT16, "MPI has no bfloat16 type: use a composed algorithm" } };
    for (int i = 0; i < 2; i++) {
        struct coll_case c = { .kind = WM_COLL_ALLREDUCE, .type = cases[i].type, .count = 4 };
        struct wm_schedule s = coll_schedule(&c);
        struct wm_err err = { .rank = -1 };
        CHECK_INT(run(b, &s, &err), WM_EUNSUP);
        CHECK_TEXT(err.what, cases[i].want);
    }
}

/* More elements than an int counts: bound and let go of, not run. */
static void test_uncountable(struct bed *b)
{
    struct wm_err err = { .rank = -1 };
    void *handle = NULL;
    size_t counts[8] = { 0 };

    for (int kind = WM_COLL_ALLREDUCE; kind < WM_COLL_BARRIER; kind++) {
        bool reduces = kind == WM_COLL_ALLREDUCE || kind == WM_COLL_REDUCE || kind == WM_COLL_REDUCE_SCATTER;
        struct wm_coll coll = { .kind = (enum wm_coll_kind)kind, .count = ((size_t)1 << 31) + 1 };
        coll.send_counts = coll.recv_counts = counts;
        counts[0] = coll.count;
        err = (struct wm_err){ .rank = -1 };
        int rc = b->t->bind_coll(b->ep, &coll, WM_INT8, WM_SUM, &handle, &err);
        if (rc == WM_OK) {
            b->t->unbind_coll(b->ep, handle);
            CHECK(!reduces || MPI_VERSION >= 4);
        } else {
            CHECK(reduces && MPI_VERSION < 4);
            CHECK_INT(rc, WM_EUNSUP);
            CHECK_HAS(err.what, "elements (needs MPI 4)");
            CHECK_HAS(err.what, "MPI_");
        }
    }
}

/* ---- Errors of the library ---- */

/* A message that is longer than its receive is reported and does not end the process. */
static void test_truncation(bool blocking)
{
    struct wm_err err = { .rank = -1 };
    struct wm_schedule s = { 0 };
    struct bed b;

    CHECK_INT(open_bed(&b, &wm_transport_mpi, 4096, 0, NULL, &err), WM_OK);
    for (int k = 0; k < (blocking ? 1 : 3); k++)
        if (world->rank == 0)
            wm_add_send(&s, 1, in(0), k == 1 || blocking ? 100 : 10, WM_NONE);
        else if (world->rank == 1)
            wm_add_recv(&s, 0, out((size_t)k * 100), 10, WM_NONE);
    int rc = run(&b, &s, &err);
    CHECK_INT(rc, world->rank == 1 ? WM_ESYS : WM_OK);
    if (world->rank == 1) {
        CHECK_INT(err.native, MPI_ERR_TRUNCATE);
        CHECK_HAS(err.native_text, "runcated");
        CHECK_HAS(err.what, "rank 0");
        bool polls = b.ep->ops != wm_transport_mpi.ops; /* crowded, and the library does not yield by itself */
        CHECK_TEXT(err.call, blocking && !polls ? "MPI_Recv" : blocking ? "MPI_Test" : "MPI_Testall");
    }
    abandon_bed(&b);
}

/* ---- The simulated network ---- */

static void open_sim(struct bed *b, char **options)
{
    struct wm_err err = { .rank = -1 };
    if (!CHECK_INT(open_bed(b, &wm_transport_sim, 8 << 20, 0, options, &err), WM_OK))
        wm_err_print(stdout, &err);
}

static void test_sim_moves(void)
{
    struct bed b;
    open_sim(&b, (char *[]){ "--sim-delay", "200us", "--sim-rate", "1G", "--sim-reorder", NULL });
    test_shift(&b);
    test_ping_pong(&b);
    test_window(&b, 30, 100);
    test_window(&b, 4, 131072);
    for (int kind = WM_COLL_ALLREDUCE; kind <= WM_COLL_BARRIER; kind++)
        test_coll(&b, &(struct coll_case){ .kind = (enum wm_coll_kind)kind, .type = WM_INT32, .count = 100 });
    close_bed(&b);
    test_one_sided(&wm_transport_sim, (char *[]){ "--sim-delay", "10us", "--sim-reorder", NULL });
}

/* A round trip is never shorter than twice the delay and twice the time on the wire. */
static void test_sim_time(void)
{
    struct bed b;
    open_sim(&b, (char *[]){ "--sim-delay", "2ms", "--sim-rate", "20M", NULL });
    uint64_t start_ns = wm_now_ns();
    test_ping_pong(&b); /* 100000 bytes at 20 MiB/s: 4.7 ms on the wire */
    if (world->rank == 0)
        CHECK(wm_now_ns() - start_ns >= 2 * (2000000 + 4700000));
    start_ns = wm_now_ns();
    test_coll(&b, &(struct coll_case){ .kind = WM_COLL_ALLREDUCE, .count = 100000 });
    CHECK(wm_now_ns() - start_ns >= 2000000 + 4700000);
    close_bed(&b);
}

/* The second received byte string of rank 1 has one wrong byte, nobody else has any. */
static void test_sim_flip(void)
{
    struct bed b;
    open_sim(&b, (char *[]){ "--sim-fault", "flip", "--sim-fault-at", "2", "--sim-fault-rank", "1", NULL });
    int found = 0;
    for (int round = 0; round < 4; round++) {
        struct wm_schedule s = { 0 };
        fill(&b, 0, world->rank, right(), round, 1000);
        wm_add_recv(&s, left(), out(0), 1000, WM_NONE);
        wm_add_recv(&s, left(), out(0), 0, WM_NONE);
        wm_add_send(&s, right(), in(0), 1000, WM_NONE);
        wm_add_send(&s, right(), in(0), 0, WM_NONE);
        runs(&b, &s, "shift with a flipped byte");
        int bad = wrong(&b, 0, left(), world->rank, round, 1000);
        CHECK_INT(bad, world->rank == 1 && round == 1);
        found += bad;
    }
    CHECK_INT(found, world->rank == 1);
    close_bed(&b);

    open_sim(&b, (char *[]){ "--sim-fault", "flip", "--sim-fault-rank", "1", NULL });
    struct coll_case c = { .kind = WM_COLL_ALLREDUCE, .type = WM_INT32, .count = 50 };
    struct wm_schedule s = coll_schedule(&c);
    give(&c, &b);
    runs(&b, &s, "all-reduce with a flipped byte");
    CHECK_INT(wrong_elements(&c, &b), world->rank == 1);
    close_bed(&b);
}

static void *expire(void *arg)
{
    (void)arg;
    usleep(300000);
    atomic_store(&expired, true);
    return NULL;
}

/* A dropped message: its sender is content, its receiver waits until the deadline, posted or blocking. */
static void test_sim_drop(bool blocking)
{
    struct bed b;
    open_sim(&b, (char *[]){ "--sim-fault", "drop", "--sim-fault-at", "2", NULL });
    struct wm_schedule s = { 0 };
    struct wm_err err = { .rank = -1 };
    pthread_t timer;

    for (int k = 0; k < 3; k++) {
        struct wm_range after = blocking && k > 0 ? wm_after(k - 1) : WM_NONE;
        if (world->rank == 0)
            wm_add_send(&s, 1, in(0), 8, after);
        else if (world->rank == 1)
            wm_add_recv(&s, 0, out(0), 8, after);
    }
    pthread_create(&timer, NULL, expire, NULL);
    CHECK_INT(run(&b, &s, &err), world->rank == 1 ? WM_ETIMEOUT : WM_OK);
    if (world->rank == 1) /* the third message meets the second receive */
        CHECK_TEXT(err.what, "the deadline passed while the receive of 8 bytes from rank 0 (step 2) was open");
    pthread_join(timer, NULL);
    abandon_bed(&b);
}

static void test_sim_stall_and_error(void)
{
    struct bed b;
    open_sim(&b, (char *[]){ "--sim-fault", "stall", "--sim-fault-rank", "1", NULL });
    uint64_t start_ns = wm_now_ns();
    test_ping_pong(&b);
    if (world->rank < 2)
        CHECK(wm_now_ns() - start_ns >= 200000000);
    close_bed(&b);

    open_sim(&b, (char *[]){ "--sim-fault", "error", "--sim-fault-at", "3", NULL });
    struct wm_schedule s = { 0 };
    struct wm_err err = { .rank = -1 };
    for (int k = 0; k < 3; k++)
        if (world->rank == 0)
            wm_add_send(&s, 1, in(0), 8, WM_NONE);
        else if (world->rank == 1 && k < 2)
            wm_add_recv(&s, 0, out(0), 8, WM_NONE);
    CHECK_INT(run(&b, &s, &err), world->rank == 0 ? WM_ESYS : WM_OK);
    if (world->rank == 0)
        CHECK_TEXT(err.what, "operation 3 of rank 0 failed, as --sim-fault error asks");
    abandon_bed(&b);
}

/* ---- libfabric ---- */

static bool is_there(const struct wm_transport *t, char *provider)
{
    struct wm_err err = { .rank = -1 };
    struct bed b;
    int rc = open_bed(&b, t, 4096, 0, (char *[]){ "--provider", provider, NULL }, &err);

    if (rc == WM_OK)
        barrier(&b);
    if (rc != WM_OK && world->rank == 0)
        wm_err_print(stdout, &err);
    close_bed(&b);
    CHECK(rc == WM_OK || rc == WM_EABSENT);
    return rc == WM_OK;
}

static void test_ofi_claim(const struct bed *b, const char *provider)
{
    const enum wm_fabric want = strcmp(provider, "shm") == 0 ? WM_FABRIC_SHM : WM_FABRIC_TCP;
    struct wm_claim claim = { .fabric = WM_FABRIC_UNKNOWN };

    b->t->claim(b->ep, &claim);
    CHECK_INT(claim.fabric, want);
    CHECK_HAS(claim.provider, provider);
    CHECK_TEXT(claim.device, want == WM_FABRIC_SHM ? "" : "lo");
    CHECK_HAS(claim.how, "FI_EP_RDM");
    if (strcmp(claim.provider, "tcp;ofi_rxm") == 0)
        CHECK_HAS(claim.how, "eager up to 131072 bytes (FI_OFI_RXM_EAGER_LIMIT, set by wiremark)");
}

/* A message that is longer than its receive. */
static void test_ofi_truncation(const struct wm_transport *t, char *provider)
{
    struct wm_err err = { .rank = -1 };
    struct wm_schedule s = { 0 };
    struct bed b;

    CHECK_INT(open_bed(&b, t, 4096, 0, (char *[]){ "--provider", provider, NULL }, &err), WM_OK);
    if (world->rank == 0)
        wm_add_send(&s, 1, in(0), 100, WM_NONE);
    else if (world->rank == 1)
        wm_add_recv(&s, 0, out(0), 10, WM_NONE);
    CHECK_INT(run(&b, &s, &err), world->rank == 1 ? WM_ESYS : WM_OK);
    if (world->rank == 1) {
        CHECK_HAS(err.what, "receive of 10 bytes from rank 0 over ");
        CHECK_HAS(err.what, "the message is longer than its receive");
        CHECK_TEXT(err.call, "fi_cq_readerr");
    }
    abandon_bed(&b);
}

/* A receive that nothing comes for is given up at the deadline. */
static void test_ofi_deadline(const struct wm_transport *t, char *provider)
{
    struct wm_err err = { .rank = -1 };
    struct wm_schedule s = { 0 };
    struct bed b;
    pthread_t timer;

    CHECK_INT(open_bed(&b, t, 4096, 0, (char *[]){ "--provider", provider, NULL }, &err), WM_OK);
    wm_add_recv(&s, right(), out(0), 8, WM_NONE);
    pthread_create(&timer, NULL, expire, NULL);
    CHECK_INT(run(&b, &s, &err), WM_ETIMEOUT);
    CHECK_HAS(err.what, "the deadline passed while the receive of 8 bytes from rank");
    pthread_join(timer, NULL);
    abandon_bed(&b);
}

/* Opening with a fabric and a card: the error's words, or NULL where it opens on the loopback interface. */
static void test_ofi_device(const struct wm_transport *t, char *provider, enum wm_fabric fabric, const char *nic,
                            enum wm_code code, const char *says)
{
    struct wm_err err = { .rank = -1 };
    struct bed b;

    wanted_fabric = fabric;
    wanted_nic = nic;
    CHECK_INT(open_bed(&b, t, 8 << 20, 0, (char *[]){ provider != NULL ? "--provider" : NULL, provider, NULL }, &err),
              code);
    CHECK_HAS(err.what, says);
    if (code == WM_OK) {
        struct wm_claim claim = { .fabric = WM_FABRIC_UNKNOWN };
        t->claim(b.ep, &claim);
        CHECK_INT(claim.fabric, fabric);
        CHECK_TEXT(claim.device, nic);
        test_shift(&b);
        barrier(&b); /* who leaves first acknowledges nothing any more */
    }
    close_bed(&b);
    wanted_fabric = WM_FABRIC_UNKNOWN;
    wanted_nic = NULL;
}

static void test_ofi_devices(const struct wm_transport *t)
{
    test_ofi_device(t, NULL, WM_FABRIC_TCP, "lo", WM_OK, "");
    test_ofi_device(t, "udp;ofi_rxd", WM_FABRIC_TCP, "lo", WM_OK, "");
    test_ofi_device(t, "tcp", WM_FABRIC_TCP, "eth77", WM_EABSENT,
                    "--nic eth77: libfabric has no such device or interface of fabric tcp; there are: lo (tcp");
    test_ofi_device(t, NULL, WM_FABRIC_CXI, NULL, WM_EABSENT,
                    "--fabric cxi: no provider of libfabric finds a device of it; there are: lo (tcp");
    test_ofi_device(t, "tcp", WM_FABRIC_EFA, NULL, WM_EUSAGE, "--fabric efa and --provider tcp contradict each other");
}

/* Only neighbours are inserted: between them all works, another rank is a story. */
static void test_ofi_peers(const struct wm_transport *t, char *provider)
{
    bool *peers = calloc((size_t)world->size, sizeof(*peers));
    struct wm_err err = { .rank = -1 };
    struct bed b;

    peers[right()] = peers[left()] = true;
    wanted_peers = peers;
    if (CHECK_INT(open_bed(&b, t, 8 << 20, 0, (char *[]){ "--provider", provider, NULL }, &err), WM_OK)) {
        struct wm_schedule s = { 0 };
        test_shift(&b);
        wm_add_send(&s, world->rank, in(0), 8, WM_NONE);
        CHECK_INT(run(&b, &s, &err), WM_EBUG);
        CHECK_HAS(err.what, "was not announced as a peer of rank");
        barrier(&b);
    }
    close_bed(&b);
    wanted_peers = NULL;
    free(peers);
}

static void test_ofi_messages(struct bed *b)
{
    test_shift(b);
    test_ping_pong(b);
    test_window(b, 100, 8);
    test_window(b, 40, 5000);
    test_window(b, 10, 131072);
    barrier(b);
}

/* As on endpoints without tags. */
static void test_ofi_written(const struct wm_transport *t, char *provider)
{
    char *options[] = { "--provider", provider, "--ofi-messages", "written", NULL };
    struct wm_err err = { .rank = -1 };
    struct bed b;

    if (CHECK_INT(open_bed(&b, t, 8 << 20, 0, options, &err), WM_OK)) {
        struct wm_claim claim = { .fabric = WM_FABRIC_UNKNOWN };
        t->claim(b.ep, &claim);
        CHECK_HAS(claim.how, "FI_EP_RDM, messages written; puts by ");
        test_ofi_messages(&b);
    } else {
        wm_err_print(stdout, &err);
    }
    close_bed(&b);
    test_one_sided(t, options);
}

static void test_ofi_provider(const struct wm_transport *t, char *provider)
{
    char *options[] = { "--provider", provider, NULL };
    struct wm_err err = { .rank = -1 };
    struct bed b;

    if (!is_there(t, provider)) {
        wm_skipped++;
        return;
    }
    if (CHECK_INT(open_bed(&b, t, 8 << 20, 0, options, &err), WM_OK)) {
        test_ofi_claim(&b, provider);
        test_ofi_messages(&b);
    }
    close_bed(&b);
    test_one_sided(t, options);
    test_one_sided(t, (char *[]){ "--provider", provider, "--ofi-put", "flush", NULL });
    if (strstr(provider, "rxd") == NULL) /* libfabric 1.17 cuts it there without a word */
        test_ofi_truncation(t, provider);
    test_ofi_deadline(t, provider);
    test_ofi_peers(t, provider);
    test_ofi_written(t, provider);
}

static void test_ofi(void)
{
    const struct wm_transport *t = wm_transport_find("ofi")->transport;
    static char providers[][16] = { "tcp", "net", "shm", "udp;ofi_rxd" };
    char text[64];

    if (t == NULL) {
        wm_skipped++;
        if (world->rank == 0)
            printf("libfabric is not built in\n");
        return;
    }
    CHECK_HAS(t->version(text, sizeof(text)), "libfabric ");
    for (size_t i = 0; i < sizeof(providers) / sizeof(*providers); i++) {
        if (world->rank == 0)
            printf("%s\n", providers[i]);
        test_ofi_provider(t, providers[i]);
    }
    test_ofi_devices(t);
}

/* ---- verbs ---- */

/* Windows that end in a work request that tells, one that does not, and queues shorter than they are. */
static void test_verbs_with(const struct wm_transport *t, char **options)
{
    struct wm_err err = { .rank = -1 };
    struct bed b;

    if (CHECK_INT(open_bed(&b, t, 8 << 20, 0, options, &err), WM_OK)) {
        test_shift(&b);
        test_ping_pong(&b);
        test_window(&b, 100, 8);
        test_window(&b, 41, 5000);
        barrier(&b);
    } else if (world->rank == 0) {
        wm_err_print(stdout, &err);
    }
    close_bed(&b);
    test_one_sided(t, options);
}

static void test_verbs(void)
{
    const struct wm_transport *t = wm_transport_find("verbs")->transport;

    if (t == NULL) {
        wm_skipped++;
        if (world->rank == 0)
            printf("libibverbs is not built in\n");
        return;
    }
    test_verbs_with(t, (char *[]){ NULL });
    test_verbs_with(t, (char *[]){ "--qps", "3", "--tx-depth", "4", NULL });
}

/* ---- Large messages ---- */

static void test_large(void)
{
    const size_t bytes = ((size_t)2200 << 20) + 5;
    uint64_t too_little = wm_node_available_bytes() < (uint64_t)bytes * 4 + ((uint64_t)1 << 30);
    struct wm_err err = { .rank = -1 };
    struct bed b;

    /* Two ranks on one node, two buffers each, of which one is touched twice. */
    wm_world_max(world, &too_little, 1, WM_SPIN, &err);
    if (too_little || world->size != 2) {
        if (world->rank == 0)
            printf("large messages need 2 ranks and %zu MiB of free memory: skipped\n", (bytes * 4 >> 20) + 1024);
        wm_skipped++;
        return;
    }
    CHECK_INT(open_bed(&b, &wm_transport_mpi, bytes, 0, NULL, &err), WM_OK);
    struct wm_schedule s = { 0 };
    fill(&b, 0, 0, 1, 1, bytes);
    if (world->rank == 0)
        wm_add_send(&s, 1, in(0), bytes, WM_NONE);
    else
        wm_add_recv(&s, 0, out(0), bytes, WM_NONE);
    runs(&b, &s, "message above 2 GiB");
    if (world->rank == 1)
        CHECK_INT(wrong(&b, 0, 0, 1, 1, bytes), 0);
    test_coll(&b, &(struct coll_case){ .kind = WM_COLL_BROADCAST, .type = WM_INT8, .count = bytes });
    test_coll(&b, &(struct coll_case){ .kind = WM_COLL_BROADCAST, .type = WM_INT8, .count = bytes - 5 });
    close_bed(&b);
}

static void test_all(void)
{
    struct wm_err err = { .rank = -1 };
    char text[64];
    struct bed b;

    CHECK_INT(open_bed(&b, &wm_transport_mpi, 8 << 20, 0, NULL, &err), WM_OK);
    test_shift(&b);
    test_ping_pong(&b);
    test_window(&b, 100, 8);
    test_window(&b, 10, 131072);
    test_collectives(&b);
    test_no_half(&b);
    test_uncountable(&b);
    close_bed(&b);
    test_one_sided(&wm_transport_mpi, NULL);
    test_truncation(true);
    test_truncation(false);
    CHECK_HAS(wm_transport_mpi.version(text, sizeof(text)), "MPI");
    CHECK(strchr(text, '.') != NULL && strchr(text, '\n') == NULL);
    if (world->rank == 0)
        printf("%s\n", text);
    test_sim_moves();
    test_sim_time();
    test_sim_flip();
    test_sim_drop(true);
    test_sim_drop(false);
    test_sim_stall_and_error();
}

int main(int argc, char **argv)
{
    struct wm_err err = { .rank = -1 };
    struct wm_launch launch;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 4; i++) /* nothing leaves this machine; read when the library is first called */
        setenv(((const char *[]){ "FI_TCP_IFACE", "FI_NET_IFACE", "FI_UDP_IFACE", "FI_SOCKETS_IFACE" })[i], "lo", 1);
    wm_launch_read(&launch);
    if (wm_world_open(&argc, &argv, &launch, &world, &err) != WM_OK) {
        wm_err_print(stderr, &err);
        return 1;
    }
    if (world->size < 2) {
        printf("needs a launcher and 2 ranks\n");
        wm_world_close(world);
        return 77;
    }
    if (argc > 1 && strcmp(argv[1], "large") == 0)
        test_large();
    else if (argc > 1 && strcmp(argv[1], "ofi") == 0)
        test_ofi();
    else if (argc > 1 && strcmp(argv[1], "verbs") == 0)
        test_verbs();
    else
        test_all();
    uint64_t counts[3] = { (uint64_t)wm_passed, (uint64_t)wm_failed, (uint64_t)wm_skipped };
    wm_world_sum(world, counts, 3, WM_SPIN, &err);
    if (world->rank == 0)
        printf("%llu passed, %llu failed, %llu skipped\n", (unsigned long long)counts[0], (unsigned long long)counts[1],
               (unsigned long long)counts[2]);
    wm_world_close(world);
    return counts[1] != 0 || counts[0] + counts[2] == 0;
}
