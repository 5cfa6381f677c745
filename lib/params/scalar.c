/* scalar.c - the conforming C11 kernels: relaxed loads and stores, and compare-and-swap. The reference that the wide
 * path is tested against, and the only path of a ThreadSanitizer build.
 *
 * access.h says why every order is relaxed. */
#include "access.h"

void hw__params_store(hw__params_float *w, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) hw__params_set(w + i, values ? values[i] : 0);
}

static void scalar_copy(float *out, const hw__params_float *w, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = hw__params_get(w + i);
}

static void scalar_ahead(float *out, const hw__params_float *w, const hw__params_float *v, float s, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = hw__params_get(w + i) + s * hw__params_get(v + i);
}

static void scalar_add(hw__params_float *dw, const hw__params_float *w, const float *g, float e, size_t n)
{
    for (size_t i = 0; i < n; i++) hw__params_set(dw + i, hw__params_get(w + i) + e * g[i]);
}

static void scalar_momentum(hw__params_float *dw, hw__params_float *dv, const hw__params_float *w,
                            const hw__params_float *v, const float *g, float a, float b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float next = a * hw__params_get(v + i) + b * g[i];
        hw__params_set(dv + i, next);
        hw__params_set(dw + i, hw__params_get(w + i) + next);
    }
}

static void scalar_general(hw__params_float *dw, hw__params_float *dv, hw__params_float *du, const hw__params_float *w,
                           const hw__params_float *v, const hw__params_float *u, const float *g, const hw_form *f,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float last = u ? hw__params_get(u + i) : 0, next = f->a * hw__params_get(v + i) + f->b * g[i] + f->c * last;
        hw__params_set(dv + i, next);
        if (du) hw__params_set(du + i, g[i]);
        hw__params_set(dw + i, hw__params_get(w + i) + f->d * next + f->e * g[i]);
    }
}

const hw__params_kernels hw__params_scalar = {"scalar",   scalar_copy,     scalar_ahead,
                                              scalar_add, scalar_momentum, scalar_general};

/* In place only: dst is src. */
static void atomic_add(hw__params_float *dw, const hw__params_float *w, const float *g, float e, size_t n)
{
    (void)w;
    for (size_t i = 0; i < n; i++) (void)hw__params_add_cas(dw + i, e * g[i]);
}

static void atomic_momentum(hw__params_float *dw, hw__params_float *dv, const hw__params_float *w,
                            const hw__params_float *v, const float *g, float a, float b, size_t n)
{
    (void)w, (void)v;
    for (size_t i = 0; i < n; i++) (void)hw__params_add_cas(dw + i, hw__params_scale_add_cas(dv + i, a, b * g[i]));
}

static void atomic_general(hw__params_float *dw, hw__params_float *dv, hw__params_float *du, const hw__params_float *w,
                           const hw__params_float *v, const hw__params_float *u, const float *g, const hw_form *f,
                           size_t n)
{
    (void)w, (void)v, (void)u;
    for (size_t i = 0; i < n; i++) {
        float last = du ? atomic_exchange_explicit(du + i, g[i], memory_order_relaxed) : 0;
        float next = hw__params_scale_add_cas(dv + i, f->a, f->b * g[i] + f->c * last);
        (void)hw__params_add_cas(dw + i, f->d * next + f->e * g[i]);
    }
}

const hw__params_kernels hw__params_cas = {"scalar",   scalar_copy,     scalar_ahead,
                                           atomic_add, atomic_momentum, atomic_general};

static void apply_rule(const hw__params_kernels *k, unsigned arrays, const hw__params_arrays *dst,
                       const hw__params_arrays *src, size_t first, size_t n, const hw_form *form, const float *g)
{
    float w[HW_RULE_BLOCK], delta[HW_RULE_BLOCK], state[HW_MAX_ARRAYS][HW_RULE_BLOCK], before;
    float *states[HW_MAX_ARRAYS] = {state[0], state[1], state[2]};
    for (size_t done = 0; done < n;) {
        size_t at = first + done, m = n - done < HW_RULE_BLOCK ? n - done : HW_RULE_BLOCK;
        k->copy(w, src->at[0] + at, m);
        for (unsigned s = 0; s < arrays; s++) k->copy(state[s], src->at[1 + s] + at, m);
        float saved[HW_MAX_ARRAYS][HW_RULE_BLOCK];
        bool lossless = k == &hw__params_cas;
        if (lossless)
            for (unsigned s = 0; s < arrays; s++)
                for (size_t i = 0; i < m; i++) saved[s][i] = state[s][i];
        form->rule(form->context, at, NULL, m, w, states, g + done, delta);
        for (unsigned s = 0; s < arrays; s++)
            for (size_t i = 0; i < m; i++) {
                before = lossless ? saved[s][i] : 0;
                if (lossless)
                    (void)hw__params_add_cas(dst->at[1 + s] + at + i, state[s][i] - before);
                else
                    hw__params_set(dst->at[1 + s] + at + i, state[s][i]);
            }
        k->add(dst->at[0] + at, src->at[0] + at, delta, 1.0f, m);
        done += m;
    }
}

void hw__params_apply(const hw__params_kernels *k, unsigned arrays, const hw__params_arrays *dst,
                      const hw__params_arrays *src, size_t first, size_t n, const hw_form *form, const float *g)
{
    hw__params_float *const *d = dst->at, *const *s = src->at;
    switch (form->kind) {
    case HW_FORM_ADD: k->add(d[0] + first, s[0] + first, g, form->e, n); break;
    case HW_FORM_MOMENTUM:
        k->momentum(d[0] + first, d[1] + first, s[0] + first, s[1] + first, g, form->a, form->b, n);
        break;
    case HW_FORM_GENERAL:
        k->general(d[0] + first, d[1] + first, arrays > 1 ? d[2] + first : NULL, s[0] + first, s[1] + first,
                   arrays > 1 ? s[2] + first : NULL, g, form, n);
        break;
    case HW_FORM_RULE: apply_rule(k, arrays, dst, src, first, n, form, g); break;
    }
}
