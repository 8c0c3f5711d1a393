/** Sets of logical processors as bits and as lists, "0-3,8". */
#ifndef WM_CORE_CPUSET_H
#define WM_CORE_CPUSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WM_CPUS      1024 /* those above are not counted */
#define WM_CPUS_TEXT 2560 /* holds any set as a list: "0,2,4,..." at worst */

struct wm_cpuset {
    uint64_t word[WM_CPUS / 64];
};

int wm_cpuset_count(const struct wm_cpuset *set);
bool wm_cpuset_has(const struct wm_cpuset *set, int cpu); /* false for cpus that cannot be in a set */
void wm_cpuset_add(struct wm_cpuset *set, int cpu);
void wm_cpuset_and(struct wm_cpuset *set, const struct wm_cpuset *other);
void wm_cpuset_or(struct wm_cpuset *set, const struct wm_cpuset *other);

/** "0-3,8"; what does not fit ends with "...". Returns text. */
char *wm_cpuset_text(const struct wm_cpuset *set, char *text, size_t bytes);

/** The kernel's lists: "0-3,8", also "" (none). False, and an empty set, where the text is none. */
bool wm_cpuset_parse(const char *text, struct wm_cpuset *out);

#endif
