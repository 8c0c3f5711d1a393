#include "reports/doctor.h"

#include "reports/hosts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 100, HOSTS_BYTES = 240 };

/* ---- nodes that say the same */

typedef bool alike_fn(const struct wm_finding *a, const struct wm_finding *b);

static bool same_state(const struct wm_finding *a, const struct wm_finding *b)
{
    return a->health == b->health && strcmp(a->same, b->same) == 0;
}

static bool same_words(const struct wm_finding *a, const struct wm_finding *b)
{
    return a->health == b->health && strcmp(a->read, b->read) == 0 && strcmp(a->mend, b->mend) == 0;
}

static bool same_all(const struct wm_finding *a, const struct wm_finding *b)
{
    return same_words(a, b) && same_state(a, b);
}

/* Groups of nodes that say the same of one check, in the order of their first nodes. */
struct groups {
    int *of;    /* by node */
    int *first; /* by group: its first node */
    int *size;  /* by group */
    int n;
};

static void free_groups(struct groups *g)
{
    free(g->of);
}

/* False: no memory. */
static bool group(const struct wm_doctor_report *r, int check, alike_fn *alike, struct groups *g)
{
    *g = (struct groups){ .of = calloc((size_t)r->n_nodes + 1, 3 * sizeof(int)) };
    if (g->of == NULL)
        return false;
    g->first = g->of + r->n_nodes + 1;
    g->size = g->first + r->n_nodes + 1;
    for (int i = 0; i < r->n_nodes; i++) {
        int k = 0;
        while (k < g->n && !alike(&r->node[g->first[k]].finding[check], &r->node[i].finding[check]))
            k++;
        if (k == g->n)
            g->first[g->n++] = i;
        g->of[i] = k;
        g->size[k]++;
    }
    return true;
}

static const struct wm_finding *member(const struct wm_doctor_report *r, const struct groups *g, int k, int check)
{
    return &r->node[g->first[k]].finding[check];
}

static const char *hosts_of(const struct wm_doctor_report *r, const struct groups *g, int k, char text[HOSTS_BYTES])
{
    const char **host = calloc((size_t)r->n_nodes + 1, sizeof(*host));
    int n = 0;
    if (g->size[k] == r->n_nodes || host == NULL) {
        snprintf(text, HOSTS_BYTES, "all %d nodes", r->n_nodes);
    } else {
        for (int i = 0; i < r->n_nodes; i++)
            if (g->of[i] == k)
                host[n++] = r->node[i].host;
        wm_hosts_text(host, n, text, HOSTS_BYTES);
    }
    free(host);
    return text;
}

static int largest(const struct groups *g)
{
    int best = 0;
    for (int k = 1; k < g->n; k++)
        if (g->size[k] > g->size[best])
            best = k;
    return best;
}

/* ---- words in columns */

/* A text from column `at` on; its further lines begin at column `indent`. */
static void put_wrapped(FILE *to, int at, int indent, const char *text)
{
    bool first = true;
    while (*text != '\0') {
        int n = (int)strcspn(text, " ");
        if (!first && at + 1 + n > COLUMNS) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', to);
            at++;
        }
        fprintf(to, "%.*s", n, text);
        at += n;
        text += n;
        text += strspn(text, " ");
        first = false;
    }
    fputc('\n', to);
}

/* "  why   words" */
static void put_line(FILE *to, const char *label, const char *text)
{
    fprintf(to, "  %-5s ", label);
    put_wrapped(to, 8, 8, text);
}

static void put_title(FILE *to, const char *health, const struct wm_check *check, const char *hosts)
{
    fprintf(to, "%-7s  %s: %s", health, check->id, check->subject);
    if (hosts[0] == '\0') {
        fputc('\n', to);
        return;
    }
    fputs("  on ", to);
    put_wrapped(to, (int)(14 + strlen(check->id) + strlen(check->subject)), 9, hosts);
}

/* ---- differences between nodes */

/* Is `item` of `n` characters one of those between "; " in a list? */
static bool has_item(const char *list, const char *item, size_t n)
{
    for (const char *at = list; *at != '\0'; at += strncmp(at, "; ", 2) == 0 ? 2 : 0) {
        const char *end = strstr(at, "; ");
        size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        if (length == n && strncmp(at, item, n) == 0)
            return true;
        at += length;
    }
    return false;
}

