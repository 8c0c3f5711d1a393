/*
 * NCCL without GPUs: named by --nccl-lib, or libnccl.so.2 in a folder of LD_LIBRARY_PATH, it moves memory of the
 * stand-in for NVIDIA's driver (cuda.c) between the ranks of one host, through a file in /dev/shm. Work stands in the
 * stream's order and never blocks. As the real one does, it reads NCCL_NET_GDR_LEVEL and NCCL_DEBUG_FILE once and keeps
 * them as long as it is loaded, lets communicators that do not block go on in the background, and tells its log how it
 * connects. From the environment: WM_NCCL_NET (Socket), the only network that there is; WM_NCCL_FAIL=init=hang |
 * init=STATUS | async=N | stop=N: the communicator never comes, fails, fails after its N-th operation, or its N-th
 * operation and all after it never end. Its profiler is called as the real one's is, of the version WM_NCCL_PROFILER
 * (0: none); WM_NCCL_TOLD=FILE: how many operations began, and how many of them it was told of, a line a communicator.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef WM_NCCL_VERSION
#define WM_NCCL_VERSION  22809
#define WM_NCCL_PROFILER 5
#endif

#include "src/mem/cuda_kernels.h"
#include "src/transport/nccl_library.h"
#include "tests/preload/cuda_work.h"

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { RANKS = 8, AREA = 16 << 20, CHANNEL = 4 << 20, GROUP = 4096 };

#define PROTOTYPE(name, symbol, needed, type, arguments) type symbol arguments;
WM_NCCL_CALLS(PROTOTYPE)

/* ---- What the ranks share ---- */

struct shared {
    atomic_int attached, left;
    struct {
        atomic_ulong published, consumed;
        char pad[112];
    } rank[RANKS];
    struct {
        atomic_ulong sent, taken;
    } channel[RANKS][RANKS];
    char pad[4096];
    char area[RANKS][AREA];
    char message[RANKS][RANKS][CHANNEL];
};

struct ncclComm {
    struct shared *shared;
    char name[160], last[200];
    int rank, ranks, async, splits;
    bool blocking, ready, hangs, aborted, asked;
    bool unreachable;   /* its ranks are found when the first operation is to connect them, or rather not */
    unsigned long turn; /* collectives that began */
    int operations;     /* begun */
    int enqueued, told; /* by the host; of them, told the profiler */
    void *profiler_context;
    struct ncclComm *child, **child_out; /* that is being split from it in the background, and where it will be named */
    struct work *works;                  /* not released */
    struct work *pending;                /* of a communicator that does not block */
    struct CUstream_st *pending_stream;
};

enum kind { ALLREDUCE, BROADCAST, REDUCE, ALLGATHER, REDUCE_SCATTER, SEND, RECV };
struct op {
    enum kind kind;
    const char *in;
    char *out;
    size_t count;
    int type, op, peer; /* peer: root, too */
    bool done;
};

/* One group of messages, or one collective. */
struct work {
    struct wm_cuda_foreign foreign;
    struct ncclComm *comm;
    struct work *next;
    struct work *sibling; /* of the communicator's */
    unsigned long turn;   /* 0: not begun */
    bool published;
    int n;
    struct op op[];
};

static __thread char last_error[200];
static int (*queue_work)(struct CUstream_st *stream, struct wm_cuda_foreign *work);
static void *(*alias)(const void *at);

static size_t size_of(int type)
{
    static const size_t sizes[] = { 1, 1, 4, 4, 8, 8, 2, 4, 8, 2 };
    return sizes[type];
}

static bool find_driver(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *at;
    if (library == NULL || (at = dlsym(library, "wm_cuda_work")) == NULL)
        return false;
    memcpy(&queue_work, &at, sizeof(at));
    at = dlsym(library, "wm_cuda_alias");
    memcpy(&alias, &at, sizeof(at));
    return true;
}

static int planned(const char *what, int fallback)
{
    const char *text = getenv("WM_NCCL_FAIL");
    size_t length = strlen(what);
    return text != NULL && strncmp(text, what, length) == 0 && text[length] == '=' ? atoi(text + length + 1) : fallback;
}

/* ---- The log ---- */

