/**
 * The watch among forked processes that play ranks of one host, without MPI: who is stopped, killed, late, and what is
 * said of it. A process counts as stuck 5 s after its deadline, so all plays run at the same time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/world/watch.h"
#include "tests/unit/check.h"

#define MOST_RANKS 3
#define STILL      1000 /* a status: had to be killed at the end, as somebody stopped must */

struct play;

/* One process's part, once its watch runs. */
typedef void (*part)(const struct play *play, int rank, struct wm_watch *watch);

struct play {
    const char *name;
    part part;
    int ranks, come; /* of the run; so many of them start at all */
    int who;         /* whom it happens to */
    double timeout_s;
    int signal; /* sent to all by the test, once they are in place; 0 = none */
    int status[MOST_RANKS];
    const char *says[6]; /* parts of what is told; %H host, %0 %1 %2 process ids */
    const char *silent;  /* what must not be told */
};

static void doze_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static void wait_forever(void)
{
    for (;;)
        pause();
}

static void get_in_place(struct wm_watch *watch)
{
    wm_watch_phase(watch, WM_PHASE_MEASURE, 7);
    wm_watch_progress(watch);
    wm_watch_progress(watch);
    if (write(STDOUT_FILENO, "+", 1) != 1) /* tells the test */
        _exit(99);
}

static void stays(const struct play *play, int rank, struct wm_watch *watch)
{
    (void)play;
    (void)rank;
    get_in_place(watch);
    wait_forever();
}

static void stays_in_start(const struct play *play, int rank, struct wm_watch *watch)
{
    (void)play;
    (void)rank;
    (void)watch;
    wait_forever();
}

static void one_stops(const struct play *play, int rank, struct wm_watch *watch)
{
    get_in_place(watch);
    if (rank == play->who)
        raise(SIGSTOP);
    wait_forever();
}

static void one_dies(const struct play *play, int rank, struct wm_watch *watch)
{
    get_in_place(watch);
    if (rank == play->who)
        raise(SIGKILL);
    wait_forever();
}

/* An operation fails on one rank, the others wait in it. What all knew of before is not told. */
static void one_fails(const struct play *play, int rank, struct wm_watch *watch)
{
    wm_watch_phase(watch, WM_PHASE_MEASURE, 6);
    wm_watch_fault(watch, WM_FAULT_FAILED, "an older story");
    wm_watch_fault(watch, WM_FAULT_NONE, NULL);
    get_in_place(watch);
    if (rank == play->who)
        wm_watch_fault(watch, WM_FAULT_FAILED, "8 bytes (MPI_Send: a bad cable)");
    wait_forever();
}

/* One polls and gives up at its deadline, the other is stuck. */
static void one_gives_up(const struct play *play, int rank, struct wm_watch *watch)
{
    get_in_place(watch);
    while (rank == play->who && !*wm_watch_expired(watch))
        doze_ms(5);
    if (rank == play->who)
        wm_watch_fault(watch, WM_FAULT_GAVE_UP, "nothing came");
    wait_forever();
}

static void one_ends(const struct play *play, int rank, struct wm_watch *watch)
{
    get_in_place(watch);
    if (rank == play->who) {
        wm_watch_stop(watch);
        _exit(0);
    }
    wait_forever();
}

/* Polls, gives up at the deadline, goes on: no harm may come of it. */
static void gives_up(const struct play *play, int rank, struct wm_watch *watch)
{
    const atomic_bool *expired = wm_watch_expired(watch);
    (void)play;
    (void)rank;
    get_in_place(watch);
    if (*expired)
        _exit(10);
    while (!*expired)
        doze_ms(5);
    wm_watch_progress(watch);
    if (!*expired)
        _exit(11); /* only a phase clears it */
    wm_watch_phase(watch, WM_PHASE_WARMUP, 8);
    if (*expired)
        _exit(12);
    for (int i = 0; i < 80; i++) { /* past the judgement of that deadline */
        doze_ms(100);
        wm_watch_progress(watch);
    }
    wm_watch_stop(watch);
}

/* Rank 1 waits longer than a deadline and the grace, while rank 0 works. */
static void one_waits(const struct play *play, int rank, struct wm_watch *watch)
{
    get_in_place(watch);
    for (int i = 0; i < 100; i++) {
        doze_ms(100);
        if (rank != play->who)
            wm_watch_progress(watch);
    }
    wm_watch_stop(watch);
}