static bool all_have(const struct wm_doctor_report *r, const struct groups *g, int check, const char *item, size_t n)
{
    for (int k = 0; k < g->n; k++)
        if (!has_item(member(r, g, k, check)->same, item, n))
            return false;
    return true;
}

/* What a group has that not all have: "nccl 2.18.3; libfabric 1.17.0". */
static void own_items(const struct wm_doctor_report *r, const struct groups *g, int k, int check, char *text,
                      size_t bytes)
{
    const char *at = member(r, g, k, check)->same;
    size_t used = 0;
    text[0] = '\0';
    while (*at != '\0') {
        const char *end = strstr(at, "; ");
        size_t n = end != NULL ? (size_t)(end - at) : strlen(at);
        if (!all_have(r, g, check, at, n) && used + n + 3 < bytes)
            used += (size_t)snprintf(text + used, bytes - used, "%s%.*s", used > 0 ? "; " : "", (int)n, at);
        at += end != NULL ? n + 2 : n;
    }
}

static bool healths_differ(const struct wm_doctor_report *r, const struct groups *g, int check)
{
    for (int k = 1; k < g->n; k++)
        if (member(r, g, k, check)->health != member(r, g, 0, check)->health)
            return true;
    return false;
}

static void put_side(FILE *to, const struct wm_doctor_report *r, const struct groups *g, int k, int check)
{
    char hosts[HOSTS_BYTES], items[sizeof(((struct wm_finding *)0)->same)];
    bool healths = healths_differ(r, g, check);
    hosts_of(r, g, k, hosts);
    own_items(r, g, k, check, items, sizeof(items));
    int at = fprintf(to, "    %s%s: %s%s", k == largest(g) && g->size[k] > 1 ? "most, " : "", hosts,
                     healths ? wm_health_names[member(r, g, k, check)->health] : "", healths && items[0] ? "; " : "");
    if (items[0] == '\0' && !healths)
        snprintf(items, sizeof(items), "none of these");
    put_wrapped(to, at, 8, items);
}

/* Beyond a few sides the reader learns nothing more. */
static void put_difference(FILE *to, const struct wm_doctor_report *r, const struct groups *g, int check)
{
    enum { SIDES = 6 };
    const struct wm_finding *f = member(r, g, 0, check);
    int most = largest(g), shown = 1;
    fprintf(to, "  %s: %s\n", f->check->id, f->check->subject);
    put_side(to, r, g, most, check);
    for (int k = 0; k < g->n && shown < SIDES; k++)
        if (k != most) {
            put_side(to, r, g, k, check);
            shown++;
        }
    if (g->n > shown)
        fprintf(to, "    and %d more that differ from all these\n", g->n - shown);
    if (!healths_differ(r, g, check)) {
        fputs("    why   ", to);
        put_wrapped(to, 10, 10, f->check->why);
        fputs("    mend  ", to);
        put_wrapped(to, 10, 10, f->check->mend);
    }
}

static void put_differences(FILE *to, const struct wm_doctor_report *r)
{
    bool any = false;
    for (int c = 0; c < r->n_findings; c++) {
        struct groups g;
        if (!group(r, c, same_state, &g))
            return;
        if (g.n > 1) {
            fputs(any ? "" : "DIFFERENT BETWEEN NODES\n", to);
            put_difference(to, r, &g, c);
            any = true;
        }
        free_groups(&g);
    }
    if (any)
        fputc('\n', to);
}

/* ---- findings */

/* Nodes of this health, as one list. */
static const char *hosts_with(const struct wm_doctor_report *r, int check, enum wm_health health,
                              char text[HOSTS_BYTES])
{
    const char **host = calloc((size_t)r->n_nodes + 1, sizeof(*host));
    int n = 0;
    for (int i = 0; host != NULL && i < r->n_nodes; i++)
        if (r->node[i].finding[check].health == health)
            host[n++] = r->node[i].host;
    if (host == NULL || n == r->n_nodes)
        snprintf(text, HOSTS_BYTES, "all %d nodes", r->n_nodes);
    else
        wm_hosts_text(host, n, text, HOSTS_BYTES);
    free(host);
    return text;
}

