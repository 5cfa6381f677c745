/* shared.c - the shared arrays: memory, locks, and reads and updates of any extent of them. */
#include "shared.h"
#include "marks.h"
#include "mode.h"

hw_status hw__shared_create(hw_params *p, char *why)
{
    const hw_params_config *c = &p->config;
    for (unsigned a = 0; a <= c->arrays; a++) {
        p->shared.at[a] = hw__memory_zalloc(&p->memory, p->stride, sizeof(float));
        if (!p->shared.at[a])
            return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for %zu floats", p->stride);
    }
    if (c->write == HW_WRITE_STRIPED) {
        size_t n = (c->size + c->stripe - 1) / c->stripe;
        p->stripes = hw__memory_zalloc(&p->memory, n, sizeof *p->stripes);
        if (!p->stripes) return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for %zu stripe locks", n);
        for (; p->n_stripes < n; p->n_stripes++)
            if (pthread_mutex_init(&p->stripes[p->n_stripes].mutex, NULL) != 0)
                return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no more mutexes");
    }
    if (c->write == HW_WRITE_LOCKED) {
        p->mutex_ready = pthread_mutex_init(&p->mutex, NULL) == 0;
        if (!p->mutex_ready) return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no more mutexes");
    }
    return HW_OK;
}

void hw__shared_free(hw_params *p)
{
    for (size_t i = 0; i < p->n_stripes; i++) (void)pthread_mutex_destroy(&p->stripes[i].mutex);
    if (p->mutex_ready) (void)pthread_mutex_destroy(&p->mutex);
}

void hw__shared_get(hw_params *p, unsigned array, float *values)
{
    p->reads->copy(values, p->shared.at[array], p->config.size);
}

void hw__shared_set(hw_params *p, unsigned array, const float *values)
{
    hw__params_store(p->shared.at[array], values, p->config.size);
}

static void read_part(const hw_params *p, const hw__params_arrays *a, size_t first, size_t n, float ahead, float *out)
{
    if (ahead != 0)
        p->reads->ahead(out, a->at[0] + first, a->at[1] + first, ahead, n);
    else
        p->reads->copy(out, a->at[0] + first, n);
}

void hw__shared_read(const hw_params *p, const hw__params_arrays *a, const hw__extent *x, float ahead, float *values)
{
    if (x->indices) {
        hw__params_gather(values, a, x->indices, x->n, ahead);
        return;
    }
    for (size_t r = 0; r < x->n; values += x->ranges[r++].count)
        read_part(p, a, x->ranges[r].first, x->ranges[r].count, ahead, values);
}

void hw__shared_apply(const hw_params *p, const hw__params_kernels *k, const hw__params_arrays *dst,
                      const hw__params_arrays *src, const hw_form *form, const hw__extent *x, const float *g)
{
    unsigned arrays = p->config.arrays;
    if (x->indices) {
        hw__params_apply_at(k == &hw__params_cas, arrays, dst, x->indices, x->n, form, g);
        return;
    }
    for (size_t r = 0; r < x->n; g += x->ranges[r++].count)
        hw__params_apply(k, arrays, dst, src, x->ranges[r].first, x->ranges[r].count, form, g);
}

const float *hw__shared_read_mode(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                                  hw_read_note *note)
{
    hw__params_clock_read_begin(&p->clock, worker, note);
    hw__shared_read(p, &p->shared, x, ahead, values);
    hw__params_clock_read_end(&p->clock, worker, note);
    return values;
}

uint64_t hw__shared_write_mode(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                               const hw_read_note *note)
{
    hw__params_clock_write_begin(&p->clock);
    p->mode->apply(p, form, x, g);
    if (p->marks) hw__marks_extent(p->marks, worker, x);
    return hw__params_clock_write_end(&p->clock, worker, note);
}
