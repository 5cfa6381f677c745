/* replica.c - the exchange interval: every worker steps on a private copy of the parameters (or of the leading, hottest
 * ones) and now and then adds what it has changed to the shared array and takes the others' changes over.
 *
 * A replica is touched by its worker alone, so the kernels' relaxed accesses to it are ordinary memory traffic in its
 * own cache. Only the exchange touches shared lines: one pass over the array, which leaves lines alone that the worker
 * has not changed.
 *
 * What several workers do from the same start adds up. Along a direction u of curvature h, k steps at rate a go
 * 1 - exp(-a h k) of the way to the optimum, whoever takes them, and the sum of two workers' changes overshoots it.
 * Had the steps begun where the others have gone meanwhile, a distance o along u further on, they would have ended
 * exp(-a h k) o further on instead of o. So an exchange takes u (1 - exp(-a h k)) (u . o) off what it adds, which is
 * what the same steps one after the other come to, for the one direction in which most examples pull alike. */
#include "access.h"
#include "door.h"
#include "exchange.h"
#include "fused.h"
#include "lock.h"
#include "marks.h"
#include "mode.h"
#include "shared.h"
#include <string.h>

static void refresh(hw_params *p);

static hw_status create(hw_params *p, char *why)
{
    const hw_params_config *c = &p->config;
    size_t floats = hw__whole_lines(p->exchanged);
    p->replica = hw__memory_zalloc(&p->memory, c->workers, sizeof *p->replica);
    p->pushes = hw__memory_zalloc(&p->memory, c->workers, sizeof *p->pushes);
    if (!p->replica || !p->pushes) return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for replicas");
    for (unsigned w = 0; w < c->workers; w++)
        for (unsigned a = 0; a <= c->arrays; a++) {
            hw__params_replica *r = p->replica + w;
            r->at.at[a] = hw__memory_zalloc(&p->memory, floats, sizeof(float));
            r->base.at[a] = hw__memory_zalloc(&p->memory, floats, sizeof(float));
            if (!r->at.at[a] || !r->base.at[a])
                return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for a replica of %zu floats",
                                     floats);
        }
    refresh(p);
    return HW_OK;
}

void hw__params_fold(const hw_params *p, unsigned worker)
{
    hw__params_replica *r = p->replica + worker;
    for (size_t i = 0; i < p->exchanged; i++)
        hw__params_set(r->at.at[0] + i, (float)r->scale * hw__params_get(r->at.at[0] + i));
    r->scale = 1;
}

static void refresh(hw_params *p)
{
    for (unsigned w = 0; w < p->config.workers; w++) p->replica[w].scale = 1;
    for (unsigned w = 0; w < p->config.workers; w++)
        for (unsigned a = 0; a <= p->config.arrays; a++) {
            p->reads->copy((float *)p->replica[w].at.at[a], p->shared.at[a], p->exchanged);
            p->reads->copy((float *)p->replica[w].base.at[a], p->shared.at[a], p->exchanged);
        }
}

void hw__params_exchange_soon(const hw_params *p)
{
    if (!p->replica) return;
    size_t first = p->principal ? p->principal_first / EXCHANGE_LINE * EXCHANGE_LINE : 0;
    for (size_t i = first; i < p->exchanged && i < first + EXCHANGE_AHEAD; i += EXCHANGE_LINE)
        __builtin_prefetch((const char *)(p->shared.at[0] + i), 1);
}

/* How far the others have moved along the principal direction since this worker took its copy. */
static double moved(const hw_params *p, const hw__params_replica *r)
{
    double sum = 0;
    const hw__params_float *shared = p->shared.at[0], *base = r->base.at[0];
    for (size_t from = p->principal_first / EXCHANGE_LINE * EXCHANGE_LINE; from < p->principal_end;
         from += EXCHANGE_LINE) {
        float part = 0;
        size_t end = from + EXCHANGE_LINE < p->principal_end ? from + EXCHANGE_LINE : p->principal_end;
        /* They are stored to next. */
        if (from + EXCHANGE_AHEAD < p->principal_end)
            __builtin_prefetch((const char *)(shared + from + EXCHANGE_AHEAD), 1);
        for (size_t i = from; i < end; i++)
            if (p->principal[i] != 0) part += p->principal[i] * (hw__params_get(shared + i) - hw__params_get(base + i));
        sum += (double)part;
    }
    return sum;
}

static void exchange_part(const hw_params *p, hw__params_replica *r, float pull, unsigned array, size_t first, size_t n)
{
    bool along = array == 0 && pull != 0;
    hw__params_stretch s = {p->shared.at[array] + first,
                            r->at.at[array] + first,
                            r->base.at[array] + first,
                            along ? p->principal + first : NULL,
                            pull,
                            array ? 1 : (float)r->scale,
                            n};
    p->exchange(&s);
}

