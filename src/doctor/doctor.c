#include "src/doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/doctor/look.h"

const char *const wm_health_names[WM_HEALTHS + 1] = { "ok", "warn", "fail", "unknown", "not applicable", NULL };

const struct wm_check *const wm_checks[] = { wm_checks_process, wm_checks_system, wm_checks_pci,  wm_checks_rdma,
                                             wm_checks_efa,     wm_checks_gpu,    wm_checks_nccl, NULL };

const struct wm_check *wm_check_at(int index)
{
    for (int f = 0; wm_checks[f] != NULL; f++)
        for (const struct wm_check *c = wm_checks[f]; c->id != NULL; c++)
            if (index-- == 0)
                return c;
    return NULL;
}

int wm_checks_count(void)
{
    int n = 0;
    while (wm_check_at(n) != NULL)
        n++;
    return n;
}

const struct wm_check *wm_check_find(const char *id)
{
    for (int i = 0; wm_check_at(i) != NULL; i++)
        if (strcmp(wm_check_at(i)->id, id) == 0)
            return wm_check_at(i);
    return NULL;
}

void wm_doctor_one(const struct wm_check *check, const struct wm_patient *patient, struct wm_finding *out)
{
    *out = (struct wm_finding){ .check = check, .health = WM_HEALTH_NOT_APPLICABLE };
    check->look(patient, out);
    if (out->health == WM_HEALTH_OK || out->health == WM_HEALTH_NOT_APPLICABLE)
        out->mend[0] = '\0';
    else if (out->mend[0] == '\0' && out->health == WM_HEALTH_UNKNOWN)
        wm_finding_mend(out,
                        wm_tree_is_here(patient->tree) ? "run doctor where it can read (as root, outside of a "
                                                         "container): %s"
                                                       : "add to the recording: %s",
                        check->reads);
    else if (out->mend[0] == '\0')
        wm_finding_mend(out, "%s", check->mend);
}

int wm_doctor_status(const struct wm_finding *finding, int n)
{
    int status = 0;
    for (int i = 0; i < n; i++) {
        if (finding[i].health == WM_HEALTH_FAIL)
            return 1;
        if (finding[i].health == WM_HEALTH_UNKNOWN && finding[i].check->required)
            status = 3;
    }
    return status;
}

/* ---- sentences */

/* Appends to a text of a fixed size; what does not fit ends with "...". What the environment or a damaged file put in
 * is shown as "?" where it is no plain text. */
