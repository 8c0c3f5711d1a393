/** The board, what is told of it, and the hosts' questions to each other. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/world/ask.h"
#include "src/world/board.h"
#include "src/world/report.h"
#include "src/world/watch.h"
#include "tests/unit/check.h"

#define SECOND_NS 1000000000ull

static void doze_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/** A child that does nothing, in process state `letter`: S, T (stopped) or Z (dead, not waited for). */
static pid_t child_in_state(char letter)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    if (letter == 'T')
        kill(pid, SIGSTOP);
    if (letter == 'Z')
        kill(pid, SIGKILL);
    doze_ms(50);
    return pid;
}

struct look_case {
    char process; /* state of its process */
    uint64_t quiet_ns;
    uint32_t line_state;
    enum wm_sight_state want;
};

static void check_looks(void)
{
    static const struct look_case cases[] = {
        { 'S', 0, WM_LINE_HELD, WM_SEEN_ALIVE },
        { 'S', SECOND_NS, WM_LINE_HELD, WM_SEEN_ALIVE }, /* late, not dead */
        { 'S', 60 * SECOND_NS, WM_LINE_HELD, WM_SEEN_STOPPED },
        { 'T', SECOND_NS, WM_LINE_HELD, WM_SEEN_STOPPED },
        { 'Z', SECOND_NS, WM_LINE_HELD, WM_SEEN_GONE },
        { 'Z', 0, WM_LINE_HELD, WM_SEEN_ALIVE }, /* another pid namespace: its number says nothing here */
        { 'Z', SECOND_NS, WM_LINE_ENDED, WM_SEEN_ENDED },
        { 'S', 0, WM_LINE_FREE, WM_SEEN_NEVER },
    };
    struct wm_board board = { 0 };
    struct wm_err err = { 0 };
    CHECK_INT(wm_board_private(4, &board, &err), WM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_sight s;
        pid_t pid = child_in_state(cases[i].process);
        uint64_t now_ns = wm_now_ns() + 100 * SECOND_NS;
        struct wm_board_line *l = &board.line[2];
        l->pid = pid;
        l->rank = 9;
        l->alive_ns = now_ns - cases[i].quiet_ns;
        l->moved_ns = now_ns - 7 * SECOND_NS;
        l->block = 5;
        l->state = cases[i].line_state;
        wm_board_look(&board, 2, now_ns, &s);
        CHECK_INT(s.state, cases[i].want);
        CHECK_INT(s.rank, cases[i].want == WM_SEEN_NEVER ? -1 : 9);
        if (cases[i].want != WM_SEEN_NEVER) {
            CHECK_INT(s.moved_age_ms, 7000);
            CHECK_INT(s.alive_age_ms, cases[i].quiet_ns / 1000000);
            CHECK_INT(s.block, 5);
        }
        CHECK_INT(wm_board_lowest_alive(&board, now_ns), cases[i].want == WM_SEEN_ALIVE ? 2 : -1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    wm_board_close(&board);
}

/** All lines of a full host, written by two processes through one name. */
static void check_sharing(void)
{
    struct wm_board a = { 0 }, b = { 0 };
    struct wm_err err = { 0 };
    char name[64];
    pid_t pid;
    snprintf(name, sizeof(name), "/wiremark-board-test-%d", getpid());
    CHECK_INT(wm_board_shared(name, WM_BOARD_LINES, &a, &err), WM_OK);
    CHECK_INT(wm_board_shared(name, WM_BOARD_LINES, &b, &err), WM_OK);
    CHECK_INT(sizeof(struct wm_board_line), 64);
    CHECK_INT((uintptr_t)a.line % 64, 0);
    CHECK(wm_board_hold(&a, 0, 10));
    CHECK(!wm_board_hold(&b, 0, 11));
    pid = fork();
    if (pid == 0)
        _exit(wm_board_hold(&b, WM_BOARD_LINES - 1, 12) ? 0 : 1);
    waitpid(pid, NULL, 0);
    CHECK_INT(a.line[0].rank, 10);
    CHECK_INT(a.line[WM_BOARD_LINES - 1].rank, 12);
    CHECK_INT(a.line[WM_BOARD_LINES - 1].pid, pid);
    CHECK_INT(a.line[1].state, WM_LINE_FREE);
    wm_board_unlink(&a);
    CHECK(shm_unlink(name) != 0);
    a.line[5].cell = 77;
    CHECK_INT(b.line[5].cell, 77);
    wm_board_close(&a);
    wm_board_close(&b);
    wm_board_close(&b);
}

/* What failed first is kept until it is forgotten; a long story looks cut. */
static void check_notes(void)
{
    struct wm_board board = { 0 };
    struct wm_err err = { 0 };
    struct wm_sight s;
    char longer[2 * WM_FAULT_BYTES];
    CHECK_INT(wm_board_private(2, &board, &err), WM_OK);
    CHECK_INT(sizeof(struct wm_board_fault) % 64, 0);
    wm_board_hold(&board, 1, 7);
    board.line[1].cell = 3;
    wm_board_look(&board, 1, wm_now_ns(), &s);
    CHECK_INT(s.fault, WM_FAULT_NONE);
    wm_board_note(&board, 1, WM_FAULT_FAILED, "the first");
    board.line[1].cell = 4;
    wm_board_note(&board, 1, WM_FAULT_GAVE_UP, "the second");
    wm_board_look(&board, 1, wm_now_ns() + 5 * SECOND_NS, &s);
    CHECK_INT(s.fault, WM_FAULT_FAILED);
    CHECK_INT(s.fault_cell, 3);
    CHECK_INT(s.fault_age_ms / 1000, 5);
    CHECK_TEXT(s.fault_text, "the first");
    wm_board_look(&board, 0, wm_now_ns(), &s);
    CHECK_INT(s.fault, WM_FAULT_NONE);
    wm_board_note(&board, 1, WM_FAULT_NONE, NULL);
    wm_board_look(&board, 1, wm_now_ns(), &s);
    CHECK_INT(s.fault, WM_FAULT_NONE);
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    wm_board_note(&board, 1, WM_FAULT_GAVE_UP, longer);
    wm_board_look(&board, 1, wm_now_ns(), &s);
    CHECK_INT(s.fault, WM_FAULT_GAVE_UP);
    CHECK_INT(s.fault_cell, 4);
    CHECK_INT(strlen(s.fault_text), WM_FAULT_BYTES - 1);
    CHECK_TEXT(s.fault_text + WM_FAULT_BYTES - 5, "x...");
    wm_board_close(&board);
}

static void check_no_shared_memory(void)
{
    struct wm_board board = { 0 };
    struct wm_err err = { 0 };
    CHECK_INT(wm_board_shared("/no/such/folder", 4, &board, &err), WM_ESYS);
    CHECK_HAS(err.what, "cannot create the progress board /no/such/folder");
    CHECK_TEXT(err.call, "shm_open");
    CHECK(board.head == NULL);
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_board_shared("/wiremark-too-large", 2000000000, &board, &err), WM_ESYS);
    CHECK_HAS(err.what, "no room for 640000000064 bytes of the progress board in /dev/shm");
    CHECK(shm_unlink("/wiremark-too-large") != 0);
}

static const char *cell_name(void *arg, uint32_t cell)
{
    return cell == 3 ? arg : "another cell";
}

static struct wm_sight seen(int rank, int host, enum wm_sight_state state, uint32_t phase, uint32_t block)
{
    return (struct wm_sight){ .rank = rank,
                              .host = host,
                              .state = state,
                              .phase = phase,
                              .cell = 3,
                              .block = block,
                              .pid = 4000 + rank,
                              .alive_age_ms = 63000 };
}

static void check_report(void)
{
    char hosts[4][64] = { "h1", "h2", "h3", "h4" }, name[] = "latency mpi 8 B", text[4096], where[128];
    struct wm_sight s[] = {
        seen(0, 0, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),
        seen(1, 1, WM_SEEN_STOPPED, WM_PHASE_MEASURE, 7),
        seen(2, 2, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),
        seen(3, 0, WM_SEEN_GONE, WM_PHASE_MEASURE, 7),
        seen(4, 1, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),
        seen(5, 2, WM_SEEN_ENDED, WM_PHASE_END, 0),
        seen(6, 3, WM_SEEN_NOTHING, 0, 0),
        seen(7, 3, WM_SEEN_NOTHING, 0, 0),
        seen(8, 1, WM_SEEN_ALIVE, WM_PHASE_OPEN, 0),
        seen(9, 2, WM_SEEN_ALIVE, WM_PHASE_VERIFY, 2),
        seen(10, 1, WM_SEEN_STOPPED, WM_PHASE_OPEN, 0),
    };
    struct wm_scene scene = { s, 11, hosts, 4, cell_name, name };
    struct wm_lines out = { text, sizeof(text), 0 };
    s[9].cell = 4;
    wm_report_ranks(&scene, &s[0], &out);
    CHECK_TEXT(text, "wiremark:   rank 3 on h1 is gone (process 4003)\n"
                     "wiremark:   ranks 1, 10 on h2 are stopped (no sign of life for 63 s)\n"
                     "wiremark:   host h4 (ranks 6-7) does not answer\n"
                     "wiremark:   ranks 0, 2, 4 wait in measure, block 7\n"
                     "wiremark:   rank 8 on h2 waits in open\n"
                     "wiremark:   rank 9 on h3 waits in verify, block 2 of another cell\n");
    CHECK_TEXT(wm_report_where(&scene, &s[0], where, sizeof(where)), "latency mpi 8 B (measure)");
    CHECK_TEXT(wm_report_where(&scene, &s[8], where, sizeof(where)), "open");
    CHECK_TEXT(wm_report_culprit(&scene, false, text, sizeof(text)), "rank 3 on h1 is gone (process 4003)");
    s[3].state = WM_SEEN_ALIVE;
    s[10].state = WM_SEEN_ALIVE;
    CHECK_TEXT(wm_report_culprit(&scene, false, text, sizeof(text)), "host h4 (ranks 6-7) does not answer");
    CHECK_TEXT(wm_report_culprit(&scene, true, text, sizeof(text)),
               "rank 1 on h2 is stopped (no sign of life for 63 s; process 4001)");
    s[1].alive_age_ms = WM_AGE_UNKNOWN;
    CHECK_TEXT(wm_report_culprit(&scene, true, text, sizeof(text)),
               "rank 1 on h2 is stopped (the host answers, the process does not; process 4001)");
    scene.n = 1;
    CHECK_TEXT(wm_report_culprit(&scene, true, text, sizeof(text)), "");
}

static void fail(struct wm_sight *s, enum wm_fault fault, uint32_t age_ms, const char *text)
{
    s->fault = fault;
    s->fault_cell = 3;
    s->fault_age_ms = age_ms;
    snprintf(s->fault_text, sizeof(s->fault_text), "%s", text);
}

/* A failure outranks a deadline, the older one the younger; who stands elsewhere does not wait for it. */
static void check_report_of_faults(void)
{
    char hosts[2][64] = { "h1", "h2" }, name[] = "latency mpi 8 B", text[400];
    struct wm_sight s[] = {
        seen(0, 0, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),   seen(1, 0, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),
        seen(2, 1, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),   seen(3, 1, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 6),
        seen(4, 1, WM_SEEN_ALIVE, WM_PHASE_IDLE, 0),      seen(5, 1, WM_SEEN_ALIVE, WM_PHASE_MEASURE, 7),
        seen(6, 1, WM_SEEN_STOPPED, WM_PHASE_MEASURE, 7),
    };
    struct wm_scene scene = { s, 7, hosts, 2, cell_name, name };
    s[5].cell = 4;
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_GAVE_UP, text, sizeof(text)), "");
    fail(&s[1], WM_FAULT_GAVE_UP, 2000, "nothing came");
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_GAVE_UP, text, sizeof(text)),
               "rank 1 on h1 gave up: nothing came; ranks 0, 2-3 wait for it");
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_FAILED, text, sizeof(text)), "");
    fail(&s[0], WM_FAULT_FAILED, 100, "later");
    fail(&s[2], WM_FAULT_FAILED, 900, "sent 8 bytes (send: broken)");
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_FAILED, text, sizeof(text)),
               "rank 2 on h2 failed: sent 8 bytes (send: broken); ranks 1, 3 wait for it");
    CHECK_TEXT(wm_report_fault(&scene, &s[5], WM_FAULT_FAILED, text, sizeof(text)),
               "rank 2 on h2 failed: sent 8 bytes (send: broken) in latency mpi 8 B; ranks 1, 3 wait for it");
    s[1].cell = s[3].cell = 4;
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_FAILED, text, sizeof(text)),
               "rank 2 on h2 failed: sent 8 bytes (send: broken)");
    s[3].cell = 3;
    CHECK_TEXT(wm_report_fault(&scene, &s[0], WM_FAULT_FAILED, text, sizeof(text)),
               "rank 2 on h2 failed: sent 8 bytes (send: broken); rank 3 waits for it");
    wm_report_fault(&scene, &s[0], WM_FAULT_FAILED, text, 20);
    CHECK_TEXT(text, "rank 2 on h2 failed");
}