static FILE *log_file(void)
{
    static FILE *file;
    static bool asked;
    const char *name = getenv("NCCL_DEBUG_FILE"), *level = getenv("NCCL_DEBUG");
    if (!asked && level != NULL && strcmp(level, "INFO") == 0 && name != NULL)
        file = fopen(name, "a");
    asked = true;
    return file;
}

static bool direct(void)
{
    static int level = -1; /* kept, as the real one does */
    const char *text = getenv("NCCL_NET_GDR_LEVEL");
    if (level < 0)
        level = text == NULL || strcmp(text, "LOC") != 0;
    return level;
}

static const char *network(void)
{
    const char *name = getenv("WM_NCCL_NET");
    return name != NULL ? name : "Socket";
}

static void tell(const struct ncclComm *c)
{
    FILE *to = log_file();
    const char *rdma = direct() ? "/GDRDMA" : "";
    const int next = (c->rank + 1) % c->ranks;
    if (to == NULL)
        return;
    fprintf(to, "host:1:2 [0] NCCL INFO NET/%s : Using [0]stand-in0:1/RoCE\n", network());
    fprintf(to, "host:1:2 [0] NCCL INFO Using network %s\n", network());
    if (c->ranks > 1)
        fprintf(to, "host:1:2 [0] NCCL INFO Channel 00/0 : %d[0] -> %d[0] [send] via NET/%s/0%s\n", c->rank, next,
                network(), rdma);
    fprintf(to, "host:1:2 [0] NCCL INFO 1 coll channels, 0 collnet channels, 0 nvls channels, 1 p2p channels, 1 p2p "
                "channels per peer\n");
    fflush(to);
}

/* ---- The profiler: found by name, in a library or in the program, and called for what its mask says ---- */

#if WM_NCCL_PROFILER > 0
enum { TELL_GROUP = 1, TELL_COLLECTIVE = 2, TELL_MESSAGE = 4, TELL_GROUP_CALL = 256 };

#if WM_NCCL_PROFILER >= 5
typedef uint64_t event_type;
#else
typedef uint8_t event_type;
#endif

struct event {
    event_type type;
    void *parent;
    int rank;
    union {
        struct {
#if WM_NCCL_PROFILER == 3
            const char *name;
            uint64_t communicator;
#endif
            uint64_t sequence;
            const char *function;
            const void *in;
            void *out;
            size_t count;
            int root;
            const char *type;
            uint8_t channels, warps;
            const char *algorithm, *protocol;
            void *group;
        } collective;
        struct {
#if WM_NCCL_PROFILER == 3
            const char *name;
            uint64_t communicator;
#endif
            const char *function;
            void *buffer;
            const char *type;
            size_t count;
            int peer;
            uint8_t channels;
            void *group;
        } message;
    };
};

static struct profiler {
    const char *name;
#if WM_NCCL_PROFILER == 3
    int (*init)(void **context, int *mask);
#elif WM_NCCL_PROFILER == 4
    int (*init)(void **context, int *mask, const char *name, uint64_t communicator, int nodes, int ranks, int rank,
                void (*log)(void));
#else
    int (*init)(void **context, uint64_t communicator, int *mask, const char *name, int nodes, int ranks, int rank,
                void (*log)(void));
#endif
    int (*start)(void *context, void **handle, const struct event *event);
    int (*stop)(void *handle);
    int (*state)(void *handle, int state, const void *values);
    int (*finalize)(void *context);
} * profiler;
static int profiler_mask;

#define TEXT_OF(n)  #n
#define NAME_OF(n)  "ncclProfiler_v" TEXT_OF(n)
#define PROFILER_AT NAME_OF(WM_NCCL_PROFILER)

static void find_profiler(void)
{
    const char *name = getenv("NCCL_PROFILER_PLUGIN");
    if (name != NULL && strcasecmp(name, "none") == 0)
        return;
    name = name != NULL ? name : "libnccl-profiler.so";
    void *library = dlopen(strcmp(name, "STATIC_PLUGIN") == 0 ? NULL : name, RTLD_NOW | RTLD_LOCAL);
    profiler = library != NULL ? dlsym(library, PROFILER_AT) : NULL;
}

