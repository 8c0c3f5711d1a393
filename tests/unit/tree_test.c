#include "src/topo/tree.h"

#include "tests/unit/files.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* --- the root --- */

static void test_root(void)
{
    static const char *const here[] = { "/", "//", "/.", "/proc/.." };
    struct wm_tree tree;
    struct wm_err err = { 0 };
    for (int i = 0; i < COUNT(here); i++) {
        CHECK_INT(wm_tree_open(here[i], &tree, &err), WM_OK);
        CHECK(wm_tree_is_here(&tree));
        CHECK_TEXT(tree.root, "");
        wm_tree_close(&tree);
    }
    CHECK_INT(wm_tree_open("/tmp//", &tree, &err), WM_OK);
    CHECK(!wm_tree_is_here(&tree));
    CHECK_TEXT(tree.root, "/tmp");
    wm_tree_close(&tree);

    CHECK_INT(wm_tree_open("/nowhere/at/all", &tree, &err), WM_EABSENT);
    CHECK_HAS(err.what, "no folder /nowhere/at/all");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_tree_open("/proc/version", &tree, &err), WM_EABSENT);
    CHECK_HAS(err.what, "/proc/version is no folder");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_tree_open("", &tree, &err), WM_EABSENT);

    char path[1200] = "/tmp";
    for (int i = 0; i < 400; i++)
        strcat(path, "/.");
    strcat(path, "/");
    err = (struct wm_err){ 0 };
    CHECK_INT(wm_tree_open(path, &tree, &err), WM_EABSENT);
    CHECK_HAS(err.what, "the folder's name has 804 bytes, more than 511");
}

/* --- texts --- */

#define EIGHT(x) x x x x x x x x

static void test_texts(void)
{
    static const struct {
        const char *bytes;
        size_t n;           /* 0: a text */
        const char *want;   /* into 16 bytes; NULL: absent */
        const char *reason; /* noted then */
    } rows[] = {
        { "up\n", 0, "up", "" },
        { " \t up and down \n\n", 0, "up and down", "" },
        { "two\nlines\n", 0, "two\nlines", "" },
        { "fifteen letters\n", 0, "fifteen letters", "" },
        { "fifteen letters\n \n \n", 0, "fifteen letters", "" },
        { "            padded            \n", 0, NULL, "holds more than the 15 bytes that are expected" },
        { "sixteen letters!", 0, NULL, "holds more than the 15 bytes that are expected" },
        { "sixteen letters!\n", 0, NULL, "holds more than the 15 bytes that are expected" },
        { EIGHT(EIGHT("too long ")), 0, NULL, "holds more than the 15 bytes that are expected" },
        { "fifteen letters " EIGHT(EIGHT(" ")), 0, NULL, "holds more than the 15 bytes that are expected" },
        { "", 0, NULL, "is empty" },
        { "\n \t\n", 0, NULL, "is empty" },
        { "a\0b", 3, NULL, "holds no text" },
        { "up\0", 3, NULL, "holds no text" },
        { "\x1b[31mred", 0, NULL, "holds no text" },
        { "\x7f"
          "ELF\x02",
          0, NULL, "holds no text" },
        { "Se\xc3\xb1or \xe2\x82\xac", 0, "Se\xc3\xb1or \xe2\x82\xac", "" },
        { "\xf0\x9f\x9a\x80", 0, "\xf0\x9f\x9a\x80", "" },
        { "\xc3", 0, NULL, "holds no text" },
        { "\xff\xfe", 0, NULL, "holds no text" },
        { "\xc0\xaf", 0, NULL, "holds no text" },         /* '/' in two bytes */
        { "\xe0\x80\xaf", 0, NULL, "holds no text" },     /* in three */
        { "\xed\xa0\x80", 0, NULL, "holds no text" },     /* half of a pair */
        { "\xf5\x80\x80\x80", 0, NULL, "holds no text" }, /* beyond Unicode */
        { "\xc2\x9b"
          "31m",
          0, NULL, "holds no text" }, /* an escape in one character */
        { "\xe2\x82x", 0, NULL, "holds no text" },
    };
    struct wm_tree tree;
    files_begin(&tree);
    for (int i = 0; i < COUNT(rows); i++) {
        char name[40], out[16] = "as it was";
        snprintf(name, sizeof(name), "sys/%d", i);
        files_put_bytes(name, rows[i].bytes, rows[i].n > 0 ? rows[i].n : strlen(rows[i].bytes));
        CHECK_INT(wm_tree_text(&tree, out, sizeof(out), "sys/%d", i), rows[i].want != NULL);
        CHECK_TEXT(out, rows[i].want != NULL ? rows[i].want : "");
        CHECK_TEXT(files_note(&tree, name), rows[i].reason);
    }
    files_end(&tree);
}

