/* nvml.json of a recorded machine: {"driver": "535.129.03", "gpus": [{"name", "uuid", "pci", "memory_bytes", "mig",
 * "nvlinks": [{"active", "mb_per_s", "remote": "gpu" | "switch" | "cpu", "remote_pci"}],
 * "c2c": [{"active", "mb_per_s"}],
 * "fabric": {"state", "status", "cluster_uuid", "clique"}}]}, GPUs in NVML's order, all members optional. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/discover.h"
#include "src/topo/nvml.h"

#define FILE_NAME  "nvml.json"
#define FILE_BYTES ((size_t)4 << 20)
#define GPUS       256 /* more than one node has */

static void text(char *out, size_t bytes, const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    snprintf(out, bytes, "%s", value != NULL ? value : "");
}

/* What is no address becomes "". */
static void address(char out[16], const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL || !wm_topo_pci_address(value, out))
        out[0] = '\0';
}

static void read_link(const json_t *object, struct wm_nvml_link *out)
{
    const char *remote = json_string_value(json_object_get(object, "remote"));
    double mb_per_s = json_number_value(json_object_get(object, "mb_per_s"));
    out->active = json_is_true(json_object_get(object, "active"));
    out->bytes_per_s = mb_per_s > 0 ? mb_per_s * 1e6 : 0;
    address(out->remote_address, object, "remote_pci");
    if (remote != NULL)
        out->remote = strcmp(remote, "gpu") == 0      ? WM_NVML_GPU
                      : strcmp(remote, "switch") == 0 ? WM_NVML_SWITCH
                      : strcmp(remote, "cpu") == 0    ? WM_NVML_CPU
                                                      : WM_NVML_UNKNOWN;
}

static void read_c2c(const json_t *links, struct wm_nvml_gpu *out)
{
    for (size_t i = 0; i < json_array_size(links) && i < WM_NVML_LINKS; i++) {
        const json_t *link = json_array_get(links, i);
        if (json_is_true(json_object_get(link, "active")))
            wm_nvml_add_cpu_link(json_number_value(json_object_get(link, "mb_per_s")) * 1e6, &out->c2c_links,
                                 &out->c2c_bytes_per_s);
    }
}

/* 32 hexadecimal digits, with or without dashes. */
static bool read_uuid(const char *text, unsigned char out[16])
{
    int digits = 0;
    memset(out, 0, 16);
    for (; *text != '\0' && digits < 32; text++) {
        if (*text == '-')
            continue;
        if (!isxdigit((unsigned char)*text))
            return false;
        int value = isdigit((unsigned char)*text) ? *text - '0' : tolower((unsigned char)*text) - 'a' + 10;
        out[digits / 2] = (unsigned char)(out[digits / 2] << 4 | value);
        digits++;
    }
    return digits == 32;
}

static void read_fabric(const json_t *fabric, struct wm_nvml_gpu *out)
{
    const char *state = json_string_value(json_object_get(fabric, "state"));
    const char *uuid = json_string_value(json_object_get(fabric, "cluster_uuid"));
    unsigned char bytes[16];
    if (state != NULL && strcmp(state, "completed") == 0 && uuid != NULL && read_uuid(uuid, bytes) &&
        json_integer_value(json_object_get(fabric, "status")) == 0)
        wm_nvml_domain(out->domain, bytes, (unsigned)json_integer_value(json_object_get(fabric, "clique")));
}

static void read_gpu(const json_t *object, struct wm_nvml_gpu *out)
{
    text(out->name, sizeof(out->name), object, "name");
    text(out->uuid, sizeof(out->uuid), object, "uuid");
    address(out->address, object, "pci");
    json_int_t memory = json_integer_value(json_object_get(object, "memory_bytes"));
    out->memory_bytes = memory > 0 ? (uint64_t)memory : 0;
    out->mig = json_is_true(json_object_get(object, "mig"));
    const json_t *links = json_object_get(object, "nvlinks");
    while (out->n_links < WM_NVML_LINKS && out->n_links < (int)json_array_size(links)) {
        read_link(json_array_get(links, (size_t)out->n_links), &out->link[out->n_links]);
        out->n_links++;
    }
    read_c2c(json_object_get(object, "c2c"), out);
    read_fabric(json_object_get(object, "fabric"), out);
}

static int read_gpus(struct wm_tree *tree, const json_t *document, struct wm_nvml *out, struct wm_err *err)
{
    const json_t *gpus = json_object_get(document, "gpus");
    size_t n = json_array_size(gpus);
    if (!json_is_array(gpus))
        wm_tree_note(tree, FILE_NAME, "has no list named gpus");
    if (n > GPUS) {
        wm_tree_note(tree, FILE_NAME, "%zu GPUs: only the first %d are taken", n, GPUS);
        n = GPUS;
    }
    if (n == 0)
        return WM_OK;
    out->gpu = calloc(n, sizeof(*out->gpu));
    if (out->gpu == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%zu GPUs", n);
    for (; out->n_gpus < (int)n; out->n_gpus++) {
        read_gpu(json_array_get(gpus, (size_t)out->n_gpus), &out->gpu[out->n_gpus]);
        text(out->gpu[out->n_gpus].driver, sizeof(out->gpu->driver), document, "driver");
    }
    return WM_OK;
}

int wm_nvml_load(struct wm_tree *tree, struct wm_nvml *out, struct wm_err *err)
{
    if (!wm_tree_exists(tree, FILE_NAME))
        return WM_OK;
    char *content = malloc(FILE_BYTES);
    if (content == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "%s of a recorded machine", FILE_NAME);
    size_t bytes = wm_tree_bytes(tree, content, FILE_BYTES, FILE_NAME);
    json_error_t why;
    json_t *document = bytes > 0 ? json_loadb(content, bytes, 0, &why) : NULL;
    int rc = WM_OK;
    if (document != NULL)
        rc = read_gpus(tree, document, out, err);
    else if (bytes > 0)
        wm_tree_note(tree, FILE_NAME, "is no JSON: line %d: %.80s", why.line, why.text);
    json_decref(document);
    free(content);
    return rc;
}
