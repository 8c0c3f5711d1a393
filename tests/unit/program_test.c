/** The program executor: what it calls, in which order, on a transport that writes down every call. */
#include <stdarg.h>
#include <stdlib.h>

#include "src/transport/program.h"
#include "tests/unit/check.h"

#define RANKS 4
#define AREA  4096

/* ---- A transport that writes down its calls ---- */

static char journal[4096];
static int bound, bind_limit, colls_bound;
static int open_polls;   /* a test says WM_EAGAIN that many times before it says WM_OK */
static int stuck = -1;   /* a slot that never completes */
static int fails_at = 0; /* the post of that number fails */
static struct wm_msg last_msg;
static void *last_area[WM_AREAS];
static atomic_bool expired;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    size_t n = strlen(journal);
    va_list args;
    va_start(args, format);
    if (n > 0 && n + 1 < sizeof(journal))
        journal[n++] = ' ';
    vsnprintf(journal + n, sizeof(journal) - n, format, args);
    va_end(args);
}

static int post(struct wm_ep *ep, const char *what, unsigned slot, const struct wm_msg *msg)
{
    note("%s%d/%u", what, msg->peer, slot);
    last_msg = *msg;
    if (fails_at > 0 && --fails_at == 0)
        return wm_fail(&ep->err, WM_ESYS, "log_post", 7, "the cable is out");
    return WM_OK;
}

static int log_send(struct wm_ep *ep, const struct wm_msg *msg)
{
    (void)ep;
    note("S%d", msg->peer);
    last_msg = *msg;
    return WM_OK;
}

static int log_recv(struct wm_ep *ep, const struct wm_msg *msg)
{
    (void)ep;
    note("R%d", msg->peer);
    return WM_OK;
}

static int log_post_send(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, "s", slot, msg);
}

static int log_post_recv(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, "r", slot, msg);
}

static int log_put(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, "p", slot, msg);
}

static int log_get(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, "g", slot, msg);
}

static int log_test(struct wm_ep *ep, unsigned slot)
{
    (void)ep;
    note("t%u", slot);
    return (int)slot == stuck ? WM_EAGAIN : WM_OK;
}

static int log_wait(struct wm_ep *ep, unsigned first, unsigned n)
{
    (void)ep;
    note("w%u+%u", first, n);
    return stuck >= (int)first && stuck < (int)(first + n) ? WM_ETIMEOUT : WM_OK;
}

static int log_coll(struct wm_ep *ep, unsigned slot, void *handle, void *const area[WM_AREAS])
{
    (void)ep;
    note("c%d/%u", *(int *)handle, slot);
    memcpy(last_area, area, sizeof(last_area));
    return WM_OK;
}

static int log_put_flushed(struct wm_ep *ep, unsigned slot, const struct wm_msg *msg)
{
    return post(ep, "pf", slot, msg);
}

static bool flush_fails;
static int log_flush(struct wm_ep *ep, const struct wm_region *region)
{
    note("f%ld", (long)(intptr_t)region);
    return flush_fails ? wm_fail(&ep->err, WM_ESYS, "log_flush", 7, "the GPU is gone") : WM_OK;
}

static const struct wm_ops log_ops = { .send = log_send,
                                       .recv = log_recv,
                                       .post_send = log_post_send,
                                       .post_recv = log_post_recv,
                                       .put = log_put,
                                       .get = log_get,
                                       .put_flushed = log_put_flushed,
                                       .flush = log_flush,
                                       .test = log_test,
                                       .wait = log_wait,
                                       .coll = log_coll };

static int log_bind_msg(struct wm_ep *ep, struct wm_msg *msg, struct wm_err *err)
{
    (void)ep;
    (void)msg;
    if (bound == bind_limit)
        return wm_fail(err, WM_EUNSUP, "", 0, "no more than %d messages", bind_limit);
    bound++;
    return WM_OK;
}

/* Regions are opaque: those from here on are a GPU's. */
enum { HOST_REGION = 1, GPU_REGION = 7 };
static bool log_needs_flush(const struct wm_region *region)
{
    return (intptr_t)region >= GPU_REGION;
}

static void log_unbind_msg(struct wm_ep *ep, struct wm_msg *msg)
{
    (void)ep;
    (void)msg;
    bound--;
}

