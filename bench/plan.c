#include "bench/plan.h"

#include <stdlib.h>
#include <string.h>

#include "bench/build.h"
#include "bench/fabric.h"
#include "src/core/text.h"
#include "src/core/units.h"

static const char *const default_set[] = { "latency", "bandwidth", "allreduce", "alltoall", "broadcast" };

const struct wm_algorithm wm_algorithm_auto = { .name = "auto" };

const char *const wm_path_names[WM_PATHS + 1] = { "host", "direct", "staged", "pipelined", NULL };

const struct wm_mem *wm_plan_device(const struct wm_plan_memory *m)
{
    return wm_mem_is_device(m->receive) ? m->receive : wm_mem_is_device(m->send) ? m->send : NULL;
}

/* While the plan is made. */
struct maker {
    const struct wm_plan_request *request;
    const struct wm_run_conf *conf;
    struct wm_plan *plan;
    const struct wm_benchmark **bench; /* chosen */
    int n_bench;
    bool by_name;     /* the user named them */
    bool leaves_algo; /* no word of --algo means the benchmark at hand */
    bool implied;     /* some of the memory is what rows have of their own: --mem was not given */
    uint64_t *bytes;  /* requested sizes, ascending */
    int n_bytes;
    struct wm_err *err;
};

/* ---- which benchmarks ---- */

static const struct wm_benchmark *find(const struct wm_plan_request *request, const char *name)
{
    for (int i = 0; request->benchmarks[i] != NULL; i++)
        if (strcmp(request->benchmarks[i]->name, name) == 0)
            return request->benchmarks[i];
    return NULL;
}

static int unknown_benchmark(struct maker *m, const char *name)
{
    const char *names[64] = { NULL };
    char hint[128];
    for (int i = 0; i < 63 && m->request->benchmarks[i] != NULL; i++)
        names[i] = m->request->benchmarks[i]->name;
    return wm_fail(m->err, WM_EUSAGE, "", 0, "unknown benchmark '%s'%s; wiremark list shows all", name,
                   wm_did_you_mean(hint, sizeof(hint), name, names));
}

static int choose_benchmarks(struct maker *m)
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
        if (b->min_ranks > m->request->ranks)
            return wm_fail(m->err, WM_EUSAGE, "", 0,
                           "%s needs %d ranks and this run has %d: start it with mpirun -n %d", name, b->min_ranks,
                           m->request->ranks, b->min_ranks);
        m->bench[m->n_bench++] = b;
    }
    return WM_OK;
}

/* ---- which sizes ---- */

static int compare_bytes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool given(const struct maker *m, const char *option)
{
    return wm_option_given(m->request->groups, m->request->n_groups, option);
}

static int listed_sizes(struct maker *m)
{
    if (given(m, "min-bytes") || given(m, "max-bytes"))
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--bytes lists the sizes: leave out --min-bytes and --max-bytes");
    memcpy(m->bytes, m->conf->bytes.value, (size_t)m->conf->bytes.n * sizeof(*m->bytes));
    qsort(m->bytes, (size_t)m->conf->bytes.n, sizeof(*m->bytes), compare_bytes);
    m->n_bytes = m->conf->bytes.n;
    return WM_OK;
}

static int ranged_sizes(struct maker *m)
{
    uint64_t low = m->conf->min_bytes, high = m->conf->max_bytes;
    char a[WM_TEXT_BYTES], b[WM_TEXT_BYTES];
    if (low > high)
        return wm_fail(m->err, WM_EUSAGE, "", 0, "no size to measure: --min-bytes %s is above --max-bytes %s",
                       wm_format_bytes(a, low), wm_format_bytes(b, high));
    for (uint64_t bytes = low; bytes <= high; bytes = bytes ? 2 * bytes : 1)
        m->bytes[m->n_bytes++] = bytes;
    return WM_OK;
}

