/** What topo and doctor look at: options that both have. */
#ifndef WM_CLI_SUBJECT_H
#define WM_CLI_SUBJECT_H

#include "src/core/option.h"
#include "src/topo/topo.h"

struct wm_cli_subject {
    char *sysfs_root, *xml; /* NULL: this machine */
    uint64_t timeout_ns;    /* under a launcher */
};

/** Rows of a struct wm_cli_subject, and the group of them. */
extern const struct wm_option wm_cli_subject_rows[];
#define WM_CLI_SUBJECT_GROUP(subject)                                                                                  \
    {                                                                                                                  \
        .title = "What is looked at", .rows = wm_cli_subject_rows, .conf = (subject)                                   \
    }

/** For wm_topo_discover(). */
struct wm_topo_request wm_cli_subject_request(const struct wm_cli_subject *subject);
/** Is it the machine that this process runs on? */
bool wm_cli_subject_is_here(const struct wm_cli_subject *subject);

#endif
