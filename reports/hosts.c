/** Lists of hosts as people write them: node[01-03,07],login1. */
#include "reports/hosts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "node07.rack" is "node", 7 of two digits, ".rack". */
struct name {
    const char *text;
    int head, digits; /* lengths; digits 0: no number in it */
    unsigned long long number;
};

static struct name split(const char *text)
{
    struct name n = { .text = text };
    size_t domain = strcspn(text, "."), end = domain;
    while (end > 0 && strchr("0123456789", text[end - 1]) == NULL)
        end--;
    size_t begin = end;
    while (begin > 0 && end - begin < 18 && strchr("0123456789", text[begin - 1]) != NULL)
        begin--;
    n.head = (int)begin;
    n.digits = (int)(end - begin);
    if (n.digits > 0)
        n.number = strtoull(text + begin, NULL, 10);
    else
        n.head = (int)strlen(text);
    return n;
}

static const char *tail(const struct name *n)
{
    return n->text + n->head + n->digits;
}

/* Differ in nothing but the number, and are written with as many digits where they begin with 0. */
static bool one_family(const struct name *a, const struct name *b)
{
    bool padded = a->digits != b->digits && (a->text[a->head] == '0' || b->text[b->head] == '0');
    return a->digits > 0 && b->digits > 0 && !padded && a->head == b->head &&
           strncmp(a->text, b->text, (size_t)a->head) == 0 && strcmp(tail(a), tail(b)) == 0;
}

static int by_name(const void *pa, const void *pb)
{
    const struct name *a = pa, *b = pb;
    if (one_family(a, b))
        return a->number < b->number ? -1 : a->number > b->number;
    return strcmp(a->text, b->text);
}

/* How many from the first on are one family; *follow: how many of these follow each other without a gap. */
static int family_size(const struct name *n, int left, int *follow)
{
    int size = 1;
    *follow = 1;
    while (size < left && one_family(&n[0], &n[size])) {
        *follow += *follow == size && n[size].number == n[size - 1].number + 1;
        size++;
    }
    return size;
}

static void put_family(FILE *to, const struct name *n, int size)
{
    if (size == 1) {
        fputs(n->text, to);
        return;
    }
    fprintf(to, "%.*s[", n->head, n->text);
    for (int i = 0, follow; i < size; i += follow) {
        family_size(n + i, size - i, &follow);
        fprintf(to, "%s%.*s", i > 0 ? "," : "", n[i].digits, n[i].text + n[i].head);
        if (follow > 1)
            fprintf(to, "%c%.*s", follow > 2 ? '-' : ',', n[i + follow - 1].digits,
                    n[i + follow - 1].text + n[i + follow - 1].head);
    }
    fprintf(to, "]%s", tail(&n[0]));
}

static void put_all(FILE *to, const struct name *n, int count)
{
    for (int i = 0, size, follow; i < count; i += size) {
        size = family_size(n + i, count - i, &follow);
        fputs(i > 0 ? "," : "", to);
        put_family(to, n + i, size);
    }
}

const char *wm_hosts_text(const char *const *host, int n, char *text, size_t bytes)
{
    struct name *names = calloc((size_t)n + 1, sizeof(*names));
    char *full = NULL;
    size_t length = 0;
    FILE *to = names != NULL ? open_memstream(&full, &length) : NULL;
    snprintf(text, bytes, "%d nodes", n);
    if (to != NULL) {
        for (int i = 0; i < n; i++)
            names[i] = split(host[i]);
        qsort(names, (size_t)n, sizeof(*names), by_name);
        put_all(to, names, n);
        fclose(to);
        if (length < bytes)
            snprintf(text, bytes, "%s", full);
        else if (bytes > 32)
            snprintf(text, bytes, "%.*s... (%d nodes)", (int)bytes - 24, full, n);
    }
    free(full);
    free(names);
    return text;
}
