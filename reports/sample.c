#include "reports/sample.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/baseline.h"
#include "reports/facts.h"
#include "reports/intern.h"
#include "src/result/document.h"

struct reading {
    struct wm_launch_set *set;
    const char *path;
    int side;
    int first; /* of this file's launches */
    bool baseline;
};

static int no_memory(struct wm_err *err)
{
    return wm_fail(err, WM_ENOMEM, "malloc", errno, "the cells of all launches");
}

int wm_launch_set_open(struct wm_launch_set *set, struct wm_err *err)
{
    *set = (struct wm_launch_set){ .texts = wm_intern_open() };
    return set->texts == NULL ? no_memory(err) : WM_OK;
}

void wm_launch_set_close(struct wm_launch_set *set)
{
    for (int k = 0; k < set->n_launches; k++) {
        free(set->launch[k].facts.fact);
        free(set->launch[k].sample);
    }
    free(set->launch);
    free(set->subject);
    free(set->curve);
    wm_intern_close(set->texts);
    *set = (struct wm_launch_set){ 0 };
}

static const char *text_of(struct wm_launch_set *set, const char *text, size_t n)
{
    const struct wm_interned *at = wm_intern(set->texts, text, n);
    return at == NULL ? NULL : at->text;
}

const char *wm_launch_set_text(struct wm_launch_set *set, const char *text)
{
    return text_of(set, text, strlen(text));
}

/* Room for one more; NULL: no memory. What is added is zero. */
static void *grown(void *list, size_t n, size_t *cap, size_t bytes)
{
    if (n < *cap)
        return list;
    size_t more = *cap == 0 ? 64 : *cap * 2;
    char *to = realloc(list, more * bytes);
    if (to == NULL)
        return NULL;
    memset(to + *cap * bytes, 0, (more - *cap) * bytes);
    *cap = more;
    return to;
}

/* ---- launches ---- */

static bool same_run(const struct wm_launch_set *set, int side, const char *run_id)
{
    for (int k = 0; k < set->n_launches; k++)
        if (set->launch[k].side == side && set->launch[k].run_id == run_id)
            return true;
    return false;
}

static int add_launch(struct reading *r, const json_t *head, struct wm_err *err)
{
    struct wm_launch_set *set = r->set;
    const json_t *run = json_object_get(head, "run");
    const char *id = json_string_value(json_object_get(run, "id"));
    const char *started = json_string_value(json_object_get(run, "started_utc"));
    if (id == NULL || id[0] == '\0')
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:1: run.id is missing: launches cannot be told apart", r->path);
    struct wm_launch_set_item *list = realloc(set->launch, (size_t)(set->n_launches + 1) * sizeof(*list));
    if (list == NULL)
        return no_memory(err);
    set->launch = list;
    struct wm_launch_set_item *item = &list[set->n_launches];
    *item = (struct wm_launch_set_item){ .path = wm_launch_set_text(set, r->path),
                                         .run_id = wm_launch_set_text(set, id),
                                         .started_utc = wm_launch_set_text(set, started == NULL ? "" : started),
                                         .complete = r->baseline,
                                         .side = r->side };
    if (item->path == NULL || item->run_id == NULL || item->started_utc == NULL)
        return no_memory(err);
    if (same_run(set, r->side, item->run_id))
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: run %.60s is there already: a launch counts once", r->path, id);
    set->n_launches++;
    return wm_facts_read(set->texts, head, r->path, &item->facts, err);
}

