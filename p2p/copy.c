/**
 * Copies to, from and between the memories of GPUs, counted as nvbandwidth does: the bytes of one copy by the time of a
 * window of them. Each is done by a copy engine (ce) or by a kernel on the GPU's processors (sm). And the latency of a
 * GPU's loads: a copy by one thread, in which each load waits for the one before (chase).
 */
#include "p2p/p2p.h"

enum { ROOT = 0, USUAL_MIN_BYTES = 1 << 20, USUAL_MAX_BYTES = 256 << 20 };
/* Of a chase: from where its launch counts little to beyond most L2 caches; with a peer the way counts most. */
enum { CHASE_MIN_BYTES = 64 << 10, CHASE_MAX_BYTES = 64 << 20, CHASE_PEER_MAX_BYTES = 4 << 20 };

/* ---- rank 0 alone: from one of its buffers to the other ---- */

static void copy_window(const struct wm_point *at, struct wm_step copy, struct wm_schedule *out)
{
    const struct wm_at from = copy.from, to = copy.to;
    for (int w = 0; w < at->window; w++) {
        copy.from.offset = from.offset + wm_message_at(at, 0, w);
        copy.to.offset = to.offset + wm_message_at(at, 0, w);
        wm_schedule_add(out, copy);
    }
}

static struct wm_step one_copy(const struct wm_point *at, enum wm_area from, enum wm_area to, int lane,
                               enum wm_copy_by by)
{
    const size_t place = wm_message_at(at, lane, 0);
    return (struct wm_step){ .kind = WM_STEP_COPY,
                             .after = { WM_NONE, WM_NONE },
                             .from = { from, place },
                             .to = { to, place },
                             .bytes = at->bytes,
                             .by = by };
}

static int local(const struct wm_point *at, enum wm_copy_by by, struct wm_schedule *out)
{
    wm_schedule_need(out, WM_IN, wm_messages_bytes(at, 1));
    wm_schedule_need(out, WM_OUT, wm_messages_bytes(at, 1));
    copy_window(at, one_copy(at, WM_IN, WM_OUT, 0, by), out);
    return WM_OK;
}

static int local_by_engine(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return local(at, WM_BY_ENGINE, out);
}

static int local_by_kernel(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return local(at, WM_BY_KERNEL, out);
}

static int local_by_chase(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return local(at, WM_BY_CHASE, out);
}

/* IN is the host's: its first lane goes to the device's first, the device's second comes to its second. One copy a way
 * in turn, so that neither way has its window before the other begins. */
static int both(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    const struct wm_step there = one_copy(at, WM_IN, WM_OUT, 0, WM_BY_ENGINE),
                         back = one_copy(at, WM_OUT, WM_IN, 1, WM_BY_ENGINE);
    (void)err;
    wm_schedule_need(out, WM_IN, wm_messages_bytes(at, 2));
    wm_schedule_need(out, WM_OUT, wm_messages_bytes(at, 2));
    for (int w = 0; w < at->window; w++) {
        struct wm_step a = there, b = back;
        a.from.offset = a.to.offset = wm_message_at(at, 0, w);
        b.from.offset = b.to.offset = wm_message_at(at, 1, w);
        wm_schedule_add(out, a);
        wm_schedule_add(out, b);
    }
    return WM_OK;
}

static double both_counted(const struct wm_point *at)
{
    return 2 * (double)at->bytes;
}

static void fill_local(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_IN, 0, ROOT, ROOT, out);
}

static void expect_local(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_OUT, 0, ROOT, ROOT, out);
}

static void fill_both(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_IN, 0, ROOT, ROOT, out);
    wm_message_spans(at, WM_OUT, 1, ROOT, 1, out);
}

static void expect_both(const struct wm_point *at, struct wm_spans *out)
{
    wm_message_spans(at, WM_OUT, 0, ROOT, ROOT, out);
    wm_message_spans(at, WM_IN, 1, ROOT, 1, out);
}

/* ---- between ranks ---- */

/* Message by message over the lanes: no peer waits until another one's window is through. Lanes are `at` places of the
 * side that has several peers; the other side has one. */
static void reach(const struct wm_point *at, enum wm_step_kind kind, int first_peer, int lanes, enum wm_copy_by by,
                  struct wm_schedule *out)
{
    const int far_lane = at->rank != ROOT ? at->rank - 1 : 0;
    for (int w = 0; w < at->window; w++)
        for (int k = 0; k < lanes; k++) {
            const size_t here = wm_message_at(at, k, w), there = wm_message_at(at, far_lane, w);
            const bool get = kind == WM_STEP_GET;
            wm_schedule_add(out, (struct wm_step){ .kind = kind,
                                                   .after = { WM_NONE, WM_NONE },
                                                   .peer = first_peer + k,
                                                   .from = { WM_IN, get ? there : here },
                                                   .to = { WM_OUT, get ? here : there },
                                                   .bytes = at->bytes,
                                                   .by = by });
        }
}

