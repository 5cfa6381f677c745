/* probe.c - a worker without an engine: captures the gradient of one step, for the gradient check and the curvature. */
#include "engine.h"
#include "../base/sized.h"
#include <math.h>
#include <string.h>

struct hw__probe {
    hw__memory memory;
    hw_worker worker;
    const hw_engine *engine; /* whose run it belongs to: a stop that is asked for ends it; NULL: none */
    const hw_objective *objective;
    const float *params;
    float *buffers, *point, *sum, *direction, *image;
    double loss;
};

static const float *probe_read(hw_worker *w, const hw__extent *a, float *values)
{
    const hw__probe *p = w->own;
    const float *x = p->params;
    if (a->all && !values) {
        memcpy(w->x, x, a->total * sizeof *x); /* aligned, whatever the caller's array is */
        return w->x;
    }
    hw__access_gather(a, x, values);
    return values;
}

static hw_status probe_write(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    hw__probe *p = w->own;
    if (a->raw) return hw_fail(w, HW_E_UNSUPPORTED, "hw_add_at has no gradient to look at");
    float share = (float)w->batch.count;
    for (size_t r = 0, i = 0; r < a->n; r++) {
        size_t first, n = hw__extent_part(a, r, &first);
        for (size_t j = 0; j < n; j++) p->sum[first + j] += share * g[i++];
    }
    p->loss += loss * w->batch.count;
    return HW_OK;
}

/* What the objective's scratch takes at once. */
static uint32_t part_of(const hw_objective *o, uint32_t count)
{
    return o->batch_limit && o->batch_limit < count ? o->batch_limit : count;
}

static const hw__access probe_access = {probe_read, probe_write, NULL, NULL};

hw_status hw__probe_create(hw__probe **out, const hw_objective *o, const hw_allocator *allocator, char *why)
{
    size_t n = o->parameters, stride = hw__whole_lines(n);
    hw__probe *p = hw__memory_handle(allocator, sizeof *p, offsetof(hw__probe, memory));
    *out = NULL;
    if (p) p->buffers = n <= SIZE_MAX / 32 ? hw__memory_zalloc(&p->memory, 6 * stride, sizeof(float)) : NULL;
    if (p && o->scratch_bytes) p->worker.scratch = hw__memory_zalloc(&p->memory, o->scratch_bytes, 1);
    if (!p || !p->buffers || (o->scratch_bytes && !p->worker.scratch)) {
        hw__probe_free(p);
        return hw__base_fail(why, HW_E_MEMORY, "no memory for a probe of %zu parameters", n);
    }
    p->objective = o;
    hw_worker *w = &p->worker;
    w->objective = o;
    w->own = p;
    w->access = &probe_access;
    w->all.count = n;
    w->x = p->buffers;
    w->g = p->buffers + stride;
    p->sum = p->buffers + 2 * stride;
    p->point = p->buffers + 3 * stride;
    p->direction = p->buffers + 4 * stride;
    p->image = p->buffers + 5 * stride;
    hw_rng_seed(&w->rng, 1, 0);
    if (o->scratch_init) {
        hw_status status = o->scratch_init(o->self, w->scratch);
        if (status != HW_OK) {
            hw__probe_free(p);
            return hw__base_fail(why, status, "the objective's scratch_init returned %d", status);
        }
    }
    w->scratch_ready = true;
    *out = p;
    return HW_OK;
}

void hw__probe_free(hw__probe *p)
{
    if (!p) return;
    if (p->worker.scratch_ready && p->objective->scratch_free)
        p->objective->scratch_free(p->objective->self, p->worker.scratch);
    hw__memory_release(&p->memory);
}

size_t hw__probe_bytes(const hw__probe *p)
{
    return p ? p->memory.bytes : 0;
}

static bool stop_asked(const hw_engine *e)
{
    return hw__flags_stopped(&e->flags) || (e->config.stop_flag && *e->config.stop_flag);
}

