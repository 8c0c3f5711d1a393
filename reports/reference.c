#include "reports/reference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/reference_entry.h"
#include "reports/strict.h"

/* Units as people write them; their factor to bytes per second, or to nanoseconds. */
static const struct unit {
    const char *name;
    double factor;
    bool rate;
} units[] = {
    { "GB/s", 1e9, true },     { "MB/s", 1e6, true },    { "GiB/s", 0x1p30, true },
    { "MiB/s", 0x1p20, true }, { "Gb/s", 1.25e8, true }, { "ns", 1, false },
    { "us", 1e3, false },      { "ms", 1e6, false },     { NULL, 0, false },
};

const char *const wm_reference_kinds[] = { "bound", "measured", "threshold", "policy", NULL };
const char *const wm_reference_figures[] = { "bus-bandwidth", "latency", NULL };
const char *const wm_reference_wires[] = { "nvlink", "pcie", "nic", NULL };

void wm_references_free(struct wm_references *r)
{
    if (r == NULL)
        return;
    wm_strict_free(&r->file);
    free(r->entry);
    free(r);
}

int wm_references_count(const struct wm_references *r)
{
    return r->n;
}

/* A text that must be there, or may be missing ("" then). Borrowed from the file. */
static int text_at(const struct wm_references *r, int n, const json_t *object, const char *key, bool needed,
                   const char **to, struct wm_err *err)
{
    const json_t *value = json_object_get(object, key);
    *to = value == NULL ? "" : json_string_value(value);
    if (value == NULL && needed)
        return wm_strict_fail(&r->file, "name", n, err, "entry %d has no %s", n + 1, key);
    if (*to == NULL || (needed && (*to)[0] == '\0') || strlen(*to) > 400)
        return wm_strict_fail(&r->file, key, n, err, "entry %d: wanted is a text of at most 400 bytes", n + 1);
    return WM_OK;
}

/* One of these words. */
static int word_at(const struct wm_references *r, int n, const json_t *object, const char *key, bool needed,
                   const char *const *words, int *to, struct wm_err *err)
{
    const char *text;
    *to = -1;
    if (text_at(r, n, object, key, needed, &text, err) != WM_OK || text[0] == '\0')
        return err->code;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            *to = i;
    if (*to < 0)
        return wm_strict_fail(&r->file, key, n, err, "entry %d: \"%.40s\" is not one of %s, %s ...", n + 1, text,
                              words[0], words[1]);
    return WM_OK;
}

/* A count from 1; -1: not asked for. */
static int count_at(const struct wm_references *r, int n, const json_t *object, const char *key, int64_t *to,
                    struct wm_err *err)
{
    const json_t *value = json_object_get(object, key);
    *to = value == NULL ? -1 : json_integer_value(value);
    if (value != NULL && (!json_is_integer(value) || *to < 1))
        return wm_strict_fail(&r->file, key, 0, err, "entry %d: wanted is a whole number of at least 1", n + 1);
    return WM_OK;
}

static bool is_pci_id(const char *text)
{
    return strlen(text) == 9 && text[4] == ':' && strspn(text, "0123456789abcdef") == 4 &&
           strspn(text + 5, "0123456789abcdef") == 4;
}

static int read_hardware(struct wm_references *r, int n, const json_t *conditions, struct wm_reference *e,
                         struct wm_err *err)
{
    static const char *const keys[] = { "pci", "psid", "count", NULL };
    const json_t *list = json_object_get(conditions, "hardware");
    e->n_hardware = (int)json_array_size(list);
    if (e->n_hardware < 1 || e->n_hardware > WM_REFERENCE_HARDWARE)
        return wm_strict_fail(&r->file, "name", n, err,
                              "entry %d: conditions.hardware is not a list of 1 to %d devices, each with a PCI id or a "
                              "PSID: a free name holds for nothing",
                              n + 1, WM_REFERENCE_HARDWARE);
    for (int i = 0; i < e->n_hardware; i++) {
        const json_t *object = json_array_get(list, (size_t)i);
        struct wm_reference_hardware *h = &e->hardware[i];
        if (!json_is_object(object))
            return wm_strict_fail(&r->file, "hardware", n, err, "entry %d: [%d] is not an object", n + 1, i);
        if (wm_strict_keys(&r->file, object, keys, err) != WM_OK ||
            text_at(r, n, object, "pci", false, &h->pci, err) != WM_OK ||
            text_at(r, n, object, "psid", false, &h->psid, err) != WM_OK ||
            count_at(r, n, object, "count", &h->count, err) != WM_OK)
            return err->code;
        if (h->pci[0] == '\0' ? h->psid[0] == '\0' : !is_pci_id(h->pci))
            return wm_strict_fail(&r->file, "hardware", n, err,
                                  "entry %d: wanted is a PCI id as \"10de:2330\", or a PSID", n + 1);
    }
    return WM_OK;
}