static void init_profiler(struct ncclComm *c)
{
    if (profiler == NULL)
        find_profiler();
    if (profiler == NULL)
        return;
#if WM_NCCL_PROFILER == 3
    profiler->init(&c->profiler_context, &profiler_mask);
#elif WM_NCCL_PROFILER == 4
    profiler->init(&c->profiler_context, &profiler_mask, "", 7, 1, c->ranks, c->rank, NULL);
#else
    profiler->init(&c->profiler_context, 7, &profiler_mask, "", 1, c->ranks, c->rank, NULL);
#endif
}

static void end_profiler(struct ncclComm *c)
{
    const char *name = getenv("WM_NCCL_TOLD");
    FILE *to = name != NULL && c->enqueued > 0 ? fopen(name, "a") : NULL;
    if (to != NULL) {
        fprintf(to, "%d %d %d\n", c->rank, c->enqueued, c->told);
        fclose(to);
    }
    if (profiler != NULL && c->profiler_context != NULL)
        profiler->finalize(c->profiler_context);
}

/* What it does not fill in is rubbish. */
static struct event new_event(const struct ncclComm *c, event_type type)
{
    struct event event;
    memset(&event, 0xee, sizeof(event));
    event.type = type;
    event.rank = c->rank;
    return event;
}

static void *start(struct ncclComm *c, const struct event *event)
{
    void *handle = NULL;
    profiler->start(c->profiler_context, &handle, event);
    return handle;
}

static void tell_operation(struct ncclComm *c, const struct op *op, size_t bytes)
{
    struct event event = new_event(c, op->kind < SEND ? TELL_COLLECTIVE : TELL_MESSAGE);
    const bool small = op->kind == ALLREDUCE && bytes < 65536;
    if (op->kind < SEND) {
        event.collective.channels = small ? 1 : 4;
        event.collective.algorithm = small ? "TREE" : "RING";
        event.collective.protocol = small ? "LL" : "SIMPLE";
    } else {
        event.message.channels = 2;
    }
    void *handle = start(c, &event);
    if (handle != NULL)
        profiler->stop(handle);
}

/* Before the fifth version nothing is told outside a group that has a handle. */
static void tell_operations(struct ncclComm *c, const struct op *ops, int n)
{
    c->enqueued += n;
    if (profiler == NULL || (profiler_mask & (TELL_GROUP | TELL_COLLECTIVE | TELL_MESSAGE)) == 0)
        return;
    c->told += n;
    struct event group = new_event(c, TELL_GROUP), call = new_event(c, (event_type)TELL_GROUP_CALL);
    void *of_call = WM_NCCL_PROFILER >= 5 ? start(c, &call) : NULL, *handle = start(c, &group);
    for (int i = 0; i < n; i++)
        if ((handle != NULL || WM_NCCL_PROFILER >= 5) &&
            (profiler_mask & (ops[i].kind < SEND ? TELL_COLLECTIVE : TELL_MESSAGE)) != 0)
            tell_operation(c, &ops[i], ops[i].count * size_of(ops[i].type));
    if (handle != NULL)
        profiler->stop(handle);
    if (of_call != NULL)
        profiler->stop(of_call);
}
#else
static void init_profiler(struct ncclComm *c)
{
    (void)c;
}

static void end_profiler(struct ncclComm *c)
{
    (void)c;
}

static void tell_operations(struct ncclComm *c, const struct op *ops, int n)
{
    (void)c, (void)ops, (void)n;
}
#endif

/* ---- Communicators ---- */

int ncclGetVersion(int *out)
{
    *out = WM_NCCL_VERSION;
    return SUCCESS;
}

const char *ncclGetErrorString(int status)
{
    return status == REMOTE_ERROR    ? "remote process exited or there was a network error"
           : status == INVALID_USAGE ? "invalid usage"
           : status == SYSTEM_ERROR  ? "unhandled system error"
                                     : "another error";
}

const char *ncclGetLastError(struct ncclComm *comm)
{
    return comm != NULL ? comm->last : last_error;
}

