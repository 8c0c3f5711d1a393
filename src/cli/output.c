#include "src/cli/output.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/result/result.h"

static const char default_name[] = "wiremark-result.json";

static int check_folder(const char *path, struct wm_err *err)
{
    struct stat st;
    char *copy = strdup(path);
    if (copy == NULL)
        return wm_fail(err, WM_ENOMEM, "strdup", 0, "name of the folder");
    const char *folder = dirname(copy);
    if (stat(folder, &st) != 0)
        wm_fail(err, WM_EUSAGE, "", 0, "--output: there is no folder %s; make it first", folder);
    else if (!S_ISDIR(st.st_mode))
        wm_fail(err, WM_EUSAGE, "", 0, "--output: %s is no folder", folder);
    else if (access(folder, W_OK | X_OK) != 0)
        wm_fail(err, WM_EUSAGE, "", 0, "--output: folder %s is not writable (%s)", folder, strerror(errno));
    free(copy);
    return err->code;
}

static int check_names(const struct wm_output *out, bool force, struct wm_err *err)
{
    struct stat st;
    bool exists = lstat(out->path, &st) == 0; /* a link that leads nowhere is something, too */
    if (exists && S_ISDIR(st.st_mode))
        return wm_fail(err, WM_EUSAGE, "", 0, "--output: %s is a folder; name a file in it", out->path);
    if (exists && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && !out->by_default && !force)
        return wm_fail(err, WM_EUSAGE, "", 0, "--output: %s exists; name another file, or overwrite it with --force",
                       out->path);
    if (stat(out->journal, &st) == 0)
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "%s is left over from a run that did not end (or still goes on): keep its cells with "
                       "'wiremark recover %s', then remove it",
                       out->journal, out->journal);
    return WM_OK;
}

/* A device or a pipe has no folder of its own for the journal. */
static const char *journal_base(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) ? default_name : path;
}

int wm_output_choose(const char *named, bool force, struct wm_output *out, struct wm_err *err)
{
    const char *path = named != NULL ? named : default_name, *base = journal_base(path);
    *out = (struct wm_output){ .by_default = named == NULL };
    out->path = strdup(path);
    if (out->path == NULL || asprintf(&out->journal, "%s.journal", base) < 0) {
        out->journal = NULL;
        wm_fail(err, WM_ENOMEM, "asprintf", 0, "names of the result");
    } else if (check_folder(base, err) == WM_OK) {
        check_names(out, force, err);
    }
    if (err->code != WM_OK)
        wm_output_free(out);
    return err->code;
}

/* ---- the older file ---- */

static int take_start(const json_t *document, void *arg)
{
    const char *started = json_string_value(json_object_get(json_object_get(document, "run"), "started_utc"));
    if (started != NULL)
        snprintf(arg, 32, "%s", started);
    return 0;
}

static int pass_over(const struct wm_result_cell *cell, void *arg)
{
    (void)cell;
    (void)arg;
    return 0;
}

/* When the older run started, by its own word, else by the file's time. */
static void started(const char *path, char text[32])
{
    struct wm_result_reader reader = { .cell = pass_over, .rest = take_start, .arg = text };
    struct wm_err unreadable = { 0 };
    struct stat st;
    text[0] = '\0';
    if (wm_result_read(path, &reader, &unreadable) != WM_OK || text[0] == '\0')
        wm_utc_text(text, stat(path, &st) == 0 ? (int64_t)st.st_mtime : -1);
    for (char *c = text; *c != '\0'; c++)
        if (strchr("0123456789-TZ", *c) == NULL)
            *c = '-';
}

int wm_output_set_aside(const struct wm_output *out, struct wm_err *err)
{
    char when[32], name[96];
    struct stat st;
    if (!out->by_default || stat(out->path, &st) != 0)
        return WM_OK;
    started(out->path, when);
    snprintf(name, sizeof(name), "wiremark-result-%s.json", when);
    for (int k = 2; stat(name, &st) == 0 && k < 1000; k++)
        snprintf(name, sizeof(name), "wiremark-result-%s-%d.json", when, k);
    if (rename(out->path, name) != 0)
        return wm_fail(err, WM_EIO, "rename", errno, "the older %s could not be renamed to %s: %s", out->path, name,
                       strerror(errno));
    return WM_OK;
}

void wm_output_free(struct wm_output *out)
{
    free(out->path);
    free(out->journal);
    out->path = out->journal = NULL;
}
