/**
 * Which road did the bytes take? The transport claims, the kernel's counters of every host testify, and one pure
 * function judges. docs/method.md has the rule in words.
 */
#ifndef WM_BENCH_EVIDENCE_H
#define WM_BENCH_EVIDENCE_H

#include "src/topo/traffic.h"
#include "src/transport/transport.h"

enum wm_verdict { WM_VERDICT_NONE, WM_UNPROVEN, WM_PROVEN, WM_CONTRADICTED, WM_VERDICTS };
extern const char *const wm_verdict_names[WM_VERDICTS + 1]; /* "", "unproven", "proven", "contradicted" */

/* One host's testimony on one arm. */
struct wm_witness {
    const char *host;          /* its name, for the reasons */
    uint64_t least_sent_bytes; /* payload that must have left it; 0: nothing had to */
    uint64_t least_received_bytes;
    const struct wm_traffic *moved; /* counters' rise while the arm ran alone; NULL: unreadable */
    const struct wm_traffic *idle;  /* their rise in the same time while nothing ran, scaled; NULL = not looked at */
    const struct wm_claim
        *claim; /* of the host's ranks that have a part, each once: rails are a road of several cards */
    int n_claims;
};

struct wm_judgement {
    enum wm_verdict verdict;
    enum wm_fabric fabric; /* that carried the bytes, where it is proven or contradicted */
    char reason[256];      /* why not proven, or what contradicts */
};

/**
 * proven: on every host that had to send or receive, the claimed devices' (or any one device's, where nothing is
 * claimed) counters together moved at least 0.9 of it (packets: that many bytes / MTU). contradicted: on some host less
 * than 0.1 of it while counters of another road moved at least 0.5. Else unproven: unreadable, too little traffic (not
 * ten times what moved while idle), one host only. The statistics of an interface that itself carries RDMA never
 * contradict.
 * @param wanted  the fabric that the user asked for: bytes that are proven to have taken another one contradict, too;
 *                UNKNOWN = none
 */
void wm_evidence_judge(const struct wm_witness *witness, int n, enum wm_fabric wanted, struct wm_judgement *out);

/** Of two hosts' judgements the one that weighs more, in *of: contradicted, unproven, proven, none. */
void wm_evidence_join(struct wm_judgement *of, const struct wm_judgement *with);

#endif