static void comes_and_goes(const struct play *play, int rank, struct wm_watch *watch)
{
    sigset_t mask;
    (void)play;
    (void)rank;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGINT))
        _exit(20);
    get_in_place(watch);
    wm_watch_stop(watch);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (sigismember(&mask, SIGTERM) || sigismember(&mask, SIGINT))
        _exit(21);
    wm_watch_stop(NULL);
}

static const char *cell_name(void *arg, uint32_t cell)
{
    (void)arg;
    return cell == 7 ? "cell seven" : "another cell";
}

static const char *last_words(void *arg, const char *why, enum wm_watch_end by)
{
    const struct play *play = arg;
    dprintf(STDERR_FILENO, "[last words%s: %s]", by == WM_END_DEADLINE ? " at a deadline" : "", why);
    if (strcmp(play->name, "last words that hang") == 0)
        wait_forever();
    return "partial result in partial.json";
}

/* clang-format off */
static const struct play plays[] = {
    { "a stopped rank", one_stops, 3, 3, 1, 0.3, 0, { 124, STILL, 124 },
      { "wiremark: timed out after 0.3 s in cell seven (measure)\n",
        "wiremark:   rank 1 on %H is stopped (no sign of life for ", " s; process %1)\n",
        "wiremark:   ranks 0, 2 on %H wait in measure, block 2\n",
        "[last words at a deadline: rank 1 on %H is stopped (no sign of life for ",
        "wiremark: partial result in partial.json\n" }, "recover" },
    { "a killed rank", one_dies, 3, 3, 2, 0.3, 0, { 124, 124, SIGKILL + 128 },
      { "wiremark: timed out after 0.3 s in cell seven (measure)\n",
        "wiremark:   rank 2 on %H is gone (process %2)\n",
        "wiremark:   ranks 0-1 on %H wait in measure, block 2\n",
        "[last words at a deadline: rank 2 on %H is gone (process %2); timed out after 0.3 s in cell seven (measure)]" }, "stopped" },
    { "rank 0 stopped", one_stops, 3, 3, 0, 0.3, 0, { STILL, 124, 124 },
      { "wiremark: timed out after 0.3 s in cell seven (measure)\n",
        "wiremark:   rank 0 on %H is stopped (no sign of life for ", " s; process %0)\n",
        "wiremark:   ranks 1-2 on %H wait in measure, block 2\n" }, "last words" },
    { "nobody to blame", stays, 2, 2, 0, 0.3, 0, { 124, 124 },
      { "wiremark: timed out after 0.3 s in cell seven (measure)\n",
        "wiremark:   ranks 0-1 on %H wait in measure, block 2\n",
        "[last words at a deadline: timed out after 0.3 s in cell seven (measure)]" }, "stopped" },
    { "an operation that fails on one rank", one_fails, 3, 3, 2, 0.3, 0, { 124, 124, 124 },
      { "wiremark: rank 2 on %H failed: 8 bytes (MPI_Send: a bad cable); ranks 0-1 wait for it; "
        "timed out after 0.3 s in cell seven (measure)\n",
        "wiremark:   ranks 0-2 on %H wait in measure, block 2\n",
        "[last words at a deadline: rank 2 on %H failed: 8 bytes (MPI_Send: a bad cable); ranks 0-1 wait for it; "
        "timed out after 0.3 s in cell seven (measure)]" }, "older" },
    { "an operation that one rank gives up", one_gives_up, 2, 2, 0, 0.3, 0, { 124, 124 },
      { "wiremark: rank 0 on %H gave up: nothing came; rank 1 waits for it; timed out after 0.3 s in cell seven" },
      "stopped" },
    { "SIGTERM after a failure", one_fails, 2, 2, 1, 60, SIGTERM, { 1, 1 },
      { "wiremark: ended: SIGTERM; rank 1 on %H failed: 8 bytes (MPI_Send: a bad cable); rank 0 waits for it; partial",
        "[last words: SIGTERM; rank 1 on %H failed" }, "timed out" },
    { "a rank that never comes", stays_in_start, 3, 2, 2, 60, 0, { 124, 124 },
      { "wiremark: MPI_Init did not return within 0.4 s\n",
        "wiremark:   local rank 2 on %H never came to MPI_Init\n",
        "wiremark:   ranks 0-1 on %H wait in MPI_Init\n" }, "timed out" },
    { "SIGTERM", stays, 3, 3, 0, 60, SIGTERM, { 1, 1, 1 },
      { "[last words: SIGTERM]wiremark: ended: SIGTERM; partial result in partial.json\n" }, "gone" },
    { "SIGINT alone", stays, 1, 1, 0, 60, SIGINT, { 1 },
      { "[last words: SIGINT]wiremark: ended: SIGINT; partial result in partial.json\n" }, "gone" },
    { "SIGTERM after a death", one_dies, 3, 3, 1, 60, SIGTERM, { 1, SIGKILL + 128, 1 },
      { "[last words: rank 1 on %H is gone (process %1)]",
        "wiremark: ended: rank 1 on %H is gone (process %1); partial result in partial.json\n" }, "SIGTERM" },
    { "SIGTERM after rank 0's death", one_dies, 3, 3, 0, 60, SIGTERM, { SIGKILL + 128, 1, 1 },
      { "wiremark: ended: rank 0 on %H is gone (process %0); what was measured stands in the journal" }, "last words" },
    { "SIGTERM after rank 0 has left in good order", one_ends, 2, 2, 0, 60, SIGTERM, { 0, 1 }, { 0 }, "gone" },
    { "last words that hang", stays, 1, 1, 0, 60, SIGTERM, { 1 }, { "[last words: SIGTERM]" }, "partial result" },
    { "a lost arm", gives_up, 2, 2, 0, 1.5, 0, { 0, 0 }, { 0 }, "wiremark" },
    { "a rank that waits for a busy one", one_waits, 2, 2, 1, 1.5, 0, { 0, 0 }, { 0 }, "wiremark" },
    { "a run that ends well", comes_and_goes, 2, 2, 0, 60, 0, { 0, 0 }, { 0 }, "wiremark" },
};
/* clang-format on */

