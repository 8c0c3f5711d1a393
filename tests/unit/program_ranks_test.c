/**
 * All ranks of a schedule in one process, a thread a rank, over a transport on which no send is complete before its
 * receive is posted: whoever posts in an order that can stand still, stands still here.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "src/core/clock.h"
#include "src/transport/program.h"
#include "tests/unit/check.h"

#define DEADLINE_NS 20000000000u

/* ---- A transport without any buffer ---- */

struct half { /* one side of a message */
    void *ptr;
    size_t bytes;
    atomic_bool done;
};

struct queue { /* from one rank to another: what is posted and has not met its other half */
    struct half **post;
    int head, n;
};

struct mesh {
    pthread_mutex_t lock;
    int ranks;
    struct queue *sends, *recvs; /* [from * ranks + to] */
};

struct mesh_ep {
    struct wm_ep ep;
    struct mesh *mesh;
    struct half *slot;
};

static void push(struct queue *q, struct half *h)
{
    q->post = realloc(q->post, (size_t)(q->n + 1) * sizeof(struct half *));
    q->post[q->n++] = h;
}

static void post(struct mesh *m, struct queue *mine, struct queue *theirs, struct half *h)
{
    pthread_mutex_lock(&m->lock);
    if (theirs->head < theirs->n) {
        struct half *other = theirs->post[theirs->head++];
        bool sends = mine >= m->sends && mine < m->sends + m->ranks * m->ranks;
        memcpy(sends ? other->ptr : h->ptr, sends ? h->ptr : other->ptr, h->bytes);
        atomic_store(&other->done, true);
        atomic_store(&h->done, true);
    } else {
        push(mine, h);
    }
    pthread_mutex_unlock(&m->lock);
}

static struct half *fill(struct mesh_ep *e, unsigned slot, const struct wm_msg *msg)
{
    struct half *h = &e->slot[slot];
    h->ptr = msg->ptr;
    h->bytes = msg->bytes;
    atomic_store(&h->done, false);
    return h;
}

static int mesh_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mesh_ep *e = (struct mesh_ep *)ep;
    int way = ep->world->rank * e->mesh->ranks + msg->peer;
    post(e->mesh, &e->mesh->sends[way], &e->mesh->recvs[way], fill(e, slot, msg));
    return WM_OK;
}

static int mesh_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    struct mesh_ep *e = (struct mesh_ep *)ep;
    int way = msg->peer * e->mesh->ranks + ep->world->rank;
    post(e->mesh, &e->mesh->recvs[way], &e->mesh->sends[way], fill(e, slot, msg));
    return WM_OK;
}

static int mesh_test(struct wm_ep *ep, unsigned slot)
{
    return atomic_load(&((struct mesh_ep *)ep)->slot[slot].done) ? WM_OK : WM_EAGAIN;
}

static const struct wm_ops mesh_ops = { .send = wm_send_by_post,
                                        .recv = wm_recv_by_post,
                                        .post_send = mesh_post_send,
                                        .post_recv = mesh_post_recv,
                                        .test = mesh_test,
                                        .wait = wm_wait_by_test_yield };

static const struct wm_transport mesh_transport = { .name = "mesh", .ops = &mesh_ops };

/* ---- Schedules: each message is one word that names its sender, receiver and number ---- */

struct shape {
    const char *name;
    int ranks;
    unsigned slots;
    int window;
    void (*build)(const struct shape *shape, int rank, struct wm_schedule *s);
};

/* The word that goes out to a peer stands at [peer][k] of IN, what comes from it at [peer][k] of OUT. */
static struct wm_at word(const struct shape *shape, enum wm_area area, int peer, int k)
{
    return (struct wm_at){ area, sizeof(uint64_t) * ((size_t)peer * (size_t)shape->window + (size_t)k) };
}

static int send(const struct shape *shape, struct wm_schedule *s, int peer, int k, struct wm_range after)
{
    return wm_add_send(s, peer, word(shape, WM_IN, peer, k), sizeof(uint64_t), after);
}

static int recv(const struct shape *shape, struct wm_schedule *s, int peer, int k, struct wm_range after)
{
    return wm_add_recv(s, peer, word(shape, WM_OUT, peer, k), sizeof(uint64_t), after);
}

static void one_way(const struct shape *shape, int rank, struct wm_schedule *s)
{
    for (int k = 0; k < shape->window; k++)
        if (rank == 0)
            send(shape, s, 1, k, WM_NONE);
        else
            recv(shape, s, 0, k, WM_NONE);
}

