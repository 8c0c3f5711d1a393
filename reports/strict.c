#include "reports/strict.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/text.h"

enum { MOST_BYTES = 16 << 20 };

static int read_all(FILE *file, const char *path, char **text, size_t *bytes, struct wm_err *err)
{
    *text = malloc(MOST_BYTES + 1);
    if (*text == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", errno, "%s", path);
    *bytes = fread(*text, 1, MOST_BYTES + 1, file);
    if (ferror(file))
        return wm_fail(err, WM_EUSAGE, "", 0, "%s cannot be read", path);
    if (*bytes > MOST_BYTES)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s is larger than 16 MiB: not a file that a person wrote", path);
    (*text)[*bytes] = '\0';
    return WM_OK;
}

static int parse(struct wm_strict *s, size_t bytes, const char *schema, struct wm_err *err)
{
    json_error_t bad;
    s->root = json_loadb(s->text, bytes, JSON_REJECT_DUPLICATES, &bad);
    if (s->root == NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:%d:%d: not JSON: %s", s->path, bad.line, bad.column, bad.text);
    const char *named = json_string_value(json_object_get(s->root, "schema"));
    if (named == NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s:1: it names no schema; wanted is \"schema\": \"%s\"", s->path,
                       schema);
    if (strcmp(named, schema) != 0)
        return wm_strict_fail(s, "schema", 0, err, "\"%.80s\" is not %s, which this wiremark reads", named, schema);
    return WM_OK;
}

int wm_strict_load(const char *path, const char *schema, struct wm_strict *out, struct wm_err *err)
{
    size_t bytes = 0;
    *out = (struct wm_strict){ .path = path };
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return wm_fail(err, errno == ENOENT ? WM_EABSENT : WM_EUSAGE, "fopen", errno, "%s: %s", path, strerror(errno));
    int rc = read_all(file, path, &out->text, &bytes, err);
    fclose(file);
    if (rc == WM_OK)
        rc = parse(out, bytes, schema, err);
    if (rc != WM_OK)
        wm_strict_free(out);
    return rc;
}

void wm_strict_free(struct wm_strict *s)
{
    json_decref(s->root);
    free(s->text);
    s->root = NULL;
    s->text = NULL;
}

/* The line of the n-th "key" that a colon follows; the last one where there are fewer. */
static int line_of(const struct wm_strict *s, const char *key, int n)
{
    size_t length = strlen(key);
    int line = 1, found = 1;
    for (const char *c = s->text; *c != '\0'; c++) {
        line += *c == '\n';
        if (*c != '"' || strncmp(c + 1, key, length) != 0 || c[1 + length] != '"')
            continue;
        const char *after = c + 2 + length;
        while (isspace((unsigned char)*after))
            after++;
        if (*after == ':') {
            found = line;
            if (n-- == 0)
                break;
        }
    }
    return found;
}

int wm_strict_fail(const struct wm_strict *s, const char *key, int n, struct wm_err *err, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return wm_fail(err, WM_EUSAGE, "", 0, "%s:%d: %s: %s", s->path, line_of(s, key, n), key, text);
}

int wm_strict_keys(const struct wm_strict *s, const json_t *object, const char *const *names, struct wm_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        int i = 0;
        char hint[120];
        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL)
            return wm_strict_fail(s, key, 0, err, "unknown key%s", wm_did_you_mean(hint, sizeof(hint), key, names));
    }
    return WM_OK;
}

int wm_strict_real(const struct wm_strict *s, const json_t *object, const char *key, double low, double high,
                   double *to, struct wm_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL)
        return WM_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < low || number > high)
        return wm_strict_fail(s, key, 0, err, "wanted is a number from %g to %g", low, high);
    *to = number;
    return WM_OK;
}
