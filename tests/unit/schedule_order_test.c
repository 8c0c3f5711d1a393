/**
 * Composed algorithms through the real executor: a thread a rank, messages handed over in one process. A send is
 * complete when its receive has been posted (rendezvous), slots are few: no schedule may hang, and the data must be
 * right. A hang is seen at once: all ranks that are left wait for each other.
 */
#include <pthread.h>
#include <stdlib.h>

#include "src/schedule/path.h"
#include "src/transport/program.h"
#include "tests/unit/check.h"
#include "tests/unit/rows.h"

enum { MAX_RANKS = 64, MAX_SLOTS = 128, NOT_WAITING = -1 };

/* ---- a transport within the process ---- */

struct post {
    const struct wm_msg *msg;
    int rank, slot;
    struct post *next;
};

struct hub;

struct mock_ep {
    struct wm_ep base;
    struct hub *hub;
    bool open[MAX_SLOTS];
    int waits_from, waits_for; /* slots */
    pthread_cond_t wake;
};

struct hub {
    pthread_mutex_t lock;
    struct mock_ep ep[MAX_RANKS];
    struct post *sends[MAX_RANKS][MAX_RANKS], *recvs[MAX_RANKS][MAX_RANKS]; /* [from][to], oldest first */
    int running, waiting;
    bool hangs;
};

static bool still_open(const struct mock_ep *e)
{
    for (int k = e->waits_from; k < e->waits_from + e->waits_for; k++)
        if (e->open[k])
            return true;
    return false;
}

static void close_slot(struct mock_ep *e, int slot)
{
    e->open[slot] = false;
    if (e->waits_from == NOT_WAITING || still_open(e))
        return;
    e->waits_from = NOT_WAITING;
    e->hub->waiting--;
    pthread_cond_signal(&e->wake);
}

static void see_hang(struct hub *hub)
{
    if (hub->running == 0 || hub->waiting < hub->running)
        return;
    hub->hangs = true;
    for (int k = 0; k < MAX_RANKS; k++)
        pthread_cond_signal(&hub->ep[k].wake);
}

static void enqueue(struct post **queue, const struct wm_msg *msg, int rank, unsigned slot)
{
    struct post *post = malloc(sizeof(*post));
    *post = (struct post){ msg, rank, (int)slot, NULL };
    while (*queue != NULL)
        queue = &(*queue)->next;
    *queue = post;
}

static struct post *dequeue(struct post **queue)
{
    struct post *first = *queue;
    *queue = first->next;
    return first;
}

static void meet(struct hub *hub, int from, int to)
{
    struct post **sends = &hub->sends[from][to], **recvs = &hub->recvs[from][to];
    while (*sends != NULL && *recvs != NULL) {
        struct post *send = dequeue(sends), *recv = dequeue(recvs);
        if (send->msg->bytes != recv->msg->bytes)
            hub->hangs = true;
        else if (send->msg->bytes > 0)
            memcpy(recv->msg->ptr, send->msg->ptr, send->msg->bytes);
        close_slot(&hub->ep[send->rank], send->slot);
        close_slot(&hub->ep[recv->rank], recv->slot);
        free(send);
        free(recv);
    }
}

static int post(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg, bool send)
{
    struct mock_ep *e = (struct mock_ep *)ep;
    struct hub *hub = e->hub;
    const int rank = ep->world->rank, from = send ? rank : msg->peer, to = send ? msg->peer : rank;

    pthread_mutex_lock(&hub->lock);
    e->open[slot] = true;
    enqueue(send ? &hub->sends[from][to] : &hub->recvs[from][to], msg, rank, slot);
    meet(hub, from, to);
    pthread_mutex_unlock(&hub->lock);
    return WM_OK;
}

static int mock_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, slot, msg, true);
}

static int mock_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, slot, msg, false);
}

static int mock_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    struct mock_ep *e = (struct mock_ep *)ep;
    struct hub *hub = e->hub;

    pthread_mutex_lock(&hub->lock);
    e->waits_from = (int)first;
    e->waits_for = (int)n;
    if (still_open(e)) {
        hub->waiting++;
        see_hang(hub);
        while (e->waits_from != NOT_WAITING && !hub->hangs)
            pthread_cond_wait(&e->wake, &hub->lock);
    }
    e->waits_from = NOT_WAITING;
    int rc = hub->hangs ? WM_ETIMEOUT : WM_OK;
    pthread_mutex_unlock(&hub->lock);
    return rc;
}

static int mock_test(struct wm_ep *ep, unsigned slot)
{
    struct mock_ep *e = (struct mock_ep *)ep;
    pthread_mutex_lock(&e->hub->lock);
    int rc = e->open[slot] ? WM_EAGAIN : WM_OK;
    pthread_mutex_unlock(&e->hub->lock);
    return rc;
}

static int mock_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = mock_post_send(ep, 0, msg);
    return rc == WM_OK ? mock_wait(ep, 0, 1) : rc;
}

static int mock_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    int rc = mock_post_recv(ep, 0, msg);
    return rc == WM_OK ? mock_wait(ep, 0, 1) : rc;
}

