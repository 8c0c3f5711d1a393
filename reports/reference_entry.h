/** An entry of a reference file; private to the references. */
#ifndef WM_REPORTS_REFERENCE_ENTRY_H
#define WM_REPORTS_REFERENCE_ENTRY_H

#include "reports/reference.h"
#include "reports/strict.h"

enum { WM_REFERENCE_HARDWARE = 4 };
enum wm_reference_kind { WM_REFERENCE_BOUND, WM_REFERENCE_MEASURED, WM_REFERENCE_THRESHOLD, WM_REFERENCE_POLICY };
enum wm_reference_figure { WM_REFERENCE_RATE, WM_REFERENCE_TIME };
enum wm_reference_wire { WM_REFERENCE_NVLINK, WM_REFERENCE_PCIE, WM_REFERENCE_NIC };
extern const char *const wm_reference_kinds[], *const wm_reference_figures[], *const wm_reference_wires[];

struct wm_reference_hardware {
    const char *pci, *psid; /* "10de:2330"; "" = not named */
    int64_t count;          /* in each node; -1: one at least */
};

/* Texts are the file's; "" and -1: any. */
struct wm_reference {
    const char *name, *unit, *source;
    enum wm_reference_kind kind;
    enum wm_reference_figure figure;
    double value, factor; /* value * factor: bytes per second, or nanoseconds */
    struct wm_reference_hardware hardware[WM_REFERENCE_HARDWARE];
    int n_hardware, wire;
    int64_t nodes, ranks, bytes;
    const char *bench, *transport, *path, *mem, *algo, *dtype;
    const char *protocol; /* "nvls", "sharp": the network adds, which has another bound; "" */
    const char *machine;  /* a pattern on the product's name, never without a device */
    const char *library;  /* "nccl >= 2.19" */
};

struct wm_references {
    struct wm_strict file;
    struct wm_reference *entry;
    int n;
};

#endif
