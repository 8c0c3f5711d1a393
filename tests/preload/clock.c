/* A disturbed machine: the first readings of the clock take a microsecond each, put before libc with LD_PRELOAD. What
 * is found out about the clock at the start is too much for all that follows. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOW_READINGS = 30000, SLOW_NS = 1000 };

static long read_ns(clockid_t id, struct timespec *t)
{
    syscall(SYS_clock_gettime, id, t);
    return t->tv_sec * 1000000000L + t->tv_nsec;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static atomic_int seen;
    const long begin = read_ns(id, t);
    if (atomic_load(&seen) >= SLOW_READINGS)
        return 0;
    atomic_fetch_add(&seen, 1);
    while (read_ns(id, t) < begin + SLOW_NS)
        ;
    return 0;
}
