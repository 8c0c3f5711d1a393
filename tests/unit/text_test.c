#include "src/core/text.h"

#include "tests/unit/check.h"

static const char *const names[] = { "latency",   "bandwidth",   "allreduce", "alltoall", "alltoallv",
                                     "broadcast", "put-latency", "max",       "min",      NULL };

int main(void)
{
    static const struct {
        const char *word, *near;
    } rows[] = {
        { "latency", "latency" },
        { "latenyc", "latency" },
        { "ltency", "latency" },
        { "latencyy", "latency" },
        { "bandwith", "bandwidth" },
        { "allredcue", "allreduce" },
        { "all-reduce", "allreduce" },
        { "alltoal", "alltoall" },
        { "alltoallw", "alltoall" },
        { "mix", "max" },
        { "mn", "min" },
        { "mxa", "max" },
        { "imn", "min" },
        { "m", NULL },
        { "mnx", "max" },
        { "xyz", NULL },
        { "", NULL },
        { "latencylatency", NULL },
        { "lat", NULL },
    };
    char text[80], longest[200];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *near = wm_nearest(rows[i].word, names);
        CHECK_TEXT(near == NULL ? "nothing" : near, rows[i].near == NULL ? "nothing" : rows[i].near);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    CHECK(wm_nearest(longest, names) == NULL);
    CHECK(wm_nearest("max", (const char *const[]){ longest, NULL }) == NULL);
    longest[64] = '\0'; /* the longest that is looked at */
    CHECK(wm_nearest(longest + 1, (const char *const[]){ longest, NULL }) == longest);
    CHECK(wm_nearest("max", (const char *const[]){ NULL }) == NULL);

    CHECK_TEXT(wm_did_you_mean(text, sizeof(text), "latncy", names), " (did you mean latency?)");
    CHECK_TEXT(wm_did_you_mean(text, sizeof(text), "zzzz", names), "");
    return wm_tests_end();
}
