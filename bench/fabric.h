/** --fabric: which transports can carry bytes over a fabric, and which one is taken where the user names none. Pure. */
#ifndef WM_BENCH_FABRIC_H
#define WM_BENCH_FABRIC_H

#include "src/core/err.h"
#include "src/topo/topo.h"

extern const char *const wm_fabric_words[]; /* what --fabric takes; ended by NULL */
enum wm_fabric wm_fabric_of_word(int64_t word);

enum { WM_FABRIC_TRANSPORTS = 4 };

struct wm_fabric_row {
    enum wm_fabric fabric;
    const char *looked_for;                   /* what makes it be here: "an active RoCE port" */
    const char *alone[WM_FABRIC_TRANSPORTS];  /* tried in this order without --transport; ended by NULL */
    const char *others[WM_FABRIC_TRANSPORTS]; /* can use it, too, when they are named */
    const char *provider;                     /* the core that transport ofi takes where it is chosen for the fabric */
    bool joins_gpus;                          /* carries nothing but memory of GPUs */
};

/** The row of a fabric, or NULL. */
const struct wm_fabric_row *wm_fabric_row(enum wm_fabric fabric);

/**
 * May a transport be asked for this fabric?
 * @return WM_OK; WM_EUSAGE: it cannot by definition, with those that can
 */
int wm_fabric_check(const char *transport, enum wm_fabric fabric, struct wm_err *err);

/** May a provider of transport ofi be? WM_OK where its name says nothing of the fabric. NULL: none is named. */
int wm_fabric_check_provider(const char *provider, enum wm_fabric fabric, struct wm_err *err);

#endif
