#include "src/world/ask.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/core/clock.h"

/* What a rank tells the others when the channel opens. */
struct contact {
    struct in_addr address[WM_ASK_ADDRESSES];
    int addresses;
    in_port_t port;
};

static int listen_anywhere(struct wm_ask *ask, struct contact *mine, struct wm_err *err)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
    socklen_t bytes = sizeof(at);
    int first_data_s = 1; /* a connection counts once its request is there, so that reading it never waits */
    ask->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ask->listener < 0)
        return wm_fail_errno(err, "socket", "cannot open the watchdog's port");
    setsockopt(ask->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &first_data_s, sizeof(first_data_s));
    if (bind(ask->listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(ask->listener, SOMAXCONN) != 0 ||
        getsockname(ask->listener, (struct sockaddr *)&at, &bytes) != 0)
        return wm_fail_errno(err, "listen", "cannot open the watchdog's port");
    mine->port = at.sin_port;
    return WM_OK;
}

/** IPv4 addresses of the interfaces that are up; loopback serves containers that share one network. */
static int find_addresses(struct contact *mine, struct wm_err *err)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        return wm_fail_errno(err, "getifaddrs", "cannot list this host's network addresses");
    for (struct ifaddrs *i = list; i != NULL && mine->addresses < WM_ASK_ADDRESSES; i = i->ifa_next) {
        unsigned up = IFF_UP | IFF_RUNNING;
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & up) == up)
            mine->address[mine->addresses++] = ((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
    }
    freeifaddrs(list);
    return WM_OK;
}

static int allocate(struct wm_ask *ask, const struct wm_world *world, struct wm_err *err)
{
    size_t hosts = (size_t)world->hosts, ranks = (size_t)world->size;
    ask->host = calloc(hosts, sizeof(*ask->host));
    ask->member = calloc(ranks, sizeof(*ask->member));
    ask->port = calloc(ranks, sizeof(*ask->port));
    ask->pid = calloc(ranks, sizeof(*ask->pid));
    ask->refused = calloc(ranks, sizeof(*ask->refused));
    ask->silent = calloc(ranks, sizeof(*ask->silent));
    ask->inbox = calloc(ranks, sizeof(*ask->inbox));
    ask->poll = calloc(hosts + 1, sizeof(*ask->poll));
    ask->polled = calloc(hosts + 1, sizeof(*ask->polled));
    if (!ask->host || !ask->member || !ask->port || !ask->pid || !ask->refused || !ask->silent || !ask->inbox ||
        !ask->poll || !ask->polled)
        return wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for the watchdog of %zu ranks", ranks);
    return WM_OK;
}

/* Loopback, or a bridge's address that stands on every host (docker0): leads back to the one who asks, most often. */
static bool is_own(const struct contact *mine, struct in_addr address)
{
    for (int i = 0; i < mine->addresses; i++)
        if (mine->address[i].s_addr == address.s_addr)
            return true;
    return false;
}

static void enter_addresses(struct wm_ask_host *h, const struct contact *of, const struct contact *mine)
{
    for (int last = 0; last < 2; last++)
        for (int i = 0; i < of->addresses; i++)
            if (is_own(mine, of->address[i]) == last)
                h->address[h->addresses++] = of->address[i];
}

static void enter(struct wm_ask *ask, const struct wm_world *world, const struct contact *all)
{
    int at = 0;
    for (int r = 0; r < world->size; r++) {
        ask->port[r] = all[r].port;
        ask->pid[r] = world->places[r].pid;
        ask->host[world->places[r].host_index].ranks++;
    }
    for (int h = 0; h < world->hosts; h++) {
        ask->host[h].fd = -1;
        ask->host[h].first = at;
        at += ask->host[h].ranks;
    }
    for (int r = 0; r < world->size; r++) {
        const struct wm_place *p = &world->places[r];
        struct wm_ask_host *h = &ask->host[p->host_index];
        ask->member[h->first + p->local_rank] = r;
        if (p->local_rank == 0)
            enter_addresses(h, &all[r], &all[world->rank]);
    }
}

