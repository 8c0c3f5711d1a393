#include "src/core/units.h"

#include "tests/unit/check.h"

static void parses_bytes(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *error; /* NULL: none */
    } rows[] = {
        { "0", 0, NULL },
        { "1", 1, NULL },
        { "1048576", 1048576, NULL },
        { "7B", 7, NULL },
        { "4K", 4096, NULL },
        { "4k", 4096, NULL },
        { "4KB", 4096, NULL },
        { "4KiB", 4096, NULL },
        { "4M", 4 << 20, NULL },
        { "3G", UINT64_C(3) << 30, NULL },
        { "2TiB", UINT64_C(2) << 40, NULL },
        { "18446744073709551615", UINT64_MAX, NULL },
        { "16777215T", UINT64_C(16777215) << 40, NULL },
        { "16777216T", 0, "\"16777216T\" is too large" },
        { "18446744073709551616", 0, "too large" },
        { "99999999999999999999G", 0, "\"99999999999999999999G\" is too large, want 16777215T at most" },
        { "1Q", 0, "\"1Q\" is not a size, want a whole number with B, K, M, G or T in powers of 1024, like 4M" },
        { "-1", 0, "\"-1\" is negative, want a whole number" },
        { "-", 0, "\"-\" is not a size" },
        { "+1", 0, "\"+1\" is not a size" },
        { " 1", 0, "\" 1\" is not a size" },
        { "1 ", 0, "\"1 \" is not a size" },
        { "1 K", 0, "not a size" },
        { "1.5K", 0, "\"1.5K\" is not a size, want a whole number" },
        { "0x10", 0, "not a size" },
        { "4KK", 0, "not a size" },
        { "99999999999999999999Q", 0, "not a size" },
        { "K", 0, "not a size" },
        { "", 0, "\"\" is not a size" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_err err = { 0 };
        uint64_t bytes = 12345;
        CHECK_INT(wm_parse_bytes(rows[i].text, &bytes, &err), rows[i].error == NULL ? WM_OK : WM_EUSAGE);
        CHECK(bytes == (rows[i].error == NULL ? rows[i].bytes : 12345)); /* untouched on failure */
        CHECK_HAS(err.what, rows[i].error == NULL ? "" : rows[i].error);
    }
}

