/* test_cluster.c - the simulated cluster: nothing is lost, no bit depends on real threads, staleness, times and
 * momentum are those of known schedules, and what it cannot do is refused. */
#include "check.h"

enum { N = 200, EXAMPLES = 360, EPOCHS = 6, UPDATES = EXAMPLES / 4 * EPOCHS };

static double ones(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b, (void)x;
    for (int j = 0; j < N; j++) g[j] = -1;
    return 1;
}

/* Noise of the step's own, so that who reads what when shows in the last bit. */
static double quadratic(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double sum = 0;
    (void)self, (void)scratch;
    for (int j = 0; j < N; j++) {
        const float away = x[j] - 1;
        g[j] = away * (float)(1 + j % 3) + (float)((b->step * 7919 + (uint64_t)j * 104729) % 1000) / 2000.0f - 0.25f;
        sum += (double)(away * away);
    }
    return sum / N;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) sums[0] += (double)x[i % N];
    return HW_OK;
}

/* Three places of the step's own: one of them everybody's. */
static hw_status sparse(void *self, hw_worker *w, const hw_batch *b)
{
    const uint32_t at[] = {0, 16 + (uint32_t)(b->step % 90), 120 + (uint32_t)(b->step % 80)};
    const float g[] = {-1, -1, -1};
    float x[3];
    (void)self;
    hw_read_at(w, at, 3, x);
    return hw_write_at(w, at, 3, g, 1);
}