static void append(char *text, size_t bytes, const char *between, const char *format, va_list args)
{
    size_t at = strlen(text);
    if (at > 0)
        at += (size_t)snprintf(text + at, bytes - at, "%s", between);
    int n = at < bytes ? vsnprintf(text + at, bytes - at, format, args) : (int)bytes;
    if (at + (size_t)n >= bytes)
        memcpy(text + bytes - 4, "...", 4);
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

void wm_finding_say(struct wm_finding *f, enum wm_health to, const char *format, ...)
{
    static const int weight[WM_HEALTHS] = {
        [WM_HEALTH_NOT_APPLICABLE] = 0, [WM_HEALTH_OK] = 1,   [WM_HEALTH_WARN] = 2,
        [WM_HEALTH_UNKNOWN] = 3,        [WM_HEALTH_FAIL] = 4,
    };
    va_list args;
    if (weight[to] > weight[f->health])
        f->health = to;
    va_start(args, format);
    append(f->read, sizeof(f->read), "; ", format, args);
    va_end(args);
}

void wm_finding_not_here(struct wm_finding *f, const char *why_not)
{
    f->health = WM_HEALTH_NOT_APPLICABLE;
    snprintf(f->read, sizeof(f->read), "%s", why_not);
}

void wm_finding_mend(struct wm_finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(f->mend, sizeof(f->mend), "; ", format, args);
    va_end(args);
}

void wm_finding_same(struct wm_finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(f->same, sizeof(f->same), "; ", format, args);
    va_end(args);
}

void wm_listing_add(struct wm_listing *list, const char *format, ...)
{
    size_t at = strlen(list->text);
    char word[120];
    va_list args;
    va_start(args, format);
    vsnprintf(word, sizeof(word), format, args);
    va_end(args);
    /* Room stays for " and 4096 more"; names are left out from the first that does not fit. */
    if (list->n++ == list->shown && at + strlen(word) + 20 < sizeof(list->text)) {
        snprintf(list->text + at, sizeof(list->text) - at, "%s%s", at > 0 ? ", " : "", word);
        list->shown++;
    }
}

const char *wm_listing_text(struct wm_listing *list)
{
    size_t at = strlen(list->text);
    if (list->n > list->shown)
        snprintf(list->text + at, sizeof(list->text) - at, " and %d more", list->n - list->shown);
    list->shown = list->n;
    return list->text;
}

/* ---- what a patient has */

enum { ENVIRONMENT_BYTES = 1 << 20 };

bool wm_patient_variable(const struct wm_patient *p, const char *name, char *out, size_t bytes)
{
    size_t length = strlen(name);
    bool found = false;
    out[0] = '\0';
    char *all = malloc(ENVIRONMENT_BYTES + 1);
    if (all == NULL)
        return false;
    size_t n = wm_tree_bytes(p->tree, all, ENVIRONMENT_BYTES, "proc/self/environ");
    all[n] = '\0';
    for (char *at = all; !found && at < all + n; at += strlen(at) + 1) {
        found = strncmp(at, name, length) == 0 && at[length] == '=';
        if (found)
            snprintf(out, bytes, "%s", at + length + 1);
    }
    free(all);
    return found;
}

bool wm_variables_missing(const struct wm_patient *p, struct wm_finding *f)
{
    char first;
    if (wm_tree_bytes(p->tree, &first, 1, "proc/self/environ") > 0)
        return false;
    wm_finding_say(f, WM_HEALTH_UNKNOWN, "there is nothing in /proc/self/environ");
    return true;
}

int wm_patient_rdma(const struct wm_patient *p)
{
    int n = 0;
    for (int i = 0; i < p->topo->n_rdma; i++)
        n += !p->topo->rdma[i].virtual_device;
    return n;
}

bool wm_rdma_has(const struct wm_topo_rdma *device, enum wm_fabric fabric)
{
    for (int i = 0; i < device->n_ports; i++)
        if (device->port[i].fabric == fabric)
            return true;
    return false;
}

int wm_patient_fabric(const struct wm_patient *p, enum wm_fabric fabric)
{
    int n = 0;
    for (int i = 0; i < p->topo->n_rdma; i++)
        n += !p->topo->rdma[i].virtual_device && wm_rdma_has(&p->topo->rdma[i], fabric);
    return n;
}

int wm_patient_nvidia(const struct wm_patient *p)
{
    int n = 0;
    for (int i = 0; i < p->topo->n_gpus; i++) {
        int pci = p->topo->gpu[i].pci;
        n += pci < 0 || p->topo->pci[pci].vendor == 0 || p->topo->pci[pci].vendor == WM_VENDOR_NVIDIA;
    }
    return n;
}

void wm_each_port(const struct wm_patient *p,
                  void (*look)(const struct wm_patient *p, const struct wm_topo_rdma *device,
                               const struct wm_topo_port *port, void *arg),
                  void *arg)
{
    for (int i = 0; i < p->topo->n_rdma; i++)
        for (int k = 0; k < p->topo->rdma[i].n_ports; k++)
            look(p, &p->topo->rdma[i], &p->topo->rdma[i].port[k], arg);
}

bool wm_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0'; at += *at == ',') {
        size_t n = strcspn(at, ",");
        if (n >= length && strncmp(at, word, length) == 0 && strchr(",:;=", at[length]) != NULL)
            return true;
        at += n;
    }
    return false;
}

const char *wm_patient_version(const struct wm_patient *p, const char *name)
{
    const char *version = p->versions != NULL ? wm_versions_of(p->versions, name) : "";
    return version != NULL ? version : "";
}

void wm_patient_kernel(const struct wm_patient *p, char *out, size_t bytes)
{
    if (!wm_tree_text(p->tree, out, bytes, "proc/sys/kernel/osrelease"))
        snprintf(out, bytes, "%s", wm_patient_version(p, "kernel"));
}
