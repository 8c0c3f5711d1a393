/**
 * What all ranks do together, in every mixture of spinning and sleeping, arriving unevenly.
 * ranks: 1 2 3 5
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "src/core/clock.h"
#include "src/world/world.h"
#include "tests/unit/check.h"

static struct wm_world *all;

static void doze(int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* Who spins and who sleeps. */
static enum wm_wait mixture(int kind, int rank)
{
    switch (kind) {
    case 0:
        return WM_SPIN;
    case 1:
        return WM_SLEEP;
    case 2:
        return rank == 0 ? WM_SPIN : WM_SLEEP;
    default:
        return rank % 2 == 0 ? WM_SLEEP : WM_SPIN;
    }
}

static unsigned char byte_of(int rank, size_t i)
{
    return (unsigned char)((size_t)rank * 31 + i * 7 + i / 251);
}

static void check_bcast(const struct wm_world *w, enum wm_wait wait, size_t bytes, struct wm_err *err)
{
    unsigned char *data = calloc(bytes, 1);
    for (int root = 0; root<w->size; root += w->size> 4 ? 3 : 1) {
        size_t wrong = 0;
        for (size_t i = 0; i < bytes; i++)
            data[i] = w->rank == root ? byte_of(root, i) : 0;
        CHECK_INT(wm_world_bcast(w, root, data, bytes, wait, err), WM_OK);
        for (size_t i = 0; i < bytes; i++)
            wrong += data[i] != byte_of(root, i);
        CHECK_INT(wrong, 0);
    }
    free(data);
}

static void check_reduce(const struct wm_world *w, enum wm_wait wait, struct wm_err *err)
{
    uint64_t n = (uint64_t)w->size, r = (uint64_t)w->rank;
    uint64_t sum[2] = { r, 1 }, max[2] = { r, ~0ull - r };
    CHECK_INT(wm_world_sum(w, sum, 2, wait, err), WM_OK);
    CHECK_INT(sum[0], n * (n - 1) / 2);
    CHECK_INT(sum[1], n);
    CHECK_INT(wm_world_max(w, max, 2, wait, err), WM_OK);
    CHECK_INT(max[0], n - 1);
    CHECK(max[1] == ~0ull);
    CHECK_INT(wm_world_barrier(w, wait, err), WM_OK);
}

static size_t wrong_blocks(const unsigned char *blocks, size_t bytes, int ranks)
{
    size_t wrong = 0;
    for (int r = 0; r < ranks; r++)
        for (size_t i = 0; i < bytes; i++)
            wrong += blocks[(size_t)r * bytes + i] != byte_of(r, i);
    return wrong;
}

static void check_gather(const struct wm_world *w, enum wm_wait wait, size_t bytes, struct wm_err *err)
{
    unsigned char *mine = malloc(bytes), *blocks = calloc((size_t)w->size, bytes);
    for (size_t i = 0; i < bytes; i++)
        mine[i] = byte_of(w->rank, i);
    CHECK_INT(wm_world_gather(w, mine, bytes, w->rank == 0 ? blocks : NULL, wait, err), WM_OK);
    if (w->rank == 0)
        CHECK_INT(wrong_blocks(blocks, bytes, w->size), 0);
    memset(blocks, 0, bytes * (size_t)w->size);
    CHECK_INT(wm_world_allgather(w, mine, bytes, blocks, err), WM_OK);
    CHECK_INT(wrong_blocks(blocks, bytes, w->size), 0);
    free(blocks);
    free(mine);
}

/* Which rank fails how, and whose error all must hold. -1: nobody. */
struct agreement {
    int rank_a;
    enum wm_code a;
    int rank_b;
    enum wm_code b;
    int winner;
};

static void check_agreement(const struct wm_world *w, enum wm_wait wait, const struct agreement *c)
{
    struct wm_err err = { .rank = -1 };
    char want[64];
    enum wm_code code = c->winner < 0 ? WM_OK : c->winner == c->rank_a ? c->a : c->b;
    if (c->rank_a >= w->size || c->rank_b >= w->size)
        return;
    if (w->rank == c->rank_a && c->a != WM_OK)
        wm_fail(&err, c->a, "call", 5, "told by %d", w->rank);
    if (w->rank == c->rank_b && c->b != WM_OK)
        wm_fail(&err, c->b, "call", 5, "told by %d", w->rank);
    CHECK_INT(wm_world_agree(w, wait, &err), code);
    CHECK_INT(err.code, code);
    if (code == WM_OK)
        return;
    snprintf(want, sizeof(want), "told by %d", c->winner);
    CHECK_INT(err.rank, c->winner);
    CHECK_TEXT(err.what, want);
    CHECK_INT(err.native, 5);
    CHECK_INT(wm_world_agree(w, wait, &err), code); /* once more: it is still that rank's */
    CHECK_INT(err.rank, c->winner);
    CHECK_TEXT(err.what, want);
}