static int pair(const struct wm_point *at, enum wm_step_kind kind, enum wm_copy_by by, struct wm_schedule *out)
{
    const bool gives = (at->rank == ROOT) == (kind == WM_STEP_PUT);
    wm_schedule_need(out, gives ? WM_IN : WM_OUT, wm_messages_bytes(at, 1));
    if (at->rank == ROOT)
        reach(at, kind, 1, 1, by, out);
    return WM_OK;
}

static int write_by_engine(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return pair(at, WM_STEP_PUT, WM_BY_ENGINE, out);
}

static int write_by_kernel(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return pair(at, WM_STEP_PUT, WM_BY_KERNEL, out);
}

static int read_by_engine(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return pair(at, WM_STEP_GET, WM_BY_ENGINE, out);
}

static int read_by_kernel(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return pair(at, WM_STEP_GET, WM_BY_KERNEL, out);
}

static int read_by_chase(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return pair(at, WM_STEP_GET, WM_BY_CHASE, out);
}

static int all_to_one(const struct wm_point *at, enum wm_copy_by by, struct wm_schedule *out)
{
    wm_schedule_need(out, at->rank == ROOT ? WM_OUT : WM_IN,
                     wm_messages_bytes(at, at->rank == ROOT ? at->ranks - 1 : 1));
    if (at->rank != ROOT)
        reach(at, WM_STEP_PUT, ROOT, 1, by, out);
    return WM_OK;
}

static int one_to_all(const struct wm_point *at, enum wm_copy_by by, struct wm_schedule *out)
{
    wm_schedule_need(out, at->rank == ROOT ? WM_IN : WM_OUT,
                     wm_messages_bytes(at, at->rank == ROOT ? at->ranks - 1 : 1));
    if (at->rank == ROOT)
        reach(at, WM_STEP_PUT, 1, at->ranks - 1, by, out);
    return WM_OK;
}

static int all_to_one_by_engine(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return all_to_one(at, WM_BY_ENGINE, out);
}

static int all_to_one_by_kernel(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return all_to_one(at, WM_BY_KERNEL, out);
}

static int one_to_all_by_engine(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return one_to_all(at, WM_BY_ENGINE, out);
}

static int one_to_all_by_kernel(const struct wm_point *at, struct wm_schedule *out, struct wm_err *err)
{
    (void)err;
    return one_to_all(at, WM_BY_KERNEL, out);
}

static double all_operations(const struct wm_point *at)
{
    return (double)at->window * (at->ranks - 1);
}

/* Loads of a chase: the last one may be of less. */
static double chase_operations(const struct wm_point *at)
{
    enum { VECTOR = 16 };
    return at->bytes > VECTOR ? (double)((at->bytes + VECTOR - 1) / VECTOR) : 1;
}

static void fill_read(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank != ROOT)
        wm_message_spans(at, WM_IN, 0, at->rank, ROOT, out);
}

static void expect_read(const struct wm_point *at, struct wm_spans *out)
{
    for (int k = 1; at->rank == ROOT && k < at->ranks; k++)
        wm_message_spans(at, WM_OUT, k - 1, k, ROOT, out);
}

static void fill_spread(const struct wm_point *at, struct wm_spans *out)
{
    for (int k = 1; at->rank == ROOT && k < at->ranks; k++)
        wm_message_spans(at, WM_IN, k - 1, ROOT, k, out);
}

static void expect_spread(const struct wm_point *at, struct wm_spans *out)
{
    if (at->rank != ROOT)
        wm_message_spans(at, WM_OUT, 0, ROOT, at->rank, out);
}

/* ---- the rows ---- */

static const struct wm_algorithm engine[] = { { "ce", local_by_engine }, { NULL, NULL } };
static const struct wm_algorithm engines[] = { { "ce", both }, { NULL, NULL } };
static const struct wm_algorithm here[] = { { "ce", local_by_engine }, { "sm", local_by_kernel }, { NULL, NULL } };
static const struct wm_algorithm writes[] = { { "ce", write_by_engine }, { "sm", write_by_kernel }, { NULL, NULL } };
static const struct wm_algorithm reads[] = { { "ce", read_by_engine }, { "sm", read_by_kernel }, { NULL, NULL } };
static const struct wm_algorithm chase_here[] = { { "chase", local_by_chase }, { NULL, NULL } };
static const struct wm_algorithm chase_reads[] = { { "chase", read_by_chase }, { NULL, NULL } };
static const struct wm_algorithm gathers[] = { { "ce", all_to_one_by_engine },
                                               { "sm", all_to_one_by_kernel },
                                               { NULL, NULL } };
static const struct wm_algorithm spreads[] = { { "ce", one_to_all_by_engine },
                                               { "sm", one_to_all_by_kernel },
                                               { NULL, NULL } };

