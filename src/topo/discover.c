/* A machine's topology from its parts: hwloc or a file, then sysfs, then NVML. */
#include "src/topo/discover.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Name of a document's first element, behind prolog, comments and document type; "" = there is none. */
static void root_element(const char *text, char *name, size_t bytes)
{
    size_t n = 0;
    name[0] = '\0';
    while ((text = strchr(text, '<')) != NULL && (text[1] == '?' || text[1] == '!')) {
        const char *end = strncmp(text, "<!--", 4) == 0 ? "-->" : ">";
        text = strstr(text + 1, end);
        if (text == NULL)
            return;
    }
    if (text == NULL)
        return;
    for (text++; n + 1 < bytes && (isalnum((unsigned char)*text) || strchr("_-:.", *text) != NULL) && *text != '\0';
         n++)
        name[n] = *text++;
    name[n] = '\0';
}

/* Why a file without a first element has none. */
static int no_element(const char *xml, const char *text, struct wm_err *err)
{
    static const char needed[] = "hwloc's topology file (<topology>) or NCCL's (<system>) is needed";
    if (text[strspn(text, " \t\r\n")] == '\0')
        return wm_fail(err, WM_EUSAGE, "", 0, "%s is empty: %s", xml, needed);
    if (text[strspn(text, " \t\r\n\xef\xbb\xbf")] != '<')
        return wm_fail(err, WM_EUSAGE, "", 0, "%s is no XML: %s", xml, needed);
    return wm_fail(err, WM_EUSAGE, "", 0, "%s is cut off before its first element: %s", xml, needed);
}

static int kind_of(const char *xml, const struct wm_topo_xml_kind **kind, struct wm_err *err)
{
    char *text, name[32];
    size_t bytes;
    int rc = wm_topo_load_file(xml, &text, &bytes, err);
    if (rc != WM_OK)
        return rc;
    root_element(text, name, sizeof(name));
    if (name[0] == '\0')
        rc = no_element(xml, text, err);
    free(text);
    if (rc != WM_OK)
        return rc;
    for (*kind = wm_topo_xml_kinds; (*kind)->root != NULL; ++*kind)
        if (strcmp((*kind)->root, name) == 0)
            return WM_OK;
    return wm_fail(err, WM_EUSAGE, "", 0,
                   "%s begins with <%s>: it is neither hwloc's topology file (<topology>) nor NCCL's (<system>)", xml,
                   name);
}

/* "files below DIR"; of a long path its end. */
static void set_source(struct wm_topo *topo, const char *kind, const char *path)
{
    size_t room = sizeof(topo->source) - strlen(kind) - sizeof(" "), n = strlen(path);
    const char *dots = n > room ? "..." : "", *end = n > room ? path + n - room + strlen(dots) : path;
    snprintf(topo->source, sizeof(topo->source), "%s %s%.*s", kind, dots, (int)room, end);
}

static int read_xml(struct wm_tree *tree, const char *xml, struct wm_topo *topo, struct wm_err *err)
{
    const struct wm_topo_xml_kind *kind = NULL;
    int rc = kind_of(xml, &kind, err);
    if (rc != WM_OK)
        return rc;
    if (kind->missing != NULL)
        return wm_fail(err, WM_EUNSUP, "", 0, "%s: reading %s needs %s, which was not built in", xml, kind->title,
                       kind->missing);
    set_source(topo, kind->title, xml);
    return kind->read(tree, xml, topo, err);
}

/* --- the parts in their order --- */

static int read_base(const struct wm_topo_request *request, struct wm_tree *tree, struct wm_topo *topo,
                     struct wm_err *err)
{
    if (request->xml != NULL)
        return read_xml(tree, request->xml, topo, err);
    if (wm_tree_is_here(tree))
        snprintf(topo->source, sizeof(topo->source), "this machine");
    else
        set_source(topo, "files below", tree->root);
    return wm_topo_read_hwloc(tree, NULL, topo, err);
}

static int find_gpus(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    (void)tree;
    return wm_topo_find_gpus(topo, err);
}

static int read_tree(struct wm_tree *tree, struct wm_topo *topo, struct wm_err *err)
{
    static int (*const parts[])(struct wm_tree *, struct wm_topo *, struct wm_err *) = {
        wm_topo_read_pci, /* before GPUs: says which functions are virtual */
        find_gpus,        wm_topo_read_rdma, wm_topo_read_netifs, wm_topo_read_nvml,
    };
    int rc = WM_OK;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && rc == WM_OK; i++)
        rc = parts[i](tree, topo, err);
    if (topo->machine[0] == '\0')
        wm_tree_text(tree, topo->machine, sizeof(topo->machine), "sys/class/dmi/id/product_name");
    return rc;
}

/* Any of what is read of a machine: a folder without all of them is something else. */
static int require_machine(const struct wm_topo_request *request, struct wm_tree *tree, struct wm_err *err)
{
    static const char *const signs[] = { "sys/devices", "sys/bus", "sys/class", "proc/cpuinfo", "proc/sys" };
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (wm_tree_exists(tree, "%s", signs[i]))
            return WM_OK;
    return wm_fail(
        err, WM_EABSENT, "", 0,
        "%s is no recorded machine: of sys/devices, sys/bus, sys/class, proc/cpuinfo and proc/sys it has none",
        request->sysfs_root);
}

/* The notes become the topology's. */
static void hand_over_notes(struct wm_tree *tree, struct wm_topo *topo)
{
    topo->note = tree->notes;
    topo->n_notes = tree->n_notes;
    topo->notes_left_out = tree->notes_left_out;
    tree->notes = NULL;
    tree->n_notes = 0;
}

int wm_topo_discover(const struct wm_topo_request *request, struct wm_topo *out, struct wm_err *err)
{
    struct wm_tree tree;
    struct wm_topo topo = { 0 };
    *out = (struct wm_topo){ 0 };
    int rc = wm_tree_open(request->sysfs_root != NULL ? request->sysfs_root : "/", &tree, err);
    if (rc != WM_OK)
        return rc;
    if (!wm_tree_is_here(&tree))
        rc = require_machine(request, &tree, err);
    if (rc == WM_OK)
        rc = read_base(request, &tree, &topo, err);
    if (rc == WM_OK && (request->xml == NULL || request->sysfs_root != NULL))
        rc = read_tree(&tree, &topo, err);
    hand_over_notes(&tree, &topo);
    wm_tree_close(&tree);
    if (rc == WM_OK)
        *out = topo;
    else
        wm_topo_free(&topo);
    return rc;
}
