/* optimizer.c - what a configured rule and policy need, refuse and do to a gradient. */
#include "optimizer.h"
#include <math.h>

static bool linear(const hw_optimizer *o)
{
    return (hw__rule_of(o)->flags & HW__RULE_LINEAR) != 0;
}

unsigned hw__optimizer_arrays(const hw_optimizer *o, const hw_compensation *c)
{
    const hw__rule *r = hw__rule_of(o);
    const hw__policy *p = hw__policy_of(c->policy);
    if (r->arrays) return r->arrays(o);
    if (o->velocity == HW_VELOCITY_PRIVATE) return 0;
    return o->momentum == 0 ? p->arrays_idle : p->arrays;
}

bool hw__optimizer_needs_clock(const hw_optimizer *o, const hw_compensation *c)
{
    return hw__rule_of(o)->flags & HW__RULE_CLOCK || hw__policy_of(c->policy)->flags & HW__POLICY_CLOCK ||
           c->age != HW_AGE_NONE;
}

const char *hw__optimizer_no_sum(const hw_optimizer *o, const hw_compensation *c)
{
    const hw__rule *r = hw__rule_of(o);
    unsigned policy = hw__policy_of(c->policy)->flags;
    if (!(r->flags & HW__RULE_IN_PLACE)) return "rule";
    if (c->age != HW_AGE_NONE) return "compensation.age";
    if (!(r->flags & HW__RULE_LINEAR)) return NULL;
    if (o->velocity == HW_VELOCITY_PRIVATE) return policy & HW__POLICY_PRIVATE ? NULL : "compensation";
    if (o->momentum != 0) return "momentum.target";
    return policy & HW__POLICY_LEAVES ? NULL : "compensation";
}

void hw__optimizer_adjust(const hw_optimizer *o, hw_setting *s)
{
    const hw__rule *r = hw__rule_of(o);
    unsigned policy = hw__policy_of(s->policy)->flags;
    if (!(r->flags & HW__RULE_LINEAR) && policy & HW__POLICY_LEAVES) {
        /* No velocity to look ahead along and no linear bound: such a policy leaves these rules as they are. */
        s->rate = 1;
        s->ahead = s->delay = 0;
        (void)snprintf(s->reason, sizeof s->reason, "none for this rule");
    }
    if (r->adjust && !(policy & HW__POLICY_AS_ASKED)) r->adjust(o, s);
}

static hw_status check_sections(const hw_optimizer *o, size_t size, char *why)
{
    size_t end = 0;
    if (o->n_sections && !o->sections)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.optimizer.sections is NULL, but n_sections is %zu",
                             o->n_sections);
    for (size_t i = 0; i < o->n_sections; i++) {
        const hw_section *x = o->sections + i;
        if (!hw__base_finite(x->rate) || !hw__base_finite(x->decay))
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "config.optimizer.sections[%zu]: rate %g and decay %g must be finite", i,
                                 (double)x->rate, (double)x->decay);
        if (x->first < end || x->first > size || x->count > size - x->first)
            return hw__base_fail(
                why, HW_E_ARGUMENT,
                "config.optimizer.sections[%zu] covers [%zu, +%zu): sections must be ascending, apart, "
                "and within the %zu parameters",
                i, x->first, x->count, size);
        end = x->first + x->count;
    }
    return HW_OK;
}

hw_status hw__optimizer_check(const hw_optimizer *o, const hw_compensation *c, size_t size, char *why)
{
    const hw_schedule *s = &o->schedule;
    const hw__rule *r = hw__rule_of(o);
    const hw__policy *p = hw__policy_of(c->policy);
    const char *name = hw_policy_name(c->policy);
    hw_status status = r->check ? r->check(o, why) : HW_OK;
    if (status != HW_OK) return status;
    bool needs_length = s->kind == HW_SCHEDULE_STEP || s->kind == HW_SCHEDULE_COSINE || s->kind == HW_SCHEDULE_LINEAR;
    if (needs_length && s->interval < 1)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.optimizer.schedule.interval is 0: step, cosine and linear schedules need a length "
                             "in updates");
    if (o->velocity == HW_VELOCITY_PRIVATE) {
        if (!(r->flags & HW__RULE_PLAIN))
            return hw__base_fail(why, HW_E_UNSUPPORTED, "velocity private goes with rule sgd only");
        if (!(p->flags & HW__POLICY_PRIVATE))
            return hw__base_fail(why, HW_E_UNSUPPORTED,
                                 "a private velocity decays once per M updates of others, so it takes compensation "
                                 "none, fixed or user, not %s",
                                 name);
    }
    status = p->fits(o, name, why);
    if (status != HW_OK) return status;
    if (c->policy == HW_POLICY_USER && !c->user)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.compensation.user is NULL: compensation user needs its callback");
    return check_sections(o, size, why);
}

/* Calls f for the pieces of [first, first + n) that have one pair of multipliers. */
typedef void (*piece)(void *context, size_t offset, size_t n, float rate, float decay);
static void by_section(const hw_optimizer *o, size_t first, size_t n, piece f, void *context)
{
    size_t at = first, end = first + n;
    for (size_t i = 0; i < o->n_sections && at < end; i++) {
        const hw_section *s = o->sections + i;
        size_t stop = s->first + s->count < end ? s->first + s->count : end;
        if (stop <= at) continue;
        if (s->first > at) {
            size_t gap = s->first < end ? s->first : end;
            f(context, at - first, gap - at, 1, 1);
            at = gap;
        }
        if (at < stop) f(context, at - first, stop - at, s->rate, s->decay);
        at = at < stop ? stop : at;
    }
    if (at < end) f(context, at - first, end - at, 1, 1);
}

