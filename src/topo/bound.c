#include "src/topo/bound.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const wm_limit_kind_names[WM_LIMIT_KINDS + 1] = { "", "link", "measured", "estimate", NULL };

void wm_limit_say(struct wm_limit *out, enum wm_limit_kind kind, double bytes_per_s, const char *format, ...)
{
    char text[sizeof(out->source)]; /* what is said may quote out's own words */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    *out = (struct wm_limit){ .kind = kind, .bytes_per_s = bytes_per_s };
    memcpy(out->source, text, sizeof(text));
}

void wm_limit_narrow(struct wm_limit *out, const struct wm_limit *other)
{
    if (other->kind != WM_LIMIT_NONE && (out->kind == WM_LIMIT_NONE || other->bytes_per_s < out->bytes_per_s))
        *out = *other;
}

void wm_nvlink_say(int links, double shown_bytes_per_s, const char *whose, struct wm_limit *out)
{
    const double each = wm_nvlink_data_bytes_per_s(shown_bytes_per_s);
    if (each > 0)
        wm_limit_say(out, WM_LIMIT_LINK, links * each, "%sNVLink, %d link%s of %.3f GB/s", whose, links,
                     links == 1 ? "" : "s", each * 1e-9);
    else
        wm_limit_say(out, WM_LIMIT_NONE, 0, "the speed of NVLinks is not known");
}

/* Bytes: the most that a packet may hold, where it cannot be read what is set up, and what it adds at least. */
enum { MOST_PAYLOAD = 4096, PACKET = 20, FLIT_PACKET = 12 };

static double packed(int payload_bytes, int added)
{
    const double payload = payload_bytes > 0 ? payload_bytes : MOST_PAYLOAD;
    return payload / (payload + added);
}

double wm_pci_bytes_per_s(double gt_per_s, int width, int payload_bytes)
{
    if (!(gt_per_s > 0) || width <= 0)
        return 0;
    double raw = gt_per_s * 1e9 / 8 * width;
    if (gt_per_s >= 64)
        return raw * 236 / 256 * packed(payload_bytes, FLIT_PACKET);
    return raw * (gt_per_s > 5 ? 128.0 / 130 : 0.8) * packed(payload_bytes, PACKET);
}

double wm_pci_link_bytes_per_s(const struct wm_topo_pci *pci, const struct wm_pci_link *link)
{
    double rate = wm_pci_bytes_per_s(link->gt_per_s, link->width, pci->payload_bytes);
    return rate > 0 ? rate : link->bytes_per_s * packed(pci->payload_bytes, PACKET);
}

const char *wm_pci_link_name(double gt_per_s, int width, char text[32])
{
    static const double rates[] = { 2.5, 5, 8, 16, 32, 64, 128 };
    for (int k = 0; k < 7; k++)
        if (gt_per_s > 0.9 * rates[k] && gt_per_s < 1.1 * rates[k]) {
            snprintf(text, 32, "PCIe %d.0 x%d", k + 1, width);
            return text;
        }
    snprintf(text, 32, "PCIe %.3g GT/s x%d", gt_per_s, width);
    return text;
}

double wm_nvlink_data_bytes_per_s(double shown_bytes_per_s)
{
    static const struct {
        double shown, data;
    } rates[] = { { 25.78125e9, 25e9 }, { 26.5625e9, 25e9 }, { 53.125e9, 50e9 } };
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        if (shown_bytes_per_s > 0.999 * rates[i].shown && shown_bytes_per_s < 1.001 * rates[i].shown)
            return rates[i].data;
    return shown_bytes_per_s;
}
