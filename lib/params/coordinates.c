/* coordinates.c - reads and writes of single coordinates: gathered, and updated by any form. A form is a loop of its
 * own, since some hundred coordinates are one step of a sparse model. */
#include "access.h"

void hw__params_gather(float *out, const hw__params_arrays *at, const uint32_t *indices, size_t n, float ahead)
{
    if (ahead != 0)
        for (size_t i = 0; i < n; i++)
            out[i] = hw__params_get(at->at[0] + indices[i]) + ahead * hw__params_get(at->at[1] + indices[i]);
    else
        for (size_t i = 0; i < n; i++) out[i] = hw__params_get(at->at[0] + indices[i]);
}

static inline void apply_add(const hw__params_arrays *at, const uint32_t *indices, size_t n, const hw_form *form,
                             const float *g, bool lossless)
{
    for (size_t i = 0; i < n; i++) hw__params_add(at->at[0] + indices[i], form->e * g[i], lossless);
}

static inline void apply_momentum(const hw__params_arrays *at, const uint32_t *indices, size_t n, const hw_form *form,
                                  const float *g, bool lossless)
{
    for (size_t i = 0; i < n; i++) {
        hw__params_float *v = at->at[1] + indices[i];
        float next = lossless ? hw__params_scale_add_cas(v, form->a, form->b * g[i])
                              : form->a * hw__params_get(v) + form->b * g[i];
        if (!lossless) hw__params_set(v, next);
        hw__params_add(at->at[0] + indices[i], next, lossless);
    }
}

static void apply_rule(bool lossless, unsigned arrays, const hw__params_arrays *at, const uint32_t *indices, size_t n,
                       const hw_form *form, const float *g)
{
    float w[HW_RULE_BLOCK], delta[HW_RULE_BLOCK], state[HW_MAX_ARRAYS][HW_RULE_BLOCK];
    float saved[HW_MAX_ARRAYS][HW_RULE_BLOCK], *states[HW_MAX_ARRAYS] = {state[0], state[1], state[2]};
    for (size_t done = 0, m; done < n; done += m) {
        const uint32_t *index = indices + done;
        m = n - done < HW_RULE_BLOCK ? n - done : HW_RULE_BLOCK;
        for (size_t i = 0; i < m; i++) w[i] = hw__params_get(at->at[0] + index[i]);
        for (unsigned s = 0; s < arrays; s++)
            for (size_t i = 0; i < m; i++) saved[s][i] = state[s][i] = hw__params_get(at->at[1 + s] + index[i]);
        form->rule(form->context, 0, index, m, w, states, g + done, delta);
        for (unsigned s = 0; s < arrays; s++)
            for (size_t i = 0; i < m; i++) {
                if (lossless)
                    (void)hw__params_add_cas(at->at[1 + s] + index[i], state[s][i] - saved[s][i]);
                else
                    hw__params_set(at->at[1 + s] + index[i], state[s][i]);
            }
        /* Added to what stands there now, which others may have changed since it was read. */
        for (size_t i = 0; i < m; i++) hw__params_add(at->at[0] + index[i], delta[i], lossless);
    }
}

void hw__params_apply_at(bool lossless, unsigned arrays, const hw__params_arrays *at, const uint32_t *indices, size_t n,
                         const hw_form *form, const float *g)
{
    switch (form->kind) {
    case HW_FORM_ADD:
        if (lossless)
            apply_add(at, indices, n, form, g, true);
        else
            apply_add(at, indices, n, form, g, false);
        break;
    case HW_FORM_MOMENTUM:
        if (lossless)
            apply_momentum(at, indices, n, form, g, true);
        else
            apply_momentum(at, indices, n, form, g, false);
        break;
    case HW_FORM_GENERAL:
        for (size_t i = 0; i < n; i++)
            hw__params_apply(lossless ? &hw__params_cas : &hw__params_scalar, arrays, at, at, indices[i], 1, form,
                             g + i);
        break;
    case HW_FORM_RULE: apply_rule(lossless, arrays, at, indices, n, form, g); break;
    }
}
