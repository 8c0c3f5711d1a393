#include "reports/plot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reports/gnuplot.h"
#include "src/core/units.h"
#include "src/result/replace.h"
#include "src/result/result.h"

#define MOST_CURVES  10 /* in one plot: more cannot be told apart */
#define MOST_BENCHES 64

struct point {
    int64_t bytes;
    double median_ns, low_ns, high_ns, bytes_per_s, share; /* NAN = absent */
};

/* Cells whose ids differ in nothing but the bytes. */
struct curve {
    char *key;
    char bench[32];
    int result;
    struct point *point;
    int n, cap;
};

struct plots {
    struct curve *curve;
    int n, cap;
    json_t *places; /* result and key: index of the curve */
    int result;     /* that is read */
    int n_results;
    struct wm_err *err;
};

struct quantity {
    const char *name, *axis;
    double unit;
    double (*of)(const struct point *p);
};

static double time_of(const struct point *p)
{
    return p->median_ns;
}

static double bandwidth_of(const struct point *p)
{
    return p->bytes_per_s;
}

static const struct quantity quantities[] = {
    { "time", "time of one operation (us)", 1e3, time_of },
    { "bandwidth", "bandwidth (GB/s)", 1e9, bandwidth_of },
};

static int no_memory(struct wm_err *err)
{
    return wm_fail(err, WM_ENOMEM, "realloc", 0, "curves to draw");
}

/* Makes room for one more. */
static void *grown(void *array, int n, int *cap, size_t bytes)
{
    if (n < *cap)
        return array;
    *cap = 2 * n + 8;
    return realloc(array, (size_t)*cap * bytes);
}

/* "2 bench=latency ... ranks=2": the id without its bytes, behind the number of the result. */
static char *key_of(const struct plots *p, const struct wm_result_cell *cell)
{
    char bytes[40], *key = malloc(sizeof(cell->id) + 16);
    if (key == NULL)
        return NULL;
    snprintf(bytes, sizeof(bytes), " bytes=%" PRId64, cell->bytes);
    const char *at = strstr(cell->id, bytes);
    int head = at == NULL ? (int)strlen(cell->id) : (int)(at - cell->id);
    snprintf(key, sizeof(cell->id) + 16, "%d %.*s%s", p->result, head, cell->id, at == NULL ? "" : at + strlen(bytes));
    return key;
}

static struct curve *curve_of(struct plots *p, const struct wm_result_cell *cell)
{
    char *key = key_of(p, cell);
    json_t *place = key == NULL ? NULL : json_object_get(p->places, key);
    if (place != NULL) {
        free(key);
        return &p->curve[json_integer_value(place)];
    }
    struct curve *more = grown(p->curve, p->n, &p->cap, sizeof(*more));
    if (key == NULL || more == NULL || json_object_set_new(p->places, key, json_integer(p->n)) != 0) {
        free(key);
        return NULL;
    }
    p->curve = more;
    struct curve *c = &p->curve[p->n++];
    *c = (struct curve){ .key = key, .result = p->result };
    snprintf(c->bench, sizeof(c->bench), "%s", cell->bench);
    return c;
}

static int take_cell(const struct wm_result_cell *cell, void *arg)
{
    struct plots *p = arg;
    if (!isfinite(cell->time_ns.median))
        return WM_OK;
    struct curve *c = curve_of(p, cell);
    struct point *more = c == NULL ? NULL : grown(c->point, c->n, &c->cap, sizeof(*more));
    if (more == NULL)
        return no_memory(p->err);
    c->point = more;
    bool bus = isfinite(cell->bandwidth.bus_bytes_per_s);
    c->point[c->n++] = (struct point){
        .bytes = cell->bytes,
        .median_ns = cell->time_ns.median,
        .low_ns = cell->time_ns.ci95_low,
        .high_ns = cell->time_ns.ci95_high,
        .bytes_per_s = bus ? cell->bandwidth.bus_bytes_per_s : cell->bandwidth.alg_bytes_per_s,
        .share = cell->limit.share,
    };
    return WM_OK;
}

static int by_bytes(const void *a, const void *b)
{
    int64_t x = ((const struct point *)a)->bytes, y = ((const struct point *)b)->bytes;
    return x < y ? -1 : x > y;
}

static bool has_any(const struct curve *c, const struct quantity *q)
{
    for (int i = 0; i < c->n; i++)
        if (q->of(&c->point[i]) > 0)
            return true;
    return false;
}

/* The curves of a plot: those of one benchmark that have the quantity, MOST_CURVES at most; *all of them are there. */
static int choose(const struct plots *p, const char *bench, const struct quantity *q, const struct curve **out,
                  int *all)
{
    int n = 0;
    *all = 0;
    for (int i = 0; i < p->n; i++) {
        if (strcmp(p->curve[i].bench, bench) != 0 || !has_any(&p->curve[i], q))
            continue;
        if (n < MOST_CURVES)
            out[n++] = &p->curve[i];
        ++*all;
    }
    return n;
}