/* Before MPI_Init has returned ranks may be unknown. */
static void check_report_of_start(void)
{
    char hosts[1][64] = { "h1" }, text[1024];
    struct wm_sight s[] = { seen(-1, 0, WM_SEEN_NEVER, 0, 0), seen(5, 0, WM_SEEN_ALIVE, WM_PHASE_START, 0),
                            seen(-1, 0, WM_SEEN_NEVER, 0, 0), seen(-1, 0, WM_SEEN_NEVER, 0, 0) };
    struct wm_scene scene = { s, 4, hosts, 1, NULL, NULL };
    struct wm_lines out = { text, sizeof(text), 0 };
    wm_report_ranks(&scene, &s[1], &out);
    CHECK_TEXT(text, "wiremark:   local ranks 0, 2-3 on h1 never came to MPI_Init\n"
                     "wiremark:   rank 5 on h1 waits in MPI_Init\n");
}

/* A full host in disorder: the report stays short, and is cut rather than overrun. */
static void check_report_of_many(void)
{
    enum { RANKS = 4096 };
    struct wm_sight *s = calloc(RANKS, sizeof(*s));
    char hosts[1][64] = { "h1" }, text[16384], small[100];
    struct wm_scene scene = { s, RANKS, hosts, 1, NULL, NULL };
    struct wm_lines out = { text, sizeof(text), 0 }, cut = { small, sizeof(small), 0 };
    for (int r = 0; r < RANKS; r++)
        s[r] = seen(r, 0, WM_SEEN_ALIVE, WM_PHASE_MEASURE, (uint32_t)(r % 2));
    wm_report_ranks(&scene, &s[0], &out);
    CHECK_HAS(text, "wiremark:   ranks 0, 2, 4, 6, ");
    CHECK_HAS(text, ", ... on h1 wait in measure, block 0\n");
    CHECK_HAS(text, "wiremark:   ranks 1, 3, 5, 7, ");
    CHECK(out.used < 1000);
    wm_report_ranks(&scene, &s[0], &cut);
    CHECK_INT(strlen(small), sizeof(small) - 1);
    for (int r = 0; r < RANKS; r++)
        s[r].block = (uint32_t)r;
    out.used = 0;
    wm_report_ranks(&scene, &s[0], &out);
    CHECK_HAS(text, "wiremark:   rank 0 on h1 waits in measure, block 0\n");
    CHECK_HAS(text, "wiremark:   others stand elsewhere\n");
    CHECK(out.used < 4000);
    free(s);
}

