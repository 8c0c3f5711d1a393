#include "src/world/watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/clock.h"
#include "src/world/ending.h"
#include "src/world/stage.h"

#define SECOND_NS   1000000000u
#define TICK_NS     100000000
#define GRACE_NS    (5ull * SECOND_NS)  /* from the deadline until a process counts as stuck */
#define PATIENCE_NS (10ull * SECOND_NS) /* for the one whose duty it is to speak */
#define BUDGET_NS   (5ull * SECOND_NS / 2)

struct wm_watch {
    /* Polling loops read it; it shares its cache line with nothing that is written. */
    _Alignas(64) atomic_bool expired;
    _Alignas(64) struct wm_stage *_Atomic stage; /* &first, then &joined */
    struct wm_stage first, joined;
    pthread_t thread;
    atomic_bool stopping;
    sigset_t signals, before;
    pthread_mutex_t lock; /* conf; held for good once the run ends early */
    struct wm_watch_conf conf;
    /* of the thread alone */
    uint64_t expired_ns; /* when a deadline passed that has not been judged yet; 0 = none */
    uint64_t over_ns;    /* when the board was seen to say that the run is over; 0 = it does not */
    struct wm_ending ending;
};

static struct wm_board_line *own_line(const struct wm_watch *watch)
{
    return wm_stage_line(watch->stage);
}

static struct wm_watch_conf read_conf(struct wm_watch *watch)
{
    struct wm_watch_conf conf;
    pthread_mutex_lock(&watch->lock);
    conf = watch->conf;
    pthread_mutex_unlock(&watch->lock);
    return conf;
}

/** From here on conf stays as it is: the callbacks' arguments must not go while they are in use. No way back. */
static struct wm_ending *prepare_ending(struct wm_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    wm_board_unlink(&watch->first.board); /* nobody else comes, and SIGKILL may be next */
    watch->ending.stage = watch->stage;
    watch->ending.conf = &watch->conf;
    watch->ending.signals = &watch->signals;
    watch->ending.stage->scene.cell_name = watch->conf.cell_name;
    watch->ending.stage->scene.arg = watch->conf.arg;
    return &watch->ending;
}

/**
 * Until when some living rank is within its deadline; a rank that waits for it is then not stuck.
 * @param everywhere  not of this host only
 * @param culprit     out: some rank can never go on
 */
static uint64_t busy_until_ns(struct wm_watch *watch, const struct wm_stage *stage, bool everywhere, bool *culprit)
{
    struct wm_watch_conf conf = read_conf(watch);
    uint64_t now_ns = wm_now_ns(), last_ns = 0;
    *culprit = false;
    for (int i = 0; i < stage->scene.n; i++) {
        const struct wm_sight *s = &stage->scene.sight[i];
        uint64_t limit_ns = wm_phase_limit_ns(&conf, s->phase), until_ns;
        if (s->state == WM_SEEN_ENDED || (!everywhere && stage->ask.hosts > 0 && s->host != stage->ask.self))
            continue;
        if (s->state != WM_SEEN_ALIVE) {
            *culprit |= s->state != WM_SEEN_NEVER || !stage->joined;
            continue;
        }
        if (limit_ns == 0)
            continue; /* idle: it waits itself */
        until_ns = now_ns - s->moved_age_ms * 1000000ull + limit_ns + GRACE_NS;
        last_ns = until_ns > last_ns ? until_ns : last_ns;
    }
    return last_ns;
}

/* Another rank is within its deadline: looks again when that has passed. A rank that has moved on since counts anew. */
static void postpone(struct wm_watch *watch, uint64_t until_ns)
{
    struct wm_watch_conf conf = read_conf(watch);
    uint64_t moved_ns = own_line(watch)->moved_ns, limit_ns = wm_phase_limit_ns(&conf, own_line(watch)->phase);
    if (moved_ns <= watch->expired_ns)
        watch->expired_ns = until_ns - GRACE_NS;
    else
        watch->expired_ns = limit_ns > 0 && watch->expired ? moved_ns + limit_ns : 0;
}

/** A deadline passed and 5 s more: is the run stuck, or does this process only wait for one that is busy? */
static void judge(struct wm_watch *watch, struct wm_stage *stage, uint64_t now_ns)
{
    uint64_t overdue_ns = now_ns - watch->expired_ns - GRACE_NS, until_ns, elsewhere_ns;
    bool culprit, leads = wm_stage_leads(stage);
    wm_stage_look_here(stage);
    until_ns = busy_until_ns(watch, stage, false, &culprit);
    elsewhere_ns = stage->board.head->busy_elsewhere_ns;
    until_ns = until_ns > elsewhere_ns ? until_ns : elsewhere_ns;
    if (!culprit && until_ns > now_ns) {
        postpone(watch, until_ns);
        return;
    }
    if (!leads && overdue_ns < PATIENCE_NS)
        return; /* the lowest living rank of this host asks the others and speaks */
    if (!stage->joined && !culprit && stage->expected > 0 && overdue_ns < 2ull * SECOND_NS)
        return; /* hosts know nothing of each other yet: first the one with a culprit */
    wm_stage_look_everywhere(stage, 0, BUDGET_NS);
    until_ns = busy_until_ns(watch, stage, true, &culprit);
    if (culprit || until_ns <= wm_now_ns())
        wm_end_by_deadline(prepare_ending(watch), !leads);
    stage->board.head->busy_elsewhere_ns = until_ns;
    postpone(watch, until_ns);
}