/* What was read on each group of nodes; beyond a few the reader learns nothing more. */
static void put_readings(FILE *to, const struct wm_doctor_report *r, const struct groups *g, int check,
                         enum wm_health health)
{
    enum { SIDES = 8 };
    char hosts[HOSTS_BYTES], line[HOSTS_BYTES + sizeof(((struct wm_finding *)0)->read)];
    int sides = 0, shown = 0, left = 0;
    for (int k = 0; k < g->n; k++)
        sides += member(r, g, k, check)->health == health;
    for (int k = 0; k < g->n; k++) {
        const struct wm_finding *f = member(r, g, k, check);
        if (f->health != health)
            continue;
        if (sides == 1)
            put_line(to, "read", f->read);
        else if (shown < SIDES) {
            snprintf(line, sizeof(line), "on %s: %s", hosts_of(r, g, k, hosts), f->read);
            put_line(to, shown == 0 ? "read" : "", line);
        } else
            left += g->size[k];
        shown++;
    }
    if (left > 0)
        fprintf(to, "        and on %d more nodes, in other words\n", left);
}

/* Each once, for there may be one for each group. */
static void put_mends(FILE *to, const struct wm_doctor_report *r, const struct groups *g, int check,
                      enum wm_health health)
{
    const char *last = NULL;
    for (int k = 0; k < g->n; k++) {
        const struct wm_finding *f = member(r, g, k, check);
        if (f->health == health && (last == NULL || strcmp(last, f->mend) != 0)) {
            put_line(to, last == NULL ? "mend" : "or", f->mend);
            last = f->mend;
        }
    }
}

static void put_problem(FILE *to, const struct wm_doctor_report *r, const struct groups *g, int check,
                        enum wm_health health, const char *word)
{
    char hosts[HOSTS_BYTES] = "";
    const struct wm_check *c = r->node[0].finding[check].check;
    if (r->n_nodes > 1)
        hosts_with(r, check, health, hosts);
    put_title(to, word, c, hosts);
    put_readings(to, r, g, check, health);
    put_line(to, "why", c->why);
    put_mends(to, r, g, check, health);
    fputc('\n', to);
}

static bool any_has(const struct wm_doctor_report *r, int check, enum wm_health health)
{
    for (int i = 0; i < r->n_nodes; i++)
        if (r->node[i].finding[check].health == health)
            return true;
    return false;
}

static void put_problems(FILE *to, const struct wm_doctor_report *r, enum wm_health health, const char *word)
{
    for (int c = 0; c < r->n_findings; c++) {
        struct groups g;
        if (!any_has(r, c, health) || (health == WM_HEALTH_UNKNOWN && !r->node[0].finding[c].check->required))
            continue;
        if (!group(r, c, same_words, &g))
            return;
        put_problem(to, r, &g, c, health, word);
        free_groups(&g);
    }
}

static void put_rest(FILE *to, const struct wm_doctor_report *r, enum wm_health health)
{
    bool any = false;
    for (int c = 0; c < r->n_findings; c++) {
        struct groups g;
        if (health == WM_HEALTH_UNKNOWN && r->node[0].finding[c].check->required)
            continue;
        if (!group(r, c, same_words, &g))
            return;
        for (int k = 0; k < g.n; k++) {
            const struct wm_finding *f = member(r, &g, k, c);
            char hosts[HOSTS_BYTES];
            if (f->health != health)
                continue;
            fprintf(to, "%s%s", any ? "" : wm_health_names[health], any ? "" : "\n");
            int at = fprintf(to, "  %-16s ", f->check->id);
            if (g.n > 1)
                at += fprintf(to, "on %s: ", hosts_of(r, &g, k, hosts));
            put_wrapped(to, at, 19, f->read);
            any = true;
        }
        free_groups(&g);
    }
    if (any)
        fputc('\n', to);
}

/* A check counts once, as what is worst on any node. */
enum worst { WORST_FAIL, WORST_NEEDED, WORST_WARN, WORST_UNKNOWN, WORST_OK, WORST_NOT_APPLICABLE, WORSTS };

static enum worst worst_of(const struct wm_doctor_report *r, int check)
{
    bool required = r->node[0].finding[check].check->required;
    if (any_has(r, check, WM_HEALTH_FAIL))
        return WORST_FAIL;
    if (any_has(r, check, WM_HEALTH_UNKNOWN) && required)
        return WORST_NEEDED;
    if (any_has(r, check, WM_HEALTH_WARN))
        return WORST_WARN;
    if (any_has(r, check, WM_HEALTH_UNKNOWN))
        return WORST_UNKNOWN;
    return any_has(r, check, WM_HEALTH_OK) ? WORST_OK : WORST_NOT_APPLICABLE;
}

