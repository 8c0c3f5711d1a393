#include "src/core/option.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

struct conf {
    bool force, help;
    int64_t window, mode;
    struct wm_int_list gpus, dtypes;
    uint64_t min_bytes, limit_bytes, timeout_ns;
    struct wm_bytes_list bytes;
    double precision;
    char *output;
    struct wm_text_list nics;
};

static const char *const modes[] = { "barrier", "none", NULL };
static const char *const dtypes[] = { "int8", "int32", "float", "half", NULL };

#define AT(field) .offset = offsetof(struct conf, field)
static const struct wm_option rows[] = {
    { .name = "force", .help = "overwrite | replace the `result`", .type = WM_OPT_FLAG, AT(force), .letter = 'f' },
    { .name = "window",
      .arg = "N",
      .help = "messages in flight",
      .fallback = "64",
      .type = WM_OPT_INT,
      AT(window),
      .min = 1,
      .max = 1024 },
    { .name = "gpu",
      .arg = "LIST",
      .help = "devices by local rank",
      .type = WM_OPT_INTS,
      AT(gpus),
      .min = 0,
      .max = 127 },
    { .name = "min-bytes",
      .arg = "SIZE",
      .help = "smallest size",
      .fallback = "1",
      .type = WM_OPT_BYTES,
      AT(min_bytes),
      .min = 1,
      .max = 4194304 },
    { .name = "limit",
      .arg = "SIZE",
      .help = "any size",
      .type = WM_OPT_BYTES,
      AT(limit_bytes),
      .min = 4096,
      .max = 0x1p64 },
    { .name = "bytes",
      .arg = "SIZE[,SIZE...]",
      .help = "exactly these sizes",
      .fallback = "8,1K",
      .type = WM_OPT_BYTES_LIST,
      AT(bytes),
      .min = 1,
      .max = 0x1p64 },
    { .name = "timeout",
      .arg = "TIME",
      .help = "give up when an operation has not completed for this long, which is long enough to need a second line "
              "of help",
      .fallback = "60s",
      .type = WM_OPT_TIME_NS,
      AT(timeout_ns),
      .min = 0.2e9,
      .max = 3600e9 },
    { .name = "precision",
      .arg = "SHARE",
      .help = "half width of the interval",
      .fallback = "2%",
      .type = WM_OPT_SHARE,
      AT(precision),
      .min = 0.001,
      .max = 0.5 },
    { .name = "sync",
      .arg = "HOW",
      .help = "between iterations",
      .fallback = "barrier",
      .type = WM_OPT_CHOICE,
      AT(mode),
      .names = modes },
    { 0 }
};
static const struct wm_option own_rows[] = {
    { .name = "dtype",
      .arg = "TYPE[,TYPE...]",
      .help = "element type",
      .fallback = "float",
      .type = WM_OPT_CHOICES,
      AT(dtypes),
      .names = dtypes },
    { .name = "output", .arg = "FILE", .help = "the result", .type = WM_OPT_TEXT, AT(output), .letter = 'o' },
    { .name = "nic", .arg = "NAME[,NAME...]", .help = ".interfaces\\by local rank", .type = WM_OPT_TEXTS, AT(nics) },
    { .name = "help", .help = "print this", .type = WM_OPT_FLAG, AT(help) },
    { 0 }
};

struct parsed {
    struct conf run, own;
    struct wm_option_group groups[2];
    char **words;
    int n_words;
    struct wm_err err;
    char *argv[10], text[9][80]; /* what words point into */
};

/* Up to 8 arguments behind the program's name. */
static int parse(struct parsed *p, const char *const *args)
{
    int argc = 0;
    memset(p, 0, sizeof(*p));
    p->argv[argc++] = strcpy(p->text[0], "wiremark");
    for (; argc < 9 && args[argc - 1] != NULL; argc++) {
        snprintf(p->text[argc], sizeof(p->text[argc]), "%s", args[argc - 1]);
        p->argv[argc] = p->text[argc];
    }
    p->groups[0] = (struct wm_option_group){ .title = "Measuring", .rows = rows, .conf = &p->run };
    p->groups[1] = (struct wm_option_group){ .title = "Own", .rows = own_rows, .conf = &p->own };
    return wm_options_parse(p->groups, 2, argc, p->argv, &p->words, &p->n_words, &p->err);
}