static void both_ways(const struct shape *shape, int rank, struct wm_schedule *s)
{
    for (int k = 0; k < shape->window; k++)
        recv(shape, s, !rank, k, WM_NONE);
    for (int k = 0; k < shape->window; k++)
        send(shape, s, !rank, k, WM_NONE);
}

static void both_ways_sends_first(const struct shape *shape, int rank, struct wm_schedule *s)
{
    for (int k = 0; k < shape->window; k++)
        send(shape, s, !rank, k, WM_NONE);
    for (int k = 0; k < shape->window; k++)
        recv(shape, s, !rank, k, WM_NONE);
}

static void fan_in(const struct shape *shape, int rank, struct wm_schedule *s)
{
    for (int peer = 1; rank == 0 && peer < shape->ranks; peer++)
        for (int k = 0; k < shape->window; k++)
            recv(shape, s, peer, k, WM_NONE);
    for (int k = 0; rank != 0 && k < shape->window; k++)
        send(shape, s, 0, k, WM_NONE);
}

static void fan_out(const struct shape *shape, int rank, struct wm_schedule *s)
{
    for (int k = 0; rank == 0 && k < shape->window; k++)
        for (int peer = 1; peer < shape->ranks; peer++)
            send(shape, s, peer, k, WM_NONE);
    for (int k = 0; rank != 0 && k < shape->window; k++)
        recv(shape, s, 0, k, WM_NONE);
}

/* All receives, then all sends, by growing distance. */
static void all_to_all(const struct shape *shape, int rank, struct wm_schedule *s)
{
    const int n = shape->ranks;
    for (int k = 0; k < shape->window; k++)
        for (int d = 1; d < n; d++)
            recv(shape, s, (rank + n - d) % n, k, WM_NONE);
    for (int k = 0; k < shape->window; k++)
        for (int d = 1; d < n; d++)
            send(shape, s, (rank + d) % n, k, WM_NONE);
}

/* Round by round, each after the one before. */
static void pairwise(const struct shape *shape, int rank, struct wm_schedule *s)
{
    const int n = shape->ranks;
    struct wm_range before = WM_NONE;
    for (int k = 0; k < shape->window; k++)
        for (int d = 1; d < n; d++) {
            int first = recv(shape, s, (rank + n - d) % n, k, before);
            before = (struct wm_range){ first, send(shape, s, (rank + d) % n, k, before) };
        }
}

/* ---- Running ---- */

struct runner {
    const struct shape *shape;
    struct wm_world world;
    struct mesh_ep e;
    struct wm_buf buf[WM_AREAS];
    struct wm_attached attached;
    struct wm_program *program;
    int rc;
    pthread_t thread;
};

static uint64_t value(int from, int to, int k)
{
    return (uint64_t)from << 40 | (uint64_t)to << 20 | (uint64_t)k | (uint64_t)1 << 63;
}

static uint64_t *words(struct runner *r, enum wm_area area)
{
    return r->buf[area].ptr;
}

static void set_up(struct runner *r, const struct shape *shape, int rank, struct mesh *mesh, const atomic_bool *expired)
{
    const size_t n = (size_t)shape->ranks * (size_t)shape->window;
    struct wm_schedule s = { 0 };
    struct wm_err err = { .rank = -1 };

    r->shape = shape;
    r->world = (struct wm_world){ .rank = rank, .size = shape->ranks, .hosts = 1, .crowded = true };
    r->e.ep = (struct wm_ep){ .ops = &mesh_ops, .world = &r->world, .expired = expired, .slots = shape->slots };
    r->e.mesh = mesh;
    r->e.slot = calloc(shape->slots, sizeof(*r->e.slot));
    for (int a = WM_IN; a <= WM_OUT; a++) {
        void *ptr = calloc(n, sizeof(uint64_t));
        r->buf[a] = (struct wm_buf){ .mem = &wm_mem_host, .ptr = ptr, .dma = ptr, .bytes = n * sizeof(uint64_t) };
        r->attached.buf[a] = &r->buf[a];
    }
    for (int peer = 0; peer < shape->ranks; peer++)
        for (int k = 0; k < shape->window; k++)
            words(r, WM_IN)[peer * shape->window + k] = value(rank, peer, k);
    struct wm_bind bind = { .transport = &mesh_transport, .ep = &r->e.ep, .attached = &r->attached };
    shape->build(shape, rank, &s);
    if (wm_program_open(&s, &bind, &r->program, &err) != WM_OK)
        wm_err_print(stdout, &err);
    wm_schedule_free(&s);
}

