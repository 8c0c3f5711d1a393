#include "reports/table.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/units.h"
#include "src/result/field.h"

enum { COLUMN_TEXT = 256, NAMES_TEXT = 128 };

/* What a block's cells were held against. */
struct limits {
    bool any, estimate;
    char source[256]; /* of the last one */
    double bytes_per_s;
    int over; /* cells above what cannot be exceeded; the worst: */
    double worst_share, worst_bytes_per_s;
    char worst[COLUMN_TEXT], worst_source[256];
};

struct wm_table {
    FILE *to;
    bool color;
    struct wm_table_world world;
    /* The block that is open: its first cell, of which the lists are not kept. */
    bool open;
    struct wm_result_cell first;
    struct wm_pair_result pair;
    char varies[NAMES_TEXT]; /* factors named by the arms' labels: "transport algo"; "" without arms */
    int arm_width;           /* of the column of the arms' values */
    unsigned shown;          /* bit by column; 0 = their titles are not printed yet */
    struct limits limits;
};

/* ---- words ---- */

/* For a terminal: a host name or a reason may hold anything. */
static void put_clean(FILE *to, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        fputc(iscntrl((unsigned char)*c) ? ' ' : *c, to);
}

static void put_color(const struct wm_table *t, const char *code)
{
    if (t->color)
        fprintf(t->to, "\033[%sm", code);
}

/* Of "transport=mpi algo=native" the names, "transport algo", or the values, "mpi native". */
static void label_part(const char *label, bool names, char *text, size_t bytes)
{
    size_t n = 0;
    text[0] = '\0';
    for (const char *word = label; *word != '\0' && n < bytes;) {
        size_t length = strcspn(word, " "), name = strcspn(word, "= ");
        size_t skip = names || name == length ? 0 : name + 1;
        n += (size_t)snprintf(text + n, bytes - n, "%s%.*s", n == 0 ? "" : " ", (int)((names ? name : length) - skip),
                              word + skip);
        word += length + strspn(word + length, " ");
    }
}

static bool varies(const struct wm_table *t, const char *name)
{
    char names[NAMES_TEXT + 2], word[NAMES_TEXT];
    snprintf(names, sizeof(names), " %s ", t->varies);
    snprintf(word, sizeof(word), " %s ", name);
    return strstr(names, word) != NULL;
}

static const char *host_of(const struct wm_table *t, int rank)
{
    return rank >= 0 && rank < t->world.n ? t->world.hosts[rank] : "?";
}

/* ---- the block's first line ---- */

static bool comes_with_transport(const struct wm_field *f)
{
    static const char *const names[] = { "provider", "fabric", "simulated" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(f->name, names[i]) == 0)
            return true;
    return false;
}

static bool ways_vary(const struct wm_table *t)
{
    return varies(t, "transport") || varies(t, "fabric");
}

/* What a block shares, but for what its arms vary. */
static bool shared_by_block(const struct wm_table *t, const struct wm_field *f)
{
    if ((f->flags & WM_FIELD_IDENTITY) == 0 || varies(t, f->name))
        return false;
    if (strcmp(f->name, "id") == 0 || f->type == WM_FIELD_INT64 || f->type == WM_FIELD_SETTINGS)
        return false;
    return !comes_with_transport(f) || !ways_vary(t);
}

/* A cell whose provider or fabric is not known may have any. */
static bool same_field(const struct wm_field *f, const struct wm_result_cell *a, const struct wm_result_cell *b)
{
    const char *at_a = (const char *)a + f->offset, *at_b = (const char *)b + f->offset;
    if (f->type == WM_FIELD_TEXT && comes_with_transport(f) && (*at_a == '\0' || *at_b == '\0'))
        return true;
    return f->type == WM_FIELD_TEXT ? strcmp(at_a, at_b) == 0 : memcmp(at_a, at_b, f->bytes) == 0;
}