static void done(struct parsed *p)
{
    wm_options_free(p->groups, 2);
    wm_options_free(p->groups, 2);
    CHECK(p->own.output == NULL && p->run.bytes.value == NULL && p->own.nics.n == 0);
    free(p->words);
}

static void defaults(void)
{
    struct parsed p;
    CHECK_INT(parse(&p, (const char *[]){ NULL }), WM_OK);
    CHECK_TEXT(p.err.what, "");
    CHECK(!p.run.force && p.own.output == NULL);
    CHECK_INT(p.run.window, 64);
    CHECK_INT(p.run.min_bytes, 1);
    CHECK_INT(p.run.limit_bytes, 0);
    CHECK_INT(p.run.gpus.n, 0);
    CHECK_INT(p.run.bytes.n, 2);
    CHECK_INT(p.run.bytes.value[1], 1024);
    CHECK_INT(p.run.timeout_ns, 60000000000);
    CHECK_NEAR(p.run.precision, 0.02, 1e-15);
    CHECK_INT(p.run.mode, 0);
    CHECK_INT(p.own.dtypes.n, 1);
    CHECK_INT(p.own.dtypes.value[0], 2);
    CHECK_INT(p.n_words, 0);
    CHECK(p.words != NULL);
    CHECK_INT(p.groups[0].given | p.groups[1].given, 0);
    done(&p);
}

static void all_types(void)
{
    struct parsed p;
    CHECK_INT(parse(&p, (const char *[]){ "--force", "--window=7", "--gpu", "3,0,3", "--bytes=1,64K,5G", "--timeout",
                                          "0.2s", NULL }),
              WM_OK);
    CHECK(p.run.force);
    CHECK_INT(p.run.window, 7);
    CHECK_INT(p.run.gpus.n, 3);
    CHECK_INT(p.run.gpus.value[2], 3);
    CHECK_INT(p.run.bytes.n, 3);
    CHECK_INT(p.run.bytes.value[2], INT64_C(5) << 30);
    CHECK_INT(p.run.timeout_ns, 200000000);
    CHECK(wm_option_given(p.groups, 2, "bytes") && wm_option_given(p.groups, 2, "gpu"));
    CHECK(!wm_option_given(p.groups, 2, "precision") && !wm_option_given(p.groups, 2, "dtype"));
    done(&p);
    CHECK_INT(parse(&p, (const char *[]){ "--precision", "0.5%", "--sync=none", "--dtype=half,int8", "--output=a=b",
                                          "--nic", "mlx5_0,mlx5_1", NULL }),
              WM_OK);
    CHECK_NEAR(p.run.precision, 0.005, 1e-15);
    CHECK_INT(p.run.mode, 1);
    CHECK_INT(p.own.dtypes.n, 2);
    CHECK_INT(p.own.dtypes.value[0], 3);
    CHECK_INT(p.own.dtypes.value[1], 0);
    CHECK_TEXT(p.own.output, "a=b");
    CHECK_INT(p.own.nics.n, 2);
    CHECK_TEXT(p.own.nics.value[1], "mlx5_1");
    CHECK_INT(p.groups[0].given, 1 << 7 | 1 << 8);
    CHECK_INT(p.groups[1].given, 7);
    done(&p);
}

static void words_keep_their_order(void)
{
    struct parsed p;
    CHECK_INT(parse(&p, (const char *[]){ "run", "--window", "2", "latency", "-", "--", "--force", "-x", NULL }),
              WM_OK);
    static const char *const want[] = { "run", "latency", "-", "--force", "-x" };
    if (CHECK_INT(p.n_words, 5))
        for (int i = 0; i < 5; i++)
            CHECK_TEXT(p.words[i], want[i]);
    CHECK(!p.run.force);
    done(&p);
    CHECK_INT(parse(&p, (const char *[]){ "run", "-o", "x.json", "-f", NULL }), WM_OK);
    CHECK_TEXT(p.own.output, "x.json");
    CHECK(p.run.force);
    CHECK_INT(p.n_words, 1);
    done(&p);
    CHECK_INT(parse(&p, (const char *[]){ "-foy", "--output=--force", NULL }), WM_EUSAGE);
    CHECK_TEXT(p.err.what, "--output is given twice");
    done(&p);
    CHECK_INT(parse(&p, (const char *[]){ "--output=--force", NULL }), WM_OK);
    CHECK_TEXT(p.own.output, "--force");
    done(&p);
}

