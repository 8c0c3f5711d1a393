/** Arms and cells: every combination of the factors that matter to a benchmark. */
#include "bench/making.h"

#include <stdlib.h>
#include <string.h>

#include "bench/build.h"
#include "bench/fabric.h"

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

static bool fits(const struct wm_maker *m, const struct wm_benchmark *b, const struct wm_plan_memory *memory)
{
    if (memory->implied != NULL)
        return b->memory != NULL && strcmp(b->memory, memory->implied) == 0;
    if (b->memory != NULL && m->implied)
        return false;
    return lies_in(memory->send, b->from) && lies_in(memory->receive, b->to);
}

static int count_memories(const struct wm_maker *m, const struct wm_benchmark *b)
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

static int check_gpus(struct wm_maker *m, const struct wm_arm_spec *arm, const struct wm_fabric_row *row)
{
    const char *name = wm_fabric_names[row->fabric];
    if (wm_plan_device(arm->memory) == NULL)
        return wm_fail(m->err, WM_EUSAGE, "", 0,
                       "--fabric %s joins the memories of GPUs, and %s would move host memory: take --mem device", name,
                       arm->bench->name);
    for (int i = 0; arm->round != NULL && m->request->gpu_ways != NULL && i < arm->round->n; i++) {
        const struct wm_pair pair = arm->round->pair[i];
        if (!wm_joined(m, row->fabric, pair.from, pair.to))
            return wm_fail(
                m->err, WM_EABSENT, "", 0,
                "--fabric %s does not join the GPUs of ranks %d and %d, as NVML says; wiremark topo shows the "
                "links",
                name, pair.from, pair.to);
    }
    return WM_OK;
}

static int check_reach(struct wm_maker *m, const struct wm_arm_spec *arm)
{
    const struct wm_fabric_row *row = wm_fabric_row(m->plan->transport[arm->transport].fabric);
    if (row != NULL && row->joins_gpus && wm_takes_transport(arm->bench))
        return check_gpus(m, arm, row);
    if (m->plan->transport[arm->transport].fabric != WM_FABRIC_SHM || !leaves_a_host(m->plan, arm))
        return WM_OK;
    return wm_fail(m->err, WM_EUSAGE, "", 0, "--fabric shm ends at the host, and %s goes between hosts: %s",
                   arm->bench->name,
                   arm->round != NULL ? "name ranks of one host, as with --pairs same-host"
                                      : "start all ranks on one host, or leave it out");
}

static void count_factors(const struct wm_maker *m, const struct wm_benchmark *b, int n_algos, int n[FACTORS])
{
    const struct wm_run_conf *c = m->conf;
    n[F_TRANSPORT] = wm_takes_transport(b) ? m->request->n_transports : 1;
    n[F_MEM] = wm_takes_bytes(b) ? m->plan->n_memories - 1 : 1;
    n[F_PATH] = wm_takes_bytes(b) && wm_takes_transport(b) && c->paths.n ? c->paths.n : 1;
    n[F_DTYPE] = wm_takes_bytes(b) && c->dtypes.n ? c->dtypes.n : 1;
    n[F_OP] = wm_takes_op(b) ? c->ops.n : 1;
    n[F_ALGO] = n_algos;
    n[F_ROOT] = wm_takes_root(b) ? c->roots.n : 1;
    n[F_PAIRS] = wm_takes_pairs(b) && c->pairs.n ? c->pairs.n : 1;
    n[F_WINDOW] = wm_takes_window(b) ? c->windows.n : 1;
    n[F_BUFFERS] = wm_takes_bytes(b) ? c->buffers.n : 1;
    n[F_SYNC] = wm_takes_sync(b) ? c->syncs.n : 1;
}

