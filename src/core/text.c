#include "src/core/text.h"

#include <string.h>

enum { LONGEST = 64 }; /* longer words are near to nothing */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance (optimal string alignment): inserted, deleted, replaced and swapped letters count 1.
 * Both words hold at most LONGEST letters. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][LONGEST + 1], n = strlen(a), m = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[m];
}

const char *wm_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = 0, n = strlen(word);
    if (n == 0 || n > LONGEST)
        return NULL;
    for (; *names != NULL; names++) {
        size_t m = strlen(*names);
        if (m > LONGEST)
            continue;
        size_t allowed = (n > m ? n : m) / 3, d = distance(word, *names);
        if (d <= (allowed > 1 ? allowed : 1) && d < (n > m ? n : m) && (best == NULL || d < best_distance)) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}

const char *wm_did_you_mean(char *text, size_t text_bytes, const char *word, const char *const *names)
{
    const char *near = wm_nearest(word, names);
    text[0] = '\0';
    if (near != NULL)
        snprintf(text, text_bytes, " (did you mean %s?)", near);
    return text;
}
