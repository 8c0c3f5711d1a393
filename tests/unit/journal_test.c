/** What survives: killed writers, full disks, several threads, journals cut and damaged anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "src/result/field.h"
#include "tests/unit/result_sample.h"

static const char *folder;
static char journal_path[128], output_path[128];

static struct wm_journal *open_journal(const char *path)
{
    struct wm_journal *j = NULL;
    struct wm_err err = { 0 };
    json_t *head = sample_head();
    CHECK_INT(wm_journal_open(path, head, &j, &err), WM_OK);
    CHECK_TEXT(err.what, "");
    json_decref(head);
    return j;
}

static void plan(struct wm_journal *j, int n)
{
    struct wm_err err = { 0 };
    struct wm_result_cell cell;
    for (int i = 0; i < n; i++) {
        sample_stub(&cell, "latency", i);
        CHECK_INT(wm_journal_plan(j, &cell, &err), WM_OK);
    }
}

static int end_cell(struct wm_journal *j, int bytes, enum wm_status status, struct wm_err *err)
{
    struct wm_result_cell cell;
    sample_measured(&cell, "latency", bytes, 1000 + bytes);
    cell.status = status;
    return wm_journal_cell(j, &cell, err);
}

static int finish(const char *journal, const char *output, bool remove_journal, bool *cut, struct wm_err *err)
{
    struct wm_ending ending = { .complete = true, .ended_by = "finished" };
    *err = (struct wm_err){ 0 };
    return wm_result_finish(journal, output, &ending, remove_journal, cut, err);
}

static json_t *coverage_of(const char *path)
{
    json_t *document = json_load_file(path, 0, NULL);
    json_t *coverage = json_incref(json_object_get(document, "coverage"));
    json_decref(document);
    return coverage;
}

static long long count_of(const char *path, const char *name)
{
    json_t *coverage = coverage_of(path);
    long long n = json_is_object(coverage) ? json_integer_value(json_object_get(coverage, name)) : -1;
    json_decref(coverage);
    return n;
}

static void test_open(void)
{
    struct wm_journal *j = open_journal(journal_path), *second = NULL;
    struct wm_err err = { 0 };
    json_t *head = sample_head();
    CHECK_INT(wm_journal_open(journal_path, head, &second, &err), WM_EUSAGE);
    CHECK_HAS(err.what, "is left from a run that did not end: wiremark recover ");
    CHECK_HAS(err.what, " -o RESULT makes a result of it");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_journal_open("/nowhere/x.journal", head, &second, &err), WM_EUSAGE);
    CHECK_TEXT(err.what, "cannot write /nowhere/x.journal: No such file or directory");
    err = (struct wm_err){ 0 };
    json_object_del(head, "schema");
    CHECK_INT(wm_journal_open("/tmp/never-made.journal", head, &second, &err), WM_EBUG);
    CHECK_HAS(err.what, "does not name wiremark-result/1");
    CHECK(access("/tmp/never-made.journal", F_OK) != 0);
    CHECK(second == NULL);
    json_decref(head);
    wm_journal_close(j);
    CHECK_INT(unlink(journal_path), 0);
}

static void test_lines(void)
{
    struct wm_journal *j = open_journal(journal_path);
    struct wm_err err = { 0 };
    struct wm_result_cell cell;
    sample_measured(&cell, "latency", 8, 1920);
    CHECK_INT(wm_journal_plan(j, &cell, &err), WM_OK); /* only the identity is written */
    cell.status = WM_SKIPPED;
    CHECK_INT(wm_journal_cell(j, &cell, &err), WM_OK);
    cell.id[0] = '\0';
    CHECK_INT(wm_journal_cell(j, &cell, &err), WM_EBUG);
    CHECK_TEXT(err.what, "cell \"\" has no id");
    err = (struct wm_err){ 0 };
    json_t *comparison = json_pack("{s:s}", "bench", "latency");
    CHECK_INT(wm_journal_comparison(j, comparison, &err), WM_OK);
    json_decref(comparison);
    /* Each line is in the file already, for whoever kills us now. */
    char *text = sample_slurp(journal_path, NULL);
    CHECK_HAS(text, "{\"head\":{\"schema\":\"wiremark-result/1\",");
    CHECK_HAS(text, "\n{\"planned\":{\"id\":\"bench=latency transport=mpi bytes=8\",");
    CHECK_HAS(text, "\"simulated\":false}}\n{\"cell\":{\"id\":");
    CHECK_HAS(text, "\"status\":\"skipped\",\"time_ns\":{\"median\":1920.0,");
    CHECK_HAS(text, "}}\n{\"comparison\":{\"bench\":\"latency\"}}\n");
    free(text);
    wm_journal_close(j);
    CHECK_INT(unlink(journal_path), 0);
}

