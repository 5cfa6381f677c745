/* params.c - the handle: create, set, get, and the reads and writes of every mode. A mode is a function. */
#include "fused.h"
#include "../base/cpu.h"
#include "fields.h"
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
    if (c->read > HW_READ_CONSISTENT || c->write > HW_WRITE_LOCKED || c->path > HW_PATH_WIDE)
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

hw_status hw_params_create(hw_params **out, const hw_params_config *config, char *why)
{
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_params_create: the address for the handle is NULL");
    *out = NULL;
    hw_status status = hw_params_check(config, why);
    if (status != HW_OK) return status;
    hw_params *p = hw__base_zalloc(1, sizeof *p);
    if (!p) return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory");
    p->config = *config;
    p->stride = (config->size + 15) / 16 * 16;
    p->bytes = sizeof *p;
    const hw__params_kernels *wide = config->path == HW_PATH_SCALAR ? NULL : hw__params_wide();
    p->reads = wide ? wide : &hw__params_scalar;
    bool versions = config->read == HW_READ_CONSISTENT && config->write == HW_WRITE_ADD;
    p->kernels = config->write == HW_WRITE_ADD && !versions ? &hw__params_cas : p->reads;
    bool replicas = config->exchange_interval > 1, racy = config->write == HW_WRITE_RACY || replicas;
    if (!versions && (racy || config->write == HW_WRITE_ADD))
        p->fused = !racy || (replicas && config->write == HW_WRITE_ADD && config->exchanged) ? &hw__params_fused_cas
                   : wide                                                                    ? hw__params_fused_wide()
                                                                                             : &hw__params_fused_racy;
    /* Replicas count on the workers' own lines, whatever the interval. */
    status = hw__params_clock_create(&p->clock, config->workers,
                                     replicas ? config->exchange_interval : config->clock_interval, &p->bytes);
    if (status != HW_OK) hw__base_fail(why, status, "hw_params_create: no memory for the clock");
    if (status == HW_OK && versions) {
        status =
            hw__params_versions_create(&p->versions, p->stride, config->arrays, config->workers + 1, &p->bytes, why);
    } else if (status == HW_OK) {
        for (unsigned a = 0; a <= config->arrays && status == HW_OK; a++) {
            p->shared.at[a] = hw__base_zalloc(p->stride, sizeof(float));
            if (!p->shared.at[a])
                status = hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for %zu floats", p->stride);
        }
        p->bytes += (1 + config->arrays) * p->stride * sizeof(float);
    }
    if (status == HW_OK && config->write == HW_WRITE_STRIPED) {
        size_t n = (config->size + config->stripe - 1) / config->stripe;
        p->stripes = hw__base_zalloc(n, sizeof *p->stripes);
        p->bytes += n * sizeof *p->stripes;
        if (!p->stripes)
            status = hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for %zu stripe locks", n);
        for (; status == HW_OK && p->n_stripes < n; p->n_stripes++)
            if (pthread_mutex_init(&p->stripes[p->n_stripes].mutex, NULL) != 0) {
                status = hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no more mutexes");
                break;
            }
    }
    if (status == HW_OK && config->write == HW_WRITE_LOCKED) {
        p->mutex_ready = pthread_mutex_init(&p->mutex, NULL) == 0;
        if (!p->mutex_ready) status = hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no more mutexes");
    }
    if (status == HW_OK && replicas) {
        p->exchanged =
            config->exchanged && config->exchanged < config->size ? (config->exchanged + 15) / 16 * 16 : config->size;
        status = hw__params_replicas_create(p, why);
    }
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
    for (size_t i = 0; i < p->n_stripes; i++) (void)pthread_mutex_destroy(&p->stripes[i].mutex);
    if (p->mutex_ready) (void)pthread_mutex_destroy(&p->mutex);
    hw__base_free(p->stripes);
    hw__params_versions_free(p->versions);
    hw__params_replicas_free(p);
    for (unsigned a = 0; a <= HW_MAX_ARRAYS; a++) hw__base_free(p->shared.at[a]);
    hw__params_clock_free(&p->clock);
    hw__base_free(p);
}

size_t hw_params_size(const hw_params *p)
{
    return p->config.size;
}

size_t hw_params_bytes(const hw_params *p)
{
    return p->bytes;
}

const char *hw_params_path(const hw_params *p)
{
    return p->reads->name;
}

uint64_t hw_params_clock(const hw_params *p)
{
    return p->versions ? hw__params_versions_number(p->versions) : hw__params_clock_now(&p->clock);
}