static const struct wm_ops mock_ops = {
    .send = mock_send,
    .recv = mock_recv,
    .post_send = mock_post_send,
    .post_recv = mock_post_recv,
    .test = mock_test,
    .wait = mock_wait,
};

static const struct wm_transport mock = { .name = "mock", .summary = "messages within the process", .ops = &mock_ops };

/* ---- one rank ---- */

struct member {
    struct hub *hub;
    const struct wm_benchmark *row;
    struct wm_point at;
    struct wm_schedule s;
    struct wm_world world;
    struct wm_buf buf[WM_AREAS];
    struct wm_attached attached;
    struct wm_program *program;
    int rc;
    size_t wrong;
};

/* NULL: schedules run as they are built. */
static const struct wm_detour *detour;

static int take_detour(struct wm_schedule *s, struct wm_err *err)
{
    struct wm_schedule out = { 0 };
    int rc = detour != NULL ? wm_detour_messages(s, detour, &out, err) : WM_OK;
    if (detour != NULL) {
        wm_schedule_free(s);
        *s = out;
    }
    return rc;
}

static int open_member(struct member *m, const struct wm_algorithm *algo, unsigned slots)
{
    static const atomic_bool never;
    struct wm_err err = { .rank = -1 };
    struct mock_ep *e = &m->hub->ep[m->at.rank];

    m->s = (struct wm_schedule){ .type = m->at.type, .op = m->at.op };
    m->world = (struct wm_world){ .rank = m->at.rank, .size = m->at.ranks };
    e->base = (struct wm_ep){ .ops = &mock_ops, .world = &m->world, .expired = &never, .slots = slots };
    if (algo->build(&m->at, &m->s, &err) != WM_OK || take_detour(&m->s, &err) != WM_OK)
        return err.code;
    for (int a = 0; a < WM_AREAS; a++) {
        void *p = malloc(m->s.area_bytes[a]);
        memset(p, 0xa5, m->s.area_bytes[a]);
        m->buf[a] = (struct wm_buf){ .mem = &wm_mem_host, .ptr = p, .dma = p, .bytes = m->s.area_bytes[a] };
        m->attached.buf[a] = &m->buf[a];
    }
    struct wm_bind bind = { .transport = &mock, .ep = &e->base, .attached = &m->attached, .mem = &wm_mem_host };
    return wm_program_open(&m->s, &bind, &m->program, &err);
}

static void close_member(struct member *m)
{
    wm_program_close(m->program);
    wm_schedule_free(&m->s);
    for (int a = 0; a < WM_AREAS; a++)
        free(m->buf[a].ptr);
}

static void fill(struct member *m)
{
    struct wm_spans spans = { 0 };
    struct wm_err err = { .rank = -1 };
    if (m->row->fill != NULL)
        m->row->fill(&m->at, &spans);
    for (int i = 0; i < spans.n; i++) {
        const struct wm_span *s = &spans.span[i];
        wm_mem_host.fill(&m->buf[s->at.area], s->at.offset, s->bytes / wm_dtype_bytes(m->at.type), m->at.type,
                         s->pattern, s->first, &err);
    }
    wm_spans_free(&spans);
}

static size_t wrong_elements(struct member *m)
{
    struct wm_spans spans = { 0 };
    struct wm_err err = { .rank = -1 };
    struct wm_wrong wrong = { 0 };
    if (m->row->expect != NULL)
        m->row->expect(&m->at, &spans);
    for (int i = 0; i < spans.n; i++) {
        const struct wm_span *s = &spans.span[i];
        wm_mem_host.check(&m->buf[s->at.area], s->at.offset, s->bytes / wm_dtype_bytes(m->at.type), m->at.type,
                          s->pattern, s->first, &wrong, &err);
    }
    wm_spans_free(&spans);
    return wrong.elements;
}

/* The operation follows itself, so that messages of one run into the next. */
static void *run_member(void *arg)
{
    struct member *m = arg;
    for (int k = 0; k < 2 && m->rc == WM_OK; k++)
        m->rc = wm_program_run(m->program);
    pthread_mutex_lock(&m->hub->lock);
    m->hub->running--;
    see_hang(m->hub);
    pthread_mutex_unlock(&m->hub->lock);
    return NULL;
}

/* ---- one case ---- */

static void empty(struct post *queue[MAX_RANKS][MAX_RANKS])
{
    for (int from = 0; from < MAX_RANKS; from++)
        for (int to = 0; to < MAX_RANKS; to++)
            while (queue[from][to] != NULL)
                free(dequeue(&queue[from][to]));
}

static void start_and_join(struct member *member, int ranks)
{
    pthread_t thread[MAX_RANKS];
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (int k = 0; k < ranks; k++)
        pthread_create(&thread[k], &attr, run_member, &member[k]);
    for (int k = 0; k < ranks; k++)
        pthread_join(thread[k], NULL);
    pthread_attr_destroy(&attr);
}

