/** From a request to a plan: the benchmarks, the sizes, and what is refused. */
#include "bench/making.h"

#include <stdlib.h>
#include <string.h>

#include "src/core/text.h"
#include "src/core/units.h"

static const char *const default_set[] = { "latency", "bandwidth", "allreduce", "alltoall", "broadcast" };

/* ---- which benchmarks ---- */

static const struct wm_benchmark *find(const struct wm_plan_request *request, const char *name)
{
    for (int i = 0; request->benchmarks[i] != NULL; i++)
        if (strcmp(request->benchmarks[i]->name, name) == 0)
            return request->benchmarks[i];
    return NULL;
}

static int unknown_benchmark(struct wm_maker *m, const char *name)
{
    const char *names[64] = { NULL };
    char hint[128];
    for (int i = 0; i < 63 && m->request->benchmarks[i] != NULL; i++)
        names[i] = m->request->benchmarks[i]->name;
    return wm_fail(m->err, WM_EUSAGE, "", 0, "unknown benchmark '%s'%s; wiremark list shows all", name,
                   wm_did_you_mean(hint, sizeof(hint), name, names));
}

/* Collectives of a library that has them on the device are something for one rank alone, too: a copy there. */
static int least_ranks(const struct wm_maker *m, const struct wm_benchmark *b)
{
    bool on_device = m->request->n_transports > 0;
    for (int t = 0; t < m->request->n_transports; t++)
        on_device &= m->request->transport[t].transport->whole_groups;
    return on_device && strcmp(b->algorithms->name, "native") == 0 ? 1 : b->min_ranks;
}

static int choose_benchmarks(struct wm_maker *m)
{
    int n = m->request->n_words;
    m->by_name = n > 0;
    if (!m->by_name)
        n = (int)(sizeof(default_set) / sizeof(*default_set));
    m->bench = calloc((size_t)n, sizeof(*m->bench));
    if (m->bench == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "%d benchmarks", n);
    for (int i = 0; i < n; i++) {
        const char *name = m->by_name ? m->request->words[i] : default_set[i];
        const struct wm_benchmark *b = find(m->request, name);
        if (b == NULL)
            return unknown_benchmark(m, name);
        for (int k = 0; k < m->n_bench; k++)
            if (m->bench[k] == b)
                return wm_fail(m->err, WM_EUSAGE, "", 0, "benchmark '%s' is named twice", name);
        const int least = least_ranks(m, b);
        if (least > m->request->ranks)
            return wm_fail(m->err, WM_EUSAGE, "", 0,
                           "%s needs %d ranks and this run has %d: start it with mpirun -n %d", name, least,
                           m->request->ranks, least);
        m->bench[m->n_bench++] = b;
    }
    return WM_OK;
}

/* ---- which sizes ---- */

/* What is wrong with them is said before anything is made of them. */
static int check_sizes(struct wm_maker *m)
{
    m->bytes = calloc((size_t)m->conf->bytes.n + 66, sizeof(*m->bytes));
    if (m->bytes == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "sizes");
    return wm_plan_sizes(m, m->bench[0]);
}

/* ---- which options matter to whom ---- */

static int refuse_without_effect(struct wm_maker *m)
{
    static const struct {
        const char *option, *why;
        bool (*takes)(const struct wm_benchmark *b);
    } rows[] = {
        { "root", "has a root", wm_takes_root },
        { "op", "reduces", wm_takes_op },
        { "window", "has a window", wm_takes_window },
        { "pairs", "is between two ranks", wm_takes_pairs },
        { "sync", "is a collective", wm_takes_sync },
        { "in-place", "can run in place", wm_takes_in_place },
        { "bytes", "has a size", wm_takes_bytes },
        { "dtype", "has elements", wm_takes_bytes },
        { "buffers", "moves data", wm_takes_bytes },
        { "mem", "moves data", wm_takes_bytes },
        { "path", "goes over a transport", wm_takes_transport },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int k = 0;
        while (k < m->n_bench && !rows[i].takes(m->bench[k]))
            k++;
        if (k == m->n_bench && wm_given(m, rows[i].option))
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s has no effect: none of these benchmarks %s", rows[i].option,
                           rows[i].why);
    }
    return WM_OK;
}

/* Paths are for device memory, chunks and slots for one of the paths. */
static int refuse_idle_paths(struct wm_maker *m)
{
    bool device = false, pipelined = false;
    for (int i = 0; i < m->plan->n_memories; i++)
        device |= wm_plan_device(&m->plan->memory[i]) != NULL;
    for (int i = 0; i < m->conf->paths.n; i++)
        pipelined |= WM_PATH_DIRECT + m->conf->paths.value[i] == WM_PATH_PIPELINED;
    if (!device && m->conf->paths.n > 0)
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--path has no effect: --mem names no memory of a device");
    for (int i = 0; i < 2; i++) {
        const char *option = i == 0 ? "chunk" : "slots";
        if (!pipelined && wm_given(m, option))
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s has no effect without --path pipelined", option);
    }
    return WM_OK;
}

