/** What NVIDIA's management library says of GPUs, for src/topo/nvml*.c alone: asked now, or read from a record. */
#ifndef WM_TOPO_NVML_H
#define WM_TOPO_NVML_H

#include "src/topo/topo.h"

/* Blackwell has 18; NVML itself counts up to 36. */
#define WM_NVML_LINKS 36

enum wm_nvml_remote { WM_NVML_UNKNOWN, WM_NVML_GPU, WM_NVML_SWITCH, WM_NVML_CPU };

struct wm_nvml_link {
    bool active;
    double bytes_per_s; /* one way; 0 = not known */
    enum wm_nvml_remote remote;
    char remote_address[16]; /* "" = not known */
};

struct wm_nvml_gpu {
    char name[80], uuid[64], address[16], driver[32], domain[48];
    uint64_t memory_bytes;
    bool mig;
    struct wm_nvml_link link[WM_NVML_LINKS];
    int n_links;
    int c2c_links;          /* NVLink-C2C to the processor, active */
    double c2c_bytes_per_s; /* of these all together, one way; 0 = not known */
};

struct wm_nvml {
    struct wm_nvml_gpu *gpu; /* in NVML's order */
    int n_gpus;
};

/** Both WM_OK, with notes where something is missing and n_gpus = 0 where all is, or WM_ENOMEM. Free gpu. */
int wm_nvml_ask(struct wm_tree *tree, bool expected, struct wm_nvml *out, struct wm_err *err);
int wm_nvml_load(struct wm_tree *tree, struct wm_nvml *out, struct wm_err *err);

/** One more active link to the processor. Where the speed of one is not known, that of all is not. */
void wm_nvml_add_cpu_link(double bytes_per_s, int *links, double *sum_bytes_per_s);

/** "UUID.CLIQUE", or "" where the UUID is all zero: a domain of this node alone has none. text holds 48 bytes. */
void wm_nvml_domain(char *text, const unsigned char uuid[16], unsigned clique);

#endif
