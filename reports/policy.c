#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/judge.h"
#include "reports/strict.h"

#define WM_POLICY_SCHEMA "wiremark-policy/1"

void wm_policy_default(struct wm_policy *policy)
{
    *policy = (struct wm_policy){ .tolerance = 0.03, .family_error = 0.05, .reference_launches = 5, .seed = 1 };
}

void wm_policy_free(struct wm_policy *policy)
{
    for (int i = 0; i < policy->n_required; i++)
        free((char *)policy->required[i]);
    for (int i = 0; i < policy->n_rules; i++)
        free((char *)policy->rule[i].pattern);
    free(policy->required);
    free(policy->rule);
    policy->required = NULL;
    policy->rule = NULL;
    policy->n_required = policy->n_rules = 0;
}

static int no_memory(struct wm_err *err)
{
    return wm_fail(err, WM_ENOMEM, "calloc", errno, "policy");
}

static int read_required(const struct wm_strict *s, struct wm_policy *policy, struct wm_err *err)
{
    const json_t *list = json_object_get(s->root, "required");
    size_t n = json_array_size(list);
    if (list == NULL)
        return WM_OK;
    if (n == 0 || n > 10000)
        return wm_strict_fail(s, "required", 0, err,
                              "wanted is a list of patterns on cell ids, not empty: a gate that requires nothing "
                              "judges nothing");
    policy->required = calloc(n, sizeof(*policy->required));
    if (policy->required == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || text[0] == '\0')
            return wm_strict_fail(s, "required", 0, err, "[%zu] is not a text", i);
        if ((policy->required[policy->n_required] = strdup(text)) == NULL)
            return no_memory(err);
        policy->n_required++;
    }
    return WM_OK;
}

static int read_rule(const struct wm_strict *s, const json_t *object, int n, struct wm_policy *policy,
                     struct wm_err *err)
{
    static const char *const keys[] = { "cells", "tolerance", NULL };
    const char *pattern = json_string_value(json_object_get(object, "cells"));
    struct wm_rule *rule = &policy->rule[policy->n_rules];
    rule->tolerance = NAN;
    if (!json_is_object(object) || pattern == NULL || pattern[0] == '\0')
        return wm_strict_fail(s, "rules", 0, err, "[%d] is not an object with a pattern as \"cells\"", n);
    if (wm_strict_keys(s, object, keys, err) != WM_OK ||
        wm_strict_real(s, object, "tolerance", 0.001, 10, &rule->tolerance, err) != WM_OK)
        return err->code;
    if (isnan(rule->tolerance))
        return wm_strict_fail(s, "rules", 0, err, "[%d] has no tolerance", n);
    if ((rule->pattern = strdup(pattern)) == NULL)
        return no_memory(err);
    policy->n_rules++;
    return WM_OK;
}

static int read_rules(const struct wm_strict *s, struct wm_policy *policy, struct wm_err *err)
{
    const json_t *list = json_object_get(s->root, "rules");
    size_t n = json_array_size(list);
    if (list == NULL)
        return WM_OK;
    if (!json_is_array(list) || n > 10000)
        return wm_strict_fail(s, "rules", 0, err, "wanted is a list of rules");
    policy->rule = calloc(n + 1, sizeof(*policy->rule));
    if (policy->rule == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (read_rule(s, json_array_get(list, i), (int)i, policy, err) != WM_OK)
            return err->code;
    return WM_OK;
}

static int read_fatal(const struct wm_strict *s, struct wm_policy *policy, struct wm_err *err)
{
    const json_t *list = json_object_get(s->root, "fatal");
    if (list != NULL && !json_is_array(list))
        return wm_strict_fail(s, "fatal", 0, err, "wanted is a list of kinds of findings");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int kind = 0;
        while (name != NULL && kind < WM_FINDINGS && strcmp(name, wm_finding_names[kind]) != 0)
            kind++;
        if (name == NULL || kind == WM_FINDINGS)
            return wm_strict_fail(s, "fatal", 0, err,
                                  "[%zu] is not one of above-bound, falling, asymmetry, composed, staged", i);
        policy->fatal[kind] = true;
    }
    return WM_OK;
}

static int read_numbers(const struct wm_strict *s, struct wm_policy *policy, struct wm_err *err)
{
    double launches = policy->reference_launches, seed = (double)policy->seed;
    if (wm_strict_real(s, s->root, "tolerance", 0.001, 10, &policy->tolerance, err) != WM_OK ||
        wm_strict_real(s, s->root, "excluded", 0.001, 10, &policy->excluded, err) != WM_OK ||
        wm_strict_real(s, s->root, "family_error", 0.0001, 0.2, &policy->family_error, err) != WM_OK ||
        wm_strict_real(s, s->root, "reference_launches", 1, 1000, &launches, err) != WM_OK ||
        wm_strict_real(s, s->root, "seed", 0, 0x1p53, &seed, err) != WM_OK)
        return err->code;
    if (launches != floor(launches))
        return wm_strict_fail(s, "reference_launches", 0, err, "wanted is a whole number");
    policy->reference_launches = (int)launches;
    policy->seed = (uint64_t)seed;
    if (policy->excluded > 0 && policy->excluded < policy->tolerance)
        return wm_strict_fail(s, "excluded", 0, err, "%g is less than the tolerance, %g: nothing could pass",
                              policy->excluded, policy->tolerance);
    return WM_OK;
}

int wm_policy_read(const char *path, struct wm_policy *policy, struct wm_err *err)
{
    static const char *const keys[] = {
        "schema",   "comment", "tolerance", "excluded", "family_error", "reference_launches", "seed",
        "required", "rules",   "fatal",     NULL
    };
    struct wm_strict s;
    if (wm_strict_load(path, WM_POLICY_SCHEMA, &s, err) != WM_OK)
        return err->code;
    if (wm_strict_keys(&s, s.root, keys, err) == WM_OK && read_numbers(&s, policy, err) == WM_OK &&
        read_required(&s, policy, err) == WM_OK && read_rules(&s, policy, err) == WM_OK)
        read_fatal(&s, policy, err);
    wm_strict_free(&s);
    if (err->code != WM_OK)
        wm_policy_free(policy);
    return err->code;
}

bool wm_policy_requires(const struct wm_policy *policy, const char *id)
{
    for (int i = 0; i < policy->n_required; i++)
        if (fnmatch(policy->required[i], id, 0) == 0)
            return true;
    return false;
}