/* What has no data goes by the host's memory, which is the last of the plan's. */
static void choose_memory(const struct wm_maker *m, const struct wm_benchmark *b, const int at[FACTORS],
                          struct wm_arm_spec *arm)
{
    const struct wm_run_conf *c = m->conf;
    const int memory = wm_takes_bytes(b) ? at[F_MEM] : m->plan->n_memories - 1;
    arm->memory = &m->plan->memory[memory];
    if (wm_plan_device(arm->memory) != NULL)
        arm->path =
            (enum wm_path)(WM_PATH_DIRECT + (c->paths.n && wm_takes_transport(b) ? c->paths.value[at[F_PATH]] : 0));
    if (arm->path == WM_PATH_PIPELINED) {
        arm->chunk_bytes = c->chunk_bytes > 0 ? c->chunk_bytes : WM_USUAL_CHUNK_BYTES;
        arm->slots = c->slots > 0 ? (int)c->slots : WM_USUAL_SLOTS;
    }
    /* where the transport has no part in a row it is not handed the device's memory either, as on a detour */
    arm->layout = 2 * memory + (arm->path >= WM_PATH_STAGED || !wm_takes_transport(b));
}

/* Host memory has one path, whatever the others have; what moves memory of GPUs alone has no detour. */
static bool is_arm(const struct wm_maker *m, const struct wm_benchmark *b, const int at[FACTORS])
{
    if (wm_takes_bytes(b) && !fits(m, b, &m->plan->memory[at[F_MEM]]))
        return false;
    if (!wm_takes_transport(b))
        return true;
    const bool device = wm_takes_bytes(b) && wm_plan_device(&m->plan->memory[at[F_MEM]]) != NULL;
    if (wm_takes_bytes(b) && m->plan->transport[at[F_TRANSPORT]].transport->device_only)
        return device && wm_asks_direct(m, at[F_PATH]);
    return at[F_PATH] == 0 || device;
}

/* A library's own collective where nobody named an algorithm; a transport without any has ours. */
static const struct wm_algorithm *algorithm_of(const struct wm_maker *m, const struct wm_benchmark *b,
                                               const struct wm_algorithm *algo, int transport)
{
    const struct wm_transport *t = m->request->transport[transport].transport;
    const bool lacks = wm_takes_transport(b) && t->bind_coll == NULL && t->ops->post_send != NULL;
    return m->leaves_algo && lacks && strcmp(algo->name, "native") == 0 ? wm_plan_automatic(b) : algo;
}

static int fill_arm(struct wm_maker *m, const struct wm_benchmark *b, const struct wm_algorithm *const *algos,
                    int round, const int at[FACTORS], struct wm_arm_spec *arm)
{
    const struct wm_run_conf *c = m->conf;
    enum wm_dtype usual = b->reduces ? WM_FLOAT : WM_INT8;
    *arm = (struct wm_arm_spec){
        .bench = b,
        .algo = algorithm_of(m, b, algos[at[F_ALGO]], at[F_TRANSPORT]),
        .transport = at[F_TRANSPORT],
        .type = c->dtypes.n ? (enum wm_dtype)c->dtypes.value[at[F_DTYPE]] : usual,
        .op = (enum wm_redop)c->ops.value[at[F_OP]],
        .window = wm_takes_window(b) ? (int)c->windows.value[at[F_WINDOW]] : 1,
        .buffers = (enum wm_buffers)c->buffers.value[at[F_BUFFERS]],
        .sync = wm_takes_sync(b) ? (enum wm_sync)c->syncs.value[at[F_SYNC]] : WM_SYNC_NONE,
        .in_place = wm_takes_in_place(b) && c->in_place,
    };
    choose_memory(m, b, at, arm);
    if (wm_takes_pairs(b)) {
        const struct wm_pairing *pairing = &m->plan->pairing[at[F_PAIRS]];
        arm->pairs = c->pairs.n ? c->pairs.value[at[F_PAIRS]] : NULL;
        arm->round = &pairing->round[round];
        arm->round_number = pairing->rounds > 1 ? round + 1 : 0;
    }
    return wm_takes_root(b) ? wm_plan_parse_root(m, c->roots.value[at[F_ROOT]], &arm->root) : WM_OK;
}

