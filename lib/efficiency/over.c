/* over.c - runs over several machines. All ranks go through the same grid; what is in the record, and what a run came
 * to, rank 0 says. Who the others are, and how they are reached, the plan's callbacks know. */
#include "efficiency.h"
#include <string.h>

unsigned hw__efficiency_ranks(const hw_efficiency *e, const hw_config *c)
{
    const bool threads = c->scheduler != HW_SIMULATED;
    return !e->over.ranks || !threads ? 0 : c->cluster.ranks ? c->cluster.ranks : 1;
}

hw_status hw__efficiency_takes(const hw_efficiency *e, const hw_config *c, char *why)
{
    hw_config alone = *c;
    const hw_cluster *k = &c->cluster;
    const unsigned ranks = hw__efficiency_ranks(e, c);
    if (!ranks) return hw_config_check(c, &e->objective, why);
    alone.cluster = hw_config_defaults().cluster;
    hw_status status = hw_config_check(&alone, &e->objective, why);
    if (status != HW_OK) return status;
    if (ranks > e->over.ranks)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.cluster.ranks is %u, but there are %u", ranks, e->over.ranks);
    if (k->latency > 0 || k->bandwidth > 0 || k->work > 0 || k->per_float > 0)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.cluster: latency, bandwidth, work and per_float are of a simulated one");
    return HW_OK;
}

hw_status hw__efficiency_share(hw_efficiency *e, void *bytes, size_t n, char *why)
{
    return e->over.ranks ? e->over.share(e->over.context, bytes, n, why) : HW_OK;
}

/* What rank 0's engine saw. */
static hw_status tell(hw_efficiency *e, size_t at, const hw_config *c, hw_engine *engine, const hw_result *r,
                      hw__efficiency_kept *kept, char *why)
{
    hw_histogram h;
    hw_status status = hw__efficiency_histogram_init(&h);
    if (status == HW_OK) {
        const bool all = e->over.staleness && e->over.staleness(e->over.context, &h) == HW_OK && h.total;
        hw__efficiency_tell(e->row + at, c, engine, r, &kept->run);
        status = hw__efficiency_histograms(engine, all ? &h : NULL, false, kept);
    }
    hw_histogram_free(&h);
    return status == HW_OK ? HW_OK : hw__base_fail(why, status, "hw_efficiency_measure: no memory for a run");
}

hw_status hw__efficiency_run_over(hw_efficiency *e, size_t at, const hw_config *c, hw__efficiency_kept *kept, char *why)
{
    struct {
        hw_status status;
        hw_efficiency_run run;
        char why[HW_WHY];
    } came;
    hw_config own = *c;
    hw_engine *engine = NULL;
    hw_result r = {.message = ""};
    memset(&came, 0, sizeof came);
    *kept = (hw__efficiency_kept){.run = {.row = (unsigned)at}};
    came.status = hw__efficiency_start(e, c->seed, came.why);
    if (came.status == HW_OK)
        came.status = e->over.run(e->over.context, hw__efficiency_ranks(e, c), &e->objective, &own, e->start, &engine,
                                  &r, came.why);
    if (came.status == HW_OK && engine && r.status == HW_OK && r.reason == HW_STOP_ASKED)
        came.status = hw__base_fail(came.why, HW_E_STOPPED, "hw_efficiency_measure: stopped");
    if (came.status == HW_OK && e->over.rank == 0) came.status = tell(e, at, c, engine, &r, kept, came.why);
    if (engine) e->over.end(e->over.context, engine);
    came.run = kept->run;
    hw_status status = hw__efficiency_share(e, &came, sizeof came, why);
    if (status == HW_OK && came.status != HW_OK) {
        status = came.status;
        if (why) memcpy(why, came.why, HW_WHY);
    }
    if (status != HW_OK) hw__efficiency_forget(kept);
    kept->run = came.run;
    return status;
}
