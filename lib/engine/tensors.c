/* tensors.c - parameters and the arrays beside them in a state, by the objective's names for their parts. */
#include "../config/config.h"
#include "engine.h"
#include <string.h>

/* The floats from `at` on that no tensor names, up to the next one's start or the end; *next: what follows that tensor.
 */
static size_t unnamed(const hw_objective *o, size_t at, size_t *next)
{
    size_t start = o->parameters;
    *next = o->parameters;
    for (size_t i = 0; i < o->tensor_count; i++) {
        const hw_tensor *t = o->tensors + i;
        if (t->first < at || t->first >= start) continue;
        start = t->first;
        *next = start + (size_t)hw__tensors_floats(t);
    }
    return start - at;
}

static void copy(const hw__walk *v, float *values, float *data, size_t n)
{
    if (v->way == WALK_PUT) memcpy(data, values, n * sizeof *values);
    if (v->way == WALK_TAKE) memcpy(values, data, n * sizeof *values);
}

static void check(hw__walk *v, const char *name, const float *data, size_t n)
{
    if (v->way == WALK_CHECK && !hw__base_all_finite(data, n))
        hw__walk_refuse(v, "entry '%s' of the state holds a value that is not finite", name);
}

/* values: all parameters long. flat: what has no tensor; prefix: before the tensors' names. The parameters of a run
 * that goes on are finite; what a rule keeps beside them may be anything (sums of squares may be infinite). */
static void visit_vector(const hw_engine *e, hw__walk *v, const char *flat, const char *prefix, float *values,
                         bool finite)
{
    const hw_objective *o = &e->objective;
    for (size_t i = 0; i < o->tensor_count; i++) {
        const hw_tensor *t = o->tensors + i;
        char name[HW_STATE_NAME];
        (void)snprintf(name, sizeof name, "%s%s", prefix, t->name);
        float *data = hw__walk_array(v, name, HW_F32, t->dims, t->shape);
        if (!data) return;
        if (finite) check(v, name, data, (size_t)hw__tensors_floats(t));
        copy(v, values + t->first, data, (size_t)hw__tensors_floats(t));
    }
    uint64_t rest = 0;
    size_t next;
    for (size_t at = 0; at < o->parameters; at = next) rest += unnamed(o, at, &next);
    if (!rest) return;
    float *data = hw__walk_array(v, flat, HW_F32, 1, &rest);
    if (!data) return;
    if (finite) check(v, flat, data, (size_t)rest);
    for (size_t at = 0; at < o->parameters; at = next) {
        size_t n = unnamed(o, at, &next);
        copy(v, values + at, data, n);
        data += n;
    }
}

void hw__tensors_fields(hw_engine *e, hw__walk *v)
{
    hw__tensors_first(e, v, hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation));
}

void hw__tensors_first(hw_engine *e, hw__walk *v, unsigned arrays)
{
    static const char *const flat[] = {"weights", "velocity", "array2", "array3"};
    static const char *const prefix[] = {"", "velocity.", "array2.", "array3."};
    for (unsigned a = 0; a <= arrays && v->status == HW_OK; a++) {
        if (v->way == WALK_PUT) hw_params_get(e->params, a, e->snapshot);
        visit_vector(e, v, flat[a], prefix[a], e->snapshot, a == 0);
        if (v->way == WALK_TAKE) hw_params_set(e->params, a, e->snapshot);
    }
}