static void test_finish(void)
{
    struct wm_journal *j = open_journal(journal_path);
    struct wm_err err = { 0 };
    bool cut = true;
    plan(j, 7);
    plan(j, 2); /* twice the same: planned once */
    CHECK_INT(end_cell(j, 3, WM_MEASURED, &err), WM_OK);
    CHECK_INT(end_cell(j, 1, WM_FAILED, &err), WM_OK);
    CHECK_INT(end_cell(j, 0, WM_TIMEOUT, &err), WM_OK);
    CHECK_INT(end_cell(j, 2, WM_SKIPPED, &err), WM_OK);
    CHECK_INT(end_cell(j, 3, WM_FAILED, &err), WM_OK);   /* the last word on it */
    CHECK_INT(end_cell(j, 9, WM_MEASURED, &err), WM_OK); /* was never planned */
    wm_journal_close(j);
    CHECK_INT(finish(journal_path, output_path, false, &cut, &err), WM_OK);
    CHECK(!cut);
    CHECK_INT(access(journal_path, F_OK), 0);
    static const struct {
        const char *name;
        int want;
    } rows[] = { { "planned", 8 }, { "measured", 1 }, { "failed", 2 },
                 { "timeout", 1 }, { "skipped", 1 },  { "not_run", 3 } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_INT(count_of(output_path, rows[i].name), rows[i].want);
    /* In the order of the plan. */
    json_t *document = json_load_file(output_path, JSON_REJECT_DUPLICATES, NULL);
    const json_t *cells = json_object_get(document, "cells");
    CHECK_INT(json_array_size(cells), 8);
    for (size_t i = 0; i < 7; i++)
        CHECK_INT(json_integer_value(json_object_get(json_array_get(cells, i), "bytes")), i);
    CHECK_TEXT(json_string_value(json_object_get(json_array_get(cells, 3), "status")), "failed");
    CHECK_TEXT(json_string_value(json_object_get(json_array_get(cells, 4), "reason")),
               "the run ended first (finished)");
    CHECK_INT(strlen(json_string_value(json_object_get(document, "ended_utc"))), 20);
    json_decref(document);
    CHECK_INT(unlink(journal_path), 0);
}

static void check_old_output(const char *path)
{
    char *old = sample_slurp(path, NULL);
    CHECK_TEXT(old, "old");
    free(old);
}

static char *made_journal(size_t *bytes)
{
    struct wm_journal *j = open_journal(journal_path);
    struct wm_err err = { 0 };
    plan(j, 2);
    CHECK_INT(end_cell(j, 0, WM_MEASURED, &err), WM_OK);
    CHECK_INT(end_cell(j, 1, WM_MEASURED, &err), WM_OK);
    wm_journal_close(j);
    return sample_slurp(journal_path, bytes);
}

/* Cut anywhere, a journal loses the cut line and nothing else. */
static void test_cut_anywhere(void)
{
    size_t bytes;
    struct wm_err err;
    char *text = made_journal(&bytes);
    for (size_t n = 0; n <= bytes; n++) {
        int lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += text[i] == '\n';
        bool whole = n > 0 && text[n - 1] == '\n', cut = false;
        sample_spit(journal_path, text, n);
        int rc = finish(journal_path, output_path, false, &cut, &err);
        if (lines == 0) {
            CHECK_INT(rc, WM_EUSAGE);
            CHECK_HAS(err.what, "holds no complete head: nothing was recorded");
            continue;
        }
        CHECK_INT(rc, WM_OK);
        CHECK_INT(cut, !whole);
        CHECK_INT(count_of(output_path, "measured"), lines > 3 ? lines - 3 : 0);
        CHECK_INT(count_of(output_path, "planned"), lines > 3 ? 2 : lines - 1);
    }
    free(text);
    CHECK_INT(unlink(journal_path), 0);
}

static void test_damaged(void)
{
    static const struct {
        const char *line, *message;
    } rows[] = {
        { "junk\n", ":3: not a line of a journal: '[' or '{' expected near 'junk'" },
        { "\n", ":3: not a line of a journal: '[' or '{' expected" },
        { "[]\n", ":3: not a line of a journal: want one object in an object" },
        { "{}\n", ":3: not a line of a journal: want one object in an object" },
        { "{\"cell\":{},\"planned\":{}}\n", ":3: not a line of a journal: want one object in an object" },
        { "{\"cell\":7}\n", ":3: not a line of a journal: want one object in an object" },
        { "{\"cell\":{\"id\":\"x\"}}\n", ":3: not a line of a journal: cell: bench is missing" },
        { "{\"planned\":{\"id\":\"x\"}}\n", ":3: not a line of a journal: cell: bench is missing" },
        { "{\"cells\":{}}\n", ":3: not a line of a journal: unknown kind" },
        { "{\"head\":{\"schema\":\"wiremark-result/1\"}}\n", ":3: not a line of a journal: a second head" },
        { "{\"cell\":{\"id\":\"x\\ud800\"}}\n", ":3: not a line of a journal: " },
    };
    size_t bytes;
    struct wm_err err;
    bool cut;
    char *text = made_journal(&bytes), *third = strchr(strchr(text, '\n') + 1, '\n') + 1;
    sample_spit(output_path, "old", 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *bad = NULL;
        CHECK(asprintf(&bad, "%.*s%s%s", (int)(third - text), text, rows[i].line, third) > 0);
        sample_spit(journal_path, bad, strlen(bad));
        CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_EUSAGE);
        CHECK_HAS(err.what, rows[i].message);
        CHECK_HAS(err.what, journal_path);
        CHECK_INT(access(journal_path, F_OK), 0);
        free(bad);
    }
    static const char not_first[] = "{\"cell\":{}}\n{\"head\":{}}\n", other[] = "{\"head\":{\"schema\":\"x/9\"}}\n{}\n";
    sample_spit(journal_path, not_first, strlen(not_first));
    CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_EUSAGE);
    CHECK_HAS(err.what, ":1: not a line of a journal: the head is not the first line");
    sample_spit(journal_path, other, strlen(other));
    CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_EUSAGE);
    CHECK_HAS(err.what, ":1: schema \"x/9\" is not wiremark-result/1");
    check_old_output(output_path);
    free(text);
    CHECK_INT(unlink(journal_path), 0);
    CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_EABSENT);
    CHECK_HAS(err.what, "No such file or directory");
}

