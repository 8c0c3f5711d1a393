/* What the library knows of GPUs and NVLinks, into the topology. */
#include "src/topo/nvml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/topo/bound.h"
#include "src/topo/discover.h"

#define NVIDIA 0x10de

static bool is_nvidia(const struct wm_topo *topo, const struct wm_topo_gpu *gpu)
{
    return gpu->pci >= 0 && topo->pci[gpu->pci].vendor == NVIDIA;
}

/* Index in topo->gpu of the GPU at this address; one that is only known here is added. -1: no memory. */
static int place_of(struct wm_topo *topo, const char *address)
{
    int pci = wm_topo_find_pci(topo, address);
    for (int i = 0; pci >= 0 && i < topo->n_gpus; i++)
        if (topo->gpu[i].pci == pci)
            return i;
    if (!wm_topo_grow(&topo->gpu, topo->n_gpus, sizeof(*topo->gpu)))
        return -1;
    topo->gpu[topo->n_gpus].pci = pci;
    topo->gpu[topo->n_gpus].numa = pci >= 0 ? topo->pci[pci].numa : -1;
    return topo->n_gpus++;
}

static void fill(struct wm_topo_gpu *gpu, const struct wm_nvml_gpu *from, int index)
{
    gpu->index = index;
    snprintf(gpu->name, sizeof(gpu->name), "%s", from->name);
    snprintf(gpu->uuid, sizeof(gpu->uuid), "%s", from->uuid);
    snprintf(gpu->driver, sizeof(gpu->driver), "%s", from->driver);
    snprintf(gpu->nvlink_domain, sizeof(gpu->nvlink_domain), "%s", from->domain);
    gpu->memory_bytes = from->memory_bytes;
    gpu->cpu_links = from->c2c_links;
    gpu->cpu_link_bytes_per_s = from->c2c_bytes_per_s;
    for (int i = 0; i < from->n_links; i++) {
        const struct wm_nvml_link *link = &from->link[i];
        if (!link->active) {
            gpu->nvlink_inactive++;
            continue;
        }
        gpu->nvlinks++;
        if (link->remote == WM_NVML_CPU)
            wm_nvml_add_cpu_link(wm_nvlink_data_bytes_per_s(link->bytes_per_s), &gpu->cpu_links,
                                 &gpu->cpu_link_bytes_per_s);
        /* Links of one GPU are alike; should one be slower, it is the one that counts. */
        if (link->bytes_per_s > 0 && (gpu->nvlink_bytes_per_s <= 0 || link->bytes_per_s < gpu->nvlink_bytes_per_s))
            gpu->nvlink_bytes_per_s = link->bytes_per_s;
    }
}

/* NVML's index of the GPU at this address, -1 = none of these. */
static int index_of(const struct wm_nvml *nvml, const char *address)
{
    for (int i = 0; address[0] != '\0' && i < nvml->n_gpus; i++)
        if (strcmp(nvml->gpu[i].address, address) == 0)
            return i;
    return -1;
}

/* Where a link ends: NVML's index of a GPU, -1 for a switch, -2 where it does not count. An old driver does not say
 * what the remote device is; then an address that is no GPU's is a switch's. */
static int end_of(const struct wm_nvml *nvml, const struct wm_nvml_link *link)
{
    int index = index_of(nvml, link->remote_address);
    if (link->remote == WM_NVML_SWITCH || (link->remote == WM_NVML_UNKNOWN && index < 0 && link->remote_address[0]))
        return -1;
    return link->remote != WM_NVML_CPU && index >= 0 ? index : -2;
}

static int add_nvlink(struct wm_topo *topo, int from, int to, struct wm_err *err)
{
    for (int i = 0; i < topo->n_nvlinks; i++)
        if (topo->nvlink[i].from == from && topo->nvlink[i].to == to)
            return topo->nvlink[i].links++, WM_OK;
    if (!wm_topo_grow(&topo->nvlink, topo->n_nvlinks, sizeof(*topo->nvlink)))
        return wm_fail(err, WM_ENOMEM, "realloc", 0, "NVLinks of %d GPUs", topo->n_gpus);
    topo->nvlink[topo->n_nvlinks++] = (struct wm_topo_nvlink){ .from = from, .to = to, .links = 1 };
    return WM_OK;
}

