#include "src/result/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int cannot_read(const struct wm_lines *in, int native, struct wm_err *err)
{
    enum wm_code code = native == ENOENT ? WM_EABSENT : WM_EUSAGE;
    return wm_fail(err, code, "", native, "cannot read %s: %s", in->path, strerror(native));
}

int wm_lines_open(struct wm_lines *in, const char *path, struct wm_err *err)
{
    *in = (struct wm_lines){ .path = path, .file = fopen(path, "re") };
    return in->file == NULL ? cannot_read(in, errno, err) : WM_OK;
}

int wm_lines_next(struct wm_lines *in, bool *more, struct wm_err *err)
{
    errno = 0;
    ssize_t n = getline(&in->text, &in->cap, in->file);
    *more = n > 0;
    if (n <= 0) {
        in->bytes = 0;
        return feof(in->file) ? WM_OK : cannot_read(in, errno, err);
    }
    in->bytes = (size_t)n;
    in->number++;
    in->at = in->next;
    in->next += n;
    return WM_OK;
}

int wm_lines_at(struct wm_lines *in, off_t at, struct wm_err *err)
{
    bool more = false;
    if (at != in->next && fseeko(in->file, at, SEEK_SET) != 0)
        return cannot_read(in, errno, err);
    in->next = at;
    int rc = wm_lines_next(in, &more, err);
    if (rc == WM_OK && !more)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s became shorter while it was read", in->path);
    return rc;
}

bool wm_lines_last(struct wm_lines *in)
{
    int next = getc(in->file);
    if (next == EOF)
        return true;
    ungetc(next, in->file);
    return false;
}

void wm_lines_close(struct wm_lines *in)
{
    if (in->file != NULL)
        fclose(in->file);
    free(in->text);
    *in = (struct wm_lines){ 0 };
}