static int take_head(const json_t *head, void *arg, struct wm_err *err)
{
    struct reading *r = arg;
    const json_t *launches = json_object_get(head, "launches");
    r->baseline = strcmp(json_string_value(json_object_get(head, "schema")), WM_BASELINE_SCHEMA) == 0;
    r->first = r->set->n_launches;
    if (!r->baseline)
        return add_launch(r, head, err);
    if (json_array_size(launches) == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:1: a baseline without launches", r->path);
    for (size_t i = 0; i < json_array_size(launches); i++)
        if (add_launch(r, json_array_get(launches, i), err) != WM_OK)
            return err->code;
    return WM_OK;
}

/* Of the comparison's arms the direct ones, by their cells' id. */
static void suspect(struct wm_launch_set *set, const json_t *comparison)
{
    const json_t *of = json_object_get(comparison, "of");
    for (size_t a = 0; a < json_array_size(of); a++) {
        const char *name = json_string_value(json_array_get(of, a));
        const struct wm_interned *at = name == NULL ? NULL : wm_intern_find(set->texts, name);
        if (at != NULL && at->curve >= 0 && strstr(name, " path=direct ") != NULL)
            set->curve[at->curve].suspected = true;
    }
}

static int take_rest(const json_t *document, void *arg, struct wm_err *err)
{
    struct reading *r = arg;
    const json_t *comparisons = json_object_get(document, "comparisons");
    (void)err;
    if (r->baseline)
        return WM_OK;
    r->set->launch[r->first].complete = json_is_true(json_object_get(document, "complete"));
    for (size_t i = 0; i < json_array_size(comparisons) && r->side == 1; i++)
        if (json_is_true(json_object_get(json_array_get(comparisons, i), "suspected_fallback")))
            suspect(r->set, json_array_get(comparisons, i));
    return WM_OK;
}

/* ---- cells ---- */

/* The id without " bytes=N". */
static size_t curve_name(const char *id, char name[512])
{
    const char *from = strstr(id, " bytes=");
    size_t head = from == NULL ? strlen(id) : (size_t)(from - id);
    const char *tail = from == NULL ? "" : from + 1 + strcspn(from + 1, " ");
    return (size_t)snprintf(name, 512, "%.*s%s", (int)head, id, tail);
}

static int curve_of(struct wm_launch_set *set, const struct wm_result_cell *cell, struct wm_err *err)
{
    char name[512];
    struct wm_interned *at = wm_intern(set->texts, name, curve_name(cell->id, name));
    if (at == NULL)
        return no_memory(err), -1;
    if (at->curve < 0) {
        struct wm_curve *list = grown(set->curve, (size_t)set->n_curves, &set->curve_cap, sizeof(*list));
        if (list == NULL)
            return no_memory(err), -1;
        set->curve = list;
        list[set->n_curves].name = at->text;
        at->curve = set->n_curves++;
        list[at->curve].bench = text_of(set, cell->bench, sizeof(cell->bench));
        if (list[at->curve].bench == NULL)
            return no_memory(err), -1;
        return set->n_curves - 1;
    }
    return at->curve;
}

static const char *settings_of(struct wm_launch_set *set, const struct wm_result_cell *cell)
{
    char text[sizeof(cell->settings) + 64] = "";
    size_t n = 0;
    for (int i = 0; i < cell->n_settings; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%s", i == 0 ? "" : " ", cell->settings[i].name,
                              cell->settings[i].value);
    return wm_launch_set_text(set, text);
}

static int describe(struct wm_launch_set *set, const struct wm_result_cell *cell, struct wm_subject *s,
                    struct wm_err *err)
{
    const struct {
        const char **to;
        const char *text;
        size_t n;
    } texts[] = {
        { &s->id, cell->id, sizeof(cell->id) },
        { &s->bench, cell->bench, sizeof(cell->bench) },
        { &s->transport, cell->transport, sizeof(cell->transport) },
        { &s->path, cell->path, sizeof(cell->path) },
        { &s->mem, cell->mem, sizeof(cell->mem) },
        { &s->placement, cell->placement, sizeof(cell->placement) },
        { &s->algo, cell->algo, sizeof(cell->algo) },
        { &s->dtype, cell->dtype, sizeof(cell->dtype) },
        { &s->op, cell->op, sizeof(cell->op) },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if ((*texts[i].to = text_of(set, texts[i].text, texts[i].n)) == NULL)
            return no_memory(err);
    s->settings = settings_of(set, cell);
    s->bytes = cell->bytes;
    s->ranks = cell->ranks;
    s->hosts = cell->hosts;
    return s->settings == NULL ? no_memory(err) : WM_OK;
}

/* Which of its own properties differ from what another file says of the same id; NULL: none. */
static const char *contradicts(const struct wm_subject *a, const struct wm_subject *b)
{
    if (a->bytes != b->bytes)
        return "bytes";
    if (a->bench != b->bench)
        return "bench";
    if (a->transport != b->transport)
        return "transport";
    if (a->mem != b->mem)
        return "mem";
    return a->dtype != b->dtype ? "dtype" : NULL;
}

/* Index of the cell's subject, made when it is new; -1: an error. */
static int subject_of(struct wm_launch_set *set, const struct wm_result_cell *cell, const char *where,
                      struct wm_err *err)
{
    struct wm_subject s = { 0 };
    struct wm_interned *at;
    if (describe(set, cell, &s, err) != WM_OK || (s.curve = curve_of(set, cell, err)) < 0)
        return -1;
    at = wm_intern(set->texts, cell->id, sizeof(cell->id));
    if (at->subject >= 0) {
        const char *field = contradicts(&set->subject[at->subject], &s);
        if (field != NULL)
            wm_fail(err, WM_EUSAGE, "", 0, "%s: %s of cell '%.200s' is not what it is in an earlier file", where, field,
                    cell->id);
        return field != NULL ? -1 : at->subject;
    }
    struct wm_subject *list = grown(set->subject, (size_t)set->n_subjects, &set->subject_cap, sizeof(*list));
    if (list == NULL)
        return no_memory(err), -1;
    set->subject = list;
    list[set->n_subjects] = s;
    set->curve[s.curve].sizes++;
    return at->subject = set->n_subjects++;
}

static bool outside(double value, double low, double high)
{
    return isfinite(value) &&
           ((isfinite(low) && value < low * (1 - 1e-9)) || (isfinite(high) && value > high * (1 + 1e-9)));
}

/* What a cell says of its times and rates must fit together, whatever tool wrote it. */
static const char *contradiction(const struct wm_result_cell *c)
{
    double plain = (double)c->bytes / c->time_ns.median * 1e9, rate = c->bandwidth.alg_bytes_per_s;
    if (c->status != WM_MEASURED)
        return NULL;
    if (!(c->time_ns.median > 0))
        return "it is measured, and time_ns.median is not above 0";
    if (outside(c->time_ns.median, c->time_ns.ci95_low, c->time_ns.ci95_high))
        return "time_ns.median is outside of its interval";
    if (outside(c->time_ns.median, c->time_ns.min, c->time_ns.max))
        return "time_ns.median is outside of time_ns.min to time_ns.max";
    /* Both directions, or all pairs, count at most. */
    if (c->bytes > 0 && isfinite(rate) && (rate < plain / 2 || rate > plain * 2 * (c->ranks > 1 ? c->ranks : 1)))
        return "bandwidth.alg_bytes_per_s is not what bytes over time_ns.median give: their units contradict each "
               "other";
    return NULL;
}

static double asymmetry_of(const struct wm_result_cell *c)
{
    double largest = NAN;
    for (int i = 0; i < c->n_pairs; i++)
        for (int k = i + 1; k < c->n_pairs; k++)
            if (c->pairs[i].from == c->pairs[k].to && c->pairs[i].to == c->pairs[k].from) {
                double ratio = c->pairs[i].median_ns / c->pairs[k].median_ns;
                largest = fmax(largest, ratio < 1 ? 1 / ratio : ratio); /* fmax passes NaN over */
            }
    return largest;
}

/* Data that were found wrong outrank what the status says. */
static enum wm_status status_of(const struct wm_result_cell *c)
{
    return c->status == WM_MEASURED && c->verify.wrong_elements > 0 ? WM_FAILED : c->status;
}

static const char *reason_of(const struct wm_result_cell *c)
{
    if (c->reason[0] != '\0')
        return c->reason;
    return status_of(c) != c->status ? "its data arrived wrong" : c->evidence.reason;
}

/* What auto came to, or the library by its own account. */
static const char *chosen_of(struct wm_launch_set *set, const struct wm_result_cell *c)
{
    char text[sizeof(c->algo_chosen) + sizeof(c->evidence.algorithm) + sizeof(c->evidence.protocol)];
    snprintf(text, sizeof(text), "%s%s %s", c->algo_chosen, c->evidence.algorithm, c->evidence.protocol);
    return wm_launch_set_text(set, text);
}

static int fill(struct wm_launch_set *set, const struct wm_result_cell *c, struct wm_sample *s, struct wm_err *err)
{
    double bus = c->bandwidth.bus_bytes_per_s;
    *s = (struct wm_sample){
        .median_ns = c->time_ns.median,
        .ci95_low_ns = c->time_ns.ci95_low,
        .ci95_high_ns = c->time_ns.ci95_high,
        .bytes_per_s = isfinite(bus) ? bus : c->bandwidth.alg_bytes_per_s,
        .limit_bytes_per_s = c->limit.bytes_per_s,
        .limit_share = c->limit.share,
        .asymmetry = asymmetry_of(c),
        .reason = wm_launch_set_text(set, reason_of(c)),
        .provider = wm_launch_set_text(set, c->provider),
        .fabric = wm_launch_set_text(set, c->fabric),
        .algo_chosen = chosen_of(set, c),
        .status = (unsigned char)status_of(c),
        .here = true,
        .simulated = c->simulated && strcmp(c->transport, "null") != 0,
        .contradicted = strcmp(c->evidence.verdict, "contradicted") == 0,
        .limit_binds = strcmp(c->limit.kind, "link") == 0 || strcmp(c->limit.kind, "measured") == 0,
    };
    return s->reason == NULL || s->provider == NULL || s->fabric == NULL || s->algo_chosen == NULL ? no_memory(err)
                                                                                                   : WM_OK;
}

/* FNV-1a over the figures of one cell, to 7 digits: whoever wrote the file may have rounded the others. Two launches
 * share their means and extremes in no cell by chance, and not in all. */
static uint64_t digest_of(const struct wm_result_cell *c, int subject)
{
    const float figure[] = { (float)c->time_ns.median, (float)c->time_ns.mean, (float)c->time_ns.min,
                             (float)c->time_ns.max, (float)subject };
    const unsigned char *byte = (const unsigned char *)figure;
    uint64_t digest = 0xcbf29ce484222325;
    if (c->status != WM_MEASURED || !isfinite(c->time_ns.mean) || !isfinite(c->time_ns.max))
        return 0;
    for (size_t i = 0; i < sizeof(figure); i++)
        digest = (digest ^ byte[i]) * 0x100000001b3;
    return digest;
}

/* The cell's place in its launch. */
static struct wm_sample *place(struct wm_launch_set *set, int launch, int subject)
{
    struct wm_launch_set_item *item = &set->launch[launch];
    while ((size_t)subject >= item->cap) {
        struct wm_sample *list = grown(item->sample, item->cap, &item->cap, sizeof(*list));
        if (list == NULL)
            return NULL;
        item->sample = list;
    }
    return &item->sample[subject];
}

static int add_cell(struct reading *r, int launch, const struct wm_result_cell *cell, const char *where,
                    struct wm_err *err)
{
    const char *wrong = contradiction(cell);
    if (wrong != NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: cell '%.200s': %s", where, cell->id, wrong);
    int subject = subject_of(r->set, cell, where, err);
    if (subject < 0)
        return err->code;
    struct wm_sample *s = place(r->set, launch, subject);
    if (s == NULL)
        return no_memory(err);
    if (s->here)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: cell '%.200s' is there twice", where, cell->id);
    r->set->launch[launch].digest += digest_of(cell, subject);
    return fill(r->set, cell, s, err);
}

static int take_cell(json_t *object, const char *where, void *arg, struct wm_err *err)
{
    struct reading *r = arg;
    const json_t *number = json_object_get(object, "launch");
    json_int_t launch = r->baseline ? json_integer_value(number) : 0;
    struct wm_result_cell cell;
    struct wm_err why = { 0 };
    if (r->baseline && (!json_is_integer(number) || launch < 0 || launch >= r->set->n_launches - r->first))
        return wm_fail(err, WM_EUSAGE, "", 0, "%s: launch is not one of the baseline's", where);
    /* The lists are most of a cell, and nothing here needs them. */
    json_object_del(object, "histogram");
    json_object_del(object, "raw_ns");
    if (wm_result_cell_from_json(object, &cell, &why) != WM_OK)
        return wm_fail(err, why.code, "", 0, "%s: %s", where, why.what);
    int rc = add_cell(r, r->first + (int)launch, &cell, where, err);
    wm_result_cell_clear(&cell);
    return rc;
}

/* Every launch gets a place for every cell. */
static int complete_lists(struct wm_launch_set *set, struct wm_err *err)
{
    for (int k = 0; k < set->n_launches; k++)
        if (set->n_subjects > 0 && place(set, k, set->n_subjects - 1) == NULL)
            return no_memory(err);
    return WM_OK;
}

int wm_launch_set_read(struct wm_launch_set *set, const char *path, int side, struct wm_err *err)
{
    static const char *const schemas[] = { WM_RESULT_SCHEMA, WM_BASELINE_SCHEMA, NULL };
    struct reading r = { .set = set, .path = path, .side = side, .first = set->n_launches };
    struct wm_document_reader reader = { .schemas = schemas,
                                         .what = "a wiremark result",
                                         .head = take_head,
                                         .cell = take_cell,
                                         .rest = take_rest,
                                         .lean = true,
                                         .arg = &r };
    int rc = wm_document_read(path, &reader, err);
    return rc == WM_OK ? complete_lists(set, err) : rc;
}
