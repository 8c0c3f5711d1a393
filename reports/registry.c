#include "reports/page.h"

#ifdef HAVE_REPORT
int wm_page_write(const char *path, char *const *results, int n_results, struct wm_err *err);
const struct wm_page_row wm_page_row = { NULL, wm_page_write };
#else
const struct wm_page_row wm_page_row = { "node, npm and zlib, and npm's registry once", NULL };
#endif
