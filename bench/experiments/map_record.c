/* map_record.c - the laws of work that the map is drawn over, and the staleness that they make, simulated or on threads
 * with that much work added. */
#include "map.h"
#include <math.h>

const map_law map_laws[MAP_LAWS] = {{"gamma 0.5", HW_CLOCK_GAMMA, 0.5, 2},  {"exponential", HW_CLOCK_EXPONENTIAL, 0, 1},
                                    {"gamma 2", HW_CLOCK_GAMMA, 2, 0.5},    {"gamma 4", HW_CLOCK_GAMMA, 4, 0.25},
                                    {"gamma 25", HW_CLOCK_GAMMA, 25, 0.04}, {"constant", HW_CLOCK_CONSTANT, 0, 0}};

typedef struct recorded {
    uint32_t *staleness;
    uint64_t room;
} recorded;

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self, (void)batch;
    hw_gradient(w)[0] = 0 * hw_read(w)[0];
    return hw_write(w, 0);
}

static void on_update(void *context, const hw_update_event *event)
{
    recorded *r = context;
    if (event->update < r->room) r->staleness[event->update] = (uint32_t)event->staleness;
}

bool map_record(const map_law *law, unsigned workers, bool threads, uint64_t seed, uint32_t *staleness, uint64_t n,
                double *dispersion)
{
    hw_objective o = hw_objective_defaults("nothing", 1);
    hw_config c = papers_config(law->kind, workers, n + workers);
    hw_result r;
    recorded to = {staleness, n};
    o.step = step;
    if (threads) {
        const hw_config plain = hw_config_defaults();
        c.scheduler = HW_ASYNC;
        c.simulation = plain.simulation;
        c.work.law = (hw_clock){law->kind, law->shape, 2e-3};
    } else {
        c.simulation.shape = law->shape;
    }
    c.seed = seed;
    c.on_update = on_update;
    c.context = &to;
    c.stop_flag = &cli_interrupted;
    if (hw_train(&o, &c, NULL, &r) != HW_OK || cli_interrupted) return false;
    if (dispersion) *dispersion = r.staleness.dispersion;
    return true;
}

double map_border(const double *difference, const double *variation, size_t n)
{
    for (size_t l = 0; l + 1 < n; l++) {
        double a = difference[l], b = difference[l + 1];
        if ((a < 0) != (b < 0)) return variation[l] + a / (a - b) * (variation[l + 1] - variation[l]);
    }
    return NAN;
}
