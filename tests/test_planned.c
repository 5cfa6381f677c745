/* test_planned.c - whole plans of an objective whose steps take the time that they sleep, so that what is quickest is
 * known on any machine; what is refused, and what ends a plan. */
#include "check.h"
#include <hogwild/plan.h>
#include <stdatomic.h>
#include <time.h>

enum { N = 4, EXAMPLES = 6400, BATCH = 16 };

/* A quadratic with curvature 1 along the first axis and `others` (0: 1) along the rest. Where steps meet, the later one
 * sleeps `penalty` times as long. */
typedef struct slow {
    double seconds, penalty, others;
    bool flat, late; /* no loss says anything; or the evaluated one does not */
    atomic_int inside, examples;
} slow;

static double curvature(const slow *s, int j)
{
    return j && s->others > 0 ? s->others : 1;
}

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    slow *s = self;
    double loss = 0, seconds = s->seconds * b->count / BATCH;
    (void)scratch;
    atomic_fetch_add(&s->examples, (int)b->count);
    if (atomic_fetch_add(&s->inside, 1) > 0 && s->penalty > 0) seconds *= s->penalty;
    struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))};
    if (seconds > 0) (void)nanosleep(&t, NULL);
    atomic_fetch_sub(&s->inside, 1);
    for (int j = 0; j < N; j++) {
        g[j] = (float)curvature(s, j) * x[j];
        loss += 0.5 * curvature(s, j) * (double)x[j] * (double)x[j];
    }
    return s->flat ? 1 : loss;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const slow *s = self;
    (void)scratch, (void)first;
    const bool nothing = s->flat || s->late;
    for (int j = 0; nothing && j < N; j++) sums[0] += count;
    for (int j = 0; !nothing && j < N; j++) sums[0] += 0.5 * count * curvature(self, j) * (double)x[j] * (double)x[j];
    return HW_OK;
}

static void start(void *context, uint64_t seed, float *x)
{
    (void)context, (void)seed;
    for (int j = 0; j < N; j++) x[j] = 1;
}

static hw_objective objective(slow *s)
{
    hw_objective o = hw_objective_defaults("slow", N);
    o.self = s;
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 10;
    return o;
}

static hw_config solver(double rate)
{
    hw_config c = hw_config_defaults();
    c.batch = BATCH;
    c.epochs = 0;
    c.updates = 4000;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = rate;
    c.compensation.policy = HW_POLICY_NONE;
    c.workers = 1;
    return c;
}

static hw_plan_request request(const hw_objective *o, const hw_config *c)
{
    hw_plan_request r;
    assert_int_equal(hw_plan_request_init(&r, sizeof r), HW_OK);
    r.objective = o;
    r.config = c;
    r.start = start;
    r.threads = 2;
    return r;
}

static void lines_are_there(const hw_planned *p)
{
    for (int i = 0; i < HW_PLAN_LINES; i++) assert_true(strlen(p->line[i]) > 10 && strlen(p->line[i]) < 399);
    assert_text(p->line[4], "so: ");
}

/* What the probes told a callback. */
typedef struct told {
    unsigned probes, longer, stop_after;
    bool diverged, refused;
    double one, in_step; /* seconds an update of one worker; two threads in step, of that, at the most */
    double gain;         /* of two workers, by their short probe */
    char second[96];     /* the label of the second way to run */
    slow *watched;       /* whose gradients are counted */
    int before, extra;   /* examples: until the last probe; of two workers' short probe, beside its updates */
    slow *turns;         /* where steps that meet take eight times as long once one worker has been seen for long */
} told;

static hw_status tell(void *context, const hw_plan_probe *p)
{
    told *t = context;
    t->probes++;
    if (!*t->second && strcmp(p->label, "one worker") != 0) (void)snprintf(t->second, sizeof t->second, "%s", p->label);
    const int now = t->watched ? atomic_load(&t->watched->examples) : 0;
    if (strcmp(p->label, "2 workers") == 0) {
        t->gain = p->gain;
        t->extra = now - t->before - BATCH * (int)p->updates;
    }
    t->before = now;
    t->longer += strncmp(p->label, "longer", 6) == 0;
    const char *label = strncmp(p->label, "longer: ", 8) == 0 ? p->label + 8 : p->label;
    if (strcmp(label, "one worker") == 0) t->one = p->seconds_per_update;
    if (strcmp(label, "2 threads in step") == 0) t->in_step = fmax(t->in_step, p->seconds_per_update / t->one);
    if (t->turns && strcmp(p->label, "longer: one worker") == 0) t->turns->penalty = 8;
    t->diverged |= p->diverged != 0;
    t->refused |= p->refused != 0;
    return t->probes == t->stop_after ? HW_E_USER + 3 : HW_OK;
}

