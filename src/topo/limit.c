#include "src/topo/limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/units.h"
#include "src/topo/discover.h"
#include "src/topo/way.h"

void wm_limit_pci(const struct wm_topo *topo, int pci, int other, struct wm_limit *out)
{
    struct wm_way way = wm_way_between(topo, pci, other);
    wm_way_say(topo, &way, "", out);
}

/* ---- cards ---- */

enum { RATE_TEXT = 72 };

/* "400 Gb/sec (4X NDR)" as its one port says it, "40 Gb/sec (4X QDR), 32 Gb/s of data", else "800 Gb/s". */
static void rate_text(const struct wm_topo *topo, const struct wm_topo_nic *nic, char text[RATE_TEXT])
{
    const struct wm_topo_rdma *rdma = nic->rdma >= 0 ? &topo->rdma[nic->rdma] : NULL;
    const double gb_per_s = nic->bytes_per_s * 8e-9;
    if (rdma == NULL || rdma->n_ports != 1 || rdma->port[0].rate[0] == '\0')
        snprintf(text, RATE_TEXT, "%.4g Gb/s", gb_per_s);
    else if (nic->bytes_per_s < 0.99 * wm_rate_bytes_per_s(rdma->port[0].rate))
        snprintf(text, RATE_TEXT, "%s, %.4g Gb/s of data", rdma->port[0].rate, gb_per_s);
    else
        snprintf(text, RATE_TEXT, "%s", rdma->port[0].rate);
}

/* The one that its physical function has; those of several ports of a card count as of one. */
static bool only_virtual_function(const struct wm_topo *topo, int pci)
{
    for (int p = 0; p < topo->n_pci; p++)
        if (p != pci && topo->pci[p].virtual_function && topo->pci[p].parent == topo->pci[pci].parent &&
            topo->pci[p].root == topo->pci[pci].root)
            return false;
    return true;
}

/* Why the rate that its ports show is no bound; NULL = it is one. */
static const char *doubt(const struct wm_topo *topo, const struct wm_topo_nic *nic)
{
    if (nic->pci >= 0 && topo->pci[nic->pci].virtual_function && !only_virtual_function(topo, nic->pci))
        return "a virtual function: others share its wire";
    for (int p = 0; nic->rdma >= 0 && p < topo->rdma[nic->rdma].n_ports; p++)
        if (nic->fabric == WM_FABRIC_IB && strstr(topo->rdma[nic->rdma].port[p].rate, "SDR") != NULL)
            return "SDR, or a speed that the kernel does not know";
    return NULL;
}

/* That the ports of a card decide. */
static void say_ports(const struct wm_topo *topo, const struct wm_topo_nic *nic, const char *more, struct wm_limit *out)
{
    const char *why_not = doubt(topo, nic);
    char rate[RATE_TEXT];
    rate_text(topo, nic, rate);
    wm_limit_say(out, why_not == NULL ? WM_LIMIT_LINK : WM_LIMIT_ESTIMATE, nic->bytes_per_s, "%.31s: %s%s%s%s%s",
                 nic->name, rate, more, why_not != NULL ? " (" : "", why_not != NULL ? why_not : "",
                 why_not != NULL ? ")" : "");
}

/* A card and its PCI way to the host, or to another device. */
static void card_limit(const struct wm_topo *topo, const struct wm_topo_nic *nic, int other, struct wm_limit *out)
{
    char rate[RATE_TEXT], name[32], whose[40], more[48];
    struct wm_way way = wm_way_between(topo, nic->pci, other);
    if (nic->virtual_device)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "%.31s has no hardware of its own", nic->name);
    else if (!nic->up)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "%.31s is down", nic->name);
    else if (!(nic->bytes_per_s > 0))
        wm_limit_say(out, WM_LIMIT_NONE, 0, "the speed of %.31s is not known", nic->name);
    else if (!(way.bytes_per_s > 0))
        say_ports(topo, nic, "", out);
    else if (way.bytes_per_s >= nic->bytes_per_s) {
        snprintf(more, sizeof(more), "; %s allows more", wm_way_name(&way, name));
        say_ports(topo, nic, more, out);
    } else {
        rate_text(topo, nic, rate);
        snprintf(whose, sizeof(whose), "%.31s: ", nic->name);
        wm_way_say(topo, &way, whose, out);
        wm_limit_say(out, WM_LIMIT_LINK, way.bytes_per_s, "%.140s; %s would allow more", out->source, rate);
    }
}

