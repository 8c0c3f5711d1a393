/**
 * What libfabric has for transport ofi. It names providers by layers, the core first: "tcp;ofi_rxm" makes reliable
 * datagrams of the connections of tcp. Only what the user named, or nothing: another core is never taken instead.
 */
#include <rdma/fi_errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/core/text.h"
#include "src/transport/ofi_ep.h"

#define NAMES 64

static uint32_t version(void)
{
    const uint32_t built = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), here = fi_version();
    return FI_VERSION_GE(here, built) ? built : here;
}

static bool is_direct(const struct wm_ofi_conf *conf)
{
    return conf->providers.n > 0 && strcmp(conf->providers.value[0], WM_OFI_EFA_DIRECT) == 0;
}

bool wm_ofi_writes(const struct wm_ofi_conf *conf)
{
    return conf->messages == WM_OFI_MESSAGES_AUTO ? is_direct(conf) : conf->messages == WM_OFI_MESSAGES_WRITTEN;
}

int wm_ofi_check(const struct wm_ofi_conf *conf, struct wm_err *err)
{
    if (conf->messages == WM_OFI_MESSAGES_TAGGED && is_direct(conf))
        return wm_fail(err, WM_EUSAGE, "", 0,
                       "--ofi-messages tagged: " WM_OFI_EFA_DIRECT " has no tags; take --provider efa, or written");
    return WM_OK;
}

/* What the transport needs, and which of a provider's wishes it meets. */
static struct fi_info *new_hints(bool writes)
{
    struct fi_info *hints = fi_allocinfo();

    if (hints == NULL)
        return NULL;
    hints->caps = (writes ? FI_MSG : FI_TAGGED) | FI_RMA;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_ENDPOINT | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;          /* one thread calls it: no locks */
    hints->domain_attr->control_progress = FI_PROGRESS_MANUAL; /* and has no thread of its own beside it */
    hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
    hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
    if (writes)
        hints->domain_attr->cq_data_size = sizeof(uint32_t);
    return hints;
}

/* ---- What is there, for the user ---- */

static void add_name(const char **names, const char *name)
{
    int n = 0;

    while (names[n] != NULL && strcmp(names[n], name) != 0)
        n++;
    if (n < NAMES)
        names[n] = name;
}