static int choose_sizes(struct maker *m)
{
    m->bytes = calloc((size_t)m->conf->bytes.n + 66, sizeof(*m->bytes));
    if (m->bytes == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "sizes");
    return m->conf->bytes.n > 0 ? listed_sizes(m) : ranged_sizes(m);
}

/* ---- which options matter to whom ---- */

static bool takes_root(const struct wm_benchmark *b)
{
    return b->rooted;
}
static bool takes_op(const struct wm_benchmark *b)
{
    return b->reduces;
}
static bool takes_window(const struct wm_benchmark *b)
{
    return b->windowed;
}
static bool takes_pairs(const struct wm_benchmark *b)
{
    return b->shape == WM_PAIR;
}
/* Copies of one rank go over no transport: nothing that is said of transports matters to them. */
static bool takes_transport(const struct wm_benchmark *b)
{
    return b->shape != WM_ALONE;
}
static bool takes_sync(const struct wm_benchmark *b)
{
    return b->clock_of == WM_CLOCK_SLOWEST;
}
static bool takes_in_place(const struct wm_benchmark *b)
{
    return b->can_in_place;
}
static bool takes_bytes(const struct wm_benchmark *b)
{
    return b->bytes_rule != WM_BYTES_NONE;
}

static int refuse_without_effect(struct maker *m)
{
    static const struct {
        const char *option, *why;
        bool (*takes)(const struct wm_benchmark *b);
    } rows[] = {
        { "root", "has a root", takes_root },
        { "op", "reduces", takes_op },
        { "window", "has a window", takes_window },
        { "pairs", "is between two ranks", takes_pairs },
        { "sync", "is a collective", takes_sync },
        { "in-place", "can run in place", takes_in_place },
        { "bytes", "has a size", takes_bytes },
        { "dtype", "has elements", takes_bytes },
        { "buffers", "moves data", takes_bytes },
        { "mem", "moves data", takes_bytes },
        { "path", "goes over a transport", takes_transport },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int k = 0;
        while (k < m->n_bench && !rows[i].takes(m->bench[k]))
            k++;
        if (k == m->n_bench && given(m, rows[i].option))
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s has no effect: none of these benchmarks %s", rows[i].option,
                           rows[i].why);
    }
    return WM_OK;
}

/* Paths are for device memory, chunks and slots for one of the paths. */
static int refuse_idle_paths(struct maker *m)
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
        if (!pipelined && given(m, option))
            return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s has no effect without --path pipelined", option);
    }
    return WM_OK;
}

/* The host's stands last, for what has no data. */
static int take_memories(struct maker *m)
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

static bool is_direct(const struct maker *m, int path)
{
    return m->conf->paths.n == 0 || WM_PATH_DIRECT + m->conf->paths.value[path] == WM_PATH_DIRECT;
}

/* Some memory of a GPU, handed to it. */
static int check_device_only(struct maker *m, const struct wm_transport *t)
{
    bool device = false, direct = m->conf->paths.n == 0;
    for (int i = 0; i < m->plan->n_memories; i++)
        device |= wm_plan_device(&m->plan->memory[i]) != NULL;
    for (int i = 0; i < m->conf->paths.n; i++)
        direct |= is_direct(m, i);
    if (!device)
        return wm_fail(m->err, WM_EUSAGE, "", 0, "--transport %s moves memory of GPUs alone: take --mem device",
                       t->name);
    if (!direct)
        return wm_fail(m->err, WM_EUSAGE, "", 0,
                       "--transport %s moves memory of GPUs alone, without a detour: take --path direct, too", t->name);
    return WM_OK;
}

static int check_transports(struct maker *m)
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

/* ---- factors of one benchmark ---- */

/* Where there is nothing to choose, auto is the only one, under its own name. */
static const struct wm_algorithm *automatic(const struct wm_benchmark *b)
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
    *first = strcmp(name, "auto") == 0 ? automatic(b) : wm_benchmark_algorithm(b, name);
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