static void check_agree(const struct wm_world *w, enum wm_wait wait)
{
    static const struct agreement cases[] = {
        { 0, WM_OK, 1, WM_OK, -1 },          { 0, WM_ESYS, 0, WM_OK, 0 },      { 1, WM_EUNSUP, 0, WM_OK, 1 },
        { 0, WM_EUNSUP, 1, WM_ESYS, 1 },     { 0, WM_ESYS, 1, WM_ENOMEM, 0 },  { 1, WM_ESYS, 2, WM_EDATA, 1 },
        { 0, WM_ETIMEOUT, 2, WM_ESYS, 2 },   { 0, WM_EABSENT, 1, WM_ESYS, 1 }, { 0, WM_ESYS, 1, WM_EUSAGE, 1 },
        { 0, WM_EUNSUP, 1, WM_ETIMEOUT, 1 }, { 4, WM_EIO, 3, WM_EIO, 3 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_agreement(w, wait, &cases[i]);
}

static void check_everything(const struct wm_world *w, struct wm_err *err)
{
    for (int kind = 0; kind < 4; kind++) {
        enum wm_wait wait = mixture(kind, w->rank);
        doze(kind == 0 ? 0 : w->rank * 7 % 20);
        check_bcast(w, wait, 1, err);
        doze(w->rank == w->size - 1 ? 60 : 0);
        check_bcast(w, wait, 100003, err);
        check_reduce(w, wait, err);
        check_gather(w, wait, 1, err);
        check_gather(w, wait, 30001, err);
        check_agree(w, wait);
    }
}

static void check_places(const struct wm_world *w)
{
    int next_host = 0, local[64] = { 0 };
    for (int r = 0; r < w->size; r++) {
        const struct wm_place *p = &w->places[r];
        CHECK(p->host_index <= next_host);
        next_host = p->host_index == next_host ? next_host + 1 : next_host;
        CHECK_INT(p->local_rank, local[p->host_index]++);
        CHECK(p->host[0] != '\0' && p->cpus[0] != '\0' && p->cpu_count > 0);
    }
    CHECK_INT(w->hosts, next_host);
    CHECK_INT(w->places[w->rank].pid, getpid());
}

/* All hosts of a test are one machine with one clock: the true offset is 0, so the uncertainty must cover it. */
static void check_clock(const struct wm_world *w, struct wm_err *err)
{
    int64_t offset_ns = -1;
    uint64_t uncertainty_ns = ~0ull;
    CHECK_INT(wm_world_clock_offset(w, &offset_ns, &uncertainty_ns, err), WM_OK);
    CHECK((uint64_t)llabs(offset_ns) <= uncertainty_ns);
    CHECK((w->places[w->rank].host_index == 0) == (uncertainty_ns == 0));
}

/* The odd ranks, then all of them but the first: others go on without taking part. */
static void check_parts(struct wm_err *err)
{
    for (int round = 0; round < 2; round++) {
        int ranks[64], n = 0, mine = -1;
        struct wm_world *part = NULL;
        for (int r = 1; r < all->size; r += round == 0 ? 2 : 1) {
            mine = r == all->rank ? n : mine;
            ranks[n++] = r;
        }
        if (mine >= 0) {
            CHECK_INT(wm_world_part(all, ranks, n, &part, err), WM_OK);
            CHECK_INT(part->rank, mine);
            CHECK_INT(part->size, n);
            CHECK_INT(part->places[mine].pid, getpid());
            check_places(part);
            check_everything(part, err);
            wm_world_part_close(part);
        }
        CHECK_INT(wm_world_agree(all, WM_SLEEP, err), WM_OK);
    }
}

static void check_solo(void)
{
    struct wm_err err = { 0 };
    struct wm_world *solo = NULL;
    CHECK_INT(wm_world_solo(&solo, &err), WM_OK);
    CHECK_INT(solo->size, 1);
    CHECK(solo->native == NULL);
    check_everything(solo, &err);
    check_clock(solo, &err);
    check_places(solo);
    wm_world_close(solo);
}

int main(int argc, char **argv)
{
    struct wm_launch launch;
    struct wm_err err = { 0 };
    char version[128];
    uint64_t counts[3];
    int status;
    wm_launch_read(&launch);
    if (wm_world_open(&argc, &argv, &launch, &all, &err) != WM_OK) {
        if (launch.rank <= 0)
            wm_err_print(stderr, &err);
        return wm_exit_status(err.code);
    }
    CHECK_INT(launch.launched ? launch.rank : 0, all->rank);
    CHECK_INT(launch.launched ? launch.size : 1, all->size);
    check_places(all);
    check_everything(all, &err);
    check_clock(all, &err);
    check_parts(&err);
    check_solo();
    if (err.code != WM_OK)
        wm_err_print(stderr, &err);
    counts[0] = (uint64_t)wm_passed;
    counts[1] = (uint64_t)wm_failed;
    counts[2] = (uint64_t)wm_skipped;
    wm_world_sum(all, counts, 3, WM_SPIN, &err);
    status = counts[1] != 0 || counts[0] == 0;
    if (all->rank == 0 && argc > 1)
        printf("%s, %d ranks on %d hosts%s\n", wm_world_mpi_version(version, sizeof(version)), all->size, all->hosts,
               all->crowded ? ", crowded" : "");
    if (all->rank == 0)
        printf("%d passed, %d failed, %d skipped\n", (int)counts[0], (int)counts[1], (int)counts[2]);
    fflush(stdout);
    wm_world_close(all);
    return status;
}
