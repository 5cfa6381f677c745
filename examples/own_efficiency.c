/* own_efficiency.c - what more workers are worth for an objective of one's own: seconds per update and updates to a
 * target, for one, two and four workers, with and without compensation by the default policy. The objective is that of
 * own_gradient.c: least squares on generated rows. */
#include <hogwild.h>
#include <hogwild/efficiency.h>

enum { FEATURES = 256, ROWS = 4096 };

static float row[ROWS][FEATURES], answer[ROWS];

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch;
    for (int j = 0; j < FEATURES; j++) g[j] = 0;
    for (uint32_t k = 0; k < b->count; k++) {
        const float *a = row[b->index[k]];
        float e = -answer[b->index[k]];
        for (int j = 0; j < FEATURES; j++) e += a[j] * x[j];
        for (int j = 0; j < FEATURES; j++) g[j] += e * a[j] / (float)b->count;
        loss += 0.5 * (double)e * (double)e / b->count;
    }
    return loss;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) {
        float e = -answer[i];
        for (int j = 0; j < FEATURES; j++) e += row[i][j] * x[j];
        sums[0] += 0.5 * (double)e * (double)e;
    }
    return HW_OK;
}

int main(void)
{
    char why[HW_WHY];
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    for (int i = 0; i < ROWS; i++) {
        answer[i] = (float)(0.1 * hw_rng_normal(&rng));
        for (int j = 0; j < FEATURES; j++) {
            row[i][j] = (float)hw_rng_normal(&rng) / 16;
            answer[i] += row[i][j] * (float)(j % 3 - 1);
        }
    }
    hw_objective o = hw_objective_defaults("least squares", FEATURES);
    o.examples = ROWS;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = ROWS;

    hw_config c = hw_config_defaults(); /* the solver of one worker, and what it is to reach */
    c.batch = 32;
    c.epochs = 40;
    c.optimizer.schedule.base = 0.05;
    c.target_metric = 0;
    c.target = 0.03;

    for (int question = 0; question < 2; question++) {
        hw_efficiency_plan p;
        hw_efficiency *e = NULL;
        if (hw_efficiency_plan_init(&p, sizeof p) != HW_OK) return 1;
        p.objective = &o;
        p.config = &c;
        p.question = question ? HW_QUESTION_COMPENSATED : HW_QUESTION_FIXED;
        hw_status status = hw_efficiency_create(&e, &p, why);
        if (status == HW_OK) status = hw_efficiency_axis(e, "workers", "1,2,4", why);
        if (status == HW_OK) status = hw_efficiency_measure(e, why);
        if (status == HW_OK) status = hw_efficiency_print(e, stdout);
        hw_efficiency_free(e);
        if (status != HW_OK) {
            fprintf(stderr, "own_efficiency: %s\n", why);
            return 1;
        }
    }
    return 0;
}
