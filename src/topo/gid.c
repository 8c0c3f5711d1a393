/* Addresses of ports (GIDs) and how well they suit, in perftest's way. */
#include "src/topo/fabric.h"

#include <arpa/inet.h>
#include <string.h>

enum { FAMILY = 100, GLOBAL = 10, ROCE_V2 = 2, ROCE_V1 = 1 };

static bool is_zero(const struct in6_addr *a)
{
    return IN6_IS_ADDR_UNSPECIFIED(a);
}

/* ::ffff:a.b.c.d */
static bool is_ipv4(const struct in6_addr *a)
{
    return IN6_IS_ADDR_V4MAPPED(a);
}

/* fe80::/10 and 169.254.0.0/16 reach no further than one link. */
static bool is_global(const struct in6_addr *a)
{
    if (is_ipv4(a))
        return a->s6_addr[12] != 169 || a->s6_addr[13] != 254;
    return !IN6_IS_ADDR_LINKLOCAL(a);
}

int wm_gid_score(const struct wm_topo_gid *gid, enum wm_fabric fabric, bool prefer_ipv4)
{
    struct in6_addr address;
    bool wants_ipv4 = fabric == WM_FABRIC_ROCE && prefer_ipv4;
    if (inet_pton(AF_INET6, gid->gid, &address) != 1 || is_zero(&address))
        return 0;
    int type = gid->type == WM_GID_ROCE_V2 ? ROCE_V2 : gid->type == WM_GID_ROCE_V1 ? ROCE_V1 : 0;
    return (is_ipv4(&address) == wants_ipv4 ? FAMILY : 0) + (is_global(&address) ? GLOBAL : 0) + type;
}

int wm_gid_best(const struct wm_topo_port *port)
{
    int best = -1, best_score = 0;
    for (int i = 0; i < port->n_gids; i++) {
        int score = wm_gid_score(&port->gid[i], port->fabric, true);
        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}