static size_t window_limit(const struct wm_maker *m, const struct wm_arm_spec *arm, size_t bytes)
{
    size_t lanes = (size_t)wm_build_lanes(arm, m->plan->ranks);
    size_t fit = bytes > 0 ? m->conf->max_inflight_bytes / bytes / lanes : (size_t)arm->window;
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

static void fill_cell(struct wm_maker *m, struct wm_sweep *sweep, int size, int a)
{
    const struct wm_arm_spec *arm = &sweep->arm[a];
    struct wm_cell *cell = &sweep->cell[size * sweep->n_arms + a];
    uint64_t asked = wm_takes_bytes(sweep->bench) ? m->bytes[size] : 0;
    size_t bytes = wm_benchmark_bytes(sweep->bench, asked, arm->type, m->plan->ranks);
    size_t before = size > 0 ? (cell - sweep->n_arms)->bytes : 0;
    bool empty = asked == 0 && (sweep->bench->shape == WM_PAIR || !wm_takes_bytes(sweep->bench));
    *cell = (struct wm_cell){ .bytes = bytes, .status = WM_NOT_RUN, .window = arm->window };
    if (window_limit(m, arm, bytes) < (size_t)arm->window)
        cell->window = (int)window_limit(m, arm, bytes);
    cell->planned = ((bytes > 0 && bytes != before) || empty) && !repeats(sweep, size, a);
    m->plan->n_cells += cell->planned;
}

static void fill_cells(struct wm_maker *m, struct wm_sweep *sweep)
{
    for (int s = 0; s < sweep->n_sizes; s++)
        for (int a = 0; a < sweep->n_arms; a++)
            fill_cell(m, sweep, s, a);
}

static int fill_arms(struct wm_maker *m, struct wm_sweep *sweep, const struct wm_algorithm *const *algos, int round,
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

static int refuse_memory(struct wm_maker *m, const struct wm_benchmark *b)
{
    static const char *const words[] = { "any", "host or pinned", "a device's" };
    return wm_fail(m->err, WM_EUSAGE, "", 0,
                   "%s copies from %s memory to %s: no word of --mem is of that kind; take --mem %s", b->name,
                   words[b->from], words[b->to], b->memory != NULL ? b->memory : "host");
}

static int make_sweep(struct wm_maker *m, const struct wm_benchmark *b, int round)
{
    const struct wm_algorithm *algos[WM_PLAN_ALGORITHMS];
    int n_algos, n[FACTORS], arms = 1;
    struct wm_sweep *sweep = &m->plan->sweep[m->plan->n_sweeps];
    if (wm_plan_sizes(m, b) != WM_OK || wm_plan_choose_algorithms(m, b, algos, &n_algos) != WM_OK)
        return m->err->code;
    count_factors(m, b, n_algos, n);
    for (int f = 0; f < FACTORS; f++)
        arms *= n[f];
    const int memories = wm_takes_bytes(b) ? count_memories(m, b) : 1;
    if (memories == 0)
        return refuse_memory(m, b);
    sweep->bench = b;
    sweep->n_sizes = wm_takes_bytes(b) ? m->n_bytes : 1;
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

int wm_plan_sweeps(struct wm_maker *m)
{
    int rounds = m->plan->pairing[0].rounds, count = 0;
    for (int i = 0; i < m->n_bench; i++)
        count += wm_takes_pairs(m->bench[i]) ? rounds : 1;
    m->plan->sweep = calloc((size_t)count, sizeof(*m->plan->sweep));
    if (m->plan->sweep == NULL)
        return wm_fail(m->err, WM_ENOMEM, "calloc", 0, "%d sweeps", count);
    for (int i = 0; i < m->n_bench; i++)
        for (int r = 0; r < (wm_takes_pairs(m->bench[i]) ? rounds : 1); r++)
            if (make_sweep(m, m->bench[i], r) != WM_OK)
                return m->err->code;
    uint32_t number = 0;
    for (int i = 0; i < count; i++) {
        m->plan->sweep[i].first_number = number;
        number += (uint32_t)(m->plan->sweep[i].n_sizes * m->plan->sweep[i].n_arms);
    }
    return WM_OK;
}