static int listener(in_port_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 16) == 0);
    getsockname(fd, (struct sockaddr *)&at, &bytes);
    *port = at.sin_port;
    return fd;
}

static int client(in_port_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = port };
    struct timeval wait = { .tv_sec = 5 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

struct stranger_case {
    uint8_t token;
    uint32_t host, value;
    size_t bytes; /* of the request that are sent */
    int answer_lines, over;
};

/* Only who knows the token, and means this host, gets an answer; who says nothing does not hold anybody up. */
static void check_strangers(void)
{
    static const struct stranger_case cases[] = {
        { 0xab, 2, 0, sizeof(struct wm_ask_message), 3, 0 },
        { 0xac, 2, 124, sizeof(struct wm_ask_message), 0, 0 },
        { 0xab, 1, 124, sizeof(struct wm_ask_message), 0, 0 },
        { 0xab, 2, 0, 5, 0, 0 },
        { 0xab, 2, 0, 0, 0, 0 },
        { 0xab, 2, 124, sizeof(struct wm_ask_message), 3, 124 },
    };
    struct wm_board board = { 0 };
    struct wm_err err = { 0 };
    struct wm_ask ask = { .self = 2, .hosts = 3 };
    in_port_t port;
    ask.listener = listener(&port);
    memset(ask.token, 0xab, sizeof(ask.token));
    CHECK_INT(wm_board_private(3, &board, &err), WM_OK);
    wm_board_hold(&board, 1, 41);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wm_ask_message m = { .host = cases[i].host, .value = cases[i].value }, head;
        struct wm_sight lines[3];
        int fd = client(port);
        memset(m.token, cases[i].token, sizeof(m.token));
        if (cases[i].bytes > 0)
            CHECK(send(fd, &m, cases[i].bytes, 0) == (ssize_t)cases[i].bytes);
        doze_ms(20);
        wm_ask_serve(&ask, &board);
        if (cases[i].answer_lines == 0) {
            CHECK(recv(fd, &head, sizeof(head), MSG_WAITALL) <= 0);
        } else {
            CHECK_INT(recv(fd, &head, sizeof(head), MSG_WAITALL), sizeof(head));
            CHECK_INT(head.value, 3);
            CHECK_INT(recv(fd, lines, sizeof(lines), MSG_WAITALL), sizeof(lines));
            CHECK_INT(lines[0].state, WM_SEEN_NEVER);
            CHECK_INT(lines[1].state, WM_SEEN_ALIVE);
            CHECK_INT(lines[1].rank, 41);
        }
        CHECK_INT(board.head->over, cases[i].over);
        close(fd);
    }
    close(ask.listener);
    wm_board_close(&board);
}

