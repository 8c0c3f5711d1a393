/** What sanitized programs of ours ask of the sanitizers; linked only where SANITIZE is set. */
const char *__asan_default_options(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void);

/*
 * The fast unwinder loses itself in libraries without frame pointers, and a leak without its callers is not matched.
 * A refused allocation is an answer that our code handles, as without the sanitizer.
 */
const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:allocator_may_return_null=1";
}

/* Tests read what a rank says. */
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

/* MPI libraries keep memory until the process ends. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libmpi.so\n"
           "leak:libopen-rte.so\n"
           "leak:libopen-pal.so\n"
           "leak:libevent_core\n"
           "leak:libmpich.so\n"
           "leak:libfabric.so\n";
}