/* A plan that works, of at most so many threads; t may be NULL. */
static hw_planned plan(const hw_objective *o, const hw_config *c, unsigned keep, unsigned threads, double budget,
                       told *t, hw_config *chosen)
{
    hw_plan_request r = request(o, c);
    hw_planned p;
    char why[HW_WHY];
    *chosen = hw_config_defaults();
    r.keep = keep;
    r.threads = threads;
    r.budget = budget;
    r.on_probe = t ? tell : NULL;
    r.context = t;
    if (hw_plan(&r, chosen, &p, why) != HW_OK) fail_msg("%s", why);
    lines_are_there(&p);
    return p;
}

/* Steps that sleep side by side: two threads are nearly twice as quick. */
static void two_threads_where_they_help(void **state)
{
    (void)state;
    slow s = {.seconds = 1e-3};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, NULL, &chosen);
    assert_int_equal(chosen.workers, 2);
    assert_true(p.expected < 0.9);
    assert_int_equal(chosen.batch, BATCH);
    assert_near(chosen.optimizer.schedule.base, 0.01, 0);
    assert_near(chosen.optimizer.momentum, 0, 0);
    assert_true(p.one_seconds > 4.0 && p.spent < 0.3 * p.one_seconds);
    assert_int_equal(chosen.updates, 4000);
}

/* Steps that meet take five times as long: nothing is quicker than one worker. */
static void one_worker_where_they_do_not(void **state)
{
    (void)state;
    slow s = {.seconds = 1e-3, .penalty = 5};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, NULL, &chosen);
    assert_int_equal(chosen.workers, 1);
    assert_int_equal(chosen.scheduler, HW_SEQUENTIAL);
    assert_near(p.expected, 1, 0);
    assert_text(p.line[4], "nothing that was tried is quicker");
}

/* A rate far below what the curvature, 1, allows is raised, to four times itself at most, and what was chosen has been
 * run for longer; one next to the bound is left, since twice as much diverges. */
static void rates_are_raised_where_that_lasts(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        slow s = {.seconds = 1e-3, .others = k ? 0.01 : 1};
        told t = {0};
        hw_objective o = objective(&s);
        hw_config c = solver(k ? 1.3 : 0.002), chosen;
        c.divergence = 5;
        hw_planned p = plan(&o, &c, HW_PLAN_KEEP_MOMENTUM | HW_PLAN_KEEP_BATCH, 1, 0.4, &t, &chosen);
        assert_int_equal(p.probes, t.probes);
        assert_int_equal(chosen.workers, 1);
        if (k == 0) {
            assert_true(chosen.optimizer.schedule.base > 0.0039 && chosen.optimizer.schedule.base < 0.0081);
            assert_true(t.longer == 2);
            assert_true(p.expected < 0.9);
        } else {
            assert_true(chosen.optimizer.schedule.base <= 1.3);
            assert_true(t.diverged);
        }
    }
}

/* At a rate where an update of delay makes steps worth a third, threads in step are what to run, where the machine
 * wakes them in time. */
static void threads_in_step_where_delay_costs(void **state)
{
    (void)state;
    slow s = {.seconds = 1e-3};
    told t = {0};
    hw_objective o = objective(&s);
    hw_config c = solver(0.6), chosen;
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, &t, &chosen);
    assert_int_not_equal(chosen.scheduler, HW_ASYNC);
    if (t.in_step > 0.8) return;
    assert_int_equal(chosen.scheduler, HW_SYNC);
    assert_int_equal(chosen.workers, 2);
    assert_text(p.line[4], "2 threads in step");
}

/* Two pairs a step are what schedulers in step refuse when they run: the others are planned all the same. */
static hw_status two_pairs(void *self, hw_worker *w, const hw_batch *b)
{
    hw_status status = HW_OK;
    for (int k = 0; k < 2 && status == HW_OK; k++) {
        const float *x = hw_read(w);
        double loss = gradient(self, NULL, b, x, hw_gradient(w));
        status = hw_write(w, loss);
    }
    return status;
}

/* Where the loss says nothing, asynchronous steps count where delay cannot be seen; those in step always do. */
static void a_flat_loss_leaves_it_to_the_map(void **state)
{
    (void)state;
    for (int seen = 0; seen < 2; seen++) {
        slow s = {.seconds = 1e-3, .flat = true};
        hw_objective o = objective(&s);
        hw_config c = solver(seen ? 0.2 : 0.02), chosen; /* x of two workers: 0.4, 0.04 */
        told t = {.probes = 0};
        hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, &t, &chosen);
        assert_text(p.line[2], "the time of an update decides");
        assert_near(p.curvature, 1, 0.05);
        if (seen)
            assert_true(t.gain <= 0);
        else
            assert_true(t.gain > 1); /* as much as its steps are quicker */
        if (seen) assert_int_not_equal(chosen.scheduler, HW_ASYNC);
    }
}