typedef double (*gradient_of)(void *, void *, const hw_batch *, const float *, float *);
static hw_objective objective(gradient_of gradient)
{
    hw_objective o = hw_objective_defaults("cluster", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = N;
    return o;
}

static hw_config config(const char *cluster)
{
    char why[HW_WHY] = "";
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.simulation.threads = 1;
    c.batch = 4;
    c.epochs = EPOCHS;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1;
    c.compensation.policy = HW_POLICY_NONE;
    if (hw_config_set(&c, "clock", cluster, why) != HW_OK) fail_msg("%s", why);
    return c;
}

typedef struct outcome {
    hw_result result;
    hw_cluster_result cluster;
    hw_staleness_summary staleness;
    float x[N];
} outcome;

static void run(const hw_objective *o, const hw_config *c, outcome *out)
{
    char why[HW_WHY] = "";
    hw_engine *e = NULL;
    memset(out, 0, sizeof *out);
    out->cluster.struct_size = sizeof out->cluster;
    if (hw_engine_create(&e, o, c, out->x, why) != HW_OK) fail_msg("%s", why);
    if (hw_engine_run(e, &out->result) != HW_OK) fail_msg("%s", out->result.message);
    assert_int_equal(hw_engine_get(e, out->x), HW_OK);
    assert_int_equal(hw_engine_cluster(e, &out->cluster), HW_OK);
    hw_engine_free(e);
}

static const char *const clusters[] = {
    "cluster:ranks=1,work=1ms",
    "cluster:ranks=4,work=1ms",
    "cluster:ranks=3,threads=5,work=2ms,latency=1ms,bandwidth=1Mb/s,interval=4",
    "cluster:ranks=4,threads=4,work=5ms,latency=100ms,bandwidth=1Gb/s",
    "cluster:ranks=2,threads=3,work=5ms,latency=30ms,interval=2,bound=2,law=pareto,shape=1.5",
    "cluster:ranks=90,threads=2,work=1ms,law=exponential,latency=20us,per-float=50ns",
    "cluster:ranks=2,threads=2,work=1ms,interval=1000",
    "cluster:ranks=5,work=1us,latency=1s,law=constant"};
enum { CLUSTERS = sizeof clusters / sizeof *clusters };

static void nothing_is_lost(void **state)
{
    (void)state;
    const hw_objective dense = objective(ones);
    hw_objective few = objective(NULL);
    few.step = sparse;
    few.touched = 3;
    for (int i = 0; i < 4 * CLUSTERS; i++) {
        outcome out;
        hw_config c = config(clusters[i % CLUSTERS]);
        const bool touches = i >= 2 * CLUSTERS;
        c.cluster.combine = HW_COMBINE_SUMS;
        c.simulation.threads = i / CLUSTERS % 2 ? 3 : 1;
        run(touches ? &few : &dense, &c, &out);
        assert_int_equal(out.result.updates, UPDATES);
        assert_int_equal(out.result.examples, EPOCHS * EXAMPLES);
        assert_int_equal(out.result.staleness.updates, UPDATES);
        double sum = 0;
        for (int j = 0; j < N; j++) {
            sum += (double)out.x[j];
            if (!touches) assert_true(out.x[j] == UPDATES);
        }
        assert_true(sum == (touches ? 3 : N) * (double)UPDATES);
        assert_true(!touches || out.x[0] == UPDATES);
        assert_true(out.cluster.exchanges > 0 && out.cluster.exchanges <= UPDATES);
        assert_true((out.cluster.bytes > 0) == (c.cluster.ranks > 1));
        assert_true(out.cluster.waited >= 0 && out.cluster.waited < 1 && out.cluster.link <= 1 + 1e-9);
    }
}

/* A place of each example's own, in a line of its own, and one that all touch. */
enum { APART = 420, LINES = 16 * (APART + 1) };
static hw_status apart_step(void *self, hw_worker *w, const hw_batch *b)
{
    const uint32_t at[] = {16 * (b->index[0] % APART), 16 * APART};
    const float g[] = {-1, -1};
    float x[2];
    (void)self;
    hw_read_at(w, at, 2, x);
    return hw_write_at(w, at, 2, g, 1);
}

/* One exchange of each rank: what it has alone counts whole, and of what all have twice the mean, once, or all. */
static void means(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double shared; /* of APART */
    } cases[] = {{"cluster:ranks=4,work=1ms,interval=100000", 0.5},
                 {"cluster:ranks=6,threads=2,work=1ms,interval=100000,combine=means", 1.0 / 3},
                 {"cluster:ranks=2,work=1ms,interval=100000", 1},
                 {"cluster:ranks=4,work=1ms,interval=100000,combine=averages", 0.25},
                 {"cluster:ranks=4,work=1ms,interval=100000,combine=sums", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *x = calloc(LINES, sizeof *x);
        hw_objective o = hw_objective_defaults("apart", LINES);
        hw_config c = config(cases[i].text);
        hw_result r;
        assert_non_null(x);
        o.examples = APART;
        o.step = apart_step;
        o.touched = 2;
        c.batch = 1;
        c.epochs = 1;
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.updates, APART);
        for (int j = 0; j < APART; j++) assert_true(x[16 * j] == 1);
        assert_near((double)x[16 * APART], cases[i].shared * APART, 1e-3);
        free(x);
    }
}

static void no_bit_depends_on_real_threads(void **state)
{
    (void)state;
    const hw_objective o = objective(quadratic);
    for (int i = 0; i < 2 * CLUSTERS; i++) {
        outcome one, several;
        hw_config c = config(clusters[i % CLUSTERS]);
        c.optimizer.schedule.base = 0.001;
        c.optimizer.momentum = i < CLUSTERS ? 0 : 0.8;
        if (i < CLUSTERS) c.optimizer.schedule.kind = HW_SCHEDULE_INV;
        run(&o, &c, &one);
        c.simulation.threads = 4;
        run(&o, &c, &several);
        assert_memory_equal(one.x, several.x, sizeof one.x);
        assert_true(one.result.virtual_time == several.result.virtual_time &&
                    one.result.staleness.mean == several.result.staleness.mean &&
                    one.cluster.bytes == several.cluster.bytes && one.cluster.waited == several.cluster.waited);
        c.seed = 2;
        run(&o, &c, &several);
        assert_true(i % CLUSTERS == CLUSTERS - 1 || one.result.virtual_time != several.result.virtual_time);
    }
}

