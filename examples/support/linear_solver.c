/* linear_solver.c - the part of a linear model's solver that depends on its rows: learning rate, schedule, exchanges,
 * averaging; unless an option or a file has said it. */
#include "linear.h"
#include <limits.h>
#include <math.h>

/* What depends on the rows where nobody says it: values that no file and no option can give stand for that. */
#define NO_KIND ((hw_schedule_kind)99)
void linear_unsay(hw_config *c)
{
    c->optimizer.schedule.base = 0;
    c->optimizer.schedule.kind = NO_KIND;
    c->exchange_interval = UINT_MAX;
    c->average_every = UINT64_MAX;
}

/* What a file of --config has said of it counts as options do; those stand above it. */
void linear_heed(linear_said *o, hw_config *c)
{
    if (o->rate < 0) o->rate = c->optimizer.schedule.base;
    o->scheduled = c->optimizer.schedule.kind != NO_KIND;
    o->exchange = o->exchange || (c->exchange_interval != UINT_MAX && o->l1 <= 0);
    o->average_in_file = c->average_every != UINT64_MAX && o->l1 <= 0; /* l1 has its own reasons */
    if (!o->average_in_file) c->average_every = 0;
}

hw_config linear_configure(const linear_said *o, const hw_config *config, const hw_linear_model *m, const hw_sparse *s,
                           const float *class_weight, unsigned weights)
{
    hw_config c = *config;
    hw_schedule *h = &c.optimizer.schedule;
    double updates = ceil((double)s->rows / c.batch);
    bool plain = o->l1 <= 0 && (c.optimizer.rule == HW_RULE_ADAGRAD ||
                                (c.optimizer.rule == HW_RULE_SGD && c.optimizer.momentum <= 0));
    bool threads = c.scheduler == HW_ASYNC || c.scheduler == HW_SEQUENTIAL;
    if (!o->exchange) c.exchange_interval = plain && threads ? 0 : 1;
    if (o->rate > 0) h->base = o->rate;
    if (o->rate <= 0) {
        bool adagrad = c.optimizer.rule == HW_RULE_ADAGRAD; /* its steps do not follow the rows' scale */
        h->base = adagrad ? 0.2 : linear_rate(m, s, class_weight, weights) * (1 - c.optimizer.momentum);
    }
    /* The mean would have no zeros left, where l1 is for zeros. */
    bool average = o->average_given ? o->average : o->average_in_file ? c.average_every > 0 : o->l1 <= 0;
    if (!average) c.average_every = 0;
    if (!o->scheduled)
        h->kind = c.optimizer.rule == HW_RULE_ADAGRAD     ? HW_SCHEDULE_CONSTANT
                  : average || o->l1 > 0 || c.epochs <= 0 ? HW_SCHEDULE_INV
                                                          : HW_SCHEDULE_LINEAR;
    if (h->gamma <= 0) h->gamma = 1 / updates;
    if (h->kind == HW_SCHEDULE_LINEAR || !h->interval) h->interval = (uint64_t)fmax(1, c.epochs * updates);
    if (average && !(o->average_in_file && !o->average_given)) {
        /* Beside its other merits the mean forgives what a worker that was held up writes late, at the rate of then. A
         * copy of all weights takes an eighth of the time of the steps between two copies at most. */
        double often = 8 * (double)hw_linear_model_weights(m) * s->rows / ((double)s->nonzeros * m->scores + 1);
        c.average_every = (uint64_t)fmax(1, fmin(fmax(64, often), updates / 8));
        c.average_from = 0.5;
    }
    return c;
}
