#include "src/core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static void put_what(struct wm_err *err, const char *format, va_list args)
{
    int n = vsnprintf(err->what, sizeof(err->what), format, args);
    if (n >= (int)sizeof(err->what))
        memcpy(err->what + sizeof(err->what) - 4, "...", 4); /* a cut sentence looks cut */
}

static void begin(struct wm_err *err, enum wm_code code, const char *call, int native)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
    err->rank = -1;
    err->native = native;
    snprintf(err->call, sizeof(err->call), "%s", call == NULL ? "" : call);
}

int wm_fail(struct wm_err *err, enum wm_code code, const char *call, int native, const char *format, ...)
{
    if (err->code != WM_OK)
        return (int)err->code;
    va_list args;
    begin(err, code, call, native);
    va_start(args, format);
    put_what(err, format, args);
    va_end(args);
    return (int)err->code;
}

int wm_fail_errno(struct wm_err *err, const char *call, const char *format, ...)
{
    int native = errno;
    if (err->code != WM_OK)
        return (int)err->code;
    va_list args;
    char text[sizeof(err->native_text)];
    begin(err, WM_ESYS, call, native);
    snprintf(err->native_text, sizeof(err->native_text), "%s", strerror_r(native, text, sizeof(text)));
    va_start(args, format);
    put_what(err, format, args);
    va_end(args);
    return (int)err->code;
}

char *wm_err_text(const struct wm_err *err, char *text, size_t bytes)
{
    char rank[32] = "";
    int call = err->call[0] != '\0', native = err->native_text[0] != '\0';
    if (err->rank >= 0)
        snprintf(rank, sizeof(rank), "rank %d: ", err->rank);
    snprintf(text, bytes, "%s%s%s%s%s%s%s", rank, err->what, call || native ? " (" : "", err->call,
             call && native ? ": " : "", err->native_text, call || native ? ")" : "");
    return text;
}

/* Names from files must neither break the line nor steer a terminal: control characters of ASCII, and those of ISO 8859
 * in UTF-8. */
static void make_plain(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        if (*c < ' ' || *c == 0x7f)
            *c = '?';
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
            c[0] = c[1] = '?';
    }
}

void wm_err_print(FILE *to, const struct wm_err *err)
{
    char text[WM_ERR_TEXT_BYTES];
    wm_err_text(err, text, sizeof(text));
    make_plain(text);
    /* One call, so that lines of several ranks do not run into each other. */
    fprintf(to, "wiremark: %s\n", text);
}

int wm_exit_status(enum wm_code code)
{
    switch (code) {
    case WM_OK:
        return 0;
    case WM_EUSAGE:
        return 2;
    case WM_EABSENT:
    case WM_EUNSUP: /* what was asked for has not been measured */
    case WM_EIO:
        return 3;
    case WM_ETIMEOUT:
        return 124;
    case WM_EAGAIN:
    case WM_EDATA:
    case WM_ENOMEM:
    case WM_ESYS:
    case WM_EBUG:
        break;
    }
    return 1;
}

static int severity(int status)
{
    switch (status) {
    case 0:
        return 0;
    case 3:
        return 1;
    case 124:
        return 3;
    case 2:
        return 4;
    default: /* 1, and whatever a launcher or a signal made of it */
        return 2;
    }
}

int wm_exit_worse(int a, int b)
{
    return severity(b) > severity(a) ? b : a;
}