static bool same_block(const struct wm_table *t, const struct wm_result_cell *cell, const char *arm_names)
{
    if (!t->open || strcmp(arm_names, t->varies) != 0 || (cell->bytes > 0) != (t->first.bytes > 0))
        return false;
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++)
        if (shared_by_block(t, f) && !same_field(f, cell, &t->first))
            return false;
    /* A cell that was skipped has no pairs. */
    return cell->n_pairs == 0 || t->first.n_pairs == 0 ||
           (cell->n_pairs == t->first.n_pairs && cell->pairs[0].from == t->pair.from &&
            cell->pairs[0].to == t->pair.to);
}

static void put_word(const struct wm_table *t, const char *name, const char *word)
{
    if (word[0] == '\0' || varies(t, name))
        return;
    fputs("  ", t->to);
    put_clean(t->to, word);
}

static void put_where(const struct wm_table *t)
{
    const struct wm_result_cell *c = &t->first;
    if (c->n_pairs == 1) {
        fprintf(t->to, "  rank %d on ", t->pair.from);
        put_clean(t->to, host_of(t, t->pair.from));
        fprintf(t->to, " <-> rank %d on ", t->pair.to);
        put_clean(t->to, host_of(t, t->pair.to));
        return;
    }
    fputs("  ", t->to);
    if (c->n_pairs > 1)
        fprintf(t->to, "%d pairs, ", c->n_pairs);
    fprintf(t->to, "%d rank%s on ", c->ranks, c->ranks == 1 ? "" : "s");
    if (c->hosts == 1 && c->ranks == t->world.n)
        put_clean(t->to, host_of(t, 0));
    else
        fprintf(t->to, "%d host%s", c->hosts, c->hosts == 1 ? "" : "s");
}

/* What no reader may overlook, or "". */
static const char *warning(const struct wm_result_cell *cell)
{
    if (strcmp(cell->transport, "null") == 0)
        return "MOVES NOTHING (null)";
    return cell->simulated ? "SIMULATED" : "";
}

static void put_first_line(const struct wm_table *t)
{
    const struct wm_result_cell *c = &t->first;
    put_color(t, "1");
    put_clean(t->to, c->bench);
    put_word(t, "transport", c->transport);
    if (!ways_vary(t)) {
        put_word(t, "provider", c->provider);
        put_word(t, "fabric", c->fabric);
    }
    put_word(t, "algo", c->algo);
    if (strcmp(c->path, "host") != 0)
        put_word(t, "path", c->path);
    if (strcmp(c->mem, "host") != 0 && strcmp(c->mem, "host:host") != 0)
        put_word(t, "mem", c->mem);
    put_word(t, "dtype", c->dtype);
    put_word(t, "op", c->op);
    for (int i = 0; i < c->n_settings; i++) {
        char text[sizeof(struct wm_setting) + 2];
        snprintf(text, sizeof(text), "%s=%s", c->settings[i].name, c->settings[i].value);
        put_word(t, c->settings[i].name, text);
    }
    put_where(t);
    if (c->noise.oversubscribed == 1)
        fputs("  more ranks than cores", t->to);
    put_word(t, "transport", warning(c));
    put_color(t, "0");
    fputc('\n', t->to);
}

/* Below its rows; once. */
static void end_block(struct wm_table *t)
{
    const struct limits *l = &t->limits;
    char rate[WM_TEXT_BYTES];
    if (l->any) {
        fprintf(t->to, "%s of the last row: %s, ", l->estimate ? "~ estimate" : "limit",
                wm_format_rate(rate, l->bytes_per_s));
        put_clean(t->to, l->source);
        fputc('\n', t->to);
    }
    if (l->over > 0) {
        put_color(t, "31");
        fprintf(t->to, "! %s has %.4g %% of its limit of %s, ", l->worst, 100 * l->worst_share,
                wm_format_rate(rate, l->worst_bytes_per_s));
        put_clean(t->to, l->worst_source);
        if (l->over > 1)
            fprintf(t->to, "; %d more cell%s above theirs", l->over - 1, l->over == 2 ? " is" : "s are");
        fputs(": suspect buffers that stay in a cache, links other than these, or the clock", t->to);
        put_color(t, "0");
        fputc('\n', t->to);
    }
    t->limits = (struct limits){ 0 };
}