void wm_limit_nic(const struct wm_topo *topo, const struct wm_topo_nic *nic, struct wm_limit *out)
{
    card_limit(topo, nic, -1, out);
}

/* One port alone. */
static void narrow_to_port(const struct wm_topo *topo, int number, struct wm_topo_nic *nic)
{
    const struct wm_topo_rdma *rdma = &topo->rdma[nic->rdma];
    for (int p = 0; p < rdma->n_ports; p++)
        if (rdma->port[p].number == number && nic->up)
            nic->bytes_per_s = rdma->port[p].bytes_per_s;
}

/* The card that the seat names. */
static bool card_of(const struct wm_seat *seat, struct wm_topo_nic *out)
{
    int n = 0;
    struct wm_topo_nic *nic = seat->nic >= 0 ? wm_topo_nics_all(seat->topo, &n) : NULL;
    bool found = seat->nic >= 0 && seat->nic < n;
    if (found)
        *out = nic[seat->nic];
    if (found && seat->port > 0 && out->rdma >= 0)
        narrow_to_port(seat->topo, seat->port, out);
    free(nic);
    return found;
}

static bool stands_on_others(const struct wm_topo *topo, int nic)
{
    struct wm_seat seat = { .topo = topo, .nic = nic };
    struct wm_topo_nic card;
    if (!card_of(&seat, &card) || card.netif < 0)
        return false;
    const char *kind = topo->netif[card.netif].kind;
    return strcmp(kind, "bond") == 0 || strcmp(kind, "bridge") == 0 || strcmp(kind, "vlan") == 0;
}

void wm_seat_claim(struct wm_seat *seat, enum wm_fabric fabric, const char *device)
{
    seat->fabric = fabric;
    seat->nic = WM_NIC_ANY;
    seat->port = 0;
    if (seat->topo == NULL || device[0] == '\0')
        return;
    int nic = wm_topo_find_nic(seat->topo, device, &seat->port);
    if (nic < 0 || !stands_on_others(seat->topo, nic))
        seat->nic = nic >= 0 ? nic : WM_NIC_NONE;
}

/* TCP goes over every card that has a network interface. */
static bool carries(const struct wm_topo *topo, const struct wm_topo_nic *nic, enum wm_fabric fabric)
{
    if (fabric == WM_FABRIC_UNKNOWN || nic->fabric == fabric)
        return true;
    for (int i = 0; i < topo->n_netifs && fabric == WM_FABRIC_TCP; i++)
        if (nic->rdma >= 0 && topo->netif[i].rdma == nic->rdma)
            return true;
    for (int p = 0; nic->rdma >= 0 && p < topo->rdma[nic->rdma].n_ports; p++)
        if (topo->rdma[nic->rdma].port[p].fabric == fabric)
            return true;
    return false;
}

/* Functions of one device share its link: the first of them stands for all. */
static int first_function(const struct wm_topo *topo, int pci)
{
    const char *address = topo->pci[pci].address;
    size_t device = strcspn(address, ".");
    int first = pci;
    for (int p = pci - 1; p >= 0 && address[device] != '\0' && topo->pci[p].parent == topo->pci[pci].parent; p--)
        if (strncmp(topo->pci[p].address, address, device + 1) == 0)
            first = p;
    return first;
}

/* From the cards up to the host: each link passes on what comes from below, at most what it can. */
static double carried_to_host(const struct wm_topo *topo, double *carried)
{
    double sum = 0;
    for (int p = topo->n_pci - 1; p >= 0; p--) {
        double link = wm_pci_link_bytes_per_s(&topo->pci[p], &topo->pci[p].link);
        int first = first_function(topo, p), up = first != p ? first : wm_pci_parent(topo, p);
        if (link > 0 && carried[p] > link)
            carried[p] = link;
        if (up >= 0)
            carried[up] += carried[p];
        else
            sum += carried[p];
    }
    return sum;
}

/* The physical cards that are up. */
struct together {
    int n;                              /* of known speed */
    const struct wm_topo_nic *first;    /* of these */
    const struct wm_topo_nic *doubtful; /* of these: whose rate is no bound; NULL = none */
    const struct wm_topo_nic *other;    /* of unknown speed; NULL = none */
    double ports_bytes_per_s;           /* what their ports have */
    double host_bytes_per_s;            /* and what gets to the host of it */
};