int wm_ask_open(struct wm_ask *ask, const struct wm_world *world, const uint8_t token[16], struct wm_err *err)
{
    struct contact mine = { 0 }, *all = calloc((size_t)world->size, sizeof(*all));
    *ask = (struct wm_ask){ .listener = -1, .hosts = world->hosts, .ranks = world->size };
    ask->self = world->places[world->rank].host_index;
    memcpy(ask->token, token, sizeof(ask->token));
    if (all == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "no memory for the watchdog of %d ranks", world->size);
    else if (allocate(ask, world, err) == WM_OK && find_addresses(&mine, err) == WM_OK)
        listen_anywhere(ask, &mine, err);
    if (wm_world_agree(world, WM_SPIN, err) == WM_OK &&
        wm_world_allgather(world, &mine, sizeof(mine), all, err) == WM_OK)
        enter(ask, world, all);
    free(all);
    return err->code;
}

void wm_ask_close(struct wm_ask *ask)
{
    if (ask->hosts > 0 && ask->listener >= 0)
        close(ask->listener);
    free(ask->host);
    free(ask->member);
    free(ask->port);
    free(ask->pid);
    free(ask->refused);
    free(ask->silent);
    free(ask->inbox);
    free(ask->poll);
    free(ask->polled);
    memset(ask, 0, sizeof(*ask));
    ask->listener = -1;
}

/** Sends all within until_ns; a partner that does not read loses its answer. */
static void send_all(int fd, const void *data, size_t bytes, uint64_t until_ns)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        uint64_t now_ns = wm_now_ns();
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (n == 0 || errno != EAGAIN || now_ns >= until_ns ||
                   poll(&p, 1, (int)((until_ns - now_ns) / 1000000 + 1)) <= 0) {
            return;
        }
    }
}

static void answer(const struct wm_ask *ask, int fd, const struct wm_board *board, uint64_t until_ns)
{
    struct wm_ask_message head = { .host = (uint32_t)ask->self, .value = (uint32_t)board->lines };
    uint64_t now_ns = wm_now_ns();
    memcpy(head.token, ask->token, sizeof(head.token));
    send_all(fd, &head, sizeof(head), until_ns);
    for (int done = 0, n; done < board->lines; done += n) {
        struct wm_sight some[64];
        for (n = 0; n < 64 && done + n < board->lines; n++)
            wm_board_look(board, done + n, now_ns, &some[n]);
        send_all(fd, some, (size_t)n * sizeof(some[0]), until_ns);
    }
}

void wm_ask_serve(struct wm_ask *ask, const struct wm_board *board)
{
    uint64_t until_ns = wm_now_ns() + 200000000;
    int fd;
    if (ask->listener < 0 || ask->hosts == 0)
        return;
    while ((fd = accept4(ask->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct wm_ask_message request;
        if (recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) &&
            memcmp(request.token, ask->token, sizeof(request.token)) == 0 && request.host == (uint32_t)ask->self) {
            if (request.value != 0)
                board->head->over = request.value;
            answer(ask, fd, board, until_ns);
        }
        close(fd);
        if (wm_now_ns() >= until_ns)
            return;
    }
}

static void hang_up(struct wm_ask_host *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
}

/**
 * The k-th try goes to another process and, where there are several, another address than the one before; all pairs
 * come once.
 * @return false: none is left, or no socket can be had
 */
static bool call_next(struct wm_ask *ask, struct wm_ask_host *h)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int turn, way;
    if (h->tries >= h->addresses * h->ranks)
        return false;
    turn = h->tries / h->addresses;
    way = h->tries % h->addresses;
    to.sin_addr = h->address[way];
    h->called = h->first + (turn + way) % h->ranks;
    to.sin_port = ask->port[ask->member[h->called]];
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->fd < 0)
        return false;
    h->tries++;
    h->got_bytes = 0;
    h->connecting = true;
    if (connect(h->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        if (errno == ECONNREFUSED)
            ask->refused[h->called]++;
        hang_up(h);
    }
    return true;
}

static void request(const struct wm_ask *ask, struct wm_ask_host *h, uint32_t over)
{
    struct wm_ask_message m = { .host = (uint32_t)(h - ask->host), .value = over };
    int error = 0;
    socklen_t bytes = sizeof(error);
    getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    memcpy(m.token, ask->token, sizeof(m.token));
    h->connecting = false;
    if (error == ECONNREFUSED)
        ask->refused[h->called]++;
    if (error != 0 || send(h->fd, &m, sizeof(m), MSG_NOSIGNAL) != (ssize_t)sizeof(m))
        hang_up(h);
}