static void begin_block(struct wm_table *t, const struct wm_result_cell *cell, const char *arm_names, int arm_width)
{
    end_block(t);
    if (t->open)
        fputc('\n', t->to);
    t->open = true;
    t->first = *cell;
    t->first.pairs = NULL;
    t->first.histogram = NULL;
    t->first.raw_ns = NULL;
    if (cell->n_pairs > 0)
        t->pair = cell->pairs[0];
    snprintf(t->varies, sizeof(t->varies), "%s", arm_names);
    t->arm_width = (int)strlen(arm_names) > arm_width ? (int)strlen(arm_names) : arm_width;
    t->shown = 0;
    put_first_line(t);
}

/* ---- columns ---- */

struct row {
    const struct wm_result_cell *cell;
    const struct wm_table_arm *arm;
};

static void or_dash(char text[COLUMN_TEXT], double value, const char *(*format)(char *, double))
{
    char formatted[WM_TEXT_BYTES];
    snprintf(text, COLUMN_TEXT, "%s", isfinite(value) ? format(formatted, value) : "-");
}

/* "1.90-1.95 us"; the unit stands twice where it changes in between: "998 ns-1.01 us". */
static void format_interval(char text[COLUMN_TEXT], double low_ns, double high_ns)
{
    char low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    if (!isfinite(low_ns) || !isfinite(high_ns)) {
        snprintf(text, COLUMN_TEXT, "-");
        return;
    }
    wm_format_ns(low, low_ns);
    wm_format_ns(high, high_ns);
    char *low_unit = strchr(low, ' '), *high_unit = strchr(high, ' ');
    if (low_unit != NULL && high_unit != NULL && strcmp(low_unit, high_unit) == 0)
        *low_unit = '\0';
    snprintf(text, COLUMN_TEXT, "%s-%s", low, high);
}

static bool always(const struct row *r)
{
    (void)r;
    return true;
}

static bool has_size(const struct row *r)
{
    return r->cell->bytes > 0;
}

static void put_size(const struct row *r, char text[COLUMN_TEXT])
{
    char bytes[WM_TEXT_BYTES];
    snprintf(text, COLUMN_TEXT, "%s", wm_format_bytes(bytes, (uint64_t)r->cell->bytes));
}

static bool has_arm(const struct row *r)
{
    return r->arm != NULL;
}

static void put_arm(const struct row *r, char text[COLUMN_TEXT])
{
    label_part(r->arm->label, false, text, COLUMN_TEXT);
}

int wm_table_arm_width(const char *label)
{
    char text[COLUMN_TEXT];
    label_part(label, false, text, COLUMN_TEXT);
    return (int)strlen(text);
}

static void put_median(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->time_ns.median, wm_format_ns);
}

static bool has_device(const struct row *r)
{
    return isfinite(r->cell->device_time_ns);
}

static void put_device(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->device_time_ns, wm_format_ns);
}

static void put_interval(const struct row *r, char text[COLUMN_TEXT])
{
    format_interval(text, r->cell->time_ns.ci95_low, r->cell->time_ns.ci95_high);
}

static void put_p99(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->time_ns.p99, wm_format_ns);
}

static bool has_bandwidth(const struct row *r)
{
    return isfinite(r->cell->bandwidth.alg_bytes_per_s);
}

static void put_bandwidth(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->bandwidth.alg_bytes_per_s, wm_format_rate);
}

static bool has_bus(const struct row *r)
{
    return isfinite(r->cell->bandwidth.bus_bytes_per_s);
}

static void put_bus(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->bandwidth.bus_bytes_per_s, wm_format_rate);
}

static bool has_rate(const struct row *r)
{
    return isfinite(r->cell->message_rate_per_s);
}

static void put_rate(const struct row *r, char text[COLUMN_TEXT])
{
    or_dash(text, r->cell->message_rate_per_s, wm_format_count);
}

static bool has_limit(const struct row *r)
{
    return isfinite(r->cell->limit.share);
}

