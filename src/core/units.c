#include "src/core/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    double factor;
};

static const char size_wanted[] = "a whole number with B, K, M, G or T in powers of 1024, like 4M";
static const char time_wanted[] = "a number with ns, us, ms, s, m or h, like 0.2s";
static const char share_wanted[] = "a percentage like 2% or a fraction like 0.02";
static const char int_wanted[] = "a whole number";

static int not_a(struct wm_err *err, const char *text, const char *what, const char *wanted)
{
    if (text[0] == '-' && (isdigit((unsigned char)text[1]) || text[1] == '.'))
        return wm_fail(err, WM_EUSAGE, "", 0, "\"%s\" is negative, want %s", text, wanted);
    return wm_fail(err, WM_EUSAGE, "", 0, "\"%s\" is not %s, want %s", text, what, wanted);
}

static int too_large(struct wm_err *err, const char *text, const char *limit)
{
    return wm_fail(err, WM_EUSAGE, "", ERANGE, "\"%s\" is too large, want %s at most", text, limit);
}

int wm_parse_bytes(const char *text, uint64_t *out, struct wm_err *err)
{
    static const char *const units[][4] = {
        { "", "B" }, { "K", "KB", "KiB" }, { "M", "MB", "MiB" }, { "G", "GB", "GiB" }, { "T", "TB", "TiB" }
    };
    if (!isdigit((unsigned char)text[0]))
        return not_a(err, text, "a size", size_wanted);
    char *unit;
    errno = 0;
    unsigned long long number = strtoull(text, &unit, 10);
    int overflow = errno == ERANGE;
    for (unsigned power = 0; power < 5; power++) {
        for (int i = 0; i < 4 && units[power][i] != NULL; i++) {
            if (strcasecmp(unit, units[power][i]) != 0)
                continue;
            if (overflow || number > UINT64_MAX >> 10 * power)
                return too_large(err, text, "16777215T");
            *out = (uint64_t)number << 10 * power;
            return WM_OK;
        }
    }
    return not_a(err, text, "a size", size_wanted);
}

/* Digits with at most one point among them; *rest is what follows. NAN where there is no such number: strtod() alone
 * would also take "inf", "nan", "0x1p3" and "1e9". */
static double parse_decimal(const char *text, const char **rest)
{
    size_t n = strspn(text, "0123456789"), digits = n;
    if (text[n] == '.') {
        size_t fraction = strspn(text + n + 1, "0123456789");
        digits += fraction;
        n += 1 + fraction;
    }
    char copy[64];
    *rest = text + n;
    if (digits == 0 || n >= sizeof(copy))
        return NAN;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return strtod(copy, NULL);
}

int wm_parse_time_ns(const char *text, uint64_t *out, struct wm_err *err)
{
    static const struct unit units[] = { { "", 1e9 },  { "ns", 1 },   { "us", 1e3 },  { "ms", 1e6 },
                                         { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
    const char *unit;
    double number = parse_decimal(text, &unit);
    for (size_t i = 0; !isnan(number) && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        double ns = round(number * units[i].factor);
        if (ns >= 0x1p63)
            return too_large(err, text, "2562047h");
        *out = (uint64_t)ns;
        return WM_OK;
    }
    return not_a(err, text, "a time", time_wanted);
}

int wm_parse_share(const char *text, double *out, struct wm_err *err)
{
    const char *unit;
    double number = parse_decimal(text, &unit);
    if (isnan(number) || (strcmp(unit, "") != 0 && strcmp(unit, "%") != 0))
        return not_a(err, text, "a share", share_wanted);
    *out = unit[0] == '%' ? number / 100 : number;
    return WM_OK;
}

int wm_parse_int(const char *text, int64_t *out, struct wm_err *err)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return wm_fail(err, WM_EUSAGE, "", 0, "\"%s\" is not a number, want %s", text, int_wanted);
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno == ERANGE && number > 0)
        return too_large(err, text, "9223372036854775807");
    if (errno == ERANGE)
        return wm_fail(err, WM_EUSAGE, "", ERANGE, "\"%s\" is too small, want -9223372036854775808 at least", text);
    *out = number;
    return WM_OK;
}

const char *wm_format_bytes(char text[WM_TEXT_BYTES], uint64_t bytes)
{
    unsigned power = 0;
    while (power < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        power++;
    }
    snprintf(text, WM_TEXT_BYTES, "%llu%s", (unsigned long long)bytes,
             (const char *[]){ "", "K", "M", "G", "T" }[power]);
    return text;
}

/* Three significant digits in the largest unit that leaves at least 1; the last unit takes what is larger. Rounding
 * comes first: 999.6 ns is 1.00 us, not 1000 ns. */
static const char *format_scaled(char text[WM_TEXT_BYTES], double value, double step, const char *const units[], int n)
{
    double size = fabs(value);
    int unit = 0;
    for (; unit + 1 < n && size >= (step > 1000 ? step - 0.5 : 999.5); unit++)
        size /= step;
    int decimals = size < 0.9995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
    if (!isfinite(value))
        snprintf(text, WM_TEXT_BYTES, "-");
    else if (value == 0)
        snprintf(text, WM_TEXT_BYTES, "0%s", units[0]);
    else if (size >= 1e12)
        snprintf(text, WM_TEXT_BYTES, "%.2e%s", value < 0 ? -size : size, units[unit]);
    else
        snprintf(text, WM_TEXT_BYTES, "%.*f%s", decimals, value < 0 ? -size : size, units[unit]);
    return text;
}

const char *wm_format_memory(char text[WM_TEXT_BYTES], uint64_t bytes)
{
    static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
    if (bytes < 1024) {
        snprintf(text, WM_TEXT_BYTES, "%u B", (unsigned)bytes);
        return text;
    }
    return format_scaled(text, (double)bytes, 1024, units, 7);
}

const char *wm_format_ns(char text[WM_TEXT_BYTES], double ns)
{
    static const char *const units[] = { " ns", " us", " ms", " s" };
    return format_scaled(text, ns, 1000, units, 4);
}

const char *wm_format_rate(char text[WM_TEXT_BYTES], double bytes_per_s)
{
    static const char *const units[] = { " B/s", " kB/s", " MB/s", " GB/s", " TB/s" };
    return format_scaled(text, bytes_per_s, 1000, units, 5);
}

const char *wm_format_count(char text[WM_TEXT_BYTES], double per_s)
{
    static const char *const units[] = { " /s", " k/s", " M/s", " G/s", " T/s" };
    return format_scaled(text, per_s, 1000, units, 5);
}