/* The host's stands last, for what has no data. */
static int take_memories(struct wm_maker *m)
{
    static const struct wm_plan_memory host = { .send = &wm_mem_host, .receive = &wm_mem_host };
    const struct wm_plan_request *r = m->request;
    int asked = r->n_memories > 0 ? r->n_memories : 1;
    m->plan->memory = calloc((size_t)asked + 1, sizeof(*m->plan->memory));
    if (m->plan->memory == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "%d kinds of memory", asked);
    for (int i = 0; i <= asked; i++) {
        m->plan->memory[i] = i < r->n_memories ? r->memory[i] : host;
        m->implied |= m->plan->memory[i].implied != NULL;
    }
    m->plan->n_memories = asked + 1;
    return refuse_idle_paths(m);
}

/* Some memory of a GPU, handed to it. */
static int check_device_only(struct wm_maker *m, const struct wm_transport *t)
{
    bool device = false, direct = m->conf->paths.n == 0;
    for (int i = 0; i < m->plan->n_memories; i++)
        device |= wm_plan_device(&m->plan->memory[i]) != NULL;
    for (int i = 0; i < m->conf->paths.n; i++)
        direct |= wm_asks_direct(m, i);
    if (!device)
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--transport %s moves memory of GPUs alone: take --mem device",
                       t->name);
    if (!direct)
        return wm_fail(m->err, WM_EUSAGE, "", 0,
                       "--transport %s moves memory of GPUs alone, without a detour: take --path direct, too", t->name);
    return WM_OK;
}

static int check_transports(struct wm_maker *m)
{
    for (int i = 0; i < m->request->n_transports; i++)
        if (m->request->transport[i].transport->device_only &&
            check_device_only(m, m->request->transport[i].transport) != WM_OK)
            return m->err->code;
    for (int i = 0; i < m->request->n_transports; i++) {
        const struct wm_plan_transport *t = &m->request->transport[i];
        if (t->transport->check != NULL && t->transport->check(t->group.conf, m->request->ranks, m->err) != WM_OK)
            return m->err->code;
    }
    return WM_OK;
}

static int refuse_twice(struct wm_maker *m, const char *option, const struct wm_text_list *list)
{
    for (int i = 0; i < list->n; i++)
        for (int k = i + 1; k < list->n; k++)
            if (strcmp(list->value[i], list->value[k]) == 0)
                return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s: %s is named twice", option, list->value[i]);
    return WM_OK;
}

static int refuse_ints_twice(struct wm_maker *m, const char *option, const struct wm_int_list *list)
{
    for (int i = 0; i < list->n; i++)
        for (int k = i + 1; k < list->n; k++)
            if (list->value[i] == list->value[k])
                return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s: %lld is named twice", option,
                               (long long)list->value[i]);
    return WM_OK;
}

static int make_all(struct wm_maker *m)
{
    if (choose_benchmarks(m) != WM_OK || check_sizes(m) != WM_OK || refuse_without_effect(m) != WM_OK ||
        take_memories(m) != WM_OK || check_transports(m) != WM_OK || wm_plan_check_algorithms(m) != WM_OK ||
        refuse_twice(m, "algo", &m->conf->algos) != WM_OK || refuse_twice(m, "root", &m->conf->roots) != WM_OK ||
        refuse_twice(m, "pairs", &m->conf->pairs) != WM_OK ||
        refuse_ints_twice(m, "window", &m->conf->windows) != WM_OK)
        return m->err->code;
    bool any_pairs = false;
    for (int i = 0; i < m->n_bench; i++)
        any_pairs |= wm_takes_pairs(m->bench[i]);
    if (!any_pairs) { /* one empty pairing keeps the counting simple */
        m->plan->pairing = calloc(1, sizeof(*m->plan->pairing));
        if (m->plan->pairing == NULL)
            return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "pairs");
        m->plan->n_pairings = 1;
    } else if (wm_plan_pairings(m) != WM_OK) {
        return m->err->code;
    }
    return wm_plan_sweeps(m);
}

int wm_plan_make(const struct wm_plan_request *request, struct wm_plan *out, struct wm_err *err)
{
    struct wm_maker m = { .request = request, .conf = request->conf, .plan = out, .err = err };
    *out = (struct wm_plan){
        .conf = request->conf,
        .host_of = request->host_of,
        .ranks = request->ranks,
        .hosts = request->hosts,
        .transport = request->transport,
        .n_transports = request->n_transports,
        .cache_bytes = request->cache_bytes,
    };
    int rc = make_all(&m);
    free(m.bench);
    free(m.bytes);
    if (rc != WM_OK)
        wm_plan_free(out);
    return rc;
}
