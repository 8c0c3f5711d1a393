#include <string.h>

#include "bench/fabric.h"
#include "src/cli/command.h"
#include "src/cli/fabric.h"
#include "src/mem/mem.h"
#include "src/topo/fabric.h"
#include "src/world/world.h"

static void list_benchmarks(void)
{
    printf("benchmarks\n");
    for (int i = 0; wm_benchmarks[i] != NULL; i++) {
        const struct wm_benchmark *b = wm_benchmarks[i];
        printf("  %-15s %s\n", b->name, b->summary);
        if (b->bytes_rule != WM_BYTES_NONE)
            printf("  %-15s size: %s\n", "", b->bytes_are);
        printf("  %-15s algorithms:", "");
        for (const struct wm_algorithm *a = b->algorithms; a->name != NULL; a++)
            printf(" %s", a->name);
        printf("\n");
    }
}

/* "built in, usable", or why not. */
static void print_state(const char *name, const char *summary, const char *needs, const struct wm_err *probe,
                        const char *version)
{
    char why[WM_ERR_TEXT_BYTES];
    if (needs != NULL)
        printf("  %-15s not built in: needs %s\n", name, needs);
    else if (probe->code != WM_OK)
        printf("  %-15s %s; not usable here: %s\n", name, summary, wm_err_text(probe, why, sizeof(why)));
    else
        printf("  %-15s %s%s%s%s\n", name, summary, version[0] ? " (" : "", version, version[0] ? ")" : "");
}

static void list_transports(void)
{
    printf("\ntransports\n");
    for (int i = 0; wm_transports[i].name != NULL; i++) {
        const struct wm_transport *t = wm_transports[i].transport;
        struct wm_err probe = { .rank = -1 };
        char version[160] = "", parts[400] = "";
        if (t != NULL && t->probe != NULL)
            t->probe(NULL, &probe);
        if (t != NULL && t->version != NULL)
            t->version(version, sizeof(version));
        print_state(wm_transports[i].name, t != NULL ? t->summary : "", t != NULL ? NULL : wm_transports[i].needs,
                    &probe, version);
        if (t != NULL && t->parts != NULL && probe.code == WM_OK)
            printf("  %-15s usable here: %s\n", "", t->parts(parts, sizeof(parts)));
    }
}

static void list_memory(void)
{
    printf("\nmemory\n");
    for (int i = 0; wm_mems[i].name != NULL; i++) {
        const struct wm_mem *m = wm_mems[i].mem;
        struct wm_err probe = { .rank = -1 };
        if (m != NULL && m->probe != NULL)
            m->probe(&probe);
        print_state(wm_mems[i].name, m != NULL ? m->summary : "", m != NULL ? NULL : wm_mems[i].needs, &probe, "");
    }
}

/* Which transports can use a fabric here, and why the others cannot. */
static void print_transports(const struct wm_cli_options *o, const struct wm_fabric_row *row)
{
    const char *const *lists[] = { row->alone, row->others };
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < WM_FABRIC_TRANSPORTS && lists[l][i] != NULL; i++) {
            struct wm_err probe = { .rank = -1 };
            if (wm_cli_probe(o, lists[l][i], row->fabric, &probe) == WM_OK)
                printf("  %-15s by transport %s%s\n", "", lists[l][i],
                       strcmp(lists[l][i], "mpi") == 0 ? ", where the library takes it" : "");
            else
                printf("  %-15s not by transport %s: %s\n", "", lists[l][i], probe.what);
        }
}

static void list_fabrics(void)
{
    static const struct wm_topo_request here;
    struct wm_cli_options o = { 0 }; /* as the user who gives no options */
    struct wm_topo topo = { 0 };
    struct wm_err err = { .rank = -1 };
    char devices[200];
    printf("\nfabrics\n");
    if (wm_topo_discover(&here, &topo, &err) != WM_OK)
        printf("  this machine cannot be looked at: %s\n", err.what);
    for (int i = 0; err.code == WM_OK && wm_fabric_words[i] != NULL; i++) {
        const struct wm_fabric_row *row = wm_fabric_row(wm_fabric_of_word(i));
        int n = wm_fabric_devices(&topo, row->fabric, devices, sizeof(devices));
        if (n == 0)
            printf("  %-15s not here: looked for %s\n", wm_fabric_words[i], row->looked_for);
        else
            printf("  %-15s %s\n", wm_fabric_words[i], devices);
        if (n > 0 && row->joins_gpus)
            printf("  %-15s not usable: this wiremark has no transport from GPU to GPU\n", "");
        else if (n > 0)
            print_transports(&o, row);
    }
    wm_topo_free(&topo);
}

static int list_main(int argc, char **argv)
{
    struct wm_err err = { .rank = -1 };
    if (argc > 1 && strcmp(argv[1], "--help") != 0) {
        wm_fail(&err, WM_EUSAGE, "", 0, "list takes no arguments, and was given '%s'", argv[1]);
        return wm_cli_fail(&err);
    }
    list_benchmarks();
    list_transports();
    list_memory();
    list_fabrics();
    return 0;
}

const struct wm_command wm_command_list = {
    .name = "list",
    .arguments = "",
    .summary = "benchmarks, transports, memory kinds and fabrics: built in, usable here, and if not, why",
    .main = list_main,
};
