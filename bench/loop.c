#include "bench/loop.h"

#include "src/core/clock.h"

static bool has_work_between(const struct wm_loop *loop)
{
    return loop->barrier != NULL || loop->positions > 1;
}

/* Outside the clock. */
static int between(struct wm_loop *loop)
{
    if (loop->positions > 1) {
        loop->position = (loop->position + 1) % loop->positions;
        wm_program_move(loop->program, loop->position * loop->stride_bytes, loop->position * loop->stride_bytes);
    }
    return loop->barrier != NULL ? wm_program_run(loop->barrier) : WM_OK;
}

static int run_plain(struct wm_loop *loop, uint64_t n)
{
    struct wm_program *p = loop->program;
    int rc = WM_OK;
    for (uint64_t i = 0; i < n && rc == WM_OK; i++) {
        rc = wm_program_run(p);
        p = p->next;
    }
    loop->program = p;
    return rc;
}

static int run_with_work(struct wm_loop *loop, uint64_t n)
{
    int rc = WM_OK;
    for (uint64_t i = 0; i < n && rc == WM_OK; i++) {
        rc = between(loop);
        if (rc == WM_OK)
            rc = wm_program_run(loop->program);
        loop->program = loop->program->next;
    }
    return rc;
}

static int run_by_device(struct wm_loop *loop, uint64_t n)
{
    const struct wm_loop_device *d = loop->device;
    int rc = WM_OK;
    for (uint64_t i = 0; i < n && rc == WM_OK; i++) {
        rc = between(loop);
        if (rc == WM_OK)
            rc = d->transport->device_begin(d->ep);
        if (rc == WM_OK)
            rc = wm_program_run(loop->program);
        if (rc == WM_OK)
            rc = d->transport->device_end(d->ep, &d->ns[i]);
        loop->program = loop->program->next;
    }
    return rc;
}

int wm_loop_run(struct wm_loop *loop, uint64_t n)
{
    if (loop->device != NULL)
        return run_by_device(loop, n);
    return has_work_between(loop) ? run_with_work(loop, n) : run_plain(loop, n);
}

static int time_plain(struct wm_loop *loop, unsigned samples, uint64_t batch, uint64_t *ns)
{
    struct wm_program *p = loop->program;
    int rc = WM_OK;
    uint64_t before = wm_now_ns();
    for (unsigned s = 0; s < samples; s++) {
        for (uint64_t b = 0; b < batch; b++) {
            rc = wm_program_run(p);
            if (rc != WM_OK)
                return rc;
            p = p->next;
        }
        uint64_t now = wm_now_ns();
        ns[s] = now - before;
        loop->last_start_ns = before;
        before = now;
    }
    loop->program = p;
    return rc;
}

static int time_with_work(struct wm_loop *loop, unsigned samples, uint64_t batch, uint64_t *ns)
{
    for (unsigned s = 0; s < samples; s++) {
        ns[s] = 0;
        for (uint64_t b = 0; b < batch; b++) {
            int rc = between(loop);
            if (rc != WM_OK)
                return rc;
            loop->last_start_ns = wm_now_ns();
            rc = wm_program_run(loop->program);
            ns[s] += wm_now_ns() - loop->last_start_ns;
            if (rc != WM_OK)
                return rc;
            loop->program = loop->program->next;
        }
    }
    return WM_OK;
}

int wm_loop_time(struct wm_loop *loop, unsigned samples, uint64_t batch, uint64_t *ns)
{
    return has_work_between(loop) ? time_with_work(loop, samples, batch, ns) : time_plain(loop, samples, batch, ns);
}
