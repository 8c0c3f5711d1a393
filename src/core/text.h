/** Small helpers over strings. */
#ifndef WM_CORE_TEXT_H
#define WM_CORE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/**
 * The name nearest to word (Damerau-Levenshtein), or NULL when nothing is near (distance above a third of the
 * longer word, at least 1 allowed).
 * @param names  ended by NULL
 */
const char *wm_nearest(const char *word, const char *const *names);

/** " (did you mean latency?)" or ""; text holds at least 80 bytes and is returned. */
const char *wm_did_you_mean(char *text, size_t text_bytes, const char *word, const char *const *names);

#endif
