/** A topology out of JSON: every member is checked, since it may come from any file. */
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/topology_rows.h"

struct reader {
    struct wm_topo *topo;
    struct wm_err *err;
    char where[96]; /* "rdma[3].ports[0]" */
};

__attribute__((format(printf, 3, 4))) static int wrong(struct reader *r, const char *name, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return wm_fail(r->err, WM_EUSAGE, "", 0, "topology: %s%s%s %s", r->where, r->where[0] != '\0' ? "." : "", name,
                   text);
}

static int read_text(struct reader *r, const struct wm_topology_row *row, const json_t *value, char *out)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        return wrong(r, row->name, "is not a text");
    if (json_string_length(value) >= row->bytes || strlen(text) != json_string_length(value))
        return wrong(r, row->name, "is longer than %zu bytes, or holds a zero", row->bytes - 1);
    memcpy(out, text, strlen(text) + 1);
    return WM_OK;
}

static int read_int(struct reader *r, const struct wm_topology_row *row, const json_t *value, int *out)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < INT_MIN || number > INT_MAX)
        return wrong(r, row->name, "is not a whole number of 32 bits");
    *out = (int)number;
    return WM_OK;
}

static int read_bytes(struct reader *r, const struct wm_topology_row *row, const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(r, row->name, "is not a count of bytes");
    *out = (uint64_t)json_integer_value(value);
    return WM_OK;
}

static int read_real(struct reader *r, const struct wm_topology_row *row, const json_t *value, double *out)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite(number) || number < 0)
        return wrong(r, row->name, "is not a number from 0 on");
    *out = number;
    return WM_OK;
}

static int read_true(struct reader *r, const struct wm_topology_row *row, const json_t *value, bool *out)
{
    if (!json_is_boolean(value))
        return wrong(r, row->name, "is neither true nor false");
    *out = json_is_true(value);
    return WM_OK;
}

static int read_hexadecimal(struct reader *r, const struct wm_topology_row *row, const json_t *value, void *out)
{
    const char *text = json_string_value(value);
    char *end = NULL;
    unsigned long number = text != NULL && strncmp(text, "0x", 2) == 0 ? strtoul(text, &end, 16) : 0;
    unsigned long most = row->bytes == sizeof(uint16_t) ? UINT16_MAX : UINT32_MAX;
    if (end == NULL || *end != '\0' || end == text + 2 || number > most)
        return wrong(r, row->name, "is not a number such as 0x10de, at most 0x%lx", most);
    if (row->bytes == sizeof(uint16_t))
        *(uint16_t *)out = (uint16_t)number;
    else
        *(uint32_t *)out = (uint32_t)number;
    return WM_OK;
}

/* A name of a later version is passed over: it stays "not known". */
static int read_name(struct reader *r, const struct wm_topology_row *row, const json_t *value, int *out)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        return wrong(r, row->name, "is not a text");
    for (int i = 1; i < row->n_names; i++)
        if (strcmp(row->names[i], text) == 0)
            *out = i;
    return WM_OK;
}

static int find_numa(const struct wm_topo *topo, const json_t *value)
{
    for (int i = 0; json_is_integer(value) && i < topo->n_numa; i++)
        if (topo->numa[i].os_index == json_integer_value(value))
            return i;
    return -1;
}

static int find_named(const json_t *value, const char *names, size_t stride, int n)
{
    const char *text = json_string_value(value);
    for (int i = 0; text != NULL && i < n; i++)
        if (strcmp(names + (size_t)i * stride, text) == 0)
            return i;
    return -1;
}

/* Counts grow while a list is read: a bridge can only be one that stands before, so that no loop is possible. */
static int read_reference(struct reader *r, const struct wm_topology_row *row, const json_t *value, int *out)
{
    const struct wm_topo *topo = r->topo;
    int index = -1;
    if (row->type == WM_TOPOLOGY_NUMA)
        index = find_numa(topo, value);
    else if (row->type == WM_TOPOLOGY_PCI && topo->n_pci > 0)
        index = find_named(value, topo->pci->address, sizeof(*topo->pci), topo->n_pci);
    else if (row->type == WM_TOPOLOGY_RDMA && topo->n_rdma > 0)
        index = find_named(value, topo->rdma->name, sizeof(*topo->rdma), topo->n_rdma);
    else if (row->type == WM_TOPOLOGY_GPU && json_is_integer(value) && json_integer_value(value) < topo->n_gpus)
        index = (int)json_integer_value(value);
    if (index < 0)
        return wrong(r, row->name, "refers to nothing that stands before it");
    *out = index;
    return WM_OK;
}