/* ---- threads, kills ---- */

struct writer {
    pthread_t thread;
    struct wm_journal *journal;
    struct wm_err err;
};

static void *write_cells(void *arg)
{
    struct writer *w = arg;
    struct wm_result_cell cell;
    for (int i = 0; i < 100000 && w->err.code == WM_OK; i++) { /* the seal ends it long before */
        sample_measured(&cell, "latency", i % 100, 5);
        wm_journal_cell(w->journal, &cell, &w->err);
    }
    return NULL;
}

static void test_threads_and_seal(void)
{
    struct wm_journal *j = open_journal(journal_path);
    struct wm_err err;
    struct stat sealed, later;
    struct writer writers[3];
    bool cut = true;
    for (int i = 0; i < 3; i++) {
        writers[i] = (struct writer){ .journal = j };
        CHECK_INT(pthread_create(&writers[i].thread, NULL, write_cells, &writers[i]), 0);
    }
    do {
        CHECK_INT(stat(journal_path, &sealed), 0);
        sched_yield();
    } while (sealed.st_size < 100000);
    wm_journal_seal(j);
    CHECK_INT(stat(journal_path, &sealed), 0);
    CHECK_INT(finish(journal_path, output_path, false, &cut, &err), WM_OK);
    CHECK(!cut);
    for (int i = 0; i < 3; i++) {
        pthread_join(writers[i].thread, NULL);
        CHECK_INT(writers[i].err.code, WM_EIO);
        CHECK_TEXT(writers[i].err.what, "the run is ending");
    }
    CHECK_INT(stat(journal_path, &later), 0);
    CHECK_INT(later.st_size, sealed.st_size);
    CHECK(count_of(output_path, "measured") > 0);
    wm_journal_close(j);
    CHECK_INT(unlink(journal_path), 0);
}

