/** What an endpoint of provider efa does by the device and what libfabric emulates, and the settings that bear on it.
 */
#include <rdma/fi_endpoint.h>
#include <rdma/fi_ext.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/transport/ofi_ep.h"

/* The options are of an enum: only the version of the headers tells whether they have them. */
#define WITH_EMULATED FI_VERSION_GE(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), FI_VERSION(1, 18))

#if WITH_EMULATED
static enum wm_ofi_emulated ask(const struct wm_ofi_ep *e, int option)
{
    bool emulated = false;
    size_t bytes = sizeof(emulated);

    if (FI_VERSION_LT(fi_version(), FI_VERSION(1, 18)) ||
        fi_getopt(&e->fid->fid, FI_OPT_ENDPOINT, option, &emulated, &bytes) != 0)
        return WM_OFI_UNKNOWN;
    return emulated ? WM_OFI_EMULATED : WM_OFI_BY_DEVICE;
}
#endif

void wm_ofi_efa_look(const struct wm_ofi_ep *e, struct wm_ofi_efa *out)
{
    *out = (struct wm_ofi_efa){ .fabric = e->info->fabric_attr->name,
                                .use_device_rdma = getenv("FI_EFA_USE_DEVICE_RDMA"),
                                .fork_safe = getenv("FI_EFA_FORK_SAFE"),
                                .ibv_fork_safe = getenv("RDMAV_FORK_SAFE"),
                                .use_huge_page = getenv("FI_EFA_USE_HUGE_PAGE"),
                                .enable_shm_transfer = getenv("FI_EFA_ENABLE_SHM_TRANSFER") };
#if WITH_EMULATED
    out->read = ask(e, FI_OPT_EFA_EMULATED_READ);
    out->write = ask(e, FI_OPT_EFA_EMULATED_WRITE);
#endif
}

/* As libfabric reads a truth: what is neither counts as not set. */
static int truth(const char *value)
{
    static const char *const words[2][4] = { { "0", "false", "no", "off" }, { "1", "true", "yes", "on" } };

    for (int is = 0; is < 2 && value != NULL; is++)
        for (int i = 0; i < 4; i++)
            if (strcasecmp(value, words[is][i]) == 0)
                return is;
    return -1;
}

static void add(char *text, size_t bytes, const char *what)
{
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, "%s%s", used > 0 ? "; " : "", what);
}

/* Without an answer the variable still says what is certain. */
static void tell_rdma(const struct wm_ofi_efa *efa, char *text, size_t bytes)
{
    static const char *const by[][3] = {
        [WM_OFI_UNKNOWN] = { "reads and writes by the device or emulated: this libfabric does not say",
                             "writes by the device, reads not known", "writes emulated by messages, reads not known" },
        [WM_OFI_BY_DEVICE] = { "reads by the device, writes not known", "reads and writes by the device",
                               "reads by the device, writes emulated by messages" },
        [WM_OFI_EMULATED] = { "reads emulated by messages, writes not known",
                              "reads emulated by messages, writes by the device",
                              "reads and writes emulated by messages" },
    };
    const bool off = truth(efa->use_device_rdma) == 0;

    if (off && efa->read == WM_OFI_UNKNOWN && efa->write == WM_OFI_UNKNOWN)
        add(text, bytes, by[WM_OFI_EMULATED][WM_OFI_EMULATED]);
    else
        add(text, bytes, by[efa->read][efa->write]);
    if (off)
        add(text, bytes, "FI_EFA_USE_DEVICE_RDMA switches the device's RDMA off");
}

const char *wm_ofi_efa_tell(const struct wm_ofi_efa *efa, char *text, size_t bytes)
{
    const bool forks = truth(efa->fork_safe) == 1 || efa->ibv_fork_safe != NULL;

    snprintf(text, bytes, "fabric %s", efa->fabric != NULL ? efa->fabric : "not known");
    tell_rdma(efa, text, bytes);
    if (efa->fabric != NULL && strcmp(efa->fabric, "efa") == 0 && truth(efa->enable_shm_transfer) != 0)
        add(text, bytes, "within a host shared memory");
    if (forks)
        add(text, bytes,
            efa->ibv_fork_safe != NULL ? "RDMAV_FORK_SAFE: slower registration, no huge pages inside"
                                       : "FI_EFA_FORK_SAFE: slower registration, no huge pages inside");
    else if (truth(efa->use_huge_page) == 0)
        add(text, bytes, "FI_EFA_USE_HUGE_PAGE off: small pages inside");
    return text;
}
