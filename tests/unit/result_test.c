/** Cells to JSON and back; documents read in every layout; what is not a document is named with its line. */
#include "src/result/field.h"
#include "tests/unit/result_sample.h"

static const char *folder;

static char *dump(json_t *value)
{
    char *text = json_dumps(value, WM_RESULT_JSON);
    json_decref(value);
    return text;
}

/* ---- cells ---- */

static void test_round_trip(void)
{
    struct wm_result_cell full, back;
    struct wm_err err = { 0 };
    sample_full(&full);
    for (const struct wm_field *f = wm_fields; f->name != NULL; f++)
        if (!wm_field_present(f, &full))
            CHECK_TEXT(f->name, "present in the full sample");
    char *text = dump(wm_result_cell_to_json(&full));
    json_t *object = json_loads(text, 0, NULL);
    CHECK_INT(wm_result_cell_from_json(object, &back, &err), WM_OK);
    char *again = dump(wm_result_cell_to_json(&back));
    CHECK_TEXT(again, text);
    CHECK_TEXT(back.id, full.id);
    CHECK_TEXT(back.reason, "none \"at\" all\n");
    CHECK_INT(back.block_bytes, 2048);
    CHECK_INT(back.status, WM_MEASURED);
    CHECK_NEAR(back.time_ns.median, full.time_ns.median, 1e-11);
    CHECK_INT(back.time_ns.converged, 1);
    CHECK_INT(back.noise.oversubscribed, 0);
    CHECK_INT(back.n_settings, 2);
    CHECK_TEXT(back.settings[1].name, "buffers");
    CHECK_TEXT(back.settings[1].value, "cold");
    CHECK_INT(back.n_pairs, 2);
    CHECK_NEAR(back.pairs[0].bytes_per_s, 1.5e9, 0);
    CHECK_NEAR(back.pairs[1].median_ns, NAN, 0);
    CHECK_INT(back.histogram[1].count, 4988);
    CHECK_INT(back.n_raw, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_NEAR(back.raw_ns[i], full.raw_ns[i], 0);
    wm_result_cell_clear(&back);
    json_decref(object);
    free(text);
    free(again);
}

static void test_absent_is_not_written(void)
{
    struct wm_result_cell cell;
    sample_stub(&cell, "barrier", 0);
    cell.time_ns.median = INFINITY;
    cell.bandwidth.alg_bytes_per_s = NAN;
    cell.message_rate_per_s = -INFINITY;
    char *text = dump(wm_result_cell_to_json(&cell));
    CHECK_TEXT(text, "{\"id\":\"bench=barrier transport=mpi bytes=0\",\"bench\":\"barrier\",\"transport\":\"mpi\","
                     "\"path\":\"host\",\"mem\":\"host:host\",\"bytes\":0,\"ranks\":2,\"hosts\":2,"
                     "\"placement\":\"cross-host\",\"dtype\":\"int8\",\"simulated\":false,\"status\":\"not_run\"}");
    free(text);
}

static void test_numbers_are_readable(void)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = { { 1e6, "1000000.0" },       { 0.1, "0.1" },
                 { 1920.5, "1920.5" },       { 0, "0.0" },
                 { 1e11, "100000000000.0" }, { 1.0 / 3, "0.333333333333333" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_result_cell cell;
        sample_stub(&cell, "latency", 1);
        cell.time_ns.median = rows[i].value;
        json_t *json = wm_result_cell_to_json(&cell);
        char *text = dump(json_incref(json_object_get(json, "time_ns"))), want[64];
        snprintf(want, sizeof(want), "{\"median\":%s}", rows[i].text);
        CHECK_TEXT(text, want);
        json_decref(json);
        free(text);
    }
}

static void test_hostile_text(void)
{
    static const struct {
        const char *bytes, *want;
    } rows[] = {
        { "plain", "plain" },
        { "quote\" back\\slash\nline\ttab\x01", "quote\" back\\slash\nline\ttab\x01" },
        { "latin1 \xE9t\xE9", "latin1 ?t?" },
        { "utf8 \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x92\xA1", "utf8 \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x92\xA1" },
        { "overlong \xC0\xAF \xE0\x80\x80", "overlong ?? ???" },
        { "surrogate \xED\xA0\x80", "surrogate ???" },
        { "beyond \xF4\x90\x80\x80 \xFF", "beyond ???? ?" },
        { "cut \xE2\x82", "cut ??" },
        { "\xF0\x80\x80\x80", "????" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *text = wm_result_text(rows[i].bytes);
        CHECK_TEXT(json_string_value(text), rows[i].want);
        json_decref(text);
    }
    struct wm_result_cell cell, back;
    struct wm_err err = { 0 };
    sample_stub(&cell, "latency", 1);
    memset(cell.reason, 0xE9, sizeof(cell.reason)); /* no end either */
    SET(cell.settings[0].name, "na\xFFme");
    SET(cell.settings[0].value, "a\nb");
    cell.n_settings = 1;
    json_t *json = wm_result_cell_to_json(&cell);
    CHECK_INT(json_string_length(json_object_get(json, "reason")), sizeof(cell.reason));
    json_object_del(json, "reason");
    CHECK_INT(wm_result_cell_from_json(json, &back, &err), WM_OK);
    CHECK_TEXT(back.settings[0].name, "na?me");
    CHECK_TEXT(back.settings[0].value, "a\nb");
    json_decref(json);
}

#define GOOD                                                                                                           \
    "\"id\":\"x\",\"bench\":\"latency\",\"transport\":\"mpi\",\"bytes\":1,\"ranks\":2,\"hosts\":1,"                    \
    "\"simulated\":false,\"status\":\"measured\""

static void test_wrong_cells(void)
{
    static const struct {
        const char *json, *message;
    } rows[] = {
        { "{" GOOD "}", "" },
        { "{" GOOD ",\"evidence\":{\"verdict\":\"proven\"},\"new_ns\":4}", "" }, /* a later version's */
        { "{" GOOD ",\"time_ns\":{}}", "" },
        { "[]", "cell: not an object" },
        { "{\"bench\":\"latency\"}", "cell: id is missing" },
        { "{\"id\":\"x\",\"bench\":\"latency\"}", "cell: transport is missing" },
        { "{\"id\":7}", "cell: id is not a text that fits" },
        { "{" GOOD ",\"dtype\":\"a name that is much too long for it\"}", "cell: dtype is not a text that fits" },
        { "{" GOOD ",\"block_bytes\":-1}", "cell: block_bytes is not a whole number of at least 0" },
        { "{" GOOD ",\"block_bytes\":1.5}", "cell: block_bytes is not a whole number of at least 0" },
        { "{" GOOD ",\"time_ns\":7}", "cell: time_ns is not an object" },
        { "{" GOOD ",\"time_ns\":{\"median\":\"nan\"}}", "cell: time_ns.median is not a number" },
        { "{" GOOD ",\"time_ns\":{\"median\":null}}", "cell: time_ns.median is not a number" },
        { "{" GOOD ",\"time_ns\":{\"samples\":-5}}", "cell: time_ns.samples is not a whole number of at least 0" },
        { "{" GOOD ",\"time_ns\":{\"converged\":1}}", "cell: time_ns.converged is not true or false" },
        { "{" GOOD ",\"rank_time\":{\"slowest_rank\":4294967296}}",
          "cell: rank_time.slowest_rank is not a whole number of at least 0" },
        { "{" GOOD ",\"settings\":[]}", "cell: settings is not an object of at most 24 settings" },
        { "{" GOOD ",\"settings\":{\"window\":16}}", "cell: settings is not an object of short texts" },
        { "{" GOOD ",\"pairs\":[{\"from\":0}]}", "cell: pairs is not a list as this schema has it" },
        { "{" GOOD ",\"pairs\":{}}", "cell: pairs is not a list as this schema has it" },
        { "{" GOOD ",\"histogram\":[[1.5,3],[2]]}", "cell: histogram is not a list as this schema has it" },
        { "{" GOOD ",\"raw_ns\":[1,\"2\"]}", "cell: raw_ns is not a list as this schema has it" },
        { "{\"id\":\"x\",\"bench\":\"b\",\"transport\":\"t\",\"bytes\":1,\"ranks\":2,\"hosts\":1,\"simulated\":false,"
          "\"status\":\"passed\"}",
          "cell: status is not one of measured, failed, timeout, skipped, not_run" },
        { "{\"id\":\"x\",\"bench\":\"b\",\"transport\":\"t\",\"bytes\":-1,\"ranks\":2}",
          "cell: bytes is not a whole number of at least 0" },
        { "{\"id\":\"\",\"bench\":\"b\",\"transport\":\"t\",\"bytes\":1,\"ranks\":2,\"hosts\":1,\"simulated\":false,"
          "\"status\":\"measured\"}",
          "cell: id is empty" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_result_cell cell;
        struct wm_err err = { 0 };
        json_t *json = json_loads(rows[i].json, 0, NULL);
        CHECK(json != NULL);
        CHECK_INT(wm_result_cell_from_json(json, &cell, &err), rows[i].message[0] == '\0' ? WM_OK : WM_EUSAGE);
        CHECK_TEXT(err.what, rows[i].message);
        wm_result_cell_clear(&cell);
        json_decref(json);
    }
}

static json_t *sample_comparison(void)
{
    const char *varies[] = { "transport" }, *arms[] = { "transport=mpi", "transport=sim", "transport=null" };
    const char *of[] = { "a", "b", "c" };
    struct wm_ratio_point points[] = { { 1, 1.25, 1.2, 1.3 }, { 2, 1.5, NAN, NAN } };
    struct wm_ratio_point *by_arm[] = { points, NULL };
    int n_points[] = { 2, 0 };
    int64_t crossover_bytes[] = { 1, -1 };
    struct wm_result_comparison c = { .bench = "latency",
                                      .baseline = arms[0],
                                      .varies = varies,
                                      .n_varies = 1,
                                      .arms = arms,
                                      .of = of,
                                      .n_arms = 3,
                                      .interleaved = true,
                                      .points = by_arm,
                                      .n_points = n_points,
                                      .crossover_bytes = crossover_bytes };
    return wm_result_comparison_to_json(&c);
}

static void test_comparison(void)
{
    char *text = dump(sample_comparison());
    CHECK_TEXT(text, "{\"bench\":\"latency\",\"baseline\":\"transport=mpi\",\"varies\":[\"transport\"],"
                     "\"arms\":[\"transport=mpi\",\"transport=sim\",\"transport=null\"],\"of\":[\"a\",\"b\",\"c\"],"
                     "\"interleaved\":true,"
                     "\"points\":[[{\"bytes\":1,\"ratio\":1.25,\"ci95_low\":1.2,\"ci95_high\":1.3},"
                     "{\"bytes\":2,\"ratio\":1.5}],[]],\"crossover_bytes\":[1,null]}");
    free(text);
    const char *varies[] = { "path" }, *arms[] = { "path=direct" };
    struct wm_result_comparison alone = { .bench = "latency",
                                          .baseline = arms[0],
                                          .varies = varies,
                                          .n_varies = 1,
                                          .arms = arms,
                                          .n_arms = 1,
                                          .not_interleaved_reason = "does not fit" };
    text = dump(wm_result_comparison_to_json(&alone));
    CHECK_HAS(text, "\"interleaved\":false,\"not_interleaved_reason\":\"does not fit\",\"points\":[],");
    free(text);
}

static json_t *sample_choice(int n_points)
{
    static const struct wm_choice_point points[] = {
        { 64, "native", NULL, NAN, NAN, NAN },       { 128, "native", "ring", 0.5, NAN, NAN },
        { 256, "ring", "native", 0.75, 0.5, 0.875 }, { 512, "native", "ring", 0.25, 0.125, 0.5 },
        { 1024, "native", "ring", 1.25, 1, 1.5 },
    };
    static const struct wm_left_out left_out[] = { { 64, "rabenseifner", "no form in place" } };
    struct wm_result_choice c = { .of = "bench=allreduce transport=mpi algo=auto",
                                  .bench = "allreduce",
                                  .transport = "mpi",
                                  .label = "",
                                  .point = points,
                                  .n_points = n_points,
                                  .left_out = left_out,
                                  .n_left_out = 1 };
    CHECK_INT(wm_result_choice_next(&c, 0), 0);
    CHECK_INT(wm_result_choice_next(&c, 1), n_points > 2 ? 2 : n_points);
    CHECK_INT(wm_result_choice_next(&c, n_points), n_points);
    return wm_result_choice_to_json(&c);
}

static void test_choice(void)
{
    char *text = dump(sample_choice(5));
    CHECK_TEXT(text,
               "{\"of\":\"bench=allreduce transport=mpi algo=auto\",\"bench\":\"allreduce\",\"transport\":\"mpi\","
               "\"crossovers\":[{\"from_bytes\":64,\"algo\":\"native\"},"
               "{\"from_bytes\":256,\"algo\":\"ring\",\"runner_up\":\"native\",\"ratio\":0.75,\"ci95_low\":0.5,"
               "\"ci95_high\":0.875},"
               "{\"from_bytes\":512,\"algo\":\"native\",\"runner_up\":\"ring\",\"ratio\":0.25,\"ci95_low\":0.125,"
               "\"ci95_high\":0.5}],"
               "\"points\":[{\"bytes\":64,\"algo\":\"native\"},"
               "{\"bytes\":128,\"algo\":\"native\",\"runner_up\":\"ring\",\"ratio\":0.5},"
               "{\"bytes\":256,\"algo\":\"ring\",\"runner_up\":\"native\",\"ratio\":0.75,\"ci95_low\":0.5,"
               "\"ci95_high\":0.875},"
               "{\"bytes\":512,\"algo\":\"native\",\"runner_up\":\"ring\",\"ratio\":0.25,\"ci95_low\":0.125,"
               "\"ci95_high\":0.5},"
               "{\"bytes\":1024,\"algo\":\"native\",\"runner_up\":\"ring\",\"ratio\":1.25,\"ci95_low\":1.0,"
               "\"ci95_high\":1.5}],"
               "\"left_out\":[{\"algo\":\"rabenseifner\",\"from_bytes\":64,\"reason\":\"no form in place\"}]}");
    free(text);
}

static void test_utc(void)
{
    char text[32];
    CHECK_TEXT(wm_utc_text(text, 1795363960), "2026-11-22T16:12:40Z");
    CHECK_TEXT(wm_utc_text(text, 0), "1970-01-01T00:00:00Z");
    CHECK_INT(strlen(wm_utc_text(text, -1)), 20);
}

/* ---- documents ---- */

struct seen {
    char ids[512];
    int cells, rests, stop_at;
    long long planned;
    bool cells_in_rest;
    char ended_by[64];
};

static int see_cell(const struct wm_result_cell *cell, void *arg)
{
    struct seen *seen = arg;
    size_t n = strlen(seen->ids);
    snprintf(seen->ids + n, sizeof(seen->ids) - n, "%s:%s ", cell->bench, wm_status_names[cell->status]);
    return ++seen->cells == seen->stop_at ? 77 : 0;
}

static int see_rest(const json_t *document, void *arg)
{
    struct seen *seen = arg;
    seen->rests++;
    seen->cells_in_rest = json_object_get(document, "cells") != NULL;
    seen->planned = json_integer_value(json_object_get(json_object_get(document, "coverage"), "planned"));
    snprintf(seen->ended_by, sizeof(seen->ended_by), "%s", json_string_value(json_object_get(document, "ended_by")));
    return 0;
}

static int read_text(const char *text, size_t bytes, struct seen *seen, struct wm_err *err)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/doc.json", folder);
    sample_spit(path, text, bytes);
    int stop_at = seen->stop_at;
    *seen = (struct seen){ .stop_at = stop_at };
    *err = (struct wm_err){ 0 };
    struct wm_result_reader reader = { see_cell, see_rest, seen };
    return wm_result_read(path, &reader, err);
}

/* A document of three cells with one hostile text; the caller frees. */
static char *make_document(size_t *bytes)
{
    static const char *const benches[] = { "latency", "bandwidth", "barrier" };
    char journal[128], output[128];
    struct wm_err err = { 0 };
    struct wm_journal *j = NULL;
    struct wm_result_cell cell;
    json_t *head = sample_head();
    snprintf(journal, sizeof(journal), "%s/made.json.journal", folder);
    snprintf(output, sizeof(output), "%s/made.json", folder);
    CHECK_INT(wm_journal_open(journal, head, &j, &err), WM_OK);
    for (int i = 0; i < 3; i++) {
        sample_stub(&cell, benches[i], 8);
        CHECK_INT(wm_journal_plan(j, &cell, &err), WM_OK);
    }
    sample_full(&cell);
    SET(cell.bench, "latency");
    SET(cell.id, "bench=latency transport=mpi bytes=8");
    CHECK_INT(wm_journal_cell(j, &cell, &err), WM_OK);
    sample_stub(&cell, "bandwidth", 8);
    cell.status = WM_FAILED;
    SET(cell.reason, "], \"coverage\": {}\n]\n");
    CHECK_INT(wm_journal_cell(j, &cell, &err), WM_OK);
    json_t *comparison = sample_comparison();
    CHECK_INT(wm_journal_comparison(j, comparison, &err), WM_OK);
    json_decref(comparison);
    for (int n = 1; n <= 5; n += 2) { /* the last one counts */
        json_t *choice = sample_choice(n);
        CHECK_INT(wm_journal_choice(j, choice, &err), WM_OK);
        json_decref(choice);
    }
    wm_journal_close(j);
    struct wm_ending ending = { .complete = false, .ended_by = "SIGTERM", .ended_utc = "2026-11-22T16:20:00Z" };
    bool cut = true;
    CHECK_INT(wm_result_finish(journal, output, &ending, true, &cut, &err), WM_OK);
    CHECK_TEXT(err.what, "");
    CHECK(!cut);
    CHECK(access(journal, F_OK) != 0);
    json_decref(head);
    return sample_slurp(output, bytes);
}

static const char all_seen[] = "latency:measured bandwidth:failed barrier:not_run ";

static void check_all_seen(const struct seen *seen)
{
    CHECK_TEXT(seen->ids, all_seen);
    CHECK_INT(seen->rests, 1);
    CHECK(!seen->cells_in_rest);
    CHECK_INT(seen->planned, 3);
    CHECK_TEXT(seen->ended_by, "SIGTERM");
}

static void test_document(void)
{
    struct seen seen = { 0 };
    struct wm_err err;
    size_t bytes;
    char *text = make_document(&bytes);
    CHECK_HAS(text, "{\n\"schema\": \"wiremark-result/1\",\n\"tool\": {\"version\":\"0.1.0\"");
    CHECK_HAS(text, "\n\"cells\": [\n{\"id\":\"bench=latency transport=mpi bytes=8\",");
    CHECK_HAS(text, "\"status\":\"not_run\",\"reason\":\"the run ended first (SIGTERM)\"}\n],\n\"comparisons\": "
                    "[\n{\"bench\":\"latency\",");
    CHECK_HAS(text,
              "\"coverage\": {\"planned\":3,\"measured\":1,\"failed\":1,\"timeout\":0,\"skipped\":0,\"not_run\":1,"
              "\"unavailable\":[{\"name\":\"verbs\",\"reason\":\"not built in\"}]},\n"
              "\"ended_utc\": \"2026-11-22T16:20:00Z\",\n\"ended_by\": \"SIGTERM\",\n\"complete\": false\n}\n");
    CHECK(strstr(text, "\"unavailable\": ") == NULL);
    /* WM_BLESS=1 writes it; result_schema_check.py validates it. */
    if (getenv("WM_BLESS") != NULL)
        sample_spit("tests/golden/result.json", text, bytes);
    char *golden = sample_slurp("tests/golden/result.json", NULL);
    CHECK_TEXT(text, golden == NULL ? "" : golden);
    free(golden);
    CHECK_INT(read_text(text, bytes, &seen, &err), WM_OK);
    check_all_seen(&seen);
    seen.stop_at = 2;
    CHECK_INT(read_text(text, bytes, &seen, &err), 77);
    CHECK_INT(seen.cells, 2);
    CHECK_INT(seen.rests, 0);
    free(text);
}

/* As python's json.dump(indent=0) lays it out: every token on a line, nothing indented. */
static char *without_indent(const char *text)
{
    char *out = malloc(strlen(text) + 1), *to = out;
    for (const char *from = text; *from != '\0'; from++) {
        *to++ = *from;
        if (*from == '\n')
            from += strspn(from + 1, " ");
    }
    *to = '\0';
    return out;
}

static void test_other_layouts(void)
{
    static const size_t flags[] = { JSON_INDENT(2), JSON_INDENT(4) | JSON_SORT_KEYS, JSON_COMPACT, 0 };
    struct seen seen = { 0 };
    struct wm_err err;
    char *text = make_document(NULL);
    json_t *document = json_loads(text, 0, NULL);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        char *other = json_dumps(document, flags[i]);
        CHECK_INT(read_text(other, strlen(other), &seen, &err), WM_OK);
        CHECK_TEXT(err.what, "");
        check_all_seen(&seen);
        if (i == 0) {
            char *flat = without_indent(other);
            CHECK_HAS(flat, "\n\"cells\": [\n{\n\"id\"");
            CHECK_INT(read_text(flat, strlen(flat), &seen, &err), WM_OK);
            check_all_seen(&seen);
            free(flat);
        }
        free(other);
    }
    json_decref(document);
    free(text);
}

/* Cut anywhere, a document is refused, with file and line, and never delivers its rest. */
static void test_truncated(void)
{
    struct seen seen = { 0 };
    struct wm_err err;
    size_t bytes;
    char *text = make_document(&bytes), path[128];
    snprintf(path, sizeof(path), "%s/doc.json:", folder);
    for (size_t n = 0; n < bytes - 2; n += n < bytes - 300 ? 7 : 1) {
        CHECK_INT(read_text(text, n, &seen, &err), WM_EUSAGE);
        CHECK_HAS(err.what, path);
        CHECK_HAS(err.what, n == 0 ? "not a wiremark result" : "");
        CHECK_INT(seen.rests, 0);
    }
    CHECK_INT(read_text(text, bytes - 1, &seen, &err), WM_OK);
    free(text);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    CHECK(at != NULL);
    char *out = NULL;
    if (asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) < 0)
        return NULL;
    return out;
}

