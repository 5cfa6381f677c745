/* plan.c - the planner for programs: a line a probe, five that say why, a file. */
#include "plan.h"
#include <hogwild/plan.h>
#include <string.h>

typedef struct subject {
    const plan_options *o;
    void (*start)(void *context, uint64_t seed, float *params);
    void *context;
} subject;

static void begin(void *context, uint64_t seed, float *params)
{
    const subject *s = context;
    s->start(s->context, seed, params);
}

static hw_status tell(void *context, const hw_plan_probe *p)
{
    const subject *s = context;
    if (s->o->quiet) return HW_OK;
    printf("  %-36s %6llu updates in %.3g s, loss %.4f", p->label, (unsigned long long)p->updates, p->seconds, p->loss);
    printf(p->diverged ? ": diverged\n" : p->gain > 0 ? ", %.2f of the time\n" : ", never as deep\n", 1 / p->gain);
    (void)fflush(stdout);
    return HW_OK;
}

int plan_write(const char *program, const plan_options *o, const hw_objective *objective, const hw_config *config,
               void (*start)(void *context, uint64_t seed, float *params), void *context)
{
    char why[HW_WHY] = "";
    subject s = {o, start, context};
    hw_plan_request r;
    hw_planned planned;
    hw_config chosen = hw_config_defaults();
    if (config->scheduler != HW_ASYNC && config->scheduler != HW_SEQUENTIAL)
        return cli_error(program, 2, "a plan finds the scheduler itself: without --scheduler");
    if (hw_plan_request_init(&r, sizeof r) != HW_OK) return cli_error(program, 1, "no request");
    r.objective = objective;
    r.config = config;
    if (start) r.start = begin;
    r.on_probe = tell;
    r.context = &s;
    if (o->budget > 0) r.budget = o->budget;
    r.threads = o->threads;
    r.keep = o->keep ? HW_PLAN_KEEP_SOLVER : 0;
    r.stop_flag = &cli_interrupted;
    cli_catch_interrupt();
    hw_status status = hw_plan(&r, &chosen, &planned, why);
    const char *own_words = strncmp(why, "hw_plan: ", 9) == 0 ? why + 9 : why;
    if (status != HW_OK) return cli_error(program, status == HW_E_ARGUMENT ? 2 : 1, own_words);
    for (int i = 0; i < HW_PLAN_LINES; i++) printf("%s\n", planned.line[i]);
    if (chosen.scheduler == HW_SEQUENTIAL) chosen.scheduler = HW_ASYNC; /* so that --workers after the file counts */
    return hw_config_save(&chosen, o->out, why) == HW_OK ? 0 : cli_error(program, 1, why);
}