static void one_rank_of_one_thread_is_sequential(void **state)
{
    (void)state;
    const hw_objective o = objective(quadratic);
    outcome out;
    hw_result result;
    float x[N] = {0};
    hw_config c = config("cluster:ranks=1,work=1ms");
    c.optimizer.schedule.base = 0.01;
    run(&o, &c, &out);
    c.scheduler = HW_SEQUENTIAL;
    c.cluster = (hw_cluster){.interval = 1};
    c.simulation.clock = HW_CLOCK_ROUND_ROBIN;
    assert_int_equal(hw_train(&o, &c, x, &result), HW_OK);
    for (int j = 0; j < N; j++) assert_near((double)out.x[j], (double)x[j], 1e-5);
    assert_true(out.result.staleness.mean == 0);
    assert_near(out.cluster.seconds, UPDATES * 1e-3, 0.02 * UPDATES * 1e-3);
}

/* Of equal gradients, whenever they land, the sum is known. */
static void momentum_is_the_owners(void **state)
{
    (void)state;
    const hw_objective o = objective(ones);
    for (int i = 0; i < CLUSTERS; i++) {
        outcome out;
        const double mu = 0.75, rate = 0.5;
        hw_config c = config(clusters[i]);
        double w = 0, v = 0;
        c.optimizer.momentum = mu;
        c.optimizer.schedule.base = rate;
        run(&o, &c, &out);
        for (int k = 0; k < UPDATES; k++) {
            v = mu * v + rate;
            w += v;
        }
        /* An exchange of n spreads what n updates bring evenly over them; so do these. */
        for (int j = 0; j < N; j++) assert_near((double)out.x[j], w, 1e-4 * w);
        assert_near(out.result.setting.momentum, mu, 0);
    }
}

/* Equal ranks of one thread: each update but the first of an exchange is made on values that lack what the other ranks
 * have brought in the meantime, and that one, begun before they came, lacks twice as much. */
static void staleness_of_equal_ranks(void **state)
{
    (void)state;
    const hw_objective o = objective(ones);
    for (unsigned ranks = 1; ranks <= 9; ranks += 2)
        for (unsigned k = 1; k <= 5; k += 2) {
            char text[80];
            outcome out;
            (void)snprintf(text, sizeof text, "cluster:ranks=%u,work=1ms,law=constant,interval=%u", ranks, k);
            hw_config c = config(text);
            c.epochs = 40;
            run(&o, &c, &out);
            const double expected = (ranks - 1) * (k + 1);
            assert_near(out.result.staleness.mean, expected, 0.02 * expected);
            assert_true(out.result.staleness.largest <= 3.0 * k * (ranks - 1));
        }
}

static double seconds_of(const char *cluster, double momentum, hw_cluster_result *all)
{
    const hw_objective o = objective(ones);
    hw_config c = config(cluster);
    outcome out;
    c.optimizer.momentum = momentum;
    c.optimizer.schedule.base = 1e-3;
    c.epochs = 40;
    run(&o, &c, &out);
    if (all) *all = out.cluster;
    return out.cluster.seconds / (double)out.result.updates;
}

