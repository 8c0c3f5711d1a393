/* A machine's files below one root, read so that no file, link or folder can do more than leave a field open. */
#include "src/topo/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINKS_MAX = 40,      /* as the kernel: more are a loop */
    NAMES_MAX = 1 << 16, /* read of one folder, before the first WM_TREE_ENTRIES are taken */
    SLACK_BYTES = 64,    /* blanks that may follow a text which just fits */
    NUMBER_BYTES = 40,   /* longer than any number */
};

/* --- the root --- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int wm_tree_open(const char *root, struct wm_tree *out, struct wm_err *err)
{
    struct stat status;
    size_t n = strlen(root);
    *out = (struct wm_tree){ 0 };
    if (stat(root, &status) != 0)
        return wm_fail(err, WM_EABSENT, "stat", errno, "no folder %s to read a machine's files from: %s", root,
                       strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return wm_fail(err, WM_EABSENT, "", 0, "%s is no folder; one that holds sys/ and proc/ is needed", root);
    while (n > 0 && root[n - 1] == '/')
        n--;
    if (n >= sizeof(out->root))
        return wm_fail(err, WM_EABSENT, "", 0, "the folder's name has %zu bytes, more than %zu: %.80s...", n,
                       sizeof(out->root) - 1, root);
    if (n == 0 || same_file(root, "/"))
        return WM_OK;
    memcpy(out->root, root, n);
    return WM_OK;
}

void wm_tree_close(struct wm_tree *tree)
{
    free(tree->notes);
    *tree = (struct wm_tree){ 0 };
}

bool wm_tree_is_here(const struct wm_tree *tree)
{
    return tree->root[0] == '\0';
}

/* --- notes --- */

/* What a terminal or a reader of JSON would take for something else becomes '?'. */
static void make_plain(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
            *text = '?';
}

/* Of a long path its end, which says more. */
static void set_path(char *out, size_t bytes, const char *path)
{
    size_t n = strlen(path);
    snprintf(out, bytes, "%s%s", n >= bytes ? "..." : "", n >= bytes ? path + n - (bytes - 1 - strlen("...")) : path);
    make_plain(out);
}

static bool is_noted(const struct wm_tree *tree, const struct wm_note *note)
{
    for (int i = 0; i < tree->n_notes; i++)
        if (strcmp(tree->notes[i].path, note->path) == 0 && strcmp(tree->notes[i].reason, note->reason) == 0)
            return true;
    return false;
}

static void add_note(struct wm_tree *tree, const char *path, const char *format, va_list args)
{
    struct wm_note note;
    set_path(note.path, sizeof(note.path), path);
    vsnprintf(note.reason, sizeof(note.reason), format, args);
    make_plain(note.reason);
    if (is_noted(tree, &note))
        return;
    if (tree->notes == NULL)
        tree->notes = calloc(WM_TREE_NOTES, sizeof(*tree->notes));
    if (tree->notes == NULL || tree->n_notes == WM_TREE_NOTES)
        tree->notes_left_out++;
    else
        tree->notes[tree->n_notes++] = note;
}

void wm_tree_note(struct wm_tree *tree, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_note(tree, path, format, args);
    va_end(args);
}

static void note_errno(struct wm_tree *tree, const char *path, int error)
{
    if (error == ELOOP)
        wm_tree_note(tree, path, "a loop of links");
    else if (error == ENODEV || error == ENXIO)
        wm_tree_note(tree, path, "cannot be read: the device is gone or silent (%s)", strerror(error));
    else
        wm_tree_note(tree, path, "cannot be read: %s", strerror(error));
}

static bool is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

/* --- paths --- */

/* Where a path leads: first as the caller wrote it, then in the file system, links followed within the root. */
struct place {
    char asked[PATH_MAX], real[PATH_MAX];
    size_t root_bytes;
    int links; /* followed so far */
};

static void go_up(struct place *p)
{
    char *slash = strrchr(p->real + p->root_bytes, '/');
    if (slash != NULL)
        *slash = '\0';
}

static bool go_down(struct place *p, const char *name, size_t n)
{
    size_t at = strlen(p->real);
    if (at + n + 2 > sizeof(p->real))
        return false;
    p->real[at] = '/';
    memcpy(p->real + at + 1, name, n);
    p->real[at + 1 + n] = '\0';
    return true;
}

