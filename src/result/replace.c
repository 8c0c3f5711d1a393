#include "src/result/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wm_fail_io(struct wm_err *err, const char *call, const char *doing, const char *path)
{
    int native = errno;
    enum wm_code before = err->code;
    int rc = wm_fail(err, WM_EIO, call, native, "%s %s", doing, path);
    if (before == WM_OK)
        snprintf(err->native_text, sizeof(err->native_text), "%s", strerror(native));
    return rc;
}

int wm_put(FILE *to, const char *text, size_t bytes, struct wm_err *err)
{
    errno = 0;
    if (fwrite(text, 1, bytes, to) == bytes)
        return WM_OK;
    return wm_fail_io(err, "fwrite", "write", "the result");
}

int wm_put_text(FILE *to, const char *text, struct wm_err *err)
{
    return wm_put(to, text, strlen(text), err);
}

/* Devices and pipes cannot be synchronised: EINVAL is no loss there. */
static int sync_fd(int fd, const char *path, struct wm_err *err)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS)
        return WM_OK;
    return wm_fail_io(err, "fsync", "write", path);
}

static int fill(FILE *to, const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                struct wm_err *err)
{
    int rc = write(to, arg, err);
    if (rc != WM_OK)
        return rc;
    errno = 0;
    if (fflush(to) != 0 || ferror(to))
        return wm_fail_io(err, "fflush", "write", path);
    return sync_fd(fileno(to), path, err);
}

/* fd belongs to this function. */
static int fill_and_close(int fd, const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                          struct wm_err *err)
{
    FILE *to = fdopen(fd, "w"); /* keeps O_APPEND */
    if (to == NULL) {
        close(fd);
        return wm_fail_io(err, "fdopen", "write", path);
    }
    int rc = fill(to, path, write, arg, err);
    if (fclose(to) != 0 && rc == WM_OK)
        rc = wm_fail_io(err, "fclose", "write", path);
    return rc;
}

/* Bytes of path up to its last slash; 0 = the current folder. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (int)(slash - path) + 1;
}

/* A new file in path's folder; its mode follows the umask, which mkstemp's would not. */
static int open_beside(const char *path, char temporary[PATH_MAX])
{
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(temporary, PATH_MAX, "%.*s.wiremark-%ld-%d.tmp", folder_length(path), path, (long)getpid(), i);
        if (n >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

static int sync_folder(const char *path, struct wm_err *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%.*s", folder_length(path), path);
    int fd = open(folder[0] == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return WM_OK; /* a folder that may be written and not read: its names cannot be synchronised */
    int rc = sync_fd(fd, path, err);
    close(fd);
    return rc;
}

static int replace_regular(const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                           struct wm_err *err)
{
    char temporary[PATH_MAX];
    int fd = open_beside(path, temporary);
    if (fd < 0)
        return wm_fail_io(err, "open", "write", path);
    int rc = fill_and_close(fd, path, write, arg, err);
    if (rc == WM_OK && rename(temporary, path) != 0)
        rc = wm_fail_io(err, "rename", "write", path);
    if (rc != WM_OK) {
        unlink(temporary);
        return rc;
    }
    return sync_folder(path, err);
}

int wm_file_replace(const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                    struct wm_err *err)
{
    struct stat is;
    bool exists = stat(path, &is) == 0;
    char *real = realpath(path, NULL);
    /* A regular file without a name is what /dev/stdout may lead to: the link itself must not be replaced. */
    if (exists && (!S_ISREG(is.st_mode) || real == NULL)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        free(real);
        return fd < 0 ? wm_fail_io(err, "open", "write", path) : fill_and_close(fd, path, write, arg, err);
    }
    int rc = replace_regular(real == NULL ? path : real, write, arg, err);
    free(real);
    return rc;
}

int wm_file_append(const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                   struct wm_err *err)
{
    struct stat is;
    bool existed = stat(path, &is) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int own = fd < 0 || fstat(fd, &is) != 0 ? -1 : dup(fd);
    int rc = own < 0 ? wm_fail_io(err, "open", "write", path) : fill_and_close(own, path, write, arg, err);
    if (rc != WM_OK && own >= 0 && S_ISREG(is.st_mode) && ftruncate(fd, is.st_size) == 0 && !existed)
        unlink(path);
    if (fd >= 0)
        close(fd);
    return rc;
}