static void times_are_those_of_the_network(void **state)
{
    (void)state;
    hw_cluster_result k;
    /* Only work: three ranks of two threads. */
    assert_near(seconds_of("cluster:ranks=3,threads=2,work=6ms,law=constant", 0, &k), 1e-3, 1e-5);
    assert_true(k.waited == 0);
    /* Work, there, and back, one after the other. */
    assert_near(seconds_of("cluster:ranks=2,work=1ms,latency=2ms,bound=1,law=constant", 0, &k), 2.5e-3, 2e-5);
    assert_near(k.waited, 0.8, 0.01);
    /* With a second one under way, which waits for that: one each round trip. */
    assert_near(seconds_of("cluster:ranks=2,work=1ms,latency=2ms,interval=1,bound=2,law=constant", 0, &k), 2e-3, 2e-5);
    /* Two at once. */
    assert_near(seconds_of("cluster:ranks=2,work=1ms,latency=2ms,interval=2,bound=4,law=constant", 0, &k), 1e-3, 1e-5);
    /* Links that are always busy: half of what each rank has goes there, and as much comes back. */
    const double message = 64 + 4.0 * N / 2;
    (void)seconds_of("cluster:ranks=2,work=1us,bandwidth=100kB/s,bound=8,law=constant", 0.5, &k);
    assert_near(k.seconds / (double)k.exchanges, message / 1e5, 0.01 * message / 1e5);
    assert_true(k.link > 0.99);
    assert_near(k.bytes, (double)k.exchanges * 2 * message, 1e-6 * k.bytes);
    /* With more ranks those of an owner wait for each other, but links are not busier than they can be. */
    (void)seconds_of("cluster:ranks=4,work=1us,bandwidth=100kB/s,bound=8", 0.5, &k);
    assert_near(k.bytes, (double)k.exchanges * 2 * 3 * (64 + N), 1e-6 * k.bytes);
    assert_true(k.seconds >= k.bytes / 1e5 / 4 && k.link > 0.4 && k.link <= 1);
    /* Both ends of one rank's exchanges: made ready, landed, taken. */
    assert_near(seconds_of("cluster:ranks=1,work=1us,per-float=1us", 0, &k) * (40.0 * EXAMPLES / 4) /
                    (double)k.exchanges,
                3 * N * 1e-6, 0.05 * N * 1e-6);
    /* A host of a fifth of the speed makes a fifth of the updates. */
    hw_config c = config("cluster:ranks=2,threads=2,work=1ms,law=constant");
    const hw_objective o = objective(ones);
    outcome out;
    c.simulation.stragglers = 2;
    run(&o, &c, &out);
    assert_near(out.cluster.seconds, UPDATES * 1e-3 / (2 + 0.4), 0.02 * UPDATES * 1e-3 / 2.4);
}

static hw_status second(void *context, const hw_evaluation *e)
{
    unsigned *count = context;
    (void)e;
    return ++*count == 2 ? HW_E_STOPPED : HW_OK;
}

/* A stop in the middle, and another run of the same engine. */
static void runs_end_and_begin_again(void **state)
{
    (void)state;
    const hw_objective o = objective(ones);
    for (int i = 0; i < 2 * CLUSTERS; i++) {
        char why[HW_WHY];
        hw_config c = config(clusters[i % CLUSTERS]);
        hw_engine *e = NULL;
        hw_result result;
        float x[N] = {0};
        unsigned count = 0;
        c.simulation.threads = i < CLUSTERS ? 1 : 2;
        c.on_evaluation = second;
        c.context = &count;
        c.evaluate_every = 50;
        assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
        assert_int_equal(hw_engine_run(e, &result), HW_OK);
        assert_true(result.updates >= 100 && (result.updates < UPDATES || c.cluster.interval == 1000));
        const uint64_t before = result.updates;
        hw_cluster_result k = {.struct_size = sizeof k};
        assert_int_equal(hw_engine_cluster(e, &k), HW_OK);
        assert_true(k.link >= 0 && k.link <= 1 + 1e-9 && k.waited >= 0 && k.waited <= 1 &&
                    k.exchanges <= before + c.cluster.ranks);
        assert_int_equal(hw_engine_run(e, &result), HW_OK); /* what was under way is of nobody any more */
        assert_int_equal(result.updates, UPDATES);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        for (int j = 0; j < N; j++) assert_true(x[j] == (float)(before + UPDATES));
        hw_state *none = hw_state_create();
        assert_int_equal(hw_engine_capture(e, none), HW_E_FORMAT);
        assert_text(hw_engine_sentence(e), "a state does not hold the ranks of a cluster");
        hw_state_free(none);
        hw_engine_free(e);
    }
}

/* Policies see the owners' staleness; auto keeps the rate within what that allows. */
static void policies(void **state)
{
    (void)state;
    const hw_objective o = objective(quadratic);
    for (int policy = 0; policy < 2; policy++) {
        outcome out;
        hw_config c = config("cluster:ranks=8,threads=2,work=1ms,latency=100us,law=exponential");
        c.compensation.policy = policy == 0 ? HW_POLICY_AUTO : HW_POLICY_THEORY;
        c.optimizer.momentum = 0.9;
        c.optimizer.schedule.base = 0.2;
        c.curvature = 3;
        c.epochs = 60;
        c.divergence = 0;
        if (policy == 0) {
            run(&o, &c, &out);
            assert_true(out.result.setting.rate < 0.2);
            for (int j = 0; j < N; j++) assert_near((double)out.x[j], 1, 0.3);
        } else {
            c.optimizer.schedule.base = 0.0005;
            run(&o, &c, &out);
            assert_near(out.result.setting.momentum, 0.9 - (1 - 1.0 / 8), 1e-9);
        }
    }
}