/* A link's target goes before what is left of the path; false: it does not fit. */
static bool put_before(char rest[PATH_MAX], const char *left, const char *target, size_t n)
{
    size_t left_bytes = strlen(left);
    if (n + 1 + left_bytes + 1 > PATH_MAX)
        return false;
    memmove(rest + n + 1, left, left_bytes + 1);
    memcpy(rest, target, n);
    rest[n] = '/';
    return true;
}

/*
 * Goes to `name`, the next n bytes of rest, from the folder that `real` is. What is left to go becomes rest, behind the
 * target of a link. Returns an errno.
 */
static int step(struct place *p, char rest[PATH_MAX], const char *name, size_t n, bool follow)
{
    char target[PATH_MAX];
    const char *left = name + n;
    ssize_t bytes = -1; /* of a link's target; no link, or nothing at all: what opens it will see */
    if (n == 2 && memcmp(name, "..", 2) == 0)
        go_up(p);
    else if (n != 1 || name[0] != '.') {
        if (!go_down(p, name, n))
            return ENAMETOOLONG;
        if (follow || left[strspn(left, "/")] != '\0')
            bytes = readlink(p->real, target, sizeof(target));
    }
    if (bytes < 0) {
        memmove(rest, left, strlen(left) + 1);
        return 0;
    }
    if (++p->links > LINKS_MAX)
        return ELOOP;
    go_up(p);
    if (target[0] == '/')
        p->real[p->root_bytes] = '\0';
    return put_before(rest, left, target, (size_t)bytes) ? 0 : ENAMETOOLONG;
}

/* Absolute links of a recorded machine begin at its root, and no ".." leads above it. */
static int walk(struct place *p, bool follow)
{
    char rest[PATH_MAX];
    int error = 0;
    memcpy(rest, p->asked, strlen(p->asked) + 1);
    while (error == 0) {
        const char *name = rest + strspn(rest, "/");
        size_t n = strcspn(name, "/");
        if (n == 0)
            return 0;
        error = step(p, rest, name, n, follow);
    }
    return error;
}

/* This machine's own files the kernel finds, its special links among them. */
static bool find(struct wm_tree *tree, struct place *p, bool follow, const char *format, va_list args)
{
    /* cppcheck-suppress ctuuninitvar ; it is filled here */
    int error = 0, n = vsnprintf(p->asked, sizeof(p->asked), format, args);
    p->root_bytes = strlen(tree->root);
    p->links = 0;
    if (n < 0 || (size_t)n + 2 > sizeof(p->real)) {
        error = ENAMETOOLONG;
    } else if (wm_tree_is_here(tree)) {
        p->real[0] = '/';
        memcpy(p->real + 1, p->asked, (size_t)n + 1);
    } else {
        memcpy(p->real, tree->root, p->root_bytes + 1);
        error = walk(p, follow);
    }
    if (error != 0)
        note_errno(tree, p->asked, error);
    return error == 0;
}

