#include "src/world/board.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/core/clock.h"

/* Signs of life come every 100 ms; a thread on a crowded host may be late. */
#define FRESH_NS   250000000u
#define STOPPED_NS 3000000000u

static size_t bytes_of(int lines)
{
    size_t line = sizeof(struct wm_board_line) + sizeof(struct wm_board_fault);
    return sizeof(struct wm_board_head) + (size_t)lines * line;
}

static void use(struct wm_board *board, void *memory, int lines, const char *name)
{
    board->head = memory;
    board->line = (struct wm_board_line *)(board->head + 1);
    board->fault = (struct wm_board_fault *)(board->line + lines);
    board->lines = lines;
    board->mapped_bytes = bytes_of(lines);
    snprintf(board->name, sizeof(board->name), "%s", name);
}

int wm_board_private(int lines, struct wm_board *out, struct wm_err *err)
{
    void *memory = mmap(NULL, bytes_of(lines), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return wm_fail_errno(err, "mmap", "no memory for the progress board of %d ranks", lines);
    use(out, memory, lines, "");
    return WM_OK;
}

int wm_board_shared(const char *name, int lines, struct wm_board *out, struct wm_err *err)
{
    void *memory = MAP_FAILED;
    int rc, fd = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return wm_fail_errno(err, "shm_open", "cannot create the progress board %s in shared memory (/dev/shm)", name);
    /* Reserved, not only sized: a full /dev/shm is an error here, not a SIGBUS later. All do it; it clears nothing. */
    rc = posix_fallocate(fd, 0, (off_t)bytes_of(lines));
    if (rc == 0)
        memory = mmap(NULL, bytes_of(lines), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    else
        errno = rc;
    if (memory == MAP_FAILED) {
        wm_fail_errno(err, rc != 0 ? "posix_fallocate" : "mmap",
                      "no room for %zu bytes of the progress board in /dev/shm", bytes_of(lines));
        shm_unlink(name);
    } else {
        use(out, memory, lines, name);
    }
    close(fd);
    return err->code;
}

void wm_board_unlink(struct wm_board *board)
{
    if (board->name[0] != '\0')
        shm_unlink(board->name);
    board->name[0] = '\0';
}

void wm_board_close(struct wm_board *board)
{
    if (board == NULL || board->head == NULL)
        return;
    wm_board_unlink(board);
    munmap(board->head, board->mapped_bytes);
    memset(board, 0, sizeof(*board));
}

bool wm_board_hold(struct wm_board *board, int line, int rank)
{
    struct wm_board_line *l = &board->line[line];
    uint64_t now_ns = wm_now_ns();
    uint32_t state = WM_LINE_FREE;
    int32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&l->pid, &nobody, (int32_t)getpid()))
        return false;
    l->rank = rank;
    l->phase = 0;
    l->cell = 0;
    l->block = 0;
    l->moved_ns = now_ns;
    l->alive_ns = now_ns;
    return atomic_compare_exchange_strong(&l->state, &state, WM_LINE_HELD);
}

void wm_board_note(struct wm_board *board, int line, enum wm_fault kind, const char *text)
{
    struct wm_board_fault *f = &board->fault[line];
    if (kind != WM_FAULT_NONE) {
        if (f->kind != WM_FAULT_NONE)
            return;
        f->cell = board->line[line].cell;
        f->since_ns = wm_now_ns();
        if (snprintf(f->text, sizeof(f->text), "%s", text) >= (int)sizeof(f->text))
            memcpy(f->text + sizeof(f->text) - 4, "...", 4); /* a cut sentence looks cut */
    }
    f->kind = kind;
}

/** The letter of /proc/PID/stat (R S D T t Z X ...); 0 = no such process. */
static char process_state(int pid)
{
    char path[32], text[256], *end;
    ssize_t got;
    int fd;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kill(pid, 0) != 0 && errno == ESRCH ? 0 : 'S';
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : 0;
}

static enum wm_sight_state judge(int pid, uint64_t age_ns)
{
    char state;
    if (age_ns < FRESH_NS)
        return WM_SEEN_ALIVE;
    state = process_state(pid);
    if (state == 0 || state == 'Z' || state == 'X')
        return WM_SEEN_GONE;
    return state == 'T' || state == 't' || age_ns > STOPPED_NS ? WM_SEEN_STOPPED : WM_SEEN_ALIVE;
}

static uint64_t age_ns(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static uint32_t milliseconds(uint64_t ns)
{
    return ns / 1000000 < UINT32_MAX ? (uint32_t)(ns / 1000000) : UINT32_MAX;
}

/* One that is forgotten while it is copied is none. */
static void look_at_fault(const struct wm_board_fault *f, uint64_t now_ns, struct wm_sight *out)
{
    uint32_t kind = f->kind;
    if (kind == WM_FAULT_NONE)
        return;
    out->fault_cell = f->cell;
    out->fault_age_ms = milliseconds(age_ns(now_ns, f->since_ns));
    memcpy(out->fault_text, f->text, sizeof(out->fault_text) - 1);
    out->fault = f->kind == kind ? kind : WM_FAULT_NONE;
}

void wm_board_look(const struct wm_board *board, int line, uint64_t now_ns, struct wm_sight *out)
{
    const struct wm_board_line *l = &board->line[line];
    uint32_t state = l->state;
    uint64_t quiet_ns = age_ns(now_ns, l->alive_ns);
    *out = (struct wm_sight){ .rank = -1, .state = state == WM_LINE_ENDED ? WM_SEEN_ENDED : WM_SEEN_NEVER };
    if (state == WM_LINE_FREE)
        return;
    out->rank = l->rank;
    out->pid = l->pid;
    out->phase = l->phase;
    out->cell = l->cell;
    out->block = l->block;
    out->alive_age_ms = milliseconds(quiet_ns);
    out->moved_age_ms = milliseconds(age_ns(now_ns, l->moved_ns));
    look_at_fault(&board->fault[line], now_ns, out);
    if (state == WM_LINE_HELD)
        out->state = judge(out->pid, quiet_ns);
}

int wm_board_lowest_alive(const struct wm_board *board, uint64_t now_ns)
{
    for (int i = 0; i < board->lines; i++) {
        struct wm_sight s;
        wm_board_look(board, i, now_ns, &s);
        if (s.state == WM_SEEN_ALIVE)
            return i;
    }
    return -1;
}
