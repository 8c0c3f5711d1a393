#include "src/transport/nccl_profiler.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { SUCCESS = 0, GROUP = 1 << 0, COLLECTIVE = 1 << 1, MESSAGE = 1 << 2 };

/* ---- Events: the kinds that are asked for; others come unasked and are passed over ---- */

struct collective_v3 {
    uint8_t type;
    void *parent;
    int rank;
    const char *name;
    uint64_t communicator, sequence;
    const char *function;
    const void *in;
    void *out;
    size_t count;
    int root;
    const char *element;
    uint8_t most_channels, warps; /* it may take fewer */
    const char *algorithm, *protocol;
};

struct collective_v4 {
    uint8_t type;
    void *parent;
    int rank;
    uint64_t sequence;
    const char *function;
    const void *in;
    void *out;
    size_t count;
    int root;
    const char *element;
    uint8_t channels, warps;
    const char *algorithm, *protocol;
};

struct message_v4 {
    uint8_t type;
    void *parent;
    int rank;
    const char *function;
    void *buffer;
    const char *element;
    size_t count;
    int peer;
    uint8_t channels;
};

#define STANDS(of, member, at) _Static_assert(offsetof(struct of, member) == (at), #of "." #member)
STANDS(collective_v3, name, 24);
STANDS(collective_v3, algorithm, 104);
STANDS(collective_v3, protocol, 112);
STANDS(collective_v4, sequence, 24);
STANDS(collective_v4, channels, 80);
STANDS(collective_v4, algorithm, 88);
STANDS(collective_v4, protocol, 96);
STANDS(message_v4, function, 24);
STANDS(message_v4, channels, 60);

/* ---- What is kept; NCCL calls from threads of its own, too ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct wm_nccl_profile *of_new;

/* Kernels without an algorithm of that list are "Unknown". */
static void keep_name(char *to, size_t bytes, const char *name)
{
    if (name != NULL && strcmp(name, "Unknown") != 0)
        snprintf(to, bytes, "%s", name);
}

static void hear_collective(struct wm_nccl_profile *p, const char *algorithm, const char *protocol, int channels)
{
    pthread_mutex_lock(&mutex);
    if (p->heard.algorithm[0] == '\0') {
        keep_name(p->heard.algorithm, sizeof(p->heard.algorithm), algorithm);
        keep_name(p->heard.protocol, sizeof(p->heard.protocol), protocol);
        p->heard.channels = channels;
    }
    pthread_mutex_unlock(&mutex);
}

static void hear_message(struct wm_nccl_profile *p, int channels)
{
    pthread_mutex_lock(&mutex);
    if (p->heard.algorithm[0] == '\0' && channels > p->heard.channels)
        p->heard.channels = channels;
    pthread_mutex_unlock(&mutex);
}

void wm_nccl_profile_of_new(struct wm_nccl_profile *p)
{
    pthread_mutex_lock(&mutex);
    of_new = p;
    pthread_mutex_unlock(&mutex);
}

void wm_nccl_profile_listen(struct wm_nccl_profile *p)
{
    pthread_mutex_lock(&mutex);
    p->heard = (struct wm_heard){ .channels = 0 };
    if (p->mask != NULL)
        __atomic_store_n(p->mask, COLLECTIVE | MESSAGE, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex);
}

void wm_nccl_profile_heard(struct wm_nccl_profile *p, struct wm_heard *out)
{
    pthread_mutex_lock(&mutex);
    if (p->mask != NULL)
        __atomic_store_n(p->mask, 0, __ATOMIC_RELAXED);
    *out = p->heard;
    pthread_mutex_unlock(&mutex);
}

/* ---- What NCCL calls ---- */

/* Without a context NCCL does not end it. */
static int begin(void **context, int *mask)
{
    pthread_mutex_lock(&mutex);
    *context = of_new;
    *mask = 0;
    if (of_new != NULL)
        of_new->mask = mask;
    pthread_mutex_unlock(&mutex);
    return SUCCESS;
}

static int begin_v3(void **context, int *mask)
{
    return begin(context, mask);
}

static int begin_v4(void **context, int *mask, const char *name, uint64_t communicator, int nodes, int ranks, int rank,
                    void (*log)(void))
{
    (void)name, (void)communicator, (void)nodes, (void)ranks, (void)rank, (void)log;
    return begin(context, mask);
}

static int begin_v5(void **context, uint64_t communicator, int *mask, const char *name, int nodes, int ranks, int rank,
                    void (*log)(void))
{
    (void)name, (void)communicator, (void)nodes, (void)ranks, (void)rank, (void)log;
    return begin(context, mask);
}

/* The third and fourth tell of a collective only in a group that has a handle; nothing else needs one. */
static void *handle_of(void *context, uint64_t type)
{
    return type == GROUP ? context : NULL;
}

static int event_v3(void *context, void **handle, const void *event)
{
    const struct collective_v3 *c = event;
    *handle = handle_of(context, c->type);
    if (context != NULL && c->type == COLLECTIVE)
        hear_collective(context, c->algorithm, c->protocol, 0);
    return SUCCESS;
}

static int hear_v4(void *context, uint64_t type, const void *event)
{
    const struct collective_v4 *c = event;
    const struct message_v4 *m = event;
    if (context != NULL && type == COLLECTIVE)
        hear_collective(context, c->algorithm, c->protocol, c->channels);
    else if (context != NULL && type == MESSAGE)
        hear_message(context, m->channels);
    return SUCCESS;
}

static int event_v4(void *context, void **handle, const void *event)
{
    const uint8_t type = *(const uint8_t *)event;
    *handle = handle_of(context, type);
    return hear_v4(context, type, event);
}

/* As the fourth, with more kinds, in 64 bits. */
static int event_v5(void *context, void **handle, const void *event)
{
    const uint64_t type = *(const uint64_t *)event;
    *handle = handle_of(context, type);
    return hear_v4(context, type, event);
}

static int end_event(void *handle)
{
    (void)handle;
    return SUCCESS;
}

static int event_state(void *handle, int state, const void *values)
{
    (void)handle, (void)state, (void)values;
    return SUCCESS;
}

static int end(void *context)
{
    (void)context;
    return SUCCESS;
}

#define PROFILER(n, ...)                                                                                               \
    struct profiler_v##n {                                                                                             \
        const char *name;                                                                                              \
        int (*begin)(__VA_ARGS__);                                                                                     \
        int (*event)(void *context, void **handle, const void *event);                                                 \
        int (*end_event)(void *handle);                                                                                \
        int (*event_state)(void *handle, int state, const void *values);                                               \
        int (*end)(void *context);                                                                                     \
    };                                                                                                                 \
    extern const struct profiler_v##n ncclProfiler_v##n; /* the names that NCCL looks for */                           \
    const struct profiler_v##n ncclProfiler_v##n = {                                                                   \
        "wiremark", begin_v##n, event_v##n, end_event, event_state, end,                                               \
    }

PROFILER(3, void **context, int *mask);
PROFILER(4, void **context, int *mask, const char *name, uint64_t communicator, int nodes, int ranks, int rank,
         void (*log)(void));
PROFILER(5, void **context, uint64_t communicator, int *mask, const char *name, int nodes, int ranks, int rank,
         void (*log)(void));
