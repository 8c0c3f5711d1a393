#include "bench/memory.h"

#include <stdlib.h>

static void lose(struct wm_layout *layout, const struct wm_err *err)
{
    layout->lost = err->code;
    wm_err_text(err, layout->lost_reason, sizeof(layout->lost_reason));
}

static bool lies_in(const struct wm_plan_layout *layout, const struct wm_plan_buffer *b)
{
    return layout->used && wm_plan_area(layout, b->area) == b->mem;
}

/* One buffer, given to the layouts that have its area in its kind of memory. */
static int open_buffer(const struct wm_plan_layout *planned, const struct wm_plan_buffer *b, struct wm_memory *m,
                       struct wm_err *err)
{
    struct wm_buf *buf = &m->buffer[m->n_buffers];
    struct wm_err story = { .rank = -1 };
    if (b->mem->alloc(-1, b->bytes, buf, &story) == WM_OK)
        m->n_buffers++;
    else if (!wm_mem_is_device(b->mem))
        *err = story;
    for (int i = 0; i < m->n; i++) {
        if (!lies_in(&planned[i], b))
            continue;
        m->layout[i].buf[b->area] = buf;
        if (story.code != WM_OK)
            lose(&m->layout[i], &story);
    }
    return err->code;
}

static void open_copier(const struct wm_plan_memory *memory, unsigned slots, struct wm_layout *layout)
{
    struct wm_err story = { .rank = -1 };
    layout->device = wm_plan_device(memory);
    if (!layout->used || layout->lost != WM_OK || layout->device == NULL || layout->device->copier_open == NULL)
        return;
    if (layout->device->copier_open(-1, slots, memory->group.conf, &layout->copier, &story) != WM_OK)
        lose(layout, &story);
}

static int open_layouts(const struct wm_plan_layout *planned, unsigned slots, struct wm_memory *m, struct wm_err *err)
{
    struct wm_plan_buffer *wanted = calloc((size_t)m->n * WM_AREAS, sizeof(*wanted));
    m->layout = calloc((size_t)m->n, sizeof(*m->layout));
    m->buffer = calloc((size_t)m->n * WM_AREAS, sizeof(*m->buffer));
    if (wanted == NULL || m->layout == NULL || m->buffer == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d layouts of buffers", m->n);
    int n = err->code == WM_OK ? wm_plan_buffers(planned, m->n, wanted) : 0;
    for (int i = 0; i < n && err->code == WM_OK; i++)
        open_buffer(planned, &wanted[i], m, err);
    free(wanted);
    for (int i = 0; i < m->n && err->code == WM_OK; i++) {
        m->layout[i].used = planned[i].used;
        m->layout[i].detour = planned[i].detour;
        m->layout[i].shared = planned[i].shared;
        open_copier(planned[i].memory, slots, &m->layout[i]);
    }
    return err->code;
}

int wm_memory_open(const struct wm_plan *plan, int rank, unsigned slots, struct wm_memory *out, struct wm_err *err)
{
    *out = (struct wm_memory){ .n = wm_plan_layouts(plan) };
    struct wm_plan_layout *planned = calloc((size_t)out->n, sizeof(*planned));
    if (planned == NULL)
        wm_fail(err, WM_ENOMEM, "calloc", 0, "%d layouts of buffers", out->n);
    else if (wm_plan_need(plan, rank, planned, err) == WM_OK)
        open_layouts(planned, slots, out, err);
    free(planned);
    return err->code;
}

void wm_memory_close(struct wm_memory *m)
{
    for (int i = 0; m->layout != NULL && i < m->n; i++)
        if (m->layout[i].copier != NULL)
            m->layout[i].device->copier_close(m->layout[i].copier);
    for (int i = 0; i < m->n_buffers; i++)
        m->buffer[i].mem->free(&m->buffer[i]);
    free(m->layout);
    free(m->buffer);
    *m = (struct wm_memory){ 0 };
}