static bool is_estimate(const struct wm_result_cell *cell)
{
    return strcmp(cell->limit.kind, "estimate") == 0;
}

/* More than what cannot be exceeded, beyond what rounding makes. */
static bool is_over(const struct wm_result_cell *cell)
{
    return cell->limit.share > 1.0005 && !is_estimate(cell);
}

static void put_limit(const struct row *r, char text[COLUMN_TEXT])
{
    double percent = 100 * r->cell->limit.share;
    if (!has_limit(r))
        snprintf(text, COLUMN_TEXT, "-");
    else if (percent < 0.095)
        snprintf(text, COLUMN_TEXT, "%s<0.1", is_estimate(r->cell) ? "~" : "");
    else
        snprintf(text, COLUMN_TEXT, "%s%.*f%s", is_estimate(r->cell) ? "~" : "", percent < 9.95 ? 1 : 0, percent,
                 is_over(r->cell) ? "!" : "");
}

/* "0.98", "1.02", "12.3", "123" */
static const char *format_ratio(char text[WM_TEXT_BYTES], double ratio)
{
    snprintf(text, WM_TEXT_BYTES, "%.*f", ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0, ratio);
    return text;
}

static void put_ratio(const struct row *r, char text[COLUMN_TEXT])
{
    const struct wm_ratio_point *p = r->arm == NULL ? NULL : r->arm->to_baseline;
    char ratio[WM_TEXT_BYTES], low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    if (p == NULL || !isfinite(p->ratio))
        snprintf(text, COLUMN_TEXT, "-");
    else if (!isfinite(p->ci95_low) || !isfinite(p->ci95_high))
        snprintf(text, COLUMN_TEXT, "%s", format_ratio(ratio, p->ratio));
    else
        snprintf(text, COLUMN_TEXT, "%s (%s-%s)", format_ratio(ratio, p->ratio), format_ratio(low, p->ci95_low),
                 format_ratio(high, p->ci95_high));
}

static bool has_slowest(const struct row *r)
{
    return r->cell->rank_time.slowest_rank >= 0;
}

static void put_slowest(const struct row *r, char text[COLUMN_TEXT])
{
    int rank = r->cell->rank_time.slowest_rank;
    double share = r->cell->rank_time.slowest_share;
    if (rank < 0)
        snprintf(text, COLUMN_TEXT, "-");
    else if (!isfinite(share))
        snprintf(text, COLUMN_TEXT, "%d", rank);
    else
        snprintf(text, COLUMN_TEXT, "%d (%.0f %%)", rank, 100 * share);
}

/* A column is shown in a block where its first measured cell has a value for it. */
static const struct column {
    const char *title; /* NULL: the names of the factors that vary */
    int width;         /* 0: as wide as the arms, left-aligned */
    bool (*possible)(const struct row *r);
    void (*put)(const struct row *r, char text[COLUMN_TEXT]);
} columns[] = {
    { "size", 8, has_size, put_size },
    { NULL, 0, has_arm, put_arm },
    { "median", 8, always, put_median },
    { "device", 8, has_device, put_device },
    { "95 % interval", 14, always, put_interval },
    { "p99", 8, always, put_p99 },
    { "bandwidth", 10, has_bandwidth, put_bandwidth },
    { "bus", 10, has_bus, put_bus },
    { "messages", 9, has_rate, put_rate },
    { "% of limit", 10, has_limit, put_limit },
    { "time ratio", 16, has_arm, put_ratio },
    { "slowest rank", 12, has_slowest, put_slowest },
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static void put_column(const struct wm_table *t, int column, const char *text)
{
    int width = columns[column].width;
    fprintf(t->to, "%*s", width == 0 ? -t->arm_width : width, text);
}

static void put_titles(struct wm_table *t, const struct row *r)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (!columns[i].possible(r))
            continue;
        const char *title = columns[i].title == NULL ? t->varies : columns[i].title;
        fputs(t->shown == 0 ? "" : "  ", t->to);
        put_column(t, i, title);
        t->shown |= 1u << i;
    }
    fputs("  notes\n", t->to);
}

