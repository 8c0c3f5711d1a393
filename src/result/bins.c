#include "src/result/bins.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits from *text on, as a number; *n of them. More than 18 wrap around. */
static uint64_t take_digits(const char **text, int *n)
{
    uint64_t value = 0;
    for (*n = 0; is_digit(**text); ++*n)
        value = value * 10 + (uint64_t)(*(*text)++ - '0');
    return value;
}

/* A whole number of JSON, without a sign. */
static bool take_count(const char **text, uint64_t *value)
{
    const char *from = *text;
    int n;
    *value = take_digits(text, &n);
    return n > 0 && n <= 18 && (n == 1 || *from != '0');
}

/* A number as JSON has it, without sign and exponent. Up to 15 digits, as wiremark writes them, one division rounds as
 * strtod() would: both are exact (Clinger 1990). */
static bool take_real(const char **text, double *value)
{
    static const double ten_to[] = {
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
    };
    const char *from = *text;
    int whole, part = 0;
    uint64_t digits = take_digits(text, &whole), behind = 0;
    if (whole == 0 || (whole > 1 && *from == '0'))
        return false;
    if (**text == '.') {
        ++*text;
        behind = take_digits(text, &part);
        if (part == 0)
            return false;
    }
    if (whole + part <= 15)
        *value = (double)(digits * (uint64_t)ten_to[part] + behind) / ten_to[part];
    else
        *value = strtod(from, NULL);
    return true;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

static bool grow(struct wm_bins *b)
{
    if ((size_t)b->n < b->cap)
        return true;
    size_t cap = b->cap == 0 ? 256 : 2 * b->cap;
    struct wm_bin *bin = cap > 1 << 24 ? NULL : realloc(b->bin, cap * sizeof(*bin));
    if (bin == NULL)
        return false;
    b->bin = bin;
    b->cap = cap;
    return true;
}

/* "[1.5,20],[1.6,3]]"; *text moves behind it. */
static bool take_bins(struct wm_bins *b, const char **text)
{
    do {
        struct wm_bin bin;
        if (!take_char(text, '[') || !take_real(text, &bin.low_ns) || !take_char(text, ',') ||
            !take_count(text, &bin.count) || !take_char(text, ']') || !grow(b))
            return false;
        b->bin[b->n++] = bin;
    } while (take_char(text, ','));
    return take_char(text, ']');
}

size_t wm_bins_cut(struct wm_bins *b, char *text, size_t n)
{
    static const char name[] = "\"histogram\":[";
    char *from = memmem(text, n, name, sizeof(name) - 1);
    const char *to = from == NULL ? NULL : from + sizeof(name) - 1;
    b->n = 0;
    b->there = from != NULL && take_bins(b, &to);
    if (!b->there)
        return n;
    if (to < text + n && *to == ',')
        to++;
    else if (from > text && from[-1] == ',')
        from--;
    memmove(from, to, (size_t)(text + n - to));
    return n - (size_t)(to - from);
}

void wm_bins_free(struct wm_bins *b)
{
    free(b->bin);
    *b = (struct wm_bins){ 0 };
}