static int log_bind_coll(struct wm_ep *ep, const struct wm_coll *coll, enum wm_dtype type, enum wm_redop op,
                         void **handle, struct wm_err *err)
{
    int *kind = malloc(sizeof(*kind));
    (void)ep;
    (void)type;
    if (kind == NULL || op == WM_PROD) {
        free(kind);
        return wm_fail(err, WM_EUNSUP, "", 0, "no products here");
    }
    *kind = (int)coll->kind;
    *handle = kind;
    colls_bound++;
    return WM_OK;
}

static void log_unbind_coll(struct wm_ep *ep, void *handle)
{
    (void)ep;
    free(handle);
    colls_bound--;
}

static const struct wm_transport wm_log = { .name = "log",
                                            .ops = &log_ops,
                                            .needs_flush = log_needs_flush,
                                            .bind_msg = log_bind_msg,
                                            .unbind_msg = log_unbind_msg,
                                            .bind_coll = log_bind_coll,
                                            .unbind_coll = log_unbind_coll };

/* ---- Memory kinds that write down their calls: plain is complete on return, stream is not ---- */

static int log_copy(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t bytes)
{
    note(c == NULL ? "copy" : "copy/%u", slot);
    memmove(to, from, bytes);
    return WM_OK;
}

static int log_reduce(struct wm_copier *c, unsigned slot, void *to, const void *from, size_t count, enum wm_dtype type,
                      enum wm_redop op)
{
    (void)c;
    (void)slot;
    (void)to;
    (void)from;
    note("reduce%zu:%s:%s", count, wm_dtype_names[type], wm_redop_names[op]);
    return WM_OK;
}

static int stream_test(struct wm_copier *c, unsigned slot)
{
    (void)c;
    note("ct%u", slot);
    return open_polls-- > 0 ? WM_EAGAIN : WM_OK;
}

static const struct wm_mem plain = { .name = "plain", .cpu_can_touch = true, .copy = log_copy, .reduce = log_reduce };
static const struct wm_mem stream = { .name = "stream", .copy = log_copy, .reduce = log_reduce, .test = stream_test };

/* ---- One rank with all areas ---- */

static struct wm_world world = { .rank = 0, .size = RANKS, .hosts = 1 };
static struct wm_ep ep;
static struct wm_buf buffers[WM_AREAS];
static struct wm_attached attached;

static void set_up(unsigned slots)
{
    static char bytes[WM_AREAS][AREA];
    ep = (struct wm_ep){ .ops = &log_ops, .world = &world, .expired = &expired, .slots = slots, .coll_blocks = true };
    memset(&attached, 0, sizeof(attached));
    for (int a = 0; a < WM_AREAS; a++) {
        buffers[a] = (struct wm_buf){ .mem = &plain, .ptr = bytes[a], .dma = bytes[a], .bytes = AREA, .device = -1 };
        attached.buf[a] = &buffers[a];
    }
    journal[0] = '\0';
    bound = colls_bound = open_polls = fails_at = 0;
    bind_limit = 1000;
    stuck = -1;
    flush_fails = false;
    atomic_store(&expired, false);
}

static struct wm_bind binding(void)
{
    return (struct wm_bind){ .transport = &wm_log, .ep = &ep, .attached = &attached, .mem = &plain };
}

static struct wm_at in(size_t at)
{
    return (struct wm_at){ WM_IN, at };
}

static struct wm_at out(size_t at)
{
    return (struct wm_at){ WM_OUT, at };
}

static int add_put(struct wm_schedule *s, enum wm_step_kind kind, int peer)
{
    return wm_schedule_add(
        s, (struct wm_step){
               .kind = kind, .peer = peer, .to = out(16), .from = in(32), .bytes = 8, .after = { WM_NONE, WM_NONE } });
}

/* ---- Schedules ---- */

static void nothing(struct wm_schedule *s)
{
    (void)s;
}

static void one_send(struct wm_schedule *s)
{
    wm_add_send(s, 1, in(0), 8, WM_NONE);
}

static void ping_pong(struct wm_schedule *s)
{
    int sent = wm_add_send(s, 1, in(0), 8, WM_NONE);
    wm_add_recv(s, 1, out(0), 8, wm_after(sent));
}

static void chain_by_second_range(struct wm_schedule *s)
{
    int first = wm_add_recv(s, 1, out(0), 8, WM_NONE), second = wm_add_send(s, 2, in(0), 8, WM_NONE);
    wm_schedule_also_after(s, second, wm_after(first));
}

