#include <string.h>

#include "src/cli/command.h"
#include "src/mem/mem.h"
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
    if (needs != NULL)
        printf("  %-15s not built in: needs %s\n", name, needs);
    else if (probe->code != WM_OK)
        printf("  %-15s %s; not usable here: %s\n", name, summary, probe->what);
    else
        printf("  %-15s %s%s%s%s\n", name, summary, version[0] ? " (" : "", version, version[0] ? ")" : "");
}

static void list_transports(void)
{
    printf("\ntransports\n");
    for (int i = 0; wm_transports[i].name != NULL; i++) {
        const struct wm_transport *t = wm_transports[i].transport;
        struct wm_err probe = { .rank = -1 };
        char version[160] = "";
        if (t != NULL && t->probe != NULL)
            t->probe(NULL, &probe);
        if (t != NULL && t->version != NULL)
            t->version(version, sizeof(version));
        print_state(wm_transports[i].name, t != NULL ? t->summary : "", t != NULL ? NULL : wm_transports[i].needs,
                    &probe, version);
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
    return 0;
}

const struct wm_command wm_command_list = {
    .name = "list",
    .arguments = "",
    .summary = "benchmarks, transports and memory kinds: built in, usable here, and if not, why",
    .main = list_main,
};