/* A virtual function's wire is that of its physical one, which counts where it is listed, too. */
static bool counts_already(const struct wm_topo *topo, const struct wm_topo_nic *nic, int n, int i)
{
    const struct wm_topo_pci *own = nic[i].pci >= 0 ? &topo->pci[nic[i].pci] : NULL;
    for (int k = 0; k < n && own != NULL && own->virtual_function; k++) {
        const struct wm_topo_pci *pci = nic[k].pci >= 0 ? &topo->pci[nic[k].pci] : NULL;
        if (pci != NULL && !pci->virtual_function && pci->parent == own->parent && pci->root == own->root &&
            nic[k].up && nic[k].bytes_per_s > 0)
            return true;
    }
    return false;
}

static struct together add_cards(const struct wm_topo *topo, enum wm_fabric fabric, const struct wm_topo_nic *nic,
                                 int n)
{
    struct together all = { 0 };
    double *carried = calloc((size_t)topo->n_pci + 1, sizeof(*carried));
    for (int i = 0; carried != NULL && i < n; i++) {
        if (nic[i].virtual_device || !nic[i].up || !carries(topo, &nic[i], fabric) || counts_already(topo, nic, n, i))
            continue;
        if (!(nic[i].bytes_per_s > 0)) {
            all.other = &nic[i];
            continue;
        }
        if (all.n++ == 0)
            all.first = &nic[i];
        if (doubt(topo, &nic[i]) != NULL)
            all.doubtful = &nic[i];
        all.ports_bytes_per_s += nic[i].bytes_per_s;
        if (nic[i].pci >= 0)
            carried[nic[i].pci] += nic[i].bytes_per_s;
        else
            all.host_bytes_per_s += nic[i].bytes_per_s;
    }
    if (carried != NULL)
        all.host_bytes_per_s += carried_to_host(topo, carried);
    free(carried);
    return all;
}

static void say_together(const struct wm_topo *topo, const struct together *all, double bytes_per_s,
                         struct wm_limit *out)
{
    char rate[RATE_TEXT], others[24] = "", but[80] = "";
    rate_text(topo, all->first, rate);
    if (all->n > 1)
        snprintf(others, sizeof(others), " and %d more", all->n - 1);
    if (all->other != NULL)
        snprintf(but, sizeof(but), ", without %.31s of unknown speed", all->other->name);
    else if (all->doubtful != NULL)
        snprintf(but, sizeof(but), "; %.31s: %s", all->doubtful->name, doubt(topo, all->doubtful));
    else if (bytes_per_s < 0.999 * all->ports_bytes_per_s)
        snprintf(but, sizeof(but), "; their PCI links allow less than their ports");
    wm_limit_say(out, all->other != NULL || all->doubtful != NULL ? WM_LIMIT_ESTIMATE : WM_LIMIT_LINK, bytes_per_s,
                 "%.31s (%s)%s together%s", all->first->name, rate, others, but);
}

/* @param to_host  through the PCI links between cards and host; false: what the ports have */
static void any_card_limit(const struct wm_seat *seat, bool to_host, struct wm_limit *out)
{
    const struct wm_topo *topo = seat->topo;
    const char *of = seat->fabric != WM_FABRIC_UNKNOWN ? wm_fabric_names[seat->fabric] : "";
    int n;
    struct wm_topo_nic *nic = wm_topo_nics_all(topo, &n);
    struct together all = add_cards(topo, seat->fabric, nic, n);
    if (seat->nic == WM_NIC_NONE)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "by which card the bytes leave host %d is not known", seat->host);
    else if (all.n == 0 && all.other != NULL)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "the speed of %.31s is not known", all.other->name);
    else if (all.n == 0)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "no card %s%swith hardware of its own is up", of, of[0] != '\0' ? " " : "");
    else if (all.n == 1 && all.other == NULL && to_host)
        wm_limit_nic(topo, all.first, out);
    else
        say_together(topo, &all, to_host ? all.host_bytes_per_s : all.ports_bytes_per_s, out);
    free(nic);
}