static void independent(struct wm_schedule *s)
{
    wm_add_send(s, 1, in(0), 8, WM_NONE);
    wm_add_recv(s, 2, out(0), 8, WM_NONE);
}

static void window(struct wm_schedule *s)
{
    for (int i = 0; i < 4; i++)
        wm_add_recv(s, 1, out(0), 8, WM_NONE);
    wm_add_send(s, 1, in(0), 0, (struct wm_range){ 0, 3 });
}

static void five_sends(struct wm_schedule *s)
{
    for (int i = 0; i < 5; i++)
        wm_add_send(s, 1 + i % 2, in(0), 8, WM_NONE);
}

static void late_wait(struct wm_schedule *s)
{
    wm_add_send(s, 1, in(0), 8, WM_NONE);
    int got = wm_add_recv(s, 1, out(0), 8, WM_NONE);
    wm_add_send(s, 2, in(0), 8, WM_NONE);
    wm_add_send(s, 3, out(0), 8, wm_after(got));
}

static void hole(struct wm_schedule *s)
{
    for (int i = 0; i < 3; i++)
        wm_add_recv(s, 1, out(0), 8, WM_NONE);
    int sent = wm_add_send(s, 1, in(0), 8, wm_after(0));
    wm_schedule_also_after(s, sent, wm_after(2));
}

static void both_ways(struct wm_schedule *s)
{
    for (int i = 0; i < 3; i++)
        wm_add_recv(s, 1, out(0), 8, WM_NONE);
    for (int i = 0; i < 3; i++)
        wm_add_send(s, 1, in(0), 8, WM_NONE);
}

static void both_ways_bound(struct wm_schedule *s)
{
    for (int i = 0; i < 3; i++)
        wm_add_recv(s, 1, out(0), 8, WM_NONE);
    for (int i = 0; i < 3; i++)
        wm_add_send(s, 1, out(0), 8, wm_after(i));
}

static void one_sided(struct wm_schedule *s)
{
    add_put(s, WM_STEP_PUT, 1);
    add_put(s, WM_STEP_GET, 2);
}

static void one_put(struct wm_schedule *s)
{
    add_put(s, WM_STEP_PUT, 1);
}

static void collective(struct wm_schedule *s)
{
    wm_add_coll(s, &(struct wm_coll){ .kind = WM_COLL_ALLGATHER, .count = 2 }, NULL, RANKS);
    wm_add_send(s, 1, in(0), 8, WM_NONE);
}

static void reduction(struct wm_schedule *s)
{
    int got = wm_add_recv(s, 1, out(0), 8, WM_NONE);
    int sum = wm_add_reduce(s, out(0), in(0), 8, wm_after(got));
    wm_add_send(s, 1, out(0), 8, wm_after(sum));
}

static void copy_then_send(struct wm_schedule *s)
{
    wm_add_send(s, 2, in(64), 8, WM_NONE);
    int copied = wm_add_copy(s, out(0), in(0), 8, WM_NONE);
    wm_add_send(s, 1, out(0), 8, wm_after(copied));
}

/* Staging, as a user would write it. */
static void copies_in_a_chain(struct wm_schedule *s)
{
    int copied = wm_add_copy(s, out(0), in(0), 8, WM_NONE);
    int sent = wm_add_send(s, 1, out(0), 8, wm_after(copied));
    int got = wm_add_recv(s, 1, out(8), 8, wm_after(sent));
    wm_add_copy(s, in(8), out(8), 8, wm_after(got));
}

/* What depends on an empty reduction depends on what that depends on. */
static void empty_reduction(struct wm_schedule *s)
{
    int got = wm_add_recv(s, 1, out(0), 8, WM_NONE);
    int copied = wm_add_reduce(s, out(0), in(0), 0, wm_after(got));
    wm_add_send(s, 1, out(0), 8, wm_after(copied));
}

static struct wm_program *open_program(void (*build)(struct wm_schedule *), const struct wm_bind *bind,
                                       struct wm_err *err)
{
    struct wm_schedule s = { .type = WM_FLOAT, .op = WM_MAX };
    struct wm_program *p = NULL;
    build(&s);
    int rc = wm_program_open(&s, bind, &p, err);
    CHECK_INT(rc, err->code);
    CHECK((p != NULL) == (rc == WM_OK));
    wm_schedule_free(&s);
    return p;
}