int ncclGetUniqueId(struct wm_nccl_id *out)
{
    memset(out, 0, sizeof(*out));
    snprintf(out->bytes, sizeof(out->bytes), "/dev/shm/wiremark-stand-in-XXXXXX");
    int fd = mkstemp(out->bytes);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return SYSTEM_ERROR;
    close(fd);
    return SUCCESS;
}

static int attach(struct ncclComm *c)
{
    int fd = open(c->name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return SYSTEM_ERROR;
    c->shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (c->shared == MAP_FAILED)
        return SYSTEM_ERROR;
    atomic_fetch_add(&c->shared->attached, 1);
    return SUCCESS;
}

static void come_up(struct ncclComm *c)
{
    if (c->ready || c->hangs || c->async != IN_PROGRESS || atomic_load(&c->shared->attached) < c->ranks)
        return;
    unlink(c->name);
    c->ready = true;
    c->async = SUCCESS;
    tell(c);
}

static int begin(struct ncclComm *c, const struct wm_nccl_config *config)
{
    const char *named = config->version >= 21700 ? config->net_name : NULL;
    if (config->magic != 0xcafebeef || config->size < offsetof(struct wm_nccl_config, split_share) ||
        queue_work == NULL)
        return INVALID_ARGUMENT;
    c->blocking = config->blocking != 0;
    c->async = IN_PROGRESS;
    init_profiler(c);
    const char *fail = getenv("WM_NCCL_FAIL");
    c->hangs = fail != NULL && strcmp(fail, "init=hang") == 0;
    c->unreachable = fail != NULL && strcmp(fail, "connect=hang") == 0;
    if (named != NULL && strcasecmp(named, network()) != 0) {
        snprintf(c->last, sizeof(c->last), "Error: network %s not found.\n", named);
        c->async = INVALID_USAGE;
    } else if (!c->hangs && planned("init", 0) != 0) {
        snprintf(c->last, sizeof(c->last), "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device a1000");
        c->async = planned("init", 0);
    } else if (attach(c) != SUCCESS) {
        c->async = SYSTEM_ERROR;
    }
    return c->async;
}

static int come_up_now(struct ncclComm *c)
{
    while (c->async == IN_PROGRESS)
        come_up(c);
    return c->async;
}

int ncclCommInitRankConfig(struct ncclComm **out, int ranks, struct wm_nccl_id id, int rank,
                           struct wm_nccl_config *config)
{
    struct ncclComm *c = calloc(1, sizeof(*c));
    if (ranks > RANKS || !find_driver())
        return INVALID_ARGUMENT;
    snprintf(c->name, sizeof(c->name), "%s", id.bytes);
    c->rank = rank;
    c->ranks = ranks;
    *out = c;
    int status = begin(c, config);
    return status == INVALID_ARGUMENT ? status : c->blocking ? come_up_now(c) : IN_PROGRESS;
}

/* As a user calls it. */
int ncclCommInitRank(struct ncclComm **out, int ranks, struct wm_nccl_id id, int rank);
int ncclCommInitRank(struct ncclComm **out, int ranks, struct wm_nccl_id id, int rank)
{
    struct wm_nccl_config config = { .size = sizeof(config), .magic = 0xcafebeef, .blocking = 1 };
    return ncclCommInitRankConfig(out, ranks, id, rank, &config);
}

static void queue_pending(struct ncclComm *c)
{
    while (c->pending != NULL) {
        struct work *w = c->pending;
        c->pending = w->next;
        queue_work(c->pending_stream, &w->foreign);
    }
}

static void split_on(struct ncclComm *comm)
{
    come_up(comm->child);
    if (comm->child->async == IN_PROGRESS)
        return;
    *comm->child_out = comm->child;
    comm->async = comm->child->async;
    comm->child = NULL;
}

/* The first question after something began is too early. */
int ncclCommGetAsyncError(struct ncclComm *comm, int *out)
{
    const int last = planned("async", 0);
    come_up(comm);
    if (comm->child != NULL)
        split_on(comm);
    if (comm->async == SUCCESS && last > 0 && comm->operations >= last) {
        snprintf(comm->last, sizeof(comm->last), "NET/Socket : peer 127.0.0.1<4711> has gone\n");
        comm->async = REMOTE_ERROR;
    }
    *out = comm->async;
    if (comm->async != SUCCESS || comm->pending == NULL)
        return SUCCESS;
    if (!comm->asked)
        *out = IN_PROGRESS;
    else
        queue_pending(comm);
    comm->asked = !comm->asked;
    return SUCCESS;
}

/* As long as a graph has some of its work. */
static void await_graphs(const struct ncclComm *comm)
{
    for (const struct work *w = comm->works; w != NULL; w = w->sibling)
        while (w->foreign.held > 0)
            pause();
}

int ncclCommFinalize(struct ncclComm *comm)
{
    await_graphs(comm);
    return comm->async;
}

int ncclCommDestroy(struct ncclComm *comm)
{
    end_profiler(comm);
    if (comm->shared != NULL)
        munmap(comm->shared, sizeof(struct shared));
    free(comm);
    return SUCCESS;
}

/* Its work is in the stream still: what is shared stays. */
int ncclCommAbort(struct ncclComm *comm)
{
    comm->aborted = true;
    await_graphs(comm);
    unlink(comm->name);
    return SUCCESS;
}

/* ---- Running ---- */

static void reduce_into(char *to, const char *from, const struct op *op, size_t count)
{
    static const int types[] = { 0, -1, 1, -1, 2, -1, 5, 3, 4, 6 }, ops[] = { 0, 3, 2, 1 };
    const size_t bytes = size_of(op->type);
    for (size_t i = 0; i < count; i++) {
        uint64_t a = 0, b = 0;
        memcpy(&a, to + i * bytes, bytes);
        memcpy(&b, from + i * bytes, bytes);
        a = wm_element_reduce(a, b, types[op->type], ops[op->op]);
        memcpy(to + i * bytes, &a, bytes);
    }
}

static size_t input_bytes(const struct ncclComm *c, const struct op *op)
{
    const size_t bytes = op->count * size_of(op->type);
    return op->kind == REDUCE_SCATTER ? bytes * (size_t)c->ranks : bytes;
}

static void combine(struct ncclComm *c, const struct op *op)
{
    const size_t bytes = op->count * size_of(op->type), at = op->kind == REDUCE_SCATTER ? bytes * (size_t)c->rank : 0;
    char *out = alias(op->out);
    if (op->kind == BROADCAST) {
        memcpy(out, c->shared->area[op->peer], bytes);
        return;
    }
    if (op->kind == REDUCE && c->rank != op->peer)
        return;
    for (int r = 0; r < c->ranks; r++)
        if (op->kind == ALLGATHER)
            memcpy(out + (size_t)r * bytes, c->shared->area[r], bytes);
        else if (r == 0)
            memcpy(out, c->shared->area[r] + at, bytes);
        else
            reduce_into(out, c->shared->area[r] + at, op, op->count);
}

static bool all_reached(struct ncclComm *c, unsigned long turn, bool published)
{
    for (int r = 0; r < c->ranks; r++)
        if (atomic_load(published ? &c->shared->rank[r].published : &c->shared->rank[r].consumed) < turn)
            return false;
    return true;
}

static bool step_collective(struct ncclComm *c, struct work *w, const struct op *op)
{
    if (w->turn == 0)
        w->turn = ++c->turn;
    if (!w->published) {
        if (!all_reached(c, w->turn - 1, false))
            return false;
        if (op->kind != BROADCAST || c->rank == op->peer)
            memcpy(c->shared->area[c->rank], alias(op->in), input_bytes(c, op));
        w->published = true;
        atomic_store(&c->shared->rank[c->rank].published, w->turn);
    }
    if (!all_reached(c, w->turn, true))
        return false;
    combine(c, op);
    atomic_store(&c->shared->rank[c->rank].consumed, w->turn);
    return true;
}

static bool step_message(struct ncclComm *c, const struct op *op)
{
    struct shared *s = c->shared;
    const int from = op->kind == SEND ? c->rank : op->peer, to = op->kind == SEND ? op->peer : c->rank;
    const unsigned long sent = atomic_load(&s->channel[from][to].sent),
                        taken = atomic_load(&s->channel[from][to].taken);
    if (op->kind == SEND ? sent != taken : sent == taken)
        return false;
    if (op->kind == SEND) {
        memcpy(s->message[from][to], alias(op->in), op->count * size_of(op->type));
        atomic_store(&s->channel[from][to].sent, sent + 1);
    } else {
        memcpy(alias(op->out), s->message[from][to], op->count * size_of(op->type));
        atomic_store(&s->channel[from][to].taken, taken + 1);
    }
    return true;
}

/* Messages between two ranks keep their order. */
static bool step_messages(struct ncclComm *c, struct work *w)
{
    bool stuck[2][RANKS] = { { false } };
    int open = 0;
    for (int i = 0; i < w->n; i++) {
        struct op *op = &w->op[i];
        bool *stands = &stuck[op->kind == SEND][op->peer];
        if (!op->done && !*stands)
            op->done = step_message(c, op);
        *stands |= !op->done;
        open += !op->done;
    }
    return open == 0;
}

static bool step(struct wm_cuda_foreign *foreign)
{
    struct work *w = (struct work *)foreign;
    const int stop = planned("stop", 0);
    struct ncclComm *c = w->comm;
    if (c->aborted)
        return true;
    if (w->turn == 0 && !w->published && w->op[0].kind < SEND)
        c->operations++;
    if (stop > 0 && c->operations >= stop)
        return false;
    if (planned("async", 0) > 0 && c->operations >= planned("async", 0))
        return false;
    if (!(w->op[0].kind < SEND ? step_collective(c, w, &w->op[0]) : step_messages(c, w)))
        return false;
    w->turn = 0;
    w->published = false;
    for (int i = 0; i < w->n; i++)
        w->op[i].done = false;
    return true;
}

static void release(struct wm_cuda_foreign *foreign)
{
    struct work **at = &((struct work *)foreign)->comm->works;
    while (*at != (struct work *)foreign)
        at = &(*at)->sibling;
    *at = (*at)->sibling;
    free(foreign);
}

/* ---- Enqueueing ---- */

static __thread struct {
    int depth, n, status;
    struct ncclComm *comm;
    struct CUstream_st *stream;
    struct op op[GROUP];
} group;

static void launch(struct ncclComm *c, struct CUstream_st *stream, const struct op *ops, int n)
{
    struct work *w = calloc(1, sizeof(*w) + (size_t)n * sizeof(*ops)), **last = &c->pending;
    while (c->unreachable && c->blocking)
        pause();
    if (c->unreachable)
        c->async = IN_PROGRESS;
    w->foreign = (struct wm_cuda_foreign){ .step = step, .release = release };
    w->comm = c;
    w->sibling = c->works;
    c->works = w;
    w->n = n;
    memcpy(w->op, ops, (size_t)n * sizeof(*ops));
    tell_operations(c, ops, n);
    if (c->blocking) {
        queue_work(stream, &w->foreign);
        return;
    }
    while (*last != NULL)
        last = &(*last)->next;
    *last = w;
    c->pending_stream = stream;
    c->asked = false;
}

/* Collectives in their order, then all messages together. */
static int launch_group(void)
{
    struct ncclComm *c = group.comm;
    int status = group.status, messages = 0;
    for (int i = 0; i < group.n && status == SUCCESS; i++)
        if (group.op[i].kind < SEND)
            launch(c, group.stream, &group.op[i], 1);
        else
            group.op[messages++] = group.op[i];
    if (messages > 0 && status == SUCCESS)
        launch(c, group.stream, group.op, messages);
    group.status = SUCCESS;
    group.n = 0;
    return status != SUCCESS ? status : c != NULL && !c->blocking && c->pending != NULL ? IN_PROGRESS : SUCCESS;
}

int ncclGroupStart(void)
{
    group.depth++;
    return SUCCESS;
}

int ncclGroupEnd(void)
{
    return --group.depth > 0 ? SUCCESS : launch_group();
}

static int add(struct ncclComm *c, struct CUstream_st *stream, struct op op)
{
    const bool message = op.kind >= SEND;
    ncclGroupStart();
    if (!c->ready || op.type < 0 || op.type > 9 || group.n == GROUP || op.peer < 0 || op.peer >= c->ranks ||
        (message ? op.count * size_of(op.type) > CHANNEL : input_bytes(c, &op) > AREA))
        group.status = INVALID_ARGUMENT;
    else
        group.op[group.n++] = op;
    group.comm = c;
    group.stream = stream;
    return ncclGroupEnd();
}

int ncclAllReduce(const void *in, void *out, size_t count, int type, int op, struct ncclComm *comm,
                  struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ ALLREDUCE, in, out, count, type, op, 0, false });
}