static int read_value(struct reader *r, const struct wm_topology_row *row, const json_t *value, void *at)
{
    switch (row->type) {
    case WM_TOPOLOGY_TEXT:
        return read_text(r, row, value, at);
    case WM_TOPOLOGY_INT:
        return read_int(r, row, value, at);
    case WM_TOPOLOGY_BYTES:
        return read_bytes(r, row, value, at);
    case WM_TOPOLOGY_REAL:
        return read_real(r, row, value, at);
    case WM_TOPOLOGY_TRUE:
        return read_true(r, row, value, at);
    case WM_TOPOLOGY_HEX:
        return read_hexadecimal(r, row, value, at);
    case WM_TOPOLOGY_NAME:
        return read_name(r, row, value, at);
    default:
        return read_reference(r, row, value, at);
    }
}

static void set_absent(const struct wm_topology_row *row, void *at)
{
    if (row->type == WM_TOPOLOGY_INT)
        *(int *)at = row->absent;
    else if (row->type >= WM_TOPOLOGY_NUMA)
        *(int *)at = -1;
}

/* base is zeroed. */
static int read_rows(struct reader *r, const struct wm_topology_row *row, const json_t *object, void *base)
{
    int rc = WM_OK;
    for (; row->name != NULL && rc == WM_OK; row++) {
        const json_t *value = json_object_get(object, row->name);
        void *at = (char *)base + row->offset;
        set_absent(row, at);
        if (value != NULL)
            rc = read_value(r, row, value, at);
        else if (row->required)
            rc = wrong(r, row->name, "is missing");
    }
    return rc;
}

/* Where n elements go; NULL: there is no room. */
static char *make_room(const struct wm_topology_list *list, size_t n, void *base)
{
    char *at = (char *)base + list->array;
    if (list->room > 0)
        return n <= list->room ? at : NULL;
    char *element = calloc(n, list->element_bytes);
    if (element != NULL)
        memcpy(at, &element, sizeof(element));
    return element;
}

static int read_list(struct reader *r, const struct wm_topology_list *list, const json_t *object, void *base)
{
    const json_t *array = json_object_get(object, list->name);
    size_t n = json_array_size(array), above = strlen(r->where);
    int *count = (int *)((char *)base + list->count), rc = WM_OK;
    if (array != NULL && (!json_is_array(array) || n > INT_MAX))
        return wrong(r, list->name, "is not a list");
    if (n == 0)
        return WM_OK;
    char *element = make_room(list, n, base);
    if (element == NULL)
        return list->room > 0 ? wrong(r, list->name, "has more than %zu members", list->room)
                              : wm_fail(r->err, WM_ENOMEM, "calloc", 0, "%zu %s of a topology", n, list->name);
    for (size_t i = 0; i < n && rc == WM_OK; i++, element += list->element_bytes) {
        const json_t *member = json_array_get(array, i);
        snprintf(r->where + above, sizeof(r->where) - above, "%s%s[%zu]", above > 0 ? "." : "", list->name, i);
        rc = json_is_object(member) ? read_rows(r, list->rows, member, element) : wrong(r, "it", "is not an object");
        /* Counted before what is inside of it: freeing goes by the counts. */
        *count = (int)i + 1;
        for (const struct wm_topology_list *inner = list->inner; rc == WM_OK && inner != NULL && inner->name != NULL;
             inner++)
            rc = read_list(r, inner, member, element);
    }
    r->where[above] = '\0';
    return rc;
}

int wm_topology_from_json(const json_t *object, struct wm_topo *out, struct wm_err *err)
{
    struct reader r = { .topo = out, .err = err };
    memset(out, 0, sizeof(*out));
    if (!json_is_object(object))
        return wm_fail(err, WM_EUSAGE, "", 0, "topology is not an object");
    int rc = read_rows(&r, wm_topology_rows, object, out);
    for (const struct wm_topology_list *list = wm_topology_lists; list->name != NULL && rc == WM_OK; list++)
        rc = read_list(&r, list, object, out);
    if (rc != WM_OK)
        wm_topo_free(out);
    return rc;
}