/* --- files --- */

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* Looked at before it is opened, since opening alone can block or set a device off; a descriptor, or -1. */
static int open_file(struct wm_tree *tree, const struct place *p)
{
    struct stat status;
    int fd = -1, error = 0;
    if (stat(p->real, &status) != 0)
        error = errno;
    else if (S_ISREG(status.st_mode)) {
        fd = open(p->real, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        error = fd < 0 ? errno : 0;
    } else
        wm_tree_note(tree, p->asked, "is %s, not a file", kind_of(status.st_mode));
    if (error != 0 && !is_absence(error))
        note_errno(tree, p->asked, error);
    return fd;
}

/* Reads until the end or until out is full; -1 with errno when nothing more can be had. */
static ssize_t read_up_to(int fd, char *out, size_t bytes)
{
    size_t n = 0;
    while (n < bytes) {
        ssize_t got = read(fd, out + n, bytes - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Length of the UTF-8 character at s, of n bytes; 0 = it is none, or a control character. */
static size_t character(const unsigned char *s, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* by length: a longer spelling is none */
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (length <= 1)
        return length == 1 && (is_blank((char)s[0]) || (s[0] >= ' ' && s[0] != 0x7f));
    uint32_t code = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= n || (s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[length] || code < 0xa0 || code > 0x10ffff || surrogate ? 0 : length;
}

static bool is_text(const char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length)
        if ((length = character((const unsigned char *)text + i, n - i)) == 0)
            return false;
    return true;
}

/* A text of n bytes without blanks around it, ended; n becomes its length. */
static void trim(char *out, size_t *n)
{
    size_t from = 0;
    while (*n > 0 && is_blank(out[*n - 1]))
        --*n;
    while (from < *n && is_blank(out[from]))
        from++;
    *n -= from;
    memmove(out, out + from, *n);
}

/* Is there more in the file than blanks? */
static bool has_more(int fd)
{
    char more[SLACK_BYTES];
    ssize_t n = read_up_to(fd, more, sizeof(more));
    for (ssize_t i = 0; i < n; i++)
        if (!is_blank(more[i]))
            return true;
    return n < 0 || n == (ssize_t)sizeof(more);
}

static bool read_text(struct wm_tree *tree, const struct place *p, int fd, char *out, size_t bytes)
{
    ssize_t got = read_up_to(fd, out, bytes);
    size_t n = got > 0 ? (size_t)got : 0;
    if (got < 0) {
        note_errno(tree, p->asked, errno);
        return false;
    }
    bool more = n == bytes && has_more(fd);
    if (memchr(out, '\0', n) != NULL || (!more && !is_text(out, n))) {
        wm_tree_note(tree, p->asked, "holds no text");
        return false;
    }
    trim(out, &n);
    if (more || n == bytes)
        wm_tree_note(tree, p->asked, "holds more than the %zu bytes that are expected", bytes - 1);
    else if (n == 0)
        wm_tree_note(tree, p->asked, "is empty");
    else
        out[n] = '\0';
    return !more && n > 0 && n < bytes;
}

static bool text_at(struct wm_tree *tree, const struct place *p, char *out, size_t bytes)
{
    int fd = open_file(tree, p);
    bool ok = fd >= 0 && read_text(tree, p, fd, out, bytes);
    if (fd >= 0)
        close(fd);
    if (!ok)
        out[0] = '\0';
    return ok;
}

bool wm_tree_text(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
{
    struct place p;
    va_list args;
    out[0] = '\0';
    va_start(args, format);
    bool found = find(tree, &p, true, format, args);
    va_end(args);
    return found && text_at(tree, &p, out, bytes);
}

bool wm_tree_line(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
{
    struct place p;
    va_list args;
    out[0] = '\0';
    va_start(args, format);
    bool ok = find(tree, &p, true, format, args) && text_at(tree, &p, out, bytes);
    va_end(args);
    if (ok && strpbrk(out, "\n\r\v\f") != NULL) {
        wm_tree_note(tree, p.asked, "holds several lines, where one is expected");
        out[0] = '\0';
    }
    return out[0] != '\0';
}

/* The whole text as a number: no leading blank, no octal. */
static bool parse_number(const char *text, int64_t *out)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    const char *allowed = hexadecimal ? "0123456789abcdefABCDEF" : "0123456789", *first = digits + 2 * hexadecimal;
    if (first[0] == '\0' || first[strspn(first, allowed)] != '\0')
        return false;
    errno = 0;
    int64_t number = strtoll(text, NULL, hexadecimal ? 16 : 10);
    if (errno == 0)
        *out = number;
    return errno == 0;
}

bool wm_tree_number(struct wm_tree *tree, int64_t *out, const char *format, ...)
{
    struct place p;
    char text[NUMBER_BYTES];
    va_list args;
    va_start(args, format);
    bool found = find(tree, &p, true, format, args) && text_at(tree, &p, text, sizeof(text));
    va_end(args);
    if (found && !parse_number(text, out)) {
        wm_tree_note(tree, p.asked, "holds no whole number: %s", text);
        return false;
    }
    return found;
}

size_t wm_tree_bytes(struct wm_tree *tree, void *out, size_t bytes, const char *format, ...)
{
    struct place p;
    va_list args;
    va_start(args, format);
    int fd = find(tree, &p, true, format, args) ? open_file(tree, &p) : -1;
    va_end(args);
    if (fd < 0)
        return 0;
    ssize_t n = read_up_to(fd, out, bytes);
    if (n < 0)
        note_errno(tree, p.asked, errno);
    else if (n == 0)
        wm_tree_note(tree, p.asked, "is empty");
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

bool wm_tree_exists(struct wm_tree *tree, const char *format, ...)
{
    struct place p;
    struct stat status;
    va_list args;
    va_start(args, format);
    bool found = find(tree, &p, true, format, args);
    va_end(args);
    if (!found || stat(p.real, &status) == 0)
        return found;
    if (!is_absence(errno))
        note_errno(tree, p.asked, errno);
    return false;
}

/* --- links --- */

/* What the link points to; false when there is none, or when it is no text (noted). */
static bool read_link(struct wm_tree *tree, const struct place *p, bool expected, char target[PATH_MAX])
{
    ssize_t n = readlink(p->real, target, PATH_MAX - 1);
    target[n > 0 ? n : 0] = '\0';
    if (n >= 0 && is_text(target, (size_t)n) && strpbrk(target, "\n\r") == NULL)
        return n > 0;
    if (n >= 0)
        wm_tree_note(tree, p->asked, "points to what is no text");
    else if (errno == EINVAL && expected)
        wm_tree_note(tree, p->asked, "is no link");
    else if (errno != EINVAL && !is_absence(errno))
        note_errno(tree, p->asked, errno);
    return false;
}

static bool link_at(struct wm_tree *tree, char *out, size_t bytes, bool name_only, const char *format, va_list args)
{
    struct place p;
    char target[PATH_MAX];
    out[0] = '\0';
    if (!find(tree, &p, false, format, args) || !read_link(tree, &p, name_only, target))
        return false;
    for (size_t n = strlen(target); name_only && n > 1 && target[n - 1] == '/'; n--)
        target[n - 1] = '\0';
    const char *slash = name_only ? strrchr(target, '/') : NULL, *from = slash != NULL ? slash + 1 : target;
    size_t n = strlen(from);
    if (n >= bytes) {
        wm_tree_note(tree, p.asked, "points to a name of %zu bytes, more than the %zu that are expected", n, bytes - 1);
        return false;
    }
    memcpy(out, from, n + 1);
    return n > 0;
}

bool wm_tree_link(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool ok = link_at(tree, out, bytes, false, format, args);
    va_end(args);
    return ok;
}

bool wm_tree_link_name(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool ok = link_at(tree, out, bytes, true, format, args);
    va_end(args);
    return ok;
}

/* --- folders --- */

static int by_value(const void *a_, const void *b_)
{
    const char *a = a_, *b = b_;
    int order = strverscmp(a, b);
    return order != 0 ? order : strcmp(a, b);
}

static bool keep_name(struct wm_names *names, const char *name)
{
    if ((names->n & (names->n - 1)) == 0) { /* 0, or a power of two: full */
        void *more = realloc(names->name, (names->n > 0 ? 2 * (size_t)names->n : 1) * sizeof(*names->name));
        if (more == NULL)
            return false;
        names->name = more;
    }
    memcpy(names->name[names->n++], name, strlen(name) + 1);
    return true;
}

static void read_names(struct wm_tree *tree, const char *path, DIR *folder, struct wm_names *out)
{
    const struct dirent *entry;
    errno = 0;
    while (out->n < NAMES_MAX && (entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (strlen(name) >= sizeof(*out->name))
            wm_tree_note(tree, path, "a name of %zu bytes is left out: %.40s...", strlen(name), name);
        else if (!is_text(name, strlen(name)) || strpbrk(name, "\n\r") != NULL)
            wm_tree_note(tree, path, "a name that is no text is left out: %s", name);
        else if (!keep_name(out, name)) {
            wm_tree_note(tree, path, "no memory for more than %d names", out->n);
            return;
        }
        errno = 0;
    }
    if (errno != 0)
        note_errno(tree, path, errno);
}

static void cut_names(struct wm_tree *tree, const char *path, struct wm_names *out)
{
    if (out->n > 0)
        qsort(out->name, (size_t)out->n, sizeof(*out->name), by_value);
    if (out->n <= WM_TREE_ENTRIES)
        return;
    wm_tree_note(tree, path, "%s%d entries: only the first %d are read", out->n >= NAMES_MAX ? "at least " : "", out->n,
                 WM_TREE_ENTRIES);
    out->n = WM_TREE_ENTRIES;
}

void wm_tree_names(struct wm_tree *tree, struct wm_names *out, const char *format, ...)
{
    struct place p;
    va_list args;
    *out = (struct wm_names){ 0 };
    va_start(args, format);
    bool found = find(tree, &p, true, format, args);
    va_end(args);
    if (!found)
        return;
    int fd = open(p.real, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        if (errno == ENOTDIR && wm_tree_exists(tree, "%s", p.asked))
            wm_tree_note(tree, p.asked, "is no folder");
        else if (!is_absence(errno))
            note_errno(tree, p.asked, errno);
        if (fd >= 0)
            close(fd);
        return;
    }
    read_names(tree, p.asked, folder, out);
    closedir(folder);
    cut_names(tree, p.asked, out);
}

void wm_names_free(struct wm_names *names)
{
    free(names->name);
    *names = (struct wm_names){ 0 };
}