static void list_names(char *text, size_t bytes, const char *const *names)
{
    size_t used = 0;

    text[0] = '\0';
    for (int n = 0; names[n] != NULL && used < bytes; n++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", n > 0 ? ", " : "", names[n]);
}

/* Does FI_PROVIDER ("tcp,shm", "^psm2") keep libfabric from offering this core? */
static bool is_filtered(const char *filter, const char *wanted)
{
    bool excludes = filter != NULL && *filter == '^', named = false;

    if (filter == NULL || *filter == '\0')
        return false;
    for (const char *word = filter + excludes; *word != '\0' && !named; word += *word == ',') {
        size_t length = strcspn(word, ",");
        named = strcspn(wanted, ";") == strcspn(word, ";,") && strncmp(word, wanted, strcspn(word, ";,")) == 0;
        word += length;
    }
    return named == excludes;
}

/* Known: `known` are the layers that are built in; near: one of them or of what is there. */
static void say_why(const struct fi_info *known, const char *const *there, const char *wanted, char *text, size_t bytes)
{
    const char *names[2 * NAMES + 1] = { NULL }, *filter = getenv("FI_PROVIDER");
    char hint[96];
    bool found = false;

    for (const struct fi_info *info = known; info != NULL; info = info->next) {
        found = found || wm_ofi_core_is(wanted, wm_ofi_name(info));
        add_name(names, wm_ofi_name(info));
    }
    for (int n = 0; there[n] != NULL; n++)
        add_name(names, there[n]);
    if (strncmp(wanted, "ofi_", 4) == 0)
        snprintf(text, bytes, "this is a layer over a provider: name what it stands on, too, as in 'tcp;ofi_rxm'");
    else if (!found && wm_ofi_is_known(wanted))
        snprintf(text, bytes, "this libfabric was built without it");
    else if (!found)
        snprintf(text, bytes, "this libfabric does not know it%s", wm_did_you_mean(hint, sizeof(hint), wanted, names));
    else if (is_filtered(filter, wanted))
        snprintf(text, bytes, "FI_PROVIDER=%.60s leaves it out", filter);
    else
        snprintf(text, bytes, "it finds nothing here that it can use");
}

static int provider_absent(const struct fi_info *all, const char *wanted, struct wm_err *err)
{
    const char *names[NAMES + 1] = { NULL };
    char list[200], why[160];
    struct fi_info *known = NULL;

    for (const struct fi_info *info = all; info != NULL; info = info->next)
        add_name(names, wm_ofi_name(info));
    list_names(list, sizeof(list), names);
    if (fi_getinfo(version(), NULL, NULL, FI_PROV_ATTR_ONLY, NULL, &known) != 0)
        known = NULL;
    say_why(known, names, wanted, why, sizeof(why));
    fi_freeinfo(known);
    return wm_fail(err, WM_EABSENT, "", 0, "--provider %.60s: %s; there are: %s", wanted, why,
                   names[0] != NULL ? list : "none");
}

/* The provider is there, but not on what else is asked for. */
static int device_absent(const struct fi_info *all, const struct wm_ofi_want *want, struct wm_err *err)
{
    const char *names[NAMES + 1] = { NULL }, *filter = getenv("FI_PROVIDER");
    char each[NAMES][80], list[200];
    bool of_fabric = false;
    int n = 0;

    for (const struct fi_info *info = all; info != NULL; info = info->next)
        of_fabric = of_fabric || wm_ofi_meets(info, want) >= WM_OFI_FABRIC;
    for (const struct fi_info *info = all; info != NULL && n < NAMES; info = info->next)
        if (wm_ofi_meets(info, want) >= (of_fabric ? WM_OFI_FABRIC : WM_OFI_PROVIDER)) {
            snprintf(each[n], sizeof(each[n]), "%s (%s)", wm_ofi_device(info), wm_ofi_name(info));
            add_name(names, each[n++]);
        }
    list_names(list, sizeof(list), names);
    if (of_fabric)
        return wm_fail(err, WM_EABSENT, "", 0,
                       "--nic %.60s: libfabric has no such device or interface%s%s; there are: %s", want->nic,
                       want->fabric != WM_FABRIC_UNKNOWN ? " of fabric " : "",
                       want->fabric != WM_FABRIC_UNKNOWN ? wm_fabric_names[want->fabric] : "", list);
    return wm_fail(
        err, WM_EABSENT, "", 0, "--fabric %s: no provider of libfabric finds a device of it%s%.60s; there are: %s",
        wm_fabric_names[want->fabric], filter != NULL ? ", with FI_PROVIDER=" : "", filter != NULL ? filter : "", list);
}

static int nothing(int rc, struct wm_err *err)
{
    const char *filter = getenv("FI_PROVIDER");

    return wm_ofi_fail(err, WM_EABSENT, "fi_getinfo", rc,
                       "no provider here has datagram endpoints with tags and remote "
                       "memory access%s%.60s",
                       filter != NULL ? ", with FI_PROVIDER=" : "", filter != NULL ? filter : "");
}

/* ---- Choosing ---- */

/* The same provider once more with what the hints say beyond it; NULL when it cannot. Frees the hints. */
static struct fi_info *once_more(const struct fi_info *info, struct fi_info *hints, int *rc)
{
    struct fi_info *found = NULL;

    *rc = fi_getinfo(version(), NULL, NULL, 0, hints, &found);
    if (*rc != 0)
        found = NULL;
    fi_freeinfo(hints);
    if (found != NULL && strcmp(wm_ofi_name(found), wm_ofi_name(info)) == 0 &&
        strcmp(wm_ofi_device(found), wm_ofi_device(info)) == 0)
        return found;
    fi_freeinfo(found);
    return NULL;
}

static struct fi_info *with_delivery(const struct fi_info *info)
{
    struct fi_info *hints = fi_dupinfo(info);
    int rc;

    if (hints == NULL)
        return NULL;
    hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
    return once_more(info, hints, &rc);
}

bool wm_ofi_choose_hmem(struct fi_info **info, int *rc)
{
    struct fi_info *hints = fi_dupinfo(*info), *found;

    *rc = -FI_ENOMEM;
    if (hints == NULL)
        return false;
    hints->caps |= FI_HMEM;
    hints->domain_attr->mr_mode |= FI_MR_HMEM;
    found = once_more(*info, hints, rc);
    if (found == NULL || !(found->caps & FI_HMEM)) {
        fi_freeinfo(found);
        return false;
    }
    fi_freeinfo(*info);
    *info = found;
    return true;
}

static int choose_put(const struct wm_ofi_conf *conf, struct fi_info **info, struct wm_err *err)
{
    struct fi_info *better = conf->put == WM_OFI_PUT_FLUSH ? NULL : with_delivery(*info);

    if (better != NULL) {
        fi_freeinfo(*info);
        *info = better;
    } else if (conf->put == WM_OFI_PUT_DELIVERY) {
        return wm_fail(err, WM_EABSENT, "", 0, "--ofi-put delivery: provider %s has no FI_DELIVERY_COMPLETE",
                       wm_ofi_name(*info));
    }
    return WM_OK;
}

/* All that could be used here; NULL = nothing, with what fi_getinfo() says in *rc. */
static struct fi_info *all_there(bool writes, int *rc)
{
    struct fi_info *hints = new_hints(writes), *all = NULL;

    *rc = hints == NULL ? -FI_ENOMEM : fi_getinfo(version(), NULL, NULL, 0, hints, &all);
    fi_freeinfo(hints);
    return *rc == 0 ? all : NULL;
}

static int not_there(const struct fi_info *all, const struct wm_ofi_want *want, int rc, struct wm_err *err)
{
    const struct wm_ofi_want provider = { .provider = want->provider };

    if (want->provider != NULL && wm_ofi_pick(all, &provider) == NULL)
        return provider_absent(all, want->provider, err);
    return all == NULL ? nothing(rc, err) : device_absent(all, want, err);
}

int wm_ofi_choose(const struct wm_ofi_conf *conf, enum wm_fabric fabric, const char *nic, struct fi_info **out,
                  struct wm_err *err)
{
    const struct wm_ofi_want want = { .provider = conf->providers.n > 0 ? conf->providers.value[0] : NULL,
                                      .fabric = fabric,
                                      .nic = nic };
    struct fi_info *all, *chosen = NULL;
    const struct fi_info *found;
    int rc;

    if (wm_ofi_contradiction(&want, err) != WM_OK)
        return err->code;
    all = all_there(wm_ofi_writes(conf), &rc);
    found = wm_ofi_pick(all, &want);
    if (found == NULL)
        not_there(all, &want, rc, err);
    else if ((chosen = fi_dupinfo(found)) == NULL)
        wm_fail(err, WM_ENOMEM, "fi_dupinfo", 0, "provider %s", wm_ofi_name(found));
    else if (choose_put(conf, &chosen, err) == WM_OK)
        *out = chosen;
    else
        fi_freeinfo(chosen);
    fi_freeinfo(all);
    return err->code;
}

const char *wm_ofi_usable(char *text, size_t bytes)
{
    const char *names[NAMES + 1] = { NULL };
    int rc;
    struct fi_info *tagged = all_there(false, &rc), *written = all_there(true, &rc);

    for (const struct fi_info *info = tagged; info != NULL; info = info->next)
        add_name(names, wm_ofi_name(info));
    for (const struct fi_info *info = written; info != NULL; info = info->next)
        if (strcmp(wm_ofi_name(info), WM_OFI_EFA_DIRECT) == 0)
            add_name(names, WM_OFI_EFA_DIRECT);
    list_names(text, bytes, names);
    fi_freeinfo(tagged);
    fi_freeinfo(written);
    return text;
}