static int read_conditions(struct wm_references *r, int n, const json_t *object, struct wm_reference *e,
                           struct wm_err *err)
{
    static const char *const keys[] = { "hardware",  "nodes",   "ranks",   "bytes", "bench",
                                        "transport", "path",    "mem",     "algo",  "dtype",
                                        "protocol",  "library", "machine", "wire",  NULL };
    const json_t *c = json_object_get(object, "conditions");
    const struct {
        const char *key;
        const char **to;
    } texts[] = {
        { "bench", &e->bench },       { "transport", &e->transport }, { "path", &e->path },
        { "mem", &e->mem },           { "algo", &e->algo },           { "dtype", &e->dtype },
        { "protocol", &e->protocol }, { "library", &e->library },     { "machine", &e->machine },
    };
    if (!json_is_object(c))
        return wm_strict_fail(&r->file, "name", n, err, "entry %d has no conditions: it would hold for every machine",
                              n + 1);
    if (wm_strict_keys(&r->file, c, keys, err) != WM_OK || read_hardware(r, n, c, e, err) != WM_OK ||
        count_at(r, n, c, "nodes", &e->nodes, err) != WM_OK || count_at(r, n, c, "ranks", &e->ranks, err) != WM_OK ||
        count_at(r, n, c, "bytes", &e->bytes, err) != WM_OK ||
        word_at(r, n, c, "wire", true, wm_reference_wires, &e->wire, err) != WM_OK)
        return err->code;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (text_at(r, n, c, texts[i].key, i == 0, texts[i].to, err) != WM_OK)
            return err->code;
    return WM_OK;
}

static int read_value(struct wm_references *r, int n, const json_t *object, struct wm_reference *e, struct wm_err *err)
{
    int u = 0;
    e->value = json_number_value(json_object_get(object, "value"));
    if (!(e->value > 0))
        return wm_strict_fail(&r->file, "name", n, err, "entry %d: value is not a number above 0", n + 1);
    while (units[u].name != NULL && strcmp(units[u].name, e->unit) != 0)
        u++;
    if (units[u].name == NULL)
        return wm_strict_fail(&r->file, "unit", n, err,
                              "entry %d: \"%.20s\" is not one of GB/s MB/s GiB/s MiB/s Gb/s ns us ms", n + 1, e->unit);
    if (units[u].rate != (e->figure == WM_REFERENCE_RATE))
        return wm_strict_fail(&r->file, "unit", n, err, "entry %d: %s is no unit of %s", n + 1, e->unit,
                              wm_reference_figures[e->figure]);
    e->factor = units[u].factor;
    return WM_OK;
}

static int read_entry(struct wm_references *r, int n, const json_t *object, struct wm_err *err)
{
    static const char *const keys[] = { "name",   "value",      "unit",    "kind", "figure",
                                        "source", "conditions", "comment", NULL };
    struct wm_reference *e = &r->entry[n];
    int kind, figure;
    if (!json_is_object(object))
        return wm_strict_fail(&r->file, "entries", 0, err, "[%d] is not an object", n);
    if (wm_strict_keys(&r->file, object, keys, err) != WM_OK ||
        text_at(r, n, object, "name", true, &e->name, err) != WM_OK ||
        text_at(r, n, object, "unit", true, &e->unit, err) != WM_OK ||
        text_at(r, n, object, "source", true, &e->source, err) != WM_OK ||
        word_at(r, n, object, "kind", true, wm_reference_kinds, &kind, err) != WM_OK ||
        word_at(r, n, object, "figure", true, wm_reference_figures, &figure, err) != WM_OK)
        return err->code;
    e->kind = (enum wm_reference_kind)kind;
    e->figure = (enum wm_reference_figure)figure;
    if (strlen(e->source) < 8)
        return wm_strict_fail(&r->file, "source", n, err, "entry %d: \"%s\" is no address or document", n + 1,
                              e->source);
    if (read_value(r, n, object, e, err) != WM_OK)
        return err->code;
    return read_conditions(r, n, object, e, err);
}

int wm_references_read(const char *path, struct wm_references **out, struct wm_err *err)
{
    static const char *const keys[] = { "schema", "comment", "entries", NULL };
    struct wm_references *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", errno, "%s", path);
    if (wm_strict_load(path, WM_REFERENCE_SCHEMA, &r->file, err) == WM_OK &&
        wm_strict_keys(&r->file, r->file.root, keys, err) == WM_OK) {
        const json_t *list = json_object_get(r->file.root, "entries");
        size_t n = json_array_size(list);
        if (n == 0 || n > 100000)
            wm_strict_fail(&r->file, "entries", 0, err, "wanted is a list of entries");
        else if ((r->entry = calloc(n, sizeof(*r->entry))) == NULL)
            wm_fail(err, WM_ENOMEM, "calloc", errno, "%s", path);
        for (size_t i = 0; i < n && err->code == WM_OK; i++, r->n++)
            read_entry(r, (int)i, json_array_get(list, i), err);
    }
    if (err->code == WM_OK)
        *out = r;
    else
        wm_references_free(r);
    return err->code;
}
