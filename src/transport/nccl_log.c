#include "src/transport/nccl_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What follows `mark` in the line, or NULL. */
static const char *after(const char *line, size_t length, const char *mark)
{
    const char *at = memmem(line, length, mark, strlen(mark));
    return at != NULL ? at + strlen(mark) : NULL;
}

static void keep(char *to, size_t bytes, const char *from, const char *end)
{
    while (end > from && (end[-1] == ' ' || end[-1] == '\r'))
        end--;
    snprintf(to, bytes, "%.*s", (int)(end - from), from);
}

/* "12 coll channels, 0 collnet channels, ..." */
static void take_channels(const char *line, const char *mark, struct wm_nccl_facts *facts)
{
    const char *at = mark - strlen(" coll channels");
    while (at > line && at[-1] >= '0' && at[-1] <= '9')
        at--;
    facts->channels = atoi(at);
}

/* "Channel 00/0 : 0[0] -> 1[1] [send] via NET/IB/0/GDRDMA", "... via P2P/CUMEM", "... via SHM/direct/direct" */
static void take_connection(const char *via, const char *end, struct wm_nccl_facts *facts)
{
    const size_t left = (size_t)(end - via);
    if (left > 4 && strncmp(via, "P2P/", 4) == 0)
        facts->by_p2p++;
    else if (left > 4 && strncmp(via, "SHM/", 4) == 0)
        facts->by_shm++;
    else if (left > 4 && strncmp(via, "NET/", 4) == 0) {
        facts->by_net++;
        facts->by_net_gdr += after(via, left, "/GDRDMA") != NULL;
    }
}

void wm_nccl_log_line(const char *line, struct wm_nccl_facts *facts)
{
    const size_t length = strcspn(line, "\n");
    const char *end = line + length, *at;
    if ((at = after(line, length, " NCCL INFO ")) == NULL)
        return;
    const char *said = at;
    const size_t left = (size_t)(end - said);
    if (strncmp(said, "Using network ", 14) == 0)
        keep(facts->network, sizeof(facts->network), said + 14, end);
    else if (strncmp(said, "NET/", 4) == 0 && (at = after(said, left, ": Using ")) != NULL)
        keep(facts->devices, sizeof(facts->devices), at, end);
    else if ((at = after(said, left, " coll channels")) != NULL)
        take_channels(said, at, facts);
    else if (strncmp(said, "Channel ", 8) == 0 && (at = after(said, left, " via ")) != NULL)
        take_connection(at, end, facts);
}

void wm_nccl_log_read(const char *text, struct wm_nccl_facts *facts)
{
    while (*text != '\0') {
        wm_nccl_log_line(text, facts);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
}

const char *wm_nccl_log_text(const struct wm_nccl_facts *f, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
#define ADD(...)                                                                                                       \
    used += used < bytes ? (size_t)snprintf(text + used, bytes - used, "%s", used > 0 ? ", " : "") : 0,                \
        used += used < bytes ? (size_t)snprintf(text + used, bytes - used, __VA_ARGS__) : 0
    if (f->channels > 0)
        ADD("%d channel%s", f->channels, f->channels == 1 ? "" : "s");
    if (f->by_net > 0)
        ADD("GPUDirect RDMA on %d of %d connections by network", f->by_net_gdr, f->by_net);
    if (f->by_p2p > 0)
        ADD("%d from GPU to GPU (P2P)", f->by_p2p);
    if (f->by_shm > 0)
        ADD("%d through host memory (SHM)", f->by_shm);
#undef ADD
    return text;
}
