/* compatibility.c - what the engine that goes on must have in common with the one that was captured. Options are
 * compared by their table (options.c), what is passed by pointers by checksums. */
#include "../config/config.h"
#include "../step/peers.h"
#include "engine.h"
#include <string.h>

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

/* Tickets of an engine that has a share of each epoch are of that share; 0: it has all. */
static uint64_t shares(const hw_engine *e)
{
    const hw_peers *p = e->config.peers;
    return hw__peers_meets(e) && p->parts > 1 ? p->parts | (uint64_t)(p->sharing == HW_SHARE_OWN) << 32 : 0;
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
    hw__walk_same(v, "same.sweeps", e->steps.sweeps, "steps by the objective's sweep (1: yes):");
    hw__walk_same(v, "same.arrays", hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation),
                  "arrays beside the parameters:");
    hw__walk_same(v, "same.lanes", e->crew.members, "workers:");
    hw__walk_same(v, "same.rule", hw__config_rule_checksum(&e->config),
                  "another rule of the user's, other sections or own_steps: checksum");
    hw__walk_same(v, "same.schedule", (e->scheduler->identity ? e->scheduler->identity(&e->config) : 0) ^ shares(e),
                  "other clocks of single workers, delays, trace or share of the epochs: checksum");
}
