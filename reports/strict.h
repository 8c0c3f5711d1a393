/** JSON that people write: every key known, every error with its file and line. */
#ifndef WM_REPORTS_STRICT_H
#define WM_REPORTS_STRICT_H

#include <jansson.h>

#include "src/core/err.h"

struct wm_strict {
    const char *path; /* stays the caller's */
    char *text;       /* the file */
    json_t *root;     /* an object of this schema */
};

/** WM_EABSENT no such file; WM_EUSAGE not JSON, a key twice, another schema. Free with wm_strict_free(). */
int wm_strict_load(const char *path, const char *schema, struct wm_strict *out, struct wm_err *err);
void wm_strict_free(struct wm_strict *s);

/** WM_EUSAGE: the object has a key that is not among names (ended by NULL); names the nearest. */
int wm_strict_keys(const struct wm_strict *s, const json_t *object, const char *const *names, struct wm_err *err);

/** WM_EUSAGE with "path:line: key: what", the line being the n-th (from 0) on which the key stands. */
int wm_strict_fail(const struct wm_strict *s, const char *key, int n, struct wm_err *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** A number within bounds, both included; *to is left as it is where the key is not there. */
int wm_strict_real(const struct wm_strict *s, const json_t *object, const char *key, double low, double high,
                   double *to, struct wm_err *err);

#endif