static void *run(void *arg)
{
    struct runner *r = arg;
    r->rc = r->program != NULL ? wm_program_run(r->program) : WM_EBUG;
    return NULL;
}

/* Every word that the schedule receives is the one that its sender sent there. */
static int wrong_words(struct runner *r)
{
    struct wm_schedule s = { 0 };
    int wrong = 0;

    r->shape->build(r->shape, r->world.rank, &s);
    for (int i = 0; i < s.n; i++) {
        size_t at = s.step[i].to.offset / sizeof(uint64_t);
        if (s.step[i].kind == WM_STEP_RECV)
            wrong += words(r, WM_OUT)[at] != value(s.step[i].peer, r->world.rank, (int)(at % (size_t)r->shape->window));
    }
    wm_schedule_free(&s);
    return wrong;
}

static void tear_down(struct runner *r)
{
    wm_program_close(r->program);
    free(r->e.slot);
    free(r->buf[WM_IN].ptr);
    free(r->buf[WM_OUT].ptr);
}

static void free_queues(struct queue *q, int n)
{
    for (int i = 0; i < n; i++)
        free(q[i].post);
    free(q);
}

struct alarm {
    atomic_bool expired, over;
};

/* A deadlock must end as a failed check, not as a test that never ends. */
static void *ring_alarm(void *arg)
{
    struct alarm *a = arg;
    uint64_t end_ns = wm_now_ns() + DEADLINE_NS;
    while (!atomic_load(&a->over) && wm_now_ns() < end_ns)
        nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
    atomic_store(&a->expired, true);
    return NULL;
}

static void test_shape(const struct shape *shape)
{
    const int n = shape->ranks;
    struct mesh mesh = { .lock = PTHREAD_MUTEX_INITIALIZER, .ranks = n };
    struct runner *r = calloc((size_t)n, sizeof(*r));
    struct alarm alarm = { false, false };
    pthread_t alarm_thread;

    mesh.sends = calloc((size_t)(n * n), sizeof(struct queue));
    mesh.recvs = calloc((size_t)(n * n), sizeof(struct queue));
    for (int rank = 0; rank < n; rank++)
        set_up(&r[rank], shape, rank, &mesh, &alarm.expired);
    pthread_create(&alarm_thread, NULL, ring_alarm, &alarm);
    for (int rank = 0; rank < n; rank++)
        pthread_create(&r[rank].thread, NULL, run, &r[rank]);
    int bad = 0, wrong = 0;
    for (int rank = 0; rank < n; rank++) {
        pthread_join(r[rank].thread, NULL);
        bad += r[rank].rc != WM_OK;
        wrong += wrong_words(&r[rank]);
        if (r[rank].rc != WM_OK && bad == 1)
            printf("%s, rank %d: %s\n", shape->name, rank, r[rank].e.ep.err.what);
    }
    atomic_store(&alarm.over, true);
    pthread_join(alarm_thread, NULL);
    wm_check_int(bad, 0, __FILE__, __LINE__, shape->name);
    wm_check_int(wrong, 0, __FILE__, __LINE__, shape->name);
    for (int rank = 0; rank < n; rank++)
        tear_down(&r[rank]);
    free_queues(mesh.sends, n * n);
    free_queues(mesh.recvs, n * n);
    free(r);
}

int main(void)
{
    static const struct shape shapes[] = {
        { "one way, window below the slots", 2, 128, 64, one_way },
        { "one way, window above the slots", 2, 16, 200, one_way },
        { "one way, one slot", 2, 1, 20, one_way },
        { "both ways, window above the slots", 2, 16, 200, both_ways },
        { "both ways, odd slots", 2, 7, 50, both_ways },
        { "both ways, two slots", 2, 2, 9, both_ways },
        { "both ways, sends first", 2, 16, 200, both_ways_sends_first },
        { "fan-in", 8, 128, 64, fan_in },
        { "fan-in, few slots", 8, 5, 20, fan_in },
        { "fan-out", 8, 128, 64, fan_out },
        { "all-to-all of 64 ranks, 128 slots", 64, 128, 1, all_to_all },
        { "all-to-all, 3 rounds, few slots", 9, 8, 3, all_to_all },
        { "pairwise, two slots", 7, 2, 2, pairwise },
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        test_shape(&shapes[i]);
    return wm_tests_end();
}