static void check_deadline(struct wm_watch *watch, struct wm_stage *stage)
{
    struct wm_board_line *own = wm_stage_line(stage);
    struct wm_watch_conf conf = read_conf(watch);
    uint64_t moved_ns = own->moved_ns, now_ns = wm_now_ns();
    uint64_t limit_ns = wm_phase_limit_ns(&conf, own->phase);
    if (limit_ns > 0 && !watch->expired && now_ns > moved_ns && now_ns - moved_ns >= limit_ns) {
        watch->expired = true;
        if (own->moved_ns != moved_ns)
            watch->expired = false; /* the phase ended in this very moment */
        else if (watch->expired_ns == 0)
            watch->expired_ns = now_ns;
    }
    if (watch->over_ns == 0 && watch->expired_ns != 0 && now_ns > watch->expired_ns + GRACE_NS)
        judge(watch, stage, now_ns);
}

/** Somebody has explained the run's end. The launcher ends this process; if it does not, it leaves by itself. */
static void check_over(struct wm_watch *watch, struct wm_stage *stage)
{
    uint32_t over = stage->board.head->over;
    uint64_t now_ns = wm_now_ns();
    if (over != 0 && watch->over_ns == 0)
        watch->over_ns = now_ns;
    else if (over != 0 && now_ns - watch->over_ns > 2ull * SECOND_NS)
        wm_end_quietly(stage, (int)over);
}

static void *keep_watch(void *arg)
{
    struct wm_watch *watch = arg;
    const struct timespec tick = { .tv_nsec = TICK_NS };
    for (;;) {
        int number = sigtimedwait(&watch->signals, NULL, &tick);
        struct wm_stage *stage = watch->stage;
        if (watch->stopping)
            return NULL;
        if (number > 0)
            wm_end_by_signal(prepare_ending(watch), number);
        wm_stage_breathe(stage);
        check_over(watch, stage);
        check_deadline(watch, stage);
    }
}

static int start_thread(struct wm_watch *watch, struct wm_err *err)
{
    int rc;
    sigemptyset(&watch->signals);
    sigaddset(&watch->signals, SIGTERM);
    sigaddset(&watch->signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &watch->signals, &watch->before);
    rc = pthread_create(&watch->thread, NULL, keep_watch, watch);
    if (rc == 0)
        return WM_OK;
    pthread_sigmask(SIG_SETMASK, &watch->before, NULL);
    errno = rc;
    return wm_fail_errno(err, "pthread_create", "cannot start the watchdog");
}

int wm_watch_start(const struct wm_launch *launch, const struct wm_watch_conf *conf, struct wm_watch **out,
                   struct wm_err *err)
{
    struct wm_watch *watch = aligned_alloc(_Alignof(struct wm_watch), sizeof(*watch));
    if (watch == NULL)
        return wm_fail(err, WM_ENOMEM, "aligned_alloc", 0, "no memory for the watchdog");
    memset(watch, 0, sizeof(*watch));
    watch->conf = *conf;
    pthread_mutex_init(&watch->lock, NULL);
    if (wm_stage_first(launch, &watch->first, err) == WM_OK) {
        watch->stage = &watch->first;
        if (start_thread(watch, err) == WM_OK) {
            *out = watch;
            return WM_OK;
        }
    }
    wm_stage_close(&watch->first);
    free(watch);
    return err->code;
}

static void copy_line(const struct wm_board_line *from, struct wm_board_line *to)
{
    to->phase = from->phase;
    to->cell = from->cell;
    to->block = from->block;
    to->moved_ns = from->moved_ns;
}

int wm_watch_connect(struct wm_watch *watch, const struct wm_world *world, struct wm_err *err)
{
    wm_board_unlink(&watch->first.board);
    if (world->size == 1)
        return WM_OK;
    if (wm_stage_join(world, &watch->joined, err) != WM_OK) {
        wm_stage_close(&watch->joined);
        return err->code;
    }
    copy_line(own_line(watch), wm_stage_line(&watch->joined));
    watch->stage = &watch->joined;
    return WM_OK;
}

void wm_watch_inform(struct wm_watch *watch, const struct wm_watch_conf *conf)
{
    pthread_mutex_lock(&watch->lock);
    watch->conf = *conf;
    pthread_mutex_unlock(&watch->lock);
}

void wm_watch_phase(struct wm_watch *watch, enum wm_phase phase, uint32_t cell)
{
    struct wm_board_line *own = own_line(watch);
    own->phase = phase;
    own->cell = cell;
    own->block = 0;
    own->moved_ns = wm_now_ns();
    watch->expired = false; /* after moved_ns: check_deadline() relies on the order */
}

void wm_watch_progress(struct wm_watch *watch)
{
    struct wm_board_line *own = own_line(watch);
    atomic_store_explicit(&own->block, own->block + 1, memory_order_relaxed);
    atomic_store_explicit(&own->moved_ns, wm_now_ns(), memory_order_relaxed);
}

void wm_watch_fault(struct wm_watch *watch, enum wm_fault kind, const char *text)
{
    struct wm_stage *stage = watch->stage;
    wm_board_note(&stage->board, stage->own, kind, text);
}

const atomic_bool *wm_watch_expired(const struct wm_watch *watch)
{
    return &watch->expired;
}

void wm_watch_stop(struct wm_watch *watch)
{
    if (watch == NULL)
        return;
    watch->stopping = true;
    wm_stage_line(&watch->first)->state = WM_LINE_ENDED;
    own_line(watch)->state = WM_LINE_ENDED;
    pthread_kill(watch->thread, SIGTERM); /* to the thread alone: it wakes and goes */
    pthread_join(watch->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &watch->before, NULL);
    wm_stage_close(&watch->joined);
    wm_stage_close(&watch->first);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
