#include "bench/noise.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t ns_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

void wm_noise_begin(struct wm_noise_mark *mark)
{
    struct rusage usage;
    memset(&usage, 0, sizeof(usage));
    getrusage(RUSAGE_SELF, &usage);
    mark->own_cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
    mark->own_switches = (uint64_t)usage.ru_nivcsw;
    mark->node_known = wm_node_cpu_time(&mark->node) == 0;
}

static double share(double part, double whole)
{
    return whole <= 0 ? NAN : part < 0 ? 0 : part / whole;
}

int wm_noise_end(const struct wm_noise_mark *mark, const struct wm_world *world, enum wm_wait wait,
                 struct wm_noise *out, struct wm_err *err)
{
    struct wm_noise_mark now;
    wm_noise_begin(&now);
    bool beside = world->places[world->rank].host_index == world->places[0].host_index;
    uint64_t sums[2] = { beside ? now.own_cpu_ns - mark->own_cpu_ns : 0, now.own_switches - mark->own_switches };
    *out = (struct wm_noise){ NAN, NAN, -1 };
    if (wm_world_sum(world, sums, 2, wait, err) != WM_OK)
        return err->code;
    out->involuntary_switches = (int64_t)sums[1];
    if (!mark->node_known || !now.node_known)
        return WM_OK;
    double total = (double)(now.node.total - mark->node.total);
    double busy = total - (double)(now.node.idle - mark->node.idle);
    double steal = (double)(now.node.steal - mark->node.steal);
    double own = (double)sums[0] * 1e-9 * (double)sysconf(_SC_CLK_TCK);
    out->foreign_cpu = share(busy - steal - own, total);
    out->steal = share(steal, total);
    return WM_OK;
}
