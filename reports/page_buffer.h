/** Text that grows, and its way into a page: compressed (gzip), in base64. */
#ifndef WM_REPORTS_PAGE_BUFFER_H
#define WM_REPORTS_PAGE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/core/err.h"

/* Zeroed = empty. After memory ran out everything appended is dropped, and `lost` says so. */
struct wm_page_buffer {
    char *text; /* not ended by '\0' */
    size_t bytes, cap;
    bool lost;
};

void wm_page_append(struct wm_page_buffer *b, const char *text, size_t bytes);
void wm_page_append_text(struct wm_page_buffer *b, const char *text);
/** At most 100 bytes of text. */
void wm_page_appendf(struct wm_page_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wm_page_buffer_clear(struct wm_page_buffer *b);

/** Appends `plain`, compressed, as base64 in one line. WM_ENOMEM. */
int wm_page_append_packed(struct wm_page_buffer *to, const struct wm_page_buffer *plain, struct wm_err *err);

#endif
