/*
 * A connection that is reset: put before libfabric with LD_PRELOAD. The WM_RESET_AT-th message that rank WM_RESET_RANK
 * sends over an internet socket by send(), sendto() or sendmsg(), as libfabric does and Open MPI does not, finds its
 * connection gone, and so does the peer.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : fallback;
}

/* Connecting to nowhere ends a connection with a reset. */
static int is_reset(int fd)
{
    static long seen;
    struct sockaddr_storage name = { 0 };
    socklen_t bytes = sizeof(name);

    if (number("OMPI_COMM_WORLD_RANK", number("PMI_RANK", -1)) != number("WM_RESET_RANK", 0) ||
        getsockname(fd, (struct sockaddr *)&name, &bytes) != 0 ||
        (name.ss_family != AF_INET && name.ss_family != AF_INET6) || ++seen != number("WM_RESET_AT", 1000))
        return 0;
    name = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
    connect(fd, (struct sockaddr *)&name, sizeof(name));
    errno = ECONNRESET;
    return 1;
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "send");
    return is_reset(fd) ? -1 : real(fd, data, bytes, flags);
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes)
{
    static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sendto");
    return is_reset(fd) ? -1 : real(fd, data, bytes, flags, to, to_bytes);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
    return is_reset(fd) ? -1 : real(fd, message, flags);
}