/* --- rules with state ------------------------------------------------------------------------------------------- */

typedef struct block {
    const hw__optimizer_write *write;
    size_t first;
    const uint32_t *indices;
    const float *w, *g;
    float *const *state;
    float *delta;
} block;

static void rule_piece(void *context, size_t offset, size_t n, float rate, float decay)
{
    (void)decay;
    const block *b = context;
    const hw_optimizer *o = b->write->o;
    hw_rule_info info = {b->write->learning_rate * (double)rate, b->write->momentum, b->write->update,
                         b->indices ? b->indices[offset] : b->first + offset, b->indices ? b->indices + offset : NULL};
    float *state[HW_MAX_ARRAYS] = {b->state[0] + offset, b->state[1] + offset, b->state[2] + offset};
    hw__rule_of(o)->delta(o, &info, b->w + offset, state, b->g + offset, b->delta + offset, n);
}

static void rule_block(void *context, size_t first, const uint32_t *indices, size_t n, const float *w,
                       float *const *state, const float *g, float *delta)
{
    block b = {context, first, indices, w, g, state, delta};
    if (!indices) {
        by_section(b.write->o, first, n, rule_piece, &b);
    } else if (!b.write->o->n_sections) {
        rule_piece(&b, 0, n, 1, 1);
    } else {
        for (size_t i = 0; i < n; i++) {
            float *one[HW_MAX_ARRAYS] = {state[0] + i, state[1] + i, state[2] + i};
            block single = {context, indices[i], NULL, w + i, g + i, one, delta + i};
            by_section(b.write->o, indices[i], 1, rule_piece, &single);
        }
    }
}

void hw__optimizer_begin(hw__optimizer_write *w, const hw_optimizer *o, const hw_compensation *c,
                         const hw_setting *setting, double factor, uint64_t t, uint64_t landed)
{
    const hw__rule *r = hw__rule_of(o);
    double alpha = hw_schedule_rate(&o->schedule, t) * setting->rate * factor, mu = setting->momentum;
    float rate = (float)alpha, momentum = (float)mu;
    *w = (hw__optimizer_write){o, alpha, mu, landed, {HW_FORM_ADD, 0, 0, 0, 0, -rate, NULL, NULL}};
    if (r->delta) {
        w->form = (hw_form){HW_FORM_RULE, 0, 0, 0, 0, 0, rule_block, w};
        return;
    }
    unsigned arrays = hw__optimizer_arrays(o, c);
    if (arrays > 1) {
        /* A lagged tap. With g_{-1} := g_0 the first update is -alpha g: before anything landed it is left out. */
        float pole = landed ? (float)setting->pole : 0;
        w->form = (hw_form){HW_FORM_GENERAL, momentum, -rate / (1 - pole), rate * pole / (1 - pole), 1, 0, NULL, NULL};
    } else if (arrays) {
        w->form = r->form(rate, momentum);
    }
}

/* --- the pass over a gradient before it is written ---------------------------------------------------------------- */

typedef struct pass {
    const hw_optimizer *o;
    float *g;
    const float *x;
} pass;

static void prepare_piece(void *context, size_t offset, size_t n, float rate, float decay)
{
    const pass *p = context;
    float *g = p->g + offset, lambda = (float)p->o->weight_decay * decay, m = linear(p->o) ? rate : 1;
    const float *x = p->x + offset;
    if (lambda != 0)
        for (size_t i = 0; i < n; i++) g[i] = m * (g[i] + lambda * x[i]);
    else if (m != 1)
        for (size_t i = 0; i < n; i++) g[i] *= m;
}

bool hw__optimizer_prepare(const hw_optimizer *o, float *g, const float *x, const hw_range *ranges,
                           const uint32_t *indices, size_t n, bool *clipped)
{
    size_t total = 0;
    if (indices)
        total = n;
    else
        for (size_t r = 0; r < n; r++) total += ranges[r].count;
    if (!hw__base_all_finite(g, total)) return false;
    if (o->clip_norm > 0) {
        double square = 0;
        for (size_t i = 0; i < total; i++) square += (double)g[i] * (double)g[i];
        if (square > o->clip_norm * o->clip_norm) {
            float scale = (float)(o->clip_norm / sqrt(square));
            for (size_t i = 0; i < total; i++) g[i] *= scale;
            *clipped = true;
        }
    }
    if (o->weight_decay == 0 && !(o->n_sections && linear(o))) return true;
    pass p = {o, g, x};
    if (indices) {
        for (size_t i = 0; i < n; i++, p.g++, p.x++) by_section(o, indices[i], 1, prepare_piece, &p);
        return true;
    }
    for (size_t r = 0; r < n; r++) {
        by_section(o, ranges[r].first, ranges[r].count, prepare_piece, &p);
        p.g += ranges[r].count;
        p.x += ranges[r].count;
    }
    return true;
}
