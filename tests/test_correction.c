/* test_correction.c - delay compensation: a gradient lands as g + lambda g g (w_now - w_read), whoever runs the steps,
 * by whatever access they write, and after a resumption. */
#include "check.h"
#include "kept.h"
#include <sched.h>

enum { LAYERS = 3, WIDTH = 8, N = LAYERS * WIDTH, UPDATES = 120, WORKERS = 4 };
static const hw_layer layers[LAYERS] = {
    {"first", 0, WIDTH, 1}, {"middle", WIDTH, WIDTH, 0.55}, {"last", 2 * WIDTH, WIDTH, 0.02}};

typedef enum way { WHOLE, OWN_MEMORY, INDICES, RANGES, BY_LAYER, STEPLESS } way;
typedef struct problem {
    way access;
    float scale; /* of the loss */
    /* NULL: steps go their own way. Else two steps read the same before either lands, and the second waits for the
     * first to have landed. */
    struct order *order;
} problem;

typedef struct order {
    pthread_barrier_t read;
    _Atomic unsigned landed;
} order;

static void after_reading(const problem *p, const hw_batch *batch)
{
    if (!p->order) return;
    (void)pthread_barrier_wait(&p->order->read);
    while (batch->step == 1 && !p->order->landed) (void)sched_yield();
}

static void on_landing(void *context, const hw_update_event *event)
{
    (void)event;
    ((order *)context)->landed++;
}

/* f = scale (sum of h_i (x_i - 1)^2 / 2 + (sum x - N)^2 / 4 / N), h_i from 0.2 to 2. */
static double value(const problem *p, const float *x, float *g)
{
    double loss = 0, sum = 0;
    for (int i = 0; i < N; i++) sum += (double)x[i] - 1;
    for (int i = 0; i < N; i++) {
        double h = 0.2 + 1.8 * i / N, d = (double)x[i] - 1;
        g[i] = p->scale * (float)(h * d + sum / 2 / N);
        loss += 0.5 * h * d * d;
    }
    return (double)p->scale * (loss + sum * sum / 4 / N);
}

static double loss_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    (void)scratch;
    (void)batch;
    return value(self, x, g);
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const problem *p = self;
    static const hw_range ranges[2] = {{0, 10}, {10, N - 10}};
    uint32_t index[N];
    float own[N], *g = p->access == WHOLE || p->access == BY_LAYER ? hw_gradient(w) : own, x[N];
    const float *seen = x;
    for (uint32_t i = 0; i < N; i++) index[i] = i;
    switch (p->access) {
    case INDICES: hw_read_at(w, index, N, x); break;
    case RANGES: hw_read_ranges(w, ranges, 2, x); break;
    case BY_LAYER:
        for (size_t l = 0; l < LAYERS; l++) seen = hw_read_layer(w, l);
        break;
    default: seen = hw_read(w); break;
    }
    double loss = value(p, seen, g);
    after_reading(p, batch);
    switch (p->access) {
    case OWN_MEMORY: return hw_write_from(w, g, loss);
    case INDICES: return hw_write_at(w, index, N, g, loss);
    case RANGES: return hw_write_ranges(w, ranges, 2, g, loss);
    case BY_LAYER:
        for (size_t l = LAYERS; l-- > 1;) {
            hw_status status = hw_write_layer(w, l);
            if (status != HW_OK) return status;
        }
        break;
    default: break;
    }
    return hw_write(w, loss);
}

static hw_objective objective(problem *p)
{
    hw_objective o = hw_objective_defaults("corrected", N);
    o.examples = 1000;
    o.self = p;
    if (p->access == STEPLESS)
        o.loss_gradient = loss_gradient;
    else
        o.step = step;
    if (p->access == INDICES || p->access == RANGES) o.touched = N;
    if (p->access != BY_LAYER) return o;
    o.layers = layers;
    o.layer_count = LAYERS;
    return o;
}

