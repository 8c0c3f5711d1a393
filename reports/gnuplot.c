#include "reports/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/result/replace.h"

extern char **environ;

#define SVG_END "</svg>"

/* One run: its own three files. */
struct run {
    FILE *in, *out, *said;
};

static int start(const struct run *r, char *const *argv, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int bad = posix_spawn_file_actions_init(&actions);
    if (bad != 0)
        return bad;
    posix_spawn_file_actions_adddup2(&actions, fileno(r->in), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(r->out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(r->said), STDERR_FILENO);
    bad = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return bad;
}

static int failed(const struct run *r, int status, struct wm_err *err)
{
    char line[200] = "";
    rewind(r->said);
    while (fgets(line, sizeof(line), r->said) != NULL && strspn(line, " \t\n") == strlen(line))
        ;
    line[strcspn(line, "\n")] = '\0';
    return wm_fail(err, WM_ESYS, "", 0, "gnuplot ended with status %d%s%s",
                   WIFEXITED(status) ? WEXITSTATUS(status) : -1, line[0] == '\0' ? "" : ": ", line);
}

static int run(const struct run *r, char *const *argv, struct wm_err *err)
{
    pid_t pid;
    int status = 0;
    int bad = start(r, argv, &pid);
    if (bad == ENOENT || bad == EACCES)
        return wm_fail(
            err, WM_EABSENT, "", bad,
            "gnuplot is not installed, and --svg draws with it: install the package gnuplot-nox, or use --output");
    if (bad != 0)
        return wm_fail(err, WM_ESYS, "posix_spawnp", bad, "start gnuplot");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? WM_OK : failed(r, status, err);
}

static void close_run(struct run *r, bool in)
{
    if (in && r->in != NULL)
        fclose(r->in);
    if (r->out != NULL)
        fclose(r->out);
    if (r->said != NULL)
        fclose(r->said);
}

int wm_gnuplot_find(struct wm_err *err)
{
    char *const argv[] = { "gnuplot", "--version", NULL };
    struct run r = { .in = fopen("/dev/null", "re"), .out = tmpfile(), .said = tmpfile() };
    int rc = r.in == NULL || r.out == NULL || r.said == NULL ? wm_fail_errno(err, "tmpfile", "look for gnuplot")
                                                             : run(&r, argv, err);
    close_run(&r, true);
    return rc;
}

/* A picture that was cut off is none. */
static bool is_whole(FILE *picture)
{
    char end[32] = "";
    if (fseek(picture, -(long)(sizeof(end) - 1), SEEK_END) != 0)
        return false;
    size_t n = fread(end, 1, sizeof(end) - 1, picture);
    end[n] = '\0';
    rewind(picture);
    return strstr(end, SVG_END) != NULL;
}

static int copy(FILE *to, void *from, struct wm_err *err)
{
    char text[8192];
    size_t n;
    while ((n = fread(text, 1, sizeof(text), from)) > 0)
        if (wm_put(to, text, n, err) != WM_OK)
            return err->code;
    return WM_OK;
}

int wm_gnuplot_svg(FILE *script, const char *path, struct wm_err *err)
{
    char *const argv[] = { "gnuplot", "-", NULL };
    struct run r = { .in = script, .out = tmpfile(), .said = tmpfile() };
    int rc = WM_OK;
    if (r.out == NULL || r.said == NULL || fflush(script) != 0)
        rc = wm_fail_errno(err, "tmpfile", "draw %s", path);
    rewind(script);
    if (rc == WM_OK)
        rc = run(&r, argv, err);
    if (rc == WM_OK && !is_whole(r.out))
        rc = wm_fail(err, WM_ESYS, "", 0, "gnuplot drew no whole picture for %s", path);
    if (rc == WM_OK)
        rc = wm_file_replace(path, copy, r.out, err);
    close_run(&r, false);
    return rc;
}

void wm_gnuplot_quote(FILE *to, const char *text)
{
    fputc('\'', to);
    for (const char *c = text; *c != '\0'; c++) {
        bool control = (unsigned char)*c < ' ' || *c == 127;
        fputs(*c == '\'' ? "''" : "", to);
        if (*c != '\'')
            fputc(control ? '?' : *c, to);
    }
    fputc('\'', to);
}