/* Each bad input with the whole sentence that a user reads. */
static const struct {
    const char *args[4];
    const char *what;
} bad[] = {
    { { "--wnidow=1" }, "unknown option --wnidow (did you mean --window?)" },
    { { "--zzz" }, "unknown option --zzz" },
    { { "--zzz=1" }, "unknown option --zzz" },
    { { "--win", "3" }, "unknown option --win: abbreviations are not accepted, write --window" },
    { { "--win=3" }, "unknown option --win: abbreviations are not accepted, write --window" },
    { { "--min", "3" }, "unknown option --min: abbreviations are not accepted, write --min-bytes" },
    { { "--forc" }, "unknown option --forc: abbreviations are not accepted, write --force" },
    { { "--forc=1" }, "unknown option --forc: abbreviations are not accepted, write --force" },
    { { "--o" }, "unknown option --o: abbreviations are not accepted, write --output" },
    { { "--outpu" }, "unknown option --outpu: abbreviations are not accepted, write --output" },
    { { "--=3" }, "unknown option --" },
    { { "-x" }, "unknown option -x" },
    { { "-1" }, "unknown option -1" },
    { { "-xf" }, "unknown option -x" },
    { { "-\xc3\xa9" }, "unknown option: a dash and byte 0xc3" },
    { { "-o" }, "-o needs a value" },
    { { "--window" }, "--window needs a value" },
    { { "--output", "--force" },
      "--output needs a value, got the option --force (write --output=--force if that is meant)" },
    { { "--output=" }, "--output: empty value, want FILE" },
    { { "--force=yes" }, "--force takes no value, got \"yes\"" },
    { { "--force=" }, "--force takes no value, got \"\"" },
    { { "--window", "1", "--window=1" }, "--window is given twice" },
    { { "--force", "--force" }, "--force is given twice" },
    { { "--window=0" }, "--window: \"0\" is out of range, want from 1 to 1024" },
    { { "--window", "-3" }, "--window: \"-3\" is negative, want from 1 to 1024" },
    { { "--window=2000" }, "--window: \"2000\" is out of range, want from 1 to 1024" },
    { { "--window=many" }, "--window: \"many\" is not a number, want a whole number (from 1 to 1024)" },
    { { "--gpu=0,-1" }, "--gpu: \"-1\" is negative, want from 0 to 127" },
    { { "--gpu=0,,1" }, "empty element in --gpu: \"0,,1\"" },
    { { "--min-bytes=0" }, "--min-bytes: \"0\" is out of range, want from 1 to 4M" },
    { { "--min-bytes=8M" }, "--min-bytes: \"8M\" is out of range, want from 1 to 4M" },
    { { "--min-bytes=-1" },
      "--min-bytes: \"-1\" is negative, want a whole number with B, K, M, G or T in powers of 1024, like 4M (from 1 to "
      "4M)" },
    { { "--limit=1" }, "--limit: \"1\" is out of range, want at least 4K" },
    { { "--bytes", "1Q" },
      "--bytes: \"1Q\" is not a size, want a whole number with B, K, M, G or T in powers of 1024, like 4M (at least "
      "1)" },
    { { "--bytes", "-1" },
      "--bytes: \"-1\" is negative, want a whole number with B, K, M, G or T in powers of 1024, like 4M (at least 1)" },
    { { "--bytes=99999999999999999999G" }, "--bytes: \"99999999999999999999G\" is too large, want 16777215T at most" },
    { { "--min-bytes=99999999999999999999" },
      "--min-bytes: \"99999999999999999999\" is out of range, want from 1 to 4M" },
    { { "--window=18446744073709551615" }, "--window: \"18446744073709551615\" is out of range, want from 1 to 1024" },
    { { "--window=-18446744073709551615" }, "--window: \"-18446744073709551615\" is negative, want from 1 to 1024" },
    { { "--timeout=99999999999999999999" },
      "--timeout: \"99999999999999999999\" is out of range, want from 0.2s to 1h" },
    { { "--bytes=1,0" }, "--bytes: \"0\" is out of range, want at least 1" },
    { { "--bytes=1," }, "empty element in --bytes: \"1,\"" },
    { { "--bytes=" }, "empty element in --bytes: \"\"" },
    { { "--bytes=,1" }, "empty element in --bytes: \",1\"" },
    { { "--timeout=0" }, "--timeout: \"0\" is out of range, want from 0.2s to 1h" },
    { { "--timeout=100ms" }, "--timeout: \"100ms\" is out of range, want from 0.2s to 1h" },
    { { "--timeout=5x" },
      "--timeout: \"5x\" is not a time, want a number with ns, us, ms, s, m or h, like 0.2s (from 0.2s to 1h)" },
    { { "--precision=0" }, "--precision: \"0\" is out of range, want from 0.1% to 50%" },
    { { "--precision=0%" }, "--precision: \"0%\" is out of range, want from 0.1% to 50%" },
    { { "--precision=-2%" },
      "--precision: \"-2%\" is negative, want a percentage like 2% or a fraction like 0.02 (from 0.1% to 50%)" },
    { { "--sync=barier" }, "--sync: unknown \"barier\" (did you mean barrier?), want one of barrier, none" },
    { { "--sync=" }, "--sync: unknown \"\", want one of barrier, none" },
    { { "--dtype=float,flaot" },
      "--dtype: unknown \"flaot\" (did you mean float?), want one of int8, int32, float, half" },
    { { "--dtype=int8,half,int8" }, "--dtype: int8 is given twice" },
    { { "--dtype=int8,,half" }, "empty element in --dtype: \"int8,,half\"" },
    { { "--nic=mlx5_0,,mlx5_1" }, "empty element in --nic: \"mlx5_0,,mlx5_1\"" },
    { { "word", "--nic=mlx5_0", "--zzz" }, "unknown option --zzz" }, /* what was parsed before is freed */
};