static hw_config config(hw_scheduler scheduler, unsigned workers, double momentum, double lambda)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = 4;
    c.epochs = 0;
    c.updates = UPDATES;
    c.compensation.policy = HW_POLICY_NONE;
    c.optimizer.momentum = momentum;
    c.optimizer.schedule.base = 0.02;
    c.delay_correction = lambda;
    c.simulation.threads = 1;
    return c;
}

static void train(problem *p, const hw_config *c, float *x)
{
    hw_result r;
    hw_objective o = objective(p);
    memset(x, 0, N * sizeof *x);
    if (hw_train(&o, c, x, &r) != HW_OK) fail_msg("access %d: %s", (int)p->access, r.message);
    assert_int_equal(r.updates, c->updates);
}

/* In turns: what is held for a share of a step is as many updates old as land within that. The first steps are shorter,
 * since all have begun at once. */
static int age(double held, int workers, int t)
{
    int most = t < workers - 1 ? t : workers - 1, lands = (int)(held * (t < workers ? t + 1 : workers));
    return lands < most ? lands : most;
}

static void recursion(const problem *p, const double *held, int workers, double momentum, double lambda, double *out)
{
    static double x[UPDATES + 1][N];
    double v[N] = {0};
    memset(x[0], 0, sizeof x[0]);
    for (int t = 0; t < UPDATES; t++) {
        float seen[N], g[N];
        for (int i = 0; i < N; i++) seen[i] = (float)x[t - age(held[i], workers, t)][i];
        (void)value(p, seen, g);
        for (int i = 0; i < N; i++) {
            double a = (double)g[i];
            v[i] = momentum * v[i] - 0.02 * (a + lambda * a * a * (x[t][i] - (double)seen[i]));
            x[t + 1][i] = x[t][i] + v[i];
        }
    }
    memcpy(out, x[UPDATES], sizeof x[0]);
}

static void assert_close(const float *x, const double *y, const char *what)
{
    for (int i = 0; i < N; i++)
        if (!(fabs((double)x[i] - y[i]) <= 2e-5))
            fail_msg("%s: coordinate %d: %.7g, not %.7g", what, i, (double)x[i], y[i]);
}

static void it_is_the_recursion_in_turns(void **state)
{
    (void)state;
    for (int k = 0; k < 24; k++) {
        problem p = {(way)(k / 4), 1, NULL};
        double momentum = k % 2 ? 0.7 : 0, y[N], uncorrected[N];
        hw_config c = config(k % 4 < 2 ? HW_SIMULATED : HW_ROUND_ROBIN, WORKERS, momentum, 0.8);
        c.write = k % 3 == 0 ? HW_WRITE_STRIPED : k % 3 == 1 ? HW_WRITE_ADD : HW_WRITE_RACY;
        if (p.access == BY_LAYER) {
            if (c.scheduler == HW_ROUND_ROBIN) continue; /* whose steps are whole */
            c.layers = HW_LAYERS_EACH;
        }
        double held[N];
        for (int i = 0; i < N; i++) held[i] = p.access == BY_LAYER ? layers[i / WIDTH].held : 1;
        char what[80];
        float x[N];
        (void)snprintf(what, sizeof what, "access %d, momentum %g, scheduler %d", k / 4, momentum, (int)c.scheduler);
        train(&p, &c, x);
        recursion(&p, held, WORKERS, momentum, 0.8, y);
        assert_close(x, y, what);
        recursion(&p, held, WORKERS, momentum, 0, uncorrected);
        double matters = 0;
        for (int i = 0; i < N; i++) matters = fmax(matters, fabs(y[i] - uncorrected[i]));
        assert_true(matters > 2e-4);
    }
}

/* Without delay it is the identity: the same bits. */
static void without_delay_nothing_changes(void **state)
{
    (void)state;
    static const hw_scheduler schedulers[] = {HW_SEQUENTIAL, HW_SYNC, HW_SIMULATED};
    for (int k = 0; k < 3; k++) {
        problem p = {WHOLE, 1, NULL};
        float x[N], y[N];
        hw_config c = config(schedulers[k], schedulers[k] == HW_SYNC ? 2 : 1, 0.9, 0);
        train(&p, &c, x);
        c.delay_correction = 3;
        train(&p, &c, y);
        assert_memory_equal(x, y, sizeof x);
    }
}

