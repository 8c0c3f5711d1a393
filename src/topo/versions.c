#include "src/topo/versions.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE       "/etc/ld.so.cache"
#define SCAN_BYTES  ((size_t)64 << 20)
#define LINES_BYTES 8192

void wm_versions_add(struct wm_versions *v, const char *name, const char *version)
{
    const int room = (int)(sizeof(v->item) / sizeof(v->item[0]));
    if (v->n == room || version[0] == '\0')
        return;
    snprintf(v->item[v->n].name, sizeof(v->item[0].name), "%s", name);
    snprintf(v->item[v->n].version, sizeof(v->item[0].version), "%s", version);
    v->n++;
}

const char *wm_versions_of(const struct wm_versions *v, const char *name)
{
    for (int i = 0; i < v->n; i++)
        if (strcmp(v->item[i].name, name) == 0)
            return v->item[i].version;
    return "";
}

int wm_version_compare(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        while (*a != '\0' && !isdigit((unsigned char)*a))
            a++;
        while (*b != '\0' && !isdigit((unsigned char)*b))
            b++;
        char *end_a = (char *)a, *end_b = (char *)b;
        unsigned long long part_a = strtoull(a, &end_a, 10), part_b = strtoull(b, &end_b, 10);
        if (part_a != part_b)
            return part_a < part_b ? -1 : 1;
        a = end_a;
        b = end_b;
    }
    return 0;
}

/* ---- which file the linker would take. Nothing is loaded: libraries of this kind install signal handlers when they
 * are (libpsm under libfabric, UCX), and NCCL has 218 MB. ---- */

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool in_folder(char path[PATH_MAX], const char *folder, size_t length, const char *library)
{
    int n = snprintf(path, PATH_MAX, "%.*s/%s", (int)length, folder, library);
    return length > 0 && n < PATH_MAX && is_file(path);
}

/* One that this process has loaded already. */
static bool find_loaded(char path[PATH_MAX], const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    struct link_map *map = NULL;
    bool found = handle != NULL && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0] == '/' &&
                 snprintf(path, PATH_MAX, "%s", map->l_name) < PATH_MAX;
    if (handle != NULL)
        dlclose(handle);
    return found;
}

