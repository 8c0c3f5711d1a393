#include "reports/facts.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FACTS = 100000, NAME_BYTES = 400 };

struct flat {
    struct wm_intern *texts;
    const char *path;
    struct wm_facts *out;
    size_t cap;
    char name[NAME_BYTES];
    struct wm_err *err;
};

static const char *interned(struct flat *f, const char *text)
{
    const struct wm_interned *entry = wm_intern(f->texts, text, strlen(text));
    return entry != NULL ? entry->text : NULL;
}

static int add(struct flat *f, const char *value)
{
    struct wm_facts *out = f->out;
    if (out->n == MOST_FACTS)
        return WM_OK;
    if ((size_t)out->n == f->cap) {
        size_t cap = f->cap == 0 ? 64 : 2 * f->cap;
        struct wm_fact *more = realloc(out->fact, cap * sizeof(*more));
        if (more == NULL)
            return wm_fail(f->err, WM_ENOMEM, "realloc", errno, "facts of %s", f->path);
        out->fact = more;
        f->cap = cap;
    }
    struct wm_fact fact = { interned(f, f->name), interned(f, value) };
    if (fact.name == NULL || fact.value == NULL)
        return wm_fail(f->err, WM_ENOMEM, "malloc", errno, "facts of %s", f->path);
    out->fact[out->n++] = fact;
    return WM_OK;
}

static bool passed_over(const char *key)
{
    static const char *const keys[] = { "host",     "hosts",  "uuid",     "node_guid", "gids",           "clock",
                                        "warnings", "source", "counters", "notes",     "notes_left_out", NULL };
    for (int i = 0; keys[i] != NULL; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* Variables that launchers make anew for each launch: jobs, sockets, processes, places. */
static bool of_one_launch(const char *variable)
{
    static const char *const patterns[] = { "OMPI_ARGV",
                                            "OMPI_COMMAND",
                                            "OMPI_FILE_LOCATION",
                                            "OMPI_*_jobid",
                                            "OMPI_*_uri",
                                            "OMPI_*session_dir",
                                            "OMPI_*precondition_transports",
                                            "OMPI_*_vpid",
                                            "OMPI_MCA_initial_wdir",
                                            "SLURM_*JOB*ID*",
                                            "SLURM_*NODELIST*",
                                            "SLURM_*TIME*",
                                            "SLURM_*PID*",
                                            "SLURM_*PORT*",
                                            "SLURM_*ADDR*",
                                            "SLURM_*HOST*",
                                            "SLURM_*NODE_ALIASES*",
                                            "SLURM_*SUBMIT*",
                                            "SLURM_STEP*",
                                            "SLURM*NODENAME",
                                            "SLURM_*ID",
                                            "SLURM_TOPOLOGY_ADDR*",
                                            "SLURM_JOB_NAME",
                                            NULL };
    for (int i = 0; patterns[i] != NULL; i++)
        if (fnmatch(patterns[i], variable, 0) == 0)
            return true;
    return false;
}

static int add_leaf(struct flat *f, const json_t *value)
{
    char text[64];
    if (json_is_string(value))
        return add(f, json_string_value(value));
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(text), "%.15g", json_real_value(value));
    else
        snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
    return add(f, text);
}

static int add_value(struct flat *f, size_t length, const json_t *value, int depth);

static int add_member(struct flat *f, size_t length, const char *before, const char *key, const char *after,
                      const json_t *value, int depth)
{
    int n = snprintf(f->name + length, sizeof(f->name) - length, "%s%s%s", before, key, after);
    size_t full = length + (size_t)n;
    int rc = full >= sizeof(f->name) ? WM_OK : add_value(f, full, value, depth - 1);
    f->name[length] = '\0';
    return rc;
}

/* How a member of a list is told from the others. */
static const char *key_of(const json_t *member, size_t index, char text[32])
{
    const char *address = json_string_value(json_object_get(member, "address"));
    const char *name = json_string_value(json_object_get(member, "name"));
    if (address != NULL || name != NULL)
        return address != NULL ? address : name;
    snprintf(text, 32, "%zu", index);
    return text;
}

static int add_value(struct flat *f, size_t length, const json_t *value, int depth)
{
    const char *key;
    char text[32];
    json_t *member;
    size_t i;
    int rc = WM_OK;
    if (depth == 0)
        return WM_OK;
    if (!json_is_object(value) && !json_is_array(value))
        return add_leaf(f, value);
    json_object_foreach((json_t *)value, key, member)
    {
        bool passed = passed_over(key) || (strcmp(f->name, "environment.variables") == 0 && of_one_launch(key));
        if (rc == WM_OK && !passed)
            rc = add_member(f, length, ".", key, "", member, depth);
    }
    json_array_foreach(value, i, member)
    {
        if (rc == WM_OK)
            rc = add_member(f, length, "[", key_of(member, i, text), "]", member, depth);
    }
    return rc;
}

/* Which host of the order in which ranks name them. */
static int add_hosts(struct flat *f, const json_t *ranks)
{
    json_t *seen = json_object(), *rank;
    char text[32];
    size_t i;
    int rc = seen == NULL ? wm_fail(f->err, WM_ENOMEM, "json_object", 0, "hosts of %s", f->path) : WM_OK;
    json_array_foreach(ranks, i, rank)
    {
        const char *host = json_string_value(json_object_get(rank, "host"));
        if (rc != WM_OK || host == NULL)
            continue;
        if (json_object_get(seen, host) == NULL)
            json_object_set_new(seen, host, json_integer((json_int_t)json_object_size(seen)));
        snprintf(f->name, sizeof(f->name), "world.ranks[%zu].host_number", i);
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(seen, host)));
        rc = add(f, text);
    }
    f->out->ranks = (int)json_array_size(ranks);
    f->out->hosts = (int)json_object_size(seen);
    json_decref(seen);
    f->name[0] = '\0';
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct wm_fact *)a)->name, ((const struct wm_fact *)b)->name);
}

int wm_facts_read(struct wm_intern *texts, const json_t *head, const char *path, struct wm_facts *out,
                  struct wm_err *err)
{
    static const char *const parts[] = { "tool", "world", "environment", "topology", NULL };
    struct flat f = { .texts = texts, .path = path, .out = out, .err = err };
    int rc = add_hosts(&f, json_object_get(json_object_get(head, "world"), "ranks"));
    for (int i = 0; parts[i] != NULL && rc == WM_OK; i++)
        if (json_object_get(head, parts[i]) != NULL)
            rc = add_member(&f, 0, "", parts[i], "", json_object_get(head, parts[i]), 12);
    if (rc == WM_OK && out->n > 0)
        qsort(out->fact, (size_t)out->n, sizeof(*out->fact), by_name);
    return rc;
}