void wm_limit_cards(const struct wm_seat *seat, struct wm_limit *out)
{
    struct wm_topo_nic nic;
    if (seat->topo == NULL)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "the hardware of host %d is not known", seat->host);
    else if (card_of(seat, &nic))
        wm_limit_nic(seat->topo, &nic, out);
    else
        any_card_limit(seat, true, out);
}

/* ---- pairs ---- */

static int gpu_pci(const struct wm_seat *seat)
{
    return seat->topo->gpu[seat->gpu].pci;
}

static bool nvlink_limit(const struct wm_topo_gpu *a, const struct wm_topo_gpu *b, int links, struct wm_limit *out)
{
    double slower = a->nvlink_bytes_per_s < b->nvlink_bytes_per_s ? a->nvlink_bytes_per_s : b->nvlink_bytes_per_s;
    if (links <= 0)
        return false;
    wm_nvlink_say(links, slower, "", out);
    return true;
}

bool wm_limit_by_pci(const struct wm_seat *seat)
{
    return seat->topo != NULL && seat->gpu >= 0 && seat->topo->gpu[seat->gpu].cpu_links == 0;
}

void wm_limit_to_host(const struct wm_seat *seat, struct wm_limit *out)
{
    char whose[24], rate[WM_TEXT_BYTES];
    if (seat->topo == NULL || seat->gpu < 0) {
        wm_limit_say(out, WM_LIMIT_NONE, 0, "no GPU is known");
        return;
    }
    const struct wm_topo_gpu *gpu = &seat->topo->gpu[seat->gpu];
    snprintf(whose, sizeof(whose), "GPU %d: ", seat->gpu);
    if (gpu->cpu_links == 0) {
        struct wm_way way = wm_way_between(seat->topo, gpu_pci(seat), -1);
        wm_way_say(seat->topo, &way, whose, out);
    } else if (gpu->cpu_link_bytes_per_s > 0) {
        wm_limit_say(out, WM_LIMIT_LINK, gpu->cpu_link_bytes_per_s, "%sNVLink to the processor, %s", whose,
                     wm_format_rate(rate, gpu->cpu_link_bytes_per_s));
    } else {
        wm_limit_say(out, WM_LIMIT_NONE, 0, "%sthe speed of its NVLink to the processor is not known", whose);
    }
}

static void between_gpus(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out)
{
    const struct wm_topo *topo = a->topo;
    const struct wm_topo_gpu *gpu = topo->gpu;
    const bool direct = road == WM_ROAD_DIRECT;
    struct wm_limit other;
    if (a->gpu == b->gpu) {
        wm_limit_say(out, WM_LIMIT_NONE, 0, "both ranks use GPU %d: no link between them", a->gpu);
        return;
    }
    if (direct && nvlink_limit(&gpu[a->gpu], &gpu[b->gpu], wm_topo_nvlinks(topo, a->gpu, b->gpu), out))
        return;
    if (!wm_limit_by_pci(a) || !wm_limit_by_pci(b)) {
        wm_limit_to_host(a, out);
        wm_limit_to_host(b, &other);
    } else {
        wm_limit_pci(topo, gpu_pci(a), direct ? gpu_pci(b) : -1, out);
        wm_limit_pci(topo, gpu_pci(b), direct ? gpu_pci(a) : -1, &other);
    }
    wm_limit_narrow(out, &other);
}

static void within_host(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out)
{
    if (a->gpu < 0 && b->gpu < 0)
        wm_limit_say(out, WM_LIMIT_NONE, 0, "host memory of one host: no link between the ranks");
    else if (a->gpu >= 0 && b->gpu >= 0)
        between_gpus(a, b, road, out);
    else
        wm_limit_to_host(a->gpu >= 0 ? a : b, out);
}

/* From a GPU to its card and out; staged, to the host's memory and from there. */
static void gpu_side(const struct wm_seat *seat, enum wm_road road, struct wm_limit *out)
{
    const int gpu = gpu_pci(seat);
    struct wm_topo_nic nic;
    struct wm_limit limit;
    struct wm_way way;
    char whose[24];
    if (road == WM_ROAD_STAGED) {
        wm_limit_cards(seat, out);
        wm_limit_to_host(seat, &limit);
        if (out->kind != WM_LIMIT_NONE)
            wm_limit_narrow(out, &limit);
        return;
    }
    if (!wm_limit_by_pci(seat)) { /* by way of the processor, perhaps */
        wm_limit_cards(seat, out);
        return;
    }
    if (card_of(seat, &nic)) {
        card_limit(seat->topo, &nic, gpu, out);
        way = wm_way_between(seat->topo, gpu, nic.pci);
    } else { /* whichever card it is, it is behind the GPU's own link */
        any_card_limit(seat, false, out);
        way = wm_way_up(seat->topo, gpu, gpu < 0 ? -1 : wm_pci_parent(seat->topo, gpu));
    }
    snprintf(whose, sizeof(whose), "GPU %d: ", seat->gpu);
    wm_way_say(seat->topo, &way, whose, &limit);
    if (out->kind != WM_LIMIT_NONE) /* that a card has no known limit is the better reason to have none */
        wm_limit_narrow(out, &limit);
}

