/** Errors as values: the first failure wins and keeps its story; ranks agree on one of them (src/world). */
#ifndef WM_CORE_ERR_H
#define WM_CORE_ERR_H

#include <stdio.h>

enum wm_code {
    WM_OK,
    WM_EAGAIN,   /* not complete yet; never leaves the transport and memory layers */
    WM_EUNSUP,   /* cannot be done by this part: a skip with a reason, not a failure */
    WM_EABSENT,  /* a named thing is not on this machine: exit 3 */
    WM_EUSAGE,   /* the user's words are wrong: exit 2 */
    WM_EDATA,    /* wrong bytes arrived: exit 1 */
    WM_ETIMEOUT, /* a deadline passed: exit 124 */
    WM_ENOMEM,   /* exit 1 */
    WM_ESYS,     /* a system or library call failed: exit 1 */
    WM_EIO,      /* the result could not be written: exit 3 */
    WM_EBUG,     /* exit 1 */
};

struct wm_err {
    enum wm_code code;
    int rank;             /* whose error this is; -1 = this process, until wm_world_agree() */
    int native;           /* errno, MPI error class, fi_errno ..., unchanged; 0 = none */
    char call[40];        /* "MPI_Isend"; "" = no library call */
    char native_text[96]; /* strerror(), MPI_Error_string() ...; "" = none */
    char what[400];       /* what failed, where, what to do: no capital, no full stop */
};

/** First failure wins: an err that holds one already is left as it is. Returns err->code. */
int wm_fail(struct wm_err *err, enum wm_code code, const char *call, int native, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** The same with errno and its text, code WM_ESYS. */
int wm_fail_errno(struct wm_err *err, const char *call, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Room for any error as a sentence. */
#define WM_ERR_TEXT_BYTES 600

/** "rank 3: what (call: native text)", without a rank when err->rank < 0; cut to `bytes`. Returns text. */
char *wm_err_text(const struct wm_err *err, char *text, size_t bytes);

/** One line, "wiremark: rank 3: what (call: native text)", without a rank when err->rank < 0. */
void wm_err_print(FILE *to, const struct wm_err *err);

/** The exit status of a code: 0, 1, 2, 3 or 124. */
int wm_exit_status(enum wm_code code);

/** The one of two exit statuses that outranks the other: 2, 124, 1, 3, 0. */
int wm_exit_worse(int a, int b);

#endif