static void bad_input(void)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct parsed p;
        CHECK_INT(parse(&p, bad[i].args), WM_EUSAGE);
        CHECK_TEXT(p.err.what, bad[i].what);
        CHECK(p.words == NULL && p.n_words == 0);
        CHECK(p.own.nics.value == NULL && p.run.bytes.value == NULL); /* freed already */
        done(&p);
    }
}

static void contradicting_rows(void)
{
    static const struct {
        struct wm_option rows[3];
        const char *what;
    } tables[] = {
        { { { .name = "a", .type = WM_OPT_FLAG }, { .name = "a", .type = WM_OPT_FLAG } }, "option --a stands twice" },
        { { { .name = "a", .type = WM_OPT_FLAG, .letter = 'x' }, { .name = "b", .type = WM_OPT_FLAG, .letter = 'x' } },
          "option -x stands twice" },
        { { { .name = "a", .arg = "N", .type = WM_OPT_INT, .fallback = "5", .min = 6, .max = 7 } },
          "default of --a: --a: \"5\" is out of range, want from 6 to 7" },
        { { { .name = "a", .type = WM_OPT_FLAG, .fallback = "yes" } }, "default of --a" },
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        int64_t conf[2] = { 0 };
        struct wm_option_group group = { .title = "T", .rows = tables[i].rows, .conf = conf };
        struct wm_err err = { 0 };
        char **words, *argv[] = { (char[]){ "wiremark" }, NULL };
        int n_words;
        CHECK_INT(wm_options_parse(&group, 1, 1, argv, &words, &n_words, &err), WM_EBUG);
        CHECK_HAS(err.what, tables[i].what);
    }
}

/* All of the above in a child whose output goes to a file: nothing may be written, and the child itself must end. */
static void is_silent_and_returns(void)
{
    FILE *file = tmpfile();
    int status = 0;
    CHECK(file != NULL);
    if (file == NULL)
        return;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct parsed p;
        dup2(fileno(file), STDOUT_FILENO);
        dup2(fileno(file), STDERR_FILENO);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            parse(&p, bad[i].args);
            wm_options_free(p.groups, 2);
        }
        parse(&p, (const char *[]){ "--help", "--force", NULL }); /* prints by its owner's hand only */
        fflush(stdout);
        _exit(p.own.help && p.err.code == WM_OK ? 42 : 1);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK_INT(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
}