static void test_not_documents(void)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
        { "wiremark-result/1", "wiremark-result/2",
          "doc.json:1: schema \"wiremark-result/2\" is not wiremark-result/1, which this wiremark reads" },
        { "\"schema\": ", "\"scheme\": ", "doc.json:1: not a wiremark result: it names no schema" },
        { "\"status\":\"failed\"", "\"status\":\"fine\"", "doc.json:9: cell: status is not one of" },
        { "{\"id\":\"bench=bandwidth", "{\"id\":\"bench=bandwidth\" junk", "doc.json:9: not a wiremark result: " },
        { "\"complete\": false", "\"complete\": perhaps", "doc.json:21: not a wiremark result: " },
        { "\"tool\": {", "\"tool\": [", "doc.json:3: not a wiremark result: " },
        { "\"schema\": ", "\"cells\": 7, \"schema\": ", "duplicate object key" },
    };
    struct seen seen = { 0 };
    struct wm_err err;
    char *text = make_document(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *bad = replaced(text, rows[i].from, rows[i].to);
        CHECK_INT(read_text(bad, strlen(bad), &seen, &err), WM_EUSAGE);
        CHECK_HAS(err.what, rows[i].message);
        free(bad);
    }
    static const char no_cells[] = "{\"schema\": \"wiremark-result/1\"}";
    CHECK_INT(read_text(no_cells, strlen(no_cells), &seen, &err), WM_EUSAGE);
    CHECK_HAS(err.what, "doc.json:1: not a wiremark result: it has no list of cells");
    static const char bad_cell[] = "{\"schema\": \"wiremark-result/1\", \"cells\": [{\"id\": 7}]}";
    CHECK_INT(read_text(bad_cell, strlen(bad_cell), &seen, &err), WM_EUSAGE);
    CHECK_HAS(err.what, "doc.json: cells[0]: cell: id is not a text that fits");
    static const char journal[] = "{\"head\":{\"schema\":\"wiremark-result/1\"}}\n";
    CHECK_INT(read_text(journal, strlen(journal), &seen, &err), WM_EUSAGE);
    CHECK_HAS(err.what, "doc.json is a journal: wiremark recover ");
    free(text);
}

static void test_no_file(void)
{
    struct wm_result_reader reader = { 0 };
    struct wm_err err = { 0 };
    CHECK_INT(wm_result_read("/nowhere/result.json", &reader, &err), WM_EABSENT);
    CHECK_TEXT(err.what, "cannot read /nowhere/result.json: No such file or directory");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_result_read(folder, &reader, &err), WM_EUSAGE);
    CHECK_HAS(err.what, ": Is a directory");
}

int main(void)
{
    folder = sample_folder();
    test_round_trip();
    test_absent_is_not_written();
    test_numbers_are_readable();
    test_hostile_text();
    test_wrong_cells();
    test_comparison();
    test_choice();
    test_utc();
    test_document();
    test_other_layouts();
    test_truncated();
    test_not_documents();
    test_no_file();
    sample_folder_remove(folder);
    return wm_tests_end();
}