static bool has_word(const char *key, const char *word, size_t length)
{
    for (const char *at = key; (at = strstr(at, word)) != NULL; at++)
        if ((at == key || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static bool all_have(const struct curve *const *curve, int n, const char *word, size_t length)
{
    char text[sizeof(((struct wm_result_cell *)0)->id)];
    snprintf(text, sizeof(text), "%.*s", (int)length, word);
    for (int i = 0; i < n; i++)
        if (!has_word(curve[i]->key, text, length))
            return false;
    return true;
}

/* The words of the key that tell a curve from the others; the result's number first where there are several. */
static void put_title(FILE *to, const struct curve *c, const struct curve *const *curve, int n, int n_results)
{
    char title[sizeof(((struct wm_result_cell *)0)->id) + 32] = "";
    size_t used = 0, length;
    if (n_results > 1)
        used = (size_t)snprintf(title, sizeof(title), "result %d ", c->result + 1);
    const char *word = strchr(c->key, ' ') + 1;
    for (; *word != '\0' && used < sizeof(title); word += length + (word[length] == ' ')) {
        length = strcspn(word, " ");
        if (length > 0 && !all_have(curve, n, word, length))
            used += (size_t)snprintf(title + used, sizeof(title) - used, "%.*s ", (int)length, word);
    }
    wm_gnuplot_quote(to, used > 0 ? title : c->bench);
}

/* 0 has no place on a logarithmic axis. */
static double place(int64_t bytes)
{
    return bytes > 0 ? (double)bytes : 0.5;
}

static double limit_of(const struct point *p, const struct quantity *q)
{
    return q->of == bandwidth_of ? q->of(p) / p->share : q->of(p) * p->share;
}

/* Where the axis begins: a limit far below all values is cut off rather than squeezing them together. */
static double lowest(const struct curve *const *curve, int n, const struct quantity *q)
{
    double value = INFINITY, limit = INFINITY;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < curve[i]->n; k++) {
            const struct point *p = &curve[i]->point[k];
            value = q->of(p) > 0 ? fmin(value, q->of(p)) : value;
            limit = limit_of(p, q) > 0 ? fmin(limit, limit_of(p, q)) : limit;
        }
    return fmin(value, fmax(limit, value / 10)) / q->unit;
}

/* Size, value, its interval, its limit: those that are absent are NaN, which gnuplot passes over. */
static void put_data(FILE *to, int i, const struct curve *c, const struct quantity *q)
{
    fprintf(to, "$curve%d << END\n", i);
    for (int k = 0; k < c->n; k++) {
        const struct point *p = &c->point[k];
        bool rate = q->of == bandwidth_of;
        double value = q->of(p) / q->unit;
        double low = value * (rate ? p->median_ns / p->high_ns : p->low_ns / p->median_ns);
        double high = value * (rate ? p->median_ns / p->low_ns : p->high_ns / p->median_ns);
        fprintf(to, "%g %.9g %.9g %.9g %.9g\n", place(p->bytes), value, low, high, limit_of(p, q) / q->unit);
    }
    fprintf(to, "END\n");
}

static void put_ticks(FILE *to, const struct curve *const *curve, int n)
{
    enum { POWERS = 63, MOST_TICKS = 12 };
    bool used[POWERS] = { false };
    int first = POWERS, last = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < curve[i]->n; k++)
            if (curve[i]->point[k].bytes > 0)
                used[ilogb((double)curve[i]->point[k].bytes)] = true;
    for (int i = 0; i < POWERS; i++) {
        first = used[i] && i < first ? i : first;
        last = used[i] ? i : last;
    }
    int step = (last - first) / MOST_TICKS + 1;
    fprintf(to, "set xtics ('0' 0.5");
    for (int i = first; i <= last; i += step) {
        char text[WM_TEXT_BYTES];
        fprintf(to, ", '%s' %.0f", wm_format_bytes(text, (uint64_t)1 << i), ldexp(1, i));
    }
    fprintf(to, ")\n");
}

static void put_script(FILE *to, const struct plots *p, const char *bench, const struct quantity *q,
                       const struct curve *const *curve, int n)
{
    char title[80];
    snprintf(title, sizeof(title), "%s: %s over the size", bench, q->name);
    fprintf(to, "set encoding utf8\nset terminal svg size 960,%d noenhanced font 'sans,13' background '#ffffff'\n",
            540 + 20 * n);
    fprintf(to,
            "set logscale x 2\nset logscale y\nset grid linecolor '#dddddd'\nset offsets graph 0.02, graph 0.02\n"
            "set key below left Left reverse vertical maxcols 1\nset datafile missing 'nan'\n"
            "set format y '%%g'\nset yrange [%g:*]\n"
            "set xlabel 'bytes'\nset ylabel '%s'\nset title ",
            lowest(curve, n, q) * 0.9, q->axis);
    wm_gnuplot_quote(to, title);
    fprintf(to, "\n");
    put_ticks(to, curve, n);
    for (int i = 0; i < n; i++)
        put_data(to, i, curve[i], q);
    for (int i = 0; i < n; i++)
        fprintf(to, "%s $curve%d using 1:5 with lines linecolor '#888888' dashtype 2 %s", i == 0 ? "plot" : ",", i,
                i == 0 ? "title 'limits'" : "notitle");
    for (int i = 0; i < n; i++)
        fprintf(to, ", $curve%d using 1:2:3:4 with yerrorbars linetype %d pointtype 7 pointsize 0.1 notitle", i, i + 1);
    for (int i = 0; i < n; i++) { /* last: bars clear the place of their points */
        fprintf(to, ", $curve%d using 1:2 with linespoints linetype %d linewidth 2 pointtype 7 pointsize 0.5 title ", i,
                i + 1);
        put_title(to, curve[i], curve, n, p->n_results);
    }
    fprintf(to, "\n");
}

/* FOLDER/BENCHMARK-QUANTITY.svg; what is no usual character of a name becomes '_'. */
static void name_file(char path[PATH_MAX], const char *folder, const char *bench, const struct quantity *q)
{
    static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    char name[40];
    snprintf(name, sizeof(name), "%s", bench);
    for (char *c = name; *(c += strspn(c, usual)) != '\0';)
        *c = '_';
    snprintf(path, PATH_MAX, "%s/%s-%s.svg", folder, name, q->name);
}

static int draw(const struct plots *p, const char *folder, const char *bench, const struct quantity *q, FILE *said,
                struct wm_err *err)
{
    const struct curve *curve[MOST_CURVES];
    char path[PATH_MAX];
    int all, n = choose(p, bench, q, curve, &all);
    if (n == 0)
        return WM_OK;
    FILE *script = tmpfile();
    if (script == NULL)
        return wm_fail_errno(err, "tmpfile", "draw %s", bench);
    name_file(path, folder, bench, q);
    put_script(script, p, bench, q, curve, n);
    int rc = wm_gnuplot_svg(script, path, err);
    fclose(script);
    if (rc == WM_OK && all > n)
        fprintf(said, "%s (the first %d of %d curves)\n", path, n, all);
    else if (rc == WM_OK)
        fprintf(said, "%s\n", path);
    return rc;
}

/* Each benchmark once, in the order of the results. */
static int list_benches(const struct plots *p, const char **bench)
{
    int n = 0;
    for (int i = 0; i < p->n && n < MOST_BENCHES; i++) {
        bool known = false;
        for (int k = 0; k < n; k++)
            known |= strcmp(bench[k], p->curve[i].bench) == 0;
        if (!known)
            bench[n++] = p->curve[i].bench;
    }
    return n;
}

static int check_folder(const struct plots *p, const char *folder, const char *const *bench, int n, bool replace,
                        struct wm_err *err)
{
    const struct curve *curve[MOST_CURVES];
    char path[PATH_MAX];
    int all;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return wm_fail_io(err, "mkdir", "make the folder", folder);
    for (int i = 0; i < n && !replace; i++)
        for (size_t k = 0; k < sizeof(quantities) / sizeof(*quantities); k++) {
            name_file(path, folder, bench[i], &quantities[k]);
            if (choose(p, bench[i], &quantities[k], curve, &all) > 0 && access(path, F_OK) == 0)
                return wm_fail(err, WM_EUSAGE, "", 0,
                               "%s exists: name another folder with --svg, or overwrite with --force", path);
        }
    return WM_OK;
}

static int draw_all(struct plots *p, const char *folder, bool replace, FILE *said, struct wm_err *err)
{
    const char *bench[MOST_BENCHES];
    int n = list_benches(p, bench);
    if (n == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "nothing to draw: no cell was measured");
    for (int i = 0; i < p->n; i++)
        qsort(p->curve[i].point, (size_t)p->curve[i].n, sizeof(*p->curve[i].point), by_bytes);
    int rc = check_folder(p, folder, bench, n, replace, err);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof(quantities) / sizeof(*quantities) && rc == WM_OK; k++)
            rc = draw(p, folder, bench[i], &quantities[k], said, err);
    return rc;
}

int wm_plot_write(const char *folder, char *const *results, int n_results, bool replace, FILE *said, struct wm_err *err)
{
    struct plots p = { .places = json_object(), .n_results = n_results, .err = err };
    const struct wm_result_reader reader = { .cell = take_cell, .arg = &p };
    int rc = p.places == NULL ? no_memory(err) : wm_gnuplot_find(err);
    for (p.result = 0; p.result < n_results && rc == WM_OK; p.result++)
        rc = wm_result_read(results[p.result], &reader, err);
    if (rc == WM_OK)
        rc = draw_all(&p, folder, replace, said, err);
    for (int i = 0; i < p.n; i++) {
        free(p.curve[i].key);
        free(p.curve[i].point);
    }
    free(p.curve);
    json_decref(p.places);
    return rc;
}
