/**
 * How fast bytes can go, and why: the narrowest link of a way. Pure: topology in, a bound with its derivation out.
 * `link` and `measured` are bounds that a right measurement cannot exceed; `estimate` is a figure to compare with.
 */
#ifndef WM_TOPO_LIMIT_H
#define WM_TOPO_LIMIT_H

#include "src/topo/bound.h"
#include "src/topo/topo.h"

/**
 * A device's way up to the host bridge, or to the common bridge with `other` (-1: host): its narrowest link. Where ACS
 * on the way redirects, it leads to the host bridge. A GPU that idles slows its link down to save power: its link
 * counts with the speed that it can have.
 */
void wm_limit_pci(const struct wm_topo *topo, int pci, int other, struct wm_limit *out);

/** A card: its ports' rates or its PCI way, whichever is narrower. NONE for virtual devices and unknown speeds. */
void wm_limit_nic(const struct wm_topo *topo, const struct wm_topo_nic *nic, struct wm_limit *out);

/** Where one rank's memory is, and by which card it leaves the host. */
struct wm_seat {
    const struct wm_topo *topo; /* of its host; NULL = not known */
    int host;                   /* number of the host */
    int gpu;                    /* index in topo->gpu; -1: host memory */
    int nic;                    /* index of wm_topo_nics(), or one of those below */
    int numa;                   /* -1 = not known */
    int port;                   /* of the card, by its number; 0 = all that are up */
    enum wm_fabric fabric;      /* with WM_NIC_ANY: cards that carry it; UNKNOWN = all */
};
enum {
    WM_NIC_ANY = -1,  /* all physical cards that are up together */
    WM_NIC_NONE = -2, /* none that is known */
};

/**
 * By which card the seat's bytes leave the host, as a transport says. A device that stands on cards without saying on
 * which (a bond, a bridge, a VLAN) is any of that fabric; one that is not listed is WM_NIC_NONE.
 * @param fabric  UNKNOWN with device "": it cannot say, any card
 * @param device  "" = any of that fabric
 */
void wm_seat_claim(struct wm_seat *seat, enum wm_fabric fabric, const char *device);

/**
 * The card, or the cards that are up together (links that they share counted once), by which a rank's bytes leave the
 * host from host memory. An estimate where the speed of one of these cards is not known, NONE where it is of all.
 */
void wm_limit_cards(const struct wm_seat *seat, struct wm_limit *out);

enum wm_road { WM_ROAD_DIRECT, WM_ROAD_STAGED }; /* of GPU memory; host memory goes the same way in both */

/**
 * One message from a to b. Cross-host: the narrower of both sides' card and, for GPU memory, the PCI way between GPU
 * and card (direct) or between GPU and host (staged: crossed once more on each side); NVLink where both GPUs are in one
 * domain of it. Same host: NVLink or PCI between two GPUs; host memory has no link: NONE (the copy rate is an estimate
 * that bench measures).
 */
void wm_limit_pair(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out);

/** Do copies between the seat's GPU and its host's memory go over PCI alone? False without a GPU that is known. */
bool wm_limit_by_pci(const struct wm_seat *seat);

/** Between the seat's GPU and its host's memory, one way. NONE without a GPU that is known. */
void wm_limit_to_host(const struct wm_seat *seat, struct wm_limit *out);

/* What a message through host memory crosses, one after the other: the link of the sender's GPU, the cards, the link of
 * the receiver's GPU. */
enum { WM_DETOUR_PARTS = 3 };

/**
 * From a to b, as far as they have parts: between ranks of one host the middle one is host memory, which has no link.
 * @return how many; 0 = there is none (host memory of one host), or the speed of one is not known, as part[0] says
 */
int wm_limit_detour(const struct wm_seat *a, const struct wm_seat *b, struct wm_limit part[WM_DETOUR_PARTS]);

/**
 * What one of several messages, or chunks, that go through all parts takes at least, as a rate: through the slowest
 * part they go one after the other, and one of them through all others before or behind that.
 * @param n  1 or more, all known
 * @param messages  0 = any number: the slowest part alone
 */
void wm_limit_in_turn(const struct wm_limit *part, int n, int messages, struct wm_limit *out);

/** The same in words for `topo`: "NVLink, 18 links: 450 GB/s", "PIX to mlx5_0, InfiniBand 400 Gb/s". */
void wm_limit_describe(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, char *text, size_t bytes);

#endif