uint64_t hw__params_fields(hw_params *p, hw__walk *v)
{
    return p->versions ? hw__params_versions_fields(p->versions, v) : hw__params_clock_fields(&p->clock, v);
}

void hw__params_lock(pthread_mutex_t *mutex)
{
    for (int i = 0; i < 64; i++) {
        if (pthread_mutex_trylock(mutex) == 0) return;
        hw__cpu_relax();
    }
    (void)pthread_mutex_lock(mutex);
}

static bool locked(const hw_params *p)
{
    return p->config.write == HW_WRITE_LOCKED;
}

void hw_params_set(hw_params *p, unsigned array, const float *values)
{
    hw__params_arrays a = p->versions ? hw__params_versions_current(p->versions) : p->shared;
    hw__params_store(a.at[array], values, p->config.size);
    if (p->replica) hw__params_replicas_refresh(p);
}

void hw_params_get(hw_params *p, unsigned array, float *values)
{
    if (p->versions) {
        uint64_t number;
        hw__params_arrays a = hw__params_versions_pin(p->versions, p->config.workers, &number);
        p->reads->copy(values, a.at[array], p->config.size);
        hw__params_versions_unpin(p->versions, p->config.workers);
        return;
    }
    if (locked(p)) hw__params_lock(&p->mutex);
    p->reads->copy(values, p->shared.at[array], p->config.size);
    if (locked(p)) (void)pthread_mutex_unlock(&p->mutex);
}

/* --- reads: begin and end are the mode's, the copying between them is the shape's ------------------------------ */

static hw__params_arrays read_begin(hw_params *p, unsigned worker, hw_read_note *note)
{
    if (p->versions) {
        *note = (hw_read_note){0, 0, 0, 1};
        return hw__params_versions_pin(p->versions, worker, &note->clock);
    }
    if (p->replica) { /* what is measured there are exchanges */
        *note = (hw_read_note){0, 0, 0, 0};
        return p->shared;
    }
    if (locked(p)) hw__params_lock(&p->mutex);
    hw__params_clock_read_begin(&p->clock, worker, note);
    return p->shared;
}

static void read_end(hw_params *p, unsigned worker, hw_read_note *note)
{
    if (p->versions || p->replica) return;
    if (locked(p))
        (void)pthread_mutex_unlock(&p->mutex);
    else
        hw__params_clock_read_end(&p->clock, worker, note);
}

static void read_part(const hw_params *p, const hw__params_arrays *a, size_t first, size_t n, float ahead, float *out)
{
    if (ahead != 0)
        p->reads->ahead(out, a->at[0] + first, a->at[1] + first, ahead, n);
    else
        p->reads->copy(out, a->at[0] + first, n);
}

const float *hw_params_read(hw_params *p, unsigned worker, float ahead, float *buffer, hw_read_note *note)
{
    hw__params_arrays a = read_begin(p, worker, note);
    if (p->replica) {
        if (p->exchanged >= p->config.size && ahead == 0) return (const float *)p->replica[worker].at.at[0];
        hw_range all = {0, p->config.size};
        hw__params_replica_read(p, worker, &all, 1, ahead, buffer);
        return buffer;
    }
    if (p->versions && ahead == 0) return (const float *)hw__params_versions_pinned(p->versions, worker);
    read_part(p, &a, 0, p->config.size, ahead, buffer);
    read_end(p, worker, note);
    return buffer;
}

void hw_params_read_ranges(hw_params *p, unsigned worker, const hw_range *ranges, size_t n, float ahead, float *values,
                           hw_read_note *note)
{
    hw__params_arrays a = read_begin(p, worker, note);
    if (p->replica) {
        hw__params_replica_read(p, worker, ranges, n, ahead, values);
        return;
    }
    for (size_t r = 0; r < n; values += ranges[r++].count)
        read_part(p, &a, ranges[r].first, ranges[r].count, ahead, values);
    read_end(p, worker, note);
}

void hw_params_read_at(hw_params *p, unsigned worker, const uint32_t *indices, size_t n, float ahead, float *values,
                       hw_read_note *note)
{
    hw__params_arrays a = read_begin(p, worker, note);
    if (p->replica)
        hw__params_replica_gather(p, worker, indices, n, ahead, values);
    else
        hw__params_gather(values, &a, indices, n, ahead);
    read_end(p, worker, note);
}

void hw_params_release(hw_params *p, unsigned worker)
{
    if (p->versions) hw__params_versions_unpin(p->versions, worker);
}

/* --- writes ---------------------------------------------------------------------------------------------------- */

typedef struct update {
    hw_params *p;
    const hw_form *form;
    const hw_range *ranges;
    const uint32_t *indices;
    size_t n;
    const float *g;
} update;

