#include "src/core/option.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/text.h"
#include "src/core/units.h"

enum { MAX_ROWS = 64, FIRST_LONG = 256 /* above all letters */ };

/* One row with its owner. */
struct place {
    struct wm_option_group *group;
    const struct wm_option *row;
    int bit; /* in given */
};

static struct place place_at(struct wm_option_group *groups, int n_groups, int index)
{
    for (int g = 0; g < n_groups; g++)
        for (int i = 0; groups[g].rows[i].name != NULL; i++)
            if (index-- == 0)
                return (struct place){ &groups[g], &groups[g].rows[i], i };
    return (struct place){ NULL, NULL, 0 };
}

static int count_rows(const struct wm_option_group *groups, int n_groups)
{
    int n = 0;
    for (int g = 0; g < n_groups; g++)
        for (int i = 0; groups[g].rows[i].name != NULL; i++)
            n++;
    return n;
}

/* Index of the row with this name (n letters of it), or -1. */
static int find_row(const struct wm_option_group *groups, int n_groups, const char *name, size_t n)
{
    int index = 0;
    for (int g = 0; g < n_groups; g++)
        for (const struct wm_option *row = groups[g].rows; row->name != NULL; row++, index++)
            if (strlen(row->name) == n && memcmp(row->name, name, n) == 0)
                return index;
    return -1;
}

static int find_letter(const struct wm_option_group *groups, int n_groups, int letter)
{
    int index = 0;
    for (int g = 0; g < n_groups; g++)
        for (const struct wm_option *row = groups[g].rows; row->name != NULL; row++, index++)
            if (row->letter != 0 && row->letter == letter)
                return index;
    return -1;
}

static void *field_of(struct place p)
{
    return (char *)p.group->conf + p.row->offset;
}

/* --- values --- */

static const char *format_time(char text[WM_TEXT_BYTES], double ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "h", 3600e9 }, { "s", 1e8 }, { "ms", 1e5 }, { "us", 1e3 }, { "ns", 0 } };
    static const double factors[] = { 3600e9, 1e9, 1e6, 1e3, 1 };
    int unit = 0;
    while (ns < units[unit].ns)
        unit++;
    snprintf(text, WM_TEXT_BYTES, "%.6g%s", ns / factors[unit], units[unit].name);
    return text;
}

/* A bound of a range as the user would write it. */
static const char *format_bound(char text[WM_TEXT_BYTES], enum wm_option_type type, double value)
{
    if (type == WM_OPT_BYTES || type == WM_OPT_BYTES_LIST)
        return wm_format_bytes(text, (uint64_t)value);
    if (type == WM_OPT_TIME_NS)
        return format_time(text, value);
    if (type == WM_OPT_SHARE)
        snprintf(text, WM_TEXT_BYTES, "%.6g%%", value * 100);
    else
        snprintf(text, WM_TEXT_BYTES, "%.0f", value);
    return text;
}

/* Is there an upper bound below what the type holds? */
static bool bounded(const struct wm_option *row)
{
    return row->max > row->min && row->max < 0x1p62;
}

/* "from 1 to 4M", or "at least 1" where there is no upper bound. */
static void format_range(char *text, size_t text_bytes, const struct wm_option *row)
{
    char low[WM_TEXT_BYTES], high[WM_TEXT_BYTES];
    if (!bounded(row))
        snprintf(text, text_bytes, "at least %s", format_bound(low, row->type, row->min));
    else
        snprintf(text, text_bytes, "from %s to %s", format_bound(low, row->type, row->min),
                 format_bound(high, row->type, row->max));
}

static int check_range(const struct wm_option *row, const char *text, double value, struct wm_err *err)
{
    char range[2 * WM_TEXT_BYTES + 16];
    if (row->max <= row->min || (value >= row->min && value <= row->max))
        return WM_OK;
    format_range(range, sizeof(range), row);
    return wm_fail(err, WM_EUSAGE, "", 0, "--%s: \"%s\" is %s, want %s", row->name, text,
                   value < 0 && row->min >= 0 ? "negative" : "out of range", range);
}