static void test_killed(void)
{
    int told[2];
    struct wm_err err = { 0 };
    bool cut = true;
    CHECK_INT(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        struct wm_journal *j = open_journal(journal_path);
        plan(j, 100);
        for (int i = 0; end_cell(j, i % 100, WM_MEASURED, &err) == WM_OK; i++)
            if (i == 50 && write(told[1], "x", 1) != 1)
                break;
        _exit(1);
    }
    char byte;
    CHECK_INT(read(told[0], &byte, 1), 1);
    CHECK_INT(kill(child, SIGKILL), 0);
    waitpid(child, NULL, 0);
    CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_OK);
    CHECK_INT(count_of(output_path, "planned"), 100);
    CHECK(count_of(output_path, "measured") > 50);
    close(told[0]);
    close(told[1]);
}

/* ---- full disks ---- */

/* Writes cells until one fails, closes the journal and returns how many were written. */
static int fill_up(struct wm_journal *j, const char *message)
{
    struct wm_err err = { 0 };
    int ended = 0;
    while (ended < 100000 && end_cell(j, ended, WM_MEASURED, &err) == WM_OK)
        ended++;
    CHECK(ended > 10 && ended < 100000);
    CHECK_INT(err.code, WM_EIO);
    CHECK_HAS(err.what, "write ");
    CHECK_TEXT(err.native_text, message);
    err = (struct wm_err){ 0 };
    CHECK_INT(end_cell(j, 0, WM_MEASURED, &err), WM_EIO); /* and it stays so */
    CHECK_TEXT(err.native_text, message);
    wm_journal_close(j);
    return ended;
}

/* Every cell before the one that failed is there. */
static void check_survivors(int ended)
{
    char elsewhere[160];
    struct wm_err err = { 0 };
    struct wm_ending ending = { .ended_by = "recovered" };
    bool cut = true;
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere.json", folder);
    CHECK_INT(wm_result_finish(journal_path, elsewhere, &ending, false, &cut, &err), WM_OK);
    CHECK(!cut);
    CHECK_INT(count_of(elsewhere, "measured"), ended);
}

/* What a full disk does, for those who may not mount one. */
static void test_file_size_limit(void)
{
    struct wm_err err;
    bool cut = true;
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 20000;
    struct wm_journal *j = open_journal(journal_path);
    setrlimit(RLIMIT_FSIZE, &limit);
    int ended = fill_up(j, strerror(EFBIG));
    setrlimit(RLIMIT_FSIZE, &before);
    check_survivors(ended);
    sample_spit(output_path, "old", 3);
    limit.rlim_cur = 5000;
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK_INT(finish(journal_path, output_path, true, &cut, &err), WM_EIO);
    CHECK_TEXT(err.native_text, strerror(EFBIG));
    setrlimit(RLIMIT_FSIZE, &before);
    check_old_output(output_path);
    CHECK_INT(access(journal_path, F_OK), 0);
    CHECK_INT(unlink(journal_path), 0);
}

static int entries_of(const char *path)
{
    char command[160];
    int n = -1;
    snprintf(command, sizeof(command), "ls -A %s | wc -l", path);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fscanf(pipe, "%d", &n) != 1)
        n = -1;
    if (pipe != NULL)
        pclose(pipe);
    return n;
}

static void test_small_disk(void)
{
    char disk[96], on_disk[128], output[128];
    struct wm_err err;
    bool cut = true;
    snprintf(disk, sizeof(disk), "%s/disk", folder);
    CHECK_INT(mkdir(disk, 0700), 0);
    /* In a mount namespace of our own: nothing is left however this ends. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("wiremark-test", disk, "tmpfs", 0, "size=64k") != 0) {
        printf("small disk: skipped, mount: %s\n", strerror(errno));
        wm_skipped++;
        return;
    }
    /* A journal fills the disk. */
    snprintf(on_disk, sizeof(on_disk), "%s/r.json.journal", disk);
    snprintf(output, sizeof(output), "%s/r.json", disk);
    snprintf(journal_path, sizeof(journal_path), "%s", on_disk);
    sample_spit(output, "old", 3);
    check_survivors(fill_up(open_journal(on_disk), strerror(ENOSPC)));
    /* No room for the document beside it: the old one stays, nothing half is left. */
    CHECK_INT(finish(on_disk, output, true, &cut, &err), WM_EIO);
    CHECK_TEXT(err.native_text, strerror(ENOSPC));
    check_old_output(output);
    CHECK_INT(entries_of(disk), 2);
    /* A new journal on the full disk is refused and leaves no empty file. */
    struct wm_journal *j = NULL;
    json_t *head = sample_head();
    char second[128];
    snprintf(second, sizeof(second), "%s/s.json.journal", disk);
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_journal_open(second, head, &j, &err), WM_EIO);
    CHECK(access(second, F_OK) != 0);
    json_decref(head);
    CHECK_INT(umount(disk), 0);
    snprintf(journal_path, sizeof(journal_path), "%s/run.json.journal", folder);
}

