/* tensors.c - parameters and the arrays beside them in a state, by the objective's names for their parts. */
#include "../step/engine.h"
#include <string.h>

#define MOST_TENSORS 4096

static uint64_t floats_of(const hw_tensor *t)
{
    uint64_t n = 1;
    for (unsigned d = 0; d < t->dims; d++) n *= t->shape[d];
    return n;
}

/* Words that the other entries of a state begin with. */
static bool taken(const char *name)
{
    static const char *const words[] = {"run",      "worker", "clock",    "staleness", "setting", "evaluations",
                                        "settings", "kept",   "average",  "blocks",    "lane",    "sim",
                                        "timeline", "config", "velocity", "array2",    "array3",  "same"};
    size_t n = strcspn(name, ".");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncmp(words[i], name, n) == 0) return true;
    return strcmp(name, "weights") == 0 || strncmp(name, "__", 2) == 0;
}

static hw_status check_one(const hw_objective *o, size_t i, char *why)
{
    const hw_tensor *t = o->tensors + i;
    size_t n = 0;
    for (; n < sizeof t->name && t->name[n]; n++)
        if (t->name[n] < ' ' || t->name[n] > '~' || strchr("\"'\\", t->name[n])) break;
    if (n == 0 || n == sizeof t->name || t->name[n] || taken(t->name))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "objective.tensors[%zu].name '%.47s' must be 1 to 47 printable characters without quotes and "
            "backslashes, and no name that a state uses itself",
            i, t->name);
    uint64_t left = o->parameters;
    bool good = t->dims >= 1 && t->dims <= 4 && t->first < o->parameters;
    for (unsigned d = 0; good && d < t->dims; d++) {
        good = t->shape[d] > 0 && t->shape[d] <= left;
        if (good) left /= t->shape[d];
    }
    if (!good || floats_of(t) > o->parameters - t->first)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "objective.tensors[%zu] '%s' must have 1 to 4 dimensions of at least 1 and lie within the "
                             "%zu parameters",
                             i, t->name, o->parameters);
    return HW_OK;
}

hw_status hw__tensors_check(const hw_objective *o, char *why)
{
    if (o->tensor_count > MOST_TENSORS || (o->tensor_count && !o->tensors))
        return hw__base_fail(why, HW_E_ARGUMENT, "objective.tensors is NULL or tensor_count, %zu, is above %d",
                             o->tensor_count, MOST_TENSORS);
    for (size_t i = 0; i < o->tensor_count; i++) {
        const hw_tensor *t = o->tensors + i;
        hw_status status = check_one(o, i, why);
        if (status != HW_OK) return status;
        for (size_t k = 0; k < i; k++) {
            const hw_tensor *u = o->tensors + k;
            bool apart = t->first >= u->first + floats_of(u) || u->first >= t->first + floats_of(t);
            if (apart && strcmp(t->name, u->name) != 0) continue;
            return hw__base_fail(why, HW_E_ARGUMENT, "objective.tensors[%zu] '%s' has %s [%zu] '%s'", i, t->name,
                                 apart ? "the name of" : "parameters of", k, u->name);
        }
    }
    return HW_OK;
}

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
        *next = start + (size_t)floats_of(t);
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
        if (finite) check(v, name, data, (size_t)floats_of(t));
        copy(v, values + t->first, data, (size_t)floats_of(t));
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
    static const char *const flat[] = {"weights", "velocity", "array2", "array3"};
    static const char *const prefix[] = {"", "velocity.", "array2.", "array3."};
    unsigned arrays = hw__config_params(&e->config, &e->objective, 1).arrays;
    for (unsigned a = 0; a <= arrays && v->status == HW_OK; a++) {
        if (v->way == WALK_PUT) hw_params_get(e->params, a, e->snapshot);
        visit_vector(e, v, flat[a], prefix[a], e->snapshot, a == 0);
        if (v->way == WALK_TAKE) hw_params_set(e->params, a, e->snapshot);
    }
}