/* Auto begins as carefully in every run of an engine. */
static void policies_of_another_run(void **state)
{
    (void)state;
    const hw_objective o = objective(quadratic);
    hw_config c = config("cluster:ranks=16,threads=2,work=1ms,interval=8");
    double first[3], seconds[3];
    char why[HW_WHY];
    hw_engine *e = NULL;
    float x[N] = {0};
    c.compensation.policy = HW_POLICY_AUTO;
    c.optimizer.momentum = 0.9;
    c.optimizer.schedule.base = 0.2;
    c.curvature = 3;
    c.epochs = 20;
    c.divergence = 0;
    assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
    for (int run = 0; run < 3; run++) {
        hw_result result;
        hw_cluster_result k = {.struct_size = sizeof k};
        memset(x, 0, sizeof x);
        assert_int_equal(hw_engine_set(e, x), HW_OK);
        assert_int_equal(hw_engine_run(e, &result), HW_OK);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        assert_int_equal(hw_engine_cluster(e, &k), HW_OK);
        for (int j = 0; j < N; j++) assert_near((double)x[j], 1, 0.5);
        first[run] = result.setting.rate;
        seconds[run] = k.seconds;
        assert_true(result.setting.rate < 0.2 && k.link <= 1 && k.exchanges <= result.updates);
    }
    for (int run = 1; run < 3; run++) {
        assert_near(first[run], first[0], 0.5 * first[0]);
        assert_near(seconds[run], seconds[0], 0.2 * seconds[0]); /* of that run, not of all */
    }
    hw_engine_free(e);
}

/* Without momentum auto's rate is the owners', who see the delay of all ranks: the one that landings take. */
static void rates_without_momentum(void **state)
{
    (void)state;
    const hw_objective o = objective(ones);
    outcome out;
    hw_config c = config("cluster:ranks=4,threads=2,work=1ms");
    c.compensation.policy = HW_POLICY_AUTO;
    c.curvature = 1;
    c.optimizer.schedule.base = 2;
    run(&o, &c, &out);
    assert_true(out.result.setting.rate < 0.9);
    const double all = 2.0 * UPDATES;
    assert_true(out.x[0] < 0.95 * all && out.x[0] > 0.01 * all);
}

static double bowl(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double sum = 0;
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < N; j++) {
        g[j] = x[j] - 1;
        sum += (double)(g[j] * g[j]);
    }
    return sum / N;
}

/* A rank steps on what the owners will make of its own steps: at the full rate, which is stable alone and not while an
 * exchange is under way, it would blow up by itself (here 1e5 after a third of this). */
static void own_steps_at_the_owners_rate(void **state)
{
    (void)state;
    const hw_objective o = objective(bowl);
    for (int ranks = 2; ranks <= 8; ranks *= 2) {
        char text[100];
        outcome out;
        (void)snprintf(text, sizeof text, "cluster:ranks=%d,work=1ms,latency=1ms", ranks);
        hw_config c = config(text);
        c.compensation.policy = HW_POLICY_AUTO;
        c.curvature = 1;
        c.divergence = 0;
        c.optimizer.schedule.base = 1.9;
        c.epochs = 20;
        run(&o, &c, &out);
        assert_true(out.result.setting.rate < 0.5);
        for (int j = 0; j < N; j++) assert_near((double)out.x[j], 1, 1e-4);
    }
}

static hw_status every_third(void *self, hw_worker *w, const hw_batch *b)
{
    float *g = hw_gradient(w);
    (void)self;
    (void)hw_read(w);
    for (int j = 0; j < N; j++) g[j] = b->step % 3 ? -1 : NAN;
    return hw_write(w, 1);
}