/* ---- where the output goes ---- */

/* Devices of the test's own: a mistake here, as root, must not replace those of the machine by a file. */
static void test_special_files(void)
{
    char full[128], fifo[128], text[65536];
    struct wm_err err;
    struct stat is;
    bool cut = true;
    size_t bytes;
    free(made_journal(&bytes));
    snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
    CHECK_INT(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK_INT(finish(journal_path, fifo, false, &cut, &err), WM_OK);
    CHECK(stat(fifo, &is) == 0 && S_ISFIFO(is.st_mode));
    ssize_t n = read(reader, text, sizeof(text));
    json_t *document = json_loadb(text, n < 0 ? 0 : (size_t)n, 0, NULL);
    CHECK_INT(json_array_size(json_object_get(document, "cells")), 2);
    json_decref(document);
    close(reader);

    snprintf(full, sizeof(full), "%s/full", folder);
    int fd = mknod(full, S_IFCHR | 0600, makedev(1, 7)) == 0 ? open(full, O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        close(fd);
        CHECK_INT(finish(journal_path, full, false, &cut, &err), WM_EIO);
        CHECK_TEXT(err.native_text, strerror(ENOSPC));
        CHECK(stat(full, &is) == 0 && S_ISCHR(is.st_mode));
    } else {
        printf("a full device: skipped, mknod: %s\n", strerror(errno));
        wm_skipped++;
    }
    CHECK_INT(unlink(journal_path), 0);
}

static void test_outputs(void)
{
    struct wm_err err;
    struct stat is;
    bool cut = true;
    size_t bytes;
    free(made_journal(&bytes));
    CHECK_INT(finish(journal_path, "/nowhere/out.json", false, &cut, &err), WM_EIO);
    CHECK_HAS(err.what, "write /nowhere/out.json");
    CHECK_INT(finish(journal_path, folder, false, &cut, &err), WM_EIO);
    CHECK_TEXT(err.native_text, strerror(EISDIR));
    /* A link stays a link. */
    char link_path[128];
    snprintf(link_path, sizeof(link_path), "%s/link.json", folder);
    sample_spit(output_path, "old", 3);
    CHECK_INT(symlink(output_path, link_path), 0);
    mode_t mask = umask(027);
    CHECK_INT(finish(journal_path, link_path, false, &cut, &err), WM_OK);
    umask(mask);
    CHECK(lstat(link_path, &is) == 0 && S_ISLNK(is.st_mode));
    CHECK_INT(count_of(output_path, "measured"), 2);
    CHECK(stat(output_path, &is) == 0 && (is.st_mode & 0777) == 0640);
    /* A name without a folder. */
    CHECK_INT(chdir(folder), 0);
    CHECK_INT(finish(journal_path, "bare.json", true, &cut, &err), WM_OK);
    CHECK_INT(count_of("bare.json", "measured"), 2);
    CHECK(access(journal_path, F_OK) != 0);
    CHECK_INT(chdir("/"), 0);
}

int main(void)
{
    folder = sample_folder();
    snprintf(journal_path, sizeof(journal_path), "%s/run.json.journal", folder);
    snprintf(output_path, sizeof(output_path), "%s/run.json", folder);
    test_open();
    test_lines();
    test_finish();
    test_cut_anywhere();
    test_damaged();
    test_threads_and_seal();
    test_killed();
    test_file_size_limit();
    test_small_disk();
    test_special_files();
    test_outputs();
    sample_folder_remove(folder);
    return wm_tests_end();
}