static void side_limit(const struct wm_seat *seat, enum wm_road road, struct wm_limit *out)
{
    if (seat->topo == NULL || seat->gpu < 0)
        wm_limit_cards(seat, out);
    else
        gpu_side(seat, road, out);
}

/* Links of two GPUs into one domain of NVLink that spans hosts; 0 = they are not in one. */
static int domain_links(const struct wm_seat *a, const struct wm_seat *b)
{
    if (a->topo == NULL || b->topo == NULL || a->gpu < 0 || b->gpu < 0)
        return 0;
    const struct wm_topo_gpu *from = &a->topo->gpu[a->gpu], *to = &b->topo->gpu[b->gpu];
    if (from->nvlink_domain[0] == '\0' || strcmp(from->nvlink_domain, to->nvlink_domain) != 0)
        return 0;
    return from->nvlinks < to->nvlinks ? from->nvlinks : to->nvlinks;
}

static void between_hosts(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out)
{
    struct wm_limit other;
    int links = road == WM_ROAD_DIRECT ? domain_links(a, b) : 0;
    if (links > 0 && nvlink_limit(&a->topo->gpu[a->gpu], &b->topo->gpu[b->gpu], links, out))
        return;
    side_limit(a, road, out);
    side_limit(b, road, &other);
    wm_limit_narrow(out, &other);
}

void wm_limit_pair(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out)
{
    if (a->host != b->host)
        between_hosts(a, b, road, out);
    else if (a->topo == NULL && (a->gpu >= 0 || b->gpu >= 0))
        wm_limit_say(out, WM_LIMIT_NONE, 0, "the hardware of host %d is not known", a->host);
    else
        within_host(a, b, road, out);
}

/* ---- through host memory ---- */

static void between_cards(const struct wm_seat *a, const struct wm_seat *b, struct wm_limit *out)
{
    struct wm_limit other;
    wm_limit_cards(a, out);
    wm_limit_cards(b, &other);
    wm_limit_narrow(out, &other);
}

int wm_limit_detour(const struct wm_seat *a, const struct wm_seat *b, struct wm_limit part[WM_DETOUR_PARTS])
{
    int n = 0;
    wm_limit_say(&part[0], WM_LIMIT_NONE, 0, "host memory of one host: no link between the ranks");
    if (a->topo != NULL && a->gpu >= 0)
        wm_limit_to_host(a, &part[n++]);
    if (a->host != b->host)
        between_cards(a, b, &part[n++]);
    if (b->topo != NULL && b->gpu >= 0)
        wm_limit_to_host(b, &part[n++]);
    for (int i = 0; i < n; i++)
        if (part[i].kind == WM_LIMIT_NONE) {
            part[0] = part[i];
            return 0;
        }
    return n;
}

void wm_limit_in_turn(const struct wm_limit *part, int n, int messages, struct wm_limit *out)
{
    struct wm_limit slowest = part[0];
    enum wm_limit_kind kind = WM_LIMIT_LINK;
    double sum_s = 0; /* a byte */
    char text[WM_DETOUR_PARTS * (sizeof(slowest.source) + 8)] = "";
    for (int i = 0; i < n; i++) {
        wm_limit_narrow(&slowest, &part[i]);
        kind = part[i].kind == WM_LIMIT_LINK ? kind : WM_LIMIT_ESTIMATE;
        sum_s += 1 / part[i].bytes_per_s;
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? ", then " : "", part[i].source);
    }
    const double slowest_s = 1 / slowest.bytes_per_s;
    if (messages > 0 && n > 1)
        wm_limit_say(out, kind, 1 / (slowest_s + (sum_s - slowest_s) / messages), "%.199s", text);
    else
        *out = slowest;
}

