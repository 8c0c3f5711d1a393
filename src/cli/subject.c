#include "src/cli/subject.h"

#define DAY_NS    (86400e9)
#define AT(field) .offset = offsetof(struct wm_cli_subject, field)

const struct wm_option wm_cli_subject_rows[] = {
    { .name = "sysfs-root",
      .arg = "DIR",
      .type = WM_OPT_TEXT,
      AT(sysfs_root),
      .help = "a recorded machine: the folder that holds its sys/ and proc/" },
    { .name = "xml",
      .arg = "FILE",
      .type = WM_OPT_TEXT,
      AT(xml),
      .help = "a topology file of hwloc or NCCL; what it does not hold is not known, unless --sysfs-root has it" },
    { .name = "timeout",
      .arg = "TIME",
      .type = WM_OPT_TIME_NS,
      AT(timeout_ns),
      .fallback = "60s",
      .min = 1e8,
      .max = DAY_NS,
      .help = "under a launcher: longest wait for MPI to start, and then for all nodes to have looked" },
    { 0 },
};

struct wm_topo_request wm_cli_subject_request(const struct wm_cli_subject *subject)
{
    return (struct wm_topo_request){ .sysfs_root = subject->sysfs_root, .xml = subject->xml };
}

bool wm_cli_subject_is_here(const struct wm_cli_subject *subject)
{
    return subject->sysfs_root == NULL && subject->xml == NULL;
}