/* What a units parser found wrong, with the option's name in front and the range behind. Of what is too large for the
 * type only one limit is told: the range's, or where that has none the type's. */
static int refuse(const struct wm_option *row, const char *text, const struct wm_err *why, struct wm_err *err)
{
    char range[2 * WM_TEXT_BYTES + 16] = "";
    if (why->native == ERANGE && bounded(row))
        return check_range(row, text, text[0] == '-' ? -INFINITY : INFINITY, err);
    if (row->max > row->min && why->native != ERANGE)
        format_range(range, sizeof(range), row);
    return wm_fail(err, WM_EUSAGE, "", 0, "--%s: %s%s%s%s", row->name, why->what, range[0] != '\0' ? " (" : "", range,
                   range[0] != '\0' ? ")" : "");
}

static int parse_bytes(const struct wm_option *row, const char *text, uint64_t *out, struct wm_err *err)
{
    struct wm_err why = { 0 };
    if (wm_parse_bytes(text, out, &why) != WM_OK)
        return refuse(row, text, &why, err);
    return check_range(row, text, (double)*out, err);
}

static int parse_time(const struct wm_option *row, const char *text, uint64_t *out, struct wm_err *err)
{
    struct wm_err why = { 0 };
    if (wm_parse_time_ns(text, out, &why) != WM_OK)
        return refuse(row, text, &why, err);
    return check_range(row, text, (double)*out, err);
}

static int parse_share(const struct wm_option *row, const char *text, double *out, struct wm_err *err)
{
    struct wm_err why = { 0 };
    if (wm_parse_share(text, out, &why) != WM_OK)
        return refuse(row, text, &why, err);
    return check_range(row, text, *out, err);
}

static int parse_int(const struct wm_option *row, const char *text, int64_t *out, struct wm_err *err)
{
    struct wm_err why = { 0 };
    if (wm_parse_int(text, out, &why) != WM_OK)
        return refuse(row, text, &why, err);
    return check_range(row, text, (double)*out, err);
}

/* "a, b, c" */
static void join_names(char *text, size_t text_bytes, const char *const *names)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; names[i] != NULL && n < text_bytes; i++)
        n += (size_t)snprintf(text + n, text_bytes - n, "%s%s", i == 0 ? "" : ", ", names[i]);
}

static int parse_choice(const struct wm_option *row, const char *text, int64_t *out, struct wm_err *err)
{
    char near[80], all[240];
    for (int i = 0; row->names[i] != NULL; i++) {
        if (strcmp(row->names[i], text) == 0) {
            *out = i;
            return WM_OK;
        }
    }
    join_names(all, sizeof(all), row->names);
    return wm_fail(err, WM_EUSAGE, "", 0, "--%s: unknown \"%s\"%s, want one of %s", row->name, text,
                   wm_did_you_mean(near, sizeof(near), text, row->names), all);
}

static int parse_text(const struct wm_option *row, const char *text, char **out, struct wm_err *err)
{
    if (text[0] == '\0')
        return wm_fail(err, WM_EUSAGE, "", 0, "--%s: empty value, want %s", row->name, row->arg);
    *out = strdup(text);
    return *out != NULL ? WM_OK : wm_fail(err, WM_ENOMEM, "strdup", 0, "--%s", row->name);
}

/* --- lists --- */

/* One element of a list whose array holds the elements before it. */
static int parse_element(const struct wm_option *row, const char *text, void *field, int i, struct wm_err *err)
{
    struct wm_int_list *ints = field;
    switch (row->type) {
    case WM_OPT_BYTES_LIST:
        return parse_bytes(row, text, &((struct wm_bytes_list *)field)->value[i], err);
    case WM_OPT_INTS:
        return parse_int(row, text, &ints->value[i], err);
    case WM_OPT_CHOICES:
        if (parse_choice(row, text, &ints->value[i], err) != WM_OK)
            return (int)err->code;
        for (int j = 0; j < i; j++)
            if (ints->value[j] == ints->value[i])
                return wm_fail(err, WM_EUSAGE, "", 0, "--%s: %s is given twice", row->name, text);
        return WM_OK;
    default:
        return parse_text(row, text, &((struct wm_text_list *)field)->value[i], err);
    }
}