static int add_algorithms(struct maker *m, const struct wm_benchmark *b, const char *word,
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

enum { MAX_ALGORITHMS = 32 };

static int choose_algorithms(struct maker *m, const struct wm_benchmark *b, const struct wm_algorithm **list, int *n)
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
static int check_algorithms(struct maker *m)
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

static int parse_root(struct maker *m, const char *text, int *root)
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

static int refuse_twice(struct maker *m, const char *option, const struct wm_text_list *list)
{
    for (int i = 0; i < list->n; i++)
        for (int k = i + 1; k < list->n; k++)
            if (strcmp(list->value[i], list->value[k]) == 0)
                return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s: %s is named twice", option, list->value[i]);
    return WM_OK;
}

static int refuse_ints_twice(struct maker *m, const char *option, const struct wm_int_list *list)
{
    for (int i = 0; i < list->n; i++)
        for (int k = i + 1; k < list->n; k++)
            if (list->value[i] == list->value[k])
                return wm_fail(m->err, WM_EUSAGE, "", 0, "--%s: %lld is named twice", option,
                               (long long)list->value[i]);
    return WM_OK;
}

/* ---- pairs of ranks whose GPUs a fabric joins ---- */

static bool joined(const struct maker *m, enum wm_fabric fabric, int a, int b)
{
    return m->request->gpu_ways[a * m->plan->ranks + b] == (unsigned char)fabric;
}

/* The first fabric asked for that joins GPUs, where it is known which; else UNKNOWN. */
static enum wm_fabric joining(const struct maker *m)
{
    for (int t = 0; t < m->request->n_transports && m->request->gpu_ways != NULL; t++) {
        const struct wm_fabric_row *row = wm_fabric_row(m->request->transport[t].fabric);
        if (row != NULL && row->joins_gpus)
            return row->fabric;
    }
    return WM_FABRIC_UNKNOWN;
}

/* Where the user leaves the pair open: one that the fabric joins. */
static int choose_joined(struct maker *m, const char **text, char named[32])
{
    const enum wm_fabric fabric = joining(m);
    if (fabric == WM_FABRIC_UNKNOWN || (*text != NULL && strcmp(*text, "same-host") != 0))
        return WM_OK;
    for (int a = 0; a < m->plan->ranks; a++)
        for (int b = a + 1; b < m->plan->ranks; b++)
            if (joined(m, fabric, a, b)) {
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

static int make_pairings(struct maker *m)
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

/* ---- arms: every combination of the factors that matter to a benchmark ---- */

enum factor {
    F_TRANSPORT,
    F_MEM,
    F_PATH,
    F_DTYPE,
    F_OP,
    F_ALGO,
    F_ROOT,
    F_PAIRS,
    F_WINDOW,
    F_BUFFERS,
    F_SYNC,
    FACTORS
};
static const char *const factor_names[FACTORS] = { "transport", "mem",   "path",   "dtype",   "op",  "algo",
                                                   "root",      "pairs", "window", "buffers", "sync" };

/* Where both are of one transport, as others have no providers. */
static bool provider_differs(const struct wm_plan_transport *a, const struct wm_plan_transport *b)
{
    return a->transport == b->transport && a->provider != NULL && b->provider != NULL &&
           strcmp(a->provider, b->provider) != 0;
}

static bool varies(const struct wm_plan *plan, const struct wm_transport *of, const struct wm_option *row)
{
    const struct wm_int_list *first = NULL;
    for (int t = 0; t < plan->n_transports; t++) {
        const struct wm_plan_transport *p = &plan->transport[t];
        const struct wm_int_list *list = (const void *)((const char *)p->group.conf + row->offset);
        if (p->transport != of)
            continue;
        if (first != NULL && list->value[0] != first->value[0])
            return true;
        first = list;
    }
    return false;
}

/* Options of a transport that were given as lists. */
static void name_own_lists(const struct wm_plan *plan, struct wm_sweep *sweep)
{
    for (int t = 0; t < plan->n_transports; t++) {
        const struct wm_transport *of = plan->transport[t].transport;
        if (t > 0 && of == plan->transport[t - 1].transport)
            continue;
        for (const struct wm_option *row = of->options; row != NULL && row->name != NULL; row++)
            if ((row->type == WM_OPT_INTS || row->type == WM_OPT_CHOICES) && sweep->n_varies < 8 &&
                varies(plan, of, row))
                snprintf(sweep->varies[sweep->n_varies++], sizeof(sweep->varies[0]), "%s", row->name);
    }
}

/* Combinations of transport, fabric, provider and the transport's own lists are one factor, named by what differs in
 * them. */
static void name_ways(const struct wm_plan *plan, struct wm_sweep *sweep)
{
    bool transports = false, fabrics = false, providers = false;
    for (int t = 1; t < plan->n_transports; t++) {
        transports |= plan->transport[t].transport != plan->transport[0].transport;
        fabrics |= plan->transport[t].fabric != plan->transport[0].fabric;
        for (int k = 0; k < t; k++)
            providers |= provider_differs(&plan->transport[t], &plan->transport[k]);
    }
    if (transports)
        snprintf(sweep->varies[sweep->n_varies++], sizeof(sweep->varies[0]), "transport");
    if (fabrics)
        snprintf(sweep->varies[sweep->n_varies++], sizeof(sweep->varies[0]), "fabric");
    if (providers)
        snprintf(sweep->varies[sweep->n_varies++], sizeof(sweep->varies[0]), "provider");
    name_own_lists(plan, sweep);
}

/* Also where only one is asked for: some transports have no native one. */
static bool algorithms_differ(const struct wm_sweep *sweep)
{
    for (int a = 1; a < sweep->n_arms; a++)
        if (sweep->arm[a].algo != sweep->arm[0].algo)
            return true;
    return false;
}

/* @param memories  of which the row can be */
static void name_factors(const struct wm_plan *plan, const int n[FACTORS], int memories, struct wm_sweep *sweep)
{
    if (n[F_TRANSPORT] > 1)
        name_ways(plan, sweep);
    for (int f = F_TRANSPORT + 1; f < FACTORS; f++)
        if ((f == F_MEM ? memories > 1 : f == F_ALGO ? algorithms_differ(sweep) : n[f] > 1) && sweep->n_varies < 8)
            snprintf(sweep->varies[sweep->n_varies++], sizeof(sweep->varies[0]), "%s", factor_names[f]);
}

/* ---- which memory a row can be of ---- */

static bool lies_in(const struct wm_mem *mem, enum wm_whereabouts side)
{
    return side == WM_ANYWHERE || (side == WM_ON_DEVICE) == wm_mem_is_device(mem);
}

static bool fits(const struct maker *m, const struct wm_benchmark *b, const struct wm_plan_memory *memory)
{
    if (memory->implied != NULL)
        return b->memory != NULL && strcmp(b->memory, memory->implied) == 0;
    if (b->memory != NULL && m->implied)
        return false;
    return lies_in(memory->send, b->from) && lies_in(memory->receive, b->to);
}

static int count_memories(const struct maker *m, const struct wm_benchmark *b)
{
    int n = 0;
    for (int i = 0; i < m->plan->n_memories - 1; i++)
        n += fits(m, b, &m->plan->memory[i]);
    return n;
}

static bool leaves_a_host(const struct wm_plan *plan, const struct wm_arm_spec *arm)
{
    if (arm->round == NULL)
        return plan->hosts > 1;
    for (int i = 0; i < arm->round->n; i++)
        if (plan->host_of[arm->round->pair[i].from] != plan->host_of[arm->round->pair[i].to])
            return true;
    return false;
}

static int check_gpus(struct maker *m, const struct wm_arm_spec *arm, const struct wm_fabric_row *row)
{
    const char *name = wm_fabric_names[row->fabric];
    if (wm_plan_device(arm->memory) == NULL)
        return wm_fail(m->err, WM_EUSAGE, "", 0,
                       "--fabric %s joins the memories of GPUs, and %s would move host memory: take --mem device", name,
                       arm->bench->name);
    for (int i = 0; arm->round != NULL && m->request->gpu_ways != NULL && i < arm->round->n; i++) {
        const struct wm_pair pair = arm->round->pair[i];
        if (!joined(m, row->fabric, pair.from, pair.to))
            return wm_fail(
                m->err, WM_EABSENT, "", 0,
                "--fabric %s does not join the GPUs of ranks %d and %d, as NVML says; wiremark topo shows the "
                "links",
                name, pair.from, pair.to);
    }
    return WM_OK;
}

static int check_reach(struct maker *m, const struct wm_arm_spec *arm)
{
    const struct wm_fabric_row *row = wm_fabric_row(m->plan->transport[arm->transport].fabric);
    if (row != NULL && row->joins_gpus && takes_transport(arm->bench))
        return check_gpus(m, arm, row);
    if (m->plan->transport[arm->transport].fabric != WM_FABRIC_SHM || !leaves_a_host(m->plan, arm))
        return WM_OK;
    return wm_fail(m->err, WM_EUSAGE, "", 0, "--fabric shm ends at the host, and %s goes between hosts: %s",
                   arm->bench->name,
                   arm->round != NULL ? "name ranks of one host, as with --pairs same-host"
                                      : "start all ranks on one host, or leave it out");
}

static void count_factors(const struct maker *m, const struct wm_benchmark *b, int n_algos, int n[FACTORS])
{
    const struct wm_run_conf *c = m->conf;
    n[F_TRANSPORT] = takes_transport(b) ? m->request->n_transports : 1;
    n[F_MEM] = takes_bytes(b) ? m->plan->n_memories - 1 : 1;
    n[F_PATH] = takes_bytes(b) && takes_transport(b) && c->paths.n ? c->paths.n : 1;
    n[F_DTYPE] = takes_bytes(b) && c->dtypes.n ? c->dtypes.n : 1;
    n[F_OP] = takes_op(b) ? c->ops.n : 1;
    n[F_ALGO] = n_algos;
    n[F_ROOT] = takes_root(b) ? c->roots.n : 1;
    n[F_PAIRS] = takes_pairs(b) && c->pairs.n ? c->pairs.n : 1;
    n[F_WINDOW] = takes_window(b) ? c->windows.n : 1;
    n[F_BUFFERS] = takes_bytes(b) ? c->buffers.n : 1;
    n[F_SYNC] = takes_sync(b) ? c->syncs.n : 1;
}

/* What has no data goes by the host's memory, which is the last of the plan's. */
static void choose_memory(const struct maker *m, const struct wm_benchmark *b, const int at[FACTORS],
                          struct wm_arm_spec *arm)
{
    const struct wm_run_conf *c = m->conf;
    const int memory = takes_bytes(b) ? at[F_MEM] : m->plan->n_memories - 1;
    arm->memory = &m->plan->memory[memory];
    if (wm_plan_device(arm->memory) != NULL)
        arm->path =
            (enum wm_path)(WM_PATH_DIRECT + (c->paths.n && takes_transport(b) ? c->paths.value[at[F_PATH]] : 0));
    if (arm->path == WM_PATH_PIPELINED) {
        arm->chunk_bytes = c->chunk_bytes > 0 ? c->chunk_bytes : WM_USUAL_CHUNK_BYTES;
        arm->slots = c->slots > 0 ? (int)c->slots : WM_USUAL_SLOTS;
    }
    /* where the transport has no part in a row it is not handed the device's memory either, as on a detour */
    arm->layout = 2 * memory + (arm->path >= WM_PATH_STAGED || !takes_transport(b));
}

/* Host memory has one path, whatever the others have; what moves memory of GPUs alone has no detour. */
static bool is_arm(const struct maker *m, const struct wm_benchmark *b, const int at[FACTORS])
{
    if (takes_bytes(b) && !fits(m, b, &m->plan->memory[at[F_MEM]]))
        return false;
    if (!takes_transport(b))
        return true;
    const bool device = takes_bytes(b) && wm_plan_device(&m->plan->memory[at[F_MEM]]) != NULL;
    if (takes_bytes(b) && m->plan->transport[at[F_TRANSPORT]].transport->device_only)
        return device && is_direct(m, at[F_PATH]);
    return at[F_PATH] == 0 || device;
}

/* A library's own collective where nobody named an algorithm; a transport without any has ours. */
static const struct wm_algorithm *algorithm_of(const struct maker *m, const struct wm_benchmark *b,
                                               const struct wm_algorithm *algo, int transport)
{
    const struct wm_transport *t = m->request->transport[transport].transport;
    const bool lacks = takes_transport(b) && t->bind_coll == NULL && t->ops->post_send != NULL;
    return m->leaves_algo && lacks && strcmp(algo->name, "native") == 0 ? automatic(b) : algo;
}

static int fill_arm(struct maker *m, const struct wm_benchmark *b, const struct wm_algorithm *const *algos, int round,
                    const int at[FACTORS], struct wm_arm_spec *arm)
{
    const struct wm_run_conf *c = m->conf;
    enum wm_dtype usual = b->reduces ? WM_FLOAT : WM_INT8;
    *arm = (struct wm_arm_spec){
        .bench = b,
        .algo = algorithm_of(m, b, algos[at[F_ALGO]], at[F_TRANSPORT]),
        .transport = at[F_TRANSPORT],
        .type = c->dtypes.n ? (enum wm_dtype)c->dtypes.value[at[F_DTYPE]] : usual,
        .op = (enum wm_redop)c->ops.value[at[F_OP]],
        .window = takes_window(b) ? (int)c->windows.value[at[F_WINDOW]] : 1,
        .buffers = (enum wm_buffers)c->buffers.value[at[F_BUFFERS]],
        .sync = takes_sync(b) ? (enum wm_sync)c->syncs.value[at[F_SYNC]] : WM_SYNC_NONE,
        .in_place = takes_in_place(b) && c->in_place,
    };
    choose_memory(m, b, at, arm);
    if (takes_pairs(b)) {
        const struct wm_pairing *pairing = &m->plan->pairing[at[F_PAIRS]];
        arm->pairs = c->pairs.n ? c->pairs.value[at[F_PAIRS]] : NULL;
        arm->round = &pairing->round[round];
        arm->round_number = pairing->rounds > 1 ? round + 1 : 0;
    }
    return takes_root(b) ? parse_root(m, c->roots.value[at[F_ROOT]], &arm->root) : WM_OK;
}

static size_t window_limit(const struct maker *m, const struct wm_arm_spec *arm, size_t bytes)
{
    size_t peers = arm->round != NULL || arm->bench->shape == WM_ALONE ? 1 : (size_t)m->plan->ranks - 1;
    size_t fit = bytes > 0 ? m->conf->max_inflight_bytes / bytes / peers : (size_t)arm->window;
    return fit < 1 ? 1 : fit;
}

static bool differ_in_window_only(const struct wm_arm_spec *a, const struct wm_arm_spec *b)
{
    return a->algo == b->algo && a->transport == b->transport && a->memory == b->memory && a->path == b->path &&
           a->type == b->type && a->op == b->op && a->root == b->root && a->buffers == b->buffers &&
           a->sync == b->sync && a->round == b->round;
}

/* Two windows that --max-inflight shrinks to the same one are one cell. */
static bool repeats(const struct wm_sweep *sweep, int size, int arm)
{
    const struct wm_cell *cells = &sweep->cell[size * sweep->n_arms];
    for (int a = 0; a < arm; a++)
        if (cells[a].planned && cells[a].bytes == cells[arm].bytes && cells[a].window == cells[arm].window &&
            differ_in_window_only(&sweep->arm[a], &sweep->arm[arm]))
            return true;
    return false;
}

static void fill_cell(struct maker *m, struct wm_sweep *sweep, int size, int a)
{
    const struct wm_arm_spec *arm = &sweep->arm[a];
    struct wm_cell *cell = &sweep->cell[size * sweep->n_arms + a];
    uint64_t asked = takes_bytes(sweep->bench) ? m->bytes[size] : 0;
    size_t bytes = wm_benchmark_bytes(sweep->bench, asked, arm->type, m->plan->ranks);
    size_t before = size > 0 ? (cell - sweep->n_arms)->bytes : 0;
    bool empty = asked == 0 && (sweep->bench->shape == WM_PAIR || !takes_bytes(sweep->bench));
    *cell = (struct wm_cell){ .bytes = bytes, .status = WM_NOT_RUN, .window = arm->window };
    if (window_limit(m, arm, bytes) < (size_t)arm->window)
        cell->window = (int)window_limit(m, arm, bytes);
    cell->planned = ((bytes > 0 && bytes != before) || empty) && !repeats(sweep, size, a);
    m->plan->n_cells += cell->planned;
}

static void fill_cells(struct maker *m, struct wm_sweep *sweep)
{
    for (int s = 0; s < sweep->n_sizes; s++)
        for (int a = 0; a < sweep->n_arms; a++)
            fill_cell(m, sweep, s, a);
}

static int fill_arms(struct maker *m, struct wm_sweep *sweep, const struct wm_algorithm *const *algos, int round,
                     const int n[FACTORS], int combinations)
{
    int at[FACTORS] = { 0 };
    for (int i = 0; i < combinations; i++) {
        struct wm_arm_spec *arm = &sweep->arm[sweep->n_arms];
        if (is_arm(m, sweep->bench, at)) {
            sweep->n_arms++;
            if (fill_arm(m, sweep->bench, algos, round, at, arm) != WM_OK || check_reach(m, arm) != WM_OK)
                return m->err->code;
        }
        for (int f = FACTORS - 1; f >= 0 && ++at[f] == n[f]; f--)
            at[f] = 0;
    }
    return WM_OK;
}

static int refuse_memory(struct maker *m, const struct wm_benchmark *b)
{
    static const char *const words[] = { "any", "host or pinned", "a device's" };
    return wm_fail(m->err, WM_EUSAGE, "", 0,
                   "%s copies from %s memory to %s: no word of --mem is of that kind; take --mem %s", b->name,
                   words[b->from], words[b->to], b->memory != NULL ? b->memory : "host");
}

static int make_sweep(struct maker *m, const struct wm_benchmark *b, int round)
{
    const struct wm_algorithm *algos[MAX_ALGORITHMS];
    int n_algos, n[FACTORS], arms = 1;
    struct wm_sweep *sweep = &m->plan->sweep[m->plan->n_sweeps];
    if (choose_algorithms(m, b, algos, &n_algos) != WM_OK)
        return m->err->code;
    count_factors(m, b, n_algos, n);
    for (int f = 0; f < FACTORS; f++)
        arms *= n[f];
    const int memories = takes_bytes(b) ? count_memories(m, b) : 1;
    if (memories == 0)
        return refuse_memory(m, b);
    sweep->bench = b;
    sweep->n_sizes = takes_bytes(b) ? m->n_bytes : 1;
    sweep->arm = calloc((size_t)arms, sizeof(*sweep->arm));
    sweep->cell = calloc((size_t)arms * (size_t)sweep->n_sizes, sizeof(*sweep->cell));
    m->plan->n_sweeps++;
    if (sweep->arm == NULL || sweep->cell == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "%d arms of %s", arms, b->name);
    if (fill_arms(m, sweep, algos, round, n, arms) != WM_OK)
        return m->err->code;
    name_factors(m->plan, n, memories, sweep);
    int before = m->plan->n_cells;
    fill_cells(m, sweep);
    if (m->plan->n_cells == before)
        return wm_fail(m->err, WM_EUSAGE, "", 0,
                       "no size to measure for %s: each one given holds less than one element for each of %d ranks",
                       b->name, m->plan->ranks);
    return WM_OK;
}

static int make_sweeps(struct maker *m)
{
    int rounds = m->plan->pairing[0].rounds, count = 0;
    for (int i = 0; i < m->n_bench; i++)
        count += takes_pairs(m->bench[i]) ? rounds : 1;
    m->plan->sweep = calloc((size_t)count, sizeof(*m->plan->sweep));
    if (m->plan->sweep == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "%d sweeps", count);
    for (int i = 0; i < m->n_bench; i++)
        for (int r = 0; r < (takes_pairs(m->bench[i]) ? rounds : 1); r++)
            if (make_sweep(m, m->bench[i], r) != WM_OK)
                return m->err->code;
    uint32_t number = 0;
    for (int i = 0; i < count; i++) {
        m->plan->sweep[i].first_number = number;
        number += (uint32_t)(m->plan->sweep[i].n_sizes * m->plan->sweep[i].n_arms);
    }
    return WM_OK;
}

static int make_all(struct maker *m)
{
    if (choose_benchmarks(m) != WM_OK || choose_sizes(m) != WM_OK || refuse_without_effect(m) != WM_OK ||
        take_memories(m) != WM_OK || check_transports(m) != WM_OK || check_algorithms(m) != WM_OK ||
        refuse_twice(m, "algo", &m->conf->algos) != WM_OK || refuse_twice(m, "root", &m->conf->roots) != WM_OK ||
        refuse_twice(m, "pairs", &m->conf->pairs) != WM_OK ||
        refuse_ints_twice(m, "window", &m->conf->windows) != WM_OK)
        return m->err->code;
    bool any_pairs = false;
    for (int i = 0; i < m->n_bench; i++)
        any_pairs |= takes_pairs(m->bench[i]);
    if (!any_pairs) { /* one empty pairing keeps the counting simple */
        m->plan->pairing = calloc(1, sizeof(*m->plan->pairing));
        if (m->plan->pairing == NULL)
            return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "pairs");
        m->plan->n_pairings = 1;
    } else if (make_pairings(m) != WM_OK) {
        return m->err->code;
    }
    return make_sweeps(m);
}

int wm_plan_make(const struct wm_plan_request *request, struct wm_plan *out, struct wm_err *err)
{
    struct maker m = { .request = request, .conf = request->conf, .plan = out, .err = err };
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

void wm_plan_free(struct wm_plan *plan)
{
    for (int i = 0; i < plan->n_sweeps; i++) {
        free(plan->sweep[i].arm);
        free(plan->sweep[i].cell);
    }
    for (int i = 0; i < plan->n_pairings; i++)
        wm_pairing_free(&plan->pairing[i]);
    free(plan->sweep);
    free(plan->pairing);
    free(plan->memory);
    *plan = (struct wm_plan){ 0 };
}

bool wm_plan_cell(const struct wm_plan *plan, uint32_t number, const struct wm_sweep **sweep, int *size, int *arm)
{
    for (int i = 0; i < plan->n_sweeps; i++) {
        const struct wm_sweep *s = &plan->sweep[i];
        if (number >= s->first_number && number < s->first_number + (uint32_t)(s->n_sizes * s->n_arms)) {
            *sweep = s;
            *size = (int)(number - s->first_number) / s->n_arms;
            *arm = (int)(number - s->first_number) % s->n_arms;
            return true;
        }
    }
    return false;
}

int wm_plan_members(const struct wm_plan *plan, const struct wm_arm_spec *spec, int *out)
{
    int n = 0;
    for (int r = 0; r < plan->ranks; r++)
        if (wm_build_part(spec, r, NULL))
            out[n++] = r;
    return n;
}
