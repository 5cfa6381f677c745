/* curvature.c - the curvature that policies go by: estimated before a run by power iteration, and followed while it
 * goes on. A net's curvature at its start says little about the run: it falls to a tenth or rises threefold within the
 * first fifty updates. */
#include "../config/config.h"
#include "../optimizer/optimizer.h"
#include "engine.h"
#include "hogwild/advanced/peers.h"
#include <string.h>

/* Gradients of one minibatch: two an iteration. */
enum { ITERATIONS = 2 };

static void choose(hw_engine *e, uint64_t epoch, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        e->curvature.index[i] = hw_permute(e->config.seed, epoch, e->objective.examples, i);
}

void hw__curvature_estimate(hw_engine *e)
{
    const hw_config *c = &e->config;
    e->curvature.value = c->curvature > 0 ? c->curvature : 0;
    if (!e->curvature.probe) return;
    uint64_t from = hw_now();
    hw__probe_heed(e->curvature.probe, e);
    hw_params_get(e->params, 0, e->snapshot);
    uint32_t n = e->curvature.examples;
    choose(e, 0, n);
    /* A probe that fails leaves the curvature unknown: the run itself will meet the error and report it. */
    if (hw__probe_curvature(e->curvature.probe, e->snapshot, e->curvature.index, n, n < c->batch ? n : c->batch, 8,
                            c->seed, &c->optimizer, &e->curvature.value) != HW_OK)
        e->curvature.value = 0;
    else
        hw__layers_weigh(e, hw__probe_direction(e->curvature.probe));
    e->times.preparation = hw_now() - from;
}

/* From the velocity, which is the direction that a delayed heavy ball blows up in, on a minibatch of its own. What it
 * finds is in the parameters and the clock alone, so that a resumed run finds the same. A rise counts at once, a fall
 * by half: the estimate is of few examples. */
void hw__curvature_follow(hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t number = hw_params_clock(e->params);
    uint32_t n = c->batch < e->curvature.examples ? c->batch : e->curvature.examples;
    double value = 0;
    hw__probe_heed(e->curvature.probe, NULL); /* a few gradients: a stop within would leave what no whole run does */
    hw_params_get(e->params, 0, e->snapshot);
    hw_params_get(e->params, 1, hw__probe_direction(e->curvature.probe));
    choose(e, UINT64_MAX - number, n);
    if (hw__probe_follow(e->curvature.probe, e->snapshot, e->curvature.index, n, n, ITERATIONS, &c->optimizer,
                         &value) != HW_OK ||
        !(value > 0)) /* no velocity, or no number: nothing is known */
        return;
    hw__layers_weigh(e, hw__probe_direction(e->curvature.probe));
    double before = e->curvature.value;
    e->curvature.value = value > before ? value : (value + before) / 2;
}

hw_status hw_engine_curvature(hw_engine *e, const float *x, float *direction, uint64_t number, double *curvature)
{
    if (!e || !curvature || (x && !direction)) return HW_E_ARGUMENT;
    if (!e->curvature.probe || !e->config.peers) return HW_E_UNSUPPORTED;
    const hw_config *c = &e->config;
    uint32_t n = c->batch < e->curvature.examples ? c->batch : e->curvature.examples;
    *curvature = e->curvature.value;
    if (!x) return HW_OK;
    hw__probe_heed(e->curvature.probe, NULL);
    memcpy(hw__probe_direction(e->curvature.probe), direction, e->objective.parameters * sizeof *direction);
    choose(e, UINT64_MAX - number, n);
    return hw__probe_follow(e->curvature.probe, x, e->curvature.index, n, n, ITERATIONS, &c->optimizer, curvature);
}