void hw__probe_heed(hw__probe *p, const hw_engine *e)
{
    p->engine = e;
}

/* Mean gradient at x over index[0 .. count-1] in parts of at most `part`, which are steps `step` and on, into sum; the
 * mean loss. */
static hw_status probe_gradient_from(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                                     uint64_t step, float *sum, double *loss)
{
    hw_worker *w = &p->worker;
    part = part_of(p->objective, part);
    size_t n = w->all.count;
    float *kept = p->sum;
    p->params = x;
    p->sum = sum;
    p->loss = 0;
    memset(sum, 0, n * sizeof *sum);
    hw_status status = HW_OK;
    for (uint32_t from = 0; from < count && status == HW_OK; from += part) {
        uint32_t m = count - from < part ? count - from : part;
        if (p->engine && stop_asked(p->engine)) return HW_E_STOPPED;
        w->batch = (hw_batch){index ? index + from : NULL, m, 0, m, step + from / part, 0, 1};
        status = hw__step_run(w);
    }
    p->sum = kept;
    for (size_t i = 0; i < n; i++) sum[i] /= (float)count;
    *loss = p->loss / count;
    return status;
}

static hw_status probe_gradient(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                                float *sum, double *loss)
{
    return probe_gradient_from(p, x, index, count, part, 0, sum, loss);
}

static double norm(const float *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (double)x[i] * (double)x[i];
    return sqrt(s);
}

float *hw__probe_direction(hw__probe *p)
{
    return p->direction;
}

hw_status hw__probe_curvature(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                              unsigned iterations, uint64_t seed, const hw_optimizer *o, double *curvature)
{
    hw_rng rng;
    hw_rng_seed(&rng, seed, 77);
    for (size_t i = 0; i < p->worker.all.count; i++) p->direction[i] = (float)hw_rng_normal(&rng);
    return hw__probe_follow(p, x, index, count, part, iterations, o, curvature);
}

/* At p->point. An objective that draws finds the same draws every time, whatever was probed before: the difference of
 * two gradients is of their points then, and not of their noise. */
static hw_status repeated_gradient(hw__probe *p, const uint32_t *index, uint32_t count, uint32_t part, float *sum,
                                   double *loss)
{
    hw_rng_seed(&p->worker.rng, 1, 0);
    return probe_gradient(p, p->point, index, count, part, sum, loss);
}

hw_status hw__probe_follow(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                           unsigned iterations, const hw_optimizer *o, double *curvature)
{
    size_t n = p->worker.all.count;
    *curvature = 0;
    double length = norm(p->direction, n), scale = fmax(norm(x, n), 1), value = 0, loss;
    for (unsigned k = 0; k < iterations && length > 0; k++) {
        /* H v by a central difference of gradients; the step is small against the parameters and large against
         * float32's rounding of them. */
        float h = (float)(2e-3 * scale / length);
        for (size_t i = 0; i < n; i++) p->point[i] = x[i] + h * p->direction[i];
        hw_status status = repeated_gradient(p, index, count, part, p->image, &loss);
        if (status != HW_OK) return status;
        for (size_t i = 0; i < n; i++) p->point[i] = x[i] - h * p->direction[i];
        status = repeated_gradient(p, index, count, part, p->sum, &loss);
        if (status != HW_OK) return status;
        double dot = 0;
        for (size_t i = 0; i < n; i++) p->image[i] = (p->image[i] - p->sum[i]) / (2 * h);
        /* Sections step at their own rates, so what counts is the largest eigenvalue of rates times Hessian. */
        for (size_t s = 0; o && s < o->n_sections; s++)
            for (size_t i = 0; i < o->sections[s].count; i++) p->image[o->sections[s].first + i] *= o->sections[s].rate;
        for (size_t i = 0; i < n; i++) dot += (double)p->image[i] * (double)p->direction[i];
        value = dot / (length * length);
        double next = norm(p->image, n);
        if (!hw__base_finite_double(value) || next == 0) break;
        for (size_t i = 0; i < n; i++) p->direction[i] = (float)(p->image[i] / next);
        length = 1;
    }
    *curvature = hw__base_finite_double(value) && value > 0 ? value : 0;
    return HW_OK;
}

