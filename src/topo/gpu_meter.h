/**
 * What GPUs have carried over NVLink and PCIe, by NVML's counters (fields 138, 139: KiB of data; 197, 198: bytes).
 * Never by nvmlDeviceGetPcieThroughput, which is a sample of 20 ms and no total.
 */
#ifndef WM_TOPO_GPU_METER_H
#define WM_TOPO_GPU_METER_H

#include "src/topo/traffic.h"

struct wm_gpu_meter;

/** NULL: NVML cannot be asked. */
struct wm_gpu_meter *wm_gpu_meter_open(void);
void wm_gpu_meter_close(struct wm_gpu_meter *meter);

/**
 * Adds a counter for each GPU and fabric that can be read, "GPU-...:nvlink", "GPU-...:pcie", to what is in `out`.
 * @param meter  NULL: adds nothing. @return WM_OK or WM_ENOMEM
 */
int wm_gpu_meter_read(const struct wm_gpu_meter *meter, struct wm_traffic *out, struct wm_err *err);

#endif
