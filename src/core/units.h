/** The only place where numbers meet units. Bytes are powers of 1024 (K M G T); rates are SI (GB is 1e9). */
#ifndef WM_CORE_UNITS_H
#define WM_CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

/**
 * Parsers take the whole text or nothing: "4M", "1048576", "0.2s", "250ms", "2%".
 * @return WM_OK with *out written; else WM_EUSAGE with what is accepted in err (negative, overflow, unknown unit,
 * junk); its native is ERANGE where the number is one that the type does not hold
 */
int wm_parse_bytes(const char *text, uint64_t *out, struct wm_err *err); /* B? K M G T, also KiB KB as 1024 */
int wm_parse_time_ns(const char *text, uint64_t *out,
                     struct wm_err *err);                              /* ns us ms s m h; a bare number is seconds */
int wm_parse_share(const char *text, double *out, struct wm_err *err); /* "2%" or "0.02" -> 0.02 */
int wm_parse_int(const char *text, int64_t *out, struct wm_err *err);

#define WM_TEXT_BYTES 32

/* Formatters write at most WM_TEXT_BYTES, with three significant digits where digits are cut, and return text. */
const char *wm_format_bytes(char text[WM_TEXT_BYTES], uint64_t bytes);    /* exact: "4M", "1000", "1536K" */
const char *wm_format_memory(char text[WM_TEXT_BYTES], uint64_t bytes);   /* "1.46 GiB": for messages */
const char *wm_format_ns(char text[WM_TEXT_BYTES], double ns);            /* "431 ns", "1.92 us", "12.3 ms", "4.56 s" */
const char *wm_format_rate(char text[WM_TEXT_BYTES], double bytes_per_s); /* "12.3 GB/s": SI */
const char *wm_format_count(char text[WM_TEXT_BYTES], double per_s);      /* "3.21 M/s": messages */

#endif
