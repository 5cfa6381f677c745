/* consistent.c - CONSISTENT reads beside ADD: a reader pins a published version, which is exactly one past state, and
 * uses it in place; a writer publishes a new one. versions.c is the machinery. */
#include "mode.h"
#include "shared.h"

static bool takes(const hw_params_config *c)
{
    return c->read == HW_READ_CONSISTENT && c->write == HW_WRITE_ADD;
}

static hw_status plan(hw_params *p, char *why)
{
    const hw_params_config *c = &p->config;
    return hw__params_versions_create(&p->versions, p->stride, c->arrays, c->workers + 1, &p->memory, why);
}

static const float *read(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                         hw_read_note *note)
{
    *note = (hw_read_note){0, 0, 0, 1};
    hw__params_arrays a = hw__params_versions_pin(p->versions, worker, &note->clock);
    if (x->all && ahead == 0) return (const float *)hw__params_versions_pinned(p->versions, worker);
    hw__shared_read(p, &a, x, ahead, values);
    return values;
}

static void release(hw_params *p, unsigned worker)
{
    hw__params_versions_unpin(p->versions, worker);
}

typedef struct update {
    hw_params *p;
    const hw_form *form;
    const hw__extent *x;
    const float *g;
} update;

/* A private version from its base, before it is published. */
static void fill(void *context, const hw__params_arrays *dst, const hw__params_arrays *src)
{
    const update *u = context;
    const hw_params *p = u->p;
    unsigned arrays = p->config.arrays;
    bool whole = !u->x->indices && u->x->n == 1 && u->x->ranges[0].count == p->config.size;
    if (whole) {
        /* ADD touches only the parameters, the others only the first two arrays unless GENERAL keeps u. */
        unsigned filled = u->form->kind == HW_FORM_ADD ? 1 : u->form->kind == HW_FORM_MOMENTUM ? 2 : 1 + arrays;
        for (unsigned a = filled; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
        if (u->form->kind == HW_FORM_GENERAL)
            for (unsigned a = 3; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
        hw__shared_apply(p, p->kernels, dst, src, u->form, u->x, u->g);
        return;
    }
    for (unsigned a = 0; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
    hw__shared_apply(p, p->kernels, dst, dst, u->form, u->x, u->g);
}

static uint64_t write(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                      const hw_read_note *note)
{
    update u = {p, form, x, g};
    (void)note;
    return hw__params_versions_publish(p->versions, worker, fill, &u);
}

static void get(hw_params *p, unsigned array, float *values)
{
    uint64_t number;
    hw__params_arrays a = hw__params_versions_pin(p->versions, p->config.workers, &number);
    p->reads->copy(values, a.at[array], p->config.size);
    hw__params_versions_unpin(p->versions, p->config.workers);
}

static void set(hw_params *p, unsigned array, const float *values)
{
    hw__params_store(hw__params_versions_current(p->versions).at[array], values, p->config.size);
}

static uint64_t clock_of(const hw_params *p)
{
    return hw__params_versions_number(p->versions);
}

static uint64_t fields(hw_params *p, hw__walk *v)
{
    return hw__params_versions_fields(p->versions, v);
}

const hw__mode hw__mode_consistent = {.whole = true,
                                      .private_writes = true,
                                      .takes = takes,
                                      .plan = plan,
                                      .read = read,
                                      .release = release,
                                      .write = write,
                                      .get = get,
                                      .set = set,
                                      .clock = clock_of,
                                      .fields = fields};