/* ---- rows ---- */

struct notes {
    FILE *to;
    int n;
};

static void note(struct notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct notes *notes, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fputs(notes->n++ == 0 ? "  " : ", ", notes->to);
    put_clean(notes->to, text);
}

static const struct wm_setting *setting(const struct wm_result_cell *cell, const char *name)
{
    for (int i = 0; i < cell->n_settings; i++)
        if (strcmp(cell->settings[i].name, name) == 0)
            return &cell->settings[i];
    return NULL;
}

/* Settings that are not as the block's first line says: a window that shrank. */
static void note_settings(const struct wm_table *t, const struct wm_result_cell *cell, struct notes *notes)
{
    for (int i = 0; i < cell->n_settings; i++) {
        const struct wm_setting *s = &cell->settings[i], *of_block = setting(&t->first, s->name);
        if (!varies(t, s->name) && (of_block == NULL || strcmp(of_block->value, s->value) != 0))
            note(notes, "%s=%s", s->name, s->value);
    }
    for (int i = 0; i < t->first.n_settings; i++)
        if (!varies(t, t->first.settings[i].name) && setting(cell, t->first.settings[i].name) == NULL)
            note(notes, "no %s", t->first.settings[i].name);
}

/* "RING SIMPLE, 24 channels" */
static void put_library_choice(struct notes *notes, const struct wm_result_cell *cell)
{
    note(notes, "%s%s%s", cell->evidence.algorithm, cell->evidence.protocol[0] != '\0' ? " " : "",
         cell->evidence.protocol);
    if (cell->evidence.channels > 0)
        note(notes, "%d channel%s", cell->evidence.channels, cell->evidence.channels == 1 ? "" : "s");
}

static void put_notes(const struct wm_table *t, const struct wm_result_cell *cell)
{
    struct notes notes = { .to = t->to };
    char text[WM_TEXT_BYTES];
    if (cell->algo_chosen[0] != '\0')
        note(&notes, "%s", cell->algo_chosen);
    if (cell->evidence.algorithm[0] != '\0')
        put_library_choice(&notes, cell);
    if (cell->time_ns.converged == 0)
        note(&notes, "not converged");
    if (strcmp(cell->evidence.verdict, "contradicted") == 0)
        note(&notes, "CONTRADICTED: went by %s", cell->evidence.fabric);
    if (cell->time_ns.stalls > 0)
        note(&notes, "%lld stall%s", (long long)cell->time_ns.stalls, cell->time_ns.stalls == 1 ? "" : "s");
    if (isfinite(cell->noflush_ns))
        note(&notes, "%s without the flush", wm_format_ns(text, cell->noflush_ns));
    note_settings(t, cell, &notes);
    if (cell->noise.oversubscribed == 1 && t->first.noise.oversubscribed != 1)
        note(&notes, "more ranks than cores");
    if (cell->noise.foreign_cpu >= 0.1)
        note(&notes, "%.0f %% CPU for others", 100 * cell->noise.foreign_cpu);
    if (cell->noise.steal >= 0.02)
        note(&notes, "%.0f %% CPU stolen", 100 * cell->noise.steal);
    if (varies(t, "transport") && warning(cell)[0] != '\0')
        note(&notes, "%s", warning(cell));
}

static void put_measured(const struct wm_table *t, const struct row *r)
{
    const char *between = "";
    for (int i = 0; i < COLUMNS; i++) {
        char text[COLUMN_TEXT] = "";
        if ((t->shown & 1u << i) == 0)
            continue;
        columns[i].put(r, text);
        fputs(between, t->to);
        put_column(t, i, text);
        between = "  ";
    }
    put_notes(t, r->cell);
}