/* s send, r receive, p put, g get, c collective: rank or kind, slot; S, R blocking; w first+n; t, ct: one poll */
static void test_order(void)
{
    static const struct {
        const char *name;
        void (*build)(struct wm_schedule *);
        unsigned slots;
        const char *want;
    } cases[] = {
        { "nothing", nothing, 8, "" },
        { "one send", one_send, 8, "S1" },
        { "ping-pong", ping_pong, 8, "S1 R1" },
        { "chain by the second range", chain_by_second_range, 8, "R1 S2" },
        { "independent", independent, 8, "s1/0 r2/1 w0+2" },
        { "window and answer", window, 8, "r1/0 r1/1 r1/2 r1/3 w0+4 s1/0 w0+1" },
        { "window, one slot is the answer's", window, 4, "r1/0 r1/1 r1/2 w0+1 r1/0 w0+3 s1/0 w0+1" },
        { "window, slots short", window, 3, "r1/0 r1/1 w0+1 r1/0 w1+1 r1/1 w0+2 s1/0 w0+1" },
        { "five sends, two slots", five_sends, 2, "s1/0 s2/1 w0+1 s1/0 w1+1 s2/1 w0+1 s1/0 w0+2" },
        { "five sends, one slot", five_sends, 1, "s1/0 w0+1 s2/0 w0+1 s1/0 w0+1 s2/0 w0+1 s1/0 w0+1" },
        { "wait as late as can be", late_wait, 8, "s1/0 r1/1 s2/2 w1+1 s3/1 w0+3" },
        { "two ranges", hole, 8, "r1/0 r1/1 r1/2 w0+1 w2+1 s1/0 w0+2" },
        { "both ways, slots enough", both_ways, 6, "r1/0 r1/1 r1/2 s1/3 s1/4 s1/5 w0+6" },
        { "both ways, slots short", both_ways, 4, "r1/0 r1/1 s1/2 s1/3 w0+1 r1/0 w1+1 w2+1 s1/1 w0+2 w3+1" },
        { "both ways, none may pass", both_ways_bound, 4, "r1/0 r1/1 w0+1 r1/0 s1/2 w1+1 s1/1 w0+1 w2+1 s1/0 w0+2" },
        { "one-sided", one_sided, 8, "p1/0 g2/1 w0+2" },
        { "collective", collective, 8, "c4/0 s1/0 w0+1" },
        { "reduction", reduction, 8, "r1/0 w0+1 reduce2:float:max s1/0 w0+1" },
        { "copy", copy_then_send, 8, "s2/0 copy s1/1 w0+2" },
        { "copies in a chain", copies_in_a_chain, 8, "copy S1 R1 copy" },
        { "empty reduction", empty_reduction, 8, "r1/0 w0+1 s1/0 w0+1" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct wm_err err = { .rank = -1 };
        set_up(cases[i].slots);
        struct wm_bind bind = binding();
        struct wm_program *p = open_program(cases[i].build, &bind, &err);
        if (!CHECK(p != NULL))
            continue;
        CHECK_INT(wm_program_run(p), WM_OK);
        if (!wm_check_text(journal, cases[i].want, __FILE__, __LINE__, cases[i].name))
            printf("  with %u slots\n", cases[i].slots);
        wm_program_close(p);
        CHECK_INT(bound, 0);
        CHECK_INT(colls_bound, 0);
    }
}

/* A collective that is not complete on return keeps a slot and is awaited. */
static void test_open_collective(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    ep.coll_blocks = false;
    struct wm_bind bind = binding();
    struct wm_program *p = open_program(collective, &bind, &err);
    CHECK_INT(wm_program_run(p), WM_OK);
    CHECK_TEXT(journal, "c4/0 s1/1 w0+2");
    wm_program_close(p);
}

/* While a copy is awaited, an open message is driven. */
static void test_asynchronous_copy(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    buffers[WM_IN].mem = &stream;
    struct wm_bind bind = binding();
    bind.mem = &stream;
    bind.copier = (struct wm_copier *)&stream;
    struct wm_program *p = open_program(copy_then_send, &bind, &err);
    open_polls = 2;
    CHECK_INT(wm_program_run(p), WM_OK);
    CHECK_TEXT(journal, "s2/0 copy/0 ct0 t0 ct0 t0 ct0 s1/1 w0+2");

    atomic_store(&expired, true);
    open_polls = 1000;
    CHECK_INT(wm_program_run(p), WM_ETIMEOUT);
    CHECK_HAS(ep.err.what, "the deadline passed while the copy of 8 bytes (step 1) was open");
    wm_program_close(p);
}

static void receive_twice(struct wm_schedule *s)
{
    int first = wm_add_recv(s, 1, out(0), 8, WM_NONE);
    wm_add_recv(s, 2, in(0), 8, WM_NONE);
    wm_add_reduce(s, out(0), in(0), 8, wm_after(first));
}

static void empty_receive(struct wm_schedule *s)
{
    wm_add_recv(s, 1, out(0), 0, WM_NONE);
    wm_add_send(s, 1, out(0), 8, WM_NONE);
}

static void get_once(struct wm_schedule *s)
{
    add_put(s, WM_STEP_GET, 2);
}

/* OUT is a GPU's, here and at the peers: after what has come into it, and only then, one flush of its region, before
 * whoever waited for it goes on. Where peers' memory is, a put sees to its own. */
static void test_flush(void)
{
    static const struct {
        const char *name;
        void (*build)(struct wm_schedule *);
        const char *want, *unflushed;
    } cases[] = {
        { "send", one_send, "S1", NULL },
        { "ping-pong", ping_pong, "S1 R1 f8", "S1 R1" },
        { "a window is flushed once", window, "r1/0 r1/1 r1/2 r1/3 w0+4 f8 s1/0 w0+1",
          "r1/0 r1/1 r1/2 r1/3 w0+4 s1/0 w0+1" },
        { "before a reduction", receive_twice, "r1/0 r2/1 w0+1 f8 reduce2:float:max w1+1",
          "r1/0 r2/1 w0+1 reduce2:float:max w1+1" },
        { "put", one_put, "pf1/0 w0+1", "p1/0 w0+1" },
        { "get", get_once, "g2/0 w0+1 f8", "g2/0 w0+1" },
        { "nothing came", empty_receive, "r1/0 s1/1 w0+2", NULL },
    };
    struct wm_region *there = (struct wm_region *)(intptr_t)(GPU_REGION + 2);
    struct wm_region *peers[RANKS] = { there, there, there, there };

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
        struct wm_err err = { .rank = -1 };
        const bool without = i % 2;
        const char *want = without && cases[i / 2].unflushed != NULL ? cases[i / 2].unflushed : cases[i / 2].want;
        set_up(8);
        attached.region[WM_IN] = (struct wm_region *)(intptr_t)HOST_REGION;
        attached.region[WM_OUT] = (struct wm_region *)(intptr_t)(GPU_REGION + 1);
        attached.remote[WM_OUT] = attached.remote[WM_IN] = peers;
        struct wm_bind bind = binding();
        bind.unflushed = without;
        struct wm_program *p = open_program(cases[i / 2].build, &bind, &err);
        CHECK_INT(wm_program_ring_flushes(p), !without && cases[i / 2].unflushed != NULL);
        CHECK_INT(wm_program_run(p), WM_OK);
        wm_check_text(journal, want, __FILE__, __LINE__, cases[i / 2].name);
        flush_fails = true;
        CHECK_INT(wm_program_run(p), strstr(want, " f8") != NULL ? WM_ESYS : WM_OK);
        if (strstr(want, " f8") != NULL)
            CHECK_TEXT(ep.err.what, "the GPU is gone");
        wm_program_close(p);
    }
}

