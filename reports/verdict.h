/**
 * Verdicts as data: what compare and gate come to, taken by every renderer. docs/verdicts.md explains each rule.
 * Ratios are of times, judged over baseline: above 1 is slower, whatever the benchmark shows.
 */
#ifndef WM_REPORTS_VERDICT_H
#define WM_REPORTS_VERDICT_H

#include <jansson.h>
#include <stdio.h>

#include "reports/sample.h"

enum wm_change { WM_CHANGE_NONE, WM_SAME, WM_FASTER, WM_SLOWER, WM_INCONCLUSIVE, WM_CHANGES };
extern const char *const wm_change_names[WM_CHANGES + 1]; /* "", "same", "faster", "slower", "inconclusive" */

enum wm_judgement { WM_PASS, WM_FAIL, WM_NOT_JUDGED, WM_JUDGEMENTS };
extern const char *const wm_judgement_names[WM_JUDGEMENTS + 1]; /* pass fail not-judged */

/* Why something is not judged; the ledger counts by these. */
enum wm_why {
    WM_WHY_NONE,
    WM_WHY_ABSENT,    /* the judged launches do not have it */
    WM_WHY_UNMATCHED, /* no baseline or reference for it */
    WM_WHY_FAILED,    /* it ran, and data were wrong or a call failed: exit 1 where it is required */
    WM_WHY_TIMEOUT,
    WM_WHY_SKIPPED,
    WM_WHY_NOT_RUN,
    WM_WHY_SIMULATED,
    WM_WHY_CONTRADICTED,
    WM_WHY_ABOVE_BOUND,
    WM_WHY_PARTLY, /* measured in some of the launches only */
    WM_WHY_FEW_LAUNCHES,
    WM_WHY_TOO_WIDE,     /* the interval does not exclude a slow-down that counts */
    WM_WHY_NO_CONDITION, /* a reference asks for what the result does not say */
    WM_WHYS
};
extern const char *const wm_why_names[WM_WHYS + 1]; /* "", "absent", "unmatched", ..., "too-wide" */

/* One side of one cell, over its launches. */
struct wm_side {
    int launches;                      /* that measured it */
    double median_ns, low_ns, high_ns; /* interval: of one launch its own; else order statistics, level: see below */
    double level;                      /* 0: no interval */
    double bytes_per_s;                /* median; NaN: none defined */
};

/* A cell, a curve or a reference entry. */
struct wm_verdict {
    const char *name;                 /* the cell's id; the curve's name; the entry's name */
    const struct wm_subject *subject; /* NULL: a curve, or an entry that no cell matches */
    const char *curve;                /* of a curve: its bench; NULL otherwise */
    enum wm_judgement judgement;
    enum wm_change change;
    enum wm_why why;
    const char *reason; /* in words; "" for a pass that needs none */
    bool required;
    bool config_changed; /* provider, fabric or chosen algorithm differ between the sides, or the environment does */
    struct wm_side a, b; /* baseline, judged */
    double ratio, ratio_low, ratio_high; /* Hodges-Lehmann; 95 % by order statistics; NaN: none */
    double ratio_level;
    double effect;            /* Cliff's delta, -1 to 1: how often judged launches are slower, less how often faster */
    double p;                 /* family-wise, of the file; NaN: not tested */
    double within;            /* WM_SAME: the largest change that the interval allows */
    int missing_a, missing_b; /* launches that would decide; 0: decided */
    double limit_bytes_per_s; /* NaN: none */
    double limit_share;       /* the largest of the judged launches */
    /* A reference entry's; NULL or NaN otherwise. */
    const char *reference_source, *reference_unit, *reference_kind;
    double reference_value, measured_value; /* both in reference_unit */
};

/* What needs no reference: WM_FINDINGS kinds, each of which a policy may make fatal. */
enum wm_finding_kind {
    WM_FINDING_ABOVE_BOUND,
    WM_FINDING_FALLING,   /* bandwidth falls with size */
    WM_FINDING_ASYMMETRY, /* of pairs, one way against the other */
    WM_FINDING_COMPOSED,  /* all-reduce slower than reduce plus broadcast */
    WM_FINDING_STAGED,    /* direct no faster than staged */
    WM_FINDINGS
};
extern const char *const wm_finding_names[WM_FINDINGS + 1]; /* above-bound falling asymmetry composed staged */