/* ---- in words ---- */

static void describe_card(const struct wm_seat *seat, char *text, size_t bytes)
{
    static const char *const names[WM_FABRICS] = {
        [WM_FABRIC_IB] = "InfiniBand", [WM_FABRIC_ROCE] = "RoCE",     [WM_FABRIC_IWARP] = "iWARP",
        [WM_FABRIC_EFA] = "EFA",       [WM_FABRIC_OPA] = "Omni-Path", [WM_FABRIC_CXI] = "Slingshot",
        [WM_FABRIC_TCP] = "Ethernet"
    };
    struct wm_topo_nic nic;
    char speed[32] = "";
    if (!card_of(seat, &nic)) {
        struct wm_limit all;
        wm_limit_cards(seat, &all);
        snprintf(text, bytes, "%s", all.source);
        return;
    }
    if (nic.bytes_per_s > 0)
        snprintf(speed, sizeof(speed), " %.4g Gb/s", nic.bytes_per_s * 8e-9);
    snprintf(text, bytes, "%s%s, %s%s", nic.name, nic.up ? "" : " (down)",
             names[nic.fabric] != NULL ? names[nic.fabric] : wm_fabric_names[nic.fabric], speed);
}

static void describe_side(const struct wm_seat *seat, enum wm_road road, char *text, size_t bytes)
{
    char card[sizeof(((struct wm_limit *)0)->source)], way[48] = "";
    struct wm_topo_nic nic;
    if (seat->topo == NULL) {
        snprintf(text, bytes, "host %d, whose hardware is not known", seat->host);
        return;
    }
    describe_card(seat, card, sizeof(card));
    if (seat->gpu >= 0 && road == WM_ROAD_STAGED)
        snprintf(way, sizeof(way), "host memory, then ");
    else if (seat->gpu >= 0 && card_of(seat, &nic))
        snprintf(way, sizeof(way), "%s to ", wm_distance_names[wm_topo_distance(seat->topo, gpu_pci(seat), nic.pci)]);
    snprintf(text, bytes, "%s%s", way, card);
}

static void describe_within(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, char *text,
                            size_t bytes)
{
    const bool both = a->gpu >= 0 && b->gpu >= 0;
    struct wm_limit limit;
    char rate[WM_TEXT_BYTES], speed[WM_TEXT_BYTES + 2] = "";
    wm_limit_pair(a, b, road, &limit);
    int links = both && road == WM_ROAD_DIRECT && a->gpu != b->gpu ? wm_topo_nvlinks(a->topo, a->gpu, b->gpu) : 0;
    if (limit.kind != WM_LIMIT_NONE)
        snprintf(speed, sizeof(speed), ": %s", wm_format_rate(rate, limit.bytes_per_s));
    if (links > 0)
        snprintf(text, bytes, "NVLink, %d link%s%s", links, links == 1 ? "" : "s", speed);
    else if (both && a->gpu == b->gpu)
        snprintf(text, bytes, "GPU %d itself", a->gpu);
    else if (both && road == WM_ROAD_DIRECT)
        snprintf(text, bytes, "PCIe, %s%s", wm_distance_names[wm_topo_distance(a->topo, gpu_pci(a), gpu_pci(b))],
                 speed);
    else
        snprintf(text, bytes, "host memory, PCIe to GPU %d%s", a->gpu >= 0 ? a->gpu : b->gpu, speed);
}

void wm_limit_describe(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, char *text, size_t bytes)
{
    char from[260], to[260];
    if (a->host == b->host && a->gpu < 0 && b->gpu < 0) {
        snprintf(text, bytes, "host memory");
    } else if (a->host == b->host && a->topo != NULL) {
        describe_within(a, b, road, text, bytes);
    } else if (road == WM_ROAD_DIRECT && domain_links(a, b) > 0) {
        int links = domain_links(a, b);
        snprintf(text, bytes, "NVLink across hosts, %d link%s", links, links == 1 ? "" : "s");
    } else {
        describe_side(a, road, from, sizeof(from));
        describe_side(b, road, to, sizeof(to));
        snprintf(text, bytes, "%s%s%s", from, strcmp(from, to) == 0 ? "" : " -> ", strcmp(from, to) == 0 ? "" : to);
    }
}