static void test_lines(void)
{
    char out[40];
    struct wm_tree tree;
    files_begin(&tree);
    files_put("one", "400 Gb/sec (4X NDR)\n");
    files_put("two", "400 Gb/sec (4X NDR)\n100 Gb/sec (4X EDR)\n");
    CHECK(wm_tree_line(&tree, out, sizeof(out), "one"));
    CHECK_TEXT(out, "400 Gb/sec (4X NDR)");
    CHECK(!wm_tree_line(&tree, out, sizeof(out), "two"));
    CHECK_TEXT(out, "");
    CHECK_TEXT(files_note(&tree, "two"), "holds several lines, where one is expected");
    CHECK(!wm_tree_line(&tree, out, sizeof(out), "three"));
    CHECK_INT(tree.n_notes, 1);
    files_end(&tree);
}

static void test_numbers(void)
{
    static const struct {
        const char *text;
        bool ok;
        long long want;
        const char *reason;
    } rows[] = {
        { "0\n", true, 0, "" },
        { "-1\n", true, -1, "" },
        { "0x020700\n", true, 0x020700, "" },
        { "0X1F", true, 31, "" },
        { "010", true, 10, "" },
        { "9223372036854775807\n", true, INT64_MAX, "" },
        { "9223372036854775808\n", false, 0, "holds no whole number: 9223372036854775808" },
        { "12 34", false, 0, "holds no whole number: 12 34" },
        { "1\n2\n", false, 0, "holds no whole number: 1?2" },
        { "1.5", false, 0, "holds no whole number: 1.5" },
        { "0x", false, 0, "holds no whole number: 0x" },
        { "-", false, 0, "holds no whole number: -" },
        { "ff", false, 0, "holds no whole number: ff" },
        { "Unknown", false, 0, "holds no whole number: Unknown" },
        { "", false, 0, "is empty" },
        { EIGHT("1234567"), false, 0, "holds more than the 39 bytes that are expected" },
    };
    struct wm_tree tree;
    int64_t number = 77;
    files_begin(&tree);
    for (int i = 0; i < COUNT(rows); i++) {
        char name[40];
        snprintf(name, sizeof(name), "sys/%d", i);
        files_put(name, rows[i].text);
        number = 77;
        CHECK_INT(wm_tree_number(&tree, &number, "sys/%d", i), rows[i].ok);
        CHECK_INT(number, rows[i].ok ? rows[i].want : 77);
        CHECK_TEXT(files_note(&tree, name), rows[i].reason);
    }
    CHECK(!wm_tree_number(&tree, &number, "sys/none"));
    CHECK_TEXT(files_note(&tree, "sys/none"), "");
    files_end(&tree);
}

static void test_bytes(void)
{
    unsigned char out[8];
    struct wm_tree tree;
    files_begin(&tree);
    files_put_bytes("config", "\x86\x80\0\1\2\3\4\5\6\7", 10);
    files_put("empty", "");
    CHECK_INT(wm_tree_bytes(&tree, out, sizeof(out), "config"), 8);
    CHECK_INT(out[7], 5);
    CHECK_INT(wm_tree_bytes(&tree, out, 3, "config"), 3);
    CHECK_INT(tree.n_notes, 0);
    CHECK_INT(wm_tree_bytes(&tree, out, sizeof(out), "none"), 0);
    CHECK_INT(wm_tree_bytes(&tree, out, sizeof(out), "empty"), 0);
    CHECK_TEXT(files_note(&tree, "empty"), "is empty");
    CHECK_TEXT(files_note(&tree, "none"), "");
    files_end(&tree);
}