struct wm_finding {
    enum wm_finding_kind kind;
    const char *name; /* the cell's id; the curve's name */
    const char *text; /* with its figures */
    bool fatal;
};

/* The sides' environments differ. */
struct wm_difference {
    const char *name;              /* "environment.versions.nccl" */
    const char *baseline, *judged; /* NULL: not there */
    bool within_side;              /* launches of one side differ in it */
};

struct wm_ledger {
    int required, judged, passed, failed, not_judged;
    int not_required; /* cells of the judged launches that nothing asks for */
    int why[WM_WHYS]; /* of the required that are not judged */
};

enum wm_basis { WM_BASIS_COMPARE, WM_BASIS_BASELINE, WM_BASIS_REFERENCE };

struct wm_verdicts {
    enum wm_basis basis;
    double tolerance, family_error; /* 0.03, 0.05 */
    int launches_a, launches_b;
    long relabellings; /* of launches that the test counted; 0: none */
    bool exact;        /* all that there are */
    uint64_t seed;
    struct wm_verdict *verdict; /* cells or entries, worst first */
    int n_verdicts;
    struct wm_verdict *curve; /* curves, worst first; required where all of their cells are */
    int n_curves;
    struct wm_finding *finding;
    int n_findings;
    struct wm_difference *difference;
    int n_differences;
    int differences_left_out;
    struct wm_ledger ledger; /* cells or entries */
    struct wm_ledger curve_ledger;
    double tolerance_to_pass;  /* a failure: the tolerance that would have passed; NaN otherwise */
    int missing_a, missing_b;  /* launches that would decide all */
    int exit_status;           /* 0, 1, 3 */
    struct wm_launch_set *set; /* whose texts these are; stays the caller's */
};

void wm_verdicts_free(struct wm_verdicts *v);

/** What is judged by which rule: a policy, with its defaults. */
struct wm_policy {
    double tolerance;       /* 0.03 */
    double excluded;        /* a slow-down that the interval must exclude for a pass; 0: twice the tolerance */
    double family_error;    /* 0.05 */
    int reference_launches; /* 5: (1/2)^5 = 3 % */
    uint64_t seed;
    bool fatal[WM_FINDINGS];
    const char **required; /* patterns on ids, fnmatch(3); n_required; NULL: the default */
    int n_required;
    struct wm_rule {
        const char *pattern;
        double tolerance; /* NaN: the general one */
    } * rule;
    int n_rules;
};

void wm_policy_default(struct wm_policy *policy);
/** WM_EUSAGE with file and position: unknown key, wrong type, out of range. Free with wm_policy_free(). */
int wm_policy_read(const char *path, struct wm_policy *policy, struct wm_err *err);
void wm_policy_free(struct wm_policy *policy);

/** The set's sides against each other. For WM_BASIS_COMPARE nothing is required. WM_ENOMEM. */
int wm_verdicts_judge(struct wm_launch_set *set, enum wm_basis basis, const struct wm_policy *policy,
                      struct wm_verdicts *out, struct wm_err *err);

/* ---- renderers; each checks nothing but writes, and returns WM_OK or WM_EIO ---- */

/** @param all  also what passed, or is the same */
int wm_verdicts_text(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err);
int wm_verdicts_markdown(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err);
/** Markdown that keeps the file, with what it has already, below 1 MiB, which is what GitHub takes of a step; what is
 * left out is counted. Also WM_ENOMEM. */
int wm_verdicts_summary(FILE *to, const struct wm_verdicts *v, bool all, struct wm_err *err);
int wm_verdicts_csv(FILE *to, const struct wm_verdicts *v, struct wm_err *err);
/** One verdict a line, so that it can be read line by line; schema wiremark-verdicts/1. */
int wm_verdicts_json(FILE *to, const struct wm_verdicts *v, struct wm_err *err);

#endif
