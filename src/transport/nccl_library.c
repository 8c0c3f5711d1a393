#include "src/transport/nccl_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define USUAL_LIBRARY "libnccl.so.2"

struct wm_nccl_config wm_nccl_config_unset(void)
{
    return (struct wm_nccl_config){
        .size = sizeof(struct wm_nccl_config),
        .magic = (unsigned)WM_NCCL_MAGIC,
        .version = WM_NCCL_CONFIG_VERSION,
        .blocking = INT_MIN,
        .cga_cluster_size = INT_MIN,
        .min_ctas = INT_MIN,
        .max_ctas = INT_MIN,
        .split_share = INT_MIN,
    };
}

/* ---- Opening ---- */

static const struct symbol {
    const char *name;
    bool needed;
    size_t member;
} symbols[] = {
#define SYMBOL(name, symbol, needed, type, arguments) { #symbol, needed, offsetof(struct wm_nccl_library, name) },
    WM_NCCL_CALLS(SYMBOL)
};

static int find_symbols(struct wm_nccl_library *library, const char *name, struct wm_err *err)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *address = dlsym(library->handle, symbols[i].name);
        if (address == NULL && symbols[i].needed)
            return wm_fail(err, WM_EABSENT, "", 0, "%s has no function %s: NCCL 2.14 or newer is needed", name,
                           symbols[i].name);
        memcpy((char *)library + symbols[i].member, &address, sizeof(address));
    }
    return WM_OK;
}

int wm_nccl_library_open(const char *path, struct wm_nccl_library *out, struct wm_err *err)
{
    const char *name = path != NULL ? path : USUAL_LIBRARY;
    struct wm_nccl_library library = { .handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) };
    Dl_info where;
    void *address;
    if (library.handle == NULL) {
        const char *text = dlerror();
        return wm_fail(err, WM_EABSENT, "", 0,
                       "no NCCL: %.200s; install it (libnccl2), or name it with --nccl-lib PATH",
                       text != NULL ? text : name);
    }
    if (find_symbols(&library, name, err) != WM_OK) {
        dlclose(library.handle);
        return err->code;
    }
    memcpy(&address, &library.get_version, sizeof(address));
    snprintf(library.file, sizeof(library.file), "%s",
             dladdr(address, &where) != 0 && where.dli_fname != NULL ? where.dli_fname : name);
    if (library.get_version(&library.version) != WM_NCCL_SUCCESS)
        library.version = 0;
    *out = library;
    return WM_OK;
}

const char *wm_nccl_version_text(int version, char *text, size_t bytes)
{
    const int major = version / (version < 10000 ? 1000 : 10000),
              rest = version - major * (version < 10000 ? 1000 : 10000);
    snprintf(text, bytes, "%d.%d.%d", major, rest / 100, rest % 100);
    return text;
}

/* ---- Copies ---- */

static int copy_bytes(int from, int to, const char *what, struct wm_err *err)
{
    struct stat file;
    if (fstat(from, &file) != 0)
        return wm_fail_errno(err, "fstat", "%s", what);
    int rc = posix_fallocate(to, 0, file.st_size);
    if (rc == 0)
        for (off_t left = file.st_size; left > 0 && rc == 0;) {
            ssize_t n = sendfile(to, from, NULL, (size_t)left);
            rc = n > 0 ? 0 : n == 0 ? EIO : errno;
            left -= n > 0 ? n : 0;
        }
    if (rc != 0)
        return wm_fail(
            err, WM_EUNSUP, "", rc,
            "no copy of NCCL (%lld bytes) can be made for --nccl-gdr: %s; name a folder with room in TMPDIR, "
            "or run each setting in a launch of its own, with NCCL_NET_GDR_LEVEL",
            (long long)file.st_size, strerror(rc));
    return WM_OK;
}

/* Containers have a /dev/shm that the loader may not load from. */
static bool may_load(int fd)
{
    struct statvfs at;
    return fstatvfs(fd, &at) != 0 || (at.f_flag & ST_NOEXEC) == 0;
}

/* One in this folder; "" where that fails. */
static int copy_into(const char *folder, const char *file, int from, char path[256], struct wm_err *err)
{
    snprintf(path, 256, "%.200s/wiremark-nccl-XXXXXX", folder);
    int to = mkostemp(path, O_CLOEXEC);
    if (to < 0)
        wm_fail(err, WM_EUNSUP, "mkstemp", errno, "no copy of NCCL can be made for --nccl-gdr in %s: %s", folder,
                strerror(errno));
    else if (!may_load(to))
        wm_fail(err, WM_EUNSUP, "", 0,
                "no copy of NCCL can be made for --nccl-gdr in %s: it is mounted noexec; name another folder in TMPDIR",
                folder);
    else if (lseek(from, 0, SEEK_SET) == 0)
        copy_bytes(from, to, file, err);
    if (to >= 0 && err->code != WM_OK)
        unlink(path);
    if (err->code != WM_OK)
        path[0] = '\0';
    if (to >= 0)
        close(to);
    return err->code;
}

/* A copy in the first folder that takes it. */
static int make_copy(const char *file, char path[256], struct wm_err *err)
{
    const char *wanted = getenv("TMPDIR");
    const char *folders[] = { wanted != NULL && wanted[0] != '\0' ? wanted : "/dev/shm",
                              wanted != NULL ? NULL : "/tmp" };
    int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return wm_fail_errno(err, "open", "%s", file);
    for (int i = 0; i < 2 && folders[i] != NULL; i++) {
        struct wm_err story = { .rank = -1 };
        copy_into(folders[i], file, from, path, &story);
        *err = story;
        if (story.code == WM_OK)
            break;
    }
    close(from);
    return err->code;
}