/* For the lines below the block. */
static void keep_limit(struct limits *l, const struct row *r)
{
    const struct wm_result_cell *cell = r->cell;
    char bytes[WM_TEXT_BYTES], arm[COLUMN_TEXT] = "";
    if (!has_limit(r))
        return;
    l->any = true;
    l->estimate = is_estimate(cell);
    l->bytes_per_s = cell->limit.bytes_per_s;
    snprintf(l->source, sizeof(l->source), "%s", cell->limit.source);
    if (!is_over(cell) || (l->over++ > 0 && cell->limit.share <= l->worst_share))
        return;
    l->worst_share = cell->limit.share;
    l->worst_bytes_per_s = cell->limit.bytes_per_s;
    if (has_arm(r))
        put_arm(r, arm);
    snprintf(l->worst, sizeof(l->worst), "%s%s%.200s", wm_format_bytes(bytes, (uint64_t)cell->bytes),
             has_arm(r) ? " " : "", arm);
    snprintf(l->worst_source, sizeof(l->worst_source), "%s", cell->limit.source);
}

/* Size and arm, then why there is nothing else. */
static void put_unmeasured(const struct wm_table *t, const struct row *r)
{
    const struct wm_result_cell *cell = r->cell;
    bool bad = cell->status == WM_FAILED || cell->status == WM_TIMEOUT;
    for (int i = 0; i < COLUMNS && columns[i].possible != always; i++) {
        char text[COLUMN_TEXT];
        if (!columns[i].possible(r))
            continue;
        columns[i].put(r, text);
        put_column(t, i, text);
        fputs("  ", t->to);
    }
    put_color(t, bad ? "31" : "33");
    fputs(wm_status_names[cell->status], t->to);
    if (cell->reason[0] != '\0')
        fputs(": ", t->to);
    put_clean(t->to, cell->reason);
    put_color(t, "0");
}

void wm_table_cell(struct wm_table *t, const struct wm_result_cell *cell, const struct wm_table_arm *arm)
{
    struct row row = { cell, arm };
    char arm_names[NAMES_TEXT] = "";
    if (arm != NULL)
        label_part(arm->label, true, arm_names, sizeof(arm_names));
    if (!same_block(t, cell, arm_names))
        begin_block(t, cell, arm_names, arm != NULL ? arm->width : 0);
    if (cell->status != WM_MEASURED) {
        put_unmeasured(t, &row);
    } else {
        if (t->shown == 0)
            put_titles(t, &row);
        put_measured(t, &row);
        keep_limit(&t->limits, &row);
    }
    fputc('\n', t->to);
    fflush(t->to);
}

/* ---- comparisons ---- */

static void put_arm_summary(FILE *to, const struct wm_result_comparison *c, int arm)
{
    double low = INFINITY, high = -INFINITY;
    for (int k = 0; k < c->n_points[arm]; k++) {
        low = fmin(low, c->points[arm][k].ratio);
        high = fmax(high, c->points[arm][k].ratio);
    }
    put_clean(to, c->arms[arm + 1]);
    if (!isfinite(low)) {
        fputs(": not compared, no size was measured in both\n", to);
        return;
    }
    char from[WM_TEXT_BYTES], until[WM_TEXT_BYTES];
    fprintf(to, " takes %s to %s times as long as ", format_ratio(from, low), format_ratio(until, high));
    put_clean(to, c->baseline);
    int64_t crossover_bytes = c->crossover_bytes == NULL ? -1 : c->crossover_bytes[arm];
    char size[WM_TEXT_BYTES];
    if (crossover_bytes < 0)
        fputs("; there is no size from which on it is always slower\n", to);
    else
        fprintf(to, "; slower at every size from %s on\n", wm_format_bytes(size, (uint64_t)crossover_bytes));
}

static void put_ratio_of(FILE *to, const struct wm_ratio_point *p)
{
    char ratio[WM_TEXT_BYTES], low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    fprintf(to, "%sx", format_ratio(ratio, p->ratio));
    if (isfinite(p->ci95_low) && isfinite(p->ci95_high))
        fprintf(to, " (%s-%s)", format_ratio(low, p->ci95_low), format_ratio(high, p->ci95_high));
}

static void put_of(FILE *to, const struct wm_result_staging *s)
{
    if (s->of[0] == '\0')
        return;
    put_clean(to, s->of);
    fputs(": ", to);
}