static void skipped_gradients_do_not_stop_it(void **state)
{
    (void)state;
    hw_objective o = objective(NULL);
    o.step = every_third;
    for (int i = 0; i < CLUSTERS; i++) {
        outcome out;
        hw_config c = config(clusters[i]);
        c.on_nan = HW_NAN_SKIP;
        run(&o, &c, &out);
        assert_int_equal(out.result.updates, UPDATES - UPDATES / 3);
        for (int j = 0; j < N; j++) assert_true(out.x[j] == UPDATES - UPDATES / 3);
    }
}

static hw_status keep(void *context, const hw_state *state)
{
    (void)context, (void)state;
    return HW_OK;
}

static void what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    const hw_objective o = objective(ones);
    const struct {
        const char *option, *value, *says;
    } refused[] = {{"rule", "adagrad", "must be sgd"},
                   {"velocity", "private", "shared velocity"},
                   {"compensation.age", "inverse", "ages"},
                   {"delay_correction", "0.1", "delay_correction"},
                   {"simulation.gather", "2", "simulation.gather"},
                   {"simulation.per_group", "2", "simulation.per_group"},
                   {"trace", "on", "no trace"},
                   {"clock", "delay", "config.clock must be one of work times"},
                   {"clock", "round-robin", "config.clock must be one of work times"},
                   {"workers", "7", "must divide the 7 workers"},
                   {"cluster.work", "0", "config.cluster.work is 0"},
                   {"cluster.work", "1e-320", "config.cluster.work is"},
                   {"cluster.bandwidth", "1e-300", "at least 1 byte a second"},
                   {"compensation", "theory", "without momentum"},
                   {"compensation", "fixed", "without momentum"},
                   {"cluster.bound", "2", "at least the interval of 3"},
                   {"scheduler", "async", "a cluster is simulated"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char why[HW_WHY] = "";
        hw_config c = config("cluster:ranks=4,threads=2,work=1ms,interval=3");
        if (hw_config_set(&c, refused[i].option, refused[i].value, why) != HW_OK) fail_msg("%s", why);
        assert_int_not_equal(hw_config_check(&c, &o, why), HW_OK);
        assert_text(why, refused[i].says);
    }
    char why[HW_WHY] = "";
    hw_config c = config("cluster:ranks=4,threads=2,work=1ms,combine=means");
    assert_int_equal(c.cluster.combine, HW_COMBINE_MEANS);
    assert_int_equal(hw_config_check(&c, &o, why), HW_OK);
    c.optimizer.momentum = 0.5;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "config.cluster.combine means: it goes without momentum");
    c = config("cluster:ranks=4,threads=2,work=1ms");
    assert_int_equal(c.cluster.combine, HW_COMBINE_CHOSEN);
    c.on_checkpoint = keep;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "no captures");
    c.on_checkpoint = NULL;
    hw_cluster_result none = {.struct_size = sizeof none};
    hw_engine *e = NULL;
    float x[N] = {0};
    c.cluster.work = 0; /* said only where nothing else is wrong */
    c.optimizer.rule = HW_RULE_ADAGRAD;
    assert_int_not_equal(hw_config_check(&c, &o, why), HW_OK);
    assert_text(why, "must be sgd");
    c.optimizer.rule = HW_RULE_SGD;
    static const char *const of_ranks[][2] = {{"cluster.interval", "2"},  {"cluster.bound", "3"},
                                              {"cluster.latency", "1"},   {"cluster.bandwidth", "1e9"},
                                              {"cluster.work", "1"},      {"cluster.per_float", "1e-9"},
                                              {"cluster.combine", "sums"}};
    c.cluster.ranks = 0;
    for (size_t i = 0; i < sizeof of_ranks / sizeof *of_ranks; i++)
        for (int simulated = 0; simulated < 2; simulated++) {
            hw_config no_ranks = c;
            if (!simulated) no_ranks.scheduler = HW_ASYNC, no_ranks.simulation.clock = HW_CLOCK_ROUND_ROBIN;
            assert_int_equal(hw_config_set(&no_ranks, of_ranks[i][0], of_ranks[i][1], why), HW_OK);
            assert_int_equal(hw_config_check(&no_ranks, &o, why), HW_E_ARGUMENT);
            assert_text(why, of_ranks[i][0]);
            assert_text(why, "it is of simulated ranks");
        }
    assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_cluster(e, &none), HW_E_UNSUPPORTED);
    none.struct_size = 0;
    assert_int_equal(hw_engine_cluster(e, &none), HW_E_ARGUMENT);
    hw_engine_free(e);
}