#define PLAYS (int)(sizeof(plays) / sizeof(plays[0]))

/* A play on stage. */
struct running {
    pid_t pid[MOST_RANKS];
    int said, ready; /* read ends of stderr and stdout */
};

static void be_rank(int number, int rank, int said, int ready)
{
    const struct play *play = &plays[number];
    struct wm_launch launch = {
        .launched = true, .rank = rank, .size = play->ranks, .local_rank = rank, .local_size = play->ranks
    };
    struct wm_watch_conf conf = { .open_timeout_ns = 400000000,
                                  .timeout_ns = (uint64_t)(play->timeout_s * 1e9),
                                  .cell_name = cell_name,
                                  .last_words = last_words,
                                  .arg = (void *)(uintptr_t)play };
    struct wm_watch *watch = NULL;
    struct wm_err err = { 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(said, STDERR_FILENO);
    dup2(ready, STDOUT_FILENO);
    snprintf(launch.job, sizeof(launch.job), "watch-test-%d-%d", getppid(), number);
    if (wm_watch_start(&launch, &conf, &watch, &err) != WM_OK) {
        dprintf(STDERR_FILENO, "%s", err.what);
        _exit(98);
    }
    play->part(play, rank, watch);
    _exit(0);
}

static void begin(int number, struct running *run)
{
    int said[2], ready[2];
    CHECK(pipe2(said, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
    for (int rank = 0; rank < plays[number].come; rank++) {
        run->pid[rank] = fork();
        if (run->pid[rank] == 0)
            be_rank(number, rank, said[1], ready[1]);
    }
    close(said[1]);
    close(ready[1]);
    run->said = said[0];
    run->ready = ready[0];
}

/** All are in place; whoever is to die has died, and not been waited for: as a launcher's daemon finds it. */
static void send_signal(const struct play *play, struct running *run)
{
    char mark;
    for (int rank = 0; rank < play->come; rank++)
        CHECK_INT(read(run->ready, &mark, 1), 1);
    doze_ms(400);
    for (int rank = 0; rank < play->come; rank++)
        if (kill(run->pid[rank], 0) == 0)
            kill(run->pid[rank], play->signal);
}

/** All have ended, so that what they said is complete. */
static void listen_to(struct running *run, char *text, size_t bytes)
{
    size_t used = 0;
    ssize_t n = 1;
    while (n > 0 && used + 1 < bytes) {
        n = read(run->said, text + used, bytes - used - 1);
        used += n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    close(run->said);
    close(run->ready);
}

static void fill_in(const char *pattern, const struct running *run, char *text, size_t bytes)
{
    size_t used = 0;
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    for (; *pattern != '\0' && used + 1 < bytes; pattern++) {
        if (*pattern != '%')
            used += (size_t)snprintf(text + used, bytes - used, "%c", *pattern);
        else if (*++pattern == 'H')
            used += (size_t)snprintf(text + used, bytes - used, "%s", host);
        else
            used += (size_t)snprintf(text + used, bytes - used, "%d", run->pid[*pattern - '0']);
    }
}

/** How it ended; who is expected to stay is not waited for. */
static int end_of(pid_t pid, int expected)
{
    int status = 0;
    for (int i = 0; i < 400 && (i == 0 || expected != STILL); i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFSIGNALED(status) ? WTERMSIG(status) + 128 : WEXITSTATUS(status);
        doze_ms(50);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return STILL;
}

/** Those that must end first, then those that stay: they are looked at while the others still judge them. */
static void check_ends(const struct play *play, struct running *run)
{
    for (int stay = 0; stay < 2; stay++)
        for (int rank = 0; rank < play->come; rank++)
            if ((play->status[rank] == STILL) == stay)
                CHECK_INT(end_of(run->pid[rank], play->status[rank]), play->status[rank]);
}

static void judge(const struct play *play, struct running *run)
{
    char text[8192] = "", want[400];
    int failed = wm_failed;
    check_ends(play, run);
    listen_to(run, text, sizeof(text));
    for (int i = 0; i < 6 && play->says[i] != NULL; i++) {
        fill_in(play->says[i], run, want, sizeof(want));
        CHECK_HAS(text, want);
    }
    CHECK(strstr(text, play->silent) == NULL);
    if (wm_failed != failed)
        printf("  in the play: %s; said: %s\n", play->name, text);
}

/** Boards that are still named after all have gone. */
static int boards_left(void)
{
    char mark[64];
    int n = 0;
    DIR *d = opendir("/dev/shm");
    struct dirent *e;
    snprintf(mark, sizeof(mark), "-watch-test-%d-", getpid());
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strstr(e->d_name, mark) != NULL) {
            printf("left in /dev/shm: %s\n", e->d_name);
            n++;
        }
    }
    if (d != NULL)
        closedir(d);
    return n;
}

/* Without a launcher there is nobody else to see, and the same deadlines. */
static void check_alone(void)
{
    struct wm_launch launch = { .rank = -1, .size = -1, .local_rank = -1, .local_size = -1 };
    struct wm_watch_conf conf = { .open_timeout_ns = 1, .timeout_ns = 60000000000u };
    struct wm_watch *watch = NULL;
    struct wm_err err = { 0 };
    CHECK_INT(wm_watch_start(&launch, &conf, &watch, &err), WM_OK);
    for (int i = 0; i < 100 && !*wm_watch_expired(watch); i++)
        doze_ms(50);
    CHECK(*wm_watch_expired(watch)); /* START, open_timeout */
    wm_watch_phase(watch, WM_PHASE_MEASURE, 0);
    CHECK(!*wm_watch_expired(watch));
    doze_ms(300);
    CHECK(!*wm_watch_expired(watch));
    conf.timeout_ns = 1;
    wm_watch_inform(watch, &conf);
    for (int i = 0; i < 100 && !*wm_watch_expired(watch); i++)
        doze_ms(50);
    CHECK(*wm_watch_expired(watch));
    wm_watch_stop(watch);
}

int main(void)
{
    struct running run[PLAYS] = { 0 };
    for (int i = 0; i < PLAYS; i++)
        begin(i, &run[i]);
    for (int i = 0; i < PLAYS; i++)
        if (plays[i].signal != 0)
            send_signal(&plays[i], &run[i]);
    check_alone();
    for (int i = 0; i < PLAYS; i++)
        judge(&plays[i], &run[i]);
    CHECK_INT(boards_left(), 0);
    return wm_tests_end();
}
