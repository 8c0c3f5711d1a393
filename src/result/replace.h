/** A file that is written whole or not at all. */
#ifndef WM_RESULT_REPLACE_H
#define WM_RESULT_REPLACE_H

#include <stdio.h>

#include "src/core/err.h"

/**
 * Writes a temporary file beside path, synchronises it, renames it to path and synchronises the folder. A symbolic link
 * keeps pointing at what it points at. What exists and is no regular file (/dev/stdout, a pipe) is written directly.
 * @param write  writes everything, checks each write (wm_put()), returns WM_OK or its error
 * @return WM_OK; WM_EIO, or what write returned: path is as it was
 */
int wm_file_replace(const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                    struct wm_err *err);

/**
 * Writes behind what path holds, which stays the same file; after an error it is as it was. Otherwise as
 * wm_file_replace().
 */
int wm_file_append(const char *path, int (*write)(FILE *to, void *arg, struct wm_err *err), void *arg,
                   struct wm_err *err);

/** Checked at each call: after a full disk, fflush, fsync and fclose may still return 0. WM_OK or WM_EIO. */
int wm_put(FILE *to, const char *text, size_t bytes, struct wm_err *err);
int wm_put_text(FILE *to, const char *text, struct wm_err *err);

/** WM_EIO with errno and its text; otherwise as wm_fail(). */
int wm_fail_io(struct wm_err *err, const char *call, const char *doing, const char *path);

#endif
