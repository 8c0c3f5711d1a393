#include "src/core/cpuset.h"

#include "tests/unit/check.h"

struct list_case {
    const char *text;
    int count; /* -1: no list */
    const char *again;
};

static const struct list_case lists[] = {
    { "", 0, "" },
    { "0", 1, "0" },
    { "0-3,8,64", 6, "0-3,8,64" },
    { "8,0-3", 5, "0-3,8" },
    { "3-3", 1, "3" },
    { "1022-1023", 2, "1022-1023" },
    { "1023-1030", 1, "1023" },
    { "0-", -1, "" },
    { "3-1", -1, "" },
    { "1,", -1, "" },
    { ",1", -1, "" },
    { "-1", -1, "" },
    { "1 2", -1, "" },
    { "a", -1, "" },
    { "0-99999999999999999999", -1, "" },
};

static void check_parse(void)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct wm_cpuset set;
        char text[64];
        bool fine = wm_cpuset_parse(lists[i].text, &set);
        CHECK_INT(fine, lists[i].count >= 0);
        CHECK_INT(wm_cpuset_count(&set), lists[i].count > 0 ? lists[i].count : 0);
        CHECK_TEXT(wm_cpuset_text(&set, text, sizeof(text)), lists[i].again);
    }
}

static void check_text(void)
{
    struct wm_cpuset set = { .word = { 0x10f, 0xff00000 } };
    char text[64], small[12];
    CHECK_TEXT(wm_cpuset_text(&set, small, sizeof(small)), "0-3,8...");
    memset(&set, 0xff, sizeof(set));
    CHECK_TEXT(wm_cpuset_text(&set, text, sizeof(text)), "0-1023");
    CHECK_INT(wm_cpuset_count(&set), 1024);
    memset(&set, 0x55, sizeof(set));
    wm_cpuset_text(&set, text, sizeof(text));
    CHECK(strlen(text) < sizeof(text));
    CHECK_TEXT(text + strlen(text) - 3, "...");
}

static void check_sets(void)
{
    struct wm_cpuset a, b;
    char text[64];
    CHECK(wm_cpuset_parse("0-7", &a) && wm_cpuset_parse("4-9", &b));
    wm_cpuset_and(&a, &b);
    CHECK_TEXT(wm_cpuset_text(&a, text, sizeof(text)), "4-7");
    wm_cpuset_or(&a, &b);
    wm_cpuset_add(&a, 70);
    wm_cpuset_add(&a, 1024);
    wm_cpuset_add(&a, -1);
    CHECK_TEXT(wm_cpuset_text(&a, text, sizeof(text)), "4-9,70");
    CHECK(wm_cpuset_has(&a, 70) && !wm_cpuset_has(&a, 69) && !wm_cpuset_has(&a, -1) && !wm_cpuset_has(&a, 4096));
}

int main(void)
{
    check_parse();
    check_text();
    check_sets();
    return wm_tests_end();
}