static void test_move(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    struct wm_bind bind = binding();
    char here_bytes, there_bytes; /* regions are opaque: addresses are all that is looked at */
    struct wm_region *here = (struct wm_region *)&here_bytes, *there = (struct wm_region *)&there_bytes;
    struct wm_region *peers[RANKS] = { there, there, there, there };
    attached.region[WM_IN] = here;
    attached.remote[WM_OUT] = peers;

    struct wm_program *p = open_program(one_put, &bind, &err);
    for (size_t at = 0; at <= 1024; at += 512) {
        wm_program_move(p, at, 2 * at);
        CHECK_INT(wm_program_run(p), WM_OK);
        CHECK(last_msg.ptr == (char *)buffers[WM_IN].dma + at + 32);
        CHECK_INT(last_msg.local_at, at + 32);
        CHECK_INT(last_msg.remote_at, 2 * at + 16);
        CHECK(last_msg.local == here && last_msg.remote == there);
    }
    wm_program_close(p);

    p = open_program(collective, &bind, &err);
    wm_program_move(p, 256, 512);
    CHECK_INT(wm_program_run(p), WM_OK);
    CHECK(last_area[WM_IN] == (char *)buffers[WM_IN].dma + 256);
    CHECK(last_area[WM_OUT] == (char *)buffers[WM_OUT].dma + 512);
    CHECK(last_area[WM_WORK] == buffers[WM_WORK].dma);
    wm_program_close(p);

    /* A moved copy really takes place there. */
    p = open_program(copy_then_send, &bind, &err);
    wm_program_move(p, 100, 200);
    memset(buffers[WM_IN].ptr, 'x', AREA);
    memset(buffers[WM_OUT].ptr, 'o', AREA);
    CHECK_INT(wm_program_run(p), WM_OK);
    CHECK(memcmp((char *)buffers[WM_OUT].ptr + 199, "oxxxxxxxxo", 10) == 0);
    wm_program_close(p);
}