/* Room for n elements; n itself stays 0, so that a list is as long as what has been parsed. */
static int list_room(const struct wm_option *row, void *field, size_t n, struct wm_err *err)
{
    struct wm_bytes_list *bytes = field;
    struct wm_text_list *texts = field;
    struct wm_int_list *ints = field;
    bool ok;
    if (row->type == WM_OPT_BYTES_LIST)
        ok = (bytes->value = calloc(n, sizeof(*bytes->value))) != NULL;
    else if (row->type == WM_OPT_TEXTS)
        ok = (texts->value = calloc(n, sizeof(*texts->value))) != NULL;
    else
        ok = (ints->value = calloc(n, sizeof(*ints->value))) != NULL;
    return ok ? WM_OK : wm_fail(err, WM_ENOMEM, "calloc", 0, "--%s", row->name);
}

static int *list_length(const struct wm_option *row, void *field)
{
    if (row->type == WM_OPT_BYTES_LIST)
        return &((struct wm_bytes_list *)field)->n;
    if (row->type == WM_OPT_TEXTS)
        return &((struct wm_text_list *)field)->n;
    return &((struct wm_int_list *)field)->n;
}

static int parse_list(const struct wm_option *row, const char *text, void *field, struct wm_err *err)
{
    size_t n = 1;
    for (const char *c = text; *c != '\0'; c++)
        n += *c == ',';
    char *copy = strdup(text), *rest = copy, *element;
    if (copy == NULL)
        return wm_fail(err, WM_ENOMEM, "strdup", 0, "--%s", row->name);
    int rc = list_room(row, field, n, err), *length = list_length(row, field);
    while (rc == WM_OK && (element = strsep(&rest, ",")) != NULL) {
        if (element[0] == '\0')
            rc = wm_fail(err, WM_EUSAGE, "", 0, "empty element in --%s: \"%s\"", row->name, text);
        else
            rc = parse_element(row, element, field, *length, err);
        *length += rc == WM_OK;
    }
    free(copy);
    return rc;
}

static int parse_value(struct place p, const char *text, struct wm_err *err)
{
    void *field = field_of(p);
    switch (p.row->type) {
    case WM_OPT_FLAG:
        *(bool *)field = true;
        return WM_OK;
    case WM_OPT_INT:
        return parse_int(p.row, text, field, err);
    case WM_OPT_BYTES:
        return parse_bytes(p.row, text, field, err);
    case WM_OPT_TIME_NS:
        return parse_time(p.row, text, field, err);
    case WM_OPT_SHARE:
        return parse_share(p.row, text, field, err);
    case WM_OPT_CHOICE:
        return parse_choice(p.row, text, field, err);
    case WM_OPT_TEXT:
        return parse_text(p.row, text, field, err);
    case WM_OPT_INTS:
    case WM_OPT_BYTES_LIST:
    case WM_OPT_CHOICES:
    case WM_OPT_TEXTS:
        return parse_list(p.row, text, field, err);
    }
    return wm_fail(err, WM_EBUG, "", 0, "--%s has no type", p.row->name);
}

/* --- the command line --- */

/* The rows as getopt_long wants them. */
struct table {
    struct option *longs;                      /* ended by zeroes */
    const char **names;                        /* for "did you mean"; ended by NULL */
    char letters[2 + 2 * ('z' - '0' + 1) + 1]; /* "-:" then "o:" for each letter */
};

static int add_row(struct table *t, const struct wm_option_group *groups, int n_groups, struct place p, int index,
                   struct wm_err *err)
{
    const struct wm_option *row = p.row;
    bool takes = row->type != WM_OPT_FLAG;
    size_t n = strlen(t->letters);
    if (find_row(groups, n_groups, row->name, strlen(row->name)) != index || p.bit >= MAX_ROWS)
        return wm_fail(err, WM_EBUG, "", 0, "option --%s stands twice, or its group has over %d rows", row->name,
                       MAX_ROWS);
    if (row->letter != 0 && find_letter(groups, n_groups, row->letter) != index)
        return wm_fail(err, WM_EBUG, "", 0, "option -%c stands twice", row->letter);
    t->names[index] = row->name;
    t->longs[index] = (struct option){ row->name, takes ? required_argument : no_argument, NULL, FIRST_LONG + index };
    if (row->letter != 0) /* each letter once, so there is room */
        snprintf(t->letters + n, sizeof(t->letters) - n, "%c%s", row->letter, takes ? ":" : "");
    return WM_OK;
}