static void listen_to(struct wm_ask *ask, struct wm_ask_host *h)
{
    size_t head = sizeof(h->head), all = head + (size_t)h->ranks * sizeof(struct wm_sight);
    ssize_t n;
    if (h->got_bytes < head)
        n = recv(h->fd, (char *)&h->head + h->got_bytes, head - h->got_bytes, 0);
    else
        n = recv(h->fd, (char *)&ask->inbox[h->first] + (h->got_bytes - head), all - h->got_bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    h->got_bytes += n > 0 ? (size_t)n : 0;
    if (n > 0 && h->got_bytes == head &&
        (memcmp(h->head.token, ask->token, sizeof(ask->token)) != 0 || (int)h->head.value != h->ranks))
        n = 0; /* not one of us */
    h->answered = h->got_bytes == all;
    if (n <= 0 || h->answered)
        hang_up(h);
}

/** Waits for what is open until until_ns, answering others meanwhile. */
static void converse(struct wm_ask *ask, const struct wm_board *board, struct wm_board_line *own, uint32_t over,
                     uint64_t until_ns)
{
    for (;;) {
        uint64_t now_ns = wm_now_ns();
        int n = 0;
        own->alive_ns = now_ns;
        ask->poll[n++] = (struct pollfd){ .fd = ask->listener, .events = POLLIN };
        for (int i = 0; i < ask->hosts; i++) {
            struct wm_ask_host *h = &ask->host[i];
            ask->polled[n] = i;
            if (h->fd >= 0)
                ask->poll[n++] = (struct pollfd){ .fd = h->fd, .events = h->connecting ? POLLOUT : POLLIN };
        }
        if (n == 1 || now_ns >= until_ns)
            return;
        uint64_t left_ms = (until_ns - now_ns) / 1000000 + 1;
        poll(ask->poll, (nfds_t)n, left_ms < 50 ? (int)left_ms : 50);
        wm_ask_serve(ask, board);
        for (int i = 1; i < n; i++) {
            struct wm_ask_host *h = &ask->host[ask->polled[i]];
            if (ask->poll[i].revents != 0 && h->connecting)
                request(ask, h, over);
            else if (ask->poll[i].revents != 0)
                listen_to(ask, h);
        }
    }
}

/** Of a host that has not answered: what its kernel says of one process. */
static enum wm_sight_state seen_from_afar(const struct wm_ask *ask, const struct wm_ask_host *h, int k)
{
    if (ask->silent[k])
        return WM_SEEN_STOPPED;
    return h->addresses > 0 && ask->refused[k] == h->addresses ? WM_SEEN_GONE : WM_SEEN_NOTHING;
}

static void take_answers(const struct wm_ask *ask, struct wm_sight *sight)
{
    for (int i = 0; i < ask->hosts; i++) {
        const struct wm_ask_host *h = &ask->host[i];
        for (int k = h->first; k < h->first + h->ranks && i != ask->self; k++) {
            int32_t rank = ask->member[k];
            if (h->answered)
                sight[rank] = ask->inbox[k];
            else
                sight[rank] = (struct wm_sight){ .state = seen_from_afar(ask, h, k),
                                                 .pid = ask->pid[rank],
                                                 .alive_age_ms = WM_AGE_UNKNOWN,
                                                 .moved_age_ms = WM_AGE_UNKNOWN };
            sight[rank].rank = rank;
            sight[rank].host = i;
        }
    }
}

/** The time of a round is over. */
static void give_up(struct wm_ask *ask)
{
    for (int i = 0; i < ask->hosts; i++) {
        struct wm_ask_host *h = &ask->host[i];
        if (h->fd >= 0 && !h->connecting)
            ask->silent[h->called] = 1;
        hang_up(h);
    }
}

void wm_ask_all(struct wm_ask *ask, const struct wm_board *board, struct wm_board_line *own, uint32_t over,
                uint64_t budget_ns, uint64_t round_ns, struct wm_sight *sight)
{
    uint64_t now_ns = wm_now_ns(), end_ns = now_ns + budget_ns;
    bool open = true;
    for (int i = 0; i < ask->hosts; i++) {
        ask->host[i].answered = i == ask->self;
        ask->host[i].tries = 0;
    }
    memset(ask->refused, 0, (size_t)ask->ranks);
    memset(ask->silent, 0, (size_t)ask->ranks);
    while (open && (now_ns = wm_now_ns()) < end_ns) {
        open = false;
        for (int i = 0; i < ask->hosts; i++)
            if (!ask->host[i].answered && call_next(ask, &ask->host[i]))
                open = true;
        converse(ask, board, own, over, now_ns + round_ns < end_ns ? now_ns + round_ns : end_ns);
        give_up(ask);
    }
    take_answers(ask, sight);
}
