/* test_pairs.c - steps that make several updates, or a number that differs: what goes by epochs counts steps, what goes
 * by updates counts updates, in every form. */
#include "check.h"
#include <stdatomic.h>

enum { N = 8, EXAMPLES = 200, BATCH = 10, PER_EPOCH = EXAMPLES / BATCH };

typedef struct several {
    unsigned least, most; /* pairs of read and write a step */
} several;

static hw_status several_step(void *self, hw_worker *w, const hw_batch *b)
{
    const several *s = self;
    unsigned pairs = s->least + (unsigned)(b->step % (s->most - s->least + 1));
    for (unsigned k = 0; k < pairs; k++) {
        const float *x = hw_read(w);
        float *g = hw_gradient(w);
        double loss = 0;
        for (int j = 0; j < N; j++) {
            g[j] = x[j] - 1;
            loss += 0.5 * (double)g[j] * (double)g[j];
        }
        hw_status status = hw_write(w, loss);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += (double)count * fabs((double)x[0] - 1);
    return HW_OK;
}

typedef struct seen {
    hw_engine *engine;
    uint64_t epochs[200], captures[200];
    size_t n_epochs, n_captures;
    hw_state *state; /* a copy of capture number `keep` */
    size_t keep;
} seen;

static hw_status on_epoch(void *context, uint64_t epoch)
{
    seen *s = context;
    if (s->n_epochs < 200) s->epochs[s->n_epochs++] = epoch;
    return HW_OK;
}

static hw_status on_checkpoint(void *context, const hw_state *state)
{
    seen *s = context;
    hw_progress p;
    if (s->n_captures < 200)
        s->captures[s->n_captures] = hw_engine_progress(s->engine, &p, NULL) == HW_OK ? p.updates : 0;
    if (s->state && s->n_captures == s->keep) (void)hw_state_copy(s->state, state);
    s->n_captures++;
    return HW_OK;
}

static hw_objective objective(several *s)
{
    hw_objective o = hw_objective_defaults("several", N);
    o.examples = EXAMPLES;
    o.step = several_step;
    o.self = s;
    o.evaluate = evaluate;
    o.evaluation_examples = 10;
    o.metrics = 1;
    return o;
}

static hw_config config(unsigned workers, seen *s)
{
    hw_config c = hw_config_defaults();
    c.scheduler = workers == 1 ? HW_SEQUENTIAL : HW_ASYNC;
    c.workers = workers;
    c.batch = BATCH;
    c.epochs = 12;
    c.curvature = -1;
    c.optimizer.momentum = 0;
    c.context = s;
    c.on_epoch = on_epoch;
    return c;
}

static const several forms[] = {{1, 1}, {10, 10}, {1, 5}};

static void epochs_evaluations_and_checkpoints_are_of_the_same_steps(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        for (unsigned workers = 1; workers <= 3; workers += 2) {
            several s = forms[f];
            seen all = {0};
            hw_objective o = objective(&s);
            hw_config c = config(workers, &all);
            hw_result r;
            hw_progress p;
            size_t n;
            c.on_checkpoint = on_checkpoint;
            c.checkpoint_epochs = 3;
            assert_int_equal(hw_engine_create(&all.engine, &o, &c, NULL, NULL), HW_OK);
            assert_int_equal(hw_engine_run(all.engine, &r), HW_OK);
            assert_near(r.epochs, 12, 0);
            double per_step = (double)r.updates / (12 * PER_EPOCH);
            assert_near(per_step, s.least == s.most ? s.least : 3, 0);
            const hw_evaluation *list = hw_engine_evaluations(all.engine, &n);
            assert_near(r.last.epoch, 12, 0);
            assert_int_equal(all.n_epochs, 12);
            for (size_t i = 0; i < 12; i++) assert_int_equal(all.epochs[i], i + 1);
            if (workers == 1) {
                assert_int_equal(n, 12);
                for (size_t i = 0; i < n; i++) assert_near(list[i].epoch, (double)(i + 1), 1e-9);
                assert_true(all.n_captures == 3 || all.n_captures == 4); /* the last one if the run has not ended */
                for (size_t i = 0; i < 3; i++)
                    assert_near((double)all.captures[i], per_step * PER_EPOCH * 3 * (double)(i + 1), per_step + 5);
            } else { /* one that loses its core may be late, so that two fall together */
                assert_true(n >= 1 && n <= 12 && all.n_captures <= 4);
                for (size_t i = 0; i < n; i++) assert_true(list[i].epoch >= (double)(i + 1) - 1e-9);
            }
            assert_int_equal(hw_engine_progress(all.engine, &p, NULL), HW_OK);
            assert_near(p.epoch, 12, 0);
            assert_near(p.fraction, 1, 0);
            hw_engine_free(all.engine);
        }
}

/* evaluate_every, checkpoint_every and average_every are updates, as they say. */
static void what_goes_by_updates_counts_updates(void **state)
{
    (void)state;
    several s = {10, 10};
    seen all = {0};
    hw_objective o = objective(&s);
    hw_config c = config(1, &all);
    hw_result r;
    size_t n;
    c.epochs = 2;
    c.evaluate_every = 100;
    c.checkpoint_every = 50;
    c.on_checkpoint = on_checkpoint;
    assert_int_equal(hw_engine_create(&all.engine, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(all.engine, &r), HW_OK);
    assert_int_equal(r.updates, 2 * PER_EPOCH * 10);
    (void)hw_engine_evaluations(all.engine, &n);
    assert_int_equal(n, 4);
    assert_true(all.n_captures == 7 || all.n_captures == 8);
    for (size_t i = 0; i < 7; i++) assert_near((double)all.captures[i], 50.0 * (double)(i + 1), 1);
    assert_int_equal(all.n_epochs, 2);
    hw_engine_free(all.engine);
}

static hw_status rising_step(void *self, hw_worker *w, const hw_batch *b)
{
    (void)b;
    const several *s = self;
    for (unsigned k = 0; k < s->least; k++) {
        (void)hw_read(w);
        for (int j = 0; j < N; j++) hw_gradient(w)[j] = -1;
        hw_status status = hw_write(w, 1);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

/* A parameter that grows by 1 with every update: the mean over the second half of a run is three quarters of its end.
 */
static void the_averaged_share_of_a_run_is_one_of_its_steps(void **state)
{
    (void)state;
    for (unsigned pairs = 1; pairs <= 10; pairs += 9) {
        several s = {pairs, pairs};
        hw_objective o = objective(&s);
        o.step = rising_step;
        seen all = {0};
        hw_config c = config(1, &all);
        float x[N];
        c.optimizer.schedule.base = 1;
        c.divergence = 0;
        c.average_every = 1;
        c.average_from = 0.5;
        assert_int_equal(hw_engine_create(&all.engine, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(all.engine, NULL), HW_OK);
        assert_int_equal(hw_engine_average(all.engine, x), HW_OK);
        double end = 12.0 * PER_EPOCH * pairs;
        assert_near(x[0], 0.75 * end, 0.01 * end);
        hw_engine_free(all.engine);
    }
}

/* Interrupted in the middle of an epoch, in the middle of what steps make: what is left is called as it would have
 * been.
 */
static void a_resumed_run_counts_on(void **state)
{
    (void)state;
    several s = {1, 5};
    hw_objective o = objective(&s);
    seen whole = {0}, first = {0}, rest = {0};
    hw_config c = config(1, &whole);
    hw_result r, again;
    float x[N], y[N];
    assert_int_equal(hw_engine_create(&whole.engine, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(whole.engine, &r), HW_OK);
    hw_engine_get(whole.engine, x);
    c.context = &first;
    c.on_checkpoint = on_checkpoint;
    c.checkpoint_every = 77;
    first.state = hw_state_create();
    first.keep = 4;
    assert_int_equal(hw_engine_create(&first.engine, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(first.engine, NULL), HW_OK);
    assert_true(hw_state_number(first.state, "run.further", 0) > 100);
    c.context = &rest;
    char why[HW_WHY] = "";
    assert_int_equal(hw_engine_create(&rest.engine, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_restore(rest.engine, first.state, why), HW_OK);
    assert_int_equal(hw_engine_run(rest.engine, &again), HW_OK);
    hw_engine_get(rest.engine, y);
    assert_memory_equal(x, y, sizeof x);
    assert_true(again.updates == r.updates);
    size_t n, m;
    const hw_evaluation *a = hw_engine_evaluations(whole.engine, &n), *b = hw_engine_evaluations(rest.engine, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i].update, b[i].update);
        assert_near(a[i].epoch, b[i].epoch, 0);
    }
    assert_true(rest.n_epochs < 12 && rest.epochs[rest.n_epochs - 1] == 12);
    for (size_t i = 1; i < rest.n_epochs; i++) assert_int_equal(rest.epochs[i], rest.epochs[i - 1] + 1);
    hw_state_free(first.state);
    hw_engine_free(whole.engine);
    hw_engine_free(first.engine);
    hw_engine_free(rest.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_evaluations_and_checkpoints_are_of_the_same_steps),
        cmocka_unit_test(what_goes_by_updates_counts_updates),
        cmocka_unit_test(the_averaged_share_of_a_run_is_one_of_its_steps),
        cmocka_unit_test(a_resumed_run_counts_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