static bool is_first_of_host(const struct wm_world *world, int rank)
{
    for (int r = 0; r < rank; r++)
        if (world->places[r].host_index == world->places[rank].host_index)
            return false;
    return true;
}

struct copy_name {
    char path[256];
};

/* Collective: where the copy of this host is. */
static int share_copy(const struct wm_world *world, const char *file, struct copy_name *mine, struct wm_err *err)
{
    struct copy_name *all = calloc((size_t)world->size, sizeof(*all));
    const int host = world->places[world->rank].host_index;
    if (all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "copies of NCCL on %d ranks", world->size);
    else if (is_first_of_host(world, world->rank))
        make_copy(file, mine->path, err);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, mine, sizeof(*mine), all, err) == WM_OK)
        for (int r = world->size - 1; r >= 0; r--)
            if (world->places[r].host_index == host && all[r].path[0] != '\0')
                *mine = all[r];
    free(all);
    return err->code;
}

/* Collective. */
static int open_copy(const struct wm_world *world, const struct wm_nccl_library *usual, struct wm_nccl_library *out,
                     struct wm_err *err)
{
    struct copy_name mine = { "" };
    bool made = is_first_of_host(world, world->rank);
    if (share_copy(world, usual->file, &mine, err) == WM_OK)
        wm_nccl_library_open(mine.path, out, err);
    wm_world_agree(world, WM_SPIN, err);
    if (made && mine.path[0] != '\0')
        unlink(mine.path);
    return err->code;
}

/* ---- One for each setting ---- */

static struct loaded {
    char *path; /* as asked for; NULL: the usual one */
    enum wm_nccl_gdr gdr;
    struct wm_nccl_library library;
    struct loaded *next;
} * all_loaded;

static bool same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct loaded *find_loaded(const char *path, enum wm_nccl_gdr gdr)
{
    struct loaded *l = all_loaded;
    while (l != NULL && (l->gdr != gdr || !same_path(l->path, path)))
        l = l->next;
    return l;
}

/* Where NCCL tells what it does, beside the run; its own variables say otherwise where the user set them. */
static void choose_log(struct wm_nccl_library *library)
{
    const char *folder = getenv("TMPDIR");
    if (getenv("NCCL_DEBUG") != NULL || getenv("NCCL_DEBUG_FILE") != NULL)
        return;
    snprintf(library->log, sizeof(library->log), "%.150s/wiremark-nccl-log-XXXXXX",
             folder != NULL && folder[0] != '\0' ? folder : "/tmp");
    library->log_fd = mkostemp(library->log, O_CLOEXEC);
    if (library->log_fd < 0)
        library->log[0] = '\0';
}

/* Collective. */
static int load(const struct wm_world *world, const char *path, enum wm_nccl_gdr gdr, struct loaded *l,
                struct wm_err *err)
{
    struct wm_nccl_library usual;
    l->gdr = gdr;
    if (path != NULL && (l->path = strdup(path)) == NULL)
        wm_fail(err, WM_ENOMEM, "strdup", 0, "--nccl-lib");
    else
        wm_nccl_library_open(path, &usual, err);
    if (wm_world_agree(world, WM_SPIN, err) != WM_OK)
        return err->code;
    l->library = usual;
    return gdr == WM_NCCL_GDR_DEFAULT ? WM_OK : open_copy(world, &usual, &l->library, err);
}

int wm_nccl_library_for(const struct wm_world *world, const char *path, enum wm_nccl_gdr gdr,
                        const struct wm_nccl_library **out, struct wm_err *err)
{
    struct loaded *l = find_loaded(path, gdr);
    if (l != NULL) {
        *out = &l->library;
        return WM_OK;
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "NCCL");
    if (wm_world_agree(world, WM_SPIN, err) != WM_OK || load(world, path, gdr, l, err) != WM_OK) {
        if (l != NULL)
            free(l->path);
        free(l);
        return err->code;
    }
    choose_log(&l->library);
    l->next = all_loaded;
    all_loaded = l;
    *out = &l->library;
    return WM_OK;
}

/* ---- Variables ---- */

static void set_variable(struct wm_nccl_variables *v, const char *name, const char *value)
{
    const char *before = getenv(name);
    v->item[v->n].name = name;
    v->item[v->n++].before = before != NULL ? strdup(before) : NULL;
    setenv(name, value, 1);
}

void wm_nccl_variables_set(const struct wm_nccl_library *library, enum wm_nccl_gdr gdr, struct wm_nccl_variables *v)
{
    static const char *const levels[WM_NCCL_GDRS] = { [WM_NCCL_GDR_ON] = "SYS", [WM_NCCL_GDR_OFF] = "LOC" };
    *v = (struct wm_nccl_variables){ .n = 0 };
    if (levels[gdr] != NULL)
        set_variable(v, "NCCL_NET_GDR_LEVEL", levels[gdr]);
    if (getenv("NCCL_PROFILER_PLUGIN") == NULL)
        set_variable(v, "NCCL_PROFILER_PLUGIN", "STATIC_PLUGIN"); /* nccl_profiler.c */
    if (library->log[0] == '\0')
        return;
    set_variable(v, "NCCL_DEBUG", "INFO");
    set_variable(v, "NCCL_DEBUG_SUBSYS", "INIT,NET,GRAPH");
    set_variable(v, "NCCL_DEBUG_FILE", library->log);
}

void wm_nccl_variables_restore(struct wm_nccl_variables *v)
{
    while (v->n > 0) {
        v->n--;
        if (v->item[v->n].before != NULL)
            setenv(v->item[v->n].name, v->item[v->n].before, 1);
        else
            unsetenv(v->item[v->n].name);
        free(v->item[v->n].before);
    }
}
