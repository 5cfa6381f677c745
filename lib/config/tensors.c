/* tensors.c - an objective's names for parts of its parameters: what they may be. */
#include "config.h"
#include <string.h>

#define MOST_TENSORS 4096

uint64_t hw__tensors_floats(const hw_tensor *t)
{
    uint64_t n = 1;
    for (unsigned d = 0; d < t->dims; d++) n *= t->shape[d];
    return n;
}

/* Words that the other entries of a state begin with. */
static bool taken(const char *name)
{
    static const char *const words[] = {
        "run",  "worker", "clock", "staleness", "setting", "evaluations", "settings", "kept",   "average", "blocks",
        "lane", "sim",    "ring",  "timeline",  "config",  "velocity",    "array2",   "array3", "same"};
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
    if (!good || hw__tensors_floats(t) > o->parameters - t->first)
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
            bool apart = t->first >= u->first + hw__tensors_floats(u) || u->first >= t->first + hw__tensors_floats(t);
            if (apart && strcmp(t->name, u->name) != 0) continue;
            return hw__base_fail(why, HW_E_ARGUMENT, "objective.tensors[%zu] '%s' has %s [%zu] '%s'", i, t->name,
                                 apart ? "the name of" : "parameters of", k, u->name);
        }
    }
    return HW_OK;
}
