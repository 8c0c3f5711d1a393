/**
 * What doctor prints of several nodes, against tests/golden/. WM_BLESS=1 writes what is printed now over the golden
 * files; review the diff. Runs from the root of the sources.
 */
#include "reports/doctor.h"
#include "reports/hosts.h"

#include <stdlib.h>

#include "tests/unit/check.h"

enum { NODES = 5, CHECKS = 5 };

static struct wm_finding finding[NODES][CHECKS];
static struct wm_doctor_node nodes[NODES];
static const char *const ids[CHECKS] = { "memlock", "governor", "versions", "hardware", "fabric-manager" };
static const char *const hosts[NODES] = { "gpu01", "gpu02", "gpu03", "gpu04", "gpu07" };

static void set(struct wm_finding *f, enum wm_health health, const char *read, const char *same)
{
    f->health = health;
    snprintf(f->read, sizeof(f->read), "%s", read);
    snprintf(f->same, sizeof(f->same), "%s", same);
    snprintf(f->mend, sizeof(f->mend), "%s",
             health == WM_HEALTH_OK || health == WM_HEALTH_NOT_APPLICABLE ? "" : f->check->mend);
}

static void make_healthy(void)
{
    for (int n = 0; n < NODES; n++) {
        nodes[n] = (struct wm_doctor_node){ .host = hosts[n], .finding = finding[n] };
        for (int c = 0; c < CHECKS; c++)
            finding[n][c].check = wm_check_find(ids[c]);
        set(&finding[n][0], WM_HEALTH_OK, "max locked memory is unlimited (/proc/self/limits)", "");
        set(&finding[n][1], WM_HEALTH_OK, "the governor is 'performance' on all 112 CPUs", "");
        set(&finding[n][2], WM_HEALTH_OK, "kernel 5.15.0; nccl 2.28.9", "kernel 5.15.0; nccl 2.28.9");
        set(&finding[n][3], WM_HEALTH_OK, "GPUs 8 x NVIDIA H100; RDMA-devices 8",
            "GPUs 8 x NVIDIA H100; RDMA-devices 8");
        set(&finding[n][4], WM_HEALTH_NOT_APPLICABLE, "no NVSwitch here", "");
    }
}

/* One thing of each kind. */
static void plant(void)
{
    make_healthy();
    set(&finding[4][0], WM_HEALTH_FAIL, "max locked memory is 64.0 KiB, not unlimited (/proc/self/limits)", "");
    set(&finding[1][0], WM_HEALTH_FAIL, "max locked memory is 8.00 MiB, not unlimited (/proc/self/limits)", "");
    for (int n = 0; n < NODES; n++)
        set(&finding[n][1], WM_HEALTH_WARN,
            "the governor is 'powersave' on 112 of 112 CPUs (cpufreq/scaling_governor in "
            "/sys/devices/system/cpu/cpu*)",
            "");
    set(&finding[2][2], WM_HEALTH_OK, "kernel 5.15.0; nccl 2.18.3", "kernel 5.15.0; nccl 2.18.3");
    set(&finding[3][3], WM_HEALTH_OK, "GPUs 7 x NVIDIA H100; RDMA-devices 8", "GPUs 7 x NVIDIA H100; RDMA-devices 8");
    set(&finding[0][4], WM_HEALTH_UNKNOWN,
        "there are 4 NVSwitches, and only the processes of this container can be seen", "");
}

static char *print(int n, bool all)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    struct wm_doctor_report report = { .machine = "DGXH100", .node = nodes, .n_nodes = n, .n_findings = CHECKS };
    wm_doctor_print(to, &report, all);
    fclose(to);
    return text;
}

static void check_columns(const char *text)
{
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        if (!CHECK(strcspn(line, "\n") <= 100 && (line[0] == '\n' || line[strcspn(line, "\n") - 1] != ' ')))
            printf("    %.*s\n", (int)strcspn(line, "\n"), line);
}

