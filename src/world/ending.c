#include "src/world/ending.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/clock.h"

#define SECOND_NS     1000000000u
#define STUCK_STATUS  124
#define SIGNAL_STATUS 1

enum { WHY_BYTES = 1700, FAULT_BYTES = 960 };

static const char in_journal[] = "what was measured stands in the journal beside the result: wiremark recover";

uint64_t wm_phase_limit_ns(const struct wm_watch_conf *conf, uint32_t phase)
{
    if (phase == WM_PHASE_IDLE)
        return 0; /* as long as the others take */
    return phase == WM_PHASE_START || phase == WM_PHASE_OPEN ? conf->open_timeout_ns : conf->timeout_ns;
}

/**
 * Hydra answers a status that is not 0 with SIGKILL for all and then returns 9. Told by its own protocol (PMI-1, what
 * MPI_Abort would send) it returns the status. It then leaves unread what has just been said: time to read comes first.
 * Others than hydra give no such descriptor, or are not asked.
 */
static void tell_hydra(int status)
{
    const struct timespec reading = { .tv_nsec = 300000000 };
    const char *fd = getenv("PMI_FD");
    if (fd == NULL || getenv("HYDI_CONTROL_FD") == NULL)
        return;
    nanosleep(&reading, NULL);
    dprintf(atoi(fd), "cmd=abort exitcode=%d\n", status);
}

void wm_end_quietly(struct wm_stage *stage, int status)
{
    wm_board_unlink(&stage->board);
    tell_hydra(status);
    _exit(status);
}

/** To stderr, past stdio: its lock may be held by a thread that is stuck. A reader that does not read is left. */
static void say(const char *text)
{
    uint64_t until_ns = wm_now_ns() + SECOND_NS / 5;
    size_t left = strlen(text);
    while (left > 0 && wm_now_ns() < until_ns) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        size_t some = left < 4096 ? left : 4096; /* PIPE_BUF: a pipe that polls as writable takes so much at once */
        ssize_t n = poll(&p, 1, 50) > 0 ? write(STDERR_FILENO, text, some) : 0;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return;
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

static void leave_late(int number)
{
    (void)number;
    _exit(STUCK_STATUS);
}

static void leave_ended(int number)
{
    (void)number;
    _exit(SIGNAL_STATUS);
}

/** A file system that hangs must not keep the run: after 5 s the process leaves whatever last_words does. */
static void guard(int status)
{
    struct sigaction act = { .sa_handler = status == STUCK_STATUS ? leave_late : leave_ended };
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &act, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm(5);
}

/** Rank 0 only: what can be saved of the result. NULL: nothing. */
static const char *last_words(const struct wm_ending *ending, const char *why, enum wm_watch_end by)
{
    if (ending->conf->last_words == NULL)
        return NULL;
    guard(by == WM_END_DEADLINE ? STUCK_STATUS : SIGNAL_STATUS);
    return ending->conf->last_words(ending->conf->arg, why, by);
}

/** Ranks of this host and of the others need not wait for a word any more. */
static void tell_over(struct wm_ending *ending, int status)
{
    ending->stage->board.head->over = (uint32_t)status;
    if (ending->stage->ask.hosts > 0)
        wm_stage_look_everywhere(ending->stage, (uint32_t)status, SECOND_NS / 5);
}

/** Sleeps a little; signals of this run's end are taken in, so that they do not end the process otherwise. */
static void breathe(struct wm_ending *ending)
{
    const struct timespec tick = { .tv_nsec = 20000000 };
    wm_stage_breathe(ending->stage);
    sigtimedwait(ending->signals, NULL, &tick);
}

/** Sight of rank 0, or NULL where it is not known yet. */
static const struct wm_sight *rank_zero(const struct wm_stage *stage)
{
    for (int i = 0; i < stage->scene.n; i++)
        if (stage->scene.sight[i].rank == 0)
            return &stage->scene.sight[i];
    return NULL;
}

static const struct wm_sight *own_sight(const struct wm_stage *stage)
{
    for (int i = 0; i < stage->scene.n; i++)
        if (stage->scene.sight[i].rank == stage->rank)
            return &stage->scene.sight[i];
    return &stage->scene.sight[stage->own < stage->scene.n ? stage->own : 0];
}

static void headline(const struct wm_ending *ending, const struct wm_sight *own, char *text, size_t bytes)
{
    double limit_s = (double)wm_phase_limit_ns(ending->conf, own->phase) / 1e9;
    char where[256];
    if (own->phase == WM_PHASE_START)
        snprintf(text, bytes, "MPI_Init did not return within %.4g s", limit_s);
    else
        snprintf(text, bytes, "timed out after %.4g s in %s", limit_s,
                 wm_report_where(&ending->stage->scene, own, where, sizeof(where)));
}

/* What failed comes first, then who stands still, and last, for it may be cut, the long id of the cell. */
static void report_deadline(struct wm_ending *ending, char *why, size_t why_bytes)
{
    const struct wm_scene *scene = &ending->stage->scene;
    struct wm_lines out = { ending->text, sizeof(ending->text), 0 };
    char head[320], culprit[320], fault[FAULT_BYTES];
    const struct wm_sight *own = own_sight(ending->stage);
    headline(ending, own, head, sizeof(head));
    wm_report_culprit(scene, true, culprit, sizeof(culprit));
    wm_report_fault(scene, own, culprit[0] != '\0' ? WM_FAULT_FAILED : WM_FAULT_GAVE_UP, fault, sizeof(fault));
    snprintf(why, why_bytes, "%s%s%s%s%s", fault, fault[0] != '\0' ? "; " : "", culprit, culprit[0] != '\0' ? "; " : "",
             head);
    wm_lines_add(&out, "wiremark: %s\n", fault[0] != '\0' ? why : head);
    wm_report_ranks(&ending->stage->scene, own, &out);
    say(ending->text);
}

static void say_where_the_rest_is(struct wm_ending *ending, const char *path)
{
    struct wm_lines out = { ending->text, sizeof(ending->text), 0 };
    if (path != NULL)
        wm_lines_add(&out, "wiremark: %s\n", path);
    else if (ending->stage->rank != 0 && ending->stage->joined && !ending->conf->no_journal)
        wm_lines_add(&out, "wiremark: %s\n", in_journal);
    say(ending->text);
}

void wm_end_by_deadline(struct wm_ending *ending, bool alone)
{
    struct wm_stage *stage = ending->stage;
    const char *path = NULL;
    char why[WHY_BYTES];
    int lowest = wm_stage_lowest_alive(stage);
    if (!alone && lowest >= 0 && &stage->scene.sight[lowest] != own_sight(stage)) {
        uint64_t until_ns = wm_now_ns() + 6ull * SECOND_NS;
        while (wm_now_ns() < until_ns && stage->board.head->over == 0)
            breathe(ending);
        wm_end_quietly(stage, STUCK_STATUS);
    }
    report_deadline(ending, why, sizeof(why));
    ending->text[0] = '\0';
    if (stage->rank == 0)
        path = last_words(ending, why, WM_END_DEADLINE);
    say_where_the_rest_is(ending, path);
    tell_over(ending, STUCK_STATUS);
    wm_end_quietly(stage, STUCK_STATUS);
}

static const char *signal_name(int number)
{
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}

/** A signal is often the launcher's answer to a rank that died: then this is the reason. */
static void speak_for_rank_zero(struct wm_ending *ending, int number)
{
    const struct wm_scene *scene = &ending->stage->scene;
    struct wm_lines out = { ending->text, sizeof(ending->text), 0 };
    char why[WHY_BYTES], fault[FAULT_BYTES];
    const char *path;
    wm_stage_look_everywhere(ending->stage, 0, SECOND_NS / 4);
    wm_report_culprit(scene, false, why, sizeof(why));
    wm_report_fault(scene, own_sight(ending->stage), WM_FAULT_GAVE_UP, fault, sizeof(fault));
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "%s%s%s", signal_name(number), fault[0] != '\0' ? "; " : "", fault);
    path = last_words(ending, why, WM_END_SIGNAL);
    wm_lines_add(&out, "wiremark: ended: %s", why);
    wm_lines_add(&out, "; %s\n", path != NULL ? path : "no result");
    say(ending->text);
    tell_over(ending, SIGNAL_STATUS);
    wm_end_quietly(ending->stage, SIGNAL_STATUS);
}

