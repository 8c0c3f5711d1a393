/** Reference values that cannot be: shipped files of well-known tools have had a rate 1000 times too high, and Gb/s
 * shown as GB/s. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/reference_entry.h"
#include "src/stats/series.h"

/* What one device carries one way, in bytes per second. GPUs: all their NVLinks, and their PCIe x16 before headers
 * (NVIDIA's data sheets: 300, 600, 900 and 1,800 GB/s are both ways); adapters: the port's signalled rate. */
static const struct carried {
    const char *pci;
    double nvlink, pcie, nic;
} devices[] = {
    { "10de:1db1", 150e9, 15.76e9, 0 },  /* V100 SXM2 16 GB */
    { "10de:1db5", 150e9, 15.76e9, 0 },  /* V100 SXM2 32 GB */
    { "10de:20b0", 300e9, 31.51e9, 0 },  /* A100 SXM4 40 GB */
    { "10de:20b2", 300e9, 31.51e9, 0 },  /* A100 SXM4 80 GB */
    { "10de:2321", 300e9, 63.02e9, 0 },  /* H100 NVL */
    { "10de:2330", 450e9, 63.02e9, 0 },  /* H100 SXM5 */
    { "10de:2335", 450e9, 63.02e9, 0 },  /* H200 SXM */
    { "10de:2901", 900e9, 63.02e9, 0 },  /* B200 */
    { "10de:2941", 900e9, 63.02e9, 0 },  /* GB200 */
    { "10de:31c2", 900e9, 126.1e9, 0 },  /* GB300 */
    { "15b3:1013", 0, 15.76e9, 12.5e9 }, /* ConnectX-4, EDR */
    { "15b3:1017", 0, 15.76e9, 12.5e9 }, /* ConnectX-5, EDR */
    { "15b3:1019", 0, 31.51e9, 12.5e9 }, /* ConnectX-5 Ex, EDR */
    { "15b3:101b", 0, 31.51e9, 25e9 },   /* ConnectX-6, HDR */
    { "15b3:1021", 0, 63.02e9, 50e9 },   /* ConnectX-7, NDR */
    { "15b3:1023", 0, 126.1e9, 100e9 },  /* ConnectX-8, XDR */
    { "1d0f:efa0", 0, 31.51e9, 12.5e9 }, /* EFA of p4d */
    { "1d0f:efa1", 0, 31.51e9, 12.5e9 }, /* EFA of p4d, p5: 100 Gb/s each */
    { "1d0f:efa2", 0, 63.02e9, 25e9 },   /* EFA of p5, p5e */
    { "1d0f:efa3", 0, 63.02e9, 25e9 },   /* EFA of p5en: 200 Gb/s each */
    { "17db:0501", 0, 31.51e9, 25e9 },   /* Slingshot 200 */
    { NULL, 0, 0, 0 },
};

static const struct carried *carried_by(const char *pci)
{
    for (const struct carried *d = devices; d->pci != NULL; d++)
        if (strcmp(d->pci, pci) == 0)
            return d;
    return NULL;
}

static double wire_of(const struct carried *d, int wire)
{
    return wire == WM_REFERENCE_NVLINK ? d->nvlink : wire == WM_REFERENCE_PCIE ? d->pcie : d->nic;
}

static bool is_collective(const struct wm_reference *e)
{
    return strncmp(e->bench, "all", 3) == 0 || strcmp(e->bench, "reduce") == 0 || strcmp(e->bench, "broadcast") == 0;
}

/**
 * The most that the named hardware can show; 0: not known. Where switches add (NVLS, SHARP) each rank sends its vector
 * once and not twice: up to 2 times the link. Over several nodes a hierarchical algorithm puts (k - 1) / (n - 1) of the
 * bus bandwidth on each rank's share of the adapters.
 */
static double most_of(const struct wm_reference *e)
{
    double most = 0, adds = e->protocol[0] != '\0' ? 2 : 1, both = strcmp(e->bench, "bibandwidth") == 0 ? 2 : 1;
    for (int i = 0; i < e->n_hardware; i++) {
        const struct carried *d = carried_by(e->hardware[i].pci);
        double here = d == NULL ? 0 : wire_of(d, e->wire);
        if (here > 0 && e->wire == WM_REFERENCE_NIC && is_collective(e) && e->nodes > 1 && e->ranks > e->nodes) {
            double adapters = e->hardware[i].count > 0 ? (double)e->hardware[i].count : 1;
            double per_rank = here * adapters * (double)e->nodes / (double)e->ranks;
            here = per_rank * (double)(e->ranks - 1) / (double)(e->nodes - 1);
        }
        most = fmax(most, here);
    }
    return most * adds * both;
}

static int above_bound(const struct wm_reference *e, FILE *to)
{
    double most = most_of(e), value = e->value * e->factor;
    if (e->figure == WM_REFERENCE_TIME && value < 10) {
        fprintf(to, "%s: %g %s: nothing answers within 10 ns\n", e->name, e->value, e->unit);
        return 1;
    }
    if (e->figure != WM_REFERENCE_RATE || !(value > (most > 0 ? most : 1e13)))
        return 0;
    fprintf(to, "%s: %g %s is above what the hardware carries, %g %s over %s\n", e->name, e->value, e->unit,
            (most > 0 ? most : 1e13) / e->factor, e->unit, wm_reference_wires[e->wire]);
    return 1;
}

/* Entries of the same benchmark and figure, whatever their hardware, lie within three orders of magnitude. */
static int off_siblings(const struct wm_references *r, const struct wm_reference *e, double *work, FILE *to)
{
    size_t n = 0;
    for (int i = 0; i < r->n; i++) {
        const struct wm_reference *other = &r->entry[i];
        if (other != e && other->figure == e->figure && strcmp(other->bench, e->bench) == 0)
            work[n++] = other->value * other->factor;
    }
    if (n < 2)
        return 0;
    double middle = wm_median(work, n), times = e->value * e->factor / middle;
    if (times < 300 && times > 1 / 300.0)
        return 0;
    fprintf(to, "%s: %g %s is %.3g times the middle of the other entries for %s: a slip of units?\n", e->name, e->value,
            e->unit, times, e->bench);
    return 1;
}

static int twice(const struct wm_references *r, int i, FILE *to)
{
    for (int k = 0; k < i; k++)
        if (strcmp(r->entry[k].name, r->entry[i].name) == 0) {
            fprintf(to, "%s: there is another entry of this name\n", r->entry[i].name);
            return 1;
        }
    return 0;
}

static int no_source(const struct wm_reference *e, FILE *to)
{
    if (strchr(e->source, '/') != NULL || strchr(e->source, ' ') != NULL)
        return 0;
    fprintf(to, "%s: source '%s' is neither an address nor a document and its version\n", e->name, e->source);
    return 1;
}

int wm_references_lint(const struct wm_references *r, FILE *to)
{
    double *work = calloc((size_t)r->n + 1, sizeof(*work));
    int faults = 0;
    for (int i = 0; i < r->n && work != NULL; i++)
        faults += (above_bound(&r->entry[i], to) || off_siblings(r, &r->entry[i], work, to)) + twice(r, i, to) +
                  no_source(&r->entry[i], to);
    free(work);
    return faults;
}