static int open_table(struct table *t, struct wm_option_group *groups, int n_groups, struct wm_err *err)
{
    int n = count_rows(groups, n_groups);
    /* '-': words come in order, argv is not reordered; ':': a missing argument is told apart, nothing is printed */
    *t = (struct table){ .longs = calloc((size_t)n + 1, sizeof(*t->longs)),
                         .names = calloc((size_t)n + 1, sizeof(*t->names)),
                         .letters = "-:" };
    if (t->longs == NULL || t->names == NULL)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d options", n);
    for (int i = 0; i < n; i++)
        if (add_row(t, groups, n_groups, place_at(groups, n_groups, i), i, err) != WM_OK)
            return (int)err->code;
    return WM_OK;
}

static void close_table(struct table *t)
{
    free(t->longs);
    free(t->names);
}

static int unknown_option(const struct table *t, const char *word, size_t n, struct wm_err *err)
{
    char name[80];
    snprintf(name, sizeof(name), "%.*s", (int)n, word);
    for (int i = 0; n > 0 && t->names[i] != NULL; i++)
        if (strncmp(t->names[i], name, n) == 0)
            return wm_fail(err, WM_EUSAGE, "", 0, "unknown option --%s: abbreviations are not accepted, write --%s",
                           name, t->names[i]);
    const char *near = wm_nearest(name, t->names);
    if (near == NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "unknown option --%s", name);
    return wm_fail(err, WM_EUSAGE, "", 0, "unknown option --%s (did you mean --%s?)", name, near);
}

/* Says what is wrong with a word that getopt_long refused (code '?' or ':'). */
static int explain(const struct table *t, const struct wm_option_group *groups, int n_groups, int code,
                   const char *word, struct wm_err *err)
{
    if (optopt != 0 && optopt < FIRST_LONG) {
        if (!isprint((unsigned char)optopt))
            return wm_fail(err, WM_EUSAGE, "", 0, "unknown option: a dash and byte 0x%02x", (unsigned char)optopt);
        return wm_fail(err, WM_EUSAGE, "", 0, code == ':' ? "-%c needs a value" : "unknown option -%c", optopt);
    }
    size_t n = strcspn(word + 2, "=");
    int index = find_row(groups, n_groups, word + 2, n);
    if (index < 0)
        return unknown_option(t, word + 2, n, err);
    if (code == ':')
        return wm_fail(err, WM_EUSAGE, "", 0, "--%s needs a value", t->names[index]);
    return wm_fail(err, WM_EUSAGE, "", 0, "--%s takes no value, got \"%s\"", t->names[index], word + 2 + n + 1);
}

/* An option that getopt_long found, maybe by an abbreviation. */
static int take_option(const struct table *t, struct wm_option_group *groups, int n_groups, int code, char **argv,
                       struct wm_err *err)
{
    bool apart = optarg != NULL && optarg == argv[optind - 1];
    const char *word = argv[optind - (apart ? 2 : 1)];
    int index = code - FIRST_LONG;
    if (code < FIRST_LONG) {
        index = find_letter(groups, n_groups, code);
    } else {
        size_t n = strcspn(word + 2, "=");
        if (find_row(groups, n_groups, word + 2, n) != index)
            return unknown_option(t, word + 2, n, err);
    }
    struct place p = place_at(groups, n_groups, index);
    if (apart && strncmp(optarg, "--", 2) == 0)
        return wm_fail(err, WM_EUSAGE, "", 0, "--%s needs a value, got the option %s (write --%s=%s if that is meant)",
                       p.row->name, optarg, p.row->name, optarg);
    if (p.group->given >> p.bit & 1)
        return wm_fail(err, WM_EUSAGE, "", 0, "--%s is given twice", p.row->name);
    p.group->given |= UINT64_C(1) << p.bit;
    return parse_value(p, optarg, err);
}