/* f = - sum of log(c_i - x_i): the square of its gradient is its curvature, so at lambda 1 what is left of a delay is
 * of second order. */
static double of_logarithms(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    double loss = 0;
    (void)self;
    (void)scratch;
    (void)batch;
    for (int i = 0; i < N; i++) {
        double gap = 1 + 0.1 * i - (double)x[i];
        g[i] = (float)(1 / gap);
        loss -= log(gap);
    }
    return loss;
}

static double distance(double lambda, unsigned workers, const float *from, float *x)
{
    hw_objective o = hw_objective_defaults("logarithms", N);
    hw_config c = config(HW_SIMULATED, workers, 0, lambda);
    hw_result r;
    double most = 0;
    o.loss_gradient = of_logarithms;
    o.examples = 1000;
    c.updates = 60;
    memset(x, 0, N * sizeof *x);
    if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
    for (int i = 0; i < N; i++) most = fmax(most, fabs((double)x[i] - (double)from[i]));
    return most;
}

static void it_takes_a_delay_away_where_squares_are_the_curvature(void **state)
{
    (void)state;
    float fresh[N] = {0}, x[N];
    (void)distance(0, 1, fresh, fresh);
    double without = distance(0, 6, fresh, x), with = distance(1, 6, fresh, x);
    if (!(without > 0.01 && with < without / 8)) fail_msg("%g without, %g with it", without, with);
}

/* Groups of a simulation land the mean of what they have read together. */
static void groups_correct_their_mean(void **state)
{
    (void)state;
    problem p = {WHOLE, 1, NULL};
    double y[N], held[N];
    float x[N];
    for (int i = 0; i < N; i++) held[i] = 1;
    recursion(&p, held, 2, 0.7, 0.8, y);
    hw_config c = config(HW_SIMULATED, 4, 0.7, 0.8);
    c.simulation.per_group = 2; /* two groups: every update is one old */
    train(&p, &c, x);
    assert_close(x, y, "simulated groups");
}

/* Three in turns, two gradients an update: each is corrected to what there is when it comes, and their mean no more. */
static void gathered_gradients_are_corrected_one_by_one(void **state)
{
    (void)state;
    problem p = {WHOLE, 1, NULL};
    hw_config c = config(HW_SIMULATED, 3, 0.7, 0.8);
    double now[N] = {0}, v[N] = {0}, sum[N] = {0};
    float seen[3][N] = {{0}}, x[N] = {0};
    hw_objective o = objective(&p);
    hw_result r;
    c.simulation.gather = 2;
    c.updates = 2 * UPDATES; /* gradients */
    assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
    for (int k = 0; k < 2 * UPDATES; k++) {
        float *read = seen[k % 3], g[N];
        (void)value(&p, read, g);
        for (int i = 0; i < N; i++) {
            double a = (double)g[i];
            sum[i] += a + 0.8 * a * a * (now[i] - (double)read[i]);
        }
        for (int i = 0; i < N && k % 2; i++) {
            v[i] = 0.7 * v[i] - 0.02 * sum[i] / 2;
            now[i] += v[i];
            sum[i] = 0;
        }
        /* Both read again when their update is there. */
        for (int i = 0; i < N && k % 2; i++) seen[(k + 2) % 3][i] = read[i] = (float)now[i];
    }
    assert_close(x, now, "gathered");
}

/* Threads whose order is given: both have read the start, one has landed, and the other one's gradient is corrected by
 * just that. */
