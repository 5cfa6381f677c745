/* caller.c - a program of the release before, compiled once against that release's headers and once against today's,
 * and linked with today's library: both print the same. It uses the structs that callers fill and those that they are
 * given, passed by pointer, by value and returned. */
#include <hogwild.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 24, EXAMPLES = 256 };

static int failed;
#define CHECK(call)                                                          \
    do {                                                                     \
        hw_status check_status = (call);                                     \
        if (check_status != HW_OK) {                                         \
            printf("%s: %s %s\n", #call, hw_status_name(check_status), why); \
            failed = 1;                                                      \
        }                                                                    \
    } while (0)

static double loss_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    const float *to = self;
    double loss = 0;
    (void)scratch;
    for (int j = 0; j < N; j++) {
        g[j] = 0;
        for (uint32_t i = 0; i < batch->count; i++) g[j] += x[j] - to[j] - (float)(batch->index[i] % 3) + 1;
        g[j] /= (float)batch->count;
        loss += (double)(g[j] * g[j]) / 2;
    }
    return loss;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const float *to = self;
    (void)scratch;
    (void)first;
    for (int j = 0; j < N; j++) sums[0] += count * fabs((double)x[j] - (double)to[j]);
    return HW_OK;
}

typedef struct seen {
    unsigned evaluations, checkpoints, epochs;
    double last;
    uint64_t landed;
} seen;

static hw_status on_evaluation(void *context, const hw_evaluation *e)
{
    seen *s = context;
    s->evaluations++;
    s->last = e->metric[0];
    return HW_OK;
}

static hw_status on_checkpoint(void *context, const hw_state *state)
{
    seen *s = context;
    s->checkpoints++;
    s->landed = hw_state_number(state, "run.landed", 0);
    return HW_OK;
}

static hw_status on_epoch(void *context, uint64_t epoch)
{
    ((seen *)context)->epochs = (unsigned)epoch;
    return HW_OK;
}

static void run(hw_objective *o, hw_scheduler scheduler)
{
    char why[HW_WHY] = "";
    seen s = {0, 0, 0, 0, 0};
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = scheduler == HW_SEQUENTIAL ? 1 : 4;
    c.batch = 8;
    c.epochs = 4;
    c.optimizer.rule = HW_RULE_SGD;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 0.05;
    c.compensation.policy = scheduler == HW_SIMULATED ? HW_POLICY_EXACT : HW_POLICY_NONE;
    c.exact = 64;
    c.context = &s;
    c.on_evaluation = on_evaluation;
    c.on_checkpoint = on_checkpoint;
    c.on_epoch = on_epoch;
    c.checkpoint_every = 50;
    CHECK(hw_config_check(&c, o, why));
    float x[N] = {0};
    hw_engine *e = NULL;
    hw_result r;
    CHECK(hw_engine_create(&e, o, &c, x, why));
    if (!e) return;
    CHECK(hw_engine_run(e, &r));
    CHECK(hw_engine_get(e, x));
    hw_stop(e);
    size_t evaluations, settings;
    const hw_evaluation *list = hw_engine_evaluations(e, &evaluations);
    const hw_setting *set = hw_engine_settings(e, &settings);
    printf("%d: %llu updates, loss %.17g, last %.17g at %llu, shape %.17g %.17g, momentum %.17g\n", (int)scheduler,
           (unsigned long long)r.updates, r.train_loss, r.last.metric[0], (unsigned long long)r.last.update,
           r.shape.mean, r.shape.dispersion, r.setting.momentum);
    printf("%u evaluations, last %.17g; %u checkpoints, last at %llu; %u epochs\n", s.evaluations, s.last,
           s.checkpoints, (unsigned long long)s.landed, s.epochs);
    for (size_t i = 0; i < evaluations; i++) printf(" %.17g", list[i].train_loss);
    for (size_t i = 0; i < settings; i++) printf(" %.17g", set[i].rate);
    printf("\n");
    for (int j = 0; j < N; j++) printf("%a ", (double)x[j]);
    printf("\n");
    hw_state *state = hw_state_create();
    hw_engine *again = NULL;
    CHECK(hw_engine_capture(e, state));
    CHECK(hw_engine_create(&again, o, &c, NULL, why));
    CHECK(hw_engine_restore(again, state, why));
    CHECK(hw_engine_run(again, &r));
    printf("goes on: %llu %.17g\n", (unsigned long long)r.updates, r.train_loss);
    hw_state_free(state);
    hw_engine_free(again);
    hw_engine_free(e);
}

static void shared_parameters(void)
{
    char why[HW_WHY] = "";
    hw_params_config config = hw_params_defaults(N, 2);
    hw_params *p = NULL;
    config.arrays = 1;
    CHECK(hw_params_create(&p, &config, why));
    if (!p) return;
    hw_form form;
    memset(&form, 0, sizeof form);
    form.kind = HW_FORM_MOMENTUM;
    form.a = 0.5f;
    form.b = -1;
    hw_range all = {0, N};
    float g[N], x[N];
    for (int j = 0; j < N; j++) g[j] = (float)j;
    for (unsigned i = 0; i < 3; i++)
        printf("%llu ", (unsigned long long)hw_params_write(p, i % 2, &form, &all, 1, g, NULL));
    hw_params_get(p, 0, x);
    for (int j = 0; j < N; j++) printf("%a ", (double)x[j]);
    printf("clock %llu\n", (unsigned long long)hw_params_clock(p));
    hw_params_free(p);
}

static void network(void)
{
    char why[HW_WHY] = "";
    hw_images images;
    hw_objective o;
    hw_result r;
    static float x[100000];
    hw_residual_config residual = hw_residual_defaults();
    hw_preparation preparation = hw_preparation_defaults();
    CHECK(hw_textures_generate(64, 10, 1, &images));
    hw_net *net = hw_net_residual(8, &residual, &preparation, why);
    if (!net) printf("no residual net: %s\n", why);
    hw_net_free(net);
    net = hw_net_perceptron(3, 32, 32, 8, 10, 8, why);
    hw_net_task task = {net, &images, NULL, NULL};
    CHECK(hw_net_objective(&task, &o, why));
    hw_net_init(net, 1, x);
    hw_config c = hw_config_defaults();
    c.workers = 1;
    c.scheduler = HW_SEQUENTIAL;
    c.batch = 8;
    c.epochs = 1;
    CHECK(hw_train(&o, &c, x, &r));
    printf("net: %llu updates, loss %.9g, parameters %zu\n", (unsigned long long)r.updates, r.train_loss,
           hw_net_parameters(net));
    hw_net_free(net);
    hw_images_free(&images);
}

int main(void)
{
    static float to[N];
    for (int j = 0; j < N; j++) to[j] = (float)(j - N / 2);
    hw_objective o = hw_objective_defaults("caller", N);
    o.self = to;
    o.loss_gradient = loss_gradient;
    o.examples = EXAMPLES;
    o.evaluate = evaluate;
    o.evaluation_examples = 4;
    run(&o, HW_SEQUENTIAL);
    run(&o, HW_SYNC);
    run(&o, HW_SIMULATED);
    shared_parameters();
    network();
    return failed;
}