static void parses_time(void)
{
    static const struct {
        const char *text;
        uint64_t ns;
        const char *error;
    } rows[] = {
        { "0.2s", 200000000, NULL },
        { "250ms", 250000000, NULL },
        { "1.5us", 1500, NULL },
        { "7ns", 7, NULL },
        { "60", UINT64_C(60000000000), NULL },
        { "2m", UINT64_C(120000000000), NULL },
        { "1h", UINT64_C(3600000000000), NULL },
        { ".5s", 500000000, NULL },
        { "5.s", UINT64_C(5000000000), NULL },
        { "0", 0, NULL },
        { "2562047h", UINT64_C(9223369200000000000), NULL },
        { "2562048h", 0, "\"2562048h\" is too large, want 2562047h at most" },
        { "99999999999999999999", 0, "too large" },
        { "-1s", 0, "\"-1s\" is negative, want a number with ns, us, ms, s, m or h, like 0.2s" },
        { "1d", 0, "\"1d\" is not a time" },
        { "1S", 0, "\"1S\" is not a time" },
        { "1.2.3s", 0, "not a time" },
        { ".", 0, "not a time" },
        { "s", 0, "not a time" },
        { "inf", 0, "not a time" },
        { "nan", 0, "not a time" },
        { "1e3", 0, "not a time" },
        { "0x1p3", 0, "not a time" },
        { " 1s", 0, "not a time" },
        { "1 s", 0, "not a time" },
        { "", 0, "\"\" is not a time" },
        { "1111111111111111111111111111111111111111111111111111111111111111s", 0, "not a time" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_err err = { 0 };
        uint64_t ns = 12345;
        CHECK_INT(wm_parse_time_ns(rows[i].text, &ns, &err), rows[i].error == NULL ? WM_OK : WM_EUSAGE);
        CHECK_INT(ns, rows[i].error == NULL ? rows[i].ns : 12345);
        CHECK_HAS(err.what, rows[i].error == NULL ? "" : rows[i].error);
    }
}

static void parses_shares(void)
{
    static const struct {
        const char *text;
        double share;
        const char *error;
    } rows[] = {
        { "2%", 0.02, NULL },
        { "0.02", 0.02, NULL },
        { "0.5%", 0.005, NULL },
        { "100%", 1, NULL },
        { "0", 0, NULL },
        { "0%", 0, NULL },
        { "-2%", 0, "is negative" },
        { "two", 0, "\"two\" is not a share" },
        { "2%%", 0, "a share" },
        { "", 0, "a share" },
        { "%", 0, "a percentage like 2% or a fraction like 0.02" },
        { "nan", 0, "a share" },
        { "inf%", 0, "a share" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_err err = { 0 };
        double share = 7;
        CHECK_INT(wm_parse_share(rows[i].text, &share, &err), rows[i].error == NULL ? WM_OK : WM_EUSAGE);
        CHECK_NEAR(share, rows[i].error == NULL ? rows[i].share : 7, 1e-15);
        CHECK_HAS(err.what, rows[i].error == NULL ? "" : rows[i].error);
    }
}

static void parses_numbers(void)
{
    static const struct {
        const char *text;
        int64_t number;
        const char *error;
    } rows[] = {
        { "0", 0, NULL },
        { "-5", -5, NULL },
        { "64", 64, NULL },
        { "9223372036854775807", INT64_MAX, NULL },
        { "-9223372036854775808", INT64_MIN, NULL },
        { "9223372036854775808", 0, "is too large, want 9223372036854775807 at most" },
        { "-9223372036854775809", 0, "is too small" },
        { "4K", 0, "\"4K\" is not a number, want a whole number" },
        { "1.5", 0, "not a number" },
        { "--1", 0, "not a number" },
        { "-", 0, "not a number" },
        { "+1", 0, "not a number" },
        { " 1", 0, "not a number" },
        { "", 0, "not a number" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wm_err err = { 0 };
        int64_t number = 12345;
        CHECK_INT(wm_parse_int(rows[i].text, &number, &err), rows[i].error == NULL ? WM_OK : WM_EUSAGE);
        CHECK_INT(number, rows[i].error == NULL ? rows[i].number : 12345);
        CHECK_HAS(err.what, rows[i].error == NULL ? "" : rows[i].error);
    }
}

static void formats_bytes(void)
{
    static const struct {
        uint64_t bytes;
        const char *exact, *about;
    } rows[] = {
        { 0, "0", "0 B" },
        { 1, "1", "1 B" },
        { 1000, "1000", "1000 B" },
        { 1023, "1023", "1023 B" },
        { 1024, "1K", "1.00 KiB" },
        { 1536, "1536", "1.50 KiB" },
        { 1536 << 10, "1536K", "1.50 MiB" },
        { 4 << 20, "4M", "4.00 MiB" },
        { 1023 << 10, "1023K", "1023 KiB" },
        { (1 << 20) - 1, "1048575", "1.00 MiB" },
        { UINT64_C(5) << 40, "5T", "5.00 TiB" },
        { UINT64_C(2048) << 40, "2048T", "2.00 PiB" },
        { 123456789, "123456789", "118 MiB" },
        { UINT64_MAX, "18446744073709551615", "16.0 EiB" },
    };
    char text[WM_TEXT_BYTES];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_TEXT(wm_format_bytes(text, rows[i].bytes), rows[i].exact);
        CHECK_TEXT(wm_format_memory(text, rows[i].bytes), rows[i].about);
    }
}

/* What is printed is read back as the same number. */
static void bytes_come_back(void)
{
    char text[WM_TEXT_BYTES];
    for (uint64_t bytes = 1; bytes < UINT64_C(1) << 62; bytes = bytes * 3 + bytes % 5) {
        struct wm_err err = { 0 };
        uint64_t back = 0;
        CHECK_INT(wm_parse_bytes(wm_format_bytes(text, bytes), &back, &err), WM_OK);
        CHECK(back == bytes);
    }
}

static void formats_scaled(void)
{
    static const struct {
        double value;
        const char *ns, *rate, *count;
    } rows[] = {
        { 0, "0 ns", "0 B/s", "0 /s" },
        { 0.4567, "0.457 ns", "0.457 B/s", "0.457 /s" },
        { 0.9996, "1.00 ns", "1.00 B/s", "1.00 /s" },
        { 7.123, "7.12 ns", "7.12 B/s", "7.12 /s" },
        { 9.996, "10.0 ns", "10.0 B/s", "10.0 /s" },
        { 99.96, "100 ns", "100 B/s", "100 /s" },
        { 431.4, "431 ns", "431 B/s", "431 /s" },
        { 999.4, "999 ns", "999 B/s", "999 /s" },
        { 999.6, "1.00 us", "1.00 kB/s", "1.00 k/s" },
        { 1920, "1.92 us", "1.92 kB/s", "1.92 k/s" },
        { 3.214e6, "3.21 ms", "3.21 MB/s", "3.21 M/s" },
        { 1.234e7, "12.3 ms", "12.3 MB/s", "12.3 M/s" },
        { 4.56e9, "4.56 s", "4.56 GB/s", "4.56 G/s" },
        { 1.2345e10, "12.3 s", "12.3 GB/s", "12.3 G/s" },
        { 1.5e12, "1500 s", "1.50 TB/s", "1.50 T/s" },
        { 1e300, "1.00e+291 s", "1.00e+288 TB/s", "1.00e+288 T/s" },
        { -1920, "-1.92 us", "-1.92 kB/s", "-1.92 k/s" },
        { NAN, "-", "-", "-" },
        { INFINITY, "-", "-", "-" },
    };
    char text[WM_TEXT_BYTES];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_TEXT(wm_format_ns(text, rows[i].value), rows[i].ns);
        CHECK_TEXT(wm_format_rate(text, rows[i].value), rows[i].rate);
        CHECK_TEXT(wm_format_count(text, rows[i].value), rows[i].count);
    }
}

int main(void)
{
    parses_bytes();
    parses_time();
    parses_shares();
    parses_numbers();
    formats_bytes();
    bytes_come_back();
    formats_scaled();
    return wm_tests_end();
}
