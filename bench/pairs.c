#include "bench/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct wm_pairing *out, int rounds, int pairs, struct wm_err *err)
{
    out->rounds = rounds;
    out->round = calloc((size_t)rounds, sizeof(*out->round));
    for (int r = 0; out->round != NULL && r < rounds; r++) {
        out->round[r].pair = calloc((size_t)pairs, sizeof(struct wm_pair));
        if (out->round[r].pair == NULL)
            break;
        out->round[r].n = pairs;
    }
    if (out->round != NULL && out->round[rounds - 1].pair != NULL)
        return WM_OK;
    wm_pairing_free(out);
    return wm_fail(err, WM_ENOMEM, "calloc", 0, "%d rounds of %d pairs", rounds, pairs);
}

static int one_pair(int from, int to, struct wm_pairing *out, struct wm_err *err)
{
    int rc = reserve(out, 1, 1, err);
    if (rc == WM_OK)
        out->round[0].pair[0] = (struct wm_pair){ from, to };
    return rc;
}

static int default_pair(const int *host_of, int ranks, struct wm_pairing *out, struct wm_err *err)
{
    int to = 1;
    for (int r = 1; r < ranks; r++)
        if (host_of[r] != host_of[0]) {
            to = r;
            break;
        }
    return one_pair(0, to, out, err);
}

static int same_host_pair(const int *host_of, int ranks, struct wm_pairing *out, struct wm_err *err)
{
    for (int a = 0; a < ranks; a++)
        for (int b = a + 1; b < ranks; b++)
            if (host_of[a] == host_of[b])
                return one_pair(a, b, out, err);
    return wm_fail(err, WM_EABSENT, "", 0, "--pairs same-host: no host has two ranks; start at least two ranks a host");
}

/* Ranks host by host, whatever order the launcher dealt them in. */
static void order_by_host(const int *host_of, int ranks, int *order)
{
    int n = 0;
    for (int h = 0; n < ranks; h++)
        for (int r = 0; r < ranks; r++)
            if (host_of[r] == h)
                order[n++] = r;
}

static int many_pairs(int pairs, const int *host_of, int ranks, struct wm_pairing *out, struct wm_err *err)
{
    if (pairs < 1 || pairs > ranks / 2)
        return wm_fail(err, WM_EUSAGE, "", 0, "--pairs %d: %d ranks make 1 to %d pairs at once", pairs, ranks,
                       ranks / 2);
    int *order = calloc((size_t)ranks, sizeof(*order)), rc = reserve(out, 1, pairs, err);
    if (order == NULL)
        rc = wm_fail(err, WM_ENOMEM, "calloc", 0, "%d ranks", ranks);
    else
        order_by_host(host_of, ranks, order);
    for (int i = 0; rc == WM_OK && i < pairs; i++)
        out->round[0].pair[i] = (struct wm_pair){ order[i], order[i + ranks / 2] };
    free(order);
    return rc;
}

/* Circle method (Kirkman 1847): rank 0 stands still, the others move one seat a round; with an odd number one seat is
 * empty and its neighbour rests. */
static int all_pairs(int ranks, struct wm_pairing *out, struct wm_err *err)
{
    int seats = ranks + ranks % 2, rc = reserve(out, seats - 1, seats / 2, err);
    for (int r = 0; rc == WM_OK && r < seats - 1; r++) {
        int n = 0;
        for (int i = 0; i < seats / 2; i++) {
            int a = i == 0 ? 0 : 1 + (i - 1 + r) % (seats - 1);
            int b = 1 + (seats - 2 - i + r) % (seats - 1);
            if (a < ranks && b < ranks)
                out->round[r].pair[n++] = a < b ? (struct wm_pair){ a, b } : (struct wm_pair){ b, a };
        }
        out->round[r].n = n;
    }
    return rc;
}

static int named_pair(int a, int b, int ranks, const char *text, struct wm_pairing *out, struct wm_err *err)
{
    int high = a > b ? a : b;
    if (high >= ranks)
        return wm_fail(err, WM_EUSAGE, "", 0, "--pairs %s: there is no rank %d, the run has ranks 0 to %d", text, high,
                       ranks - 1);
    if (a == b)
        return wm_fail(err, WM_EUSAGE, "", 0, "--pairs %s: a pair is two different ranks", text);
    return one_pair(a, b, out, err);
}

int wm_pairing_make(const char *text, const int *host_of, int ranks, struct wm_pairing *out, struct wm_err *err)
{
    int a = -1, b = -1;
    *out = (struct wm_pairing){ 0 };
    if (text == NULL)
        return default_pair(host_of, ranks, out, err);
    if (strcmp(text, "all") == 0)
        return all_pairs(ranks, out, err);
    if (strcmp(text, "same-host") == 0)
        return same_host_pair(host_of, ranks, out, err);
    char plain[32] = "";
    if (sscanf(text, "%9d-%9d", &a, &b) == 2)
        snprintf(plain, sizeof(plain), "%d-%d", a, b);
    if (strcmp(plain, text) == 0 && a >= 0 && b >= 0) /* "00-1" would be another name of 0-1 */
        return named_pair(a, b, ranks, text, out, err);
    if (sscanf(text, "%9d", &a) == 1)
        snprintf(plain, sizeof(plain), "%d", a);
    if (strcmp(plain, text) == 0 && a >= 0)
        return many_pairs(a, host_of, ranks, out, err);
    return wm_fail(err, WM_EUSAGE, "", 0, "--pairs %s: expected A-B (two ranks), N (pairs at once), all or same-host",
                   text);
}

void wm_pairing_free(struct wm_pairing *p)
{
    for (int r = 0; p->round != NULL && r < p->rounds; r++)
        free(p->round[r].pair);
    free(p->round);
    *p = (struct wm_pairing){ 0 };
}