static void threads_correct_what_lands_second(void **state)
{
    (void)state;
    const double alpha = 0.02, lambda = 5;
    for (int k = 0; k < 7; k++) {
        order turns = {.landed = 0};
        problem p = {k < 5 ? (way)k : WHOLE, 1, &turns};
        hw_config c = config(k < 5 ? HW_ASYNC : HW_GROUPS, k < 6 ? 2 : 4, 0.5, lambda);
        const float zero[N] = {0};
        float g[N], x[N];
        assert_int_equal(pthread_barrier_init(&turns.read, NULL, c.workers), 0);
        c.groups = 2;
        c.updates = 2;
        c.layers = p.access == BY_LAYER ? HW_LAYERS_EACH : HW_LAYERS_WHOLE;
        c.on_update = on_landing;
        c.context = &turns;
        train(&p, &c, x);
        (void)value(&p, zero, g);
        for (int i = 0; i < N; i++) {
            double a = (double)g[i], first = -alpha * a, second = 0.5 * first - alpha * (a + lambda * a * a * first);
            if (!(fabs((double)x[i] - first - second) <= 1e-6))
                fail_msg("%d: coordinate %d: %.7g, not %.7g", k, i, (double)x[i], first + second);
        }
        (void)pthread_barrier_destroy(&turns.read);
    }
}

/* A section's rate multiplies what lands, corrected, and weight decay is no part of the square. */
static void it_comes_before_sections_and_decay(void **state)
{
    (void)state;
    static const hw_section whole = {0, N, 4, 1};
    problem p = {WHOLE, 1, NULL};
    float x[N], y[N];
    for (int k = 0; k < 2; k++) {
        hw_config c = config(k ? HW_ROUND_ROBIN : HW_SIMULATED, 4, 0.5, 0.8);
        train(&p, &c, x);
        c.optimizer.schedule.base /= 4;
        c.optimizer.sections = &whole;
        c.optimizer.n_sections = 1;
        train(&p, &c, y);
        for (int i = 0; i < N; i++) assert_near((double)x[i], (double)y[i], 1e-5);
    }
    /* Two in turns, the second update is one old: with decay d of what was read, 0, nothing is added, so that the first
     * two updates are those without. */
    hw_config c = config(HW_SIMULATED, 2, 0, 0.8);
    c.updates = 2;
    train(&p, &c, x);
    c.optimizer.weight_decay = 0.5;
    train(&p, &c, y);
    assert_memory_equal(x, y, sizeof x);
    c.updates = 3; /* the third has read x_1 */
    train(&p, &c, y);
    float g[N], one[N];
    c.optimizer.weight_decay = 0;
    c.updates = 1;
    train(&p, &c, one);
    (void)value(&p, one, g);
    for (int i = 0; i < N; i++) {
        double a = (double)g[i], moved = (double)x[i] - (double)one[i];
        assert_near((double)y[i], (double)x[i] - 0.02 * (a + 0.8 * a * a * moved + 0.5 * (double)one[i]), 1e-6);
    }
}

static void a_resumed_simulation_has_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        static const way accesses[] = {WHOLE, INDICES, RANGES, BY_LAYER};
        problem p = {accesses[k], 1, NULL};
        hw_objective o = objective(&p);
        hw_config c = config(HW_SIMULATED, 5, 0.7, 0.8);
        kept all = {{NULL}, 0};
        float x[N], y[N];
        char why[HW_WHY];
        hw_result r;
        if (p.access == BY_LAYER) c.layers = HW_LAYERS_EACH;
        c.simulation.clock = HW_CLOCK_EXPONENTIAL;
        c.on_capture = keep;
        c.context = &all;
        c.checkpoint_every = 30;
        train(&p, &c, x);
        assert_true(all.n >= 4);
        c.on_capture = NULL;
        c.checkpoint_every = 0;
        for (unsigned i = 0; i < all.n; i++) {
            hw_engine *e;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
            if (hw_engine_restore(e, all.state[i], why) != HW_OK) fail_msg("%s", why);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
            assert_int_equal(hw_engine_get(e, y), HW_OK);
            assert_memory_equal(x, y, sizeof x);
            hw_engine_free(e);
        }
        /* One that was captured without it has nothing to correct by. */
        hw_engine *e;
        c.delay_correction = 0.7;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
        assert_int_not_equal(hw_engine_restore(e, all.state[0], why), HW_OK);
        assert_text(why, "config.delay_correction");
        hw_engine_free(e);
        for (unsigned i = 0; i < all.n; i++) hw_state_free(all.state[i]);
    }
}

