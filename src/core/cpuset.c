#include "src/core/cpuset.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool wm_cpuset_has(const struct wm_cpuset *set, int cpu)
{
    return cpu >= 0 && cpu < WM_CPUS && (set->word[cpu / 64] >> (cpu % 64) & 1) != 0;
}

void wm_cpuset_add(struct wm_cpuset *set, int cpu)
{
    if (cpu >= 0 && cpu < WM_CPUS)
        set->word[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

void wm_cpuset_and(struct wm_cpuset *set, const struct wm_cpuset *other)
{
    for (int i = 0; i < WM_CPUS / 64; i++)
        set->word[i] &= other->word[i];
}

void wm_cpuset_or(struct wm_cpuset *set, const struct wm_cpuset *other)
{
    for (int i = 0; i < WM_CPUS / 64; i++)
        set->word[i] |= other->word[i];
}

int wm_cpuset_count(const struct wm_cpuset *set)
{
    int n = 0;
    for (int i = 0; i < WM_CPUS / 64; i++)
        n += __builtin_popcountll(set->word[i]);
    return n;
}

static int end_of_run(const struct wm_cpuset *set, int cpu)
{
    while (wm_cpuset_has(set, cpu + 1))
        cpu++;
    return cpu;
}

char *wm_cpuset_text(const struct wm_cpuset *set, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int cpu = 0; cpu < WM_CPUS; cpu++) {
        char run[32];
        int last = end_of_run(set, cpu);
        if (!wm_cpuset_has(set, cpu))
            continue;
        snprintf(run, sizeof(run), last > cpu ? "%s%d-%d" : "%s%d", used > 0 ? "," : "", cpu, last);
        if (used + strlen(run) + sizeof("...") > bytes) {
            snprintf(text + used, bytes - used, "...");
            return text;
        }
        used += (size_t)snprintf(text + used, bytes - used, "%s", run);
        cpu = last;
    }
    return text;
}

/* A number at *text, which moves behind it; -1 = none, or more than any machine has. */
static long number(const char **text)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return -1;
    long value = strtol(*text, &end, 10);
    *text = end;
    return value < 1 << 20 ? value : -1;
}

/* "3" or "0-3"; false where it is neither. */
static bool add_run(const char **text, struct wm_cpuset *out)
{
    long first = number(text), last = first;
    if (first >= 0 && **text == '-') {
        (*text)++;
        last = number(text);
    }
    for (long cpu = first; cpu >= 0 && cpu <= last; cpu++)
        wm_cpuset_add(out, (int)cpu);
    return first >= 0 && last >= first;
}

bool wm_cpuset_parse(const char *text, struct wm_cpuset *out)
{
    bool fine = true;
    memset(out, 0, sizeof(*out));
    while (fine && *text != '\0') {
        fine = add_run(&text, out) && (*text == '\0' || (*text == ',' && text[1] != '\0'));
        text += fine && *text == ',';
    }
    if (!fine)
        memset(out, 0, sizeof(*out));
    return fine;
}