int ncclBroadcast(const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,
                  struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ BROADCAST, in, out, count, type, 0, root, false });
}

int ncclReduce(const void *in, void *out, size_t count, int type, int op, int root, struct ncclComm *comm,
               struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ REDUCE, in, out, count, type, op, root, false });
}

int ncclAllGather(const void *in, void *out, size_t count, int type, struct ncclComm *comm, struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ ALLGATHER, in, out, count, type, 0, 0, false });
}

int ncclReduceScatter(const void *in, void *out, size_t count, int type, int op, struct ncclComm *comm,
                      struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ REDUCE_SCATTER, in, out, count, type, op, 0, false });
}

int ncclSend(const void *in, size_t count, int type, int peer, struct ncclComm *comm, struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ SEND, in, NULL, count, type, 0, peer, false });
}

int ncclRecv(void *out, size_t count, int type, int peer, struct ncclComm *comm, struct CUstream_st *stream)
{
    return add(comm, stream, (struct op){ RECV, NULL, out, count, type, 0, peer, false });
}

/* ---- What older versions do not have ---- */

#ifndef WM_NCCL_OLD
/* Of a communicator that does not block it says success and goes on: nothing is named before the parent is ready. */
int ncclCommSplit(struct ncclComm *comm, int color, int key, struct ncclComm **out, struct wm_nccl_config *config)
{
    struct ncclComm *c = calloc(1, sizeof(*c));
    *out = NULL;
    snprintf(c->name, sizeof(c->name), "%.140s-%d", comm->name, comm->splits++);
    c->rank = key;
    c->ranks = comm->ranks;
    if (color != 0 || !comm->ready || begin(c, config) == INVALID_ARGUMENT)
        return INVALID_ARGUMENT;
    comm->child = c;
    comm->child_out = out;
    comm->async = IN_PROGRESS;
    if (comm->blocking)
        while (comm->child != NULL)
            split_on(comm);
    return comm->blocking ? comm->async : SUCCESS;
}