/* What the evaluated loss does not say the steps' own does: rates are told apart by it. */
static void the_steps_own_loss_tells(void **state)
{
    (void)state;
    slow s = {.seconds = 1e-3, .late = true};
    hw_objective o = objective(&s);
    hw_config c = solver(0.001), chosen;
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_BATCH, 2, 0.1, NULL, &chosen);
    assert_text(p.line[2], "time to the same training loss");
    assert_near(chosen.optimizer.schedule.base, 0.004, 1e-9);
}

/* Asynchronous workers that turn out to be slow give their place to threads in step, not to one worker. */
static void threads_in_step_where_workers_do_not_last(void **state)
{
    (void)state;
    slow s = {.seconds = 1e-3, .penalty = 0.3};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    told t = {.turns = &s};
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, &t, &chosen);
    assert_int_not_equal(chosen.scheduler, HW_ASYNC);
    if (t.in_step > 0.8) return; /* the machine does not wake them in time */
    assert_text(p.line[4], "so: 2 threads in step");
    assert_int_equal(chosen.scheduler, HW_SYNC);
    assert_int_equal(chosen.workers, 2);
    assert_true(p.expected < 0.95);
}

/* A policy that wants the curvature gets the plan's: an estimate by each engine would take hundreds of gradients. */
static void probes_do_not_estimate_the_curvature_anew(void **state)
{
    (void)state;
    slow s = {.seconds = 2e-4};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    c.compensation.policy = HW_POLICY_AUTO;
    c.optimizer.momentum = 0.5;
    told t = {.watched = &s};
    (void)plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.5, &t, &chosen);
    assert_string_equal(t.second, "2 threads in step");
    assert_in_range(t.extra, 0, 1000); /* an estimate is 8 times 2 times 256 */
}

static void what_cannot_run_is_passed_over(void **state)
{
    (void)state;
    slow s = {.seconds = 5e-4};
    told t = {0};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    o.loss_gradient = NULL;
    o.step = two_pairs;
    hw_planned p = plan(&o, &c, HW_PLAN_KEEP_SOLVER, 2, 0.1, &t, &chosen);
    assert_true(t.refused);
    assert_int_not_equal(chosen.scheduler, HW_SYNC);
    assert_text(p.line[1], "not run");
}

/* Each bit keeps its own part, whatever else changes. */
static void what_is_to_stay_stays(void **state)
{
    (void)state;
    for (unsigned keep = 1; keep <= HW_PLAN_KEEP_SOLVER; keep++) {
        slow s = {.seconds = 2e-4, .others = 0.05};
        hw_objective o = objective(&s);
        hw_config c = solver(0.02), chosen;
        c.optimizer.momentum = 0.9;
        c.updates = 8000;
        (void)plan(&o, &c, keep, 1, 0.1, NULL, &chosen);
        if (keep & HW_PLAN_KEEP_BATCH) assert_int_equal(chosen.batch, BATCH);
        if (keep & HW_PLAN_KEEP_RATE) assert_near(chosen.optimizer.schedule.base, 0.02, 0);
        if (keep & HW_PLAN_KEEP_MOMENTUM) assert_near(chosen.optimizer.momentum, 0.9, 0);
        assert_int_equal(chosen.updates * chosen.batch, c.updates * c.batch);
    }
}

static void a_short_training_is_not_probed(void **state)
{
    (void)state;
    slow s = {.seconds = 0.03};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen;
    c.updates = 20;
    hw_planned p = plan(&o, &c, 0, 2, 0.1, NULL, &chosen);
    assert_int_equal(chosen.scheduler, HW_SEQUENTIAL);
    assert_text(p.line[1], "too short");
}

static void plans_end_when_they_are_asked(void **state)
{
    (void)state;
    slow s = {.seconds = 2e-3};
    told t = {.stop_after = 2};
    hw_objective o = objective(&s);
    hw_config c = solver(0.01), chosen = hw_config_defaults();
    hw_plan_request r = request(&o, &c);
    hw_planned p;
    char why[HW_WHY];
    r.on_probe = tell;
    r.context = &t;
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_USER + 3);
    assert_text(why, "on_probe");
    volatile sig_atomic_t stop = 1;
    r.on_probe = NULL;
    r.stop_flag = &stop;
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_STOPPED);
    assert_text(why, "stopped");
}

static hw_status no_number(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)x, (void)first, (void)count;
    sums[0] = NAN;
    return HW_OK;
}

static hw_status cannot(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)x, (void)first, (void)count, (void)sums;
    return HW_E_USER + 7;
}

