/** A machine's files for a test, below a folder of its own, and what was noted of them. */
#ifndef WM_TESTS_FILES_H
#define WM_TESTS_FILES_H

#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/topo/tree.h"
#include "tests/unit/check.h"

static char files_root[64];

static inline void files_begin(struct wm_tree *tree)
{
    struct wm_err err = { 0 };
    snprintf(files_root, sizeof(files_root), "/tmp/wiremark-test-XXXXXX");
    CHECK(mkdtemp(files_root) != NULL);
    CHECK_INT(wm_tree_open(files_root, tree, &err), WM_OK);
}

static inline int files_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void files_end(struct wm_tree *tree)
{
    wm_tree_close(tree);
    nftw(files_root, files_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path below the root, its folders made. */
static inline const char *files_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", files_root, name);
    for (char *slash = path + strlen(files_root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    return path;
}

static inline void files_put_bytes(const char *name, const void *bytes, size_t n)
{
    FILE *out = fopen(files_path(name), "wb");
    if (CHECK(out != NULL))
        CHECK(fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
}

static inline void files_put(const char *name, const char *text)
{
    files_put_bytes(name, text, strlen(text));
}

static inline void files_link(const char *name, const char *target)
{
    CHECK_INT(symlink(target, files_path(name)), 0);
}

static inline void files_folder(const char *name)
{
    CHECK_INT(mkdir(files_path(name), 0755), 0);
}

static inline void files_pipe(const char *name)
{
    CHECK_INT(mkfifo(files_path(name), 0644), 0);
}

/* Several files of a folder: name, text ..., NULL. */
static inline void files_put_all(const char *folder, ...)
{
    char path[512];
    const char *name;
    va_list args;
    va_start(args, folder);
    while ((name = va_arg(args, const char *)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        files_put(path, va_arg(args, const char *));
    }
    va_end(args);
}

/* Why that path is absent; "" = nothing was noted of it. */
static inline const char *files_note(const struct wm_tree *tree, const char *path)
{
    for (int i = 0; i < tree->n_notes; i++)
        if (strcmp(tree->notes[i].path, path) == 0)
            return tree->notes[i].reason;
    return "";
}

static inline void files_print_notes(const struct wm_tree *tree)
{
    for (int i = 0; i < tree->n_notes; i++)
        printf("noted: %s: %s\n", tree->notes[i].path, tree->notes[i].reason);
}

#endif
