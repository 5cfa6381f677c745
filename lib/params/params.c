/* params.c - the handle: checks, create and free, and the calls that go to its mode. */
#include "door.h"
#include "fused.h"
#include "marks.h"
#include "mode.h"
#include "shared.h"
#include <string.h>

hw_params_config hw_params_defaults(size_t size, unsigned workers)
{
    hw_params_config c;
    memset(&c, 0, sizeof c);
    c.struct_size = sizeof c;
    c.size = size;
    c.workers = workers;
    c.read = HW_READ_ATOMIC;
    c.write = HW_WRITE_STRIPED;
    c.path = HW_PATH_AUTO;
    c.stripe = 2048;
    c.clock_interval = 1;
    c.exchange_interval = 1;
    return c;
}

static hw_status check_exchange(const hw_params_config *c, char *why)
{
    if (c->exchange_interval == 1) return HW_OK;
    if (c->exchange_interval < 1 || c->exchange_interval > 1u << 30)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.exchange_interval is %u: it must be in [1, 2^30]",
                             c->exchange_interval);
    if (c->read == HW_READ_CONSISTENT)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.exchange_interval is %u: replicas are read as they are exchanged, which CONSISTENT "
            "reads cannot promise",
            c->exchange_interval);
    bool part = c->exchanged && c->exchanged < c->size;
    if (part && c->write != HW_WRITE_RACY && c->write != HW_WRITE_ADD)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "with only %zu of %zu parameters exchanged the others are written at every step: write must "
            "be racy or add",
            c->exchanged, c->size);
    return HW_OK;
}

hw_status hw_params_check(const hw_params_config *c, char *why)
{
    if (!c) return hw__base_fail(why, HW_E_ARGUMENT, "hw_params_create: config is NULL");
    if (c->struct_size != sizeof *c)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.struct_size is %zu, expected %zu: start from "
                             "hw_params_defaults()",
                             c->struct_size, sizeof *c);
    if (c->size < 1 || c->size > UINT32_MAX)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.size is %zu: it must be in [1, 2^32)", c->size);
    if (c->workers < 1 || c->workers > HW_MAX_WORKERS)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.workers is %u: it must be in [1, %d]", c->workers,
                             HW_MAX_WORKERS);
    if (c->arrays > HW_MAX_ARRAYS)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.arrays is %u: it must be in [0, %d]", c->arrays,
                             HW_MAX_ARRAYS);
    if ((unsigned)c->read >= HW__ROWS(HW_READ_TABLE) || (unsigned)c->write >= HW__ROWS(HW_WRITE_TABLE) ||
        c->path > HW_PATH_WIDE)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.read, .write or .path is no value of its enum");
    if (c->stripe < 1024 || c->stripe > 4096 || c->stripe % 16)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.stripe is %u floats: it must be a multiple of "
                             "16 in [1024, 4096]",
                             c->stripe);
    if (c->read == HW_READ_CONSISTENT && c->write != HW_WRITE_ADD && c->write != HW_WRITE_LOCKED)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "CONSISTENT reads go with ADD (publish) or LOCKED "
                             "writes, not with %s",
                             c->write == HW_WRITE_STRIPED ? "STRIPED" : "RACY");
    if (c->clock_interval < 1 || c->clock_interval > 65536)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.clock_interval is %u: it must be in [1, 65536]",
                             c->clock_interval);
    hw_status status = check_exchange(c, why);
    if (status != HW_OK) return status;
    if (c->clock_interval > 1 && (c->read == HW_READ_CONSISTENT || c->write == HW_WRITE_LOCKED))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.clock_interval must be 1 where a version or "
                             "the lock counts the updates anyway");
    if (c->path == HW_PATH_WIDE && !hw__params_wide())
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.path asks for vectors that this processor "
                             "or build does not have");
    return HW_OK;
}

/* The kernels of dense reads, of writes, and of steps in place, by processor, path and write mode. */
static void choose_kernels(hw_params *p)
{
    const hw_params_config *c = &p->config;
    const hw__params_kernels *wide = c->path == HW_PATH_SCALAR ? NULL : hw__params_wide();
    bool private_writes = p->mode->private_writes;
    bool replicas = c->exchange_interval > 1, racy = c->write == HW_WRITE_RACY || replicas;
    p->reads = wide ? wide : &hw__params_scalar;
    p->kernels = c->write == HW_WRITE_ADD && !private_writes ? &hw__params_cas : p->reads;
    if (private_writes || !(racy || c->write == HW_WRITE_ADD)) return;
    bool lossless = !racy || (replicas && c->write == HW_WRITE_ADD && c->exchanged);
    p->fused = lossless ? &hw__params_fused_cas : wide ? hw__params_fused_wide() : &hw__params_fused_racy;
}

hw_status hw_params_create(hw_params **out, const hw_params_config *config, char *why)
{
    return hw_params_create_in(out, config, NULL, why);
}

hw_status hw_params_create_in(hw_params **out, const hw_params_config *config, const hw_allocator *allocator, char *why)
{
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_params_create: the address for the handle is NULL");
    *out = NULL;
    hw_status status = hw_params_check(config, why);
    if (status != HW_OK) return status;
    if (!hw__allocator_whole(allocator))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_params_create_in: allocator: allocate and release are both needed");
    hw_params *p = hw__memory_handle(allocator, sizeof *p, offsetof(hw_params, memory));
    if (!p) return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory");
    p->config = *config;
    p->mode = hw__mode_of(config);
    p->stride = hw__whole_lines(config->size);
    choose_kernels(p);
    /* Replicas count on the workers' own lines, whatever the interval. */
    unsigned interval = config->exchange_interval > 1 ? config->exchange_interval : config->clock_interval;
    status = hw__params_clock_create(&p->clock, config->workers, interval, &p->memory);
    if (status != HW_OK) hw__base_fail(why, status, "hw_params_create: no memory for the clock");
    if (status == HW_OK) status = p->mode->plan(p, why);
    if (status != HW_OK) {
        hw_params_free(p);
        return status;
    }
    *out = p;
    return HW_OK;
}