static void put_counts(FILE *to, const struct wm_doctor_report *r, bool all)
{
    static const char *const words[WORSTS] = {
        "fail", "required but unknown", "warn", "unknown", "ok", "not applicable"
    };
    int count[WORSTS] = { 0 };
    bool any = false;
    for (int c = 0; c < r->n_findings; c++)
        count[worst_of(r, c)]++;
    for (int w = 0; w < WORSTS; w++)
        if (count[w] > 0) {
            fprintf(to, "%s%d %s", any ? ", " : "", count[w], words[w]);
            any = true;
        }
    fprintf(to, "%s\n", all ? "" : " (--all lists the rest)");
}

void wm_doctor_print(FILE *to, const struct wm_doctor_report *r, bool all)
{
    if (r->n_nodes > 1)
        fprintf(to, "%d nodes, ", r->n_nodes);
    fprintf(to, "%s: %d checks\n\n", r->machine, r->n_findings);
    put_differences(to, r);
    put_problems(to, r, WM_HEALTH_FAIL, "FAIL");
    put_problems(to, r, WM_HEALTH_UNKNOWN, "UNKNOWN");
    put_problems(to, r, WM_HEALTH_WARN, "WARN");
    if (all) {
        put_rest(to, r, WM_HEALTH_UNKNOWN);
        put_rest(to, r, WM_HEALTH_OK);
        put_rest(to, r, WM_HEALTH_NOT_APPLICABLE);
    }
    put_counts(to, r, all);
}

/* ---- JSON */

static json_t *names_of(const struct wm_doctor_report *r, const struct groups *g, int k)
{
    json_t *hosts = json_array();
    for (int i = 0; i < r->n_nodes; i++)
        if (g->of[i] == k)
            json_array_append_new(hosts, json_string(r->node[i].host));
    return hosts;
}

static json_t *one_check(const struct wm_finding *f, json_t *hosts)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:s, s:s}", "id", f->check->id, "subject", f->check->subject,
                          "health", wm_health_names[f->health], "required", f->check->required, "hosts", hosts, "read",
                          f->read, "why", f->check->why, "mend", f->mend);
    if (o != NULL && f->same[0] != '\0')
        json_object_set_new(o, "same", json_string(f->same));
    return o;
}

static json_t *checks_json(const struct wm_doctor_report *r)
{
    json_t *checks = json_array();
    for (int c = 0; c < r->n_findings && checks != NULL; c++) {
        struct groups g;
        bool good = group(r, c, same_all, &g);
        for (int k = 0; good && k < g.n; k++)
            good = json_array_append_new(checks, one_check(member(r, &g, k, c), names_of(r, &g, k))) == 0;
        free_groups(&g);
        if (!good) {
            json_decref(checks);
            checks = NULL;
        }
    }
    return checks;
}

/* Checks that are not the same on all nodes; their groups are those of `checks`. */
static json_t *differences_json(const struct wm_doctor_report *r)
{
    json_t *different = json_array();
    for (int c = 0; c < r->n_findings && different != NULL; c++) {
        struct groups g;
        bool good = group(r, c, same_state, &g);
        if (good && g.n > 1)
            good = json_array_append_new(different, json_string(r->node[0].finding[c].check->id)) == 0;
        free_groups(&g);
        if (!good) {
            json_decref(different);
            different = NULL;
        }
    }
    return different;
}

int wm_doctor_print_json(FILE *to, const struct wm_doctor_report *r, struct wm_err *err)
{
    json_t *checks = checks_json(r), *different = differences_json(r);
    json_t *document =
        json_pack("{s:s, s:o, s:o}", "schema", "wiremark-doctor/1", "checks", checks, "differences", different);
    if (document == NULL)
        wm_fail(err, WM_ENOMEM, "json_pack", 0, "findings of %d nodes", r->n_nodes);
    else if (json_dumpf(document, to, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0 || fputc('\n', to) == EOF)
        wm_fail(err, WM_EIO, "", 0, "the standard output could not be written");
    json_decref(document);
    return err->code;
}

/* ---- the checks themselves */

void wm_doctor_print_checks(FILE *to)
{
    for (int i = 0; i < wm_checks_count(); i++) {
        const struct wm_check *c = wm_check_at(i);
        fprintf(to, "### %s\n\n%s%s.\n\n", c->id, c->subject, c->required ? "; required" : "");
        fprintf(to, "- reads: %s\n- why: %s\n- mend: %s\n%s", c->reads, c->why, c->mend,
                wm_check_at(i + 1) != NULL ? "\n" : "");
    }
}