/* ADD and RACY on the shared arrays; LOCKED under its mutex; a private version before it is published. */
static void apply(const update *u, const hw__params_kernels *k, const hw__params_arrays *dst,
                  const hw__params_arrays *src)
{
    const float *g = u->g;
    unsigned arrays = u->p->config.arrays;
    if (u->indices) {
        hw__params_apply_at(k == &hw__params_cas, arrays, dst, u->indices, u->n, u->form, g);
        return;
    }
    for (size_t r = 0; r < u->n; g += u->ranges[r++].count)
        hw__params_apply(k, arrays, dst, src, u->ranges[r].first, u->ranges[r].count, u->form, g);
}

static void fill_version(void *context, const hw__params_arrays *dst, const hw__params_arrays *src)
{
    const update *u = context;
    hw_params *p = u->p;
    unsigned arrays = p->config.arrays;
    bool whole = !u->indices && u->n == 1 && u->ranges[0].count == p->config.size;
    if (whole) {
        /* ADD touches only the parameters, the others only the first two arrays unless GENERAL keeps u. */
        unsigned filled = u->form->kind == HW_FORM_ADD ? 1 : u->form->kind == HW_FORM_MOMENTUM ? 2 : 1 + arrays;
        for (unsigned a = filled; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
        if (u->form->kind == HW_FORM_GENERAL)
            for (unsigned a = 3; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
        apply(u, p->kernels, dst, src);
        return;
    }
    for (unsigned a = 0; a <= arrays; a++) p->reads->copy((float *)dst->at[a], src->at[a], p->config.size);
    apply(u, p->kernels, dst, dst);
}

static void write_striped(const update *u)
{
    hw_params *p = u->p;
    size_t stripe = p->config.stripe, s = SIZE_MAX;
    const float *g = u->g;
    if (u->indices) {
        /* Neighbouring indices of one stripe share a lock; indices in any order are right, sorted ones faster. */
        for (size_t i = 0, run; i < u->n; i += run) {
            s = u->indices[i] / stripe;
            for (run = 1; i + run < u->n && u->indices[i + run] / stripe == s;) run++;
            hw__params_lock(&p->stripes[s].mutex);
            hw__params_apply_at(false, p->config.arrays, &p->shared, u->indices + i, run, u->form, g + i);
            (void)pthread_mutex_unlock(&p->stripes[s].mutex);
        }
        return;
    }
    for (size_t r = 0; r < u->n; r++) {
        size_t at = u->ranges[r].first, end = at + u->ranges[r].count;
        while (at < end) {
            s = at / stripe;
            size_t stop = (s + 1) * stripe < end ? (s + 1) * stripe : end;
            hw__params_lock(&p->stripes[s].mutex);
            hw__params_apply(p->kernels, p->config.arrays, &p->shared, &p->shared, at, stop - at, u->form, g);
            (void)pthread_mutex_unlock(&p->stripes[s].mutex);
            g += stop - at;
            at = stop;
        }
    }
}

static uint64_t write_update(const update *u, unsigned worker, const hw_read_note *note)
{
    hw_params *p = u->p;
    if (p->replica) {
        hw__params_replica_write(p, worker, u->form, u->ranges, u->indices, u->n, u->g);
        return 0;
    }
    if (p->versions) return hw__params_versions_publish(p->versions, worker, fill_version, (void *)u);
    uint64_t landed;
    if (locked(p)) {
        hw__params_lock(&p->mutex);
        hw__params_clock_write_begin(&p->clock);
        apply(u, p->kernels, &p->shared, &p->shared);
        landed = hw__params_clock_write_end(&p->clock, worker, note);
        (void)pthread_mutex_unlock(&p->mutex);
        return landed;
    }
    hw__params_clock_write_begin(&p->clock);
    if (p->config.write == HW_WRITE_STRIPED)
        write_striped(u);
    else
        apply(u, p->kernels, &p->shared, &p->shared);
    return hw__params_clock_write_end(&p->clock, worker, note);
}

uint64_t hw_params_write(hw_params *p, unsigned worker, const hw_form *form, const hw_range *ranges, size_t n,
                         const float *g, const hw_read_note *note)
{
    update u = {p, form, ranges, NULL, n, g};
    return write_update(&u, worker, note);
}

uint64_t hw_params_write_at(hw_params *p, unsigned worker, const hw_form *form, const uint32_t *indices, size_t n,
                            const float *g, const hw_read_note *note)
{
    update u = {p, form, NULL, indices, n, g};
    return write_update(&u, worker, note);
}
