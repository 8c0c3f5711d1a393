/** What checks of several families share, for src/doctor alone. */
#ifndef WM_DOCTOR_LOOK_H
#define WM_DOCTOR_LOOK_H

#include "src/doctor/doctor.h"

extern const struct wm_check wm_checks_process[], wm_checks_system[], wm_checks_pci[], wm_checks_rdma[],
    wm_checks_efa[], wm_checks_gpu[], wm_checks_nccl[];

#define WM_VENDOR_NVIDIA 0x10de

/* Names for a sentence: "mlx5_0, mlx5_1 and 6 more". */
struct wm_listing {
    char text[240];
    int n, shown;
};
void wm_listing_add(struct wm_listing *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The text, with how many are not in it. */
const char *wm_listing_text(struct wm_listing *list);

/** Not applicable, with the reason. */
void wm_finding_not_here(struct wm_finding *f, const char *why_not);
/** A mend of its own instead of the row's. */
void wm_finding_mend(struct wm_finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Adds "name value" to what must be equal on all nodes. */
void wm_finding_same(struct wm_finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** RDMA devices with hardware of their own. */
int wm_patient_rdma(const struct wm_patient *p);
/** Of those, devices with a port of this fabric. */
int wm_patient_fabric(const struct wm_patient *p, enum wm_fabric fabric);
bool wm_rdma_has(const struct wm_topo_rdma *device, enum wm_fabric fabric);
/** GPUs of NVIDIA, or of an unknown maker. */
int wm_patient_nvidia(const struct wm_patient *p);

/** Calls look for each port of an RDMA device. */
void wm_each_port(const struct wm_patient *p,
                  void (*look)(const struct wm_patient *p, const struct wm_topo_rdma *device,
                               const struct wm_topo_port *port, void *arg),
                  void *arg);

/** Is `word` an element of a list with commas? An element "name:1" or "name=..." is `name`, too. */
bool wm_list_has(const char *list, const char *word);

/** True, and said to be unknown, where the variables cannot be read: not one of them is then known to be unset. */
bool wm_variables_missing(const struct wm_patient *p, struct wm_finding *f);

/** The version of a library or driver: from versions[], else "". The kernel's also from proc. */
const char *wm_patient_version(const struct wm_patient *p, const char *name);
void wm_patient_kernel(const struct wm_patient *p, char *out, size_t bytes);

#endif