const struct wm_benchmark wm_benchmark_copy_to_device = {
    .name = "copy-h2d",
    .summary = "rank 0 copies a window from host memory to its GPU",
    .bytes_are = "one copy",
    .shape = WM_ALONE,
    .min_ranks = 1,
    .windowed = true,
    .from = WM_ON_HOST,
    .to = WM_ON_DEVICE,
    .memory = "pinned:device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = engine,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = fill_local,
    .expect = expect_local,
};

const struct wm_benchmark wm_benchmark_copy_from_device = {
    .name = "copy-d2h",
    .summary = "rank 0 copies a window from its GPU to host memory",
    .bytes_are = "one copy",
    .shape = WM_ALONE,
    .min_ranks = 1,
    .windowed = true,
    .from = WM_ON_DEVICE,
    .to = WM_ON_HOST,
    .memory = "device:pinned",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = engine,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = fill_local,
    .expect = expect_local,
};

const struct wm_benchmark wm_benchmark_copy_both = {
    .name = "copy-both",
    .summary = "rank 0 copies a window to its GPU and one from it at once; both directions count",
    .bytes_are = "one copy each way",
    .shape = WM_ALONE,
    .min_ranks = 1,
    .windowed = true,
    .from = WM_ON_HOST,
    .to = WM_ON_DEVICE,
    .memory = "pinned:device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = engines,
    .operations = wm_window_operations,
    .counted_bytes = both_counted,
    .has_bandwidth = true,
    .fill = fill_both,
    .expect = expect_both,
};

const struct wm_benchmark wm_benchmark_copy_local = {
    .name = "copy-local",
    .summary = "rank 0 copies a window from one place of its GPU to another",
    .bytes_are = "one copy",
    .shape = WM_ALONE,
    .min_ranks = 1,
    .windowed = true,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = here,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = fill_local,
    .expect = expect_local,
};

const struct wm_benchmark wm_benchmark_copy_write = {
    .name = "copy-write",
    .summary = "one GPU writes a window into another one's memory",
    .bytes_are = "one copy",
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_OUT,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = writes,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = wm_fill_one_way,
    .expect = wm_expect_one_way,
};

const struct wm_benchmark wm_benchmark_copy_read = {
    .name = "copy-read",
    .summary = "one GPU reads a window out of another one's memory",
    .bytes_are = "one copy",
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_IN,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = reads,
    .operations = wm_window_operations,
    .has_bandwidth = true,
    .fill = fill_read,
    .expect = expect_read,
};

const struct wm_benchmark wm_benchmark_copy_all_to_one = {
    .name = "copy-all-to-one",
    .summary = "all other GPUs write a window each into rank 0's at once",
    .bytes_are = "one copy",
    .shape = WM_GROUP,
    .clock_of = WM_CLOCK_SLOWEST,
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_OUT,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = gathers,
    .operations = all_operations,
    .has_bandwidth = true,
    .fill = fill_read,
    .expect = expect_read,
};

const struct wm_benchmark wm_benchmark_copy_one_to_all = {
    .name = "copy-one-to-all",
    .summary = "rank 0's GPU writes a window into every other one's at once",
    .bytes_are = "one copy",
    .shape = WM_GROUP,
    .min_ranks = 2,
    .windowed = true,
    .shared = 1u << WM_OUT,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = USUAL_MIN_BYTES,
    .usual_max_bytes = USUAL_MAX_BYTES,
    .algorithms = spreads,
    .operations = all_operations,
    .has_bandwidth = true,
    .fill = fill_spread,
    .expect = expect_spread,
};

const struct wm_benchmark wm_benchmark_copy_latency = {
    .name = "copy-latency",
    .summary = "rank 0's GPU loads from its memory, or the host's, one load after the other; the time is a load's",
    .bytes_are = "all that is loaded, 16 at a time",
    .shape = WM_ALONE,
    .min_ranks = 1,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = CHASE_MIN_BYTES,
    .usual_max_bytes = CHASE_MAX_BYTES,
    .algorithms = chase_here,
    .operations = chase_operations,
    .time_is_of_a_part = true,
    .fill = fill_local,
    .expect = expect_local,
};

const struct wm_benchmark wm_benchmark_copy_latency_peer = {
    .name = "copy-latency-peer",
    .summary = "one GPU loads from another one's memory, one load after the other; the time is a load's",
    .bytes_are = "all that is loaded, 16 at a time",
    .min_ranks = 2,
    .shared = 1u << WM_IN,
    .from = WM_ON_DEVICE,
    .to = WM_ON_DEVICE,
    .memory = "device",
    .usual_min_bytes = CHASE_MIN_BYTES,
    .usual_max_bytes = CHASE_PEER_MAX_BYTES,
    .algorithms = chase_reads,
    .operations = chase_operations,
    .time_is_of_a_part = true,
    .fill = fill_read,
    .expect = expect_read,
};