static void bless(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return;
    fputs(text, file);
    fclose(file);
}

static void check_golden(const char *path, char *got)
{
    char want[8192] = "";
    if (getenv("WM_BLESS") != NULL)
        bless(path, got);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        want[fread(want, 1, sizeof(want) - 1, file)] = '\0';
        fclose(file);
    }
    CHECK_TEXT(got, want);
    check_columns(got);
    free(got);
}

static void test_nodes(void)
{
    plant();
    check_golden("tests/golden/doctor-nodes.txt", print(NODES, false));
    check_golden("tests/golden/doctor-nodes-all.txt", print(NODES, true));
}

static void test_silence(void)
{
    make_healthy();
    char *text = print(NODES, false);
    CHECK_TEXT(text, "5 nodes, DGXH100: 5 checks\n\n4 ok, 1 not applicable (--all lists the rest)\n");
    free(text);
    text = print(1, false);
    CHECK_TEXT(text, "DGXH100: 5 checks\n\n4 ok, 1 not applicable (--all lists the rest)\n");
    free(text);
}

/* Nodes that all say something else are cut, and counted. */
static void test_many(void)
{
    enum { MANY = 40 };
    static struct wm_finding many[MANY][1];
    static struct wm_doctor_node node[MANY];
    static char name[MANY][16];
    char *text = NULL;
    size_t bytes = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name[i], sizeof(name[i]), "h%d", i + 1);
        node[i] = (struct wm_doctor_node){ .host = name[i], .finding = many[i] };
        many[i][0].check = wm_check_find("error-counters");
        char read[64];
        snprintf(read, sizeof(read), "symbol_error %d", i);
        set(&many[i][0], i < 20 ? WM_HEALTH_WARN : WM_HEALTH_OK, i < 20 ? read : "no errors", "");
    }
    FILE *to = open_memstream(&text, &bytes);
    struct wm_doctor_report report = { .machine = "m", .node = node, .n_nodes = MANY, .n_findings = 1 };
    wm_doctor_print(to, &report, false);
    fclose(to);
    CHECK_HAS(text, "most, h[1-20]: warn\n    h[21-40]: ok\n");
    CHECK_HAS(text, "symbol_error 7\n        and on 12 more nodes, in other words\n");
    CHECK(strstr(text, "symbol_error 8") == NULL);
    free(text);
}

static void test_hosts(void)
{
    static const struct {
        const char *host[8];
        const char *want;
    } lists[] = {
        { { "h1" }, "h1" },
        { { "h1", "h2" }, "h[1,2]" },
        { { "h3", "h1", "h2", "h7" }, "h[1-3,7]" },
        { { "h9", "h10", "h11" }, "h[9-11]" },
        { { "node08", "node09", "node10", "login" }, "login,node[08-10]" },
        { { "a1.rack", "a2.rack", "a2.row" }, "a[1,2].rack,a2.row" },
        { { "n1", "n01" }, "n01,n1" },
        { { "ip-10-0-1-7", "ip-10-0-1-8", "ip-10-0-2-9" }, "ip-10-0-1-[7,8],ip-10-0-2-9" },
        { { "99999999999999999999999", "1" }, "1,99999999999999999999999" },
    };
    char text[64];
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        int n = 0;
        while (n < 8 && lists[i].host[n] != NULL)
            n++;
        CHECK_TEXT(wm_hosts_text(lists[i].host, n, text, sizeof(text)), lists[i].want);
    }
    const char *odd[64];
    char names[64][16];
    for (int i = 0; i < 64; i++) {
        snprintf(names[i], sizeof(names[i]), "odd%d", 2 * i);
        odd[i] = names[i];
    }
    CHECK_HAS(wm_hosts_text(odd, 64, text, sizeof(text)), "odd[0,2,4,");
    CHECK_HAS(text, "... (64 nodes)");
}

int main(void)
{
    test_nodes();
    test_silence();
    test_many();
    test_hosts();
    return wm_tests_end();
}
