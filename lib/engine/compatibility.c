/* compatibility.c - what the engine that goes on must have in common with the one that was captured. Options are
 * compared by their table (options.c), what is passed by pointers by checksums. */
#include "../step/engine.h"
#include <string.h>

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 1099511628211u;
    return hash;
}

/* Clocks of single workers, delays, the trace: below 2^53, so that any format keeps it. */
static uint64_t schedule_checksum(const hw_config *c)
{
    const hw_simulation *s = &c->simulation;
    uint64_t hash = 1469598103934665603u;
    if (c->scheduler != HW_SIMULATED) return 0;
    for (unsigned i = 0; s->each && i < c->workers; i++) {
        const double each[] = {(double)s->each[i].kind, s->each[i].shape, s->each[i].mean};
        hash = mix(hash, each, sizeof each);
    }
    if (s->clock == HW_CLOCK_HISTOGRAM) {
        const hw_histogram *h = s->delays; /* the mean is M, the largest delay the lanes */
        const uint64_t size[] = {h->exact, h->total, h->largest};
        hash = mix(hash, size, sizeof size);
        hash = mix(hash, &h->sum, sizeof h->sum);
        hash = mix(hash, s->delays->counts, s->delays->bins * sizeof *s->delays->counts);
    }
    for (uint64_t i = 0; s->clock == HW_CLOCK_REPLAY && i < s->trace->info.updates; i++) {
        const hw_trace_entry *x = s->trace->entry + i;
        const uint64_t entry[] = {x->worker, x->setting, x->read, x->ticket};
        hash = mix(hash, entry, sizeof entry);
    }
    for (uint32_t i = 0; s->clock == HW_CLOCK_REPLAY && i < s->trace->info.settings; i++)
        hash = mix(hash, s->trace->setting + i, sizeof *s->trace->setting);
    return (hash ^ hash >> 40) & (WALK_MOST - 1);
}

static void visit_name(const hw_engine *e, hw__walk *v)
{
    char name[48] = "";
    const uint64_t size = sizeof name;
    (void)snprintf(name, sizeof name, "%s", e->objective.name ? e->objective.name : "");
    memset(name + strlen(name), 0, sizeof name - strlen(name));
    char *kept = hw__walk_array(v, "same.objective", HW_U8, 1, &size);
    if (!kept) return;
    if (v->way == WALK_PUT) memcpy(kept, name, sizeof name);
    if (v->way == WALK_CHECK && memcmp(kept, name, sizeof name) != 0)
        hw__walk_refuse(v, "the state was captured from another objective than this engine's '%s'", name);
}

void hw__compatibility_fields(const hw_engine *e, hw__walk *v)
{
    const hw_objective *o = &e->objective;
    if (v->way == WALK_TAKE) return;
    hw__walk_same(v, "same.version", 1, "version");
    visit_name(e, v);
    hw__walk_same(v, "same.parameters", o->parameters, "parameters:");
    hw__walk_same(v, "same.examples", o->examples, "training examples:");
    hw__options_fields(&e->config, v);
    hw__walk_same(v, "same.touched", o->touched, "objective.touched");
    hw__walk_same(v, "same.blocks", o->blocks, "objective.blocks");
    hw__walk_same(v, "same.sweeps", e->sweeps, "steps by the objective's sweep (1: yes):");
    hw__walk_same(v, "same.arrays", hw__config_params(&e->config, o, 1).arrays, "arrays beside the parameters:");
    hw__walk_same(v, "same.lanes", e->members, "workers or lanes:");
    hw__walk_same(v, "same.rule", hw__config_rule_checksum(&e->config),
                  "another rule of the user's or other sections: checksum");
    hw__walk_same(v, "same.schedule", schedule_checksum(&e->config),
                  "other clocks of single workers, delays or trace: checksum");
}