/* Squares that no float holds: such a gradient lands as it is. */
static void what_overflows_is_left_out(void **state)
{
    (void)state;
    problem p = {WHOLE, 1e25F, NULL};
    hw_config c = config(HW_SIMULATED, 4, 0, 1);
    float x[N], y[N];
    c.optimizer.schedule.base = 1e-28;
    c.divergence = 0;
    train(&p, &c, x);
    c.delay_correction = 0;
    train(&p, &c, y);
    for (int i = 0; i < N; i++) assert_true(fabsf(x[i]) < 1 && fabsf(x[i] - y[i]) <= 1e-5F);
}

static void what_does_not_go_with_it_is_refused(void **state)
{
    (void)state;
    problem p = {WHOLE, 1, NULL};
    for (int k = 0; k < 4; k++) {
        static const char *const says[] = {"atomic reads", "atomic reads", "replicas", "steps of its own"};
        hw_objective o = objective(&p);
        hw_config c = config(HW_ASYNC, 2, 0, 0.5);
        char why[HW_WHY];
        if (k == 0) c.read = HW_READ_CONSISTENT;
        if (k == 0) c.write = HW_WRITE_ADD;
        if (k == 1) c.write = HW_WRITE_LOCKED;
        if (k == 2) c.exchange_interval = 16;
        if (k == 3) o.raw = 1;
        assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
        assert_text(why, "config.delay_correction");
        assert_text(why, says[k]);
        c.delay_correction = 0;
        if (hw_config_check(&c, &o, why) != HW_OK) fail_msg("%s", why);
    }
    hw_config c = hw_config_defaults();
    char why[HW_WHY];
    assert_int_equal(hw_config_set(&c, "delay_correction", "-1", why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_set(&c, "delay_correction", "0.04", why), HW_OK);
    assert_near(c.delay_correction, 0.04, 0);
}

/* Threads that land when they like, every write mode: the minimum is where it was. */
static void threads_find_the_minimum(void **state)
{
    (void)state;
    for (int k = 0; k < 6; k++) {
        problem p = {(way)k, 1, NULL};
        hw_config c = config(HW_ASYNC, 3, 0.5, 0.8);
        float x[N];
        c.layers = p.access == BY_LAYER ? HW_LAYERS_EACH : HW_LAYERS_AUTO;
        c.write = k % 3 == 0 ? HW_WRITE_STRIPED : k % 3 == 1 ? HW_WRITE_ADD : HW_WRITE_RACY;
        c.optimizer.velocity = k == 1 ? HW_VELOCITY_PRIVATE : HW_VELOCITY_SHARED;
        c.optimizer.schedule.base = 0.005;
        c.updates = 20000;
        train(&p, &c, x);
        for (int i = 0; i < N; i++) assert_near((double)x[i], 1, 0.02);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_recursion_in_turns),
        cmocka_unit_test(without_delay_nothing_changes),
        cmocka_unit_test(it_takes_a_delay_away_where_squares_are_the_curvature),
        cmocka_unit_test(groups_correct_their_mean),
        cmocka_unit_test(gathered_gradients_are_corrected_one_by_one),
        cmocka_unit_test(threads_correct_what_lands_second),
        cmocka_unit_test(it_comes_before_sections_and_decay),
        cmocka_unit_test(a_resumed_simulation_has_the_same_bits),
        cmocka_unit_test(what_overflows_is_left_out),
        cmocka_unit_test(what_does_not_go_with_it_is_refused),
        cmocka_unit_test(threads_find_the_minimum),
    };
    return cmocka_run_group_tests_name("correction", tests, NULL, NULL);
}