/* None of these may block, and none is absent without a word. */
static void test_no_files(void)
{
    char out[40];
    int64_t number;
    struct wm_tree tree;
    struct wm_names names;
    files_begin(&tree);
    files_pipe("sys/pipe");
    files_folder("sys/folder");
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "sys/pipe"));
    CHECK_TEXT(files_note(&tree, "sys/pipe"), "is a pipe, not a file");
    CHECK(!wm_tree_number(&tree, &number, "sys/folder"));
    CHECK_TEXT(files_note(&tree, "sys/folder"), "is a folder, not a file");
    wm_tree_names(&tree, &names, "sys/pipe");
    CHECK_INT(names.n, 0);
    wm_names_free(&names);
    if (mknod(files_path("sys/device"), S_IFCHR | 0644, (1 << 8) | 5) == 0) { /* /dev/zero; root only */
        CHECK_INT(wm_tree_bytes(&tree, out, sizeof(out), "sys/device"), 0);
        CHECK_TEXT(files_note(&tree, "sys/device"), "is a device, not a file");
    }
    if (geteuid() != 0) {
        files_put("sys/secret", "x");
        chmod(files_path("sys/secret"), 0);
        CHECK(!wm_tree_text(&tree, out, sizeof(out), "sys/secret"));
        CHECK_TEXT(files_note(&tree, "sys/secret"), "cannot be read: Permission denied");
    }
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "sys/pipe/below"));
    CHECK_TEXT(files_note(&tree, "sys/pipe/below"), "");
    files_end(&tree);
}

static void test_huge(void)
{
    char *out = malloc(1 << 20);
    struct wm_tree tree;
    files_begin(&tree);
    files_put("huge", "text");
    CHECK_INT(truncate(files_path("huge"), 1LL << 40), 0); /* a hole: takes no room */
    CHECK(out != NULL);
    if (out != NULL) {
        CHECK(!wm_tree_text(&tree, out, 1 << 20, "huge"));
        CHECK_TEXT(files_note(&tree, "huge"), "holds no text");
        CHECK_INT(wm_tree_bytes(&tree, out, 1 << 20, "huge"), 1 << 20);
    }
    free(out);
    files_end(&tree);
}

/* --- links --- */

static void test_links_stay_inside(void)
{
    char out[40], outside[80], target[120];
    struct wm_tree tree;
    files_begin(&tree);
    snprintf(outside, sizeof(outside), "%s-outside", files_root);
    FILE *file = fopen(outside, "w");
    if (CHECK(file != NULL)) {
        fputs("secret\n", file);
        fclose(file);
    }
    files_put("etc/name", "inside\n");
    files_put("sys/devices/eth0/mtu", "1500\n");
    static const struct {
        const char *link, *target, *read, *want;
    } rows[] = {
        { "a", "/etc/name", "a", "inside" },                       /* absolute: from the root of the tree */
        { "sys/b", "../../../../../etc/name", "sys/b", "inside" }, /* never above it */
        { "sys/class/c", "../devices/eth0", "sys/class/c/mtu", "1500" },
        { "d", "/etc", "d/../../../etc/./name", "inside" },
        { "e", "a", "e", "inside" },
        { "f", "/", "f/f/f/etc//name", "inside" },
        { "g", "/etc/", "g/name", "inside" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        files_link(rows[i].link, rows[i].target);
        CHECK(wm_tree_text(&tree, out, sizeof(out), "%s", rows[i].read));
        CHECK_TEXT(out, rows[i].want);
    }
    files_link("out", outside);
    snprintf(target, sizeof(target), "../../../..%s", outside);
    files_link("sys/out", target);
    CHECK(!wm_tree_exists(&tree, "out"));
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "out"));
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "sys/out"));
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "../%s", strrchr(outside, '/') + 1));
    CHECK(!wm_tree_exists(&tree, "proc/self/environ"));
    CHECK_INT(tree.n_notes, 0);
    unlink(outside);
    files_end(&tree);
}