/* "direct is 2.10x (2.01-2.22) staged at 4M; pipelined recovers 91 % of direct" */
static void put_staging(FILE *to, const struct wm_result_staging *s)
{
    char size[WM_TEXT_BYTES];
    const bool direct = isfinite(s->staged.ratio), recovers = isfinite(s->pipelined.ratio);
    wm_format_bytes(size, (uint64_t)s->bytes);
    put_of(to, s);
    if (direct) {
        fputs("direct is ", to);
        put_ratio_of(to, &s->staged);
        fprintf(to, " staged at %s%s", size, recovers ? "; " : "");
    }
    if (recovers)
        fprintf(to, "pipelined recovers %.0f %% of direct%s%s", 100 / s->pipelined.ratio, direct ? "" : " at ",
                direct ? "" : size);
    if (!direct && !recovers) {
        fputs("pipelined is ", to);
        put_ratio_of(to, &s->gain);
        fprintf(to, " staged at %s", size);
    }
    fputc('\n', to);
    if (!wm_result_suspected(s))
        return;
    fputs("! ", to);
    put_of(to, s);
    fprintf(to,
            "direct is hardly faster than staged at %d of %d sizes at which copies alone would show: "
            "suspect that direct is staged in secret\n",
            s->suspected_sizes, s->judged_sizes);
}

void wm_table_comparison(struct wm_table *t, const struct wm_result_comparison *comparison)
{
    end_block(t);
    for (int a = 0; a < comparison->n_arms - 1; a++)
        put_arm_summary(t->to, comparison, a);
    if (!comparison->interleaved) {
        fputs("not interleaved: ", t->to);
        put_clean(t->to, comparison->not_interleaved_reason ? comparison->not_interleaved_reason : "no reason given");
        fputc('\n', t->to);
    }
    for (int i = 0; i < comparison->n_staging; i++)
        put_staging(t->to, &comparison->staging[i]);
    fflush(t->to);
}

/* "native up to 4 KiB, ring from 8 KiB to 64 KiB, tree from 128 KiB" */
static void put_chosen(FILE *to, const struct wm_result_choice *c)
{
    char low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    for (int k = wm_result_choice_next(c, 0); k < c->n_points;) {
        int next = wm_result_choice_next(c, k + 1);
        wm_format_bytes(low, (uint64_t)c->point[k].bytes);
        wm_format_bytes(high, (uint64_t)c->point[next - 1].bytes);
        fprintf(to, "%s%s", k == 0 ? "" : ", ", c->point[k].algo);
        if (k == 0 && next == c->n_points)
            fputs(c->n_points > 1 ? " at every size" : "", to);
        else if (k == 0)
            fprintf(to, " up to %s", high);
        else if (next == c->n_points)
            fprintf(to, " from %s", low);
        else
            fprintf(to, next > k + 1 ? " from %s to %s" : " at %s", low, high);
        k = next;
    }
}

void wm_table_choice(struct wm_table *t, const struct wm_result_choice *choice)
{
    end_block(t);
    if (choice->label[0] != '\0')
        put_clean(t->to, choice->label);
    if (strstr(choice->label, "algo=auto") == NULL)
        fputs(choice->label[0] != '\0' ? " auto" : "auto", t->to);
    fputs(": ", t->to);
    put_chosen(t->to, choice);
    fputc('\n', t->to);
    for (int i = 0; i < choice->n_left_out; i++) {
        fprintf(t->to, "  %s left out: ", choice->left_out[i].algo);
        put_clean(t->to, choice->left_out[i].reason);
        fputc('\n', t->to);
    }
    fflush(t->to);
}

int wm_table_open(FILE *to, bool color, const struct wm_table_world *world, struct wm_table **out, struct wm_err *err)
{
    struct wm_table *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", errno, "table");
    t->to = to;
    t->color = color;
    t->world = *world;
    *out = t;
    return WM_OK;
}

void wm_table_end(struct wm_table *t)
{
    if (t == NULL)
        return;
    end_block(t);
    fflush(t->to);
    free(t);
}
