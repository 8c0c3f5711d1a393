/**
 * A machine's files below one root: "/" for this machine, a folder that holds a recorded machine's proc/ and sys/
 * otherwise. Everything that discovery and doctor read of a machine goes through here, so that a missing, empty,
 * oversized or binary file, a loop of links or a device that vanishes is an absent field with a noted reason, and never
 * more than that.
 */
#ifndef WM_TOPO_TREE_H
#define WM_TOPO_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/err.h"

#define WM_TREE_ENTRIES 4096 /* of one folder; what is beyond is noted and left out */
#define WM_TREE_NOTES   64   /* kept in full; those beyond are counted */

struct wm_note {
    char path[160], reason[120];
};

struct wm_tree {
    char root[512]; /* "" for this machine; no slash at its end */
    struct wm_note *notes;
    int n_notes, notes_left_out;
};

/** @return WM_OK; WM_EABSENT: no such folder; WM_ENOMEM */
int wm_tree_open(const char *root, struct wm_tree *out, struct wm_err *err);
void wm_tree_close(struct wm_tree *tree);

/** Is it this machine? (Then libraries and system calls may be asked, too.) */
bool wm_tree_is_here(const struct wm_tree *tree);

/**
 * The paths below are relative to the root, "sys/class/net/%s/speed". The text of a file without blanks around it.
 * False when there is no such file (not noted: absence is common), and when it cannot be read, is empty, does not fit
 * or holds what is no text (all noted); out is "" then.
 */
bool wm_tree_text(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The same of one line: a file of several says two things at once, noted. */
bool wm_tree_line(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A whole number in decimal or 0x hexadecimal; false and noted when the file holds something else. */
bool wm_tree_number(struct wm_tree *tree, int64_t *out, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Up to `bytes` of a binary file; returns how many, 0 when there are none (noted, unless there is no such file). */
size_t wm_tree_bytes(struct wm_tree *tree, void *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool wm_tree_exists(struct wm_tree *tree, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Last part of what a symbolic link points to ("device" -> "0000:18:00.0", "driver" -> "mlx5_core"). */
bool wm_tree_link_name(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The whole of what a symbolic link points to. False where it is none: not noted, as in a copy that followed links. */
bool wm_tree_link(struct wm_tree *tree, char *out, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

struct wm_names {
    char (*name)[64];
    int n;
};
/** Names in a folder in ascending order (numbers in them by value: eth2 before eth10), without "." and "..". */
void wm_tree_names(struct wm_tree *tree, struct wm_names *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void wm_names_free(struct wm_names *names);

/** Notes why something is absent. */
void wm_tree_note(struct wm_tree *tree, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
