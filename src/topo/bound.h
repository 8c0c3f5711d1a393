/** What one link carries at most, and a bound with its derivation in words. */
#ifndef WM_TOPO_BOUND_H
#define WM_TOPO_BOUND_H

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

/** The same of a link as it is, or as the kernel tells its rate. */
double wm_pci_link_bytes_per_s(const struct wm_topo_pci *pci, const struct wm_pci_link *link);

/**
 * What one NVLink carries of data, one way, of the rate that NVML shows, which is what its lanes signal: 25.781 GB/s
 * (V100, 64b/66b), 26.562 and 53.125 (H100 and B200, 256b/257b with RS(544,514): 17/16) for 25, 25 and 50, as NVIDIA
 * states with 300, 900 and 1,800 GB/s of 6, 18 and 18 links in both directions together. Other rates as they are.
 */
double wm_nvlink_data_bytes_per_s(double shown_bytes_per_s);

/** The format may quote out's own source. */
void wm_limit_say(struct wm_limit *out, enum wm_limit_kind kind, double bytes_per_s, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** The narrower of both; what is not known does not count. */
void wm_limit_narrow(struct wm_limit *out, const struct wm_limit *other);

/** @param shown_bytes_per_s  of one link; 0 = not known */
void wm_nvlink_say(int links, double shown_bytes_per_s, const char *whose, struct wm_limit *out);

#endif
