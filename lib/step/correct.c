/* correct.c - delay compensation at a landing, before clipping, weight decay and sections. A worker's snapshot is the
 * backup that the method asks for. What it lands on is read in a pass of its own just before: updates that land between
 * that pass and the write are not corrected for, as they are not where the method was published. */
#include "correct.h"
#include "../params/door.h"
#include <float.h>
#include <math.h>

float *hw__correct_plan(hw_engine *e)
{
    return hw__memory_alloc(&e->memory, hw__whole_lines(e->objective.parameters), sizeof(float));
}

void hw__correct(hw_worker *w, const hw__extent *x, size_t at, const float **g)
{
    const hw_engine *e = w->engine;
    float lambda = (float)e->config.delay_correction, *now = w->now, *to = w->g + at;
    if (!(lambda > 0) || x->raw) return;
    const float *from = *g, *seen = w->seen + at;
    hw__params_read_part(e->params, x, 0, now);
    for (size_t i = 0; i < x->total; i++) {
        float corrected = from[i] + lambda * from[i] * from[i] * (now[i] - seen[i]);
        /* Squares may overflow where the gradient does not: no correction of ours ends a run. */
        to[i] = fabsf(corrected) <= FLT_MAX ? corrected : from[i];
    }
    *g = to;
}