static int report(const char *name, unsigned slots, const struct member *m)
{
    if (m->rc == WM_OK && m->wrong == 0)
        return 1;
    printf("%s, %u slots, rank %d: code %d, %zu wrong elements: %s\n", name, slots, m->at.rank, m->rc, m->wrong,
           m->hub->ep[m->at.rank].base.err.what);
    return 0;
}

static int cases;

static int try_point(const struct wm_benchmark *row, const struct wm_algorithm *algo, struct wm_point at,
                     unsigned slots)
{
    static struct hub hub;
    static struct member member[MAX_RANKS];
    char name[200];
    int ok = 1;

    cases++;
    hub = (struct hub){ .lock = PTHREAD_MUTEX_INITIALIZER, .running = at.ranks };
    for (int k = 0; k < at.ranks; k++) {
        hub.ep[k] = (struct mock_ep){ .hub = &hub, .waits_from = NOT_WAITING, .wake = PTHREAD_COND_INITIALIZER };
        member[k] = (struct member){ .hub = &hub, .row = row, .at = at };
        member[k].at.rank = k;
        ok &= open_member(&member[k], algo, slots) == WM_OK;
        fill(&member[k]);
    }
    if (ok)
        start_and_join(member, at.ranks);
    wm_case_name(name, row, algo, &at);
    for (int k = 0; k < at.ranks; k++) {
        member[k].wrong = wrong_elements(&member[k]);
        ok &= ok ? report(name, slots, &member[k]) : 0;
    }
    for (int k = 0; k < at.ranks; k++)
        close_member(&member[k]);
    empty(hub.sends);
    empty(hub.recvs);
    return ok;
}

static int try_slots(const struct wm_benchmark *row, const struct wm_algorithm *algo, struct wm_point at)
{
    int ok = try_point(row, algo, at, 8) & try_point(row, algo, at, MAX_SLOTS);
    at.in_place = row->can_in_place;
    at.root = at.ranks / 3;
    return ok & try_point(row, algo, at, 8) & (at.ranks > 9 || try_point(row, algo, at, MAX_SLOTS));
}

static void test_collectives(void)
{
    static const int rank_counts[] = { 2, 3, 4, 5, 6, 7, 8, 9, MAX_RANKS };

    for (int b = 0; b < WM_COUNT(wm_collective_rows); b++)
        for (const struct wm_algorithm *algo = wm_collective_rows[b]->algorithms; algo->name != NULL; algo++)
            for (int k = 0; k < WM_COUNT(rank_counts) && strcmp(algo->name, "native") != 0; k++) {
                const struct wm_benchmark *row = wm_collective_rows[b];
                struct wm_point at = {
                    .ranks = rank_counts[k], .window = 1, .repeated = true, .type = WM_INT32, .seed = 9
                };
                at.bytes = wm_benchmark_bytes(row, (size_t)at.ranks * 48, at.type, at.ranks);
                at.chunk = 4; /* many segments and chunks */
                CHECK(try_slots(row, algo, at));
            }
}

static void test_messages(void)
{
    for (int distinct = 0; distinct < 2; distinct++) {
        struct wm_point at = { .ranks = 2, .window = 40, .distinct = distinct, .bytes = 24, .seed = 1 };
        for (int b = 0; b < 4; b++) /* the two-sided ones */
            CHECK(try_slots(wm_pair_rows[b], &wm_pair_rows[b]->algorithms[0], at));
        for (at.ranks = 2; at.ranks < 8; at.ranks++)
            for (int b = 0; b < WM_COUNT(wm_fan_rows); b++)
                CHECK(try_slots(wm_fan_rows[b], &wm_fan_rows[b]->algorithms[0], at));
    }
}

static void test_detours(void)
{
    static const struct wm_detour how[] = {
        { .device = 1u << WM_IN | 1u << WM_OUT },
        { .device = 1u << WM_IN | 1u << WM_OUT, .chunk_bytes = 8, .slots = 1 },
        { .device = 1u << WM_IN | 1u << WM_OUT, .chunk_bytes = 8, .slots = 2 },
        { .device = 1u << WM_OUT, .chunk_bytes = 7, .slots = 5 },
        { .device = 1u << WM_IN, .chunk_bytes = 24, .slots = 16 },
    };
    for (int k = 0; k < WM_COUNT(how); k++) {
        detour = &how[k];
        test_messages();
    }
    detour = NULL;
}

/* The test must see a hang: a receive for which nobody sends. */
static int orphan(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    wm_schedule_need(out, WM_OUT, 8);
    wm_add_recv(out, (at->rank + 1) % at->ranks, (struct wm_at){ WM_OUT, 0 }, 8, WM_NONE);
    return WM_OK;
}

static void test_hang_is_seen(void)
{
    const struct wm_algorithm faulty = { "orphan", orphan };
    struct wm_point at = { .ranks = 3, .window = 1 };
    CHECK_INT(try_point(&wm_benchmark_barrier, &faulty, at, 8), 0);
}

int main(void)
{
    test_messages();
    test_detours();
    test_collectives();
    test_hang_is_seen();
    printf("%d cases\n", cases);
    return wm_tests_end();
}
