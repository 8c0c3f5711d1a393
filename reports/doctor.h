/**
 * What doctor found on all nodes: differences between nodes first, then what is wrong, with why and the mend, each
 * thing once with its hosts.
 */
#ifndef WM_REPORTS_DOCTOR_H
#define WM_REPORTS_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#include "src/core/err.h"
#include "src/doctor/doctor.h"

struct wm_doctor_node {
    const char *host;
    struct wm_finding *finding; /* the same checks in the same order on all nodes */
};

struct wm_doctor_report {
    const char *machine; /* what was looked at, for the first line */
    const struct wm_doctor_node *node;
    int n_nodes;
    int n_findings; /* of each node */
};

/** 100 columns. @param all  also what is ok, not applicable, or unknown without being required */
void wm_doctor_print(FILE *to, const struct wm_doctor_report *report, bool all);

/** reports/schema/wiremark-doctor-1.schema.json; all checks. WM_ENOMEM, WM_EIO. */
int wm_doctor_print_json(FILE *to, const struct wm_doctor_report *report, struct wm_err *err);

/** All checks in Markdown: what each reads, why it matters, the mend. */
void wm_doctor_print_checks(FILE *to);

#endif