/** Rank 0 cannot speak any more; the lowest that lives does. */
static void speak_of_rank_zero(struct wm_ending *ending, const struct wm_sight *zero)
{
    struct wm_lines out = { ending->text, sizeof(ending->text), 0 };
    wm_lines_add(&out, "wiremark: ended: rank 0 on %s is gone", ending->stage->scene.host[zero->host]);
    if (zero->pid > 0)
        wm_lines_add(&out, " (process %d)", zero->pid);
    wm_lines_add(&out, "%s%s\n", ending->conf->no_journal ? "" : "; ", ending->conf->no_journal ? "" : in_journal);
    say(ending->text);
    tell_over(ending, SIGNAL_STATUS);
    wm_end_quietly(ending->stage, SIGNAL_STATUS);
}

/** Waits until rank 0 has finished. Whoever left with a status before would have the launcher end rank 0. */
static void wait_for_rank_zero(struct wm_ending *ending)
{
    struct wm_stage *stage = ending->stage;
    uint64_t begin_ns = wm_now_ns();
    bool asked = stage->ask.hosts == 0;
    while (stage->board.head->over == 0 && wm_now_ns() - begin_ns < 2ull * SECOND_NS) {
        const struct wm_sight *zero;
        wm_stage_look_here(stage);
        if (!asked && wm_now_ns() - begin_ns > SECOND_NS * 2 / 5 && wm_stage_leads(stage)) {
            wm_stage_look_everywhere(stage, 0, SECOND_NS / 4);
            asked = true;
        }
        zero = rank_zero(stage);
        if (zero != NULL && zero->state == WM_SEEN_ENDED)
            break;
        int lowest = wm_stage_lowest_alive(stage);
        if (zero != NULL && zero->state == WM_SEEN_GONE && stage->board.head->over == 0 && lowest >= 0 &&
            &stage->scene.sight[lowest] == own_sight(stage))
            speak_of_rank_zero(ending, zero);
        breathe(ending);
    }
    wm_end_quietly(stage, stage->board.head->over != 0 ? (int)stage->board.head->over : SIGNAL_STATUS);
}

void wm_end_by_signal(struct wm_ending *ending, int number)
{
    if (ending->stage->board.head->over != 0)
        wm_end_quietly(ending->stage, (int)ending->stage->board.head->over);
    if (ending->stage->rank <= 0 && ending->stage->own == 0)
        speak_for_rank_zero(ending, number);
    wait_for_rank_zero(ending);
    _exit(SIGNAL_STATUS); /* not reached */
}