static void test_loops(void)
{
    char out[40], name[40], target[40];
    struct wm_tree tree;
    struct wm_names names;
    files_begin(&tree);
    files_link("self", "self");
    files_link("sys/a", "b");
    files_link("sys/b", "/sys/a");
    files_link("sys/deep", "deep/deep");
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "self"));
    CHECK_TEXT(files_note(&tree, "self"), "a loop of links");
    CHECK(!wm_tree_exists(&tree, "sys/a/device"));
    CHECK_TEXT(files_note(&tree, "sys/a/device"), "a loop of links");
    CHECK(!wm_tree_exists(&tree, "sys/deep"));
    wm_tree_names(&tree, &names, "sys/b");
    CHECK_INT(names.n, 0);
    CHECK_TEXT(files_note(&tree, "sys/b"), "a loop of links");
    CHECK(wm_tree_link_name(&tree, out, sizeof(out), "self"));

    files_put("chain/0", "end\n");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof(name), "chain/%d", i);
        snprintf(target, sizeof(target), "%d", i - 1);
        files_link(name, target);
    }
    CHECK(wm_tree_text(&tree, out, sizeof(out), "chain/40")); /* as many as the kernel follows */
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "chain/41"));
    CHECK_TEXT(files_note(&tree, "chain/41"), "a loop of links");
    files_end(&tree);
}

static void test_link_names(void)
{
    char out[16], all[64];
    struct wm_tree tree;
    files_begin(&tree);
    files_link("sys/device", "../../../0000:18:00.0");
    files_link("sys/driver", "/bus/pci/drivers/mlx5_core/");
    files_link("sys/plain", "name");
    files_link("sys/long", "a/sixteen-letters!");
    files_link("sys/odd", "a/\x1b[31m");
    files_folder("sys/folder");
    CHECK(wm_tree_link_name(&tree, out, sizeof(out), "sys/device")); /* to nowhere, and yet a name */
    CHECK_TEXT(out, "0000:18:00.0");
    CHECK(wm_tree_link_name(&tree, out, sizeof(out), "sys/driver"));
    CHECK_TEXT(out, "mlx5_core");
    CHECK(wm_tree_link_name(&tree, out, sizeof(out), "sys/plain"));
    CHECK_TEXT(out, "name");
    CHECK(wm_tree_link(&tree, all, sizeof(all), "sys/driver"));
    CHECK_TEXT(all, "/bus/pci/drivers/mlx5_core/");
    CHECK(!wm_tree_link_name(&tree, out, sizeof(out), "sys/none"));
    CHECK(!wm_tree_link(&tree, all, sizeof(all), "sys/folder"));
    CHECK_INT(tree.n_notes, 0);
    CHECK(!wm_tree_link_name(&tree, out, sizeof(out), "sys/folder"));
    CHECK_TEXT(files_note(&tree, "sys/folder"), "is no link");
    CHECK(!wm_tree_link_name(&tree, out, sizeof(out), "sys/long"));
    CHECK_TEXT(out, "");
    CHECK_TEXT(files_note(&tree, "sys/long"), "points to a name of 16 bytes, more than the 15 that are expected");
    CHECK(!wm_tree_link_name(&tree, out, sizeof(out), "sys/odd"));
    CHECK_TEXT(files_note(&tree, "sys/odd"), "points to what is no text");
    files_end(&tree);
}

/* --- folders --- */

static void test_names(void)
{
    static const char *const want[] = { "eth0", "eth2", "eth10", "lo" };
    struct wm_tree tree;
    struct wm_names names;
    files_begin(&tree);
    files_put_all("net", "eth10", "", "lo", "", "eth2", "", "eth0", "", NULL);
    wm_tree_names(&tree, &names, "net");
    CHECK_INT(names.n, COUNT(want));
    for (int i = 0; i < names.n && i < COUNT(want); i++)
        CHECK_TEXT(names.name[i], want[i]);
    wm_names_free(&names);
    wm_tree_names(&tree, &names, "none");
    CHECK_INT(names.n, 0);
    CHECK_INT(tree.n_notes, 0);
    wm_tree_names(&tree, &names, "net/lo");
    CHECK_INT(names.n, 0);
    CHECK_TEXT(files_note(&tree, "net/lo"), "is no folder");

    files_put("odd/" EIGHT("eightlet"), "");
    files_put("odd/\x1b[31m", "");
    files_put("odd/good", "");
    wm_tree_names(&tree, &names, "odd");
    CHECK_INT(names.n, 1);
    CHECK_INT(tree.n_notes, 3);
    CHECK_TEXT(tree.notes[1].path, "odd");
    const char *reasons[] = { tree.notes[1].reason, tree.notes[2].reason };
    int long_first = strstr(reasons[0], "64 bytes") != NULL;
    CHECK_TEXT(reasons[!long_first], "a name of 64 bytes is left out: eightleteightleteightleteightleteightlet...");
    CHECK_TEXT(reasons[long_first], "a name that is no text is left out: ?[31m");
    wm_names_free(&names);
    files_end(&tree);
}

