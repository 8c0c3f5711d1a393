#include "bench/fabric.h"

#include <stdio.h>
#include <string.h>

#include "src/topo/fabric.h"

const char *const wm_fabric_words[] = { "nvlink", "pcie", "ib", "roce", "efa", "tcp", "shm", NULL };

/* In the order of the words. */
static const struct wm_fabric_row rows[] = {
    { .fabric = WM_FABRIC_NVLINK,
      .looked_for = "an active NVLink",
      .alone = { "cuda" },
      .others = { "mpi" },
      .joins_gpus = true },
    { .fabric = WM_FABRIC_PCIE, .looked_for = "a GPU", .alone = { "cuda" }, .others = { "mpi" }, .joins_gpus = true },
    { .fabric = WM_FABRIC_IB,
      .looked_for = "an active InfiniBand port",
      .alone = { "verbs", "ofi" },
      .others = { "mpi" },
      .provider = "verbs" },
    { .fabric = WM_FABRIC_ROCE,
      .looked_for = "an active RoCE port",
      .alone = { "verbs", "ofi" },
      .others = { "mpi" },
      .provider = "verbs" },
    { .fabric = WM_FABRIC_EFA,
      .looked_for = "an active EFA device",
      .alone = { "ofi" },
      .others = { "mpi" },
      .provider = "efa" },
    { .fabric = WM_FABRIC_TCP,
      .looked_for = "a network interface that is up",
      .alone = { "ofi", "mpi" },
      .provider = "tcp" },
    { .fabric = WM_FABRIC_SHM,
      .looked_for = "memory of the host",
      .alone = { "mpi" },
      .others = { "ofi" },
      .provider = "shm" },
};
enum { ROWS = sizeof(rows) / sizeof(*rows) };

enum wm_fabric wm_fabric_of_word(int64_t word)
{
    return rows[word].fabric;
}

const struct wm_fabric_row *wm_fabric_row(enum wm_fabric fabric)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].fabric == fabric)
            return &rows[i];
    return NULL;
}

static bool holds(const char *const *names, const char *name)
{
    for (int i = 0; i < WM_FABRIC_TRANSPORTS && names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void list_transports(const struct wm_fabric_row *row, char *text, size_t bytes)
{
    const char *const *lists[] = { row->alone, row->others };
    size_t used = 0;
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < WM_FABRIC_TRANSPORTS && lists[l][i] != NULL && used < bytes; i++)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used > 0 ? " or " : "", lists[l][i]);
}

int wm_fabric_check(const char *transport, enum wm_fabric fabric, struct wm_err *err)
{
    const struct wm_fabric_row *row = wm_fabric_row(fabric);
    const char *name = wm_fabric_names[fabric];
    char can[80] = "";
    bool possible = holds(row->alone, transport) || holds(row->others, transport);
    if (possible)
        return WM_OK;
    if (row->joins_gpus)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--fabric %s --transport %s: %s joins the memories of GPUs, which %s does not move", name,
                       transport, name, transport);
    list_transports(row, can, sizeof(can));
    return wm_fail(err, WM_EUSAGE, "", 0, "--fabric %s --transport %s: %s does not use %s; take --transport %s", name,
                   transport, transport, name, can);
}

static enum wm_fabric of_provider(const char *provider, const char *node_type, const char *link_layer)
{
    struct wm_fabric_facts facts = { .provider = provider, .node_type = node_type, .link_layer = link_layer };
    return wm_fabric_of(&facts);
}

/* verbs alone of those whose name does not say it is known to drive two of them. */
static bool may_be(const char *provider, enum wm_fabric fabric)
{
    enum wm_fabric said = of_provider(provider, NULL, NULL);
    if (said != WM_FABRIC_UNKNOWN)
        return said == fabric;
    if (strncmp(provider, "verbs", 5) != 0)
        return true;
    return fabric == of_provider(provider, "CA", "Ethernet") || fabric == of_provider(provider, "CA", "InfiniBand");
}

int wm_fabric_check_provider(const char *provider, enum wm_fabric fabric, struct wm_err *err)
{
    if (provider == NULL || fabric == WM_FABRIC_UNKNOWN || may_be(provider, fabric))
        return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0,
                   "--fabric %s --provider %.60s: this provider uses another fabric; leave out one of the two, or take "
                   "--provider %s",
                   wm_fabric_names[fabric], provider, wm_fabric_row(fabric)->provider);
}