static void too_far(struct wm_schedule *s)
{
    wm_add_send(s, 1, in(AREA - 4), 8, WM_NONE);
}

static void wraps_around(struct wm_schedule *s)
{
    wm_add_recv(s, 1, out(16), (size_t)-8, WM_NONE);
}

static void needs_more(struct wm_schedule *s)
{
    s->area_bytes[WM_WORK] = AREA + 1;
}

static void no_such_rank(struct wm_schedule *s)
{
    wm_add_send(s, RANKS, in(0), 8, WM_NONE);
}

static void waits_for_itself(struct wm_schedule *s)
{
    wm_add_send(s, 1, in(0), 8, WM_NONE);
    wm_add_send(s, 1, in(0), 8, wm_after(1));
}

static void out_of_memory(struct wm_schedule *s)
{
    s->failed = true;
}

static void product(struct wm_schedule *s)
{
    collective(s);
    s->op = WM_PROD;
}

static const struct wm_ops bare_ops = {
    .post_send = log_post_send, .post_recv = log_post_recv, .test = log_test, .wait = log_wait
};
static int never_reg(struct wm_ep *e, const struct wm_buf *buf, bool shared, struct wm_region **region,
                     struct wm_err *err)
{
    (void)e;
    (void)buf;
    (void)shared;
    (void)region;
    return wm_fail(err, WM_EBUG, "", 0, "never called");
}

static const struct wm_transport registers = { .name = "strict", .ops = &log_ops, .reg = never_reg };

/* What is posted before a wait ends together: a wait for one message of several is refused, and so is one for a copy
 * meanwhile, which would end the group before all is posted. */
static void ahead(struct wm_schedule *s)
{
    int first = wm_add_recv(s, 1, (struct wm_at){ WM_OUT, 0 }, 8, WM_NONE);
    wm_add_recv(s, 1, (struct wm_at){ WM_OUT, 8 }, 8, WM_NONE);
    wm_add_send(s, 2, (struct wm_at){ WM_OUT, 0 }, 8, wm_after(first));
}

static void all_then_one(struct wm_schedule *s)
{
    wm_add_recv(s, 1, (struct wm_at){ WM_OUT, 0 }, 8, WM_NONE);
    wm_add_recv(s, 1, (struct wm_at){ WM_OUT, 8 }, 8, WM_NONE);
    wm_add_send(s, 2, (struct wm_at){ WM_OUT, 0 }, 8, (struct wm_range){ 0, 1 });
}

static void copies_meanwhile(struct wm_schedule *s)
{
    wm_add_recv(s, 1, (struct wm_at){ WM_OUT, 0 }, 8, WM_NONE);
    int copied = wm_add_copy(s, (struct wm_at){ WM_OUT, 8 }, (struct wm_at){ WM_IN, 0 }, 8, WM_NONE);
    wm_add_send(s, 1, (struct wm_at){ WM_OUT, 8 }, 8, wm_after(copied));
}

