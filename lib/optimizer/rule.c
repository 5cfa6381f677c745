/* rule.c - step rules: which form a write takes, and the rules that need more than one line of it. */
#include "optimizer.h"
#include <math.h>

static bool linear(const hw_optimizer *o)
{
    return o->rule == HW_RULE_SGD || o->rule == HW_RULE_NESTEROV;
}

unsigned hw__optimizer_arrays(const hw_optimizer *o, const hw_compensation *c)
{
    switch (o->rule) {
    case HW_RULE_ADAGRAD: return 1;
    case HW_RULE_ADAM: return 2;
    case HW_RULE_USER: return o->user_rule->state_per_parameter;
    default: break;
    }
    if (o->velocity == HW_VELOCITY_PRIVATE) return 0;
    if (c->policy == HW_POLICY_EXACT) return 2;
    bool plain = o->momentum == 0 &&
                 (c->policy == HW_POLICY_AUTO || c->policy == HW_POLICY_NONE || c->policy == HW_POLICY_LOOK_AHEAD);
    return plain ? 0 : 1;
}

hw_status hw__optimizer_check(const hw_optimizer *o, const hw_compensation *c, size_t size, char *why)
{
    const hw_schedule *s = &o->schedule;
    if (o->rule == HW_RULE_USER &&
        (!o->user_rule || !o->user_rule->delta || o->user_rule->state_per_parameter > HW_MAX_ARRAYS))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.optimizer.user_rule: a user's rule needs its delta function and at "
                             "most %d floats of state a parameter",
                             HW_MAX_ARRAYS);
    bool needs_length = s->kind == HW_SCHEDULE_STEP || s->kind == HW_SCHEDULE_COSINE || s->kind == HW_SCHEDULE_LINEAR;
    if (needs_length && s->interval < 1)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.optimizer.schedule.interval is 0: step, cosine and linear schedules need a "
                             "length in updates");
    bool momentum_policy = c->policy != HW_POLICY_AUTO && c->policy != HW_POLICY_NONE;
    if (o->velocity == HW_VELOCITY_PRIVATE) {
        if (o->rule != HW_RULE_SGD)
            return hw__base_fail(why, HW_E_UNSUPPORTED, "velocity private goes with rule sgd only");
        if (c->policy != HW_POLICY_NONE && c->policy != HW_POLICY_FIXED && c->policy != HW_POLICY_USER)
            return hw__base_fail(why, HW_E_UNSUPPORTED,
                                 "a private velocity decays once per M updates of others, so it takes "
                                 "compensation none, fixed or user, not %s",
                                 hw_policy_name(c->policy));
    }
    if (!linear(o) && o->rule != HW_RULE_ADAM && momentum_policy)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "this rule has no momentum to compensate: use compensation none or auto, "
                             "not %s",
                             hw_policy_name(c->policy));
    if (o->rule == HW_RULE_ADAM && (c->policy == HW_POLICY_EXACT || c->policy == HW_POLICY_LOOK_AHEAD))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "compensation %s needs the velocity of sgd or nesterov; adam has none",
                             hw_policy_name(c->policy));
    if (o->rule == HW_RULE_NESTEROV && c->policy == HW_POLICY_EXACT)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "compensation exact is defined for heavy-ball momentum (rule sgd), not "
                             "for nesterov");
    if (c->policy == HW_POLICY_USER && !c->user)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.compensation.user is NULL: compensation user needs its callback");
    size_t end = 0;
    for (size_t i = 0; i < o->n_sections; i++) {
        const hw_section *x = o->sections + i;
        if (x->first < end || x->first > size || x->count > size - x->first)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "config.optimizer.sections[%zu] covers [%zu, +%zu): sections must be "
                                 "ascending, apart, and within the %zu parameters",
                                 i, x->first, x->count, size);
        end = x->first + x->count;
    }
    return HW_OK;
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

static void adagrad(const hw_optimizer *o, const hw_rule_info *info, float *const *state, const float *g, float *delta,
                    size_t n)
{
    float alpha = (float)info->learning_rate, epsilon = (float)o->epsilon;
    for (size_t i = 0; i < n; i++) {
        state[0][i] += g[i] * g[i];
        delta[i] = -alpha * g[i] / (sqrtf(state[0][i]) + epsilon);
    }
}

static void adam(const hw_optimizer *o, const hw_rule_info *info, float *const *state, const float *g, float *delta,
                 size_t n)
{
    double t = (double)info->update + 1, b1 = info->momentum, b2 = o->beta2;
    float m1 = (float)b1, m2 = (float)b2, epsilon = (float)o->epsilon;
    float rate = (float)(info->learning_rate * sqrt(1 - pow(b2, t)) / (b1 > 0 ? 1 - pow(b1, t) : 1));
    float scale = epsilon * (float)sqrt(1 - pow(b2, t));
    for (size_t i = 0; i < n; i++) {
        state[0][i] = m1 * state[0][i] + (1 - m1) * g[i];
        state[1][i] = m2 * state[1][i] + (1 - m2) * g[i] * g[i];
        /* Under ADD the state is merged from concurrent differences and may end a hair below zero. */
        float v = state[1][i] > 0 ? state[1][i] : 0;
        delta[i] = -rate * state[0][i] / (sqrtf(v) + scale);
    }
}

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
    if (o->rule == HW_RULE_ADAGRAD)
        adagrad(o, &info, state, b->g + offset, b->delta + offset, n);
    else if (o->rule == HW_RULE_ADAM)
        adam(o, &info, state, b->g + offset, b->delta + offset, n);
    else
        o->user_rule->delta(o->user_rule->self, b->w + offset, state, b->g + offset, b->delta + offset, n, &info);
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
    double alpha = hw_schedule_rate(&o->schedule, t) * setting->rate * factor, mu = setting->momentum;
    float rate = (float)alpha, momentum = (float)mu;
    *w = (hw__optimizer_write){o, alpha, mu, landed, {HW_FORM_ADD, 0, 0, 0, 0, 0, NULL, NULL}};
    if (!linear(o)) {
        w->form.kind = HW_FORM_RULE;
        w->form.rule = rule_block;
        w->form.context = w;
    } else if (c->policy == HW_POLICY_EXACT && o->velocity == HW_VELOCITY_SHARED) {
        /* With g_{-1} := g_0 the first update is -alpha g: before anything landed the lagged tap is left out. */
        float r = landed ? (float)setting->exact : 0;
        w->form = (hw_form){HW_FORM_GENERAL, momentum, -rate / (1 - r), rate * r / (1 - r), 1, 0, NULL, NULL};
    } else if (hw__optimizer_arrays(o, c) == 0) {
        w->form.e = -rate;
    } else if (o->rule == HW_RULE_NESTEROV) {
        w->form = (hw_form){HW_FORM_GENERAL, momentum, -rate, 0, momentum, -rate, NULL, NULL};
    } else {
        w->form = (hw_form){HW_FORM_MOMENTUM, momentum, -rate, 0, 1, 0, NULL, NULL};
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
