/** Checks for plain test programs: each prints got and want, none ends the program, main returns wm_tests_end(). */
#ifndef WM_TESTS_CHECK_H
#define WM_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

static int wm_passed, wm_failed, wm_skipped;

static inline int wm_check_that(int ok, const char *file, int line, const char *text)
{
    if (ok) {
        wm_passed++;
    } else {
        wm_failed++;
        printf("%s:%d: failed: %s\n", file, line, text);
    }
    return ok;
}

static inline int wm_check_int(long long got, long long want, const char *file, int line, const char *text)
{
    if (got != want)
        printf("%s:%d: %s: got %lld, want %lld\n", file, line, text, got, want);
    return wm_check_that(got == want, file, line, text);
}

static inline int wm_check_near(double got, double want, double tolerance, const char *file, int line, const char *text)
{
    int ok = (isnan(got) && isnan(want)) || fabs(got - want) <= tolerance;
    if (!ok)
        printf("%s:%d: %s: got %.17g, want %.17g\n", file, line, text, got, want);
    return wm_check_that(ok, file, line, text);
}

static inline int wm_check_text(const char *got, const char *want, const char *file, int line, const char *text)
{
    int ok = got != NULL && strcmp(got, want) == 0;
    if (!ok)
        printf("%s:%d: %s: got \"%s\", want \"%s\"\n", file, line, text, got ? got : "(null)", want);
    return wm_check_that(ok, file, line, text);
}

static inline int wm_check_has(const char *got, const char *part, const char *file, int line, const char *text)
{
    int ok = got != NULL && strstr(got, part) != NULL;
    if (!ok)
        printf("%s:%d: %s: got \"%s\", want it to contain \"%s\"\n", file, line, text, got ? got : "(null)", part);
    return wm_check_that(ok, file, line, text);
}

#define CHECK(cond)              wm_check_that(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_INT(got, want)     wm_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define CHECK_NEAR(got, want, t) wm_check_near((got), (want), (t), __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, want)    wm_check_text((got), (want), __FILE__, __LINE__, #got)
#define CHECK_HAS(got, part)     wm_check_has((got), (part), __FILE__, __LINE__, #got)

static inline int wm_tests_end(void)
{
    printf("%d passed, %d failed, %d skipped\n", wm_passed, wm_failed, wm_skipped);
    return wm_failed != 0 || wm_passed == 0;
}

#endif