/* Links between two GPUs are seen from both; they are kept once, from the lower index in topo->gpu. */
static int connect(struct wm_topo *topo, const struct wm_nvml *nvml, const int *place, int from, struct wm_err *err)
{
    const struct wm_nvml_gpu *gpu = &nvml->gpu[from];
    int rc = WM_OK;
    for (int i = 0; i < gpu->n_links && rc == WM_OK; i++) {
        int end = gpu->link[i].active ? end_of(nvml, &gpu->link[i]) : -2;
        if (end == -1)
            rc = add_nvlink(topo, place[from], -1, err);
        else if (end >= 0 && place[end] > place[from]) /* never where place[end] is -1: lost */
            rc = add_nvlink(topo, place[from], place[end], err);
    }
    return rc;
}

/* Of a GPU that is lost, or has no permission for us, NVML says nothing. */
static bool is_empty(const struct wm_nvml_gpu *gpu)
{
    return gpu->name[0] == '\0' && gpu->uuid[0] == '\0' && gpu->address[0] == '\0';
}

/* GPUs that PCI shows and NVML does not (another container's, or lost) have no index that a user could name. */
static void note_missing(struct wm_tree *tree, struct wm_topo *topo, const int *place, int n)
{
    for (int i = 0; i < topo->n_gpus; i++) {
        bool known = !is_nvidia(topo, &topo->gpu[i]);
        for (int k = 0; k < n; k++)
            known = known || place[k] == i;
        if (known)
            continue;
        topo->gpu[i].index = -1;
        wm_tree_note(tree, topo->pci[topo->gpu[i].pci].address, "NVML does not show this GPU");
    }
}

static int merge(struct wm_tree *tree, struct wm_topo *topo, const struct wm_nvml *nvml, int *place, struct wm_err *err)
{
    for (int i = 0; i < nvml->n_gpus; i++) {
        place[i] = -1;
        if (is_empty(&nvml->gpu[i]))
            continue;
        place[i] = place_of(topo, nvml->gpu[i].address);
        if (place[i] < 0)
            return wm_fail(err, WM_ENOMEM, "realloc", 0, "%d GPUs", nvml->n_gpus);
        fill(&topo->gpu[place[i]], &nvml->gpu[i], i);
        if (nvml->gpu[i].mig)
            wm_tree_note(tree, nvml->gpu[i].address, "this GPU is cut into MIG instances; the figures are the whole's");
    }
    int rc = WM_OK;
    for (int i = 0; i < nvml->n_gpus && rc == WM_OK; i++)
        if (place[i] >= 0)
            rc = connect(topo, nvml, place, i, err);
    note_missing(tree, topo, place, nvml->n_gpus);
    return rc;
}

int wm_topo_read_nvml(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    struct wm_nvml nvml = { 0 };
    bool expected = false;
    for (int i = 0; i < topo->n_gpus; i++)
        expected = expected || is_nvidia(topo, &topo->gpu[i]);
    int rc = wm_tree_is_here(tree) ? wm_nvml_ask(tree, expected, &nvml, err) : wm_nvml_load(tree, &nvml, err);
    int *place = rc == WM_OK && nvml.n_gpus > 0 ? calloc((size_t)nvml.n_gpus, sizeof(*place)) : NULL;
    if (rc == WM_OK && nvml.n_gpus > 0)
        rc = place == NULL ? wm_fail(err, WM_ENOMEM, "calloc", 0, "%d GPUs", nvml.n_gpus)
                           : merge(tree, topo, &nvml, place, err);
    free(place);
    free(nvml.gpu);
    return rc;
}