static void put_many(const char *folder, int from, int to)
{
    char name[80];
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof(name), "%s/eth%d", folder, i);
        files_put(name, "");
    }
}

static void test_many_names(void)
{
    struct wm_tree tree;
    struct wm_names names;
    files_begin(&tree);
    put_many("net", 0, WM_TREE_ENTRIES);
    wm_tree_names(&tree, &names, "net");
    CHECK_INT(names.n, WM_TREE_ENTRIES);
    CHECK_INT(tree.n_notes, 0);
    wm_names_free(&names);
    put_many("net", WM_TREE_ENTRIES, WM_TREE_ENTRIES + 5);
    wm_tree_names(&tree, &names, "net");
    CHECK_INT(names.n, WM_TREE_ENTRIES);
    CHECK_TEXT(files_note(&tree, "net"), "4101 entries: only the first 4096 are read");
    CHECK_TEXT(names.name[names.n - 1], "eth4095");
    wm_names_free(&names);
    files_end(&tree);
}

/* --- notes --- */

static void test_notes(void)
{
    char path[400] = "sys";
    struct wm_tree tree;
    files_begin(&tree);
    for (int i = 0; i < 3; i++)
        wm_tree_note(&tree, "sys/a", "speed %d", 1);
    CHECK_INT(tree.n_notes, 1);
    wm_tree_note(&tree, "sys/a", "speed %d", 2);
    wm_tree_note(&tree, "sys/b\n", "speed\t%d", 2);
    CHECK_INT(tree.n_notes, 3);
    CHECK_TEXT(tree.notes[2].path, "sys/b?");
    CHECK_TEXT(tree.notes[2].reason, "speed?2");
    for (int i = 0; i < 50; i++)
        strcat(path, "/folder");
    wm_tree_note(&tree, path, "x");
    CHECK_INT(strlen(tree.notes[3].path), sizeof(tree.notes[3].path) - 1);
    CHECK(strncmp(tree.notes[3].path, "...", 3) == 0);
    CHECK_HAS(tree.notes[3].path, "/folder/folder");
    for (int i = 0; i < WM_TREE_NOTES; i++)
        wm_tree_note(&tree, "sys/c", "%d", i);
    CHECK_INT(tree.n_notes, WM_TREE_NOTES);
    CHECK_INT(tree.notes_left_out, 4);
    files_end(&tree);
}

static void test_long_path(void)
{
    char out[8], path[6000] = "";
    struct wm_tree tree;
    files_begin(&tree);
    while (strlen(path) < 5000)
        strcat(path, "folder/");
    CHECK(!wm_tree_text(&tree, out, sizeof(out), "%s", path));
    CHECK_INT(tree.n_notes, 1);
    CHECK_TEXT(tree.notes[0].reason, "cannot be read: File name too long");
    files_end(&tree);
}

/* --- this machine --- */

static void test_here(void)
{
    char out[40];
    struct wm_tree tree;
    struct wm_err err = { 0 };
    CHECK_INT(wm_tree_open("/", &tree, &err), WM_OK);
    CHECK(wm_tree_text(&tree, out, sizeof(out), "proc/self/comm"));
    CHECK(out[0] != 0);
    CHECK(wm_tree_exists(&tree, "proc/self/exe"));
    CHECK_INT(wm_tree_bytes(&tree, out, sizeof(out), "proc/self/mem"), 0);
    CHECK_TEXT(files_note(&tree, "proc/self/mem"), "cannot be read: Input/output error");
    if (wm_tree_exists(&tree, "sys/class/net/lo/speed")) {
        int64_t speed;
        CHECK(!wm_tree_number(&tree, &speed, "sys/class/net/lo/speed"));
        CHECK_TEXT(files_note(&tree, "sys/class/net/lo/speed"), "cannot be read: Invalid argument");
    }
    wm_tree_close(&tree);
}

int main(void)
{
    test_root();
    test_texts();
    test_lines();
    test_numbers();
    test_bytes();
    test_no_files();
    test_huge();
    test_links_stay_inside();
    test_loops();
    test_link_names();
    test_names();
    test_many_names();
    test_notes();
    test_long_path();
    test_here();
    return wm_tests_end();
}