static hw_status check_objective(const hw_objective *o, const char *call, const void *a, const uint32_t *index,
                                 uint32_t count, char *why)
{
    if (!o || o->struct_size < HW__OBJECTIVE_LEAST || !o->parameters || (!o->step && !o->loss_gradient) || !a)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "%s: an objective from hw_objective_defaults() with parameters and a step or a "
                             "loss_gradient is needed, and parameters to look at",
                             call);
    if (count < 1) return hw__base_fail(why, HW_E_ARGUMENT, "%s: at least one example is needed", call);
    if (!index && o->examples)
        return hw__base_fail(why, HW_E_ARGUMENT, "%s: index is NULL, but the objective is no stream", call);
    for (uint32_t i = 0; o->examples && i < count; i++)
        if (index[i] >= o->examples)
            return hw__base_fail(why, HW_E_ARGUMENT, "%s: index[%u] is %u: the objective has %u examples", call, i,
                                 index[i], o->examples);
    return HW_OK;
}

static hw_status probe_failed(const hw__probe *p, hw_status status, const char *call, char *why)
{
    return hw__base_fail(why, status, "%s: the objective failed: %.150s", call,
                         p->worker.has_sentence ? p->worker.sentence : hw_status_text(status));
}

hw_status hw_curvature(const hw_objective *o, const float *params, const uint32_t *index, uint32_t count,
                       unsigned iterations, uint64_t seed, double *curvature, char *why)
{
    hw__probe *p;
    hw_status status = check_objective(o, "hw_curvature", params, index, count, why);
    if (status == HW_OK && (iterations < 1 || !curvature))
        status =
            hw__base_fail(why, HW_E_ARGUMENT, "hw_curvature: at least one iteration is needed, and a place for it");
    if (status == HW_OK) status = hw__probe_create(&p, o, NULL, why);
    if (status != HW_OK) return status;
    hw__blas_held held = hw__blas_hold(o->blas);
    status = hw__probe_curvature(p, params, index, count, count, iterations, seed, NULL, curvature);
    hw__blas_unhold(&held);
    if (status != HW_OK) status = probe_failed(p, status, "hw_curvature", why);
    hw__probe_free(p);
    return status;
}