static void test_whole_groups(void)
{
    static const struct {
        void (*build)(struct wm_schedule *);
        bool refused;
    } cases[] = { { ahead, true }, { copies_meanwhile, true }, { all_then_one, false }, { window, false } };
    struct wm_transport whole = wm_log;
    whole.whole_groups = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int w = 0; w < 2; w++) {
            struct wm_err err = { .rank = -1 };
            set_up(8);
            buffers[WM_IN].mem = buffers[WM_OUT].mem = &stream;
            struct wm_bind bind = binding();
            bind.mem = &stream;
            bind.transport = w == 0 ? &wm_log : &whole;
            struct wm_program *p = open_program(cases[i].build, &bind, &err);
            CHECK_INT(err.code, w == 1 && cases[i].refused ? WM_EUNSUP : WM_OK);
            CHECK_HAS(err.what, w == 1 && cases[i].refused ? "log ends what was posted together only" : "");
            wm_program_close(p);
        }
    }
}

static void test_refusals(void)
{
    static const struct {
        void (*build)(struct wm_schedule *);
        const struct wm_ops *ops;
        const struct wm_transport *transport;
        int bind_limit;
        enum wm_code code;
        const char *want;
    } cases[] = {
        { too_far, &log_ops, &wm_log, 9, WM_EBUG, "touches 8 bytes at 4092 of area in, which has 4096" },
        { wraps_around, &log_ops, &wm_log, 9, WM_EBUG, "at 16 of area out, which has 4096" },
        { needs_more, &log_ops, &wm_log, 9, WM_EBUG, "needs 4097 bytes in area work, which has 4096" },
        { no_such_rank, &log_ops, &wm_log, 9, WM_EBUG, "step 0 names rank 4 of 4" },
        { waits_for_itself, &log_ops, &wm_log, 9, WM_EBUG, "step 1 waits for step 1, which is not before it" },
        { out_of_memory, &log_ops, &wm_log, 9, WM_ENOMEM, "no memory for the schedule" },
        { one_sided, &bare_ops, &wm_log, 9, WM_EUNSUP, "transport log has no put" },
        { one_sided, &log_ops, &registers, 9, WM_EBUG, "step 0 reaches into area out of rank 1, which is not shared" },
        { collective, &bare_ops, &wm_log, 9, WM_EUNSUP, "has no collectives of its own: use a composed algorithm" },
        { product, &log_ops, &wm_log, 9, WM_EUNSUP, "no products here" },
        { ping_pong, &log_ops, &wm_log, 1, WM_EUNSUP, "no more than 1 messages" },
        { window, &log_ops, &wm_log, 3, WM_EUNSUP, "no more than 3 messages" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct wm_err err = { .rank = -1 };
        set_up(8);
        ep.ops = cases[i].ops;
        bind_limit = cases[i].bind_limit;
        struct wm_bind bind = binding();
        bind.transport = cases[i].transport;
        CHECK(open_program(cases[i].build, &bind, &err) == NULL);
        CHECK_INT(err.code, cases[i].code);
        CHECK_HAS(err.what, cases[i].want);
        CHECK_INT(bound, 0); /* nothing is left behind */
        CHECK_INT(colls_bound, 0);
    }
}

/* Without blocking calls a chain is posts; without memory to copy, a copy is refused. */
static void test_fallbacks(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    ep.ops = &bare_ops;
    struct wm_bind bind = binding();
    struct wm_program *p = open_program(ping_pong, &bind, &err);
    CHECK_INT(wm_program_run(p), WM_OK);
    CHECK_TEXT(journal, "s1/0 w0+1 r1/0 w0+1");
    wm_program_close(p);

    buffers[WM_IN].mem = &stream;
    bind.mem = NULL;
    CHECK(open_program(copy_then_send, &bind, &err) == NULL);
    CHECK_HAS(err.what, "nothing here can copy from stream to plain memory");
}

static void test_failures(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    struct wm_bind bind = binding();
    struct wm_program *p = open_program(late_wait, &bind, &err);
    stuck = 1; /* the receive */
    CHECK_INT(wm_program_run(p), WM_ETIMEOUT);
    CHECK_TEXT(ep.err.what, "the deadline passed while the receive of 8 bytes from rank 1 (step 1) was open");
    wm_program_close(p);

    set_up(2);
    p = open_program(five_sends, &bind, &err);
    fails_at = 3;
    CHECK_INT(wm_program_run(p), WM_ESYS);
    CHECK_TEXT(ep.err.what, "the cable is out");
    CHECK_TEXT(journal, "s1/0 s2/1 w0+1 s1/0");
    wm_program_close(p);
}

static void test_ring(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    struct wm_bind bind = binding();
    struct wm_program *a = open_program(ping_pong, &bind, &err), *b = open_program(window, &bind, &err);
    CHECK(a->next == a);
    a->next = b;
    b->next = a;
    CHECK(!wm_program_ring_is_empty(a));
    wm_program_ring_close(a);
    CHECK_INT(bound, 0);
    wm_program_ring_close(NULL);
    wm_program_close(NULL);
}

static void test_ring_is_empty(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    struct wm_bind bind = binding();
    struct wm_program *a = open_program(nothing, &bind, &err), *b = open_program(nothing, &bind, &err);
    CHECK(wm_program_ring_is_empty(a));
    a->next = b;
    b->next = a;
    CHECK(wm_program_ring_is_empty(a));
    struct wm_program *c = open_program(one_put, &bind, &err);
    c->next = a;
    b->next = c;
    CHECK(!wm_program_ring_is_empty(a));
    wm_program_ring_close(a);
}

/* ---- Transport null, the registry ---- */

static void everything(struct wm_schedule *s)
{
    window(s);
    one_sided(s);
    reduction(s);
    collective(s);
}

static void test_null(void)
{
    struct wm_err err = { .rank = -1 };
    set_up(8);
    struct wm_ep_conf conf = { .world = &world, .expired = &expired, .slots = 8 };
    struct wm_ep *null_ep = NULL;
    const struct wm_buf *const bufs[WM_AREAS] = { [WM_IN] = &buffers[WM_IN], [WM_OUT] = &buffers[WM_OUT] };
    struct wm_attached here;

    CHECK_INT(wm_transport_null.probe(NULL, &err), WM_OK);
    CHECK_INT(wm_transport_null.open(&conf, &null_ep, &err), WM_OK);
    CHECK_INT(wm_attach(&wm_transport_null, null_ep, bufs, 1u << WM_OUT, &here, &err), WM_OK);
    CHECK(here.buf[WM_IN] == &buffers[WM_IN] && here.remote[WM_OUT] == NULL);
    struct wm_bind bind = { .transport = &wm_transport_null, .ep = null_ep, .attached = &here, .mem = &plain };
    struct wm_program *p = open_program(everything, &bind, &err);
    if (CHECK(p != NULL))
        CHECK_INT(wm_program_run(p), WM_OK);
    wm_program_close(p);
    wm_detach(&wm_transport_null, null_ep, &here);
    wm_transport_null.close(null_ep);
    wm_transport_null.close(NULL);
}

static void test_registry(void)
{
    static const char *const names[] = { "null", "sim", "mpi" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct wm_transport_row *row = wm_transport_find(names[i]);
        if (CHECK(row != NULL && row->transport != NULL))
            CHECK_TEXT(row->transport->name, names[i]);
    }
    CHECK(wm_transport_find("nul") == NULL);
    CHECK(wm_transport_sim.simulated && !wm_transport_mpi.simulated);
    CHECK(wm_transport_null.moves_nothing && !wm_transport_sim.moves_nothing);
}

/* MPI is not started here: a clear word instead of a crash. */
static void test_without_launcher(void)
{
    static const struct wm_transport *const need_one[] = { &wm_transport_mpi, &wm_transport_sim };
    struct wm_ep_conf conf = { .world = &world, .expired = &expired, .slots = 8 };
    for (int i = 0; i < 2; i++) {
        struct wm_err err = { .rank = -1 };
        struct wm_ep *none = NULL;
        CHECK_INT(need_one[i]->open(&conf, &none, &err), WM_EABSENT);
        CHECK(none == NULL);
        CHECK_TEXT(err.what, "transport mpi needs a launcher: start it as in mpirun -n 2 wiremark run");
    }
}

int main(void)
{
    test_order();
    test_open_collective();
    test_asynchronous_copy();
    test_flush();
    test_move();
    test_whole_groups();
    test_refusals();
    test_fallbacks();
    test_failures();
    test_ring();
    test_ring_is_empty();
    test_null();
    test_registry();
    test_without_launcher();
    return wm_tests_end();
}
