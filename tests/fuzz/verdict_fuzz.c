/*
 * Arbitrary bytes for everything that compare, gate and bless read: results, baselines, policies, references. What is
 * read is judged and written in every format.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "reports/export.h"
#include "reports/reference.h"
#include "reports/verdict.h"
#include "tests/fuzz/fuzz.h"

/* A file of these bytes; its name goes to path. */
static int file_of(const uint8_t *data, size_t size, char path[40])
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

/* An error has a code, words, and no line break. */
static void check_error(const struct wm_err *err)
{
    MUST(err->code == WM_EUSAGE || err->code == WM_EABSENT);
    MUST(err->what[0] != '\0');
}

static void render(const struct wm_verdicts *v)
{
    struct wm_err err = { 0 };
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    MUST(to != NULL);
    MUST(wm_verdicts_text(to, v, true, &err) == WM_OK && fflush(to) == 0);
    for (size_t i = 0; i < n; i++)
        MUST((unsigned char)text[i] >= 0x20 || text[i] == '\n');
    MUST(wm_verdicts_markdown(to, v, true, &err) == WM_OK && wm_verdicts_csv(to, v, &err) == WM_OK);
    MUST(fflush(to) == 0);
    size_t before = n;
    MUST(wm_verdicts_json(to, v, &err) == WM_OK && fclose(to) == 0);
    json_t *json = json_loadb(text + before, n - before, 0, NULL);
    MUST(json != NULL && json_is_array(json_object_get(json, "verdicts")));
    json_decref(json);
    free(text);
}

/* Names steer no terminal, end no line, and leave JSON what it is. */
static void export(const struct wm_verdicts *v, const struct wm_export_format *format)
{
    struct wm_err err = { 0 };
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    MUST(to != NULL && wm_export(to, v, format, &err) == WM_OK && fclose(to) == 0);
    MUST(n > 0 && text[n - 1] == '\n');
    for (size_t i = 0; i < n; i++)
        MUST((unsigned char)text[i] >= 0x20 || text[i] == '\n');
    if (format == &wm_export_smaller || format == &wm_export_bigger) {
        json_t *json = json_loadb(text, n, 0, NULL);
        MUST(json_is_array(json));
        json_decref(json);
    }
    if (format == &wm_export_github)
        for (size_t i = 0; i < n; i++)
            MUST((i > 0 && text[i - 1] != '\n') || (text[i] == ':' && text[i + 1] == ':'));
    free(text);
}

static void judge(struct wm_launch_set *set, enum wm_basis basis)
{
    struct wm_policy policy;
    struct wm_verdicts v;
    struct wm_err err = { 0 };
    wm_policy_default(&policy);
    MUST(wm_verdicts_judge(set, basis, &policy, &v, &err) == WM_OK);
    MUST(v.ledger.required == v.ledger.judged + v.ledger.not_judged);
    MUST(v.exit_status != 0 || v.ledger.not_judged + v.ledger.failed == 0);
    render(&v);
    for (const struct wm_export_format *const *f = wm_export_formats; *f != NULL; f++)
        if (basis != WM_BASIS_COMPARE || !(*f)->gate_only)
            export(&v, *f);
    wm_verdicts_free(&v);
}

/* As both sides; where it is one file, each run is on both. */
static void try_launches(const uint8_t *data, size_t size)
{
    struct wm_launch_set set;
    struct wm_err err = { 0 };
    char path[40];
    int fd = file_of(data, size, path);
    MUST(wm_launch_set_open(&set, &err) == WM_OK);
    if (wm_launch_set_read(&set, path, 0, &err) == WM_OK && wm_launch_set_read(&set, path, 1, &err) == WM_OK) {
        judge(&set, WM_BASIS_BASELINE);
        judge(&set, WM_BASIS_COMPARE);
    } else {
        check_error(&err);
    }
    wm_launch_set_close(&set);
    close(fd);
}

static int count_bins(const struct wm_result_cell *cell, void *arg)
{
    *(uint64_t *)arg += (uint64_t)cell->n_histogram;
    for (int i = 0; i < cell->n_histogram; i++)
        MUST(!(cell->histogram[i].low_ns < 0) || cell->histogram[i].count <= INT64_MAX);
    return WM_OK;
}

/* As report reads them: with their histograms. */
static void try_result(const uint8_t *data, size_t size)
{
    uint64_t bins = 0;
    const struct wm_result_reader reader = { .cell = count_bins, .arg = &bins };
    struct wm_err err = { 0 };
    char path[40];
    int fd = file_of(data, size, path);
    if (wm_result_read(path, &reader, &err) != WM_OK)
        check_error(&err);
    close(fd);
}

static void try_policy(const uint8_t *data, size_t size)
{
    struct wm_policy policy;
    struct wm_err err = { 0 };
    char path[40];
    int fd = file_of(data, size, path);
    wm_policy_default(&policy);
    if (wm_policy_read(path, &policy, &err) == WM_OK)
        MUST(policy.tolerance > 0 && policy.family_error > 0 && policy.reference_launches > 0);
    else
        check_error(&err);
    wm_policy_free(&policy);
    close(fd);
}

