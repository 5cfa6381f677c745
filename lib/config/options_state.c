/* options_state.c - every option in a state: what a run was captured with. */
#include "options.h"
#include <string.h>

#define AT(member) offsetof(hw_config, member)

/* What may be another for a run that goes on: when it stops, what is looked at, and how fast. */
static bool is_free(const hw__option_entry *o)
{
    static const char *const names[] = {"updates",
                                        "epochs",
                                        "seconds",
                                        "target_metric",
                                        "target",
                                        "evaluate_every",
                                        "evaluate_epochs",
                                        "divergence",
                                        "pin",
                                        "progress_ms",
                                        "simulation.threads",
                                        "work",
                                        "work.mean",
                                        "work.shape",
                                        "work.spin",
                                        "trace",
                                        "trace_room",
                                        "checkpoint_every",
                                        "checkpoint_epochs",
                                        "checkpoint_seconds"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(o->name, names[i]) == 0) return true;
    return false;
}

/* Options that states of 0.1 do not have, where this one's value is what such a run did (of layers that stands
 * elsewhere in the state), or may be another one. */
static bool was_so(const hw__option_entry *o, double x)
{
    bool work = o->offset >= AT(work) && o->offset < AT(work) + sizeof(hw_work);
    bool cluster = o->offset >= AT(cluster) && o->offset < AT(cluster) + sizeof(hw_cluster);
    return work || cluster || o->offset == AT(layers) || o->offset == AT(least_workers) ||
           (o->offset == AT(delay_correction) && !(x > 0));
}

/* Every option, as config.<name>: choices by their names. */
static void visit_option(const hw_config *c, const hw__option_entry *o, hw__walk *v)
{
    char name[HW_STATE_NAME], shown[64], there[64];
    double x = hw__option_value(c, o);
    (void)snprintf(name, sizeof name, "config.%s", o->name);
    hw__option_print(o, x, shown, sizeof shown);
    if (v->way == WALK_PUT) {
        hw_status status = o->kind == F_ENUM     ? hw_state_put_text(v->to, name, shown)
                           : o->kind == F_DOUBLE ? hw_state_put_real(v->to, name, x)
                                                 : hw_state_put_number(v->to, name, (uint64_t)x);
        if (status != HW_OK) v->status = hw__base_fail(v->why, status, "the state does not take entry '%s'", name);
        return;
    }
    const hw_entry *kept = hw_state_find(v->from, name);
    const char *was = hw__option_former_name(o->name);
    if (!kept && was) {
        char former[HW_STATE_NAME];
        (void)snprintf(former, sizeof former, "config.%s", was);
        kept = hw_state_find(v->from, former);
    }
    if (!kept && was_so(o, x)) return;
    hw_entry_kind kind = o->kind == F_ENUM ? HW_ENTRY_TEXT : o->kind == F_DOUBLE ? HW_ENTRY_REAL : HW_ENTRY_COUNT;
    if (!kept || kept->kind != kind) {
        hw__walk_refuse(v, "the state has no entry '%s' of the right kind", name);
        return;
    }
    bool same = kind == HW_ENTRY_TEXT   ? strcmp(hw__option_present_name(o->name, kept->text), shown) == 0
                : kind == HW_ENTRY_REAL ? kept->real >= x && kept->real <= x
                                        : kept->number == (uint64_t)x;
    if (same || is_free(o)) return;
    if (kind == HW_ENTRY_TEXT)
        (void)snprintf(there, sizeof there, "%s", kept->text);
    else
        hw__option_print(o, kind == HW_ENTRY_REAL ? kept->real : (double)kept->number, there, sizeof there);
    hw__walk_refuse(v, "the state was captured with config.%s %s, this engine has %s", o->name, there, shown);
}

void hw__options_fields(const hw_config *c, hw__walk *v)
{
    for (size_t i = 0; i < hw__option_entries && v->status == HW_OK; i++) visit_option(c, hw__option_table + i, v);
}