hw_status hw_check_gradient(const hw_objective *o, const float *params, const uint32_t *index, uint32_t count,
                            size_t probes, double tolerance, hw_gradient_report *report, char *why)
{
    hw__probe *p;
    hw_gradient_report r = {0, 0, 0, 0, 0};
    hw_status status = check_objective(o, "hw_check_gradient", params, index, count, why);
    if (status == HW_OK) status = hw__probe_create(&p, o, NULL, why);
    if (status != HW_OK) return status;
    size_t n = o->parameters, m = probes && probes < n ? probes : n;
    double loss, up, down, rms = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 1, m);
    hw__blas_held held = hw__blas_hold(o->blas);
    status = probe_gradient(p, params, index, count, count, p->image, &loss);
    for (size_t i = 0; i < n; i++)
        if (hw__base_finite(p->image[i])) rms += (double)p->image[i] * (double)p->image[i] / (double)n;
    rms = sqrt(rms);
    for (size_t k = 0; k < m && status == HW_OK; k++) {
        size_t i = m < n ? hw_rng_below(&rng, n) : k;
        /* float32 losses carry about 1e-7 of noise, which wants a large step, and kinks (ReLU, pooling) a small one: of
         * five steps the two neighbours that agree best are taken, and Richardson's rule takes their error off. */
        double d[5], difference = NAN, best = INFINITY;
        float h = 2e-2f * fmaxf(1, fabsf(params[i]));
        memcpy(p->point, params, n * sizeof *params);
        for (int s = 0; s < 5 && status == HW_OK; s++, h *= 0.5f) {
            float plus = params[i] + h, minus = params[i] - h;
            p->point[i] = plus;
            status = probe_gradient(p, p->point, index, count, count, p->sum, &up);
            p->point[i] = minus;
            if (status == HW_OK) status = probe_gradient(p, p->point, index, count, count, p->sum, &down);
            d[s] = (up - down) / ((double)plus - (double)minus);
            if (s > 0 && fabs(d[s] - d[s - 1]) < best) {
                best = fabs(d[s] - d[s - 1]);
                difference = (4 * d[s] - d[s - 1]) / 3;
            }
        }
        if (status != HW_OK) break;
        double a = (double)p->image[i];
        double error = fabs(a - difference) / fmax(fmax(fabs(a), fabs(difference)), fmax(rms, 1e-12));
        r.probes++;
        if (error > r.error || k == 0 || !hw__base_finite_double(error)) {
            r.worst = i;
            r.analytic = a;
            r.difference = difference;
            r.error = error;
        }
        if (!hw__base_finite_double(error)) break; /* a gradient or a loss that is not finite is the worst of all */
    }
    hw__blas_unhold(&held);
    if (status != HW_OK)
        status = probe_failed(p, status, "hw_check_gradient", why);
    else if (!(r.error <= tolerance))
        status = hw__base_fail(why, HW_E_GRADIENT,
                               "hw_check_gradient: parameter %zu: the objective says %.6g, differences say "
                               "%.6g (relative error %.2g, allowed %.2g)",
                               r.worst, r.analytic, r.difference, r.error, tolerance);
    if (report) *report = r;
    hw__probe_free(p);
    return status;
}

/* Gradients of so many batches one after the other: the sum of their squares, and their mean into p->image. */
static hw_status several(hw__probe *p, const float *params, const uint32_t *index, uint32_t count, uint32_t batch,
                         double *squares)
{
    size_t n = p->worker.all.count;
    uint32_t batches = count / batch;
    double loss;
    hw_status status = HW_OK;
    memset(p->image, 0, n * sizeof *p->image);
    *squares = 0;
    for (uint32_t k = 0; k < batches && status == HW_OK; k++) {
        /* Steps of their own: streams, dropout and augmentation draw by the step. */
        status = probe_gradient_from(p, params, index ? index + (size_t)k * batch : NULL, batch, batch,
                                     (uint64_t)k * batch, p->sum, &loss);
        for (size_t i = 0; i < n; i++) p->image[i] += p->sum[i] / (float)batches;
        double length = norm(p->sum, n);
        *squares += length * length;
    }
    return status;
}

hw_status hw_gradient_noise(const hw_objective *o, const float *params, const uint32_t *index, uint32_t count,
                            uint32_t batch, double *noise, double *square, char *why)
{
    hw__probe *p;
    double squares;
    hw_status status = check_objective(o, "hw_gradient_noise", params, index, count, why);
    if (status == HW_OK && (batch < 1 || count / batch < 2 || !noise || !square))
        status = hw__base_fail(why, HW_E_ARGUMENT,
                               "hw_gradient_noise: two batches of at least one example are needed, and places for "
                               "noise and square");
    if (status == HW_OK) status = hw__probe_create(&p, o, NULL, why);
    if (status != HW_OK) return status;
    double batches = count / batch;
    hw__blas_held held = hw__blas_hold(o->blas);
    status = several(p, params, index, count, batch, &squares);
    hw__blas_unhold(&held);
    if (status == HW_OK) {
        double mean = norm(p->image, p->worker.all.count), spread;
        mean *= mean;
        spread = fmax(0, (squares - batches * mean) / (batches - 1));
        *noise = batch * spread;
        *square = fmax(0, mean - spread / batches);
    } else {
        status = probe_failed(p, status, "hw_gradient_noise", why);
    }
    hw__probe_free(p);
    return status;
}
