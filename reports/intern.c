#include "reports/intern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16, FIRST = 1 << 10 };

struct chunk {
    struct chunk *next;
    size_t used, cap;
    char text[];
};

/* Open addressing with linear steps, at most half full. */
struct wm_intern {
    struct wm_interned *slot;
    size_t n, cap;
    struct chunk *chunk;
};

/* FNV-1a (Fowler, Noll, Vo), 64 bits, its high half folded in. */
static size_t hash(const char *text, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

struct wm_intern *wm_intern_open(void)
{
    struct wm_intern *table = calloc(1, sizeof(*table));
    struct wm_interned *slot = calloc(FIRST, sizeof(*slot));
    if (table == NULL || slot == NULL) {
        free(table);
        free(slot);
        return NULL;
    }
    *table = (struct wm_intern){ .slot = slot, .cap = FIRST };
    return table;
}

static struct wm_interned *place(struct wm_interned *slot, size_t cap, const char *text, size_t n)
{
    size_t i = hash(text, n) & (cap - 1);
    while (slot[i].text != NULL && (strncmp(slot[i].text, text, n) != 0 || slot[i].text[n] != '\0'))
        i = (i + 1) & (cap - 1);
    return &slot[i];
}

static int grow(struct wm_intern *table)
{
    size_t cap = 2 * table->cap;
    struct wm_interned *slot = calloc(cap, sizeof(*slot));
    if (slot == NULL)
        return -1;
    for (size_t i = 0; i < table->cap; i++)
        if (table->slot[i].text != NULL)
            *place(slot, cap, table->slot[i].text, strlen(table->slot[i].text)) = table->slot[i];
    free(table->slot);
    table->slot = slot;
    table->cap = cap;
    return 0;
}

static const char *keep(struct wm_intern *table, const char *text, size_t n)
{
    struct chunk *c = table->chunk;
    if (c == NULL || c->cap - c->used <= n) {
        size_t cap = n + 1 > CHUNK_BYTES ? n + 1 : CHUNK_BYTES;
        c = malloc(sizeof(*c) + cap);
        if (c == NULL)
            return NULL;
        *c = (struct chunk){ .next = table->chunk, .cap = cap };
        table->chunk = c;
    }
    char *to = c->text + c->used;
    memcpy(to, text, n);
    to[n] = '\0';
    c->used += n + 1;
    return to;
}

struct wm_interned *wm_intern(struct wm_intern *table, const char *text, size_t n)
{
    if (2 * table->n >= table->cap && grow(table) != 0)
        return NULL;
    n = strnlen(text, n);
    struct wm_interned *at = place(table->slot, table->cap, text, n);
    if (at->text == NULL) {
        const char *kept = keep(table, text, n);
        if (kept == NULL)
            return NULL;
        *at = (struct wm_interned){ kept, -1, -1 };
        table->n++;
    }
    return at;
}

const struct wm_interned *wm_intern_find(const struct wm_intern *table, const char *text)
{
    const struct wm_interned *at = place(table->slot, table->cap, text, strlen(text));
    return at->text == NULL ? NULL : at;
}

void wm_intern_close(struct wm_intern *table)
{
    if (table == NULL)
        return;
    while (table->chunk != NULL) {
        struct chunk *next = table->chunk->next;
        free(table->chunk);
        table->chunk = next;
    }
    free(table->slot);
    free(table);
}