static const char text_want[] = "Measuring:\n"
                                "  -f, --force             overwrite | replace the `result`\n"
                                "  --window N              messages in flight (default 64)\n"
                                "  --gpu LIST              devices by local rank\n"
                                "  --min-bytes SIZE        smallest size (default 1)\n"
                                "  --limit SIZE            any size\n"
                                "  --bytes SIZE[,SIZE...]  exactly these sizes (default 8,1K)\n"
                                "  --timeout TIME          give up when an operation has not completed for this\n"
                                "                          long, which is long enough to need a second line of\n"
                                "                          help (default 60s)\n"
                                "  --precision SHARE       half width of the interval (default 2%)\n"
                                "  --sync HOW              between iterations: barrier, none (default barrier)\n"
                                "\n"
                                "Own:\n"
                                "  --dtype TYPE[,TYPE...]  element type: int8, int32, float, half (default float)\n"
                                "  -o, --output FILE       the result\n"
                                "  --nic NAME[,NAME...]    .interfaces\\by local rank\n"
                                "  --help                  print this\n";

static const char markdown_want[] = "### Measuring\n\n"
                                    "| option | default | meaning |\n"
                                    "|---|---|---|\n"
                                    "| `-f`, `--force` |  | overwrite \\| replace the \\`result\\` |\n"
                                    "| `--window N` | `64` | messages in flight |\n";

static const char man_want[] = ".SS Own\n"
                               ".TP\n\\fB\\-\\-dtype\\fR \\fITYPE[,TYPE...]\\fR\n"
                               "element type: int8, int32, float, half (default float)\n"
                               ".TP\n\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIFILE\\fR\nthe result\n"
                               ".TP\n\\fB\\-\\-nic\\fR \\fINAME[,NAME...]\\fR\n"
                               "\\&.interfaces\\eby local rank\n"
                               ".TP\n\\fB\\-\\-help\\fR\nprint this\n";

static const char completion_want[] =
    "--force\n--window\n--gpu\n--min-bytes\n--limit\n--bytes\n--timeout\n--precision\n"
    "--sync\n--dtype\n--output\n--nic\n--help\n";

static void print(char text[8192], enum wm_option_format format)
{
    const struct wm_option_group groups[] = { { .title = "Measuring", .rows = rows },
                                              { .title = "Own", .rows = own_rows } };
    FILE *file = tmpfile();
    size_t n = 0;
    if (CHECK(file != NULL)) {
        wm_options_print(file, groups, 2, format);
        rewind(file);
        n = fread(text, 1, 8191, file);
        fclose(file);
    }
    text[n] = '\0';
}

static void prints(void)
{
    char text[8192];
    print(text, WM_HELP_TEXT);
    CHECK_TEXT(text, text_want);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        CHECK(strlen(line) <= 80);
    print(text, WM_HELP_MARKDOWN);
    CHECK_HAS(text, markdown_want);
    CHECK_HAS(text, "| `--sync HOW` | `barrier` | between iterations: barrier, none |\n\n### Own\n\n");
    print(text, WM_HELP_MAN);
    CHECK_HAS(text, man_want);
    CHECK_HAS(text, "\\fB\\-\\-min\\-bytes\\fR \\fISIZE\\fR\nsmallest size (default 1)\n");
    print(text, WM_HELP_COMPLETION);
    CHECK_TEXT(text, completion_want);
}

/* A long list of words without help and a first column that does not fit. */
static void wraps_wide_rows(void)
{
    static const char *const many[] = { "anemone",       "buttercup", "chrysanthemum", "dandelion", "edelweiss",
                                        "forget-me-not", NULL };
    static const struct wm_option wide[] = {
        { .name = "very-long-name-of-an-option", .arg = "FLOWER", .help = "one", .type = WM_OPT_CHOICE, .names = many },
        { 0 }
    };
    const struct wm_option_group group = { .title = "Wide", .rows = wide };
    char text[1024] = "";
    FILE *file = fmemopen(text, sizeof(text), "w");
    if (!CHECK(file != NULL))
        return;
    wm_options_print(file, &group, 1, WM_HELP_TEXT);
    fclose(file);
    CHECK_TEXT(text, "Wide:\n  --very-long-name-of-an-option FLOWER\n"
                     "                          one: anemone, buttercup, chrysanthemum, dandelion,\n"
                     "                          edelweiss, forget-me-not\n");
}

int main(void)
{
    defaults();
    all_types();
    words_keep_their_order();
    bad_input();
    contradicting_rows();
    is_silent_and_returns();
    prints();
    wraps_wide_rows();
    return wm_tests_end();
}