void hw_params_free(hw_params *p)
{
    if (!p) return;
    if (p->mode->free) p->mode->free(p);
    if (p->turn_ready) (void)pthread_mutex_destroy(&p->turn);
    hw__memory_release(&p->memory);
}

size_t hw_params_size(const hw_params *p)
{
    return p->config.size;
}

size_t hw_params_bytes(const hw_params *p)
{
    return p->memory.bytes;
}

const char *hw_params_path(const hw_params *p)
{
    return p->reads->name;
}

bool hw__params_whole(const hw_params *p)
{
    return p->mode->whole;
}

uint64_t hw_params_clock(const hw_params *p)
{
    return p->mode->clock ? p->mode->clock(p) : hw__params_clock_now(&p->clock);
}

uint64_t hw__params_fields(hw_params *p, hw__walk *v)
{
    return p->mode->fields ? p->mode->fields(p, v) : hw__params_clock_fields(&p->clock, v);
}

void hw_params_measure(hw_params *p, unsigned worker)
{
    if (!p->mode->clock) hw__params_clock_measure(&p->clock, worker);
}

void hw_params_set(hw_params *p, unsigned array, const float *values)
{
    p->mode->set(p, array, values);
}

void hw_params_get(hw_params *p, unsigned array, float *values)
{
    p->mode->get(p, array, values);
}

void hw_params_release(hw_params *p, unsigned worker)
{
    if (p->mode->release) p->mode->release(p, worker);
}

/* --- what the library's own rooms call, and the same in the public calls' words -------------------------------------
 */

const float *hw__params_read(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                             hw_read_note *note)
{
    return p->mode->read(p, worker, x, ahead, values, note);
}

uint64_t hw__params_write(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                          const hw_read_note *note)
{
    return p->mode->write(p, worker, form, x, g, note);
}

bool hw__params_has_parts(const hw_params *p)
{
    return p->mode->apply && !p->mode->clock && p->clock.interval == 1;
}

void hw__params_parts_begin(hw_params *p, unsigned worker, hw_read_note *note)
{
    hw__params_clock_read_begin(&p->clock, worker, note);
}

void hw__params_read_part(const hw_params *p, const hw__extent *x, float ahead, float *values)
{
    hw__shared_read(p, &p->shared, x, ahead, values);
}

void hw__params_parts_read_end(hw_params *p, unsigned worker, hw_read_note *note)
{
    hw__params_clock_read_end(&p->clock, worker, note);
}

void hw__params_write_part(hw_params *p, const hw_form *form, const hw__extent *x, const float *g)
{
    p->mode->apply(p, form, x, g);
    if (p->marks) hw__marks_part(p->marks, x);
}

/* Replicas have no updates in place: theirs are exchanged by the write mode. */
void hw__params_merge(hw_params *p, const hw__extent *x, const float *values)
{
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    const hw__mode *mode = p->mode->apply ? p->mode : p->n_stripes ? &hw__mode_striped : &hw__mode_atomic;
    mode->apply(p, &add, x, values);
}

bool hw__params_mark(hw_params *p)
{
    if (!p->marks && (p->mode->apply || p->replica))
        p->marks = hw__marks_create(&p->memory, p->config.size, p->config.workers);
    return p->marks != NULL;
}

size_t hw__params_touched(hw_params *p, uint32_t *lines)
{
    return hw__marks_take(p->marks, lines);
}

uint64_t hw__params_parts_end(hw_params *p, unsigned worker, const hw_read_note *note)
{
    hw__params_clock_write_begin(&p->clock); /* here, since a step that goes wrong has no end */
    return hw__params_clock_write_end(&p->clock, worker, note);
}

const float *hw_params_read(hw_params *p, unsigned worker, float ahead, float *buffer, hw_read_note *note)
{
    hw_range all = {0, p->config.size};
    hw__extent x = hw__extent_all(&all);
    return p->mode->read(p, worker, &x, ahead, buffer, note);
}

void hw_params_read_ranges(hw_params *p, unsigned worker, const hw_range *ranges, size_t n, float ahead, float *values,
                           hw_read_note *note)
{
    hw__extent x = hw__extent_ranges(ranges, n, false);
    (void)p->mode->read(p, worker, &x, ahead, values, note);
}

void hw_params_read_at(hw_params *p, unsigned worker, const uint32_t *indices, size_t n, float ahead, float *values,
                       hw_read_note *note)
{
    hw__extent x = hw__extent_indices(indices, n, false);
    (void)p->mode->read(p, worker, &x, ahead, values, note);
}

uint64_t hw_params_write(hw_params *p, unsigned worker, const hw_form *form, const hw_range *ranges, size_t n,
                         const float *g, const hw_read_note *note)
{
    hw__extent x = hw__extent_ranges(ranges, n, false);
    return p->mode->write(p, worker, form, &x, g, note);
}

uint64_t hw_params_write_at(hw_params *p, unsigned worker, const hw_form *form, const uint32_t *indices, size_t n,
                            const float *g, const hw_read_note *note)
{
    hw__extent x = hw__extent_indices(indices, n, false);
    return p->mode->write(p, worker, form, &x, g, note);
}
