/* cluster.c - runs over a simulated cluster, as programs begin and tell them. */
#include "cluster.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of one worker, as this run makes them: first some that fill the caches, then for a fifth of a second. */
static hw_status measure(const hw_objective *objective, const float *params, const hw_config *config, double *work,
                         hw_result *result)
{
    enum { FEWEST = 8, MOST = 1 << 20 };
    hw_config c = *config;
    const size_t bytes = objective->parameters * sizeof(float);
    float *x = malloc(bytes);
    hw_status status = x ? HW_OK : HW_E_MEMORY;
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.simulation = hw_config_defaults().simulation;
    c.cluster = hw_config_defaults().cluster;
    c.compensation.policy = HW_POLICY_NONE;
    c.on_progress = NULL;
    c.on_evaluation = NULL;
    c.epochs = c.seconds = c.evaluate_epochs = c.target = 0;
    c.evaluate_every = c.average_every = 0;
    for (c.updates = FEWEST; status == HW_OK; c.updates *= 2) {
        memcpy(x, params, bytes);
        status = hw_train(objective, &c, x, result);
        if (result->updates) *work = result->seconds / (double)result->updates;
        if (result->seconds > 0.2 || c.updates >= MOST) break;
    }
    free(x);
    return status;
}

int cluster_prepare(const char *program, const hw_objective *objective, const float *params, hw_config *config,
                    FILE *out)
{
    char text[HW_WHY + 128];
    hw_result result = {.message = ""};
    double *work = &config->cluster.work;
    const hw_histogram *h = config->simulation.delays;
    if (!config->cluster.ranks || *work > 0) return 0;
    *work = 1;
    const bool runs = hw_config_check(config, objective, NULL) == HW_OK;
    *work = 0;
    if (!runs) return 0; /* why, the engine says */
    if (config->simulation.clock == HW_CLOCK_RECORDED && h && h->total) {
        *work = 1e-9 * h->sum / (double)h->total;
        fprintf(out, "cluster: a step works %.3g ms on average, as recorded\n", 1e3 * *work);
        return 0;
    }
    if (measure(objective, params, config, work, &result) != HW_OK || !(*work > 0)) {
        (void)snprintf(text, sizeof text,
                       "the work of a step could not be measured (--clock cluster:...,work=5ms): %.250s",
                       result.message);
        return cli_error(program, 1, text);
    }
    fprintf(out, "cluster: a step works %.3g ms here, one worker alone (another machine: work=5ms in --clock)\n",
            1e3 * *work);
    return 0;
}

void cluster_print(const hw_engine *engine, const hw_config *config, const hw_result *result, FILE *out)
{
    hw_cluster_result k = {.struct_size = sizeof k};
    const hw_cluster *c = &config->cluster;
    if (!result->updates || hw_engine_cluster(engine, &k) != HW_OK) return;
    const unsigned threads = config->workers / c->ranks;
    const double each = k.seconds / (double)result->updates;
    fprintf(
        out,
        "cluster: %u rank%s of %u thread%s: %.3g s, predicted; %.3g ms an update, %.2f times one worker; workers wait "
        "%.1f %% of the time for exchanges, the busiest link is taken %.1f %% of it; %llu exchanges of %.3g updates, "
        "%.3g "
        "MB\n",
        c->ranks, c->ranks == 1 ? "" : "s", threads, threads == 1 ? "" : "s", k.seconds, 1e3 * each, c->work / each,
        100 * k.waited, 100 * k.link, (unsigned long long)k.exchanges, (double)result->updates / (double)k.exchanges,
        1e-6 * k.bytes);
}
