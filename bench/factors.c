/** What the words of --algo, --root and --pairs mean for a benchmark. */
#include "bench/making.h"

#include <stdlib.h>
#include <string.h>

#include "bench/fabric.h"
#include "src/core/text.h"
#include "src/core/units.h"

/* Where there is nothing to choose, auto is the only one, under its own name. */
const struct wm_algorithm *wm_plan_automatic(const struct wm_benchmark *b)
{
    return wm_benchmark_algorithms(b) > 1 ? &wm_algorithm_auto : b->algorithms;
}

/* What one word of --algo (all, auto, NAME or BENCHMARK:NAME) means for a benchmark: how many algorithms, from *first
 * on. */
static int meant_algorithms(const struct wm_benchmark *b, const char *word, const struct wm_algorithm **first)
{
    const char *colon = strchr(word, ':'), *name = colon ? colon + 1 : word;
    if (colon != NULL &&
        (strlen(b->name) != (size_t)(colon - word) || strncmp(word, b->name, (size_t)(colon - word)) != 0))
        return 0;
    if (strcmp(name, "all") == 0) {
        *first = b->algorithms;
        return wm_benchmark_algorithms(b);
    }
    *first = strcmp(name, "auto") == 0 ? wm_plan_automatic(b) : wm_benchmark_algorithm(b, name);
    return *first != NULL;
}

static bool is_listed(const struct wm_algorithm *algo, const struct wm_algorithm *const *list, int n)
{
    int k = 0;
    while (k < n && list[k] != algo)
        k++;
    return k < n;
}

static bool says_auto(const char *word)
{
    const char *colon = strchr(word, ':');
    return strcmp(colon ? colon + 1 : word, "auto") == 0;
}

static int add_algorithms(struct wm_maker *m, const struct wm_benchmark *b, const char *word,
                          const struct wm_algorithm **list, int *n)
{
    const struct wm_algorithm *first = NULL;
    int meant = meant_algorithms(b, word, &first);
    for (int i = 0; i < meant; i++) {
        bool twice = is_listed(&first[i], list, *n);
        if (twice && says_auto(word) && first != &wm_algorithm_auto)
            continue; /* all,auto: here auto is the only one */
        if (twice)
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--algo: %s names %s of %s a second time", word, first[i].name,
                           b->name);
        list[(*n)++] = &first[i];
    }
    return WM_OK;
}

static void algorithm_names(const struct wm_benchmark *b, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (const struct wm_algorithm *a = b->algorithms; a->name != NULL && used < bytes; a++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "", a->name);
}

int wm_plan_choose_algorithms(struct wm_maker *m, const struct wm_benchmark *b, const struct wm_algorithm **list,
                              int *n)
{
    char names[256];
    *n = 0;
    for (int i = 0; i < m->conf->algos.n; i++)
        if (add_algorithms(m, b, m->conf->algos.value[i], list, n) != WM_OK)
            return m->err->code;
    m->leaves_algo = *n == 0;
    if (*n > 0)
        return WM_OK;
    for (int i = 0; m->by_name && i < m->conf->algos.n; i++)
        if (strchr(m->conf->algos.value[i], ':') == NULL) {
            algorithm_names(b, names, sizeof(names));
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--algo %s: %s has no such algorithm; it has %s",
                           m->conf->algos.value[i], b->name, names);
        }
    list[(*n)++] = b->algorithms;
    return WM_OK;
}

/* Every word of --algo must mean something to some benchmark of this run. */
int wm_plan_check_algorithms(struct wm_maker *m)
{
    const char *names[256] = { NULL };
    const struct wm_algorithm *ignored;
    char hint[128];
    int n = 0;
    for (int k = 0; k < m->n_bench; k++)
        for (const struct wm_algorithm *a = m->bench[k]->algorithms; a->name != NULL && n < 254; a++)
            names[n++] = a->name;
    names[n] = wm_algorithm_auto.name;
    for (int i = 0; i < m->conf->algos.n; i++) {
        const char *word = m->conf->algos.value[i];
        int k = 0;
        while (k < m->n_bench && meant_algorithms(m->bench[k], word, &ignored) == 0)
            k++;
        if (k == m->n_bench)
            return wm_fail(m->err, WM_EUSAGE, "", 0,
                           "--algo %s: no benchmark of this run has it%s; wiremark list shows all", word,
                           wm_did_you_mean(hint, sizeof(hint), word, names));
    }
    return WM_OK;
}

int wm_plan_parse_root(struct wm_maker *m, const char *text, int *root)
{
    int64_t rank;
    struct wm_err ignored = { 0 };
    if (strcmp(text, "rotate") == 0) {
        *root = WM_ROOT_ROTATE;
        return WM_OK;
    }
    char plain[24] = "";
    if (wm_parse_int(text, &rank, &ignored) == WM_OK)
        snprintf(plain, sizeof(plain), "%lld", (long long)rank);
    if (strcmp(plain, text) != 0 || rank < 0 || rank >= m->request->ranks) /* "00" would be another name of 0 */
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--root %s: expected a rank from 0 to %d, or rotate", text,
                       m->request->ranks - 1);
    *root = (int)rank;
    return WM_OK;
}

/* ---- pairs of ranks whose GPUs a fabric joins ---- */

/* The first fabric asked for that joins GPUs, where it is known which; else UNKNOWN. */
static enum wm_fabric joining(const struct wm_maker *m)
{
    for (int t = 0; t < m->request->n_transports && m->request->gpu_ways != NULL; t++) {
        const struct wm_fabric_row *row = wm_fabric_row(m->request->transport[t].fabric);
        if (row != NULL && row->joins_gpus)
            return row->fabric;
    }
    return WM_FABRIC_UNKNOWN;
}

/* Where the user leaves the pair open: one that the fabric joins. */
static int choose_joined(struct wm_maker *m, const char **text, char named[32])
{
    const enum wm_fabric fabric = joining(m);
    if (fabric == WM_FABRIC_UNKNOWN || (*text != NULL && strcmp(*text, "same-host") != 0))
        return WM_OK;
    for (int a = 0; a < m->plan->ranks; a++)
        for (int b = a + 1; b < m->plan->ranks; b++)
            if (wm_joined(m, fabric, a, b)) {
                snprintf(named, 32, "%d-%d", a, b);
                *text = named;
                return WM_OK;
            }
    return wm_fail(
        m->err, WM_EABSENT, "", 0,
        "--fabric %s: looked for two ranks on GPUs that it joins, and found none among %d ranks; wiremark topo "
        "shows the links, --gpu chooses",
        wm_fabric_names[fabric], m->plan->ranks);
}

int wm_plan_pairings(struct wm_maker *m)
{
    struct wm_plan *plan = m->plan;
    int n = m->conf->pairs.n > 0 ? m->conf->pairs.n : 1;
    plan->pairing = calloc((size_t)n, sizeof(*plan->pairing));
    if (plan->pairing == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "pairs");
    for (int i = 0; i < n; i++) {
        const char *text = m->conf->pairs.n > 0 ? m->conf->pairs.value[i] : NULL;
        char named[32];
        if (choose_joined(m, &text, named) != WM_OK ||
            wm_pairing_make(text, plan->host_of, plan->ranks, &plan->pairing[i], m->err) != WM_OK)
            return m->err->code;
        plan->n_pairings++;
        if (n > 1 && plan->pairing[i].rounds > 1)
            return wm_fail(m->err, WM_EUSAGE, "", 0,
                           "--pairs all stands alone: its rounds are no arms of a comparison");
    }
    return WM_OK;
}