static int walk_argv(const struct table *t, struct wm_option_group *groups, int n_groups, int argc, char **argv,
                     char **words, int *n_words, struct wm_err *err)
{
    int code;
    optind = 0; /* glibc: start anew */
    for (;;) {
        optopt = 0;
        code = getopt_long(argc, argv, t->letters, t->longs, NULL);
        if (code == -1)
            break;
        if (code == 1)
            words[(*n_words)++] = optarg;
        else if (code == '?' || code == ':')
            explain(t, groups, n_groups, code, argv[optind - 1], err);
        else
            take_option(t, groups, n_groups, code, argv, err);
        if (err->code != WM_OK)
            return (int)err->code;
    }
    for (int i = optind; i < argc; i++)
        words[(*n_words)++] = argv[i];
    return WM_OK;
}

static int set_defaults(struct wm_option_group *groups, int n_groups, struct wm_err *err)
{
    int n = count_rows(groups, n_groups);
    for (int i = 0; i < n; i++) {
        struct place p = place_at(groups, n_groups, i);
        struct wm_err why = { 0 };
        if (p.row->fallback == NULL || (p.group->given >> p.bit & 1))
            continue;
        if (p.row->type == WM_OPT_FLAG || parse_value(p, p.row->fallback, &why) != WM_OK)
            return wm_fail(err, WM_EBUG, "", 0, "default of --%s: %s", p.row->name, why.what);
    }
    return WM_OK;
}

int wm_options_parse(struct wm_option_group *groups, int n_groups, int argc, char **argv, char ***words, int *n_words,
                     struct wm_err *err)
{
    struct table t = { 0 };
    *n_words = 0;
    *words = calloc((size_t)argc + 1, sizeof(**words));
    for (int g = 0; g < n_groups; g++)
        groups[g].given = 0;
    if (*words == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d words", argc);
    else if (open_table(&t, groups, n_groups, err) == WM_OK &&
             walk_argv(&t, groups, n_groups, argc, argv, *words, n_words, err) == WM_OK)
        set_defaults(groups, n_groups, err);
    close_table(&t);
    if (err->code != WM_OK) {
        wm_options_free(groups, n_groups);
        free(*words);
        *words = NULL;
        *n_words = 0;
    }
    return (int)err->code;
}

static void free_field(struct place p)
{
    void *field = field_of(p);
    struct wm_text_list *texts = field;
    switch (p.row->type) {
    case WM_OPT_TEXT:
        free(*(char **)field);
        *(char **)field = NULL;
        break;
    case WM_OPT_TEXTS:
        for (int i = 0; i < texts->n; i++)
            free(texts->value[i]);
        free(texts->value);
        *texts = (struct wm_text_list){ 0 };
        break;
    case WM_OPT_BYTES_LIST:
        free(((struct wm_bytes_list *)field)->value);
        *(struct wm_bytes_list *)field = (struct wm_bytes_list){ 0 };
        break;
    case WM_OPT_INTS:
    case WM_OPT_CHOICES:
        free(((struct wm_int_list *)field)->value);
        *(struct wm_int_list *)field = (struct wm_int_list){ 0 };
        break;
    default:
        break;
    }
}

void wm_options_free(struct wm_option_group *groups, int n_groups)
{
    int n = count_rows(groups, n_groups);
    for (int i = 0; i < n; i++)
        free_field(place_at(groups, n_groups, i));
}

bool wm_option_given(const struct wm_option_group *groups, int n_groups, const char *name)
{
    for (int g = 0; g < n_groups; g++)
        for (int i = 0; groups[g].rows[i].name != NULL; i++)
            if (strcmp(groups[g].rows[i].name, name) == 0)
                return groups[g].given >> i & 1;
    abort(); /* a mistake in the code, not in the user's words */
}
