/** The journal: a line is one write(2), so that a killed process leaves whole lines and at most one that is cut. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/result/field.h"
#include "src/result/replace.h"

#define SYNC_INTERVAL_NS 1000000000u

struct wm_journal {
    pthread_mutex_t lock; /* guards everything below */
    int fd;
    bool sealed;
    off_t good; /* end of the last complete line */
    uint64_t synced_ns;
    struct wm_err failed; /* the first failure; nothing is written after it */
    char path[];
};

static int write_all(int fd, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, text, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return -1;
        }
        text += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static void sync_now_and_then(struct wm_journal *j)
{
    uint64_t now_ns = wm_now_ns();
    if (now_ns - j->synced_ns < SYNC_INTERVAL_NS)
        return;
    if (fdatasync(j->fd) != 0 && errno != EINVAL)
        wm_fail_io(&j->failed, "fdatasync", "write", j->path);
    j->synced_ns = wm_now_ns();
}

/* Under the lock. A line that did not fit is taken back: what stands in the file is complete lines. */
static void write_line(struct wm_journal *j, const char *line, size_t bytes)
{
    if (write_all(j->fd, line, bytes) == 0) {
        j->good += (off_t)bytes;
        sync_now_and_then(j);
        return;
    }
    wm_fail_io(&j->failed, "write", "write", j->path);
    /* If this fails too, the reader leaves out the part of a line at the end. */
    if (ftruncate(j->fd, j->good) != 0)
        return;
}

static int append(struct wm_journal *j, const char *line, size_t bytes, struct wm_err *err)
{
    int rc = WM_OK;
    pthread_mutex_lock(&j->lock);
    if (j->sealed) {
        rc = wm_fail(err, WM_EIO, "", 0, "the run is ending");
    } else {
        if (j->failed.code == WM_OK)
            write_line(j, line, bytes);
        rc = j->failed.code;
        if (rc != WM_OK && err->code == WM_OK)
            *err = j->failed;
    }
    pthread_mutex_unlock(&j->lock);
    return rc;
}

/* Takes over `value`. Only the write is under the lock: making the text is not. */
static int append_json(struct wm_journal *j, const char *kind, json_t *value, struct wm_err *err)
{
    char *text = value == NULL ? NULL : json_dumps(value, WM_RESULT_JSON);
    char *line = NULL;
    int bytes = text == NULL ? -1 : asprintf(&line, "{\"%s\":%s}\n", kind, text);
    int rc = bytes < 0 ? wm_fail(err, WM_ENOMEM, "json_dumps", 0, "a line of %s", j->path)
                       : append(j, line, (size_t)bytes, err);
    if (bytes >= 0)
        free(line);
    free(text);
    json_decref(value);
    return rc;
}

static int open_file(const char *path, struct wm_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0)
        return fd;
    int native = errno;
    if (native == EEXIST)
        wm_fail(err, WM_EUSAGE, "", native,
                "%s is left from a run that did not end: wiremark recover %s -o RESULT makes a result of it; "
                "then remove it",
                path, path);
    else if (native == ENOSPC || native == EDQUOT || native == EIO)
        wm_fail_io(err, "open", "write", path);
    else
        wm_fail(err, WM_EUSAGE, "", native, "cannot write %s: %s", path, strerror(native));
    return -1;
}

int wm_journal_open(const char *path, const json_t *head, struct wm_journal **out, struct wm_err *err)
{
    size_t path_bytes = strlen(path) + 1;
    const char *schema = json_string_value(json_object_get(head, "schema"));
    if (schema == NULL || strcmp(schema, WM_RESULT_SCHEMA) != 0)
        return wm_fail(err, WM_EBUG, "", 0, "the head of journal %s does not name " WM_RESULT_SCHEMA, path);
    struct wm_journal *j = calloc(1, sizeof(*j) + path_bytes);
    if (j == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", errno, "journal %s", path);
    memcpy(j->path, path, path_bytes);
    pthread_mutex_init(&j->lock, NULL);
    j->fd = open_file(path, err);
    int rc = j->fd < 0 ? (int)err->code : append_json(j, "head", json_deep_copy(head), err);
    if (rc == WM_OK) {
        *out = j;
        return WM_OK;
    }
    if (j->fd >= 0)
        unlink(path);
    wm_journal_close(j);
    return rc;
}

static int append_cell(struct wm_journal *j, const char *kind, const struct wm_result_cell *cell, unsigned flags,
                       struct wm_err *err)
{
    const char *lacks = wm_result_cell_lacks(cell);
    if (lacks != NULL)
        return wm_fail(err, WM_EBUG, "", 0, "cell \"%s\" has no %s", cell->id, lacks);
    return append_json(j, kind, wm_result_cell_fields(cell, flags), err);
}

int wm_journal_plan(struct wm_journal *j, const struct wm_result_cell *stub, struct wm_err *err)
{
    return append_cell(j, "planned", stub, WM_FIELD_IDENTITY, err);
}

int wm_journal_cell(struct wm_journal *j, const struct wm_result_cell *cell, struct wm_err *err)
{
    return append_cell(j, "cell", cell, 0, err);
}

int wm_journal_comparison(struct wm_journal *j, const json_t *comparison, struct wm_err *err)
{
    return append_json(j, "comparison", json_deep_copy(comparison), err);
}

int wm_journal_comparison_so_far(struct wm_journal *j, const json_t *comparison, struct wm_err *err)
{
    return append_json(j, "comparison_so_far", json_deep_copy(comparison), err);
}

int wm_journal_choice(struct wm_journal *j, const json_t *choice, struct wm_err *err)
{
    return append_json(j, "choice", json_deep_copy(choice), err);
}

void wm_journal_seal(struct wm_journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->sealed = true;
    pthread_mutex_unlock(&j->lock);
}

void wm_journal_close(struct wm_journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0) {
        fdatasync(j->fd);
        close(j->fd);
    }
    pthread_mutex_destroy(&j->lock);
    free(j);
}
