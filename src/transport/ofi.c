/** libfabric as a transport: EFA and every other provider with reliable datagram endpoints. */
#include "src/transport/ofi_ep.h"

static const char *const message_names[] = { "auto", "tagged", "written", NULL };
static const char *const put_names[] = { "auto", "delivery", "flush", NULL };

static const struct wm_option ofi_options[] = {
    { .name = "provider",
      .arg = "NAME[,NAME...]",
      .help =
          "providers of transport ofi: cores such as efa or tcp, or full names such as 'tcp;ofi_rxm'; the best that "
          "is there by default",
      .type = WM_OPT_TEXTS,
      .offset = offsetof(struct wm_ofi_conf, providers) },
    { .name = "ofi-messages",
      .arg = "HOW",
      .help =
          "messages of transport ofi: tagged (the library finds their receives), written (into the receive, which has "
          "told its address), or auto (tagged but for provider " WM_OFI_EFA_DIRECT ", which has no tags)",
      .fallback = "auto",
      .type = WM_OPT_CHOICE,
      .offset = offsetof(struct wm_ofi_conf, messages),
      .names = message_names },
    { .name = "ofi-put",
      .arg = "HOW",
      .help = "how a put of transport ofi is complete at the target: delivery (FI_DELIVERY_COMPLETE), flush (a read of "
              "one byte after the write), or auto (delivery where the provider has it)",
      .fallback = "auto",
      .type = WM_OPT_CHOICE,
      .offset = offsetof(struct wm_ofi_conf, put),
      .names = put_names },
    { .name = "ofi-eager",
      .arg = "SIZE",
      .help = "messages up to SIZE go without asking the receiver first where layer ofi_rxm makes an endpoint of tcp; "
              "by default what " WM_OFI_EAGER_VARIABLE " says, else 128K (libfabric's own: 16K)",
      .type = WM_OPT_BYTES,
      .offset = offsetof(struct wm_ofi_conf, eager_bytes),
      .min = 16 << 10,
      .max = 1 << 30 },
    { .name = NULL },
};

static int ofi_probe(const void *own, struct wm_err *err)
{
    static const struct wm_ofi_conf plain;
    struct fi_info *info = NULL;
    int rc = wm_ofi_choose(own != NULL ? own : &plain, WM_FABRIC_UNKNOWN, NULL, &info, err);

    fi_freeinfo(info);
    return rc;
}

static int ofi_check(const void *own, int ranks, struct wm_err *err)
{
    (void)ranks;
    return wm_ofi_check(own, err);
}

static const char *ofi_full_name(const void *own, enum wm_fabric fabric, char *text, size_t bytes)
{
    struct wm_err ignored = { .rank = -1 };
    struct fi_info *info = NULL;

    text[0] = '\0';
    if (wm_ofi_choose(own, fabric, NULL, &info, &ignored) == WM_OK)
        snprintf(text, bytes, "%s", wm_ofi_name(info));
    fi_freeinfo(info);
    return text;
}

static const char *ofi_version(char *text, size_t bytes)
{
    char number[32] = "";

    fi_tostr_r(number, sizeof(number), number, FI_TYPE_VERSION);
    snprintf(text, bytes, "libfabric %s", number);
    return text;
}

static void ofi_claim(struct wm_ep *ep, struct wm_claim *out)
{
    const struct wm_ofi_ep *e = wm_ofi_of(ep);
    struct wm_ofi_efa efa;
    char more[200] = "", eager[96] = "", gpu[120];

    *out = (struct wm_claim){ .fabric = wm_ofi_fabric(e->info) };
    snprintf(out->provider, sizeof(out->provider), "%s", wm_ofi_name(e->info));
    if (out->fabric != WM_FABRIC_SHM)
        snprintf(out->device, sizeof(out->device), "%s", wm_ofi_device(e->info));
    if (wm_ofi_core_is(e->info->fabric_attr->prov_name, "efa")) {
        wm_ofi_efa_look(e, &efa);
        wm_ofi_efa_tell(&efa, more, sizeof(more));
    }
    if (e->eager[0] != '\0')
        snprintf(eager, sizeof(eager), "; eager up to %s bytes (" WM_OFI_EAGER_VARIABLE ", set by %s)", e->eager,
                 e->eager_is_ours ? "wiremark" : "the environment");
    snprintf(out->how, sizeof(out->how), "FI_EP_RDM, %s; puts by %s%s%s%s%s",
             e->board != NULL ? "messages written" : "tagged",
             e->put_kind == WM_OFI_PUT ? "delivery complete" : "write and read",
             wm_ofi_gpu_tell(&e->gpu, gpu, sizeof(gpu)), eager, more[0] != '\0' ? "; " : "", more);
}

const struct wm_transport wm_transport_ofi = {
    .name = "ofi",
    .summary = "libfabric's tagged messages and remote memory access over any provider",
    .options = ofi_options,
    .conf_bytes = sizeof(struct wm_ofi_conf),
    .ops = &wm_ofi_ops,
    .probe = ofi_probe,
    .check = ofi_check,
    .open = wm_ofi_open,
    .takes = wm_ofi_takes,
    .reg = wm_ofi_reg,
    .key = wm_ofi_key,
    .import = wm_ofi_import,
    .unreg = wm_ofi_unreg,
    .needs_flush = wm_ofi_needs_flush,
    .bind_msg = wm_ofi_bind_msg,
    .claim = ofi_claim,
    .version = ofi_version,
    .full_name = ofi_full_name,
    .parts = wm_ofi_usable,
    .progress = wm_ofi_progress,
    .close = wm_ofi_close,
    .abandon = wm_ofi_close,
};