static bool find_in_list(char path[PATH_MAX], const char *folders, const char *library)
{
    while (folders != NULL && *folders != '\0') {
        size_t length = strcspn(folders, ":");
        if (in_folder(path, folders, length, library))
            return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

struct content {
    const char *at;
    size_t bytes;
};

static bool map_file(const char *path, size_t most, struct content *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    void *at = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        out->bytes = (size_t)st.st_size < most ? (size_t)st.st_size : most;
        at = mmap(NULL, out->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (fd >= 0)
        close(fd);
    out->at = at;
    return at != MAP_FAILED;
}

static void unmap(const struct content *content)
{
    munmap((void *)content->at, content->bytes);
}

/* The linker's cache ends with full paths, each ended by a zero. */
static bool find_in_cache(char path[PATH_MAX], const char *library)
{
    struct content cache;
    char name[80];
    size_t name_bytes = (size_t)snprintf(name, sizeof(name), "/%s", library) + 1;
    bool found = false;
    if (!map_file(CACHE, SCAN_BYTES, &cache))
        return false;
    const char *end = cache.at + cache.bytes, *hit = cache.at;
    while (!found && (hit = memmem(hit, (size_t)(end - hit), name, name_bytes)) != NULL) {
        const char *start = hit;
        while (start > cache.at && start[-1] != '\0')
            start--;
        found = *start == '/' && snprintf(path, PATH_MAX, "%s", start) < PATH_MAX && is_file(path);
        hit++;
    }
    unmap(&cache);
    return found;
}

/* With all links resolved: the name of the file itself often holds the version. */
static bool find_library(char real[PATH_MAX], const char *library)
{
    char path[PATH_MAX];
    return (find_loaded(path, library) || find_in_list(path, getenv("LD_LIBRARY_PATH"), library) ||
            find_in_cache(path, library) || find_in_list(path, "/lib64:/usr/lib64:/lib:/usr/lib", library)) &&
           realpath(path, real) != NULL;
}

/* ---- what version a library's file is of ---- */

/* "1.17.0" at `at`, ended by a zero: its length, else 0. */
static size_t triple_bytes(const char *at, const char *end)
{
    const char *p = at;
    int dots = 0;
    while (p < end && p - at < 24 && (isdigit((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[-1])))) {
        dots += *p == '.';
        p++;
    }
    return p < end && *p == '\0' && dots == 2 && isdigit((unsigned char)p[-1]) ? (size_t)(p - at) : 0;
}

/* The only text in the file that looks like a version; "" when there are several. Symbol versions (GLIBC_2.2.5) and
 * addresses (127.0.0.1) do not count. */
static void find_triple(const struct content *file, char *out, size_t bytes)
{
    const char *end = file->at + file->bytes;
    out[0] = '\0';
    for (const char *p = file->at + 1; p < end; p++) {
        bool starts = isdigit((unsigned char)*p) && !isdigit((unsigned char)p[-1]) && p[-1] != '.' && p[-1] != '_';
        size_t length = starts ? triple_bytes(p, end) : 0;
        if (length == 0 || length >= bytes)
            continue;
        if (out[0] != '\0' && strcmp(out, p) != 0) {
            out[0] = '\0';
            return;
        }
        memcpy(out, p, length + 1);
    }
}

/* What follows the marker, up to the end of the number. */
static void find_marked(const struct content *file, const char *marker, char *out, size_t bytes)
{
    const char *end = file->at + file->bytes, *hit = file->at;
    size_t n = 0, marker_bytes = strlen(marker);
    out[0] = '\0';
    while (n == 0 && (hit = memmem(hit, (size_t)(end - hit), marker, marker_bytes)) != NULL) {
        hit += marker_bytes;
        while (hit + n < end && n + 1 < bytes && (isdigit((unsigned char)hit[n]) || (n > 0 && hit[n] == '.')))
            n++;
    }
    if (n > 0)
        snprintf(out, bytes, "%.*s", (int)n, hit);
}

/* "libibverbs.so.1.14.44.0": the parts of the name from the skip-th on, "44.0" for 2; "" where there are fewer. */
static void name_parts(const char *path, int skip, int at_least, char *out, size_t bytes)
{
    const char *at = strstr(path, ".so.");
    int parts = 1;
    out[0] = '\0';
    if (at == NULL)
        return;
    at += strlen(".so.");
    for (; skip > 0 && at != NULL; skip--) {
        at = strchr(at, '.');
        at = at != NULL ? at + 1 : NULL;
    }
    for (const char *p = at; p != NULL && *p != '\0'; p++)
        parts += *p == '.';
    if (at != NULL && isdigit((unsigned char)*at) && parts >= at_least)
        snprintf(out, bytes, "%s", at);
}

static const struct library {
    const char *name, *file;
    /* Where the file's own name holds the version: parts to pass over, and how many must follow; 0 = it does not. */
    int skip, parts;
    const char *marker; /* text before the version inside the file; NULL with parts == 0: the only one there is */
} libraries[] = {
    { "libfabric", "libfabric.so.1", 0, 0, NULL },
    { "rdma-core", "libibverbs.so.1", 2, 2, NULL },
    { "nccl", "libnccl.so.2", 0, 2, "NCCL version " },
    { "ucx", "libucp.so.0", 0, 0, NULL },
};

static void version_of_file(const struct library *library, const char *path, char *out, size_t bytes)
{
    struct content file;
    out[0] = '\0';
    if (library->parts > 0)
        name_parts(path, library->skip, library->parts, out, bytes);
    if (out[0] != '\0' || (library->parts > 0 && library->marker == NULL) || !map_file(path, SCAN_BYTES, &file))
        return;
    if (library->marker != NULL)
        find_marked(&file, library->marker, out, bytes);
    else
        find_triple(&file, out, bytes);
    unmap(&file);
}

static void add_libraries(struct wm_versions *out)
{
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        char path[PATH_MAX], version[sizeof(out->item[0].version)];
        if (!find_library(path, libraries[i].file))
            continue;
        version_of_file(&libraries[i], path, version, sizeof(version));
        wm_versions_add(out, libraries[i].name, version);
    }
}

/* ---- what a machine's files say ---- */

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 ...": the first word of digits and dots. */
static void add_driver(struct wm_tree *tree, struct wm_versions *out)
{
    char text[1024];
    if (!wm_tree_text(tree, text, sizeof(text), "proc/driver/nvidia/version"))
        return;
    for (char *rest = NULL, *word = strtok_r(text, " \t\n", &rest); word != NULL; word = strtok_r(NULL, " \t\n", &rest))
        if (isdigit((unsigned char)*word) && strchr(word, '.') != NULL && word[strspn(word, "0123456789.")] == '\0') {
            wm_versions_add(out, "nvidia", word);
            return;
        }
    wm_tree_note(tree, "proc/driver/nvidia/version", "holds no version");
}

/* Lines "name version". */
static void add_recorded(struct wm_tree *tree, struct wm_versions *out)
{
    char *text = calloc(1, LINES_BYTES);
    if (text != NULL && wm_tree_text(tree, text, LINES_BYTES, "versions"))
        for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            size_t length = strcspn(line, " \t");
            char *version = line + length + strspn(line + length, " \t");
            line[length] = '\0';
            if (length > 0)
                wm_versions_add(out, line, version);
        }
    free(text);
}

void wm_versions_read(struct wm_tree *tree, struct wm_versions *out)
{
    char text[sizeof(out->item[0].version)];
    out->n = 0;
    if (wm_tree_text(tree, text, sizeof(text), "proc/sys/kernel/osrelease"))
        wm_versions_add(out, "kernel", text);
    add_driver(tree, out);
    if (wm_tree_is_here(tree))
        add_libraries(out);
    else
        add_recorded(tree, out);
}