/* The same, and what it has stored to is marked. */
static void exchange_marked(const hw_params *p, hw__params_replica *r, float pull, size_t first, size_t n)
{
    const unsigned worker = (unsigned)(r - p->replica);
    for (size_t end = first + n, part; first < end; first += part) {
        unsigned char changed[MARKS_WORD];
        const hw__params_float *at = r->at.at[0], *base = r->base.at[0];
        const size_t next = (first / MARKS_LINE + MARKS_WORD) * MARKS_LINE;
        part = next < end ? next - first : end - first;
        memset(changed, r->scale < 1 || r->scale > 1, sizeof changed);
        for (size_t i = first; i < first + part; i++) {
            const float a = hw__params_get(at + i), b = hw__params_get(base + i);
            changed[i / MARKS_LINE - first / MARKS_LINE] |= !(a <= b && a >= b); /* a NaN, too */
        }
        exchange_part(p, r, pull, 0, first, part);
        for (size_t line = first / MARKS_LINE; line * MARKS_LINE < first + part; line++)
            if (changed[line - first / MARKS_LINE]) hw__marks_add(p->marks, worker, line);
    }
}

/* Floats first .. end - 1, by the write mode. */
static void exchange_range(const hw_params *p, hw__params_replica *r, float pull, size_t first, size_t end)
{
    bool striped = p->config.write == HW_WRITE_STRIPED;
    size_t stripe = striped ? p->config.stripe : SIZE_MAX;
    for (size_t n; first < end; first += n) {
        n = striped ? stripe - first % stripe : end - first;
        if (n > end - first) n = end - first;
        if (striped) hw__params_lock(&p->stripes[first / stripe].mutex);
        if (p->marks) exchange_marked(p, r, pull, first, n);
        for (unsigned a = p->marks ? 1 : 0; a <= p->config.arrays; a++) exchange_part(p, r, pull, a, first, n);
        if (striped) hw__params_unlock(&p->stripes[first / stripe].mutex);
    }
}

/* What goes by the principal direction, one worker at a time: of two at once neither would know of the other's way. The
 * others wait for a pass over the lines that the direction has something in. */
static void exchange_along(hw_params *p, hw__params_replica *r, double undone)
{
    size_t first = p->principal_first / EXCHANGE_LINE * EXCHANGE_LINE, end = hw__whole_lines(p->principal_end);
    if (end > p->exchanged) end = p->exchanged;
    hw__params_lock(&p->turn);
    float pull = (float)(undone * moved(p, r));
    exchange_range(p, r, pull, first, end);
    hw__params_unlock(&p->turn);
    exchange_range(p, r, 0, 0, first);
    exchange_range(p, r, 0, end, p->exchanged);
}

bool hw__params_set_principal(hw_params *p, const float *direction)
{
    if (!p->replica || p->config.arrays) return false;
    if (!p->turn_ready && pthread_mutex_init(&p->turn, NULL) != 0) return false;
    p->turn_ready = true;
    if (!p->principal) p->principal = hw__memory_alloc(&p->memory, hw__whole_lines(p->exchanged), sizeof(float));
    if (!p->principal) return false;
    size_t n = p->exchanged < p->config.size ? p->exchanged : p->config.size;
    memset(p->principal, 0, hw__whole_lines(p->exchanged) * sizeof *p->principal);
    memcpy(p->principal, direction, n * sizeof *direction);
    p->principal_first = p->principal_end = 0;
    for (size_t i = 0; i < n; i++) {
        if (direction[i] == 0) continue;
        if (!p->principal_end) p->principal_first = i;
        p->principal_end = i + 1;
    }
    return true;
}

uint64_t hw_params_exchange(hw_params *p, unsigned worker, uint64_t steps, hw_read_note *note)
{
    return hw__params_exchange(p, worker, steps, 0, note);
}

uint64_t hw__params_exchange(hw_params *p, unsigned worker, uint64_t steps, double undone, hw_read_note *note)
{
    *note = (hw_read_note){0, 0, 0, 0};
    if (!p->replica) return 0;
    hw__params_replica *r = p->replica + worker;
    uint64_t pushes = 0;
    /* Acquire, in both sums: whoever counts an exchange as past sees its stores (clock.c). */
    uint64_t clock = hw__params_clock_others(&p->clock, worker);
    for (unsigned w = 0; w < p->config.workers; w++)
        if (w != worker) pushes += atomic_load_explicit(&p->pushes[w].value, memory_order_acquire);
    *note = (hw_read_note){r->clock, pushes - r->exchanges, 0, 1};
    bool locked = p->config.write == HW_WRITE_LOCKED;
    if (locked) hw__params_lock(&p->mutex);
    if (p->principal && undone > 0)
        exchange_along(p, r, undone);
    else
        exchange_range(p, r, 0, 0, p->exchanged);
    if (locked) hw__params_unlock(&p->mutex);
    r->scale = 1;
    r->clock = clock;
    r->exchanges = pushes;
    hw__params_clock_advance(&p->clock, worker, steps);
    /* Release: after the stores of the exchange; the line is this worker's own. */
    uint64_t own = atomic_load_explicit(&p->pushes[worker].value, memory_order_relaxed);
    atomic_store_explicit(&p->pushes[worker].value, own + 1, memory_order_release);
    return clock;
}

