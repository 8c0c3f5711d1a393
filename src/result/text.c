/** Text on its way into JSON: any bytes become UTF-8; times become UTC. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/result/field.h"

const char *const wm_status_names[WM_STATUSES + 1] = { "measured", "failed", "timeout", "skipped", "not_run", NULL };

size_t wm_utf8_sequence(const unsigned char *s, size_t n)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (length > n || s[0] == '\0')
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

json_t *wm_result_textn(const char *text, size_t n)
{
    char *clean = malloc(n + 1);
    if (clean == NULL)
        return NULL;
    memcpy(clean, text, n);
    for (size_t i = 0; i < n;) {
        size_t length = wm_utf8_sequence((unsigned char *)clean + i, n - i);
        if (length == 0)
            clean[i] = '?';
        i += length == 0 ? 1 : length;
    }
    json_t *string = json_stringn(clean, n);
    free(clean);
    return string;
}

json_t *wm_result_text(const char *text)
{
    return wm_result_textn(text, strlen(text));
}

const char *wm_utc_text(char text[32], int64_t unix_seconds)
{
    time_t when = unix_seconds < 0 ? time(NULL) : (time_t)unix_seconds;
    struct tm utc;
    if (gmtime_r(&when, &utc) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        text[0] = '\0';
    return text;
}