int ncclCommRegister(struct ncclComm *comm, void *buffer, size_t bytes, void **handle)
{
    const char *wanted = getenv("NCCL_LOCAL_REGISTER");
    *handle = wanted == NULL || strcmp(wanted, "0") != 0 ? buffer : NULL;
    return comm->ready && bytes > 0 ? SUCCESS : INVALID_ARGUMENT;
}

int ncclCommDeregister(struct ncclComm *comm, void *handle)
{
    return comm->ready && handle != NULL ? SUCCESS : INVALID_ARGUMENT;
}

int ncclAlltoAll(const void *in, void *out, size_t count, int type, struct ncclComm *comm, struct CUstream_st *stream)
{
    const size_t bytes = count * size_of(type);
    ncclGroupStart();
    for (int r = 0; r < comm->ranks; r++) {
        ncclSend((const char *)in + (size_t)r * bytes, count, type, r, comm, stream);
        ncclRecv((char *)out + (size_t)r * bytes, count, type, r, comm, stream);
    }
    return ncclGroupEnd();
}

int ncclGather(const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,
               struct CUstream_st *stream)
{
    ncclGroupStart();
    for (int r = 0; r < comm->ranks && comm->rank == root; r++)
        ncclRecv((char *)out + (size_t)r * count * size_of(type), count, type, r, comm, stream);
    ncclSend(in, count, type, root, comm, stream);
    return ncclGroupEnd();
}

int ncclScatter(const void *in, void *out, size_t count, int type, int root, struct ncclComm *comm,
                struct CUstream_st *stream)
{
    ncclGroupStart();
    for (int r = 0; r < comm->ranks && comm->rank == root; r++)
        ncclSend((const char *)in + (size_t)r * count * size_of(type), count, type, r, comm, stream);
    ncclRecv(out, count, type, root, comm, stream);
    return ncclGroupEnd();
}
#endif
