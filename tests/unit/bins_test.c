/* Histograms out of lines: the same as through JSON, or left for JSON to say what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/result/bins.h"
#include "tests/unit/check.h"

static void test_cut(void)
{
    static const struct {
        const char *line, *left;
        int n; /* -1: not taken */
        double low_ns;
        uint64_t count;
    } rows[] = {
        { "{\"a\":1,\"histogram\":[[1.5,20],[1.515,3]],\"b\":2}", "{\"a\":1,\"b\":2}", 2, 1.5, 20 },
        { "{\"histogram\":[[7,0]]}", "{}", 1, 7, 0 },
        { "{\"a\":1,\"histogram\":[[0.001,999999999999999999]]}", "{\"a\":1}", 1, 0.001, 999999999999999999 },
        { "{\"a\":1,\"histogram\":[[1030.3010000000002,4]]}", "{\"a\":1}", 1, 1030.3010000000002, 4 },
        { "{\"a\":\"\\\"histogram\\\":[[1,2]]\"}", NULL, -1, 0, 0 },
        { "{\"histogram\":[]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1e3,2]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[-1,2]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[01,2]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1.,2]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,2.0]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,02]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,9999999999999999999]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,2],]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,2,3]]}", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,2]", NULL, -1, 0, 0 },
        { "{\"histogram\":[[1,", NULL, -1, 0, 0 },
    };
    struct wm_bins b = { 0 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char line[128];
        snprintf(line, sizeof(line), "%s", rows[i].line);
        line[wm_bins_cut(&b, line, strlen(line))] = '\0';
        CHECK_TEXT(line, rows[i].left == NULL ? rows[i].line : rows[i].left);
        CHECK_INT(b.there, rows[i].n >= 0);
        if (!b.there)
            continue;
        CHECK_INT(b.n, rows[i].n);
        CHECK(b.bin[0].low_ns == rows[i].low_ns && b.bin[0].count == rows[i].count);
    }
    char line[] = "{\"histogram\":[[1,2]],\n"; /* cut off; of its line the comma is no part */
    CHECK_INT((long)wm_bins_cut(&b, line, strlen(line) - 2), 1);
    CHECK_INT(b.n, 1);
    wm_bins_free(&b);
}

/* Every number of up to 17 digits is what strtod() makes of it. */
static void test_exact(void)
{
    struct wm_bins b = { 0 };
    srand(7);
    for (int i = 0; i < 20000; i++) {
        char number[40], line[80];
        double value = (double)rand() / (double)(1 + rand() % 100000) * (i % 2 != 0 ? 1e4 : 1);
        snprintf(number, sizeof(number), "%.*f", 1 + i % 12, value);
        snprintf(line, sizeof(line), "{\"histogram\":[[%s,1]]}", number);
        wm_bins_cut(&b, line, strlen(line));
        if (!b.there || b.bin[0].low_ns != strtod(number, NULL))
            CHECK_TEXT(number, "as strtod() has it");
    }
    CHECK(b.there);
    wm_bins_free(&b);
}

static void test_many(void)
{
    enum { BINS = 5000 };
    char *line = malloc(BINS * 16 + 64), *to = line + sprintf(line, "{\"histogram\":[");
    struct wm_bins b = { 0 };
    for (int i = 0; i < BINS; i++)
        to += sprintf(to, "%s[%d.5,%d]", i == 0 ? "" : ",", i, i);
    to += sprintf(to, "]}");
    CHECK_INT((long)wm_bins_cut(&b, line, (size_t)(to - line)), 2);
    CHECK_INT(b.n, BINS);
    CHECK(b.bin[BINS - 1].low_ns == BINS - 0.5 && b.bin[BINS - 1].count == BINS - 1);
    wm_bins_free(&b);
    free(line);
}

int main(void)
{
    test_cut();
    test_exact();
    test_many();
    return wm_tests_end();
}