static void text(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_config c = hw_config_defaults();
    assert_int_equal(hw_cluster_parse(&c,
                                      "ranks=64,threads=16,latency=20us,bandwidth=10Gb/s,work=5ms,interval=2,bound=9,"
                                      "per-float=0.5ns,law=gamma,shape=4",
                                      why),
                     HW_OK);
    assert_int_equal(c.workers, 1024);
    assert_int_equal(c.cluster.ranks, 64);
    assert_int_equal(c.cluster.interval, 2);
    assert_int_equal(c.cluster.bound, 9);
    assert_near(c.cluster.latency, 20e-6, 1e-18);
    assert_near(c.cluster.bandwidth, 1.25e9, 1e-3);
    assert_near(c.cluster.work, 5e-3, 1e-15);
    assert_near(c.cluster.per_float, 0.5e-9, 1e-21);
    assert_int_equal(c.simulation.clock, HW_CLOCK_GAMMA);
    assert_near(c.simulation.shape, 4, 0);
    assert_int_equal(hw_config_set(&c, "clock", "cluster:ranks=3", why), HW_OK); /* nothing of the one before is left */
    assert_int_equal(c.workers, 3);
    assert_int_equal(c.cluster.interval, 1);
    assert_true(c.cluster.latency == 0 && c.cluster.work == 0 && c.simulation.clock == HW_CLOCK_LOGNORMAL);
    const char *const wrong[][2] = {{"", "there is no key ''"},
                                    {"threads=2", "ranks=N is needed"},
                                    {"ranks", "ranks=VALUE is needed"},
                                    {"ranks=", "a number is needed"},
                                    {"ranks=2,", "there is no key ''"},
                                    {"ranks=2,latenzy=3us", "no key 'latenzy'"},
                                    {"ranks=2,latency=3", "with s, ms, us or ns"},
                                    {"ranks=2,latency=3um", "with s, ms, us or ns"},
                                    {"ranks=2,bandwidth=10G", "with b/s or B/s"},
                                    {"ranks=2,bandwidth=-1B/s", "config.cluster.bandwidth"},
                                    {"ranks=2,ranks=3", "ranks is given twice"},
                                    {"ranks=2.5", "config.cluster.ranks"},
                                    {"ranks=2,threads=0", "from 1 on"},
                                    {"ranks=2,law=quick", "config.clock is 'quick'"},
                                    {"ranks=65536,threads=65536", "at most 1048576"},
                                    {"ranks=2,work=00000000000000000000000000000000000000000000001ms", "too long"}};
    hw_config shorter = hw_config_defaults();
    shorter.struct_size = offsetof(hw_config, cluster);
    assert_int_equal(hw_config_set(&shorter, "clock", "cluster:ranks=2", why), HW_E_ARGUMENT);
    assert_text(why, "newer than this configuration");
    const hw_config before = c;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(hw_cluster_parse(&c, wrong[i][0], why), HW_E_ARGUMENT);
        assert_text(why, wrong[i][1]);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(means),
        cmocka_unit_test(no_bit_depends_on_real_threads),
        cmocka_unit_test(one_rank_of_one_thread_is_sequential),
        cmocka_unit_test(momentum_is_the_owners),
        cmocka_unit_test(staleness_of_equal_ranks),
        cmocka_unit_test(times_are_those_of_the_network),
        cmocka_unit_test(runs_end_and_begin_again),
        cmocka_unit_test(policies),
        cmocka_unit_test(policies_of_another_run),
        cmocka_unit_test(rates_without_momentum),
        cmocka_unit_test(own_steps_at_the_owners_rate),
        cmocka_unit_test(skipped_gradients_do_not_stop_it),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
