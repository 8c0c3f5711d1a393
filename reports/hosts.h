/** Lists of hosts for people. */
#ifndef WM_REPORTS_HOSTS_H
#define WM_REPORTS_HOSTS_H

#include <stddef.h>

/** Names of hosts, shortened: "h[1-3,7]"; beyond `bytes` they end with how many there are. Returns text. */
const char *wm_hosts_text(const char *const *host, int n, char *text, size_t bytes);

#endif