static void wrong_requests_are_told(void **state)
{
    (void)state;
    slow s = {.seconds = 0};
    hw_objective o = objective(&s), none = o, wild = o, broken = o;
    hw_config c = solver(0.01), endless = c, no_worker = c, steep = solver(100), chosen = hw_config_defaults();
    hw_planned p;
    char why[HW_WHY];
    none.evaluate = NULL;
    wild.evaluate = no_number;
    broken.evaluate = cannot;
    endless.updates = 0;
    no_worker.batch = 0;
    steep.divergence = 5;
    const struct {
        const hw_objective *o;
        const hw_config *c;
        double budget;
        unsigned threads, keep;
        hw_status status;
        const char *says;
    } cases[] = {{NULL, &c, 0.1, 2, 0, HW_E_ARGUMENT, "objective and config"},
                 {&o, NULL, 0.1, 2, 0, HW_E_ARGUMENT, "objective and config"},
                 {&o, &c, 0, 2, 0, HW_E_ARGUMENT, "budget is 0"},
                 {&o, &c, NAN, 2, 0, HW_E_ARGUMENT, "budget is"},
                 {&o, &c, 1.5, 2, 0, HW_E_ARGUMENT, "budget is 1.5"},
                 {&o, &c, 0.1, HW_MAX_WORKERS + 1, 0, HW_E_ARGUMENT, "threads is"},
                 {&o, &c, 0.1, 2, 8, HW_E_ARGUMENT, "keep is 8"},
                 {&none, &c, 0.1, 2, 0, HW_E_ARGUMENT, "does not evaluate"},
                 {&wild, &c, 0.1, 2, 0, HW_E_ARGUMENT, "loss at the start"},
                 {&broken, &c, 0.1, 2, 0, HW_E_USER + 7, "evaluation returned"},
                 {&o, &endless, 0.1, 2, 0, HW_E_ARGUMENT, "no stop by"},
                 {&o, &no_worker, 0.1, 2, 0, HW_E_ARGUMENT, "config.batch is 0"},
                 {&o, &steep, 0.1, 2, 0, HW_E_DIVERGED, "one worker diverges"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hw_plan_request r = request(cases[i].o, cases[i].c);
        r.budget = cases[i].budget;
        r.threads = cases[i].threads;
        r.keep = cases[i].keep;
        hw_status status = hw_plan(&r, &chosen, &p, why);
        if (status != cases[i].status) fail_msg("case %zu: %d, %s", i, status, why);
        assert_text(why, cases[i].says);
    }
    hw_plan_request r = request(&o, &c);
    assert_int_equal(hw_plan(NULL, &chosen, &p, why), HW_E_ARGUMENT);
    assert_int_equal(hw_plan(&r, NULL, &p, why), HW_E_ARGUMENT);
    assert_int_equal(hw_plan(&r, &chosen, NULL, why), HW_E_ARGUMENT);
    chosen.struct_size = offsetof(hw_config, work);
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_ARGUMENT);
    assert_text(why, "the configuration to fill");
    chosen.struct_size = 0;
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_ARGUMENT);
    chosen = hw_config_defaults();
    const hw_clock each[1] = {{HW_CLOCK_CONSTANT, 1e-4, 0}};
    c.work.each = each;
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_ARGUMENT);
    assert_text(why, "config.work.each");
    const hw_own_step own = {1, NAN};
    c.work.each = NULL;
    c.own_steps = &own;
    c.n_own_steps = 1;
    assert_int_equal(hw_plan(&r, &chosen, &p, why), HW_E_ARGUMENT);
    assert_text(why, "config.own_steps");
    assert_int_equal(hw_plan_request_init(NULL, sizeof r), HW_E_ARGUMENT);
    assert_int_equal(hw_plan_request_init(&r, 8), HW_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_threads_where_they_help),
                                       cmocka_unit_test(one_worker_where_they_do_not),
                                       cmocka_unit_test(rates_are_raised_where_that_lasts),
                                       cmocka_unit_test(a_short_training_is_not_probed),
                                       cmocka_unit_test(plans_end_when_they_are_asked),
                                       cmocka_unit_test(threads_in_step_where_delay_costs),
                                       cmocka_unit_test(a_flat_loss_leaves_it_to_the_map),
                                       cmocka_unit_test(the_steps_own_loss_tells),
                                       cmocka_unit_test(threads_in_step_where_workers_do_not_last),
                                       cmocka_unit_test(probes_do_not_estimate_the_curvature_anew),
                                       cmocka_unit_test(what_cannot_run_is_passed_over),
                                       cmocka_unit_test(what_is_to_stay_stays),
                                       cmocka_unit_test(wrong_requests_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