/* --- the mode -------------------------------------------------------------------------------------------------------
 */

static bool takes(const hw_params_config *c)
{
    return c->exchange_interval > 1;
}

static hw__params_exchange_kernel kernel_of(const hw_params *p)
{
    if (p->config.write == HW_WRITE_ADD) return hw__params_exchange_cas;
    for (unsigned lanes = 16; p->reads != &hw__params_scalar && lanes >= 8; lanes /= 2)
        if (hw__params_exchange_wide(lanes)) return hw__params_exchange_wide(lanes);
    return hw__params_exchange_racy;
}

static hw_status plan(hw_params *p, char *why)
{
    const hw_params_config *c = &p->config;
    hw_status status = hw__shared_create(p, why);
    p->exchanged = c->exchanged && c->exchanged < c->size ? hw__whole_lines(c->exchanged) : c->size;
    p->exchange = kernel_of(p);
    return status == HW_OK ? create(p, why) : status;
}

static void set(hw_params *p, unsigned array, const float *values)
{
    hw__shared_set(p, array, values);
    refresh(p);
}

static void get(hw_params *p, unsigned array, float *values)
{
    bool locked = p->config.write == HW_WRITE_LOCKED;
    if (locked) hw__params_lock(&p->mutex);
    hw__shared_get(p, array, values);
    if (locked) hw__params_unlock(&p->mutex);
}

/* The arrays that coordinate `first` lies in: the worker's, or shared. */
static const hw__params_arrays *arrays_of(const hw_params *p, unsigned worker, size_t first)
{
    return first < p->exchanged ? &p->replica[worker].at : &p->shared;
}

/* The part of a range that lies on one side of the replica's end. */
static size_t part_of(const hw_params *p, size_t first, size_t n)
{
    return first < p->exchanged && p->exchanged - first < n ? p->exchanged - first : n;
}

/* Where the replica has all parameters, an access is one of its arrays; else each stretch is looked up. */
static const float *read(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                         hw_read_note *note)
{
    hw__params_settle(p, worker);
    bool whole = p->exchanged >= p->config.size;
    *note = (hw_read_note){0, 0, 0, 0}; /* what is measured here are exchanges */
    if (whole && x->all && ahead == 0) return (const float *)p->replica[worker].at.at[0];
    if (whole) {
        hw__shared_read(p, &p->replica[worker].at, x, ahead, values);
        return values;
    }
    float *out = values;
    for (size_t i = 0; x->indices && i < x->n; i++)
        hw__params_gather(values + i, arrays_of(p, worker, x->indices[i]), x->indices + i, 1, ahead);
    for (size_t r = 0; !x->indices && r < x->n; r++) {
        size_t at, left = hw__extent_part(x, r, &at);
        for (size_t part; left; at += part, left -= part, out += part) {
            part = part_of(p, at, left);
            hw_range piece = {at, part};
            hw__extent one = hw__extent_ranges(&piece, 1, false);
            hw__shared_read(p, arrays_of(p, worker, at), &one, ahead, out);
        }
    }
    return values;
}

/* What the replica does not cover is written as RACY or ADD say. */
static uint64_t write(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                      const hw_read_note *note)
{
    unsigned arrays = p->config.arrays;
    bool lossless = p->kernels == &hw__params_cas, whole = p->exchanged >= p->config.size;
    const hw__params_arrays *own = &p->replica[worker].at;
    (void)note;
    hw__params_settle(p, worker);
    if (whole) {
        hw__shared_apply(p, p->reads, own, own, form, x, g);
        return 0;
    }
    for (size_t i = 0; x->indices && i < x->n; i++)
        hw__params_apply_at(lossless && x->indices[i] >= p->exchanged, arrays, arrays_of(p, worker, x->indices[i]),
                            x->indices + i, 1, form, g + i);
    for (size_t r = 0; !x->indices && r < x->n; r++)
        for (size_t at = x->ranges[r].first, left = x->ranges[r].count, part; left;
             at += part, left -= part, g += part) {
            const hw__params_arrays *a = arrays_of(p, worker, at);
            part = part_of(p, at, left);
            hw__params_apply(at < p->exchanged ? p->reads : p->kernels, arrays, a, a, at, part, form, g);
        }
    if (p->marks) hw__marks_extent(p->marks, worker, x);
    return 0;
}

const hw__mode hw__mode_replicas = {
    .takes = takes, .plan = plan, .free = hw__shared_free, .read = read, .write = write, .get = get, .set = set};