/* Another host, in a child: answers with a board on which its rank is alive. */
static pid_t answering_host(int fd, int self, const uint8_t token[16], int rank)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct wm_board board = { 0 };
        struct wm_err err = { 0 };
        struct wm_ask ask = { .listener = fd, .self = self, .hosts = 5 };
        memcpy(ask.token, token, sizeof(ask.token));
        wm_board_private(2, &board, &err);
        wm_board_hold(&board, 0, rank);
        wm_board_note(&board, 0, WM_FAULT_FAILED, "a story from afar");
        for (;;) {
            board.line[0].alive_ns = wm_now_ns();
            wm_ask_serve(&ask, &board);
            doze_ms(10);
        }
    }
    return pid;
}

/* Host 0 asks; of host 1 the second process answers, 2 takes calls and is mute, 3 has no process left, 4 is somebody
 * else. */
static void check_asking(void)
{
    enum { HOSTS = 5, RANKS = 9 };
    int32_t member[RANKS], pid[RANKS];
    uint8_t refused[RANKS], silent[RANKS];
    in_port_t port[RANKS] = { 0 };
    struct wm_ask_host host[HOSTS] = { 0 };
    struct wm_sight inbox[RANKS], sight[RANKS];
    struct pollfd polls[HOSTS + 1];
    int polled[HOSTS + 1], fd[RANKS];
    struct wm_ask ask = { .listener = -1,
                          .hosts = HOSTS,
                          .ranks = RANKS,
                          .host = host,
                          .member = member,
                          .port = port,
                          .pid = pid,
                          .refused = refused,
                          .silent = silent,
                          .inbox = inbox,
                          .poll = polls,
                          .polled = polled };
    struct wm_board board = { 0 };
    struct wm_err err = { 0 };
    pid_t friend, stranger;
    memset(ask.token, 0x5a, sizeof(ask.token));
    memset(sight, 0xff, sizeof(sight));
    for (int r = 0; r < RANKS; r++) {
        member[r] = r;
        pid[r] = 4000 + r;
        fd[r] = listener(&port[r]);
    }
    for (int h = 0; h < HOSTS; h++) {
        host[h] = (struct wm_ask_host){ .fd = -1, .first = h == 0 ? 0 : 2 * h - 1, .ranks = h == 0 ? 1 : 2 };
        inet_pton(AF_INET, "127.0.0.1", &host[h].address[host[h].addresses++]);
    }
    ask.listener = fd[0];
    close(fd[5]);
    close(fd[6]);
    friend = answering_host(fd[2], 1, ask.token, 2);
    stranger = answering_host(fd[7], 1, ask.token, 7);
    CHECK_INT(wm_board_private(1, &board, &err), WM_OK);
    wm_ask_all(&ask, &board, &board.line[0], 0, 3 * SECOND_NS, SECOND_NS / 4, sight);
    CHECK_INT(sight[0].rank, -1); /* the own host is the caller's */
    CHECK_INT(sight[1].state, WM_SEEN_ALIVE);
    CHECK_INT(sight[1].fault, WM_FAULT_FAILED);
    CHECK_TEXT(sight[1].fault_text, "a story from afar");
    CHECK_INT(sight[2].fault, WM_FAULT_NONE);
    CHECK_INT(sight[2].state, WM_SEEN_NEVER);
    CHECK_INT(sight[2].host, 1);
    CHECK_INT(sight[3].state, WM_SEEN_STOPPED);
    CHECK_INT(sight[3].rank, 3);
    CHECK_INT(sight[3].pid, 4003);
    CHECK_INT(sight[3].alive_age_ms, WM_AGE_UNKNOWN);
    CHECK_INT(sight[4].host, 2);
    CHECK_INT(sight[5].state, WM_SEEN_GONE);
    CHECK_INT(sight[6].state, WM_SEEN_GONE);
    CHECK_INT(sight[7].state, WM_SEEN_NOTHING);
    CHECK(board.line[0].alive_ns > 0);
    kill(friend, SIGKILL);
    kill(stranger, SIGKILL);
    waitpid(friend, NULL, 0);
    waitpid(stranger, NULL, 0);
    for (int r = 0; r < RANKS; r++)
        if (r != 5 && r != 6)
            close(fd[r]);
    wm_board_close(&board);
}

int main(void)
{
    check_looks();
    check_sharing();
    check_notes();
    check_no_shared_memory();
    check_report();
    check_report_of_faults();
    check_report_of_start();
    check_report_of_many();
    check_strangers();
    check_asking();
    return wm_tests_end();
}
