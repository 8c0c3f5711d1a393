/** Equal texts once: 100,000 cells of ten launches share their names. */
#ifndef WM_REPORTS_INTERN_H
#define WM_REPORTS_INTERN_H

#include <stddef.h>

struct wm_interned {
    const char *text; /* lives as long as the table */
    int subject;      /* the owner's; -1 at first */
    int curve;
};

struct wm_intern;
struct wm_intern *wm_intern_open(void); /* NULL: no memory */
/** The one entry of n bytes of text, until the next call; NULL: no memory. */
struct wm_interned *wm_intern(struct wm_intern *table, const char *text, size_t n);
/** NULL: not there. */
const struct wm_interned *wm_intern_find(const struct wm_intern *table, const char *text);
void wm_intern_close(struct wm_intern *table); /* NULL is allowed */

#endif
