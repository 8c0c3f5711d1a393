/**
 * How fast bytes can go, and why: the narrowest link of a way. Pure: topology in, a bound with its derivation out.
 * `link` and `measured` are bounds that a right measurement cannot exceed; `estimate` is a figure to compare with.
 */
#ifndef WM_TOPO_LIMIT_H
#define WM_TOPO_LIMIT_H

#include "src/topo/topo.h"

enum wm_limit_kind { WM_LIMIT_NONE, WM_LIMIT_LINK, WM_LIMIT_MEASURED, WM_LIMIT_ESTIMATE, WM_LIMIT_KINDS };
extern const char *const wm_limit_kind_names[WM_LIMIT_KINDS + 1]; /* "", "link", "measured", "estimate" */

struct wm_limit {
    enum wm_limit_kind kind;
    double bytes_per_s; /* one way */
    char source[200];   /* "mlx5_0: 400 Gb/sec (4X NDR); PCIe 5.0 x16 allows more"; for NONE why there is none */
};

/**
 * A PCI link's payload rate, one way: transfers x width x encoding x protocol efficiency.
 * Encoding (PCIe Base 6.0, 4.2): 8/10 up to 5 GT/s, 128/130 at 8 to 32, flits with 236 of 256 bytes for packets from 64
 * on. Efficiency of a packet of p payload bytes: p / (p + 20), with 4 of framing and sequence, 12 of header and 4 of
 * link CRC; p / (p + 12) in flits, which frame and protect themselves. A write to a 64-bit address has 16 of header,
 * a read's answer never has: what no traffic can exceed counts 12.
 * @param payload_bytes  as set up; 0 = not known: 4096, the most that there can be, so that it stays a bound
 * @return 0 when speed or width is not known
 */
double wm_pci_bytes_per_s(double gt_per_s, int width, int payload_bytes);
/** "PCIe 5.0 x16" of 32 GT/s and 16 lanes; "PCIe 12 GT/s x4" of a speed without a generation. */
const char *wm_pci_link_name(double gt_per_s, int width, char text[32]);

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

/**
 * What one NVLink carries of data, one way, of the rate that NVML shows, which is what its lanes signal: 25.781 GB/s
 * (V100, 64b/66b), 26.562 and 53.125 (H100 and B200, 256b/257b with RS(544,514): 17/16) for 25, 25 and 50, as NVIDIA
 * states with 300, 900 and 1,800 GB/s of 6, 18 and 18 links in both directions together. Other rates as they are.
 */
double wm_nvlink_data_bytes_per_s(double shown_bytes_per_s);

enum wm_road { WM_ROAD_DIRECT, WM_ROAD_STAGED }; /* of GPU memory; host memory goes the same way in both */

/**
 * One message from a to b. Cross-host: the narrower of both sides' card and, for GPU memory, the PCI way between GPU
 * and card (direct) or between GPU and host (staged: crossed once more on each side); NVLink where both GPUs are in one
 * domain of it. Same host: NVLink or PCI between two GPUs; host memory has no link: NONE (the copy rate is an estimate
 * that bench measures).
 */
void wm_limit_pair(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, struct wm_limit *out);

/** The same in words for `topo`: "NVLink, 18 links: 450 GB/s", "PIX to mlx5_0, InfiniBand 400 Gb/s". */
void wm_limit_describe(const struct wm_seat *a, const struct wm_seat *b, enum wm_road road, char *text, size_t bytes);

#endif