static void try_reference(const uint8_t *data, size_t size)
{
    struct wm_references *r = NULL;
    struct wm_err err = { 0 };
    char path[40], *text = NULL;
    size_t n = 0;
    int fd = file_of(data, size, path);
    if (wm_references_read(path, &r, &err) == WM_OK) {
        FILE *to = open_memstream(&text, &n);
        MUST(to != NULL && wm_references_count(r) > 0 && wm_references_lint(r, to) >= 0);
        fclose(to);
        free(text);
    } else {
        check_error(&err);
    }
    wm_references_free(r);
    close(fd);
}

static const struct fuzz_reader readers[] = {
    { 'L', try_launches, 2000 },
    { 'H', try_result, 2000 },
    { 'P', try_policy, 1000 },
    { 'R', try_reference, 1000 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(readers, COUNT(readers), data, size);
    return 0;
}

#ifndef WM_LIBFUZZER

#define HEAD                                                                                                           \
    "\"run\":{\"id\":\"r\"},\"world\":{\"ranks\":[{\"rank\":0,\"host\":\"a\"}]},\n"                                    \
    "\"environment\":{\"versions\":{\"nccl\":\"2.28\"}},\n"
#define IDENTITY(bytes)                                                                                                \
    "\"id\":\"bench=allreduce bytes=" bytes "\",\"bench\":\"allreduce\",\"transport\":\"mpi\",\"path\":\"direct\","    \
    "\"bytes\":" bytes ",\"ranks\":2,\"hosts\":1,\"algo\":\"native\",\"simulated\":false"
#define MEASURED                                                                                                       \
    "\"status\":\"measured\",\"time_ns\":{\"median\":8,\"ci95_low\":7,\"ci95_high\":9,\"min\":1,\"max\":99},"          \
    "\"bandwidth\":{\"bus_bytes_per_s\":1e9},\"limit\":{\"bytes_per_s\":9e8,\"share\":1.1,\"kind\":\"link\"},"         \
    "\"pairs\":[{\"from\":0,\"to\":1,\"median_ns\":5},{\"from\":1,\"to\":0,\"median_ns\":9}]"

static const struct fuzz_seed seeds[] = {
    SEED("L{\n\"schema\": \"wiremark-result/1\",\n" HEAD "\"cells\": [\n"
         "{" IDENTITY("8") "," MEASURED ",\"histogram\":[[1,2],[3,4]],\"raw_ns\":[1.5,2]},\n"
                           "{" IDENTITY(
                               "16") ",\"status\":\"timeout\",\"reason\":\"rank 1\"}\n],\n\"complete\": true\n}\n"),
    SEED("L{\"schema\":\"wiremark-result/1\"," HEAD "\"cells\":[{" IDENTITY("8") "," MEASURED "}],\"complete\":false}"),
    SEED("H{\n\"schema\": \"wiremark-result/1\",\n" HEAD "\"cells\": [\n"
         "{" IDENTITY("8") "," MEASURED ",\"histogram\":[[1.5,2],[1030.3010000000002,4]],\"raw_ns\":[1.5,2]}\n],\n"
                           "\"comparisons\": [],\n\"complete\": true\n}\n"),
    SEED("L{\n\"schema\": \"wiremark-baseline/1\",\n\"launches\": [\n{" HEAD "\"tool\":{}},\n"
         "{\"run\":{\"id\":\"s\"}}\n],\n\"cells\": [\n{\"launch\":0," IDENTITY("8") "," MEASURED "},\n"
                                                                                    "{\"launch\":1," IDENTITY(
                                                                                        "8") "," MEASURED "}\n]\n}\n"),
    SEED("L{\n\"schema\": \"wiremark-result/1\",\n\"cells\": [\n{\"id\":\"\x1b[2J|<&\",\"histogram\":[]"),
    SEED("P{\"schema\":\"wiremark-policy/1\",\"tolerance\":0.1,\"excluded\":0.2,\"required\":[\"*\"],\"rules\":"
         "[{\"cells\":\"[a-\",\"tolerance\":0.5}],\"fatal\":[\"falling\"],\"seed\":7,\"reference_launches\":3}"),
    SEED("P{\"schema\":\"wiremark-policy/1\",\n\"x\":1}"),
    SEED("R{\"schema\":\"wiremark-reference/1\",\"entries\":[{\"name\":\"a\",\"value\":460,\"unit\":\"GB/s\",\"kind\":"
         "\"threshold\",\"figure\":\"bus-bandwidth\",\"source\":\"https://x/y\",\"conditions\":{\"hardware\":[{\"pci\":"
         "\"10de:2330\",\"count\":8}],\"bench\":\"allreduce\",\"nodes\":2,\"ranks\":16,\"bytes\":8,\"wire\":\"nic\","
         "\"library\":\"nccl >= 2\",\"protocol\":\"nvls\",\"machine\":\"p5*\"}},{\"name\":\"b\"}]}"),
};

int main(int argc, char **argv)
{
    return fuzz_main(argc, argv, readers, COUNT(readers), seeds, COUNT(seeds));
}

#endif
